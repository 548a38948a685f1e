# SPDX-License-Identifier: BSD-2-Clause
"""Frames on the machine's cable: a recording of them, and a neighbour that speaks for itself."""

import dataclasses
import socket
import struct
import threading

import box

BROADCAST = b"\xff" * 6
OUR_MAC = bytes.fromhex("525500000001")
ARP, IPV4 = 0x0806, 0x0800


def ip(text):
    return socket.inet_aton(text)


def mac(text):
    return bytes.fromhex(text.replace(":", ""))


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


@dataclasses.dataclass
class Udp:
    """A UDP datagram and what carried it."""
    source_mac: bytes
    target_mac: bytes
    header: tuple      # of IPv4, in the order of its fields
    header_good: bool
    source: str
    target: str
    source_port: int
    target_port: int
    checksum: int
    payload: bytes


@dataclasses.dataclass
class Arp:
    operation: int
    sender_mac: bytes
    sender: str
    target_mac: bytes
    target: str


def parse(frame):
    """An Arp, a Udp, or None."""
    kind, = struct.unpack_from(">H", frame, 12)
    if kind == ARP:
        _, _, _, _, operation, sha, spa, tha, tpa = struct.unpack_from(">HHBBH6s4s6s4s", frame, 14)
        return Arp(operation, sha, socket.inet_ntoa(spa), tha, socket.inet_ntoa(tpa))
    if kind != IPV4 or frame[23] != 17:
        return None
    header = struct.unpack_from(">BBHHHBBH4s4s", frame, 14)
    sport, dport, length, check = struct.unpack_from(">HHHH", frame, 34)
    return Udp(frame[6:12], frame[:6], header, checksum(frame[14:34]) == 0,
               socket.inet_ntoa(header[8]), socket.inet_ntoa(header[9]), sport, dport, check,
               frame[42:34 + length])


def recorded(path):
    """The frames of a recording by -object filter-dump, parsed, in order."""
    data = path.read_bytes()
    at, found = 24, []
    while at + 16 <= len(data):
        _, _, length, _ = struct.unpack_from("<4I", data, at)
        found.append(parse(data[at + 16:at + 16 + length]))
        at += 16 + length
    return [frame for frame in found if frame]


def udp(source, target, source_port, target_port, payload, target_mac, source_mac=OUR_MAC):
    header = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 28 + len(payload), 0, 0, 64, 17, 0,
                         ip(source), ip(target))
    header = header[:10] + struct.pack(">H", checksum(header)) + header[12:]
    return (target_mac + source_mac + struct.pack(">H", IPV4) + header
            + struct.pack(">HHHH", source_port, target_port, 8 + len(payload), 0) + payload)


def arp_request(sender, target, sender_mac=OUR_MAC):
    return (BROADCAST + sender_mac + struct.pack(">HHHBBH", ARP, 1, IPV4, 6, 4, 1) + sender_mac
            + ip(sender) + bytes(6) + ip(target) + bytes(18))


class Neighbour:
    """The other end of the cable: keeps what comes, answers nothing by itself."""

    def __init__(self, work):
        self._inner, self._outer = f"{work}/cable.peer", f"{work}/cable.qemu"
        self.netdev = (f"dgram,id=n0,local.type=unix,local.path={self._outer},"
                       f"remote.type=unix,remote.path={self._inner}")
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self._inner)
        self._socket.settimeout(0.1)
        self.frames, self._stop = [], False
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self):
        while not self._stop:
            try:
                frame = parse(self._socket.recv(4096))
            except TimeoutError:
                continue
            if frame:
                self.frames.append(frame)

    def send(self, frame):
        self._socket.sendto(frame.ljust(60, b"\0"), self._outer)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._stop = True
        self._thread.join(5)
        self._socket.close()

    def ask(self, sender, target, patience=5):
        """An ARP request, repeated: the answer, or None."""
        deadline = box.time.monotonic() + patience
        while box.time.monotonic() < deadline:
            before = len(self.frames)
            self.send(arp_request(sender, target))
            box.time.sleep(0.1)
            for frame in self.frames[before:]:
                if isinstance(frame, Arp) and frame.operation == 2 and frame.sender == target:
                    return frame
        return None
