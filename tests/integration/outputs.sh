#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Where a build's result goes: archives to files, pipes and devices; names that are no ASCII; the same
# bytes on two machines whatever their owner, umask, locale, time zone, file system and number of processors.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
begin_builds
mkdir "$context/d"
printf 'über\n' >"$context/d/ü.txt"
make_image nanoserver:ltsc2022

# ---- names that are no ASCII, in a locale that has none ----
printf 'FROM scratch\nCOPY d C:/d\n' | dockerfile
check "type=tar" env LC_ALL=C "$wcow" build --progress plain -o "type=tar,dest=$PARTS/names.tar" "$context"
equal "has names as they are" "$(tar -xOf "$PARTS/names.tar" d/ü.txt)" über
ln "$context/d/ü.txt" "$context/d/zlink"
for format in gnu pax; do
    tar -C "$context/d" --format=$format --sort=name -cf "$context/names.tar" ü.txt zlink
    printf 'FROM scratch\nADD names.tar C:/\n' | dockerfile
    check "ADD of an archive in the format $format" build -o "$PARTS/$format"
    equal "with a hard link to such a name" "$(cat "$PARTS/$format/zlink")" über
done
rm "$context/d/zlink" "$context/names.tar"

# ---- what an archive goes to ----
printf 'FROM @BASE@\nCOPY . C:/all\nWORKDIR C:/new\n' | dockerfile
mknod "$PARTS/null" c 1 3
check "to a device" build -o "type=tar,dest=$PARTS/null"
check "which stays one" test -c "$PARTS/null"
check "with a umask" bash -c "umask 077; '$wcow' build -q -o 'type=oci,dest=$PARTS/mine.tar' '$context'"
equal "nobody else reads it" "$(stat -c %a "$PARTS/mine.tar")" 600
refused "to a folder" 'Is a directory' build -o "type=oci,dest=$PARTS"
for type in oci docker tar; do
    refused "type=$type to a terminal" 'standard output is a terminal' \
        python3 -c 'import pty, sys; sys.exit(pty.spawn(sys.argv[1:]) >> 8)' "$wcow" build -o "type=$type,dest=-" "$context"
done
check "four outputs at once" build -o "type=oci,dest=$PARTS/1.tar" -o "type=docker,dest=$PARTS/2.tar" \
    -o "type=tar,dest=$PARTS/3.tar" -o "$PARTS/4" -t four:1 -t four:2
equal "to standard output go the same bytes" "$("$wcow" build -q -t four:1 -t four:2 -o type=oci,dest=- "$context" 2>/dev/null | sha256sum)" "$(sha256sum <"$PARTS/1.tar")"
check "nothing half written is left" bash -c "! ls '$PARTS' | grep -F .tmp"
equal "a reader that goes away is told of" "$("$wcow" build -o - "$context" 2>"$PARTS/said" | head -c 1 | wc -c) $(grep -c '^ERROR.*standard output: Broken pipe' "$PARTS/said")" '1 1'

# A pipe that nobody reads: the build waits, and ends when it is told to.
for type in oci tar; do
    rm -f "$PARTS/pipe" "$PARTS/said" # what the former one said would do for this one, too
    mkfifo "$PARTS/pipe"
    sleep infinity <>"$PARTS/pipe" &
    holder=$!
    "$wcow" build --progress plain -o "type=$type,dest=$PARTS/pipe" "$context" 2>"$PARTS/said" &
    pid=$!
    eventually "type=$type: writing" grep -q 'exporting to\|sending' "$PARTS/said"
    kill -INT $pid
    code=0
    wait $pid || code=$?
    equal "type=$type: an unread pipe holds no build" "$code" 130
    kill $holder
    wait $holder 2>/dev/null || :
done

# ---- foreign layers ----
# A base whose layer lies elsewhere, by its URL.
foreign=$PARTS/foreign
mkdir "$foreign"
blobs=$LAYOUT/blobs/sha256
index=$(jq -r '.manifests[0].digest | ltrimstr("sha256:")' "$LAYOUT/index.json")
manifest=$blobs/$(jq -r '.manifests[0].digest | ltrimstr("sha256:")' "$blobs/$index")
layer=$(jq -r '.layers[0].digest' "$manifest")
jq -c --arg url "http://$REGISTRY/v2/nanoserver/blobs/$layer" \
    '.layers[0] += {mediaType: "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", urls: [$url]}' "$manifest" >"$foreign/manifest"
registry_blob foreign/base "$blobs/$(jq -r '.config.digest | ltrimstr("sha256:")' "$manifest")"
check "a base with a foreign layer" curl -fsS -o /dev/null -X PUT -H 'Content-Type: application/vnd.oci.image.manifest.v1+json' \
    --data-binary "@$foreign/manifest" "http://$REGISTRY/v2/foreign/base/manifests/1"
# has_layer REPOSITORY: whether the registry has that layer there.
has_layer() {
    curl -fsS -I -o /dev/null "http://$REGISTRY/v2/$1/blobs/$layer"
}
printf 'FROM %s/foreign/base:1\nCOPY hello.txt C:/\n' "$REGISTRY" | dockerfile
forget_images
check "is built upon, and pushed" build -t "$REGISTRY/foreign/app:1" --push
refused "without that layer" 404 has_layer foreign/app
equal "which keeps its place" "$(skopeo inspect --raw --tls-verify=false "docker://$REGISTRY/foreign/app:1" | jq -c '.layers[0] | [.mediaType, .urls[0]]')" \
    "[\"application/vnd.oci.image.layer.nondistributable.v1.tar+gzip\",\"http://$REGISTRY/v2/nanoserver/blobs/$layer\"]"
check "with it where that is asked for" build -t "$REGISTRY/foreign/whole:1" --push --allow-nondistributable-artifacts
check "is there" has_layer foreign/whole
equal "in the same image" "$(skopeo inspect --raw --tls-verify=false "docker://$REGISTRY/foreign/whole:1" | sha256sum)" \
    "$(skopeo inspect --raw --tls-verify=false "docker://$REGISTRY/foreign/app:1" | sha256sum)"

# ---- the same bytes anywhere ----
# machine NAME COMMAND...: run where much is different.
machine() {
    local name=$1
    shift
    env SOURCE_DATE_EPOCH=1700000000 XDG_CACHE_HOME="$PARTS/cache-$name" "$@"
}

mkdir "$PARTS/memory" "$PARTS/tmp1" "$PARTS/tmp2"
mount -t tmpfs -o size=64m wcow-context "$PARTS/memory"
mkdir "$PARTS/memory/context"
(
    cd "$context"
    for i in {1..40}; do
        printf 'file %s\n' "$i" >"d/f$i"
    done
    mkdir -p d/sub/deep
    ln -s ../hello.txt d/link
    ln d/f1 d/hard
)
# The other one's files are made in another order, later, by somebody else.
(
    umask 0077
    cd "$PARTS/memory/context"
    mkdir -p d/sub/deep
    find "$context" -type f -printf '%P\n' | sort -r | while read -r file; do
        [ "$file" = d/hard ] || cat "$context/$file" >"$file"
    done
    ln d/f1 d/hard
    ln -s ../hello.txt d/link
    chown -R -h 12345:6789 .
)
outputs=(-t same:1 --iidfile "$PARTS/iid" "--provenance=mode=max,reproducible=true")
on_one() {
    machine one TMPDIR="$PARTS/tmp1" TZ=UTC LC_ALL=C "$wcow" build -q --no-cache "${outputs[@]}" "$@" "$context"
}
on_two() {
    (
        umask 0077
        machine two TMPDIR="$PARTS/tmp2" TZ=Pacific/Chatham LC_ALL=C.UTF-8 LANG=de_DE.UTF-8 \
            "$wcow" build -q --no-cache --max-parallelism 1 "${outputs[@]}" "$@" "$PARTS/memory/context"
    )
}
equal "an image with provenance" "$(on_one)" "$(on_two)"
outputs=(-t same:1)
equal "an image" "$(on_one)" "$(on_two)"
for type in oci docker tar; do
    on_one -o "type=$type,dest=$PARTS/one.tar" >/dev/null
    on_two -o "type=$type,dest=$PARTS/two.tar" >/dev/null
    check "type=$type" cmp "$PARTS/one.tar" "$PARTS/two.tar"
done
outputs=()
on_one -o "$PARTS/one" >/dev/null
on_two -o "$PARTS/two" >/dev/null
check "type=local" diff -r --no-dereference "$PARTS/one" "$PARTS/two"
equal "with no time beyond SOURCE_DATE_EPOCH" "$(find "$PARTS/one" -mindepth 1 -newermt @1700000000)" ''
equal "and the same times" "$(cd "$PARTS/one" && find . -mindepth 1 -printf '%P %T@\n' | sort | sha256sum)" \
    "$(cd "$PARTS/two" && find . -mindepth 1 -printf '%P %T@\n' | sort | sha256sum)"
finish
