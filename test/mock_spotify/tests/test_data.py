"""What is in the library and in the plays, and how a test changes it."""

import re

from .support import MockCase


class LibraryTest(MockCase):
    options = ("--library", "200")

    def library(self):
        return self.mock.control("GET", "library")

    def ids(self):
        return [entry and entry["id"] for entry in self.library()]

    def served(self):
        """Return what the API serves, in the form of the library."""
        entries = []
        for offset in range(0, 1000, 50):
            page = self.mock.get("/me/tracks?limit=50&offset=%d" % offset).json()
            entries += page["items"]
            if page["next"] is None:
                return entries

    def test_pages_agree_with_the_library(self):
        served = self.served()
        self.assertEqual(
            [(each["track"]["id"], each["added_at"]) for each in served],
            [(each["id"], each["added_at"]) for each in self.library()],
        )
        self.assertEqual(served[0]["added_at"], "2026-11-01T00:00:00Z")
        self.assertEqual(served[1]["added_at"], "2026-10-31T23:59:00Z")

    def test_ids_are_distinct_and_come_back(self):
        ids = self.ids()
        self.assertEqual(len(set(ids)), 200)
        self.assertTrue(all(re.fullmatch(r"[0-9A-Za-z]{22}", each) for each in ids))
        self.mock.post("reset")
        self.assertEqual(self.ids(), ids)

    def test_metadata_is_varied_and_shared(self):
        tracks = [entry["track"] for entry in self.served()]
        artists = [[each["id"] for each in track["artists"]] for track in tracks]
        self.assertEqual({len(each) for each in artists}, {1, 2, 3})
        self.assertLess(len({each[0] for each in artists}), 60)
        self.assertLess(len({track["album"]["id"] for track in tracks}), 200)
        self.assertEqual(len({track["external_ids"]["isrc"] for track in tracks}), 200)
        self.assertFalse(all(track["name"].isascii() for track in tracks))
        precisions = {track["album"]["release_date_precision"] for track in tracks}
        self.assertEqual(precisions, {"year", "month", "day"})

    def test_development_mode_fields(self):
        track = self.mock.get("/me/tracks?limit=1").json()["items"][0]["track"]
        self.assertEqual(
            sorted(track),
            "album artists disc_number duration_ms explicit external_ids external_urls "
            "href id is_local is_playable name preview_url track_number type "
            "uri".split(),
        )
        self.mock.post("config", legacy_fields=True)
        legacy = self.mock.get("/me/tracks?limit=1").json()["items"][0]["track"]
        self.assertEqual(set(legacy) - set(track), {"available_markets", "popularity"})

    def test_a_huge_library(self):
        self.mock.post("library", size=100000)
        page = self.mock.get("/me/tracks?limit=50&offset=99950").json()
        self.assertEqual((page["total"], len(page["items"])), (100000, 50))
        self.assertIsNone(page["next"])

    def test_like(self):
        before = self.ids()
        new = self.mock.post("like", count=2)["ids"]
        self.assertEqual(self.ids(), new[::-1] + before)
        self.assertEqual(self.library()[0]["added_at"], "2026-11-01T00:02:00Z")

    def test_like_with_a_date_in_the_past(self):
        [new] = self.mock.post("like", count=1, added_at="2026-10-31T23:58:30Z")["ids"]
        self.assertEqual(self.ids().index(new), 2)

    def test_like_again(self):
        [gone] = self.mock.post("unlike", positions=[5])["ids"]
        self.assertNotIn(gone, self.ids())
        self.mock.post("like", ids=[gone])
        self.assertEqual(self.ids()[0], gone)
        with self.assertRaisesRegex(RuntimeError, "already saved"):
            self.mock.post("like", ids=[gone])

    def test_unlike_at_random_depends_on_the_seed(self):
        first = self.mock.post("unlike", count=10, seed=7)["ids"]
        self.assertEqual(len(self.ids()), 190)
        self.mock.post("reset")
        self.assertEqual(self.mock.post("unlike", count=10, seed=7)["ids"], first)

    def test_rename(self):
        second = self.ids()[1]
        self.mock.post("rename", id=second, name="Other \ud800 name")
        self.assertEqual(self.served()[1]["track"]["name"], "Other \ud800 name")

    def test_odd_entries(self):
        self.mock.post("insert", position=0, entry=None)
        self.mock.post("insert", position=2, kind="null_track")
        self.mock.post("insert", position=4, kind="local")
        self.mock.post("insert", position=6, kind="episode")
        self.mock.post(
            "insert", position=8, entry={"track": {"id": "x", "n": {"$raw": "1e400"}}}
        )
        entries = self.served()
        self.assertIsNone(entries[0])
        self.assertIsNone(entries[2]["track"])
        self.assertIsNone(entries[4]["track"]["id"])
        self.assertEqual(entries[6]["track"]["type"], "episode")
        self.assertIn(b'"n":1e400', self.mock.get("/me/tracks").body)
        self.assertEqual(self.mock.get("/me/tracks").json()["total"], 205)
        truth = self.library()
        self.assertIsNone(truth[0])
        self.assertTrue(truth[4]["uri"].startswith("spotify:local:"))
        self.assertEqual(truth[8]["id"], "x")

    def test_the_same_track_twice(self):
        self.mock.post("insert", position=7, index=0)
        self.assertEqual(self.ids()[7], self.ids()[0])

    def test_the_total_lies(self):
        self.mock.post("total", add=-5)
        self.assertEqual(self.mock.get("/me/tracks").json()["total"], 195)
        self.mock.post("total", value=7)
        self.assertEqual(self.mock.get("/me/tracks").json()["total"], 7)
        self.mock.post("total")
        self.assertEqual(self.mock.get("/me/tracks").json()["total"], 200)

    def test_users_have_libraries_of_their_own(self):
        self.mock.post("user", id="zoë.b", display_name="Zoë", size=2)
        token = self.mock.access_token(user="zoë.b")
        self.assertEqual(self.mock.get("/me", token).json()["id"], "zoë.b")
        self.assertEqual(self.mock.get("/me/tracks", token).json()["total"], 2)
        self.assertEqual(len(self.ids()), 200)

    def test_wrong_control_requests_are_refused(self):
        for operation, arguments in (
            ("like", {}),
            ("like", {"count": 1, "colour": "red"}),
            ("unlike", {"positions": [200]}),
            ("config", {"rotate": "sometimes"}),
            ("config", {"colour": "red"}),
            ("insert", {"kind": "strange"}),
            ("nothing", {}),
        ):
            with self.assertRaises(RuntimeError, msg=operation):
                self.mock.post(operation, **arguments)


class PlaysTest(MockCase):
    def setUp(self):
        super().setUp()
        self.mock.post("clock", now="2026-11-01T01:00:00Z")

    def told(self):
        """Return the times in the list, and which tracks they are of."""
        items = self.page()["items"]
        return [(item["played_at"][11:-1], item["track"]["id"]) for item in items]

    def page(self, query="?limit=50"):
        return self.mock.get("/me/player/recently-played" + query).json()

    def test_no_plays(self):
        page = self.page()
        self.assertEqual((page["items"], page["cursors"], page["next"]), ([], None, None))

    def test_plays_and_cursors(self):
        self.mock.post("play", count=3, context="album")
        page = self.page()
        times = [item["played_at"] for item in page["items"]]
        self.assertEqual(times, sorted(times, reverse=True))
        self.assertEqual(times[-1][:19], "2026-11-01T00:00:00")
        self.assertEqual(page["items"][0]["context"]["type"], "album")
        self.assertNotIn("is_playable", page["items"][0]["track"])
        self.assertRegex(page["cursors"]["before"], "^1793491200...$")
        self.assertIsNotNone(page["next"])
        newer = self.page("?after=" + page["cursors"]["before"])
        self.assertEqual(len(newer["items"]), 2)
        older = self.page("?before=%s" % page["cursors"]["after"])
        self.assertEqual(len(older["items"]), 2)

    def test_only_fifty_are_known(self):
        self.mock.post("play", count=60)
        self.assertEqual(len(self.page()["items"]), 50)
        self.assertEqual(self.page("?before=1793491201000")["items"], [])
        self.assertEqual(len(self.mock.control("GET", "plays")), 60)

    def test_a_late_play_and_an_odd_one(self):
        self.mock.post("play", index=1, played_at="2026-11-02T10:00:00.500Z")
        self.mock.post("play", index=2, played_at="2026-11-02T09:00:00.250Z")
        self.mock.post("play", track=None, played_at="2026-11-02T09:30:00Z")
        page = self.page()
        self.assertEqual(
            [item["played_at"][11:] for item in page["items"]],
            ["10:00:00.500Z", "09:30:00.000Z", "09:00:00.250Z"],
        )
        self.assertIsNone(page["items"][1]["track"])
        self.mock.post("clear_plays")
        self.assertEqual(self.page()["items"], [])

    def test_plays_told_with_other_times(self):
        for second in (10, 20, 30):
            self.mock.post(
                "play", index=second, played_at="2026-11-01T00:00:%d.5Z" % second
            )
        first, truth = self.told(), self.mock.control("GET", "plays")
        ids = [identity for _, identity in first]
        self.mock.post("retell", milliseconds=[-1500, 0, 600])
        self.assertEqual(
            self.told(),
            list(zip(["00:00:29.000", "00:00:20.500", "00:00:11.100"], ids)),
        )
        self.assertEqual(self.mock.control("GET", "plays"), truth)
        self.mock.post("play", index=40, played_at="2026-11-01T00:00:40Z")
        self.assertEqual(self.told()[0][0], "00:00:40.000")
        self.mock.post("retell", milliseconds=[0, -11000])
        self.assertEqual([self.told()[place][1] for place in (1, 2)], [ids[1], ids[0]])
        self.mock.post("retell", least=-2700, most=-760, seed=3)
        shifted = self.told()
        self.mock.post("retell", least=-2700, most=-760, seed=3)
        self.assertEqual(self.told(), shifted)
        self.assertTrue("00:00:27.800" <= shifted[1][0] <= "00:00:29.740", shifted)
        self.mock.post("retell")
        self.assertEqual(self.told()[1:], first)
        with self.assertRaises(RuntimeError):
            self.mock.post("retell", least=1)

    def test_plays_told_twice(self):
        self.mock.post("play", index=1, played_at="2026-11-01T00:00:10Z")
        self.mock.post("play", index=2, played_at="2026-11-01T00:00:20Z")
        self.mock.post("echo", positions=[1], milliseconds=150)
        self.assertEqual(
            [time for time, _ in self.told()],
            ["00:00:20.000", "00:00:10.150", "00:00:10.000"],
        )
        self.assertEqual(self.told()[1][1], self.told()[2][1])
        self.mock.post("retell", milliseconds=-1000)
        self.assertEqual(self.told()[1][0], "00:00:09.150")
        self.assertEqual(len(self.mock.control("GET", "plays")), 2)
        with self.assertRaises(RuntimeError):
            self.mock.post("echo", positions=[2], milliseconds=1)

    def test_only_seven_days_are_told(self):
        self.mock.post("play", index=1, played_at="2026-11-01T00:00:10Z")
        self.mock.post("play", index=2, played_at="2026-11-03T00:00:00Z")
        self.mock.post("clock", now="2026-11-08T00:00:05Z")
        self.assertEqual(len(self.page()["items"]), 2)
        self.mock.post("clock", now="2026-11-08T00:00:15Z")
        self.assertEqual(len(self.page()["items"]), 1)
        self.mock.post("clock", now="2026-11-11T00:00:00Z")
        self.assertEqual(self.page()["items"], [])
        self.mock.post("config", plays_days=None)
        self.assertEqual(len(self.page()["items"]), 2)
        self.assertEqual(len(self.mock.control("GET", "plays")), 2)
