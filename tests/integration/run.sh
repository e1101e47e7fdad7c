#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# RUN under Wine against real containerd: what commands see, what they leave in the layer, how they end.
# Needs Wine (wine64) and a wcow built with mingw-w64: fails where they are missing, unless
# WCOW_TEST_NO_WINE says that this machine is not to have them.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

if [ -n "${WCOW_TEST_NO_WINE:-}" ]; then
    echo "skipped: WCOW_TEST_NO_WINE is set"
    exit 77
fi
[ -x /usr/lib/wine/wine64 ] || parts_die "no Wine: apt-get install --no-install-recommends wine64 (or set WCOW_TEST_NO_WINE)"
[ -f "$WCOW_BUILD/wcow-launch.exe" ] || parts_die "no wcow-launch.exe in $WCOW_BUILD: install mingw-w64 and build again"
begin

wcow=$WCOW_BUILD/wcow
export XDG_CACHE_HOME=$PARTS/cache XDG_CONFIG_HOME=$PARTS/config DOCKER_CONFIG=$PARTS/docker
unset SOURCE_DATE_EPOCH BUILDKIT_PROGRESS
context=$PARTS/context
mkdir -p "$context" "$PARTS/config/wcow"
printf 'hello\r\n' >"$context/hello.txt"
make_image nanoserver:ltsc2022

# dockerfile: from standard input, with @BASE@ replaced.
dockerfile() {
    sed "s#@BASE@#$IMAGE#" >"$context/Dockerfile"
}

build() {
    "$wcow" build --progress plain "$@" "$context"
}

# says NAME WANT [OPTION...]: the build's output has the extended regular expression in it.
says() {
    local name=$1 want=$2
    shift 2
    checks=$((checks + 1))
    if ! build "$@" >"$PARTS/said" 2>&1; then
        fail "$name" "the build failed:" "$(tail -n 12 "$PARTS/said")"
    elif ! tr -d '\r' <"$PARTS/said" | grep -Eq -- "$want"; then
        fail "$name" "want: $want" "$(grep -E '^#[5-9]|^#1' "$PARTS/said" | tail -n 12)"
    else
        echo "ok: $name"
    fi
}

# fetch NAME: the image's layers and config into $PARTS/NAME, from an OCI archive of the last build.
fetch() {
    rm -rf "${PARTS:?}/$1"
    mkdir "$PARTS/$1"
    build -t "$1:1" --output "type=oci,dest=$PARTS/$1.tar" >"$PARTS/said" 2>&1 || cat "$PARTS/said"
    tar -xf "$PARTS/$1.tar" -C "$PARTS/$1"
    layout=$PARTS/$1
    manifest=$layout/blobs/sha256/$(jq -r '.manifests[0].digest' "$layout/index.json" | cut -d: -f2)
}

# layer N: the tar of the last fetched image's layer, -1 the uppermost.
layer() {
    local digest
    digest=$(jq -r ".layers[$1].digest" "$manifest")
    gzip -dc "$layout/blobs/sha256/${digest#sha256:}"
}

names() {
    layer "$1" | tar -tf - 2>/dev/null | grep -v '^Hives' | LC_ALL=C sort | tr '\n' ' ' | sed 's/ $//'
}

file_of() {
    layer "$1" | tar -xOf - "$2" 2>/dev/null | tr -d '\r'
}

nothing_runs() {
    [ -z "$(ctr tasks ls -q)" ] && [ -z "$(ctr containers ls -q)" ] &&
        [ -z "$(ls "$WCOWD_ROOT/executors/wine/runs")" ] &&
        ! snapshots ls | grep -q 'wcow-build' && ! grep -q "$PARTS.*overlay\|overlay.*$PARTS" /proc/self/mounts
}

# ---- without an executor ----
printf 'FROM @BASE@\nRUN exit 0\n' | dockerfile
refused "RUN without an executor says how to get one" 'wcow executor install wine' build
refused "wine before it was installed" 'not set up.*wcow executor install wine' build --executor=wine
refused "runhcs needs Windows" 'Windows host' build --executor=runhcs
refused "an unknown executor" 'unknown executor "docker"' build --executor=docker
printf 'executor = nonsense\n' >"$PARTS/config/wcow/wcow.conf"
refused "a bad wcow.conf names its line" 'wcow.conf: line 1: unknown executor' build
rm "$PARTS/config/wcow/wcow.conf"

check "Wine is set up" "$wcow" executor install wine
check "and listed" bash -c "'$wcow' executor ls | grep -q '^wine    [0-9]'"
refused "auto is none until the configuration says otherwise" 'wcow executor install wine' build
printf 'executor = wine\n' >"$PARTS/config/wcow/wcow.conf"

# ---- the hello-world of BuildKit's guide ----
dockerfile <<'DOCKERFILE'
FROM @BASE@
USER ContainerAdministrator
COPY hello.txt C:/
RUN echo "Goodbye!" >> hello.txt
CMD ["cmd", "/C", "type C:\\hello.txt"]
DOCKERFILE
check "the hello-world builds" build -t hello:1
fetch hello
equal "it says what it should, quotes as written" "$(file_of -1 Files/hello.txt | od -An -c | tr -d ' \n')" 'hello\n"Goodbye!"\n'
equal "nothing else is in its layer" "$(names -1)" 'Files Files/hello.txt'
equal "the history names the executor" "$(jq -r .config.digest "$manifest" | cut -d: -f2 | xargs -I{} jq -r '[.history[] | select(.created_by | startswith("RUN")).comment][0]' "$layout/blobs/sha256/{}" | cut -d' ' -f1-4)" 'wcow, run by wine'
says "a second build finds it" '^#[0-9]+ CACHED'

# ---- what commands see ----
cat >"$PARTS/p.c" <<'C'
#include <stdio.h>
#include <stdlib.h>
int main(int argc, char **argv)
{
    printf("%d", argc);
    for (int i = 1; i < argc; i++)
        printf(" [%s]", argv[i]);
    printf(" %s\n", getenv("GREETING"));
    fflush(stdout);
    fprintf(stderr, "on stderr\n");
    return argc > 2 ? atoi(argv[2]) : 0;
}
C
x86_64-w64-mingw32-gcc -o "$context/p.exe" "$PARTS/p.c"
dockerfile <<'DOCKERFILE'
# escape=`
FROM @BASE@
ARG GREETING="from ARG"
COPY p.exe C:/app/
WORKDIR C:\app
RUN ["C:\\app\\p.exe", "a b", "0", "c\"d"]
DOCKERFILE
says "a compiled program runs; exec form is quoted by Windows' rules" '4 \[a b\] \[0\] \[c"d\] from ARG'
printf 'FROM @BASE@\nCOPY p.exe C:/\nENV GREETING=hi\nRUN C:\\\\p.exe "x  y" 0 && ver && echo %%USERNAME%% %%PATH%%\n' | dockerfile
says "shell form is taken as written" '3 \[x  y\] \[0\] hi'
says "the version is the base's" 'Windows 10\.0\.20348' --no-cache
says "PATH comes from the base's registry" 'Container[A-Za-z]+ C:\\windows\\system32;C:\\windows' --no-cache
says "standard error is streamed too" 'on stderr' --no-cache
printf 'FROM @BASE@\nRUN <<END\necho one\necho two> C:\\\\two.txt\nEND\n' | dockerfile
says "a here-document runs line by line" '[0-9] one$'
printf 'FROM @BASE@\nUSER ContainerUser\nRUN echo %%USERNAME%% %%TEMP%%\n' | dockerfile
says "USER" 'ContainerUser C:\\Users\\ContainerUser\\AppData\\Local\\Temp'
printf 'FROM @BASE@\nUSER somebody\nRUN exit 0\n' | dockerfile
refused "an unknown user" 'ContainerAdministrator and ContainerUser' build

# ---- what commands leave ----
dockerfile <<'DOCKERFILE'
# escape=`
FROM @BASE@
COPY hello.txt C:\a\
RUN mkdir C:\app && copy C:\a\hello.txt C:\app\h.txt && del C:\a\hello.txt && mkdir C:\empty && del C:\License.txt
DOCKERFILE
fetch left
equal "new files, an empty directory, whiteouts" "$(names -1)" 'Files Files/.wh.License.txt Files/a Files/a/.wh.hello.txt Files/app Files/app/h.txt Files/empty'
dockerfile <<'DOCKERFILE'
# escape=`
FROM @BASE@
COPY hello.txt C:\old\sub\
COPY hello.txt C:\old\
RUN ren C:\old new && del C:\new\hello.txt && echo x> C:\new\sub\x
DOCKERFILE
fetch renamed
equal "a renamed directory of the image" "$(names -1)" 'Files Files/.wh.old Files/new Files/new/sub Files/new/sub/hello.txt Files/new/sub/x'
printf 'FROM @BASE@\nRUN rmdir /s /q C:\\\\Windows\n' | dockerfile
refused "C:\\Windows deleted" 'deleted C:/Windows' build

# ---- the registry ----
dockerfile <<'DOCKERFILE'
# escape=`
FROM @BASE@
RUN reg add HKLM\Software\Vendor\App /v Name /d "some text" && reg add HKCU\Software\Mine /v N /t REG_DWORD /d 5 && reg add "HKLM\System\CurrentControlSet\Control\Session Manager\Environment" /v FOO /d bar
RUN reg query HKLM\Software\Vendor\App && reg query HKCU\Software\Mine && echo FOO=%FOO% && reg delete HKLM\Software\Vendor /f
RUN reg query HKLM\Software\Vendor & exit 0
DOCKERFILE
says "a RUN sees the registry of the one before" 'FOO=bar'
says "and what it removed is gone" 'Unable to find the specified registry key' --no-cache
fetch registry
user=$(layer -3 | tar -tf - 2>/dev/null | sed -n 's#^Files/Users/\(.*\)/NTUSER.DAT#\1#p')
file_of_raw() { layer "$1" | tar -xOf - "$2" 2>/dev/null >"$PARTS/hive"; }
file_of_raw -3 Hives/Software_Delta
equal "HKLM\\Software is in its delta" "$(hivexget "$PARTS/hive" 'Vendor\App' Name)" 'some text'
file_of_raw -3 Hives/System_Delta
equal "HKLM\\System too, in ControlSet001" "$(hivexget "$PARTS/hive" 'ControlSet001\Control\Session Manager\Environment' FOO)" bar
file_of_raw -3 "Files/Users/$user/NTUSER.DAT"
equal "HKCU is in NTUSER.DAT" "$(hivexget "$PARTS/hive" 'Software\Mine' N | tr -d '\n')" 5
equal "nothing of Wine's is in the deltas" "$(layer -3 | tar -xOf - --wildcards 'Hives/*' 2>/dev/null | tr -d '\0' | grep -aic 'wine' || :)" 0

# ---- mounts ----
printf sesame >"$PARTS/secret"
dockerfile <<'DOCKERFILE'
# escape=`
FROM @BASE@ AS one
RUN echo from one> C:\one.txt
FROM @BASE@
RUN --mount=type=bind,target=C:\src --mount=type=tmpfs,target=C:\t --mount=type=secret,id=s --mount=type=cache,target=C:\cache type C:\src\hello.txt && echo x> C:\t\x && type C:\run\secrets\s && echo kept> C:\cache\k
RUN --mount=type=cache,target=C:\cache --mount=type=bind,from=one,source=C:\one.txt,target=C:\o.txt type C:\cache\k && type C:\o.txt
COPY --from=one C:\one.txt C:\
DOCKERFILE
says "a secret is there" 'sesame' --secret "id=s,src=$PARTS/secret"
says "a cache lasts, and a stage is bound" 'from one' --no-cache --secret "id=s,src=$PARTS/secret"
fetch mounts
equal "no mount leaves a trace" "$(names -3) $(names -2)" 'Files Files'
equal "COPY --from sees what RUN left" "$(file_of -1 Files/one.txt)" 'from one'

# ---- how commands end ----
printf 'FROM @BASE@\nRUN echo last words & exit 70000\n' | dockerfile
refused "an exit code of 32 bits, with the line" '>>> RUN.*exit code: 70000' build
refused "and the last words" 'last words' build
printf 'FROM @BASE@\nRUN nosuchprogram\n' | dockerfile
refused "a program that is not there" 'exit code: [1-9]' build
printf 'FROM @BASE@\nRUN ["C:\\\\\\\\nosuch.exe"]\n' | dockerfile
refused "in exec form" 'exit code: 9009' build
printf 'FROM @BASE@\nRUN for /L %%%%i in (0,0,1) do @rem\n' | dockerfile
refused "one that hangs" 'longer than 2 s' build --run-timeout 2
check "nothing is left running" nothing_runs
"$wcow" build --progress plain "$context" >"$PARTS/said" 2>&1 &
pid=$!
eventually "a command runs" bash -c "ctr tasks ls | grep -q RUNNING"
kill -INT $pid
wait $pid || code=$?
equal "Ctrl-C ends it" "${code:-0}" 130
check "and leaves nothing" nothing_runs
printf 'FROM @BASE@\nRUN --network=none type W:\\\\..\\\\etc\\\\passwd\n' | dockerfile
refused "nothing of the host can be seen" 'exit code' build

finish
