#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""A crash kernel without a server: the dump stays on a disk of the machine. And one that hangs,
which does not keep the machine. TAP on stdout.

    PND_BUILD=build tests/linux/test_local.py [SCENARIO...]      (all by default)

"directory" dumps /proc/vmcore, compared page by page with what QEMU says of the machine. Where only
the place matters, the dump is a file of the crash kernel, compared byte by byte."""

import dataclasses
import gzip
import hashlib
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import uuid

sys.dont_write_bytecode = True   # the source tree stays as it is
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import disks    # noqa: E402
import lab      # noqa: E402  (disks knows where it is)
import oracle   # noqa: E402
from scenario import is_whole   # noqa: E402

NOBODY = "10.0.2.99"
FLOOR = KEPT = 16 * disks.MIB   # src/capture/local_file.h
SAMPLE = "panicd_vmcore=/sample"
SAMPLE_BYTES = 6 * disks.MIB    # more than the windows in which disks are written
DISK = ("virtio_blk",)
STEADY = "no_timer_check"   # which takes a host that is busy for a timer that does not work


@dataclasses.dataclass
class Crash(lab.Crash):
    """Freed pages are zeros, which take no time."""
    reserve: str = "96M"   # there is a file of 6 MiB in some
    pattern_mib: int = 1
    append: str = f"init_on_free=1 {STEADY}"
    hung: bool = False     # there is /pipe, which nobody writes to
    sample: bool = False   # there is /sample

    def capture_cmdline(self, port):
        return (f"console=ttyS0 panic=-1 nr_cpus=1 reset_devices irqpoll {STEADY} "
                f"panicd_after={self.after} {self.options}").strip()

    def initramfs(self, kernel, port):
        modules = {f"lib/modules/{name}": body for name, body in kernel.modules}
        capture = lab.cpio({"init": lab.binary("panicdump-static").read_bytes(),
                            "lib/panicd/modules": "".join(f"/{path}\n" for path in modules),
                            **modules})
        if self.sample:
            capture += lab.cpio({"sample": kernel.vmlinuz[:SAMPLE_BYTES]})
        if self.hung:
            capture += disks.fifo("pipe")
        return lab.cpio({"init": lab.binary("guest_init").read_bytes(), "vmlinuz": kernel.vmlinuz,
                         "capture.cpio": capture,
                         "capture.cmdline": self.capture_cmdline(port) + "\n"})


class Scenario:
    """A disk is made, the machine panics, the disk is looked at."""

    title = ""
    flavour, modules = "cloud-amd64", disks.BUSES + DISK

    def __init__(self):
        self.lines, self.failures = [], 0

    def say(self, good, sentence, why=""):
        self.failures += not good
        self.lines.append((bool(good), f"{self.title}: {sentence}"))
        if not good:
            self.note(why)

    def note(self, text):
        self.lines.extend((None, line) for line in str(text).splitlines())

    def run(self):
        with tempfile.TemporaryDirectory(prefix="panicd-lab-") as work:
            self.work = pathlib.Path(work)
            try:
                self.kernel = disks.kernel(self.flavour, self.modules)
                self.play()
            except lab.LabError as error:
                self.say(False, "the lab runs to its end", error)
            except lab.Skip as why:
                self.lines.append((True, f"{self.title} # SKIP {why}"))
        return self

    def panic(self, crash, pattern, patience=240, keep=True):
        """The lines of panicdump, up to the one with @p pattern; the memory, when the machine was
        stopped there, else None."""
        with lab.Guest(crash, self.kernel, 1, self.work) as guest:
            guest.panic()
            guest.console.wait(pattern, patience, "the crash kernel")
            memory = guest.save_memory() if keep else None
            if not keep:
                guest.wait_end()
            said = [line for line in guest.console.lines if line.startswith("panicdump:")]
        self.note("\n".join(said))
        return said, memory

    def compare(self, packed, memory, crash):
        """The file that came off the disk is the machine's memory."""
        core = self.work / "core"
        try:
            with gzip.open(packed) as source, open(core, "wb") as out:
                shutil.copyfileobj(source, out, 1 << 20)
        except (OSError, EOFError) as error:
            self.say(False, "what came off the disk is a gzip file", error)
            return
        result = oracle.compare(core, memory)
        self.say(result.different == 0 and is_whole(result, crash),
                 "all of the memory is in it, and every page is the page that QEMU saw", result)
        found = oracle.pattern_pages(core)
        self.say(found == set(range(crash.pattern_mib * 256)),
                 "every page that the guest marked is in the dump", len(found))

    def compare_sample(self, path):
        try:
            same = path.is_file() and path.read_bytes() == self.kernel.vmlinuz[:SAMPLE_BYTES]
        except OSError as error:
            same = False
            self.note(error)
        self.say(same, "every byte of it is right")


class Directory(Scenario):
    """The server does not answer; /var/crash of an ext4 file system takes the dump."""

    title = "directory"

    def play(self):
        identity, image, files = str(uuid.uuid4()), self.work / "disk", self.work / "files"
        (files / "var/crash").mkdir(parents=True)
        (files / "etc").write_text("a machine's own file\n")
        disks.make_ext4(disks.blank(image, 200), 200, files, identity)
        crash = Crash(devices=disks.drive(image), options=(
            f"_panicd_ip={NOBODY} kdp_ip_addr={lab.GUEST_IP} kdp_match_name=eth0 "
            f"panicd_local=UUID={identity}:ext4:/var/crash"))
        said, memory = self.panic(crash, r"^panicdump: sent .*/var/crash on UUID=")
        self.say(any(NOBODY in line and "no route" in line for line in said),
                 "it says that the server does not answer", said)
        self.say(disks.check_ext4(image) == "", "the file system is clean", disks.check_ext4(image))
        there = disks.list_ext4(image, "/var/crash")
        names = [name for name in there if re.fullmatch(r"core-linux-.*-panic-[0-9a-f]+\.gz", name)]
        self.say(len(names) == 1 and len(there) == 1,
                 "there is one file, with the name of a dump", there)
        if names:
            self.note(f"{there[names[0]]} bytes")
            disks.copy_ext4(image, f"/var/crash/{names[0]}", self.work / "dump.gz")
            self.compare(self.work / "dump.gz", memory, crash)

    modules = disks.BUSES + ("failover", "net_failover", "virtio_net") + DISK


class Partition(Scenario):
    """A partition for dumps takes one; a second dump does not take its place."""

    title = "partition"

    def play(self):
        image, sector = disks.blank(self.work / "disk", 200), 4096
        files = disks.Partition(disks.LINUX_FILES, 1, 40)
        place = disks.Partition(disks.KERNEL_CORE_DUMP, 48, 150)
        disks.make_gpt(image, [files, place], sector)
        with open(image, "r+b") as out:   # a file system next to it
            out.seek(files.first_mib * disks.MIB)
            out.write(b"somebody's files" * 4096)
        crash = Crash(devices=disks.drive(image, sector), sample=True, options=(
            f"{SAMPLE} panicd_local=PARTUUID={place.identity} panicd_retry=0"))
        self.panic(crash, r"^panicdump: sent .* to PARTUUID=")
        with open(image, "rb") as disk:
            disk.seek(files.first_mib * disks.MIB)
            self.say(disk.read(65536) == b"somebody's files" * 4096,
                     "the partition next to it is untouched")
        self.extract(image)
        self.again(image, sector, place)

    def extract(self, image):
        out = self.work / "out"
        result = subprocess.run(
            [lab.binary("panicctl"), "extract", image, "-o", out, "--json"],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=lab.PATIENCE_S)
        self.say(result.returncode == 0 and (out / "vmcore").is_file(),
                 "panicctl extract finds vmcore in it", result.stdout)
        self.compare_sample(out / "vmcore")

    def again(self, image, sector, place):
        before = hashlib.sha256(image.read_bytes()).digest()
        crash = Crash(devices=disks.drive(image, sector), after="poweroff",
                      options=f"panicd_local=PARTUUID={place.identity} panicd_retry=0")
        said, _ = self.panic(crash, "reboot: Power down", keep=False)
        self.say(any("holds a dump" in line and "panicctl extract" in line for line in said),
                 "a second panic says that the first dump is still there", said)
        self.say(hashlib.sha256(image.read_bytes()).digest() == before,
                 "and leaves every byte of the disk as it was")


class Full(Scenario):
    """A file system that is too small: the beginning stays, the machine keeps its room."""

    title = "full"

    def play(self):
        identity, image, files = str(uuid.uuid4()), self.work / "disk", self.work / "files"
        (files / "var/crash").mkdir(parents=True)
        disks.make_ext4(disks.blank(image, 64), 64, files, identity)
        crash = Crash(devices=disks.drive(image), after="poweroff", options=(
            f"panicd_compress=none panicd_retry=0 panicd_local=UUID={identity}:ext4:/var/crash"))
        said, _ = self.panic(crash, "reboot: Power down", keep=False)
        self.say(any("the disk is full after" in line and ".incomplete" in line for line in said),
                 "it says that the disk is full, and what was kept", said)
        self.say(disks.check_ext4(image) == "", "the file system is clean", disks.check_ext4(image))
        there = disks.list_ext4(image, "/var/crash")
        self.say(len(there) == 1 and all(name.endswith(".incomplete") and size == KEPT
                                         for name, size in there.items()),
                 "of the dump the first 16 MiB are there", there)
        for name in there:
            disks.copy_ext4(image, f"/var/crash/{name}", self.work / "part")
            head = (self.work / "part").read_bytes()
            self.say(head[:4] == b"\x7fELF" and b"OSRELEASE=" in head[:65536]
                     and b"sysrq triggered crash" in head,
                     "which say of which kernel it is, and why it died", head[:64])
        text = disks.run("dumpe2fs", "e2fsprogs", "-h", image)
        free, block = (int(re.search(rf"^{key}: +(\d+)", text, re.M)[1])
                       for key in ("Free blocks", "Block size"))
        self.say(free * block >= FLOOR, "and the machine has room on its disk", free * block)


class Fat(Scenario):
    """A FAT file system, such as the one that firmware boots from."""

    title = "FAT"
    modules = disks.BUSES + DISK + ("fat", "vfat", "nls_cp437", "nls_ascii")

    def play(self):
        image = disks.blank(self.work / "disk", 160)
        disks.make_fat(image, "BEEF-1234")
        crash = Crash(devices=disks.drive(image), sample=True, options=(
            f"{SAMPLE} panicd_compress=none panicd_local=UUID=BEEF-1234:vfat:/dumps"))
        self.panic(crash, r"^panicdump: sent .* to /dumps on UUID=BEEF-1234")
        names = disks.list_fat(image, "/dumps")
        self.say(len(names) == 1 and names[0].startswith("core-linux-"),
                 "a directory is made, and there is one dump in it", names)
        if names:
            disks.copy_fat(image, f"/dumps/{names[0]}", self.work / "dump")
            self.compare_sample(self.work / "dump")


class HungCapture(Scenario):
    """A program that stands still: the machine starts again."""

    title = "hung capture"

    def play(self):
        crash = Crash(hung=True, devices=disks.drive(disks.blank(self.work / "disk", 8)),
                      options="panicd_vmcore=/pipe panicd_watchdog=5 panicd_local=/dev/vda")
        with lab.Guest(crash, self.kernel, 1, self.work) as guest:
            guest.panic()
            guest.console.wait("panicdump: nothing has moved for 5 s", 120, "the crash kernel")
            guest.wait_end(60)
            events = events_of(guest)
        self.say(any("reboot: Restarting system" in line for line in guest.console.lines),
                 "the machine starts again", guest.console.tail())
        self.say(any(e["event"] == "SHUTDOWN" and e["data"]["reason"] == "guest-reset"
                     for e in events), "which QEMU saw as a reset", events)


class HungKernel(Scenario):
    """A crash kernel that stands still itself: the watchdog of the machine resets it."""

    title = "hung crash kernel"
    flavour, modules = "amd64", disks.BUSES + DISK + ("watchdog", "i6300esb")

    def play(self):
        crash = Crash(hung=True, memory_mib=384, reserve="128M",
                      devices=("-device", "i6300esb",
                               *disks.drive(disks.blank(self.work / "disk", 8))),
                      options="panicd_vmcore=/pipe panicd_watchdog=20 panicd_local=/dev/vda "
                              "panic=0 unknown_nmi_panic")
        with lab.Guest(crash, self.kernel, 1, self.work) as guest:
            guest.panic()
            line = guest.console.wait("panicdump: the machine's watchdog resets it", 120,
                                      "the crash kernel")
            self.say("for 10 s" in line, "it is started for 10 s", line)
            guest.qmp.execute("inject-nmi")   # it panics, and stays so
            guest.console.wait("end Kernel panic", 60, "the crash kernel")
            guest.wait_end(60)
            events = events_of(guest)
        self.say(any(e["event"] == "WATCHDOG" and e["data"]["action"] == "reset" for e in events),
                 "the machine's watchdog resets it", events)


class Waiting(Scenario):
    """A crash kernel that is to stay stays, though the machine has a watchdog."""

    title = "waiting"
    flavour, modules = "amd64", disks.BUSES + DISK + ("watchdog", "i6300esb")

    def play(self):
        place = disks.blank(self.work / "disk", 200)
        crash = Crash(memory_mib=384, reserve="128M", sample=True,
                      devices=("-device", "i6300esb", *disks.drive(place)),
                      options=f"{SAMPLE} panicd_watchdog=20 panicd_local=/dev/vda")
        with lab.Guest(crash, self.kernel, 1, self.work) as guest:
            guest.panic()
            guest.console.wait("panicdump: sent .* to /dev/vda", 180, "the crash kernel")
            barking = any("the machine's watchdog resets it" in line
                          for line in guest.console.lines)
            self.say(barking, "its watchdog is started", guest.console.tail())
            try:
                guest.wait_end(15)   # the watchdog's 10 s, and more
            except lab.LabError:
                pass
            self.say(guest.alive(), "it still stands 15 s after the dump", guest.console.tail())
            guest.qmp.execute("query-status")
            self.say(not any(e["event"] == "WATCHDOG" for e in guest.qmp.events),
                     "and no watchdog has barked", guest.qmp.events)


def events_of(guest):
    """All that QEMU told until its end."""
    for line in guest.qmp._file:
        answer = json.loads(line)
        if "event" in answer:
            guest.qmp.events.append(answer)
    return guest.qmp.events


SCENARIOS = {"directory": Directory, "partition": Partition, "full": Full, "fat": Fat,
             "hung-capture": HungCapture, "hung-kernel": HungKernel, "waiting": Waiting}


def main(names):
    lab.end_cleanly_on_sigterm()
    try:
        lab.need_qemu()
        lab.guest_kernel()
    except lab.Skip as why:
        print(f"1..0 # SKIP {why}")
        return 0
    count = failures = 0
    for name in names or SCENARIOS:
        scenario = SCENARIOS[name]().run()
        failures += scenario.failures
        for good, text in scenario.lines:
            count += good is not None
            print(f"# {text}" if good is None else
                  f"{'' if good else 'not '}ok {count} - {text}", flush=True)
    print(f"1..{count}")
    return 1 if failures else 0


if __name__ == "__main__":
    unknown = [name for name in sys.argv[1:] if name not in SCENARIOS]
    if unknown:
        sys.exit(f"no scenario {unknown[0]}: one of {' '.join(SCENARIOS)}")
    sys.exit(main(sys.argv[1:]))
