#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
set -eu
cd "$(dirname "$0")/.."
exec cppcheck --quiet --std=c11 --language=c --enable=warning,portability --inline-suppr \
    --suppress=missingIncludeSystem --error-exitcode=1 -j "$(nproc)" \
    -D__STDC__=1 -D_GNU_SOURCE -DPND_VERSION='"0"' -I include -I src -I tests src tests bench
