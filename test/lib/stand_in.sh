# stand_in.sh
#   A cluster of our own with the extension, and the stand-in for Spotify, which
#   it asks: what the demo, the playground and the walk share.
#
# shellcheck shell=bash
#
# Sourced, not run.  Everything is in $WORKPLACE; see workplace.sh.

stand_in_pid=

# sql ARGUMENTS...: psql in that cluster, which stops at an error.
sql() {
    psql -X -q -v ON_ERROR_STOP=1 -P footer=off -h "$WORKPLACE" -d postgres "$@"
}

# A cluster that only a socket in $WORKPLACE leads to, with the extension in
# database postgres.
start_server() {
    initdb -D "$WORKPLACE/data" -U postgres -A trust -E UTF8 --locale=C >/dev/null
    pg_ctl -D "$WORKPLACE/data" -l "$WORKPLACE/server.log" -w \
        -o "-c listen_addresses='' -k '$WORKPLACE'" start >/dev/null
    export PGUSER=postgres
    sql -c 'CREATE EXTENSION spotify_etl'
}

# ask_instead API_URL ACCOUNTS_URL: whom the extension asks in place of Spotify.
ask_instead() {
    sql -c "ALTER DATABASE postgres SET spotify_etl.api_url = '$1'" \
        -c "ALTER DATABASE postgres SET spotify_etl.accounts_url = '$2'"
}

ask_stand_in() {
    ask_instead "${STAND_IN%/mock}/v1" "${STAND_IN%/mock}"
}

# start_stand_in SONGS: with so many liked songs.  Sets STAND_IN to the URL of
# its control interface.  It ends when this shell does, in whatever way, since it
# reads from it.  It has a session of its own, since an interrupt that is typed
# for psql must not end it.
start_stand_in() {
    exec 3> >(setsid python3 -B test/mock_spotify --exit-with-stdin --library "$1" \
        >"$WORKPLACE/stand_in.port")
    stand_in_pid=$!
    until grep -qs '^port' "$WORKPLACE/stand_in.port"; do
        kill -0 "$stand_in_pid" 2>/dev/null || { echo 'The stand-in did not start.' >&2; return 1; }
        sleep 0.1
    done
    STAND_IN=http://127.0.0.1:$(sed -n 's/^port //p' "$WORKPLACE/stand_in.port")/mock
    export STAND_IN
}

# control OPERATION JSON: changes the stand-in's library.
control() {
    curl -sS --fail -d "$2" "$STAND_IN/$1"
}

# Returns when all has ended.
stop_all() {
    pg_ctl -D "$WORKPLACE/data" -m immediate stop >/dev/null 2>&1 || true
    exec 3>&-
    [ -z "$stand_in_pid" ] || wait "$stand_in_pid" || true
}
