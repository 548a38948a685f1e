#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""panicd killed before its file operation or packet k, for every k of a small dump, and started
again: the dump completes, byte for byte, once. The same over TFTP, for a dump that its sender leaves,
and that another one takes up, and for one of FreeBSD's, with what lies beside it."""
import concurrent.futures
import os
import subprocess
import sys
import time

from ext import NOW, ExtSender
from kdp import Panicd, Sender, Tap
from netdump import BLOCK, KDH, KEY, Client, header
from tftp import Put, TftpServer

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


class Kdp:
    want = WANT
    server = Panicd

    @staticmethod
    def sender(panicd):
        return Sender(panicd.port, rto=0.03, patience=40)

    @staticmethod
    def transfer(sender):
        transfer(sender)


class Tftp:
    """A block at a time."""
    want = CONTENT
    server = TftpServer
    options = {}

    @staticmethod
    def sender(panicd):
        return Put(panicd.tftp_port, rto=0.03, patience=40)

    @classmethod
    def transfer(cls, sender):
        sender.put('core-cut', CONTENT, **cls.options)


class TftpWindows(Tftp):
    options = {'blksize': 300, 'windowsize': 3, 'tsize': len(CONTENT)}


def check(panicd, want):
    rows = panicd.settled(1)
    assert len(rows) == 1, rows
    assert rows[0]['state'] == 'complete', rows
    assert rows[0]['name'] == 'core-cut', rows
    assert panicd.files() == [rows[0]['file']], (panicd.files(), rows)
    assert panicd.read(rows[0]['file']) == want


def one_cut(k, how):
    panicd = how.server(config='[receive]\nslots = 16\n[policy]\nfloor = 0\n')
    sender = how.sender(panicd)
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
            done = pool.submit(how.transfer, sender)
            while not done.done():
                revive()
                time.sleep(0.005)
            done.result()
        end = time.monotonic() + 30
        while True:  # it may still be cut while it checks: then the check starts anew
            try:
                revive()
                check(panicd, how.want)
                break
            except (AssertionError, RuntimeError, OSError, subprocess.CalledProcessError):
                time.sleep(0.2)  # one that is being killed has not ended yet
                if panicd.process.poll() is None or time.monotonic() > end:
                    raise
        assert kills <= 1, kills
        return kills
    except BaseException as e:
        raise AssertionError('cut at %d: %s\n%s' % (k, e, panicd.log()[-3000:])) from e
    finally:
        sender.close()
        panicd.remove()


def counted(how):
    report = how.server()
    path = report.directory + '.count'
    report.start(env={'LD_PRELOAD': SHIM, 'PND_CUT_REPORT': path})
    sender = how.sender(report)
    how.transfer(sender)
    sender.close()
    check(report, how.want)
    assert report.stop() == 0
    with open(path) as f:
        count = int(f.read())
    os.unlink(path)
    report.remove()
    return count


def cut_everywhere(how):
    count = counted(how)
    assert count > 30, count
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        killed = sum(pool.map(lambda k: one_cut(k, how), range(1, count + MARGIN + 1)))
    print('# %d operations, killed %d times' % (count, killed))
    assert killed > count * 3 // 4, (killed, count)


def every_cut():
    """a server killed before any operation k of a small dump completes the dump after a restart"""
    cut_everywhere(Kdp)


def every_cut_of_tftp():
    """so it does with a file that comes by TFTP, a block at a time, and in windows"""
    cut_everywhere(Tftp)
    cut_everywhere(TftpWindows)


LEFT = bytes(range(1, 251)) * 32   # 8000
LEFT_CONFIG = '[receive]\nslots = 16\n[policy]\nfloor = 0\n[time]\nidle = 1s\n'


class Left:
    """A dump that is left and taken up; the server may be killed once on the way."""

    def __init__(self, env, wait=True):
        self.panicd = Panicd(config=LEFT_CONFIG)
        self.kills = 0
        self.panicd.start(env=env, wait=wait)

    def revive(self):
        code = self.panicd.process.poll()
        if code is None:
            return
        assert code == -9, (code, self.panicd.log())
        self.kills += 1
        self.panicd.start()

    def until(self, true, patience=30):
        """Other threads of the server may be killed at any time: what is asked then is asked again."""
        end = time.monotonic() + patience
        while True:
            try:
                self.revive()
                if true():
                    return
            except (AssertionError, RuntimeError, OSError, subprocess.CalledProcessError):
                pass
            assert time.monotonic() < end, (self.panicd.files(), self.panicd.rows())
            time.sleep(0.005)

    def send(self, sender, end):
        """Until all before `end` is held, and nothing that was is lost."""
        def opened():
            sender.open('core-left', patience=0.5)
            return True
        self.until(opened)
        assert sender.offset <= end
        held = sender.offset

        def done():
            nonlocal held
            if held < end:
                sender.data(held, LEFT[held:min(held + 1400, end)], NOW)
                ack = sender.ack(0.05)
                if ack:
                    assert ack.held >= held, (ack.held, held)
                    held = ack.held
            return held == end
        self.until(done)

    def kept(self):
        rows = self.panicd.rows()
        if [r['state'] for r in rows] != ['incomplete'] or self.panicd.files() != [rows[0]['file']]:
            return False
        assert self.panicd.read(rows[0]['file']) == LEFT[:4000]
        return True

    def run(self):
        first = ExtSender(self.panicd.port)
        self.send(first, 4000)
        first.close()
        self.until(self.kept)
        second = ExtSender(self.panicd.port, ident=first.ident)
        self.send(second, len(LEFT))
        assert second.offset == 4000, second.offset   # what was kept was not sent again

        def finished():
            second.finish(LEFT, patience=0.3)
            return True
        self.until(finished)
        second.close()

        def checked():
            rows = self.panicd.settled(1)
            return ([(r['state'], r['name'], r['file']) for r in rows] ==
                    [('complete', 'core-left', 'core-left')] and
                    self.panicd.files() == ['core-left'] and self.panicd.read('core-left') == LEFT)
        self.until(checked)


def one_left(k):
    left = Left({'LD_PRELOAD': SHIM, 'PND_CUT_AT': str(k)}, wait=False)
    try:
        left.run()
        assert left.kills <= 1, left.kills
        return left.kills
    except BaseException as e:
        raise AssertionError('cut at %d: %s\n%s' % (k, e, left.panicd.log()[-3000:])) from e
    finally:
        left.panicd.remove()


def every_cut_of_a_dump_that_is_left():
    """a dump that is left and taken up goes on where it was, and is one, wherever the server is killed"""
    path = '%s.count' % os.path.join('/tmp', 'panicd-left-%d' % os.getpid())
    left = Left({'LD_PRELOAD': SHIM, 'PND_CUT_REPORT': path})
    left.run()
    assert left.panicd.stop() == 0
    left.panicd.remove()
    with open(path) as f:
        count = int(f.read())
    os.unlink(path)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:   # mostly it is waited for silence
        killed = sum(pool.map(one_left, range(1, count + MARGIN + 1)))
    print('# %d operations, killed %d times' % (count, killed))
    assert killed > count * 3 // 4, (killed, count)


NETDUMP = bytes(range(5, 250)) * 60   # 14700: two sends, the last one with padding
NETDUMP_KEY = bytes(range(256)) * 8
NETDUMP_HEADER = header(len(NETDUMP), keysize=len(NETDUMP_KEY))


def send_netdump(client):
    client.herald('cut')
    client.object(KEY, NETDUMP_KEY)
    client.core(NETDUMP, 0, 2 * BLOCK)
    client.core(NETDUMP, 2 * BLOCK)
    client.object(KDH, NETDUMP_HEADER)
    client.finish()


def check_netdump(panicd):
    row, = panicd.settled(1)
    assert row['state'] == 'complete' and row['name'] == 'cut/' + row['file'], row
    files = [row['file'] + suffix for suffix in ('', '.kdh', '.key')]
    assert panicd.files() == files, panicd.files()
    assert [panicd.read(f) for f in files] == [NETDUMP, NETDUMP_HEADER, NETDUMP_KEY]
    assert os.stat(os.path.join(panicd.directory, files[2])).st_mode & 0o777 == 0o400
    assert row['title'].startswith('page fault'), row


def run_netdump(env):
    """-> how often it was killed before it had all"""
    panicd = Panicd(config='[receive]\nslots = 16\n[policy]\nfloor = 0\n', netdump_port=True)
    client = Client(panicd.netdump_port, rto=0.1, rounds=300)
    kills = 0

    def revive():
        nonlocal kills
        if panicd.process.poll() is not None:
            assert panicd.process.returncode == -9, (panicd.process.returncode, panicd.log())
            kills += 1
            panicd.start()

    try:
        panicd.start(env=env, wait=False)
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            done = pool.submit(send_netdump, client)
            while not done.done():
                revive()
                time.sleep(0.005)
            done.result()
        end = time.monotonic() + 30
        while True:
            try:
                revive()
                check_netdump(panicd)
                break
            except (AssertionError, RuntimeError, OSError, ValueError,
                    subprocess.CalledProcessError):
                time.sleep(0.2)
                if panicd.process.poll() is None and time.monotonic() > end:
                    raise
        assert panicd.stop() == 0 or 'PND_CUT_AT' in env   # it may be cut while it stops
        return kills
    except BaseException as e:
        raise AssertionError('%s: %s\n%s' % (env, e, panicd.log()[-3000:])) from e
    finally:
        client.close()
        panicd.remove()


def every_cut_of_a_netdump():
    """a dump of FreeBSD's, its header and its key are there once, wherever the server is killed"""
    path = '/tmp/panicd-netdump-%d.count' % os.getpid()
    assert run_netdump({'LD_PRELOAD': SHIM, 'PND_CUT_REPORT': path}) == 0
    with open(path) as f:
        count = int(f.read())
    os.unlink(path)
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        kills = list(pool.map(lambda k: run_netdump({'LD_PRELOAD': SHIM, 'PND_CUT_AT': str(k)}),
                              range(1, count + MARGIN + 1)))
    print('# %d operations, killed %d times' % (count, sum(kills)))
    # what it does while it is asked, and stops, is counted too
    assert max(kills) <= 1 and sum(kills) > count // 2, (kills, count)


if __name__ == '__main__':
    tap = Tap()
    tap.run(every_cut)
    tap.run(every_cut_of_tftp)
    tap.run(every_cut_of_a_dump_that_is_left)
    tap.run(every_cut_of_a_netdump)
    sys.exit(tap.done())
