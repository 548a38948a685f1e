#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Our writer of disk corefiles, read by a reader that shares no line with it; and that reader
against bytes put together here. Usage: test_corefile_image.py COREFILE_IMAGE. Speaks TAP."""

import ctypes
import gzip
import os
import pathlib
import random
import struct
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True   # the source tree stays as it is
HERE = pathlib.Path(__file__).resolve().parent
READER = HERE.parent / "panicbox" / "corefile.py"
sys.path.insert(0, str(READER.parent))
import corefile   # noqa: E402

WRITER = sys.argv[1] if len(sys.argv) > 1 else os.environ["PND_COREFILE_IMAGE"]
MIB = 1 << 20
TESTS = []


class Skip(Exception):
    pass


def test(function):
    TESTS.append(function)
    return function


def refused(call, why):
    try:
        call()
    except corefile.Damaged as e:
        assert why in str(e), e
        return
    raise AssertionError(f"taken, although: {why}")


def memory(seed, size):
    """Bytes like a memory's: pages that repeat, pages of zeros, pages of noise."""
    lot = random.Random(seed)
    pages = []
    while len(pages) * 4096 < size:
        pages.append(lot.choice((bytes(4096), lot.randbytes(4096), lot.randbytes(8) * 512,
                                 (lot.randbytes(50) + bytes(14)) * 64)))
    return b"".join(pages)[:size]


def write(place, image, offset, size, sector, log, other, files):
    """Runs the writer. @param offset  "gpt": it finds the partition itself, as a kernel does
    @param files  (name, packing, content)"""
    args = []
    for i, (name, packing, content) in enumerate([("log", None, log), ("other", None, other)]
                                                 + files):
        path = place / f"in-{i}"
        path.write_bytes(content)
        args += [name, packing, path] if packing else [path]
    subprocess.run([WRITER, image, str(offset), str(size), str(sector), *args], check=True,
                   timeout=60)


# ---- our writer ----

FILES = [("panic_region", "raw", memory(1, 65536)), ("kernel", "lz4", memory(2, 3 * MIB + 77)),
         ("kernel", "gzip", memory(3, MIB + 1)), ("nothing", "lz4", b""), ("none", "raw", b""),
         ("a", "gzip", b""), ("sep-cp", "lz4", random.Random(4).randbytes(200000))]


def check_written(place, disk_bytes, partition_bytes, sector):
    image = place / "disk.img"
    offset = corefile.make_image(image, disk_bytes, partition_bytes, sector=sector)
    log, other = b"panic(cpu 0 caller 0x0): test\n" * 300, b"Kernel dump in progress.\n" * 40
    before = image.read_bytes()
    write(place, image, "gpt", 0, sector, log, other, FILES)
    after = image.read_bytes()
    assert after[:offset] == before[:offset], "bytes before the partition were changed"
    end = offset + partition_bytes
    assert after[end:] == before[end:], "bytes behind the partition were changed"
    with corefile.Image(image) as got:
        assert (got.start, got.size) == (offset, partition_bytes)
        assert got.corefile.generation == corefile.BOSS and not got.corefile.bad
        assert got.log == log + other
        assert got.names == [name for name, _, _ in FILES]
        first = -(-(4096 + len(log) + 16384) // 4096) * 4096
        for file, (name, packing, content) in zip(got.files, FILES):
            out = bytearray()
            corefile.unpack(got.disk, got.start, got.corefile, file, out.extend)
            assert out == content, name
            assert file.flags == {"raw": 0, "gzip": 1 << 8, "lz4": 1 << 9}[packing]
            assert file.offset == first, (name, file.offset, first)
            first = -(-(file.offset + file.length) // 4096) * 4096
        assert got.corefile.log_offset == 4096


@test
def what_was_written_is_read_on_sectors_of_512(place):
    check_written(place, 24 * MIB, 8 * MIB, 512)


@test
def what_was_written_is_read_on_sectors_of_4096(place):
    check_written(place, 24 * MIB, 8 * MIB, 4096)


@test
def sixty_four_files_are_read(place):
    place_file = place / "corefile"
    place_file.write_bytes(bytes(MIB))
    files = [(f"process {i}", "raw", bytes([i]) * (i * 33)) for i in range(64)]
    write(place, place_file, 0, MIB, 512, b"", b"x", files)
    with corefile.Image(place_file) as got:
        assert got.names == [name for name, _, _ in files]
        for name, _, content in files:
            assert got.content(name) == content
        assert got.log == b"x"


@test
def the_command_lists_and_copies_out(place):
    image, out = place / "disk.img", place / "out"
    offset = corefile.make_image(image, 24 * MIB, 8 * MIB)
    files = [("kernel", "lz4", memory(5, 300000)), ("kernel", "gzip", b"second"),
             ("kernel.1", "raw", b"third")]
    write(place, image, offset, 8 * MIB, 512, b"the log", b"", files)
    result = subprocess.run([READER, image, "-o", out], capture_output=True, text=True,
                            timeout=60)
    assert result.returncode == 0 and not result.stderr, result
    assert result.stdout.startswith("Boss Mac: 3 files, log of 7 bytes\n"), result.stdout
    assert (out / "panic.log").read_bytes() == b"the log"
    assert (out / "kernel").read_bytes() == files[0][2]
    assert (out / "kernel.1").read_bytes() == b"second"   # no file replaces another
    assert (out / "kernel.1.1").read_bytes() == b"third"
    image.write_bytes(bytes(24 * MIB))
    result = subprocess.run([READER, image], capture_output=True, text=True, timeout=60)
    assert result.returncode == 1 and "no GPT header in sector 1" in result.stderr, result


@test
def damage_in_one_file_leaves_the_others(place):
    place_file, out = place / "corefile", place / "out"
    place_file.write_bytes(bytes(MIB))
    files = [("one", "gzip", memory(6, 9000)), ("two", "lz4", memory(7, 9000)),
             ("three", "raw", b"3")]
    write(place, place_file, 0, MIB, 512, b"", b"", files)
    data = bytearray(place_file.read_bytes())
    with corefile.Image(bytes(data)) as got:
        one, two = got.files[0], got.files[1]
    data[one.offset + one.length - 6] ^= 1
    data[two.offset] ^= 1
    with corefile.Image(data) as got:
        refused(lambda: got.content("one"), "gzip")
        refused(lambda: got.content("two"), "LZ4")
        refused(lambda: got.extract(out), "two")
        assert (out / "three").read_bytes() == b"3"


# ---- the reader, against headers of Apple's older versions ----


@test
def version_0_is_one_gzip(place):
    core = gzip.compress(b"core" * 1000)
    head = b"Sad Mac\0" + struct.pack("<4Q", 4096, 3, 8192, len(core))
    got = corefile.Image(head.ljust(4096, b"\0") + b"log".ljust(4096, b"\0") + core)
    assert got.log == b"log" and got.names == ["kernel"]
    assert got.content("kernel") == b"core" * 1000
    assert got.stored("kernel") == core


@test
def version_1_has_names_and_may_be_raw(place):
    core = gzip.compress(b"core" * 1000)
    head = b"Rad Mac\0" + struct.pack("<3Q", 4096, 0, 2)
    head += struct.pack("<QQ16s", 4096, len(core), b"kernel")
    head += struct.pack("<QQ16s", 8192, 3, b"../up")
    got = corefile.Image(head.ljust(4096, b"\0") + core.ljust(4096, b"\0") + b"raw")
    assert got.names == ["kernel", "_._up"] and got.log == b""
    assert got.content("kernel") == b"core" * 1000 and got.content("_._up") == b"raw"


@test
def what_cannot_be_is_refused(place):
    def version_2(version=2, count=0, log=(4096, 0), key=(0, 0)):
        return (b"Boss Mac" + struct.pack("<IIQQHxxxxxxQQQ", version, 0, 0, *key, *log, count)
                ).ljust(8192, b"\0")
    corefile.Image(version_2())
    refused(lambda: corefile.Image(version_2(version=3)), "version 3")
    refused(lambda: corefile.Image(version_2(count=65)), "65 files")
    refused(lambda: corefile.Image(version_2(log=(8192, 1))), "log")
    refused(lambda: corefile.Image(version_2(log=(0, 1))), "log")
    refused(lambda: corefile.Image(version_2(log=(1 << 63, (1 << 63) + 5))), "log")
    refused(lambda: corefile.Image(version_2(key=(8192, 65))), "key")
    refused(lambda: corefile.Image(version_2()[:2000]), "cut off")
    got = corefile.Image(version_2(count=3))
    assert len(got.corefile.bad) == 3 and not got.files


# ---- LZ4 and gzip ----


def unlz4(data):
    out = bytearray()
    corefile.unpack_lz4(data, out.extend)
    return bytes(out)


@test
def lz4_blocks_are_undone(place):
    end = b"bv4$"
    assert unlz4(end) == b""
    assert unlz4(b"bv4-" + struct.pack("<I", 3) + b"abc" + end) == b"abc"
    # five literals; a match of 4 + 2 that overlaps itself; a last literal
    block = b"\x52hello\x02\x00\x10!"
    whole = b"bv41" + struct.pack("<II", 12, len(block)) + block
    assert unlz4(whole + end) == b"hellolololo!"
    # a match that reaches into the block before
    block = b"\x00\x0c\x00\x10?"
    assert unlz4(whole + b"bv41" + struct.pack("<II", 5, len(block)) + block + end) == \
        unlz4(whole + end) + b"hell?"
    for cut in range(len(whole) + 4):
        refused(lambda: unlz4((whole + end)[:cut]), "LZ4")
    refused(lambda: unlz4(whole + end + b"x"), "behind the end")
    refused(lambda: unlz4(b"bv41" + struct.pack("<II", 13, 10) + whole[12:] + end), "says 13")
    refused(lambda: unlz4(b"bv41" + struct.pack("<II", 5, 5) + b"\x00\x01\x00\x10?" + end),
            "before the start")


@test
def lz4_streams_with_linked_blocks_are_undone(place):
    try:
        lz4 = ctypes.CDLL("liblz4.so.1")
    except OSError as e:
        raise Skip("liblz4.so.1 is not there") from e
    lz4.LZ4_createStream.restype = ctypes.c_void_p
    stream = ctypes.c_void_p(lz4.LZ4_createStream())
    content = memory(8, 700001)
    source = ctypes.create_string_buffer(content, len(content))
    out, data = ctypes.create_string_buffer(1 << 17), b""
    for at in range(0, len(content), 65536):
        size = min(65536, len(content) - at)
        packed = lz4.LZ4_compress_fast_continue(
            stream, ctypes.c_void_p(ctypes.addressof(source) + at), out, size, len(out), 1)
        assert packed > 0
        data += b"bv41" + struct.pack("<II", size, packed) + out.raw[:packed]
    lz4.LZ4_freeStream(stream)
    assert unlz4(data + b"bv4$") == content


@test
def gzip_is_held_to_its_sum_and_its_end(place):
    content = memory(9, 3 * MIB)
    packed = gzip.compress(content, 1)
    out = bytearray()
    corefile.unpack_gzip(packed, out.extend)
    assert out == content
    for bad in (packed[:-1], packed[:-8] + b"\0" + packed[-7:], packed + b"\0", packed[:100], b""):
        refused(lambda: corefile.unpack_gzip(bad, len), "gzip")


# ---- the partition table ----


@test
def an_image_has_two_tables_and_two_partitions(place):
    image = place / "disk.img"
    for sector in (512, 4096):
        offset = corefile.make_image(image, 32 * MIB, 8 * MIB, sector=sector)
        with open(image, "rb") as disk:
            found = corefile.partitions(disk, sector)
            assert [p.type for p in found] == [corefile.BASIC_DATA, corefile.KERNEL_CORE_DUMP]
            assert found[0].offset + found[0].bytes <= found[1].offset == offset
            assert found[1].bytes == 8 * MIB and found[1].name == "KernelCoreDump"
            assert corefile.place(disk) == (offset, 8 * MIB)
        with open(image, "r+b") as disk:
            disk.seek(sector + 20)
            disk.write(b"\1")
            assert corefile.partitions(disk, sector) == found   # from the backup
            disk.seek(-sector + 20, os.SEEK_END)
            disk.write(b"\1")
            refused(lambda: corefile.partitions(disk, sector), "GPT header")
    # the type as it lies on the disk
    assert corefile.KERNEL_CORE_DUMP.bytes_le.hex() == "4d6461536361aa11aa1100306543ecac"
    assert corefile.make_image(image, 32 * MIB, 8 * MIB, with_corefile_partition=False) is None
    refused(lambda: corefile.Image(image), "no Apple_KernelCoreDump partition")


def main():
    failures = 0
    for number, function in enumerate(TESTS, 1):
        result, why = "ok", ""
        with tempfile.TemporaryDirectory(prefix="corefile-") as directory:
            try:
                function(pathlib.Path(directory))
            except Skip as skip:
                why = f" # SKIP {skip}"
            except Exception as error:   # every test is told, none stops the others
                failures += 1
                result = "not ok"
                lines = repr(error).splitlines() + [f"line {error.__traceback__.tb_next.tb_lineno}"]
                print("\n".join("# " + line for line in lines))
        print(f"{result} {number} - {function.__name__.replace('_', ' ')}{why}", flush=True)
    print(f"1..{len(TESTS)}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
