#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""The two recipes of the beginning, word for word; and each boot-arg by what it changes: on the
wire, on the disk, on the console. TAP on stdout.

    PND_BUILD=build tests/panicbox/test_recipes.py [network|machine] [WORD...]

WORD chooses the sentences that contain it."""

import contextlib
import functools
import pathlib
import re
import subprocess
import sys
import tempfile

import box
import cores
import frames
import serial_peer
from matrix_rows import DUMPING, RESOLVED, STANDS

ADDRESS = f"kdp_ip_addr={box.OWN_IP}"
MAC = "52:54:00:12:34:56"   # QEMU's first
NMIS = 30
SERIAL_MIB = 4          # a serial line is slow
SPOILED = 9973
ROUTER = {"router": box.SERVER_IP}
TESTS = {"network": [], "machine": []}
SERVER = None


def sentence(group, text):
    def add(function):
        TESTS[group].append((text, function))
        return function
    return add


@contextlib.contextmanager
def boot(args, partition=False, patient=False, **more):
    """A machine with a directory of its own."""
    with tempfile.TemporaryDirectory(prefix="panicbox-") as place:
        work = pathlib.Path(place)
        disk = work / "disk" if partition else None
        if disk:
            box.make_disk(disk)
        if not patient:
            args += " panicd_patience_ms=1500"
        with box.Box(args, disk=disk, work=work, **more) as machine:
            machine.disk = disk
            yield machine


def sent(count=1, state="complete"):
    rows = SERVER.new(count)
    assert [row["state"] for row in rows] == [state] * count, rows
    return rows[0] if count == 1 else rows


def nothing_sent():
    rows = SERVER.new()
    assert not rows, f"something was sent: {rows}"


def local_kernel(machine):
    local = box.local(machine.disk)
    assert local, "the partition holds no corefile:\n" + machine.console.tail(40)
    names = [file.name for file in local.files]
    assert names.count("kernel") == 1, names
    return next(file for file in local.files if file.name == "kernel")


def end(machine, expected, since=0):
    how = machine.end(since)
    assert how == expected, f"{how}, not {expected}:\n{machine.args}\n{machine.console.tail(40)}"


def says(machine, *patterns):
    """In this order."""
    at = 0
    for pattern in patterns:
        lines = list(machine.lines)
        for at in range(at, len(lines)):
            if re.search(pattern, lines[at]):
                break
        else:
            raise AssertionError(f"no /{pattern}/ at its place:\n{machine.console.tail(60)}")


# ---- the two recipes

@sentence("machine", "debug=0x104c44 keepsyms=1, and an NMI: a local core with a symbolicated log, "
          "nothing else, and it restarts")
def recipe_local_nmi():
    with boot("debug=0x104c44 keepsyms=1", partition=True, patient=True) as machine:
        end(machine, "restarts", machine.nmi())
        assert local_kernel(machine).packing == "lz4"
        nothing_sent()


@sentence("machine", "debug=0x104c44 keepsyms=1, and a panic: the same")
def recipe_local_panic():
    with boot("debug=0x104c44 keepsyms=1 panic=nullptr", partition=True, patient=True) as machine:
        end(machine, "restarts")
        local = box.local(machine.disk)
        assert local_kernel(machine).packing == "lz4"
        frames_ = re.findall(r"^0x[0-9a-f]{16} : 0x[0-9a-f]{16} (.*)$", local.log, re.M)
        assert frames_ and all(" + 0x" in text for text in frames_), local.log
        nothing_sent()


def standard_port(function):
    """With a server on UDP 1069: the recipe names no port."""
    @functools.wraps(function)
    def wrapped():
        with contextlib.ExitStack() as stack:
            server = box.Server(port=1069)
            try:
                stack.enter_context(server)
            except RuntimeError as why:
                server.remove()
                if "in use" in str(why):
                    return "UDP port 1069 of 127.0.0.1 is taken: stop the panicd that runs there"
                raise
            return function(server)
    return wrapped


RECIPE = f"debug=0xd44 _panicd_ip={box.SERVER_IP} kdp_match_name=en0"


@sentence("machine", f"{RECIPE}, and an NMI: its address by DHCP, a core on the disk, a core at "
          "the server, and it goes on")
@standard_port
def recipe_network_nmi(server):
    with boot(RECIPE, partition=True, patient=True) as machine:
        end(machine, "continues", machine.nmi())
        rows = server.new(1)
        assert [row["state"] for row in rows] == ["complete"], rows
        match = box.NAME.match(rows[0]["name"])
        assert match and match[1] == "core" and match[3] == box.OWN_IP and match[5], rows
        core = cores.parse(server.content(rows[0])).content
        assert cores.parse(local_kernel(machine).content).content == core, "the two cores differ"
    return None


@sentence("machine", f"{RECIPE}, and a panic: the same, and it waits for a debugger")
@standard_port
def recipe_network_panic(server):
    with boot(RECIPE + " panic=now", partition=True, patient=True) as machine:
        end(machine, "waits")
        rows = server.new(1)
        assert [row["state"] for row in rows] == ["complete"], rows
        assert local_kernel(machine).packing == "lz4"
        says(machine, DUMPING,
             rf"^Attempting connection to panic server configured at IP {box.SERVER_IP}, port 1069",
             rf"^Resolved {box.SERVER_IP}'s \(or proxy's\) link level address",
             f"^Transmitting packets to link level address: {box.SERVER_MAC}",
             r"^Kernel map size is \d+", r"^Sending write request for core-.*\.gz",
             r"^Transmitting kernel state, please wait:", r"^Packets: \d+", box.WAITING)
    return None


# ---- which interface

def chosen(args, kind, properties=None, nic="virtio-net", text=None, **more):
    """A panic whose dump needs the network alone. kind: "accepted" or "refused"."""
    line = f"debug=0x20444 panic=now {ADDRESS} {SERVER.boot_args()} {args}"
    with boot(line, nic=nic, properties={**ROUTER, **(properties or {})}, **more) as machine:
        if kind == "accepted":
            end(machine, "waits")
            sent()
        else:
            end(machine, "stands")   # no transport, and debug= is not 0
            nothing_sent()
        if text:
            assert machine.said(text), f"no /{text}/:\n{machine.console.tail(60)}"


for said, properties_, args_, text_ in (
        ("USB", {"en0": "usb"}, "kdp_match_name=en0", r"(?i)en0.*\busb\b"),
        ("wireless", {"en0": "wireless"}, "kdp_match_name=en0", r"(?i)en0.*(wireless|wi-?fi)"),
        ("not there", {}, "kdp_match_name=en9", r"en9"),
        ("another", {}, "kdp_match_mac=525400aaaaaa", r"(?i)52:?54:?00:?aa:?aa:?aa"),
        ("a serial line that is not there", {}, "kdp_match_name=serial",
         r"^kdp_match_name=serial: there is no second serial line; give QEMU two"),
        ("wireless, and nothing is named", {"en0": "wireless"}, "", None)):
    sentence("network", f"an interface that is {said} is refused ({args_ or 'no name'}), with a "
             "sentence that says so; the dump is not made, the machine stands")(
        functools.partial(chosen, args_, "refused", properties_, text=text_))

for said, nic_, args_, properties_ in (
        ("built in, by its name", "virtio-net", "kdp_match_name=en0", {}),
        ("built in, by its MAC", "virtio-net", "kdp_match_mac=525400123456", {}),
        ("built in, by its MAC in capitals", "virtio-net",
         "kdp_match_mac=" + "525400123456".upper(), {}),
        ("the first built in, by nothing", "e1000e", "", {}),
        ("Thunderbolt, by its name", "thunderbolt", "kdp_match_name=en0", {}),
        ("said to be Thunderbolt, by its name", "virtio-net", "kdp_match_name=en0",
         {"en0": "thunderbolt"})):
    sentence("network", f"an interface is accepted: {said}")(
        functools.partial(chosen, args_, "accepted", properties_, nic_))

sentence("network", "Thunderbolt is not taken when nothing names it: only what is built in is")(
    functools.partial(chosen, "", "refused", None, "thunderbolt"))


@sentence("network", "of two interfaces the named one sends, and answers to its own MAC")
def second_interface():
    extra = ["-netdev", "user,id=n1", "-device",
             "virtio-net-pci,netdev=n1,mac=52:54:00:12:34:99"]
    for name, mac in (("en0", MAC), ("en1", "52:54:00:12:34:99")):
        line = (f"debug=0x20444 panic=now {ADDRESS} {SERVER.boot_args()} kdp_match_name={name}")
        with boot(line, extra=extra) as machine:
            end(machine, "waits")
            sent()
            assert machine.said(f"(?i){mac}"), f"{name}:\n{machine.console.tail(40)}"


# ---- the second serial line

def over_serial(args, own_ip, spoil=0):
    """A core over the line, and what the other end saw."""
    line = f"debug=0x24444 kdp_match_name=serial {SERVER.boot_args()} panic=now {args}"
    with tempfile.TemporaryDirectory(prefix="panicbox-") as place, \
            serial_peer.SerialPeer(place, box.SERVER_IP, SERVER.port, spoil) as peer, \
            boot(line, nic="none", memory_mib=SERIAL_MIB, extra=peer.extra,
                 patient=True) as machine:
        end(machine, "restarts")
        row = sent()
        match = box.NAME.match(row["name"])
        assert match and match[1] == "core" and match[3] == own_ip, row
        assert not peer.wrong, peer.wrong[0]
        assert {arp.sender for arp in peer.arps} == {own_ip}, peer.arps
        says(machine, "^panicbox: serial: .*, 73:65:72:69:61:6c$",
             f"^panicbox: serial: address {re.escape(own_ip)}$", DUMPING, RESOLVED,
             "^Transmitting kernel state, please wait:")
        core = cores.parse(SERVER.content(row))
        assert core.kind == "macho", core
        return peer


@sentence("machine", "kdp_match_name=serial: a whole core goes over the second serial line, from "
          "the made-up MAC and address, and it restarts")
def serial():
    peer = over_serial("", serial_peer.FAKE_IP)
    assert peer.decoder.damaged == 0 and peer.packets > 10, vars(peer)


@sentence("machine", "kdp_match_name=serial, and kdp_ip_addr: the core comes from that address")
def serial_own_ip():
    over_serial(ADDRESS, box.OWN_IP)


@sentence("machine", f"kdp_match_name=serial, with every {SPOILED}th byte damaged: the core is "
          "whole all the same")
def serial_damaged():
    peer = over_serial("", serial_peer.FAKE_IP, SPOILED)
    assert peer.spoiled > 3 and peer.decoder.damaged > 0, vars(peer)


# ---- addresses, ports, names, sizes

@contextlib.contextmanager
def recording(args, **more):
    """A network core whose frames are recorded: yields (machine, the function that has them)."""
    with tempfile.TemporaryDirectory(prefix="panicbox-") as place:
        path = pathlib.Path(place) / "frames.pcap"
        extra = ["-object", f"filter-dump,id=f0,netdev=n0,file={path},maxlen=2000"]
        with boot(args, extra=[*extra, *more.pop("extra", [])], **more) as machine:
            yield machine, lambda: frames.recorded(path)


def datagrams(recorded, port):
    return [frame for frame in recorded
            if isinstance(frame, frames.Udp) and frame.target_port == port
            and frame.source == box.OWN_IP]


PLAIN = f"{ADDRESS} panicd_plain=1"


def data_sizes(recorded, port):
    return [len(frame.payload) - 6 for frame in datagrams(recorded, port)
            if frame.payload[:2] == b"\0\3"]


def check_frames(seen):
    """The headers, which are the same whatever is in them. Returns the first datagram."""
    mine = datagrams(seen, SERVER.port)
    assert mine and all(frame.source_port == SERVER.port for frame in mine)
    for frame in mine:
        version, tos, length, _, fragment, ttl, protocol, _, _, _ = frame.header
        assert (version, tos, fragment & 0x3fff, ttl, protocol) == (0x45, 0, 0, 60, 17), frame
        assert frame.header_good and length == 28 + len(frame.payload), frame
        assert frame.source_mac == frames.mac(MAC) and \
            frame.target_mac == frames.mac(box.SERVER_MAC), frame
    numbers = [frame.header[3] for frame in mine]
    assert numbers == sorted(numbers), "the identification does not count"
    asked = [frame for frame in seen if isinstance(frame, frames.Arp) and frame.operation == 1
             and frame.target == box.SERVER_IP and frame.sender == box.OWN_IP]
    assert asked and asked[-1].target_mac == frames.BROADCAST, asked
    first = mine[0].payload
    assert first[:2] == b"\0\2" and b"\0octet\0features\0" in first, first
    return first


def offered(wrq):
    """Bit 16 of its mask: the sender knows the extension."""
    return bool(wrq.split(b"\0features\0")[1][1] & 1)


@sentence("network", "panicd_plain=1, frames on the wire: headers, ports and lengths as documented, "
          "the ARP request with a broadcast target; the same port at both ends; one packet at a "
          "time")
def wire_format():
    line = f"debug=0x20444 panic=now {PLAIN} {SERVER.boot_args()}"
    with recording(line) as (machine, recorded):
        end(machine, "waits")
        sent()
        seen = recorded()
    assert not offered(check_frames(seen))
    sizes = data_sizes(seen, SERVER.port)
    assert max(sizes) == 1406 and sizes.count(1406) >= len(sizes) - 2, sorted(set(sizes))


def netdump_help():
    return subprocess.run([box.kdp.PANICD, "--help"], capture_output=True, text=True,
                          check=False).stdout


@sentence("network", "panicd_protocol=netdump: a core over FreeBSD's protocol, from its port, "
          "with a header that says how long it is")
def netdump():
    if "netdump-port" not in netdump_help():
        return "this panicd does not receive netdump"
    port = box.kdp.free_port()
    line = f"debug=0x60444 panic=now {ADDRESS} panicd_protocol=netdump " \
        f"_panicd_ip={box.SERVER_IP} panicd_port={port}"
    with box.Server(args=["--netdump-port", str(port)]) as server, \
            recording(line) as (machine, recorded):
        end(machine, "waits")
        row, = server.new(1)
        assert row["state"] == "complete" and row["protocol"] == "netdump", row
        assert cores.parse(server.content(row)) and row["bytes"] % 4096, row
        mine = datagrams(recorded(), port)
        assert mine and all(frame.source_port == 20024 for frame in mine)
        kinds = [frame.payload[3] for frame in mine]
        assert kinds[0] == 1 and kinds[-1] == 2 and 4 in kinds and 5 not in kinds, set(kinds)
        says(machine, r"^Packets: \d+")
    return None


@sentence("network", "panicd knows the extension: the same frames, with its packets in them, many "
          "on their way at a time")
def extension():
    line = f"debug=0x60444 panic=now {ADDRESS} {SERVER.boot_args()}"
    with recording(line) as (machine, recorded):
        end(machine, "waits")
        row = sent()
        cores.parse(SERVER.content(row))
        seen = recorded()
        says(machine, "^Sending write request for core-",
             "^The server takes many packets at a time", r"^Packets: \d+", box.WAITING)
    assert offered(check_frames(seen))
    kinds = [frame.payload[:2] for frame in datagrams(seen, SERVER.port)]
    assert kinds[1] == b"\0\x10" and b"\0\3" not in kinds, sorted(set(kinds))
    ends = {kinds.count(kind) for kind in (b"\0\x12", b"\0\x13", b"\0\x14")}
    assert 0 not in ends, f"no DATA, no ZERO, or no END: {sorted(set(kinds))}"
    window = longest = 0
    for frame in seen:
        if not isinstance(frame, frames.Udp):
            continue
        if frame.target_port == SERVER.port and frame.payload[:2] == b"\0\x12":
            window += len(frame.payload) - 20
        elif frame.payload[:2] == b"\0\x16":
            window = 0
        longest = max(longest, window)
    print(f"# at most {longest} bytes without an answer")
    assert 1452 < longest <= 64 << 10, longest


@sentence("network", "kdp_crashdump_pkt_size=512: no packet carries more than 512 bytes of dump, "
          "and the request says so")
def packet_size():
    line = (f"debug=0x20444 panic=now {PLAIN} {SERVER.boot_args()} kdp_crashdump_pkt_size=512")
    with recording(line) as (machine, recorded):
        end(machine, "waits")
        sent()
        seen = recorded()
    assert datagrams(seen, SERVER.port)[0].payload[-4:] == (512).to_bytes(4, "big")
    assert max(data_sizes(seen, SERVER.port)) == 512


@sentence("network", "kdp_crashdump_pkt_size=9000 is taken as 1406")
def packet_size_clamped():
    line = (f"debug=0x20444 panic=now {PLAIN} {SERVER.boot_args()} kdp_crashdump_pkt_size=9000")
    with recording(line) as (machine, recorded):
        end(machine, "waits")
        sent()
        seen = recorded()
    assert max(data_sizes(seen, SERVER.port)) == 1406


@sentence("network", "_panicd_corename is the whole name, of every dump; the second is not lost, "
          "and the content is compressed without a .gz")
def corename():
    for _ in range(2):
        line = (f"debug=0x20444 panic=now {ADDRESS} {SERVER.boot_args()} _panicd_corename=attic-7")
        with boot(line) as machine:
            end(machine, "waits")
            row = sent()
            assert row["name"] == "attic-7", row
            assert SERVER.content(row)[:2] == b"\x1f\x8b"
            assert machine.said("^Sending write request for attic-7$")


@sentence("network", "kdp_ip_addr is the machine's address, instead of what DHCP would give")
def own_address():
    line = f"debug=0x20444 panic=now kdp_ip_addr=10.0.2.77 {SERVER.boot_args()}"
    with boot(line) as machine:
        end(machine, "waits")
        match = box.NAME.match(sent()["name"])
        assert match and match[3] == "10.0.2.77", match
        assert machine.said(r"10\.0\.2\.77"), machine.console.tail(40)


def elsewhere(more, route, properties):
    """A server behind a router: nobody answers ARP for it."""
    port = SERVER.port
    line = (f"debug=0x20444 panic=now {ADDRESS} _panicd_ip=127.0.0.1 panicd_port={port} {more}")
    with boot(line, properties=properties, patient=True) as machine:
        end(machine, "waits")
        sent()
        assert machine.said(f"^Transmitting packets to link level address: {box.SERVER_MAC}")
        assert not machine.said(RESOLVED)
        if route:
            assert machine.said(route), machine.console.tail(40)


sentence("network", "_router_ip: a server that does not answer ARP is reached through it")(
    functools.partial(elsewhere, f"_router_ip={box.SERVER_IP}",
                      rf"^Routing through specified router IP {box.SERVER_IP}", {}))
sentence("network", "without it, through the default gateway, whose MAC the system had learnt")(
    functools.partial(elsewhere, "", None, ROUTER))


@sentence("network", "a server that cannot be reached at all: no answer to ARP, no gateway; the "
          "dump ends, and it waits")
def no_way():
    line = f"debug=0x20444 panic=now {ADDRESS} _panicd_ip=10.0.2.200 panicd_port={SERVER.port}"
    with boot(line) as machine:
        end(machine, "waits")
        nothing_sent()


@sentence("network", "_panicd_ip=nonsense: the text says so, nothing is sent, and it waits")
def nonsense():
    line = f"debug=0x20444 panic=now {ADDRESS} _panicd_ip=nonsense panicd_port={SERVER.port}"
    with boot(line) as machine:
        end(machine, "waits")
        nothing_sent()
        assert machine.said("nonsense"), machine.console.tail(40)


@sentence("network", "paniclog: it is the panic log, exactly as the corefile has it, no byte more")
def panic_log():
    line = f"debug=0x2444 panic=now {ADDRESS} {SERVER.boot_args()}"
    with boot(line, partition=True) as machine:
        end(machine, "waits")
        row = sent()
        log = SERVER.content(row).decode()
        assert re.match(box.PANICKED, log) and "Y" * 8 not in log, log
        assert box.local(machine.disk).log.startswith(log.rstrip("\n\0")), \
            box.local(machine.disk).log[:len(log)]
        says(machine, "^Transmitting panic log, please wait:", box.WAITING)


# ---- waiting for a debugger

def waiting(work, args, do):
    with frames.Neighbour(work) as neighbour:
        with boot(args, netdev=neighbour.netdev) as machine:
            end(machine, "waits")
            do(machine, neighbour)


@sentence("machine", "with DB_ARP a machine that waits answers ARP for its address, and only for "
          "that; its MAC and address are on the console")
def arp_while_waiting():
    def do(machine, neighbour):
        answer = neighbour.ask("10.0.2.9", box.OWN_IP)
        assert answer and answer.sender_mac == frames.mac(MAC), answer
        assert answer.target_mac == frames.OUR_MAC and answer.target == "10.0.2.9", answer
        assert neighbour.ask("10.0.2.9", "10.0.2.16", patience=1) is None
        assert machine.said(f"(?i){MAC}") and machine.said(re.escape(box.OWN_IP))
        assert machine.end() == "waits"

    with tempfile.TemporaryDirectory(prefix="panicbox-") as work:
        waiting(work, f"debug=0x44 panic=now {ADDRESS}", do)


@sentence("machine", "without DB_ARP it does not answer")
def no_arp_while_waiting():
    def do(_machine, neighbour):
        assert neighbour.ask("10.0.2.9", box.OWN_IP, patience=2) is None

    with tempfile.TemporaryDirectory(prefix="panicbox-") as work:
        waiting(work, f"debug=0x4 panic=now {ADDRESS}", do)


def pressed(args, key, expected, nmi=False):
    with boot(f"{args} {ADDRESS}") as machine:
        since = machine.nmi() if nmi else 0
        end(machine, "waits", since)
        machine.key(key)
        end(machine, expected, since)


for args_, key_, expected_, nmi_ in (
        ("debug=0x244 panic=now", "r", "restarts", False),
        ("debug=0x244", "r", "restarts", True),
        ("debug=0x244", "c", "continues", True),
        ("debug=0x244 debugger=1", "c", "continues", False),
        ("debug=0x244 panic=now", "x", "waits", False),
        ("debug=0x44", "c", "waits", True),
        ("debug=0x44 panic=now", "r", "waits", False)):
    sentence("machine", f"{args_}{', an NMI' if nmi_ else ''}: the key {key_} while it waits: it "
             f"{expected_}")(functools.partial(pressed, args_, key_, expected_, nmi_))


@sentence("machine", "DB_HALT: it waits at boot; with the key c it comes up, and then panics and "
          "sends a core")
def halt():
    line = f"debug=0x20645 panic=now {ADDRESS} {SERVER.boot_args()}"
    with boot(line) as machine:
        end(machine, "waits")
        assert not machine.said(DUMPING) and not machine.said(box.PANICKED)
        machine.key("c")
        machine.wait_count(box.WAITING, 2)
        sent()


# ---- dumps that are asked for

def asked(word, prefix):
    """Types the word; @return what came, and the lines of the console before and after."""
    with boot(f"debug=0x44 keepsyms=1 {ADDRESS} {SERVER.boot_args()}") as machine:
        machine.wait("^panicbox: ready")
        for _ in range(200):   # the system log is a ring of 16 KiB: it shall have wrapped
            machine.key("help\n")
        machine.wait_count("^help now|^help panic|^help ", 200)
        since = len(machine.lines)
        machine.key(word + "\n")
        machine.wait("Continuing: what was asked for is done")
        end(machine, "continues", since)
        row = sent()
        assert re.match(rf"{prefix}-custom-{re.escape(box.OWN_IP)}-[0-9a-f]+(\.gz)?$",
                        row["name"]), row
        return SERVER.content(row), list(machine.lines)[:since]


@sentence("machine", "the word core sends a core, whatever debug= says, and the machine goes on")
def asked_core():
    content, _ = asked("core", "core")
    assert content[:2] == b"\x1f\x8b"


@sentence("machine", "the word paniclog sends the log of that moment")
def asked_log():
    content, _ = asked("paniclog", "paniclog")
    assert b"Debugger called: <a dump was asked for>" in content, content[:200]


@sentence("machine", "the word systemlog sends the last 16 KiB that were said, oldest first")
def asked_system_log():
    content, lines = asked("systemlog", "systemlog")
    console = "".join(line + "\n" for line in lines).encode()
    assert len(content) == 16384, len(content)
    text = content.replace(b"\r", b"")
    assert text.endswith(b"systemlog\n"), text[-100:]
    text = text.removesuffix(b"systemlog\n")
    assert text[-8000:] == console[-8000:], (text[-200:], console[-200:])


# ---- buttons, sizes, policies, ends

@sentence("machine", "the power button is an NMI with DB_NMI_BTN_ENA: a core, and it goes on")
def button():
    line = f"debug=0x28844 {ADDRESS} {SERVER.boot_args()}"
    with boot(line) as machine:
        machine.wait("^panicbox: ready")
        since = len(machine.lines)
        machine.power_button()
        machine.wait(DUMPING)
        end(machine, "continues", since)
        sent()


@sentence("machine", "the power button is nothing to the debugger without that flag")
def no_button():
    with boot(f"debug=0x20844 {ADDRESS} {SERVER.boot_args()}") as machine:
        machine.wait("^panicbox: ready")
        machine.power_button()
        box.time.sleep(1)
        nothing_sent()
        assert not machine.said(DUMPING)


@sentence("machine", f"{NMIS} NMIs that dump nothing, at any moment, even within each other: the "
          "machine goes on")
def many_nmis():
    with boot("") as machine:
        since = machine.nmi()
        for number in range(NMIS - 1):
            box.time.sleep(number % 7 / 500)
            machine.qmp.execute("inject-nmi")
        machine.wait_count("^panicbox: continuing", 2)
        end(machine, "continues", since)


@sentence("machine", "corefile_size_mb=1: the local core does not fit and is not kept, what is on "
          "the disk is valid, nothing lies beyond that size; the network copy is made")
def small_corefile():
    line = f"debug=0x444 panic=now corefile_size_mb=1 {ADDRESS} {SERVER.boot_args()}"
    with boot(line, partition=True) as machine:
        end(machine, "waits")
        sent()
        local = box.local(machine.disk)
        assert not local or "kernel" not in [file.name for file in local.files], local.files
        assert not any(box.partition(machine.disk)[1 << 20:]), "written beyond 1 MiB"


@sentence("machine", "coredump_encryption=3: no core is written in clear")
def encryption():
    line = f"debug=0x444 panic=now coredump_encryption=3 {ADDRESS}"
    with boot(line, partition=True) as machine:
        end(machine, "waits")
        local = box.local(machine.disk)
        assert not local or "kernel" not in [file.name for file in local.files], local.files
        assert machine.said(r"(?i)encrypt"), machine.console.tail(40)


@sentence("machine", "panic_restart_timeout=1: a machine that stands restarts after it")
def restart_timeout():
    with boot("debug=0x20004 panic=now panic_restart_timeout=1", nic="none") as machine:
        end(machine, "restarts")
        says(machine, STANDS, r"^The machine restarts in 1 s")


@sentence("machine", "a restart is one: with debug=0x104c44 the machine comes up again, and again")
def restarts_really():
    with boot("debug=0x104c44 panic=now", reboot=True, partition=True) as machine:
        machine.wait_count(r"^panicbox \d.* MiB$", 3)
        assert any(event.get("event") == "RESET" and event["data"]["guest"]
                   for event in machine.events()), machine.qmp.events


@sentence("machine", "pvpanic_io_port: the hypervisor is told of the panic")
def pvpanic():
    extra = ["-device", "pvpanic", "-action", "panic=none"]
    for args, told in (("pvpanic_io_port=0x505", True), ("", False)):
        with boot(f"debug=0x4 panic=now {ADDRESS} {args}", extra=extra) as machine:
            end(machine, "waits")
            events = [event["event"] for event in machine.events()]
            assert ("GUEST_PANICKED" in events) == told, events


@sentence("machine", "box_exit=1 names the end by QEMU's exit status")
def exit_status():
    for args, status, nmi in (("debug=0x44 panic=now", 37, False), ("panic=now", 33, False),
                              ("debug=0x4 panic=now", 39, False), ("debug=0x844", 41, True)):
        with boot(f"{args} box_exit=1 {ADDRESS}",
                  nic="none" if status == 39 else "virtio-net") as machine:
            if nmi:
                machine.nmi()
            machine.process.wait(box.PATIENCE)
            got = machine.process.returncode
            assert got == status, f"{args}: {got}, not {status}:\n{machine.console.tail()}"


@sentence("machine", "DB_KPRT: the drivers' messages are on the console, without it they are not")
def kprintf():
    lengths = []
    for debug in (0x4c, 0x44):
        with boot(f"debug={debug:#x} panic=now {ADDRESS}") as machine:
            end(machine, "waits")
            lengths.append(machine.count(r"^panicbox: (power|en0|pci|virtio)"))
    assert lengths[0] > lengths[1], lengths


def main():
    global SERVER
    groups = [word for word in sys.argv[1:] if word in TESTS] or list(TESTS)
    words = [word for word in sys.argv[1:] if word not in TESTS]
    box.need()
    tests = [(text, function) for group in groups for text, function in TESTS[group]
             if all(word in text for word in words)]
    if not tests:
        sys.exit("no sentence contains that")
    with box.Server() as SERVER:
        return box.main(tests, SERVER)


if __name__ == "__main__":
    sys.exit(box.skipping(main))
