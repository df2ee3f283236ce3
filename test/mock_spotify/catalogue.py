"""Every track, album and artist there is, made from its number when asked for.

Nothing is stored: an id is the number in disguise, so it can be turned back, and
every id of 22 base-62 characters belongs to exactly one object. Tracks come in
blocks of a thousand that share 125 albums and 42 artists, spread so that
neighbours in a library seldom lie on the same album.
"""

import functools

from .jsontext import Raw, dumps

ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
ID_LENGTH = 22
ID_COUNT = 62**ID_LENGTH

# Any factor without a divisor in common with 62 makes a permutation of the ids;
# this one is large enough that small numbers give ids without a pattern.
ID_FACTOR = 0x9E3779B97F4A7C15F39CC0605CEDC835
ID_FACTOR_INVERSE = pow(ID_FACTOR, -1, ID_COUNT)
ID_SHIFT = ID_COUNT // 3

KINDS = ("track", "album", "artist")

PAIRS = [first + second for first in ALPHABET for second in ALPHABET]
PAIR_VALUES = {pair: value for value, pair in enumerate(PAIRS)}

TRACKS_PER_BLOCK = 1000
ALBUMS_PER_BLOCK = 125
TRACKS_PER_ALBUM = TRACKS_PER_BLOCK // ALBUMS_PER_BLOCK
ALBUMS_PER_ARTIST = 3

FIRST_WORDS = (
    "Silver", "Quiet", "Broken", "Golden", "Distant", "Electric", "Hollow", "Burning",
    "Paper", "Crystal", "Midnight", "Wandering", "Velvet", "Frozen", "Crimson", "Last",
    "Größte", "Éternelle", "Тихая", "静かな", "Dağınık", "قديم", "Ωραία", "Hidden",
)
SECOND_WORDS = (
    "Lantern", "Harbour", "Signal", "Orchard", "Engine", "Mirror", "Summer", "Compass",
    "Station", "Garden", "Thunder", "Letter", "Avenue", "Satellite", "River", "Window",
    "Straße", "Rivière", "Ночь", "雨", "Yağmur", "ليل", "θάλασσα", "Echo 🎧", "Machine",
)
SUFFIXES = (
    "", "", "", "", " - Remastered 2011", " (feat. \"The Others\")", " & Friends",
    "", "", " - Live", " \\ Side B",
)

MARKETS = (
    "AD AE AG AL AM AO AR AT AU AZ BA BB BD BE BF BG BH BI BJ BN BO BR BS BT BW BY BZ CA "
    "CD CG CH CI CL CM CO CR CV CW CY CZ DE DJ DK DM DO DZ EC EE EG ES ET FI FJ FM FR GA "
    "GB GD GE GH GM GN GQ GR GT GW GY HK HN HR HT HU ID IE IL IN IQ IS IT JM JO JP KE KG "
    "KH KI KM KN KR KW KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MG MH MK ML MN MO "
    "MR MT MU MV MW MX MY MZ NA NE NG NI NL NO NP NR NZ OM PA PE PG PH PK PL PS PT PW PY "
    "QA RO RS RW SA SB SC SE SG SI SK SL SM SN SR ST SV SZ TD TG TH TJ TL TN TO TR TT TV "
    "TW TZ UA UG US UY UZ VC VE VN VU WS XK ZA ZM ZW"
).split()


def object_id(kind, number):
    """Return the id of the object with this number."""
    value = number * len(KINDS) + KINDS.index(kind)
    value = (value * ID_FACTOR + ID_SHIFT) % ID_COUNT
    pairs = []
    for _ in range(ID_LENGTH // 2):
        value, pair = divmod(value, len(PAIRS))
        pairs.append(PAIRS[pair])
    return "".join(pairs)


def object_of(identity):
    """Return (kind, number) of an id; ValueError when it is none."""
    if not isinstance(identity, str) or len(identity) != ID_LENGTH:
        raise ValueError("not an id: %r" % (identity,))
    value = 0
    for start in range(ID_LENGTH - 2, -1, -2):
        pair = PAIR_VALUES.get(identity[start : start + 2])
        if pair is None:
            raise ValueError("not an id: %r" % (identity,))
        value = value * len(PAIRS) + pair
    value = (value - ID_SHIFT) * ID_FACTOR_INVERSE % ID_COUNT
    number, kind = divmod(value, len(KINDS))
    return KINDS[kind], number


@functools.lru_cache(maxsize=200_000)
def track_id(number):
    return object_id("track", number)


def track_number(identity):
    """Return the number of a track's id; ValueError when it is not a track's."""
    kind, number = object_of(identity)
    if kind != "track":
        raise ValueError("not the id of a track: %r" % (identity,))
    return number


def album_number_of(track):
    block, place = divmod(track, TRACKS_PER_BLOCK)
    # 919 has no divisor in common with 1000, so this is a permutation of the block.
    return block * ALBUMS_PER_BLOCK + place * 919 % TRACKS_PER_BLOCK // TRACKS_PER_ALBUM


def artist_numbers_of(track):
    """Return one to three artists: the album's own, and guests on some tracks."""
    main = album_number_of(track) // ALBUMS_PER_ARTIST
    return [main] + [main + step + 1 for step in range((0, 0, 1, 0, 0, 2)[track % 6])]


def make_name(number):
    """Return a name with words, and sometimes signs, from several scripts."""
    return "%s %s%s" % (
        FIRST_WORDS[number * 7 % len(FIRST_WORDS)],
        SECOND_WORDS[number * 11 % len(SECOND_WORDS)],
        SUFFIXES[number % len(SUFFIXES)],
    )


def duration_ms_of(track):
    return 120_000 + track * 7919 % 240_000


def release_date_of(album):
    """Return (date, precision); Spotify knows some dates only to the month or year."""
    year, month, day = 1960 + album * 13 % 66, 1 + album * 5 % 12, 1 + album * 3 % 28
    if album % 10 == 3:
        return "%04d" % year, "year"
    if album % 10 == 7:
        return "%04d-%02d" % (year, month), "month"
    return "%04d-%02d-%02d" % (year, month, day), "day"


def isrc_of(track):
    """Return a twelve character code, different for each track."""
    registrant, designation = divmod(track, 100_000)
    characters = ALPHABET[:10] + ALPHABET[36:]
    code = ""
    for _ in range(3):
        registrant, character = divmod(registrant, len(characters))
        code = characters[character] + code
    return "QM%s26%05d" % (code, designation)


def links(kind, identity):
    """Return the members that every catalogue object has."""
    return {
        "external_urls": {"spotify": "https://open.spotify.com/%s/%s" % (kind, identity)},
        "href": "https://api.spotify.com/v1/%ss/%s" % (kind, identity),
        "id": identity,
        "uri": "spotify:%s:%s" % (kind, identity),
        "type": kind,
    }


def picture_of(album):
    return album * ID_FACTOR % 16**24


def images(picture):
    return [
        {
            "height": size,
            "url": "https://i.scdn.co/image/ab67616d0000%s%s" % (prefix, picture),
            "width": size,
        }
        for size, prefix in ((640, "b273"), (300, "1e02"), (64, "4851"))
    ]


# An object is written by filling a template, several times as fast as making JSON of
# it anew. In a template, %(name)s stands for text that is put in as it is.


def blank(name, conversion="s"):
    return Raw(b"%%(%s)%s" % (name.encode(), conversion.encode()))


@functools.lru_cache(maxsize=None)
def artist_template(pretty):
    return dumps({**links("artist", "%(id)s"), "name": blank("name")}, pretty)


@functools.lru_cache(maxsize=None)
def album_template(legacy, playable, pretty):
    album = {
        "album_type": "%(album_type)s",
        "artists": blank("artists"),
        **links("album", "%(id)s"),
        "images": images("%(picture)024x"),
        "name": blank("name"),
        "release_date": "%(release_date)s",
        "release_date_precision": "%(precision)s",
        "total_tracks": TRACKS_PER_ALBUM,
    }
    if legacy:
        album["available_markets"] = MARKETS
    if playable:
        album["is_playable"] = True
    return dumps(album, pretty)


@functools.lru_cache(maxsize=None)
def track_template(legacy, playable, pretty):
    track = {
        "album": blank("album"),
        "artists": blank("artists"),
        "disc_number": 1,
        "duration_ms": blank("duration_ms", "d"),
        "explicit": blank("explicit"),
        "external_ids": {"isrc": "%(isrc)s"},
        **links("track", "%(id)s"),
        "is_local": False,
        "name": blank("name"),
        "preview_url": None,
        "track_number": blank("track_number", "d"),
    }
    if legacy:
        track.update(available_markets=MARKETS, popularity=blank("popularity", "d"))
    if playable:
        track["is_playable"] = True
    return dumps(track, pretty)


class Catalogue:
    """Writes objects as JSON text, and remembers those that got another name."""

    def __init__(self):
        self._names = {}
        # What many tracks share is written once.
        self._track = functools.lru_cache(maxsize=8192)(self._write_track)
        self._album = functools.lru_cache(maxsize=8192)(self._write_album)
        self._artist = functools.lru_cache(maxsize=8192)(self._write_artist)

    def rename(self, identity, name):
        """Give the track, album or artist with this id another name."""
        self._names[object_of(identity)] = name
        for cache in (self._track, self._album, self._artist):
            cache.cache_clear()

    def track_text(self, number, legacy=False, playable=True, pretty=False):
        """Return the JSON text of a track.

        legacy adds the fields that development-mode apps lost in 2026; playable adds
        is_playable, which saved tracks have and plays do not.
        """
        return self._track(number, legacy, playable, pretty)

    def _write_track(self, number, legacy, playable, pretty):
        artists = [self._artist(each, pretty) for each in artist_numbers_of(number)]
        return track_template(legacy, playable, pretty) % {
            b"album": self._album(album_number_of(number), legacy, playable, pretty),
            b"artists": b"[%s]" % b",".join(artists),
            b"duration_ms": duration_ms_of(number),
            b"explicit": b"true" if number % 9 == 4 else b"false",
            b"id": track_id(number).encode(),
            b"isrc": isrc_of(number).encode(),
            b"name": self._name("track", number, number),
            b"popularity": number * 17 % 101,
            b"track_number": 1 + number * 919 % TRACKS_PER_ALBUM,
        }

    def _write_album(self, number, legacy, playable, pretty):
        date, precision = release_date_of(number)
        artist = self._artist(number // ALBUMS_PER_ARTIST, pretty)
        return album_template(legacy, playable, pretty) % {
            b"album_type": (b"album", b"single", b"album", b"compilation")[number % 4],
            b"artists": b"[%s]" % artist,
            b"id": object_id("album", number).encode(),
            b"name": self._name("album", number, number * 5 + 3),
            b"picture": picture_of(number),
            b"precision": precision.encode(),
            b"release_date": date.encode(),
        }

    def _write_artist(self, number, pretty):
        return artist_template(pretty) % {
            b"id": object_id("artist", number).encode(),
            b"name": self._name("artist", number, number * 3 + 1),
        }

    def _name(self, kind, number, default):
        """Return a name as JSON text."""
        name = self._names.get((kind, number))
        return dumps(make_name(default) if name is None else name)


def local_file():
    """Return a track from the user's own disk, as Spotify shows it."""
    nothing = {"external_urls": {}, "href": None, "id": None, "uri": None}
    return {
        "album": {
            "album_type": None, "artists": [], "images": [], "name": "Home Recordings",
            "release_date": None, "release_date_precision": None, "type": "album",
            **nothing,
        },
        "artists": [{**nothing, "name": "Me & Myself", "type": "artist"}],
        "disc_number": 0,
        "duration_ms": 187_000,
        "explicit": False,
        "external_ids": {},
        **nothing,
        "is_local": True,
        "name": "Kitchen Song",
        "preview_url": None,
        "track_number": 0,
        "type": "track",
        "uri": "spotify:local:Me+%26+Myself:Home+Recordings:Kitchen+Song:187",
    }


def episode():
    """Return a podcast episode in a track's clothes, as Spotify has delivered it."""
    identity = object_id("track", ID_COUNT // 7)
    show = object_id("album", ID_COUNT // 7)
    return {
        "album": {
            **links("show", show),
            "album_type": "show", "artists": [], "images": images("%024x" % picture_of(1)),
            "name": "A Show about Nothing", "release_date": None,
            "release_date_precision": None, "total_tracks": 40,
        },
        "artists": [{**links("show", show), "name": None, "type": "show"}],
        "disc_number": 0,
        "duration_ms": 2_071_013,
        "explicit": False,
        "external_ids": {"spotify": "https://open.spotify.com/episode/" + identity},
        **links("episode", identity),
        "is_local": False,
        "is_playable": True,
        "name": "The First Episode",
        "preview_url": None,
        "track_number": 0,
    }
