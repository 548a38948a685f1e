# SPDX-License-Identifier: BSD-2-Clause
"""Guest kernels with the drivers of network cards, and what networks are stacked from."""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
import lab   # noqa: E402

NICS = {"virtio": "virtio-net-pci", "e1000": "e1000", "e1000e": "e1000e"}   # as QEMU calls them
DRIVERS = {"virtio": "virtio_net", "e1000": "e1000", "e1000e": "e1000e"}
VICTIM = "veth"   # a module that nothing else loads, to be broken
SPARE = (VICTIM, "virtio_pci")   # what broken modules are made from
WANTED = set(lab.MODULES) | {
    VICTIM, "e1000", "e1000e",
    "8021q", "garp", "mrp", "stp", "llc", "bridge", "bonding", "tls", "team", "dummy", "macvlan",
    "ipvlan", "tun", "cfg80211", "rfkill", "mac80211", "libarc4", "mac80211_hwsim", "usb-common",
    "usbcore", "xhci-hcd", "xhci-pci", "mii", "usbnet", "cdc_ether"}


def _directory(flavour):
    def pick(path):
        name = os.path.basename(path)
        if path.startswith("boot/vmlinuz-"):
            return name
        return name if name.endswith(".ko") and name[:-3] in WANTED else None

    return lab._unpacked_once(f"drivers-{flavour}",
                              lambda new: lab._unpack(lab._kernel_package(flavour), pick, new))


def load_order(directory, names):
    """[(file, bytes)] of the modules @p names, behind what they say they need; one that is not
    there is taken to be built into the kernel."""
    order = {}

    def add(name, of=()):
        path = directory / f"{name}.ko"
        if name in of or path.name in order or not path.is_file():
            return
        body = path.read_bytes()
        needs = re.search(rb"\0depends=([^\0]*)\0", body)
        for need in (needs[1].decode().split(",") if needs and needs[1] else []):
            for spelled in (need, need.replace("_", "-")):
                add(spelled, (*of, name))
        order[path.name] = body

    for name in names:
        add(name)
    return list(order.items())


def kernel_for(flavour, names):
    """The kernel behind linux-image-FLAVOUR with these modules and what they need."""
    directory = _directory(flavour)
    vmlinuz = next(directory.glob("vmlinuz-*"), None)
    if not vmlinuz:
        raise lab.Skip(f"{directory} holds no vmlinuz: remove that directory and run again")
    spare = [directory / f"{name}.ko" for name in SPARE]
    return lab.Kernel(vmlinuz.name.removeprefix("vmlinuz-"), vmlinuz.read_bytes(),
                      load_order(directory, names),
                      [(path.name, path.read_bytes()) for path in spare])


def nic_modules(nic):
    """What a machine with this network card loads, virtio's buses not said by their users."""
    return ("virtio_pci", "virtio_net") if nic == "virtio" else (DRIVERS[nic],)


def side_by_side(commands, at_a_time):
    """Runs programs, and yields what each printed on standard output, in their order. When this one
    is ended they are, too, and each ends the guests that it started."""
    running, waiting, done = {}, list(enumerate(commands)), {}
    told = 0
    try:
        while waiting or running:
            while waiting and len(running) < at_a_time:
                number, command = waiting.pop(0)
                out = tempfile.TemporaryFile()
                running[number] = subprocess.Popen(command, stdin=subprocess.DEVNULL,
                                                   stdout=out), out
            for number in [n for n, (process, _) in running.items() if process.poll() is not None]:
                _, out = running.pop(number)
                out.seek(0)
                done[number] = out.read().decode(errors="replace")
                out.close()
            while told in done:
                yield done[told]
                told += 1
            time.sleep(0.2)
    finally:
        for process, out in running.values():
            lab.stop_process(process, 30)
            out.close()
    while told in done:
        yield done[told]
        told += 1


def retell(tap, title, text):
    """The TAP of what ran in a process of its own; without a plan it did not get far."""
    for line in text.splitlines():
        said = re.match(r"(not )?ok \d+ - (.*)", line)
        if said:
            tap.ok(not said[1], said[2])
        elif line.startswith("# "):
            tap.note(line[2:])
        elif line.startswith("1..0"):
            tap.ok(True, f"{title} {line[5:]}")
    if not re.search(r"^1\.\.\d+", text, re.M):
        tap.ok(False, f"{title} runs to its end", text[-1000:])


def with_libraries(*names):
    """{path: bytes} of programs of this machine and of what they are linked to. Skip when one is
    not installed."""
    files = {}
    for name in names:
        program = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
        if not program:
            raise lab.Skip(f"{name} is not installed")
        text = subprocess.run(["ldd", program], capture_output=True, text=True).stdout
        for path in (program, *re.findall(r"(/\S+)", text)):
            files[path.lstrip("/")] = pathlib.Path(path).read_bytes()
        files[f"bin/{name}"] = files[program.lstrip("/")]
    return files
