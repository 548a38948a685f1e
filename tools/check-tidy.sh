#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# usage: check-tidy.sh BUILD-DIRECTORY
set -eu
cd "$(dirname "$0")/.."
find src bench tests -name '*.c' ! -path 'tests/e2e/*' -print0 |
    xargs -0 -n 4 -P "$(nproc)" clang-tidy -p "$1" --quiet --warnings-as-errors='*' 2>&1 |
    grep -vE '^[0-9]+ warnings? (generated|treated)|^Suppressed|^Use -header-filter' && exit 1
exit 0
