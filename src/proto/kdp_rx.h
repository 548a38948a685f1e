/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The receiving side of one dump over Apple's protocol: bytes and a time go in, ordered actions
 * come out. Apple's client takes almost any stray packet as success, so a session answers with
 * nothing but the ACK of the block it has just accepted, the ACK of the one before, or an ERROR.
 * PROTOCOL.md#kdp-1. Freestanding. */
#ifndef PND_PROTO_KDP_RX_H
#define PND_PROTO_KDP_RX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/actions.h"
#include "proto/kdp_rhythm.h"
#include "proto/rx.h"
#include "wire/kdp.h"

/* Copied freely; holds no pointer but the limits. */
struct pnd_kdp_rx {
    const struct pnd_rx_limits *limits;
    enum pnd_rx_phase phase;
    uint32_t features;     /* granted */
    uint32_t block_max;    /* DATA is cut at this many bytes */
    uint32_t expected;     /* next block; from FINISHING on: the EOF's own */
    uint64_t position;     /* where the next DATA goes */
    uint64_t end;          /* one past the highest byte received */
    uint64_t bytes;        /* DATA bytes accepted */
    uint64_t last_ms;      /* last block accepted or repeated, phase changed, ERROR heard */
    uint64_t answered_ms;  /* when the last ACK was sent */
    uint64_t held_ms;      /* the ACK of the last block, or of the EOF, is said then; 0: it was */
    uint64_t stalled_ms;   /* when the disk first refused the pending packet; 0: it did not */
    uint32_t previous_eof; /* EOF block of the finished dump of this name; 0: none */
    uint32_t repeats;      /* packets that came again */
    uint32_t strays;       /* packets that fit nowhere */
    enum pnd_kdp_error error; /* FAILED: what is answered */
    struct pnd_kdp_rhythm rhythm;
    bool reacked;  /* the repetition of reack_ms was sent for this block */
    bool repeated; /* a copy of the block before was answered */
    bool quit;     /* the sender said ERROR */
    /* The last DATA, for the junk that panic-log dumps carry behind it (kdp-1.9). */
    uint64_t tail_start;
    uint32_t tail_raw;          /* bytes of payload before the cut */
    uint32_t tail_filler;       /* length of the run of 'Y' that ends the cut payload */
    char name[PND_RX_NAME_CAP]; /* as the sender gave it, cut to fit; any bytes but NUL */
};

enum { PND_KDP_RX_SAVED_BYTES = 96 };

/* The code of an ERROR that says so. */
enum pnd_kdp_error pnd_kdp_rx_error(enum pnd_refusal refusal);

/*   @param limits  outlives the session */
void pnd_kdp_rx_init(struct pnd_kdp_rx *rx, const struct pnd_rx_limits *limits);

/* May a sender that begins anew take this session's place? None that makes progress goes: the
 * delayed copy of an old WRQ, or anybody's forged one, would end it. */
bool pnd_kdp_rx_may_go(const struct pnd_kdp_rx *rx, uint64_t now_ms);

/* One datagram of this peer. @p ret->count is 0 when it draws nothing.
 *   @param now_ms  monotonic; may stand still, must not run backwards
 *   @return PND_OK; the codes of pnd_kdp_parse() and pnd_kdp_seek_offset() for a packet that is
 *           none (it draws nothing, except that a WRQ which opens a session draws ERROR 4);
 *           PND_E_TYPE also for a packet only a server sends; PND_E_LENGTH a packet longer than
 *           its grant and any junk a kernel drags behind it (it draws nothing); PND_E_RANGE a
 *           block or SEEK beyond dump_bytes_max (the session has failed; ERROR 3) */
int pnd_kdp_rx_datagram(struct pnd_kdp_rx *rx, const void *dgram, size_t len, uint64_t now_ms,
                        struct pnd_actions *ret);

/* Call at or after pnd_kdp_rx_deadline_ms(); calling early or often is harmless. */
void pnd_kdp_rx_tick(struct pnd_kdp_rx *rx, uint64_t now_ms, struct pnd_actions *ret);

/* @return when pnd_kdp_rx_tick() has something to do; UINT64_MAX: nothing pending */
uint64_t pnd_kdp_rx_deadline_ms(const struct pnd_kdp_rx *rx);

/* The owner could not run an OPEN, WRITE or SIZE. Until stall_ms have passed the session keeps
 * silent, so that the sender's repetitions try again; then, or at once when @p final, it fails
 * with the ERROR of @p refusal and @p message (static, at most 120 characters, also the reason). */
void pnd_kdp_rx_refuse_write(struct pnd_kdp_rx *rx, uint64_t now_ms, bool final,
                             enum pnd_refusal refusal, const char *message,
                             struct pnd_actions *ret);

/* The outcome of FINISH: the final ACK if @p durable, else ERROR 3 and FAILED. */
void pnd_kdp_rx_finished(struct pnd_kdp_rx *rx, bool durable, uint64_t now_ms,
                         struct pnd_actions *ret);

/* The journal's form of everything but the name: exactly PND_KDP_RX_SAVED_BYTES, the same on
 * every machine. Times are not kept: a loaded session starts its waits anew at @p now_ms.
 *   @return PND_OK; PND_E_SHORT, PND_E_FORMAT the bytes are no saved session */
void pnd_kdp_rx_save(const struct pnd_kdp_rx *rx, uint8_t ret[PND_KDP_RX_SAVED_BYTES]);
int pnd_kdp_rx_load(struct pnd_kdp_rx *rx, const struct pnd_rx_limits *limits, const uint8_t *saved,
                    size_t len, const char *name, uint64_t now_ms);

#endif
