#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""The names of a real backtrace. panicbox panics; its log, and the core that was written with it,
are read by our reader; the names come from a Mach-O file that a test writes of the symbols of its
kernel, and are compared with what nm says of each address. TAP on stdout.

    PND_BUILD=build tests/panicbox/test_symbols.py"""

import bisect
import functools
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import box
import lab

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "unit"))
import macho_file as macho   # noqa: E402

ARGS = "debug=0x104c44 panicd_patience_ms=1500"
PAGE = 4096


def tool():
    path = pathlib.Path(os.environ.get("PND_SYMBOLS_LOG",
                                       lab.build_directory() / "tests/unit/symbols-log"))
    assert path.is_file(), f"{path} is not there"
    return path


@functools.lru_cache
def functions():
    """[(address, {names})] of the kernel's code, sorted."""
    result = subprocess.run(["nm", box.panicbox()], check=True, capture_output=True, text=True)
    found = {}
    for line in result.stdout.splitlines():
        address, kind, name = line.rsplit(None, 2)
        if kind in "tTwW":
            found.setdefault(int(address, 16), set()).add(name)
    return sorted(found.items())


def function_of(address):
    """(names, offset), by nm alone."""
    at = bisect.bisect_right(functions(), address, key=lambda one: one[0]) - 1
    start, names = functions()[at]
    return names, address - start


def dwarf():
    """The sections of the kernel with its lines, as a dSYM names them."""
    sections = {}
    with tempfile.TemporaryDirectory(prefix="panicbox-") as place:
        for name in ("info", "abbrev", "line", "line_str", "str", "aranges", "ranges", "rnglists",
                     "loclists", "addr", "str_offsets"):
            to = pathlib.Path(place) / name
            subprocess.run(["objcopy", "--dump-section", f".debug_{name}={to}", box.panicbox(),
                            to.with_suffix(".copy")], capture_output=True, check=False)
            if to.is_file():   # else there is no such section
                sections["__debug_" + name[:8]] = to.read_bytes()
    assert "__debug_info" in sections and "__debug_line" in sections, sections.keys()
    return sections


def lines_of(addresses):
    """What addr2line says of each, of the function itself and not of what was inlined there."""
    said = subprocess.run(["addr2line", "-s", "-e", box.panicbox(), *map(hex, addresses)],
                          check=True, capture_output=True, text=True).stdout.splitlines()
    return [re.sub(r" \(discriminator \d+\)", "", line) for line in said]


def mach_kernel(uuid, **more):
    """The kernel, as Apple's linker would have written it. What boots it lies lower."""
    start = box.symbols()["box_text_start"]
    end = (functions()[-1][0] // PAGE + 2) * PAGE
    symbols = {"_" + name: address for address, names in functions() for name in names}
    return macho.image(symbols, [("__TEXT", start, end - start)], uuid, **more)


def panic(work, args):
    """What the machine left on its disk: the log, and the core in it."""
    disk = work / "disk"
    box.make_disk(disk)
    with box.Box(f"{ARGS} {args}", disk=disk, work=work) as machine:
        if "panic=" not in args:
            machine.nmi()
        machine.end()
    found = box.local(disk)
    assert found and found.files, "nothing on the disk"
    core = next(file.content for file in found.files if len(file.content) > 1 << 20)
    return found.log, core


def named(work, dump, content, path):
    """What the tool says: {index: (linked, text)} in order."""
    (work / dump).write_bytes(content)
    result = subprocess.run([tool(), work / dump, path], capture_output=True, text=True,
                            timeout=120)
    assert result.returncode == 0, result.stderr
    lines = result.stdout.partition("\n----\n")[2].splitlines()
    return [(int(line.split()[1], 16), line.split(" ", 2)[2]) for line in lines]


def check(log, frames):
    """Each by nm: where it called, or, of the first frame, where it stopped."""
    addresses = [int(address, 16)
                 for address in re.findall(r"^0x[0-9a-f]{16} : 0x([0-9a-f]{16})", log, re.M)]
    assert len(addresses) >= 2, log
    assert [linked for linked, _ in frames] == addresses, (frames, log)
    trapped = re.search(r", RIP: 0x([0-9a-f]+)", log)
    for address, (_, text) in zip(addresses, frames):
        back = 0 if trapped and int(trapped[1], 16) == address else 1
        names, offset = function_of(address - back)
        assert text in {f"_{name} + {offset + back:#x}" for name in names}, \
            f"{address:#x} is {text}, and not {names} + {offset + back:#x}"
    return addresses


def check_lldb(path, frames):
    """What Apple's own debugger finds in the same file at the same addresses."""
    if not shutil.which("lldb"):
        print("# not compared with lldb, which is not installed")
        return
    commands = [word for linked, _ in frames for word in ("-o", f"image lookup -a {linked:#x}")]
    said = subprocess.run(["lldb", "--no-lldbinit", "-b", *commands, path], capture_output=True,
                          text=True, timeout=120).stdout
    found = re.findall(r"Summary: kernel`(\S+)(?: \+ (\d+))?", said)
    assert len(found) == len(frames), said
    for (linked, text), (name, offset) in zip(frames, found):
        if function_of(linked)[1] == 0:
            continue   # returns to where the next function begins, which is not who called
        names, at = function_of(linked)
        assert name in names and int(offset or 0) == at, (hex(linked), name, offset)
        assert text in {f"_{alias} + {at:#x}" for alias in names}, (text, name, offset)


def names_are_those_of_nm(args, first):
    with tempfile.TemporaryDirectory(prefix="panicbox-") as place:
        work = pathlib.Path(place)
        log, core = panic(work, args)
        uuid = re.search(r"^Kernel UUID: (\S+)$", log, re.M)[1]
        (work / "kit").mkdir()
        (work / "kit/kernel").write_bytes(mach_kernel(uuid))
        frames = named(work, "log", log.encode(), work / "kit/kernel")
        addresses = check(log, frames)
        # What the machine itself named with keepsyms=1, in passing.
        own = re.findall(r"mach_kernel : (_\w+ \+ 0x[0-9a-f]+)", log)
        assert not own or len(own) == len(addresses), log
        assert any(first in text for _, text in frames), frames
        check_lldb(work / "kit/kernel", frames)
        # The same out of the memory: the log is found in the core.
        assert named(work, "core", core, work / "kit/kernel") == frames
        check_lines(work, uuid, log, frames)
        return own, frames


def check_lines(work, uuid, log, frames):
    """With a dSYM next to it each frame has its line, too."""
    bundle = work / "kit/kernel.dSYM/Contents/Resources/DWARF/kernel"
    bundle.parent.mkdir(parents=True)
    bundle.write_bytes(mach_kernel(uuid, filetype=macho.DSYM, dwarf=dwarf()))
    trapped = re.search(r", RIP: 0x([0-9a-f]+)", log)
    calls = [linked - (0 if trapped and int(trapped[1], 16) == linked else 1)
             for linked, _ in frames]
    wanted = lines_of(calls)
    assert all("?" not in line for line in wanted), wanted
    found = named(work, "log", log.encode(), work / "kit/kernel.dSYM")
    assert found == [(linked, f"{text} ({line})")
                     for (linked, text), line in zip(frames, wanted)], (found, wanted)
    # The same from the ELF file that panicbox is, with what was inlined before it.
    own = named(work, "log", log.encode(), box.panicbox())
    for (linked, text), (same, inlined), line in zip(frames, own, wanted):
        inner, outer = inlined.split("; ")[0], inlined.split("; ")[-1]
        assert same == linked and re.search(rf"\((\S*/)?{re.escape(line)}\)$", inner), (inner, line)
        assert outer.split(" + ")[0] == text.split(" + ")[0][1:], (outer, text)


def a_null_pointer_symbolicated_by_the_machine_and_by_us():
    own, frames = names_are_those_of_nm("keepsyms=1 panic=nullptr", "box_main")
    assert own, "keepsyms=1 gave no names"
    for theirs, (_, ours) in list(zip(own, frames))[1:]:   # it looks up what is returned to
        names, offset = function_of(int(theirs.split("0x")[1], 16) +
                                    next(a for a, n in functions() if theirs[1:].split()[0] in n))
        assert ours in {f"_{name} + {offset:#x}" for name in names}, (theirs, ours)


def an_assertion_without_names():
    own, _ = names_are_those_of_nm("panic=assert", "box_main")
    assert not own


def an_nmi():
    names_are_those_of_nm("", "box_main")


def main():
    box.need()
    return box.main([(function.__name__.replace("_", " "), function) for function in (
        a_null_pointer_symbolicated_by_the_machine_and_by_us, an_assertion_without_names, an_nmi)])


if __name__ == "__main__":
    sys.exit(box.skipping(main))
