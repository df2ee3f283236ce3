#!/usr/bin/env bash
# demo.sh
#   The main job, from nothing to tables: builds the extension, starts a
#   PostgreSQL and a stand-in for Spotify of its own in a temporary folder,
#   syncs Liked Songs, changes them, and syncs again.
#
#   bash test/demo.sh
#
# With SPOTIFY_CLIENT_ID, SPOTIFY_CLIENT_SECRET and SPOTIFY_REFRESH_TOKEN in
# the environment it reads your Liked Songs from the real Spotify instead.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/lib/packages.sh"
. "$here/lib/private_postgres.sh"
. "$here/lib/workplace.sh"

say() {
    printf '\n\033[1m== %s\033[0m\n' "$*"
}

if [ -z "${WORKPLACE:-}" ]; then
    say 'Packages that are needed'
    trap remove_new_server EXIT
    install_build_packages
    enter_workplace test/demo.sh
    exit
fi

mock_pid=
stop_all() {
    pg_ctl -D "$WORKPLACE/data" -m immediate stop >/dev/null 2>&1 || true
    [ -z "$mock_pid" ] || kill "$mock_pid" 2>/dev/null || true
}

sql() {
    psql -X -q -v ON_ERROR_STOP=1 -P footer=off -h "$WORKPLACE" -d postgres "$@"
}

# control PATH JSON: changes the stand-in's library.
control() {
    curl -sS --fail -H 'Content-Type: application/json' -d "$2" \
        "http://127.0.0.1:$mock_port/mock/$1"
}

# expect WHAT QUERY ANSWER: the counts must add up, or the demo fails.
expect() {
    local answer
    answer=$(sql -At -c "$2")
    if [ "$answer" != "$3" ]; then
        echo "The demo FAILED: $1 should be $3, but is $answer." >&2
        exit 1
    fi
}

start_server() {
    initdb -D "$WORKPLACE/data" -U postgres -A trust -E UTF8 --locale=C >/dev/null
    pg_ctl -D "$WORKPLACE/data" -l "$WORKPLACE/server.log" -w \
        -o "-c listen_addresses='' -k '$WORKPLACE'" start >/dev/null
    export PGUSER=postgres
    sql -c 'CREATE EXTENSION spotify_etl'
}

start_mock() {
    python3 -B test/mock_spotify --library 1234 >"$WORKPLACE/mock.port" &
    mock_pid=$!
    until grep -qs "^port" "$WORKPLACE/mock.port"; do sleep 0.1; done
    mock_port=$(sed -n 's/^port //p' "$WORKPLACE/mock.port")
    sql -c "ALTER DATABASE postgres SET spotify_etl.api_url = 'http://127.0.0.1:$mock_port/v1'" \
        -c "ALTER DATABASE postgres SET spotify_etl.accounts_url = 'http://127.0.0.1:$mock_port'"
}

# sync: one run, and what it did.
sync_liked() {
    echo "=> SELECT ... FROM spotify_sync_liked();"
    sql -c 'SELECT status, total, inserted, deactivated, reactivated, updated, requests,
                   finished_at - started_at AS duration
              FROM spotify_sync_liked()'
}

show_last_changes() {
    echo "=> SELECT ... FROM spotify.liked_events JOIN spotify.liked_songs ...;"
    sql -c "SELECT event, name, artists, is_active, last_modified::timestamp(0)
              FROM spotify.liked_events
                   JOIN spotify.liked_songs ON spotify_uri = track_id
             WHERE run_id = (SELECT max(run_id) FROM spotify.sync_runs)
             ORDER BY event, name"
}

show_tables() {
    echo "=> SELECT ... FROM spotify.liked_songs ORDER BY added_at DESC LIMIT 5;"
    sql -c 'SELECT added_at, name, artists, is_active
              FROM spotify.liked_songs ORDER BY added_at DESC LIMIT 5'
    echo "=> SELECT ... FROM spotify.sync_runs;"
    sql -c 'SELECT run_id, collection, mode, status, total, inserted, deactivated,
                   reactivated, requests FROM spotify.sync_runs ORDER BY run_id'
}

demo_with_spotify() {
    say 'Your Liked Songs, from Spotify'
    # By psql's variables, so that no secret is in a command line.
    sql <<'SQL' >/dev/null
\set id `printenv SPOTIFY_CLIENT_ID`
\set secret `printenv SPOTIFY_CLIENT_SECRET`
\set token `printenv SPOTIFY_REFRESH_TOKEN`
SELECT spotify_set_account(:'id', :'secret', :'token');
SQL
    sync_liked
    say 'Once more: nothing new, nothing written'
    sync_liked
    show_tables
}

demo_with_mock() {
    say 'An account, and a first sync of 1,234 liked songs'
    start_mock
    echo "=> SELECT spotify_set_account('mock-client', 'mock-secret', 'mock-refresh-token');"
    sql -At -c "SELECT spotify_set_account('mock-client', 'mock-secret', 'mock-refresh-token')"
    sync_liked
    expect 'the number of active songs' 'SELECT sum(is_active) FROM spotify.liked_songs' 1234

    say 'At Spotify: 3 songs removed, 2 added. Sync again'
    removed=$(control unlike '{"positions": [7, 77, 777]}')
    control like '{"count": 2}' >/dev/null
    sync_liked
    show_last_changes
    expect 'the number of songs' 'SELECT count(*) FROM spotify.liked_songs' 1236
    expect 'the number of active songs' 'SELECT sum(is_active) FROM spotify.liked_songs' 1233

    say 'At Spotify: 1 of the removed songs liked again. Sync again'
    control like "$(printf '%s' "$removed" | python3 -c 'import json, sys
print(json.dumps({"ids": json.load(sys.stdin)["ids"][:1]}))')" >/dev/null
    sync_liked
    show_last_changes
    expect 'the number of active songs' 'SELECT sum(is_active) FROM spotify.liked_songs' 1234
    expect 'the history' \
        "SELECT string_agg(event || ' ' || times, ', ' ORDER BY event)
           FROM (SELECT event, count(*) AS times FROM spotify.liked_events GROUP BY event) AS e" \
        'added 1236, readded 1, removed 3'

    say 'The tables'
    show_tables
    expect 'what Spotify says' 'SELECT total FROM spotify.sync_runs ORDER BY run_id DESC LIMIT 1' 1234
}

trap stop_all EXIT
say 'Building the extension'
build_and_install
say 'Starting PostgreSQL in a temporary folder'
start_server
if [ -n "${SPOTIFY_CLIENT_ID:-}" ] && [ -n "${SPOTIFY_CLIENT_SECRET:-}" ] &&
    [ -n "${SPOTIFY_REFRESH_TOKEN:-}" ]; then
    demo_with_spotify
else
    demo_with_mock
fi
say 'Done: everything adds up, and nothing is left running'
