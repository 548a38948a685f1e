/* SPDX-License-Identifier: BSD-2-Clause */
#include "panicd/resting.h"

void pnd_resting_add(struct pnd_resting *resting, uint64_t id, uint64_t now_ms)
{
    unsigned at = 0;

    for (unsigned i = 0; i < PND_RESTING_MAX && resting->at[at].id != id; i++) {
        if (resting->at[i].id == id || resting->at[i].until_ms < resting->at[at].until_ms)
            at = i;
    }
    if (resting->at[at].id != id)
        resting->at[at].pause_ms = PND_RESTING_FIRST_MS;
    else if (resting->at[at].pause_ms < PND_RESTING_LAST_MS / 2)
        resting->at[at].pause_ms *= 2;
    else
        resting->at[at].pause_ms = PND_RESTING_LAST_MS;
    resting->at[at].id = id;
    resting->at[at].until_ms = now_ms + resting->at[at].pause_ms;
}

bool pnd_resting_has(const struct pnd_resting *resting, uint64_t id, uint64_t now_ms)
{
    for (unsigned i = 0; i < PND_RESTING_MAX; i++) {
        if (resting->at[i].id == id)
            return now_ms < resting->at[i].until_ms;
    }
    return false;
}
