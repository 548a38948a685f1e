# SPDX-License-Identifier: BSD-2-Clause
"""panicweb beside a real server, and what a browser sends it, byte by byte if need be."""
import http.client
import json
import os
import select
import socket
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'server'))

PANICWEB = os.path.join(os.environ.get('PND_BUILD', 'build'), 'src/panicweb/panicweb')


class Panicweb:
    """One on a free port."""

    def __init__(self, directory, *args, wait=True, program=PANICWEB):
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen([program, '--port', '0', *args, directory],
                                        stdout=subprocess.PIPE, stderr=self.log,
                                        stdin=subprocess.DEVNULL)
        self.url = self.host = None
        self.port = 0
        if wait:
            ready, _, _ = select.select([self.process.stdout], [], [], 60)
            line = self.process.stdout.readline().decode() if ready else ''
            assert line.startswith('panicweb: http'), (line, self.said())
            self.url = line.split()[1]
            self.host, _, port = self.url.split('//')[1].rstrip('/').rpartition(':')
            self.port = int(port)

    def said(self):
        self.log.seek(0)
        return self.log.read().decode(errors='replace')

    def stop(self):
        self.process.terminate()
        code = self.process.wait(timeout=60)
        self.process.stdout.close()
        return code

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.stop()

    def get(self, path, method='GET', headers=None, timeout=30):
        """Status, headers (lower case), body; the path as it is."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=timeout)
        connection.putrequest(method, path, skip_host='host' in (headers or {}),
                              skip_accept_encoding=True)
        for name, value in (headers or {}).items():
            connection.putheader(name, value)
        connection.endheaders()
        answer = connection.getresponse()
        body = answer.read()
        got = {}
        for name, value in answer.getheaders():
            got[name.lower()] = value
        connection.close()
        return answer.status, got, body

    def begin(self, path):
        """Asks, and does not wait. @return a socket, which ends with the answer"""
        s = socket.create_connection((self.host, self.port), timeout=60)
        s.sendall(('GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' % path).encode())
        return s

    def json(self, path, **more):
        status, _, body = self.get(path, **more)
        assert status == 200, (path, status, body[:300])
        return json.loads(body)

    def raw(self, data, timeout=10):
        """Everything that is answered to these bytes, until the other end closes or is silent."""
        with socket.create_connection((self.host, self.port), timeout=timeout) as s:
            try:
                s.sendall(data)
                s.shutdown(socket.SHUT_WR)
                return b''.join(iter(lambda: s.recv(65536), b''))
            except OSError:  # it did not want to hear the end of it
                return b''

    def threads(self):
        return os.listdir('/proc/%d/task' % self.process.pid)

    def status(self, key, thread=None):
        path = '/proc/%d/task/%s/status' % (self.process.pid, thread or self.process.pid)
        with open(path) as f:
            return next(line.split()[1] for line in f if line.startswith(key + ':'))


class Events:
    """What a page hears: [(name, object)]."""

    def __init__(self, web, headers=None):
        self.heard = []
        self.raw = b''
        self.ended = False
        self.socket = socket.create_connection((web.host, web.port), timeout=60)
        lines = ''.join('%s: %s\r\n' % h for h in (headers or {}).items())
        self.socket.sendall(('GET /api/events HTTP/1.1\r\nHost: localhost\r\n%s\r\n' % lines).encode())
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        rest = b''
        try:
            for data in iter(lambda: self.socket.recv(65536), b''):
                self.raw += data
                rest += data
                *blocks, rest = rest.split(b'\n\n')
                for block in blocks:
                    self.take(block)
        except OSError:
            pass
        self.ended = True

    def take(self, block):
        name = data = None
        for line in block.split(b'\n'):
            if line.startswith(b'event: '):
                name = line[7:].strip().decode()
            elif line.startswith(b'data: '):
                data = json.loads(line[6:])
        if name:
            self.heard.append((name, data))

    def wait(self, name, fits=lambda data: True, timeout=30):
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            for heard, data in list(self.heard):
                if heard == name and fits(data):
                    return data
            time.sleep(0.01)
        raise AssertionError('no %s among %s' % (name, [h[0] for h in self.heard]))

    def close(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
