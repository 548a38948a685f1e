# SPDX-License-Identifier: BSD-2-Clause
"""Where the systems run that wire.py measures: network namespaces, the link between them, control
groups that count what each side takes. All of it goes when the holders of the namespaces die, and
they die with this process."""
import ctypes
import json
import os
import signal
import subprocess
import time

CLONE_NEWNET = 0x40000000
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None, use_errno=True)
SERVER, CLIENT = '10.9.0.1', '10.9.0.2'


class Failed(Exception):
    """What was tried, and what it said."""


def die_with_parent():
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def enter(net):
    with open(net, 'rb') as f:
        if LIBC.setns(f.fileno(), CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), 'setns')


def run(*words, **more):
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          **more)
    if done.returncode:
        raise Failed('%s: %s' % (' '.join(words), done.stdout.strip()))
    return done.stdout


def cgroup_root():
    """None when control groups of version 2 are not mounted."""
    with open('/proc/self/mounts') as f:
        for line in f:
            _, point, kind = line.split()[:3]
            if kind == 'cgroup2':
                return point
    return None


def no_ipv6():
    """Its solicitations would be among the packets that are counted."""
    try:
        with open('/proc/sys/net/ipv6/conf/all/disable_ipv6', 'w') as f:
            f.write('1')
    except OSError:
        pass


TCP_CONTROL = '/proc/sys/net/ipv4/tcp_congestion_control'
TCP_ALLOWED = '/proc/sys/net/ipv4/tcp_allowed_congestion_control'
TCP_HERE = '/proc/sys/net/ipv4/tcp_available_congestion_control'


def said_by(path, words=None):
    """@return the words of this setting, after it was set to @p words if there are any"""
    if words:
        with open(path, 'w') as f:
            f.write(' '.join(words))
    with open(path) as f:
        return f.read().split()


def tcp_control(name=None):
    """@return what TCP does against congestion in this namespace, after it was set to @p name"""
    return said_by(TCP_CONTROL, name and [name])[0]


class Allowed:
    """Namespaces may use whatever the kernel has against congestion, as long as this lives: else
    they have what the machine's own TCP is allowed to use without privilege."""

    def __init__(self):
        self.before = said_by(TCP_ALLOWED)
        said_by(TCP_ALLOWED, said_by(TCP_HERE))

    def close(self):
        said_by(TCP_ALLOWED, self.before)


class Group:
    """What the processes of one side have taken together, those that have ended included."""

    def __init__(self, name):
        root = cgroup_root()
        self.path = root and os.path.join(root, 'panicd-bench-%d-%s' % (os.getpid(), name))
        try:
            if self.path:
                os.mkdir(self.path)
        except OSError:
            self.path = None

    def join(self):
        if self.path:
            with open(os.path.join(self.path, 'cgroup.procs'), 'w') as f:
                f.write('0')

    def pids(self):
        if not self.path:
            return []
        with open(os.path.join(self.path, 'cgroup.procs')) as f:
            return [int(pid) for pid in f.read().split()]

    def cpu_s(self):
        """None: not counted here."""
        if not self.path:
            return None
        with open(os.path.join(self.path, 'cpu.stat')) as f:
            return int(f.readline().split()[1]) / 1e6

    def memory_kib(self):
        """The peak of the one process, or what several take now: of what they share, each counts
        its part."""
        pids = self.pids()
        name, word = ('status', 'VmHWM:') if len(pids) == 1 else ('smaps_rollup', 'Pss:')
        total = 0
        for pid in pids:
            try:
                with open('/proc/%d/%s' % (pid, name)) as f:
                    total += sum(int(line.split()[1]) for line in f if line.startswith(word))
            except OSError:
                pass   # it has ended meanwhile
        return total

    def kill(self):
        end = time.monotonic() + 10
        while time.monotonic() < end:
            pids = self.pids()
            if not pids:
                return
            for pid in pids:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            time.sleep(0.002)

    def remove(self):
        self.kill()
        for _ in range(200 if self.path else 0):   # who has just died is in it for a moment
            try:
                os.rmdir(self.path)
                return
            except FileNotFoundError:
                return
            except OSError:
                time.sleep(0.005)


class Side:
    """One of the two machines."""

    def __init__(self, name, net, address, group):
        self.name, self.net, self.address, self.group = name, net, address, group

    def start(self, words, **more):
        def prepare():
            die_with_parent()
            self.group.join()
            enter(self.net)
        more.setdefault('stdin', subprocess.DEVNULL)
        more.setdefault('stdout', subprocess.DEVNULL)
        return subprocess.Popen([str(word) for word in words], preexec_fn=prepare, **more)

    def run(self, *words):
        return run(*words, preexec_fn=lambda: enter(self.net))

    def inside(self, function):
        """@p function's result; a socket that it makes stays in this namespace."""
        with open('/proc/self/ns/net', 'rb') as home:
            enter(self.net)
            try:
                return function()
            finally:
                LIBC.setns(home.fileno(), CLONE_NEWNET)


class Link:
    """Two namespaces, "loopback" one, and what lies between them."""

    def __init__(self, kind, build, rtt_ms=0.0, loss=0.0, seed=1, rate=None,
                 tcp=None):
        self.kind, self.relay, self.holders, self.groups = kind, None, [], []
        self.said = None
        try:
            nets = [self.hold() for _ in range(1 if kind == 'loopback' else 2)]
            addresses = ('127.0.0.1',) * 2 if kind == 'loopback' else (SERVER, CLIENT)
            self.groups = [Group('server'), Group('client'), Group('relay')]
            self.server = Side('server', nets[0], addresses[0], self.groups[0])
            self.client = Side('client', nets[-1], addresses[1], self.groups[1])
            for side in (self.server, self.client):
                side.inside(no_ipv6)
                side.inside(lambda: tcp_control(tcp))
                side.run('ip', 'link', 'set', 'lo', 'up')
            if kind == 'loopback':   # in.tftpd resolves no address where 127.0.0.1 is the only one
                self.server.run('ip', 'addr', 'add', SERVER + '/32', 'dev', 'lo')
            if kind == 'relay':
                self.join_relay(build, rtt_ms, loss, seed)
            elif kind != 'loopback':
                self.join_veth()
            if kind == 'frames':
                self.real_frames()
            if rate:
                self.client.run('tc', 'qdisc', 'add', 'dev', 'cable', 'root', 'tbf', 'rate', rate,
                                'burst', '256k', 'latency', '20ms')
        except BaseException:
            self.close()
            raise

    def hold(self):
        holder = subprocess.Popen(['unshare', '--net', 'sleep', 'infinity'],
                                  preexec_fn=die_with_parent)
        self.holders.append(holder)
        own, end = os.readlink('/proc/self/ns/net'), time.monotonic() + 10
        while os.readlink('/proc/%d/ns/net' % holder.pid) == own:
            if holder.poll() is not None or time.monotonic() > end:
                raise Failed('unshare --net: no network namespace: this needs root')
            time.sleep(0.002)
        return '/proc/%d/ns/net' % holder.pid

    def join_veth(self):
        self.server.run('ip', 'link', 'add', 'cable', 'type', 'veth', 'peer', 'name', 'cable',
                        'netns', str(self.holders[1].pid))
        for side in (self.server, self.client):
            side.run('ip', 'addr', 'add', side.address + '/24', 'dev', 'cable')
            side.run('ip', 'link', 'set', 'cable', 'up')

    def real_frames(self):
        """Of 1,500 bytes each, as on a card that does nothing by itself."""
        for side in (self.server, self.client):
            side.run('ethtool', '-K', 'cable', 'tso', 'off', 'gso', 'off', 'gro', 'off',
                     'tx-udp-segmentation', 'off')

    def join_relay(self, build, rtt_ms, loss, seed):
        def prepare():
            die_with_parent()
            self.groups[2].join()
        self.relay = subprocess.Popen(
            [os.path.join(build, 'bench', 'bench-relay'), '--delay-us', str(round(rtt_ms * 500)),
             '--loss-ppm', str(round(loss * 10000)), '--seed', str(seed), self.client.net,
             self.server.net], stdout=subprocess.PIPE, text=True, preexec_fn=prepare)
        if self.relay.stdout.readline() != 'ready\n':
            raise Failed('bench-relay has not begun')
        for side, other in ((self.server, self.client), (self.client, self.server)):
            side.run('ip', 'addr', 'add', side.address, 'peer', other.address, 'dev', 'relay')
            # Nothing is to be lost but what the relay loses.
            side.run('ip', 'link', 'set', 'relay', 'up', 'txqueuelen', '20000')

    def dropped(self):
        """Packets that the relay's own queues had no room for, so far."""
        if not self.relay:
            return 0
        total = 0
        for side in (self.server, self.client):
            stats = json.loads(side.run('ip', '-j', '-s', 'link', 'show', 'relay'))[0]['stats64']
            total += stats['tx']['dropped'] + stats['rx']['dropped']
        return total

    def carried(self):
        """Bytes that the sender's end has put on the wire so far; None: there is no wire."""
        if self.kind in ('loopback', 'relay'):
            return None
        return json.loads(self.client.run('ip', '-j', '-s', 'link', 'show', 'cable'))[0][
            'stats64']['tx']['bytes']

    def close(self):
        if self.relay:
            self.relay.terminate()
            self.said, _ = self.relay.communicate(timeout=10)
        for group in self.groups:
            group.remove()
        for holder in self.holders:
            holder.kill()
            holder.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
