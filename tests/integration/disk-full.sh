#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The disk below wcowd's root is full: the pull fails with that reason, nothing of it is left, what
# was there stays, and it works once there is room.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
parts_begin
WCOWD_ROOT=$PARTS/tiny/wcow
mkdir "$PARTS/tiny"
mount -t tmpfs -o size=8m,mode=0700 wcow-tiny "$PARTS/tiny"
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

mount -o remount,size=64m "$PARTS/tiny"
check "with room it works" pull "$(pull_way)" "$IMAGE"
forget_images
eventually "no folder is left in the end" no_folders
finish
