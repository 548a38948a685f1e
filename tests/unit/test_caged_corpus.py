#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
#
# Every input of the fuzz corpus as a dump, read in the cage: what the cage forbids a library does
# only when it meets a file that makes it do so. Usage: test_caged_corpus.py PANICCTL CORPUS.
# Speaks TAP.

import gzip
import json
import os
import re
import subprocess
import sys
import tempfile

PANICCTL, CORPUS = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])


def inputs(folder):
    for name in sorted(os.listdir(folder)):
        path = os.path.join(folder, name)
        if name.endswith(".hex"):
            with open(path, encoding="utf-8") as file:
                text = re.sub(r"#.*", "", file.read())
            yield name, bytes.fromhex("".join(text.split()))
        elif os.path.isfile(path):
            with open(path, "rb") as file:
                yield name, file.read()


def verdict(place, data):
    """What is wrong with the answer; None: nothing"""
    path = os.path.join(place, "dump")
    with open(path, "wb") as file:
        file.write(data)
    done = subprocess.run([PANICCTL, "verify", "--json", path], cwd=place, timeout=60,
                          stdin=subprocess.DEVNULL, capture_output=True)
    if done.returncode not in (0, 1):
        return done.stderr.decode()
    try:
        told = json.loads(done.stdout)
    except ValueError:
        return f"{done.stdout!r} {done.stderr.decode()}"
    if told["bytes"] != len(data) or told["verdict"] not in ("complete", "incomplete", "corrupt"):
        return str(told)
    return None


def main():
    folders = sorted(entry.path for entry in os.scandir(CORPUS) if entry.is_dir())
    with tempfile.TemporaryDirectory() as place:
        for number, folder in enumerate(folders, 1):
            bad = []
            for name, data in inputs(folder):
                for what, bytes_ in ((name, data), (name + " in gzip", gzip.compress(data, 1))):
                    wrong = verdict(place, bytes_)
                    if wrong:
                        bad.append(f"{what}: {wrong.strip()}")
            for line in bad:
                print(f"# {line}")
            print(f"{'not ' if bad else ''}ok {number} - the cage holds what is in "
                  f"{os.path.basename(folder)}")
    print(f"1..{len(folders)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
