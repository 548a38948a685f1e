#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
#
# panicctl log: the log as the catalog or a file has it, and nothing of it that steers a terminal.
# Usage: test_panicctl_log.py PANICCTL (or $PND_PANICCTL). Speaks TAP.

import os
import struct
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from panicctl_place import Server, elf_core, main, on_terminal, test, transfer

LOG = '''[    0.000000] Linux version 6.1.0
[   42.731] sysrq: "Trigger" a \\ crash\t\u00e9
[   42.732] Kernel panic - not syncing: sysrq triggered crash
'''
FACTS = {"os": "Darwin", "panic": "x", "slide": "0x0", "build_id":
         "D0A3F3F8-6D5C-3A94-8CC4-4DD7C33B7C28",
         "backtrace": [{"address": "0xffffff8000200010"}]}


def one_dump(place, log=LOG, facts=FACTS):
    place.put("core-a", elf_core(9000))
    place.settle()
    place.facts(1, facts, log if log is None else log.encode())


@test
def writes_the_log_as_it_is_with_its_newlines_tabs_quotes_and_letters(place):
    one_dump(place)
    assert place.run("log", "1") == LOG
    assert place.run("log") == LOG
    assert place.run("log", "latest", "--raw") == LOG
    assert place.json("log") == {"id": 1, "log": LOG, "cut": False}


@test
def ends_a_log_without_a_last_newline_with_one(place):
    one_dump(place, "one line")
    assert place.run("log") == "one line\n"


@test
def writes_a_log_of_sixteen_mebibytes(place):
    log = ("[    0.000000] " + "x" * 48 + "\n") * (1 << 18)
    one_dump(place, log)
    assert place.run("log") == log


@test
def escapes_what_could_steer_a_terminal_and_refuses_to_write_it_raw_there(place):
    evil = "a\x1b[2Jb\u009b31mc\u202ed\u2028e\x07\rf\n"
    one_dump(place, evil)
    for out in place.run("log", binary=True), on_terminal(place, "log"):
        for piece in b"\x1b", b"\x07", "\u009b".encode(), "\u202e".encode(), "\u2028".encode():
            assert piece not in out, out
    assert place.run("log").endswith("f\n")
    assert place.run("log", "--raw") == "a?[2Jb?31mc?d?e??f\n"  # as the facts have it: clean
    assert b"may steer a terminal" in on_terminal(place, "log", "--raw")


@test
def says_why_there_is_no_log_and_what_to_type(place):
    one_dump(place, None)
    assert place.run("log", "1", code=1) == ""
    assert place.err == ('panicctl: no log was found in 1, which is elf; "panicctl info 1" says '
                         "what is known\n"), place.err
    place.run("log", "./nothing", code=2)
    assert "./nothing" in place.err
    with Server(place, [transfer(2, "core-b", 77)]):
        place.run("log", "2", code=1)
        assert "no log has come yet of 2" in place.err and "watch" in place.err


@test
def writes_the_log_of_a_dump_that_still_arrives(place):
    one_dump(place)
    place.facts(2, FACTS, b"panic(cpu 0): x\n")
    with Server(place, [transfer(2, "core-b", 77)]):
        assert place.run("log", "core-b") == "panic(cpu 0): x\n"


@test
def says_of_symbols_that_do_not_fit_what_is_wrong(place):
    one_dump(place)
    kernel = struct.pack("<8I", 0xFEEDFACF, 0x01000007, 3, 2, 1, 24, 0, 0)
    kernel += struct.pack("<2I", 0x1B, 24) + bytes(range(16))
    place.put("../kernel", kernel)
    place.run("log", "--symbols", "kernel", code=1)
    assert "kernel" in place.err, place.err
    place.run("log", "--symbols", "nowhere", code=2)
    assert "nowhere" in place.err


@test
def takes_raw_alone(place):
    one_dump(place)
    for args in (["--raw", "--json"], ["--raw", "--symbols", "x"], ["1", "2"]):
        place.run("log", *args, code=2)
        assert "usage: panicctl log" in place.err


sys.exit(main())
