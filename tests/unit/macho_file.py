# SPDX-License-Identifier: BSD-2-Clause
"""Mach-O files with a symbol table, written from a few lines: what an Apple kernel, a kext, a dSYM,
a fat file and a kernel collection look like to whoever looks up a name. Layouts: Apple's Mach-O
File Format Reference."""

import struct
import uuid as uuids

X86_64, ARM64, I386 = 0x01000007, 0x0100000C, 7
EXECUTE, DSYM, KEXT, FILESET = 2, 10, 11, 12
SEGMENT_64, SYMTAB, UUID, FILESET_ENTRY = 0x19, 0x02, 0x1B, 0x80000035
SECTION_EXTERNAL = 0x0F


def name16(name):
    return name.encode().ljust(16, b"\0")


def segment(name, address, size):
    return struct.pack("<II16sQQQQIIII", SEGMENT_64, 72, name16(name), address, size, 0, 0, 7, 5, 0,
                       0)


def dwarf_segment(sections, at):
    """sections: {"__debug_info": bytes}; at: where the first stands in the file."""
    body = struct.pack("<II16sQQQQIIII", SEGMENT_64, 72 + 80 * len(sections), name16("__DWARF"),
                       0, 0, at, sum(map(len, sections.values())), 7, 3, len(sections), 0)
    for name, content in sections.items():
        body += struct.pack("<16s16sQQIIIIIIII", name16(name), name16("__DWARF"), 0, len(content),
                            at, 0, 0, 0, 0, 0, 0, 0)
        at += len(content)
    return body


def header(cputype, filetype, commands):
    body = b"".join(commands)
    return struct.pack("<IIIIIIII", 0xFEEDFACF, cputype, 3, filetype, len(commands), len(body),
                       0, 0) + body


def image(symbols, segments, uuid=None, cputype=X86_64, filetype=EXECUTE, base=0, dwarf=None):
    """symbols: {name: address}; segments: [(name, address, size)]; base: where the image stands in
    its file, from whose start the table is counted; dwarf: {"__debug_info": bytes}."""
    entries, strings = b"", b"\0"
    for name, address in symbols.items():
        entries += struct.pack("<IBBHQ", len(strings), SECTION_EXTERNAL, 1, 0, address)
        strings += name.encode() + b"\0"

    def build(at):
        commands = [segment(*one) for one in segments]
        if uuid:
            commands.append(struct.pack("<II16s", UUID, 24, uuids.UUID(uuid).bytes))
        commands.append(struct.pack("<IIIIII", SYMTAB, 24, at, len(symbols), at + len(entries),
                                    len(strings)))
        if dwarf:
            commands.append(dwarf_segment(dwarf, at + len(entries) + len(strings)))
        return header(cputype, filetype, commands)

    return build(base + len(build(0))) + entries + strings + b"".join((dwarf or {}).values())


def fat(*images):
    """(cputype, bytes), each on a page of its own."""
    head, body, at = struct.pack(">II", 0xCAFEBABE, len(images)), b"", 4096
    for cputype, content in images:
        head += struct.pack(">IIIII", cputype, 3, at, len(content), 12)
        body += content.ljust(-len(content) % 4096 + len(content), b"\0")
        at = 4096 + len(body)
    return head.ljust(4096, b"\0") + body


def collection(entries, cputype=X86_64):
    """entries: {bundle id: function(base) that makes the image which stands at base}."""
    commands, places, at = [], [], 16384
    for bundle, make in entries.items():
        content = make(at)
        padded = bundle.encode() + b"\0"
        padded = padded.ljust((len(padded) + 7) // 8 * 8, b"\0")
        commands.append(struct.pack("<IIQQII", FILESET_ENTRY, 32 + len(padded), 0, at, 32, 0)
                        + padded)
        places.append((at, content))
        at += (len(content) + 4095) // 4096 * 4096
    whole = bytearray(at)
    head = header(cputype, FILESET, commands)
    whole[:len(head)] = head
    for place, content in places:
        whole[place:place + len(content)] = content
    return bytes(whole)
