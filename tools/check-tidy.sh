#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# usage: check-tidy.sh BUILD-DIRECTORY
# Fails when clang-tidy finds anything in a file that is built there, or cannot run.
set -eu
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Every source once, whatever number of targets it is built into: it is quicker, and clang-tidy 14
# takes every va_list in the second translation unit of one process for uninitialized.
python3 - "$1" "$work" <<'PY'
import json, os, re, sys
build, work = sys.argv[1:]
once = {}
only_gcc = re.compile("-fno-(tree-|thread-jumps|move-loop-invariants|inline-functions-called-once)")
for entry in json.load(open(os.path.join(build, "compile_commands.json"), encoding="utf-8")):
    path = os.path.realpath(os.path.join(entry["directory"], entry["file"]))
    if not path.endswith(".c"):
        continue
    command = " ".join(word for word in entry["command"].split(" ") if not only_gcc.match(word))
    once.setdefault(path, {**entry, "file": path, "command": command})
json.dump(list(once.values()), open(os.path.join(work, "compile_commands.json"), "w"))
with open(os.path.join(work, "files"), "w") as out:
    out.writelines(path + "\n" for path in sorted(once))
PY

[ -s "$work/files" ] || { echo "check-tidy: nothing is built in $1"; exit 1; }
if ! xargs -a "$work/files" -d '\n' -n 1 -P "$(nproc)" \
    clang-tidy -p "$work" --quiet --warnings-as-errors='*' >"$work/found" 2>&1; then
    grep -vE '^[0-9]+ warnings? (generated|treated)|^Suppressed|^Use -header-filter' "$work/found" ||
        cat "$work/found"
    exit 1
fi
echo "clang-tidy: nothing found in $(wc -l <"$work/files") files"
