#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""The witness is not blind: a dump that is wrong in one bit, cut, or shifted is told apart from a
right one. TAP on stdout; needs neither QEMU nor a kernel."""

import pathlib
import random
import struct
import sys
import tempfile

sys.dont_write_bytecode = True   # the source tree stays as it is
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import oracle   # noqa: E402

PAGE = oracle.PAGE
RAM_PAGES = 600   # more than one stride of the comparison


def core_of(memory, shared=False):
    """A vmcore of `memory`, as Linux makes it: the first pages are in it twice, a hole follows.
    `shared`: as panicdump makes it, two segments name them, and the file has them once."""
    layout = [(0, 40), (0, 300), (310, RAM_PAGES)]
    header = struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\x02\x01\x01", 4, 62, 1, 0, 64, 0, 0, 64,
                         56, len(layout), 0, 0, 0)
    table, body, at = b"", b"", PAGE
    for first, end in layout:
        size = (end - first) * PAGE
        if shared and (first, end) == (0, 40):
            table += struct.pack("<IIQQQQQQ", 1, 7, at, 1 << 40, 0, size, size, 0)
            continue
        table += struct.pack("<IIQQQQQQ", 1, 7, at, 0, first * PAGE, size, size, 0)
        body += memory[first * PAGE:end * PAGE]
        at += size
    return bytearray((header + table).ljust(PAGE, b"\0") + body)


def main():
    memory = bytearray(random.Random(1).randbytes(RAM_PAGES * PAGE))
    for index in range(8):
        memory[(400 + index) * PAGE:(401 + index) * PAGE] = oracle._pattern_page(index)
    memory[500 * PAGE:520 * PAGE] = bytes(20 * PAGE)
    right = core_of(memory)
    count = failures = 0
    with tempfile.TemporaryDirectory(prefix="panicd-oracle-") as work:
        def look(core):
            pathlib.Path(work, "core").write_bytes(core)
            pathlib.Path(work, "memory").write_bytes(memory)
            return oracle.compare(f"{work}/core", f"{work}/memory"), \
                oracle.pattern_pages(f"{work}/core")

        def say(good, sentence):
            nonlocal count, failures
            count, failures = count + 1, failures + (not good)
            print(f"{'' if good else 'not '}ok {count} - {sentence}", flush=True)

        result, found = look(right)
        say((result.equal, result.different, result.zero) == (630, 0, 20)
            and result.size == result.size_expected, "a right dump has every page equal")
        say(found == set(range(8)), "every marked page is found")
        say(result.shared == 0, "its segments share nothing")
        say(result.memory == (RAM_PAGES - 10) * PAGE,
            "it is seen how much of the memory is in it, however often")
        result, found = look(core_of(memory, True))
        say((result.equal, result.different, result.shared) == (630, 0, 40 * PAGE)
            and result.size == result.size_expected == len(right) - 40 * PAGE
            and found == set(range(8)), "pages that two segments share are seen to be shared")
        wrong = bytearray(right)
        wrong[-1] ^= 1
        result, _ = look(wrong)
        say((result.equal, result.different) == (629, 1), "one bit of the last page is noticed")
        wrong = bytearray(right)
        wrong[PAGE * 2] ^= 0x80
        result, _ = look(wrong)
        say((result.equal, result.different) == (629, 1)
            and result.first == "physical address 0x1000",
            "a page that is in the file twice is compared twice")
        result, _ = look(right[:-PAGE])
        say(result.different == 1 and result.size != result.size_expected,
            "a dump that ends a page early is noticed")
        result, _ = look(right[:-1])
        say(result.different == 1, "a dump that ends a byte early is noticed")
        result, _ = look(right[:PAGE] + right[2 * PAGE:] + bytes(PAGE))
        say(result.different > 500, "a dump with one block left out is noticed")
        wrong = bytearray(right)
        wrong[wrong.index(struct.pack("<Q", 5), PAGE * 400) + 100] ^= 1
        _, found = look(wrong)
        say(found == {0, 1, 2, 3, 4, 6, 7}, "a marked page with one wrong bit does not count")
    print(f"1..{count}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
