#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Panic logs and the Mach-O files that have the names: kernels, kexts, dSYM bundles, fat files and
kernel collections, written here. Usage: test_symbols_macho.py SYMBOLS_LOG PANICCTL. Speaks TAP."""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True   # the source tree stays as it is
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import macho_file as macho   # noqa: E402

TOOL = sys.argv[1] if len(sys.argv) > 1 else os.environ["PND_SYMBOLS_LOG"]
PANICCTL = sys.argv[2] if len(sys.argv) > 2 else os.environ["PND_PANICCTL"]
TESTS = []
KERNEL, OTHER, KEXT = (f"{digit * 8}-2222-3333-4444-555555555555" for digit in "1AB")
SLIDE, LINKED = 0x11A00000, 0xFFFFFF8000200000
KEXT_START = 0xFFFFFF7F93A1B000

X86 = f"""panic(cpu 2 caller 0xffffff8011dd6a3a): "boo"
Backtrace (CPU 2), Frame : Return Address
0xffffff91f1f8bb10 : {LINKED + SLIDE + 0x1000:#x}
0xffffff91f1f8bb90 : {LINKED + SLIDE + 0x2345:#x}
0xffffff91f1f8bc60 : {KEXT_START + 0x144:#x}
0xffffff91f1f8bd00 : {LINKED + SLIDE + 0x900000:#x}
Backtrace terminated-invalid frame pointer 0x0
      Kernel Extensions in backtrace:
         com.example.fs(3.2.1)[{KEXT}]@{KEXT_START:#x}->{KEXT_START + 0xfff:#x}

Kernel version:
Darwin Kernel Version 15.6.0: Thu Jun 23 18:25:34 PDT 2016; root:xnu-3248.60.10~1/RELEASE_X86_64
Kernel UUID: {KERNEL}
Kernel slide:     {SLIDE:#x}
Kernel text base: {LINKED + SLIDE:#x}
"""
SYMBOLS = {"_before": LINKED + 0x800, "_at": LINKED + 0x1000, "_panic": LINKED + 0x2300,
           "__ZN9IOService5startEPS_": LINKED + 0x3000}
TEXT = [("__TEXT", LINKED, 0x800000)]


def test(function):
    TESTS.append(function)
    return function


def kernel(uuid=KERNEL, symbols=None, **more):
    return macho.image(symbols or SYMBOLS, TEXT, uuid, **more)


def kext(uuid=KEXT):
    """Linked at 0, as in a kit."""
    return macho.image({"_fs_start": 0x40, "_fs_read": 0x100}, [("__TEXT", 0, 0x1000)], uuid,
                       filetype=macho.KEXT)


class Place:
    def __init__(self):
        self._directory = tempfile.TemporaryDirectory(prefix="symbols-")
        self.root = pathlib.Path(self._directory.name)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._directory.cleanup()

    def put(self, name, content):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    def run(self, log, path, *more):
        """(what it printed before the table, the table, standard error)"""
        self.put("log", log.encode())
        result = subprocess.run([TOOL, self.root / "log", path, *more], capture_output=True,
                                text=True, timeout=60)
        printed, _, table = result.stdout.partition("----\n")
        return printed, table.splitlines(), result.stderr.strip()


@test
def each_frame_is_named_by_the_call_before_its_return_address():
    with Place() as place:
        printed, table, _ = place.run(X86, place.put("kernel", kernel()))
        assert table == [f"0 {LINKED + 0x1000:#x} _before + 0x800",   # returns to where _at begins
                         f"1 {LINKED + 0x2345:#x} _panic + 0x45", "2 0x0 -", "3 0x0 -"], table
        lines = printed.splitlines()
        assert lines[0] == f"symbols of kernel: {place.root}/kernel {KERNEL}", lines[0]
        at = next(i for i, line in enumerate(lines) if f"{LINKED + SLIDE + 0x2345:x}" in line)
        assert lines[at + 1] == f"    -> _panic + 0x45  [{LINKED + 0x2345:#x}]", lines[at + 1]
        assert [line for line in lines[2:] if "    ->" not in line] == X86.splitlines(), printed


@test
def the_instruction_that_trapped_is_no_return_address():
    trap = X86.replace('"boo"', f"Kernel trap at {LINKED + SLIDE + 0x1000:#x}, type 14=page fault, "
                       f"registers:\nRFL: 0x0, RIP: {LINKED + SLIDE + 0x1000:#x}, CS: 0x8, SS: 0x0")
    with Place() as place:
        _, table, _ = place.run(trap, place.put("kernel", kernel()))
        assert table[0] == f"0 {LINKED + 0x1000:#x} _at + 0x0", table


@test
def a_directory_is_searched_by_uuid_bundles_included():
    with Place() as place:
        place.put("Kits/old/kernel", kernel(OTHER))
        place.put("Kits/new/kernel", kernel(symbols={"_few": LINKED}))
        place.put("Kits/new/kernel.dSYM/Contents/Resources/DWARF/kernel",
                  kernel(filetype=macho.DSYM))
        place.put("Kits/new/fs.kext/Contents/MacOS/fs", kext())
        place.put("Kits/new/fs.kext/Contents/Info.plist", b"<plist/>")
        place.put("Kits/new/cut", kernel()[:100])
        printed, table, _ = place.run(X86, place.root / "Kits")
        assert table[1:3] == [f"1 {LINKED + 0x2345:#x} _panic + 0x45", "2 0x144 _fs_read + 0x44"]
        files = [line for line in printed.splitlines() if line.startswith("symbols of ")]
        assert "dSYM" in files[0], files     # of the two that fit, the one with more names
        assert files[1].startswith("symbols of com.example.fs: "), files


@test
def a_kernel_of_another_build_needs_force_and_is_marked():
    with Place() as place:
        path = place.put("kernel", kernel(OTHER))
        _, _, error = place.run(X86, path)
        assert OTHER in error and KERNEL in error and "--force" in error, error
        printed, table, error = place.run(X86, path, "--force")
        assert not error and "of another build" in printed, printed
        assert table[1].endswith(" _panic + 0x45"), table
        _, _, error = place.run(X86, place.root, "--force")
        assert "Kernel Debug Kit" in error, error   # a directory is no file that somebody meant


@test
def a_part_of_a_fat_file_is_taken_by_its_uuid():
    with Place() as place:
        path = place.put("kernel", macho.fat((macho.I386, kernel(OTHER, {"_wrong": LINKED})),
                                             (macho.X86_64, kernel())))
        _, table, _ = place.run(X86, path)
        assert table[1].endswith(" _panic + 0x45"), table


@test
def kernel_and_kexts_of_a_collection():
    """Both linked elsewhere than the log's slide says: the base addresses count."""
    linked, fs = LINKED + 0x10000, LINKED + 0x900000
    entries = {
        "com.apple.kernel": lambda base: macho.image(
            {name: at + 0x10000 for name, at in SYMBOLS.items()}, [("__TEXT", linked, 0x800000)],
            KERNEL, base=base),
        "com.example.fs": lambda base: macho.image(
            {"_fs_read": fs + 0x100}, [("__TEXT", fs, 0x1000)], KEXT, filetype=macho.KEXT,
            base=base),
    }
    with Place() as place:
        path = place.put("BootKernelExtensions.kc", macho.collection(entries))
        printed, table, _ = place.run(X86, path)
        assert table[1] == f"1 {linked + 0x2345:#x} _panic + 0x45", table
        assert table[2] == f"2 {fs + 0x144:#x} _fs_read + 0x44", table
        assert f"{path}:com.apple.kernel {KERNEL}" in printed, printed


@test
def c_plus_plus_names_are_readable():
    log = X86.replace(f"{LINKED + SLIDE + 0x2345:#x}", f"{LINKED + SLIDE + 0x3010:#x}")
    with Place() as place:
        _, table, _ = place.run(log, place.put("kernel", kernel()))
        assert table[1] in (f"1 {LINKED + 0x3010:#x} IOService::start(IOService*) + 0x10",
                            f"1 {LINKED + 0x3010:#x} __ZN9IOService5startEPS_ + 0x10"), table


ARM_TEXT, ARM_EXEC = 0xFFFFFE0007004000, 0xFFFFFE0007200000
ARM_BASE, ARM_EXEC_BASE = 0xFFFFFE0020D14000, 0xFFFFFE0020DFC000   # slid by different amounts
ARM_KEXT = 0xFFFFFE00209C0000
ARM = f"""panic(cpu 5 caller 0xfffffe0020f1d2a8): Kernel data abort. at pc {ARM_KEXT + 0x104:#x}, \
lr {ARM_KEXT + 0xf0:#x} (saved state: 0xfffffe304c1b3630)
\t  pc:  {ARM_KEXT + 0x104:#x} cpsr: 0x60401208         esr: 0x96000006          far: 0x18
Debugger message: panic
OS version: 21F79
Kernel version: Darwin Kernel Version 21.5.0: Tue Apr 26; root:xnu-8020.121.3~4/RELEASE_ARM64_T8101
Kernel UUID: {KERNEL}
Kernel slide:      {ARM_BASE - ARM_TEXT:#x}
Kernel text base:  {ARM_BASE:#x}
Kernel text exec slide: {ARM_EXEC_BASE - ARM_EXEC:#x}
Kernel text exec base:  {ARM_EXEC_BASE:#x}
Panicked thread: 0xfffffe1b30303030, backtrace: 0xfffffe304c1b2e00, tid: 2211
\t\t  lr: {ARM_EXEC_BASE + 0x2004:#018x}  fp: 0xfffffe304c1b2e70
\t\t  lr: {ARM_KEXT + 0x104:#018x}  fp: 0xfffffe304c1b2f00
\t\t  lr: {ARM_KEXT + 0x200:#018x}  fp: 0xfffffe304c1b3000
      Kernel Extensions in backtrace:
         com.example.gpu(1.0)[{KEXT}]@{ARM_KEXT:#x}->{ARM_KEXT + 0xffff:#x}
"""


@test
def on_arm64_what_is_executed_has_a_base_of_its_own():
    segments = [("__TEXT", ARM_TEXT, 0x100000), ("__TEXT_EXEC", ARM_EXEC, 0x100000)]
    kernel_file = macho.image({"_const": ARM_TEXT, "_panic": ARM_EXEC + 0x1f00,
                               "_next": ARM_EXEC + 0x2004}, segments, KERNEL, macho.ARM64)
    gpu = macho.image({"_gpu_const": 0, "_gpu_run": 0x4100, "_gpu_end": 0x4200},
                      [("__TEXT", 0, 0x4000), ("__TEXT_EXEC", 0x4000, 0x10000)], KEXT, macho.ARM64,
                      macho.KEXT)
    with Place() as place:
        place.put("kit/kernel", kernel_file)
        place.put("kit/gpu", gpu)
        _, table, _ = place.run(ARM, place.root / "kit")
        assert table == [f"0 {ARM_EXEC + 0x2004:#x} _panic + 0x104",   # 4 back, so not _next
                         "1 0x4104 _gpu_run + 0x4",                    # where it trapped
                         "2 0x4200 _gpu_run + 0x100"], table


@test
def a_log_without_uuids_takes_the_file_that_is_named():
    old = """panic(cpu 1 caller 0x001A8C8A): "boo"
Backtrace (CPU 1), Frame : Return Address (4 potential args on stack)
0x3d59bbd8 : 0x12b4f3 (0x459294 0x3d59bc0c 0x13355c 0x0)
0x3d59bc28 : 0x7a1104 (0x4627a0 0x38b9b6 0xe 0x461f84)
      Kernel loadable modules in backtrace (with dependencies):
         com.example.Widget(1.0)@0x7a1000->0x7b2fff

Kernel version:
Darwin Kernel Version 9.7.0: Tue Mar 31 22:52:17 PDT 2009; root:xnu-1228.12.14~1/RELEASE_I386
"""
    mach_kernel = macho.image({"_panic": 0x12b400}, [("__TEXT", 0x100000, 0x400000)],
                              cputype=macho.I386)
    with Place() as place:
        path = place.put("mach_kernel", mach_kernel)
        _, table, _ = place.run(old, path)
        assert table == ["0 0x12b4f3 _panic + 0xf3", "1 0x0 -"], table
        _, _, error = place.run(old, place.root)
        assert "does not name the kernel's UUID" in error, error


@test
def what_is_no_file_with_symbols_is_said():
    with Place() as place:
        for name, content, wanted in (("text", b"no such thing\n", "neither a Mach-O nor an ELF"),
                                      ("cut", kernel()[:100], "is no whole Mach-O file"),
                                      ("short", kernel()[:200], "symbols of "),
                                      ("empty", b"", "neither a Mach-O nor an ELF")):
            _, _, error = place.run(X86, place.put(name, content))
            assert wanted in error, (name, error)
        _, _, error = place.run(X86, place.root / "missing")
        assert "missing: No such file" in error, error
        _, _, error = place.run("panic(cpu 0 caller 0x1): x\nDebugger message: panic\nOS version: 1"
                                "\nKernel version: Darwin\n", place.put("kernel", kernel()))
        assert "has no backtrace" in error, error


@test
def names_of_any_bytes_are_escaped():
    with Place() as place:
        path = place.put("kernel", kernel(symbols={"_evil\x1b[31m\n": LINKED + 0x2300}))
        printed, _, _ = place.run(X86, path)
        assert "\x1b" not in printed, printed
        assert "_evil\\x1B[31m" in printed.replace("\\x1b", "\\x1B"), printed


SOURCE = """int other(int a)
{
    return a * 3;
}

int panic_here(int a)
{
    a += 5;
    return other(a) +
           other(a + 1);
}
"""


@test
def names_and_lines_of_what_a_compiler_for_macs_made_are_those_of_llvm():
    if not shutil.which("clang") or not shutil.which("llvm-symbolizer"):
        return "clang or llvm-symbolizer is not installed"
    for target, back in (("x86_64", 1), ("arm64", 4)):
        with Place() as place:
            (place.root / "kernel.c").write_text(SOURCE)
            made = place.root / "kernel.o"
            subprocess.run(["clang", "-target", target + "-apple-macos12", "-O1", "-g", "-c",
                            "-ffreestanding", place.root / "kernel.c", "-o", made], check=True,
                           timeout=60)
            calls = range(0, 0x30, 4)
            log = 'panic(cpu 1 caller 0x1): "boo"\nBacktrace (CPU 1), Frame : Return Address\n'
            log += "".join(f"{0x1000 + at:#x} : {at + back:#x}\n" for at in calls)
            log += "Kernel version:\nDarwin Kernel Version 21; root:xnu-8020~1/RELEASE_"
            log += target.upper() + "\n"
            _, table, error = place.run(log, made)
            assert len(table) == len(calls), (table, error)
            said = subprocess.run(["llvm-symbolizer", "--obj=" + str(made), "--no-inlines",
                                   *map(hex, calls)], check=True, capture_output=True, text=True,
                                  timeout=60).stdout.split("\n\n")
            known = 0
            for at, ours, theirs in zip(calls, table, said):
                name, line = theirs.splitlines()[:2]
                number = line.split(":")[1]
                if name == "??" or number == "0":
                    continue
                known += 1
                assert ours.split()[2] == "_" + name, (hex(at), ours, theirs)
                assert ours.endswith(f" (kernel.c:{number})"), (hex(at), ours, theirs)
            assert known >= 6, said
    return None


@test
def panicctl_log_shows_the_same():
    with Place() as place:
        path = place.put("kernel", kernel())
        printed, _, _ = place.run(X86, path)
        command = [PANICCTL, "log", place.root / "log", "--symbols"]
        shown = subprocess.run([*command, path], capture_output=True, text=True, timeout=60)
        assert shown.returncode == 0 and shown.stdout == printed, shown
        found = json.loads(subprocess.run([*command, path, "--json"], check=True,
                                          capture_output=True, text=True, timeout=60).stdout)
        assert "_panic + 0x45" in json.dumps(found["symbols"]), found["symbols"]
        shown = subprocess.run([*command, place.put("other", kernel(OTHER))], capture_output=True,
                               text=True, timeout=60)
        assert shown.returncode == 1 and OTHER in shown.stderr, shown
        assert shown.stderr.startswith("panicctl: "), shown.stderr


def main():
    failed = 0
    for number, function in enumerate(TESTS, 1):
        sentence = function.__name__.replace("_", " ")
        try:
            skipped = function()
            print(f"ok {number} - {sentence}" + (f" # SKIP {skipped}" if skipped else ""),
                  flush=True)
        except Exception as why:   # pylint: disable=broad-except
            failed += 1
            for line in f"{type(why).__name__}: {why}".splitlines():
                print(f"# {line}")
            print(f"not ok {number} - {sentence}", flush=True)
    print(f"1..{len(TESTS)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
