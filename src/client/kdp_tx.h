/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The sending side of one dump over Apple's protocol, without I/O: file bytes, datagrams and a
 * time go in, packets come out. One packet is in flight at a time. Unlike Apple's client it takes
 * nothing but the ACK of that packet as success, gives up at the first ERROR, and measures its
 * retransmission time. All state is in the struct: a copy of it is a second session.
 *
 * The owner's loop, for every operation that is not taken yet:
 *     pnd_kdp_tx_tick(tx, now);
 *     packet = pnd_kdp_tx_output(tx, now, &len), if there is one: send it
 *     wait for a datagram of the server until pnd_kdp_tx_deadline_us(tx)
 *     pnd_kdp_tx_datagram(tx, datagram, len, now)
 * The owner checks where a datagram comes from. PROTOCOL.md#kdp-1, #kdp-11. Freestanding. */
#ifndef PND_CLIENT_KDP_TX_H
#define PND_CLIENT_KDP_TX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/kdp.h"

enum pnd_kdp_tx_phase {
    PND_KDP_TX_WAIT = 0, /* a packet is in flight, or waits to be sent: nothing more is taken */
    PND_KDP_TX_READY,    /* takes bytes, a seek, or the end */
    PND_KDP_TX_DONE,     /* the server acknowledged EOF: it holds the dump */
    PND_KDP_TX_FAILED,   /* see err */
};

enum {
    /* No server delays its ACKs on purpose, so the floor is only what a busy scheduler needs:
     * every lost packet costs this much, and nothing else can be in flight meanwhile. */
    PND_KDP_TX_RTO_MIN_US = 10000,
    PND_KDP_TX_RTO_INITIAL_US = 1000000, /* RFC 6298 (2.1) */
    PND_KDP_TX_RTO_MAX_US = 3000000,     /* the pace of Apple's client, PROTOCOL.md#kdp-1.12 */
    /* Long enough to outlive a restart of the server: Apple's client waits 46.5 s. */
    PND_KDP_TX_PATIENCE_US = 50000000,
    PND_KDP_TX_MESSAGE_CAP = 128,
};

/* Numbers that are 0 get the default above. */
struct pnd_kdp_tx_config {
    const char *name;   /* as it goes out; copied */
    uint32_t features;  /* offered: enum pnd_kdp_feature; 0 means none */
    uint32_t block_max; /* bytes of file in one DATA; at most (and by default) 1406 */
    uint64_t rto_initial_us, rto_min_us, rto_max_us;
    uint64_t patience_us; /* for one packet, from its first transmission */
};

struct pnd_kdp_tx_stats {
    uint64_t packets;         /* transmissions of every kind */
    uint64_t retransmissions; /* of them, not the first of their packet */
    uint64_t data_bytes;      /* acknowledged in DATA */
    uint64_t seeks;
    uint64_t noise; /* datagrams that were not the answer waited for */
    uint64_t srtt_us;
};

struct pnd_kdp_tx {
    enum pnd_kdp_tx_phase phase;
    int err;            /* FAILED: PND_E_TIMEOUT, PND_E_REFUSED or PND_E_RANGE */
    uint32_t error;     /* PND_E_REFUSED: the code of the server's ERROR, enum pnd_kdp_error */
    enum pnd_kdp_op op; /* of the packet under construction or in flight */
    uint32_t block;     /* its number */
    uint32_t offered, granted;
    uint32_t block_max; /* asked for; after the grant, what is used */
    uint64_t offset;    /* file position behind all bytes and seeks taken */
    uint64_t rto_us, rto_min_us, rto_max_us, rttvar_us, patience_us;
    bool measured; /* there is a round-trip time */
    bool send_now;
    uint32_t transmissions;     /* of the packet in flight */
    uint64_t first_us, last_us; /* when it was sent first and last */
    struct pnd_kdp_tx_stats stats;
    size_t packet_len;
    char message[PND_KDP_TX_MESSAGE_CAP]; /* the ERROR's text, as it came: escape it, it is foreign
                                           */
    uint8_t packet[PND_KDP_HEADER_BYTES + PND_KDP_BLOCK_LARGE];
};

/* A new session whose WRQ waits to be sent.
 *   @return PND_OK; PND_E_NAME the name is empty or has PND_KDP_NAME_CAP bytes or more;
 *           PND_E_ARG block_max above 1406, unknown features, rto_min above rto_max, or a
 *           patience above 2^63 */
int pnd_kdp_tx_init(struct pnd_kdp_tx *tx, const struct pnd_kdp_tx_config *config);

/* File bytes for the current position. A block goes out when it is full, or before a seek and
 * before the end.
 *   @return how many of @p len were taken; 0 when the session is not READY */
size_t pnd_kdp_tx_write(struct pnd_kdp_tx *tx, const void *buf, size_t len);

/* May a SEEK to @p offset be sent? Without 64-bit seeks none beyond 4 GiB can: send zeros. */
bool pnd_kdp_tx_can_seek(const struct pnd_kdp_tx *tx, uint64_t offset);

/* The next byte goes to @p offset. A SEEK alone makes no server's file longer.
 *   @return false: not taken, ask again when READY (a block that was not full goes out first);
 *           an offset that pnd_kdp_tx_can_seek() denies ends the session with PND_E_RANGE */
bool pnd_kdp_tx_seek(struct pnd_kdp_tx *tx, uint64_t offset);

/* The end of the file; then wait for DONE.
 *   @return false: not taken, ask again when READY */
bool pnd_kdp_tx_eof(struct pnd_kdp_tx *tx);

/* A datagram that came from the server.
 *   @return true: it was the answer waited for, or an ERROR; false: noise, nothing changed */
bool pnd_kdp_tx_datagram(struct pnd_kdp_tx *tx, const void *dgram, size_t len, uint64_t now_us);

/* Time has passed: arms a retransmission, or ends the session with PND_E_TIMEOUT. */
void pnd_kdp_tx_tick(struct pnd_kdp_tx *tx, uint64_t now_us);

/* The packet to send now, or NULL. Asking counts as having sent it. It stays valid, unchanged,
 * until the session has its answer. */
const uint8_t *pnd_kdp_tx_output(struct pnd_kdp_tx *tx, uint64_t now_us, size_t *ret_len);

/* When to call pnd_kdp_tx_tick() at the latest; 0: something waits to be sent now;
 * UINT64_MAX: never. */
uint64_t pnd_kdp_tx_deadline_us(const struct pnd_kdp_tx *tx);

#endif
