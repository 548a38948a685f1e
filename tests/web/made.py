#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""usage: made.py core BYTES [PANIC]         a Mac's core with its panic log, to standard output
       made.py catalog DIRECTORY COUNT     dumps in the catalog of a panicd that has been stopped
       made.py hostile DIRECTORY           the same, with what an enemy would put into each field"""
import hashlib
import os
import sqlite3
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../server'))
import made_cores  # pylint: disable=wrong-import-position

DAY_MS = 86400000
TITLES = ['Kernel trap at AppleHDA, type 14=page fault', 'zone map exhausted while allocating from zone kalloc.4096',
          'Kernel panic - not syncing: Fatal exception in interrupt', 'page fault',
          'watchdog timeout: no checkins from watchdogd in 90 seconds']
SYSTEMS = [('Darwin', '21.1.0'), ('Darwin', '22.6.0'), ('Linux', '6.1.0-28-amd64'), ('FreeBSD', '14.1-RELEASE')]

# Markup, quotes, another direction, controls, a terminal's escape, and a name that never ends.
HOSTILE = ['<img src=x onerror=alert(1)>', '"><script>alert(1)</script>', "' onmouseover='alert(1)", '&lt;b&gt;&#60;i&#62;',
           '\u202egpj.exe\u202c', 'a\u200bb\ufeffc', 'bell\x07esc\x1b[31mred', 'javascript:alert(1)', '{{7*7}}${7*7}',
           'W' * 240, '\u0627\u0644\u0639\u0631\u0628\u064a\u0629', '\U0001f4a5' * 40, '../../../etc/passwd', 'a\tb\nc\rd']


def core(size, panic=None):
    log = made_cores.panic_log(panic) if panic else None
    sys.stdout.buffer.write(made_cores.core(size, log=log, log_at=0.1))


def put(db, number, name, peer, facts, ended_ms, state='complete', note=None):
    title, system, kernel, host = facts
    file = 'dump-%06d' % number
    digest = hashlib.sha256(b'').hexdigest()
    db.execute('INSERT INTO dump VALUES (?,?,?,?,1,?,?,?,?,?,?,?,?,?,?,?,?)',
               (number, file.encode(), name.encode(), state, '' if state == 'complete' else title[:250],
                'data', digest, 0, peer, 1069, 'kdp', ended_ms - 60000, ended_ms, 1, 0, '[]'))
    signature = hashlib.sha256(title.encode()).hexdigest()[:12]
    db.execute('INSERT INTO facts VALUES (?,1,?,1,?,?,?,?,2,?)',
               (number, signature, title, system, kernel, host, b'{}'))
    db.execute('INSERT INTO sighting VALUES (?,?,?,?,?,?)',
               (number, signature, title, ended_ms, host or peer, kernel))
    if note:
        db.execute('INSERT OR REPLACE INTO note VALUES (?,?,?)', (signature, note, ended_ms))
    return file


def fill(directory, rows):
    db = sqlite3.connect(os.path.join(directory, '.panicd/catalog.db'))
    with db:
        files = [put(db, **row) for row in rows]
    db.close()
    for file in files:
        with open(os.path.join(directory, file), 'wb'):
            pass


def catalog(directory, count):
    now = int(time.time() * 1000)
    fill(directory, ({
        'number': i + 1, 'name': 'core-%d.gz' % (i + 1), 'peer': '10.0.%d.%d' % (i % 40, i % 250 + 1),
        'facts': (TITLES[i * 7 % 5] + (' (variant %d)' % (i % 60) if i % 3 else ''), *SYSTEMS[i % 4], 'machine-%03d' % (i * i % 211)),
        'ended_ms': now - (count - i) * 80 * DAY_MS // count, 'state': 'complete' if i % 9 else 'incomplete',
        'note': 'Known; fixed in the next release.' if i % 500 == 0 else None} for i in range(count)))


def hostile(directory):
    now = int(time.time() * 1000)
    fill(directory, ({
        'number': i + 1, 'name': text, 'peer': text[:60], 'facts': (text, text[:60], text[:100], text), 'ended_ms': now - i * DAY_MS,
        'state': 'complete' if i % 2 else 'incomplete', 'note': text} for i, text in enumerate(HOSTILE)))


if __name__ == '__main__':
    what, *rest = sys.argv[1:]
    {'core': lambda: core(int(rest[0]), *rest[1:]), 'catalog': lambda: catalog(rest[0], int(rest[1])),
     'hostile': lambda: hostile(rest[0])}[what]()
