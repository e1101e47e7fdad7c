# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# For the tests of RUN under Wine: builds, and what is in the layers that they make. Sourced after lib.sh:
#
#   begin_run            # parts, a base image, Wine set up, wcow.conf with executor = wine
#   says "what is true" 'a regular expression of the output' [BUILD OPTION...]
#
# Needs Wine (wine64) and a wcow built with mingw-w64: fails where they are missing, unless
# WCOW_TEST_NO_WINE says that this machine is not to have them.
# shellcheck disable=SC2154 # wcow is lib.sh's

begin_parts() {
    if [ -n "${WCOW_TEST_NO_WINE:-}" ]; then
        echo "skipped: WCOW_TEST_NO_WINE is set"
        exit 77
    fi
    [ -x /usr/lib/wine/wine64 ] || [ -x /usr/lib/wine/wine ] ||
        parts_die "no Wine: apt-get install --no-install-recommends wine64 (or set WCOW_TEST_NO_WINE)"
    [ -f "$WCOW_BUILD/wcow-launch.exe" ] || parts_die "no wcow-launch.exe in $WCOW_BUILD: install mingw-w64 and build again"
    begin_builds
    conf=$PARTS/config/wcow/wcow.conf
    mkdir -p "$PARTS/config/wcow"
    make_image nanoserver:ltsc2022
}

begin_run() {
    begin_parts
    check "Wine is set up" "$wcow" executor install wine
    printf 'executor = wine\n' >"$conf"
}

# says NAME WANT [OPTION...]: the build's output has the extended regular expression in it.
says() {
    local name=$1 want=$2
    shift 2
    checks=$((checks + 1))
    if ! build "$@" >"$PARTS/said" 2>&1; then
        fail "$name" "the build failed:" "$(tail -n 12 "$PARTS/said")"
    elif ! tr -d '\r' <"$PARTS/said" | grep -E -- "$want" >/dev/null; then
        fail "$name" "want: $want" "$(grep -E '^#[5-9]|^#1' "$PARTS/said" | tail -n 12)"
    else
        passed "$name"
    fi
}

# said NAME WANT: the output of the last build has it, too.
said() {
    checks=$((checks + 1))
    if tr -d '\r' <"$PARTS/said" | grep -E -- "$2" >/dev/null; then
        passed "$1"
    else
        fail "$1" "want: $2" "$(grep -E '^#[5-9]|^#1' "$PARTS/said" | tail -n 12)"
    fi
}

# fetch NAME: the image's layers and config into $PARTS/NAME, from an OCI archive of the last build.
fetch() {
    rm -rf "${PARTS:?}/$1"
    mkdir "$PARTS/$1"
    build -t "$1:1" --output "type=oci,dest=$PARTS/$1.tar" >"$PARTS/said" 2>&1 || cat "$PARTS/said"
    tar -xf "$PARTS/$1.tar" -C "$PARTS/$1"
    layout=$PARTS/$1
    manifest=$layout/blobs/sha256/$(jq -r '.manifests[0].digest' "$layout/index.json" | cut -d: -f2)
}

# layer N: the tar of the last fetched image's layer, -1 the uppermost.
layer() {
    local digest
    digest=$(jq -r ".layers[$1].digest" "$manifest")
    gzip -dc "$layout/blobs/sha256/${digest#sha256:}"
}

# names N: of its entries but the hives.
names() {
    layer "$1" | tar -tf - 2>/dev/null | grep -v '^Hives' | LC_ALL=C sort | tr '\n' ' ' | sed 's/ $//'
}

# file_of N PATH: its text.
file_of() {
    layer "$1" | tar -xOf - "$2" 2>/dev/null | tr -d '\r'
}

# hive_of N PATH: a hive, into $PARTS/hive.
hive_of() {
    layer "$1" | tar -xOf - "$2" 2>/dev/null >"$PARTS/hive"
}

# Nothing of any RUN: no task, container, shim, control group, folder, snapshot, lease or mount.
nothing_runs() {
    [ -z "$(ctr tasks ls -q)" ] && [ -z "$(ctr containers ls -q)" ] && ! grep -lq "shim.*$PARTS/" /proc/[0-9]*/cmdline 2>/dev/null &&
        [ -z "$(ls "$WCOWD_ROOT/executors/wine/runs")" ] && ! snapshots ls | grep 'wcow-build' >/dev/null &&
        ! ctr leases ls -q | grep -v '^wcow-build-cache$' >/dev/null &&
        ! grep -q "$PARTS.*overlay\|overlay.*$PARTS\| $PARTS/state/" /proc/self/mounts && no_cgroups
}

# note_tasks: which tasks run now; no_cgroups: those have none any more.
noted=''
note_tasks() {
    noted=$(ctr tasks ls -q)
    [ -n "$noted" ] && ctr tasks ls | grep RUNNING >/dev/null
}
no_cgroups() {
    local id
    for id in $noted; do
        [ -z "$(find /sys/fs/cgroup -type d -name "$id" -print -quit 2>/dev/null)" ] || return 1
    done
}
