#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""panicctl extract on FreeBSD's dump partitions, by themselves and in partition tables made by
sfdisk. Usage: test_panicctl_extract_freebsd.py PANICCTL. Speaks TAP."""

import gzip
import hashlib
import os
import pathlib
import random
import shutil
import stat
import struct
import subprocess
import sys

sys.dont_write_bytecode = True   # the source tree stays as it is
HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "panicbox")]
import corefile   # noqa: E402
import freebsd_dump as bsd   # noqa: E402
from panicctl_place import PANICCTL, main, test   # noqa: E402

MIB = 1 << 20
NOISE = random.Random(7)
INFO = """\
Dump header from device: {source}
  Architecture: amd64
  Architecture Version: 2
  Dump Length: {length}
  Blocksize: {block}
  Compression: {packing}
  Dumptime: 2021-04-19 06:14:00 +0000
  Hostname: crash.example.org
  Magic: {magic}
  Version String: {os}
  Panic String: page fault
  Dump Parity: {parity}
  Bounds: 0
  Dump Status: {status}
"""


def put(place, name, data):
    path = os.path.join(place.root, name)
    pathlib.Path(path).write_bytes(data)
    return path


def get(place, *names):
    return pathlib.Path(place.root, *names).read_bytes()


def digest(path):
    return hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()


def extract(place, image, out="out", code=0, more=()):
    """Into an empty directory; and the source stays as it was. @return the places"""
    shutil.rmtree(os.path.join(place.root, out), ignore_errors=True)
    before = digest(image), os.stat(image).st_mtime_ns
    got = place.json("extract", image, "-o", out, *more, code=code)
    assert (digest(image), os.stat(image).st_mtime_ns) == before
    return got["places"]


def names(found):
    return [f["name"] for f in found["files"]]


# ---- what is whole ----


@test
def a_dump_of_every_header_version_comes_out_with_its_info(place):
    dump = bsd.minidump() + b"odd"
    for version in (1, 2, 3, 4):
        for sector in (512, 4096):
            raw = bsd.partition(dump, MIB, sector, version)
            image = put(place, "dump.img", raw)
            found, = extract(place, image)
            assert names(found) == ["info.0", "vmcore.0"] and found["state"] == "dump", found
            assert found["format"] == f"FreeBSD kernel dump, header version {version}"
            assert all(f["complete"] for f in found["files"])
            assert get(place, "out", "vmcore.0") == dump, (version, sector)
            last = raw[-sector:][:512]
            os_text = last[bsd.LAYOUTS[version]["os"]:].split(b"\0")[0].decode()
            assert get(place, "out", "info.0").decode() == INFO.format(
                source=image, length=len(dump), block=sector, packing="none", os=os_text,
                magic="FreeBSD Kernel Dump", parity=struct.unpack(">I", last[508:])[0],
                status="good"), get(place, "out", "info.0")


@test
def a_packed_dump_begins_where_its_room_begins_and_stays_packed(place):
    dump = gzip.compress(bsd.minidump(pages=40))
    for version in (3, 4):
        for packing, suffix in ((1, "gz"), (2, "zst")):
            for extent in (len(dump), 300000, 300001):
                image = put(place, "dump.img", bsd.partition(dump, MIB, 512, version,
                                                             extent=extent, packing=packing))
                found, = extract(place, image)
                assert names(found) == ["info.0", f"vmcore.0.{suffix}"], found
                assert get(place, "out", f"vmcore.0.{suffix}") == dump


@test
def an_encrypted_dump_is_copied_with_its_key_and_said_to_be_encrypted(place):
    dump, blob = NOISE.randbytes(70000), bsd.key()
    for version in (2, 3, 4):
        image = put(place, "dump.img", bsd.partition(dump, MIB, 512, version, blob))
        found, = extract(place, image)
        assert names(found) == ["info.0", "key.0", "vmcore_encrypted.0"], found
        assert [f["encrypted"] for f in found["files"]] == [False, False, True]
        assert get(place, "out", "vmcore_encrypted.0") == dump
        assert get(place, "out", "key.0") == blob
        assert stat.S_IMODE(os.stat(os.path.join(place.root, "out", "key.0")).st_mode) == 0o400
    shutil.rmtree(os.path.join(place.root, "out"))
    place.run("extract", image, "-o", "out")
    assert "vmcore_encrypted.0 is encrypted" in place.err and "key.0" in place.err, place.err
    assert "--private-key FILE" in place.err and "AEA" not in place.err, place.err


@test
def an_encrypted_and_packed_dump_is_named_for_both(place):
    image = put(place, "dump.img", bsd.partition(b"x" * 5000, MIB, 4096, 4, bsd.key(4096),
                                                 extent=65536, packing=2))
    found, = extract(place, image)
    assert names(found) == ["info.0", "key.0", "vmcore_encrypted.0.zst"], found
    assert get(place, "out", "vmcore_encrypted.0.zst") == b"x" * 5000


@test
def a_text_dump_is_a_tar(place):
    tar = bsd.textdump(ddb="db> bt\n", msgbuf=bsd.MSGBUF, panic="page fault", version=bsd.OS)
    for version in (1, 2, 3, 4):
        image = put(place, "dump.img",
                    bsd.partition(tar, MIB, 512, version, magic="FreeBSD Text Dump"))
        found, = extract(place, image)
        assert names(found) == ["info.0", "textdump.tar.0"], found
        assert found["format"] == f"FreeBSD text dump, header version {version}", found
        listed = subprocess.run(["tar", "tf", os.path.join(place.root, "out", "textdump.tar.0")],
                                check=True, capture_output=True, text=True).stdout.split()
        assert listed == ["ddb.txt", "msgbuf.txt", "panic.txt", "version.txt"], listed
        got = place.json("verify", "out/textdump.tar.0")
        assert (got["verdict"], got["format"]) == ("complete", "freebsd-textdump"), got


def zstd(data):
    if not shutil.which("zstd"):
        return None
    return subprocess.run(["zstd", "-c"], input=data, check=True, capture_output=True).stdout


@test
def what_was_taken_out_is_proved_whole_and_says_why_it_died(place):
    whole = bsd.minidump(pages=40)
    for packing, dump, word in ((0, whole, ""), (1, gzip.compress(whole), "gzip+"),
                                (2, zstd(whole), "zstd+"),
                                (0, bsd.textdump(msgbuf=bsd.MSGBUF, version=bsd.OS), "")):
        if dump is None:
            continue   # no zstd here
        kind = "Text" if dump[:9] != whole[:9] and not packing else "Kernel"
        image = put(place, "dump.img", bsd.partition(dump, MIB, packing=packing,
                                                     magic=f"FreeBSD {kind} Dump"))
        found, = extract(place, image)
        path = found["files"][-1]["path"]
        what = word + ("freebsd-textdump" if kind == "Text" else "freebsd-minidump")
        got = place.json("verify", path)
        assert (got["verdict"], got["format"], got["note"]) == ("complete", what, ""), got
        full = get(place, path)
        put(place, "cut", full[:len(full) // 5])
        got = place.json("verify", "./cut", code=1)
        assert got["verdict"] == "incomplete" and got["missing"], got
        new, = place.json("import", path)["imported"]
        facts = place.json("info", str(new["id"]))["facts"]
        assert facts["panic"] == "page fault" and facts["os_version"] == "13.0-RELEASE", facts
        assert facts["task"] == "sh (pid 712)" and facts["crash_time"] == "1618812840", facts
        assert [f["text"] for f in facts["backtrace"]] == \
            ["kdb_backtrace+0x67", "vpanic+0x17f", "panic+0x43"], facts
        assert place.run("log", str(new["id"])).endswith("Uptime: 3d2h15m7s\n")
        text = place.run("info", str(new["id"]))
        assert "FreeBSD, 13.0-RELEASE\n" in text, text


def sfdisk(image, size, partitions):
    """A GPT as sfdisk writes it. @param partitions  (type, bytes). @return their offsets"""
    with open(image, "wb") as disk:
        disk.truncate(size)
    script = "label: gpt\n" + "".join(f"size={n // 512}, type={kind}\n" for kind, n in partitions)
    subprocess.run(["sfdisk", "-q", image], input=script, text=True, check=True)
    said = subprocess.run(["sfdisk", "-d", image], check=True, capture_output=True, text=True)
    return [int(line.split("start=")[1].split(",")[0]) * 512
            for line in said.stdout.splitlines() if "start=" in line]


@test
def every_dump_partition_of_a_disk_of_sfdisk_is_looked_at(place):
    if not shutil.which("sfdisk"):
        print("# SKIP no sfdisk here")
        return
    image = os.path.join(place.root, "disk.img")
    plain = "516E7CB6-6ECF-11D6-8FF8-00022D09712B"   # freebsd-ufs
    at = sfdisk(image, 24 * MIB, [(plain, 4 * MIB), (bsd.SWAP, MIB), (bsd.SWAP, MIB),
                                  (str(corefile.KERNEL_CORE_DUMP), 4 * MIB), (bsd.SWAP, 2 * MIB)])
    with open(image, "r+b") as disk:
        for number, data in ((2, bsd.partition(b"two" * 999, MIB, panic="second")),
                             (5, bsd.partition(b"five", 2 * MIB))):
            disk.seek(at[number - 1])
            disk.write(data)
    found = extract(place, image, code=0)
    assert [(p["partition"], p["state"]) for p in found] == \
        [(2, "dump"), (3, "empty"), (4, "empty"), (5, "dump")], found
    assert [p["offset"] for p in found] == at[1:]
    assert get(place, "out", "partition2", "vmcore.0") == b"two" * 999
    assert get(place, "out", "partition5", "vmcore.0") == b"five"
    assert b"Panic String: second\n" in get(place, "out", "partition2", "info.0")
    place.run("extract", image, "-l")
    assert "partition 3: it holds no dump: a FreeBSD dump ends with" in place.err, place.err


@test
def a_disk_with_no_such_partition_says_both_types(place):
    image = os.path.join(place.root, "disk.img")
    corefile.make_image(image, 24 * MIB, 8 * MIB, with_corefile_partition=False)
    place.run("extract", image, "-o", "out", code=1)
    assert bsd.SWAP in place.err and "5361644D" in place.err, place.err


def table(place, entries, sector=512, size=24 * MIB):
    """Any bounds, behind sums that are right. @param entries  (type, first, last)"""
    image, total = os.path.join(place.root, "disk.img"), size // sector
    kinds = [(corefile.uuid.UUID(kind), corefile.uuid.uuid5(corefile.KERNEL_CORE_DUMP, str(i)),
              first, last, "x") for i, (kind, first, last) in enumerate(entries)]
    mbr, front, back = corefile._gpt_halves(total, sector, kinds)
    with open(image, "wb") as disk:
        disk.write((mbr + front).ljust(size - len(back), b"\0") + back)
    return image


@test
def behind_a_partition_with_impossible_bounds_the_search_goes_on(place):
    apple = str(corefile.KERNEL_CORE_DUMP)
    for kind, word in ((apple, "an Apple_KernelCoreDump"), (bsd.SWAP, "a freebsd-swap")):
        for first, last in ((40, 30), (2, 50), (4096, 1 << 40), (0, 0)):
            image = table(place, [(kind, first, last), (bsd.SWAP, 8192, 8192 + 2047),
                                  (kind, first, last), (apple, 16384, 16384 + 2047)])
            with open(image, "r+b") as disk:
                disk.seek(8192 * 512)
                disk.write(bsd.partition(b"core", MIB))
                disk.seek(16384 * 512)
                disk.write(b"Boss Mac" + bytes(8))
            found = extract(place, image, code=1)
            assert [(p["partition"], p["state"]) for p in found] == \
                [(1, "damaged"), (2, "dump"), (3, "damaged"), (4, "damaged")], found
            assert get(place, "out", "vmcore.0") == b"core"
            place.run("extract", image, "-l", code=1)
            for number in (1, 3):
                assert f"partition {number}: it is {word} partition, but" in place.err, place.err
    found = extract(place, table(place, [(apple, 40, 30)]), code=1)
    assert [p["state"] for p in found] == ["damaged"], found


@test
def sectors_of_4096_have_their_table_and_their_header(place):
    image = table(place, [(bsd.SWAP, 1024, 1024 + 255)], 4096)
    with open(image, "r+b") as disk:
        disk.seek(1024 * 4096)
        disk.write(bsd.partition(b"core" * 5000, MIB, 4096))
    extract(place, image)
    assert get(place, "out", "vmcore.0") == b"core" * 5000


@test
def in_the_list_a_dump_knows_what_its_header_says(place):
    image = put(place, "dump.img", bsd.partition(bsd.minidump(log="no word of it\n"), MIB))
    place.run("extract", image)
    dump, = place.json("list")["dumps"]
    assert dump["name"] == "dump.img-vmcore.0" and dump["state"] == "complete", dump
    facts = place.json("info", str(dump["id"]))["facts"]
    assert facts["panic"] == "page fault" and facts["host"] == "crash.example.org", facts
    assert facts["crash_time"] == "1618812840" and facts["memory"]["ranges"], facts
    image = put(place, "dump.img", bsd.partition(NOISE.randbytes(7000), MIB, blob=bsd.key(),
                                                 panic="of what nobody can read"))
    found, = place.json("extract", image)["places"]
    assert [f["id"] for f in found["files"]] == [None, 2, 3], found
    facts = place.json("info", "3")["facts"]
    assert facts["panic"] == "of what nobody can read" and facts["arch"] == "amd64", facts


# ---- what is not ----


@test
def a_dump_that_was_saved_is_said_to_be(place):
    image = put(place, "d", bsd.partition(b"core", MIB, magic="Cleared Kernel Dump"))
    found, = extract(place, image, code=1)
    assert found["state"] == "empty" and not found["files"], found
    assert "saved already" in found["reason"] and "/var/crash" in found["reason"]


@test
def headers_that_differ_are_told_and_the_dump_is_kept(place):
    for front in (bytes(512), bsd.header(4, 4096, panic="another"), NOISE.randbytes(512)):
        image = put(place, "d", bsd.partition(b"c" * 4096, MIB, front=front))
        found, = extract(place, image, code=1)
        assert found["state"] == "dump" and "written over" in found["reason"], found
        assert get(place, "out", "vmcore.0") == b"c" * 4096
        assert get(place, "out", "info.0").endswith(b"Dump Status: bad\n")
        place.run("extract", image, "-l", code=1)
        assert "written over" in place.err, place.err


@test
def every_byte_of_the_last_header_is_held_to_its_parity(place):
    raw = bsd.partition(b"c" * 4096, 8192)
    for at in sorted(NOISE.sample(range(512), 60)) + [0, 19, 32, 35, 40, 47, 495, 508, 511]:
        bad = bytearray(raw)
        bad[len(bad) - 512 + at] ^= 1 << NOISE.randrange(8)
        code = 2 if at < 20 and bad[-512:][:20] != raw[-512:][:20] else 1
        image = put(place, "d", bytes(bad))
        if code == 2:
            place.run("extract", image, "-o", "out", code=2)
            assert "does not end with a FreeBSD dump" in place.err, (at, place.err)
        else:
            found, = extract(place, image, code=1)
            assert found["state"] == "damaged" and not found["files"], (at, found)


@test
def sizes_that_cannot_be_are_answers(place):
    most = (1 << 64) - 1
    for fields in (dict(length=most), dict(length=MIB), dict(length=MIB - 1023), dict(length=0),
                   dict(key=0xffffffff), dict(key=0x80000000), dict(length=1 << 63),
                   dict(extent=most, length=most), dict(extent=most - 511, length=1 << 62)):
        for version in (1, 2, 3, 4):
            for block in (0, 511, 512, 0xffffffff):
                if version == 1 and "key" in fields:
                    continue
                last = bsd.header(version, **{"length": 4096, "block": block, **fields})
                found, = extract(place, put(place, "d", bytes(MIB - 512) + last), code=1)
                assert found["state"] == "damaged" and not found["files"], (fields, found)
    last = bsd.header(4, 4096, extent=most)   # what was set aside cannot be; the dump could
    found, = extract(place, put(place, "d", bytes(MIB - 512) + last), code=1)
    assert found["state"] == "damaged", found
    for version in (0, 5, 6, 1 << 31):
        found, = extract(place, put(place, "d", bytes(MIB - 512) + bsd.header(version, 9)), code=1)
        assert "version" in found["reason"], found


@test
def an_image_cut_at_either_end_is_told(place):
    raw = bsd.partition(NOISE.randbytes(9000), MIB)
    place.run("extract", put(place, "d", raw[:-1]), "-o", "out", code=2)
    assert "does not end with a FreeBSD dump" in place.err, place.err
    for cut in (9000, 9215, 9500, 10239):
        found, = extract(place, put(place, "d", raw[-cut:]), code=1)
        assert found["state"] == "damaged" and "no room" in found["reason"], found
    found, = extract(place, put(place, "d", raw[-10240:]))
    assert found["state"] == "dump"


@test
def random_damage_never_does_more_than_spoil_the_dump(place):
    raw = bsd.partition(bsd.minidump(), 64 << 10, blob=bsd.key())
    for seed in range(60):
        lot, bad = random.Random(seed), bytearray(raw)
        for _ in range(lot.choice((1, 3, 30))):
            bad[lot.randrange(len(bad) - (512 if seed % 2 else 0))] = lot.randrange(256)
        image = put(place, "d", bytes(bad))
        done = subprocess.run([PANICCTL, "extract", image, "-o", "out", "--force"],
                              cwd=place.root, capture_output=True, timeout=60)
        assert done.returncode in (0, 1, 2), (seed, done)


@test
def texts_of_the_header_cannot_move_a_cursor_or_forge_a_terminal(place):
    image = put(place, "d", bsd.partition(b"core", MIB, host="a\x1b[2Jb", panic="x\r\x7fy"))
    extract(place, image)
    info = get(place, "out", "info.0")
    assert b"Hostname: a?[2Jb\n" in info and b"Panic String: x??y\n" in info, info
    assert b"\x1b" not in info


# ---- operands ----


@test
def the_wrong_way_round_is_refused_with_what_to_type(place):
    image = put(place, "dump.img", bsd.partition(b"core", MIB))
    os.mkdir(os.path.join(place.root, "d"))
    before = digest(image)
    right = f"type: panicctl extract {image} -o d\n"
    for args in (("d", "-o", image), ("d", image), ("if=d", f"of={image}")):
        place.run("extract", *args, code=2)
        assert "the wrong way round" in place.err and place.err.endswith(right), place.err
    for device in ("/dev/null", "/dev/full", "/dev/panicctl-test-that-is-not-there"):
        place.run("extract", image, "-o", device, code=2)
        assert "nothing is ever written to one" in place.err, place.err
    assert not os.path.exists(device)
    assert digest(image) == before and not os.listdir(os.path.join(place.root, "d"))


@test
def files_that_are_there_stay_unless_force_is_used(place):
    image = put(place, "dump.img", bsd.partition(b"core", MIB, blob=bsd.key()))
    extract(place, image)
    place.run("extract", image, "-o", "out", code=2)
    assert "info.0 is in out already; --force" in place.err, place.err
    place.run("extract", image, "-o", "out", "--force")
    assert get(place, "out", "vmcore_encrypted.0") == b"core"


if __name__ == "__main__":
    sys.exit(main())
