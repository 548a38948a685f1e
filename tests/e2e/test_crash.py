#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""A real Linux kernel panics in QEMU and sends its memory to the real panicd; or has no crash
kernel, or no server. TAP on stdout. Other machines, causes and networks: tests/linux.

    PND_BUILD=build tests/e2e/test_crash.py [SCENARIO...]      (all by default)
"""

import os
import pathlib
import re
import sys
import tempfile

sys.dont_write_bytecode = True   # the source tree stays as it is
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import debuggers                     # noqa: E402
import lab                           # noqa: E402
from scenario import Scenario, Tap   # noqa: E402

# What the sender need not send does not cross the network: freed pages become zeros.
SMALL = "init_on_free=1"


class Alone(Scenario):
    """It is asked how soon it is known why the kernel died."""

    alone = True


class Debugged(Alone):
    """Opened in the debuggers that `panicctl debug` starts; what they agree on, we must say."""

    def check_facts(self):
        super().check_facts()
        symbols = debuggers.symbols_for(self)
        if symbols:
            crash, drgn = debuggers.crash(self, symbols), debuggers.drgn(self, symbols)
            if crash and drgn:
                self.compare(symbols, crash, drgn)

    def compare(self, symbols, crash, drgn):
        by_drgn = [name for name, _ in drgn.frames]
        agreed = [(name, at) for name, at in crash.frames if name.removesuffix(".cold") in by_drgn]
        # panic() has gone on since it wrote its trace, to where it starts the crash kernel; and
        # behind the way in, crash shows what earlier calls left on the stack
        names = [name for name, _ in agreed]
        if not self.say("panic" in names and "do_syscall_64" in names,
                        "crash and drgn agree on the way from the system call to panic()",
                        f"{crash.frames}\n{by_drgn}"):
            return
        below = agreed[names.index("panic") + 1:names.index("do_syscall_64") + 1]
        text = self.receiver.panicctl("log", "latest", "--symbols", symbols).stdout
        ours = [(name, int(at, 16)) for name, at in
                re.findall(r"-> (\S+) \+ 0x[0-9a-f]+ \(.*\)  \[0x([0-9a-f]+)\]", text)]
        self.say(len(below) >= 6 and [frame for frame in ours if frame in below] == below,
                 "the frames on which crash and drgn agree are those of panicctl log --symbols, "
                 "to the address", f"{agreed}\n{by_drgn}\n{ours}")
        lines = debuggers.log_lines(self.receiver.panicctl("log", "latest").stdout)
        self.say(len(lines) > 100 and crash.log == lines, "and crash prints the same log",
                 "\n".join(sorted(set(crash.log) ^ set(lines))[:20]))


class Hung(Scenario):
    """No crash kernel: the guest stands still, and QEMU writes its memory."""

    def run(self):
        with tempfile.TemporaryDirectory(prefix="panicd-lab-") as self.work:
            try:
                with lab.Guest(self.crash, self.kernel, 1, self.work) as self.guest:
                    self.guest.console.wait("end Kernel panic", 120, "the guest")
                    self.guest.qmp.execute("stop")
                    self.dump_and_compare()
            except lab.LabError as error:
                self.say(False, "the lab runs to its end", error)

    def dump_and_compare(self):
        text = self.guest.qmp.execute("human-monitor-command",
                                      **{"command-line": "info registers -a"})
        rips = [int(value, 16) for value in re.findall(r"RIP=([0-9a-f]+)", text)]
        roots = [int(value, 16) for value in re.findall(r"CR3=([0-9a-f]+)", text)]
        logs = set()
        for form, paging in (("elf", False), ("elf", True), ("kdump-zlib", False)):
            path = f"{self.work}/dump"
            more = {} if form == "elf" else {"format": form}
            self.guest.qmp.execute("dump-guest-memory", paging=paging, protocol=f"file:{path}",
                                   **more)
            said, log = lab.facts_of(path, self.work)
            facts, logs = said["facts"], logs | {log}
            good = all(re.fullmatch(pattern, facts.get(key, ""))
                       for key, pattern in self.facts.items())
            what = f"{form}{' with paging' if paging else ''}"
            good = good and facts["kernel"] == self.kernel.release
            self.say(said["verdict"] == "complete" and good,
                     f"QEMU's dump as {what} says why the kernel died", said)
            cpus = sorted(facts["cpus"], key=lambda cpu: cpu["cpu"])
            self.say([int(cpu["registers"]["rip"], 16) for cpu in cpus] == rips and
                     [int(cpu["registers"]["cr3"], 16) for cpu in cpus] == roots,
                     f"and has the registers that QEMU shows ({what})", f"{cpus}\n{text}")
            os.unlink(path)
        self.say(len(logs) == 1 and len(logs.pop()) > 10000, "all of them have the same log")


class Unreachable(Scenario):
    """Nobody answers for the server's address: the crash kernel must say so and go down."""

    def crash_and_receive(self):
        with lab.EtherPeer(self.receiver.port, self.work, "--server", "10.0.2.99") as peer, \
                lab.Guest(self.crash, self.kernel, self.receiver.port, self.work,
                          peer.netdev) as self.guest:
            self.guest.panic()
            self.guest.wait_end()
        console = self.guest.console
        said = [line for line in console.lines
                if line.startswith("panicdump:") and lab.SERVER_IP in line]
        self.tap.note("\n".join(said))
        self.say(any("no route" in line and "kdp_ip_addr=" in line for line in said),
                 "the console says that nobody answers for the server's address, and what to look "
                 "at", console.tail())
        self.say(any("is given up after" in line for line in console.lines) and
                 len([line for line in said if "no route" in line]) == 2,
                 "it is tried twice in the six seconds of panicd_retry=, then given up",
                 console.tail())
        self.say(any("reboot: Power down" in line for line in console.lines),
                 "the machine powers off as panicd_after=poweroff asks", console.tail())
        self.say(self.receiver.dumps() == [], "no dump is listed", self.receiver.dumps())


SCENARIOS = {
    "sysrq": lambda tap: Debugged(tap, "sysrq", lab.Crash(), "panic", {
        "panic": "sysrq triggered crash", "trigger": "panic", "task": r"init \(pid 1\)"}),
    "lockup": lambda tap: Alone(tap, "soft lockup", lab.Crash(
        trigger="module", module=lab.ENDLESS_LOOP, pattern_mib=1, cpus=2,
        append=SMALL + " softlockup_panic=1 watchdog_thresh=1"), "panic", {
            "panic": "softlockup: hung tasks", "trigger": "watchdog", "task": r"init \(pid 1\)"}),
    # A machine that nobody prepared: no crash kernel, and no VMCOREINFO among QEMU's notes.
    "qemu": lambda tap: Hung(tap, "dump-guest-memory", lab.Crash(
        kaslr=True, cpus=2, pattern_mib=1, reserve="0",
        append=SMALL + " lab_crash_kernel=no panic=0"), "panic", {
            "panic": "sysrq triggered crash", "trigger": "panic", "slide": "0x[0-9a-f]+",
            "build_id": "[0-9a-f]{40}"}),
    "unreachable": lambda tap: Unreachable(tap, "no server",
                                           lab.Crash(after="poweroff", append=SMALL,
                                                     options="panicd_retry=6"), "panic"),
}


def main(names):
    tap = Tap()
    lab.end_cleanly_on_sigterm()
    try:
        lab.need_qemu()
        scenarios = [SCENARIOS[name](tap) for name in names or SCENARIOS]
    except lab.Skip as why:
        print(f"1..0 # SKIP {why}")
        return 0
    for scenario in scenarios:
        scenario.run()
    print(f"1..{tap.count}")
    return 1 if tap.failures else 0


if __name__ == "__main__":
    unknown = [name for name in sys.argv[1:] if name not in SCENARIOS]
    if unknown:
        sys.exit(f"no scenario {unknown[0]}: one of {' '.join(SCENARIOS)}")
    sys.exit(main(sys.argv[1:]))
