#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""`panicdump send --resume` over a slow cable: the sender is killed in the middle, the server as
well, and who sends the file again finishes the dump. What crosses the cable is counted."""
import hashlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from cable import HERE, Cable, own_namespaces, run
from kdp import PANICDUMP, Panicd, Tap

PORT = 1069
RATE = '160mbit'      # 20 MB/s: the dump takes a second
SIZE = 20 << 20
MIDDLE = 6 << 20      # of the file that the server holds, when the sender is killed
HEADERS = 1.10        # of packets, and what had to be sent again
SLACK = 300_000       # beginning, end, and what a killed server forgot
AHEAD = 2 << 20       # what came behind a lost packet that had not been sent again
CONFIG = '[policy]\nfloor = 0\n[time]\nidle = %s\n'
UNPACK = {'zstd': ['zstd', '-dc'], 'auto': ['zstd', '-dc'], 'lz4': ['lz4', '-dc'],
          'gzip': ['gzip', '-dc']}
SUFFIX = {'zstd': '.zst', 'auto': '.zst', 'lz4': '.lz4', 'gzip': '.gz', 'none': ''}
CABLE = None
PLACE = None


def make_file(seed=1):
    """Half of it can be packed, evenly; a little of it is zeros."""
    rng = random.Random(seed)
    path = os.path.join(PLACE, 'vmcore')
    with open(path, 'wb') as f:
        for _ in range(SIZE // 65536):
            f.write(rng.randbytes(32768) + rng.randbytes(256) * 124 + bytes(1024))
    assert os.path.getsize(path) == SIZE
    return path


def words(path, how, *more):
    return [*CABLE.at_there(), PANICDUMP, 'send', '--server', HERE, '--resume', '-q',
            '--compress', how, *more, path]


def part_bytes(panicd):
    """How much of the dump that arrives is on the disk, in whatever state it is."""
    names = [n for n in panicd.files() if n.endswith('.part')]
    try:
        return sum(os.stat(os.path.join(panicd.directory, n)).st_blocks * 512 for n in names)
    except FileNotFoundError:
        return 0


def interrupt(panicd, path, how, middle=MIDDLE):
    """Sends, and is killed when about `middle` bytes have arrived. @return how many had."""
    sender = subprocess.Popen(words(path, how), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    end = time.monotonic() + 30
    while part_bytes(panicd) < middle:
        assert sender.poll() is None, sender.stdout.read()
        assert time.monotonic() < end
        time.sleep(0.002)
    sender.send_signal(signal.SIGKILL)
    sender.communicate()
    assert sender.returncode == -signal.SIGKILL, sender.returncode
    have, before = part_bytes(panicd), -1
    while have != before:  # what was on the cable by then still arrives
        time.sleep(0.1)
        have, before = part_bytes(panicd), have
    assert middle <= have < 2 * middle + (1 << 20), have
    return have


def crossed():
    done = run('ip', '-j', '-s', 'link', 'show', 'here')
    return json.loads(done.stdout)[0]['stats64']['rx']['bytes']


def finish(path, how, *more):
    """Sends to the end. @return (bytes that the server held, bytes that crossed the cable)"""
    before = crossed()
    done = subprocess.run(words(path, how, *more), stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=60)
    assert done.returncode == 0, done.stdout
    held = re.search(r'held the first (\d+) bytes', done.stdout)
    return int(held[1]) if held else 0, crossed() - before


def judge(panicd, path, how, name='vmcore', count=1):
    """One dump, of which the digest is that of the file. @return bytes of it"""
    rows = [r for r in panicd.settled(count) if r['state'] != 'incomplete']
    assert len(rows) == 1 and len(panicd.rows()) == count, panicd.rows()
    row = rows[0]
    assert row['name'] == name + SUFFIX[how] and row['protocol'] == 'kdp-ext', row
    kept = panicd.read(row['file'])
    assert hashlib.sha256(kept).hexdigest() == row['sha256'], row
    if how != 'none':
        kept = subprocess.run(UNPACK[how], input=kept, stdout=subprocess.PIPE, check=True).stdout
    with open(path, 'rb') as f:
        assert hashlib.sha256(f.read()).digest() == hashlib.sha256(kept).digest()
    assert not [n for n in panicd.files() if n.endswith('.part')], panicd.files()
    return row['bytes']


def once(how, between, idle='60s'):
    """An interruption, what happens `between`, and the rest of the dump."""
    path = make_file()
    panicd = Panicd(address=HERE, port=PORT, config=CONFIG % idle).start()
    try:
        have = interrupt(panicd, path, how)
        between(panicd)
        held, sent = finish(path, how)
        total = judge(panicd, path, how)
        # What had come in a row is not sent again, and everything behind it is sent once.
        assert have - AHEAD <= held <= have + SLACK, (have, held)
        assert total - held <= sent + total // 50, (total, held, sent)
        assert sent < (total - held) * HEADERS + SLACK, (total, held, sent)
        assert held > MIDDLE // 2 and total - held > MIDDLE // 2, (held, total)
    finally:
        panicd.remove()


def restart(panicd):
    panicd.kill()
    panicd.start()


def wait_until_left(panicd):
    end = time.monotonic() + 30
    while panicd.rows()[0]['state'] == 'receiving':
        assert time.monotonic() < end
        time.sleep(0.05)
    assert panicd.rows()[0]['state'] == 'incomplete', panicd.rows()


def left_and_restarted(panicd):
    wait_until_left(panicd)
    restart(panicd)


def at_once():
    """a sender that was killed in the middle goes on where it was"""
    once('none', lambda panicd: None)


def server_killed():
    """so it does when the server was killed and started again in between"""
    once('none', restart)


def kept_as_incomplete():
    """and when the server had kept the dump as incomplete by then, and was killed afterwards"""
    once('none', left_and_restarted, idle='1s')


def packed():
    """a dump that is packed on the way goes on as well: zstd, lz4, gzip, and what auto becomes"""
    for how in ('zstd', 'lz4', 'gzip', 'auto'):
        once(how, restart)


def often():
    """three interruptions, the server killed at each: in all, the dump crosses the cable once"""
    path = make_file()
    panicd = Panicd(address=HERE, port=PORT, config=CONFIG % '60s').start()
    try:
        before = crossed()
        for i in (1, 2, 3):
            interrupt(panicd, path, 'none', i * (4 << 20))
            restart(panicd)
        held, _ = finish(path, 'none')
        assert held >= 11 << 20, held
        assert judge(panicd, path, 'none') == SIZE
        assert crossed() - before < SIZE * HEADERS + 4 * SLACK + 3 * (1 << 20), crossed() - before
    finally:
        panicd.remove()


def another_file():
    """a file that was changed in the meantime is another dump, from its beginning on"""
    path = make_file()
    panicd = Panicd(address=HERE, port=PORT, config=CONFIG % '1s').start()
    try:
        interrupt(panicd, path, 'none')
        wait_until_left(panicd)
        make_file(2)
        held, sent = finish(path, 'none')
        assert held == 0 and sent > SIZE * 0.9, (held, sent)
        judge(panicd, path, 'none', count=2)
    finally:
        panicd.remove()


def another_content():
    """so is one whose content changed and whose size and time did not: the sums tell"""
    path = make_file()
    stat = os.stat(path)
    panicd = Panicd(address=HERE, port=PORT, config=CONFIG % '1s').start()
    try:
        interrupt(panicd, path, 'none')
        wait_until_left(panicd)
        with open(path, 'r+b') as f:
            f.write(b'changed')
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        held, sent = finish(path, 'none')
        assert held == 0 and sent > SIZE * 0.9, (held, sent)
        judge(panicd, path, 'none', count=2)
    finally:
        panicd.remove()


def main():
    global CABLE, PLACE
    why = own_namespaces('--net', tools=('tc', 'zstd', 'lz4'))
    if why:
        print('1..0 # SKIP ' + why)
        return 0
    tap, PLACE = Tap(), tempfile.mkdtemp(prefix='resume-')
    CABLE = Cable('here', 'there')
    try:
        run('ip', 'link', 'set', 'lo', 'up')
        done = CABLE.there('tc', 'qdisc', 'add', 'dev', 'there', 'root', 'tbf', 'rate', RATE,
                           'burst', '64k', 'latency', '20ms')
        assert done.returncode == 0, done.stderr
        for one in (at_once, server_killed, kept_as_incomplete, packed, often, another_file,
                    another_content):
            if len(sys.argv) < 2 or one.__name__ in sys.argv[1:]:
                tap.run(one)
    finally:
        CABLE.close()
        shutil.rmtree(PLACE)
    return tap.done()


if __name__ == '__main__':
    sys.exit(main())
