#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""The same panic, from real senders through the real server: it is one group over machines, slides,
removals and restarts, and whoever watches is told what is known of it."""
import json
import os
import sqlite3
import subprocess
import sys
import time

from kdp import PANICCTL, Panicd, Sender, Tap

TITLE = 'Kernel trap, type 14=page fault in [com.apple.driver.AppleHDA]'


def panic_log(slide, kext='com.apple.driver.AppleHDA', process='kernel_task'):
    base = 0xffffff7f90000000 + slide
    return ('''panic(cpu 2 caller 0x%016x): Kernel trap at 0x%016x, type 14=page fault, registers:
CR0: 0x0000000080010033, CR2: 0x0000000000000010, CR3: 0x%016x, CR4: 0x00000000003626e0
RAX: 0x0000000000000000, RBX: 0xffffff8034567890, RCX: 0x0000000000000001, RDX: 0x0000000000000000
Fault CR2: 0x0000000000000010, Error code: 0x0000000000000000, Fault CPU: 0x2, PL: 0, VF: 0

Backtrace (CPU 2), Frame : Return Address
0xffffff81a1b2c3d0 : 0x%016x 
0xffffff81a1b2c460 : 0x%016x 
      Kernel Extensions in backtrace:
         %s(283.15)[01234567-89AB-CDEF-0123-456789ABCDEF]@0x%016x->0x%016x

BSD process name corresponding to current thread: %s
Boot args: debug=0xd44

Mac OS version:
21A559

Kernel version:
Darwin Kernel Version 21.1.0: Wed Oct 13 17:33:23 PDT 2021; root:xnu-8019.41.5~1/RELEASE_X86_64
Kernel slide:     0x%016x
''' % (0xffffff8000c0ffee + slide, base + 0x1234, slide, 0xffffff8000345678 + slide, base + 0x1234,
       kext, base, base + 0xffff, process, slide)).encode()


def ctl(panicd, *args, code=0):
    run = subprocess.run([PANICCTL, '--json', '--directory', panicd.directory, *args],
                         capture_output=True, check=False)
    assert run.returncode == code, (args, run.returncode, run.stderr, run.stdout[-500:])
    return json.loads(run.stdout) if run.stdout else None


def send(panicd, name, content, host='127.0.0.1'):
    sender = Sender(panicd.port, bind=(host, 0))
    sender.dump(name, content)
    sender.close()


def log_line(panicd, number, timeout=20):
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        for line in panicd.log().splitlines():
            if ' panic id=%d ' % number in line:
                return line
        time.sleep(0.02)
    raise AssertionError('no panic line of dump %d in\n%s' % (number, panicd.log()[-2000:]))


class Watch:
    """The events that a watcher gets until `count` dumps have ended and been checked."""

    def __init__(self, panicd, count):
        self.process = subprocess.Popen(
            [PANICCTL, '--json', '--directory', panicd.directory, 'watch', '--count', str(count)],
            stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
        time.sleep(0.3)

    def checked(self):
        out, _ = self.process.communicate(timeout=30)
        assert self.process.returncode == 0
        events = [json.loads(line) for line in out.splitlines()]
        return [event['dump'] for event in events if event['event'] == 'checked']


def over_machines():
    """the same panic of three machines is one group, and its note is told when it comes again"""
    with Panicd() as panicd:
        watch = Watch(panicd, 1)
        send(panicd, 'paniclog-a', panic_log(0x2000000), '127.0.0.2')
        first = watch.checked()[0]
        assert first['seen'] == 1 and first['machines'] == 1 and first['note'] is None, first
        assert first['title'] == TITLE, first
        assert 'note' not in log_line(panicd, 1)
        ctl(panicd, 'note', first['group'], 'fixed in 10.15.5 beta 4')
        watch = Watch(panicd, 2)
        send(panicd, 'paniclog-b', panic_log(0xa000000, process='Safari'), '127.0.0.3')
        send(panicd, 'paniclog-c', panic_log(0, process='Mail'), '127.0.0.4')
        last = max(watch.checked(), key=lambda dump: dump['id'])
        assert last['group'] == first['group'] and last['seen'] == 3 and last['machines'] == 3, last
        assert last['note'] == 'fixed in 10.15.5 beta 4', last
        assert last['first_seen'] == ctl(panicd, 'groups')['groups'][0]['first_seen'], last
        line = log_line(panicd, 3)
        assert 'group=%s seen=3 machines=3' % first['group'] in line, line
        assert 'note="fixed in 10.15.5 beta 4"' in line, line
        group = ctl(panicd, 'groups', '3')
        assert [s['machine'] for s in group['sightings']] == ['127.0.0.2', '127.0.0.3', '127.0.0.4']


def different_ones():
    """another panic is another group, and a dump that says nothing is in none"""
    with Panicd() as panicd:
        send(panicd, 'paniclog-a', panic_log(0))
        send(panicd, 'paniclog-b', panic_log(0, kext='com.apple.driver.AppleGPU'))
        send(panicd, 'core-c', b'nothing that is known\n' * 100)
        rows = panicd.settled(3)
        assert rows[0]['group'] != rows[1]['group'] and rows[2]['group'] is None, rows
        assert len(ctl(panicd, 'groups')['groups']) == 2
        assert ' panic id=3' not in panicd.log()


def over_removal_and_restart():
    """a group outlives its dumps, a restart and a kill"""
    with Panicd() as panicd:
        send(panicd, 'paniclog-a', panic_log(0x2000000))
        log_line(panicd, 1)
        ctl(panicd, 'rm', '1')
        panicd.stop()
        panicd.start()
        send(panicd, 'paniclog-a', panic_log(0x4000000))
        assert 'seen=2' in log_line(panicd, 2)
        panicd.kill()
        panicd.start()
        send(panicd, 'paniclog-b', panic_log(0x6000000))
        assert 'seen=3' in log_line(panicd, 3)
        group = ctl(panicd, 'groups', '1')
        assert group['count'] == 3 and group['kept'] == 2, group


def beside_a_vacuum():
    """vacuum takes nothing from under a dump that arrives"""
    with Panicd() as panicd:
        for number in range(1, 6):
            send(panicd, 'paniclog-%d' % number, panic_log(number << 24))
            log_line(panicd, number)
        sender = Sender(panicd.port)
        sender.open('paniclog-late')
        content = panic_log(0x7000000)
        sender.data(content[:500])
        got = ctl(panicd, 'vacuum', '--keep', '2')
        assert [r['id'] for r in got['removed']] == [2, 3, 4] and got['within'] is True, got
        sender.data(content[500:])
        sender.eof()
        sender.close()
        assert 'seen=6' in log_line(panicd, 6)
        assert sorted(panicd.files()) == ['paniclog-1', 'paniclog-5', 'paniclog-late']
        assert [row['id'] for row in panicd.settled(3)] == [1, 5, 6]
        assert ctl(panicd, 'groups', '2')['kept'] == 3


def an_older_catalog():
    """dumps in a catalog of the first panicd are listed at once, and read at the next start"""
    with Panicd() as panicd:
        send(panicd, 'paniclog-a', panic_log(0x2000000))
        log_line(panicd, 1)
        panicd.stop()
        db = sqlite3.connect(os.path.join(panicd.directory, '.panicd/catalog.db'))
        for name in ('facts', 'facts_log', 'sighting', 'note'):
            db.execute('DROP TABLE ' + name)
        db.execute('DROP TRIGGER facts_go_with_their_dump')
        db.execute('PRAGMA user_version = 1')
        db.commit()
        db.close()
        assert panicd.rows()[0]['group'] is None
        panicd.start()
        end = time.monotonic() + 20
        while panicd.rows()[0]['group'] is None and time.monotonic() < end:
            time.sleep(0.05)
        row = panicd.rows()[0]
        assert row['title'] == TITLE and row['state'] == 'complete', row
        send(panicd, 'paniclog-b', panic_log(0x4000000))
        assert 'seen=2' in log_line(panicd, 2)


def a_number_that_begins_a_group():
    """a dump that says nothing is in no group, whatever groups begin with its number"""
    with Panicd() as panicd:
        number, group = 0, ''
        while not group[:4].isdigit() or group[0] == '0':
            number += 1
            send(panicd, 'paniclog-%d' % number, panic_log(0, kext='com.kext%x' % (1 << number)))
            log_line(panicd, number)
            group = ctl(panicd, 'groups', str(number))['group']
        wanted = int(group[:4])
        panicd.stop()
        db = sqlite3.connect(os.path.join(panicd.directory, '.panicd/catalog.db'))
        db.execute('UPDATE sqlite_sequence SET seq = ?', (wanted - 1,))
        db.commit()
        db.close()
        panicd.start()
        send(panicd, 'core-c', b'nothing that is known\n' * 100)
        row = max(panicd.settled(number + 1), key=lambda row: row['id'])
        assert row['id'] == wanted and row['state'] == 'complete', row
        assert 'id=%d ' % wanted in panicd.log()
        assert ' panic id=%d ' % wanted not in panicd.log(), panicd.log()[-1000:]


def main():
    tap = Tap()
    for test in (over_machines, different_ones, over_removal_and_restart, beside_a_vacuum,
                 an_older_catalog, a_number_that_begins_a_group):
        tap.run(test)
    return tap.done()


if __name__ == '__main__':
    sys.exit(main())
