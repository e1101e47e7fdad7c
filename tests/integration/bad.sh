#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Bad and hostile images through the real path, registry to containerd to wcowd: each is refused by
# name, nothing is left behind, and what was pulled before stays.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
begin
tmp=$PARTS/tars
mkdir -p "$tmp"

nothing_left() {
    [ "$(count_folders)" = "$good_folders" ] && [ "$(count_rows)" = "$good_folders" ]
}

# bad NAME WANT TAR: an image of one layer TAR is refused with a message that matches WANT.
bad() {
    local name=$1 want=$2 tar=$3
    rm -rf "$PARTS/layouts/bad"
    make_image bad:1 --layer "$tar"
    refused_image "$name" "$want"
}

refused_image() {
    local name=$1 want=$2 way
    for way in $(pull_ways); do
        refused "$name ($way)" "$want" pull "$way" "$IMAGE"
        ctr images rm --sync "$IMAGE" >/dev/null 2>&1 || :
        eventually "$name ($way): nothing is left" nothing_left
    done
}

# layer COMMAND...: a plain tar made in an empty folder, its name in $LAYER.
n=0
layer() {
    n=$((n + 1))
    LAYER=$tmp/$n.tar
    rm -rf "$tmp/tree"
    mkdir -p "$tmp/tree/Files"
    (cd "$tmp/tree" && "$@" "$LAYER")
}

make_image good:ltsc2022 --components 10
pull "$(pull_way)" "$IMAGE" >/dev/null
good=$(chain_ids ltsc2022)
good_folders=$(count_folders)

# ---- bytes that are not what was promised
make_image wrong:1 --components 20
blob=$(find "$PARTS/layouts/wrong/blobs/sha256" -size +100k | sed -n 1p)
stored=$PARTS/registry/docker/registry/v2/blobs/sha256/$(basename "$blob" | cut -c1-2)/$(basename "$blob")/data
cp "$stored" "$tmp/stored"
printf 'X' | dd of="$stored" bs=1 seek=5000 conv=notrunc status=none
refused_image "a blob with another digest" "digest|checksum"
head -c 4000 "$tmp/stored" >"$stored"
refused_image "a blob that is too short" ""

# The blob is what its digest says, but it ends in the middle of the layer.
make_truncated() {
    local full=$tmp/full.tar.gz
    "$WCOW_BUILD/tests/mklayer" base 20 | gzip -n >"$full"
    head -c 5000 "$full" >"$tmp/truncated.gz"
}
make_truncated
LAYOUT=$PARTS/layouts/cut
"$wcow_source/scripts/mkimage" --out "$LAYOUT" --tag 1 --components 20
replace_layer() {
    local new=$1 index manifest old digest
    index=$(jq -r '.manifests[0].digest' "$LAYOUT/index.json")
    manifest=$(jq -r '.manifests[0].digest' "$LAYOUT/blobs/sha256/${index#sha256:}")
    old=$LAYOUT/blobs/sha256/${manifest#sha256:}
    digest=$(sha256sum "$new" | cut -d' ' -f1)
    cp "$new" "$LAYOUT/blobs/sha256/$digest"
    jq -c --arg d "sha256:$digest" --argjson s "$(stat -c %s "$new")" \
        '.layers[0].digest = $d | .layers[0].size = $s' "$old" >"$tmp/manifest"
    digest=$(sha256sum "$tmp/manifest" | cut -d' ' -f1)
    cp "$tmp/manifest" "$LAYOUT/blobs/sha256/$digest"
    jq -c --arg d "sha256:$digest" --argjson s "$(stat -c %s "$tmp/manifest")" \
        '.manifests[0].digest = $d | .manifests[0].size = $s' \
        "$LAYOUT/blobs/sha256/${index#sha256:}" >"$tmp/index"
    digest=$(sha256sum "$tmp/index" | cut -d' ' -f1)
    cp "$tmp/index" "$LAYOUT/blobs/sha256/$digest"
    jq -c --arg d "sha256:$digest" '.manifests[0].digest = $d' "$LAYOUT/index.json" >"$tmp/index.json"
    cp "$tmp/index.json" "$LAYOUT/index.json"
    push_layout "$LAYOUT" 1 cut
    export IMAGE=$REGISTRY/cut:1
}
replace_layer "$tmp/truncated.gz"
refused_image "a gzip stream that ends too early" "end|truncat|short|corrupt"
printf 'this is no gzip stream, nor a tar' >"$tmp/noise"
replace_layer "$tmp/noise"
refused_image "a layer that is no archive" ""
"$WCOW_BUILD/tests/mklayer" base 21 | gzip -n >"$tmp/other.gz"
replace_layer "$tmp/other.gz"
refused_image "a layer with another diff ID than the config says" "diff ?(id|ID)"

# ---- names that leave the layer
layer sh -c 'echo x >Files/a; tar -P --transform "s,^Files/a,Files/../../../escaped," -cf "$0" Files/a'
bad "a name with .." '\.\.' "$LAYER"
layer sh -c 'echo x >Files/a; tar -P --transform "s,^Files/a,/etc/wcow-escaped," -cf "$0" Files/a'
bad "an absolute name" 'etc' "$LAYER"
layer sh -c 'echo x >Files/a; tar -P --transform "s,^Files/a,Files/C:/a," -cf "$0" Files/a'
bad "a drive in a name" 'C:' "$LAYER"
layer sh -c 'echo x >"Files/a\\b"; tar -cf "$0" Files'
bad "a backslash in a name" 'a.*b' "$LAYER"
layer sh -c 'echo x >etc; tar -cf "$0" etc'
bad "a name outside Files, Hives and UtilityVM" 'etc' "$LAYER"
layer sh -c 'echo x >Files/con; tar -cf "$0" Files'
bad "a reserved device name" 'con' "$LAYER"
layer sh -c 'echo x >"Files/dot."; tar -cf "$0" Files'
bad "a name that ends in a dot" 'dot' "$LAYER"

# ---- links that leave it
layer sh -c 'ln -s /etc Files/link; mkdir Files/dir; echo x >Files/dir/passwd-wcow
    tar -cf "$0" Files/link; tar -rf "$0" --transform "s,^Files/dir,Files/link," Files/dir/passwd-wcow'
bad "a file through a symbolic link" 'link' "$LAYER"
check "nothing was written through it" test ! -e /etc/passwd-wcow
layer sh -c 'echo x >Files/a; ln Files/a Files/b
    tar -P --transform "flags=h;s,^Files/a,../../../../etc/passwd," -cf "$0" Files/a Files/b'
bad "a hard link out of the layer" 'passwd|link' "$LAYER"
layer sh -c 'echo x >Files/a; ln Files/a Files/b; tar -cf "$0.1" Files/a Files/b
    tar --delete -f "$0.1" Files/a; mv "$0.1" "$0"'
bad "a hard link to nothing" 'link|Files/a' "$LAYER"

# ---- names that are one name on NTFS
layer sh -c 'echo x >Files/Same; echo y >Files/sAME; tar -cf "$0" Files'
bad "names that differ in letter case alone" 'Same|sAME' "$LAYER"
layer sh -c 'echo x >Files/twice; tar -cf "$0" Files; tar -rf "$0" Files/twice'
bad "a name that stands twice" 'twice' "$LAYER"

layer sh -c 'echo x >Files/É; echo y >Files/é; tar -cf "$0" Files'
bad "names that NTFS folds together" 'letter case' "$LAYER"
layer sh -c 'echo x >Files/gone; : >Files/.wh.gone; tar -cf "$0" Files'
bad "a name and its whiteout" 'gone.*deletes' "$LAYER"
layer sh -c 'mkdir Hives; : >Hives/.wh.x; tar -cf "$0" Files Hives'
bad "a whiteout in Hives" 'Hives/.wh.x' "$LAYER"
layer sh -c 'echo x >Files/a:stream; tar -cf "$0" Files'
bad "a stream without its file" 'Files/a:stream.*right after' "$LAYER"

# ---- records that lie
record() {
    layer sh -c "echo x >Files/a; tar --format=pax --pax-option='$1' -cf \"\$0\" Files/a"
}
record 'MSWINDOWS.rawsd:=AQAA!!!!'
bad "a descriptor that is no base64" 'Files/a.*rawsd|rawsd.*Files/a' "$LAYER"
record 'MSWINDOWS.rawsd:=AAAAAAAAAAAAAAAAAAAAAAAAAAA='
bad "a descriptor that is none" 'Files/a.*rawsd|rawsd.*Files/a' "$LAYER"
record 'MSWINDOWS.fileattr:=many'
bad "attributes that are no number" 'Files/a.*fileattr|fileattr.*Files/a' "$LAYER"
record 'MSWINDOWS.xattr.EA:=%%%'
bad "an extended attribute that is no base64" 'Files/a.*EA|EA.*Files/a' "$LAYER"

# ---- what no Windows layer holds
layer sh -c 'mkfifo Files/pipe; tar -cf "$0" Files'
bad "a FIFO" 'pipe' "$LAYER"
layer sh -c 'mknod Files/device c 1 3; tar -cf "$0" Files'
bad "a device" 'device' "$LAYER"

# ---- headers that lie. raw_header NAME SIZE TYPE: one ustar block in $LAYER, padded to 4 KiB.
raw_header() {
    local sum
    n=$((n + 1))
    LAYER=$tmp/$n.tar
    {
        printf '%s' "$1"
        head -c $((100 - ${#1})) /dev/zero
        # \000, since \0 would take two of the digits that follow.
        printf '0000644\0000000000\0000000000\000%011o\00000000000000\000        %s' "$2" "$3"
        head -c 100 /dev/zero
        printf 'ustar\00000'
    } >"$LAYER"
    sum=$(od -An -v -tu1 "$LAYER" | awk '{for (i = 1; i <= NF; i++) s += $i} END {print s}')
    printf '%06o\000 ' "$sum" | dd of="$LAYER" bs=1 seek=148 conv=notrunc status=none
    truncate -s 4096 "$LAYER"
}
raw_header Files/huge $((1 << 30)) x
bad "a header of 1 GiB" 'huge|header|limit' "$LAYER"
raw_header Files/long $((1 << 30)) 0
bad "a file that ends before its size" 'long|end|truncat' "$LAYER"
printf 'garbage' | dd of="$LAYER" bs=1 seek=148 conv=notrunc status=none
bad "a header with a bad checksum" 'checksum|header|tar' "$LAYER"
layer sh -c 'echo x >Files/a; tar -cf "$0" --format=pax \
    --transform "s,^Files/a,Files/$(printf "d/%.0s" $(seq 3000))a," Files/a'
bad "a name of 3000 folders" 'Files/d' "$LAYER"
check "what was pulled before is untouched" snapshots info "$good"

# ---- limits
kill_wcowd
start_wcowd --layer-limits entries=30
eventually "wcowd is back" snapshots info "$good"
make_image many:1 --components 40
refused_image "more entries than allowed" '30|entries'
# with_limits LIST: wcowd starts anew.
with_limits() {
    kill_wcowd
    start_wcowd --layer-limits "$1"
    eventually "wcowd is back with $1" snapshots info "$good"
}
layer sh -c 'head -c 100M /dev/zero >Files/zeros; tar -cf "$0" Files'
zeros=$LAYER
with_limits ratio=100
bad "a bomb by ratio" 'more than 100-fold.*decompression bomb' "$zeros"
with_limits file=10M
bad "a bomb by the size of a file" 'Files/zeros.*limit' "$zeros"
with_limits bytes=20M
bad "a bomb by the size of the whole" 'limit of 20971520 bytes' "$zeros"
layer sh -c 'mkdir -p Files/1/2/3/4/5; tar -cf "$0" Files'
with_limits depth=4
bad "a bomb by depth" 'levels deep' "$LAYER"
kill_wcowd
start_wcowd
eventually "wcowd is back without limits" snapshots info "$good"

# ---- what Windows cannot import for want of a directory
layer sh -c 'mkdir Files/a; echo x >Files/a/b; tar -cf "$0" --no-recursion Files Files/a/b'
bad "a file without its directory" 'Files/a/b.*missing-parent' "$LAYER"
kill_wcowd
start_wcowd --missing-parents accept
eventually "wcowd is back and accepts it" snapshots info "$good"
make_image lax:1 --layer "$LAYER"
check "then it is pulled" pull "$(pull_way)" "$IMAGE"
ctr images rm --sync "$IMAGE" >/dev/null
eventually "and goes again" nothing_left
kill_wcowd
start_wcowd
eventually "wcowd is back as before" snapshots info "$good"

# ---- containerd is told, wcowd goes on
refused "an unknown parent" "not found" snapshots prepare a sha256:unknown
snapshots prepare used "$good" >/dev/null
refused "a used key" "already exists" snapshots prepare used "$good"
refused "an unknown snapshot" "not found" snapshots info nothing
snapshots rm used

forget_images
eventually "no folder is left in the end" no_folders
finish
