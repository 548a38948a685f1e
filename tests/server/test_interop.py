#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Every sender with every server, old and new, over a cable between two network namespaces with
small, ordinary and large packets: the file is the same, and the best protocol that both know was
spoken. `test_interop.py --send KIND ADDRESS NAME FILE` is one of the senders, at the far end."""
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from apple_server import AppleServer
from cable import HERE, Cable, own_namespaces, run
from ext import FEATURE, ExtSender
from kdp import DATA, PANICDUMP, Panicd, Sender, Tap

PORT = 1069
MTUS = 576, 1500, 9000
TOGETHER = 64    # of IP and UDP headers and the packet's own, and something over
LARGE = 1 << 24  # of what our own sender sends: until it has found out what the path carries

# At the far end: (what it is, how it sends; does it offer the extension).
SENDERS = {
    'panicdump': True,
    'panicdump --plain': False,
    'panicdump --compress auto': True,
    "Apple's client": False,
    "Apple's client in small blocks": False,
    'a sender by the text': True,
}
# At this end: does it grant the extension.
SERVERS = {
    'panicd': True,
    'panicd with "extension = no"': False,
    "Apple's server": False,
    "Apple's server in small blocks": False,
}


# ---- the far end ----

def follow(sender):
    """It sends to whatever port the last datagram came from, as Apple's client does."""
    sock, recvfrom = sender.sock, sender.sock.recvfrom

    class Noting:
        def __getattr__(self, name):
            return getattr(sock, name)

        def recvfrom(self, size):
            data, sender.to = recvfrom(size)
            return data, sender.to
    sender.sock = Noting()
    return sender


def dump_plain(sender, name, content, mask=3, size=1406):
    sender.open(name, mask, size)
    for at in range(0, len(content), sender.size):
        sender.data(content[at:at + sender.size])
    sender.eof()


def send(kind, address, name, path):
    """The senders that are no program of ours. Prints what it was granted."""
    with open(path, 'rb') as f:
        content = f.read()
    if kind.startswith("Apple's client"):
        sender = follow(Sender(PORT, address))
        dump_plain(sender, name, content, *((1, 512) if 'small' in kind else ()))
        print('kdp %d' % sender.size)
        return
    sender = ExtSender(PORT, address)
    cookie = sender.grant(name)
    if cookie:
        sender.dump(name, content, size=500)
        print('kdp-ext')
        return
    old = follow(Sender(PORT, address))
    dump_plain(old, name, content)
    print('kdp %d' % old.size)


# ---- this end ----

class Ours:
    """panicd, for many dumps."""

    def __init__(self, extension):
        self.panicd = Panicd(address=HERE, port=PORT, config='[policy]\nfloor = 0\n[receive]\n'
                             'extension = %s\n' % ('yes' if extension else 'no')).start()

    def judge(self, name, content, spoken, count):
        rows = [r for r in self.panicd.settled(count) if r['name'] == name]
        assert len(rows) == 1, (name, self.panicd.rows())
        assert rows[0]['protocol'] == spoken, rows[0]
        assert rows[0]['state'] in ('complete', 'unchecked'), rows[0]
        check(os.path.join(self.panicd.directory, rows[0]['file']), content)

    def close(self):
        self.panicd.remove()


class Theirs:
    """The model of Apple's server."""

    def __init__(self, large):
        self.directory = tempfile.mkdtemp(prefix='interop-')
        self.block = 1406 if large else 512
        self.server = AppleServer(HERE, PORT, self.directory, large)
        self.server.start()

    def judge(self, name, content, spoken, _):
        assert spoken == 'kdp', spoken
        check(os.path.join(self.directory, name), content)
        seen, self.server.seen = self.server.seen, set()
        assert DATA in seen and all(op is not None and op < 8 for op in seen), seen
        assert self.server.largest <= self.block, self.server.largest
        self.server.largest = 0

    def close(self):
        self.server.close()
        shutil.rmtree(self.directory)


def check(path, content):
    if path.endswith('.zst'):
        done = run_bytes('zstd', '-dc', path)
    else:
        with open(path, 'rb') as f:
            done = f.read()
    assert done == content, '%s: %d bytes, not the %d that were sent' % (path, len(done),
                                                                       len(content))


def run_bytes(*words):
    return subprocess.run(words, stdout=subprocess.PIPE, check=True).stdout


def make_server(kind):
    if kind.startswith('panicd'):
        return Ours(SERVERS[kind])
    return Theirs('small' not in kind)


def put(cable, kind, name, path):
    """@return what the sender says it spoke, where it is one that knows"""
    if kind.startswith('panicdump'):
        words = [PANICDUMP, 'send', '--server', HERE, '-q', '--name', name, *kind.split()[1:], path]
    else:
        words = [sys.executable, os.path.abspath(__file__), '--send', kind, HERE, name, path]
    done = cable.there(*words)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


def received(interface):
    """(packets, bytes)"""
    done = run('ip', '-j', '-s', 'link', 'show', interface)
    stats = json.loads(done.stdout)[0]['stats64']['rx']
    return stats['packets'], stats['bytes']


class Matrix:
    def __init__(self, cable, directory):
        self.cable, self.directory, self.server, self.count = cable, directory, None, 0
        rng = random.Random(4)
        self.content = rng.randbytes(40_000) + bytes(150_000) + rng.randbytes(9_999)
        self.large = rng.randbytes(LARGE) + bytes(LARGE) + rng.randbytes(1)

    def path(self, content):
        path = os.path.join(self.directory, 'content')
        with open(path, 'wb') as f:
            f.write(content)
        return path

    def set_mtu(self, mtu):
        for done in (run('ip', 'link', 'set', 'here', 'mtu', str(mtu)),
                     self.cable.there('ip', 'link', 'set', 'there', 'mtu', str(mtu))):
            assert done.returncode == 0, done.stderr

    def pair(self, mtu, sender, server):
        self.count += 1
        name = 'core-%d' % self.count + ('.zst' if 'auto' in sender else '')
        best = SENDERS[sender] and SERVERS[server]
        content = self.large if best and sender == 'panicdump' else self.content
        before = received('here')
        said = put(self.cable, sender, name, self.path(content))
        after = received('here')
        spoken = 'kdp-ext' if best else 'kdp'
        self.server.judge(name, content, spoken, self.count)
        if said.startswith('kdp'):
            small = 'small' in server or 'small' in sender
            assert said == (spoken if best else 'kdp %d' % (512 if small else 1406)), said
        if content is self.large:
            self.size_of_packets(mtu, after[0] - before[0], after[1] - before[1])

    def size_of_packets(self, mtu, packets, size):
        """The mean is near the largest that the cable carries, and no zeros have crossed it."""
        assert LARGE < size < LARGE * 1.3, size
        if not SINGLE:
            return
        assert size / packets > 0.6 * (mtu - TOGETHER), (mtu, size / packets)
        assert size / packets < mtu + 14, (mtu, size / packets)


SINGLE = False   # whether each packet crosses the cable by itself


def single_packets(cable):
    off = ('-K', 'tso', 'off', 'gso', 'off', 'gro', 'off', 'tx-udp-segmentation', 'off')
    if not shutil.which('ethtool', path=os.environ['PATH']):
        return False
    return all(done.returncode == 0 for done in (
        run('ethtool', off[0], 'here', *off[1:]),
        cable.there('ethtool', off[0], 'there', *off[1:])))


def offers():
    """Apple's server saw the bit of the extension from those who have it, and from nobody else"""
    for sender, has in SENDERS.items():
        server = Theirs(True)
        try:
            put(offers.matrix.cable, sender, 'core-offer', offers.matrix.path(b'x' * 3000))
            assert any(mask & FEATURE for mask in server.server.offered) == has, (
                sender, server.server.offered)
        finally:
            server.close()


def all_pairs(tap, matrix):
    for server in SERVERS:
        matrix.server, matrix.count = make_server(server), 0
        try:
            for mtu in MTUS:
                matrix.set_mtu(mtu)
                for sender in SENDERS:
                    def one(sender=sender, mtu=mtu, server=server):
                        matrix.pair(mtu, sender, server)
                    one.__doc__ = '%s to %s, packets of %d bytes: %s' % (
                        sender, server, mtu,
                        'the extension' if SENDERS[sender] and SERVERS[server] else
                        "Apple's protocol")
                    tap.run(one)
        finally:
            matrix.server.close()


def main():
    global SINGLE
    why = own_namespaces('--net', tools=('zstd',))
    if why:
        print('1..0 # SKIP ' + why)
        return 0
    tap, directory = Tap(), tempfile.mkdtemp(prefix='interop-')
    cable = Cable('here', 'there')
    try:
        run('ip', 'link', 'set', 'lo', 'up')
        SINGLE = single_packets(cable)
        matrix = Matrix(cable, directory)
        all_pairs(tap, matrix)
        matrix.set_mtu(1500)
        offers.matrix = matrix
        tap.run(offers)
    finally:
        cable.close()
        shutil.rmtree(directory)
    return tap.done()


if __name__ == '__main__':
    if sys.argv[1:2] == ['--send']:
        send(*sys.argv[2:])
    else:
        sys.exit(main())
