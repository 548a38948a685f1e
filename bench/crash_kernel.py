#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""How fast a crash kernel sends a dump, beside the most that the same crash kernel can send.

    sudo bench/crash_kernel.py --build build [--rounds N] [--memory MIB] [--compress HOW]
                               [--full MIB] [--options "WORD ..."]

A guest in QEMU panics. Its crash kernel first sends random bytes by bench-limit, over UDP with GSO
and without, twice each, to a receiver that writes them into memory; then the dump by `panicdump
capture`, to panicd. A virtio-net card, a TAP device, and nothing else between; all of it in a
network namespace that goes when the program ends. --full says how much of the guest's memory holds
what cannot be packed. A table goes to standard output; needs root and what tests/e2e needs."""

import argparse
import bisect
import collections
import contextlib
import ctypes
import dataclasses
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests/e2e"))
import lab           # noqa: E402

OURS, GUEST = "10.99.0.1", "10.99.0.2"
CLONE_NEWNET = 0x40000000
PORT, LIMIT_PORT = 1069, 20000
BLASTS = 4   # with and without GSO, twice
PATIENCE = 400
MIB = 1 << 20


def binary(name):
    path = lab.build_directory() / "bench" / name
    if not path.is_file():
        sys.exit(f"{path} is not built: ninja -C {lab.build_directory()}")
    return path


@dataclasses.dataclass
class Crash(lab.Crash):
    """A crash kernel that measures what it can send, before it sends the dump."""
    blast_mib: int = 64

    def capture_cmdline(self, port):
        return (f"{lab.EVERY_KERNEL} nokaslr nr_cpus=1 reset_devices irqpoll panic=-1 "
                f"_panicd_ip={OURS}:{port} kdp_ip_addr={GUEST}/24 kdp_match_name=eth0 "
                f"bench_to={OURS}:{LIMIT_PORT} bench_bytes={self.blast_mib * MIB} "
                f"panicd_after=poweroff {self.options}").strip()

    def capture_initramfs(self, kernel):
        modules = {f"lib/modules/{name}": body for name, body in kernel.modules}
        return lab.cpio({"init": binary("bench-crash-init").read_bytes(),
                         "bench-limit": binary("bench-limit-static").read_bytes(),
                         "sender/init": lab.binary("panicdump-static").read_bytes(),
                         "lib/panicd/modules": "".join(f"/{path}\n" for path in modules),
                         **modules})


def network():
    """This process, and all that it starts, in a namespace of its own, with one end of the cable."""
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET) < 0:
        sys.exit(f"a network namespace: {os.strerror(ctypes.get_errno())}; as root?")
    for words in ("link set lo up", "tuntap add cable mode tap", f"addr add {OURS}/24 dev cable",
                  "link set cable up"):
        subprocess.run(["ip", *words.split()], check=True)
    return "tap,id=n0,ifname=cable,script=no,downscript=no"


class Receiver(lab.Receiver):
    """panicd, for the guest instead of for this machine alone."""

    def __init__(self, directory, log):
        super().__init__(directory, log, ("--address", OURS))
        self.port = PORT


@contextlib.contextmanager
def sinks(work):
    """A receiver for each blast: each ends with its sender."""
    started = []
    try:
        for i in range(BLASTS):
            plain = ["--plain"] * (i % 2)
            started.append(subprocess.Popen(
                [binary("bench-limit"), "receive", *plain, str(LIMIT_PORT + i), f"{work}/limit"],
                stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        yield
    finally:
        for process in started:
            lab.stop_process(process)


def one(wanted, netdev, work):
    """(MB/s by GSO, without, of the dump; what panicdump said, its memory)."""
    crash = Crash(memory_mib=wanted.memory, reserve=f"{wanted.reserve}M", pattern_mib=wanted.full,
                  options=f"panicd_compress={wanted.compress} {wanted.options}",
                  blast_mib=wanted.blast, append="init_on_free=1 no_timer_check")
    receiver = Receiver(f"{work}/dumps", f"{work}/panicd.log")
    with receiver, sinks(work), \
            lab.Guest(crash, lab.guest_kernel(), receiver.port, work, netdev) as guest:
        guest.panic()
        if wanted.profile is not None:
            guest.console.wait(r"^panicdump: .* asks ", PATIENCE, "the crash kernel")
            print(profile(guest, lambda: any(line.startswith(("panicdump: sent", "panicdump: used"))
                                             for line in guest.console.lines[-6:]),
                          wanted.profile))
        sent = guest.console.wait(r"^panicdump: (sent|.*is given up)", PATIENCE, "the crash kernel")
        memory = guest.console.wait(r"^panicdump: used .* of memory", 30, "the crash kernel")
        state = receiver.wait_dump(guest)["state"]
        lines = guest.console.lines
    if state != "complete" or "given up" in sent:
        sys.exit(f"the dump is {state}: {sent}")
    rates = {"gso": [], "plain": []}
    for line in lines:
        told = re.match(r"bench: (\w+) status (\d+) (\d+) bytes (\d+) us", line)
        if told and told[2] == "0":
            rates[told[1]].append(int(told[3]) / int(told[4]))
    if not all(rates.values()):
        sys.exit("the limit was not measured:\n" + "\n".join(lines[-40:]))
    told = re.search(r": (\d+) bytes(?: as (\d+))? in ([\d.]+) s", sent)
    skipped = re.search(r"(\d+) of them zeros", sent)
    wire = int(told[2] or told[1]) - int(skipped[1] if skipped else 0)
    return {"gso": max(rates["gso"]), "plain": max(rates["plain"]),
            "dump": int(told[1]) / float(told[3]) / 1e6, "wire": wire / float(told[3]) / 1e6,
            "said": sent, "memory": memory}


def names_of(program, first):
    """[(address, name)] of a program's functions, ascending."""
    text = subprocess.run(["nm", "-n", program], stdout=subprocess.PIPE, check=True, text=True).stdout
    return [(int(at, 16), name) for at, kind, name in re.findall(r"^(\w+) ([tTwW]) (\S+)$", text, re.M)
            if int(at, 16) >= first]


def profile(guest, until, vmlinux):
    """Where the guest's processor is, looked at from outside, as long as @p until says: a table."""
    user, kernel = names_of(lab.binary("panicdump-static"), 0), []
    if vmlinux:
        kernel = names_of(vmlinux, 0xffffffff80000000)
    seen, sides = collections.Counter(), collections.Counter()
    while not until():
        text = guest.qmp.execute("human-monitor-command", **{"command-line": "info registers"})
        at = int(re.search(r"RIP=(\w+)", text)[1], 16)
        names = kernel if at >> 63 else user
        if "HLT=1" not in text:
            sides["kernel" if at >> 63 else "panicdump"] += 1
        place = bisect.bisect(names, (at, "~")) - 1
        seen["halted" if "HLT=1" in text else names[place][1] if place >= 0
             else "kernel" if at >> 63 else "?"] += 1
        time.sleep(0.01)
    total = sum(seen.values())
    rows = [(f"in all: {name}", count) for name, count in sides.most_common()]
    return "\n".join(f"{count / total:6.1%}  {name}" for name, count in rows + seen.most_common(60))


def table(rows):
    print("| round | limit, GSO | limit, plain | dump | on the wire | dump of limit | wire of limit |")
    print("|" + "---|" * 7)
    for number, row in enumerate(rows):
        best = max(row["gso"], row["plain"])
        print(f"| {number + 1} | {row['gso']:.1f} | {row['plain']:.1f} | {row['dump']:.1f} | "
              f"{row['wire']:.1f} | {row['dump'] / best:.2f} | {row['wire'] / best:.2f} |")
    for name in ("dump", "wire"):
        ratio = statistics.median(row[name] / max(row["gso"], row["plain"]) for row in rows)
        print(f"\nmedian, {name} of limit: {ratio:.2f}", end="")
    print(f"\n{rows[-1]['said']}\n{rows[-1]['memory']}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--build", default=os.environ.get("PND_BUILD", "build"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--memory", type=int, default=768, metavar="MIB", help="of the guest")
    parser.add_argument("--reserve", type=int, default=192, metavar="MIB", help="crashkernel=")
    parser.add_argument("--full", type=int, default=256, metavar="MIB",
                        help="of memory that cannot be packed")
    parser.add_argument("--blast", type=int, default=48, metavar="MIB", help="sent as the limit")
    parser.add_argument("--compress", default="none", help="auto, gzip, lz4 or none")
    parser.add_argument("--options", default="", help="more words for the crash kernel")
    parser.add_argument("--profile", nargs="?", const="", metavar="VMLINUX",
                        help="where the processor of the crash kernel is, by function")
    wanted = parser.parse_args()
    os.environ["PND_BUILD"] = wanted.build
    lab.end_cleanly_on_sigterm()
    try:
        lab.need_qemu()
        lab.guest_kernel()
    except lab.Skip as why:
        sys.exit(str(why))
    netdev, rows = network(), []
    for _ in range(wanted.rounds):
        with tempfile.TemporaryDirectory(prefix="panicd-crash-", dir="/dev/shm") as work:
            rows.append(one(wanted, netdev, work))
    table(rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
