#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Why a machine died is known while its dump still arrives, and whatever then happens to the dump,
the verdict is that of a dump which nobody read before."""
import hashlib
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time

import made_cores as cores
from kdp import PANICCTL, Panicd, Sender, Tap, children_of

MIB = 1 << 20
SIZE = 6 * MIB


def info(panicd, sel='latest'):
    run = subprocess.run([PANICCTL, '--directory', panicd.directory, 'info', '--json', str(sel)],
                         capture_output=True, check=False)
    return json.loads(run.stdout) if run.returncode == 0 else {}


def wait_for(what, timeout=20):
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        got = what()
        if got:
            return got
        time.sleep(0.02)
    raise AssertionError('waited %d s for it' % timeout)


def cause(panicd):
    return [line for line in panicd.log().splitlines() if ' cause ' in line]


def children(panicd):
    """Processes that read dumps for this server."""
    return children_of(panicd.process.pid)


class Slow:
    """A dump of which only a part is sent at first."""

    def __init__(self, panicd, name, content, part):
        self.sender, self.content, self.at = Sender(panicd.port), content, 0
        self.sender.open(name)
        self.send(part)

    def send(self, to=None):
        to = len(self.content) if to is None else to
        while self.at < to:
            piece = self.content[self.at:min(self.at + self.sender.size, to)]
            self.sender.data(piece)
            self.at += len(piece)

    def finish(self):
        self.send()
        self.sender.eof()
        self.sender.close()


def check_row(row, content, state='complete'):
    assert row['state'] == state, row
    assert row['sha256'] == hashlib.sha256(content).hexdigest(), row


def while_it_arrives(pack):
    content = pack(cores.core(SIZE, log_at=0.2))
    with Panicd() as panicd:
        slow = Slow(panicd, 'core-a', content, len(content) * 2 // 3)
        line = wait_for(lambda: cause(panicd))[0]
        assert 'id=1 ' in line and 'zone map exhausted' in line, line
        assert panicd.rows()[0]['state'] == 'receiving'
        shown = info(panicd, 1)
        assert shown['state'] == 'receiving', shown
        assert cores.PANIC in shown['facts']['panic'], shown
        assert shown['facts']['os_version'] == '21A559', shown
        slow.finish()
        check_row(panicd.settled()[0], content)
        shown = info(panicd, 1)
        assert cores.PANIC in shown['facts']['panic'], shown
        assert 'follow-failed' not in panicd.log(), panicd.log()


def plain_while_it_arrives():
    """a plain core: the panic string is there before the dump has ended"""
    while_it_arrives(lambda content: content)


def packed_while_it_arrives():
    """a core in gzip: the same"""
    while_it_arrives(cores.gzip)


def header_first():
    """what the header says is known before the panic string has come"""
    content = cores.core(SIZE, log_at=0.9)
    with Panicd() as panicd:
        slow = Slow(panicd, 'core-a', content, 2 * MIB)
        facts = wait_for(lambda: info(panicd, 1).get('facts'))
        assert facts.get('arch') == 'x86_64' and facts['cpus'][0]['registers']['rip'], facts
        assert 'panic' not in facts, facts
        slow.finish()
        check_row(panicd.settled()[0], content)
        facts = info(panicd, 1)['facts']
        assert cores.PANIC in facts['panic'] and facts['build_id'] == cores.UUID_TEXT, facts


def a_kernel_that_goes_back():
    """a sender that goes back over what was read: the verdict is that of the bytes as they are"""
    content = cores.core(SIZE, log_at=0.2)
    with Panicd() as panicd:
        slow = Slow(panicd, 'core-a', b'\xff' * 3 * MIB, 3 * MIB)
        wait_for(lambda: children(panicd))
        sender = slow.sender
        sender.seek(0)
        for at in range(0, len(content), sender.size):
            sender.data(content[at:at + sender.size])
        sender.eof()
        check_row(panicd.settled()[0], content)
        assert cores.PANIC in info(panicd, 1)['facts']['panic']


def an_end_in_the_middle():
    """a sender that stops: what was known stays known, and the verdict is incomplete"""
    content = cores.core(SIZE, log_at=0.2)
    with Panicd(config='[policy]\nfloor = 0\n[time]\nidle = 10s\n') as panicd:
        slow = Slow(panicd, 'core-a', content, 4 * MIB)
        wait_for(lambda: cause(panicd))
        slow.sender.close()
        row = wait_for(lambda: [r for r in panicd.rows() if r['state'] == 'incomplete' and
                                r['sha256']], 40)[0]
        check_row(row, content[:row['bytes']], 'incomplete')
        assert cores.PANIC in info(panicd, 1)['facts']['panic']


def a_killed_reader():
    """a reading child that is killed costs nothing but the early news"""
    content = cores.core(SIZE, log_at=0.2)
    with Panicd() as panicd:
        slow = Slow(panicd, 'core-a', content, 3 * MIB)
        for pid in wait_for(lambda: children(panicd)):
            os.kill(pid, signal.SIGKILL)
        wait_for(lambda: 'follow-failed' in panicd.log())
        slow.finish()
        check_row(panicd.settled()[0], content)
        assert cores.PANIC in info(panicd, 1)['facts']['panic']


def a_killed_server():
    """a server that is killed and started again follows the dump anew"""
    content = cores.core(SIZE, log_at=0.5)
    with Panicd() as panicd:
        slow = Slow(panicd, 'core-a', content, 2 * MIB)
        panicd.kill()
        panicd.start()
        slow.send(5 * MIB)
        wait_for(lambda: cause(panicd))
        slow.finish()
        check_row(panicd.settled()[0], content)


def more_than_are_followed():
    """dumps beyond those that are followed are read when they have ended; no child is left over"""
    contents = [cores.core(2 * MIB, cores.panic_log('panic number %d' % i), seed=i)
                for i in range(6)]
    with Panicd() as panicd:
        slow = [Slow(panicd, 'core-%d' % i, c, len(c) * 3 // 4) for i, c in enumerate(contents)]
        wait_for(lambda: len(cause(panicd)) >= 2)
        assert len(children(panicd)) <= 3, children(panicd)
        for s in slow:
            s.finish()
        rows = {r['name']: r for r in panicd.settled(6)}
        for i, content in enumerate(contents):
            check_row(rows['core-%d' % i], content)
            assert info(panicd, 'core-%d' % i)['facts']['panic'].count('panic number %d' % i)
        wait_for(lambda: not children(panicd))


def a_bomb():
    """what expands without end is refused its time, and the server goes on"""
    content = cores.gzip(bytes(64 * MIB), 9)
    with Panicd() as panicd:
        sender = Sender(panicd.port)
        sender.dump('core-a.gz', content)
        sender.close()
        check_row(panicd.settled()[0], content)
        sender = Sender(panicd.port)
        sender.dump('core-b', cores.core(MIB))
        sender.close()
        assert len(panicd.settled(2)) == 2


def facts_of_older_dumps():
    """dumps that were received before there were facts get theirs at the next start"""
    content = cores.core(MIB)
    with Panicd() as panicd:
        sender = Sender(panicd.port)
        sender.dump('core-a', content)
        sender.close()
        panicd.settled()
        wait_for(lambda: info(panicd, 1).get('facts'))
        panicd.stop()
        for name in ('catalog.db', 'catalog.db-wal', 'catalog.db-shm'):
            path = os.path.join(panicd.directory, '.panicd', name)
            if os.path.exists(path):
                os.unlink(path)
        panicd.start()
        facts = wait_for(lambda: info(panicd, 1).get('facts'))
        assert cores.PANIC in facts['panic'], facts


def the_same_machine_again():
    """a panic that comes again from one machine is of one machine, while it arrives too"""
    content = cores.core(SIZE, log_at=0.2)
    with Panicd() as panicd:
        sender = Sender(panicd.port)
        sender.dump('core-a', content)
        sender.close()
        panicd.settled()
        slow = Slow(panicd, 'core-b', content, len(content) * 2 // 3)
        line = wait_for(lambda: [line for line in cause(panicd) if 'id=2 ' in line])[0]
        assert 'seen=2 machines=1 ' in line, line
        slow.finish()


def checking(panicd):
    """How many dumps wait for their verdict, as the policy's sums have it."""
    fd = os.open(os.path.join(panicd.directory, '.panicd'), os.O_RDONLY)
    with socket.socket(socket.AF_UNIX) as control:
        control.connect('/proc/self/fd/%d/control' % fd)
        os.close(fd)
        control.sendall(b'status\n')
        return json.loads(control.makefile().readline())['transfers']['checking']


def processor_ms(panicd):
    with open('/proc/%d/stat' % panicd.process.pid) as f:
        fields = f.read().rsplit(')', 1)[1].split()
    return (int(fields[11]) + int(fields[12])) * 1000 // os.sysconf('SC_CLK_TCK')


def hold_catalog(panicd):
    """Nobody else may write it until this is closed."""
    db = sqlite3.connect(os.path.join(panicd.directory, '.panicd/catalog.db'))
    db.execute('BEGIN IMMEDIATE')
    return db


def a_held_catalog():
    """a verdict that the catalog does not take at first is neither lost nor made twice"""
    content = cores.gzip(cores.core(SIZE, log_at=0.2))[:-100]
    with Panicd() as panicd:
        slow = Slow(panicd, 'core-a.gz', content, len(content) * 2 // 3)
        wait_for(lambda: cause(panicd))
        reader, = children(panicd)
        os.kill(reader, signal.SIGSTOP)
        slow.finish()
        wait_for(lambda: [row for row in panicd.rows() if row['id'] == 1 and row['received_at']])
        db = hold_catalog(panicd)
        os.kill(reader, signal.SIGCONT)
        wait_for(lambda: 'catalog-behind' in panicd.log())
        assert panicd.files() == ['core-a.gz.incomplete'], panicd.files()
        db.close()
        time.sleep(0.2)
        assert not children(panicd)
        row = wait_for(lambda: [r for r in panicd.rows() if r['sha256']], 30)[0]
        check_row(row, content, 'incomplete')
        assert row['file'] == 'core-a.gz.incomplete' and 'follow-failed' not in panicd.log()
        assert cores.PANIC in info(panicd, 1)['facts']['panic']


def a_long_check():
    """a dump that takes long to read keeps no processor busy by it, and the sums go on"""
    content = cores.core(SIZE, log_at=0.2)
    with Panicd() as panicd:
        slow = Slow(panicd, 'core-a', content, len(content) * 2 // 3)
        wait_for(lambda: cause(panicd))
        reader, = children(panicd)
        os.kill(reader, signal.SIGSTOP)
        slow.finish()
        wait_for(lambda: [row for row in panicd.rows() if row['id'] == 1 and row['received_at']])
        for number in range(2):
            sender = Sender(panicd.port)
            sender.dump('small-%d' % number, b'nothing')
            sender.close()
        time.sleep(11)
        assert checking(panicd) == 3, checking(panicd)
        before = processor_ms(panicd)
        time.sleep(2)
        assert processor_ms(panicd) - before < 500, processor_ms(panicd) - before
        os.kill(reader, signal.SIGCONT)
        check_row(panicd.settled(3)[0], content)


def main():
    tap = Tap()
    for test in (plain_while_it_arrives, packed_while_it_arrives, header_first,
                 a_kernel_that_goes_back, an_end_in_the_middle, a_killed_reader, a_killed_server,
                 more_than_are_followed, a_bomb, facts_of_older_dumps,
                 the_same_machine_again, a_held_catalog, a_long_check):
        tap.run(test)
    return tap.done()


if __name__ == '__main__':
    sys.exit(main())
