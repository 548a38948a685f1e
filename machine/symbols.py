#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The symbol table that panicbox carries within itself.

  symbols.py empty OUT.S            a table without names, for the first link
  symbols.py table NM KERNEL OUT.S  the functions of KERNEL, and a UUID made of what it loads
  symbols.py check NM KERNEL FULL OUT   FULL, linked with the table of KERNEL, has every function
                                    where KERNEL had it; then it is copied to OUT
"""
import hashlib
import shutil
import struct
import subprocess
import sys
import uuid


def functions(nm, kernel):
    """[(offset from box_text_start, name)], one name for each offset."""
    start = None
    found = {}
    text = subprocess.run([nm, "-n", kernel], check=True, capture_output=True, text=True).stdout
    for line in text.splitlines():
        address, kind, name = (line.rsplit(maxsplit=2) + ["", ""])[:3]
        if not address or len(address) < 16:
            continue
        if name == "box_text_start":
            start = int(address, 16)
        elif name == "box_text_end":
            end = int(address, 16)
        elif kind in "tT" and start is not None:
            found.setdefault(int(address, 16), name)
    return [(a - start, n) for a, n in sorted(found.items()) if start <= a < end]


def identity(kernel):
    """Of the bytes that are loaded: paths, dates and debug information are not among them."""
    with open(kernel, "rb") as file:
        data = file.read()
    phoff, = struct.unpack_from("<Q", data, 32)
    size, count = struct.unpack_from("<HH", data, 54)
    digest = hashlib.sha256()
    for i in range(count):
        kind, _, offset, address, _, filesz = struct.unpack_from("<IIQQQQ", data, phoff + i * size)
        if kind == 1:
            digest.update(struct.pack("<QQ", address, filesz) + data[offset:offset + filesz])
    return uuid.UUID(bytes=digest.digest()[:16], version=4).bytes


def write(out, names, build):
    at = 0
    entries, strings = [], []
    for offset, name in names:
        entries.append(f"    .long {offset:#x}, {at}")
        strings.append(f'    .asciz "{name}"')
        at += len(name) + 1
    with open(out, "w", encoding="ascii") as file:
        file.write("\n".join(
            ['    .section .symbols, "a", @progbits',
             "    .globl box_uuid, box_symbol_count, box_symbols, box_symbol_names",
             "    .balign 16", "box_uuid:", "    .byte " + ", ".join(map(str, build)),
             "box_symbol_count:", f"    .long {len(names)}",
             "box_symbols:"] + entries + ["box_symbol_names:"] + strings +
            ['    .byte 0',
             # A build id: a debugger knows the file as the one that a core speaks of. The linker
             # drops it under its usual name.
             '    .section .note.build, "a", @note', "    .balign 4",
             f"    .long 4, {len(build)}, 3", '    .asciz "GNU"',
             "    .byte " + ", ".join(map(str, build)),
             '    .section .note.GNU-stack, "", @progbits', ""]))


def main(args):
    if args[:1] == ["empty"] and len(args) == 2:
        write(args[1], [], bytes(16))
    elif args[:1] == ["table"] and len(args) == 4:
        write(args[3], functions(args[1], args[2]), identity(args[2]))
    elif args[:1] == ["check"] and len(args) == 5:
        if functions(args[1], args[2]) != functions(args[1], args[3]):
            sys.exit(f"{args[3]}: the symbol table has moved the functions; see link.ld")
        shutil.copy(args[3], args[4])
    else:
        sys.exit(__doc__)


main(sys.argv[1:])
