# SPDX-License-Identifier: BSD-2-Clause
"""What a received vmcore is compared with: the memory of the halted machine as QEMU wrote it, and
the pattern that guest_init.c left in it. Neither knows anything of panicd."""

import dataclasses
import mmap
import struct

PAGE = 4096
STRIDE = 256 * PAGE
PT_LOAD = 1
MAGIC = b"panicd lab page:"
M64 = (1 << 64) - 1


def load_segments(core):
    """[(file offset, physical address, bytes)] of every PT_LOAD of an ELF64 core file."""
    if core[:6] != b"\x7fELF\x02\x01" or struct.unpack_from("<H", core, 16)[0] != 4:
        raise ValueError("not a little-endian ELF64 core file")
    table, = struct.unpack_from("<Q", core, 32)
    size, count = struct.unpack_from("<HH", core, 54)
    segments = []
    for i in range(count):
        kind, _, offset, _, paddr, filesz, memsz, _ = struct.unpack_from(
            "<IIQQQQQQ", core, table + i * size)
        if kind == PT_LOAD:
            if filesz != memsz:
                raise ValueError(f"PT_LOAD {i} has {filesz} bytes in the file, {memsz} in memory")
            segments.append((offset, paddr, filesz))
    return segments


@dataclasses.dataclass
class Comparison:
    segments: int = 0
    equal: int = 0        # pages of the file that are the page of the machine at p_paddr
    different: int = 0
    zero: int = 0         # of the equal ones: nothing but zeros, the sender need not send them
    first: str = ""       # where the first difference is
    size: int = 0
    size_expected: int = 0
    shared: int = 0       # bytes of the file that are more than one segment's
    memory: int = 0       # bytes of the machine's memory that are in some segment


def _pages(length):
    return -(-length // PAGE)


def _covered(ranges):
    """(bytes that are in some range, bytes that are named again, by one that does not begin
    before) of ranges (start, length)."""
    once = again = end = 0
    for start, length in sorted(ranges):
        twice = max(0, min(end, start + length) - start)
        once, again = once + length - twice, again + twice
        end = max(end, start + length)
    return once, again


def compare(core_path, memory_path):
    """Every page of every PT_LOAD against the machine's memory; kernel text is in two segments and
    is compared twice. Nothing is skipped: equal + different is the number of all pages."""
    result = Comparison()
    zero = bytes(PAGE)
    with open(core_path, "rb") as core_file, open(memory_path, "rb") as memory_file, \
            mmap.mmap(core_file.fileno(), 0, access=mmap.ACCESS_READ) as core, \
            mmap.mmap(memory_file.fileno(), 0, access=mmap.ACCESS_READ) as memory:
        segments = load_segments(core)
        result.segments, result.size = len(segments), len(core)
        result.size_expected = max(offset + length for offset, _, length in segments)
        _, result.shared = _covered((offset, length) for offset, _, length in segments)
        result.memory, _ = _covered((paddr, length) for _, paddr, length in segments)
        for offset, paddr, length in segments:
            for at in range(0, length, STRIDE):
                got = core[offset + at:offset + at + min(STRIDE, length - at)]
                want = memory[paddr + at:paddr + at + min(STRIDE, length - at)]
                count = _pages(min(STRIDE, length - at))
                for i in range(0, count * PAGE, PAGE):
                    page = got[i:i + PAGE]
                    if page and page == want[i:i + PAGE]:
                        result.equal += 1
                        result.zero += page == zero
                        continue
                    result.different += 1
                    result.first = result.first or f"physical address {paddr + at + i:#x}"
    return result


def _pattern_page(index):
    """The page that fill_page() of guest_init.c makes."""
    x = (index + 0x9E3779B97F4A7C15) & M64
    words = []
    for _ in range(3, PAGE // 8):
        x ^= x >> 12
        x = (x ^ x << 25) & M64
        x ^= x >> 27
        words.append(x * 0x2545F4914F6CDD1D & M64)
    return MAGIC + struct.pack(f"<Q{len(words)}Q", index, *words)


def pattern_pages(core_path):
    """The indexes of the pattern pages that the dump holds unharmed."""
    found = set()
    with open(core_path, "rb") as core_file, \
            mmap.mmap(core_file.fileno(), 0, access=mmap.ACCESS_READ) as core:
        for offset, _, length in load_segments(core):
            for at in range(offset, offset + length, PAGE):
                if core[at:at + len(MAGIC)] == MAGIC:
                    index, = struct.unpack_from("<Q", core, at + len(MAGIC))
                    if core[at:at + PAGE] == _pattern_page(index):
                        found.add(index)
    return found
