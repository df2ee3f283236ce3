"""Runs the mock as its users do, and talks to it."""

import base64
import gzip
import http.client
import json
import os
import socket
import subprocess
import sys
import unittest
from urllib.parse import urlencode

PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


class Reply:
    """An answer of the mock, its body decompressed."""

    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()
        if self.headers["Content-Encoding"] == "gzip":
            self.body = gzip.decompress(self.body)

    def json(self):
        return json.loads(self.body)


class Mock:
    """A running mock."""

    def __init__(self, *options):
        self.process = subprocess.Popen(
            [sys.executable, PACKAGE, "--exit-with-stdin", *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        line = self.process.stdout.readline()
        if not line.startswith("port "):
            raise RuntimeError(self.process.stderr.read())
        self.port = int(line.split()[1])

    def stop(self):
        """End the mock by ending its input; return its exit code."""
        self.process.stdin.close()
        code = self.process.wait(timeout=5)
        self.process.stdout.close()
        self.process.stderr.close()
        return code

    def connect(self, timeout=5):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)

    def request(self, method, path, body=None, headers=(), timeout=5):
        connection = self.connect(timeout)
        try:
            connection.request(method, path, body, dict(headers))
            return Reply(connection.getresponse())
        finally:
            connection.close()

    def control(self, method, path, value=None):
        """Use the /mock interface; a refusal is an error."""
        body = None if value is None else json.dumps(value)
        reply = self.request(method, "/mock/" + path, body)
        if reply.status != 200:
            raise RuntimeError(reply.json()["error"])
        return reply.json()

    def post(self, operation, **arguments):
        return self.control("POST", operation, arguments)

    def fault(self, match, **action):
        return self.control("POST", "fault", {"match": match, "action": action})

    def token_request(self, client=("mock-client", "mock-secret"), **form):
        """Send a token request; client is None for one without Basic."""
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        if client is not None:
            encoded = base64.b64encode(":".join(client).encode()).decode()
            headers["Authorization"] = "Basic " + encoded
        return self.request("POST", "/api/token", urlencode(form), headers)

    def refresh(self, refresh_token="mock-refresh-token", **details):
        return self.token_request(
            grant_type="refresh_token", refresh_token=refresh_token, **details
        )

    def access_token(self, **details):
        return self.post("access_token", **details)["access_token"]

    def get(self, path, token=None, timeout=5, **headers):
        """Get a path of the Web API, with a token of the default user."""
        headers["Authorization"] = "Bearer " + (token or self.access_token())
        return self.request("GET", "/v1" + path, headers=headers, timeout=timeout)

    def raw_get(self, path, timeout=5):
        """Get a path of the Web API; return every byte until the connection ends."""
        request = "GET /v1%s HTTP/1.1\r\nHost: mock\r\nAuthorization: Bearer %s\r\n\r\n"
        with socket.create_connection(("127.0.0.1", self.port), timeout) as sock:
            sock.sendall((request % (path, self.access_token())).encode())
            received = b""
            while True:
                try:
                    piece = sock.recv(65536)
                except socket.timeout:
                    return received + b"<silence>"
                except ConnectionResetError:
                    return received + b"<reset>"
                if not piece:
                    return received
                received += piece


class MockCase(unittest.TestCase):
    """A test case with a mock of its own, at its start state for each test."""

    options = ()

    @classmethod
    def setUpClass(cls):
        cls.mock = Mock(*cls.options)
        cls.addClassCleanup(cls.mock.stop)

    def setUp(self):
        self.mock.post("reset")

    def assert_error(self, reply, status, message):
        self.assertEqual(reply.status, status)
        error = reply.json()["error"]
        if isinstance(error, str):
            self.assertEqual((error, reply.json()["error_description"]), message)
        else:
            self.assertEqual((error["status"], error["message"]), (status, message))
