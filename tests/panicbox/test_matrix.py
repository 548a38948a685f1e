#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Triggers and flags: one boot of panicbox for each row of matrix_rows.py. TAP on stdout.

    PND_BUILD=build tests/panicbox/test_matrix.py [GROUP...]       all groups by default
    PND_BUILD=build tests/panicbox/test_matrix.py --list           the rows and their numbers
    PND_BUILD=build tests/panicbox/test_matrix.py --row N --keep   one row; what it left is kept

One row by hand: --row N --keep prints the directory that holds QEMU's command line (command),
the console, the disk image, and what the server has."""

import argparse
import pathlib
import re
import shutil
import struct
import sys
import tempfile

import box
import cores
import matrix_rows

ROWS = [(group, row) for group, rows in matrix_rows.GROUPS.items() for row in rows]
GZIP, MACHO = b"\x1f\x8b", b"\xcf\xfa\xed\xfe"
TRIGGERS = {"panic": "panic={how}", "NMI": "", "Debugger()": "debugger=1"}


def line(row, server):
    """The boot-args of a row. Its own address is given, so that no boot waits for DHCP."""
    words = [TRIGGERS[row.trigger].format(how=row.how), f"kdp_ip_addr={box.OWN_IP}", row.args]
    if row.debug is not None:
        words.append(f"debug={row.debug:#x}")
    if row.xnu:
        words.append(f"panicd_xnu={row.xnu}")
    if row.server == "server":
        words.append(server.boot_args())
    elif row.server == "silent server":
        words.append(f"_panicd_ip={box.SERVER_IP} panicd_port={box.kdp.free_port()} "
                     "panicd_patience_ms=1500")
    return " ".join(word for word in words if word)


def what_arrived(server, least):
    """["core"]: one word for each dump, and the complaints about them."""
    words, wrong = [], []
    for row in server.new(least):
        match = box.NAME.match(row["name"])
        if not match or match[3] != box.OWN_IP:
            wrong.append(f"the name {row['name']} is not of the pattern, with {box.OWN_IP}")
            continue
        if row["state"] != "complete":
            wrong.append(f"{row['name']} is {row['state']}: {row['reason']}")
        head = server.content(row)[:4]
        word = match[1]
        if word == "core":
            if match[5] and head[:2] != GZIP or not match[5] and head != MACHO:
                wrong.append(f"{row['name']} begins with {head.hex()}")
            word += "" if match[5] else "-raw"
        elif match[5]:
            wrong.append(f"{row['name']} says it is compressed")
        words.append(word)
    return words, wrong


def what_is_on(disk, row):
    """["disk"], and the complaints."""
    local = box.local(disk)
    if local is None:
        return [], []
    wrong = []
    kernel = [file for file in local.files if file.name == "kernel"]
    if len(kernel) != 1:
        return [], [f"the partition holds {[file.name for file in local.files]}"]
    try:
        assert cores.parse(kernel[0].content).kind == "macho"
    except (AssertionError, struct.error) as why:
        wrong.append(f"the local core is not whole: {why}")
    compressed = "gzip" if 0 < row.xnu < 8792 else "lz4"   # PROTOCOL.md#kdp-7.3
    if kernel[0].packing not in (compressed, "raw"):
        wrong.append(f"the local core is packed as {kernel[0].packing}, not {compressed}")
    if "Writing local kernel core, please wait:" not in local.log:
        wrong.append("the corefile's log does not tell of the dump")
    if row.trigger == "panic" and not re.match(box.PANICKED, local.log):
        wrong.append("the corefile's log does not begin with the panic log")
    return ["disk" if kernel[0].packing == compressed else "disk-raw"], wrong


def run(row, server, work):
    """One boot; AssertionError says all that was wrong, and shows the console."""
    disk = None
    if row.partition:
        disk = work / "disk"
        box.make_disk(disk)
    with box.Box(line(row, server), nic=row.nic, disk=disk, work=work,
                 properties={"router": box.SERVER_IP}) as machine:
        since = 0
        if row.trigger == "NMI" and not (row.debug or 0) & 1:   # DB_HALT comes first
            since = machine.nmi()
        end = machine.end(since)
        arrived, wrong = what_arrived(server, len(re.findall("core|paniclog", row.expected)))
        lies, more = what_is_on(disk, row) if disk else ([], [])
        wrong += more
        got = " ".join([*lies, *arrived, end])
        if got != row.expected:
            wrong.insert(0, f"expected: {row.expected}; happened: {got}")
        wrong += [f"the console does not say /{p}/" for p in row.says if not machine.said(p)]
        wrong += [f"the console says /{p}/" for p in row.never if machine.said(p)]
        assert not wrong, "\n".join([*wrong, machine.args, machine.console.tail(40)])


def tests(rows, server, keep):
    for row in rows:
        def one(row=row):
            work = pathlib.Path(tempfile.mkdtemp(prefix="panicbox-"))
            try:
                run(row, server, work)
            finally:
                if keep:
                    print(f"# {work}, and the server's {server.directory}")
                else:
                    shutil.rmtree(work, ignore_errors=True)
        yield row.sentence(), one


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("groups", nargs="*", metavar="GROUP", choices=[[], *matrix_rows.GROUPS])
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--row", type=int, action="append")
    parser.add_argument("--keep", action="store_true")
    options = parser.parse_args()
    if options.list:
        for number, (group, row) in enumerate(ROWS, 1):
            print(f"{number:4} {group:11} {row.sentence()}")
        return 0
    wanted = [row for number, (group, row) in enumerate(ROWS, 1)
              if (number in options.row if options.row
                  else not options.groups or group in options.groups)]
    box.need()
    server = box.Server()
    with server:
        status = box.main(tests(wanted, server, options.keep), server)
        if options.keep:
            server.own = False
    return status


if __name__ == "__main__":
    sys.exit(box.skipping(main))
