#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The codecs and the sessions: at least 95 % of their lines run in the unit and simulator tests.
set -eu
cd "$(dirname "$0")/.."
[ -e build-coverage/build.ninja ] ||
    meson setup build-coverage -Db_coverage=true -Dbuildtype=debug >/dev/null
ninja -C build-coverage --quiet
find build-coverage -name '*.gcda' -delete
PND_SIM_SEEDS=50 meson test -C build-coverage --no-rebuild --suite unit --suite sim --quiet >/dev/null
gcovr --root . --filter 'src/(wire|proto)/' --fail-under-line 95 build-coverage
