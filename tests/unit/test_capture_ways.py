#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
#
# The ways of a capture to its servers, over a virtual cable between two network namespaces: the
# MAC that was carried along, ARP, VLAN tags, MTU, this kernel's own UDP; and the order of servers.
# Needs root and iproute2; skips otherwise. Usage: test_capture_ways.py PANICDUMP. Speaks TAP.

import gzip
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

OWN, SERVER, FAR, NOBODY = "10.77.0.1", "10.77.0.2", "10.88.0.9", "10.77.0.99"
WRONG_MAC = "02:00:00:00:00:99"


def mac_of(cable, name, far=False):
    command = ["ip", "-o", "link", "show", name]
    p = cable.run(*command) if far else subprocess.run(command, capture_output=True)
    return re.search(r"link/ether (\S+)", p.stdout.decode())[1]


def capture(t, cable, path, servers, *more, as_user=(), address=OWN, retry=0):
    """The result of `panicdump capture`, and how long it took."""
    line = (f"_panicd_ip={servers} kdp_match_name=there kdp_ip_addr={address} "
            f"panicd_vmcore={path} _panicd_corename=core panicd_retry={retry} " + " ".join(more))
    start = time.monotonic()
    p = cable.run(*as_user, t.PANICDUMP, "capture", "--cmdline", line, timeout=120)
    p.seconds = time.monotonic() - start
    p.said = p.stdout.decode() + p.stderr.decode()
    return p


def arrived(p, r, body):
    return p.returncode == 0 and r.done and gzip.decompress(bytes(r.body)) == body


def carried_mac(t, w, cable, path, body):
    here = mac_of(cable, "here")
    r = t.Receiver(address=SERVER)
    p = capture(t, cable, path, f"{SERVER}:{r.port}", f"panicd_via={here}")
    t.check("the MAC that was carried along is used, and nobody is asked by ARP",
            arrived(p, r, body) and "as it was when this was armed" in p.said
            and "by ARP" not in p.said, p.said)

    r = t.Receiver(address=SERVER)
    p = capture(t, cable, path, f"{SERVER}:{r.port}", f"panicd_via={WRONG_MAC}")
    t.check("a MAC that is wrong by now costs four seconds, then ARP finds the right one",
            arrived(p, r, body) and 3.5 < p.seconds < 12 and "no answer by that MAC" in p.said
            and "the server's own, by ARP" in p.said, p.seconds, p.said)

    w.ip("link", "set", "here", "arp", "off")
    w.ip("neigh", "replace", OWN, "lladdr", mac_of(cable, "there", far=True), "dev", "here")
    r = t.Receiver(address=SERVER)
    p = capture(t, cable, path, f"{SERVER}:{r.port}", f"panicd_via={here}")
    t.check("where nobody answers ARP, the MAC that was carried along is enough",
            arrived(p, r, body) and "no answer" not in p.said, p.seconds, p.said)
    w.ip("link", "set", "here", "arp", "on")
    w.ip("neigh", "flush", "dev", "here")

    # the server knows us by ARP only, and we have no address that our kernel would answer for
    r = t.Receiver(address=SERVER)
    p = capture(t, cable, path, f"{SERVER}:{r.port}", f"panicd_via={here}", address="10.77.0.50")
    t.check("with a carried MAC we still answer who asks for ours", arrived(p, r, body), p.said)


def through_a_router(t, w, cable, path, body):
    here = mac_of(cable, "here")
    w.ip("route", "add", OWN + "/32", "dev", "here", "src", FAR)
    with open("/proc/sys/net/ipv4/conf/all/arp_ignore", "w") as f:
        f.write("1")
    r = t.Receiver(address=FAR)
    p = capture(t, cable, path, f"{FAR}:{r.port}", f"_router_ip={SERVER}", f"panicd_via={here}")
    t.check("a server in another network: the router's MAC, carried along",
            arrived(p, r, body) and "no answer" not in p.said, p.seconds, p.said)
    r = t.Receiver(address=FAR)
    p = capture(t, cable, path, f"{FAR}:{r.port}", f"_router_ip={SERVER}",
                f"panicd_via={WRONG_MAC}")
    t.check("or, when that is wrong, by ARP for the server and then for the router, in eight "
            "seconds", arrived(p, r, body) and 6.5 < p.seconds < 14
            and "the router's, by ARP" in p.said, p.seconds, p.said)
    with open("/proc/sys/net/ipv4/conf/all/arp_ignore", "w") as f:
        f.write("0")
    w.ip("route", "del", OWN + "/32", "dev", "here")


def order_of_servers(t, w, cable, path, body):
    r = t.Receiver(address=SERVER)
    p = capture(t, cable, path, f"{NOBODY},{SERVER}:{r.port}")
    t.check("a server that nobody answers for costs less than four seconds",
            arrived(p, r, body) and 2.5 < p.seconds < 10 and f"no route to {NOBODY}" in p.said,
            p.seconds, p.said)

    r = t.Receiver(address=SERVER)
    p = capture(t, cable, path, f"{SERVER}:9,{SERVER}:{r.port}")
    t.check("a machine without a server costs fifteen, and it is said what to look at there",
            arrived(p, r, body) and 14 < p.seconds < 25
            and f"no answer from {SERVER}:9 - is the machine up" in p.said, p.seconds, p.said)

    full = t.Receiver(address=SERVER, refuse=(3, b"full\x1b[2J\0"))
    r = t.Receiver(address=SERVER)
    p = capture(t, cable, path, f"{SERVER}:{full.port},{SERVER}:{r.port}")
    t.check("a server that is full is left at once, with what it said",
            arrived(p, r, body) and p.seconds < 10 and "has no room for the dump" in p.said
            and "full\\x1b[2J" in p.said, p.seconds, p.said)

    p = capture(t, cable, path, f"{SERVER}:{full.port}")
    t.check("when nobody takes it, it exits 1 and says that it is given up",
            p.returncode == 1 and "core is given up after 0 s" in p.said, p.said)

    def later():
        time.sleep(2.5)
        full.refuse = None

    threading.Thread(target=later, daemon=True).start()
    p = capture(t, cable, path, f"{SERVER}:{full.port}", retry=60)
    t.check("a server that makes room is asked again until it has the dump",
            arrived(p, full, body) and 2 < p.seconds < 20
            and "everything again in 2 s, for " in p.said, p.seconds, p.said)


def interrupted(t, w, cable, path, body):
    """Ctrl-C, while a server is waited for, between two rounds, and in the middle."""
    full = t.Receiver(address=SERVER, refuse=(3, b"full\0"))
    slow = t.Receiver(address=SERVER, stop_after=100)
    for where, server, pattern in (("in the wait for an answer", f"{SERVER}:9", b"asks"),
                                   ("between two rounds", f"{SERVER}:{full.port}", b"again in"),
                                   ("in the middle", f"{SERVER}:{slow.port}", b"no answer from")):
        line = (f"_panicd_ip={server} kdp_match_name=there kdp_ip_addr={OWN} "
                f"panicd_vmcore={path} panicd_retry=60")
        p = subprocess.Popen(["nsenter", "-t", str(cable.far.pid), "-n", "stdbuf", "-oL",
                              t.PANICDUMP, "capture", "--cmdline", line],
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        said = b""
        while pattern not in said:
            said += p.stdout.readline() or b"(it ended)" + pattern
        time.sleep(0.3)
        p.send_signal(signal.SIGINT)
        start = time.monotonic()
        said += p.communicate(timeout=30)[0]
        t.check(f"interrupted {where}, it ends at once with 130",
                p.returncode == 130 and time.monotonic() - start < 5, p.returncode, said)
    t.check("and the server is told", slow.error and b"aborted" in slow.error, slow.error)


def sizes(t, w, cable, path, body):
    here = mac_of(cable, "here")
    for mtu, option, largest in ((576, "", 576 - 28 - 6), (9000, "", 1406),
                                 (1500, "panicd_mtu=700", 700 - 28 - 6),
                                 (1500, "panicd_mtu=9000", 1406)):
        w.ip("link", "set", "here", "mtu", str(mtu))
        w.ip("link", "set", "there", "mtu", str(mtu), pid=cable.far.pid)
        r = t.Receiver(address=SERVER)
        p = capture(t, cable, path, f"{SERVER}:{r.port}", f"panicd_via={here}", option)
        t.check(f"an MTU of {mtu}{' and ' + option if option else ''} makes blocks of "
                f"{largest} bytes", arrived(p, r, body) and r.largest == largest, r.largest, p.said)
    for name, pid in (("here", None), ("there", cable.far.pid)):
        w.ip("link", "set", name, "mtu", "1500", pid=pid)


def tags(t, w, cable, path, body):
    try:
        w.ip("link", "add", "link", "here", "name", "tagged", "type", "vlan", "id", "77")
    except subprocess.CalledProcessError:
        print("# this kernel has no VLANs; tests/linux/test_network.py has a peer that speaks them")
        return
    w.ip("addr", "add", "10.79.0.2/24", "dev", "tagged")
    w.ip("link", "set", "tagged", "up")
    for offload in ("on", "off"):
        for name, pid in (("here", None), ("there", cable.far.pid)):
            command = ["ethtool", "-K", name, "rxvlan", offload, "txvlan", offload]
            if shutil.which("ethtool"):
                cable.run(*command) if pid else subprocess.run(command, capture_output=True)
        r = t.Receiver(address="10.79.0.2")
        p = capture(t, cable, path, f"10.79.0.2:{r.port}", "panicd_vlan=77", address="10.79.0.1")
        t.check(f"frames go and come with the tag of a VLAN, its offload being {offload}",
                arrived(p, r, body), p.said)
    r = t.Receiver(address="10.79.0.2")
    p = capture(t, cable, path, f"10.79.0.2:{r.port}", "panicd_vlan=78", address="10.79.0.1")
    t.check("and with another tag nobody is reached",
            p.returncode == 1 and "no route to 10.79.0.2" in p.said, p.said)
    w.ip("link", "del", "tagged")


def by_socket(t, w, cable, path, body):
    if not shutil.which("setpriv"):
        return
    poor = ("setpriv", "--inh-caps=-net_raw", "--bounding-set=-net_raw")
    r = t.Receiver(address=SERVER)
    p = capture(t, cable, path, f"{SERVER}:{r.port}", "panicd_mtu=800", as_user=poor)
    t.check("without packet sockets this kernel's UDP is used, and it is said why",
            arrived(p, r, body) and r.largest == 800 - 28 - 6
            and "using UDP of this kernel" in p.said and "packet socket" in p.said, p.said)
    p = capture(t, cable, path, f"{SERVER}:{r.port}", "panicd_vlan=7", as_user=poor)
    t.check("but not for a VLAN, which is said",
            p.returncode == 1 and "VLAN 7 needs a packet socket" in p.said, p.said)

    w.ip("addr", "flush", "dev", "there", pid=cable.far.pid)
    r = t.Receiver(address=SERVER)
    p = capture(t, cable, path, f"{SERVER}:{r.port}", as_user=poor)
    routes = cable.run("ip", "-o", "addr", "show", "dev", "there").stdout.decode()
    t.check("the interface gets the address, and the kernel the way to the server",
            arrived(p, r, body) and re.search(rf"inet {re.escape(OWN)}/32", routes), routes, p.said)
    w.ip("addr", "flush", "dev", "there", pid=cable.far.pid)

    w.ip("route", "add", OWN + "/32", "dev", "here", "src", FAR)
    r = t.Receiver(address=FAR)
    p = capture(t, cable, path, f"{FAR}:{r.port}", f"_router_ip={SERVER}", as_user=poor,
                address=OWN + "/24")
    t.check("and through a router", arrived(p, r, body), p.said)


def link_down(t, w, cable, path, body):
    """The server's end of the cable is down when it begins, and for a while in the middle."""
    big = os.urandom(24 << 20)
    with open(path, "wb") as f:
        f.write(big)
    w.ip("link", "set", "here", "down")
    r = t.Receiver(address=SERVER)

    def up_and_down():
        time.sleep(1.5)
        w.ip("link", "set", "here", "up")
        while len(r.body) < 2 << 20:
            time.sleep(0.02)
        w.ip("link", "set", "here", "down")
        time.sleep(3)
        w.ip("link", "set", "here", "up")

    threading.Thread(target=up_and_down, daemon=True).start()
    p = capture(t, cable, path, f"{SERVER}:{r.port}", f"panicd_via={mac_of(cable, 'here')}")
    t.check("a link that comes late, and goes for a while in the middle, is waited for",
            arrived(p, r, big) and 4 < p.seconds < 50
            and p.said.count("the link of there is down: waiting for it, up to 60 s") >= 1,
            p.seconds, len(r.body), p.said)


def main():
    import test_panicdump_packet as w
    w.enter_namespace()
    import test_panicdump as t
    with tempfile.TemporaryDirectory() as tmp, w.Cable() as cable:
        cable.up()
        path = os.path.join(tmp, "vmcore")
        body = w.vmcore(path)
        for test in (carried_mac, through_a_router, order_of_servers, interrupted, sizes, tags,
                     by_socket, link_down):
            test(t, w, cable, path, body)
    return t.plan()


if __name__ == "__main__":
    sys.exit(main())
