#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""panicctl pack, its zips opened by unzip and by Python. Usage: test_panicctl_pack.py PANICCTL.
Speaks TAP."""

import gzip
import io
import json
import os
import random
import shutil
import stat
import subprocess
import sys
import threading
import time
import zipfile

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from panicctl_place import (PANICCTL, Server, elf_core, main, on_terminal, sha256, test, transfer)

GIB = 1 << 30
NO_LEAKS = {"ASAN_OPTIONS": "detect_leaks=0"}  # libarchive forgets zlib's when it is stopped
UNZIP = shutil.which("unzip")
FACTS = {"os": "Darwin", "kernel": "xnu-8020.101.4", "model": "MacBookPro16,1",
         "panic": "secret\nsecond line",
         "cpus": [{"cpu": 0, "panicked": True, "registers": {"rip": "0xffffff8012345678"}}],
         "backtrace": [{"address": "0xffffff8000234567", "text": "panic+1"}]}
LOG = "panic(cpu 0 caller 0x1): secret\nDebugger called: <panic>\n"


def know(place, number, facts=FACTS, log=LOG):
    """What a server would have put into the catalog."""
    text = json.dumps(facts).encode()
    place.json("list")
    place.sql("INSERT OR REPLACE INTO facts VALUES (?, 1, '', 1, '', '', '', '', ?, ?)", number, len(text),
              text)
    if log is not None:
        place.sql("INSERT OR REPLACE INTO facts_log VALUES (?, ?, ?)", number, len(log), log.encode())


def members(path):
    """Both programs read all of it. @return name -> bytes"""
    if UNZIP:
        done = subprocess.run([UNZIP, "-t", path], capture_output=True, timeout=300)
        assert done.returncode == 0, done.stdout + done.stderr
    with zipfile.ZipFile(path) as z:
        assert z.testzip() is None
        assert len(set(z.namelist())) == len(z.namelist())
        return {name: z.read(name) for name in z.namelist()}


def check_manifest(place, path):
    """As README.txt says: unpacked, in that folder."""
    folder = os.path.join(place.root, "unpacked")
    with zipfile.ZipFile(path) as z:
        z.extractall(folder)
        names = z.namelist()
    done = subprocess.run(["sha256sum", "-c", "MANIFEST.txt"], cwd=folder, capture_output=True,
                          text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines() == [f"{n}: OK" for n in names if n != "MANIFEST.txt"], done
    shutil.rmtree(folder)


def leftovers(place):
    return [f for f in os.listdir(place.root) if f != "PanicDumps"]


@test
def a_zip_holds_dump_log_facts_transfer_and_a_manifest_of_them(place):
    dump = gzip.compress(elf_core(200000))
    place.put("core-xnu.gz", dump)
    place.settle()
    know(place, 1)
    out = place.run("pack", "1", "--note", "it was hot")
    assert out.startswith("dump-1.zip: ") and out.endswith(", 7 files\n"), out
    path = os.path.join(place.root, "dump-1.zip")
    got = members(path)
    assert list(got) == ["README.txt", "note.txt", "transfer.json", "facts.json", "panic.log",
                         "core-xnu.gz", "MANIFEST.txt"], list(got)
    assert got["core-xnu.gz"] == dump
    assert got["panic.log"].decode() == LOG
    assert got["note.txt"] == b"it was hot\n"
    facts = json.loads(got["facts.json"])
    assert facts["panic"] == FACTS["panic"] and "log" not in facts, facts
    assert facts["cpus"][0]["registers"] == {"rip": "0xffffff8012345678"}, facts
    row = json.loads(got["transfer.json"])
    assert (row["id"], row["file"], row["sha256"]) == (1, "core-xnu.gz", sha256(dump)), row
    readme = got["README.txt"].decode()
    for word in ("core-xnu.gz", "panic.log", "note.txt", "sha256sum -c MANIFEST.txt", "secret",
                 "gunzip -c core-xnu.gz > core", "crash vmlinux core", "MacBookPro16,1",
                 "passwords"):
        assert word in readme, (word, readme)
    assert "second line" not in readme
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    check_manifest(place, path)
    assert leftovers(place) == ["dump-1.zip"]


@test
def the_readme_says_what_opens_it(place):
    macho = bytes.fromhex("cffaedfe07000001030000000400000000000000000000000000000000000000")
    log = LOG.encode() * 20
    for content, line in ((gzip.compress(macho), "  gunzip -c f > core\n  lldb --core core\n"),
                          (elf_core(9000), "  drgn -c f -s vmlinux\n  gdb vmlinux f\n"),
                          (log, "  less f\n"), (b"noise" * 99, "  panicctl info ./f\n")):
        with open(os.path.join(place.root, "f"), "wb") as file:
            file.write(content)
        place.run("pack", "./f", "-o", "f.zip", "--force")
        readme = members(os.path.join(place.root, "f.zip"))["README.txt"].decode()
        assert line in readme, (line, readme)


@test
def json_names_every_file_with_its_hash(place):
    place.put("core", elf_core(100000))
    place.settle()
    got = place.json("pack", "latest", "-o", "x.zip")
    assert (got["id"], got["output"], got["as_received"], got["log_only"]) == \
        (1, "x.zip", True, False), got
    assert got["bytes"] == os.path.getsize(os.path.join(place.root, "x.zip"))
    inside = members(os.path.join(place.root, "x.zip"))
    assert {f["name"]: (f["bytes"], f["sha256"]) for f in got["files"]} == \
        {n: (len(d), sha256(d)) for n, d in inside.items()}


@test
def what_is_compressed_is_stored_and_the_rest_deflated(place):
    raw, packed = elf_core(400000) + bytes(400000), gzip.compress(random.Random(1).randbytes(90000))
    place.put("raw", raw)
    place.put("packed.gz", packed)
    place.settle()
    for what, kind in (("raw", zipfile.ZIP_DEFLATED), ("packed.gz", zipfile.ZIP_STORED)):
        place.run("pack", what, "-o", what + ".zip")
        with zipfile.ZipFile(os.path.join(place.root, what + ".zip")) as z:
            assert z.getinfo(what).compress_type == kind
            assert z.getinfo("README.txt").compress_type == zipfile.ZIP_DEFLATED


@test
def log_only_leaves_out_dump_and_registers_and_says_so(place):
    place.put("core", elf_core(100000))
    place.settle()
    know(place, 1)
    got = place.json("pack", "1", "--log-only")
    assert got["log_only"] and got["as_received"] is None
    inside = members(os.path.join(place.root, "dump-1.zip"))
    assert list(inside) == ["README.txt", "transfer.json", "facts.json", "panic.log",
                            "MANIFEST.txt"], list(inside)
    assert b"ffffff8012345678" not in b"".join(inside.values())
    facts = json.loads(inside["facts.json"])
    assert facts["panic"] == FACTS["panic"] and facts["backtrace"], facts
    readme = inside["README.txt"].decode()
    assert "Left out" in readme and "To open the dump" not in readme, readme
    check_manifest(place, os.path.join(place.root, "dump-1.zip"))


@test
def log_only_of_what_has_no_log_makes_no_zip(place):
    place.put("noise", random.Random(3).randbytes(5000))
    place.settle()
    place.run("pack", "1", "--log-only", code=1)
    assert "no kernel log was found" in place.err and "without --log-only" in place.err, place.err
    assert leftovers(place) == []


@test
def a_dump_that_is_not_what_was_received_is_packed_and_said_to_be_so(place):
    place.put("core", elf_core(100000))
    place.settle()
    with open(place.path("core"), "r+b") as file:
        file.seek(70000)
        file.write(b"damage")
    place.run("pack", "1", code=1)
    assert "differs from what was received" in place.err, place.err
    path = os.path.join(place.root, "dump-1.zip")
    inside = members(path)
    assert inside["core"][70000:70006] == b"damage"
    assert inside["MANIFEST.txt"].startswith(b"# core differs from what was received"), inside
    check_manifest(place, path)
    assert place.json("pack", "1", "-o", "j.zip", code=1)["as_received"] is False


@test
def a_dump_that_changes_while_it_is_packed_gives_no_zip(place):
    with open(place.path("growing"), "wb") as file:
        file.truncate(512 << 20)
    process = subprocess.Popen([PANICCTL, "pack", "./PanicDumps/growing"], cwd=place.root,
                               stderr=subprocess.PIPE, stdout=subprocess.DEVNULL,
                               env={**os.environ, **NO_LEAKS})
    end = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < end:
        os.utime(place.path("growing"))
        time.sleep(0.02)
    assert process.wait() == 2
    assert b"changed while it was packed" in process.stderr.read()
    process.stderr.close()
    assert leftovers(place) == []


@test
def a_file_of_no_list_can_be_packed(place):
    core = elf_core(50000)
    with open(os.path.join(place.root, "my core (2)"), "wb") as file:
        file.write(core)
    got = place.json("pack", "./my core (2)")
    assert got["id"] is None and got["output"] == "my core (2).zip", got
    inside = members(os.path.join(place.root, "my core (2).zip"))
    assert inside["my_core__2_"] == core and "transfer.json" not in inside, list(inside)
    assert "not received by panicd" in inside["README.txt"].decode()
    check_manifest(place, os.path.join(place.root, "my core (2).zip"))


@test
def names_in_the_zip_are_safe_and_different(place):
    wanted = {"README.txt": "dump-README.txt", "panic.LOG": "dump-panic.LOG", "a:b": "a_b",
              "n" * 240: "n" * 240}
    for file in wanted:
        place.put(file, b"content")
    place.settle()
    for file, name in wanted.items():
        place.run("pack", file, "-o", "n.zip", "--force")
        inside = members(os.path.join(place.root, "n.zip"))
        assert inside[name] == b"content", list(inside)
        assert not [n for n in inside if "/" in n or "\\" in n or n.startswith(".")]


@test
def nothing_is_replaced_unless_it_is_said(place):
    place.put("core", elf_core(20000))
    place.settle()
    target = os.path.join(place.root, "x.zip")
    with open(target, "wb") as file:
        file.write(b"mine")
    place.run("pack", "1", "-o", "x.zip", code=2)
    assert "--force" in place.err and open(target, "rb").read() == b"mine"
    place.run("pack", "1", "-o", "x.zip", "--force")
    assert "core" in members(target)
    os.mkdir(os.path.join(place.root, "dir"))
    place.run("pack", "1", "-o", "dir")
    assert "core" in members(os.path.join(place.root, "dir", "dump-1.zip"))
    place.run("pack", "1", "-o", place.path("core"), "--force", code=2)
    assert "is the dump itself" in place.err
    place.run("pack", "1", "-o", "nowhere/x.zip", code=2)
    assert "nowhere" in place.err
    assert sorted(leftovers(place)) == ["dir", "x.zip"]


@test
def a_zip_goes_into_a_pipe(place):
    core = elf_core(300000)
    place.put("core", core)
    place.settle()
    out = place.run("pack", "1", "-o", "-", binary=True)
    with zipfile.ZipFile(io.BytesIO(out)) as z:
        assert z.testzip() is None and z.read("core") == core
    assert b"nothing for a terminal" in on_terminal(place, "pack", "1", "-o", "-")
    assert leftovers(place) == []


@test
def a_killed_pack_leaves_nothing(place):
    with open(place.path("big"), "wb") as file:
        file.truncate(2 * GIB)
    process = subprocess.Popen([PANICCTL, "pack", "./PanicDumps/big"], cwd=place.root, stderr=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL)
    time.sleep(0.3)
    assert process.poll() is None
    process.kill()
    process.wait()
    visible = [f for f in leftovers(place) if not f.startswith(".panicctl-")]
    assert visible == [], visible


@test
def a_full_disk_is_said_and_leaves_nothing(place):
    place.put("core", random.Random(5).randbytes(3 << 20))
    place.settle()
    mount = os.path.join(place.root, "small")
    os.mkdir(mount)
    if os.geteuid() != 0 or subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", mount],
            capture_output=True).returncode != 0:
        print("# not root: nothing to be tested here")
        return
    try:
        place.run("pack", "1", "-o", "small", code=2, env=NO_LEAKS)
        assert "No space left" in place.err, place.err
        assert os.listdir(mount) == []
    finally:
        subprocess.run(["umount", mount], check=True)


@test
def a_dump_that_arrives_is_not_packed(place):
    with Server(place, transfers=[transfer(7, "core-live")]):
        place.put("core-live.part", b"x")
        place.run("pack", "core-live", code=2)
        assert "still arriving" in place.err and "--until-idle" in place.err
    place.run("pack", code=2)
    assert "usage: panicctl pack" in place.err
    place.run("pack", "nothing-of-that-name", code=2)
    assert "panicctl list" in place.err or "no dump" in place.err
    assert leftovers(place) == []


@test
def a_bar_is_drawn_on_a_terminal_only(place):
    with open(place.path("big"), "wb") as file:
        file.truncate(GIB // 2)
    assert b"pack  [" in on_terminal(place, "pack", "./PanicDumps/big")
    place.run("pack", "./PanicDumps/big", "-o", "again.zip")
    assert place.err == ""


@test
def what_came_with_a_dump_goes_along_and_its_key_only_when_asked(place):
    place.put("vmcore_encrypted.crash-1.3.zst", b"core" * 1000)
    place.put("vmcore_encrypted.crash-1.3.zst.kdh", b"H" * 512)
    place.put("vmcore_encrypted.crash-1.3.zst.key", b"K" * 528)
    place.put("key.crash-1.3", b"K" * 528)
    place.put("info.crash-1.3", b"Dump from crash-1\n")
    place.put("info.crash-1.4", b"another's")
    place.settle()
    path = os.path.join(place.root, "dump-1.zip")
    place.run("pack", "1")
    got = members(path)
    without = ["README.txt", "transfer.json", "vmcore_encrypted.crash-1.3.zst",
               "vmcore_encrypted.crash-1.3.zst.kdh", "info.crash-1.3", "MANIFEST.txt"]
    assert [n for n in got if n != "facts.json"] == without, list(got)
    assert got["vmcore_encrypted.crash-1.3.zst.kdh"] == b"H" * 512
    assert got["info.crash-1.3"] == b"Dump from crash-1\n"
    readme = got["README.txt"].decode()
    assert ".kdh\n" in readme and "info.crash-1.3\n" in readme and ".key" not in readme, readme
    check_manifest(place, path)
    place.run("pack", "1", "--key", "-f")
    got = members(path)
    assert [n for n in got if n not in without + ["facts.json"]] == [
        "vmcore_encrypted.crash-1.3.zst.key"], list(got)
    assert got["vmcore_encrypted.crash-1.3.zst.key"] == b"K" * 528
    assert ".key\n" in got["README.txt"].decode()
    check_manifest(place, path)
    know(place, 1)
    place.run("pack", "1", "--log-only", "-f")
    assert not [n for n in members(path) if "crash-1" in n]


@test
def a_key_that_is_not_there_or_goes_with_nothing_is_refused(place):
    place.put("core-x", elf_core(200000))
    place.put("core-y", elf_core(200000))
    os.mkdir(place.path("core-y.kdh"))
    place.settle()
    place.run("pack", "core-x", "--key", code=2)
    assert "no key came with this dump" in place.err, place.err
    place.run("pack", place.path("core-x"), "--key", code=2)
    assert "not for a file" in place.err, place.err
    place.run("pack", "core-x", "--key", "--log-only", code=2)
    assert "--key goes with the dump" in place.err, place.err
    place.run("pack", "core-y", code=2)          # what is there cannot be read
    assert "beside the dump" in place.err, place.err
    assert leftovers(place) == [], leftovers(place)


@test
def the_header_of_a_dump_with_the_longest_name_has_one_of_its_own(place):
    name = "c" * 251
    place.put(name, elf_core(200000))
    place.put(name + ".kdh", b"H" * 512)
    place.settle()
    place.run("pack", "1")
    got = members(os.path.join(place.root, "dump-1.zip"))
    assert [n for n in got if got[n] == b"H" * 512][0].endswith(".kdh") and len(got) >= 5, list(got)


def memory_of(process):
    peak = 0
    while process.poll() is None:
        try:
            with open(f"/proc/{process.pid}/status") as file:
                for line in file:
                    if line.startswith("VmHWM:"):
                        peak = max(peak, int(line.split()[1]))
        except OSError:
            break
        time.sleep(0.05)
    return peak


@test
def a_member_of_more_than_four_gib_is_whole_in_bounded_memory(place):
    """Begins like gzip, so that it is stored: the zip has holes where the dump has some."""
    size = 5 * GIB
    with open(place.path("core.gz"), "wb") as file:
        file.write(b"\x1f\x8b\x08")
        file.truncate(size)
        file.seek(size - 9)
        file.write(b"the end!\n")
    place.json("list")
    process = subprocess.Popen([PANICCTL, "pack", "./PanicDumps/core.gz", "-o", "5.zip"],
                               cwd=place.root, stdout=subprocess.DEVNULL)
    peak = memory_of(process)
    assert process.returncode == 0
    assert peak < 64 << 10, peak
    path = os.path.join(place.root, "5.zip")
    assert os.path.getsize(path) > size and os.stat(path).st_blocks * 512 < 64 << 20
    if UNZIP:
        done = subprocess.run([UNZIP, "-t", path], capture_output=True, timeout=300)
        assert done.returncode == 0, done.stdout[-500:] + done.stderr[-500:]
    with zipfile.ZipFile(path) as z:
        info = z.getinfo("core.gz")
        assert (info.file_size, info.compress_type) == (size, zipfile.ZIP_STORED), info
        with z.open("core.gz") as file:
            assert file.read(3) == b"\x1f\x8b\x08"
    print(f"# peak of memory {peak >> 10} MiB")


if __name__ == "__main__":
    sys.exit(main())
