#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Dumps under the names of FreeBSD's netdumpd, and its script called for each: with a server that
goes on receiving, that is restarted, and that is killed before every operation."""
import concurrent.futures
import gzip
import os
import random
import subprocess
import sys
import tempfile
import time

from kdp import PANICCTL, PANICD, Panicd, Sender, Tap
from made_cores import macho, panic_log
from netdump import BLOCK, KDH, KEY, Client, header

SHIM = sys.argv[1] if len(sys.argv) > 1 else None
CORE = macho([(0xffffff8000200000, bytes(4096))])
BASE = '[policy]\nfloor = 0\n'
SCRIPT = '#!/bin/sh\n/bin/pwd >"$0.cwd"\necho "$@" >>"$0.calls"\n'
MARGIN = 6


class Site:
    """A panicd whose dumps have netdumpd's names, and its script."""

    def __init__(self, names='all', script=SCRIPT, config='', args=(), by_option=False):
        self.panicd = Panicd(args=args, netdump_port=True)
        self.script = self.panicd.directory + '.hook'
        self.write(script)
        if by_option:
            self.panicd.args += ['-i', self.script]
        self.panicd.configure('[receive]\nslots = 16\nsavecore-names = %s\n%s%s%s' % (
            names, '' if by_option else 'netdump-hook = %s\n' % self.script, BASE, config))

    def write(self, script):
        with open(self.script, 'w') as f:
            f.write(script)
        os.chmod(self.script, 0o755)

    def send(self, name='core-x', content=CORE):
        sender = Sender(self.panicd.port)
        try:
            sender.dump(name, content)
        finally:
            sender.close()

    def calls(self, count=1, timeout=20):
        """The first `count` calls, each a list of arguments."""
        end = time.monotonic() + timeout
        while True:
            got = []
            if os.path.exists(self.script + '.calls'):
                with open(self.script + '.calls') as f:
                    got = [line.split() for line in f]
            if len(got) >= count:
                return got
            assert time.monotonic() < end, (got, self.panicd.log()[-3000:])
            time.sleep(0.01)

    def path(self, file):
        return os.path.join(self.panicd.directory, file)

    def ctl(self, *args):
        return subprocess.run([PANICCTL, '--directory', self.panicd.directory, *args],
                              capture_output=True, text=True, check=True, timeout=60).stdout

    def __enter__(self):
        self.panicd.start()
        return self

    def __exit__(self, *_):
        self.panicd.remove()
        for suffix in ('', '.cwd', '.calls', '.out'):
            if os.path.exists(self.script + suffix):
                os.unlink(self.script + suffix)


def names():
    """a dump has netdumpd's names once it is checked: one file, one row, also after a restart"""
    with Site() as site:
        panicd = site.panicd
        site.send()
        row, = panicd.settled(1)
        site.calls()
        want = ['bounds.127.0.0.1', 'info.127.0.0.1.0', 'info.127.0.0.1.last',
                'vmcore.127.0.0.1.0', 'vmcore.127.0.0.1.last']
        assert row['file'] == 'vmcore.127.0.0.1.0' and row['state'] == 'complete', row
        assert row['name'] == 'core-x', row
        assert panicd.files() == want, panicd.files()
        assert panicd.read('vmcore.127.0.0.1.last') == CORE
        info = panicd.read('info.127.0.0.1.last').decode()
        assert info.startswith('Dump from 127.0.0.1 [127.0.0.1]\n') and \
            info.endswith('\nDump complete\n') and '  Architecture: x86_64\n' in info, info
        panicd.stop()
        panicd.start()
        assert panicd.settled(1) == [row], panicd.rows()
        panicd.kill()
        os.unlink(site.path('.panicd/catalog.db'))
        panicd.start()
        again, = panicd.settled(1)
        assert (again['file'], again['sha256']) == (row['file'], row['sha256']), again
        assert panicd.files() == want, panicd.files()
        site.send()
        assert [r['file'] for r in panicd.settled(2)] == [want[3], 'vmcore.127.0.0.1.1']
        assert panicd.read('bounds.127.0.0.1') == b'2\n'


def removed():
    """rm takes what lies beside a dump along, and leaves the next one's"""
    with Site() as site:
        for _ in range(2):
            site.send(content=gzip.compress(CORE))
        rows = site.panicd.settled(2)
        site.calls(2)
        assert [r['file'] for r in rows] == ['vmcore.127.0.0.1.%d.gz' % i for i in range(2)], rows
        site.ctl('rm', '1')
        assert site.panicd.files() == [
            'bounds.127.0.0.1', 'info.127.0.0.1.1', 'info.127.0.0.1.last',
            'vmcore.127.0.0.1.1.gz', 'vmcore.127.0.0.1.last'], site.panicd.files()
        site.ctl('rm', '2')
        assert site.panicd.files() == ['bounds.127.0.0.1'], site.panicd.files()


def reasons():
    """the script is told success, timeout or error, address, host, and two paths, in the directory"""
    with Site(config='[time]\nidle = 1s\n') as site:
        directory = os.path.realpath(site.panicd.directory)

        def expect(at, reason, file):
            call = site.calls(at + 1)[at]
            info = '%s/info.127.0.0.1.%d' % (directory, at)
            assert call == [reason, '127.0.0.1', '127.0.0.1', info, '%s/%s' % (directory, file)], \
                (call, site.panicd.log())
            assert os.path.exists(call[3]) and os.path.exists(call[4])
            with open(call[3]) as f:
                return f.read().splitlines()[-1]

        site.send()
        assert expect(0, 'success', 'vmcore.127.0.0.1.0') == 'Dump complete'
        sender = Sender(site.panicd.port)
        sender.open('core-silent')
        sender.data(b'x' * 1000)
        assert expect(1, 'timeout', 'vmcore.127.0.0.1.1.incomplete') == \
            'Dump incomplete: client timed out'
        sender.close()
        site.send('core-cut', CORE[:-1000])
        assert expect(2, 'error', 'vmcore.127.0.0.1.2.incomplete').startswith('Dump unsuccessful: ')
        with open(site.script + '.cwd') as f:
            assert f.read().strip() == directory
        assert len(site.calls()) == 3


def who_is_concerned():
    """without the setting nothing is renamed; of netdump's alone no other's; and never a log"""
    for setting in ('no', 'netdump', 'yes'):
        with Site(setting) as site:
            site.send()
            site.panicd.settled(1)
            assert site.panicd.files() == ['core-x'], (setting, site.panicd.files())
            assert not os.path.exists(site.script + '.calls')
    with Site('all') as site:
        site.send('paniclog-xnu-1', panic_log())
        site.panicd.settled(1)
        assert site.panicd.files() == ['paniclog-xnu-1'], site.panicd.files()


def by_option():
    """-i SCRIPT does what the setting does, and a relative path is that of the start"""
    with Site(by_option=True) as site:
        site.send()
        assert site.calls()[0][0] == 'success'


def slow_script():
    """a script that takes its time holds up no dump, and its output is in the log"""
    with Site(script='#!/bin/sh\necho "sees $5"\nwhile [ ! -e "$0.out" ]; do /bin/sleep 0.1; done\n'
                     'echo "$@" >>"$0.calls"\n') as site:
        for i in range(4):
            site.send('core-%d' % i)
        site.panicd.settled(4)
        assert not os.path.exists(site.script + '.calls')
        open(site.script + '.out', 'w').close()
        assert len(site.calls(4)) == 4
        assert 'hook-says id=1 text="sees ' in site.panicd.log()


def too_slow():
    """a script that takes longer than [time] hook is ended, and that is logged"""
    with Site(script='#!/bin/sh\n/bin/sleep 30\n', config='[time]\nhook = 1s\n') as site:
        site.send()
        site.panicd.settled(1)
        end = time.monotonic() + 15
        while 'hook-ended id=1 signal=15 late=1' not in site.panicd.log():
            assert time.monotonic() < end, site.panicd.log()
            time.sleep(0.05)


def killed_while_it_runs():
    """a server that is killed, or stopped, while the script runs calls it again"""
    with Site(script='#!/bin/sh\necho "$@" >>"$0.calls"\n[ -e "$0.out" ] || /bin/sleep 20\n') as site:
        site.send()
        site.calls(1)
        site.panicd.kill()
        site.panicd.start()
        site.calls(2)
        site.panicd.stop()
        open(site.script + '.out', 'w').close()
        site.panicd.start()
        calls = site.calls(3)
        assert calls[0] == calls[1] == calls[2] and len(calls) == 3, calls
        end = time.monotonic() + 10
        while any(f.startswith('hook') for f in os.listdir(site.path('.panicd'))):
            assert time.monotonic() < end
            time.sleep(0.02)


def wrong_settings():
    """settings that cannot be are refused at the start, with what is wrong"""
    with tempfile.TemporaryDirectory() as place:
        plain = os.path.join(place, 'plain')
        open(plain, 'w').close()
        for line, word in (('savecore-names = maybe', 'maybe'), ('netdump-hook = true', 'absolute'),
                           ('netdump-hook = /nonexistent/x', '/nonexistent/x'),
                           ('netdump-hook = %s' % plain, 'cannot be run')):
            conf = os.path.join(place, 'conf')
            with open(conf, 'w') as f:
                f.write('[receive]\n%s\n' % line)
            got = subprocess.run([PANICD, '--config', conf, os.path.join(place, 'd')],
                                 capture_output=True, text=True, timeout=20)
            assert got.returncode == 2 and word in got.stderr, (line, got)
        got = subprocess.run([PANICD, '-i', '/nonexistent/x', os.path.join(place, 'd')],
                             capture_output=True, text=True, timeout=20)
        assert got.returncode == 2 and '/nonexistent/x' in got.stderr, got


# ---- by netdump ----

NETDUMP = random.Random(5).randbytes(5 * BLOCK)
NETDUMP_KEY = (b'\1' + bytes(32) + (256).to_bytes(4, 'big') + bytes(range(256))).ljust(BLOCK, b'\0')


def freebsd(packing=0, keysize=0, magic='FreeBSD Kernel Dump', length=len(NETDUMP)):
    return header(length, host='crashy.example.org', packing=packing, keysize=keysize, magic=magic)


def netdumps():
    """a dump of netdump, plain, packed, encrypted or of text, has the names that netdumpd gives it"""
    packed = gzip.compress(NETDUMP)
    for content, head, key, file in (
            (NETDUMP, freebsd(), b'', 'vmcore.crashy.0'),
            (packed, freebsd(packing=1, length=len(packed)), b'', 'vmcore.crashy.0.gz'),
            (NETDUMP, freebsd(keysize=BLOCK), NETDUMP_KEY, 'vmcore_encrypted.crashy.0'),
            (NETDUMP, freebsd(magic='FreeBSD Text Dump'), b'', 'textdump.tar.crashy.0')):
        with Site('no', by_option=True) as site:  # netdumpd's -i is enough
            client = Client(site.panicd.netdump_port)
            client.dump(content, head=head, key=key)
            client.close()
            call = site.calls()[0]
            assert call == ['success', '127.0.0.1', 'crashy', site.path('info.crashy.0'),
                            site.path(file)], (call, site.panicd.log())
            assert site.panicd.read(file) == content
            info = site.panicd.read('info.crashy.0').decode().splitlines()
            assert info[0] == 'Dump from crashy [127.0.0.1]' and info[-1] == 'Dump complete', info
            assert '  Hostname: crashy.example.org' in info and \
                '  Panic String: page fault' in info and '  Header Parity Check: good' in info, info
            want = ['bounds.crashy', 'info.crashy.0', 'info.crashy.last', file, file + '.kdh',
                    'vmcore.crashy.last']
            if key:
                want += ['key.crashy.0', file + '.key']
                assert site.panicd.read('key.crashy.0') == key
                assert os.stat(site.path('key.crashy.0')).st_mode & 0o777 == 0o400
            assert site.panicd.files() == sorted(want), site.panicd.files()
            site.panicd.stop()
            site.panicd.start()
            row, = site.panicd.settled(1)
            assert row['file'] == file, row
            site.ctl('rm', '1')
            assert site.panicd.files() == ['bounds.crashy'], site.panicd.files()


def netdump_that_ends_early():
    """of a netdump without a header the script is told the address; Apple's dumps are not concerned"""
    with Site('netdump', config='[time]\nidle = 1s\n') as site:
        client = Client(site.panicd.netdump_port)
        client.herald()
        client.core(NETDUMP)
        client.close()
        site.send()
        call = site.calls()[0]
        assert call == ['timeout', '127.0.0.1', '127.0.0.1', site.path('info.127.0.0.1.0'),
                        site.path('vmcore.127.0.0.1.0.incomplete')], call
        site.panicd.settled(2)
        assert 'core-x' in site.panicd.files() and len(site.calls()) == 1


# ---- killed ----

class Apple:
    """A dump of Apple's protocol, and what there is to be of it."""
    host, file, content = '127.0.0.1', 'vmcore.127.0.0.1.0', CORE
    more, config = [], ''

    def __init__(self, panicd):
        self.sender = Sender(panicd.port, rto=0.03, patience=40)

    def send(self):
        self.sender.dump('core-cut', CORE)

    def close(self):
        self.sender.close()


class FreeBSD:
    """An encrypted dump of netdump's, with a directory in its herald."""
    host, file, content = 'crashy', 'vmcore_encrypted.crashy.0', NETDUMP
    more = ['key.crashy.0', file + '.kdh', file + '.key', 'made']
    config = '[receive]\nnetdump-paths = yes\n'

    def __init__(self, panicd):
        self.client = Client(panicd.netdump_port, rto=0.1, rounds=300)

    def send(self):
        self.client.herald('made/here')
        self.client.object(KEY, NETDUMP_KEY)
        self.client.core(NETDUMP)
        self.client.object(KDH, freebsd(keysize=BLOCK))
        self.client.finish()

    def close(self):
        self.client.close()


def check(site, what):
    """One dump, everything beside it and nothing else, and nobody waits to be called."""
    panicd, host = site.panicd, what.host
    rows = panicd.settled(1)
    assert [(r['file'], r['state']) for r in rows] == [(what.file, 'complete')], rows
    assert panicd.files() == sorted(['bounds.' + host, 'info.%s.0' % host, 'info.%s.last' % host,
                                     'vmcore.%s.last' % host, what.file] + what.more), panicd.files()
    assert panicd.read(what.file) == what.content and panicd.read('bounds.' + host) == b'1\n'
    if what.more:
        assert panicd.read(what.more[0]) == panicd.read(what.more[2]) == NETDUMP_KEY
        assert os.stat(site.path(what.more[2])).st_nlink == 1
        assert os.listdir(site.path('made')) == ['here']
        assert os.listdir(site.path('made/here')) == [what.file]
        assert panicd.read('made/here/' + what.file) == NETDUMP
        assert os.listdir(site.path('.panicd/paths')) == [what.file]
    assert panicd.read('info.%s.0' % host).endswith(b'\nDump complete\n')
    assert os.readlink(site.path('vmcore.%s.last' % host)) == what.file
    calls = site.calls(1, timeout=5)
    assert 1 <= len(calls) <= 2 and calls[0] == calls[-1], calls
    assert calls[0][4] == site.path(what.file), calls
    assert not [f for f in os.listdir(site.path('.panicd')) if f.startswith('hook-')]


def run(kind, env):
    """-> how often it was killed"""
    site = Site(config=kind.config)
    panicd = site.panicd
    what = kind(panicd)
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
            done = pool.submit(what.send)
            while not done.done():
                revive()
                time.sleep(0.005)
            done.result()
        end = time.monotonic() + 30
        while True:
            try:
                revive()
                check(site, what)
                break
            except (AssertionError, RuntimeError, OSError, ValueError,
                    subprocess.CalledProcessError):
                time.sleep(0.2)
                if time.monotonic() > end:
                    raise
        assert kills <= 1, kills
        assert panicd.stop() == 0 or 'PND_CUT_AT' in env   # it may be cut while it stops
        return kills
    except BaseException as e:
        raise AssertionError('%s: %s\n%s' % (env, e, panicd.log()[-3000:])) from e
    finally:
        what.close()
        site.__exit__()


def every_cut(kind):
    path = '%s/panicd-hook-%d.count' % (tempfile.gettempdir(), os.getpid())
    assert run(kind, {'LD_PRELOAD': SHIM, 'PND_CUT_REPORT': path}) == 0
    with open(path) as f:
        count = int(f.read())
    os.unlink(path)
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        kills = list(pool.map(lambda k: run(kind, {'LD_PRELOAD': SHIM, 'PND_CUT_AT': str(k)}),
                              range(1, count + MARGIN + 1)))
    print('# %d operations, killed %d times' % (count, sum(kills)))
    assert sum(kills) > count // 2, (kills, count)


def every_cut_of_apples():
    """killed before any operation, it has the same names after a restart, and the script is called"""
    every_cut(Apple)


def every_cut_of_netdumps():
    """so has a dump of netdump, with the key and header that came with it, in its directory, too"""
    every_cut(FreeBSD)


if __name__ == '__main__':
    tap = Tap()
    for each in (names, removed, reasons, who_is_concerned, by_option, slow_script, too_slow,
                 killed_while_it_runs, wrong_settings, netdumps, netdump_that_ends_early):
        tap.run(each)
    if SHIM:
        tap.run(every_cut_of_apples)
        tap.run(every_cut_of_netdumps)
    sys.exit(tap.done())
