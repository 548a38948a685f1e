#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
#
# The way to a server as pnd_route_find() finds it in networks made for it: a namespace of our own
# with a /sys of its own, cables to other namespaces. What needs a port of hardware is in
# tests/linux/test_route.py. Needs root and iproute2. Usage: test_route.py ROUTE-OF. Speaks TAP.

import contextlib
import os
import re
import shutil
import subprocess
import sys
import time

sys.dont_write_bytecode = True

count = failures = 0


def check(sentence, good, *details):
    global count, failures
    count += 1
    failures += not good
    print(f"{'' if good else 'not '}ok {count} - {sentence}", flush=True)
    if not good:
        for detail in details:
            print("# " + str(detail).replace("\n", "\n# "))


def skip(why):
    print(f"1..0 # SKIP {why}")
    sys.exit(0)


def enter_namespace():
    """Runs this script again where it may do to the network whatever it wants."""
    for tool in ("ip", "unshare", "nsenter", "mount"):
        if not shutil.which(tool):
            skip(f"{tool} is not installed: apt-get install iproute2 util-linux")
    if os.geteuid() != 0:
        skip("network namespaces need root")
    if os.environ.get("PND_IN_NAMESPACE") != "1":
        if subprocess.run(["unshare", "-n", "-m", "true"], capture_output=True).returncode != 0:
            skip("this root may not make network namespaces")
        os.environ["PND_IN_NAMESPACE"] = "1"
        os.execvp("unshare", ["unshare", "-n", "-m", sys.executable, *sys.argv])
    if subprocess.run(["mount", "-t", "sysfs", "none", "/sys"], capture_output=True).returncode:
        skip("this root may not mount a /sys of its own")


def ip(line, pid=None):
    enter = ["nsenter", "-t", str(pid), "-n"] if pid else []
    subprocess.run([*enter, "ip", *line.split()], check=True, capture_output=True, text=True)


def has_kind(line):
    """Whether this kernel makes such a device; it is gone again."""
    try:
        ip(line)
    except subprocess.CalledProcessError:
        return False
    ip("link del probe")
    return True


class Far:
    """Another machine: a namespace that lasts as long as a sleeping process in it."""

    def __enter__(self):
        self.process = subprocess.Popen(["unshare", "-n", "sh", "-c", "echo; exec sleep 600"],
                                        stdout=subprocess.PIPE)
        self.process.stdout.readline()
        self.pid = self.process.pid
        self.ip("link set lo up")
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def ip(self, line):
        ip(line, self.pid)

    def sysctl(self, name, value):
        subprocess.run(["nsenter", "-t", str(self.pid), "-n", "sh", "-c",
                        f"echo {value} > /proc/sys/{name}"], check=True)


def cable(name, far, far_name, own, other, mtu=1500):
    """From us to @p far, with addresses at both ends; @p own may be None."""
    ip(f"link add {name} type veth peer name {far_name}")
    ip(f"link set {far_name} netns {far.pid}")
    for line in ([f"addr add {own} dev {name}"] if own else []) + [f"link set {name} up mtu {mtu}"]:
        ip(line)
    far.ip(f"addr add {other} dev {far_name}")
    far.ip(f"link set {far_name} up mtu {mtu}")


def route_of(server, interface="-", force=True):
    """The fields, and "error" and "why" when there is no way."""
    words = [sys.argv[1], server, interface, *(["force"] if force else [])]
    result = subprocess.run(words, capture_output=True, text=True, timeout=30)
    found = dict(re.findall(r"^(\w+)=(.*)$", result.stdout, re.M))
    if not found:
        found = {"error": result.returncode, "why": result.stdout + result.stderr}
    return found


def mac_of(name, pid=None):
    enter = ["nsenter", "-t", str(pid), "-n"] if pid else []
    text = subprocess.run([*enter, "ip", "-o", "link", "show", name], check=True,
                          capture_output=True, text=True).stdout
    return re.search(r"link/ether (\S+)", text)[1]


def is_(found, **wanted):
    return all(found.get(key) == value for key, value in wanted.items())


NOBODY = "00:00:00:00:00:00"


def one_network(far):
    cable("near", far, "far", "10.77.0.1/24", "10.77.0.2/24")
    found = route_of("10.77.0.2")
    check("the server in the same network: no router, and the MAC that was asked for",
          is_(found, interface="near", port="near", vlan="0", mtu="1500", own_ip="10.77.0.1/24",
              router_ip="", via=mac_of("far", far.pid), port_mac=mac_of("near"), driver=""), found)
    found = route_of("10.77.0.2", force=False)
    check("a virtual port is refused with the reason and the way around",
          is_(found, error="-13") and "near is a cable between containers" in found["why"]
          and "--force" in found["why"], found)
    start = time.monotonic()
    found = route_of("10.77.0.99")
    waited = time.monotonic() - start
    check("a neighbour that does not answer is waited for for two seconds, and then said",
          is_(found, via=NOBODY, interface="near")
          and "the server 10.77.0.99 does not answer ARP" in found["note"] and 1.5 < waited < 10,
          found, waited)
    ip("neigh replace 10.77.0.99 lladdr 02:00:00:00:00:99 dev near nud permanent")
    check("what an administrator has written down is believed",
          is_(route_of("10.77.0.99"), via="02:00:00:00:00:99"), route_of("10.77.0.99"))
    found = route_of("10.77.0.1")
    check("this machine is no server", is_(found, error="-10")
          and "10.77.0.1 is this machine itself" in found["why"], found)
    found = route_of("10.77.0.255")
    check("nor is everybody", is_(found, error="-10") and "not the address of one machine"
          in found["why"], found)


def no_way():
    found = route_of("10.99.0.1")
    check("without a route it says so, and where to look",
          is_(found, error="-10") and "no route to 10.99.0.1" in found["why"]
          and "ip route get 10.99.0.1`" in found["why"], found)
    found = route_of("10.77.0.2", "nothere")
    check("an interface that is not there is told from those that are",
          is_(found, error="-19") and '"nothere"; there is lo' in found["why"]
          and "near" in found["why"], found)
    for kind in ("unreachable", "prohibit", "blackhole"):
        ip(f"route add {kind} 10.98.0.0/24")
        found = route_of("10.98.0.1")
        check(f"a route that is {kind} is none", is_(found, error="-10")
              and "no route to 10.98.0.1" in found["why"], found)
        ip(f"route del {kind} 10.98.0.0/24")


def through_a_router(router, far):
    """The router's other side has a smaller MTU."""
    router.ip(f"link add narrow type veth peer name end netns {far.pid}")
    router.ip("addr add 10.88.0.1/24 dev narrow")
    router.ip("link set narrow up mtu 1200")
    router.sysctl("net/ipv4/ip_forward", 1)
    far.ip("addr add 10.88.0.9/24 dev end")
    far.ip("link set end up mtu 1200")
    far.ip("route add default via 10.88.0.1")
    ip("route add 10.88.0.0/24 via 10.77.0.2 mtu 1400")
    found = route_of("10.88.0.9")
    check("behind a router: its address and MAC, and the MTU that it tells of",
          is_(found, router_ip="10.77.0.2", via=mac_of("far", router.pid), mtu="1200",
              own_ip="10.77.0.1/24"), found)
    ip("route flush cache")
    ip("route del 10.88.0.0/24 via 10.77.0.2")
    ip("route add 10.88.0.0/24 via 10.77.0.2 mtu 900")
    check("a route may say a smaller one", is_(route_of("10.88.0.9"), mtu="900"),
          route_of("10.88.0.9"))
    ip("route del 10.88.0.0/24 via 10.77.0.2")


def two_ways(far):
    cable("other", far, "otherfar", "10.78.0.1/24", "10.78.0.2/24", 9000)
    far.ip("addr add 10.90.0.1/32 dev lo")
    ip("route add 10.90.0.1 via 10.77.0.2 metric 10")
    ip("route add 10.90.0.1 via 10.78.0.2 metric 20")
    check("of two routes the kernel's is taken",
          is_(route_of("10.90.0.1"), interface="near", router_ip="10.77.0.2"),
          route_of("10.90.0.1"))
    found = route_of("10.90.0.1", "other")
    check("and the other one, when its interface is named",
          is_(found, interface="other", router_ip="10.78.0.2", mtu="9000",
              own_ip="10.78.0.1/24", via=mac_of("otherfar", far.pid)), found)
    found = route_of("10.77.0.2", "other")
    check("an interface that has no route to the server is not guessed to have one",
          is_(found, error="-10") and "over other" in found["why"]
          and "oif other`" in found["why"], found)


def by_policy():
    try:
        ip("rule add to 10.90.0.1 lookup 100")
    except subprocess.CalledProcessError:
        print("# this kernel has no policy routing")
        return
    ip("route add 10.90.0.1 via 10.78.0.2 table 100")
    found = route_of("10.90.0.1")
    check("a rule of policy routing is obeyed, and mentioned",
          is_(found, interface="other", router_ip="10.78.0.2") and "table 100" in found["note"],
          found)
    ip("rule del to 10.90.0.1 lookup 100")


def addresses(far):
    cable("host", far, "hostfar", None, "10.79.0.1/32")
    ip("addr add 10.79.0.7/32 dev host")
    ip("route add 10.79.0.1 dev host scope link")
    ip("route add 10.79.1.0/24 via 10.79.0.1 dev host onlink")
    far.ip("route add 10.79.0.7 dev hostfar")
    found = route_of("10.79.1.1")
    check("an address without a network, as in clouds, has its router all the same",
          is_(found, interface="host", own_ip="10.79.0.7/32", router_ip="10.79.0.1",
              via=mac_of("hostfar", far.pid)), found)
    ip("route add 10.79.2.0/24 via inet6 fe80::77 dev host")
    ip("neigh add fe80::77 lladdr 02:00:00:00:00:77 dev host")
    found = route_of("10.79.2.1")
    check("a router with an IPv6 address is known by its MAC",
          is_(found, router_ip="", via="02:00:00:00:00:77") and "IPv6" in found["note"], found)
    ip("link set host mtu 500")
    found = route_of("10.79.1.1")
    check("a way too narrow for a dump is refused with what to type",
          is_(found, error="-13") and "ip link set host mtu" in found["why"], found)


def stacked(far):
    if has_kind("link add probe type bridge"):
        ip("link add br0 type bridge")
        cable("brport", far, "brfar", None, "10.80.0.2/24")
        ip("link set brport master br0")
        ip("addr add 10.80.0.1/24 dev br0")
        ip("link set br0 up")
        found = route_of("10.80.0.2", force=False)
        check("a bridge of containers alone is refused", is_(found, error="-13")
              and "br0 is a bridge without a wired port" in found["why"], found)
        found = route_of("10.80.0.2", "brport")
        check("a port of a bridge that was named is used, with the bridge's address",
              is_(found, interface="br0", port="brport", own_ip="10.80.0.1/24",
                  via=mac_of("brfar", far.pid)) and "brport of bridge br0" in found["note"], found)
    if has_kind("link add link near probe type macvlan"):
        ip("link add link near mac0 type macvlan")
        ip("addr add 10.81.0.1/24 dev mac0")
        ip("link set mac0 up")
        found = route_of("10.81.0.2", "mac0", force=False)
        check("macvlan is refused", is_(found, error="-13") and "under another MAC" in found["why"],
              found)
        check("macvlan by force is the port under it",
              is_(route_of("10.81.0.2", "mac0"), interface="mac0", port="near"), "")
    if has_kind("link add link near name probe type vlan id 7"):
        ip("link add link near name near.7 type vlan id 7")
        ip("addr add 10.82.0.1/24 dev near.7")
        ip("link set near.7 up")
        check("a VLAN is a tag on its port",
              is_(route_of("10.82.0.2"), interface="near.7", port="near", vlan="7"), "")
    with contextlib.suppress(subprocess.CalledProcessError):
        for mode, words in (("tun", "a tunnel without Ethernet"), ("tap", "a program's")):
            ip(f"tuntap add dev {mode}0 mode {mode}")
            ip(f"addr add 10.8{3 + (mode == 'tap')}.0.1/24 dev {mode}0")
            ip(f"link set {mode}0 up")
            found = route_of("10.83.0.2" if mode == "tun" else "10.84.0.2", force=False)
            check(f"{mode} is refused", is_(found, error="-13") and words in found["why"], found)


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: test_route.py ROUTE-OF")
    enter_namespace()
    ip("link set lo up")
    if not has_kind("link add probe type veth peer name probe2"):
        skip("this kernel has no veth")
    with Far() as far, Far() as behind:
        one_network(far)
        no_way()
        through_a_router(far, behind)
        two_ways(far)
        by_policy()
        addresses(far)
        stacked(far)
    print(f"1..{count}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
