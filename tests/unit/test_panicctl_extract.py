#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""panicctl extract, on disks made here and by our writer of corefiles, next to a reader that shares
no line with it. Usage: test_panicctl_extract.py PANICCTL COREFILE_IMAGE. Speaks TAP."""

import ctypes
import gzip
import hashlib
import json
import os
import pathlib
import random
import resource
import shutil
import stat
import struct
import subprocess
import sys
import zlib

sys.dont_write_bytecode = True   # the source tree stays as it is
HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "panicbox")]
import corefile   # noqa: E402
from panicctl_place import PANICCTL, main, on_terminal, test   # noqa: E402

WRITER = sys.argv[2] if len(sys.argv) > 2 else os.environ["PND_COREFILE_IMAGE"]
MIB = 1 << 20
TYPE = "5361644D-6163-11AA-AA11-00306543ECAC"


def memory(seed, size):
    """Bytes like a memory's: pages that repeat, pages of zeros, pages of noise."""
    lot = random.Random(seed)
    pages = []
    while len(pages) * 4096 < size:
        pages.append(lot.choice((bytes(4096), lot.randbytes(4096), lot.randbytes(8) * 512,
                                 (lot.randbytes(50) + bytes(14)) * 64)))
    return b"".join(pages)[:size]


def write(place, image, offset, size, sector, log, files):
    """Our writer. @param offset  "gpt": into the partition. @param files  (name, packing, bytes)"""
    args = []
    logs = [("log", None, log), ("other", None, b"")]
    for i, (name, packing, content) in enumerate(logs + files):
        path = os.path.join(place.root, f"in-{i}")
        pathlib.Path(path).write_bytes(content)
        args += [name, packing, path] if packing else [path]
    subprocess.run([WRITER, image, str(offset), str(size), str(sector), *args], check=True,
                   timeout=60)


def plain(place, log, files, size=4 * MIB):
    """A corefile by itself, as a file kernelcore is."""
    image = os.path.join(place.root, "kernelcore")
    pathlib.Path(image).write_bytes(bytes(size))
    write(place, image, 0, size, 512, log, files)
    return image


def boss(files, log=b"", flags=0, version=2, count=None, key=(0, 0)):
    """Version 2 in ten lines. @param files  (name, flags, stored bytes)"""
    at = 4096 + -(-len(log) // 4096) * 4096
    table, body = b"", log.ljust(at - 4096, b"\0")
    for name, file_flags, data in files:
        table += struct.pack("<QQQ16s", file_flags, at, len(data), name)
        body += data.ljust(-(-len(data) // 4096) * 4096, b"\0")
        at += -(-len(data) // 4096) * 4096
    head = b"Boss Mac" + struct.pack("<IIQQHxxxxxxQQQ", version, 0, flags, *key, 4096, len(log),
                                     len(files) if count is None else count)
    return (head + table).ljust(4096, b"\0") + body


def put(place, name, data):
    path = os.path.join(place.root, name)
    pathlib.Path(path).write_bytes(data)
    return path


def get(place, *names):
    return pathlib.Path(place.root, *names).read_bytes()


def listed(directory):
    return sorted(str(p.relative_to(directory)) for p in pathlib.Path(directory).rglob("*")
                  if p.is_file())


def digest(path):
    return hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()


def extract(place, image, out="out", code=0, more=()):
    """Runs it, and holds it to leaving the source as it was. @return the JSON"""
    before = digest(image), os.stat(image).st_mtime_ns
    got = place.json("extract", image, "-o", out, *more, code=code)
    assert (digest(image), os.stat(image).st_mtime_ns) == before
    return got


FILES = [("panic_region", "raw", memory(1, 65536)), ("kernel", "lz4", memory(2, 3 * MIB + 77)),
         ("kernel", "gzip", memory(3, MIB + 1)), ("nothing", "lz4", b""), ("none", "raw", b""),
         ("a", "gzip", b""), ("sep-cp", "lz4", random.Random(4).randbytes(200000))]
NAMES = ["panic.log", "panic_region", "kernel", "kernel.1", "nothing", "none", "a", "sep-cp"]


# ---- what is whole ----


def check_disk(place, sector):
    image = os.path.join(place.root, "disk.img")
    offset = corefile.make_image(image, 24 * MIB, 8 * MIB, sector=sector)
    write(place, image, "gpt", 0, sector, b"the log\n" * 900, FILES)
    got = extract(place, image)
    found, = got["places"]
    assert (found["partition"], found["offset"], found["bytes"]) == (2, offset, 8 * MIB), found
    assert found["state"] == "dump" and found["format"] == "Boss Mac, version 2", found
    assert [f["name"] for f in found["files"]] == NAMES
    assert all(f["complete"] and not f["reason"] for f in found["files"]), found
    out = os.path.join(place.root, "out")
    assert listed(out) == sorted(NAMES)
    assert stat.S_IMODE(os.stat(out).st_mode) == 0o700
    with corefile.Image(image) as other:
        for path in other.extract(os.path.join(place.root, "other")):
            name = os.path.basename(path)
            assert get(place, "out", name) == pathlib.Path(path).read_bytes(), name
            assert stat.S_IMODE(os.stat(os.path.join(out, name)).st_mode) == 0o600
    for name, (_, _, content) in zip(NAMES[1:], FILES):
        assert get(place, "out", name) == content, name


@test
def files_come_out_as_they_went_in_on_sectors_of_512(place):
    check_disk(place, 512)


@test
def files_come_out_as_they_went_in_on_sectors_of_4096(place):
    check_disk(place, 4096)


@test
def a_device_is_read_as_its_image_is(place):
    image = os.path.join(place.root, "disk.img")
    offset = corefile.make_image(image, 24 * MIB, 8 * MIB)
    write(place, image, offset, 8 * MIB, 512, b"log", [("kernel", "lz4", memory(2, 100000))])
    command = ["losetup", "-f", "--show", "-r", image]
    usable = os.geteuid() == 0 and shutil.which("losetup")
    made = usable and subprocess.run(command, capture_output=True, text=True)
    if not made or made.returncode != 0:
        print("# SKIP no loop device here")
        return
    device = made.stdout.strip()
    try:
        place.run("extract", device, "-o", "out")
        place.run("extract", "out", "-o", device, code=2)
        assert place.err.endswith(f"type: panicctl extract {device} -o out\n"), place.err
    finally:
        subprocess.run(["losetup", "-d", device], check=True)
    assert get(place, "out", "kernel") == memory(2, 100000)
    assert get(place, "out", "panic.log") == b"log"


@test
def version_0_is_one_gzip_and_a_log(place):
    core = gzip.compress(b"core" * 1000)
    head = b"Sad Mac\0" + struct.pack("<4Q", 4096, 3, 8192, len(core))
    image = put(place, "c", head.ljust(4096, b"\0") + b"log".ljust(4096, b"\0") + core)
    got = extract(place, image)
    assert got["places"][0]["format"] == "Sad Mac, version 0"
    assert got["places"][0]["partition"] is None
    assert get(place, "out", "kernel") == b"core" * 1000
    assert get(place, "out", "panic.log") == b"log"


@test
def version_1_has_names_and_may_be_raw_and_its_bytes_say_so(place):
    core = gzip.compress(b"core" * 1000)
    head = b"Rad Mac\0" + struct.pack("<3Q", 4096, 0, 3)
    head += struct.pack("<QQ16s", 4096, len(core), b"kernel")
    head += struct.pack("<QQ16s", 8192, 3, b"../up") + struct.pack("<QQ16s", 8192, 3, b"-rf")
    image = put(place, "c", head.ljust(4096, b"\0") + core.ljust(4096, b"\0") + b"raw")
    got = extract(place, image)
    assert [f["packing"] for f in got["places"][0]["files"]] == ["gzip", "none", "none"]
    assert listed(os.path.join(place.root, "out")) == ["_._up", "_rf", "kernel"]
    assert get(place, "out", "kernel") == b"core" * 1000 and get(place, "out", "_._up") == b"raw"


@test
def gzip_in_several_members_and_zeros_behind_the_end_are_whole(place):
    one, two = memory(5, 700000), memory(6, 300001)
    data = gzip.compress(one) + gzip.compress(two, 1)
    image = put(place, "c", boss([(b"kernel", 1 << 8, data), (b"padded", 1 << 8, data + bytes(500)),
                                  (b"lz4", 1 << 9, b"bv4-\3\0\0\0abcbv4$" + bytes(17))]))
    extract(place, image)
    assert get(place, "out", "kernel") == get(place, "out", "padded") == one + two
    assert get(place, "out", "lz4") == b"abc"


@test
def lz4_blocks_may_reach_into_the_one_before(place):
    lz4 = ctypes.CDLL("liblz4.so.1")
    lz4.LZ4_createStream.restype = ctypes.c_void_p
    stream = ctypes.c_void_p(lz4.LZ4_createStream())
    content = memory(8, 300000) * 3   # what repeats lies within the window of 64 KiB, or not
    content = content[:100] + memory(9, 40000) * 30 + content
    source = ctypes.create_string_buffer(content, len(content))
    out, data, lot = ctypes.create_string_buffer(1 << 17), b"", random.Random(7)
    at = 0
    while at < len(content):
        size = min(lot.choice((65536, 65536, 1, 17, 30000)), len(content) - at)
        packed = lz4.LZ4_compress_fast_continue(
            stream, ctypes.c_void_p(ctypes.addressof(source) + at), out, size, len(out), 1)
        assert packed > 0
        data += b"bv41" + struct.pack("<II", size, packed) + out.raw[:packed]
        at += size
    lz4.LZ4_freeStream(stream)
    assert len(data) < len(content) * 2 // 3   # matches across blocks, or this proves nothing
    image = put(place, "c", boss([(b"kernel", 1 << 9, data + b"bv4$")]))
    extract(place, image)
    assert get(place, "out", "kernel") == content


@test
def encrypted_files_are_copied_as_they_are_and_said_to_be(place):
    data = b"AEA1" + random.Random(1).randbytes(70000)
    image = put(place, "c", boss([(b"kernel", 1 << 9 | 1, data), (b"open", 0, b"x")],
                                 log=b"secret", flags=1))
    text = place.run("extract", image, "-o", "out")
    assert "kernel.aea" in text and "kernel.aea is encrypted" in place.err, place.err
    assert "panic.log.aea is encrypted" in place.err and "private key" in place.err
    assert get(place, "out", "kernel.aea") == data and get(place, "out", "open") == b"x"
    assert get(place, "out", "panic.log.aea") == b"secret"


@test
def every_partition_of_the_type_is_looked_at(place):
    image, sector, total = os.path.join(place.root, "disk.img"), 512, 24 * MIB // 512
    kind, parts = corefile.KERNEL_CORE_DUMP, []
    for i, first in enumerate((2048, 8192, 16384)):
        parts.append((kind, corefile.uuid.uuid5(kind, str(i)), first, first + 4095, "dump"))
    mbr, front, back = corefile._gpt_halves(total, sector, parts)
    with open(image, "wb") as disk:
        disk.write((mbr + front).ljust(total * sector - len(back), b"\0") + back)
        for first, content in ((2048, b"first"), (16384, b"third")):
            disk.seek(first * sector)
            disk.write(boss([(b"kernel", 0, content)]))
    got = extract(place, image)
    assert [(p["partition"], p["state"]) for p in got["places"]] == \
        [(1, "dump"), (2, "empty"), (3, "dump")]
    assert listed(os.path.join(place.root, "out")) == ["partition1/kernel", "partition3/kernel"]
    assert get(place, "out", "partition3", "kernel") == b"third"
    assert got["places"][2]["files"][0]["path"] == "out/partition3/kernel"
    place.run("extract", image, "-o", "out", code=2)
    assert "--force" in place.err
    place.run("extract", image, "-o", "out", "--force")
    assert "partition 2: it holds no dump" in place.err


@test
def holes_stay_holes_and_memory_is_bounded(place):
    size = 800 * MIB   # of zeros, in members of 10 MiB: this program's own memory counts, too
    image = put(place, "c", boss([(b"kernel", 1 << 8, gzip.compress(bytes(10 * MIB), 1) * 80)]))
    done = subprocess.run([PANICCTL, "extract", image, "-o", os.path.join(place.root, "out")],
                          capture_output=True, timeout=120)
    assert done.returncode == 0, done
    found = os.stat(os.path.join(place.root, "out", "kernel"))
    assert found.st_size == size and found.st_blocks * 512 < MIB, found
    # the most that any child of these tests took, in KiB
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss < 400 << 10


@test
def the_list_says_what_is_there_and_writes_nothing(place):
    image = plain(place, b"the log\n", [("kernel", "lz4", memory(5, 300000)), ("b", "gzip", b"xx")])
    before = listed(place.root)
    text = place.run("extract", "--list", image)
    assert listed(place.root) == before
    lines = [line.split() for line in text.splitlines()]
    assert lines[0][-4:] == ["Boss", "Mac,", "version", "2"] and lines[1] == \
        ["FILE", "STORED", "PACKING"]
    assert lines[2] == ["panic.log", "8", "none"] and lines[3][::2] == ["kernel", "lz4"]
    got = place.json("extract", "--list", image)
    assert got["output"] is None and got["source"] == image
    kernel = got["places"][0]["files"][1]
    assert kernel["bytes"] is kernel["complete"] is kernel["path"] is None
    with corefile.Image(image) as other:
        file = other.files[0]
    assert (kernel["offset"], kernel["stored"]) == (file.offset, file.length)


@test
def a_terminal_shows_what_came_out(place):
    image = plain(place, b"", [("kernel", "lz4", memory(5, 300000))])
    out = on_terminal(place, "extract", image, "-o", os.path.join(place.root, "out"))
    assert b"kernel: 292 KiB (300000 bytes)" in out, out


# ---- what is damaged ----


def damaged(place, stored, flags, before):
    """One damaged file between two whole ones. @return what is said of it"""
    files = [(b"one", 0, b"1"), (b"kernel", flags, stored), (b"two", 0, b"2")]
    image = put(place, "c", boss(files))
    out = os.path.join(place.root, "out")
    shutil.rmtree(out, ignore_errors=True)
    got = extract(place, image, code=1)
    one, kernel, two = got["places"][0]["files"]
    assert one["complete"] and two["complete"] and kernel["complete"] is False, got
    assert get(place, "out", "one") == b"1" and get(place, "out", "two") == b"2"
    if before:
        assert get(place, "out", "kernel.incomplete") == before, len(before)
        assert kernel["path"] == "out/kernel.incomplete" and kernel["bytes"] == len(before)
    else:
        assert kernel["path"] is None
    assert listed(out) == (["kernel.incomplete"] if before else []) + ["one", "two"]
    return kernel


@test
def damaged_lz4_is_kept_up_to_the_block(place):
    content, blocks = memory(7, 300000), []
    for at in range(0, len(content), 65536):
        part = content[at:at + 65536]
        blocks.append(b"bv4-" + struct.pack("<I", len(part)) + part)
    third = len(blocks[0]) * 2
    data = bytearray(b"".join(blocks) + b"bv4$")
    data[third] ^= 1
    kernel = damaged(place, bytes(data), 1 << 9, content[:131072])
    assert kernel["damaged_at"] == third and "no block begins here" in kernel["reason"]
    for bad, why in ((b"bv41" + struct.pack("<II", 13, 3) + b"\x20ab", "says 13"),
                     (b"bv41" + struct.pack("<II", 5, 5) + b"\x00\x01\x00\x10?", "within a block"),
                     (b"bv41" + struct.pack("<II", 1 << 31, 5) + b"\x10a", "2147483648"),
                     (b"bv41" + struct.pack("<II", 5, 1 << 31) + b"\x10a", "2147483648"),
                     (b"bv4-" + struct.pack("<I", 9) + b"short", "too early"),
                     (b"bv4$x", "something else"), (b"bv4", "too early"), (b"", "too early")):
        kernel = damaged(place, blocks[0] + bad, 1 << 9, content[:65536])
        assert why in kernel["reason"] and \
            kernel["damaged_at"] - len(blocks[0]) in (0, 4), (bad, kernel)


@test
def damaged_gzip_is_kept_up_to_the_damage(place):
    content = random.Random(3).randbytes(400000)
    packed = gzip.compress(content, 1)
    kernel = damaged(place, packed[:-8] + b"\0\0\0\0" + packed[-4:], 1 << 8, content)
    assert "incorrect data check" in kernel["reason"] and kernel["damaged_at"] > len(packed) - 9
    kernel = damaged(place, packed[:200000], 1 << 8,
                     zlib.decompressobj(31).decompress(packed[:200000]))
    assert "too early" in kernel["reason"] and kernel["damaged_at"] == 200000
    assert "something else" in damaged(place, packed + b"x", 1 << 8, content)["reason"]
    assert damaged(place, b"no gzip", 1 << 8, b"")["damaged_at"] <= 7
    assert damaged(place, b"", 1 << 8, b"")["damaged_at"] == 0


@test
def damage_is_told_on_standard_error_with_offset_and_reason(place):
    image = put(place, "c", boss([(b"kernel", 1 << 9, b"bv4-\3\0\0\0abcbad!")]))
    place.run("extract", image, "-o", "out", code=1)
    assert place.err == ("panicctl: kernel: LZ4 is damaged (no block begins here), at byte 11 of "
                         "the 15 stored; what comes before it is in out/kernel.incomplete\n")


@test
def a_copy_that_was_cut_off_gives_what_is_there(place):
    image = plain(place, b"the log", [("kernel", "lz4", memory(5, 900000)),
                                      ("b", "raw", b"x" * 999)])
    with corefile.Image(image) as other:
        first, second = other.files
    data = pathlib.Path(image).read_bytes()
    for cut in (first.offset + first.length // 2, first.offset + 5, first.offset, 4096 + 3, 4096):
        path = put(place, "cut", data[:cut])
        out = os.path.join(place.root, "out")
        shutil.rmtree(out, ignore_errors=True)
        log, kernel, last = extract(place, path, code=1)["places"][0]["files"]
        assert not kernel["complete"] and not last["complete"]
        assert "the source ends" in last["reason"]
        assert log["complete"] == (cut >= 4103)
        part = os.path.join(out, "kernel.incomplete")
        assert os.path.exists(part) == (kernel["bytes"] > 0)
        if kernel["bytes"]:
            assert memory(5, 900000).startswith(pathlib.Path(part).read_bytes())
    assert kernel["bytes"] == 0


@test
def every_cut_of_the_header_is_an_answer(place):
    head = boss([(b"kernel", 0, b"1"), (b"two", 1 << 9, b"bv4$")], log=b"log", key=(8192, 65))
    rad = b"Rad Mac\0" + struct.pack("<3QQQ16s", 4096, 1, 1, 4096, 1, b"kernel")
    sad = b"Sad Mac\0" + struct.pack("<4Q", 4096, 1, 4096, 1)
    for data, cuts in ((head, [*range(0, 72, 4), *range(64, 150, 8), 2623, 2624]),
                       (rad, range(0, 66, 4)), (sad, range(0, 41, 4))):
        for cut in cuts:
            path = put(place, "cut", data[:cut])
            done = subprocess.run([PANICCTL, "--json", "extract", "--list", path],
                                  capture_output=True, timeout=20)
            text = done.stdout.decode() + done.stderr.decode()
            if cut < 8:
                assert done.returncode == 2 and "neither a disk" in text, (cut, text)
            else:
                state = json.loads(done.stdout)["places"][0]
                assert state["state"] in ("dump", "damaged"), (cut, text)
                assert done.returncode == (1 if state["state"] == "damaged" else done.returncode)
                if state["state"] == "damaged":
                    assert f"after {cut} bytes" in state["reason"], state


@test
def a_header_that_cannot_be_is_said_to_be_damaged(place):
    for data, why in ((boss([], version=3), "version is not known"),
                      (boss([], count=65), "too many"),
                      (boss([], key=(1 << 63, 65)), "outside")):
        place.run("extract", put(place, "c", data), "-o", "out", code=1)
        assert why in place.err, place.err
    path = put(place, "c", boss([(b"ok", 0, b"1")], count=2))
    place.run("extract", path, "-o", "out", code=1)
    assert "entry 1 is damaged" in place.err and get(place, "out", "ok") == b"1"
    path = put(place, "c", boss([(b"", 0, b"1"), (b"x" * 16, 0, b"1"), (b"ok", 0, b"1")]))
    place.run("extract", path, "-o", "new", code=1)
    assert "entry 0 is damaged (it has no name)" in place.err and "entry 1" in place.err
    assert listed(os.path.join(place.root, "new")) == ["ok"]


@test
def in_a_partition_no_file_lies_outside_of_it(place):
    image = os.path.join(place.root, "disk.img")
    offset = corefile.make_image(image, 24 * MIB, 8 * MIB)
    bad = bytearray(boss([(b"kernel", 0, b"1"), (b"far", 0, b"2")]))
    struct.pack_into("<QQ", bad, 64 + 8, 8 * MIB - 1, 2)
    with open(image, "r+b") as disk:
        disk.seek(offset)
        disk.write(bad)
    place.run("extract", image, "-o", "out", code=1)
    assert "lies outside the place" in place.err
    assert listed(os.path.join(place.root, "out")) == ["far"]


@test
def random_damage_never_does_more_than_spoil_the_file(place):
    block = b"bv41" + struct.pack("<II", 12, 10) + b"\x52hello\x02\x00\x10!bv4$"
    good = boss([(b"kernel", 1 << 8, gzip.compress(memory(1, 50000))), (b"b", 1 << 9, block)])
    lot = random.Random(11)
    for round_ in range(60):
        data = bytearray(good)
        for _ in range(lot.randrange(1, 4)):
            at = lot.choice((lot.randrange(200), lot.randrange(len(data))))
            data[at] ^= 1 << lot.randrange(8)
        path = put(place, "c", bytes(data))
        out = os.path.join(place.root, f"out{round_}")
        done = subprocess.run([PANICCTL, "extract", path, "-o", out], capture_output=True,
                              timeout=30)
        assert done.returncode in (0, 1, 2), (round_, done)
        assert b"sandbox" not in done.stderr and b"killed" not in done.stderr, done.stderr
        shutil.rmtree(out, ignore_errors=True)


# ---- what is no dump ----


@test
def no_such_partition_is_said_with_what_was_found_instead(place):
    image = os.path.join(place.root, "disk.img")
    corefile.make_image(image, 24 * MIB, 8 * MIB, with_corefile_partition=False)
    place.run("extract", image, "-o", "out", code=1)
    assert TYPE in place.err and "kernelcore" in place.err and not os.path.exists(
        os.path.join(place.root, "out")), place.err
    offset = corefile.make_image(image, 24 * MIB, 8 * MIB)
    place.run("extract", image, "-o", "out", code=1)
    assert "partition 2: it holds no dump: it begins with zeros" in place.err
    with open(image, "r+b") as disk:
        disk.seek(offset + 32)
        disk.write(b"NXSB")
    place.run("extract", "--list", image, code=1)
    assert "APFS" in place.err
    with open(image, "r+b") as disk:
        for at in (512 + 20, 24 * MIB - 512 + 20):
            disk.seek(at)
            disk.write(b"\1\1")
    place.run("extract", image, "-o", "out", code=2)
    assert "GPT" in place.err, place.err


@test
def other_files_are_named_for_what_they_are(place):
    for data, why in ((gzip.compress(b"x"), "gzip"), (b"\xcf\xfa\xed\xfe" + bytes(99), "Mach-O"),
                      (b"\x7fELF" + bytes(99), "ELF"), (b"QFI\xfb" + bytes(999), "qemu-img"),
                      (b"", "empty"), (bytes(9999), "zeros"), (b"hello", "not known"),
                      (bytes(510) + b"\x55\xaa" + bytes(9999), "without a GPT")):
        place.run("extract", put(place, "x", data), "-o", "out", code=2)
        assert why in place.err and "neither a disk" in place.err, place.err


@test
def a_dump_that_was_cut_short_is_no_dump(place):
    text = place.run("extract", put(place, "c", boss([])), "-o", "out", code=1)
    assert "cut short" in text


# ---- into the list ----


@test
def without_a_directory_each_file_becomes_a_dump_of_the_list(place):
    image = plain(place, b"the log", FILES)
    got = place.json("extract", image)
    assert got["output"] is None
    files = got["places"][0]["files"]
    assert [f["name"] for f in files] == NAMES and [f["id"] for f in files] == \
        list(range(1, len(NAMES) + 1)), files
    rows = {r["name"]: r for r in place.json("list")["dumps"]}
    for name, content in zip(NAMES, [b"the log"] + [f[2] for f in FILES]):
        row = rows["kernelcore-" + name]
        assert (row["protocol"], row["state"]) == ("extract", "complete"), row
        assert get(place, "PanicDumps", row["file"]) == content, name
    out = place.run("extract", image)
    assert "  dump 9: panic.log: 7 B (7 bytes)\n" in out, out
    assert len(place.json("list")["dumps"]) == 2 * len(NAMES)


@test
def what_is_damaged_becomes_an_incomplete_dump(place):
    packed = gzip.compress(memory(5, 300000))
    image = put(place, "kernelcore", boss([(b"kernel", 1 << 8, packed[:-50000]),
                                           (b"none", 1 << 8, b"no gzip"), (b"raw", 0, b"raw")]))
    place.run("extract", image, code=1)
    assert "what comes before it is dump 1\n" in place.err, place.err
    assert "nothing comes before it" in place.err, place.err
    rows = {r["name"]: r for r in place.json("list")["dumps"]}
    assert sorted(rows) == ["kernelcore-kernel", "kernelcore-raw"], rows
    row = rows["kernelcore-kernel"]
    assert row["state"] == "incomplete" and "end too early" in row["reason"], row
    assert memory(5, 300000).startswith(get(place, "PanicDumps", row["file"]))


# ---- operands, and what is there already ----


@test
def the_wrong_way_round_is_refused_with_what_to_type(place):
    image = plain(place, b"log", [])
    os.mkdir(os.path.join(place.root, "d"))
    before = digest(image)
    right = f"type: panicctl extract {image} -o d\n"
    for args in (("d", "-o", image), ("d", image), ("if=d", f"of={image}"),
                 (f"of={image}", "if=d")):
        place.run("extract", *args, code=2)
        assert "the wrong way round" in place.err and place.err.endswith(right), place.err
    place.run("extract", "notthere", "-o", image, code=2)
    assert "the wrong way round" in place.err
    for args in ((image, "d"), (f"if={image}", "of=d")):
        place.run("extract", *args, code=2)
        assert "wrong way" not in place.err and place.err.endswith(right), place.err
    for args in ((image, "-o", image), (image, "-o", put(place, "file", b"x"))):
        place.run("extract", *args, code=2)
        assert "director" in place.err, place.err
    for args in ((), (image, "--force"), ("d",), ("a", "b", "c")):
        place.run("extract", *args, code=2)
        assert "usage: panicctl extract" in place.err, place.err
    place.run("extract", "d", "-o", "d", code=2)
    assert "d is a directory" in place.err
    place.run("extract", "notthere", "-o", "d", code=2)
    assert "open notthere: No such file" in place.err
    assert digest(image) == before and not os.listdir(os.path.join(place.root, "d"))


@test
def files_that_are_there_stay_unless_force_is_used(place):
    image = plain(place, b"log", [("kernel", "raw", b"new")])
    os.mkdir(os.path.join(place.root, "out"))
    for name in ("kernel", "panic.log.incomplete"):
        put(place, f"out/{name}", b"old")
        place.run("extract", image, "-o", "out", code=2)
        assert f"{name} is in out already; --force" in place.err, place.err
        assert listed(os.path.join(place.root, "out")) == [name]
        extract(place, image, more=["--force"])
        assert listed(os.path.join(place.root, "out")) == ["kernel", "panic.log"]
        assert get(place, "out", "kernel") == b"new"
        shutil.rmtree(os.path.join(place.root, "out"))
        os.mkdir(os.path.join(place.root, "out"))


@test
def force_replaces_links_and_never_what_they_point_to(place):
    image = plain(place, b"log", [("kernel", "raw", b"new")])
    victim = put(place, "victim", b"mine")
    os.mkdir(os.path.join(place.root, "out"))
    for name in ("kernel", "panic.log.incomplete"):
        os.symlink(victim, os.path.join(place.root, "out", name))
    place.run("extract", image, "-o", "out", code=2)
    extract(place, image, more=["--force"])
    assert get(place, "victim") == b"mine" and get(place, "out", "kernel") == b"new"
    assert not os.path.islink(os.path.join(place.root, "out", "kernel"))


@test
def the_source_is_never_replaced(place):
    os.mkdir(os.path.join(place.root, "out"))
    image = put(place, "out/kernelcore", boss([(b"kernelcore", 0, b"1")]))
    before = digest(image)
    for more in ((), ("--force",)):
        place.run("extract", image, "-o", "out", *more, code=2)
    assert "is what the dump is read from" in place.err and digest(image) == before


@test
def a_full_disk_is_said_and_leaves_no_half_file(place):
    if os.geteuid() != 0:
        return
    image = plain(place, b"log", [("small", "raw", b"1"), ("kernel", "lz4",
                                                           random.Random(1).randbytes(3 * MIB))])
    small = os.path.join(place.root, "small")
    os.mkdir(small)
    script = (f"mount -t tmpfs -o size=1m none {small} && "
              f"{PANICCTL} extract {image} -o {small}/out; echo code $?; ls {small}/out")
    done = subprocess.run(["unshare", "-m", "sh", "-c", script], capture_output=True, text=True,
                          timeout=60)
    if "code" not in done.stdout or "mount:" in done.stderr or "unshare:" in done.stderr:
        print(f"# SKIP no mount namespace here: {done.stderr.strip()}")
        return
    assert "code 2\npanic.log\nsmall\n" in done.stdout, done
    assert "No space left" in done.stderr and "kernel" in done.stderr, done


@test
def the_child_ends_at_once_when_somebody_starts_it_by_hand(place):
    for args in ([], ["0", "1", "0"], ["x", "1", "0"]):
        done = subprocess.run(["panicd-unpack", *args], executable=PANICCTL, timeout=20,
                              stdin=subprocess.DEVNULL, capture_output=True)
        assert done.returncode == 1 and not done.stdout, done


@test
def the_help_fits_a_screen(place):
    text = place.run("extract", "--help")
    assert text.startswith("usage: panicctl extract ") and len(text.splitlines()) <= 24
    assert all(len(line) <= 80 for line in text.splitlines()), text


if __name__ == "__main__":
    sys.exit(main())
