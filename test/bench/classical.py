"""The classical way: what the Python pipelines do, in its usual shape.

One page after the other with requests.get, each over a connection of its own, a
DataFrame, a row at a time into the table with psycopg2's executemany: every like each
time, then what is missing becomes inactive.  Artists are a text, albums are not stored.

Used by bench.py, which gives in the environment BENCH_API, REQUESTS_CA_BUNDLE and what
libpq reads.  liked_songs is made by contestants.py.
"""

import os

import pandas
import psycopg2
import requests

PAGE_SIZE = 50

UPSERT = """
INSERT INTO liked_songs
       (added_at, name, artists, spotify_uri, last_modified, is_active)
VALUES (%s, %s, %s, %s, now(), 1)
ON CONFLICT (spotify_uri) DO UPDATE
   SET added_at = EXCLUDED.added_at,
       name = EXCLUDED.name,
       artists = EXCLUDED.artists,
       last_modified = EXCLUDED.last_modified,
       is_active = 1
"""

DEACTIVATE = """
UPDATE liked_songs
   SET is_active = 0, last_modified = now()
 WHERE spotify_uri = %s
"""


def log_in(base):
    answer = requests.post(
        base + "/api/token",
        data={"grant_type": "refresh_token", "refresh_token": "mock-refresh-token"},
        auth=("mock-client", "mock-secret"),
    )
    answer.raise_for_status()
    return {"Authorization": "Bearer " + answer.json()["access_token"]}


def extract(base, headers):
    """Return all saved tracks."""
    items = []
    total = None
    while total is None or len(items) < total:
        answer = requests.get(
            base + "/v1/me/tracks",
            params={"limit": PAGE_SIZE, "offset": len(items)},
            headers=headers,
        )
        answer.raise_for_status()
        page = answer.json()
        items += page["items"]
        total = page["total"]
    return items


def transform(items):
    rows = [
        {
            "added_at": item["added_at"],
            "name": item["track"]["name"],
            "artists": ", ".join(each["name"] for each in item["track"]["artists"]),
            "spotify_uri": item["track"]["id"],
        }
        for item in items
    ]
    frame = pandas.DataFrame(rows)
    frame["added_at"] = pandas.to_datetime(frame["added_at"])
    if frame.isnull().values.any() or not frame["spotify_uri"].is_unique:
        raise ValueError("the data is not what it should be")
    return frame


def load(connection, frame):
    with connection, connection.cursor() as cursor:
        cursor.executemany(UPSERT, list(frame.itertuples(index=False, name=None)))
        cursor.execute("SELECT spotify_uri FROM liked_songs WHERE is_active = 1")
        stored = pandas.Series([row[0] for row in cursor.fetchall()], dtype=object)
        gone = stored[~stored.isin(frame["spotify_uri"])]
        cursor.executemany(DEACTIVATE, [(each,) for each in gone])


def main():
    base = os.environ["BENCH_API"]
    headers = log_in(base)
    frame = transform(extract(base, headers))
    connection = psycopg2.connect("")
    load(connection, frame)
    connection.close()


if __name__ == "__main__":
    main()
