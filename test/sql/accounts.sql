/*
 * Accounts: the rules of spotify_set_account and spotify_forget_account, and
 * which account a call means.  Nothing here reaches the network.
 */
CREATE EXTENSION spotify_etl;

-- Whatever went wrong, no request may leave the machine.
SET spotify_etl.api_url = 'http://127.0.0.1:1';
SET spotify_etl.accounts_url = 'http://127.0.0.1:1';

CREATE TEMP VIEW stored AS
SELECT account,
       accounts.client_id,
       credentials.client_secret,
       credentials.refresh_token,
       credentials.access_token,
       accounts.redirect_uri,
       accounts.authorized_at IS NOT NULL AS is_authorized,
       accounts.needs_authorization
  FROM spotify.accounts
  LEFT JOIN spotify_private.credentials USING (account)
 ORDER BY account;

-- no account yet
SELECT spotify_sync_liked();
SELECT spotify_refresh_token();
\echo :LAST_ERROR_SQLSTATE
SELECT spotify_sync_liked('default');
\echo :LAST_ERROR_SQLSTATE
SELECT spotify_forget_account('default');
\echo :LAST_ERROR_SQLSTATE

-- a new account needs a client id
SELECT spotify_set_account(NULL);
\echo :LAST_ERROR_SQLSTATE
SELECT count(*) FROM stored;

-- arguments that Spotify never gave out; no message repeats a secret
SELECT spotify_set_account('');
\echo :LAST_ERROR_SQLSTATE
SELECT spotify_set_account('id', refresh_token => '');
\echo :LAST_ERROR_SQLSTATE
SELECT spotify_set_account('id', redirect_uri => '');
\echo :LAST_ERROR_SQLSTATE
SELECT spotify_set_account('id', redirect_uri => '127.0.0.1:8888');
\echo :LAST_ERROR_SQLSTATE
SELECT spotify_set_account('id', redirect_uri => 'http://localhost:8888/callback');
\echo :LAST_ERROR_SQLSTATE
SELECT spotify_set_account('id', account => '');
\echo :LAST_ERROR_SQLSTATE
SELECT spotify_set_account('id', account => NULL);
\echo :LAST_ERROR_SQLSTATE
SELECT spotify_set_account('i d');
\echo :LAST_ERROR_SQLSTATE
SELECT spotify_set_account('id', 'sec' || chr(10) || 'ret');
\echo :LAST_ERROR_SQLSTATE
SELECT spotify_set_account('id', 'sec' || chr(13) || 'ret');
\echo :LAST_ERROR_SQLSTATE
SELECT spotify_set_account('id', 'sec' || chr(127) || 'ret');
\echo :LAST_ERROR_SQLSTATE
SELECT spotify_set_account('id', 'secr' || chr(233) || 't');
\echo :LAST_ERROR_SQLSTATE
SELECT spotify_set_account('id', ' secret');
\echo :LAST_ERROR_SQLSTATE
SELECT spotify_set_account('id', 'secret', 'token' || chr(10));
\echo :LAST_ERROR_SQLSTATE
SELECT spotify_set_account('id', 'secret', repeat('x', 4097));
\echo :LAST_ERROR_SQLSTATE
SELECT spotify_set_account('id', account => repeat('x', 201));
\echo :LAST_ERROR_SQLSTATE
SELECT spotify_set_account('id', account => repeat(chr(252), 101));
\echo :LAST_ERROR_SQLSTATE
SELECT count(*) FROM stored;

-- the defaults: a PKCE client that is not authorized yet
SELECT spotify_set_account('id');
SELECT * FROM stored;
SELECT account,
       spotify_user_id,
       display_name,
       scopes,
       authorized_at,
       retry_after,
       is_enabled,
       created_at <= now() AS is_created_before
  FROM spotify.accounts;

-- the only account there is: found without its name, but not authorized
SELECT spotify_sync_liked();
\echo :LAST_ERROR_SQLSTATE
SELECT spotify_sync_liked('default');
\echo :LAST_ERROR_SQLSTATE
SELECT spotify_refresh_token();
\echo :LAST_ERROR_SQLSTATE

-- updates: NULL leaves what is stored, and a notice says what changed
SELECT spotify_set_account(NULL, 'secret-1', 'token-1', 'https://example.org/first');
SELECT spotify_set_account(NULL, 'secret-1');
SELECT spotify_set_account(NULL);
SELECT * FROM stored;
SELECT spotify_set_account(NULL, NULL, NULL, 'https://example.org/callback');
SELECT * FROM stored;
SELECT spotify_set_account('id-2', NULL, NULL, NULL);
SELECT * FROM stored;
SELECT spotify_set_account(NULL, 'secret-2', NULL, NULL);
SELECT * FROM stored;

-- an empty secret makes it a PKCE client, NULL does not
SELECT spotify_set_account(NULL, '', NULL, NULL);
SELECT client_secret IS NULL AS is_pkce_client FROM stored;
SELECT spotify_set_account(NULL, '', NULL, NULL);
SELECT spotify_set_account(NULL, 'secret-3', NULL, NULL);

-- characters that have a meaning elsewhere, and the longest ones
SELECT spotify_set_account('i:d/%41+&=', 's:e/c%72+e&t="''\', repeat('~', 4096),
                           NULL);
SELECT client_id,
       client_secret,
       refresh_token = repeat('~', 4096) AS is_kept
  FROM stored;

-- a new refresh token is a new authorization
UPDATE spotify.accounts
   SET authorized_at = '2000-01-01 00:00:00+00',
       needs_authorization = true;
UPDATE spotify_private.credentials
   SET access_token = 'access',
       access_token_expires_at = '2999-01-01 00:00:00+00';
SELECT spotify_set_account(NULL, NULL, 'token-2', NULL);
SELECT needs_authorization,
       authorized_at > '2000-01-01 00:00:00+00' AS is_new
  FROM spotify.accounts;
SELECT access_token,
       access_token_expires_at
  FROM spotify_private.credentials;

-- the stored one again is none, and says nothing about the old one
UPDATE spotify.accounts
   SET authorized_at = '2000-01-01 00:00:00+00',
       needs_authorization = true;
SELECT spotify_set_account(NULL, NULL, 'token-2', NULL);
SELECT needs_authorization,
       authorized_at = '2000-01-01 00:00:00+00' AS is_old
  FROM spotify.accounts;

-- what an administrator set stays
UPDATE spotify.accounts
   SET is_enabled = false,
       needs_authorization = false,
       retry_after = '2000-01-01 00:00:00+00';
SELECT spotify_set_account('id', 'secret', 'token-3');
SELECT is_enabled,
       retry_after = '2000-01-01 00:00:00+00' AS is_kept
  FROM spotify.accounts;

-- several accounts: one must be named
SELECT spotify_set_account('id', '', account => 'zoe');
SELECT spotify_set_account('other-id', 'secret-z', 'token-z', account => 'Ann "A"');
SELECT spotify_sync_liked();
\echo :LAST_ERROR_SQLSTATE
SELECT spotify_refresh_token(NULL);
\echo :LAST_ERROR_SQLSTATE
SELECT spotify_sync_liked('nobody');
\echo :LAST_ERROR_SQLSTATE
SELECT spotify_refresh_token('Zoe');
\echo :LAST_ERROR_SQLSTATE
SELECT spotify_forget_account('');
\echo :LAST_ERROR_SQLSTATE
SELECT spotify_sync_liked('zoe');
\echo :LAST_ERROR_SQLSTATE

-- the longest name, in any script
SELECT spotify_set_account('id', account => repeat(chr(252), 100));
SELECT count(*) FROM stored WHERE account = repeat(chr(252), 100);
SELECT spotify_forget_account(repeat(chr(252), 100));

-- so many accounts that the list of them ends in dots
BEGIN;
SET LOCAL client_min_messages = warning;
SELECT count(spotify_set_account('id', account => 'a' || to_char(n, 'FM00')))
  FROM generate_series(1, 20) AS n;
SELECT spotify_sync_liked('nobody');
ROLLBACK;

-- rows of two accounts that share what belongs to the catalogue
INSERT INTO spotify.artists (artist_id, name)
VALUES ('artist-both', 'Both'), ('artist-zoe', 'Zoe''s'),
       ('artist-album', 'Of Zoe''s album');
INSERT INTO spotify.albums (album_id, name)
VALUES ('album-both', 'Both'), ('album-zoe', 'Zoe''s');
INSERT INTO spotify.album_artists (album_id, position, artist_id)
VALUES ('album-both', 1, 'artist-both'), ('album-zoe', 1, 'artist-album');
INSERT INTO spotify.tracks (track_id, name, album_id)
VALUES ('track-both', 'Both', 'album-both'), ('track-zoe', 'Zoe''s', 'album-zoe'),
       ('track-played', 'Played by default', NULL);
INSERT INTO spotify.track_artists (track_id, position, artist_id)
VALUES ('track-both', 1, 'artist-both'), ('track-zoe', 1, 'artist-zoe');
INSERT INTO spotify.sync_runs (account, collection, mode, status, started_at,
                               finished_at)
SELECT account, 'liked', 'full', 'succeeded', now(), now()
  FROM (VALUES ('default'), ('zoe')) AS each (account);
INSERT INTO spotify.quality_checks (run_id, check_name, passed)
SELECT run_id, 'unique_key', true
  FROM spotify.sync_runs
 WHERE status = 'succeeded';
INSERT INTO spotify.liked_tracks (account, track_id)
VALUES ('default', 'track-both'), ('zoe', 'track-both'), ('zoe', 'track-zoe');
INSERT INTO spotify.liked_events (account, track_id, event, occurred_at, run_id)
SELECT liked.account, liked.track_id, 'added', now(), run.run_id
  FROM spotify.liked_tracks AS liked
  JOIN spotify.sync_runs AS run USING (account)
 WHERE run.status = 'succeeded';
INSERT INTO spotify.scan_progress (account, collection, total, item_ids, added_at)
VALUES ('default', 'liked', 1, '{}', '{}'), ('zoe', 'liked', 1, '{}', '{}');
INSERT INTO spotify.plays (account, played_at, track_id)
VALUES ('default', now(), 'track-played'), ('zoe', now(), 'track-both');
INSERT INTO spotify.play_gaps (account, gap_start, gap_end, run_id)
SELECT account, now(), now(), run_id
  FROM spotify.sync_runs
 WHERE status = 'succeeded';

-- forgetting: the account, its secrets, its data, and what nobody else uses
SELECT spotify_forget_account(NULL);
\echo :LAST_ERROR_SQLSTATE
SELECT spotify_forget_account('zoe');
SELECT account FROM spotify.accounts ORDER BY account;
SELECT account FROM spotify_private.credentials ORDER BY account;
SELECT account, track_id FROM spotify.liked_tracks ORDER BY account, track_id;
SELECT account, track_id FROM spotify.liked_events ORDER BY account, track_id;
SELECT account FROM spotify.scan_progress;
SELECT account, track_id FROM spotify.plays ORDER BY account, track_id;
SELECT account FROM spotify.play_gaps;
SELECT account FROM spotify.sync_runs WHERE status = 'succeeded';
SELECT DISTINCT account FROM spotify.sync_runs;
SELECT count(*) AS checks FROM spotify.quality_checks;
SELECT track_id FROM spotify.tracks ORDER BY track_id;
SELECT track_id, artist_id FROM spotify.track_artists ORDER BY track_id;
SELECT album_id FROM spotify.albums ORDER BY album_id;
SELECT album_id, artist_id FROM spotify.album_artists ORDER BY album_id;
SELECT artist_id FROM spotify.artists ORDER BY artist_id;
SELECT spotify_forget_account('zoe');
\echo :LAST_ERROR_SQLSTATE

-- what was loaded under a name without an account goes too, table by table
SELECT spotify_forget_account('typed');
\echo :LAST_ERROR_SQLSTATE
BEGIN;
SET LOCAL session_replication_role = 'replica';
INSERT INTO spotify.tracks (track_id, name) VALUES ('track-typed', 'Typed');
INSERT INTO spotify.liked_tracks (account, track_id) VALUES ('typed-1', 'track-typed');
INSERT INTO spotify.liked_events (account, track_id, event, occurred_at, run_id)
VALUES ('typed-2', 'track-typed', 'added', now(), -1);
INSERT INTO spotify.plays (account, played_at, track_id) VALUES ('typed-3', now(), 'track-typed');
INSERT INTO spotify.play_gaps (account, gap_start, gap_end, run_id) VALUES ('typed-4', now(), now(), -1);
INSERT INTO spotify.liked_null_places (account, list_rank) VALUES ('typed-5', 1);
INSERT INTO spotify.scan_progress (account, collection, total, item_ids, added_at)
VALUES ('typed-6', 'liked', 1, '{}', '{}');
INSERT INTO spotify.sync_runs (account, collection, mode, status, started_at, finished_at)
VALUES ('typed-7', 'liked', 'full', 'succeeded', now(), now());
INSERT INTO spotify_private.credentials (account) VALUES ('typed-8');
COMMIT;
SELECT n, spotify_forget_account('typed-' || n) FROM generate_series(1, 8) AS n;
SELECT track_id FROM spotify.tracks ORDER BY track_id;
SELECT spotify_forget_account('typed-1');
\echo :LAST_ERROR_SQLSTATE

-- after the last one nothing is left
SELECT spotify_forget_account('Ann "A"');
SELECT spotify_forget_account('default');
DO $$
DECLARE
    relation regclass;
    is_filled boolean;
BEGIN
    FOR relation IN
        SELECT oid
          FROM pg_class
         WHERE relnamespace IN ('spotify'::regnamespace,
                                'spotify_private'::regnamespace)
           AND relkind = 'r'
         ORDER BY relname
    LOOP
        EXECUTE format('SELECT EXISTS (SELECT FROM %s)', relation) INTO is_filled;
        IF is_filled THEN
            RAISE NOTICE '% is not empty', relation;
        END IF;
    END LOOP;
END
$$;
SELECT spotify_refresh_token();
\echo :LAST_ERROR_SQLSTATE

-- a rollback takes everything back
BEGIN;
SELECT spotify_set_account('id', 'secret', 'token');
ROLLBACK;
SELECT count(*) FROM stored;

DROP VIEW stored;
DROP EXTENSION spotify_etl;
