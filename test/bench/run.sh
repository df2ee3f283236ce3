#!/usr/bin/env bash
# run.sh
#   Measures a sync of Liked Songs against curl, which fetches the same pages
#   one after another over one connection and throws them away: the least that
#   any client must do that asks for one page at a time.
#
#   bash test/bench/run.sh [TRACKS [ROUNDS]]
#
# Both talk to the stand-in on loopback, in turn, and the median of the rounds
# counts.  Prints a table for test/bench/README.md.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
. "$here/lib/packages.sh"
. "$here/lib/private_postgres.sh"
. "$here/lib/workplace.sh"

if [ -z "${WORKPLACE:-}" ]; then
    install_build_packages
    enter_workplace test/bench/run.sh "$@"
    exit
fi

tracks=${1:-10000}
rounds=${2:-5}
mock_pid=

stop_all() {
    pg_ctl -D "$WORKPLACE/data" -m immediate stop >/dev/null 2>&1 || true
    [ -z "$mock_pid" ] || kill "$mock_pid" 2>/dev/null || true
}

# sql DATABASE ARGUMENTS...
sql() {
    psql -X -q -At -v ON_ERROR_STOP=1 -h "$WORKPLACE" -U postgres -d "$@"
}

# seconds COMMAND...: wall time of a command.
seconds() {
    local start end
    start=$(date +%s.%N)
    "$@" >/dev/null
    end=$(date +%s.%N)
    echo "$end $start" | awk '{ printf "%.3f\n", $1 - $2 }'
}

median() {
    sort -n | awk '{ a[NR] = $1 } END { print a[int((NR + 1) / 2)] }'
}

start_all() {
    initdb -D "$WORKPLACE/data" -U postgres -A trust -E UTF8 --locale=C >/dev/null
    pg_ctl -D "$WORKPLACE/data" -l "$WORKPLACE/server.log" -w \
        -o "-c listen_addresses='' -c session_preload_libraries=spotify_etl -k '$WORKPLACE'" start >/dev/null
    python3 -B test/mock_spotify --library "$tracks" >"$WORKPLACE/mock.port" &
    mock_pid=$!
    until grep -qs '^port' "$WORKPLACE/mock.port"; do sleep 0.1; done
    base=http://127.0.0.1:$(sed -n 's/^port //p' "$WORKPLACE/mock.port")
    sql postgres -c "ALTER SYSTEM SET spotify_etl.api_url = '$base/v1'" \
        -c "ALTER SYSTEM SET spotify_etl.accounts_url = '$base'" \
        -c 'SELECT pg_reload_conf()' >/dev/null
    write_curl_configuration
}

# The token is the stand-in's, so it may stand in a file.
write_curl_configuration() {
    local token offset
    token=$(curl -sS -d '{}' "$base/mock/access_token" |
        python3 -c 'import json, sys; print(json.load(sys.stdin)["access_token"])')
    echo "header = \"Authorization: Bearer $token\"" >"$WORKPLACE/curl.conf"
    for ((offset = 0; offset < tracks; offset += 50)); do
        printf 'url = "%s/v1/me/tracks?limit=50&offset=%d"\noutput = /dev/null\n' "$base" "$offset"
    done >>"$WORKPLACE/curl.conf"
}

# An empty database, with the extension and an account.
create_database() {
    sql postgres -c 'SET client_min_messages = warning' -c 'DROP DATABASE IF EXISTS bench' \
        -c 'CREATE DATABASE bench' -c CHECKPOINT
    sql bench -c 'CREATE EXTENSION spotify_etl' \
        -c "SELECT spotify_set_account('mock-client', 'mock-secret', 'mock-refresh-token')" >/dev/null
}

fetch_with_curl() { curl -sS --fail --compressed -K "$WORKPLACE/curl.conf"; }
sync_liked() { sql bench -c 'SELECT spotify_sync_liked()'; }

measure() {
    local round
    fetch_with_curl
    for ((round = 0; round < rounds; round++)); do
        create_database
        seconds fetch_with_curl >>"$WORKPLACE/curl.times"
        seconds sync_liked >>"$WORKPLACE/first.times"
        seconds sync_liked >>"$WORKPLACE/again.times"
    done
}

# row WHAT FILE: a line of the table.
row() {
    local of_curl of_this
    of_curl=$(median <"$WORKPLACE/curl.times")
    of_this=$(median <"$2")
    awk -v what="$1" -v t="$of_this" -v c="$of_curl" \
        'BEGIN { printf "| %s | %.2f s | %.2f |\n", what, t, t / c }'
}

trap stop_all EXIT
build_and_install
start_all
measure
echo "$tracks tracks, $(((tracks + 49) / 50)) pages, loopback, median of $rounds rounds"
echo
echo '| | wall time | against curl |'
echo '| --- | --- | --- |'
row 'curl, one page after another, to /dev/null' "$WORKPLACE/curl.times"
row 'spotify_sync_liked, from an empty database' "$WORKPLACE/first.times"
row 'spotify_sync_liked, nothing changed' "$WORKPLACE/again.times"
