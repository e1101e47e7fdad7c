#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Each combination of mounts that Apply and Diff may be called with, and the status that containerd's own
# Windows differ gives for it: UNIMPLEMENTED sends containerd on to its next differ, INVALID_ARGUMENT does not.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
begin

tar=application/vnd.oci.image.layer.v1.tar
make_image nanoserver:ltsc2022 --components 10 --update
pull "$(pull_way)" "$IMAGE" >/dev/null
base_key=$(chain_ids ltsc2022 | sed -n 1p)
top_key=$(chain_ids ltsc2022 | tail -n 1)
base=$(folder_of "$base_key")
top=$(folder_of "$top_key")
scratch=$(snapshots prepare --mounts scratch "$top_key" | jq -r '.[0].Source')
mkdir -p "$scratch/Files"
echo new >"$scratch/Files/new.txt"
root=$(snapshots prepare --mounts root | jq -r '.[0].Source')
echo new >"$root/Files/new.txt"

parents() {
    jq -cn '"parentLayerPaths=" + ($ARGS.positional | tojson)' --args "$@" | jq -r .
}
layer() {
    local mode=$1 source=$2
    shift 2
    printf 'windows-layer|%s|%s' "$source" "$mode"
    [ $# -eq 0 ] || printf '|%s' "$(parents "$@")"
}
call() {
    "$WCOW_BUILD/tests/mountcall" "$WCOWD_SOCKET" default "$@"
}
diff_of() {
    call diff "$tar" "" "$@"
}

# ---- Diff: what may be compared
lower=$(layer ro "$scratch-view" "$top" "$base")
check "a scratch layer on a view of its parent" diff_of "$lower" -- "$(layer rw "$scratch" "$top" "$base")"
check "on the parent itself, writable" diff_of "$(layer rw "$top" "$base")" -- "$(layer rw "$scratch" "$top" "$base")"
equal "a view on a view of its parent gives the layer as it came" \
    "$(diff_of "$(layer ro /x "$base")" -- "$(layer ro /y "$top" "$base")")" "$(diff_ids ltsc2022 | tail -n 1)"
equal "a base layer on an empty view" "$(diff_of "$(layer ro /x)" -- "$(layer rw "$base")")" "$(diff_ids ltsc2022 | sed -n 1p)"
equal "a view of a base layer on an empty view" "$(diff_of "$(layer ro /x)" -- "$(layer ro /y "$base")")" \
    "$(diff_ids ltsc2022 | sed -n 1p)"
check "a new root on an empty view" diff_of "$(layer ro /x)" -- "$(layer rw "$root")"
check "twice under one ref" call diff "$tar" my-ref "$lower" -- "$(layer rw "$scratch" "$top" "$base")"
check "and again" call diff "$tar" my-ref "$lower" -- "$(layer rw "$scratch" "$top" "$base")"
for media in "" $tar $tar+gzip $tar+zstd; do
    check "media type \"$media\"" call diff "$media" "" "$lower" -- "$(layer rw "$scratch" "$top" "$base")"
done

# ---- Diff: what may not
up=$(layer rw "$scratch" "$top" "$base")
invalid='^INVALID_ARGUMENT: '
unimplemented='^UNIMPLEMENTED: '
refused "an upper side of another type" "$unimplemented.*overlay" diff_of "$lower" -- "overlay|overlay|lowerdir=/x"
refused "both of another type" "$unimplemented" diff_of "bind|/x|ro" -- "bind|/y|rw"
refused "CimFS" "$unimplemented.*CimFS" diff_of "CimFS|/x|ro" -- "CimFS|/y|rw"
refused "a lower side of another type" "$invalid.*overlay" diff_of "overlay|overlay|lowerdir=/x" -- "$up"
refused "no upper mount" "$invalid.*always be 1" diff_of "$lower" --
refused "two upper mounts" "$invalid.*always be 1" diff_of "$lower" -- "$up" "$up"
refused "no lower mount" "$invalid.*always be 1" diff_of -- "$up"
refused "two lower mounts" "$invalid.*always be 1" diff_of "$lower" "$lower" -- "$up"
refused "a layer with parents on nothing" "$invalid.*null layer" diff_of "$(layer ro /x)" -- "$up"
refused "a layer without parents on another" "$invalid.*no parents" diff_of "$lower" -- "$(layer rw "$root")"
refused "a layer on another than its parent" "$invalid.*other than its own parent" diff_of "$(layer ro /x "$base")" -- "$up"
refused "a layer on its parent with other parents" "$invalid.*different parents" diff_of "$(layer rw "$top" /other)" -- "$up"
refused "a layer on its parent without its parents" "$invalid.*different parents" diff_of "$(layer rw "$top")" -- "$up"
refused "nothing on nothing" "$invalid" diff_of "$(layer ro /x)" -- "$(layer ro /y)"
refused "parents that are no JSON" "$invalid.*parentLayerPaths" diff_of "$lower" -- "windows-layer|$scratch|rw|parentLayerPaths=$top"
for media in application/vnd.docker.image.rootfs.diff.tar.gzip application/x-other; do
    refused "media type $media" "$unimplemented.*media type" call diff "$media" "" "$lower" -- "$up"
done
refused "a folder that is not there" "^NOT_FOUND|^FAILED_PRECONDITION|$invalid" diff_of "$(layer ro /x)" -- "$(layer rw /nowhere/at/all)"

# ---- Apply
manifest=$(ctr images ls "name==$IMAGE" | awk 'NR == 2 {print $3}')
for _ in 1 2; do # an index first, maybe
    next=$(ctr content get "$manifest" | jq -r '.manifests[0].digest // empty')
    [ -z "$next" ] || manifest=$next
done
digest=$(ctr content get "$manifest" | jq -r '.layers[0].digest')
size=$(ctr content get "$manifest" | jq -r '.layers[0].size')
media=$(ctr content get "$manifest" | jq -r '.layers[0].mediaType')
apply_to() {
    call apply "$media" "$digest" "$size" "$@"
}
target=$(snapshots prepare --mounts target | jq -r '.[0].Source')
refused "Apply: no mount" "$invalid.*always be 1" apply_to
refused "Apply: two mounts" "$invalid.*always be 1" apply_to "$(layer rw "$target")" "$(layer rw "$target")"
refused "Apply: another type" "$unimplemented.*overlay" apply_to "overlay|overlay|lowerdir=/x"
refused "Apply: read-only" "$invalid.*read-only" apply_to "$(layer ro "$target")"
refused "Apply: read-only with parents" "$invalid.*read-only" apply_to "$(layer ro "$target" "$base")"
for foreign in application/octet-stream application/vnd.oci.image.layer.v1.tar+encrypted application/vnd.oci.image.config.v1+json; do
    refused "Apply: media type $foreign" "$unimplemented.*is no layer tar" call apply "$foreign" "$digest" "$size" "$(layer rw "$target")"
done
refused "Apply: a digest that is none" "$invalid.*digest" call apply "$media" sha256:abc "$size" "$(layer rw "$target")"
refused "Apply: a blob that is not there" "^NOT_FOUND: " call apply "$media" "sha256:$(printf x | sha256sum | cut -d' ' -f1)" 1 "$(layer rw "$target")"
refused "Apply: another size" "^FAILED_PRECONDITION: " call apply "$media" "$digest" $((size + 1)) "$(layer rw "$target")"
refused "Apply: a wrong compression" "$invalid" call apply $tar+zstd "$digest" "$size" "$(layer rw "$target")"
refused "Apply: onto a layer" "^FAILED_PRECONDITION: .*holds a layer already" apply_to "$(layer rw "$base")"
refused "Apply: onto files" "^FAILED_PRECONDITION: .*not empty" apply_to "$(layer rw "$root")"
equal "after all that nothing is in it" "$(find "$target" -mindepth 1 ! -name Files | wc -l)" 0
equal "and it takes the layer" "$(apply_to "$(layer rw "$target")")" "$(diff_ids ltsc2022 | sed -n 1p)"
finish
