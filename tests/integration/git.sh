#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Repositories that want a login, for ADD and as a context: the login is in the address and nowhere else.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
begin_builds
secret=pw$$x$RANDOM$RANDOM
log=$PARTS/log
mkdir "$PARTS/www"
git init -q -b main "$PARTS/app"
(
    cd "$PARTS/app"
    mkdir sub
    echo one >sub/one
    printf 'FROM scratch\nCOPY sub C:/\n' >Dockerfile
    git add .
    git -c user.name=a -c user.email=a@b commit -q -m one
    git tag v1
    git clone -q --bare . "$PARTS/www/app.git"
    git -C "$PARTS/www/app.git" update-server-info
)
# A server with Basic authentication, which notes the command lines that have the password while it is asked.
cat >"$PARTS/server.py" <<'PY'
import base64, functools, glob, http.server, os, sys
folder, secret = sys.argv[1], os.environ["SECRET"]
wanted = ["Basic " + base64.b64encode(login.encode()).decode() for login in ("user:" + secret, secret + ":")]
class Handler(http.server.SimpleHTTPRequestHandler):
    def note_command_lines(self):
        for name in glob.glob("/proc/[0-9]*/cmdline"):
            try:
                text = open(name, "rb").read()
            except OSError:
                continue
            if secret.encode() in text and b"build" not in text.split(b"\0")[1:2]:
                print("cmdline", text, flush=True)
    def do_GET(self):
        self.note_command_lines()
        if self.headers.get("Authorization") in wanted:
            print("welcome", self.path, flush=True)
            return super().do_GET()
        self.send_response(401)
        self.send_header("WWW-Authenticate", 'Basic realm="x"')
        self.send_header("Content-Length", "0")
        self.end_headers()
    def log_message(self, *args):
        pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=folder))
print("port", server.server_port, flush=True)
server.serve_forever()
PY
SECRET=$secret python3 "$PARTS/server.py" "$PARTS/www" >"$PARTS/server.log" 2>&1 &
parts_pids+=($!)
eventually "a server" grep -q ^port "$PARTS/server.log"
server=127.0.0.1:$(sed -n 's/^port //p' "$PARTS/server.log")
url=http://user:$secret@$server/app.git

# built CONTEXT [OPTION...]: all that is said and written of a build, into $PARTS/log and $PARTS/image.
built() {
    rm -rf "$PARTS/image"
    mkdir "$PARTS/image"
    "$wcow" build --progress plain --provenance=mode=max --metadata-file "$PARTS/image/metadata" \
        -o "type=oci,dest=$PARTS/image.tar" "${@:2}" "$1" >"$log" 2>&1 || return 1
    tar -xf "$PARTS/image.tar" -C "$PARTS/image"
    local blob
    for blob in "$PARTS"/image/blobs/sha256/*; do
        if gzip -t "$blob" 2>/dev/null; then
            gzip -dc "$blob" >"$blob.tar"
        else
            jq -r '.. | .data? // empty' "$blob" 2>/dev/null | base64 -d >"$blob.data" || :
        fi
    done
}

# Wherever the password is to be found, and how often the history names the server.
traces() {
    echo "$(grep -rlaF "$secret" "$log" "$PARTS/image" | tr '\n' ' ')$(cat "$PARTS"/image/blobs/sha256/* | grep -aoF "xxxxx@$server/app.git" | wc -l)"
}

printf 'FROM scratch\nARG REPOSITORY\nADD --keep-git-dir %s#v1 C:/kept\nADD $REPOSITORY C:/other\n' "$url" >"$context/Dockerfile"
check "ADD of a repository that wants a login" built "$context" --build-arg "REPOSITORY=http://$secret@$server/app.git"
check "asked the server" grep -q '^welcome /app.git/' "$PARTS/server.log"
# The histories of ARG and both ADDs; the arguments and the Dockerfile of the provenance.
equal "the login is in nothing that is said or made" "$(traces)" 5
check "and the progress shows where it stood" grep -q "ADD --keep-git-dir http://xxxxx@$server/app.git#v1 C:/kept" "$log"
check "a context that wants a login" built "$url" --build-arg BUILDKIT_CONTEXT_KEEP_GIT_DIR=1
equal "nor is it in what comes of that" "$(traces)" 0
equal "no command line has had it" "$(grep '^cmdline' "$PARTS/server.log" || :)" ''

kept() {
    SOURCE_DATE_EPOCH=1700000000 "$wcow" build -q --no-cache -t "kept:$1" "$context" --build-arg "REPOSITORY=$url"
}
first=$(kept 1)
git -C "$PARTS/www/app.git" repack -q -a -d -f
git -C "$PARTS/www/app.git" update-server-info
second=$(kept 2)
[ "$second" = "$first" ] || "$wcow" diff docker.io/library/kept:1 docker.io/library/kept:2 || :
equal "a .git that is kept is the same each time" "$second" "$first"

printf 'FROM scratch\nADD %s#none C:/kept\n' "$url" >"$context/Dockerfile"
refused "what fails" "xxxxx@$server/app.git: git fetch failed" "$wcow" build --progress plain "$context"
built "$context" || :
check "says where" grep -q "ADD http://xxxxx@$server/app.git#none" "$log"
equal "without the login" "$(grep -cF "$secret" "$log" || :)" 0
git -C "$PARTS/app" mv Dockerfile sub/Dockerfile
printf 'FROM scratch\nCOPY nothing C:/\n' >"$PARTS/app/Dockerfile"
(
    cd "$PARTS/app"
    git add .
    git -c user.name=a -c user.email=a@b commit -q -m two
    git push -q ../www/app.git main
    git -C ../www/app.git update-server-info
)
refused "a file that the repository has not got" "\"nothing\" is not in http://xxxxx@$server/app.git" "$wcow" build --progress plain "$url"
refused "or an archive" '"nothing" is not in the build context on standard input' \
    bash -c "tar c -C '$PARTS/app' Dockerfile | '$wcow' build --progress plain -"
printf 'FROM scratch\nADD http://user:wrong%s@%s/app.git C:/kept\n' "$secret" "$server" >"$context/Dockerfile"
refused "another password" "Authentication failed for 'http://$server/app.git/'" "$wcow" build --progress plain "$context"
finish
