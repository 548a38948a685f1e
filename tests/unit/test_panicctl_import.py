#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""panicctl import without a server; beside one: tests/server/test_import.py. Usage:
test_panicctl_import.py PANICCTL. Speaks TAP."""

import gzip
import os
import random
import shutil
import stat
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from panicctl_place import elf_core, main, on_terminal, sha256, test


def make(place, name, data):
    path = os.path.join(os.fsencode(place.root), name if isinstance(name, bytes) else name.encode())
    with open(path, "wb") as file:
        file.write(data)
    return path


def hidden(place):
    return [f for f in os.listdir(place.dir) if f.startswith(".") and f != ".panicd"]


@test
def a_file_becomes_a_dump_and_stays_where_it_is(place):
    core = elf_core(100000)
    path = make(place, "core", core)
    os.utime(path, (1600000000, 1600000000))
    out = place.run("import", "core")
    assert out == "core: dump 1, 97.6 KiB, complete, elf\n", out
    with open(place.path("core"), "rb") as file:
        assert file.read() == core
    st = os.stat(place.path("core"))
    assert stat.S_IMODE(st.st_mode) == 0o600 and int(st.st_mtime) == 1600000000
    assert os.path.exists(path)
    row, = place.json("list")["dumps"]
    assert (row["protocol"], row["peer"], row["sha256"]) == ("import", "", sha256(core)), row
    assert hidden(place) == []


@test
def several_files_are_several_dumps_and_what_fails_stops_none(place):
    for number in range(3):
        make(place, f"core-{number}", elf_core(20000 + number))
    place.run("import", "core-0", "nothing", "core-1", "PanicDumps", "core-2", code=2)
    assert "open nothing" in place.err and "PanicDumps is a directory" in place.err, place.err
    rows = place.json("list")["dumps"]
    assert [(r["id"], r["name"]) for r in rows] == [(n + 1, f"core-{n}") for n in range(3)], rows


@test
def what_is_no_file_is_refused_with_what_to_type(place):
    place.run("import", "/dev/null", code=2)
    assert "/dev/null is no file; name a file that holds a dump" in place.err, place.err
    for disk in ("/dev/vda", "/dev/sda", "/dev/loop0"):
        try:
            os.close(os.open(disk, os.O_RDONLY | os.O_NONBLOCK))
        except OSError:
            continue
        place.run("import", disk, code=2)
        assert f"panicctl extract {disk}" in place.err, place.err
    place.run("import", code=2)
    assert "usage: panicctl import" in place.err
    place.run("import", "a", "b", "--name", "c", code=2)
    assert "--name is for one FILE" in place.err
    assert place.json("list")["dumps"] == [] and hidden(place) == []


@test
def a_name_is_taken_as_it_is_and_its_file_made_safe(place):
    names = {b"my dump (1).gz": "my_dump__1_.gz", b"\xff\xfe": "__", b".hidden": "_hidden",
             b"-rf": "_rf", b"a.part": "a", b"x" * 250: "x" * 200, b"caf\xc3\xa9": "caf__"}
    for name in names:
        make(place, name, b"content of " + name)
    root = os.fsencode(place.root)
    done = subprocess.run([os.fsencode(os.path.abspath(sys.argv[1])), b"import", b"--",
                           *[b"./" + n for n in names]], cwd=root, capture_output=True)
    assert done.returncode == 0, done.stderr
    assert b"\xff" not in done.stdout
    assert sorted(f for f in os.listdir(place.dir) if f != ".panicd") == sorted(names.values())
    for name, file in names.items():
        with open(place.path(file), "rb") as got:
            assert got.read() == b"content of " + name
    make(place, "plain", b"1")
    assert place.json("import", "plain", "--name", "other name")["imported"][0]["name"] == \
        "other name"


@test
def a_taken_name_gets_a_number_and_nothing_is_replaced(place):
    make(place, "core.gz", gzip.compress(b"first"))
    place.run("import", "core.gz")
    make(place, "core.gz", gzip.compress(b"second"))
    got, = place.json("import", "core.gz")["imported"]
    assert (got["id"], got["file"], got["name"]) == (2, "core.1.gz", "core.gz"), got
    for name, content in (("core.gz", b"first"), ("core.1.gz", b"second")):
        with gzip.open(place.path(name)) as file:
            assert file.read() == content


@test
def the_same_bytes_are_said_to_be_there_already(place):
    make(place, "core", elf_core(50000))
    make(place, "copy", elf_core(50000))
    place.run("import", "core")
    out = place.run("import", "copy")
    assert "The same bytes are dump 1 already" in out and "panicctl rm 2" in out, out
    got, = place.json("import", "core")["imported"]
    assert (got["id"], got["same_as"]) == (3, 1), got
    place.run("import", "PanicDumps/core", code=2)
    assert "is dump 1 already" in place.err, place.err
    place.run("import", "--move", "PanicDumps/core", code=2)
    assert os.path.exists(place.path("core"))


@test
def what_is_moved_is_gone_from_where_it_was(place):
    core = elf_core(60000)
    path = make(place, "core", core)
    inode = os.stat(path).st_ino
    os.chmod(path, 0o644)
    got, = place.json("import", "--move", "core")["imported"]
    assert got["moved"] and not os.path.exists(path)
    st = os.stat(place.path("core"))
    assert (st.st_ino, stat.S_IMODE(st.st_mode), st.st_nlink) == (inode, 0o600, 1), st
    path = make(place, "twice", core)  # has another name: a copy is taken
    os.link(path, path + b"-too")
    place.run("import", "--move", "twice")
    assert not os.path.exists(path) and os.stat(path + b"-too").st_nlink == 1
    elsewhere = "/dev/shm/panicctl-import-test"
    with open(elsewhere, "wb") as file:
        file.write(core)
    place.run("import", "--move", elsewhere)
    assert not os.path.exists(elsewhere)
    assert {r["sha256"] for r in place.json("list")["dumps"]} == {sha256(core)}


@test
def what_is_not_whole_is_taken_and_said_not_to_be(place):
    core = elf_core(100000)
    make(place, "cut", core[:50000])
    make(place, "core.incomplete", b"just some bytes")
    out = place.run("import", "cut", "core.incomplete")
    assert "cut: dump 1, 48.8 KiB, incomplete, elf\n" in out, out
    assert "promise 100000 bytes" in out and "its name said that it is incomplete" in out, out
    rows = {r["name"]: r for r in place.json("list")["dumps"]}
    assert rows["cut"]["missing"] == [{"start": 50000, "end": 100000}], rows
    assert rows["core"]["file"] == "core.incomplete" and rows["core"]["state"] == "incomplete"
    assert sorted(f for f in os.listdir(place.dir) if f != ".panicd") == \
        ["core.incomplete", "cut.incomplete"]


@test
def holes_stay_holes(place):
    with open(os.path.join(place.root, "sparse"), "wb") as file:
        file.truncate(3 << 30)
        file.seek(1 << 30)
        file.write(b"in the middle")
    place.run("import", "sparse")
    st = os.stat(place.path("sparse"))
    assert st.st_size == 3 << 30 and st.st_blocks * 512 < 1 << 20, st


@test
def a_directory_that_was_named_is_made(place):
    shutil.rmtree(place.dir)
    make(place, "core", elf_core(30000))
    place.run("-D", "New", "import", "core")
    assert stat.S_IMODE(os.stat(os.path.join(place.root, "New")).st_mode) == 0o700
    assert [r["name"] for r in place.json("-D", "New", "list")["dumps"]] == ["core"]
    place.run("-D", "not/there", "import", "core", code=2)
    assert "mkdir -p" in place.err, place.err


@test
def a_catalog_that_is_lost_is_made_again_with_the_ids_of_before(place):
    for number in (1, 2):
        make(place, f"core-{number}", elf_core(20000 + number))
    place.run("import", "core-1", "core-2")
    before = {r["file"]: r["id"] for r in place.json("list")["dumps"]}
    for file in os.listdir(place.path(".panicd")):
        if file.startswith("catalog"):
            os.unlink(place.path(".panicd/" + file))
    make(place, "core-3", elf_core(20003))
    place.run("import", "core-3")
    after = {r["file"]: r["id"] for r in place.json("list")["dumps"]}
    labelled = hasattr(os, "getxattr") and "user.panicd" in os.listxattr(place.path("core-1"))
    assert sorted(after.values()) == [1, 2, 3] and (not labelled or before.items() <= after.items())


@test
def what_a_killed_import_left_is_swept_away(place):
    make(place, "core", elf_core(20000))
    place.run("import", "core")
    for name in (".import-99-0", ".import-not_ours_but_named_so"):
        place.put(name, b"left over")
    place.put(".imported", b"somebody's")
    place.run("import", "core")
    assert hidden(place) == [".imported"], hidden(place)


@test
def a_full_disk_is_said_before_it_is_full(place):
    mount = os.path.join(place.root, "small")
    os.mkdir(mount)
    if os.geteuid() != 0 or subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", mount],
            capture_output=True).returncode != 0:
        print("# not root: nothing to be tested here")
        return
    try:
        make(place, "core", random.Random(5).randbytes(4 << 20))
        make(place, "little", b"little")
        place.run("-D", "small", "import", "core", code=2)
        assert "takes 4.0 MiB" in place.err and "free" in place.err, place.err
        place.run("-D", "small", "import", "little")
        assert [f for f in os.listdir(mount) if f != ".panicd"] == ["little"]
    finally:
        subprocess.run(["umount", mount], check=True)


@test
def what_root_imports_belongs_to_the_directory(place):
    if os.geteuid() != 0:
        print("# not root: nothing to be tested here")
        return
    make(place, "core", elf_core(20000))
    for path in (place.dir, place.path(".panicd")):
        os.chown(path, 65534, 65534)
    place.run("import", "core")
    assert os.stat(place.path("core")).st_uid == 65534


@test
def a_bar_is_drawn_on_a_terminal_only(place):
    with open("/dev/shm/panicctl-import-bar", "wb") as file:  # no blocks to be shared from there
        for _ in range(192):
            file.write(random.Random(1).randbytes(1 << 20))
    try:
        seen = on_terminal(place, "import", "/dev/shm/panicctl-import-bar")
        assert b"import  [" in seen or b"verify  [" in seen, seen
        place.run("import", "/dev/shm/panicctl-import-bar")
        assert place.err == ""
    finally:
        os.unlink("/dev/shm/panicctl-import-bar")


@test
def what_root_makes_in_a_users_directory_is_that_users(place):
    if os.geteuid() != 0:
        return
    make(place, "core", elf_core(20000))
    shutil.rmtree(place.path(".panicd"))
    os.chown(place.dir, 65534, 65534)
    place.run("import", "core")
    made = [place.path(name) for name in (".", "core", ".panicd", ".panicd/lock",
                                          ".panicd/catalog.db")]
    assert {os.stat(path).st_uid for path in made} == {65534}, [os.stat(p).st_uid for p in made]


@test
def what_is_incomplete_by_its_name_is_checked_too(place):
    core = elf_core(20000)
    make(place, "core.incomplete", core)
    out = place.run("import", "core.incomplete")
    assert place.err == "" and "incomplete, elf" in out, (out, place.err)
    row, = place.json("list")["dumps"]
    assert (row["state"], row["format"], row["sha256"]) == ("incomplete", "elf", sha256(core)), row
    assert row["reason"] == "its name said that it is incomplete", row
    assert place.json("verify", "1", code=1)["verdict"] == "incomplete"


if __name__ == "__main__":
    sys.exit(main())
