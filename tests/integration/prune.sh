#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The step cache and containerd's garbage collection: what the cache holds is not collected, whoever
# removes images, stops or is killed; after a prune nothing of it is left, anywhere.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
begin_builds
mkdir "$context/d"
head -c 300000 /dev/urandom >"$context/d/noise"
make_image nanoserver:ltsc2022
cat >"$context/Dockerfile" <<DOCKERFILE
FROM $IMAGE AS build
COPY d C:/d
FROM $IMAGE
COPY --from=build C:/d C:/e
COPY hello.txt C:/
DOCKERFILE

build() {
    "$wcow" build --progress plain "$@" "$context" >"$PARTS/said" 2>&1 || {
        cat "$PARTS/said"
        return 1
    }
}

cached() {
    grep -c '^#[0-9]* CACHED' "$PARTS/said" || :
}

# collect: garbage collection, and wait for it.
collect() {
    ctr images rm --sync none >/dev/null 2>&1 || :
    ctr content prune references >/dev/null 2>&1 || :
}

restart_containerd() {
    parts_stop "$CONTAINERD_PID"
    start_containerd "$WCOW_TEST_CONTAINERD"
}

blobs() {
    ctr content ls -q | wc -l
}

nothing_left() {
    [ "$(blobs)" = 0 ] && [ -z "$(ctr leases ls -q)" ] && [ -z "$(ctr content active | tail -n +2)" ] &&
        [ "$(count_rows)" = 0 ] && no_folders
}

rows() {
    sqlite3 "$XDG_CACHE_HOME/wcow/build-cache.db" "select (select count(*) from layers) + (select count(*) from files) + (select count(*) from texts)"
}

check "a build" build -t app:1
equal "is made" "$(cached)" 0
forget_images
collect
check "its image and base removed, it builds again" build -t app:1
equal "from its own layers" "$(cached)" 3
forget_images
restart_containerd
collect
check "after a restart of containerd" build -t app:1
equal "all is there" "$(cached)" 3
kill_wcowd
start_wcowd
collect
check "after a kill of wcowd" build -t app:1
equal "all is there still" "$(cached)" 3
forget_images
collect
held=$(sqlite3 "$XDG_CACHE_HOME/wcow/build-cache.db" 'select count(distinct digest) from layers')
equal "with no image, containerd has the cache's layers and no more" "$(blobs)" "$held"
equal "the lease names them" "$(ctr leases ls -q)" wcow-build-cache
equal "wcow du shows each once" "$("$wcow" du --format json | jq length)" "$held"

# ---- prune ----
check "a build of something else" build -t app:2 --build-arg x=1 --no-cache
forget_images
check "prune says what would go" bash -c "'$wcow' prune --force --filter until=1h | grep -q '^Total: 0 B'"
check "prune forgets everything" "$wcow" prune --force
eventually "no lease, blob, ingest, snapshot, row or folder is left" nothing_left
equal "and no row in the cache" "$(rows)" 0
check "a build after it" build -t app:1
equal "makes everything" "$(cached)" 0

# ---- by age and size ----
sqlite3 "$XDG_CACHE_HOME/wcow/build-cache.db" "update layers set used_s = used_s - 7200 where size_bytes > 100000"
check "what was not used for an hour" bash -c "'$wcow' prune --force --filter until=1h | grep -q '^sha256:'"
equal "goes" "$("$wcow" du --format json | jq '[.[] | select(.size > 100000)] | length')" 0
check "what was used stays" test "$("$wcow" du --format json | jq length)" -gt 0
check "a build makes what went" build -t app:1
check "a limit of size keeps what was used last" "$wcow" prune --force --max-used-space 10kB
check "no more than that" test "$("$wcow" du --format json | jq 'map(.size) | add // 0')" -le 10000
refused "a filter that is none" 'until=' "$wcow" prune --force --filter color=red
refused "a size that is none" 'is no size' "$wcow" prune --force --max-used-space much

# ---- the cache file lost ----
check "a build" build -t app:1
rm -r "$XDG_CACHE_HOME/wcow"
check "without its file the cache is empty" "$wcow" prune --force
forget_images
eventually "and prune leaves nothing all the same" nothing_left
finish
