#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Debian's kdump-tools with the drop-in: its crash kernel's dump comes to panicd. The drop-in is
put into place by the commands of its README. TAP on stdout.

    PND_BUILD=build tests/linux/test_kdump_tools.py
"""

import pathlib
import re
import sys
import tempfile
import textwrap

sys.dont_write_bytecode = True   # the source tree stays as it is
HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))
sys.path.insert(0, str(HERE))
import debian_image      # noqa: E402
import lab               # noqa: E402
from test_crash import Tap   # noqa: E402

README = HERE.parent.parent / "linux/kdump-tools/README"
MEMORY_MIB, RESERVE = 768, "192M"


def readme_commands():
    """Step 2 of the README, as a script for sh."""
    step = re.search(r"  2\. The service:\n\n(.*?)\n\n  3\. ", README.read_text(), re.S)
    return textwrap.dedent(step[1])


def write_file(guest, path, text):
    """A file in the guest, line by line: its shell takes one line at a time."""
    guest.run(f": > {path}")
    for line in text.splitlines():
        quoted = line.replace("'", "'\\''")
        guest.run(f"echo '{quoted}' >> {path}")


def use_kdump_tools(guest, settings):
    """What somebody has done who uses kdump-tools already; then `settings`."""
    guest.run("sed -i s/^USE_KDUMP=.*/USE_KDUMP=1/ /etc/default/kdump-tools; "
              "systemctl --quiet enable kdump-tools")
    for line in settings:
        guest.run(f"echo '{line}' >> /etc/default/kdump-tools")


def put_drop_in(guest):
    write_file(guest, "/root/step2", readme_commands())
    return guest.run("sh -e /root/step2", 300)


def run(tap, work):
    lab.need_qemu()
    image = debian_image.image()
    release = image.kernel("cloud")
    disk = image.copy(f"{work}/disk")
    with lab.Receiver(f"{work}/dumps", f"{work}/panicd.log") as receiver, \
            debian_image.Guest(image, disk, release, work, f"crashkernel={RESERVE}",
                               MEMORY_MIB) as guest:
        use_kdump_tools(guest, [f'PANICD="{lab.SERVER_IP}:{receiver.port}"'])
        code, output = put_drop_in(guest)
        tap.ok(code == 0, "the commands of the README run to their end", output)
        code, output = guest.run("cat /sys/kernel/kexec_crash_loaded; "
                                 "systemctl is-active kdump-tools")
        tap.ok(output == "1\nactive\n", "kdump-tools loads its crash kernel as ever", output)
        guest.run("sync")
        guest.shell.send("echo c > /proc/sysrq-trigger")
        dump = receiver.wait_dump(guest, 400)
        tap.ok(dump["state"] == "complete", "its panic arrives at panicd, complete",
               f"{dump}\n{guest.console.tail(30)}")
        wanted = rf"core-linux-{re.escape(release.replace('-', '_'))}-10\.0\.2\.15-panic-[0-9a-f]+"
        tap.ok(re.fullmatch(wanted, dump["name"]), "its name says kernel, machine and time",
               dump["name"])
        info = receiver.panicctl("info", "latest").stdout
        tap.ok("sysrq triggered crash" in info, "panicctl info says why", info)
        guest.wait_end()
        tap.ok(guest.said("has the dump") and guest.said("reboot: Restarting system"),
               "the crash kernel's console says so, and the machine starts again",
               guest.console.tail())


def main():
    tap = Tap()
    with tempfile.TemporaryDirectory(prefix="panicd-kdump-tools-") as work:
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
