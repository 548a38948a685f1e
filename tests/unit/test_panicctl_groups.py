#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
#
# panicctl groups, note and list --group. What a dump is about is said by put-facts, through the
# real store. Usage: test_panicctl_groups.py PANICCTL PUT-FACTS. Speaks TAP.

import os
import sqlite3
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from panicctl_place import Server, main, on_terminal, test

PUT_FACTS = os.path.abspath(sys.argv[2])
DAY = 86400_000
START = 1795329000123  # 2026-11-22T06:30:00.123Z
TRAP = "Kernel trap at 0xffffff80123%05x, type 14=page fault, registers:\nCR0: 0x0"
TITLE = "Kernel trap, type 14=page fault in [com.apple.driver.AppleHDA]"


def put(place, number, *facts, peer="10.0.40.7", when=START):
    """A dump that was checked, and what is known of it."""
    place.put(f"core-{number}", b"x" * number)
    place.sql("INSERT INTO dump VALUES (?, ?, ?, 'complete', 1, '', 'data', '', ?, ?, 1069, 'kdp',"
              " ?, ?, 1, 0, '[]')", number, f"core-{number}".encode(), f"core-{number}".encode(),
              number, peer, when, when)
    if facts:
        done = subprocess.run([PUT_FACTS, place.dir, str(number), *facts], capture_output=True,
                              text=True)
        assert done.returncode == 0, done.stderr


def three(place):
    """Two machines with one panic, one with another, in order of time 2, 1, 3."""
    place.run("list")
    put(place, 1, "os=macOS", "kernel=xnu-8020.101.4", "panic=" + TRAP % 1,
        "module=com.apple.driver.AppleHDA", "host=studio", when=START + DAY)
    put(place, 2, "os=macOS", "kernel=xnu-8020.121.3", "panic=" + TRAP % 2,
        "module=com.apple.driver.AppleHDA", when=START)
    put(place, 3, "os=Linux", "kernel=6.1.0-56", "panic=sysrq triggered crash", peer="10.0.40.9",
        when=START + 2 * DAY)


@test
def says_that_nothing_is_known_yet_and_what_to_start(place):
    assert place.run("groups") == f"No panic is known in {place.dir} yet.\n"
    assert place.json("groups") == {"groups": []}
    put(place, 1)
    assert place.run("groups").splitlines()[1] == \
        "1 dump has not been read yet: start panicd, which does."
    place.run("groups", "1", code=2)
    assert "dump 1 is in no group" in place.err


@test
def lists_groups_newest_last(place):
    three(place)
    hda, sysrq = place.json("groups")["groups"]
    assert hda == {
        "group": hda["group"], "title": TITLE, "count": 2, "machines": 2, "kept": 2,
        "first_seen": "2026-11-22T06:30:00.123Z", "last_seen": "2026-11-23T06:30:00.123Z",
        "first_id": 2, "last_id": 1, "note": None}, hda
    assert len(hda["group"]) == 12 and set(hda["group"]) <= set("0123456789abcdef")
    assert sysrq["title"] == "sysrq triggered crash" and sysrq["count"] == 1
    lines = place.run("groups").splitlines()
    assert lines[0].split() == ["GROUP", "SEEN", "KEPT", "MACHINES", "LAST", "SEEN", "PANIC", "NOTE"]
    assert [line[:12] for line in lines[1:]] == [hda["group"], sysrq["group"]]
    assert TITLE in lines[1] and "2026-11-23 06:30:00 UTC" in lines[1]


@test
def shows_one_group_with_its_machines(place):
    three(place)
    group = place.json("groups")["groups"][0]
    got = place.json("groups", group["group"])
    assert got.pop("sightings") == [
        {"id": 2, "seen_at": "2026-11-22T06:30:00.123Z", "machine": "10.0.40.7",
         "kernel": "xnu-8020.121.3", "kept": True},
        {"id": 1, "seen_at": "2026-11-23T06:30:00.123Z", "machine": "studio",
         "kernel": "xnu-8020.101.4", "kept": True}]
    assert got == group
    for name in (group["group"], group["group"][:5], "1", "2", "core-1", "core-2"):
        assert place.json("groups", name)["group"] == group["group"], name
    page = place.run("groups", "core-1")
    for part in (f"Group {group['group']}: 2 dumps of 2 machines, 2 still there", TITLE,
                 "first      2026-11-22 06:30:00 UTC, dump 2", "last       2026-11-23",
                 f"panicctl note {group['group']} TEXT", "studio"):
        assert part in page, (part, page)
    place.run("groups", "beef", code=2)
    assert "panicctl groups" in place.err
    place.run("groups", "1", "2", code=2)


@test
def remembers_dumps_that_were_removed(place):
    three(place)
    place.run("rm", "1", "2")
    group = place.json("groups")["groups"][0]
    assert group["count"] == 2 and group["kept"] == 0
    page = place.run("groups", "1")
    assert page.count("removed") == 2 and "0 still there" in page
    assert place.run("list", "--group", "1") == "All dumps of that group have been removed.\n"


@test
def attaches_a_note_and_takes_it_away(place):
    three(place)
    group = place.json("groups")["groups"][0]["group"]
    assert "has no note" in place.run("note", "1", code=1)
    assert place.json("note", "1", code=1)["note"] is None
    assert place.run("note", "1", "fixed in", "10.15.5\tbeta 4") == \
        f"group {group}: fixed in 10.15.5 beta 4\n"
    assert place.run("note", group) == "fixed in 10.15.5 beta 4\n"
    assert place.json("note", "core-2") == {"group": group, "title": TITLE,
                                            "note": "fixed in 10.15.5 beta 4"}
    assert "note       fixed in 10.15.5 beta 4" in place.run("groups", "2")
    assert "fixed in 10.15.5 beta 4" in place.run("groups")
    assert place.run("note", "2", "--remove") == f"group {group}: the note is gone\n"
    assert place.json("groups", group)["note"] is None


@test
def refuses_a_note_that_cannot_be_kept(place):
    three(place)
    place.run("note", "1", "x" * 1024, code=2)
    assert "1023" in place.err
    place.run("note", "1", "x" * 5000, code=2)
    place.run("note", "1", "x" * 1023)
    place.run("note", "1", " \n", code=2)
    assert "--remove" in place.err
    place.run("note", "1", "x", "--remove", code=2)
    place.run("note", code=2)
    place.run("note", "77", "x", code=2)
    place.run("note", "1", b"\xff".decode(errors="surrogateescape"), code=2)
    assert "UTF-8" in place.err


@test
def shows_of_each_dump_its_group_and_lists_by_it(place):
    three(place)
    dumps = place.json("list")["dumps"]
    assert [(d["os"], d["kernel"], d["title"]) for d in dumps] == [
        ("macOS", "xnu-8020.101.4", TITLE), ("macOS", "xnu-8020.121.3", TITLE),
        ("Linux", "6.1.0-56", "sysrq triggered crash")]
    assert dumps[0]["group"] == dumps[1]["group"] != dumps[2]["group"]
    assert [d["id"] for d in place.json("list", "--group", dumps[0]["group"])["dumps"]] == [1, 2]
    assert [d["id"] for d in place.json("list", "--group=3")["dumps"]] == [3]
    place.run("list", "--group", "beef", code=2)


@test
def shows_the_group_where_the_terminal_is_wide_and_changes_nothing_elsewhere(place):
    three(place)
    group = place.json("groups")["groups"][0]["group"]
    wide = on_terminal(place, "list", columns=180).decode()
    assert group in wide and "PANIC" in wide and "sysrq triggered crash" in wide, wide
    for narrow in (on_terminal(place, "list", columns=100).decode(), place.run("list")):
        assert group not in narrow and "PANIC" not in narrow, narrow


@test
def escapes_what_came_from_outside(place):
    place.run("list")
    put(place, 1, "panic=a \u202e\u009b31m b", "host=h\u202e", "kernel=k\u202e", "os=o\u202e")
    place.run("note", "1", "n\u202e\x1b[31m")
    for args in (["groups"], ["groups", "1"], ["note", "1"], ["list"], ["groups", "--json"],
                 ["groups", "1", "--json"], ["list", "--json"], ["note", "1", "--json"]):
        out = place.run(*args, binary=True)
        assert b"\xe2\x80\xae" not in out and b"\x1b" not in out and b"\xc2\x9b" not in out, out


@test
def says_less_about_a_catalog_of_an_older_panicd_and_changes_it_only_to_write(place):
    place.put("core-a", b"abc")
    place.settle()
    for name in ("facts", "facts_log", "sighting", "note"):
        place.sql("DROP TABLE " + name)
    place.sql("DROP TRIGGER facts_go_with_their_dump")
    place.sql("PRAGMA user_version = 1")
    assert [d["group"] for d in place.json("list")["dumps"]] == [None]
    assert "start panicd" in place.run("groups")
    assert place.json("info", "1")["id"] == 1

    def version():
        db = sqlite3.connect(place.path(".panicd/catalog.db"))
        number = db.execute("PRAGMA user_version").fetchone()[0]
        db.close()
        return number

    assert version() == 1
    place.run("note", "1", "x", code=2)
    assert version() == 2
    place.sql("PRAGMA user_version = 3")
    place.run("groups", code=2)
    assert "newer panicd" in place.err


@test
def says_of_a_new_arrival_that_it_is_known(place):
    def checked(number, **more):
        return {"event": "checked", "dump": {
            "id": number, "name": f"core-{number}", "file": f"core-{number}", "state": "complete",
            "reason": "", "bytes": 5, "peer": "10.0.40.7", **more}}

    story = [checked(1, group=None),
             checked(2, group="0123456789ab", title="zone map\u202e exhausted", seen=1, machines=1,
                     first_seen="2026-11-22T06:30:00.123Z", note=None),
             checked(3, group="0123456789ab", title="zone map exhausted", seen=4, machines=2,
                     first_seen="2026-11-22T06:30:00.123Z", note="fixed in\x1b 10.15.5"),
             checked(4, group="0123456789ab", title="zone map exhausted", seen=2, machines=1,
                     first_seen="2026-11-22T06:30:00.123Z", note=None),
             {"event": "complete", "dump": {"id": 4, "name": "x", "bytes": 1}},
             checked(4, group=None), checked(5, group=None)]
    with Server(place, [], story):
        lines = place.run("watch", "-n1").splitlines()
    assert "checked     1" in lines[0] and "checked     2" in lines[1], lines
    assert lines[2] == "          a panic not seen before: zone map\\xe2\\x80\\xae exhausted", lines
    assert lines[4] == "          same panic as 3 others since 2026-11-22 06:30:00 UTC, on 2 " \
        "machines: zone map exhausted; note: fixed in\\x1b 10.15.5", lines
    assert lines[6] == "          same panic as 1 other since 2026-11-22 06:30:00 UTC: zone map " \
        "exhausted", lines
    assert len(lines) == 9


sys.exit(main())
