# packages.sh
#   The Debian or Ubuntu packages that building, showing and testing need.
#
# shellcheck shell=bash
#
# Sourced, not run.

# as_root COMMAND...: runs it as root, by sudo if need be.
as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        echo "Not root, and there is no sudo. Run as root: $*" >&2
        return 1
    fi
}

# Quietly, unless it fails: then what apt said is shown.  It reads nothing of what
# the caller is to read.
apt_get() {
    local log status=0
    log=$(mktemp)
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 "$@" \
        </dev/null >"$log" 2>&1 || status=$?
    [ "$status" -eq 0 ] || cat "$log" >&2
    rm -f "$log"
    return "$status"
}

is_installed() {
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# What install_packages has installed.
NEW_PACKAGES=()

# install_packages NAME...: installs those that are missing.
install_packages() {
    local missing=() name
    for name in "$@"; do
        is_installed "$name" || missing+=("$name")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    if ! command -v apt-get >/dev/null; then
        echo "This is no Debian or Ubuntu. Install what these packages hold: ${missing[*]}" >&2
        return 1
    fi
    echo "Installing packages: ${missing[*]}"
    apt_get update
    without_new_cluster apt_get install -y --no-install-recommends "${missing[@]}"
    NEW_PACKAGES+=("${missing[@]}")
}

# The server among the packages that were installed here, if it is.
new_server() {
    printf '%s\n' "${NEW_PACKAGES[@]}" | grep -x 'postgresql-[0-9]*' || true
}

# Takes a server away again that was installed here, so that installing it later
# makes a cluster, as its package does on a machine that never had it.
remove_new_server() {
    local server
    server=$(new_server)
    [ -z "$server" ] || apt_get purge -y "$server"
}

# For those who keep it.
say_how_to_make_cluster() {
    local server
    server=$(new_server)
    [ -z "$server" ] ||
        echo "$server has no cluster yet: pg_createcluster ${server#postgresql-} main --start makes one."
}

# Installing a server must not make a database cluster and start it.  The file
# has a name of its own, since others may install at the same time.
without_new_cluster() (
    folder=/etc/postgresql-common/createcluster.d
    file=$folder/spotify_etl.$BASHPID.conf
    # shellcheck disable=SC2317
    leave_as_it_was() {
        as_root rm -f "$file"
        as_root rmdir -p "$folder" 2>/dev/null || true
    }
    trap leave_as_it_was EXIT
    as_root mkdir -p "$folder"
    echo 'create_main_cluster = false' | as_root tee "$file" >/dev/null
    "$@"
)

# The newest server version that has its headers packaged here.
server_version() {
    local version
    version=$(ls /usr/lib/postgresql 2>/dev/null | sort -V | tail -n 1)
    [ -n "$version" ] || version=$(apt-cache depends postgresql-server-dev-all 2>/dev/null |
        sed -n 's/.*Depends: postgresql-server-dev-\([0-9]*\)$/\1/p' | sort -V | tail -n 1)
    [ -n "$version" ] || version=$(apt-cache search --names-only '^postgresql-server-dev-[0-9]+$' 2>/dev/null |
        sed -n 's/^postgresql-server-dev-\([0-9]*\) .*/\1/p' | sort -V | tail -n 1)
    echo "${version:-15}"
}

# What is needed to build the extension and to run a server with it.
install_build_packages() {
    local version
    # Without package lists the version cannot be found out.
    [ -n "$(apt-cache search --names-only '^postgresql-server-dev-' 2>/dev/null)" ] ||
        { echo 'Fetching package lists'; apt_get update; }
    version=$(server_version)
    install_packages make gcc libc6-dev "postgresql-$version" "postgresql-server-dev-$version" \
        libcurl4-openssl-dev libjson-c-dev python3 curl ca-certificates
}

# test_packages FILE...: what these tests need beside perl, as their heads say:
#
#   # needs: postgresql-NN-cron
#
# NN is the version of the server.
test_packages() {
    local file
    for file in "$@"; do
        # What is not there is built later, or is an option.
        [ ! -f "$file" ] || sed -n 's/^# needs: //p' "$file"
    done | tr ' ' '\n' | sed "s/-NN-/-$(server_version)-/; s/-NN\$/-$(server_version)/" | sort -u
}

# install_test_packages FILE...: not every release has everything for every
# server; of what is missing then the test says that it was skipped.
install_test_packages() {
    local name known=(perl libipc-run-perl openssl)
    for name in $(test_packages "$@"); do
        ! has_package "$name" || known+=("$name")
    done
    install_packages "${known[@]}"
}

# What the benchmark needs beside those to build.
install_bench_packages() {
    without_services install_packages nginx-light libnginx-mod-http-echo \
        python3-requests python3-pandas python3-psycopg2
    # Not in Debian: apt.postgresql.org has it.
    install_if_there_is "postgresql-$(server_version)-http"
}

# Whether apt knows a package.
has_package() {
    [ -n "$(apt-cache search --names-only "^$1\$" 2>/dev/null)" ]
}

# install_if_there_is NAME: installs a package if apt knows it.
install_if_there_is() {
    ! has_package "$1" || install_packages "$1"
}

# Installing a web server must not start it: port 80 may not be ours.
without_services() {
    local policy=/usr/sbin/policy-rc.d status=0
    if [ -e "$policy" ]; then
        "$@"
        return
    fi
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
    as_root chmod +x "$policy"
    "$@" || status=$?
    as_root rm -f "$policy"
    return "$status"
}
