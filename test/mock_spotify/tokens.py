"""Clients, refresh tokens, access tokens and authorisation codes."""

import secrets
from typing import Any, NamedTuple, Optional

ALL_SCOPES = (
    "user-library-read", "user-library-modify", "user-read-recently-played",
    "user-follow-read", "user-follow-modify", "user-top-read",
    "user-read-playback-position", "user-read-playback-state",
    "user-modify-playback-state", "user-read-currently-playing", "user-read-private",
    "user-read-email", "playlist-read-private", "playlist-read-collaborative",
    "playlist-modify-public", "playlist-modify-private", "app-remote-control",
    "streaming", "ugc-image-upload",
)

CODE_LIFETIME = 600

ACTIVE, REVOKED, EXPIRED = "active", "revoked", "expired"


class Client(NamedTuple):
    """An app. One without a secret is a PKCE client."""

    id: str
    secret: Optional[str]
    redirect_uris: list


class RefreshToken:
    """A refresh token. Those that came from one authorisation are a family."""

    def __init__(self, value, client_id, user, scopes, authorized_at, family):
        self.value = value
        self.client_id = client_id
        self.user = user
        self.scopes = scopes
        self.authorized_at = authorized_at
        self.family = family
        self.state = ACTIVE


class AccessToken:
    """An access token, and how often it was used."""

    def __init__(self, client_id, user, scopes, expires_at):
        self.client_id = client_id
        self.user = user
        self.scopes = scopes
        self.expires_at = expires_at
        self.uses = 0
        self.state = ACTIVE


class Code(NamedTuple):
    """An authorisation code and what it was given for."""

    client_id: str
    user: Any
    scopes: list
    redirect_uri: str
    challenge: Optional[str]
    expires_at: float


class TokenStore:
    """Everything that was issued. Values never leave it except in token answers."""

    def __init__(self, config, clock):
        self._config = config
        self._clock = clock
        self.refresh = {}
        self.access = {}
        self.codes = {}

    def add_refresh(self, client_id, user, scopes, value=None, authorized_at=None):
        """Issue the refresh token of a new authorisation."""
        if authorized_at is None:
            authorized_at = self._clock.now()
        family = secrets.token_hex(8)
        return self._store_refresh(value, client_id, user, scopes, authorized_at, family)

    def rotate(self, old):
        """Issue the successor of a refresh token, which is revoked by that."""
        old.state = REVOKED
        return self._store_refresh(
            None, old.client_id, old.user, old.scopes, old.authorized_at, old.family
        )

    def _store_refresh(self, value, *details):
        value = value or make_secret("mock-refresh-", 140)
        self.refresh[value] = RefreshToken(value, *details)
        return self.refresh[value]

    def add_access(self, client_id, user, scopes, expires_in=None):
        """Issue an access token; return its value."""
        value = make_secret("mock-access-", self._config["access_token_length"])
        lifetime = self._config["expires_in"] if expires_in is None else expires_in
        self.access[value] = AccessToken(
            client_id, user, scopes, self._clock.now() + lifetime
        )
        return value

    def add_code(self, client_id, user, scopes, redirect_uri, challenge):
        """Issue an authorisation code; return its value."""
        value = make_secret("mock-code-", 120)
        expires_at = self._clock.now() + CODE_LIFETIME
        self.codes[value] = Code(
            client_id, user, scopes, redirect_uri, challenge, expires_at
        )
        return value

    def refresh_state(self, token):
        """Return active, revoked or expired."""
        lifetime = self._config["refresh_token_lifetime"]
        ended = self._clock.now() >= token.authorized_at + lifetime
        if token.state == ACTIVE and ended:
            return EXPIRED
        return token.state

    def access_state(self, token):
        """Return active, revoked or expired."""
        allowed = self._config["access_token_uses"]
        if token.state != ACTIVE:
            return token.state
        if self._clock.now() >= token.expires_at:
            return EXPIRED
        if allowed is not None and token.uses >= allowed:
            return EXPIRED
        return ACTIVE

    def revoke_family(self, token):
        for other in self.refresh.values():
            if other.family == token.family:
                other.state = REVOKED


def make_secret(prefix, length):
    """Return a random value; the prefix lets a test search for leaks."""
    return prefix + secrets.token_urlsafe(length)[: max(0, length - len(prefix))]
