/* SPDX-License-Identifier: BSD-2-Clause */
#include "panicd/policy.h"

#include <string.h>

static const struct {
    const char *name, *message;
    enum pnd_refusal refusal;
} rules[] = {
    [PND_RULE_NONE] = {"none", "allowed", PND_REFUSAL_OTHER},
    [PND_RULE_ALLOW] = {"allow", "this address may not send dumps here (rule: allow)",
                        PND_REFUSAL_ACCESS},
    [PND_RULE_TRANSFERS] = {"transfers", "too many dumps arrive at this moment (rule: transfers)",
                            PND_REFUSAL_NO_ROOM},
    [PND_RULE_SOURCE_BYTES] = {"source-bytes",
                               "this address has its share of the disk (rule: source-bytes)",
                               PND_REFUSAL_NO_ROOM},
    [PND_RULE_TOTAL_BYTES] = {"total-bytes", "the room for dumps is used up (rule: total-bytes)",
                              PND_REFUSAL_NO_ROOM},
    [PND_RULE_FLOOR] = {"floor", "disk full (rule: floor)", PND_REFUSAL_NO_ROOM},
};

const char *pnd_rule_name(enum pnd_rule rule)
{
    return rules[rule].name;
}

const char *pnd_rule_message(enum pnd_rule rule)
{
    return rules[rule].message;
}

enum pnd_refusal pnd_rule_refusal(enum pnd_rule rule)
{
    return rules[rule].refusal;
}

static bool allowed(const struct pnd_config *config, const struct pnd_addr *addr)
{
    for (unsigned i = 0; i < config->allow.count; i++)
        if (pnd_cidr_has(&config->allow.at[i], addr))
            return true;
    return config->allow.count == 0;
}

/* What arrives now is not in the checker's sums yet. */
static uint64_t arriving_bytes(struct pnd_server *server, const struct pnd_addr *source)
{
    uint64_t bytes = 0;

    for (uint32_t i = 0; i < pnd_table_size(server->table); i++) {
        const struct pnd_slot *slot = pnd_table_at(server->table, i);

        if (slot->class != PND_CLASS_BUSY)
            continue;
        if (!source || memcmp(slot->origin.peer.b, source->b, sizeof(source->b)) == 0)
            bytes += pnd_session_bytes(&slot->session);
    }
    return bytes;
}

static enum pnd_rule room_rule(struct pnd_server *server, const struct pnd_addr *source,
                               uint64_t wanted)
{
    const struct pnd_config *config = &server->config;
    uint64_t of_source, total, free_bytes, disk;
    uint64_t floor = config->floor_bytes > PND_POLICY_CATALOG_ROOM ? config->floor_bytes
                                                                   : PND_POLICY_CATALOG_ROOM;

    if (pnd_spool_room(&server->spool, &free_bytes, &disk) == PND_OK) {
        server->room_free = free_bytes;
        server->room_total = disk;
        if (free_bytes < floor || free_bytes - floor < wanted)
            return PND_RULE_FLOOR;
    }
    if (!config->source_bytes_max && !config->total_bytes_max)
        return PND_RULE_NONE;
    pnd_checker_usage(server->checker, source, &of_source, &total);
    if (config->source_bytes_max &&
        of_source + arriving_bytes(server, source) + wanted > config->source_bytes_max)
        return PND_RULE_SOURCE_BYTES;
    if (config->total_bytes_max &&
        total + arriving_bytes(server, NULL) + wanted > config->total_bytes_max)
        return PND_RULE_TOTAL_BYTES;
    return PND_RULE_NONE;
}

enum pnd_rule pnd_policy_admit(struct pnd_server *server, const struct pnd_origin *from)
{
    if (!allowed(&server->config, &from->peer))
        return PND_RULE_ALLOW;
    if (pnd_table_count(server->table, PND_CLASS_BUSY) >= server->config.transfers_max)
        return PND_RULE_TRANSFERS;
    return room_rule(server, &from->peer, 1);
}

enum pnd_rule pnd_policy_lease(struct pnd_server *server, struct pnd_slot *slot)
{
    enum pnd_rule rule;

    /* Openings are admitted before they count, so the limit is kept here, at the first byte. */
    if (slot->class != PND_CLASS_BUSY &&
        pnd_table_count(server->table, PND_CLASS_BUSY) >= server->config.transfers_max)
        return PND_RULE_TRANSFERS;
    rule = room_rule(server, &slot->origin.peer, PND_POLICY_LEASE);
    /* The last stretch before a limit is leased byte by byte: a limit is what it says. */
    if (rule != PND_RULE_NONE &&
        room_rule(server, &slot->origin.peer, PND_POLICY_LEASE_LAST) == PND_RULE_NONE) {
        slot->leased_bytes += PND_POLICY_LEASE_LAST;
        return PND_RULE_NONE;
    }
    if (rule == PND_RULE_NONE)
        slot->leased_bytes += PND_POLICY_LEASE;
    return rule;
}
