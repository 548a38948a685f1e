/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The beginning of a dump whose sender knows the extension: a write request that offers it, and,
 * when the server grants it, OPEN. A server that does not know it leads to PLAIN: its answer is
 * that of Apple's protocol. No I/O. PROTOCOL.md#kdp-12.1, #kdp-12.2. Freestanding. */
#ifndef PND_CLIENT_GREET_H
#define PND_CLIENT_GREET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/ext.h"

enum pnd_greet_phase {
    PND_GREET_ASK = 0, /* the WRQ waits for its answer */
    PND_GREET_OPEN,    /* OPEN does */
    PND_GREET_OPENED,  /* see opened */
    PND_GREET_PLAIN,   /* the server's last datagram was an answer in the manner of Apple's */
    PND_GREET_TIMEOUT, /* nobody answered */
};

enum {
    PND_GREET_PACKET_CAP = PND_EXT_OPEN_BYTES + PND_KDP_NAME_CAP,
    PND_GREET_MESSAGE_CAP = 128,
};

struct pnd_greet_config {
    const char *name;      /* 1 to 255 bytes; copied */
    const char *open_name; /* in OPEN; likewise, or NULL: the same */
    uint32_t block_max;
    uint32_t dgram_max;
    uint8_t id[PND_EXT_ID_BYTES];
    bool resume; /* what the server has of this id may stay */
    uint64_t rto_initial_us, rto_max_us, patience_us;
};

struct pnd_greet {
    enum pnd_greet_phase phase;
    struct pnd_greet_config config; /* the names: in the struct */
    bool plain;                     /* the extension is offered no more */
    bool fresh;                     /* OPEN says so */
    bool send_now;
    unsigned transmissions; /* of the packet that waits for its answer */
    unsigned vain;          /* how often OPEN was repeated in vain, in rows */
    uint64_t first_us, last_us, rto_us;
    uint64_t asked_us; /* the first transmission of all */
    uint64_t rtt_us;   /* of the last packet that was answered at once; 0: none was */
    uint32_t packets, retransmissions;
    uint8_t cookie[PND_EXT_COOKIE_BYTES];
    struct pnd_ext_opened opened;
    char name[PND_KDP_NAME_CAP], open_name[PND_KDP_NAME_CAP];
    uint8_t packet[PND_GREET_PACKET_CAP];
};

/*   @return PND_OK; PND_E_NAME the name is empty or too long */
int pnd_greet_init(struct pnd_greet *greet, const struct pnd_greet_config *config);

/* A datagram of the server. @return true: it was an answer; in PLAIN, the one to be understood in
 * the manner of Apple's */
bool pnd_greet_datagram(struct pnd_greet *greet, const void *dgram, size_t len, uint64_t now_us);

void pnd_greet_tick(struct pnd_greet *greet, uint64_t now_us);

/* The packet to send now, or NULL. Valid until the next call but this. */
const uint8_t *pnd_greet_output(struct pnd_greet *greet, uint64_t now_us, size_t *ret_len);

/* As pnd_kdp_tx_deadline_us(). */
uint64_t pnd_greet_deadline_us(const struct pnd_greet *greet);

#endif
