/* SPDX-License-Identifier: BSD-2-Clause */
#include "panicd/config.h"

#include <stdio.h>
#include <string.h>

#include "host/conf.h"
#include "panicd/service.h"

#define GIB    (UINT64_C(1) << 30)
#define DAY_MS (UINT64_C(24) * 3600 * 1000)

enum { HOOK_MS = 10 * 60 * 1000 }; /* a program that copies a dump has time for it */

static int add_address(void *value, const char *item, struct pnd_why *why)
{
    struct pnd_config_addresses *addresses = value;
    struct pnd_cidr cidr;

    if (strchr(item, '/') || pnd_cidr_parse(item, &cidr))
        return pnd_why(why, PND_E_FORMAT, 0, "\"%s\" is no IP address", item);
    if (addresses->count == PND_CONFIG_ADDRESSES_MAX)
        return pnd_why(why, PND_E_FULL, 0, "more than %d addresses", PND_CONFIG_ADDRESSES_MAX);
    snprintf(addresses->at[addresses->count++], PND_PEER_TEXT_CAP, "%s", item);
    return PND_OK;
}

static void clear_addresses(void *value)
{
    ((struct pnd_config_addresses *)value)->count = 0;
}

static int add_allow(void *value, const char *item, struct pnd_why *why)
{
    struct pnd_config_allow *allow = value;

    if (allow->count == PND_CONFIG_ALLOW_MAX)
        return pnd_why(why, PND_E_FULL, 0, "more than %d networks", PND_CONFIG_ALLOW_MAX);
    if (pnd_cidr_parse(item, &allow->at[allow->count]))
        return pnd_why(why, PND_E_FORMAT, 0, "\"%s\" is no address or network", item);
    allow->count++;
    return PND_OK;
}

static void clear_allow(void *value)
{
    ((struct pnd_config_allow *)value)->count = 0;
}

/* One word, as a list of one. */
static int set_names(void *value, const char *item, struct pnd_why *why)
{
    static const struct {
        const char *word;
        enum pnd_config_names names;
    } words[] = {
        {"no", PND_CONFIG_NAMES_OWN},
        {"yes", PND_CONFIG_NAMES_NETDUMP},
        {"netdump", PND_CONFIG_NAMES_NETDUMP},
        {"all", PND_CONFIG_NAMES_ALL},
    };

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(item, words[i].word) == 0) {
            *(enum pnd_config_names *)value = words[i].names;
            return PND_OK;
        }
    }
    return pnd_why(why, PND_E_FORMAT, 0, "\"%s\" is none of them", item);
}

#define AT(member) offsetof(struct pnd_config, member)

static const struct pnd_conf_key keys[] = {
    {.section = "receive",
     .key = "directory",
     .type = PND_CONF_STRING,
     .offset = AT(directory),
     .min = 1,
     .max = sizeof(((struct pnd_config *)0)->directory),
     .allowed = "a path"},
    {.section = "receive",
     .key = "address",
     .type = PND_CONF_LIST,
     .offset = AT(addresses),
     .allowed = "IP addresses of this machine; 0.0.0.0 and :: mean all of them",
     .add = add_address,
     .clear = clear_addresses},
    {.section = "receive",
     .key = "port",
     .type = PND_CONF_UINT,
     .offset = AT(ports[PND_SERVICE_KDP]),
     .min = 1,
     .max = 65535,
     .allowed = "a UDP port"},
    {.section = "receive",
     .key = "netdump-port",
     .type = PND_CONF_UINT,
     .offset = AT(ports[PND_SERVICE_NETDUMP]),
     .max = 65535,
     .allowed = "a UDP port; 0 for none"},
    {.section = "receive",
     .key = "tftp-port",
     .type = PND_CONF_UINT,
     .offset = AT(ports[PND_SERVICE_TFTP]),
     .max = 65535,
     .allowed = "a UDP port; 0 for none"},
    {.section = "receive",
     .key = "slots",
     .type = PND_CONF_UINT,
     .offset = AT(slots),
     .min = 16,
     .max = PND_CONFIG_SLOTS_MAX,
     .allowed = "a number of transfers"},
    {.section = "receive",
     .key = "extension",
     .type = PND_CONF_BOOL,
     .offset = AT(extension),
     .allowed = "yes or no"},
    {.section = "receive",
     .key = "savecore-names",
     .type = PND_CONF_LIST,
     .offset = AT(names),
     .allowed = "no, netdump (or yes), or all",
     .add = set_names},
    {.section = "receive",
     .key = "netdump-paths",
     .type = PND_CONF_BOOL,
     .offset = AT(paths),
     .allowed = "yes or no"},
    {.section = "receive",
     .key = "netdump-hook",
     .type = PND_CONF_STRING,
     .offset = AT(hook),
     .min = 1,
     .max = sizeof(((struct pnd_config *)0)->hook),
     .allowed = "the absolute path of a program"},
    {.section = "policy",
     .key = "allow",
     .type = PND_CONF_LIST,
     .offset = AT(allow),
     .allowed = "addresses and networks such as 10.0.40.0/24",
     .add = add_allow,
     .clear = clear_allow},
    {.section = "policy",
     .key = "transfers",
     .type = PND_CONF_UINT,
     .offset = AT(transfers_max),
     .min = 1,
     .max = PND_CONFIG_SLOTS_MAX,
     .allowed = "a number of transfers"},
    {.section = "policy",
     .key = "dump-bytes",
     .type = PND_CONF_SIZE,
     .offset = AT(limits.dump_bytes_max),
     .min = 1,
     .max = UINT64_C(1) << 60,
     .allowed = "a size such as 64G"},
    {.section = "policy",
     .key = "source-bytes",
     .type = PND_CONF_SIZE,
     .offset = AT(source_bytes_max),
     .allowed = "a size such as 200G; 0 for no limit"},
    {.section = "policy",
     .key = "total-bytes",
     .type = PND_CONF_SIZE,
     .offset = AT(total_bytes_max),
     .allowed = "a size such as 2T; 0 for no limit"},
    {.section = "policy",
     .key = "floor",
     .type = PND_CONF_SIZE,
     .offset = AT(floor_bytes),
     .allowed = "a size such as 1G; 0 for none"},
    {.section = "time",
     .key = "idle",
     .type = PND_CONF_DURATION,
     .offset = AT(limits.idle_ms),
     .min = 1000,
     .max = DAY_MS,
     .allowed = "a time such as 120s"},
    {.section = "time",
     .key = "resume",
     .type = PND_CONF_DURATION,
     .offset = AT(limits.resume_ms),
     .max = 30 * DAY_MS,
     .allowed = "a time such as 24h, 30d at most; 0 for never"},
    {.section = "time",
     .key = "stall",
     .type = PND_CONF_DURATION,
     .offset = AT(limits.stall_ms),
     .max = DAY_MS,
     .allowed = "a time such as 20s"},
    {.section = "time",
     .key = "takeover",
     .type = PND_CONF_DURATION,
     .offset = AT(limits.takeover_ms),
     .min = 1000,
     .max = DAY_MS,
     .allowed = "a time such as 20s"},
    {.section = "time",
     .key = "repeat",
     .type = PND_CONF_DURATION,
     .offset = AT(limits.reack_ms),
     .max = DAY_MS,
     .allowed = "a time such as 2s; 0 for never"},
    {.section = "time",
     .key = "recover",
     .type = PND_CONF_BOOL,
     .offset = AT(limits.recover),
     .allowed = "yes or no"},
    {.section = "time",
     .key = "remember",
     .type = PND_CONF_DURATION,
     .offset = AT(limits.done_ms),
     .min = 1000,
     .max = DAY_MS,
     .allowed = "a time such as 90s"},
    {.section = "time",
     .key = "hook",
     .type = PND_CONF_DURATION,
     .offset = AT(hook_ms),
     .min = 1000,
     .max = DAY_MS,
     .allowed = "a time such as 10min"},
    {.section = "stream"},                              /* panicctl receive's */
    {.section = "message", .named = pnd_conf_any_name}, /* the messenger's */
};

void pnd_config_init(struct pnd_config *ret)
{
    static const struct pnd_rx_limits limits = PND_RX_LIMITS_DEFAULT;

    *ret = (struct pnd_config){
        .addresses = {.at = {"0.0.0.0"}, .count = 1},
        .slots = 2048,
        .extension = true,
        .transfers_max = 1000,
        .floor_bytes = GIB,
        .hook_ms = HOOK_MS,
        .limits = limits,
    };
    for (unsigned i = 0; i < PND_SERVICES; i++)
        ret->ports[i] = PND_CONFIG_PORT_UNSAID;
}

uint16_t pnd_config_port(const struct pnd_config *config, enum pnd_service service)
{
    if (config->ports[service] == PND_CONFIG_PORT_UNSAID)
        return pnd_service(service)->port;
    return (uint16_t)config->ports[service];
}

int pnd_config_read(const char *path, struct pnd_config *ret, struct pnd_why *why)
{
    return pnd_conf_read(path, keys, sizeof(keys) / sizeof(keys[0]), ret, sizeof(*ret), why);
}
