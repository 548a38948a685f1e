# SPDX-License-Identifier: BSD-2-Clause
"""A real sshd with panicctl receive as the command of a key. It runs in namespaces of its own, so
that nothing of the machine is touched, and nothing leaves it. PND_SSHD names an sshd; without it
and without an installed one, Debian's is unpacked beside the kernels of the lab."""
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / 'e2e'))
import lab   # noqa: E402
from kdp import BUILD, PANICCTL   # noqa: E402

PORT = 2222
USER = 'panicd'
UID = 64990
NAMESPACES = ('unshare', '--mount', '--net', '--pid', '--fork', '--kill-child', '--mount-proc')
SECRET = 'what nobody may see'


class Sshd:
    """The user and its key, as SECURITY.md and the manual say. Runs in the namespaces."""

    def __init__(self, port=PORT):
        self.port = port
        self.program, self.libraries = lab.sshd()
        self.top = tempfile.mkdtemp(prefix='panicd-ssh-')
        os.chmod(self.top, 0o755)
        self.directory = self.top + '/dumps'
        os.mkdir(self.directory, 0o700)
        os.chown(self.directory, UID, UID)
        self.tool = self.top + '/panicctl'
        shutil.copy(PANICCTL, self.tool)
        with open(self.top + '/secret', 'w') as f:
            f.write(SECRET)
        self.make_user()
        for key in ('host', 'forced', 'matched'):
            subprocess.run(['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-f',
                            self.top + '/' + key], check=True)
        self.forced = '%s --directory %s receive --floor 0' % (self.tool, self.directory)
        with open(self.top + '/keys', 'w') as f:
            f.write('restrict,command="%s" %s' % (self.forced, self.public('forced')))
            f.write('%s' % self.public('matched'))
        self.process = None

    def public(self, key):
        with open('%s/%s.pub' % (self.top, key)) as f:
            return f.read()

    def make_user(self):
        """In a mount namespace, so that it exists for this test alone."""
        for path, line in (('/etc/passwd',
                            '%s:*:%d:%d::%s:/bin/sh\nsshd:*:64991:64991::/run/sshd:/bin/false\n' %
                            (USER, UID, UID, self.top)),
                           ('/etc/group', '%s:*:%d:\nsshd:*:64991:\n' % (USER, UID))):
            with open(path) as f:
                lines = [x for x in f if x.split(':')[0] not in (USER, 'sshd')]
            copy = self.top + '/' + os.path.basename(path)
            with open(copy, 'w') as f:
                f.write(''.join(lines) + line)
            subprocess.run(['mount', '--bind', copy, path], check=True)
        subprocess.run(['mount', '-t', 'tmpfs', 'tmpfs', '/run'], check=True)
        os.mkdir('/run/sshd', 0o755)

    def start(self, more):
        config = self.top + '/sshd_config'
        with open(config, 'w') as f:
            f.write('Port %d\nListenAddress 127.0.0.1\nHostKey %s/host\n'
                    'AuthorizedKeysFile %s/keys\n'
                    'PidFile none\nUsePAM no\nStrictModes no\nPasswordAuthentication no\n'
                    'PermitUserEnvironment no\nAcceptEnv LANG LC_* LD_* PANICD_*\n'
                    'Subsystem sftp internal-sftp\n%s' % (self.port, self.top, self.top, more))
        with open(self.top + '/log', 'ab') as log:
            self.process = subprocess.Popen(
                [self.program, '-D', '-e', '-f', config], stderr=log,
                env={**os.environ,
                     **({'LD_LIBRARY_PATH': self.libraries} if self.libraries else {})})
        end = time.monotonic() + 20
        while True:
            assert self.process.poll() is None and time.monotonic() < end, self.log()
            try:
                socket.create_connection(('127.0.0.1', self.port), 5).close()
                return self
            except OSError:
                time.sleep(0.05)

    def log(self):
        with open(self.top + '/log', errors='replace') as f:
            return f.read()

    def options(self, key):
        return ['-F', 'none', '-i', '%s/%s' % (self.top, key), '-o', 'IdentitiesOnly=yes', '-o',
                'BatchMode=yes',
                '-o', 'StrictHostKeyChecking=no', '-o', 'UserKnownHostsFile=/dev/null', '-o',
                'LogLevel=ERROR']

    def ssh(self, *words, key='forced', content=b'', options=(), env=None):
        return subprocess.run(['ssh', *self.options(key), '-p', str(self.port), *options,
                               USER + '@127.0.0.1',
                               *words], input=content, capture_output=True, timeout=60, check=False,
                              env={**os.environ, **(env or {})})

    def rows(self):
        if not os.path.exists(self.directory + '/.panicd'):
            return []
        out = subprocess.run([self.tool, '--directory', self.directory, 'list', '--json'],
                             capture_output=True,
                             check=True)
        return json.loads(out.stdout)['dumps']

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.wait(20)
            self.process = None

    def remove(self):
        self.stop()
        shutil.rmtree(self.top, ignore_errors=True)


def missing():
    """What such a server takes and is not here, or None. Fetches what can be fetched: inside there
    is no network."""
    if os.geteuid() != 0:
        return 'takes root'
    for program in ('ssh', 'ssh-keygen'):
        if not shutil.which(program):
            return 'takes %s: apt-get install openssh-client' % program
    tried = subprocess.run([*NAMESPACES, 'mount', '--bind', '/etc/passwd', '/etc/passwd'],
                           capture_output=True, text=True, check=False)
    if tried.returncode:
        return 'takes namespaces, and a mount in them: ' + tried.stderr.strip()[-200:]
    try:
        lab.sshd()
    except lab.Skip as why:
        return str(why)
    return None


def inside(script, *words):
    """Runs the script in the namespaces. @return its exit code"""
    return subprocess.run([*NAMESPACES, 'sh', '-c', 'ip link set lo up && exec "$@"', 'sh',
                           sys.executable, os.path.abspath(script), *words],
                          env={**os.environ, 'PND_BUILD': os.path.abspath(BUILD)},
                          check=False).returncode
