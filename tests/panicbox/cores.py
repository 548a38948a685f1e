# SPDX-License-Identifier: BSD-2-Clause
"""What a core is compared with: the memory of the halted machine as QEMU wrote it, its page
tables, the pattern that was filled in, and what the debuggers of the field say. Nothing of the
program that wrote the core is used."""

import dataclasses
import gzip
import os
import re
import struct
import subprocess

import box

PAGE = 4096
M64 = (1 << 64) - 1
GOLDEN = 0x9e3779b97f4a7c15
WORDS = PAGE // 8
UNREADABLE = b"X" * PAGE
REGISTERS = ("rax rbx rcx rdx rdi rsi rbp rsp r8 r9 r10 r11 r12 r13 r14 r15 rip rflags "
             "cs fs gs").split()
# Their order in an ELF core's prstatus: struct user_regs_struct of x86-64.
ELF_REGISTERS = ("r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi rdi orig_rax rip cs "
                 "rflags rsp ss fs_base gs_base ds es fs gs").split()


@dataclasses.dataclass
class Core:
    """A parsed core: segments are (virtual address, offset in the file, bytes)."""
    kind: str
    content: bytes
    segments: list
    registers: dict
    notes: dict

    def pages(self):
        """{virtual address: the page}."""
        found = {}
        for address, offset, length in self.segments:
            for at in range(0, length, PAGE):
                found[address + at] = self.content[offset + at:offset + at + PAGE]
        return found


def _macho(content):
    magic, cpu, sub, filetype, count, size = struct.unpack_from("<6I", content)
    assert (magic, cpu, filetype) == (0xfeedfacf, 0x01000007, 4), "not an x86-64 Mach-O core"
    assert sub in (3, 8), f"cpusubtype {sub}"
    segments, registers, notes, at = [], {}, {}, 32
    for _ in range(count):
        command, length = struct.unpack_from("<II", content, at)
        if command == 0x19:
            address, vmsize, offset, filesize, maxprot, prot, sections, flags = \
                struct.unpack_from("<QQQQIIII", content, at + 24)
            assert length == 72 and vmsize == filesize and (maxprot, prot) == (1, 1), address
            assert (sections, flags) == (0, 0) and content[at + 8:at + 24] == bytes(16)
            segments.append((address, offset, filesize))
        elif command == 4:
            flavor, words = struct.unpack_from("<II", content, at + 8)
            assert (length, flavor, words) == (184, 4, 42), "LC_THREAD"
            assert not registers, "two threads"
            registers = dict(zip(REGISTERS, struct.unpack_from("<21Q", content, at + 16)))
        elif command == 0x31:
            assert length == 40, "LC_NOTE"
            owner = content[at + 8:at + 24].rstrip(b"\0").decode()
            offset, size_ = struct.unpack_from("<QQ", content, at + 24)
            notes[owner] = content[offset:offset + size_]
        at += length
    assert at == 32 + size, "sizeofcmds"
    return Core("macho", content, segments, registers, notes)


def _elf(content):
    assert content[:6] == b"\x7fELF\x02\x01" and struct.unpack_from("<HH", content, 16) == (4, 62)
    table, = struct.unpack_from("<Q", content, 32)
    size, count = struct.unpack_from("<HH", content, 54)
    segments, registers, notes = [], {}, {}
    for i in range(count):
        kind, _, offset, address, physical, filesz, memsz, _ = struct.unpack_from(
            "<IIQQQQQQ", content, table + i * size)
        if kind == 1:
            assert filesz == memsz and physical == address - box.BASE, "PT_LOAD"
            segments.append((address, offset, filesz))
        elif kind == 4:
            at = offset
            while at < offset + filesz:
                namesz, descsz, number = struct.unpack_from("<III", content, at)
                name = content[at + 12:at + 12 + namesz].rstrip(b"\0").decode()
                start = at + 12 + (namesz + 3) // 4 * 4
                if name == "CORE" and number == 1:
                    assert descsz == 336, "prstatus"
                    registers = dict(zip(ELF_REGISTERS,
                                         struct.unpack_from("<27Q", content, start + 112)))
                else:
                    notes[name] = content[start:start + descsz]
                at = start + (descsz + 3) // 4 * 4
    return Core("elf", content, segments, registers, notes)


def parse(content):
    """Of the bytes as they arrived, or as the extractor gave them."""
    if content[:2] == b"\x1f\x8b":
        content = gzip.decompress(content)
    core = _elf(content) if content[:4] == b"\x7fELF" else _macho(content)
    end = 0
    for address, offset, length in core.segments:
        assert address % PAGE == length % PAGE == offset % PAGE == 0 and length, "not whole pages"
        assert offset + length <= len(content), "a segment lies behind the end of the file"
        assert address >= end, "segments overlap or do not ascend"
        end = address + length
    return core


# ---- the machine

def mapped_pages(memory, cr3):
    """The virtual addresses of all 4 KiB mappings from BASE up, and their physical ones; from the
    page tables of the halted machine."""
    def entries(table):
        return struct.unpack_from("<512Q", memory, table)

    frame = 0x000ffffffffff000
    found = {}

    def walk(table, level, address):
        for i, entry in enumerate(entries(table)):
            if not entry & 1:
                continue
            here = address | i << (12 + 9 * level)
            if level == 3 and i >= 256:
                here |= 0xffff << 48
            if level == 3 and here + (1 << 39) <= box.BASE:
                continue   # user half, and device memory
            if level and not entry & 0x80:
                walk(entry & frame, level - 1, here)
            else:
                pages = 1 << 9 * level
                for n in range(pages):
                    found[here + n * PAGE] = (entry & frame) + n * PAGE

    walk(cr3 & frame, 3, 0)
    return {v: p for v, p in found.items() if v >= box.BASE}


def cr3(machine):
    return int(re.search(r"CR3=([0-9a-f]+)", machine.monitor("info registers"))[1], 16)


def compare(core, memory, tables, unreadable=0):
    """AssertionError unless: the core has every page that is mapped, but for the work memory, and
    nothing else; each is the machine's page of that address. So many pages cannot be read: they
    are not mapped, and bytes X in the core."""
    start, end = (box.symbols()[name] for name in ("box_work_start", "box_work_end"))
    assert start % PAGE == end % PAGE == 0 and start < end, "the work memory is not whole pages"
    want = {v: p for v, p in mapped_pages(memory, tables).items() if not start <= v < end}
    have = core.pages()
    missing, surplus = sorted(want.keys() - have.keys()), sorted(have.keys() - want.keys())
    filled = [v for v in surplus if have[v] == UNREADABLE]
    assert not missing, f"{len(missing)} pages are mapped and not in the core, {missing[0]:#x} ..."
    assert len(filled) == len(surplus) == unreadable, \
        f"in the core and not mapped: {[hex(v) for v in surplus[:10]]}, of them X: {len(filled)}"
    different = [v for v, p in want.items() if have[v] != memory[p:p + PAGE]]
    assert not different, (f"{len(different)} of {len(want)} pages differ: "
                           + " ".join(f"{v:#x}" for v in different[:10]))
    return len(want)


def pattern(core):
    """How many pages of the core are the pattern, of its three kinds: (words, repeated, zeros)."""
    words = repeated = zeros = 0
    for address, page in core.pages().items():
        first, = struct.unpack_from("<Q", page)
        if first == address * GOLDEN & M64:
            words += page == struct.pack("<512Q", *((address + 8 * i) * GOLDEN & M64
                                                    for i in range(WORDS)))
        elif first == address:
            repeated += page == struct.pack("<Q", address) * WORDS
        elif first == 0:
            zeros += page == bytes(PAGE)
    return words, repeated, zeros


# ---- the debuggers

def _debugger(command):
    # Debian's lldb complains on stderr about its Python, and works.
    environment = {**os.environ, "LC_ALL": "C", "HOME": "/nonexistent"}
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=box.PATIENCE, env=environment).stdout


def lldb(path, address, with_symbols=False):
    """lldb's text about a core: registers, the memory at an address, the frames."""
    # lldb 14 does not place the sections by itself; the kernel runs where it was linked.
    opened = (["-o", f"target create --core {path} {box.panicbox()}", "-o",
               f"target modules load --file {box.panicbox().name} --slide 0"] if with_symbols
              else ["-c", str(path)])
    return _debugger(["lldb", "-b", "--no-lldbinit", *opened,
                      "-o", "register read rip rsp",
                      "-o", f"memory read --format x --size 8 --count 4 {address:#x}",
                      "-o", "bt 12"])


def gdb(path, address):
    """gdb's, with the symbols of the kernel."""
    return _debugger(["gdb", "-nx", "-batch", str(box.panicbox()), str(path),
                      "-ex", "info registers rip rsp", "-ex", f"x/4gx {address:#x}",
                      "-ex", "bt 12"])
