#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# usage: build-wasm.sh OUTPUT DEPFILE CLANG ARGUMENT...
# Compiles and links in one go. The file of dependencies names every header that was read: clang
# writes it for one source at a time only.
set -eu
output=$1 depfile=$2
shift 2
"$@" -o "$output"
{
    printf '%s:' "$output"
    "$@" -MM -Wno-unused-command-line-argument | sed 's/^[^ ]*\.o://; s/\\$//' | tr -d '\n'
    echo
} >"$depfile"
