#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Diff through the real path: changes become the layer that Windows would have made, a fixed date
# gives fixed bytes, and whatever interrupts it leaves nothing in the content store.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
begin

plain_tar=application/vnd.oci.image.layer.v1.tar
make_image nanoserver:ltsc2022 --components 30
pull "$(pull_way)" "$IMAGE" >/dev/null
base=$(chain_ids ltsc2022)
base_folder=$(folder_of "$base")

# prepared KEY: a new scratch layer over the base; its folder in $SCRATCH.
prepared() {
    SCRATCH=$(snapshots prepare --mounts "$1" "$base" | jq -r '.[0].Source')
    mkdir -p "$SCRATCH/Files"
}

no_ingests() {
    [ "$(ctr content active | tail -n +2 | wc -l)" = 0 ]
}

# Leases of wcowd's own; those of blobs that were written stay for their hour.
leases() {
    ctr leases ls -q | sed -n '/^wcow-diff-/p' | sort
}
no_leases() {
    [ "$(leases)" = "$leases_before" ]
}

blobs() {
    ctr content ls -q | sort
}

names_of() {
    ctr content get "$1" | tar -tf - 2>/dev/null
}

# diff_call EPOCH [LABEL=VALUE...]: of $SCRATCH against the base, straight to wcowd.
diff_call() {
    "$WCOW_BUILD/tests/diffcall" "$WCOWD_SOCKET" default "$base_folder" "$SCRATCH" "$base_folder" "$@"
}

# ---- a fixed date
prepared dated
mkdir "$SCRATCH/Files/app"
echo hello >"$SCRATCH/Files/app/hello.txt"
first=$(diff_call 1600000000)
touch -d '2026-01-01' "$SCRATCH/Files/app/hello.txt" "$SCRATCH/Files/app"
equal "SOURCE_DATE_EPOCH: the same bytes whenever the files were written" "$(diff_call 1600000000)" "$first"
check "without it the files' own times count" test "$(diff_call '')" != "$first"
records=$(ctr content get "$first" | strings | grep -A3 'creationtime=' | grep -c '=1600000000$' || :)
check "all times are the date given ($records records)" test "$records" -ge 4
late=$(ctr content get "$first" | strings | sed -n 's/.*[a-z]*time=\([0-9]*\).*/\1/p' | awk '$1 > 1600000000' | wc -l)
equal "none is later" "$late" 0
refused "a date that no file can have" "1601" diff_call 999999999999999
equal "the blob says what is in it" "$(ctr content ls | grep -c "$first.*containerd.io/uncompressed=$first")" 1

# ---- who owns what is new
owned=$(diff_call 1600000000 containerd.io/diff/wcow.owner=S-1-5-93-2-1 colour=blue)
check "an owner makes another layer" test "$owned" != "$first"
equal "labels for the blob are kept, the others are not" \
    "$(ctr content ls | grep "$owned" | grep -c 'colour=blue')$(ctr content ls | grep -c 'wcow.owner')" 10
refused "an owner that is no SID" "wcow.owner" diff_call '' containerd.io/diff/wcow.owner=nobody
snapshots rm dated

# ---- Windows has no such file: refused by name, nothing stays
refused_diff() {
    local name=$1 want=$2 before
    before=$(blobs)
    refused "$name" "$want" snapshots diff --media-type $plain_tar bad
    eventually "$name: no ingest is left" no_ingests
    equal "$name: no blob is left" "$(blobs)" "$before"
    snapshots rm bad
}
prepared bad
touch "$SCRATCH/Files/ends in a dot."
refused_diff "a name that ends in a dot" "ends in a dot"
prepared bad
touch "$SCRATCH/Files/twin" "$SCRATCH/Files/TWIN"
refused_diff "two names that are one to Windows" "twin.*TWIN|TWIN.*twin"
prepared bad
mkfifo "$SCRATCH/Files/pipe"
refused_diff "a pipe" "pipe"
prepared bad
refused "another media type" "not implemented|unimplemented|media type" \
    snapshots diff --media-type application/x-other bad
snapshots rm bad

# ---- overlayfs above it, with renames
prepared over
mkdir "$PARTS/work" "$PARTS/merged"
mount -t overlay -o "lowerdir=$base_folder/Files,upperdir=$SCRATCH/Files,workdir=$PARTS/work,redirect_dir=on,metacopy=off,index=off" \
    wcow-test "$PARTS/merged"
rm "$PARTS/merged/Windows/System32/ntdll.dll"
mv "$PARTS/merged/Windows/WinSxS" "$PARTS/merged/Windows/Renamed"
umount "$PARTS/merged"
blob=$(snapshots diff --media-type $plain_tar over | sha256sum | cut -d' ' -f1)
names=$(names_of "sha256:$blob")
check "a deleted file is a whiteout" grep -qx 'Files/Windows/System32/.wh.ntdll.dll' <<<"$names"
check "a renamed directory is gone from where it was" grep -qx 'Files/Windows/.wh.WinSxS' <<<"$names"
check "and is where it is now" grep -q '^Files/Windows/Renamed/.*dll' <<<"$names"
check "nothing else of System32" test "$(grep -c '^Files/Windows/System32/' <<<"$names")" = 1
snapshots rm over

# ---- interrupted: a layer that takes minutes, as it is large, and little room, as it is zeros
prepared big
mkdir "$SCRATCH/Files/big"
head -c 64M /dev/urandom >"$SCRATCH/Files/big/random.bin"
truncate -s 200G "$SCRATCH/Files/big/zeros.bin"
before=$(blobs)
leases_before=$(leases)
writes() {
    ! no_ingests
}

ctr snapshots --snapshotter wcow diff big >/dev/null 2>&1 &
diffing=$!
eventually "ctr killed: it was at work" writes
kill -KILL $diffing
wait $diffing 2>/dev/null || :
eventually "ctr killed: no ingest is left" no_ingests
eventually "ctr killed: nor a lease" no_leases
equal "ctr killed: no blob is left" "$(blobs)" "$before"
refused "a deadline" "deadline|DeadlineExceeded" ctr --timeout 2s snapshots --snapshotter wcow diff big
eventually "a deadline: no ingest is left" no_ingests
eventually "a deadline: nor a lease" no_leases
equal "a deadline: no blob is left" "$(blobs)" "$before"

for delay in 0 0.4; do
    (snapshots diff big >/dev/null 2>&1 || :) &
    diffing=$!
    eventually "wcowd killed after $delay s: it was at work" writes
    sleep $delay
    kill_wcowd
    wait $diffing || :
    equal "wcowd killed after $delay s: no blob is left" "$(blobs)" "$before"
    start_wcowd
    eventually "wcowd killed after $delay s: it answers again" snapshots info big
    eventually "wcowd killed after $delay s: the next one takes the ingest away" no_ingests
    eventually "wcowd killed after $delay s: and its lease" no_leases
done
rm "$SCRATCH/Files/big/zeros.bin"
check "after all that Diff works" sh -c '[ "$(ctr snapshots --snapshotter wcow diff big | wc -c)" -gt 67000000 ]'
snapshots rm big
finish
