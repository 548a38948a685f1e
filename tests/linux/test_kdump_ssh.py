#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Debian's kdump-tools as it comes, with SSH= to a key whose command is panicctl receive: its crash
kernel's dump is in the directory, and the key is good for nothing else. What is set on the machine
are the lines of the README. sshd and guest are in namespaces of their own. TAP on stdout.

    PND_BUILD=build tests/linux/test_kdump_ssh.py
"""

import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import textwrap
import time

sys.dont_write_bytecode = True   # the source tree stays as it is
HERE = pathlib.Path(__file__).resolve().parent
for folder in ("e2e", "server", "linux"):
    sys.path.insert(0, str(HERE.parent / folder))
import debian_image      # noqa: E402
import lab               # noqa: E402
import sshd              # noqa: E402
import test_kdump_tools  # noqa: E402
from test_crash import Tap   # noqa: E402

README = HERE.parent.parent / "linux/ssh/README"
MEMORY_MIB, RESERVE = 768, "192M"
PORT = 22   # of a network that nobody else is in
PATIENCE_S = 600   # from the panic
KEY = "/root/.ssh/kdump_id_rsa"   # where kdump-tools looks
OTHER = "/root/.ssh/other"        # a key for everything
WITH = "-o BatchMode=yes -o IdentitiesOnly=yes -o LogLevel=ERROR"

# What somebody types who has the key, and what is seen if it works.
BREAKING_IN = {
    "a command": ("{ssh} id", "uid="),
    "a command behind one that is allowed": ("{ssh} 'mkdir -p x; id'", "uid="),
    "a command in the name of a file": ("{ssh} 'cat > $(id >&2)'", "uid="),
    "a login": ("echo id | {ssh}", "uid="),
    "a terminal": ("(sleep 1; echo id; echo exit) | timeout 60 {ssh} -tt", "uid="),
    "a command in the environment":
        ("{ssh} -o SetEnv=SSH_ORIGINAL_COMMAND=id -o SetEnv=PANICD_DIRECTORY=/ id", "uid="),
    "the subsystem sftp":
        ("rm -f got; echo get {secret} got | {sftp}; cat got", sshd.SECRET),
    "scp out": ("rm -f got; {scp}:{secret} got; cat got", sshd.SECRET),
    "scp out, as it was": ("rm -f got; {scp_o}:{secret} got; cat got", sshd.SECRET),
    "a connection from there": ("timeout 60 {ssh} -W 127.0.0.1:22 </dev/null", "SSH-2.0"),
    "a port here that leads there":
        ("{ssh} -f -N -L 7778:127.0.0.1:22 >/dev/null 2>&1; "
         "timeout 20 bash -c 'head -c 7 </dev/tcp/127.0.0.1/7778'; pkill -x ssh", "SSH-2.0"),
    "a port there that leads here":
        ("timeout 60 {ssh} -f -N -o ExitOnForwardFailure=yes -R 7779:127.0.0.1:22 >/dev/null 2>&1 "
         "&& echo it is open; pkill -x ssh", "it is open"),
}


def break_in(guest, server, key):
    """{way: what was seen} of those ways that lead somewhere."""
    at, to = f"{sshd.USER}@{lab.SERVER_IP}", f"-i {key} {WITH}"
    words = {"ssh": f"ssh {to} {at}", "sftp": f"sftp {to} -b - {at}",
             "secret": f"{server.top}/secret", "scp": f"scp {to} {at}",
             "scp_o": f"scp -O {to} {at}"}
    seen = {}
    for way, (line, mark) in BREAKING_IN.items():
        output = guest.run(f"cd /root; ({line.format(**words)}) 2>&1; echo", 120)[1]
        if mark in output:
            seen[way] = output
    return seen


def readme_settings():
    """What the README says kdump-tools takes."""
    text = re.search(r"in /etc/default/kdump-tools;.*?:\n\n(.*?)\n\n", README.read_text(), re.S)
    lines = textwrap.dedent(text[1]).splitlines()
    return [line.replace("10.0.40.2", lab.SERVER_IP) for line in lines]


def give_keys(guest, server):
    """As somebody does who sets it up: the keys, and one ssh by hand, which learns the host's."""
    guest.run("systemctl start network-online.target")
    guest.run("mkdir -p -m 700 /root/.ssh")
    for path, key in ((KEY, "forced"), (OTHER, "matched")):
        test_kdump_tools.write_file(guest, path, pathlib.Path(f"{server.top}/{key}").read_text())
        guest.run(f"chmod 600 {path}")
    return guest.run(f"head -c 100 /dev/zero | ssh -i {KEY} {WITH} -o StrictHostKeyChecking="
                     f"accept-new {sshd.USER}@{lab.SERVER_IP} 'cat > test'")


def wait_dump(guest, server, name):
    deadline = time.monotonic() + PATIENCE_S
    while True:
        alive = guest.alive()
        for row in server.rows():
            if re.fullmatch(name, row["name"]):
                return row
        if not alive or time.monotonic() > deadline:
            raise lab.LabError(f"no dump {name}: {server.rows()}\n{guest.console.tail(30)}\n"
                               f"{server.log()[-2000:]}")
        time.sleep(1)


def panicctl(server, *words):
    return subprocess.run([server.tool, "--directory", server.directory, *words], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300)


def check_dump(tap, server, row, release, work):
    verify = panicctl(server, "verify", str(row["id"]))
    tap.ok(verify.returncode == 0, "panicctl verify says that it is whole", verify.stdout)
    info = json.loads(panicctl(server, "info", "--json", str(row["id"])).stdout)
    text = json.dumps(info)
    tap.ok("sysrq triggered crash" in text and release in text,
           "panicctl info says why, and of which kernel", text)
    path = pathlib.Path(server.directory) / row["file"]
    tap.ok(path.stat().st_uid == sshd.UID and path.stat().st_mode & 0o777 == 0o600,
           "its file is the user's, and nobody else's", path.stat())
    tap.ok(path.read_bytes()[:8] == b"KDUMP   ", "what came flattened is in order")
    try:
        lab.makedumpfile(path, f"{work}/log", "--dump-dmesg")
        log = pathlib.Path(f"{work}/log").read_text(errors="replace")
        tap.ok("sysrq triggered crash" in log, "makedumpfile reads the log out of it", log[-500:])
    except lab.Skip as why:
        tap.ok(True, f"makedumpfile # SKIP {why}")


def run(tap, image, work):
    release = image.kernel("cloud")
    disk = image.copy(f"{work}/disk")
    server = sshd.Sshd(PORT)
    try:
        server.start("")   # so the key "matched" is one for everything
        with debian_image.Guest(image, disk, release, work, f"crashkernel={RESERVE}",
                                MEMORY_MIB) as guest:
            code, output = give_keys(guest, server)
            tap.ok(code == 0 and [row["name"] for row in server.rows()] == ["test"],
                   "the README's test by hand arrives", f"{output}\n{server.log()[-1000:]}")
            seen = break_in(guest, server, OTHER)
            tap.ok(set(seen) == set(BREAKING_IN), "a key without a command opens every door",
                   f"not: {set(BREAKING_IN) - set(seen)}\n{server.log()[-2000:]}")
            seen = break_in(guest, server, KEY)
            tap.ok(not seen, "the key for dumps opens none of them", seen)
            tap.ok(len(server.rows()) == 1, "and nothing is kept of what was tried", server.rows())
            crash(tap, guest, server, release, work)
    finally:
        server.remove()


def crash(tap, guest, server, release, work):
    test_kdump_tools.use_kdump_tools(guest, readme_settings())
    code, output = guest.run("systemctl start kdump-tools; cat /sys/kernel/kexec_crash_loaded")
    tap.ok(output == "1\n", "kdump-tools loads its crash kernel", f"{code} {output}")
    guest.run("sync")
    guest.shell.send("echo c > /proc/sysrq-trigger")
    start = time.monotonic()
    row = wait_dump(guest, server, r"10\.0\.2\.15-\d{12}-dump")
    tap.note(f"{row['bytes']} bytes, {time.monotonic() - start:.0f} s after the panic")
    tap.ok(row["protocol"] == "ssh" and row["state"] != "incomplete",
           "its panic arrives, through that key", f"{row}\n{guest.console.tail(30)}")
    guest.wait_end()
    tap.ok(guest.said("saved vmcore") and guest.said("reboot: Restarting system"),
           "kdump-tools says that it is saved, and the machine starts again",
           guest.console.tail(30))
    check_dump(tap, server, row, release, work)
    left = [name for name in os.listdir(server.directory) if name.startswith(".import")]
    tap.ok(not left and len(server.rows()) == 2, "nothing half is left", (left, server.rows()))


def inside():
    tap = Tap()
    with tempfile.TemporaryDirectory(prefix="panicd-kdump-ssh-") as work:
        try:
            run(tap, debian_image.image(), work)
        except lab.LabError as error:
            tap.ok(False, "the lab runs to its end", error)
    print(f"1..{tap.count}")
    return 1 if tap.failures else 0


def main():
    try:
        lab.need_qemu()
        why = sshd.missing()
        if not why:
            debian_image.image()   # fetched while there is a network
    except lab.Skip as skip:
        why = skip
    if why:
        print(f"1..0 # SKIP {why}")
        return 0
    return sshd.inside(__file__, "--inside")


if __name__ == "__main__":
    lab.end_cleanly_on_sigterm()
    sys.exit(inside() if "--inside" in sys.argv else main())
