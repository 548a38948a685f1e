#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""The power is cut while a local dump is written. TAP on stdout.

    PND_BUILD=build tests/panicbox/test_power_cut.py [--cuts 100]

First one dump whose writes are logged (QEMU's blklogwrites) is replayed: every prefix of its
writes, and what a disk with a cache may have kept of the writes since the last flush. Then QEMU is
killed for real, at many points of as many dumps, two at a time. Whatever is on the disk, the
partition must be readable, and hold only files that are whole: each of them exact."""

import argparse
import collections
import concurrent.futures
import dataclasses
import pathlib
import random
import struct
import sys
import tempfile
import time
import zlib

import box
import cores

ARGS = "panic=now debug=0x404"          # a local core, then it waits
SECTOR = 512
FLUSH, DISCARD = 1, 4                   # of blklogwrites
SUBSETS = 8                             # random choices for each time between two flushes
CUT_IOPS = 600                          # so that points of the dump differ in time
DISK_MIB, PARTITION_MIB = 8, 5
HEADER = 4096                           # the corefile's header is rewritten at its first page


# ---- one dump, replayed

@dataclasses.dataclass
class Write:
    offset: int
    data: bytes


def logged_writes(path):
    """Of blklogwrites: a list whose items are a Write, or None for a flush."""
    log = path.read_bytes()
    magic, version, entries, sector = struct.unpack_from("<QQQI", log)
    assert (magic, version) == (0x6a736677736872, 1), "not a log of blklogwrites"
    at, found = sector, []
    for _ in range(entries):
        start, count, flags, _ = struct.unpack_from("<QQQQ", log, at)
        at += sector
        if flags & FLUSH:
            found.append(None)
        if count and not flags & DISCARD:
            found.append(Write(start * sector, log[at:at + count * sector]))
            at += count * sector
    return found


class Replay:
    """A disk as it began, on which writes are repeated; and the truth: what the finished disk
    held."""

    def __init__(self, start, image, final):
        self.image = bytearray(image)
        self.start = start
        self.old = box.read_corefile(image)   # None, or an older dump
        self.truth = box.read_corefile(final)
        self.seen = collections.Counter()

    def check(self, image, where):
        """What a reader finds: what was there before, exact, or files of the finished dump, in
        order and exact; never anything of both."""
        try:
            found = box.read_corefile(image, unpacked=False)
        except Exception as why:
            raise AssertionError(f"{where}: not readable: {why}")
        if found is None:
            assert not self.old, where + ": what was there is gone, without anything new"
            self.seen["nothing"] += 1
            return
        if self.old and found.log == self.old.log and \
                [file.stored for file in found.files] == [file.stored for file in self.old.files]:
            self.seen["the older dump"] += 1
            return
        for file, true in zip(found.files, self.truth.files):
            assert (file.name, file.packing, file.stored) == \
                (true.name, true.packing, true.stored), f"{where}: {file.name} is wrong"
        assert len(found.files) <= len(self.truth.files), where
        assert found.log in ("", self.truth.log), f"{where}: the log is wrong: {found.log!r}"
        self.seen[f"{len(found.files)} files" + (", log" if found.log else "")] += 1

    def apply(self, write, image=None, length=None):
        image = self.image if image is None else image
        data = write.data[:length]
        image[write.offset:write.offset + len(data)] = data


def logged_dump(disk, work):
    """One dump onto a disk: its writes, and what the disk held before."""
    log = work / "log"
    before = disk.read_bytes()
    with log.open("wb") as file:
        file.truncate(64 << 20)
    drive = ["-blockdev", f"driver=file,node-name=f0,filename={disk}",
             "-blockdev", f"driver=file,node-name=l0,filename={log}",
             "-blockdev", "driver=blklogwrites,node-name=d0,file=f0,log=l0,log-sector-size=512",
             "-device", "virtio-blk-pci,drive=d0"]
    with box.Box(ARGS, nic="none", extra=drive, work=work) as machine:
        machine.wait("^panicbox: standing still")
        machine.qmp.execute("quit")
        machine.process.wait(box.PATIENCE)
    return logged_writes(log), before


def replay(older):
    """One dump, onto an empty partition or over an older dump."""
    with tempfile.TemporaryDirectory(prefix="panicbox-") as place:
        work = pathlib.Path(place)
        disk = work / "disk"
        start = box.make_disk(disk, DISK_MIB, PARTITION_MIB)
        if older:
            logged_dump(disk, work)
        writes, before = logged_dump(disk, work)
        state = Replay(start, before, disk.read_bytes())
    assert state.truth and [f.name for f in state.truth.files][-1] == "kernel", state.truth
    pending, chance, checked, subsets, torn = [], random.Random(1), 0, 0, 0
    durable = bytearray(state.image)
    for number, write in enumerate([*writes, None], 1):
        where = f"after {number} of {len(writes)} writes"
        if write is None:   # a flush: all before it is on the medium
            for _ in range(SUBSETS if pending else 0):
                image = bytearray(durable)
                for kept in pending:
                    if chance.random() < 0.5:
                        state.apply(kept, image)
                state.check(image, where + ", some lost")
                subsets += 1
            for kept in pending:
                state.apply(kept, durable)
            pending = []
            continue
        if write.offset < state.start + HEADER:
            for length in range(SECTOR, len(write.data), SECTOR):
                image = bytearray(state.image)
                state.apply(write, image, length)
                state.check(image, f"{where}, torn after {length} bytes")
                torn += 1
            image = bytearray(durable)   # the header alone came through
            state.apply(write, image)
            state.check(image, where + ", nothing else since the flush")
        state.apply(write)
        state.check(state.image, where)
        pending.append(write)
        checked += 1
    assert not pending and bytes(durable) == bytes(state.image)
    print(f"# {checked} writes, {writes.count(None)} flushes, {torn} torn headers, "
          f"{subsets} lossy caches; states: {dict(state.seen)}")
    count = len(state.truth.files)
    expected = {*(f"{n} files" for n in range(count + 1)), f"{count} files, log",
                "the older dump" if older else "nothing"}
    assert expected <= set(state.seen), f"never seen: {expected - set(state.seen)}"


# ---- QEMU killed

def machine_with(disk, work):
    drive = f",throttling.iops-write={CUT_IOPS}"
    return box.Box(ARGS, nic="none", disk=disk, drive=drive, work=work)


def written(machine):
    """Write operations that QEMU has finished."""
    stats = machine.qmp.execute("query-blockstats")
    return next(s["stats"]["wr_operations"] for s in stats if s.get("device") == "d0")


def one_cut(number, point, reference, base):
    """A dump whose machine loses its power once `point` writes are done; None: never. Returns
    (what it was called, the writes done)."""
    work = pathlib.Path(base) / f"cut-{number}"
    work.mkdir()
    disk = work / "disk"
    box.make_disk(disk, DISK_MIB, PARTITION_MIB)
    with machine_with(disk, work) as machine:
        done = 0
        while point is None or done < point:
            done = written(machine)
            if point is None and machine.said("^panicbox: standing still"):
                break
            assert machine.running(), machine.console.tail()
            time.sleep(0.0005)
        machine.kill()
        console = machine.console.tail(20)
    found = box.read_corefile(disk.read_bytes())
    disk.unlink()
    if found is None:
        return "nothing", done, None
    names = [file.name for file in found.files]
    if reference:
        true = [file.name for file in reference.files]
        assert names == true[:len(names)], f"cut {number} at {done}: {names}\n{console}"
    for file in found.files:
        check_file(file, reference)
    assert not found.log or box.re.search(box.PANICKED, found.log), found.log
    return f"{len(names)} files" + (", log" if found.log else ""), done, found


def check_panic_region(content):
    """Its header has a checksum. PROTOCOL.md#kdp-9.4"""
    magic, crc, version = struct.unpack_from("<III", content)
    offset, length = struct.unpack_from("<II", content, 20)
    assert (magic, version) == (0x46554e4b, 6) and zlib.crc32(content[8:]) == crc, content[:16]
    assert box.re.match(box.PANICKED, content[offset:offset + length].decode())


def check_file(file, reference):
    """Whole and exact, by what the file itself proves."""
    if file.name != "kernel":
        check_panic_region(file.content)
        return
    core = cores.parse(file.content)
    kinds = cores.pattern(core)
    assert sum(kinds) > 0
    if reference:
        true = cores.parse(reference.files[-1].content)
        assert core.segments == true.segments and len(core.content) == len(true.content)
        assert kinds == cores.pattern(true), "a page of the pattern is not exact"


def points(total, cuts):
    """Spread over the dump, and close together where the header is written."""
    near = min(10, cuts // 6)
    spread = cuts - 2 * near
    return ([*range(near)] + [round(i * total / spread) for i in range(spread)]
            + [total - i for i in range(near)])


def cut(cuts):
    def run():
        states = collections.Counter()
        with tempfile.TemporaryDirectory(prefix="panicbox-") as base:
            state, total, reference = one_cut(0, None, None, base)
            count = len(reference.files)
            assert state == f"{count} files, log", state
            with concurrent.futures.ThreadPoolExecutor(2) as pool:
                futures = [pool.submit(one_cut, number, point, reference, base)
                           for number, point in enumerate(points(total, cuts), 1)]
                for future in futures:
                    states[future.result()[0]] += 1
        print(f"# {cuts} cuts in a dump of {total} writes: {dict(states)}")
        before = states["nothing"] + states["0 files"]
        between = sum(n for state, n in states.items()
                      if state[0].isdigit() and 0 < int(state.split()[0]) < count)
        after = states[f"{count} files"] + states[f"{count} files, log"]
        assert before and between and after, (before, between, after)
    return run


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--cuts", type=int, default=100)
    options = parser.parse_args()
    box.need()
    every = ("every prefix of a dump's writes, each header torn at every sector, and what a cache "
             "may have kept: ")
    return box.main([(every + "what is readable is exact", lambda: replay(False)),
                     (every + "over an older dump, it is the one or the other",
                      lambda: replay(True)),
                     (f"{options.cuts} power cuts, QEMU killed: the partition is always readable, "
                      "and holds whole files only, before, between and after them",
                      cut(options.cuts))])


if __name__ == "__main__":
    sys.exit(box.skipping(main))
