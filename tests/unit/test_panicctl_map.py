#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
#
# panicctl map: the picture in the terminal, its legend, the ranges as JSON, and every pixel of the
# PNG file, by a decoder of a few lines.
# Usage: test_panicctl_map.py PANICCTL (or $PND_PANICCTL). Speaks TAP.

import os
import struct
import sys
import zlib

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from panicctl_place import elf_core, macho_core, main, on_terminal, sha256, test

MIB = 1 << 20
PALETTE = {"present": (0x2E, 0x8B, 0x57), "zero": (0xC8, 0xD6, 0xCF), "excluded": (0x46, 0x82, 0xB4),
           "unreadable": (0xE0, 0x9F, 0x1F), "missing": (0xC0, 0x27, 0x2D),
           "nothing": (0xFF, 0xFF, 0xFF), "left out": (0x80, 0x80, 0x80)}
NAMES = {colour: name for name, colour in PALETTE.items()}
UTF8 = {"LC_ALL": "C.UTF-8"}
ASCII = {"LC_ALL": "C"}


def one_dump(place, ranges, space="physical"):
    """ranges: (start, end, kind) or (start, end, {kind: bytes})."""
    if not os.path.exists(place.path("core-a")):
        place.put("core-a", elf_core(9000))
        place.settle()
    place.facts(1, {"os": "Linux", "memory": {"space": space, "ranges": [
        {"start": hex(start), "end": hex(end),
         **(kind if isinstance(kind, dict) else {kind: end - start})}
        for start, end, kind in ranges]}})


def decode(path):
    """The pixels of a PNG file with a palette, as rows of names of colours, and its texts."""
    with open(path, "rb") as file:
        data = file.read()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    at, packed, palette, texts = 8, b"", None, {}
    while at < len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        body = data[at + 8 : at + 8 + length]
        crc, = struct.unpack_from(">I", data, at + 8 + length)
        assert crc == zlib.crc32(kind + body)
        if kind == b"IHDR":
            width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", body)
            assert (depth, colour, interlaced) == (8, 3, 0)
        elif kind == b"PLTE":
            palette = [tuple(body[i : i + 3]) for i in range(0, length, 3)]
        elif kind == b"IDAT":
            packed += body
        elif kind == b"tEXt":
            key, _, text = body.partition(b"\0")
            texts[key.decode()] = text.decode()
        at += 12 + length
    raw = zlib.decompress(packed)
    assert len(raw) == height * (width + 1)
    rows, above = [], bytes(width)
    for y in range(height):
        line = bytearray(raw[y * (width + 1) + 1 : (y + 1) * (width + 1)])
        filtered = raw[y * (width + 1)]
        assert filtered in (0, 1, 2)
        for x in range(width if filtered else 0):
            line[x] = (line[x] + (above[x] if filtered == 2 else line[x - 1] if x else 0)) & 255
        above = bytes(line)
        rows.append([NAMES[palette[i]] for i in line])
    return rows, texts


def squares(rows, size=3):
    """A name for each square, which must be of one colour."""
    found = []
    for y in range(0, len(rows), size):
        found.append([rows[y][x] for x in range(0, len(rows[y]), size)])
        for dy in range(size):
            for x in range(len(rows[y])):
                assert rows[y + dy][x] == found[-1][x // size], (x, y)
    return found


# ---- the terminal ----


@test
def draws_a_small_memory_to_the_character(place):
    one_dump(place, [(0x1000, 0x9000, "present"), (0x9000, 0xC000, "zero"),
                     (0xC000, 0xE000, "excluded"), (0xE000, 0xF000, "unreadable"),
                     (0x20000, 0x24000, "missing")])
    assert place.run("map", "1", env=ASCII) == """\
Dump 1: physical memory, a character is 4.0 KiB
  0000000000000000   ########...--X
  0000000000020000  ????

  # present      32.0 KiB
  . zero         12.0 KiB
  - excluded      8.0 KiB
  X unreadable    4.0 KiB
  ? missing      16.0 KiB
"""
    assert place.run("map", env=UTF8) == """\
Dump 1: physical memory, a character is 4.0 KiB
  0000000000000000   ████████░░░▒▒X
  0000000000020000  ????

  █ present      32.0 KiB
  ░ zero         12.0 KiB
  ▒ excluded      8.0 KiB
  X unreadable    4.0 KiB
  ? missing      16.0 KiB
"""


@test
def leaves_out_addresses_without_memory_up_to_the_last_one(place):
    one_dump(place, [(0xFFFFFF8000200000, 0xFFFFFF8000220000, "present"),
                     (0xFFFFFFFFFFFE0000, 0xFFFFFFFFFFFFFFFF, "present")], "virtual")
    assert place.run("map", env=ASCII) == """\
Dump 1: virtual memory, a character is 4.0 KiB
  ffffff8000200000  ################################
               ...  511 GiB of addresses without memory
  fffffffffffe0000  ################################

  # present       255 KiB
"""


@test
def fits_the_screen_whatever_the_memory(place):
    for ranges in ([(0, 100 << 30, "present")],
                   [(i << 40, (i << 40) + 4096, "present") for i in range(2000)],
                   [(i << 13, (i << 13) + 4096, "zero") for i in range(2000)],
                   [(0, 1 << 62, "present")],
                   [(0, 1, "present"), ((1 << 64) - 2, (1 << 64) - 1, "missing")]):
        one_dump(place, ranges)
        for columns, width in ((80, 52), (120, 84)):
            lines = on_terminal(place, "map", columns=columns, NO_COLOR="1",
                                **ASCII).decode().splitlines()
            assert len(lines) <= 24 and max(map(len, lines[1:-3])) <= max(width, 60), lines
        assert sum(len(line[20:]) for line in lines[1:] if line[2:18].strip().isalnum()) > 0


@test
def shows_what_is_missing_however_little_and_of_the_rest_what_is_most(place):
    page = 4096
    one_dump(place, [(0, 32 * MIB, "present"), (32 * MIB, 32 * MIB + page, "missing"),
                     (32 * MIB + page, 64 * MIB, {"zero": 20 * MIB, "present": 11 * MIB})])
    lines = place.run("map", env=ASCII).splitlines()
    assert "a character is 256 KiB" in lines[0], lines
    body = "".join(line[20:] for line in lines[1:9])
    assert body == "#" * 128 + "?" + "." * 127, lines


@test
def colours_a_terminal_that_wants_it(place):
    one_dump(place, [(0, 0x2000, "present"), (0x2000, 0x3000, "missing")])
    out = on_terminal(place, "map", **UTF8).decode()
    assert "\x1b[32m██\x1b[0m\x1b[31m?\x1b[0m" in out, out
    assert "\x1b" not in on_terminal(place, "map", NO_COLOR="1").decode()
    assert "\x1b" not in place.run("map")


# ---- JSON, and when there is nothing ----


@test
def writes_ranges_and_sums_as_json(place):
    one_dump(place, [(0x1000, 0x9000, {"present": 0x7000, "zero": 0x1000}),
                     (0xFFFFFF8000000000, 0xFFFFFF8000001000, "missing")], "virtual")
    assert place.json("map", "1") == {
        "id": 1, "space": "virtual", "sums": {"present": 0x7000, "zero": 0x1000, "missing": 0x1000},
        "ranges": [{"start": "0x1000", "end": "0x9000", "present": 0x7000, "zero": 0x1000},
                   {"start": "0xffffff8000000000", "end": "0xffffff8000001000",
                    "missing": 0x1000}]}


@test
def maps_a_core_that_is_only_a_file(place):
    with open(os.path.join(place.root, "core"), "wb") as file:
        file.write(macho_core([(0xFFFFFF8000200000, b"\1" * 0x5000),
                               (0xFFFFFF8000210000, bytes(0x3000) + b"X" * 0x1000)]))
    assert place.run("map", "./core", env=ASCII) == """\
File ./core: virtual memory, a character is 4.0 KiB
  ffffff8000200000  #####           ...X

  # present      20.0 KiB
  . zero         12.0 KiB
  X unreadable    4.0 KiB
"""


@test
def says_that_no_memory_is_described_and_what_to_type(place):
    place.put("core-a", b"nothing of the kind")
    place.settle()
    assert place.run("map", code=1) == ""
    assert place.err == ('panicctl: no memory is described in 1, which is data; "panicctl info 1" '
                         "says what is known\n"), place.err


# ---- the picture ----


@test
def paints_every_square_in_the_colour_of_its_kind(place):
    row = 256 * 4096
    ranges = [(0, 5 * 4096, "present"), (5 * 4096, 8 * 4096, "zero"), (row, 2 * row, "excluded"),
              (8 * row, 8 * row + 4096, "unreadable"), (9 * row - 4096, 9 * row, "missing")]
    one_dump(place, ranges)
    out = place.run("map", "--png", "memory.png")
    assert out == "memory.png: 768 by 12 pixels, a square is 4.0 KiB\n", out
    path = os.path.join(place.root, "memory.png")
    assert os.stat(path).st_mode & 0o777 == 0o600
    rows, texts = decode(path)
    expected = [["present"] * 5 + ["zero"] * 3 + ["nothing"] * 248, ["excluded"] * 256,
                ["left out"] * 256, ["unreadable"] + ["nothing"] * 254 + ["missing"]]
    assert squares(rows) == expected
    assert texts == {"Description": "memory from 0x0000000000000000, 4096 bytes a square,"
                                    " 256 squares a row"}, texts


@test
def paints_a_hundred_gigabytes_within_a_square_of_pixels(place):
    one_dump(place, [(0, 100 << 30, "present"), (100 << 30, (100 << 30) + 4096, "missing")])
    place.run("map", "--png", "big.png")
    rows, _ = decode(os.path.join(place.root, "big.png"))
    found = squares(rows)
    assert len(found) == 201 and found[200][0] == "missing", len(found)
    assert all(name == "present" for line in found[:200] for name in line)


@test
def replaces_a_picture_only_when_asked_and_leaves_none_that_is_not_whole(place):
    one_dump(place, [(0, 4096, "present")])
    path = os.path.join(place.root, "a.png")
    place.run("map", "--png", "a.png")
    with open(path, "rb") as file:
        before = sha256(file.read())
    place.run("map", "--png", "a.png", code=2)
    assert "--force" in place.err
    with open(path, "ab") as file:
        file.write(b"x" * 5000)
    assert place.json("map", "--png", "a.png", "--force")["sums"] == {"present": 4096}
    with open(path, "rb") as file:
        assert sha256(file.read()) == before
    place.run("map", "--png", "nowhere/a.png", code=2)
    assert "nowhere/a.png" in place.err


sys.exit(main())
