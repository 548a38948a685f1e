#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
#
# panicctl setup: what it tells people to type, and that it can be typed.
# Usage: test_panicctl_setup.py PANICCTL PANICDUMP. Speaks TAP.

import functools
import itertools
import json
import os
import re
import shlex
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from panicctl_place import PANICCTL, main, test

RELEASES = {"10.5": 1228, "10.6": 1456, "10.7": 1699, "10.8": 2050, "10.9": 2422, "10.10": 2782,
            "10.11": 3247, "10.12": 3789, "10.13": 4570, "10.14": 4903, "10.15": 6153, "11": 7195,
            "12": 8019, "13": 8792, "14": 10002, "15": 11215}
TO = ["--server", "10.0.40.2", "--interface", "en0"]
FROM = ["--client", "10.0.40.7"]
PANICDUMP = sys.argv[2]


def panicctl(*args):
    """Made for threads: nothing is shared."""
    return subprocess.run([PANICCTL, *args], cwd="/", timeout=60, stdin=subprocess.DEVNULL,
                          capture_output=True, text=True)


def setup(*args):
    done = panicctl("--json", "setup", *args)
    assert done.returncode == 0, (args, done.stderr)
    return json.loads(done.stdout)


def commands(answer):
    return [step["do"] for step in answer["steps"] if step["do"]]


def boot_args(answer):
    """The line, as the shell hands it to nvram."""
    found = [line for text in commands(answer) for line in text.splitlines() if "boot-args=" in line]
    assert len(found) == 1, found
    words = shlex.split(found[0])
    assert words[:2] == ["sudo", "nvram"] and len(words) == 3, words
    return words[2].removeprefix("boot-args=")


# ---- macOS ----


@functools.lru_cache(None)
def lint(line, xnu, *machine):
    done = panicctl("bootargs", "lint", "--xnu", xnu, *machine, line)
    return done.stdout + done.stderr if done.returncode else ""


def judge(case):
    """None: the line is one that lint has nothing against; or the reason why there is none."""
    release, arch, switches, server = case
    options = [*switches, *(TO if server else []), "--release", release]
    options += ["--arch", arch] if arch else []
    done = panicctl("--json", "setup", "--for", "macos", *options)
    if done.returncode == 2:
        return None if re.match(r"panicctl: .*[a-z].*", done.stderr) else (case, done.stderr)
    if done.returncode != 0:
        return case, done.returncode
    if not done.stdout.isascii():
        return case, "not ASCII"
    answer = json.loads(done.stdout)
    line = boot_args(answer)
    old = RELEASES[release] < 7195
    machine = ["--arch", "x86_64"] if old else ["--arch", arch] if arch else []
    traps = lint(line, str(RELEASES[release]), *machine)
    return (case, line, traps) if traps else None


@test
def never_prints_what_lint_objects_to(place):
    switches = ["--on-nmi", "--paniclog-only", "--local", "--stay"]
    chosen = [[s for s, on in zip(switches, bits) if on]
              for bits in itertools.product((0, 1), repeat=len(switches))]
    cases = [case for case in itertools.product(RELEASES, (None, "x86_64", "arm64"), chosen,
                                                (True, False))]
    with ThreadPoolExecutor(4) as pool:
        wrong = [w for w in pool.map(judge, cases) if w]
    assert not wrong, (len(wrong), wrong[:3])


@test
def has_steps_for_every_release(place):
    for release in RELEASES:
        answer = setup("--for", "macos", *TO, "--release", release)
        assert f"macOS {release} " in answer["about"][0], answer["about"]
        assert boot_args(answer).endswith("_panicd_ip=10.0.40.2 kdp_match_name=en0"), release
        assert ("csrutil disable" in commands(answer)) == (RELEASES[release] >= 3247), release
    assert "macOS 10.15 " in setup("--for", "macos", *TO, "--release", "10.15.7")["about"][0]
    assert "macOS 14 " in setup("--for", "macos", *TO, "--release", "14.6.1")["about"][0]


@test
def has_the_line_of_the_encoder(place):
    for ours, theirs in (([], ["--on-panic", "--reboot"]),
                         (["--on-nmi"], ["--on-panic", "--on-nmi", "--reboot"]),
                         (["--stay"], ["--on-panic", "--stay"]),
                         (["--paniclog-only"], ["--on-panic", "--paniclog"]),
                         (["--local"], ["--on-panic", "--local"]),
                         (["--port", "1070"], ["--on-panic", "--reboot", "--port", "1070"])):
        line = json.loads(panicctl("--json", "bootargs", "encode", "--network", *theirs,
                                   *TO).stdout)["line"]
        assert boot_args(setup("--for", "macos", *TO, *ours)) == line, (ours, line)


@test
def says_what_the_mac_will_do(place):
    told = setup("--for", "macos", *TO, "--on-nmi")["about"]
    assert told[1] == ("On a panic it sends a core to 10.0.40.2; if that succeeds, restarts; else "
                       "waits for a debugger, for ever."), told
    assert told[2].startswith("On an NMI it sends a core"), told
    assert setup("--for", "macos", "--local")["about"][1] == (
        "On a panic it writes a local core, then restarts.")


@test
def knows_the_keys_and_the_way_to_recovery_of_each_machine(place):
    def text(*args):
        return json.dumps(setup("--for", "macos", *TO, "--on-nmi", *args))

    intel, apple, old = text("--arch", "x86_64"), text("--arch", "arm64"), text("--release", "10.8")
    assert "Command-R" in intel and "T2" in intel and "power button until" not in intel
    assert "Command-R" not in apple and "Command keys and Delete" in apple and "T2" not in apple
    assert "Apple silicon sends nothing" in apple and "Full Security" in apple
    assert "programmer's button" in old and "csrutil" not in old and "Apple silicon" not in old
    assert "wdt=-1" in intel and "watchdog" in intel


@test
def says_where_a_local_core_is(place):
    assert "kern.kdp_corefile" in json.dumps(setup("--for", "macos", "--local"))
    assert "Apple_KernelCoreDump" in json.dumps(
        setup("--for", "macos", "--local", "--release", "10.14"))
    assert "panicctl extract" not in json.dumps(setup("--for", "macos", *TO))


# ---- FreeBSD ----


@test
def says_which_ports_netdump_has(place):
    answer = setup("--for", "freebsd", *TO, *FROM)
    assert "port 20024 to port 20023" in answer["about"][0], answer["about"]


@test
def has_dumpon_rc_conf_and_the_debugger_for_freebsd(place):
    answer = setup("--for", "freebsd", "--server", "10.0.40.2", "--interface", "em0", *FROM,
                   "--gateway", "10.0.40.1")
    told = commands(answer)
    assert "dumpon -s 10.0.40.2 -g 10.0.40.1 -c 10.0.40.7 em0" in told, told
    assert 'sysrc dumpdev="em0"' in told[2] and "savecore_enable" in told[2], told
    assert 'dumpon_flags="-s 10.0.40.2 -g 10.0.40.1 -c 10.0.40.7"' in told[2]
    assert "netdump -s 10.0.40.2 -g 10.0.40.1 -c 10.0.40.7 -i em0" in json.dumps(answer)
    assert "netdump -s" not in json.dumps(setup("--for", "freebsd", *TO, *FROM, "--release", "12.4"))
    assert "FreeBSD 13 " in setup("--for", "freebsd", *TO, *FROM, "--release", "13.2")["about"][0]


# ---- Linux ----


def linux(*args):
    return setup("--for", "linux", "--server", "10.0.40.2", *args)


def lines(answer):
    return [line for text in commands(answer) for line in text.splitlines()]


@test
def arms_tests_looks_and_panics(place):
    told = lines(linux("--on-nmi", "--port", "1070", "--interface", "enp3s0"))
    assert told == ["sudo panicctl doctor --as-client 10.0.40.2:1070",
                    "panicdump --version", "panicdump-static --version",
                    "panicdump test --server 10.0.40.2 --port 1070",
                    "panicdump arm --server 10.0.40.2 --port 1070 --interface enp3s0 --on-nmi "
                    "--persist",
                    "panicdump status", "panicdump test", "panicdump test --crash"], told
    assert "panicdump arm --server 10.0.40.2 --persist" in lines(linux())


@test
def says_how_arming_is_undone_and_how_an_nmi_comes(place):
    answer = linux("--on-nmi")
    step = next(s for s in answer["steps"] if "panicdump arm" in (s["do"] or ""))
    assert step["undo"].startswith("panicdump disarm --persist."), step
    assert "ipmitool chassis power diag" in json.dumps(answer)
    assert "NMI" not in json.dumps(linux())


@test
def prints_options_that_panicdump_has(place):
    known = {}
    for line in lines(linux("--on-nmi", "--port", "1070", "--interface", "enp3s0")):
        words = shlex.split(line)
        if words[0] != "panicdump" or words[1].startswith("-"):
            continue
        if words[1] not in known:
            known[words[1]] = subprocess.run([PANICDUMP, words[1], "--help"], capture_output=True,
                                             text=True, check=True).stdout
        for option in (word for word in words[2:] if word.startswith("-")):
            assert re.search(rf"(^|[\s\[|]){option}\b", known[words[1]]), (line, option)
    assert set(known) == {"arm", "status", "test"}


# ---- TFTP ----


def tftp(*args):
    return setup("--for", "tftp", "--server", "10.0.40.2", *args)


@test
def tells_boot_loaders_routers_and_clients_of_tftp(place):
    told = commands(tftp())
    assert "panicd-tftp.socket" in told[0] and "doctor --port 69" in told[1], told
    for line in ("curl --tftp-blksize 1428 -T dump tftp://10.0.40.2:69/dump",
                 "busybox tftp -p -b 1428 -l dump -r dump 10.0.40.2 69",
                 "setenv serverip 10.0.40.2", "exception dump 10.0.40.2"):
        assert line in "\n".join(told).splitlines(), line
    assert "tftpdstp" not in json.dumps(told) and "gatewayip" not in json.dumps(told)


@test
def tells_them_another_port_where_that_can_be_told(place):
    answer = tftp("--port", "6969", "--client", "10.0.40.9", "--gateway", "10.0.40.1")
    told = "\n".join(commands(answer)).splitlines()
    assert "exception dump" not in json.dumps(told) and "panicd-tftp" not in json.dumps(told)
    assert "tftp-port = 6969" in answer["steps"][0]["how"]
    for line in ("setenv tftpdstp 6969", "setenv ipaddr 10.0.40.9", "setenv gatewayip 10.0.40.1",
                 "sudo panicctl doctor --port 6969"):
        assert line in told, line


# ---- all ----


def every_system():
    for system, more in (("macos", []), ("macos", ["--local"]), ("macos", ["--on-nmi"]),
                         ("freebsd", FROM), ("freebsd", [*FROM, "--gateway", "10.0.40.1"]),
                         ("linux", []), ("linux", ["--on-nmi"]), ("tftp", []),
                         ("tftp", ["--port", "6969"])):
        yield ["--for", system, *(TO[:2] if system == "tftp" else TO), *more]


@test
def prints_commands_that_a_shell_reads(place):
    for args in every_system():
        for text in commands(setup(*args)):
            assert text.isascii() and "\t" not in text, text
            done = subprocess.run(["sh", "-n"], input=text, text=True, capture_output=True)
            assert done.returncode == 0, (text, done.stderr)


@test
def says_what_to_check_after_every_step_and_why(place):
    for args in every_system():
        answer = setup(*args)
        assert answer["for"] == args[1]
        for step in answer["steps"]:
            assert set(step) == {"title", "how", "do", "check", "undo", "why"}, step
            assert step["check"] and (step["do"] or step["how"]), step
            if re.search(r"nvram boot-args=|dumpon -s|sysrc|panicdump arm|csrutil", step["do"] or ""):
                assert step["undo"], step


@test
def prints_for_people_what_it_gives_to_programs(place):
    for args in every_system():
        answer = setup(*args)
        text, brief = panicctl("setup", *args).stdout, panicctl("setup", *args, "--brief").stdout
        for step in answer["steps"]:
            for line in (step["do"] or "").splitlines():
                assert "\n      " + line in text, line
                assert "\n     " + line in brief, line
            for key in ("how", "check", "undo", "why"):
                if step[key]:
                    assert " ".join(step[key].split()) in " ".join(text.split()), step[key]
        lines = {"      " + line for text in commands(answer) for line in text.splitlines()}
        assert all(len(line) <= 80 for line in text.splitlines() if line not in lines)
        assert "why" not in brief and "check" not in brief.replace("csrutil", "")


@test
def says_what_is_missing_and_what_to_type(place):
    for args, why in (
            ([], "--for macos, freebsd or linux"),
            (["--for", "beos", *TO], "macos, freebsd, linux or tftp"),
            (["--for", "tftp"], "--server 10.0.40.2"),
            (["--for", "tftp", *TO], "--interface is for"),
            (["--for", "tftp", *TO[:2], "--release", "6"], "--release is for"),
            (["--for", "tftp", *TO[:2], "--stay"], "up to the sender"),
            (["--for", "macos"], "--server 10.0.40.2"),
            (["--for", "macos", "--server", "10.0.40.2"], "--interface en0"),
            (["--for", "macos", "--server", "host", "--interface", "en0"], "four decimal"),
            (["--for", "macos", "--server", "10.0.40.2", "--interface", "en0;reboot"], "wired"),
            (["--for", "macos", "--server", "10.0.40.2", "--interface", "-e"], "wired"),
            (["--for", "macos", *TO, "--release", "9"], "10.15 or 14"),
            (["--for", "macos", *TO, "--release", "10.155"], "10.15 or 14"),
            (["--for", "macos", *TO, "--release", "10.15", "--arch", "arm64"], "--release 11"),
            (["--for", "macos", *TO, "--arch", "ppc"], "x86_64"),
            (["--for", "macos", *TO, *FROM], "are for freebsd"),
            (["--for", "macos", *TO, "--port", "0"], "1 to 65535"),
            (["--for", "macos", "--local", "--release", "10.10"], "10.11"),
            (["--for", "macos", "--local", "--paniclog-only"], "--server"),
            (["--for", "macos", "--local", "--stay", "--on-nmi"], "Apple silicon goes on"),
            (["--for", "macos", *TO, "--on-nmi", "--release", "10.13"], "10.13"),
            (["--for", "freebsd", *TO], "--client 10.0.40.7"),
            (["--for", "freebsd", *TO, *FROM, "--release", "11"], "12 to 14"),
            (["--for", "freebsd", *TO, *FROM, "--port", "1"], "20023"),
            (["--for", "freebsd", *TO, *FROM, "--paniclog-only"], "macos"),
            (["--for", "linux"], "--server 10.0.40.2"),
            (["--for", "linux", *TO, *FROM], "are for freebsd"),
            (["--for", "linux", *TO, "--gateway", "10.0.40.1"], "are for freebsd"),
            (["--for", "linux", *TO, "--stay"], "--shell"),
            (["--for", "linux", *TO, "--release", "6"], "every Linux"),
            (["--for", "linux", *TO, "extra"], "extra"),
            (["--for", "freebsd", *TO, "--client", "x"], "10.0.40.7"),
            (["--for", "freebsd", *TO, *FROM, "--gateway", "x"], "10.0.40.1")):
        place.run("setup", *args, code=2)
        assert why in place.err, (args, place.err)


@test
def needs_no_directory_of_dumps(place):
    place.run("-D", "/nowhere", "setup", "--for", "macos", *TO)
    assert not os.path.exists("/nowhere")


sys.exit(main())
