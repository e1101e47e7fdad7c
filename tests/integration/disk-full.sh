#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The disk below wcowd's root is full: the pull fails with that reason, nothing of it is left, what
# was there stays, and it works once there is room. The same for the disks below containerd's content and
# TMPDIR.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
parts_begin
WCOWD_ROOT=$PARTS/tiny/wcow
mkdir "$PARTS/tiny"
mount -t tmpfs -o size=8m,mode=0700 wcow-tiny "$PARTS/tiny"
content=$PARTS/root/io.containerd.content.v1.content
mkdir -p "$content"
mount -t tmpfs -o size=128m wcow-content "$content"
start_registry
start_wcowd
start_containerd "$WCOW_TEST_CONTAINERD"

one_folder() {
    [ "$(count_folders)" = 1 ] && [ "$(count_rows)" = 1 ]
}

make_image first:1 --components 10
check "the first image fits" pull "$(pull_way)" "$IMAGE"
first=$(chain_ids 1)
make_image second:1 --components 20
for way in $(pull_ways); do
    refused "$way: the second does not" '[Nn]o space|full' pull "$way" "$IMAGE"
    ctr images rm --sync "$IMAGE" >/dev/null 2>&1 || :
    eventually "$way: nothing of it is left" one_folder
done
check "the first is still there" snapshots info "$first"
equal "the database is sound" "$(sqlite3 "$WCOWD_ROOT/metadata.db" 'pragma integrity_check')" ok

mount -o remount,size=128m "$PARTS/tiny"
check "with room it works" pull "$(pull_way)" "$IMAGE"

# ---- the disk below containerd's content store is full while Diff writes to it
base=$(chain_ids 1)
scratch=$(snapshots prepare --mounts big "$base" | jq -r '.[0].Source')
mkdir -p "$scratch/Files"
head -c 24M /dev/urandom >"$scratch/Files/random.bin"
used=$(du -sm "$content" | cut -f1)
mount -o "remount,size=$((used + 8))m" "$content"
before=$(ctr content ls -q | sort)
refused "a layer that does not fit" '[Nn]o space|full' snapshots diff big
no_ingests() {
    [ "$(ctr content active | tail -n +2 | wc -l)" = 0 ]
}
eventually "no ingest of it is left" no_ingests
equal "no blob either" "$(ctr content ls -q | sort)" "$before"
equal "nor a note of it" "$(find "$WCOWD_ROOT/ingests" -type f | wc -l)" 0
mount -o remount,size=128m "$content"
check "with room it is written" sh -c '[ "$(ctr snapshots --snapshotter wcow diff big | wc -c)" -gt 24000000 ]'
snapshots rm big

# ---- the disk below TMPDIR is full while a context is unpacked
mkdir "$PARTS/small" "$PARTS/context"
mount -t tmpfs -o size=8m,mode=0700 wcow-small "$PARTS/small"
truncate -s 24M "$PARTS/context/zeros"
printf 'FROM scratch\nCOPY zeros C:/\n' >"$PARTS/context/Dockerfile"
tar czf "$PARTS/context.tgz" -C "$PARTS/context" .
from_archive() {
    TMPDIR=$PARTS/small XDG_CACHE_HOME=$PARTS/cache "$wcow" build --progress plain - <"$PARTS/context.tgz"
}
refused "a context that does not fit" "$PARTS/small/.* \\(set TMPDIR to another folder\\): No space left" from_archive
equal "nothing of it is left" "$(ls -A "$PARTS/small")" ''
mount -o remount,size=128m "$PARTS/small"
check "with room it is built" from_archive
forget_images
eventually "no folder is left in the end" no_folders
finish
