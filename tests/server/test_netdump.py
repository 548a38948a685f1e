#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""FreeBSD's netdump against the real daemon, by a client written from PROTOCOL.md."""
import gzip
import io
import json
import os
import random
import socket
import subprocess
import sys
import tarfile
import threading
import time

from kdp import PANICCTL, GaveUp, Panicd, Sender, Tap
from netdump import BLOCK, FINISHED, KDH, KEY, LAYOUTS, SEND, VMCORE, Client, header, packet
from test_faults import SmallDisk

CONTENT = random.Random(20).randbytes(75 * BLOCK)   # 4 sends and a part of one


def netdump(**more):
    return Panicd(netdump_port=True, **more)


def panicctl(panicd, *args, code=0):
    out = subprocess.run([PANICCTL, '--directory', panicd.directory, *args], capture_output=True,
                         check=False)
    assert out.returncode == code, (args, out)
    return out.stdout


def facts(panicd, row):
    return json.loads(panicctl(panicd, 'info', str(row['id']), '--json'))['facts']


def whole(panicd, content, count=1):
    row = panicd.settled(count)[-1]
    assert row['state'] == 'complete', row
    assert row['protocol'] == 'netdump' and row['bytes'] == len(content), row
    assert panicd.read(row['file']) == content
    return row


def mode(panicd, name):
    return os.stat(os.path.join(panicd.directory, name)).st_mode & 0o777


def plain():
    """a dump arrives byte for byte, is named for its sender and the time, and its header says why"""
    with netdump() as panicd:
        client = Client(panicd.netdump_port)
        client.dump(CONTENT, head=header(len(CONTENT)))
        row = whole(panicd, CONTENT)
        assert row['file'].startswith('vmcore-127.0.0.1-2') and row['name'] == row['file'], row
        assert panicd.files() == [row['file'], row['file'] + '.kdh']
        assert panicd.read(row['file'] + '.kdh') == header(len(CONTENT))
        assert mode(panicd, row['file']) == mode(panicd, row['file'] + '.kdh') == 0o600
        known = facts(panicd, row)
        assert known['panic'] == 'page fault' and known['host'] == 'crashy', known
        assert known['arch'] == 'amd64' and known['os'] == 'FreeBSD', known
        assert known['os_version'] == '14.1-RELEASE', known
        client.close()


def versions():
    """the header of each version is understood, before the data and behind it"""
    with netdump() as panicd:
        for count, version in enumerate(LAYOUTS, 1):
            client = Client(panicd.netdump_port)
            client.dump(CONTENT[:9000], head_first=version < 3,
                        head=header(9000, version=version, panic='panic %d' % version))
            row = whole(panicd, CONTENT[:9000], count)   # and the padding is cut off
            assert facts(panicd, row)['panic'] == 'panic %d' % version
            client.close()


def without_header():
    """a dump without a header, from a client that sends none, is taken as it is"""
    with netdump() as panicd:
        client = Client(panicd.netdump_port)
        client.dump(CONTENT)
        row = whole(panicd, CONTENT)
        assert panicd.files() == [row['file']]
        client.close()


def compressed():
    """one that is compressed is the file that it was, without the padding of its last block"""
    packed = gzip.compress(CONTENT)
    assert len(packed) % BLOCK
    with netdump() as panicd:
        client = Client(panicd.netdump_port)
        client.dump(packed, head=header(len(packed), packing=1))
        row = whole(panicd, packed)
        assert row['format'].startswith('gzip'), row
        client.close()


def encrypted():
    """the key of an encrypted one lies beside it, for its owner alone to read, and goes with it"""
    key = bytes([1]) + bytes(32) + (256).to_bytes(4, 'big') + random.Random(3).randbytes(256)
    key += bytes(-len(key) % BLOCK)
    head = header(len(CONTENT), keysize=len(key))
    with netdump() as panicd:
        client = Client(panicd.netdump_port)
        client.dump(CONTENT, key=key, head=head)
        row = whole(panicd, CONTENT)
        assert panicd.files() == [row['file'] + s for s in ('', '.kdh', '.key')]
        assert panicd.read(row['file'] + '.key') == key
        assert mode(panicd, row['file'] + '.key') == 0o400
        assert facts(panicd, row)['panic'] == 'page fault'
        panicctl(panicd, 'rm', str(row['id']))
        assert panicd.files() == []
        client.close()


def text_dump():
    """a text dump is a text dump"""
    buf = io.BytesIO()
    with tarfile.open(fileobj=buf, mode='w', format=tarfile.USTAR_FORMAT) as tar:
        for name, text in (('version.txt', 'FreeBSD 14.1-RELEASE\n'), ('panic.txt', 'from text'),
                           ('msgbuf.txt', 'panic: from text\ncpuid = 1\n')):
            member = tarfile.TarInfo(name)
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text.encode()))
    text = buf.getvalue()
    with netdump() as panicd:
        client = Client(panicd.netdump_port)
        client.dump(text, head=header(len(text), magic='FreeBSD Text Dump', panic='from text'))
        row = whole(panicd, text)
        assert row['format'] == 'freebsd-textdump', row
        assert facts(panicd, row)['panic'] == 'from text'
        client.close()


def arriving():
    """what the header says is known while the dump arrives, also when that is encrypted"""
    with netdump() as panicd:
        client = Client(panicd.netdump_port)
        content = random.Random(9).randbytes(2 << 20)
        client.herald()
        client.object(KEY, bytes(BLOCK))
        client.object(KDH, header(len(content), panic='known soon'))
        client.core(content, 0, 1 << 20)
        end = time.monotonic() + 10
        while True:
            info = json.loads(panicctl(panicd, 'info', 'latest', '--json'))
            if info['facts'].get('panic') == 'known soon':
                break
            assert time.monotonic() < end, info
            time.sleep(0.05)
        assert info['state'] == 'receiving' and info['file'].endswith('.part'), info
        client.core(content, 1 << 20)
        client.finish()
        whole(panicd, content)
        client.close()


def sizes_of_packets():
    """packets of any interface are taken, also of 9000 bytes and more, and with FreeBSD 12's cap"""
    with netdump() as panicd:
        for count, (mtu, cap) in enumerate(((576, None), (1500, None), (9000, None), (9000, 4096),
                                            (16384, None), (65535, None)), 1):
            client = Client(panicd.netdump_port, mtu=mtu, cap=cap, rto=3)
            content = CONTENT[count:]
            content += bytes(-len(content) % BLOCK)
            client.dump(content, head=header(len(content)))
            whole(panicd, content, count)
            assert client.repeated == 0, (mtu, client.repeated)
            client.close()


def restarts():
    """a server killed at any moment, again and again, goes on with what it acknowledged"""
    panicd = netdump().start()
    key = bytes(range(256)) * 16
    head = header(len(CONTENT), keysize=len(key))
    rng = random.Random(4)
    try:
        client = Client(panicd.netdump_port, rto=0.3, rounds=60)
        sent = threading.Event()

        def send():
            client.herald('some/where')
            client.object(KEY, key)
            for at in range(0, len(CONTENT), SEND):
                client.core(CONTENT, at, at + SEND)
                time.sleep(0.2)
            client.object(KDH, head)
            client.finish()
            sent.set()

        thread = threading.Thread(target=send)
        thread.start()
        kills = 0
        while not sent.is_set() and thread.is_alive():
            time.sleep(rng.uniform(0, 0.3))
            if sent.is_set():
                break
            panicd.kill()
            panicd.start()
            kills += 1
        thread.join()
        assert sent.is_set() and kills >= 3, kills
        panicd.kill()
        panicd.start()
        client.seqno -= 1
        client.finish()               # the last answer outlives the server
        row = whole(panicd, CONTENT)
        assert row['name'] == 'some/where/' + row['file'], row
        assert panicd.files() == [row['file'] + s for s in ('', '.kdh', '.key')]
        assert panicd.read(row['file'] + '.key') == key
        assert panicd.read(row['file'] + '.kdh') == head
        client.close()
    finally:
        panicd.remove()


def killed_while_keeping():
    """a server killed behind the last packet, before it could answer, has kept all of the dump"""
    panicd = netdump().start()
    try:
        client = Client(panicd.netdump_port, rounds=60)
        client.herald()
        client.core(CONTENT)
        client.object(KDH, header(len(CONTENT)))
        client.put(FINISHED, client.seqno)
        panicd.kill()
        panicd.start()
        client.finish()
        row = whole(panicd, CONTENT)
        assert panicd.files() == [row['file'], row['file'] + '.kdh']
        client.close()
    finally:
        panicd.remove()


def one_address():
    """two clients behind one address are two dumps, at the same time"""
    with netdump() as panicd:
        one, two = Client(panicd.netdump_port), Client(panicd.netdump_port)
        first, second = CONTENT, CONTENT[::-1]
        one.herald()
        two.herald()
        for at in range(0, len(CONTENT), SEND):
            one.core(first, at, at + SEND)
            two.core(second, at, at + SEND)
        one.finish()
        two.finish()
        rows = panicd.settled(2)
        assert sorted(panicd.read(r['file']) for r in rows) == sorted((first, second))
        assert {r['state'] for r in rows} == {'complete'}
        one.close()
        two.close()


def spoofed():
    """a herald that somebody forges while a dump arrives changes nothing"""
    with netdump() as panicd:
        client = Client(panicd.netdump_port)
        client.herald()
        client.core(CONTENT, 0, SEND)
        for seqno in (1, 2, 77):
            client.put(1, seqno, 0, b'elsewhere\0')
            assert client.hear(0.2) is None
        client.core(CONTENT, SEND)
        client.finish()
        whole(panicd, CONTENT)
        client.close()


def again():
    """a client that begins anew after a silence leaves an incomplete dump, and gets a new one"""
    with netdump(config='[policy]\nfloor = 0\n[time]\ntakeover = 1s\n') as panicd:
        client = Client(panicd.netdump_port)
        client.herald()
        client.core(CONTENT, 0, SEND)
        time.sleep(1.2)
        client.dump(CONTENT, head=header(len(CONTENT)))
        rows = panicd.settled(2)
        assert [r['state'] for r in rows] == ['incomplete', 'complete'], rows
        assert rows[0]['reason'] == 'the sender started another dump', rows
        assert rows[0]['missing'] == [{'start': SEND, 'end': None}], rows
        client.dump(CONTENT[:BLOCK])  # and another one at once, as its dump has ended
        assert panicd.settled(3)[2]['bytes'] == BLOCK
        client.close()


def duplicates():
    """a herald, packets and a last packet that come twice are answered twice and count once"""
    with netdump() as panicd:
        client = Client(panicd.netdump_port)
        client.herald()
        client.herald()
        pieces = client.cut(VMCORE, 0, CONTENT[:SEND])
        client.wait(pieces)
        client.wait(pieces)
        client.core(CONTENT, SEND)
        client.finish()
        client.seqno -= 1
        client.finish()
        row = whole(panicd, CONTENT)
        info = json.loads(panicctl(panicd, 'info', str(row['id']), '--json'))
        assert info['repeats'] >= len(pieces), info
        client.close()


def losses():
    """what is lost on the way there or back is repeated, and the dump is whole"""
    rng = random.Random(5)
    with netdump() as panicd:
        client = Client(panicd.netdump_port, rto=0.6)
        client.drop = lambda seqno: rng.random() < 0.03
        client.deaf = lambda seqno: rng.random() < 0.03
        client.dump(CONTENT, head=header(len(CONTENT)))
        assert client.repeated
        whole(panicd, CONTENT)
        client.close()


def held_back():
    """of two packets that FreeBSD's client cannot tell apart none is acknowledged alone"""
    with netdump() as panicd:
        client = Client(panicd.netdump_port)
        client.herald()
        client.core(CONTENT, 0, SEND)
        client.acked.clear()
        pieces = client.cut(VMCORE, SEND, CONTENT[SEND:2 * SEND])
        first, count = min(pieces), len(pieces)
        assert count == 46
        for seqno, what in pieces.items():
            if seqno != first + 40:
                client.put(what[0], seqno, *what[1:])
        while client.hear(0.3) is not None:
            pass
        assert client.acked == set(pieces) - {first + 8, first + 40}, client.acked
        client.wait(pieces)
        client.core(CONTENT, 2 * SEND)
        client.finish()
        whole(panicd, CONTENT)
        client.close()


def holes():
    """a client that leaves packets behind gets no last answer, and the dump says what it lacks"""
    with netdump() as panicd:
        client = Client(panicd.netdump_port, rounds=3)
        client.herald('holes')
        client.core(CONTENT, 0, SEND)
        pieces = client.cut(VMCORE, SEND, CONTENT[SEND:2 * SEND])
        lost = min(pieces) + 3
        for seqno, what in pieces.items():
            if seqno != lost:
                client.put(what[0], seqno, *what[1:])
        client.core(CONTENT, 2 * SEND)
        client.object(KDH, header(len(CONTENT)))
        try:
            client.finish()
            raise AssertionError('a dump with a hole was acknowledged')
        except GaveUp:
            pass
        row = panicd.settled(1)[0]
        start = SEND + 3 * client.payload
        assert row['state'] == 'incomplete' and 'lost' in row['reason'], row
        assert row['missing'] == [{'start': start, 'end': start + client.payload}], row
        assert row['file'].endswith('.incomplete') and row['name'].startswith('holes/'), row
        assert panicd.files() == [row['file'], row['file'].replace('.incomplete', '.kdh')]
        verdict = json.loads(panicctl(panicd, 'verify', str(row['id']), '--json', code=1))
        assert verdict['missing'] == row['missing'], verdict
        assert facts(panicd, row)['panic'] == 'page fault'
        client.close()


def silence():
    """a client that falls silent leaves what came of its dump, and from where on it lacks"""
    with netdump(config='[policy]\nfloor = 0\n[time]\nidle = 1s\n') as panicd:
        client = Client(panicd.netdump_port)
        client.herald()
        client.core(CONTENT, 0, SEND)
        row = panicd.settled(1)[0]
        assert row['state'] == 'incomplete' and row['reason'] == 'the sender fell silent', row
        assert row['missing'] == [{'start': SEND, 'end': None}], row
        assert panicd.read(row['file']) == CONTENT[:SEND]
        client.close()


def nothing():
    """junk, and packets of no dump, draw nothing and leave nothing"""
    rng = random.Random(6)
    with netdump() as panicd:
        client = Client(panicd.netdump_port)
        for junk in (b'', b'\0', packet(VMCORE, 2, 0, b'x' * 100), packet(FINISHED, 2),
                     packet(KDH, 2, 0, header(1)), packet(9, 1), packet(1, 1)[:-1],
                     b'\0\2core\0octet\0', *(rng.randbytes(rng.randrange(90)) for _ in range(200))):
            client.sock.sendto(junk, client.to)
        assert client.hear(0.3) is None
        assert panicd.files() == [] and panicd.ask('status')['counters']['garbage'] > 200
        client.close()


def paths():
    """a herald's path is kept as what the client said; one that leads elsewhere is none"""
    with netdump() as panicd:
        for count, (path, said) in enumerate((('host/a', 'host/a/'), ('../up', ''), ('/etc', ''),
                                              ('x' * 255, None), ('x' * 256, '')), 1):
            client = Client(panicd.netdump_port)
            client.dump(CONTENT[:BLOCK], path=path)
            row = panicd.settled(count)[-1]
            assert row['name'] == (path if said is None else said + row['file']), row
            client.close()
        assert len(panicd.files()) == 5
        assert all('/' not in f and f.startswith('vmcore-') for f in panicd.files())


def refused():
    """whoever may not send, or has had his share, hears nothing; it is logged and counted"""
    with netdump(config='[policy]\nfloor = 0\nallow = 10.0.0.0/8\n') as panicd:
        client = Client(panicd.netdump_port)
        try:
            client.herald(patience=2)
            raise AssertionError('it was let in')
        except GaveUp:
            pass
        assert panicd.ask('status')['counters']['refused'] == 2
        assert 'refused' in panicd.log() and 'rule=allow' in panicd.log()
        assert panicd.files() == []
        client.close()


def too_large():
    """one that is larger than a dump may be is kept up to there, as incomplete, and not answered"""
    with netdump(config='[policy]\nfloor = 0\ndump-bytes = 128K\n') as panicd:
        client = Client(panicd.netdump_port, rounds=2)
        try:
            client.dump(CONTENT)
            raise AssertionError('it was taken')
        except GaveUp:
            pass
        row = panicd.settled(1)[0]
        assert row['state'] == 'incomplete' and 'larger' in row['reason'], row
        assert row['bytes'] <= 128 << 10
        client.close()


def share_used_up():
    """one that uses up its sender's share ends there, and the reason names the rule"""
    with netdump(config='[policy]\nfloor = 0\nsource-bytes = 100K\n[time]\nstall = 1s\n') as panicd:
        client = Client(panicd.netdump_port, rounds=2)
        try:
            client.dump(CONTENT)
            raise AssertionError('it was taken')
        except GaveUp:
            pass
        row = panicd.settled(1)[0]
        assert row['state'] == 'incomplete' and 'source-bytes' in row['reason'], row
        client.close()


def disk_full():
    """a full disk is silence: room that appears saves the dump, and what it lacks is said if not"""
    with SmallDisk(8) as disk:
        if not disk.mounted:
            return 'needs root to mount a small disk'
        panicd = Panicd(directory=disk.path + '/d', netdump_port=True, config='[receive]\n'
                        'slots = 64\n[policy]\nfloor = 0\n[time]\nstall = 2s\n')
        content = random.Random(8).randbytes(3 << 20)
        ballast = disk.path + '/ballast'
        panicd.start()
        try:
            with open(ballast, 'wb') as f:
                f.write(bytes(4 << 20))
            client = Client(panicd.netdump_port, rto=0.3, rounds=40)
            timer = threading.Timer(1, os.unlink, [ballast])
            timer.start()
            client.dump(content, head=header(len(content)))
            timer.join()
            assert client.repeated, 'the disk was never full'
            whole(panicd, content)
            try:
                client.dump(content)
                raise AssertionError('what does not fit was taken')
            except GaveUp:
                pass
            row = panicd.settled(2)[1]
            assert row['state'] == 'incomplete' and 'disk full' in row['reason'], row
            assert row['missing'][-1]['end'] is None, row
            client.close()
        finally:
            panicd.remove()
    return None


def lost_catalog():
    """a lost catalog is rebuilt, and what lies beside a dump is none, but tells of it as before"""
    panicd = netdump().start()
    try:
        client = Client(panicd.netdump_port)
        client.dump(CONTENT, key=bytes(BLOCK), head=header(len(CONTENT)))
        before = whole(panicd, CONTENT)
        panicd.stop()
        for name in os.listdir(os.path.join(panicd.directory, '.panicd')):
            if name.startswith('catalog'):
                os.unlink(os.path.join(panicd.directory, '.panicd', name))
        panicd.start()
        row = whole(panicd, CONTENT)
        assert len(panicd.rows()) == 1 and row['file'] == before['file'], row
        assert facts(panicd, row)['panic'] == 'page fault'
        info = json.loads(panicctl(panicd, 'info', str(row['id']), '--json'))
        assert info['beside'] == [row['file'] + '.kdh', row['file'] + '.key'], info
        assert row['file'] + '.kdh, ' in panicctl(panicd, 'info', str(row['id'])).decode()
        client.close()
    finally:
        panicd.remove()


def beside_apple():
    """Apple's and FreeBSD's machines send at the same time, each to its port"""
    with netdump() as panicd:
        client, sender = Client(panicd.netdump_port), Sender(panicd.port)
        client.herald()
        sender.open('core-apple')
        sender.data(b'a' * 1000)
        client.core(CONTENT)
        sender.data(b'b' * 1000)
        sender.eof()
        client.finish()
        rows = {r['protocol']: r for r in panicd.settled(2)}
        assert panicd.read(rows['netdump']['file']) == CONTENT
        assert panicd.read('core-apple') == b'a' * 1000 + b'b' * 1000
        client.close()
        sender.close()


def port_taken():
    """a port of netdump that is taken costs its service only, unless it was asked for"""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        try:
            other.bind(('127.0.0.1', 20023))
        except OSError:
            pass                       # somebody else has it: that is as good
        with Panicd(netdump_port=None) as panicd:
            status = panicd.ask('status')
            assert [l['protocol'] for l in status['listening']] == ['kdp'], status
            missed, = status['not_listening']
            assert missed['protocol'] == 'netdump' and missed['port'] == 20023, missed
            assert '--netdump-port' in missed['why'], missed
            assert 'not-listening protocol=netdump port=20023' in panicd.log()
            sender = Sender(panicd.port)
            sender.dump('core-still', b'x' * 2000)
            sender.close()
            assert '20023' in panicctl(panicd, 'status').decode()
        asked = Panicd(netdump_port=20023)
        try:
            asked.start()
            raise AssertionError('it started')
        except RuntimeError as e:
            assert '20023' in str(e), e
        finally:
            asked.remove()


if __name__ == '__main__':
    tap = Tap()
    for test in (plain, versions, without_header, compressed, encrypted, text_dump, arriving,
                 sizes_of_packets, restarts, killed_while_keeping, one_address, spoofed, again,
                 duplicates, losses, held_back, holes, silence, nothing, paths, refused, too_large,
                 share_used_up, disk_full, lost_catalog, beside_apple, port_taken):
        if len(sys.argv) < 2 or test.__name__ in sys.argv[1:]:
            tap.run(test)
    sys.exit(tap.done())
