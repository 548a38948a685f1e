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
    codec) echo "include wire codec" ;;
    host) echo "include wire host" ;;
    advice) echo "include wire bootargs host advice" ;;
    facts) echo "include wire host facts" ;;
    inspect) echo "include wire image host facts inspect" ;;
    sender) echo "include wire proto bootargs client host sender" ;;
    store) echo "include wire image host facts store" ;;
    view) echo "include wire image host facts inspect store view" ;;
    message) echo "include wire image host facts store message" ;;
    capture) echo "include wire proto bootargs client image codec host sender capture" ;;
    arm) echo "include wire bootargs client image host sender capture arm" ;;
    *) echo "include wire proto bootargs client image codec host advice facts sender inspect store message view capture arm $1" ;;
    esac
}

place_of() { # FILE TARGET: "panicd/err.h" is in include/, what has no folder is a neighbour
    for dir in include src "${1%/*}"; do
        case $dir/$2 in
        src/*/* | include/*/* | machine/* | examples/*) [ ! -e "$dir/$2" ] || echo "$dir/$2" ;;
        esac
    done
}

layer_of() { # FILE
    case $1 in
    src/*) set -- "${1#src/}" ;;
    esac
    echo "${1%%/*}"
}

bad=0
for file in include/panicd/*.h src/*/*.[ch] machine/*.[chS] examples/*.[ch]; do
    [ -e "$file" ] || continue
    layer=$(layer_of "$file")
    for target in $(sed -n 's/^ *# *include *"\([^"]*\)".*/\1/p' "$file"); do
        place=$(place_of "$file" "$target")
        if [ -z "$place" ]; then
            echo "$file: \"$target\" is not named \"layer/file.h\"" >&2
            bad=1
            continue
        fi
        from=$(layer_of "$place")
        case " $(allowed "$layer") " in
        *" $from "*) ;;
        *)
            echo "$file: $layer must not include $target ($from)" >&2
            bad=1
            ;;
        esac
    done
    case " $freestanding include examples " in
    *" $layer "*)
        for target in $(sed -n 's/^ *# *include *<\([^>]*\)>.*/\1/p' "$file"); do
            case $target in
            stdarg.h | stdbool.h | stddef.h | stdint.h | limits.h | string.h) ;;
            *)
                echo "$file: $layer is freestanding and must not include <$target>" >&2
                bad=1
                ;;
            esac
        done
        ;;
    esac
done
[ $bad = 0 ] && echo "layers: every include runs downwards"
exit $bad
