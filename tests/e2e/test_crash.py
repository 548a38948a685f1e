#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""A real Linux kernel panics in QEMU and sends its memory to the real panicd. TAP on stdout.

    PND_BUILD=build tests/e2e/test_crash.py [SCENARIO...]      (all by default)
"""

import pathlib
import re
import sys
import tempfile

sys.dont_write_bytecode = True   # the source tree stays as it is
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import lab      # noqa: E402
import oracle   # noqa: E402

PAGES_MIN = 10000
# What the sender need not send does not cross a link that loses: freed pages become zeros.
SMALL = "init_on_free=1"
# 1 % lost each way; what is delayed is overtaken by what follows, and duplicates come late.
SPOILED = ("--drop", "0.01", "--reorder", "0.01", "--duplicate", "0.01", "--corrupt", "0.001",
           "--delay-ms", "30", "--seed", "1")


class Tap:
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

    def __init__(self, tap, title, crash, reason):
        self.tap, self.title, self.crash, self.reason = tap, title, crash, reason
        self.work = self.receiver = self.guest = self.dump = None

    def say(self, good, sentence, why=""):
        return self.tap.ok(good, f"{self.title}: {sentence}", why)

    def netdev(self):
        """What the guest's cable is plugged into; None: QEMU's user network."""
        return None

    def while_sending(self):
        """Called once the panic has happened."""

    def run(self, kernel):
        with tempfile.TemporaryDirectory(prefix="panicd-lab-") as work:
            self.work = work
            try:
                self.receiver = lab.Receiver(f"{work}/dumps", f"{work}/panicd.log")
                with self.receiver:
                    self.crash_and_receive(kernel)
            except lab.LabError as error:
                self.say(False, "the lab runs to its end", error)

    def crash_and_receive(self, kernel):
        with lab.Guest(self.crash, kernel, self.receiver.port, self.work,
                       self.netdev()) as self.guest:
            self.guest.panic()
            self.while_sending()
            self.dump = self.receiver.wait_dump(self.guest)
            for line in self.guest.console.lines:
                if line.startswith("panicdump: sent"):
                    self.tap.note(line)
            self.check_catalog()
            memory = self.guest.save_memory()
        self.check_memory(memory)
        self.check_dmesg()

    def check_catalog(self):
        self.say(self.dump["state"] == "complete", "the dump arrives and is listed as complete",
                 f"{self.dump}\n{self.guest.console.tail()}\n{self.receiver.log.tail()}")
        release = KERNEL.release.replace("-", "_")   # "-" parts the fields of a name
        wanted = rf"core-linux-{re.escape(release)}-10\.0\.2\.15-{self.reason}-[0-9a-f]+"
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
        result = oracle.compare(self.dump["path"], memory)
        self.tap.note(f"{result.equal} of {result.equal + result.different} pages equal, "
                      f"{result.zero} of them zero, in {result.segments} segments")
        self.say(result.different == 0 and result.equal > PAGES_MIN,
                 "every page of every PT_LOAD is the page that QEMU saw", result)
        self.say(result.size == result.size_expected,
                 "the file ends where its last segment ends", result)
        found = oracle.pattern_pages(self.dump["path"])
        wanted = self.crash.pattern_mib * 256
        self.say(found == set(range(wanted)), "every page that the guest marked is in the dump",
                 f"{len(found)} of {wanted}")

    def check_dmesg(self):
        line = {"panic": "Kernel panic - not syncing: sysrq triggered crash",
                "nmi": "Kernel panic - not syncing: NMI: Not continuing"}[self.reason]
        try:
            log = lab.vmcore_dmesg(self.dump["path"])
        except lab.Skip as why:
            self.tap.note(f"vmcore-dmesg cannot be had: {why}")
            return
        self.say(line in log, f"vmcore-dmesg finds \"{line}\" in it", log[-800:])


class Spoiled(Scenario):
    """Through a peer that loses, duplicates, overtakes and corrupts."""

    def run(self, kernel):
        self.peer = None
        try:
            super().run(kernel)
        finally:
            if self.peer:
                self.peer.__exit__()

    def netdev(self):
        self.peer = lab.EtherPeer(self.receiver.port, self.work, *SPOILED).__enter__()
        return self.peer.netdev

    def check_memory(self, memory):
        self.peer.__exit__()
        self.tap.note(self.peer.counters)
        counts = [{k: int(v) for k, v in re.findall(r"(\w+)=(\d+)", line)}
                  for line in self.peer.counters.splitlines()[:2]]
        self.say(all(c["seen"] > 10000 and c["dropped"] > 100 and c["duplicated"] > 100
                     and c["delayed"] > 100 and c["corrupted"] > 10 for c in counts),
                 "packets were lost, doubled, overtaken and corrupted both ways",
                 self.peer.counters)
        super().check_memory(memory)


class Restarted(Scenario):
    """panicd is killed in the middle of the dump, and started again on the same directory."""

    def while_sending(self):
        for _ in range(3):
            self.receiver.wait_bytes(self.guest)
            self.receiver.kill_and_restart()
        dumps = self.receiver.dumps()
        self.say(len(dumps) == 1 and dumps[0]["state"] == "receiving",
                 "killed three times, it still has the one dump that is arriving", dumps)


class Unreachable(Scenario):
    """Nobody answers for the server's address: the crash kernel must say so and go down."""

    def netdev(self):
        self.peer = lab.EtherPeer(self.receiver.port, self.work, "--server", "10.0.2.99")
        self.peer.__enter__()
        return self.peer.netdev

    def crash_and_receive(self, kernel):
        with lab.Guest(self.crash, kernel, self.receiver.port, self.work,
                       self.netdev()) as self.guest:
            try:
                self.guest.panic()
                self.guest.wait_end()
            finally:
                self.peer.__exit__()
        console = self.guest.console
        said = [line for line in console.lines
                if line.startswith("panicdump:") and lab.SERVER_IP in line]
        self.tap.note("\n".join(said))
        self.say(any("no route" in line and "kdp_ip_addr=" in line for line in said),
                 "the console says that nobody answers for the server's address, and what to look "
                 "at", console.tail())
        self.say(any("reboot: Power down" in line for line in console.lines),
                 "the machine powers off as panicd_after=poweroff asks", console.tail())
        self.say(self.receiver.dumps() == [], "no dump is listed", self.receiver.dumps())


SCENARIOS = {
    "sysrq": lambda tap: Scenario(tap, "sysrq", lab.Crash(), "panic"),
    # The hard case: a randomly placed kernel, two processors, the NIC in use when it panics.
    "nmi": lambda tap: Scenario(tap, "NMI", lab.Crash(
        trigger="nmi", memory_mib=512, reserve="128M", cpus=2, kaslr=True, nic_up=True,
        append=SMALL), "nmi"),
    "lossy": lambda tap: Spoiled(tap, "lossy link", lab.Crash(append=SMALL, pattern_mib=1),
                                 "panic"),
    "restart": lambda tap: Restarted(tap, "panicd killed and restarted",
                                     lab.Crash(append=SMALL), "panic"),
    "unreachable": lambda tap: Unreachable(tap, "no server",
                                           lab.Crash(after="poweroff", append=SMALL), "panic"),
}


def main(names):
    global KERNEL
    tap = Tap()
    lab.end_cleanly_on_sigterm()
    try:
        lab.need_qemu()
        KERNEL = lab.guest_kernel()
    except lab.Skip as why:
        print(f"1..0 # SKIP {why}")
        return 0
    tap.note(f"guest: Linux {KERNEL.release}")
    for name in names or SCENARIOS:
        SCENARIOS[name](tap).run(KERNEL)
    print(f"1..{tap.count}")
    return 1 if tap.failures else 0


if __name__ == "__main__":
    unknown = [name for name in sys.argv[1:] if name not in SCENARIOS]
    if unknown:
        sys.exit(f"no scenario {unknown[0]}: one of {' '.join(SCENARIOS)}")
    sys.exit(main(sys.argv[1:]))
