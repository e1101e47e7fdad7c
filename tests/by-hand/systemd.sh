#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The units of config/ under a real systemd, in namespaces of its own: socket activation, readiness,
# reload, an upgrade and a restart under calls, the hardening with a layer applied and compared, a
# restart after a crash. It wants a machine whose cgroups may be used.
source "$(dirname "${BASH_SOURCE[0]}")/../integration/lib.sh"
[ -x /lib/systemd/systemd ] || { echo "no systemd here" >&2; exit 1; }
parts_begin
LAYOUT=$PARTS/layout
"$wcow_source/scripts/mkimage" --out "$LAYOUT" --tag registry.example.com/small:1 --components 10 >/dev/null
tar -C "$LAYOUT" -cf "$PARTS/image.tar" .
top=$(diff_ids registry.example.com/small:1)
mkdir "$PARTS/out" "$PARTS/top"

# What runs inside, as a unit; each fact is a line in /out/facts.
cat >"$PARTS/probe" <<'PROBE'
#!/bin/bash
exec 2>/out/probe.log
set -x
fact() { echo "$*" >>/out/facts; }
is() { systemctl show wcowd.service -p "$1" --value; }
export PATH=/opt:$PATH
fact "ready $(is ActiveState) $(systemctl is-active wcowd.socket)"
fact "modes $(stat -c %a /run/wcow/wcowd.sock) $(stat -c %a /var/lib/wcow)"
containerd >/out/containerd.log 2>&1 &
for _ in $(seq 100); do ctr version && break; sleep 0.2; done
work() {
    for n in $(seq 1000); do
        [ ! -e /out/stop ] || return 0
        { ctr snapshots --snapshotter wcow prepare "s$n" && ctr snapshots --snapshotter wcow commit "c$n" "s$n" &&
            ctr snapshots --snapshotter wcow rm "c$n"; } || return 1
    done
}
systemctl stop wcowd.service
fact "stopped $(is ActiveState)"
ctr snapshots --snapshotter wcow prepare first
ctr snapshots --snapshotter wcow rm first
fact "activated $(is ActiveState)"
mkdir -p /etc/wcow
echo 'log-level = debug' >/etc/wcow/wcowd.conf
systemctl reload wcowd.service
sleep 0.3
fact "reloaded $(journalctl -u wcowd.service | grep -c 'log level set')"
pid=$(is MainPID)
work >/dev/null &
working=$!
for _ in 1 2 3; do
    sleep 0.5
    systemctl kill --kill-whom=main -s USR2 wcowd.service
done
sleep 1
fact "upgraded $(journalctl -u wcowd.service | grep -c msg=upgrading) $([ "$(is MainPID)" = "$pid" ] && echo same)"
touch /out/stop
wait $working && fact "worked through it"
ctr images import --platform windows/amd64 --snapshotter wcow /opt/image.tar
layer=$(ctr snapshots --snapshotter wcow ls | awk 'NR == 2 { print $1 }')
fact "layer $layer"
fact "diff sha256:$(ctr snapshots --snapshotter wcow diff --media-type application/vnd.oci.image.layer.v1.tar "$layer" | sha256sum | cut -d' ' -f1)"
fact "denied $(journalctl -u wcowd.service | grep -ciE 'denied|not permitted')"
kill -SEGV "$(is MainPID)"
sleep 2.5
fact "after a crash $(is ActiveState) $(is NRestarts)"
content=/var/lib/containerd/io.containerd.content.v1.content
for folder in ingest blobs; do
    nsenter -t "$(is MainPID)" -m test -w $content/$folder && fact "writes to $folder"
done
fact all
PROBE

# In the new namespaces: a root of overlayfs, then systemd in it.
cat >"$PARTS/boot" <<'BOOT'
#!/bin/bash
set -e
mount -t tmpfs -o size=1g tmpfs "$PARTS/top"
cd "$PARTS/top"
mkdir upper work root
mount -t overlay -o "lowerdir=/,upperdir=$PWD/upper,workdir=$PWD/work" overlay root
cd root
for at in var/lib run tmp dev opt; do mount -t tmpfs tmpfs "$at"; done
mount -t proc proc proc
mount -t sysfs -o ro sysfs sys
mount -t tmpfs tmpfs sys/fs/cgroup
if [ -e "$PARTS/unified" ]; then
    umount sys/fs/cgroup
    mount -t cgroup2 cgroup2 sys/fs/cgroup
else
    mkdir sys/fs/cgroup/systemd sys/fs/cgroup/unified
    mount -t cgroup -o none,name=systemd cgroup sys/fs/cgroup/systemd
    mount -t cgroup2 cgroup2 sys/fs/cgroup/unified
fi
for device in null:3 zero:5 full:7 random:8 urandom:9; do mknod -m 666 "dev/${device%:*}" c 1 "${device#*:}"; done
mkdir -p dev/pts dev/shm out
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
mount --bind "$PARTS/out" out
cp "$CONTAINERDS/containerd" "$CONTAINERDS/ctr" "$PARTS/image.tar" "$PARTS/probe" opt/
cp "$WCOW_BUILD/wcowd" "$WCOW_BUILD/wcow" usr/bin/
rm -rf etc/systemd/system
mkdir -p etc/systemd/system etc/containerd var/lib/systemd
cp "$SOURCE/config/wcowd.service" "$SOURCE/config/wcowd.socket" etc/systemd/system/
cp "$FRAGMENT" etc/containerd/config.toml
: >etc/fstab
for unit in systemd-udevd systemd-udev-trigger systemd-timesyncd systemd-logind systemd-binfmt systemd-firstboot; do
    ln -s /dev/null "etc/systemd/system/$unit.service"
done
printf '%s\n' '[Unit]' Requires=basic.target 'Wants=wcowd.socket wcowd.service probe.service' After=basic.target \
    >etc/systemd/system/test.target
printf '%s\n' '[Unit]' After=wcowd.service '[Service]' Type=oneshot ExecStart=/opt/probe \
    'ExecStopPost=/bin/systemctl poweroff --force' >etc/systemd/system/probe.service
mkdir old
pivot_root . old
umount -l /old
exec env -i container=wcow-test PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --system --unit=test.target \
    --log-target=console --log-level=info
BOOT
chmod +x "$PARTS/probe" "$PARTS/boot"

# A cgroup of its own, which becomes the root of what that systemd sees.
cgroups=(/sys/fs/cgroup/systemd /sys/fs/cgroup/unified)
if [ ! -d "${cgroups[0]}" ]; then
    cgroups=(/sys/fs/cgroup)
    touch "$PARTS/unified"
fi
FRAGMENT=$wcow_source/config/containerd-2.toml
[ "$WCOW_TEST_CONTAINERD" != 1.7 ] || FRAGMENT=$wcow_source/config/containerd-1.7.toml
export PARTS FRAGMENT SOURCE=$wcow_source WCOW_BUILD
export CONTAINERDS=${WCOW_CONTAINERDS:-$wcow_source/build/containerd}/$WCOW_TEST_CONTAINERD/usr/bin
(
    for cgroup in "${cgroups[@]}"; do
        mkdir -p "$cgroup/wcow-test-$$"
        echo "$BASHPID" >"$cgroup/wcow-test-$$/cgroup.procs"
    done
    exec timeout -s KILL 150 unshare --mount --pid --fork --kill-child --uts --ipc --net --cgroup --propagation private \
        "$PARTS/boot"
) >"$PARTS/boot.log" 2>&1 </dev/null || :
for cgroup in "${cgroups[@]}"; do
    find "$cgroup/wcow-test-$$" -depth -type d -exec rmdir {} + 2>/dev/null || :
done

check "all was asked" grep -qx all "$PARTS/out/facts"
if [ $failures -gt 0 ]; then
    tail -n 40 "$PARTS/boot.log" "$PARTS/out/"* >&2 || :
    finish
fi
has() { # NAME FACT
    check "$1" grep -qxF "$2" "$PARTS/out/facts"
}
has "active once it said that it is ready" "ready active active"
has "socket and root are root's alone" "modes 600 700"
has "a stop ends it" "stopped inactive"
has "a call starts it" "activated active"
has "a reload reads the log level" "reloaded 1"
has "it is upgraded, as the same process" "upgraded 3 same"
has "no call fails meanwhile" "worked through it"
has "a layer is unpacked within the hardening" "layer $top"
has "and leaves as it came" "diff $top"
has "nothing was denied" "denied 0"
has "after a crash it is started again" "after a crash active 1"
equal "of containerd's it writes to what comes in alone" "$(grep '^writes' "$PARTS/out/facts")" "writes to ingest"
[ $failures -eq 0 ] || cat "$PARTS/out/facts" >&2
finish
