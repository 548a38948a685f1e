/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Logs with the names of their backtraces, as "panicctl log --symbols" writes them: one thread has
 * them made, one after the other, and keeps the latest, so that any number of viewers costs one
 * run. Who asks meanwhile is suspended, and asked again when it has ended. */
#ifndef PND_PANICWEB_SYMBOLIC_H
#define PND_PANICWEB_SYMBOLIC_H

#include "panicweb/runner.h"

enum {
    PND_SYMBOLIC_COUNT = 8,            /* logs that are kept, or wait to be made */
    PND_SYMBOLIC_BYTES_MAX = 17 << 20, /* of one: a log is at most 16 MiB, its names come to it */
    PND_SYMBOLIC_RUN_MS = 20000,       /* then a run is ended, and has found nothing */
    PND_SYMBOLIC_NAMED_MS = 600000,    /* so long one with names is good */
    PND_SYMBOLIC_UNNAMED_MS = 30000,   /* and so long nothing is looked for again */
};

struct pnd_symbolic;

/* Starts its thread. @param runner  borrowed */
int pnd_symbolic_start(const struct pnd_runner *runner, struct pnd_symbolic **ret,
                       struct pnd_why *why);

/* Everybody who waits goes on, without names. Before MHD_stop_daemon(). NULL is fine. */
void pnd_symbolic_stop(struct pnd_symbolic *symbolic);
void pnd_symbolic_destroy(struct pnd_symbolic *symbolic); /* NULL is fine */

/* Answers with the log of the dump @p id that was received at @p received_ms, or suspends the
 * request, whose handler is called once more then, or says that too many wait.
 *   @return false: there are no names, and nothing was answered */
bool pnd_symbolic_answer(const struct pnd_request *request, uint64_t id, int64_t received_ms,
                         enum MHD_Result *ret);

#endif
