#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# RUN under Wine in all of its forms: shells, exec form, here-documents, quoting, variables, users, mounts.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=tests/integration/run/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/run/lib.sh"
begin_run
parts=$wcow_source/tests/integration/run

# ---- shells ----
dockerfile <<'DOCKERFILE'
FROM @BASE@
RUN echo [%GREETING%] "a  b" 'c' ^& d %%PATH^%% 100%
SHELL ["cmd", "/V:ON", "/S", "/C"]
ENV GREETING="hello there"
RUN set X=1&& echo delayed !X! [%GREETING%]
SHELL ["cmd", "/C"]
RUN echo plain "quotes" & echo and more
RUN if "%greeting%"=="hello there" (echo equal) else (exit /b 3)
RUN ["cmd", "/S", "/C", "echo from exec form"]
RUN echo one> C:\two.txt && echo again>> C:\two.txt && type C:\two.txt | more
DOCKERFILE
says "quotes, spaces and carets as written; unknown variables stay" '[0-9] \[%GREETING%\] "a  b" '"'c'"' & d '
said "SHELL with delayed expansion, ENV in any letter case" '[0-9] delayed 1 \[hello there\]'
said "a shell without /S" '[0-9] plain "quotes" *$'
said "its second command" '[0-9] and more'
said "conditions" '[0-9] equal'
said "exec form of a shell" '[0-9] from exec form'
said "pipes and redirections" '[0-9] again *$'
printf 'FROM @BASE@\nSHELL ["powershell", "-Command"]\nRUN Write-Host hi\n' | dockerfile
refused "PowerShell is named, with what to do" 'powershell.*\.NET Framework.*SHELL \["cmd", "/S", "/C"\]' build
printf 'FROM @BASE@\nRUN powershell -Command Write-Host hi\n' | dockerfile
refused "called by cmd, too" "powershell.*exit code: 9009" build
printf 'FROM @BASE@\nSHELL ["C:\\\\\\\\nosuch\\\\\\\\sh.exe", "-c"]\nRUN true\n' | dockerfile
refused "a shell that is not there is named" 'cannot start C:.+nosuch.+sh.exe -c true' build

# ---- here-documents ----
dockerfile <<'DOCKERFILE'
FROM @BASE@
ARG WHAT=argument
RUN <<"END"
@echo off
set N=0
:again
set /a N=N+1
echo round %N% of %WHAT%
if %N% lss 3 goto again
exit /b 0
END
DOCKERFILE
says "a batch file with labels and variables" 'round 3 of argument'
printf 'FROM @BASE@\nRUN <<END\necho written> C:\\\\Mü.txt\nEND\nRUN type C:\\\\Mü.txt\n' | dockerfile
says "its characters are those of the Dockerfile" '[0-9] written'
printf 'FROM @BASE@\nRUN <<END\necho one\necho 日本\nEND\n' | dockerfile
refused "but of the code page of batch files" 'line 2 of the here-document has "日"' build
printf 'FROM @BASE@\nRUN <<END\necho first\nexit /b 7\nEND\n' | dockerfile
refused "its exit code" 'exit code: 7' build
printf 'FROM @BASE@\nRUN more <<END\ntext\nEND\n' | dockerfile
refused "one as a command's input is refused" "here-document as a command's input" build

# ---- hosts ----
printf 'FROM @BASE@\nRUN type \\\\?\\unix\\etc\\hosts\n' | dockerfile
says "--add-host adds lines to the hosts file" '[0-9] fd00::5.app-6' --add-host app=10.1.2.3 --add-host app-6:fd00::5
said "each of them" '[0-9] 10.1.2.3.app'
said "to those of this machine" '[0-9] .*localhost'
equal "they are part of the step's key" "$(build --add-host app=10.1.2.3 2>&1 | grep -c CACHED)" 0
says "and there without a network, too" '[0-9] 10.1.2.3.app' --network none --add-host app=10.1.2.3
printf 'FROM @BASE@\nRUN ping -n 1 app & exit /b 0\n' | dockerfile
says "programs resolve them" '[0-9] Pinging app \[10\.1\.2\.3\]' --network none --add-host app=10.1.2.3

# ---- links ----
printf 'FROM @BASE@\nRUN mklink C:\\Linked C:\\License.txt\n' | dockerfile
refused "a symbolic link that Wine does not make is named" 'made the symbolic link "C:.+Linked", which Wine cannot' build
equal "and Wine's own words are not shown" "$(build 2>&1 | grep -c fixme)" 0
printf 'FROM @BASE@\nRUN mklink /J C:\\j C:\\Users\n' | dockerfile
refused "nor does it make junctions" 'mklink /J: Wine makes no junctions' build

# ---- output ----
x86_64-w64-mingw32-gcc -o "$context/order.exe" "$parts/order.c"
printf 'FROM @BASE@\nCOPY order.exe C:/\nRUN C:\\order.exe\n' | dockerfile
says "a last line without an end is shown" '[0-9] no end'
equal "both streams keep their order" "$(sed -n 's/^#[0-9]* [0-9.]* line \([0-9]*\).*/\1/p' "$PARTS/said" | tr '\n' ' ')" '0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 '

# ---- users ----
dockerfile <<'DOCKERFILE'
FROM @BASE@
USER ContainerAdministrator
RUN echo %USERNAME% %USERPROFILE% & echo x> %TEMP%\t.txt && echo x> %USERPROFILE%\mine.txt
USER containeruser
RUN echo %USERNAME% %APPDATA%
USER "User Manager\ContainerAdministrator"
RUN echo again %USERNAME%
DOCKERFILE
says "a profile of its own" 'ContainerAdministrator C:.Users.ContainerAdministrator'
said "in any letter case" 'ContainerUser C:.Users.ContainerUser.AppData.Roaming'
said "with its domain" 'again ContainerAdministrator'

# ---- mounts ----
mkdir -p "$context/sub"
echo "of the context" >"$context/sub/in.txt"
dockerfile <<'DOCKERFILE'
# escape=`
FROM @BASE@
RUN --mount=type=bind,source=sub,target=C:\src,rw echo changed> C:\src\in.txt && type C:\src\in.txt
RUN --mount=type=bind,source=sub/in.txt,target=C:\one.txt type C:\one.txt
RUN --mount=type=bind,source=sub,target=C:\src echo x> C:\src\new.txt & exit 0
RUN --mount=type=cache,id=k,target=C:\cache if exist C:\cache\n (echo kept) else (echo new& echo x> C:\cache\n)
RUN --mount=type=cache,id=k,target=C:\other if exist C:\other\n (echo kept) else (echo new)
RUN --mount=type=tmpfs,target=C:\t,size=8m copy C:\Windows\System32\cmd.exe C:\t\x.exe > nul && dir /b C:\t
RUN --mount=type=secret,id=s,env=TOKEN echo token %TOKEN%
RUN --mount=type=secret,id=s,target=C:\keys\k type C:\keys\k
RUN --mount=type=secret,id=absent if exist C:\run\secrets\absent (exit 1) else (echo no secret)
DOCKERFILE
printf sesame >"$PARTS/secret"
says "a bind mount may be written to" '[0-9] changed' --secret "id=s,src=$PARTS/secret"
said "a file of the context is as it was" '[0-9] of the context'
said "a cache is found by its id" '[0-9] kept'
said "a tmpfs holds files" '[0-9] x.exe'
said "a secret as a variable" '[0-9] token sesame'
said "a secret where it is wanted" '[0-9] sesame'
said "a secret that is not given is not there" '[0-9] no secret'
equal "the context is not written to" "$(cat "$context/sub/in.txt")$(ls "$context/sub")" 'of the contextin.txt'
fetch mounted
equal "no mount leaves anything" "$(jq -r '.layers[].digest' "$manifest" | tail -n 9 | while read -r d; do gzip -dc "$layout/blobs/sha256/${d#sha256:}" | tar -tf - 2>/dev/null; done | grep -cvE '^(Files|Hives|Hives/.*)/?$' || :)" 0
check "nor is the secret in the image" bash -c "! zcat -f '$layout'/blobs/sha256/* 2>/dev/null | grep -aq sesame"

# ---- caches that one RUN has at a time ----
dockerfile <<'DOCKERFILE'
FROM @BASE@ AS other
RUN --mount=type=cache,id=k,target=C:\cache,sharing=locked echo second> C:\cache\second
FROM @BASE@
RUN --mount=type=cache,id=l,target=C:\l,sharing=private --mount=type=cache,id=k,target=C:\a,sharing=locked --mount=type=cache,id=k,target=C:\b,sharing=locked --mount=type=bind,from=other,target=C:\o type C:\b\second
DOCKERFILE
says "a locked cache twice in one RUN, and in a stage that it waits for" '[0-9] second *$'
printf 'FROM @BASE@\nRUN --mount=type=cache,id=held,target=C:/c,sharing=@SHARING@ echo x> C:\\c\\x\n' >"$PARTS/held"
sed 's/@SHARING@/shared/' "$PARTS/held" | dockerfile
check "a cache of its own" build
held=$(find "$WCOWD_ROOT/executors/cache" -name x -printf '%h\n')
exec {lock}<"$held"
flock $lock
check "a shared one is had at once, whoever has it" build --no-cache
for sharing in locked private; do
    sed "s/@SHARING@/$sharing/" "$PARTS/held" | dockerfile
    rm -f "$PARTS/had" "$PARTS/said"
    (build --no-cache >"$PARTS/said" 2>&1 && touch "$PARTS/had") &
    eventually "$sharing: a RUN is at work" grep -q '^#.*RUN --mount' "$PARTS/said"
    sleep 1
    check "$sharing: it waits for who has it" test ! -e "$PARTS/had"
    flock -u $lock
    code=0
    wait $! || code=$?
    equal "$sharing: and gets it then" $code 0
    flock $lock
done
flock -u $lock

# ---- mounts that are refused ----
printf 'FROM @BASE@\nRUN --mount=type=secret,id=nope,required type C:\\run\\secrets\\nope\n' | dockerfile
refused "a required secret that is not given" 'secret nope: not found.*--secret id=nope' build
printf 'FROM @BASE@\nRUN --mount=type=cache,id=k exit 0\n' | dockerfile
refused "a mount without a target" 'there is no target=PATH' build
printf 'FROM @BASE@\nRUN --mount=type=ssh exit 0\n' | dockerfile
refused "ssh is refused, with another way" 'type=ssh.*type=secret' build
printf 'FROM @BASE@\nRUN --mount=type=bind,source=absent,target=C:\\x exit 0\n' | dockerfile
refused "a source that is not there is named" 'absent' build
eventually "nothing is left running" nothing_runs
# The cgroup of all RUNs is named by the digest of the folder that Wine was set up in.
if [ -e /sys/fs/cgroup/memory/tasks ] || grep -q memory /sys/fs/cgroup/cgroup.controllers 2>/dev/null; then
    all=$(printf %s "$WCOWD_ROOT/executors/wine" | sha256sum | cut -c 1-12)
    equal "no cgroup of theirs stays" "$(find /sys/fs/cgroup -maxdepth 3 -path "*/wcow/$all")" ''
fi

finish
