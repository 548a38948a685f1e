# SPDX-License-Identifier: BSD-2-Clause
"""The end-to-end lab: a real Linux guest in QEMU that panics, and the real panicd that receives.

Everything runs as an ordinary user on 127.0.0.1, without KVM: `-accel tcg` is fixed, because a
/dev/kvm that cannot run a stock kernel opens fine and then hangs. Success is judged by what
arrived, never by QEMU's exit status, which is 0 for a capture kernel that died as well."""

import contextlib
import dataclasses
import fcntl
import io
import json
import lzma
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tarfile
import tempfile
import threading
import time

GUEST_IP = "10.0.2.15"   # what QEMU's user network and etherpeer give the guest
SERVER_IP = "10.0.2.2"   # reaches 127.0.0.1 of this machine
QEMU = "qemu-system-x86_64"
PATIENCE_S = 600   # with a program that does its work: machines may be slow, and busy
# Without the check, a kernel that QEMU makes wait for its first timer interrupt panics at once.
EVERY_KERNEL = "console=ttyS0 panic=-1 no_timer_check"
# In the order in which they must be loaded; a driver built into the kernel has no file.
MODULES = ("virtio_ring", "virtio", "virtio_pci_legacy_dev", "virtio_pci_modern_dev", "virtio_pci",
           "failover", "net_failover", "virtio_net")
# What the init function of a module is replaced with: x86-64 code.
NULL_POINTER = bytes.fromhex("31c0 48c7400800000000")   # xor eax, eax; movq $0, 8(rax)
ENDLESS_LOOP = bytes.fromhex("ebfe")                    # 1: jmp 1b


class Skip(Exception):
    """The lab cannot be had on this machine; the text says why and what to type."""


class LabError(Exception):
    """Something that should have happened did not."""


def build_directory():
    return pathlib.Path(os.environ.get("PND_BUILD", "build")).resolve()


def binary(name):
    """The built program `name`, wherever below the build directory it is."""
    build = build_directory()
    for path in (build / name, *build.glob(f"src/*/{name}"), build / "tests/e2e" / name,
                 build / "tests/unit" / name):
        if path.is_file():
            return path
    raise LabError(f"{name} is not in {build}: build it with `meson compile -C {build}`, "
                   "or name the build directory in PND_BUILD")


def need_qemu():
    if not shutil.which(QEMU):
        raise Skip(f"{QEMU} is not installed: apt-get install --no-install-recommends "
                   "qemu-system-x86")


# ---------------------------------------------------------------- packages

def cache_directory():
    path = pathlib.Path(os.environ.get("PND_LAB_CACHE") or build_directory() / "lab")
    path.mkdir(parents=True, exist_ok=True)
    return path


def _apt(*command, cwd=None):
    try:
        return subprocess.run(command, cwd=cwd, check=True, text=True, capture_output=True,
                              env={**os.environ, "LC_ALL": "C"}, timeout=300).stdout
    except FileNotFoundError:
        raise Skip(f"{command[0]} is not here: the guest kernel comes from a Debian archive")
    except subprocess.TimeoutExpired:
        raise Skip(f"`{' '.join(command)}` did not finish in 300 s")
    except subprocess.CalledProcessError as error:
        why = (error.stderr.strip().splitlines() or ["no message"])[-1]
        raise Skip(f"`{' '.join(command)}` failed ({why}): run apt-get update, or copy a "
                   f"filled {cache_directory()} from another machine")


def _download(package, directory):
    """Puts the package's file into that new directory."""
    os.mkdir(directory, 0o755)
    _apt("apt-get", "-o", "APT::Sandbox::User=root", "download", package, cwd=directory)


def _unpack(package, pick, directory, keep=True):
    """Downloads `package` without installing it; writes each file for which pick(path) names a
    place below `directory`. Nothing else of the package touches the disk, but its file, which
    stays for those who want other parts of it, unless keep is false."""
    with contextlib.ExitStack() as end:
        if keep:
            debs = _unpacked_once(f"deb-{package}", lambda new: _download(package, new))
        else:
            debs = pathlib.Path(end.enter_context(
                tempfile.TemporaryDirectory(dir=cache_directory()))) / "deb"
            debs.parent.chmod(0o755)
            _download(package, debs)
        deb = next(debs.glob("*.deb"))
        dpkg = end.enter_context(subprocess.Popen(["dpkg-deb", "--fsys-tarfile", deb],
                                                  stdout=subprocess.PIPE))
        tar = end.enter_context(tarfile.open(fileobj=dpkg.stdout, mode="r|"))
        for member in tar:
            place = pick(member.name.removeprefix("./")) if member.isfile() else None
            if place:
                path = pathlib.Path(directory) / place
                path.parent.mkdir(parents=True, exist_ok=True)
                with open(path, "wb") as out:
                    shutil.copyfileobj(tar.extractfile(member), out, 1 << 20)


def _pick_kernel(path):
    name = os.path.basename(path)
    if path.startswith("boot/vmlinuz-"):
        return name
    module = re.fullmatch(r"(.+)\.ko(\.xz)?", name)
    return f"modules/{name}" if module and module[1] in MODULES else None


@dataclasses.dataclass
class Kernel:
    release: str
    vmlinuz: bytes
    modules: list   # (name, bytes), in load order
    victims: list = dataclasses.field(default_factory=list)   # others, to break


def _kernel_package(flavour):
    """The package with today's kernel: the one that has no version of its own depends on it."""
    name = f"linux-image-{flavour}"
    package = re.search(r"Depends: (linux-image-\d\S+)", _apt("apt-cache", "depends", name))
    if not package:
        raise Skip(f"the archive has no {name}: run apt-get update")
    return package[1]


def _unpacked_once(place, unpack, cache=None):
    """The directory `place` of the cache, filled by unpack(directory) when it is not there yet.
    Who comes meanwhile waits, and downloads nothing."""
    cache = cache or cache_directory()
    path = cache / place
    if path.is_dir():
        return path
    with open(cache / f".{place}.lock", "wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.is_dir():
            with tempfile.TemporaryDirectory(dir=cache) as work:
                os.chmod(work, 0o755)
                unpack(f"{work}/new")
                os.rename(f"{work}/new", path)
    return path


def guest_kernel(flavour="cloud-amd64"):
    """The kernel behind linux-image-FLAVOUR, whatever its version is today. The first call
    downloads it (27 MB; "amd64", the generic one, 70 MB); later ones need no network."""
    place = _unpacked_once("kernel" if flavour == "cloud-amd64" else f"kernel-{flavour}",
                           lambda new: _unpack(_kernel_package(flavour), _pick_kernel, new))
    vmlinuz = next(place.glob("vmlinuz-*"), None)
    if not vmlinuz:
        raise Skip(f"{place} holds no vmlinuz: remove that directory and run again")
    modules = []
    for name in MODULES:
        for path in place.glob(f"modules/{name}.ko*"):
            body = path.read_bytes()
            modules.append((f"{name}.ko", lzma.decompress(body) if path.suffix == ".xz" else body))
    return Kernel(vmlinuz.name.removeprefix("vmlinuz-"), vmlinuz.read_bytes(), modules)


def kernel_symbols(release):
    """The vmlinux with symbols of that kernel: of the cloud kernel 283 MB to download, 590 MB on
    disk, once."""
    vmlinux = f"vmlinux-{release}"
    place = _unpacked_once(f"symbols-{release}", lambda new: _unpack(
        f"linux-image-{release}-dbg",
        lambda path: vmlinux if path == f"usr/lib/debug/boot/{vmlinux}" else None, new, keep=False))
    return place / vmlinux


def _unsigned_module(kernel, name):
    """A module without its signature, which would be wrong for what is made of it, and which
    Debian's kernels do not insist on; and {section: (offset, bytes)}."""
    body = bytearray(next(body for file, body in kernel.modules + kernel.victims
                          if file == f"{name}.ko"))
    magic = b"~Module signature appended~\n"
    if body.endswith(magic):
        end = len(body) - len(magic)
        body = body[:end - 12 - int.from_bytes(body[end - 4:end], "big")]
    table, size, count, names = (int.from_bytes(body[at:at + n], "little")
                                 for at, n in ((40, 8), (58, 2), (60, 2), (62, 2)))
    sections = [struct.unpack_from("<IIQQQQIIQQ", body, table + i * size) for i in range(count)]

    def title(section):
        start = sections[names][4] + section[0]
        return body[start:body.index(0, start)].decode()
    return body, {title(section): (section[4], section[5]) for section in sections}


def broken_module(kernel, code, name="failover"):
    """The module @p name of this kernel, with @p code in place of what it does when it is loaded.
    Behind the five bytes of the call that function tracing patches."""
    body, sections = _unsigned_module(kernel, name)
    start, length = sections[".init.text"]
    if length < 5 + len(code):
        raise LabError(f"the init function of {name}.ko is too short")
    body[start + 5:start + 5 + len(code)] = code
    at, length = sections[".rela.init.text"]
    for entry in range(at, at + length, 24):
        if int.from_bytes(body[entry:entry + 8], "little") > 1:
            body[entry + 8:entry + 16] = bytes(8)   # no relocation
    return bytes(body)


def _versions(body, sections):
    """{symbol: (offset, checksum)} of what a module wants from the kernel."""
    start, length = sections["__versions"]
    found = {}
    for at in range(start, start + length, 64):
        found[bytes(body[at + 8:at + 64]).split(b"\0")[0]] = at, bytes(body[at:at + 8])
    return found


def sleeping_module(kernel, name="veth", calls="rtnl_link_register"):
    """The module @p name, which instead of the one function that it calls when it is loaded calls
    msleep(), uninterruptible, with the low half of an address: more than a month. The kernel wants
    the checksum of msleep; virtio_pci has it."""
    body, sections = _unsigned_module(kernel, name)
    checksum = _versions(*_unsigned_module(kernel, "virtio_pci"))[b"msleep"][1]
    at, _ = _versions(body, sections)[calls.encode()]
    body[at:at + 64] = checksum + b"msleep".ljust(56, b"\0")
    start, length = sections[".strtab"]
    symbol = b"\0" + calls.encode() + b"\0"
    at = body.find(symbol, start, start + length)
    if at < 0:
        raise LabError(f"{name}.ko does not call {calls}")
    body[at:at + len(symbol)] = b"\0msleep\0".ljust(len(symbol), b"\0")
    return bytes(body)


def _tool(package, name):
    """A program of `package`: the installed one, or one unpacked here."""
    installed = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if installed:
        return installed

    def unpack(new):
        _unpack(package, lambda p: name if p.endswith(f"bin/{name}") else None, new)
        os.chmod(f"{new}/{name}", 0o755)
    return str(_unpacked_once(f"program-{name}", unpack) / name)


def sshd():
    """An sshd, and the folder of its libraries (None: they are installed). It is unpacked here
    unless it is installed: its package would start a server on this machine."""
    program = os.environ.get("PND_SSHD") or shutil.which(
        "sshd", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if program:
        return program, None

    def pick(path):
        name = os.path.basename(path)
        library = re.match(r"lib[a-z]+\.so\.\d+", name)
        return library[0] if library else name if re.fullmatch(r"sshd(-\w+)?", name) \
            and re.search(r"bin/|lib/openssh/", path) else None

    def unpack(new):
        for package in ("openssh-server", "libwrap0", "libnsl2", "libtirpc3"):
            _unpack(package, pick, new, keep=False)
        for path in pathlib.Path(new).glob("sshd*"):
            path.chmod(0o755)
    place = _unpacked_once("sshd", unpack)
    needs = subprocess.run(["ldd", place / "sshd"], stdout=subprocess.PIPE, text=True,
                           env={**os.environ, "LD_LIBRARY_PATH": str(place)}).stdout
    missing = re.findall(r"(\S+) => not found", needs)
    if missing:
        raise Skip(f"sshd takes {', '.join(missing)}, which is not installed")
    return str(place / "sshd"), str(place)


def vmcore_dmesg(core):
    """The log of the kernel that died, read out of the dump by a program that is not ours."""
    result = subprocess.run([_tool("kexec-tools", "vmcore-dmesg"), core], stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, timeout=PATIENCE_S)
    return result.stdout.decode(errors="replace")


def vmcore_dmesg_bytes(core):
    return subprocess.run([_tool("kexec-tools", "vmcore-dmesg"), core], stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, timeout=PATIENCE_S, check=True).stdout


def makedumpfile(core, path, *options):
    """Makes `path` of the dump `core`; flattened dumps come through a pipe, as from a crash
    kernel. LabError when it fails; Skip when it cannot be had."""
    program = _tool("makedumpfile", "makedumpfile")
    flattened = "-F" in options
    with open(path, "wb") as out:
        result = subprocess.run([program, *options, core, *([] if flattened else [path, "-f"])],
                                stdin=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                stdout=out if flattened else subprocess.DEVNULL,
                                timeout=PATIENCE_S)
    why = result.stderr.decode(errors="replace")
    if result.returncode == 127 or "error while loading shared libraries" in why:
        raise Skip(f"{program} does not run: apt-get install makedumpfile")
    if result.returncode != 0:
        raise LabError(f"makedumpfile {' '.join(options)}: {why}")


def rearranged(flattened, path):
    """Writes to `path` what makedumpfile -R makes of a flattened dump."""
    with open(flattened, "rb") as stream:
        result = subprocess.run([_tool("makedumpfile", "makedumpfile"), "-R", path, "-f"],
                                stdin=stream, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                timeout=PATIENCE_S)
    if result.returncode != 0:
        raise LabError(f"makedumpfile -R: {result.stdout.decode(errors='replace')}")
    return path


def unpacked(path, place):
    """Writes to @p place what gzip(1) or lz4(1) makes of the dump @p path; LabError unless it is
    whole."""
    program = "lz4" if str(path).endswith(".lz4") else "gzip"
    with open(place, "wb") as out:
        result = subprocess.run([program, "-dc", path], stdin=subprocess.DEVNULL, stdout=out,
                                stderr=subprocess.PIPE, timeout=PATIENCE_S)
    if result.returncode != 0:
        raise LabError(f"{program} -dc {path}: {result.stderr.decode(errors='replace')}")
    return place


def facts_of(path, work):
    """What panicd's caged child says of a file: verdict, format, facts; and the log, as bytes."""
    log = pathlib.Path(work) / "facts.log"
    result = subprocess.run([binary("facts-of"), path, log], stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, timeout=PATIENCE_S)
    if result.returncode != 0:
        raise LabError(f"facts-of {path}: {result.stderr.decode(errors='replace')}")
    return json.loads(result.stdout), log.read_bytes()


def gdb_registers(core, names):
    """[{name: value}] for each processor, as gdb reads them; None for one that it cannot tell
    from the first: it knows processors by their processes, and an idle one runs none ("process"
    instead of "LWP"). Skip without gdb."""
    if not shutil.which("gdb"):
        raise Skip("gdb is not installed")
    command = ["gdb", "-nx", "-batch", "-ex", "set pagination off", "-ex", f"core-file {core}",
               "-ex", "thread apply all -ascending info registers " + " ".join(names)]
    text = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, timeout=PATIENCE_S, text=True).stdout
    threads = re.split(r"^Thread \d+ \((LWP|process) .*$", text, flags=re.M)[1:]
    return [{name: int(value, 16) for name, value in
             re.findall(r"^(\w+)\s+(0x[0-9a-f]+)", thread, re.M)}
            if kind == "LWP" or at == 0 else None
            for at, (kind, thread) in enumerate(zip(threads[::2], threads[1::2]))]


# ---------------------------------------------------------------- initramfs

def cpio(files):
    """An initramfs (newc): {path: bytes or str}; directories follow from the paths, and every
    file is executable, which an initramfs does not mind."""
    out = io.BytesIO()

    def entry(number, name, mode, body=b""):
        fields = (number, mode, 0, 0, 1, 0, len(body), 0, 0, 0, 0, len(name) + 1, 0)
        out.write(b"070701" + b"".join(b"%08x" % f for f in fields) + name.encode() + b"\0")
        out.write(b"\0" * (-out.tell() % 4) + body)
        out.write(b"\0" * (-out.tell() % 4))

    directories = {str(p) for name in files for p in pathlib.PurePath(name).parents} - {"."}
    for number, name in enumerate(sorted(directories | {"dev", "proc", "sys"})):
        entry(number + 1, name, 0o040755)
    for number, (name, body) in enumerate(files.items()):
        entry(number + 1000, name, 0o100755, body.encode() if isinstance(body, str) else body)
    entry(0, "TRAILER!!!", 0)
    return out.getvalue()


@dataclasses.dataclass
class Crash:
    """How the guest comes to its end. `options` goes to the crash kernel, `append` to the first."""
    trigger: str = "sysrq"
    memory_mib: int = 256
    reserve: str = "80M"
    cpus: int = 1
    kaslr: bool = False   # the reservation of a small guest is not certain with KASLR
    pattern_mib: int = 4
    after: str = "wait"
    options: str = ""
    append: str = ""
    nic_up: bool = False  # load the NIC driver in the kernel that panics too
    module: bytes = b""   # the trigger "module": code that its init function is replaced with
    victim: str = "failover"      # and which module; it must not be loaded yet
    nic: str = "virtio-net-pci"   # as QEMU calls it
    machine: str = "pc"           # e1000e wants "q35"
    busy: bool = False    # with nic_up: packets go out and come in while it panics
    devices: tuple = ()   # more arguments for QEMU

    def capture_cmdline(self, port):
        """What the crash kernel is told: panicd's boot-args, as a person would write them."""
        return (f"{EVERY_KERNEL} nr_cpus=1 reset_devices irqpoll "
                f"_panicd_ip={SERVER_IP} kdp_ip_addr={GUEST_IP} kdp_match_name=eth0 "
                f"panicd_port={port} debug=0xd44 panicd_after={self.after} {self.options}").strip()

    def cmdline(self):
        return (f"{EVERY_KERNEL} " + ("" if self.kaslr else "nokaslr ")
                + f"crashkernel={self.reserve} lab_trigger={self.trigger} "
                f"lab_pattern_mib={self.pattern_mib} {'lab_busy=yes ' if self.busy else ''}"
                f"{self.append}").strip()

    def capture_initramfs(self, kernel):
        modules = {f"lib/modules/{name}": body for name, body in kernel.modules}
        listing = "".join(f"/{path}\n" for path in modules)
        return cpio({"init": binary("panicdump-static").read_bytes(),
                     "lib/panicd/modules": listing, **modules, **self.capture_files()})

    def capture_files(self):
        """More files of the crash kernel's initramfs: {path: bytes or str}."""
        return {}

    def initramfs(self, kernel, port):
        modules = {f"lib/modules/{name}": body for name, body in kernel.modules}
        listing = "".join(f"/{path}\n" for path in modules)
        files = {"init": binary("guest_init").read_bytes(), "vmlinuz": kernel.vmlinuz,
                 "capture.cpio": self.capture_initramfs(kernel),
                 "capture.cmdline": self.capture_cmdline(port) + "\n"}
        if self.module:
            files["oops.ko"] = broken_module(kernel, self.module, self.victim)
        if self.trigger == "hang":
            files["oops.ko"] = sleeping_module(kernel)
        if self.nic_up:
            files.update({"modules": listing, **modules})
        return cpio(files)


# ---------------------------------------------------------------- processes

def end_cleanly_on_sigterm():
    """So that the with blocks end what they started: no guest outlives its test."""
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))


def stop_process(process, patience=10):
    """Ends a process that was started here, and nothing else."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class Lines:
    """The lines a program prints, collected by a thread; also written to `path`."""

    def __init__(self, stream, path, on_line=None):
        self.lines = []
        self.ended = False
        self._on_line = on_line
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._read, args=(stream, path), daemon=True)
        self._thread.start()

    def _read(self, stream, path):
        with open(path, "wb") as log:
            for raw in stream:
                log.write(raw)
                log.flush()
                line = raw.decode(errors="replace").rstrip()
                with self._changed:
                    self.lines.append(line)
                    self._changed.notify_all()
                if self._on_line:
                    self._on_line(line)
        with self._changed:
            self.ended = True
            self._changed.notify_all()

    def wait(self, pattern, seconds, what):
        """The first line that matches; LabError with the last lines when none comes in time."""
        deadline, seen = time.monotonic() + seconds, 0
        with self._changed:
            while True:
                for line in self.lines[seen:]:
                    if re.search(pattern, line):
                        return line
                seen = len(self.lines)
                left = deadline - time.monotonic()
                if left <= 0 or self.ended:
                    why = "ended" if self.ended else f"was silent about it for {seconds} s"
                    raise LabError(f"{what}: no line with /{pattern}/, it {why}; "
                                   "the last lines:\n" + self.tail())
                self._changed.wait(left)

    def tail(self, count=15):
        return "\n".join("    " + line for line in self.lines[-count:])

    def join(self):
        self._thread.join(5)


class Qmp:
    """QEMU's machine protocol: one command, one answer; events are kept in `events`."""

    def __init__(self, path, patience=60):
        deadline = time.monotonic() + patience
        while True:
            self._socket = socket.socket(socket.AF_UNIX)
            self._socket.settimeout(patience)
            try:
                self._socket.connect(str(path))
                break
            except OSError:
                self._socket.close()
                if time.monotonic() > deadline:
                    raise LabError(f"QEMU does not listen on {path}")
                time.sleep(0.05)
        self.events = []
        self._file = self._socket.makefile("rb")
        self._file.readline()
        self.execute("qmp_capabilities")

    def execute(self, command, **arguments):
        self._socket.sendall(json.dumps({"execute": command, "arguments": arguments}).encode())
        while True:
            line = self._file.readline()
            if not line:
                raise LabError(f"QEMU closed its socket during {command}")
            answer = json.loads(line)
            if "error" in answer:
                raise LabError(f"QEMU refuses {command}: {answer['error']['desc']}")
            if "return" in answer:
                return answer["return"]
            self.events.append(answer)

    def close(self):
        self._file.close()
        self._socket.close()


class Guest:
    """One virtual machine, from power-on to the end of the with block."""

    def __init__(self, crash, kernel, port, work, netdev=None, on_line=None):
        work = pathlib.Path(work)
        self.crash, self.work = crash, work
        (work / "vmlinuz").write_bytes(kernel.vmlinuz)
        (work / "guest.cpio").write_bytes(crash.initramfs(kernel, port))
        command = [QEMU, "-accel", "tcg", "-M", crash.machine,
                   "-m", str(crash.memory_mib), "-smp", str(crash.cpus),
                   "-display", "none", "-serial", "stdio", "-monitor", "none", "-no-reboot",
                   "-qmp", f"unix:{work}/qmp,server=on,wait=off",
                   "-kernel", work / "vmlinuz", "-initrd", work / "guest.cpio",
                   "-append", crash.cmdline(),
                   "-netdev", netdev or "user,id=n0", "-device", f"{crash.nic},netdev=n0",
                   *crash.devices]
        typed = subprocess.PIPE if crash.trigger == "interrupt" else subprocess.DEVNULL
        self.process = subprocess.Popen(command, stdin=typed, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT)
        self.console = Lines(self.process.stdout, work / "console.log", on_line)
        self.qmp = None

    def __enter__(self):
        try:
            self.qmp = Qmp(self.work / "qmp")
        except LabError:
            self.__exit__()
            raise LabError("QEMU did not start:\n" + self.console.tail())
        return self

    def __exit__(self, *_):
        if self.qmp:
            self.qmp.close()
        stop_process(self.process)
        self.console.join()

    def alive(self):
        return self.process.poll() is None

    def panic(self, patience=300):
        """Waits until the guest has panicked; sends the NMI when the crash is by NMI."""
        self.console.wait(r"^lab: (crash kernel loaded|READY|panic by)", patience, "the guest")
        if self.crash.trigger == "nmi":
            self.console.wait(r"^lab: READY", patience, "the guest")
            self.qmp.execute("inject-nmi")
        elif self.crash.trigger == "interrupt":
            self.console.wait(r"^lab: READY", patience, "the guest")
            # on a serial console, a break and a letter are SysRq: read by the interrupt handler
            self.qmp.execute("chardev-send-break", id="serial0")
            self.process.stdin.write(b"c")
            self.process.stdin.flush()
        elif self.crash.trigger in ("module", "hang"):
            self.console.wait(r"^lab: panic by", patience, "the guest")
        else:
            self.console.wait(r"Kernel panic - not syncing", patience, "the guest")

    def wait_end(self, patience=300):
        """Waits until the machine has switched itself off."""
        try:
            self.process.wait(patience)
        except subprocess.TimeoutExpired:
            raise LabError(f"the guest still runs after {patience} s:\n{self.console.tail()}")
        self.console.join()

    def save_memory(self):
        """Stops the machine and writes its physical memory to a file; the independent witness."""
        path = self.work / "memory"
        self.qmp.execute("stop")
        self.qmp.execute("pmemsave", val=0, size=self.crash.memory_mib << 20, filename=str(path))
        return path


class EtherPeer:
    """The other end of the guest's cable: answers ARP, relays UDP, and spoils what it is told to
    (etherpeer's own options). `counters` is what it printed at its end."""

    def __init__(self, port, work, *options):
        self.counters = ""
        self._inner, self._outer = f"{work}/cable.peer", f"{work}/cable.qemu"
        self.process = subprocess.Popen(
            [binary("etherpeer"), "--cable", self._inner, "--server", SERVER_IP,
             "--port", str(port), *options], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.output = Lines(self.process.stdout, pathlib.Path(work) / "etherpeer.log")
        self.netdev = ("dgram,id=n0,local.type=unix,local.path=" + self._outer
                       + ",remote.type=unix,remote.path=" + self._inner)

    def __enter__(self):
        try:
            self.output.wait("^ready", 10, "etherpeer")
        except LabError:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        stop_process(self.process)
        self.output.join()
        self.counters = "\n".join(self.output.lines[1:])


def free_udp_port():
    """Below the ports that the kernel gives to senders, so that none takes it during a restart."""
    while True:
        port = random.randrange(10000, 32000)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


class Watch:
    """The events that `panicctl watch --json` shows: `events` is [(monotonic time, event)]."""

    def __init__(self, receiver):
        self.events = []
        self.process = subprocess.Popen(
            [binary("panicctl"), "--directory", receiver.directory, "watch", "--json"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.output = Lines(self.process.stdout, f"{receiver.directory}.watch", self._take)

    def _take(self, line):
        try:
            self.events.append((time.monotonic(), json.loads(line)))
        except ValueError:   # what it says when its server is gone
            pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        stop_process(self.process)
        self.output.join()

    def known(self):
        """When the cause of the panic was known, and how many bytes had come by the last progress
        before: (time, bytes); None when it never was."""
        have = 0
        for at, event in self.events:
            if event.get("event") == "progress":
                have = max(have, event["transfer"]["bytes"])
            elif event.get("event") == "cause":
                return at, have
        return None


class Receiver:
    """The real panicd on a free port of 127.0.0.1, and panicctl to look at what it has."""

    def __init__(self, directory, log, options=()):
        self._options = options   # of panicd
        self.directory, self.port = pathlib.Path(directory), free_udp_port()
        self._log_path, self._starts = log, 0
        self._before = set()   # dumps of earlier runs in the same directory

    def _start(self):
        self._starts += 1
        self.process = subprocess.Popen(
            [binary("panicd"), self.directory, "--address", "127.0.0.1", "--port", str(self.port),
             *self._options],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.log = Lines(self.process.stdout, f"{self._log_path}.{self._starts}")
        try:
            self.log.wait(r"(?i)\bready\b", 20, "panicd")
        except LabError:
            self.__exit__()
            raise

    def __enter__(self):
        self._start()
        self._before = {dump["id"] for dump in self.dumps()}
        return self

    def __exit__(self, *_):
        stop_process(self.process)
        self.log.join()

    def kill(self):
        """As in a crash of panicd: no goodbye."""
        self.process.kill()
        self.process.wait()
        self.log.join()

    def restart(self):
        """After a kill: the same port, the same directory."""
        self._start()

    def kill_and_restart(self):
        self.kill()
        self.restart()

    def panicctl(self, *arguments):
        """panicctl's result: .returncode and .stdout (with what it printed as an error)."""
        return subprocess.run([binary("panicctl"), "--directory", self.directory, *arguments],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              timeout=PATIENCE_S)

    def watch(self):
        """What the server tells from now on; for a with block."""
        return Watch(self)

    def dumps(self):
        """The catalog's entries of what came since the start."""
        result = self.panicctl("list", "--json")
        try:
            return [dump for dump in json.loads(result.stdout)["dumps"]
                    if dump["id"] not in self._before]
        except (ValueError, KeyError) as error:
            raise LabError(f"panicctl list --json: {error!r}: {result.stdout[:500]}")

    def wait_dump(self, guest, patience=400, on_progress=None):
        """The catalog's entry of the one dump, when it is not `receiving` any more."""
        deadline = time.monotonic() + patience
        while True:
            alive, dumps = guest.alive(), self.dumps()
            if dumps and on_progress:
                on_progress(dumps[0])
            if dumps and dumps[0]["state"] != "receiving":
                return dumps[0]
            if self.process.poll() is not None:
                raise LabError("panicd ended:\n" + self.log.tail())
            if not alive or time.monotonic() > deadline:
                why = f"did not arrive in {patience} s" if alive else "never came: QEMU ended"
                raise LabError(f"the dump {why}; the guest's last lines:\n{guest.console.tail()}\n"
                               f"panicd's last lines:\n{self.log.tail()}")
            time.sleep(0.3)

    def wait_bytes(self, guest, more=8 << 20, patience=300):
        """Waits until `more` bytes have come since the call."""
        deadline, start = time.monotonic() + patience, None
        while time.monotonic() < deadline and guest.alive():
            dumps = self.dumps()
            if dumps:
                start = dumps[0]["bytes"] if start is None else start
                if dumps[0]["bytes"] >= start + more:
                    return
            time.sleep(0.2)
        raise LabError(f"{more} more bytes did not come in {patience} s:\n{guest.console.tail()}")
