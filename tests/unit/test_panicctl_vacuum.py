#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
#
# panicctl vacuum: what goes and what stays. What a dump is about is said by put-facts, through the
# real store. Usage: test_panicctl_vacuum.py PANICCTL PUT-FACTS. Speaks TAP.

import os
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from panicctl_place import main, test

PUT_FACTS = os.path.abspath(sys.argv[2])
DAY = 86400_000
NOW = int(time.time() * 1000)


def put(place, number, panic, days=0, state="complete", checked=1, size=100, read=True):
    name = f"core-{number}" + (".incomplete" if state == "incomplete" else "")
    place.put(name, b"x" * size)
    when = NOW - days * DAY
    place.sql("INSERT INTO dump VALUES (?, ?, ?, ?, ?, '', 'data', '', ?, '10.0.40.7', 1069, 'kdp',"
              " ?, ?, 1, 0, '[]')", number, name.encode(), f"core-{number}".encode(), state, checked,
              size, when, when)
    if read:
        done = subprocess.run([PUT_FACTS, place.dir, str(number), f"panic={panic}"])
        assert done.returncode == 0


def left(place):
    """The ids of the list, whose files are all there, and no others."""
    dumps = place.json("list")["dumps"]
    assert sorted(d["file"] for d in dumps) == \
        sorted(n for n in os.listdir(place.dir) if not n.startswith(".")), dumps
    return [d["id"] for d in dumps]


def ten(place):
    """One group of ten dumps, one a day, the newest is the tenth."""
    place.run("list")
    for number in range(1, 11):
        put(place, number, "zone map exhausted", days=10 - number)


@test
def refuses_to_run_without_a_limit(place):
    ten(place)
    place.run("vacuum", code=2)
    assert "--older-than 90d" in place.err and "usage:" in place.err
    for args in (["--keep", "x"], ["--older-than", "90"], ["--bytes", "-1"], ["--keep", "1", "2"]):
        place.run("vacuum", *args, code=2)
    assert len(left(place)) == 10


@test
def removes_the_oldest_but_the_first_and_the_last_of_a_group(place):
    ten(place)
    lines = place.run("vacuum", "--keep", "4").splitlines()
    assert lines[0] == "removed dump 2  100 B  core-2  more than 4 dumps"
    assert lines[-1] == "6 dumps, 600 B freed; 4, 400 B stay"
    assert left(place) == [1, 8, 9, 10]
    group = place.json("groups")["groups"][0]
    assert group["count"] == 10 and group["kept"] == 4


@test
def says_what_would_go_and_touches_nothing(place):
    ten(place)
    text = place.run("vacuum", "--keep=4", "--dry-run")
    assert "would remove dump 2  100 B" in text and "600 B would be freed; 4, 400 B stay" in text
    got = place.json("vacuum", "--keep=4", "-n")
    assert [r["id"] for r in got["removed"]] == [2, 3, 4, 5, 6, 7] and got["dry_run"] is True
    assert len(left(place)) == 10


@test
def keeps_within_an_age_and_within_bytes(place):
    ten(place)
    got = place.json("vacuum", "--older-than", "132h")
    assert [(r["id"], r["why"]) for r in got["removed"]] == [(n, "age") for n in (2, 3, 4)]
    assert got["within"] is True and got["old"] == 1  # the first of its group may be old
    got = place.json("vacuum", "--bytes", "500")
    assert [(r["id"], r["why"]) for r in got["removed"]] == [(n, "bytes") for n in (5, 6)]
    assert got == {"removed": [{"id": n, "file": f"core-{n}", "bytes": 100, "why": "bytes",
                                "group": place.json("groups")["groups"][0]["group"]} for n in (5, 6)],
                   "freed": 200, "kept": 5, "kept_bytes": 500, "old": 0, "dry_run": False,
                   "within": True,
                   "must_stay": {"unchecked": 0, "unread": 0, "first": 1, "last": 1, "whole": 0}}
    assert left(place) == [1, 7, 8, 9, 10]


@test
def keeps_every_limit_that_is_given(place):
    ten(place)
    got = place.json("vacuum", "--older-than", "204h", "--keep", "8", "--bytes", "600")
    assert [(r["id"], r["why"]) for r in got["removed"]] == [
        (2, "count"), (3, "count"), (4, "bytes"), (5, "bytes")], got
    assert left(place) == [1, 6, 7, 8, 9, 10]


@test
def answers_no_when_what_has_to_stay_is_too_much(place):
    ten(place)
    put(place, 11, "another", days=50)
    text = place.run("vacuum", "--keep", "1", code=1)
    assert left(place) == [1, 10, 11]
    assert text.endswith("What has to stay is more than that:\n  2 the first of their group\n"
                         "  1 the last of their group\n"), text
    text = place.run("vacuum", "--older-than", "36h")
    assert text.endswith("0 dumps, 0 B freed; 3, 300 B stay, 2 of them older than 36h\n"), text
    assert place.json("vacuum", "--bytes=300")["within"] is True


@test
def lets_incomplete_dumps_go_first_and_keeps_a_complete_one(place):
    place.run("list")
    for number, state in enumerate(("incomplete", "complete", "incomplete", "complete",
                                    "incomplete", "incomplete"), 1):
        put(place, number, "zone map exhausted", days=10 - number, state=state)
    got = place.json("vacuum", "--keep", "4")
    assert [r["id"] for r in got["removed"]] == [3, 5]
    assert left(place) == [1, 2, 4, 6]
    place.run("vacuum", "--keep", "0", code=1)
    assert left(place) == [1, 4, 6]  # the first, the last, the last complete one


@test
def never_touches_what_is_unchecked_unread_or_arriving(place):
    place.run("list")
    put(place, 1, "", days=99, read=False)
    put(place, 2, "", days=98, state="receiving", checked=0, read=False)
    place.put("core-9.part", b"12345")
    text = place.run("vacuum", "--keep", "0", code=1)
    assert "1 not checked yet" in text and "1 not read yet (start panicd, which does)" in text
    assert os.path.exists(place.path("core-9.part"))
    assert os.path.exists(place.path("core-1")) and os.path.exists(place.path("core-2"))


@test
def lets_go_by_age_what_belongs_to_no_group(place):
    place.run("list")
    for number in (1, 2, 3):
        put(place, number, "", days=10 * (4 - number))
    got = place.json("vacuum", "--older-than", "15d")
    assert [r["id"] for r in got["removed"]] == [1, 2] and got["removed"][0]["group"] is None
    assert got["within"] is True and left(place) == [3]


@test
def goes_on_where_somebody_else_removed_a_file(place):
    ten(place)
    os.unlink(place.path("core-2"))
    assert "removed dump 2" in place.run("vacuum", "--keep", "9")
    assert left(place) == [1, 3, 4, 5, 6, 7, 8, 9, 10]


@test
def has_nothing_to_do_in_an_empty_directory(place):
    assert place.run("vacuum", "--keep", "0") == "0 dumps, 0 B freed; 0, 0 B stay\n"


sys.exit(main())
