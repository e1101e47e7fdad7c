# SPDX-License-Identifier: Apache-2.0
# Completion of wcow for fish: commands, and the options that `wcow COMMAND --help` shows. Installed as
# /usr/share/fish/vendor_completions.d/wcow.fish.

function __wcow_commands
    wcow --help 2>/dev/null | awk '
        /^Commands:/ {on = 1; next}
        /^$/ {on = 0}
        on {name = $1; $1 = ""; sub(/^ /, ""); print name "\t" $0}'
end

function __wcow_options
    set -l words (commandline -opc)
    test (count $words) -ge 2; or return
    wcow $words[2] --help 2>/dev/null | awk '
        {for (i = 1; i <= 3; i++) if ($i ~ /^--?[a-z]/) {sub(/,$/, "", $i); print $i}}'
end

complete -c wcow -n __fish_use_subcommand -f -a '(__wcow_commands)'
complete -c wcow -n 'not __fish_use_subcommand; and string match -q -- "-*" (commandline -ct)' -f -a '(__wcow_options)'
complete -c wcow -n '__fish_seen_subcommand_from build' -l progress -x -a 'auto plain tty quiet rawjson'
complete -c wcow -n '__fish_seen_subcommand_from build' -l call -x -a 'build check outline targets ast'
complete -c wcow -n '__fish_seen_subcommand_from build' -s o -l output -x -a 'type=image type=registry type=oci,dest= type=docker,dest= type=local,dest= type=tar,dest='
complete -c wcow -n '__fish_seen_subcommand_from build' -l platform -x -a 'windows/amd64 windows/arm64'
