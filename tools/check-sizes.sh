#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# usage: check-sizes.sh SIZE NM WHOLE PLAIN NETWORK OBJECTS MEMORY [TABLE]
# What the sender costs a kernel. WHOLE is a program that holds what panicd/panic.h brings along,
# PLAIN one that does so without the extension (PROTOCOL.md#kdp-12), NETWORK one that holds what
# panicd/client.h does, all compiled and linked as a kernel is (tools/meson.build); OBJECTS is the
# archive that they are linked from, MEMORY the object of tools/memory.c. Prints one line; writes it and the details to TABLE. Without TABLE it fails when
# a goal is missed.
#
# Code is .text: instructions. Constants - two thirds of them are what the console says - are
# counted apart; unwind tables and debugging information are not, a kernel need not load them.
# The codecs, which are zlib and liblz4, are not among it.
set -eu
code_max=40960      # bytes, with the extension
plain_max=26624     # without it
constants_max=10240 # bytes
memory_max=16384    # bytes: struct pnd_panic, which holds all the others
static_max=0        # bytes of .data and .bss

size=$1 nm=$2 whole=$3 plain=$4 network=$5 objects=$6 memory=$7 table=${8:-}

bad() {
    echo "check-sizes: $*" >&2
    exit 1
}

# FILE: a line for it, or for each object in an archive: name, code, constants, static data
sections() {
    "$size" -A -d "$1" | awk '
        /:$/ && NF > 1 { name = $1; sub(".*/|.*_src_", "", name) }
        $1 ~ /^\.text/ { code[name] += $2 }
        $1 ~ /^\.(rodata|data\.rel\.ro)/ { constants[name] += $2 }
        $1 ~ /^\.(data|bss|tdata|tbss|sdata|sbss)/ && $1 !~ /^\.data\.rel\.ro/ { static[name] += $2 }
        END { for (n in code) printf "%-24s %7d %9d %7d\n", n, code[n], constants[n], static[n] }' |
        sort
}

# shellcheck disable=SC2046
set -- $(sections "$plain")
[ $# = 4 ] || bad "$plain holds no code"
plain_code=$2
# shellcheck disable=SC2046
set -- $(sections "$whole")
[ $# = 4 ] || bad "$whole holds no code"
code=$2 constants=$3 static=$4
structs=$("$nm" -S -t d "$memory" | awk 'NF == 4 { printf "struct %-24s %9d\n", $4, $2 }' | sort)
panic=$(echo "$structs" | awk '$2 == "pnd_panic" { print $3 }')
[ -n "$panic" ] || bad "$memory does not say how large struct pnd_panic is"

line="libpanicdump: $code of $code_max bytes of code, $plain_code of $plain_max without the\
 extension, $constants of constants, $panic of\
 $memory_max of memory, $static of static data; without codec"
if [ -n "$table" ]; then
    {
        echo "$line"
        echo
        printf '%-24s %7s %9s %7s\n' "linked into a kernel" code constants static
        sections "$whole"
        sections "$plain"
        sections "$network"
        echo
        printf '%-24s %7s %9s %7s\n' "object" code constants static
        sections "$objects"
        echo
        echo "$structs"
    } >"$table"
    echo "$line"
    exit 0
fi

echo "$line"
[ "$code" -le $code_max ] || bad "more code than $code_max bytes"
[ "$plain_code" -le $plain_max ] || bad "more code than $plain_max bytes without the extension"
[ "$constants" -le $constants_max ] || bad "more constants than $constants_max bytes"
[ "$panic" -le $memory_max ] || bad "struct pnd_panic is larger than $memory_max bytes"
[ "$static" -le $static_max ] || bad "there is static data: nothing could be dumped twice"
