/* SPDX-License-Identifier: BSD-2-Clause */
#include "proto/kdp_rhythm.h"

#include <string.h>

enum {
    GAP_MAX_MS = 4000, /* longer ones count as this */
    TOLERATED = 2,     /* ACKs that draw nothing: the one that is waited for, and one too many */
    DOUBLE = 16,       /* what a copy counts in doubles, and how many blocks it is remembered */
    UNKNOWN_MS = 100,  /* the deviation of a sender nothing is known of, times 4 */
};

void pnd_kdp_rhythm_init(struct pnd_kdp_rhythm *rhythm)
{
    memset(rhythm, 0, sizeof(*rhythm));
    rhythm->deviation_ms4 = UNKNOWN_MS;
}

/* Mean and mean deviation as in the retransmission timer of TCP (Jacobson, "Congestion avoidance
 * and control", 1988): both move towards each gap by an eighth and a quarter of the difference. */
static void sample(struct pnd_kdp_rhythm *rhythm, uint64_t gap_ms)
{
    int32_t error = (int32_t)(gap_ms < GAP_MAX_MS ? gap_ms : GAP_MAX_MS);

    error -= rhythm->mean_ms8 / 8;
    rhythm->mean_ms8 += error;
    if (error < 0)
        error = -error;
    rhythm->deviation_ms4 += error - rhythm->deviation_ms4 / 4;
}

uint32_t pnd_kdp_rhythm_silence_ms(const struct pnd_kdp_rhythm *rhythm)
{
    int32_t ms = rhythm->mean_ms8 / 8 + rhythm->deviation_ms4;

    if (ms < PND_KDP_SILENCE_MIN_MS)
        return PND_KDP_SILENCE_MIN_MS;
    return ms < PND_KDP_SILENCE_MAX_MS ? (uint32_t)ms : PND_KDP_SILENCE_MAX_MS;
}

void pnd_kdp_rhythm_accepted(struct pnd_kdp_rhythm *rhythm, uint64_t now_ms)
{
    uint64_t gap_ms = now_ms - rhythm->since_ms;

    rhythm->doubtful_ms = 0;
    if (rhythm->clean)
        sample(rhythm, gap_ms);
    else if (rhythm->asks && !rhythm->resumed)
        rhythm->doubtful_ms = (uint32_t)(gap_ms < GAP_MAX_MS ? gap_ms : GAP_MAX_MS);
    rhythm->doubles -= rhythm->doubles / DOUBLE;
    rhythm->said_before = rhythm->said;
    rhythm->said = rhythm->asks = 0;
    rhythm->clean = rhythm->ahead = rhythm->resumed = false;
}

void pnd_kdp_rhythm_said(struct pnd_kdp_rhythm *rhythm, uint64_t now_ms)
{
    rhythm->clean = rhythm->said == 0;
    if (rhythm->clean)
        rhythm->since_ms = now_ms;
    if (rhythm->said < UINT8_MAX)
        rhythm->said++;
}

bool pnd_kdp_rhythm_drew(struct pnd_kdp_rhythm *rhythm, uint64_t now_ms, uint64_t answered_ms)
{
    /* Then it is the path's, which will multiply what is said as well. */
    if (rhythm->said_before <= TOLERATED && rhythm->doubles < UINT8_MAX - DOUBLE)
        rhythm->doubles += DOUBLE;
    if (rhythm->resumed || rhythm->reorders || rhythm->ahead ||
        now_ms - answered_ms >= pnd_kdp_rhythm_silence_ms(rhythm) + PND_KDP_DRAWN_MS)
        return false;
    /* Both came, the block and its copy: so the gap was the sender's, and nothing was lost. */
    if (rhythm->doubtful_ms)
        sample(rhythm, rhythm->doubtful_ms);
    rhythm->doubtful_ms = 0;
    return true;
}

void pnd_kdp_rhythm_stray(struct pnd_kdp_rhythm *rhythm, uint32_t distance)
{
    rhythm->ahead |= distance < UINT32_C(1) << 31;
    rhythm->reorders = true;
}

uint64_t pnd_kdp_rhythm_due_ms(const struct pnd_kdp_rhythm *rhythm, uint64_t answered_ms)
{
    uint64_t distance_ms = pnd_kdp_rhythm_silence_ms(rhythm);
    uint8_t asks_max = rhythm->doubles < PND_KDP_DOUBLES_MAX * DOUBLE ? PND_KDP_ASKS_MAX : 1;

    if (rhythm->asks >= asks_max || rhythm->said >= PND_KDP_SAID_MAX || rhythm->reorders ||
        rhythm->ahead || distance_ms >= PND_KDP_SILENCE_MAX_MS)
        return UINT64_MAX;
    return answered_ms + (rhythm->asks ? distance_ms << (rhythm->asks - 1) : distance_ms);
}

void pnd_kdp_rhythm_asked(struct pnd_kdp_rhythm *rhythm, uint64_t now_ms)
{
    pnd_kdp_rhythm_said(rhythm, now_ms);
    rhythm->asked_ms = now_ms;
    if (rhythm->asks < UINT8_MAX)
        rhythm->asks++;
}

uint64_t pnd_kdp_rhythm_held_until_ms(const struct pnd_kdp_rhythm *rhythm)
{
    return rhythm->asks ? rhythm->asked_ms + PND_KDP_ORDER_MS : 0;
}
