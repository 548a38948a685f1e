/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A receiving session, whichever protocol it speaks (panicd/protocol.h): what slots, journal and
 * policy need to know of it. */
#ifndef PND_PANICD_SESSION_H
#define PND_PANICD_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "panicd/protocol.h"
#include "proto/ext_rx.h"
#include "proto/kdp_rx.h"
#include "proto/netdump_rx.h"
#include "proto/tftp_rx.h"

enum { PND_SESSION_SAVED_CAP = 120 }; /* saved_bytes of no protocol is more */

struct pnd_session {
    const struct pnd_protocol *protocol; /* NULL: of a slot that nobody has; it is NEW */
    union {
        struct pnd_kdp_rx kdp;
        struct pnd_ext_rx ext;
        struct pnd_netdump_rx netdump;
        struct pnd_tftp_rx tftp;
    };
};

/* A session that is NEW. */
void pnd_session_init(struct pnd_session *session, const struct pnd_protocol *protocol,
                      const struct pnd_rx_limits *limits);

/* As *ret = *session, without what is not in use. */
void pnd_session_copy(struct pnd_session *ret, const struct pnd_session *session);

enum pnd_rx_phase pnd_session_phase(const struct pnd_session *session);
const char *pnd_session_name(const struct pnd_session *session); /* as the sender gave it */
uint64_t pnd_session_end(const struct pnd_session *session);     /* one past the highest byte */
uint64_t pnd_session_total(const struct pnd_session *session); /* as its sender said; 0: did not */
uint64_t pnd_session_solid(const struct pnd_session *session); /* in the file, nothing missing */
uint64_t pnd_session_written(const struct pnd_session *session); /* the file is no shorter */
uint64_t pnd_session_bytes(const struct pnd_session *session);   /* of DATA */
uint64_t pnd_session_repeats(const struct pnd_session *session);
uint64_t pnd_session_packets(const struct pnd_session *session); /* at least, after a restart */
uint64_t pnd_session_last_ms(const struct pnd_session *session); /* when it was last heard */

/* Its dump is kept as incomplete, and its sender may come back. */
bool pnd_session_is_left(const struct pnd_session *session);

/* For the journal.
 *   @return of save: the length in bytes; of load: PND_OK; PND_E_SHORT, PND_E_FORMAT the bytes are
 *           no saved session of protocol @p id */
size_t pnd_session_save(const struct pnd_session *session, uint8_t ret[PND_SESSION_SAVED_CAP]);
int pnd_session_load(struct pnd_session *session, unsigned id, const struct pnd_rx_limits *limits,
                     const uint8_t *saved, size_t len, const char *name, uint64_t now_us);

#endif
