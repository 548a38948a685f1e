/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The thread that checks dumps after they have ended: SHA-256, format, verdict, each in a
 * sandboxed child, one at a time, far from the packets. The catalog is its queue: it takes the
 * rows that are not checked yet, so that a restart forgets none. It also adds up what is kept,
 * for the policy. */
#ifndef PND_PANICD_CHECKER_H
#define PND_PANICD_CHECKER_H

#include <stdbool.h>
#include <stdint.h>

#include "host/why.h"
#include "panicd/peer.h"
#include "store/catalog_facts.h"
#include "store/spool.h"

struct pnd_checker;

int pnd_checker_start(const struct pnd_spool *spool, struct pnd_checker **ret, struct pnd_why *why);

/* Ends the check that is running; it starts anew next time. NULL is fine. */
void pnd_checker_stop(struct pnd_checker *checker);

/* There may be rows to check. Cheap; any thread. */
void pnd_checker_wake(struct pnd_checker *checker);

/* Readable when pnd_checker_next() has something. */
int pnd_checker_fd(const struct pnd_checker *checker);

/* A row that got its verdict, and the group that it belongs to, itself counted; an empty one when
 * nothing says why its machine died. */
struct pnd_checker_verdict {
    struct pnd_dump dump;
    struct pnd_group group;
};

/* The next one. @return false: none */
bool pnd_checker_next(struct pnd_checker *checker, struct pnd_checker_verdict *ret);

/* Bytes kept: in all, and of one source. At most PND_CHECKER_USAGE_S seconds old. */
enum { PND_CHECKER_USAGE_S = 10 };

void pnd_checker_usage(struct pnd_checker *checker, const struct pnd_addr *source,
                       uint64_t *ret_source, uint64_t *ret_total);

/* Dumps that wait for a check, the one under way included. */
unsigned pnd_checker_pending(struct pnd_checker *checker);

#endif
