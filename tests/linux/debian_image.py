# SPDX-License-Identifier: BSD-2-Clause
"""A Debian system with systemd, two kernels, and the programs as `meson install` puts them, on a
disk for QEMU; and the guest that runs it, with a shell on its second serial port.

The packages are fetched once (mmdebstrap, about a minute, 500 MB of cache), and the disk, in the
build directory, is made anew when they or the programs have changed. Root is needed, no loop device, no mount."""

import contextlib
import hashlib
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
import lab   # noqa: E402

PACKAGES = ("systemd", "systemd-sysv", "udev", "dbus", "kmod", "iproute2", "procps",
            "initramfs-tools", "linux-image-cloud-amd64", "linux-image-amd64",
            "kdump-tools", "kexec-tools", "makedumpfile", "busybox", "file", "openssh-client",
            "openssh-server",
            # What the programs are linked with.
            "libarchive13", "libjansson4", "libinih1", "libkmod2", "libzstd1", "zlib1g")
# What no guest has: it would be most of the disk.
WITHOUT = tuple(f"/lib/modules/*/kernel/{where}/*" for where in (
    "sound", "drivers/gpu", "drivers/media", "drivers/staging", "drivers/infiniband", "drivers/iio",
    "drivers/isdn", "drivers/scsi", "drivers/hwmon", "drivers/hid", "drivers/mtd", "drivers/usb",
    "drivers/input", "drivers/md", "drivers/net/wireless", "drivers/net/usb", "net/bluetooth",
    "drivers/bluetooth", "drivers/platform", "drivers/leds", "drivers/ata", "drivers/mmc",
    "fs/btrfs", "fs/xfs", "fs/ocfs2", "fs/nfsd", "fs/gfs2", "fs/f2fs", "fs/jfs", "fs/ceph",
    "drivers/comedi", "drivers/block/drbd")) + (
        "/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*")
INITRD_MODULES = "virtio_pci\nvirtio_blk\next4\ncrc32c_generic\n"
DISK_MIB = 1400

SHELL = """#!/bin/sh
# Runs each line that comes, and says how it ended.
stty -F /dev/ttyS1 raw -echo
exec </dev/ttyS1 >/dev/ttyS1 2>&1
echo
echo "lab: ready"
while read -r line; do
    sh -c "$line" </dev/null
    echo "lab: exit $?"
done
"""
FILES = {
    "usr/local/sbin/lab-shell": SHELL,
    "etc/systemd/system/lab-shell.service":
        "[Service]\nExecStart=/usr/local/sbin/lab-shell\n[Install]\nWantedBy=multi-user.target\n",
    # Called like ifupdown's, which kdump-tools waits for; it must not wait for basic.target either.
    "etc/systemd/system/networking.service":
        "[Unit]\nDefaultDependencies=no\nBefore=network-online.target network.target\n"
        "[Service]\nType=oneshot\nRemainAfterExit=yes\n"
        "ExecStart=sh -c 'until ip link set eth0 up 2>/dev/null; do sleep 0.2; done'\n"
        f"ExecStart=ip addr add {lab.GUEST_IP}/24 dev eth0\n"
        f"ExecStart=ip route add default via {lab.SERVER_IP}\n",
    "etc/fstab": "",
    "etc/machine-id": "5f3759df5f3759df5f3759df5f3759df\n",   # else it is a first boot
    "etc/hostname": "lab\n",
    "etc/network/interfaces": "",
}

# What a machine has that nobody uses, and what takes most of the time of a boot under emulation.
IDLE = ("ssh.service", "getty@tty1.service", "serial-getty@ttyS0.service", "apt-daily.timer",
        "apt-daily-upgrade.timer", "kexec.service", "kexec-load.service", "e2scrub_reap.service",
        "e2scrub_all.timer", "fstrim.timer", "dpkg-db-backup.timer", "systemd-timesyncd.service",
        "systemd-logind.service", "dbus.service", "dbus.socket", "systemd-update-utmp.service",
        "systemd-update-utmp-runlevel.service", "systemd-pstore.service", "procps.service",
        "systemd-journal-flush.service", "dev-hugepages.mount", "dev-mqueue.mount",
        "sys-kernel-debug.mount", "sys-kernel-tracing.mount", "modprobe@.service",
        "systemd-tmpfiles-clean.timer", "systemd-hwdb-update.service", "hwclock.service",
        "systemd-random-seed.service", "systemd-user-sessions.service",
        "systemd-remount-fs.service", "systemd-update-done.service", "systemd-sysusers.service",
        "ldconfig.service", "systemd-sysctl.service", "systemd-machine-id-commit.service")


def _need_root():
    if os.geteuid() != 0:
        raise lab.Skip("a Debian system is put together by root")
    for program, package in (("mmdebstrap", "mmdebstrap"), ("mke2fs", "e2fsprogs")):
        if not shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin:/sbin"):
            raise lab.Skip(f"{program} is not installed: apt-get install {package}")


def _digest(*parts):
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def _fetch(directory):
    """The packages, unpacked and configured, as a directory."""
    hook = ('mkdir -p "$1/etc/initramfs-tools/conf.d" "$1/usr/share/initramfs-tools/modules.d"; '
            'echo MODULES=list > "$1/etc/initramfs-tools/conf.d/lab"; '
            f'printf "{INITRD_MODULES}" > "$1/usr/share/initramfs-tools/modules.d/lab"')
    command = ["mmdebstrap", "--mode=root", "--variant=minbase", "--format=directory",
               '--aptopt=Acquire::Languages "none"', '--aptopt=APT::Install-Recommends "false"',
               *(f"--dpkgopt=path-exclude={path}" for path in WITHOUT), f"--essential-hook={hook}",
               f"--include={','.join(PACKAGES)}", "bookworm", directory,
               "deb http://deb.debian.org/debian bookworm main",
               "deb http://deb.debian.org/debian bookworm-updates main",
               "deb http://deb.debian.org/debian-security bookworm-security main"]
    result = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, timeout=900, text=True)
    if result.returncode != 0:
        raise lab.Skip("mmdebstrap failed: " + result.stdout[-400:])


def base():
    """The directory of the system, without our programs."""
    _need_root()
    return lab._unpacked_once(f"debian-{_digest(PACKAGES, WITHOUT, INITRD_MODULES)}", _fetch)


def _install(root):
    """Our programs, as a package would bring them."""
    build = lab.build_directory()
    result = subprocess.run(["meson", "install", "-C", build, "--no-rebuild", "--destdir", root],
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if result.returncode != 0:
        raise lab.LabError(f"meson install: {result.stdout[-800:]}")
    for path in (pathlib.Path(root) / "usr/lib").rglob("libpanicdump.a"):
        path.unlink()


def _configure(root):
    for name, text in FILES.items():
        path = pathlib.Path(root) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (pathlib.Path(root) / "usr/local/sbin/lab-shell").chmod(0o755)
    # kdump-tools packs its initramfs when the system starts, unless it would be the same.
    for path in pathlib.Path(root, "var/lib/kdump").glob("initrd.img-*"):
        release = path.name.removeprefix("initrd.img-")
        shutil.copy(pathlib.Path(root, "etc/kdump/sysctl.conf"),
                    path.with_name(f"latest_sysctls-{release}"))
    settings = pathlib.Path(root) / "etc/default/kdump-tools"
    settings.write_text(re.sub(r"(?m)^USE_KDUMP=.*$", "USE_KDUMP=0", settings.read_text()))
    units = pathlib.Path(root) / "etc/systemd/system"
    (units / "basic.target.wants/kdump-tools.service").unlink(missing_ok=True)
    wants = units / "multi-user.target.wants"
    wants.mkdir(parents=True, exist_ok=True)
    for link, target in ((wants / "lab-shell.service", "/etc/systemd/system/lab-shell.service"),
                         (units / "network-online.target.wants/networking.service",
                          "/etc/systemd/system/networking.service"),
                         *((units / name, "/dev/null") for name in (
                             *IDLE,))):
        link.parent.mkdir(parents=True, exist_ok=True)
        if link.is_symlink() or link.exists():
            link.unlink()
        link.symlink_to(target)


class Image:
    """`disk` is not written to: copy() makes one for a guest. `kernels` names the releases."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.disk = self.directory / "disk"
        self.kernels = sorted(path.name.removeprefix("vmlinuz-")
                              for path in self.directory.glob("vmlinuz-*"))

    def kernel(self, flavour):
        """The release of the "cloud" or of the "generic" kernel."""
        return next(name for name in self.kernels if ("-cloud-" in name) == (flavour == "cloud"))

    def copy(self, place):
        subprocess.run(["cp", "--sparse=always", self.disk, place], check=True)
        return place


def _programs_digest():
    names = ("panicdump", "panicdump-static")
    bodies = [lab.binary(name).read_bytes() for name in names]
    share = pathlib.Path(__file__).resolve().parent.parent.parent
    bodies += [path.read_bytes() for where in ("linux", "data")
               for path in sorted((share / where).rglob("*")) if path.is_file()]
    bodies.append(pathlib.Path(__file__).read_bytes())
    return _digest(*(hashlib.sha256(body).hexdigest() for body in bodies))


def image():
    """The disk with the system and our programs on it. It belongs to the build, and is made when
    that has no disk of the same programs yet."""
    system = base()
    build = lab.build_directory() / "disks"
    build.mkdir(exist_ok=True)
    name = f"disk-{_digest(system.name, _programs_digest())}"

    def make(new):
        os.mkdir(new)
        with tempfile.TemporaryDirectory(dir=build) as work:
            root = f"{work}/root"
            subprocess.run(["cp", "-a", system, root], check=True)
            _install(root)
            _configure(root)
            for pattern in ("vmlinuz-*", "initrd.img-*"):
                for path in pathlib.Path(root, "boot").glob(pattern):
                    shutil.copy(path, new)
            result = subprocess.run(
                ["/sbin/mke2fs", "-q", "-t", "ext4", "-d", root, "-E", "root_owner=0:0", "-O",
                 "^has_journal", f"{new}/disk", f"{DISK_MIB}M"], stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT, text=True)
            if result.returncode != 0:
                raise lab.LabError(f"mke2fs: {result.stdout}")

    for old in build.glob("disk-*"):
        if old.name != name:
            shutil.rmtree(old, ignore_errors=True)
    return Image(lab._unpacked_once(name, make, build))


class Shell:
    """The guest's second serial port: run() gives a line to sh and has what it printed."""

    def __init__(self, path, log):
        self._text, self._log = "", log
        self._changed = threading.Condition()
        self._socket = socket.socket(socket.AF_UNIX)
        deadline = time.monotonic() + 30
        while True:
            try:
                self._socket.connect(str(path))
                break
            except OSError:
                if time.monotonic() > deadline:
                    raise lab.LabError(f"QEMU does not listen on {path}")
                time.sleep(0.05)
        self._ended = False
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        with open(self._log, "wb") as log:
            while True:
                try:
                    part = self._socket.recv(65536)
                except OSError:
                    part = b""
                log.write(part)
                log.flush()
                with self._changed:
                    self._text += part.decode(errors="replace").replace("\r", "")
                    self._ended |= not part
                    self._changed.notify_all()
                if not part:
                    return

    def _take(self, pattern, patience):
        """What comes before the pattern, and its match; both are taken away."""
        deadline = time.monotonic() + patience
        with self._changed:
            while True:
                match = re.search(pattern, self._text, re.M)
                if match:
                    before, self._text = self._text[:match.start()], self._text[match.end():]
                    return before, match
                left = deadline - time.monotonic()
                if left <= 0 or self._ended:
                    raise lab.LabError(f"the guest's shell: no /{pattern}/ in {patience} s; it "
                                       f"said {self._text[-600:]!r}")
                self._changed.wait(left)

    def wait_ready(self, patience=600):
        self._take(r"^lab: ready\n", patience)

    def send(self, line):
        """Without waiting: for what does not come back."""
        self._socket.sendall(line.encode() + b"\n")

    def run(self, line, patience=300):
        """(exit status, output) of a line of sh."""
        self.send(line)
        output, match = self._take(r"^lab: exit (\d+)\n", patience)
        return int(match[1]), output

    def close(self):
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


class Guest:
    """One run of the machine, from power-on to the end of the with block. Has what lab.Receiver
    asks of a guest: alive(), console."""

    def __init__(self, image_, disk, release, work, append="", memory_mib=512, cpus=1, tag="guest",
                 devices=()):
        self.work, self.tag = pathlib.Path(work), tag
        self._command = [
            lab.QEMU, "-accel", "tcg", "-m", str(memory_mib), "-smp", str(cpus), "-display", "none",
            "-serial", "stdio", "-serial", f"unix:{work}/{tag}.shell,server=on,wait=off",
            "-monitor", "none", "-no-reboot", "-qmp", f"unix:{work}/{tag}.qmp,server=on,wait=off",
            "-kernel", image_.directory / f"vmlinuz-{release}",
            "-initrd", image_.directory / f"initrd.img-{release}",
            "-append", f"root=/dev/vda rw console=ttyS0 nokaslr panic=-1 net.ifnames=0 "
            f"systemd.show_status=0 {append}",
            "-drive", f"file={disk},if=virtio,format=raw,cache=unsafe",
            "-netdev", "user,id=n0", "-device", "virtio-net-pci,netdev=n0", *devices]
        self.process = self.shell = None

    def __enter__(self):
        self.process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.console = lab.Lines(self.process.stdout, self.work / f"{self.tag}.log")
        try:
            self.shell = Shell(self.work / f"{self.tag}.shell", self.work / f"{self.tag}.out")
            self.shell.wait_ready()
        except lab.LabError as error:
            self.__exit__()
            raise lab.LabError(f"{error}\nthe guest's last lines:\n{self.console.tail()}")
        return self

    def __exit__(self, *_):
        if self.shell:
            self.shell.close()
        lab.stop_process(self.process)
        self.console.join()

    def alive(self):
        return self.process.poll() is None

    def run(self, line, patience=300):
        return self.shell.run(line, patience)

    def wait_end(self, patience=300):
        """Until the machine has switched itself off, or wants to start again."""
        try:
            self.process.wait(patience)
        except subprocess.TimeoutExpired:
            raise lab.LabError(f"the guest still runs after {patience} s:\n{self.console.tail()}")
        self.console.join()

    def said(self, text):
        """Whether that stood on its console."""
        return any(text in line for line in self.console.lines)

    def power_off(self):
        self.shell.send("systemctl poweroff")
        self.wait_end()
