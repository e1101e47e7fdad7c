#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The executor itself: Wine from another root's /usr, its version in history and cache, what of Wine must
# not pass for Windows, and what of a RUN is kept nowhere.
#
# WCOW_TEST_USR: the /usr of a root with Wine, as of another release of Debian (/usr, by another name).
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=tests/integration/run/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/run/lib.sh"
begin_parts
mkdir -p "$PARTS/other"

usr=$PARTS/other/usr
ln -s "${WCOW_TEST_USR:-/usr}" "$usr"

# ---- Wine from a private root ----
refused "a /usr without Wine" "no Wine below $PARTS/none: install Debian's package wine64" "$wcow" executor install wine --usr "$PARTS/none"
check "Wine of another root is set up" "$wcow" executor install wine --usr "$usr"
template=$WCOWD_ROOT/executors/wine/executor.json
equal "and is what will be used" "$(jq -r .usr "$template")" "$usr"
version=$(jq -r .version "$template")
check "with its version ($version)" bash -c "'$wcow' executor ls | grep -F '$version'"
printf 'FROM @BASE@\nRUN echo made> C:\\\\made.txt\n' | dockerfile
refused "it is used only where that is said" '^.*executor = wine.*$' build
check "in one line" grep -q '^ERROR: .*executor = wine' <(build 2>&1 | tail -n 1)
refused "not where none is asked for" 'none is turned on' build --executor=none
printf 'executor = wine\n' >"$conf"
said_of_run() {
    jq -r .config.digest "$manifest" | cut -d: -f2 | xargs -I{} jq -r '[.history[] | select(.created_by | startswith("RUN")).comment][0]' "$layout/blobs/sha256/{}"
}
fetch first
equal "RUN works" "$(file_of -1 Files/made.txt)" made
equal "the history names it with its version" "$(said_of_run)" "wcow, run by wine $version"

# ---- its version is part of the key ----
says "the same version finds what it made" '^#[0-9]+ CACHED'
cp "$template" "$PARTS/template"
jq '.version = "99.1"' "$PARTS/template" >"$template"
fetch anew
equal "another version makes it anew" "$(grep -c CACHED "$PARTS/said")" 0
equal "and says so" "$(said_of_run)" 'wcow, run by wine 99.1'
cp "$PARTS/template" "$template"
says "back at the first one, its own is found" '^#[0-9]+ CACHED'
mv "$usr" "$PARTS/other/away"
refused "a root that has gone is named" "$usr has no lib/wine/wine.* any more.*wcow executor install wine" build --no-cache
mv "$PARTS/other/away" "$usr"
eventually "and nothing of that stays" nothing_runs

# ---- programs of Wine's that do nothing ----
for program in powershell setx robocopy icacls cacls netsh dism certutil shutdown systeminfo wevtutil findstr where tasklist \
    schtasks subst; do
    printf 'FROM @BASE@\nRUN %s /?\n' "$program" | dockerfile
    refused "$program is not there" "RUN $program.*exit code: 9009" build
done

# ---- secrets ----
printf 'FROM @BASE@\nRUN --mount=type=secret,id=s --mount=type=secret,id=s,env=TOKEN type C:\\\\run\\\\secrets\\\\s > nul && if defined TOKEN (exit 0) else (exit 1)\n' | dockerfile
printf 'open-sesame-4711' >"$PARTS/secret"
fetch_secret() {
    build --secret "id=s,src=$PARTS/secret" --output "type=oci,dest=$PARTS/secret.tar" >"$PARTS/said" 2>&1
}
check "a build with a secret" fetch_secret
printf 'another-sesame' >"$PARTS/secret"
check "with another one" fetch_secret
said "is the same to the cache" '^#[0-9]+ CACHED'
kept() {
    grep -rlaE 'open-sesame|another-sesame' "$WCOWD_ROOT" "$PARTS/root" "$PARTS/state" "$XDG_CACHE_HOME" "$PARTS/said" /var/tmp/wcow-build-* 2>/dev/null
    find "$PARTS/root" -path '*/blobs/sha256/*' -type f -print0 2>/dev/null |
        xargs -0 zcat -f 2>/dev/null | grep -caE 'open-sesame|another-sesame' | grep -v '^0$'
    tar -xOf "$PARTS/secret.tar" 2>/dev/null | zcat -f 2>/dev/null | grep -caE 'open-sesame|another-sesame' | grep -v '^0$'
}
equal "it is in no layer, image, cache, store or folder" "$(kept)" ''
eventually "nothing is left running" nothing_runs
finish
