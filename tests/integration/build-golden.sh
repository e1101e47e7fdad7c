#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Dockerfiles of tests/data/builds: the config and history that each gives, and the names in its layers. What is in
# the .want files was compared with what BuildKit makes of the same; docs/dockerfile.md says where the
# two differ. WCOW_ACCEPT=1 writes them anew.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
begin

builds=$wcow_source/tests/data/builds
export XDG_CACHE_HOME=$PARTS/cache DOCKER_CONFIG=$PARTS/docker SOURCE_DATE_EPOCH=1700000000
mkdir "$PARTS/out"
make_image nanoserver:ltsc2022
mapfile -t base_layers < <(skopeo inspect --raw --tls-verify=false --override-os windows "docker://$IMAGE" |
    jq -r '.manifests[0].digest' | while read -r digest; do
        skopeo inspect --raw --tls-verify=false "docker://${IMAGE%:*}@$digest" | jq -r '.layers[].digest'
    done)

# described FOLDER: the image of an OCI layout as text.
described() {
    local blobs=$1/blobs/sha256 manifest layer
    manifest=$(jq -r '.manifests[0].digest' "$1/index.json")
    manifest=$blobs/${manifest#sha256:}
    jq -S '{author: null, "os.version": null} + del(.created, .history, .rootfs)' "$blobs/$(jq -r '.config.digest | ltrimstr("sha256:")' "$manifest")"
    echo "history"
    jq -r '.history[] | select(.comment // "" | startswith("wcow")) |
        "  " + (if .empty_layer then "" else "+ " end) + .created_by + (if .author then " by " + .author else "" end)' "$blobs/$(jq -r '.config.digest | ltrimstr("sha256:")' "$manifest")"
    for layer in $(jq -r '.layers[].digest' "$manifest"); do
        [[ " ${base_layers[*]} " != *" $layer "* ]] || continue
        echo "layer"
        tar tzf "$blobs/${layer#sha256:}" | grep -v '^Hives' | sed 's/^/  /'
    done
}

for dockerfile in "$builds"/*; do
    name=$(basename "$dockerfile")
    [[ -f $dockerfile && $name != *.want ]] || continue
    sed "s#@BASE@#$IMAGE#; s#@REPOSITORY@#${IMAGE%:*}#" "$dockerfile" >"$PARTS/$name"
    mapfile -t options < <(sed -n 's/^#args //p' "$dockerfile" | tr ' ' '\n')
    if ! said=$("$WCOW_BUILD/wcow" build -q "${options[@]}" -f "$PARTS/$name" --output "type=oci,tar=false,dest=$PARTS/out/$name" "$builds/context" 2>&1); then
        fail "$name" "$said"
        continue
    fi
    got=$(described "$PARTS/out/$name")
    [ -z "${WCOW_ACCEPT:-}" ] || echo "$got" >"$dockerfile.want"
    equal "$name" "$got" "$(cat "$dockerfile.want")"
done
finish
