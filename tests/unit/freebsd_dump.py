# SPDX-License-Identifier: BSD-2-Clause
"""FreeBSD's dumps in a few lines: the header of every version, key blob, minidump, text dump, and a
partition that ends with one. Written from PROTOCOL.md, sections netdump-6 to 9, apart from the C
code, so that the two bear witness for each other."""

import io
import struct
import tarfile

SWAP = "516E7CB5-6ECF-11D6-8FF8-00022D09712B"
# (name, offset, struct) of what differs; @see netdump-6
LAYOUTS = {
    1: dict(time=48, block=56, host=60, os=124, panic=(316, 192)),
    2: dict(time=48, key=56, block=60, host=64, os=128, panic=(320, 188)),
    3: dict(extent=48, time=56, key=64, block=68, packing=72, host=73, os=137, panic=(329, 179)),
    4: dict(extent=496, time=48, key=56, block=60, packing=495, host=64, os=128,
            panic=(320, 175)),
}
OS = "FreeBSD 13.0-RELEASE #0 releng/13.0-n244733-ea31abc261f: Fri Apr  9 04:24:09 UTC 2021\n" \
     "    root@releng1.nyi.freebsd.org:/usr/obj/usr/src/amd64.amd64/sys/GENERIC"
FORMATS = dict(extent=">Q", time=">Q", key=">I", block=">I", packing="B")


def header(version=4, length=0, magic="FreeBSD Kernel Dump", mend=True, arch="amd64",
           host="crash.example.org", os=OS, panic="page fault", **fields):
    out = bytearray(512)
    out[:len(magic)] = magic.encode()
    out[20:20 + len(arch)] = arch.encode()
    struct.pack_into(">IIQ", out, 32, version, 2, length)
    layout = LAYOUTS.get(version, LAYOUTS[4])
    for name, value in {"time": 1618812840, "block": 512, **fields}.items():
        if name in layout:
            struct.pack_into(FORMATS[name], out, layout[name], value)
    for text, at, cap in ((host, layout["host"], 64), (os, layout["os"], 192),
                          (panic, *layout["panic"])):
        raw = text.encode()[:cap - 1]
        out[at:at + len(raw)] = raw
    if mend:
        parity = 0
        for word in struct.unpack(">128I", out):
            parity ^= word
        struct.pack_into(">I", out, 508, parity)
    return bytes(out)


def pad(data, to):
    return data + bytes(-len(data) % to)


def key(sector=512, cipher=2, length=256):
    return pad(struct.pack(">B32sI", cipher, bytes(range(32)), length) + b"\x5a" * length, sector)


def partition(data, size, sector=512, version=4, blob=b"", extent=None, front=None, **fields):
    """What a dump partition of @p size bytes ends with. @p front: another first header."""
    fields = {"block": sector, "key": len(blob), **fields}
    if version >= 3:
        fields["extent"] = len(data) if extent is None else extent
    room = len(pad(bytes(0), 1)) + -(-(extent or len(data)) // sector) * sector
    last = header(version, len(data), **fields)
    body = pad(last if front is None else front, sector) + blob + data.ljust(room, b"\0") + \
        pad(last, sector)
    assert len(body) <= size, (len(body), size)
    return bytes(size - len(body)) + body


MSGBUF = """---<<BOOT>>---
Copyright (c) 1992-2021 The FreeBSD Project.
FreeBSD is a registered trademark of The FreeBSD Foundation.
FreeBSD 13.0-RELEASE #0 releng/13.0-n244733-ea31abc261f: Fri Apr  9 04:24:09 UTC 2021
    root@releng1.nyi.freebsd.org:/usr/obj/usr/src/amd64.amd64/sys/GENERIC amd64
<118>Starting devd.
Fatal trap 12: page fault while in kernel mode
cpuid = 1; apic id = 01
fault virtual address	= 0x18
instruction pointer	= 0x20:0xffffffff80b4a2c1
current process		= 712 (sh)
trap number		= 12
panic: page fault
cpuid = 1
time = 1618812840
KDB: stack backtrace:
#0 0xffffffff80c1d397 at kdb_backtrace+0x67
#1 0xffffffff80bd0e37 at vpanic+0x17f
#2 0xffffffff80bd0cb3 at panic+0x43
Uptime: 3d2h15m7s
"""


def minidump(log=MSGBUF, pages=4, version=2, arch="amd64"):
    """Page i of memory is kept when bit i is set; here the first @p pages odd ones."""
    bitmap = bytearray(4096)
    for page in range(1, 2 * pages, 2):
        bitmap[page // 8] |= 1 << page % 8
    head = struct.pack("<24sIIIIQQQ", f"minidump FreeBSD/{arch}".encode(), version, 8192, 4096,
                       4096, 0xfffffe0000000000, 0xfffff80000000000, 0xfffff80100000000)
    return head.ljust(4096, b"\0") + log.encode().ljust(8192, b"\0") + bytes(bitmap) + \
        b"\xee" * 4096 + b"".join(bytes([i + 1]) * 4096 for i in range(pages))


def textdump(**members):
    """By Python's own tar writer. @param members  ddb="...": ddb.txt"""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, text in members.items():
            info = tarfile.TarInfo(f"{name}.txt")
            info.size, info.mtime, info.mode = len(text.encode()), 1618812840, 0o600
            tar.addfile(info, io.BytesIO(text.encode()))
    return out.getvalue()
