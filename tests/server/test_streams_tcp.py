#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""panicctl receive --listen on loopback: senders that are whole, half, slow, hung and too many,
and TLS, which only those pass who have a certificate."""
import contextlib
import json
import os
import re
import select
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import time

from kdp import Panicd, Tap, children_of, free_port
from streams import CONTENT, Streams, flatten


class Listener(Streams):
    def __init__(self, *options, tls=None):
        super().__init__()
        self.port = free_port()
        self.log_path = self.directory + '.stream.log'
        self.options = ['--listen', '127.0.0.1:%d' % self.port, '--floor', '0', *options]
        if tls:
            self.options += ['--tls-certificate', tls + '/server.pem', '--tls-key',
                             tls + '/server.key', '--clients', tls + '/ca.pem']
        self.process = None

    def __enter__(self):
        with open(self.log_path, 'wb') as log:
            self.process = subprocess.Popen(self.command('receive', *self.options), stderr=log,
                                            stdin=subprocess.DEVNULL)
        end = time.monotonic() + 30
        while 'listening' not in self.log():
            assert self.process.poll() is None and time.monotonic() < end, self.log()
            time.sleep(0.01)
        return self

    def __exit__(self, *what):
        self.process.terminate()
        self.process.wait(30)
        os.unlink(self.log_path)
        super().__exit__(*what)

    def log(self):
        with open(self.log_path, errors='replace') as f:
            return f.read()

    def wait_log(self, pattern, timeout=30):
        end = time.monotonic() + timeout
        while not re.search(pattern, self.log()):
            assert time.monotonic() < end, (pattern, self.log())
            time.sleep(0.01)

    def connect(self):
        s = socket.create_connection(('127.0.0.1', self.port), timeout=30)
        return s

    def send(self, content):
        """@return the answer"""
        with self.connect() as s:
            s.sendall(content)
            s.shutdown(socket.SHUT_WR)
            return b''.join(iter(lambda: s.recv(4096), b'')).decode()


def plain():
    """a connection is a dump; its sender hears which"""
    with Listener() as it:
        assert it.send(CONTENT) == 'dump 1\n'
        assert it.send(flatten(CONTENT)) == 'dump 2\n'
        assert it.send(flatten(CONTENT, end=False)).startswith('dump 3 incomplete: the flattened')
        assert it.send(b'') == 'not kept\n'
        rows = it.rows()
        assert [r['protocol'] for r in rows] == ['tcp'] * 3, rows
        assert rows[0]['peer'] == '127.0.0.1' and rows[0]['peer_port'] > 0, rows
        assert re.fullmatch(r'127-0-0-1-\d{8}-\d{6}', rows[0]['name']), rows
        assert it.read(rows[0]['file']) == CONTENT == it.read(rows[1]['file'])


def beside_a_server():
    """beside a server the dump is checked by it, and ids do not collide"""
    with Listener('--name', 'core.gz') as it:
        it.panicd.start()
        jobs = [threading.Thread(target=it.send, args=(CONTENT,)) for _ in range(20)]
        for job in jobs:
            job.start()
        for job in jobs:
            job.join()
        rows = it.panicd.settled(20)
        assert sorted(r['id'] for r in rows) == list(range(1, 21)), rows
        for row in rows:
            assert row['state'] == 'complete' and it.read(row['file']) == CONTENT, row


def those_who_go():
    """a connection that is reset, and a sender that falls silent, leave incomplete dumps"""
    with Listener('--idle', '300ms') as it:
        s = it.connect()
        s.sendall(CONTENT[:100000])
        it.wait_hidden(60000)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
        s.close()
        it.wait_log('incomplete id=1 .*the connection broke')
        with it.connect() as s:
            s.sendall(CONTENT[:100000])
            answer = b''.join(iter(lambda: s.recv(4096), b'')).decode()
        assert answer == 'dump 2 incomplete: its sender fell silent\n', answer
        with it.connect() as s:  # says nothing at all
            assert s.recv(100) == b'not kept\n'
        with it.connect() as s:  # slow, but it does speak
            for at in range(0, 5000, 1000):
                s.sendall(CONTENT[at:at + 1000])
                time.sleep(0.1)
            s.shutdown(socket.SHUT_WR)
            assert s.recv(100) == b'dump 3\n'
        assert [r['bytes'] for r in it.rows()][1:] == [100000, 5000]


def too_many():
    """who comes when there are as many as may be waits for a place"""
    with Listener('--senders', '2') as it:
        hung = [it.connect() for _ in range(2)]
        for s in hung:
            s.sendall(b'x' * 100)
        it.wait_log('senders=2')
        with it.connect() as third:
            third.sendall(CONTENT)
            third.shutdown(socket.SHUT_WR)
            assert not select.select([third], [], [], 0.5)[0]
            hung[0].close()
            assert re.fullmatch(rb'dump \d\n', third.recv(100))
        hung[1].close()


def told_to_end():
    """a listener that is told to end keeps what has come, and its senders hear so"""
    with Listener() as it:
        s = it.connect()
        s.sendall(CONTENT[:100000])
        it.wait_hidden(60000)
        it.process.send_signal(signal.SIGTERM)
        assert b'incomplete: its receiver was told to end' in s.recv(300)
        assert it.process.wait(30) == 0
        row, = it.rows()
        assert row['state'] == 'incomplete', row
        s.close()


def killed():
    """a listener that is killed costs no dump that arrives, nor does the death of one of them"""
    with Listener() as it:
        first, second = it.connect(), it.connect()
        first.sendall(CONTENT[:100000])
        it.wait_hidden(60000)
        os.kill(children_of(it.process.pid)[0], signal.SIGKILL)
        it.wait_log('(?s)sender-ended .*signal=9.*is dump 1 now, incomplete')
        second.sendall(CONTENT)
        it.process.kill()
        second.shutdown(socket.SHUT_WR)
        assert re.fullmatch(rb'dump \d\n', second.recv(100))
        rows = it.rows()
        assert sorted(r['state'] for r in rows)[0] == 'incomplete' and len(rows) == 2, rows


def locked_in(pid):
    with open('/proc/%d/status' % pid, encoding='utf-8') as f:
        said = dict(line.split(':\t', 1) for line in f if ':\t' in line)
    return said['Seccomp'] == '2\n' and said['NoNewPrivs'] == '1\n'


def caged():
    """whoever reads what a sender sends is in a cage by then, and ends there as it should"""
    with Listener() as it:
        with it.connect() as s:
            s.sendall(CONTENT[:100000])
            it.wait_hidden(60000)
            child, = children_of(it.process.pid)
            assert locked_in(child) and not locked_in(it.process.pid)
            s.sendall(CONTENT[100000:])
            s.shutdown(socket.SHUT_WR)
            assert s.recv(100) == b'dump 1\n'
        process = it.start('receive', '--floor', '0', env={
            'SSH_CONNECTION': '10.0.40.7 40022 10.0.40.2 22', 'SSH_ORIGINAL_COMMAND': 'cat > a/b'})
        process.stdin.write(CONTENT[:100000])
        process.stdin.flush()
        it.wait_hidden(60000)
        assert locked_in(process.pid)
        process.communicate(CONTENT[100000:])
        assert process.returncode == 0 and len(it.rows()) == 2


def tls_caged():
    """with TLS it is in the cage before the sender has said a word"""
    with Listener(tls=CERTIFICATES) as it:
        with it.connect():
            it.wait_log('connected')
            end = time.monotonic() + 30
            while True:
                child, = children_of(it.process.pid)
                if locked_in(child):
                    break
                assert time.monotonic() < end
                time.sleep(0.02)


def addresses():
    """without TLS only loopback, or a private address when that is meant; what is wrong is said"""
    with Streams() as it:
        def refuse(said, *words):
            _, err = it.run('receive', *words, code=2)
            assert said in err, (words, err)
        refuse('can be reached from anywhere', '--listen', '0.0.0.0:1069')
        refuse('can be reached from anywhere', '--listen', '0.0.0.0:1069', '--plain')
        refuse('can be reached from anywhere', '--listen', '[::]:1069', '--plain')
        refuse('can be reached from anywhere', '--listen', '192.0.2.1:1069', '--plain')
        refuse('can be reached from anywhere', '--listen', '172.32.0.1:1069', '--plain')
        refuse('if that is meant, say --plain', '--listen', '10.0.40.2:1069')
        refuse('if that is meant, say --plain', '--listen', '[fd00::2]:1069')
        for address in ('10.99.99.99:1069', '172.31.255.1:1069', '192.168.99.99:1069'):
            refuse('Cannot assign requested address', '--listen', address, '--plain')
        for bad in ('', ':1', '1069', '127.0.0.1', '127.0.0.1:0', '127.0.0.1:65536', 'host:1069',
                    '[::1:1069', '::1:1069', '127.0.0.1:x', 'x' * 100 + ':1'):
            refuse('is not an address and a port', '--listen', bad)
        refuse('TLS takes', '--listen', '127.0.0.1:1069', '--tls-key', 'x')
        refuse('--plain is for', '--listen', '127.0.0.1:1069', '--tls-key', 'x', '--plain')
        refuse('are for --listen', '--plain')
        refuse('is not a number from', '--senders', '257')
        refuse('is not a time from', '--idle', '99ms')
        refuse('is not a size', '--dump-bytes', '0')
        with socket.socket() as taken:
            taken.bind(('127.0.0.1', 0))
            taken.listen()
            refuse('Address already in use', '--listen', '127.0.0.1:%d' % taken.getsockname()[1])


# ---- TLS ----

def openssl(*words):
    subprocess.run(['openssl', *words], check=True, capture_output=True)


def make_certificates(to):
    """Two authorities; a server, a client of each, and a client whose time is over."""
    for ca in ('ca', 'other'):
        openssl('req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes',
                '-keyout', '%s/%s.key' % (to, ca), '-out', '%s/%s.pem' % (to, ca),
                '-subj', '/CN=' + ca, '-days', '30')
    for name, ca, cn, days in (('server', 'ca', 'dumps', '30'), ('node7', 'ca', 'node7.example',
                                                                 '30'),
                               ('stranger', 'other', 'node7.example', '30'),
                               ('old', 'ca', 'old.example', '-1')):
        openssl('req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout',
                '%s/%s.key' % (to, name), '-out', '%s/%s.csr' % (to, name),
                '-subj', '/O=Dumps/CN=' + cn)
        openssl('x509', '-req', '-in', '%s/%s.csr' % (to, name), '-CA', '%s/%s.pem' % (to, ca),
                '-CAkey', '%s/%s.key' % (to, ca),
                '-CAcreateserial', '-out', '%s/%s.pem' % (to, name), '-days', days)


CERTIFICATES = tempfile.mkdtemp(prefix='panicd-tls-')


def dial(it, who, version=None):
    context = ssl.create_default_context(cafile=CERTIFICATES + '/ca.pem')
    context.check_hostname = False
    if version:
        context.maximum_version = version
    if who:
        context.load_cert_chain('%s/%s.pem' % (CERTIFICATES, who), '%s/%s.key' % (CERTIFICATES,
                                                                                  who))
    return context.wrap_socket(it.connect(), suppress_ragged_eofs=False)


def tls():
    """over TLS, by TLS 1.2 and 1.3, a sender is known by its certificate, and hears of its dump"""
    with Listener(tls=CERTIFICATES) as it:
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            s = dial(it, 'node7', version)
            s.sendall(CONTENT)
            plain_socket = s.unwrap()  # close_notify, both ways
            plain_socket.close()
        it.wait_log('(?s)received id=1.*received id=2')
        rows = it.rows()
        assert [r['peer'] for r in rows] == ['node7.example'] * 2, rows
        assert [r['protocol'] for r in rows] == ['tls'] * 2, rows
        assert re.fullmatch(r'node7-example-\d{8}-\d{6}', rows[0]['name']), rows
        assert it.read(rows[0]['file']) == CONTENT == it.read(rows[1]['file'])


def tls_tools():
    """openssl s_client and socat are senders, too"""
    with Listener(tls=CERTIFICATES) as it:
        who = ['%s/node7.pem' % CERTIFICATES, '%s/node7.key' % CERTIFICATES]
        subprocess.run(['openssl', 's_client', '-quiet', '-no_ign_eof', '-verify_return_error',
                        '-CAfile',
                        CERTIFICATES + '/ca.pem', '-cert', who[0], '-key', who[1], '-connect',
                        '127.0.0.1:%d' % it.port], input=CONTENT, capture_output=True, timeout=60,
                       check=True)
        it.wait_log('received id=1')
        assert it.read(it.rows()[0]['file']) == CONTENT
        socat = os.environ.get('PND_SOCAT') or shutil.which('socat')
        if socat:
            subprocess.run([socat, '-t', '10', '-',
                            'OPENSSL:127.0.0.1:%d,verify=1,commonname=dumps,cafile=%s/ca.pem,'
                            'cert=%s,key=%s' % (it.port, CERTIFICATES, *who)], input=CONTENT,
                           capture_output=True, timeout=60, check=True)
            it.wait_log('received id=2')
            assert it.read(it.rows()[1]['file']) == CONTENT
    return None


def tls_truncated():
    """an end without close_notify is no end: the dump is incomplete, though nothing else says so"""
    with Listener(tls=CERTIFICATES) as it:
        s = dial(it, 'node7')
        s.sendall(b'plain data that promises nothing\n' * 1000)
        socket.socket(fileno=os.dup(s.fileno())).shutdown(socket.SHUT_WR)
        it.wait_log('incomplete id=1 .*before its sender had said that this is all')
        row, = it.rows()
        assert row['state'] == 'incomplete' and row['bytes'] == 33000, row
        s.close()


def tls_strangers():
    """no certificate, another authority's, one whose time is over, no TLS: no dump, and a reason"""
    with Listener(tls=CERTIFICATES) as it:
        for who in (None, 'stranger', 'old'):
            try:
                s = dial(it, who)
                s.sendall(CONTENT)
                s.recv(100)
                raise RuntimeError('was let in')
            except (ssl.SSLError, ConnectionError):
                pass
        with it.connect() as s:
            s.sendall(CONTENT)
            try:
                s.recv(100)
            except ConnectionError:
                pass
        it.wait_log(r'(?s)(refused peer=127.0.0.1 .*){4}')
        assert it.rows() == [] and not it.hidden(), it.rows()


def tls_hung():
    """who hangs in TLS's handshake goes, and others are not kept waiting for long"""
    with Listener('--idle', '500ms', '--senders', '1', tls=CERTIFICATES) as it:
        with it.connect():
            it.wait_log('connected')
            s = dial(it, 'node7')  # waits for the place
            s.sendall(CONTENT)
            s.unwrap().close()
        it.wait_log('refused peer=127.0.0.1 why="TLS: it fell silent"')
        it.wait_log('received id=1')
        start = time.monotonic()
        with it.connect() as slow:  # a byte now and then is no handshake, either
            slow.settimeout(20)
            try:
                for byte in b'\x16\x03\x01\x3f\xff\x01\x00\x3f\xfb' + b'\x03' * 100:
                    slow.sendall(bytes([byte]))
                    time.sleep(0.3)
            except ConnectionError:
                pass
        assert 5 < time.monotonic() - start < 20


def tls_files():
    """certificates that cannot be used are named before anybody comes"""
    with Streams() as it:
        def refuse(said, certificate, key, clients):
            _, err = it.run('receive', '--listen', '127.0.0.1:1069', '--tls-certificate',
                            certificate,
                            '--tls-key', key, '--clients', clients, code=2)
            assert said in err, err
        c = CERTIFICATES
        refuse('use the certificate /nowhere', '/nowhere', c + '/server.key', c + '/ca.pem')
        refuse('use the key ', c + '/server.pem', c + '/node7.key', c + '/ca.pem')
        refuse('read who signs', c + '/server.pem', c + '/server.key', c + '/server.key')


# ---- settings, status, doctor ----

def found(it, env=None):
    """What doctor says of streams: [(result, text, fix)]."""
    done = subprocess.run(it.command('--json', 'doctor'), capture_output=True, check=False,
                          env={**os.environ, **(env or {})})
    return [(c['result'], c['text'], c['fix'] or '') for c in json.loads(done.stdout)['checks']
            if c['check'] == 'stream']


def streams(it):
    """@return what status says of them, as JSON and as text"""
    out, _ = it.run('--json', 'status', code=1)
    return json.loads(out)['streams'], it.run('status', code=1)[0]


def told_of():
    """status and doctor tell who listens, and who was killed"""
    with Listener('--senders', '3') as it:
        one, text = streams(it)
        address = '127.0.0.1:%d' % it.port
        assert one == [{'address': address, 'listening': True, 'tls': False, 'senders': 3,
                        'pid': it.process.pid}], one
        assert 'streams    %s (TCP, plain), process %d\n' % (address, it.process.pid) in text, text
        (result, said, _), = found(it)
        assert result == 'ok' and address + ' without TLS' in said and '3 at a time' in said, said
        assert it.send(CONTENT) == 'dump 1\n' and found(it)[0][0] == 'ok'
        it.process.kill()
        it.process.wait()
        one, text = streams(it)
        assert not one[0]['listening'] and 'which was killed' in text, text
        (result, said, fix), = found(it)
        assert result == 'fail' and 'was killed' in said, said
        assert 'rm %s/.panicd/stream-%d' % (os.path.realpath(it.directory), it.port) in fix, fix
        it.options[3:] = ['0']
        again = subprocess.Popen(it.command('receive', *it.options), stdin=subprocess.DEVNULL,
                                 stderr=subprocess.DEVNULL)
        try:
            end = time.monotonic() + 30
            while not streams(it)[0][0]['listening']:
                assert time.monotonic() < end
                time.sleep(0.02)
        finally:
            again.terminate()
            again.wait(30)
        assert streams(it)[0] == [] and found(it) == []
        state = it.directory + '/.panicd/stream-'
        for n, content in enumerate((b'', b'{', b'[]', b'{"address": 1}', b'x' * 40000, b'\0')):
            with open(state + str(n), 'wb') as f:
                f.write(content)
        os.symlink('/etc/passwd', state + '98')
        os.mkfifo(state + '99')
        assert streams(it)[0] == [] and found(it) == []


def conf(directory, text):
    path = directory + '/panicd.conf'
    with open(path, 'w') as f:
        f.write(text)
    return path


def settings():
    """panicd.conf says where, with which certificates and limits; options win; errors are named"""
    with Streams() as it, tempfile.TemporaryDirectory(prefix='panicd-conf-') as etc:
        shutil.copytree(CERTIFICATES, etc + '/stream')
        os.rename(etc + '/stream/ca.pem', etc + '/stream/clients.pem')

        def refuse(said, text, *words):
            _, err = it.run('receive', '--config', conf(etc, text), *words, code=2)
            assert said in err, (text, err)
        refuse('[stream] has no key "listne"; it has: listen plain', '[stream]\nlistne = x\n')
        refuse('[stream] senders = "257": too large', '[stream]\nsenders = 257\n')
        refuse('[stream] idle = "1ms": too small', '[stream]\nidle = 1ms\n')
        refuse('unknown section [streams]', '[streams]\n')
        refuse('is not an address and a port', '[stream]\nlisten = here\n')
        refuse('use the certificate %s/elsewhere' % etc, '[stream]\ncertificate = elsewhere\n')
        refuse('use the certificate /nowhere', '[stream]\ncertificate = /nowhere\n')
        refuse('can be reached from anywhere', '[stream]\nplain = yes\n')
        _, err = it.run('receive', '--config', etc + '/none.conf', code=2)
        assert 'No such file' in err, err
        with open(os.path.join(os.path.dirname(__file__), '../../data/panicd.conf'),
                  encoding='utf-8') as f:   # every section that panicd has
            refuse('use the certificate', f.read(), '--tls-certificate', '/nowhere')
        # What is panicd's is none of this program's business, and the other way round.
        text = ('[receive]\nslots = 16\n[policy]\nallow = 10.0.0.0/8\nfloor = 0\n'
                'dump-bytes = 1000\n[time]\nidle = 90s\n[stream]\nlisten = 127.0.0.1:%d\n'
                'senders = 2\n' % free_port())
        with listening(it, '--config', conf(etc, text)) as (port, _):
            one = streams(it)[0][0]
            assert one['tls'] and one['senders'] == 2, one
            it.port = port
            it.connect = lambda: socket.create_connection(('127.0.0.1', port), timeout=30)
            s = dial(it, 'node7')
            s.sendall(CONTENT[:2000])   # all of it is read: what is not would break the connection
            assert s.recv(100).startswith(b'dump 1 incomplete'), it.rows()
            s.close()
            row, = it.rows()
            assert 'more than 1000 bytes' in row['reason'] and row['peer'] == 'node7.example', row
        with listening(it, '--config', conf(etc, text), '--plain', '--senders', '1'):
            one = streams(it)[0][0]
            assert not one['tls'] and one['senders'] == 1, one
        with Panicd(config=text) as server:
            assert server.rows() == []


@contextlib.contextmanager
def listening(it, *words):
    """A listener that has no options but these. Gives its port, and its process."""
    with open(it.directory + '.stream.log', 'w+', encoding='utf-8') as log:
        process = subprocess.Popen(it.command('receive', *words), stdin=subprocess.DEVNULL,
                                   stderr=log)
        try:
            end = time.monotonic() + 30
            while True:
                log.seek(0)
                ready = re.search(r'listening.*address=\S*:(\d+)', log.read())
                if ready:
                    break
                assert process.poll() is None and time.monotonic() < end
                time.sleep(0.01)
            yield int(ready[1]), process
        finally:
            process.terminate()
            process.wait(30)
            os.unlink(log.name)


def expiry():
    """doctor names certificates that have expired, or will, and a key that anybody may read"""
    with tempfile.TemporaryDirectory(prefix='panicd-tls-') as place:
        at = place + '/tls'
        shutil.copytree(CERTIFICATES, at)
        with Listener(tls=at) as it:
            def says(result, text, fix=''):
                results = found(it)
                assert any(r == result and text in said and fix in how
                           for r, said, how in results), results
                assert all(r != 'ok' for r, _, _ in results), results
            def renew(name, days, ca=False):
                words = ['x509', '-req', '-in', at + '/server.csr', '-days', str(days),
                         '-CAcreateserial']
                if ca:
                    words = ['x509', '-signkey', at + '/ca.key', '-in', at + '/ca.pem', '-days',
                             str(days)]
                else:
                    words += ['-CA', at + '/ca.pem', '-CAkey', at + '/ca.key']
                openssl(*words, '-out', '%s/%s.new' % (at, name))
                os.rename('%s/%s.new' % (at, name), '%s/%s.pem' % (at, name))
            says('warn', 'server.pem expires on ')   # 30 days are made, and some seconds have gone
            says('warn', 'ca.pem expires on ')
            renew('server', 400)
            renew('ca', 400, ca=True)
            (result, said, _), = found(it)
            assert result == 'ok' and 'with TLS' in said, said
            renew('server', -1)
            says('fail', 'server.pem has expired on ', 'replace it')
            renew('server', 400)
            renew('ca', -1, ca=True)
            says('fail', 'ca.pem has expired on ')
            renew('ca', 400, ca=True)
            os.chmod(at + '/server.key', 0o644)
            says('warn', 'server.key may be read by anybody', 'chmod o-rwx ')
            os.chmod(at + '/server.key', 0o600)
            with open(at + '/server.pem', 'w', encoding='utf-8') as f:
                f.write('nothing')
            says('fail', 'server.pem has no certificate in it')
            os.unlink(at + '/server.pem')
            says('fail', 'server.pem: No such file')
            os.unlink(at + '/server.key')
            says('fail', 'server.key: No such file')


def unit():
    """doctor asks systemd only when nobody listens, and only of the unit for this directory"""
    with Listener() as it, tempfile.TemporaryDirectory(prefix='panicd-bin-') as place:
        def systemctl(active, enabled='enabled', directory=None):
            with open(place + '/systemctl', 'w', encoding='utf-8') as f:
                f.write('#!/bin/sh\ncat <<END\nExecStart={ path=/usr/bin/panicctl ; '
                        'argv[]=/usr/bin/panicctl --directory %s receive ; }\nActiveState=%s\n'
                        'UnitFileState=%s\nEND\n' % (directory or os.path.realpath(it.directory),
                                                      active, enabled))
            os.chmod(place + '/systemctl', 0o755)
            return found(it, {'PATH': place + ':' + os.environ['PATH']})
        assert systemctl('failed')[0][0] == 'ok'   # somebody does listen
        it.process.terminate()
        it.process.wait(30)
        (result, said, fix), = systemctl('failed')
        assert result == 'fail' and 'does not run' in said and 'systemctl status' in fix, said
        assert systemctl('active') == [] and systemctl('failed', 'disabled') == []
        assert systemctl('failed', directory='/elsewhere') == []


if __name__ == '__main__':
    tap = Tap()
    for test in (plain, beside_a_server, those_who_go, too_many, told_to_end, killed, caged,
                 addresses, told_of, unit):
        tap.run(test)
    try:
        make_certificates(CERTIFICATES)
        for test in (tls, tls_caged, tls_tools, tls_truncated, tls_strangers, tls_hung, tls_files,
                     settings, expiry):
            tap.run(test)
    finally:
        shutil.rmtree(CERTIFICATES)
    sys.exit(tap.done())
