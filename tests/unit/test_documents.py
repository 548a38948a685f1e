#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What the documents and the sources refer to is there: files, headings, clauses of PROTOCOL.md,
functions and tests that ARCHITECTURE.md names. Usage: test_documents.py SOURCE. Speaks TAP."""
import pathlib
import re
import sys

ROOT = pathlib.Path(sys.argv[1])
CODE = ("src", "include", "machine", "examples", "tests", "bench", "tools", "linux", "data")
CLAUSE = re.compile(r"#((?:kdp|netdump|tftp|freebsd|linux|streams)-\d+(?:\.\d+)?[a-z]?)\b")
COUNT = FAILED = 0


def check(sentence, wrong):
    global COUNT, FAILED
    COUNT += 1
    FAILED += bool(wrong)
    for why in wrong:
        print("#", why)
    print(f"{'not ok' if wrong else 'ok'} {COUNT} - {sentence}", flush=True)


def read(path):
    return path.read_text(encoding="utf-8", errors="replace")


def sources():
    for folder in CODE:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in (".c", ".h", ".S", ".py", ".sh", ".build") and path.is_file():
                yield path


def documents():
    return sorted([*ROOT.glob("*.md"), *ROOT.glob("*/README.md")])


def anchors(path):
    text = read(path)
    heads = re.findall(r"^#+ (.*)", text, re.M)
    return set(re.findall(r'<a id="([^"]+)"', text)) | {
        re.sub(r"[^\w\- ]", "", head.lower()).strip().replace(" ", "-") for head in heads}


def broken_links():
    for path in documents():
        for link in re.findall(r"\]\(([^)\s]+)\)", read(path)):
            if re.match(r"[a-z]+:", link):
                continue
            name, _, anchor = link.partition("#")
            target = path.parent / name if name else path
            if not target.exists():
                yield f"{path.name}: {link}: there is no such file"
            elif anchor and target.suffix == ".md" and anchor not in anchors(target):
                yield f"{path.name}: {link}: there is no such heading"


def missing_clauses():
    there = anchors(ROOT / "PROTOCOL.md")
    for path in sources():
        text = read(path)
        for found in re.finditer(r"PROTOCOL\.md", text):
            source = re.split(r"\*/|@|\n\s*\*?\s*\n", text[found.start():found.start() + 400])[0]
            for clause in CLAUSE.findall(source):
                if clause not in there:
                    yield f"{path.relative_to(ROOT)}: PROTOCOL.md#{clause} is not there"


def missing_names(code):
    """Of what ARCHITECTURE.md names: files with a folder, and functions."""
    text = read(ROOT / "ARCHITECTURE.md")
    for name in sorted(set(re.findall(r"`(pnd_\w+)(?:\(\))?`", text))):
        if name not in code:
            yield f"{name} is nowhere in the sources"
    for name in sorted(set(re.findall(r"`((?:[a-z0-9_]+/)+[a-z0-9_]+\.(?:c|h|py|sh|S))`", text))):
        if not any((ROOT / folder / name).exists() for folder in ("", "src", "include")):
            yield f"{name} is not there"


def main():
    check("every link of the documents leads somewhere", list(broken_links()))
    check("every clause that a source cites is in PROTOCOL.md", list(missing_clauses()))
    code = set()
    for path in sources():
        if path.suffix in (".c", ".h"):
            code |= set(re.findall(r"\bpnd_\w+", read(path)))
    check("what ARCHITECTURE.md names is there", list(missing_names(code)))
    print(f"1..{COUNT}")
    return 1 if FAILED else 0


if __name__ == "__main__":
    sys.exit(main())
