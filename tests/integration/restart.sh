#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# wcowd is killed while images are pulled, again and again: no committed snapshot is lost, no folder
# is left without its row, and the next pull goes on.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
begin
rounds=${WCOW_TEST_ROUNDS:-8}

# Every snapshot that containerd calls committed answers, with its folder.
committed_are_whole() {
    local list key kind
    list=$(snapshots ls) || return 1
    while read -r key _ kind; do
        [ "$kind" = Committed ] || continue
        snapshots info "$key" >/dev/null || return 1
        [ -f "$(folder_of "$key")/layer.db" ] || return 1
    done < <(tail -n +2 <<<"$list" | awk '{print $1, $2, $NF}')
}

folders_have_rows() {
    [ "$(count_folders)" = "$(count_rows)" ]
}

make_image small:ltsc2022 --components 10
pull "$(pull_way)" "$IMAGE" >/dev/null
small=$(chain_ids ltsc2022)
small_diff=$(diff_ids ltsc2022)

make_image nanoserver:ltsc2022 --components 1500 --update
top=$(chain_ids ltsc2022 | tail -n 1)
top_diff=$(diff_ids ltsc2022 | tail -n 1)
for ((round = 1; round <= rounds; round++)); do
    pull "$(pull_way)" "$IMAGE" >"$PARTS/pull.log" 2>&1 &
    pulling=$!
    sleep "0.$((RANDOM % 90 + 10))"
    kill_wcowd
    wait $pulling || :
    start_wcowd
    eventually "round $round: containerd finds it again" snapshots info "$small"
    eventually "round $round: as many folders as rows after the restart" folders_have_rows
    eventually "round $round: what was committed is whole" committed_are_whole
    equal "round $round: what was pulled before is there" "$(snapshots info "$small" | jq -r .Kind)" Committed
    equal "round $round: the database is sound" "$(sqlite3 "$WCOWD_ROOT/metadata.db" 'pragma integrity_check')" ok
    ctr images rm --sync "$IMAGE" >/dev/null 2>&1 || :
done

check "the pull succeeds in the end" pull "$(pull_way)" "$IMAGE"
equal "and its layer is the whole one" \
    "sha256:$(snapshots diff --media-type application/vnd.oci.image.layer.v1.tar "$top" | sha256sum | cut -d' ' -f1)" "$top_diff"
equal "the one from before leaves as it came" \
    "sha256:$(snapshots diff --media-type application/vnd.oci.image.layer.v1.tar "$small" | sha256sum | cut -d' ' -f1)" "$small_diff"

# ---- a scratch that was in use stays, with what is in it
scratch=$(snapshots prepare --mounts kept "$top" | jq -r '.[0].Source')
echo kept >"$scratch/Files/kept.txt" 2>/dev/null || { mkdir -p "$scratch/Files" && echo kept >"$scratch/Files/kept.txt"; }
kill_wcowd
refused "without wcowd there is an error, not a hang" "" timeout 20 ctr --timeout 5s snapshots --snapshotter wcow info kept
start_wcowd
eventually "an active snapshot survives" snapshots info kept
equal "its mount is the same" "$(snapshots mounts /x kept | awk '{print $4}')" "$scratch"
equal "with what was in it" "$(cat "$scratch/Files/kept.txt")" kept
snapshots rm kept
forget_images
eventually "no folder is left in the end" no_folders

# ---- a second wcowd on the same root or socket is refused and harms nothing
refused "a second wcowd on the root" "" timeout 10 "$WCOW_BUILD/wcowd" --config "$PARTS/wcowd.conf" \
    --root "$WCOWD_ROOT" --address "$PARTS/second.sock" --containerd-address "$CONTAINERD_ADDRESS"
refused "a second wcowd on the socket" "" timeout 10 "$WCOW_BUILD/wcowd" --config "$PARTS/wcowd.conf" \
    --root "$PARTS/second" --address "$WCOWD_SOCKET" --containerd-address "$CONTAINERD_ADDRESS"
check "the first one still answers" snapshots ls

# ---- SIGTERM: a clean end within the limit
kill -TERM "$WCOWD_PID"
for ((i = 0; i < 100; i++)); do
    kill -0 "$WCOWD_PID" 2>/dev/null || break
    sleep 0.1
done
if wait "$WCOWD_PID"; then code=0; else code=$?; fi
equal "SIGTERM ends it with 0" "$code" 0
finish
