#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""panicdump send --protocol netdump to panicd, over a cable between two network namespaces with
small, ordinary and large packets: what arrives is what was sent, and no answer was held back that
it waited for; also when the server is killed, packets are lost, and several send at once."""
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../unit'))
import freebsd_dump
from cable import HERE, Cable, own_namespaces, run
from kdp import PANICD, PANICDUMP, Panicd, Tap

MTUS = 576, 1500, 9000
LARGE = 1 << 24
PORTS = ['--netdump-port', '20023']


class Way:
    def __init__(self, cable, directory):
        self.cable, self.directory = cable, directory
        rng = random.Random(8)
        self.large = rng.randbytes(LARGE) + bytes(100_000) + rng.randbytes(1)
        self.small = rng.randbytes(300_000)

    def path(self, content, name='content'):
        path = os.path.join(self.directory, name)
        with open(path, 'wb') as f:
            f.write(content)
        return path

    def words(self, path, *args):
        return [*self.cable.at_there(), PANICDUMP, 'send', '--protocol', 'netdump', '--server',
                HERE, '-q', *args, path]

    def send(self, path, *args):
        done = run(*self.words(path, *args))
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def set_mtu(self, mtu):
        for done in (run('ip', 'link', 'set', 'here', 'mtu', str(mtu)),
                     self.cable.there('ip', 'link', 'set', 'there', 'mtu', str(mtu))):
            assert done.returncode == 0, done.stderr


def server():
    return Panicd(address=HERE, args=PORTS)


def whole(panicd, content, count=1):
    row = panicd.settled(count)[-1]
    assert row['protocol'] == 'netdump' and row['state'] in ('complete', 'unchecked'), row
    assert panicd.read(row['file']) == content, (row, len(panicd.read(row['file'])))
    return row


def through(way, mtu):
    """Next to nothing is repeated: a machine that is busy may keep an answer waiting."""
    with server() as panicd:
        said = way.send(way.path(way.large))
        whole(panicd, way.large)
        repeated = int(re.search(r'(\d+) retransmissions', said).group(1))
        assert repeated < len(way.large) / (mtu - 52) / 20, said


def others(way):
    """a dump of FreeBSD's arrives with its own header and key, a packed file as what it is"""
    core = freebsd_dump.minidump()
    key = freebsd_dump.key(4096)
    raw = freebsd_dump.partition(core, len(core) + 20000, 4096, blob=key)
    with server() as panicd:
        way.send(way.path(raw[raw.index(b'FreeBSD Kernel Dump'):]))
        row = whole(panicd, core)
        assert panicd.read(row['file'] + '.key') == key
        assert panicd.read(row['file'] + '.kdh')[:20] == b'FreeBSD Kernel Dump\0'
        way.send(way.path(b'kernel panic ' * 100_000), '--compress', 'gzip')
        row = panicd.settled(2)[-1]
        assert row['format'].startswith('gzip') and row['state'] in ('complete', 'unchecked'), row
        assert row['bytes'] < 100_000, row


def killed(way):
    """a server that is killed and started again, three times, has all of it in the end"""
    with server() as panicd:
        sender = subprocess.Popen(way.words(way.path(way.large)), stdout=subprocess.PIPE, text=True)
        for _ in range(3):
            time.sleep(0.015)
            panicd.kill()
            time.sleep(0.2)
            panicd.start()
        said = sender.communicate(timeout=60)[0]
        assert sender.returncode == 0, said
        whole(panicd, way.large)


def lossy(way):
    """one packet in fifty lost each way costs time, and nothing else"""
    loss = ['tc', 'qdisc', 'add', 'dev', 'here', 'root', 'netem', 'loss', '2%']
    if run(*loss).returncode:
        return 'needs tc and netem'
    loss[loss.index('here')] = 'there'
    assert way.cable.there(*loss).returncode == 0
    try:
        with server() as panicd:
            said = way.send(way.path(way.large[:2_000_000]))
            whole(panicd, way.large[:2_000_000])
            assert ' 0 retransmissions' not in said, said
    finally:
        run('tc', 'qdisc', 'del', 'dev', 'here', 'root')
        way.cable.there('tc', 'qdisc', 'del', 'dev', 'there', 'root')
    return None


def together(way):
    """eight at once from one address are eight dumps"""
    with server() as panicd:
        contents = [way.small[i:] for i in range(8)]
        senders = [subprocess.Popen(way.words(way.path(content, 'c%d' % i)), text=True,
                                    stdout=subprocess.PIPE, stderr=subprocess.PIPE)
                   for i, content in enumerate(contents)]
        for sender in senders:
            out = sender.communicate(timeout=60)
            assert sender.returncode == 0, out
        rows = panicd.settled(8)
        assert sorted(panicd.read(r['file']) for r in rows) == sorted(contents), rows


def main():
    why = own_namespaces('--net')
    if not why and 'netdump-port' not in run(PANICD, '--help').stdout:
        why = 'this panicd does not receive netdump'
    if why:
        print('1..0 # SKIP ' + why)
        return 0
    tap, directory = Tap(), tempfile.mkdtemp(prefix='netdump-send-')
    cable = Cable('here', 'there')
    try:
        run('ip', 'link', 'set', 'lo', 'up')
        way = Way(cable, directory)
        for mtu in MTUS:
            way.set_mtu(mtu)

            def one(mtu=mtu):
                through(way, mtu)
            one.__doc__ = ('packets of %d bytes: the file is the same, and no answer is waited for' %
                           mtu)
            tap.run(one)
        way.set_mtu(1500)
        for test in (others, killed, lossy, together):
            def other(test=test):
                return test(way)
            other.__doc__ = test.__doc__
            tap.run(other)
    finally:
        cable.close()
        shutil.rmtree(directory)
    return tap.done()


if __name__ == '__main__':
    sys.exit(main())
