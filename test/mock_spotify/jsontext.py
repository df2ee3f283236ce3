"""JSON in and out, with room for text that no JSON library would write.

A value of the form {"$raw": "1e400"} in what a test sends is written into the
answer exactly as it stands, {"$base64": "..."} as the bytes it encodes. So a test
can ask for a number too large, a key that comes twice, a lone surrogate or UTF-8
that is none.
"""

import base64
import json


class Raw:
    """Bytes that are written into JSON text as they are."""

    def __init__(self, content):
        self.content = content


def loads(text):
    """Parse JSON, with {"$raw": ...} and {"$base64": ...} turned into Raw."""
    return json.loads(text, object_hook=_revive)


def _revive(value):
    if len(value) == 1:
        if "$raw" in value:
            return Raw(value["$raw"].encode("utf-8", "backslashreplace"))
        if "$base64" in value:
            return Raw(base64.b64decode(value["$base64"]))
    return value


def dumps(value, pretty=False):
    """Return a value as UTF-8 JSON, compact or spaced as Spotify's pretty answers."""
    raw = []

    def mark(item):
        if not isinstance(item, Raw):
            raise TypeError("cannot write %r as JSON" % (item,))
        raw.append(item.content)
        return "\0raw %d\0" % (len(raw) - 1)

    text = json.dumps(
        value,
        ensure_ascii=False,
        default=mark,
        indent=2 if pretty else None,
        separators=(",", " : ") if pretty else (",", ":"),
    )
    # A lone surrogate has no UTF-8; as an escape it is what Spotify would send.
    content = text.encode("utf-8", "backslashreplace")
    for number, item in enumerate(raw):
        content = content.replace(b'"\\u0000raw %d\\u0000"' % number, item, 1)
    return content


def describe(value):
    """Return a value as JSON for a reader, with Raw shown in its own notation."""

    def show(item):
        return {"$base64": base64.b64encode(item.content).decode()}

    return json.dumps(value, ensure_ascii=True, default=show).encode()
