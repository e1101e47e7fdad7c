#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The commands that look into images and layers, and mend them: wcow ls, cat, diff, verify, tar, repair.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
begin
export WCOW_ROOT=$WCOWD_ROOT

# The manifest of the one image of a layout, behind its index where it has one.
manifest_of() {
    local file=$1/index.json
    while jq -e .manifests "$file" >/dev/null; do
        file=$1/blobs/sha256/$(jq -r '.manifests[0].digest' "$file" | cut -d: -f2)
    done
    echo "$file"
}

make_image nanoserver:ltsc2022 --update
pull "$(pull_way)" "$IMAGE" >/dev/null
base=$(chain_ids ltsc2022 | sed -n 1p)
top=$(chain_ids ltsc2022 | tail -n 1)
base_folder=$(folder_of "$base")
top_folder=$(folder_of "$top")
mklayer=$WCOW_BUILD/tests/mklayer
"$mklayer" base 100 >"$PARTS/base.tar"
"$mklayer" update >"$PARTS/update.tar"
gzip -k "$PARTS/update.tar"
zstd -q "$PARTS/base.tar"

# exit_code COMMAND...: what it ends with, and nothing else.
exit_code() {
    local code=0
    "$@" >/dev/null 2>&1 || code=$?
    echo $code
}

# ---- ls
check "ls of an image" grep -qx 'Windows/' <("$wcow" ls "$IMAGE")
check "ls of a snapshot, in any letter case" grep -qx newtool.exe <("$wcow" ls "$top" 'c:\windows\SYSTEM32')
equal "what the update deletes is not in the image" "$("$wcow" ls "$IMAGE" 'C:\Windows\System32' | grep -c oldtool || :)" 0
equal "but is in the base" "$("$wcow" ls "$base" 'C:\Windows\System32' | grep -c oldtool)" 1
check "a layer shows its whiteouts" grep -qx .wh.oldtool.exe <("$wcow" ls --layer 2 "$IMAGE" 'C:\Windows\System32')
check "so does its folder" grep -q .wh.oldtool.exe <("$wcow" ls -R "$top_folder")
check "-l tells the owner" grep -q 'TrustedInstaller .*kernel32.dll' <("$wcow" ls -l "$IMAGE" /Windows/System32)
check "-l tells where a junction leads" grep -q '^j-HS.*Documents and Settings -> C:' <("$wcow" ls -l "$IMAGE")
check "--sddl" grep -q 'O:BAG:SYD:' <("$wcow" ls --sddl "$IMAGE" /Users)
mkdir -p "$PARTS/bare/Files/Windows"
tar cf "$PARTS/bare.tar" -C "$PARTS/bare" Files
equal "a directory without a descriptor has that of the layers below" \
    "$("$wcow" ls --sddl "$PARTS/bare.tar" -p "$IMAGE" | grep -A 1 '^Windows/')" "$("$wcow" ls --sddl "$IMAGE" | grep -A 1 '^Windows/')"
equal "but none in its layer alone" "$("$wcow" ls --sddl "$PARTS/bare.tar" | grep -A 1 '^Windows/')" 'Windows/'
check "--streams" grep -q '[^:]:[A-Za-z]' <("$wcow" ls -R --streams "$IMAGE")
equal "--json of every file of the base" "$("$wcow" ls --json -R "$base" / | jq -s 'all(.layer == 1)')" true
equal "--json tells the layer" "$("$wcow" ls --json "$IMAGE" /Windows/System32/newtool.exe | jq -c '[.name,.type,.layer]')" \
    '["Files/Windows/System32/newtool.exe","file",2]'
equal "a tar, its zstd and its folder list the same" \
    "$("$wcow" ls -lR "$PARTS/base.tar" / | sha256sum; "$wcow" ls -lR "$PARTS/base.tar.zst" / | sha256sum)" \
    "$("$wcow" ls -lR "$base_folder" / | sha256sum; "$wcow" ls -lR - / <"$PARTS/base.tar" | sha256sum)"
equal "a tar on its parent lists as the image" \
    "$("$wcow" ls -lR "$PARTS/update.tar.gz" -p "$PARTS/base.tar" | sha256sum)" "$("$wcow" ls -lR "$IMAGE" | sha256sum)"
ctr images tag "$IMAGE" docker.io/library/app:latest >/dev/null
ctr images tag "$IMAGE" short >/dev/null
equal "an image by the short name that docker would take" "$("$wcow" ls -R app | sha256sum)" "$("$wcow" ls -R "$IMAGE" | sha256sum)"
check "and by its very name, whatever that is" "$wcow" cat short 'C:\License.txt'
equal "verify of the same" "$(exit_code "$wcow" verify app:latest)" "$(exit_code "$wcow" verify "$IMAGE")"
ctr images rm docker.io/library/app:latest short >/dev/null
refused "ls of a path that is not there" "is not there" "$wcow" ls "$IMAGE" 'C:\nothing'
refused "ls of another drive" "only the drive C:" "$wcow" ls "$IMAGE" D:/x
refused "ls of nothing there" "neither a file nor a snapshot" "$wcow" ls nothing:1
refused "ls of a folder that is no layer" "no layer.db" "$wcow" ls "$PARTS"
refused "ls of a file that is no tar" "tar|header|block" "$wcow" ls "$0"
refused "ls of a layer beyond the last" "1 .the base. to 2" "$wcow" ls --layer 3 "$IMAGE"

# ---- cat
equal "cat of a file" "$("$wcow" cat "$IMAGE" 'c:\license.TXT' | sha256sum)" "$(sha256sum <"$base_folder/Files/License.txt")"
equal "cat of a hard link" "$("$wcow" cat "$IMAGE" /Windows/System32/ntdll.dll | sha256sum)" \
    "$(sha256sum <"$base_folder/Files/Windows/System32/ntdll.dll")"
equal "cat of the same in a tar" "$("$wcow" cat "$PARTS/base.tar.zst" Files/Windows/System32/ntdll.dll | sha256sum)" \
    "$(sha256sum <"$base_folder/Files/Windows/System32/ntdll.dll")"
stream=$("$wcow" ls --json -R --streams "$base_folder" / | jq -r 'select(.type == "stream") | .name' | sed -n 1p)
size=$("$wcow" ls --json -R --streams "$base_folder" / | jq -r 'select(.type == "stream") | .size' | sed -n 1p)
equal "cat of a stream" "$("$wcow" cat "$IMAGE" "$stream" | wc -c)" "$size"
equal "cat of the same in a tar" "$("$wcow" cat "$PARTS/base.tar" "$stream" | wc -c)" "$size"
refused "cat of a directory" "is a directory" "$wcow" cat "$IMAGE" 'C:\Windows'
refused "cat of what the update deletes" "is not there" "$wcow" cat "$IMAGE" 'C:\Windows\System32\oldtool.exe'

# ---- a snapshot that is written to
scratch=$(snapshots prepare --mounts my-test "$top" | jq -r '.[0].Source')
mkdir -p "$scratch/Files/app"
echo hello >"$scratch/Files/app/hello.txt"
equal "cat of a new file in an active snapshot" "$("$wcow" cat my-test 'C:\app\hello.txt')" hello
equal "diff against its parent" "$("$wcow" diff "$top" my-test | grep app)" "$(printf '+ Files/app\n+ Files/app/hello.txt')"
check "and it still can be committed" snapshots commit my-layer my-test

# ---- diff
equal "nothing differs from itself" "$(exit_code "$wcow" diff "$IMAGE" "$top")" 0
equal "layers that differ" "$(exit_code "$wcow" diff "$base" "$top")" 1
equal "what is not there is trouble" "$(exit_code "$wcow" diff "$base" nothing)" 2
diff=$("$wcow" diff "$base" "$top" || :)
check "diff tells what is new" grep -qx '+ Files/Windows/System32/newtool.exe' <<<"$diff"
check "and what is gone" grep -qx -- '- Files/Windows/System32/oldtool.exe' <<<"$diff"
check "and the registry's changes" grep -qx '+ Hives/System_Delta' <<<"$diff"
equal "--json tells the same" "$("$wcow" diff --json "$base" "$top" | jq -s 'map(select(.change == "removed")) | length')" \
    "$(grep -c '^-' <<<"$diff")"
equal "a layer's tar and its folder are the same" "$(exit_code "$wcow" diff "$PARTS/update.tar" "$top_folder")" 0
refused "an unknown field" "none of type" "$wcow" diff --ignore colour "$base" "$top"

# ---- verify
check "verify of an image" "$wcow" verify "$IMAGE"
check "verify of a tar on its parent" "$wcow" verify "$PARTS/update.tar.gz" -p "$PARTS/base.tar"
cp -a "$base_folder" "$PARTS/damaged"
printf 'X' | dd of="$PARTS/damaged/Files/License.txt" conv=notrunc status=none
refused "verify finds a changed byte in a folder" "error: damaged" "$wcow" verify "$PARTS/damaged"
check "unless it is not to look" "$wcow" verify --no-hash "$PARTS/damaged"

# ---- a layer as builders on Linux write them
mkdir -p "$PARTS/broken/Files/app" "$PARTS/broken/Files/Windows/System32/drivers"
(
    cd "$PARTS/broken"
    echo a >Files/app/a.txt
    ln -s Files/a.txt Files/app/near
    ln -s Files/app Files/app/dir
    touch Files/Windows/System32/drivers/.wh..wh..opq
    tar --format=pax --pax-option=delete=atime,delete=ctime -cf "$PARTS/broken.tar" \
        Files/app/a.txt Files/app/near Files/app/dir Files/Windows/System32/drivers
)
equal "files are seen whose directories have no entries" \
    "$("$wcow" ls "$PARTS/broken.tar" Files)-$("$wcow" ls "$PARTS/broken.tar" 'C:\app' | tr '\n' ' ')" \
    $'app/\nWindows/-a.txt dir near '
echo b >"$PARTS/broken/Files/app/a.txt"
tar -C "$PARTS/broken" --format=pax -cf "$PARTS/broken-b.tar" Files/app/a.txt
equal "and compared" \
    "$("$wcow" diff --ignore times "$PARTS/broken.tar" "$PARTS/broken-b.tar" | grep 'a.txt')" "~ Files/app/a.txt: content"
"$wcow" tar --extract "$PARTS/extracted" "$PARTS/broken-b.tar" 2>/dev/null
equal "and extracted" "$(cat "$PARTS/extracted/app/a.txt")" b
refused "verify names what is broken" "missing-parent.*" "$wcow" verify "$PARTS/broken.tar"
equal "verify --json" "$("$wcow" verify --json "$PARTS/broken.tar" | jq -r .rule | sort -u | tr '\n' ' ')" \
    "link-without-attributes missing-hives missing-parent missing-times opaque-marker prefixed-link-target "
check "repair --dry-run" "$wcow" repair --dry-run "$PARTS/broken.tar" -p "$IMAGE"
check "repair" "$wcow" repair "$PARTS/broken.tar" -p "$IMAGE" -o "$PARTS/mended.tar.gz"
check "what is mended passes, notes and all" "$wcow" verify --strict "$PARTS/mended.tar.gz" -p "$IMAGE"
equal "nothing is left to mend" "$("$wcow" repair --dry-run "$PARTS/mended.tar.gz" -p "$IMAGE" 2>&1)" "nothing to mend"
equal "links lead where they were to" "$("$wcow" ls --json -R "$PARTS/mended.tar.gz" | jq -c 'select(.type == "symlink") | [.target,.attributes]' | tr '\n' ' ')" \
    '["a.txt",1024] ["\\app",1040] '
equal "directories of the base keep its metadata" \
    "$("$wcow" ls --json "$PARTS/mended.tar.gz" /Windows | jq -c 'del(.layer)')" \
    "$("$wcow" ls --json "$base" /Windows | jq -c 'select(.name == "Files/Windows/System32") | del(.layer)')"
check "an opaque directory became whiteouts" grep -q 'drivers/.wh.etc' <("$wcow" ls -R "$PARTS/mended.tar.gz")
head -c -3 "$PARTS/mended.tar.gz" >"$PARTS/cut.tar.gz"
refused "a stream cut off behind the tar's end" "ends too early" "$wcow" verify --diff "$PARTS/cut.tar.gz"
check "a good layer has nothing to mend" grep -qx 'nothing to mend' <("$wcow" repair --dry-run "$PARTS/base.tar" 2>&1)
equal "a good layer stays as it is" "$("$wcow" repair "$PARTS/update.tar" -p "$base" -o - 2>/dev/null | sha256sum)" \
    "$(sha256sum <"$PARTS/update.tar")"
refused "repair without a place to write to" "output" "$wcow" repair "$PARTS/broken.tar"

# ---- images in layouts, as other tools leave them
layout=$LAYOUT
tar -C "$layout" -cf "$PARTS/layout.tar" .
equal "a layout is an image" "$("$wcow" ls -R "$layout")" "$("$wcow" ls -R "$IMAGE")"
equal "so is a tar of one" "$("$wcow" ls -R "oci-archive:$PARTS/layout.tar")" "$("$wcow" ls -R "$IMAGE")"
equal "its tag may be named" "$("$wcow" cat "$layout:ltsc2022" /Windows/System32/newtool.exe | sha256sum)" \
    "$("$wcow" cat "$IMAGE" /Windows/System32/newtool.exe | sha256sum)"
refused "a tag that it has not" 'no image "nope"; there is: ltsc2022' "$wcow" ls "$layout:nope"
refused "no layout" "neither an OCI layout" "$wcow" ls "oci-layout:$PARTS/plain"
equal "layout and image are the same" "$(exit_code "$wcow" diff "$layout" "$IMAGE")" 0
check "verify of a layout" "$wcow" verify "$layout"
cp -r "$layout" "$PARTS/flipped"
blob=$(find "$PARTS/flipped/blobs/sha256" -type f -size +2k | sed -n 1p)
printf 'X' | dd of="$blob" bs=1 seek=2000 conv=notrunc status=none
refused "verify finds a blob that is not what it is called" "$(basename "$blob")" "$wcow" verify "$PARTS/flipped"

# Archives in Docker's own form: skopeo's, and with layers under the names of others as docker save had them.
check "an archive of Docker's form is made" skopeo copy -q --override-os windows "oci:$layout:ltsc2022" "docker-archive:$PARTS/docker.tar:example.com/nano:1"
equal "it is an image" "$("$wcow" ls -R "$PARTS/docker.tar")" "$("$wcow" ls -R "$IMAGE")"
equal "by its scheme and its name" "$(exit_code "$wcow" diff "docker-archive:$PARTS/docker.tar:example.com/nano:1" "$IMAGE")" 0
equal "from standard input, packed" "$(gzip -c "$PARTS/docker.tar" | "$wcow" ls -R -)" "$("$wcow" ls -R "$IMAGE")"
refused "a name that it has not" 'no image "2"; there is: example.com/nano:1' "$wcow" ls "$PARTS/docker.tar:2"
mkdir -p "$PARTS/saved/one" "$PARTS/saved/two" "$PARTS/saved/three"
(
    cd "$PARTS/saved"
    tar -xf "$PARTS/docker.tar" manifest.json
    config=$(jq -r '.[0].Config' manifest.json)
    mapfile -t layers < <(jq -r '.[0].Layers[]' manifest.json)
    tar -xf "$PARTS/docker.tar" "$config" "${layers[@]}"
    mv "${layers[0]}" one/layer.tar
    mv "${layers[1]}" two/layer.tar
    ln -s ../two/layer.tar three/layer.tar
    jq -c '.[0].Layers = ["one/layer.tar", "three/layer.tar"]' manifest.json >new
    mv new manifest.json
    tar -cf "$PARTS/saved.tar" one two three "$config" manifest.json
    rm one/layer.tar
    tar -cf "$PARTS/lost.tar" one two three "$config" manifest.json
)
equal "an archive of links is that image too" "$(exit_code "$wcow" diff "$PARTS/saved.tar" "$IMAGE")" 0
check "and is verified" "$wcow" verify "$PARTS/saved.tar"
refused "an archive that lacks a layer" 'no file "one/layer.tar"' "$wcow" ls "$PARTS/lost.tar"
check "repair makes an OCI layout of it" "$wcow" repair "$PARTS/docker.tar" -o "$PARTS/from-docker"
equal "with its name" "$(jq -r '.manifests[0].annotations["io.containerd.image.name"]' "$PARTS/from-docker/index.json")" example.com/nano:1

# An image that wcowd refuses: its last layer is the broken one.
"$wcow_source/scripts/mkimage" --out "$PARTS/bad" --tag 1 --layer "$PARTS/base.tar" --layer "$PARTS/broken.tar"
refused "verify of an image with a broken layer" "bad, layer 2: error: missing-parent" "$wcow" verify "$PARTS/bad"
check "repair of an image" "$wcow" repair "$PARTS/bad" -t mended -o "$PARTS/good"
check "is one that Windows imports" "$wcow" verify --strict "$PARTS/good:mended"
equal "layers with nothing to mend are as they were" \
    "$(cd "$PARTS/good/blobs/sha256" && for f in *; do [ ! -e "$PARTS/bad/blobs/sha256/$f" ] || echo kept; done)" kept
check "other tools read it" skopeo inspect --override-os windows "oci:$PARTS/good:mended"
equal "it has nothing to mend" "$("$wcow" repair --dry-run "$PARTS/good" 2>&1 | sort -u)" \
    "$(printf 'layer 1: nothing to mend\nlayer 2: nothing to mend')"
refused "a folder that is there" "is there already" "$wcow" repair "$PARTS/bad" -o "$PARTS/good"
push_layout "$PARTS/bad" 1 bad
refused "pulling the broken image is refused" "missing-parent" pull "$(pull_way)" "$REGISTRY/bad:1"
bad_name=$(ctr images ls -q | grep '/bad:1$' || :)
if [ -n "$bad_name" ]; then
    check "repair of an image that containerd has and wcowd refuses" "$wcow" repair "$bad_name" -o "$PARTS/good2"
    equal "gives the same layers" "$(jq -c .layers "$(manifest_of "$PARTS/good2")")" "$(jq -c .layers "$(manifest_of "$PARTS/good")")"
fi
# An index of two versions of Windows, one for Linux, one that is not there, and what was attested of the first,
# which may stand anywhere.
versions=$PARTS/versions
"$wcow_source/scripts/mkimage" --out "$versions" --tag 1 --layer "$PARTS/base.tar" --layer "$PARTS/broken.tar" \
    --os-version 10.0.17763.1 --os-version 10.0.20348.1
"$wcow_source/scripts/mkimage" --out "$versions" --tag linux --os linux --no-index --layer "$PARTS/broken.tar"
# put FILE: as a blob of the layout; its digest.
put() {
    local digest
    digest=$(sha256sum "$1" | cut -d' ' -f1)
    cp "$1" "$versions/blobs/sha256/$digest"
    echo "sha256:$digest"
}
old_index=$(jq -r '.manifests[0].digest' "$versions/index.json")
jq -c --slurpfile top "$versions/index.json" '.manifests[0].digest as $first |
    ($top[0].manifests[] | select(.annotations["org.opencontainers.image.ref.name"] == "linux") | del(.annotations)) as $linux |
    ($linux + {platform: {os: "unknown", architecture: "unknown"}, annotations: {"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": $first}}) as $attested |
    .manifests |= [$attested] + . + [$linux + {platform: {os: "linux", architecture: "amd64"}}, $attested,
        $linux + {digest: ("sha256:" + "0" * 64), platform: {os: "windows", architecture: "arm64"}}]' \
    "$versions/blobs/sha256/${old_index#sha256:}" >"$PARTS/index"
new_index=$(put "$PARTS/index")
jq -c --arg d "$new_index" --argjson s "$(stat -c %s "$PARTS/index")" '.manifests |= (.[:1] | .[0].digest = $d | .[0].size = $s)' \
    "$versions/index.json" >"$PARTS/index.json"
cp "$PARTS/index.json" "$versions/index.json"
said=$("$wcow" repair "$versions" -o "$PARTS/all" 2>&1 || echo failed)
check "repair of an index mends each version" grep -q 'windows(10.0.17763.1)/amd64, layer 2: mended: missing-parent' <<<"$said"
check "the other as well" grep -q 'windows(10.0.20348.1)/amd64, layer 2: mended: missing-parent' <<<"$said"
check "what was attested is told to be left out" test "$(grep -c 'attestation sha256:.* is left out' <<<"$said")" = 2
check "so is what is not there" grep -q 'windows/arm64, left as it is' <<<"$said"
mended=$PARTS/all/blobs/sha256/$(jq -r '.manifests[0].digest' "$PARTS/all/index.json" | cut -d: -f2)
equal "the index lists the platforms it had" "$(jq -r '.manifests[].platform | .os + " " + (.["os.version"] // "")' "$mended" | tr '\n' ',')" \
    'windows 10.0.17763.1,windows 10.0.20348.1,linux ,windows ,'
equal "what is for Linux stays" "$(jq -r '.manifests[2].digest' "$mended")" "$(jq -r '.manifests[3].digest' "$PARTS/index")"
check "with its blobs" test -e "$PARTS/all/blobs/sha256/$(jq -r '.manifests[2].digest' "$mended" | cut -d: -f2)"
for version in 17763 20348; do
    check "verify of $version" "$wcow" verify --strict --platform "windows(10.0.$version)/amd64" "$PARTS/all"
done
check "repair again changes nothing" "$wcow" repair -q "$PARTS/all" -o "$PARTS/all-again"
check "not a byte of the index" cmp "$PARTS/all/index.json" "$PARTS/all-again/index.json"
check "repair of one platform" "$wcow" repair -q --platform 'windows(10.0.20348)/amd64' "$versions" -o "$PARTS/one"
equal "gives no index" "$(jq -r '.manifests[0].digest' "$PARTS/one/index.json")" "$(jq -r '.manifests[1].digest' "$mended")"
# The same of an image that containerd has.
"$wcow_source/scripts/mkimage" --out "$PARTS/two" --tag 1 --layer "$PARTS/base.tar" --layer "$PARTS/broken.tar" \
    --os-version 10.0.17763.1 --os-version 10.0.20348.1
tar -C "$PARTS/two" -cf "$PARTS/two.tar" .
check "containerd takes an index" ctr images import --no-unpack --all-platforms --base-name example.com/two "$PARTS/two.tar"
said=$("$wcow" repair example.com/two:1 -o "$PARTS/two-mended" 2>&1 || echo failed)
for version in 17763 20348; do
    check "repair of it mends $version" grep -q "windows(10.0.$version.1)/amd64, layer 2: mended: missing-parent" <<<"$said"
    check "verify of its $version" "$wcow" verify --strict --platform "windows(10.0.$version)/amd64" "$PARTS/two-mended"
done
equal "it has its name" "$(jq -r '.manifests[0].annotations["io.containerd.image.name"]' "$PARTS/two-mended/index.json")" example.com/two:1
check "repair of one platform of it" "$wcow" repair -q --platform 'windows(10.0.20348)/amd64' example.com/two:1 -o "$PARTS/two-one"
equal "is one manifest" "$(jq -r '.manifests[0].mediaType' "$PARTS/two-one/index.json")" application/vnd.oci.image.manifest.v1+json
tar -C "$PARTS/two-mended" -cf "$PARTS/two.tar" .
check "containerd takes what was mended" ctr images import --no-unpack --all-platforms "$PARTS/two.tar"
check "repair of one platform with nothing to mend" "$wcow" repair -q --platform 'windows(10.0.20348)/amd64' example.com/two:1 -o "$PARTS/two-same"
equal "knows its manifest's size" "$(jq -r '.manifests[0].size' "$PARTS/two-same/index.json")" "$(stat -c %s "$(manifest_of "$PARTS/two-same")")"

refused "an interrupted repair leaves nothing" "blob" "$wcow" repair "$PARTS/flipped" -o "$PARTS/good3"
check "not even its folder" test ! -e "$PARTS/good3"
refused "--parent is for tars" "is an image" "$wcow" repair "$PARTS/bad" -p "$IMAGE" -o "$PARTS/good4"

# ---- tar
mkdir -p "$PARTS/plain/windows/system32" "$PARTS/plain/bin"
echo tool >"$PARTS/plain/bin/tool.txt"
ln "$PARTS/plain/bin/tool.txt" "$PARTS/plain/bin/same.txt"
ln -s ../bin/tool.txt "$PARTS/plain/windows/link"
echo new >"$PARTS/plain/windows/system32/new.dll"
export SOURCE_DATE_EPOCH=1700000000
check "tar of a folder" "$wcow" tar "$PARTS/plain" -p "$IMAGE" -o "$PARTS/layer.tar"
check "is a layer that Windows imports" "$wcow" verify --strict "$PARTS/layer.tar" -p "$IMAGE"
equal "names take the base's casing" "$("$wcow" ls -R "$PARTS/layer.tar" | grep new.dll)" Files/Windows/System32/new.dll
equal "directories of the base keep its metadata" \
    "$("$wcow" ls --json "$PARTS/layer.tar" | jq -c 'select(.name == "Files/Windows") | del(.layer)')" \
    "$("$wcow" ls --json "$base" | jq -c 'select(.name == "Files/Windows") | del(.layer)')"
"$wcow" tar "$PARTS/plain" -p "$IMAGE" -o "$PARTS/again.tar" 2>/dev/null
check "the same input gives the same bytes" cmp "$PARTS/layer.tar" "$PARTS/again.tar"
tar -C "$PARTS/plain" -czf "$PARTS/plain.tar.gz" .
check "tar of a tar" "$wcow" tar "$PARTS/plain.tar.gz" -d 'C:\app' -p "$IMAGE" -o "$PARTS/layer2.tar.zst"
equal "puts it where it is to go" "$("$wcow" cat "$PARTS/layer2.tar.zst" 'C:\app\bin\tool.txt')" tool
check "and Windows imports it" "$wcow" verify --strict "$PARTS/layer2.tar.zst" -p "$IMAGE"
check "--extract" "$wcow" tar --extract "$PARTS/out" "$PARTS/layer.tar"
check "hard links come back" test "$PARTS/out/bin/tool.txt" -ef "$PARTS/out/bin/same.txt"
equal "and links" "$(readlink "$PARTS/out/Windows/link")" ../bin/tool.txt
check "and bytes" cmp "$PARTS/out/Windows/System32/new.dll" "$PARTS/plain/windows/system32/new.dll"
refused "into a folder that is not empty" "new or empty" "$wcow" tar --extract "$PARTS/out" "$PARTS/layer.tar"
equal "--plain is a tar for Linux" "$("$wcow" tar --plain "$IMAGE" /Users/Public -o - 2>/dev/null | tar -xO desktop.ini | sha256sum)" \
    "$("$wcow" cat "$IMAGE" /Users/Public/desktop.ini | sha256sum)"
mkdir -p "$PARTS/whiteouts/sub"
touch "$PARTS/whiteouts/sub/a" "$PARTS/whiteouts/sub/.wh.gone"
tar cf "$PARTS/whiteouts.tar" -C "$PARTS/whiteouts" .
refused "tar of a folder with a file that would delete" 'sub/.wh.gone.*would delete' "$wcow" tar "$PARTS/whiteouts" -o "$PARTS/x.tar"
check "tar of a Linux layer with a whiteout" "$wcow" tar "$PARTS/whiteouts.tar" -o "$PARTS/linux.tar"
equal "which stays one" "$("$wcow" ls "$PARTS/linux.tar" 'C:\sub' | tr '\n' ' ')" 'a .wh.gone '
refused "not in a base" "nothing below it" "$wcow" tar "$PARTS/whiteouts.tar" --base -o "$PARTS/x.tar"
mkdir -p "$PARTS/opaque/windows/system32"
touch "$PARTS/opaque/windows/system32/.wh..wh..opq" "$PARTS/opaque/windows/system32/mine.dll" "$PARTS/opaque/.wh.license.txt"
tar cf "$PARTS/opaque.tar" -C "$PARTS/opaque" .
check "an opaque directory over an image" "$wcow" tar "$PARTS/opaque.tar" -p "$IMAGE" -o "$PARTS/linux2.tar"
equal "has nothing of it any more" "$("$wcow" ls "$PARTS/linux2.tar" -p "$IMAGE" 'C:\Windows\System32')" mine.dll
equal "and a name goes that the image spells otherwise" "$("$wcow" ls "$PARTS/linux2.tar" -p "$IMAGE" | grep -ci license || :)" 0
check "as single whiteouts, which Windows imports" "$wcow" verify --strict "$PARTS/linux2.tar" -p "$IMAGE"
refused "opaque over nobody knows what" "say with --parent" "$wcow" tar "$PARTS/opaque.tar" -o "$PARTS/x.tar"
refused "tar without a place to write to" "where to" "$wcow" tar "$PARTS/plain"
refused "tar of nothing" "No such file" "$wcow" tar "$PARTS/nothing" -o "$PARTS/x.tar"
equal "a tar that fails leaves no file" "$(find "$PARTS" -maxdepth 1 -name '*.partial*' | wc -l)" 0

# Each command has its help.
for verb in ls cat diff verify tar repair; do
    check "$verb --help" grep -q "Usage: wcow $verb" <("$wcow" $verb --help)
    equal "$verb without arguments" "$(exit_code "$wcow" $verb)" 2
done
finish
