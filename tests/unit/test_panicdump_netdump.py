#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
#
# panicdump send --protocol netdump against a server of forty lines, written from PROTOCOL.md,
# sections netdump-1 to 7: files, pipes, FreeBSD's own dumps, loss, refusals, and what cannot be.
# Usage: test_panicdump_netdump.py PANICDUMP. Speaks TAP. In a network namespace of its own, or on
# loopback.

import os
import random
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import zlib

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import freebsd_dump

PANICDUMP = sys.argv[1]
HERALD, FINISHED, VMCORE, KDH, KEY = 1, 2, 3, 4, 5


class Server(threading.Thread):
    """As netdumpd: answers a herald from a new port, to port 20024 wherever it came from, knows
    nothing of bursts, and takes at most @p datagram bytes."""

    def __init__(self, lose=0, silent_at=None, to_sender=False, datagram=65536,
                 address="127.0.0.1"):
        super().__init__(daemon=True)
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind((address, 0))
        self.port = self.sock.getsockname()[1]
        self.own = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.own.bind((address, 0))
        self.sock.settimeout(20)
        self.own.settimeout(20)
        self.lose, self.silent_at, self.to_sender = lose, silent_at, to_sender
        self.random = random.Random(1)
        self.core, self.kdh, self.key, self.path = bytearray(), b"", bytearray(), None
        self.order, self.done, self.largest, self.last, self.peer = [], False, 0, 0, None
        self.datagram = datagram
        self.start()

    def take(self, kind, offset, data):
        if not self.order or self.order[-1] != kind:
            self.order.append(kind)
        if kind == VMCORE:
            end = offset + len(data)
            self.core.extend(bytes(max(0, end - len(self.core))))
            self.core[offset:end] = data
        elif kind == KDH:
            self.kdh = data
        elif kind == KEY:
            self.key[offset:offset + len(data)] = data
        elif kind == HERALD:
            self.path = data
        self.done |= kind == FINISHED

    def run(self):
        source = self.sock
        while not self.done:
            try:
                packet, peer = source.recvfrom(65536)
            except (socket.timeout, OSError):
                return
            kind, number, offset, length, zero = struct.unpack(">IIQII", packet[:24])
            if length != len(packet) - 24 or zero or len(packet) > self.datagram:
                self.order.append("bad packet")
                continue
            self.largest = max(self.largest, len(packet))
            if self.silent_at is not None and number >= self.silent_at:
                continue
            if self.random.random() < self.lose:
                continue
            self.take(kind, offset, packet[24:])
            self.last, self.peer = max(self.last, number), peer
            if kind == HERALD:
                source = self.own
            if self.random.random() < self.lose and kind != FINISHED:
                continue
            to = peer if self.to_sender else (peer[0], 20024)
            self.own.sendto(struct.pack(">I", number), to)


count, failures = 0, 0


def check(sentence, ok, *why):
    global count, failures
    count += 1
    if not ok:
        failures += 1
        for w in why:
            print("#", str(w).replace("\n", "\n# "))
    print(f"{'' if ok else 'not '}ok {count} - {sentence}", flush=True)


def panicdump(*args, data=None, timeout=80):
    return subprocess.run([PANICDUMP, *args], input=data, capture_output=True, timeout=timeout)


def send(server, *args, **kw):
    p = panicdump("send", "--protocol", "netdump", "--server", f"127.0.0.1:{server.port}", "-q",
                  *args, **kw)
    if p.returncode == 0:
        server.join(5)
    return p


def write(path, data):
    with open(path, "wb") as f:
        f.write(data)
    return path


def field(kdh, at, cap):
    return kdh[at:at + cap].split(b"\0")[0].decode()


def sizes(tmp):
    for size in (1, 511, 512, 1448, 4095, 4096, 4097, 45056, 45057, 65536, 300000):
        data = random.Random(size).randbytes(size)
        path = write(os.path.join(tmp, f"f{size}"), data)
        for how, args, given in (("a file", [path], None), ("a pipe", ["-"], data)):
            s = Server()
            p = send(s, *args, data=given)
            padded = -(-size // 4096) * 4096
            check(f"{size} bytes from {how} arrive as they are, in whole blocks",
                  p.returncode == 0 and s.done and s.core == data + bytes(padded - size)
                  and struct.unpack(">Q", s.kdh[40:48])[0] == size, p, len(s.core))


def the_header(tmp):
    path = write(os.path.join(tmp, "vmcore.7"), bytes(5000))
    s = Server()
    before = int(time.time())
    p = send(s, "--path", "lab/one", path)
    parity = 0
    for word in struct.unpack(">128I", s.kdh):
        parity ^= word
    version, _, length, when = struct.unpack(">IIQQ", s.kdh[32:56])
    machine = os.uname()
    check("a header says what it is",
          p.returncode == 0 and parity == 0 and version == 4 and length == 5000
          and before <= when <= time.time() and field(s.kdh, 0, 20) == "FreeBSD Kernel Dump"
          and field(s.kdh, 320, 175) == "vmcore.7" and s.kdh[495] == 0
          and field(s.kdh, 20, 12) == {"x86_64": "amd64"}.get(machine.machine, machine.machine)
          and machine.release in field(s.kdh, 128, 192), p, s.kdh)
    check("the order is that of FreeBSD's client, and the herald has the path",
          s.order == [HERALD, VMCORE, KDH, FINISHED] and s.path == b"lab/one\0", s.order, s.path)
    check("it comes from port 20024, and what it says of a dump stands in one line",
          s.peer[1] == 20024 and b"sent vmcore.7: 5000 bytes" in p.stdout, s.peer, p.stdout)
    s = Server()
    p = send(s, "--name", "n" * 255, path)
    check("a long name is cut where the header has no room",
          p.returncode == 0 and field(s.kdh, 320, 175) == "n" * 174, p)


def freebsds_own(tmp):
    core = freebsd_dump.minidump()
    for version in (1, 2, 3, 4):
        for sector in (512, 4096):
            blob = freebsd_dump.key(sector) if version > 1 else b""
            front = freebsd_dump.partition(core + b"x", len(core) + 30000, sector, version, blob)
            at = front.index(b"FreeBSD Kernel Dump")
            path = write(os.path.join(tmp, "raw"), front[at:])
            s = Server()
            p = send(s, path)
            check(f"a dump of FreeBSD's, header version {version}, sectors of {sector}, goes as "
                  "what it is",
                  p.returncode == 0 and s.kdh == front[at:at + 512] and bytes(s.key) == blob
                  and s.core[:len(core) + 1] == core + b"x" and not any(s.core[len(core) + 1:])
                  and s.order == [HERALD] + [KEY] * bool(blob) + [VMCORE, KDH, FINISHED],
                  p, s.order)
    for what, data in (("whose last header is another", front[at:-4000] + b"!" + front[-3999:]),
                       ("that is cut", front[at:-5000]),
                       ("with a wrong parity", front[at:at + 100] + b"!" + front[at + 101:])):
        path = write(os.path.join(tmp, "raw"), data)
        s = Server()
        p = send(s, path)
        check(f"a dump of FreeBSD's {what} is a file as any other",
              p.returncode == 0 and s.core[:len(data)] == data
              and field(s.kdh, 320, 175) == "raw", p)
    path = write(os.path.join(tmp, "raw"), front[at:])
    p = panicdump("send", "--protocol", "netdump", "--server", "127.0.0.1:9", "--compress", "gzip",
                  path)
    check("a dump of FreeBSD's is not packed again",
          p.returncode == 2 and b"as its header" in p.stderr, p)


def on_the_way(tmp):
    data = random.Random(5).randbytes(700000)
    path = write(os.path.join(tmp, "core"), data)
    for lose in (0.01, 0.1):
        s = Server(lose=lose)
        p = send(s, path)
        check(f"{lose:.0%} lost each way cost time, and nothing else",
              p.returncode == 0 and s.core[:len(data)] == data and b" 0 retrans" not in p.stdout, p)
    text = b"kernel panic " * 50000
    path = write(os.path.join(tmp, "text"), text)
    for how, code, undo in (("gzip", 1, lambda b: zlib.decompressobj(31).decompress(b)),
                            ("zstd", 2, None), ("auto", 2, None)):
        s = Server()
        p = send(s, "--compress", how, path)
        length = struct.unpack(">Q", s.kdh[40:48])[0]
        body = bytes(s.core[:length])
        if undo is None and shutil.which("zstd"):
            undo = lambda b: subprocess.run(["zstd", "-dcq"], input=b, capture_output=True).stdout
        check(f"--compress {how} is said in the header",
              p.returncode == 0 and s.kdh[495] == code and length < len(text)
              and (undo is None or undo(body) == text), p, s.kdh[495], length)
    sparse = os.path.join(tmp, "sparse")
    with open(sparse, "wb") as f:
        f.seek(3000000)
        f.write(b"end")
    s = Server()
    p = send(s, sparse)
    check("holes of a file are sent as zeros",
          p.returncode == 0 and s.core[:3000003] == bytes(3000000) + b"end", p, len(s.core))
    s = Server(datagram=1472)
    send(s, path)
    check("no datagram is larger than Ethernet carries, and none much smaller is the rule",
          s.largest == 1472 and "bad packet" not in s.order, s.largest, s.order)


def another_has_the_port(tmp):
    path = write(os.path.join(tmp, "core"), b"x" * 10000)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("0.0.0.0", 20024))
        s = Server(to_sender=True)
        p = panicdump("send", "--protocol", "netdump", "--server", f"127.0.0.1:{s.port}", path)
        check("if port 20024 is taken, another is used, and it is said",
              p.returncode == 0 and b"20024 is in use" in p.stderr and s.peer[1] != 20024, p)


def what_cannot_be(tmp):
    path = write(os.path.join(tmp, "core"), b"x")
    to = ["send", "--protocol", "netdump", "--server", "127.0.0.1:9"]
    for args, word in ((["--plain"], b"--plain"), (["--resume"], b"--resume"),
                       (["--window", "1M"], b"--window"), (["--compress", "lz4"], b"LZ4"),
                       (["--protocol", "tftp"], b"apple or netdump"),
                       (["--path", "../up"], b"beneath"), (["--path", "/var/crash"], b"beneath"),
                       (["--path", "p" * 2000], b"beneath")):
        p = panicdump(*to, *args, path)
        check(f"{' '.join(args)[:20]} is refused in a sentence",
              p.returncode == 2 and word in p.stderr, p)
    p = panicdump("send", "--server", "127.0.0.1:9", "--path", "lab", path)
    check("--path is of netdump only", p.returncode == 2 and b"--protocol netdump" in p.stderr, p)
    for name in ("an empty file", "an empty pipe"):
        s = Server()
        args = [write(os.path.join(tmp, "empty"), b"")] if "file" in name else ["-"]
        p = send(s, *args, data=b"")
        check(f"{name} is no dump", p.returncode == 2 and b"no empty dumps" in p.stderr
              and not s.done, p)


def silence(tmp):
    path = write(os.path.join(tmp, "core"), b"x" * 200000)
    s = Server(silent_at=20)
    start = time.monotonic()
    runs = [subprocess.Popen([PANICDUMP, "send", "--protocol", "netdump", "--server",
                              f"127.0.0.1:{s.port}", "-q", path], stderr=subprocess.PIPE)]
    time.sleep(0.5)
    s2 = Server(silent_at=20, to_sender=True)
    stopped = subprocess.Popen([PANICDUMP, "send", "--protocol", "netdump", "--server",
                                f"127.0.0.1:{s2.port}", "-q", path], stderr=subprocess.PIPE)
    time.sleep(1)
    stopped.send_signal(signal.SIGTERM)
    err = stopped.communicate(timeout=10)[1]
    check("a signal ends it, and nobody is told",
          stopped.returncode == 143 and b"finds out by the silence" in err, stopped.returncode, err)
    err = runs[0].communicate(timeout=80)[1]
    took = time.monotonic() - start
    check("50 s of silence end it, with what they may mean",
          runs[0].returncode == 1 and 48 < took < 60 and b"netdump says no" in err,
          runs[0].returncode, took, err)


def main():
    with tempfile.TemporaryDirectory() as tmp:
        sizes(tmp)
        the_header(tmp)
        freebsds_own(tmp)
        on_the_way(tmp)
        another_has_the_port(tmp)
        what_cannot_be(tmp)
        silence(tmp)
    print(f"1..{count}")
    return 1 if failures else 0


if __name__ == "__main__":
    # Port 20024 of this machine may be somebody else's.
    if os.environ.get("PND_IN_NAMESPACE") != "1" and os.geteuid() == 0 and shutil.which("ip") and \
            subprocess.run(["unshare", "-n", "true"], capture_output=True).returncode == 0:
        os.environ["PND_IN_NAMESPACE"] = "1"
        os.execvp("unshare", ["unshare", "-n", "sh", "-c", 'ip link set lo up && exec "$@"', "sh",
                              sys.executable, *sys.argv])
    sys.exit(main())
