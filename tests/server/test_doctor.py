#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""panicctl doctor beside a real panicd, in a network of its own: two machines and a cable, so that
what it says of a firewall can be compared with what becomes of a packet. Speaks TAP."""
import contextlib
import hashlib
import json
import os
import pwd
import shutil
import signal
import socket
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from cable import HERE, Cable, own_namespaces, run
from kdp import DATA, PANICCTL, Panicd, Sender, Tap, packet, wrq

PORT = 1069
NOBODY = pwd.getpwnam('nobody')

# Sends the beginning of a dump from the other machine, and says whether it was answered.
ASK = '''
import socket, sys
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
    s.settimeout(0.4)
    s.sendto(bytes.fromhex(sys.argv[1]), (sys.argv[2], int(sys.argv[3])))
    try:
        s.recv(2048)
        print('answered')
    except OSError:
        print('silence')
'''



def is_answered(name):
    """Does the other machine get an answer?"""
    for _ in range(3):  # the first packet of all waits for ARP
        done = CABLE.there(sys.executable, '-c', ASK, wrq(name).hex(), HERE, str(PORT))
        if 'answered' in done.stdout:
            return True
    assert 'silence' in done.stdout, done.stderr
    return False


@contextlib.contextmanager
def rules(text):
    lines = text.replace(';', '\n').replace('} }', '}\n}')  # as old versions of nft want it
    done = run('nft', '-f', '-', input=lines)
    assert done.returncode == 0, (text, done.stderr)
    try:
        yield
    finally:
        run('nft', 'flush', 'ruleset')


def doctor(server, *args, code=None, user=None):
    """{check: (result, text, fix)}; of several with one name, the worst."""
    words = [PANICCTL, '--directory', getattr(server, 'directory', server), 'doctor', '--json', *args]
    if user:
        words = ['setpriv', '--reuid', str(user.pw_uid), '--regid', str(user.pw_gid),
                 '--clear-groups', *words]
    done = run(*words, cwd='/')
    assert done.returncode in (0, 1), (done.returncode, done.stderr)
    answer = json.loads(done.stdout)
    found = {}
    for one in answer['checks']:
        worst = found.get(one['check'])
        if not worst or ['ok', 'warn', 'fail'].index(one['result']) > \
                ['ok', 'warn', 'fail'].index(worst[0]):
            found[one['check']] = (one['result'], one['text'], one['fix'] or '')
        assert one['result'] == 'ok' or one['text'], one
    failed = any(result == 'fail' for result, _, _ in found.values())
    assert done.returncode == (1 if failed else 0) and answer['ok'] == (not failed), answer
    if code is not None:
        assert done.returncode == code, found
    return found


def panicd(**kw):
    return Panicd(port=kw.pop('port', PORT), address=kw.pop('address', '0.0.0.0'), **kw)


def contents(directory):
    """Names, times and bytes of all that is there, but for SQLite's shared memory."""
    found = {}
    for path, _, names in os.walk(directory):
        for name in names:
            full = os.path.join(path, name)
            if os.path.isfile(full) and not name.endswith(('-shm', '-wal')):
                with open(full, 'rb') as f:
                    found[full] = (os.stat(full).st_mtime_ns, hashlib.sha256(f.read()).hexdigest())
    return found


def test_all_is_well():
    """a server that is as it should be fails nothing, and a dump goes the whole way"""
    with panicd() as server:
        found = doctor(server, '--as-client', HERE, code=0)
        for check in ('server', 'port', 'address', 'firewall', 'directory', 'room', 'catalog',
                      'journal', 'left over', 'as client'):
            assert found[check][0] == 'ok', (check, found[check])
        assert HERE in found['address'][1] and 'here' in found['address'][1], found['address']
        assert 'as it was sent' in found['as client'][1], found['as client']
        assert server.files() == [] and server.rows() == [], server.files()
        assert doctor(server, '--as-client', f'{HERE}:{PORT}', code=0)['as client'][0] == 'ok'


def test_no_server():
    """without a server it says how to start one, and changes nothing"""
    with panicd() as server:
        sender = Sender(PORT, HERE)
        sender.dump('core', bytes(5000))
        server.settled()
        server.stop()
        before = contents(server.directory)
        found = doctor(server, code=1)
        assert found['server'][0] == 'fail' and found['server'][2] == 'panicd ' + server.directory
        assert found['port'] == ('ok', f'UDP port {PORT} is free', ''), found['port']
        assert found['journal'][0] == found['catalog'][0] == 'ok', found
        assert contents(server.directory) == before


def test_no_directory():
    """a directory that is not there, or was never one of panicd, is said to be so"""
    with tempfile.TemporaryDirectory() as place:
        found = doctor(place + '/none', code=1)
        assert 'is not there' in found['directory'][1], found
        assert 'room' not in found and not os.path.exists(place + '/none')
        found = doctor(place, code=1)
        assert 'no panicd has ever' in found['directory'][1], found
        assert os.listdir(place) == []


PASS, DROP, SOME = 'ok', 'fail', 'warn'
HOOK = 'type filter hook input priority 0; policy '
RULESETS = [
    (PASS, 'table inet filter { chain input { %s accept; } }' % HOOK),
    (DROP, 'table inet filter { chain input { %s drop; } }' % HOOK),
    (DROP, 'table ip filter { chain input { %s accept; udp dport 1069 drop; } }' % HOOK),
    (DROP, 'table inet f { chain i { %s accept; udp dport { 53, 1000-2000 } reject; } }' % HOOK),
    (PASS, 'table inet f { chain i { %s drop; iif lo accept; udp dport 1069 accept; } }' % HOOK),
    (PASS, 'table inet f { chain i { %s drop; meta l4proto { tcp, udp } th dport 1069 accept; } }'
     % HOOK),
    (DROP, 'table inet f { chain i { %s drop; iifname "lo" accept; tcp dport 1069 accept; '
     'ct state established,related accept; ip protocol icmp accept; } }' % HOOK),
    (PASS, 'table inet f { chain i { %s drop; ct state vmap { invalid : drop, new : jump fresh }; }\n'
     'chain fresh { udp dport != 1069 return; accept; } }' % HOOK),
    (DROP, 'table inet f { chain i { %s accept; udp dport vmap { 53 : accept, 1000-2000 : goto no };'
     ' accept; }\nchain no { udp dport 1069 drop; } }' % HOOK),
    (PASS, 'table inet f { set s { type inet_service; flags interval; elements = { 22, 1060-1070 } }\n'
     'chain i { %s drop; udp dport @s accept; } }' % HOOK),
    (DROP, 'table inet f { set s { type inet_service; elements = { 22 } }\n'
     'chain i { %s drop; udp dport @s accept; } }' % HOOK),
    (SOME, 'table inet f { chain i { %s drop; udp dport 1069 accept; }\n'  # a Mac sends from 1069
     'chain o { type filter hook output priority 0; policy accept; udp dport 1069 drop; } }' % HOOK),
    (DROP, 'table inet f { chain i { %s accept; udp dport 1069 accept; } }\n'
     'table ip g { chain p { type filter hook prerouting priority -300; policy accept; '
     'meta l4proto udp drop; } }' % HOOK),
    (DROP, 'table netdev n { chain n { type filter hook ingress device "here" priority 0; '
     'policy accept; udp dport 1069 drop; } }'),
    (PASS, 'table ip6 f { chain i { %s drop; } }' % HOOK),
    (PASS, 'table inet f { chain i { %s accept; meta pkttype { broadcast, multicast } drop; '
     'meta nfproto ipv6 drop; } }' % HOOK),
    (DROP, 'table inet f { chain o { type filter hook output priority 0; policy drop; '
     'oifname "lo" accept; udp sport 53 accept; } }'),
    (PASS, 'table inet f { chain o { type filter hook output priority 0; policy drop; '
     'udp sport 1069 accept; meta l4proto { tcp, icmp } accept; } }'),
    (PASS, 'table inet f { chain o { type filter hook output priority 0; policy drop; '
     'ct state established accept; } }'),
    (SOME, 'table inet f { chain i { %s drop; ip saddr 10.0.40.7 accept; } }' % HOOK),
    (SOME, 'table inet f { chain i { %s accept; ip saddr 10.0.40.7 drop; } }' % HOOK),
    (SOME, 'table inet f { chain i { %s drop; iifname "here" udp dport 1069 accept; } }' % HOOK),
    (SOME, 'table inet f { chain i { %s drop; udp dport 1069 limit rate 1/second accept; } }' % HOOK),
]


def test_quoted_directory():
    """a directory with a blank in its name is one word of what is to be typed"""
    place = tempfile.mkdtemp(prefix='panicd-doctor-')
    directory = os.path.join(place, 'my dumps')
    os.mkdir(directory, 0o700)
    try:
        found = doctor(directory, code=1)
        assert found['directory'][2] == "panicd '%s'" % directory, found
        assert found['server'][2] == "panicd '%s'" % directory, found
    finally:
        shutil.rmtree(place)


def test_firewalls():
    """what it says of a firewall is what becomes of a packet from another machine"""
    with panicd() as server:
        for number, (expected, text) in enumerate(RULESETS):
            with rules(text):
                found = doctor(server)['firewall']
                answered = is_answered('core-%d' % number)
            assert found[0] == expected, (expected, text, found)
            assert expected == SOME or answered == (expected == PASS), (text, found, answered)


def test_firewall_fix():
    """what it says to type opens the firewall"""
    with panicd() as server:
        for number, (expected, text) in enumerate(RULESETS):
            if expected != DROP:
                continue
            with rules(text):
                fix = doctor(server, code=1)['firewall'][2]
                assert fix.startswith('nft insert rule '), fix
                done = run('sh', '-c', fix)
                assert done.returncode == 0, (fix, done.stderr)
                if doctor(server)['firewall'][0] == 'fail':  # another table drops it, too
                    run('sh', '-c', doctor(server)['firewall'][2])
                assert doctor(server, code=0)['firewall'][0] == 'ok', text
                assert is_answered('fix-%d' % number), (text, fix)


def test_as_client_through_a_firewall():
    """a dump that the firewall keeps away is a failure"""
    with panicd() as server, rules('table inet f { chain i { %s accept; udp dport 1069 drop; } }'
                                   % HOOK):
        found = doctor(server, '--as-client', HERE, code=1)
        assert found['firewall'][0] == 'fail' and found['as client'][0] == 'fail', found
        assert 'no answer from ' + HERE in found['as client'][1], found['as client']


def test_foreign_program():
    """another program on the port is named"""
    with panicd() as server, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        server.stop()
        s.bind((HERE, PORT))
        found = doctor(server, code=1)
        assert f'process {os.getpid()}' in found['port'][1], found['port']
        assert f'kill {os.getpid()}' in found['port'][2], found['port']


def test_foreign_program_beside():
    """a program that takes one address of the port away from the server is named"""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        with panicd(address=HERE) as server:
            s.bind(('127.0.0.1', PORT))
            found = doctor(server, code=1)
            assert f'process {os.getpid()}' in found['port'][1], found['port']


def test_wrong_port():
    """a server on another port than senders use is said to be there"""
    with panicd(port=10690) as server:
        found = doctor(server, code=0)
        assert found['port'][0] == 'warn' and 'panicd_port=10690' in found['port'][1], found
        found = doctor(server, '--port', '1069', code=1)
        assert 'port 10690, not on 1069' in found['server'][1], found['server']
        assert doctor(server, '--port', '10690', code=0)['port'][0] == 'ok'


def test_other_protocols():
    """the firewall is looked at for netdump's port, too, and that nobody has it is a warning"""
    with panicd(netdump_port=None) as server:
        assert doctor(server, code=0)['firewall'][0] == 'ok'
        found = doctor(server, '--port', '20023', code=0)
        assert found['port'] == ('ok', 'UDP port 20023, for netdump', ''), found
        with rules('table ip t { chain c { type filter hook input priority 0; '
                   'udp dport 20023 drop; } }'):
            found = doctor(server, code=1)['firewall']
            assert '20023' in found[1], found
        server.stop()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.bind(('0.0.0.0', 20023))
            server.start()
            found = doctor(server, code=0)['services']
            assert found[0] == 'warn' and 'netdump' in found[1] and '20023' in found[1], found


def test_tftp():
    """the port of TFTP is looked at as well, and when it is asked about, alone"""
    with panicd() as server:
        found = doctor(server, '--port', '69', code=1)
        assert 'not on 69' in found['server'][1] and 'setup --for tftp' in found['server'][2], found
    with panicd(args=['--tftp-port', '69']) as server:
        found = doctor(server, '--as-client', HERE, code=0)
        assert found['port'][1] == 'UDP port 1069' and found['as client'][0] == 'ok', found
        found = doctor(server, '--port', '69', code=0)
        assert found['port'] == ('ok', 'UDP port 69, for tftp', ''), found['port']
        found = doctor(server, '--as-client', f'{HERE}:69', code=0)['as client']
        assert found[0] == 'warn' and 'for tftp' in found[1], found
        assert server.files() == [], server.files()
        with rules('table inet f { chain i { %s accept; udp dport 69 drop; } }' % HOOK):
            found = doctor(server, code=1)['firewall']
            assert found[0] == 'fail' and 'port 69 is dropped' in found[1], found
            assert doctor(server, '--port', '1069', code=0)['firewall'][0] == 'ok'
            assert doctor(server, '--port', '69', code=1)['firewall'][0] == 'fail'
            run('sh', '-c', found[2])
            assert doctor(server, code=0)['firewall'][0] == 'ok'


def test_loopback_only():
    """a server that only this machine reaches is a failure"""
    with panicd(address='127.0.0.1') as server:
        found = doctor(server, code=1)
        assert found['address'][0] == 'fail' and HERE in found['address'][2], found['address']
    with panicd(address='127.0.0.1', args=['--address', HERE]) as server:
        found = doctor(server, code=0)
        assert found['address'] == ('ok', f'{HERE} (here) only', ''), found['address']


def test_no_link():
    """an interface without a link is told"""
    with panicd() as server:
        CABLE.there('ip', 'link', 'set', 'there', 'down')
        try:
            end = time.monotonic() + 10
            while doctor(server)['address'][0] != 'warn':
                assert time.monotonic() < end, doctor(server)['address']
                time.sleep(0.05)
            run('ip', 'addr', 'del', HERE + '/24', 'dev', 'here')
            assert 'no interface' in doctor(server, code=1)['address'][1]
        finally:
            run('ip', 'addr', 'add', HERE + '/24', 'dev', 'here')
            CABLE.there('ip', 'link', 'set', 'there', 'up')


def test_full():
    """a disk on which nothing more may be kept is a failure, and the server agrees"""
    with panicd(config='[policy]\nfloor = 1000T\n') as server:
        found = doctor(server, '--as-client', HERE, code=1)
        assert 'every dump is refused' in found['room'][1], found['room']
        assert found['as client'][0] == 'fail' and 'no room' in found['as client'][1], found


def test_permissions():
    """a directory that others may write is a failure, one that they may read a warning"""
    with panicd() as server:
        for mode, result in ((0o700, 'ok'), (0o755, 'warn'), (0o777, 'fail'), (0o720, 'fail')):
            os.chmod(server.directory, mode)
            found = doctor(server)['directory']
            assert found[0] == result, (oct(mode), found)
            assert result == 'ok' or found[2] == 'chmod 700 ' + server.directory, found
        os.chmod(server.directory, 0o700)


def test_owner():
    """files that the server's user cannot write are named, with the command that gives them back"""
    place = tempfile.mkdtemp(prefix='panicd-doctor-')
    os.chmod(place, 0o711)
    directory = os.path.join(place, 'PanicDumps')
    os.mkdir(directory, 0o700)
    os.chown(directory, NOBODY.pw_uid, NOBODY.pw_gid)
    server = panicd(directory=directory)
    as_nobody = ['setpriv', '--reuid', str(NOBODY.pw_uid), '--regid', str(NOBODY.pw_gid),
                 '--clear-groups']
    try:
        os.chmod(server.config_path, 0o644)
        server.start(wrapper=as_nobody)
        assert doctor(server, code=0)['catalog'][0] == 'ok'
        os.chown(directory + '/.panicd/catalog.db', 0, 0)
        found = doctor(server, code=1)['catalog']
        assert 'catalog.db belongs to root' in found[1], found
        assert run('sh', '-c', found[2]).returncode == 0
        assert doctor(server, code=0)['catalog'][0] == 'ok'
        os.chown(directory, 0, 0)
        os.chmod(directory, 0o755)
        found = doctor(server, code=1)['directory']
        assert 'belongs to root, but panicd runs as nobody' in found[1], found
    finally:
        server.remove()
        shutil.rmtree(place)


def test_without_root():
    """a user who may not look is told to ask root, and what can be seen is told"""
    if os.path.realpath(PANICCTL).startswith('/root'):
        return 'the build is in /root'
    with panicd() as server:
        os.chmod(server.directory, 0o755)
        found = doctor(server, user=NOBODY, code=1)
        assert found['firewall'][0] == 'warn' and found['firewall'][2].startswith('sudo'), found
        assert found['directory'][2].startswith('sudo'), found
        os.chmod(server.directory, 0o700)
        found = doctor(server, user=NOBODY, code=1)
        assert found['directory'][2].startswith('sudo'), found
    return None


def test_dead_server():
    """a server that was killed is not there; one that stands still is named by its lock"""
    with panicd() as server:
        server.kill()
        found = doctor(server, '--as-client', HERE, code=1)
        assert found['server'][1].startswith('nobody listens'), found['server']
        assert 'nothing is listening on UDP port 1069' in found['as client'][1], found['as client']
        server.start()
        os.kill(server.process.pid, signal.SIGSTOP)
        try:
            found = doctor(server, code=1)
        finally:
            os.kill(server.process.pid, signal.SIGCONT)
        assert found['server'][0] == 'fail' and 'does not answer' in found['server'][1], found
        assert f'process {server.process.pid} holds' in found['journal'][1], found['journal']
        assert f'kill {server.process.pid}' in found['journal'][2], found['journal']


def test_left_over():
    """a dump that was arriving when the server ended is told, and so is a file of nobody"""
    with panicd() as server:
        sender = Sender(PORT, HERE)
        sender.open('core')
        sender.ask(packet(DATA, sender.block, bytes(1000)))
        assert doctor(server, code=0)['left over'] == ('ok', 'nothing; 1 arriving', '')
        with open(server.directory + '/stray.part', 'wb') as f:
            f.write(b'x')
        assert '1 .part file that' in doctor(server, code=0)['left over'][1]
        os.unlink(server.directory + '/stray.part')
        server.kill()
        found = doctor(server, code=1)['left over']
        assert found[0] == 'warn' and '1 dump was arriving' in found[1], found
        assert found[2] == 'panicd ' + server.directory


def test_damage():
    """a journal or a catalog that is damaged, missing or cut is told"""
    with panicd() as server:
        state = server.directory + '/.panicd/'
        os.truncate(state + 'journal', os.path.getsize(state + 'journal') - 2048)
        assert 'cut or replaced' in doctor(server, code=1)['journal'][1]
        server.stop()
        with open(state + 'journal', 'r+b') as f:
            f.write(b'garbage!')
        with open(state + 'catalog.db', 'wb') as f:
            f.write(b'garbage!' * 1000)
        for name in ('catalog.db-wal', 'catalog.db-shm'):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(state + name)
        found = doctor(server, code=1)
        assert found['journal'][0] == 'fail' and 'damaged' in found['journal'][1], found['journal']
        assert found['catalog'][0] == 'fail' and 'damaged' in found['catalog'][1], found['catalog']
        os.unlink(state + 'journal')
        os.unlink(state + 'catalog.db')
        found = doctor(server, code=1)
        assert 'missing' in found['journal'][1] and 'missing' in found['catalog'][1], found
        assert not os.path.exists(state + 'catalog.db'), 'it made one'


def test_other_server():
    """a dump that lands in another server's directory says where to remove it"""
    with panicd() as one, panicd(port=10690) as other:
        found = doctor(one, '--as-client', f'{HERE}:10690', code=0)['as client']
        assert found[0] == 'warn' and 'another server' in found[1], found
        name = found[2].split()[-1]
        assert found[2].startswith('there: panicctl rm '), found
        assert other.settled()[0]['name'] == name
        with tempfile.TemporaryDirectory() as place:
            found = doctor(place, '--as-client', f'{HERE}:10690')['as client']
            assert found[0] == 'ok', found


def test_words():
    """what cannot be asked for is said, and the lines are for people, too"""
    for args in (['extra'], ['--port', '0'], ['--frob']):
        done = run(PANICCTL, 'doctor', *args)
        assert done.returncode == 2 and 'panicctl' in done.stderr, done
    with panicd() as server:
        assert 'as client' in doctor(server, '--as-client', 'no.such.host.invalid', code=1)
        assert 'as client' in doctor(server, '--as-client', HERE + ':99999', code=1)
        text = run(PANICCTL, '--directory', server.directory, 'doctor').stdout
        assert text.startswith('ok    server     panicd '), text
        assert '--as-client' in text.splitlines()[-2], text
        server.stop()
        text = run(PANICCTL, '--directory', server.directory, 'doctor').stdout
        assert text.splitlines()[:2] == [
            'FAIL  server     nobody listens for this directory',
            '        to fix   panicd ' + server.directory], text


def main():
    global CABLE
    why = own_namespaces('--net', tools=('nft', 'setpriv'))
    if why:
        print('1..0 # SKIP ' + why)
        return 0
    CABLE = Cable('here', 'there')
    tap = Tap()
    try:
        for name, function in list(globals().items()):
            if name.startswith('test_'):
                tap.run(function)
    finally:
        CABLE.close()
    return tap.done()


if __name__ == '__main__':
    sys.exit(main())
