/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The receiving side of one dump by TFTP: bytes and a time go in, ordered actions come out. Blocks
 * are taken in order only, so that what is held is a number and a length, also in the middle of a
 * window. PROTOCOL.md#tftp-3 and what follows it. Freestanding. */
#ifndef PND_PROTO_TFTP_RX_H
#define PND_PROTO_TFTP_RX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/actions.h"
#include "proto/rx.h"
#include "wire/tftp.h"

enum {
    PND_TFTP_RX_WINDOW_MAX = 512,       /* blocks of a window that are granted, */
    PND_TFTP_RX_WINDOW_BYTES = 1 << 20, /* and bytes, but for one block */
    PND_TFTP_RX_ASKS_MAX = 5,           /* repetitions of one ACK by time */
    PND_TFTP_RX_SILENCE_MIN_MS = 20,    /* no shorter silence is one */
    PND_TFTP_RX_SILENCE_FIRST_MS = 200, /* of a sender that nothing is known of */
    PND_TFTP_RX_SILENCE_MAX_MS = 1000,
    PND_TFTP_RX_DRAWN_MS = 250, /* a copy so long after an ACK was not drawn by it */
    PND_TFTP_RX_GAPS_MAX = 64,  /* ACKs that tell of one gap */
    PND_TFTP_RX_SAVED_BYTES = 64,
};

/* What follows block 65535. */
enum pnd_tftp_roll {
    PND_TFTP_ROLL_UNKNOWN,
    PND_TFTP_ROLL_ZERO,
    PND_TFTP_ROLL_ONE,
};

/* Copied freely; holds no pointer but the limits. */
struct pnd_tftp_rx {
    const struct pnd_rx_limits *limits;
    enum pnd_rx_phase phase;
    struct pnd_tftp_options granted; /* timeout_s, total_bytes: 0 unless said */
    uint32_t block_bytes;            /* a shorter block is the last */
    uint16_t window;                 /* blocks from one ACK to the next */
    uint16_t last;                   /* number of the last block held; 0: of the request */
    enum pnd_tftp_roll roll;
    uint64_t blocks;        /* held */
    uint64_t end;           /* bytes held */
    uint16_t left;          /* blocks until the window of the sender ends */
    uint16_t ahead;         /* how far the last block was that came too early; 0: none has */
    uint16_t behind;        /* how far back the last block was that came again; 0: none has */
    uint16_t previous_last; /* of the finished dump that a WRQ replaced; 0: none */
    uint16_t until;         /* how far back the last block of that window will be; 0: no matter */
    uint8_t gaps;           /* ACKs since the last block that told of a gap */
    bool sampled;           /* the gap that runs began with an ACK said once */
    bool quit;              /* the sender said ERROR */
    uint8_t asks;           /* repetitions of the last ACK by time */
    uint8_t shift;          /* of the silence, until a gap shows how long one is */
    int32_t mean_ms8;      /* of the gaps from an ACK to the next block, times 8; < 0: no gap yet */
    int32_t deviation_ms4; /* mean deviation from that, times 4 */
    uint64_t last_ms;      /* last block accepted or repeated, phase changed, ERROR heard */
    uint64_t answered_ms;  /* when the last reply was sent */
    uint64_t stalled_ms;   /* when the disk first refused the pending block; 0: it did not */
    uint32_t repeats;      /* packets that came again */
    uint32_t strays;       /* packets that fit nowhere */
    enum pnd_tftp_error error;  /* FAILED: what is answered */
    char name[PND_RX_NAME_CAP]; /* as the sender gave it, cut to fit; any bytes but NUL */
};

/* The code of an ERROR that says so. */
enum pnd_tftp_error pnd_tftp_rx_error(enum pnd_refusal refusal);

/*   @param limits  outlives the session; repeat_ms bounds how often anything is said again,
 *                  reack_ms is the sender's own timeout where it names none, recover lets an ACK
 *                  within windows be repeated sooner than that */
void pnd_tftp_rx_init(struct pnd_tftp_rx *rx, const struct pnd_rx_limits *limits);

/* As pnd_kdp_rx_may_go(). */
bool pnd_tftp_rx_may_go(const struct pnd_tftp_rx *rx, uint64_t now_ms);

/* One datagram of this peer. @p ret->count is 0 when it draws nothing.
 *   @param now_ms  monotonic; may stand still, must not run backwards
 *   @return PND_OK; the codes of pnd_tftp_parse() for a packet that is none (it draws nothing,
 *           except that a WRQ draws ERROR 4 while no dump is under way); PND_E_TYPE also for a
 *           packet only a server sends; PND_E_REFUSED an RRQ (ERROR 2, while no dump is under way);
 *           PND_E_LENGTH a block longer than agreed (it draws nothing); PND_E_RANGE a block or
 *           tsize beyond dump_bytes_max (ERROR 3; with a block, the session has failed);
 *           PND_E_FORMAT a file that is shorter than its tsize (ERROR 0; it has failed) */
int pnd_tftp_rx_datagram(struct pnd_tftp_rx *rx, const void *dgram, size_t len, uint64_t now_ms,
                         struct pnd_actions *ret);

/* Call at or after pnd_tftp_rx_deadline_ms(); calling early or often is harmless. */
void pnd_tftp_rx_tick(struct pnd_tftp_rx *rx, uint64_t now_ms, struct pnd_actions *ret);

/* @return when pnd_tftp_rx_tick() has something to do; UINT64_MAX: nothing pending */
uint64_t pnd_tftp_rx_deadline_ms(const struct pnd_tftp_rx *rx);

/* The owner could not run an OPEN or WRITE. Until stall_ms have passed the session keeps silent,
 * so that the sender's repetitions try again; then, or at once when @p final, it fails with the
 * ERROR of @p refusal and @p message (static, at most 120 characters, also the reason). */
void pnd_tftp_rx_refuse_write(struct pnd_tftp_rx *rx, uint64_t now_ms, bool final,
                              enum pnd_refusal refusal, const char *message,
                              struct pnd_actions *ret);

/* The outcome of FINISH: the final ACK if @p durable, else ERROR 3 and FAILED. */
void pnd_tftp_rx_finished(struct pnd_tftp_rx *rx, bool durable, uint64_t now_ms,
                          struct pnd_actions *ret);

/* The journal's form of everything but the name: exactly PND_TFTP_RX_SAVED_BYTES, the same on
 * every machine; its first byte is never that of another protocol's. Times are not kept: a loaded
 * session starts its waits anew at @p now_ms, says its last ACK when nothing comes, and answers the
 * first copy that does.
 *   @return PND_OK; PND_E_SHORT, PND_E_FORMAT the bytes are no saved session */
void pnd_tftp_rx_save(const struct pnd_tftp_rx *rx, uint8_t ret[PND_TFTP_RX_SAVED_BYTES]);
int pnd_tftp_rx_load(struct pnd_tftp_rx *rx, const struct pnd_rx_limits *limits,
                     const uint8_t *saved, size_t len, const char *name, uint64_t now_ms);

#endif
