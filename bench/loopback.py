#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""What receiving costs, on loopback, with the real panicd and the real panicdump.

Every round measures, one after the other:
  echo      the limit of stop-and-wait here: as many packets of the same sizes between two processes
            that do nothing else (bench/echo.c)
  tmpfs     panicdump send of random bytes to a panicd whose directory is in memory
  disk      the same to a panicd whose directory is on a disk
  many      many dumps at the same time, all begun before any goes on (bench/senders.c), disk
Rates are of the sender's bytes, from the start of panicdump to its end, the last sync of the file
included. The server's processor time (user and system, of all its threads) is that until the last
acknowledgement; the check afterwards (SHA-256, is it whole) is another process, and counted apart.
Memory is the server's peak (VmHWM). The median counts; the least and the most say how far to
trust it. Where waking an idle processor is slow, as in many virtual machines, every packet pays for
it twice, and rates differ several times with what else is running; --cpu holds all on one
processor, where nothing idles.

  ninja -C build && bench/loopback.py [--build DIR] [--mib N] [--rounds N] [--json]"""
import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True   # the source tree stays as it is
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, '..', 'tests', 'server'))

MIB = 1 << 20
TICK = os.sysconf('SC_CLK_TCK')
MANY_BYTES = 256 * 1024   # of each of the many dumps


def options():
    parser = argparse.ArgumentParser(description=__doc__.split('\n\n')[0])
    parser.add_argument('--build', default=os.path.join(HERE, '..', 'build'))
    parser.add_argument('--mib', type=int, default=1024, help='size of a dump, default 1024')
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument('--senders', type=int, default=500, help='dumps at a time, default 500')
    parser.add_argument('--disk', default=tempfile.gettempdir(), help='a directory on a disk')
    parser.add_argument('--tmpfs', default='/dev/shm', help='a directory in memory')
    parser.add_argument('--cpu', type=int, help='hold everything on this one processor')
    parser.add_argument('--json', action='store_true', help='JSON instead of tables')
    return parser.parse_args()


def file_system(path):
    """The type of the file system with the longest mount point above @p path."""
    best = ('', 'unknown')
    path = os.path.realpath(path)
    with open('/proc/self/mounts') as f:
        for line in f:
            _, point, kind = line.split()[:3]
            if os.path.commonpath([path, point]) == point and len(point) >= len(best[0]):
                best = (point, kind)
    return best[1]


def cpu_model():
    with open('/proc/cpuinfo') as f:
        for line in f:
            if line.startswith('model name'):
                return line.split(':', 1)[1].strip()
    return platform.machine()


def machine(cpus):
    return {'cpu': cpu_model(), 'cpus': cpus, 'kernel': platform.release(),
            'memory_mib': os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') // MIB,
            'date': time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())}


def processor_s(pid):
    """(of the process, of its children that have ended) in seconds, user and system."""
    with open('/proc/%d/stat' % pid) as f:
        fields = f.read().rsplit(')', 1)[1].split()
    user, system, child_user, child_system = (int(n) / TICK for n in fields[11:15])
    return user + system, child_user + child_system


def machine_s():
    """(busy, stolen by the hypervisor) processor seconds of the whole machine since its start."""
    with open('/proc/stat') as f:
        user, nice, system, _, _, irq, softirq, steal = (int(n) / TICK
                                                        for n in f.readline().split()[1:9])
    return user + nice + system + irq + softirq, steal


class Others:
    """What others took of the machine's processors meanwhile, in percent of one."""

    def __init__(self):
        self.start, (self.busy, self.stolen) = time.monotonic(), machine_s()

    def percent(self, ours_s):
        busy, stolen = machine_s()
        other = max(busy - self.busy - ours_s, 0) + stolen - self.stolen
        return 100 * other / (time.monotonic() - self.start)


def send(kdp, panicd, source):
    """@return (seconds from start to end, processor seconds, retransmissions) of panicdump"""
    start = time.monotonic()
    process = subprocess.Popen(
        [kdp.PANICDUMP, 'send', '--server', '127.0.0.1', '--port', str(panicd.port), '-q', source],
        stdout=subprocess.PIPE, text=True)
    said = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    took = time.monotonic() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stdout.close()
    if process.returncode:
        sys.exit('loopback: panicdump ended with %d\n%s' % (process.returncode, panicd.log()))
    return took, usage.ru_utime + usage.ru_stime, int(said.split(',')[-1].split()[0])


def settled(panicd, count):
    if any(row['state'] != 'complete' for row in panicd.settled(count, timeout=300)):
        sys.exit('loopback: not every dump is complete\n' + panicd.log())


def one_dump(kdp, base, source, size):
    with kdp.Panicd(base=base) as panicd:
        pid = panicd.process.pid
        before, _ = processor_s(pid)
        idle_kib = panicd.memory_kib('VmHWM')
        others = Others()
        took, sender_s, again = send(kdp, panicd, source)
        server_s = processor_s(pid)[0] - before
        percent = others.percent(server_s + sender_s)
        peak_kib = panicd.memory_kib('VmHWM')
        settled(panicd, 1)
        check_s = processor_s(pid)[1]
    gib = size / (1 << 30)
    return {'mib_s': size / MIB / took, 'server_cpu_s_per_gib': server_s / gib,
            'sender_cpu_s_per_gib': sender_s / gib, 'check_cpu_s_per_gib': check_s / gib,
            'memory_idle_kib': idle_kib, 'memory_peak_kib': peak_kib, 'retransmissions': again,
            'others_percent': percent}


def many_dumps(kdp, base, count, programs):
    with kdp.Panicd(base=base, config='[policy]\nfloor = 0\ntransfers = %d\n[receive]\nslots = %d\n'
                    % (count, max(2048, 2 * count))) as panicd:
        pid = panicd.process.pid
        before, _ = processor_s(pid)
        out = subprocess.run([programs['senders'], str(panicd.port), str(count), str(MANY_BYTES)],
                             stdout=subprocess.PIPE, check=True)
        server_s = processor_s(pid)[0] - before
        peak_kib = panicd.memory_kib('VmHWM')
        settled(panicd, count)
    said = json.loads(out.stdout)
    return {'mib_s': said['bytes'] / MIB / said['seconds'],
            'server_cpu_s_per_gib': server_s / (said['bytes'] / (1 << 30)),
            'memory_peak_kib': peak_kib, 'retransmissions': said['again']}


def echo(size, programs):
    others, before = Others(), os.times()
    out = subprocess.run([programs['echo'], str(size)], stdout=subprocess.PIPE, check=True)
    after = os.times()
    percent = others.percent(after.children_user + after.children_system - before.children_user -
                             before.children_system)
    said = json.loads(out.stdout)
    return {'mib_s': size / MIB / said['seconds'], 'retransmissions': said['again'],
            'microseconds_per_packet': said['seconds'] * 1e6 / said['packets'],
            'others_percent': percent}


def make_source(directory, size):
    path = os.path.join(directory, 'random')
    with open(path, 'wb', buffering=0) as f:
        for at in range(0, size, 16 * MIB):
            f.write(os.urandom(min(16 * MIB, size - at)))
    return path


def measure(kdp, args, programs):
    """Interleaved, so that what disturbs the machine for a while disturbs all of them."""
    size = args.mib * MIB
    tmpfs = os.path.isdir(args.tmpfs) and file_system(args.tmpfs) == 'tmpfs' and \
        shutil.disk_usage(args.tmpfs).free > 2 * size + 64 * MIB
    if not tmpfs:
        print('loopback: no tmpfs at %s with room for two dumps: left out' % args.tmpfs,
              file=sys.stderr)
    rounds = []
    with tempfile.TemporaryDirectory(prefix='panicd-bench-',
                                     dir=args.tmpfs if tmpfs else args.disk) as work:
        source = make_source(work, size)
        for number in range(args.rounds):
            one = {'load': os.getloadavg()[0], 'echo': echo(size, programs)}
            if tmpfs:
                one['tmpfs'] = one_dump(kdp, work, source, size)
            one['disk'] = one_dump(kdp, args.disk, source, size)
            one['many'] = many_dumps(kdp, args.disk, args.senders, programs)
            rounds.append(one)
            print('# round %d of %d: load %.2f, %s MiB/s' % (
                number + 1, args.rounds, one['load'],
                ', '.join('%s %.1f' % (k, v['mib_s']) for k, v in one.items() if k != 'load')),
                file=sys.stderr)
    return rounds


def summary(rounds):
    """The median, the least and the most of everything, and the ratio to the echo beside it."""
    result = {}
    for kind in rounds[0]:
        if kind == 'load':
            continue
        values = {key: [one[kind][key] for one in rounds] for key in rounds[0][kind]}
        if kind != 'echo':
            values['of_echo'] = [one[kind]['mib_s'] / one['echo']['mib_s'] for one in rounds]
        result[kind] = {key: {'median': statistics.median(v), 'min': min(v), 'max': max(v)}
                        for key, v in values.items()}
    return result


TITLES = [
    ('mib_s', 'rate, MiB/s', '%.1f'),
    ('of_echo', 'rate, echo = 1', '%.2f'),
    ('microseconds_per_packet', 'microseconds per packet', '%.2f'),
    ('server_cpu_s_per_gib', 'server, CPU s per GiB', '%.2f'),
    ('sender_cpu_s_per_gib', 'sender, CPU s per GiB', '%.2f'),
    ('check_cpu_s_per_gib', 'check, CPU s per GiB', '%.2f'),
    ('memory_idle_kib', 'server, memory before, KiB', '%.0f'),
    ('memory_peak_kib', 'server, memory peak, KiB', '%.0f'),
    ('retransmissions', 'retransmissions', '%.0f'),
    ('others_percent', 'meanwhile others took, % of a CPU', '%.0f'),
]


def print_tables(report):
    m = report['machine']
    print('%s, %d CPUs, %d MiB, Linux %s, %s' % (m['cpu'], m['cpus'], m['memory_mib'],
                                                 m['kernel'], m['date']))
    print('load average at the rounds: ' + ' '.join('%.2f' % x for x in report['load']))
    print(report['command'])
    sizes = report['sizes']
    told = {'echo': 'echo: the limit of stop-and-wait',
            'tmpfs': 'tmpfs: one dump of %d MiB' % sizes['dump_mib'],
            'disk': 'disk (%s): one dump of %d MiB' % (sizes['disk'], sizes['dump_mib']),
            'many': 'many: %d dumps of %d KiB at a time, disk' % (sizes['senders'],
                                                                 MANY_BYTES // 1024)}
    for kind, values in report['summary'].items():
        print('\n%-44s %10s %10s %10s' % (told[kind], 'median', 'min', 'max'))
        for key, title, form in TITLES:
            if key in values:
                print('  %-42s %10s %10s %10s' % (title, *(
                    form % values[key][which] for which in ('median', 'min', 'max'))))


def main():
    args = options()
    os.environ['PND_BUILD'] = os.path.abspath(args.build)
    import kdp   # reads PND_BUILD
    programs = {name: os.path.join(args.build, 'bench', 'bench-' + name)
                for name in ('echo', 'senders')}
    for program in (kdp.PANICD, kdp.PANICCTL, kdp.PANICDUMP, *programs.values()):
        if not os.access(program, os.X_OK):
            sys.exit('loopback: %s is not there: "ninja -C %s" builds it' % (program, args.build))
    cpus = len(os.sched_getaffinity(0))
    if args.cpu is not None:
        os.sched_setaffinity(0, {args.cpu})
    rounds = measure(kdp, args, programs)
    report = {'machine': machine(cpus), 'command': ' '.join(sys.argv),
              'sizes': {'dump_mib': args.mib, 'senders': args.senders, 'many_bytes': MANY_BYTES,
                        'disk': file_system(args.disk)},
              'load': [one['load'] for one in rounds], 'summary': summary(rounds),
              'rounds': rounds}
    if args.json:
        print(json.dumps(report, indent=1))
    else:
        print_tables(report)


if __name__ == '__main__':
    main()
