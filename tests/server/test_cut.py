#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""panicd killed before its file operation or packet k, for every k of a small dump, and started
again: the dump completes, byte for byte, once."""
import concurrent.futures
import os
import subprocess
import sys
import time

from kdp import Panicd, Sender, Tap

SHIM = sys.argv[1]
CONTENT = bytes(range(256)) * 9  # two DATA blocks, a SEEK between them, one DATA behind it
HOLE = 100000
MARGIN = 6  # operations of the threads may come in another order than in the counted run


def transfer(sender):
    sender.open('core-cut')
    sender.data(CONTENT[:1406])
    sender.data(CONTENT[1406:])
    sender.seek(HOLE)
    sender.data(CONTENT[:700])
    sender.eof()


WANT = CONTENT.ljust(HOLE, b'\0') + CONTENT[:700]


def check(panicd):
    rows = panicd.settled(1)
    assert len(rows) == 1, rows
    assert rows[0]['state'] == 'complete', rows
    assert rows[0]['name'] == 'core-cut', rows
    assert panicd.files() == [rows[0]['file']], (panicd.files(), rows)
    assert panicd.read(rows[0]['file']) == WANT


def one_cut(k):
    panicd = Panicd(config='[receive]\nslots = 16\n[policy]\nfloor = 0\n')
    sender = Sender(panicd.port, rto=0.03, patience=40)
    kills = 0

    def revive():
        nonlocal kills
        code = panicd.process.poll()
        if code is None:
            return False
        assert code == -9, (code, panicd.log())
        kills += 1
        panicd.start()
        return True

    try:
        panicd.start(env={'LD_PRELOAD': SHIM, 'PND_CUT_AT': str(k)}, wait=False)
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            done = pool.submit(transfer, sender)
            while not done.done():
                revive()
                time.sleep(0.005)
            done.result()
        end = time.monotonic() + 30
        while True:  # it may still be cut while it checks: then the check starts anew
            try:
                revive()
                check(panicd)
                break
            except (AssertionError, RuntimeError, OSError, subprocess.CalledProcessError):
                if panicd.process.poll() is None or time.monotonic() > end:
                    raise
        assert kills <= 1, kills
        return kills
    except BaseException as e:
        raise AssertionError('cut at %d: %s\n%s' % (k, e, panicd.log()[-3000:])) from e
    finally:
        sender.close()
        panicd.remove()


def counted():
    report = Panicd()
    path = report.directory + '.count'
    report.start(env={'LD_PRELOAD': SHIM, 'PND_CUT_REPORT': path})
    sender = Sender(report.port)
    transfer(sender)
    sender.close()
    check(report)
    assert report.stop() == 0
    with open(path) as f:
        count = int(f.read())
    os.unlink(path)
    report.remove()
    return count


def every_cut():
    """a server killed before any operation k of a small dump completes the dump after a restart"""
    count = counted()
    assert count > 30, count
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        killed = sum(pool.map(one_cut, range(1, count + MARGIN + 1)))
    print('# %d operations, killed %d times' % (count, killed))
    assert killed > count * 3 // 4, (killed, count)


if __name__ == '__main__':
    tap = Tap()
    tap.run(every_cut)
    sys.exit(tap.done())
