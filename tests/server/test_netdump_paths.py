#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Directories that the clients of FreeBSD's netdump name: made, refused, and taken away again. What
a server that is killed leaves of them is test_hook.py's."""
import os
import sys
import tempfile
import time

from kdp import Tap
from netdump import Client, header
from test_netdump import CONTENT, mode, netdump, panicctl, whole

PATHS = '[policy]\nfloor = 0\n[receive]\nnetdump-paths = yes\n'


def tree(panicd):
    """What lies beneath the directory but its own files: paths of links and directories."""
    found = []
    for where, names, files in os.walk(panicd.directory):
        if where == panicd.directory:
            names[:] = [n for n in names if n != '.panicd']
            files = []
        found += [os.path.relpath(os.path.join(where, n), panicd.directory) for n in names + files]
    return sorted(found)


def records(panicd):
    return sorted(os.listdir(os.path.join(panicd.directory, '.panicd', 'paths')))


def send_to(panicd, path, count):
    """@return the row of the dump, whose herald names the path; it is the count-th"""
    client = Client(panicd.netdump_port)
    client.dump(CONTENT, path=path, head=header(len(CONTENT)))
    client.close()
    return whole(panicd, CONTENT, count)


def directories():
    """with netdump-paths a dump lies in the directory that its herald names, until it is removed"""
    with netdump(config=PATHS) as panicd:
        first = send_to(panicd, 'host/a b', 1)
        second = send_to(panicd, 'host', 2)
        links = ['host/' + second['file'], 'host/a_b/' + first['file']]
        assert tree(panicd) == sorted(['host', 'host/a_b'] + links), tree(panicd)
        for link in links:
            assert panicd.read(link) == CONTENT
        assert os.readlink(os.path.join(panicd.directory, links[1])) == '../../' + first['file']
        assert mode(panicd, 'host') == mode(panicd, 'host/a_b') == 0o700
        assert first['name'] == 'host/a b/' + first['file'], first
        panicctl(panicd, 'rm', str(first['id']))
        assert tree(panicd) == ['host', links[0]], tree(panicd)
        client = Client(panicd.netdump_port)
        client.dump(CONTENT, path='other')       # without a header: no panic, no group
        client.close()
        assert len(panicd.settled(2)) == 2 and 'other' in tree(panicd), tree(panicd)
        panicctl(panicd, 'vacuum', '--keep', '0', code=1)    # the first of a group stays
        assert tree(panicd) == ['host', links[0]], tree(panicd)
        panicctl(panicd, 'rm', str(second['id']))
        assert tree(panicd) == [] and records(panicd) == [] and panicd.files() == []
        send_to(panicd, '', 1)
        assert tree(panicd) == [] and 'path-refused' not in panicd.log()


def hostile_directories():
    """one that is hidden, a link, a file, or too deep is none, which is logged; the dump is kept"""
    with netdump(config=PATHS) as panicd, tempfile.TemporaryDirectory() as outside:
        os.symlink(outside, os.path.join(panicd.directory, 'link'))
        os.symlink('..', os.path.join(panicd.directory, 'up'))
        with open(os.path.join(panicd.directory, '.file'), 'w'):
            pass
        os.mkdir(os.path.join(panicd.directory, 'own'))
        with open(os.path.join(panicd.directory, 'own', 'file'), 'w'):
            pass
        refused_paths = ('link', 'link/x', 'up/x', 'own/file', 'own/file/x', '.panicd', '.panicd/x',
                         'a/.ssh', '.', '1/2/3/4/5/6/7/8/9', 'x' * 129, 'x' * 255, 'y/' * 100,
                         'bounds.crashy', 'vmcore.crashy.last', 'a.part', '../up', '/etc', 'a/../b')
        for count, path in enumerate(refused_paths, 1):
            row = send_to(panicd, path, count)
            assert tree(panicd) == ['link', 'own', 'own/file', 'up'], (path, tree(panicd))
            said = 'path-refused id=%d ' % row['id'] in panicd.log()
            assert said != (path in ('.', '../up', '/etc', 'a/../b')), path
        assert os.listdir(outside) == []
        assert not os.path.islink(os.path.join(panicd.directory, '.panicd', 'paths'))
        assert len(panicd.rows()) == len(refused_paths)


def directories_restart():
    """after a restart they are there; of a dump that a person removed nothing is; not asked for: none"""
    panicd = netdump(config=PATHS).start()
    try:
        first, second = send_to(panicd, 'host/a', 1), send_to(panicd, 'b', 2)
        left = ['b', 'b/' + second['file']]
        panicd.kill()
        os.unlink(os.path.join(panicd.directory, first['file']))
        panicd.start()
        assert tree(panicd) == left and records(panicd) == [second['file']], tree(panicd)
        panicd.kill()
        panicd.configure(PATHS.replace('yes', 'no'))
        panicd.start()
        assert tree(panicd) == left, tree(panicd)
        third = send_to(panicd, 'host/a', 2)
        assert third['name'].startswith('host/a/vmcore-') and tree(panicd) == left, tree(panicd)
        panicctl(panicd, 'rm', str(second['id']))
        assert tree(panicd) == [] and records(panicd) == [], tree(panicd)
    finally:
        panicd.remove()


def directories_and_names():
    """with savecore-names, too, the link leads to the dump under the name that it has in the end"""
    with netdump(config=PATHS + 'savecore-names = yes\n') as panicd:
        row = send_to(panicd, 'host', 1)
        assert row['file'] == 'vmcore.crashy.0', row
        assert tree(panicd) == ['host', 'host/vmcore.crashy.0'], tree(panicd)
        assert panicd.read('host/vmcore.crashy.0') == CONTENT
        os.unlink(os.path.join(panicd.directory, row['file']))      # by hand, and N is free again
        os.unlink(os.path.join(panicd.directory, 'info.crashy.0'))
        os.unlink(os.path.join(panicd.directory, row['file'] + '.kdh'))
        os.unlink(os.path.join(panicd.directory, 'bounds.crashy'))
        client = Client(panicd.netdump_port)
        client.dump(CONTENT, head=header(len(CONTENT)))
        client.close()
        for _ in range(200):
            rows = [r for r in panicd.rows() if r['id'] != row['id']]
            if rows and rows[0]['file'] == 'vmcore.crashy.0' and rows[0]['state'] == 'complete':
                break
            time.sleep(0.05)
        assert tree(panicd) == [] and records(panicd) == [], (rows, tree(panicd))


if __name__ == '__main__':
    tap = Tap()
    for test in (directories, hostile_directories, directories_restart, directories_and_names):
        if len(sys.argv) < 2 or test.__name__ in sys.argv[1:]:
            tap.run(test)
    sys.exit(tap.done())
