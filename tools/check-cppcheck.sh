#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# cppcheck 2.10 does not know the cleanup attribute, and takes conf.c's PND_AUTO_FCLOSE for a leak;
# nor that the symbols of machine/link.ld lie in one and the same object.
set -eu
cd "$(dirname "$0")/.."
exec cppcheck --quiet --std=c11 --language=c --enable=warning,portability --inline-suppr \
    --suppress=missingIncludeSystem --suppress=resourceLeak:src/host/conf.c \
    --suppress='comparePointers:machine/*' --error-exitcode=1 -j "$(nproc)" \
    -D__STDC__=1 -D_GNU_SOURCE -DPND_VERSION='"0"' -I include -I src -I tests \
    -I machine -I examples src tests bench machine examples
