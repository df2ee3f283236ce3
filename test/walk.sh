#!/usr/bin/env bash
# walk.sh
#   Walks through README.md as a newcomer does, from a bare Debian to scheduled
#   syncs of two accounts: what is marked <!-- walk --> there is run letter by
#   letter, once by root and once by a user with sudo.  A third machine sees the
#   demo, and must be as it was then.  Prints TAP.
#
#   bash test/walk.sh      as root
#
# The stand-in takes the place of Spotify, and whoever logs in agrees at once.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. test/lib/tap.sh
. test/lib/packages.sh
. test/lib/workplace.sh
. test/lib/stand_in.sh
. test/lib/bare_debian.sh

# On a machine, where the blocks and the browser are.
BLOCKS=/opt/walk
BROWSER=$BLOCKS/browser

# walked_blocks FOLDER: writes what is marked <!-- walk --> into files of their
# own, in their order and named after their sections, with what stands for one's
# own values replaced.
walked_blocks() {
    mkdir -p "$1"
    awk -v folder="$1" '
        /^#+ / && !file { section = $0; gsub(/[^A-Za-z0-9]+/, "_", section) }
        /^<!-- walk -->$/ { marked = 1; next }
        /^```/ && file { close(file); file = ""; next }
        /^```(sh|sql)$/ && marked {
            file = sprintf("%s/%02d%s.%s", folder, ++n, section, substr($0, 4))
            marked = 0
            next
        }
        file { print > file }' README.md
    sed -i "s/'client id'/'mock-client'/; s/'client secret'/'mock-secret'/" "$1"/*
}

# ------------------------------------------------ on a machine, as a person

PERSON=

as_person() {
    # shellcheck disable=SC2016
    on_machine "$PERSON" BROWSER="$BROWSER %s" "${WHERE_SPOTIFY_IS[@]}" \
        bash -c 'cd ~/spotify_etl && exec "$@"' person "$@" </dev/null
}

run_block() {
    case $1 in
        *.sh) as_person bash -e -o pipefail "$BLOCKS/${1##*/}" ;;
        *.sql) as_person psql -X -d music -v ON_ERROR_STOP=1 -f "$BLOCKS/${1##*/}" ;;
    esac
}

query() {
    as_person psql -X -q -A -t -d music -v ON_ERROR_STOP=1 -c "$1"
}

# answers EXPECTED QUERY
answers() {
    local answer
    answer=$(query "$2")
    [ "$answer" = "$1" ] || { printf 'expected: %s\nanswered: %s\n' "$1" "$answer"; return 1; }
}

# clone_for PERSON: gives them a clone that nobody else can read.
clone_for() {
    PERSON=$1
    copy_source "$MACHINE$(home_on_machine "$PERSON")/spotify_etl"
    chroot "$MACHINE" chown -R "$PERSON:" "$(home_on_machine "$PERSON")"
    chroot "$MACHINE" chmod -R go= "$(home_on_machine "$PERSON")"
}

# ------------------------------------------------------------- the stand-in

# Two users with libraries of their own.
start_spotify() {
    WORKPLACE=$MACHINE$BLOCKS
    start_stand_in 120
    SPOTIFY=${STAND_IN%/mock}
    WHERE_SPOTIFY_IS=("PGOPTIONS=-c spotify_etl.api_url=$SPOTIFY/v1 -c spotify_etl.accounts_url=$SPOTIFY")
    tell user '{"id": "anna", "size": 80}'
    tell play '{"count": 3}'
    tell play '{"count": 2, "user": "anna"}'
    tell config '{"auto_approve": true}'
}

tell() {
    control "$@" >/dev/null
}

# A browser that shows nothing.
install_browser() {
    cat >"$MACHINE$BROWSER" <<'SCRIPT'
#!/usr/bin/python3
import sys
import urllib.request
urllib.request.urlopen(sys.argv[1])
SCRIPT
    chmod +x "$MACHINE$BROWSER"
}

# From now on for everybody in the database.
keep_where_spotify_is() {
    query "ALTER DATABASE music SET spotify_etl.api_url = '$SPOTIFY/v1'"
    query "ALTER DATABASE music SET spotify_etl.accounts_url = '$SPOTIFY'"
    WHERE_SPOTIFY_IS=()
}

# ----------------------------------------------------------------- the walk

# Those in README.md are due at some minute of an hour.
make_jobs_due() {
    query "UPDATE cron.job SET schedule = '* * * * *' WHERE jobname LIKE 'spotify%'"
}

# jobs_run RUN: waits until jobs have synced both collections of both accounts in
# runs that are later than this one.
jobs_run() {
    local patience=180
    until answers 4 "SELECT count(DISTINCT (account, collection)) FROM spotify.sync_runs
                      WHERE run_id > $1 AND status = 'succeeded'" >/dev/null; do
        patience=$((patience - 1))
        if [ "$patience" -eq 0 ]; then
            query 'TABLE cron.job'
            query 'TABLE spotify.sync_runs'
            query 'TABLE cron.job_run_details'
            return 1
        fi
        sleep 1
    done
}

# What README.md does not say: what happens at Spotify, and what must be true
# before and after a block.
before_block() {
    if grep -q 'login\.py.*--account anna' "$1"; then tell config '{"login_as": "anna"}'; fi
}

after_block() {
    if grep -q '^createdb' "$1"; then
        works "$WHO: the first sync has stored the library" \
            answers 120 'SELECT count(*) FROM spotify.liked_tracks WHERE is_active'
        keep_where_spotify_is
    fi
    if grep -q 'examples/pg_cron\.sql' "$1"; then
        local run
        run=$(query 'SELECT COALESCE(max(run_id), 0) FROM spotify.sync_runs')
        works "$WHO: jobs of pg_cron can be made due" make_jobs_due
        works "$WHO: pg_cron syncs likes and plays of both accounts" jobs_run "$run"
        works "$WHO: the library of each account is stored" \
            answers '80 120' "SELECT string_agg(n::text, ' ' ORDER BY n)
                                FROM (SELECT count(*) AS n FROM spotify.liked_tracks GROUP BY account) AS l"
        works "$WHO: the plays of each account are stored" \
            answers '2 3' "SELECT string_agg(n::text, ' ' ORDER BY n)
                             FROM (SELECT count(*) AS n FROM spotify.plays GROUP BY account) AS p"
        works "$WHO: no job has failed" \
            answers 0 "SELECT count(*) FROM cron.job_run_details WHERE status = 'failed'"
    fi
    if grep -q 'make uninstall' "$1"; then
        check "$WHO: nothing of it is left" nothing_installed
    fi
}

nothing_installed() {
    find "$MACHINE/usr/lib/postgresql" "$MACHINE/usr/share/postgresql" "$MACHINE/usr/share/doc" \
        "$MACHINE/var/lib/postgresql" -name '*spotify_etl*'
}

walk_readme() {
    local block began
    start_spotify
    install_browser
    for block in "$MACHINE$BLOCKS"/*.s*; do
        before_block "$block"
        began=$SECONDS
        works "$WHO: block ${block##*/}" run_block "$block" || return 0
        echo "# $WHO: ${block##*/} took $((SECONDS - began)) s"
        after_block "$block"
    done
}

# As README.md says: without sudo.
as_root() {
    WHO='root'
    sed -i 's/sudo -u postgres/runuser -u postgres --/; s/^sudo //' "$MACHINE$BLOCKS"/*
    clone_for root
    walk_readme
}

install_sudo() {
    on_machine root apt-get update
    on_machine root apt-get install -y sudo
}

as_user_with_sudo() {
    WHO='a user with sudo'
    works "$WHO: sudo can be installed" install_sudo
    chroot "$MACHINE" useradd --create-home --shell /bin/bash newcomer
    echo 'newcomer ALL=(ALL) NOPASSWD: ALL' >"$MACHINE/etc/sudoers.d/newcomer"
    clone_for newcomer
    walk_readme
}

# ----------------------------------------------------------------- the demo

has_no_server() {
    [ -z "$(chroot "$MACHINE" dpkg-query -W -f '${db:Status-Abbrev} ${Package}\n' 'postgresql-[0-9]*' |
        grep -E '^ii  *postgresql-[0-9]+$')" ]
}

as_shipped() {
    diff "$MACHINE/usr/share/postgresql-common/createcluster.conf" "$MACHINE/etc/postgresql-common" &&
        [ ! -e "$MACHINE/etc/postgresql-common/createcluster.d" ]
}

# What runs on a machine beside us: processes whose root is there.
left_running() {
    find /proc/[0-9]*/root -maxdepth 0 -lname "$MACHINE" -printf '%h is left running\n' 2>/dev/null
}

has_cluster() {
    on_machine root pg_lsclusters --no-header | grep -w online
}

after_demo() {
    WHO='the demo'
    WHERE_SPOTIFY_IS=()
    clone_for root
    works "$WHO works in a clone that only root can read" as_person bash test/demo.sh || return 0
    check "$WHO leaves no process" left_running
    check "$WHO leaves no file in /tmp" find "$MACHINE/tmp" -mindepth 1
    check "$WHO leaves no server" has_no_server
    check "$WHO leaves /etc/postgresql-common as the package ships it" as_shipped
    works "$WHO: a server can be installed later" \
        on_machine root apt-get install -y "postgresql-$(ls "$MACHINE/usr/lib/postgresql")"
    works "$WHO: and has a cluster then, which runs" has_cluster
}

# ------------------------------------------------------------- the machines

# Into the cache of apt: the packages that README.md names.
download() {
    walked_blocks "$MACHINE$BLOCKS"
    on_machine root apt-get update
    on_machine root apt-get install -y --download-only sudo
    sed -e ':more' -e '/\\$/{N;s/\\\n//;bmore}' "$MACHINE$BLOCKS"/*.sh |
        sed -n 's/^sudo apt-get install/apt-get install --download-only/p' |
        on_machine root bash -e
    rm -r "${MACHINE:?}$BLOCKS"
}

# shellcheck disable=SC2317
leave() {
    # shellcheck disable=SC2046
    kill -KILL $(jobs -p) 2>/dev/null || true
    wait
    rm -rf "$RESULTS"
}

# Calls each of these functions on a machine of its own, all at the same time.
walk_all() {
    local name walks=()
    RESULTS=$(mktemp -d)
    trap leave EXIT
    trap 'exit 1' INT TERM HUP

    works 'a bare Debian can be made' make_bare_debian test/walk.sh --download || return 0
    for name in "$@"; do
        start_machine /mnt test/walk.sh --walk "$name" >"$RESULTS/$name" 2>&1 &
        walks+=("$name $!")
    done
    for name in "${walks[@]}"; do
        wait "${name#* }" || result 'not ok' "${name% *} came to its end"
        cat "$RESULTS/${name% *}"
        TAP_TESTS=$((TAP_TESTS + $(grep -cE '^(not )?ok ' "$RESULTS/${name% *}" || true)))
    done
}

# all.sh has started the walk as root, and prove runs this.  prove shows what comes
# by standard error.
show_walk() {
    tail --pid="$WALK_PROCESS" -s 0.2 -n +1 -f "$WALK_OUTPUT" |
        awk '/^#/ { print >"/dev/stderr"; next } { print; fflush() }'
}

case ${1:-} in
    --download)
        enter_machine
        download
        ;;
    --walk)
        new_machine
        walked_blocks "$MACHINE$BLOCKS"
        "$2"
        ;;
    *)
        if [ -n "${WALK_OUTPUT:-}" ]; then
            show_walk
            exit
        fi
        obstacle=$(why_no_machine)
        if [ -n "$obstacle" ]; then
            skip 'the walk through README.md' "$obstacle"
        else
            walk_all as_root as_user_with_sudo after_demo
        fi
        end_tests
        ;;
esac
