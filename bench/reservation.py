#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The smallest crashkernel= with which a dump arrives, for each kernel, network card and filter.

    bench/reservation.py --build build [--machine cloud/virtio ...] [--filter 31 ...] [--memory MIB]

Real guests in QEMU type `panicdump arm` and panic, so that the crash kernel is loaded as on any
machine: stripped program, modules of this card, words of the command line. The first reservation is
what arm says that it needs; from there on up until one works, then down, in steps of 4 MiB, until
one does not. The smallest that works must do so --repeat times.
How much is enough also depends on where the reservation comes to lie: each 128 MiB of addresses
that it touches take 2 MiB for their page structs. The table says how many it touched.
It goes to standard output, what is tried to standard error. Needs what tests/linux needs; as an
ordinary user."""

import argparse
import dataclasses
import os
import pathlib
import re
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve().parent
for place in ("tests/e2e", "tests/linux"):
    sys.path.insert(0, str(HERE.parent / place))
import lab           # noqa: E402
import shell_guest   # noqa: E402

STEP = 4
TOO_MUCH = 192   # MiB, with which no measurement goes on
BLOCK = 128 << 20
# What QEMU calls the card and the machine, and the modules of its driver.
CARDS = {"virtio": ("virtio-net-pci", "pc", "virtio_pci virtio_net"),
         "e1000": ("e1000", "pc", "e1000"), "e1000e": ("e1000e", "q35", "e1000e")}
FLAVOURS = {"cloud": "cloud-amd64", "generic": "amd64"}
MACHINES = ("cloud/virtio", "generic/virtio", "generic/e1000", "generic/e1000e")
# The first of these on the console of a crash kernel says why there is no dump.
TELLS = ("Out of memory", "deadlocked on memory", "nitramfs unpacking failed", "allocation failure",
         "panicdump:", "Kernel panic")


@dataclasses.dataclass
class Said:
    """By `panicdump arm`, before the guest panicked."""
    needed_mib: int
    initramfs: str
    blocks: int   # of 128 MiB, which the reservation touches


class Trial:
    """Guests of one kind and one filter; only the reservation changes."""

    def __init__(self, machine, level, wanted):
        kernel, card = machine.split("/")
        self.title, self.level, self.wanted = f"{machine}, filter {level}", level, wanted
        self.image = shell_guest.initramfs(FLAVOURS[kernel])
        self.nic, self.machine, self.modules = CARDS[card]
        self.fails, self.runs = set(), 0
        self.said = {}   # by the reservation

    def guest(self, work, mib):
        return shell_guest.ShellGuest(
            work, self.image, memory_mib=self.wanted.memory, reserve=f"{mib}M", nic=self.nic,
            machine=self.machine, modules=self.modules, append="init_on_free=1")

    def arm(self, guest, mib, port, option):
        command = (f"panicdump arm --server {lab.SERVER_IP}:{port} --filter {self.level} {option} "
                   + self.wanted.options)
        status, text = guest.run(command)
        if status != 0:
            raise lab.LabError(f"$ {command}\n{text}")
        flat = " ".join(text.split())
        at = re.search(r"([0-9a-f]+)-([0-9a-f]+) : Crash kernel", guest.run("cat /proc/iomem")[1])
        blocks = int(at[2], 16) // BLOCK - int(at[1], 16) // BLOCK + 1 if at else 0
        self.said[mib] = Said(int(re.search(r"reserved, (\d+)\.\d MiB needed", flat)[1]),
                              re.search(r"initramfs ([\d.]+ \w+):", flat)[1], blocks)

    def first(self):
        """What arm says that such a machine needs, rounded to a step."""
        with tempfile.TemporaryDirectory(prefix="panicd-reservation-") as work, \
                self.guest(work, TOO_MUCH) as guest:
            self.arm(guest, TOO_MUCH, 1069, "--dry-run")
        return -(-self.said[TOO_MUCH].needed_mib // STEP) * STEP

    def arrives(self, mib):
        self.runs += 1
        with tempfile.TemporaryDirectory(prefix="panicd-reservation-") as work, \
                lab.Receiver(f"{work}/dumps", f"{work}/panicd.log") as receiver, \
                self.guest(work, mib) as guest:
            before = len(guest.console.lines)
            try:
                self.arm(guest, mib, receiver.port, "--poweroff")
                guest.type("panicdump test --crash --yes-really")
                why = receiver.wait_dump(guest, self.wanted.patience)["state"]
            except lab.LabError:
                why = self.why(guest.console.lines[before:])
            filtered = any("filtered at level" in line for line in guest.console.lines)
        if why == "complete" and self.level and not filtered:
            why = "it was not filtered"
        if why != "complete":
            self.fails.add(mib)
        print(f"{self.title}: {mib}M {'works' if why == 'complete' else 'fails: ' + why}",
              file=sys.stderr, flush=True)
        return why == "complete"

    def why(self, lines):
        crash = next((i for i, line in enumerate(lines) if "sysrq triggered crash" in line), -1) + 1
        return next((line for line in lines[crash:] if any(word in line for word in TELLS)),
                    "it ended without a word")[:120]

    def smallest(self, first):
        """In MiB; None when not even TOO_MUCH works."""
        mib = first
        while not self.arrives(mib):
            mib += STEP
            if mib > TOO_MUCH:
                return None
        while mib - STEP not in self.fails and mib > STEP and self.arrives(mib - STEP):
            mib -= STEP
        while mib <= TOO_MUCH and not all(self.arrives(mib) for _ in range(self.wanted.repeat - 1)):
            mib += STEP
        return mib if mib <= TOO_MUCH else None


def measure(machine, level, first, wanted):
    """(the smallest, its line of the table). It is looked for from @p first on, None: as arm says."""
    trial = Trial(machine, level, wanted)
    smallest = trial.smallest(first or trial.first())
    release, vmlinuz, _ = trial.image
    # @source the kernel's documentation, arch/x86/boot.rst: init_size
    needs = int.from_bytes(vmlinuz[0x260:0x264], "little")
    said = trial.said[smallest or max(trial.said)]
    return smallest, (
        f"| {machine} | {level} | {release} | {needs / 2**20:.1f} MiB | {said.initramfs} | "
        f"{said.needed_mib}M | {f'{smallest}M' if smallest else f'above {TOO_MUCH}M'} | "
        f"{max(trial.fails, default='?')}M | {said.blocks} | {trial.runs} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--build", default=os.environ.get("PND_BUILD", "build"))
    parser.add_argument("--machine", action="append", choices=MACHINES)
    parser.add_argument("--filter", action="append", type=int, metavar="LEVEL", help="0, 1, 31")
    parser.add_argument("--options", default="", help="more options of panicdump arm")
    parser.add_argument("--memory", type=int, default=1024, metavar="MIB", help="of the guest")
    parser.add_argument("--first", type=int, metavar="MIB", help="tried first")
    parser.add_argument("--repeat", type=int, default=2, help="times that the smallest must work")
    parser.add_argument("--patience", type=int, default=400, metavar="S", help="for each dump")
    wanted = parser.parse_args()
    os.environ["PND_BUILD"] = wanted.build
    lab.end_cleanly_on_sigterm()
    try:
        lab.need_qemu()
        print(f"Guests of {wanted.memory} MiB. panicdump arm --filter ... {wanted.options}\n")
        print("| kernel and card | filter | release | the kernel's init_size | initramfs | arm says "
              "| works | does not | blocks of 128 MiB | guests |\n" + "|---" * 10 + "|", flush=True)
        for machine in wanted.machine or MACHINES:
            first = wanted.first
            for level in wanted.filter or (0, 1, 31):
                smallest, line = measure(machine, level, first, wanted)
                print(line, flush=True)
                first = smallest or first   # the next filter's is near it
    except lab.Skip as why:
        sys.exit(str(why))
    except subprocess.TimeoutExpired as error:
        sys.exit(f"panicdump: {error}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
