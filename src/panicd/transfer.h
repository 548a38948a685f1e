/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a session asks for, done: policy, file, journal, reply - in that order. A session's
 * functions work on a copy (`next`), which becomes the slot's with the reply; a failed action
 * throws it away. */
#ifndef PND_PANICD_TRANSFER_H
#define PND_PANICD_TRANSFER_H

#include "panicd/policy.h"
#include "panicd/server.h"

/* How one action ended: what the sender is to be told, if it failed. */
struct pnd_outcome {
    int err;    /* PND_OK: nothing else counts */
    bool final; /* waiting will not help */
    enum pnd_refusal refusal;
    const char *message;
};

/* Runs @p actions and, if all of them work, makes @p next the slot's session, journals it, and
 * sends the reply to @p from. @return whether it did */
bool pnd_transfer_run(struct pnd_server *server, struct pnd_slot *slot,
                      const struct pnd_session *next, const struct pnd_actions *actions,
                      const struct pnd_origin *from);

/* An action failed: the session stays where it was, and says what the sender hears. */
void pnd_transfer_fail(struct pnd_server *server, struct pnd_slot *slot,
                       const struct pnd_outcome *outcome, const struct pnd_origin *from);

/* The ACKs that waited for the slot's disk leave, if any did. */
void pnd_transfer_ack(struct pnd_server *server, struct pnd_slot *slot);

/* The slot's file, made if there is none yet. */
struct pnd_outcome pnd_transfer_open_file(struct pnd_server *server, struct pnd_slot *slot);

/* data[0, len) at @p offset. Policy leases the room that @p next needs. */
struct pnd_outcome pnd_transfer_write(struct pnd_server *server, struct pnd_slot *slot,
                                      const struct pnd_session *next, const void *data, size_t len,
                                      uint64_t offset);

/* Bytes of what lies beside the slot's dump. */
struct pnd_outcome pnd_transfer_write_beside(struct pnd_server *server, struct pnd_slot *slot,
                                             const struct pnd_action *write);

/* Fills in @p job for the slot's file, of which @p session knows what came; but for slot and
 * generation. The file is the job's from then on. */
void pnd_transfer_fill_job(struct pnd_slot *slot, const struct pnd_session *session,
                           enum pnd_job_kind kind, const char *why, struct pnd_job *job);

/* The slot's file is given up: ABANDON keeps it as incomplete, DISCARD is for an opening that never
 * got a byte. Without a free job it stays as it is, and the next start finds it. */
void pnd_transfer_let_go(struct pnd_server *server, struct pnd_slot *slot, enum pnd_job_kind kind,
                         const char *why);

/* The end of a slot's turn: what was released, or never became anything, is free again. */
void pnd_transfer_settle(struct pnd_server *server, struct pnd_slot *slot);

/* The sender hears why not, if its protocol has a word for it, and the log does. */
void pnd_transfer_refuse(struct pnd_server *server, const struct pnd_origin *from,
                         enum pnd_rule rule);

void pnd_transfer_log(const char *event, const struct pnd_dump *dump);

#endif
