#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""kill -9, again and again, while eight senders send: nothing is lost."""
import os
import random
import sys
import threading
import time

from kdp import Panicd, Sender, Tap

KILLS = int(os.environ.get('PND_KILLS', '200'))
SENDERS = 8


def sender_loop(panicd, index, stop, sent, errors):
    rng = random.Random(index)
    number = 0
    while not stop.is_set():
        content = rng.randbytes(rng.randrange(1, 200000))
        name = 'core-%d-%d' % (index, number)
        sender = Sender(panicd.port, rto=0.02, patience=60)
        try:
            sender.dump(name, content)
        except Exception as e:  # pylint: disable=broad-except
            errors.append('%s: %r' % (name, e))
            return
        finally:
            sender.close()
        sent[name] = content
        number += 1


def killed_again_and_again():
    """eight senders lose nothing to kill -9 of the server, again and again"""
    panicd = Panicd().start()
    stop, sent, errors = threading.Event(), {}, []
    threads = [threading.Thread(target=sender_loop, args=(panicd, i, stop, sent, errors))
               for i in range(SENDERS)]
    rng = random.Random(1)
    try:
        for t in threads:
            t.start()
        for _ in range(KILLS):
            time.sleep(rng.uniform(0, 0.12))
            panicd.kill()
            panicd.start()
        stop.set()
        for t in threads:
            t.join()
        trouble = [l for l in panicd.log().splitlines() if ' info ' not in l and ' ready ' not in l]
        assert not errors, '\n'.join(errors + trouble[-60:])
        rows = panicd.settled(len(sent), timeout=120)
        by_name = {r['name']: r for r in rows}
        assert len(by_name) == len(rows) == len(sent), (len(rows), len(sent))
        for name, content in sent.items():
            assert by_name[name]['state'] == 'complete', by_name[name]
            assert panicd.read(by_name[name]['file']) == content, name
        assert panicd.files() == sorted(r['file'] for r in rows)
        print('# %d kills, %d dumps, %d bytes' % (KILLS, len(sent), sum(map(len, sent.values()))))
        assert len(sent) >= SENDERS
    finally:
        stop.set()
        panicd.remove()


if __name__ == '__main__':
    tap = Tap()
    tap.run(killed_again_and_again)
    sys.exit(tap.done())
