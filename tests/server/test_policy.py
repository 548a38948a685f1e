#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Settings, policy, signals, the control socket and the catalog of the real daemon."""
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

from kdp import EOF, PANICD, Panicd, Refused, Sender, Tap, free_port, packet, wrq
from netdump import Client


def refusal(panicd, name='core-x', content=b'x', bind=None):
    sender = Sender(panicd.port, patience=15, bind=bind)
    try:
        sender.dump(name, content)
    except Refused as e:
        return e
    finally:
        sender.close()
    return None


def allow_list():
    """an address outside the allow-list gets ERROR 2, and the log names the rule"""
    with Panicd(config='[policy]\nfloor = 0\nallow = 127.0.0.2 10.0.0.0/8\n') as panicd:
        e = refusal(panicd)
        assert e and e.code == 2 and 'allow' in e.text, e
        assert 'refused peer=127.0.0.1 rule=allow' in panicd.log()
        assert refusal(panicd, bind=('127.0.0.2', 0)) is None


def most_transfers():
    """one dump more than transfers gets ERROR 3; when one ends there is room again"""
    with Panicd(config='[policy]\nfloor = 0\ntransfers = 2\n') as panicd:
        two = [Sender(panicd.port), Sender(panicd.port)]
        for i, s in enumerate(two):
            s.open('core-%d' % i)
            s.data(b'x')
        e = refusal(panicd)
        assert e and e.code == 3 and 'transfers' in e.text, e
        two[0].eof()
        assert refusal(panicd) is None
        two[1].eof()
        for s in two:
            s.close()


def most_bytes():
    """dump-bytes, source-bytes and total-bytes are limits: ERROR 3, and what came is kept"""
    for key, size in (('dump-bytes', 100000), ('source-bytes', 100000), ('total-bytes', 100000)):
        with Panicd(config='[policy]\nfloor = 0\n%s = %d\n' % (key, size)) as panicd:
            e = refusal(panicd, content=b'x' * 200000)
            assert e and e.code == 3, (key, e)
            rows = panicd.settled(1)
            assert rows[0]['state'] == 'incomplete' and rows[0]['bytes'] <= size, (key, rows)
            assert rows[0]['bytes'] > size - 20000, (key, rows)
            if key == 'dump-bytes':
                assert refusal(panicd, content=b'x' * 1000) is None
            else:
                e = refusal(panicd, content=b'x' * 50000)
                assert e and e.code == 3 and key in e.text, (key, e)


def disk_floor():
    """below the floor a new dump gets ERROR 3 at once"""
    free = shutil.disk_usage(tempfile.gettempdir()).free
    with Panicd(config='[policy]\nfloor = %d\n' % (free + (1 << 40))) as panicd:
        e = refusal(panicd)
        assert e and e.code == 3 and 'floor' in e.text, e
        assert panicd.files() == []


def default_floor():
    """without settings a gigabyte of the disk stays free"""
    with Panicd(config='[time]\nidle = 60s\n') as panicd:
        assert panicd.ask('status')['room']['floor'] == 1 << 30


def reload():
    """SIGHUP takes a new policy; a wrong file changes nothing"""
    with Panicd() as panicd:
        assert refusal(panicd, 'core-1') is None
        panicd.configure('[policy]\nfloor = 0\nallow = 10.9.9.9\n')
        panicd.process.send_signal(signal.SIGHUP)
        end = time.monotonic() + 10
        while 'reloaded' not in panicd.log() and time.monotonic() < end:
            time.sleep(0.02)
        assert refusal(panicd, 'core-2').code == 2
        panicd.configure('[policy]\nfloor = banana\nallow = 0.0.0.0/0\n')
        panicd.process.send_signal(signal.SIGHUP)
        while 'reload-failed' not in panicd.log() and time.monotonic() < end:
            time.sleep(0.02)
        assert 'banana' in panicd.log() and 'floor' in panicd.log()
        assert refusal(panicd, 'core-3').code == 2


def wrong_settings():
    """a wrong setting keeps the server from starting, and the message names file, line and key"""
    with tempfile.NamedTemporaryFile('w', suffix='.conf') as f:
        f.write('[policy]\n\ntransfer = 3\n')
        f.flush()
        got = subprocess.run([PANICD, '--config', f.name, '/nonexistent/x'], capture_output=True,
                             text=True, timeout=20)
        assert got.returncode == 2, got
        assert f.name in got.stderr and '3' in got.stderr and 'transfer' in got.stderr, got.stderr


def terminated():
    """SIGTERM ends with 0 and leaves live transfers resumable"""
    with Panicd() as panicd:
        sender = Sender(panicd.port)
        sender.open('core-x')
        sender.data(b'one')
        assert panicd.stop() == 0
        assert panicd.files() == ['core-x.part']
        panicd.start()
        assert panicd.ask('status')['journal']['resumed'] == 1
        sender.data(b'two')
        sender.eof()
        sender.close()
        panicd.settled(1)
        assert panicd.read('core-x') == b'onetwo'


def lost_catalog():
    """a lost catalog is rebuilt from the directory, a damaged one is set aside"""
    with Panicd(config='[policy]\nfloor = 0\n[time]\nidle = 1s\n') as panicd:
        assert refusal(panicd, 'core-whole', b'whole') is None
        sender = Sender(panicd.port)
        sender.open('core-part')
        sender.data(b'x')
        sender.close()
        before = panicd.settled(2)
        panicd.stop()
        state = os.path.join(panicd.directory, '.panicd')
        for name in os.listdir(state):
            if name.startswith('catalog.db'):
                os.unlink(os.path.join(state, name))
        panicd.start()
        after = panicd.settled(2)
        assert {(r['file'], r['state'], r['bytes'], r['sha256']) for r in after} == \
               {(r['file'], r['state'], r['bytes'], r['sha256']) for r in before}
        panicd.stop()
        with open(os.path.join(state, 'catalog.db'), 'r+b') as f:
            f.write(b'garbage' * 100)
        panicd.start()
        after = panicd.settled(2)
        assert {r['file'] for r in after} == {r['file'] for r in before}


def part_without_journal():
    """a .part that no journal knows is kept as incomplete"""
    with Panicd() as panicd:
        sender = Sender(panicd.port)
        sender.open('core-x')
        sender.data(b'half')
        panicd.kill()
        sender.close()
        os.unlink(os.path.join(panicd.directory, '.panicd/journal'))
        panicd.start()
        row = panicd.settled(1)[0]
        assert row['state'] == 'incomplete' and row['reason'], row
        assert panicd.files() == ['core-x.incomplete']


def somebodys_directory():
    """in a directory that was somebody's, other people's files are neither listed nor renamed"""
    d = tempfile.mkdtemp(prefix='panicd-test-')
    for name in ('notes.txt', 'movie.part'):
        with open(os.path.join(d, name), 'w') as f:
            f.write('mine')
    panicd = Panicd(directory=d)
    try:
        panicd.start()
        assert refusal(panicd, 'core-x') is None
        assert [r['file'] for r in panicd.settled(1)] == ['core-x']
        assert panicd.files() == ['core-x', 'movie.part', 'notes.txt']
    finally:
        panicd.remove()
        shutil.rmtree(d)


def last_answer():
    """SIGTERM while a dump is finishing: its sender still gets the final ACK"""
    for _ in range(5):
        with Panicd() as panicd:
            sender = Sender(panicd.port)
            sender.open('core-x')
            for _ in range(200):
                sender.data(b'x' * 1406)
            sender.sock.sendto(packet(EOF, sender.block), sender.to)
            time.sleep(0.001)
            assert panicd.stop() == 0
            got = sender.receive(1)
            if 'core-x' in panicd.files():
                assert got == packet(4, sender.block), (got, panicd.log())
            sender.close()


def file_size_limit():
    """a file size limit ends one dump with ERROR 3, not the server"""
    panicd = Panicd(config='[receive]\nslots = 16\n[policy]\nfloor = 0\n')
    try:
        panicd.start(wrapper=['prlimit', '--fsize=2000000'])
        assert refusal(panicd, content=b'x' * 2100000).code == 3
        assert panicd.process.poll() is None
    finally:
        panicd.remove()


def shortened_part():
    """a .part that somebody shortened while the server was down is not continued"""
    with Panicd() as panicd:
        sender = Sender(panicd.port, patience=1)
        sender.open('core-x')
        sender.data(b'x' * 1000)
        panicd.stop()
        os.truncate(os.path.join(panicd.directory, 'core-x.part'), 10)
        panicd.start()
        row = panicd.settled(1)[0]
        assert row['state'] == 'incomplete' and 'shorter' in row['reason'], row
        sender.close()


def file_modes():
    """files are 0600 in a 0700 directory, whatever the umask"""
    with Panicd() as panicd:
        assert refusal(panicd, 'core-x') is None
        panicd.settled(1)
        mode = lambda p: os.stat(os.path.join(panicd.directory, p)).st_mode & 0o777
        assert mode('core-x') == 0o600 and mode('.panicd') == 0o700, oct(mode('core-x'))
        for name in os.listdir(os.path.join(panicd.directory, '.panicd')):
            assert mode('.panicd/' + name) == 0o600, (name, oct(mode('.panicd/' + name)))
    fresh = tempfile.mkdtemp(prefix='panicd-test-')
    panicd = Panicd(directory=fresh + '/PanicDumps')
    panicd.start()
    assert os.stat(panicd.directory).st_mode & 0o777 == 0o700
    panicd.remove()
    shutil.rmtree(fresh)


def every_address():
    """on all addresses the answer comes from the one that was asked, also over IPv6"""
    for address, ask in (('0.0.0.0', '127.0.0.5'), ('::', '127.0.0.5'), ('::', '::1')):
        panicd = Panicd(address=address)
        family = socket.AF_INET6 if ':' in ask else socket.AF_INET
        with panicd, socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.settimeout(5)
            for request, answer in ((wrq('core-x'), b'\3\4\0\0\0\0'),
                                    (packet(3, 1, b'x'), packet(4, 1)),
                                    (packet(EOF, 2), packet(4, 2))):
                sock.sendto(request, (ask, panicd.port))
                got, source = sock.recvfrom(2048)
                assert got == answer and source[:2] == (ask, panicd.port), (got, source)
            row = panicd.settled(1)[0]
            assert row['peer'] == ('::1' if ':' in ask else '127.0.0.1'), row


def events():
    """the control socket streams begin, progress, complete and checked"""
    with Panicd() as panicd:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.settimeout(10)
        sock.connect(os.path.join(panicd.directory, '.panicd/control'))
        sock.sendall(b'watch\n')
        time.sleep(0.1)
        sender = Sender(panicd.port)
        sender.open('core-x')
        sender.data(b'x')
        time.sleep(1.2)
        live = panicd.ask('transfers')['transfers']
        assert [t['name'] for t in live] == ['core-x'] and live[0]['state'] == 'receiving', live
        sender.eof()
        sender.close()
        seen, buffer = [], b''
        while 'checked' not in seen:
            buffer += sock.recv(65536)
            *lines, buffer = buffer.split(b'\n')
            seen += [json.loads(l)['event'] for l in lines]
        assert seen[0] == 'begin' and 'progress' in seen and seen[-2:] == ['complete', 'checked'], seen
        sock.close()


def rude_clients():
    """clients of the control socket that send junk, or do not read, disturb nobody"""
    with Panicd() as panicd:
        path = os.path.join(panicd.directory, '.panicd/control')
        socks = []
        for i in range(50):
            s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            s.settimeout(5)
            try:
                s.connect(path)
                s.sendall(b'watch\n' if i % 2 else b'\xff' * 100)
            except OSError:
                pass
            socks.append(s)
        assert refusal(panicd, 'core-x') is None
        for s in socks:
            s.close()
        time.sleep(0.1)
        assert panicd.ask('status')['pid'] == panicd.process.pid


def socket_activation():
    """a socket handed over by the service manager is used"""
    if not shutil.which('systemd-socket-activate'):
        return 'systemd-socket-activate is missing'
    with tempfile.TemporaryDirectory(prefix='panicd-test-') as d:
        panicd = Panicd(directory=d + '/dumps')
        p = subprocess.Popen(['systemd-socket-activate', '--datagram', '-l',
                              '127.0.0.1:%d' % panicd.port, PANICD, '--config',
                              panicd.config_path, panicd.directory],
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            time.sleep(0.3)
            assert refusal(panicd) is None
            assert panicd.ask('status')['listening'][0]['port'] == panicd.port
        finally:
            p.terminate()
            p.wait()
            panicd.remove()
    return None


def handed_over(panicd, name):
    """panicd with a socket of its port, of this name, as the service manager would start it."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(('127.0.0.1', panicd.port))
    words = ['sh', '-c', 'LISTEN_PID=$$ exec "$@" 3<&%d' % sock.fileno(), 'sh', PANICD, '--config',
             panicd.config_path, '--port', str(free_port()), '--netdump-port', '0',
             panicd.directory]
    p = subprocess.Popen(words, pass_fds=[sock.fileno()], stdout=subprocess.DEVNULL,
                         stderr=subprocess.PIPE, text=True,
                         env={**os.environ, 'LISTEN_FDS': '1', 'LISTEN_FDNAMES': name})
    sock.close()
    return p


def socket_names():
    """FileDescriptorName= says what a socket is for; a name that says nothing known is refused"""
    for name in ('kdp', 'panicd.socket', 'netdump', 'nonsense'):
        panicd = Panicd()
        p = handed_over(panicd, name)
        try:
            if name == 'nonsense':
                assert 'nonsense' in p.communicate(timeout=30)[1] and p.returncode == 2, name
                continue
            panicd.process = p
            panicd.wait_ready()
            if name == 'netdump':
                client = Client(panicd.port)
                client.herald()
                client.close()
            else:
                assert refusal(panicd) is None, name
            listening = panicd.ask('status')['listening']
            assert listening[0] == {'protocol': 'netdump' if name == 'netdump' else 'kdp',
                                    'address': '127.0.0.1', 'port': panicd.port}, listening
            assert len(listening) == (2 if name == 'netdump' else 1), listening
        finally:
            p.terminate()
            p.communicate()
            panicd.remove()


def ready_notification():
    """the service manager hears READY and STOPPING"""
    with tempfile.TemporaryDirectory(prefix='panicd-test-') as d:
        path = d + '/notify'
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        sock.bind(path)
        sock.settimeout(10)
        panicd = Panicd()
        panicd.start(env={'NOTIFY_SOCKET': path})
        assert b'READY=1' in sock.recv(4096)
        panicd.stop()
        assert b'STOPPING=1' in sock.recv(4096)
        panicd.remove()
        sock.close()


ALL = [allow_list, most_transfers, most_bytes, disk_floor, default_floor, reload, wrong_settings,
       terminated, lost_catalog, part_without_journal, somebodys_directory,
       last_answer, file_size_limit, shortened_part, file_modes, every_address, events,
       rude_clients, socket_activation, socket_names, ready_notification]

if __name__ == '__main__':
    tap = Tap()
    for one in ALL:
        if len(sys.argv) < 2 or one.__name__ in sys.argv[1:]:
            tap.run(one)
    sys.exit(tap.done())
