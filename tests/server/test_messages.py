#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Who is told of what happens: by hooks, webhooks and e-mail, through a real panicd and its
messenger, with receivers that work, fail, hang and lie, and with everybody killed."""
import concurrent.futures
import hashlib
import hmac
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

import kdp
from kdp import PANICCTL, PANICD, Panicd, Sender, Tap, children_of
from made_cores import core, panic_log
from receivers import Mail, Web, certificates, context

SHIM = sys.argv[1] if len(sys.argv) > 1 else None
CLOCK = sys.argv[2] if len(sys.argv) > 2 else None
MESSENGER = os.environ.get('PND_MESSENGER', os.path.join(kdp.BUILD, 'src/messenger/panicd-messenger'))
PLACE = tempfile.mkdtemp(prefix='panicd-messages-')
SECRET = 'correct horse'
BASE = '[policy]\nfloor = 0\n[receive]\nslots = 16\n'
WORDS = 'kangaroo wombat platypus echidna quokka'.split()
EVIL = b'x"y\\\r\nBcc: <evil@evil.example>\r\n\r\nPATH=/evil\x1b[2J\xff$(id)${id}'
NAME = EVIL.decode('latin-1').replace('\n', ' ').translate({13: '?', 27: '?', 255: '?'})
TITLE = 'a quoted \\ ${title} <b>'
HOSTILE = 'a "quoted" \\ ${title} <b>\u202e\u00fc\x1b[2J end'


def write(name, text, mode=0o600):
    path = os.path.join(PLACE, name)
    with open(path, 'w') as f:
        f.write(text)
    os.chmod(path, mode)
    return path


def channel(name, **keys):
    """A section of panicd.conf."""
    lines = ['[message %s]' % name]
    for key, value in keys.items():
        lines.append('%s = %s' % (key.replace('_', '-'), value))
    return '\n'.join(lines) + '\n'


class Site(Panicd):
    """A panicd whose messenger is there when it is."""

    def __enter__(self):
        self.start()
        until(lambda: ' messenger channels=' in self.log())
        return self


def site(*channels, base=BASE, ready=True):
    return (Site if ready else Panicd)(config=base + ''.join(channels))


def send(panicd, name='paniclog-x', content=None, **keys):
    sender = Sender(panicd.port, **keys)
    try:
        sender.dump(name, panic_log() if content is None else content)
    finally:
        sender.close()


def events(requests):
    return [json.loads(r.body)['event'] for r in requests]


def until(what, timeout=20):
    end = time.monotonic() + timeout
    while True:
        got = what()
        if got:
            return got
        assert time.monotonic() < end, what
        time.sleep(0.02)


# ---- what is told ----

def tells():
    """a dump is told of when it begins, when its panic is known, and when it has its verdict"""
    with Web() as web, site(channel('ops', url=web.url(), events='all')) as panicd:
        send(panicd, 'core-x', core(600000))
        got = web.wait(3)
        assert events(got) == ['begin', 'panic', 'complete'], got
        row, = panicd.settled(1)
        begin, panic, complete = (json.loads(r.body) for r in got)
        assert begin['id'] == panic['id'] == complete['id'] == row['id']
        assert begin['name'] == 'core-x' and begin['peer'] == '127.0.0.1' == begin['machine'], begin
        assert panic['title'].startswith('zalloc: zone map exhausted'), panic
        assert panic['os'] == 'macOS' and panic['seen'] == 1 and len(panic['group']) == 12, panic
        for key in ('file', 'path', 'state', 'format', 'sha256', 'bytes', 'received_at'):
            assert complete[key] == row[key], key
        assert panic['text'] == '127.0.0.1: ' + panic['title']
        keys = [r.headers['Idempotency-Key'] for r in got]
        assert len(set(keys)) == 3 and [json.loads(r.body)['event_id'] for r in got] == keys
        assert got[0].headers['Content-Type'] == 'application/json'
        assert got[0].headers['User-Agent'].startswith('panicd/')


def incomplete():
    """so is one that is not whole, one that is refused, and little room, once"""
    with Web() as web:
        with site(channel('ops', url=web.url(), events='incomplete, refused, room', room='1023P'),
                  base='[policy]\nfloor = 0\nallow = 127.0.0.1\n[time]\nidle = 1s\n') as panicd:
            room, = web.wait(1)
            assert json.loads(room.body)['text'].startswith('only '), room
            sender = Sender(panicd.port)
            sender.open('core-silent')
            sender.data(b'x' * 1000)
            got = json.loads(web.wait(2)[1].body)
            sender.close()
            assert got['event'] == 'incomplete' and got['state'] == 'incomplete', got
            assert got['reason'] and got['reason'] in got['text'], got
            refused = Sender(panicd.port, bind=('127.0.0.2', 0))
            try:
                refused.open('core-y')
                raise AssertionError('it was let in')
            except kdp.Refused:
                pass
            refused.close()
            got = json.loads(web.wait(3)[2].body)
            assert (got['event'], got['peer'], got['rule']) == ('refused', '127.0.0.2', 'allow'), got
            panicd.stop()
            panicd.start()
            time.sleep(3)     # longer than it takes to look at the room again
            assert len(web.all) == 3, web.all


def selected():
    """each channel is told of its events, and nobody of what was there before, or was imported"""
    with Web() as some, Web() as rest:
        panicd = Panicd(config=BASE)
        with panicd:
            send(panicd)
            panicd.settled(1)
            panicd.stop()
            panicd.configure(BASE + channel('some', url=some.url(), events='panic') +
                             channel('rest', url=rest.url()))
            panicd.start()
            until(lambda: ' messenger channels=2' in panicd.log())
            send(panicd, 'paniclog-y', panic_log('another one'))
            assert events(some.wait(1)) == ['panic']
            assert events(rest.wait(2)) == ['begin', 'panic']
            path = write('imported', panic_log('a third one').decode())
            subprocess.run([PANICCTL, '-D', panicd.directory, 'import', path], check=True,
                           capture_output=True, timeout=60)
            panicd.settled(3)
            send(panicd, 'paniclog-z', panic_log('the last one'))
            got = [json.loads(r.body) for r in some.wait(2)]
            assert [g['title'].split(' @')[0] for g in got] == ['another one', 'the last one'], got


def missed():
    """what was received while nobody was there to tell is told later, but no message is late"""
    with Web() as web:
        told = BASE + channel('ops', url=web.url(), events='panic complete')
        with Panicd(config=told) as panicd:
            send(panicd)
            web.wait(2)
            panicd.stop()
            panicd.configure(BASE)
            panicd.start()
            send(panicd, 'paniclog-y', panic_log('nobody hears'))
            panicd.settled(2)
            panicd.stop()
            panicd.configure(told)
            panicd.start()
            got = [json.loads(r.body) for r in web.wait(4)][2:]
            assert [(g['event'], g['id']) for g in got] == [('panic', 2), ('complete', 2)], got
            panicd.stop()
            panicd.configure(BASE)
            panicd.start()
            send(panicd, 'paniclog-z', panic_log('nobody hears in time'))
            panicd.settled(3)
            panicd.stop()
            time.sleep(1.1)
            panicd.configure(told + 'expire = 1s\n')
            panicd.start()
            send(panicd, 'paniclog-1', panic_log('in time'))
            assert [json.loads(r.body)['id'] for r in web.wait(6)[4:]] == [4, 4]


def again():
    """the same panic again is told in one message, with how many, of whom, and which"""
    with Web() as web:
        with site(channel('ops', url=web.url(), events='panic', again='3s')) as panicd:
            for i in range(4):
                send(panicd, 'paniclog-%d' % i, bind=('127.0.0.%d' % (i % 3 + 1), 0))
            send(panicd, 'paniclog-o', panic_log('another one'))
            first, other = web.wait(2)
            assert json.loads(first.body)['id'] == 1 and json.loads(other.body)['id'] == 5
            panicd.settled(5)
            panicd.kill()                       # a window outlives everybody
            panicd.start()
            got = json.loads(web.wait(3)[2].body)
            assert got['count'] == 3 and got['ids'] == [2, 3, 4], got
            assert sorted(got['machine_names']) == ['127.0.0.1', '127.0.0.2', '127.0.0.3'], got
            assert got['text'].startswith('3 more, of 3 machines; the last: '), got
            assert got['seen'] == 4 and got['since'], got
            time.sleep(3.5)
            assert len(web.all) == 3, web.all


# ---- webhooks ----

def signed():
    """a webhook is signed over its time and body, and a template says what that is"""
    secret = write('secret', SECRET + '\n')
    with Web() as web:
        body = '{"text":"${event}: ${title}",\n  "size": "${id}", "note": "$${x}",\n  "name": "${name}"}'
        with site(channel('ops', url=web.url('/a?b=c'), secret_file=secret, events='panic',
                          page='http://panics.example/', body=body)) as panicd:
            send(panicd, EVIL, content=panic_log(HOSTILE))
            got, = web.wait(1)
            want = hmac.new(SECRET.encode(), got.headers['Panicd-Timestamp'].encode() + b'.' +
                            got.body, hashlib.sha256).hexdigest()
            assert got.headers['Panicd-Signature'] == 'v1=' + want, got.headers
            assert abs(int(got.headers['Panicd-Timestamp']) - time.time()) < 30
            assert got.path == '/a?b=c'
            said = json.loads(got.body)
            assert said['size'] == '1' and said['note'] == '${x}', said
            assert said['text'].startswith('panic: ') and TITLE in said['text'], said
            assert said['name'] == NAME, said
            assert '\x1b' not in said['text'] and '\u202e' not in said['text'], said
            assert SECRET not in panicd.log() and '/a?b=c' not in panicd.log()


def secrets():
    """a secret that everybody may read is not used until that ends; what sends has no more rights"""
    secret = write('open', SECRET + '\n', 0o644)
    with Web() as web, site(channel('ops', url=web.url(), secret_file=secret,
                                    events='panic')) as panicd:
        send(panicd)
        until(lambda: 'not-told channel=ops' in panicd.log())
        assert 'everybody may read' in panicd.log() and not web.tried
        os.chmod(secret, 0o600)
        assert web.wait(1)[0].headers['Panicd-Signature'].startswith('v1=')
        pid, = [c for c in children_of(panicd.process.pid)
                if open('/proc/%d/comm' % c).read().startswith('panicd-messenge')]
        with open('/proc/%d/status' % pid) as f:
            assert 'NoNewPrivs:\t1\n' in f.read()
        with open('/proc/%d/limits' % pid) as f:
            assert [line.split()[4:6] for line in f if line.startswith('Max core file')] == [['0', '0']]


def openssl_verifies():
    """the recipe of panicd.conf(5) verifies it with openssl alone"""
    secret = write('secret', SECRET + '\n')
    with Web() as web, site(channel('ops', url=web.url(), secret_file=secret,
                                    events='panic')) as panicd:
        send(panicd)
        got, = web.wait(1)
        write('body', got.body.decode())
        out = subprocess.run(
            ['sh', '-c', '{ printf "%s." "$TIMESTAMP"; cat body; } | '
             'openssl dgst -sha256 -hmac "$(cat secret)"'], cwd=PLACE, text=True, check=True,
            capture_output=True, env={**os.environ, 'TIMESTAMP': got.headers['Panicd-Timestamp']}).stdout
        assert got.headers['Panicd-Signature'] == 'v1=' + out.split()[-1], out


def retried():
    """a webhook that fails is called again: after 500, 503 with Retry-After, silence, a cut"""
    release = threading.Event()

    def answer(request, number, handler):
        if number == 1:
            return 500, {}, b''
        if number == 2:
            handler.server.asked = time.monotonic()
            return 503, {'Retry-After': '3'}, b''
        if number == 3:
            handler.server.waited = time.monotonic() - handler.server.asked
            release.wait(20)
            return None
        if number == 4:
            handler.wfile.write(b'HTTP/1.1 20')
            return None
        return 200, {}, b'x' * 100

    with Web(answer) as web:
        with site(channel('ops', url=web.url(), events='panic', time='1s')) as panicd:
            send(panicd)
            got, = web.wait(1, timeout=60)
            release.set()
            assert web.tried == 5 and web.server.waited >= 2.9, (web.tried, web.server.waited)
            log = panicd.log()
            assert log.count('not-told channel=ops message=' + got.headers['Idempotency-Key']) == 4, log
            assert 'status 503' in log and 'status 500' in log


def not_wanted():
    """what is refused, or leads elsewhere, is not tried again; an endless answer ends nothing"""
    with Web() as target:
        answers = {1: (302, {'Location': target.url()}, b''), 2: (400, {}, b'')}

        def answer(request, number, handler):
            if number == 3:
                handler.wfile.write(b'HTTP/1.1 200 OK\r\n\r\n')
                try:
                    for _ in range(1000):
                        handler.wfile.write(bytes(65536))
                except OSError:
                    web.add(request)
                return None
            return answers.get(number, (200, {}, b''))

        with Web(answer) as web:
            with site(channel('ops', url=web.url(), events='panic')) as panicd:
                for i in range(4):
                    send(panicd, 'paniclog-%d' % i, panic_log('lost my ' + WORDS[i]))
                got = web.wait(2)
                assert [json.loads(r.body)['id'] for r in got] == [3, 4], got
                assert web.tried == 4 and not target.tried
                assert panicd.log().count('message-refused channel=ops') == 2
                assert 'redirects are not followed' in panicd.log()


def tls():
    """TLS is verified: by the authority that is named, and the name of the host"""
    good, bad = context(PLACE), context(PLACE, 'other')
    with Web(tls=good) as web, Web(tls=bad) as other, Web(tls=good) as unknown:
        ca = os.path.join(PLACE, 'ca.pem')
        with site(channel('good', url=web.url(), ca_file=ca, events='panic'),
                  channel('other', url=other.url(), ca_file=ca, events='panic'),
                  channel('unknown', url=unknown.url(), events='panic')) as panicd:
            send(panicd)
            web.wait(1)
            until(lambda: 'not-told channel=other' in panicd.log())
            until(lambda: 'not-told channel=unknown' in panicd.log())
            assert not other.tried and not unknown.tried


# ---- e-mail ----

def mails():
    """e-mail goes by STARTTLS, with a password, once to all, and nothing from outside is a header"""
    password = write('password', 'secret word\n')
    with Mail(starttls=context(PLACE), login=('me', 'secret word')) as mail:
        with site(channel('post', url=mail.url('localhost'), ca_file=os.path.join(PLACE, 'ca.pem'),
                          **{'from': 'panicd@a.example'}, to='ops@a.example, b@b.example',
                          user='me', password_file=password, events='panic',
                          subject='${name} ${title} of ${machine}', body='${name} ${title}\n  .\n  ${machine}\u00fc')) as panicd:
            send(panicd, EVIL, content=panic_log(HOSTILE + '\r\nBcc: <evil@evil.example>\r\n\r\n'))
            letter, = mail.wait(1)
            assert letter.tls and letter.user == 'me', mail.talk
            assert letter.sender == '<panicd@a.example>', letter.sender
            assert letter.recipients == ['<ops@a.example>', '<b@b.example>'], letter.recipients
            message = letter.message
            assert [k.lower() for k in message.keys()] == [
                'date', 'from', 'to', 'message-id', 'references', 'auto-submitted', 'mime-version',
                'content-type', 'content-transfer-encoding', 'subject'], message.keys()
            assert message['To'] == 'ops@a.example, b@b.example', message['To']
            assert message['Message-ID'].startswith('<') and '.post@' in message['Message-ID']
            title = letter.text.split('\n')[0]
            assert title.startswith(NAME + ' ' + TITLE) and '\u00fc' in title, letter.text
            assert letter.subject.startswith(title[:40]), (letter.subject, title)
            assert letter.text.endswith('\n127.0.0.1\u00fc'), letter.text
            assert all(len(line) <= 998 for line in letter.raw.split(b'\r\n'))
            assert b'\n' not in letter.raw.replace(b'\r\n', b'')
            assert 'secret word' not in panicd.log()


def mails_need_tls():
    """without STARTTLS nothing is said to a mail server, unless that is allowed; smtps is TLS"""
    ca = os.path.join(PLACE, 'ca.pem')
    with Mail() as mail, Mail(tls=context(PLACE)) as smtps, Mail() as plain:
        keys = {'from': 'a@a.example', 'to': 'b@b.example', 'events': 'panic'}
        with site(channel('one', url=mail.url(), **keys),
                  channel('two', url=smtps.url(), ca_file=ca, **keys),
                  channel('three', url=plain.url(), plain='yes', **keys)) as panicd:
            send(panicd)
            assert smtps.wait(1)[0].tls and not plain.wait(1)[0].tls
            until(lambda: 'not-told channel=one' in panicd.log())
            assert not [line for line in mail.talk if line.split(' ')[0] not in ('EHLO', 'QUIT')], mail.talk
            text = smtps.all[0].text
            assert text.startswith('127.0.0.1: zalloc') and '\ngroup ' in text, text


def mails_again():
    """what a mail server cannot take now it gets later, under the same Message-ID; 5xx is no"""
    with Mail(refuse={'DATA': '451 later'}) as mail:
        with site(channel('post', url=mail.url(), plain='yes', events='panic',
                          **{'from': 'a@a.example'}, to='b@b.example')) as panicd:
            send(panicd)
            until(lambda: 'not-told channel=post' in panicd.log())
            mail.refuse = {}
            letter, = mail.wait(1)
            told = [line for line in panicd.log().split('\n') if 'told channel=post message=' in line]
            assert all(letter.message['Message-ID'][1:].split('.')[0] in line for line in told), told
            mail.refuse = {'RCPT': '550 nobody'}
            send(panicd, 'paniclog-y', panic_log('another one'))
            until(lambda: 'message-refused channel=post' in panicd.log())
            mail.refuse = {}
            send(panicd, 'paniclog-z', panic_log('a third one'))
            assert 'a third one' in mail.wait(2)[1].text


# ---- hooks ----

def hooks():
    """a hook has the fields in its environment, and all of it as JSON; 75 asks for another time"""
    out = os.path.join(PLACE, 'out')
    program = write('hook', '#!/bin/sh\nenv >%s.env; cat >%s.json; pwd >%s.pwd\necho "$1" >>%s.calls\n'
                    '[ $(wc -l <%s.calls) -gt 1 ] || exit 75\n' % ((out,) * 5), 0o700)
    with site(channel('own', program=program, events='panic')) as panicd:
        send(panicd, EVIL, content=panic_log(HOSTILE + '\nPATH=/evil'))
        until(lambda: 'told channel=own' in panicd.log() and 'attempt=2' in panicd.log())
        with open(out + '.json') as f:
            said = json.load(f)
        with open(out + '.env') as f:
            env = f.read()
        assert said['event'] == 'panic' and said['title'].startswith(TITLE), said
        assert said['name'] == NAME
        assert 'PANICD_TITLE=' + said['title'].split('\n')[0] in env, env
        assert 'PANICD_ID=1\n' in env and 'PANICD_EVENT=panic\n' in env, env
        assert 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n' in env
        names = {line.split('=')[0] for line in env.splitlines()}
        assert all(n.startswith('PANICD_') for n in names - {'PATH', 'PWD', 'SHLVL', 'OLDPWD', '_'}), names
        with open(out + '.pwd') as f:
            assert f.read().strip() == os.path.realpath(panicd.directory)
        with open(out + '.calls') as f:
            assert f.read() == 'panic\npanic\n'


def hooks_that_hang():
    """one that hangs is ended with all that it started; one that floods, or fails, is called once"""
    hang = write('hang', '#!/bin/sh\ntrap "" TERM\nsleep 1000 &\necho $! >%s/hang.pid\nwait\nwait\nsleep 1000\n'
                 % PLACE, 0o700)
    flood = write('flood', '#!/bin/sh\ncat >/dev/null\nyes flood | head -n 5000\nexit 3\n', 0o700)
    fine = write('fine', '#!/bin/sh\necho fine\n', 0o700)
    with site(channel('hang', program=hang, events='panic', time='500ms'),
              channel('flood', program=flood, events='panic'),
              channel('fine', program=fine, events='panic')) as panicd:
        send(panicd)
        until(lambda: 'told channel=fine' in panicd.log())
        until(lambda: 'message-refused channel=flood' in panicd.log())
        until(lambda: 'message-refused channel=hang' in panicd.log())
        assert 'it took longer than 500 ms' in panicd.log()
        assert panicd.log().count('hook-says channel=flood') == 100
        with open(os.path.join(PLACE, 'hang.pid')) as f:
            pid = int(f.read())
        until(lambda: not os.path.exists('/proc/%d' % pid))


# ---- who is killed, and who waits ----

def no_transfer_waits():
    """a thousand events, and a webhook that hangs, hold up no dump: it is whole while that hangs"""
    release = threading.Event()

    def answer(request, number, handler):
        release.wait(120)
        return 200, {}, b''

    dumps = 320      # of three events each: no more than may wait
    with Web(answer) as web:
        with site(channel('ops', url=web.url(), events='all', again='0', time='10min'),
                  base='[policy]\nfloor = 0\n') as panicd:
            with concurrent.futures.ThreadPoolExecutor(16) as pool:
                list(pool.map(lambda i: send(panicd, 'paniclog-%d' % i), range(dumps)))
            panicd.settled(dumps, timeout=120)
            assert web.tried == 1 and not web.all, web.tried
            release.set()
            got = web.wait(3 * dumps, timeout=120)
            ids = [r.headers['Idempotency-Key'] for r in got]
            assert len(set(ids)) == len(ids) == 3 * dumps
            assert sorted(json.loads(r.body)['id'] for r in got
                          if json.loads(r.body)['event'] == 'complete') == \
                list(range(1, dumps + 1))


def unreachable():
    """nobody listens: the messages wait, and are told in their order when somebody does"""
    port = kdp.free_port()
    with site(channel('ops', url='http://127.0.0.1:%d/' % port, events='panic')) as panicd:
        for i in range(3):
            send(panicd, 'paniclog-%d' % i, panic_log('lost my ' + WORDS[i]))
        panicd.settled(3)
        until(lambda: 'not-told channel=ops' in panicd.log())
        panicd.kill()
        panicd.start()
        with Web(port=port) as web:
            got = web.wait(3, timeout=40)
            assert sorted(json.loads(r.body)['id'] for r in got) == [1, 2, 3]


def killed():
    """server and messenger killed again and again: each event is told, under one id"""
    chance = random.Random(7)

    def answer(request, number, handler):
        return (200 if chance.random() < 0.7 else 500), {}, b''

    with Web(answer) as web:
        panicd = site(channel('ops', url=web.url(), events='panic complete', again='0'), ready=False)
        with panicd:
            done = threading.Event()

            def kill():
                while not done.is_set():
                    time.sleep(chance.uniform(0.05, 0.6))
                    if chance.random() < 0.5:
                        panicd.kill()
                        panicd.start()
                    else:
                        for pid in children_of(panicd.process.pid):
                            try:
                                with open('/proc/%d/comm' % pid) as f:
                                    if f.read().startswith('panicd-messenge'):
                                        os.kill(pid, signal.SIGKILL)
                            except (OSError, ProcessLookupError):
                                pass

            killer = threading.Thread(target=kill)
            killer.start()
            for i in range(12):
                send(panicd, 'paniclog-%d' % i, rto=0.05, patience=60)
            time.sleep(1)
            done.set()
            killer.join()
            panicd.settled(12)
            want = {(e, i) for e in ('panic', 'complete') for i in range(1, 13)}
            seen = {}

            def all_told():
                for r in list(web.all):
                    said = json.loads(r.body)
                    seen.setdefault((said['event'], said['id']), set()).add(r.headers['Idempotency-Key'])
                return set(seen) == want
            until(all_told, timeout=90)
            assert all(len(ids) == 1 for ids in seen.values()), seen
            print('# %d messages for %d events' % (len(web.all), len(want)))


def reload():
    """SIGHUP takes other channels; settings that are wrong leave everything as it was"""
    with Web() as one, Web() as two:
        with site(channel('one', url=one.url(), events='panic')) as panicd:
            send(panicd)
            one.wait(1)
            panicd.configure(BASE + channel('two', url=two.url(), events='panic', body='{${nothing}}'))
            panicd.process.send_signal(signal.SIGHUP)
            until(lambda: 'reload-failed' in panicd.log())
            send(panicd, 'paniclog-y', panic_log('another one'))
            one.wait(2)
            panicd.configure(BASE + channel('two', url=two.url(), events='panic'))
            panicd.process.send_signal(signal.SIGHUP)
            until(lambda: panicd.log().count(' messenger channels=1') == 2)
            send(panicd, 'paniclog-z', panic_log('a third one'))
            two.wait(1)
            assert len(one.all) == 2


def tried():
    """panicctl message tries the channels and says what came back; status and doctor tell of failures"""
    port = kdp.free_port()

    def ctl(panicd, *args, code=0):
        got = subprocess.run([PANICCTL, '-D', panicd.directory, *args], capture_output=True,
                             text=True, timeout=100, check=False)
        assert got.returncode == code, (args, got)
        return got.stdout + got.stderr

    with Web(lambda request, number, handler: (200 if 'good' in request.path else 404, {}, b'')) as web:
        with site(channel('good', url=web.url('/good?token=word')),
                  channel('bad', url=web.url('/bad')),
                  channel('down', url='http://127.0.0.1:%d/' % port, events='panic')) as panicd:
            out = ctl(panicd, 'message', 'test', 'good')
            assert out == 'good: told, it answered with status 200\n', out
            assert json.loads(web.all[0].body)['event'] == 'test'
            out = ctl(panicd, 'message', 'test', code=1)
            assert 'bad: not told, it answered with status 404\n' in out and 'down: not told, ' in out, out
            assert 'no channel "x"' in ctl(panicd, 'message', 'test', 'x', code=2)
            send(panicd)
            until(lambda: panicd.log().count('not-told channel=down') > 1)
            shown = json.loads(ctl(panicd, 'message', '--json', code=1))
            good, = [c for c in shown['channels'] if c['channel'] == 'good']
            down, = [c for c in shown['channels'] if c['channel'] == 'down']
            assert shown['served'] and good['sent'] >= 2 and good['error'] is None, shown
            assert down['waiting'] == 1 and down['failing_since'] and down['error'], shown
            assert good['to'] == '127.0.0.1:%d' % web.port, good
            assert 'down (webhook, 127.0.0.1:%d): 0 sent, 1 waiting; failing since' % port in \
                ctl(panicd, 'status')
            found = json.loads(subprocess.run(
                [PANICCTL, '-D', panicd.directory, 'doctor', '--json'], capture_output=True,
                text=True, timeout=100, check=False).stdout)['checks']
            said = [(c['result'], c['text']) for c in found if c['check'] == 'message']
            assert ('warn', 'down is not told') in [(r, t[:16]) for r, t in said], said
            panicd.stop()
            assert 'nobody sends messages' in ctl(panicd, 'message', 'test', code=2)


def tried_again():
    """a channel that is to be left alone for an hour is tried at once by who has mended it"""
    mended = threading.Event()

    def answer(request, number, handler):
        return (200, {}, b'') if mended.is_set() else (503, {'Retry-After': '3600'}, b'')

    with Web(answer) as web:
        with site(channel('a', url=web.url('/'), events='panic')) as panicd:
            send(panicd)
            until(lambda: 'not-told channel=a' in panicd.log())
            mended.set()
            got = subprocess.run([PANICCTL, '-D', panicd.directory, 'message', 'test', 'a'],
                                 capture_output=True, text=True, timeout=100, check=False)
            assert got.stdout == 'a: told, it answered with status 200\n', got


def wrong_settings():
    """settings that mean nothing are refused at the start, with their line"""
    plain = write('plain', '')
    for lines, words in (
            ('[message a]\nurl = http://h/\nsubject = ${x}\n', (':3:', 'no field "x"')),
            ('[message a]\nurl = smtp://h\nbody = a\n  ${title\n', (':4:', 'no "}"')),
            ('[message a]\nurl = http://h/\nbody = {"a": ${title}\n', ('body is no JSON',)),
            ('[message a]\nurl = http://h/\nbody = {"a": ${id}}\n', ('body is no JSON',)),
            ('[message a]\nurl = ftp://h/\n', ('[message a]', 'smtps://')),
            ('[message a]\n', ('program or url',)),
            ('[message a]\nprogram = true\n', ('absolute',)),
            ('[message a]\nprogram = %s\n' % plain, ('cannot be run',)),
            ('[message a]\nprogram = /bin/true\nfrom = a@b\n', ('nothing for a hook',)),
            ('[message a]\nurl = smtp://h\nfrom = a@b\n', ('from, an address, and to',)),
            ('[message a]\nurl = smtp://h\nfrom = a@b\nto = x\n', (':4:', 'no address')),
            ('[message a]\nurl = smtp://h\nfrom = a@b\nto = c@d\nuser = x\n', ('go together',)),
            ('[message a b]\n', (':1:', 'letters, digits')),
            ('[message a]\nevents = begin, end\n', (':2:', '"end" is none')),
            ('[message a]\nurl = http://h/\n[message a]\n', (':3:', 'of this name'))):
        conf = write('conf', lines)
        got = subprocess.run([PANICD, '--config', conf, os.path.join(PLACE, 'd')],
                             capture_output=True, text=True, timeout=20, check=False)
        assert got.returncode == 2 and all(w in got.stderr for w in words), (lines, got)


def soon():
    """a panic is on somebody's screen: how long that takes (printed)"""
    with Web() as web, site(channel('ops', url=web.url(), events='all', again='0')) as panicd:
        begins, panics = [], []
        for i in range(5):
            before = len(web.all)
            sender = Sender(panicd.port)
            content = core(2 << 20, panic_log('lost my ' + WORDS[i]), log_at=0.1, seed=i)
            start = time.monotonic()
            sender.open('core-%d' % i)
            for at in range(0, len(content), sender.size):
                sender.data(content[at:at + sender.size])
                if at < 2 << 19 <= at + sender.size:   # the log is there; the rest waits for the news
                    web.wait(before + 2, match=lambda got: True)
                    panics.append(web.all[before + 1].at - start)
            sender.eof()
            sender.close()
            web.wait(before + 3)
            begins.append(web.all[before].at - start)
            assert events(web.all[before:before + 3]) == ['begin', 'panic', 'complete'], web.all
        print('# first packet to webhook: %s ms; to the panic by webhook, half-way: %s ms' % (
            ' '.join('%.0f' % (1000 * b) for b in begins),
            ' '.join('%.0f' % (1000 * p) for p in panics)))


def clock_set_back():
    """what was gathered when the clock was a month ahead is told when it is right again"""
    with Web() as web:
        panicd = site(channel('ops', url=web.url(), events='panic', again='10s'), ready=False)
        ahead = panicd.directory + '/ahead'
        write(ahead, '2592000')
        try:
            panicd.start(env={'LD_PRELOAD': CLOCK, 'CLOCKSHIM': ahead})
            send(panicd)
            web.wait(1)
            send(panicd, 'paniclog-y')

            def gathered():
                got = subprocess.run([PANICCTL, '-D', panicd.directory, 'message', '--json'],
                                     capture_output=True, timeout=60, check=False)
                return json.loads(got.stdout)['channels'][0]['gathered'] == 1
            until(gathered)
            assert len(web.all) == 1, events(web.all)
            write(ahead, '0')
            web.wait(2)
        finally:
            panicd.remove()


# ---- killed before every operation ----

def run_cut(env_server, env_messenger):
    """-> how many of both were killed; what is in the messenger's report, if it makes one"""
    web = Web()
    panicd = site(channel('ops', url=web.url(), events='panic complete', again='0'), ready=False)
    report = panicd.directory + '/.panicd/count'   # where the messenger may write
    if env_messenger and 'PND_CUT_REPORT' in env_messenger:
        env_messenger['PND_CUT_REPORT'] = report
    tree = tempfile.mkdtemp(prefix='tree-', dir=PLACE)
    os.makedirs(tree + '/sbin')
    os.makedirs(tree + '/libexec/panicd')
    os.link(PLACE + '/panicd', tree + '/sbin/panicd')   # nobody writes it while it is to run
    once = tree + '/once'
    if env_messenger:
        with open(once, 'w') as f:
            f.write('\n'.join('export %s=%s' % item for item in env_messenger.items()))
    with open(tree + '/libexec/panicd/panicd-messenger', 'w') as f:
        f.write('#!/bin/sh\nif mv %s %s.taken 2>/dev/null; then . %s.taken; fi\nexec %s "$@"\n' % (
            once, once, once, os.path.realpath(MESSENGER)))
    os.chmod(tree + '/libexec/panicd/panicd-messenger', 0o700)
    kills = 0

    panicd.program = tree + '/sbin/panicd'
    try:
        panicd.start(env=env_server, wait=False)
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            sent = pool.submit(send, panicd, 'paniclog-x', rto=0.05, patience=40)

            def told():
                nonlocal kills
                if panicd.process.poll() is not None:
                    assert panicd.process.returncode == -9, panicd.log()[-2000:]
                    kills += 1
                    panicd.start()
                return sent.done() and {(json.loads(r.body)['event']) for r in list(web.all)} >= {
                    'panic', 'complete'}
            until(told, timeout=60)
            sent.result()
        keys = {}
        for r in web.all:
            keys.setdefault(json.loads(r.body)['event'], set()).add(r.headers['Idempotency-Key'])
        assert all(len(k) == 1 for k in keys.values()), keys
        assert len(web.all) <= 4, web.all
        if 'PND_CUT_REPORT' in (env_messenger or env_server):
            panicd.stop()
        if env_messenger and os.path.exists(report):
            with open(report) as f:
                return int(f.read())
        return kills + panicd.log().count('messenger-ended signal=9')
    except BaseException as e:
        raise AssertionError('%s %s: %s\n%s' % (env_server, env_messenger, e, panicd.log()[-3000:])) from e
    finally:
        panicd.remove()
        web.close()
        shutil.rmtree(tree)


def every_cut(of_messenger):
    path = os.path.join(PLACE, 'count')
    report = {'LD_PRELOAD': SHIM, 'PND_CUT_REPORT': path}
    if of_messenger:
        count = run_cut(None, report)
    else:
        assert run_cut(report, None) == 0
        with open(path) as f:
            count = int(f.read())
    step = max(1, count // int(os.environ.get('PND_CUTS', '60')))

    def run(k):
        env = {'LD_PRELOAD': SHIM, 'PND_CUT_AT': str(k)}
        return run_cut(None if of_messenger else env, env if of_messenger else None)

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        kills = list(pool.map(run, range(1, count + 1, step)))
    print('# %d operations, killed %d times' % (count, sum(kills)))
    assert sum(kills) > len(kills) // 2, kills


def every_cut_of_the_messenger():
    """killed before its operations, the messenger tells each event, under one id"""
    every_cut(True)


def every_cut_of_the_server():
    """so it does when the server is killed before its own"""
    every_cut(False)


if __name__ == '__main__':
    certificates(PLACE)
    shutil.copy(PANICD, PLACE + '/panicd')
    tap = Tap()
    try:
        if CLOCK:
            tap.run(clock_set_back)
        if SHIM:
            tap.run(every_cut_of_the_messenger)
            tap.run(every_cut_of_the_server)
        only = os.environ.get('PND_ONLY', '').split()
        for each in (tells, incomplete, selected, missed, again, signed, secrets,
                     openssl_verifies, retried,
                     not_wanted, tls, mails, mails_need_tls, mails_again, hooks, hooks_that_hang,
                     no_transfer_waits, unreachable, killed, reload, tried,
                     tried_again, wrong_settings, soon):
            if not SHIM and (not only or each.__name__ in only):
                tap.run(each)
    finally:
        shutil.rmtree(PLACE, ignore_errors=True)
    sys.exit(tap.done())
