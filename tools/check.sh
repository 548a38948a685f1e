#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# usage: check.sh [quick]
# Every test, in the order in which failures are cheapest to find. Ends with one line,
# "N passed, N failed, N skipped", and fails if anything did.
set -uo pipefail
cd "$(dirname "$0")/.." || exit

passed=0 failed=0 skipped=0 failures=()

count() { # NAME COMMAND...: one check that passes or fails as a whole
    local name=$1 log
    shift
    log=$(mktemp)
    if "$@" >"$log" 2>&1; then
        passed=$((passed + 1))
        echo "ok: $name"
    else
        failed=$((failed + 1))
        failures+=("$name")
        echo "FAILED: $name"
        tail -n 60 "$log"
    fi
    rm -f "$log"
}

configured() { # DIRECTORY MESON-OPTION...
    local dir=$1
    shift
    [ -e "$dir/build.ninja" ] || meson setup "$dir" "$@"
}

suites() { # LABEL DIRECTORY MESON-TEST-ARGUMENT...: every test of these suites counts for itself
    local label=$1 dir=$2 counts log
    shift 2
    log=$(echo "$label" | tr ' ' -)
    echo "== $label"
    meson test -C "$dir" --no-rebuild --print-errorlogs --logbase "$log" "$@" 2>&1 |
        grep -vE '^(ninja|$)' | tail -n 400
    counts=$(/usr/bin/python3 - "$dir/meson-logs/$log.json" "$label" <<'PY'
import json, sys
passed = failed = skipped = 0
names = []
for line in open(sys.argv[1], encoding='utf-8'):
    test = json.loads(line)
    if test['result'] in ('OK', 'EXPECTEDFAIL'):
        passed += 1
    elif test['result'] == 'SKIP':
        skipped += 1
    else:
        failed += 1
        names.append('%s: %s' % (sys.argv[2], test['name'].replace(' ', '_')))
print(passed, failed, skipped, *[n.replace(' ', '_') for n in names])
PY
    ) || counts="0 1 0 $label:no_results"
    read -r p f s rest <<<"$counts"
    passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
    # shellcheck disable=SC2206
    failures+=($rest)
}

guests() { # how many tests may run at a time of which each has a guest: a processor, and 1.5 GB
    local processors memory
    processors=$(nproc)
    memory=$(awk '/^MemAvailable:/ { print int($2 / 1500000) + 1 }' /proc/meminfo)
    echo $((processors < memory ? processors : memory))
}

finish() {
    local name
    for name in "${failures[@]:-}"; do
        [ -z "$name" ] || echo "failed: $name"
    done
    echo "$passed passed, $failed failed, $skipped skipped"
    [ $failed = 0 ] && [ $passed -gt 0 ]
    exit
}

count "configure with gcc" configured build
count "build with gcc -Werror" ninja -C build --quiet
if [ "${1:-}" = quick ]; then
    suites "gcc" build --suite unit --suite sim
    finish
fi
suites "gcc" build --suite unit --suite sim --suite cut --suite fuzz
suites "end to end" build --suite e2e --num-processes "$(guests)"
suites "web" build --suite web
suites "linux" build --suite linux --num-processes "$(guests)"
suites "panicbox" build --suite panicbox

for machine in i386 aarch64 s390x; do
    count "build for $machine" tools/cross.sh --build-only "$machine"
    suites "$machine" "build-cross/$machine" --suite unit --suite sim
done

CC=clang count "configure with clang and sanitizers" configured build-sanitize \
    -Db_sanitize=address,undefined -Db_lundef=false
count "build with clang -Werror, ASan and UBSan" ninja -C build-sanitize --quiet
suites "sanitizers" build-sanitize --suite unit --suite sim --suite cut --suite fuzz

count "coverage of the freestanding layers" tools/check-coverage.sh
count "clang-tidy" tools/check-tidy.sh build
count "cppcheck" tools/check-cppcheck.sh
count "formatting" tools/check-format.sh
finish
