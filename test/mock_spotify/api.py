"""The Web API below /v1."""

import math
import re
from typing import Any, NamedTuple
from urllib.parse import urlencode

from .clock import format_milliseconds, format_seconds
from .jsontext import Raw, dumps
from .messages import Answer, Request, api_error, json_answer
from .oauth import Identity
from .tokens import EXPIRED, REVOKED
from . import catalogue

PRIVATE = ("Cache-Control", "private, max-age=0")
MAX_PAGE = 50
MAX_URIS = 40
TRACK_URI = re.compile(r"spotify:track:([0-9A-Za-z]{22})")

TOKEN_ERRORS = {REVOKED: "Invalid access token", EXPIRED: "The access token expired"}


class Refusal(Exception):
    """Carries the answer to a request that is not served."""

    def __init__(self, status, message, headers=(), reason=None):
        super().__init__(message)
        self.answer = api_error(status, message, headers, reason)


class Call(NamedTuple):
    """A request that may be served, and for whom.

    Shuffle is None, or the seed by which likes of the same second change places.
    """

    world: Any
    user: Any
    request: Request
    shuffle: Any = None


def answer(world, request, as_user=None, shuffle=None):
    """Answer a request below /v1, optionally with what belongs to another user."""
    try:
        handler, scopes_of = find_route(request)
        token = check_token(world, request)
        check_quota(world)
        check_scopes(world, token, scopes_of(world.config))
        user = token.user if as_user is None else world.user(as_user)
        return handler(Call(world, user, request, shuffle))
    except Refusal as refusal:
        return refusal.answer


def identify(world, request):
    """Return who a request seems to come from."""
    token = world.tokens.access.get(bearer_of(request))
    return Identity(token.user.id, token.client_id) if token else Identity()


def bearer_of(request):
    scheme, _, value = request.header("authorization").partition(" ")
    return value if scheme.lower() == "bearer" else None


def find_route(request):
    methods = ROUTES.get(request.path)
    if methods is None:
        raise Refusal(404, "Service not found")
    if request.method not in methods:
        raise Refusal(405, "Method not allowed", [("Allow", ", ".join(methods))])
    return methods[request.method]


def check_token(world, request):
    """Return the access token of a request, and count its use."""
    if not request.header("authorization"):
        raise Refusal(401, "No token provided")
    value = bearer_of(request)
    if value is None:
        raise Refusal(400, "Only valid bearer authentication supported")
    token = world.tokens.access.get(value)
    if token is None:
        raise Refusal(401, "Invalid access token")
    state = world.tokens.access_state(token)
    if state in TOKEN_ERRORS:
        raise Refusal(401, TOKEN_ERRORS[state])
    token.uses += 1
    return token


def check_quota(world):
    seconds = world.quota.seconds_to_wait(world.config, world.clock.now())
    if seconds > 0:
        header = ("Retry-After", str(math.ceil(seconds)))
        raise Refusal(429, "Too many requests", [header], "QUOTA_EXCEEDED")


def check_scopes(world, token, needed):
    switched = world.config["scopes"]
    granted = token.scopes if switched is None else switched
    if not set(needed).issubset(granted):
        raise Refusal(403, "Insufficient client scope")


def read_integer(request, name, default, lowest, highest=None):
    """Return a number of the query; anything else than one in range is refused."""
    text = request.query.get(name)
    if text is None:
        return default
    if not re.fullmatch(r"[0-9]{1,15}", text):
        raise Refusal(400, "Invalid " + name)
    value = int(text)
    if value < lowest or (highest is not None and value > highest):
        raise Refusal(400, "Invalid " + name)
    return value


def read_limit(call):
    """Return how many entries a page is to have at most."""
    limit = read_integer(call.request, "limit", 20, 1, MAX_PAGE)
    cap = call.world.config["max_page"]
    return limit if cap is None else min(limit, cap)


def me(call):
    user, legacy = call.user, call.world.config["legacy_fields"]
    profile = {
        "account_id": user.account_id,
        "display_name": user.display_name,
        "external_urls": {"spotify": "https://open.spotify.com/user/" + user.id},
        "href": "https://api.spotify.com/v1/users/" + user.id,
        "id": user.id,
        "images": [],
        "type": "user",
        "uri": "spotify:user:" + user.id,
    }
    if legacy:
        profile.update(
            country="DE",
            explicit_content={"filter_enabled": False, "filter_locked": False},
            followers={"href": None, "total": 0},
            product="premium",
        )
    return json_answer(200, profile, [PRIVATE], call.world.config["pretty"])


def saved_tracks(call):
    """Answer with a page of the saved tracks."""
    world, request, library = call.world, call.request, call.user.library
    limit = read_limit(call)
    offset = read_integer(request, "offset", 0, 0)
    market = request.query.get("market")
    page = tracks_page(call, limit, offset, market)
    return Answer(200, dumps(page, world.config["pretty"]), headers=[PRIVATE])


def tracks_page(call, limit, offset, market):
    """Return a page of the saved tracks; its items are text already."""
    library = call.user.library
    entries = library.entries
    if call.shuffle is not None:
        entries = library.shuffled(call.shuffle)
    texts = [entry_text(call.world, each) for each in entries[offset : offset + limit]]

    def link(start):
        query = {"offset": start, "limit": limit}
        if market is not None:
            query["market"] = market
        return "%s/v1/me/tracks?%s" % (call.request.base, urlencode(query))

    total = library.total
    before = max(0, min(offset, total) - limit)
    return {
        "href": link(offset),
        "items": Raw(b"[" + b",".join(texts) + b"]"),
        "limit": limit,
        "next": link(offset + limit) if offset + limit < total else None,
        "offset": offset,
        "previous": link(before) if offset > 0 else None,
        "total": total,
    }


def entry_text(world, entry):
    """Return a saved entry as JSON text."""
    pretty = world.config["pretty"]
    if entry.track is None:
        return dumps(entry.odd, pretty)
    text = world.catalogue.track_text(
        entry.track, world.config["legacy_fields"], pretty=pretty
    )
    added_at = format_seconds(entry.added_at).encode()
    return b'{"added_at":"%s","track":%s}' % (added_at, text)


def contains(call):
    """Answer which of some tracks are saved."""
    status = call.world.config["contains_status"]
    if status is not None:
        raise Refusal(status, "Forbidden" if status == 403 else "Service not found")
    library = call.user.library
    saved = [library.contains(each) for each in read_track_uris(call.request)]
    return json_answer(200, saved, [PRIVATE], call.world.config["pretty"])


def save(call):
    """Save tracks; one that is saved already stays where it is."""
    library = call.user.library
    added_at = int(call.world.clock.now())
    for identity in reversed(read_track_uris(call.request)):
        if not library.contains(identity):
            library.like(read_track_number(identity), added_at)
    return Answer(200)


def unsave(call):
    """Remove tracks; one that is not saved does not matter."""
    library = call.user.library
    identities = read_track_uris(call.request)
    library.unlike([each for each in identities if library.contains(each)])
    return Answer(200)


def read_track_uris(request):
    """Return the ids of the tracks in ?uris=."""
    text = request.query.get("uris")
    if not text:
        raise Refusal(400, "Missing required field: uris")
    uris = text.split(",")
    if len(uris) > MAX_URIS:
        raise Refusal(400, "Too many uris requested")
    matches = [TRACK_URI.fullmatch(uri) for uri in uris]
    if not all(matches):
        raise Refusal(400, "Invalid uri")
    return [match.group(1) for match in matches]


def read_track_number(identity):
    try:
        return catalogue.track_number(identity)
    except ValueError:
        raise Refusal(404, "Resource not found") from None


def recently_played(call):
    """Answer with the plays of the window, newest first."""
    request = call.request
    limit = read_limit(call)
    after = read_integer(request, "after", None, 0)
    before = read_integer(request, "before", None, 0)
    if after is not None and before is not None:
        raise Refusal(400, "after and before cannot be used together")
    plays = [
        (time, play)
        for time, play in call.user.plays.window(oldest_told(call.world))
        if (after is None or time > after) and (before is None or time < before)
    ][:limit]
    page = plays_page(call, plays, limit)
    return json_answer(200, page, [PRIVATE], call.world.config["pretty"])


def oldest_told(world):
    """Return the time, in milliseconds, before which no play is told; None: none."""
    days = world.config["plays_days"]
    return None if days is None else (world.clock.now() - days * 86400) * 1000


def plays_page(call, plays, limit):
    base = call.request.base + "/v1/me/player/recently-played?"
    following = cursors = None
    if plays:
        newest, oldest = str(plays[0][0]), str(plays[-1][0])
        cursors = {"after": newest, "before": oldest}
        # Spotify names a next page even where there is none.
        following = base + urlencode({"before": oldest, "limit": limit})
    return {
        "items": [play_object(call.world, time, play) for time, play in plays],
        "next": following,
        "cursors": cursors,
        "limit": limit,
        "href": base + urlencode({**call.request.query, "limit": limit}),
    }


def play_object(world, time, play):
    track = play.track
    if isinstance(track, int):
        legacy = world.config["legacy_fields"]
        track = Raw(
            world.catalogue.track_text(track, legacy, False, world.config["pretty"])
        )
    return {
        "track": track,
        "played_at": format_milliseconds(time),
        "context": play.context,
    }


def fixed_scopes(*scopes):
    return lambda config: scopes


LIBRARY_WRITE = fixed_scopes("user-library-modify")

# For each path and method: what answers, and which scopes it needs.
ROUTES = {
    "/v1/me": {"GET": (me, fixed_scopes())},
    "/v1/me/tracks": {"GET": (saved_tracks, fixed_scopes("user-library-read"))},
    "/v1/me/library": {"PUT": (save, LIBRARY_WRITE), "DELETE": (unsave, LIBRARY_WRITE)},
    "/v1/me/library/contains": {
        "GET": (contains, lambda config: config["contains_scopes"])
    },
    "/v1/me/player/recently-played": {
        "GET": (recently_played, fixed_scopes("user-read-recently-played"))
    },
}
