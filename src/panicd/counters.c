/* SPDX-License-Identifier: BSD-2-Clause */
#include "panicd/counters.h"

#include <string.h>

#include "panicd/session.h"

const uint32_t pnd_duration_bounds_ms[PND_HISTOGRAM_BOUNDS] = {
    100, 300, 1000, 3000, 10000, 30000, 60000, 120000, 300000, 600000, 1800000, 3600000};
const uint32_t pnd_cause_bounds_ms[PND_HISTOGRAM_BOUNDS] = {
    50, 100, 200, 500, 1000, 2000, 5000, 10000, 30000, 60000, 300000, 600000};

/* The wall clock can be set back while a dump arrives: that took no time. */
static void observe(struct pnd_histogram *histogram, const uint32_t bounds_ms[], int64_t ms)
{
    uint64_t took_ms = ms > 0 ? (uint64_t)ms : 0;
    unsigned i = 0;

    while (i < PND_HISTOGRAM_BOUNDS && took_ms > bounds_ms[i])
        i++;
    histogram->counts[i]++;
    histogram->sum_ms += took_ms;
}

unsigned pnd_counters_index(const char *protocol)
{
    for (unsigned i = 0; i < PND_PROTOCOLS; i++)
        if (pnd_protocol(i) && strcmp(pnd_protocol(i)->name, protocol) == 0)
            return i;
    return PND_COUNTERS_IMPORT;
}

const char *pnd_counters_name(unsigned index)
{
    return index == PND_COUNTERS_IMPORT ? "import" : pnd_protocol(index)->name;
}

void pnd_counters_judged(struct pnd_counters *counters, const struct pnd_dump *dump)
{
    struct pnd_protocol_counters *of = &counters->of[pnd_counters_index(dump->protocol)];

    if (dump->state == PND_DUMP_COMPLETE) {
        counters->complete++;
        of->complete++;
    } else {
        counters->incomplete++;
        of->incomplete[pnd_reason_of(dump->reason)]++;
    }
}

void pnd_counters_kept(struct pnd_counters *counters, const struct pnd_dump *dump, int64_t now_ms)
{
    observe(&counters->of[pnd_counters_index(dump->protocol)].duration, pnd_duration_bounds_ms,
            now_ms - dump->started_ms);
}

void pnd_counters_caused(struct pnd_counters *counters, const char *protocol, int64_t started_ms,
                         int64_t now_ms)
{
    observe(&counters->of[pnd_counters_index(protocol)].cause, pnd_cause_bounds_ms,
            now_ms - started_ms);
}

void pnd_counters_moved(struct pnd_counters *counters, const struct pnd_session *before,
                        const struct pnd_session *after)
{
    uint64_t had = before->protocol ? pnd_session_repeats(before) : 0;
    uint64_t has = pnd_session_repeats(after);

    /* Fewer than before: another dump has begun. */
    counters->of[after->protocol->id].repeats += has >= had ? has - had : has;
}
