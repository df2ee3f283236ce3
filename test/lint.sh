#!/usr/bin/env bash
# lint.sh
#   Checks that need no server: layers, names, headers, format, warnings.
#   Prints TAP.  Run from the top of the source, after a build.
#
# needs: clang-format cppcheck shellcheck
set -uo pipefail

. test/lib/tap.sh

# Folders that files of a layer must not include: arrows only go down.
forbidden_above() {
    case $1 in
        http) echo 'spotify|store|sync|api' ;;
        spotify) echo 'store|sync|api' ;;
        store) echo 'http|sync|api|spotify/(client|exchange|token|failure)' ;;
        sync) echo 'api' ;;
    esac
}

layers() {
    local layer
    for layer in http spotify store sync; do
        grep -nE "#include \"($(forbidden_above "$layer"))[/.]" "src/$layer"/*.[ch]
    done
    return 0
}

curl_in_one_file() {
    grep -l 'curl/curl.h' -r src | grep -vx src/http/transport_curl.c
    grep -l '"postgres.h"' src/http/*
    return 0
}

# The list of plain C files in the Makefile, which the unit tests link.
plain_files() {
    sed -n '/^PLAIN_OBJS/,/^$/s/^\t\(.*\)\.o.*/\1.c/p' Makefile
}

plain_without_postgres() {
    # shellcheck disable=SC2046
    grep -l '"postgres.h"' $(plain_files)
    return 0
}

# A released script never changes: databases exist that were made by it.
released_scripts() {
    sha256sum --check --quiet sql/released.sha256 2>&1
    return 0
}

sql_only_in_store() {
    grep -nE '"(SELECT|INSERT|UPDATE|DELETE|WITH) ' -r src --include='*.[ch]' | grep -v '^src/store/'
    return 0
}

exported_names() {
    nm -D --defined-only "$("$PG_CONFIG" --pkglibdir)/spotify_etl.so" | awk '{print $3}' |
        grep -vE '^(spotify_|pg_finfo_spotify_|Pg_magic_func$|_PG_init$)'
    return 0
}

server_flags() {
    echo "-D_GNU_SOURCE -DSPOTIFY_ETL_VERSION=\"x\" -Isrc -isystem $("$PG_CONFIG" --includedir-server)"
}

headers_compile_alone() {
    local header first
    for header in src/*.h src/*/*.h; do
        # A header of a plain file must do without postgres.h; its own .c tells.
        first='#include "postgres.h"'
        if plain_files | grep -qx "${header%.h}.c"; then first=; fi
        # shellcheck disable=SC2046
        printf '%s\n#include "%s"\n' "$first" "${header#src/}" |
            cc -fsyntax-only -Wall -x c $(server_flags) - || echo "$header does not compile alone"
    done
}

warnings() {
    local file
    for file in src/*.c src/*/*.c; do
        # shellcheck disable=SC2046
        "$1" -fsyntax-only -O1 -Wall -Wextra -Wno-unused-parameter -Wmissing-prototypes \
            $(server_flags) "$file"
    done
}

formatted() {
    clang-format --dry-run -Werror src/*.[ch] src/*/*.[ch] test/unit/*.[ch] test/fuzz/*.c
}

# clang-format 14 reads only a bare "clang-format off", and formats on else.
unread_switches() {
    grep -rnE 'clang-format (on|off):' src test/unit test/fuzz
    return 0
}

cppcheck_plain() {
    # shellcheck disable=SC2046
    cppcheck --quiet --enable=warning,portability --inline-suppr --error-exitcode=1 \
        -Isrc --suppress=missingIncludeSystem --suppress=normalCheckLevelMaxBranches \
        $(plain_files)
}

shell_scripts() {
    shellcheck -x -S warning -e SC1090,SC1091,SC2153 test/*.sh test/*/*.sh .ci/run
}

orphaned_answers() {
    local answer
    shopt -s nullglob
    for answer in expected/*; do
        [ -e "test/sql/$(basename "$answer" .out).sql" ] || echo "$answer has no test"
    done
}

top_level() {
    find . -mindepth 1 -maxdepth 1 -printf '%f\n' |
        grep -vxE 'src|sql|doc|expected|test|examples|spotify_etl\.control|Makefile|README\.md|LICENSE|CHANGELOG\.md|META\.json|\.ci|\.clang-format|\.editorconfig|\.gitignore|\.git|spotify_etl\.so'
    return 0
}

same_version() {
    local version
    version=$(sed -n "s/^default_version *= *'\(.*\)'/\1/p" spotify_etl.control)
    [ -e "sql/spotify_etl--$version.sql" ] || echo "sql/spotify_etl--$version.sql is missing"
    grep -q "\"version\": \"$version\.0\"" META.json || echo "META.json has another version"
}

check 'arrows between layers only go down' layers
check 'only transport_curl.c includes curl.h, and http/ no postgres.h' curl_in_one_file
check 'plain C files do without postgres.h' plain_without_postgres
check 'SQL text is only in src/store' sql_only_in_store
check 'exported names start with spotify_' exported_names
check 'headers compile alone' headers_compile_alone
check 'gcc has no warning' warnings gcc
clang=$(command -v clang || compgen -c clang- | grep -xE 'clang-[0-9]+' | head -n 1)
if [ -n "$clang" ]; then
    check 'clang has no warning' warnings "$clang"
else
    skip 'clang has no warning' 'clang is not installed'
fi
# Other versions of clang-format have other opinions.
if clang-format --version 2>/dev/null | grep -q 'version 14\.'; then
    check 'C code is formatted' formatted
else
    skip 'C code is formatted' 'clang-format 14 is not installed'
fi
check 'switches for clang-format stand alone' unread_switches
check 'cppcheck finds nothing in plain C' cppcheck_plain
check 'shellcheck finds nothing' shell_scripts
check 'each expected answer has a test' orphaned_answers
check 'nothing unexpected at the top level' top_level
check 'the version is the same everywhere' same_version
check 'the scripts that were released are as they were' released_scripts
end_tests
