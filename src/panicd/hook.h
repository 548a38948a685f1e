/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A program of the site's that is called for a dump, as FreeBSD's netdumpd calls its script
 * (PROTOCOL.md#netdump-11): reason, address, host, path of the info, path of the dump; in the
 * directory, with an empty environment (host/run.h); what it prints is logged. A call that is
 * queued lies in .panicd/hook-ID until it has ended: a server that starts finds it, so it is made
 * at least once. When that file cannot be removed, this server makes no other call: it would be the
 * same one without end. One thread looks after all of them. */
#ifndef PND_PANICD_HOOK_H
#define PND_PANICD_HOOK_H

#include <stdint.h>

#include "host/why.h"
#include "store/spool.h"

enum {
    PND_HOOK_RUNNING_MAX = 4,    /* at a time; the rest wait on the disk, the lowest id first */
    PND_HOOK_FILES_MAX = 100000, /* entries of .panicd that are looked at */
};

struct pnd_hook;

/* What one call is about. */
struct pnd_hook_call {
    uint64_t id; /* of the dump; a later call for it takes the place of one that waits */
    char reason[16], address[64], host[64];
    char info[PND_SPOOL_NAME_CAP]; /* files of the directory; info "": there is none, and the */
    char core[PND_SPOOL_NAME_CAP]; /* argument is empty */
};

/* Calls that an earlier server has left are made at once.
 *   @param program     an absolute path; outlives the hook
 *   @param patience_ms  how long one call may take
 *   @return PND_OK; PND_E_SYS */
int pnd_hook_start(const struct pnd_spool *spool, const char *program, uint64_t patience_ms,
                   struct pnd_hook **ret, struct pnd_why *why);

/* Ends what runs; it is called again by the next server. NULL is fine. */
void pnd_hook_stop(struct pnd_hook *hook);

/* The call is on the disk when this returns, and made after pnd_hook_go(), so that the caller can
 * do in between what the program may ask about. One thread. @return PND_OK; PND_E_NOSPACE;
 * PND_E_SYS
 */
int pnd_hook_queue(struct pnd_hook *hook, const struct pnd_hook_call *call, struct pnd_why *why);
void pnd_hook_go(struct pnd_hook *hook); /* NULL is fine */

/* @return calls that are queued or run, as they were seen last; 0 for NULL */
unsigned pnd_hook_waiting(struct pnd_hook *hook);

/* No hook is wanted any more: what an earlier server has left is forgotten. */
void pnd_hook_forget(const struct pnd_spool *spool);

#endif
