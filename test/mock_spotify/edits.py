"""Changes to the JSON of an answer: a page that lies, or a field that is odd."""

import json

from .clock import format_seconds
from .jsontext import Raw
from .library import DEFAULT_START

# Tracks that no library holds: they are added to a page that is to be too long.
EXTRA_TRACKS = 900_000_000


def adjusted(present, change):
    """Return the value a change asks for; {"add": n} counts from the present one."""
    if isinstance(change, dict) and set(change) == {"add"}:
        return present + change["add"]
    return change


def total(exchange, value):
    exchange.page["total"] = adjusted(exchange.page["total"], value)


def echo_offset(exchange, value):
    _echo(exchange, "offset", "0", value)


def echo_limit(exchange, value):
    _echo(exchange, "limit", "20", value)


def _echo(exchange, name, default, value):
    if value == "asked":
        value = int(exchange.asked.get(name, default))
    exchange.page[name] = adjusted(exchange.page[name], value)


def next_link(exchange, value):
    exchange.page["next"] = value


def keep(exchange, count):
    del exchange.page["items"][count:]


def drop(exchange, positions):
    items = exchange.page["items"]
    exchange.page["items"] = [
        item for place, item in enumerate(items) if place not in positions
    ]


def empty(exchange, _):
    exchange.page["items"] = []


def zeroed(exchange, _):
    exchange.page = {
        "href": "", "items": [], "limit": 0, "next": None, "offset": 0,
        "previous": None, "total": 0,
    }


def extra(exchange, count):
    """Add items that were not asked for."""
    text_of = exchange.world.catalogue.track_text
    added_at = format_seconds(DEFAULT_START)
    for number in range(EXTRA_TRACKS, EXTRA_TRACKS + count):
        track = json.loads(text_of(number))
        exchange.page["items"].append({"added_at": added_at, "track": track})


def duplicate(exchange, position):
    """Show an item a second time, in place of the one after it."""
    items = exchange.page["items"]
    items[position + 1 : position + 2] = [items[position]]


def set_values(exchange, values):
    """Set the value at each path, as "items.3.track.id"."""
    for path, value in values.items():
        holder, key = _find(exchange.page, path)
        holder[key] = value


def remove(exchange, paths):
    """Remove what is at each path."""
    for path in paths:
        holder, key = _find(exchange.page, path)
        del holder[key]


def _find(value, path):
    """Return the object or array a path leads into, and the last key."""
    *parents, last = path.split(".")
    for key in parents:
        value = value[_key(value, key)]
    return value, _key(value, last)


def _key(holder, text):
    return int(text) if isinstance(holder, list) else text


def numbers(exchange, notation):
    """Write every integer as "float" (5.0) or "exponent" (5.0E0)."""
    exchange.page = _with_numbers(exchange.page, NOTATIONS[notation])


def _with_numbers(value, write):
    if isinstance(value, dict):
        return {key: _with_numbers(each, write) for key, each in value.items()}
    if isinstance(value, list):
        return [_with_numbers(each, write) for each in value]
    if isinstance(value, int) and not isinstance(value, bool):
        return Raw(write(value).encode())
    return value


def _exponent(number):
    mantissa, power = ("%.15e" % number).split("e")
    digits = mantissa.rstrip("0")
    return "%s%sE%d" % (digits, "0" if digits.endswith(".") else "", int(power))


NOTATIONS = {"float": "{:.1f}".format, "exponent": _exponent}
