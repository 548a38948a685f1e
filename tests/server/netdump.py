# SPDX-License-Identifier: BSD-2-Clause
"""A client of FreeBSD's netdump, written from PROTOCOL.md (FreeBSD 1 to 8) alone: it sends up to
64 KiB at a time, waits for all of it, and repeats what was not acknowledged."""
import select
import socket
import struct
import time

from kdp import GaveUp

HERALD, FINISHED, VMCORE, KDH, KEY = range(1, 6)
SEND = 65536
BLOCK = 4096

# Where the fields of the dump header are, in each version: PROTOCOL.md#netdump-6.
LAYOUTS = {
    1: {'blocksize': 56, 'hostname': (60, 64), 'os': (124, 192), 'panic': (316, 192)},
    2: {'keysize': 56, 'blocksize': 60, 'hostname': (64, 64), 'os': (128, 192),
        'panic': (320, 188)},
    3: {'extent': 48, 'time': 56, 'keysize': 64, 'blocksize': 68, 'packing': 72,
        'hostname': (73, 64), 'os': (137, 192), 'panic': (329, 179)},
    4: {'extent': 496, 'keysize': 56, 'blocksize': 60, 'packing': 495, 'hostname': (64, 64),
        'os': (128, 192), 'panic': (320, 175)},
}
OS = 'FreeBSD 14.1-RELEASE #0: Fri May 31 11:00:00 UTC 2024\n    root@host:/usr/obj/GENERIC'


def header(length, version=4, panic='page fault', host='crashy', os=OS, packing=0, keysize=0,
           magic='FreeBSD Kernel Dump', arch='amd64', when=1700000000):
    layout = LAYOUTS[version]
    raw = bytearray(512)

    def text(at, size, value):
        raw[at:at + size] = value.encode()[:size - 1].ljust(size, b'\0')

    text(0, 20, magic)
    text(20, 12, arch)
    struct.pack_into('>IIQ', raw, 32, version, 2, length)
    struct.pack_into('>Q', raw, layout.get('time', 48), when)
    struct.pack_into('>I', raw, layout['blocksize'], 512)
    if 'keysize' in layout:
        struct.pack_into('>I', raw, layout['keysize'], keysize)
    if 'packing' in layout:
        raw[layout['packing']] = packing
    text(*layout['hostname'], host)
    text(*layout['os'], os)
    text(*layout['panic'], panic)
    parity = 0
    for word, in struct.iter_unpack('>I', raw):
        parity ^= word
    struct.pack_into('>I', raw, 508, parity)
    return bytes(raw)


def packet(kind, seqno, offset=0, payload=b''):
    return struct.pack('>IIQII', kind, seqno, offset, len(payload), 0) + payload


class Client:
    def __init__(self, port, host='127.0.0.1', mtu=1500, cap=None, bind=None, rto=0.1, rounds=12):
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        if bind:
            self.sock.bind(bind)
        self.to = (host, port)
        self.payload = min(mtu - 28 - 24, cap or 65507 - 24)
        self.rto, self.rounds = rto, rounds
        self.seqno = 1
        self.acked = set()
        self.repeated = 0
        self.drop = lambda seqno: False       # packets that never arrive
        self.deaf = lambda seqno: False       # acknowledgements that never do

    def close(self):
        self.sock.close()

    def hear(self, timeout):
        """-> the number of one acknowledgement, or None"""
        end = time.monotonic() + timeout
        while True:
            left = end - time.monotonic()
            ready, _, _ = select.select([self.sock], [], [], max(left, 0))
            if not ready:
                return None
            try:
                data, source = self.sock.recvfrom(2048)
            except ConnectionRefusedError:
                continue
            if len(data) != 4:
                continue
            seqno, = struct.unpack('>I', data)
            if self.deaf(seqno):
                continue
            self.to = source          # everything else goes where the answer came from
            self.acked.add(seqno)
            return seqno

    def put(self, kind, seqno, offset=0, payload=b''):
        if not self.drop(seqno):
            self.sock.sendto(packet(kind, seqno, offset, payload), self.to)

    def wait(self, packets, patience=None):
        """packets: seqno -> (kind, offset, payload). All of them go, until all are acknowledged."""
        left = dict(packets)
        for _ in range(patience or self.rounds):
            for seqno, what in left.items():
                self.put(what[0], seqno, *what[1:])
            end = time.monotonic() + self.rto
            while left and time.monotonic() < end:
                seqno = self.hear(end - time.monotonic())
                left.pop(seqno, None)
            if not left:
                return
            self.repeated += len(left)
        raise GaveUp('no acknowledgement of %s' % sorted(left))

    def cut(self, kind, offset, content):
        pieces = {}
        for at in range(0, max(len(content), 1), self.payload):
            pieces[self.seqno] = (kind, offset + at, content[at:at + self.payload])
            self.seqno += 1
        return pieces

    def send(self, kind, offset, content):
        assert len(content) <= SEND
        self.wait(self.cut(kind, offset, content))

    def herald(self, path=None, patience=None):
        self.seqno = 1
        what = (HERALD, 0, path.encode() + b'\0' if path is not None else b'')
        self.seqno = 2
        self.wait({1: what}, patience)

    def object(self, kind, content):
        for at in range(0, len(content), SEND):
            self.send(kind, at, content[at:at + SEND])

    def core(self, content, start=0, end=None):
        """In blocks: what is behind the end is zeros."""
        content = content + bytes(-len(content) % BLOCK)
        for at in range(start, len(content) if end is None else end, SEND):
            self.send(VMCORE, at, content[at:at + SEND])

    def finish(self, patience=None):
        seqno, self.seqno = self.seqno, self.seqno + 1
        self.wait({seqno: (FINISHED, 0, b'')}, patience)

    def dump(self, content, path=None, key=b'', head=b'', head_first=False):
        self.herald(path)
        if key:
            self.object(KEY, key)
        if head_first:
            self.object(KDH, head)
        self.core(content)
        if head and not head_first:
            self.object(KDH, head)
        self.finish()
