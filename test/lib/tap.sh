# tap.sh
#   Test results in the form that prove reads.
#
# shellcheck shell=bash
#
# Sourced, not run.

TAP_TESTS=0
TAP_FAILED=0

# result VERDICT NAME: one line; VERDICT is "ok" or "not ok".
result() {
    TAP_TESTS=$((TAP_TESTS + 1))
    [ "$1" = ok ] || TAP_FAILED=1
    echo "$1 - $2"
}

# works NAME COMMAND...: passes when the command succeeds; if not, shows the end
# of what it printed, where prove lets it be seen, and fails.
works() {
    local name=$1 output
    shift
    if output=$("$@" 2>&1); then
        result ok "$name"
    else
        result 'not ok' "$name"
        printf '%s\n' "$output" | tail -n 40 | sed 's/^/# /' >&2
        return 1
    fi
}

silent() {
    local output
    output=$("$@" 2>&1) && [ -z "$output" ] && return
    printf '%s\n' "$output"
    return 1
}

# check NAME COMMAND...: passes when the command prints nothing and succeeds.
check() {
    works "$1" silent "${@:2}"
}

# skip NAME WHY: where a skip is not allowed, it is a failure.  prove shows only
# what comes by standard error.
skip() {
    if [ -n "${SPOTIFY_ETL_NO_SKIP:-}" ]; then
        result 'not ok' "$1: $2"
    else
        result ok "$1 # SKIP $2"
        echo "# skipped: $1: $2" >&2
    fi
}

# end_tests: prints the plan, and fails if a test did.
end_tests() {
    echo "1..$TAP_TESTS"
    return "$TAP_FAILED"
}
