#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""How soon a person knows why a machine died, and that the dump is whole.

A core of 1 GiB whose panic log lies at a given part of it is sent over loopback by the real
panicdump to the real panicd; `panicctl info` is asked again and again. Times are counted from the
sender's end, which is the server's last acknowledgement: negative is before. "early" is what the
catalog knew while the dump arrived; "page" is how long one `panicctl info` takes.

  ninja -C build && bench/arrival.py [--build DIR] [--mib N] [--rounds N] [--at PART] [--json]"""
import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time

sys.dont_write_bytecode = True   # the source tree stays as it is
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, '..', 'tests', 'server'))
MIB = 1 << 20
STEP_S = 0.05


def options():
    parser = argparse.ArgumentParser(description=__doc__.split('\n\n')[0])
    parser.add_argument('--build', default=os.path.join(HERE, '..', 'build'))
    parser.add_argument('--mib', type=int, default=1024, help='size of the core, default 1024')
    parser.add_argument('--rounds', type=int, default=3)
    parser.add_argument('--at', type=float, default=0.5, help='where the panic log is, default 0.5')
    parser.add_argument('--disk', default=tempfile.gettempdir(), help='a directory with the room')
    parser.add_argument('--json', action='store_true', help='JSON instead of a table')
    return parser.parse_args()


def write_core(path, mib, part):
    """In pieces: a pattern that gzip packs about three to one, as memory does."""
    import made_cores as cores
    noise = os.urandom(MIB // 3)
    piece = (noise + bytes(MIB))[:MIB]
    log = bytes(16) + cores.panic_log()
    log += bytes(-len(log) % MIB)
    frame = cores.macho([(cores.KERNEL, b'')])
    size = mib * MIB
    frame = frame.replace((0).to_bytes(8, 'little') + (4096).to_bytes(8, 'little') +
                          (0).to_bytes(8, 'little'),
                          size.to_bytes(8, 'little') + (4096).to_bytes(8, 'little') +
                          size.to_bytes(8, 'little'), 1)
    head, note = frame[:4096], frame[4096:]
    head = head.replace((4096).to_bytes(8, 'little') + len(note).to_bytes(8, 'little'),
                        (4096 + size).to_bytes(8, 'little') + len(note).to_bytes(8, 'little'), 1)
    with open(path, 'wb') as f:
        f.write(head)
        for i in range(mib):
            f.write(log if i == int(mib * part) else piece)
        f.write(note)


class Asker(threading.Thread):
    """Asks for the page of dump 1 until it has a verdict."""

    def __init__(self, ctl, directory):
        super().__init__()
        self.command = [ctl, '--directory', directory, 'info', '--json', '1']
        self.panic = self.verdict = None
        self.page = []

    def run(self):
        end = time.monotonic() + 600
        while self.verdict is None and time.monotonic() < end:
            start = time.monotonic()
            out = subprocess.run(self.command, capture_output=True, check=False)
            now = time.monotonic()
            row = json.loads(out.stdout) if out.returncode == 0 else {}
            if row.get('state') == 'receiving':
                self.page.append(now - start)
            if self.panic is None and row.get('facts', {}).get('panic'):
                self.panic = now
            if row.get('state') in ('complete', 'incomplete') and row.get('sha256'):
                self.verdict = now
                assert row['state'] == 'complete', row
            time.sleep(STEP_S)


def one(args, core, packed):
    from kdp import PANICDUMP, PANICCTL, Panicd
    with Panicd(base=args.disk) as panicd:
        asker = Asker(PANICCTL, panicd.directory)
        begin = time.monotonic()
        asker.start()
        subprocess.run([PANICDUMP, 'send', '--server', '127.0.0.1', '--port', str(panicd.port),
                        *(['--gzip'] if packed else []), core], check=True, capture_output=True)
        end = time.monotonic()
        asker.join()
        return {'seconds': end - begin, 'panic': asker.panic - end, 'verdict': asker.verdict - end,
                'page': statistics.median(asker.page) if asker.page else 0}


def main():
    args = options()
    os.environ['PND_BUILD'] = os.path.abspath(args.build)
    work = tempfile.mkdtemp(prefix='panicd-arrival-', dir=args.disk)
    results = {}
    try:
        core = os.path.join(work, 'core')
        write_core(core, args.mib, args.at)
        for name, packed in (('plain', False), ('gzip', True)):
            rounds = [one(args, core, packed) for _ in range(args.rounds)]
            results[name] = {key: [r[key] for r in rounds] for key in rounds[0]}
    finally:
        shutil.rmtree(work)
    if args.json:
        print(json.dumps(results, indent=1))
        return
    print('%d MiB, the panic log at %.2f of it; seconds, median (least to most)' %
          (args.mib, args.at))
    print('%-6s %22s %24s %24s %8s' % ('', 'sent in', 'panic known', 'verdict', 'page'))
    for name, r in results.items():
        print('%-6s' % name, *('%9.2f (%.2f to %.2f)' % (statistics.median(r[key]), min(r[key]),
                                                         max(r[key]))
                               for key in ('seconds', 'panic', 'verdict', 'page')))


if __name__ == '__main__':
    main()
