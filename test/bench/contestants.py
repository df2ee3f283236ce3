"""The ways to do the work that are measured, and how each is started."""

import os
import sys

from pages import PAGE_SIZE

HERE = os.path.dirname(os.path.abspath(__file__))
CONCURRENCY = 8

LIKED_SONGS = """
CREATE TABLE liked_songs (
    added_at timestamptz NOT NULL,
    name text NOT NULL,
    artists text NOT NULL,
    spotify_uri text PRIMARY KEY,
    last_modified timestamptz NOT NULL,
    is_active integer NOT NULL
)
"""

# How many likes are active, and how many are not any more.
COUNT_LIKED_SONGS = """
SELECT count(*) FILTER (WHERE is_active = 1), count(*) FILTER (WHERE is_active = 0)
  FROM liked_songs
"""
COUNT_LIKES = """
SELECT count(*) FILTER (WHERE is_active), count(*) FILTER (WHERE NOT is_active)
  FROM %s
"""

FIRST, UNCHANGED, CHURN = "first load", "no change", "1 % churn"
# No change either, but everything is read: for others than us that is the same.
FULL_SCAN = "full scan"
SCENARIOS = (FIRST, UNCHANGED, FULL_SCAN, CHURN)


def psql(statement):
    return ["psql", "-X", "-q", "-At", "-v", "ON_ERROR_STOP=1", "-c", statement]


class Contestant:
    """One way to do the work.

    Settings are those of its database. The command does one sync; it may read BENCH_API,
    REQUESTS_CA_BUNDLE and libpq's variables.
    """

    name = None
    label = None
    scenarios = (FIRST, UNCHANGED, CHURN)
    count_rows = COUNT_LIKED_SONGS

    def __init__(self, folder, ca_file):
        self.folder = folder
        self.ca_file = ca_file

    def settings(self, url):
        """Return the settings of a database that talks to this server."""
        return {}

    def set_up(self):
        """Return statements that make an empty database ready."""
        return [LIKED_SONGS]

    def command(self, url, tracks, scenario):
        raise NotImplementedError


class Extension(Contestant):
    name = "spotify_etl"
    label = "spotify_sync_liked"
    scenarios = SCENARIOS
    count_rows = COUNT_LIKES % "spotify.liked_tracks"

    def settings(self, url):
        return {
            "session_preload_libraries": "spotify_etl",
            "spotify_etl.api_url": url + "/v1",
            "spotify_etl.accounts_url": url,
            "spotify_etl.ca_file": self.ca_file,
            "spotify_etl.max_concurrency": str(CONCURRENCY),
        }

    def set_up(self):
        return [
            "CREATE EXTENSION spotify_etl",
            "SELECT spotify_set_account('mock-client', 'mock-secret', 'mock-refresh-token')",
        ]

    def command(self, url, tracks, scenario):
        full_scan = "true" if scenario == FULL_SCAN else "false"
        return psql("SELECT * FROM spotify_sync_liked(full_scan => %s)" % full_scan)


class Classical(Contestant):
    name = "classical"
    label = "requests, pandas, executemany"

    def command(self, url, tracks, scenario):
        return [sys.executable, "-B", os.path.join(HERE, "classical.py")]


class PgsqlHttp(Contestant):
    name = "pgsql-http"
    label = "pgsql-http and PL/pgSQL"
    count_rows = COUNT_LIKES % "likes"

    def settings(self, url):
        return {"http.keepalive": "on", "http.timeout_msec": "30000"}

    def set_up(self):
        with open(os.path.join(HERE, "pgsql_http.sql"), encoding="ascii") as file:
            return [file.read()]

    def command(self, url, tracks, scenario):
        options = "http_set_curlopt('CURLOPT_CAINFO', '%s')" % self.ca_file
        keepalive = "http_set_curlopt('CURLOPT_TCP_KEEPALIVE', '1')"
        work = "sync_likes('%s')" % url
        return psql("SELECT %s, %s" % (options, keepalive)) + ["-c", "SELECT " + work]


class Curl(Contestant):
    """The floor: the same pages, thrown away."""

    name = "curl"
    label = "curl, %d at once, to /dev/null" % CONCURRENCY
    scenarios = (FIRST,)
    count_rows = None

    def command(self, url, tracks, scenario):
        path = os.path.join(self.folder, "curl.conf")
        with open(path, "w", encoding="ascii") as file:
            file.write('no-progress-meter\nfail\ncompressed\nhttp2\nparallel\n')
            file.write("parallel-max = %d\n" % CONCURRENCY)
            file.write('cacert = "%s"\n' % self.ca_file)
            for offset in range(0, tracks, PAGE_SIZE):
                page = "%s/v1/me/tracks?limit=%d&offset=%d" % (url, PAGE_SIZE, offset)
                file.write('url = "%s"\noutput = /dev/null\n' % page)
        return ["curl", "-q", "-K", path]


CONTESTANTS = (Curl, Extension, PgsqlHttp, Classical)
