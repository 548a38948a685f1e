#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
#
# The cores that libpanicdump writes, opened by the debuggers they are written for: registers,
# memory, a page that could not be read, and a backtrace of three frames.
# Usage: test_core_debuggers.py MAKE_CORE IMAGE. Speaks TAP.

import glob
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile

MAKE_CORE, IMAGE = sys.argv[1:3]
DATA_AT = 0xFFFFFF8000400000
PAGE = 4096
REGISTERS = {
    "rax": 0x1111111111111111, "rbx": 0x2222222222222222, "rcx": 0x33, "rdx": 0x44, "rdi": 0x55,
    "rsi": 0x66, "r8": 0x88, "r9": 0x99, "r10": 0x100, "r11": 0x110, "r12": 0x120, "r13": 0x130,
    "r14": 0x140, "r15": 0x1515151515151515, "cs": 8, "fs": 0x10, "gs": 0x18,
}
FLAGS = 0x10246

count, failed = 0, 0


def say(ok, sentence, detail=""):
    global count, failed
    count += 1
    failed += not ok
    print("%sok %d - %s" % ("" if ok else "not ", count, sentence), flush=True)
    for line in detail.splitlines() if not ok else []:
        print("# " + line)


def skip(sentence, why):
    global count
    count += 1
    print("ok %d - %s # SKIP %s" % (count, sentence, why), flush=True)


def symbols():
    """The symbols of IMAGE, read from its symbol table: no nm is needed."""
    with open(IMAGE, "rb") as file:
        elf = file.read()
    shoff, = struct.unpack_from("<Q", elf, 40)
    shentsize, shnum = struct.unpack_from("<HH", elf, 58)
    sections = [struct.unpack_from("<IIQQQQIIQQ", elf, shoff + i * shentsize)
                for i in range(shnum)]
    found = {}
    for section in sections:
        if section[1] != 2:  # SHT_SYMTAB
            continue
        strings = sections[section[6]][4]
        for at in range(section[4], section[4] + section[5], 24):
            name, _, _, _, value, _ = struct.unpack_from("<IBBHQQ", elf, at)
            end = elf.index(b"\0", strings + name)
            found[elf[strings + name : end].decode()] = value
    return found


def word(address):
    return (address * 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF


def run(command):
    environment = dict(os.environ, LC_ALL="C", HOME=place)
    # Debian's lldb does not find its own Python modules.
    paths = glob.glob("/usr/lib/llvm-*/lib/python3*/dist-packages")
    environment["PYTHONPATH"] = ":".join(sorted(paths))
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, env=environment, timeout=100, text=True,
                          errors="replace")
    return done.stdout


def lldb(core, *commands):
    command = ["lldb", "--no-lldbinit", "-b", "-c", core]
    for each in commands:
        command += ["-o", each]
    return run(command)


def gdb(core, *commands):
    command = ["gdb", "-nx", "-batch"]
    for each in commands:
        command += ["-ex", each]
    return run(command + [IMAGE, core])


def numbers(text):
    return [int(number, 16) for number in re.findall(r"0x[0-9a-f]+", text)]


def check_registers(sentence, text, flags, expected):
    got = {name: int(value, 16)
           for name, value in re.findall(r"^\s*(\w+)\s+(?:= )?(0x[0-9a-f]+)", text, re.M)}
    wrong = ["%s is %#x, not %#x" % (name, got.get(name, -1), value)
             for name, value in {**REGISTERS, **expected, flags: FLAGS}.items()
             if got.get(name) != value]
    say(not wrong, sentence, "\n".join(wrong) + "\n" + text)


def check_lldb(core, kind):
    text = lldb(core, "register read")
    check_registers("lldb reads every register of " + kind, text, "rflags",
                    {"rip": names["inner_dies"]})

    last = DATA_AT + PAGE - 32
    text = lldb(core, "memory read -s8 -fx -c4 %#x" % DATA_AT,
                "memory read -s8 -fx -c4 %#x" % last,
                "memory read -s8 -fx -c2 %#x" % (DATA_AT + PAGE))
    expected = [word(address + 8 * i) for address in (DATA_AT, last) for i in range(4)]
    lines = re.findall(r"^0xf+80[0-9a-f]+: (.*)$", text, re.M)
    got = numbers("\n".join(lines))
    say(got == expected + [0x5858585858585858] * 2,
        "lldb reads the memory of %s, and X where it could not be read" % kind, text)

    text = lldb(core, "thread list", "bt")
    got = [int(pc, 16) for pc in re.findall(r"frame #\d+: (0x[0-9a-f]+)", text)]
    say(got == [names["inner_dies"], names["middle_back"], names["outer_back"]] and
        text.count("thread #1") >= 1 and "thread #2" not in text,
        "lldb finds one thread and its three frames in " + kind, text)


def check_gdb(core):
    text = gdb(core, "info registers")
    check_registers("gdb reads every register of ELF", text, "eflags",
                    {"rip": names["inner_dies"]})

    last = DATA_AT + PAGE - 32
    text = gdb(core, "x/4gx %#x" % DATA_AT, "x/4gx %#x" % last, "x/2gx %#x" % (DATA_AT + PAGE))
    lines = re.findall(r"^0xf+80[0-9a-f]+:\t(.*)$", text, re.M)
    expected = [word(address + 8 * i) for address in (DATA_AT, last) for i in range(4)]
    say(numbers("\n".join(lines)) == expected + [0x5858585858585858] * 2,
        "gdb reads the memory of ELF, and X where it could not be read", text)

    # its backtrace leaves out an address at which a source line begins
    text = gdb(core, "info threads", "p/x $pc", "up", "p/x $pc", "up", "p/x $pc", "bt")
    found = re.findall(r"^#\d+ +(?:0x[0-9a-f]+ in )?(\w+)", text, re.M)[-3:]
    addresses = numbers("\n".join(re.findall(r"^\$\d+ = (0x[0-9a-f]+)$", text, re.M)))
    threads = re.findall(r"^\* 1 .*\bLWP 1\b|^  \d", text, re.M)
    say(found == ["inner", "middle", "outer"] and len(threads) == 1 and
        addresses == [names["inner_dies"], names["middle_back"], names["outer_back"]],
        "gdb finds one thread and its three frames, by name, in ELF", text)


place = tempfile.mkdtemp(prefix="panicd-debuggers-")
try:
    names = symbols()
    macho, elf = os.path.join(place, "core.macho"), os.path.join(place, "core.elf")
    subprocess.run([MAKE_CORE, IMAGE] + ["%x" % names[name] for name in
                                         ("inner_dies", "middle_back", "outer_back")] +
                   [macho, elf], check=True, stdout=subprocess.DEVNULL)
    if shutil.which("lldb"):
        check_lldb(macho, "Mach-O")
        check_lldb(elf, "ELF")
    else:
        skip("lldb opens Mach-O and ELF", "lldb is not installed")
    if shutil.which("gdb"):
        check_gdb(elf)
    else:
        skip("gdb opens ELF", "gdb is not installed")
finally:
    shutil.rmtree(place)
print("1..%d" % count)
sys.exit(1 if failed else 0)
