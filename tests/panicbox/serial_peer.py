# SPDX-License-Identifier: BSD-2-Clause
"""The other end of the machine's second serial line: a host that takes the frames of PROTOCOL.md,
kdp-2.10, apart, answers ARP for the server, and passes datagrams on to the real panicd and back.
Nothing in it knows src/wire/serial.c."""

import selectors
import socket
import struct
import threading
import zlib

import frames

START, END, ESCAPE = 0xfa, 0xfb, 0xfe
ESCAPED = {START, END, ESCAPE, 0x0a}
LARGEST = 1518
FAKE_MAC, FAKE_IP = b"serial", "190.186.173.171"   # be ba ad ab
SERVER_MAC = bytes.fromhex("525500000002")
DAMAGE = 0x10


def escaped(data):
    out = bytearray()
    for byte in data:
        out += bytes((ESCAPE, byte ^ 0xff)) if byte in ESCAPED else bytes((byte,))
    return bytes(out)


def framed(packet):
    return (bytes((START,)) + escaped(zlib.crc32(packet).to_bytes(4, "little"))
            + bytes((START,)) + escaped(packet) + bytes((END,)))


def unescaped(data):
    """None when an escape is followed by nothing."""
    parts = data.split(bytes((ESCAPE,)))
    if any(not part for part in parts[1:]):
        return None
    return parts[0] + b"".join(bytes((part[0] ^ 0xff,)) + part[1:] for part in parts[1:])


class Decoder:
    """Whole frames out of a stream: everything up to each END is looked at at once."""

    def __init__(self):
        self._held, self.damaged = b"", 0

    def feed(self, data):
        pieces = (self._held + data).split(bytes((END,)))
        self._held = pieces.pop()
        for piece in pieces:
            _, *fields = piece.split(bytes((START,)))
            fields = [unescaped(field) for field in fields[-2:]]
            if len(fields) == 2 and None not in fields and 0 < len(fields[1]) <= LARGEST and \
                    fields[0] == zlib.crc32(fields[1]).to_bytes(4, "little"):
                yield fields[1]
            else:
                self.damaged += 1


class SerialPeer:
    """listens where QEMU shall connect: give Box extra=peer.extra. Every `spoil`th byte of each
    direction is damaged on its way; 0: none is."""

    def __init__(self, work, server_ip, port, spoil=0):
        path = f"{work}/serial"
        self.extra = ["-chardev", f"socket,id=s1,path={path}", "-serial", "chardev:s1"]
        self._server_ip, self._port, self._spoil = server_ip, port, spoil
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(path)
        self._listener.listen(1)
        self._listener.settimeout(0.1)
        self._line, self._peers, self._selector = None, {}, selectors.DefaultSelector()
        self._passed = [0, 0]          # bytes, from the machine and to it
        self.spoiled, self.packets, self.bytes = 0, 0, 0
        self.decoder, self.arps, self.wrong = Decoder(), [], []
        self._stop = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._stop = True
        self._thread.join(10)
        for sock in [self._listener, self._line, *self._peers.values()]:
            if sock:
                sock.close()
        self._selector.close()

    # ---- the line

    def _damage(self, direction, data):
        before = self._passed[direction]
        self._passed[direction] += len(data)
        if not self._spoil:
            return data
        data = bytearray(data)
        for at in range(self._spoil - 1 - before % self._spoil, len(data), self._spoil):
            data[at] ^= DAMAGE
            self.spoiled += 1
        return bytes(data)

    def _say(self, packet):
        self._line.sendall(self._damage(1, framed(packet)))

    def _run(self):
        while not self._line and not self._stop:
            try:
                self._line, _ = self._listener.accept()
            except TimeoutError:
                continue
        if self._line:
            self._selector.register(self._line, selectors.EVENT_READ)
        while not self._stop:
            for key, _ in self._selector.select(0.1):
                try:
                    if key.fileobj is self._line:
                        self._heard(self._line.recv(65536))
                    else:
                        self._answered(key.fileobj, key.data)
                except OSError:     # QEMU has ended
                    return

    # ---- what goes over it

    def _heard(self, data):
        if not data:
            raise ConnectionResetError
        self.bytes += len(data)
        for packet in self.decoder.feed(self._damage(0, data)):
            self.packets += 1
            frame = frames.parse(packet)
            if packet[6:12] != FAKE_MAC:
                self.wrong.append(packet)
            elif isinstance(frame, frames.Arp):
                self._asked(frame)
            elif isinstance(frame, frames.Udp) and frame.target == self._server_ip:
                self._pass_on(frame)

    def _asked(self, arp):
        self.arps.append(arp)
        if arp.operation == 1 and arp.target == self._server_ip:
            self._say(arp.sender_mac + SERVER_MAC
                      + struct.pack(">HHHBBH", frames.ARP, 1, frames.IPV4, 6, 4, 2) + SERVER_MAC
                      + frames.ip(self._server_ip) + arp.sender_mac + frames.ip(arp.sender))

    def _pass_on(self, datagram):
        who = (datagram.source, datagram.source_port)
        if datagram.target_mac != SERVER_MAC or datagram.target_port != self._port or \
                not datagram.header_good:
            self.wrong.append(datagram)
            return
        if who not in self._peers:
            self._peers[who] = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self._peers[who].connect(("127.0.0.1", self._port))
            self._selector.register(self._peers[who], selectors.EVENT_READ, who)
        self._peers[who].send(datagram.payload)

    def _answered(self, sock, who):
        payload = sock.recv(2048)
        self._say(frames.udp(self._server_ip, who[0], self._port, who[1], payload, FAKE_MAC,
                             SERVER_MAC))
