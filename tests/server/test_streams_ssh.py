#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""A real sshd with panicctl receive as the command of a key: dumps come in, and nothing else is
possible with that key."""
import os
import subprocess
import sys
import time

from kdp import Tap
from sshd import PORT, SECRET, UID, USER, Sshd, inside, missing
from streams import CONTENT, flatten

SSHD_OF_ALL = None


def nothing_else(key):
    """Each way out of a forced command that is known."""
    it = SSHD_OF_ALL
    before = len(it.rows())
    mark = it.top + '/mark'

    def refused(done, code=126):
        assert done.returncode == code, done
        assert SECRET.encode() not in done.stdout and b'uid=' not in done.stdout, done
        assert not os.path.exists(mark), done
    for words in (['id'], ['sh'], ['sh', '-c', 'id'], ['/bin/sh', '-i'], ['cat %s/secret' % it.top],
                  ['cat > a; id'], ['cat > a && id'], ['cat > a | id'], ['cat > $(touch %s)' %
                                                                         mark],
                  ['cat > `touch %s`' % mark], ['dd of=a; touch %s' % mark],
                  ['cat > a\ntouch %s' % mark],
                  ['dd if=%s/secret of=/dev/stdout' % it.top], ['mv a b; sh'], ['umask 0 && sh'],
                  ['panicctl', 'export', '1', '-o', '-'], ['"; sh #'], ["'; sh #"], ['\\\nsh']):
        refused(it.ssh(*words, key=key, content=b'id\n'))
    refused(it.ssh(key=key, content=b'id\n'))                          # a login shell
    for flags in (['-tt'], ['-t', '-t', '-v']):
        done = it.ssh(key=key, content=b'id\n', options=flags)         # with a terminal
        refused(done, done.returncode)
        assert done.returncode != 0 and b'tty' not in done.stdout, done
    done = it.ssh('tty', key=key, content=b'', options=['-tt'])
    assert done.returncode != 0 and b'/dev/pts' not in done.stdout, done
    done = it.ssh(key=key, options=['-s', '-o', 'RequestTTY=no'], content=b'', env={})
    assert done.returncode != 0, done
    refused(it.ssh('cat > a; id', key=key, options=['-o', 'SendEnv=LD_PRELOAD'], env={}))
    done = it.ssh('sftp', key=key, options=['-s'])                     # the subsystem
    refused(done)
    # Options of our own cannot come from outside: the command is the key's.
    refused(it.ssh('receive --listen 0.0.0.0:1', key=key))
    assert len(it.rows()) == before, it.rows()


def copies(key):
    it = SSHD_OF_ALL
    for name in ('sftp', 'scp', 'scp -O'):
        tool, *more = name.split()
        port = ['-P', str(PORT)]
        if tool == 'sftp':
            words = ['sftp', *it.options(key), *port, '-b', '-', USER + '@127.0.0.1']
        else:
            words = ['scp', *more, *it.options(key), *port,
                     '%s@127.0.0.1:%s/secret' % (USER, it.top), it.top + '/got']
        done = subprocess.run(words, input=b'get %s/secret %s/got\nput /etc/passwd %s/mark\n' %
                              ((it.top.encode(),) * 3), capture_output=True, timeout=60,
                              check=False)
        assert done.returncode != 0 and not os.path.exists(it.top + '/got'), done
        if tool == 'scp':
            done = subprocess.run(['scp', *more, *it.options(key), *port, '/etc/passwd',
                                   '%s@127.0.0.1:%s/mark' % (USER, it.top)],
                                  capture_output=True, timeout=60, check=False)
            assert done.returncode != 0 and not os.path.exists(it.top + '/mark'), done


def forwards(key):
    """@return what got through"""
    it = SSHD_OF_ALL
    through = []
    done = it.ssh(key=key, options=['-W', '127.0.0.1:%d' % PORT])      # would show an SSH banner
    through += ['-W'] if b'SSH-2.0' in done.stdout else []
    for flags in (['-R', '7777:127.0.0.1:22'], ['-R', it.top + '/sock:127.0.0.1:22']):
        done = it.ssh('mkdir -p x', key=key, options=[*flags, '-o', 'ExitOnForwardFailure=yes'])
        through += flags if done.returncode == 0 else []
    holder = subprocess.Popen(['ssh', *it.options(key), '-p', str(PORT), '-L',
                               '7778:127.0.0.1:%d' % PORT,
                               USER + '@127.0.0.1', 'cat > held'], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE)
    probe = ('import socket,time\nfor i in range(50):\n try:\n  '
             's=socket.create_connection(("127.0.0.1",7778),5); '
             'break\n except OSError: time.sleep(.1)\ns.settimeout(3)\nprint(s.recv(20))')
    out = subprocess.run([sys.executable, '-c', probe], capture_output=True, timeout=60,
                         check=False)
    through += ['-L'] if b'SSH-2.0' in out.stdout else []
    holder.communicate(b'', timeout=30)
    return through


def dumps_come_in():
    """dumps come in through the key of each kdump set-up, and belong to its user"""
    it = SSHD_OF_ALL
    for key in ('forced', 'matched'):
        at = len(it.rows())
        assert it.ssh('mkdir', '-p', '/var/crash/m-1', key=key).returncode == 0
        done = it.ssh('dd', 'of=/var/crash/m-1/dump-incomplete', key=key, content=flatten(CONTENT))
        assert done.returncode == 0, (done, it.log()[-2000:])
        assert it.ssh("mv '/var/crash/m-1/dump-incomplete' '/var/crash/m-1/dump.1'",
                      key=key).returncode == 0
        row = it.rows()[at]
        assert (row['name'], row['peer'], row['protocol']) == ('m-1-dump', '127.0.0.1', 'ssh'), row
        path = it.directory + '/' + row['file']
        assert os.stat(path).st_uid == UID and os.stat(path).st_mode & 0o777 == 0o600
        with open(path, 'rb') as f:
            assert f.read() == CONTENT


def a_shell_is_impossible():
    """with restrict and command=, every way to a shell, a file or a terminal is refused"""
    nothing_else('forced')
    copies('forced')


def forwards_are_impossible():
    """nothing can be forwarded, in either direction"""
    assert forwards('forced') == []


def the_same_by_match():
    """the same is true of ForceCommand and DisableForwarding in a Match of sshd_config"""
    nothing_else('matched')
    copies('matched')
    assert forwards('matched') == []


def cut_off():
    """a sender that is cut off leaves what came"""
    it = SSHD_OF_ALL
    at = len(it.rows())
    process = subprocess.Popen(['ssh', *it.options('forced'), '-p', str(PORT), USER + '@127.0.0.1',
                                'dd of=/var/crash/cut/dump-incomplete'], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdin.write(flatten(CONTENT)[:200000])
    process.stdin.flush()
    time.sleep(1)
    process.kill()
    process.wait()
    end = time.monotonic() + 30
    while len(it.rows()) == at:
        assert time.monotonic() < end, os.listdir(it.directory)
        time.sleep(0.1)
    row = it.rows()[at]
    assert row['state'] == 'incomplete' and row['bytes'] > 100000, row


def main():
    global SSHD_OF_ALL  # pylint: disable=global-statement
    tap = Tap()
    SSHD_OF_ALL = it = Sshd()
    try:
        it.start('Match User %s\n    ForceCommand %s\n    DisableForwarding yes\n'
                 '    PermitTTY no\n' %
                 (USER, it.forced))
        tap.run(dumps_come_in)
        tap.run(the_same_by_match)
        it.stop()
        it.start('Match User nobody\n    PermitTTY no\n')
        # now "matched" would be a shell: this shows that the tests can see one
        def the_tests_see_a_shell():
            """a key without restrict and command= is a shell, which these tests do see"""
            done = it.ssh('id', key='matched')
            assert b'uid=%d' % UID in done.stdout, (done, it.log()[-2000:])
            assert '-W' in forwards('matched')
        tap.run(the_tests_see_a_shell)
        for test in (a_shell_is_impossible, forwards_are_impossible, cut_off):
            tap.run(test)
    finally:
        it.remove()
    return tap.done()


if __name__ == '__main__':
    if '--inside' in sys.argv:
        sys.exit(main())
    WHY = missing()
    if WHY:
        print('1..0 # SKIP ' + WHY)
        sys.exit(0)
    sys.exit(inside(__file__, '--inside'))
