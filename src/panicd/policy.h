/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What the operator allows: who may send, how many at a time, how much. A dump is let in once
 * (pnd_policy_admit) and then leased room in steps, so that the packet path asks once per
 * PND_POLICY_LEASE bytes and not per packet. */
#ifndef PND_PANICD_POLICY_H
#define PND_PANICD_POLICY_H

#include <stdbool.h>
#include <stdint.h>

#include "panicd/rule.h"
#include "panicd/server.h"

enum {
    PND_POLICY_LEASE = 4 << 20,
    PND_POLICY_LEASE_LAST = 8960,      /* the same when less room than that is left */
    PND_POLICY_CATALOG_ROOM = 2 << 20, /* stays free whatever the floor: the catalog must be able
                                        * to say that the disk is full */
};

enum pnd_rule pnd_policy_admit(struct pnd_server *server, const struct pnd_origin *from);

/* May @p slot's dump take PND_POLICY_LEASE more bytes? Adds them to slot->leased_bytes if so. */
enum pnd_rule pnd_policy_lease(struct pnd_server *server, struct pnd_slot *slot);

/* The key of panicd.conf(5) that the rule stands for: "allow", "transfers", ... */
const char *pnd_rule_name(enum pnd_rule rule);

/* What the sender is told: at most 120 characters. */
const char *pnd_rule_message(enum pnd_rule rule);
enum pnd_refusal pnd_rule_refusal(enum pnd_rule rule);

#endif
