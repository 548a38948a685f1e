#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""What `./run demo` shows: a Linux machine is armed, its kernel panics, its memory crosses the
network and arrives.

    PND_BUILD=build tests/e2e/demo.py [DIRECTORY]     (a new one below $TMPDIR when none is given)

Exits 0 only when the dump is complete; 1 when it is not; 2 when the demo failed; 77, which meson
counts as skipped, when it cannot be had here."""

import os
import pathlib
import shlex
import sys
import tempfile
import time

sys.dont_write_bytecode = True   # the source tree stays as it is
HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "linux")]
import lab           # noqa: E402
import shell_guest   # noqa: E402

LAST_WORDS = 12   # lines
MEMORY_MIB, RESERVE_MIB = 384, 88


class Narrator:
    """Few lines, each with the seconds since the start; one line that changes on a terminal."""

    def __init__(self):
        self.terminal = sys.stdout.isatty()
        self.colour = self.terminal and not os.environ.get("NO_COLOR")
        self.start = time.monotonic()
        self.first = self.shown = None
        self.open_line = False

    def say(self, text, strong=False):
        if self.open_line:
            print()
            self.open_line = False
        if strong and self.colour:
            text = f"\033[1m{text}\033[0m"
        print(f"{time.monotonic() - self.start:6.1f} s  {text}", flush=True)

    def progress(self, dump):
        """The arriving dump: always redrawn on a terminal, every five seconds elsewhere."""
        now, mib = time.monotonic(), dump["bytes"] / (1 << 20)
        if self.first is None:
            self.first, self.shown = (now, mib), now
            self.say(f"panicd receives {dump['name']}", strong=True)
            return
        rate = (mib - self.first[1]) / max(now - self.first[0], 0.001)
        text = f"  {mib:.0f} MiB, {rate:.1f} MiB/s"
        if self.terminal:
            print(f"\r{now - self.start:6.1f} s  {text}   ", end="", flush=True)
            self.open_line = True
        elif now - self.shown >= 5:
            self.shown = now
            self.say(text)


def show_last_words(receiver):
    log = receiver.panicctl("log", "latest").stdout
    log = [line.partition("] ")[2] for line in log.splitlines()]
    start = next((i for i, line in enumerate(log) if line.startswith("Kernel panic")), None)
    if start is not None:
        print("\nThe kernel's last words, out of the dump: panicctl log latest")
        print("\n".join(log[start:start + LAST_WORDS]))


def type_there(guest, command):
    """As somebody would who is logged in there."""
    print(f"\n# {command}", flush=True)
    status, text = guest.run(command)
    print(text + "\n", flush=True)
    if status:
        raise lab.LabError(f"`{command}` exits with {status}")


def demonstrate(directory, work, tell):
    image = shell_guest.initramfs("cloud-amd64")
    with lab.Receiver(directory, f"{work}/panicd.log") as receiver:
        tell.say(f"panicd listens on 127.0.0.1, UDP port {receiver.port}; dumps go to {directory}")
        tell.say(f"a machine boots Linux {image[0]} in QEMU: {MEMORY_MIB} MiB, {RESERVE_MIB} of them "
                 "set aside for a crash kernel; on it:")
        with shell_guest.ShellGuest(work, image, memory_mib=MEMORY_MIB, append="init_on_free=1",
                                    reserve=f"{RESERVE_MIB}M") as guest:
            guest.run("export NO_COLOR=1")
            type_there(guest, f"panicdump arm --server {lab.SERVER_IP}:{receiver.port}")
            tell.say("# panicdump test --crash")
            guest.type("panicdump test --crash --yes-really")
            line = guest.console.wait("Kernel panic - not syncing", 60, "the guest")
            tell.say(line.partition("] ")[2] or line, strong=True)
            dump = receiver.wait_dump(guest, on_progress=tell.progress)
        tell.say(f"the dump is {dump['state']}: {dump['bytes'] / (1 << 20):.0f} MiB",
                 strong=True)
        if dump["state"] == "complete":
            show_last_words(receiver)
        print("\n$ panicctl info latest", flush=True)
        info = receiver.panicctl("info", "latest")
        print(info.stdout, flush=True)
        if dump["state"] != "complete":
            print(f"What panicd said last:\n{receiver.log.tail()}\n"
                  f"What the machine said last:\n{guest.console.tail()}")
    return 0 if dump["state"] == "complete" and info.returncode == 0 else 1


def main(arguments):
    if len(arguments) > 1 or arguments[:1] in (["-h"], ["--help"]):
        print(__doc__)
        return 2 if len(arguments) > 1 else 0
    tell = Narrator()
    lab.end_cleanly_on_sigterm()
    try:
        lab.need_qemu()
        lab.binary("panicd")
        directory = arguments[0] if arguments else tempfile.mkdtemp(prefix="panicd-demo-")
        with tempfile.TemporaryDirectory(prefix="panicd-lab-") as work:
            status = demonstrate(directory, work, tell)
    except (lab.Skip, lab.LabError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 77 if isinstance(error, lab.Skip) else 2
    except KeyboardInterrupt:
        print("\ndemo: interrupted", file=sys.stderr)
        return 130
    shown = shlex.quote(str(directory))
    print(f"The dump stays in {shown}." + ("" if arguments else f" Remove it: rm -r {shown}"))
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
