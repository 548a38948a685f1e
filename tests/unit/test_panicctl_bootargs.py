#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
#
# panicctl bootargs: what it says of a line, what it warns of, and what it writes.
# Usage: test_panicctl_bootargs.py PANICCTL (or $PND_PANICCTL). Speaks TAP.

import itertools
import json
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from panicctl_place import PANICCTL, main, on_terminal, test

GOOD = "debug=0x24c44 _panicd_ip=10.0.40.2 kdp_match_name=en0 wdt=-1"
WAITS = "waits for a debugger, for ever"


def ask(*args, codes=(0,)):
    """One answer as JSON, without a directory. Made for threads: nothing is shared."""
    done = subprocess.run([PANICCTL, "--json", "bootargs", *args], cwd="/", timeout=60,
                          stdin=subprocess.DEVNULL, capture_output=True)
    assert done.returncode in codes, (args, done.returncode, done.stderr)
    return done.returncode, json.loads(done.stdout) if done.stdout else done.stderr.decode()


def traps(line, *options):
    code, answer = ask("lint", *options, line, codes=(0, 1))
    assert code == (1 if answer["traps"] else 0), answer
    return {trap["trap"]: trap for trap in answer["traps"]}


def actions(line, *options):
    """trigger -> [(releases, machines, with a core file, text)]"""
    told = {}
    for one in ask("decode", *options, line)[1]["actions"]:
        told.setdefault(one["trigger"], []).append(
            (one["macos"], one["arch"], one["core_file"], one["text"]))
    return told


def text_of(line, trigger, release, core_file, machine="x86_64", *options):
    found = [text for macos, arch, disk, text in actions(line, *options)[trigger]
             if release in macos and machine in arch and disk == core_file]
    assert len(found) == 1, (line, trigger, release, found)
    return found[0]


# ---- decode ----


@test
def works_without_a_directory_of_dumps(place):
    place.run("-D", "/nowhere", "bootargs", "decode", "0xd44")
    assert not os.path.exists("/nowhere")


@test
def tells_why_0x104c44_sends_nothing(place):
    for trigger in ("panic", "nmi", "debugger"):
        for machine in ("x86_64", "arm64"):
            for release in ("11", "15"):
                assert text_of("0x104c44", trigger, release, True, machine) == (
                    "writes a local core, then restarts")
                assert text_of("0x104c44", trigger, release, False, machine) == (
                    "restarts: DB_REBOOT_ALWAYS (0x100000) is set")
    assert text_of("0x104c44", "panic", "10.13", True) == (
        "writes a local core; if that succeeds, restarts; else sends a core to the server; if "
        f"that succeeds, restarts; else {WAITS}")
    assert text_of("0x104c44", "panic", "10.12", True) == (
        "writes a local core, then sends a core to the server, then restarts")
    assert text_of("0x104c44", "panic", "10.6", True) == (
        "sends a core to the server, then restarts")
    assert text_of("0x104c44", "panic", "10.5", False) == f"sends a core to the server, then {WAITS}"


@test
def tells_what_0xd44_does(place):
    both = "writes a local core, then sends a core to the server, then "
    for release in ("10.11", "10.13", "10.15", "15"):
        assert text_of("0xd44", "panic", release, True) == both + WAITS
    assert text_of("0xd44", "panic", "15", False) == f"sends a core to the server, then {WAITS}"
    assert text_of("0xd44", "nmi", "15", True) == both + "goes on"
    assert text_of("0xd44", "nmi", "10.13", False) == (
        f"{WAITS}: xnu 4570 sends no core on an NMI, and stays in the debugger")


@test
def tells_what_0x24c44_does(place):
    for core_file in (True, False):
        assert text_of("0x24c44", "panic", "15", core_file) == (
            f"sends a core to the server; if that succeeds, restarts; else {WAITS}")
        assert text_of("0x24c44", "nmi", "15", core_file) == (
            "sends a core to the server; if that succeeds, restarts; else goes on")


@test
def writes_0x104c44_for_a_person(place):
    text = place.run("bootargs", "decode", "0x104c44")
    for line in ("debug=0x104c44, as xnu 11417 (macOS 15) reads it", "On a panic the machine",
                 "  macOS 10.14 and newer", "    with a core file: writes a local core, then restarts",
                 "    without one: restarts: DB_REBOOT_ALWAYS (0x100000) is set",
                 "  macOS 10.11 to 10.12", "  macOS 10.5", "  With all of that: debug=0x24c44"):
        assert line in text.splitlines(), line
    assert max(map(len, text.splitlines())) <= 80
    assert re.search(r"^0x100000 DB_REBOOT_ALWAYS +4903- +never wait", text, re.M)
    assert b"DB_REBOOT_ALWAYS" in on_terminal(place, "bootargs", "decode", "0x104c44")


@test
def says_of_every_bit_since_when_and_until_when(place):
    flags = {f["name"]: f for f in ask("decode", "0xffffffff")[1]["flags"]}
    assert flags["DB_HALT"]["since"] == 123 and flags["DB_HALT"]["effective"]
    assert (flags["DB_LOG_PI_SCRN"]["until"], flags["DB_LOG_PI_SCRN"]["effective"]) == (3789, False)
    assert flags[None]["meaning"] is None
    text = " ".join(place.run("bootargs", "decode", "0x100").split())
    assert "picture; ignored since macOS 10.13" in text
    text = " ".join(place.run("bootargs", "decode", "--xnu", "3789", "0x100000").split())
    assert "not before xnu 4903 (macOS 10.14)" in text


@test
def reads_sums_and_names_as_values(place):
    for words in (["0xd44"], ["0x544", "0x800"], ["0x544+0x800"], ["3396"],
                  ["DB_NMI|DB_ARP|DB_LOG_PI_SCRN|DB_KERN_DUMP_ON_PANIC|DB_KERN_DUMP_ON_NMI"],
                  ["nmi", "arp", "0xd00"], ["debug=0xd44"]):
        assert ask("decode", *words)[1]["debug"] == 0xd44, words


@test
def tells_each_boot_arg_and_which_it_does_not_know(place):
    answer = ask("decode", "-v", "frob=1", GOOD)[1]
    known = {a["name"]: a["known"] for a in answer["arguments"]}
    assert known == {"-v": True, "frob": False, "debug": True, "_panicd_ip": True,
                     "kdp_match_name": True, "wdt": True}
    assert "sends a core to 10.0.40.2" in text_of(GOOD, "panic", "15", True)
    assert re.search(r"^frob +1 +unknown here", place.run("bootargs", "decode", "frob=1"), re.M)


@test
def takes_a_line_as_nvram_has_it(place):
    for words in (["sudo", "nvram", f"boot-args={GOOD}"], [f'nvram boot-args="{GOOD}"'],
                  [f"boot-args\t{GOOD}"], GOOD.split()):
        assert ask("decode", *words)[1]["line"] == GOOD, words


@test
def says_where_intel_and_apple_silicon_differ(place):
    line = "debug=0xc44 _panicd_ip=10.0.40.2"
    assert "sends a core" in text_of(line, "panic", "12", False, "x86_64")
    assert text_of(line, "panic", "12", False, "arm64").startswith("stands still")
    text = place.run("bootargs", "decode", line)
    assert ", Apple silicon" in text and ", Intel" in text
    for arch in ("x86_64", "arm64"):
        assert ", Intel" not in place.run("bootargs", "decode", "--arch", arch, line)
    assert ", Intel" not in place.run("bootargs", "decode", GOOD)


@test
def says_when_there_is_nobody_to_send_to(place):
    text = "tries to send a core to nobody, as _panicd_ip= is"
    assert text_of("debug=0x24c44 kdp_match_name=en0", "panic", "15", False).startswith(
        f"{text} missing, then {WAITS}")
    assert text_of("debug=0x24c44 kdp_match_name=en0 _panicd_ip=mac", "panic", "15",
                   False).startswith(f"{text} no address")


@test
def gives_every_step_with_its_reason(place):
    steps = [a["steps"] for a in ask("decode", "--xnu", "11417", "0x24c44")[1]["actions"]
             if a["trigger"] == "panic"][0]
    assert steps["step"] == "network-core" and "0x20000" in steps["no_local_core"]
    assert steps["success"]["step"] == "restart" and "0x4000" in steps["success"]["why"]
    assert steps["failure"]["step"] == "wait"


# ---- lint ----


@test
def says_of_0x104c44_what_to_write_instead(place):
    assert place.run("bootargs", "lint", "0x104c44", code=1) == (
        "2 traps in it, as xnu 11417 (macOS 15) reads it:\n"
        "  reboot-always: DB_REBOOT_ALWAYS (0x100000) restarts the machine before any\n"
        "    dump to the network: since macOS 10.14 nothing is ever sent\n"
        "    instead: debug= without 0x100000, with 0x20000\n"
        "  local-core-first: DB_REBOOT_POST_CORE (0x4000) without DB_DISABLE_LOCAL_CORE\n"
        "    (0x20000): where a local core can be written, the machine restarts after\n"
        "    it, and nothing is sent\n"
        "    instead: debug= with 0x20000\n"
        "  With all of that: debug=0x24c44\n")


TRAPS = [  # trap, a line with it, what it says to write instead
    ("port-name", GOOD + " _panicd_port=1070", "panicd_port=1070"),
    ("reboot-always", GOOD.replace("0x24c44", "0x124c44"), "without 0x100000"),
    ("no-arp", GOOD.replace("0x24c44", "0x24c04"), "with 0x40"),
    ("obsolete", GOOD.replace("0x24c44", "0x24d44"), "without 0x100"),
    ("unknown-bit", GOOD.replace("0x24c44", "0x80024c44"), "without 0x80000000"),
    ("no-address", GOOD.replace("10.0.40.2", "mac.local"), "_panicd_ip=10.0.40.2"),
    ("no-address", GOOD + " _router_ip=1.2.3", "_router_ip=10.0.40.2"),
    ("no-server", GOOD.replace("_panicd_ip=10.0.40.2 ", ""), "_panicd_ip=10.0.40.2"),
    ("typography", f"\u201c{GOOD}\u201d", "type it anew"),
    ("typography", GOOD.replace("-1", "\u20131"), "type it anew"),
    ("typography", GOOD.replace(" wdt", "\u00a0wdt"), "type it anew"),
    ("typography", GOOD.replace(" wdt", "\nwdt"), "type it anew"),
    ("typography", GOOD + " keepsyms='1'", "type it anew"),
    ("no-interface", GOOD.replace("kdp_match_name=en0 ", ""), "kdp_match_name=en0"),
    ("corename", GOOD + " _panicd_corename=core", "leave it out"),
    ("blank", GOOD + " keepsyms =1", "keepsyms=1"),
    ("blank", GOOD + " keepsyms= 1", "keepsyms=1"),
    ("blank", GOOD + " _router_ip 10.0.40.1", "_router_ip=10.0.40.1"),
    ("local-core-first", GOOD.replace("0x24c44", "0x4c44"), "with 0x20000"),
    ("no-number", GOOD + " keepsyms=08", "without the leading 0"),
    ("no-number", GOOD.replace("0x24c44", "0X24c44"), "0x1f"),
    ("no-number", GOOD.replace("0x24c44", "DB_NMI"), "0x1f"),
    ("misspelt", GOOD + " panicd_prt=1070", "panicd_port"),
    ("misspelt", GOOD.replace("_panicd_ip", "panicd_ip"), "_panicd_ip"),
    ("misspelt", GOOD.replace("kdp_match_name", "kdp_match_nam"), "kdp_match_name"),
    ("misspelt", GOOD.replace("debug", "Debug"), "debug"),
    ("no-nmi", GOOD.replace("0x24c44", "0x24c40"), "with 0x4"),
    ("watchdog", GOOD.replace(" wdt=-1", ""), "wdt=-1"),
    ("watchdog", GOOD.replace("wdt=-1", "wdt=0"), "wdt=-1"),
    ("no-debug", GOOD.replace("debug=0x24c44 ", ""), "debug=0x24c44"),
    ("no-debug", GOOD.replace("0x24c44", "0"), "debug=0x24c44"),
    ("serial", GOOD.replace("en0", "serial"), "kdp_match_name=en0"),
    ("twice", GOOD + " _panicd_ip=10.0.40.3", "now it is _panicd_ip=10.0.40.2"),
    ("twice", GOOD + " debug=0x44", "now it is debug=0x44"),
    ("nothing-sent", GOOD.replace("0x24c44", "0x44"), "with 0x400"),
    ("port", GOOD + " panicd_port=0", "panicd_port=1069"),
    ("port", GOOD + " panicd_port=70000", "panicd_port=1069"),
]


@test
def finds_nothing_in_a_good_line(place):
    assert traps(GOOD) == {}
    assert place.run("bootargs", "lint", GOOD) == "No traps in it, as xnu 11417 (macOS 15) reads it.\n"
    for line in ("0x24c44", "0xc44", GOOD + " panicd_port=1070 keepsyms=1 -v frob=1 io=0x1",
                 GOOD + " wdt=-1", GOOD.replace("0x24c44", "0b100100110001000100")):
        assert traps(line) == {}, line


@test
def finds_every_trap_and_says_what_to_write_instead(place):
    for name, line, instead in TRAPS:
        found = traps(line)
        assert name in found, (line, found)
        assert instead in found[name]["instead"], (line, found[name])
        text = place.run("bootargs", "lint", line, code=1)
        assert f"  {name}: " in text and "    instead: " in text
        assert max(map(len, text.splitlines())) <= 80


@test
def finds_one_thing_where_one_thing_is_wrong(place):
    alone = {"port-name", "no-arp", "obsolete", "unknown-bit", "no-server", "typography",
             "no-interface", "corename", "local-core-first", "watchdog", "no-nmi", "serial", "port",
             "no-number"}
    for name, line, _ in TRAPS:
        if name in alone:
            assert set(traps(line)) == {name}, (line, set(traps(line)))


@test
def takes_no_name_for_another_that_is_far_from_it(place):
    for name in ("cpus=2", "nvme=1", "-f", "kext-dev-mode=1", "amfi=1", "rootless=0", "dart=0",
                 "serverperfmode=1", "kcsuffix=development", "debugger=1"):
        assert "misspelt" not in traps(f"{GOOD} {name}"), name


@test
def says_a_value_without_traps_that_lints_clean(place):
    for value in (0x104c44, 0xd44, 0x4c04, 0x100d00, 0x80004d40, 0x104844, 0x144):
        answer = ask("lint", hex(value), codes=(0, 1))[1]
        assert answer["traps"] and answer["debug"] == value
        assert traps(hex(answer["debug_instead"])) == {}, hex(value)
    assert ask("lint", "0x104c44", codes=(1,))[1]["debug_instead"] == 0x24c44


@test
def warns_as_the_train_has_it(place):
    assert "reboot-always" in traps("0x104c44", "--xnu", "4903")
    assert set(traps("0x104c44", "--xnu", "3789")) == {"too-new"}
    assert traps("0xd44", "--xnu", "3789") == {}
    assert "no-address" not in traps("debug=0x444 _panicd_ip=local", "--xnu", "3789")
    assert "no-address" in traps("debug=0x444 _panicd_ip=local")
    apple = traps(GOOD.replace("kdp_match_name=en0 ", ""), "--arch", "arm64")["no-interface"]
    intel = traps(GOOD.replace("kdp_match_name=en0 ", ""), "--arch", "x86_64")["no-interface"]
    assert "Apple silicon sends nothing" in apple["text"] and "Apple" not in intel["text"]


@test
def shows_what_steers_a_terminal_as_text(place):
    text = place.run("bootargs", "lint", GOOD + " _router_ip=\x1b[31m \x1b]0;x =1", code=1)
    assert "\x1b" not in text and "\\x1b" in text.lower()
    assert "\x1b" not in place.run("bootargs", "decode", GOOD + " \x1b[31m=\x1b[1m")


@test
def survives_every_cut_and_any_bytes(place):
    long = GOOD + " “x” _panicd_corename=" + "y" * 200 + " " + "z" * 900 + "=1"
    raw = long.encode()
    for length in list(range(1, 90)) + [400, len(raw)]:
        done = subprocess.run([PANICCTL.encode(), b"bootargs", b"lint", raw[:length]],
                              capture_output=True, timeout=60)
        assert done.returncode in (0, 1), (length, done)
    many = [f"panicd_por{i}" for i in range(99)]
    assert len(ask("lint", *many, codes=(1,))[1]["traps"]) == 64
    place.run("bootargs", "decode", "x" * 3000, code=2)
    assert "too long" in place.err
    place.run("bootargs", "decode", *["x"] * 300, code=2)
    assert "too many" in place.err


# ---- encode ----

SWITCHES = ["--network", "--local", "--on-panic", "--on-nmi", "--reboot", "--paniclog", "--stay",
            "--keys", "--no-gzip", "--keepsyms"]
TO = ["--server", "10.0.40.2", "--interface", "en0"]


def possible(w):
    """Written anew from the description, not from the program."""
    if not (w["--network"] or w["--local"]) or not (w["--on-panic"] or w["--on-nmi"]):
        return False
    if w["--reboot"] and w["--stay"]:
        return False
    if w["--paniclog"] and not (w["--network"] and w["--on-panic"] and not w["--reboot"]):
        return False
    if w["--network"] and w["--local"] and w["--reboot"]:
        return False
    if w["--stay"] and w["--on-nmi"] and not w["--network"]:
        return False
    return not (w["--keys"] and w["--reboot"] and not w["--network"])


def ways(steps, path=()):
    """Every way through the steps: what is done, each with whether it succeeded, and the end."""
    ends = [(path, steps["step"])] if not {"success", "failure"} & set(steps) else []
    for result in ("success", "failure"):
        if result in steps:
            ends += ways(steps[result], (*path, (steps["step"], result)))
    return ends


def wrong_way(w, trigger, path, end, machine):
    done = [step for step, _ in path]
    asked = w["--on-panic"] if trigger == "panic" else w["--on-nmi"]
    sent = "network-log" if trigger == "panic" and w["--paniclog"] else "network-core"
    restarts = w["--reboot"] and any(result == "success" for _, result in path)
    if not asked:
        return None
    if w["--local"] and done[:1] != ["local-core"]:
        return "no local core first"
    if not w["--local"] and "local-core" in done:
        return "a local core that nobody wants"
    if w["--network"] and sent not in done:
        return f"no {sent}"
    if not w["--network"] and any(r == "success" for s, r in path if s.startswith("network")):
        return "something was sent"
    if restarts and end != "restart":
        return "no restart after a success"
    if not w["--reboot"] and end == "restart" and (w["--stay"] or w["--network"]):
        return "a restart that nobody wants"
    if w["--stay"] and end not in (("wait", "stand") if w["--local"] else ("wait",)):
        return f"{end} instead of staying"
    return None


def judge(chosen):
    w = {switch: switch in chosen for switch in SWITCHES}
    to = TO if w["--network"] else []
    code, answer = ask("encode", *chosen, *to, codes=(0, 2))
    if (code == 0) != possible(w):
        return f"{chosen}: exit {code}"
    if code:
        return None if re.search(r"--\w", answer) else f"{chosen}: {answer}"
    found = traps(answer["line"])
    if found:
        return f"{answer['line']}: {found}"
    decoded = ask("decode", "--xnu", "11417", answer["line"])[1]
    if decoded["debug"] != answer["debug"]:
        return f"{answer['line']}: decoded as {decoded['debug']:#x}"
    names = {f["name"] for f in decoded["flags"]}
    if names != set(answer["flags"]) or not all(f["effective"] for f in decoded["flags"]):
        return f"{answer['line']}: {names}"
    if (w["--keys"], w["--no-gzip"]) != ("DB_KDP_GETC_ENA" in names,
                                         "DB_DISABLE_GZIP_CORE" in names):
        return f"{answer['line']}: keys or gzip"
    if w["--keepsyms"] != ("keepsyms=1" in answer["line"].split()):
        return f"{answer['line']}: keepsyms"
    for action in decoded["actions"]:
        if action["trigger"] == "debugger" or not action["core_file"]:
            continue
        for path, end in ways(action["steps"]):
            wrong = wrong_way(w, action["trigger"], path, end, action["arch"])
            if wrong:
                return f"{answer['line']} {chosen} {action['trigger']} {path} {end}: {wrong}"
    return None


@test
def encodes_every_combination_or_says_why_not(place):
    all_of_them = [[s for s, on in zip(SWITCHES, bits) if on]
                   for bits in itertools.product((0, 1), repeat=len(SWITCHES))]
    with ThreadPoolExecutor(4) as pool:
        wrong = [w for w in pool.map(judge, all_of_them) if w]
    assert not wrong, (len(wrong), wrong[:3])


@test
def writes_the_line_first_and_the_sum_with_its_names(place):
    text = place.run("bootargs", "encode", "--network", "--on-panic", "--on-nmi", "--reboot", *TO)
    assert text.splitlines()[0] == GOOD
    assert " ".join(text.splitlines()[2:]).replace("    ", "") == (
        "0x24c44 = DB_NMI 0x4 + DB_ARP 0x40 + DB_KERN_DUMP_ON_PANIC 0x400 + "
        "DB_KERN_DUMP_ON_NMI 0x800 + DB_REBOOT_POST_CORE 0x4000 + DB_DISABLE_LOCAL_CORE 0x20000")
    stay = ["--local", "--on-nmi", "--stay", "--arch", "x86_64"]
    assert place.run("bootargs", "encode", *stay).splitlines()[0] == "debug=0x1804 wdt=-1"
    assert text_of("debug=0x1804 wdt=-1", "nmi", "15", True) == (
        "writes a local core, then tries to send a core to nobody, as _panicd_ip= is missing, "
        f"then {WAITS}")
    line = place.run("bootargs", "encode", "--network", "--on-panic", "--port", "1070", *TO)
    assert line.splitlines()[0] == (
        "debug=0x20440 _panicd_ip=10.0.40.2 kdp_match_name=en0 panicd_port=1070")


@test
def says_why_it_cannot_encode(place):
    for args, why in (
            (["--local", "--on-panic", "--reboot", "--stay"], "exclude each other"),
            (["--network", "--local", "--on-panic", "--reboot", *TO], "sends nothing"),
            (["--network", "--on-panic", "--paniclog", "--reboot", *TO], "only a core"),
            (["--network", "--on-panic"], "--server 10.0.40.2"),
            (["--network", "--on-panic", "--server", "10.0.40.2"], "--interface en0"),
            (["--network", "--on-panic", "--server", "mac", "--interface", "en0"], "four decimal"),
            (["--network", "--on-panic", "--server", "10.0.40.2", "--interface", "en 0"], "ifconfig"),
            (["--local", "--on-panic", "--port", "1070"], "need --network"),
            (["--network", "--on-panic", "--port", "0", *TO], "1 to 65535"),
            (["--local", "--on-panic", "--xnu", "2782"], "10.11"),
            (["--network", "--on-nmi", "--xnu", "4570", *TO], "10.13"),
            (["--network", "--on-panic", "--no-gzip", "--xnu", "3247", *TO], "10.12"),
            (["--network", "--on-panic", "--reboot", "--xnu", "1228", *TO], "10.6"),
            (["--network"], "--on-panic"), (["--on-nmi"], "--local"), (["frob"], "frob")):
        place.run("bootargs", "encode", *args, code=2)
        assert why in place.err, (args, place.err)


@test
def encodes_for_every_train_what_lints_clean_there(place):
    for xnu in (1228, 1699, 2782, 3247, 3789, 4570, 4903, 8019, 11417):
        for switches in (["--on-panic"], ["--on-nmi"], ["--on-panic", "--reboot"],
                         ["--on-panic", "--paniclog", "--stay", "--keys"]):
            code, answer = ask("encode", "--network", *switches, *TO, "--xnu", str(xnu),
                               codes=(0, 2))
            assert code == 0 or xnu < 1456 or xnu == 4570, answer
            if code == 0:
                assert traps(answer["line"], "--xnu", str(xnu)) == {}, (xnu, answer)


# ---- manners ----


@test
def answers_two_to_what_it_does_not_understand(place):
    for args in ([], ["frob"], ["decode"], ["lint"], ["encode"], ["decode", "--frob", "0x44"],
                 ["decode", "--xnu", "x", "1"], ["lint", "--arch", "ppc", "1"],
                 ["lint", "--xnu", "99999", "1"], ["lint", "--xnu"]):
        place.run("bootargs", *args, code=2)
        assert "panicctl" in place.err, args
    for args in (["--help"], ["decode", "--help"], ["lint", "-h"], ["encode", "--help"]):
        lines = place.run("bootargs", *args).splitlines()
        assert len(lines) <= 24 and max(map(len, lines)) <= 80, args


@test
def takes_options_before_and_behind_the_line(place):
    for args in (["--json", "lint", "0xd44"], ["lint", "--json", "0xd44"],
                 ["lint", "0xd44", "--json"]):
        assert json.loads(place.run("bootargs", *args, code=1))["debug"] == 0xd44


sys.exit(main())
