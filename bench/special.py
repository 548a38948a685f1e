# SPDX-License-Identifier: BSD-2-Clause
"""What is no race of one system at a time: how a link is shared, what a flood of garbage costs."""
import json
import os
import re
import shutil
import signal
import socket
import statistics
import struct
import subprocess
import time

import ground
import systems

FLOOD_RATE = 20000        # packets a second
ASKS, ASK_S = 200, 0.02   # write requests, and the time between them
ANSWER_S = 2.0            # that one is waited for
FAIR_SETTLE_S, FAIR_S = 2.0, 6.0
FAIR_RATE = '400mbit'
FLOWS = ('10.9.1.2', '10.9.2.2', '10.9.3.2')


class Condition:
    """What a System asks of a cell, where there is none."""
    target, senders, rtt = 'tmpfs', 1, 0


def directory_of(bench, name):
    path = os.path.join(bench.memory, name)
    shutil.rmtree(path, ignore_errors=True)
    os.mkdir(path)
    return path


# ---- flood ----

def ask(link, number):
    """@return milliseconds until a write request is answered; None: not in time"""
    def open_socket():
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.connect((link.server.address, systems.PORT))
        return s
    with link.client.inside(open_socket) as s:
        s.settimeout(ANSWER_S)
        start = time.monotonic()
        s.send(b'\0\2core-ask-%d\0octet\0features\0' % number + struct.pack('>II', 3, 1406))
        while True:
            try:
                answer = s.recv(2048)
            except OSError:
                return None
            if len(answer) >= 6 and answer[1] == 4 and answer[2:6] == bytes(4):
                return 1000 * (time.monotonic() - start)


def asked(link, first):
    times = []
    for i in range(ASKS):
        times.append(ask(link, first + i))
        time.sleep(ASK_S)
    came = sorted(t for t in times if t is not None)
    return {'asked': ASKS, 'answered': len(came),
            'median_ms': statistics.median(came) if came else None,
            'p99_ms': came[int(len(came) * 0.99)] if came else None,
            'most_ms': came[-1] if came else None}


def transfer(bench, kind, link, index, source):
    """A transfer with whatever else is going on. @return MB/s"""
    start = time.monotonic()
    process = kind.panicdump(source, index)
    said = process.communicate(timeout=120)[0]
    if process.returncode:
        raise ground.Failed('panicdump: ' + said)
    return os.path.getsize(source) / (time.monotonic() - start) / 1e6


def flood(bench):
    """What 20,000 packets of garbage a second do to a write request, and to a running transfer."""
    kind = systems.Extension if systems.Extension.here(bench.place) else systems.Plain
    if not kind.here(bench.place) or not bench.place.bench('flood'):
        return None
    bench.say('flood: %d packets of garbage a second' % FLOOD_RATE)
    source = bench.dumps.path('random', min(bench.args.mib, 64) << 20)
    result = {'rate': FLOOD_RATE, 'sender': kind.title, 'quiet': [], 'flooded': []}
    with ground.Link('veth', bench.place.build) as link:
        running = kind(bench.place, link, directory_of(bench, 'flood'), Condition)
        running.start()
        result['ask_quiet'] = asked(link, 0)
        for i in range(bench.args.rounds):
            result['quiet'].append(transfer(bench, running, link, 2 * i, source))
            garbage = start_flood(bench, link)
            try:
                result['flooded'].append(transfer(bench, running, link, 2 * i + 1, source))
            finally:
                end_flood(garbage)
        garbage = start_flood(bench, link)
        try:
            result['ask_flooded'] = asked(link, ASKS)
        finally:
            said = end_flood(garbage)
    result['sent_per_s'] = said['packets'] / said['seconds']
    shutil.rmtree(running.directory, ignore_errors=True)
    return result


def start_flood(bench, link):
    process = link.client.start([bench.place.bench('flood'), link.server.address, systems.PORT,
                                 FLOOD_RATE], stdout=subprocess.PIPE, text=True)
    time.sleep(0.2)
    return process


def end_flood(process):
    process.send_signal(signal.SIGTERM)
    return json.loads(process.communicate(timeout=10)[0])


# ---- fairness ----

class Fork:
    """Three senders, each in a namespace of its own, that reach the server over one slow link:
    sender - router - (tbf) - server. Counters at the server tell what of each has come through."""

    def __init__(self, bench, tcp):
        self.link = ground.Link('veth', bench.place.build)   # its client becomes the router
        self.flows, self.tcp = [], tcp
        try:
            self.build()
        except BaseException:
            self.close()
            raise

    def build(self):
        server, router = self.link.server, self.link.client
        router.run('sysctl', '-q', 'net.ipv4.ip_forward=1')
        router.run('tc', 'qdisc', 'add', 'dev', 'cable', 'root', 'tbf', 'rate', FAIR_RATE, 'burst',
                   '64k', 'limit', '512k')
        server.run('ip', 'route', 'add', '10.9.0.0/16', 'via', router.address)
        server.run('nft', 'add table inet bench; add chain inet bench in '
                   '{ type filter hook input priority 0; }')
        for number, address in enumerate(FLOWS):
            net = self.link.hold()
            holder, gate = self.link.holders[-1].pid, address[:-1] + '1'
            side = ground.Side('flow', net, address, self.link.groups[1])
            router.run('ip', 'link', 'add', 'flow%d' % number, 'type', 'veth', 'peer', 'name',
                       'cable', 'netns', str(holder))
            router.run('ip', 'addr', 'add', gate + '/24', 'dev', 'flow%d' % number)
            router.run('ip', 'link', 'set', 'flow%d' % number, 'up')
            side.run('ip', 'addr', 'add', address + '/24', 'dev', 'cable')
            side.run('ip', 'link', 'set', 'cable', 'up')
            side.run('ip', 'route', 'add', 'default', 'via', gate)
            server.run('nft', 'add rule inet bench in ip saddr %s counter' % address)
            side.inside(lambda: ground.tcp_control(self.tcp))
            self.flows.append(side)

    def counted(self):
        rules = self.link.server.run('nft', 'list', 'chain', 'inet', 'bench', 'in')
        found = {m[1]: int(m[2]) for m in
                 re.finditer(r'saddr (\S+) counter packets \d+ bytes (\d+)', rules)}
        return [found[address] for address in FLOWS]

    def close(self):
        self.link.close()


def fairness(bench):
    """Two dumps by the extension and one TCP stream over one link: who gets how much of it."""
    if not systems.Extension.here(bench.place) or not systems.Socat.here(bench.place):
        bench.say('fairness: no sender that speaks the extension, or no socat, here: left out')
        return None
    if not shutil.which('nft', path=os.environ.get('PATH', '') + ':/usr/sbin'):
        bench.say('fairness: nft is missing: left out')
        return None
    controls = [name for name in ('cubic', 'bbr') if name in ground.said_by(ground.TCP_HERE)]
    return [share(bench, systems.Extension, tcp) for tcp in controls]


def share(bench, kind, tcp):
    bench.say('fairness: two flows of %s and one of TCP with %s share %s' % (kind.name, tcp,
                                                                          FAIR_RATE))
    source = bench.dumps.path('random', bench.args.mib << 20)
    fork, runs = Fork(bench, tcp), []
    try:
        link = fork.link
        for _ in range(bench.args.rounds):
            running = kind(bench.place, link, directory_of(bench, 'fairness'), Condition)
            stream = systems.Socat(bench.place, link, directory_of(bench, 'stream'), Condition)
            running.start()
            stream.start()
            running.client = fork.flows[0]
            running.send(source, 1)
            running.client = fork.flows[1]
            running.panicdump(source, 1)
            stream.client = fork.flows[2]
            stream.send(source, 1)
            time.sleep(FAIR_SETTLE_S)
            before, start = fork.counted(), time.monotonic()
            time.sleep(FAIR_S)
            after, took = fork.counted(), time.monotonic() - start
            runs.append([(b - a) / took / 1e6 for a, b in zip(before, after)])
            for group in link.groups[:2]:
                group.kill()
    finally:
        fork.close()
    return {'rate': FAIR_RATE, 'seconds': FAIR_S, 'flows': [kind.name, kind.name, 'TCP ' + tcp],
            'mb_s': runs, 'jain': [jain(run) for run in runs]}


def jain(rates):
    """1: all the same; 1/n: one has everything.
    @source R. Jain, D. Chiu, W. Hawe, DEC-TR-301 (1984)"""
    return sum(rates) ** 2 / (len(rates) * sum(r * r for r in rates)) if any(rates) else 0


NAMES = {'fairness': fairness, 'flood': flood}
