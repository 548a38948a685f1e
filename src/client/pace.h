/* SPDX-License-Identifier: BSD-2-Clause
 *
 * How fast the sender of the extension sends: what may be on its way, and when the next packet may
 * leave. It knows no packets, only how many bytes left, arrived and were lost. Bandwidth and the
 * shortest round trip are measured, as in BBR; a loss slows nothing unless it comes with a queue,
 * or is more than the path loses anyway. Integers only. PROTOCOL.md#kdp-12.6. Freestanding. */
#ifndef PND_CLIENT_PACE_H
#define PND_CLIENT_PACE_H

#include <stdbool.h>
#include <stdint.h>

enum {
    PND_PACE_SLOTS = 10,  /* of the bandwidth's maximum */
    PND_PACE_FLOORS = 16, /* of the loss that the path has anyway */
    PND_PACE_TRAIN = 64 * 1024,
};

enum pnd_pace_mode {
    PND_PACE_START, /* faster and faster, until it no longer helps */
    PND_PACE_DRAIN, /* until the queue that this made is gone */
    PND_PACE_CRUISE,
    PND_PACE_LISTEN, /* almost nothing, to see the shortest round trip */
};

/* What is remembered of each packet on its way: times in microseconds, mod 2^32. */
struct pnd_pace_mark {
    uint32_t sent_us, first_us, delivered_us;
    uint32_t delivered; /* bytes in all when it left, mod 2^32 */
    bool limited;       /* more could have been sent than there was */
};

/* Rates are in bytes for each 2^20 microseconds. */
struct pnd_pace {
    enum pnd_pace_mode mode;
    uint32_t packet; /* bytes of a full packet */
    uint64_t flying; /* bytes on their way */
    uint64_t delivered, lost;
    uint64_t rate; /* most that arrived, of the last PND_PACE_SLOTS slots */
    uint64_t slots[PND_PACE_SLOTS];
    unsigned slot;
    uint64_t slot_us;
    uint32_t round_end; /* a mark that is not older begins the next round */
    uint64_t full_rate; /* START: what a quarter has to be added to */
    unsigned full_rounds;
    unsigned phase; /* CRUISE: of the cycle */
    uint64_t phase_us;
    unsigned rest;              /* phases of a cycle that try nothing */
    uint64_t probe_rate;        /* CRUISE: before more was tried */
    bool probed;                /* more was tried for one phase */
    bool deaf;                  /* losses of this round were answered before */
    uint64_t rtt_us, rtt_at_us; /* the shortest, and when it was seen */
    uint64_t round_rtt_us;      /* the shortest of this round; 0: none yet */
    uint64_t round_top_us;      /* the longest of this round */
    uint64_t cycle_rtt_us;      /* the shortest of this cycle of phases; 0: none yet */
    uint64_t listen_rtt_us;
    bool rival;       /* somebody else keeps the queue filled: share it as a TCP does */
    uint64_t window;  /* what may be on its way then */
    uint64_t top_us;  /* the longest round trip then: the queue was full */
    uint64_t ceiling; /* what may be on its way as congestion taught; UINT64_MAX: it did not */
    uint64_t step;    /* bytes by which it grows in a round */
    bool reached;     /* it was what held the sender back in this round */
    uint64_t peak;    /* most that was on its way in this sample */
    uint64_t sample_delivered, sample_lost; /* when the sample began */
    uint64_t round_delivered, round_lost;   /* when the round began */
    uint16_t floors[PND_PACE_FLOORS];       /* lost of each 1024 bytes; UINT16_MAX: not yet */
    unsigned floor_at;
    uint32_t idle_until; /* marks before it are limited */
    bool idle;
    int64_t credit; /* bytes that may leave now */
    uint64_t credit_us;
    uint32_t first_us, delivered_us;
    bool fresh;                /* this ACK brought something */
    struct pnd_pace_mark best; /* the youngest packet that it brought */
};

/*   @param packet  bytes of a full packet
 *   @param rtt_us  a first round trip; 0: unknown */
void pnd_pace_init(struct pnd_pace *pace, uint32_t packet, uint64_t rtt_us, uint64_t now_us);

/* How many bytes may leave now: whoever sends while this is above 0 may send one packet more than
 * it says. */
uint64_t pnd_pace_room(struct pnd_pace *pace, uint64_t now_us);

/* When there is room again if no ACK comes. UINT64_MAX: only an ACK makes room */
uint64_t pnd_pace_next_us(const struct pnd_pace *pace, uint64_t now_us);

/* How many of 1024 bytes the path loses anyway; 0 also as long as that is not known. */
unsigned pnd_pace_loss(const struct pnd_pace *pace);

/* What may be on its way, in bytes. */
uint64_t pnd_pace_cap(const struct pnd_pace *pace);

void pnd_pace_sent(struct pnd_pace *pace, uint32_t bytes, uint64_t now_us,
                   struct pnd_pace_mark *ret);

/* There is room, but nothing to send. */
void pnd_pace_idle(struct pnd_pace *pace);

/* What one ACK says: each packet once, then the end of it. @p mark NULL: when the packet left that
 * has arrived is not known. _late: one arrived that had been counted
 * as lost. @p rtt_us 0: it measures nothing. */
void pnd_pace_arrived(struct pnd_pace *pace, uint32_t bytes, const struct pnd_pace_mark *mark);
void pnd_pace_late(struct pnd_pace *pace, uint32_t bytes);
void pnd_pace_lost(struct pnd_pace *pace, uint32_t bytes);
void pnd_pace_end(struct pnd_pace *pace, uint64_t rtt_us, uint64_t now_us);

#endif
