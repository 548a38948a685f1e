#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
#
# panicctl export --elf and --decompress: every byte of what comes out, and what comes out of what
# is cut, damaged or none of it.
# Usage: test_panicctl_export.py PANICCTL (or $PND_PANICCTL). Speaks TAP.

import gzip
import os
import random
import shutil
import struct
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from panicctl_place import ARM64, elf_core, macho_core, main, test

X86_REGISTERS = ["rax", "rbx", "rcx", "rdx", "rdi", "rsi", "rbp", "rsp", "r8", "r9", "r10", "r11",
                 "r12", "r13", "r14", "r15", "rip", "rflags", "cs", "fs", "gs"]
USER_REGS = ["r15", "r14", "r13", "r12", "rbp", "rbx", "r11", "r10", "r9", "r8", "rax", "rcx",
             "rdx", "rsi", "rdi", "orig_rax", "rip", "cs", "rflags", "rsp", "ss", "fs_base",
             "gs_base", "ds", "es", "fs", "gs"]


def noise(seed, size):
    return random.Random(seed).randbytes(size)


def segments():
    """Not in order of address, and one of zeros."""
    return [(0xFFFFFF8000400000, noise(1, 0x3000)), (0xFFFFFF8000200000, noise(2, 0x1234)),
            (0xFFFFFF8000300000, bytes(0x200000)), (0xFFFFFF9000000000, noise(3, 0x1000))]


def thread(seed):
    return [seed * 0x0101010101010101 + i for i in range(len(X86_REGISTERS))]


def parse_elf(data):
    ident, kind, machine, _, _, phoff, shoff, _, _, phentsize, phnum = \
        struct.unpack_from("<16sHHIQQQIHHH", data)
    assert ident[:7] == b"\x7fELF\x02\x01\x01" and ident[7] == 3 and kind == 4
    assert (phoff, phentsize, shoff) == (64, 56, 0)
    loads, notes = [], []
    for i in range(phnum):
        kind, flags, offset, vaddr, _, filesz, memsz, _ = \
            struct.unpack_from("<IIQQQQQQ", data, phoff + i * phentsize)
        assert offset + filesz <= len(data)
        if kind == 1:
            assert filesz == memsz
            loads.append((vaddr, data[offset : offset + filesz], flags))
        else:
            assert kind == 4
            end = offset + filesz
            while offset < end:
                name_len, desc_len, note = struct.unpack_from("<3I", data, offset)
                assert data[offset + 12 : offset + 12 + name_len] == b"CORE\0" and note == 1
                offset += 12 + (name_len + 3) // 4 * 4
                notes.append(data[offset : offset + desc_len])
                offset += desc_len
            assert offset == end
    return machine, loads, notes


def one_dump(place, data, name="core-a"):
    place.put(name, data)
    place.settle()


def exported(place, *args, code=0):
    place.run("export", "1", "-o", "out", "-f", *args, code=code)
    with open(os.path.join(place.root, "out"), "rb") as file:
        return file.read()


def flattened(records, end=True, version=1):
    data = (b"makedumpfile".ljust(16, b"\0") + struct.pack(">2q", 1, version)).ljust(4096, b"\0")
    for offset, body in records:
        data += struct.pack(">2q", offset, len(body)) + body
    return data + (struct.pack(">2q", -1, -1) if end else b"")


# ---- a Mach-O core as an ELF core ----


@test
def writes_each_segment_in_order_of_address_and_each_thread_with_its_registers(place):
    core = macho_core(segments(), [thread(1), thread(2)])
    for data in (core, gzip.compress(core), gzip.compress(core[:5000]) + gzip.compress(core[5000:])):
        one_dump(place, data)
        elf = exported(place, "--elf")
        machine, loads, notes = parse_elf(elf)
        assert machine == 62 and [(a, d) for a, d, _ in loads] == sorted(segments())
        assert {flags for _, _, flags in loads} == {6}
        assert len(notes) == 2
        for number, note in enumerate(notes, 1):
            assert len(note) == 336 and struct.unpack_from("<H", note, 12) == (6,)
            assert struct.unpack_from("<I", note, 32) == (number,)
            state = dict(zip(X86_REGISTERS, thread(number)), orig_rax=(1 << 64) - 1)
            words = struct.unpack_from("<27Q", note, 112)
            assert list(words) == [state.get(name, 0) for name in USER_REGS]
        place.run("rm", "1")
        shutil.rmtree(place.path(".panicd"))
        os.mkdir(place.path(".panicd"), 0o700)


@test
def writes_an_arm64_core_for_its_own_machine(place):
    words = [0x1000 + i for i in range(34)]
    one_dump(place, macho_core(segments()[:2], [words], cpu=ARM64, protection=5))
    machine, loads, notes = parse_elf(exported(place, "-e"))
    assert machine == 183 and len(notes) == 1 and len(notes[0]) == 392
    assert list(struct.unpack_from("<34Q", notes[0], 112)) == words
    assert {flags for _, _, flags in loads} == {5}


@test
def leaves_holes_where_there_are_zeros(place):
    one_dump(place, gzip.compress(macho_core([(0x1000, bytes(64 << 20)), (1 << 40, b"end")])))
    elf = exported(place, "--elf")
    assert len(elf) > 64 << 20
    assert os.stat(os.path.join(place.root, "out")).st_blocks * 512 < 1 << 20
    assert parse_elf(elf)[1][1][1] == b"end"


@test
def writes_an_elf_core_with_the_mark_that_lldb_wants_and_nothing_else_changed(place):
    core = elf_core(20000)
    one_dump(place, gzip.compress(core))
    elf = exported(place, "--elf")
    assert elf == core[:7] + b"\3" + core[8:]
    assert exported(place, "--decompress") == core


@test
def takes_a_file_and_names_the_output_after_it(place):
    core = macho_core(segments(), [thread(1)])
    os.mkdir(os.path.join(place.root, "there"))
    with open(os.path.join(place.root, "there", "core-x.gz"), "wb") as file:
        file.write(gzip.compress(core))
    assert place.run("export", "there/core-x.gz", "--elf").startswith("core-x: ")
    with open(os.path.join(place.root, "core-x"), "rb") as file:
        assert len(parse_elf(file.read())[1]) == 4
    got = place.json("export", "there/core-x.gz", "-d", "-o", "plain")
    assert got["id"] is None and got["output"] == "plain" and got["bytes"] == len(core)


@test
def keeps_of_a_core_that_is_cut_what_has_come(place):
    core = macho_core(segments(), [thread(1)])
    one_dump(place, core[:20000])
    elf = exported(place, "--elf")
    assert "incomplete" in place.err
    head = len(elf) - 20000
    assert head % 4096 == 0 and elf[head:] == core[:20000]
    for length in (10, 40, 300):
        place.put("cut", core[:length])
        place.run("export", place.path("cut"), "--elf", "-o", "cut.elf", "-f")
        assert os.path.getsize(os.path.join(place.root, "cut.elf")) == 0
        assert "ends within its header" in place.err, place.err


@test
def refuses_what_no_elf_core_can_be_made_of(place):
    big = struct.pack(">7I", 0xFEEDFACE, 18, 0, 4, 0, 0, 0).ljust(4096, b"\0")
    other = struct.pack("<8I", 0xFEEDFACF, 0x01000012, 0, 4, 0, 0, 0, 0).ljust(4096, b"\0")
    executable = struct.pack("<8I", 0xFEEDFACF, 0x01000007, 3, 2, 0, 0, 0, 0).ljust(4096, b"\0")
    for data, words in ((b"nothing" * 100, "no Mach-O core"), (big, "other than x86_64"),
                        (other, "CPU type 0x1000012"), (executable, "no core")):
        place.put("core-a", data)
        place.run("export", place.path("core-a"), "--elf", "-o", "out", code=2)
        assert words in place.err, place.err
        assert not os.path.exists(os.path.join(place.root, "out"))


@test
def says_which_load_command_cannot_be(place):
    core = bytearray(macho_core(segments(), [thread(1)]))
    struct.pack_into("<I", core, 32 + 72 + 4, 7)
    place.put("core-a", bytes(core))
    place.run("export", place.path("core-a"), "--elf", "-o", "out", "-f", code=1)
    assert "load command 1" in place.err, place.err


@test
def opens_in_gdb_with_registers_and_memory(place):
    if not shutil.which("gdb"):
        print("# gdb is not installed")
        return
    data = noise(9, 4096)
    one_dump(place, macho_core([(0xFFFFFF8000400000, data)], [thread(3)]))
    exported(place, "--elf")
    done = subprocess.run(["gdb", "-nx", "-batch", "-c", "out", "-ex", "info registers rip rbx",
                           "-ex", "x/2gx 0xffffff8000400000"], cwd=place.root, text=True,
                          stdin=subprocess.DEVNULL, capture_output=True, timeout=100)
    state = dict(zip(X86_REGISTERS, thread(3)))
    words = struct.unpack_from("<2Q", data)
    for number in (state["rip"], state["rbx"], *words):
        assert f"{number:#x}" in done.stdout or f"{number:#018x}" in done.stdout, done.stdout


# ---- flattened ----


@test
def puts_what_makedumpfile_has_flattened_in_its_order(place):
    one, two, three = noise(1, 70000), noise(2, 4096), noise(3, 100)
    data = flattened([(8192, one), (0, two), (200000, three), (8192, b"late")])
    expected = bytearray(200100)
    expected[8192 : 8192 + len(one)] = one
    expected[:4096] = two
    expected[200000:] = three
    expected[8192:8196] = b"late"
    for packed in (data, gzip.compress(data)):
        place.put("core-a", packed)
        place.run("export", place.path("core-a"), "-d", "-o", "out", "-f")
        with open(os.path.join(place.root, "out"), "rb") as file:
            assert file.read() == bytes(expected)
        place.run("export", place.path("core-a"), "-d", "-o", "-", code=2)
        assert "name one with -o" in place.err, place.err


@test
def writes_zeros_over_what_a_later_record_takes_back(place):
    data = flattened([(0, b"x" * 8192), (12288, b"end"), (0, bytes(8192))])
    place.put("core-a", data)
    place.run("export", place.path("core-a"), "-d", "-o", "out")
    with open(os.path.join(place.root, "out"), "rb") as file:
        assert file.read() == bytes(12288) + b"end"


@test
def says_of_a_flattened_dump_that_is_cut_or_impossible_what_is_wrong(place):
    whole = flattened([(0, noise(1, 5000))])
    for data, code, words in ((whole[:-1], 0, "before its last record"),
                              (whole[:6000], 0, "before its last record"),
                              (flattened([(1 << 62, b"x" * 10), (-5, b"")]), 2, ""),
                              (flattened([(0, b"x"), (-5, b"yy")]), 1, "cannot be"),
                              (whole[:16] + struct.pack(">q", 9) + whole[24:], 1, "type")):
        place.put("core-a", data)
        done = place.run("export", place.path("core-a"), "-d", "-o", "out", "-f", code=code)
        assert words in place.err, (place.err, done)


@test
def agrees_with_makedumpfile_about_the_order(place):
    if not shutil.which("makedumpfile"):
        print("# makedumpfile is not installed")
        return
    records = [(4096, noise(1, 9999)), (0, noise(2, 4096)), (30000, noise(3, 5))]
    place.put("core-a", flattened(records))
    with open(place.path("core-a"), "rb") as file:
        done = subprocess.run(["makedumpfile", "-R", os.path.join(place.root, "theirs")],
                              stdin=file, capture_output=True, timeout=60)
    assert done.returncode == 0, done
    place.run("export", place.path("core-a"), "-d", "-o", "ours")
    assert subprocess.run(["cmp", "ours", "theirs"], cwd=place.root).returncode == 0


# ---- zstd ----


@test
def unpacks_zstd_one_frame_after_another(place):
    if not shutil.which("zstd"):
        print("# zstd is not installed")
        return
    core = elf_core(300000) + bytes(3 << 20) + b"end"

    def zstd(data):
        return subprocess.run(["zstd", "-q", "-c"], input=data, capture_output=True).stdout
    data = zstd(core[:70000]) + zstd(core[70000:])
    one_dump(place, data, "core-a.zst")
    place.run("export", "1", "-d")
    with open(os.path.join(place.root, "core-a"), "rb") as file:
        assert file.read() == core
    assert os.stat(os.path.join(place.root, "core-a")).st_blocks * 512 < 1 << 20
    place.put("cut", data[:-1000])
    place.run("export", place.path("cut"), "-d", "-o", "out")
    assert "end too early" in place.err, place.err
    place.put("bad", data[:40000] + bytes([data[40000] ^ 255]) + data[40001:])
    place.run("export", place.path("bad"), "-d", "-o", "out", "-f", code=1)
    assert "zstd is damaged" in place.err, place.err


sys.exit(main())
