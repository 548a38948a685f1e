/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What of a dump has arrived out of its turn: sorted ranges that are apart, each with the sum of
 * its bytes (wire/sum.h). A fixed number of them. Freestanding. */
#ifndef PND_PROTO_RANGES_H
#define PND_PROTO_RANGES_H

#include <stdint.h>

#include "panicd/err.h"

enum { PND_RANGES_CAP = 512 };

struct pnd_span {
    uint64_t start, end; /* [start, end), never empty */
    uint64_t sum;        /* of its bytes */
};

struct pnd_ranges {
    unsigned count;
    struct pnd_span at[PND_RANGES_CAP]; /* ascending; two that touch are one */
};

/* The first part of [@p start, @p end) that is in no range.
 *   @return PND_OK; PND_E_NOTFOUND all of it is in there, or it is empty */
int pnd_ranges_missing(const struct pnd_ranges *ranges, uint64_t start, uint64_t end,
                       struct pnd_span *ret);

/* Adds a span that touches no byte of any range.
 *   @return PND_OK; PND_E_FULL it would be one range more than there is room for (unchanged) */
int pnd_ranges_add(struct pnd_ranges *ranges, const struct pnd_span *span);

/* Takes the lowest range out if it starts at @p start. @return PND_OK; PND_E_NOTFOUND */
int pnd_ranges_take(struct pnd_ranges *ranges, uint64_t start, struct pnd_span *ret);

#endif
