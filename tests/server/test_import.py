#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""panicctl import beside a running panicd, without one, and with either of them killed at every
step: a file is a whole dump or none, nothing is lost, no id and no name is given twice."""
import concurrent.futures
import gzip
import json
import os
import random
import subprocess
import sys
import threading
import time

from kdp import PANICCTL, Panicd, Sender, Tap

SHIM = sys.argv[1] if len(sys.argv) > 1 else None
CONTENT = gzip.compress(random.Random(7).randbytes(300000))
CONFIG = '[receive]\nslots = 16\n[policy]\nfloor = 0\n'
MARGIN = 4


class Import:
    """A panicd, not started yet, and a file to import."""

    def __init__(self):
        self.panicd = Panicd(config=CONFIG)
        self.source = self.panicd.directory + '.source.gz'
        self.write(CONTENT)

    def write(self, content):
        with open(self.source, 'wb') as f:
            f.write(content)

    def start(self, *more, env=None):
        return subprocess.Popen(
            [PANICCTL, '--directory', self.panicd.directory, '--json', 'import', self.source,
             '--name', 'core.gz', *more], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env={**os.environ, **(env or {})})

    def run(self, *more, code=0, env=None):
        process = self.start(*more, env=env)
        out, err = process.communicate(timeout=60)
        assert process.returncode == code, (process.returncode, out, err)
        return err.decode() if code else json.loads(out)['imported']

    def files(self):
        return [f for f in self.panicd.files() if not f.startswith('.import-')]

    def hidden(self):
        return [f for f in self.panicd.files() if f.startswith('.import-')]

    def check(self, least, most):
        """As many dumps of it, all whole, all different, and nothing else."""
        rows = self.panicd.rows()
        assert least <= len(rows) <= most, rows
        assert len({r['id'] for r in rows}) == len(rows), rows
        assert sorted(r['file'] for r in rows) == self.files(), (rows, self.panicd.files())
        for row in rows:
            assert row['state'] in ('complete', 'receiving'), rows
            assert self.panicd.read(row['file']) == CONTENT, row
        return rows

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.panicd.remove()
        if os.path.exists(self.source):
            os.unlink(self.source)


def beside_a_server():
    """beside a server it is a dump like any other: id, check, event; the file stays"""
    with Import() as it:
        it.panicd.start()
        row, = it.run()
        assert (row['id'], row['name'], row['file']) == (1, 'core.gz', 'core.gz'), row
        assert (row['state'], row['format'], row['protocol']) == ('complete', 'gzip', 'import'), row
        assert row['source'] == it.source and row['same_as'] is None and not row['moved'], row
        row, = it.run()
        assert (row['id'], row['file'], row['same_as']) == (2, 'core.1.gz', 1), row
        assert os.path.exists(it.source)
        it.check(2, 2)
        assert 'imported id=1' in it.panicd.log()


def while_a_dump_arrives():
    """ids do not collide with what the server receives at the same time"""
    with Import() as it:
        it.panicd.start()
        sender = Sender(it.panicd.port)
        sender.open('core.gz')
        sender.data(CONTENT[:1406])  # has id 1 and the name
        row, = it.run()
        assert (row['id'], row['file']) == (2, 'core.1.gz'), row
        for at in range(1406, len(CONTENT), 1406):
            sender.data(CONTENT[at:at + 1406])
        sender.eof()
        sender.close()
        rows = it.panicd.settled(2)
        assert {r['file']: r['id'] for r in rows} == {'core.gz': 1, 'core.1.gz': 2}, rows
        it.check(2, 2)


def journaled_ids():
    """without a server, ids of dumps that wait for its restart are not given away"""
    with Import() as it:
        it.panicd.start()
        sender = Sender(it.panicd.port, rto=0.03)
        sender.open('live')
        sender.data(CONTENT[:1406])
        it.panicd.kill()
        row, = it.run()
        assert row['id'] == 2 and row['state'] == 'complete', row
        it.panicd.start()
        for at in range(1406, len(CONTENT), 1406):
            sender.data(CONTENT[at:at + 1406])
        sender.eof()
        sender.close()
        rows = it.panicd.settled(2)
        assert {r['name']: r['id'] for r in rows} == {'live': 1, 'core.gz': 2}, rows
        it.check(2, 2)


def many_at_once():
    """eight at once, without a server and beside one that starts meanwhile: eight dumps"""
    with Import() as it:
        it.run()
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            jobs = [pool.submit(it.run) for _ in range(8)]
            it.panicd.start()
            rows = [job.result()[0] for job in jobs]
        assert sorted(r['id'] for r in rows) == list(range(2, 10)), rows
        it.panicd.settled(9)
        it.check(9, 9)


def an_old_server_is_told_of():
    """a server that does not know how is named as the reason, and nothing is left"""
    import socket
    with Import() as it:
        it.run()
        path = it.panicd.directory + '/.panicd/control'
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path)
            listener.listen(4)

            def serve():
                while True:
                    try:
                        client, _ = listener.accept()
                    except OSError:
                        return
                    with client:
                        client.recv(4096)
                        client.sendall(b'{"error":"the requests are: status transfers watch"}\n')

            threading.Thread(target=serve, daemon=True).start()
            error = it.run(code=2)
            listener.shutdown(socket.SHUT_RDWR)
        os.unlink(path)
        assert 'is older than this panicctl; restart it' in error, error
        assert not it.hidden()
        it.check(1, 1)


def request_garbage():
    """requests that are no import get an answer, and touch nothing"""
    with Import() as it:
        it.panicd.start()
        for bad in ('import ', 'import x {}', 'import .import-1 {}', 'import .import-../x {"id":1}',
                    'import .import-1 {"id":1,"name":""}', 'import .import-1 [', 'import a',
                    'import .import-a/b {"id":1,"name":"n"}', 'import /etc/passwd {"id":1}'):
            answer = it.panicd.ask(bad)
            assert answer and 'error' in answer and 'id' not in answer, (bad, answer)
        answer = it.panicd.ask('import .import-1-1 {"id":7,"name":"n"}')
        assert 'open .import-1-1' in answer['error'], answer
        os.symlink('/etc/passwd', it.panicd.directory + '/.import-1-1')
        assert 'error' in it.panicd.ask('import .import-1-1 {"id":7,"name":"n"}')
        os.unlink(it.panicd.directory + '/.import-1-1')
        assert it.panicd.rows() == []


def count_of(it, *more):
    path = it.panicd.directory + '.count'
    it.run(*more, env={'LD_PRELOAD': SHIM, 'PND_CUT_REPORT': path})
    with open(path) as f:
        count = int(f.read())
    os.unlink(path)
    return count


def cut_importer(k, serve, move):
    """@return was it killed?"""
    with Import() as it:
        if serve:
            it.panicd.start()
        else:
            it.panicd.start().stop()
        process = it.start(*move, env={'LD_PRELOAD': SHIM, 'PND_CUT_AT': str(k)})
        process.communicate(timeout=60)
        killed = process.returncode == -9
        assert killed or process.returncode == 0, process.returncode
        if serve:
            time.sleep(0.1)  # the keeper ends what was asked
        there = len(it.files())
        linked = False
        assert there + os.path.exists(it.source) >= 1, 'lost'
        if os.path.exists(it.source):
            with open(it.source, 'rb') as f:
                assert f.read() == CONTENT
            linked = there and os.stat(it.source).st_nlink == 2
        else:
            it.write(CONTENT)
        it.run(*move)  # sweeps what is left, and gives a row to what has none
        assert not it.hidden(), it.hidden()
        if not serve:
            it.panicd.start()
        want = there if linked else there + 1  # a move is ended by the next
        it.panicd.settled(want)
        it.check(want, want)
        assert os.path.exists(it.source) == (not move)
        return killed


def killed_importer(serve, move):
    with Import() as it:
        it.panicd.start()
        if not serve:
            it.panicd.stop()
        count = count_of(it, *move)
    assert count >= 4, count
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        killed = sum(pool.map(lambda k: cut_importer(k, serve, move), range(1, count + 1)))
    print('# %d operations, killed %d times' % (count, killed))
    assert killed >= count - 1, (killed, count)


def killed_importer_with_server():
    """an import killed before any of its operations, beside a server, leaves all of it or none"""
    killed_importer(True, ())


def killed_importer_alone():
    """an import killed before any of its operations, without a server, leaves all of it or none"""
    killed_importer(False, ())


def killed_mover():
    """a move killed before any of its operations never loses the file"""
    killed_importer(False, ('--move',))
    killed_importer(True, ('--move',))


def cut_server(k, revive):
    with Import() as it:
        it.panicd.start(env={'LD_PRELOAD': SHIM, 'PND_CUT_AT': str(k)}, wait=False)
        while it.panicd.process.poll() is None and it.panicd.ask('status') is None:
            time.sleep(0.005)
        alive = it.panicd.process.poll() is None
        process = it.start()
        while process.poll() is None:
            if it.panicd.process.poll() is not None and revive:
                it.panicd.start(wait=False)
            time.sleep(0.005)
        out, err = process.communicate()
        assert process.returncode == 0, err
        killed = alive and it.panicd.process.returncode == -9
        if it.panicd.process.poll() is not None:
            it.panicd.start()
        it.panicd.settled(1)
        row, = it.check(1, 1)
        assert row['id'] == json.loads(out)['imported'][0]['id'], (row, out)
        assert not it.hidden(), it.hidden()
        return killed


def killed_server():
    """a server killed before any of its operations of an import: it is imported once all the same"""
    report = Import()
    path = report.panicd.directory + '.count'
    with report as it:
        it.panicd.start(env={'LD_PRELOAD': SHIM, 'PND_CUT_REPORT': path})
        it.run()
        it.panicd.settled(1)
        it.panicd.stop()
        with open(path) as f:
            count = int(f.read())
        os.unlink(path)
    jobs = [(k, revive) for k in range(1, count + MARGIN) for revive in (False, True)]
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        killed = sum(pool.map(lambda job: cut_server(*job), jobs))
    print('# %d operations, killed %d times while it served' % (count, killed))
    assert killed >= 10, (killed, count)


if __name__ == '__main__':
    tap = Tap()
    for test in (beside_a_server, while_a_dump_arrives, journaled_ids, many_at_once,
                 an_old_server_is_told_of, request_garbage):
        tap.run(test)
    if SHIM:
        for test in (killed_importer_with_server, killed_importer_alone, killed_mover,
                     killed_server):
            tap.run(test)
    sys.exit(tap.done())
