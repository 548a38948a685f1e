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

    SINCE_LONG_CORENAME = 3789,
    SINCE_SMALL_PORT = 7195,
    SINCE_BLOCK_LIMIT = 7195,
    EVER = UINT16_MAX,
};

/* One boot-arg, and where its value goes in struct pnd_bootargs. */
struct row {
    const char *name;
    uint16_t since, until; /* trains */
    uint16_t at;
    uint8_t has;  /* of a text: where it is noted that it was given; 0: it is a number */
    uint8_t take; /* of a number: the bytes that are read; of a text: its room, with the NUL */
    uint8_t room; /* of a number: the bytes that are kept; 0: is it another than 0? */
};

#define AT(field)   offsetof(struct pnd_bootargs, field)
#define ROOM(field) sizeof(((struct pnd_bootargs *)0)->field)
#define TEXT(name, since, field)                                                                   \
    {                                                                                              \
        name, since, EVER, AT(field), AT(has_##field), ROOM(field), 0                              \
    }
#define NUMBER(name, since, field)                                                                 \
    {                                                                                              \
        name, since, EVER, AT(field), 0, ROOM(field), ROOM(field)                                  \
    }
#define YES_OR_NO(name, field)                                                                     \
    {                                                                                              \
        name, 0, EVER, AT(field), 0, 4, 0                                                          \
    }

static const struct row rows[] = {
    NUMBER("debug", 0, debug),
    TEXT("_panicd_ip", 0, panicd_ip),
    TEXT("_router_ip", 0, router_ip),
    TEXT("kdp_ip_addr", 1699, ip_addr),
    {"panicd_port", 1228, SINCE_SMALL_PORT - 1, AT(port), 0, 4, ROOM(port)},
    NUMBER("panicd_port", SINCE_SMALL_PORT, port),
    {"_panicd_corename", 1486, SINCE_LONG_CORENAME - 1, AT(corename), AT(has_corename),
     OLD_CORENAME_CAP, 0},
    TEXT("_panicd_corename", SINCE_LONG_CORENAME, corename),
    NUMBER("kdp_crashdump_pkt_size", 1699, block_bytes),
    TEXT("kdp_match_name", 0, match_name),
    TEXT("kdp_match_mac", 0, match_mac),
    YES_OR_NO("keepsyms", keepsyms),
    NUMBER("corefile_size_mb", 4903, corefile_mb),
    NUMBER("coredump_encryption", 8019, coredump_encryption),
    NUMBER("phys_carveout_mb", 0, phys_carveout_mb),
    YES_OR_NO("phys_carveout_core", phys_carveout_core),
    YES_OR_NO("verbose_panic_flow_logging", verbose_panic_flow),
    NUMBER("nested_panic_max", 0, nested_panic_max),
    NUMBER("panic_restart_timeout", 0, panic_restart_timeout),
    NUMBER("panic_io_port", 0, panic_io_port),
    NUMBER("pvpanic_io_port", 0, pvpanic_io_port),
};

_Static_assert(AT(has_match_mac) <= UINT8_MAX, "it fits struct row");

/* A number of the machine's own byte order, in the low or the high bytes of @p ret as it has it. */
static void copy_number(uint64_t *value, void *field, size_t room, bool store)
{
    uint64_t order = 1;
    size_t skip = *(const uint8_t *)&order ? 0 : sizeof(*value) - room;

    if (store)
        memcpy(field, (uint8_t *)value + skip, room);
    else
        memcpy((uint8_t *)value + skip, field, room);
}

/* A text where a number belongs is stored as the original does, so PND_E_FORMAT is no error. */
static void read_row(const char *line, const struct row *row, struct pnd_bootargs *ret)
{
    uint8_t *base = (uint8_t *)ret, *field = base + row->at;
    size_t room = row->room ? row->room : sizeof(bool);
    uint64_t value = 0;

    if (ret->xnu < row->since || ret->xnu > row->until)
        return;
    if (row->has) {
        base[row->has] = pnd_bootargs_string(line, row->name, (char *)field, row->take) == PND_OK;
        return;
    }
    copy_number(&value, field, room, false);
    (void)pnd_bootargs_integer(line, row->name, row->take, &value);
    if (!row->room)
        value = (uint32_t)value != 0;
    copy_number(&value, field, room, true);
}

void pnd_bootargs_read(const char *line, uint32_t xnu, struct pnd_bootargs *ret)
{
    uint64_t watchdog = 0;

    *ret = (struct pnd_bootargs){
        .xnu = xnu ? xnu : PND_XNU_CURRENT,
        .port = PORT,
        .block_bytes = BLOCK_BYTES,
        .coredump_encryption = 1,
        .phys_carveout_core = true,
        .nested_panic_max = NESTED_PANIC_MAX,
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        read_row(line, &rows[i], ret);
    if (ret->xnu >= SINCE_BLOCK_LIMIT && ret->block_bytes > BLOCK_BYTES)
        ret->block_bytes = BLOCK_BYTES;
    (void)pnd_bootargs_integer(line, "wdt", 4, &watchdog);
    ret->watchdog_off = watchdog == UINT32_MAX;
    /* What is no address leaves its 0. */
    (void)pnd_dotted_quad(ret->panicd_ip, &ret->server);
    (void)pnd_dotted_quad(ret->router_ip, &ret->router);
    (void)pnd_dotted_quad(ret->ip_addr, &ret->own);
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
