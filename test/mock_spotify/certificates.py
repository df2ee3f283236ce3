"""Certificates for TLS, made with the openssl command, and the server's TLS context.

In the directory there is afterwards: ca.pem, what a client is to trust, and for each
kind KIND.pem and KIND.key. What exists already is used again.
"""

import os
import ssl
import subprocess

KINDS = ("good", "expired", "self-signed", "wrong-host", "tls10")

LIFETIME_DAYS = "3650"
# A day long ago. Only "openssl ca" can say this in every version.
EXPIRED_FROM, EXPIRED_TO = "20200101000000Z", "20200102000000Z"

# The file for openssl, so that nothing depends on how the computer's own is written.
CONFIG_FILE = "openssl.cnf"
CONFIG = """[req]
distinguished_name = subject
prompt = no
[subject]
CN = mock Spotify
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[right_names]
subjectAltName = IP:127.0.0.1, DNS:localhost
basicConstraints = CA:FALSE
extendedKeyUsage = serverAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[wrong_names]
subjectAltName = DNS:example.org
basicConstraints = CA:FALSE
extendedKeyUsage = serverAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[ca]
default_ca = expired
[expired]
database = index.txt
serial = serial.txt
new_certs_dir = .
default_md = sha256
policy = any_name
[any_name]
commonName = supplied
"""
NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


def make_certificates(directory):
    """Make the authority and a certificate of each kind, where they are missing."""
    os.makedirs(directory, exist_ok=True)
    with open(os.path.join(directory, CONFIG_FILE), "w", encoding="ascii") as file:
        file.write(CONFIG)
    if not os.path.exists(os.path.join(directory, "ca.pem")):
        _make_self_signed(directory, "ca", "authority")
    for kind in KINDS:
        if not os.path.exists(os.path.join(directory, kind + ".pem")):
            _make_certificate(directory, kind)


def server_context(directory, kind):
    """Return what wraps the server's sockets in TLS with this kind of certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(
        os.path.join(directory, kind + ".pem"), os.path.join(directory, kind + ".key")
    )
    if kind == "tls10":
        # OpenSSL 3 refuses this version above security level 0.
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1
    else:
        context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _make_certificate(directory, kind):
    if kind == "self-signed":
        _make_self_signed(directory, kind, "right_names")
        return
    request = _make_request(directory, kind)
    if kind == "expired":
        _sign_expired(directory, kind, request)
    else:
        names = "wrong_names" if kind == "wrong-host" else "right_names"
        _sign(directory, kind, request, names)
    os.remove(os.path.join(directory, request))


def _make_self_signed(directory, name, extensions):
    _openssl(
        directory,
        "req", "-x509", "-config", CONFIG_FILE, "-extensions", extensions, *NEW_KEY,
        "-keyout", name + ".key", "-out", name + ".pem", "-days", LIFETIME_DAYS,
    )


def _make_request(directory, name):
    request = name + ".csr"
    _openssl(
        directory,
        "req", "-new", "-config", CONFIG_FILE, *NEW_KEY,
        "-keyout", name + ".key", "-out", request,
        # An issuer of the same name would make this one look self-signed.
        "-subj", "/CN=127.0.0.1",
    )
    return request


def _sign(directory, name, request, extensions):
    _openssl(
        directory,
        "x509", "-req", "-in", request, "-CA", "ca.pem", "-CAkey", "ca.key",
        "-CAcreateserial", "-days", LIFETIME_DAYS, "-extfile", CONFIG_FILE,
        "-extensions", extensions, "-out", name + ".pem",
    )


def _sign_expired(directory, name, request):
    with open(os.path.join(directory, "index.txt"), "w", encoding="ascii"):
        pass
    _openssl(
        directory,
        "ca", "-batch", "-notext", "-config", CONFIG_FILE, "-in", request,
        "-cert", "ca.pem", "-keyfile", "ca.key", "-create_serial",
        "-startdate", EXPIRED_FROM, "-enddate", EXPIRED_TO,
        "-extensions", "right_names", "-out", name + ".pem",
    )


def _openssl(directory, *arguments):
    command = ["openssl", *arguments]
    result = subprocess.run(
        command, cwd=directory, capture_output=True, text=True, check=False
    )
    if result.returncode != 0:
        raise RuntimeError("openssl %s failed: %s" % (arguments[0], result.stderr))
