/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What receiving sessions have in common, whichever protocol they speak: the phases of a dump, the
 * limits that its owner sets, and why it refuses one. Freestanding. */
#ifndef PND_PROTO_RX_H
#define PND_PROTO_RX_H

#include <stdbool.h>
#include <stdint.h>

enum { PND_RX_NAME_CAP = 256 }; /* longest name of a dump that is kept, with its NUL */

enum pnd_rx_phase {
    PND_RX_NEW = 0,   /* nothing heard */
    PND_RX_ASKED,     /* WRQ answered; there is no file until block 1 */
    PND_RX_LIVE,      /* a file, and data */
    PND_RX_FINISHING, /* EOF accepted; the owner makes the dump durable */
    PND_RX_DONE,      /* EOF acknowledged; repeated EOFs are answered */
    PND_RX_FAILED,    /* given up by us; whatever comes draws the same ERROR */
    /* Of the extension only: */
    PND_RX_LEFT,     /* silent for too long: kept as incomplete, its sender may come back */
    PND_RX_RESUMING, /* it came: the owner makes the file one that arrives; saved as LEFT */
};

/* Why the owner gives a dump up, or lets none begin; how a sender hears it is its protocol's. */
enum pnd_refusal {
    PND_REFUSAL_OTHER = 0, /* the message beside it says what */
    PND_REFUSAL_ACCESS,    /* this sender may not */
    PND_REFUSAL_NO_ROOM,
};

/* All times in milliseconds. */
struct pnd_rx_limits {
    uint64_t dump_bytes_max;   /* no byte of a dump lies at or behind this offset */
    uint64_t asked_ms;         /* WRQ without data: forgotten after this silence */
    uint64_t idle_ms;          /* a live dump: incomplete after this silence */
    uint64_t quit_ms;          /* the same after the sender said ERROR */
    uint64_t done_ms;          /* how long a repeated EOF is answered */
    uint64_t reack_ms;         /* one more repetition of an ACK, whatever the rhythm; 0: never */
    uint64_t repeat_ms;        /* second and later copies of a block are answered this far apart */
    uint64_t takeover_ms;      /* silence after which a WRQ may replace a live dump */
    uint64_t quit_takeover_ms; /* the same after the sender said ERROR */
    uint64_t stall_ms;         /* how long a full disk is waited out before ERROR 3 */
    bool recover;              /* an ACK is repeated when the sender falls out of its rhythm */
    uint64_t resume_ms;        /* how long a dump that was LEFT can be taken up; 0: never */
};

/* 46.5 s is the patience of Apple's client for one packet; compressing adds seconds. */
#define PND_RX_LIMITS_DEFAULT                                                                      \
    {                                                                                              \
        .dump_bytes_max = UINT64_C(16) << 40, .asked_ms = 60000, .idle_ms = 120000,                \
        .quit_ms = 15000, .done_ms = 90000, .reack_ms = 2000, .repeat_ms = 5,                      \
        .takeover_ms = 20000, .quit_takeover_ms = 3000, .stall_ms = 20000, .recover = true,        \
        .resume_ms = 86400000                                                                      \
    }

#endif
