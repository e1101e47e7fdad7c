#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A file that is changed while its build waits for the base: it was listed for the step's key before, and is copied
# after. The build has the new bytes; a later build of the old bytes is not given them from the cache.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
begin_builds
state=$PARTS/proxy
mkdir -p "$DOCKER_CONFIG" "$state"
make_image nanoserver:ltsc2022
python3 "$wcow_source/tests/integration/stalling_proxy.py" "$REGISTRY" "$state" >"$PARTS/proxy.log" 2>&1 &
parts_pids+=($!)
eventually "a registry that stalls" test -s "$state/port"
IMAGE=${REGISTRY%:*}:$(cat "$state/port")/nanoserver:ltsc2022

# The file's digest becomes known, which takes a file that has been at rest for a second.
old_file() {
    echo old >"$context/file.txt"
    sleep 1.2
}
old_file
printf 'FROM scratch\nCOPY file.txt C:/\n' >"$context/Dockerfile"
check "a build reads the file" build
manifest=$(jq -r '.manifests[0].digest' "$LAYOUT/index.json")
while [ "$(jq 'has("layers")' "$LAYOUT/blobs/sha256/${manifest#sha256:}")" = false ]; do
    manifest=$(jq -r '.manifests[0].digest' "$LAYOUT/blobs/sha256/${manifest#sha256:}")
done
echo "GET /blobs/$(jq -r '.layers[0].digest' "$LAYOUT/blobs/sha256/${manifest#sha256:}") 1000" >"$state/stall"
printf 'FROM @BASE@\nCOPY file.txt C:/\n' | dockerfile
build -t example.com/changed:1 >"$PARTS/said" 2>&1 &
pid=$!
eventually "a build waits for its base" test -e "$state/stalled"
sleep 0.3 # the key is made by now, mostly: what is checked holds either way
echo new >"$context/file.txt"
touch "$state/go"
code=0
wait $pid || code=$?
equal "it ends" "$code $(grep '^ERROR' "$PARTS/said")" "0 "
equal "it has what the file held when it was copied" "$("$wcow" cat example.com/changed:1 'C:\file.txt')" new

old_file
check "a build of the file as it was" build -t example.com/changed:2
equal "... has what it holds now" "$("$wcow" cat example.com/changed:2 'C:\file.txt')" old
finish
