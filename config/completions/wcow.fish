# SPDX-License-Identifier: Apache-2.0
# Completion of wcow for fish: commands, and the options that `wcow COMMAND --help` shows, with what it
# says of them. Installed as /usr/share/fish/vendor_completions.d/wcow.fish.

function __wcow_commands
    wcow --help 2>/dev/null | awk '
        /^Commands:/ {on = 1; next}
        /^$/ {on = 0}
        on {name = $1; $1 = ""; sub(/^ /, ""); print name "\t" $0}'
end

# "  -f, --file PATH      The Dockerfile": names before column 40, what they mean from there on.
function __wcow_options
    set -l words (commandline -opc)
    test (count $words) -ge 2; or return
    wcow $words[2] --help 2>/dev/null | awk '
        /^ +-/ {
            help = substr($0, 39, 1) == " " ? substr($0, 40) : ""
            for (i = 1; i <= 2; i++)
                if ($i ~ /^--?[a-zA-Z]/) {sub(/,$/, "", $i); print $i "\t" help}
        }'
end

# Whether the word before is one of these.
function __wcow_after
    set -l words (commandline -opc)
    contains -- $words[-1] $argv
end

function __wcow_value
    complete -c wcow -n "__fish_seen_subcommand_from build; and __wcow_after $argv[1]" -f -a "$argv[2]"
end

complete -c wcow -n __fish_use_subcommand -f -a '(__wcow_commands)'
complete -c wcow -n 'not __fish_use_subcommand; and string match -q -- "-*" (commandline -ct)' -f -a '(__wcow_options)'
__wcow_value --progress 'auto plain tty quiet rawjson'
__wcow_value --network 'default none host'
__wcow_value --isolation 'default process hyperv'
__wcow_value --call 'build check outline targets ast'
__wcow_value --executor 'auto none wine runhcs'
__wcow_value --provenance 'true false mode=min mode=max'
__wcow_value --attest 'type=provenance type=provenance,mode=max'
__wcow_value '-o --output' 'type=image type=registry type=oci,dest= type=docker,dest= type=local,dest= type=tar,dest='
__wcow_value --platform 'windows/amd64 windows/arm64'
functions -e __wcow_value
