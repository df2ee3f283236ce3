#!/usr/bin/env bash
# playground.sh
#   psql in a PostgreSQL with the extension, whose account is logged in to a
#   stand-in for Spotify, both in a temporary folder: to try things, until you
#   leave psql.
#
#   bash test/playground.sh
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/lib/packages.sh"
. "$here/lib/private_postgres.sh"
. "$here/lib/workplace.sh"
. "$here/lib/stand_in.sh"

if [ -z "${WORKPLACE:-}" ]; then
    trap remove_new_server EXIT
    install_build_packages
    enter_workplace test/playground.sh
    exit
fi

trap stop_all EXIT
echo 'Building the extension'
build_and_install
start_server
start_stand_in 1234
ask_stand_in
sql -c "SELECT spotify_set_account('mock-client', 'mock-secret', 'mock-refresh-token')" >/dev/null
cat <<'HELP'

Your account has 1,234 liked songs, which the stand-in for Spotify made up:

    SELECT * FROM spotify_sync_liked() \gx

To change what Spotify knows, tell the stand-in (test/mock_spotify/README.md):

    \! curl -d '{"count": 2}' $STAND_IN/like
    \! curl -d '{"positions": [7, 77]}' $STAND_IN/unlike
    \! curl -d '{"count": 3}' $STAND_IN/play

\q ends all of it, and nothing is left.

HELP
psql -h "$WORKPLACE" -d postgres
