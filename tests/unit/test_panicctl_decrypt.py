#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""FreeBSD's encrypted dumps, made with the openssl command, opened by panicctl extract and export.
Usage: test_panicctl_decrypt.py PANICCTL. Speaks TAP."""

import gzip
import os
import pathlib
import pty
import shutil
import stat
import struct
import subprocess
import sys
import time

sys.dont_write_bytecode = True   # the source tree stays as it is
HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE)]
import freebsd_dump as bsd   # noqa: E402
from panicctl_place import PANICCTL, main, test   # noqa: E402

MIB = 1 << 20
SESSION, IV = bytes(range(7, 39)), bytes(range(100, 132))
AES, CHACHA = 1, 2
DUMP = bsd.minidump(pages=40)
NAMES = {AES: "AES-256-CBC", CHACHA: "ChaCha20"}


def openssl(*args, data=b""):
    return subprocess.run(["openssl", *args], input=data, check=True, capture_output=True).stdout


def new_key(place, name="private.pem", bits=1024, passphrase=None):
    """What the person in charge keeps. @return the path of the public half"""
    path = at(place, name)
    openssl("genrsa", *(["-aes128", "-passout", f"pass:{passphrase}"] if passphrase else []),
            "-out", path, str(bits))
    openssl("rsa", "-in", path, "-pubout", "-out", path + ".pub",
            *(["-passin", f"pass:{passphrase}"] if passphrase else []))
    return path + ".pub"


def blob(public, cipher, padding="oaep", sector=512, session=SESSION):
    wrapped = openssl("pkeyutl", "-encrypt", "-pubin", "-inkey", public,
                      "-pkeyopt", f"rsa_padding_mode:{padding}", data=session)
    return bsd.pad(struct.pack(">B32sI", cipher, IV, len(wrapped)) + wrapped, sector)


def encrypt(data, cipher, start=None):
    """@param start  openssl's vector for ChaCha20: the counter, and then the nonce"""
    if cipher == AES:
        return openssl("enc", "-aes-256-cbc", "-K", SESSION.hex(), "-iv", IV[:16].hex(), "-nopad",
                       data=data)
    start = bytes(8) + IV[:8] if start is None else start
    return openssl("enc", "-chacha20", "-K", SESSION.hex(), "-iv", start.hex(), data=data)


def put(place, name, data):
    path = os.path.join(place.root, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    pathlib.Path(path).write_bytes(data)
    return path


def at(place, name):
    return os.path.join(place.root, name)


def get(place, *names):
    return pathlib.Path(place.root, *names).read_bytes()


def saved(place, cipher, data=DUMP, suffix="", **more):
    """As savecore(8) leaves them. @return the dump's path"""
    public = new_key(place)
    put(place, "crash/key.3", blob(public, cipher, **more))
    return put(place, f"crash/vmcore_encrypted.3{suffix}", encrypt(data, cipher))


def empty(place, name="out"):
    shutil.rmtree(os.path.join(place.root, name), ignore_errors=True)


# ---- dump devices ----


@test
def an_encrypted_dump_device_comes_out_decrypted(place):
    public = new_key(place)
    for version in (2, 3, 4):
        for sector in (512, 4096):
            for cipher, padding in ((AES, "oaep"), (CHACHA, "oaep"), (AES, "pkcs1")):
                image = put(place, "dump.img",
                            bsd.partition(encrypt(DUMP, cipher), 2 * MIB, sector, version,
                                          blob(public, cipher, padding, sector)))
                empty(place)
                found, = place.json("extract", image, "-o", "out", "--private-key",
                                    "private.pem")["places"]
                assert [f["name"] for f in found["files"]] == ["info.0", "vmcore.0"], found
                assert [f["decrypted"] for f in found["files"]] == [False, True], found
                assert not any(f["encrypted"] for f in found["files"])
                assert get(place, "out", "vmcore.0") == DUMP, (version, sector, cipher)
    mode = os.stat(os.path.join(place.root, "out", "vmcore.0")).st_mode
    assert stat.S_IMODE(mode) == 0o600
    assert not place.err, place.err


@test
def what_was_packed_first_stays_packed_and_opens(place):
    public, packed = new_key(place), gzip.compress(DUMP)
    image = put(place, "dump.img", bsd.partition(encrypt(bsd.pad(packed, 512), CHACHA), 2 * MIB,
                                                 512, 4, blob(public, CHACHA), extent=MIB,
                                                 packing=1))
    text = place.run("extract", image, "-o", "out", "--private-key", "private.pem")
    assert "vmcore.0.gz" in text and "encrypted" not in place.err, (text, place.err)
    assert get(place, "out", "vmcore.0.gz") == bsd.pad(packed, 512)
    got = place.json("verify", "out/vmcore.0.gz")
    assert (got["verdict"], got["format"]) == ("complete", "gzip+freebsd-minidump"), got
    if shutil.which("zstd"):
        packed = subprocess.run(["zstd", "-c"], input=DUMP, check=True, capture_output=True).stdout
        image = put(place, "dump.img",
                    bsd.partition(encrypt(packed, CHACHA), 2 * MIB, 512, 4, blob(public, CHACHA),
                                  extent=MIB, packing=2))
        empty(place)
        place.run("extract", image, "-o", "out", "--private-key", "private.pem")
        assert get(place, "out", "vmcore.0.zst") == packed
        got = place.json("verify", "out/vmcore.0.zst")
        assert (got["verdict"], got["format"]) == ("complete", "zstd+freebsd-minidump"), got


@test
def into_the_list_it_comes_with_all_that_it_says(place):
    public = new_key(place)
    image = put(place, "dump.img",
                bsd.partition(encrypt(DUMP, AES), 2 * MIB, 512, 4, blob(public, AES)))
    found, = place.json("extract", image, "--private-key", "private.pem")["places"]
    number = found["files"][-1]["id"]
    assert [f["id"] for f in found["files"]] == [None, number], found
    info = place.json("info", str(number))
    assert info["facts"]["panic"] == "page fault" and info["encrypted"] is None, info
    assert info["facts"]["os_version"] == "13.0-RELEASE" and info["state"] == "complete", info
    assert place.run("log", str(number)).endswith("Uptime: 3d2h15m7s\n")


@test
def nothing_that_is_there_is_replaced_unasked(place):
    public = new_key(place)
    image = put(place, "dump.img",
                bsd.partition(encrypt(DUMP, AES), 2 * MIB, 512, 4, blob(public, AES)))
    put(place, "out/vmcore.0", b"mine")
    place.run("extract", image, "-o", "out", "--private-key", "private.pem", code=2)
    assert get(place, "out", "vmcore.0") == b"mine" and "--force" in place.err
    place.run("extract", image, "-o", "out", "--private-key", "private.pem", "--force")
    assert get(place, "out", "vmcore.0") == DUMP


@test
def without_the_key_it_says_what_to_type(place):
    public = new_key(place)
    image = put(place, "dump.img",
                bsd.partition(encrypt(DUMP, AES), 2 * MIB, 512, 4, blob(public, AES)))
    place.run("extract", image, "-o", "out")
    assert f"panicctl extract {image} --private-key FILE" in place.err, place.err
    assert get(place, "out", "vmcore_encrypted.0") == encrypt(DUMP, AES)
    for verb in ("verify", "info"):
        text = place.run(verb, "out/vmcore_encrypted.0")
        assert "AES-256-CBC, for an RSA key of 1024 bits\n" in text, text
        assert "panicctl export out/vmcore_encrypted.0 --private-key FILE\n" in text, text
        got = place.json(verb, "out/vmcore_encrypted.0")["encrypted"]
        assert got == {"cipher": "AES-256-CBC", "rsa_bits": 1024,
                       "open": "panicctl export out/vmcore_encrypted.0 --private-key FILE"}, got
        assert place.json(verb, image)["encrypted"] is None
    device = put(place, "device", bsd.partition(encrypt(DUMP, CHACHA), 2 * MIB, 512, 4,
                                                blob(public, CHACHA)).lstrip(b"\0"))
    got = place.json("verify", device)
    assert got["format"] == "freebsd-device" and "is encrypted" in got["note"], got
    assert got["encrypted"]["cipher"] == "ChaCha20", got
    assert got["encrypted"]["open"] == f"panicctl extract {device} --private-key FILE", got
    place.run("export", device, "-o", "x", "--private-key", "private.pem", code=2)
    assert "panicctl extract" in place.err and not os.path.exists(at(place, "x")), place.err


# ---- what savecore and the server leave ----


@test
def a_dump_is_exported_with_the_key_beside_it(place):
    for cipher in (AES, CHACHA):
        path = saved(place, cipher)
        text = place.run("export", path, "--private-key", "private.pem")
        assert text.startswith("vmcore.3: "), text
        assert get(place, "vmcore.3") == DUMP
        got = place.json("verify", "./vmcore.3")
        assert (got["verdict"], got["format"]) == ("complete", "freebsd-minidump"), got
        place.run("export", path, "--private-key", "private.pem", code=2)
        assert "is there already" in place.err, place.err
        os.unlink(at(place, "vmcore.3"))
    os.rename(path, at(place, "crash/panic-1"))   # as the server keeps them
    os.rename(at(place, "crash/key.3"), at(place, "crash/panic-1.key"))
    got = place.json("verify", "crash/panic-1")["encrypted"]
    assert got["open"] == "panicctl export crash/panic-1 --private-key FILE", got
    place.run("export", "crash/panic-1", "--private-key", "private.pem", "-o", "plain")
    assert get(place, "plain") == DUMP


@test
def the_key_can_be_named_and_the_dump_be_one_of_the_list(place):
    path = saved(place, CHACHA)
    os.rename(at(place, "crash/key.3"), at(place, "elsewhere"))
    new, = place.json("import", path)["imported"]
    number = str(new["id"])
    text = place.run("info", number)
    assert "by its name; the key that came with it (key.N) is not beside it" in text, text
    assert f"panicctl export {number} --private-key FILE --key-blob KEY.N\n" in text, text
    place.run("export", number, "--private-key", "private.pem", code=2)
    assert "--key-blob" in place.err, place.err
    place.run("export", number, "--private-key", "private.pem", "--key-blob", "elsewhere")
    assert get(place, "vmcore.3") == DUMP
    new, = place.json("import", at(place, "vmcore.3"))["imported"]
    assert place.json("info", str(new["id"]))["facts"]["task"] == "sh (pid 712)"


@test
def what_was_extracted_into_the_list_is_opened_from_there(place):
    public = new_key(place)
    image = put(place, "dump.img",
                bsd.partition(encrypt(DUMP, AES), 2 * MIB, 512, 4, blob(public, AES)))
    found, = place.json("extract", image)["places"]
    number = str(next(f["id"] for f in found["files"] if f["encrypted"]))
    got = place.json("info", number)
    assert got["encrypted"]["open"] == f"panicctl export {number} --private-key FILE", got
    assert got["facts"]["panic"] == "page fault", got
    place.run("export", number, "--private-key", "private.pem", "-o", "plain")
    assert get(place, "plain") == DUMP


@test
def decrypting_and_unpacking_are_one_step(place):
    packed = bsd.pad(gzip.compress(DUMP), 4096)
    path = saved(place, CHACHA, packed, ".gz")
    place.run("export", path, "--private-key", "private.pem")
    assert get(place, "vmcore.3.gz") == packed
    place.run("export", path, "--private-key", "private.pem", "-d")
    assert get(place, "vmcore.3") == DUMP
    out = place.run("export", path, "--private-key", "private.pem", "-d", "-o", "-", binary=True)
    assert out == DUMP
    path = saved(place, AES)
    place.run("export", path, "--private-key", "private.pem", "-d", "-o", "same")
    assert get(place, "same") == DUMP and "not compressed" in place.err, place.err


@test
def every_arrangement_of_the_nonce_is_found(place):
    path = saved(place, CHACHA)
    for start in (bytes(8) + IV[:8], bytes(4) + IV[:12], IV[:16]):
        pathlib.Path(path).write_bytes(encrypt(DUMP, CHACHA, start))
        place.run("export", path, "--private-key", "private.pem", "-o", "plain", "--force")
        assert get(place, "plain") == DUMP and not place.err, (start, place.err)
    pathlib.Path(path).write_bytes(encrypt(bytes(4096) + DUMP, CHACHA))
    place.run("export", path, "--private-key", "private.pem", "-o", "plain", "--force")
    assert get(place, "plain") == bytes(4096) + DUMP
    assert "does not begin like a dump" in place.err, place.err


# ---- what goes wrong ----


@test
def a_wrong_key_is_told_and_leaves_nothing(place):
    path = saved(place, AES)
    new_key(place, "other.pem")
    new_key(place, "larger.pem", 2048)
    openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", at(place, "ec.pem"))
    put(place, "text", b"hello")
    for key, says in (("other.pem", "other.pem: the private key is not the one to this dump"),
                      ("larger.pem", "it has 2048 bits, and the dump's was wrapped for one of 1024"),
                      ("private.pem.pub", "private.pem.pub: that is a public key"),
                      ("ec.pem", "is not one of RSA"), ("text", "no private key in PEM form"),
                      ("nothing", "open nothing: No such file"), (".", "Is a directory")):
        place.run("export", path, "-o", "plain", "--private-key", key, code=2)
        assert says in place.err, (key, place.err)
        assert not os.path.exists(at(place, "plain"))
    image = put(place, "dump.img", bsd.partition(encrypt(DUMP, AES), 2 * MIB, 512, 4,
                                                 get(place, "crash/key.3")))
    place.run("extract", image, "-o", "out", "--private-key", "other.pem", code=2)
    assert "not the one to this dump" in place.err and not os.path.exists(at(place, "out"))
    place.run("extract", image, "--private-key", "other.pem", code=2)
    assert place.json("list")["dumps"] == []


@test
def a_damaged_key_blob_is_told(place):
    path = saved(place, AES)
    whole = get(place, "crash/key.3")
    for cut in (0, 1, 20, 36, 37, 100, 164):
        put(place, "crash/key.3", whole[:cut])
        place.run("export", path, "-o", "plain", "--private-key", "private.pem", code=2)
        assert f"cut off, after {cut} bytes" in place.err, (cut, place.err)
    put(place, "crash/key.3", whole[:165])
    place.run("export", path, "-o", "plain", "--private-key", "private.pem")
    for damaged, says in ((b"\x03" + whole[1:], "cipher 3 was used, which is not known here"),
                          (whole[:33] + b"\xff" + whole[34:], "longer than 2048 bytes"),
                          (whole[:80] + b"~~" + whole[82:], "or the dump's key is damaged")):
        put(place, "crash/key.3", damaged)
        place.run("export", path, "-o", "other", "--private-key", "private.pem", code=2)
        assert says in place.err, place.err
        assert not os.path.exists(at(place, "other"))
    place.run("export", path, "--private-key", "private.pem", "--key-blob", "none", code=2)
    assert "read the key of the dump from none: No such file" in place.err, place.err


@test
def a_dump_that_was_cut_comes_out_as_far_as_it_goes(place):
    path = saved(place, AES)
    whole = pathlib.Path(path).read_bytes()
    for cut in (1, 16, 4095, 4096, 50001, len(whole) - 1):
        pathlib.Path(path).write_bytes(whole[:cut])
        place.run("export", path, "-o", "plain", "--force", "--private-key", "private.pem")
        assert get(place, "plain") == DUMP[:cut // 16 * 16], cut
        assert ("cut off within a block of the cipher" in place.err) == (cut % 16 != 0), place.err
    assert place.json("verify", "./plain", code=1)["verdict"] == "incomplete"
    data = encrypt(DUMP, AES) + b"tail!"   # a header that says so
    image = put(place, "dump.img",
                bsd.partition(data, 2 * MIB, 512, 4, get(place, "crash/key.3")))
    found, = place.json("extract", image, "-o", "out", "--private-key", "private.pem",
                        code=1)["places"]
    last = found["files"][-1]
    assert not last["complete"] and "5 bytes are there" in last["reason"], last
    assert get(place, "out", "vmcore.0.incomplete") == DUMP
    packed = encrypt(gzip.compress(DUMP)[:-20], CHACHA)
    path = saved(place, CHACHA)
    pathlib.Path(path).write_bytes(packed)
    place.run("export", path, "-d", "-o", "half", "--private-key", "private.pem")
    assert "end too early" in place.err and DUMP.startswith(get(place, "half")), place.err


@test
def options_that_do_not_belong_together_are_refused(place):
    image = put(place, "dump.img", bsd.partition(DUMP, 2 * MIB))
    new_key(place)
    place.run("extract", image, "-o", "out", "--private-key", "private.pem", code=2)
    assert "none of FreeBSD that is encrypted" in place.err, place.err
    place.run("extract", image, "--passphrase-file", "x", code=2)
    assert "--private-key" in place.err
    for option in ("--passphrase-file", "--key-blob"):
        place.run("export", image, option, "x", code=2)
        assert f"{option} is for a dump that --private-key opens" in place.err, place.err


# ---- the passphrase ----


def locked(place):
    public = new_key(place, passphrase="correct horse")
    put(place, "crash/key.3", blob(public, AES))
    return put(place, "crash/vmcore_encrypted.3", encrypt(DUMP, AES))


@test
def a_passphrase_comes_from_a_file(place):
    path = locked(place)
    for text, says in (("battery\n", "does not open with this passphrase"),
                       ("\n", "does not open with this passphrase"),
                       ("x" * 3000, "too large"), (None, "open pass: No such file")):
        if text is None:
            os.unlink(at(place, "pass"))
        else:
            put(place, "pass", text.encode())
        place.run("export", path, "-o", "plain", "--private-key", "private.pem",
                  "--passphrase-file", "pass", code=2)
        assert says in place.err and "correct" not in place.err, place.err
    for text in ("correct horse", "correct horse\n", "correct horse\r\nmore\n"):
        put(place, "pass", text.encode())
        place.run("export", path, "-o", "plain", "--force", "--private-key", "private.pem",
                  "--passphrase-file", "pass")
        assert get(place, "plain") == DUMP


@test
def without_a_terminal_nobody_is_asked_for_it(place):
    path = locked(place)
    done = subprocess.run([PANICCTL, "export", path, "-o", "plain", "--private-key",
                           "private.pem"], cwd=place.root, input="correct horse\n", text=True,
                          capture_output=True, start_new_session=True, timeout=60)
    assert done.returncode == 2 and "--passphrase-file" in done.stderr, done
    assert not os.path.exists(at(place, "plain"))


@test
def at_a_terminal_it_is_asked_for_and_not_shown(place):
    path = locked(place)
    for typed, code in (("correct horse", 0), ("battery", 2)):
        child, master = pty.fork()
        if child == 0:
            os.chdir(place.root)
            os.execv(PANICCTL, [PANICCTL, "export", path, "-o", "plain", "--private-key",
                                "private.pem"])
        said = b""
        while b"Passphrase of private.pem:" not in said:
            said += os.read(master, 4096)
        time.sleep(0.1)   # until it does not echo
        os.write(master, typed.encode() + b"\n")
        try:
            while True:
                said += os.read(master, 4096)
        except OSError:
            pass
        _, status = os.waitpid(child, 0)
        os.close(master)
        assert os.waitstatus_to_exitcode(status) == code, said
        assert typed.encode() not in said, said
        if code == 0:
            assert get(place, "plain") == DUMP
            os.unlink(at(place, "plain"))


if shutil.which("openssl"):
    main()
else:
    print("1..0 # SKIP no openssl here")
