#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
#
# panicctl setup: what it tells people to type, and that it can be typed.
# Usage: test_panicctl_setup.py PANICCTL (or $PND_PANICCTL). Speaks TAP.

import functools
import itertools
import json
import os
import re
import shlex
import shutil
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
def says_first_that_netdump_is_not_taken_yet(place):
    answer = setup("--for", "freebsd", *TO, *FROM)
    assert "does not take netdump yet" in answer["about"][0] and "20023" in answer["about"][0]


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
    assert "FreeBSD 13 " in setup("--for", "freebsd", *TO, *FROM, "--release", "13.2")["about"][1]


# ---- Linux ----


@test
def makes_the_initramfs_of_a_crash_kernel(place):
    """The printed commands themselves, with a /sys and a modprobe of the test."""
    if not shutil.which("cpio"):
        return
    answer = setup("--for", "linux", "--server", "10.0.40.2", "--interface", "enp3s0", *FROM)
    script = [text for text in commands(answer) if "cpio" in text][0]
    sys_dir = os.path.join(place.root, "sys")
    nic = os.path.join(sys_dir, "devices/pci0/0000:00:03.0/virtio0")
    for where, module in ((nic, "virtio_net"), (os.path.dirname(nic), "virtio_pci")):
        os.makedirs(os.path.join(sys_dir, "module", module))
        os.makedirs(os.path.join(where, "driver"))
        os.symlink(os.path.join(sys_dir, "module", module), os.path.join(where, "driver/module"))
    os.makedirs(os.path.join(sys_dir, "class/net/enp3s0"))
    os.symlink(nic, os.path.join(sys_dir, "class/net/enp3s0/device"))
    bin_dir, modules = os.path.join(place.root, "bin"), os.path.join(place.root, "modules")
    os.makedirs(bin_dir)
    os.makedirs(modules)
    for name in ("virtio", "virtio_net", "virtio_pci"):
        with open(os.path.join(modules, name + ".ko"), "w") as file:
            file.write("module " + name)
    subprocess.run(["gzip", os.path.join(modules, "virtio_pci.ko")], check=True)
    for name, text in (("modprobe", '#!/bin/sh\necho "builtin failover"\n'
                        f'echo "insmod {modules}/virtio.ko "\n'
                        f'for f in {modules}/$2.ko*; do echo "insmod $f csum=0"; done\n'),
                       ("panicdump-static", "#!/bin/sh\n")):
        with open(os.path.join(bin_dir, name), "w") as file:
            file.write(text)
        os.chmod(os.path.join(bin_dir, name), 0o755)
    out = os.path.join(place.root, "crash")
    script = script.replace("/sys/class", sys_dir + "/class").replace("/var/lib/panicd-crash", out)
    subprocess.run(["sh", "-ec", script], check=True, timeout=60,
                   env={**os.environ, "PATH": bin_dir + ":" + os.environ["PATH"]})
    names = subprocess.run(["cpio", "-t", "--quiet"], stdin=open(out + ".cpio", "rb"), check=True,
                           capture_output=True, text=True).stdout.split()
    for name in ("init", "dev", "proc", "sys", "lib/panicd/modules"):
        assert name in names, names
    with open(os.path.join(out, "lib/panicd/modules")) as file:
        assert file.read().split() == [f"/lib/panicd/{m}.ko"
                                       for m in ("virtio", "virtio_net", "virtio_pci")]
    with open(os.path.join(out, "lib/panicd/virtio_pci.ko")) as file:
        assert file.read() == "module virtio_pci"


@test
def has_what_a_crash_kernel_needs(place):
    answer = setup("--for", "linux", "--server", "10.0.40.2", "--interface", "eth0", *FROM,
                   "--gateway", "10.0.40.1", "--port", "1070", "--on-nmi")
    text = "\n".join(commands(answer))
    for words in ("panicdump test --server 10.0.40.2 --port 1070 --interface eth0", "crashkernel=",
                  "kexec -s -p", "_panicd_ip=10.0.40.2 kdp_ip_addr=10.0.40.7", "panicd_port=1070",
                  "_router_ip=10.0.40.1", "kernel.unknown_nmi_panic=1", "/proc/sysrq-trigger"):
        assert words in text, words
    assert "panicdump arm" not in text


# ---- all ----


def every_system():
    for system, more in (("macos", []), ("macos", ["--local"]), ("macos", ["--on-nmi"]),
                         ("freebsd", FROM), ("freebsd", [*FROM, "--gateway", "10.0.40.1"]),
                         ("linux", FROM), ("linux", [*FROM, "--on-nmi"])):
        yield ["--for", system, *TO, *more]


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
            if re.search(r"nvram boot-args=|dumpon -s|sysrc|kexec -s -p|csrutil|grub", step["do"] or ""):
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
            (["--for", "beos", *TO], "macos, freebsd or linux"),
            (["--for", "macos"], "--server 10.0.40.2"),
            (["--for", "macos", "--server", "10.0.40.2"], "--interface en0"),
            (["--for", "macos", "--server", "host", "--interface", "en0"], "four decimal"),
            (["--for", "macos", "--server", "10.0.40.2", "--interface", "en0;reboot"], "wired"),
            (["--for", "macos", "--server", "10.0.40.2", "--interface", "-e"], "wired"),
            (["--for", "macos", *TO, "--release", "9"], "10.15 or 14"),
            (["--for", "macos", *TO, "--release", "10.155"], "10.15 or 14"),
            (["--for", "macos", *TO, "--release", "10.15", "--arch", "arm64"], "--release 11"),
            (["--for", "macos", *TO, "--arch", "ppc"], "x86_64"),
            (["--for", "macos", *TO, *FROM], "freebsd and linux"),
            (["--for", "macos", *TO, "--port", "0"], "1 to 65535"),
            (["--for", "macos", "--local", "--release", "10.10"], "10.11"),
            (["--for", "macos", "--local", "--paniclog-only"], "--server"),
            (["--for", "macos", "--local", "--stay", "--on-nmi"], "Apple silicon goes on"),
            (["--for", "macos", *TO, "--on-nmi", "--release", "10.13"], "10.13"),
            (["--for", "freebsd", *TO], "--client 10.0.40.7"),
            (["--for", "freebsd", *TO, *FROM, "--release", "11"], "12 to 14"),
            (["--for", "freebsd", *TO, *FROM, "--port", "1"], "20023"),
            (["--for", "freebsd", *TO, *FROM, "--paniclog-only"], "macos"),
            (["--for", "linux", *TO], "--client 10.0.40.7"),
            (["--for", "linux", *TO, *FROM, "--stay"], "macos"),
            (["--for", "linux", *TO, *FROM, "--release", "6"], "kexec"),
            (["--for", "linux", *TO, "extra"], "extra"),
            (["--for", "linux", *TO, "--client", "x"], "10.0.40.7"),
            (["--for", "linux", *TO, *FROM, "--gateway", "x"], "10.0.40.1")):
        place.run("setup", *args, code=2)
        assert why in place.err, (args, place.err)


@test
def needs_no_directory_of_dumps(place):
    place.run("-D", "/nowhere", "setup", "--for", "macos", *TO)
    assert not os.path.exists("/nowhere")


sys.exit(main())
