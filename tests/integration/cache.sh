#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A farm of builders that share a cache: what machine "a" made is found by machine "b", whose stores
# are empty, in a registry, in a folder, in the image itself; what is not needed is not fetched.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
parts_begin
top=$PARTS
trap 'code=$?; PARTS=$top; set +e; (exit $code); parts_end' EXIT
export REGISTRY_QUIET=false
start_registry
unset SOURCE_DATE_EPOCH BUILDKIT_PROGRESS
context=$top/context
mkdir -p "$context/src"
printf 'hello\r\n' >"$context/hello.txt"
printf 'int main(void) { return 0; }\n' >"$context/src/main.c"
make_image nanoserver:ltsc2022
base=$IMAGE

# machine NAME: a wcowd, a containerd and a step cache of its own, made where there are none.
machine() {
    PARTS=$top/$1
    WCOWD_ROOT=$PARTS/wcow
    export XDG_CACHE_HOME=$PARTS/cache DOCKER_CONFIG=$top/docker
    if [ ! -d "$PARTS" ]; then
        mkdir -p "$PARTS"
        start_wcowd
        start_containerd "$WCOW_TEST_CONTAINERD"
    fi
    export CONTAINERD_ADDRESS=$PARTS/containerd.sock CONTAINERD_NAMESPACE=default
}

# forget: the machine as it was at first.
forget() {
    forget_images
    "$wcow" prune --force >/dev/null
    ctr content prune references >/dev/null 2>&1 || :
    ctr images rm --sync none >/dev/null 2>&1 || :
}

build() {
    "$wcow" build --progress plain "$@" "$context" >"$top/said" 2>&1 || {
        cat "$top/said"
        return 1
    }
}

cached() {
    grep -c '^#[0-9]* CACHED' "$top/said" || :
}

# The registry writes its log behind its answers: until what we ask is in it, and nothing comes any more.
log_is_whole() {
    local lines=-1 question=$EPOCHREALTIME
    curl -s -o /dev/null "http://$REGISTRY/v2/?question=$question"
    parts_wait 60 "the registry's log" grep -q "question=$question " "$top/registry.log"
    while [ "$lines" != "$(wc -l <"$top/registry.log")" ]; do
        lines=$(wc -l <"$top/registry.log")
        sleep 0.2
    done
}

# asked METHOD PATH: how often the registry was since mark. A line says when its request came, in seconds: one of
# before that is written late is none of ours.
mark() {
    local before
    before=$(date +%s)
    while marked=$(date +%s) && [ "$marked" = "$before" ]; do
        sleep 0.05
    done
}
asked() {
    log_is_whole
    grep "\"$1 /v2/$2" "$top/registry.log" | sed -n 's#^[^[]*\[\(..\)/\(...\)/\(....\):\([^]]*\)\].*#\1 \2 \3 \4#p' |
        date -f - +%s | awk -v marked="$marked" '$1 >= marked {n++} END {print n + 0}'
}

asked_for_cache() {
    [ "$(asked GET cache/manifests/)" -gt 0 ]
}

# layers REF: the blobs of an image's layers, one pattern for grep.
layers() {
    skopeo inspect --raw --tls-verify=false "docker://$1" | jq -r '.layers[].digest' | paste -sd'|' | sed 's/|/\\|/g'
}

digest() {
    skopeo inspect --tls-verify=false --override-os windows --format '{{.Digest}}' "docker://$1"
}

raw() {
    skopeo inspect --raw --tls-verify=false "docker://$1"
}

# blob REF DIGEST
blob() {
    curl -sf "http://$REGISTRY/v2/$1/blobs/$2"
}

no_layers_here() {
    local here
    here=$(ctr content ls -q)
    ! grep -qe "$(layers "$REGISTRY/app:a")" <<<"$here"
}

cat >"$context/Dockerfile" <<DOCKERFILE
# escape=\`
FROM $base AS build
COPY src C:/src
WORKDIR C:\\out
FROM $base
ENV PATH=\$PATH;C:\\app
COPY --from=build C:/src C:/app
COPY hello.txt C:/
WORKDIR C:\\
WORKDIR C:\\app
DOCKERFILE

# ---- machine a makes it all ----
machine a
check "a build leaves its cache in the registry" build -t "$REGISTRY/app:a" --push --cache-to "type=registry,ref=$REGISTRY/cache:max,mode=max"
equal "nothing of it was cached" "$(cached)" 0
check "the same again finds everything" build -t "$REGISTRY/app:a" --push --cache-to "type=registry,ref=$REGISTRY/cache:max,mode=max" --cache-to "type=registry,ref=$REGISTRY/cache:min" --cache-to "type=registry,ref=$REGISTRY/cache:index,image-manifest=false,mode=max" --cache-to "type=local,dest=$top/local,mode=max"
equal "each of the six steps" "$(cached)" 6
equal "the cache is a manifest" "$(raw "$REGISTRY/cache:max" | jq -r '.mediaType + " " + .config.mediaType')" 'application/vnd.oci.image.manifest.v1+json application/vnd.buildkit.cacheconfig.v0'
equal "its layers tell their diff IDs" "$(raw "$REGISTRY/cache:max" | jq '[.layers[].annotations["containerd.io/uncompressed"] | startswith("sha256:")] | all')" true
blob cache "$(raw "$REGISTRY/cache:max" | jq -r .config.digest)" >"$top/config.json"
equal "the config has the layers of all stages" "$(jq '.layers | length' "$top/config.json")" 4
equal "parents come before" "$(jq '[.layers | to_entries[] | (.value | if has("parent") then .parent else 0 end) < .key] | all' "$top/config.json")" true
equal "each link leads to a record" "$(jq '(.records | length) as $n | [.records[].inputs // [] | .[][].link < $n] | all' "$top/config.json")" true
equal "each result to a layer" "$(jq '(.layers | length) as $n | [.records[].layers // [] | .[].layer < $n] | all' "$top/config.json")" true
equal "min has those of the image" "$(blob cache "$(raw "$REGISTRY/cache:min" | jq -r .config.digest)" | jq '.layers | length')" 2
equal "an index holds layers and config" "$(raw "$REGISTRY/cache:index" | jq -r '.mediaType + " " + (.manifests | length | tostring) + " " + .manifests[-1].mediaType')" 'application/vnd.oci.image.index.v1+json 5 application/vnd.buildkit.cacheconfig.v0'
equal "a folder is an OCI layout" "$(jq -r '.manifests[].annotations["org.opencontainers.image.ref.name"]' "$top/local/index.json")" latest

# ---- machine b finds it ----
machine b
mark
check "an empty machine builds it from the cache" build --cache-from "$REGISTRY/cache:max" --output "type=image,name=$REGISTRY/app:b,push=true,store=false"
equal "each step is cached" "$(cached)" 6
equal "it is the same image" "$(digest "$REGISTRY/app:b")" "$(digest "$REGISTRY/app:a")"
eventually "the registry was asked for the cache" asked_for_cache
equal "no layer was fetched" "$(asked GET ".*blobs/\\($(layers "$REGISTRY/app:a")\\)")" 0
equal "none was sent" "$(asked PATCH '')" 0
check "none is in containerd" no_layers_here
equal "nothing was unpacked" "$(count_rows)" 0
check "a name in containerd needs its layers" build --cache-from "$REGISTRY/cache:max" -t "$REGISTRY/app:b"
check "they are all there" ctr images check "name==$REGISTRY/app:b"
equal "nothing was unpacked for that either" "$(count_rows)" 0
check "from then on they are the machine's own" build -t "$REGISTRY/app:b"
check "but for those of the build stage, which nobody fetched" test "$(cached)" -ge 4

forget
printf 'changed\r\n' >"$context/hello.txt"
check "a step whose input changed is made" build --cache-from "$REGISTRY/cache:max" -t "$REGISTRY/app:c"
equal "those before are cached" "$(cached)" 3
printf 'hello\r\n' >"$context/hello.txt"

# ---- the other kinds ----
forget
check "an index serves as well" build --cache-from "type=registry,ref=$REGISTRY/cache:index" --output "type=image,name=$REGISTRY/app:d,push=true,store=false"
equal "each step is cached" "$(cached)" 6
forget
check "so does a folder" build --cache-from "type=local,src=$top/local" -t "$REGISTRY/app:e" --push
equal "each step is cached" "$(cached)" 6
equal "it is the same image" "$(digest "$REGISTRY/app:e")" "$(digest "$REGISTRY/app:a")"
forget
check "mode=min has the image's steps" build --cache-from "$REGISTRY/cache:min" -t "$REGISTRY/app:f"
equal "those of the build stage are made" "$(cached)" 4

machine a
check "an image carries its cache" build -t "$REGISTRY/inline:1" --push --cache-to type=inline
equal "in its config" "$(skopeo inspect --config --raw --tls-verify=false "docker://$REGISTRY/inline:1" | jq -r '."moby.buildkit.cache.v0"' | base64 -d | jq -r '[.[] | has("digest")] | all')" true
machine b
forget
check "and gives it" build --cache-from "$REGISTRY/inline:1" -t "$REGISTRY/inline:2" --push
equal "to the image's steps" "$(cached)" 4
equal "an image on it does not carry it on" "$(skopeo inspect --config --raw --tls-verify=false "docker://$REGISTRY/inline:2" | jq 'has("moby.buildkit.cache.v0")')" false

# ---- what needs nothing of the base ----
forget
printf 'FROM %s\nENV A=1\nLABEL b=2\nENTRYPOINT ["cmd"]\n' "$base" >"$context/Dockerfile"
base_layer=$(raw "$REGISTRY/app:a" | jq -r '.layers[0].digest') # it has one
mark
check "instructions of the config alone" build --output "type=image,name=$REGISTRY/config:1,push=true,store=false"
equal "fetch no layer of the base" "$(asked GET ".*blobs/$base_layer")" 0
equal "and unpack none" "$(count_rows)" 0
equal "but the image has it" "$(raw "$REGISTRY/config:1" | jq -r '.layers[0].digest')" "$base_layer"
printf 'FROM %s\nCOPY --link hello.txt C:/app/\nCOPY --link src/main.c C:/\nCMD ["cmd"]\n' "$base" >"$context/Dockerfile"
mark
check "COPY --link" build --output "type=image,name=$REGISTRY/link:1,push=true,store=false"
equal "fetches no layer of the base" "$(asked GET ".*blobs/$base_layer")" 0
equal "and unpacks none" "$(count_rows)" 0
check "the image can be unpacked" ctr images pull --plain-http --platform windows/amd64 --snapshotter wcow "$REGISTRY/link:1"
forget
printf 'FROM %s\nCOPY --link src/main.c C:/\nCOPY --link hello.txt C:/app/\nCMD ["cmd"]\n' "$base" >"$context/Dockerfile"
check "on other layers" build --output "type=image,name=$REGISTRY/link:2,push=true,store=false"
printf 'FROM %s\nCOPY --link hello.txt C:/app/\nCOPY --link src/main.c C:/\nCMD ["cmd"]\n' "$base" >"$context/Dockerfile"
check "a linked layer" build --output "type=image,name=$REGISTRY/link:3,push=true,store=false"
equal "is found again" "$(cached)" 2
printf 'FROM %s\nCOPY --link hello.txt C:/windows/hello.txt\n' "$base" >"$context/Dockerfile"
check "what goes into Windows' own directories" build --output "type=image,name=$REGISTRY/link:4,push=true,store=false"
check "has a look at the base" test "$(find "$XDG_CACHE_HOME/wcow/layers" -mindepth 1 -maxdepth 1 -not -name ".*" | wc -l)" = 1
equal "but unpacks nothing" "$(count_rows)" 0

# ---- what needs no more of the base than its names ----
forget
printf '# escape=`\nFROM %s\nENV PATH=$PATH;C:\\app\nCOPY hello.txt C:/app/\n' "$base" >"$context/Dockerfile"
check "the PATH of the base's registry" build --output "type=image,name=$REGISTRY/path:1,push=true"
equal "is had without unpacking it" "$(count_rows)" 0
path() {
    skopeo inspect --config --tls-verify=false --override-os windows "docker://$1" | jq -r '.config.Env[] | select(startswith("PATH="))'
}
equal "and is what it is unpacked" "$(path "$REGISTRY/path:1")" "$(path "$REGISTRY/app:a")"
forget
printf 'FROM %s\nCOPY hello.txt C:/Windows/System32/\nWORKDIR C:/app\nCOPY src .\n' "$base" >"$context/Dockerfile"
check "a build without RUN" env SOURCE_DATE_EPOCH=1700000000 "$wcow" build -q --no-cache --iidfile "$top/listed" --output "type=image,name=$REGISTRY/names:1,push=true" "$context"
equal "unpacks nothing" "$(count_rows)" 0
check "its image can be unpacked" ctr images pull --plain-http --platform windows/amd64 --snapshotter wcow "$REGISTRY/names:1"
check "and be built on the unpacked base" env SOURCE_DATE_EPOCH=1700000000 "$wcow" build -q --no-cache --iidfile "$top/unpacked" "$context"
equal "to the same image" "$(cat "$top/listed")" "$(cat "$top/unpacked")"
"$wcow" prune --force >/dev/null
check "prune takes the names, too" test ! -e "$XDG_CACHE_HOME/wcow/layers"
forget
printf 'FROM %s AS a\nCOPY hello.txt C:/\nFROM %s\nCOPY --from=a C:/Windows/System32/cmd.exe C:/hello.txt C:/got/\n' "$base" "$base" >"$context/Dockerfile"
check "files of the base are had when they are asked for" build -t names:2
equal "and it is not unpacked for that" "$(count_rows)" 0
forget
printf 'FROM %s AS a\nCOPY src C:/src\nWORKDIR C:/out\nFROM %s\nCOPY --from=a C:/src C:/got/\n' "$base" "$base" >"$context/Dockerfile"
check "files that a stage has made" build -t stage:1
equal "are copied without it" "$(count_rows)" 0

# ---- what stat says is enough ----
sleep 1.2 # what has just changed may change again unseen
cache_db=$XDG_CACHE_HOME/wcow/build-cache.db
# known SQL: what the cache knows
known() {
    sqlite3 "$cache_db" "$1"
}
check "files that rest" build -t stage:1
first=$(ctr images ls "name==docker.io/library/stage:1" | awk 'NR == 2 {print $3}')
known 'DELETE FROM files'
check "are known again by what stat says" build -t stage:1
equal "each step is cached" "$(cached)" 3
equal "none was read" "$(known 'SELECT count(*) FROM files')" 0
equal "it is the same image" "$(ctr images ls "name==docker.io/library/stage:1" | awk 'NR == 2 {print $3}')" "$first"
touch "$context/src/main.c"
check "a file that was touched" build -t stage:1
equal "is read, and is the same" "$(ctr images ls "name==docker.io/library/stage:1" | awk 'NR == 2 {print $3}')" "$first"
printf 'another\n' >"$context/src/another.c"
check "a file that is new" build -t stage:2
check "is in the image" test "$(ctr images ls "name==docker.io/library/stage:2" | awk 'NR == 2 {print $3}')" != "$first"
rm "$context/src/another.c"
config=$(ctr content get "$first" | jq -r .config.digest)
ctr content rm "$config" >/dev/null
check "an image that has lost a document" build -t stage:1
check "has it again" ctr content get "$config"
layer=$(ctr content get "$first" | jq -r '.layers[-1].digest')
ctr content rm "$layer" >/dev/null
check "one that has lost a layer" build -t stage:1
check "is whole again" ctr images check "name==docker.io/library/stage:1"

# ---- what is wrong ----
check "a cache that is not there is no error" build --cache-from "$REGISTRY/cache:none" -t "$REGISTRY/app:g"
check "but told" grep -q '^#[0-9]* ERROR: .*cache' "$top/said"
check "an image without one is none either" build --cache-from "$base" -t "$REGISTRY/app:g"
check "and told" grep -q 'an image without a cache' "$top/said"
refused "a place needs a name" 'ref=REGISTRY/NAME:TAG is missing' build --cache-to type=registry
refused "a folder too" 'dest=FOLDER is missing' build --cache-to type=local
refused "an unknown type" 'there are registry, local and inline' build --cache-to type=s3,bucket=x
refused "an unknown mode" 'mode is min or max' build --cache-to "type=registry,ref=$REGISTRY/x,mode=all"
refused "a cache that cannot be written fails the build" '127.0.0.1:1|localhost:1' build --cache-to type=registry,ref=localhost:1/cache
check "unless that is no matter" build --cache-to type=registry,ref=localhost:1/cache,ignore-error=true
PARTS=$top
finish
