#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""What it costs the transfers that many people look on.

Many dumps arrive at the real panicd, over loopback and into memory, once with nobody looking and
once with viewers: each holds a stream of events of the real panicweb, and asks for the page's data
now and then. Both make a pair, every other pair in the opposite order, each with servers of its own;
what counts is the median of the pairs' ratios. panicweb runs in both. The viewers are one program at
the lowest priority, for in earnest they are on other machines. What is idle is kept awake in both by
programs that run only then: a virtual machine whose processors halt between two packets is slower
with less to do, and viewers would seem to speed it up.

  ./run bench --viewers [--viewer-count N] [--transfers N] [--mib N] [--pairs N] [--json FILE]"""
import argparse
import json
import os
import re
import selectors
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True   # the source tree stays as it is
HERE = os.path.dirname(os.path.abspath(__file__))
MIB = 1 << 20
ASKED = ('/api/now', '/api/dumps?limit=100', '/api/groups', '/metrics')
ASK_EVERY_S = 10.0        # of each viewer
TICKS = os.sysconf('SC_CLK_TCK')


def options():
    parser = argparse.ArgumentParser(description=__doc__.split('\n\n')[0])
    parser.add_argument('--build', default=os.path.join(HERE, '..', 'build'))
    parser.add_argument('--viewer-count', type=int, default=200)
    parser.add_argument('--transfers', type=int, default=100)
    parser.add_argument('--mib', type=int, default=4, help='of each dump, default 4')
    parser.add_argument('--pairs', type=int, default=5)
    parser.add_argument('--tmpfs', default='/dev/shm', help='a directory in memory')
    parser.add_argument('--json', help='all that was measured, into this file')
    parser.add_argument('--look', type=int, help=argparse.SUPPRESS)   # the viewers' own program
    return parser.parse_args()


# ---- the viewers: a program of its own

class Viewer:
    """One stream of events, and a request on another connection when it is time."""

    def __init__(self, port):
        self.port = port
        self.bytes = self.events = 0
        self.last = b'\n'
        self.stream = socket.create_connection(('127.0.0.1', port))
        self.stream.sendall(b'GET /api/events HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n'
                            b'Accept: text/event-stream\r\n\r\n' % port)
        self.stream.setblocking(False)

    def hear(self):
        """@return whether there is more to come"""
        try:
            got = self.stream.recv(1 << 18)
        except BlockingIOError:
            return True
        self.bytes += len(got)
        self.events += (self.last + got).count(b'\nevent: ')
        self.last = got[-8:]
        return bool(got)


def ask(port, path):
    with socket.create_connection(('127.0.0.1', port)) as s:
        s.sendall(b'GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nAccept-Encoding: gzip\r\n'
                  b'Connection: close\r\n\r\n' % (path.encode(), port))
        answer = b''.join(iter(lambda: s.recv(1 << 16), b''))
    return answer.startswith(b'HTTP/1.1 200 ')


def look(args):
    """Until standard input ends; then what was seen, on standard output."""
    os.nice(19)
    chosen = selectors.DefaultSelector()
    chosen.register(sys.stdin, selectors.EVENT_READ)
    viewers = [Viewer(args.look) for _ in range(args.viewer_count)]
    for viewer in viewers:
        chosen.register(viewer.stream, selectors.EVENT_READ, viewer)
    answered = failed = lost = 0
    next_ask, pause, ready = time.monotonic(), ASK_EVERY_S / args.viewer_count, False
    while True:
        for key, _ in chosen.select(max(0, next_ask - time.monotonic())):
            if key.data is None:
                print(json.dumps({
                    'answered': answered, 'failed': failed, 'lost': lost,
                    'bytes': sum(v.bytes for v in viewers),
                    'events': [min(v.events for v in viewers), max(v.events for v in viewers)]}))
                return
            if not key.data.hear():
                lost += 1
                chosen.unregister(key.data.stream)
        if not ready and all(v.bytes for v in viewers):
            ready = True
            print('ready', flush=True)
        if ready and time.monotonic() >= next_ask:
            next_ask = max(next_ask + pause, time.monotonic() - 1)
            good = ask(args.look, ASKED[(answered + failed) % len(ASKED)])
            answered, failed = answered + good, failed + (not good)


# ---- the servers

def cpu_s(pid):
    """Of the process and of its children that have ended."""
    with open('/proc/%d/stat' % pid) as f:
        fields = f.read().rsplit(')', 1)[1].split()
    return sum(map(int, fields[11:15])) / TICKS


def peak_kib(pid):
    with open('/proc/%d/status' % pid) as f:
        return int(re.search(r'VmHWM:\s+(\d+)', f.read()).group(1))


def wait_for(what, why, timeout=30):
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        got = what()
        if got:
            return got
        time.sleep(0.02)
    sys.exit('viewers: %s did not come' % why)


class Servers:
    def __init__(self, args):
        self.args = args
        self.directory = tempfile.mkdtemp(prefix='panicd-viewers-', dir=args.tmpfs)
        self.dumps = os.path.join(self.directory, 'dumps')
        self.log = os.path.join(self.directory, 'log')
        self.config = os.path.join(self.directory, 'conf')
        with open(self.config, 'w') as f:
            f.write('[policy]\nfloor = 0\n')
        self.running = []

    def start(self, name, *words, **more):
        path = os.path.join(self.args.build, 'src', name, name)
        with open(self.log, 'a') as log:
            self.running.append(subprocess.Popen([path, *map(str, words)], stderr=log,
                                                 stdin=subprocess.DEVNULL, **more))
        return self.running[-1]

    def said(self):
        with open(self.log) as f:
            return f.read()

    def __enter__(self):
        try:
            self.panicd = self.start('panicd', '--address', '127.0.0.1', '--port', self.free_port(),
                                     '--netdump-port', 0, '--config', self.config, self.dumps)
            found = wait_for(lambda: re.search(r' ready .* port=(\d+)', self.said()), 'panicd')
            self.port = int(found.group(1))
            self.panicweb = self.start('panicweb', '-p', 0, self.dumps, stdout=subprocess.PIPE,
                                       text=True)
            self.web_port = int(re.search(r':(\d+)/', self.panicweb.stdout.readline()).group(1))
        except BaseException:
            self.__exit__()
            raise
        return self

    @staticmethod
    def free_port():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.bind(('127.0.0.1', 0))
            return s.getsockname()[1]

    def __exit__(self, *_):
        for process in reversed(self.running):
            process.terminate()
        for process in self.running:
            process.wait(timeout=60)
            if process.stdout:
                process.stdout.close()
        shutil.rmtree(self.directory, ignore_errors=True)


class Awake:
    """For each processor a program that runs when nothing else does."""

    def __enter__(self):
        def last():
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))

        self.running = [subprocess.Popen([sys.executable, '-c', 'while True: pass'],
                                         preexec_fn=last) for _ in os.sched_getaffinity(0)]
        return self

    def __exit__(self, *_):
        for process in self.running:
            process.kill()
            process.wait()


# ---- a run, a pair

def run(args, viewers):
    with Servers(args) as servers:
        watching = None
        if viewers:
            watching = subprocess.Popen(
                [sys.executable, os.path.abspath(__file__), '--look', str(servers.web_port),
                 '--viewer-count', str(viewers)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                text=True)
            if watching.stdout.readline() != 'ready\n':
                sys.exit('viewers: they cannot look: ' + servers.said()[-1000:])
        try:
            begin = {name: cpu_s(getattr(servers, name).pid) for name in ('panicd', 'panicweb')}
            done = subprocess.run(
                [os.path.join(args.build, 'bench/bench-senders'), str(servers.port),
                 str(args.transfers), str(args.mib * MIB)], check=True, capture_output=True,
                text=True)
            said = json.loads(done.stdout)
            row = {'viewers': viewers, 'mb_s': said['bytes'] / said['seconds'] / 1e6, **said}
            for name, before in begin.items():
                row[name + '_cpu_s'] = cpu_s(getattr(servers, name).pid) - before
            row['panicweb_peak_kib'] = peak_kib(servers.panicweb.pid)
        finally:
            if watching:
                row_seen = watching.communicate()[0]
        if watching:
            row['seen'] = json.loads(row_seen)
    return row


def print_row(row):
    seen = row.get('seen')
    print('  %3d viewers  %7.1f MB/s in %5.2f s  panicd %5.2f s  panicweb %5.2f s%s' % (
        row['viewers'], row['mb_s'], row['seconds'], row['panicd_cpu_s'], row['panicweb_cpu_s'],
        '' if not seen else '  %d-%d events, %.1f MB, %d answers, %d failed, %d lost' % (
            *seen['events'], seen['bytes'] / 1e6, seen['answered'], seen['failed'], seen['lost'])),
          flush=True)


def measure(args, pairs):
    """Into @p pairs: who stops it has those that were measured."""
    run(args, 0)   # the first one pays for memory that was never used
    for i in range(args.pairs):
        counts = [0, args.viewer_count]
        pair = {}
        for count in counts if i % 2 == 0 else reversed(counts):
            pair[count] = run(args, count)
            print_row(pair[count])
        pairs.append({'alone': pair[0], 'watched': pair[args.viewer_count],
                      'ratio': pair[args.viewer_count]['mb_s'] / pair[0]['mb_s']})


def main():
    args = options()
    if args.look:
        look(args)
        return
    for name in ('src/panicd/panicd', 'src/panicweb/panicweb', 'bench/bench-senders'):
        if not os.path.exists(os.path.join(args.build, name)):
            sys.exit('viewers: %s is not built: "./run bench --viewers" builds it' % name)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    print('%d dumps of %d MiB at a time, %d processors' % (args.transfers, args.mib,
                                                           len(os.sched_getaffinity(0))))
    pairs = []
    try:
        with Awake():
            measure(args, pairs)
    except KeyboardInterrupt:
        if not pairs:
            sys.exit('viewers: stopped before the first pair was measured')
    ratios = sorted(pair['ratio'] for pair in pairs)
    result = {'transfers': args.transfers, 'mib': args.mib, 'viewers': args.viewer_count,
              'cpus': len(os.sched_getaffinity(0)), 'pairs': pairs,
              'ratio': statistics.median(ratios)}
    print('rate with viewers / without: median %.3f, of %d pairs %.3f to %.3f' % (
        result['ratio'], len(ratios), ratios[0], ratios[-1]))
    if args.json:
        with open(args.json, 'w') as f:
            json.dump(result, f, indent=1)


if __name__ == '__main__':
    main()
