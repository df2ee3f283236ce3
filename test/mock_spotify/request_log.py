"""What was asked of the mock, without any secret."""

import json
import time

LOGGED_HEADERS = ("accept-encoding", "user-agent")
SECRET_PARAMETERS = (
    "access_token", "refresh_token", "client_secret", "code", "code_verifier",
    "code_challenge", "state",
)

KINDS = {
    "/api/token": "token",
    "/authorize": "authorize",
    "/v1/me": "me",
    "/v1/me/tracks": "tracks",
    "/v1/me/library": "library",
    "/v1/me/library/contains": "contains",
    "/v1/me/player/recently-played": "recently_played",
}
# A browser fetches these pages: they are no request of the client under test.
NOT_IN_TOTAL = ("authorize",)


class RequestLog:
    """The requests since the start or the last reset."""

    def __init__(self, path=None):
        self._path = path
        self._in_flight = 0
        self.clear()

    def clear(self):
        self.entries = []
        self._in_flight_max = self._in_flight

    def begin(self, request, identity, faults):
        """Return the entry of a request that has arrived; its status comes later."""
        entry = {
            "n": len(self.entries) + 1,
            "time": time.time(),
            "method": request.method,
            "path": request.path,
            "query": {
                name: "<redacted>" if name in SECRET_PARAMETERS else value
                for name, value in request.query.items()
            },
            "http_version": request.http_version,
            "connection": request.connection,
            "headers": logged_headers(request),
            "user": identity.user_id,
            "client_id": identity.client_id,
            "grant_type": identity.grant_type,
            "faults": faults,
            "status": None,
        }
        self.entries.append(entry)
        self._in_flight += 1
        self._in_flight_max = max(self._in_flight_max, self._in_flight)
        return entry

    def answered(self, entry, status):
        """Note the status that is about to be sent, None for no answer at all."""
        entry["status"] = status
        if self._path is not None:
            with open(self._path, "a", encoding="utf-8") as file:
                file.write(json.dumps(entry) + "\n")

    def leave(self):
        """Note that one request is no longer in flight."""
        self._in_flight -= 1

    def counts(self, user=None):
        """Return how many requests there were of each kind."""
        counts = dict.fromkeys([*KINDS.values(), "other", "total"], 0)
        for entry in self.entries:
            if user is None or entry["user"] == user:
                kind = KINDS.get(entry["path"], "other")
                counts[kind] += 1
                counts["total"] += kind not in NOT_IN_TOTAL
        counts["in_flight_max"] = self._in_flight_max
        return counts


def logged_headers(request):
    headers = {name: request.header(name) for name in LOGGED_HEADERS}
    headers["authorization"] = request.header("authorization").partition(" ")[0]
    return headers
