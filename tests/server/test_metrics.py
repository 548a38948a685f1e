#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""What the server counts and holds, as "metrics" of the control socket says it: every number after
dumps of which is known what it has to be."""
import os
import subprocess
import sys
import tempfile
import time

import made_cores as cores
from ext import ExtSender
from kdp import DATA, PANICCTL, Panicd, Refused, Sender, Tap, packet
from netdump import Client
from test_follow import Slow, cause, wait_for
from test_groups import panic_log
from tftp import Put, TftpServer

PROTOCOLS = ['import', 'kdp', 'kdp-ext', 'netdump', 'tftp']


def of(metrics, protocol):
    return next(one for one in metrics['protocols'] if one['protocol'] == protocol)


def seen(histogram):
    return sum(histogram['counts'])


def nothing_yet():
    """a server that has seen nothing says so of every protocol, rule and reason"""
    with Panicd() as panicd:
        metrics = panicd.ask('metrics')
        assert [one['protocol'] for one in metrics['protocols']] == PROTOCOLS, metrics
        for one in metrics['protocols']:
            assert one['bytes'] == one['packets'] == one['repeats'] == one['complete'] == 0, one
            assert not any(one['incomplete'].values()) and not any(one['transfers'].values()), one
            for key in ('duration', 'cause'):
                assert len(one[key]['counts']) == len(metrics['bounds_ms'][key]) + 1, one
                assert seen(one[key]) == 0, one
        assert sorted(metrics['refused']) == ['allow', 'floor', 'source-bytes', 'total-bytes',
                                              'transfers'], metrics
        assert metrics['clients'] == 1 and metrics['pid'] == panicd.process.pid, metrics
        assert abs(metrics['started_ms'] / 1000 - time.time()) < 60, metrics
        assert metrics['room']['free'] > 0 and metrics['catalog']['database_bytes'] > 0, metrics
        assert metrics['queues'] == {'keeper': 0, 'checker': 0, 'hook': 0}, metrics
        assert [one['listening'] for one in metrics['services']] == [True], metrics


def one_dump():
    """bytes, packets and repetitions of one dump are those that were sent"""
    content = os.urandom(100 * 1000)
    with Panicd() as panicd:
        sender = Sender(panicd.port)
        sender.open('core-a')
        for at in range(0, len(content), sender.size):
            sender.data(content[at:at + sender.size])
        live = of(panicd.ask('metrics'), 'kdp')
        assert live['transfers'] == {'asked': 0, 'live': 1, 'finishing': 0, 'resting': 0}, live
        assert live['bytes'] == len(content) and live['complete'] == 0, live
        for _ in range(3):   # the last block again, and again
            sender.sock.sendto(packet(DATA, sender.block - 1, content[at:]), sender.to)
        sender.eof()
        panicd.settled(1)
        sender.close()
        assert sender.repeats == 0
        blocks = -(-len(content) // sender.size)
        done = wait_for(lambda: of(panicd.ask('metrics'), 'kdp')['complete'] and
                        panicd.ask('metrics'))
        kdp = of(done, 'kdp')
        assert kdp['bytes'] == len(content) == done['catalog']['bytes'], kdp
        assert kdp['packets'] == 1 + blocks + 3 + 1, (blocks, kdp)
        assert kdp['repeats'] == 3, kdp
        assert kdp['complete'] == 1 and not any(kdp['incomplete'].values()), kdp
        assert seen(kdp['duration']) == 1 and seen(kdp['cause']) == 0, kdp
        assert kdp['transfers']['resting'] == 1 and kdp['transfers']['live'] == 0, kdp
        assert done['net']['datagrams'] >= kdp['packets'] and done['net']['replies'] > 0, done
        for name in PROTOCOLS:
            assert name == 'kdp' or of(done, name)['bytes'] == 0, done


def every_protocol():
    """each protocol is counted apart, and what a tool brings in as well"""
    content = os.urandom(50000)
    server = TftpServer(netdump_port=True)
    with server:
        sender = Sender(server.port)
        sender.dump('core-a', content)
        ext = ExtSender(server.port)
        ext.dump('core-b', content)
        client = Client(server.netdump_port)
        client.dump(content)
        put = Put(server.tftp_port)
        put.put('core-c', content)
        for one in (sender, ext, client, put):
            one.close()
        with tempfile.NamedTemporaryFile() as source:
            source.write(content)
            source.flush()
            subprocess.run([PANICCTL, '--directory', server.directory, 'import', source.name],
                           check=True, stdout=subprocess.DEVNULL)
        server.settled(5)
        metrics = wait_for(lambda: sum(one['complete'] for one in
                                       server.ask('metrics')['protocols']) == 5 and
                           server.ask('metrics'))
        for name in PROTOCOLS:
            one = of(metrics, name)
            assert one['complete'] == 1 and len(content) <= one['bytes'] <= len(content) + 4096, one
            assert seen(one['duration']) == (name != 'import'), one
            assert (one['packets'] > 0) == (name != 'import'), one
        assert [one['protocol'] for one in metrics['services']] == ['kdp', 'netdump', 'tftp']
        assert metrics['catalog']['sources'] == 1, metrics


def why_it_died():
    """why a machine died is counted once for each dump, told early or at its end"""
    content = cores.core(6 << 20, log_at=0.2)
    with Panicd() as panicd:
        slow = Slow(panicd, 'core-a', content, 4 << 20)
        wait_for(lambda: cause(panicd))
        assert seen(of(panicd.ask('metrics'), 'kdp')['cause']) == 1
        slow.finish()
        panicd.settled(1)
        sender = Sender(panicd.port)
        sender.dump('paniclog-a', panic_log(0x2000000))
        sender.close()
        panicd.settled(2)
        kdp = wait_for(lambda: of(panicd.ask('metrics'), 'kdp')['complete'] == 2 and
                       of(panicd.ask('metrics'), 'kdp'))
        assert seen(kdp['cause']) == 2 and kdp['cause']['sum_ms'] >= 1, kdp


def not_whole():
    """a dump that is not whole is counted with its reason, and when room is what lacks it stalls"""
    with Panicd(config='[policy]\nfloor = 0\ntotal-bytes = 200000\n[time]\nidle = 10s\n') as panicd:
        cut = Sender(panicd.port)
        cut.dump('core.gz', cores.gzip(os.urandom(30000))[:-100])
        panicd.settled(1)
        silent = Sender(panicd.port)
        silent.open('core-b')
        silent.data(b'x')
        large = Sender(panicd.port)
        try:
            large.dump('core-a', os.urandom(400000))
            raise AssertionError('it was not refused')
        except Refused as why:
            assert why.code == 3, why
        assert panicd.ask('metrics')['stalls'] == 1
        wait_for(lambda: panicd.ask('metrics')['idle_ms_max'] >= 2000)
        kdp = wait_for(lambda: sum(of(panicd.ask('metrics'), 'kdp')['incomplete'].values()) == 3 and
                       of(panicd.ask('metrics'), 'kdp'), 40)
        assert kdp['incomplete'] == {'sender': 1, 'restart': 0, 'room': 1, 'disk': 0, 'lost': 0,
                                     'content': 1}, kdp
        metrics = wait_for(lambda: panicd.ask('metrics')['catalog']['incomplete'] == 3 and
                           panicd.ask('metrics'))
        assert metrics['idle_ms_max'] == 0 and metrics['stalled'] == 0, metrics
        for one in (cut, silent, large):
            one.close()


def refused():
    """what is refused is counted by its rule"""
    with Panicd(config='[policy]\nfloor = 0\nallow = 127.0.0.2\n') as panicd:
        for _ in range(3):
            sender = Sender(panicd.port, patience=10)
            try:
                sender.open('core-a')
                raise AssertionError('it was let in')
            except Refused:
                pass
            sender.close()
        metrics = panicd.ask('metrics')
        assert metrics['refused']['allow'] == 3 and sum(metrics['refused'].values()) == 3, metrics


def a_restart():
    """counters begin anew with the server, and what it went on with is told"""
    with Panicd() as panicd:
        sender = Sender(panicd.port)
        sender.open('core-a')
        sender.data(b'x' * 1000)
        assert of(panicd.ask('metrics'), 'kdp')['bytes'] == 1000
        panicd.kill()
        panicd.start()
        metrics = panicd.ask('metrics')
        assert of(metrics, 'kdp')['bytes'] == 0 and metrics['resumed'] == 1, metrics
        sender.data(b'y' * 500)
        sender.eof()
        sender.close()
        panicd.settled(1)
        kdp = wait_for(lambda: of(panicd.ask('metrics'), 'kdp')['complete'] and
                       of(panicd.ask('metrics'), 'kdp'))
        assert kdp['bytes'] == 500 and kdp['repeats'] == 0, kdp


ALL = [nothing_yet, one_dump, every_protocol, why_it_died, not_whole, refused, a_restart]

if __name__ == '__main__':
    tap = Tap()
    for one in ALL:
        if len(sys.argv) < 2 or one.__name__ in sys.argv[1:]:
            tap.run(one)
    sys.exit(tap.done())
