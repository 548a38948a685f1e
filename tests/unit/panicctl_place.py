# SPDX-License-Identifier: BSD-2-Clause
#
# What the tests of panicctl stand on: directories made here, a control socket of a few lines in
# place of the server, a terminal, and the loop that runs the tests. The program is the first
# argument, or $PND_PANICCTL.

import contextlib
import fcntl
import hashlib
import json
import os
import pty
import random
import shutil
import socket
import sqlite3
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time

PANICCTL = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else os.environ["PND_PANICCTL"])
VERBS = ["status", "list", "info", "log", "map", "debug", "watch", "verify", "export", "pack",
         "extract", "import", "receive", "rm", "groups", "note", "vacuum", "bootargs", "setup",
         "doctor"]
TESTS = []


def test(function):
    TESTS.append(function)
    return function


class Place:
    """A directory of dumps, and what a person types at it."""

    def __init__(self):
        self.root = os.path.realpath(tempfile.mkdtemp(prefix="panicctl-"))
        self.dir = os.path.join(self.root, "PanicDumps")
        os.makedirs(os.path.join(self.dir, ".panicd"), 0o700)
        os.chmod(self.dir, 0o700)

    def path(self, name):
        return os.path.join(self.dir, name)

    def put(self, name, data):
        with open(self.path(name), "wb") as file:
            file.write(data)

    def run(self, *args, code=0, env=None, binary=False):
        environment = {k: v for k, v in os.environ.items() if k != "PANICD_DIRECTORY"}
        environment.update(env or {}, TZ="UTC")
        done = subprocess.run([PANICCTL, *args], cwd=self.root, env=environment, timeout=60,
                              stdin=subprocess.DEVNULL, capture_output=True)
        self.err = done.stderr.decode()
        assert done.returncode == code, (args, done.returncode, done.stdout[-500:], self.err)
        return done.stdout if binary else done.stdout.decode()

    def json(self, *args, code=0):
        return json.loads(self.run("--json", *args, code=code))

    def settle(self):
        """Every dump gets its row and its verdict."""
        for dump in self.json("list")["dumps"]:
            if dump["state"] == "receiving" and dump["id"]:
                self.verdict(dump["id"])
        return {d["name"]: d for d in self.json("list")["dumps"]}

    def verdict(self, what):
        done = subprocess.run([PANICCTL, "--json", "verify", str(what)], cwd=self.root,
                              capture_output=True, timeout=60)
        assert done.returncode in (0, 1), done.stderr
        return json.loads(done.stdout)

    def facts(self, number, facts, log=None, signature="", title="", seen=()):
        """What is known of a dump, as the server would have put it: seen are the sightings of its
        group, (dump, ms since 1970, machine)."""
        text = json.dumps(facts)
        self.sql("INSERT OR REPLACE INTO facts VALUES (?, 1, ?, 1, ?, ?, ?, ?, ?, ?)", number,
                 signature, title, facts.get("os", ""), facts.get("kernel", ""),
                 facts.get("host", ""), len(text.encode()), text.encode())
        if log is not None:
            self.sql("INSERT OR REPLACE INTO facts_log VALUES (?, ?, ?)", number, len(log), log)
        for dump, when, machine in seen:
            self.sql("INSERT OR REPLACE INTO sighting VALUES (?, ?, ?, ?, ?, '')", dump, signature,
                     title, when, machine)

    def sql(self, statement, *args):
        with contextlib.closing(sqlite3.connect(self.path(".panicd/catalog.db"))) as db:
            db.execute(statement, args)
            db.commit()


class Server:
    """The server's side of the control socket."""

    def __init__(self, place, transfers=(), events=()):
        self.place, self.transfers, self.events = place, list(transfers), list(events)
        self.listener = socket.socket(socket.AF_UNIX)
        fd = os.open(place.path(".panicd"), os.O_RDONLY)
        self.listener.bind(f"/proc/self/fd/{fd}/control")
        os.close(fd)
        self.listener.listen(8)
        self.asked = []
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.answer, args=(client,), daemon=True).start()

    def answer(self, client):
        with client, contextlib.suppress(BrokenPipeError, ConnectionResetError):
            line = client.makefile().readline().strip()
            self.asked.append(line)
            if line == "status":
                client.sendall(json.dumps({
                    "version": "9.9", "pid": 4711, "directory": self.place.dir,
                    "started_at": "2026-11-22T06:30:00.123Z", "future": {"field": 1},
                    "listening": [{"protocol": "kdp", "address": "0.0.0.0", "port": 1069}],
                    "room": {"free": 10 << 30, "total": 20 << 30, "floor": 1 << 30},
                    "counters": {"dumps_complete": 7, "dumps_incomplete": 2, "refused": 3,
                                 "bytes": 5 << 20}}).encode() + b"\n")
            elif line == "transfers":
                client.sendall(json.dumps({"transfers": self.transfers}).encode() + b"\n")
            elif line == "watch":
                for event in self.events:
                    if isinstance(event, float):
                        time.sleep(event)
                    else:
                        client.sendall(json.dumps(event).encode() + b"\n")
                client.recv(1)

    def stop(self):
        self.listener.shutdown(socket.SHUT_RDWR)  # also wakes the thread that accepts
        self.listener.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
        os.unlink(self.place.path(".panicd/control"))


def on_terminal(place, *args, columns=80, **env):
    """What the program writes to a terminal of so many columns."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environment = {**os.environ, "TERM": "xterm", "TZ": "UTC", **env}
    process = subprocess.Popen([PANICCTL, *args], cwd=place.root, env=environment, stdout=slave,
                               stderr=slave, stdin=slave)
    os.close(slave)
    out = b""
    while True:
        try:
            piece = os.read(master, 65536)
        except OSError:
            break
        if not piece:
            break
        out += piece
    os.close(master)
    process.wait(timeout=30)
    return out


def transfer(number, name, bytes_=1000, **more):
    return {"id": number, "name": name, "file": name + ".part", "path": "/x/" + name,
            "state": "receiving", "phase": "live", "bytes": bytes_, "end": bytes_, "rate": 500,
            "peer": "10.0.40.7", "peer_port": 1069, "protocol": "kdp",
            "started_at": "2026-11-22T06:30:00.123Z", "idle_ms": 3, "packets": 9, "repeats": 1,
            "resumed": False, **more}


def elf_core(size):
    """An ELF core of one PT_LOAD, @p size bytes in all."""
    head = b"\x7fELF\x02\x01\x01" + bytes(9)
    head += (4).to_bytes(2, "little") + (62).to_bytes(2, "little") + (1).to_bytes(4, "little")
    head += bytes(8) + (64).to_bytes(8, "little") + bytes(8) + bytes(6)
    head += (56).to_bytes(2, "little") + (1).to_bytes(2, "little") + bytes(6)
    head += (1).to_bytes(4, "little") + bytes(4) + (4096).to_bytes(8, "little") + bytes(16)
    head += (size - 4096).to_bytes(8, "little") * 2 + bytes(8)
    return head.ljust(4096, b"\0") + random.Random(size).randbytes(size - 4096)


X86_64, ARM64 = 0x01000007, 0x0100000C


def macho_core(segments, threads=(), cpu=X86_64, protection=3):
    """A Mach-O core of 64 bits: (address, bytes) in order of the file, and for each thread its
    64-bit words in the order of its state."""
    flavor, words = (4, 42) if cpu == X86_64 else (6, 68)
    thread_len = 16 + 4 * words
    commands_len = 72 * len(segments) + thread_len * len(threads)
    at = (32 + commands_len + 4095) // 4096 * 4096
    out = struct.pack("<8I", 0xFEEDFACF, cpu, 3, 4, len(segments) + len(threads), commands_len, 0, 0)
    body = b""
    for address, data in segments:
        out += struct.pack("<2I16s4Q4I", 0x19, 72, b"", address, len(data), at + len(body),
                           len(data), protection, protection, 0, 0)
        body += data
    for thread in threads:
        state = b"".join(struct.pack("<Q", word) for word in thread).ljust(4 * words, b"\0")
        out += struct.pack("<4I", 4, thread_len, flavor, words) + state
    return out.ljust(at, b"\0") + body


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def main():
    failures = 0
    for number, function in enumerate(TESTS, 1):
        place = Place()
        try:
            function(place)
            result = "ok"
        except Exception as error:  # every test is told, none stops the others
            failures += 1
            result = "not ok"
            lines = repr(error).splitlines() + [f"line {error.__traceback__.tb_next.tb_lineno}"]
            print("\n".join("# " + line for line in lines))
        print(f"{result} {number} - {function.__name__.replace('_', ' ')}", flush=True)
        shutil.rmtree(place.root, ignore_errors=True)
    print(f"1..{len(TESTS)}")
    return 1 if failures else 0
