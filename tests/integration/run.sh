#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# RUN under Wine against real containerd: what commands see, what they leave in the layer, how they end.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=tests/integration/run/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/run/lib.sh"
begin_parts
parts=$wcow_source/tests/integration/run # of programs and installers

# ---- without an executor ----
printf 'FROM @BASE@\nRUN exit 0\n' | dockerfile
refused "RUN without an executor says how to get one" 'wcow executor install wine' build
refused "wine before it was installed" 'not set up.*wcow executor install wine' build --executor=wine
refused "runhcs needs Windows" 'Windows host' build --executor=runhcs
refused "an unknown executor" 'unknown executor "docker"' build --executor=docker
printf 'executor = nonsense\n' >"$conf"
refused "a bad wcow.conf names its line" 'wcow.conf: line 1: unknown executor' build
rm "$conf"

# In a mount namespace of its own, so that the machine keeps them.
without_cgroups() {
    # shellcheck disable=SC2016 # for the inner shell
    unshare -m --propagation private bash -c '
        awk "\$3 ~ /^cgroup/ {print \$2}" /proc/self/mounts | sort -r | xargs -r -n 1 umount -l
        exec "$@"' - "$@"
}
refused "a machine without cgroups is told how to get them" 'mount -t cgroup2' without_cgroups "$wcow" executor install wine
check "Wine is set up" "$wcow" executor install wine
check "and listed" bash -c "'$wcow' executor ls | grep -q '^wine    [0-9]'"
refused "auto is none until the configuration says otherwise" 'wcow executor install wine' build
printf 'executor = wine\n' >"$conf"

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
x86_64-w64-mingw32-gcc -o "$context/p.exe" "$parts/args.c"
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

# ---- installers and compilers ----
printf 'from an MSI\r\n' >"$PARTS/hello.txt"
(cd "$PARTS" && wixl -a x64 -o "$context/app.msi" "$parts/sample.wxs")
dockerfile <<'DOCKERFILE'
# escape=`
FROM @BASE@
USER ContainerAdministrator
COPY app.msi C:\
RUN msiexec /i C:\app.msi /qn
RUN type "C:\Program Files\Sample App\hello.txt" && reg query HKLM\Software\Vendor\Sample
DOCKERFILE
says "an MSI is installed by msiexec" 'from an MSI'
said "its registry is there in the next RUN" 'Version +REG_SZ +1\.2\.3'
fetch msi
equal "its file is in the layer" "$(file_of -2 'Files/Program Files/Sample App/hello.txt')" 'from an MSI'
hive_of -2 Hives/Software_Delta
check "another reader of hives finds its product" bash -c "reglookup '$PARTS/hive' | grep -q '^/Classes/Installer/Products/[0-9A-F]*/ProductName,SZ,Sample,'"
check "and its key" bash -c "reglookup -p /Vendor/Sample/Version '$PARTS/hive' | grep -q '^/Vendor/Sample/Version,SZ,1.2.3,'"

x86_64-w64-mingw32-gcc -o "$context/cc.exe" "$parts/cc.c"
printf 'exit 42\n' >"$context/answer.src"
dockerfile <<'DOCKERFILE'
# escape=`
FROM @BASE@ AS build
COPY cc.exe answer.src C:\src\
WORKDIR C:\src
RUN cc.exe answer.src answer.exe
FROM @BASE@
COPY --from=build C:\src\answer.exe C:\app\
RUN C:\app\answer.exe & if errorlevel 42 if not errorlevel 43 echo forty-two && exit 0
DOCKERFILE
says "one stage compiles, another runs what came of it" '[0-9] forty-two *$'
fetch stages
equal "the compiler is not in the image" "$(names -2)" 'Files Files/app Files/app/answer.exe'

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
dockerfile <<'DOCKERFILE'
FROM @BASE@
USER ContainerAdministrator
RUN mkdir C:\d && echo x> C:\d\h.txt && attrib +h C:\d\h.txt && attrib +s C:\d\h.txt && echo y> C:\d\r.txt && attrib +r C:\d\r.txt
USER ContainerUser
RUN echo x> C:\u.txt
DOCKERFILE
fetch metadata
layer -2 >"$PARTS/layer.tar"
"$wcow" ls -lR "$PARTS/layer.tar" >"$PARTS/said" 2>&1 || :
said "Hidden and System are kept" '^--HSA .*Files/d/h.txt'
said "ReadOnly, too; the owner is the user" '^-R--A .*ContainerAdministrator .*Files/d/r.txt'
layer -1 >"$PARTS/layer.tar"
"$wcow" ls -lR "$PARTS/layer.tar" >"$PARTS/said" 2>&1 || :
said "of another user's file, the other" 'ContainerUser .*Files/u.txt'
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
hive_of -3 Hives/Software_Delta
equal "HKLM\\Software is in its delta" "$(hivexget "$PARTS/hive" 'Vendor\App' Name)" 'some text'
hive_of -3 Hives/System_Delta
equal "HKLM\\System too, in ControlSet001" "$(hivexget "$PARTS/hive" 'ControlSet001\Control\Session Manager\Environment' FOO)" bar
hive_of -3 "Files/Users/$user/NTUSER.DAT"
equal "HKCU is in NTUSER.DAT" "$(hivexget "$PARTS/hive" 'Software\Mine' N | tr -d '\n')" 5
equal "nothing of Wine's is in the deltas" "$(layer -3 | tar -xOf - --wildcards 'Hives/*' 2>/dev/null | tr -d '\0' | grep -aic 'wine' || :)" 0

equal "what was read of the base's registry is kept" "$(find "$WCOWD_ROOT/executors/wine/cased" -name '*.reg' | wc -l)" 1

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
eventually "nothing is left running" nothing_runs
interrupted "Ctrl-C" note_tasks "$PARTS/said" "$wcow" build --progress plain "$context"
eventually "and leaves nothing" nothing_runs
# At whatever moment: while the container is made, started or cleaned away.
for tenths in 0 1 2 3 4 5; do
    rm -f "$PARTS/said"
    "$wcow" build --progress plain "$context" >"$PARTS/said" 2>&1 &
    parts_wait 60 "the build" test -s "$PARTS/said" # it listens to signals by now
    sleep 0.$tenths
    kill -INT $!
    code=0
    wait $! || code=$?
    equal "Ctrl-C after 0.$tenths s" $code 130
done
eventually "leaves nothing either" nothing_runs
# As by a second Ctrl-C: wcow has no time for anything.
no_task_runs() {
    ! ctr tasks ls | grep RUNNING >/dev/null
}
printf 'FROM @BASE@\nRUN --mount=type=secret,id=s --mount=type=secret,id=s,env=TOKEN for /L %%%%i in (0,0,1) do @rem\n' | dockerfile
"$wcow" build --progress plain --secret "id=s,src=$PARTS/secret" "$context" >"$PARTS/said" 2>&1 &
parts_wait 60 "the command" note_tasks
equal "no secret of a RUN is on disk" "$(grep -rla sesame "$WCOWD_ROOT/executors" "$WCOWD_ROOT/snapshots")" ''
kill -KILL $!
wait $! 2>/dev/null || :
eventually "the command of a build that was killed ends with it" no_task_runs
printf 'FROM @BASE@\nRUN exit 0\n' | dockerfile
check "the next build" build
eventually "removes what is left of it" nothing_runs
printf 'FROM @BASE@\nRUN --network=none type W:\\\\..\\\\etc\\\\passwd\n' | dockerfile
refused "nothing of the host can be seen" 'exit code' build

finish
