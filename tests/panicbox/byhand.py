#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""What `./run panicbox` does: starts the receiver, boots a machine that panics, shows both sides.

    PND_BUILD=build tests/panicbox/byhand.py [boot-arg ...]

Without boot-args: debug=0xd44 keepsyms=1 kdp_match_name=en0 panic=now - the machine panics at once,
sends its memory, and waits for a debugger. The server's address and port are added where they are
missing. panicbox(8) lists what may be given: debug=0x104c44 panic=nullptr, for example, writes the
core to the local partition instead.

The terminal is the machine's console: what you type goes there with Enter; "help" says what it
knows while it runs, c and r go on and restart when it waits (debug bit 0x200).
/nmi presses the NMI button. Ctrl-C, or /quit, turns it off."""

import json
import os
import pathlib
import re
import select
import shlex
import subprocess
import sys
import time

sys.dont_write_bytecode = True   # the source tree stays as it is
HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import box        # noqa: E402
import corefile   # noqa: E402
import kdp        # noqa: E402
import lab        # noqa: E402

DEFAULT = ["debug=0xd44", "keepsyms=1", "kdp_match_name=en0", "panic=now"]
DIRECTORY = "PanicDumps"
CHECKED_WITHIN = 30   # seconds until a dump that has ended has its verdict
QUIET = 1.0           # seconds without a word after which the machine has said everything


def say(who, text):
    print(f"{who:>8} | {text}", flush=True)


def shown(path):
    """As a person would type it."""
    relative = os.path.relpath(path)
    return shlex.quote(relative if len(relative) < len(str(path)) else str(path))


class Receiver:
    """The panicd of ./PanicDumps: one that is running, or our own until the end of the block."""

    def __init__(self):
        self.process = self.watch = self.events = self.log = None
        self.port = self._running_port()
        self.before = set()

    def _panicctl(self, *words):
        return [str(lab.binary("panicctl")), "--directory", DIRECTORY, *words]

    def _ask(self, *words):
        result = subprocess.run(self._panicctl("--json", *words), capture_output=True, text=True)
        try:
            return json.loads(result.stdout)
        except ValueError:
            return {}

    def _running_port(self):
        server = self._ask("status").get("server") if os.path.isdir(DIRECTORY) else None
        ports = [l["port"] for l in (server or {}).get("listening", [])]
        return ports[0] if ports else None

    def __enter__(self):
        if self.port:
            say("panicd", f"already listens on UDP port {self.port} for ./{DIRECTORY}")
        else:
            self.port = kdp.free_port()
            # A session of its own: Ctrl-C is for the machine.
            self.process = subprocess.Popen(
                [lab.binary("panicd"), "--quiet", "--address", "127.0.0.1", "--port",
                 str(self.port), DIRECTORY], stdin=subprocess.DEVNULL, start_new_session=True)
            self._wait_ready()
            say("panicd", f"listens on 127.0.0.1, UDP port {self.port}; dumps go to ./{DIRECTORY}")
        self.before = {row["id"] for row in self.rows()}
        self.watch = subprocess.Popen(self._panicctl("watch"), stdin=subprocess.DEVNULL,
                                      stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                      start_new_session=True)
        self.events = lab.Lines(self.watch.stdout, os.devnull, lambda text: say("panicd", text))
        return self

    def _wait_ready(self):
        deadline = time.monotonic() + 30
        while self._running_port() != self.port:
            if self.process.poll() is not None or time.monotonic() > deadline:
                lab.stop_process(self.process)
                raise lab.LabError("panicd did not start; what it said stands above")
            time.sleep(0.05)

    def __exit__(self, *_):
        for process in (self.watch, self.process):
            if process:
                lab.stop_process(process)
        if self.events:
            self.events.join()

    def rows(self):
        return [row for row in self._ask("list").get("dumps", []) if row["id"] is not None]

    def new(self):
        """The dumps that came since the start."""
        return [row for row in self.rows() if row["id"] not in self.before]

    def wait_checked(self):
        """Until nothing that came has to be waited for; what came."""
        deadline = time.monotonic() + CHECKED_WITHIN
        while True:
            rows = self.new()
            if all(row["sha256"] or row["state"] == "receiving" for row in rows):
                return rows
            if time.monotonic() > deadline:
                return rows
            time.sleep(0.1)


class Machine(box.Box):
    """The machine, each line shown as it comes."""

    last_word = 0.0

    def _on_line(self, text):
        super()._on_line(text)
        if re.match(r"panicbox: alive (?!1$)|qemu-\S+: terminating", text):   # of no use here
            return
        self.last_word = time.monotonic()
        say("panicbox", text)

    def waits(self):
        """It waits for a debugger, and has said so."""
        state = self._state(0)
        return state in ("waits", "stands") and time.monotonic() - self.last_word > QUIET


def boot_args(given, port):
    words = list(given) or list(DEFAULT)
    for word in (f"_panicd_ip={lab.SERVER_IP}", f"panicd_port={port}"):
        if not any(have.startswith(word.partition("=")[0] + "=") for have in words):
            words.append(word)
    return " ".join(words)


def obey(machine, line):
    """A line that was typed. False: the machine is to be turned off."""
    if line.strip() == "/quit":
        return False
    if line.strip() == "/nmi":
        machine.qmp.execute("inject-nmi")
    else:
        machine.key(line)
    return True


def converse(machine):
    """Until the machine ends or somebody ends it; when nothing can be typed, until it waits."""
    told = ended = False
    while machine.running():
        ready = select.select([] if ended else [sys.stdin], [], [], 0.1)[0]
        if ready:
            line = sys.stdin.readline()
            ended = not line
            if line and not obey(machine, line):
                return
        if machine.waits():
            if ended:
                return
            if not told:
                say("you", "the machine has come to rest; Ctrl-C turns it off")
            told = True
    machine.console.join()


def debugger(kind, core):
    """The command that opens a core with the kernel's symbols."""
    kernel = shown(box.panicbox())
    if "elf" in kind:
        return f"gdb -ex bt {kernel} {core}"
    # It runs where it was linked, which lldb is not told by this kind of file.
    return f"lldb -c {core} {kernel} -o 'target modules load --file panicbox --slide 0' -o bt"


def tell_dumps(receiver):
    """What came over the network. True: something, and all of it whole."""
    rows = receiver.wait_checked()
    for row in rows:
        print(f"\nOver the network came {row['name']}: {row['bytes']} bytes, {row['state']}"
              + (f" ({row['reason']})" if row["reason"] else ""))
        name = shown(row["path"])
        if "macho" in (row["format"] or "") or "elf" in (row["format"] or ""):
            core = name
            if "gzip" in row["format"]:
                core = shlex.quote(row["name"].removesuffix(".gz") + ".core")
                ctl = shown(lab.binary("panicctl"))
                print(f"  {ctl} export {row['id']} --decompress -o {core}")
            print("  " + debugger(row["format"], core))
        else:
            print(f"  less {name}")
    if not rows:
        print("\nNothing came over the network.")
    return bool(rows) and all(row["state"] == "complete" for row in rows)


def tell_disk(disk):
    """What is in the local partition. True: something."""
    print(f"\nIn the local partition of {shown(disk)}:")
    try:
        with corefile.Image(str(disk)) as image:
            for file in image.corefile.files:
                print(f"  {file.name}: {file.length} bytes")
            print(f"  the panic log: {image.corefile.log_length} bytes")
    except corefile.Empty:
        print("  nothing")
        return False
    except corefile.Damaged as why:
        print(f"  what nobody can read: {why}")
        return False
    print(f"  {shown(lab.binary('panicctl'))} extract {shown(disk)} -o DIRECTORY")
    return True


def main(arguments):
    if arguments[:1] in (["-h"], ["--help"]):
        print(__doc__)
        return 0
    lab.end_cleanly_on_sigterm()
    disk = lab.build_directory() / "panicbox.img"
    try:
        lab.need_qemu()
        kernel = box.panicbox()
        box.make_disk(str(disk))
        with Receiver() as receiver:
            line = boot_args(arguments, receiver.port)
            say("you", f"turn on {shown(kernel)} with the boot-args: {line}")
            with Machine(line, disk=disk) as machine:
                try:
                    converse(machine)
                except KeyboardInterrupt:
                    print()
                    say("you", "turn it off")
            came = tell_dumps(receiver)
        kept = tell_disk(disk)
    except (lab.Skip, lab.LabError) as error:
        print(f"panicbox: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\npanicbox: interrupted", file=sys.stderr)
        return 130
    return 0 if came or kept else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
