"""One request on its way to an answer, and the answer cut into steps.

A step is a tuple of the name of a method of Connection and its arguments, so an
answer can stop, wait or break off at any byte.
"""

import json

from . import application
from .jsontext import dumps
from .messages import NO_BODY_STATUSES, Body

FOREVER = ("wait",)
# The places in an answer that have a name; a number counts the bytes of the body.
POINTS = ("start", "status_line", "headers", "body", "end")
ENDINGS = (("reset",), ("close",), ("cut",), FOREVER)


class Exchange:
    """What the fault actions work on."""

    def __init__(self, world, request, action, processed):
        self.world = world
        self.request = request
        self.action = action
        # False when a fault stands in for the application, which then sees nothing.
        self.processed = processed
        self.as_user = None
        self.shuffle = None
        # The query as it came; a fault may have the application see another one.
        self.asked = dict(request.query)
        self.answer = None
        # The JSON of the answer while it is being edited.
        self.page = None
        self.may_compress = world.config["gzip"] and request.accepts_gzip()
        # The body as it is sent, compressed or not.
        self.content = b""
        # Produces the body piece by piece where it is too large to hold.
        self.stream = None
        # Whether the head says how long the body is.
        self.has_length = True
        # None, or how the body is cut into chunks: see chunk().
        self.chunked = None
        self.prefix = b""
        # Sent in place of everything else, where a test gives the bytes itself.
        self.raw = None
        # Pairs of a point in the answer and the step to take there.
        self.interrupts = []
        # None, or (bytes at a time, seconds between).
        self.trickle = None

    def ask(self):
        """Let the application answer, or the fault in its place."""
        if self.processed:
            self.answer = application.answer(
                self.world, self.request, self.as_user, self.shuffle
            )
        else:
            status = self.action.get("status", 200)
            self.answer = application.stand_in(self.request.path, status)

    def read_page(self):
        self.page = json.loads(self.answer.body.plain)

    def write_page(self):
        self.change_body(dumps(self.page, self.world.config["pretty"]))

    def change_body(self, content):
        self.answer.body = Body(content)

    def encode(self):
        """Settle the bytes of the body."""
        body = self.answer.body
        if self.answer.status in NO_BODY_STATUSES:
            return
        compress = self.may_compress and self.answer.header("content-encoding") is None
        if compress and not body.is_empty:
            self.content = body.compressed
            self.answer.set_header("Content-Encoding", "gzip")
        else:
            self.content = body.plain

    def steps(self):
        """Return what to do on the connection, in order."""
        head, content = self._frame()
        if self.stream is not None:
            return [("send", head), ("send_all", self.stream), ("close",)]
        return self._with_interrupts(head, content)

    def _frame(self):
        """Return the head and the body, with what tells where the body ends."""
        if self.raw is not None:
            return b"", self.raw
        answer, content = self.answer, self.content
        if answer.status in NO_BODY_STATUSES or self.request.method == "HEAD":
            content = b""
        elif self.chunked is not None:
            answer.set_header("Transfer-Encoding", "chunked")
            content = chunk(content, **self.chunked)
        elif not self.is_endless and answer.header("content-length") is None:
            answer.set_header("Content-Length", len(content))
        if self.closes:
            answer.set_header("Connection", "close")
        return self.prefix + answer.head(), content

    @property
    def is_endless(self):
        """Tell whether only the end of the connection is that of the body."""
        return self.stream is not None or not self.has_length

    @property
    def closes(self):
        """Tell whether the connection ends with this answer."""
        wish = self.request.header("connection").lower()
        wanted = wish == "close" or self.request.version == "1.0"
        return self.is_endless or self.raw is not None or wanted

    def _with_interrupts(self, head, content):
        data = head + content
        status_line = len(self.prefix) + len("HTTP/1.1 2")
        middle = len(head) + len(content) // 2
        places = dict(zip(POINTS, (0, status_line, len(head), middle, len(data))))
        planned = [
            (places[point] if point in places else len(head) + point, step)
            for point, step in self.interrupts
        ]
        if self.closes:
            planned.append((len(data), ("close",)))
        steps, sent = [], 0
        for place, step in sorted(planned, key=lambda plan: plan[0]):
            place = min(place, len(data))
            steps += self._send(data, sent, place, len(head))
            steps.append(step)
            sent = place
            if step in ENDINGS:
                return steps
        return steps + self._send(data, sent, len(data), len(head))

    def _send(self, data, start, end, head_length):
        """Return the steps that send a part of the answer."""
        if start >= end:
            return []
        if self.trickle is None:
            return [("send", data[start:end])]
        # The head is not cut.
        place = min(max(start, head_length), end)
        steps = [("send", data[start:place])] if start < place else []
        size, seconds = self.trickle
        while place < end:
            steps += [("wait", seconds), ("send", data[place : min(place + size, end)])]
            place += size
        return steps


def chunk(content, size=4096, bad_size=False, terminated=True):
    """Return a body in chunked coding, right or wrong."""
    cut = [content[place : place + size] for place in range(0, len(content), size)]
    pieces = [b"%x\r\n%s\r\n" % (len(piece), piece) for piece in cut]
    if bad_size:
        pieces.insert(1, b"zz\r\n")
    if terminated:
        pieces.append(b"0\r\n\r\n")
    return b"".join(pieces)
