/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a server has seen since it started, for "status" and "metrics" of the control socket. Plain
 * numbers in fixed arrays, and the network thread's alone. Nothing of it survives the server: who
 * draws curves of it sees a counter begin anew. */
#ifndef PND_PANICD_COUNTERS_H
#define PND_PANICD_COUNTERS_H

#include <stdint.h>

#include "panicd/protocol.h"
#include "panicd/rule.h"
#include "store/catalog.h"
#include "store/reason.h"

enum {
    PND_COUNTERS_IMPORT = 0, /* in place of a protocol: what a tool brought in at the side */
    PND_HISTOGRAM_BOUNDS = 12,
};

/* Bucket i counts what was longer than bound i-1, and at most bound i; the last what was longer
 * than all of them. */
struct pnd_histogram {
    uint64_t counts[PND_HISTOGRAM_BOUNDS + 1];
    uint64_t sum_ms;
};

extern const uint32_t pnd_duration_bounds_ms[PND_HISTOGRAM_BOUNDS];
extern const uint32_t pnd_cause_bounds_ms[PND_HISTOGRAM_BOUNDS];

struct pnd_protocol_counters {
    uint64_t bytes;                             /* written to dumps */
    uint64_t packets;                           /* that a session took */
    uint64_t repeats;                           /* among them: what had come before */
    uint64_t complete, incomplete[PND_REASONS]; /* dumps that have their verdict */
    struct pnd_histogram
        duration;               /* first packet to safely kept, of dumps that came to their end */
    struct pnd_histogram cause; /* first packet to why the machine died */
};

struct pnd_counters {
    uint64_t complete, incomplete, refused, bytes, garbage;
    uint64_t refused_by[PND_RULES];
    uint64_t stalls; /* writes that a dump has had to wait for, counted once until one works */
    struct pnd_protocol_counters of[PND_PROTOCOLS];
};

/* The row of a protocol's name, as dumps have it; PND_COUNTERS_IMPORT for any other. */
unsigned pnd_counters_index(const char *protocol);
const char *pnd_counters_name(unsigned index);

/* The dump has its verdict. */
void pnd_counters_judged(struct pnd_counters *counters, const struct pnd_dump *dump);

/* The dump came to its end, and by now is durable under its name. */
void pnd_counters_kept(struct pnd_counters *counters, const struct pnd_dump *dump, int64_t now_ms);

/* Why the machine died is known now, of a dump of this protocol that began at @p started_ms. */
void pnd_counters_caused(struct pnd_counters *counters, const char *protocol, int64_t started_ms,
                         int64_t now_ms);

/* A session goes on: what it has been repeated since. */
void pnd_counters_moved(struct pnd_counters *counters, const struct pnd_session *before,
                        const struct pnd_session *after);

#endif
