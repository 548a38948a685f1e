#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
#
# panicdump's own Ethernet, ARP, IPv4 and UDP against the kernel's, over a virtual cable between two
# network namespaces: `test --interface`, and `capture` by hand. Needs root and iproute2; skips
# otherwise. Usage: test_panicdump_packet.py PANICDUMP. Speaks TAP.

import gzip
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

OWN, SERVER, FAR = "10.77.0.1", "10.77.0.2", "10.88.0.9"


def skip(why):
    print(f"1..0 # SKIP {why}")
    sys.exit(0)


def ip(*args, pid=None):
    enter = ["nsenter", "-t", str(pid), "-n"] if pid else []
    subprocess.run([*enter, "ip", *args], check=True, capture_output=True)


def enter_namespace():
    """Runs this script again in a network namespace of its own."""
    for tool in ("ip", "unshare", "nsenter"):
        if not shutil.which(tool):
            skip(f"{tool} is not installed: apt-get install iproute2 util-linux")
    if os.geteuid() != 0:
        skip("network namespaces and packet sockets need root")
    if os.environ.get("PND_IN_NAMESPACE") != "1":
        if subprocess.run(["unshare", "-n", "true"], capture_output=True).returncode != 0:
            skip("this root may not make network namespaces")
        os.environ["PND_IN_NAMESPACE"] = "1"
        os.execvp("unshare", ["unshare", "-n", sys.executable, *sys.argv])


class Cable:
    """The server's end is in our namespace, the other in that of a sleeping process."""

    def __enter__(self):
        self.far = subprocess.Popen(["unshare", "-n", "sh", "-c", "echo; exec sleep 600"],
                                    stdout=subprocess.PIPE)
        self.far.stdout.readline()
        try:
            ip("link", "add", "here", "type", "veth", "peer", "name", "there")
        except subprocess.CalledProcessError:
            self.__exit__()
            skip("this kernel has no veth")
        ip("link", "set", "there", "netns", str(self.far.pid))
        ip("addr", "add", SERVER + "/24", "dev", "here")
        ip("addr", "add", FAR + "/32", "dev", "lo")
        for name in ("lo", "here"):
            ip("link", "set", name, "up")
        ip("addr", "add", OWN + "/24", "dev", "there", pid=self.far.pid)
        return self

    def up(self):
        ip("link", "set", "there", "up", pid=self.far.pid)

    def __exit__(self, *_):
        self.far.kill()
        self.far.wait()

    def run(self, *args, timeout=60):
        return subprocess.run(
            ["nsenter", "-t", str(self.far.pid), "-n", *args], capture_output=True, timeout=timeout)

    def unreachables(self):
        """How often the sender's kernel said "port unreachable"."""
        lines = self.run("cat", "/proc/net/snmp").stdout.decode().split("\n")
        names, values = [line.split() for line in lines if line.startswith("Icmp:")]
        return int(values[names.index("OutDestUnreachs")])


def vmcore(path):
    """A small core of ELF without notes: what it is is not found, but it is sent."""
    head = struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\2\1\1", 4, 62, 1, 0, 64, 0, 0, 64, 56, 0,
                       0, 0, 0)
    body = head + bytes(8192) + os.urandom(300000) + bytes(100000)
    with open(path, "wb") as f:
        f.write(body)
    return body


def tests(t, cable, tmp):
    panicdump = t.PANICDUMP

    path = os.path.join(tmp, "vmcore")
    body = vmcore(path)
    r = t.Receiver(address=SERVER)
    line = (f"quiet _panicd_ip={SERVER} panicd_port={r.port} kdp_match_name=there "
            f"kdp_ip_addr={OWN} panicd_vmcore={path} panicd_compress=none panicd_retry=0")
    p = cable.run(panicdump, "capture", "--cmdline", line)
    ok = p.returncode == 0 and r.done and bytes(r.body) == body
    t.check("capture takes its interface up, resolves the server and sends the core", ok, p.stdout,
            p.stderr)
    t.check("its name has system, release, address, reason and time",
            re.fullmatch(rf"core-linux-unknown-{re.escape(OWN)}-panic-[0-9a-f]+", r.name or ""),
            r.name)
    t.check("zeros are not sent", r.seeks == 2, r.seeks)

    r = t.Receiver(address=SERVER)
    mac = cable.run("cat", "/sys/class/net/there/address").stdout.decode().strip().replace(":", "")
    p = cable.run(panicdump, "capture", "--cmdline",
                  f"_panicd_ip={SERVER} panicd_port={r.port} kdp_match_mac={mac.upper()} "
                  f"_panicd_corename=mine panicd_vmcore={path} panicd_retry=0")
    t.check("an interface can be named by its MAC, and the dump by its name",
            p.returncode == 0 and r.name == "mine" and gzip.decompress(r.body) == body, p.stdout,
            p.stderr)

    r = t.Receiver(address=SERVER, own_port=True, lose=0.05)
    p = cable.run(panicdump, "test", "--server", SERVER, "--port", str(r.port), "--interface",
                  "there")
    ok = p.returncode == 0 and r.done and b"by way of the server" in p.stdout
    t.check("test --interface uses our own stack, and says whose MAC it found", ok, p.stdout,
            p.stderr)
    t.check("and notes that a crash kernel has no such port",
            re.search(rb"^note: forced: there is a cable between containers", p.stdout, re.M),
            p.stdout)
    t.check("the kernel beside it answers nothing", cable.unreachables() == 0)

    ip("route", "add", "default", "via", SERVER, pid=cable.far.pid)
    # a namespace answers ARP for the addresses of all its interfaces unless told not to
    with open("/proc/sys/net/ipv4/conf/all/arp_ignore", "w") as f:
        f.write("1")
    r = t.Receiver(address=FAR)
    p = cable.run(panicdump, "test", "--server", FAR, "--port", str(r.port), "--interface", "there")
    ok = p.returncode == 0 and r.done and b"by way of the router" in p.stdout
    t.check("a server that answers no ARP is reached through the router", ok, p.stdout, p.stderr)
    r = t.Receiver(address=FAR)
    p = cable.run(panicdump, "test", "--server", FAR, "--port", str(r.port))
    t.check("the socket's test says which way the kernel chose", p.returncode == 0 and
            f", over there by way of the router {SERVER}".encode() in p.stdout, p.stdout, p.stderr)
    ip("route", "del", "default", pid=cable.far.pid)
    p = cable.run(panicdump, "test", "--server", FAR, "--interface", "there")
    t.check("test --interface without a route over it says so", p.returncode == 1 and
            b"no route to 10.88.0.9 over there" in p.stderr, p.stderr)
    p = cable.run(panicdump, "test", "--server", FAR, "--interface", "nowhere")
    t.check("an interface that is not there is told from those that are", p.returncode == 2 and
            b"there is lo, " in p.stderr, p.stderr)

    p = cable.run(panicdump, "test", "--server", "10.77.0.99", "--interface", "there")
    ok = p.returncode == 1 and b"no route to 10.77.0.99 (no answer to ARP)" in p.stderr
    t.check("nobody at the address: it says no route, and about ARP", ok, p.stderr)
    p = cable.run(panicdump, "test", "--server", "10.99.0.1")
    t.check("without a route the socket's test says so at once",
            p.returncode == 1 and b"no route to 10.99.0.1: Network is unreachable" in p.stderr,
            p.stderr)
    refusals(t, cable, path)


def refusals(t, cable, path):
    for what, line, words in (
        ("no server", "", b"_panicd_ip="),
        ("a server that is no address", "_panicd_ip=mac.local", b"_panicd_ip=mac.local"),
        ("no core", f"_panicd_ip={SERVER} panicd_vmcore=/none", b"/none"),
        ("an odd port", f"_panicd_ip={SERVER} panicd_port=70000", b"panicd_port=70000"),
        ("an odd end", f"_panicd_ip={SERVER} panicd_after=sleep", b"say reboot, poweroff,"),
        ("no own address", f"_panicd_ip={SERVER} panicd_vmcore={path} kdp_match_name=bare",
         b"kdp_ip_addr="),
    ):
        if b"kdp_ip_addr" in words:
            ip("link", "add", "bare", "type", "veth", "peer", "name", "bare2", pid=cable.far.pid)
        p = cable.run(t.PANICDUMP, "capture", "--cmdline", line)
        t.check(f"capture with {what} exits 2 and says what to add",
                p.returncode == 2 and words in p.stderr, p.returncode, p.stderr)


def main():
    enter_namespace()
    import test_panicdump as t
    with tempfile.TemporaryDirectory() as tmp, Cable() as cable:
        tests(t, cable, tmp)
    return t.plan()


if __name__ == "__main__":
    sys.exit(main())
