"""One connection: requests read from a socket, bytes and accidents sent to it."""

import select
import socket
import ssl
import struct
import time

from .messages import Request

MAX_HEAD = 256 * 1024
MAX_BODY = 64 * 1024 * 1024

# Long enough for what was sent to reach the client before a reset overtakes it.
BEFORE_RESET = 0.05


class PeerGone(Exception):
    """The client closed the connection."""


class BadRequest(Exception):
    """What came is not an HTTP request."""


class Connection:
    """A TCP or TLS connection with a client.

    Input that arrives while the server waits is kept for the next request, so that
    waiting notices at once when the client goes away.
    """

    def __init__(self, sock, number, scheme):
        self.number = number
        self._socket = sock
        self._scheme = scheme
        self._input = bytearray()
        self._poll = select.poll()
        self._poll.register(sock.fileno(), select.POLLIN)

    def read_request(self):
        """Return the next request, or None when the client closed the connection."""
        head = self._read_head()
        if head is None:
            return None
        method, target, version, headers = parse_head(head)
        request = Request(
            method, target, version, headers, b"", self.number, self._scheme
        )
        request.body = self._read_body(request)
        return request

    def _read_head(self):
        while b"\r\n\r\n" not in self._input:
            if len(self._input) > MAX_HEAD:
                raise BadRequest("the head is too long")
            try:
                self._receive()
            except PeerGone:
                return None
        head, _, rest = bytes(self._input).partition(b"\r\n\r\n")
        self._input = bytearray(rest)
        return head

    def _read_body(self, request):
        if request.header("transfer-encoding"):
            raise BadRequest("a chunked request is not understood")
        length = request.header("content-length") or "0"
        if not length.isdigit() or int(length) > MAX_BODY:
            raise BadRequest("bad Content-Length")
        if request.header("expect").lower() == "100-continue":
            self.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        while len(self._input) < int(length):
            self._receive()
        body = bytes(self._input[: int(length)])
        del self._input[: int(length)]
        return body

    def _receive(self):
        data = self._socket.recv(65536)
        if not data:
            raise PeerGone
        self._input += data

    def send(self, data):
        self._socket.sendall(data)

    def send_all(self, pieces):
        for piece in pieces:
            self.send(piece)

    def wait(self, seconds=None):
        """Wait so long, or for ever; PeerGone as soon as the client goes away."""
        deadline = None if seconds is None else time.monotonic() + seconds
        while True:
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left <= 0:
                return
            if self._poll.poll(None if left is None else left * 1000):
                self._receive()

    def reset(self):
        """End the connection with a TCP reset."""
        time.sleep(BEFORE_RESET)
        no_linger = struct.pack("ii", 1, 0)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, no_linger)
        self._socket.close()

    def close(self):
        """End the connection in good order."""
        if isinstance(self._socket, ssl.SSLSocket):
            self._say_goodbye()
        self._socket.close()

    def cut(self):
        """End the connection with a FIN, without TLS's goodbye."""
        self._socket.close()

    def _say_goodbye(self):
        self._socket.setblocking(False)
        try:
            self._socket.unwrap()
        except (OSError, ValueError):
            # The client's own goodbye is not waited for.
            pass


def parse_head(head):
    """Return (method, target, version, headers) of the head of a request."""
    try:
        first, *lines = head.decode("latin-1").split("\r\n")
        method, target, version = first.split(" ")
        pairs = [line.split(":", 1) for line in lines]
        headers = [(name.lower(), value.strip()) for name, value in pairs]
    except ValueError:
        raise BadRequest("malformed head") from None
    # Who takes this for a proxy names a host: there are faults to answer that.
    is_target = target.startswith("/") or method == "CONNECT"
    if version not in ("HTTP/1.1", "HTTP/1.0") or not is_target:
        raise BadRequest("malformed request line")
    version = version[len("HTTP/") :]
    if version == "1.1" and not any(name == "host" for name, _ in headers):
        raise BadRequest("no Host header")
    return method, target, version, headers
