#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
#
# The disk corefile as another reads it: the partition, the header of versions 0 to 2, the files,
# gzip and LZ4 undone. Written from PROTOCOL.md section 7 alone and with no line of the C code, so
# that the two check each other. Python's own library is all it needs.
#
#   corefile.py IMAGE                 lists the log and the files
#   corefile.py IMAGE -o DIRECTORY    copies them out, unpacked
#
# IMAGE is a disk with a GPT, or the corefile itself: a partition's bytes, a file `kernelcore`.

import argparse
import collections
import io
import os
import struct
import sys
import uuid
import zlib

KERNEL_CORE_DUMP = uuid.UUID("5361644D-6163-11AA-AA11-00306543ECAC")
BASIC_DATA = uuid.UUID("EBD0A0A2-B9E5-4433-87C0-68B6B72699C7")

ENCRYPTED, GZIP, LZ4 = 1 << 0, 1 << 8, 1 << 9

SAD, RAD, BOSS = b"Sad Mac\0", b"Rad Mac\0", b"Boss Mac"
HEADER_BYTES = {SAD: 40, RAD: 32 + 16 * 32, BOSS: 64 + 64 * 40}

ENTRIES_MAX = 1024


class Damaged(Exception):
    """The image is not what it says it is."""


class Empty(Damaged):
    """The place holds no corefile: nobody wrote one, or it was taken away."""


Partition = collections.namedtuple("Partition", "index type guid offset bytes name")
File = collections.namedtuple("File", "name flags offset length")
Corefile = collections.namedtuple("Corefile", "generation flags log_offset log_length files bad")


# ---- the partition table ----


def _table(disk, size, sector, lba):
    """The partitions behind the header at @p lba."""
    disk.seek(lba * sector)
    block = disk.read(sector)
    if len(block) < 92 or block[:8] != b"EFI PART":
        raise Damaged(f"no GPT header in sector {lba}")
    (revision, length, crc, _, own, other, first, last, _, at, count, width, table_crc) = \
        struct.unpack("<IIIIQQQQ16sQIII", block[8:92])
    if revision >> 16 != 1 or not 92 <= length <= sector:
        raise Damaged(f"GPT header in sector {lba}: revision or length")
    if zlib.crc32(block[:16] + bytes(4) + block[20:length]) != crc:
        raise Damaged(f"GPT header in sector {lba}: checksum")
    if own != lba or not 0 < count <= ENTRIES_MAX or not 128 <= width <= 4096:
        raise Damaged(f"GPT header in sector {lba}: contradicts itself")
    disk.seek(at * sector)
    table = disk.read(count * width)
    if len(table) != count * width or zlib.crc32(table) != table_crc:
        raise Damaged(f"GPT entries of sector {lba}: checksum")
    found = []
    for i in range(count):
        kind, guid, start, end, _, name = struct.unpack_from("<16s16sQQQ72s", table, i * width)
        if kind == bytes(16):
            continue
        if not first <= start <= end <= last or (end + 1) * sector > size:
            raise Damaged(f"GPT entry {i}: bounds")
        found.append(Partition(i, uuid.UUID(bytes_le=kind), uuid.UUID(bytes_le=guid),
                               start * sector, (end - start + 1) * sector,
                               name.decode("utf-16-le").split("\0")[0]))
    return found


def partitions(disk, sector=512):
    """All partitions; from the backup at the end when the primary table is damaged."""
    size = disk.seek(0, os.SEEK_END)
    try:
        return _table(disk, size, sector, 1)
    except Damaged as primary:
        try:
            return _table(disk, size, sector, size // sector - 1)
        except Damaged as backup:
            raise Damaged(f"{primary}; {backup}") from None


def place(disk):
    """Where the corefile lies: (offset, bytes) of the partition, or of all when it is no disk.
    @param disk  a file that was opened for reading"""
    disk.seek(0)
    if disk.read(8) in HEADER_BYTES:
        return 0, disk.seek(0, os.SEEK_END)
    why = None
    for sector in (512, 4096):
        try:
            for partition in partitions(disk, sector):
                if partition.type == KERNEL_CORE_DUMP:
                    return partition.offset, partition.bytes
            raise Damaged("no Apple_KernelCoreDump partition")
        except Damaged as e:
            why = why or e
    raise why


# ---- the header ----


def _name(raw):
    name, nul, _ = raw.partition(b"\0")
    if not name or not nul:
        raise Damaged("name is empty or has no end")
    name = "".join(chr(c) if 0x20 <= c <= 0x7e and c != ord("/") else "_" for c in name)
    return "_" + name[1:] if name[0] == "." else name


def header(disk, start, size):
    """The corefile at @p start. Entries that are damaged are told in .bad, the others hold."""
    disk.seek(start)
    head = disk.read(4096)
    kind = head[:8]
    if kind not in HEADER_BYTES:
        raise Empty("no corefile: the place does not begin with a signature")
    if len(head) < HEADER_BYTES[kind]:
        raise Damaged("the header is cut off")

    def lies_well(offset, length):
        return length == 0 or HEADER_BYTES[kind] <= offset <= offset + length <= size

    flags = 0
    if kind == SAD:
        log_offset, log_length, offset, length = struct.unpack_from("<4Q", head, 8)
        raw = [(GZIP, offset, length, b"kernel\0")] if length else []
    elif kind == RAD:
        log_offset, log_length, count = struct.unpack_from("<3Q", head, 8)
        if count > 16:
            raise Damaged(f"{count} files, of at most 16")
        raw = [(GZIP, *struct.unpack_from("<QQ16s", head, 32 + i * 32)) for i in range(count)]
    else:
        version, = struct.unpack_from("<I", head, 8)
        if version != 2:
            raise Damaged(f"version {version} is not known")
        flags, key, key_bytes, log_offset, log_length, count = \
            struct.unpack_from("<QQH6xQQQ", head, 16)
        if count > 64:
            raise Damaged(f"{count} files, of at most 64")
        if key and not lies_well(key, key_bytes):
            raise Damaged("the key lies outside the place")
        raw = [struct.unpack_from("<QQQ16s", head, 64 + i * 40) for i in range(count)]
    if not lies_well(log_offset, log_length):
        raise Damaged("the log lies outside the place")

    files, bad = [], []
    for i, (file_flags, offset, length, name) in enumerate(raw):
        try:
            if not lies_well(offset, length):
                raise Damaged("it lies outside the place")
            files.append(File(_name(name), file_flags, offset, length))
        except Damaged as e:
            bad.append(f"file {i}: {e}")
    return Corefile(kind, flags, log_offset, log_length, files, bad)


# ---- what files are packed in ----


def _lz4_length(packed, at, count):
    """A length whose first four bits are @p count; @return it, and where what follows begins."""
    more = 255 if count == 15 else 0
    while more == 255:
        more = packed[at]
        at += 1
        count += more
    return count, at


def _lz4_block(packed, out):
    """Undoes one LZ4 block behind what is in @p out already, which matches may reach into."""
    at, end = 0, len(packed)
    try:
        while True:
            token = packed[at]
            at += 1
            count, at = _lz4_length(packed, at, token >> 4)
            if count > end - at:
                raise Damaged("LZ4: literals beyond the block")
            out += packed[at:at + count]
            at += count
            if at == end:
                return
            back = packed[at] | packed[at + 1] << 8
            at += 2
            count, at = _lz4_length(packed, at, token & 15)
            count += 4
            if not 0 < back <= len(out):
                raise Damaged("LZ4: a match before the start")
            start = len(out) - back
            if back >= count:
                out += out[start:start + count]
            else:
                run = bytes(out[start:])
                out += (run * (count // back + 1))[:count]
    except IndexError:
        raise Damaged("LZ4: the block is cut off") from None


def unpack_lz4(data, write):
    """The framing: bv41 raw-size packed-size block, bv4- size bytes, bv4$ at the end."""
    window, at = bytearray(), 0
    while True:
        magic = data[at:at + 4]
        if magic == b"bv4$":
            if at + 4 != len(data):
                raise Damaged(f"LZ4: {len(data) - at - 4} bytes behind the end")
            return
        before = len(window)
        if magic == b"bv41" and at + 12 <= len(data):
            size, packed = struct.unpack_from("<II", data, at + 4)
            at += 12
            if packed > len(data) - at:
                raise Damaged(f"LZ4: a block of {packed} bytes is cut off")
            _lz4_block(bytes(data[at:at + packed]), window)
            at += packed
        elif magic == b"bv4-" and at + 8 <= len(data):
            size, = struct.unpack_from("<I", data, at + 4)
            at += 8
            window += data[at:at + size]
            at += size
        else:
            raise Damaged(f"LZ4: no block at {at}, but {bytes(magic)!r}")
        if len(window) - before != size:
            raise Damaged(f"LZ4: a block of {len(window) - before} bytes says {size}")
        write(memoryview(bytes(window[before:])))
        del window[:-65536]


def unpack_gzip(data, write):
    """One member, and nothing behind it."""
    inflate, at = zlib.decompressobj(31), 0
    try:
        while at < len(data) and not inflate.eof:
            write(inflate.decompress(data[at:at + (1 << 20)]))
            at += 1 << 20
    except zlib.error as e:
        raise Damaged(f"gzip: {e}") from None
    if not inflate.eof:
        raise Damaged("gzip: cut off")
    if inflate.unused_data or at < len(data):
        raise Damaged("gzip: bytes behind the end")


def stored(disk, start, file):
    """A file's bytes as they lie on the disk."""
    disk.seek(start + file.offset)
    data = disk.read(file.length)
    if len(data) != file.length:
        raise Damaged(f"{file.name}: the image ends within it")
    return data


def unpack(disk, start, corefile, file, write):
    """Hands a file's content to write(), in pieces."""
    data = memoryview(stored(disk, start, file))
    flags = file.flags
    if corefile.generation != BOSS and data[:2] != b"\x1f\x8b":
        flags = 0  # the older ones have no word for files that are stored as they are
    if flags & ENCRYPTED:
        raise Damaged(f"{file.name}: encrypted")
    if flags & GZIP:
        unpack_gzip(data, write)
    elif flags & LZ4:
        unpack_lz4(data, write)
    else:
        write(data)


class Image:
    """image = Image(path, or bytes); image.log, .names, .content("kernel"), .extract(directory)"""

    def __init__(self, source):
        in_memory = isinstance(source, (bytes, bytearray, memoryview))
        self.disk = io.BytesIO(source) if in_memory else open(source, "rb")
        self.start, self.size = place(self.disk)
        self.corefile = header(self.disk, self.start, self.size)
        self.files = self.corefile.files
        self.names = [file.name for file in self.files]

    def close(self):
        self.disk.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    @property
    def log(self):
        self.disk.seek(self.start + self.corefile.log_offset)
        return self.disk.read(self.corefile.log_length)

    def content(self, name):
        out = io.BytesIO()
        unpack(self.disk, self.start, self.corefile, self.files[self.names.index(name)], out.write)
        return out.getvalue()

    def stored(self, name):
        return stored(self.disk, self.start, self.files[self.names.index(name)])

    def extract(self, directory):
        """Copies everything out. @return the paths; a taken name gets a number behind it. What is
        damaged is copied as far as it goes, and told when all the others are out."""
        os.makedirs(directory, exist_ok=True)
        paths, bad = [], []

        def create(name):
            path, n = os.path.join(directory, name), 0
            while True:
                try:
                    out = open(path, "xb")
                    paths.append(path)
                    return out
                except FileExistsError:
                    n += 1
                    path = os.path.join(directory, f"{name}.{n}")

        if self.corefile.log_length:
            with create("panic.log") as out:
                out.write(self.log)
        for file in self.files:
            try:
                with create(file.name) as out:
                    unpack(self.disk, self.start, self.corefile, file, out.write)
            except Damaged as e:
                bad.append(f"{paths[-1]}: {e}")
        if bad:
            raise Damaged("; ".join(bad))
        return paths


# ---- disk images for tests ----


def _gpt_halves(total, sector, entries):
    """(protective MBR, header and table, table and header) of a disk of @p total sectors."""
    table = b"".join(struct.pack("<16s16sQQQ72s", kind.bytes_le, guid.bytes_le, first, last, 0,
                                 name.encode("utf-16-le")) for kind, guid, first, last, name
                     in entries).ljust(128 * 128, b"\0")
    table = table.ljust(-(-len(table) // sector) * sector, b"\0")
    table_sectors = len(table) // sector
    disk_guid = uuid.uuid5(KERNEL_CORE_DUMP, "disk").bytes_le

    def head(own, other, table_lba):
        def fields(crc):
            return struct.pack("<8sIIIIQQQQ16sQIII", b"EFI PART", 0x10000, 92, crc, 0, own, other,
                               2 + table_sectors, total - 2 - table_sectors, disk_guid, table_lba,
                               128, 128, zlib.crc32(table[:128 * 128]))
        return fields(zlib.crc32(fields(0))).ljust(sector, b"\0")

    mbr = bytearray(sector)
    mbr[446:462] = struct.pack("<B3sB3sII", 0, b"\0\2\0", 0xee, b"\xff\xff\xff", 1,
                               min(total - 1, 0xffffffff))
    mbr[510:512] = b"\x55\xaa"
    return (bytes(mbr), head(1, total - 1, 2) + table,
            table + head(total - 1, 1, total - 1 - table_sectors))


def make_image(path, bytes, partition_bytes, with_corefile_partition=True, sector=512):
    """Writes a sparse disk image of @p bytes with a valid GPT: an ordinary partition first, and
    behind it, as the last, an Apple_KernelCoreDump partition of @p partition_bytes, empty.
    @return the offset of that partition, or None"""
    total = bytes // sector
    table_sectors = -(-128 * 128 // sector)
    align = (1 << 20) // sector
    last = total - 2 - table_sectors
    count = partition_bytes // sector
    core_first = (last + 1 - count) // align * align
    if bytes % sector or partition_bytes % sector or core_first <= align:
        raise ValueError(f"no room for {partition_bytes} bytes on a disk of {bytes}")
    entries = [(BASIC_DATA, uuid.uuid5(BASIC_DATA, "ordinary"), align, core_first - 1, "ordinary")]
    if with_corefile_partition:
        entries.append((KERNEL_CORE_DUMP, uuid.uuid5(KERNEL_CORE_DUMP, "partition"), core_first,
                        core_first + count - 1, "KernelCoreDump"))
    mbr, front, back = _gpt_halves(total, sector, entries)
    with open(path, "wb") as disk:
        disk.truncate(bytes)
        disk.write(mbr + front)
        disk.seek(bytes - len(back))
        disk.write(back)
    return core_first * sector if with_corefile_partition else None


# ---- the command ----


def _packing(flags):
    words = [word for bit, word in ((ENCRYPTED, "encrypted"), (GZIP, "gzip"), (LZ4, "LZ4"))
             if flags & bit]
    return ", ".join(words) or "raw"


def main():
    parser = argparse.ArgumentParser(description="Copies a kernel core dump out of a disk image.")
    parser.add_argument("image", metavar="IMAGE")
    parser.add_argument("-o", dest="directory", metavar="DIRECTORY",
                        help="where the log and the files go, unpacked")
    args = parser.parse_args()
    try:
        with Image(args.image) as image:
            generation = image.corefile.generation.rstrip(b"\0").decode()
            print(f"{generation}: {len(image.files)} files, log of "
                  f"{image.corefile.log_length} bytes")
            for file in image.files:
                print(f"{file.length:14} {_packing(file.flags):8} {file.name}")
            for bad in image.corefile.bad:
                print(f"corefile.py: {bad}", file=sys.stderr)
            if args.directory:
                for path in image.extract(args.directory):
                    print(path)
            return 1 if image.corefile.bad else 0
    except (Damaged, OSError) as e:
        print(f"corefile.py: {args.image}: {e}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
