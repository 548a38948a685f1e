#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""A disk that does not keep up: senders are held back, and nothing is lost. How far it may be
behind is PND_TURN_BACKLOG (256 MiB), and 64 MiB for FreeBSD's netdump, whose client has 12 s; a hole
in a dump is as good as bytes for that, but not in netdump's."""
import os
import struct
import sys
import time

from ext import NOW, ExtSender
from kdp import ACK, DATA, GaveUp, Sender, Tap, packet
from netdump import SEND, VMCORE, Client
from tftp import ACK as TFTP_ACK
from tftp import Put, TftpServer

SHIM = sys.argv[1]
MIB = 1 << 20
WRITE_BACK = 8 * MIB  # is started each time that so much has come
FAR = 300 * MIB
FIRST = os.urandom(WRITE_BACK + MIB)
LAST = os.urandom(1406)


class SlowDisk(TftpServer):
    """Write-back that was started does not end before the disk is let go."""

    def __enter__(self):
        self.gate = self.directory.rstrip('/') + '.gate'
        open(self.gate, 'w').close()
        self.start(env={'LD_PRELOAD': SHIM, 'PND_CUT_GATE': self.gate})
        return self

    def __exit__(self, *args):
        self.catch_up()
        return super().__exit__(*args)

    def catch_up(self):
        if os.path.exists(self.gate):
            os.unlink(self.gate)


def fall_behind(sender, name):
    """... and send one packet more, which is still to be answered."""
    sender.open(name)
    for at in range(0, len(FIRST), sender.size):
        sender.data(FIRST[at:at + sender.size])
    sender.seek(FAR)
    sender.sock.sendto(packet(DATA, sender.block, LAST), sender.to)


def old_sender_waits():
    """an old sender's ACK waits for the disk, comes once, and the dump goes on"""
    with SlowDisk() as panicd:
        sender = Sender(panicd.port, rto=30)
        fall_behind(sender, 'core-old')
        assert sender.receive(1.5) is None
        for _ in range(3):  # as it repeats, it hears no more than before
            sender.sock.sendto(packet(DATA, sender.block, LAST), sender.to)
        assert sender.receive(0.5) is None
        panicd.catch_up()
        got = sender.receive(5)
        assert got and struct.unpack('>HI', got[:6]) == (ACK, sender.block), got
        sender.block += 1
        while sender.receive(0.3):  # a superfluous one of recovery may follow
            pass
        sender.data(b'the end')
        sender.eof()
        sender.close()
        panicd.settled(1)
        assert panicd.read('core-old') == FIRST.ljust(FAR, b'\0') + LAST + b'the end'


def others_go_on():
    """others whose disk is not behind are answered at once meanwhile"""
    with SlowDisk() as panicd:
        waits, other, extended = Sender(panicd.port, rto=30), Sender(panicd.port), \
            ExtSender(panicd.port)
        fall_behind(waits, 'core-old')
        start = time.monotonic()
        other.open('core-other')
        for at in range(0, MIB, other.size):
            other.data(FIRST[at:at + other.size])
        extended.open('core-ext')
        extended.data(0, FIRST[:1000], NOW)
        extended.until(1000)
        took = time.monotonic() - start
        assert other.repeats == 0 and took < 5, (other.repeats, took)
        assert waits.receive(0) is None
        panicd.catch_up()
        assert waits.receive(5)
        for sender in waits, other, extended:
            sender.close()


def killed_meanwhile():
    """a server killed while it holds an ACK back has the bytes, and says so"""
    with SlowDisk() as panicd:
        sender = Sender(panicd.port, rto=0.2)
        fall_behind(sender, 'core-old')
        assert sender.receive(1) is None
        panicd.process.kill()
        panicd.process.wait()
        panicd.catch_up()
        panicd.start()
        sender.data(LAST)
        sender.eof()
        sender.close()
        panicd.settled(1)
        assert panicd.read('core-old') == FIRST.ljust(FAR, b'\0') + LAST


def netdump_waits():
    """FreeBSD's client is held back before its disk could not catch up within its patience"""
    content = os.urandom(SEND)
    with SlowDisk(netdump_port=True) as panicd:
        client = Client(panicd.netdump_port, mtu=9000, rto=1.5)
        client.herald()
        sends = 0
        while True:
            pieces = client.cut(VMCORE, sends * SEND, content)
            try:
                client.wait(pieces, 1)
            except GaveUp:
                break
            sends += 1
            assert sends * SEND < 100 * MIB, 'it is never held back'
        assert 64 * MIB <= sends * SEND <= 64 * MIB + 2 * WRITE_BACK, sends * SEND
        panicd.catch_up()
        client.wait(pieces)
        client.finish()
        client.close()
        row, = panicd.settled(1)
        assert row['state'] == 'complete', row
        assert panicd.read(row['file']) == content * (sends + 1)


def tftp_waits():
    """a client of TFTP hears the ACK of its last window when the disk has caught up, and no older"""
    with SlowDisk() as panicd:
        client = Put(panicd.tftp_port, rto=1.5)
        client.open('core-tftp', blksize=65464, windowsize=8)
        end = None

        def read(at, length):
            some = FIRST[at // 7919 % MIB:][:length]
            return some if end is None or at + length <= end else some[:max(end - at, 0)]
        held, silent = 0, False
        while not silent:  # an ACK of what is held already asks for what was lost
            began = time.monotonic()
            held, last, moved = client.go(read, held, None)
            silent = not moved and time.monotonic() - began >= client.rto
            assert held * client.size < 400 * MIB
        assert held * client.size > 32 * MIB, held
        assert client.go(read, held, None)[2] is False  # it repeats, and hears no more than before
        panicd.catch_up()
        held += client.window
        assert client.receive(5) == (TFTP_ACK, struct.pack('>H', client.number(held)))
        end = held * client.size + 3 * MIB
        while held != last:
            held, last, _ = client.go(read, held, last)
        client.close()
        panicd.settled(1)
        with open(os.path.join(panicd.directory, 'core-tftp'), 'rb') as f:
            for at in range(0, end, client.size):
                assert f.read(client.size) == read(at, client.size), at
            assert f.read(1) == b''


ALL = [old_sender_waits, others_go_on, killed_meanwhile, netdump_waits, tftp_waits]

if __name__ == '__main__':
    tap = Tap()
    for one in ALL:
        if len(sys.argv) < 3 or one.__name__ in sys.argv[2:]:
            tap.run(one)
    sys.exit(tap.done())
