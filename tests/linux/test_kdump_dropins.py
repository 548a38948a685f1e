#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""What is put into a kdump that is there already, without its crash kernel: the save script of
kdump-tools against the real panicd, the collector of the dracut module, and the module in an image
that dracut makes. TAP on stdout.

    PND_BUILD=build tests/linux/test_kdump_dropins.py
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True   # the source tree stays as it is
HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))
import lab              # noqa: E402
from test_crash import Tap   # noqa: E402

LINUX = HERE.parent.parent / "linux"
SAVE = LINUX / "kdump-tools/save"
MODULE = LINUX / "dracut/98panicd"
COLLECT = MODULE / "panicd-collect"


class Box:
    """A directory with programs that only note how they were called."""

    def __init__(self, work):
        self.work = pathlib.Path(work)
        self.bin = self.work / "bin"
        self.bin.mkdir()
        self.log = self.work / "log"
        self.vmcore = self.work / "vmcore"
        self.vmcore.write_bytes(os.urandom(300000))

    def program(self, name, body):
        path = self.bin / name
        path.write_text(f"#!/bin/sh\necho \"{name} $*\" >> {self.log}\n{body}\n")
        path.chmod(0o755)
        return path

    def run(self, command, **settings):
        """(exit status, what it said, what the programs noted)"""
        self.log.write_text("")
        result = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True, timeout=120,
                                env={"PATH": f"{self.bin}:/usr/sbin:/usr/bin:/sbin:/bin",
                                     "TMPDIR": str(self.work), **settings})
        return result, self.log.read_text()

    def save(self, settings):
        """The save script as kdump-tools' service runs it, with these settings."""
        file = self.work / "kdump-tools.default"
        file.write_text("USE_KDUMP=1\n" + settings)
        return self.run(["/bin/sh", SAVE], PANICD_SETTINGS=str(file),
                        PANICD_VMCORE=str(self.vmcore), PANICD_REBOOT="reboot -f",
                        PANICD_KDUMP_TOOLS=str(self.bin / "kdump-tools"))


def kdump_tools(tap, work):
    box = Box(work)
    (box.bin / "panicdump").symlink_to(lab.binary("panicdump"))
    box.program("kdump-tools", "")
    box.program("reboot", "")
    box.program("makedumpfile", 'while [ $# -gt 1 ]; do shift; done; cat "$1"')
    with lab.Receiver(f"{work}/dumps", f"{work}/panicd.log") as receiver:
        here = f'PANICD="127.0.0.1:{receiver.port}"\n'
        result, log = box.save(here)
        dumps = receiver.dumps()
        tap.ok(len(dumps) == 1 and pathlib.Path(dumps[0]["path"]).read_bytes()
               == box.vmcore.read_bytes(), "kdump-tools: what makedumpfile writes is on the server",
               f"{dumps} {result}")
        tap.ok(dumps and re.fullmatch(r"core-linux-[^-]+-127\.0\.0\.1-panic-[0-9a-f]+",
                                      dumps[0]["name"]),
               "kdump-tools: its name says kernel, address, and time", dumps)
        tap.ok(f"makedumpfile -F -c -d 31 {box.vmcore}\n" in log,
               "kdump-tools: makedumpfile is asked for a stream", log)
        tap.ok(log.endswith("reboot -f\n") and "kdump-tools start" not in log,
               "kdump-tools: then the machine starts again", log)
        _, log = box.save(here + 'MAKEDUMP_ARGS="-l -d 17"\n')
        tap.ok(f"makedumpfile -F -l -d 17 {box.vmcore}\n" in log,
               "kdump-tools: MAKEDUMP_ARGS counts as before", log)
        box.program("makedumpfile", f"head -c 100000 {box.vmcore}; exit 1")
        before = len(receiver.dumps())
        result, log = box.save(here)
        whole = [dump for dump in receiver.dumps() if dump["name"].endswith("-all.gz")]
        tap.ok(len(receiver.dumps()) == before + 2 and len(whole) == 1
               and subprocess.run(["gzip", "-dc", whole[0]["path"]], stdout=subprocess.PIPE,
                                  check=True).stdout == box.vmcore.read_bytes(),
               "kdump-tools: when makedumpfile fails, everything is sent", receiver.dumps())
        tap.ok("reboot -f" in log, "kdump-tools: and that counts as the dump", log)
    result, log = box.save(here + "PANICD_RETRY=1\n")
    tap.ok("kdump-tools start" in log and "reboot" not in log,
           "kdump-tools: a server that is not there leaves the dump to what was configured before",
           f"{log}{result.stdout}{result.stderr}")
    (box.bin / "panicdump").unlink()   # which is a link to the real one
    box.program("panicdump", f"cat > {box.work}/stream\n"
                             f"[ -e {box.work}/tried ] || {{ touch {box.work}/tried; exit 1; }}")
    box.program("makedumpfile", "echo stream")
    _, log = box.save(here)
    names = re.findall("^panicdump send .* --name (\\S+)", log, re.M)
    tap.ok(len(names) == 2 and names[0] == names[1] and log.endswith("reboot -f\n"),
           "kdump-tools: what is sent again later is the same dump, by the same name", log)
    _, log = box.save("")
    tap.ok(log == "kdump-tools start\n", "kdump-tools: without PANICD= nothing is different", log)
    _, log = box.save(here + "USE_KDUMP=0\n")
    tap.ok(log == "kdump-tools start\n", "kdump-tools: USE_KDUMP=0 is left to kdump-tools", log)
    box.vmcore.unlink()
    _, log = box.save(here)
    tap.ok(log == "kdump-tools start\n",
           "kdump-tools: in a kernel that has not crashed, the crash kernel is loaded as ever", log)


def collector(tap, work):
    box = Box(work)
    box.program("makedumpfile", 'while [ $# -gt 1 ]; do shift; done\n'
                                'case $1 in /*place) echo kept > "$1" ;; *) echo kept ;; esac')
    box.program("panicdump-static", "exit 0")
    place = box.work / "place"
    words = ["_panicd_ip=10.0.40.2", "kdp_ip_addr=10.0.40.7/24"]
    result, log = box.run([COLLECT, *words, box.vmcore, place])
    tap.ok(result.returncode == 0 and log == "panicdump-static capture --cmdline panicd_vmcore="
           f"{box.vmcore} {' '.join(words)}\n", "dracut: the collector sends what it is given", log)
    tap.ok("10.0.40.2" in place.read_text(), "dracut: a line says where the dump is")
    result, log = box.run([COLLECT, *words, box.vmcore])
    tap.ok("10.0.40.2" in result.stdout and "makedumpfile" not in log,
           "dracut: also when the dump was to be a stream", result.stdout)
    box.program("panicdump-static", "exit 1")
    result, log = box.run([COLLECT, *words, box.vmcore, place])
    tap.ok(place.read_text() == "kept\n" and f"makedumpfile -l -d 31 {box.vmcore} {place}\n" in log,
           "dracut: without panicd, makedumpfile writes into the place", log)
    result, log = box.run([COLLECT, *words, box.vmcore])
    tap.ok(result.stdout == "kept\n" and f"makedumpfile -F -l -d 31 {box.vmcore}\n" in log,
           "dracut: or into the stream, and nothing else gets there", result.stdout)
    box.program("makedumpfile", "exit 3")
    result, _ = box.run([COLLECT, *words, box.vmcore, place])
    tap.ok(result.returncode == 3, "dracut: a dump that is nowhere is a failure", result)
    result, _ = box.run([COLLECT, *words])
    tap.ok(result.returncode == 2 and "usage" in result.stderr, "dracut: no vmcore is wrong usage")


def dracut_tree():
    """dracut, unpacked and not installed: its place in the cache."""
    def unpack(directory):
        for package in ("dracut-core", "dracut-network"):
            lab._unpack(package, lambda path: path if path.startswith("usr/") else None, directory)
        for path in pathlib.Path(directory).rglob("*"):
            if path.is_file():
                path.chmod(0o755)

    return lab._unpacked_once("dracut", unpack)


def dracut_image(tap, work):
    if os.geteuid() != 0 or subprocess.run(["unshare", "--mount", "true"]).returncode != 0:
        raise lab.Skip("dracut wants root, and a mount namespace")
    tree = pathlib.Path(work) / "tree"
    shutil.copytree(dracut_tree(), tree, symlinks=True)
    base = tree / "usr/lib/dracut"
    shutil.copytree(MODULE, base / "modules.d/98panicd")
    box = Box(work)
    shutil.copy(lab.binary("panicdump-static"), box.bin)
    shutil.copy("/bin/true", box.bin / "makedumpfile")
    kernel = lab.guest_kernel()
    image = pathlib.Path(work) / "image"
    # dracut looks into the system's own directories and nowhere else: one gets two more files, in a
    # mount namespace of its own.
    more = pathlib.Path(work) / "sbin"
    shutil.copytree("/usr/sbin", more, symlinks=True)
    for path in box.bin.iterdir():
        shutil.copy(path, more)
    command = (f"mount --bind {more} /usr/sbin && exec /bin/bash {tree}/usr/bin/dracut --force "
               f"--no-kernel --no-compress --conf /dev/null --confdir {work} --tmpdir {work} "
               f"--modules panicd --no-hostonly {image} {kernel.release}")
    made = subprocess.run(
        ["unshare", "--mount", "sh", "-c", command], stdin=subprocess.DEVNULL, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300,
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "dracutbasedir": str(base),
             "DRACUT_INSTALL": str(base / "dracut-install")})
    if not tap.ok(image.is_file(), "dracut: an image is made with the module", made.stdout[-2000:]):
        return
    content = pathlib.Path(work) / "content"
    content.mkdir()
    with open(image, "rb") as archive:
        subprocess.run(["cpio", "-id", "--quiet", "--no-absolute-filenames"], stdin=archive,
                       cwd=content, check=True)
    found = next(iter([*content.rglob("panicdump-static")]), None)
    tap.ok(found, "dracut: the image has panicdump-static", made.stdout[-2000:])
    collect = content / "usr/bin/panicd-collect"
    tap.ok(collect.is_file() and os.access(collect, os.X_OK), "dracut: and the collector",
           made.stdout[-2000:])
    result = subprocess.run(["chroot", content, "/usr/bin/panicd-collect", "_panicd_ip=10.0.40.2",
                             "kdp_match_name=none0", "kdp_ip_addr=10.0.40.7", "/nowhere"],
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
                            stderr=subprocess.STDOUT, timeout=60)
    before = result.stdout.split("makedumpfile")[0]
    tap.ok("panicdump" in before and "not found" not in before,
           "dracut: with nothing but the image, the collector starts what sends", result.stdout)


def main():
    tap = Tap()
    for part in (kdump_tools, collector, dracut_image):
        with tempfile.TemporaryDirectory(prefix="panicd-kdump-") as work:
            try:
                part(tap, work)
            except lab.Skip as why:
                tap.count += 1
                print(f"ok {tap.count} - {part.__name__} # SKIP {why}", flush=True)
            except lab.LabError as error:
                tap.ok(False, f"{part.__name__} runs to its end", error)
    print(f"1..{tap.count}")
    return 1 if tap.failures else 0


if __name__ == "__main__":
    lab.end_cleanly_on_sigterm()
    sys.exit(main())
