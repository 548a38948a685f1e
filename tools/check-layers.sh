#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Fails on an #include that runs upwards, sideways between programs, or out of a freestanding
# layer into the C library. The drawing is in ARCHITECTURE.md.
set -eu
cd "$(dirname "$0")/.."

freestanding="wire proto bootargs client image"

allowed() { # layer -> the layers it may include
    case $1 in
    include) echo "include" ;;
    wire) echo "include wire" ;;
    proto) echo "include wire proto" ;;
    bootargs) echo "include wire bootargs" ;;
    client) echo "include wire proto bootargs client" ;;
    image) echo "include wire image" ;;
    host) echo "include wire host" ;;
    inspect) echo "include wire image host inspect" ;;
    store) echo "include wire image host store" ;;
    *) echo "include wire proto bootargs client image host inspect store $1" ;;
    esac
}

layer_of() { # "wire/kdp.h" -> wire; "panicd/err.h" -> include or panicd, by where the file is
    if [ -e "include/$1" ]; then
        echo include
    else
        echo "${1%%/*}"
    fi
}

bad=0
for file in include/panicd/*.h src/*/*.[ch]; do
    case $file in
    include/*) layer=include ;;
    *) layer=${file#src/} && layer=${layer%%/*} ;;
    esac
    for target in $(sed -n 's/^ *# *include *"\([^"]*\)".*/\1/p' "$file"); do
        if ! [ -e "include/$target" ] && ! [ -e "src/$target" ]; then
            echo "$file: \"$target\" is not named \"layer/file.h\""
            bad=1
            continue
        fi
        from=$(layer_of "$target")
        case " $(allowed "$layer") " in
        *" $from "*) ;;
        *)
            echo "$file: $layer must not include $target ($from)"
            bad=1
            ;;
        esac
    done
    case " $freestanding include " in
    *" $layer "*)
        for target in $(sed -n 's/^ *# *include *<\([^>]*\)>.*/\1/p' "$file"); do
            case $target in
            stdarg.h | stdbool.h | stddef.h | stdint.h | limits.h | string.h) ;;
            *)
                echo "$file: $layer is freestanding and must not include <$target>"
                bad=1
                ;;
            esac
        done
        ;;
    esac
done
[ $bad = 0 ] && echo "layers: every include runs downwards"
exit $bad
