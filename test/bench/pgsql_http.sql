-- pgsql_http.sql
--   The same work by pgsql-http and PL/pgSQL: likes with their events, tracks,
--   albums and artists.  One page after the other over one connection, a
--   statement for each page and table, and only rows that differ are written.

CREATE EXTENSION http;

CREATE TABLE artists (
    artist_id text COLLATE "C" PRIMARY KEY,
    name text
);
CREATE TABLE albums (
    album_id text COLLATE "C" PRIMARY KEY,
    name text,
    album_type text,
    release_date text,
    release_date_precision text,
    total_tracks integer,
    image_url text
);
CREATE TABLE album_artists (
    album_id text COLLATE "C",
    position integer,
    artist_id text COLLATE "C" NOT NULL,
    PRIMARY KEY (album_id, position)
);
CREATE INDEX ON album_artists (artist_id);
CREATE TABLE tracks (
    track_id text COLLATE "C" PRIMARY KEY,
    name text,
    album_id text COLLATE "C",
    duration_ms integer,
    explicit boolean,
    disc_number integer,
    track_number integer,
    isrc text,
    is_local boolean,
    uri text
);
CREATE INDEX ON tracks (album_id);
CREATE TABLE track_artists (
    track_id text COLLATE "C",
    position integer,
    artist_id text COLLATE "C" NOT NULL,
    PRIMARY KEY (track_id, position)
);
CREATE INDEX ON track_artists (artist_id);
CREATE TABLE likes (
    track_id text COLLATE "C" PRIMARY KEY,
    added_at timestamptz NOT NULL,
    is_active boolean NOT NULL,
    last_modified timestamptz NOT NULL
);
CREATE TABLE like_events (
    track_id text COLLATE "C",
    event text,
    occurred_at timestamptz,
    PRIMARY KEY (track_id, occurred_at)
);

CREATE FUNCTION log_in(base text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    answer http_response;
BEGIN
    answer := http(('POST', base || '/api/token',
                    ARRAY[http_header('Authorization',
                                      'Basic ' || encode('mock-client:mock-secret', 'base64'))],
                    'application/x-www-form-urlencoded',
                    'grant_type=refresh_token&refresh_token=mock-refresh-token')::http_request);
    IF answer.status <> 200 THEN
        RAISE EXCEPTION 'token: status %', answer.status;
    END IF;
    RETURN answer.content::jsonb ->> 'access_token';
END
$$;

CREATE FUNCTION store_page(items jsonb) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO artists AS stored
    SELECT DISTINCT ON (1) artist ->> 'id', artist ->> 'name'
      FROM jsonb_array_elements(items) AS item,
           jsonb_array_elements((item #> '{track,artists}')
                                || (item #> '{track,album,artists}')) AS artist
    ON CONFLICT (artist_id) DO UPDATE
       SET name = EXCLUDED.name
     WHERE stored.name IS DISTINCT FROM EXCLUDED.name;

    INSERT INTO albums AS stored
    SELECT DISTINCT ON (1) album ->> 'id', album ->> 'name', album ->> 'album_type',
           album ->> 'release_date', album ->> 'release_date_precision',
           (album ->> 'total_tracks')::integer, album #>> '{images,0,url}'
      FROM jsonb_array_elements(items) AS item,
           LATERAL (SELECT item #> '{track,album}' AS album) AS album
    ON CONFLICT (album_id) DO UPDATE
       SET (name, album_type, release_date, release_date_precision, total_tracks, image_url)
           = (EXCLUDED.name, EXCLUDED.album_type, EXCLUDED.release_date,
              EXCLUDED.release_date_precision, EXCLUDED.total_tracks, EXCLUDED.image_url)
     WHERE stored IS DISTINCT FROM EXCLUDED;

    INSERT INTO album_artists AS stored
    SELECT DISTINCT ON (1, 2) item #>> '{track,album,id}', position, artist ->> 'id'
      FROM jsonb_array_elements(items) AS item,
           jsonb_array_elements(item #> '{track,album,artists}')
           WITH ORDINALITY AS artists (artist, position)
    ON CONFLICT (album_id, position) DO UPDATE
       SET artist_id = EXCLUDED.artist_id
     WHERE stored.artist_id <> EXCLUDED.artist_id;

    INSERT INTO tracks AS stored
    SELECT track ->> 'id', track ->> 'name', track #>> '{album,id}',
           (track ->> 'duration_ms')::integer, (track ->> 'explicit')::boolean,
           (track ->> 'disc_number')::integer, (track ->> 'track_number')::integer,
           track #>> '{external_ids,isrc}', (track ->> 'is_local')::boolean, track ->> 'uri'
      FROM jsonb_array_elements(items) AS item,
           LATERAL (SELECT item -> 'track' AS track) AS track
    ON CONFLICT (track_id) DO UPDATE
       SET (name, album_id, duration_ms, explicit, disc_number, track_number, isrc,
            is_local, uri)
           = (EXCLUDED.name, EXCLUDED.album_id, EXCLUDED.duration_ms, EXCLUDED.explicit,
              EXCLUDED.disc_number, EXCLUDED.track_number, EXCLUDED.isrc,
              EXCLUDED.is_local, EXCLUDED.uri)
     WHERE stored IS DISTINCT FROM EXCLUDED;

    INSERT INTO track_artists AS stored
    SELECT item #>> '{track,id}', position, artist ->> 'id'
      FROM jsonb_array_elements(items) AS item,
           jsonb_array_elements(item #> '{track,artists}')
           WITH ORDINALITY AS artists (artist, position)
    ON CONFLICT (track_id, position) DO UPDATE
       SET artist_id = EXCLUDED.artist_id
     WHERE stored.artist_id <> EXCLUDED.artist_id;

    INSERT INTO like_events
    SELECT item #>> '{track,id}', CASE WHEN likes IS NULL THEN 'added' ELSE 'readded' END, now()
      FROM jsonb_array_elements(items) AS item
           LEFT JOIN likes ON track_id = item #>> '{track,id}'
     WHERE is_active IS NOT TRUE;

    INSERT INTO likes AS stored
    SELECT item #>> '{track,id}', (item ->> 'added_at')::timestamptz, true, now()
      FROM jsonb_array_elements(items) AS item
    ON CONFLICT (track_id) DO UPDATE
       SET added_at = EXCLUDED.added_at,
           is_active = true,
           last_modified = EXCLUDED.last_modified
     WHERE NOT stored.is_active
        OR stored.added_at <> EXCLUDED.added_at;
END
$$;

CREATE FUNCTION sync_likes(base text) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    authorization_header http_header := http_header('Authorization', 'Bearer ' || log_in(base));
    answer http_response;
    page jsonb;
    page_offset integer := 0;
    received text[] := '{}';
BEGIN
    LOOP
        answer := http(('GET', base || '/v1/me/tracks?limit=50&offset=' || page_offset,
                        ARRAY[authorization_header], NULL, NULL)::http_request);
        IF answer.status <> 200 THEN
            RAISE EXCEPTION 'page at %: status %', page_offset, answer.status;
        END IF;
        page := answer.content::jsonb;
        PERFORM store_page(page -> 'items');
        SELECT received || array_agg(item #>> '{track,id}')
          INTO received
          FROM jsonb_array_elements(page -> 'items') AS item;

        page_offset := page_offset + 50;
        EXIT WHEN page_offset >= (page ->> 'total')::integer;
    END LOOP;

    WITH gone AS (
        UPDATE likes
           SET is_active = false, last_modified = now()
         WHERE is_active
           AND NOT EXISTS (SELECT FROM unnest(received) AS kept (id)
                            WHERE kept.id = likes.track_id)
        RETURNING track_id
    )
    INSERT INTO like_events
    SELECT track_id, 'removed', now() FROM gone;
END
$$;
