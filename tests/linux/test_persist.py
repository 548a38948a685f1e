#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""A Debian system with systemd stays armed: over a boot, with a network that comes late, after an
update of its kernel, and under another kernel, whose panic arrives. TAP on stdout.

    PND_BUILD=build tests/linux/test_persist.py
"""

import pathlib
import sys
import tempfile
import time

sys.dont_write_bytecode = True   # the source tree stays as it is
HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))
sys.path.insert(0, str(HERE))
import debian_image      # noqa: E402
import lab               # noqa: E402
from test_crash import Tap   # noqa: E402

CONF = "/etc/panicd/panicdump.conf"
HOOK = "/etc/kernel/postinst.d/zz-panicdump"
LINK = "/etc/systemd/system/multi-user.target.wants/panicdump-arm.service"
LOADED = "cat /sys/kernel/kexec_crash_loaded"
RESERVE = "crashkernel=96M"
LATE = "systemd.mask=networking.service"


class Machine:
    def __init__(self, tap, image, work, port):
        self.tap, self.image, self.work, self.port = tap, image, work, port
        self.disk = image.copy(f"{work}/disk")
        self.boots = 0

    def boot(self, flavour, append=""):
        self.boots += 1
        return debian_image.Guest(self.image, self.disk, self.image.kernel(flavour), self.work,
                                  f"{RESERVE} {append}", tag=f"boot{self.boots}")

    def said(self, guest, line, sentence, status=0, part=""):
        """The line of sh ends so, and says that."""
        code, output = guest.run(line)
        return self.tap.ok(code == status and part in output, sentence,
                           f"`{line}`: {code}, {output}")

    def wait_armed(self, guest, sentence, patience=300):
        deadline = time.monotonic() + patience
        while guest.run("systemctl is-active panicdump-arm")[1].strip() != "active":
            if time.monotonic() > deadline:
                break
            time.sleep(1)
        _, output = guest.run(f"{LOADED}; systemctl status panicdump-arm")
        return self.tap.ok(output.startswith("1\n") and "active (exited)" in output, sentence,
                           output)

    def arm(self, guest):
        arm = f"panicdump arm --server {lab.SERVER_IP}:{self.port} --persist"
        guest.run("systemctl start network-online.target")
        self.said(guest, arm, "arm --persist arms")
        self.said(guest, f"{LOADED}; ls {CONF} {HOOK} {LINK}", "and leaves file, unit and hook",
                  part="1\n")
        self.said(guest, "panicdump disarm --persist", "disarm --persist disarms")
        self.said(guest, f"{LOADED}; ls {CONF} {HOOK} {LINK} 2>/dev/null | wc -l",
                  "and takes file, unit and hook away", part="0\n0\n")
        self.said(guest, "systemd-analyze verify --man=no panicdump-arm.service && " + arm,
                  "systemd has nothing against the unit")

    def late_network(self, guest):
        deadline = time.monotonic() + 300
        state = ""
        while time.monotonic() < deadline and "auto-restart" not in state:
            state = guest.run("systemctl show -p SubState panicdump-arm")[1]
        self.tap.ok("auto-restart" in state and guest.run(LOADED)[1] == "0\n",
                    "without a way to the server, the unit tries again", state)
        guest.run(f"ip link set eth0 up; ip addr add {lab.GUEST_IP}/24 dev eth0")
        self.wait_armed(guest, "when there is one, it is armed")

    def update(self, guest):
        stamp = "stat -c %y.%i /run/panicd/armed.json"
        before = guest.run(stamp)[1]
        guest.run(f"{HOOK} 6.99.0-1-amd64 /boot/vmlinuz-6.99.0-1-amd64")
        self.tap.ok(guest.run(stamp)[1] == before,
                    "another kernel's update leaves what is armed alone")
        self.said(guest, f"{HOOK} $(uname -r) /boot/vmlinuz-$(uname -r); {LOADED}",
                  "an update of the running kernel arms anew", part="1\n")
        self.tap.ok(guest.run(stamp)[1] != before, "from the files that are there now")

    def crash(self, guest, receiver):
        release = self.image.kernel("generic")
        self.said(guest, "panicdump status", "under another kernel, status names that one",
                  part=release)
        guest.shell.send("echo c > /proc/sysrq-trigger")
        dump = receiver.wait_dump(guest)
        self.tap.ok(dump["state"] == "complete", "its panic arrives, complete", dump)
        self.tap.ok(release.replace("-", "_") in dump["name"],
                    "and is called after the kernel that was booted", dump["name"])
        guest.wait_end()
        self.tap.ok(guest.said("reboot: Restarting system"),
                    "after which the machine starts again", guest.console.tail())


def run(tap, work):
    lab.need_qemu()
    image = debian_image.image()
    with lab.Receiver(f"{work}/dumps", f"{work}/panicd.log") as receiver:
        machine = Machine(tap, image, work, receiver.port)
        with machine.boot("cloud") as guest:
            machine.arm(guest)
            guest.power_off()
        with machine.boot("cloud", LATE) as guest:
            machine.late_network(guest)
            machine.update(guest)
            guest.power_off()
        with machine.boot("generic") as guest:
            machine.wait_armed(guest, "another kernel is armed at its boot")
            machine.crash(guest, receiver)


def main():
    tap = Tap()
    with tempfile.TemporaryDirectory(prefix="panicd-persist-") as work:
        try:
            run(tap, work)
        except lab.Skip as why:
            print(f"1..0 # SKIP {why}")
            return 0
        except lab.LabError as error:
            tap.ok(False, "the lab runs to its end", error)
    print(f"1..{tap.count}")
    return 1 if tap.failures else 0


if __name__ == "__main__":
    lab.end_cleanly_on_sigterm()
    sys.exit(main())
