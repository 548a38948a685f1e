/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The sending side of one dump over the extension, from the OPENED on, without I/O: file bytes,
 * datagrams and a time go in, packets come out, many at a time. What was taken stays in a window of
 * the caller's memory until the server holds it. PROTOCOL.md#kdp-12.
 *
 * The owner's loop:
 *     pnd_ext_tx_tick(tx, now)
 *     while (n = pnd_ext_tx_output(tx, now, packets, cap)): send them
 *     take what has come: pnd_ext_tx_datagram(tx, datagram, len, now)
 *     nothing came, and there is nothing to write: wait until pnd_ext_tx_deadline_us(tx, now)
 * The owner checks where a datagram comes from. Freestanding. */
#ifndef PND_CLIENT_EXT_TX_H
#define PND_CLIENT_EXT_TX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/window.h"
#include "panicd/client.h"
#include "wire/ext.h"

enum {
    PND_EXT_TX_DGRAM_START = 1472,     /* what an Ethernet carries */
    PND_EXT_TX_PATIENCE_US = 50000000, /* as PND_KDP_TX_PATIENCE_US */
    PND_EXT_TX_MESSAGE_CAP = 128,
    PND_EXT_TX_PACKETS_CAP = 64, /* what pnd_ext_tx_output() is asked for, at least */
    /* A piece that was cut for the largest packet fits one output in the smallest ones. */
    PND_EXT_TX_DGRAM_CAP =
        (PND_EXT_TX_PACKETS_CAP - 4) * (PND_EXT_DGRAM_MIN - PND_EXT_HEADER_BYTES),
};

enum pnd_ext_tx_phase {
    PND_EXT_TX_RUN, /* takes bytes, zeros, the end */
    PND_EXT_TX_END, /* the end was said: nothing more is taken */
    PND_EXT_TX_DONE,
    PND_EXT_TX_FAILED, /* see err */
};

struct pnd_ext_tx_config {
    uint32_t token;
    uint64_t offset;      /* as OPENED said: the first byte that will be taken stands there */
    uint64_t sum;         /* of what is before it */
    bool resumed;         /* somebody may have sent what is behind it, too */
    uint32_t dgram_max;   /* the largest that link and server take, in bytes */
    uint64_t rtt_us;      /* 0: unknown */
    uint64_t patience_us; /* 0: 50 s */
    void *window;         /* aligned to 8 */
    size_t window_bytes;
};

struct pnd_ext_tx_stats {
    uint64_t packets, retransmissions;
    uint64_t sent_bytes; /* of the dump, arrived in DATA */
    uint64_t skipped;    /* of the dump, arrived as ZERO */
    uint64_t noise, timeouts, late;
};

struct pnd_ext_tx {
    enum pnd_ext_tx_phase phase;
    int err; /* FAILED: PND_E_TIMEOUT, PND_E_REFUSED */
    uint32_t error;
    uint32_t token;
    uint32_t number;                      /* of the last transmission */
    uint32_t heard_number, heard_packets; /* as the last ACK said */
    uint32_t reorder;                     /* a piece that is so many numbers late is lost */
    uint32_t ranges;                      /* of the last ACK */
    uint64_t held, limit, sent_end, sum;
    uint64_t arrived; /* bytes of the dump that arrived behind held */
    uint64_t offset;  /* where it began */
    uint64_t srtt_us, rttvar_us;
    uint64_t sample_us; /* the round trip that this ACK measures; 0: none */
    bool measured, resumed;
    unsigned silent;      /* tail timeouts in a row without an ACK */
    uint64_t quiet_us;    /* when an ACK, or the last packet */
    uint64_t progress_us; /* when something arrived last */
    uint64_t patience_us;
    bool urgent;  /* one packet leaves now, whatever the pace says */
    bool end_due; /* END waits to be sent */
    uint32_t end_number, end_us;
    uint32_t asked;    /* bytes since the last packet that asked for an answer */
    uint64_t asked_us; /* when that left */
    uint32_t dgram, dgram_max;
    uint32_t misses;    /* repetitions in a row that did not arrive, though later packets did */
    uint32_t miss_size; /* the smallest of those packets */
    bool ask_only;      /* the smallest PROBE is to be sent, for its answer */
    struct {
        uint32_t size; /* of the PROBE that is tried; 0: none */
        unsigned tries, round;
        uint64_t next_us; /* when to try again; UINT64_MAX: never */
    } probe;
    struct pnd_ext_tx_stats stats;
    struct pnd_pace pace;
    struct pnd_window window;
    struct pnd_ext_ack *ack; /* in the caller's memory: it is larger than a panic's stack */
    char message[PND_EXT_TX_MESSAGE_CAP]; /* of the server's STOP: escape it, it is foreign */
};

/*   @return PND_OK; PND_E_ARG the window is smaller than PND_EXT_TX_WINDOW_MIN or not aligned, or
 *           dgram_max below PND_EXT_DGRAM_MIN */
int pnd_ext_tx_init(struct pnd_ext_tx *tx, const struct pnd_ext_tx_config *config, uint64_t now_us);

/* The next bytes of the dump. @return how many of @p len were taken: less when the window is full,
 * none while a megabyte, or what the path takes in 4 ms if that is more, waits to be sent */
size_t pnd_ext_tx_write(struct pnd_ext_tx *tx, const void *buf, size_t len);

/* The next @p len bytes are zeros. @return false: not taken, the window is full */
bool pnd_ext_tx_zero(struct pnd_ext_tx *tx, uint64_t len);

/* Nothing more comes: wait for DONE. */
void pnd_ext_tx_finish(struct pnd_ext_tx *tx);

/* A datagram that came from the server.
 *   @return true: it was of this dump; false: noise, nothing changed */
bool pnd_ext_tx_datagram(struct pnd_ext_tx *tx, const void *dgram, size_t len, uint64_t now_us);

/* Time has passed: something may be repeated, or the dump has failed. */
void pnd_ext_tx_tick(struct pnd_ext_tx *tx, uint64_t now_us);

/* What is to be sent now, at most @p cap packets (PND_EXT_TX_PACKETS_CAP or more). Asking counts as
 * having sent them. Payloads point into the window and are valid until the next call but this one.
 */
unsigned pnd_ext_tx_output(struct pnd_ext_tx *tx, uint64_t now_us, struct pnd_datagram *ret,
                           unsigned cap);

/* When to tick and ask for output at the latest, if nothing is written and no datagram comes;
 * now_us or less: at once; UINT64_MAX: never. */
uint64_t pnd_ext_tx_deadline_us(const struct pnd_ext_tx *tx, uint64_t now_us);

/* Everything before it is held by the server. */
uint64_t pnd_ext_tx_held(const struct pnd_ext_tx *tx);

#endif
