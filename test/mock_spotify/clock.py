"""The mock's own clock, and the two ways Spotify writes a time.

The clock follows the computer's until a test sets it; from then on it runs on
from the time that was set. Tokens expire by this clock.
"""

import time
from datetime import datetime, timezone


class Clock:
    """Seconds since 1970 as the mock sees them."""

    def __init__(self):
        self._offset = 0.0

    def now(self):
        return time.time() + self._offset

    def set(self, seconds):
        """Set the time in seconds since 1970; None goes back to the real time."""
        self._offset = 0.0 if seconds is None else seconds - time.time()


def parse_utc(text):
    """Return the seconds since 1970 of an ISO 8601 time; without a zone it is UTC."""
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    return moment.timestamp()


def format_seconds(seconds):
    """Return a time as in `added_at`: 2026-11-01T00:00:00Z."""
    moment = datetime.fromtimestamp(int(seconds), timezone.utc)
    return moment.isoformat().replace("+00:00", "Z")


def format_milliseconds(milliseconds):
    """Return a time as in `played_at`: 2026-11-01T00:00:00.000Z."""
    whole, rest = divmod(milliseconds, 1000)
    return format_seconds(whole)[:-1] + ".%03dZ" % rest
