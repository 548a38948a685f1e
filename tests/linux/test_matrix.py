#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Real kernels die of different things on different machines, and every dump is right. TAP.

    PND_BUILD=build tests/linux/test_matrix.py            the rows of CI, two at a time
    PND_BUILD=build tests/linux/test_matrix.py --all      all rows
    PND_BUILD=build tests/linux/test_matrix.py --row 3 --row 7
    tests/linux/test_matrix.py --list                     the rows, and what they cover
    tests/linux/test_matrix.py --cover                    that they cover what they should

Not every combination of six properties is run, but every pair of them that can be: see covered().
Every dump is compared with what QEMU saw, page by page, and read by vmcore-dmesg; those of the
cloud kernel are opened in crash and drgn, and of some all that is said of them is compared with
what other programs say.
"""

import argparse
import itertools
import pathlib
import re
import sys
import time

sys.dont_write_bytecode = True   # the source tree stays as it is
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import drivers                          # noqa: E402  (knows where the following are)
import debuggers                        # noqa: E402
import lab                              # noqa: E402
from scenario import Scenario, Tap      # noqa: E402

AT_A_TIME = 2
PROPERTIES = {
    "kernel": ("cloud", "generic"),
    "nic": ("virtio", "e1000", "e1000e"),
    "cpus": (1, 2),
    "kaslr": ("off", "on"),
    "cause": ("sysrq", "null", "nmi", "hang", "interrupt", "oom"),
    "network": ("idle", "busy"),
}
# The first CI_ROWS hold every pair but those of a network card and a cause; the others add these.
CI_ROWS = 12
ROWS = (
    ("cloud", "virtio", 1, "off", "sysrq", "idle"),
    ("generic", "e1000", 2, "on", "sysrq", "busy"),
    ("cloud", "virtio", 1, "on", "null", "idle"),
    ("generic", "e1000e", 2, "off", "null", "busy"),
    ("cloud", "virtio", 1, "off", "nmi", "busy"),
    ("generic", "virtio", 2, "on", "nmi", "idle"),
    ("cloud", "virtio", 2, "off", "hang", "busy"),
    ("generic", "e1000e", 1, "on", "hang", "idle"),
    ("cloud", "virtio", 2, "off", "interrupt", "idle"),
    ("generic", "virtio", 1, "on", "interrupt", "busy"),
    ("cloud", "virtio", 2, "on", "oom", "busy"),
    ("generic", "e1000", 1, "off", "oom", "idle"),
    ("generic", "e1000", 2, "on", "null", "busy"),
    ("generic", "e1000", 2, "on", "nmi", "idle"),
    ("generic", "e1000", 2, "on", "hang", "idle"),
    ("generic", "e1000", 2, "off", "interrupt", "idle"),
    ("generic", "e1000e", 2, "off", "sysrq", "idle"),
    ("generic", "e1000e", 1, "on", "nmi", "idle"),
    ("generic", "e1000e", 2, "off", "interrupt", "busy"),
    ("generic", "e1000e", 1, "off", "oom", "busy"),
)
THOROUGH = (3, 6)   # rows of which all that is said is compared
FLAVOURS = {"cloud": "cloud-amd64", "generic": "amd64"}
# What the guest is told, beside its trigger, and what the dump must say of itself.
CAUSES = {
    "sysrq": ("sysrq", "", {"panic": "sysrq triggered crash", "trigger": "panic"}),
    "null": ("module", "", {"panic": "BUG: kernel NULL pointer dereference, address: 0{15}8",
                            "trigger": "oops", "task": r"init \(pid 1\)"}),
    "nmi": ("nmi", "", {"panic": "NMI: Not continuing", "trigger": "nmi"}),
    "hang": ("hang", "sysctl.kernel.hung_task_panic=1 sysctl.kernel.hung_task_timeout_secs=2",
             {"panic": "hung_task: blocked tasks", "trigger": "watchdog",
              "task": r"khungtaskd \(pid \d+\)"}),
    "interrupt": ("interrupt", "sysrq_always_enabled",
                  {"panic": "sysrq triggered crash", "trigger": "panic"}),
    "oom": ("oom", "sysctl.vm.panic_on_oom=2",
            {"panic": "Out of memory: compulsory panic_on_oom is enabled", "trigger": "panic"}),
}
# What the debuggers say: why it died, and a function on the stack, by crash and by drgn.
DEBUGGED = {
    "sysrq": ("Kernel panic - not syncing: sysrq triggered crash", "sysrq_handle_crash",
              "sysrq_handle_crash"),
    "null": (r"Oops: 0002 \[#1\]", "do_init_module", None),
    "nmi": ("Kernel panic - not syncing: NMI: Not continuing", "exc_nmi", "exc_nmi"),
    "hang": ("Kernel panic - not syncing: hung_task: blocked tasks", "watchdog", "watchdog"),
    "interrupt": ("Kernel panic - not syncing: sysrq triggered crash", "serial8250_interrupt",
                  "serial8250_interrupt"),
    "oom": ("Kernel panic - not syncing: Out of memory: compulsory panic_on_oom is enabled",
            "out_of_memory", "out_of_memory"),
}


def can_be(row):
    """Debian's kernel for virtual machines has no driver for a card of Intel's."""
    return row[0] == "generic" or row[1] == "virtio"


def pairs(row):
    return set(itertools.combinations(zip(PROPERTIES, row), 2))


def possible():
    return set().union(*(pairs(row) for row in itertools.product(*PROPERTIES.values())
                         if can_be(row)))


def covered(rows):
    return set().union(*(pairs(row) for row in rows))


def missing(rows):
    """{(property, property): how many pairs of values no row has}"""
    counts = {}
    for (first, _), (second, _) in possible() - covered(rows):
        counts[first, second] = counts.get((first, second), 0) + 1
    return counts


def describe(rows):
    left = missing(rows)
    text = f"{len(rows)} rows hold {len(covered(rows))} of {len(possible())} pairs"
    return text + "".join(f"; {count} of {a} with {b} are not among them"
                          for (a, b), count in left.items())


class Row(Scenario):
    def __init__(self, tap, number):
        self.number, self.row = number, ROWS[number - 1]
        kernel, self.nic, cpus, kaslr, self.cause, network = self.row
        self.flavour = FLAVOURS[kernel]
        trigger, told, facts = CAUSES[self.cause]
        crash = lab.Crash(
            trigger=trigger, memory_mib=384 if kaslr == "on" else 288, reserve="100M", cpus=cpus,
            kaslr=kaslr == "on", pattern_mib=1, append=f"init_on_free=1 {told}".strip(),
            nic=drivers.NICS[self.nic], machine="q35" if self.nic == "e1000e" else "pc",
            nic_up=network == "busy", busy=network == "busy", victim=drivers.VICTIM,
            module=lab.NULL_POINTER if self.cause == "null" else b"")
        super().__init__(tap, f"{number} ({', '.join(map(str, self.row))})", crash,
                         "nmi" if self.cause == "nmi" else "panic", facts,
                         "veth_init+0x" if self.cause == "null" else None)

    def find_kernel(self):
        return drivers.kernel_for(self.flavour, drivers.nic_modules(self.nic))

    def while_sending(self):
        if self.crash.busy:
            self.say(any(line == "lab: the network is busy" for line in self.guest.console.lines),
                     "packets went out and came in when it died", self.guest.console.tail())

    def check_unpacked(self):
        if self.number in THOROUGH:
            super().check_unpacked()

    def check_facts(self):
        if self.number in THOROUGH:
            super().check_facts()
        said, log = lab.facts_of(self.core, self.work)
        facts = said["facts"]
        if self.number not in THOROUGH:
            for key, pattern in self.facts.items():
                self.say(re.fullmatch(pattern, facts.get(key, "")), f"its {key} is /{pattern}/",
                         facts.get(key))
            self.check_slide(facts)
            self.say(len(facts["cpus"]) == self.crash.cpus, f"its processors: {self.crash.cpus}",
                     facts["cpus"])
            self.check_log(self.core, log)
        self.check_cause(log)
        debuggers.check(self, *DEBUGGED[self.cause])

    def check_cause(self, log):
        if self.cause == "interrupt":
            text = log.decode(errors="replace")
            inside = re.search(r"<IRQ>(.*?)</IRQ>", text, re.S)
            self.say(inside and "sysrq_handle_crash" in inside[1] and "panic" in inside[1],
                     "it was the handler of an interrupt that panicked", text[-2000:])
        if self.cause == "hang":
            self.say(re.search(rb"task init:1 blocked for more than \d+ seconds", log)
                     and b" msleep+0x" in log, "the task that hung is named, and where",
                     log[-2000:])


def run_row(number):
    tap, start = Tap(), time.monotonic()
    Row(tap, number).run()
    tap.note(f"row {number}: {time.monotonic() - start:.0f} s")
    return tap


def cover(tap):
    tap.ok(all(map(can_be, ROWS)) and not missing(ROWS),
           f"all {len(ROWS)} rows can be, and hold every pair of properties that can be",
           missing(ROWS))
    tap.ok(set(missing(ROWS[:CI_ROWS])) == {("nic", "cause")},
           f"the first {CI_ROWS} hold all but those of a network card with a cause",
           missing(ROWS[:CI_ROWS]))


def run(numbers):
    tap = Tap()
    cover(tap)
    tap.note("run now: " + describe([ROWS[number - 1] for number in numbers]))
    commands = [[sys.executable, __file__, "--row", str(number)] for number in numbers]
    for number, text in zip(numbers, drivers.side_by_side(commands, AT_A_TIME)):
        drivers.retell(tap, f"row {number}", text)
    print(f"1..{tap.count}")
    return 1 if tap.failures else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--list", action="store_true", help="the rows, and what they cover")
    parser.add_argument("--cover", action="store_true", help="check what they cover; no guest")
    parser.add_argument("--all", action="store_true", help="not only the rows of CI")
    parser.add_argument("--row", type=int, action="append", metavar="N", choices=range(
        1, len(ROWS) + 1), help="only this row; may be given more than once")
    wanted = parser.parse_args()
    numbers = wanted.row or range(1, len(ROWS) + 1 if wanted.all else CI_ROWS + 1)
    if wanted.list:
        for number, row in enumerate(ROWS, 1):
            print(f"{number:2} {'ci ' if number <= CI_ROWS else '   '}",
                  " ".join(f"{value!s:9}" for value in row))
        print(describe(ROWS[:CI_ROWS]))
        print(describe(ROWS))
        return 0
    if wanted.cover:
        tap = Tap()
        cover(tap)
        print(f"1..{tap.count}")
        return 1 if tap.failures else 0
    lab.end_cleanly_on_sigterm()
    try:
        lab.need_qemu()
        for flavour in {FLAVOURS[ROWS[number - 1][0]] for number in numbers}:
            drivers.kernel_for(flavour, ())
    except lab.Skip as why:
        print(f"1..0 # SKIP {why}")
        return 0
    if len(numbers) == 1:
        tap = run_row(numbers[0])
        print(f"1..{tap.count}")
        return 1 if tap.failures else 0
    return run(list(numbers))


if __name__ == "__main__":
    sys.exit(main())
