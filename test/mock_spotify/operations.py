"""Everything a test can change: by control, or from a fault while a request runs.

Each operation takes the world and, as keyword arguments, the members of the JSON
object that asked for it; it returns what is answered. ValueError says what is wrong
with the arguments.
"""

import inspect
import random

from . import catalogue
from .catalogue import links, object_id
from .clock import format_seconds, parse_utc
from .library import (
    DEFAULT_SPACING, DEFAULT_START, Library, SavedEntry, User, odd_entry,
)
from .tokens import ALL_SCOPES, EXPIRED, REVOKED, Client

# Tells an argument that is missing from one that is null.
MISSING = object()

ODD_KINDS = {
    "null": lambda added_at: None,
    "null_track": lambda added_at: {"added_at": added_at, "track": None},
    "local": lambda added_at: {"added_at": added_at, "track": catalogue.local_file()},
    "episode": lambda added_at: {"added_at": added_at, "track": catalogue.episode()},
}

# In seconds: the first play without a time is so old.
FIRST_PLAY_AGE = 3600

CONTEXT_KINDS = ("album", "artist", "playlist")


def run(world, name, arguments):
    """Run an operation by its name."""
    operation = find(name, arguments)
    return operation(world, **arguments) or {}


def check_mutations(mutations):
    """ValueError unless this is a list of operations with arguments that fit."""
    if not isinstance(mutations, list):
        raise ValueError("a list of operations is needed")
    for mutation in mutations:
        find(*split_mutation(mutation))


def split_mutation(mutation):
    """Return the name and the arguments of {"op": name, argument: ...}."""
    if not isinstance(mutation, dict) or "op" not in mutation:
        raise ValueError('an operation is an object with "op"')
    arguments = dict(mutation)
    return arguments.pop("op"), arguments


def find(name, arguments):
    operation = OPERATIONS.get(name)
    if operation is None:
        raise ValueError(
            "no such operation: %s; there are %s" % (name, ", ".join(OPERATIONS))
        )
    try:
        inspect.signature(operation).bind(None, **arguments)
    except TypeError as error:
        raise ValueError("%s: %s" % (name, error)) from None
    return operation


def one_of(**choices):
    """Return the name and value of the one choice that was made."""
    made = [(name, value) for name, value in choices.items() if value is not None]
    if len(made) != 1:
        raise ValueError("exactly one of %s is needed" % ", ".join(choices))
    return made[0]


def seconds_of(text):
    return None if text is None else int(parse_utc(text))


def replace_library(
    world, *, size=0, start=None, spacing=DEFAULT_SPACING, first_index=0, user=None
):
    """Replace the saved tracks by so many, from the newest back."""
    newest = DEFAULT_START if start is None else seconds_of(start)
    world.user(user).library = Library(size, newest, spacing, first_index)


def like(world, *, ids=None, indexes=None, count=None, added_at=None, user=None):
    """Save tracks; the last one named becomes the newest."""
    saved = world.user(user).library
    chosen, value = one_of(ids=ids, indexes=indexes, count=count)
    if chosen == "ids":
        tracks = [catalogue.track_number(each) for each in value]
    else:
        tracks = value if chosen == "indexes" else saved.new_tracks(value)
    for track in tracks:
        saved.like(track, seconds_of(added_at))
    return {"ids": [catalogue.track_id(track) for track in tracks]}


def unlike(world, *, ids=None, positions=None, count=None, seed=0, user=None):
    """Remove tracks: by id, by position (0 is the newest), or at random."""
    saved = world.user(user).library
    chosen, value = one_of(ids=ids, positions=positions, count=count)
    if chosen == "ids":
        saved.unlike(value)
        return {"ids": value}
    if chosen == "count":
        value = random.Random(seed).sample(range(len(saved.entries)), value)
    return {"ids": saved.remove(value)}


def insert(
    world, *, position=0, entry=MISSING, kind=None, index=None, added_at=None, user=None
):
    """Put an entry at a position: any JSON, an odd one by its kind, or a track."""
    saved = world.user(user).library
    seconds = seconds_of(added_at)
    if seconds is None:
        below = [each.added_at for each in saved.entries[position:] if each.added_at]
        seconds = below[0] if below else DEFAULT_START
    if entry is MISSING and index is not None:
        saved.insert(position, SavedEntry(index, seconds))
        return
    if entry is MISSING:
        if kind not in ODD_KINDS:
            raise ValueError("kind is one of " + ", ".join(ODD_KINDS))
        entry = ODD_KINDS[kind](format_seconds(seconds))
    saved.insert(position, odd_entry(entry))


def set_total(world, *, value=None, add=0, user=None):
    """Let Spotify lie about the number of saved tracks; without arguments not any more."""
    world.user(user).library.lie_about_total(value, add)


def rename(world, *, id, name):
    """Give a track, album or artist another name."""
    world.catalogue.rename(id, name)


def play(
    world, *, index=None, id=None, track=MISSING, played_at=None, context=None, count=1,
    user=None
):
    """Add plays: of a track by index or id, of any JSON, or of the next track."""
    plays = world.user(user).plays
    first = round((world.clock.now() - FIRST_PLAY_AGE) * 1000)
    milliseconds = None if played_at is None else round(parse_utc(played_at) * 1000)
    if track is MISSING:
        track = catalogue.track_number(id) if id is not None else index
        tracks = plays.new_tracks(count) if track is None else [track] * count
    else:
        tracks = [track] * count
    for each in tracks:
        plays.add(each, milliseconds, context_of(context, each), first=first)


def context_of(context, track):
    """Return a context as it accompanies a play; a word stands for a whole one."""
    if not isinstance(context, str):
        return context
    if context not in CONTEXT_KINDS:
        raise ValueError("context is an object or one of " + ", ".join(CONTEXT_KINDS))
    number = catalogue.album_number_of(track) if isinstance(track, int) else 0
    whole = links(context, object_id("album", number))
    del whole["id"]
    return whole


def retell_plays(
    world, *, milliseconds=None, least=None, most=None, seed=0, user=None
):
    """Tell the plays with other times than before: later by so many milliseconds.

    That is a number for all, or a list for the newest ones, or a random one from
    least to most for each. Without arguments they are told as at first.
    """
    generator = random.Random(seed)

    def shift_of(position):
        if isinstance(milliseconds, list):
            return milliseconds[position] if position < len(milliseconds) else 0
        if milliseconds is not None:
            return milliseconds
        return 0 if least is None else generator.randint(least, most)

    if (least is None) != (most is None):
        raise ValueError("least and most belong together")
    world.user(user).plays.retell(shift_of)


def echo_plays(world, *, positions, milliseconds, user=None):
    """Tell plays twice, the second time so many milliseconds later."""
    for position in positions:
        world.user(user).plays.echo(position, milliseconds)


def clear_plays(world, *, user=None):
    """Forget all plays."""
    world.user(user).plays.clear()


def set_clock(world, *, now=MISSING, advance=None):
    """Set the clock, or move it by so many seconds; now = null is the real time."""
    if advance is not None:
        world.clock.set(world.clock.now() + advance)
    elif now is not MISSING:
        world.clock.set(None if now is None else parse_utc(now))
    return {"now": format_seconds(world.clock.now())}


def set_switches(world, **settings):
    """Set switches; return them all."""
    world.config.change(settings)
    if "quota" in settings:
        world.quota.restart()
    return dict(world.config)


def add_client(world, *, id, secret=None, redirect_uris=None):
    """Add a client or change it; without a secret it is a PKCE client."""
    known = world.clients.get(id) or world.clients["mock-client"]
    world.clients[id] = Client(id, secret, redirect_uris or known.redirect_uris)


def add_user(world, *, id, display_name=None, account_id=None, size=0):
    """Add a user with a library of so many tracks."""
    world.users[id] = User(id, display_name, account_id or "account-" + id, size)


def add_refresh_token(
    world, *, refresh_token, client_id="mock-client", user=None, scopes=None,
    authorized_at=None
):
    """Add a refresh token of a user for a client."""
    if client_id not in world.clients:
        raise ValueError("no such client: %s" % client_id)
    world.tokens.add_refresh(
        client_id,
        world.user(user),
        list(ALL_SCOPES) if scopes is None else scopes,
        refresh_token,
        seconds_of(authorized_at),
    )


def add_access_token(
    world, *, client_id="mock-client", user=None, scopes=None, expires_in=None
):
    """Issue an access token without a token request."""
    scopes = list(ALL_SCOPES) if scopes is None else scopes
    value = world.tokens.add_access(client_id, world.user(user), scopes, expires_in)
    return {"access_token": value}


def tell_token_state(world, *, refresh_token=None, access_token=None):
    """Tell whether a token is known, and active, revoked or expired."""
    chosen, value = one_of(refresh_token=refresh_token, access_token=access_token)
    tokens = world.tokens
    if chosen == "refresh_token":
        token, state_of = tokens.refresh.get(value), tokens.refresh_state
    else:
        token, state_of = tokens.access.get(value), tokens.access_state
    if token is None:
        return {"state": "unknown"}
    return {"state": state_of(token), "user": token.user.id, "client_id": token.client_id}


def revoke(
    world, *, refresh_token=None, refresh_tokens=None, access_tokens=None, user=None
):
    """Revoke one refresh token, or "all" tokens of a kind, perhaps of one user."""
    return end_tokens(world, REVOKED, refresh_token, refresh_tokens, access_tokens, user)


def expire(
    world, *, refresh_token=None, refresh_tokens=None, access_tokens=None, user=None
):
    """Let tokens expire now, named as for revoke."""
    return end_tokens(world, EXPIRED, refresh_token, refresh_tokens, access_tokens, user)


def end_tokens(world, state, refresh_token, refresh_tokens, access_tokens, user):
    tokens = world.tokens
    chosen, value = one_of(
        refresh_token=refresh_token,
        refresh_tokens=refresh_tokens,
        access_tokens=access_tokens,
    )
    if chosen == "refresh_token":
        if value not in tokens.refresh:
            raise ValueError("no such refresh token")
        ended = [tokens.refresh[value]]
    elif value != "all":
        raise ValueError('%s can only be "all"' % chosen)
    else:
        store = tokens.refresh if chosen == "refresh_tokens" else tokens.access
        ended = [each for each in store.values() if user in (None, each.user.id)]
    for token in ended:
        token.state = state
    return {"count": len(ended)}


def reset(world):
    """Go back to the start state."""
    world.reset()


OPERATIONS = {
    "library": replace_library,
    "like": like,
    "unlike": unlike,
    "insert": insert,
    "total": set_total,
    "rename": rename,
    "play": play,
    "retell": retell_plays,
    "echo": echo_plays,
    "clear_plays": clear_plays,
    "clock": set_clock,
    "config": set_switches,
    "client": add_client,
    "user": add_user,
    "refresh_token": add_refresh_token,
    "access_token": add_access_token,
    "token_state": tell_token_state,
    "revoke": revoke,
    "expire": expire,
    "reset": reset,
}
