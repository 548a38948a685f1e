#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Makes a small core such as the crash kernel of a Linux machine finds in /proc/vmcore, of a kernel
that panicked on request: headers, notes, the kernel's log in its ring, and memory of which a part
is zeros, a part compresses, and a part does not. The same bytes every time.

    tests/readme/vmcore.py FILE"""
import random
import struct
import sys

PAGE = 4096
TEXT, RAM = 0xffffffff81000000, 0xffff888000100000  # virtual addresses
TEXT_BYTES, RAM_BYTES = 2 << 20, 46 << 20
DESC_BITS, DATA_BITS = 6, 13
RING, DESCS, INFOS, DATA = 0, 0x1000, 0x2000, 0x4000  # in RAM
BUILD_ID = '3f6e2d1c0b9a88776655443322110ffeeddccbba'

INFO = '''OSRELEASE=6.1.0-56-cloud-amd64
BUILD-ID=%s
PAGESIZE=4096
SYMBOL(_stext)=ffffffff81000000
KERNELOFFSET=0
SYMBOL(prb)=ffffffff81000100
OFFSET(printk_ringbuffer.desc_ring)=0
OFFSET(printk_ringbuffer.text_data_ring)=48
OFFSET(printk_ringbuffer.fail)=80
SIZE(printk_ringbuffer)=88
OFFSET(prb_desc_ring.count_bits)=0
OFFSET(prb_desc_ring.descs)=8
OFFSET(prb_desc_ring.infos)=16
OFFSET(prb_desc_ring.head_id)=24
OFFSET(prb_desc_ring.tail_id)=32
SIZE(prb_desc_ring)=40
OFFSET(prb_data_ring.size_bits)=0
OFFSET(prb_data_ring.data)=8
OFFSET(prb_data_ring.head_lpos)=16
OFFSET(prb_data_ring.tail_lpos)=24
SIZE(prb_data_ring)=32
SIZE(prb_desc)=24
OFFSET(prb_desc.state_var)=0
OFFSET(prb_desc.text_blk_lpos)=8
OFFSET(prb_data_blk_lpos.begin)=0
OFFSET(prb_data_blk_lpos.next)=8
SIZE(prb_data_blk_lpos)=16
SIZE(printk_info)=88
OFFSET(printk_info.seq)=0
OFFSET(printk_info.ts_nsec)=8
OFFSET(printk_info.text_len)=16
OFFSET(printk_info.caller_id)=20
OFFSET(printk_info.dev_info)=24
OFFSET(atomic_long_t.counter)=0
CRASHTIME=1790000000
''' % BUILD_ID

LOG = '''
    0.000000 Linux version 6.1.0-56-cloud-amd64 (debian-kernel@lists.debian.org) (gcc-12 (Debian \
12.2.0-14+deb12u1) 12.2.0, GNU ld (GNU Binutils for Debian) 2.40) #1 SMP PREEMPT_DYNAMIC Debian
    0.000000 Command line: console=ttyS0 crashkernel=80M
    0.412345 smp: Brought up 1 node, 1 CPU
 3712.204118 sysrq: Trigger a crash
 3712.204380 Kernel panic - not syncing: sysrq triggered crash
 3712.204901 CPU: 0 PID: 612 Comm: bash Not tainted 6.1.0-56-cloud-amd64 #1  Debian
 3712.205207 Hardware name: QEMU Standard PC (i440FX + PIIX, 1996), BIOS 1.16.2 04/01/2014
 3712.205560 Call Trace:
 3712.205701  <TASK>
 3712.205830  dump_stack_lvl+0x44/0x5c
 3712.206021  panic+0x118/0x2ed
 3712.206190  sysrq_handle_crash+0x16/0x20
 3712.206377  __handle_sysrq.cold+0x9c/0x130
 3712.206571  write_sysrq_trigger+0x24/0x40
 3712.206768  proc_reg_write+0x53/0x90
 3712.206946  vfs_write+0xe1/0x3e0
 3712.207115  ksys_write+0x6b/0xf0
 3712.207281  do_syscall_64+0x58/0xc0
 3712.207456  entry_SYSCALL_64_after_hwframe+0x64/0xce
 3712.207676  </TASK>
'''


def put_log(ram):
    """The ring as a kernel of 5.10 and later lays it out: descriptors, infos, text."""
    at, last = 0, 0
    for seq, line in enumerate(LOG.strip('\n').splitlines()):
        seconds, micro = line[:12].split('.')
        text = line[13:].encode()
        size = (8 + len(text) + 7) // 8 * 8
        desc, info = DESCS + seq * 24, INFOS + seq * 88
        struct.pack_into('<QQQ', ram, desc, seq | 2 << 62, at, at + size)
        struct.pack_into('<QQH', ram, info, seq, (int(seconds) * 10**6 + int(micro)) * 1000, len(text))
        struct.pack_into('<Q', ram, DATA + at, seq)
        ram[DATA + at + 8:DATA + at + 8 + len(text)] = text
        at, last = at + size, seq
    assert last < 1 << DESC_BITS and at < 1 << DATA_BITS
    struct.pack_into('<I4xQQQQ', ram, RING, DESC_BITS, RAM + DESCS, RAM + INFOS, last, 0)
    struct.pack_into('<I4xQQQ', ram, RING + 48, DATA_BITS, RAM + DATA, at, 0)


def memory(size, seed):
    """Of each four pages, one is zeros, two repeat themselves, one is like nothing."""
    source = random.Random(seed)
    common = source.randbytes(64) * (PAGE // 64)
    out = bytearray(size)
    for page in range(0, size, PAGE):
        kind = page // PAGE % 4
        if kind == 3:
            out[page:page + PAGE] = source.randbytes(PAGE)
        elif kind:
            out[page:page + PAGE] = struct.pack('<Q', RAM + page) + common[8:]
    return out


def note(name, kind, desc):
    name = name.encode() + b'\0'
    return (struct.pack('<III', len(name), len(desc), kind) + name.ljust((len(name) + 3) // 4 * 4, b'\0')
            + desc.ljust((len(desc) + 3) // 4 * 4, b'\0'))


def core():
    """The file, in pieces."""
    text, ram = memory(TEXT_BYTES, 1), memory(RAM_BYTES, 2)
    struct.pack_into('<Q', text, 0x100, RAM + RING)
    ram[:0x8000] = bytes(0x8000)
    put_log(ram)
    registers = bytearray(336)  # struct elf_prstatus of x86-64
    struct.pack_into('<I', registers, 32, 612)
    struct.pack_into('<Q', registers, 112 + 16 * 8, TEXT + 0x4f2a16)  # rip
    struct.pack_into('<Q', registers, 112 + 19 * 8, 0xffffc900004b7e58)  # rsp
    notes = note('CORE', 1, bytes(registers)) + note('VMCOREINFO', 0, INFO.encode())
    phdrs = struct.pack('<IIQQQQQQ', 4, 0, PAGE, 0, 0, len(notes), len(notes), 0)
    at = 2 * PAGE
    for address, physical, size in ((TEXT, 0x1000000, TEXT_BYTES), (RAM, 0x100000, RAM_BYTES)):
        phdrs += struct.pack('<IIQQQQQQ', 1, 7, at, address, physical, size, size, 0)
        at += size
    header = b'\x7fELF\x02\x01\x01' + bytes(9)
    header += struct.pack('<HHIQQQIHHHHHH', 4, 62, 1, 0, 64, 0, 0, 64, 56, 3, 0, 0, 0)
    yield (header + phdrs).ljust(PAGE, b'\0')
    assert len(notes) <= PAGE
    yield notes.ljust(PAGE, b'\0')
    yield text
    yield ram


def main():
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    with open(sys.argv[1], 'wb') as file:
        for piece in core():
            file.write(piece)
    return 0


if __name__ == '__main__':
    sys.exit(main())
