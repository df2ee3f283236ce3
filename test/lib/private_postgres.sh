# private_postgres.sh
#   A PostgreSQL installation of our own, in a folder, made from the one that
#   is on the machine.
#
# shellcheck shell=bash
#
# Sourced, not run.  The server finds its libraries and extensions relative to
# where its program file is, so a copy of the programs beside links to all the
# rest is an installation into which the extension can be installed without
# being root and without touching the machine's own.

# The pg_config to start from: PG_CONFIG if set, else the newest of Debian's
# that has a server and its headers, else the one in PATH.
find_pg_config() {
    local candidate
    if [ -n "${PG_CONFIG:-}" ]; then
        echo "$PG_CONFIG"
        return
    fi
    for candidate in $(ls -d /usr/lib/postgresql/*/bin/pg_config 2>/dev/null | sort -Vr); do
        if [ -x "${candidate%pg_config}initdb" ] && [ -f "$("$candidate" --pgxs)" ]; then
            echo "$candidate"
            return
        fi
    done
    command -v pg_config
}

# link_all FROM TO: a folder TO with a link to everything in FROM, except what an
# installed copy of the extension put there: through a link, installing ours
# would write into that one, or fail because only root may.
link_all() {
    mkdir -p "$2"
    find "$1" -mindepth 1 -maxdepth 1 ! -name 'spotify_etl*' -exec ln -s -t "$2" {} +
}

# own_folder FOLDER NAME: makes the linked subfolder NAME one of our own.
own_folder() {
    local target
    target=$(readlink "$1/$2") || { mkdir -p "$1/$2"; return; }
    rm "$1/$2"
    link_all "$target" "$1/$2"
}

# write_pg_config FILE ORIGINAL ROOT FOLDER...: a pg_config that says of these
# folders that they are below ROOT.  Debian's own finds them from where its
# program file is in some versions, and not in others.
write_pg_config() {
    local file=$1 original=$2 root=$3 folders
    shift 3
    folders=$(IFS='|'; echo "$*")
    cat >"$file" <<SCRIPT
#!/bin/sh
answer=\$($original "\$@") || exit
echo "\$answer" | sed -E 's#^([A-Z-]+ = )?($folders)(/|\$)#\1$root\2\3#'
SCRIPT
    chmod +x "$file"
}

# make_private_postgres FOLDER: makes the installation and prints the path of
# its pg_config.
make_private_postgres() {
    local root=$1 original bindir sharedir pkglibdir docdir
    original=$(find_pg_config)
    bindir=$("$original" --bindir)
    sharedir=$("$original" --sharedir)
    pkglibdir=$("$original" --pkglibdir)
    docdir=$("$original" --docdir)

    mkdir -p "$root$bindir" "$root$docdir"
    cp -L "$bindir"/* "$root$bindir"
    write_pg_config "$root$bindir/pg_config" "$original" "$root" \
        "$bindir" "$sharedir" "$pkglibdir" "$docdir"
    link_all "$sharedir" "$root$sharedir"
    own_folder "$root$sharedir" extension
    link_all "$pkglibdir" "$root$pkglibdir"
    own_folder "$root$pkglibdir" bitcode
    echo "$root$bindir/pg_config"
}
