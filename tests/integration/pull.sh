#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Pulling Windows images on Linux by every way that ctr has, the snapshot commands of ctr, garbage
# collection, and Linux images beside it all.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
begin

plain_tar=application/vnd.oci.image.layer.v1.tar

# mounts_json COMMAND...: what `--mounts` printed, as one compact line.
mounts_json() {
    "$@" | jq -c .
}

# diff_id_of KEY: SHA-256 of the tar that `ctr snapshots diff` gives.
diff_id_of() {
    echo "sha256:$(snapshots diff --media-type $plain_tar "$1" | sha256sum | cut -d' ' -f1)"
}

pull_and_check() {
    local way=$1 top base
    check "$way: pull" pull "$way" "$IMAGE"
    base=$(chain_ids ltsc2022 | sed -n 1p)
    top=$(chain_ids ltsc2022 | tail -n 1)
    check "$way: the chain's snapshots are there" snapshots info "$top"
    equal "$way: the top is committed" "$(snapshots info "$top" | jq -r .Kind)" Committed
    equal "$way: its parent is the base" "$(snapshots info "$top" | jq -r .Parent)" "$base"
    equal "$way: as many folders as rows" "$(count_folders)" "$(count_rows)"
    equal "$way: the base leaves as it came" "$(diff_id_of "$base")" "$(diff_ids ltsc2022 | sed -n 1p)"
    equal "$way: the update leaves as it came" "$(diff_id_of "$top")" "$(diff_ids ltsc2022 | tail -n 1)"
    forget_images
    eventually "$way: no folder is left after rm and garbage collection" no_folders
}

make_image nanoserver:ltsc2022 --update
for way in $(pull_ways); do
    pull_and_check "$way"
done

for compression in zstd none; do
    make_image "nano-$compression:ltsc2022" --compression $compression
    check "$compression: pull" pull "$(pull_way)" "$IMAGE"
    equal "$compression: the layer leaves as it came" \
        "$(diff_id_of "$(chain_ids ltsc2022)")" "$(diff_ids ltsc2022)"
    forget_images
done

make_image versions:1 --os-version 10.0.20348.2340 --os-version 10.0.26100.1
for way in $(pull_ways); do
    check "$way: an index with two versions of Windows" pull "$way" "$IMAGE"
    forget_images
done

# ---- the snapshot commands on a pulled image
make_image nanoserver:ltsc2022 --update
pull "$(pull_way)" "$IMAGE" >/dev/null
base=$(chain_ids ltsc2022 | sed -n 1p)
top=$(chain_ids ltsc2022 | tail -n 1)
base_folder=$(folder_of "$base")
top_folder=$(folder_of "$top")

check "layer folders are below the root" test "$(dirname "$top_folder")" = "$WCOWD_ROOT/snapshots"
check "the base's folder holds its files" test -f "$base_folder/Files/Windows/System32/ntdll.dll"
check "and its index" test -f "$base_folder/layer.db"
check "hives of the update stand in its folder" test -f "$top_folder/Hives/System_Delta"
check "hard links are hard links" \
    test "$base_folder/Files/Windows/System32/ntdll.dll" -ef "$base_folder/Files/Windows/WinSxS/ntdll.dll"

got=$(mounts_json snapshots prepare --mounts my-test "$top")
scratch=$(jq -r '.[0].Source' <<<"$got")
equal "prepare gives one windows-layer mount, rw, nearest parent first" "$got" \
    "[{\"Type\":\"windows-layer\",\"Source\":\"$scratch\",\"Target\":\"\",\"Options\":[\"rw\",\"parentLayerPaths=[\\\"$top_folder\\\",\\\"$base_folder\\\"]\"]}]"
check "its source is a folder" test -d "$scratch"
# ctr protects what it prepares from garbage collection, but no views: one may be gone before it has its label.
for _ in 1 2 3 4 5; do
    got=$(mounts_json snapshots view --mounts my-view "$base")
    ! snapshots label my-view containerd.io/gc.root=test >/dev/null 2>&1 || break
done
equal "view gives the same, ro" "$got" \
    "[{\"Type\":\"windows-layer\",\"Source\":\"$(jq -r '.[0].Source' <<<"$got")\",\"Target\":\"\",\"Options\":[\"ro\",\"parentLayerPaths=[\\\"$base_folder\\\"]\"]}]"
got=$(mounts_json snapshots prepare --mounts my-root)
equal "without a parent there is no parentLayerPaths" "$got" \
    "[{\"Type\":\"windows-layer\",\"Source\":\"$(jq -r '.[0].Source' <<<"$got")\",\"Target\":\"\",\"Options\":[\"rw\"]}]"

check "ls lists them" grep -q my-test <(snapshots ls)
equal "ls lists all" "$(snapshots ls | tail -n +2 | wc -l)" 5
equal "an active one is active" "$(snapshots info my-test | jq -r .Kind)" Active
equal "a view is a view" "$(snapshots info my-view | jq -r .Kind)" View
check "tree" grep -q my-test <(snapshots tree)
check "usage of all" grep -q "$top" <(snapshots usage)
size=$(snapshots usage -b "$base" | awk 'NR == 2 {print $2}')
check "usage of the base is that of its files ($size)" test "$size" -gt 4000000

# ---- changes become a layer
mkdir -p "$scratch/Files/app"
echo hello >"$scratch/Files/app/hello.txt"
check "diff of a scratch layer" grep -q Files/app/hello.txt \
    <(snapshots diff --media-type $plain_tar my-test | tar -t 2>/dev/null)
check "commit" snapshots commit my-layer my-test
equal "a committed one is committed" "$(snapshots info my-layer | jq -r .Kind)" Committed
check "its files are there" test -f "$(folder_of my-layer)/Files/app/hello.txt"
refused "a used name is refused" "already exists" snapshots prepare my-layer "$base"
refused "an unknown parent is refused" "not found" snapshots prepare other sha256:none
refused "a parent that is not committed is refused" "" snapshots prepare other my-root
refused "a snapshot with children stays" "" snapshots rm "$base"
check "label" snapshots label my-layer colour=blue
equal "a label is kept" "$(snapshots info my-layer | jq -r .Labels.colour)" blue

check "rm of the layer" snapshots rm my-layer
check "rm of the view" snapshots rm my-view
check "rm of the root" snapshots rm my-root
equal "rm takes them away" "$(snapshots ls | tail -n +2 | wc -l)" 2

forget_images
eventually "no folder is left after rm" no_folders

# ---- unpack: the content stays, the snapshots are made again. ctr looks for its own platform in an
# index, so the tag names the manifest itself.
make_image single:1 --update --no-index
pull "$(pull_way)" "$IMAGE" >/dev/null
digest=$(jq -r .manifests[0].digest "$LAYOUT/index.json")
snapshots rm "$(chain_ids 1 | tail -n 1)"
snapshots rm "$(chain_ids 1 | sed -n 1p)" 2>/dev/null || : # garbage collection may be first
eventually "no folder is left after rm of the snapshots" no_folders
check "unpack" snapshots unpack --snapshotter wcow "$digest"
equal "unpacked as pulled" "$(diff_id_of "$(chain_ids 1 | tail -n 1)")" "$(diff_ids 1 | tail -n 1)"
forget_images
eventually "no folder is left in the end" no_folders
equal "and no row" "$(count_rows)" 0

# ---- Linux images go on as before
mkdir -p "$PARTS/linux/bin"
cp "$WCOW_BUILD/tests/hello" "$PARTS/linux/bin/hello"
tar -C "$PARTS/linux" --sort=name --owner=0 --group=0 --mtime=@0 -cf "$PARTS/linux.tar" bin
make_image linux:1 --os linux --layer "$PARTS/linux.tar" --cmd '["/bin/hello"]'
for way in $(pull_ways); do
    [ "$way" = local ] && flag=--local || flag=
    check "$way: a Linux image" ctr images pull ${flag:+$flag} --platform linux/amd64 --plain-http "$IMAGE"
    check "$way: it is in overlayfs" grep -q sha256 <(ctr snapshots ls)
    mkdir -p "$PARTS/mnt"
    check "$way: it can be mounted" ctr images mount --platform linux/amd64 "$IMAGE" "$PARTS/mnt"
    check "$way: with its file" cmp "$PARTS/mnt/bin/hello" "$WCOW_BUILD/tests/hello"
    ctr images unmount --rm "$PARTS/mnt" >/dev/null
    # Running it wants cgroups, and a / that is a mount, which a chroot's is not.
    if grep -q ' /sys/fs/cgroup' /proc/self/mounts && grep -q '^[^ ]* / ' /proc/self/mounts; then
        equal "$way: it runs" "$(ctr run --rm "$IMAGE" "hello-$way-$$" /bin/hello 2>&1)" "hello from Linux"
    fi
    forget_images
done
finish
