# SPDX-License-Identifier: BSD-2-Clause
"""A panic log, and the kernel with symbols that it came from. Usage: symbolic.py LOG KERNEL writes
both; KERNEL is a file."""
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'unit'))
import macho_file as macho  # noqa: E402

UUID = '11111111-2222-3333-4444-555555555555'
OTHER = 'AAAAAAAA-2222-3333-4444-555555555555'
SLIDE, LINKED = 0x11A00000, 0xFFFFFF8000200000
NAME = '_panic_of_a_test + 0x46'


def log(uuid=UUID, words='boo'):
    return f'''panic(cpu 2 caller {LINKED + SLIDE + 0x1000:#x}): "{words}"
Backtrace (CPU 2), Frame : Return Address
0xffffff91f1f8bb10 : {LINKED + SLIDE + 0x1000:#x}
0xffffff91f1f8bb90 : {LINKED + SLIDE + 0x2346:#x}

Kernel version:
Darwin Kernel Version 15.6.0: Thu Jun 23 18:25:34 PDT 2016; root:xnu-3248.60.10~1/RELEASE_X86_64
Kernel UUID: {uuid}
Kernel slide:     {SLIDE:#x}
Kernel text base: {LINKED + SLIDE:#x}
'''.encode()


def kernel():
    return macho.image({'_before': LINKED + 0x800, '_panic_of_a_test': LINKED + 0x2300,
                        '_behind': LINKED + 0x3000}, [('__TEXT', LINKED, 0x800000)], UUID)


if __name__ == '__main__':
    for path, content in zip(sys.argv[1:], (log(), kernel())):
        with open(path, 'wb') as f:
            f.write(content)
