#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What README.md shows of a Linux machine is typed into one, in QEMU, and what comes is compared
with what it says, as test_readme.py does for the rest. Speaks TAP.

    PND_BUILD=build tests/readme/test_linux.py             compare
    PND_BUILD=build tests/readme/test_linux.py --record    write what comes into README.md"""
import os
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(ROOT, 'tests', 'linux'))
sys.path.insert(0, os.path.join(ROOT, 'tests', 'readme'))
import shell_guest
import lab
from test_readme import BUILD, HERE, README, Tap, commands_of, difference, record
from cable import THERE, own_namespaces, run

SECTION = 'On Linux'
NETDEV = f'user,id=n0,net=10.0.40.0/24,host={HERE}'
RESTART = 'reboot'   # behind it, the machine is one with memory for a crash kernel
RESERVE = re.compile(r'\bcrashkernel=(\d+M)')

MASKS = [(re.compile(pattern), mask) for pattern, mask in (
    (r'\b\d+\.\d+\.\d+-\d+-', 'VERSION-'),              # of Debian's kernel today
    (r'\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC \([\d:]+ ago\)', 'TIME'),
    (r'\b\d+(\.\d)? MiB\b', 'N MiB'),                   # of what a kernel takes today
    (r'\bcrashkernel=\d+M\b', 'crashkernel=N'),
    (r'panicd-test-mercury-[0-9a-f]+', 'panicd-test-mercury-N'),
    (r'\b\d+\.\d+ ms\b', 'DURATION'),
    (r' +', ' '),
)]


def masked(line):
    for pattern, mask in MASKS:
        line = pattern.sub(mask, line)
    return line


def image():
    """A machine that looks like an installed Debian, to panicdump, and what `./run panicdump` packs
    on it."""
    files = {'etc/default/grub': '', 'usr/sbin/update-grub': '', 'usr/lib/systemd/systemd': '',
             'etc/kernel/postinst.d/dracut': ''}
    with tempfile.TemporaryDirectory(prefix='panicd-readme-') as root:
        done = run('meson', 'install', '-C', BUILD, '--no-rebuild', '--strip', '--destdir', root,
                   '--tags', 'panicdump')
        if done.returncode != 0:
            raise lab.LabError(done.stdout + done.stderr)
        for path in pathlib.Path(root).rglob('*'):
            if path.is_file():
                files[str(path.relative_to(root))] = path.read_bytes()
    init = shell_guest.INIT.replace('10.0.2.15/24', THERE + '/24').replace(
        'ip route add default via 10.0.2.2', 'hostname mercury')
    return shell_guest.initramfs('cloud-amd64', files=files, init=init)


class Machine:
    def __init__(self, work, guest_image):
        self.work, self.image, self.guest = work, guest_image, None

    def boot(self, reserve):
        self.close()
        work = tempfile.mkdtemp(dir=self.work)
        self.guest = shell_guest.ShellGuest(work, self.image, memory_mib=512, reserve=reserve,
                                            netdev=NETDEV)
        self.guest.__enter__()
        self.guest.run('export NO_COLOR=1')

    def close(self):
        if self.guest:
            self.guest.__exit__()
        self.guest = None

    def type(self, command):
        return self.guest.run(command)[1].splitlines()


def walk(tap, machine, lines, commands):
    results, reserve = [], None
    machine.boot(None)
    for command in commands:
        if command.text == RESTART:
            machine.boot(reserve)
            continue
        got = machine.type(command.text)
        results.append((command, got))
        found = RESERVE.search('\n'.join(got))
        reserve = found[1] if found else reserve
        tap.check(f'line {command.line + 1}: {command.text}'.replace('#', ''),
                  difference(command.expected, got, masked) or '')
    if '--record' in sys.argv:
        record(lines, results, masked)


def main():
    lab.end_cleanly_on_sigterm()
    try:
        lab.need_qemu()
        if 'PND_OWN_NAMESPACES' not in os.environ:
            shell_guest.initramfs('cloud-amd64')   # fetches what it needs, where there is a network
        why = own_namespaces('--net')
        guest_image = None if why else image()
    except lab.Skip as error:
        why = error
    if why:
        print(f'1..0 # SKIP {why}')
        return 0
    run('ip', 'link', 'set', 'lo', 'up')
    with open(README, encoding='utf-8') as file:
        lines = file.read().splitlines()
    commands = commands_of(lines, (SECTION,), '#')
    tap = Tap()
    tap.check('there is something to be typed', '' if len(commands) >= 4 else str(len(commands)))
    with tempfile.TemporaryDirectory(prefix='panicd-readme-') as work:
        log = open(f'{work}/log', 'w', encoding='utf-8')
        server = subprocess.Popen([lab.binary('panicd'), f'{work}/dumps'], stdin=subprocess.DEVNULL,
                                  stdout=log, stderr=log)
        machine = Machine(work, guest_image)
        try:
            walk(tap, machine, lines, commands)
        except lab.LabError as error:
            tap.check('the machine does what is typed', str(error))
        finally:
            machine.close()
            server.terminate()
            server.wait(timeout=60)
            log.close()
    print('1..%d' % tap.count)
    return 1 if tap.failed else 0


if __name__ == '__main__':
    sys.exit(main())
