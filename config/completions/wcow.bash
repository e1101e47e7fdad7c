# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Completion of wcow for bash: commands, and the options that `wcow COMMAND --help` shows. Installed as
# /usr/share/bash-completion/completions/wcow.

_wcow_commands() {
    wcow --help 2>/dev/null | awk '/^Commands:/ {on = 1; next} /^$/ {on = 0} on {print $1}'
}

_wcow_options() {
    wcow "$1" --help 2>/dev/null | awk '/^ +-/ {for (i = 1; i <= 2; i++) if ($i ~ /^--?[a-zA-Z]/) {sub(/,$/, "", $i); print $i}}'
}

# Words for the value of an option; nothing: files.
_wcow_values() {
    case $1 in
    --progress) echo auto plain tty quiet rawjson ;;
    --network) echo default none host ;;
    --isolation) echo default process hyperv ;;
    --call) echo build check outline targets ast ;;
    --executor) echo auto none wine runhcs ;;
    --provenance) echo true false mode=min mode=max ;;
    --attest) echo type=provenance type=provenance,mode=max ;;
    -o | --output) echo type=image type=registry type=oci,dest= type=docker,dest= type=local,dest= type=tar,dest= ;;
    --platform) echo windows/amd64 windows/arm64 ;;
    esac
}

_wcow() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} values
    COMPREPLY=()
    if [ "$COMP_CWORD" = 1 ]; then
        mapfile -t COMPREPLY < <(compgen -W "$(_wcow_commands) --help --version" -- "$word")
        return
    fi
    values=$(_wcow_values "$before")
    if [ -n "$values" ]; then
        mapfile -t COMPREPLY < <(compgen -W "$values" -- "$word")
    elif [[ $word == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$(_wcow_options "${COMP_WORDS[1]}")" -- "$word")
    fi
}
complete -o default -F _wcow wcow
