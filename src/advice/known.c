/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The boot-args that concern a dump, and which macOS has which xnu. @source PROTOCOL.md#kdp-3.2 */
#include "advice/known.h"

#include <stdio.h>
#include <string.h>

static const struct pnd_arg known[] = {
    {"debug", PND_ARG_NUMBER, 0, false, "flags: what happens on a panic, an NMI, at boot"},
    {"_panicd_ip", PND_ARG_TEXT, 517, true, "address of the server that gets the dump"},
    {"_router_ip", PND_ARG_TEXT, 517, true,
     "address that is asked by ARP when the server does not answer"},
    {"panicd_port", PND_ARG_NUMBER, 1228, true, "UDP port of both sides; without it 1069"},
    {"_panicd_corename", PND_ARG_TEXT, 1486, true, "whole file name of every dump"},
    {"kdp_crashdump_pkt_size", PND_ARG_NUMBER, 1699, true,
     "bytes of data in a packet; without it 1406"},
    {"kdp_ip_addr", PND_ARG_TEXT, 1699, true, "address of this machine"},
    {"kdp_match_name", PND_ARG_TEXT, 0, true,
     "interface for dumps and the debugger, such as en0; or serial"},
    {"kdp_match_mac", PND_ARG_TEXT, 0, true,
     "interface for dumps and the debugger, by its MAC, 12 hexadecimal digits"},
    {"keepsyms", PND_ARG_NUMBER, 0, false,
     "1: keep the kernel's symbols, so that a backtrace has names"},
    {"corefile_size_mb", PND_ARG_NUMBER, 4903, false, "size of the file for the local core, MiB"},
    {"coredump_encryption", PND_ARG_NUMBER, 8019, false,
     "1: local cores can be encrypted; 3: none is written that is not"},
    {"phys_carveout_mb", PND_ARG_NUMBER, 0, false, "size of a contiguous area for debugging, MiB"},
    {"phys_carveout_core", PND_ARG_NUMBER, 0, false, "1: cores have that area"},
    {"nested_panic_max", PND_ARG_NUMBER, 0, false, "nested panics before the machine gives up"},
    {"verbose_panic_flow_logging", PND_ARG_NUMBER, 0, false, "1: say more about each step"},
    {"panic_restart_timeout", PND_ARG_NUMBER, 0, false,
     "Intel: restart after standing still for so many seconds"},
    {"panic_io_port", PND_ARG_NUMBER, 0, false, "Intel: I/O port that is written on a panic"},
    {"pvpanic_io_port", PND_ARG_NUMBER, 0, false,
     "Intel: I/O port by which a virtual machine's host learns of a panic"},
    {"wdt", PND_ARG_NUMBER, 0, false, "-1: no watchdog, which would end an NMI or a long dump"},
    {"serial", PND_ARG_NUMBER, 0, false, "serial console"},
    {"serialbaud", PND_ARG_NUMBER, 0, false, "speed of the serial console"},
    {"-v", PND_ARG_FLAG, 0, false, "boot with text instead of a picture"},
    {"-s", PND_ARG_FLAG, 0, false, "boot into single user mode"},
    {"-x", PND_ARG_FLAG, 0, false, "safe boot"},
    {"-show_pointers", PND_ARG_FLAG, 0, false, "do not hide pointers in what the kernel prints"},
    {"kcsuffix", PND_ARG_TEXT, 0, false, "which kernel is booted: development, debug, ..."},
    {"trace", PND_ARG_NUMBER, 0, false, "size of the trace buffer"},
    {"trace_panic", PND_ARG_NUMBER, 0, false, "whether a panic writes the trace buffer"},
    {"lapic_dont_panic", PND_ARG_NUMBER, 0, false, "Intel: an error of the APIC is no panic"},
    {"assertions", PND_ARG_NUMBER, 0, false, "which assertions of the kernel are on"},
    {"slto_us", PND_ARG_NUMBER, 0, false, "longest wait for a spin lock, microseconds"},
    {"pmuflags", PND_ARG_NUMBER, 0, false, "PowerPC: the watchdog of the power manager"},
};

enum { KNOWN_COUNT = sizeof(known) / sizeof(known[0]) };

/* What stands before 10.5 is only told, not played. */
static const struct pnd_macos releases[] = {
    {123, "10.0"},   {344, "10.2"},   {517, "10.3"},   {792, "10.4"},   {1228, "10.5"},
    {1456, "10.6"},  {1699, "10.7"},  {2050, "10.8"},  {2422, "10.9"},  {2782, "10.10"},
    {3247, "10.11"}, {3789, "10.12"}, {4570, "10.13"}, {4903, "10.14"}, {6153, "10.15"},
    {7195, "11"},    {8019, "12"},    {8792, "13"},    {10002, "14"},   {11215, "15"},
};

enum { RELEASE_COUNT = sizeof(releases) / sizeof(releases[0]), FIRST_PLAYED = 4 };

const struct pnd_arg *pnd_arg(unsigned index)
{
    return index < KNOWN_COUNT ? &known[index] : NULL;
}

const struct pnd_arg *pnd_arg_find(const char *name, size_t len)
{
    for (unsigned i = 0; i < KNOWN_COUNT; i++) {
        if (strlen(known[i].name) == len && memcmp(known[i].name, name, len) == 0)
            return &known[i];
    }
    return NULL;
}

const struct pnd_macos *pnd_macos(unsigned index)
{
    return index < RELEASE_COUNT - FIRST_PLAYED ? &releases[index + FIRST_PLAYED] : NULL;
}

static unsigned release_of(uint32_t xnu)
{
    unsigned i = RELEASE_COUNT - 1;

    while (i > 0 && xnu < releases[i].xnu)
        i--;
    return i;
}

const char *pnd_macos_of(uint32_t xnu)
{
    return releases[release_of(xnu)].name;
}

const char *pnd_macos_after(uint32_t xnu)
{
    unsigned i = release_of(xnu) + 1;

    return releases[i < RELEASE_COUNT ? i : RELEASE_COUNT - 1].name;
}

void pnd_arg_note(const struct pnd_arg *arg, uint32_t xnu, char ret[PND_NOTE_CAP])
{
    if (!arg)
        snprintf(ret, PND_NOTE_CAP, "unknown here: nothing about dumps");
    else if (xnu < arg->since)
        snprintf(ret, PND_NOTE_CAP, "%s; not before xnu %u (macOS %s)", arg->meaning, arg->since,
                 pnd_macos_of(arg->since));
    else
        snprintf(ret, PND_NOTE_CAP, "%s", arg->meaning);
}

static const struct pnd_debug_flag *flag_of(uint32_t bit)
{
    const struct pnd_debug_flag *flag;

    for (unsigned i = 0; (flag = pnd_debug_flag(i)); i++) {
        if (flag->bit == bit)
            return flag;
    }
    return NULL;
}

void pnd_bit_describe(uint32_t bit, uint32_t xnu, struct pnd_bit *ret)
{
    const struct pnd_debug_flag *flag = flag_of(bit);

    ret->bit = bit;
    ret->flag = flag;
    ret->works = pnd_debug_effective(bit, xnu) != 0;
    if (!flag)
        snprintf(ret->note, sizeof(ret->note), "unknown: no release has it");
    else if (ret->works)
        snprintf(ret->note, sizeof(ret->note), "%s", flag->meaning);
    else if (flag->until && xnu > flag->until)
        snprintf(ret->note, sizeof(ret->note), "%s; ignored since macOS %s", flag->meaning,
                 pnd_macos_after(flag->until));
    else
        snprintf(ret->note, sizeof(ret->note), "%s; not before xnu %u (macOS %s)", flag->meaning,
                 flag->since, pnd_macos_of(flag->since));
}
