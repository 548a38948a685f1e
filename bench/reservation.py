#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The smallest crashkernel= with which a dump arrives, for each kernel and network card.

    bench/reservation.py --build build [--machine cloud/virtio ...] [--options "panicd_filter=31"]

Real guests in QEMU panic with smaller and smaller reservations, in steps of 4 MiB, until the dump
is not whole any more; the smallest that works must do so --repeat times. Without KASLR, which makes
small reservations a matter of luck. A table goes to standard output, what is tried to standard
error. Needs what tests/e2e needs; as an ordinary user."""

import argparse
import os
import pathlib
import sys
import tempfile

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve().parent
for place in ("tests/e2e", "tests/linux"):
    sys.path.insert(0, str(HERE.parent / place))
import drivers   # noqa: E402
import lab       # noqa: E402

STEP = 4
FLAVOURS = {"cloud": "cloud-amd64", "generic": "amd64"}
MACHINES = ("cloud/virtio", "generic/virtio", "generic/e1000", "generic/e1000e")


class Trial:
    """Guests of one kind; only the reservation changes."""

    def __init__(self, machine, wanted):
        self.machine, self.wanted = machine, wanted
        kernel, self.nic = machine.split("/")
        self.kernel = drivers.kernel_for(FLAVOURS[kernel], drivers.nic_modules(self.nic))
        self.initramfs = 0
        self.runs = 0

    def arrives(self, mib):
        crash = lab.Crash(
            memory_mib=self.wanted.memory, reserve=f"{mib}M", pattern_mib=1,
            append="init_on_free=1", after="poweroff", options=self.wanted.options,
            nic=drivers.NICS[self.nic], machine="q35" if self.nic == "e1000e" else "pc")
        self.runs += 1
        with tempfile.TemporaryDirectory(prefix="panicd-reservation-") as work:
            receiver = lab.Receiver(f"{work}/dumps", f"{work}/panicd.log")
            with receiver, lab.Guest(crash, self.kernel, receiver.port, work) as guest:
                try:
                    dump = receiver.wait_dump(guest)
                    good, why = dump["state"] == "complete", dump["state"]
                except lab.LabError:
                    good, why = False, self.why(guest)
        print(f"{self.machine}: {mib}M {'works' if good else 'fails: ' + why}", file=sys.stderr,
              flush=True)
        return good

    def why(self, guest):
        """The first line of the console that tells, else that the guest ended without a word."""
        tells = ("lab: FAILED", "Out of memory", "deadlocked on memory", "Initramfs unpacking failed",
                 "allocation failure", "panicdump: cannot", "Kernel panic")
        lines = guest.console.lines
        start = max((i for i, line in enumerate(lines) if line.startswith("lab:")), default=0)
        return next((line for line in lines[start:] if any(word in line for word in tells)
                     and "sysrq triggered crash" not in line), "it ended without a word")[:120]

    def smallest(self):
        """In MiB; None when not even the largest works."""
        low, high = self.wanted.low, self.wanted.high   # low fails, or is not tried; high works
        if not self.arrives(high):
            return None
        while high - low > STEP:
            middle = low + (high - low) // 2 // STEP * STEP
            if self.arrives(middle):
                high = middle
            else:
                low = middle
        while high <= self.wanted.high:
            if all(self.arrives(high) for _ in range(self.wanted.repeat - 1)):
                return high
            high += STEP
        return None


def measure(machine, wanted):
    """Its line of the table."""
    trial = Trial(machine, wanted)
    smallest = trial.smallest()
    modules = sum(len(body) for _, body in trial.kernel.modules)
    return (f"| {machine} | {trial.kernel.release} | {len(trial.kernel.vmlinuz)} | {modules} | "
            f"{f'{smallest}M' if smallest else f'above {wanted.high}M'} | {trial.runs} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--build", default=os.environ.get("PND_BUILD", "build"))
    parser.add_argument("--machine", action="append", choices=MACHINES)
    parser.add_argument("--options", default="", help="more boot-args for the crash kernel")
    parser.add_argument("--memory", type=int, default=384, metavar="MIB", help="of the guest")
    parser.add_argument("--low", type=int, default=40, metavar="MIB", help="taken to fail")
    parser.add_argument("--high", type=int, default=120, metavar="MIB", help="tried first")
    parser.add_argument("--repeat", type=int, default=3, help="times that the smallest must work")
    parser.add_argument("--jobs", type=int, default=2, help="guests at a time")
    parser.add_argument("--line", action="store_true", help="of one machine, only the table's line")
    wanted = parser.parse_args()
    machines = wanted.machine or MACHINES
    os.environ["PND_BUILD"] = wanted.build
    lab.end_cleanly_on_sigterm()
    program = lab.binary("panicdump-static").stat().st_size
    if wanted.line:
        try:
            lab.need_qemu()
            print(measure(machines[-1], wanted))
        except lab.Skip as why:
            sys.exit(str(why))
        return 0
    print(f"Guest of {wanted.memory} MiB, options \"{wanted.options}\", init of {program} bytes:\n")
    print("| kernel and card | release | vmlinuz, bytes | modules, bytes | smallest crashkernel= |"
          " guests |\n|---|---|---|---|---|---|", flush=True)
    commands = [[sys.executable, __file__, *sys.argv[1:], "--machine", machine, "--line"]
                for machine in machines]
    for line in drivers.side_by_side(commands, wanted.jobs):
        print(line, end="", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
