#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
#
# panicctl info: the page word for word, and what it must never do with what a dump says.
# Usage: test_panicctl_info.py PANICCTL (or $PND_PANICCTL). Speaks TAP.

import contextlib
import gzip
import json
import os
import re
import sqlite3
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from panicctl_place import Place, Server, elf_core, macho_core, main, on_terminal, sha256, test, transfer

LINUX = {
    "os": "Linux", "kernel": "6.1.0-56-cloud-amd64", "build_id": "1f3a" + "5c" * 18,
    "kernel_version": "Linux version 6.1.0-56-cloud-amd64 (debian-kernel@lists.debian.org)",
    "arch": "x86_64", "model": "QEMU Standard PC (i440FX + PIIX, 1996)", "host": "lab-7",
    "crash_time": "1795329000", "uptime": "42.731", "panic": "sysrq triggered crash",
    "trigger": "panic", "task": "bash (pid 712)", "boot_args": "quiet crashkernel=128M",
    "load": "0xffffffff81000000", "slide": "0x0",
    "cpus": [{"cpu": 1, "panicked": True, "registers": {
        "rip": "0xffffffff81600d46", "rsp": "0xffffc90000147d98", "rax": "0x0", "rbx": "0x63"}}],
    "backtrace": [{"address": f"0xffffffff8160{i:02x}46", "text": name} for i, name in enumerate((
        "sysrq_handle_crash+0x16/0x20", "__handle_sysrq.cold+0x45/0x11d",
        "write_sysrq_trigger+0x24/0x40", "proc_reg_write+0x53/0xa0", "vfs_write+0xb9/0x3e0",
        "ksys_write+0x5f/0xe0", "do_syscall_64+0x38/0x90"))],
    "modules": [{"name": "virtio_net", "in_backtrace": False}],
    "memory": {"space": "physical", "ranges": [
        {"start": "0x1000", "end": "0x8001000", "present": 100 << 20, "zero": 28 << 20}]},
}
MAC = {
    "os": "macOS", "os_version": "21A559", "kernel": "xnu-8019.41.5~1",
    "build_id": "D0A3F3F8-6D5C-3A94-8CC4-4DD7C33B7C28", "arch": "x86_64",
    "model": "MacBookPro16,1 (Mac-E1008331FDC96864)",
    "panic": '"GPU hang" @AppleIntelFramebuffer.cpp:1234\nsecond line',
    "backtrace": [{"address": "0xffffff8003d1b2c4", "frame": "0xffffffa0e2d03b50"},
                  {"address": "0xffffff7f9a1c0010", "module": "com.apple.driver.AppleIntel"}],
    "modules": [{"name": "com.apple.driver.AppleIntel", "version": "17.0.8", "in_backtrace": True,
                 "start": "0xffffff7f9a1b0000", "end": "0xffffff7f9a1d0fff"}],
    "slide": "0x3a00000",
}


def one_dump(place, name="core-a", data=None, facts=LINUX, **more):
    data = elf_core(9000) if data is None else data
    place.put(name, data)
    place.settle()
    place.sql("UPDATE dump SET peer='10.0.40.7', peer_port=1069, protocol='kdp', packets=12,"
              " repeats=3, started_ms=1795329000123, received_ms=1795329002123")
    place.facts(1, facts, **more)
    return data


# ---- the page ----


@test
def says_of_a_linux_panic_what_happened_where_and_what_to_type(place):
    data = one_dump(place, signature="0123456789ab", title="sysrq triggered crash",
                    seen=[(1, 1795329000000, "lab-7")])
    page = place.run("info")
    assert page == f"""\
sysrq triggered crash
Dump 1: complete
  machine    lab-7, QEMU Standard PC (i440FX + PIIX, 1996), x86_64
  kernel     Linux, 6.1.0-56-cloud-amd64, build {LINUX["build_id"]}
  when       2026-11-22 06:30:00 UTC, up 0:42, by panic, in bash (pid 712)
  where      sysrq_handle_crash+0x16/0x20
             __handle_sysrq.cold+0x45/0x11d
             write_sysrq_trigger+0x24/0x40
             proc_reg_write+0x53/0xa0
             vfs_write+0xb9/0x3e0
             2 more: --all
  seen       for the first time (group 0123456789ab)
  memory     100 MiB present, 28.0 MiB zero
  loaded     at 0xffffffff81000000, slide 0x0
  file       {place.dir}/core-a
  size       8.7 KiB (9000 bytes), elf: an ELF core
  sender     10.0.40.7 port 1069, by kdp
  received   2026-11-22 06:30:02 UTC, in 2.0 s (4.3 KiB/s)
  packets    12, of which 3 came more than once
  SHA-256    {sha256(data)}

To open it:      panicctl debug 1
To report it:    panicctl pack 1
""", page
    assert len(page.splitlines()) <= 24


@test
def says_of_a_panic_of_a_mac_which_kexts_were_in_it_and_keeps_its_quotes(place):
    one_dump(place, facts=MAC)
    page = place.run("info")
    assert page.startswith('''\
"GPU hang" @AppleIntelFramebuffer.cpp:1234
  second line
Dump 1: complete
  machine    MacBookPro16,1 (Mac-E1008331FDC96864), x86_64
  kernel     macOS, 21A559, xnu-8019.41.5~1, build D0A3F3F8-6D5C-3A94-8CC4-4DD7C33B7C28
  where      0xffffff8003d1b2c4
             0xffffff7f9a1c0010 (com.apple.driver.AppleIntel)
  modules    com.apple.driver.AppleIntel 17.0.8
  loaded     slide 0x3a00000
  file '''), page


@test
def begins_the_place_behind_the_frames_of_the_panic_itself(place):
    frames = [{"text": f"{name}+0x1/0x2"} for name in (
        "dump_stack_lvl", "panic", "sysrq_handle_crash", "__handle_sysrq.cold")]
    one_dump(place, facts={**LINUX, "backtrace": frames})
    assert ("  where      sysrq_handle_crash+0x1/0x2\n             __handle_sysrq.cold+0x1/0x2\n"
            "             2 more: --all\n") in place.run("info")
    assert "  where      dump_stack_lvl+0x1/0x2\n" in place.run("info", "--all")


@test
def leaves_nothing_out_when_asked_for_all(place):
    one_dump(place)
    page = place.run("info", "--all")
    for part in ("             0xffffffff81600646 do_syscall_64+0x38/0x90\n",
                 "  modules    virtio_net\n", "  boot-args  quiet crashkernel=128M\n",
                 "  version    Linux version 6.1.0-56-cloud-amd64 (debian",
                 "  CPU 1      the one that panicked\n"
                 "       rip ffffffff81600d46     rsp ffffc90000147d98     rax 0000000000000000\n"
                 "       rbx 0000000000000063\n"):
        assert part in page, (part, page)
    assert "--all" not in page


@test
def says_when_it_happened_before_on_which_machines_and_what_is_known_of_it(place):
    one_dump(place, signature="0123456789ab", title="sysrq triggered crash", seen=[
        (1, 1795329000000, "lab-7"), (90, 1795230000000, "lab-7"), (91, 1795240000000, "mini-1"),
        (92, 1795250000000, "mini-2")])
    place.sql("INSERT INTO note VALUES ('0123456789ab', 'fixed in 10.15.5 beta 4', 1)")
    page = place.run("info")
    assert ("  seen       4 times on 3 machines, 2026-11-21 03:00:00 UTC to 2026-11-22 06:30:00 UTC"
            " (group 0123456789ab)\n  also on    mini-2, mini-1\n"
            "  note       fixed in 10.15.5 beta 4\n") in page, page
    info = place.json("info")
    assert info["group"] == "0123456789ab"
    assert info["seen"] == {"group": "0123456789ab", "title": "sysrq triggered crash", "count": 4,
                     "machines": 3, "kept": 1, "first_seen": "2026-11-21T03:00:00.000Z",
                     "last_seen": "2026-11-22T06:30:00.000Z", "first_id": 90, "last_id": 1,
                     "note": "fixed in 10.15.5 beta 4"}, info


@test
def names_three_other_machines_the_latest_first_and_says_that_there_are_more(place):
    one_dump(place, signature="0123456789ab", title="x", seen=[(1, 1795329000000, "lab-7")] + [
        (90 + i, 1795230000000 + i, f"m{i}") for i in range(5)] + [(99, 1795230000009, "m2")])
    assert "  also on    m2, m4, m3, and others\n" in place.run("info")


@test
def writes_all_facts_as_json(place):
    one_dump(place)
    info = place.json("info", "1")
    facts = info["facts"]
    for key in LINUX:
        if key not in ("memory", "cpus", "backtrace", "modules"):
            assert facts[key] == LINUX[key], key
    assert facts["cpus"][0]["registers"]["rip"] == "0xffffffff81600d46"
    assert [f["text"] for f in facts["backtrace"]] == [f["text"] for f in LINUX["backtrace"]]
    assert facts["memory"]["ranges"] == LINUX["memory"]["ranges"]
    assert info["open"] == "panicctl debug 1" and info["pack"] == "panicctl pack 1"
    assert info["seen"] is None and info["id"] == 1 and "log" not in facts


@test
def shows_what_is_known_of_a_dump_that_still_arrives(place):
    place.put("core-a", b"abc")
    place.settle()
    place.put("core-b.part", elf_core(9000)[:5000])
    place.facts(2, {k: LINUX[k] for k in ("os", "kernel", "panic")})
    with Server(place, [transfer(2, "core-b", 77)]):
        page = place.run("info", "core-b")
        assert page.startswith("sysrq triggered crash\nDump 2: receiving\n"
                               "  kernel     Linux, 6.1.0-56-cloud-amd64\n"), page
        assert "To open it" not in page and "To report it" not in page
        assert place.json("info", "2")["facts"]["panic"] == "sysrq triggered crash"
    with Server(place, [transfer(3, "core-c", 77)]):
        page = place.run("info", "3")
        assert page.startswith("Dump 3: receiving\n  name       core-c\n"), page
        assert place.json("info", "3")["facts"] == {}


PANIC_LOG = """panic(cpu 0 caller 0xffffff8000205482): "a made up reason" @vm.c:12

Backtrace (CPU 0), Frame : Return Address
0xffffff800023edc0 : 0xffffff8000208227 mach_kernel : _panic + 0xb7
0xffffff800023ee90 : 0xffffff8000205482 mach_kernel : _vm_fault + 0x12

Process name corresponding to current thread: kernel_task

Mac OS version:
21A559

Kernel version:
Darwin Kernel Version 21.1.0: Wed Oct 13 17:33:23 PDT 2021; root:xnu-8019.41.5~1/RELEASE_X86_64
Kernel UUID: D0A3F3F8-6D5C-3A94-8CC4-4DD7C33B7C28
System model name: MacBookPro16,1 (Mac-E1008331FDC96864)
"""


@test
def knows_a_panic_that_verify_has_read_and_sees_it_again_in_a_file(place):
    place.put("core-a", PANIC_LOG.encode())
    place.settle()
    page = place.run("info")
    assert page.startswith('"a made up reason" @vm.c:12\nDump 1: complete\n'), page
    for part in ("MacBookPro16,1 (Mac-E1008331FDC96864)", "D0A3F3F8-6D5C-3A94-8CC4-4DD7C33B7C28",
                 "_vm_fault + 0x12", "  seen       for the first time (group ",
                 "panic-log: a panic log"):
        assert part in page, (part, page)
    assert place.run("log") == PANIC_LOG
    group = place.json("info")["seen"]["group"]
    place.put("../other", PANIC_LOG.encode())
    place.run("list")
    assert place.run("info", "./other").startswith('"a made up reason"')
    for name in "other", "./other":
        again = place.json("info", name)
        assert again["seen"]["group"] == group and again["seen"]["count"] == 1, again


# ---- a file ----


@test
def reads_a_file_that_is_in_no_directory_of_dumps(place):
    data = gzip.compress(elf_core(9000))
    with open(os.path.join(place.root, "some file"), "wb") as file:
        file.write(data)
    page = place.run("info", "./some file")
    assert page.startswith("File ./some file: complete\n"), page
    assert re.search(r"^  size       .* bytes\), gzip\+elf: an ELF core, compressed with gzip$",
                     page, re.M), page
    assert page.endswith(f"  SHA-256    {sha256(data)}\n\n"
                         "To open it:      panicctl debug './some file'\n"), page
    info = place.json("info", "./some file")
    assert info["verdict"] == "complete" and info["format"] == "gzip+elf" and info["id"] is None
    assert info["open"] == "panicctl debug './some file'" and info["pack"] is None
    with open(os.path.join(place.root, "cut"), "wb") as file:
        file.write(elf_core(9000)[:5000])
    page = place.run("info", "cut")
    assert "File cut: incomplete\n" in page and "  missing    bytes 5000 to 8999\n" in page, page


@test
def says_what_to_do_when_there_is_no_such_dump_or_file(place):
    place.run("info", "./nothing", code=2)
    assert place.err == "panicctl: open ./nothing: No such file or directory\n"
    one_dump(place)
    place.run("info", "core-z", code=2)
    assert '"core-z"' in place.err and "panicctl list" in place.err, place.err


# ---- what a dump says is hostile ----

EVIL = "\x1b[2J\x1b]0;owned\x07\u202e\u009b31m\r\nend\u2028"


@test
def never_lets_a_fact_steer_the_terminal(place):
    facts = {key: EVIL for key in LINUX if isinstance(LINUX[key], str)}
    facts["backtrace"] = [{"address": "0x1", "text": EVIL, "module": EVIL}]
    facts["modules"] = [{"name": EVIL, "version": EVIL, "id": EVIL, "in_backtrace": True}]
    facts["cpus"] = [{"cpu": 0, "panicked": True, "registers": {EVIL[:9]: "0x1"}}]
    one_dump(place, facts=facts, signature="0123456789ab", title=EVIL,
             seen=[(1, 1795329000000, EVIL), (90, 1795230000000, "a" + EVIL)])
    place.sql("INSERT INTO note VALUES ('0123456789ab', ?, 1)", EVIL)
    bad = [b"\x1b]", b"\x1b[2J", b"\x07", "\u202e".encode(), "\u009b".encode(), "\u2028".encode()]
    for args in (["info"], ["info", "--all"], ["info", "--json"], ["--json", "info", "--all"]):
        for out in (place.run(*args, binary=True), on_terminal(place, *args)):
            assert not any(piece in out for piece in bad), (args, out)
            assert b"\r" not in out.replace(b"\r\n", b"\n"), (args, out)


@test
def keeps_to_the_screen_however_much_a_dump_says(place):
    huge = "A" * 8000
    facts = {key: huge for key in LINUX if isinstance(LINUX[key], str)}
    facts["panic"] = "\n".join([huge[:500]] * 15)
    facts["backtrace"] = [{"text": "f" * 255}] * 250
    facts["modules"] = [{"name": f"{i}" * 80, "in_backtrace": True} for i in range(900)]
    facts["memory"] = {"space": "virtual", "ranges": [
        {"start": hex(i << 20), "end": hex((i << 20) + 4096), "present": 4096}
        for i in range(2000)]}
    one_dump(place, facts=facts, signature="0123456789ab", title=huge,
             seen=[(1, 1795329000000, "x")])
    page = place.run("info")
    lines = page.splitlines()
    assert len(lines) <= 34 and max(map(len, lines)) < 600, (len(lines), page)
    assert lines[0] == "A" * 236 + "..." and lines[3] == "  ..."
    place.run("info", "--all")
    assert place.json("info")["facts"]["panic"] == facts["panic"]


@test
def takes_what_is_in_the_catalog_and_makes_no_sense_for_not_known(place):
    one_dump(place, facts={"os": 7, "panic": None, "crash_time": "soon", "uptime": "-",
                           "cpus": "many", "backtrace": [1, {}], "memory": {"ranges": "all"}})
    page = place.run("info", "--all")
    assert page.startswith("Dump 1: complete\n"), page
    assert "where" not in page and "memory" not in page, page


@test
def writes_the_panic_string_in_bold_on_a_terminal_that_wants_it(place):
    one_dump(place)
    assert on_terminal(place, "info").startswith(b"\x1b[1msysrq triggered crash\x1b[0m\r\n")
    assert b"\x1b" not in on_terminal(place, "info", NO_COLOR="1")


@test
def facts_that_are_damaged_are_mended_by_verify(place):
    place.put("core", macho_core([(0x1000, b"x" * 8192)]))
    place.settle()
    place.sql("UPDATE facts SET json = X'00', json_bytes = 5 WHERE dump = 1")
    place.json("verify", "1")
    with contextlib.closing(sqlite3.connect(place.path(".panicd/catalog.db"))) as db:
        text, = db.execute("SELECT json FROM facts WHERE dump = 1").fetchone()
    assert json.loads(text)["arch"] == "x86_64", text
    assert place.json("list")["dumps"][0]["state"] == "complete"


@test
def a_long_path_is_whole_in_the_command(place):
    deep = os.path.join("d" * 200, "e" * 200)
    os.makedirs(os.path.join(place.root, deep))
    with open(os.path.join(place.root, deep, "core"), "wb") as file:
        file.write(macho_core([(0x1000, b"x" * 8192)]))
    assert f"panicctl debug {deep}/core\n" in place.run("info", f"{deep}/core")


sys.exit(main())
