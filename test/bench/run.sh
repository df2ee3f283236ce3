#!/usr/bin/env bash
# run.sh
#   Measures a sync of Liked Songs side by side with other ways to do it.
#
#   bash test/bench/run.sh
#   BENCH_SIZES=1000 BENCH_ROUNDS=1 bash test/bench/run.sh     in a hurry
#
# README.md says what is measured, and what can be chosen.  Installs the Debian
# packages that are missing.  Ends with the tables for README.md.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
. "$here/lib/packages.sh"
. "$here/lib/private_postgres.sh"
. "$here/lib/workplace.sh"

if [ -z "${WORKPLACE:-}" ]; then
    install_build_packages
    install_bench_packages
    enter_workplace test/bench/run.sh "$@"
    exit
fi

export PGDATA=$WORKPLACE/data PGHOST=$WORKPLACE PGUSER=postgres
export BENCH_RESULTS=${BENCH_RESULTS:-$WORKPLACE/results.jsonl}

stop_server() {
    pg_ctl -m immediate stop >/dev/null 2>&1 || true
}

# Everything as it comes, except: no autovacuum and no checkpoint at a time
# that nobody chose, and statements can be counted.
start_server() {
    initdb -U postgres -A trust -E UTF8 --locale=C >/dev/null
    cat >>"$PGDATA/postgresql.conf" <<CONFIGURATION
listen_addresses = ''
unix_socket_directories = '$WORKPLACE'
autovacuum = off
checkpoint_timeout = 1h
max_wal_size = 8GB
shared_preload_libraries = 'pg_stat_statements'
pg_stat_statements.track = none
CONFIGURATION
    pg_ctl -l "$WORKPLACE/server.log" -w start >/dev/null
}

trap stop_server EXIT
echo 'Building the extension'
build_and_install
start_server
python3 -B test/bench/bench.py
python3 -B test/bench/report.py "$BENCH_RESULTS"
