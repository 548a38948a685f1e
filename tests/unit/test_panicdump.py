#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
#
# panicdump against a receiver of thirty lines: files and pipes of every awkward size, gzip, exit
# codes, signals, refusals. Usage: test_panicdump.py PANICDUMP. Speaks TAP. Loopback only.

import gzip
import os
import random
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

PANICDUMP = sys.argv[1]
WRQ, DATA, ACK, ERROR, SEEK, EOF = 2, 3, 4, 5, 6, 7


class Receiver(threading.Thread):
    """Takes one dump, as Apple's server would, and remembers what came."""

    def __init__(self, features=3, refuse=None, lose=0, stop_after=None, own_port=False,
                 address="127.0.0.1", taken=(), several=False):
        super().__init__(daemon=True)
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind((address, 0))
        self.port = self.sock.getsockname()[1]
        self.reply = socket.socket(socket.AF_INET, socket.SOCK_DGRAM) if own_port else self.sock
        if own_port:
            self.reply.bind((address, 0))
            self.reply.settimeout(20)
        self.sock.settimeout(20)
        self.features, self.refuse, self.lose = features, refuse, lose
        self.stop_after = stop_after
        self.taken, self.several = taken, several
        self.name, self.body, self.done = None, bytearray(), False
        self.seeks, self.largest, self.error, self.expected = 0, 0, None, 0
        self.random = random.Random(1)
        self.start()

    def ack(self, block, peer, features=0):
        if self.random.random() < self.lose:
            return
        try:
            self.reply.sendto(struct.pack(">HI", features << 8 | ACK, block), peer)
        except OSError:
            pass  # our link is down: it is lost, too

    def take(self, op, block, data):
        if op == DATA:
            self.largest = max(self.largest, len(data))
            end = self.at + len(data)
            if end > len(self.body):
                self.body.extend(bytes(end - len(self.body)))
            self.body[self.at : end] = data
            self.at = end
        elif op == SEEK:
            self.seeks += 1
            self.at = int.from_bytes(data[: 8 if self.features & 1 else 4], "big")
        elif op == EOF:
            self.done = True

    def run(self):
        self.at = 0
        source = self.sock
        while True:
            try:
                packet, peer = source.recvfrom(65536)
            except (socket.timeout, OSError):
                return
            op = struct.unpack(">H", packet[:2])[0]
            if op == WRQ:
                name = packet[2:].split(b"\0")[0].decode()
                if self.refuse or name in self.taken:
                    code, text = self.refuse or (6, b"file exists\0")
                    self.reply.sendto(struct.pack(">HI", ERROR, code) + text, peer)
                    continue
                self.name, self.body, self.at = name, bytearray(), 0
                self.ack(0, peer, self.features)
                self.expected = 1
                source = self.reply
                continue
            block, data = struct.unpack(">I", packet[2:6])[0], packet[6:]
            if op == ERROR:
                self.error = data
                if self.several:
                    continue
                return
            if self.random.random() < self.lose:
                continue
            if self.stop_after is not None and block > self.stop_after:
                continue
            if block == self.expected:
                self.take(op, block, data)
                self.expected += 1
            if block in (self.expected - 1, self.expected):
                self.ack(self.expected - 1, peer)


count, failures = 0, 0


def check(sentence, ok, *why):
    global count, failures
    count += 1
    if not ok:
        failures += 1
        for w in why:
            print("#", str(w).replace("\n", "\n# "))
    print(f"{'' if ok else 'not '}ok {count} - {sentence}", flush=True)


def panicdump(*args, data=None, timeout=60):
    return subprocess.run([PANICDUMP, *args], input=data, capture_output=True, timeout=timeout)


def send(receiver, *args, **kw):
    return panicdump(
        "send", "--server", "127.0.0.1", "--port", str(receiver.port), "-q", *args, **kw
    )


def write(path, data):
    with open(path, "wb") as f:
        f.write(data)
    return path


def sizes(tmp):
    for size in (0, 1, 511, 512, 513, 1405, 1406, 1407, 2812, 4096, 300000):
        data = random.Random(size).randbytes(size)
        path = write(os.path.join(tmp, f"f{size}"), data)
        for how, args, given in (("a file", [path], None), ("a pipe", ["-"], data)):
            r = Receiver()
            p = send(r, *args, data=given)
            r.join(5) if not r.done else None
            check(
                f"{size} bytes from {how} arrive as they are",
                p.returncode == 0 and r.done and bytes(r.body) == data,
                p.stderr,
                len(r.body),
            )


def sparse(tmp):
    page = bytes(4096)
    data = b"a" * 5000 + page * 40 + b"b" * 1234 + page * 9
    path = write(os.path.join(tmp, "sparse"), data)
    for what, args, given, seeks in (
        ("a file with zeros is sent with seeks", [path], None, 2),
        ("a pipe with zeros is sent with seeks", ["-"], data, 2),
        ("--no-sparse sends the zeros", ["--no-sparse", path], None, 0),
    ):
        r = Receiver()
        p = send(r, *args, data=given)
        ok = p.returncode == 0 and bytes(r.body) == data and r.seeks == seeks
        check(what, ok, p.stderr, r.seeks, len(r.body))
    holes = os.path.join(tmp, "holes")
    with open(holes, "wb") as f:
        f.seek(5 << 30)
        f.write(b"end")
        f.truncate((5 << 30) + (1 << 20))
    r = Receiver()
    r.take = lambda op, block, data, take=r.take: marks.append((op, data)) or (
        take(op, block, b"") if op == EOF else None
    )
    marks = []
    p = send(r, holes)
    offsets = [int.from_bytes(d, "big") for op, d in marks if op == SEEK]
    last = [len(d) for op, d in marks if op == DATA]
    ok = p.returncode == 0 and offsets == [5 << 30, (5 << 30) + (1 << 20) - 1406]
    check("5 GiB of hole cost one seek, and the last block is data", ok and last[-1] == 1406,
          p.stderr, offsets, last)


def links(tmp):
    data = random.Random(7).randbytes(200000)
    path = write(os.path.join(tmp, "data"), data)
    for what, kw, largest in (
        ("a server that grants nothing gets blocks of 512", {"features": 0}, 512),
        ("an answer from another port is followed", {"own_port": True}, 1406),
        ("a tenth of the packets may be lost", {"lose": 0.1}, 1406),
    ):
        r = Receiver(**kw)
        p = send(r, path)
        ok = p.returncode == 0 and bytes(r.body) == data and r.largest == largest
        check(what, ok, p.stderr, len(r.body), r.largest)


def compress(tmp):
    data = b"panic " * 100000
    path = write(os.path.join(tmp, "log"), data)
    r = Receiver()
    p = send(r, "--gzip", path)
    ok = p.returncode == 0 and r.name == "log.gz" and gzip.decompress(bytes(r.body)) == data
    check("--gzip arrives compressed, under a name with .gz", ok, p.stderr, r.name)
    head = bytes(r.body[:9])
    check("its header is the one of Apple's kernel", head == b"\x1f\x8b\x08\0\0\0\0\0\x04", head)
    r = Receiver()
    p = send(r, "--gzip", "-", data=b"")
    check("nothing at all is a whole gzip member", gzip.decompress(bytes(r.body)) == b"", p.stderr)


def compress_how(tmp):
    data, noise = b"panic " * 100000, random.Random(5).randbytes(700000)
    for how, suffix, tool in (("auto", ".zst", "zstd"), ("zstd", ".zst", "zstd"),
                              ("lz4", ".lz4", "lz4"), ("gzip", ".gz", "gzip")):
        for what, content in (("text", data), ("zeros", bytes(3 << 20)), ("noise", noise),
                              ("nothing", b""), ("all of it", data + bytes(1 << 20) + noise)):
            path = write(os.path.join(tmp, "content"), content)
            for source in (path, "-"):
                r = Receiver()
                p = send(r, "--compress", how, source, data=content if source == "-" else None)
                test = subprocess.run([tool, "-t"], input=bytes(r.body), capture_output=True)
                back = subprocess.run([tool, "-dc"], input=bytes(r.body), capture_output=True)
                check(f"--compress {how}: {what} from {source[-7:]} is a whole {suffix} for {tool}",
                      p.returncode == 0 and r.name.endswith(suffix) and test.returncode == 0 and
                      back.stdout == content and len(r.body) < len(content) * 1.01 + 40,
                      p.stderr, r.name, test.stderr, back.returncode, len(r.body), len(content))
    path = write(os.path.join(tmp, "packed.gz"), gzip.compress(noise))
    r = Receiver()
    p = send(r, "--compress", "auto", path)
    check("--compress auto sends what is packed already as it is",
          p.returncode == 0 and r.name == "packed.gz" and gzip.decompress(bytes(r.body)) == noise,
          p.stderr, r.name)
    r = Receiver()
    p = send(r, "--compress", "lz4", "--name", "mine", path)
    check("--compress adds nothing to a name that was given", r.name == "mine", p.stderr, r.name)
    p = panicdump("send", "--server", "127.0.0.1", "--compress", "zip\x1b", path)
    check("another word for --compress is named, with those that there are",
          p.returncode == 2 and b"\\x1b" in p.stderr and b"auto, lz4, zstd, gzip or none" in p.stderr,
          p.returncode, p.stderr)


def refusals(tmp):
    path = write(os.path.join(tmp, "x"), b"x")
    for code, text, words in (
        (2, b"not on the allow-list\x1b[2J\0", [b"policy", b"not on the allow-list\\x1B[2J"]),
        (3, b"disk full\0", [b"no room", b"disk full"]),
        (6, b"exists\0", [b"--name"]),
        (2 << 16, b"swapped", [b"policy"]),
    ):
        r = Receiver(refuse=(code, text))
        p = send(r, path)
        err = p.stderr.replace(b"\\x1b", b"\\x1B")
        ok = p.returncode == 1 and all(w in err for w in words) and b"\x1b" not in p.stderr
        check(f"error {code} is final, exits 1 and is explained", ok, p.stderr)


def names(tmp):
    path = write(os.path.join(tmp, "odd name"), b"x")
    r = Receiver()
    send(r, path)
    check("the name is the file's, as it is", r.name == "odd name", r.name)
    r = Receiver()
    send(r, "--name", "core-1", path)
    check("--name is the name", r.name == "core-1", r.name)
    r = Receiver()
    send(r, "-", data=b"x")
    check("a pipe gets a name with host and time", r.name.startswith("stdin-"), r.name)


def unusable(tmp):
    for what, args in (
        ("a file that is not there", ["send", "--server", "127.0.0.1", tmp + "/none"]),
        ("a directory", ["send", "--server", "127.0.0.1", tmp]),
        ("no server", ["send", "x"]),
        ("a port of 0", ["send", "--server", "127.0.0.1", "--port", "0", "x"]),
        ("a port of 0 behind the address", ["send", "--server", "127.0.0.1:0", "x"]),
        ("an address without an end", ["test", "--server", "127.0.0.1:"]),
        ("a server of 300 bytes", ["test", "--server", "n" * 300]),
        ("no verb", []),
        ("a wrong verb", ["sned"]),
        ("a wrong option", ["test", "--frob"]),
        ("a name of 300 bytes", ["send", "--server", "127.0.0.1", "--name", "n" * 300, PANICDUMP]),
    ):
        p = panicdump(*args)
        check(f"{what} exits 2 and says why", p.returncode == 2 and p.stderr, p)
    p = panicdump("--help")
    lines = p.stdout.decode().split("\n")
    ok = p.returncode == 0 and len(lines) <= 25 and max(map(len, lines)) <= 80
    check("--help fits a screen of 24 lines and 80 columns", ok, len(lines), max(map(len, lines)))
    check("--version says panicdump", panicdump("--version").stdout.startswith(b"panicdump "))


def stops(tmp):
    for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
        for what, stop_after in (("while it waits for the server", 3), ("on a silent pipe", None)):
            r = Receiver(stop_after=stop_after)
            p = subprocess.Popen(
                [PANICDUMP, "send", "--server", "127.0.0.1", "--port", str(r.port), "-q", "-"],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            if stop_after:
                p.stdin.write(bytes(range(1, 251)) * 1200)
                p.stdin.flush()
            while r.expected < (stop_after or 0) + 1:
                pass
            p.send_signal(number)
            r.join(10)
            code_seen = p.wait(10)
            ok = code_seen == code and r.error == b"aborted by the sender\0" and not r.done
            check(f"{number.name} {what} tells the server and exits {code}", ok, code_seen, r.error)


def stops_while_threads_pack(tmp):
    """Noise, more than all that is held back, to a server that stops answering."""
    path = write(os.path.join(tmp, "noise"), os.urandom(48 << 20))
    for how in ("auto", "zstd", "lz4"):
        r = Receiver(stop_after=3)
        p = subprocess.Popen(
            [PANICDUMP, "send", "--server", "127.0.0.1", "--port", str(r.port), "-q", "--compress",
             how, path], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        while r.expected < 4:
            time.sleep(0.01)
        p.send_signal(signal.SIGINT)
        r.join(10)
        code = p.wait(10)
        ok = code == 130 and r.error == b"aborted by the sender\0" and not r.done
        check(f"SIGINT with --compress {how} tells the server and exits 130", ok, code, r.error)
        p.stdout.close(), p.stderr.close()


def read_errors(tmp):
    # /proc/self/mem from 0: open works, the first read does not
    for how in ("none", "auto", "gzip"):
        r = Receiver()
        p = send(r, "--compress", how, "/proc/self/mem")
        r.join(5)
        ok = p.returncode == 2 and b"byte 0" in p.stderr and r.error and not r.done
        check(f"an unreadable source aborts the dump (--compress {how}) and exits 2", ok, p.stderr,
              r.error)


def tests(tmp):
    r = Receiver()
    p = panicdump("test", "--server", "127.0.0.1", "--port", str(r.port))
    ok = p.returncode == 0 and p.stdout.startswith(b"ok: ") and r.done and r.seeks == 1
    two = Receiver()
    p2 = panicdump("test", "--server", f"127.0.0.1:{two.port}")
    check("the port can stand behind the address", p2.returncode == 0 and two.done, p2.stderr)
    check("test says ok in one line, and uses every kind of packet",
          ok and p.stdout.count(b"\n") == 1 and len(r.body) == 16384, p.stdout, p.stderr)
    check("its dump says what it is", b"no kernel dump" in r.body and "panicd-test-" in r.name)
    closed = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    closed.bind(("127.0.0.1", 0))
    port = closed.getsockname()[1]
    closed.close()
    p = panicdump("test", "--server", "127.0.0.1", "--port", str(port), timeout=5)
    ok = p.returncode == 1 and b"nothing is listening" in p.stderr and b"`panicd`" in p.stderr
    check("test says within seconds that nothing listens", ok, p.stderr)
    quiet = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    quiet.bind(("127.0.0.1", 0))
    p = panicdump("test", "--server", "127.0.0.1", "--port", str(quiet.getsockname()[1]))
    ok = p.returncode == 1 and b"no answer" in p.stderr and b"firewall" in p.stderr
    check("test says when there is no answer", ok, p.stderr)


def main():
    with tempfile.TemporaryDirectory() as tmp:
        for group in (sizes, sparse, links, compress, compress_how, refusals, names, unusable, stops,
                      stops_while_threads_pack, read_errors, tests):
            group(tmp)
    return plan()


def plan():
    print(f"1..{count}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
