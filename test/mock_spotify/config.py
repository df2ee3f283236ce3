"""The switches a test can set, their start values and what they may be set to."""

BOOLEAN = (True, False)
NUMBER = (int, float)

# The third column is a tuple of the values allowed, or else a tuple of types.
SWITCHES = {
    "rotate": ("pkce", (True, False, "pkce")),
    "reuse_revokes_family": (False, BOOLEAN),
    "refresh_in_answer": ("none", ("none", "same", "empty")),
    "refresh_token_lifetime": (184 * 86400, NUMBER),
    "expires_in": (3600, NUMBER),
    "access_token_uses": (None, (int, type(None))),
    "access_token_length": (200, (int,)),
    "scopes": (None, (list, type(None))),
    "contains_scopes": (
        ["user-library-read", "user-follow-read", "playlist-read-private"], (list,)
    ),
    "contains_status": (None, (int, type(None))),
    "max_page": (None, (int, type(None))),
    "quota": (None, (int, type(None))),
    "quota_retry_after": (49861, NUMBER),
    "plays_days": (7, (int, float, type(None))),
    "login_as": ("mock-user", (str,)),
    "auto_approve": (False, BOOLEAN),
    "legacy_fields": (False, BOOLEAN),
    "pretty": (False, BOOLEAN),
    "gzip": (True, BOOLEAN),
    "require_http_version": (None, (str, type(None))),
    "latency_ms": (0, NUMBER),
    "latency_jitter_ms": (0, NUMBER),
}


class Config(dict):
    """The switches by name."""

    def __init__(self, **start):
        super().__init__((name, row[0]) for name, row in SWITCHES.items())
        self.change(start)

    def change(self, settings):
        """Set some switches, all or none; ValueError says which is wrong."""
        for name, value in settings.items():
            if name not in SWITCHES:
                raise ValueError(
                    "no such switch: %s; there are %s" % (name, ", ".join(SWITCHES))
                )
            if not is_allowed(value, SWITCHES[name][1]):
                raise ValueError("%s cannot be %r" % (name, value))
        self.update(settings)


def is_allowed(value, allowed):
    if all(isinstance(each, type) for each in allowed):
        return isinstance(value, allowed) and not isinstance(value, bool)
    return any(type(value) is type(each) and value == each for each in allowed)
