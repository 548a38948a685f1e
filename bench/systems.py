# SPDX-License-Identifier: BSD-2-Clause
"""The systems that wire.py measures side by side: how each is started, how it is told to send a
file, and where that file arrives. A system whose programs are not here is left out."""
import json
import os
import shutil
import socket
import subprocess
import time

from ground import Failed, run

PORT = 1069
BLOCK = 1428      # of TFTP: a packet of 1,472 bytes less Ethernet's, IP's and UDP's headers
WINDOW = 64       # of TFTP: with 256 of them atftp's transfers break off on a loaded machine


class Place:
    """Where programs are."""

    def __init__(self, build):
        self.build = os.path.abspath(build)
        self.peers = os.path.join(self.build, 'bench-peers')
        folders = [os.path.join(self.peers, *parts) for parts in
                   (('usr', 'bin'), ('usr', 'sbin'))]
        triplet = run('gcc', '-print-multiarch').strip() if shutil.which('gcc') else ''
        self.path = os.pathsep.join(folders + [os.environ.get('PATH', ''), '/usr/sbin', '/sbin'])
        libraries = [os.path.join(self.peers, *parts, triplet) for parts in
                     (('usr', 'lib'), ('lib',))]
        self.peer_environment = {**os.environ, 'LC_ALL': 'C',
                                 'LD_LIBRARY_PATH': os.pathsep.join(libraries)}

    def peer(self, name):
        return shutil.which(name, path=self.path)

    def ours(self, name):
        return os.path.join(self.build, 'src', name, name)

    def bench(self, name):
        path = os.path.join(self.build, 'bench', 'bench-' + name)
        return path if os.access(path, os.X_OK) else None


def wait_for(true, what, process=None, seconds=20):
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end or (process and process.poll() is not None):
            raise Failed(what + ' has not begun')
        time.sleep(0.002)


class System:
    """One of them, in one run. Files of the server are in @p directory."""
    name = title = ''
    writes = True         # a file, which is compared afterwards
    syncs = False         # before it says that it has it
    packs = False         # on the way: the file that arrives is a packed one
    most_senders = 1
    first = 0             # bytes to begin with, where the beginning takes long
    relation = 'peer'     # panicd, limit or peer: how it is drawn

    def __init__(self, place, link, directory, cell):
        self.place, self.link, self.directory, self.cell = place, link, directory, cell
        self.server, self.client = link.server, link.client
        self.waits = []   # processes of the server's that must end before the file is whole

    @classmethod
    def here(cls, place):
        raise NotImplementedError

    def start(self):
        """Until the server can be sent to."""

    def send(self, source, count):
        """@return the senders, which have just begun"""
        raise NotImplementedError

    def arrived(self, index):
        """The path of what sender @p index has sent."""
        return os.path.join(self.directory, 'dump-%d' % index)

    def note(self, said):
        """Of what the senders printed: what is worth a column of its own."""
        return {}

    def begun(self, port, kind='udp', side=None):
        side = side or self.server

        def there():
            return side.inside(lambda: listens_here(kind, port))
        wait_for(there, self.name)


def listens_here(kind, port):
    """In the namespace of this thread."""
    idle = {'tcp': '0A', 'udp': '07'}[kind]   # the states of sockets that wait for somebody
    with open('/proc/thread-self/net/' + kind) as f:
        return any(line.split()[1].endswith(':%04X' % port) and line.split()[3] == idle
                   for line in f.readlines()[1:])


class Panicd(System):
    """The real server. Whoever sends to it is told by the classes below."""
    relation = 'panicd'
    syncs = True
    options = ()

    @classmethod
    def here(cls, place):
        return os.access(place.ours('panicd'), os.X_OK)

    def start(self):
        config = self.directory + '.conf'
        with open(config, 'w') as f:
            f.write('[policy]\nfloor = 0\n')
        self.log = open(self.directory + '.log', 'w')
        self.process = self.server.start(
            [self.place.ours('panicd'), '--address', self.server.address, '--port', PORT,
             '--config', config, self.directory], stderr=self.log, stdout=self.log)
        wait_for(self.status, self.name, self.process)

    def status(self):
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
                s.connect(os.path.join(self.directory, '.panicd/control'))
                s.sendall(b'status\n')
                return json.loads(b''.join(iter(lambda: s.recv(65536), b'')))
        except (OSError, ValueError):
            return None

    def crowd(self, source, count, *options):
        """Of many senders, started by a small program: this one would take too long for each."""
        script = ('n=$1; shift; for i in $(seq 0 $((n - 1))); do "$@" --name dump-$i "$0" & '
                  'all="$all $!"; done; for one in $all; do wait $one || exit 1; done')
        return [self.client.start(
            ['sh', '-c', script, source, count, self.place.ours('panicdump'), 'send', '--server',
             self.server.address, '--port', PORT, '-q', *options], stdout=subprocess.DEVNULL)]

    def panicdump(self, source, index, *options, ending=''):
        return self.client.start(
            [self.place.ours('panicdump'), 'send', '--server', self.server.address, '--port', PORT,
             '-q', *options, '--name', 'dump-%d%s' % (index, ending), source],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def speaks_extension(place):
    help_text = subprocess.run([place.ours('panicdump'), 'send', '--help'],
                               stdout=subprocess.PIPE, text=True).stdout
    return '--plain' in help_text


class Extension(Panicd):
    name, title = 'extension', "panicd, extension"
    most_senders = 1000
    one_by_one = 10

    @classmethod
    def here(cls, place):
        return Panicd.here(place) and speaks_extension(place)

    def send(self, source, count):
        if count > self.one_by_one:
            return self.crowd(source, count)
        return [self.panicdump(source, i) for i in range(count)]


class Plain(Panicd):
    name, title = 'panicd-1406', "panicd, Apple's protocol"
    most_senders = 10

    def send(self, source, count):
        plain = ['--plain'] if speaks_extension(self.place) else []
        return [self.panicdump(source, i, *plain) for i in range(count)]


class Packed(Panicd):
    """Compressed on the way; what the server keeps is a standard file, which is unpacked to be
    compared. The rate is of the dump's own bytes, until the server has said that it holds it."""
    packs, plain = True, False
    how = ending = ''

    @classmethod
    def here(cls, place):
        return Panicd.here(place) and (cls.plain or speaks_extension(place))

    def send(self, source, count):
        plain = ['--plain'] if self.plain and speaks_extension(self.place) else []
        return [self.panicdump(source, i, '--compress', self.how, *plain, ending=self.ending)
                for i in range(count)]


class ExtensionAuto(Packed):
    name, title = 'extension-auto', 'panicd, extension, --compress auto'
    how, ending = 'auto', '.zst'


class ExtensionZstd(Packed):
    name, title = 'extension-zstd', 'panicd, extension, --compress zstd'
    how, ending = 'zstd', '.zst'


class ExtensionLz4(Packed):
    name, title = 'extension-lz4', 'panicd, extension, --compress lz4'
    how, ending = 'lz4', '.lz4'


class Gzip(Packed):
    name, title = 'panicd-gzip', "panicd, Apple's protocol, gzip"
    how, ending, plain = 'gzip', '.gz', True


class AppleClient:
    """The model of Apple's client, to whichever server; one process for each dump up to ten, one
    process for all of them above: there they would measure the scheduler."""
    block = 1406
    most_senders = 1000
    one_process = 10

    def send(self, source, count):
        if count > self.one_process:
            return [self.client.start(
                [self.place.bench('senders'), '--address', self.server.address, '--file', source,
                 PORT, count, os.path.getsize(source)], stdout=subprocess.PIPE, text=True)]
        return [self.client.start(
            [self.place.bench('apple'), '--server', '%s:%d' % (self.server.address, PORT),
             '--file', source, '--block', self.block, '--name', 'dump-%d' % i],
            stdout=subprocess.PIPE, text=True) for i in range(count)]

    def note(self, said):
        words = [json.loads(text) for text in said if text.startswith('{')]
        return {'again': sum(word.get('retransmissions', word.get('again', 0)) for word in words)}


class AppleToPanicd(AppleClient, Panicd):
    name, title = 'apple-panicd', "Apple's client to panicd"

    @classmethod
    def here(cls, place):
        return Panicd.here(place) and bool(place.bench('apple'))


class AppleToPanicd512(AppleToPanicd):
    name, title = 'apple-panicd-512', "Apple's client to panicd, 512 bytes"
    block = 512
    most_senders = 10


class AppleToApple(AppleClient, System):
    name, title = 'apple-kdumpd', "Apple's client to Apple's server"

    @classmethod
    def here(cls, place):
        return bool(place.bench('apple') and place.bench('kdumpd'))

    def start(self):
        process = self.server.start(
            [self.place.bench('kdumpd'), '--address', self.server.address, '--port', PORT,
             self.directory], stdout=subprocess.PIPE, text=True)
        if process.stdout.readline() != 'ready\n':
            raise Failed('bench-kdumpd has not begun')


class AppleToApple512(AppleToApple):
    name, title = 'apple-kdumpd-512', "Apple's client to Apple's server, 512 bytes"
    block = 512
    most_senders = 10


class Echo(System):
    """The limit of stop-and-wait: packets there and back, nothing done with them."""
    name, title = 'echo', 'echo: the limit of stop-and-wait'
    writes, relation = False, 'limit'

    @classmethod
    def here(cls, place):
        return bool(place.bench('echo'))

    def send(self, source, count):
        return [self.server.start([self.place.bench('echo'), os.path.getsize(source)])]


class Tftp(System):
    most_senders = 100
    window = None

    def send(self, source, count):
        options = ['--option', 'blksize %d' % BLOCK]
        if self.window:
            options += ['--option', 'windowsize %d' % self.window]
        return [self.client.start(
            [self.place.peer('atftp'), *options, '--put', '-l', source, '-r', 'dump-%d' % i,
             self.server.address, PORT], env=self.place.peer_environment,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) for i in range(count)]


class TftpdHpa(Tftp):
    name, title = 'tftpd-hpa', 'TFTP: tftpd-hpa'

    @classmethod
    def here(cls, place):
        return bool(place.peer('atftp') and place.peer('in.tftpd'))

    def start(self):
        self.server.start(
            [self.place.peer('in.tftpd'), '--listen', '--foreground', '-c', '-p', '-u', 'root',
             '-U', '0', '-a', '%s:%d' % (self.server.address, PORT), '-s', self.directory],
            env=self.place.peer_environment, stderr=subprocess.DEVNULL)
        self.begun(PORT)


class Atftpd(Tftp):
    name, title, window = 'atftpd', 'TFTP: atftpd, window %d' % WINDOW, WINDOW

    @classmethod
    def here(cls, place):
        return bool(place.peer('atftp') and place.peer('atftpd'))

    def start(self):
        self.server.start(
            [self.place.peer('atftpd'), '--daemon', '--no-fork', '--user', 'root', '--group',
             'root', '--port', PORT, '--bind-address', self.server.address, '--maxthread', '1000',
             '--logfile', '-', '--verbose=0', self.directory], env=self.place.peer_environment,
            stderr=subprocess.DEVNULL)
        self.begun(PORT)


SSHD = """ListenAddress %s
Port 2222
HostKey %s/key
AuthorizedKeysFile %s/key.pub
StrictModes no
UsePAM no
PidFile none
PermitRootLogin yes
MaxStartups 1000
LogLevel QUIET
"""


class Ssh(System):
    """As a crash kernel does it that has no other way: `ssh HOST "cat > FILE"`."""
    most_senders = 10
    first = 64 << 20
    cipher = ''

    @classmethod
    def here(cls, place):
        return bool(place.peer('ssh') and place.peer('sshd') and shutil.which('ssh-keygen'))

    def start(self):
        home = self.directory + '.ssh'
        os.makedirs(home, exist_ok=True)
        run('ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-f', home + '/key')
        with open(home + '/conf', 'w') as f:
            f.write(SSHD % (self.server.address, home, home))
        with open('/etc/passwd') as f, open(home + '/passwd', 'w') as to:
            to.write(f.read() + 'sshd:x:65534:65534::/run/sshd:/usr/sbin/nologin\n')
        # Its user and its directory are there for it alone: nothing is changed on this machine.
        script = ('mount --bind "$1/passwd" /etc/passwd && mount -t tmpfs none /run && '
                  'mkdir -m 755 /run/sshd && exec "$2" -D -e -f "$1/conf"')
        self.server.start(['unshare', '--mount', 'sh', '-c', script, 'sh', home,
                           self.place.peer('sshd')], env=self.place.peer_environment,
                          stderr=subprocess.DEVNULL)
        self.begun(2222, 'tcp')

    def send(self, source, count):
        return [self.client.start(
            [self.place.peer('ssh'), '-F', 'none', '-q', '-o', 'StrictHostKeyChecking=no',
             '-o', 'UserKnownHostsFile=/dev/null', '-o', 'Compression=no', '-o', 'BatchMode=yes',
             '-i', self.directory + '.ssh/key', '-c', self.cipher, '-p', '2222',
             'root@' + self.server.address, 'cat > "%s"' % self.arrived(i)],
            env=self.place.peer_environment, stdin=open(source, 'rb'),
            stderr=subprocess.STDOUT, stdout=subprocess.PIPE, text=True) for i in range(count)]


class SshChacha(Ssh):
    name, title, cipher = 'ssh-chacha20', 'ssh, chacha20', 'chacha20-poly1305@openssh.com'


class SshGcm(Ssh):
    name, title, cipher = 'ssh-gcm', 'ssh, aes128-gcm', 'aes128-gcm@openssh.com'


class Socat(System):
    """TCP and nothing else; one server process for each sender, as it stands for."""
    name, title = 'socat', 'TCP: socat'
    most_senders = 100
    block = '262144'

    @classmethod
    def here(cls, place):
        return bool(place.peer('socat'))

    def start(self):
        for i in range(self.cell.senders):
            self.waits.append(self.server.start(
                [self.place.peer('socat'), '-u', '-b', self.block,
                 'TCP4-LISTEN:%d,bind=%s,reuseaddr' % (3000 + i, self.server.address),
                 'OPEN:%s,creat,trunc' % self.arrived(i)],
                env=self.place.peer_environment))
        for i in range(self.cell.senders):
            self.begun(3000 + i, 'tcp')

    def send(self, source, count):
        return [self.client.start(
            [self.place.peer('socat'), '-u', '-b', self.block, 'OPEN:%s,rdonly' % source,
             'TCP4:%s:%d' % (self.server.address, 3000 + i)], env=self.place.peer_environment)
            for i in range(count)]


class Iperf(System):
    """No file at all: what the machine's TCP or UDP does between two programs."""
    writes = False
    seconds = 1
    more = ()

    @classmethod
    def here(cls, place):
        return bool(place.peer('iperf3'))

    def start(self):
        self.server.start([self.place.peer('iperf3'), '-s', '-B', self.server.address, '-1'],
                          env=self.place.peer_environment)
        self.begun(5201, 'tcp')

    def send(self, source, count):
        return [self.client.start(
            [self.place.peer('iperf3'), '-c', self.server.address, '-t', self.seconds, '-J',
             *self.more], env=self.place.peer_environment, stdout=subprocess.PIPE, text=True)]

    def note(self, said):
        end = json.loads(said[0])['end']
        if 'sum_received' in end and end['sum_received'].get('bytes'):
            total = end['sum_received']
            return {'bytes': total['bytes'], 'seconds': total['seconds']}
        total = end['sum']
        lost = total['lost_percent'] / 100
        return {'bytes': total['bytes'] * (1 - lost), 'seconds': total['seconds'],
                'lost_percent': total['lost_percent']}


class IperfTcp(Iperf):
    name, title = 'iperf3-tcp', 'iperf3 TCP, no file'


class IperfUdp(Iperf):
    name, title = 'iperf3-udp', 'iperf3 UDP 1440, no file'
    more = ('-u', '-b', '0', '-l', '1440')


class Limit(System):
    name, title, relation = 'limit', 'the limit: UDP with GSO and GRO', 'limit'
    most_senders = 100
    more = ()
    port = 7000

    @property
    def syncs(self):
        return self.cell.target == 'disk'

    @classmethod
    def here(cls, place):
        return bool(place.bench('limit'))

    def start(self):
        disk = ['--disk'] if self.cell.target == 'disk' else []
        for i in range(self.cell.senders):
            self.waits.append(self.server.start(
                [self.place.bench('limit'), 'receive', *self.more, *disk, self.port + i,
                 self.arrived(i)], stderr=subprocess.DEVNULL))
        for i in range(self.cell.senders):
            self.begun(self.port + i)

    def send(self, source, count):
        # What the way holds at 2 GB/s, and a few batches; the relay queues no more than 256 MiB.
        window = min(max(8 << 20, int(self.cell.rtt * 2e6)), 200 << 20) // count
        return [self.client.start(
            [self.place.bench('limit'), 'send', *self.more, '--window', window,
             self.server.address, self.port + i, source], stderr=subprocess.PIPE, text=True)
            for i in range(count)]


class LimitPlain(Limit):
    name, title = 'limit-plain', 'the same without GSO and GRO'
    more = ('--plain',)


ALL = [Limit, LimitPlain, Extension, Plain, AppleToPanicd, AppleToPanicd512, AppleToApple,
       AppleToApple512, Echo, TftpdHpa, Atftpd, SshChacha, SshGcm, Socat, IperfTcp, IperfUdp, ExtensionAuto,
       ExtensionZstd, ExtensionLz4, Gzip]
PACKING = [system.name for system in ALL if issubclass(system, Packed)]
BY_NAME = {system.name: system for system in ALL}
