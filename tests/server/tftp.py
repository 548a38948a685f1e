# SPDX-License-Identifier: BSD-2-Clause
"""A client of TFTP that puts files, in the manner of whoever is asked for."""
import random
import select
import socket
import struct
import time

from kdp import GaveUp, Panicd, Refused, free_port

RRQ, WRQ, DATA, ACK, ERROR, OACK = range(1, 7)


def request(op, name, mode=b'octet', **options):
    if isinstance(name, str):
        name = name.encode()
    words = [name, mode]
    for option, value in options.items():
        words += [option.encode(), str(value).encode()]
    return struct.pack('>H', op) + b''.join(word + b'\0' for word in words)


def data(number, payload=b''):
    return struct.pack('>HH', DATA, number) + payload


class Put:
    """One file. `roll` is what follows block 65535; `loss` the share of its packets, and of the
    server's, that are lost; `copies` how often it sends each."""

    def __init__(self, port, host='127.0.0.1', rto=0.1, patience=60.0, roll=0, loss=0.0, copies=1,
                 seed=1, bind=None):
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        if bind:
            self.sock.bind(bind)
        self.to = (host, port)
        self.rto, self.patience, self.roll = rto, patience, roll
        self.loss, self.copies, self.rng = loss, copies, random.Random(seed)
        self.size, self.window, self.granted = 512, 1, {}
        self.sent = self.replies = 0

    def close(self):
        self.sock.close()

    def send(self, packet):
        for _ in range(self.copies):
            self.sent += 1
            if not self.loss or self.rng.random() >= self.loss:
                try:
                    self.sock.sendto(packet, self.to)
                except ConnectionRefusedError:
                    pass

    def receive(self, timeout):
        """-> (opcode, the rest), or None"""
        if not select.select([self.sock], [], [], max(timeout, 0))[0]:
            return None
        try:
            got, _ = self.sock.recvfrom(2048)
        except ConnectionRefusedError:  # the server is being started again
            return None
        self.replies += 1
        if self.loss and self.rng.random() < self.loss:
            return None
        op, number = struct.unpack('>HH', got[:4])
        if op == ERROR:
            raise Refused(number, got[4:].split(b'\0')[0].decode())
        return op, got[2:]

    def ask(self, packet):
        """One packet that draws one answer. -> it, or None"""
        self.send(packet)
        return self.receive(1)

    def number(self, index):
        """Of the block that is the index-th, from 1 on."""
        return (index - 1) % 65535 + 1 if self.roll else index & 0xffff

    def open(self, name, mode=b'octet', **options):
        end = time.monotonic() + self.patience
        while time.monotonic() < end:
            self.send(request(WRQ, name, mode, **options))
            again = time.monotonic() + self.rto
            while time.monotonic() < again:
                got = self.receive(again - time.monotonic())
                if got is None:
                    continue
                op, rest = got
                if op == OACK:
                    words = rest.decode().split('\0')[:-1]
                    self.granted = dict(zip(words[::2], map(int, words[1::2])))
                if op == OACK or rest == b'\0\0':
                    self.size = self.granted.get('blksize', 512)
                    self.window = self.granted.get('windowsize', 1)
                    return self.granted
        raise GaveUp('no answer to the request')

    def put(self, name, content, pause=None, **options):
        """`content`: bytes, or a function from (offset, length) to them. `pause` is called with
        how many blocks are held, after each ACK."""
        self.open(name, **options)
        read = content if callable(content) else lambda at, n: content[at:at + n]
        held, last = 0, None
        end = time.monotonic() + self.patience
        while held != last:
            held, last, moved = self.go(read, held, last)
            if moved:
                end = time.monotonic() + self.patience
                if pause:
                    pause(held)
            elif time.monotonic() > end:
                raise GaveUp('no answer to block %d' % (held + 1))

    def go(self, read, held, last):
        """A window, and its answer. -> (blocks that are held, the last block's index if known,
        whether more are held than before)"""
        for index in range(held + 1, held + 1 + self.window):
            payload = read((index - 1) * self.size, self.size)
            self.send(data(self.number(index), payload))
            if len(payload) < self.size:
                last = index
                break
        again = time.monotonic() + self.rto
        while time.monotonic() < again:
            got = self.receive(again - time.monotonic())
            if got is None or got[0] != ACK:
                continue
            acked, = struct.unpack('>H', got[1][:2])
            for index in range(index, held, -1):  # the ACK of one before is noise, or of a gap
                if self.number(index) == acked:
                    return index, last, True
            if self.window > 1 and acked == self.number(held) and held:
                return held, last, False
        return held, last, False


class TftpServer(Panicd):
    """panicd that takes dumps by TFTP, too."""

    def __init__(self, *args, tftp_port=None, **more):
        super().__init__(*args, **more)
        self.tftp_port = tftp_port or free_port()
        self.args += ['--tftp-port', str(self.tftp_port)]

    def one(self, timeout=30):
        """The only dump, whole and checked: its row, and its bytes."""
        rows = self.settled(1, timeout)
        assert len(rows) == 1 and rows[0]['protocol'] == 'tftp', rows
        return rows[0], self.read(rows[0]['file'])
