-- migrate.sql
--   Loads the tables of a Python pipeline into those of spotify_etl:
--
--       liked_songs (added_at, name, artists, spotify_uri, last_modified, is_active)
--       my_played_tracks (song_name, artist_name, played_at, timestamp)
--
--   psql -d music -f migrate.sql
--   psql -d music -v account=anna -v liked_songs=old.likes -f migrate.sql
--
-- Run it as a superuser, in the database that has the extension and these
-- tables, after the account was connected and best before its first sync.  The
-- columns may be text or of a proper type; times without a zone are UTC.  The
-- old tables are only read.  It is one transaction: an error leaves everything
-- as it was.  It can be run again, and then adds what is missing.

\set ON_ERROR_STOP on
\if :{?account}
\else
\set account default
\endif
\if :{?liked_songs}
\else
\set liked_songs public.liked_songs
\endif
\if :{?my_played_tracks}
\else
\set my_played_tracks public.my_played_tracks
\endif
\if :{?allow_mass_removal}
\else
\set allow_mass_removal false
\endif

BEGIN;
SET LOCAL TimeZone = 'UTC';

-- Is there such an account?  A DO block cannot see the variables of psql.

SELECT set_config('migrate.account', :'account', true) \g /dev/null
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM spotify.accounts
                    WHERE account = current_setting('migrate.account')) THEN
        RAISE EXCEPTION 'account "%" does not exist', current_setting('migrate.account')
            USING ERRCODE = 'undefined_object',
                  DETAIL = 'Nothing was loaded.',
                  HINT = 'Connect it first (spotify_set_account), or name the one that you mean: psql -v account=...';
    END IF;
END
$$;

-- Likes.  What is stored already is newer, and stays.

CREATE TEMPORARY TABLE old_likes ON COMMIT DROP AS
    SELECT DISTINCT ON (track_id)
           regexp_replace(spotify_uri, '^spotify:track:', '') AS track_id,
           name,
           string_to_array(artists, ', ') AS artists,
           added_at::text::timestamptz AS added_at,
           is_active::text IN ('1', 't', 'true', 'True') AS is_active,
           last_modified::text::timestamptz AS last_modified
      FROM :liked_songs
     WHERE spotify_uri <> ''
     ORDER BY track_id, last_modified DESC NULLS LAST;

INSERT INTO spotify.tracks (track_id, name)
    SELECT track_id, name FROM old_likes
    ON CONFLICT DO NOTHING;

-- What is known of their history becomes events.  No run found these out: -1 is
-- for a like, 0 for one that went.
WITH loaded AS (
    INSERT INTO spotify.liked_tracks
                (account, track_id, added_at, is_active, first_seen_at, last_modified)
        SELECT :'account',
               track_id,
               added_at,
               is_active,
               COALESCE(added_at, last_modified, now()),
               COALESCE(last_modified, added_at, now())
          FROM old_likes
        ON CONFLICT DO NOTHING
        RETURNING *
)
INSERT INTO spotify.liked_events (account, track_id, event, occurred_at, run_id)
    SELECT account, track_id, 'added', first_seen_at, -1
      FROM loaded
    UNION ALL
    SELECT account, track_id, 'removed', last_modified, 0
      FROM loaded
     WHERE NOT is_active
    ON CONFLICT DO NOTHING;

-- The first sync brings albums, artists and all else of what is liked, and finds
-- out what has changed since the pipeline ran last.  If it says that too many
-- likes are gone, and that is true, run this file with -v allow_mass_removal=true.

SELECT status, total, inserted, deactivated, reactivated, updated
  FROM spotify_sync_liked(:'account', full_scan => true,
                          allow_mass_removal => :'allow_mass_removal');

SELECT status, inserted
  FROM spotify_sync_recently_played(:'account');

-- Spotify is not asked about likes that are gone.  These get the artists of the
-- old table if each of them is known from other songs, by a name that no other
-- artist has.

WITH known AS (
    SELECT name, min(artist_id) AS artist_id
      FROM spotify.artists
     GROUP BY name
    HAVING count(*) = 1
), found AS (
    SELECT old.track_id,
           old_artist.position,
           known.artist_id,
           count(*) OVER (PARTITION BY old.track_id) = cardinality(old.artists) AS is_complete
      FROM old_likes AS old,
           unnest(old.artists) WITH ORDINALITY AS old_artist (name, position)
           JOIN known USING (name)
     WHERE NOT EXISTS (SELECT FROM spotify.track_artists WHERE track_id = old.track_id)
)
INSERT INTO spotify.track_artists (track_id, position, artist_id)
    SELECT track_id, position, artist_id FROM found WHERE is_complete;

-- Plays.  The pipeline kept no track ids, so a play belongs to the track that
-- has its name and its first artist; of several, to one that is liked.  A play
-- of an unknown track is not loaded, since its id would have to be made up.

CREATE TEMPORARY TABLE old_plays ON COMMIT DROP AS
    SELECT DISTINCT song_name,
                    artist_name,
                    played_at::text::timestamptz AS played_at
      FROM :my_played_tracks
     WHERE played_at IS NOT NULL;

CREATE TEMPORARY TABLE known_songs ON COMMIT DROP AS
    SELECT DISTINCT ON (song_name, artist_name)
           track.name AS song_name,
           artist.name AS artist_name,
           track.track_id
      FROM spotify.tracks AS track
           JOIN LATERAL
           (SELECT artist_id
              FROM spotify.track_artists
             WHERE track_id = track.track_id
             ORDER BY position
             LIMIT 1) AS first ON true
           JOIN spotify.artists AS artist USING (artist_id)
           LEFT JOIN spotify.liked_tracks AS liked
           ON liked.track_id = track.track_id AND liked.account = :'account'
     ORDER BY song_name, artist_name, liked.is_active DESC NULLS LAST, track.track_id;

-- Spotify has told plays twice, and anew with other times: plays of one track
-- that end less than 30 seconds apart are one.
INSERT INTO spotify.plays (account, played_at, track_id)
    SELECT :'account', old.played_at, old.track_id
      FROM (SELECT played_at,
                   track_id,
                   lag(played_at) OVER (PARTITION BY track_id
                                        ORDER BY played_at) AS played_before
              FROM old_plays
                   JOIN known_songs USING (song_name, artist_name)) AS old
     WHERE (old.played_before IS NULL
            OR old.played_at >= old.played_before + interval '30 seconds')
       AND NOT EXISTS (SELECT FROM spotify.plays
                        WHERE account = :'account' AND played_at = old.played_at)
       AND NOT EXISTS (SELECT FROM spotify.plays AS play
                        WHERE play.account = :'account'
                          AND play.track_id = old.track_id
                          AND play.played_at > old.played_at - interval '30 seconds'
                          AND play.played_at < old.played_at + interval '30 seconds');

-- What could not be loaded: like or play one of these songs and run this file
-- again to have its plays loaded.

SELECT song_name, artist_name, count(*) AS plays_not_loaded
  FROM old_plays AS old
 WHERE NOT EXISTS (SELECT FROM spotify.plays
                    WHERE account = :'account' AND played_at = old.played_at)
   AND NOT EXISTS (SELECT FROM known_songs
                    WHERE song_name = old.song_name AND artist_name = old.artist_name)
 GROUP BY song_name, artist_name
 ORDER BY plays_not_loaded DESC, song_name, artist_name;

COMMIT;
