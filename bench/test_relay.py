#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""The link that wire.py measures on delays what it should, loses what it should, and nothing else
happens to what goes through it. Needs root and /dev/net/tun; skipped without."""
import hashlib
import os
import random
import socket
import struct
import sys
import threading
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import ground   # noqa: E402

BUILD = os.environ.get('PND_BUILD', 'build')
UDP, UDP_SEGMENT, UDP_GRO, SO_RCVBUFFORCE = 17, 103, 104, 33   # Python does not know them
SEGMENT = 1400
TRAINS, SEGMENTS_CAP = 400, 45
TCP_BYTES = 8 << 20
LOSS = 5.0     # percent
RTT_MS = 20.0


class Tap:
    def __init__(self):
        self.count, self.failed = 0, 0

    def ok(self, good, sentence, more=''):
        self.count += 1
        self.failed += not good
        print('%sok %d - %s' % ('' if good else 'not ', self.count, sentence), flush=True)
        if not good and more:
            print('# ' + more)


def skip(why):
    print('1..0 # SKIP ' + why)
    sys.exit(0)


def udp_pair(link, gro):
    def receiver():
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.bind((link.server.address, 5000))
        s.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20)
        if gro:
            s.setsockopt(UDP, UDP_GRO, 1)
        s.settimeout(0.5)
        return s

    def sender():
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.connect((link.server.address, 5000))
        s.setsockopt(UDP, UDP_SEGMENT, SEGMENT)
        return s
    return link.server.inside(receiver), link.client.inside(sender)


def segment(number, length):
    return struct.pack('>I', number) + bytes([number % 251]) * (length - 4)


def trains(gro):
    """@return (segments sent, numbers that arrived, how many arrived damaged)"""
    generator, sent, numbers, damaged = random.Random(1), 0, [], 0
    with ground.Link('relay', BUILD, 0.2, LOSS, seed=7) as link:
        receiver, sender = udp_pair(link, gro)
        with receiver, sender:
            for _ in range(TRAINS):
                count, last = generator.randrange(1, SEGMENTS_CAP), generator.randrange(8, SEGMENT)
                sender.send(b''.join(segment(sent + i, SEGMENT if i < count - 1 else last)
                                     for i in range(count)))
                sent += count
            while True:
                try:
                    data = receiver.recv(1 << 16)
                except OSError:
                    return sent, numbers, damaged
                for at in range(0, len(data), SEGMENT):
                    one = data[at:at + SEGMENT]
                    numbers.append(struct.unpack('>I', one[:4])[0])
                    damaged += one != segment(numbers[-1], len(one))


def check_trains(tap, gro):
    sent, numbers, damaged = trains(gro)
    how = 'as trains' if gro else 'one by one'
    lost = 100 * (sent - len(numbers)) / sent
    tap.ok(damaged == 0 and len(set(numbers)) == len(numbers) and numbers == sorted(numbers),
           'what is not lost arrives %s, whole, once and in order' % how, '%d damaged' % damaged)
    tap.ok(LOSS * 0.7 < lost < LOSS * 1.3, 'the share that is lost, %s, is that which was asked '
           'for' % how, '%.2f %% of %d' % (lost, sent))


def check_delay(tap):
    with ground.Link('relay', BUILD, RTT_MS) as link:
        receiver, sender = udp_pair(link, False)
        with receiver, sender:
            times = []
            for _ in range(20):
                start = time.monotonic()
                sender.send(b'there')
                _, back = receiver.recvfrom(100)
                receiver.sendto(b'back', back)
                sender.recv(100)
                times.append(1000 * (time.monotonic() - start))
    tap.ok(min(times) >= RTT_MS and sorted(times)[10] < 3 * RTT_MS,
           'a packet and its answer take the round trip that was asked for', str(times))


def check_tcp(tap):
    content = random.Random(2).randbytes(TCP_BYTES)
    got = []
    with ground.Link('relay', BUILD, 0.2, 1.0) as link:
        server = link.server.inside(lambda: socket.create_server((link.server.address, 5000)))

        def receive():
            connection, _ = server.accept()
            with connection:
                while piece := connection.recv(1 << 16):
                    got.append(piece)
        thread = threading.Thread(target=receive, daemon=True)
        thread.start()
        with link.client.inside(lambda: socket.create_connection((link.server.address, 5000))) as s:
            s.sendall(content)
        thread.join(60)
        server.close()
    tap.ok(hashlib.sha256(b''.join(got)).digest() == hashlib.sha256(content).digest(),
           'TCP brings every byte over a link that loses one packet of a hundred')


def main():
    if os.geteuid() or not os.path.exists('/dev/net/tun'):
        skip('needs root and /dev/net/tun')
    tap = Tap()
    for gro in (False, True):
        check_trains(tap, gro)
    check_delay(tap)
    check_tcp(tap)
    print('1..%d' % tap.count)
    return 1 if tap.failed else 0


if __name__ == '__main__':
    sys.exit(main())
