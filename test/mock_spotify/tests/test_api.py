"""The Web API is as strict as Spotify's, and the log tells what was asked."""

import json
import socket
import threading

from .support import MockCase


class RequestTest(MockCase):
    options = ("--library", "120")

    def test_the_token_is_checked(self):
        for value, status, message in (
            (None, 401, "No token provided"),
            ("Bearer wrong", 401, "Invalid access token"),
            ("Basic wrong", 400, "Only valid bearer authentication supported"),
        ):
            headers = {} if value is None else {"Authorization": value}
            reply = self.mock.request("GET", "/v1/me", headers=headers)
            self.assert_error(reply, status, message)

    def test_tokens_end(self):
        token = self.mock.access_token(expires_in=60)
        self.assertEqual(self.mock.get("/me", token).status, 200)
        self.mock.post("clock", advance=61)
        self.assert_error(self.mock.get("/me", token), 401, "The access token expired")
        token = self.mock.access_token()
        self.mock.post("revoke", access_tokens="all")
        self.assert_error(self.mock.get("/me", token), 401, "Invalid access token")

    def test_a_token_for_two_uses(self):
        self.mock.post("config", access_token_uses=2)
        token = self.mock.access_token()
        statuses = [self.mock.get("/me", token).status for _ in range(3)]
        self.assertEqual(statuses, [200, 200, 401])

    def test_scopes_are_checked(self):
        token = self.mock.access_token(scopes=["user-library-read"])
        self.assertEqual(self.mock.get("/me/tracks", token).status, 200)
        for path in ("/me/player/recently-played", "/me/library/contains?uris=x"):
            reply = self.mock.get(path, token)
            self.assert_error(reply, 403, "Insufficient client scope")
        self.mock.post("config", scopes=[])
        self.assertEqual(self.mock.get("/me/tracks", token).status, 403)

    def test_unknown_paths_and_methods(self):
        self.assert_error(self.mock.get("/me/albums"), 404, "Service not found")
        reply = self.mock.request("POST", "/v1/me/tracks")
        self.assert_error(reply, 405, "Method not allowed")
        self.assertEqual(reply.headers["Allow"], "GET")

    def test_limit_and_offset(self):
        self.assertEqual(len(self.mock.get("/me/tracks").json()["items"]), 20)
        for query in ("limit=0", "limit=51", "limit=x", "limit=-1", "limit="):
            self.assert_error(self.mock.get("/me/tracks?" + query), 400, "Invalid limit")
        for query in ("offset=-1", "offset=1.5"):
            self.assert_error(self.mock.get("/me/tracks?" + query), 400, "Invalid offset")
        for query in ("limit=51", "after=x", "after=1&before=2"):
            reply = self.mock.get("/me/player/recently-played?" + query)
            self.assertEqual(reply.status, 400, query)

    def test_pages_are_capped(self):
        self.mock.post("play", count=30)
        for path, size in (("/me/tracks?offset=90&", 30), ("/me/player/recently-played?", 30)):
            for cap, expected in ((20, 20), (7, 7), (50, size), (None, size)):
                self.mock.post("config", max_page=cap)
                page = self.mock.get(path + "limit=50").json()
                self.assertEqual(len(page["items"]), expected, (path, cap))
                self.assertEqual(page["limit"], min(cap or 50, 50), (path, cap))
            self.mock.post("config", max_page=20)
            self.assertEqual(self.mock.get(path + "limit=5").json()["limit"], 5, path)
        page = self.mock.get("/me/tracks?offset=40&limit=50").json()
        self.assertEqual(page["offset"], 40)
        self.assertRegex(page["next"], "offset=60&limit=20$")

    def test_the_envelope(self):
        page = self.mock.get("/me/tracks?offset=50&limit=50&market=DE").json()
        base = "http://127.0.0.1:%d/v1/me/tracks" % self.mock.port
        self.assertEqual(page["href"], base + "?offset=50&limit=50&market=DE")
        self.assertEqual(page["next"], base + "?offset=100&limit=50&market=DE")
        self.assertEqual(page["previous"], base + "?offset=0&limit=50&market=DE")
        self.assertEqual((page["offset"], page["limit"], page["total"]), (50, 50, 120))
        beyond = self.mock.get("/me/tracks?offset=500").json()
        self.assertEqual((beyond["items"], beyond["next"]), ([], None))

    def test_contains(self):
        library = self.mock.control("GET", "library")
        [gone] = self.mock.post("unlike", positions=[3])["ids"]
        uris = ["spotify:track:" + each for each in (library[0]["id"], gone)]
        reply = self.mock.get("/me/library/contains?uris=" + ",".join(uris))
        self.assertEqual(reply.json(), [True, False])
        for query in (
            "",
            "?uris=" + ",".join(uris[:1] * 41),
            "?uris=" + gone,
            "?uris=spotify:album:" + gone,
        ):
            status = self.mock.get("/me/library/contains" + query).status
            self.assertEqual(status, 400, query)
        for status in (403, 404):
            self.mock.post("config", contains_status=status)
            reply = self.mock.get("/me/library/contains?uris=" + uris[0])
            self.assertEqual(reply.status, status)

    def test_saving_and_removing(self):
        [gone] = self.mock.post("unlike", positions=[3])["ids"]
        headers = {"Authorization": "Bearer " + self.mock.access_token()}
        path = "/v1/me/library?uris=spotify:track:" + gone
        for method, size in (("PUT", 120), ("PUT", 120), ("DELETE", 119), ("DELETE", 119)):
            reply = self.mock.request(method, path, headers=headers)
            self.assertEqual((reply.status, reply.body), (200, b""))
            self.assertEqual(len(self.mock.control("GET", "library")), size)

    def test_compression_and_layout(self):
        plain = self.mock.get("/me/tracks?limit=50")
        packed = self.mock.get("/me/tracks?limit=50", **{"Accept-Encoding": "br, gzip"})
        self.assertIsNone(plain.headers["Content-Encoding"])
        self.assertEqual(packed.headers["Content-Encoding"], "gzip")
        self.assertLess(int(packed.headers["Content-Length"]), len(plain.body) // 4)
        self.assertEqual(packed.body, plain.body)
        self.mock.post("config", pretty=True)
        pretty = self.mock.get("/me/tracks?limit=50")
        self.assertIn(b'"limit" : 50', pretty.body)
        self.assertEqual(pretty.json(), plain.json())

    def test_quota(self):
        self.mock.post("config", quota=2, quota_retry_after=5000)
        statuses = [self.mock.get("/me").status for _ in range(3)]
        self.assertEqual(statuses, [200, 200, 429])
        self.mock.post("clock", advance=1000)
        reply = self.mock.get("/me")
        self.assertEqual(reply.json()["error"]["reason"], "QUOTA_EXCEEDED")
        self.assertIn(int(reply.headers["Retry-After"]), (3999, 4000))
        self.mock.post("clock", advance=4001)
        self.assertEqual(self.mock.get("/me").status, 200)

    def test_a_version_of_http_can_be_required(self):
        self.mock.post("config", require_http_version="2")
        self.assertEqual(self.mock.get("/me").status, 505)
        self.assertEqual(self.mock.get("/me", Via="2 nghttpx").status, 200)

    def test_keep_alive(self):
        connection = self.mock.connect()
        headers = {"Authorization": "Bearer " + self.mock.access_token()}
        for _ in range(3):
            connection.request("GET", "/v1/me", headers=headers)
            json.load(connection.getresponse())
        connection.close()
        log = self.mock.control("GET", "log")
        self.assertEqual(len({entry["connection"] for entry in log}), 1)

    def test_what_is_no_http(self):
        for text in (b"hello\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n"):
            with socket.create_connection(("127.0.0.1", self.mock.port), 5) as sock:
                sock.sendall(text)
                self.assertTrue(sock.recv(100).startswith(b"HTTP/1.1 400 "))


class LogTest(MockCase):
    def test_requests_are_logged_without_secrets(self):
        token = self.mock.refresh().json()["access_token"]
        self.mock.get("/me/tracks?offset=3&access_token=" + token, token)
        self.mock.request("GET", "/v1/me")
        log = self.mock.control("GET", "log")
        self.assertEqual(
            [(entry["n"], entry["path"], entry["status"]) for entry in log],
            [(1, "/api/token", 200), (2, "/v1/me/tracks", 200), (3, "/v1/me", 401)],
        )
        self.assertEqual(log[0]["grant_type"], "refresh_token")
        self.assertEqual(log[0]["headers"]["authorization"], "Basic")
        self.assertEqual(log[0]["user"], "mock-user")
        self.assertEqual(log[1]["query"]["offset"], "3")
        self.assertEqual(log[1]["client_id"], "mock-client")
        for secret in (token, "mock-refresh-token", "mock-secret"):
            self.assertNotIn(secret, json.dumps(log))

    def test_counts(self):
        token = self.mock.refresh().json()["access_token"]
        for path in ("/me", "/me/tracks", "/me/tracks", "/nothing"):
            self.mock.get(path, token)
        counts = self.mock.control("GET", "count")
        expected = {"token": 1, "me": 1, "tracks": 2, "contains": 0, "other": 1}
        self.assertEqual({name: counts[name] for name in expected}, expected)
        self.assertEqual((counts["total"], counts["in_flight_max"]), (5, 1))
        self.mock.control("DELETE", "log")
        self.assertEqual(self.mock.control("GET", "count")["total"], 0)

    def test_in_flight(self):
        self.mock.post("config", latency_ms=100)
        token = self.mock.access_token()
        threads = [
            threading.Thread(target=self.mock.get, args=("/me", token)) for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(self.mock.control("GET", "count")["in_flight_max"], 4)

    def test_a_cached_page_follows_the_library(self):
        self.mock.post("library", size=60)
        headers = {"Accept-Encoding": "gzip"}
        first = self.mock.get("/me/tracks", **headers)
        self.assertEqual(self.mock.get("/me/tracks", **headers).body, first.body)
        self.mock.post("like", count=1)
        self.assertNotEqual(self.mock.get("/me/tracks", **headers).body, first.body)
