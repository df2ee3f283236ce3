"""Every fault does on the wire what the README says."""

import base64
import gzip
import http.client
import json
import socket
import time
import zlib

from .support import MockCase

TRACKS = {"path": "/me/tracks$"}
GZIP = {"Accept-Encoding": "gzip"}
# After so many seconds without a byte there will be none.
QUIET = 0.2


class RuleTest(MockCase):
    options = ("--library", "120")

    def statuses(self, count, path="/me/tracks"):
        return [self.mock.get(path).status for _ in range(count)]

    def test_when_a_rule_is_due(self):
        for match, expected in (
            ({"nth": 2}, [200, 503, 200, 200]),
            ({"nth": [1, 3]}, [503, 200, 503, 200]),
            ({"from": 3}, [200, 200, 503, 503]),
            ({"every": 2}, [200, 503, 200, 503]),
            ({"times": 2}, [503, 503, 200, 200]),
            ({"from": 2, "times": 1}, [200, 503, 200, 200]),
        ):
            self.mock.fault({**TRACKS, **match}, status=503)
            self.assertEqual(self.statuses(4), expected, match)
            self.mock.control("DELETE", "fault")

    def test_probability_follows_the_seed(self):
        runs = []
        for _ in range(2):
            self.mock.fault({**TRACKS, "probability": 0.5, "seed": 3}, status=500)
            runs.append(self.statuses(20))
            self.mock.control("DELETE", "fault")
        self.assertEqual(runs[0], runs[1])
        self.assertEqual(set(runs[0]), {200, 500})

    def test_which_requests_a_rule_holds_for(self):
        self.mock.post("user", id="other", size=10)
        other = self.mock.access_token(user="other")
        mine = self.mock.access_token()
        for match, path, token, strikes in (
            ({"method": "POST"}, "/me/tracks", mine, False),
            ({"method": "GET"}, "/me/tracks", mine, True),
            ({"offset": 50}, "/me/tracks?offset=50", mine, True),
            ({"offset": [0, 100]}, "/me/tracks", mine, True),
            ({"offset": 50}, "/me/tracks", mine, False),
            ({"query": {"limit": "7"}}, "/me/tracks?limit=7", mine, True),
            ({"user": "other"}, "/me/tracks", other, True),
            ({"user": "other"}, "/me/tracks", mine, False),
            ({"client_id": "mock-client"}, "/me/tracks", mine, True),
            ({"path": "/me$"}, "/me/tracks", mine, False),
        ):
            self.mock.fault(match, status=500)
            status = self.mock.get(path, token).status
            self.assertEqual(status == 500, strikes, match)
            self.mock.control("DELETE", "fault")

    def test_token_requests(self):
        self.mock.fault({"grant_type": "refresh_token", "times": 1}, status=503)
        self.assertEqual(self.mock.refresh().json()["error"], "server_error")
        self.assertEqual(self.mock.refresh().status, 200)

    def test_rules_in_turn(self):
        rules = [
            {"match": {**TRACKS, "times": 1}, "action": {"status": 429, "retry_after": 7}},
            {"match": {**TRACKS, "times": 2}, "action": {"status": 502}},
        ]
        self.mock.control("POST", "fault", rules)
        first = self.mock.get("/me/tracks")
        self.assertEqual((first.status, first.headers["Retry-After"]), (429, "7"))
        self.assertEqual(self.statuses(3), [502, 502, 200])
        rules = self.mock.control("GET", "fault")
        self.assertEqual([rule["seen"] for rule in rules], [4, 4])
        self.assertEqual([rule["hits"] for rule in rules], [1, 2])
        log = self.mock.control("GET", "log")
        self.assertEqual([entry["faults"] for entry in log], [[1], [2], [2], []])

    def test_rules_together(self):
        rules = [
            {"match": TRACKS, "action": {"total": 7}, "continue": True},
            {"match": {}, "action": {"echo_offset": 3}},
        ]
        self.mock.control("POST", "fault", rules)
        page = self.mock.get("/me/tracks").json()
        self.assertEqual((page["total"], page["offset"]), (7, 3))

    def test_wrong_rules_are_refused(self):
        for rule in (
            {"match": {"colour": "red"}, "action": {"status": 500}},
            {"match": {"path": "("}, "action": {"status": 500}},
            {"match": {"every": 0}, "action": {"status": 500}},
            {"match": {"nth": "2"}, "action": {"status": 500}},
            {"match": {}, "action": {"explode": True}},
            {"match": {}, "action": {}},
            {"match": {}, "action": {"mutate_after": [{"op": "dance"}]}},
            {"match": {}, "action": {"mutate_after": [{"op": "like", "colour": 1}]}},
            {"match": {"phase": "connect"}, "action": {"status": 500}},
            {"match": {}, "action": {"silent": True}},
            {"match": {}, "action": {"delay": {"seconds": 1, "at": "noon"}}},
            {"colour": "red"},
        ):
            with self.assertRaises(RuntimeError, msg=str(rule)):
                self.mock.control("POST", "fault", rule)

    def test_a_request_that_was_not_processed_changes_nothing(self):
        self.mock.post("config", rotate=True)
        self.mock.fault({"path": "token", "times": 1}, status=503)
        self.mock.refresh()
        state = self.mock.post("token_state", refresh_token="mock-refresh-token")
        self.assertEqual(state["state"], "active")
        self.mock.fault({"path": "token", "times": 1}, status=503, processed=True)
        self.mock.refresh()
        state = self.mock.post("token_state", refresh_token="mock-refresh-token")
        self.assertEqual(state["state"], "revoked")

    def test_a_fault_that_cannot_be_applied_shows(self):
        self.mock.fault(TRACKS, set={"items.0.album.name": 1})
        self.assertEqual(self.mock.get("/me/tracks").status, 500)


class PageTest(MockCase):
    options = ("--library", "120")

    def page(self, query="", **action):
        self.mock.control("DELETE", "fault")
        self.mock.fault(TRACKS, **action)
        return self.mock.get("/me/tracks?limit=50" + query).json()

    def ids(self, page):
        return [item["track"]["id"] for item in page["items"]]

    def test_the_envelope_lies(self):
        self.assertEqual(self.page(total=5)["total"], 5)
        self.assertEqual(self.page(total={"add": -20})["total"], 100)
        self.assertEqual(self.page(echo_offset=7)["offset"], 7)
        self.assertEqual(self.page(echo_limit=20)["limit"], 20)
        self.assertEqual(self.page(next="https://example.org/")["next"][:8], "https://")

    def test_items_are_missing_or_too_many(self):
        library = self.ids(self.page(echo_limit=50))
        self.assertEqual(self.ids(self.page(keep=3)), library[:3])
        self.assertEqual(self.ids(self.page(drop=[0, 49])), library[1:49])
        self.assertEqual(self.page(empty=True)["items"], [])
        self.assertEqual(self.page(extra=1)["items"][50]["track"]["type"], "track")
        twice = self.ids(self.page(duplicate=3))
        self.assertEqual((len(twice), twice[3]), (50, twice[4]))
        zeroed = self.page(zeroed=True)
        self.assertEqual((zeroed["total"], zeroed["items"], zeroed["limit"]), (0, [], 0))

    def test_values_are_replaced(self):
        page = self.page(
            set={
                "items.3.track.id": None,
                "items.-1": 7,
                "items.4.track.artists": [],
                "total": {"$raw": "120.0"},
            },
            remove=["items.5.track.album", "href"],
        )
        self.assertIsNone(page["items"][3]["track"]["id"])
        self.assertEqual(page["items"][49], 7)
        self.assertIsInstance(page["total"], float)
        self.assertNotIn("album", page["items"][5]["track"])
        self.assertNotIn("href", page)
        self.assertIsNone(self.page(set={"items": None})["items"])

    def test_raw_values(self):
        self.mock.fault(TRACKS, set={"total": {"$raw": '1e400,"total":2'}})
        self.assertIn(b'"total":1e400,"total":2}', self.mock.get("/me/tracks").body)
        self.mock.control("DELETE", "fault")
        bad = base64.b64encode(b'"\xff\xfe"').decode()
        self.mock.fault(TRACKS, set={"href": {"$base64": bad}})
        self.assertIn(b'"href":"\xff\xfe"', self.mock.get("/me/tracks").body)

    def test_numbers(self):
        self.mock.fault({**TRACKS, "times": 1}, numbers="float")
        self.assertIn(b'"total":120.0', self.mock.get("/me/tracks").body)
        self.mock.fault(TRACKS, numbers="exponent")
        body = self.mock.get("/me/tracks").body
        self.assertIn(b'"total":1.2E2', body)
        self.assertEqual(json.loads(body)["items"][0]["track"]["duration_ms"], 120000)

    def test_the_application_sees_another_request(self):
        first = self.page("&offset=50", serve={"offset": 0})
        self.assertEqual((first["offset"], len(first["items"])), (0, 50))
        lying = self.page("&offset=50", serve={"offset": 0}, echo_offset="asked")
        self.assertEqual((lying["offset"], self.ids(lying)), (50, self.ids(first)))
        self.assertEqual(len(self.page(serve={"limit": 20})["items"]), 20)
        self.mock.post("user", id="other", size=3)
        self.assertEqual(self.page(serve={"user": "other"})["total"], 3)

    def test_ties_change_places(self):
        self.mock.post("library", size=50, spacing=0)
        orders = [self.ids(self.page(serve={"shuffle_ties": seed})) for seed in (1, 2)]
        self.assertNotEqual(*orders)
        self.assertEqual(set(orders[0]), set(orders[1]))

    def test_only_good_answers_are_edited(self):
        self.mock.fault(TRACKS, total=3)
        reply = self.mock.get("/me/tracks?limit=99")
        self.assert_error(reply, 400, "Invalid limit")

    def test_the_library_changes_while_it_is_read(self):
        before = [entry["id"] for entry in self.mock.control("GET", "library")]
        self.mock.fault(
            {**TRACKS, "offset": 50},
            mutate_before=[{"op": "unlike", "positions": [0]}],
            mutate_after=[{"op": "like", "count": 2}, {"op": "total", "add": 9}],
        )
        page = self.mock.get("/me/tracks?offset=50&limit=50").json()
        self.assertEqual(self.ids(page), before[51:101])
        self.assertEqual(page["total"], 119)
        self.assertEqual(self.mock.get("/me/tracks").json()["total"], 130)

    def test_tokens_end_while_the_library_is_read(self):
        self.mock.fault(
            {**TRACKS, "nth": 2},
            mutate_before=[{"op": "expire", "access_tokens": "all"}],
        )
        token = self.mock.access_token()
        statuses = [self.mock.get("/me/tracks", token).status for _ in range(3)]
        self.assertEqual(statuses, [200, 401, 401])


class BodyTest(MockCase):
    options = ("--library", "60")

    def faulty(self, **action):
        self.mock.control("DELETE", "fault")
        self.mock.fault(TRACKS, **action)

    def reply(self, asked_with=(), **action):
        self.faulty(**action)
        return self.mock.get("/me/tracks", **dict(asked_with))

    def test_status_and_body(self):
        self.assert_error(self.reply(status=404), 404, "Not Found")
        reply = self.reply(
            status=503, body="<html>no</html>", headers={"Content-Type": "text/html"}
        )
        self.assertEqual((reply.status, reply.body), (503, b"<html>no</html>"))
        self.assertEqual(reply.headers["Content-Type"], "text/html")
        empty = self.reply(status=429, body="")
        self.assertEqual((empty.status, empty.body), (429, b""))
        self.assertEqual(self.reply(status=200, body={"error": 1}).json(), {"error": 1})
        data = base64.b64encode(b"\xff\0").decode()
        self.assertEqual(self.reply(status=200, body_base64=data).body, b"\xff\0")

    def test_statuses_without_a_body(self):
        for status in (204, 304):
            reply = self.reply(status=status)
            self.assertEqual((reply.status, reply.body), (status, b""))
            self.assertIsNone(reply.headers["Content-Length"])

    def test_redirects(self):
        reply = self.reply(status=307, headers={"Location": "file:///etc/passwd"})
        self.assertEqual(reply.headers["Location"], "file:///etc/passwd")

    def test_bodies_that_are_no_json(self):
        whole = self.reply(retry_after=1).body
        self.assertEqual(self.reply(bom=True).body, b"\xef\xbb\xbf" + whole)
        self.assertEqual(self.reply(trailing="}x").body, whole + b"}x")
        self.assertEqual(self.reply(truncate=100).body, whole[:100])
        self.assertEqual(self.reply(truncate=-1).body, whole[:-1])
        self.assertEqual(self.reply(depth_bomb=10000).body, b"[" * 10000 + b"]" * 10000)
        self.assertEqual(self.reply(body="null").json(), None)

    def test_sizes(self):
        size = 8 * 1024 * 1024 + 1
        reply = self.reply(body_size=size)
        self.assertEqual((len(reply.body), reply.json()["total"]), (size, 60))
        packed = self.reply(GZIP, body_size=size)
        self.assertEqual(len(packed.body), size)
        self.assertLess(int(packed.headers["Content-Length"]), size // 50)
        plain = self.reply(GZIP, gzip=False)
        self.assertIsNone(plain.headers["Content-Encoding"])

    def test_compression_goes_wrong(self):
        self.faulty(gzip_truncated=True)
        with self.assertRaises((EOFError, zlib.error)):
            self.mock.get("/me/tracks", **GZIP)
        whole = self.reply(retry_after=1).body
        for members in (1, 2, 7):
            packed = self.reply(GZIP, gzip_members=members)
            self.assertEqual(packed.headers["Content-Encoding"], "gzip")
            self.assertEqual(packed.body, whole)
        self.assertIsNone(self.reply(gzip_members=2).headers["Content-Encoding"])
        reply = self.reply(content_encoding="br")
        self.assertEqual(reply.headers["Content-Encoding"], "br")
        self.assertEqual(reply.json()["total"], 60)

    def test_no_length(self):
        self.faulty(no_length=True)
        head, _, body = self.mock.raw_get("/me/tracks").partition(b"\r\n\r\n")
        self.assertNotIn(b"content-length", head.lower())
        self.assertIn(b"connection: close", head.lower())
        self.assertEqual(json.loads(body)["total"], 60)
        self.faulty(no_length=True, close="body")
        cut = self.mock.raw_get("/me/tracks").partition(b"\r\n\r\n")[2]
        self.assertEqual(cut, body[: len(body) // 2])

    def test_a_proxy_that_refuses(self):
        self.mock.fault({"method": "CONNECT"}, status=407)
        reply = self.mock.request("CONNECT", "example.org:443")
        self.assertEqual(reply.status, 407)
        self.mock.control("DELETE", "fault")
        self.assertEqual(self.mock.request("CONNECT", "example.org:443").status, 404)

    def test_a_bomb(self):
        size = 50 * 1024 * 1024
        self.faulty(gzip_bomb=size)
        head, _, packed = self.mock.raw_get("/me/tracks").partition(b"\r\n\r\n")
        self.assertIn(b"Content-Encoding: gzip", head)
        self.assertLess(len(packed), size // 200)
        self.assertEqual(len(gzip.decompress(packed)), size)

    def test_headers(self):
        reply = self.reply(
            headers={"Content-Type": None, "X-Two": ["1", "2"], "Cache-Control": "x"},
            extra_headers=[["Retry-After", "1"], ["Retry-After", "9"]],
        )
        self.assertIsNone(reply.headers["Content-Type"])
        self.assertEqual(reply.headers.get_all("X-Two"), ["1", "2"])
        self.assertEqual(reply.headers.get_all("Retry-After"), ["1", "9"])
        self.faulty(header_size=300_000, header_count=200)
        head = self.mock.raw_get("/me/tracks", QUIET).partition(b"\r\n\r\n")[0]
        self.assertIn(b"X-Filler: " + b"x" * 300_000, head)
        self.assertEqual(head.count(b"X-Filler-"), 200)


class WireTest(MockCase):
    options = ("--library", "60")

    def raw(self, **action):
        """Return the head and the body as they came, and how they ended."""
        self.mock.control("DELETE", "fault")
        self.mock.fault(TRACKS, **action)
        received = self.mock.raw_get("/me/tracks", timeout=QUIET)
        head, _, body = received.partition(b"\r\n\r\n")
        return head, body

    def test_silence(self):
        self.assertEqual(self.raw(silent="start"), (b"<silence>", b""))
        self.assertEqual(self.raw(silent="status_line"), (b"HTTP/1.1 2<silence>", b""))
        head, body = self.raw(silent="headers")
        self.assertIn(b"Content-Length", head)
        self.assertEqual(body, b"<silence>")
        _, body = self.raw(silent=10)
        self.assertEqual((len(body), body[-9:]), (19, b"<silence>"))
        log = self.mock.control("GET", "log")
        self.assertEqual([entry["status"] for entry in log], [None, 200, 200, 200])

    def test_resets_and_cuts(self):
        self.assertEqual(self.raw(reset="start"), (b"<reset>", b""))
        self.assertEqual(self.raw(close="start"), (b"", b""))
        head, body = self.raw(reset="body")
        self.assertTrue(body.endswith(b"<reset>"))
        head, body = self.raw(close="body")
        length = int(head.partition(b"Content-Length: ")[2].split()[0])
        self.assertEqual(len(body), length // 2)

    def test_the_connection_closes_after_an_answer(self):
        head, body = self.raw(close="end")
        self.assertNotIn(b"Connection", head)
        self.assertEqual(json.loads(body)["total"], 60)

    def test_delays(self):
        for action in ({"delay": 0.2}, {"delay": {"seconds": 0.2, "at": "body"}}):
            self.mock.control("DELETE", "fault")
            self.mock.fault(TRACKS, **action)
            start = time.monotonic()
            self.assertEqual(self.mock.get("/me/tracks").json()["total"], 60)
            self.assertGreaterEqual(time.monotonic() - start, 0.2)

    def test_trickle(self):
        self.mock.fault(TRACKS, trickle={"bytes": 100, "ms": 10}, keep=1)
        start = time.monotonic()
        self.assertEqual(self.mock.get("/me/tracks").json()["total"], 60)
        self.assertGreater(time.monotonic() - start, 0.15)

    def test_a_wrong_length(self):
        head, body = self.raw(content_length={"add": 5})
        self.assertIn(b"Content-Length: %d\r\n" % (len(body) - 4), head + b"\r\n")
        head, body = self.raw(content_length=3)
        self.assertIn(b"Content-Length: 3\r\n", head + b"\r\n")
        self.assertGreater(len(body), 100)

    def test_chunks(self):
        self.mock.fault({**TRACKS, "times": 1}, chunked="good")
        reply = self.mock.get("/me/tracks")
        self.assertEqual(reply.headers["Transfer-Encoding"], "chunked")
        self.assertEqual(reply.json()["total"], 60)
        self.assertIn(b"zz\r\n", self.raw(chunked="bad_size")[1])
        self.assertFalse(self.raw(chunked="no_terminator")[1].endswith(b"0\r\n\r\n"))
        with self.assertRaises(http.client.IncompleteRead):
            self.mock.get("/me/tracks")

    def test_what_is_no_answer(self):
        self.assertEqual(self.raw(raw="hello there"), (b"hello there", b""))
        data = base64.b64encode(b"\0\xff").decode()
        self.assertEqual(self.raw(raw_base64=data)[0], b"\0\xff")
        silent = self.raw(raw="HTTP/1.1 200 OK", silent="end")[0]
        self.assertEqual(silent, b"HTTP/1.1 200 OK<silence>")

    def test_many_continues(self):
        # http.client of Python 3.14 takes no more than 100.
        self.mock.fault(TRACKS, continues=90)
        received = self.mock.raw_get("/me/tracks", QUIET)
        self.assertEqual(received.count(b"HTTP/1.1 100 Continue\r\n\r\n"), 90)
        self.assertEqual(self.mock.get("/me/tracks").json()["total"], 60)

    def test_connections(self):
        for action, ending in (
            ("silent", b"<silence>"),
            ("reset", b"<reset>"),
            ("close", b""),
        ):
            connection = self.mock.connect()
            rule = {
                "match": {"phase": "connect", "times": 1},
                "action": {action: "start"},
            }
            connection.request("POST", "/mock/fault", json.dumps(rule))
            connection.getresponse().read()
            with socket.create_connection(("127.0.0.1", self.mock.port), QUIET) as sock:
                self.assertEqual(self.end_of(sock), ending)
            connection.close()

    def end_of(self, sock):
        try:
            return sock.recv(100)
        except socket.timeout:
            return b"<silence>"
        except ConnectionResetError:
            return b"<reset>"

    def test_the_client_leaves_a_silent_server(self):
        self.mock.fault({**TRACKS, "times": 1}, silent="start")
        self.mock.raw_get("/me/tracks", timeout=0.1)
        self.assertEqual(self.mock.get("/me/tracks").status, 200)
