# SPDX-License-Identifier: BSD-2-Clause
"""A server as Apple's is, by PROTOCOL.md kdp-1.2 to kdp-1.13: it masks the bits of the feature mask
away that it does not know, answers each dump from a port of its own, and cuts blocks at the size
that it granted. It notes what opcodes it saw. One thread, many dumps."""
import os
import select
import socket
import struct
import threading

from kdp import ACK, DATA, EOF, SEEK, WRQ

KNOWN = 3   # of the features: 64-bit offsets, large blocks


class AppleServer(threading.Thread):
    def __init__(self, host, port, directory, large=True):
        super().__init__(daemon=True)
        self.directory, self.known = directory, KNOWN if large else 1
        self.listening = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.listening.bind((host, port))
        self.host, self.port = self.listening.getsockname()
        self.dumps, self.seen, self.largest, self.ending = {}, set(), 0, threading.Event()
        self.offered = set()

    def run(self):
        while not self.ending.is_set():
            ready, _, _ = select.select([self.listening, *self.dumps], [], [], 0.05)
            for sock in ready:
                data, peer = sock.recvfrom(65536)
                op = struct.unpack('>H', data[:2])[0] if len(data) >= 2 else None
                self.seen.add(op)
                if sock is self.listening and op == WRQ:
                    self.open(data, peer)
                elif sock in self.dumps:
                    self.take(sock, op, data)

    def open(self, data, peer):
        name, _, rest = data[2:].partition(b'\0')
        mask, size = 0, 512
        at = rest.find(b'features\0')
        if at >= 0:
            mask, size = struct.unpack('>II', rest[at + 9:at + 17])
        self.offered.add(mask)
        mask &= self.known
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind((self.host, 0))
        sock.connect(peer)
        path = os.path.join(self.directory, os.path.basename(name.decode()))
        self.dumps[sock] = {'block': 1, 'at': 0, 'mask': mask, 'file': open(path, 'wb'),
                            'size': min(size, 1406) if mask & 2 else 512}
        sock.send(struct.pack('>HI', ACK | mask << 8, 0))

    def take(self, sock, op, data):
        dump = self.dumps[sock]
        if len(data) < 6 or op not in (DATA, SEEK, EOF):
            return
        block, = struct.unpack('>I', data[2:6])
        if op == EOF or block == dump['block']:
            if op == DATA:
                payload = data[6:6 + dump['size']]
                self.largest = max(self.largest, len(data) - 6)
                os.pwrite(dump['file'].fileno(), payload, dump['at'])
                dump['at'] += len(payload)
            elif op == SEEK:
                dump['at'], = struct.unpack('>Q', data[6:14])
            sock.send(struct.pack('>HI', ACK, dump['block']))
            dump['block'] += 1
        elif block + 1 == dump['block']:
            sock.send(struct.pack('>HI', ACK, block))
        if op == EOF:
            dump['file'].close()
            del self.dumps[sock]
            sock.close()

    def close(self):
        self.ending.set()
        self.join()
        for sock in (self.listening, *self.dumps):
            sock.close()
