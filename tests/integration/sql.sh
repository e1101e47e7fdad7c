#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The SQL that docs/ shows for the usual questions runs, and answers: each block of store.md and
# operating.md, on a store that a containerd has filled, opened read-only while wcowd runs.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
begin

# blocks FILE: its SQL, one file a block in $PARTS/sql; those that follow a mention of layer.db are for it.
blocks() {
    awk -v out="$PARTS/sql/$(basename "$1" .md)" '
        /^```sql/ { n++; file = sprintf("%s-%d.%s", out, n, about); inside = 1; next }
        /^```/ { inside = 0; next }
        inside { print > file }
        !inside && /layer\.db`/ { about = "layer" }
        !inside && /metadata\.db`/ && !/layer\.db`/ { about = "metadata" }
        BEGIN { about = "metadata" }' "$1"
}

# split FILE: its statements, one a file, the comment before each as its name.
statements() {
    awk -v base="$1" '{ text = text $0 "\n" } /;[[:space:]]*$/ { printf "%s", text > (base "." ++n); text = "" }' "$1"
}

make_image three:1 --update
pull "$(pull_way)" "$IMAGE" >/dev/null
top=$(chain_ids 1 | tail -n 1)
snapshots prepare box "$top" >/dev/null
layer=$(folder_of "$(chain_ids 1 | head -n 1)")/layer.db

mkdir "$PARTS/sql"
blocks "$wcow_source/docs/store.md"
blocks "$wcow_source/docs/operating.md"
for block in "$PARTS/sql/"*; do
    statements "$block"
done
n=0
for file in "$PARTS/sql/"*.[0-9]*; do
    n=$((n + 1))
    db=$WCOWD_ROOT/metadata.db
    [[ $file != *.layer.* ]] || db=$layer
    # What the reader puts in.
    sed -i -e "s/CHAINID/${top#sha256:}/; s/<chain ID>/${top#sha256:}/; s/WHERE n = 3/WHERE n = 2/" "$file"
    what=$(grep -m1 '^--' "$file" || basename "$file")
    check "$(basename "$file"): $what" sqlite3 -bail -readonly "$db" ".read $file"
    case $what in
    *label* | *removes* | *junction*) ;; # there may be none
    *) check "... and has an answer" test -n "$(sqlite3 -readonly "$db" ".read $file" 2>&1)" ;;
    esac
done
check "there are questions enough ($n)" test $n -ge 10
equal "the layer that the first finds is a folder" \
    "$(test -d "$WCOWD_ROOT/$(sqlite3 -readonly "$WCOWD_ROOT/metadata.db" ".read $PARTS/sql/store-1.metadata.1")" && echo yes)" yes

# ---- layer-format.md shows what its reader gets
page=$wcow_source/docs/layer-format.md
# "$ sqlite3 ..." and what follows it, up to the next one or the end of the block
said() {
    (
        cd "$(dirname "$layer")"
        while read -r line; do
            echo "$line"
            eval "${line#\$ }"
        done < <(grep '^\$ sqlite3 ' "$page")
    )
}
equal "the index of the base is what it shows" "$(said)" "$(awk '/^```/ { shown = 0 } /^\$ sqlite3 / { shown = 1 } shown' "$page")"
# bytes HEX...: of the fixture, as the page has them
lines=0
wrong=''
while read -r offset hex; do
    lines=$((lines + 1))
    got=$(od -An -v -tx1 -j $((16#${offset%:})) -N 16 "$wcow_source/tests/data/layer/vector.tar" | tr -d ' \n')
    [ "$got" = "$hex" ] || wrong+="$offset "
done < <(sed -nE 's/^([0-9a-f]{8}:) (([0-9a-f]{4} ){8}).*/\1 \2/p' "$page" | sed -E 's/ //2g')
check "there are bytes ($lines lines)" test $lines -ge 30
equal "which are those of the fixture" "$wrong" ""

snapshots rm box
forget_images
finish
