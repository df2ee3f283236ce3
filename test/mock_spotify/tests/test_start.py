"""How the mock starts, ends and speaks TLS."""

import http.client
import json
import os
import signal
import ssl
import tempfile
import unittest

from .support import Mock


class StartTest(unittest.TestCase):
    def test_it_ends_with_its_input(self):
        self.assertEqual(Mock().stop(), 0)

    def test_it_ends_on_a_signal(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            mock = Mock()
            mock.process.send_signal(number)
            self.assertEqual(mock.process.wait(timeout=5), 0)
            mock.stop()

    def test_options(self):
        with tempfile.TemporaryDirectory() as directory:
            log = os.path.join(directory, "log")
            mock = Mock("--library", "3", "--rotate", "--legacy-fields", "--log", log)
            self.addCleanup(mock.stop)
            page = mock.get("/me/tracks").json()
            self.assertEqual(page["total"], 3)
            self.assertIn("available_markets", page["items"][0]["track"]["album"])
            self.assertIn("refresh_token", mock.refresh().json())
            with open(log, encoding="utf-8") as file:
                logged = [json.loads(line)["path"] for line in file]
            self.assertEqual(logged, ["/v1/me/tracks", "/api/token"])


class TlsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        directory = tempfile.TemporaryDirectory()
        cls.addClassCleanup(directory.cleanup)
        cls.directory = directory.name

    def status_with(self, kind):
        """Return the status of a request to a mock with this kind of certificate."""
        mock = Mock("--tls", "--cert-dir", self.directory, "--cert-kind", kind)
        self.addCleanup(mock.stop)
        trusted = os.path.join(self.directory, "ca.pem")
        context = ssl.create_default_context(cafile=trusted)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        connection = http.client.HTTPSConnection(
            "127.0.0.1", mock.port, timeout=5, context=context
        )
        self.addCleanup(connection.close)
        connection.request("GET", "/mock/count")
        return connection.getresponse().status

    def test_a_good_certificate_is_trusted(self):
        self.assertEqual(self.status_with("good"), 200)

    def test_the_others_are_not(self):
        for kind, problem in (
            ("expired", "expired"),
            ("self-signed", "self.signed"),
            ("wrong-host", "IP address mismatch"),
        ):
            with self.assertRaisesRegex(ssl.SSLCertVerificationError, problem):
                self.status_with(kind)

    def test_an_old_version_is_refused(self):
        with self.assertRaises((ssl.SSLError, ConnectionResetError)):
            self.status_with("tls10")
