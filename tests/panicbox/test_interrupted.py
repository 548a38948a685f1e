#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""What comes between a dump and its end: a server that is killed, a link that goes down, a link
that loses, a debugger's packet, a second panic. TAP on stdout.

    PND_BUILD=build tests/panicbox/test_interrupted.py [WORD...]

WORD chooses the sentences that contain it."""

import pathlib
import re
import sys
import tempfile
import time

import box
import cores
from matrix_rows import DUMPING

LONG_MIB = 32                  # uncompressed: long enough to be interrupted
RAW = 0x60444                  # network only, uncompressed, wait afterwards
ADDRESS = f"kdp_ip_addr={box.OWN_IP}"
MIDDLE = 4 << 20
LINK_DOWN_S = 20
TESTS = []
SERVER = None


def sentence(text):
    def add(function):
        TESTS.append((text, function))
        return function
    return add


def whole(machine, rows):
    """One dump, complete, and every page of it is the machine's."""
    assert [row["state"] for row in rows] == ["complete"], f"{rows}\n{machine.console.tail(30)}"
    memory, tables = machine.save_memory(), cores.cr3(machine)
    pages = cores.compare(cores.parse(SERVER.content(rows[0])), memory, tables)
    print(f"# {pages} pages. {machine.said('^Packets: ')}")


def waits(machine):
    end = machine.end()
    assert end == "waits", f"{end}:\n{machine.console.tail(40)}"


def long_dump(more="", **options):
    line = f"panic=now debug={RAW:#x} {ADDRESS} {SERVER.boot_args()} {more}"
    return box.Box(line, memory_mib=LONG_MIB, **options)


@sentence("the server is killed in the middle of a dump and started again: the dump goes on where "
          "it was, and is complete")
def server_killed():
    with long_dump() as machine:
        before = SERVER.wait_bytes(machine, MIDDLE)["bytes"]
        SERVER.kill()
        time.sleep(1)
        assert machine.running() and not machine.said(box.WAITING), "it did not wait for the server"
        SERVER.start()
        waits(machine)
        rows = SERVER.new(1)
        whole(machine, rows)
        assert rows[0]["bytes"] > before


@sentence(f"the link is down for {LINK_DOWN_S} s in the middle of a dump: it is said once, and the "
          "dump is complete")
def link_down():
    with long_dump() as machine:
        SERVER.wait_bytes(machine, MIDDLE)
        machine.link(False)
        time.sleep(LINK_DOWN_S)
        rows = SERVER.receiving()
        assert len(rows) == 1 and not machine.said(box.WAITING), machine.console.tail()
        machine.link(True)
        waits(machine)
        whole(machine, SERVER.new(1))
        assert machine.count(r"^Waiting for link to become available\.") == 1, \
            machine.console.tail(30)


@sentence("5 % of all frames are lost, each way: the dump is complete")
def loss():
    with tempfile.TemporaryDirectory(prefix="panicbox-") as work:
        with box.lab.EtherPeer(SERVER.port, work, "--drop", "0.05", "--seed", "7") as peer:
            line = f"panic=now debug=0x20444 {ADDRESS} {SERVER.boot_args()}"
            with box.Box(line, netdev=peer.netdev) as machine:
                waits(machine)
                rows = SERVER.new(1)
                whole(machine, rows)
                repeated = re.search(r"(\d+) were repeated", machine.text())
                assert repeated and int(repeated[1]) > 0, "nothing was lost"
                print(f"# {rows[0]['bytes']} bytes")
            losses = peer
        print("# " + losses.counters.replace("\n", "\n# "))


def debugger_packet(machine, port):
    """To UDP port 41139 of the machine, from anybody."""
    with box.kdp.socket.socket(box.kdp.socket.AF_INET, box.kdp.socket.SOCK_DGRAM) as sock:
        for _ in range(5):
            sock.sendto(bytes(8), ("127.0.0.1", port))
            time.sleep(0.1)


def forwarded(port):
    return f"user,id=n0,hostfwd=udp:127.0.0.1:{port}-{box.OWN_IP}:41139"


@sentence("a debugger's packet during a dump is nothing to it: the dump is complete")
def packet_ignored():
    port = box.kdp.free_port()
    with long_dump(netdev=forwarded(port)) as machine:
        SERVER.wait_bytes(machine, MIDDLE)
        debugger_packet(machine, port)
        waits(machine)
        whole(machine, SERVER.new(1))


@sentence("with panicd_follow=1 it ends the dump, as in Apple's kernel: the server knows that it "
          "is incomplete, and the machine waits for the debugger")
def packet_followed():
    port = box.kdp.free_port()
    with long_dump("panicd_follow=1", netdev=forwarded(port)) as machine:
        SERVER.wait_bytes(machine, MIDDLE)
        debugger_packet(machine, port)
        waits(machine)
        assert machine.said(r"^Received a debugger packet, ?transferring control to debugger"), \
            machine.console.tail()
        rows = SERVER.new(1)
        assert [row["state"] for row in rows] == ["incomplete"], rows


@sentence("a second panic inside a network dump: it is said, the server is told, its file is "
          "marked incomplete, no other dump is begun, and the machine waits")
def nested_network():
    line = f"panic=nested debug=0x20444 {ADDRESS} {SERVER.boot_args()}"
    with box.Box(line) as machine:
        waits(machine)
        assert machine.count(r"^System dump aborted\.") == 1, machine.console.tail(30)
        assert machine.count(DUMPING) == 1, machine.console.tail(30)
        rows = SERVER.new(1)
        assert [row["state"] for row in rows] == ["incomplete"], rows
        assert machine.count(box.PANICKED) == 2, machine.console.tail(60)


@sentence("... with DB_REBOOT_POST_CORE: nothing succeeded, so it waits")
def nested_reboot():
    line = f"panic=nested debug=0x24444 {ADDRESS} {SERVER.boot_args()}"
    with box.Box(line) as machine:
        waits(machine)
        assert [row["state"] for row in SERVER.new(1)] == ["incomplete"]


@sentence("a second panic inside a local dump: the files that were whole before it stay, the core "
          "is not among them, nothing is sent")
def nested_local():
    with tempfile.TemporaryDirectory(prefix="panicbox-") as work:
        disk = pathlib.Path(work) / "disk"
        box.make_disk(disk)
        line = f"panic=nested debug=0x444 {ADDRESS} {SERVER.boot_args()}"
        with box.Box(line, disk=disk) as machine:
            waits(machine)
            assert machine.said(r"^System dump aborted\."), machine.console.tail(30)
            local = box.local(disk)
            names = [file.name for file in local.files]
            assert names == ["panic_region"], names
            assert box.PANICKED and re.search(box.PANICKED.encode(), local.files[0].content)
            assert not SERVER.new(), "something was sent"


@sentence("nested_panic_max=0: the first panic within a panic makes the machine stand still")
def nested_max():
    with box.Server() as server:   # it is not told, and would wait: a server of its own
        line = f"panic=nested nested_panic_max=0 debug=0x20444 {ADDRESS} {server.boot_args()}"
        with box.Box(line) as machine:
            end = machine.end()
            assert end == "stands", f"{end}:\n{machine.console.tail(40)}"


@sentence("no DHCP, but an address in NVRAM (_kdp_ipstr): it is used, and a core arrives")
def kdp_ipstr():
    with tempfile.TemporaryDirectory(prefix="panicbox-") as work:
        with box.lab.EtherPeer(SERVER.port, work) as peer:
            line = f"panic=now debug=0x20444 {SERVER.boot_args()}"
            with box.Box(line, netdev=peer.netdev,
                         properties={"_kdp_ipstr": box.OWN_IP}) as machine:
                waits(machine)
                rows = SERVER.new(1)
                whole(machine, rows)
                assert box.NAME.match(rows[0]["name"])[3] == box.OWN_IP


@sentence("no DHCP and no address at all: the dump ends at once, and it waits")
def no_address():
    with tempfile.TemporaryDirectory(prefix="panicbox-") as work:
        with box.lab.EtherPeer(SERVER.port, work) as peer:
            line = f"panic=now debug=0x20444 {SERVER.boot_args()}"
            with box.Box(line, netdev=peer.netdev) as machine:
                waits(machine)
                assert not SERVER.new()


@sentence("DHCP gives another address than NVRAM: DHCP's is used")
def dhcp_wins():
    line = f"panic=now debug=0x20444 {SERVER.boot_args()}"
    with box.Box(line, properties={"_kdp_ipstr": "10.0.2.99"}) as machine:
        waits(machine)
        rows = SERVER.new(1)
        assert [box.NAME.match(row["name"])[3] for row in rows] == [box.OWN_IP], rows


def main():
    global SERVER
    box.need()
    tests = [(text, function) for text, function in TESTS
             if all(word in text for word in sys.argv[1:])]
    if not tests:
        sys.exit("no sentence contains that")
    with box.Server() as SERVER:
        return box.main(tests, SERVER)


if __name__ == "__main__":
    sys.exit(box.skipping(main))
