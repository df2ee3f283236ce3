# workplace.sh
#   A temporary copy of the source, worked on by a user that is not root.
#
# shellcheck shell=bash
#
# Sourced, not run.  PostgreSQL refuses to run as root, and the source may lie
# where only root can read; so what the scripts do, they do in a copy.

# copy_source FOLDER: makes the folder, with a copy of the source as a clone has it.
copy_source() {
    mkdir -p "$1"
    tar -C "$(dirname "${BASH_SOURCE[0]}")/../.." --exclude=.git --exclude='*.o' --exclude='*.bc' \
        --exclude='*.so' --exclude=tmp_check --exclude=build -cf - . | tar -C "$1" -xf -
}

# enter_workplace SCRIPT ARGUMENTS...: copies the source and runs SCRIPT there
# (a path inside it) with WORKPLACE set to the temporary folder.  Removes the
# folder afterwards and returns what the script returned.
enter_workplace() (
    script=$1
    status=0
    shift
    workplace=$(mktemp -d "${TMPDIR:-/tmp}/spotify_etl.XXXXXX")
    # shellcheck disable=SC2064
    trap "rm -rf '$workplace'" EXIT
    copy_source "$workplace/source"
    if [ "$(id -u)" -eq 0 ]; then
        chown -R postgres "$workplace"
        (cd "$workplace/source" &&
            runuser -u postgres -- env HOME="$workplace" WORKPLACE="$workplace" \
                bash "$script" "$@") || status=$?
    else
        (cd "$workplace/source" && WORKPLACE="$workplace" bash "$script" "$@") || status=$?
    fi
    return "$status"
)

# build_and_install: builds the source in the current folder and installs it
# into a PostgreSQL of its own.  Sets PG_CONFIG and puts its programs first in
# PATH.
build_and_install() {
    PG_CONFIG=$(make_private_postgres "$WORKPLACE/postgres")
    export PG_CONFIG
    PATH=$("$PG_CONFIG" --bindir):$PATH
    export PATH
    if ! make -s -j2 PG_CONFIG="$PG_CONFIG" install >"$WORKPLACE/build.log" 2>&1; then
        cat "$WORKPLACE/build.log" >&2
        echo 'The build failed.' >&2
        return 1
    fi
}
