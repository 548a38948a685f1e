#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""panicweb over HTTP: every route, who may what, and what it does with requests that nobody means
well."""
import base64
import contextlib
import crypt
import gzip
import hashlib
import io
import json
import os
import shutil
import signal
import socket
import sqlite3
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import zipfile

import symbolic
from panicweb import PANICWEB, Events, Panicweb

from kdp import Panicd, Sender, Tap  # noqa: E402  (panicweb.py says where it is)

CONTENT = bytes(range(256)) * 4096  # 1 MiB that no compressor makes nothing of
LOG = (b'panic(cpu 2 caller 0xffffff8000c0ffee): "a <b>panic</b> & \x1b[31mred"@/x.c:1\n'
       b'Backtrace (CPU 2), Frame : Return Address\n'
       b'0xffffff81a1b2c3d0 : 0xffffff8000345678 \n'
       b'Mac OS version:\n21A559\n\nKernel version:\nDarwin Kernel Version 21.1.0: x\n')
HOSTILE = 'x"><script>alert(1)</script>\r\nSet-Cookie: a=b\x1b[31m\u202e'
SECRET, TOKEN = 'correct horse', 'a-token-that-is-long-enough'
METRICS_TOKEN, VIEW_TOKEN = 'metrics-only-token-1234', 'view-only-token-1234567'


def send(panicd, name, content, host='127.0.0.1'):
    sender = Sender(panicd.port, bind=(host, 0))
    sender.dump(name, content)
    sender.close()


def basic(name, password):
    return {'Authorization': 'Basic ' + base64.b64encode(('%s:%s' % (name, password)).encode()).decode()}


def bearer(token):
    return {'Authorization': 'Bearer ' + token}


def refused(*args):
    """It does not start. @return what it said"""
    own = Panicweb(*args, wait=False)
    try:
        assert own.process.wait(timeout=30) == 2, args
        return own.said()
    finally:
        if own.process.poll() is None:
            own.stop()


@contextlib.contextmanager
def another(contents):
    """A directory of its own, with these dumps in it: {name: content}."""
    panicd = Panicd().start()
    try:
        for name, content in contents.items():
            send(panicd, name, content)
        panicd.settled(len(contents))
        yield panicd
    finally:
        panicd.remove()


def at_once(act, count):
    """What act() returns to each of as many."""
    got = []
    threads = [threading.Thread(target=lambda: got.append(act())) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return got


def main():
    tap = Tap()
    panicd = Panicd().start()
    send(panicd, 'core-one', CONTENT)
    send(panicd, 'log-two', LOG, '127.0.0.2')
    panicd.settled(2)
    web = Panicweb(panicd.directory)
    try:
        run(tap, panicd, web)
    finally:
        if web.process.poll() is None:
            web.stop()
        panicd.remove()
    sys.exit(tap.done())


def run(tap, panicd, web):
    def answers_every_route():
        """every route answers, and says of itself what a browser may do with it"""
        for path, kind in (('/', 'text/html'), ('/panics', 'text/html'), ('/setup', 'text/html'),
                           ('/dumps/1', 'text/html'), ('/api/now', 'application/json'),
                           ('/api/dumps', 'application/json'), ('/api/groups', 'application/json'),
                           ('/api/timeline', 'application/json'),
                           ('/api/dumps/1', 'application/json'),
                           ('/api/dumps/2/log', 'text/plain'),
                           ('/dumps/1/file', 'application/octet-stream'),
                           ('/dumps/1/zip', 'application/zip')):
            for method in ('GET', 'HEAD'):
                status, headers, body = web.get(path, method)
                assert status == 200, (method, path, status, body[:200])
                assert headers['content-type'].startswith(kind), (path, headers)
                assert "default-src 'none'" in headers['content-security-policy'], path
                assert 'unsafe-inline' not in headers['content-security-policy'], path
                assert headers['x-content-type-options'] == 'nosniff', path
                assert headers['referrer-policy'] == 'no-referrer', path
                assert headers['cross-origin-resource-policy'] == 'same-origin', path
                assert method == 'GET' or not body, path
                if path.startswith('/api'):
                    assert headers['cache-control'] == 'no-store', path

    def says_what_panicctl_says():
        """lists, groups and one dump have the fields of panicctl"""
        rows = web.json('/api/dumps')
        assert [r['id'] for r in rows['dumps']] == [2, 1] and rows['total'] == 2, rows
        assert rows['next'] is None
        mine = {r['id']: r for r in panicd.rows()}
        for row in rows['dumps']:
            assert row == mine[row['id']], (row, mine[row['id']])
        page = web.json('/api/dumps?limit=1')
        assert [r['id'] for r in page['dumps']] == [2] and page['next'] == 2, page
        page = web.json('/api/dumps?limit=1&before=2')
        assert [r['id'] for r in page['dumps']] == [1] and page['next'] is None, page
        one = web.json('/api/dumps/1')
        assert one['sha256'] == hashlib.sha256(CONTENT).hexdigest()
        assert one['commands']['pack'] == 'panicctl pack 1' and one['may_download'] is True
        now = web.json('/api/now')
        assert now['server']['pid'] == panicd.process.pid and now['dumps'] == 2
        assert [r['id'] for r in now['latest']] == [2, 1] and now['problems'] == [], now
        group = web.json('/api/groups?days=7')['groups'][0]
        assert group['count'] == 1 and len(group['spark']) == 7 and sum(group['spark']) == 1, group
        assert group['machine_names'] == ['127.0.0.2'], group
        line = web.json('/api/timeline')
        assert {p[2] for p in line['points']} == {1, 2} and not line['cut'], line
        log = web.get('/api/dumps/2/log')[2]
        assert b'a <b>panic</b>' in log and b'\x1b' not in log, log

    def filters():
        """filters by machine, system, text, group and state, and says which questions are none"""
        def ids(query):
            return [r['id'] for r in web.json('/api/dumps?' + query)['dumps']]
        group = web.json('/api/dumps')['dumps'][0]['group']
        assert ids('machine=127.0.0.2') == [2]
        assert ids('text=CORE-ON') == [1] and ids('text=%25') == [] and ids('text=_') == []
        assert ids('group=' + group) == [2] and ids('state=incomplete') == []
        assert ids('os=macos') in ([2], []) and ids('text=nothing%20at%20all') == []
        assert [p[2] for p in web.json('/api/timeline?machine=127.0.0.1')['points']] == [1]
        for bad in ('limit=0', 'limit=501', 'limit=x', 'limit=1e2', 'before=-1', 'before=99999999999999999999',
                    'state=odd', 'text=%ff%fe', 'text=a%00b', 'text=' + 300 * 'a', 'machine=' + 300 * 'm'):
            status, _, body = web.get('/api/dumps?' + bad)
            assert status == 400 and json.loads(body)['error'], (bad, status, body)

    def only_reads():
        """answers GET and HEAD, and nothing else"""
        for method in ('POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'TRACE', 'BREW'):
            status, headers, _ = web.get('/api/now', method)
            assert status == 405 and headers['allow'] == 'GET, HEAD', (method, status)

    def traversal():
        """no path leads out of the page"""
        paths = ['/../../etc/passwd', '/..%2f..%2fetc/passwd', '/%2e%2e/%2e%2e/etc/passwd',
                 '/assets/../index.html', '/assets/%2e%2e/%2e%2e/etc/passwd', '//etc/passwd',
                 '/..%5c..%5cetc', '/%252e%252e%252f', '/assets/..%00/index.html', '/index.html%00.js',
                 '/dumps/../../etc/passwd', '/dumps/1/../2/file', '/dumps/%2e%2e/file', '/dumps/01/file',
                 '/dumps/1%2ffile', '/dumps/0/file', '/dumps/-1/file', '/dumps/1e0/file',
                 '/dumps/0x1/file', '/dumps/latest/file', '/dumps/core-one/file',
                 '/dumps/9223372036854775808/file', '/dumps/99999999999999999999/file',
                 '/dumps/.panicd/catalog.db', '/.panicd/catalog.db', '/api/dumps/1/', '/api/dumps//1',
                 '/proc/self/environ', 'http://evil/etc/passwd']
        for path in paths:
            answer = web.raw(('GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' % path).encode())
            code = answer.split(b' ')[1] if answer else b'400'
            body = answer.partition(b'\r\n\r\n')[2]
            assert b'root:' not in body and b'SQLite' not in body, path
            fine = path in ('/dumps/1%2ffile', '/index.html%00.js')  # decoded: the file, the page
            assert fine or (code in (b'404', b'400') and CONTENT[:64] not in body), (path, answer[:200])

    def injection():
        """nothing of a request becomes a header of the answer"""
        for path in ('/%0d%0aSet-Cookie:%20a=b', '/dumps/1/file%0d%0aX-Evil:%201',
                     '/api/dumps?text=%0d%0aX-Evil:%201', '/api/dumps?limit=%0d%0aX-Evil:%201'):
            answer = web.raw(('GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' % path).encode())
            head = answer.partition(b'\r\n\r\n')[0].lower()
            assert b'x-evil' not in head and b'set-cookie' not in head, (path, head)

    def oversized():
        """requests that are too long are refused, and cost nobody else anything"""
        for data in (b'GET /' + 200000 * b'a' + b' HTTP/1.1\r\nHost: localhost\r\n\r\n',
                     b'GET / HTTP/1.1\r\nHost: localhost\r\nX: ' + 200000 * b'a' + b'\r\n\r\n',
                     b'GET / HTTP/1.1\r\nHost: localhost\r\n' + 20000 * b'A: b\r\n' + b'\r\n',
                     b'GET /?' + 60000 * b'a&' + b' HTTP/1.1\r\nHost: localhost\r\n\r\n',
                     20000 * b'\x00', b'\r\n' * 20000, b'GET / HTTP/9.9\r\n\r\n', b'GET\r\n\r\n'):
            answer = web.raw(data)
            assert not answer.startswith(b'HTTP/1.1 200'), answer[:100]
            assert web.json('/api/now')['dumps'] == 2

    def slow():
        """who sends byte by byte is shut out, and keeps nobody waiting meanwhile"""
        start = time.monotonic()
        slow = [socket.create_connection((web.host, web.port)) for _ in range(200)]
        for s in slow:
            s.sendall(b'GET / HTTP/1.1\r\nHost: localhost\r\n')
        worst = 0
        gone = 0
        while gone < len(slow) and time.monotonic() < start + 60:
            for s in slow:
                try:
                    s.send(b'X-A: b\r\n')
                except OSError:
                    pass
            before = time.monotonic()
            assert web.get('/api/now')[0] == 200
            worst = max(worst, time.monotonic() - before)
            time.sleep(0.5)
            gone = 0
            for s in slow:
                s.setblocking(False)
                try:
                    gone += s.recv(1000, socket.MSG_PEEK) == b''
                except BlockingIOError:
                    pass
                except OSError:
                    gone += 1
        for s in slow:
            s.close()
        assert gone == 200, '%d of 200 were shut out' % gone
        assert 10 < time.monotonic() - start, 'too early'
        assert worst < 5, 'somebody else waited for %.1f s' % worst
        print('# 200 slow ones: the slowest answer to others took %.0f ms' % (worst * 1000))

    def hosts():
        """a page of another name that points here is not answered"""
        for host, code in (('localhost', 200), ('LOCALHOST:%d' % web.port, 200), ('127.0.0.1', 200),
                           ('[::1]:80', 200), ('evil.example', 421), ('localhost.evil.example', 421),
                           ('127.0.0.1.evil.example', 421), ('localhost:x', 421), ('', 421),
                           ('evil.example:1070', 421), ('[::1', 421), ('localhost@evil', 421)):
            assert web.get('/api/now', headers={'host': host})[0] == code, host

    def ranges():
        """ranges are those of RFC 9110"""
        size = len(CONTENT)
        for spec, want in (('bytes=0-3', (0, 4)), ('bytes=4-4', (4, 5)), ('bytes=0-', (0, size)),
                           ('bytes=%d-' % (size - 1), (size - 1, size)), ('bytes=-5', (size - 5, size)),
                           ('bytes=-%d' % (size + 9), (0, size)), ('bytes=10-%d' % (10 * size), (10, size)),
                           ('bytes=0-18446744073709551616', (0, size)), ('BYTES=0-3', (0, 4)),
                           ('bytes=%d-' % size, 416), ('bytes=%d-%d' % (size, size + 1), 416), ('bytes=-0', 416),
                           ('bytes=99999999999999999999-', 416),
                           ('bytes=3-0', 200), ('bytes=', 200), ('bytes=-', 200), ('bytes=a-b', 200),
                           ('bytes=0-3,5-6', 200), ('items=0-3', 200), ('bytes 0-3', 200), ('bytes=0x0-3', 200)):
            status, headers, body = web.get('/dumps/1/file', headers={'Range': spec})
            if want == 416:
                assert status == 416 and headers['content-range'] == 'bytes */%d' % size, (spec, status)
            elif want == 200:
                assert status == 200 and body == CONTENT, (spec, status)
            else:
                assert status == 206 and body == CONTENT[want[0]:want[1]], (spec, status, len(body))
                assert headers['content-range'] == 'bytes %d-%d/%d' % (want[0], want[1] - 1, size), spec
        assert web.get('/dumps/1/file', 'HEAD')[1]['content-length'] == str(size)

    def conditions():
        """an unchanged file is not sent twice, and a part only of the same file"""
        _, headers, _ = web.get('/dumps/1/file')
        etag = headers['etag']
        assert etag == '"%s"' % hashlib.sha256(CONTENT).hexdigest()
        assert 'filename="core-one"' in headers['content-disposition']
        for name, value, code in (('If-None-Match', etag, 304), ('If-None-Match', 'W/' + etag, 304),
                                  ('If-None-Match', '"x", ' + etag, 304), ('If-None-Match', '*', 304),
                                  ('If-None-Match', '"x"', 200), ('If-None-Match', 'x' + etag, 200),
                                  ('If-Match', etag, 200), ('If-Match', '"x"', 412),
                                  ('If-Match', 'W/' + etag, 412)):
            assert web.get('/dumps/1/file', headers={name: value})[0] == code, (name, value)
        part = {'Range': 'bytes=0-3'}
        assert web.get('/dumps/1/file', headers={**part, 'If-Range': etag})[0] == 206
        for other in ('"x"', 'W/' + etag, 'Mon, 23 Nov 2026 00:00:00 GMT'):
            assert web.get('/dumps/1/file', headers={**part, 'If-Range': other})[0] == 200, other
        status, headers, body = web.get('/', headers={'Accept-Encoding': 'gzip'})
        assert headers['content-encoding'] == 'gzip' and gzip.decompress(body) == web.get('/')[2]
        assert web.get('/', headers={'If-None-Match': headers['etag']})[0] == 304
        assert 'content-encoding' not in web.get('/', headers={'Accept-Encoding': 'gzip;q=0'})[1]

    def zips():
        """a zip is what panicctl pack makes, and its process goes with who wanted it"""
        status, headers, body = web.get('/dumps/1/zip', timeout=120)
        assert status == 200 and 'dump-1.zip' in headers['content-disposition']
        with zipfile.ZipFile(io.BytesIO(body)) as packed:
            assert packed.testzip() is None
            assert packed.read('core-one') == CONTENT and 'MANIFEST.txt' in packed.namelist()
        assert web.get('/dumps/77/zip')[0] == 404
        os.rename(panicd.directory + '/core-one', panicd.directory + '/aside')
        try:  # it ends, and not as if it were whole
            web.get('/dumps/1/zip', timeout=60)
        except Exception as e:  # pylint: disable=broad-except
            assert 'IncompleteRead' in type(e).__name__ or isinstance(e, ConnectionError), e
        else:
            raise AssertionError('a zip of nothing looked whole')
        finally:
            os.rename(panicd.directory + '/aside', panicd.directory + '/core-one')
        assert web.get('/dumps/1/zip', timeout=120)[0] == 200

    def caged():
        """all of its threads are locked in"""
        if subprocess.run(['grep', '-q', 'asan', PANICWEB], check=False).returncode == 0:
            return 'a sanitizer wants to look around'
        for thread in web.threads():
            assert web.status('Seccomp', thread) == '2' and web.status('NoNewPrivs', thread) == '1', thread
        return None

    for test in (answers_every_route, says_what_panicctl_says, filters, only_reads, traversal,
                 injection, oversized, hosts, ranges, conditions, zips, caged, slow):
        tap.run(test)
    run_alone(tap, panicd, web)


def run_alone(tap, panicd, web):
    """Those that want a panicweb of their own, or change what is there."""
    def who_may():
        """passwords and tokens, and who may only look"""
        with tempfile.TemporaryDirectory() as folder:
            passwords, tokens = folder + '/passwords', folder + '/tokens'
            with open(passwords, 'w') as f:
                f.write('# people\nann:%s\nbob:%s:view\n' % (crypt.crypt(SECRET, crypt.METHOD_SHA512),
                                                             crypt.crypt(SECRET, crypt.METHOD_SHA512)))
            with open(tokens, 'w') as f:
                f.write('%s\n%s:view\n%s:metrics\n' % (TOKEN, VIEW_TOKEN, METRICS_TOKEN))
            with Panicweb(panicd.directory, '--password-file', passwords, '--token-file', tokens) as own:
                for headers, see, load in ((None, 401, 401), (basic('ann', SECRET), 200, 200),
                                           (basic('bob', SECRET), 200, 403), (bearer(TOKEN), 200, 200),
                                           (bearer(VIEW_TOKEN), 200, 403), (bearer(METRICS_TOKEN), 403, 403),
                                           (basic('ann', 'wrong'), 401, 401), (basic('eve', SECRET), 401, 401),
                                           ({'Authorization': 'Basic !!!'}, 401, 401)):
                    for path in ('/', '/api/now', '/api/dumps', '/api/dumps/1', '/api/dumps/2/log'):
                        if see == 401 and path != '/' and headers:
                            continue  # each wrong one counts
                        assert own.get(path, headers=headers)[0] == see, (headers, path)
                    for path in ('/dumps/1/file', '/dumps/1/zip'):
                        if see == 401 and headers:
                            continue
                        assert own.get(path, 'HEAD', headers=headers)[0] == load, (headers, path)
                assert own.json('/api/now', headers=bearer(VIEW_TOKEN))['may_download'] is False
                assert own.json('/api/now', headers=bearer(TOKEN))['may_download'] is True
                codes = [own.get('/', headers=basic('ann', 'guess %d' % i))[0] for i in range(14)]
                assert codes[-1] == 429 and 200 not in codes, codes
                assert own.get('/', headers=basic('ann', SECRET))[0] == 200, 'who is known stays'

    def bad_files():
        """files that say nothing are refused with the line, and others are not let in by chance"""
        with tempfile.TemporaryDirectory() as folder:
            for text in ('ann\n', 'ann:\n', ':x\n', 'ann:plain\n', 'ann:%s:all\n' % crypt.crypt('x'), 'short\n'):
                path = folder + '/file'
                with open(path, 'w') as f:
                    f.write(text)
                option = '--token-file' if text == 'short\n' else '--password-file'
                assert 'line 1' in refused(panicd.directory, option, path), text
            assert '--password-file' in refused(panicd.directory, '--address', '0.0.0.0')
            assert 'panicd' in refused(folder + '/nothing')
            assert 'is taken' in refused(panicd.directory, '--port', str(web.port))

    def tls():
        """HTTPS with a certificate that is given"""
        if not shutil.which('openssl'):
            return 'there is no openssl'
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run(['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256',
                            '-nodes', '-keyout', folder + '/key', '-out', folder + '/cert', '-days', '2',
                            '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'],
                           check=True, capture_output=True)
            with Panicweb(panicd.directory, '--certificate', folder + '/cert', '--key', folder + '/key') as own:
                context = ssl.create_default_context(cafile=folder + '/cert')
                with socket.create_connection((own.host, own.port), timeout=30) as plain, \
                        context.wrap_socket(plain, server_hostname='localhost') as s:
                    s.sendall(b'GET /dumps/1/file HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')
                    answer = b''.join(iter(lambda: s.recv(65536), b''))
                assert answer.startswith(b'HTTP/1.1 200') and answer.endswith(CONTENT[-64:])
            assert refused(panicd.directory, '--certificate', folder + '/key', '--key', folder + '/key')
        return None

    def streams():
        """who looks on hears of a dump from its first packets to the verdict, and of a restart"""
        events = Events(web)
        events.wait('server', lambda data: data['serving'])
        events.wait('status', lambda data: data['pid'] == panicd.process.pid)
        late = Events(web)  # the next one is due in ten seconds, and comes at once
        late.wait('status', lambda data: data['pid'] == panicd.process.pid, timeout=5)
        late.close()
        sender = Sender(panicd.port)
        sender.open('live-three')
        sender.data(CONTENT[:1024])  # before that it may be nothing
        begun = events.wait('begin', lambda data: data['transfer']['name'] == 'live-three')
        assert begun['transfer']['peer'] == '127.0.0.1', begun
        now = web.json('/api/now')
        assert [t['name'] for t in now['transfers']] == ['live-three'], now['transfers']
        arriving = web.json('/api/dumps/%d' % begun['transfer']['id'])
        assert arriving['arriving'] is True and arriving['commands']['pack'] is None
        events.wait('progress')
        sender.eof()
        sender.close()
        events.wait('complete', lambda data: data['dump']['name'] == 'live-three')
        events.wait('checked', lambda data: data['dump']['name'] == 'live-three')
        panicd.stop()
        events.wait('server', lambda data: not data['serving'])
        problem = None
        for _ in range(100):
            problem = web.json('/api/now')['problems']
            if problem:
                break
            time.sleep(0.05)
        assert problem and 'No panicd' in problem[0]['text'] and problem[0]['do'].startswith('panicd '), problem
        assert web.json('/api/now')['server'] is None and len(web.json('/api/dumps')['dumps']) == 3
        events.heard.clear()
        panicd.start()
        events.wait('server', lambda data: data['serving'])
        send(panicd, 'after-four', CONTENT[:3000])
        events.wait('checked', lambda data: data['dump']['name'] == 'after-four')
        for _ in range(100):  # the list has it, too: the catalog was opened anew
            if 'after-four' in [r['name'] for r in web.json('/api/dumps')['dumps']]:
                break
            time.sleep(0.05)
        else:
            raise AssertionError('the list does not know the dump after the restart')
        again = Events(web, {'Last-Event-ID': '7'})
        again.wait('reset')
        assert not events.ended
        events.close()
        again.close()

    def hangs():
        """a server that hangs keeps nobody from what is known of the dumps, also with many who ask"""
        panicd.process.send_signal(signal.SIGSTOP)
        asking = []
        try:
            ended = []

            def ask(path):
                web.json(path)
                ended.append(path)
            now = threading.Thread(target=ask, args=('/api/now?first',))
            now.start()
            time.sleep(0.3)  # it asks the server
            ask('/api/dumps?limit=7')
            now.join()
            assert ended == ['/api/dumps?limit=7', '/api/now?first'], ended
            for _ in range(1000):  # the queue of its control socket is full
                asking.append(socket.socket(socket.AF_UNIX))
                asking[-1].setblocking(False)
                if asking[-1].connect_ex(panicd.directory + '/.panicd/control') != 0:
                    break
            else:
                raise AssertionError('it lets everybody in')
            now = threading.Thread(target=ask, args=('/api/now?second',))
            now.start()
            time.sleep(0.3)
            ask('/api/dumps?limit=8')
            now.join()
            assert ended[2:] == ['/api/dumps?limit=8', '/api/now?second'], ended
            said = web.json('/api/now?third')
            assert said['server'] is None and said['problems'][0]['text'] == 'panicd does not answer', said
        finally:
            for each in asking:
                each.close()
            panicd.process.send_signal(signal.SIGCONT)
        events = Events(web)
        events.wait('status')
        events.close()

    def alone():
        """a page without a server hears so again and again, and so that its connection lives"""
        empty = tempfile.mkdtemp(prefix='panicweb-')
        shutil.copytree(panicd.directory + '/.panicd', empty + '/.panicd', dirs_exist_ok=True,
                        ignore=shutil.ignore_patterns('control'))
        try:
            with Panicweb(empty) as own:
                events = Events(own)
                events.wait('server', lambda data: not data['serving'])
                events.heard.clear()
                events.wait('server', lambda data: not data['serving'])
                events.close()
        finally:
            shutil.rmtree(empty)

    def named():
        """a log has the names of its backtrace where the symbols are, and one run is for all viewers"""
        known = 'web-symbols'
        dumps = {'log-one': symbolic.log(), 'log-other': symbolic.log(symbolic.OTHER), 'core-three': CONTENT,
                 'log-nameless': b''.join(l for l in symbolic.log().splitlines(True) if b'UUID' not in l)}
        with tempfile.TemporaryDirectory() as folder, another(dumps) as own:
            os.mkdir(folder + '/kernels')
            kernel = folder + '/kernels/kernel'
            with open(kernel, 'wb') as f:
                f.write(symbolic.kernel())
            with Panicweb(own.directory, '--symbols', folder + '/kernels') as seen:
                plain = seen.get('/api/dumps/1/log')[2]
                assert symbolic.NAME.encode() not in plain and b'"boo"' in plain
                answers = at_once(lambda: seen.get('/api/dumps/1/log?symbols', timeout=60), 200)
                assert {status for status, _, _ in answers} == {200} and len(answers) == 200
                (text,) = {body for _, _, body in answers}
                assert symbolic.NAME.encode() in text and b'"boo"' in text, text
                assert answers[0][1]['content-type'] == 'text/plain; charset=utf-8'
                assert "default-src 'none'" in answers[0][1]['content-security-policy']
                packed = seen.get('/api/dumps/1/log?symbols', headers={'Accept-Encoding': 'gzip'})
                if packed[1].get('content-encoding') == 'gzip':
                    packed = (packed[0], packed[1], gzip.decompress(packed[2]))
                assert packed[2] == text
                status, headers, body = seen.get('/api/dumps/1/log?symbols', 'HEAD')
                assert status == 200 and not body and headers['content-length'] == str(len(text))
                assert seen.said().count(known) == 1, seen.said()
                other = seen.get('/api/dumps/2/log')[2]
                assert {body for _, _, body in at_once(lambda: seen.get('/api/dumps/2/log?symbols'), 9)} == {other}
                assert seen.said().count(known) == 2 and 'found=no-symbols' in seen.said()
                assert seen.get('/api/dumps/3/log?symbols')[0] == seen.get('/api/dumps/3/log')[0] == 404
                nameless = seen.get('/api/dumps/4/log')[2]
                assert b'boo' in nameless and seen.get('/api/dumps/4/log?symbols')[2] == nameless
                runs = seen.said().count(known)
                for bad in ('0', '01', '-1', '77', '1%20--force', '1%2f..%2f2', 'latest', 'log-one', '--help',
                            '9223372036854775807', '9223372036854775808', '%2fetc%2fpasswd'):
                    status, _, body = seen.get('/api/dumps/%s/log?symbols' % bad)
                    assert status == 404 and json.loads(body)['error'], (bad, status, body)
                assert seen.get('/api/dumps/1/log?symbols=/etc/passwd&force=1')[2] == text
                assert seen.said().count(known) == runs, seen.said()
            with Panicweb(own.directory, '--symbols', folder) as seen:
                assert symbolic.NAME.encode() in seen.get('/api/dumps/1/log?symbols')[2]
                with open(kernel, 'wb') as f:  # what is known stays; the next one finds a damaged file
                    f.write(symbolic.kernel()[:100])
                assert symbolic.NAME.encode() in seen.get('/api/dumps/1/log?symbols')[2]
                assert seen.get('/api/dumps/2/log?symbols')[2] == other
            with Panicweb(own.directory) as seen:
                assert seen.get('/api/dumps/1/log?symbols')[2] == plain and known not in seen.said()
            assert 'takes a directory' in refused(own.directory, '--symbols', kernel)
            os.remove(kernel)
            os.mkfifo(kernel)  # nobody writes to it
            with Panicweb(own.directory, '--symbols', folder) as seen:
                assert seen.get('/api/dumps/1/log?symbols', timeout=60)[2] == plain
            assert 'nowhere' in refused(own.directory, '--symbols', folder + '/nowhere')

    def named_slowly():
        """nobody waits for symbols longer than they may take, and none who asks for something else"""
        dumps = {'log-%d' % i: symbolic.log(words='boo %d' % i) for i in range(1, 10)}
        with tempfile.TemporaryDirectory() as folder, another(dumps) as own:
            for name in ('panicweb', 'panicctl'):  # it takes the panicctl beside itself: one that hangs
                path = folder + '/' + name
                if name == 'panicweb':
                    shutil.copy(PANICWEB, path)
                else:
                    with open(path, 'w') as f:
                        f.write('#!/bin/sh\necho "$@" >&2\necho begun\nexec sleep 1000\n')
                    os.chmod(path, 0o755)
            with Panicweb(own.directory, '--symbols', folder, program=folder + '/panicweb') as seen:
                waiting = [seen.begin('/api/dumps/1/log?symbols')]
                for _ in range(100):
                    if 'log 1 --symbols ' + folder in seen.said():
                        break
                    time.sleep(0.05)
                else:
                    raise AssertionError(seen.said())
                waiting += [seen.begin('/api/dumps/%d/log?symbols' % i) for i in range(2, 9)]
                time.sleep(0.5)
                status, _, body = seen.get('/api/dumps/9/log?symbols')
                assert status == 503 and b'in a moment' in body, (status, body)
                before = time.monotonic()
                assert b'boo 1' in seen.get('/api/dumps/1/log')[2] and time.monotonic() < before + 5
                waiting.pop().close()  # gone meanwhile
                answer = b''.join(iter(lambda: waiting[0].recv(65536), b''))
                assert answer.startswith(b'HTTP/1.1 200') and b'boo 1' in answer and b'begun' not in answer
                assert 'found=time' in seen.said()
                before = time.monotonic()
                assert seen.stop() == 0 and time.monotonic() < before + 10, 'while some wait'
                for s in waiting:
                    s.close()

    def hostile():
        """names from outside come as JSON, whatever is in them"""
        db = sqlite3.connect(panicd.directory + '/.panicd/catalog.db')
        columns = [c[1] for c in db.execute('PRAGMA table_info(dump)')]
        row = dict(zip(columns, db.execute('SELECT * FROM dump WHERE id = 1').fetchone()))
        row.update(id=5000, file=b'a"b\r\nc\xff', name=HOSTILE.encode() + b'\xff\xfe', reason=HOSTILE,
                   peer=HOSTILE, protocol=HOSTILE[:10])
        db.execute('INSERT INTO dump (%s) VALUES (%s)' % (','.join(row), ','.join('?' * len(row))),
                   list(row.values()))
        for column in ('title', 'os', 'kernel', 'host'):
            db.execute('UPDATE facts SET %s = ?' % column, (HOSTILE,))
        db.execute('UPDATE sighting SET title = ?, machine = ?, kernel = ?', (HOSTILE, HOSTILE, HOSTILE))
        db.commit()
        time.sleep(1.1)
        for path in ('/api/now', '/api/dumps', '/api/groups', '/api/timeline', '/api/dumps/5000',
                     '/api/dumps?text=%3Cscript', '/api/dumps/2'):
            status, headers, body = web.get(path)
            assert status == 200 and headers['content-type'] == 'application/json', (path, status, body)
            json.loads(body.decode())
            assert 'set-cookie' not in headers, path
        assert web.json('/api/dumps')['dumps'][0]['id'] == 5000
        assert web.get('/dumps/5000/file')[0] == 404
        db.execute('DELETE FROM dump WHERE id = 5000')
        db.commit()
        db.close()

    def many():
        """ten thousand dumps are a list, too"""
        db = sqlite3.connect(panicd.directory + '/.panicd/catalog.db')
        columns = [c[1] for c in db.execute('PRAGMA table_info(dump)')]
        row = dict(zip(columns, db.execute('SELECT * FROM dump WHERE id = 1').fetchone()))
        now_ms = int(time.time() * 1000)
        for i in range(10000):
            row.update(id=10000 + i, file=b'many-%d' % i, name=b'many-%d' % i, peer='10.0.%d.%d' % (i // 250, i % 250),
                       received_ms=now_ms - i * 60000)
            db.execute('INSERT INTO dump (%s) VALUES (%s)' % (','.join(row), ','.join('?' * len(row))),
                       list(row.values()))
            db.execute("INSERT INTO facts VALUES (?, 1, ?, 1, ?, 'Linux', '6.1', ?, 2, x'7b7d')",
                       (10000 + i, '%012x' % (i % 300), 'panic %d' % (i % 300), 'host-%d' % (i % 500)))
            db.execute('INSERT INTO sighting VALUES (?, ?, ?, ?, ?, ?)',
                       (10000 + i, '%012x' % (i % 300), 'panic %d' % (i % 300), now_ms - i * 60000,
                        'host-%d' % (i % 500), '6.1'))
        db.commit()
        db.close()
        time.sleep(1.1)
        worst = {}
        for path in ('/api/now', '/api/dumps', '/api/dumps?text=many-77', '/api/groups', '/api/groups?text=panic%207',
                     '/api/timeline', '/api/dumps/10500'):
            before = time.monotonic()
            status, _, body = web.get(path, headers={'Accept-Encoding': 'gzip'})
            worst[path] = time.monotonic() - before
            assert status == 200, (path, status)
            print('# %6.0f ms %8d bytes packed  %s' % (worst[path] * 1000, len(body), path))
        assert max(worst.values()) < 10, worst
        assert web.json('/api/dumps')['total'] == 10004 and len(web.json('/api/timeline')['points']) == 10004
        assert web.json('/api/dumps')['next'] is not None
        with open('/proc/%d/status' % web.process.pid) as f:
            print('# ' + ' '.join(line.strip() for line in f if line.startswith(('VmHWM', 'VmRSS'))))

    def ends():
        """it ends when it is told, also while somebody looks on"""
        events = Events(web)
        while b'retry' not in events.raw:
            time.sleep(0.01)
        assert web.stop() == 0, web.said()
        events.thread.join(timeout=10)
        assert events.ended

    for test in (who_may, bad_files, tls, streams, hangs, alone, named, named_slowly, hostile, many,
                 ends):
        tap.run(test)


main()
