# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# For scripts that start containers and may themselves run in a bare chroot. runc wants a root that is a
# mount point, and cgroups; everybody wants /proc: where any is missing, the script goes on in a mount
# namespace of its own that has them. What is mounted there is gone with its last process.
#
#   chroot_or_not SCRIPT ARGUMENT...   SCRIPT: its absolute path; returns where nothing is missing

mount_cgroups() {
    local name hierarchy rest
    [ -d /sys/fs/cgroup ] || mount -t sysfs none /sys
    if awk 'NR > 1 && $2 != 0 {one = 1} END {exit one}' /proc/cgroups; then
        mount -t cgroup2 none /sys/fs/cgroup
        return
    fi
    mount -t tmpfs none /sys/fs/cgroup
    while read -r name hierarchy rest; do
        [[ $name != \#* && $hierarchy != 0 ]] || continue
        mkdir -p "/sys/fs/cgroup/$name"
        mount -t cgroup -o "$name" none "/sys/fs/cgroup/$name"
    done </proc/cgroups
}

chroot_or_not() {
    [ "$(id -u)" = 0 ] && [ -z "${WCOW_OWN_ROOT:-}" ] || return 0
    local missing="proc root cgroups"
    [ ! -r /proc/self/mountinfo ] || missing=$(awk '$5 == "/" {root = 1} / - cgroup/ {cgroup = 1}
        END {print (root ? "" : "root") (cgroup ? "" : "cgroups")}' /proc/self/mountinfo)
    [ -n "$missing" ] || return 0
    export WCOW_OWN_ROOT=1 MISSING=$missing
    echo "in a mount namespace of its own, for runc: this root is no mount point, or has no cgroups or no /proc"
    # Whether mounts stay inside can only be tried: the mount that this root is in cannot be named here.
    # shellcheck disable=SC2016 # for the inner shell
    local inner='
        eval "$1"
        case $MISSING in proc*) mount -t proc none /proc ;; esac
        mount -t tmpfs none /mnt
        if grep -q " /mnt " "/proc/$0/mountinfo"; then
            umount /mnt
            case $MISSING in proc*) umount /proc ;; esac
            echo "its mounts would show outside: make it a mount point first (mount --bind ROOT ROOT) and mount cgroups" >&2
            exit 1
        fi
        umount /mnt
        case $MISSING in *cgroups) mount_cgroups ;; esac
        mountpoint -q /dev/pts || mount -t devpts none /dev/pts || true
        mount --rbind / /mnt
        cd /mnt
        shift
        exec chroot /mnt "$@"'
    local code=0
    unshare -m --propagation unchanged bash -euc "$inner" $$ "$(declare -f mount_cgroups)" "$@" || code=$?
    exit $code
}
