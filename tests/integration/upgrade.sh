#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# wcowd is upgraded (SIGUSR2) again and again while containerd works with it: no call fails, the
# process stays the same one, and what was there stays there.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
parts_begin
start_wcowd
start_containerd "$WCOW_TEST_CONTAINERD"
rounds=${WCOW_TEST_ROUNDS:-8}

work() { # NAME: until told to stop
    local n
    for ((n = 0; ; n++)); do
        [ ! -e "$PARTS/stop" ] || break
        snapshots prepare "$1-$n" base >/dev/null && snapshots info "$1-$n" >/dev/null &&
            snapshots rm "$1-$n" || return 1
    done 2>>"$PARTS/work.log"
}

snapshots prepare base-active >/dev/null
snapshots commit base base-active
: >"$PARTS/work.log"
work a &
a=$!
work b &
b=$!
for ((round = 0; round < rounds; round++)); do
    sleep 0.4
    kill -USR2 "$WCOWD_PID"
done
sleep 0.5
touch "$PARTS/stop"
code=0
wait $a || code=$?
wait $b || code=$?
equal "no call of either caller failed" $code 0
equal "nobody saw an error" "$(cat "$PARTS/work.log")" ""
equal "each signal was an upgrade" "$(grep -c 'msg=upgrading' "$PARTS/wcowd.log")" "$rounds"
check "the process is the same one" kill -0 "$WCOWD_PID"
check "and serves" snapshots info base
snapshots rm base
kill -TERM "$WCOWD_PID"
code=0
wait "$WCOWD_PID" || code=$?
equal "it ends as ever" $code 0
check "and takes its socket with it" test ! -e "$WCOWD_SOCKET"
finish
