#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Ctrl-C at each phase of a build, with servers that stop in the middle: it ends at once, with 130, and
# nothing is left of it. SIGTERM, SIGHUP, timeout, and readers that go away.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
begin_builds
export TMPDIR=$PARTS/tmp
mkdir -p "$TMPDIR" "$DOCKER_CONFIG" "$PARTS/proxy" "$PARTS/bin"
make_image nanoserver:ltsc2022
python3 "$wcow_source/tests/integration/stalling_proxy.py" "$REGISTRY" "$PARTS/proxy" >"$PARTS/proxy.log" 2>&1 &
parts_pids+=($!)
eventually "a registry that stalls" test -s "$PARTS/proxy/port"
proxy=${REGISTRY%:*}:$(cat "$PARTS/proxy/port")
said=$PARTS/said

dockerfile() {
    sed "s#@BASE@#$proxy/nanoserver:ltsc2022#" >"$context/Dockerfile"
}

# stall METHOD REGEX [BYTES]: what the proxy does not go on with.
stall() {
    echo "$1 $2 ${3:-0}" >"$PARTS/proxy/stall"
    rm -f "$PARTS/proxy/stalled"
}

stalled() {
    [ -e "$PARTS/proxy/stalled" ]
}

# Neither leases, ingests, snapshots, nor files of its own.
nothing_left() {
    ! ctr leases ls -q | grep -v '^wcow-build-cache$' >/dev/null && [ -z "$(ctr content active | tail -n +2)" ] &&
        ! snapshots ls | grep 'wcow-build\|extract-' >/dev/null && [ -z "$(ls -A "$TMPDIR")" ] &&
        ! ls -d "$context"/*.tmp 2>/dev/null
}

# phase NAME OPTION...: a build that stalls is interrupted.
phase() {
    local name=$1
    shift
    interrupted "$name" stalled "$said" "$wcow" build --progress plain "$@"
    equal "$name: it says so, and no more" "$(grep -c '^ERROR: canceled$' "$said") $(grep -c '^ERROR' "$said")" '1 1'
    eventually "$name: nothing is left" nothing_left
    rm -f "$PARTS/proxy/stall"
    forget_images
}

# ---- the registry ----
printf 'FROM @BASE@\nCOPY hello.txt C:/\n' | dockerfile
stall GET '/manifests/'
phase "looking for the base" "$context"
stall GET '/blobs/' 0
phase "fetching its config" "$context"
layer=$(jq -r '.layers[0].digest' "$LAYOUT/blobs/sha256/$(jq -r '.manifests[0].digest | ltrimstr("sha256:")' "$LAYOUT/blobs/sha256/$(jq -r '.manifests[0].digest | ltrimstr("sha256:")' "$LAYOUT/index.json")")")
stall GET "/blobs/$layer" 100000
phase "fetching its layer" "$context"
rm -rf "$XDG_CACHE_HOME"
stall GET "/blobs/$layer" 100000
phase "fetching it for files" -o "$PARTS/files" "$context"
stall POST '/blobs/uploads/'
phase "opening an upload" -t "$proxy/pushed:1" --push "$context"
stall PUT '/blobs/uploads/'
phase "pushing a layer" -t "$proxy/pushed:1" --push "$context"
stall PUT '/manifests/'
phase "pushing the manifest" -t "$proxy/pushed:1" --push "$context"
stall GET '/manifests/cache'
phase "asking for a cache" --cache-from "$proxy/pushed:cache" "$context"
stall PUT '/manifests/cache'
phase "leaving a cache" --cache-to "type=registry,ref=$proxy/pushed:cache" "$context"

# ---- contexts ----
printf 'FROM scratch\nADD http://%s/v2/nanoserver/blobs/%s C:/file\n' "$proxy" "$layer" | dockerfile
stall GET '/blobs/' 100000
phase "ADD of a URL" "$context"
stall GET '/context.tar'
phase "a context behind a URL" "http://$proxy/context.tar"
printf 'FROM scratch\nADD http://%s/repository.git C:/repository\n' "$proxy" | dockerfile
stall GET '/repository.git'
phase "ADD of a repository" "$context"
stall GET '/repository.git'
phase "a repository as context" "http://$proxy/repository.git"

mkfifo "$PARTS/pipe"
sleep infinity <>"$PARTS/pipe" &
parts_pids+=($!)
from_pipe() {
    exec "$wcow" build --progress plain - <"$PARTS/pipe"
}
at_context() {
    grep -q '^#1 ' "$said"
}
interrupted "a context on standard input" at_context "$said" from_pipe
eventually "a context on standard input: nothing is left" nothing_left
dockerfile_from_pipe() {
    exec "$wcow" build --progress plain -f - "$context" <"$PARTS/pipe"
}
# It has nothing to say yet; but it catches SIGINT, bit 1 of the mask.
catches() {
    grep -q '^SigCgt:.*[2367abef]$' "/proc/$(pgrep -n -x -P $$ wcow)/status"
}
interrupted "a Dockerfile on standard input" catches "$said" dockerfile_from_pipe
eventually "a Dockerfile on standard input: nothing is left" nothing_left

# ---- logging in ----
printf '#!/bin/sh\ntouch %s/proxy/stalled\nexec sleep 600\n' "$PARTS" >"$PARTS/bin/docker-credential-stalls"
chmod +x "$PARTS/bin/docker-credential-stalls"
printf '{"credsStore":"stalls"}' >"$DOCKER_CONFIG/config.json"
docker_login() {
    rm -f "$PARTS/proxy/stalled"
    printf 'FROM %s\n' "$1" >"$context/Dockerfile"
    PATH=$PARTS/bin:$PATH phase "asking a credential helper" "$context"
}
cat >"$PARTS/login.py" <<'PY'
import http.server
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(401)
        self.send_header("WWW-Authenticate", 'Basic realm="x"')
        self.send_header("Content-Length", "0")
        self.end_headers()
    do_HEAD = do_GET
    def log_message(self, *args):
        pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
PY
python3 "$PARTS/login.py" >"$PARTS/login.port" &
parts_pids+=($!)
eventually "a registry that wants a login" test -s "$PARTS/login.port"
docker_login "127.0.0.1:$(cat "$PARTS/login.port")/app:1"
rm "$DOCKER_CONFIG/config.json"

# ---- large files ----
truncate -s 100G "$context/big"
printf 'FROM scratch\nCOPY big C:/big\n' | dockerfile
at_copy() {
    grep -q '^#[0-9]* \[.*COPY big' "$said"
}
interrupted "compressing" at_copy "$said" "$wcow" build --progress plain "$context"
eventually "compressing: nothing is left" nothing_left
truncate -s 400M "$context/big"
check "a layer of zeros" "$wcow" build -q -t big:1 "$context"
# It may be through before the signal comes; then it has ended as it should, too.
"$wcow" build --progress plain -o type=image,unpack=true -t big:2 "$context" >"$said" 2>&1 &
pid=$!
eventually "unpacking" grep -q 'unpacking\|DONE' "$said"
kill -INT $pid 2>/dev/null || :
code=0
wait $pid || code=$?
check "unpacking: it ends" test $code = 130 -o $code = 0
eventually "unpacking: nothing is left" nothing_left
rm "$context/big"
forget_images

# ---- other signals ----
printf 'FROM @BASE@\nCOPY hello.txt C:/\n' | dockerfile
# signalled NAME CODE SIGNAL COMMAND...: a COMMAND that waits for a registry gets SIGNAL.
signalled() {
    local name=$1 want=$2 signal=$3 pid code=0
    shift 3
    stall GET '/manifests/'
    "$@" >"$said" 2>&1 &
    pid=$!
    eventually "$name: a build that waits" stalled
    kill "-$signal" $pid
    wait $pid || code=$?
    equal "$name ends it as Ctrl-C does" "$code $(grep -c '^ERROR: canceled$' "$said")" "$want 1"
    eventually "$name: nothing is left" nothing_left
    rm "$PARTS/proxy/stall"
}
signalled SIGTERM 143 TERM "$wcow" build --progress plain "$context"
signalled SIGHUP 129 HUP "$wcow" build --progress plain "$context"
# What timeout gets it passes on twice, to the command and to its group, as when the time is over.
signalled "SIGTERM by timeout" 143 TERM timeout 3600 "$wcow" build --progress plain "$context"
equal "a reader that goes away does not end a build" \
    "$({ "$wcow" build --progress plain -t read:1 "$context" 2>&1; echo "$?" >"$PARTS/code"; } | head -n 1 | wc -l) $(cat "$PARTS/code")" '1 0'
check "which made its image" ctr images check name==docker.io/library/read:1
finish
