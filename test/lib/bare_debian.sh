# bare_debian.sh
#   Machines with a bare Debian: folders in which a script changes its root.
#
# shellcheck shell=bash
#
# Sourced, not run.  Needs root.  A machine has the release of the one it is on.
# Its files are in memory, and it has processes, mounts and a network of its own:
# so nothing is left when it ends, however it ends, and no port is taken.  Only
# apt gets out.

. /etc/os-release

# What was made once is kept here, and may be deleted at any time.
BARE_DEBIAN_CACHE=/var/cache/spotify_etl

# What the files of a few machines take.
MEGABYTES_NEEDED=8000

SEPARATE=(--mount --pid --net --ipc --fork --kill-child)

# why_no_machine: says what stands in the way, if anything does.
why_no_machine() {
    if [ "$(id -u)" -ne 0 ]; then
        echo 'it needs root'
    elif ! install_packages debootstrap iproute2 >&2; then
        echo 'debootstrap cannot be installed'
    elif [ "$(free --mega | awk '/^Mem:/ { print $NF }')" -lt "$MEGABYTES_NEEDED" ]; then
        echo "it needs $MEGABYTES_NEEDED MB of memory"
    elif [ -z "$(package_sources)" ]; then
        echo "apt has no packages of ${NAME%% *}"
    elif ! unshare "${SEPARATE[@]}" mount -t tmpfs tmpfs /mnt; then
        echo 'mounting is not permitted'
    fi
}

# The distribution's own packages, from where this machine has them.
package_sources() {
    # apt replaces what looks like variables.
    # shellcheck disable=SC2016
    apt-get indextargets --format 'deb $(REPO_URI) $(RELEASE) $(COMPONENT)' \
        'Created-By: Packages' "Origin: ${NAME%% *}" 2>/dev/null
}

# configure_machine FOLDER: packages from where this machine has them, and
# services that start when they are installed, as they do where there is init.
configure_machine() {
    local method
    package_sources >"$1/etc/apt/sources.list"
    apt-config dump | grep -E '^Acquire::(Check|http|https|Retries)' >"$1/etc/apt/apt.conf.d/90machine" || true
    cp -L /etc/resolv.conf "$1/etc/resolv.conf"
    echo "127.0.0.1 localhost $HOSTNAME" >"$1/etc/hosts"
    echo force-unsafe-io >"$1/etc/dpkg/dpkg.cfg.d/machine"
    printf '#!/bin/sh\nexit 0\n' >"$1/usr/sbin/policy-rc.d"
    chmod +x "$1/usr/sbin/policy-rc.d"

    # What fetches packages is in the network outside.
    echo 'Dir::Bin::Methods "/usr/local/lib/apt";' >>"$1/etc/apt/apt.conf.d/90machine"
    cp -a "$1/usr/lib/apt/methods" "$1/usr/local/lib/apt"
    for method in http https; do
        rm "$1/usr/local/lib/apt/$method"
        printf '#!/bin/sh\nexec nsenter --net=/run/outside /usr/lib/apt/methods/%s "$@"\n' "$method" \
            >"$1/usr/local/lib/apt/$method"
        chmod +x "$1/usr/local/lib/apt/$method"
    done
}

# Unpacks one to $MACHINE.
new_machine() {
    mount -t tmpfs -o mode=755 tmpfs "$MACHINE"
    tar -C "$MACHINE" -xf "$(bare_debian)"
    configure_machine "$MACHINE"
    enter_machine
}

bare_debian() {
    echo "$BARE_DEBIAN_CACHE/$VERSION_CODENAME.tar"
}

# make_bare_debian SCRIPT ARGUMENTS...: packs what new_machine unpacks, unless that
# was done.  The script begins with enter_machine, and downloads packages that
# each machine would download again.
make_bare_debian() (
    tar=$(bare_debian)
    mkdir -p "$BARE_DEBIAN_CACHE"
    exec 9>"$tar.lock"
    flock 9
    [ ! -e "$tar" ] || exit 0
    folder=$(mktemp -d "$BARE_DEBIAN_CACHE/machine.XXXXXX")
    trap 'rm -rf --one-file-system "$folder"' EXIT
    mirror=$(package_sources | awk -v release="$VERSION_CODENAME" '$3 == release { print $2; exit }')
    chmod 755 "$folder"
    debootstrap --variant=minbase "$VERSION_CODENAME" "$folder" "$mirror"
    configure_machine "$folder"
    (start_machine "$folder" "$@")
    rm -r "$folder/usr/local/lib/apt"
    tar -C "$folder" -cf "$tar.new" .
    mv "$tar.new" "$tar"
)

# start_machine FOLDER SCRIPT ARGUMENTS...: becomes a bash script that begins with
# new_machine; it sees the machine in that folder, $MACHINE.  Whatever it starts
# ends with it, and all that with the shell that this was called in.
start_machine() {
    MACHINE=$1 OUTSIDE=/proc/$$/ns/net exec setpriv --pdeathsig KILL unshare "${SEPARATE[@]}" bash "${@:2}"
}

enter_machine() {
    touch "$MACHINE/run/outside"
    mount --bind "$OUTSIDE" "$MACHINE/run/outside"
    mount -t proc proc /proc
    mount -t proc proc "$MACHINE/proc"
    mount --rbind /dev "$MACHINE/dev"
    mount -t tmpfs -o mode=1777 tmpfs "$MACHINE/dev/shm"
    ip link set lo up
}

# on_machine USER NAME=VALUE... COMMAND...: in their home folder, with nothing of
# our own environment.
on_machine() {
    local user=$1
    shift
    chroot --userspec="$user" "$MACHINE" env -i USER="$user" HOME="$(home_on_machine "$user")" TERM=dumb \
        PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive "$@"
}

home_on_machine() {
    awk -F: -v user="$1" '$1 == user { print $6 }' "$MACHINE/etc/passwd"
}
