#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
#
# The ways of a capture to its servers, over a virtual cable between two network namespaces: the
# MAC that was carried along, ARP, VLAN tags, MTU, this kernel's own UDP; and the order of servers.
# Needs root and iproute2; skips otherwise.
# Usage: test_capture_ways.py PANICDUMP [PANICDUMP-STATIC [PANICD]].
# Speaks TAP.

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


def capture(t, cable, path, servers, *more, as_user=(), address=OWN, retry=0, corename="core",
            program=None):
    """The result of `panicdump capture`, and how long it took."""
    line = (f"_panicd_ip={servers} kdp_match_name=there kdp_ip_addr={address} "
            f"panicd_vmcore={path} panicd_retry={retry} "
            + (f"_panicd_corename={corename} " if corename else "") + " ".join(more))
    start = time.monotonic()
    p = cable.run(*as_user, program or t.PANICDUMP, "capture", "--cmdline", line, timeout=120)
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

    full = t.Receiver(address=SERVER, refuse=(3, b"full\0"))
    r = t.Receiver(address=FAR)
    w.ip("route", "add", OWN + "/32", "dev", "here", "src", FAR)
    p = capture(t, cable, path, f"{SERVER}:{full.port},{FAR}:{r.port}", as_user=poor,
                address=OWN + "/24")
    t.check("and the way to the next server, when the first does not take it", arrived(p, r, body),
            p.said)
    w.ip("route", "del", OWN + "/32", "dev", "here")
    w.ip("addr", "flush", "dev", "there", pid=cable.far.pid)

    w.ip("route", "add", OWN + "/32", "dev", "here", "src", FAR)
    r = t.Receiver(address=FAR)
    p = capture(t, cable, path, f"{FAR}:{r.port}", f"_router_ip={SERVER}", as_user=poor,
                address=OWN + "/24")
    t.check("and through a router", arrived(p, r, body), p.said)


def programs(tmp, script):
    """Before a command: /usr/bin has a makedumpfile, which is this script."""
    lower = os.path.join(tmp, "programs")
    os.makedirs(lower, exist_ok=True)
    fake = os.path.join(lower, "makedumpfile")
    with open(fake, "w") as f:
        f.write("#!/bin/sh\n" + script)
    os.chmod(fake, 0o755)
    return ("unshare", "-m", "sh", "-c",
            f"mount -t overlay overlay -o lowerdir={lower}:/usr/bin /usr/bin && exec \"$@\"", "sh")


def filters(t, w, cable, path, body):
    """makedumpfile is there, and fails: everything is sent, in the end, and it is said why."""
    tmp = os.path.dirname(path)
    if cable.run(*programs(tmp, "exit 0\n"), "true").returncode != 0:
        print("# no overlay file systems here: nothing is said of a makedumpfile that fails")
        return
    for what, script, words in (
        ("writes half of it", "head -c 100000 /dev/zero; echo no room >&2; exit 1\n",
         "makedumpfile: exit code 1: no room: trying without makedumpfile"),
        ("writes nothing", "exit 0\n", "exit code 0, and it wrote nothing: trying without"),
        ("is killed", "kill -9 $$\n", "was ended by signal 9: trying without makedumpfile"),
    ):
        r = t.Receiver(address=SERVER, several=True)
        p = capture(t, cable, path, f"{SERVER}:{r.port}", "panicd_filter=31",
                    as_user=programs(tmp, script))
        t.check(f"makedumpfile {what}: everything is sent, and it is said why",
                arrived(p, r, body) and words in p.said
                and "filtered at level 31 by makedumpfile" in p.said
                and "panicd_filter=31 cannot be done: level 31 of a dump that is not understood: "
                "sending everything" in p.said and "goes as it stands" in p.said, p.said)


def names(t, w, cable, path, body):
    """A server like Apple's, which refuses a name that it has: also after half a dump."""
    r = t.Receiver(address=SERVER, taken=("core", "core.1"))
    p = capture(t, cable, path, f"{SERVER}:{r.port}")
    t.check("a name that the server has already gets a number",
            arrived(p, r, body) and r.name == "core.2", r.name, p.said)
    r = t.Receiver(address=SERVER, taken=("core.gz",))
    p = capture(t, cable, path, f"{SERVER}:{r.port}", corename="core.gz")
    t.check("before its .gz", arrived(p, r, body) and r.name == "core.1.gz", r.name, p.said)
    r = t.Receiver(address=SERVER, refuse=(6, b"file exists\0"))
    p = capture(t, cable, path, f"{SERVER}:{r.port}")
    t.check("but not for ever", p.returncode == 1 and "already has a dump of this name" in p.said
            and p.seconds < 5, p.seconds, p.said)
    r = t.Receiver(address=SERVER)
    p = capture(t, cable, path, f"{SERVER}:{r.port}", address="", corename="")
    t.check("without kdp_ip_addr= the interface's address stands in the name", arrived(p, r, body)
            and re.fullmatch(rf"core-linux-unknown-{re.escape(OWN)}-panic-[0-9a-f]+\.gz", r.name),
            r.name, p.said)


def memory(t, w, cable, path, body):
    """What the program of a crash kernel takes."""
    if len(sys.argv) < 3:
        return
    r = t.Receiver(address=SERVER)
    p = capture(t, cable, path, f"{SERVER}:{r.port}", program=sys.argv[2])
    used = re.search(r"used ([0-9.]+) (KiB|MiB) of memory at most", p.said)
    kib = float(used[1]) * (1024 if used[2] == "MiB" else 1) if used else 0
    print(f"# panicdump-static used {kib:.0f} KiB")
    t.check("the program of a crash kernel takes at most 3 MiB, and says what it took",
            arrived(p, r, body) and 500 < kib < 3072, p.said)


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


def trains(t, w, cable, path, body):
    """A server of the extension. What a small queue, or a firewall of the crash kernel, takes away
    are the trains; frames pass by both."""
    if len(sys.argv) < 4:
        return
    noise = os.urandom(32 << 20)
    with open(path, "wb") as f:
        f.write(noise)
    queue = ("tc", "qdisc", "add", "dev", "there", "root", "bfifo", "limit", "1")
    firewall = ("nft", "add table ip t; add chain ip t o { type filter hook output priority 0; }; "
                "add rule ip t o udp dport 1069 drop")
    for what, before, after in (
            ("a server of the extension gets them in trains", (), ()),
            ("where a queue swallows each train, frame by frame", queue,
             ("tc", "qdisc", "del", "dev", "there", "root")),
            ("where a firewall refuses them, too", firewall, ("nft", "delete table ip t"))):
        if before and cable.run(*before).returncode != 0:
            print(f"# not here: {' '.join(before)}")
            continue
        dumps = tempfile.mkdtemp(dir=os.path.dirname(path))
        server = subprocess.Popen([sys.argv[3], dumps, "--address", SERVER, "--port", "1069"],
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT)
        try:
            while b"ready" not in (line := server.stdout.readline()) and line:
                pass
            p = capture(t, cable, path, f"{SERVER}:1069", f"panicd_via={mac_of(cable, 'here')}",
                        "panicd_compress=none", address="10.77.0.50")
        finally:
            server.kill()
            server.wait()
            server.stdout.close()
        if after:
            cable.run(*after)
        with open(os.path.join(dumps, "core"), "rb") as f:
            whole = f.read() == noise
        t.check(f"{what}, whole and within seconds", p.returncode == 0 and whole
                and p.seconds < 20 and "given up" not in p.said, p.seconds, p.said)
        t.check("and nothing of that stays behind",
                b"PERMANENT" not in cable.run("ip", "neigh", "show", "dev", "there").stdout)


def main():
    import test_panicdump_packet as w
    w.enter_namespace()
    import test_panicdump as t
    with tempfile.TemporaryDirectory() as tmp, w.Cable() as cable:
        cable.up()
        path = os.path.join(tmp, "vmcore")
        body = w.vmcore(path)
        for test in (carried_mac, through_a_router, order_of_servers, interrupted, sizes, tags,
                     by_socket, filters, names, memory, link_down, trains):
            test(t, w, cable, path, body)
    return t.plan()


if __name__ == "__main__":
    sys.exit(main())
