#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# tests/lint/check finds what it is there to find: each case is a small tree with one fault.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
failed=0
spdx='/* SPDX-License-Identifier: Apache-2.0 */'

# fault NAME FILE LINE WANT: a tree whose FILE holds LINE; the check must say WANT.
fault() {
    local name=$1 file=$2 line=$3 want=$4 said
    rm -rf "$tmp/tree"
    mkdir -p "$tmp/tree/tests/lint" "$tmp/tree/$(dirname "$file")" "$tmp/tree/base"
    cp "$here/rules" "$tmp/tree/tests/lint/"
    printf '%s\nint x;\n' "$spdx" >"$tmp/tree/base/fine.c"
    printf '%s\n' "$spdx" "$line" >"$tmp/tree/$file"
    if said=$("$here/check" "$tmp/tree" 2>&1); then
        [ -z "$want" ] && return 0
        echo "FAIL: $name: nothing was said" >&2
        failed=1
    elif [ -z "$want" ] || [[ $said != *"$want"* ]]; then
        echo "FAIL: $name: said: $said" >&2
        failed=1
    fi
}

fault "a clean file passes" store/a.c '#include "layer/entry.h"' ''
fault "a folder may not look up" layer/a.c '#include "store/layer_index.h"' 'layer/ may not include store/'
fault "sqlite stays in store" snapshotter/a.c '#include <sqlite3.h>' 'only store may include sqlite3.h'
fault "gRPC stays in rpc" containerd/a.c '#  include <grpc/grpc.h>' 'only rpc may include grpc/grpc.h'
fault "uthash in no header" image/a.h '#include <uthash.h>' 'no header may include uthash.h'
fault "strcpy is banned" base/a.c 'void f(char *a) { strcpy (a, "b"); }' 'strcpy() is banned'
fault "a member of that name is not" base/a.c 'void f(struct s *a) { a->system(1); }' ''
fault "nor one in a comment" base/a.c '/* strcpy(a, b) */' ''
fault "nor one in a string" base/a.c 'const char *a = "system(1)";' ''
fault "white space at a line's end" base/a.c 'int y; ' 'white space at the end'
fault "a mark of unfinished work" base/a.c '/* TO''DO */' 'TO''DO'
fault "a wrong include guard" base/a.h '#ifndef A_H' 'the include guard should be WCOW_BASE_A_H'
fault "a file of 901 lines" base/a.c "$(yes 'int y;' | head -n 900)" 'more than 900 lines'

printf 'int y;\n' >"$tmp/tree/base/a.c"
if "$here/check" "$tmp/tree" >/dev/null; then
    echo "FAIL: a file without a licence line passes" >&2
    failed=1
fi
exit $failed
