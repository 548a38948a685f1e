/* SPDX-License-Identifier: BSD-2-Clause
 *
 * When an ACK is said again without being asked for. Apple's client waits 7.5 s for a packet that
 * was lost, but sends it again at once when it hears the ACK of the block before twice; so a
 * server that notices a silence can mend it in milliseconds. What a silence is follows from the
 * sender's own rhythm; and as every ACK that was not needed may cost a sender that was only slow
 * one of its 14 transmissions, all of them are counted. PROTOCOL.md#kdp-1.12, clauses 5 to 7.
 * Freestanding. */
#ifndef PND_PROTO_KDP_RHYTHM_H
#define PND_PROTO_KDP_RHYTHM_H

#include <stdbool.h>
#include <stdint.h>

enum {
    PND_KDP_ASKS_MAX = 4,          /* repetitions of one ACK by rhythm */
    PND_KDP_DOUBLES_MAX = 2,       /* copies lately, from which on it is repeated once only */
    PND_KDP_SAID_MAX = 6,          /* none once an ACK was said so often, for whatever reason */
    PND_KDP_SILENCE_MIN_MS = 2,    /* no shorter silence is one */
    PND_KDP_SILENCE_MAX_MS = 1000, /* a sender as slow as this repeats soon enough by itself */
    PND_KDP_ORDER_MS = 2,   /* how long an ACK stays behind a repetition of its predecessor */
    PND_KDP_DRAWN_MS = 250, /* a copy this and a silence after an ACK was drawn by it */
};

struct pnd_kdp_rhythm {
    int32_t mean_ms8;      /* of the gaps from an ACK to the next block, times 8 */
    int32_t deviation_ms4; /* mean deviation from that, times 4 */
    uint32_t doubtful_ms;  /* the last gap, if ACKs were repeated in it: perhaps the sender's own */
    uint64_t since_ms;     /* when the last ACK was first said */
    uint64_t asked_ms;     /* when the last ACK was last repeated by time */
    uint8_t said_before;   /* how often the ACK before the last was said */
    uint8_t said;          /* how often the last ACK was said */
    uint8_t asks;          /* so often of these by time */
    uint8_t doubles;       /* copies lately that no ACK can have drawn, times 16 */
    bool clean;            /* the gap that runs is the sender's own: its ACK was said once */
    bool ahead;            /* the sender is further than it should be */
    bool reorders;         /* the path may re-order: something came that did not fit */
    bool resumed;          /* the last ACK was said before a restart */
};

/* Of a sender that nothing is known of. */
void pnd_kdp_rhythm_init(struct pnd_kdp_rhythm *rhythm);

/* The silence that counts as one, in milliseconds. */
uint32_t pnd_kdp_rhythm_silence_ms(const struct pnd_kdp_rhythm *rhythm);

/* The expected block has come. Call pnd_kdp_rhythm_said() when its ACK is said. */
void pnd_kdp_rhythm_accepted(struct pnd_kdp_rhythm *rhythm, uint64_t now_ms);

/* The ACK of the last block is said now, or said again. */
void pnd_kdp_rhythm_said(struct pnd_kdp_rhythm *rhythm, uint64_t now_ms);

/* A copy of the last block has come. After a restart it is answered: nobody knows
 * any more when its ACK was said, or whether.
 *   @param answered_ms  when its ACK was last said
 *   @return it must not draw another: so soon after an ACK it was not sent for want of one, and if
 *           it was, time mends that */
bool pnd_kdp_rhythm_drew(struct pnd_kdp_rhythm *rhythm, uint64_t now_ms, uint64_t answered_ms);

/* A packet has come that is neither the expected block nor a copy of the last: its number is
 * @p distance from the expected one, modulo 2^32. Who sends a later block has taken something for
 * an ACK, and would take the next ACK for another: none is repeated by time until the expected
 * block comes. An earlier block that comes only now was overtaken. Either way packets may overtake
 * each other on this path, and none is repeated by rhythm any more. */
void pnd_kdp_rhythm_stray(struct pnd_kdp_rhythm *rhythm, uint32_t distance);

/* @param answered_ms  when the last ACK was last said
 * @return when it is to be repeated by rhythm; UINT64_MAX: no more */
uint64_t pnd_kdp_rhythm_due_ms(const struct pnd_kdp_rhythm *rhythm, uint64_t answered_ms);

/* The last ACK is repeated by time, for whatever reason. */
void pnd_kdp_rhythm_asked(struct pnd_kdp_rhythm *rhythm, uint64_t now_ms);

/* @return until when the next ACK has to stay behind the repetitions of this one; 0: it need not */
uint64_t pnd_kdp_rhythm_held_until_ms(const struct pnd_kdp_rhythm *rhythm);

#endif
