# SPDX-License-Identifier: BSD-2-Clause
"""panicbox in QEMU: a machine to be panicked, what it printed and when, how it ended, what its
disk holds; and the real panicd that it sends to. Ordinary user, 127.0.0.1 only, no KVM.

Success is judged by what arrived, what is on the disk and what QEMU reports (a reset, a power-off),
and never by time: every patience is many times what is needed."""

import dataclasses
import functools
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True   # the source tree stays as it is
HERE = pathlib.Path(__file__).resolve().parent
for neighbour in ("", "../e2e", "../server"):
    sys.path.insert(0, str(HERE / neighbour))
import corefile   # noqa: E402
import kdp        # noqa: E402
import lab        # noqa: E402

PATIENCE = 120          # for anything that takes a second or two
GRACE = 10              # for a dump to be listed
SETTLE = 0.3            # a machine that waits says nothing for this long
MEMORY_MIB = 16
DISK_MIB, PARTITION_MIB = 28, 24
OWN_IP, SERVER_IP = lab.GUEST_IP, lab.SERVER_IP
SERVER_MAC = "52:55:0a:00:02:02"   # QEMU's user network and etherpeer
BASE = 0xffffff8000000000          # all RAM is mapped here, and above

WAITING = r"^Waiting for remote debugger connection\."
ANSWER = r"^help now nullptr "     # what an idle machine says to "help"
PANICKED = r"panic\(cpu \d+ caller 0x"
# PROTOCOL.md#kdp-5
NAME = re.compile(r"^(core|paniclog|systemlog)-(xnu-[0-9.]*|custom)-(\d{1,3}(?:\.\d{1,3}){3})"
                  r"-([0-9a-f]{1,8})(\.gz)?$")

NICS = {
    "none": ["-nic", "none"],
    "virtio-net": ["-device", "virtio-net-pci,netdev=n0"],
    "e1000": ["-device", "e1000,netdev=n0"],
    "e1000e": ["-M", "q35", "-device", "e1000e,netdev=n0"],
    # What is plugged in sits behind a bridge.
    "thunderbolt": ["-device", "pci-bridge,id=b1,chassis_nr=1",
                    "-device", "virtio-net-pci,netdev=n0,bus=b1,addr=1"],
}


def panicbox():
    path = pathlib.Path(os.environ.get("PND_PANICBOX",
                                       lab.build_directory() / "machine/panicbox"))
    if not path.is_file():
        raise lab.Skip(f"{path} is not there: it is built on x86-64 with gcc; "
                       f"meson compile -C {lab.build_directory()}, or name it in PND_PANICBOX")
    return path


@functools.lru_cache
def symbols():
    """{name: address} of the kernel."""
    result = subprocess.run(["nm", panicbox()], check=True, capture_output=True, text=True)
    found = {}
    for line in result.stdout.splitlines():
        fields = line.split()
        if len(fields) == 3:
            found[fields[2]] = int(fields[0], 16)
    return found


class Qmp(lab.Qmp):
    def last_words(self):
        """What QEMU says until it closes its socket, because it has ended."""
        try:
            for line in self._file:
                self.events.append(lab.json.loads(line))
        except (OSError, ValueError):
            pass
        return self.events


@dataclasses.dataclass
class Stamped:
    """A line of the console, and when it came."""
    at: float
    text: str


class Box:
    """One machine, from power-on to the end of the with block.

    args: the boot-args; nic: a key of NICS; disk: a path, or None; properties: what fw_cfg says,
    without "opt/panicbox/"; reboot: a reset starts it again instead of ending QEMU; drive: more
    options of the disk; extra: more words for QEMU."""

    def __init__(self, args, nic="virtio-net", disk=None, properties=None, memory_mib=MEMORY_MIB,
                 netdev="user,id=n0", reboot=False, drive="", extra=(), work=None):
        self.args, self.memory_mib = args, memory_mib
        self._own_work = work is None
        self.work = pathlib.Path(work or tempfile.mkdtemp(prefix="panicbox-"))
        self.times, self.qmp, self._end = [], None, None
        command = [lab.QEMU, "-accel", "tcg", "-m", str(memory_mib), "-display", "none",
                   "-chardev", "stdio,id=s0,signal=off", "-serial", "chardev:s0",
                   "-monitor", "none", "-qmp", f"unix:{self.work}/qmp,server=on,wait=off",
                   "-device", "isa-debug-exit,iobase=0xf4,iosize=4",
                   "-kernel", str(panicbox()), "-append", args, *NICS[nic]]
        if nic != "none":
            command += ["-netdev", netdev]
        if disk:
            legacy = ",disable-legacy=off,disable-modern=on" if nic == "e1000e" else ""
            command += ["-drive", f"if=none,id=d0,format=raw,file={disk}{drive}",
                        "-device", "virtio-blk-pci,drive=d0" + legacy]
        if not reboot:
            command += ["-no-reboot"]
        for name, text in (properties or {}).items():
            command += ["-fw_cfg", f"name=opt/panicbox/{name},string={text}"]
        command += extra
        self.command = command
        (self.work / "command").write_text(" ".join(f"'{word}'" for word in command) + "\n")
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT)
        self.console = lab.Lines(self.process.stdout, self.work / "console.log", self._on_line)

    def _on_line(self, text):
        self.times.append(Stamped(time.monotonic(), text))

    def __enter__(self):
        try:
            self.qmp = Qmp(self.work / "qmp")
        except lab.LabError:
            self.__exit__()
            raise lab.LabError("QEMU did not start:\n" + self.console.tail())
        return self

    def __exit__(self, *_):
        if self.qmp:
            self.qmp.close()
        lab.stop_process(self.process)
        self.console.join()
        self.process.stdin.close()
        if self._own_work:
            shutil.rmtree(self.work, ignore_errors=True)

    def running(self):
        return self.process.poll() is None

    # ---- what it prints

    @property
    def lines(self):
        return self.console.lines

    def wait(self, pattern, patience=PATIENCE):
        return self.console.wait(pattern, patience, "panicbox")

    def wait_count(self, pattern, count, patience=PATIENCE):
        """Until `count` lines match."""
        deadline = time.monotonic() + patience
        while self.count(pattern) < count:
            if time.monotonic() > deadline or not self.running():
                raise lab.LabError(f"/{pattern}/ was not printed {count} times:\n"
                                   + self.console.tail())
            time.sleep(0.02)

    def said(self, pattern):
        """The first line that matches, or None."""
        return next((line for line in list(self.lines) if re.search(pattern, line)), None)

    def count(self, pattern):
        return sum(1 for line in list(self.lines) if re.search(pattern, line))

    def text(self):
        return "\n".join(self.lines)

    # ---- what is done to it

    def nmi(self):
        """The NMI button, once the machine is up. Returns the number of lines before it."""
        self.wait(r"^panicbox: ready")
        since = len(self.lines)
        self.qmp.execute("inject-nmi")
        return since

    def key(self, key):
        self.process.stdin.write(key.encode())
        self.process.stdin.flush()

    def power_button(self):
        self.qmp.execute("system_powerdown")

    def link(self, up):
        self.qmp.execute("set_link", name="n0", up=up)

    def events(self):
        self.qmp.execute("query-status")
        return self.qmp.events

    def monitor(self, command):
        return self.qmp.execute("human-monitor-command", **{"command-line": command})

    def save_memory(self):
        """The machine stops; its physical memory, by an independent witness."""
        path = self.work / "memory"
        self.qmp.execute("stop")
        self.qmp.execute("pmemsave", val=0, size=self.memory_mib << 20, filename=str(path))
        return path.read_bytes()

    def kill(self):
        """The power cut."""
        self.process.kill()
        self.process.wait()

    # ---- how it ends

    def _ended(self):
        """QEMU is gone: what its last event says."""
        if self._end is None:
            self.process.wait(PATIENCE)
            self.console.join()
            for event in self.qmp.last_words():
                if event.get("event") == "SHUTDOWN":
                    reason = event["data"]["reason"]
                    self._end = {"guest-reset": "restarts",
                                 "guest-shutdown": "off"}.get(reason, reason)
        return self._end or f"QEMU ended with {self.process.returncode}: {self.console.tail()}"

    def _state(self, since):
        lines = list(self.lines)[since:]
        if any(line.startswith("panicbox: standing still") for line in lines):
            return "stands"
        if any(re.match(ANSWER, line) for line in lines):
            return "continues"
        waits = [i for i, line in enumerate(lines) if re.search(WAITING, line)]
        back = [i for i, line in enumerate(lines) if line.startswith("panicbox: continuing")]
        if waits and not any(i > waits[-1] for i in back):
            return "waits"
        return None

    def end(self, since=0, patience=PATIENCE):
        """How it ended: waits (for a debugger), continues, restarts, off, stands. Lines of the
        console before `since`, the moment of an NMI, are not looked at."""
        deadline, seen, quiet = time.monotonic() + patience, -1, 0.0
        asked = False
        while self.running() and time.monotonic() < deadline:
            # A machine that goes on answers. It takes an NMI before what is typed after it.
            if not asked and (since or self.said(r"^panicbox: continuing")):
                self.key("help\n")
                asked = True
            state = self._state(since)
            if len(self.lines) != seen or state is None:
                seen, quiet = len(self.lines), time.monotonic()
            if state == "continues" or (state and time.monotonic() - quiet >= SETTLE):
                return state
            time.sleep(0.02)
        if not self.running():
            return self._ended()
        raise lab.LabError(f"panicbox came to no end in {patience} s:\n{self.console.tail(25)}")


class Server(kdp.Panicd):
    """The real panicd, for one boot after the other."""

    def __init__(self, **options):
        super().__init__(**options)
        self._seen = set()

    def boot_args(self):
        """Boot-args that name it."""
        return f"_panicd_ip={SERVER_IP} panicd_port={self.port}"

    def __enter__(self):
        self.start()
        return self

    def new(self, least=0, patience=PATIENCE):
        """The rows that came since the last call, ended and checked. One that has just ended may
        not be listed yet: `least` are waited for, for a while."""
        deadline, grace = time.monotonic() + patience, time.monotonic() + GRACE
        while True:
            rows = [row for row in self.rows() if row["id"] not in self._seen]
            settled = all(row["state"] != "receiving" and row["sha256"] for row in rows)
            if not settled:
                grace = time.monotonic() + GRACE
            if settled and (len(rows) >= least or time.monotonic() > grace):
                self._seen |= {row["id"] for row in rows}
                return rows
            if time.monotonic() > deadline:
                raise AssertionError(f"these dumps do not end: {rows}\n{self.log()[-2000:]}")
            time.sleep(0.03)

    def receiving(self):
        return [row for row in self.rows()
                if row["id"] not in self._seen and row["state"] == "receiving"]

    def wait_bytes(self, box, least, patience=PATIENCE):
        """Until a dump that is under way has `least` bytes."""
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline and box.running():
            rows = self.receiving()
            if rows and rows[0]["bytes"] >= least:
                return rows[0]
            time.sleep(0.02)
        raise AssertionError(f"{least} bytes did not come:\n{box.console.tail()}")

    def content(self, row):
        return self.read(row["file"])


# ---- the disk

@dataclasses.dataclass
class LocalFile:
    name: str
    packing: str       # raw, gzip, lz4
    stored: bytes
    content: bytes     # None: not asked for


@dataclasses.dataclass
class Local:
    """What a corefile holds, as corefile.py reads it."""
    log: str
    files: list


def make_disk(path, disk_mib=DISK_MIB, partition_mib=PARTITION_MIB):
    """A disk with an empty Apple_KernelCoreDump partition. Returns where that begins."""
    return corefile.make_image(path, disk_mib << 20, partition_mib << 20)


def partition(path):
    """The bytes of the Apple_KernelCoreDump partition."""
    with open(path, "rb") as disk:
        start, length = corefile.place(disk)
        disk.seek(start)
        return disk.read(length)


def read_corefile(source, unpacked=True):
    """A Local; None: there is no corefile. AssertionError when anything about it is damaged.
    source: the path of a disk, or its bytes."""
    packings = {0: "raw", corefile.GZIP: "gzip", corefile.LZ4: "lz4"}
    try:
        with corefile.Image(source) as image:
            assert not image.corefile.bad, image.corefile.bad
            assert image.corefile.generation == corefile.BOSS, image.corefile.generation
            files = [LocalFile(file.name, packings[file.flags],
                               corefile.stored(image.disk, image.start, file),
                               image.content(file.name) if unpacked else None)
                     for file in image.files]
            return Local(image.log.decode(), files)
    except corefile.Empty:
        return None
    except corefile.Damaged as why:
        raise AssertionError(f"the corefile is damaged: {why}")


def local(path):
    """As read_corefile(); None only when nothing was ever written to the partition."""
    found = read_corefile(path)
    assert found or not any(partition(path)), "the partition has no corefile, and is not empty"
    return found


def need(*programs):
    """Skips what cannot be run here."""
    lab.need_qemu()
    panicbox()
    for program, package in programs:
        if not shutil.which(program):
            raise lab.Skip(f"{program} is not installed: apt-get install {package}")


def main(tests, server=None):
    """Runs [(sentence, function)] as TAP. What one leaves at the server when it fails is not the
    next one's."""
    tap = kdp.Tap()
    for sentence, function in tests:
        def test(function=function):
            if server:
                server.new()
            return function()
        test.__doc__ = sentence
        tap.run(test)
    return tap.done()


def skipping(main_function):
    """The program's exit status; what this machine cannot do is skipped, with the reason."""
    lab.end_cleanly_on_sigterm()
    try:
        return main_function()
    except lab.Skip as why:
        print(f"1..0 # SKIP {why}")
        return 0
