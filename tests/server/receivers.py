# SPDX-License-Identifier: BSD-2-Clause
"""Those who are told by panicd: an HTTP server and a mail server of loopback, which do what a test
says, also what they should not."""
import base64
import email
import email.header
import email.policy
import http.server
import os
import socketserver
import ssl
import subprocess
import threading
import time


def certificates(place):
    """An authority, and a server of 127.0.0.1 and localhost that it has signed, and one that signs itself."""
    def run(*args):
        subprocess.run(['openssl', *args], cwd=place, check=True, capture_output=True)

    run('req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2',
        '-keyout', 'ca.key', '-out', 'ca.pem', '-subj', '/CN=ca')
    for name, hosts in (('server', 'IP:127.0.0.1,DNS:localhost'), ('other', 'DNS:elsewhere.example')):
        run('req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout',
            name + '.key', '-out', name + '.csr', '-subj', '/CN=' + name)
        with open(os.path.join(place, 'ext'), 'w') as f:
            f.write('subjectAltName=' + hosts)
        run('x509', '-req', '-in', name + '.csr', '-CA', 'ca.pem', '-CAkey', 'ca.key', '-days', '2',
            '-out', name + '.pem', '-extfile', 'ext', '-set_serial', '1')


def context(place, name='server'):
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(os.path.join(place, name + '.pem'), os.path.join(place, name + '.key'))
    return made


class Got:
    """What has come, in its order."""

    def __init__(self):
        self.all = []
        self.change = threading.Condition()

    def add(self, what):
        with self.change:
            self.all.append(what)
            self.change.notify_all()

    def wait(self, count, timeout=20, match=lambda got: True):
        with self.change:
            ok = self.change.wait_for(lambda: len([g for g in self.all if match(g)]) >= count, timeout)
            found = [g for g in self.all if match(g)]
            assert ok, '%d of %d: %s' % (len(found), count, self.all)
            return found


class Request:
    def __init__(self, path, headers, body):
        self.path, self.headers, self.body, self.at = path, headers, body, time.monotonic()

    def __repr__(self):
        return '<%s %s>' % (self.path, self.body[:200])


class Threads(socketserver.ThreadingMixIn, socketserver.TCPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128

    def handle_error(self, request, client_address):
        pass  # whoever hangs up in the middle is part of the test


class Web(Got):
    """`answer` is called with each Request and its number; it gives (status, headers, body), or does
    something else to the handler's socket and gives None."""

    def __init__(self, answer=None, tls=None, port=0):
        super().__init__()
        self.answer = answer or (lambda request, number, handler: (200, {}, b''))
        self.tried = 0
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):  # noqa: N802, the name that the base class calls
                body = self.rfile.read(int(self.headers.get('Content-Length', 0)))
                request = Request(self.path, self.headers, body)
                with outer.change:
                    outer.tried += 1
                    number = outer.tried
                    outer.change.notify_all()
                said = outer.answer(request, number, self)
                if said is None:
                    self.close_connection = True
                    return
                status, headers, text = said
                self.send_response(status)
                for key, value in headers.items():
                    self.send_header(key, value)
                self.send_header('Content-Length', str(len(text)))
                self.end_headers()
                self.wfile.write(text)
                if 200 <= status < 300:
                    outer.add(request)

            do_GET = do_POST

            def log_message(self, *_):
                pass

        self.server = Threads(('127.0.0.1', port), Handler)
        if tls:
            self.server.socket = tls.wrap_socket(self.server.socket, server_side=True,
                                                 do_handshake_on_connect=False)
        self.port = self.server.server_address[1]
        self.scheme = 'https' if tls else 'http'
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def url(self, path='/hook'):
        return '%s://127.0.0.1:%d%s' % (self.scheme, self.port, path)

    def wait_tried(self, count, timeout=20):
        with self.change:
            assert self.change.wait_for(lambda: self.tried >= count, timeout), (self.tried, count)

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Letter:
    def __init__(self, sender, recipients, data, tls, user):
        self.sender, self.recipients, self.raw, self.tls, self.user = sender, recipients, data, tls, user
        self.message = email.message_from_bytes(data, policy=email.policy.default)
        self.at = time.monotonic()

    @property
    def subject(self):
        return self.message['Subject']

    @property
    def text(self):
        return self.message.get_content()

    def __repr__(self):
        return '<%s %s>' % (self.subject, self.message['Message-ID'])


class Mail(Got):
    """A few words of SMTP. `refuse`: {'MAIL': '451 later'}, by verb, taken away when used `once`."""

    def __init__(self, starttls=None, tls=None, login=None, refuse=None):
        super().__init__()
        self.refuse = refuse or {}
        self.talk = []
        outer = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                secure, user, sender, recipients = bool(tls), None, None, []
                if tls:
                    self.switch(tls)
                self.say('220 test ESMTP')
                while True:
                    line = self.rfile.readline(4096).decode('latin-1').rstrip('\r\n')
                    if not line:
                        return
                    outer.talk.append(line)
                    verb = line.split(' ')[0].upper()
                    if verb in outer.refuse:
                        self.say(outer.refuse[verb])
                    elif verb == 'EHLO':
                        can = ['test'] + (['STARTTLS'] if starttls and not secure else []) + \
                            (['AUTH PLAIN'] if login else [])
                        for word in can[:-1]:
                            self.say('250-' + word)
                        self.say('250 ' + can[-1])
                    elif verb == 'STARTTLS' and starttls:
                        self.say('220 go')
                        self.switch(starttls)
                        secure = True
                    elif verb == 'AUTH':
                        given = line.split(' ')[2] if line.count(' ') > 1 else self.challenge()
                        name, word = base64.b64decode(given).decode().split('\0')[1:]
                        user = name if (name, word) == login else None
                        self.say('235 yes' if user else '535 no')
                    elif verb == 'MAIL':
                        sender, recipients = line[len('MAIL FROM:'):].split(' ')[0], []
                        self.say('250 ok')
                    elif verb == 'RCPT':
                        recipients.append(line[len('RCPT TO:'):].split(' ')[0])
                        self.say('250 ok')
                    elif verb == 'DATA':
                        self.say('354 go')
                        data = b''
                        while True:
                            got = self.rfile.readline(65536)
                            if got in (b'.\r\n', b''):
                                break
                            data += got[1:] if got.startswith(b'.') else got
                        outer.add(Letter(sender, recipients, data, secure, user))
                        self.say('250 taken')
                    elif verb == 'QUIT':
                        self.say('221 bye')
                        return
                    else:
                        self.say('502 what')

            def challenge(self):
                self.say('334 ')
                return self.rfile.readline(4096).decode().strip()

            def switch(self, to):
                self.request = self.connection = to.wrap_socket(self.connection, server_side=True)
                self.rfile = self.connection.makefile('rb')
                self.wfile = self.connection.makefile('wb', 0)

            def say(self, text):
                self.wfile.write(text.encode() + b'\r\n')

        self.server = Threads(('127.0.0.1', 0), Handler)
        self.port = self.server.server_address[1]
        self.scheme = 'smtps' if tls else 'smtp'
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def url(self, host='127.0.0.1'):
        return '%s://%s:%d' % (self.scheme, host, self.port)

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
