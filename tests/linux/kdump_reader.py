# SPDX-License-Identifier: BSD-2-Clause
"""Dumps of Linux kernels, read independently of the code that is tested: ELF cores and
kdump-compressed files, their pages, and the struct pages that lie in them. x86-64 only."""

import mmap
import struct
import zlib

PAGE = 4096
PLAIN, ZLIB = 0, 1


class Mapped:
    """A file, in memory."""

    def __init__(self, path, writable=False):
        with open(path, "r+b" if writable else "rb") as file:
            self.map = mmap.mmap(file.fileno(), 0,
                                 access=mmap.ACCESS_WRITE if writable else mmap.ACCESS_READ)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.map.close()


class Kdump(Mapped):
    """`pages`: {frame: (offset, bytes, flags)} of what is in the dump; `exists`: the frames that
    are memory."""

    def __init__(self, path):
        super().__init__(path)
        data = self.map
        signature, self.version = struct.unpack_from("<8si", data)
        if signature != b"KDUMP   ":
            raise ValueError(f"{path} begins with {signature!r}")
        names = [data[12 + 65 * i:77 + 65 * i].split(b"\0")[0].decode() for i in range(6)]
        self.system, self.node, self.release, self.kernel, self.machine, self.domain = names
        self.seconds, _, self.status, block, sub, bitmap_blocks, frames = struct.unpack_from(
            "<qqIIIII", data, 408)
        (self.phys_base, self.level, self.split, _, _, info, info_bytes, notes, note_bytes,
         _, erased, _, _, self.frames) = struct.unpack_from("<QIIQQQQQQQQQQQ", data, block)
        if block != PAGE or self.split or erased or frames != min(self.frames, 0xffffffff):
            raise ValueError(f"{path}: block {block}, split {self.split}, erased {erased}")
        self.info = data[info:info + info_bytes]
        self.notes = data[notes:notes + note_bytes]
        at, half = block * (1 + sub), bitmap_blocks // 2 * block
        self.exists = self._frames(at, half)
        descriptors = at + 2 * half
        self.pages = {frame: struct.unpack_from("<QII", data, descriptors + 24 * i)
                      for i, frame in enumerate(self._frames(at + half, half))}

    def _frames(self, at, size):
        return [8 * i + bit for i, byte in enumerate(self.map[at:at + size]) if byte
                for bit in range(8) if byte >> bit & 1]

    def page(self, frame):
        offset, size, flags = self.pages[frame]
        data = self.map[offset:offset + size]
        if flags == ZLIB:
            data = zlib.decompress(data)
        elif flags != PLAIN:
            raise ValueError(f"frame {frame:#x} is packed in the way {flags:#x}")
        if len(data) != PAGE:
            raise ValueError(f"frame {frame:#x} has {len(data)} bytes")
        return data


class Elf(Mapped):
    """An ELF core: `segments` [(paddr, vaddr, offset, bytes)], VMCOREINFO as a dictionary, and
    through them struct page."""

    def __init__(self, path, writable=False):
        super().__init__(path, writable)
        self.segments, self.info = [], {}
        start, = struct.unpack_from("<Q", self.map, 32)
        count, = struct.unpack_from("<H", self.map, 56)
        for i in range(count):
            kind, _, offset, vaddr, paddr, size = struct.unpack_from("<IIQQQQ", self.map,
                                                                     start + 56 * i)
            if kind == 1:
                self.segments.append((paddr, vaddr, offset, size))
            elif kind == 4:
                notes = self.map[offset:offset + size]
                text = notes[notes.index(b"OSRELEASE="):].split(b"\0")[0].decode()
                self.info = dict(line.partition("=")[::2] for line in text.splitlines())
                self.notes = offset, size

    def number(self, key):
        return int(self.info[key], 16 if key.startswith("SYMBOL") else 10)

    def offset(self, paddr):
        """Where a physical address is in the file; None: nowhere."""
        for start, _, offset, size in self.segments:
            if start <= paddr < start + size:
                return offset + paddr - start
        return None

    def paddr(self, vaddr):
        """By the segments, else by the page tables."""
        for start, begin, _, size in self.segments:
            if begin <= vaddr < begin + size:
                return start + vaddr - begin
        table = self.paddr(self.number("SYMBOL(swapper_pg_dir)"))
        for shift in (39, 30, 21, 12):
            entry, = struct.unpack_from("<Q", self.map,
                                        self.offset(table) + (vaddr >> shift & 511) * 8)
            if not entry & 1:
                return None
            table = entry & 0xffffffffff000
            if shift == 12 or shift < 39 and entry & 0x80:
                mask = (1 << shift) - 1
                return (table & ~mask) | (vaddr & mask)
        return None

    def struct_page(self, frame):
        """Where the struct page of a frame is in the file; None: nowhere."""
        bits, each = self.number("NUMBER(SECTION_SIZE_BITS)") - 12, self.number("SIZE(mem_section)")
        root, index = divmod(frame >> bits, PAGE // each)
        at = self.offset(self.paddr(self.number("SYMBOL(mem_section)")) + 8 * root)
        section, = struct.unpack_from("<Q", self.map, at)
        if not section:
            return None
        at = self.offset(self.paddr(section + each * index))
        mem_map, = struct.unpack_from("<Q", self.map, at)
        if not mem_map & 2:
            return None
        paddr = self.paddr((mem_map & ~0xfff) + self.number("SIZE(page)") * frame)
        return None if paddr is None else self.offset(paddr)

    def frames(self):
        return sorted({frame for paddr, _, _, size in self.segments
                       for frame in range(paddr // PAGE, (paddr + size + PAGE - 1) // PAGE)})

    def page(self, frame):
        at = self.offset(frame * PAGE)
        return self.map[at:at + PAGE]
