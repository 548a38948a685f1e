#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""What panicdump sends is what panicctl hands out, byte for byte; and what is told of it is true.

PND_BIG=0 leaves out the gigabyte of random bytes, which takes 3 GiB of disk for a while."""
import contextlib
import gzip
import hashlib
import json
import os
import random
import shutil
import struct
import subprocess
import sys
import tempfile

from kdp import PANICCTL, PANICDUMP, Panicd, Sender, Tap

PAGE = 4096
MIB, GIB = 1 << 20, 1 << 30
BIG_ROOM = 4 * GIB   # free disk that the gigabyte asks for: source, dump, copy, and some
WAYS = [('plain', []), ('gzip', ['--gzip']), ('lz4', ['--compress', 'lz4']),
        ('auto', ['--compress', 'auto']), ('no-sparse', ['--no-sparse'])]
KEYS = ['id', 'name', 'path', 'state', 'reason', 'bytes', 'peer', 'protocol', 'received_at',
        'sha256']


BLOCK = 4 * MIB
ZEROS = memoryview(bytes(BLOCK))


def blocks(path):
    """The bytes of a file. Holes are not read: that would fill the page cache with zeros."""
    with open(path, 'rb', buffering=0) as f:
        size = os.fstat(f.fileno()).st_size
        at, buffer = 0, memoryview(bytearray(BLOCK))
        while at < size:
            try:
                data = os.lseek(f.fileno(), at, os.SEEK_DATA)
            except OSError:   # ENXIO: only a hole is left
                data = size
            while at < data:
                part = ZEROS[:min(BLOCK, data - at)]
                at += len(part)
                yield part
            end = os.lseek(f.fileno(), at, os.SEEK_HOLE) if at < size else size
            f.seek(at)
            while at < end:
                n = f.readinto(buffer[:min(BLOCK, end - at)])
                assert n, '%s has shrunk' % path
                at += n
                yield buffer[:n]


def sha256(path):
    digest = hashlib.sha256()
    for block in blocks(path):
        digest.update(block)
    return digest.hexdigest()


def write_all(fd, block):
    while len(block):
        block = block[os.write(fd, block):]


class Bench:
    """A server, and a place for what is sent and what comes out."""

    def __enter__(self):
        self.dir = tempfile.mkdtemp(prefix='panicd-bytes-')
        self.panicd = Panicd(base=self.dir)
        self.count = 0
        try:
            self.panicd.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.panicd.remove()
        shutil.rmtree(self.dir)

    def path(self, name):
        return os.path.join(self.dir, name)

    def make(self, name, content):
        with open(self.path(name), 'wb') as f:
            f.write(content)
        return self.path(name)

    def ctl(self, *args, code=0):
        out = subprocess.run([PANICCTL, '--directory', self.panicd.directory, *args],
                             capture_output=True, text=True, timeout=300)
        assert out.returncode == code, (args, out)
        return out

    def json(self, *args, code=0):
        return json.loads(self.ctl(*args, '--json', code=code).stdout)

    def send(self, source, name, *options, pipe=False):
        """@p pipe: through the standard input, in the pieces that a pipe makes."""
        command = [PANICDUMP, 'send', '--server', '127.0.0.1', '--port', str(self.panicd.port),
                   '-q', *options]
        if name:
            command += ['--name', name]
        if pipe:
            process = subprocess.Popen(command + ['-'], stdin=subprocess.PIPE,
                                       stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            with contextlib.suppress(BrokenPipeError):   # what it says then is looked at below
                for block in blocks(source):
                    write_all(process.stdin.fileno(), block)
            out = process.communicate(timeout=120)
            code = process.returncode
        else:
            out = subprocess.run(command + [source], stdin=subprocess.DEVNULL,
                                 capture_output=True, text=True, timeout=500)
            code = out.returncode
        assert code == 0, (command, code, out)

    def export(self, *options):
        out = self.path('exported')
        self.ctl('export', 'latest', '--force', '-o', out, *options)
        return out

    def round_trip(self, content, source, pipe, options):
        """Sends, takes out, compares, asks what is known of it. @return the row"""
        self.count += 1
        name = 'core-%d' % self.count
        unpack = ['--decompress'] if {'--gzip', '--compress'} & set(options) else []
        self.send(source, name, *options, pipe=pipe)
        with open(self.export(*unpack), 'rb') as f:
            assert f.read() == content, (name, len(content), pipe, options)
        self.ctl('verify', 'latest')
        row = self.json('info', 'latest')
        stored = self.panicd.read(row['file'])
        assert (row['name'], row['state'], row['reason']) == (name, 'complete', ''), row
        assert row['bytes'] == len(stored), row
        assert row['sha256'] == hashlib.sha256(stored).hexdigest(), row
        if not unpack:
            assert stored == content, row
        return row


def stored_bytes(path):
    return os.stat(path).st_blocks * 512


def every_way(bench, content):
    source = bench.make('source', content)
    for pipe in (False, True):
        for _, options in WAYS:
            bench.round_trip(content, source, pipe, options)


def size_test(bench, size):
    def test():
        every_way(bench, random.Random(size).randbytes(size))
        every_way(bench, bytes(size))
    test.__doc__ = ('%d bytes, random and zero, from a file and a pipe, plain, packed in each way '
                    'and --no-sparse: the same come out' % size)
    return test


def mixed(size, seed):
    """Pages of zeros and of noise, runs that start and end anywhere, zeros at both ends."""
    rng = random.Random(seed)
    content = bytearray(size)
    at = PAGE
    while at < size - 3 * PAGE:
        length = rng.choice([1, 100, PAGE, 3 * PAGE, 1406, 40000])
        length = min(length, size - 3 * PAGE - at)
        content[at:at + length] = rng.randbytes(length)
        at += length
        at += rng.choice([0, 1, 4095, PAGE, 4097, 2 * PAGE, 50000])
        if rng.random() < 0.5:
            at -= at % PAGE
    return bytes(content)


def mixed_pages(bench):
    def test():
        """5 MiB of zero and random pages come out the same; zeros are holes, or not, as asked"""
        content = mixed(5 * MIB, 5)
        source = bench.make('source', content)
        for pipe in (False, True):
            taken = {}
            for way, options in WAYS:
                row = bench.round_trip(content, source, pipe, options)
                taken[way] = stored_bytes(row['path'])
            assert taken['no-sparse'] >= len(content), taken
            assert taken['plain'] < len(content) - MIB, taken
    return test


def make_sparse(path):
    """5 GiB with a few bytes at odd places; the first and the last are zeros."""
    rng = random.Random(55)
    with open(path, 'wb') as f:
        for at in (1, PAGE - 1, 123457, 2 ** 31 - 3, 2 ** 31 + 4097, 2 ** 32 - 1, 2 ** 32 + 5,
                   2 ** 32 + 70000, 5 * GIB - 70001):
            f.seek(at)
            f.write(rng.randbytes(rng.choice([1, 7, 1406, 9000])).replace(b'\0', b'\1'))
        f.truncate(5 * GIB + 12345)


def sparse_test(bench, pipe):
    def test():
        source = bench.path('sparse')
        if not os.path.exists(source):
            make_sparse(source)
            bench.sparse_sha256 = sha256(source)
        bench.send(source, 'core-sparse', pipe=pipe)
        row = bench.panicd.settled(1, timeout=120)[-1]
        assert row['state'] == 'complete' and row['bytes'] == os.stat(source).st_size, row
        assert row['sha256'] == bench.sparse_sha256, row
        assert stored_bytes(row['path']) < 2 * MIB, stored_bytes(row['path'])
        out = bench.export()
        assert os.stat(out).st_size == os.stat(source).st_size
        assert sha256(out) == bench.sparse_sha256
        assert stored_bytes(out) < 2 * MIB, stored_bytes(out)
        bench.ctl('rm', 'latest')
    test.__doc__ = ('5 GiB with holes from a %s: the same size and SHA-256, and few blocks on '
                    'either disk' % ('pipe' if pipe else 'file'))
    return test


def make_big(path):
    digest = hashlib.sha256()
    with open(path, 'wb', buffering=0) as f:
        for _ in range(GIB // (16 * MIB)):
            block = os.urandom(16 * MIB)
            digest.update(block)
            f.write(block)
    return digest.hexdigest()


def big_test(bench, pipe):
    def test():
        if os.environ.get('PND_BIG') == '0':
            return 'PND_BIG=0 asks for no gigabyte'
        source = bench.path('big')
        if not os.path.exists(source):
            free = shutil.disk_usage(bench.dir).free
            if free < BIG_ROOM:
                return '%s has %d MiB free, and %d are needed' % (bench.dir, free // MIB,
                                                                  BIG_ROOM // MIB)
            bench.big_sha256 = make_big(source)
        bench.send(source, 'core-big', pipe=pipe)
        row = bench.panicd.settled(1, timeout=120)[-1]
        assert row['state'] == 'complete' and row['bytes'] == GIB, row
        assert row['sha256'] == bench.big_sha256, row
        out = bench.export()
        assert sha256(out) == bench.big_sha256
        bench.ctl('verify', 'latest')
        bench.ctl('rm', 'latest')
        os.unlink(out)
        if pipe:
            os.unlink(source)
        return None
    test.__doc__ = '1 GiB of random bytes from a %s: the same comes out' % (
        'pipe' if pipe else 'file')
    return test


def names_by_default():
    """without --name a file keeps its name, --gzip adds .gz, a pipe is called stdin-HOST-TIME"""
    with Bench() as bench:
        source = bench.make('vmcore', b'x' * 5000)
        bench.send(source, None)
        bench.send(source, None, '--gzip')
        bench.send(source, None, pipe=True)
        bench.send(source, None, '--gzip', pipe=True)
        names = [row['name'] for row in bench.panicd.settled(4)]
        assert names[:2] == ['vmcore', 'vmcore.gz'], names
        assert names[2].startswith('stdin-') and not names[2].endswith('.gz'), names
        assert names[3].startswith('stdin-') and names[3].endswith('.gz'), names


def json_fields():
    """list and info --json have id, name, path, state, reason, bytes, peer and the rest, right"""
    with Bench() as bench:
        content = random.Random(1).randbytes(70000)
        row = bench.round_trip(content, bench.make('source', content), False, [])
        listed = bench.json('list')['dumps']
        assert len(listed) == 1, listed
        for one in (row, listed[0]):
            assert all(key in one for key in KEYS), one
            assert one['id'] == 1 and one['bytes'] == 70000 and one['missing'] == [], one
            assert one['peer'] == '127.0.0.1' and one['protocol'] == 'kdp-ext', one
            assert one['path'] == os.path.join(bench.panicd.directory, 'core-1'), one
            assert one['sha256'] == hashlib.sha256(content).hexdigest(), one
            assert one['received_at'].endswith('Z') and one['format'] == 'data', one
        assert all(listed[0][key] == row[key] for key in listed[0]), (listed, row)


def latest_is_the_last_begun():
    """list is in the order in which dumps began, and latest is its last line, also after rm"""
    with Bench() as bench:
        first, second = Sender(bench.panicd.port), Sender(bench.panicd.port)
        first.open('core-first')
        first.data(b'1')
        second.open('core-second')
        second.data(b'2')
        second.eof()
        first.eof()   # the first to begin is the last to end
        first.close()
        second.close()
        bench.panicd.settled(2)
        rows = bench.json('list')['dumps']
        assert [row['name'] for row in rows] == ['core-first', 'core-second'], rows
        assert bench.json('info', 'latest')['name'] == 'core-second'
        bench.ctl('rm', 'latest')
        assert bench.json('info', 'latest')['name'] == 'core-first'
        bench.send(bench.make('source', b'3'), 'core-third')
        row = bench.json('info', 'latest')
        assert row['name'] == 'core-third' and row['id'] > rows[1]['id'], row


def sent_twice():
    """a dump sent twice is kept twice: the second file has a number, before .gz"""
    with Bench() as bench:
        one, two = bench.make('one', b'1' * 3000), bench.make('two', b'2' * 4000)
        for source in (one, two):
            bench.send(source, 'core-x')
            bench.send(source, 'core-x.gz', '--gzip')
        rows = bench.panicd.settled(4)
        assert [row['file'] for row in rows] == ['core-x', 'core-x.gz', 'core-x.1', 'core-x.1.gz']
        assert [row['name'] for row in rows] == ['core-x', 'core-x.gz'] * 2, rows
        assert bench.panicd.read('core-x') == b'1' * 3000
        assert bench.panicd.read('core-x.1') == b'2' * 4000
        assert gzip.decompress(bench.panicd.read('core-x.1.gz')) == b'2' * 4000


def removed():
    """rm removes the file and the line, and then there is no such dump"""
    with Bench() as bench:
        source = bench.make('source', b'x' * 3000)
        bench.send(source, 'core-a')
        bench.send(source, 'core-b')
        bench.panicd.settled(2)
        bench.ctl('rm', '1')
        assert bench.panicd.files() == ['core-b']
        assert [row['id'] for row in bench.json('list')['dumps']] == [2]
        bench.ctl('info', '1', code=2)
        bench.ctl('rm', '1', code=2)
        bench.send(source, 'core-a')
        assert bench.panicd.files() == ['core-a', 'core-b'], 'the name is free again'


def one_flipped_byte():
    """one byte changed in the stored file: verify says corrupt and ends with 1"""
    with Bench() as bench:
        source = bench.make('source', random.Random(3).randbytes(300000))
        for way, options in WAYS:
            bench.send(source, 'core-' + way, *options)
            row = bench.panicd.settled(1)[-1]
            bench.ctl('verify', 'latest')
            with open(row['path'], 'r+b') as f:
                f.seek(200001)
                byte = f.read(1)
                f.seek(200001)
                f.write(bytes([byte[0] ^ 0x10]))
            out = bench.ctl('verify', 'latest', code=1).stdout
            assert out.splitlines()[0] == '%s: corrupt' % row['file'], out
            answer = bench.json('verify', 'latest', code=1)
            assert answer['verdict'] == 'corrupt' and answer['reason'], answer
            assert answer['sha256_received'] == row['sha256'] != answer['sha256'], answer


def truncated_gzip():
    """a gzip file that was cut before it was sent is incomplete, and its reason is the trailer"""
    with Bench() as bench:
        content = random.Random(4).randbytes(200000)
        packed = gzip.compress(content, 1)
        for cut in (1, 8, 9, 100000, len(packed) - 5):
            bench.send(bench.make('cut.gz', packed[:-cut]), 'core-%d.gz' % cut)
            row = bench.panicd.settled(1)[-1]
            assert row['state'] == 'incomplete' and row['missing'], (cut, row)
            assert 'gzip trailer' in row['reason'], (cut, row)
            assert row['bytes'] == len(packed) - cut, (cut, row)
            assert row['file'] == 'core-%d.gz.incomplete' % cut, row
            out = bench.ctl('verify', 'latest', code=1).stdout
            assert out.splitlines()[0] == row['file'] + ': incomplete', out
            out = bench.ctl('export', 'latest', '--decompress', '--force', '-o',
                            bench.path('part'))
            assert 'incomplete' in out.stderr, out
            with open(bench.path('part'), 'rb') as f:
                assert content.startswith(f.read()), cut


def elf_core(sizes):
    """An ELF core with a segment of each size, one behind the other from the second page on."""
    header = struct.pack('<16sHHIQQQIHHHHHH', b'\x7fELF\2\1\1', 4, 62, 1, 0, 64, 0, 0, 64, 56,
                         len(sizes), 0, 0, 0)
    table, body, at = b'', b'', PAGE
    for i, size in enumerate(sizes):
        table += struct.pack('<IIQQQQQQ', 1, 7, at, 0, i << 32, size, size, PAGE)
        body += random.Random(i).randbytes(size)
        at += size
    return (header + table).ljust(PAGE, b'\0') + body


def truncated_elf():
    """an ELF core without its end is incomplete, and the missing bytes are named"""
    core = elf_core([3 * PAGE, 10 * PAGE, 5 * PAGE])
    end = len(core)
    cuts = {end - 1: [(end - 1, end)], end - 6 * PAGE - 7: [(end - 6 * PAGE - 7, end)],
            PAGE: [(PAGE, end)]}
    with Bench() as bench:
        for options, packing in (([], ''), (['--gzip'], 'gzip+'),
                                 (['--compress', 'lz4'], 'lz4+'),
                                 (['--compress', 'zstd'], 'zstd+')):
            whole = bench.round_trip(core, bench.make('core', core), True, options)
            assert whole['format'] == packing + 'elf', whole
            for cut, missing in cuts.items():
                bench.send(bench.make('cut', core[:cut]), 'core-cut-%d' % cut, *options)
                row = bench.panicd.settled(1)[-1]
                found = [(r['start'], r['end']) for r in row['missing']]
                assert row['state'] == 'incomplete' and found == missing, (cut, row)
                assert 'ELF' in row['reason'] and str(end) in row['reason'], row
                out = bench.ctl('verify', 'latest', code=1).stdout
                assert out.splitlines()[0] == row['file'] + ': incomplete', out
                assert 'missing    bytes %d to %d' % (missing[0][0], end - 1) in out, out
                answer = bench.json('verify', 'latest', code=1)
                assert [(r['start'], r['end']) for r in answer['missing']] == missing, answer


SIZES = [0, 1, 511, 512, 513, 1405, 1406, 1407, 4095, 4096, 4097, 100000]
ALONE = [names_by_default, json_fields, latest_is_the_last_begun, sent_twice, removed,
         one_flipped_byte, truncated_gzip, truncated_elf]


def main(words):
    tap = Tap()
    for one in ALONE:
        if not words or one.__name__ in words:
            tap.run(one)
    for word, tests in (
            ('sizes', lambda b: [size_test(b, size) for size in SIZES] + [mixed_pages(b)]),
            ('sparse', lambda b: [sparse_test(b, pipe) for pipe in (False, True)]),
            ('big', lambda b: [big_test(b, pipe) for pipe in (False, True)])):
        if words and word not in words:
            continue
        with Bench() as bench:   # the big files of one are gone before the next
            for one in tests(bench):
                tap.run(one)
    return tap.done()


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
