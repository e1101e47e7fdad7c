#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What an operator sees of wcowd: what is installed, metrics of calls and of the store, one log line a
# call with a request id, a log level that is changed while it runs.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# A view of ctr's has no label that keeps it: the first collection, a moment after the start, may not come.
eval "$(declare -f containerd_config | sed '1s/containerd_config/containerd_config_plain/')"
containerd_config() {
    containerd_config_plain "$1"
    printf '\n[plugins."io.containerd.gc.v1.scheduler"]\n  startup_delay = "1h"\n'
}
parts_begin
start_wcowd --metrics-address "$PARTS/metrics.sock"
start_containerd "$WCOW_TEST_CONTAINERD"

metric() { # NAME-WITH-LABELS: its value
    curl -sS --unix-socket "$PARTS/metrics.sock" http://localhost/metrics | grep -v "^#" | grep -F "$1 " | head -n 1 | awk '{ print $NF }'
}

snapshots prepare one >/dev/null
snapshots prepare two >/dev/null
snapshots commit ready one
snapshots view look ready >/dev/null
refused "an error is one" 'already exists' snapshots prepare two
prepare='method="/containerd.services.snapshots.v1.Snapshots/Prepare"'
equal "calls are counted" "$(metric "wcow_calls_total{$prepare,code=\"OK\"}")" 2
equal "... with how long they took" "$(metric "wcow_call_duration_seconds_bucket{$prepare,le=\"+Inf\"}")" 2
equal "snapshots are counted by kind" \
    "$(metric 'wcow_snapshots{kind="active"}') $(metric 'wcow_snapshots{kind="view"}') $(metric 'wcow_snapshots{kind="committed"}')" "1 1 1"
check "so are the store's transactions" test "$(metric wcow_store_transactions_total)" -ge 4
equal "... as a histogram of operations, too" "$(metric 'wcow_store_batch_operations_bucket{le="+Inf"}')" "$(metric wcow_store_transactions_total)"
check "and its bytes" test "$(metric wcow_store_bytes)" -ge 4096
equal "nobody else may look" "$(stat -c %a "$PARTS/metrics.sock")" 600

calls() {
    grep -c 'msg=call .*method=[^ ]*Snapshots/[A-Z][a-z]* request=[0-9a-f]* us=[0-9]*' "$PARTS/wcowd.log"
}
check "each call is a line with a request id" test "$(calls)" -ge 4
equal "no two have the same" "$(grep -o 'request=[0-9a-f]*' "$PARTS/wcowd.log" | sort | uniq -d)" ""

# The command line says debug; a level in the file alone can be changed.
kill -TERM "$WCOWD_PID"
wait "$WCOWD_PID" || :
echo 'log-level = warn' >"$PARTS/level.conf"
"$WCOW_BUILD/wcowd" --config "$PARTS/level.conf" --root "$WCOWD_ROOT" --address "$WCOWD_SOCKET" \
    --containerd-address "$PARTS/containerd.sock" 2>"$PARTS/wcowd.log" &
WCOWD_PID=$!
parts_pids+=("$WCOWD_PID")
parts_wait 60 wcowd test -S "$WCOWD_SOCKET"
eventually "it serves again" snapshots info ready
equal "quietly" "$(calls)" 0
echo 'log-level = debug' >"$PARTS/level.conf"
kill -HUP "$WCOWD_PID"
more() {
    snapshots info ready && [ "$(calls)" -ge 1 ]
}
eventually "SIGHUP: every call is a line" more
echo 'log-level = nonsense' >"$PARTS/level.conf"
kill -HUP "$WCOWD_PID"
eventually "a level that is none is named" grep -q 'settings not read again.*nonsense' "$PARTS/wcowd.log"
check "and it goes on" snapshots info ready
snapshots rm look
snapshots rm two
snapshots rm ready

# ---- what is installed ----
check "cmake installs it" env DESTDIR="$PARTS/installed" cmake --install "$WCOW_BUILD" --prefix /opt/w
installed=$PARTS/installed/opt/w
check "wcowd runs there" "$installed/bin/wcowd" --version
check "the unit names it" grep -q '^ExecStart=/opt/w/bin/wcowd' "$installed/lib/systemd/system/wcowd.service"
# broken_links FOLDER: of its documents, to files that are not there.
broken_links() {
    local document link
    while read -r document; do
        grep -oE '\]\([^):]+\)' "$document" | sed 's/^](//; s/#.*//; s/)$//' | sort -u | while read -r link; do
            [ -z "$link" ] || [ -e "$(dirname "$document")/$link" ] || printf '%s: %s\n' "${document##*/}" "$link"
        done
    done < <(find "$1" -name '*.md')
}
documents=$installed/share/doc/wcow
check "the documents are there" test -s "$documents/docs/operating.md"
check "and the first of them is the README" cmp "$documents/README.md" "$wcow_source/README.md"
equal "their links lead somewhere" "$(broken_links "$documents")" ''
finish
