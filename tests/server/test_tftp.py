#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Files that come by TFTP: from the clients that people have, and from one that does what each of
the others may do. `PND_TFTP_LARGE=1` adds files above 4 GiB (some minutes, and 9 GB of disk)."""
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

from kdp import PANICD, Panicd, Refused, Sender, Tap, free_port
from tftp import ACK, RRQ, WRQ, Put, TftpServer, data, request

MIB = 1 << 20
CONTENT = bytes(range(251)) * 400      # 100400 bytes, of which no two blocks are the same
LARGE = (4 << 30) + 12345
# How each is told to put FILE as NAME at HOST and PORT.
CLIENTS = {
    'tftp-hpa': ['tftp', '-m', 'binary', 'HOST', 'PORT', '-c', 'put', 'FILE', 'NAME'],
    'atftp': ['atftp', '-p', '-l', 'FILE', '-r', 'NAME', 'HOST', 'PORT'],
    'atftp in large blocks': ['atftp', '--option', 'blksize 8192', '-p', '-l', 'FILE', '-r', 'NAME',
                              'HOST', 'PORT'],
    'atftp in windows': ['atftp', '--option', 'blksize 1428', '--option', 'windowsize 16',
                         '--option', 'timeout 1', '-p', '-l', 'FILE', '-r', 'NAME', 'HOST', 'PORT'],
    'curl': ['curl', '-sS', '-T', 'FILE', 'tftp://HOST:PORT/NAME'],
    'curl in large blocks': ['curl', '-sS', '--tftp-blksize', '65464', '-T', 'FILE',
                             'tftp://HOST:PORT/NAME'],
    'curl without options': ['curl', '-sS', '--tftp-no-options', '-T', 'FILE',
                             'tftp://HOST:PORT/NAME'],
    'busybox': ['busybox', 'tftp', '-p', '-l', 'FILE', '-r', 'NAME', 'HOST', 'PORT'],
    'busybox in large blocks': ['busybox', 'tftp', '-p', '-b', '8192', '-l', 'FILE', '-r', 'NAME',
                                'HOST', 'PORT'],
}


def words(client, port, path, name):
    for have, put in (('HOST', '127.0.0.1'), ('PORT', str(port)), ('FILE', path), ('NAME', name)):
        client = [word.replace(have, put) for word in client]
    return client


def put(panicd, content=CONTENT, name='core', how=None, **options):
    client = Put(panicd.tftp_port, **(how or {}))
    try:
        client.put(name, content, **options)
    finally:
        client.close()
    return client


def refusal(port, name='core', mode=b'octet', content=b'x', bind=None, **options):
    client = Put(port, bind=bind, patience=5)
    try:
        client.open(name, mode, **options)
        client.put(name, content, **options)
    except Refused as e:
        return e
    finally:
        client.close()
    return None


# ---- whoever sends ----

def real_clients():
    """tftp-hpa, atftp, curl and busybox put a file, in blocks small and large, and in windows"""
    missing = {c[0] for c in CLIENTS.values() if not shutil.which(c[0])}
    with TftpServer() as panicd, tempfile.NamedTemporaryFile() as f:
        content = os.urandom(3 * MIB + 77)
        f.write(content)
        f.flush()
        count = 0
        for what, client in CLIENTS.items():
            if client[0] in missing:
                continue
            done = subprocess.run(words(client, panicd.tftp_port, f.name, 'core-%d' % count),
                                  capture_output=True, text=True, timeout=120)
            assert done.returncode == 0, (what, done.stdout, done.stderr)
            count += 1
            row = [r for r in panicd.settled(count) if r['name'] == 'core-%d' % (count - 1)]
            assert len(row) == 1 and row[0]['state'] == 'complete', (what, panicd.rows())
            assert row[0]['protocol'] == 'tftp' and row[0]['peer'] == '127.0.0.1', row
            assert panicd.read(row[0]['file']) == content, what
    if missing:
        print('# not installed: ' + ' '.join(sorted(missing)))
    return 'none of them is installed' if count == 0 else None


def handed_over(panicd, log):
    """panicd with its socket of TFTP as the service manager keeps it."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(('127.0.0.1', panicd.tftp_port))

    def start():
        p = subprocess.Popen(['sh', '-c', 'LISTEN_PID=$$ exec "$@" 3<&%d' % sock.fileno(), 'sh',
                              PANICD, '--config', panicd.config_path, '--address', '127.0.0.1',
                              '--port', str(panicd.port), '--netdump-port', '0', panicd.directory],
                             pass_fds=[sock.fileno()], stdout=log, stderr=log,
                             env={**os.environ, 'LISTEN_FDS': '1', 'LISTEN_FDNAMES': 'tftp'})
        panicd.process = p
        panicd.wait_ready()
    start()
    return sock, start


def killed_at(panicd, start, client, size):
    """Kills and starts the server when the dump has @p size bytes; its client stands still as long,
    so that it cannot be done before."""
    part = os.path.join(panicd.directory, 'core.part')
    deadline = time.monotonic() + 30
    while not (os.path.exists(part) and os.path.getsize(part) >= size):
        assert client.poll() is None and time.monotonic() < deadline, client.poll()
        time.sleep(0.001)
    client.send_signal(signal.SIGSTOP)
    panicd.kill()
    assert os.path.exists(part), 'it was done before it was stopped'
    start()
    client.send_signal(signal.SIGCONT)


def real_clients_and_a_killed_server():
    """they lose nothing to a server that is killed in the middle, while somebody keeps its socket"""
    tried = 0
    for what in ('tftp-hpa', 'atftp in windows', 'curl', 'busybox'):
        if not shutil.which(CLIENTS[what][0]):
            continue
        tried += 1
        panicd = TftpServer()
        with tempfile.NamedTemporaryFile() as f, open(panicd.log_path, 'ab') as log:
            f.write(os.urandom((96 if 'windows' in what else 24) * MIB))
            f.flush()
            sock, start = handed_over(panicd, log)
            try:
                listening = panicd.ask('status')['listening']
                assert sorted(at['protocol'] for at in listening) == ['kdp', 'tftp'], listening
                client = subprocess.Popen(words(CLIENTS[what], panicd.tftp_port, f.name, 'core'),
                                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
                for size in (MIB // 4, 2 * MIB):
                    killed_at(panicd, start, client, size)
                out, _ = client.communicate(timeout=60)
                assert client.returncode == 0, (what, out)
                row, kept = panicd.one()
                assert row['state'] == 'complete' and ' resumed id=' in panicd.log(), (what, row)
                with open(f.name, 'rb') as want:
                    assert want.read() == kept, what
            finally:
                panicd.remove()
                sock.close()
    return None if tried else 'none of them is installed'


def boot_loader():
    """blocks of 512 bytes for 33 MiB, as of a boot loader: behind block 65535 comes 0, or 1"""
    content = os.urandom(33 * MIB + 5)
    for roll in (0, 1):
        with TftpServer() as panicd:
            put(panicd, content, 'dump.bin', {'roll': roll}, timeout=5)
            row, kept = panicd.one()
            assert kept == content and row['state'] == 'complete', (roll, row)


def sizes():
    """blocks from 8 to 65464 bytes, windows to 512 blocks, files that end where a block does"""
    with TftpServer() as panicd:
        count = 0
        for size, window, length, granted in (
                (8, 1, 8000, (8, 1)), (8, 64, 8001, (8, 64)), (512, 1, 0, (512, 1)),
                (512, 8, 512 * 8, (512, 8)), (1428, 16, 300000, (1428, 16)),
                (1428, 65535, 2 * MIB, (1428, 512)), (8972, 32, 8972 * 64, (8972, 32)),
                (65464, 4, 3 * MIB, (65464, 4)), (65464, 512, 3 * MIB, (65464, 16)),
                (70000, 1, 100000, (65464, 1))):
            content = os.urandom(length)
            client = put(panicd, content, 'core-%d' % count, blksize=size, windowsize=window,
                         tsize=length)
            count += 1
            assert client.granted == {'blksize': granted[0], 'windowsize': granted[1],
                                      'tsize': length}, client.granted
            rows = [r for r in panicd.settled(count) if r['name'] == 'core-%d' % (count - 1)]
            assert rows[0]['state'] == 'complete', rows
            assert panicd.read(rows[0]['file']) == content, (size, window)


def total():
    """how much is to come is known while it arrives, if its sender has said it"""
    with TftpServer() as panicd:
        for name, options, said in ('core-said', {'tsize': 4000}, 4000), ('core-unsaid', {}, 0):
            client = Put(panicd.tftp_port)
            client.open(name, blksize=1428, **options)
            client.ask(data(1, bytes(1428)))
            found = [t for t in panicd.ask('transfers')['transfers'] if t['name'] == name]
            assert found[0]['total'] == said, found
            client.close()


def loss():
    """a tenth of all packets is lost, both ways, in every manner of sending: the file is whole"""
    with TftpServer() as panicd:
        count = 0
        for roll, options in ((0, {}), (1, {'blksize': 400}), (0, {'windowsize': 16}),
                              (0, {'blksize': 1428, 'windowsize': 64, 'tsize': len(CONTENT)}),
                              (1, {'blksize': 1428, 'windowsize': 5, 'timeout': 1})):
            put(panicd, CONTENT, 'core-%d' % count,
                {'loss': 0.1, 'roll': roll, 'seed': count, 'rto': 0.05}, **options)
            count += 1
            row = [r for r in panicd.settled(count) if r['name'] == 'core-%d' % (count - 1)][0]
            assert row['state'] == 'complete' and panicd.read(row['file']) == CONTENT, (options, row)


def copies():
    """every packet comes three times: the file is whole, and no answers draw answers without end"""
    for options in ({}, {'windowsize': 8}):
        with TftpServer() as panicd:
            client = put(panicd, CONTENT, how={'copies': 3}, **options)
            row, kept = panicd.one()
            assert kept == CONTENT and row['state'] == 'complete', row
            assert client.replies < client.sent / 2, (client.replies, client.sent)


def together():
    """Apple's protocol and TFTP from one port of one machine are two dumps"""
    with TftpServer() as panicd:
        port = free_port()
        one = Sender(panicd.port, bind=('127.0.0.1', port))
        one.open('core-kdp')
        one.data(b'first ')
        one.sock.close()
        put(panicd, CONTENT, 'core-tftp', {'bind': ('127.0.0.1', port)})
        one.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        one.sock.bind(('127.0.0.1', port))
        one.data(b'second')
        one.eof()
        rows = {r['name']: r for r in panicd.settled(2)}
        assert panicd.read(rows['core-kdp']['file']) == b'first second'
        assert panicd.read(rows['core-tftp']['file']) == CONTENT
        assert (rows['core-kdp']['protocol'], rows['core-tftp']['protocol']) == ('kdp', 'tftp')


def large():
    """files above 4 GiB: in small blocks by curl, whose numbers roll over 128 times, and in windows"""
    if not os.environ.get('PND_TFTP_LARGE'):
        return 'takes minutes and 9 GB: PND_TFTP_LARGE=1'
    with tempfile.NamedTemporaryFile() as f:
        for at in range(0, LARGE, 1 * MIB):  # the rest is zeros, in the file only
            f.seek(at)
            f.write(at.to_bytes(8, 'big') * 40)
        f.truncate(LARGE)
        f.flush()
        f.seek(0)
        digest = hashlib.file_digest(f, 'sha256').hexdigest()

        def read(at, length):
            return os.pread(f.fileno(), length, at)
        for what in ('curl', 'windows'):
            panicd = TftpServer().start()
            try:
                start = time.monotonic()
                if what == 'windows':
                    put(panicd, read, blksize=65464, windowsize=16, tsize=LARGE)
                elif shutil.which('curl'):
                    subprocess.run(words(CLIENTS['curl'], panicd.tftp_port, f.name, 'core'),
                                   check=True, timeout=1800)
                else:
                    continue
                took = time.monotonic() - start
                row = panicd.settled(1, timeout=300)[0]
                assert (row['sha256'], row['bytes'], row['state']) == (digest, LARGE, 'complete'), row
                print('# %s: %.0f s' % (what, took))
            finally:
                panicd.remove()
    return None


# ---- a server that is killed ----

def killed():
    """a server that is killed goes on where it was, at any block and in the middle of windows"""
    for options in ({}, {'blksize': 1428}, {'blksize': 256, 'windowsize': 16},
                    {'blksize': 1428, 'windowsize': 32, 'tsize': 4 * MIB}):
        panicd = TftpServer().start()
        stop, content = threading.Event(), os.urandom(4 * MIB)
        kills = 0

        def slowly(_):
            time.sleep(0.0002 * client.window)
        client = Put(panicd.tftp_port, rto=0.05)
        thread = threading.Thread(target=lambda: (client.put('core', content, slowly, **options),
                                                  stop.set()))
        try:
            thread.start()
            while not stop.wait(0.1) and thread.is_alive():
                panicd.kill()
                panicd.start()
                kills += 1
            thread.join()
            assert stop.is_set() and kills >= 2, (options, kills, panicd.log()[-2000:])
            row, kept = panicd.one()
            assert row['state'] == 'complete' and kept == content, (options, row)
            assert panicd.files() == ['core'], panicd.files()
        finally:
            panicd.remove()
            client.close()


def killed_at_the_end():
    """the last ACK is said again after a restart, and no second dump is made"""
    with TftpServer() as panicd:
        client = Put(panicd.tftp_port)
        client.put('core', b'x' * 700)
        panicd.one()
        for _ in range(3):
            panicd.kill()
            panicd.start()
            assert client.ask(data(2, b'x' * 188)) == (ACK, b'\0\2')
        client.close()
        panicd.one()


# ---- what is refused ----

def reads():
    """a file cannot be read, also not after one was put, and its client hears what this server is"""
    with TftpServer() as panicd:
        client = Put(panicd.tftp_port)
        for before in (False, True):
            if before:
                client.put('core', CONTENT)
            for name in (b'core', b'/etc/passwd', b''):
                try:
                    raise AssertionError(client.ask(request(RRQ, name)))
                except Refused as e:
                    assert e.code == 2 and 'takes crash dumps and gives nothing' in e.text, e
        client.close()
        row, kept = panicd.one()
        assert kept == CONTENT, row
        if shutil.which('curl'):
            done = subprocess.run(['curl', '-sS', 'tftp://127.0.0.1:%d/core' % panicd.tftp_port],
                                  capture_output=True, text=True, timeout=60)
            assert done.returncode != 0 and not done.stdout, done
        if shutil.which('tftp'):
            with tempfile.TemporaryDirectory() as place:
                done = subprocess.run(['tftp', '-m', 'binary', '127.0.0.1', str(panicd.tftp_port),
                                       '-c', 'get', 'core', place + '/x'], capture_output=True,
                                      text=True, timeout=60)
                assert 'gives nothing' in done.stdout + done.stderr, done


def modes():
    """netascii and mail draw ERROR 4, a request that is cut off as well, and nothing is kept"""
    with TftpServer() as panicd:
        for mode in (b'netascii', b'mail', b'', b'octets'):
            e = refusal(panicd.tftp_port, mode=mode)
            assert e and e.code == 4 and 'octet' in e.text, (mode, e)
        assert refusal(panicd.tftp_port, mode=b'OCTET') is None
        whole = request(WRQ, 'core', blksize=1428)
        for cut in range(4, len(b'\0\2core\0octet\0')):
            client = Put(panicd.tftp_port)
            try:
                raise AssertionError((cut, client.ask(whole[:cut])))
            except Refused as e:
                assert e.code == 4, (cut, e)
            client.close()
        row, kept = panicd.one()
        assert kept == b'x', row


def strangers():
    """what belongs to no dump draws nothing"""
    with TftpServer() as panicd:
        client = Put(panicd.tftp_port)
        for packet in (b'', b'\0', b'\0\1', data(1, b'x'), b'\0\4\0\1', b'\0\5\0\0x\0', b'\0\6a\0b\0',
                       b'\0\7\0\0', b'\xff' * 600, os.urandom(1400)):
            if packet[:2] not in (b'\0\1', b'\0\2'):
                client.send(packet)
        assert client.receive(0.3) is None
        client.close()
        assert panicd.files() == []


def policy():
    """allow, transfers, dump-bytes and floor hold for TFTP: ERROR 2 or 3, with the rule"""
    for config, options, code, text in (
            ('allow = 10.0.0.0/8\n', {}, 2, 'allow'),
            ('dump-bytes = 1000\n', {'tsize': 1001}, 3, 'larger'),
            ('dump-bytes = 1000\n', {}, 3, 'larger'),
            ('floor = %d\n' % (1 << 60), {}, 3, 'floor')):
        with TftpServer(config='[policy]\n' + ('' if 'floor' in config else 'floor = 0\n') +
                        config) as panicd:
            e = refusal(panicd.tftp_port, content=b'x' * 2000, **options)
            assert e and e.code == code and text in e.text, (config, options, e)
            if 'dump-bytes' in config and not options:
                row, _ = panicd.one()
                assert row['state'] == 'incomplete' and row['bytes'] <= 1000, row
            else:
                assert panicd.files() == [], (config, panicd.files())
    with TftpServer(config='[policy]\nfloor = 0\ntransfers = 1\n') as panicd:
        first = Sender(panicd.port)
        first.open('core-first')
        first.data(b'x')
        e = refusal(panicd.tftp_port)
        assert e and e.code == 3 and 'transfers' in e.text, e
        first.eof()
        assert refusal(panicd.tftp_port) is None


# ---- what becomes of it ----

def announced():
    """a file that ends before its tsize is incomplete, and its sender hears so"""
    with TftpServer() as panicd:
        e = refusal(panicd.tftp_port, content=b'x' * 1000, tsize=1001)
        assert e and e.code == 0 and 'announced' in e.text, e
        row, kept = panicd.one()
        assert row['state'] == 'incomplete' and kept == b'x' * 1000, row
        assert 'announced size' in row['reason'], row


def names():
    """a name that leads elsewhere is none for a file, but is kept; a name that is taken gets a number"""
    with TftpServer() as panicd:
        count = 0
        for name in (b'../core', b'/tftpboot/router-core', b'', b'a\nb', b'\xff\xfe', b'n' * 400,
                     b'.panicd', b'switch-7.core', b'switch-7.core'):
            put(panicd, b'x' * 600, name)
            count += 1
        rows = panicd.settled(count)
        files = panicd.files()
        assert sorted(r['file'] for r in rows) == files and len(files) == count, files
        assert [f for f in files if not f.startswith('unnamed-127.0.0.1-')] == [
            'switch-7.core', 'switch-7.core.1'], files
        assert '/tftpboot/router-core' in {r['name'] for r in rows}, rows
        assert not os.path.exists(os.path.join(panicd.directory, '..', 'core'))


def silent():
    """a sender that falls silent leaves an incomplete dump; one that quits makes room for another"""
    with TftpServer(config='[policy]\nfloor = 0\n[time]\nidle = 1s\n') as panicd:
        client = Put(panicd.tftp_port)
        client.open('core')
        assert client.ask(data(1, b'a' * 512)) == (ACK, b'\0\1')
        row, kept = panicd.one()
        assert row['state'] == 'incomplete' and kept == b'a' * 512, row
        assert 'silent' in row['reason'], row
        client.close()
    with TftpServer() as panicd:
        client = Put(panicd.tftp_port)
        client.open('core')
        assert client.ask(data(1, b'a' * 512)) == (ACK, b'\0\1')
        client.send(b'\0\5\0\0cancelled\0')
        client.put('core', b'b' * 600)  # its requests draw nothing for 3 s
        client.close()
        rows = panicd.settled(2)
        assert sorted(r['state'] for r in rows) == ['complete', 'incomplete'], rows


# ---- settings ----

def off():
    """nobody listens for TFTP unless told to; --tftp-port wins over the file, 0 turns it off"""
    port = free_port()
    line = '[receive]\ntftp-port = %d\n[policy]\nfloor = 0\n' % port
    for config, args, want in (('', (), []), (line, (), [port]),
                               (line, ('--tftp-port', '0'), []),
                               ('', ('--tftp-port', str(port)), [port])):
        with Panicd(config=config, args=args) as panicd:
            listening = panicd.ask('status')['listening']
            assert [at['port'] for at in listening if at['protocol'] == 'tftp'] == want, listening
            assert [at['protocol'] for at in listening][0] == 'kdp', listening
            if want:
                assert refusal(port) is None
                os.kill(panicd.process.pid, signal.SIGHUP)
                assert refusal(port) is None


def wrong_settings():
    """a port that is none, that another service has, or another program, is named with what to type"""
    port = free_port()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken, \
            tempfile.TemporaryDirectory() as place:
        taken.bind(('127.0.0.1', 0))
        for args, text in ((('--tftp-port', '65536'), '--tftp-port takes a number from 0 to 65535'),
                           (('--tftp-port', 'x'), '--tftp-port takes a number'),
                           (('--tftp-port', str(port)), 'is to be for kdp and for tftp'),
                           (('--tftp-port', str(taken.getsockname()[1])),
                            '--tftp-port chooses another')):
            done = subprocess.run([PANICD, '--address', '127.0.0.1', '--port', str(port), *args,
                                   place + '/d'], capture_output=True, text=True, timeout=30)
            assert done.returncode == 2 and text in done.stderr, (args, done)


if __name__ == '__main__':
    tap = Tap()
    for each in (real_clients, real_clients_and_a_killed_server, boot_loader, sizes, total, loss, copies,
                 together, large, killed, killed_at_the_end, reads, modes, strangers, policy,
                 announced, names, silent, off, wrong_settings):
        if len(sys.argv) < 2 or each.__name__ in sys.argv[1:]:
            tap.run(each)
    sys.exit(tap.done())
