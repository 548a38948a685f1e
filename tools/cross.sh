#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# usage: cross.sh [--build-only] [MACHINE...]
# Builds what is freestanding for other machines (tools/cross/*.ini; all of them when none is
# named), and runs its tests there, under user emulation.
set -eu
cd "$(dirname "$0")/.."
build_only=false
if [ "${1:-}" = --build-only ]; then
    build_only=true
    shift
fi
[ $# -gt 0 ] || set -- i386 aarch64 s390x
for machine in "$@"; do
    dir=build-cross/$machine
    [ -e "tools/cross/$machine.ini" ] || { echo "cross: there is no tools/cross/$machine.ini"; exit 2; }
    [ -e "$dir/build.ninja" ] ||
        meson setup "$dir" --cross-file "tools/cross/$machine.ini" -Dparts=freestanding
    ninja -C "$dir" --quiet
    $build_only || meson test -C "$dir" --no-rebuild --print-errorlogs
done
