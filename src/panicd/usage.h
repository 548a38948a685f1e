/* SPDX-License-Identifier: BSD-2-Clause
 *
 * How much is kept, in all and of each source: sums over the catalog's rows, for the policy. */
#ifndef PND_PANICD_USAGE_H
#define PND_PANICD_USAGE_H

#include <stdint.h>

#include "panicd/peer.h"
#include "store/catalog.h"

enum { PND_USAGE_SOURCES_MAX = 65536 }; /* told apart; the rest counts in the total only */

struct pnd_usage_source {
    struct pnd_addr addr;
    uint64_t bytes;
};

struct pnd_usage {
    uint64_t total, dumps, incomplete;
    unsigned count, cap, unchecked;
    struct pnd_usage_source *sources; /* sorted */
};

/* The sums alone. */
struct pnd_usage_kept {
    uint64_t bytes, dumps, incomplete; /* incomplete: so many of the dumps */
    unsigned sources;                  /* at most PND_USAGE_SOURCES_MAX */
};

/* @param ret  overwritten; free with pnd_usage_deinit(). @return PND_OK; errors of the catalog */
int pnd_usage_sum(struct pnd_catalog *catalog, struct pnd_usage *ret);
void pnd_usage_deinit(struct pnd_usage *usage);

/* @p dump is not kept any more, and the sums need not wait for their next turn. */
void pnd_usage_drop(struct pnd_usage *usage, const struct pnd_dump *dump);

/* @return bytes kept of @p source */
uint64_t pnd_usage_of(const struct pnd_usage *usage, const struct pnd_addr *source);

#endif
