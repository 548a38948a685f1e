#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
#
# panicctl debug: which debugger is started for which dump, with which words, on which bytes; what
# is said when there is none; and two real ones. The debuggers of most tests are scripts that
# write down what they were given.
# Usage: test_panicctl_debug.py PANICCTL (or $PND_PANICCTL). Speaks TAP.

import gzip
import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from panicctl_place import PANICCTL, Server, elf_core, macho_core, main, on_terminal, test, transfer

BUILD_ID = "1f3a" + "5c" * 18
UUID = "D0A3F3F8-6D5C-3A94-8CC4-4DD7C33B7C28"
LINUX = {"os": "Linux", "kernel": "6.1.0-56-test-amd64", "build_id": BUILD_ID}
DARWIN = {"os": "Darwin", "build_id": UUID}


class Fakes:
    """Debuggers that write down their words, and keep what they were to open."""

    def __init__(self, place, *names, ends=""):
        self.place, self.log = place, os.path.join(place.root, "log")
        self.dir = os.path.join(place.root, "fakes")
        os.makedirs(self.dir, exist_ok=True)
        self.opened = os.path.join(place.root, "opened")
        for name in names:
            path = os.path.join(self.dir, name)
            with open(path, "w") as file:
                file.write(f"""#!/bin/sh
printf '%s\\n' {name} "$@" >'{self.log}'
for word; do case $word in */core*) /bin/cp "$word" '{self.opened}' ;; esac; done
{ends}
""")
            os.chmod(path, 0o755)
        self.tmp = os.path.join(place.root, "tmp")
        os.makedirs(self.tmp, exist_ok=True)
        self.env = {"PATH": self.dir, "TMPDIR": self.tmp, "HOME": place.root, "PANICD_SYMBOLS": ""}

    def debug(self, *args, code=0, **env):
        return self.place.run("debug", *args, code=code, env={**self.env, **env})

    def words(self):
        with open(self.log) as file:
            return file.read().splitlines()

    def bytes(self):
        with open(self.opened, "rb") as file:
            return file.read()


def one_dump(place, data, facts, name="core-a", format_=None):
    place.put(name, data)
    place.settle()
    if format_:
        place.sql("UPDATE dump SET format=? WHERE id=1", format_)
    place.facts(1, facts)


def vmlinux(build_id=BUILD_ID):
    """An ELF file with a build-id, and no more."""
    note = struct.pack("<3I4s", 4, len(build_id) // 2, 3, b"GNU\0") + bytes.fromhex(build_id)
    head = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
    head += struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, 0, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    head += struct.pack("<IIQQQQQQ", 4, 4, 128, 0, 0, len(note), len(note), 4)
    return head.ljust(128, b"\0") + note


def mach_kernel(uuid=UUID):
    head = struct.pack("<8I", 0xFEEDFACF, 0x01000007, 3, 2, 1, 24, 0, 0)
    return head + struct.pack("<2I", 0x1B, 24) + bytes.fromhex(uuid.replace("-", ""))


def put(place, name, data):
    path = os.path.join(place.root, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(data)
    return path


# ---- which, with which words ----


@test
def starts_lldb_on_a_mach_o_core_as_it_lies_there(place):
    one_dump(place, macho_core([(0x1000, b"x" * 4096)]), DARWIN)
    fakes = Fakes(place, "lldb", "gdb")
    fakes.debug("1")
    assert fakes.words() == ["lldb", "--core", place.path("core-a")], fakes.words()
    assert os.listdir(fakes.tmp) == []


@test
def unpacks_for_the_debugger_and_removes_it_after(place):
    core = macho_core([(0x1000, b"x" * 4096)])
    one_dump(place, gzip.compress(core), DARWIN)
    fakes = Fakes(place, "lldb")
    fakes.debug("latest", "--", "--batch", "-o", "bt all")
    words = fakes.words()
    assert words[:2] == ["lldb", "--core"] and words[3:] == ["--batch", "-o", "bt all"], words
    assert words[2].startswith(fakes.tmp) and words[2].endswith("/core")
    assert fakes.bytes() == core and os.listdir(fakes.tmp) == []
    out = fakes.debug("1", "--keep")
    kept = out.removeprefix("Kept: ").strip()
    assert os.stat(kept).st_mode & 0o777 == 0o600 and kept.startswith(fakes.tmp), out
    with open(kept, "rb") as file:
        assert file.read() == core


@test
def makes_an_elf_core_for_gdb_when_there_is_no_lldb(place):
    core = macho_core([(0x1000, b"x" * 4096)], [[7] * 21])
    one_dump(place, core, DARWIN)
    fakes = Fakes(place, "gdb")
    fakes.debug("1")
    assert fakes.words()[:2] == ["gdb", "-c"] and fakes.bytes()[:8] == b"\x7fELF\2\1\1\3"
    assert fakes.bytes().endswith(core) and os.listdir(fakes.tmp) == []


@test
def prefers_crash_then_drgn_then_gdb_then_lldb_for_linux(place):
    one_dump(place, elf_core(9000), LINUX)
    symbols = put(place, "debug/vmlinux-6.1.0-56-test-amd64", vmlinux())
    core = place.path("core-a")
    fakes = Fakes(place, "crash", "drgn", "gdb", "lldb")
    for name, words in (("crash", [symbols, core]), ("drgn", ["-c", core, "-s", symbols]),
                        ("gdb", [symbols, core])):
        fakes.debug("1", PANICD_SYMBOLS=os.path.dirname(symbols))
        assert fakes.words() == [name, *words], fakes.words()
        os.unlink(os.path.join(fakes.dir, name))
    fakes.debug("1", PANICD_SYMBOLS=os.path.dirname(symbols))
    words = fakes.words()
    assert words[:2] == ["lldb", "--core"] and words[3:] == [symbols], words
    assert fakes.bytes()[7] == 3 and fakes.bytes()[8:] == elf_core(9000)[8:]  # lldb wants to see it


@test
def leaves_an_elf_core_alone_that_says_whose_it_is(place):
    core = elf_core(9000)
    one_dump(place, core[:7] + b"\3" + core[8:], {"os": "panicbox"})
    fakes = Fakes(place, "lldb")
    fakes.debug("1")
    assert fakes.words() == ["lldb", "--core", place.path("core-a")]


@test
def takes_makedumpfiles_output_to_crash_and_drgn_only(place):
    one_dump(place, b"x" * 8000, LINUX, format_="kdump")
    symbols = put(place, "vmlinux", vmlinux())
    fakes = Fakes(place, "gdb", "lldb", "drgn")
    fakes.debug("1", "--symbols", symbols)
    assert fakes.words() == ["drgn", "-c", place.path("core-a"), "-s", symbols]
    place.sql("UPDATE dump SET format='flattened'")
    body = b"KDUMP   " + bytes(100)
    place.put("core-a", b"makedumpfile".ljust(16, b"\0") + struct.pack(">2q", 1, 1) + bytes(4064) +
              struct.pack(">2q", 0, len(body)) + body + struct.pack(">2q", -1, -1))
    fakes.debug("1", "--symbols", symbols)
    assert fakes.words()[0] == "drgn" and fakes.bytes() == body


@test
def takes_a_freebsd_dump_to_kgdb(place):
    one_dump(place, b"minidump FreeBSD" + bytes(8000), {"os": "FreeBSD"}, format_="freebsd-minidump")
    symbols = put(place, "kernels/kernel", b"\x7fELF" + bytes(60))
    fakes = Fakes(place, "kgdb", "gdb")
    fakes.debug("1", "--symbols", os.path.dirname(symbols))
    assert fakes.words() == ["kgdb", symbols, place.path("core-a")]


@test
def gives_lldb_no_command_from_a_dump_or_a_file_name(place):
    one_dump(place, macho_core([(0x1000, b"x" * 4096)]),
             {"os": "panicbox", "slide": "0x1\nplatform shell id", "build_id": UUID})
    kernel = vmlinux(UUID.replace("-", "").lower())
    symbols = put(place, "build/panicbox", kernel)
    fakes = Fakes(place, "lldb")
    fakes.debug("1", "--symbols", symbols)
    assert fakes.words()[6] == "target modules load --file 'panicbox' --slide 0x0", fakes.words()
    symbols = put(place, "build/x'\nplatform shell id\n", kernel)
    fakes.debug("1", "--symbols", symbols)
    assert "-o" not in fakes.words(), fakes.words()


@test
def a_file_named_like_a_process_is_a_file(place):
    with open(os.path.join(place.root, "4711"), "wb") as file:
        file.write(elf_core(20000))
    fakes = Fakes(place, "gdb")
    fakes.debug("4711")
    assert fakes.words()[-1] == "./4711", fakes.words()


@test
def places_an_elf_kernel_in_a_mach_o_core_for_lldb(place):
    one_dump(place, macho_core([(0x1000, b"x" * 4096)]), {"os": "panicbox", "slide": "0x200000", "build_id": UUID})
    symbols = put(place, "build/panicbox", vmlinux(UUID.replace("-", "").lower()))
    fakes = Fakes(place, "lldb")
    fakes.debug("1", PANICD_SYMBOLS=f"nowhere:{os.path.dirname(symbols)}")
    assert fakes.words()[3:] == [
        "-o", f"target modules add '{symbols}'",
        "-o", "target modules load --file 'panicbox' --slide 0x200000"], fakes.words()


@test
def starts_the_debugger_that_is_named_also_without_symbols(place):
    one_dump(place, elf_core(9000), LINUX)
    fakes = Fakes(place, "crash", "gdb")
    fakes.debug("1", "--debugger", "gdb")
    assert fakes.words() == ["gdb", "-c", place.path("core-a")]
    fakes.debug("1", "--debugger", "windbg", code=1)
    assert place.err == "panicctl: windbg does not open 1, which is elf\n", place.err


@test
def opens_a_file_too(place):
    core = macho_core([(0x1000, b"x" * 4096)])
    path = put(place, "there/core x.gz", gzip.compress(core))
    fakes = Fakes(place, "lldb")
    fakes.debug(path)
    assert fakes.words()[0] == "lldb" and fakes.bytes() == core


# ---- the symbols ----


@test
def finds_symbols_by_their_id_wherever_they_lie(place):
    one_dump(place, elf_core(9000), LINUX)
    fakes = Fakes(place, "crash")
    put(place, "debug/vmlinux-6.1.0-56-test-amd64", vmlinux("ab" * 20))  # right name, wrong build
    deep = put(place, "debug/a/b/vmlinux", vmlinux())
    fakes.debug("1", PANICD_SYMBOLS=os.path.join(place.root, "debug"))
    assert fakes.words()[1] == deep
    by_id = put(place, f"debug/.build-id/{BUILD_ID[:2]}/{BUILD_ID[2:]}.debug", vmlinux())
    fakes.debug("1", PANICD_SYMBOLS=os.path.join(place.root, "debug"))
    assert fakes.words()[1] == by_id
    own = put(place, "PanicDumps/.panicd/symbols/vmlinux.x", vmlinux())
    fakes.debug("1")
    assert fakes.words()[1] == own


@test
def finds_a_kernel_in_apples_kits_by_its_uuid(place):
    one_dump(place, macho_core([(0x1000, b"x" * 4096)]), DARWIN)
    kits = "Library/Developer/KDKs/KDK_{}.kdk/System/Library/Kernels/kernel{}"
    put(place, kits.format("12.0_21A558", ""), mach_kernel("00" * 16))
    wanted = put(place, kits.format("12.0_21A559", ".development"), mach_kernel())
    fakes = Fakes(place, "lldb")
    fakes.debug("1")
    assert fakes.words() == ["lldb", "--core", place.path("core-a"), wanted]


@test
def warns_of_symbols_of_another_build_and_takes_them_when_named(place):
    one_dump(place, elf_core(9000), LINUX)
    other = put(place, "vmlinux", vmlinux("ab" * 20))
    fakes = Fakes(place, "crash")
    fakes.debug("1", "--symbols", other)
    assert fakes.words()[1] == other
    assert place.err == f"panicctl: warning: {other} is of another build, {'ab' * 20}\n", place.err
    fakes.debug("1", "--symbols", "nowhere", code=2)
    assert "nowhere" in place.err


@test
def does_not_leave_its_directories_for_a_name_that_the_dump_gives(place):
    put(place, "secret", vmlinux())
    one_dump(place, elf_core(9000), {"os": "Linux", "kernel": "../../secret",
                                     "build_id": "../../secret"})
    fakes = Fakes(place, "crash")
    os.makedirs(os.path.join(place.root, "a", "b", "vmlinux-.."))
    fakes.debug("1", code=1, PANICD_SYMBOLS=os.path.join(place.root, "a", "b"))
    assert not os.path.exists(fakes.log)


# ---- when there is none ----


@test
def says_what_to_install_and_what_it_would_type(place):
    one_dump(place, gzip.compress(elf_core(9000)), LINUX)
    fakes = Fakes(place)
    assert fakes.debug("1", code=1) == f"""\
crash is not installed.
The symbols of its kernel were not found: the vmlinux of 6.1.0-56-test-amd64 (build {BUILD_ID}).
Name it with --symbols, or put it into a directory of $PANICD_SYMBOLS.
As root, type:
  apt-get install crash linux-image-6.1.0-56-test-amd64-dbg
Then "panicctl debug" types for you:
  panicctl export 1 --decompress -o core
  crash /usr/lib/debug/boot/vmlinux-6.1.0-56-test-amd64 core
"""
    answer = json.loads(fakes.debug("1", "--json", code=1))
    assert answer == {"debugger": "crash", "installed": False, "symbols": None, "commands": [
        "panicctl export 1 --decompress -o core",
        "crash /usr/lib/debug/boot/vmlinux-6.1.0-56-test-amd64 core"], "packages": [
            "crash", "linux-image-6.1.0-56-test-amd64-dbg"]}, answer
    place.facts(1, {"os": "Linux", "kernel": "6.1; rm -rf /"})
    assert "apt-get install crash\n" in fakes.debug("1", code=1)


@test
def says_of_what_is_no_core_what_to_do_instead(place):
    fakes = Fakes(place, "lldb", "gdb")
    one_dump(place, b"x" * 100, {})
    for format_, words in (("data", "no core that is known"), ("corefile", "panicctl extract"),
                           ("panic-log", "panicctl log"), ("freebsd-textdump", "panicctl log"),
                           ("freebsd-device", "savecore")):
        place.sql("UPDATE dump SET format=?", format_)
        fakes.debug("1", code=1)
        assert words in place.err, place.err
    with Server(place, [transfer(2, "core-b", 77)]):
        fakes.debug("2", code=2)
        assert "still arriving" in place.err


@test
def prints_what_would_be_typed_with_the_quotes_it_needs(place):
    one_dump(place, macho_core([(0x1000, b"x" * 4096)]), DARWIN, name="it's a core")
    fakes = Fakes(place, "lldb", "gdb")
    env = {"PYTHONPATH": ""}
    assert fakes.debug("1", "--print", **env) == \
        f"""lldb --core '{place.dir}/it'\\''s a core'\n"""
    assert fakes.debug("1", "--print", "--debugger", "gdb", "--", "-ex", "bt", **env) == \
        "panicctl export 1 --elf -o core\ngdb -c core -ex bt\n"
    assert not os.path.exists(fakes.log)
    evil = put(place, "evil\x1b[2J", gzip.compress(macho_core([(0, b"x")])))
    assert b"\x1b[2J" not in on_terminal(place, "debug", evil, "--print", **{**fakes.env, **env})


# ---- how it ends ----


@test
def says_how_the_debugger_ended_and_cleans_up_all_the_same(place):
    one_dump(place, gzip.compress(macho_core([(0x1000, b"x" * 4096)])), DARWIN)
    for ends, words in (("exit 3", "ended with status 3"), ("kill -9 $$", "ended by signal 9")):
        fakes = Fakes(place, "lldb", ends=ends)
        fakes.debug("1", code=2)
        assert words in place.err and os.listdir(fakes.tmp) == [], place.err


@test
def ends_the_debugger_and_cleans_up_when_it_is_told_to_end(place):
    one_dump(place, gzip.compress(macho_core([(0x1000, b"x" * 4096)])), DARWIN)
    fakes = Fakes(place, "lldb", ends="exec /bin/sleep 100")
    process = subprocess.Popen([PANICCTL, "debug", "1"], cwd=place.root, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL, env={**os.environ, **fakes.env})
    for _ in range(200):
        if os.path.exists(fakes.opened):
            break
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=20) == 2 and os.listdir(fakes.tmp) == []


@test
def says_when_there_is_no_room_to_unpack(place):
    one_dump(place, gzip.compress(macho_core([(0x1000, b"x" * 4096)])), DARWIN)
    fakes = Fakes(place, "lldb")
    fakes.debug("1", code=2, TMPDIR=os.path.join(place.root, "nowhere"))
    assert "nowhere" in place.err and not os.path.exists(fakes.log)


# ---- the real ones ----


def really(place, debugger, *more):
    env = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PANICD_DIRECTORY")}
    env.update(HOME=place.root, TMPDIR=place.root, LC_ALL="C")
    done = subprocess.run([PANICCTL, "debug", "1", "--debugger", debugger, "--", *more],
                          cwd=place.root, env=env, stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=120)
    assert done.returncode == 0, done
    return done


@test
def opens_a_packed_core_in_the_real_lldb_and_gdb(place):
    state = [0x0101010101010101 * (i + 1) for i in range(21)]
    words = struct.pack("<2Q", 0x1122334455667788, 0x99AABBCCDDEEFF00)
    core = macho_core([(0xFFFFFF8000400000, words.ljust(4096, b"\0"))], [state])
    one_dump(place, gzip.compress(core), {"os": "Darwin"})
    if shutil.which("lldb"):
        done = really(place, "lldb", "--no-lldbinit", "-b", "-o", "register read rbx rip", "-o",
                      "memory read --format x --size 8 --count 2 0xffffff8000400000")
        for number in (state[1], state[16], 0x1122334455667788, 0x99AABBCCDDEEFF00):
            assert f"{number:#018x}" in done.stdout, done
        assert "embedded_interpreter" not in done.stderr, done.stderr
    if shutil.which("gdb"):
        done = really(place, "gdb", "-nx", "-batch", "-ex", "info registers rbx rip", "-ex",
                      "x/2gx 0xffffff8000400000")
        for number in (state[1], state[16], 0x1122334455667788, 0x99AABBCCDDEEFF00):
            assert f"{number:#x}" in done.stdout, done
    assert not [name for name in os.listdir(place.root) if name.startswith("panicctl-")]


@test
def opens_an_elf_core_in_the_real_lldb_that_does_not_say_whose_it_is(place):
    core = macho_core([(0xFFFFFF8000400000, b"x" * 4096)], [[5] * 21])
    put(place, "m", core)
    place.run("export", "./m", "--elf", "-o", "e")
    with open(os.path.join(place.root, "e"), "rb") as file:
        elf = bytearray(file.read())
    elf[7] = 0
    one_dump(place, bytes(elf), {"os": "panicbox"})
    if shutil.which("lldb"):
        done = really(place, "lldb", "--no-lldbinit", "-b", "-o", "register read rip")
        assert "0x0000000000000005" in done.stdout, done


sys.exit(main())
