#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""How fast a dump crosses a network: panicd, what else is used for it, and what the machine can do.

Real programs in network namespaces of this machine, over loopback, over a veth pair, and through a
relay that adds delay and loss. Rounds are interleaved, so that what disturbs the machine for a
while disturbs everybody; the median counts, the least and the most say how far to trust it. A rate
is of the file's bytes, from the start of the sending program until the file is whole; on a disk,
until it is synced there. Every file that arrives is compared with what was sent, outside that time.
README.md beside this file says more.

  sudo ./run bench                   what is told by most, in about 15 minutes
  sudo ./run bench --only rtt --only loss
  sudo ./run bench --all             the whole matrix: hours"""
import argparse
import dataclasses
import json
import os
import platform
import select
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import textwrap
import time

sys.dont_write_bytecode = True   # the source tree stays as it is
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import dumps      # noqa: E402
import ground     # noqa: E402
import report     # noqa: E402
import special    # noqa: E402
import systems    # noqa: E402

MIB = 1 << 20
GIB = 1 << 30
LEAST = 1 << 14           # of a dump: a dozen round trips of Apple's protocol
STEPS = 4, 16             # from one size to the next: the first, and the most
SAMPLE_S = 0.05
MANY_MIB = 256            # of all senders together, when they are many
MANY_PATIENCE = 3         # times as much
RTTS = (0, 1, 20, 100)    # of --all, 0.2 as well
LOSSES = (0, 0.1, 1, 5)
LOSS_RTT = 0.3            # ms, of the cells with loss
# On a long way the first round trips weigh, and a dump is large: it is sent for at least so many
# round trips, and from so many ms on it may be so many times larger.
LONG_RTTS, LONG_RTT, LONG_TIMES = 20, 20, 4
RATED_TIMES = 3           # longer, with a limit on the wire

FAST = ['limit', 'extension', 'ssh-gcm', 'socat']
FIELD = FAST + ['panicd-1406', 'apple-kdumpd', 'atftpd']
MANY = ['limit', 'extension', 'apple-panicd', 'apple-kdumpd', 'socat']
PACKED = ['extension', *systems.PACKING, 'panicd-1406', 'ssh-gcm', 'socat']
LOCKSTEP = ['echo', 'panicd-1406', 'apple-panicd', 'apple-kdumpd']
EVERYBODY = [name for name in systems.BY_NAME if name not in systems.PACKING]
ONCE = ['limit-plain', 'ssh-chacha20', 'apple-panicd-512', 'apple-kdumpd-512']   # not on loopback

# What goes wrong with one system, or under one condition.
ERRORS = (ground.Failed, OSError, ValueError, LookupError, subprocess.SubprocessError)


@dataclasses.dataclass(frozen=True)
class Cell:
    """Conditions under which systems are compared."""
    group: str
    names: tuple
    net: str = 'veth'
    rtt: float = 0        # ms, that the relay adds
    loss: float = 0       # percent, each way
    target: str = 'tmpfs'
    data: str = 'random'
    senders: int = 1
    cpu: int = -1         # everything on this one, -1: on all
    rate: str = ''        # of the link, as tc says it

    def title(self):
        words = [{'loopback': 'loopback', 'veth': 'veth', 'frames': 'veth, frames of 1500 bytes',
                  'relay': 'relay'}[self.net]]
        if self.net == 'relay':
            words.append('RTT %g ms' % self.rtt if self.rtt else 'no delay')
        if self.loss or self.group == 'loss':
            words.append('%g %% lost each way' % self.loss)
        if self.rate:
            words.append(self.rate)
        if self.cpu >= 0:
            words.append('one processor')
        words += [self.target, self.data]
        if self.senders > 1:
            words.append('%d senders' % self.senders)
        return ', '.join(words)


def default_cells(kinds):
    """What each word of --only means."""
    packable = [kind for kind in kinds if kind != 'random']
    return {
        'loopback': [Cell('loopback', tuple(n for n in EVERYBODY if n not in ONCE), 'loopback')],
        'veth': [Cell('veth', tuple(n for n in EVERYBODY if n != 'echo'))],
        'frames': [Cell('frames', (*FAST, 'limit-plain', 'iperf3-tcp', 'iperf3-udp'), 'frames')],
        'core': [Cell('core', tuple(LOCKSTEP), 'loopback', cpu=0)],
        'disk': [Cell('disk', tuple(FIELD), target='disk')],
        'rtt': [Cell('rtt', tuple(FIELD), 'relay', rtt=rtt) for rtt in RTTS],
        'loss': [Cell('loss', (*[n for n in FIELD if n != 'limit'], 'apple-panicd'), 'relay',
                      rtt=LOSS_RTT, loss=loss) for loss in LOSSES],
        'senders': [Cell('senders', tuple(MANY), senders=count)
                    for count in (10, 100, 1000)],
        'data': [Cell('data', ('extension', 'panicd-1406', 'socat'), data=kind)
                 for kind in packable],
        'wire': [Cell('wire', tuple(PACKED), data=kind, rate='1gbit') for kind in packable],
    }


def all_cells(kinds):
    """Every target, delay, loss, number of senders and kind of data with every other."""
    found = []
    for net in ('loopback', 'veth', 'frames'):
        names = tuple(n for n in EVERYBODY if net == 'loopback' or n != 'echo')
        found += [Cell('all', names, net, target=target, data=kind, senders=senders)
                  for target in ('tmpfs', 'disk') for kind in kinds
                  for senders in (1, 10, 100, 1000)]
    for target in ('tmpfs', 'disk'):
        for loss in LOSSES:   # the limit repeats nothing
            names = tuple(n for n in EVERYBODY if n != 'echo' and not (loss and 'limit' in n))
            found += [Cell('all', names, 'relay', rtt=rtt, loss=loss, target=target)
                      for rtt in (*RTTS, 0.2, LOSS_RTT)]
    return found


def bits(rate):
    """A second, of what tc understands by it."""
    return int(rate[:-4]) * {'mbit': 10 ** 6, 'gbit': 10 ** 9}[rate[-4:]]


def machine_s(cpu=-1):
    """Processor seconds that the machine, or this processor of it, has worked or was kept from it,
    since its start."""
    tick, name = os.sysconf('SC_CLK_TCK'), 'cpu' if cpu < 0 else 'cpu%d' % cpu
    with open('/proc/stat') as f:
        words = next(line.split() for line in f if line.split()[0] == name)
    user, nice, system, _, _, irq, softirq, steal = (int(n) / tick for n in words[1:9])
    return user + nice + system + irq + softirq + steal


class Bench:
    """The runs of one call of this program."""

    def __init__(self, args):
        self.args = args
        self.place = systems.Place(args.build)
        self.memory = tempfile.mkdtemp(prefix='panicd-bench-', dir=args.tmpfs)
        self.disk = tempfile.mkdtemp(prefix='panicd-bench-', dir=args.disk)
        self.dumps = dumps.Dumps(os.path.join(self.memory, 'sources'), args.vmcore)
        self.missing, self.left_out = {}, []
        self.allowed = ground.Allowed()

    def close(self):
        self.allowed.close()
        shutil.rmtree(self.memory, ignore_errors=True)
        shutil.rmtree(self.disk, ignore_errors=True)

    def say(self, text):
        print('# ' + text, file=sys.stderr, flush=True)

    def can(self, cell):
        """The systems of @p cell that are here and take so many senders."""
        found = []
        for name in cell.names:
            system = systems.BY_NAME[name]
            if self.args.system and name not in self.args.system:
                continue
            if name not in self.missing:
                self.missing[name] = not system.here(self.place)
                if self.missing[name]:
                    self.say('%s is not here: left out' % system.title)
            if not self.missing[name] and cell.senders <= system.most_senders:
                found.append(system)
        return found

    def link(self, cell):
        if cell.cpu >= 0:
            os.sched_setaffinity(0, {cell.cpu})
        try:
            return ground.Link(cell.net, self.place.build, cell.rtt, cell.loss, self.args.seed,
                               cell.rate, self.args.tcp)
        except BaseException:
            self.free_processors()
            raise

    def free_processors(self):
        os.sched_setaffinity(0, self.args.cpus)

    def run_cell(self, cell):
        """@return what report.py shows; None with nobody to measure"""
        found = self.can(cell)
        if not found:
            return None
        self.say(cell.title())
        rows = {system.name: [] for system in found}
        with self.link(cell) as link:
            try:
                sizes = {s.name: self.fitting(s, cell, link, rows[s.name]) for s in found}
                for number in range(self.args.rounds):
                    for system in (found, found[::-1])[number % 2]:
                        self.another(system, cell, link, sizes[system.name], rows[system.name])
            finally:
                self.free_processors()
            dropped = link.dropped()
        return {**dataclasses.asdict(cell), 'title': cell.title(), 'relay_dropped': dropped,
                'systems': {name: {'title': systems.BY_NAME[name].title,
                                   'relation': systems.BY_NAME[name].relation,
                                   'size': sizes[name],
                                   'rounds': [row for row in runs if row]}
                            for name, runs in rows.items() if any(runs)}}

    def another(self, system, cell, link, size, rows):
        """A round, if one is left. What was cut off is not done again: it would take as long."""
        if size and len(rows) < self.args.rounds and not any(row and row['cut'] for row in rows):
            rows.append(self.attempt(system, cell, link, size))

    def attempt(self, system, cell, link, size):
        """@return None when it failed, which is said and costs this run only"""
        try:
            return self.run(system, cell, link, size)
        except ERRORS as why:
            self.failed('%s: %s: %s' % (cell.title(), system.name, why))
            return None

    def failed(self, text):
        """It is told at the end, and costs nothing else."""
        self.left_out.append(text)
        self.say(text)

    def fitting(self, system, cell, link, rows):
        """The size with which a run takes about as long as is wanted; it warms up as well. A run
        that took much longer than that is the first of @p rows already."""
        most = (self.args.mib if cell.senders == 1 else MANY_MIB) * MIB // cell.senders
        wanted_s = self.args.seconds + LONG_RTTS * cell.rtt / 1000
        if cell.rate:   # a way that is slow to start on, and efforts that are found by trying
            wanted_s *= RATED_TIMES
        if cell.rtt >= LONG_RTT and self.args.room_mib >= 3 * LONG_TIMES * self.args.mib:
            most *= LONG_TIMES
        size = MIB if cell.loss else LEAST if cell.rtt >= LONG_RTT else 4 * MIB
        size = max(LEAST, min(max(size, system.first), most))
        if not system.writes and system.name != 'echo':
            return size
        if self.dumps.most(cell.data):   # its beginning is not like the rest
            return min(most, self.dumps.most(cell.data))
        last = None
        while True:
            row = self.attempt(system, cell, link, size)
            if not row:
                return None
            if row['cut'] or row['seconds'] >= 3 * wanted_s:
                rows.append(row)
                return size
            if size >= most:
                return size
            # What is more by now, over the time that it took more: the beginning does not count.
            factor = STEPS[0]
            if last:
                more_s = max(row['seconds'] - last[1], 0.001)
                lasts_s = more_s * size / (size - last[0])
                if lasts_s >= 0.6 * wanted_s:
                    return size
                factor = max(2, min(STEPS[1], 1 << (int(wanted_s / lasts_s).bit_length() - 1)))
            last = size, row['seconds']
            size = min(most, size * factor)

    def run(self, system, cell, link, size):
        source = self.dumps.path(cell.data, min(size, self.dumps.most(cell.data) or size))
        directory = os.path.join(self.memory if cell.target == 'tmpfs' else self.disk, 'run')
        for path in (directory, directory + '.ssh'):
            shutil.rmtree(path, ignore_errors=True)
        os.mkdir(directory)
        instance = system(self.place, link, directory, cell)
        try:
            instance.start()
            return self.timed(instance, cell, link, source)
        finally:
            for group in link.groups[:2]:
                group.kill()
            shutil.rmtree(directory, ignore_errors=True)

    def timed(self, system, cell, link, source):
        size = os.path.getsize(source)
        before, machine_before = [group.cpu_s() for group in link.groups], machine_s()
        cell_before, carried = machine_s(cell.cpu), link.carried() if cell.rate else None
        own_before = time.process_time()
        start = time.monotonic()
        senders = system.send(source, cell.senders)
        peaks, cut = self.watch(senders + system.waits, cell, link, start)
        if cell.target == 'disk' and system.writes and not system.syncs and not cut:
            for i in range(cell.senders):
                with open(system.arrived(i), 'rb') as f:
                    os.fsync(f.fileno())
        took = time.monotonic() - start
        after = [group.cpu_s() for group in link.groups]
        ours = time.process_time() - own_before + sum(a - b for a, b in zip(after, before) if a)
        others = max(machine_s() - machine_before - ours, 0) / took
        busy = (machine_s(cell.cpu) - cell_before) / took / (1 if cell.cpu >= 0 else os.cpu_count())
        wire = None if carried is None else 8 * (link.carried() - carried) / took / bits(cell.rate)
        said = [p.stdout.read() if p.stdout and not cut else '' for p in senders]
        self.judge(system, cell, senders, cut, said, source)
        note = system.note(said) if not cut else {}
        sent = note.pop('bytes', self.partly(system, size) if cut else size * cell.senders)
        packed = 1.0 if cut or not system.packs else stored(system.arrived(0)) / size
        took = note.pop('seconds', took)
        cpus = [None if a is None else (a - b) / (sent / GIB) if sent else None
                for a, b in zip(after, before)]
        return {'mb_s': sent / took / 1e6, 'seconds': took, 'bytes': sent, 'cut': cut,
                'server_cpu': cpus[0], 'client_cpu': cpus[1],
                'relay_cpu': cpus[2] if link.relay else None,
                'others': others, 'busy': min(busy, 1), 'wire': wire, 'packed': packed,
                'server_mib': peaks[0] / 1024, 'client_mib': peaks[1] / 1024,
                **note}

    def watch(self, processes, cell, link, start):
        """Until all have ended, or patience has. @return (peaks of memory, whether it was cut)"""
        poll, fds, peaks = select.poll(), {}, [0, 0]
        for process in processes:
            fds[os.pidfd_open(process.pid)] = process
        for fd in fds:
            poll.register(fd, select.POLLIN)
        patience = self.args.patience * (MANY_PATIENCE if cell.senders > 1 else 1)
        end, interval, again = start + patience, SAMPLE_S, 0
        left = set(fds)
        while left and time.monotonic() < end:
            if time.monotonic() >= again:
                now = time.monotonic()
                peaks = [max(peak, group.memory_kib())
                         for peak, group in zip(peaks, link.groups)]
                # With a thousand processes a look takes long: it must not be what is measured.
                interval = max(SAMPLE_S, 10 * (time.monotonic() - now))
                again = time.monotonic() + interval
            for fd, _ in poll.poll(1000 * min(interval, max(end - time.monotonic(), 0))):
                poll.unregister(fd)
                left.discard(fd)
        for fd in fds:
            os.close(fd)
        if left:
            link.client.group.kill()
        else:
            peaks[0] = max(peaks[0], link.server.group.memory_kib())
        for process in processes:
            if not left or process.poll() is not None:
                process.wait()
        return peaks, bool(left)

    def judge(self, system, cell, senders, cut, said, source):
        """That it is no figure when the file is another."""
        if cut:
            return
        for process in senders:
            if process.returncode:
                text = process.stderr.read() if process.stderr else ''.join(said)
                raise ground.Failed('it ended with %d: %s' % (process.returncode,
                                                              text.strip()[-300:]))
        if system.writes:
            for i in range(cell.senders):
                same(source, system.arrived(i))

    def partly(self, system, size):
        """What has arrived of a transfer that was cut off."""
        total = 0
        for folder, _, names in os.walk(system.directory):
            for name in names:
                if 'dump-' in name:
                    path = os.path.join(folder, name)
                    stat = os.stat(path)
                    total += min(size, unpacked(path, system.ending) if system.packs else
                                 min(stat.st_size, stat.st_blocks * 512))
        return total


UNPACK = {'': None, '.zst': ['zstd', '-dc'], '.lz4': ['lz4', '-dc'], '.gz': ['gzip', '-dc']}


def arrived(path):
    """@return (the file, opened, so that it may get another name; what unpacks it)"""
    for ending, unpack in UNPACK.items():
        # The first part of a vmcore is no whole one: panicd finds out, and says so in its name.
        for state in ('', '.incomplete'):
            try:
                return open(path + ending + state, 'rb'), unpack
            except FileNotFoundError:
                pass
    raise ground.Failed('nothing has arrived as %s' % os.path.basename(path))


def stored(path):
    """Bytes of the file in which it is kept."""
    got, _ = arrived(path)
    with got:
        return os.fstat(got.fileno()).st_size


def unpacked(path, ending):
    """How many bytes come out of the beginning of a packed file."""
    with open(path, 'rb') as f:
        plain = subprocess.Popen(UNPACK[ending], stdin=f, stdout=subprocess.PIPE,
                                 stderr=subprocess.DEVNULL)
        total = sum(len(part) for part in iter(lambda: plain.stdout.read(MIB), b''))
        plain.wait()
    return total


def same(source, path):
    """Packed or plain, it is what was sent, or this raises."""
    got, unpack = arrived(path)
    with got:
        plain = subprocess.Popen(unpack, stdin=got, stdout=subprocess.PIPE) if unpack else None
        compared = subprocess.run(['cmp', source, '-'], stdin=plain.stdout if plain else got,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if plain:
            plain.stdout.close()
            plain.wait()
    if compared.returncode:
        raise ground.Failed('what arrived is not what was sent: ' + compared.stdout.strip())


def machine(args):
    with open('/proc/cpuinfo') as f:
        model = [line.split(':', 1)[1].strip() for line in f if line.startswith('model name')]
    with open('/etc/os-release') as f:
        system = [line.split('=', 1)[1].strip().strip('"') for line in f
                  if line.startswith('PRETTY_NAME')]
    return {'cpu': model[0] if model else platform.machine(), 'cpus': os.cpu_count(),
            'memory_mib': os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') // MIB,
            'kernel': platform.release(), 'tcp': args.tcp or ground.tcp_control(),
            'system': system[0] if system else '',
            'date': time.strftime('%Y-%m-%d %H:%M UTC', time.gmtime())}


HELP = """usage: sudo ./run bench [OPTION...]

How fast a dump crosses a network, beside ssh, TFTP, TCP and what the machine can do.

  --only NAME      %s
                   %s; may be repeated
  --system NAME    these only, may be repeated:
%s
  --all            every condition with every other, for hours
  --quick          one short round, to see it work
  --rounds N       of everything (2)
  --seconds N      that a run should take (0.5)
  --patience N     seconds after which a run is cut off, and counts as far as it came (12)
  --mib N          of the largest dump (1024)
  --vmcore FILE    a real dump to send as well: "./run demo DIRECTORY" makes one
  --seed N         of what the relay loses (1)
  --tcp NAME       congestion control of TCP, like cubic (the machine's)
  --disk DIR       a directory on a disk (/var/tmp)
  --tmpfs DIR      a directory in memory (/dev/shm)
  --json FILE      all that was measured (bench.json in the build directory)
  --write          make bench/RESULTS.md and its drawing
"""


def help_text(groups):
    names = textwrap.wrap(' '.join(systems.BY_NAME), 76, initial_indent=' ' * 19,
                          subsequent_indent=' ' * 19, break_on_hyphens=False)
    return HELP % (' '.join(groups[:6]), ' '.join(groups[6:]), '\n'.join(names))


def options():
    words = [*default_cells(['random']), *special.NAMES]
    parser = argparse.ArgumentParser(prog='./run bench', add_help=False,
                                     usage='sudo ./run bench [OPTION...]; --help says which')
    parser.add_argument('-h', '--help', action='store_true')
    parser.add_argument('--only', action='append', choices=words)
    parser.add_argument('--system', action='append', choices=systems.BY_NAME)
    for name in ('--all', '--quick', '--write'):
        parser.add_argument(name, action='store_true')
    for name, kind, value in (('--rounds', int, 2), ('--seconds', float, 0.5),
                              ('--patience', float, 12.0), ('--mib', int, 1024),
                              ('--vmcore', str, None), ('--seed', int, 1), ('--tcp', str, None),
                              ('--disk', str, '/var/tmp'), ('--tmpfs', str, '/dev/shm'),
                              ('--json', str, None), ('--build', str, 'build')):
        parser.add_argument(name, type=kind, default=value)
    args = parser.parse_args()
    if args.help:
        print(help_text(words), end='')
        sys.exit(0)
    if args.quick:
        args.rounds, args.seconds, args.mib = 1, min(args.seconds, 0.3), min(args.mib, 256)
    args.json = args.json or os.path.join(args.build, 'bench.json')
    args.cpus = os.sched_getaffinity(0)
    return args


def fit_memory(args):
    """Sources of all sizes, and what arrives, three times the largest."""
    with open('/proc/meminfo') as f:
        free = next(int(line.split()[1]) for line in f if line.startswith('MemAvailable')) // 1024
    args.room_mib = room = min(shutil.disk_usage(args.tmpfs).free // MIB, free)
    while args.mib > 16 and args.mib * 4 > room:
        args.mib //= 2


def command():
    """What was typed, without the places of this machine."""
    words = []
    for word in sys.argv[1:]:
        if words and words[-1] in ('--json', '--build', '--disk', '--tmpfs', '--vmcore'):
            word = '...'
        words.append(word)
    text = ' '.join(words)
    return text.replace('--build ... ', '').replace(' --json ...', '')


class Stopped(BaseException):
    """By a signal: what was measured until then counts."""


def stop(number, _):
    raise Stopped(128 + number)


def measure(args, bench, result):
    """Into @p result, which is kept after each condition: whatever stops or fails later costs only
    what comes later."""
    groups = default_cells(bench.dumps.kinds)
    if args.all:
        groups['all'] = all_cells(bench.dumps.kinds)
    chosen = args.only or [*groups, *special.NAMES]
    begin = time.monotonic()
    for name in ('all',) if args.all else chosen:
        for cell in groups.get(name, [None]):
            try:
                measure_one(bench, result, name, cell)
            except ERRORS as why:
                bench.failed('%s: %s' % (cell.title() if cell else name, why))
            result['took_s'] = time.monotonic() - begin
            save(args, result)


def measure_one(bench, result, name, cell):
    if not cell:
        found = special.NAMES[name](bench)
        if found:
            result['special'][name] = found
        return
    found = bench.run_cell(cell)
    if found:
        found['median'] = {name: statistics.median(row['mb_s'] for row in each['rounds'])
                           for name, each in found['systems'].items()}
        result['cells'].append(found)


def save(args, result):
    with open(args.json + '.new', 'w') as f:
        json.dump(result, f, indent=1)
    os.rename(args.json + '.new', args.json)


def main():
    args = options()
    if os.geteuid():
        sys.exit('bench: network namespaces need root: type "sudo ./run bench"')
    for name in ('ip', 'tc', 'unshare', 'ethtool', 'cmp'):
        if not shutil.which(name, path=os.environ.get('PATH', '') + ':/usr/sbin:/sbin'):
            sys.exit('bench: %s is missing: "./run bench" installs it' % name)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    fit_memory(args)
    bench, status = Bench(args), 0
    result = {'machine': machine(args), 'command': command(), 'rounds': args.rounds,
              'load': os.getloadavg()[0], 'cells': [], 'special': {}, 'took_s': 0,
              'failed': bench.left_out, 'stopped': False}
    try:
        measure(args, bench, result)
    except Stopped as why:
        status = why.args[0]
        result['stopped'] = True
        save(args, result)
    finally:
        bench.close()
    print(report.text(result))
    if args.write:
        report.write(result, HERE)
    return status or (1 if result['failed'] else 0)


if __name__ == '__main__':
    sys.exit(main())
