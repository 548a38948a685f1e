# SPDX-License-Identifier: BSD-2-Clause
"""Kernel cores as Apple's kernels send them, made from a line of text or two."""
import random
import struct
import zlib

PAGE = 4096
KERNEL = 0xffffff8000200000
UUID = bytes(range(16))
UUID_TEXT = '00010203-0405-0607-0809-0A0B0C0D0E0F'
PANIC = 'zalloc: zone map exhausted while allocating from zone kalloc.1024'


def panic_log(panic=PANIC, os_version='21A559', train='8019.41.5'):
    """The log of an Intel Mac. PROTOCOL.md#kdp-9.2"""
    return ('panic(cpu 2 caller 0xffffff8000a1b2c3): "%s" @zalloc.c:1234\n'
            'Panicked task 0xffffff86a1b2c3d0: 180 threads: pid 0: kernel_task\n'
            'Backtrace (CPU 2), panicked thread: 0xffffff86a1b2c000, Frame : Return Address\n'
            '0xffffffa0b1c2d3e0 : 0xffffff8000a1b2c3 \n'
            '0xffffffa0b1c2d400 : 0xffffff8000a1c4d5 \n\n'
            'Process name corresponding to current thread (0xffffff86a1b2c000): kernel_task\n'
            'Boot args: debug=0x24c44\n\n'
            'Mac OS version:\n%s\n\n'
            'Kernel version:\nDarwin Kernel Version 21.1.0: Wed Oct 13 17:33:23 PDT 2021; '
            'root:xnu-%s~1/RELEASE_X86_64\n'
            'Kernel UUID: %s\n'
            'Kernel slide:     0x0000000000200000\n'
            'Kernel text base: 0xffffff8000200000\n'
            'System model name: MacBookPro16,1 (Mac-E1008331FDC96864)\n'
            'System uptime in nanoseconds: 123456789012\n\n'
            % (panic, os_version, train, UUID_TEXT)).encode()


def macho(pieces):
    """An x86-64 core of these (address, bytes of whole pages): segments, a thread, and a note that
    names the kernel. PROTOCOL.md#kdp-6.1, #kdp-6.2"""
    note = struct.pack('<IIQ16sII', 1, 1, KERNEL, UUID, 0, 0)
    registers = struct.pack('<21Q', *([0] * 16 + [0xffffff8000a1b2c3, 0x246, 8, 0, 0]))
    size = 72 * len(pieces) + 40 + 16 + len(registers)
    head = struct.pack('<IIIIIIII', 0xfeedfacf, 0x01000007, 3, 4, len(pieces) + 2, size, 0, 0)
    at = (len(head) + size + PAGE - 1) // PAGE * PAGE
    for address, data in pieces:
        head += struct.pack('<II16sQQQQIIII', 0x19, 72, b'', address, len(data), at, len(data),
                            1, 1, 0, 0)
        at += len(data)
    head += struct.pack('<II16sQQ', 0x31, 40, b'main bin spec', at, len(note))
    head += struct.pack('<IIII', 4, 16 + len(registers), 4, 42) + registers
    return (head + bytes(-len(head) % PAGE) + b''.join(data for _, data in pieces) + note)


def core(size, log=None, log_at=0.5, seed=1, zeros=False):
    """About `size` bytes of memory that does not compress, with the panic log at that part of it."""
    log = panic_log() if log is None else log
    log = bytes(16) + log + bytes(-(len(log) + 16) % PAGE)
    before = int(size * log_at) // PAGE * PAGE
    after = max(size - before - len(log), 0) // PAGE * PAGE
    noise = bytes if zeros else random.Random(seed).randbytes
    return macho([(KERNEL, noise(before) + log), (KERNEL + (1 << 32), noise(after))])


def gzip(content, level=1):
    """As a kernel packs it. PROTOCOL.md#kdp-6.4"""
    packer = zlib.compressobj(level, zlib.DEFLATED, -12, 3)
    return (bytes.fromhex('1f8b08000000000004') + b'\x13' + packer.compress(content) +
            packer.flush() + struct.pack('<II', zlib.crc32(content), len(content) & 0xffffffff))
