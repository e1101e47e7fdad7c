#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Completion in each shell that is installed: the files of config/completions loaded into a real shell,
# and what it offers.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
parts_begin

files=$wcow_source/config/completions
mkdir -p "$PARTS/bin"
ln -s "$WCOW_BUILD/wcow" "$PARTS/bin/wcow"
export PATH=$PARTS/bin:$PATH HOME=$PARTS

# A line with its candidates, one a line, without what is said of them.
in_bash() {
    # shellcheck disable=SC2016
    bash -c 'source "$1"; read -ra COMP_WORDS <<<"$2"; [[ $2 != *" " ]] || COMP_WORDS+=("")
             COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _wcow; printf "%s\n" "${COMPREPLY[@]}"' - "$files/wcow.bash" "$1"
}

in_fish() {
    fish --no-config -c "source $files/wcow.fish; complete -C '$1'" | cut -f1
}

# The line as zsh leaves it after a Tab: a terminal of its own, for completion needs one.
in_zsh() {
    # shellcheck disable=SC2016
    zsh -f -c '
        zmodload zsh/zpty
        TERM=vt100 zpty z zsh -f -i
        zpty -w z "PS1=; unsetopt prompt_cr prompt_sp; fpath=($1 \$fpath); autoload -Uz compinit; compinit -u -D; LISTMAX=0; zstyle \":completion:*\" list-prompt \"\"; show() { print -r -- \"<<\$BUFFER>>\"; BUFFER=; zle accept-line }; zle -N show; bindkey \"^X\" show; print ready-now"
        zpty -r -m z out "*ready-now*ready-now*"
        zpty -n -w z "$2"$'"'\\t\\x18'"'
        zpty -r -m z out "*<<*>>*"
        zpty -d z
        print -r -- "${${out##*<<}%%>>*}"' - "$files" "$1"
}

bash_completes() {
    check "bash: commands" grep -qx build <(in_bash 'wcow bu')
    equal "bash: an option" "$(in_bash 'wcow build --provena')" --provenance
    check "bash: a short one" grep -qx -- -D <(in_bash 'wcow build -')
    equal "bash: a value" "$(in_bash 'wcow build --progress raw')" rawjson
}

fish_completes() {
    check "fish: commands" grep -qx build <(in_fish 'wcow bu')
    check "fish: with what they are for" grep -q 'build.*image' <(fish --no-config -c "source $files/wcow.fish; complete -C 'wcow bu'")
    equal "fish: an option" "$(in_fish 'wcow build --provena')" --provenance
    check "fish: with what it is for" grep -q 'attest' <(fish --no-config -c "source $files/wcow.fish; complete -C 'wcow build --provena'")
    equal "fish: a value" "$(in_fish 'wcow build --progress raw')" rawjson
    equal "fish: another command's" "$(in_fish 'wcow prune --filt')" --filter
}

zsh_completes() {
    equal "zsh: a command" "$(in_zsh 'wcow snapsh')" 'wcow snapshots '
    equal "zsh: an option" "$(in_zsh 'wcow build --provena')" 'wcow build --provenance '
    equal "zsh: a value" "$(in_zsh 'wcow build --progress raw')" 'wcow build --progress rawjson '
    equal "zsh: a value that goes on" "$(in_zsh 'wcow build -o type=oc')" 'wcow build -o type=oci,dest='
    equal "zsh: another command's option" "$(in_zsh 'wcow prune --filt')" 'wcow prune --filter '
}

bash_completes
fish_completes
zsh_completes
finish
