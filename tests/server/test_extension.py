#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""The extension against the real daemon, by a sender written from PROTOCOL.md section 12."""
import os
import random
import struct
import subprocess
import sys
import time

from ext import DATA, END, NOW, PROBE, STOP, ExtSender, dump_sum
from journal import change_whos
from kdp import PANICCTL, Panicd, Refused, Sender, Tap, packet

CONTENT = random.Random(1).randbytes(300_000)


def whole(panicd, content, name):
    row = [r for r in panicd.settled(1) if r['name'] == name][-1]
    assert row['bytes'] == len(content), row
    assert panicd.read(row['file']) == content
    return row


def in_any_order():
    """a dump whose packets come in any order arrives byte for byte"""
    with Panicd() as panicd:
        sender = ExtSender(panicd.port)
        sender.dump('core-any', CONTENT)
        assert whole(panicd, CONTENT, 'core-any')['protocol'] == 'kdp-ext'
        sender.close()


def other_cuts():
    """so does one whose pieces overlap, come twice, and are cut in another way each time"""
    with Panicd() as panicd:
        sender = ExtSender(panicd.port)
        sender.open('core-cuts')
        rng = random.Random(2)
        for i in range(1200):
            at = rng.randrange(len(CONTENT))
            sender.data(at, CONTENT[at:at + rng.randrange(1, 3000)], NOW if i % 16 == 0 else 0)
            if i % 16 == 0:
                sender.ack()
        sender.data(0, CONTENT[:1], NOW)
        ack = sender.ack()
        sender.offset = ack.held
        sender.fill(CONTENT, size=1111)
        sender.finish(CONTENT)
        whole(panicd, CONTENT, 'core-cuts')
        sender.close()


def zeros():
    """runs of zeros are not sent, also at the end, and read as zeros"""
    content = b'a' * 5000 + b'\0' * 1_000_000 + b'b' * 7 + b'\0' * 50_000
    with Panicd() as panicd:
        sender = ExtSender(panicd.port)
        sender.open('core-zeros')
        sender.zero(5000, 1_000_000)
        sender.data(0, content[:1400])
        sender.data(1400, content[1400:2800])
        sender.data(2800, content[2800:4200])
        sender.data(4200, content[4200:5000])
        sender.zero(1_005_007, 50_000)
        sender.data(1_005_000, b'b' * 7, NOW)
        assert sender.until(len(content)).held == len(content)
        sender.finish(content)
        row = whole(panicd, content, 'core-zeros')
        assert os.stat(os.path.join(panicd.directory, row['file'])).st_blocks * 512 < 100_000
        sender.close()


def empty():
    """an empty dump is a dump"""
    with Panicd() as panicd:
        sender = ExtSender(panicd.port)
        sender.open('core-empty')
        sender.finish(b'')
        whole(panicd, b'', 'core-empty')
        sender.close()


def no_state():
    """a WRQ keeps no slot and no file, and an OPEN without its cookie draws a new one"""
    with Panicd() as panicd:
        sender = ExtSender(panicd.port)
        for i in range(50):
            sender.grant('core-%d' % i)
        assert panicd.ask('status')['transfers']['asked'] == 0
        sender.send(sender.open_packet('core-x', b'12345678'))
        got = sender.receive(2)
        assert got[:6] == bytes.fromhex('070400000000') and len(got) == 15, got
        other = ExtSender(panicd.port)   # another port: another cookie
        cookie = sender.grant('core-x')
        other.send(other.open_packet('core-x', cookie))
        assert other.receive(2)[:2] == b'\x07\x04'
        assert panicd.files() == [] and panicd.ask('status')['transfers']['asked'] == 0
        sender.close()
        other.close()


def sums_differ():
    """what arrives damaged is kept as incomplete, and the sender hears why"""
    with Panicd() as panicd:
        sender = ExtSender(panicd.port)
        sender.open('core-bad')
        sender.fill(CONTENT[:5000] + b'?' + CONTENT[5001:])
        try:
            sender.finish(CONTENT)
            raise AssertionError('a damaged dump was taken')
        except Refused as e:
            assert 'sum' in str(e), e
        row = panicd.settled(1)[0]
        assert row['state'] == 'incomplete' and 'sum' in row['reason'], row
        sender.close()


def restarts():
    """a server killed at any moment goes on with what it held, and the sums still agree"""
    panicd = Panicd().start()
    try:
        sender = ExtSender(panicd.port)
        sender.open('core-restart')
        rng = random.Random(3)
        held, kills = 0, 0
        while held < len(CONTENT):
            spots = [held + 1000 * i for i in range(24) if held + 1000 * i < len(CONTENT)]
            rng.shuffle(spots)
            for at in spots[:rng.randrange(1, len(spots) + 1)]:
                sender.data(at, CONTENT[at:at + 1000], NOW)
            if rng.random() < 0.3 and kills < 12:
                kills += 1
                panicd.kill()
                panicd.start()
            ack = sender.ack(0.3)
            if ack:
                assert ack.held >= held or kills, (ack.held, held)
                held = ack.held
        assert kills >= 5, kills
        panicd.kill()
        panicd.start()
        sender.finish(CONTENT)
        panicd.kill()
        panicd.start()
        sender.finish(CONTENT)   # the final answer outlives the server
        whole(panicd, CONTENT, 'core-restart')
        sender.close()
    finally:
        panicd.remove()


def older_journal():
    """a server goes on with what one left whose journal named no protocol"""
    panicd = Panicd().start()
    path = os.path.join(panicd.directory, '.panicd/journal')
    versions = []

    def older(who):
        versions.append((who[0], who[-1]))
        return b'\1' + who[1:-1]

    try:
        plain, extended = Sender(panicd.port), ExtSender(panicd.port)
        plain.open('core-plain')
        plain.data(b'a' * 1000)
        extended.open('core-extended')
        extended.data(0, CONTENT[:1000], NOW)
        assert extended.ack(1).held == 1000
        panicd.kill()
        assert change_whos(path, older) >= 2
        assert {v for v, _ in versions} == {2} and {p for _, p in versions} == {1, 2}, versions
        panicd.start()
        assert panicd.ask('status')['journal']['resumed'] == 2
        plain.data(b'b' * 1000)
        plain.eof()
        for at in range(1000, len(CONTENT), 1000):
            extended.data(at, CONTENT[at:at + 1000], NOW)
            extended.ack(1)
        extended.finish(CONTENT)
        panicd.settled(2)
        assert panicd.read('core-plain') == b'a' * 1000 + b'b' * 1000
        whole(panicd, CONTENT, 'core-extended')
        rows = {r['name']: r['protocol'] for r in panicd.rows()}
        assert rows == {'core-plain': 'kdp', 'core-extended': 'kdp-ext'}, rows
        plain.close()
        extended.close()
    finally:
        panicd.remove()


def unknown_protocol():
    """a record of a protocol that this server does not know is set aside, not guessed at"""
    panicd = Panicd().start()
    try:
        sender = Sender(panicd.port)
        sender.open('core-unknown')
        sender.data(b'a' * 1000)
        panicd.kill()
        assert change_whos(os.path.join(panicd.directory, '.panicd/journal'),
                           lambda who: who[:-1] + b'\x7f') >= 1
        panicd.start()
        assert panicd.ask('status')['journal']['resumed'] == 0
        assert 'journal-record' in panicd.log()
        assert panicd.files() == ['core-unknown.incomplete'], panicd.files()
        sender.close()
    finally:
        panicd.remove()


def forgotten():
    """what a killed server forgot does not shine through zeros that come in its place"""
    content = b'a' * 3000 + b'\0' * 40_000 + b'z' * 100
    panicd = Panicd().start()
    try:
        sender = ExtSender(panicd.port)
        sender.open('core-forgotten')
        sender.data(0, content[:1000], NOW)
        sender.until(1000)
        sender.data(20_000, b'never meant' * 50, NOW)   # out of its turn: no part of the dump
        while not sender.ack().ranges:
            pass
        panicd.kill()
        panicd.start()
        sender.data(1000, content[1000:2000])
        sender.data(2000, content[2000:3000])
        sender.zero(3000, 40_000)
        sender.data(43_000, content[43_000:], NOW)
        sender.until(len(content))
        sender.finish(content)
        whole(panicd, content, 'core-forgotten')
        sender.close()
    finally:
        panicd.remove()


def resumed_elsewhere():
    """who knows the id goes on from another port, and learns where, and the sum of it"""
    with Panicd() as panicd:
        first = ExtSender(panicd.port)
        first.open('core-move')
        first.fill(CONTENT[:120_000])
        first.close()
        second = ExtSender(panicd.port, ident=first.ident)
        second.open('core-move')
        assert second.offset == 120_000, second.offset
        assert second.sum == dump_sum(CONTENT[:120_000])
        second.fill(CONTENT)
        second.finish(CONTENT)
        whole(panicd, CONTENT, 'core-move')
        assert len(panicd.rows()) == 1
        second.close()


def fresh():
    """a sender whose file is another by now begins anew, once the dump before has been left"""
    with Panicd() as panicd:
        first = ExtSender(panicd.port)
        first.open('core-fresh')
        first.fill(CONTENT[:50_000])
        first.close()
        time.sleep(1.2)
        second = ExtSender(panicd.port, ident=first.ident)
        second.open('core-fresh', fresh=True)
        assert second.offset == 0
        other = CONTENT[::-1]
        second.fill(other)
        second.finish(other)
        rows = panicd.settled(2)
        assert sorted(r['state'] for r in rows) == ['complete', 'incomplete'], rows
        row = [r for r in rows if r['state'] == 'complete'][0]
        assert panicd.read(row['file']) == other
        second.close()


def both_ways():
    """old and new senders share a server; one that changes its mind is heard when the other is gone"""
    with Panicd(config='[policy]\nfloor = 0\n[time]\ntakeover = 1s\n') as panicd:
        new, old = ExtSender(panicd.port), Sender(panicd.port)
        new.open('core-new')
        old.open('core-old')
        new.fill(CONTENT[:60_000])
        old.data(b'old')
        new.fill(CONTENT)
        old.eof()
        new.finish(CONTENT)
        assert len(panicd.settled(2)) == 2
        again = Sender(panicd.port)
        again.sock = new.sock   # the same address and port, in Apple's manner
        again.dump('core-again', CONTENT[:3000])
        back = ExtSender(panicd.port)
        back.sock = new.sock
        back.dump('core-back', CONTENT[:3000])
        assert len(panicd.settled(4)) == 4
        old.close()
        new.close()


def switched_off():
    """extension = no: the sender hears an answer of Apple's protocol"""
    with Panicd(config='[receive]\nextension = no\n[policy]\nfloor = 0\n') as panicd:
        sender = ExtSender(panicd.port)
        assert sender.grant('core-off') is None
        plain = Sender(panicd.port)
        plain.open('core-plain', mask=0x10003)
        assert plain.features == 3
        plain.data(b'x')
        plain.eof()
        plain.close()
        sender.close()


def refused():
    """policy refuses an OPEN as it refuses a WRQ"""
    with Panicd(config='[policy]\nallow = 10.0.0.0/8\n') as panicd:
        sender = ExtSender(panicd.port)
        try:
            sender.open('core-no')
            raise AssertionError('let in')
        except Refused as e:
            assert e.code == 2, e
        assert panicd.files() == []
        sender.close()


def tokens():
    """packets with another token, short and odd ones draw nothing and change nothing"""
    with Panicd() as panicd:
        sender = ExtSender(panicd.port)
        sender.open('core-token')
        sender.data(0, CONTENT[:1000], NOW)
        assert sender.until(1000).held == 1000
        token, sender.token = sender.token, sender.token ^ 1
        sender.data(1000, b'evil', NOW)
        sender.token = token
        for data in (b'\0\x12', b'\0\x12' + b'\0' * 10, sender.packet(DATA, 5), b'\0\x16' * 30,
                     sender.packet(END, 5, b'123'), b'\0\x11' * 14, packet(3, 1, b'kdp'), b''):
            sender.send(data)
        assert sender.receive(0.3) is None
        sender.send(sender.packet(PROBE, 0, b'\0' * 4000))
        ack = sender.ack()
        assert ack.held == 1000 and ack.probed == 4020, vars(ack)
        sender.close()


def gave_up():
    """a sender that says STOP shortens the wait; its dump is incomplete"""
    with Panicd(config='[policy]\nfloor = 0\n[time]\nidle = 60s\n') as panicd:
        sender = ExtSender(panicd.port)
        sender.open('core-stop')
        sender.data(0, CONTENT[:1000], NOW)
        sender.ack()
        sender.send(struct.pack('>HHI', STOP, 0, sender.token) + b'enough')
        end = time.monotonic() + 25
        while time.monotonic() < end and panicd.rows()[0]['state'] == 'receiving':
            time.sleep(0.2)
        row = panicd.settled(1)[0]
        assert row['state'] == 'incomplete' and 'gave up' in row['reason'], row
        sender.close()


SHORT = '[policy]\nfloor = 0\n%s[time]\nidle = 1s\n%s'


def leave(panicd, name, content, kept=1):
    """A sender that sends `content` and is silent, until the server keeps it as incomplete."""
    sender = ExtSender(panicd.port)
    sender.open(name)
    sender.fill(content)
    sender.close()
    row = [r for r in panicd.settled(kept) if r['name'] == name][-1]
    assert row['state'] == 'incomplete' and 'silent' in row['reason'], row
    assert row['bytes'] == len(content) and row['file'].endswith('.incomplete'), row
    return sender.ident, row


def left():
    """a dump that was kept as incomplete goes on when its sender comes back, and is one dump"""
    with Panicd(config=SHORT % ('', '')) as panicd:
        ident, row = leave(panicd, 'core-left', CONTENT[:120_000])
        sender = ExtSender(panicd.port, ident=ident)
        sender.open('core-left')
        assert sender.offset == 120_000, sender.offset
        assert sender.sum == dump_sum(CONTENT[:120_000])
        assert panicd.files() == ['core-left.part'], panicd.files()
        assert panicd.rows()[0]['state'] == 'receiving', panicd.rows()
        live = panicd.ask('status')['transfers']
        assert live['live'] == 1, live
        assert 'taken-up id=%d ' % row['id'] in panicd.log()
        sender.fill(CONTENT)
        sender.finish(CONTENT)
        done = whole(panicd, CONTENT, 'core-left')
        assert done['id'] == row['id'] and len(panicd.rows()) == 1, panicd.rows()
        assert panicd.files() == ['core-left']
        sender.close()


def left_often():
    """so does one that is left again and again, over restarts of the server, to the last byte"""
    panicd = Panicd(config=SHORT % ('', '')).start()
    try:
        sender = ExtSender(panicd.port)
        sender.open('core-often')
        for i, end in enumerate((1, 100_000, 100_001, 250_000, len(CONTENT))):
            assert sender.offset == (0, 1, 100_000, 100_001, 250_000)[i], (i, sender.offset)
            sender.fill(CONTENT[:end])
            far = end + 5000   # which the server is to forget, if it is killed
            sender.data(far, b'never meant' * 50, NOW)
            sender.ack()
            sender.close()
            panicd.settled(1)
            if i % 2:
                panicd.kill()
                panicd.start()
            else:
                panicd.stop()
                panicd.start()
            assert panicd.rows()[0]['state'] == 'incomplete'
            assert panicd.files() == ['core-often.incomplete'], panicd.files()
            sender = ExtSender(panicd.port, ident=sender.ident)
            sender.open('core-often')
        sender.finish(CONTENT)
        whole(panicd, CONTENT, 'core-often')
        assert len(panicd.rows()) == 1
        sender.close()
    finally:
        panicd.remove()


def left_and_gone():
    """what somebody removed or changed begins anew, and what he left there stays as it is"""
    for how in ('panicctl', 'rm', 'write', 'shorter', 'other'):
        with Panicd(config=SHORT % ('', '')) as panicd:
            ident, row = leave(panicd, 'core-gone', CONTENT[:120_000])
            path = os.path.join(panicd.directory, row['file'])
            stays = None
            if how == 'panicctl':
                subprocess.run([PANICCTL, '--directory', panicd.directory, 'rm', str(row['id'])],
                               check=True, stdout=subprocess.DEVNULL)
            elif how == 'rm':
                os.unlink(path)
            elif how == 'write':
                stays = b'!' * 10 + CONTENT[10:120_000]
                with open(path, 'r+b') as f:
                    f.write(b'!' * 10)
            elif how == 'shorter':
                stays = CONTENT[:5]
                stat = os.stat(path)
                os.truncate(path, 5)
                os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
            else:
                os.unlink(path)
                os.symlink('/etc/passwd', path)
            sender = ExtSender(panicd.port, ident=ident)
            sender.open('core-gone')
            assert sender.offset == 0, (how, sender.offset)
            sender.fill(CONTENT)
            sender.finish(CONTENT)
            end = time.monotonic() + 20
            while not [r for r in panicd.rows() if r['state'] == 'complete']:
                assert time.monotonic() < end, panicd.rows()
                time.sleep(0.05)
            done = [r for r in panicd.rows() if r['state'] == 'complete'][0]
            assert panicd.read(done['file']) == CONTENT, how
            if stays is not None:
                assert panicd.read(row['file']) == stays, how
            sender.close()


def left_and_refused():
    """policy is asked before a dump is taken up, which stays as it was"""
    with Panicd(config=SHORT % ('transfers = 1\n', '')) as panicd:
        ident, row = leave(panicd, 'core-wait', CONTENT[:50_000])
        other = ExtSender(panicd.port)
        other.open('core-other')
        other.fill(CONTENT[:1000])
        sender = ExtSender(panicd.port, ident=ident)
        try:
            sender.open('core-wait')
            raise AssertionError('two at a time')
        except Refused as e:
            assert 'transfers' in str(e), e
        assert row['file'] in panicd.files()
        other.offset = 1000
        other.fill(CONTENT[:2000])
        other.finish(CONTENT[:2000])
        sender.open('core-wait')
        assert sender.offset == 50_000
        sender.fill(CONTENT)
        sender.finish(CONTENT)
        assert len(panicd.settled(2)) == 2
        other.close()
        sender.close()


def left_at_a_limit():
    """a dump that is taken up counts once for the limits"""
    with Panicd(config=SHORT % ('source-bytes = 6M\n', '')) as panicd:
        big = random.Random(5).randbytes(5 << 20)
        ident, _ = leave(panicd, 'core-limit', big[:4 << 20])
        sender = ExtSender(panicd.port, ident=ident)
        sender.open('core-limit')
        assert sender.offset == 4 << 20
        sender.fill(big)
        sender.finish(big)
        whole(panicd, big, 'core-limit')
        sender.close()


def left_and_displaced():
    """a dump that was left gives its slot away, and begins anew then"""
    config = SHORT % ('', '') + '[receive]\nslots = 16\n'
    with Panicd(config=config) as panicd:
        ident, row = leave(panicd, 'core-away', CONTENT[:50_000])
        others = [Sender(panicd.port) for _ in range(16)]
        for i, other in enumerate(others):
            other.dump('core-%d' % i, b'x')
        sender = ExtSender(panicd.port, ident=ident)
        sender.open('core-away')
        assert sender.offset == 0
        sender.fill(CONTENT)
        sender.finish(CONTENT)
        assert len(panicd.settled(18)) == 18
        assert panicd.read(row['file']) == CONTENT[:50_000]
        for one in others + [sender]:
            one.close()


def left_for_good():
    """resume says how long; 0 is never"""
    for resume in ('0', '1s'):
        with Panicd(config=SHORT % ('', 'resume = %s\n' % resume)) as panicd:
            ident, row = leave(panicd, 'core-late', CONTENT[:50_000])
            time.sleep(1.5 if resume == '1s' else 0)
            sender = ExtSender(panicd.port, ident=ident)
            sender.open('core-late')
            assert sender.offset == 0, (resume, sender.offset)
            assert row['file'] in panicd.files()
            sender.close()


def left_and_fresh():
    """who begins anew leaves what was kept alone"""
    with Panicd(config=SHORT % ('', '')) as panicd:
        ident, row = leave(panicd, 'core-anew', CONTENT[:50_000])
        sender = ExtSender(panicd.port, ident=ident)
        sender.open('core-anew', fresh=True)
        assert sender.offset == 0
        sender.fill(CONTENT[::-1])
        sender.finish(CONTENT[::-1])
        assert len(panicd.settled(2)) == 2
        assert panicd.read(row['file']) == CONTENT[:50_000]
        sender.close()


def shared_room():
    """what may be ahead of what is held is shared by all whose dumps arrive"""
    with Panicd() as panicd:
        senders = [ExtSender(panicd.port) for _ in range(4)]
        for count, sender in enumerate(senders, 1):
            sender.open('core-share-%d' % count)
            sender.data(0, CONTENT[:1000], NOW)
            sender.until(1000)   # from then on it counts
            sender.data(1000, CONTENT[1000:2000], NOW)
            ack = sender.until(2000)
            assert ack.limit - ack.held == (64 << 20) // count, (count, ack.limit - ack.held)
        for sender in senders[1:]:
            sender.fill(CONTENT)
            sender.finish(CONTENT)
            sender.close()
        senders[0].data(2000, CONTENT[2000:3000], NOW)
        ack = senders[0].until(3000)
        assert ack.limit - ack.held == 64 << 20, ack.limit - ack.held
        senders[0].close()


ALL = [in_any_order, other_cuts, zeros, empty, no_state, sums_differ, restarts, older_journal,
       unknown_protocol, forgotten, resumed_elsewhere, fresh, both_ways, switched_off, refused, tokens, gave_up,
       left, left_often, left_and_gone, left_and_refused, left_at_a_limit, left_and_displaced,
       left_for_good, left_and_fresh, shared_room]

if __name__ == '__main__':
    tap = Tap()
    for one in ALL:
        if len(sys.argv) < 2 or one.__name__ in sys.argv[1:]:
            tap.run(one)
    sys.exit(tap.done())
