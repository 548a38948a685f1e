#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""usage: made_dumps.py DIRECTORY

Puts three dumps, with all that can be known of one, into the catalog of a panicd that has been
stopped: 1 has memory of every kind, 2 says what an enemy would in every field, 3 has the longest
log that is kept."""
import json
import os
import random
import sqlite3
import sys
import time

MIB = 1 << 20
LOG_MAX = 16 << 20
GROUP = '0123456789ab'
TITLE = 'sysrq triggered crash'
HOSTILE = '<img src=x onerror=alert(1)>"\'&lt;\u202egpj.exe\u202c\x07\x1b[31mred\u200b' + 'W' * 230
KINDS = ('present', 'zero', 'excluded')

FRAMES = ('dump_stack_lvl+0x44/0x5c', 'panic+0x118/0x2ed', 'sysrq_handle_crash+0x16/0x20', 'write_sysrq_trigger+0x24/0x40',
          'proc_reg_write+0x53/0xa0', 'vfs_write+0xb9/0x3e0', 'ksys_write+0x5f/0xe0', 'do_syscall_64+0x38/0x90')
REGISTERS = 'rip rsp rbp rax rbx rcx rdx rsi rdi r8 r9 r10 r11 r12 r13 r14 r15 rflags'.split()


def memory():
    """2 GiB and 6 GiB, with a hole between: each kind alone, mixed, and a bit of what is lost."""
    roll, ranges, at = random.Random(3), [], 0x1000
    while at < 0x280000000:
        if 0x80000000 <= at < 0x100000000:
            at = 0x100000000
        end = at + roll.choice((1, 2, 4, 16, 32, 64)) * MIB
        if at < 0x80000000:
            end = min(end, 0x80000000)
        part = int((end - at) * roll.random())
        mixed = {'present': part, 'zero': end - at - part} if roll.random() < 0.3 else {roll.choice(KINDS): end - at}
        ranges.append({'start': hex(at), 'end': hex(end), **mixed})
        at = end
    for number, kind in ((10, 'unreadable'), (30, 'missing')):
        start, end = ranges[number]['start'], ranges[number]['end']
        ranges[number] = {'start': start, 'end': end, kind: int(end, 16) - int(start, 16)}
    return {'space': 'physical', 'ranges': ranges}


def linux():
    registers = {name: hex(0x1234567 * (i + 1)) for i, name in enumerate(REGISTERS)}
    return {
        'os': 'Linux', 'kernel': '6.1.0-56-cloud-amd64', 'build_id': '1f3a' + '5c' * 18, 'arch': 'x86_64',
        'kernel_version': 'Linux version 6.1.0-56-cloud-amd64 (debian-kernel@lists.debian.org) (gcc-12 (Debian 12.2.0-14) 12.2.0)',
        'model': 'QEMU Standard PC (i440FX + PIIX, 1996)', 'host': 'lab-7', 'crash_time': '1795329000', 'uptime': '86442.731',
        'panic': TITLE, 'trigger': 'panic', 'task': 'bash (pid 712)', 'boot_args': 'quiet crashkernel=128M',
        'load': '0xffffffff81000000', 'slide': '0x0',
        'cpus': [{'cpu': 1, 'panicked': True, 'registers': registers}, {'cpu': 0, 'panicked': False, 'registers': registers}],
        'backtrace': [{'address': hex(0xffffffff81600046 + 256 * i), 'text': text, **({'module': 'e1000e'} if i == 4 else {})}
                      for i, text in enumerate(FRAMES)],
        'modules': [{'name': 'mod_%d' % i, 'version': '1.%d' % i, 'in_backtrace': i == 4, 'id': 'ab' * 20,
                     'start': hex(0xffffffffc0000000 + i * 0x4000), 'end': hex(0xffffffffc0003000 + i * 0x4000)} for i in range(8)],
        'memory': memory()}


def hostile():
    facts = {key: HOSTILE + key if isinstance(value, str) and key not in ('crash_time', 'uptime') else value
             for key, value in linux().items()}
    facts.update(panic='%s\nsecond %s' % (HOSTILE, HOSTILE), crash_time='99999999999999999', uptime='-1',
                 cpus=[{'cpu': 0, 'panicked': True, 'registers': {'<b>\u202e': '0x1', 'rip': '0xffffffffffffffff'}}],
                 backtrace=[{'address': '0x1', 'text': HOSTILE, 'module': HOSTILE}] * 40,
                 modules=[{'name': HOSTILE, 'version': HOSTILE, 'id': HOSTILE, 'start': '0x1', 'end': '0x2', 'in_backtrace': True}] * 20)
    return facts


def short_log():
    log = ''.join('[%12.6f] usb 1-%d: new high-speed USB device number %d using xhci_hcd\n' % (i / 100, i % 9, i) for i in range(3000))
    return (log + '[   42.700000] sysrq: Trigger a crash\n[   42.800000] Kernel panic - not syncing: %s\n' % TITLE +
            '[   42.800001] Call Trace:\n' + ''.join('[   42.800002]  %s\n' % frame for frame in FRAMES) +
            '[   42.900000] ---[ end Kernel panic - not syncing: %s ]---\n' % TITLE)


def long_log():
    line = '[%12.6f] eth0: line %d of a driver that says <script>alert(1)</script> and more than it should\n'
    lines, size, panic = [], 0, '[ 9999.000000] Kernel panic - not syncing: %s\n' % TITLE
    while size < LOG_MAX - 300:
        lines.append(line % (len(lines) / 1000, len(lines)))
        size += len(lines[-1])
    lines.insert(len(lines) // 2, panic)
    return ''.join(lines)


def put(db, number, name, facts, log, state='complete', reason='', missing=()):
    now = int(time.time() * 1000)
    text, log = json.dumps(facts), log.encode()
    db.execute('INSERT INTO dump VALUES (?,?,?,?,1,?,?,?,?,?,?,?,?,?,?,?,?)',
               (number, ('vmcore-%d' % number).encode(), name.encode(), state, reason, 'elf', 'a5' * 32, 0, '10.0.40.7', 1069, 'kdp',
                now - 62000, now - 30000, 523411, 12, json.dumps([{'start': a, 'end': b} for a, b in missing])))
    db.execute('INSERT INTO facts VALUES (?,1,?,1,?,?,?,?,?,?)',
               (number, GROUP, facts['panic'][:200], facts['os'], facts['kernel'], facts['host'], len(text), text.encode()))
    db.execute('INSERT INTO facts_log VALUES (?,?,?)', (number, len(log), log))
    db.execute('INSERT INTO sighting VALUES (?,?,?,?,?,?)', (number, GROUP, TITLE, now - 30000, facts['host'][:60], facts['kernel']))


def main():
    directory = sys.argv[1]
    db = sqlite3.connect(os.path.join(directory, '.panicd/catalog.db'))
    with db:
        put(db, 1, 'vmcore-1', linux(), short_log())
        put(db, 2, HOSTILE[:200], hostile(), short_log(), 'incomplete', HOSTILE, [(i * 1000, i * 1000 + 300) for i in range(20)])
        put(db, 3, 'vmcore-3', linux(), long_log())
        db.execute('INSERT INTO note VALUES (?,?,?)', (GROUP, 'Fixed in 6.1.150: update <b>these</b> machines', 1))
    db.close()
    for number in (1, 2, 3):
        with open(os.path.join(directory, 'vmcore-%d' % number), 'wb'):
            pass


main()
