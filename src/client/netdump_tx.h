/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The sending side of one dump over FreeBSD's netdump, without I/O: bytes of the dump, datagrams
 * and a time go in, packets come out. As FreeBSD's client does, it sends packets together and waits
 * for all of them; unlike it, it never sends more than 32 of them, so that no two share an
 * acknowledgement with any server, and measures its retransmission time. All state is in the struct
 * and the memory that it was lent.
 *
 * The owner's loop, for every operation that is not taken yet:
 *     pnd_netdump_tx_tick(tx, now);
 *     while (pnd_netdump_tx_output(tx, now, &packet)): send it
 *     wait for a datagram of the server until pnd_netdump_tx_deadline_us(tx)
 *     pnd_netdump_tx_datagram(tx, datagram, len, now)
 * The owner checks where a datagram comes from. PROTOCOL.md#netdump-10. Freestanding. */
#ifndef PND_CLIENT_NETDUMP_TX_H
#define PND_CLIENT_NETDUMP_TX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/kdp_tx.h"
#include "panicd/client.h"
#include "wire/netdump.h"

enum pnd_netdump_tx_phase {
    PND_NETDUMP_TX_WAIT = 0, /* packets are on their way, or wait to be: nothing more is taken */
    PND_NETDUMP_TX_READY,    /* takes bytes, an object, or the end */
    PND_NETDUMP_TX_DONE,     /* the server acknowledged FINISHED: it holds the dump */
    PND_NETDUMP_TX_FAILED,   /* see err */
};

enum {
    PND_NETDUMP_TX_PACKETS = 32, /* of a send at most: as many as have an ACK each, #netdump-8 */
    PND_NETDUMP_TX_UNIT_MIN = 512,
    PND_NETDUMP_TX_UNIT_MAX = 8948, /* of an MTU of 9000 */
    PND_NETDUMP_TX_UNIT = 1448,     /* of one of 1500 */
    PND_NETDUMP_TX_RTO_MIN_US = 10000,
    PND_NETDUMP_TX_RTO_INITIAL_US = 1000000, /* the pace of FreeBSD's client, #netdump-3 */
    PND_NETDUMP_TX_RTO_MAX_US = 1000000,
    PND_NETDUMP_TX_PATIENCE_US = 50000000, /* FreeBSD's has 12 s; as PND_KDP_TX_PATIENCE_US */
};

/* Numbers that are 0 get the default above. */
struct pnd_netdump_tx_config {
    const char *path;    /* for the herald; NULL or "": none. Outlives the herald */
    uint32_t unit;       /* the longest payload; a little less of it may be used */
    void *memory;        /* in use until the session ends */
    size_t memory_bytes; /* at least PND_NETDUMP_BLOCK_BYTES */
    uint64_t rto_initial_us, rto_min_us, rto_max_us;
    uint64_t patience_us; /* without an acknowledgement of anything new */
};

struct pnd_netdump_tx {
    struct pnd_kdp_tx_stats stats; /* without seeks; data_bytes without padding, srtt_us of sends */
    enum pnd_netdump_tx_phase phase;
    int err; /* FAILED: PND_E_TIMEOUT, PND_E_RANGE 2^32 packets, PND_E_ARG an object too large */
    /* The send under way: packets [base, base + count) with bytes[0, len) for offset. Bit i of a
     * map is packet base + i. */
    enum pnd_netdump_type type;
    const uint8_t *bytes;
    size_t len;
    uint64_t offset;
    uint32_t base, count;
    uint32_t due, sent, again, acked; /* to be transmitted now; transmitted; more than once; held */
    uint64_t first_us, last_us;       /* when something of it was sent first and last */
    uint64_t once_us;                 /* when the last ACK of one came that was transmitted once */
    uint64_t heard_us;                /* when an ACK brought something new, or the send began */
    uint8_t *memory;
    size_t cap, held; /* cap: of the dump, what is sent at a time; held: of that, taken so far */
    uint64_t taken;   /* of the dump, all in all */
    uint32_t unit;
    uint64_t rto_us, rto_min_us, rto_max_us, rttvar_us, patience_us;
    bool measured; /* there is a round-trip time */
};

/* A new session whose herald waits to be sent.
 *   @return PND_OK; PND_E_NAME a path longer than a packet, absolute, or with a component "..";
 *           PND_E_ARG a unit or memory out of its bounds, rto_min above rto_max, or a patience
 *           above 2^63 */
int pnd_netdump_tx_init(struct pnd_netdump_tx *tx, const struct pnd_netdump_tx_config *config);

/* Bytes of the dump, in their order. They go out when the memory is full, and before an object.
 *   @return how many of @p len were taken; 0 when the session is not READY */
size_t pnd_netdump_tx_write(struct pnd_netdump_tx *tx, const void *buf, size_t len);

/* The key or the header, whole, before all bytes of the dump or behind them; or the end, which has
 * no bytes: then wait for DONE. What was taken of the dump goes out before, with zeros up to a
 * whole block.
 *   @param bytes  used until the session is READY again; @p len at most what fits
 *                 PND_NETDUMP_TX_PACKETS packets, else the session ends with PND_E_ARG
 *   @return false: not taken, ask again when READY */
bool pnd_netdump_tx_object(struct pnd_netdump_tx *tx, enum pnd_netdump_type type, const void *bytes,
                           size_t len);

/* A datagram that came from the server.
 *   @return true: it acknowledged something that was not; false: noise, nothing changed */
bool pnd_netdump_tx_datagram(struct pnd_netdump_tx *tx, const void *dgram, size_t len,
                             uint64_t now_us);

/* Time has passed: arms retransmissions, or ends the session with PND_E_TIMEOUT. */
void pnd_netdump_tx_tick(struct pnd_netdump_tx *tx, uint64_t now_us);

/* The next packet to send now; asking counts as having sent it. Its payload stays as it is until
 * the session is READY again.
 *   @return false: there is none */
bool pnd_netdump_tx_output(struct pnd_netdump_tx *tx, uint64_t now_us, struct pnd_datagram *ret);

/* When to call pnd_netdump_tx_tick() at the latest; 0: something waits to be sent now;
 * UINT64_MAX: never. */
uint64_t pnd_netdump_tx_deadline_us(const struct pnd_netdump_tx *tx);

#endif
