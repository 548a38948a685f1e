#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""What is in the cores: each kind of death, each format, packing, way and NIC. Every page against
the halted machine's, every core in the debuggers. TAP on stdout.

    PND_BUILD=build tests/panicbox/test_cores.py [macho|elf]"""

import dataclasses
import pathlib
import re
import sys
import tempfile

import box
import cores

PATTERN_PAGES_MIN = 100
OVERFLOW = "(8=double fault|14=page fault)"   # of a stack


@dataclasses.dataclass
class Case:
    format: str
    death: str                 # of panic=, or "nmi"
    nic: str
    debug: int                 # a core goes to both places with 0x400, or 0x800 for the NMI
    local: str                 # how the local core is packed
    compressed: bool = True    # what is sent
    keepsyms: bool = True
    xnu: int = 0
    unreadable: int = 0        # pages of memory that cannot be read
    trap: str = ""             # of the panic log

    def sentence(self):
        return (f"{self.format}, {self.death}, {self.nic}: sent "
                f"{'compressed' if self.compressed else 'raw'}, on the disk as {self.local}"
                f"{', a page cannot be read' if self.unreadable else ''}: every page is the "
                "machine's, log and debuggers agree")

    def line(self, server):
        words = ["" if self.death == "nmi" else f"panic={self.death}", f"debug={self.debug:#x}",
                 f"kdp_ip_addr={box.OWN_IP}", server.boot_args(), f"panicd_format={self.format}",
                 "keepsyms=1" if self.keepsyms else "",
                 f"panicd_xnu={self.xnu}" if self.xnu else "",
                 "box_unreadable=1" if self.unreadable else ""]
        return " ".join(word for word in words if word)


CASES = {
    "macho": [
        Case("macho", "nullptr", "virtio-net", 0x444, "lz4", trap="14=page fault"),
        Case("macho", "stack", "e1000e", 0x444, "lz4", keepsyms=False, trap=OVERFLOW),
        Case("macho", "now", "virtio-net", 0x40444, "raw", compressed=False, unreadable=1),
        Case("macho", "assert", "e1000", 0x444, "gzip", xnu=8020),
        Case("macho", "nmi", "virtio-net", 0x1844, "lz4"),
    ],
    "elf": [
        Case("elf", "gpf", "e1000", 0x444, "lz4", trap="13=general protection"),
        Case("elf", "nullptr", "e1000e", 0x40444, "raw", compressed=False, unreadable=1,
             trap="14=page fault"),
        Case("elf", "assert", "virtio-net", 0x444, "gzip", xnu=8020),
        Case("elf", "stack", "virtio-net", 0x444, "lz4", keepsyms=False, trap=OVERFLOW),
        Case("elf", "nmi", "virtio-net", 0x1844, "lz4"),
    ],
}


def check_log(case, log, uuid):
    """The layout of PROTOCOL.md#kdp-9.1 and #kdp-9.2. Returns its registers, and its frames as
    (address, what follows it)."""
    expected = [r"^panic\(cpu 0 caller 0x[0-9a-f]+\): ",
                r"^Backtrace \(CPU 0\), panicked thread: 0x[0-9a-f]+, Frame : Return Address$",
                r"^Process name corresponding to current thread \(0x[0-9a-f]+\): \S",
                r"^Boot args: .*panic=" + case.death,
                r"^Kernel version:$", f"^Kernel UUID: {uuid}$",
                r"^System uptime in nanoseconds: [1-9]\d*$"]
    if case.trap:
        expected[0] += rf"Kernel trap at 0x[0-9a-f]+, type (= )?{case.trap}, registers:$"
        expected[1:1] = [r"^CR0: 0x[0-9a-f]{16}, CR2: 0x[0-9a-f]{16}, CR3: 0x[0-9a-f]{16}, CR4: ",
                         r"^RAX: 0x[0-9a-f]{16}, RBX: 0x[0-9a-f]{16}, RCX: ", r"^RSP: ", r"^R8 ?: ",
                         r"^R12: ", r"^RFL: 0x[0-9a-f]{16}, RIP: 0x[0-9a-f]{16}, CS: ",
                         r"^Fault CR2: .*, Error code: .*, Fault CPU: 0x0"]
    at = 0
    for pattern in expected:   # in this order
        match = re.compile(pattern, re.M).search(log, at)
        assert match, f"the log has no /{pattern}/ at its place:\n{log}"
        at = match.start()
    frames = re.findall(r"^0x([0-9a-f]{16}) : 0x([0-9a-f]{16}) ?(.*)$", log, re.M)
    assert len(frames) >= 2, "fewer than two frames:\n" + log
    registers = {name.lower(): int(value, 16) for name, value in
                 re.findall(r"\b(R[A-Z0-9]{1,2}|RFL|CR\d) ?: 0x([0-9a-f]+)", log)}
    return registers, [(int(address, 16), text) for _, address, text in frames]


def function_of(address):
    """The symbol of the kernel's ELF file that an address belongs to."""
    names = sorted((a, name) for name, a in box.symbols().items() if a <= address)
    return names[-1][1]


def check_frames(case, frames):
    """With keepsyms=1 each is symbolicated, rightly; without, none is."""
    for address, text in frames:
        if not case.keepsyms:
            assert text.strip() == "", f"a symbol without keepsyms=1: {text}"
            continue
        match = re.match(r"(mach_kernel|panicbox) : _?(\w+) \+ 0x([0-9a-f]+)$", text)
        assert match, f"no symbol with keepsyms=1: {address:#x} {text!r}"
        start = box.symbols()[match[2]]
        assert start + int(match[3], 16) == address, f"{address:#x} is not {text}"


def check_debugger(who, text, core, word, frame):
    """Registers, memory and a backtrace, in what a debugger printed."""
    for name in ("rip", "rsp"):
        match = re.search(rf"\b{name}\b\s*=?\s*0x([0-9a-f]+)", text)
        assert match and int(match[1], 16) == core.registers[name], f"{who}: {name}:\n{text}"
    address, page = word
    values = [f"{int.from_bytes(page[i:i + 8], 'little'):016x}" for i in range(0, 32, 8)]
    assert all(value in text for value in values), f"{who}: {values} at {address:#x}:\n{text}"
    assert re.search(r"^\W*(frame )?#0\b", text, re.M), f"{who}: no backtrace:\n{text}"
    assert re.search(r"^\W*(frame )?#1\b", text, re.M), f"{who}: one frame only:\n{text}"
    if frame:
        assert re.search(rf"\b{frame}\b", text), f"{who}: no {frame} in the backtrace:\n{text}"


def check_core(case, where, content, machine, log, work):
    memory, tables = machine
    path = work / f"{case.format}-{where}.core"
    core = cores.parse(content)
    assert core.kind == case.format, f"{where}: it is {core.kind}"
    if content[:2] == b"\x1f\x8b":   # PROTOCOL.md#kdp-6.4
        assert content[:9] == bytes.fromhex("1f8b08000000000004"), content[:10].hex()
        path.write_bytes(cores.gzip.decompress(content))
    else:
        path.write_bytes(content)
    pages = cores.compare(core, memory, tables, case.unreadable)
    words, repeated, zeros = cores.pattern(core)
    assert min(words, repeated, zeros) >= PATTERN_PAGES_MIN // 16 and \
        words + repeated + zeros >= PATTERN_PAGES_MIN, (words, repeated, zeros)
    registers, frames = log
    if case.trap:
        same = {name: value for name, value in registers.items()
                if name in core.registers and core.registers[name] != value}
        assert not same, f"{where}: the log has other registers: {same}, {core.registers}"
        assert core.registers["rip"] == registers["rip"] and registers["rsp"]
    died = function_of(core.registers["rip"])
    some = next((address, page) for address, page in core.pages().items()
                if page[:8] == (address * cores.GOLDEN & cores.M64).to_bytes(8, "little"))
    check_debugger("lldb", cores.lldb(path, some[0]), core, some, None)
    check_debugger("lldb with symbols", cores.lldb(path, some[0], True), core, some, died)
    if case.format == "elf":
        check_debugger("gdb", cores.gdb(path, some[0]), core, some, died)
    path.unlink()
    return pages, died


def uuid_of(core):
    return core.notes.get("main bin spec", b"")[16:32]


def run(case, server):
    """One boot, two cores."""
    with tempfile.TemporaryDirectory(prefix="panicbox-") as place:
        work = pathlib.Path(place)
        box.make_disk(work / "disk")
        with box.Box(case.line(server), nic=case.nic, disk=work / "disk", work=work) as machine:
            since = machine.nmi() if case.death == "nmi" else 0
            end = machine.end(since)
            assert end == "waits", f"{end}: {machine.console.tail(40)}"
            rows = server.new(1)
            assert len(rows) == 1 and rows[0]["state"] == "complete", rows
            stack = machine.said(r"^panicbox: dump stack: ")
            state = machine.save_memory(), cores.cr3(machine)
        sent = server.content(rows[0])
        assert (sent[:2] == b"\x1f\x8b") == case.compressed, sent[:4].hex()
        local = box.local(work / "disk")
        kernel = next(file for file in local.files if file.name == "kernel")
        assert kernel.packing == case.local, kernel.packing
        log, frames = ({}, []), []
        if case.death != "nmi":
            raw = uuid_of(cores.parse(sent))
            uuid = "-".join(re.findall("(.{8})(.{4})(.{4})(.{4})(.{12})", raw.hex().upper())[0]) \
                if raw else "[0-9A-F-]{36}"
            log = check_log(case, local.log, uuid)
            check_frames(case, log[1])
        for where, content in (("network", sent), ("disk", kernel.content)):
            pages, died = check_core(case, where, content, state, log, work)
            print(f"# {where}: {pages} pages, died in {died}")
        assert cores.parse(sent).content == cores.parse(kernel.content).content, \
            "the two cores differ"
        print(f"# {stack}")
        match = re.search(r"(\d+) of (\d+) bytes", stack or "")
        assert match and int(match[1]) < int(match[2]), f"the dump's stack: {stack}"


def main():
    wanted = sys.argv[1:] or list(CASES)
    box.need(("lldb", "lldb"), *([("gdb", "gdb")] if "elf" in wanted else []))
    with box.Server() as server:
        return box.main([(case.sentence(), lambda case=case: run(case, server))
                        for name in wanted for case in CASES[name]], server)


if __name__ == "__main__":
    sys.exit(box.skipping(main))
