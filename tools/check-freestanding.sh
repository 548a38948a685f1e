#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# usage: check-freestanding.sh NM ARCHIVE...
# Fails when the freestanding archives, taken together, need more from outside than memcpy,
# memmove, memset and memcmp. What a sanitizer or a coverage run adds to an object is not the
# object's wish.
set -eu
nm=$1
shift
for archive in "$@"; do # a thin archive names its members; nm must see them all
    [ -s "$archive" ] || { echo "check-freestanding: $archive is missing" >&2; exit 1; }
done
undefined=$("$nm" -u "$@" 2>/dev/null | awk 'NF == 2 && $1 == "U" { print $2 }' | sort -u)
defined=$("$nm" --defined-only "$@" 2>/dev/null | awk 'NF == 3 { print $3 }' | sort -u)
[ -n "$defined" ] || { echo "check-freestanding: no symbols in $*" >&2; exit 1; }
bad=0
for symbol in $undefined; do
    case $symbol in
    memcpy | memmove | memset | memcmp) continue ;;
    __asan_* | __ubsan_* | __sanitizer_* | __gcov_* | __llvm_*) continue ;;
    _GLOBAL_OFFSET_TABLE_) continue ;;
    esac
    if ! printf '%s\n' "$defined" | grep -qx "$symbol"; then
        echo "freestanding code needs $symbol: only memcpy memmove memset memcmp are allowed" >&2
        bad=1
    fi
done
[ $bad = 0 ] && echo "freestanding: nothing needed but memcpy memmove memset memcmp"
exit $bad
