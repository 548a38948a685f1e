#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Fifty machines send at once, in every protocol that the server knows, over a cable that is slow
enough for all of them to be at it when the server is killed, twice: every dump is whole.
`test_many.py --send PROTOCOL FILE` is one of the senders, at the far end."""
import hashlib
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from cable import HERE, Cable, own_namespaces, run
from kdp import PANICDUMP, Tap
from netdump import BLOCK, Client, header
from tftp import Put, TftpServer

PORT, NETDUMP_PORT, TFTP_PORT = 1069, 20023, 69
RATE = '200mbit'     # 25 MB/s: all of them take more than ten seconds
ALIVE = 40, 30       # of the fifty, at least, when the server is killed
BETWEEN_S = 1        # one time and the next
# How many send so, how much, and by what protocol the dump is known to have come.
SENDERS = {'plain': (13, 4 << 20, 'kdp'), 'extension': (13, 10 << 20, 'kdp-ext'),
           'netdump': (12, 4 << 20, 'netdump'), 'tftp': (12, 4 << 20, 'tftp')}
TFTP_MANNERS = [{'blksize': 1428}, {'blksize': 1428, 'windowsize': 8},
                {'blksize': 1428, 'windowsize': 64, 'tsize': None}, {'blksize': 1024, 'timeout': 1}]
READY = 'ready-'     # and a name, a file: this one is there
GO = 'go'            # a file: all are there, and begin
CABLE = None
PLACE = None


def name_of(how, number):
    return '%s-%d' % (how, number)


def wait(true, patience=60):
    end = time.monotonic() + patience
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


# ---- the far end ----

def send(how, path):
    name, place = os.path.basename(path), os.path.dirname(path)
    with open(os.path.join(place, READY + name), 'w'):
        pass
    while not os.path.exists(os.path.join(place, GO)):
        time.sleep(0.02)
    if how in ('plain', 'extension'):
        words = [PANICDUMP, 'send', '--server', HERE, '-q', path]
        os.execv(PANICDUMP, words[:-1] + ['--plain', path] if how == 'plain' else words)
    with open(path, 'rb') as f:
        content = f.read()
    if how == 'netdump':
        client = Client(NETDUMP_PORT, HERE, rto=0.5, rounds=60)
        client.dump(content, head=header(len(content)))
        return
    manner = dict(TFTP_MANNERS[int(name.split('-')[1]) % len(TFTP_MANNERS)])
    if 'tsize' in manner:
        manner['tsize'] = len(content)
    Put(TFTP_PORT, HERE, rto=0.5, patience=50).put(name, content, **manner)


# ---- this end ----

def start_senders():
    """-> {name: (its process, its protocol, the digest of its file)}"""
    rng, senders = random.Random(1), {}
    for how, (count, size, protocol) in SENDERS.items():
        for number in range(count):
            path = os.path.join(PLACE, name_of(how, number))
            size += BLOCK * rng.randrange(10)
            content = rng.randbytes(size if how == 'netdump' else size + rng.randrange(5000))
            with open(path, 'wb') as f:
                f.write(content)
            senders[name_of(how, number)] = (
                subprocess.Popen([*CABLE.at_there(), sys.executable, os.path.abspath(__file__),
                                  '--send', how, path], stdout=subprocess.PIPE,
                                 stderr=subprocess.STDOUT),
                protocol, hashlib.sha256(content).hexdigest())
    wait(lambda: all(os.path.exists(os.path.join(PLACE, READY + name)) for name in senders))
    with open(os.path.join(PLACE, GO), 'w'):
        return senders


def arriving(panicd):
    return [t for t in (panicd.ask('transfers') or {}).get('transfers', ())
            if t['state'] == 'receiving']


def kill(panicd, alive):
    """When so many dumps arrive, at least. -> how many did"""
    dumps = []

    def enough():
        nonlocal dumps
        dumps = arriving(panicd)
        return len(dumps) >= alive and all(t['bytes'] for t in dumps)
    wait(enough)
    panicd.kill()
    panicd.start()
    return len(dumps)


def killed_twice():
    """fifty senders of all protocols lose nothing to a server that is killed twice"""
    panicd = TftpServer(address=HERE, port=PORT, tftp_port=TFTP_PORT,
                        netdump_port=NETDUMP_PORT).start()
    senders = {}
    try:
        start = time.monotonic()
        senders = start_senders()
        assert len(senders) == 50, len(senders)
        killed = [kill(panicd, ALIVE[0])]
        time.sleep(BETWEEN_S)
        killed.append(kill(panicd, ALIVE[1]))
        for name, (process, _, _) in senders.items():
            out, _ = process.communicate(timeout=120)
            assert process.returncode == 0, (name, out, panicd.log()[-3000:])
        took = time.monotonic() - start
        rows = panicd.settled(len(senders), timeout=120)
        by_digest = {r['sha256']: r for r in rows}  # a netdump has no name of its sender's
        assert len(rows) == len(by_digest) == len(senders), rows
        for name, (_, protocol, digest) in senders.items():
            row = by_digest.get(digest)
            assert row, (name, rows)
            # What no reader knows is complete.
            assert row['protocol'] == protocol and row['state'] == 'complete', row
            assert hashlib.sha256(panicd.read(row['file'])).hexdigest() == digest, row
        assert not [f for f in panicd.files() if f.endswith(('.part', '.incomplete'))]
        print('# killed while %s of %d arrived; %.1f s' % (' and '.join(map(str, killed)),
                                                         len(senders), took))
    finally:
        for process, _, _ in senders.values():
            process.kill()
            process.wait()
        panicd.remove()


def main():
    global CABLE, PLACE
    if sys.argv[1:2] == ['--send']:
        send(*sys.argv[2:])
        return 0
    why = own_namespaces('--net', tools=('tc',))
    if why:
        print('1..0 # SKIP ' + why)
        return 0
    tap, PLACE = Tap(), tempfile.mkdtemp(prefix='many-')
    CABLE = Cable('here', 'there')
    try:
        run('ip', 'link', 'set', 'lo', 'up')
        done = CABLE.there('tc', 'qdisc', 'add', 'dev', 'there', 'root', 'tbf', 'rate', RATE,
                           'burst', '64k', 'latency', '50ms')
        assert done.returncode == 0, done.stderr
        tap.run(killed_twice)
    finally:
        CABLE.close()
        shutil.rmtree(PLACE)
    return tap.done()


if __name__ == '__main__':
    sys.exit(main())
