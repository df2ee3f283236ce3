/* sql/spotify_etl--1.0.sql */

-- complain if script is sourced in psql, rather than via CREATE EXTENSION
\echo Use "CREATE EXTENSION spotify_etl" to load this file. \quit

-- Spotify delivers any character there is; only UTF8 can hold them all.
DO $$
BEGIN
    IF pg_catalog.current_setting('server_encoding') <> 'UTF8' THEN
        RAISE EXCEPTION 'spotify_etl cannot be used in a database with encoding %',
                        pg_catalog.current_setting('server_encoding')
            USING ERRCODE = 'feature_not_supported',
                  HINT = 'Create a database with ENCODING ''UTF8''.';
    END IF;
END
$$;

/* ------------------------------------------------------------------ */
/* Schemas                                                            */
/* ------------------------------------------------------------------ */

CREATE SCHEMA spotify;
COMMENT ON SCHEMA spotify IS
    'Data of Spotify users: tables and views of the extension spotify_etl';

-- Being able to look up names gives away no row: each table has its own grants.
GRANT USAGE ON SCHEMA spotify TO PUBLIC;

-- A schema of its own, so that a grant on all tables of spotify gives away
-- no secret.
CREATE SCHEMA spotify_private;
COMMENT ON SCHEMA spotify_private IS
    'Secrets of Spotify accounts: no grants, not in dumps';

-- Ids are compared byte by byte, so that no upgrade of the system's locales
-- can spoil an index: hence COLLATE "C".

/* ------------------------------------------------------------------ */
/* Accounts                                                           */
/* ------------------------------------------------------------------ */

CREATE TABLE spotify.accounts (
    account text COLLATE "C" NOT NULL
        CONSTRAINT accounts_account_check
        CHECK (account <> '' AND pg_catalog.octet_length(account) <= 200),
    client_id text NOT NULL
        CONSTRAINT accounts_client_id_check CHECK (client_id <> ''),
    redirect_uri text NOT NULL,
    spotify_user_id text,
    display_name text,
    scopes text[],
    authorized_at timestamp with time zone,
    needs_authorization boolean NOT NULL DEFAULT false,
    retry_after timestamp with time zone,
    is_enabled boolean NOT NULL DEFAULT true,
    created_at timestamp with time zone NOT NULL DEFAULT pg_catalog.now(),
    CONSTRAINT accounts_pkey PRIMARY KEY (account)
);

COMMENT ON TABLE spotify.accounts IS
    'Spotify accounts that are synced, and the state of their authorization';
COMMENT ON COLUMN spotify.accounts.account IS
    'name of the account here, as given to spotify_set_account';
COMMENT ON COLUMN spotify.accounts.client_id IS
    'client id of the Spotify app that is used';
COMMENT ON COLUMN spotify.accounts.redirect_uri IS
    'redirect URI that is registered for the app';
COMMENT ON COLUMN spotify.accounts.spotify_user_id IS
    'the user at Spotify: account_id, which is stable, or id where Spotify does not tell it; null until it was asked for';
COMMENT ON COLUMN spotify.accounts.display_name IS
    'the user''s display name at Spotify';
COMMENT ON COLUMN spotify.accounts.scopes IS
    'scopes that the user granted; null until Spotify says them';
COMMENT ON COLUMN spotify.accounts.authorized_at IS
    'when the user authorized the app, or the refresh token was stored here; Spotify ends an authorization after six months';
COMMENT ON COLUMN spotify.accounts.needs_authorization IS
    'Spotify refused the refresh token: nothing is asked until the user authorizes again';
COMMENT ON COLUMN spotify.accounts.retry_after IS
    'no request is sent before this time; the same for all accounts of a client id. More than two days ahead it is not believed';
COMMENT ON COLUMN spotify.accounts.is_enabled IS
    'whether spotify_sync_all includes the account; change it as you like';
COMMENT ON COLUMN spotify.accounts.created_at IS
    'when the account was created here';

CREATE TABLE spotify_private.credentials (
    account text COLLATE "C" NOT NULL,
    client_secret text,
    refresh_token text,
    access_token text,
    access_token_expires_at timestamp with time zone,
    access_token_obtained_at timestamp with time zone,
    is_user_confirmed boolean NOT NULL DEFAULT false,
    authorization_state text,
    code_verifier text,
    CONSTRAINT credentials_pkey PRIMARY KEY (account),
    CONSTRAINT credentials_account_fkey FOREIGN KEY (account)
        REFERENCES spotify.accounts
);

-- ANALYZE would copy the most common values to pg_statistic, where they would
-- outlive the account.
ALTER TABLE spotify_private.credentials
    ALTER COLUMN account SET STATISTICS 0,
    ALTER COLUMN client_secret SET STATISTICS 0,
    ALTER COLUMN refresh_token SET STATISTICS 0,
    ALTER COLUMN access_token SET STATISTICS 0,
    ALTER COLUMN access_token_expires_at SET STATISTICS 0,
    ALTER COLUMN access_token_obtained_at SET STATISTICS 0,
    ALTER COLUMN is_user_confirmed SET STATISTICS 0,
    ALTER COLUMN authorization_state SET STATISTICS 0,
    ALTER COLUMN code_verifier SET STATISTICS 0;

COMMENT ON TABLE spotify_private.credentials IS
    'secrets of accounts; read and written by the functions of spotify_etl only';
COMMENT ON COLUMN spotify_private.credentials.account IS
    'account that the secrets belong to';
COMMENT ON COLUMN spotify_private.credentials.client_secret IS
    'client secret of the app; null for a PKCE client';
COMMENT ON COLUMN spotify_private.credentials.refresh_token IS
    'token with which Spotify gives access tokens';
COMMENT ON COLUMN spotify_private.credentials.access_token IS
    'token that authorizes requests';
COMMENT ON COLUMN spotify_private.credentials.access_token_expires_at IS
    'when Spotify stops accepting the access token';
COMMENT ON COLUMN spotify_private.credentials.access_token_obtained_at IS
    'when Spotify gave the access token: of calls that wait for a new one together, one asks';
COMMENT ON COLUMN spotify_private.credentials.is_user_confirmed IS
    'whether Spotify said that the tokens are those of the account''s user; if not, it is asked before their next use';
COMMENT ON COLUMN spotify_private.credentials.authorization_state IS
    'state of the authorization that is under way';
COMMENT ON COLUMN spotify_private.credentials.code_verifier IS
    'PKCE code verifier of the authorization that is under way';

-- How a statement of the extension gets the secrets that it stores: neither its
-- text nor a parameter has them, which auditing may log.
CREATE FUNCTION spotify_private.secret(number integer)
RETURNS text
AS 'MODULE_PATHNAME', 'spotify_secret'
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;

COMMENT ON FUNCTION spotify_private.secret(integer) IS
    'a secret of the statement of spotify_etl that is running; no other statement can call it';

/* ------------------------------------------------------------------ */
/* Catalogue                                                          */
/* ------------------------------------------------------------------ */

-- No foreign keys within the catalogue: they are checked row by row, which
-- would take a fifth of the time of a first load.  A sync writes an album, a
-- track and their artists together, and what nobody uses is only deleted while
-- no sync writes.

CREATE TABLE spotify.artists (
    artist_id text COLLATE "C" NOT NULL,
    name text,
    CONSTRAINT artists_pkey PRIMARY KEY (artist_id)
);

COMMENT ON TABLE spotify.artists IS
    'artists of the stored tracks and albums, as Spotify described them last';
COMMENT ON COLUMN spotify.artists.artist_id IS 'Spotify''s id of the artist';
COMMENT ON COLUMN spotify.artists.name IS 'name of the artist';

CREATE TABLE spotify.albums (
    album_id text COLLATE "C" NOT NULL,
    name text,
    album_type text,
    release_date text,
    release_date_precision text,
    total_tracks integer,
    image_url text,
    CONSTRAINT albums_pkey PRIMARY KEY (album_id)
);

COMMENT ON TABLE spotify.albums IS
    'albums of the stored tracks, as Spotify described them last';
COMMENT ON COLUMN spotify.albums.album_id IS 'Spotify''s id of the album';
COMMENT ON COLUMN spotify.albums.name IS 'name of the album';
COMMENT ON COLUMN spotify.albums.album_type IS
    'album, single or compilation, or what Spotify adds to these';
COMMENT ON COLUMN spotify.albums.release_date IS
    'YYYY, YYYY-MM or YYYY-MM-DD: see release_date_precision';
COMMENT ON COLUMN spotify.albums.release_date_precision IS
    'year, month or day';
COMMENT ON COLUMN spotify.albums.total_tracks IS 'number of tracks on the album';
COMMENT ON COLUMN spotify.albums.image_url IS 'URL of the widest cover image';

CREATE TABLE spotify.album_artists (
    album_id text COLLATE "C" NOT NULL,
    position integer NOT NULL,
    artist_id text COLLATE "C" NOT NULL,
    CONSTRAINT album_artists_pkey PRIMARY KEY (album_id, position)
);
CREATE INDEX album_artists_artist_id_idx ON spotify.album_artists (artist_id);

COMMENT ON TABLE spotify.album_artists IS
    'artists of albums, in the order of Spotify';
COMMENT ON COLUMN spotify.album_artists.album_id IS 'the album';
COMMENT ON COLUMN spotify.album_artists.position IS
    'place among the artists of the album, from 1';
COMMENT ON COLUMN spotify.album_artists.artist_id IS 'the artist';

CREATE TABLE spotify.tracks (
    track_id text COLLATE "C" NOT NULL,
    name text,
    album_id text COLLATE "C",
    duration_ms integer,
    explicit boolean,
    disc_number integer,
    track_number integer,
    isrc text,
    popularity integer,
    is_local boolean,
    uri text,
    CONSTRAINT tracks_pkey PRIMARY KEY (track_id)
);
CREATE INDEX tracks_album_id_idx ON spotify.tracks (album_id);

COMMENT ON TABLE spotify.tracks IS
    'tracks that were liked or played, as Spotify described them last';
COMMENT ON COLUMN spotify.tracks.track_id IS
    'Spotify''s id of the track; of a local file its URI';
COMMENT ON COLUMN spotify.tracks.name IS 'name of the track';
COMMENT ON COLUMN spotify.tracks.album_id IS 'album that the track is on';
COMMENT ON COLUMN spotify.tracks.duration_ms IS 'length in milliseconds';
COMMENT ON COLUMN spotify.tracks.explicit IS
    'whether the lyrics are marked as explicit';
COMMENT ON COLUMN spotify.tracks.disc_number IS 'disc of the album, from 1';
COMMENT ON COLUMN spotify.tracks.track_number IS 'place on the disc, from 1';
COMMENT ON COLUMN spotify.tracks.isrc IS
    'International Standard Recording Code: the same recording on several albums shares it';
COMMENT ON COLUMN spotify.tracks.popularity IS
    '0 to 100 at the time of the last change; null for apps in development mode';
COMMENT ON COLUMN spotify.tracks.is_local IS
    'whether it is a file of the user''s instead of a track of the catalogue';
COMMENT ON COLUMN spotify.tracks.uri IS 'Spotify URI';

CREATE TABLE spotify.track_artists (
    track_id text COLLATE "C" NOT NULL,
    position integer NOT NULL,
    artist_id text COLLATE "C" NOT NULL,
    CONSTRAINT track_artists_pkey PRIMARY KEY (track_id, position)
);
CREATE INDEX track_artists_artist_id_idx ON spotify.track_artists (artist_id);

COMMENT ON TABLE spotify.track_artists IS
    'artists of tracks, in the order of Spotify';
COMMENT ON COLUMN spotify.track_artists.track_id IS 'the track';
COMMENT ON COLUMN spotify.track_artists.position IS
    'place among the artists of the track, from 1';
COMMENT ON COLUMN spotify.track_artists.artist_id IS 'the artist';

/* ------------------------------------------------------------------ */
/* Runs and their checks                                              */
/* ------------------------------------------------------------------ */

-- No other table refers to a run by a foreign key, so that old rows of the
-- log can be deleted.

CREATE TABLE spotify.sync_runs (
    run_id bigint GENERATED BY DEFAULT AS IDENTITY,
    account text COLLATE "C" NOT NULL,
    collection text NOT NULL
        CONSTRAINT sync_runs_collection_check
        CHECK (collection IN ('liked', 'recently_played')),
    mode text NOT NULL
        CONSTRAINT sync_runs_mode_check
        CHECK (mode IN ('full', 'delta')),
    status text NOT NULL
        CONSTRAINT sync_runs_status_check
        CHECK (status IN ('succeeded', 'partial', 'failed')),
    started_at timestamp with time zone NOT NULL,
    finished_at timestamp with time zone NOT NULL,
    requests integer NOT NULL DEFAULT 0,
    retries integer NOT NULL DEFAULT 0,
    bytes_received bigint NOT NULL DEFAULT 0,
    total integer,
    fetched integer NOT NULL DEFAULT 0,
    inserted integer NOT NULL DEFAULT 0,
    deactivated integer NOT NULL DEFAULT 0,
    reactivated integer NOT NULL DEFAULT 0,
    updated integer NOT NULL DEFAULT 0,
    skipped integer NOT NULL DEFAULT 0,
    error_code text,
    error_message text,
    audit_offset integer,
    listed integer,
    unsettled integer,
    CONSTRAINT sync_runs_pkey PRIMARY KEY (run_id),
    CONSTRAINT sync_runs_account_fkey FOREIGN KEY (account)
        REFERENCES spotify.accounts
);
CREATE INDEX sync_runs_account_collection_started_at_idx
    ON spotify.sync_runs (account, collection, started_at);
-- finds the last run whatever the clock said
CREATE INDEX sync_runs_account_collection_run_id_idx
    ON spotify.sync_runs (account, collection, run_id);
-- for account_status: the last success, however many runs failed since
CREATE INDEX sync_runs_account_collection_status_started_at_idx
    ON spotify.sync_runs (account, collection, status, started_at);

COMMENT ON TABLE spotify.sync_runs IS 'log of the runs: one row for each sync';
COMMENT ON COLUMN spotify.sync_runs.run_id IS
    'number of the run, above every number that was stored when it was drawn';
COMMENT ON COLUMN spotify.sync_runs.account IS 'account that was synced';
COMMENT ON COLUMN spotify.sync_runs.collection IS
    'what was synced: liked or recently_played';
COMMENT ON COLUMN spotify.sync_runs.mode IS
    'full: the whole list was read; delta: only what shows the changes';
COMMENT ON COLUMN spotify.sync_runs.status IS
    'succeeded; partial: what was received is stored, but it is open whether some songs are gone; or failed: see error_code';
COMMENT ON COLUMN spotify.sync_runs.started_at IS 'when the run began';
COMMENT ON COLUMN spotify.sync_runs.finished_at IS 'when the run ended';
COMMENT ON COLUMN spotify.sync_runs.requests IS
    'requests that were sent to Spotify, those for tokens and repeated ones included';
COMMENT ON COLUMN spotify.sync_runs.retries IS
    'how many of the requests repeated a failed one';
COMMENT ON COLUMN spotify.sync_runs.bytes_received IS
    'bytes received from Spotify, as sent over the network';
COMMENT ON COLUMN spotify.sync_runs.total IS
    'how many entries there are, as Spotify says; null for plays, of which it does not say it';
COMMENT ON COLUMN spotify.sync_runs.fetched IS 'entries that were received, those that are stored already included';
COMMENT ON COLUMN spotify.sync_runs.inserted IS 'rows that are new';
COMMENT ON COLUMN spotify.sync_runs.deactivated IS
    'rows that became inactive, because the like is gone';
COMMENT ON COLUMN spotify.sync_runs.reactivated IS
    'rows that became active again, because the like is back';
COMMENT ON COLUMN spotify.sync_runs.updated IS
    'active rows that took a new added_at';
COMMENT ON COLUMN spotify.sync_runs.skipped IS
    'entries without an identity, which cannot be stored';
COMMENT ON COLUMN spotify.sync_runs.error_code IS
    'SQLSTATE of a failed run';
COMMENT ON COLUMN spotify.sync_runs.error_message IS
    'message of a failed run, or why a run is partial';
COMMENT ON COLUMN spotify.sync_runs.audit_offset IS
    'offset up to which the audit of delta runs has come; null before its first page';
COMMENT ON COLUMN spotify.sync_runs.listed IS
    'how many places the list has, fewer than total if Spotify counts too many; null if it was not read to its end';
COMMENT ON COLUMN spotify.sync_runs.unsettled IS
    'rows that stay active although the list does not show them, because it is open whether the likes are gone; null if the list was not read to its end';

CREATE TABLE spotify.quality_checks (
    run_id bigint NOT NULL,
    check_name text NOT NULL,
    passed boolean NOT NULL,
    failing integer NOT NULL DEFAULT 0,
    detail text,
    CONSTRAINT quality_checks_pkey PRIMARY KEY (run_id, check_name),
    CONSTRAINT quality_checks_run_id_fkey FOREIGN KEY (run_id)
        REFERENCES spotify.sync_runs ON DELETE CASCADE
);

COMMENT ON TABLE spotify.quality_checks IS
    'checks of what a run received, made before it is loaded';
COMMENT ON COLUMN spotify.quality_checks.run_id IS 'the run';
COMMENT ON COLUMN spotify.quality_checks.check_name IS
    'what was checked, such as unique_key or no_nulls';
COMMENT ON COLUMN spotify.quality_checks.passed IS 'whether all was well';
COMMENT ON COLUMN spotify.quality_checks.failing IS
    'number of entries that did not pass; 1 where only the answer as a whole can fail';
COMMENT ON COLUMN spotify.quality_checks.detail IS
    'what was found, in words; null if the check passed';

/* ------------------------------------------------------------------ */
/* Liked Songs                                                        */
/* ------------------------------------------------------------------ */

-- No foreign keys, for the same reason as in the catalogue: a sync writes the
-- tracks before the likes, for an account that it has found, and an account is
-- forgotten, with its rows, only while no sync of it is under way.
CREATE TABLE spotify.liked_tracks (
    account text COLLATE "C" NOT NULL,
    track_id text COLLATE "C" NOT NULL,
    added_at timestamp with time zone,
    is_active boolean NOT NULL DEFAULT true,
    first_seen_at timestamp with time zone NOT NULL DEFAULT pg_catalog.now(),
    last_modified timestamp with time zone NOT NULL DEFAULT pg_catalog.now(),
    list_rank bigint,
    CONSTRAINT liked_tracks_pkey PRIMARY KEY (account, track_id)
);

-- The list in its order, and what is liked without a place in it.
CREATE INDEX liked_tracks_list_rank_idx
    ON spotify.liked_tracks (account, list_rank)
    WHERE is_active AND list_rank IS NOT NULL;
CREATE INDEX liked_tracks_unplaced_idx
    ON spotify.liked_tracks (account)
    WHERE is_active AND list_rank IS NULL;

COMMENT ON TABLE spotify.liked_tracks IS
    'Liked Songs: a row for each track that is or was liked';
COMMENT ON COLUMN spotify.liked_tracks.account IS 'account that likes the track';
COMMENT ON COLUMN spotify.liked_tracks.track_id IS 'the track';
COMMENT ON COLUMN spotify.liked_tracks.added_at IS
    'when the track was liked last, as Spotify says; null if it does not';
COMMENT ON COLUMN spotify.liked_tracks.is_active IS
    'true while the track is liked, false since the like is gone';
COMMENT ON COLUMN spotify.liked_tracks.first_seen_at IS
    'when a sync found the track for the first time';
COMMENT ON COLUMN spotify.liked_tracks.last_modified IS
    'when a sync inserted or changed this row last';
COMMENT ON COLUMN spotify.liked_tracks.list_rank IS
    'its place in Spotify''s list, larger is newer: lets the next sync read changes only; null if it has none';

CREATE TABLE spotify.liked_null_places (
    account text COLLATE "C" NOT NULL,
    list_rank bigint NOT NULL,
    added_at timestamp with time zone,
    CONSTRAINT liked_null_places_pkey PRIMARY KEY (account, list_rank),
    CONSTRAINT liked_null_places_account_fkey FOREIGN KEY (account)
        REFERENCES spotify.accounts
);

COMMENT ON TABLE spotify.liked_null_places IS
    'places in the list of Liked Songs where Spotify shows nothing that has an identity';
COMMENT ON COLUMN spotify.liked_null_places.account IS 'account whose list it is';
COMMENT ON COLUMN spotify.liked_null_places.list_rank IS
    'the place, among those of spotify.liked_tracks';
COMMENT ON COLUMN spotify.liked_null_places.added_at IS
    'when it was liked, as Spotify says; null if it does not';

-- A log, without foreign keys: each would cost a first load as much time as
-- the rows themselves.
CREATE TABLE spotify.liked_events (
    account text COLLATE "C" NOT NULL,
    track_id text COLLATE "C" NOT NULL,
    event text NOT NULL
        CONSTRAINT liked_events_event_check
        CHECK (event IN ('added', 'removed', 'readded')),
    occurred_at timestamp with time zone NOT NULL,
    run_id bigint NOT NULL,
    CONSTRAINT liked_events_pkey PRIMARY KEY (account, track_id, run_id)
);

-- The number of a run is above all that are stored: indexes find the largest.
CREATE INDEX liked_events_run_id_idx ON spotify.liked_events (run_id);

COMMENT ON TABLE spotify.liked_events IS
    'history of Liked Songs: a row for each time that a like came or went';
COMMENT ON COLUMN spotify.liked_events.account IS 'account that likes the track';
COMMENT ON COLUMN spotify.liked_events.track_id IS 'the track';
COMMENT ON COLUMN spotify.liked_events.event IS
    'added: seen for the first time; removed: the like is gone; readded: it is back';
COMMENT ON COLUMN spotify.liked_events.occurred_at IS 'when the sync found out';
COMMENT ON COLUMN spotify.liked_events.run_id IS
    'the run that found out; below 1 if no run did';

-- A scan in progress: the next run goes on with it.
CREATE TABLE spotify.scan_progress (
    account text COLLATE "C" NOT NULL,
    collection text NOT NULL,
    total integer NOT NULL,
    item_ids text[] NOT NULL,
    added_at timestamp with time zone[] NOT NULL,
    CONSTRAINT scan_progress_pkey PRIMARY KEY (account, collection),
    CONSTRAINT scan_progress_account_fkey FOREIGN KEY (account)
        REFERENCES spotify.accounts
);

COMMENT ON TABLE spotify.scan_progress IS
    'full scans that a rate limit cut: the next run goes on from there';
COMMENT ON COLUMN spotify.scan_progress.account IS 'account that is scanned';
COMMENT ON COLUMN spotify.scan_progress.collection IS 'what is scanned: liked';
COMMENT ON COLUMN spotify.scan_progress.total IS
    'how many entries there were when the scan began';
COMMENT ON COLUMN spotify.scan_progress.item_ids IS
    'ids of the entries that were read, in order; null for one without identity';
COMMENT ON COLUMN spotify.scan_progress.added_at IS
    'when each of them was liked';

/* ------------------------------------------------------------------ */
/* Plays                                                              */
/* ------------------------------------------------------------------ */

CREATE TABLE spotify.plays (
    account text COLLATE "C" NOT NULL,
    played_at timestamp with time zone NOT NULL,
    track_id text COLLATE "C" NOT NULL,
    context_type text,
    context_uri text,
    run_id bigint,
    CONSTRAINT plays_pkey PRIMARY KEY (account, played_at, track_id),
    CONSTRAINT plays_account_fkey FOREIGN KEY (account)
        REFERENCES spotify.accounts,
    CONSTRAINT plays_track_id_fkey FOREIGN KEY (track_id)
        REFERENCES spotify.tracks
);
CREATE INDEX plays_track_id_idx ON spotify.plays (track_id);
-- for views that count the plays of a track
CREATE INDEX plays_account_track_id_idx ON spotify.plays (account, track_id);
CREATE INDEX plays_run_id_idx ON spotify.plays (run_id)
    WHERE run_id IS NOT NULL;

COMMENT ON TABLE spotify.plays IS 'listening history: a row for each play';
COMMENT ON COLUMN spotify.plays.account IS 'account that played the track';
COMMENT ON COLUMN spotify.plays.played_at IS
    'when the play ended, as Spotify said first, to the millisecond';
COMMENT ON COLUMN spotify.plays.track_id IS 'the track';
COMMENT ON COLUMN spotify.plays.context_type IS
    'what it was played from: album, artist, playlist, collection and others; null if unknown';
COMMENT ON COLUMN spotify.plays.context_uri IS
    'Spotify URI of what it was played from';
COMMENT ON COLUMN spotify.plays.run_id IS
    'the run that stored the play; null if no run did';

CREATE TABLE spotify.play_gaps (
    account text COLLATE "C" NOT NULL,
    gap_start timestamp with time zone NOT NULL,
    gap_end timestamp with time zone NOT NULL,
    run_id bigint NOT NULL,
    CONSTRAINT play_gaps_pkey PRIMARY KEY (account, gap_start, gap_end),
    CONSTRAINT play_gaps_order_check CHECK (gap_start <= gap_end),
    CONSTRAINT play_gaps_account_fkey FOREIGN KEY (account)
        REFERENCES spotify.accounts
);

CREATE INDEX play_gaps_run_id_idx ON spotify.play_gaps (run_id);

COMMENT ON TABLE spotify.play_gaps IS
    'spans in which plays may be missing, because Spotify keeps the last 50 of seven days only';
COMMENT ON COLUMN spotify.play_gaps.account IS 'account whose plays may be missing';
COMMENT ON COLUMN spotify.play_gaps.gap_start IS
    'newest play that was stored before';
COMMENT ON COLUMN spotify.play_gaps.gap_end IS
    'the oldest play in Spotify''s list, or seven days before the run';
COMMENT ON COLUMN spotify.play_gaps.run_id IS 'the run that found the gap';

/* ------------------------------------------------------------------ */
/* Views                                                              */
/* ------------------------------------------------------------------ */

CREATE VIEW spotify.liked_songs AS
    SELECT liked.added_at,
           track.name,
           COALESCE((SELECT pg_catalog.string_agg(artist.name, ', '
                                                  ORDER BY track_artist.position)
                       FROM spotify.track_artists AS track_artist
                       JOIN spotify.artists AS artist USING (artist_id)
                      WHERE track_artist.track_id = liked.track_id),
                    '') AS artists,
           liked.track_id AS spotify_uri,
           liked.last_modified,
           CASE WHEN liked.is_active THEN 1 ELSE 0 END AS is_active,
           liked.account
      FROM spotify.liked_tracks AS liked
      LEFT JOIN spotify.tracks AS track USING (track_id);

COMMENT ON VIEW spotify.liked_songs IS
    'Liked Songs with the columns of the Python pipelines'' table';
COMMENT ON COLUMN spotify.liked_songs.added_at IS 'when the track was liked last';
COMMENT ON COLUMN spotify.liked_songs.name IS 'name of the track';
COMMENT ON COLUMN spotify.liked_songs.artists IS
    'names of its artists, separated by comma and space';
COMMENT ON COLUMN spotify.liked_songs.spotify_uri IS
    'id of the track (the bare id, in spite of the column''s name)';
COMMENT ON COLUMN spotify.liked_songs.last_modified IS
    'when a sync inserted or changed the like last';
COMMENT ON COLUMN spotify.liked_songs.is_active IS
    '1 while the track is liked, 0 since the like is gone';
COMMENT ON COLUMN spotify.liked_songs.account IS 'account that likes the track';

-- The first artist by joins: a subquery for each play would take four times
-- as long.
CREATE VIEW spotify.my_played_tracks AS
    SELECT track.name AS song_name,
           artist.name AS artist_name,
           play.played_at,
           (play.played_at AT TIME ZONE 'UTC')::date AS "timestamp",
           play.account
      FROM spotify.plays AS play
      JOIN spotify.tracks AS track USING (track_id)
      LEFT JOIN spotify.track_artists AS track_artist
             ON track_artist.track_id = play.track_id
            AND track_artist.position = 1
      LEFT JOIN spotify.artists AS artist USING (artist_id);

COMMENT ON VIEW spotify.my_played_tracks IS
    'plays with the columns of the Python pipelines'' table';
COMMENT ON COLUMN spotify.my_played_tracks.song_name IS 'name of the track';
COMMENT ON COLUMN spotify.my_played_tracks.artist_name IS
    'name of its first artist; null if Spotify does not identify that one';
COMMENT ON COLUMN spotify.my_played_tracks.played_at IS 'when the play ended';
COMMENT ON COLUMN spotify.my_played_tracks."timestamp" IS
    'date of the play in UTC';
COMMENT ON COLUMN spotify.my_played_tracks.account IS
    'account that played the track';

-- to_char, because a date as text is what the session's DateStyle makes of it.
CREATE VIEW spotify.fav_artist AS
    SELECT play."timestamp",
           pg_catalog.to_char(play."timestamp"::timestamp without time zone,
                              'YYYY-MM-DD')
               || '-' || play.artist_name AS id,
           play.artist_name,
           pg_catalog.count(*) AS count,
           play.account
      FROM spotify.my_played_tracks AS play
     GROUP BY play.account, play."timestamp", play.artist_name;

COMMENT ON VIEW spotify.fav_artist IS
    'plays counted by date and first artist, with the columns of the Python pipelines'' table';
COMMENT ON COLUMN spotify.fav_artist."timestamp" IS 'date of the plays in UTC';
COMMENT ON COLUMN spotify.fav_artist.id IS
    'date, as YYYY-MM-DD, and name of the artist';
COMMENT ON COLUMN spotify.fav_artist.artist_name IS 'name of the first artist';
COMMENT ON COLUMN spotify.fav_artist.count IS 'number of plays';
COMMENT ON COLUMN spotify.fav_artist.account IS 'account that played the tracks';

-- The views below answer for one account out of an index, and those of top
-- tracks and artists count before they join.  Days, hours and months are those
-- of the session's TimeZone.

CREATE VIEW spotify.listening_by_day AS
    SELECT play.played_at::date AS day,
           pg_catalog.count(*) AS plays,
           pg_catalog.round(COALESCE(pg_catalog.sum(track.duration_ms), 0)::numeric
                            OPERATOR(pg_catalog./) 60000::numeric, 1) AS minutes,
           play.account
      FROM spotify.plays AS play
      JOIN spotify.tracks AS track USING (track_id)
     GROUP BY play.account, play.played_at::date;

COMMENT ON VIEW spotify.listening_by_day IS
    'plays counted by day, in the time zone of the session (SET TimeZone)';
COMMENT ON COLUMN spotify.listening_by_day.day IS
    'day on which the plays ended, in the session''s time zone';
COMMENT ON COLUMN spotify.listening_by_day.plays IS 'number of plays';
COMMENT ON COLUMN spotify.listening_by_day.minutes IS
    'length of the tracks that were played; Spotify does not tell how much of each was heard';
COMMENT ON COLUMN spotify.listening_by_day.account IS
    'account that played the tracks';

-- date_part, because EXTRACT makes numerics, which take longer.
CREATE VIEW spotify.listening_by_hour AS
    SELECT pg_catalog.date_part('isodow', play.played_at)::integer AS weekday,
           pg_catalog.date_part('hour', play.played_at)::integer AS hour,
           pg_catalog.count(*) AS plays,
           pg_catalog.round(COALESCE(pg_catalog.sum(track.duration_ms), 0)::numeric
                            OPERATOR(pg_catalog./) 60000::numeric, 1) AS minutes,
           play.account
      FROM spotify.plays AS play
      JOIN spotify.tracks AS track USING (track_id)
     GROUP BY play.account,
              pg_catalog.date_part('isodow', play.played_at)::integer,
              pg_catalog.date_part('hour', play.played_at)::integer;

COMMENT ON VIEW spotify.listening_by_hour IS
    'plays counted by weekday and hour of the day, in the time zone of the session (SET TimeZone)';
COMMENT ON COLUMN spotify.listening_by_hour.weekday IS
    '1 for Monday to 7 for Sunday, in the session''s time zone';
COMMENT ON COLUMN spotify.listening_by_hour.hour IS
    'hour of the day in which the plays ended, 0 to 23, in the session''s time zone';
COMMENT ON COLUMN spotify.listening_by_hour.plays IS 'number of plays';
COMMENT ON COLUMN spotify.listening_by_hour.minutes IS
    'length of the tracks that were played; Spotify does not tell how much of each was heard';
COMMENT ON COLUMN spotify.listening_by_hour.account IS
    'account that played the tracks';

CREATE VIEW spotify.top_tracks AS
    SELECT pg_catalog.rank() OVER (PARTITION BY counted.account
                                   ORDER BY counted.plays DESC) AS rank,
           track.name,
           COALESCE((SELECT pg_catalog.string_agg(artist.name, ', '
                                                  ORDER BY track_artist.position)
                       FROM spotify.track_artists AS track_artist
                       JOIN spotify.artists AS artist USING (artist_id)
                      WHERE track_artist.track_id = counted.track_id),
                    '') AS artists,
           counted.plays,
           pg_catalog.round(counted.plays::numeric
                            OPERATOR(pg_catalog.*) track.duration_ms::numeric
                            OPERATOR(pg_catalog./) 60000::numeric, 1) AS minutes,
           counted.track_id,
           counted.account
      FROM (SELECT play.account,
                   play.track_id,
                   pg_catalog.count(*) AS plays
              FROM spotify.plays AS play
             GROUP BY play.account, play.track_id) AS counted
      JOIN spotify.tracks AS track USING (track_id);

COMMENT ON VIEW spotify.top_tracks IS
    'tracks by the number of their plays';
COMMENT ON COLUMN spotify.top_tracks.rank IS
    'place among the tracks of the account, from 1; tracks that were played as often share it';
COMMENT ON COLUMN spotify.top_tracks.name IS 'name of the track';
COMMENT ON COLUMN spotify.top_tracks.artists IS
    'names of its artists, separated by comma and space';
COMMENT ON COLUMN spotify.top_tracks.plays IS 'number of plays';
COMMENT ON COLUMN spotify.top_tracks.minutes IS
    'length of all these plays, as if each was heard to the end; null if Spotify does not tell the track''s length';
COMMENT ON COLUMN spotify.top_tracks.track_id IS 'the track';
COMMENT ON COLUMN spotify.top_tracks.account IS 'account that played the track';

-- An artist who is named twice for a track counts once: hence DISTINCT.
CREATE VIEW spotify.top_artists AS
    SELECT pg_catalog.rank() OVER (PARTITION BY counted.account
                                   ORDER BY counted.plays DESC) AS rank,
           artist.name,
           counted.plays,
           pg_catalog.round(counted.duration_ms
                            OPERATOR(pg_catalog./) 60000::numeric, 1) AS minutes,
           counted.tracks,
           counted.artist_id,
           counted.account
      FROM (SELECT credit.account,
                   credit.artist_id,
                   pg_catalog.sum(credit.plays)::bigint AS plays,
                   COALESCE(pg_catalog.sum(credit.plays::numeric
                                           OPERATOR(pg_catalog.*)
                                           track.duration_ms::numeric),
                            0) AS duration_ms,
                   pg_catalog.count(*) AS tracks
              FROM (SELECT DISTINCT
                           played.account,
                           played.track_id,
                           played.plays,
                           track_artist.artist_id
                      FROM (SELECT play.account,
                                   play.track_id,
                                   pg_catalog.count(*) AS plays
                              FROM spotify.plays AS play
                             GROUP BY play.account, play.track_id) AS played
                      JOIN spotify.track_artists AS track_artist
                           USING (track_id)) AS credit
              JOIN spotify.tracks AS track USING (track_id)
             GROUP BY credit.account, credit.artist_id) AS counted
      JOIN spotify.artists AS artist USING (artist_id);

COMMENT ON VIEW spotify.top_artists IS
    'artists by the number of plays of tracks that they take part in';
COMMENT ON COLUMN spotify.top_artists.rank IS
    'place among the artists of the account, from 1; artists that were played as often share it';
COMMENT ON COLUMN spotify.top_artists.name IS 'name of the artist';
COMMENT ON COLUMN spotify.top_artists.plays IS
    'number of plays of the artist''s tracks; a track of several artists counts for each';
COMMENT ON COLUMN spotify.top_artists.minutes IS
    'length of all these plays, as if each was heard to the end';
COMMENT ON COLUMN spotify.top_artists.tracks IS
    'number of different tracks among them';
COMMENT ON COLUMN spotify.top_artists.artist_id IS 'the artist';
COMMENT ON COLUMN spotify.top_artists.account IS
    'account that played the artist''s tracks';

-- A first sync finds likes of many years: they count when they were given, as
-- far as that is known.  A like that came back has the new time only.
CREATE VIEW spotify.liked_by_month AS
    SELECT dated.month,
           pg_catalog.count(*) FILTER (WHERE dated.event <> 'removed') AS likes,
           pg_catalog.count(*) FILTER (WHERE dated.event = 'removed') AS unlikes,
           dated.account
      FROM (SELECT event.account,
                   event.event,
                   pg_catalog.date_trunc('month',
                       CASE WHEN event.event = 'removed' THEN event.occurred_at
                            ELSE LEAST(event.occurred_at, liked.added_at)
                       END)::date AS month
              FROM spotify.liked_events AS event
              LEFT JOIN spotify.liked_tracks AS liked
                   ON liked.account = event.account
                  AND liked.track_id = event.track_id) AS dated
     GROUP BY dated.account, dated.month;

COMMENT ON VIEW spotify.liked_by_month IS
    'likes and unlikes counted by month, in the time zone of the session (SET TimeZone)';
COMMENT ON COLUMN spotify.liked_by_month.month IS
    'first day of the month, in the session''s time zone';
COMMENT ON COLUMN spotify.liked_by_month.likes IS
    'likes that came or came back in the month: when Spotify says that they did or, where the track was liked again since, when a sync found out';
COMMENT ON COLUMN spotify.liked_by_month.unlikes IS
    'likes that a sync found to be gone in the month';
COMMENT ON COLUMN spotify.liked_by_month.account IS 'account that liked the tracks';

-- Months are counted in UTC, so that each session finds the same end.
-- Spotify ends an authorization six months after the user gave it:
-- https://developer.spotify.com/blog/2026-06-18-refresh-token-expiration
--
-- A view has the rights of its owner: who may read this one learns whether there
-- is a refresh token, and nothing else of the secrets.  As a security barrier it
-- shows no function of the reader's query more than its own rows.
--
-- An index answers each question about runs, however many there are.  A partial
-- run that read the list to its end counts as a success: Spotify may count too
-- many for ever.  What is not used is no problem: a disabled account, and a
-- collection that was never synced while the other one is.
CREATE VIEW spotify.account_status WITH (security_barrier) AS
    WITH clock AS MATERIALIZED (
        SELECT moment.at,
               moment.at - interval '24 hours' AS day_ago
          FROM (SELECT pg_catalog.clock_timestamp() AS at) AS moment
    ), collection_status AS (
        SELECT account.account,
               collection.name AS collection,
               last.started_at AS last_run,
               last.status AS last_status,
               success.at AS last_success,
               failure.started_at AS last_failure,
               failure.error_message AS last_error,
               CASE WHEN last.status = 'failed' THEN
                   (SELECT pg_catalog.min(run.started_at)
                      FROM spotify.sync_runs AS run
                     WHERE run.account = account.account
                       AND run.collection = collection.name
                       AND run.status = 'failed'
                       AND run.started_at > COALESCE(GREATEST(success.at,
                                                              partial.at),
                                                     '-infinity'))
               END AS failing_since,
               CASE WHEN last.status = 'partial' THEN
                   COALESCE(success.at,
                            (SELECT pg_catalog.min(run.started_at)
                               FROM spotify.sync_runs AS run
                              WHERE run.account = account.account
                                AND run.collection = collection.name))
               END AS incomplete_since,
               (SELECT pg_catalog.sum(run.requests)
                  FROM spotify.sync_runs AS run
                 WHERE run.account = account.account
                   AND run.collection = collection.name
                   AND run.started_at > clock.day_ago) AS requests
          FROM clock
               CROSS JOIN spotify.accounts AS account
               CROSS JOIN (VALUES ('liked'), ('recently_played'))
                   AS collection (name)
               LEFT JOIN LATERAL
               (SELECT run.started_at,
                       run.status
                  FROM spotify.sync_runs AS run
                 WHERE run.account = account.account
                   AND run.collection = collection.name
                 ORDER BY run.started_at DESC
                 LIMIT 1) AS last ON true
               LEFT JOIN LATERAL
               (SELECT run.started_at,
                       run.error_message
                  FROM spotify.sync_runs AS run
                 WHERE run.account = account.account
                   AND run.collection = collection.name
                   AND run.status = 'failed'
                 ORDER BY run.started_at DESC
                 LIMIT 1) AS failure ON true
               CROSS JOIN LATERAL
               (SELECT pg_catalog.max(run.started_at) AS at
                  FROM spotify.sync_runs AS run
                 WHERE run.account = account.account
                   AND run.collection = collection.name
                   AND run.status = 'partial') AS partial
               CROSS JOIN LATERAL
               (SELECT GREATEST((SELECT pg_catalog.max(run.started_at)
                                   FROM spotify.sync_runs AS run
                                  WHERE run.account = account.account
                                    AND run.collection = collection.name
                                    AND run.status = 'succeeded'),
                                (SELECT pg_catalog.max(run.started_at)
                                   FROM spotify.sync_runs AS run
                                  WHERE run.account = account.account
                                    AND run.collection = collection.name
                                    AND run.status = 'partial'
                                    AND run.listed IS NOT NULL)) AS at)
                   AS success
    )
    SELECT account.account,
           account.is_enabled,
           account.authorized_at,
           authorization_end.at AS authorization_ends_at,
           authorization_end.days_left,
           account.needs_authorization,
           account.retry_after,
           liked.last_run AS last_liked_run,
           liked.last_status AS last_liked_status,
           recently_played.last_run AS last_recently_played_run,
           recently_played.last_status AS last_recently_played_status,
           (SELECT COALESCE(pg_catalog.sum(status.requests), 0)::bigint
              FROM collection_status AS status
             WHERE status.account = account.account) AS requests_last_24_hours,
           future.times AS times_in_future,
           liked.last_success AS last_liked_success,
           recently_played.last_success AS last_recently_played_success,
           failure.at AS last_error_at,
           failure.message AS last_error,
           told.problem IS NULL AS is_healthy,
           told.problem
      FROM clock
           CROSS JOIN spotify.accounts AS account
           JOIN collection_status AS liked
           ON liked.account = account.account
          AND liked.collection = 'liked'
           JOIN collection_status AS recently_played
           ON recently_played.account = account.account
          AND recently_played.collection = 'recently_played'
           CROSS JOIN LATERAL
           (SELECT ending.at,
                   pg_catalog.floor(EXTRACT(epoch FROM ending.at - clock.at)
                                    OPERATOR(pg_catalog./) 86400)::integer
                       AS days_left
              FROM (SELECT (account.authorized_at AT TIME ZONE 'UTC'
                            + interval '6 months') AT TIME ZONE 'UTC' AS at)
                       AS ending) AS authorization_end
           CROSS JOIN LATERAL
           (SELECT pg_catalog.array_agg(name ORDER BY number) AS times
              FROM (VALUES (1, 'authorized_at', account.authorized_at,
                            interval '0'),
                           (2, 'retry_after', account.retry_after,
                            interval '2 days'),
                           (3, 'last_liked_run', liked.last_run,
                            interval '0'),
                           (4, 'last_recently_played_run',
                            recently_played.last_run, interval '0'))
                   AS time (number, name, moment, usual)
             WHERE time.moment > clock.at + time.usual) AS future
           LEFT JOIN LATERAL
           (SELECT status.last_failure AS at,
                   status.last_error AS message
              FROM collection_status AS status
             WHERE status.account = account.account
               AND status.last_failure IS NOT NULL
             ORDER BY status.last_failure DESC
             LIMIT 1) AS failure ON true
           LEFT JOIN LATERAL
           (SELECT gap.gap_start,
                   gap.gap_end
              FROM spotify.play_gaps AS gap
             WHERE gap.account = account.account
               AND (SELECT run.started_at
                      FROM spotify.sync_runs AS run
                     WHERE run.run_id = gap.run_id) > clock.day_ago
             ORDER BY gap.gap_end DESC
             LIMIT 1) AS gap ON true
           CROSS JOIN LATERAL
           (SELECT pg_catalog.string_agg(
                       concern.words
                       || COALESCE(pg_catalog.to_char(
                              concern.since AT TIME ZONE 'UTC',
                              ' YYYY-MM-DD HH24:MI "UTC"'), ''),
                       '; ' ORDER BY concern.number) AS problem
              FROM (SELECT of_account.number,
                           of_account.is_so,
                           of_account.words,
                           of_account.since
                      FROM (VALUES
                            (1, NOT EXISTS
                                (SELECT
                                   FROM spotify_private.credentials AS secret
                                  WHERE secret.account = account.account
                                    AND secret.refresh_token IS NOT NULL),
                             'not authorized: there is no refresh token', NULL),
                            (2, account.needs_authorization,
                             'refused: Spotify does not accept the refresh token',
                             NULL),
                            (3, authorization_end.days_left < 0,
                             'authorization ended', authorization_end.at),
                            (4, authorization_end.days_left BETWEEN 0 AND 29,
                             'authorization ends in '
                             || authorization_end.days_left::text
                             || CASE authorization_end.days_left
                                    WHEN 1 THEN ' day' ELSE ' days' END,
                             NULL),
                            (5, account.retry_after > clock.at
                                AND account.retry_after
                                    <= clock.at + interval '2 days',
                             'quota until', account.retry_after),
                            (9, liked.last_run IS NULL
                                AND recently_played.last_run IS NULL
                                AND GREATEST(account.created_at,
                                             account.authorized_at)
                                    < clock.day_ago,
                             'nothing scheduled since',
                             GREATEST(account.created_at,
                                      account.authorized_at)),
                            (10, gap.gap_end IS NOT NULL,
                             'gap: plays may be missing between'
                             || pg_catalog.to_char(
                                    gap.gap_start AT TIME ZONE 'UTC',
                                    ' YYYY-MM-DD HH24:MI "UTC"')
                             || ' and', gap.gap_end),
                            (11, future.times IS NOT NULL,
                             'times in the future: '
                             || pg_catalog.array_to_string(future.times, ', '),
                             NULL))
                               AS of_account (number, is_so, words, since)
                    UNION ALL
                    SELECT of_collection.number,
                           of_collection.is_so,
                           status.collection || ': ' || of_collection.words,
                           of_collection.since
                      FROM collection_status AS status
                           CROSS JOIN LATERAL
                           (VALUES
                            (6, status.last_status = 'failed',
                             'failing since', status.failing_since),
                            (7, status.last_run < clock.day_ago,
                             'nothing scheduled since', status.last_run),
                            (8, status.incomplete_since < clock.day_ago,
                             'incomplete since', status.incomplete_since))
                               AS of_collection (number, is_so, words, since)
                     WHERE status.account = account.account)
                       AS concern
             WHERE concern.is_so
               AND account.is_enabled) AS told;

COMMENT ON VIEW spotify.account_status IS
    'what an operator must know of each account';
COMMENT ON COLUMN spotify.account_status.account IS 'name of the account here';
COMMENT ON COLUMN spotify.account_status.is_enabled IS
    'whether spotify_sync_all includes the account; one that is disabled counts as healthy';
COMMENT ON COLUMN spotify.account_status.authorized_at IS
    'authorized since, as far as known here';
COMMENT ON COLUMN spotify.account_status.authorization_ends_at IS
    'when Spotify ends the authorization: six months after it was given';
COMMENT ON COLUMN spotify.account_status.days_left IS
    'whole days until then; below 0 when it is over';
COMMENT ON COLUMN spotify.account_status.needs_authorization IS
    'Spotify refused the refresh token: authorize again';
COMMENT ON COLUMN spotify.account_status.retry_after IS
    'no request is sent before this time';
COMMENT ON COLUMN spotify.account_status.last_liked_run IS
    'when the last sync of Liked Songs began';
COMMENT ON COLUMN spotify.account_status.last_liked_status IS
    'how it ended: succeeded, partial or failed';
COMMENT ON COLUMN spotify.account_status.last_recently_played_run IS
    'when the last sync of plays began';
COMMENT ON COLUMN spotify.account_status.last_recently_played_status IS
    'how it ended: succeeded, partial or failed';
COMMENT ON COLUMN spotify.account_status.requests_last_24_hours IS
    'requests that runs of the last 24 hours sent: they count against Spotify''s daily quota';
COMMENT ON COLUMN spotify.account_status.times_in_future IS
    'columns here whose time cannot be yet, since the server''s clock was ahead once; null if there are none. To clear them set authorized_at and retry_after of spotify.accounts and started_at of spotify.sync_runs to now() where they are later';
COMMENT ON COLUMN spotify.account_status.last_liked_success IS
    'when the last sync of Liked Songs began that succeeded, or was partial but read the list to its end';
COMMENT ON COLUMN spotify.account_status.last_recently_played_success IS
    'when the last sync of plays began that succeeded';
COMMENT ON COLUMN spotify.account_status.last_error_at IS
    'when the last run that failed began';
COMMENT ON COLUMN spotify.account_status.last_error IS
    'its message, whatever succeeded since';
COMMENT ON COLUMN spotify.account_status.is_healthy IS
    'whether nobody needs to look after the account: WHERE NOT is_healthy is the alarm';
COMMENT ON COLUMN spotify.account_status.problem IS
    'what is wrong, in words, times in UTC: not authorized, refused, ends in n days, quota until, failing since, nothing scheduled since a day or more, incomplete, a gap that a run of the last day found, times in the future; null if the account is healthy';

/* ------------------------------------------------------------------ */
/* Functions                                                          */
/* ------------------------------------------------------------------ */

-- Row security that binds the owner, too, would hide rows from a sync without
-- a word: with row_security off it is an error that names the table.

CREATE FUNCTION spotify_set_account(
    client_id text,
    client_secret text DEFAULT NULL,
    refresh_token text DEFAULT NULL,
    redirect_uri text DEFAULT NULL,
    account text DEFAULT 'default')
RETURNS void
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL UNSAFE
SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET row_security = off;

COMMENT ON FUNCTION spotify_set_account(text, text, text, text, text) IS
    'creates or updates a Spotify account, and says which and what changed; NULL leaves what is stored, and the redirect URI of a new account is http://127.0.0.1:8888/callback; an empty client secret makes it a PKCE client';

CREATE FUNCTION spotify_authorize_url(account text DEFAULT NULL)
RETURNS text
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL UNSAFE
SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET row_security = off;

COMMENT ON FUNCTION spotify_authorize_url(text) IS
    'begins an authorization: returns the URL to open in a browser';

CREATE FUNCTION spotify_authorize(
    response text,
    account text DEFAULT NULL)
RETURNS text
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL UNSAFE
SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET row_security = off;

COMMENT ON FUNCTION spotify_authorize(text, text) IS
    'ends an authorization: takes the address on which the browser ended, its query or the code; stores the tokens, even if the caller rolls back, and returns the Spotify user, or null with a warning if that could not be found out';

CREATE FUNCTION spotify_forget_account(account text)
RETURNS void
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL UNSAFE
SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET row_security = off;

COMMENT ON FUNCTION spotify_forget_account(text) IS
    'deletes a Spotify account, its secrets and its data, or what was left of one';

CREATE FUNCTION spotify_refresh_token(account text DEFAULT NULL)
RETURNS timestamp with time zone
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL UNSAFE
SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET row_security = off;

COMMENT ON FUNCTION spotify_refresh_token(text) IS
    'gets a new access token from Spotify now; returns when it expires';

CREATE FUNCTION spotify_sync_liked(
    account text DEFAULT NULL,
    full_scan boolean DEFAULT false,
    allow_mass_removal boolean DEFAULT false)
RETURNS spotify.sync_runs
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL UNSAFE
SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET row_security = off;

COMMENT ON FUNCTION spotify_sync_liked(text, boolean, boolean) IS
    'reconciles the account''s Liked Songs with spotify.liked_tracks; SELECT * FROM it to see what the run did';

CREATE FUNCTION spotify_sync_recently_played(
    account text DEFAULT NULL,
    period interval DEFAULT NULL)
RETURNS spotify.sync_runs
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL UNSAFE
SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET row_security = off;

COMMENT ON FUNCTION spotify_sync_recently_played(text, interval) IS
    'adds the account''s new plays to spotify.plays; with a period, such as 24 hours, only those of that time until now; SELECT * FROM it to see what the run did';

-- It commits after each run, so it can neither be SECURITY DEFINER nor carry
-- SET: it takes its owner's rights and these settings by itself.
CREATE PROCEDURE spotify_sync_all()
AS 'MODULE_PATHNAME'
LANGUAGE C;

COMMENT ON PROCEDURE spotify_sync_all() IS
    'syncs every collection of every enabled account and commits after each, outside of a transaction block; one that fails does not stop the others and is raised at the end';

/* ------------------------------------------------------------------ */
/* Privileges: an administrator grants what a role needs              */
/* ------------------------------------------------------------------ */

-- Nobody but the owner has any on the secrets and the functions: neither
-- PUBLIC, nor those to whom ALTER DEFAULT PRIVILEGES grants what is new.  The
-- tables of spotify follow these defaults.
DO $$
DECLARE
    privilege record;
BEGIN
    FOR privilege IN
        SELECT DISTINCT object.kind,
               object.name,
               CASE granted.grantee
                   WHEN 0 THEN 'PUBLIC'
                   ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(granted.grantee))
               END AS grantee
          FROM (SELECT 'SCHEMA' AS kind,
                       'spotify_private' AS name,
                       schema.nspowner AS owner,
                       schema.nspacl AS acl
                  FROM pg_catalog.pg_namespace AS schema
                 WHERE schema.nspname = 'spotify_private'
                UNION ALL
                SELECT 'TABLE',
                       class.oid::regclass::text,
                       class.relowner,
                       class.relacl
                  FROM pg_catalog.pg_class AS class
                 WHERE class.relnamespace = 'spotify_private'::regnamespace
                   AND class.relkind = 'r'
                UNION ALL
                SELECT 'ROUTINE',
                       function.oid::regprocedure::text,
                       function.proowner,
                       COALESCE(function.proacl,
                                pg_catalog.acldefault('f', function.proowner))
                  FROM pg_catalog.pg_proc AS function
                       JOIN pg_catalog.pg_depend AS member
                       ON member.objid = function.oid
                       JOIN pg_catalog.pg_extension AS extension
                       ON extension.oid = member.refobjid
                 WHERE member.classid = 'pg_catalog.pg_proc'::regclass
                   AND member.refclassid = 'pg_catalog.pg_extension'::regclass
                   AND member.deptype = 'e'
                   AND extension.extname = 'spotify_etl') AS object,
               pg_catalog.aclexplode(object.acl) AS granted
         WHERE granted.grantee <> object.owner
    LOOP
        EXECUTE pg_catalog.format('REVOKE ALL ON %s %s FROM %s', privilege.kind,
                                  privilege.name, privilege.grantee);
    END LOOP;
END
$$;

/* ------------------------------------------------------------------ */
/* Dumps hold all data, and no secret                                 */
/* ------------------------------------------------------------------ */

SELECT pg_catalog.pg_extension_config_dump('spotify.accounts', '');
SELECT pg_catalog.pg_extension_config_dump('spotify.artists', '');
SELECT pg_catalog.pg_extension_config_dump('spotify.albums', '');
SELECT pg_catalog.pg_extension_config_dump('spotify.album_artists', '');
SELECT pg_catalog.pg_extension_config_dump('spotify.tracks', '');
SELECT pg_catalog.pg_extension_config_dump('spotify.track_artists', '');
SELECT pg_catalog.pg_extension_config_dump('spotify.sync_runs', '');
SELECT pg_catalog.pg_extension_config_dump('spotify.sync_runs_run_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('spotify.quality_checks', '');
SELECT pg_catalog.pg_extension_config_dump('spotify.liked_tracks', '');
SELECT pg_catalog.pg_extension_config_dump('spotify.liked_null_places', '');
SELECT pg_catalog.pg_extension_config_dump('spotify.liked_events', '');
SELECT pg_catalog.pg_extension_config_dump('spotify.scan_progress', '');
SELECT pg_catalog.pg_extension_config_dump('spotify.plays', '');
SELECT pg_catalog.pg_extension_config_dump('spotify.play_gaps', '');
