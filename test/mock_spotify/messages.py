"""A request and an answer, free of sockets."""

import gzip
from http import HTTPStatus
from urllib.parse import parse_qsl

from .jsontext import dumps

JSON_TYPE = "application/json; charset=utf-8"
NO_BODY_STATUSES = (204, 304)


class Request:
    """What a client sent."""

    def __init__(self, method, target, version, headers, body, connection, scheme):
        self.method = method
        self.version = version
        self.headers = headers
        self.body = body
        # The number of the TCP connection it came on.
        self.connection = connection
        self.path, _, query = target.partition("?")
        self.query_pairs = parse_qsl(query, keep_blank_values=True)
        self.query = dict(reversed(self.query_pairs))
        self.scheme = self.header("x-forwarded-proto") or scheme

    def header(self, name):
        """Return the first value of a header, "" when there is none."""
        return next((value for key, value in self.headers if key == name), "")

    @property
    def base(self):
        """The address under which the client sees this server."""
        return "%s://%s" % (self.scheme, self.header("host"))

    @property
    def http_version(self):
        """The version the client speaks; a proxy in front tells it in Via."""
        return self.header("via").partition(" ")[0] or self.version

    def accepts_gzip(self):
        codings = self.header("accept-encoding").lower().split(",")
        return any(coding.partition(";")[0].strip() == "gzip" for coding in codings)


class Body:
    """The bytes of an answer. They are compressed once, when first asked for."""

    def __init__(self, plain):
        self.plain = plain
        self._compressed = None

    @property
    def is_empty(self):
        return not self.plain

    @property
    def compressed(self):
        if self._compressed is None:
            self._compressed = gzip.compress(self.plain, 1, mtime=0)
        return self._compressed


class Answer:
    """What the server sends back, before it is cut into bytes."""

    def __init__(self, status, body=b"", content_type=JSON_TYPE, headers=()):
        self.status = status
        self.body = body if isinstance(body, Body) else Body(body)
        typed = [] if self.body.is_empty else [("Content-Type", content_type)]
        self.headers = typed + list(headers)

    def header(self, name):
        """Return the first value of a header, None when there is none."""
        name = name.lower()
        return next((value for key, value in self.headers if key.lower() == name), None)

    def set_header(self, name, *values):
        """Replace a header by one line for each value, none for no value."""
        lowered = name.lower()
        kept = [pair for pair in self.headers if pair[0].lower() != lowered]
        self.headers = kept + [(name, str(value)) for value in values]

    def head(self):
        """Return the bytes from the status line to the empty line."""
        lines = ["HTTP/1.1 %d %s" % (self.status, reason_of(self.status))]
        lines += ["%s: %s" % pair for pair in self.headers]
        return "\r\n".join(lines + ["", ""]).encode("latin-1", "replace")

    def whole(self):
        """Return the bytes of an answer that is sent without any ado."""
        self.set_header("Content-Length", len(self.body.plain))
        return self.head() + self.body.plain


def reason_of(status):
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"


def json_answer(status, value, headers=(), pretty=False):
    return Answer(status, dumps(value, pretty), headers=headers)


def api_error(status, message, headers=(), reason=None):
    """Return an error as the Web API words it."""
    error = {"status": status, "message": message}
    if reason is not None:
        error["reason"] = reason
    return json_answer(status, {"error": error}, headers)


def accounts_error(status, error, description):
    """Return an error as the accounts service words it."""
    return json_answer(status, {"error": error, "error_description": description})

