#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The commands that look at snapshots: wcow layers, wcow spec, wcow snapshots; and their errors.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
begin

make_image nanoserver:ltsc2022 --update
pull "$(pull_way)" "$IMAGE" >/dev/null
top=$(chain_ids ltsc2022 | tail -n 1)
mounts=$(snapshots prepare --mounts my-test "$top")
scratch=$(jq -r '.[0].Source' <<<"$mounts")
parents=$(jq -r '.[0].Options[] | select(startswith("parentLayerPaths=")) | ltrimstr("parentLayerPaths=")' <<<"$mounts" | jq -r '.[]')

# layerFolders: nearest parent first, the base, the scratch last.
check "layers of an active snapshot" "$wcow" layers my-test
equal "they are in layerFolders order" "$("$wcow" layers my-test | grep -o "$WCOWD_ROOT/snapshots/[0-9]*")" \
    "$(printf '%s\n%s' "$parents" "$scratch")"
check "layers of a committed one" "$wcow" layers "$top"
refused "layers of an unknown one" "not found|no snapshot|unknown" "$wcow" layers nothing
refused "layers of nothing" "[Uu]sage|help|argument|operand" "$wcow" layers

refused "spec of a snapshot without a command" "command" "$wcow" spec my-test
check "spec of a snapshot" "$wcow" spec my-test -- cmd /c dir
spec=$("$wcow" spec my-test -- cmd /c dir)
equal "it has the command" "$(jq -c .process.args <<<"$spec")" '["cmd","/c","dir"]'
equal "its layerFolders are those" "$(jq -r '.windows.layerFolders[]' <<<"$spec")" "$(printf '%s\n%s' "$parents" "$scratch")"
equal "its version is a runtime spec's" "$(jq -r '.ociVersion | startswith("1.")' <<<"$spec")" true
spec=$("$wcow" spec "$IMAGE")
equal "spec of an image has its command" "$(jq -c .process.args <<<"$spec")" '["c:\\windows\\system32\\cmd.exe"]'
equal "and its user" "$(jq -r .process.user.username <<<"$spec")" ContainerUser
refused "spec of nothing there" "neither a snapshot" "$wcow" spec nothing:1

check "snapshots lists the tree" "$wcow" snapshots
check "with the base in it" grep -q "$(dirname "$scratch")" <("$wcow" snapshots)

check "version" grep -q wcow <("$wcow" --version)
check "help names the commands" grep -q build <("$wcow" --help)
refused "an unknown command" "not a wcow command" "$wcow" frobnicate
refused "containerd away" "containerd|nowhere" env CONTAINERD_ADDRESS="$PARTS/nowhere" "$wcow" spec "$IMAGE"
check "layers needs no containerd" env CONTAINERD_ADDRESS="$PARTS/nowhere" "$wcow" layers my-test

# libcurl is loaded by those who speak to a server.
mkdir "$PARTS/no-curl" "$PARTS/context"
echo "no library" >"$PARTS/no-curl/libcurl.so.4"
build_without_curl() {
    printf 'FROM %s\nENV A=1\n' "$1" >"$PARTS/context/Dockerfile"
    env XDG_CACHE_HOME="$PARTS/cache" DOCKER_CONFIG="$PARTS/docker" LD_LIBRARY_PATH="$PARTS/no-curl" \
        "$wcow" build --progress plain "$PARTS/context"
}
check "an image of the store needs no libcurl" build_without_curl "$IMAGE"
refused "one of a registry does" "cannot load libcurl: .*install it" build_without_curl "$REGISTRY/nothing:1"
snapshots rm my-test
finish
