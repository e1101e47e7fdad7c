#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A second containerd on one wcowd: refused, with the reason; its garbage collection takes nothing
# of the first one's. Handed over with --adopt it is the owner.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
parts_begin
start_wcowd
start_containerd "$WCOW_TEST_CONTAINERD"
first=$CONTAINERD_ADDRESS
second=$PARTS/second/containerd.sock

start_second() {
    mkdir -p "$PARTS/second"
    sed -e "s#$PARTS/containerd.sock#$second#" -e "s#\"$PARTS/root\"#\"$PARTS/second/root\"#" \
        -e "s#\"$PARTS/state\"#\"$PARTS/second/state\"#" -e "s#$PARTS/containerd.sock.ttrpc#$second.ttrpc#" \
        "$PARTS/containerd.toml" >"$PARTS/second.toml"
    containerd --config "$PARTS/second.toml" >>"$PARTS/second.log" 2>&1 &
    second_pid=$!
    parts_pids+=("$second_pid")
    parts_wait 60 "the second containerd" ctr --address "$second" version
}

check "the first containerd prepares a snapshot" snapshots prepare mine
snapshots commit mine-committed mine
snapshots label mine-committed containerd.io/gc.root=yes >/dev/null
start_second
refused "the second one is refused, with both named" "belong to the containerd of $PARTS/root/.*$PARTS/second/root/.*--adopt" \
    ctr --address "$second" snapshots --snapshotter wcow prepare theirs
# Removing an image with --sync runs garbage collection and waits for it.
ctr --address "$second" content prune references >/dev/null 2>&1 || :
ctr --address "$second" images rm --sync none >/dev/null 2>&1 || :
check "the first one's snapshot is there" snapshots info mine-committed
equal "with its row" "$(count_rows)" 1
check "and it goes on" snapshots prepare more mine-committed
snapshots rm more

kill_wcowd
start_wcowd
second_is_refused() {
    local said
    ! said=$(ctr --address "$second" snapshots --snapshotter wcow prepare theirs 2>&1) &&
        [[ $said == *"belong to the containerd of"* ]]
}
eventually "the refusal outlives a restart of wcowd" second_is_refused
eventually "the owner is let in again" snapshots info mine-committed

CONTAINERD_ADDRESS=$first
snapshots rm mine-committed
parts_stop "$CONTAINERD_PID"
kill_wcowd
start_wcowd --adopt
eventually "with --adopt the second one is the owner" ctr --address "$second" snapshots --snapshotter wcow prepare theirs
finish
