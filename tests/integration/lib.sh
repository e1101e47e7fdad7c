# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# For the integration tests: private parts (scripts/parts.sh) and assertions. Sourced first:
#
#   source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
#   begin [WCOWD OPTION...]            # a registry, wcowd, and the containerd of WCOW_TEST_CONTAINERD
#   begin_builds                       # that, and what builds want
#   check "what must be true" COMMAND...
#   finish                             # the count, and the exit code
#
# Environment: WCOW_TEST_CONTAINERD  1.7 or 2.x (default), as scripts/fetch-containerd names them
#              WCOW_BUILD            build folder with wcowd, wcow and tests/mklayer
#              WCOW_TEST_VERBOSE     each check that passes is told, as on a terminal
set -euo pipefail
# shellcheck source=scripts/parts.sh
source "$(dirname "${BASH_SOURCE[0]}")/../../scripts/parts.sh"
export WCOW_BUILD
WCOW_TEST_CONTAINERD=${WCOW_TEST_CONTAINERD:-2.x}
wcow=$WCOW_BUILD/wcow
checks=0
failures=0
last_passed='the start'
trap 'echo "line $LINENO: $BASH_COMMAND failed (after: $last_passed)" >&2' ERR

begin() {
    parts_begin
    start_registry
    start_wcowd "$@"
    start_containerd "$WCOW_TEST_CONTAINERD"
}

# begin_builds: that, for tests of wcow build: nothing of the caller's settings or caches, and $context, a folder
# with a hello.txt.
begin_builds() {
    begin
    export XDG_CACHE_HOME=$PARTS/cache XDG_CONFIG_HOME=$PARTS/config DOCKER_CONFIG=$PARTS/docker
    unset SOURCE_DATE_EPOCH BUILDKIT_PROGRESS
    context=$PARTS/context
    mkdir "$context"
    printf 'hello\r\n' >"$context/hello.txt"
}

# build [OPTION...]: of $context.
build() {
    "$wcow" build --progress plain "$@" "$context"
}

# dockerfile: that of $context, from standard input, with @BASE@ replaced by $IMAGE.
dockerfile() {
    sed "s#@BASE@#$IMAGE#" >"$context/Dockerfile"
}

finish() {
    echo "$checks checks, $failures failed (containerd $WCOW_TEST_CONTAINERD)"
    [ $failures -eq 0 ]
    exit
}

# Told where somebody looks on; else what fails would be hard to find among them.
passed() {
    last_passed=$1
    [ ! -t 1 ] && [ -z "${WCOW_TEST_VERBOSE:-}" ] || echo "ok: $1"
}

fail() {
    failures=$((failures + 1))
    echo "FAIL: $1 (after: $last_passed)" >&2
    shift
    [ $# -eq 0 ] || printf '      %s\n' "$@" >&2
}

# check NAME COMMAND...: COMMAND succeeds; what it says is shown only where it doesn't.
check() {
    local name=$1 said
    shift
    checks=$((checks + 1))
    if said=$("$@" 2>&1); then
        passed "$name"
    else
        fail "$name" "$* failed:" "$(tail -n 8 <<<"$said")"
    fi
}

# equal NAME GOT WANT
equal() {
    checks=$((checks + 1))
    if [ "$2" = "$3" ]; then
        passed "$1"
    else
        fail "$1" "got:  $2" "want: $3"
    fi
}

# refused NAME WANT COMMAND...: COMMAND fails, with a message that has the extended regular expression
# WANT in it.
refused() {
    local name=$1 want=$2 said
    shift 2
    checks=$((checks + 1))
    if said=$("$@" 2>&1); then
        fail "$name" "$* succeeded: $(tail -n 8 <<<"$said")"
    elif [[ ! $said =~ $want ]]; then
        fail "$name" "said: $(tail -n 8 <<<"$said")" "want: $want"
    else
        passed "$name"
    fi
}

# eventually NAME COMMAND...: COMMAND succeeds within a minute, which is for the busiest of machines.
eventually() {
    local name=$1 end=$((SECONDS + 60))
    shift
    checks=$((checks + 1))
    while [ $SECONDS -lt $end ]; do
        if "$@" >/dev/null 2>&1; then
            passed "$name"
            return
        fi
        sleep 0.03
    done
    fail "$name" "$* still fails" "$("$@" 2>&1 || :)"
}

# interrupted NAME READY LOG COMMAND...: starts a COMMAND that would last for minutes, with its output in
# LOG, interrupts it as soon as READY succeeds, and checks that it ends as Ctrl-C ends programs: within
# twenty seconds, of which an idle machine needs a tenth of one.
interrupted() {
    local name=$1 ready=$2 log=$3 pid code=0 start
    shift 3
    "$@" >"$log" 2>&1 &
    pid=$!
    eventually "$name: it is at work" "$ready"
    start=$SECONDS
    kill -INT "$pid"
    wait "$pid" || code=$?
    equal "$name: it ends as interrupted" "$code" 130
    check "$name: at once" test $((SECONDS - start)) -le 20
}

snapshots() {
    ctr snapshots --snapshotter wcow "$@"
}

# The shell of that name; a database that wcowd opens or mends just now is locked for a moment.
sqlite3() {
    command sqlite3 -cmd '.timeout 60000' "$@"
}

# The three ways to pull; which of them this containerd has.
pull_ways() {
    if [ "$WCOW_TEST_CONTAINERD" = 1.7 ]; then
        echo default
    else
        echo "transfer local"
    fi
}

# pull WAY REF: a Windows image into the wcow snapshotter.
pull() {
    local way=$1 ref=$2
    shift 2
    [ "$way" != local ] || set -- --local "$@"
    ctr images pull --platform windows/amd64 --snapshotter wcow --plain-http "$@" "$ref"
}

# The default way of this containerd.
pull_way() {
    pull_ways | cut -d' ' -f1
}

# make_image NAME:TAG [MKIMAGE OPTION...]: made, pushed to the registry; IMAGE is its reference and
# LAYOUT its OCI layout.
make_image() {
    local name=${1%:*} tag=${1#*:}
    shift
    export LAYOUT=$PARTS/layouts/$name
    mkdir -p "$PARTS/layouts"
    "$wcow_source/scripts/mkimage" --out "$LAYOUT" --tag "$tag" "$@"
    push_layout "$LAYOUT" "$tag" "$name"
    export IMAGE=$REGISTRY/$name:$tag
}

# diff_ids TAG: of the first manifest of that image of $LAYOUT, bottom first.
diff_ids() {
    local top manifest config
    top=$(jq -r --arg t "$1" '.manifests[] | select(.annotations["org.opencontainers.image.ref.name"] == $t) | .digest' "$LAYOUT/index.json")
    manifest=$(jq -r --arg self "$top" '.manifests[0].digest // $self' "$LAYOUT/blobs/sha256/${top#sha256:}")
    config=$(jq -r '.config.digest' "$LAYOUT/blobs/sha256/${manifest#sha256:}")
    jq -r '.rootfs.diff_ids[]' "$LAYOUT/blobs/sha256/${config#sha256:}"
}

# chain_ids TAG: the chain IDs of those, bottom first (image-spec, config.md).
chain_ids() {
    local id chain=''
    for id in $(diff_ids "$1"); do
        if [ -z "$chain" ]; then
            chain=$id
        else
            chain=sha256:$(printf '%s %s' "$chain" "$id" | sha256sum | cut -d' ' -f1)
        fi
        echo "$chain"
    done
}

# folder_of KEY: the layer folder of a snapshot.
folder_of() {
    local id
    id=$(sqlite3 "$WCOWD_ROOT/metadata.db" "select id from snapshots where key like '%/$1'")
    echo "$WCOWD_ROOT/snapshots/$id"
}

# How many layer folders there are, whatever their state.
count_folders() {
    find "$WCOWD_ROOT/snapshots" -mindepth 1 -maxdepth 1 2>/dev/null | wc -l
}

# Rows in the table of snapshots.
count_rows() {
    sqlite3 "$WCOWD_ROOT/metadata.db" 'select count(*) from snapshots'
}

no_folders() {
    [ "$(count_folders)" = 0 ]
}

# No snapshot of ours, no image, no blob: the next case starts from nothing.
forget_images() {
    local ref
    for ref in $(ctr images ls -q); do
        ctr images rm --sync "$ref" >/dev/null
    done
}
