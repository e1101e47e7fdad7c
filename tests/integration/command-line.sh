#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What the command line offers is in the manual pages and in the completions, and what it has not got of
# docker's is said.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
parts_begin

man=$wcow_source/docs/man
mkdir -p "$PARTS/bin" "$PARTS/context"
ln -s "$wcow" "$PARTS/bin/wcow"
export PATH=$PARTS/bin:$PATH
printf 'FROM scratch\n' >"$PARTS/context/Dockerfile"

# commands: as the help names them.
commands() {
    "$wcow" --help | awk '/^Commands:/ {on = 1; next} /^$/ {on = 0} on {print $1}'
}

# long_options PROGRAM [COMMAND]: the long options that its help shows.
long_options() {
    "$@" --help | grep -oE '^ +(-., )?--[a-z-]+' | grep -oE -- '--[a-z-]+'
}

# options COMMAND: of wcow.
options() {
    long_options "$wcow" "$1"
}

# described PAGE: .BR "--name", .BR -n ", " --name, .B --name: what a paragraph of OPTIONS begins with.
described() {
    awk '/^\.SH/ {on = $2 == "OPTIONS"} on && last == ".TP"; {last = $1}' <<<"$1" | grep -oE -- '--[a-z-]+' | sort -u
}

# page FILE: a manual page as text that can be searched.
page() {
    sed 's/\\f[BIRP]//g; s/\\-/-/g; s/\\,//g' "$1"
}

# not_in TEXT WORD...: the words that do not stand in it as words.
not_in() {
    local text=$1 word
    shift
    for word in "$@"; do
        grep -qE -- "(^|[^a-z-])$word([^a-z-]|\$)" <<<"$text" || printf '%s ' "$word"
    done
}

build_page=$(page "$man/wcow-build.1")
wcow_page=$(page "$man/wcow.1")
mapfile -t build_options < <(options build)
equal "wcow-build(1) has every option of the help" "$(not_in "$build_page" "${build_options[@]}" | sed 's/--help //')" ''
mapfile -t names < <(described "$build_page")
equal "and none that is not there" "$(not_in "${build_options[*]}" "${names[@]}")" ''
mapfile -t verbs < <(commands)
equal "wcow(1) has every command" "$(not_in "$wcow_page" "${verbs[@]/#/wcow }")" ''
for verb in "${verbs[@]}"; do
    [ "$verb" != build ] || continue
    mapfile -t verb_options < <(options "$verb")
    equal "wcow(1) has the options of wcow $verb" "$(not_in "$wcow_page" "${verb_options[@]}" | sed 's/--help //')" ''
done
for variable in $("$wcow" build --help | sed -n '/^Environment:/,/^$/p' | grep -oE '[A-Z_]{5,}'); do
    equal "wcow-build(1) has the variable $variable" "$(not_in "$build_page" "$variable")" ''
done

mapfile -t daemon_options < <(long_options "$WCOW_BUILD/wcowd")
daemon_page=$(page "$man/wcowd.8")
equal "wcowd(8) has every option of the help" "$(not_in "$daemon_page" "${daemon_options[@]}")" ''
mapfile -t names < <(described "$daemon_page")
equal "and none that is not there, too" "$(not_in "${daemon_options[*]}" "${names[@]}")" ''
# What may stand in a file as well.
mapfile -t settings < <(printf '%s\n' "${daemon_options[@]#--}" | grep -vxE 'config|adopt|version|help')
equal "wcowd.conf(5) has every setting" "$(not_in "$(page "$man/wcowd.conf.5")" "${settings[@]}")" ''
equal "so has the example" "$(sed -n 's/^;\([a-z-]*\) = .*/\1/p' "$wcow_source/config/wcowd.conf" | sort | tr '\n' ' ')" \
    "$(printf '%s\n' "${settings[@]}" | sort | tr '\n' ' ')"

check "the pages are well formed" bash -c "! command -v man >/dev/null || ! for page in '$man'/*.[1-8]; do MANROFFSEQ='' LC_ALL=C.UTF-8 man --warnings -E UTF-8 -l -Tutf8 -Z \$page 2>&1 >/dev/null; done | grep ."

# ---- where it cannot be said ----
# to_full WORD...: wcow's output to a full disk.
to_full() {
    "$wcow" "$@" >/dev/full
}
for verb in --help --version "ls --help" "executor ls" "build --call=targets $PARTS/context"; do
    # shellcheck disable=SC2086 # words
    refused "$verb on a full disk" "No space left" to_full $verb
done
# without_output WORD...: begun without standard output.
without_output() {
    "$wcow" "$@" >&-
}
refused "--help without standard output" "Bad file descriptor" without_output --help

# ---- the largest Dockerfile ----
largest=16777216
{ printf 'FROM scratch\n' && head -c $((largest - 13)) < <(yes '# so many remarks'); } >"$PARTS/largest"
check "a Dockerfile may have 16 MiB" "$wcow" build --call=targets -f "$PARTS/largest" "$PARTS/context"
echo >>"$PARTS/largest"
refused "and not a byte more" "more than $largest bytes" "$wcow" build --call=targets -f "$PARTS/largest" "$PARTS/context"

# ---- completions ----
for verb in "${verbs[@]}"; do
    # shellcheck disable=SC2016
    mapfile -t offered < <(bash -c 'source "$1"; COMP_WORDS=(wcow "$2" --); COMP_CWORD=2; _wcow; printf "%s\n" "${COMPREPLY[@]}"' - "$wcow_source/config/completions/wcow.bash" "$verb")
    mapfile -t verb_options < <(options "$verb")
    equal "bash completes each option of wcow $verb" "$(not_in "${offered[*]}" "${verb_options[@]}")" ''
done
for shell in bash zsh fish; do
    command -v $shell >/dev/null || continue
    file=$wcow_source/config/completions/wcow.$shell
    [ $shell != zsh ] || file=$wcow_source/config/completions/_wcow
    check "$shell takes its file" $shell -n "$file"
done

# ---- docker's options ----
for option in --allow=x --builder=x --cgroup-parent=x --cpu-period=1 --cpu-quota=1 --cpu-shares=1 -c1 \
    --cpuset-cpus=0 --cpuset-mems=0 --memory-swap=1g --policy=x --print=outline \
    --security-opt=x --shm-size=1g --squash --ssh=default --ulimit=x --resource=cpu-quota=50000 --resource=memory-swap=-1; do
    refused "$option is refused for a reason" 'is not supported: .' "$wcow" build "$option" "$PARTS/context"
done
refused "with its value as a word of its own" '[-]-cpu-shares is not supported' "$wcow" build -c 1 "$PARTS/context"
refused "a size that is none" '[-]-memory: invalid size .much.' "$wcow" build -m much "$PARTS/context"
refused "by its newer name, too" '[-]-memory: invalid size .much.' "$wcow" build --resource memory=much "$PARTS/context"
refused "a resource that is none" '[-]-resource disk=1g: there is memory=SIZE' "$wcow" build --resource disk=1g "$PARTS/context"
refused "a host without an address" '[-]-add-host a: it is NAME=ADDRESS' "$wcow" build --add-host a "$PARTS/context"
refused "an address that is none" '[-]-add-host a:host-gateway: "host-gateway" is no IP address' "$wcow" build --add-host a:host-gateway "$PARTS/context"
refused "an isolation that is none" '[-]-isolation=vm: there are default, process and hyperv' "$wcow" build --isolation=vm "$PARTS/context"
refused "--sbom too" 'sbom is not supported' "$wcow" build --sbom=true "$PARTS/context"
for option in --load --rm --rm=false --force-rm --compress --sbom=false --ssh-is-not-there; do
    said=$("$wcow" build --check $option "$PARTS/context" 2>&1) || :
    equal "$option" "$(grep -c 'unrecognized\|not supported' <<<"$said")" "$([ $option = --ssh-is-not-there ] && echo 1 || echo 0)"
done

# ---- secrets ----
for url in http://user:s3cret@127.0.0.1:1/context.tar http://user:s3cret@127.0.0.1:1/app.git 'http://127.0.0.1:1/c.tar?sig=s3cret'; do
    "$wcow" build --progress plain "$url" >"$PARTS/said" 2>&1 || :
    equal "a login in ${url##*/} is not shown" "$(grep -c s3cret "$PARTS/said") $(grep -c '^ERROR.*127.0.0.1:1/' "$PARTS/said")" '0 1'
done

# ---- arguments ----
# usage NAME CODE MESSAGE COMMAND...: a command line that is wrong, with the usage behind MESSAGE.
usage() {
    local name=$1 want=$2 code=0
    shift 2
    "$wcow" "$@" >"$PARTS/said" 2>&1 || code=$?
    equal "$name" "$code $(head -n 1 "$PARTS/said") $(grep -c "^Usage: wcow $1 " "$PARTS/said")" "2 wcow $1: $want 1"
}
usage "without a context that is said" 'PATH|URL|- is missing' build -t a:1
usage "one too many is named" 'too many arguments: "b"' build a b
usage "diff wants two" 'TARGET is missing' diff
usage "the other one, too" 'the second TARGET is missing' diff a
usage "cat wants a path" 'PATH is missing' cat a
usage "verify, at least one" 'TARGET is missing' verify
usage "tar, a source" 'SOURCE is missing' tar
usage "spec, an image" 'IMAGE|KEY is missing' spec
usage "prune wants none" 'too many arguments: "all"' prune all
usage "executor, a word" 'an argument is missing' executor
finish
