# SPDX-License-Identifier: BSD-2-Clause
"""What is sent: files of a kind and a size, made when they are asked for, the same every time."""
import gzip
import os
import random
import shutil

MIB = 1 << 20
PAGE = 4096
KINDS = {
    'random': 'incompressible',
    'half-zero': 'pages of zeros in runs, half of all; the rest incompressible',
    'memory': 'like memory: a third zeros, a third of files in /usr, pointers, text, noise',
    'vmcore': 'a real vmcore (--vmcore)',
}


def random_bytes(path, size):
    """Of a generator with a seed, which is as incompressible as the kernel's, and repeatable."""
    generator = random.Random(size)
    with open(path, 'wb', buffering=0) as f:
        for at in range(0, size, MIB):
            f.write(generator.randbytes(min(MIB, size - at)))


def half_zero(path, size):
    generator = random.Random(size + 1)
    with open(path, 'wb', buffering=0) as f:
        left, zero = size, False
        while left > 0:
            run = min(left, PAGE * (1 + int(generator.expovariate(1 / 32))))
            f.write(bytes(run) if zero else generator.randbytes(run))
            left, zero = left - run, not zero


def files_of_usr():
    """What a page cache holds; in the same order on every machine with the same files."""
    for top in ('/usr/bin', '/usr/lib', '/usr/share'):
        for folder, folders, names in os.walk(top):
            folders.sort()
            for name in sorted(names):
                path = os.path.join(folder, name)
                if os.path.isfile(path) and not os.path.islink(path):
                    yield path


def pieces_of_files():
    while True:
        for path in files_of_usr():
            try:
                with open(path, 'rb') as f:
                    while piece := f.read(64 * PAGE):
                        yield piece
            except OSError:
                continue


def pointers(generator, count):
    """Pages of a slab: addresses of one region, small numbers, zeros."""
    base = 0xffff888000000000
    words = [generator.choice((base + generator.randrange(1 << 28) * 16, generator.randrange(256),
                               0, 0)) for _ in range(64)]
    return b''.join(generator.choice(words).to_bytes(8, 'little')
                    for _ in range(PAGE // 8 * count))


def memory(path, size):
    generator = random.Random(size + 2)
    cached = pieces_of_files()
    with open(path, 'wb', buffering=0) as f:
        left = size
        while left > 0:
            count, dice = 1 + int(generator.expovariate(1 / 24)), generator.random()
            if dice < 0.34:
                part = bytes(PAGE * count)
            elif dice < 0.72:
                part = next(cached)
            elif dice < 0.92:
                part = pointers(generator, 2) * (1 + count // 4)
            else:
                part = generator.randbytes(PAGE * count)
            part = part[:left]
            f.write(part)
            left -= len(part)


class Dumps:
    """In a directory, which is in memory if possible, so that reading them costs little."""

    def __init__(self, directory, vmcore=None):
        os.makedirs(directory, exist_ok=True)
        self.directory, self.vmcore = directory, vmcore
        if vmcore and vmcore.endswith('.gz'):   # as the demo leaves it
            self.vmcore = os.path.join(directory, 'vmcore')
            with gzip.open(vmcore) as packed, open(self.vmcore, 'wb') as plain:
                shutil.copyfileobj(packed, plain, MIB)
        self.kinds = [kind for kind in KINDS if kind != 'vmcore' or vmcore]

    def path(self, kind, size):
        path = os.path.join(self.directory, '%s-%d' % (kind, size))
        if not os.path.exists(path):
            self.make(kind, size, path + '.new')
            os.rename(path + '.new', path)
        return path

    def most(self, kind):
        """None: as many bytes as are wanted."""
        return os.path.getsize(self.vmcore) if kind == 'vmcore' else None

    def make(self, kind, size, path):
        if kind == 'vmcore':
            with open(self.vmcore, 'rb') as source, open(path, 'wb') as to:
                shutil.copyfileobj(source, to, MIB)
                to.truncate(size)
        else:
            {'random': random_bytes, 'half-zero': half_zero, 'memory': memory}[kind](path, size)
