#!/usr/bin/env bash
# all.sh
#   Runs every test, in a PostgreSQL installation of its own.
#
#   bash test/all.sh                     all of them
#   bash test/all.sh test/t/021_tls.pl   only these (and the build)
#
# Installs the Debian packages that are missing, of those for single tests only
# what these tests need.  Needs no running server and leaves nothing running.  Ends
# with the line of prove that counts.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/lib/packages.sh"
. "$here/lib/private_postgres.sh"
. "$here/lib/workplace.sh"
cd "$here/.."

# The walk needs root, and the tests run as another user.  So it begins here, and
# prove sees by test/walk.sh what it prints.
start_walk() {
    WALK_OUTPUT=$(mktemp)
    chmod a+r "$WALK_OUTPUT"
    bash "$here/walk.sh" >"$WALK_OUTPUT" 2>&1 &
    WALK_PROCESS=$!
    export WALK_OUTPUT WALK_PROCESS
    trap end_walk EXIT
}

# shellcheck disable=SC2317
end_walk() {
    kill "$WALK_PROCESS" 2>/dev/null || true
    wait "$WALK_PROCESS" || true
    rm -f "$WALK_OUTPUT"
}

if [ -z "${WORKPLACE:-}" ]; then
    install_build_packages
    all_tests=(test/lint.sh test/t/*.pl)
    install_test_packages "${@:-${all_tests[@]}}"
    say_how_to_make_cluster
    case "$(id -u) $*" in
        '0 ' | 0*walk.sh*) start_walk ;;
    esac
    enter_workplace test/all.sh "$@"
    exit
fi

# What PostgreSQL's own test modules want to know.
prepare_tap_tests() {
    local pgxs
    pgxs=$(dirname "$("$PG_CONFIG" --pgxs)")/../..
    export PG_REGRESS=$pgxs/src/test/regress/pg_regress
    export PERL5LIB=$PWD/test/t/lib:$pgxs/src/test/perl${PERL5LIB:+:$PERL5LIB}
    export TESTDATADIR=$WORKPLACE/tmp_check TESTLOGDIR=$WORKPLACE/tmp_check/log
    export TESTDIR=$WORKPLACE
    # Sockets need a short path.
    export PG_TEST_USE_UNIX_SOCKETS=1 TMPDIR=$WORKPLACE
    mkdir -p "$TESTLOGDIR"
}

echo 'Building the extension'
build_and_install
prepare_tap_tests

tests=("$@")
if [ ${#tests[@]} -eq 0 ]; then
    echo 'Building the unit tests'
    make -s -j2 PG_CONFIG="$PG_CONFIG" unit >"$WORKPLACE/unit.log" 2>&1 ||
        { cat "$WORKPLACE/unit.log" >&2; exit 1; }
    # The walk comes last: it has begun, and mostly ended then.
    tests=(test/lint.sh test/unit/build/test_* test/t/*.pl test/walk.sh)
fi

echo 'Running the tests'
prove -j2 "${tests[@]}"
