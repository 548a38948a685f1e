/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The flags of debug=. @source PROTOCOL.md#kdp-4 */
#include "panicd/bootargs.h"

static const struct pnd_debug_flag flags[] = {
    {PND_DB_HALT, "DB_HALT", 123, 0, "stop while booting and wait for a debugger"},
    {PND_DB_PRT, "DB_PRT", 123, 0,
     "debug prints go to the console, and a panic's to the serial line"},
    {PND_DB_NMI, "DB_NMI", 123, 0,
     "an NMI enters the debugger; on arm64 also: a panic without one does not reboot"},
    {PND_DB_KPRT, "DB_KPRT", 123, 0, "kprintf goes to the serial line"},
    {PND_DB_KDB, "DB_KDB", 123, 0, "use the built-in debugger, which is long gone"},
    {PND_DB_SLOG, "DB_SLOG", 123, 3789, "certain diagnostics go to syslog"},
    {PND_DB_ARP, "DB_ARP", 344, 0,
     "the dump and the debugger use ARP: ask for the server, answer for this machine"},
    {PND_DB_KDP_BP_DIS, "DB_KDP_BP_DIS", 344, 0,
     "do not offer breakpoints set by the kernel to the debugger"},
    {PND_DB_LOG_PI_SCRN, "DB_LOG_PI_SCRN", 344, 3789,
     "a panic shows its text on the screen instead of a picture"},
    {PND_DB_KDP_GETC_ENA, "DB_KDP_GETC_ENA", 517, 0,
     "while waiting for a debugger the keys c (continue) and r (reboot) work"},
    {PND_DB_KERN_DUMP_ON_PANIC, "DB_KERN_DUMP_ON_PANIC", 517, 0, "dump a core on a panic"},
    {PND_DB_KERN_DUMP_ON_NMI, "DB_KERN_DUMP_ON_NMI", 517, 0,
     "dump a core on an NMI or Debugger(), and go on"},
    {PND_DB_DBG_POST_CORE, "DB_DBG_POST_CORE", 517, 0,
     "stay in the debugger after an NMI's core instead of going on"},
    {PND_DB_PANICLOG_DUMP, "DB_PANICLOG_DUMP", 517, 0,
     "on a panic send only the panic log, no core"},
    {PND_DB_REBOOT_POST_CORE, "DB_REBOOT_POST_CORE", 1456, 0,
     "reboot after a core; since 4570 only after one that succeeded"},
    {PND_DB_NMI_BTN_ENA, "DB_NMI_BTN_ENA", 2422, 0, "a button raises an NMI"},
    {PND_DB_PRT_KDEBUG, "DB_PRT_KDEBUG", 3247, 6153, "print the events of kdebug"},
    {PND_DB_DISABLE_LOCAL_CORE, "DB_DISABLE_LOCAL_CORE", 3247, 0, "never write the local core"},
    {PND_DB_DISABLE_GZIP_CORE, "DB_DISABLE_GZIP_CORE", 3789, 0, "do not compress cores"},
    {PND_DB_DISABLE_CROSS_PANIC, "DB_DISABLE_CROSS_PANIC", 4903, 0,
     "a panic does not spread between the host and its co-processor"},
    {PND_DB_REBOOT_ALWAYS, "DB_REBOOT_ALWAYS", 4903, 0,
     "never wait for a debugger: reboot, and that before any dump to the network"},
    {PND_DB_DISABLE_STACKSHOT_TO_DISK, "DB_DISABLE_STACKSHOT_TO_DISK", 6153, 0,
     "no stackshot in the local core file"},
    {PND_DB_DEBUG_IP_INIT, "DB_DEBUG_IP_INIT", 8796, 0, "for the boot loader"},
    {PND_DB_SOC_HALT_ENABLE, "DB_SOC_HALT_ENABLE", 8796, 0, "for the boot loader"},
};

enum { FLAG_COUNT = sizeof(flags) / sizeof(flags[0]) };

const struct pnd_debug_flag *pnd_debug_flag(unsigned index)
{
    return index < FLAG_COUNT ? &flags[index] : NULL;
}

uint32_t pnd_debug_effective(uint32_t debug, uint32_t xnu)
{
    uint32_t known = 0;

    if (xnu == 0)
        xnu = PND_XNU_CURRENT;
    for (unsigned i = 0; i < FLAG_COUNT; i++)
        if (xnu >= flags[i].since && (flags[i].until == 0 || xnu <= flags[i].until))
            known |= flags[i].bit;
    return debug & known;
}
