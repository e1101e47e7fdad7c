#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Layers unpacked side by side (containerd 2.2 and later, the "rebase" capability): each is prepared
# without a parent and gets it at Commit; the layers are those of an image unpacked in order.
# WCOW_CONTAINERDS names a folder with 1.7 and 2.x in it, as scripts/fetch-containerd makes build/containerd.
source "$(dirname "${BASH_SOURCE[0]}")/../integration/lib.sh"
containerds=${WCOW_CONTAINERDS:-$wcow_source/build/containerd}
version=$("$containerds/$WCOW_TEST_CONTAINERD/usr/bin/containerd" --version | grep -oE '[0-9]+\.[0-9]+\.[0-9]+' | head -n 1)
if [ "$(printf '%s\n' "$version" 2.2.0 | sort -V | head -n 1)" != 2.2.0 ]; then
    echo "containerd $version unpacks in order: WCOW_CONTAINERDS is to name 2.2 or later" >&2
    exit 1
fi
# The two lines that turn it on, as docs/operating.md has them.
eval "$(declare -f containerd_config | sed '1s/containerd_config/containerd_config_in_order/')"
containerd_config() {
    containerd_config_in_order "$1" | sed 's/^  # capabilities/  capabilities/'
    printf '\n[plugins."io.containerd.transfer.v1.local"]\n  max_concurrent_unpacks = 4\n'
}
begin
"$WCOW_BUILD/tests/mklayer" base 300 >"$PARTS/base.tar"
"$WCOW_BUILD/tests/mklayer" update >"$PARTS/update.tar"
mkdir -p "$PARTS/third/Files"
echo third >"$PARTS/third/Files/third.txt"
tar -C "$PARTS/third" -cf "$PARTS/third.tar" Files
make_image three:1 --layer "$PARTS/base.tar" --layer "$PARTS/update.tar" --layer "$PARTS/third.tar"
check "an image is pulled" pull transfer "$IMAGE"

parent=''
while read -r chain diff; do
    equal "$chain stands on the one below" "$(snapshots info "$chain" | jq -r '.Parent // ""')" "$parent"
    equal "... and leaves as it came" \
        "sha256:$(snapshots diff --media-type application/vnd.oci.image.layer.v1.tar "$chain" | sha256sum | cut -d' ' -f1)" "$diff"
    parent=$chain
done < <(paste -d' ' <(chain_ids 1) <(diff_ids 1))
snapshots prepare --mounts box "$parent" >"$PARTS/mounts"
equal "a container has all three below it" \
    "$(jq -r '.[0].Options[1]' "$PARTS/mounts" | sed 's/^parentLayerPaths=//' | jq length)" 3
# All three were there before the first was committed.
order=$(grep -o 'Snapshots/Prepare\|Snapshots/Commit' "$PARTS/wcowd.log" | head -n 4 | paste -sd' ')
equal "they were prepared side by side" "$order" "Snapshots/Prepare Snapshots/Prepare Snapshots/Prepare Snapshots/Commit"
snapshots rm box
forget_images
eventually "no folder is left in the end" no_folders
finish
