/*
 * views.sql
 *		A listening history to measure views with: :plays plays of the account
 *		"bench" over ten years, of 20,000 tracks, some of them played far more
 *		often than others, by 5,000 artists, and 20,000 likes.
 *
 * Made by arithmetic, so that it is the same each time.
 */
-- The rows fit each other: checking that one by one takes longer than all else.
SET session_replication_role = replica;

SELECT spotify_set_account('bench-client', account => 'bench');

INSERT INTO spotify.artists (artist_id, name)
SELECT 'artist' || lpad(i::text, 16, '0'), 'Artist ' || i
  FROM generate_series(1, 5000) AS i;

INSERT INTO spotify.albums (album_id, name, album_type)
SELECT 'album' || lpad(i::text, 17, '0'), 'Album ' || i, 'album'
  FROM generate_series(1, 2000) AS i;

INSERT INTO spotify.tracks (track_id, name, album_id, duration_ms, uri)
SELECT 'track' || lpad(i::text, 17, '0'), 'Track ' || i,
       'album' || lpad((i % 2000 + 1)::text, 17, '0'),
       120000 + i * 7919 % 240000,
       'spotify:track:track' || lpad(i::text, 17, '0')
  FROM generate_series(1, 20000) AS i;

INSERT INTO spotify.track_artists (track_id, position, artist_id)
SELECT 'track' || lpad(i::text, 17, '0'), place,
       'artist' || lpad(((i * 31 + place * 17) % 5000 + 1)::text, 16, '0')
  FROM generate_series(1, 20000) AS i,
       generate_series(1, 1 + i % 3) AS place;

-- The square makes tracks with a low number the popular ones.
INSERT INTO spotify.plays (account, played_at, track_id, context_type, context_uri, run_id)
SELECT 'bench',
       timestamptz '2016-01-01 00:00:00Z' + i * (interval '10 years' / :plays),
       'track' || lpad((1 + floor(20000 * power(i::bigint * 7919 % 1000003 / 1000003.0, 2)))::text, 17, '0'),
       'playlist', 'spotify:playlist:' || lpad((i % 50)::text, 22, '0'), 1
  FROM generate_series(1, :plays) AS i;

INSERT INTO spotify.liked_tracks (account, track_id, added_at)
SELECT 'bench', 'track' || lpad(i::text, 17, '0'),
       timestamptz '2016-01-01 00:00:00Z' + i * interval '4 hours'
  FROM generate_series(1, 20000) AS i;

INSERT INTO spotify.liked_events (account, track_id, event, occurred_at, run_id)
SELECT account, track_id, 'added', added_at + interval '1 hour', 1
  FROM spotify.liked_tracks;

VACUUM (ANALYZE);
