#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Builds wcow for arm64 on an amd64 Debian and runs its unit tests in an emulator, all in a Debian root of their own:
# arm64's development packages do not stand beside amd64's. Root, debootstrap, and QEMU's user emulation of version 10
# (Debian 13's qemu-user; older ones lack openat2) as qemu-aarch64.
# Usage: tests/by-hand/arm64.sh FOLDER    (the root is kept there for the next run)
set -euo pipefail
root=$(realpath "${1:?the folder of the Debian root}")
source=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
emulator=$(command -v qemu-aarch64 || command -v qemu-aarch64-static) || {
    echo "there is no qemu-aarch64: install qemu-user of Debian 13" >&2
    exit 1
}
inside() { chroot "$root" env DEBIAN_FRONTEND=noninteractive "$@"; }

if [ ! -e "$root/etc/debian_version" ]; then
    debootstrap --variant=minbase bookworm "$root"
    inside dpkg --add-architecture arm64
    inside apt-get -q update
    inside apt-get -q -y --no-install-recommends install attr cmake crossbuild-essential-arm64 ninja-build pkg-config \
        protobuf-c-compiler protobuf-compiler python3 sqlite3 uthash-dev zlib1g-dev:arm64 \
        lib{archive,cmocka,curl4-openssl,grpc,hivex,inih,isal,jansson,nghttp2,pcre2,protobuf-c,protobuf,sqlite3,ssl,zstd}-dev:arm64
    cat >"$root/root/arm64.cmake" <<'CMAKE'
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(CMAKE_CROSSCOMPILING_EMULATOR /root/qemu-aarch64)
CMAKE
fi
cp "$emulator" "$root/root/qemu-aarch64"
mkdir -p "$root/root/wcow"
git -C "$source" archive HEAD | tar -C "$root/root/wcow" -xmf -
mounted=()
trap 'for folder in "${mounted[@]}"; do umount "$folder"; done' EXIT
for type in proc devpts; do
    folder=$root/proc
    [ $type = proc ] || folder=$root/dev/pts # for the tests that draw on a terminal
    ! mountpoint -q "$folder" || continue
    mount -t $type $type "$folder"
    mounted+=("$folder")
done
inside bash -euc '
    export PKG_CONFIG_LIBDIR=/usr/lib/aarch64-linux-gnu/pkgconfig:/usr/share/pkgconfig
    cd /root/wcow
    cmake --preset ci -B build/arm64 -G Ninja -DCMAKE_TOOLCHAIN_FILE=/root/arm64.cmake
    cmake --build build/arm64
    ctest --test-dir build/arm64 -L unit --timeout 900 --output-on-failure'
