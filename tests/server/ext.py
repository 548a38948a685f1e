# SPDX-License-Identifier: BSD-2-Clause
"""A sender of the extension, written from PROTOCOL.md section 12 alone: slow, and as odd as a test
wants it to be."""
import os
import random
import select
import socket
import struct
import time

from kdp import ACK, ERROR, Refused, wrq

FEATURE = 0x10000
OPEN, OPENED, DATA, ZERO, END, PROBE, EXT_ACK, STOP = range(0x10, 0x18)
NOW = 1
M64 = (1 << 64) - 1


def _primes(count):
    found, n = [], 2
    while len(found) < count:
        if all(n % p for p in found):
            found.append(n)
        n += 1
    return found


def _key(prime):
    """The first 32 bits behind the point of its cube root, the lowest set."""
    scaled = prime << 96
    root = 1 << 36
    while True:   # Newton, in integers
        step = (2 * root + scaled // (root * root)) // 3
        if abs(step - root) <= 1:
            break
        root = step
    while root ** 3 > scaled:
        root -= 1
    while (root + 1) ** 3 <= scaled:
        root += 1
    return root & 0xffffffff | 1


KEYS = [_key(p) for p in _primes(64)]


def _factor(cell):
    z = (cell + 1) * 0x9e3779b97f4a7c15 & M64
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9 & M64
    z = (z ^ z >> 27) * 0x94d049bb133111eb & M64
    return (z ^ z >> 31) | 1


def dump_sum(content):
    """PROTOCOL.md kdp-12.4"""
    total = 0
    content = content + b'\0' * (-len(content) % 256)
    for cell in range(len(content) // 256):
        words = struct.unpack_from('<64I', content, 256 * cell)
        if any(words):
            total += sum(w * k for w, k in zip(words, KEYS)) * _factor(cell)
    return total & M64


class Ack:
    def __init__(self, data):
        (_, self.flags, self.token, self.number, self.age_us, self.held, self.limit, self.packets,
         self.probed, count, self.at) = struct.unpack('>HHIIIQQIHHQ', data[:48])
        assert len(data) == 48 + 8 * count, len(data)
        self.ranges, end = [], self.at
        for i in range(count):
            gap, length = struct.unpack_from('>II', data, 48 + 8 * i)
            self.ranges.append((end + gap, end + gap + length))
            end += gap + length
        self.done = bool(self.flags & 1)


class ExtSender:
    def __init__(self, port, host='127.0.0.1', ident=None):
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.to = (host, port)
        self.ident = ident or os.urandom(16)
        self.token = self.number = 0
        self.offset = self.sum = 0

    def close(self):
        self.sock.close()

    def send(self, data):
        self.sock.sendto(data, self.to)

    def receive(self, timeout):
        """A datagram, or None. A server that is not there is silence."""
        end = time.monotonic() + timeout
        while True:
            left = end - time.monotonic()
            if not select.select([self.sock], [], [], max(left, 0))[0]:
                return None
            try:
                return self.sock.recv(65536)
            except ConnectionRefusedError:
                continue

    def ask(self, data, want, patience=20.0):
        """Repeats `data` until `want(answer)` is not None, and returns that."""
        end = time.monotonic() + patience
        while time.monotonic() < end:
            self.send(data)
            while True:
                got = self.receive(0.1)
                if got is None:
                    break
                op, = struct.unpack('>H', got[:2])
                if op == ERROR:
                    raise Refused(struct.unpack('>I', got[2:6])[0], got[6:].split(b'\0')[0].decode())
                if op == STOP:
                    raise Refused(struct.unpack('>H', got[2:4])[0], got[8:].decode())
                value = want(got)
                if value is not None:
                    return value
        raise AssertionError('no answer')

    def grant(self, name, patience=20.0):
        """The cookie; None when the server does not know the extension."""
        def want(got):
            op, block = struct.unpack('>HI', got[:6])
            if op & 0xff != ACK or block != 0:
                return None
            if not op >> 8 & 4:
                return ()
            assert got[6] == 1 and len(got) == 15, got
            return got[7:]
        return self.ask(wrq(name, 3 | FEATURE), want, patience) or None

    def open_packet(self, name, cookie, fresh=False):
        if isinstance(name, str):
            name = name.encode()
        return (struct.pack('>HHHH', OPEN, 1, fresh, 1472) + cookie + self.ident + name + b'\0')

    def open(self, name, fresh=False, patience=20.0):
        cookie = self.grant(name, patience)
        assert cookie, 'the server does not grant the extension'

        def want(got):
            if struct.unpack('>H', got[:2])[0] != OPENED:
                return None
            _, _, token, _, dgram_max, offset, total = struct.unpack('>HHIHHQQ', got)
            assert dgram_max >= 508
            return token, offset, total
        packet = self.open_packet(name, cookie, fresh)
        self.token, self.offset, self.sum = self.ask(packet, want, patience)
        self.number = 0

    def packet(self, op, offset, payload=b'', flags=0):
        self.number += 1
        return struct.pack('>HHIIQ', op, flags, self.token, self.number, offset) + payload

    def data(self, offset, payload, flags=0):
        self.send(self.packet(DATA, offset, payload, flags))

    def zero(self, offset, count, flags=0):
        self.send(self.packet(ZERO, offset, struct.pack('>Q', count), flags))

    def ack(self, timeout=1.0):
        """The last ACK that is there."""
        last = None
        while True:
            got = self.receive(timeout if last is None else 0)
            if got is None:
                return last
            op, = struct.unpack('>H', got[:2])
            if op == STOP:
                raise Refused(struct.unpack('>H', got[2:4])[0], got[8:].decode())
            if op == EXT_ACK:
                part = Ack(got)
                if last and part.at > part.held and part.number == last.number:
                    part.ranges = last.ranges + part.ranges
                last = part

    def until(self, held, patience=10.0):
        """The first ACK that says that all before `held` is held."""
        end = time.monotonic() + patience
        while time.monotonic() < end:
            ack = self.ack()
            if ack and ack.held >= held:
                return ack
        raise AssertionError('%d bytes are not held' % held)

    def fill(self, content, size=1452, batch=32, patience=30.0):
        """Sends what is missing, in a shuffled order, until all of it is held."""
        end = time.monotonic() + patience
        held, ranges = self.offset, []
        while held < len(content):
            assert time.monotonic() < end, 'held %d of %d' % (held, len(content))
            missing, at = [], held
            for start, stop in ranges + [(len(content), len(content))]:
                missing += range(at, start, size)
                at = stop
            chosen = missing[:batch]
            random.shuffle(chosen)
            for at in chosen:
                self.data(at, content[at:at + size], NOW if at == chosen[-1] else 0)
            ack = self.ack(0.2)
            if ack:
                held, ranges = ack.held, ack.ranges

    def finish(self, content, patience=20.0):
        """END, until the dump is durable."""
        tail = struct.pack('>Q', dump_sum(content))

        def want(got):
            if struct.unpack('>H', got[:2])[0] == EXT_ACK and Ack(got).done:
                return True
            return None
        end = self.packet(END, len(content), tail)
        return self.ask(end, want, patience)

    def dump(self, name, content, **how):
        self.open(name)
        self.fill(content, **how)
        self.finish(content)
