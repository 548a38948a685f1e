# SPDX-License-Identifier: BSD-2-Clause
"""Dumps for streams, and a directory that they go into."""
import gzip
import json
import os
import random
import struct
import subprocess
import time

from kdp import PANICCTL, Panicd

CONFIG = '[receive]\nslots = 16\n[policy]\nfloor = 0\n'
CONTENT = gzip.compress(random.Random(8).randbytes(300000))


def flatten(content, end=True, step=7000):
    """As makedumpfile -F writes: records in any order, and one that ends them."""
    out = b'makedumpfile'.ljust(16, b'\0') + struct.pack('>QQ', 1, 1)
    out = out.ljust(4096, b'\0')
    at = list(range(0, len(content), step))
    random.Random(9).shuffle(at)
    for start in at:
        part = content[start:start + step]
        out += struct.pack('>QQ', start, len(part)) + part
    return out + b'\xff' * 16 if end else out


class Streams:
    """A panicd, not started, and what is typed beside it."""

    def __init__(self):
        self.panicd = Panicd(config=CONFIG)
        self.directory = self.panicd.directory

    def command(self, *words):
        return [PANICCTL, '--directory', self.directory, *words]

    def start(self, *words, env=None, **more):
        return subprocess.Popen(self.command(*words), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, env={**os.environ, **(env or {})}, **more)

    def run(self, *words, content=b'', code=0, env=None):
        process = self.start(*words, env=env)
        out, err = process.communicate(content, timeout=120)
        assert process.returncode == code, (words, process.returncode, out, err)
        return out.decode(), err.decode()

    def imported(self, *words, content=b'', **more):
        return json.loads(self.run('--json', 'import', '-', *words, content=content,
                                   **more)[0])['imported'][0]

    def ssh(self, asked, content=b'', code=0):
        """As sshd starts the command of a key."""
        return self.run('receive', '--floor', '0', content=content, code=code, env={
            'SSH_CONNECTION': '10.0.40.7 40022 10.0.40.2 22', 'SSH_ORIGINAL_COMMAND': asked})

    def rows(self):
        return self.panicd.rows()

    def files(self):
        return [f for f in self.panicd.files() if not f.startswith('.')]

    def hidden(self):
        return [f for f in self.panicd.files() if f.startswith('.import')]

    def read(self, name):
        return self.panicd.read(name)

    def wait_hidden(self, size):
        """Until a stream has come so far. @return its hidden name"""
        end = time.monotonic() + 30
        while time.monotonic() < end:
            for name in self.hidden():
                if os.stat(os.path.join(self.directory, name)).st_size >= size:
                    return name
            time.sleep(0.01)
        raise AssertionError('no stream of %d bytes in %s' % (size, self.panicd.files()))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.panicd.remove()
