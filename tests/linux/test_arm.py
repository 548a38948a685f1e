#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""panicdump arm, typed into a shell of a machine in QEMU that then panics. TAP on stdout.

    PND_BUILD=build tests/linux/test_arm.py [SCENARIO...]      (all by default)
"""

import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
import uuid

sys.dont_write_bytecode = True   # the source tree stays as it is
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import disks         # noqa: E402
import shell_guest   # noqa: E402
import lab           # noqa: E402
import oracle        # noqa: E402

INITRAMFS_MAX = 3 << 20
SMALLEST_PATIENCE = 900   # 4 GiB go through zlib under TCG
XLOADFLAGS_AT = 0x236   # Linux Documentation/arch/x86/boot.rst


class Tap:
    def __init__(self):
        self.count = self.failures = 0

    def ok(self, good, sentence, why=""):
        self.count += 1
        self.failures += not good
        print(f"{'' if good else 'not '}ok {self.count} - {sentence}", flush=True)
        if not good:
            self.note(why)
        return good

    def note(self, text):
        for line in str(text).splitlines():
            print("# " + line, flush=True)


class Typed:
    """A guest, and sentences about what its programs answer."""

    def __init__(self, tap, title, guest):
        self.tap, self.title, self.guest = tap, title, guest

    def ok(self, good, sentence, why=""):
        return self.tap.ok(good, f"{self.title}: {sentence}", why)

    def says(self, sentence, command, status, *patterns):
        """The command exits so, and each pattern is in what it prints, wherever its lines end."""
        code, text = self.guest.run(command)
        flat = " ".join(text.split())
        missing = [p for p in patterns if not re.search(p, flat)]
        self.ok(code == status and not missing, sentence,
                f"$ {command}\nexit {code}, not {status}; not found: {missing}\n{text}")
        return flat

    def value(self, path):
        return self.guest.run(f"cat {path}")[1].strip()

    def initramfs_is_small(self, text, driver):
        """Of the page that arm shows."""
        size = re.search(r"initramfs ([\d.]+) (\w+): panicdump, (.*?) memory ", text)
        units = {"KiB": 1 << 10, "MiB": 1 << 20}
        small = size and float(size[1]) * units[size[2]] < INITRAMFS_MAX
        self.ok(small and driver in size[3].split(),
                f"the initramfs with {driver} has less than 3 MiB: "
                + (f"{size[1]} {size[2]}, {len(size[3].split())} modules" if size else "?"), text)


def arm_line(receiver, options=""):
    return f"panicdump arm --server {lab.SERVER_IP}:{receiver.port} {options}".strip()


def test_dumps(receiver):
    return [d for d in receiver.dumps() if d["name"].startswith("panicd-test-")]


def real_dump(receiver, guest, patience=300):
    """The dump that is none of `panicdump test`, once it is no longer arriving."""
    class Real:
        def __getattr__(self, name):
            return getattr(receiver, name)

        def dumps(self):
            return [d for d in receiver.dumps() if not d["name"].startswith("panicd-test-")]

    return lab.Receiver.wait_dump(Real(), guest, patience)


def judge_dump(t, dump, title):
    t.ok(dump["state"] == "complete", "the dump is complete", dump)
    t.ok(re.search(title, dump.get("title") or ""), f"it says why: {title}", dump)


# ---------------------------------------------------------------- scenarios

def mistakes(t, receiver):
    """What cannot be armed says so, and leaves nothing behind."""
    t.says("nothing is armed yet", "panicdump status", 1, "^armed no", "panicdump arm --server")
    t.says("disarm says that there is nothing to take back", "panicdump disarm", 1,
           "nothing is armed")
    t.says("test says so as well", "panicdump test", 1, "nothing is armed")
    t.says("an interface that is not there is named", arm_line(receiver, "--interface wan7"), 2,
           "wan7")
    t.says("the machine itself is no server", "panicdump arm --server 10.0.2.15", 1)
    t.guest.run("ip route del default")
    t.says("without a route it exits 1: a boot tries again", "panicdump arm --server 192.0.2.9", 1,
           "192.0.2.9")
    t.guest.run("ip route add default via 10.0.2.2")
    t.says("another kernel than the running one is refused",
           "head -c 4096 /boot/vmlinuz-$(uname -r) >/other; printf 'x' | dd of=/other bs=1 "
           "seek=$((0x200+$(dd if=/other bs=1 skip=526 count=2 2>/dev/null | od -An -tu2)))"
           " conv=notrunc 2>/dev/null; " + arm_line(receiver, "--kernel /other"), 2,
           "is a kernel of release x")
    file = "/lib/modules/$(uname -r)/kernel/drivers/net/virtio_net.ko"
    t.guest.run(f"mv {file} /away.ko")
    t.says("a module whose file is gone is named", arm_line(receiver), 2, "virtio_net.ko")
    t.guest.run(f"mv /away.ko {file}")
    t.guest.run("mv /usr/sbin/panicdump-static /away")
    t.says("so is the program for the crash kernel", arm_line(receiver), 2, "panicdump-static")
    t.guest.run("mv /away /usr/sbin/panicdump-static")
    t.ok(t.value("/sys/kernel/kexec_crash_loaded") == "0", "none of these loaded anything")


def looking(t, receiver):
    text = t.says("--dry-run shows everything", arm_line(receiver, "--dry-run"), 0,
                  "Nothing was loaded", r"eth0, 52:54:00:12:34:56 \(virtio_net\)",
                  "from 10.0.2.15/24", "nr_cpus=1", "kdp_match_mac=525400123456")
    t.initramfs_is_small(text, "virtio_net")
    t.ok(t.value("/sys/kernel/kexec_crash_loaded") == "0", "and loads nothing")
    t.says("--initramfs writes it, twice the same bytes",
           arm_line(receiver, "--initramfs /a >/dev/null") + " && "
           + arm_line(receiver, "--initramfs /b >/dev/null") + " && cmp /a /b && cpio -t </a", 0,
           r"\binit\b", "lib/panicd/modules", "lib/panicd/options", "lib/modules/virtio_net.ko")
    t.guest.run("rm -f /a /b")
    t.guest.run("mkdir -p /etc/panicd; printf '[arm]\\nserver = 10.0.2.2:7\\nfilter = 1\\n'"
                " >/etc/panicd/panicdump.conf")
    t.says("what was kept is used, and what is typed comes on top",
           "panicdump arm --filter 31 --poweroff --dry-run", 0, "server 10.0.2.2:7", "-d 31",
           "the machine is switched off")
    t.says("what is kept and not there yet exits 1: a boot tries again",
           "echo interface = wan7 >>/etc/panicd/panicdump.conf; panicdump arm", 1, "wan7")
    t.says("one image for every kernel is refused, with what to type",
           arm_line(receiver, "--persist --kernel /boot/vmlinuz"), 2, "ln -s .*/boot/vmlinuz")
    t.guest.run("rm -r /etc/panicd")


def interrupted(t, receiver):
    """It is armed, and is armed again in ways that do not end well."""
    arm = arm_line(receiver, "--on-nmi")
    t.says("two at once wait for each other",
           f"{arm} >/1 & {arm} --filter 31 >/2; wait $!; grep -c ^Armed /1 /2; panicdump status", 0,
           "/1:1 /2:1", "^/1:1 /2:1 armed for kernel", "open: it answers")
    t.guest.run("head -c 200000 /boot/vmlinuz-$(uname -r) >/cut; cp /boot/vmlinuz-$(uname -r) /odd;"
                f"printf '\\\\0\\\\0' | dd of=/odd bs=1 seek={XLOADFLAGS_AT} conv=notrunc")
    t.says("an image that is cut is refused before anything is loaded",
           arm + " --kernel /cut || panicdump status", 0, "/cut is cut: 200000 bytes of",
           "armed for kernel")
    t.says("one that the kernel refuses only when it has let the old one go",
           arm + " --kernel /odd", 2, "the crash kernel that was loaded until now is gone",
           "form")
    t.says("leaves the machine disarmed, and status says that", "panicdump status", 1, "^armed no")
    t.ok(t.value("/proc/sys/kernel/unknown_nmi_panic") == "0", "and an NMI as it was")
    told = set()
    for delay in ("0.05", "0.1", "0.2", "0.4", "0.6", "0.8", "1"):
        t.guest.run(f"{arm} >/dev/null & sleep {delay}; kill -9 $! 2>/dev/null; "
                    "wait $! 2>/dev/null")
        loaded = t.value("/sys/kernel/kexec_crash_loaded")
        code, text = t.guest.run("panicdump status")
        flat = " ".join(text.split())
        state = ("armed" if flat.startswith("armed for") else
                 "cut off" if "cut off in the middle" in flat else "no")
        told.add(state)
        if (state == "armed") != (code == 0) or (state == "armed" and loaded != "1"):
            told.add(f"wrong after {delay}: loaded {loaded}, exit {code}, {flat}")
        t.guest.run("panicdump disarm")
        if t.value("/proc/sys/kernel/unknown_nmi_panic") != "0":
            told.add(f"an NMI still panics after {delay}: {flat}")
    t.ok(told <= {"armed", "cut off", "no"},
         f"killed at any time, status says what is so ({', '.join(sorted(told))}), and disarm "
         "takes it back", "\n".join(sorted(told)))
    t.says("and it can be armed again", arm, 0, "^Armed")


def armed(t, receiver):
    t.says("arm loads it, and says how",
           arm_line(receiver, "--on-nmi"), 0, "^Armed: when this kernel panics",
           "loaded by kexec_file_load", r"kernel.unknown_nmi_panic=1 \(was 0\)")
    t.ok(t.value("/sys/kernel/kexec_crash_loaded") == "1", "a crash kernel is loaded")
    t.ok(t.value("/proc/sys/kernel/unknown_nmi_panic") == "1", "an NMI panics now")
    said = len(receiver.log.lines)
    t.says("status says so, and that the server answers", "panicdump status", 0,
           "^armed for kernel 6", r"open: it answers in [\d.]+ ms, by way of 52:55:0a:00:02:02",
           "nmi panics")
    t.says("for somebody else than root, too", "su nobody -c 'panicdump status'", 0,
           r"open: it answers in [\d.]+ ms \(as root")
    t.ok(receiver.dumps() == [] and len(receiver.log.lines) == said,
         "which left nothing on the server, and nothing in its log",
         receiver.dumps() + receiver.log.lines[said:])
    t.guest.run("mkdir -p /etc/default /etc/rc2.d; echo USE_KDUMP=1 >/etc/default/kdump-tools; "
                "touch /usr/sbin/kdump-config")
    t.says("where kdump-tools is set up, too, it may have loaded its own", "panicdump status", 0,
           "^armed for kernel", "kdump-tools is set up here, too: if it was started after")
    t.guest.run("rm /usr/sbin/kdump-config")
    somewhere = lab.free_udp_port()
    begin = time.monotonic()
    t.says("where nobody listens it says so",
           f"panicdump arm --server {lab.SERVER_IP}:{somewhere} >/dev/null; panicdump status", 1,
           "armed for kernel 6", f"10.0.2.2:{somewhere}: (nobody listens|the next hop)")
    t.tap.note(f"arm, and status of a silent server, took {time.monotonic() - begin:.1f} s")
    t.says("of two servers one is enough", arm_line(receiver, f"--on-nmi --server 10.0.2.99")
           + ",10.0.2.2:{0} >/dev/null; panicdump status".format(somewhere), 0,
           r"10.0.2.2:\d+: open: it answers", "10.0.2.99:1069: (nobody answers ARP|the next hop)")
    t.guest.run(arm_line(receiver, "--on-nmi"))
    t.guest.run("echo 0 >/proc/sys/kernel/unknown_nmi_panic")
    t.says("an NMI that something has set back shows", "panicdump status", 0,
           "nmi does not panic", "arm again with --on-nmi")
    t.guest.run("echo 1 >/proc/sys/kernel/unknown_nmi_panic")
    status = json.loads(t.guest.run("panicdump status --json")[1])
    t.ok(status["armed"] and status["loaded"] and status["open"] and status["on_nmi"]
         and status["nmi_panics"]
         and status["servers"][0] | {"way": ""} == {"address": lab.SERVER_IP, "open": True,
                                                   "by_frames": True, "port": receiver.port,
                                                   "way": ""}
         and status["initramfs_bytes"] < INITRAMFS_MAX, "status --json says the same", status)
    t.says("test reaches the server as the crash kernel would", "panicdump test", 0,
           "ok: 10.0.2.2:.* on eth0 by way of 52:55:0a:00:02:02")
    t.ok([d["state"] for d in test_dumps(receiver)] == ["complete"], "the server holds that dump",
         receiver.dumps())
    t.says("a panic that nobody can be asked about is refused", "panicdump test --crash </dev/null",
           2, "--yes-really")
    t.guest.run("ip link set eth0 down")
    t.says("a way that is closed shows in status", "panicdump status", 1,
           "10.0.2.2:.* closed:|nobody")
    t.guest.run("ip link set eth0 up; ip route add default via 10.0.2.2")
    t.says("arming again keeps what an NMI did before", arm_line(receiver, "--on-nmi"), 0,
           r"unknown_nmi_panic=1 \(was 0\)")
    interrupted(t, receiver)
    t.says("disarm takes it back", "panicdump disarm", 0, "^Disarmed", "NMI")
    t.ok((t.value("/sys/kernel/kexec_crash_loaded"), t.value("/proc/sys/kernel/unknown_nmi_panic"))
         == ("0", "0"), "no crash kernel is loaded, and an NMI is as it was")
    t.says("status knows", "panicdump status", 1, "^armed no")


def crashed_to_a_shell(t, receiver, guest, work):
    t.says("arm --shell takes a shell along", arm_line(receiver, "--shell"), 0, "a shell on the")
    guest.type("panicdump test --crash --yes-really")
    judge_dump(t, real_dump(receiver, guest), "sysrq triggered crash")
    guest.wait_shell()
    t.ok(t.value("/proc/1/comm") == "init" and "nr_cpus=1" in t.value("/proc/cmdline"),
         "then there is a shell in the crash kernel")
    memory = guest.save_memory()
    dump = next(d for d in receiver.dumps() if d["name"].startswith("core-linux-"))
    out = receiver.panicctl("export", "--decompress", "-o", f"{work}/core", str(dump["id"]))
    t.ok(out.returncode == 0, "the dump can be had", out.stdout)
    found = oracle.compare(f"{work}/core", memory)
    t.ok(found.equal > 10000 and found.different == 0,
         f"every page is that of the machine: {found.equal} of them", found)


def arm(tap):
    image = shell_guest.initramfs("cloud-amd64")
    with tempfile.TemporaryDirectory(prefix="panicd-arm-") as work, \
            lab.Receiver(f"{work}/dumps", f"{work}/log") as receiver, \
            shell_guest.ShellGuest(work, image, memory_mib=384, reserve="88M",
                                   append="init_on_free=1") as guest:
        t = Typed(tap, "arm", guest)
        mistakes(t, receiver)
        looking(t, receiver)
        armed(t, receiver)
        crashed_to_a_shell(t, receiver, guest, work)


def tool(tap):
    """A kernel without kexec_file_load: kexec-tools loads. An NMI is what it dies of."""
    image = shell_guest.initramfs(
        "cloud-amd64", {"sbin/kexec": lab._tool("kexec-tools", "kexec"), "sbin/without_kexec_file":
                        lab.build_directory() / "tests/linux/without_kexec_file"})
    with tempfile.TemporaryDirectory(prefix="panicd-arm-") as work, \
            lab.Receiver(f"{work}/dumps", f"{work}/log") as receiver, \
            shell_guest.ShellGuest(work, image, memory_mib=384, reserve="96M",
                                   append="init_on_free=1") as guest:
        t = Typed(tap, "tool", guest)
        guest.run("mv /sbin/kexec /away")
        t.says("without kexec-tools it says which package is missing",
               "without_kexec_file " + arm_line(receiver), 2, "CONFIG_KEXEC_FILE",
               "install the package kexec-tools")
        guest.run("mv /away /sbin/kexec")
        t.says("arm falls back to kexec-tools, and says so",
               "without_kexec_file " + arm_line(receiver, "--on-nmi --poweroff"), 0,
               "loaded by kexec-tools", "the machine is switched off")
        t.says("status knows by what", "panicdump status", 0, "by kexec-tools")
        guest.qmp.execute("inject-nmi")
        judge_dump(t, real_dump(receiver, guest), "NMI")
        guest.console.wait("reboot: Power down", 120, "the crash kernel")
        t.ok(True, "the machine is switched off then")


def nics(tap):
    """Other cards, of the generic kernel; and a machine that has nothing reserved."""
    image = shell_guest.initramfs("amd64")
    with tempfile.TemporaryDirectory(prefix="panicd-arm-") as work, \
            lab.Receiver(f"{work}/dumps", f"{work}/log") as receiver:
        with shell_guest.ShellGuest(work, image, memory_mib=512, reserve=None, nic="e1000",
                                    modules="e1000 mac80211_hwsim") as guest:
            t = Typed(tap, "e1000", guest)
            text = t.says("--dry-run works where nothing is reserved",
                          arm_line(receiver, "--dry-run"), 0, r"\(e1000\)")
            t.initramfs_is_small(text, "e1000")
            t.says("arm refuses, with what to add", arm_line(receiver), 2, "crashkernel=",
                   "nothing was changed")
            t.says("status has the number", "panicdump status", 1, "memory 0 B reserved")
            guest.run("ip link set wlan0 up; ip addr add 192.0.2.1/24 dev wlan0")
            t.says("a wireless interface is refused as such",
                   "panicdump arm --server 192.0.2.9 --interface wlan0", 2, "wireless")
        with shell_guest.ShellGuest(work, image, memory_mib=512, reserve="128M", nic="e1000e",
                                    machine="q35", modules="e1000e",
                                    append="init_on_free=1") as guest:
            t = Typed(tap, "e1000e", guest)
            text = t.says("arm finds its module", arm_line(receiver), 0, r"\(e1000e\)")
            t.initramfs_is_small(text, "e1000e")
            t.says("test reaches the server", "panicdump test", 0, "ok: ")
            guest.type("panicdump test --crash --yes-really")
            judge_dump(t, real_dump(receiver, guest), "sysrq triggered crash")


VLAN = 40
# The bond carries the MAC of its first port, eth1, over its active one, eth0.
BOND = f"""ip addr flush dev eth0; ip link set eth0 down; ip link set eth1 down
modprobe bonding; [ -e /sys/class/net/bond0 ] || ip link add bond0 type bond
echo active-backup >/sys/class/net/bond0/bonding/mode
echo 100 >/sys/class/net/bond0/bonding/miimon
ip link set eth1 master bond0; ip link set eth0 master bond0
ip link set eth0 up; ip link set eth1 up; ip link set bond0 up
echo eth0 >/sys/class/net/bond0/bonding/primary
modprobe 8021q; ip link add link bond0 name bond0.{VLAN} type vlan id {VLAN}
ip link set bond0.{VLAN} up; ip addr add {lab.GUEST_IP}/24 dev bond0.{VLAN}
sleep 1; cat /sys/class/net/bond0/bonding/active_slave"""


def bond(tap):
    """A VLAN upon a bond of two cards: unwound to the card that is active and its tag, tested by
    that, and dumped through. The other end of the cable takes no frame without the tag."""
    image = shell_guest.initramfs("cloud-amd64")
    second = ("-netdev", "user,id=n1,restrict=on", "-device",
              "virtio-net-pci,netdev=n1,mac=52:54:00:00:00:b1")
    with tempfile.TemporaryDirectory(prefix="panicd-arm-") as work, \
            lab.Receiver(f"{work}/dumps", f"{work}/log") as receiver, \
            lab.EtherPeer(receiver.port, work, "--vlan", str(VLAN)) as peer, \
            shell_guest.ShellGuest(work, image, memory_mib=384, reserve="88M", devices=second,
                                   netdev=peer.netdev, append="init_on_free=1") as guest:
        t = Typed(tap, "bond", guest)
        active = guest.run("; ".join(BOND.splitlines()))[1].strip().splitlines()[-1:]
        t.ok(active == ["eth0"] and t.value("/sys/class/net/eth0/address").endswith("00:b1"),
             "there is a VLAN upon a bond, whose active card has the MAC of the other", active)
        t.says("arm unwinds it to the card, its own MAC, and the tag", arm_line(receiver), 0,
               rf"way bond0.{VLAN} on eth0, 52:54:00:12:34:56 \(virtio_net\), from 10.0.2.15/24, "
               rf"VLAN {VLAN}", "eth0 of bond0, the active one")
        t.says("status asks the server by that", "panicdump status", 0, "open: it answers",
               f"way bond0.{VLAN} on eth0")
        t.says("test sends through it", "panicdump test", 0, f"ok: .* on eth0 with tag {VLAN} by")
        guest.run("ip link set eth0 down; sleep 1")
        t.says("when the other card takes over, status says so", "panicdump status", 1,
               "port eth1 now, and the crash kernel goes through eth0")
        guest.run("ip link set eth0 up; sleep 1")
        guest.type("panicdump test --crash --yes-really")
        judge_dump(t, real_dump(receiver, guest), "sysrq triggered crash")


def no_server(work, image, disk, what, tap, title):
    """Armed with what lies on a disk as the last resort, with a server that nobody is; panics, and
    is off again."""
    with shell_guest.ShellGuest(work, image, memory_mib=384, reserve="96M",
                                modules="virtio_pci virtio_net virtio_blk ext4",
                                devices=disks.drive(disk), append="init_on_free=1") as guest:
        t = Typed(tap, title, guest)
        guest.run("mkdir -p /srv; mount -t ext4 /dev/vda /srv 2>/dev/null")
        text = t.says(f"arm --also-local {what} finds its place",
                      f"panicdump arm --server 10.0.2.99 --also-local {what}", 0,
                      "also /", "the crash kernel will ask again")
        t.initramfs_is_small(text, "virtio_blk")
        t.says("status names it", "panicdump status", 1, "also (UUID|/dev/)", "nobody answers")
        guest.type("panicdump test --crash --yes-really")
        guest.process.wait(240)
        said = [line for line in guest.console.lines if line.startswith("panicdump: sent ")]
        t.ok(len(said) == 1, "the crash kernel writes it there, and the machine restarts",
             guest.console.tail())
    return t


def also_local(tap):
    """No server answers: a directory on ext4 takes the dump, and the next boot has it; then a
    device."""
    image = shell_guest.initramfs("cloud-amd64")
    with tempfile.TemporaryDirectory(prefix="panicd-arm-") as work:
        work = pathlib.Path(work)
        (work / "files/crash").mkdir(parents=True)
        disk = disks.make_ext4(disks.blank(work / "disk", 200), 200, work / "files",
                               str(uuid.uuid4())) or work / "disk"
        t = no_server(work, image, disk, "/srv/crash", tap, "directory")
        with shell_guest.ShellGuest(work, image, memory_mib=256, reserve=None,
                                    modules="virtio_pci virtio_net virtio_blk ext4",
                                    devices=disks.drive(disk)) as guest:
            guest.run("mkdir -p /srv; mount -t ext4 /dev/vda /srv")
            names = guest.run("ls /srv/crash")[1].split()
            guest.run("umount /srv")
        t.ok(len(names) == 1 and re.fullmatch(r"core-linux-.*-panic-[0-9a-f]+\.gz", names[0]),
             "after the restart there is one dump in the directory", names)
        disks.copy_ext4(disk, f"/crash/{names[0]}", work / names[0])
        with lab.Receiver(f"{work}/dumps", f"{work}/log") as receiver:
            out = receiver.panicctl("import", str(work / names[0]))
            t.ok(out.returncode == 0, "panicctl import takes it", out.stdout)
            before = receiver.dumps()
            judge_dump(t, before[0], "sysrq triggered crash")
            disk = disks.blank(work / "blank", 200)
            t = no_server(work, image, disk, "/dev/vda", tap, "device")
            out = receiver.panicctl("extract", str(disk))
            new = [d for d in receiver.dumps() if d["id"] not in {b["id"] for b in before}]
            t.ok(out.returncode == 0 and len(new) == 1,
                 "panicctl extract takes it out of the device", out.stdout)
            judge_dump(t, new[0] if new else {"state": "none"}, "sysrq triggered crash")


def makedumpfile(tap):
    """Who wants that program to filter gets it, with its libraries, and is told what it costs."""
    program = shutil.which("makedumpfile")
    if not program:
        raise lab.Skip("makedumpfile is not installed: apt-get install makedumpfile")
    image = shell_guest.initramfs("cloud-amd64", {"usr/bin/makedumpfile": program})
    with tempfile.TemporaryDirectory(prefix="panicd-arm-") as work, \
            lab.Receiver(f"{work}/dumps", f"{work}/log") as receiver, \
            shell_guest.ShellGuest(work, image, memory_mib=384, reserve="88M",
                                   append="init_on_free=1") as guest:
        t = Typed(tap, "makedumpfile", guest)
        text = t.says("--filter alone takes no program along",
                      arm_line(receiver, "--filter 31 --dry-run"), 0)
        t.initramfs_is_small(text, "virtio_net")
        t.says("it has to be told what to leave out", arm_line(receiver, "--makedumpfile"), 2,
               "--filter 31")
        guest.run("mv /usr/bin/makedumpfile /away")
        t.says("it has to be there", arm_line(receiver, "--filter 31 --makedumpfile"), 2,
               "makedumpfile is not installed", "selects the same pages")
        guest.run("mv /away /usr/bin/makedumpfile")
        text = t.says("then it is taken along, and no memory is missing",
                      arm_line(receiver, "--filter 31 --makedumpfile"), 0,
                      "panicdump, makedumpfile and its libraries,")
        tap.note(re.search("initramfs .*? needed", text)[0])
        t.ok("warning reservation" not in text, "what is reserved is enough for it", text)
        guest.type("panicdump test --crash --yes-really")
        judge_dump(t, real_dump(receiver, guest), "sysrq triggered crash")
        t.ok(any("filtered at level 31 by makedumpfile" in line for line in guest.console.lines),
             "it has filtered", guest.console.tail())


def smallest(tap):
    """72 MiB are enough for a machine of 4 GiB, all of whose memory is sent."""
    mib, reserve = 4096, 72
    image = shell_guest.initramfs("cloud-amd64")
    with tempfile.TemporaryDirectory(prefix="panicd-arm-") as work, \
            lab.Receiver(f"{work}/dumps", f"{work}/log") as receiver, \
            shell_guest.ShellGuest(work, image, memory_mib=mib, reserve=f"{reserve}M",
                                   machine="pc,max-ram-below-4g=3G",
                                   append="init_on_free=1") as guest:
        t = Typed(tap, "smallest", guest)
        text = t.says("arm takes 72 MiB", arm_line(receiver, "--append panicd_after=wait"), 0,
                      f"memory {reserve}.0 MiB reserved", "dump everything")
        t.ok("reservation" not in text, "and finds them enough", text)
        guest.type("panicdump test --crash --yes-really")
        dump = real_dump(receiver, guest, SMALLEST_PATIENCE)
        judge_dump(t, dump, "sysrq triggered crash")
        memory = guest.save_memory()
        export = subprocess.run(
            [lab.binary("panicctl"), "--directory", receiver.directory, "export", "--decompress",
             "-o", f"{work}/core", str(dump["id"])], stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, timeout=SMALLEST_PATIENCE)
        t.ok(export.returncode == 0, "the dump can be had", export.stdout)
        found = oracle.compare(f"{work}/core", memory)
        once = found.equal - found.shared // oracle.PAGE
        there = (mib - reserve - 2) * 256   # without what the firmware has
        t.ok(once >= there and found.different == 0,
             f"every page is that of the machine: {once} of them, {found.zero} zero", found)


SCENARIOS = {"arm": arm, "tool": tool, "nics": nics, "bond": bond, "also-local": also_local,
             "makedumpfile": makedumpfile, "smallest": smallest}


def main():
    tap = Tap()
    lab.end_cleanly_on_sigterm()
    names = sys.argv[1:] or list(SCENARIOS)
    try:
        lab.need_qemu()
        for name in names:
            try:
                SCENARIOS[name](tap)
            except lab.LabError as error:
                tap.ok(False, f"{name}: runs to its end", error)
    except lab.Skip as why:
        print(f"1..0 # SKIP {why}")
        return 0
    print(f"1..{tap.count}")
    return 1 if tap.failures else 0


if __name__ == "__main__":
    sys.exit(main())
