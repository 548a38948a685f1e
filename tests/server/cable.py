# SPDX-License-Identifier: BSD-2-Clause
"""Two machines and a cable between them, in namespaces of their own: this one, 10.0.40.2, and
another, 10.0.40.7."""
import os
import shutil
import subprocess
import sys

HERE, THERE = '10.0.40.2', '10.0.40.7'


def run(*args, **kw):
    return subprocess.run(args, capture_output=True, text=True, timeout=120, check=False, **kw)


def own_namespaces(*kinds, tools=()):
    """Starts this program anew in namespaces of its own. @return why that cannot be, or None"""
    if os.environ.get('PND_OWN_NAMESPACES'):
        return None
    for tool in ('ip', 'unshare', 'nsenter', *tools):
        if not shutil.which(tool, path=os.environ['PATH'] + ':/usr/sbin:/sbin'):
            return 'needs ' + tool
    if run('unshare', *kinds, 'true').returncode != 0:
        return 'needs the right to make namespaces'
    os.environ['PND_OWN_NAMESPACES'] = '1'
    os.environ['PATH'] += ':/usr/sbin:/sbin'
    os.execvp('unshare', ['unshare', *kinds, sys.executable, *sys.argv])
    return None


class Cable:
    """Interfaces of these names, up, with their addresses."""

    def __init__(self, here, there, hostname='there'):
        self.far = subprocess.Popen(
            ['unshare', '--net', '--uts', 'sh', '-c', f'hostname {hostname}; echo; exec sleep 600'],
            stdout=subprocess.PIPE)
        self.far.stdout.readline()
        for words in (['link', 'set', 'lo', 'up'],
                      ['link', 'add', here, 'type', 'veth', 'peer', 'name', 'far-end'],
                      ['link', 'set', 'far-end', 'netns', str(self.far.pid)],
                      ['addr', 'add', HERE + '/24', 'dev', here], ['link', 'set', here, 'up']):
            done = run('ip', *words)
            assert done.returncode == 0, (words, done.stderr)
        for words in (['link', 'set', 'far-end', 'name', there],
                      ['addr', 'add', THERE + '/24', 'dev', there], ['link', 'set', there, 'up'],
                      ['link', 'set', 'lo', 'up']):
            done = self.there('ip', *words)
            assert done.returncode == 0, (words, done.stderr)

    def at_there(self):
        """What stands before a command that runs on the other machine."""
        return ['nsenter', '-t', str(self.far.pid), '--net', '--uts']

    def there(self, *args, **kw):
        return run(*self.at_there(), *args, **kw)

    def close(self):
        self.far.kill()
        self.far.wait()
