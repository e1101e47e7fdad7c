#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# wcowd is upgraded (SIGUSR2) again and again while containerd works with it: a call that meets the
# moment of change may be told to come again (Unavailable, Canceled) and then gets through, the
# process stays the same one, and what was there stays there.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
parts_begin
start_wcowd
start_containerd "$WCOW_TEST_CONTAINERD"
rounds=${WCOW_TEST_ROUNDS:-8}

# through WHAT-A-REPEAT-MAY-SAY COMMAND...: at the second try at the latest. The first may have been
# carried out although its answer was lost.
through() {
    local repeat=$1 said
    shift
    said=$("$@" 2>&1 >/dev/null) && return 0
    grep -qiE 'unavailable|cancel' <<<"$said" || { echo "$said"; return 1; }
    said=$("$@" 2>&1 >/dev/null) || grep -qi "$repeat" <<<"$said" || { echo "$said"; return 1; }
}

work() { # NAME: until told to stop
    local n
    for ((n = 0; ; n++)); do
        [ ! -e "$PARTS/stop" ] || break
        through 'already exists' snapshots prepare "$1-$n" base &&
            through nothing snapshots info "$1-$n" &&
            through 'not found' snapshots rm "$1-$n" || return 1
    done >>"$PARTS/work.log"
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
equal "every call of both callers got through" $code 0
equal "nobody saw another error" "$(cat "$PARTS/work.log")" ""
equal "each signal was an upgrade" "$(grep -c 'msg=upgrading' "$PARTS/wcowd.log")" "$rounds"
check "the process is the same one" kill -0 "$WCOWD_PID"
check "and serves" snapshots info base
for left in $(snapshots ls | awk 'NR > 1 && $1 != "base" { print $1 }'); do
    snapshots rm "$left"
done
snapshots rm base
kill -TERM "$WCOWD_PID"
code=0
wait "$WCOWD_PID" || code=$?
equal "it ends as ever" $code 0
check "and takes its socket with it" test ! -e "$WCOWD_SOCKET"
finish
