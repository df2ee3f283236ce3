"""The table of what a fault can do. Each action is one function of the exchange and
of the value the test gave; the stage says when it runs, the table in which order.
"""

import base64
import gzip
import zlib
from typing import Any, Callable, NamedTuple

from . import edits, operations
from .exchange import FOREVER, POINTS
from .jsontext import dumps
from .messages import JSON_TYPE

# Before the application answers; on the JSON of its answer; on the bytes of the
# body; on the body as it is sent, compressed or not; on the head; on the steps that
# send it all; when everything is settled but nothing is sent.
ASK, PAGE, BODY, CODING, HEAD, DELIVERY, DONE = range(7)

GZIP_PIECE = 1024 * 1024


def never(_):
    return False


def always(_):
    return True


def at_start(point):
    return point == "start"


def accept(_):
    """Let any value pass."""


def check_point(point):
    """ValueError unless this is a place in an answer."""
    is_byte = isinstance(point, int) and not isinstance(point, bool) and point >= 0
    if point not in POINTS and not is_byte:
        raise ValueError(
            "a point is %s or the number of a byte of the body" % ", ".join(POINTS)
        )


def check_delay(value):
    if isinstance(value, dict):
        check_point(value.get("at", "start"))


class Action(NamedTuple):
    """One thing a fault can do.

    Where replaces holds for the value, the fault stands in for the application: the
    request then changes nothing, unless the fault says "processed": true. Check
    raises ValueError when a test gives a value that cannot be applied.
    """

    stage: int
    apply: Callable[[Any, Any], None]
    replaces: Callable[[Any], bool] = never
    check: Callable[[Any], None] = accept


def mutate(exchange, mutations):
    for mutation in mutations:
        name, arguments = operations.split_mutation(mutation)
        operations.run(exchange.world, name, arguments)


def serve(exchange, view):
    """Let the application see another offset, limit or user, or ties in any order."""
    query = {name: str(view[name]) for name in ("offset", "limit") if name in view}
    exchange.request.query.update(query)
    exchange.as_user = view.get("user")
    exchange.shuffle = view.get("shuffle_ties")


def status(exchange, value):
    exchange.answer.status = value


def body(exchange, value):
    text = value.encode("utf-8", "backslashreplace") if isinstance(value, str) else None
    exchange.change_body(dumps(value) if text is None else text)
    if exchange.answer.header("content-type") is None:
        exchange.answer.set_header("Content-Type", JSON_TYPE)


def body_base64(exchange, value):
    exchange.change_body(base64.b64decode(value))


def depth_bomb(exchange, depth):
    exchange.change_body(b"[" * depth + b"]" * depth)


def bom(exchange, _):
    exchange.change_body(b"\xef\xbb\xbf" + exchange.answer.body.plain)


def trailing(exchange, text):
    exchange.change_body(exchange.answer.body.plain + text.encode())


def truncate(exchange, length):
    exchange.change_body(exchange.answer.body.plain[:length])


def body_size(exchange, size):
    """Fill the body with blanks, which JSON allows, up to a size."""
    exchange.change_body(exchange.answer.body.plain.ljust(size))


def compress(exchange, value):
    exchange.may_compress = value


def gzip_truncated(exchange, length):
    """Compress the body, asked for or not, and leave out its end."""
    compressed = exchange.answer.body.compressed
    exchange.content = compressed[: len(compressed) // 2 if length is True else length]
    exchange.answer.set_header("Content-Encoding", "gzip")


def gzip_members(exchange, count):
    """Compress the body in pieces, if the client accepts gzip, one behind the other."""
    if not exchange.may_compress:
        return
    plain = exchange.answer.body.plain
    size = -(-len(plain) // count)
    pieces = [plain[start : start + size] for start in range(0, len(plain), size)]
    exchange.content = b"".join(gzip.compress(piece, 1, mtime=0) for piece in pieces)
    exchange.answer.set_header("Content-Encoding", "gzip")


def gzip_bomb(exchange, size):
    """Send blanks of this size, compressed to a thousandth."""
    exchange.answer.set_header("Content-Encoding", "gzip")
    exchange.stream = compressed_blanks(size)


def compressed_blanks(size):
    packer = zlib.compressobj(1, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    piece = b" " * GZIP_PIECE
    for start in range(0, size, GZIP_PIECE):
        yield packer.compress(piece[: size - start])
    yield packer.flush()


def content_encoding(exchange, label):
    """Say that the body is compressed in some way, which it is not."""
    exchange.answer.set_header("Content-Encoding", label)


def retry_after(exchange, value):
    exchange.answer.set_header("Retry-After", value)


def headers(exchange, values):
    """Replace headers: a list gives several lines, null removes it."""
    for name, value in values.items():
        lines = value if isinstance(value, list) else [] if value is None else [value]
        exchange.answer.set_header(name, *lines)


def extra_headers(exchange, pairs):
    exchange.answer.headers += [(name, value) for name, value in pairs]


def header_size(exchange, size):
    exchange.answer.set_header("X-Filler", "x" * size)


def header_count(exchange, count):
    for number in range(count):
        exchange.answer.set_header("X-Filler-%d" % number, "x")


def content_length(exchange, value):
    length = edits.adjusted(len(exchange.content), value)
    exchange.answer.set_header("Content-Length", length)


CHUNKED = {
    "good": {},
    "bad_size": {"bad_size": True},
    "no_terminator": {"terminated": False},
}


def chunked(exchange, kind):
    exchange.chunked = CHUNKED[kind]
    if kind == "no_terminator":
        close(exchange, "end")


def no_length(exchange, _):
    """Let the end of the connection alone tell that of the body."""
    exchange.has_length = False


def continues(exchange, count):
    exchange.prefix = b"HTTP/1.1 100 Continue\r\n\r\n" * count


def raw(exchange, text):
    exchange.raw = text.encode("utf-8", "backslashreplace")


def raw_base64(exchange, value):
    exchange.raw = base64.b64decode(value)


def delay(exchange, value):
    """Wait so many seconds, or {"seconds": s, "at": point}."""
    wait = value if isinstance(value, dict) else {"seconds": value}
    step = ("wait", wait["seconds"])
    exchange.interrupts.append((wait.get("at", "start"), step))


def silent(exchange, point):
    exchange.interrupts.append((point, FOREVER))


def reset(exchange, point):
    exchange.interrupts.append((point, ("reset",)))


def close(exchange, point):
    exchange.interrupts.append((point, ("close" if point == "end" else "cut",)))


def trickle(exchange, value):
    exchange.trickle = value["bytes"], value["ms"] / 1000


ACTIONS = {
    "mutate_before": Action(ASK, mutate, check=operations.check_mutations),
    "serve": Action(ASK, serve),
    "zeroed": Action(PAGE, edits.zeroed),
    "keep": Action(PAGE, edits.keep),
    "drop": Action(PAGE, edits.drop),
    "empty": Action(PAGE, edits.empty),
    "duplicate": Action(PAGE, edits.duplicate),
    "extra": Action(PAGE, edits.extra),
    "total": Action(PAGE, edits.total),
    "echo_offset": Action(PAGE, edits.echo_offset),
    "echo_limit": Action(PAGE, edits.echo_limit),
    "next": Action(PAGE, edits.next_link),
    "set": Action(PAGE, edits.set_values),
    "remove": Action(PAGE, edits.remove),
    "numbers": Action(PAGE, edits.numbers),
    "status": Action(BODY, status, always),
    "body": Action(BODY, body),
    "body_base64": Action(BODY, body_base64),
    "depth_bomb": Action(BODY, depth_bomb),
    "bom": Action(BODY, bom),
    "trailing": Action(BODY, trailing),
    "truncate": Action(BODY, truncate),
    "body_size": Action(BODY, body_size),
    "gzip": Action(BODY, compress),
    "gzip_truncated": Action(CODING, gzip_truncated),
    "gzip_members": Action(CODING, gzip_members),
    "gzip_bomb": Action(CODING, gzip_bomb),
    "content_encoding": Action(CODING, content_encoding),
    "retry_after": Action(HEAD, retry_after),
    "headers": Action(HEAD, headers),
    "extra_headers": Action(HEAD, extra_headers),
    "header_size": Action(HEAD, header_size),
    "header_count": Action(HEAD, header_count),
    "content_length": Action(HEAD, content_length),
    "no_length": Action(DELIVERY, no_length),
    "chunked": Action(DELIVERY, chunked),
    "continues": Action(DELIVERY, continues),
    "raw": Action(DELIVERY, raw, always),
    "raw_base64": Action(DELIVERY, raw_base64, always),
    "delay": Action(DELIVERY, delay, check=check_delay),
    "silent": Action(DELIVERY, silent, at_start, check_point),
    "reset": Action(DELIVERY, reset, at_start, check_point),
    "close": Action(DELIVERY, close, at_start, check_point),
    "trickle": Action(DELIVERY, trickle),
    "mutate_after": Action(DONE, mutate, check=operations.check_mutations),
}


def run_stage(stage, exchange):
    """Apply the actions of one stage that the exchange is to suffer."""
    for name, action in ACTIONS.items():
        if action.stage == stage and name in exchange.action:
            action.apply(exchange, exchange.action[name])


def has_stage(stage, wanted):
    return any(ACTIONS[name].stage == stage for name in wanted if name in ACTIONS)
