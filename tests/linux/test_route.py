#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""The way to a server on a machine with network cards, as pnd_route_find() finds it: VLANs, bonds
and bridges on ports of hardware, a port on USB, a wireless one. In a guest, because what networks
can be made of depends on the kernel. TAP on stdout.

    PND_BUILD=build tests/linux/test_route.py"""

import pathlib
import re
import sys
import tempfile

sys.dont_write_bytecode = True   # the source tree stays as it is
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import drivers             # noqa: E402
import lab                 # noqa: E402
from scenario import Tap   # noqa: E402

VIRTIO_MAC, E1000_MAC = "52:54:00:00:00:a0", "52:54:00:00:00:a1"
GATEWAY_MAC = "52:55:0a:00:02:02"   # how QEMU's user network answers for 10.0.2.2
OTHER_GATEWAY_MAC = "52:55:0a:00:03:02"
MODULES = ("virtio_pci", "virtio_net", "e1000", "xhci-pci", "cdc_ether", "mac80211_hwsim", "8021q",
           "bonding", "bridge", "dummy")
SCRIPT = """
PATH=/bin
ask() { echo "== $1"; shift; /bin/route-of "$@"; echo "--"; }
wait_link() { c=0; until [ "$c" = 1 ]; do read c < /sys/class/net/$1/carrier; done 2> /dev/null; }
flush() { for i in eth0 eth1; do
    ip link set $i nomaster; ip addr flush dev $i; ip link set $i up; wait_link $i; done; }
ip link set lo up
ip link del bond0   # the module makes one of its own
flush
ip addr add 10.0.2.15/24 dev eth0; ip addr add 10.0.3.15/24 dev eth1
ip route add default via 10.0.2.2
ask virtio 10.0.2.2
ask e1000 10.0.3.2
ask routed 192.0.2.9
ip link set eth1 down
ip link set eth1 address 02:00:00:00:00:05
ip link set eth1 up
wait_link eth1
ask changed 10.0.3.2
ip link set eth1 down; ip link set eth1 address %(E1000_MAC)s; ip link set eth1 up

ip link add link eth0 name eth0.40 type vlan id 40
ip addr add 10.40.0.15/24 dev eth0.40; ip link set eth0.40 up
ip neigh add 10.40.0.2 lladdr 02:00:00:00:00:40 dev eth0.40
ask vlan 10.40.0.2
ip link add link eth0.40 name inner type vlan id 41
ip addr add 10.41.0.15/24 dev inner; ip link set inner up
ask two-tags 10.41.0.2
ip link add link eth0 name qinq type vlan proto 802.1ad id 42
ip addr add 10.42.0.15/24 dev qinq; ip link set qinq up
ask provider 10.42.0.2 - force
ip link del inner; ip link del eth0.40; ip link del qinq

flush
for i in eth0 eth1; do ip link set $i down; done
ip link add bond0 type bond mode active-backup miimon 100
ip link set eth0 master bond0; ip link set eth1 master bond0
ip link set bond0 up; wait_link bond0
ip addr add 10.0.2.15/24 dev bond0
ask bond 10.0.2.2
ask bond-chosen 10.0.2.2 eth1
ip link add link bond0 name bond0.5 type vlan id 5
ip addr add 10.5.0.15/24 dev bond0.5; ip link set bond0.5 up
ip neigh add 10.5.0.2 lladdr 02:00:00:00:00:05 dev bond0.5
ask bond-vlan 10.5.0.2
ip link del bond0.5; ip link del bond0
flush
for i in eth0 eth1; do ip link set $i down; done
ip link add bond0 type bond mode 802.3ad miimon 100
ip link set eth0 master bond0; ip link set eth1 master bond0
ip link set bond0 up; wait_link bond0
ip addr add 10.0.2.15/24 dev bond0
ip neigh add 10.0.2.2 lladdr 02:00:00:00:00:06 dev bond0
ask lacp 10.0.2.2
ip link del bond0
flush

ip link add br0 type bridge
ip link add dummy0 type dummy
ip link set dummy0 master br0; ip link set eth0 master br0
ip link set dummy0 up; ip link set br0 up; ip addr add 10.0.2.15/24 dev br0
ip neigh add 10.0.2.2 lladdr 02:00:00:00:00:07 dev br0
ask bridge 10.0.2.2
ip link set eth1 master br0
ask bridge-of-two 10.0.2.2
ask bridge-chosen 10.0.2.2 eth1
ip link del br0
ip addr add 10.8.0.15/24 dev dummy0
ask dummy 10.8.0.2

ip addr add 10.9.0.15/24 dev wlan0; ip link set wlan0 up
ip route replace 10.9.0.0/24 dev wlan0 src 10.9.0.15
ask wireless 10.9.0.2
ip neigh replace 10.9.0.2 lladdr 02:00:00:00:00:09 dev wlan0 nud permanent
ask wireless-forced 10.9.0.2 - force
ip link set usb0 up; ip addr add 10.0.4.15/24 dev usb0
ask usb 10.0.4.2
ask usb-forced 10.0.4.2 - force
echo "== end"
while :; do read c < /dev/console; done
"""


class Machine(lab.Crash):
    """A guest that does not panic."""

    def initramfs(self, kernel, port):
        modules = {f"lib/modules/{name}": body for name, body in kernel.modules}
        script = SCRIPT % {"E1000_MAC": E1000_MAC}
        return lab.cpio({"init": lab.binary("guest_init").read_bytes(), **modules,
                         "modules": "".join(f"/{path}\n" for path in modules),
                         "bin/route-of": lab.binary("route-of-static").read_bytes(),
                         "script": script, **drivers.with_libraries("sh", "ip")})


def run_guest():
    """{question: {field: value}}"""
    machine = Machine(
        trigger="script", memory_mib=256, reserve="0", pattern_mib=0,
        append="lab_crash_kernel=no quiet", nic=f"virtio-net-pci,mac={VIRTIO_MAC}", devices=(
            "-netdev", "user,id=n1,net=10.0.3.0/24", "-device", f"e1000,netdev=n1,mac={E1000_MAC}",
            "-device", "qemu-xhci", "-netdev", "user,id=n2,net=10.0.4.0/24",
            "-device", "usb-net,netdev=n2"))
    with tempfile.TemporaryDirectory(prefix="panicd-route-") as work:
        with lab.Guest(machine, drivers.kernel_for("amd64", MODULES), 1, work) as guest:
            guest.console.wait(r"^== end", 240, "the guest")
            text = "\n".join(guest.console.lines)
    return text, {name: dict(re.findall(r"^(\w+)=(.*)$", answer, re.M)) for name, answer in
                  re.findall(r"^== (\S+)\n(.*?)^--", text, re.M | re.S)}


# What is found for each question; of a note and of "why", words that stand in it.
WANTED = {
    "virtio": {"interface": "eth0", "port": "eth0", "driver": "virtio_net", "vlan": "0",
               "port_mac": VIRTIO_MAC, "via": GATEWAY_MAC, "own_ip": "10.0.2.15/24",
               "router_ip": "", "mtu": "1500", "note": ""},
    "e1000": {"interface": "eth1", "port": "eth1", "driver": "e1000", "port_mac": E1000_MAC,
              "via": OTHER_GATEWAY_MAC},
    "routed": {"interface": "eth0", "router_ip": "10.0.2.2", "via": GATEWAY_MAC},
    "changed": {"port": "eth1", "port_mac": E1000_MAC, "note": "the MAC of eth1 was changed"},
    "vlan": {"interface": "eth0.40", "port": "eth0", "vlan": "40", "driver": "virtio_net",
             "via": "02:00:00:00:00:40"},
    "two-tags": {"error": "-13", "why": "inner is a VLAN on another one, eth0.40"},
    "provider": {"error": "-13", "why": "qinq has a tag of 802.1ad"},
    "bond": {"interface": "bond0", "port": "eth0", "driver": "virtio_net", "port_mac": VIRTIO_MAC,
             "via": GATEWAY_MAC, "note": "eth0 of bond0, the active one"},
    "bond-chosen": {"interface": "bond0", "port": "eth1", "driver": "e1000",
                    "port_mac": E1000_MAC, "note": "eth1 of bond0, as chosen"},
    "bond-vlan": {"interface": "bond0.5", "port": "eth0", "vlan": "5", "driver": "virtio_net"},
    "lacp": {"interface": "bond0", "note": "of bond0 (LACP): "},
    "bridge": {"interface": "br0", "port": "eth0", "driver": "virtio_net",
               "note": "eth0 of bridge br0"},
    "bridge-of-two": {"error": "-13", "why": "several ports (eth0, eth1)"},
    "bridge-chosen": {"interface": "br0", "port": "eth1", "driver": "e1000"},
    "dummy": {"error": "-13", "why": "dummy0 is a dummy"},
    "wireless": {"error": "-13", "why": "wlan0 is wireless"},
    "wireless-forced": {"port": "wlan0", "driver": "mac80211_hwsim", "note": "forced: wlan0 is"},
    "usb": {"error": "-13", "why": "usb0 hangs on USB"},
    "usb-forced": {"port": "usb0", "driver": "cdc_ether", "note": "forced: usb0 hangs on USB"},
}


def fits(found, wanted):
    return bool(found) and all(value in found.get(key, "") if value and key in ("note", "why")
                               else found.get(key) == value for key, value in wanted.items())


def main():
    tap = Tap()
    lab.end_cleanly_on_sigterm()
    try:
        lab.need_qemu()
        text, found = run_guest()
    except lab.Skip as why:
        print(f"1..0 # SKIP {why}")
        return 0
    except lab.LabError as error:
        tap.ok(False, "the guest makes its networks and asks", error)
        found = {}
    if not set(WANTED) <= set(found):
        tap.note(text if found else "")
    for name, wanted in WANTED.items():
        tap.ok(fits(found.get(name), wanted),
               f"{name}: {', '.join(f'{k} {v}' for k, v in wanted.items())}", found.get(name))
    print(f"1..{tap.count}")
    return 1 if tap.failures else 0


if __name__ == "__main__":
    sys.exit(main())
