#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""panicdump's --help, its manual and what the shells complete speak of the same options.
Usage: test_panicdump_words.py PANICDUMP PANICDUMP-STATIC SOURCE. Speaks TAP."""
import pathlib
import re
import subprocess
import sys

PROGRAM, STATIC, SOURCE = sys.argv[1:4]
VERBS = {PROGRAM: ("arm", "disarm", "status", "test", "send", "capture"),
         STATIC: ("test", "send", "capture")}
OPTION = re.compile(r"(?<![\w-])--([a-z][a-z-]+)")
COUNT = FAILED = 0


def check(sentence, *wrong):
    global COUNT, FAILED
    COUNT += 1
    wrong = [w for w in wrong if w]
    FAILED += bool(wrong)
    for why in wrong:
        print("#", why)
    print(f"{'not ok' if wrong else 'ok'} {COUNT} - {sentence}", flush=True)


def told(program, *words):
    done = subprocess.run([program, *words, "--help"], capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    check(f"{' '.join([pathlib.Path(program).name, *words])} --help fits 24 lines of 80 columns",
          len(lines) > 24 and len(lines), max(lines, key=len) if max(map(len, lines)) > 80 else "")
    return done.stdout


def own(text):
    """The options of a help text; not those of other programs that it names."""
    return set(OPTION.findall(text)) - {"help"}


def manual(verb):
    """The section of a verb, as source."""
    text = (SOURCE / "man/panicdump.8").read_text()
    return re.search(rf"^\.Ss panicdump {verb}$(.*?)^\.S[sh] ", text, re.M | re.S)[1]


def synopsis(verb):
    text = (SOURCE / "man/panicdump.8").read_text()
    text = re.search(r"^\.Sh SYNOPSIS$(.*?)^\.Sh ", text, re.M | re.S)[1]
    return "".join(part for part in text.split("\n.Nm\n") if part.startswith(f".Cm {verb}\n"))


def options_of(source):
    return set(re.findall(r"Fl -([a-z][a-z-]+)", source))


def listed(source):
    """The options that a section explains, each in an .It of its own or with others."""
    found = set()
    for line in re.findall(r"^\.It Fl (.*)", source, re.M):
        found |= set(re.findall(r"(?:^|[ ,])-([a-z][a-z-]+)", line))
    return found


def completed(verb):
    """By each shell, behind the verb."""
    at = SOURCE / "data/completions"
    bash = re.search(rf"^    {verb}\)\n(.*?);;", (at / "panicdump.bash").read_text(), re.M | re.S)[1]
    zsh = (at / "_panicdump").read_text()
    server = re.search(r"server=\((.*?)\)\n", zsh, re.S)[1]
    zsh = re.search(rf"^        {verb}\)(.*?);;", zsh, re.M | re.S)[1]
    zsh = zsh.replace("$server", server)
    fish = (at / "panicdump.fish").read_text()
    names = dict(re.findall(r"^set -l (\w+) '(.*)'", fish, re.M))
    mine = set()
    for line in fish.replace("\\\n", " ").splitlines():
        where = re.search(r"-n (?:'([^']*)'|\$(\w+))", line)
        if where and verb in (where[1] or names[where[2]]).split()[1:]:
            mine |= set(re.findall(r"-l ([a-z][a-z-]+)", line))
    return {"bash": own(bash), "zsh": set(re.findall(r"--([a-z][a-z-]+)", zsh)) - {"help"},
            "fish": mine}


def differs(what, got, wanted):
    return f"{what}: {sorted(got ^ wanted)}" if got != wanted else ""


def options(verb, text):
    wanted = own(text)
    section = manual(verb)
    explained = listed(section) | options_of(section) & wanted
    check(f"{verb}: the manual explains the options that --help lists",
          differs("manual", explained, wanted),
          differs("synopsis", options_of(synopsis(verb)) | wanted, wanted))
    check(f"{verb}: the shells complete them",
          *(differs(shell, got, wanted) for shell, got in completed(verb).items()))


def capture_words(text):
    wanted = set(re.findall(r"\b(_?(?:panicd|kdp|router)_[a-z_]+)=", text))
    manual_words = set(re.findall(r"^\.It (?:Ic \S+ , )*Ic (_?(?:panicd|kdp|router)_[a-z_]+)",
                                  manual("capture"), re.M))
    check("capture: the manual explains the words that --help lists",
          differs("words", manual_words, wanted))


def main():
    global SOURCE
    SOURCE = pathlib.Path(SOURCE)
    for program, verbs in VERBS.items():
        named = set(re.findall(r"^  \S+ (\w+)", told(program), re.M))
        check(f"{pathlib.Path(program).name} --help names its verbs",
              differs("verbs", named, set(verbs)))
        for verb in verbs:
            text = told(program, verb)
            if program == PROGRAM:
                options(verb, text)
            if program == PROGRAM and verb == "capture":
                capture_words(text)
    print(f"1..{COUNT}")
    return 1 if FAILED else 0


if __name__ == "__main__":
    sys.exit(main())
