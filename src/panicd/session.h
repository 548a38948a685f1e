/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A receiving session, whichever protocol it speaks: what slots, journal and policy need to know of
 * it. Which one it is, the first packet says. */
#ifndef PND_PANICD_SESSION_H
#define PND_PANICD_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/ext_rx.h"
#include "proto/kdp_rx.h"

enum pnd_protocol {
    PND_PROTOCOL_KDP, /* as Apple's client speaks it */
    PND_PROTOCOL_EXT, /* with the extension */
};

enum { PND_SESSION_SAVED_CAP = PND_EXT_RX_SAVED_BYTES };

struct pnd_session {
    enum pnd_protocol protocol;
    union {
        struct pnd_kdp_rx kdp;
        struct pnd_ext_rx ext;
    };
};

/* A session that is NEW. */
void pnd_session_init(struct pnd_session *session, enum pnd_protocol protocol,
                      const struct pnd_rx_limits *limits);

/* As *ret = *session, without the ranges that are not in use. */
void pnd_session_copy(struct pnd_session *ret, const struct pnd_session *session);

enum pnd_rx_phase pnd_session_phase(const struct pnd_session *session);
const char *pnd_session_name(const struct pnd_session *session); /* as the sender gave it */
uint64_t pnd_session_end(const struct pnd_session *session);     /* one past the highest byte */
uint64_t pnd_session_solid(const struct pnd_session *session);   /* in the file, nothing missing */
uint64_t pnd_session_written(const struct pnd_session *session); /* the file is no shorter */
uint64_t pnd_session_bytes(const struct pnd_session *session);   /* of DATA */
uint64_t pnd_session_repeats(const struct pnd_session *session);
uint64_t pnd_session_packets(const struct pnd_session *session);     /* at least, after a restart */
uint64_t pnd_session_last_ms(const struct pnd_session *session);     /* when it was last heard */
const char *pnd_session_protocol(const struct pnd_session *session); /* for people: "kdp" */

/* May a sender that begins anew, in whatever protocol, take this session's place? None that makes
 * progress, or is just being kept, goes. */
bool pnd_session_may_go(const struct pnd_session *session, uint64_t now_us);

/* As the functions of the same names in proto/kdp_rx.h. */
void pnd_session_tick(struct pnd_session *session, uint64_t now_us, struct pnd_actions *ret);
uint64_t pnd_session_deadline_ms(const struct pnd_session *session);
void pnd_session_refuse_write(struct pnd_session *session, uint64_t now_us, bool final,
                              enum pnd_refusal refusal, const char *message,
                              struct pnd_actions *ret);
void pnd_session_finished(struct pnd_session *session, bool durable, uint64_t now_us,
                          struct pnd_actions *ret);

/* Its dump is kept as incomplete, and its sender may come back. */
bool pnd_session_is_left(const struct pnd_session *session);

/* For the journal; which protocol it is, the length tells.
 *   @return of save: the length in bytes; of load: PND_OK; PND_E_SHORT, PND_E_FORMAT the bytes are
 *           no saved session */
size_t pnd_session_save(const struct pnd_session *session, uint8_t ret[PND_SESSION_SAVED_CAP]);
int pnd_session_load(struct pnd_session *session, const struct pnd_rx_limits *limits,
                     const uint8_t *saved, size_t len, const char *name, uint64_t now_us);

#endif
