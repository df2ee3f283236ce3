"""What belongs to one user: the profile, the saved tracks and the plays."""

import bisect
import itertools
import random
from collections import Counter
from typing import Any, NamedTuple, Optional

from . import catalogue
from .clock import format_milliseconds, format_seconds, parse_utc

DEFAULT_START = int(parse_utc("2026-11-01T00:00:00Z"))
DEFAULT_SPACING = 60
PLAY_WINDOW = 50


class ListError(ValueError):
    """A change that the list, as it is now, does not allow."""


class SavedEntry(NamedTuple):
    """One place in the list of saved tracks.

    It holds either the number of a track, or any JSON value in place of the whole
    entry. Added_at is in seconds; None where such a value has no usable one.
    """

    track: Optional[int]
    added_at: Optional[int]
    odd: Any = None

    def identity(self):
        """Return the id that a reader of the list sees; None where there is none."""
        if self.track is not None:
            return catalogue.track_id(self.track)
        track = self._odd_track()
        return track.get("id") if isinstance(track.get("id"), str) else None

    def key(self):
        """Return what tells this entry from others, without making its id."""
        return _key_of(self.identity()) if self.track is None else self.track

    def summary(self):
        """Return the entry as a test compares it."""
        if self.track is None and not isinstance(self.odd, dict):
            return None
        added_at = self.added_at
        summary = {
            "id": self.identity(),
            "added_at": None if added_at is None else format_seconds(added_at),
        }
        if summary["id"] is None:
            summary["uri"] = self._odd_track().get("uri")
        return summary

    def _odd_track(self):
        track = self.odd.get("track") if isinstance(self.odd, dict) else None
        return track if isinstance(track, dict) else {}


def odd_entry(value):
    """Return an entry that shows this JSON value as it is."""
    added_at = value.get("added_at") if isinstance(value, dict) else None
    try:
        seconds = int(parse_utc(added_at))
    except (TypeError, ValueError, AttributeError):
        seconds = None
    return SavedEntry(None, seconds, value)


class Library:
    """The saved tracks of a user, newest first."""

    def __init__(self, size, start=DEFAULT_START, spacing=DEFAULT_SPACING, first=0):
        self.entries = [
            SavedEntry(first + place, start - place * spacing) for place in range(size)
        ]
        self.total_set = None
        self.total_added = 0
        self._next_track = first + size
        self._saved = Counter(entry.key() for entry in self.entries)

    @property
    def total(self):
        """What Spotify says there is; a test can make it lie."""
        if self.total_set is not None:
            return self.total_set
        return len(self.entries) + self.total_added

    def lie_about_total(self, set_to=None, add=0):
        self.total_set, self.total_added = set_to, add

    def contains(self, identity):
        return self._saved[_key_of(identity)] > 0

    def new_tracks(self, count):
        """Return the numbers of tracks that were never in this library."""
        numbers = []
        while len(numbers) < count:
            if not self._saved[self._next_track]:
                numbers.append(self._next_track)
            self._next_track += 1
        return numbers

    def like(self, track, added_at=None):
        """Save a track: at the head, or where its added_at belongs."""
        if self._saved[track]:
            raise ListError("already saved: %s" % catalogue.track_id(track))
        if added_at is None:
            newest = self._newest()
            place = 0
            added_at = DEFAULT_START if newest is None else newest + DEFAULT_SPACING
        else:
            place = self._place_of(added_at)
        self.insert(place, SavedEntry(track, added_at))

    def insert(self, position, entry):
        if not 0 <= position <= len(self.entries):
            raise ListError("no such position: %d" % position)
        self.entries.insert(position, entry)
        self._saved[entry.key()] += 1

    def unlike(self, identities):
        """Remove the entries with these ids."""
        missing = [each for each in identities if not self.contains(each)]
        if missing:
            raise ListError("not saved: %s" % ", ".join(missing))
        gone = {_key_of(identity) for identity in identities}
        self.remove(
            [place for place, entry in enumerate(self.entries) if entry.key() in gone]
        )

    def remove(self, positions):
        """Remove the entries at these positions; return their ids."""
        if any(not 0 <= place < len(self.entries) for place in positions):
            raise ListError("no such position in %s" % (positions,))
        gone = set(positions)
        removed = [self.entries[place] for place in sorted(gone)]
        self.entries = [
            entry for place, entry in enumerate(self.entries) if place not in gone
        ]
        for entry in removed:
            self._saved[entry.key()] -= 1
        return [entry.identity() for entry in removed]

    def shuffled(self, seed):
        """Return the entries with those of equal added_at in a random order."""
        generator = random.Random(seed)
        shuffled = []
        for _, run in itertools.groupby(self.entries, lambda entry: entry.added_at):
            tied = list(run)
            generator.shuffle(tied)
            shuffled += tied
        return shuffled

    def _newest(self):
        times = (entry.added_at for entry in self.entries)
        return next((added_at for added_at in times if added_at is not None), None)

    def _place_of(self, added_at):
        for place, entry in enumerate(self.entries):
            if entry.added_at is not None and entry.added_at <= added_at:
                return place
        return len(self.entries)


def _key_of(identity):
    """Return what SavedEntry.key gives for the entry that shows this id."""
    try:
        return catalogue.track_number(identity)
    except ValueError:
        return identity


class Play(NamedTuple):
    """One play. Track is a number or any JSON value; times are in milliseconds.

    It is told by its time and the shift, and once more with each of the echoes,
    which count from there.
    """

    played_at: int
    track: Any
    context: Any
    shift: int = 0
    echoes: tuple = ()

    def tellings(self):
        """Return the times with which it is told."""
        told = self.played_at + self.shift
        return [told] + [told + echo for echo in self.echoes]

    def summary(self):
        """Return the play as a test compares it."""
        known = isinstance(self.track, int)
        return {
            "played_at": format_milliseconds(self.played_at),
            "id": catalogue.track_id(self.track) if known else None,
        }


class Plays:
    """What a user has played, newest first."""

    def __init__(self):
        self._plays = []
        self._next_track = 0

    def new_tracks(self, count):
        """Return the numbers of the next tracks to play."""
        first = self._next_track
        self._next_track += count
        return list(range(first, first + count))

    def add(self, track, played_at=None, context=None, *, first):
        """Add a play; without a time it ends its own length after the newest one.

        First is the time, in milliseconds, that the first play has then.
        """
        if played_at is None:
            played_at = first
            if self._plays:
                known = isinstance(track, int)
                length = catalogue.duration_ms_of(track) if known else 60_000
                played_at = self._plays[0].played_at + length
        keys = [-play.played_at for play in self._plays]
        place = bisect.bisect_left(keys, -played_at)
        self._plays.insert(place, Play(played_at, track, context))

    def clear(self):
        self._plays.clear()

    def retell(self, shift_of):
        """Tell the plays with other times; shift_of takes a position, 0 the newest."""
        self._plays = [
            play._replace(shift=shift_of(position))
            for position, play in enumerate(self._plays)
        ]

    def echo(self, position, milliseconds):
        """Tell a play once more, so much later or earlier."""
        if not 0 <= position < len(self._plays):
            raise ListError("no such position: %d" % position)
        play = self._plays[position]
        self._plays[position] = play._replace(echoes=play.echoes + (milliseconds,))

    def window(self, since=None):
        """Return what is told, newest first: time and play.

        Since is in milliseconds; None: however old.
        """
        told = [(time, play) for play in self._plays for time in play.tellings()]
        told.sort(key=lambda telling: -telling[0])
        if since is not None:
            told = [telling for telling in told if telling[0] >= since]
        return told[:PLAY_WINDOW]

    def summary(self):
        """Return all plays, also those that Spotify has forgotten."""
        return [play.summary() for play in self._plays]


class User:
    """A Spotify user with a library and plays of their own."""

    def __init__(self, identity, display_name, account_id, library_size=0):
        self.id = identity
        self.display_name = display_name
        self.account_id = account_id
        self.library = Library(library_size)
        self.plays = Plays()
