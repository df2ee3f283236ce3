"""The token endpoint, as strict as Spotify's."""

import base64
import binascii
import hashlib
import re
from typing import NamedTuple, Optional
from urllib.parse import parse_qsl, unquote_plus

from .messages import accounts_error, json_answer
from .tokens import ACTIVE, REVOKED

FORM_TYPE = "application/x-www-form-urlencoded"
VERIFIER = re.compile(r"[A-Za-z0-9_.~-]{43,128}")

REFRESH_TOKEN_ERRORS = {
    "revoked": "Refresh token revoked",
    "expired": "Refresh token expired",
}


class Refusal(Exception):
    """Carries the answer to a request that is not granted."""

    def __init__(self, error, description):
        super().__init__(description)
        self.answer = accounts_error(400, error, description)


class Identity(NamedTuple):
    """Who a request seems to come from; nothing of it is proven."""

    user_id: Optional[str] = None
    client_id: Optional[str] = None
    grant_type: Optional[str] = None


def token(world, request):
    """Answer POST /api/token."""
    try:
        form = read_form(request)
        grant_type = required(form, "grant_type")
        grant = GRANTS.get(grant_type)
        if grant is None:
            raise Refusal(
                "unsupported_grant_type", "grant_type %s is not supported" % grant_type
            )
        client = authenticate(world, request, form)
        value = grant(world, client, form)
    except Refusal as refusal:
        return refusal.answer
    return json_answer(
        200, value, [("Cache-Control", "no-store")], world.config["pretty"]
    )


def identify(world, request):
    """Return who a token request seems to come from."""
    form = dict(reversed(parse_qsl(request.body.decode("latin-1"))))
    client_id, _ = basic_credentials(request) or (form.get("client_id"), None)
    known = world.tokens.refresh.get(form.get("refresh_token"))
    known = known or world.tokens.codes.get(form.get("code"))
    return Identity(known.user.id if known else None, client_id, form.get("grant_type"))


def read_form(request):
    if request.header("content-type").partition(";")[0].strip().lower() != FORM_TYPE:
        raise Refusal("invalid_request", "Content-Type must be " + FORM_TYPE)
    try:
        pairs = parse_qsl(
            request.body.decode("ascii"), keep_blank_values=True, strict_parsing=True
        )
    except ValueError:
        raise Refusal("invalid_request", "malformed form") from None
    if len(dict(pairs)) < len(pairs):
        raise Refusal("invalid_request", "a parameter comes twice")
    return dict(pairs)


def required(form, name):
    if not form.get(name):
        raise Refusal("invalid_request", "%s must be supplied" % name)
    return form[name]


def basic_credentials(request):
    """Return (id, secret) of the Authorization header, None without usable ones."""
    scheme, _, encoded = request.header("authorization").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        text = base64.b64decode(encoded, validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        return None
    identity, colon, secret = text.partition(":")
    return (unquote_plus(identity), unquote_plus(secret)) if colon else None


def authenticate(world, request, form):
    """Return the client: one with a secret shows it, one without names itself."""
    if request.header("authorization"):
        client_id, secret = basic_credentials(request) or (None, None)
    else:
        client_id, secret = required(form, "client_id"), None
    client = world.clients.get(client_id)
    if client is None:
        raise Refusal("invalid_client", "Invalid client")
    if form.get("client_id", client_id) != client_id:
        raise Refusal("invalid_request", "two different clients are named")
    if client.secret != secret:
        raise Refusal("invalid_client", "Invalid client secret")
    return client


def refresh_grant(world, client, form):
    value = required(form, "refresh_token")
    refresh = world.tokens.refresh.get(value)
    if refresh is None or refresh.client_id != client.id:
        raise Refusal("invalid_grant", "Invalid refresh token")
    state = world.tokens.refresh_state(refresh)
    if state != ACTIVE:
        if state == REVOKED and world.config["reuse_revokes_family"]:
            world.tokens.revoke_family(refresh)
        raise Refusal("invalid_grant", REFRESH_TOKEN_ERRORS[state])
    answer = access_answer(world, client, refresh.user, refresh.scopes)
    rotate = world.config["rotate"]
    if rotate is True or (rotate == "pkce" and client.secret is None):
        answer["refresh_token"] = world.tokens.rotate(refresh).value
    elif world.config["refresh_in_answer"] != "none":
        same = world.config["refresh_in_answer"] == "same"
        answer["refresh_token"] = value if same else ""
    return answer


def code_grant(world, client, form):
    value = required(form, "code")
    redirect_uri = required(form, "redirect_uri")
    code = world.tokens.codes.get(value)
    if code is None or code.client_id != client.id:
        raise Refusal("invalid_grant", "Invalid authorization code")
    if world.clock.now() >= code.expires_at:
        raise Refusal("invalid_grant", "Authorization code expired")
    if redirect_uri != code.redirect_uri:
        raise Refusal("invalid_grant", "Invalid redirect URI")
    check_verifier(code.challenge, form)
    del world.tokens.codes[value]
    answer = access_answer(world, client, code.user, code.scopes)
    refresh = world.tokens.add_refresh(client.id, code.user, code.scopes)
    answer["refresh_token"] = refresh.value
    return answer


def check_verifier(challenge, form):
    """Compare the verifier with the challenge; both are there or neither is."""
    if challenge is None and "code_verifier" not in form:
        return
    verifier = required(form, "code_verifier")
    if not VERIFIER.fullmatch(verifier):
        raise Refusal("invalid_request", "code_verifier is malformed")
    digest = hashlib.sha256(verifier.encode("ascii")).digest()
    if base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != challenge:
        raise Refusal("invalid_grant", "code_verifier was incorrect")


def access_answer(world, client, user, scopes):
    """Issue an access token; return the members of the answer about it."""
    granted = scopes if world.config["scopes"] is None else world.config["scopes"]
    return {
        "access_token": world.tokens.add_access(client.id, user, scopes),
        "token_type": "Bearer",
        "expires_in": world.config["expires_in"],
        "scope": " ".join(granted),
    }


GRANTS = {"refresh_token": refresh_grant, "authorization_code": code_grant}
