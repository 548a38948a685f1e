#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""panicd beside Debian's kdump-tools over SSH, on the same guest, one after the other.

  arm       panicdump arm: a crash kernel of our own, all of the memory
  arm-31    the same with --filter 31, which are the pages that the two below send
  drop-in   kdump-tools, its dump sent to panicd (linux/kdump-tools); makedumpfile -c -d 31
  ssh       kdump-tools as it comes, SSH= to an sshd of the same Debian; makedumpfile -c -d 31

For each: seconds from the panic's line on the console to the moment when the dump is safe (panicd
lists it as complete, after an fsync; by SSH: it has its final name, and nobody has synced
anything), and bytes of Ethernet that the crash kernel sent for it. With --reservation: the smallest
crashkernel= of which a dump arrives, found downwards in steps of --step MiB.
QEMU without KVM: what counts is the ratio, and the run says how busy the machine was.

  bench/kdump_tools.py [--ways arm,arm-31,drop-in,ssh] [--memory MIB] [--reserve MIB] [--rounds N]
                       [--reservation] [--step MIB] [--json]"""
import argparse
import contextlib
import json
import os
import pathlib
import statistics
import struct
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True   # the source tree stays as it is
HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests/e2e"))
sys.path.insert(0, str(HERE.parent / "tests/linux"))
import debian_image        # noqa: E402
import lab                 # noqa: E402
import test_kdump_tools    # noqa: E402

PATIENCE = 400   # seconds from the panic
WAYS = ("arm", "arm-31", "drop-in", "ssh")


def options():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--ways", default="arm,drop-in,ssh")
    parser.add_argument("--memory", type=int, default=768)
    parser.add_argument("--reserve", type=int, default=192)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--reservation", action="store_true")
    parser.add_argument("--step", type=int, default=16)
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    for way in chosen.ways.split(","):
        if way not in WAYS:
            parser.error(f"--ways: no {way}, but {', '.join(WAYS)}")
    return chosen


def sent_bytes(pcap, protocol, port):
    """Bytes of the frames that go to that port, as QEMU saw them leave."""
    data, at, total = pathlib.Path(pcap).read_bytes(), 24, 0
    while at + 16 <= len(data):
        kept, length = struct.unpack_from("<II", data, at + 8)
        frame = data[at + 16:at + 16 + kept]
        at += 16 + kept
        if len(frame) >= 38 and frame[12:14] == b"\x08\x00" and frame[23] == protocol:
            l4 = 14 + 4 * (frame[14] & 15)
            if int.from_bytes(frame[l4 + 2:l4 + 4], "big") == port:
                total += length
    return total


class Panicd:
    """The real panicd; safe() is the size of the dump once it is listed as complete."""

    protocol = 17

    def __init__(self, work):
        self.receiver = lab.Receiver(f"{work}/dumps", f"{work}/panicd.log")

    def __enter__(self):
        self.receiver.__enter__()
        self.port = self.receiver.port
        return self

    def __exit__(self, *_):
        self.receiver.__exit__()

    def safe(self):
        return next((dump["bytes"] for dump in self.receiver.dumps()
                     if dump["state"] == "complete"), None)


class Sshd:
    """The sshd of the Debian system, in a root of its own, on 127.0.0.1."""

    protocol = 6

    def __init__(self, work):
        self.work = pathlib.Path(work)
        self.root = self.work / "root"
        self.port = lab.free_udp_port()   # nobody has it for TCP either, mostly

    def _chroot(self, *command):
        for name in ("root", "upper", "workdir"):
            (self.work / name).mkdir(exist_ok=True)
        mount = (f"mount -t overlay overlay -o lowerdir={debian_image.base()},"
                 f"upperdir={self.work}/upper,workdir={self.work}/workdir {self.root} && "
                 f'exec chroot {self.root} "$@"')
        return ["unshare", "--mount", "sh", "-c", mount, "sh", *command]

    def __enter__(self):
        subprocess.run(self._chroot("sh", "-c", "mkdir -p /run/sshd /root/.ssh && "
                                    "ssh-keygen -q -A && "
                                    "ssh-keygen -q -t ed25519 -N '' -f /root/.ssh/key && "
                                    "cp /root/.ssh/key.pub /root/.ssh/authorized_keys"),
                       check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        self.key = (self.work / "upper/root/.ssh/key").read_text()
        self.process = subprocess.Popen(
            self._chroot("/usr/sbin/sshd", "-D", "-e", "-p", str(self.port), "-o",
                         "ListenAddress=127.0.0.1", "-o", "UsePAM=no", "-o", "StrictModes=no",
                         "-o", "PermitRootLogin=prohibit-password"),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.log = lab.Lines(self.process.stdout, self.work / "sshd.log")
        try:
            self.log.wait("Server listening", 20, "sshd")
        except lab.LabError:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        lab.stop_process(self.process)

    def safe(self):
        done = list((self.work / "upper/var/crash").glob("*/dump.*"))
        return done[0].stat().st_size if done else None


def prepare(way, guest, server):
    """Everything that is done before the panic."""
    address = f"{lab.SERVER_IP}:{server.port}"
    guest.run("systemctl start network-online.target")
    if way in ("arm", "arm-31"):
        level = "--filter 31" if way == "arm-31" else ""
        code, output = guest.run(f"panicdump arm --server {address} {level}")
    elif way == "drop-in":
        test_kdump_tools.use_kdump_tools(guest, [f'PANICD="{address}"'])
        code, output = test_kdump_tools.put_drop_in(guest)
    else:
        guest.run("mkdir -p -m 700 /root/.ssh")
        test_kdump_tools.write_file(guest, "/root/.ssh/kdump_id_rsa", server.key)
        test_kdump_tools.write_file(guest, "/root/.ssh/config",
                                    f"Host {lab.SERVER_IP}\nPort {server.port}\n"
                                    "StrictHostKeyChecking no\n")
        guest.run("chmod 600 /root/.ssh/*")
        test_kdump_tools.use_kdump_tools(guest, [f'SSH="root@{lab.SERVER_IP}"'])
        code, output = guest.run("systemctl start kdump-tools", 300)
    if code != 0 or guest.run("cat /sys/kernel/kexec_crash_loaded")[1] != "1\n":
        raise lab.LabError(f"{way}: not armed: {output}")
    # What was freed only now is on lists of the processor, and no filter knows it from what is used:
    # each way begins with these lists empty.
    guest.run("sync; echo 1 > /proc/sys/vm/compact_memory")


def measure(way, image, reserve, o):
    """{"seconds", "sent", "dump"}, or None when no dump came."""
    with tempfile.TemporaryDirectory(prefix="panicd-bench-") as work, contextlib.ExitStack() as on:
        disk = image.copy(f"{work}/disk")
        server = on.enter_context((Sshd if way == "ssh" else Panicd)(work))
        guest = on.enter_context(debian_image.Guest(
            image, disk, image.kernel("cloud"), work, f"crashkernel={reserve}M", o.memory,
            devices=("-object", f"filter-dump,id=f0,netdev=n0,file={work}/pcap,maxlen=64")))
        prepare(way, guest, server)
        guest.shell.send("echo c > /proc/sysrq-trigger")
        guest.console.wait("Kernel panic - not syncing", 60, "the guest")
        start = time.monotonic()
        while not (size := server.safe()):
            if time.monotonic() > start + PATIENCE or not guest.alive():
                return None
            time.sleep(0.1)
        seconds = time.monotonic() - start
        return {"seconds": seconds, "dump": size,
                "sent": sent_bytes(f"{work}/pcap", server.protocol, server.port)}


def smallest(way, image, o):
    """MiB of the smallest crashkernel= of which a dump arrived, going down."""
    reserve, found = o.reserve, None
    while reserve > 0:
        try:
            if not measure(way, image, reserve, o):
                break
        except lab.LabError as error:
            print(f"# {way}, {reserve}M: {str(error).splitlines()[0]}", file=sys.stderr)
            break
        found, reserve = reserve, reserve - o.step
    return found


def main():
    o = options()
    lab.need_qemu()
    image = debian_image.image()
    rows = {}
    for way in o.ways.split(","):
        rounds = []
        for _ in range(o.rounds):
            result = measure(way, image, o.reserve, o)
            if not result:
                raise lab.LabError(f"{way}: no dump")
            rounds.append(result)
        rows[way] = {key: statistics.median(one[key] for one in rounds) for key in rounds[0]}
        if o.reservation:
            rows[way]["crashkernel"] = smallest(way, image, o)
    if o.json:
        print(json.dumps({"memory_mib": o.memory, "reserve_mib": o.reserve, "rounds": o.rounds,
                          "load": os.getloadavg()[1], "ways": rows}, indent=1))
        return 0
    print(f"{'':9} {'safe after':>10} {'sent':>10} {'dump':>10}  crashkernel")
    for way, row in rows.items():
        print(f"{way:9} {row['seconds']:8.1f} s {row['sent'] / 1e6:7.1f} MB "
              f"{row['dump'] / 1e6:7.1f} MB  "
              + (f"{row['crashkernel']}M" if row.get("crashkernel") else "-"))
    print(f"guest of {o.memory} MiB, crashkernel={o.reserve}M; load of this machine over five "
          f"minutes: {os.getloadavg()[1]:.1f}")
    return 0


if __name__ == "__main__":
    lab.end_cleanly_on_sigterm()
    try:
        sys.exit(main())
    except lab.Skip as why:
        sys.exit(f"cannot: {why}")
