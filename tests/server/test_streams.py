#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Dumps that come through a pipe: panicctl import -, and panicctl receive with what kdump set-ups
send by SSH, here without one. Whatever ends a stream, what came of it is kept."""
import concurrent.futures
import os
import signal
import subprocess
import sys
import tempfile
import threading

from kdp import PANICCTL, Tap
from streams import CONTENT, Streams, flatten

SHIM = sys.argv[1] if len(sys.argv) > 1 else None


def standard_input():
    """import - beside a server: the dump of a pipe is one like any other"""
    with Streams() as it:
        it.panicd.start()
        row = it.imported('--name', 'core.gz', content=CONTENT)
        assert (row['state'], row['format'], row['protocol']) == ('complete', 'gzip', 'pipe'), row
        assert (row['name'], row['file'], row['source']) == ('core.gz', 'core.gz', '-'), row
        assert it.read('core.gz') == CONTENT
        row = it.imported(content=CONTENT)
        assert (row['name'], row['same_as']) == ('stream', 1), row
        assert not it.hidden()


def named_pipe():
    """a named pipe is waited for, and gives its name"""
    with Streams() as it, tempfile.TemporaryDirectory() as dir_name:
        path = dir_name + '/vmcore'
        os.mkfifo(path)
        process = it.start('import', path)
        with open(path, 'wb') as f:
            f.write(CONTENT)
        assert process.wait(60) == 0, process.stderr.read()
        assert it.read('vmcore') == CONTENT
        assert process.communicate()[0].startswith(path.encode() + b': dump 1, ')


def truncated():
    """a stream that ends early is kept; what its format promised is missing, so it is incomplete"""
    with Streams() as it:
        row = it.imported('--name', 'core.gz', content=CONTENT[:-1000])
        assert row['state'] == 'incomplete' and row['sha256'], row
        assert it.read('core.gz.incomplete') == CONTENT[:-1000]


def flattened():
    """what makedumpfile has flattened is put in order on arrival, or kept as it came"""
    with Streams() as it:
        row = it.imported('--name', 'core.gz', content=flatten(CONTENT))
        assert (row['state'], row['format']) == ('complete', 'gzip'), row
        assert row['bytes'] == len(CONTENT), row
        assert it.read('core.gz') == CONTENT
        row = it.imported('--name', 'flat', '--keep-form', content=flatten(CONTENT))
        assert it.read('flat') == flatten(CONTENT), row
        row = it.imported('--name', 'cut.gz', content=flatten(CONTENT, end=False))
        assert row['state'] == 'incomplete', row
        assert row['reason'] == 'the flattened dump ends before its last record', row
        assert it.read('cut.gz.incomplete') == CONTENT


def nothing():
    """nothing is no dump"""
    with Streams() as it:
        _, err = it.run('import', '-', code=2)
        assert 'nothing that could be kept came' in err, err
        _, err = it.run('receive', code=2)
        assert it.rows() == [] and not it.hidden(), it.panicd.files()
        _, err = it.run('import', '--move', '-', code=2)
        assert '--move is for a file' in err, err


def told_to_end():
    """a signal ends a stream: what came is an incomplete dump that says so"""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        with Streams() as it:
            process = it.start('import', '-', '--name', 'core.gz')
            process.stdin.write(CONTENT[:100000])
            process.stdin.flush()
            it.wait_hidden(60000)
            process.send_signal(number)
            assert process.wait(60) == 2, process.stderr.read()
            row, = it.rows()
            assert row['state'] == 'incomplete', row
            assert row['reason'] == 'its receiver was told to end', row
            kept = it.read('core.gz.incomplete')
            assert 60000 <= len(kept) <= 100000 and CONTENT.startswith(kept)
            process.stdin.close()


def killed(then):
    with Streams() as it:
        process = it.start('receive', '--floor', '0', env={
            'SSH_CONNECTION': '10.0.40.7 40022 10.0.40.2 22',
            'SSH_ORIGINAL_COMMAND': 'cat > /var/crash/node7/vmcore.gz'})
        process.stdin.write(CONTENT[:100000])
        process.stdin.flush()
        it.wait_hidden(60000)
        process.kill()
        process.wait()
        assert it.rows() == [] and len(it.hidden()) == 1, it.panicd.files()
        then(it)
        row, = it.rows()
        assert (row['name'], row['state']) == ('node7-vmcore.gz', 'incomplete'), row
        assert (row['peer'], row['protocol']) == ('10.0.40.7', 'ssh'), row
        assert row['reason'] == 'its receiver was killed while it came', row
        assert CONTENT.startswith(it.read('node7-vmcore.gz.incomplete')) and not it.hidden()


def killed_receivers():
    """a receiver that is killed loses nothing of what came: the next one keeps it"""
    def next_one(it):
        _, err = it.run('import', '-', code=2)
        assert 'a stream that was interrupted is dump 1 now, incomplete' in err, err

    def beside_a_server(it):
        it.panicd.start()
        it.panicd.kill()
        it.panicd.start()
    killed(next_one)
    killed(beside_a_server)
    killed(lambda it: it.panicd.start())


def a_live_stream_is_left_alone():
    """a server that starts, and other imports, leave a stream alone that still comes"""
    with Streams() as it:
        process = it.start('import', '-', '--name', 'core.gz')
        process.stdin.write(CONTENT[:100000])
        process.stdin.flush()
        name = it.wait_hidden(60000)
        it.imported('--name', 'other.gz', content=CONTENT)
        it.panicd.start()
        assert it.hidden() == [name]
        _, err = process.communicate(CONTENT[100000:], timeout=60)
        assert process.returncode == 0, err
        rows = it.panicd.settled(2)
        assert sorted((r['name'], r['state']) for r in rows) == [
            ('core.gz', 'complete'), ('other.gz', 'complete')], rows
        assert it.read('core.gz') == CONTENT


def full_disk():
    """a full disk ends a stream with the reason, and what came is kept"""
    if os.geteuid() != 0:
        return 'takes root, for a disk that is full'
    script = '''set -e
mount -t tmpfs -o size=6m tmpfs "$2"
head -c 20000000 /dev/urandom | "$1" --directory "$2" import - --name big; echo "import $?"
"$1" --directory "$2" list --json; rm "$2"/big*
head -c 20000000 /dev/urandom |
    "$1" --directory "$2" receive --floor 3M --name floor || echo "receive $?"
stat -f -c "free %a %S" "$2"
"$1" --directory "$2" list --json
'''
    with Streams() as it:
        done = subprocess.run(['unshare', '--mount', 'sh', '-c', script, 'sh', PANICCTL,
                               it.directory],
                              capture_output=True, text=True, timeout=120, check=False)
        if done.returncode and ('mount' in done.stderr or 'unshare' in done.stderr):
            return 'a file system cannot be mounted here'
        assert 'import 0' in done.stdout and 'receive 1' in done.stdout, done
        assert 'No space left on device' in done.stdout, done
        assert '"state": "incomplete"' in done.stdout, done
        assert 'are to stay so (--floor)' in done.stdout, done
        free = done.stdout.split('free ')[1].split()
        assert int(free[0]) * int(free[1]) > 2 << 20, done
    return None


def limit():
    """a stream that is longer than may be ends there"""
    with Streams() as it:
        _, err = it.run('receive', '--dump-bytes', '64K', '--floor', '0', content=CONTENT, code=1)
        assert 'it has more than 65536 bytes (--dump-bytes)' in err, err
        row, = it.rows()
        assert row['bytes'] == 65536 and row['state'] == 'incomplete', row


# ---- what kdump set-ups ask for ----

def kdump_tools():
    """Debian's kdump-tools, its commands in their order"""
    with Streams() as it:
        it.panicd.start()
        to = '/var/crash/10.0.40.7-202611231012'
        it.ssh('mkdir -p ' + to)
        it.ssh('scp -t %s/dmesg.202611231012' % to, code=126)  # said in its log, and it goes on
        it.ssh('dd of=%s/dump-incomplete' % to, flatten(CONTENT))
        it.ssh('mv %s/dump-incomplete %s/dump.202611231012' % (to, to))
        row, = it.panicd.settled(1)
        assert (row['name'], row['protocol']) == ('10.0.40.7-202611231012-dump', 'ssh'), row
        assert (row['peer'], row['state'], row['format']) == ('10.0.40.7', 'complete', 'gzip'), row
        assert it.read(row['file']) == CONTENT


def kdump_utils():
    """Fedora's kdump-utils: what arms it, then the log and the dump"""
    with Streams() as it:
        it.panicd.start()
        to = '/var/crash/10.0.40.7-2026-11-23-10:12:00'
        it.ssh('mkdir -p /var/crash')
        out, _ = it.ssh('mktemp -dqp /var/crash')
        it.ssh('rmdir ' + out.strip())
        out, _ = it.ssh('df --output=avail /var/crash')
        assert out.split()[0] == 'Avail' and int(out.split()[1]) > 0, out
        it.ssh('mkdir -p ' + to)
        it.ssh("umask 0077 && dd of='%s/vmcore-dmesg-incomplete.txt'" % to, b'[    0.0] Linux\n')
        it.ssh('mv %s/vmcore-dmesg-incomplete.txt %s/vmcore-dmesg.txt' % (to, to))
        it.ssh("umask 0077 && dd bs=512 of='%s/vmcore-incomplete'" % to, flatten(CONTENT))
        it.ssh("mv '%s/vmcore-incomplete' '%s/vmcore.flat'" % (to, to))
        rows = it.panicd.settled(2)
        assert [r['name'].rsplit('00-')[-1] for r in rows] == ['vmcore-dmesg.txt', 'vmcore'], rows
        assert it.read(rows[1]['file']) == CONTENT
        assert it.read(rows[0]['file']) == b'[    0.0] Linux\n'


def opensuse():
    """openSUSE's kdump over ssh; its README.txt is not kept"""
    with Streams() as it:
        it.panicd.start()
        to = '/dumps/node7-2026-11-23-10-12'
        asked = 'umask 077; mkdir -p %s && cat > %s/' % (to, to)
        it.ssh(asked + 'README.txt', b'This file will be overwritten\n')
        it.ssh(asked + 'dmesg', b'[    0.0] Linux\n')
        it.ssh(asked + 'vmcore', flatten(CONTENT))
        it.ssh(asked + 'README.txt', b'Kernel crashdump\n')
        it.ssh(asked + 'README.txt', b'x' * (1 << 20), code=2)
        rows = it.panicd.settled(2)
        assert [r['name'] for r in rows] == ['node7-2026-11-23-10-12-dmesg',
                                             'node7-2026-11-23-10-12-vmcore'], rows


def cut_off():
    """a sender that is cut off is told so by the exit code, as far as it can be known"""
    with Streams() as it:
        _, err = it.ssh('dd of=/x/dump-incomplete', flatten(CONTENT)[:50000], code=1)
        assert 'incomplete: the flattened dump ends before its last record' in err, err
        row, = it.rows()
        assert row['state'] == 'incomplete' and row['bytes'] > 0, row


def refused():
    """everything else is refused, and nothing is touched"""
    with Streams() as it:
        for asked in ('', 'sh', 'id; cat > a', 'cat /etc/passwd', 'internal-sftp',
                      'scp -f /etc/shadow',
                      'cat > $(id)', 'panicctl rm 1', 'cat > a\x1b[31m', 'x' * 5000):
            _, err = it.ssh(asked, b'input', code=126)
            assert 'runs no commands' in err and '\x1b' not in err, err
        _, err = it.run('receive', content=b'input', code=126,
                        env={'SSH_CONNECTION': '::1 2 ::1 22'})
        assert 'runs no commands' in err, err
        assert it.panicd.files() == [] and not os.path.exists(it.directory + '/a')


# ---- killed before each operation ----

def feed(process, content):
    try:
        process.stdin.write(content)
        process.stdin.close()
    except BrokenPipeError:
        pass


def cut_at(k, serve, content):
    """@return was it killed?"""
    with Streams() as it:
        it.panicd.start()
        if not serve:
            it.panicd.stop()
        process = it.start('receive', '--floor', '0', '--name', 'core.gz',
                           env={'LD_PRELOAD': SHIM, 'PND_CUT_AT': str(k)})
        feeder = threading.Thread(target=feed, args=(process, content))
        feeder.start()
        process.wait(60)
        feeder.join()
        err = process.stderr.read()
        # In its cage it dies of the attempt to kill itself.
        was_killed = process.returncode in (-signal.SIGKILL, -signal.SIGSYS)
        assert was_killed or process.returncode == 0, (process.returncode, err)
        came = sum(os.stat(os.path.join(it.directory, f)).st_size for f in it.hidden() + it.files())
        it.run('import', '-', code=2)  # brings in what was left
        assert not it.hidden(), it.hidden()
        if not serve:
            it.panicd.start()
        rows = it.panicd.settled(1) if came else it.rows()
        assert len(rows) == (came > 0), (rows, came)
        for row in rows:
            kept = it.read(row['file'])
            assert row['name'] == 'core.gz' or k == 1, row
            assert CONTENT.startswith(kept) and len(kept) == came, (len(kept), came, row)
            assert kept == CONTENT or row['state'] == 'incomplete', row
        return was_killed


def killed_before_every_operation():
    """killed before any of its operations: what was written is a dump, once, with its name"""
    for serve in (False, True):
        times, first, some = 0, 1, [True]
        with concurrent.futures.ThreadPoolExecutor(3) as pool:
            while any(some):  # how many there are varies: a pipe is cut into reads as it comes
                some = list(pool.map(lambda k, s=serve: cut_at(k, s, CONTENT),
                                     range(first, first + 3)))
                times, first = times + sum(some), first + 3
        print('# killed %d times' % times)
        assert times >= 12, times


if __name__ == '__main__':
    tap = Tap()
    for test in (standard_input, named_pipe, truncated, flattened, nothing, told_to_end,
                 killed_receivers, a_live_stream_is_left_alone, full_disk, limit, kdump_tools,
                 kdump_utils, opensuse, cut_off, refused):
        tap.run(test)
    if SHIM:
        tap.run(killed_before_every_operation)
    sys.exit(tap.done())
