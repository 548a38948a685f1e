#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What README.md shows is typed here, on two machines with the very addresses that it names, and
what comes is compared with what it says. What is never the same twice is masked by the rules
below, and by nothing else. Speaks TAP.

    PND_BUILD=build tests/readme/test_readme.py            compare
    PND_BUILD=build tests/readme/test_readme.py --record   write what comes into README.md"""
import json
import os
import re
import signal
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(ROOT, 'tests', 'server'))
from cable import HERE, Cable, own_namespaces, run

README = os.path.join(ROOT, 'README.md')
BUILD = os.path.abspath(os.environ.get('PND_BUILD', os.path.join(ROOT, 'build')))
PLACE = '/srv'  # as in the README; an empty file system of this test's own
SECTIONS = ('Once through', 'On a Mac')
LEFT_OUT = ('./run panicbox',)  # boots a machine: tests/panicbox

MASKS = [(re.compile(pattern, re.M), mask) for pattern, mask in (
    (r'\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d{3})?(Z| UTC)', 'TIME'),
    (r'process \d+', 'process N'),
    (r'\bport \d{5}\b', 'port N'),                      # a sender's
    (r'panicd-test-mercury-[0-9a-f]+', 'panicd-test-mercury-N'),
    (r'\b\d+(\.\d+)? (ms|s)\b', 'DURATION'),
    (r'\b\d+(\.\d+)? [KMG]?i?B/s', 'RATE'),
    (r', \d+ retransmissions?$', ''),                   # also none
    (r'(packets    )\d+(, of which \d+ came more than once)?', r'\1N'),
    (r'free="[^"]*"', 'free="N"'),
    (r'^(  room ).*', r'\1N'),
    (r'\b[0-9a-f]{64}\b', 'SHA-256'),                   # of what zlib made
    (r'\d+ compressed', 'N compressed'),
    (r'^(  size +)[\d.]+ MiB \(\d+ bytes\)', r'\1N'),
    (r'[\d.]+ MiB(?=; \d+ refused|, \d+ files| vmcore\.gz)', 'N MiB'),
    (r'bytes \d+ to', 'bytes N to'),                    # where somebody stopped
    (r'bytes=\d+', 'bytes=N'),
    (r' +', ' '),                                       # columns are as wide as what is in them
    (r' $', ''),
)]


def masked(line):
    for pattern, mask in MASKS:
        line = pattern.sub(mask, line)
    return line


class Command:
    def __init__(self, section, line, text):
        self.section, self.line, self.text = section, line, text
        self.expected = []

    def where(self):
        """Which machine it is typed on."""
        return 'there' if self.text.split()[0].startswith(('panicdump', 'tests/readme')) else 'here'


def commands_of(lines, sections=SECTIONS, prompt='$'):
    """Each "$ command" of a fenced block, with what is said to come."""
    section, fenced, found, current = None, False, [], None
    for number, line in enumerate(lines):
        if line.startswith('## '):
            section = line[3:].strip()
        if line.startswith('```'):
            fenced, current = not fenced, None
        elif fenced and section in sections and line.startswith(prompt + ' '):
            current = Command(section, number, line[2:].strip())
            if current.text:
                found.append(current)
        elif fenced and current:
            current.expected.append(line)
    return found


def difference(expected, got, masked=masked):
    """None, or the first line that is not as it should be. "..." stands for any lines."""
    want, have = [masked(line) for line in expected], [masked(line) for line in got]
    if not want:
        return None if not have else f'unexpected: {got[0]}'
    if want[0].strip() == '...':
        if len(want) == 1:
            return None
        for skip in range(len(have) + 1):
            if difference(expected[1:], got[skip:], masked) is None:
                return None
        return f'nowhere: {expected[1]}'
    if not have:
        return f'missing: {expected[0]}'
    if want[0] != have[0]:
        return f'README: {expected[0]}\n# comes:  {got[0]}'
    return difference(expected[1:], got[1:], masked)


class Machines:
    """Types commands, and keeps the server that was started by one."""

    def __init__(self):
        self.cable = Cable('eth0', 'eth0', hostname='mercury')
        self.server = None
        self.log = os.path.join(PLACE, '.log')
        bin_dir = os.path.join(PLACE, '.bin')
        os.mkdir(bin_dir)
        for name in ('panicd', 'panicctl', 'panicdump'):
            os.symlink(os.path.join(BUILD, 'src', name, name), os.path.join(bin_dir, name))
        os.symlink(os.path.join(ROOT, 'tests'), os.path.join(PLACE, 'tests'))
        self.env = {k: v for k, v in os.environ.items() if k not in ('PANICD_DIRECTORY', 'COLUMNS')}
        self.env.update(PATH=bin_dir + ':' + os.environ['PATH'], TZ='UTC', LC_ALL='C.UTF-8')

    def start(self, command):
        before = self.cable.at_there() if command.where() == 'there' else []
        return subprocess.Popen([*before, 'sh', '-c', 'exec ' + command.text], cwd=PLACE, text=True,
                                env=self.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT)

    def start_server(self):
        """@return the lines of its log until it is ready"""
        with open(self.log, 'a+', encoding='utf-8') as log:
            begin = log.seek(0, os.SEEK_END)
            self.server = subprocess.Popen(['panicd'], cwd=PLACE, env=self.env, stdout=log,
                                           stderr=log, stdin=subprocess.DEVNULL)
        end = time.monotonic() + 30
        while True:
            with open(self.log, encoding='utf-8') as log:
                log.seek(begin)
                text = log.read()
            if re.search(r' notice ready .*protocol=netdump.*\n', text):  # the last one
                return text.splitlines()
            assert self.server.poll() is None and time.monotonic() < end, text
            time.sleep(0.01)

    def wait_for(self, verb, what, seconds=60):
        end = time.monotonic() + seconds
        while True:
            done = run('panicctl', '--json', verb, cwd=PLACE, env=self.env)
            answer = json.loads(done.stdout)
            if what(answer):
                return
            assert time.monotonic() < end, answer
            time.sleep(0.005)

    def is_under_way(self, name):
        self.wait_for('status', lambda status: any(t['name'] == name and t['bytes'] > 8 << 20
                                                   for t in status['transfers']))

    def settle(self):
        """Until all that came has ended, and was looked at."""
        self.wait_for('list', lambda answer: all(d['state'] != 'receiving' and d['sha256']
                                                 for d in answer['dumps']))

    def type(self, command):
        """@return the lines that come"""
        if command.text == 'panicd':
            return self.start_server()
        process = self.start(command)
        if '--name again' in command.text:  # "kill the server in the middle of a dump"
            self.is_under_way('again')
            self.server.send_signal(signal.SIGKILL)
            self.server.wait()
            time.sleep(1)
            self.start_server()
        if '--name third' in command.text:  # "Ctrl-C"
            self.is_under_way('third')
            process.send_signal(signal.SIGINT)
        out = process.communicate(timeout=120)[0].splitlines()
        if self.server and command.where() == 'there':  # a person reads, and then types
            self.settle()
        return out

    def close(self):
        if self.server and self.server.poll() is None:
            self.server.terminate()
            self.server.wait(timeout=60)
        self.cable.close()


class Tap:
    def __init__(self):
        self.count = self.failed = 0

    def check(self, sentence, why):
        self.count += 1
        self.failed += bool(why)
        if why:
            print('# ' + why)
        print('%s %d - %s' % ('not ok' if why else 'ok', self.count, sentence), flush=True)


def shortened(expected, got, masked):
    """What comes, with "..." where the README leaves lines out."""
    if '...' not in [line.strip() for line in expected]:
        return got
    out, rest = [], list(got)
    for number, line in enumerate(expected):
        if line.strip() != '...':
            out.append(rest.pop(0) if rest else line)
            continue
        out.append(line)
        behind = expected[number + 1:]
        while behind and rest and masked(rest[0]) != masked(behind[0]):
            rest.pop(0)
    return out


def record(lines, results, masked=masked):
    """README.md with what came in the place of what it said."""
    for command, got in reversed(results):
        begin = command.line + 1
        came = [line.rstrip() for line in shortened(command.expected, got, masked)]
        lines[begin:begin + len(command.expected)] = came
    with open(README, 'w', encoding='utf-8') as file:
        file.write('\n'.join(lines) + '\n')


def check_masks(tap, commands):
    """The rules hide no word: whatever letter of a command's output changes, it is seen."""
    blind = []
    for command in commands:
        for number, line in enumerate(command.expected):
            words = [w for w in re.findall(r'[a-z]{4,}', masked(line)) if line.count(w) == 1]
            if not words or '...' in [other.strip() for other in command.expected]:
                continue
            other = list(command.expected)
            other[number] = line.replace(words[0], words[0][:-1] + ('x' if words[0][-1] == 'q' else 'q'))
            if difference(command.expected, other) is None:
                blind.append(line)
    tap.check('the masks hide no word', '; '.join(blind))


def check_log(tap, machines):
    with open(machines.log, encoding='utf-8') as log:
        text = log.read()
    tap.check('the log says that the dump went on', '' if re.search(
        r' resumed id=\d+ bytes=\d+', text) else text[-500:])


def walk(tap, lines, commands):
    machines, results = Machines(), []
    try:
        for command in commands:
            got = machines.type(command)
            results.append((command, got))
            tap.check(f'line {command.line + 1}: {command.text}'.replace('#', ''),
                      difference(command.expected, got) or '')
        check_log(tap, machines)
    finally:
        machines.close()
    if '--record' in sys.argv:
        record(lines, results)


def main():
    if os.environ.get('PND_OWN_NAMESPACES') is None and not os.path.isdir(PLACE):
        print(f'1..0 # SKIP there is no {PLACE}')
        return 0
    why = own_namespaces('--net', '--mount')
    if why:
        print('1..0 # SKIP ' + why)
        return 0
    mounted = run('mount', '-t', 'tmpfs', '-o', 'size=2g,mode=755', 'tmpfs', PLACE)
    if mounted.returncode != 0:
        print('1..0 # SKIP needs the right to mount: ' + mounted.stderr.strip())
        return 0
    with open(README, encoding='utf-8') as file:
        lines = file.read().splitlines()
    commands = [c for c in commands_of(lines) if not c.text.startswith(LEFT_OUT)]
    tap = Tap()
    tap.check('there is something to be typed', '' if len(commands) >= 10 else str(len(commands)))
    tap.check('it is about the address of this machine',
              '' if any(HERE in c.text for c in commands) else 'no ' + HERE)
    check_masks(tap, commands)
    walk(tap, lines, commands)
    print('1..%d' % tap.count)
    return 1 if tap.failed else 0


if __name__ == '__main__':
    sys.exit(main())
