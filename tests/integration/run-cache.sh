#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# RUN in a farm of builders: what one machine ran the others find, its files and its registry.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=tests/integration/run/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/run/lib.sh"
begin_run

cached() {
    grep -c '^#[0-9]* CACHED' "$PARTS/said" || :
}

# forget: as a machine that has built nothing.
forget() {
    forget_images
    "$wcow" prune --force >/dev/null
    ctr images rm --sync none >/dev/null 2>&1 || :
}

digest() {
    skopeo inspect --tls-verify=false --override-os windows --format '{{.Digest}}' "docker://$1"
}

dockerfile <<'DOCKERFILE'
# escape=`
FROM @BASE@ AS build
COPY hello.txt C:/
RUN echo made> C:\made.txt && reg add HKLM\SOFTWARE\Made /v a /d b /f
FROM @BASE@
COPY --from=build C:/made.txt C:/
RUN type C:\made.txt> C:\copied.txt
RUN reg add "HKLM\SYSTEM\CurrentControlSet\Control\Session Manager\Environment" /v Path /t REG_EXPAND_SZ /d "C:\windows\system32;C:\windows;C:\made" /f
ENV PATH=$PATH;C:\more
RUN echo %PATH%> C:\path.txt
DOCKERFILE
check "a build with RUN leaves its cache" bash -c "'$wcow' build --progress plain -t $REGISTRY/run:1 --push --cache-to type=registry,ref=$REGISTRY/run:cache,mode=max '$context' >'$PARTS/said' 2>&1"
forget
check "a machine that has built nothing" bash -c "'$wcow' build --progress plain --output type=image,name=$REGISTRY/run:2,push=true,store=false --cache-from $REGISTRY/run:cache '$context' >'$PARTS/said' 2>&1"
equal "finds every step" "$(cached)" 6
equal "comes to the same image" "$(digest "$REGISTRY/run:2")" "$(digest "$REGISTRY/run:1")"
equal "with the PATH that RUN left" "$(skopeo inspect --config --tls-verify=false --override-os windows "docker://$REGISTRY/run:2" | jq -r '.config.Env[] | select(startswith("PATH="))')" 'PATH=C:\windows\system32;C:\windows;C:\made;C:\more'
equal "and unpacks nothing" "$(count_rows)" 0
printf 'changed\r\n' >"$context/later.txt"
cat >>"$context/Dockerfile" <<'DOCKERFILE'
COPY later.txt C:/
RUN type C:\copied.txt C:\later.txt
DOCKERFILE
forget
check "steps behind those that were found" bash -c "'$wcow' build --progress plain -t $REGISTRY/run:3 --cache-from $REGISTRY/run:cache '$context' >'$PARTS/said' 2>&1"
equal "are made on them" "$(cached)" 6
said "the files are there" '(made|changed)$'
finish
