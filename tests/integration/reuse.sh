#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Diff of a layer that nobody changed: the very blob it came as where containerd still has it, else a
# new one of the same tar; never one that the folder does not bear out.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
begin

plain_tar=application/vnd.oci.image.layer.v1.tar

# The digests of the image's layer blobs, bottom first.
layer_blobs() {
    local manifest
    manifest=$(jq -r .manifests[0].digest "$LAYOUT/index.json")
    jq -r '.layers[].digest' "$LAYOUT/blobs/sha256/${manifest#sha256:}"
}

# digest_of KEY [MEDIA_TYPE]: of the blob that Diff gives.
digest_of() {
    echo "sha256:$(snapshots diff ${2:+--media-type $2} "$1" | sha256sum | cut -d' ' -f1)"
}

# diff_id_of KEY [MEDIA_TYPE]: of the tar in the gzip that Diff gives.
diff_id_of() {
    echo "sha256:$(snapshots diff "$1" | gzip -dc | sha256sum | cut -d' ' -f1)"
}

blobs() {
    ctr content ls -q | sort
}

make_image nanoserver:1 --update --no-index
pull "$(pull_way)" "$IMAGE" >/dev/null
base=$(chain_ids 1 | sed -n 1p)
top=$(chain_ids 1 | tail -n 1)
base_blob=$(layer_blobs | sed -n 1p)
top_blob=$(layer_blobs | tail -n 1)
before=$(blobs)

equal "the base leaves as the blob it came as" "$(digest_of "$base")" "$base_blob"
equal "so does the layer on it" "$(digest_of "$top")" "$top_blob"
equal "nothing new is in the content store" "$(blobs)" "$before"
equal "another compression is made" "$(digest_of "$base" $plain_tar)" "$(diff_ids 1 | sed -n 1p)"
check "the index says where the layer came from" \
    grep -qx "$base_blob|gzip" <(sqlite3 "$(folder_of "$base")/layer.db" 'SELECT blob, compression FROM origin')

# An index that was written before there was such a table.
sqlite3 "$(folder_of "$top")/layer.db" 'DROP TABLE origin'
equal "without a note of the blob the tar is the same" "$(diff_id_of "$top")" "$(diff_ids 1 | tail -n 1)"
check "and compressed by us" test "$(digest_of "$top")" != "$top_blob"

ctr content rm "$base_blob" >/dev/null
equal "without the blob the tar is the same" "$(diff_id_of "$base")" "$(diff_ids 1 | sed -n 1p)"
ours=$(digest_of "$base")
check "and compressed by us" test "$ours" != "$base_blob"

# A wcowd to which containerd's files are hidden reads and writes blobs in messages.
cat >"$PARTS/wcowd-apart" <<SCRIPT
#!/bin/bash
exec unshare -m --propagation private bash -c '
    mount -t tmpfs wcow-test "\$1" && shift && exec "\$@"' - "$PARTS/root/io.containerd.content.v1.content" "$WCOW_BUILD/wcowd" "\$@"
SCRIPT
chmod +x "$PARTS/wcowd-apart"
kill_wcowd
WCOWD_PROGRAM=$PARTS/wcowd-apart start_wcowd
ctr content rm "$ours" >/dev/null
equal "apart from containerd's files the same blob is made" "$(digest_of "$base")" "$ours"
forget_images
eventually "no folder is left" no_folders

pull "$(pull_way)" "$IMAGE" >/dev/null
printf x | dd of="$(folder_of "$base")/Files/Windows/System32/ntdll.dll" conv=notrunc bs=1 seek=100 2>/dev/null
refused "a folder that was changed behind its index" "no longer holds what was unpacked" snapshots diff "$base"
finish
