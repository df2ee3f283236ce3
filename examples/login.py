#!/usr/bin/env python3
"""Log a Spotify account of spotify_etl in, with the browser of this machine.

    python3 login.py -d music
    python3 login.py -d "host=db.example.org dbname=music user=anna" --account anna

Needs Python 3.8 and psql, nothing else.  The database may be on another machine:
it exchanges the code for tokens itself, so no token comes to this one.  The
account has to exist: see spotify_set_account().

The database gives the address to open.  When you have agreed, Spotify sends the
browser to the redirect URI, where this program listens for that one answer and
hands it to spotify_authorize().
"""

import argparse
import http.server
import os
import socket
import subprocess
import sys
import threading
import webbrowser
from urllib.parse import parse_qs, urlsplit

LOOPBACK = {"127.0.0.1", "::1", "localhost"}

# How long a browser may take to send its request, once it is connected.
REQUEST_SECONDS = 10

PAGE = """<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<title>spotify_etl</title>
<p>{}</p>
"""


def literal(text):
    """Write text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def ask(arguments, function, *parameters):
    """Call a function of the extension; return its answer, or end with its error.

    What is called comes by standard input, so that no command line shows it.
    """
    if arguments.account:
        parameters += (f"account => {literal(arguments.account)}",)
    call = ", ".join(parameters)
    command = ["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"]
    if arguments.dbname:
        command += ["-d", arguments.dbname]
    try:
        answer = subprocess.run(
            command, check=False, stdout=subprocess.PIPE, encoding="utf-8",
            input="SET standard_conforming_strings = on;\n"
                  f"SELECT {function}({call});\n",
            env={**os.environ, "PGCLIENTENCODING": "UTF8"})
    except FileNotFoundError:
        sys.exit("psql was not found.  Install the client of PostgreSQL.")
    if answer.returncode != 0:
        sys.exit(answer.returncode)
    return answer.stdout.rstrip("\n")


class Callback(http.server.BaseHTTPRequestHandler):
    """Takes the one request that brings Spotify's answer."""

    timeout = REQUEST_SECONDS

    def do_GET(self):  # pylint: disable=invalid-name
        """Keep the address if it is an answer; a browser asks for more."""
        address = urlsplit(self.path)
        query = parse_qs(address.query)
        if address.path != self.server.path or not {"code", "error"} & set(query):
            self.send_error(404)
            return
        self.server.answer = self.path
        self.reply("That is all here. Go back to the terminal.")

    def reply(self, text):
        """Send a small page."""
        body = PAGE.format(text).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format, *args):  # pylint: disable=redefined-builtin
        """Say nothing: the address holds the code."""


class Listener(http.server.HTTPServer):
    """Listens on a redirect URI until it has Spotify's answer."""

    def __init__(self, redirect):
        self.path = redirect.path or "/"
        self.answer = None
        self.address_family = socket.AF_INET
        if ":" in redirect.hostname:
            self.address_family = socket.AF_INET6
        super().__init__((redirect.hostname, redirect.port or 80), Callback)

    def wait(self):
        """Return the path and the query to which the browser was sent."""
        while self.answer is None:
            self.handle_request()
        return self.answer


def listen(redirect):
    """Return a listener, or None and say why there cannot be one."""
    if redirect.scheme != "http" or redirect.hostname not in LOOPBACK:
        print(f"The redirect URI is not on this machine: {redirect.geturl()}")
        return None
    try:
        return Listener(redirect)
    except OSError as error:
        print(f"Cannot listen on {redirect.geturl()}: {error.strerror}.")
        return None


def receive(url, listener):
    """Open the URL in a browser and return the address on which that ends."""
    print(f"Open this address, if no browser does so by itself:\n\n{url}\n", flush=True)
    # A browser in the terminal does not return before it ends.
    threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()
    if listener is not None:
        with listener:
            return listener.wait()
    try:
        return input("When you have agreed, paste the address that the browser shows then: ")
    except EOFError:
        sys.exit("No address was given.")


def main():
    """Log in once."""
    parser = argparse.ArgumentParser(
        description="Logs a Spotify account of spotify_etl in, with the browser of this machine.")
    parser.add_argument("-d", "--dbname",
                        help="database or connection string for psql; else its environment counts")
    parser.add_argument("--account", help="name of the account; needed if there are several")
    arguments = parser.parse_args()

    url = ask(arguments, "spotify_authorize_url")
    redirect = urlsplit(parse_qs(urlsplit(url).query)["redirect_uri"][0])
    listener = listen(redirect)
    response = receive(url, listener)
    user = ask(arguments, "spotify_authorize", literal(response))
    if user:
        print(f"This is the account of the Spotify user {user}.")
    else:
        print("Logged in.  Spotify did not say who the user is.")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("\nNot logged in.")
