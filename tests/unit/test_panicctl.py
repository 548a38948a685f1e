#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
#
# panicctl against directories made here, and a control socket of a few lines in place of the
# server. Usage: test_panicctl.py PANICCTL (or $PND_PANICCTL). Speaks TAP.

import gzip
import json
import os
import random
import re
import shutil
import subprocess
import sys
import threading
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from panicctl_place import (Place, Server, VERBS, elf_core, main, on_terminal, sha256, test,
                            transfer)

# ---- the directory ----


@test
def lists_an_empty_directory_as_no_dumps_yet(place):
    assert place.run("-D", place.dir, "list") == f"No dumps in {place.dir} yet.\n"
    assert place.json("list") == {"dumps": []}


@test
def takes_the_directory_from_the_option_the_environment_the_place_and_the_service(place):
    other, third = Place(), Place()
    place.put("here", b"1")
    other.put("environment", b"1")
    third.put("option", b"1")
    env = {"PANICD_DIRECTORY": other.dir}
    assert "here" in place.run("list")
    assert "environment" in place.run("list", env=env)
    assert "option" in place.run("--directory", third.dir, "list", env=env)
    shutil.rmtree(place.dir)
    if not os.path.exists("/var/lib/panicd"):
        place.run("list", code=2)
        assert "/var/lib/panicd" in place.err
    for made in (other, third):
        shutil.rmtree(made.root)


@test
def says_what_to_type_when_the_directory_is_not_there(place):
    place.run("-D", "nowhere", "list", code=2)
    assert "nowhere" in place.err and "panicd nowhere" in place.err
    os.rmdir(place.path(".panicd"))
    place.run("list", code=2)
    assert "--directory" in place.err


@test
def finds_the_dumps_again_when_the_catalog_is_lost(place):
    place.put("core-a", b"abc")
    place.put("core-b.gz", gzip.compress(b"abc"))
    before = place.settle()
    for name in os.listdir(place.path(".panicd")):
        if name.startswith("catalog"):
            os.unlink(place.path(".panicd/" + name))
    after = place.json("list")["dumps"]
    assert {d["name"] for d in after} == set(before)


# ---- list and info ----


@test
def says_of_unchecked_dumps_without_a_server_how_to_check_them(place):
    place.put("core-a", b"abc")
    dump = place.json("list")["dumps"][0]
    assert dump["state"] == "receiving" and dump["sha256"] is None and dump["format"] is None
    assert dump["reason"] == "not checked yet: start panicd or run panicctl verify 1"


@test
def lists_all_fields_with_numbers_as_numbers(place):
    data = gzip.compress(elf_core(9000))
    place.put("core-a.gz", data)
    place.settle()
    place.sql("UPDATE dump SET peer='10.0.40.7', peer_port=1069, protocol='kdp', packets=12,"
              " repeats=3, started_ms=1795329000123, received_ms=1795329002123")
    dump = place.json("list")["dumps"][0]
    assert dump == {
        "id": 1, "name": "core-a.gz", "file": "core-a.gz", "path": place.path("core-a.gz"),
        "state": "complete", "reason": "", "format": "gzip+elf", "bytes": len(data),
        "peer": "10.0.40.7", "peer_port": 1069, "protocol": "kdp",
        "started_at": "2026-11-22T06:30:00.123Z", "received_at": "2026-11-22T06:30:02.123Z",
        "sha256": sha256(data), "missing": [], "group": None, "title": None, "os": None,
        "kernel": None, "host": None}, dump
    info = place.json("info", "1")
    assert info["packets"] == 12 and info["repeats"] == 3
    assert info["open"] == "panicctl debug 1" and info["pack"] == "panicctl pack 1"
    page = place.run("info")
    for part in ("Dump 1: complete", sha256(data), "10.0.40.7 port 1069", "in 2.0 s",
                 "12, of which 3", "gzip+elf: an ELF core, compressed with gzip",
                 "panicctl debug 1", "2026-11-22 06:30:02 UTC"):
        assert part in page, (part, page)
    table = place.run("list")
    assert re.search(r"^ *1 complete +2026-11-22 06:30:02 UTC 10\.0\.40\.7 .* core-a\.gz", table,
                     re.M), table


@test
def finds_a_dump_by_number_name_file_and_latest(place):
    for i in range(3):
        place.put(f"core-{i}", bytes([65 + i]))
    place.settle()
    numbers = {d["name"]: d["id"] for d in place.json("list")["dumps"]}
    assert place.json("info", "core-1")["id"] == numbers["core-1"]
    assert place.json("info", str(numbers["core-0"]))["name"] == "core-0"
    assert place.json("info")["id"] == place.json("info", "latest")["id"] == 3
    place.run("info", "99", code=2)
    assert '"99"' in place.err and "panicctl list" in place.err


@test
def escapes_names_from_outside_on_the_terminal_and_in_json(place):
    place.put("x", b"abc")
    place.settle()
    place.sql("UPDATE dump SET name=?", b"a\x1b[31m\xc2\x9b\xe2\x80\xae\xff\n\"")
    for args in (["list"], ["info"], ["list", "--json"], ["info", "--json"]):
        out = place.run(*args, binary=True)
        assert b"\x1b" not in out and b"\x9b" not in out and b"\xe2\x80\xae" not in out, out
    assert "\\x1b" in place.run("list") and "\\xff" in place.json("list")["dumps"][0]["name"]


@test
def shows_transfers_that_wait_for_a_server(place):
    place.put("core-a.part", b"12345")
    place.put("core-b", b"abc")
    dumps = place.json("list")["dumps"]
    assert [d["id"] for d in dumps] == [1, None]
    assert dumps[1]["name"] == "core-a" and dumps[1]["bytes"] == 5
    assert dumps[1]["state"] == "receiving" and dumps[1]["reason"].startswith("no server is running")
    assert os.path.exists(place.path("core-a.part"))


@test
def merges_what_arrives_into_the_list(place):
    place.put("core-a", b"abc")
    place.settle()
    place.put("core-b.part", b"12")
    with Server(place, [transfer(2, "core-b", 77), transfer(1, "core-a")]):
        dumps = place.json("list")["dumps"]
        assert [(d["id"], d["state"]) for d in dumps] == [(1, "complete"), (2, "receiving")]
        assert dumps[1]["bytes"] == 77 and dumps[1]["rate"] == 500 and dumps[1]["peer_port"] == 1069
        assert dumps[1]["started_at"] == "2026-11-22T06:30:00.123Z"
        assert dumps[1]["received_at"] is None
        assert place.json("info", "2")["name"] == "core-b"
        place.run("verify", "core-b", code=2)
        assert "arriving" in place.err
        place.run("export", "2", code=2)
        place.run("rm", "2", code=2)
        assert os.path.exists(place.path("core-b.part"))


@test
def waits_for_the_verdict_on_a_dump_that_has_just_ended(place):
    place.put("core-a", b"abc")
    place.run("list")

    def check():
        time.sleep(0.4)
        place.sql("UPDATE dump SET state='complete', checked=1, sha256='%064d', format='data'" % 5)

    for args in (["list"], ["info"], ["info", "latest"]):
        place.sql("UPDATE dump SET state='receiving', checked=0, sha256=''")
        with Server(place):
            checker = threading.Thread(target=check)
            checker.start()
            got = place.json(*args)
            checker.join()
            got = got["dumps"][0] if "dumps" in got else got
            assert got["state"] == "complete" and got["sha256"] == "%064d" % 5, got


# ---- status ----


@test
def answers_no_when_nobody_listens_and_says_how_to_start(place):
    assert "panicd PanicDumps" in place.run("status", code=1)
    status = place.json("status", code=1)
    assert status["listening"] is False and status["server"] is None
    assert place.json("-D", "nowhere", "status", code=1)["listening"] is False
    server = Server(place)
    server.stop()  # the socket of a server that was killed
    assert place.json("status", code=1)["listening"] is False


@test
def says_where_the_server_listens_and_what_arrives(place):
    place.put("core-a", b"abc")
    place.settle()
    with Server(place, [transfer(2, "core-b")]):
        text = place.run("status")
        for part in ("panicd 9.9 is listening", "process 4711, since 2026-11-22 06:30:00 UTC", "0.0.0.0 port 1069 (kdp)",
                     "7 complete, 2 incomplete, 5.0 MiB; 3 refused", "arriving   1", "core-b",
                     "core-a", "1.0 GiB of it stay free"):
            assert part in text, (part, text)
        status = place.json("status")
        assert status["listening"] is True and status["server"]["future"] == {"field": 1}
        assert [t["id"] for t in status["transfers"]] == [2]
        assert [d["id"] for d in status["dumps"]] == [1]


# ---- verify ----


@test
def verifies_whole_dumps_and_takes_the_verdict_into_the_catalog(place):
    core = elf_core(50000)
    place.put("core-a", core)
    place.put("core-b.gz", gzip.compress(core))
    dumps = place.settle()
    assert dumps["core-a"]["state"] == dumps["core-b.gz"]["state"] == "complete"
    assert dumps["core-a"]["sha256"] == sha256(core) and dumps["core-a"]["format"] == "elf"
    assert "complete" in place.run("verify", "core-a")
    assert "as received" in place.run("verify", "core-a")
    got = place.json("verify", "core-b.gz")
    assert got["verdict"] == "complete" and got["content_bytes"] == len(core)


@test
def says_of_a_cut_core_what_is_missing(place):
    place.put("core-a", elf_core(50000)[:20000])
    place.run("list")
    got = place.json("verify", "1", code=1)
    assert got["verdict"] == "incomplete" and got["missing"] == [{"start": 20000, "end": 50000}]
    dump = place.json("list")["dumps"][0]
    assert dump["state"] == "incomplete" and dump["file"] == "core-a.incomplete"
    assert dump["missing"] == [{"start": 20000, "end": 50000}]
    assert "missing    bytes 20000 to 49999" in place.run("info")
    assert "missing    bytes 20000 to 49999" in place.run("verify", "latest", code=1)


@test
def says_where_compressed_data_is_damaged(place):
    data = bytearray(gzip.compress(random.Random(1).randbytes(5000)))
    data[-8] ^= 1
    place.put("core-a.gz", bytes(data))
    got = place.json("verify", place.path("core-a.gz"), code=1)
    assert got["verdict"] == "corrupt" and got["offset"] == len(data) - 4 and got["id"] is None
    assert f"damaged    at byte {len(data) - 4}" in place.run("verify", place.path("core-a.gz"), code=1)


@test
def finds_a_dump_corrupt_that_is_not_what_was_received(place):
    place.put("core-a", b"abc")
    place.settle()
    place.put("core-a", b"abd")
    got = place.json("verify", "1", code=1)
    assert got["verdict"] == "corrupt" and got["offset"] is None
    assert got["reason"].startswith("the file differs from what was received")
    assert got["sha256_received"] == sha256(b"abc") and got["sha256"] == sha256(b"abd")


@test
def leaves_an_incomplete_dump_incomplete_however_sound_it_looks(place):
    place.put("core-a", b"abc")
    place.settle()
    place.sql("UPDATE dump SET state='incomplete', reason='the sender fell silent',"
              " missing='[{\"start\":3,\"end\":null}]'")
    got = place.json("verify", "1", code=1)
    assert got["verdict"] == "incomplete" and got["reason"] == "the sender fell silent"
    assert got["missing"] == [{"start": 3, "end": None}]


@test
def verifies_files_that_are_no_dumps_of_the_directory(place):
    path = os.path.join(place.root, "copy")
    with open(path, "wb") as file:
        file.write(b"hello")
    assert place.json("verify", "copy")["sha256"] == sha256(b"hello")
    assert place.json("verify", "./copy")["path"] == "./copy"
    place.run("verify", "./nothing", code=2)
    place.run("verify", place.root + "/", code=2)
    assert "not a regular file" in place.err
    shutil.rmtree(place.dir)
    assert place.json("verify", "copy")["verdict"] == "complete"


# ---- export ----


@test
def exports_every_awkward_size_byte_for_byte(place):
    sizes = [0, 1, 511, 512, 513, 1405, 1406, 1407, 4096, (1 << 20) + 1]
    for size in sizes:
        place.put(f"core-{size}", random.Random(size).randbytes(size))
    place.settle()
    for size in sizes:
        out = os.path.join(place.root, "out")
        place.run("export", f"core-{size}", "-o", out, "--force")
        with open(out, "rb") as file:
            assert file.read() == random.Random(size).randbytes(size)
        assert os.stat(out).st_mode & 0o777 == 0o600
        assert place.run("export", f"core-{size}", "-o", "-", binary=True) == \
            random.Random(size).randbytes(size)


@test
def keeps_holes_and_finds_the_end_of_a_file_that_ends_in_one(place):
    with open(place.path("core-a"), "wb") as file:
        file.write(b"start")
        file.seek(64 << 20)
        file.write(b"middle")
        file.truncate(200 << 20)
    place.settle()
    place.run("export", "1", "-o", "out")
    out = os.path.join(place.root, "out")
    assert os.stat(out).st_size == 200 << 20 and os.stat(out).st_blocks * 512 < 1 << 20
    assert subprocess.run(["cmp", out, place.path("core-a")]).returncode == 0


@test
def decompresses_on_the_way_out(place):
    core = elf_core(300000) + bytes(1 << 20) + b"end"
    place.put("core-a.gz", gzip.compress(core[:70000]) + gzip.compress(core[70000:]))
    place.put("plain", b"abc")
    place.settle()
    place.run("export", "core-a.gz", "--decompress")
    with open(os.path.join(place.root, "core-a"), "rb") as file:
        assert file.read() == core
    assert os.stat(os.path.join(place.root, "core-a")).st_blocks * 512 < len(core) - (1 << 19)
    assert place.run("export", "core-a.gz", "-d", "-o", "-", binary=True) == core
    place.run("export", "plain", "-d", "-o", "plain.out")
    assert "not compressed" in place.err


@test
def names_the_output_as_the_sender_did_and_never_overwrites_unasked(place):
    place.put("core-a", b"abc")
    place.settle()
    assert "core-a: 3 B (3 bytes)" in place.run("export", "1")
    place.run("export", "1", code=2)
    assert "--force" in place.err
    place.run("export", "1", "--force")
    os.mkdir(os.path.join(place.root, "into"))
    got = place.json("export", "1", "-o", "into")
    assert got == {"id": 1, "output": "into/core-a", "bytes": 3, "complete": True}
    place.run("export", "1", "-f", "-o", place.path("core-a"), code=2)
    assert "the dump itself" in place.err
    with open(place.path("core-a"), "rb") as file:
        assert file.read() == b"abc"
    place.sql("UPDATE dump SET name=?", b"../evil")
    place.run("export", "1", "-f")
    assert not os.path.exists(os.path.join(os.path.dirname(place.root), "evil"))


@test
def exports_an_incomplete_dump_with_a_warning(place):
    noise = random.Random(2).randbytes(100000)
    data = gzip.compress(noise)
    place.put("core-a.gz", data[:50000])
    place.settle()
    place.run("export", "1", "-o", "out")
    assert "warning" in place.err and "incomplete" in place.err
    place.run("export", "1", "-d", "-o", "out2")
    assert "end too early" in place.err
    with open(os.path.join(place.root, "out2"), "rb") as file:
        got = file.read()
    assert 40000 < len(got) < len(noise) and noise.startswith(got)


@test
def stops_at_damage_and_keeps_what_comes_before(place):
    noise = random.Random(3).randbytes(100000)
    data = bytearray(gzip.compress(noise))
    data[-6] ^= 1
    place.put("core-a.gz", bytes(data))
    place.settle()
    place.run("export", "1", "-d", "-o", "out", code=1)
    assert "damaged at byte" in place.err
    with open(os.path.join(place.root, "out"), "rb") as file:
        assert file.read() == noise


@test
def removes_the_output_when_the_disk_is_full(place):
    place.put("core-a", b"abc" * 1000)
    place.settle()
    if not os.path.exists("/dev/full"):
        return
    place.run("export", "1", "-f", "-o", "/dev/full", code=2)
    assert "No space left" in place.err


# ---- rm ----


@test
def removes_file_and_row(place):
    for name in ("core-a", "core-b", "core-c"):
        place.put(name, b"abc")
    numbers = {name: d["id"] for name, d in place.settle().items()}
    assert place.json("rm", "core-a", str(numbers["core-b"])) == \
        {"removed": [numbers["core-a"], numbers["core-b"]]}
    assert [d["name"] for d in place.json("list")["dumps"]] == ["core-c"]
    assert not os.path.exists(place.path("core-a"))
    place.run("rm", "core-a", "core-c", code=2)
    assert "core-a" in place.err and not os.path.exists(place.path("core-c"))
    place.run("rm", code=2)


# ---- watch ----


def story():
    dump = {**transfer(4, "core-x", 4000), "state": "complete", "reason": ""}
    silent = {**transfer(3, "core-w"), "state": "incomplete", "reason": "the sender fell silent"}
    return [{"event": "progress", "transfer": transfer(3, "core-w")},
            {"event": "begin", "transfer": transfer(4, "core-x", 10)}, 0.2,
            {"event": "progress", "transfer": transfer(4, "core-x", 2000)},
            {"event": "refused", "peer": "10.9.9.9", "rule": "allow"},
            {"event": "what-comes-later", "some": ["thing"]},
            {"event": "complete", "dump": dump}, 0.2,
            {"event": "checked", "dump": dump},
            {"event": "incomplete", "dump": silent}, {"event": "checked", "dump": silent}]


@test
def ends_the_watch_after_the_dumps_that_were_counted(place):
    with Server(place, [], story()):
        lines = place.run("watch", "--count", "1").splitlines()
        assert [line.split()[1] for line in lines] == ["begin", "begin", "refused", "complete", "checked"]
        assert "core-x" in lines[3] and "10.0.40.7" in lines[3] and "10.9.9.9" in lines[2]
        lines = place.run("watch", "-n", "2").splitlines()
        assert "checked" in lines[4] and "complete" in lines[4]
        assert lines[5].endswith(": the sender fell silent")
        events = [json.loads(line) for line in place.run("watch", "-n2", "--json").splitlines()]
        assert events == [event for event in story() if not isinstance(event, float)]
        place.run("watch", "--count", "none", code=2)


@test
def ends_the_watch_when_nothing_arrives(place):
    with Server(place, [], []):
        assert place.run("watch", "--until-idle") == ""
    with Server(place, [transfer(3, "core-w"), transfer(4, "core-x")], story()):
        assert "fell silent" in place.run("watch", "--until-idle")
    server = Server(place, [transfer(3, "core-w")], [])  # its end was before we listened
    threading.Timer(0.5, server.transfers.clear).start()
    with server:
        place.run("watch", "--until-idle")


def bars(place, started, columns):
    """What a terminal shows of a dump that began then, of which there are five events."""
    end = {**transfer(3, "core-w", 9000), "state": "complete", "reason": ""}
    for pause in (0.2, 0.8, 3.2):   # a busy machine draws only the last of what came at once
        def at(bytes_, **more):
            return [{"event": "progress",
                     "transfer": transfer(3, "core-w", bytes_, started_at=started, **more)}, pause]
        events = [*at(10), *at(2000), *at(3000), *at(3000, idle_ms=7000),
                  *at(3000, phase="finishing"),
                  {"event": "complete", "dump": end}, {"event": "checked", "dump": end}]
        with Server(place, [], events):
            seen = on_terminal(place, "watch", "--count", "1", columns=columns).decode()
        lines = [line.removeprefix("\x1b[J") for line in re.split(r"[\r\n]+", seen)
                 if line.endswith("]")]
        if len(lines) == 5:
            break
    return lines


@test
def draws_a_bar_that_moves_while_bytes_come_on_a_terminal(place):
    now = time.time()
    for columns, began, lasts in [   # the clock may have leapt since, to either side
            (80, now - 30, r"0:[34]\d"), (120, now - 3605, r"1:00:\d\d"),
            (80, now - 359900, r"99:58:\d\d"), (80, now - 360000, "4d04h"),
            (120, 1, r"\d{5}d\d\dh"), (80, now + 3600, "")]:
        lines = bars(place, time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(began)), columns)
        assert all(len(line) < columns for line in lines), lines
        assert all(re.search(rf" core-w .*(B/s|silent|finishing) +{lasts}  \[", line)
                   for line in lines), lines
        assert ("10.0.40.7" in lines[0]) == (columns == 120), lines
        assert [line[-12:] for line in lines] == [
            "[===       ]", "[ ===      ]", "[  ===     ]", "[  ===     ]", "[==========]"], lines
        for line, words in zip(lines, ("10 B 500 B/s", "1.9 KiB 500 B/s", "2.9 KiB 500 B/s",
                                       "2.9 KiB 7s silent", "2.9 KiB finishing")):
            assert words in " ".join(line.split()), lines


@test
def says_that_there_is_nothing_to_watch_without_a_server(place):
    place.run("watch", code=2)
    assert "panicd PanicDumps" in place.err


# ---- manners ----


@test
def fits_the_help_of_every_verb_on_a_screen(place):
    for args in [["help"], *[[verb, "--help"] for verb in VERBS]]:
        lines = place.run(*args).splitlines()
        assert len(lines) <= 24 and max(map(len, lines)) <= 80, args
    assert place.run("help", "list") == place.run("list", "--help")
    assert place.run("--version").startswith("panicctl ")


@test
def answers_two_to_what_it_does_not_understand(place):
    for args in ([], ["frob"], ["list", "--frob"], ["list", "x"], ["info", "1", "2"], ["verify"],
                 ["export"], ["help", "frob"], ["--frob"]):
        place.run(*args, code=2)
        assert "panicctl" in place.err, args


@test
def colours_only_a_terminal_that_wants_it(place):
    place.put("core-a", b"abc")
    place.settle()
    assert b"\x1b[" in on_terminal(place, "list")
    assert b"\x1b[32mcomplete" in on_terminal(place, "info")
    for env in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        for verb in ("list", "info", "status"):
            assert b"\x1b" not in on_terminal(place, verb, **env)
    assert "\x1b" not in place.run("list")
    with Server(place, [], story()):
        drawn = on_terminal(place, "watch", "-n1")
        assert b"core-x" in drawn and b"\x1b[2A" in drawn
        assert b"\x1b" not in on_terminal(place, "watch", "-n1", TERM="dumb")


@test
def refuses_to_pour_a_dump_over_a_terminal(place):
    place.put("core-a", b"abc")
    place.settle()
    assert b"nothing for a terminal" in on_terminal(place, "export", "1", "-o", "-")


@test
def no_file_name_steers_the_terminal_from_an_error(place):
    name = "./\x1b]0;x\x07\x1b[2J\nline"
    for verb in ("info", "log", "map", "debug", "verify", "export", "pack", "import", "extract"):
        place.run(verb, name, code=2)
        assert "\x1b" not in place.err and "\x07" not in place.err, (verb, place.err)
        assert "\nline" not in place.err, (verb, place.err)


sys.exit(main())
