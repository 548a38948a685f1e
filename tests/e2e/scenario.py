# SPDX-License-Identifier: BSD-2-Clause
"""One crash of a guest, from power-on to the comparison of what arrived with what QEMU saw."""

import filecmp
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import time

import lab
import oracle

TEXT_MIN = 20 << 20   # bytes of a kernel's text and data, which are mapped twice
OWN_MIB = 2   # of a machine's memory what is its firmware's: the first MiB, and tables at the end
LOG_HAS = {"sysrq": "Kernel panic - not syncing: sysrq triggered crash",
           "nmi": "Kernel panic - not syncing: NMI: Not continuing",
           "module": "failover_init+0x",
           "interrupt": "Kernel panic - not syncing: sysrq triggered crash",
           "hang": "Kernel panic - not syncing: hung_task: blocked tasks",
           "oom": "Kernel panic - not syncing: Out of memory: compulsory panic_on_oom is enabled"}


def is_whole(result, crash):
    """Whether oracle.Comparison @p result is of all of the machine's memory, but for the crash
    kernel's and the firmware's."""
    own = int(crash.reserve.removesuffix("M")) + OWN_MIB
    return result.memory >= (crash.memory_mib - own) << 20


class Tap:
    """TAP on stdout."""

    def __init__(self):
        self.count = self.failures = 0

    def ok(self, good, sentence, why=""):
        self.count += 1
        self.failures += not good
        print(f"{'' if good else 'not '}ok {self.count} - {sentence}", flush=True)
        if not good:
            self.note(why)
        return good

    def note(self, text):
        for line in str(text).splitlines():
            print("# " + line, flush=True)


class Scenario:
    """One crash from power-on to the comparison, and the sentences that must be true of it."""

    flavour = "cloud-amd64"
    packed = True   # as a crash kernel sends it unless it is told otherwise
    alone = False   # no other guest runs beside it, which would take time that is not stated

    def __init__(self, tap, title, crash, reason, facts=None, log_has=None):
        self.tap, self.title, self.crash, self.reason = tap, title, crash, reason
        self.facts = facts   # what the dump must say of itself
        # what must stand in the log of the kernel that died, besides
        self.log_has = log_has or LOG_HAS[crash.trigger]
        self.kernel = self.find_kernel()
        self.work = self.receiver = self.guest = self.dump = None
        self.core = None   # the dump, unpacked

    def find_kernel(self):
        return lab.guest_kernel(self.flavour)

    def say(self, good, sentence, why=""):
        return self.tap.ok(good, f"{self.title}: {sentence}", why)

    def netdev(self):
        """What the guest's cable is plugged into; None: QEMU's user network."""
        return None

    def while_sending(self):
        """Called once the panic has happened."""

    def run(self):
        with tempfile.TemporaryDirectory(prefix="panicd-lab-") as work:
            self.work = work
            try:
                self.receiver = lab.Receiver(f"{work}/dumps", f"{work}/panicd.log")
                with self.receiver:
                    self.crash_and_receive()
            except lab.LabError as error:
                self.say(False, "the lab runs to its end", error)

    def crash_and_receive(self):
        with self.receiver.watch() as watch, \
                lab.Guest(self.crash, self.kernel, self.receiver.port, self.work,
                          self.netdev()) as self.guest:
            self.guest.panic()
            start = time.monotonic()
            self.while_sending()
            self.dump = self.receiver.wait_dump(self.guest)
            self.check_known(watch, start)
            for line in self.guest.console.lines:
                if line.startswith("panicdump: sent"):
                    self.tap.note(line)
            self.check_catalog()
            memory = self.guest.save_memory()
        self.core = self.dump["path"]
        if self.packed:
            self.core = lab.unpacked(self.dump["path"], f"{self.work}/core")
            self.check_unpacked()
        self.check_memory(memory)
        self.check_dmesg()
        if self.facts:
            self.check_facts()

    def check_known(self, watch, start):
        """The log comes first, so the reader of what arrives has it at once."""
        if not self.alone:
            return
        known, size = watch.known(), self.dump["bytes"]
        if known:
            self.tap.note(f"known {known[0] - start:.1f} s after the panic, arrived after "
                          f"{time.monotonic() - start:.1f} s, {size} bytes")
        self.say(known and known[1] < size / 10,
                 "why it panicked is known before a tenth of the dump has come",
                 f"{known} of {size}\n{watch.output.tail()}")

    def check_unpacked(self):
        path = f"{self.work}/exported"
        result = self.receiver.panicctl("export", "latest", "-d", "-o", path)
        self.say(result.returncode == 0 and filecmp.cmp(path, self.core, shallow=False),
                 "panicctl export -d unpacks the same as lz4 does", result.stdout)
        os.unlink(path)

    def check_catalog(self):
        self.say(self.dump["state"] == "complete", "the dump arrives and is listed as complete",
                 f"{self.dump}\n{self.guest.console.tail()}\n{self.receiver.log.tail()}")
        release = self.kernel.release.replace("-", "_")   # "-" parts the fields of a name
        wanted = rf"core-linux-{re.escape(release)}-10\.0\.2\.15-{self.reason}-[0-9a-f]+"
        wanted += r"\.lz4" if self.packed else ""
        self.say(re.fullmatch(wanted, self.dump["name"]),
                 f"its name says {self.reason}, the kernel's release and the machine's address",
                 self.dump["name"])
        info = self.receiver.panicctl("info", "latest")
        self.say(info.returncode == 0 and self.dump["name"] in info.stdout
                 and re.search(r"\bcomplete\b", info.stdout),
                 "panicctl info latest says complete", info.stdout)
        verify = self.receiver.panicctl("verify", "latest")
        self.say(verify.returncode == 0, "panicctl verify latest says whole", verify.stdout)

    def check_memory(self, memory):
        result = oracle.compare(self.core, memory)
        self.tap.note(f"{result.equal} of {result.equal + result.different} pages equal, "
                      f"{result.zero} of them zero, in {result.segments} segments")
        self.say(result.different == 0 and result.equal > 0,
                 "every page of every PT_LOAD is the page that QEMU saw", result)
        self.say(is_whole(result, self.crash),
                 "all of the machine's memory is in it, but the crash kernel's and the firmware's",
                 result)
        self.say(result.size == result.size_expected,
                 "the file ends where its last segment ends", result)
        self.say(result.shared > TEXT_MIN,
                 "the kernel's text and data, which are two segments, are in the file once",
                 result)
        self.tap.note(f"{result.size} bytes, {result.shared} fewer than /proc/vmcore has, and "
                      f"{self.dump['bytes']} as they were sent")
        found = oracle.pattern_pages(self.core)
        wanted = self.crash.pattern_mib * 256
        self.say(found == set(range(wanted)), "every page that the guest marked is in the dump",
                 f"{len(found)} of {wanted}")

    def check_dmesg(self):
        try:
            log = lab.vmcore_dmesg(self.core)
        except lab.Skip as why:
            self.say(True, f"vmcore-dmesg # SKIP {why}")
            return
        self.say(self.log_has in log, f"vmcore-dmesg finds \"{self.log_has}\" in it", log[-800:])

    def check_facts(self):
        """The same as other programs say, and the same from every form of the dump."""
        core = self.core
        said, log = lab.facts_of(core, self.work)
        facts = said["facts"]
        for key, pattern in self.facts.items():
            self.say(re.fullmatch(pattern, facts.get(key, "")), f"its {key} is /{pattern}/",
                     facts.get(key))
        self.say(facts["kernel"] == self.kernel.release, "the kernel is the guest's",
                 facts["kernel"])
        self.check_slide(facts)
        self.say(len(facts["cpus"]) == self.crash.cpus and facts["cpus"][0]["panicked"],
                 f"it has {self.crash.cpus} processors, and knows which one panicked",
                 facts["cpus"])
        self.say(len(facts.get("backtrace", [])) >= 5, "it has a backtrace", facts)
        self.check_start(facts)
        self.check_log(core, log)
        self.check_registers(core, facts)
        self.check_forms(core, facts, log)

    def check_slide(self, facts):
        """With KASLR the kernel may come to lie where it would lie without: once in 500 times."""
        data = pathlib.Path(self.core).read_bytes()
        offset = re.search(rb"^KERNELOFFSET=([0-9a-f]+)$", data, re.M)
        offset = int(offset[1], 16) if offset else -1
        self.say(int(facts["slide"], 16) == offset and (self.crash.kaslr or offset == 0),
                 "the slide is what the kernel says, and zero without KASLR",
                 f"{facts['slide']} {offset:#x}")

    def check_start(self, facts):
        """What stands in the first twentieth of the dump, as it crossed the wire."""
        path = f"{self.work}/start"
        with open(self.dump["path"], "rb") as dump:
            pathlib.Path(path).write_bytes(dump.read(self.dump["bytes"] // 20))
        said, _ = lab.facts_of(path, self.work)
        early = {key: said["facts"].get(key) for key in ("panic", "trigger", "task", "kernel",
                                                         "host", "backtrace", "cpus")}
        self.say(said["verdict"] == "incomplete" and said["format"] == "lz4+elf"
                 and early == {key: facts.get(key) for key in early},
                 "its first twentieth is incomplete, and says all of the panic", said)

    def check_log(self, core, log):
        try:
            wanted = lab.vmcore_dmesg_bytes(core)
        except lab.Skip as why:
            self.say(True, f"vmcore-dmesg # SKIP {why}")
            return
        self.say(log == wanted and len(log) > 10000,
                 "its log is what vmcore-dmesg prints, byte for byte",
                 f"{len(log)} and {len(wanted)} bytes")

    def check_registers(self, core, facts):
        names = ["rip", "rsp", "rax", "rbx", "rcx", "rdx", "rbp", "r8", "r15"]
        try:
            wanted = lab.gdb_registers(core, names)
        except lab.Skip as why:
            self.say(True, f"gdb # SKIP {why}")
            return
        cpus = sorted(facts["cpus"], key=lambda cpu: cpu["cpu"])
        ours = [{name: int(cpu["registers"][name], 16) for name in names} for cpu in cpus]
        self.say(wanted and wanted[0] and
                 all(theirs in (None, own) for theirs, own in zip(wanted, ours)),
                 "the registers of the processors are those that gdb reads",
                 f"{ours}\n{wanted}")

    def check_forms(self, core, facts, log):
        """makedumpfile's forms of the same dump say the same."""
        different = ("memory",)
        for options, form in ((("-c", "-d", "31"), "kdump"), (("-l", "-d", "1"), "kdump"),
                              (("-F", "-c", "-d", "31"), "flattened"),
                              (("-F", "-E", "-d", "31"), "flattened")):
            path = f"{self.work}/other"
            try:
                lab.makedumpfile(core, path, *options)
            except lab.Skip as why:
                self.say(True, f"makedumpfile # SKIP {why}")
                return
            said, its_log = lab.facts_of(path, self.work)
            same = {k: v for k, v in said["facts"].items() if k not in different} == {
                k: v for k, v in facts.items() if k not in different}
            self.say(said["verdict"] == "complete" and said["format"] == form and same
                     and its_log == log, f"makedumpfile {' '.join(options)} of it says the same",
                     said)
            if form == "flattened":
                self.check_streams(path, " ".join(options))
        size = pathlib.Path(path).stat().st_size
        os.truncate(path, size - 17)
        said, _ = lab.facts_of(path, self.work)
        self.say(said["verdict"] == "incomplete" and said["facts"]["panic"] == facts["panic"],
                 "cut before its end, it is incomplete, and still says why the kernel died", said)

    def check_streams(self, flattened, how):
        """What a crash kernel sends through a pipe or by SSH is put in order as it comes."""
        wanted, spool = lab.rearranged(flattened, f"{self.work}/rearranged"), f"{self.work}/streams"
        for words, asked in ((("import", "-"), None),
                             (("receive", "--floor", "0"), "dd of=/var/crash/m/dump-incomplete")):
            env = {**os.environ, **({"SSH_ORIGINAL_COMMAND": asked} if asked else {})}
            with open(flattened, "rb") as stream:
                result = subprocess.run(
                    [lab.binary("panicctl"), "--directory", spool, "--json", *words], stdin=stream,
                    stdout=subprocess.PIPE, env=env, timeout=lab.PATIENCE_S)
            row = json.loads(result.stdout or "{}")
            row = row.get("received") or (row.get("imported") or [{}])[0]
            verify = subprocess.run(
                [lab.binary("panicctl"), "--directory", spool, "verify", str(row.get("id"))],
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=lab.PATIENCE_S)
            self.say(result.returncode == 0 and verify.returncode == 0 and
                     filecmp.cmp(wanted, f"{spool}/{row['file']}", shallow=False),
                     f"makedumpfile {how} through panicctl {words[0]} is the file that its -R "
                     "makes, byte for byte, and whole", f"{row} {verify.stdout}")
        shutil.rmtree(spool, ignore_errors=True)
        os.unlink(wanted)
