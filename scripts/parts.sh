# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Private parts for tests and demonstrations: a containerd, a wcowd and a registry in one temporary
# folder, started by functions and ended by their process ids. Sourced, not run:
#
#   parts_begin; start_wcowd; start_containerd 2.x; start_registry; ...; (parts_end runs on exit)
#
# Environment: WCOW_BUILD        build folder with wcowd and wcow (default: build/release)
#              WCOW_CONTAINERDS  where scripts/fetch-containerd unpacked (default: build/containerd)
#              WCOW_KEEP=1       leave the temporary folder behind
# Gives:       PARTS          the temporary folder
#              CONTAINERD_ADDRESS, REGISTRY (host:port), WCOWD_SOCKET, WCOWD_ROOT

wcow_source=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
WCOW_BUILD=$(realpath -m "${WCOW_BUILD:-$wcow_source/build/release}")
parts_pids=()

parts_die() {
    echo "error: $*" >&2
    exit 1
}

# A short path: a Unix socket's has at most 107 characters.
parts_begin() {
    [ "$(id -u)" = 0 ] || parts_die "root is needed: containerd mounts and changes owners"
    parts_owner=$BASHPID
    PARTS=$(mktemp -d "${TMPDIR:-/var/tmp}/wcow.XXXXXX")
    # overlayfs cannot stand on overlayfs, which / is inside many containers.
    if [ "$(stat -f -c %T "$PARTS")" = overlayfs ]; then
        mount -t tmpfs -o mode=0700 wcow-parts "$PARTS"
    fi
    trap parts_end EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
}

# parts_runs PID: that child of ours, of the shell that called parts_begin, or of the script, runs still; not another
# process that was given its number after it.
parts_runs() {
    grep -qE "^PPid:[[:space:]]*($$|$BASHPID|${parts_owner:-$$})\$" "/proc/$1/status" 2>/dev/null
}

# End one child by its id and wait until it is gone; SIGKILL after thirty seconds.
parts_stop() {
    local pid=$1 i
    for ((i = 0; i < 600; i++)); do
        parts_runs "$pid" || break
        [ $i -gt 0 ] || kill -TERM "$pid" 2>/dev/null || :
        sleep 0.05
    done
    ! parts_runs "$pid" || kill -KILL "$pid" 2>/dev/null || :
    wait "$pid" 2>/dev/null || :
}

parts_end() {
    local code=$? i
    trap - EXIT
    trap '' INT TERM HUP
    if [ "$code" != 0 ] && [ "$code" -lt 128 ] && [ -n "${PARTS:-}" ]; then # not on Ctrl-C
        parts_last_words
    fi
    for ((i = ${#parts_pids[@]} - 1; i >= 0; i--)); do
        parts_stop "${parts_pids[i]}"
    done
    [ -n "${PARTS:-}" ] || exit "$code"
    parts_stop_shims
    parts_unmount
    if [ -n "${WCOW_KEEP:-}" ]; then
        echo "Kept: $PARTS" >&2
    else
        [ "$(stat -f -c %T "$PARTS")" != tmpfs ] || umount "$PARTS" 2>/dev/null || :
        rm -rf --one-file-system "$PARTS"
    fi
    exit "$code"
}

# What the daemons said last, to standard error.
parts_last_words() {
    local log
    for log in wcowd containerd registry; do
        [ -s "$PARTS/$log.log" ] || continue
        echo "--- the end of $log.log:" >&2
        grep -v 'level=info' "$PARTS/$log.log" | tail -n "${WCOW_LAST_WORDS:-15}" | cut -c1-500 >&2 || :
    done
}

# Shims outlive their containerd; ours name our socket.
parts_stop_shims() {
    local dir pid
    for dir in /proc/[0-9]*; do
        pid=${dir#/proc/}
        # A process may be gone by now.
        if { tr '\0' ' ' <"$dir/cmdline" | grep -q "^[^ ]*containerd-shim.* $PARTS/"; } 2>/dev/null; then
            # What runs in its containers would go on without it.
            # shellcheck disable=SC2046 # one word each
            kill -KILL $(cat "$dir"/task/*/children) "$pid" 2>/dev/null || :
        fi
    done
}

parts_unmount() {
    local at
    while read -r at; do
        umount -l "$at" 2>/dev/null || :
    done < <(awk -v p="$PARTS/" 'index($2, p) == 1 {print $2}' /proc/self/mounts | sort -r)
}

# parts_wait SECONDS WHAT COMMAND...: until COMMAND succeeds.
parts_wait() {
    local seconds=$1 what=$2 end
    shift 2
    end=$((SECONDS + seconds))
    until "$@" >/dev/null 2>&1; do
        if [ $SECONDS -ge $end ]; then
            parts_die "$what is not ready after $seconds s"
        fi
        sleep 0.05
    done
}

# start_wcowd [OPTION...]: on $WCOWD_SOCKET, for the containerd to come; WCOWD_PROGRAM is another one than
# the build's.
start_wcowd() {
    local program=${WCOWD_PROGRAM:-$WCOW_BUILD/wcowd}
    [ -x "$program" ] || parts_die "$program is missing: build it first"
    WCOWD_ROOT=${WCOWD_ROOT:-$PARTS/wcow}
    WCOWD_SOCKET=$PARTS/wcowd.sock
    export WCOW_ROOT=$WCOWD_ROOT
    : >"$PARTS/wcowd.conf"
    "$program" --config "$PARTS/wcowd.conf" --root "$WCOWD_ROOT" --address "$WCOWD_SOCKET" \
        --containerd-address "$PARTS/containerd.sock" --log-level debug "$@" \
        >>"$PARTS/wcowd.log" 2>&1 &
    WCOWD_PID=$!
    parts_pids+=("$WCOWD_PID")
    parts_wait 60 wcowd test -S "$WCOWD_SOCKET"
}

# kill_wcowd: as if the machine had lost it.
kill_wcowd() {
    ! parts_runs "$WCOWD_PID" || kill -KILL "$WCOWD_PID" 2>/dev/null || :
    wait "$WCOWD_PID" 2>/dev/null || :
    rm -f "$WCOWD_SOCKET"
}

# containerd_config VERSION: our own places, then the fragment of config/ with our socket in it.
containerd_config() {
    local version=$1 fragment=$wcow_source/config/containerd-2.toml
    [ "$version" != 1.7 ] || fragment=$wcow_source/config/containerd-1.7.toml
    grep '^version' "$fragment"
    cat <<TOML
root = "$PARTS/root"
state = "$PARTS/state"
disabled_plugins = [
  "io.containerd.grpc.v1.cri", "io.containerd.cri.v1.images", "io.containerd.cri.v1.runtime",
  "io.containerd.podsandbox.controller.v1.podsandbox", "io.containerd.nri.v1.nri",
  "io.containerd.internal.v1.tracing", "io.containerd.tracing.processor.v1.otlp",
  "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.blockfile",
  "io.containerd.snapshotter.v1.erofs", "io.containerd.differ.v1.erofs",
]

[grpc]
  address = "$PARTS/containerd.sock"

[plugins."io.containerd.internal.v1.opt"]
  path = "$PARTS/opt"

TOML
    grep -v '^version' "$fragment" | sed "s#/run/wcow/wcowd.sock#$PARTS/wcowd.sock#"
}

# start_containerd VERSION: 1.7 or 2.x, as scripts/fetch-containerd unpacks them.
start_containerd() {
    local bin
    bin=${WCOW_CONTAINERDS:-$wcow_source/build/containerd}/$1/usr/bin
    [ -x "$bin/containerd" ] || parts_die "containerd $1 is missing: run scripts/setup first"
    # ctr and the shims of the same version come before any that the system has.
    PATH=$bin:$PATH
    export PATH
    containerd_config "$1" >"$PARTS/containerd.toml"
    "$bin/containerd" --config "$PARTS/containerd.toml" >>"$PARTS/containerd.log" 2>&1 &
    CONTAINERD_PID=$!
    parts_pids+=("$CONTAINERD_PID")
    export CONTAINERD_ADDRESS=$PARTS/containerd.sock
    export CONTAINERD_NAMESPACE=default
    parts_wait 60 containerd ctr version
}

# "localhost" where the machine knows that name, else the address.
parts_loopback() {
    if getent hosts localhost >/dev/null 2>&1; then
        echo localhost
    else
        echo 127.0.0.1
    fi
}

# parts_registry_answers PORT: ours, and not another one that was quicker to take the port.
parts_registry_answers() {
    local headers
    headers=$(curl -fsS -o /dev/null -D - "http://127.0.0.1:$1/v2/" 2>/dev/null) && [[ $headers == *"$PARTS"* ]]
}

# start_registry: Debian's docker-registry on a free loopback port. REGISTRY_QUIET=false: every request is
# in its log.
start_registry() {
    local port try pid
    command -v docker-registry >/dev/null || parts_die "docker-registry is missing: run scripts/setup"
    for try in 1 2 3 4 5; do
        port=$((20000 + (RANDOM * 32768 + RANDOM) % 40000))
        cat >"$PARTS/registry.yml" <<YAML
version: 0.1
log: {level: warn, accesslog: {disabled: ${REGISTRY_QUIET:-true}}}
storage: {filesystem: {rootdirectory: $PARTS/registry}, delete: {enabled: true}}
http: {addr: "127.0.0.1:$port", headers: {X-Parts: ["$PARTS"]}}
validation: {manifests: {urls: {allow: [".*"]}}} # of foreign layers
YAML
        docker-registry serve "$PARTS/registry.yml" >>"$PARTS/registry.log" 2>&1 &
        pid=$!
        REGISTRY=$(parts_loopback):$port
        for _ in {1..1000}; do
            parts_runs $pid || break
            if parts_registry_answers "$port"; then
                parts_pids+=("$pid")
                export REGISTRY
                return 0
            fi
            sleep 0.05
        done
        parts_stop $pid
    done
    parts_die "no registry after $try tries; see $PARTS/registry.log"
}

# registry_blob REPO FILE: upload one blob; it may be there already.
registry_blob() {
    local repo=$1 file=$2 digest url sep='?'
    digest=sha256:$(sha256sum "$file" | cut -d' ' -f1)
    url=$(curl -fsS -X POST -D - -o /dev/null "http://$REGISTRY/v2/$repo/blobs/uploads/" |
        tr -d '\r' | sed -n 's/^[Ll]ocation: //p')
    case $url in
    /*) url=http://$REGISTRY$url ;;
    esac
    case $url in
    *\?*) sep='&' ;;
    esac
    curl -fsS -o /dev/null -X PUT -H 'Content-Type: application/octet-stream' \
        -T "$file" "$url${sep}digest=$digest"
}

# push_layout LAYOUT TAG REPO: the image that an OCI layout names TAG to $REGISTRY/REPO:TAG, an index
# with all its manifests.
push_layout() {
    local layout=$1 tag=$2 repo=$3 top type
    top=$(jq -r --arg t "$tag" '.manifests[] | select(.annotations["org.opencontainers.image.ref.name"] == $t) | .digest' "$layout/index.json")
    [ -n "$top" ] || parts_die "$layout has no image named $tag"
    type=$(jq -r .mediaType "$layout/blobs/sha256/${top#sha256:}")
    push_manifest "$layout" "$top" "$type" "$repo" "$tag"
}

push_manifest() {
    local layout=$1 digest=$2 type=$3 repo=$4 tag=$5 file child ctype
    file=$layout/blobs/sha256/${digest#sha256:}
    while read -r child ctype; do
        push_manifest "$layout" "$child" "$ctype" "$repo" "$child"
    done < <(jq -r '.manifests[]? | "\(.digest) \(.mediaType)"' "$file")
    while read -r child; do
        registry_blob "$repo" "$layout/blobs/sha256/${child#sha256:}"
    done < <(jq -r 'select(.layers) | .config.digest, .layers[].digest' "$file")
    curl -fsS -o /dev/null -X PUT -H "Content-Type: $type" --data-binary "@$file" \
        "http://$REGISTRY/v2/$repo/manifests/$tag"
}
