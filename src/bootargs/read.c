/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The boot-args that touch a dump, each as its train of xnu reads it. @source PROTOCOL.md#kdp-3.2
 */
#include "panicd/bootargs.h"

#include <string.h>

enum {
    PORT = 1069,
    BLOCK_BYTES = 1406,
    NESTED_PANIC_MAX = 2,
    OLD_CORENAME_CAP = 50, /* with its NUL */

    SINCE_PORT = 1228,
    SINCE_CORENAME = 1486,
    SINCE_BLOCK_BYTES = 1699,
    SINCE_OWN_ADDRESS = 1699,
    SINCE_LONG_CORENAME = 3789,
    SINCE_COREFILE_SIZE = 4903,
    SINCE_SMALL_PORT = 7195,
    SINCE_BLOCK_LIMIT = 7195,
    SINCE_ENCRYPTION = 8019,
};

/* The value of @p name, or what the variable held. The original's mistake with a text is wanted, so
 * PND_E_FORMAT is none here. */
static uint64_t integer(const char *line, const char *name, size_t size, uint64_t value)
{
    (void)pnd_bootargs_integer(line, name, size, &value);
    return value;
}

static uint32_t integer32(const char *line, const char *name, uint32_t value)
{
    return (uint32_t)integer(line, name, 4, value);
}

static uint16_t integer16(const char *line, const char *name)
{
    return (uint16_t)integer(line, name, 2, 0);
}

static bool boolean(const char *line, const char *name, bool value)
{
    return integer32(line, name, value) != 0;
}

static bool string(const char *line, const char *name, char *ret, size_t cap)
{
    return pnd_bootargs_string(line, name, ret, cap) == PND_OK;
}

static void read_addresses(const char *line, struct pnd_bootargs *args)
{
    args->has_panicd_ip = string(line, "_panicd_ip", args->panicd_ip, sizeof(args->panicd_ip));
    args->has_router_ip = string(line, "_router_ip", args->router_ip, sizeof(args->router_ip));
    if (args->xnu >= SINCE_OWN_ADDRESS)
        args->has_ip_addr = string(line, "kdp_ip_addr", args->ip_addr, sizeof(args->ip_addr));
    /* What is no address leaves its 0. */
    (void)pnd_dotted_quad(args->panicd_ip, &args->server);
    (void)pnd_dotted_quad(args->router_ip, &args->router);
    (void)pnd_dotted_quad(args->ip_addr, &args->own);
}

static void read_transfer(const char *line, struct pnd_bootargs *args)
{
    size_t corename_cap =
        args->xnu >= SINCE_LONG_CORENAME ? sizeof(args->corename) : OLD_CORENAME_CAP;

    args->port = PORT;
    if (args->xnu >= SINCE_PORT)
        args->port =
            (uint16_t)integer(line, "panicd_port", args->xnu >= SINCE_SMALL_PORT ? 2 : 4, PORT);
    if (args->xnu >= SINCE_CORENAME)
        args->has_corename = string(line, "_panicd_corename", args->corename, corename_cap);
    args->block_bytes = BLOCK_BYTES;
    if (args->xnu >= SINCE_BLOCK_BYTES)
        args->block_bytes = integer32(line, "kdp_crashdump_pkt_size", BLOCK_BYTES);
    if (args->xnu >= SINCE_BLOCK_LIMIT && args->block_bytes > BLOCK_BYTES)
        args->block_bytes = BLOCK_BYTES;
}

static void read_interface(const char *line, struct pnd_bootargs *args)
{
    args->has_match_name =
        string(line, "kdp_match_name", args->match_name, sizeof(args->match_name));
    args->has_match_mac = string(line, "kdp_match_mac", args->match_mac, sizeof(args->match_mac));
}

static void read_core(const char *line, struct pnd_bootargs *args)
{
    args->keepsyms = boolean(line, "keepsyms", false);
    if (args->xnu >= SINCE_COREFILE_SIZE)
        args->corefile_mb = integer(line, "corefile_size_mb", 8, 0);
    args->coredump_encryption = 1;
    if (args->xnu >= SINCE_ENCRYPTION)
        args->coredump_encryption = integer32(line, "coredump_encryption", 1);
    args->phys_carveout_mb = integer(line, "phys_carveout_mb", 8, 0);
    args->phys_carveout_core = boolean(line, "phys_carveout_core", true);
}

static void read_panic(const char *line, struct pnd_bootargs *args)
{
    args->verbose_panic_flow = boolean(line, "verbose_panic_flow_logging", false);
    args->nested_panic_max = integer32(line, "nested_panic_max", NESTED_PANIC_MAX);
    args->panic_restart_timeout = integer32(line, "panic_restart_timeout", 0);
    args->panic_io_port = integer16(line, "panic_io_port");
    args->pvpanic_io_port = integer16(line, "pvpanic_io_port");
    args->watchdog_off = integer32(line, "wdt", 0) == UINT32_MAX;
}

void pnd_bootargs_read(const char *line, uint32_t xnu, struct pnd_bootargs *ret)
{
    memset(ret, 0, sizeof(*ret));
    ret->xnu = xnu ? xnu : PND_XNU_CURRENT;
    ret->debug = integer32(line, "debug", 0);
    read_addresses(line, ret);
    read_transfer(line, ret);
    read_interface(line, ret);
    read_core(line, ret);
    read_panic(line, ret);
}

int pnd_dotted_quad(const char *text, uint32_t *ret)
{
    uint32_t address = 0;

    for (unsigned i = 0; i < 4; i++) {
        unsigned value = 0, digits = 0;

        for (; digits < 3 && *text >= '0' && *text <= '9'; text++, digits++)
            value = value * 10 + (unsigned)(*text - '0');
        if (digits == 0 || value > 255 || *text != (i < 3 ? '.' : '\0'))
            return PND_E_FORMAT;
        text += i < 3;
        address = address << 8 | value;
    }
    *ret = address;
    return PND_OK;
}
