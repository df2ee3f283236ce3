"""Everything the mock knows, in one object behind one lock."""

import threading

from .catalogue import Catalogue
from .clock import Clock
from .config import Config
from .faults import Faults
from .library import User
from .request_log import RequestLog
from .tokens import ALL_SCOPES, Client, TokenStore

DEFAULT_USER = "mock-user"
REDIRECT_URIS = [
    "http://127.0.0.1:8888/callback",
    # Registered without a port, a loopback address may be used with any.
    "http://127.0.0.1/callback",
    "http://[::1]/callback",
    "https://example.org/callback",
]


class World:
    """The state that requests read and change; hold the lock while doing so."""

    def __init__(self, library_size=0, log_path=None, **switches):
        self.lock = threading.RLock()
        self._library_size = library_size
        self._switches = switches
        self._log_path = log_path
        self.reset()

    def reset(self):
        """Go back to the start state."""
        self.config = Config(**self._switches)
        self.clock = Clock()
        self.catalogue = Catalogue()
        self.log = RequestLog(self._log_path)
        self.faults = Faults()
        self.tokens = TokenStore(self.config, self.clock)
        self.approvals = {}
        self.quota = Quota()
        self.clients = {}
        self.users = {}
        user = User(DEFAULT_USER, "Mock User", "mockAccount1", self._library_size)
        self.users[user.id] = user
        self.clients["mock-client"] = Client("mock-client", "mock-secret", REDIRECT_URIS)
        self.clients["mock-pkce-client"] = Client("mock-pkce-client", None, REDIRECT_URIS)
        for client, value in (
            ("mock-client", "mock-refresh-token"),
            ("mock-pkce-client", "mock-pkce-refresh-token"),
        ):
            self.tokens.add_refresh(client, user, list(ALL_SCOPES), value)

    def user(self, identity=None):
        """Return a user, by default the first; ValueError when there is none."""
        identity = DEFAULT_USER if identity is None else identity
        if identity not in self.users:
            raise ValueError("no such user: %s" % identity)
        return self.users[identity]


class Quota:
    """The daily quota: so many API requests, then none until a time has passed."""

    def __init__(self):
        self.restart()

    def restart(self):
        self._used = 0
        self._closed_until = None

    def seconds_to_wait(self, config, now):
        """Count a request; return 0 when it is allowed, else how long to wait."""
        if config["quota"] is None:
            return 0
        if self._closed_until is not None and now >= self._closed_until:
            self.restart()
        if self._used < config["quota"]:
            self._used += 1
            return 0
        if self._closed_until is None:
            self._closed_until = now + config["quota_retry_after"]
        return self._closed_until - now
