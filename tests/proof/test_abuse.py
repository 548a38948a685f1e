#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""A sample of every format, made from a few lines of text, cut and damaged: no crash, no hang, and no
cut dump that is called complete.

  test_abuse.py ABUSE LINUX-SAMPLE COREFILE-IMAGE [CUTS [FLIPS [SEED]]]"""
import os
import struct
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
for place in ('server', 'unit'):
    sys.path.insert(0, os.path.join(HERE, '..', place))

import made_cores as cores  # noqa: E402
import freebsd_dump  # noqa: E402

ABUSE, LINUX, COREFILE = sys.argv[1:4]
CUTS, FLIPS, SEED = [sys.argv[i] if len(sys.argv) > i else d for i, d in ((4, '1000'), (5, '1000'),
                                                                          (6, '1'))]


def linux(kind):
    return subprocess.run([LINUX, kind], stdout=subprocess.PIPE, check=True).stdout


def macho32(order):
    """A core of a 32-bit kernel: segments, a thread. PROTOCOL.md#kdp-6.5"""
    cpu, count = (18, 40) if order == '>' else (7, 16)
    memory = (cores.panic_log() + b'Darwin Kernel Version 9.8.0\0').ljust(8192, b'\1')
    commands = struct.pack(order + 'II16sIIIIIIII', 1, 56, b'', 0x2000, len(memory), 4096,
                           len(memory), 7, 5, 0, 0)
    commands += struct.pack(order + 'IIII', 4, 16 + 4 * count, 1, count)
    commands += struct.pack(order + '%dI' % count, *range(0x2000, 0x2000 + count))
    head = struct.pack(order + 'IIIIIII', 0xfeedface, cpu, 0, 4, 2, len(commands), 0) + commands
    return head.ljust(4096, b'\0') + memory


def corefile(directory, packing):
    """Apple's disk corefile with a log and a kernel's core."""
    core, log, other, image = (os.path.join(directory, n) for n in ('core', 'log', 'other', 'image'))
    for path, data in ((core, cores.core(40000)), (log, cores.panic_log()), (other, b'other\n')):
        with open(path, 'wb') as f:
            f.write(data)
    with open(image, 'wb') as f:
        f.truncate(1 << 20)
    subprocess.run([COREFILE, image, '0', str(1 << 20), '512', log, other, 'kernel', packing, core],
                   check=True, stdout=subprocess.DEVNULL)
    with open(image, 'rb') as f:
        data = f.read()
    log_at, log_len, files = struct.unpack_from('<QQQ', data, 40)
    ends = [log_at + log_len] + [sum(struct.unpack_from('<QQ', data, 64 + 40 * i + 8))
                                 for i in range(files)]
    return data[:max(ends)]


def textdump(**members):
    """With no more zeros at its end than the two blocks that end a tar archive."""
    data = freebsd_dump.textdump(**members).rstrip(b'\0')
    return data + bytes(-len(data) % 512 + 1024)


def samples(directory):
    """name, the format it is known as, its bytes, and at its end the bytes that nobody would miss"""
    core = cores.core(60000)
    yield 'a Mach-O core', 'macho', core, 0
    yield 'a packed Mach-O core', 'gzip+macho', cores.gzip(core), 0
    yield 'a packed core of zeros', 'gzip+macho', cores.gzip(cores.core(500000, zeros=True)), 0
    yield 'a core of an i386', 'macho', macho32('<'), 0
    yield 'a core of a PowerPC', 'macho', macho32('>'), 0
    yield 'a Linux vmcore', 'elf', linux('elf'), 0
    yield 'a packed Linux vmcore', 'gzip+elf', cores.gzip(linux('elf')), 0
    yield "QEMU's dump of a guest", 'elf', linux('qemu'), 0
    yield 'a kdump-compressed dump', 'kdump', linux('kdump'), 0
    yield 'a flattened dump', 'flattened', linux('flattened'), 0
    yield 'a FreeBSD minidump', 'freebsd-minidump', freebsd_dump.minidump(), 0
    yield 'a packed FreeBSD minidump', 'gzip+freebsd-minidump', \
        cores.gzip(freebsd_dump.minidump()), 0
    yield 'a FreeBSD text dump', 'freebsd-textdump', \
        textdump(panic='page fault', msgbuf=freebsd_dump.MSGBUF), 1024
    dump = freebsd_dump.minidump()
    yield 'a FreeBSD dump with its headers', 'freebsd-device', \
        freebsd_dump.partition(dump, len(dump) + 1024), 512
    yield 'a panic log', 'panic-log', cores.panic_log(), len(cores.panic_log())
    yield "Apple's disk corefile, raw", 'corefile', corefile(directory, 'raw'), 0
    yield "Apple's disk corefile, gzip", 'corefile', corefile(directory, 'gzip'), 0
    yield "Apple's disk corefile, LZ4", 'corefile', corefile(directory, 'lz4'), 0


def main():
    count = failed = 0
    with tempfile.TemporaryDirectory(prefix='panicd-abuse-') as directory:
        path = os.path.join(directory, 'sample')
        for name, kind, data, spare in samples(directory):
            with open(path, 'wb') as f:
                f.write(data)
            run = subprocess.run([ABUSE, path, kind, CUTS, FLIPS, SEED, str(spare)],
                                 capture_output=True, text=True, errors='replace', timeout=600,
                                 check=False)
            count += 1
            failed += run.returncode != 0
            print(run.stdout, end='')
            if run.returncode:
                print('# exit %d: %s' % (run.returncode, run.stderr[-3000:].replace('\n', '\n# ')))
            print('%sok %d - %s ends every cut and flip alive, and never wrongly whole' %
                  ('not ' if run.returncode else '', count, name), flush=True)
    print('1..%d' % count)
    return failed != 0


if __name__ == '__main__':
    sys.exit(main())
