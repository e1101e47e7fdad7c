#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# wcow build against real containerd and a registry: base pulled, layers written, image stored, pushed
# and exported; what users get wrong; Ctrl-C.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
begin_builds
make_image nanoserver:ltsc2022

# config REF FILTER: of the image's config in the registry.
config() {
    skopeo inspect --config --tls-verify=false --override-os windows "docker://$1" | jq -r "$2"
}

# rows ARCHIVE N FIELD...: of the layer N (0 is the lowest) of an unpacked image: its index.
layer_db() {
    local chain
    chain=$(ctr content get "$(ctr images ls "name==$1" | awk 'NR == 2 {print $3}')" | jq -r .config.digest)
    chain=$(ctr content get "$chain" | jq -r '.rootfs.diff_ids[]' |
        awk -v n="$2" 'NR <= n + 1' | {
        local all='' id
        while read -r id; do
            if [ -z "$all" ]; then all=$id; else all=sha256:$(printf '%s %s' "$all" "$id" | sha256sum | cut -d' ' -f1); fi
        done
        echo "$all"
    })
    echo "$WCOWD_ROOT/snapshots/$(sqlite3 "$WCOWD_ROOT/metadata.db" "select id from snapshots where key like '%/$chain'")/layer.db"
}

rows() {
    local ref=$1 n=$2
    shift 2
    sqlite3 "$(layer_db "$ref" "$n")" "$*"
}

no_builds_left() {
    ! ctr leases ls -q | grep -v '^wcow-build-cache$' >/dev/null && [ -z "$(ctr content active | tail -n +2)" ] &&
        ! snapshots ls | grep 'wcow-build\|extract-' >/dev/null
}

# ---- the sample: a base that is not here yet ----
dockerfile <<'EOF'
# escape=`
FROM @BASE@
USER ContainerAdministrator
COPY hello.txt C:/
WORKDIR C:\app
ENV GREETING="Hello from wcow"
CMD ["cmd", "/C", "type C:\\hello.txt"]
EOF
check "the sample builds and is pushed" build -t "$REGISTRY/hello:1" --push --iidfile "$PARTS/iid" --metadata-file "$PARTS/metadata"
check "the image is in containerd's store" ctr images check "name==$REGISTRY/hello:1"
equal "the digest is told" "$(cat "$PARTS/iid")" "$(skopeo inspect --tls-verify=false --override-os windows --format '{{.Digest}}' "docker://$REGISTRY/hello:1")"
equal "the metadata too" "$(jq -r '."containerimage.digest"' "$PARTS/metadata")" "$(cat "$PARTS/iid")"
equal "os and version are the base's" "$(config "$REGISTRY/hello:1" '.os + " " + ."os.version"')" "windows $(config "$IMAGE" '."os.version"')"
equal "CMD is stored as argv" "$(config "$REGISTRY/hello:1" '.config.Cmd | join("|")')" 'cmd|/C|type C:\hello.txt'
equal "the command line is not escaped" "$(config "$REGISTRY/hello:1" '.config.ArgsEscaped // false')" false
equal "ENV, USER and WORKDIR" "$(config "$REGISTRY/hello:1" '(.config.Env | join(";")) + " " + .config.User + " " + .config.WorkingDir' | sed 's/.*GREETING/GREETING/')" 'GREETING=Hello from wcow ContainerAdministrator C:\app'
equal "as many layers in the history as diff IDs" "$(config "$REGISTRY/hello:1" '[.history[] | select(.empty_layer | not)] | length')" "$(config "$REGISTRY/hello:1" '.rootfs.diff_ids | length')"
check "skopeo copies it out of the registry" skopeo copy -q --src-tls-verify=false --override-os windows "docker://$REGISTRY/hello:1" "oci:$PARTS/copied:1"
check "a second build finds its layers" bash -c "'$wcow' build --progress plain -t again:1 '$context' 2>&1 | grep -c CACHED | grep -qx 2"
equal "and is the same image" "$(build -q)" "$(cat "$PARTS/iid")"
check "nothing of the builds is left behind" no_builds_left

# ---- what lies in the layers ----
dockerfile <<'EOF'
FROM @BASE@
COPY hello.txt C:/WINDOWS/system32/new.txt
COPY hello.txt C:/WINDOWS/SYSTEM32/CMD.EXE
COPY ["hello.txt", "C:\\Documents and Settings\\Public\\"]
EOF
check "a build into the base's directories" build -o type=image,unpack=true -t cases:1
unpacked=docker.io/library/cases:1
equal "names take the base's casing" "$(rows $unpacked 1 "select name from entries where name like 'Files/%' order by id" | tr '\n' ' ')" \
    'Files/Windows Files/Windows/System32 Files/Windows/System32/new.txt '
equal "a file that is replaced too" "$(rows $unpacked 2 "select name from entries where size = 7")" Files/Windows/System32/cmd.exe
equal "a junction leads on" "$(rows $unpacked 3 "select name from entries where size = 7")" Files/Users/Public/hello.txt
metadata="select e.name, attributes, records, mtime, atime, ctime, creation, hex(raw) from entries e left join descriptors d on d.id = e.descriptor where name in ('Files', 'Files/Windows', 'Files/Windows/System32') order by name"
equal "existing directories keep the base's metadata" "$(rows $unpacked 1 "$metadata")" "$(rows $unpacked 0 "$metadata")"
equal "a new file has the descriptor that its directory gives" "$(rows $unpacked 1 "select count(*) from entries e join descriptors d on d.id = e.descriptor where e.name like '%new.txt' and d.sddl like '%ID;%'")" 1
equal "five hives that change nothing" "$(rows $unpacked 1 "select count(*) from entries where name like 'Hives/%_Delta'")" 5
forget_images

# ---- both escape characters, .dockerignore, links ----
mkdir -p "$context/d/sub"
echo x >"$context/d/sub/x"
echo no >"$context/d/no.log"
ln -s ../hello.txt "$context/d/link.txt"
ln -s sub "$context/d/dirlink"
ln "$context/d/sub/x" "$context/d/hard"
printf '*.md\n**/*.log\n' >"$context/.dockerignore"
printf '# escape=`\nFROM @BASE@\nCOPY d\\sub\\x C:\\b\\\nCOPY d C:\\d\n' | dockerfile
check "escape=\` with backslash paths" build -o type=image,unpack=true -t e:1
equal "the file is there" "$(rows docker.io/library/e:1 1 "select name from entries where name like '%/x'")" Files/b/x
equal "links, directories and hard links of the context" \
    "$(rows docker.io/library/e:1 2 "select type || ' ' || name || ' ' || attributes || ' ' || ifnull(link, '') from entries where name like 'Files/d/%' order by id" | tr '\n' ';')" \
    '3 Files/d/dirlink 1040 sub;1 Files/d/hard 32 ;3 Files/d/link.txt 1024 ..\hello.txt;2 Files/d/sub 16 ;4 Files/d/sub/x 32 Files/d/hard;'
printf 'FROM @BASE@\nCOPY d/sub/x C:\\\\b\\\\\n' | dockerfile
check "the default escape" build -t e:2

# ---- stages, scratch, ARG, several platforms of paths ----
dockerfile <<'EOF'
ARG BASEIMAGE=@BASE@
FROM ${BASEIMAGE} AS one
ARG NAME=a
COPY hello.txt C:/${NAME}/hello.txt
FROM scratch
COPY --from=one C:/A C:/b
COPY --from=one ["C:/Program Files", "C:/p/"]
EOF
check "stages, scratch and --from" build -t s:1 --build-arg NAME=A
equal "FROM scratch has a PATH and one base layer" "$(ctr content get "$(ctr content get "$(ctr images ls "name==docker.io/library/s:1" | awk 'NR == 2 {print $3}')" | jq -r .config.digest)" | jq -r '.config.Env[0] + " " + (.rootfs.diff_ids | length | tostring)')" 'PATH=c:\Windows\System32;c:\Windows 2'
check "--target" build -t s:2 --target one
check "--no-cache-filter makes one stage anew" bash -c "'$wcow' build --progress plain --build-arg NAME=A --no-cache-filter ONE '$context' 2>&1 | grep -c CACHED | grep -qx 2"
check "without it all are found" bash -c "'$wcow' build --progress plain --build-arg NAME=A '$context' 2>&1 | grep -c CACHED | grep -qx 3"

# ---- PATH: it stands in the base's registry ----
printf '# escape=`\nFROM @BASE@\nENV PATH=$PATH;C:\\app\nENV Path=%%path%%;C:\\more OTHER=%%OTHER%%\n' | dockerfile
check "ENV PATH=\$PATH;…" build -t "$REGISTRY/path:1" --push
equal "continues the registry's" "$(config "$REGISTRY/path:1" '.config.Env | join("|")')" \
    'PATH=C:\Windows\system32;C:\Windows;C:\app;C:\more|OTHER=%OTHER%'
printf 'FROM scratch\nCOPY hello.txt C:/\nENV PATH=$PATH;x\n' | dockerfile
check "FROM scratch with PATH" build -t "$REGISTRY/path:2" --push
equal "continues the default" "$(config "$REGISTRY/path:2" '.config.Env | join("|")')" 'PATH=c:\Windows\System32;c:\Windows;x'

# ---- --chown and --chmod ----
dockerfile <<'EOF'
FROM @BASE@ AS first
FROM first
COPY --chown=ContainerUser:Users hello.txt C:/owned.txt
COPY --chown=ContainerUser --chmod=0640 hello.txt C:/made/moded.txt
COPY --chmod=D:P(A;OICI;FA;;;BA) d C:/closed
COPY --from=first --chown=ContainerUser C:/Windows/System32/cmd.exe C:/mine/
EOF
check "a build with --chown and --chmod" build -t rights:1 -o type=image,unpack=true
rights() {
    rows docker.io/library/rights:1 "$1" "select d.sddl from entries e join descriptors d on d.id = e.descriptor where e.name = '$2'"
}
check "--chown sets owner and group" grep -q '^O:S-1-5-93-2-2G:BUD:' <<<"$(rights 1 Files/owned.txt)"
equal "--chmod gives rights" "$(rights 2 Files/made/moded.txt | sed 's/.*D:P/D:P/')" 'D:P(A;;FA;;;SY)(A;;FA;;;BA)(A;;0x13019f;;;S-1-5-93-2-2)(A;;FR;;;BU)'
check "not to directories on the way" grep -qv 'D:P' <<<"$(rights 2 Files/made)"
check "SDDL for a directory" grep -q 'D:P(A;OICI;FA;;;BA)$' <<<"$(rights 3 Files/closed)"
check "and for the files in it" grep -q 'D:P(A;;FA;;;BA)$' <<<"$(rights 3 Files/closed/hard)"
check "--chown of a stage's file" grep -q '^O:S-1-5-93-2-2' <<<"$(rights 4 Files/mine/cmd.exe)"
forget_images
printf 'FROM @BASE@\nCOPY --chmod=rwx hello.txt C:/\n' | dockerfile
refused "a mode that is none" 'is no mode' build
printf 'FROM @BASE@\nSTOPSIGNAL SIGTREM\n' | dockerfile
refused "a signal that is none" '2 [|] >>> STOPSIGNAL SIGTREM.*Invalid signal: SIGTREM' build
printf 'FROM @BASE@\nARG V\nVOLUME $V\n' | dockerfile
refused "a volume that turns out empty" 'VOLUME specified can not be an empty string' build
printf 'FROM @BASE@\nCOPY --chown=1000:1000 hello.txt C:/\n' | dockerfile
refused "a user that Windows does not know" 'only the image itself knows "1000"' build

# ---- ADD of URLs and repositories ----
mkdir -p "$PARTS/www/sub"
printf 'from the web\n' >"$PARTS/www/file.txt"
touch -d '2020-01-02 03:04:05 UTC' "$PARTS/www/file.txt"
echo in >"$PARTS/www/sub/in"
tar -C "$PARTS/www" -czf "$PARTS/www/a.tgz" sub
touch -d '2020-01-02 03:04:05 UTC' "$PARTS/www/a.tgz"
python3 -u -m http.server --bind 127.0.0.1 --directory "$PARTS/www" 0 >"$PARTS/www.log" 2>&1 &
web=$!
eventually "a web server" grep -q ' port [0-9]' "$PARTS/www.log"
web_port=$(sed -n 's/.* port \([0-9]*\) .*/\1/p' "$PARTS/www.log")
url=http://127.0.0.1:$web_port
digest=sha256:$(sha256sum "$PARTS/www/file.txt" | cut -d' ' -f1)
dockerfile <<EOF
FROM @BASE@
ADD --checksum=$digest $url/file.txt?x=1 C:/web/
ADD $url/a.tgz C:/plain.tgz
ADD --unpack=true $url/a.tgz C:/unpacked/
EOF
check "ADD of URLs" build -t add:1 -o type=image,unpack=true
added=docker.io/library/add:1
equal "named by the path, with the server's time" "$(rows $added 1 "select name, mtime / 10000000 - 11644473600 from entries where size = 13")" 'Files/web/file.txt|1577934245'
equal "an archive stays as it is" "$(rows $added 2 "select name from entries where name like '%.tgz'")" Files/plain.tgz
equal "unless it is to be unpacked" "$(rows $added 3 "select name from entries where name like '%/in'")" Files/unpacked/sub/in
# What is in the cache is asked for on condition that it changed; what --checksum names, not at all.
asked() { grep -o '"GET .*" [0-9]*' "$PARTS/www.log" | tail -n +"$((seen + 1))" | sort | uniq -c | sed 's/ HTTP[^" ]*//; s/^ *//' | tr '\n' ' '; }
seen=$(grep -c GET "$PARTS/www.log")
equal "ADD of the same URLs is CACHED" "$(build -t add:2 2>&1 | grep -c CACHED)" 3
equal "and fetches nothing" "$(asked)" '1 "GET /a.tgz" 304 '
tar -C "$PARTS/www" --mtime '2020-01-01 UTC' -czf "$PARTS/www/a.tgz" sub
touch -d '2021-01-02 03:04:05 UTC' "$PARTS/www/a.tgz"
seen=$(grep -c GET "$PARTS/www.log")
# (What is unpacked of it is as it was.)
equal "a file that changed is added anew" "$(build -t add:3 2>&1 | grep -c CACHED)" 2
equal "and fetched once" "$(asked)" '1 "GET /a.tgz" 200 '
# What has just been put there may be replaced within the second that its date says.
echo now >"$PARTS/www/now.txt"
touch -d '+1 hour' "$PARTS/www/now.txt"
printf 'FROM @BASE@\nADD %s/now.txt C:/\n' "$url" | dockerfile
check "ADD of a new file" build
seen=$(grep -c GET "$PARTS/www.log")
equal "is found in the cache" "$(build 2>&1 | grep -c CACHED)" 1
equal "once it has been fetched again" "$(asked)" '1 "GET /now.txt" 200 '
# A server that goes by times alone does not see that an older file came back.
served() { echo "$1" >"$PARTS/www/back.txt" && touch -d "$2-01-01 UTC" "$PARTS/www/back.txt"; }
added_size() { rows docker.io/library/back:1 1 "select size from entries where name like '%/back.txt'"; }
served new 2021
printf 'FROM @BASE@\nADD %s/back.txt C:/one/\n' "$url" | dockerfile
check "ADD of a file" build -t back:1 -o type=image,unpack=true
served "the old one" 2020
printf 'FROM @BASE@\nADD %s/back.txt C:/two/\n' "$url" | dockerfile
refused "a file that is said to be another than comes" 'said that the file had not changed, and sent another' build
check "it is fetched by the next build" build -t back:1 -o type=image,unpack=true
equal "as it is now" "$(added_size)" 12
served new 2021
check "and by those after it" build -t back:1 -o type=image,unpack=true
equal "so that what comes back is seen" "$(added_size)" 4
printf 'FROM @BASE@\nADD --checksum=sha256:%064d %s/file.txt C:/\n' 0 "$url" | dockerfile
refused "another checksum" 'has the digest sha256:.*--checksum' build
printf 'FROM @BASE@\nADD %s/none.txt C:/\n' "$url" | dockerfile
refused "a file that is not there" 'none.txt: the server answered with status 404' build
printf 'FROM @BASE@\nADD --checksum=%s hello.txt C:/\n' "$digest" | dockerfile
refused "a checksum of a local file" 'checksum requires HTTP' build
git init -q -b main "$PARTS/www/app"
(
    cd "$PARTS/www/app"
    mkdir sub
    echo one >sub/one
    git add .
    git -c user.name=a -c user.email=a@b commit -q -m one --date 2020-01-01T00:00:00Z
    git tag v1
    echo two >two
    git add .
    git -c user.name=a -c user.email=a@b commit -q -m two
    git clone -q --bare . "$PARTS/www/app.git"
    cd "$PARTS/www/app.git"
    git update-server-info
)
commit=$(git -C "$PARTS/www/app" rev-parse v1)
printf 'FROM @BASE@\nADD %s/app.git C:/all\nADD --checksum=%s %s/app.git#%s:sub C:/part/\nADD --keep-git-dir %s/app.git#v1 C:/kept\nADD %s/app.git?tag=v1&subdir=sub&commit=%s C:/tag/\n' \
    "$url" "$commit" "$url" "$commit" "http://user:s3cret@127.0.0.1:$web_port" "$url" "$commit" | dockerfile
check "ADD of repositories" build -t git:1 -o type=image,unpack=true
equal "the files, without .git" "$(rows docker.io/library/git:1 1 "select name from entries where type = 1 and name like 'Files/%'" | tr '\n' ' ')" 'Files/all/sub/one Files/all/two '
equal "a folder of a commit" "$(rows docker.io/library/git:1 2 "select name from entries where type = 1 and name like 'Files/%'")" Files/part/one
equal "or with .git" "$(rows docker.io/library/git:1 3 "select name from entries where name like '%/.git/HEAD'")" Files/kept/.git/HEAD
kept=$(dirname "$(layer_db docker.io/library/git:1 3)")/Files/kept/.git
equal "which has no login in it" "$(grep -rl s3cret "$kept" || sed -n 's/.*url = //p' "$kept/config")" "$url/app.git"
check "nor says who fetched it" test ! -e "$kept/logs"
equal "or by a query" "$(rows docker.io/library/git:1 4 "select name from entries where type = 1 and name like 'Files/%'")" Files/tag/one
seen=$(grep -c GET "$PARTS/www.log")
equal "ADD of the same commits is CACHED" "$(build -t git:2 2>&1 | grep -c CACHED)" 4
check "and asks what names stand for, but fetches nothing" bash -c "! grep -q objects" <<<"$(asked)"
(
    cd "$PARTS/www/app"
    echo three >three
    git add .
    git -c user.name=a -c user.email=a@b commit -q -m three
    git -c user.name=a -c user.email=a@b tag -m three v3
    git push -q ../app.git main v3
    cd ../app.git
    git update-server-info
)
check "a branch that went on" build -t git:2 -o type=image,unpack=true
equal "is fetched" "$(rows docker.io/library/git:2 1 "select name from entries where name like '%/three'")" Files/all/three
printf 'FROM @BASE@\nADD --checksum=%.7s %s/app.git#v1 C:/x\n' "$commit" "$url" | dockerfile
check "a tag that is checked" build
equal "is asked for" "$(build 2>&1 | grep -c CACHED)" 1
printf 'FROM @BASE@\nADD %s/app.git#v1:none C:/x\n' "$url" | dockerfile
refused "a folder that is not there" 'app.git has no folder "none"' build
printf 'FROM @BASE@\nADD %s/app.git#none C:/x\n' "$url" | dockerfile
refused "a branch that is not there" 'app.git: git fetch failed:.*none' build
printf 'FROM @BASE@\nADD --checksum=1111111 %s/app.git C:/x\n' "$url" | dockerfile
refused "another commit" 'is at commit' build
tip=$(git -C "$PARTS/www/app" rev-parse main)
printf 'FROM @BASE@\nADD --checksum=%s %s/app.git#%.10s C:/x\n' "$tip" "$url" "$commit" | dockerfile
refused "a commit by its abbreviation, and a branch's as its checksum" 'is at commit' build

# ---- contexts that are no folders ----
mkdir -p "$PARTS/www/far/sub"
echo far >"$PARTS/www/far/sub/far.txt"
printf 'FROM %s\nCOPY . C:/far/\n' "$IMAGE" | tee "$PARTS/www/far/Dockerfile" >"$PARTS/www/far/sub/Dockerfile"
tar -C "$PARTS/www/far/sub" -czf "$PARTS/www/far.tgz" .
git -C "$PARTS/www/far" init -q -b main
git -C "$PARTS/www/far" add .
git -C "$PARTS/www/far" -c user.name=a -c user.email=a@b commit -q -m one
git clone -q --bare "$PARTS/www/far" "$PARTS/www/far.git"
git -C "$PARTS/www/far.git" update-server-info
# far CONTEXT [OPTION...]: the names below C:\far of what is built from there.
far() {
    rm -rf "$PARTS/far-out"
    "$wcow" build -q -o "type=local,dest=$PARTS/far-out" "${@:2}" "$1" >/dev/null
    (cd "$PARTS/far-out/far" && find . -type f -not -path './.git/?*/*' | sort | tr '\n' ' ')
}
equal "an archive behind http is a context" "$(far "$url/far.tgz")" './Dockerfile ./far.txt '
equal "an archive on standard input is one" "$(far - <"$PARTS/www/far.tgz")" './Dockerfile ./far.txt '
equal "a folder of a repository is one" "$(far "$url/far.git#main:sub")" './Dockerfile ./far.txt '
equal "a repository is one, without its .git" "$(far "$url/far.git")" './Dockerfile ./sub/Dockerfile ./sub/far.txt '
check "or with it" grep -q '\./\.git/HEAD' <(far "$url/far.git#main" --build-arg BUILDKIT_CONTEXT_KEEP_GIT_DIR=1)
check "SOURCE_DATE_EPOCH=context" "$wcow" build -q -t "$REGISTRY/epoch:1" --push --build-arg SOURCE_DATE_EPOCH=context "$url/far.git"
equal "is its commit's time" "$(config "$REGISTRY/epoch:1" .created)" \
    "$(TZ=UTC git -C "$PARTS/www/far.git" log -1 --date=format-local:%Y-%m-%dT%H:%M:%SZ --format=%cd)"
printf 'FROM %s\nADD %s/app.git#%s:sub C:/part/\nADD --checksum=%s %s/app.git#v1 C:/whole/\nADD --checksum=%s %s/app.git#v3 C:/tagged/\n' \
    "$IMAGE" "$url" "$commit" "$commit" "$url" "$(git -C "$PARTS/www/app" rev-parse v3)" "$url" >"$context/Commits"
commits() { SOURCE_DATE_EPOCH=1700000000 build -q -f "$context/Commits" --provenance=true; }
first=$(commits)
kill "$web"
equal "commits need no server once they are in the cache" "$(commits)" "$first"
rm "$context/Commits"
printf 'FROM @BASE@\nADD --checksum=%s %s/file.txt?x=1 C:/web/\n' "$digest" "$url" | dockerfile
check "ADD with a checksum needs no server" build -t add:4
printf 'COPY hello.txt C:/WEB/\n' >>"$context/Dockerfile"
check "nor does what lies on it" build -t add:5 -o type=image,unpack=true
equal "and finds the folder that ADD made" "$(rows docker.io/library/add:5 2 "select name from entries where type = 1 and name like 'Files/%'")" Files/web/hello.txt
forget_images

# ---- named contexts ----
mkdir -p "$PARTS/second"
echo other >"$PARTS/second/other.txt"
printf 'FROM docker.io/library/win:latest\nCOPY --from=second other.txt C:/\nCOPY --from=win C:/Windows/System32/cmd.exe C:/copied.exe\n' | dockerfile
check "--build-context, a folder and an image" build -t named:1 -o type=image,unpack=true --build-context "second=$PARTS/second" --build-context "win=docker-image://$IMAGE"
equal "the folder's file" "$(rows docker.io/library/named:1 1 "select name from entries where size = 6")" Files/other.txt
equal "the image's file" "$(rows docker.io/library/named:1 2 "select count(*) from entries where name = 'Files/copied.exe'")" 1
refused "FROM a folder" 'is a folder' build --build-context "win=$PARTS/second"
refused "a context of another kind" 'there are folders' build --build-context win=what://x
printf 'FROM win\nCOPY hello.txt C:/\n' >"$context/FromWin"
equal "an OCI layout is a base as an image is" \
    "$(build -q -f "$context/FromWin" --build-context "win=oci-layout://$PARTS/layouts/nanoserver:ltsc2022")" \
    "$(build -q -f "$context/FromWin" --build-context "win=docker-image://$IMAGE")"
refused "a tag that the layout has not got" 'no image none; there are: ltsc2022' \
    build -f "$context/FromWin" --build-context "win=oci-layout://$PARTS/layouts/nanoserver:none"
rm "$context/FromWin"
forget_images

# ---- files of an image ----
from_image() { SOURCE_DATE_EPOCH=1700000000 "$wcow" build -q --no-cache "$context"; }
folders=$(count_rows)
printf 'FROM scratch\nCOPY --from=@BASE@ C:/ C:/all/\n' | dockerfile
taken=$(from_image)
equal "COPY --from of an image unpacks nothing" "$(count_rows)" "$folders"
truncate -s 0 "$XDG_CACHE_HOME"/wcow/layers/*/layer.db
equal "what a disk has lost of its listing is made again" "$(from_image)" "$taken"
pull "$(pull_way)" "$IMAGE" >/dev/null
equal "its files are those of the unpacked image" "$(XDG_CACHE_HOME=$PARTS/cache3 from_image)" "$taken"
forget_images
folders=$(count_rows)
{
    echo 'FROM scratch'
    for i in 1 2 3; do echo "COPY --from=@BASE@ C:/Windows/System32/component00$i.dll C:/"; done
} | dockerfile
check "three steps with files of one image" build
equal "read it as often" "$(count_rows)" "$folders"
echo "COPY --from=$IMAGE C:/Windows/System32/component004.dll C:/" >>"$context/Dockerfile"
check "a fourth" build --no-cache
check "has it unpacked" test "$(count_rows)" -gt "$folders"
forget_images

# ---- neither a stage nor an image ----
mkdir -p "$PARTS/certs.d/docker.io"
printf 'server = "http://%s"\n' "$REGISTRY" >"$PARTS/certs.d/docker.io/hosts.toml"
printf 'FROM scratch AS stage\nCOPY hello.txt C:/\nFROM scratch\nCOPY --from=stag C:/hello.txt C:/\n' | dockerfile
refused "a stage's name with a slip" \
    'no stage before this one is named stag \(did you mean stage\?\); as an image: pull docker.io/library/stag:latest' \
    build --hosts-dir "$PARTS/certs.d"
build --hosts-dir "$PARTS/certs.d" >"$PARTS/said" 2>&1 || :
equal "the registry is asked once" "$(grep -c 'ERROR: pull' "$PARTS/said")" 1
printf 'FROM scratch\nCOPY --from=0 C:/hello.txt C:/\n' | dockerfile
refused "a stage's own number" '--from=0: no stage is before this one' build

# ---- the same bytes anywhere ----
dockerfile <<'EOF'
FROM @BASE@
COPY . C:/all
WORKDIR C:/new
LABEL a=b
EOF
cp -a "$context" "$PARTS/other"
find "$PARTS/other" -exec touch -h {} +
first=$(SOURCE_DATE_EPOCH=1700000000 "$wcow" build -q --no-cache "$context")
second=$(SOURCE_DATE_EPOCH=1700000000 XDG_CACHE_HOME=$PARTS/cache2 "$wcow" build -q --no-cache "$PARTS/other")
equal "SOURCE_DATE_EPOCH: two contexts, one digest" "$first" "$second"

# ---- archives ----
check "type=oci" build -o "type=oci,dest=$PARTS/oci.tar" -t arch:1
check "skopeo reads it" skopeo inspect --override-os windows "oci-archive:$PARTS/oci.tar"
check "type=oci beside --push" build -o "type=oci,dest=$PARTS/oci.tar" --push -t "$REGISTRY/both:1"
check "pushes too" skopeo inspect --raw --tls-verify=false "docker://$REGISTRY/both:1"
check "type=docker" build -o "type=docker,dest=$PARTS/docker.tar" -t arch:1
check "and that" skopeo inspect --override-os windows "docker-archive:$PARTS/docker.tar"
SOURCE_DATE_EPOCH=1700000000 build -q -o "type=oci,dest=$PARTS/oci1.tar" -t arch:1 >/dev/null
SOURCE_DATE_EPOCH=1700000000 build -q -o "type=oci,dest=$PARTS/oci2.tar" -t arch:1 >/dev/null
check "the same archive twice" cmp "$PARTS/oci1.tar" "$PARTS/oci2.tar"

# ---- files ----
dockerfile <<'EOF'
FROM @BASE@ AS base
FROM scratch
COPY --from=base ["C:/Documents and Settings", "C:/docs/"]
COPY d C:/d
COPY hello.txt C:/sub/hello.txt
EOF
check "type=local" build -o "$PARTS/files"
check "has the files" cmp "$PARTS/files/sub/hello.txt" "$context/hello.txt"
equal "and their links" "$(readlink "$PARTS/files/d/dirlink") $(cat "$PARTS/files/d/dirlink/x")" "sub x"
equal "with their times" "$(stat -c %Y "$PARTS/files/sub/hello.txt")" "$(stat -c %Y "$context/hello.txt")"
ln -sfn /etc "$PARTS/files/sub.link"
rm -r "$PARTS/files/sub" && ln -s "$PARTS/elsewhere" "$PARTS/files/sub" && mkdir "$PARTS/elsewhere"
refused "a link in the folder is not followed" 'sub' build -o "$PARTS/files"
check "nothing went through it" test -z "$(ls "$PARTS/elsewhere")"
check "type=tar" build -o "type=tar,dest=$PARTS/files.tar"
equal "holds the same" "$(tar -xOf "$PARTS/files.tar" d/sub/x)" x
check "to standard output" bash -c "'$wcow' build --progress plain -o - '$context' 2>/dev/null | tar -t | grep -qx sub/hello.txt"
refused "a folder that cannot be made" 'none/x' build -o "$PARTS/none/x"

# ---- what is refused, and how it is said ----
printf 'FROM @BASE@\nCOPY missing.txt C:/\n' | dockerfile
refused "a missing file is named, with its line" '>>> COPY missing.txt.*"missing.txt" is not in the build context' build
printf 'FROM @BASE@\nCOPY helo.txt C:/\n' | dockerfile
refused "with what may have been meant" 'did you mean "hello.txt"' build
printf 'FROM @BASE@\nCOPY d/no.log C:/\n' | dockerfile
refused "a file that is ignored" 'excluded by .dockerignore' build
printf 'FROM @BASE@\nRUN dir\n' | dockerfile
refused "RUN, with the executors there are" '2 . >>> RUN dir.*runhcs.*wine' build
printf 'FROM @BASE@\nCOPI hello.txt C:/\n' | dockerfile
refused "an unknown instruction" 'COPY' build
printf 'FROM @BASE@\nCOPY hello.txt C:/con\n' | dockerfile
refused "a name that Windows reserves" '[Cc]on' build
printf 'FROM @BASE@\nCOPY hello.txt D:/x\n' | dockerfile
refused "another drive" 'system drive' build
printf 'FROM @BASE@\nCOPY hello.txt d C:/x\n' | dockerfile
refused "several sources without a directory" 'end with' build
printf 'FROM %s/no/such:1\n' "$REGISTRY" | dockerfile
refused "a base that is nowhere" 'no/such' build
printf 'FROM @BASE@\nCOPY hello.txt C:/Windows/System32\nCOPY hello.txt C:/Windows/System32/cmd.exe/x\n' | dockerfile
refused "a file in a directory's place" 'not a directory' build
touch "$context/d/HARD"
printf 'FROM @BASE@\nCOPY d C:/d\n' | dockerfile
refused "names that differ in letter case only" 'letter case' build
rm "$context/d/HARD"
refused "an unknown option" 'wcow build --help' "$wcow" build --nonsense "$context"
refused "containerd away" 'containerd' env CONTAINERD_ADDRESS="$PARTS/none.sock" "$wcow" build "$context"
check "nothing is left of what failed" no_builds_left

printf 'FROM @BASE@\n' | dockerfile
refused "an annotation of an index" 'makes a manifest and no index' build --annotation index:a=b
printf 'FROM @BASE@ AS a\nFROM scratch\nCOPY --parents --from=a C:/Windows/./System32/CMD.exe C:/x/\n' | dockerfile
check "--parents with --from" build --output "$PARTS/with-parents"
check "keeps the folders behind the pivot" test -f "$PARTS/with-parents/x/System32/CMD.exe"

# ---- stages for another system ----
linux=$PARTS/linux
mkdir -p "$linux"/{1/bin,1/opt/app,1/etc,2/etc,2/opt/app}
printf one >"$linux/1/opt/app/old"
printf sh >"$linux/1/bin/sh"
ln -s /bin/sh "$linux/1/bin/link"
printf gone >"$linux/1/etc/gone"
printf kept >"$linux/1/etc/kept"
: >"$linux/2/etc/.wh.gone"
: >"$linux/2/opt/app/.wh..wh..opq"
printf two >"$linux/2/opt/app/new"
printf colon >"$linux/2/etc/a:b"
printf twin >"$linux/2/etc/KEPT"
tar -C "$linux/1" -cf "$linux/1.tar" .
tar -C "$linux/2" -cf "$linux/2.tar" .
"$wcow_source/scripts/mkimage" --out "$PARTS/layouts/linux" --tag 1 --os linux --layer "$linux/1.tar" --layer "$linux/2.tar"
push_layout "$PARTS/layouts/linux" 1 linux
dockerfile <<DOCKERFILE
FROM --platform=linux/amd64 $REGISTRY/linux:1 AS l
ENV PLACE=/opt
WORKDIR \$PLACE/made
COPY --chown=1000:1000 --chmod=755 hello.txt .
FROM l AS m
FROM scratch
COPY --from=m / C:/all
COPY --from=l /bin/link C:/followed
DOCKERFILE
check "a stage for Linux gives files" build --output "$PARTS/from-linux"
equal "those of its layers, less what they delete, and its own" \
    "$(cd "$PARTS/from-linux" && find . -type f | sort | tr '\n' ' ')" \
    "./all/bin/sh ./all/etc/KEPT ./all/opt/app/new ./all/opt/made/hello.txt ./followed "
check "what cannot be there is told" bash -c "'$wcow' build --progress plain --no-cache '$context' 2>&1 | grep '2 names of .* cannot be in a Windows layer'"
printf 'FROM --platform=linux/amd64 %s AS l\nRUN true\nFROM scratch\nCOPY --from=l /bin /b\n' "$REGISTRY/linux:1" | dockerfile
refused "RUN there" 'RUN in a stage for linux' build
refused "a target for Linux" 'the target stage is for linux' build --target l
skopeo copy -q --src-tls-verify=false --dest-tls-verify=false --override-os linux --override-arch amd64 "docker://$REGISTRY/linux:1" "docker://$REGISTRY/linux:alone"
dockerfile <<DOCKERFILE
FROM $REGISTRY/linux:alone AS l
FROM scratch
COPY --from=l /opt/app/new C:/a
COPY --from=$REGISTRY/linux:alone /opt/app/new C:/b
DOCKERFILE
check "an image for Linux alone gives files without --platform, too" build --output "$PARTS/from-linux-alone"
equal "those of the stage and those of the image" "$(cat "$PARTS/from-linux-alone/a" "$PARTS/from-linux-alone/b")" twotwo
warning="Base image $REGISTRY/linux:alone was pulled with platform \"linux/amd64\", expected \"windows/amd64\" for current build"
check "a build warns of it" grep -F "InvalidBaseImagePlatform: $warning (line 1)" <(build 2>&1)
check "so does --check" grep -F "$warning" <(build --check 2>&1)
refused "as the target's base it is refused" 'the target stage is for linux, as is its base image .*linux:alone' build --target l
printf 'FROM 127.0.0.1:1/none:1\nENV A=b\n' | dockerfile
check "--check needs no registry" build --check

# ---- sizes ----
long=$context/long
for _ in {1..7}; do
    long=$long/$(printf 'folder%.0s' {1..10})
done
mkdir -p "$long"
printf deep >"$long/$(printf 'name%.0s' {1..60})"
printf 'FROM scratch\nCOPY long C:/long\n' | dockerfile
check "a path of more than 260 characters" build --output "$PARTS/long"
check "arrives whole" diff -r "$context/long" "$PARTS/long/long"
if [ -n "${WCOW_TEST_LARGE:-}" ]; then # half a minute of a processor
    mkdir "$PARTS/large"
    truncate -s 8590000000 "$PARTS/large/file"
    printf 'FROM scratch\nCOPY file C:/\n' >"$PARTS/large/Dockerfile"
    check "a file of more than 8 GiB" "$wcow" build -q --output "type=oci,tar=false,dest=$PARTS/large.oci" "$PARTS/large"
    equal "has its size in the layer" "$(layer=$(find "$PARTS/large.oci/blobs" -size +4M) && tar tvzf "$layer" | awk '/file$/ {print $3}')" 8590000000
fi

# ---- the checks of a build ----
printf 'FROM @BASE@\nENV A=1\nENV B $A\nLABEL c=$NOPE\n' | dockerfile
check "a build tells its warnings" bash -c "'$wcow' build --progress plain '$context' 2>&1 | grep -A2 '2 warnings found' | grep 'UndefinedVar.*line 4'"
check "not where it is to be quiet" bash -c "! '$wcow' build -q '$context' 2>&1 | grep -q warning"
printf '# check=error=true\nFROM @BASE@\nENV B A\n' | dockerfile
refused "warnings that are errors" '3 [|] >>> ENV B A.*lint violation found for rules: LegacyKeyValueFormat' build
printf 'FROM @BASE@\nENV FROM_BASE=1\n' | dockerfile
check "a base with a variable" build -t "$REGISTRY/with-env:1"
printf '# check=error=true\nFROM %s\nLABEL a=$FROM_BASE\n' "$REGISTRY/with-env:1" | dockerfile
check "whose variables are known" build

# ---- contexts that are no folders ----
printf 'FROM @BASE@\nCOPY hello.txt C:/streamed/\n' | dockerfile
equal "an archive on standard input makes the same image" "$(tar -C "$context" -c . | "$wcow" build -q -)" "$(build -q)"
equal "and a Dockerfile alone" "$(printf 'FROM %s\nENV A=1\n' "$IMAGE" | "$wcow" build -q -)" "$(printf 'FROM %s\nENV A=1\n' "$IMAGE" | "$wcow" build -q -f - "$context")"

# ---- du, prune ----
printf 'FROM @BASE@\nCOPY hello.txt C:/pruned\n' | dockerfile
check "a build for the cache" build -t pruned:1
digest=$("$wcow" du --format json | jq -r .[0].digest)
check "du lists its layer" ctr content ls -q
check "which containerd has" ctr content get "$digest"
equal "prune with a filter leaves what was just used" "$("$wcow" prune -f --filter until=1h)" "Total: 0 B"
check "an amount to keep" bash -c "'$wcow' prune -f --keep-storage 100GB | grep -qx 'Total: 0 B'"
refused "an amount that is none" '(keep-storage|max-used-space)' "$wcow" prune -f --keep-storage much
refused "a filter that is none" 'until=' "$wcow" prune -f --filter label=x
forget_images
check "prune empties it" "$wcow" prune -f
equal "du finds nothing" "$("$wcow" du --format json)" '[]'
check "the layer is gone from containerd" bash -c "! ctr content ls -q | grep -q '$digest'"

# ---- Ctrl-C ----
truncate -s 100G "$context/big" # minutes, would it go on
printf 'FROM @BASE@\nCOPY big C:/big\n' | dockerfile
at_work() {
    grep -q '^#[0-9]* \[.*COPY big' "$PARTS/interrupted"
}
interrupted "Ctrl-C" at_work "$PARTS/interrupted" "$wcow" build --progress plain -t big:1 "$context"
rm "$context/big"
eventually "and leaves nothing" no_builds_left
finish
