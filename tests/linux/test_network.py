#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""A crash kernel and a bad network: servers that are late, gone, full or the second of a list;
links that lose, or are down; MTUs, VLANs, and MACs that are no longer right; and then the shell.
TAP on stdout.

    PND_BUILD=build tests/linux/test_network.py [--jobs N] [--whole] [SCENARIO...]

All by default, two guests at a time. Where something happens in the middle of the dump, it is
/proc/vmcore, compared page by page with what QEMU says of the machine. Where only the way matters,
it is a file of the crash kernel, compared byte by byte; or /proc/vmcore as well, with --whole. What
comes of each is a table in panicdump(8)."""

import argparse
import dataclasses
import pathlib
import re
import signal
import sys
import tempfile
import time

sys.dont_write_bytecode = True   # the source tree stays as it is
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import drivers                                   # noqa: E402  (knows where the following are)
import debuggers                                 # noqa: E402
import lab                                       # noqa: E402
import oracle                                    # noqa: E402
from kdump_reader import Kdump, PAGE             # noqa: E402
from scenario import Tap, is_whole               # noqa: E402

PAGES_MIN = 3000   # of a filtered dump: less has no kernel
SERVER_MAC = "52:55:0a:00:02:02"   # etherpeer's
WRONG_MAC = "52:55:0a:00:02:99"


@dataclasses.dataclass
class Crash(lab.Crash):
    """With options of its own for the crash kernel; freed pages are zeros, which take no time."""
    pattern_mib: int = 1
    append: str = "init_on_free=1 no_timer_check"   # of a machine that is busy, the timer is late
    servers: str = ""
    shell: bool = False   # there is a /bin/sh: one that says what panicdump is, and ends

    def capture_files(self):
        return {"bin/sh": lab.binary("panicdump-static").read_bytes()} if self.shell else {}

    def capture_cmdline(self, port):
        servers = self.servers or f"{lab.SERVER_IP}:{port}"
        return ("console=ttyS0 panic=-1 nr_cpus=1 reset_devices irqpoll no_timer_check "
                f"_panicd_ip={servers} kdp_ip_addr={lab.GUEST_IP}/24 kdp_match_name=eth0 "
                f"panicd_after={self.after} {self.options}").strip()


class Scenario:
    """One crash; what happens meanwhile, and the sentences that must be true of it."""

    title = "undisturbed"
    whole = False   # send /proc/vmcore
    options = ""    # of the crash kernel
    peer = None     # options of etherpeer; None: QEMU's user network
    devices = ()    # more arguments for QEMU
    receiver_options = ()
    after, shell = "wait", False   # see Crash

    def __init__(self, tap):
        self.tap = tap
        self.kernel = lab.guest_kernel()
        self.start = None   # when the guest panicked

    # ---- what differs

    def open_receiver(self):
        """Starts panicd; where there is more, or later, it is done elsewhere."""
        self.receiver.__enter__()

    def servers(self):
        """_panicd_ip=; "": the one receiver."""
        return ""

    def meanwhile(self):
        """Called once the machine has panicked."""

    def outcome(self):
        """More that must be so, once the dump is there."""

    # ---- what they share

    def say(self, good, sentence, why=""):
        return self.tap.ok(good, f"{self.title}: {sentence}", why)

    def console(self):
        return [line for line in self.guest.console.lines if line.startswith("panicdump:")]

    def wait_line(self, pattern, patience=300):
        return self.guest.console.wait(r"^panicdump: .*" + pattern, patience, "the crash kernel")

    def seconds(self):
        return time.monotonic() - self.start

    def run(self):
        with tempfile.TemporaryDirectory(prefix="panicd-lab-") as self.work:
            self.receiver = lab.Receiver(f"{self.work}/dumps", f"{self.work}/panicd.log",
                                         self.receiver_options)
            self.wire, self.guest = None, None
            self.receivers = [self.receiver]
            try:
                self.open_receiver()
                if self.peer is not None:
                    self.wire = lab.EtherPeer(self.receiver.port, self.work,
                                              *self.peer).__enter__()
                self.crash()
            except lab.LabError as error:
                self.say(False, "the lab runs to its end", error)
            finally:
                if self.wire:
                    self.wire.__exit__()
                for receiver in self.receivers:
                    if hasattr(receiver, "process"):
                        receiver.__exit__()

    def crash(self):
        file = "" if self.whole else " panicd_vmcore=/init"
        crash = Crash(options=self.options + file, servers=self.servers(), devices=self.devices,
                      after=self.after, shell=self.shell)
        with lab.Guest(crash, self.kernel, self.receiver.port, self.work,
                       self.wire and self.wire.netdev) as self.guest:
            self.guest.panic()
            self.start = time.monotonic()
            self.meanwhile()
            dump = self.receiver.wait_dump(self.guest)
            self.sent = self.wait_line(r"(sent|is given up)", 60)
            took = self.seconds()
            if self.wire:
                self.wire.__exit__()
            self.tap.note(f"{took:.1f} s from the panic: {self.sent}")
            self.compare(dump)
            self.outcome()

    def compare(self, dump):
        if not self.say(dump["state"] == "complete", "the dump arrives and is complete",
                        "\n".join([str(dump), *self.console()])):
            return
        core = pathlib.Path(dump["path"])
        if dump["name"].endswith((".gz", ".lz4")):
            core = pathlib.Path(lab.unpacked(core, f"{self.work}/core"))
        if not self.whole:
            self.say(core.read_bytes() == lab.binary("panicdump-static").read_bytes(),
                     "and every byte of it is right")
            return
        result = oracle.compare(core, self.guest.save_memory())
        self.say(result.different == 0 and is_whole(result, self.guest.crash)
                 and oracle.pattern_pages(core) == set(range(256)),
                 "and every page of it is the page that QEMU saw", result)

    def counters(self):
        return {k: int(v) for k, v in re.findall(r"([a-z-]+)=(\d+)",
                                                 self.wire.counters.splitlines()[-1])}


class Late(Scenario):
    title = "a server that is not there at first"

    def open_receiver(self):
        pass

    def meanwhile(self):
        self.wait_line("everything again in 2 s")
        self.receiver.__enter__()

    def outcome(self):
        said = self.console()
        self.say(sum("no answer from" in line for line in said) == 1 and
                 sum("everything again in 2 s" in line for line in said) == 1,
                 "not there in the first round, it gets the dump in the second",
                 "\n".join(said))


class Killed(Scenario):
    """Not packed, so that there is a middle; zeros are skipped."""
    title = "panicd killed in the middle, three times, the last time for 10 s"
    whole, options = True, "panicd_compress=none"

    def meanwhile(self):
        for _ in range(2):
            self.receiver.wait_bytes(self.guest, 8 << 20)
            self.receiver.kill_and_restart()
        self.receiver.wait_bytes(self.guest, 4 << 20)
        self.receiver.kill()
        self.wait_line("no answer from .* for 5 s")
        time.sleep(5)
        self.receiver.restart()

    def outcome(self):
        dumps = self.receiver.dumps()
        self.say(len(dumps) == 1 and sum("sending" in line for line in self.console()) == 1,
                 "the dump goes on where it was", f"{dumps}\n" + "\n".join(self.console()))


class Second(Scenario):
    title = "the first server dies for good"
    whole = True

    def open_receiver(self):
        self.first = lab.Receiver(f"{self.work}/first", f"{self.work}/first.log").__enter__()
        self.receivers.append(self.first)
        self.receiver.__enter__()

    def servers(self):
        return f"{lab.SERVER_IP}:{self.first.port},{lab.SERVER_IP}:{self.receiver.port}"

    def meanwhile(self):
        self.first.wait_bytes(self.guest, 1 << 20)
        self.first.kill()
        start = time.monotonic()
        self.wait_line("no answer from .* for 5 s; it is asked for 50 s")
        self.wait_line("stopped answering after", 300)
        waited = time.monotonic() - start
        self.say(waited > 45, "it is waited for as long as a restart may take, 50 s", waited)
        self.wait_line(f"sending core-.* to {re.escape(lab.SERVER_IP)}:{self.receiver.port}")

    def outcome(self):
        self.first.restart()
        kept = self.first.dumps()
        self.say(len(kept) == 1 and kept[0]["state"] != "complete" and kept[0]["bytes"] >= 1 << 20,
                 "the next one gets the dump, and the first, started again, has kept what it had",
                 kept)


class Longer(Scenario):
    title, whole, least = "the server is away for longer than it is waited for", True, 4 << 20
    options = "panicd_compress=lz4"

    def meanwhile(self):
        self.receiver.wait_bytes(self.guest, self.least)
        self.receiver.kill()
        self.wait_line("stopped answering after", 300)
        self.wait_line("everything again in")
        self.receiver.restart()

    def outcome(self):
        dumps, held = self.receiver.dumps(), re.search(r"(\d+) held from before", self.sent)
        self.say(len(dumps) == 1 and held and int(held[1]) >= self.least,
                 "the next attempt goes on where the first was",
                 f"{dumps}\n" + "\n".join(self.console()))


class Full(Scenario):
    title = "two servers without room"

    def open_receiver(self):
        self.set_floor("1000000G")
        self.receiver_options = ("--config", self.config)
        self.receiver = lab.Receiver(f"{self.work}/dumps", f"{self.work}/panicd.log",
                                     self.receiver_options).__enter__()
        self.first = lab.Receiver(f"{self.work}/first", f"{self.work}/first.log",
                                  self.receiver_options).__enter__()
        self.receivers = [self.receiver, self.first]

    def set_floor(self, size):
        """How much of the disk panicd leaves free."""
        self.config = f"{self.work}/panicd.conf"
        pathlib.Path(self.config).write_text(f"[policy]\nfloor = {size}\n")

    def servers(self):
        return f"{lab.SERVER_IP}:{self.first.port},{lab.SERVER_IP}:{self.receiver.port}"

    def meanwhile(self):
        self.wait_line("everything again in 2 s")
        self.set_floor("1M")
        self.receiver.process.send_signal(signal.SIGHUP)

    def outcome(self):
        said = self.console()
        full = [line for line in said if "has no room for the dump" in line]
        self.say(len(full) >= 3 and sum(f":{self.first.port} has no room" in line
                                        for line in full) >= 2,
                 "each is left at once for the next, and asked again in the next round, where one "
                 "has room and gets the dump", "\n".join(said))


class Loss(Scenario):
    percent = 10

    def __init__(self, tap):
        super().__init__(tap)
        self.title = f"{self.percent} % lost each way"
        self.peer = ("--drop", str(self.percent / 100), "--seed", "1")

    def counts(self):
        """[{counter: number}], there and back"""
        return [{k: int(v) for k, v in re.findall(r"(\w+)=(\d+)", line)}
                for line in self.wire.counters.splitlines()[:2]]

    def outcome(self):
        counts = self.counts()
        lost = [count["dropped"] / count["seen"] * 100 for count in counts]
        again = int(re.search(r"(\d+) retransmissions", self.sent)[1])
        self.say(all(self.percent * 0.5 < percent < self.percent * 1.5 for percent in lost)
                 and again >= counts[0]["dropped"] * 0.9,
                 "what was lost on the way there was sent again, in one attempt", f"{lost} {self.sent}")


class Spoiled(Loss):
    """What is delayed is overtaken by what follows, and duplicates come late."""
    percent, whole = 1, True

    def __init__(self, tap):
        super().__init__(tap)
        self.title += ", and as much doubled, overtaken and corrupted"
        self.peer += ("--reorder", "0.01", "--duplicate", "0.01", "--corrupt", "0.01",
                      "--delay-ms", "30")

    def outcome(self):
        super().outcome()
        self.say(all(c["seen"] > 3000 and min(c["dropped"], c["duplicated"], c["delayed"],
                                              c["corrupted"]) > 15 for c in self.counts()),
                 "all of that happened, both ways", self.wire.counters)


class Link(Scenario):
    title = "the link down for 30 s in the middle"
    whole = True

    def meanwhile(self):
        self.receiver.wait_bytes(self.guest, 1 << 20)
        self.guest.qmp.execute("set_link", name="n0", up=False)
        self.wait_line("the link of eth0 is down: waiting for it, up to 60 s")
        time.sleep(30)
        self.guest.qmp.execute("set_link", name="n0", up=True)

    def outcome(self):
        dumps = self.receiver.dumps()
        self.say(len(dumps) == 1 and sum("sending" in line for line in self.console()) == 1
                 and self.seconds() > 30, "the dump goes on where it was",
                 f"{dumps}\n" + "\n".join(self.console()))


class Mtu(Scenario):
    mtu, largest = 1500, 1500

    def __init__(self, tap):
        super().__init__(tap)
        self.title = f"an MTU of {self.mtu}"
        self.devices = ("-global", f"virtio-net-pci.host_mtu={self.mtu}")
        self.peer = ("--mtu", str(self.mtu))

    def outcome(self):
        counters = self.counters()
        self.say(counters["oversized"] == 0 and counters["largest"] == self.largest,
                 f"the largest packet has {self.largest} bytes, and none is too large",
                 self.wire.counters)


class Mtu576(Mtu):
    mtu, largest = 576, 576


class Mtu9000(Mtu):
    mtu = 9000


class Plain(Mtu):
    options, largest = "panicd_plain=1", 1406 + 6 + 28

    def __init__(self, tap):
        super().__init__(tap)
        self.title = "panicd_plain=1"

    def outcome(self):
        super().outcome()
        names = [dump["name"] for dump in self.receiver.dumps()]
        self.say(len(names) == 1 and names[0].endswith(".gz"),
                 "it goes as to a server that knows Apple's protocol only, packed by gzip", names)


class Narrow(Mtu):
    """The interface does not know it, but panicdump was told when it was armed."""
    mtu, largest, options = 900, 900, "panicd_mtu=900"

    def __init__(self, tap):
        super().__init__(tap)
        self.title, self.devices = "a way that is narrower than the interface", ()


class Unknown(Narrow):
    options = ""

    def __init__(self, tap):
        super().__init__(tap)
        self.title = "a way that is narrower than anybody knows"

    def outcome(self):
        counters = self.counters()
        self.say(counters["oversized"] > 0,
                 "what is too large is lost, and smaller packets follow, in one attempt",
                 self.wire.counters)


class Vlan(Scenario):
    title = "VLAN 77"
    options, peer = "panicd_vlan=77", ("--vlan", "77")

    def outcome(self):
        counters = self.counters()
        self.say(counters["arp"] >= 1, "what is sent has the tag, and what comes with it is heard",
                 self.wire.counters)


class StaleMac(Scenario):
    title = "a carried MAC that is wrong by now"
    options, peer = f"panicd_via={WRONG_MAC}", ()

    def outcome(self):
        said = "\n".join(self.console())
        self.say("no answer by that MAC within 4 s: asking for the right one by ARP" in said
                 and f"MAC {SERVER_MAC}, the server's own, by ARP" in said
                 and self.counters()["other-mac"] >= 2, "costs 4 s, and is found by ARP", said)


class NoArp(Scenario):
    title = "nobody answers ARP, but the carried MAC is right"
    options, peer = f"panicd_via={SERVER_MAC}", ("--no-arp",)

    def outcome(self):
        said = "\n".join(self.console())
        self.say(f"MAC {SERVER_MAC}, as it was when this was armed" in said
                 and "no answer" not in said and self.counters()["other-mac"] == 0,
                 "costs nothing", said)


class Filter(Scenario):
    title, options, whole = "panicd_filter=31", "panicd_filter=31", True

    def compare(self, dump):
        said, _ = lab.facts_of(dump["path"], self.work)
        self.say(dump["state"] == said["verdict"] == "complete" and said["format"] == "lz4+kdump"
                 and said["facts"].get("panic") == "sysrq triggered crash",
                 "a kdump-compressed file arrives, and says why the kernel died", said)
        self.say(dump["name"].endswith(".lz4")
                 and any("filtered at level 31" in line for line in self.console()),
                 "and the console says that it is filtered", "\n".join(self.console()))
        memory = self.guest.save_memory().read_bytes()
        with Kdump(lab.unpacked(dump["path"], f"{self.work}/core")) as kdump:
            wrong = [hex(frame) for frame in kdump.pages
                     if kdump.page(frame) != memory[frame * PAGE:(frame + 1) * PAGE]]
            self.say(not wrong and len(kdump.pages) > PAGES_MIN,
                     "every page that is in it is the page that QEMU saw",
                     f"{wrong[:20]} of {len(kdump.pages)}")
        debuggers.check(self, "Kernel panic - not syncing: sysrq triggered crash",
                        "sysrq_handle_crash", "sysrq_handle_crash")


class NoFilter(Scenario):
    """What is sent has no lists of pages."""
    title, options = "a filter that cannot be", "panicd_filter=31"

    def outcome(self):
        said = "\n".join(self.console())
        self.say("panicd_filter=31 cannot be done: " in said and "sending everything" in said,
                 "everything is sent, and the console says why", said)


class Shell(Scenario):
    title, after, shell = "panicd_after=shell", "shell", True

    def outcome(self):
        self.guest.console.wait("^panicdump-static - the part of panicdump", 30, "/bin/sh")
        self.guest.wait_end(60)
        self.say(any("reboot: Restarting system" in line for line in self.guest.console.lines),
                 "/bin/sh runs on the console, and the machine restarts when it ends",
                 self.guest.console.tail())


class NoShell(Scenario):
    title, after = "panicd_after=shell without a shell", "shell"

    def outcome(self):
        self.wait_line("there is no /bin/sh in this initramfs: standing still", 30)
        time.sleep(2)
        self.say(self.guest.alive(), "the machine stands still, and says so")


# The longest first, so that they run beside the others.
SCENARIOS = {
    "second": Second, "longer": Longer, "link": Link, "killed": Killed, "late": Late, "loss-10": Loss,
    "loss-1": Spoiled, "full": Full, "mtu-576": Mtu576, "mtu-1500": Mtu, "mtu-9000": Mtu9000,
    "mtu-narrow": Narrow, "mtu-unknown": Unknown, "plain": Plain, "vlan": Vlan,
    "stale-mac": StaleMac, "no-arp": NoArp, "filter": Filter, "no-filter": NoFilter,
    "shell": Shell, "no-shell": NoShell,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--jobs", type=int, default=2, help="guests at a time")
    parser.add_argument("--whole", action="store_true", help="send /proc/vmcore in all of them")
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help=" ".join(SCENARIOS))
    options = parser.parse_args()
    if options.whole:
        for scenario in SCENARIOS.values():
            scenario.whole = True
    for name in options.scenarios:
        if name not in SCENARIOS:
            sys.exit(f"no scenario {name}: one of {' '.join(SCENARIOS)}")
    lab.end_cleanly_on_sigterm()
    try:
        lab.need_qemu()
        lab.guest_kernel()
    except lab.Skip as why:
        print(f"1..0 # SKIP {why}")
        return 0
    tap, names = Tap(), options.scenarios or list(SCENARIOS)
    if len(names) == 1:
        SCENARIOS[names[0]](tap).run()
    else:   # each in a process of its own, which ends its guest when it is ended
        start = time.monotonic()
        commands = [[sys.executable, __file__, *["--whole"] * options.whole, name]
                    for name in names]
        for name, text in zip(names, drivers.side_by_side(commands, options.jobs)):
            drivers.retell(tap, name, text)
        tap.note(f"{time.monotonic() - start:.0f} s in all")
    print(f"1..{tap.count}")
    return 1 if tap.failures else 0


if __name__ == "__main__":
    sys.exit(main())
