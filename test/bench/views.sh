#!/usr/bin/env bash
# views.sh
#   Measures how long each view takes to answer for one account.
#
#   bash test/bench/views.sh [PLAYS [ROUNDS]]
#
# The account has so many plays of ten years (1,000,000).  Each query runs as
# often as there are rounds, in one session; the median counts.  The time is
# psql's, until the last row has arrived.  Prints a table for
# test/bench/README.md.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
. "$here/lib/packages.sh"
. "$here/lib/private_postgres.sh"
. "$here/lib/workplace.sh"

if [ -z "${WORKPLACE:-}" ]; then
    install_build_packages
    enter_workplace test/bench/views.sh "$@"
    exit
fi

plays=${1:-1000000}
rounds=${2:-5}

# The questions: a name and a condition beside the account.
questions=(
    'listening_by_day'
    'listening_by_hour'
    'top_tracks'
    'top_artists'
    'liked_by_month'
    'liked_songs'
    'account_status'
    "my_played_tracks|AND played_at >= '2025-11-01'"
    "fav_artist|AND \"timestamp\" >= '2025-11-01'"
)

# sql ARGUMENTS...
sql() {
    psql -X -q -At -v ON_ERROR_STOP=1 -h "$WORKPLACE" -U postgres -d bench "$@"
}

start_server() {
    initdb -D "$WORKPLACE/data" -U postgres -A trust -E UTF8 --locale=C >/dev/null
    pg_ctl -D "$WORKPLACE/data" -l "$WORKPLACE/server.log" -w \
        -o "-c listen_addresses='' -c max_wal_size=4GB -k '$WORKPLACE'" start >/dev/null
    createdb -h "$WORKPLACE" -U postgres bench
    sql -c 'CREATE EXTENSION spotify_etl'
    sql -v plays="$plays" -f test/bench/views.sql >/dev/null
}

# milliseconds QUERY: the time of each round.
milliseconds() {
    local round
    {
        echo '\timing on'
        for ((round = 0; round <= rounds; round++)); do
            printf '%s \\g /dev/null\n' "$1"
        done
    } | sql | sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p' | tail -n "$rounds"
}

median() {
    sort -n | awk '{ a[NR] = $1 } END { print a[int((NR + 1) / 2)] }'
}

# row QUESTION: a line of the table.
row() {
    local view=${1%%|*} condition=''
    [ "$view" = "$1" ] || condition=${1#*|}
    local query="FROM spotify.$view WHERE account = 'bench' $condition"
    printf '| %s%s | %s | %.0f ms |\n' "$view" "${condition:+, $condition}" \
        "$(sql -c "SELECT count(*) $query")" "$(milliseconds "SELECT * $query" | median)"
}

trap 'pg_ctl -D "$WORKPLACE/data" -m immediate stop >/dev/null 2>&1 || true' EXIT
build_and_install
start_server
echo "$plays plays of one account, median of $rounds rounds"
echo
echo '| view | rows | time |'
echo '| --- | --- | --- |'
for question in "${questions[@]}"; do
    row "$question"
done
