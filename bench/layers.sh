# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# What the measurements of layers and builds share: an image, private daemons on a newly made ext4, timing.
set -euo pipefail
# shellcheck source=scripts/parts.sh
source "$(dirname "${BASH_SOURCE[0]}")/../scripts/parts.sh"
export WCOW_BUILD

# bench_image [LAYOUT [TAG]]: the image to measure with. The default is one that our own tool makes:
# many entries but little data, so its ratios flatter neither side as a real base's do.
bench_image() {
    LAYOUT=${1:-}
    TAG=${2:-}
    if [ -z "$LAYOUT" ]; then
        LAYOUT=${TMPDIR:-/var/tmp}/wcow-bench-image
        TAG=ltsc2022
        [ -e "$LAYOUT/index.json" ] ||
            "$wcow_source/scripts/mkimage" --out "$LAYOUT" --tag $TAG --components 2000
        echo "image: our own, 2,000 components; give the layout of a real base for real numbers"
    fi
    [ -e "$LAYOUT/index.json" ] || { echo "$LAYOUT is no OCI image layout: it has no index.json" >&2; exit 2; }
    LAYOUT=$(realpath "$LAYOUT")
    [ -n "$TAG" ] || TAG=$(jq -r '.manifests[0].annotations["org.opencontainers.image.ref.name"]' "$LAYOUT/index.json")
}

# The blobs of the image's layers, bottom first.
bench_layers() {
    local top manifest
    top=$(jq -r --arg t "$TAG" '.manifests[] | select(.annotations["org.opencontainers.image.ref.name"] == $t) | .digest' "$LAYOUT/index.json")
    manifest=$(jq -r --arg self "$top" '.manifests[0].digest // $self' "$LAYOUT/blobs/sha256/${top#sha256:}")
    jq -r '.layers[].digest' "$LAYOUT/blobs/sha256/${manifest#sha256:}" |
        while read -r digest; do echo "$LAYOUT/blobs/sha256/${digest#sha256:}"; done
}

# bench_begin_empty: a registry with the image, wcowd and containerd, all on a new file system. IMAGE is its
# reference.
bench_begin_empty() {
    BENCH_FS=${TMPDIR:-/var/tmp}/wcow-bench-fs.$$
    "$wcow_source/bench/fresh-fs" "$BENCH_FS" "${WCOW_BENCH_GIB:-12}"
    TMPDIR=$BENCH_FS parts_begin
    trap 'bench_end' EXIT
    start_registry
    start_wcowd --log-level warn
    start_containerd "${WCOW_TEST_CONTAINERD:-2.x}"
    push_layout "$LAYOUT" "$TAG" bench
    IMAGE=$REGISTRY/bench:$TAG
}

# bench_begin: the same, and the blobs fetched, so that unpacking alone is left.
bench_begin() {
    bench_begin_empty
    ctr content fetch --plain-http --platform windows/amd64 "$IMAGE" >/dev/null 2>&1
    sync
}

bench_end() {
    local code=$?
    trap - EXIT
    (exit "$code") || :
    (parts_end) || :
    "$wcow_source/bench/fresh-fs" -u "$BENCH_FS"
    exit "$code"
}

# seconds COMMAND...: its wall time; what was dirty before is on disk first, so that nobody pays for it.
seconds() {
    local from
    sync
    from=$EPOCHREALTIME
    "$@" >"$PARTS/out" 2>"$PARTS/err" || { cat "$PARTS/err" >&2; return 1; }
    awk -v a="$from" -v b="$EPOCHREALTIME" 'BEGIN {printf "%.3f", b - a}'
}

# Memory that a virtual machine's host has taken back costs ten times as much to write to as what was in
# use a moment ago, and how much of it is free differs from minute to minute: some of it is used here.
bench_touch_memory() {
    python3 -c '
import mmap
m = mmap.mmap(-1, 800 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
m.madvise(mmap.MADV_HUGEPAGE)
for i in range(0, len(m), mmap.PAGESIZE):
    m[i] = 1'
}

# Peak resident memory of wcowd since the last call, in MB.
peak_mb() {
    awk '/VmHWM/ {printf "%.0f", $2 / 1024}' "/proc/$WCOWD_PID/status"
    echo 5 >"/proc/$WCOWD_PID/clear_refs"
}

# timed COMMAND...: wall time in seconds, and the peak resident memory in MB of that command.
timed() {
    sync
    python3 - "$@" <<'PYTHON'
import os, sys, time
log = os.open(os.environ["PARTS"] + "/out", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
start = time.monotonic()
pid = os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ,
                      file_actions=[(os.POSIX_SPAWN_DUP2, log, 1), (os.POSIX_SPAWN_DUP2, log, 2)])
_, status, usage = os.wait4(pid, 0)
print("%.3f %.0f" % (time.monotonic() - start, usage.ru_maxrss / 1024))
sys.exit(os.waitstatus_to_exitcode(status) != 0)
PYTHON
}

# ratio WCOW OTHER
ratio() {
    awk -v a="$1" -v b="$2" 'BEGIN {printf "%.2f", a / b}'
}

