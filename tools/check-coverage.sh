#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# What runs in a panic, or meets bytes from outside: at least 95 % of its lines run in the unit and
# simulator tests.
set -eu
cd "$(dirname "$0")/.."
dir=build-coverage
[ -e $dir/build.ninja ] || meson setup $dir -Db_coverage=true -Dbuildtype=debug >/dev/null
ninja -C $dir --quiet
find $dir -name '*.gcda' -delete
meson test -C $dir --no-rebuild --suite unit --quiet --print-errorlogs
$dir/tests/sim/sim_kdp --seeds 50 # the suite's number of seeds adds time, not lines
gcovr --root . --filter 'src/(wire|proto|bootargs|client|image|codec)/' --fail-under-line 95 $dir
