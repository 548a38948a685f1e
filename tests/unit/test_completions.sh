#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# usage: test_completions.sh COMPLETIONS-DIRECTORY PANICCTL
# What bash offers behind a command that has been begun. Speaks TAP.
completions=$1 panicctl=$2 count=0 failures=0
framework=/usr/share/bash-completion/bash_completion

offers() { # SENTENCE EXPECTED FUNCTION WORD...: the last word is the one under the cursor
    local sentence=$1 expected=$2 function=$3 got
    shift 3
    COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMP_LINE="$*" COMPREPLY=()
    COMP_POINT=${#COMP_LINE}
    $function "$1" "${*: -1}" "${COMP_WORDS[COMP_CWORD - 1]}"
    got=$(printf '%s\n' "${COMPREPLY[@]}" | LC_ALL=C sort | paste -sd' ')
    count=$((count + 1))
    if [ "$got" = "$expected" ]; then
        echo "ok $count - $sentence"
    else
        failures=$((failures + 1))
        echo "# offered: $got"
        echo "not ok $count - $sentence"
    fi
}

dumps=$(mktemp -d)
trap 'rm -rf "$dumps"' EXIT
chmod 700 "$dumps"
mkdir -m 700 "$dumps/.panicd"
echo a >"$dumps/core-a"
echo b >"$dumps/core-b"
"$panicctl" -D "$dumps" --json list >/dev/null # gives them their numbers

. "$completions/panicctl.bash"
offers "panicctl: a verb" "list" _panicctl panicctl li
offers "panicctl: a verb's options" "--count --help --json --until-idle" _panicctl panicctl watch --
offers "panicctl: the dumps of the directory that is named" "1 2 latest" \
    _panicctl "$panicctl" -D "$dumps" rm ""
offers "panicctl: the options of debug" "--debugger --help --json --keep --print --symbols" \
    _panicctl panicctl debug --
offers "panicctl: a debugger" "crash" _panicctl panicctl debug --debugger c
offers "panicctl: a file to look at" "$dumps/core-a $dumps/core-b" \
    _panicctl panicctl info "$dumps/co"
offers "panicctl: the limits of vacuum" "--bytes --dry-run --help --json --keep --older-than" \
    _panicctl panicctl vacuum --
offers "panicctl: a dump whose group gets a note" "1 2 latest" \
    _panicctl "$panicctl" -D "$dumps" note ""
offers "panicctl: what to do with boot-args" "decode encode lint" _panicctl panicctl bootargs ""
offers "panicctl: the options of encode" "--network --no-gzip" _panicctl panicctl bootargs encode --n
offers "panicctl: a kind of machine" "arm64 x86_64" _panicctl panicctl bootargs lint --arch ""
offers "panicctl: the systems of setup" "freebsd" _panicctl panicctl setup --for f
offers "panicctl: the options of setup" "--paniclog-only --port" _panicctl panicctl setup --p
offers "panicctl: the options of doctor" "--as-client --help --json --port" _panicctl panicctl doctor --
offers "panicctl: the options of extract" "--force --help --json --list --output --passphrase-file --private-key" \
    _panicctl panicctl extract --
offers "panicctl: a disk to extract from" "$dumps/core-a $dumps/core-b" \
    _panicctl panicctl extract "$dumps/co"
offers "panicctl: the options of pack" "--force --help --json --key --log-only --note --output" \
    _panicctl panicctl pack --
offers "panicctl: the options of import" "--help --json --keep-form --move --name" _panicctl panicctl import --
offers "panicctl: the options of receive" "--clients --config --dump-bytes --floor --help --idle --json --keep-form --listen --name --plain --senders --tls-certificate --tls-key" \
    _panicctl panicctl receive --
offers "panicctl: a file to import" "$dumps/core-a $dumps/core-b" \
    _panicctl panicctl import "$dumps/co"
offers "panicctl: a directory" "$dumps" _panicctl panicctl --directory "${dumps%?}"

if [ -r $framework ]; then
    . $framework
    . "$completions/panicdump.bash"
    offers "panicdump: a verb" "capture" _panicdump panicdump ca
    offers "panicdump: the options of arm" "--persist --port --poweroff" _panicdump panicdump arm --p
    offers "panicdump: the options of status" "--help --json" _panicdump panicdump status --
    offers "panicdump: a verb's options" "--name --no-sparse" _panicdump panicdump send --n
    offers "panicdump: a protocol" "apple netdump" _panicdump panicdump send --protocol ""
    offers "panicdump: a file" "$dumps/core-a $dumps/core-b" _panicdump panicdump send "$dumps/co"
else
    count=$((count + 1))
    echo "ok $count - panicdump # SKIP bash-completion is not installed"
fi
echo "1..$count"
[ $failures = 0 ]
