#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# wcow build for several platforms: an index of images, each on the base of its Windows; stages side by
# side; annotations on their four levels; provenance; the same bytes on two machines.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
begin_builds
make_image nanoserver:multi --os-version 10.0.20348.2340 --os-version 10.0.26100.1742
both='windows(10.0.20348)/amd64,windows(10.0.26100)/amd64'

# raw REF[@DIGEST]: the manifest or index that the registry has under this name.
raw() {
    skopeo inspect --raw --tls-verify=false "docker://$1"
}

# member REF N: the digest of the N-th entry of an index.
member() {
    raw "$1" | jq -r ".manifests[$2].digest"
}

# blob REPOSITORY DIGEST
blob() {
    curl -fsSL "http://$REGISTRY/v2/$1/blobs/$2"
}

# ---- an index ----
dockerfile <<'EOF'
FROM @BASE@ AS base
ARG TARGETPLATFORM TARGETOS TARGETOSVERSION TARGETARCH BUILDPLATFORM
LABEL target=${TARGETPLATFORM} version=${TARGETOSVERSION} os=${TARGETOS}-${TARGETARCH} builder=${BUILDPLATFORM}
COPY hello.txt C:/

FROM scratch AS files
COPY hello.txt C:/once.txt

FROM base
COPY --from=files C:/once.txt C:/
EOF
check "two versions of Windows in one build" build -t "$REGISTRY/multi:1" --push --platform "$both" \
    --metadata-file "$PARTS/metadata" --iidfile "$PARTS/iid"
index=$(raw "$REGISTRY/multi:1")
equal "an index of both" "$(jq -r '.mediaType + " " + ([.manifests[].platform | ."os.version"] | join(" "))' <<<"$index")" \
    'application/vnd.oci.image.index.v1+json 10.0.20348.2340 10.0.26100.1742'
for i in 0 1; do
    digest=$(member "$REGISTRY/multi:1" $i)
    config=$(blob multi "$(raw "$REGISTRY/multi@$digest" | jq -r .config.digest)")
    equal "image $i is of its version" "$(jq -r '."os.version"' <<<"$config")" "$(jq -r ".manifests[$i].platform.\"os.version\"" <<<"$index")"
    equal "and was told so" "$(jq -r '.config.Labels | .target + " " + .version + " " + .os + " " + .builder' <<<"$config")" \
        "$(cut -d, -f$((i + 1)) <<<"$both") $([ $i = 0 ] && echo 10.0.20348 || echo 10.0.26100) windows-amd64 linux/$(dpkg --print-architecture)"
done
equal "--iidfile has the index" "$(cat "$PARTS/iid")" "sha256:$(printf %s "$index" | sha256sum | cut -d' ' -f1)"
equal "--metadata-file too" "$(jq -r '."containerimage.digest" + " " + ."containerimage.descriptor".mediaType + " " + ."image.name"' "$PARTS/metadata")" \
    "$(cat "$PARTS/iid") application/vnd.oci.image.index.v1+json $REGISTRY/multi:1"
equal "containerd has the same under the name" "$(ctr images ls "name==$REGISTRY/multi:1" | awk 'NR == 2 {print $3}')" "$(cat "$PARTS/iid")"
# Garbage collection runs with a removal that waits for it.
ctr images tag "$REGISTRY/multi:1" gone:1 >/dev/null && ctr images rm --sync gone:1 >/dev/null
check "which garbage collection leaves" bash -c "ctr content get '$(member "$REGISTRY/multi:1" 1)' | jq -e .layers"
check "with the layers of both" bash -c "for i in 0 1; do for l in \$(ctr content get \$(ctr content get '$(cat "$PARTS/iid")' | jq -r .manifests[\$i].digest) | jq -r '.layers[].digest'); do ctr content ls -q | grep -qx \$l || exit 1; done; done"
said=$(build --platform "$both" 2>&1)
equal "a second build finds everything" "$(grep -c CACHED <<<"$said")" 6
check "steps name their platform" grep -q '^#[0-9]* \[windows(10.0.26100)/amd64 base 2/2\] COPY hello.txt C:/' <<<"$said"
check "what both share is made once" bash -c "'$wcow' build --progress plain --no-cache --platform '$both' '$context' 2>&1 | grep -c CACHED | grep -qx 2"
check "--platform twice is as good" build --platform 'windows(10.0.20348)/amd64' --platform 'windows(10.0.26100)/amd64' --iidfile "$PARTS/iid"
equal "and gives the same" "$(build -q --platform "$both")" "$(cat "$PARTS/iid")"
refused "a version that the base has not" '10.0.17763' build --platform 'windows(10.0.17763)/amd64'
refused "another system" 'windows' build --platform windows/amd64,linux/amd64

# ---- archives and files ----
check "type=oci" build --platform "$both" -t multi:1 -o "type=oci,dest=$PARTS/multi.tar"
mkdir "$PARTS/multi" && tar -xf "$PARTS/multi.tar" -C "$PARTS/multi"
equal "holds the index" "$(jq -r '.manifests[0] | .mediaType + " " + .digest' "$PARTS/multi/index.json")" \
    "application/vnd.oci.image.index.v1+json $(cat "$PARTS/iid")"
check "skopeo copies all of it" skopeo copy -q --all "oci:$PARTS/multi:1" "dir:$PARTS/copied"
refused "type=docker" 'one image.*type=oci' build --platform "$both" -o "type=docker,dest=$PARTS/docker.tar"
dockerfile <<'EOF'
FROM scratch
ARG TARGETOSVERSION
COPY hello.txt C:/v-${TARGETOSVERSION}.txt
EOF
check "type=local" build --platform "$both" -o "$PARTS/files"
check "a folder each" test -f "$PARTS/files/windows(10.0.20348)_amd64/v-10.0.20348.txt" -a -f "$PARTS/files/windows(10.0.26100)_amd64/v-10.0.26100.txt"
check "platform-split=false" build --platform "$both" -o "type=local,dest=$PARTS/flat,platform-split=false"
equal "puts them together" "$(find "$PARTS/flat" -type f -printf '%f\n' | sort | tr '\n' ' ')" 'v-10.0.20348.txt v-10.0.26100.txt '
equal "type=tar" "$("$wcow" build -q --platform "$both" -o - "$context" 2>/dev/null | tar -t | grep -c '_amd64/v-')" 2
printf 'FROM scratch\nCOPY hello.txt C:/\n' | dockerfile
refused "platform-split=false with the same file twice" 'hello.txt' build --platform "$both" -o "type=tar,dest=$PARTS/x.tar,platform-split=false"
equal "-q with a tar on standard output leaves it alone" "$("$wcow" build -q -o - "$context" 2>"$PARTS/id" | tar -t | tr '\n' ' ')$(cut -c1-7 "$PARTS/id")" 'hello.txt sha256:'

# ---- annotations ----
printf 'FROM @BASE@\nCOPY hello.txt C:/\n' | dockerfile
check "annotations" build -t "$REGISTRY/notes:1" --push --platform "$both" --annotation plain=1 \
    --annotation 'index,manifest-descriptor:both=http://x:1' --annotation 'manifest[windows(10.0.26100)/amd64]:late=2' \
    --annotation index-descriptor:top=3 --metadata-file "$PARTS/metadata" -o "type=image,annotation-index.out=4"
index=$(raw "$REGISTRY/notes:1")
equal "of the index" "$(jq -c .annotations <<<"$index")" '{"both":"http://x:1","out":"4"}'
equal "of its descriptors" "$(jq -c '[.manifests[].annotations.both]' <<<"$index")" '["http://x:1","http://x:1"]'
equal "of the manifests, for one platform" "$(raw "$REGISTRY/notes@$(member "$REGISTRY/notes:1" 0)" | jq -c .annotations) $(raw "$REGISTRY/notes@$(member "$REGISTRY/notes:1" 1)" | jq -c .annotations)" \
    '{"plain":"1"} {"late":"2","plain":"1"}'
equal "of the index's descriptor" "$(jq -r '."containerimage.descriptor".annotations.top' "$PARTS/metadata")" 3
check "several names in one output" build -o "type=image,\"name=$REGISTRY/names:1,$REGISTRY/names:2\",push=true"
equal "are pushed both" "$(raw "$REGISTRY/names:1" | sha256sum)" "$(raw "$REGISTRY/names:2" | sha256sum)"
refused "a level that is none" 'did you mean "index"' build --annotation indx:a=b
refused "a platform that is not built" 'no image for this platform' build --annotation 'manifest[windows/arm64]:a=b'

# ---- provenance ----
printf '# a comment\nARG SECRET_ARG=x\nFROM @BASE@\nARG SECRET_ARG\nCOPY hello.txt C:/\n' | dockerfile
check "--provenance" build -t "$REGISTRY/attested:1" --push --provenance=mode=max,builder-id=https://ci.example/1 --build-arg SECRET_ARG=y --metadata-file "$PARTS/metadata"
index=$(raw "$REGISTRY/attested:1")
equal "stands in the index behind the image" "$(jq -r '.manifests[1] | .platform.os + " " + .annotations."vnd.docker.reference.type" + " " + .annotations."vnd.docker.reference.digest"' <<<"$index")" \
    "unknown attestation-manifest $(jq -r '.manifests[0].digest' <<<"$index")"
attestation=$(raw "$REGISTRY/attested@$(member "$REGISTRY/attested:1" 1)")
equal "as a layer" "$(jq -r '.layers[0] | .mediaType + " " + .annotations."in-toto.io/predicate-type"' <<<"$attestation")" \
    'application/vnd.in-toto+json https://slsa.dev/provenance/v1'
equal "with a config" "$(blob attested "$(jq -r .config.digest <<<"$attestation")" | jq -r '.os + " " + .architecture + " " + .rootfs.diff_ids[0]')" \
    "unknown unknown $(jq -r '.layers[0].digest' <<<"$attestation")"
statement=$(blob attested "$(jq -r '.layers[0].digest' <<<"$attestation")")
equal "about the image" "$(jq -r '._type + " " + .predicateType + " " + .subject[0].digest.sha256' <<<"$statement")" \
    "https://in-toto.io/Statement/v1 https://slsa.dev/provenance/v1 $(jq -r '.manifests[0].digest' <<<"$index" | cut -d: -f2)"
equal "by its name" "$(jq -r '.subject[0].name' <<<"$statement")" "pkg:docker/${REGISTRY/:/%3A}/attested@1?platform=windows%2Famd64"
equal "with the base" "$(jq -r '.predicate.buildDefinition.resolvedDependencies[0] | .uri + " " + .digest.sha256' <<<"$statement")" \
    "pkg:docker/${REGISTRY/:/%3A}/nanoserver@multi?platform=windows%2Famd64 $(raw "$IMAGE" | sha256sum | cut -d' ' -f1)"
equal "the arguments" "$(jq -r '.predicate.buildDefinition.externalParameters.request.args."build-arg:SECRET_ARG" + " " + .predicate.runDetails.builder.id' <<<"$statement")" 'y https://ci.example/1'
equal "and the Dockerfile" "$(jq -r '.predicate.runDetails.metadata.buildkit_metadata.source.infos[0].data' <<<"$statement" | base64 -d)" "$(cat "$context/Dockerfile")"
equal "told in --metadata-file as well" "$(jq -cS '."buildx.build.provenance"' "$PARTS/metadata")" "$(jq -cS .predicate <<<"$statement")"
check "mode=min" build -t "$REGISTRY/attested:2" --push --provenance=true --build-arg SECRET_ARG=y
statement=$(blob attested "$(raw "$REGISTRY/attested@$(member "$REGISTRY/attested:2" 1)" | jq -r '.layers[0].digest')")
equal "keeps arguments and Dockerfile to itself" "$(grep -c 'SECRET_ARG\|infos' <<<"$statement") $(jq -r '.predicate.runDetails.metadata.buildkit_completeness.request' <<<"$statement")" '0 false'
equal "--provenance=false: no index" "$(build -q --provenance=false)" "$(build -q)"
check "containerd pulls such an image" pull "$(pull_way)" "$REGISTRY/attested:1"
check "beside files" build --provenance=true -o "$PARTS/attested" --platform "$both"
equal "in each platform's folder" "$(jq -r .predicateType "$PARTS/attested/windows(10.0.26100)_amd64/provenance.json")" https://slsa.dev/provenance/v1
printf 'FROM scratch\nADD http://user:secret@%s/v2/ C:/answer.json\n' "$REGISTRY" | dockerfile
equal "what ADD fetched is in it, without passwords" "$("$wcow" build -q --provenance=mode=max -o - "$context" 2>/dev/null | tar -xO provenance.json |
    jq -r '.predicate.buildDefinition.resolvedDependencies[0] | .uri + " " + .digest.sha256')" \
    "http://$REGISTRY/v2/ $(curl -fsS "http://$REGISTRY/v2/" | sha256sum | cut -d' ' -f1)"
refused "--sbom" 'not supported' build --sbom=true
refused "an attestation of another kind" 'provenance' build --attest type=vouch
refused "type=docker with one" 'provenance=false' build --provenance=true -o "type=docker,dest=$PARTS/x.tar"

# ---- stages side by side ----
dockerfile <<'EOF'
FROM scratch AS a
COPY hello.txt C:/a.txt
FROM scratch AS b
COPY hello.txt C:/b.txt
FROM scratch AS unused
COPY missing.txt C:/
FROM scratch AS broken
COPY missing.txt C:/
FROM scratch
COPY --from=a C:/a.txt C:/
COPY --from=1 C:/b.txt C:/
EOF
for n in 1 8; do
    check "stages, $n at once" build --no-cache --max-parallelism $n
done
equal "in whatever order, one image" "$(SOURCE_DATE_EPOCH=1700000000 build -q --no-cache --max-parallelism 1)" "$(SOURCE_DATE_EPOCH=1700000000 build -q --no-cache --max-parallelism 8)"
refused "a stage that fails names its line" '8 . >>> COPY missing.txt' build --target broken
refused "a number that is none" 'max-parallelism' build --max-parallelism many
python3 - "$context" >"$context/Dockerfile" <<'EOF'
for i in range(40):
    print(f"FROM scratch AS s{i}\nCOPY hello.txt C:/{i}.txt")
print("FROM scratch")
for i in range(40):
    print(f"COPY --from=s{i} C:/{i}.txt C:/")
EOF
check "forty stages on two platforms" build --platform "$both" --no-cache

# ---- stages that are only copied from ----
dockerfile <<'EOF'
FROM @BASE@ AS files
COPY hello.txt C:/a/b/
WORKDIR C:/a/c
COPY hello.txt .
FROM @BASE@
COPY --from=files C:/A/ C:/d/
COPY --from=files C:/a/c/hello.txt C:/a.txt
EOF
blobs() {
    ctr content ls -q | sort
}
before=$(blobs)
check "a stage that others copy from" build -t "$REGISTRY/sources:1" --push
equal "is not written: two layers, config, manifest" "$(comm -13 <(echo "$before") <(blobs) | wc -l)" 4
check "its files are in the image" build -o "$PARTS/sources"
equal "where they belong" "$(cd "$PARTS/sources" && find a.txt d -type f | sort | tr '\n' ' ')" 'a.txt d/b/hello.txt d/c/hello.txt '
equal "a second build finds every step" "$(build 2>&1 | grep -c CACHED)" 5
check "as the target it is written" build --target files -t "$REGISTRY/sources:2" --push
equal "with its layers" "$(raw "$REGISTRY/sources:2" | jq '.layers | length')" 4
equal "and the image is the same" "$(SOURCE_DATE_EPOCH=1700000000 build -q --no-cache)" \
    "$(SOURCE_DATE_EPOCH=1700000000 build -q --no-cache --cache-to type=local,dest="$PARTS/exported",mode=max)"
printf 'again\r\n' >"$context/hello.txt"
equal "another file is another image" "$(build 2>&1 | grep -c CACHED)" 1
printf 'hello\r\n' >"$context/hello.txt"

# ---- Ctrl-C with several stages at work ----
truncate -s 100G "$context/big" # minutes, would it go on
# shellcheck disable=SC2016
printf 'FROM scratch\nARG TARGETARCH\nCOPY big C:/${TARGETARCH}\n' | dockerfile
both_at_work() {
    [ "$(ctr content active | tail -n +2 | wc -l)" = 2 ]
}
interrupted "Ctrl-C" both_at_work "$PARTS/interrupted" \
    "$wcow" build --progress plain --max-parallelism 2 --platform windows/amd64,windows/arm64 "$context"
equal "both were at work, and say so" "$(grep -c CANCELED "$PARTS/interrupted")" 2
rm "$context/big"
no_builds_left() {
    ! ctr leases ls -q | grep -v '^wcow-build-cache$' >/dev/null && [ -z "$(ctr content active | tail -n +2)" ]
}
eventually "and nothing is left" no_builds_left

# ---- two machines ----
printf 'FROM @BASE@ AS one\nCOPY hello.txt C:/one/\nWORKDIR C:/two\nFROM @BASE@\nCOPY --from=one C:/one C:/three\n' | dockerfile
digests() {
    local platform
    for platform in windows/amd64 "$both"; do
        SOURCE_DATE_EPOCH=1700000000 "$wcow" build -q --platform "$platform" --provenance=mode=max "$1"
    done | tr '\n' ' '
}
first=$(digests "$context")
cp -r "$context" "$PARTS/elsewhere"
touch -d 2020-01-01 "$PARTS/elsewhere/hello.txt" "$context/hello.txt"
first=$(digests "$context")
parts_stop "$CONTAINERD_PID"
kill_wcowd
rm -rf "$PARTS/cache"
WCOWD_ROOT=$PARTS/wcow2
start_wcowd
mv "$PARTS/root" "$PARTS/root1"
mv "$PARTS/state" "$PARTS/state1"
start_containerd "$WCOW_TEST_CONTAINERD"
second=$(digests "$PARTS/elsewhere")
equal "two machines, one digest each" "$second" "$first"
finish
