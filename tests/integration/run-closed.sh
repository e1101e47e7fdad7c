#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# RUN under Wine with commands that mean harm: what they can reach, and what is left of them. Each fails
# with its exit code and last words, other layers stay cached, nothing stays running or mounted.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=tests/integration/run/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/run/lib.sh"
begin_run
parts=$wcow_source/tests/integration/run

# ---- what can be reached ----
cp "$parts/probe.pl" "$context"
probe() {
    dockerfile <<DOCKERFILE
FROM @BASE@
COPY probe.pl C:/
RUN ${1:-} <<END
start /unix /usr/bin/perl /wine/c/probe.pl
:wait
if not exist C:\\probed.txt goto wait
type C:\\probed.txt
END
DOCKERFILE
}
probe
says "the root shows nothing of the host" 'root: bin dev etc lib lib64 proc run sbin sys tmp usr wine *$' --run-timeout 300
said "nor does /etc" 'etc: fonts hosts passwd resolv.conf ssl *$'
said "nor /proc" 'processes of the host: none'
said "there are no devices but the harmless" 'devices: (core )?fd full (mqueue )?null (ptmx )?(pts )?random shm stderr stdin stdout tty urandom zero *$'
for set in Inh Prm Eff Bnd Amb; do
    said "no capability: $set" "Cap$set: 0000000000000000"
done
said "no new privileges" 'NoNewPrivs: 1'
said "a filter of system calls" 'Seccomp: 2'
# ADDR_NO_RANDOMIZE
said "memory does not lie at random addresses, some of which Windows programs need" 'personality 00040000'
equal "neither containerd nor the store nor the host's files are there" "$(grep -c 'path .* SEEN' "$PARTS/said")" 0
equal "nothing of the root can be written" "$(grep -cE 'write .* WORKS' "$PARTS/said")" 0
equal "no call goes through that is not on the list" "$(grep -oE '(call|clone|socket|device) .* (WORKS|REACHED).*' "$PARTS/said" | tr '\n' ';')" ''
equal "all of them were tried" "$(grep -cE '(call [a-z_0-9]+|clone of a namespace|socket [a-z]+|device node) refused' "$PARTS/said")" 30
said "a network by default" 'network there'
probe --network=none
says "and none with --network=none" 'network none' --run-timeout 300
probe
says "nor with the build's --network=none" 'network none' --run-timeout 300 --no-cache --network none
probe --network=host
says "but a RUN's own counts" 'network there' --run-timeout 300 --no-cache --network none
refused "a network that is none" 'default, none and host' build --network bridge

# ---- what goes wrong ----
# hostile NAME WANT COMMAND...: RUN of the Dockerfile on standard input fails with WANT; nothing stays of
# it, and the step before it is cached: that needs no more of the second RUN than its start.
hostile() {
    local name=$1 want=$2
    shift 2
    dockerfile
    refused "$name" "$want" "${@:-build}"
    eventually "$name: nothing stays" nothing_runs
    "${@:-build}" --run-timeout 1 >"$PARTS/said" 2>&1 || :
    said "$name: the layer before it is cached" '^#[0-9]+ CACHED'
}

hostile "an exit code of Windows" 'exit code: 3221225786' <<'DOCKERFILE'
FROM @BASE@
RUN echo before> C:\before.txt
RUN exit /b -1073741510
DOCKERFILE

x86_64-w64-mingw32-gcc -O1 -o "$context/harm.exe" "$parts/harm.c"
hostile "one that crashes" 'exit code: 3221225477' <<'DOCKERFILE'
FROM @BASE@
COPY harm.exe C:/
RUN C:\harm.exe crash
DOCKERFILE

printf 'executor = wine\nrun-memory = 600m\nrun-disk = 300m\nrun-processes = 100\nrun-timeout = 300\n' >"$conf"
if [ -e /sys/fs/cgroup/memory/tasks ] || grep -q memory /sys/fs/cgroup/cgroup.controllers 2>/dev/null; then
    hostile "one that takes all memory" 'took more memory than the limit of 600 MiB' <<'DOCKERFILE'
FROM @BASE@
COPY harm.exe C:/
RUN C:\harm.exe memory
DOCKERFILE
    cp "$conf" "$PARTS/conf"
    printf 'executor = wine\nrun-memory-all = 500m\n' >"$conf"
    refused "or more than all may have together" 'limit of 8192 MiB \(--memory, .*theirs of 500 MiB' build --memory 8g
    mv "$PARTS/conf" "$conf"
fi

printf '@start /b cmd /c C:\\bomb.cmd & C:\\bomb.cmd\r\n' >"$context/bomb.cmd"
hostile "one that forks without end" 'longer than 10 s|exit code|ended with it' build --run-timeout 10 <<'DOCKERFILE'
FROM @BASE@
COPY bomb.cmd C:/
RUN C:\bomb.cmd
DOCKERFILE

hostile "one that fills the disk" 'it wrote [0-9]+ MiB, the limit is 300 MiB' <<'DOCKERFILE'
FROM @BASE@
COPY harm.exe C:/
RUN C:\harm.exe disk
DOCKERFILE

hostile "one that deletes C:\Windows" 'deleted C:/Windows' <<'DOCKERFILE'
FROM @BASE@
RUN echo before> C:\before.txt
RUN rmdir /s /q C:\Windows
DOCKERFILE

# Names that Windows cannot have, and kinds of files: made by a Linux program, as no Windows one can.
leaves() {
    printf 'open(my $o, ">", "/wine/c/made"); close $o; %s; rename "/wine/c/made", "/wine/c/ready";\n' "$1" >"$context/make.pl"
    printf 'FROM @BASE@\nCOPY make.pl C:/\nRUN <<END\nstart /unix /usr/bin/perl /wine/c/make.pl\n:wait\nif not exist C:\\ready goto wait\ndel C:\\ready\nEND\n' | sed "s#@BASE@#$IMAGE#"
}
hostile "a name with a colon" 'a:b' < <(leaves 'open(my $f, ">", "/wine/c/a:b")')
hostile "a device's name" 'con' < <(leaves 'open(my $f, ">", "/wine/c/con.txt")')
hostile "a trailing dot" 'dot\.' < <(leaves 'open(my $f, ">", "/wine/c/dot.")')
hostile "two names that differ in case" '[Tt]win' < <(leaves 'open(my $f, ">", "/wine/c/twin"); open(my $g, ">", "/wine/c/Twin")')
hostile "a symbolic link" 'left "C:/link", a symbolic link' < <(leaves 'symlink("/etc/passwd", "/wine/c/link")')
hostile "a pipe" 'left "C:/pipe", a pipe, socket or device' < <(leaves 'my $p = "/wine/c/pipe"; syscall(133, $p, 010644, 0)')
hostile "a socket" 'left "C:/sock", a pipe, socket or device' < <(leaves 'use Socket; socket(my $s, AF_UNIX, SOCK_STREAM, 0); bind($s, sockaddr_un("/wine/c/sock"))')

finish
