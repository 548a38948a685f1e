/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What the parts of the blocking client (dump.c, dump_kdp.c, dump_ext.c, dump_netdump.c) share: one
 * dump, over Apple's protocol, over the extension, or over FreeBSD's netdump. */
#ifndef PND_CLIENT_DUMP_PARTS_H
#define PND_CLIENT_DUMP_PARTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/ext_tx.h"
#include "client/greet.h"
#include "client/kdp_tx.h"
#include "panicd/client.h"

enum {
    /* A hole costs one packet and cuts one block short; shorter runs are cheaper as data. */
    PND_DUMP_HOLE_MIN = 4096,
    /* Receives in one wait without the clock moving: the clock, or the link, is broken. */
    PND_DUMP_STILL_MAX = 1000000,
    PND_DUMP_RX_CAP = PND_KDP_HEADER_BYTES + PND_KDP_TX_MESSAGE_CAP,
};

/* What stands at the beginning of the caller's window; behind it is the session's. */
struct pnd_dump_window {
    uint8_t rx[(PND_EXT_ACK_CAP + 7) / 8 * 8];
    uint8_t tx[PND_EXT_TX_DGRAM_START]; /* one datagram, for a link without send_many */
    struct pnd_datagram packets[PND_EXT_TX_PACKETS_CAP];
};

struct pnd_dump {
    struct pnd_link link;
    struct pnd_endpoint peer; /* where packets go, and answers come from */
    bool peer_known;          /* false until the answer to the WRQ told its port */
    bool extended;            /* it goes over the extension */
    bool finished;
    int err;       /* the first one: every later call returns it */
    uint64_t hole; /* zeros behind what the session took that it was not told yet */
    uint64_t skipped;
    pnd_client_progress *progress;
    void *progress_ctx;
    uint64_t progress_us, progress_next_us;
    const struct pnd_client_extension *extension; /* it goes through that; NULL: Apple's protocol */
    struct pnd_dump_window *window;               /* NULL: Apple's protocol only */
    void *memory;                                 /* what is behind it */
    size_t memory_bytes;
    uint64_t resume_offset, resume_sum;       /* of what the server held when it was opened */
    uint64_t again, again_sum;                /* of it, what was given again, and its sum */
    uint64_t noise, packets, retransmissions; /* before the session began */
    union {
        struct pnd_kdp_tx kdp;
        struct pnd_ext_tx ext;
    } tx;
};

uint64_t pnd_dump_now_us(const struct pnd_dump *d);

/* Tells the caller, if it is time. */
void pnd_dump_report(struct pnd_dump *d, uint64_t now_us);

/* Is a datagram from the server? Which port that is, its first answer tells: _heard. */
bool pnd_dump_is_peer(struct pnd_dump *d, struct pnd_endpoint from);
void pnd_dump_heard(struct pnd_dump *d, struct pnd_endpoint from);

/* For each protocol: all return PND_OK or the error, which is then d->err as well. */
int pnd_dump_kdp_open(struct pnd_dump *d); /* whose tx.kdp is new */
int pnd_dump_kdp_write(struct pnd_dump *d, const uint8_t *at, size_t len);
int pnd_dump_kdp_hole(struct pnd_dump *d, bool is_end);
int pnd_dump_kdp_finish(struct pnd_dump *d);

/* The same over the extension, or over netdump, which dump.c calls through this alone: without it
 * nothing of them is linked. What a server holds already of a resumed dump is summed in there
 * instead of sent. open      sets d->extension, or goes over Apple's protocol; the window may be
 * missing poll      what can be done without waiting hole      sends d->hole, which is 0 then
 *   position  how many bytes were taken, without the hole at the end
 *   stop      builds the packet that says that no more comes. @return its length, 0: there is none
 */
struct pnd_client_extension {
    int (*open)(struct pnd_dump *d, const struct pnd_client_config *config,
                const struct pnd_kdp_tx_config *plain);
    int (*write)(struct pnd_dump *d, const uint8_t *at, size_t len);
    int (*poll)(struct pnd_dump *d);
    int (*hole)(struct pnd_dump *d);
    int (*finish)(struct pnd_dump *d);
    uint64_t (*position)(const struct pnd_dump *d);
    int (*stop)(const struct pnd_dump *d, void *buf, size_t cap, const char *why);
};

#endif
