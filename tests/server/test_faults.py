#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""What goes wrong around a dump receiver, each fault against the real daemon, with the outcome
that a person needs."""

import contextlib
import gzip
import os
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time

from kdp import DATA, EOF, ERROR, PANICD, SEEK, Panicd, Refused, Sender, Tap, packet, wrq

QUICK = '[policy]\nfloor = 0\n[time]\nidle = 2s\nstall = 2s\n'


class SmallDisk:
    """A tmpfs of its own; needs root."""

    def __init__(self, mib):
        self.path = tempfile.mkdtemp(prefix='panicd-disk-')
        self.mounted = subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=%dm' % mib, 'tmpfs',
                                       self.path], capture_output=True).returncode == 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.mounted:
            subprocess.run(['umount', self.path], check=True)
        os.rmdir(self.path)


def disk_full():
    """disk full: ERROR 3, the dump is kept as incomplete, and another dump fares no worse"""
    with SmallDisk(8) as disk:
        if not disk.mounted:
            return 'needs root to mount a small disk'
        panicd = Panicd(directory=disk.path + '/d', config='[receive]\nslots = 64\n'
                        '[policy]\nfloor = 0\n[time]\nstall = 2s\n')
        panicd.start()
        try:
            small, big = Sender(panicd.port), Sender(panicd.port, patience=20)
            small.open('core-small')
            small.data(b'first')
            try:
                big.dump('core-big', os.urandom(12 << 20))
                raise AssertionError('a dump larger than the disk was taken')
            except Refused as e:
                assert e.code == 3, e
            big.close()
            end = time.monotonic() + 10
            while True:
                row = [r for r in panicd.rows() if r['name'] == 'core-big'][-1:]
                if (row and row[0]['state'] == 'incomplete') or time.monotonic() > end:
                    break
                time.sleep(0.05)
            assert row, panicd.log()
            row = row[0]
            assert row['state'] == 'incomplete' and 'disk full' in row['reason'], row
            assert row['file'].endswith('.incomplete'), row
            os.unlink(os.path.join(panicd.directory, row['file']))  # room appears
            small.data(b' second')
            small.eof()
            small.close()
            end = time.monotonic() + 10
            while 'core-small' not in panicd.files() and time.monotonic() < end:
                time.sleep(0.05)
            assert panicd.read('core-small') == b'first second'
        finally:
            panicd.remove()
    return None


def disk_full_for_a_while():
    """room that appears within the sender's patience saves the dump"""
    with SmallDisk(8) as disk:
        if not disk.mounted:
            return 'needs root to mount a small disk'
        panicd = Panicd(directory=disk.path + '/d',
                        config='[policy]\nfloor = 0\n[time]\nstall = 20s\n[receive]\nslots = 64\n')
        panicd.start()
        try:
            ballast = disk.path + '/ballast'
            with open(ballast, 'wb') as f:
                f.write(b'x' * (4 << 20))
            content = os.urandom(3 << 20)
            sender = Sender(panicd.port, patience=30)
            timer = threading.Timer(2.0, os.unlink, [ballast])
            timer.start()
            sender.dump('core-late', content)
            timer.join()
            sender.close()
            assert sender.repeats > 3, 'the disk was never full'
            assert panicd.settled(1)[0]['state'] == 'complete'
            assert panicd.read('core-late') == content
        finally:
            panicd.remove()
    return None


def final_ack_lost():
    """final ACK lost: a repeated EOF is answered again, also by a restarted server"""
    with Panicd() as panicd:
        sender = Sender(panicd.port)
        sender.dump('core-x', b'x' * 3000)
        eof = packet(EOF, sender.block - 1)
        for _ in range(3):
            sender.sock.sendto(eof, sender.to)
            assert sender.receive(2) == packet(4, sender.block - 1)
        panicd.kill()
        panicd.start()
        sender.sock.sendto(eof, sender.to)
        assert sender.receive(2) == packet(4, sender.block - 1)
        sender.close()
        rows = panicd.settled(1)
        assert [r['state'] for r in rows] == ['complete'] and panicd.files() == ['core-x']


def forgotten_in_order():
    """a full table forgets the dump that ended longest ago, also after a restart"""
    with Panicd(config='[policy]\nfloor = 0\n[receive]\nslots = 16\n') as panicd:
        last = Sender(panicd.port)
        last.open('core-last')
        last.data(b'last')
        for i in range(15):
            sender = Sender(panicd.port)
            sender.dump('core-%d' % i, b'x')
            sender.close()
        last.eof()
        panicd.kill()
        panicd.start()
        for i in range(3):
            sender = Sender(panicd.port)
            sender.dump('core-new-%d' % i, b'x')
            sender.close()
        eof = packet(EOF, last.block - 1)
        last.sock.sendto(eof, last.to)
        assert last.receive(2) == packet(4, last.block - 1)
        last.close()


def killed_in_the_middle():
    """server killed in the middle: the same sender goes on, the file has its name once"""
    with Panicd() as panicd:
        sender = Sender(panicd.port)
        sender.open('core-x')
        sender.data(b'a' * 1406)
        panicd.kill()
        assert panicd.files() == ['core-x.part']
        panicd.start()
        sender.data(b'b' * 10)
        sender.eof()
        sender.close()
        panicd.settled(1)
        assert panicd.read('core-x') == b'a' * 1406 + b'b' * 10


def sender_powered_off():
    """sender powered off: kept under NAME.incomplete with the reason, and the name is free"""
    with Panicd(config=QUICK) as panicd:
        sender = Sender(panicd.port)
        sender.open('core-x')
        sender.data(b'a' * 1000)
        sender.close()
        rows = panicd.settled(1)
        assert rows[0]['state'] == 'incomplete' and 'silent' in rows[0]['reason'], rows
        assert rows[0]['missing'], rows
        assert panicd.files() == ['core-x.incomplete']
        again = Sender(panicd.port)
        again.dump('core-x', b'whole')
        again.close()
        assert len(panicd.settled(2)) == 2


def same_name_at_once():
    """two hosts, same name, same moment: two files, each exact"""
    with Panicd() as panicd:
        a, b = Sender(panicd.port), Sender(panicd.port, bind=('127.0.0.2', 0))
        a.open('core-x')
        b.open('core-x')
        for i in range(100):
            a.data(b'A' * 1406)
            b.data(b'B' * 1000)
        a.eof()
        b.eof()
        a.close()
        b.close()
        rows = panicd.settled(2)
        got = sorted(panicd.read(r['file']) for r in rows)
        assert got == [b'A' * 140600, b'B' * 100000]
        assert [r['name'] for r in rows] == ['core-x', 'core-x'], rows


def duplicate_wrq():
    """duplicate WRQ: answered again, one file, from one port"""
    with Panicd() as panicd:
        sender = Sender(panicd.port)
        for _ in range(5):
            sender.sock.sendto(wrq('core-x'), sender.to)
        for _ in range(5):
            assert sender.receive(2) == b'\3\4\0\0\0\0'
        sender.block, sender.size = 1, 1406
        sender.data(b'data')
        sender.eof()
        sender.close()
        panicd.settled(1)
        assert panicd.files() == ['core-x']


def duplicated_packets():
    """every packet twice: no slower than its packets, and exact"""
    with Panicd() as panicd:
        sender = Sender(panicd.port, rto=5)
        content = os.urandom(300000)
        once = sender.sock

        class Twice:
            def sendto(self, data, to):
                once.sendto(data, to)
                once.sendto(data, to)

            def __getattr__(self, name):
                return getattr(once, name)

        sender.sock = Twice()
        start = time.monotonic()
        sender.dump('core-x', content)
        took = time.monotonic() - start
        once.close()
        panicd.settled(1)
        assert panicd.read('core-x') == content
        assert sender.repeats == 0, 'took %.1f s' % took


def no_name_service():
    """no name service: the first answer waits for none (the daemon opens no other socket)"""
    with Panicd() as panicd:
        sender = Sender(panicd.port)
        start = time.monotonic()
        sender.dump('core-x', b'x')
        assert time.monotonic() - start < 5
        sender.close()
        panicd.settled(1)  # a child that checks has a socket of its own
        time.sleep(0.2)
        fds = '/proc/%d/fd' % panicd.process.pid
        targets = []
        for fd in os.listdir(fds):
            with contextlib.suppress(FileNotFoundError):  # closed meanwhile: it checks a dump
                targets.append(os.readlink(os.path.join(fds, fd)))
        sockets = sum('socket:' in target for target in targets)
        assert sockets == 2, sockets  # UDP and control


def forged_requests():
    """300 forged WRQs: no file, no process, one small answer each"""
    with Panicd() as panicd:
        before = len(os.listdir('/proc/%d/task' % panicd.process.pid))
        memory = panicd.memory_kib()
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind(('127.0.0.9', 0))
        answers = 0
        for i in range(300):
            s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            s.settimeout(2)
            s.sendto(wrq('forged-%d' % i), ('127.0.0.1', panicd.port))
            answers += len(s.recv(2048)) == 6
            s.settimeout(0)
            try:
                s.recv(2048)
                raise AssertionError('a second answer to one WRQ')
            except BlockingIOError:
                pass
            s.close()
        sock.close()
        time.sleep(2.5)
        assert answers == 300
        assert panicd.files() == [] and panicd.rows() == []
        assert len(os.listdir('/proc/%d/task' % panicd.process.pid)) == before
        assert panicd.memory_kib() - memory < 4096, panicd.memory_kib() - memory


def garbage():
    """garbage at 20,000 packets a second: a real WRQ is answered within the sender's patience"""
    with Panicd() as panicd:
        flood = subprocess.Popen([sys.executable, '-c', '''
import os, socket, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
junk = [os.urandom(n) for n in (1, 5, 6, 40, 600, 1412)]
end = time.monotonic() + 6
n = 0
while time.monotonic() < end:
    for _ in range(200):
        s.sendto(junk[n % 6], ("127.0.0.1", PORT))
        n += 1
    time.sleep(0.01)
'''.replace('PORT', str(panicd.port))])
        time.sleep(0.5)
        sender = Sender(panicd.port, rto=1.0)
        sender.open('core-x')
        content = os.urandom(200000)
        for at in range(0, len(content), sender.size):
            sender.data(content[at:at + sender.size])
        sender.eof()
        sender.close()
        flood.wait()
        assert panicd.ask('status')['counters']['garbage'] > 10000
        panicd.settled(1)
        assert panicd.read('core-x') == content and panicd.files() == ['core-x']


def stale_and_future_blocks():
    """blocks that are not expected draw no answer, and change nothing"""
    with Panicd() as panicd:
        sender = Sender(panicd.port)
        sender.open('core-x')
        sender.data(b'one')
        sender.data(b'two')
        for op in (DATA, SEEK, EOF, 4, 1, 9):
            for block in (0, 1, 4, 5, 99, 2**32 - 1):
                sender.sock.sendto(packet(op, block, b'\0' * 8), sender.to)
        for junk in (b'', b'\0', b'\0\3', b'\0\3\0\0\0', b'\3\3\0\0\0\3junk'):
            sender.sock.sendto(junk, sender.to)
        assert sender.receive(0.3) is None
        sender.data(b'three')
        sender.eof()
        sender.close()
        panicd.settled(1)
        assert panicd.read('core-x') == b'onetwothree'


def seek_to_the_moon():
    """SEEK to 2^62: ERROR 3, and no monstrous file"""
    with Panicd(config='[policy]\nfloor = 0\ndump-bytes = 1T\n') as panicd:
        sender = Sender(panicd.port)
        sender.open('core-x')
        sender.data(b'x')
        try:
            sender.seek(1 << 62)
            raise AssertionError('taken')
        except Refused as e:
            assert e.code == 3, e
        sender.close()
        row = panicd.settled(1)[0]
        assert row['state'] == 'incomplete' and row['bytes'] == 1, row


def bad_names():
    """names: .hidden, -rf, escape codes, .., %s%n, 0xFF are kept as metadata, not as file names"""
    names = [b'.hidden', b'-rf', b'a\nb\x1b[31m', b'../../etc/passwd', b'%s%n', b'\xff\xfe', b'',
             b'a/b', b'x.part', b'y.incomplete', b'n' * 300]
    with Panicd() as panicd:
        for name in names:
            sender = Sender(panicd.port)
            sender.dump(name, b'content')
            sender.close()
        rows = panicd.settled(len(names))
        assert len(panicd.files()) == len(names)
        for row in rows:
            assert row['file'].startswith('unnamed-127.0.0.1-'), row
            assert panicd.read(row['file']) == b'content'
        assert rows[0]['name'] == '.hidden' and rows[3]['name'] == '../../etc/passwd', rows
        assert '\x1b' not in panicd.log()


def dangling_link():
    """a dangling symbolic link with the dump's name is not written through"""
    with Panicd() as panicd:
        target = panicd.directory + '.elsewhere'
        os.symlink(target, os.path.join(panicd.directory, 'core-x'))
        os.symlink(target, os.path.join(panicd.directory, 'core-y.part'))
        for name in ('core-x', 'core-y'):
            sender = Sender(panicd.port)
            sender.dump(name, b'secret')
            sender.close()
        rows = panicd.settled(2)
        assert not os.path.exists(target)
        assert sorted(r['file'] for r in rows) == ['core-x.1', 'core-y.1'], rows


def many_senders(count):
    with Panicd() as panicd:
        contents = {'core-%d' % i: random.Random(i).randbytes(30000 + i) for i in range(count)}
        senders = {}
        for name in contents:
            s = senders[name] = Sender(panicd.port)
            s.sock.setblocking(False)
        pending = {}
        for name, s in senders.items():
            pending[s.sock] = [name, 0, 0.0, wrq(name)]
        fd_map = {s: p for s, p in pending.items()}
        import select
        poll = select.epoll()
        by_fd = {s.fileno(): s for s in fd_map}
        now = time.monotonic()
        for s, p in fd_map.items():
            poll.register(s.fileno(), select.EPOLLIN)
            s.sendto(p[3], ('127.0.0.1', panicd.port))
            p[2] = now
        end = now + 120
        while fd_map and time.monotonic() < end:
            for fd, _ in poll.poll(0.05):
                s = by_fd[fd]
                p = fd_map.get(s)
                try:
                    got = s.recv(2048)
                except BlockingIOError:
                    continue
                if p is None:
                    continue
                op, block = int.from_bytes(got[:2], 'big'), int.from_bytes(got[2:6], 'big')
                assert op & 0xff == 4, got
                if block != p[1]:
                    continue
                content = contents[p[0]]
                at = p[1] * 1406
                p[1] += 1
                if at >= len(content) and p[3][1] == EOF:
                    del fd_map[s]
                    continue
                p[3] = (packet(DATA, p[1], content[at:at + 1406]) if at < len(content)
                        else packet(EOF, p[1]))
                s.sendto(p[3], ('127.0.0.1', panicd.port))
                p[2] = time.monotonic()
            now = time.monotonic()
            for s, p in fd_map.items():
                if now - p[2] > 1.0:
                    s.sendto(p[3], ('127.0.0.1', panicd.port))
                    p[2] = now
        assert not fd_map, '%d senders did not end' % len(fd_map)
        peak = panicd.memory_kib('VmHWM')
        for s in senders.values():
            s.close()
        rows = panicd.settled(count, timeout=120)
        assert all(r['state'] == 'complete' for r in rows)
        for name, content in contents.items():
            assert panicd.read(name) == content, name
        print('# %d senders, peak memory %d KiB' % (count, peak))
        assert peak < 128 * 1024, peak


def ten_senders():
    """10 concurrent senders: every file identical"""
    many_senders(10)


def hundred_senders():
    """100 concurrent senders: every file identical"""
    many_senders(100)


def five_hundred_senders():
    """500 concurrent senders: every file identical, in bounded memory"""
    many_senders(500)


def spoofed_takeover():
    """a forged WRQ and a forged ERROR with the sender's address do not end a live dump"""
    with Panicd() as panicd:
        sender = Sender(panicd.port)
        sender.open('core-x')
        sender.data(b'one')
        for forged in (wrq('other'), packet(ERROR, 0, b'die\0'), wrq('other'), wrq('core-x')):
            sender.sock.sendto(forged, sender.to)
        assert sender.receive(0.3) is None
        sender.data(b'two')
        sender.eof()
        sender.close()
        assert [r['state'] for r in panicd.settled(1)] == ['complete']
        assert panicd.read('core-x') == b'onetwo'


def junk_behind_a_log():
    """the junk that Apple's kernel drags behind a panic log never reaches the file"""
    with Panicd() as panicd:
        name = 'paniclog-xnu-1228.5.20-10.0.0.7-3f2a'
        text = os.urandom(3000)
        junk = b'Y' * (len(name) + 1)
        sender = Sender(panicd.port)
        sender.open(name)
        for at in range(0, len(text), sender.size):
            sender.data(text[at:at + sender.size] + junk)
        sender.eof()
        sender.close()
        row = panicd.settled(1)[0]
        assert row['state'] == 'complete' and row['bytes'] == len(text), row
        assert panicd.read(name) == text


def forged_data():
    """a forged block with the sender's address and number is taken; the check of the dump tells"""
    with Panicd() as panicd:
        content = gzip.compress(os.urandom(20000))
        sender = Sender(panicd.port)
        sender.open('core-x.gz')
        sender.data(content[:1406])
        sender.sock.sendto(packet(DATA, 2, os.urandom(1406)), sender.to)
        time.sleep(0.1)
        for at in range(1406, len(content), 1406):
            sender.data(content[at:at + 1406])
        sender.eof()
        sender.close()
        row = panicd.settled(1)[0]
        assert row['state'] == 'incomplete' and row['reason'], row


def two_servers():
    """two servers on one directory: the second says so and exits"""
    with Panicd() as panicd:
        second = subprocess.run([PANICD, '--port', str(panicd.port + 1), panicd.directory],
                                capture_output=True, text=True, timeout=20)
        assert second.returncode == 2 and 'another panicd' in second.stderr, second
        assert str(panicd.process.pid) in second.stderr, second.stderr
        sender = Sender(panicd.port)
        sender.dump('core-x', b'still there')
        sender.close()


def port_taken():
    """a port in use: the error names it and says what to type"""
    with Panicd() as panicd:
        other = tempfile.mkdtemp(prefix='panicd-test-')
        second = subprocess.run([PANICD, '--address', '127.0.0.1', '--port', str(panicd.port),
                                 other], capture_output=True, text=True, timeout=20)
        subprocess.run(['rm', '-rf', other], check=True)
        assert second.returncode == 2 and 'ss -ulpn' in second.stderr, second


ALL = [disk_full, disk_full_for_a_while, final_ack_lost,
       forgotten_in_order, killed_in_the_middle, sender_powered_off,
       same_name_at_once, duplicate_wrq, duplicated_packets, no_name_service, forged_requests,
       garbage, stale_and_future_blocks, seek_to_the_moon, bad_names, dangling_link, ten_senders,
       hundred_senders, five_hundred_senders, spoofed_takeover, junk_behind_a_log, forged_data, two_servers, port_taken]

if __name__ == '__main__':
    tap = Tap()
    for one in ALL:
        if len(sys.argv) < 2 or one.__name__ in sys.argv[1:]:
            tap.run(one)
    sys.exit(tap.done())
