/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What panicctl does for the page. A process of its own, forked before anything else is there,
 * starts it: the one that speaks HTTP can start nothing. It takes a verb of a fixed table and a
 * number, and nothing else. It reads and executes, and writes nowhere (Landlock), and what it
 * starts does neither. */
#ifndef PND_PANICWEB_RUNNER_H
#define PND_PANICWEB_RUNNER_H

#include "panicweb/web.h"

enum pnd_run_verb {
    PND_RUN_PACK, /* panicctl pack ID -o - */
    PND_RUN_LOG,  /* panicctl log ID --symbols DIRECTORY, where one was given at the start */
    PND_RUN_VERBS,
};

enum pnd_run_end {
    PND_RUN_GOES_ON,
    PND_RUN_WELL,
    PND_RUN_BADLY, /* what came is not whole, or nothing; panicctl has said why on standard error */
};

struct pnd_runner;

/* A panicctl that runs. */
struct pnd_run {
    int out_fd;    /* what it writes; does not block */
    int status_fd; /* can be read when it has ended */
};

/* Forks; before any thread. panicctl is the one that stands beside this program, or in a build
 * directory in its neighbour's.
 *   @param symbols  the directory in which PND_RUN_LOG looks; borrowed; NULL: none
 *   @return PND_OK; PND_E_NOTFOUND there is none: nothing can be run; PND_E_SYS */
int pnd_runner_start(const struct pnd_spool *spool, const char *symbols, struct pnd_runner **ret,
                     struct pnd_why *why);

/* Whatever runs ends, and it does. NULL is fine. */
void pnd_runner_stop(struct pnd_runner *runner);

/* From any thread. Of no more runs than PND_WEB_ZIPS_MAX and PND_WEB_NAMINGS_MAX together; one too
 * many ends at once, badly. Closed by pnd_run_close().
 *   @return PND_OK; PND_E_SYS errno says why */
int pnd_runner_begin(const struct pnd_runner *runner, enum pnd_run_verb verb, uint64_t id,
                     struct pnd_run *ret);

/* How it went; to be asked when all of its output has been read. Says so once. */
enum pnd_run_end pnd_run_ended(const struct pnd_run *run);

/* Kills it, if it still runs. */
void pnd_run_close(struct pnd_run *run);

#endif
