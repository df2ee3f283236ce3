-- pgsql_http.sql
--   Liked Songs by pgsql-http and PL/pgSQL: one page after the other over one
--   connection, a statement for each page, and only rows that differ are
--   written.  Artists are a text, albums are not stored.
--
-- liked_songs is made by contestants.py.

CREATE EXTENSION http;

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

CREATE FUNCTION sync_liked_songs(base text) RETURNS void
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

        WITH item AS (
            SELECT (item ->> 'added_at')::timestamptz AS added_at,
                   item #>> '{track,name}' AS name,
                   (SELECT string_agg(artist ->> 'name', ', ' ORDER BY position)
                      FROM jsonb_array_elements(item #> '{track,artists}')
                           WITH ORDINALITY AS artists (artist, position)) AS artists,
                   item #>> '{track,id}' AS spotify_uri
              FROM jsonb_array_elements(page -> 'items') AS items (item)
        ), written AS (
            INSERT INTO liked_songs AS stored
                   (added_at, name, artists, spotify_uri, last_modified, is_active)
            SELECT added_at, name, artists, spotify_uri, now(), 1
              FROM item
            ON CONFLICT (spotify_uri) DO UPDATE
               SET added_at = EXCLUDED.added_at,
                   name = EXCLUDED.name,
                   artists = EXCLUDED.artists,
                   last_modified = EXCLUDED.last_modified,
                   is_active = 1
             WHERE (stored.added_at, stored.name, stored.artists, stored.is_active)
                   IS DISTINCT FROM
                   (EXCLUDED.added_at, EXCLUDED.name, EXCLUDED.artists, 1)
        )
        SELECT received || array_agg(spotify_uri) INTO received FROM item;

        page_offset := page_offset + 50;
        EXIT WHEN page_offset >= (page ->> 'total')::integer;
    END LOOP;

    UPDATE liked_songs
       SET is_active = 0, last_modified = now()
     WHERE is_active = 1
       AND NOT EXISTS (SELECT FROM unnest(received) AS kept (id)
                        WHERE kept.id = liked_songs.spotify_uri);
END
$$;
