#!/usr/bin/env bash
# demo.sh
#   The main job, from nothing to tables: builds the extension, starts a
#   PostgreSQL and a stand-in for Spotify of its own in a temporary folder,
#   syncs Liked Songs, changes them, and syncs again.
#
#   bash test/demo.sh
#
# With SPOTIFY_CLIENT_ID in the environment, and SPOTIFY_CLIENT_SECRET if the app
# has one, it logs you in and reads your Liked Songs from the real Spotify
# instead.  With SPOTIFY_REFRESH_TOKEN too, it needs no login.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/lib/packages.sh"
. "$here/lib/private_postgres.sh"
. "$here/lib/workplace.sh"
. "$here/lib/stand_in.sh"

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

# expect WHAT QUERY ANSWER: the counts must add up, or the demo fails.
expect() {
    local answer
    answer=$(sql -At -c "$2")
    if [ "$answer" != "$3" ]; then
        echo "The demo FAILED: $1 should be $3, but is $answer." >&2
        exit 1
    fi
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

# By psql's variables, so that no secret is in a command line.  What is not in
# the environment is empty.
create_account() {
    sql <<'SQL' >/dev/null
\set id `printenv SPOTIFY_CLIENT_ID`
\set secret `printenv SPOTIFY_CLIENT_SECRET`
\set token `printenv SPOTIFY_REFRESH_TOKEN`
SELECT spotify_set_account(:'id', NULLIF(:'secret', ''), NULLIF(:'token', ''));
SQL
}

# One try to log in; fails if it does not work.
authorize() {
    local address user
    echo '=> SELECT spotify_authorize_url();'
    sql -At -c 'SELECT spotify_authorize_url()'
    echo
    echo 'Open this address in a browser and agree.  The browser then says that it cannot'
    echo 'open the page, which is as it should be.  Paste the address that it shows:'
    read -r address || { echo 'No address was given: nobody is logged in.' >&2; exit 1; }
    user=$(ADDRESS=$address sql -At <<'SQL'
\set address `printenv ADDRESS`
SELECT spotify_authorize(:'address');
SQL
    ) || return
    echo "=> SELECT spotify_authorize('...');"
    echo "$user"
}

log_in() {
    say 'The login'
    until authorize; do
        say 'The login, once more'
    done
}

demo_with_spotify() {
    # Tests put the stand-in in its place.
    [ -z "${SPOTIFY_API_URL:-}" ] || ask_instead "$SPOTIFY_API_URL" "$SPOTIFY_ACCOUNTS_URL"
    create_account
    [ -n "${SPOTIFY_REFRESH_TOKEN:+given}" ] || log_in
    say 'Your Liked Songs, from Spotify'
    sync_liked
    say 'Once more: nothing new, nothing written'
    sync_liked
    show_tables
}

demo_with_stand_in() {
    say 'An account, and a first sync of 1,234 liked songs'
    start_stand_in 1234
    ask_stand_in
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
if [ -n "${SPOTIFY_CLIENT_ID:-}" ]; then
    demo_with_spotify
else
    demo_with_stand_in
fi
say 'Done: everything adds up, and nothing is left running'
