#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# wcowd is upgraded (SIGUSR2) again and again while containerd works with it: no call fails, the
# process stays the same one, and what was there stays there. A program that does not run is not
# upgraded to.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
parts_begin
# Its own copy of the program, which is changed below.
mkdir "$PARTS/bin"
cp "$WCOW_BUILD/wcowd" "$PARTS/bin/wcowd"
WCOWD_PROGRAM=$PARTS/bin/wcowd start_wcowd
start_containerd "$WCOW_TEST_CONTAINERD"
rounds=${WCOW_TEST_ROUNDS:-8}

work() { # NAME: until told to stop
    local n said
    for ((n = 0; ; n++)); do
        [ ! -e "$PARTS/stop" ] || break
        said=$({
            snapshots prepare "$1-$n" base && snapshots info "$1-$n" &&
                snapshots commit "$1-$n-done" "$1-$n" && snapshots rm "$1-$n-done"
        } 2>&1) || { echo "$1-$n: $said"; return 1; }
    done >>"$PARTS/work.log"
}

snapshots prepare base-active >/dev/null
snapshots commit base base-active
: >"$PARTS/work.log"
workers=()
for name in a b c d; do
    work $name &
    workers+=($!)
done
# serves COUNT: that many programs have begun to serve so far, the first one among them.
serves() {
    [ "$(grep -c 'msg=serving' "$PARTS/wcowd.log")" = "$1" ]
}
for ((round = 0; round < rounds; round++)); do
    sleep 0.2
    kill -USR2 "$WCOWD_PID"
    parts_wait 60 "upgrade $round" serves $((round + 2))
done
sleep 0.5
touch "$PARTS/stop"
code=0
for worker in "${workers[@]}"; do
    wait "$worker" || code=$?
done
equal "every call of every caller got through" $code 0
equal "nobody saw an error" "$(cat "$PARTS/work.log")" ""
equal "each signal was an upgrade" "$(grep -c 'msg=upgrading' "$PARTS/wcowd.log")" "$rounds"
check "the process is the same one" kill -0 "$WCOWD_PID"
check "and serves" snapshots info base

# ---- a new program that does not run: the old one goes on
printf 'cut off' >"$PARTS/bin/new"
chmod +x "$PARTS/bin/new"
mv "$PARTS/bin/new" "$PARTS/bin/wcowd"
kill -USR2 "$WCOWD_PID"
eventually "a program that cannot start is named" grep -q 'msg="not upgraded.*cannot start' "$PARTS/wcowd.log"
printf '#!/bin/sh\nexit 3\n' >"$PARTS/bin/new"
chmod +x "$PARTS/bin/new"
mv "$PARTS/bin/new" "$PARTS/bin/wcowd"
kill -USR2 "$WCOWD_PID"
eventually "so is one that fails" grep -q 'msg="not upgraded.*--version fails' "$PARTS/wcowd.log"
check "the old one serves" snapshots info base
cp "$WCOW_BUILD/wcowd" "$PARTS/bin/new"
mv "$PARTS/bin/new" "$PARTS/bin/wcowd"
kill -USR2 "$WCOWD_PID"
eventually "the right one is upgraded to" serves $((rounds + 2))
check "and serves" snapshots info base

snapshots rm base
kill -TERM "$WCOWD_PID"
code=0
wait "$WCOWD_PID" || code=$?
equal "it ends as ever" $code 0
check "and takes its socket with it" test ! -e "$WCOWD_SOCKET"
finish
