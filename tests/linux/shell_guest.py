# SPDX-License-Identifier: BSD-2-Clause
"""A guest that a test types into: a shell on the serial line of a machine that looks, to panicdump,
like an installed one. /boot has the kernel, /lib/modules what of its modules is asked for, with
depmod's tables, /usr/sbin the programs under test with their libraries."""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))

import lab

MIB = 1 << 20
# A machine "pc,max-ram-below-4g=3G" with more memory than that has the rest from 4 GiB on.
LOW_MAX, HIGH = 3 << 30, 4 << 30

# What of /lib/modules/RELEASE/kernel is taken along, by the start of the path.
NETWORK = ("drivers/virtio/", "drivers/net/virtio_net.", "drivers/net/net_failover.",
           "net/core/failover.", "drivers/net/ethernet/intel/e1000/",
           "drivers/net/ethernet/intel/e1000e/", "drivers/ptp/", "drivers/pps/",
           "drivers/net/bonding/", "net/8021q/", "net/802/", "net/llc/", "net/tls/")
DISKS = ("drivers/block/virtio_blk.", "fs/ext4/", "fs/jbd2/", "fs/mbcache.", "lib/crc16.",
         "lib/libcrc32c.", "crypto/crc32c_generic.")
WIRELESS = ("drivers/net/wireless/mac80211_hwsim.", "drivers/net/wireless/virtual/", "net/mac80211/",
            "net/wireless/", "net/rfkill/", "lib/crypto/libarc4.")

APPLETS = {"cat", "cmp", "cp", "cpio", "dd", "grep", "head", "ip", "ls", "mkdir", "modprobe", "mount",
           "mv", "od", "poweroff", "printf", "rm", "setsid", "sleep", "stty", "sync",
           "umount", "uname", "wc"}

INIT = """#!/bin/sh
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev 2>/dev/null
mount -t tmpfs run /run
for name in $lab_modules; do modprobe $name || echo "lab: no module $name"; done
for try in 1 2 3 4 5 6 7 8 9 10; do [ -e /sys/class/net/eth0 ] && break; sleep 0.2; done
ip link set lo up
ip link set eth0 up
ip addr add 10.0.2.15/24 dev eth0
ip route add default via 10.0.2.2
exec setsid sh -c 'stty -echo; PS1= exec sh -i' </dev/ttyS0 >/dev/ttyS0 2>&1
"""


def _pick(path):
    if path.startswith(("boot/vmlinuz-", "boot/config-")):
        return path
    found = re.match(r"(?:usr/)?(lib/modules/[^/]+/)(.+)", path)
    if not found:
        return None
    inside = found[2].removeprefix("kernel/")
    wanted = inside.startswith(NETWORK + WIRELESS + DISKS) or inside.startswith("modules.")
    return found[1] + found[2] if wanted else None


def module_tree(flavour):
    """(release, directory) of a kernel, laid out as it is installed: boot/ and lib/modules/."""
    def unpack(new):
        lab._unpack(lab._kernel_package(flavour), _pick, new)
        release = next(pathlib.Path(new).glob("boot/vmlinuz-*")).name.removeprefix("vmlinuz-")
        subprocess.run(["depmod", "-b", new, release], check=True, capture_output=True,
                       executable=lab._tool("kmod", "kmod"))

    place = lab._unpacked_once(f"installed-{flavour}", unpack)
    return next(place.glob("boot/vmlinuz-*")).name.removeprefix("vmlinuz-"), place


def _busybox():
    """A static one, whatever is installed here."""
    def unpack(new):
        lab._unpack("busybox-static",
                    lambda p: "busybox" if p.endswith("bin/busybox") else None, new)
        os.chmod(f"{new}/busybox", 0o755)

    return lab._unpacked_once("busybox", unpack) / "busybox"


def _libraries(program):
    """What the dynamic linker loads for it, the linker included; none for a static program."""
    text = subprocess.run(["ldd", program], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                          text=True).stdout
    return set(re.findall(r"(/\S+) \(0x", text))


def initramfs(flavour, programs=(), files=None, init=INIT):
    """The machine, as a cpio: a shell, the kernel, its modules, panicdump, and what is asked for."""
    release, tree = module_tree(flavour)
    busybox = _busybox()
    paths = {"usr/sbin/panicdump": lab.binary("panicdump"),
             "usr/sbin/panicdump-static": lab.binary("panicdump-static"),
             "bin/busybox": busybox, **dict(programs)}
    libraries = set().union(*(_libraries(path) for path in paths.values()))
    content = {"init": init, "etc/passwd": "root::0:0:root:/:/bin/sh\n"}
    for path in libraries:
        content[path.lstrip("/")] = pathlib.Path(path).read_bytes()
    for place, path in paths.items():
        content[place] = pathlib.Path(path).read_bytes()
    for path in sorted(tree.rglob("*")):
        if path.is_file():
            content[str(path.relative_to(tree))] = path.read_bytes()
    names = subprocess.run([busybox, "--list"], stdout=subprocess.PIPE, text=True, check=True)
    for name in names.stdout.split():
        if name in APPLETS:
            content[f"bin/{name}"] = f'#!/bin/busybox sh\nexec /bin/busybox {name} "$@"\n'
    content["bin/sh"] = pathlib.Path(busybox).read_bytes()
    content.update(files or {})
    return release, (tree / f"boot/vmlinuz-{release}").read_bytes(), lab.cpio(content)


class ShellGuest:
    """From power-on to the end of the with block."""

    def __init__(self, work, image, memory_mib=512, reserve="96M", nic="virtio-net-pci",
                 machine="pc", cpus=1, append="", modules="virtio_pci virtio_net", netdev=None,
                 devices=()):
        release, vmlinuz, cpio = image
        self.release, self.memory_mib = release, memory_mib
        self.work = pathlib.Path(work)
        (self.work / "vmlinuz").write_bytes(vmlinuz)
        (self.work / "guest.cpio").write_bytes(cpio)
        reservation = f"crashkernel={reserve} " if reserve else ""
        command = [lab.QEMU, "-accel", "tcg", "-M", machine, "-m", str(memory_mib),
                   "-smp", str(cpus), "-display", "none", "-serial", "stdio", "-monitor", "none",
                   "-no-reboot", "-qmp", f"unix:{self.work}/qmp,server=on,wait=off",
                   "-kernel", self.work / "vmlinuz", "-initrd", self.work / "guest.cpio",
                   "-append", f"console=ttyS0 loglevel=4 nokaslr panic=-1 {reservation}"
                              f'lab_modules="{modules}" {append}',
                   "-netdev", netdev or "user,id=n0", "-device", f"{nic},netdev=n0", *devices]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT)
        self.console = lab.Lines(self.process.stdout, self.work / "console.log")
        self.qmp, self._count = None, 0

    def __enter__(self):
        try:
            self.qmp = lab.Qmp(self.work / "qmp")
            self._type("echo lab-ready")   # may be lost, before there is a shell
            self.wait_shell()
        except BaseException:   # also of a test that is ended meanwhile: no guest outlives it
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if self.qmp:
            self.qmp.close()
        lab.stop_process(self.process)
        self.console.join()

    def wait_shell(self, patience=300):
        """Asks until something answers."""
        stop = threading.Event()

        def ask():
            while not stop.wait(1):
                self._type("echo lab-$((1+1))-ready")

        thread = threading.Thread(target=ask, daemon=True)
        thread.start()
        try:
            self.console.wait("^lab-2-ready", patience, "the guest's shell")
        finally:
            stop.set()
            thread.join()

    def alive(self):
        return self.process.poll() is None

    def _type(self, line):
        try:
            self.process.stdin.write(line.encode() + b"\n")
            self.process.stdin.flush()
        except OSError:
            raise lab.LabError("QEMU ended:\n" + self.console.tail())

    def run(self, command, patience=300):
        """(exit status, what it printed, both streams) of a command line of the shell."""
        self._count += 1
        mark = f"lab-mark-{self._count}"
        self._type(f"echo {mark}-$((0+0))-begin; {command}; echo {mark}-$?-end")
        self.console.wait(f"{mark}-\\d+-end", patience, f"`{command}`")
        lines = list(self.console.lines)
        begin = max(i for i, line in enumerate(lines) if f"{mark}-0-begin" in line)
        end = max(i for i, line in enumerate(lines) if re.search(f"{mark}-\\d+-end", line))
        last = lines[end][:lines[end].index(mark)]
        text = "\n".join(lines[begin + 1:end] + ([last] if last else []))
        return int(re.search(f"{mark}-(\\d+)-end", lines[end])[1]), text

    def type(self, line):
        """For what does not come back."""
        self._type(line)

    def save_memory(self):
        """Stops the machine and writes its physical memory to a file: a byte's place is its address.
        What of a machine with more than LOW_MAX lies above 4 GiB is there as well."""
        path, high = self.work / "memory", self.memory_mib * MIB - LOW_MAX
        self.qmp.execute("stop")
        self.qmp.execute("pmemsave", val=0, size=min(self.memory_mib * MIB, LOW_MAX),
                         filename=str(path))
        if high > 0:
            part = self.work / "memory.high"
            self.qmp.execute("pmemsave", val=HIGH, size=high, filename=str(part))
            with open(part, "rb") as source, open(path, "r+b") as memory:
                memory.seek(HIGH)
                shutil.copyfileobj(source, memory, MIB)
            part.unlink()
        return path
