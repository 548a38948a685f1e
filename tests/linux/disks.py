# SPDX-License-Identifier: BSD-2-Clause
"""Disks for guests: images with file systems and partition tables, made and read without mounting
anything, and the kernels that can use them."""

import dataclasses
import lzma
import os
import pathlib
import re
import shutil
import struct
import subprocess
import sys
import uuid
import zlib

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
import lab   # noqa: E402

MIB = 1 << 20
KERNEL_CORE_DUMP = uuid.UUID("5361644D-6163-11AA-AA11-00306543ECAC")
LINUX_FILES = uuid.UUID("0FC63DAF-8483-4772-8E79-3D69D8477DE4")
BUSES = ("virtio_ring", "virtio", "virtio_pci_legacy_dev", "virtio_pci_modern_dev", "virtio_pci")
WANTED = set(BUSES) | {"virtio_blk", "failover", "net_failover", "virtio_net", "ext4", "jbd2",
                       "mbcache", "crc16", "crc32c_generic", "fat", "vfat", "nls_cp437",
                       "nls_ascii", "nls_utf8", "watchdog", "i6300esb"}


def _tool(name, package):
    found = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if not found:
        raise lab.Skip(f"{name} is not installed: apt-get install {package}")
    return found


def run(name, package, *arguments):
    result = subprocess.run([_tool(name, package), *map(str, arguments)], stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            timeout=lab.PATIENCE_S)
    text = result.stdout.decode(errors="replace")
    if result.returncode != 0:
        raise lab.LabError(f"{name} {' '.join(map(str, arguments))}: {text}")
    return text


def kernel(flavour, names):
    """The guest kernel with the modules @p names, in that order; one that has no file is built
    into it."""
    def pick(path):
        module = re.fullmatch(r"(.+)\.ko(\.xz)?", os.path.basename(path))
        return os.path.basename(path) if module and module[1].replace("-", "_") in WANTED else None

    place = lab._unpacked_once(f"disks-{flavour}",
                               lambda new: lab._unpack(lab._kernel_package(flavour), pick, new))
    modules = []
    for name in names:
        for path in (*place.glob(f"{name}.ko*"), *place.glob(f"{name.replace('_', '-')}.ko*")):
            body = path.read_bytes()
            modules.append((f"{name}.ko",
                            lzma.decompress(body) if path.suffix == ".xz" else body))
            break
    return dataclasses.replace(lab.guest_kernel(flavour), modules=modules)


# ---------------------------------------------------------------- images

def blank(path, mib):
    with open(path, "wb") as out:
        out.truncate(mib * MIB)
    return path


def drive(path, sector=512):
    """QEMU's arguments for one more disk."""
    name = "d" + re.sub(r"\W", "", os.path.basename(path))
    return ("-drive", f"file={path},if=none,id={name},format=raw,cache=writeback",
            "-device", f"virtio-blk-pci,drive={name},logical_block_size={sector},"
                       f"physical_block_size={sector}")


def make_ext4(path, mib, directory, identity, offset=0):
    """An ext4 file system with the files of @p directory, at @p offset of the image."""
    extended = ("-E", f"offset={offset}") if offset else ()
    run("mke2fs", "e2fsprogs", "-q", "-F", "-t", "ext4", "-U", identity, "-d", directory, *extended,
        path, f"{mib}M")


def check_ext4(path):
    """What e2fsck has against it; "" when it is clean. The journal is played back: a machine that
    was stopped after its umount has none left."""
    result = subprocess.run([_tool("e2fsck", "e2fsprogs"), "-fn", path], stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                            timeout=lab.PATIENCE_S)
    return result.stdout.decode(errors="replace") if result.returncode else ""


def list_ext4(path, directory):
    """{name: bytes} of the regular files in a directory of an ext4 image."""
    text = run("debugfs", "e2fsprogs", "-R", f"ls -p {directory}", path)
    return {fields[5]: int(fields[6] or 0) for fields in
            (line.split("/") for line in text.splitlines() if line.startswith("/"))
            if fields[2].startswith("100")}


def copy_ext4(path, name, to):
    run("debugfs", "e2fsprogs", "-R", f"dump {name} {to}", path)


def make_fat(path, identity):
    run("mkfs.vfat", "dosfstools", "-F", "32", "-i", identity.replace("-", ""), path)


def list_fat(path, directory):
    text = run("mdir", "mtools", "-b", "-i", path, f"::{directory}")
    return [line.rsplit("/", 1)[1] for line in text.splitlines() if line.startswith("::/")]


def copy_fat(path, name, to):
    run("mcopy", "mtools", "-i", path, f"::{name}", to)


@dataclasses.dataclass
class Partition:
    kind: uuid.UUID
    first_mib: int
    mib: int
    identity: uuid.UUID = dataclasses.field(default_factory=uuid.uuid4)


def make_gpt(path, partitions, sector=512):
    """Writes both tables into the image; a table made here, because sfdisk of Debian 12 takes every
    image for a disk with sectors of 512."""
    size = os.stat(path).st_size // sector
    table = b"".join(struct.pack("<16s16sQQQ72s", p.kind.bytes_le, p.identity.bytes_le,
                                 p.first_mib * MIB // sector,
                                 (p.first_mib + p.mib) * MIB // sector - 1, 0, b"")
                     for p in partitions).ljust(128 * 128, b"\0")
    spare = len(table) // sector

    def header(own, other, table_at):
        body = struct.pack("<8sIIIIQQQQ16sQIII", b"EFI PART", 0x10000, 92, 0, 0, own, other,
                           2 + spare, size - 2 - spare, uuid.uuid4().bytes_le, table_at, 128, 128,
                           zlib.crc32(table))
        return (body[:16] + struct.pack("<I", zlib.crc32(body)) + body[20:]).ljust(sector, b"\0")

    protective = bytes(446) + struct.pack("<B3sB3sII", 0, b"\0\2\0", 0xee, b"\xff" * 3, 1,
                                          min(size - 1, 0xffffffff)) + bytes(48) + b"\x55\xaa"
    with open(path, "r+b") as out:
        for at, body in ((0, protective), (1, header(1, size - 1, 2)), (2, table),
                         (size - 1 - spare, table),
                         (size - 1, header(size - 1, 1, size - 1 - spare))):
            out.seek(at * sector)
            out.write(body)


def fifo(path):
    """A piece of an initramfs: a named pipe, which nobody ever writes to."""
    out = b""
    for number, name, mode in ((9000, path, 0o010644), (0, "TRAILER!!!", 0)):
        fields = (number, mode, 0, 0, 1, 0, 0, 0, 0, 0, 0, len(name) + 1, 0)
        entry = b"070701" + b"".join(b"%08x" % f for f in fields) + name.encode() + b"\0"
        out += entry + b"\0" * (-len(entry) % 4)
    return out
