# SPDX-License-Identifier: BSD-2-Clause
"""A dump in the debuggers that `panicctl debug` starts: crash and drgn. Both want the symbols of
the kernel that died, which the lab has of Debian's cloud kernel only: of the other they are three
times as large."""

import dataclasses
import pathlib
import re
import shutil

import lab

TASKS_MIN = 20   # a small machine has some 45
# libkdumpfile 0.5.1 sometimes falls while it is put away: all has been said then, and drgn need not.
SCRIPT = """import os
from drgn.helpers.linux import for_each_task
for f in prog.crashed_thread().stack_trace(): print('frame', f.name)
print('tasks', len(list(for_each_task(prog))), flush=True)
os._exit(0)
"""
LOG_LINE = re.compile(r"\[ *\d+\.\d+\] ")
BY_CRASH = "sys\nbt\nlog\nquit\n"


@dataclasses.dataclass
class Said:
    """What a debugger printed, and what was understood of it."""
    text: str
    panic: str = ""     # crash: why the kernel died
    frames: tuple = ()  # [(function, address)]; drgn's have no address
    tasks: int = 0      # drgn
    log: tuple = ()     # crash: the kernel's, without blanks at the end of a line

    def without_log(self):
        return "\n".join(line for line in self.text.splitlines() if not LOG_LINE.match(line))


def symbols_for(scenario):
    """The vmlinux with symbols; None when there is none to be had."""
    if "-cloud-" not in scenario.kernel.release:
        return None
    try:
        return lab.kernel_symbols(scenario.kernel.release)
    except lab.Skip as why:
        scenario.say(True, f"the debuggers # SKIP {why}")
        return None


def log_lines(text):
    return tuple(line.rstrip() for line in text.splitlines() if LOG_LINE.match(line))


def _open(scenario, symbols, debugger, sign, *arguments):
    """What it prints, @p sign among it; None when it is not installed."""
    if not shutil.which(debugger):
        scenario.say(True, f"{debugger} # SKIP it is not installed")
        return None
    result = scenario.receiver.panicctl("debug", "latest", "--symbols", symbols, "--debugger",
                                        debugger, "--", *arguments)
    scenario.say(result.returncode == 0 and re.search(sign, result.stdout, re.M),
                 f"panicctl debug opens it in {debugger}", result.stdout[-2000:])
    return result.stdout


def crash(scenario, symbols):
    """Said, or None without it."""
    commands = pathlib.Path(scenario.work) / "commands"
    commands.write_text(BY_CRASH)
    text = _open(scenario, symbols, "crash", "^ *PANIC: ", "-s", "-i", commands)
    if text is None:
        return None
    # crash 8.0.2 cannot read the VMAs of this kernel, and says so before the reason when it tries:
    # of a task that has a user's stack.
    panic = re.search(r'^ *PANIC: [^"]*"(.*)"', text, re.M)
    frames = re.findall(r"^ *#\d+ \[\w+\] (\S+) at (\w+)", text, re.M)
    return Said(text, panic[1] if panic else "", [(name, int(at, 16)) for name, at in frames],
                log=log_lines(text))


def drgn(scenario, symbols):
    """Said, or None without it."""
    script = pathlib.Path(scenario.work) / "script.py"
    script.write_text(SCRIPT)
    text = _open(scenario, symbols, "drgn", "^tasks ", script)
    if text is None:
        return None
    tasks = re.search(r"^tasks (\d+)$", text, re.M)
    return Said(text, frames=[(name, None) for name in re.findall(r"^frame (\w+)", text, re.M)],
                tasks=int(tasks[1]) if tasks else 0)


def check(scenario, panic, by_crash, by_drgn):
    """Both open it, and say: why the kernel died; a function that is on its stack (without the
    symbols of its modules, drgn may not come that far: None); and its tasks."""
    symbols = symbols_for(scenario)
    said = crash(scenario, symbols) if symbols else None
    if said:
        names = [name.split(".")[0] for name, _ in said.frames]
        scenario.say(re.match(panic, said.panic) and by_crash in names,
                     f"crash says why it died, and shows {by_crash}() on its stack",
                     said.without_log()[-3000:])
    said = drgn(scenario, symbols) if symbols else None
    if said:
        names = [name for name, _ in said.frames]
        scenario.say(said.tasks > TASKS_MIN and by_drgn in (None, *names),
                     "drgn walks its tasks" + (f", and shows {by_drgn}()" if by_drgn else ""),
                     said.text)
