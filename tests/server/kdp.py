# SPDX-License-Identifier: BSD-2-Clause
"""A sender of Apple's protocol and a panicd to send to, for tests of the real daemon."""
import json
import os
import random
import select
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time

BUILD = os.environ.get('PND_BUILD', 'build')
PANICD = os.environ.get('PND_PANICD', os.path.join(BUILD, 'src/panicd/panicd'))
PANICCTL = os.environ.get('PND_PANICCTL', os.path.join(BUILD, 'src/panicctl/panicctl'))
PANICDUMP = os.environ.get('PND_PANICDUMP', os.path.join(BUILD, 'src/panicdump/panicdump'))

RRQ, WRQ, DATA, ACK, ERROR, SEEK, EOF = range(1, 8)


GIVEN = set()


def free_port():
    """Below the ports that the kernel gives to senders: one of theirs could be ours when the
    server that is to be restarted is down. None twice: its server may not listen yet, or be down."""
    while True:
        port = random.randrange(10000, 32000)
        if port in GIVEN:
            continue
        GIVEN.add(port)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            try:
                s.bind(('127.0.0.1', port))
                return port
            except OSError:
                continue


def children_of(pid):
    """Processes that any thread of this one has started; of one that is gone, none."""
    found = set()
    try:
        for task in os.listdir('/proc/%d/task' % pid):
            with open('/proc/%d/task/%s/children' % (pid, task)) as f:
                found.update(map(int, f.read().split()))
    except FileNotFoundError:
        return []
    return sorted(found)


def wrq(name, mask=3, size=1406, mode=b'octet'):
    if isinstance(name, str):
        name = name.encode()
    return b'\0\2' + name + b'\0' + mode + b'\0features\0' + struct.pack('>II', mask, size)


def packet(op, block, payload=b''):
    return struct.pack('>HI', op, block) + payload


class Refused(Exception):
    def __init__(self, code, text):
        super().__init__('ERROR %d: %s' % (code, text))
        self.code, self.text = code, text


class GaveUp(Exception):
    pass


class Sender:
    """Stop-and-wait, as in a kernel, but impatient: repeats after `rto` seconds."""

    def __init__(self, port, host='127.0.0.1', rto=0.1, patience=60.0, bind=None):
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        if bind:
            self.sock.bind(bind)
        self.to = (host, port)
        self.rto, self.patience = rto, patience
        self.block = 0
        self.features = 0
        self.size = 512
        self.repeats = 0
        self.replies = []

    def close(self):
        self.sock.close()

    def receive(self, timeout):
        ready, _, _ = select.select([self.sock], [], [], timeout)
        if not ready:
            return None
        try:
            data, _ = self.sock.recvfrom(2048)
        except ConnectionRefusedError:
            return None
        self.replies.append(data)
        return data

    def ask(self, data):
        """Sends one packet until its ACK comes; ACKs of other blocks are noise."""
        end = time.monotonic() + self.patience
        first = True
        while time.monotonic() < end:
            self.sock.sendto(data, self.to)
            self.repeats += not first
            first = False
            again = time.monotonic() + self.rto
            while True:
                left = again - time.monotonic()
                if left <= 0:
                    break
                got = self.receive(left)
                if got is None:
                    continue
                op, block = struct.unpack('>HI', got[:6])
                if op == ERROR:
                    raise Refused(block, got[6:].split(b'\0')[0].decode())
                if op & 0xff == ACK and block == self.block:
                    self.block += 1
                    return op >> 8
        raise GaveUp('no answer to block %d' % self.block)

    def open(self, name, mask=3, size=1406):
        self.block = 0
        self.features = self.ask(wrq(name, mask, size))
        self.size = min(size, 1406) if self.features & 2 else 512

    def data(self, payload):
        self.ask(packet(DATA, self.block, payload))

    def seek(self, offset):
        form = '>Q' if self.features & 1 else '>I'
        self.ask(packet(SEEK, self.block, struct.pack(form, offset)))

    def eof(self):
        self.ask(packet(EOF, self.block))

    def dump(self, name, content):
        self.open(name)
        for at in range(0, len(content), self.size):
            self.data(content[at:at + self.size])
        self.eof()


class Panicd:
    """The real daemon in a directory of its own."""

    def __init__(self, directory=None, port=None, config='', args=(), address='127.0.0.1',
                 base=None, netdump_port=0):
        self.own = directory is None
        self.directory = directory or tempfile.mkdtemp(prefix='panicd-test-', dir=base)
        self.port = port or free_port()
        self.netdump_port = netdump_port   # 0: none; True: a free one; None: by default
        if netdump_port is True:
            self.netdump_port = free_port()
        self.args = list(args)
        self.address = address
        self.log_path = self.directory.rstrip('/') + '.log'
        self.config_path = self.directory.rstrip('/') + '.conf'
        self.process = None
        self.program = PANICD
        self.configure(config)

    def configure(self, config):
        with open(self.config_path, 'w') as f:
            f.write(config or '[policy]\nfloor = 0\n')

    def start(self, env=None, wait=True, wrapper=()):
        log = open(self.log_path, 'ab')
        ports = ['--port', str(self.port)]
        if self.netdump_port is not None:
            ports += ['--netdump-port', str(self.netdump_port)]
        self.process = subprocess.Popen(
            list(wrapper) + [self.program, '--address', self.address, *ports, '--config',
                             self.config_path, *self.args, self.directory],
            stdout=log, stderr=log, stdin=subprocess.DEVNULL, env={**os.environ, **(env or {})})
        log.close()
        if wait:
            self.wait_ready()
        return self

    def wait_ready(self, timeout=30):
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise RuntimeError('panicd ended with %d: %s' % (self.process.returncode, self.log()[-2000:]))
            if self.ask('status') is not None:
                return
            time.sleep(0.005)
        raise RuntimeError('panicd is not ready: ' + self.log()[-2000:])

    def ask(self, request):
        """One request to the control socket. None: nobody there."""
        path = os.path.join(self.directory, '.panicd/control')
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
                s.settimeout(10)
                s.connect(path)
                s.sendall(request.encode() + b'\n')
                return json.loads(b''.join(iter(lambda: s.recv(65536), b'')))
        except (OSError, ValueError):
            return None

    def log(self):
        with open(self.log_path, errors='replace') as f:
            return f.read()

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(timeout=60)
        return self.process.returncode if self.process else None

    def remove(self):
        self.stop()
        if self.own:
            shutil.rmtree(self.directory, ignore_errors=True)
        for path in (self.log_path, self.config_path):
            if os.path.exists(path):
                os.unlink(path)

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.remove()

    def files(self):
        return sorted(f for f in os.listdir(self.directory) if f != '.panicd')

    def read(self, name):
        with open(os.path.join(self.directory, name), 'rb') as f:
            return f.read()

    def rows(self):
        out = subprocess.run([PANICCTL, '--directory', self.directory, 'list', '--json'],
                             capture_output=True, check=True)
        return json.loads(out.stdout)['dumps']

    def settled(self, count=1, timeout=30):
        """The rows, once `count` of them have ended and been checked."""
        end = time.monotonic() + timeout
        while True:
            rows = self.rows()
            done = [r for r in rows if r['state'] != 'receiving' and r['sha256']]
            if len(done) >= count and len(done) == len(rows):
                return rows
            if self.process.poll() is not None:
                raise RuntimeError('panicd has ended: ' + self.log()[-2000:])
            if time.monotonic() > end:
                raise AssertionError('not settled: %s\n%s' % (rows, self.log()[-3000:]))
            time.sleep(0.02)

    def memory_kib(self, key='VmRSS'):
        with open('/proc/%d/status' % self.process.pid) as f:
            for line in f:
                if line.startswith(key + ':'):
                    return int(line.split()[1])
        return 0


class Tap:
    """Tests as sentences."""

    def __init__(self):
        self.count = self.failed = 0

    def run(self, test):
        self.count += 1
        name = (test.__doc__ or test.__name__.replace('_', ' ')).strip().splitlines()[0]
        try:
            skip = test()
        except Exception as e:  # pylint: disable=broad-except
            import traceback
            self.failed += 1
            for line in traceback.format_exc().splitlines():
                print('# ' + line)
                print(line, file=sys.stderr)
            print('not ok %d - %s' % (self.count, name), flush=True)
            del e
            return
        print('ok %d - %s%s' % (self.count, name, ' # SKIP ' + skip if skip else ''), flush=True)

    def done(self):
        print('1..%d' % self.count)
        return 1 if self.failed else 0
