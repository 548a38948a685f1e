#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""What a filtered dump keeps, held against makedumpfile's: of a real kernel's memory, and of the
same with struct pages that no kernel makes. TAP on stdout.

    PND_BUILD=build tests/linux/test_filter.py          (PND_FILTER_ALL=1: every level, in minutes;
                                                         PND_FILTER_CORE=FILE: of that core instead)

Debuggers open it with the symbols of the cloud kernel, which are fetched once.
"""

import dataclasses
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import zlib

sys.dont_write_bytecode = True   # the source tree stays as it is
sys.path[:0] = [str(pathlib.Path(__file__).resolve().parent / p) for p in (".", "../e2e")]
import debuggers      # noqa: E402
import lab            # noqa: E402
import struct_pages   # noqa: E402
from kdump_reader import Elf, Kdump, PAGE   # noqa: E402
from test_crash import Tap                  # noqa: E402

ALL = range(1, 32)
BITS = (1, 2, 4, 8, 16, 31)
MIXED = (6, 10, 21, 26, 30)   # of the spoiled core, so that it does not take long
KINDS_MIN = {2: 2000, 8: 3000, 16: 3000}   # pages that each bit must leave out, or nothing is shown


def binary(name):
    for path in (lab.build_directory() / "tests/linux" / name, lab.build_directory() / name):
        if path.is_file():
            return path
    raise lab.LabError(f"{name} is not built")


@dataclasses.dataclass
class UsedMemory(lab.Crash):
    """A guest that has all kinds of pages when it panics."""

    def initramfs(self, kernel, port):
        modules = {f"lib/modules/{name}": body for name, body in kernel.modules}
        capture = lab.cpio({"init": binary("filter_init").read_bytes(),
                            "sender/init": lab.binary("panicdump-static").read_bytes(),
                            "lib/panicd/modules": "".join(f"/{path}\n" for path in modules),
                            **modules})
        return lab.cpio({"init": binary("use_memory").read_bytes(),
                         "lab_init": lab.binary("guest_init").read_bytes(),
                         "vmlinuz": kernel.vmlinuz, "capture.cpio": capture,
                         "capture.cmdline": self.capture_cmdline(port) + "\n"})


def crash_a_guest(work):
    """The path of its core, an ELF file; and the lines that its crash kernel said of filters."""
    receiver = lab.Receiver(f"{work}/dumps", f"{work}/panicd.log")
    crash = UsedMemory(options="panicd_compress=none")
    with receiver, lab.Guest(crash, lab.guest_kernel(), receiver.port, work) as guest:
        guest.panic()
        path = receiver.wait_dump(guest)["path"]
        failed = [line for line in guest.console.lines
                  if line.startswith("lab: use") and not line.endswith("yes")]
        if failed:
            raise lab.LabError("the guest cannot use its memory:\n" + "\n".join(failed))
        said = [line for line in guest.console.lines if line.startswith("lab: filter")]
    return path, said


class Filtered:
    def __init__(self, tap, core, work):
        self.tap, self.core, self.work = tap, core, work
        self.ours, self.theirs = f"{work}/ours", f"{work}/theirs"

    def filter_core(self, level, core, path):
        result = subprocess.run([binary("filter-core"), str(level), core, path],
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                timeout=lab.PATIENCE_S)
        return result.returncode == 0, result.stdout.strip()

    def compare(self, level, core, title):
        """@return the number of pages that are left out"""
        good, said = self.filter_core(level, core, self.ours)
        if not self.tap.ok(good, f"{title}, -d {level}: it is written", said):
            return 0
        lab.makedumpfile(core, self.theirs, "-d", str(level))
        with Elf(core) as elf, Kdump(self.ours) as ours, Kdump(self.theirs) as theirs:
            mine, other = set(ours.pages), set(theirs.pages)
            self.tap.ok(mine == other,
                        f"{title}, -d {level}: the {len(other)} pages are those of makedumpfile",
                        f"only ours: {[hex(f) for f in sorted(mine - other)[:20]]}\n"
                        f"only its: {[hex(f) for f in sorted(other - mine)[:20]]}")
            wrong = [hex(f) for f in sorted(mine & other)
                     if not ours.page(f) == theirs.page(f) == elf.page(f)]
            self.tap.ok(not wrong, f"{title}, -d {level}: every page is the one of the core", wrong)
            told = [(kdump.exists, kdump.frames, kdump.level, kdump.info, kdump.notes,
                     kdump.system, kdump.node, kdump.release, kdump.kernel, kdump.machine,
                     kdump.domain, kdump.phys_base, kdump.seconds, kdump.version,
                     len({offset for offset, _, _ in kdump.pages.values()}))
                    for kdump in (ours, theirs)]
            self.tap.ok(told[0] == told[1], f"{title}, -d {level}: headers say the same",
                        told[0][1:])
            self.tap.note(f"-d {level}: {said}")
            return len(ours.exists) - len(ours.pages)

    def of_the_kernel(self):
        left_out = {level: self.compare(level, self.core, "a real kernel")
                    for level in (ALL if os.environ.get("PND_FILTER_ALL") else BITS)}
        if not os.environ.get("PND_FILTER_CORE"):
            self.tap.ok(all(left_out[level] >= least for level, least in KINDS_MIN.items()),
                        "the guest had pages of each kind", left_out)

    def of_made_up_pages(self):
        spoiled = f"{self.work}/spoiled"
        for seed, levels in ((1, ALL), (2, BITS)) if os.environ.get("PND_FILTER_ALL") \
                else ((1, MIXED),):
            shutil.copyfile(self.core, spoiled)
            with Elf(spoiled, writable=True) as elf:
                if not struct_pages.fits(elf):
                    self.tap.ok(True, "made up pages # SKIP struct page of this kernel is another")
                    return
                changed = struct_pages.spoil(elf, seed)
                self.tap.ok(changed > 10000, f"made up {seed}: {changed} struct pages", changed)
            for level in levels:
                self.compare(level, spoiled, f"made up {seed}")
        os.unlink(spoiled)

    def of_the_crash_kernel(self, said):
        """What was made there, of /proc/vmcore, is what is made here, of the core in a file."""
        found = [re.match(r"lab: filter (\d+): ok : (\d+) bytes, CRC (\w+)", line) for line in said]
        self.tap.ok([match and match[1] for match in found] == ["30", "31", "1"],
                    "in the crash kernel, dumps are filtered", said)
        for match, line in zip(found, said):
            if not match:
                continue
            self.filter_core(match[1], self.core, self.ours)
            with open(self.ours, "rb") as file:
                data = file.read()
            self.tap.ok((len(data), zlib.crc32(data)) == (int(match[2]), int(match[3], 16)),
                        f"-d {match[1]}: what is made there is what is made here, bit by bit", line)
            self.tap.note(line)

    def log_comes_first(self):
        """What is needed to say why the kernel died lies before all other pages."""
        with Elf(self.core) as elf, Kdump(self.ours) as ours:
            text = bytes(ours.map).find(b"Kernel panic - not syncing")
            begin = min(offset for offset, _, _ in ours.pages.values())
            ring, _, _ = ours.pages[elf.paddr(elf.number("SYMBOL(prb)")) // PAGE]
        size = os.path.getsize(self.ours)
        self.tap.ok(0 < text < begin + (2 << 20) and ring < begin + (2 << 20) < size / 4,
                    "the kernel's log stands in the first 2 MiB of pages",
                    f"pages begin at {begin}, ring at {ring}, text at {text}, of {size}")

    def readers(self):
        dmesg = f"{self.work}/dmesg"
        lab.makedumpfile(self.ours, dmesg, "--dump-dmesg")
        theirs, ours = lab.vmcore_dmesg_bytes(self.core), pathlib.Path(dmesg).read_bytes()
        differ = [(a, b) for a, b in zip(theirs.split(b"\n"), ours.split(b"\n")) if a != b]
        self.tap.ok(theirs == ours, "makedumpfile --dump-dmesg of it is vmcore-dmesg of the core",
                    f"{len(theirs)} and {len(ours)} bytes; at first {differ[:3]}")
        said, _ = lab.facts_of(self.ours, self.work)
        self.tap.ok(said["verdict"] == "complete" and said["format"] == "kdump"
                    and "panic" in said["facts"], "panicd finds it complete, and why it panicked",
                    said)
        again = f"{self.work}/again"
        lab.makedumpfile(self.ours, again, "-c", "-d", "31")
        with Kdump(self.ours) as ours, Kdump(again) as packed:
            self.tap.ok(set(packed.pages) == set(ours.pages)
                        and all(packed.page(f) == ours.page(f) for f in packed.pages),
                        "makedumpfile -c packs it, and loses nothing")
        self.debuggers()

    def debuggers(self):
        """Of level 31, which leaves them the least."""
        with Elf(self.core) as elf:
            release = elf.info["OSRELEASE"]
        try:
            symbols = lab.kernel_symbols(release)
        except lab.Skip as why:
            self.tap.ok(True, f"the debuggers # SKIP {why}")
            return
        for name in ("drgn", "crash"):
            if not shutil.which(name):
                self.tap.ok(True, f"{name} # SKIP it is not installed")
        script = pathlib.Path(self.work) / "tasks.py"
        script.write_text(debuggers.SCRIPT)
        if shutil.which("drgn"):
            text = subprocess.run(["drgn", "-q", "-c", self.ours, "-s", symbols, script],
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                  timeout=lab.PATIENCE_S).stdout
            self.tap.ok("sysrq_handle_crash" in text and re.search(r"tasks [1-9]\d", text),
                        "drgn walks its stack, and its tasks", text)
        if shutil.which("crash"):
            text = subprocess.run(["crash", "-s", symbols, self.ours], input="sys\nbt\nquit\n",
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                  timeout=lab.PATIENCE_S).stdout
            self.tap.ok("PARTIAL DUMP" in text and "sysrq triggered crash" in text
                        and "sysrq_handle_crash at" in text, "crash opens it", text)

    def by_makedumpfile(self):
        """The other way: its own program, when it is there."""
        flat, whole = f"{self.work}/flat", f"{self.work}/whole"
        good, said = self.filter_core("d31", self.core, flat)
        self.tap.ok(good, "a content that makedumpfile writes is passed on", said)
        with open(flat, "rb") as source:
            subprocess.run(["makedumpfile", "-R", whole], stdin=source, stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE, check=True, timeout=lab.PATIENCE_S)
        with Kdump(whole) as first, Kdump(self.ours) as second:
            self.tap.ok(set(first.pages) == set(second.pages),
                        "and put together it has the same pages")
        cut = f"{self.work}/cut"
        with open(self.core, "rb") as source, open(cut, "wb") as out:
            out.write(source.read(1 << 20))
        good, said = self.filter_core("d31", cut, flat)
        self.tap.ok(not good and "makedumpfile: exit code" in said,
                    "when it fails, so does the content, with its last line", said)


def main():
    lab.end_cleanly_on_sigterm()
    tap = Tap()
    with tempfile.TemporaryDirectory(prefix="panicd-filter-") as work:
        try:
            if not shutil.which("makedumpfile"):
                raise lab.Skip("makedumpfile is not installed: apt-get install makedumpfile")
            core, said = os.environ.get("PND_FILTER_CORE"), None
            if not core:
                lab.need_qemu()
                core, said = crash_a_guest(work)
            filtered = Filtered(tap, core, work)
            if said is not None:
                filtered.of_the_crash_kernel(said)
            filtered.of_made_up_pages()
            filtered.of_the_kernel()
            filtered.log_comes_first()
            filtered.readers()
            filtered.by_makedumpfile()
        except lab.Skip as why:
            if tap.count == 0:
                print(f"1..0 # SKIP {why}")
                return 0
            tap.note(why)
        except lab.LabError as error:
            tap.ok(False, "the lab runs to its end", error)
    print(f"1..{tap.count}")
    return 1 if tap.failures else 0


if __name__ == "__main__":
    sys.exit(main())
