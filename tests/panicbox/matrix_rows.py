# SPDX-License-Identifier: BSD-2-Clause
"""What a machine must do for a trigger and its debug= flags. Written by hand from the protocol's
clauses (PROTOCOL.md), which each row names; nothing here was learnt from the program.

What is expected is a few words: first what is written and sent, then how it ends.
    disk       the local core is on the partition, packed as that generation packs it
    disk-raw   ... uncompressed
    core       a compressed core arrives, complete, and its name ends in .gz
    core-raw   an uncompressed core arrives, complete, and its name does not
    paniclog   the panic log arrives, and nothing else
    waits, continues, restarts, stands   how the machine ends
What is not named does not happen: the partition stays untouched, the server hears of no dump."""

import dataclasses

NO_SERVER = r"^A dump server was not specified in the boot-args, terminating kernel core dump\."
RESOLVED = r"^Resolved .*'s \(or proxy's\) link level address"
DUMPING = r"^Entering system dump routine"
LATE_DISK = (r"skipping local kernel core because core file could not be opened prior to panic "
             r"\(mode : 0x[0-9a-f]+, error : 0x[0-9a-f]+\)")
UNWANTED = r"^No local core: the panic asked for no local core\."
STANDS = r"^Standing still: "
PANICKED = r"panic\(cpu \d+ caller 0x"


@dataclasses.dataclass
class Row:
    trigger: str            # panic, NMI, Debugger()
    debug: int              # None: no debug= at all
    expected: str
    clause: str
    note: str = ""          # what the row is about
    partition: bool = True
    server: str = "server"  # "silent server": its address is given, nobody is there; "no server"
    nic: str = "virtio-net"
    xnu: int = 0            # 0: the current order
    args: str = ""
    how: str = "now"        # panic=how
    says: tuple = ()        # on the console
    never: tuple = ()

    def sentence(self):
        debug = "no debug=" if self.debug is None else f"debug={self.debug:#x}"
        about = f" ({self.note})" if self.note else ""
        order = f", xnu {self.xnu}" if self.xnu else ""
        place = "partition" if self.partition else "no partition"
        nic = "" if self.nic == "virtio-net" else f", nic {self.nic}"
        trigger = self.trigger if self.how == "now" else f"panic={self.how}"
        return (f"{trigger}, {debug}{about}{order}, {place}, {self.server}{nic}: "
                f"{self.expected} [{self.clause}]")


def panic(debug, expected, clause, note="", **more):
    return Row("panic", debug, expected, clause, note, **more)


def nmi(debug, expected, clause, note="", **more):
    return Row("NMI", debug, expected, clause, note, **more)


def debugger(debug, expected, clause, note="", **more):
    return Row("Debugger()", debug, expected, clause, note, **more)


# ---- what happens in the four places
#      partition, server | partition, silent server | no partition, server | neither

PLACES = [(True, "server"), (True, "silent server"), (False, "server"), (False, "silent server")]
EVER = ("disk core waits", "disk waits", "core waits", "waits")
WAITS = ("waits",) * 4
RESTARTS = ("restarts",) * 4
CONTINUES = ("continues",) * 4
ONCE = ("waits", None, None, None)
NMI_GOES_ON = ("disk core continues", "disk continues", "core continues", "continues")


def in_places(table):
    """The rows of a table of (trigger, debug, note, clause, what happens in the four places,
    what else a row has)."""
    return [make(debug, expected, clause, note, partition=partition, server=server,
                 **(more[0] if more else {}))
            for make, debug, note, clause, cells, *more in table
            for (partition, server), expected in zip(PLACES, cells) if expected]


# ---- each bit alone ----

QUIET = dict(never=(DUMPING,))   # nothing was dumped
AT_BOOT = dict(never=(PANICKED, DUMPING, "^panicbox: ready"))
IGNORED = "the NMI enters no debugger"

ALONE_PANIC = [
    (panic, None, "nothing is registered, nothing is on", "kdp-2.8 7, kdp-2.9", RESTARTS, QUIET),
    (panic, 0x0, "the same, said", "kdp-2.8 7, kdp-2.9", RESTARTS, QUIET),
    (panic, 0x1, "DB_HALT: at boot, before the panic", "kdp-4", WAITS, AT_BOOT),
    (panic, 0x2, "DB_PRT", "kdp-2.8 6", WAITS, QUIET),
    (panic, 0x4, "DB_NMI", "kdp-2.8 6", WAITS, QUIET),
    (panic, 0x8, "DB_KPRT", "kdp-2.8 6", WAITS, QUIET),
    (panic, 0x10, "DB_KDB", "kdp-2.8 6", WAITS, QUIET),
    (panic, 0x20, "DB_SLOG is gone", "kdp-2.8 6", WAITS, QUIET),
    (panic, 0x40, "DB_ARP", "kdp-2.8 6", WAITS, QUIET),
    (panic, 0x80, "DB_KDP_BP_DIS", "kdp-2.8 6", WAITS, QUIET),
    (panic, 0x100, "DB_LOG_PI_SCRN is ignored", "kdp-2.8 6", WAITS, QUIET),
    (panic, 0x200, "DB_KDP_GETC_ENA", "kdp-2.8 6", WAITS, QUIET),
    (panic, 0x400, "DB_KERN_DUMP_ON_PANIC: without ARP the gateway's MAC is used",
     "kdp-2.3, kdp-2.5, kdp-2.9", EVER, dict(says=(DUMPING,), never=(RESOLVED,))),
    (panic, 0x800, "DB_KERN_DUMP_ON_NMI: enough for a local core, not for a network core",
     "kdp-2.9, kdp-2.3", ("disk waits", "disk waits", "waits", "waits"), QUIET),
    (panic, 0x1000, "DB_DBG_POST_CORE", "kdp-4", WAITS, QUIET),
    (panic, 0x2000, "DB_PANICLOG_DUMP: no other bit is necessary", "kdp-2.3, kdp-4.1",
     ("paniclog waits", "waits") * 2, dict(never=(RESOLVED,))),
    (panic, 0x4000, "DB_REBOOT_POST_CORE: there was no core", "kdp-2.8 6", WAITS, QUIET),
    (panic, 0x8000, "DB_NMI_BTN_ENA", "kdp-2.8 6", WAITS, QUIET),
    (panic, 0x10000, "DB_PRT_KDEBUG is gone", "kdp-2.8 6", WAITS, QUIET),
    (panic, 0x20000, "DB_DISABLE_LOCAL_CORE", "kdp-2.9", WAITS, QUIET),
    (panic, 0x40000, "DB_DISABLE_GZIP_CORE", "kdp-2.8 6", WAITS, QUIET),
    (panic, 0x80000, "DB_DISABLE_CROSS_PANIC", "kdp-2.8 6", WAITS, QUIET),
    (panic, 0x100000, "DB_REBOOT_ALWAYS", "kdp-2.8 5", RESTARTS, QUIET),
    (panic, 0x200000, "DB_DISABLE_STACKSHOT_TO_DISK", "kdp-2.8 6", WAITS, QUIET),
    (panic, 0x400000, "DB_DEBUG_IP_INIT is the booter's", "kdp-2.8 6", WAITS, QUIET),
    (panic, 0x800000, "DB_SOC_HALT_ENABLE is the booter's", "kdp-2.8 6", WAITS, QUIET),
]

ALONE_NMI = [
    (nmi, None, IGNORED, "kdp-4", CONTINUES, QUIET),
    (nmi, 0x1, "DB_HALT: at boot", "kdp-4", WAITS, AT_BOOT),
    (nmi, 0x2, IGNORED, "kdp-4", CONTINUES, QUIET),
    (nmi, 0x4, "DB_NMI: it does", "kdp-4.1", WAITS, QUIET),
    (nmi, 0x8, IGNORED, "kdp-4", CONTINUES, QUIET),
    (nmi, 0x10, IGNORED, "kdp-4", CONTINUES, QUIET),
    (nmi, 0x20, IGNORED, "kdp-4", CONTINUES, QUIET),
    (nmi, 0x40, IGNORED, "kdp-4", CONTINUES, QUIET),
    (nmi, 0x80, IGNORED, "kdp-4", CONTINUES, QUIET),
    (nmi, 0x100, IGNORED, "kdp-4", CONTINUES, QUIET),
    (nmi, 0x200, IGNORED, "kdp-4", CONTINUES, QUIET),
    (nmi, 0x400, IGNORED, "kdp-4", CONTINUES, QUIET),
    (nmi, 0x800, "DB_KERN_DUMP_ON_NMI needs DB_NMI", "kdp-4.1", CONTINUES, QUIET),
    (nmi, 0x1000, IGNORED, "kdp-4", CONTINUES, QUIET),
    (nmi, 0x2000, IGNORED, "kdp-4", CONTINUES, QUIET),
    (nmi, 0x4000, IGNORED, "kdp-4", CONTINUES, QUIET),
    (nmi, 0x8000, IGNORED, "kdp-4", CONTINUES, QUIET),
    (nmi, 0x10000, IGNORED, "kdp-4", CONTINUES, QUIET),
    (nmi, 0x20000, IGNORED, "kdp-4", CONTINUES, QUIET),
    (nmi, 0x40000, IGNORED, "kdp-4", CONTINUES, QUIET),
    (nmi, 0x80000, IGNORED, "kdp-4", CONTINUES, QUIET),
    (nmi, 0x100000, IGNORED, "kdp-4", CONTINUES, QUIET),
    (nmi, 0x200000, IGNORED, "kdp-4", CONTINUES, QUIET),
    (nmi, 0x400000, IGNORED, "kdp-4", CONTINUES, QUIET),
    (nmi, 0x800000, IGNORED, "kdp-4", CONTINUES, QUIET),
]

# ---- each bit with the least that makes a dump, 0x440 in a panic, 0x844 on an NMI; there is a
#      partition, and a server ----

LEAST = [
    panic(0x441, "waits", "kdp-4", "DB_HALT", **AT_BOOT),
    panic(0x442, "disk core waits", "kdp-4", "DB_PRT changes nothing of it"),
    panic(0x444, "disk core waits", "kdp-4.2", "DB_NMI"),
    panic(0x448, "disk core waits", "kdp-4", "DB_KPRT"),
    panic(0x450, "disk core waits", "kdp-4", "DB_KDB"),
    panic(0x460, "disk core waits", "kdp-4", "DB_SLOG"),
    panic(0x440, "disk core waits", "kdp-4.1, kdp-2.5", "DB_ARP: the server is resolved",
          says=(RESOLVED,)),
    panic(0x4c0, "disk core waits", "kdp-4", "DB_KDP_BP_DIS"),
    panic(0x540, "disk core waits", "kdp-4", "DB_LOG_PI_SCRN"),
    panic(0x640, "disk core waits", "kdp-4", "DB_KDP_GETC_ENA"),
    panic(0xc40, "disk core waits", "kdp-4", "DB_KERN_DUMP_ON_NMI"),
    panic(0x1440, "disk core waits", "kdp-4", "DB_DBG_POST_CORE is for NMIs"),
    panic(0x2440, "disk paniclog waits", "kdp-4.1", "DB_PANICLOG_DUMP wins over ON_PANIC"),
    panic(0x4440, "disk restarts", "kdp-2.8 4", "DB_REBOOT_POST_CORE: the local core was enough"),
    panic(0x8440, "disk core waits", "kdp-4", "DB_NMI_BTN_ENA"),
    panic(0x10440, "disk core waits", "kdp-4", "DB_PRT_KDEBUG"),
    panic(0x20440, "core waits", "kdp-2.9", "DB_DISABLE_LOCAL_CORE"),
    panic(0x40440, "disk-raw core-raw waits", "kdp-6.4, kdp-7.3", "DB_DISABLE_GZIP_CORE"),
    panic(0x80440, "disk core waits", "kdp-4", "DB_DISABLE_CROSS_PANIC"),
    panic(0x100440, "disk restarts", "kdp-2.8 5", "DB_REBOOT_ALWAYS: never to the network"),
    panic(0x200440, "disk core waits", "kdp-4", "DB_DISABLE_STACKSHOT_TO_DISK"),
    panic(0x400440, "disk core waits", "kdp-4", "DB_DEBUG_IP_INIT"),
    panic(0x800440, "disk core waits", "kdp-4", "DB_SOC_HALT_ENABLE"),
    nmi(0x840, "continues", "kdp-4.1", "not without DB_NMI", **QUIET),
    nmi(0x804, "disk core continues", "kdp-2.3, kdp-2.5", "without ARP by the gateway's MAC",
        never=(RESOLVED,)),
    nmi(0x844, "disk core continues", "kdp-2.3, kdp-4.1", "the least", says=(RESOLVED,)),
    nmi(0x845, "waits", "kdp-4", "DB_HALT", **AT_BOOT),
    nmi(0x846, "disk core continues", "kdp-4", "DB_PRT"),
    nmi(0x84c, "disk core continues", "kdp-4", "DB_KPRT"),
    nmi(0x854, "disk core continues", "kdp-4", "DB_KDB"),
    nmi(0x864, "disk core continues", "kdp-4", "DB_SLOG"),
    nmi(0x8c4, "disk core continues", "kdp-4", "DB_KDP_BP_DIS"),
    nmi(0x944, "disk core continues", "kdp-4", "DB_LOG_PI_SCRN"),
    nmi(0xa44, "disk core continues", "kdp-4", "DB_KDP_GETC_ENA"),
    nmi(0xc44, "disk core continues", "kdp-4", "DB_KERN_DUMP_ON_PANIC"),
    nmi(0x1844, "disk core waits", "kdp-4.1", "DB_DBG_POST_CORE"),
    nmi(0x2844, "disk core continues", "kdp-2.4 10, kdp-5",
        "DB_PANICLOG_DUMP: there is no panic string, so it is a core"),
    nmi(0x4844, "disk restarts", "kdp-2.8 4", "DB_REBOOT_POST_CORE"),
    nmi(0x8844, "disk core continues", "kdp-4", "DB_NMI_BTN_ENA"),
    nmi(0x10844, "disk core continues", "kdp-4", "DB_PRT_KDEBUG"),
    nmi(0x20844, "core continues", "kdp-2.9", "DB_DISABLE_LOCAL_CORE"),
    nmi(0x40844, "disk-raw core-raw continues", "kdp-6.4, kdp-7.3", "DB_DISABLE_GZIP_CORE"),
    nmi(0x80844, "disk core continues", "kdp-4", "DB_DISABLE_CROSS_PANIC"),
    nmi(0x100844, "disk restarts", "kdp-2.8 5", "DB_REBOOT_ALWAYS"),
    nmi(0x200844, "disk core continues", "kdp-4", "DB_DISABLE_STACKSHOT_TO_DISK"),
    nmi(0x400844, "disk core continues", "kdp-4", "DB_DEBUG_IP_INIT"),
    nmi(0x800844, "disk core continues", "kdp-4", "DB_SOC_HALT_ENABLE"),
]

# ---- the combinations that the documents name ----

WANTED = [   # kdp-4.1
    (panic, 0x440, "network core on panic", "kdp-4.1", EVER),
    (panic, 0x20440, "only the network copy", "kdp-4.1", ("core waits", "waits") * 2),
    (nmi, 0x844, "network core on NMI, then continue", "kdp-4.1", NMI_GOES_ON),
    (panic, 0x844, "the same flags in a panic", "kdp-2.9, kdp-2.3",
     ("disk waits", "disk waits", "waits", "waits")),
    (nmi, 0x1844, "then stay in the debugger", "kdp-4.1", EVER),
    (panic, 0x2040, "panic log only", "kdp-4.1", ("paniclog waits", "waits") * 2),
    (nmi, 0x2044, "a panic log without a panic", "kdp-2.3", ONCE),
    (panic, 0x6040, "a panic log is no core: no reboot", "kdp-2.8 6",
     ("paniclog waits", "waits", None, None)),
    (panic, 0x4440, "automatic reboot after success", "kdp-4.1, kdp-2.8 4",
     ("disk restarts", "disk restarts", "core restarts", "waits")),
    (panic, 0x24440, "automatic reboot after the network copy", "kdp-4.1",
     ("core restarts", "waits") * 2),
    (nmi, 0x4844, "automatic reboot after a core on NMI", "kdp-2.8 4, kdp-2.8 6",
     ("disk restarts", "disk restarts", "core restarts", "continues")),
    (panic, 0x44, "only wait for a debugger", "kdp-4.1", WAITS),
    (nmi, 0x44, "only wait for a debugger", "kdp-4.1", WAITS),
    (panic, 0x45, "attach at boot", "kdp-4.1", ONCE),
]

DECODED = [   # kdp-4.2
    (panic, 0x104c44, "no network dump is ever made", "kdp-4.2, kdp-2.8 5",
     ("disk restarts", "disk restarts", "restarts", "restarts")),
    (nmi, 0x104c44, "no network dump is ever made", "kdp-4.2, kdp-2.8 5",
     ("disk restarts", "disk restarts", "restarts", "restarts")),
    (panic, 0xd44, "core, then wait", "kdp-4.2", EVER),
    (nmi, 0xd44, "core, then go on", "kdp-4.2", NMI_GOES_ON),
    (panic, 0x144, "debugger, no dump", "kdp-4.2", WAITS),
    (nmi, 0x144, "debugger, no dump", "kdp-4.2", WAITS),
    (panic, 0x141, "wait at boot", "kdp-4.2", ONCE),
    (nmi, 0x141, "wait at boot", "kdp-4.2", ONCE),
    (panic, 0x444, "core, then wait", "kdp-4.2", EVER),
    (nmi, 0x444, "an NMI dumps nothing", "kdp-2.3, kdp-2.9", WAITS),
    (panic, 0xc44, "core, then wait", "kdp-4.2", EVER),
    (nmi, 0xc44, "core, then go on", "kdp-4.2", NMI_GOES_ON),
    (panic, 0x14e, "development", "kdp-4.2", ONCE),
    (nmi, 0x14e, "development", "kdp-4.2", ONCE),
    (panic, 0x24c44, "unattended: the network copy, reboot on success", "kdp-4.2, kdp-2.8",
     ("core restarts", "waits") * 2),
    (nmi, 0x24c44, "unattended: the network copy, reboot on success", "kdp-4.2, kdp-2.8",
     ("core restarts", "continues") * 2),
    (panic, 0x2444, "only the panic log is sent", "kdp-4.2",
     ("disk paniclog waits", "disk waits", "paniclog waits", "waits")),
    (nmi, 0x2444, "an NMI dumps nothing", "kdp-2.3", ONCE),
]

# ---- Debugger(), machines without a transport, without a server's address ----

OTHERS = [
    debugger(0x0, "restarts", "kdp-2.8 7", "no debugger is allowed: it is a panic"),
    debugger(0x44, "waits", "kdp-4.1", **QUIET),
    debugger(0x444, "waits", "kdp-2.3, kdp-2.8", "it is no panic", **QUIET),
    debugger(0xc44, "disk core continues", "kdp-4.1"),
    debugger(0x844, "core continues", "kdp-4.1", partition=False),
    debugger(0x1844, "disk core waits", "kdp-4.1"),
    debugger(0x24c44, "core restarts", "kdp-2.8 6"),
    debugger(0x104c44, "disk restarts", "kdp-2.8 5"),
    panic(0x0, "restarts", "kdp-2.8 7", nic="none"),
    panic(0x444, "disk stands", "kdp-2.8 7", "no transport, and any debug= means debugging",
          nic="none", says=(STANDS,)),
    panic(0x20444, "stands", "kdp-2.8 7", nic="none", never=(DUMPING,), says=(STANDS,)),
    panic(0x4444, "disk restarts", "kdp-2.8 4", nic="none"),
    panic(0x104c44, "disk restarts", "kdp-2.8 5", nic="none"),
    panic(0x104c44, "restarts", "kdp-2.8 5", nic="none", partition=False),
    panic(0x20444, "waits", "kdp-2.4 4", server="no server", says=(NO_SERVER,)),
    panic(0x444, "disk waits", "kdp-2.4 4", server="no server", says=(NO_SERVER,)),
    panic(0x2044, "waits", "kdp-2.4 4", server="no server", says=(NO_SERVER,)),
    nmi(0x844, "continues", "kdp-2.4 4", partition=False, server="no server", says=(NO_SERVER,)),
    panic(0x444, "core waits", "kdp-2.9", "the log says why there is no local core",
          partition=False, says=(LATE_DISK,)),
    panic(0x24444, "core restarts", "kdp-2.9", "nobody asked for a local core",
          partition=False, never=(LATE_DISK,)),
]

# ---- what the caller of panic() asks for ----

CALLERS = [
    panic(0xc44, "restarts", "kdp-2.8 2", "neither core", how="reboot", **QUIET),
    panic(0x2444, "restarts", "kdp-2.8 2", "the panic log is not sent", how="reboot", **QUIET),
    panic(0x244, "restarts", "kdp-2.8 2", "no wait for a debugger", how="reboot", **QUIET),
    panic(0x444, "restarts", "kdp-2.8 2", "it does not stand", how="reboot", nic="none",
          never=(DUMPING, STANDS)),
    panic(0x444, "core waits", "kdp-2.8 3", "only the network copy", how="skip-local",
          says=(UNWANTED,)),
    panic(0x444, "core waits", "kdp-2.8 3", "the disk is no matter", how="skip-local",
          partition=False, says=(UNWANTED,), never=(LATE_DISK,)),
    panic(0xc44, "waits", "kdp-2.8 3", how="skip-local", server="silent server",
          says=(UNWANTED, DUMPING)),
    panic(0x2444, "paniclog waits", "kdp-2.8 3", how="skip-local"),
    panic(0x4444, "restarts", "kdp-2.8 3", "neither core", how="skip-local", **QUIET),
    panic(0x24444, "restarts", "kdp-2.8 3", "not even the network copy", how="skip-local", **QUIET),
    panic(0x100444, "restarts", "kdp-2.8 5", how="skip-local", **QUIET),
    panic(0x844, "waits", "kdp-2.8 3, kdp-2.3", how="skip-local", **QUIET),
    panic(0x444, "stands", "kdp-2.8 3, kdp-2.8 7", how="skip-local", nic="none", says=(STANDS,)),
]

# ---- what older kernels do ----

OLDER = [
    # DB_REBOOT_ALWAYS came with 4903.
    panic(0x104c44, "core restarts", "kdp-4.2", "the bit does not exist", xnu=4570,
          partition=False),
    panic(0x104c44, "disk restarts", "kdp-2.8 4", xnu=4570),
    panic(0x100440, "disk core waits", "kdp-4", "the bit does not exist", xnu=4570),
    panic(0x104c44, "restarts", "kdp-2.8 5", xnu=4903, partition=False),
    panic(0x104c44, "disk restarts", "kdp-2.8 4", xnu=4903),
    nmi(0xc44, "disk waits", "kdp-2.3", "its test for a panic was inverted", xnu=4570),
    nmi(0xc44, "disk core continues", "kdp-2.3", xnu=4903),
    # Until 3789 the local core was part of the network routine, and any attempt led to a reboot.
    panic(0x4c44, "disk core restarts", "kdp-2.8", "both, in this order", xnu=3789),
    panic(0x4c44, "disk restarts", "kdp-2.8", "a failed attempt is one", xnu=3789,
          server="silent server"),
    panic(0x4c44, "core restarts", "kdp-2.8", xnu=3789, partition=False),
    panic(0x4c44, "restarts", "kdp-2.8", "a failed attempt is one", xnu=3789, partition=False,
          server="silent server"),
    panic(0x6044, "paniclog restarts", "kdp-2.8", "a panic log is an attempt", xnu=3789,
          partition=False),
    panic(0x444, "disk core waits", "kdp-2.8", xnu=3789),
    panic(0x444, "disk waits", "kdp-2.8", "_panicd_ip=local is the disk alone", xnu=3789,
          server="no server", args="_panicd_ip=local"),
    panic(0x24c44, "core restarts", "kdp-4", xnu=3789),
    panic(0x104c44, "core restarts", "kdp-4.2", xnu=3789, partition=False),
    nmi(0xc44, "disk core continues", "kdp-2.3", xnu=3789),
    panic(0x4c44, "restarts", "kdp-2.8 2", "neither core", xnu=3789, how="reboot", **QUIET),
    panic(0x4c44, "core restarts", "kdp-2.8 3", "that step came with 4570", xnu=3789,
          how="skip-local"),
    panic(0x40440, "disk core waits", "kdp-4", "DB_DISABLE_GZIP_CORE came with 3789", xnu=3248),
    panic(0x20440, "core waits", "kdp-4", xnu=3248),
    # Until 2782 there was no local core, and no compression.
    panic(0xc44, "core-raw waits", "kdp-2.8, kdp-5", "no local core, no compression", xnu=2782),
    panic(0x4c44, "restarts", "kdp-2.8", "a failed attempt", xnu=2782, server="silent server"),
    panic(0x4c44, "core-raw restarts", "kdp-2.8", xnu=2782),
    panic(0x2444, "paniclog waits", "kdp-4.1", xnu=2782),
    nmi(0xc44, "core-raw continues", "kdp-2.3", xnu=2782),
    # Until 1228 there was no DB_REBOOT_POST_CORE.
    panic(0x4c44, "core-raw waits", "kdp-4", "the bit does not exist", xnu=1228),
    panic(0x4c44, "waits", "kdp-4", "the bit does not exist", xnu=1228, server="silent server"),
    nmi(0xc44, "core-raw continues", "kdp-2.3", xnu=1228),
    nmi(0x1c44, "core-raw waits", "kdp-4.1", xnu=1228),
]

GROUPS = {
    "alone-panic": in_places(ALONE_PANIC),
    "alone-nmi": in_places(ALONE_NMI),
    "least": LEAST,
    "wanted": in_places(WANTED) + OTHERS + CALLERS,
    "decoded": in_places(DECODED),
    "older": OLDER,
}
