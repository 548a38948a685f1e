/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The thread that makes dumps durable, so that the network thread never waits for a disk. Jobs
 * run in the order they were submitted; those that wait together share one directory sync and
 * one catalog transaction. The pool of jobs is made at the start. */
#ifndef PND_PANICD_KEEPER_H
#define PND_PANICD_KEEPER_H

#include <stdbool.h>
#include <stdint.h>

#include "host/why.h"
#include "store/catalog.h"
#include "store/import.h"
#include "store/spool.h"

enum pnd_job_kind {
    PND_JOB_WRITE_BACK, /* start writing [from, to) of fd to the disk */
    PND_JOB_FINISH,     /* `to` bytes long, fsync, rename, catalog row; closes fd */
    PND_JOB_ABANDON,    /* the same under NAME.incomplete; fd may be -1 */
    PND_JOB_DISCARD,    /* an opened file that never got data: remove it; closes fd */
    PND_JOB_RESUME, /* dump.id's NAME.incomplete, of at least `from` bytes and not changed since,
                     * becomes NAME.part of at most `to`, and its row goes; fd: NAME.part's,
                     * the submitter's if result is PND_OK; dump.file: NAME */
    PND_JOB_IMPORT, /* the hidden file gets its name and its row: store/import.h; fd -1 */
};

struct pnd_job {
    struct pnd_job *next;
    enum pnd_job_kind kind;
    uint32_t slot; /* PND_SLOT_NONE: nobody waits for the result */
    uint64_t generation;
    int fd;
    uint64_t from, to;
    bool grows;           /* FINISH: zeros at the end of the dump may not have been written */
    bool companions;      /* FINISH, ABANDON, DISCARD: there may be files beside the dump */
    unsigned beside;      /* FINISH: bits 1 << enum pnd_beside of those that there must be */
    bool kept_again;      /* RESUME, out: it failed late, and the dump is incomplete again */
    struct pnd_dump dump; /* FINISH, ABANDON: file is the name as picked; out: as it is now */
    char staged[PND_IMPORT_STAGED_CAP]; /* IMPORT; generation: of the client that asked */
    int result;                         /* PND_OK, or why it is not durable */
    struct pnd_why why;
};

struct pnd_keeper;

/* Opens the catalog (creating it: @p ret_fresh), starts no thread yet. */
int pnd_keeper_create(const struct pnd_spool *spool, uint32_t jobs, struct pnd_keeper **ret,
                      bool *ret_fresh, struct pnd_why *why);
int pnd_keeper_start(struct pnd_keeper *keeper, struct pnd_why *why);

/* Ends the thread once every submitted job has run; their results can still be taken. */
void pnd_keeper_stop(struct pnd_keeper *keeper);

/* Stops, and frees. NULL is fine. */
void pnd_keeper_destroy(struct pnd_keeper *keeper);

/* @return a cleared job with fd -1, or NULL when all are under way */
struct pnd_job *pnd_keeper_job(struct pnd_keeper *keeper);
bool pnd_keeper_has_job(const struct pnd_keeper *keeper);
unsigned pnd_keeper_under_way(const struct pnd_keeper *keeper); /* jobs taken, and not recycled */
void pnd_keeper_submit(struct pnd_keeper *keeper, struct pnd_job *job);

/* Runs one job here and now: only before pnd_keeper_start(). */
void pnd_keeper_run(struct pnd_keeper *keeper, struct pnd_job *job);

/* Readable when pnd_keeper_done() has something. */
int pnd_keeper_fd(const struct pnd_keeper *keeper);
struct pnd_job *pnd_keeper_done(struct pnd_keeper *keeper); /* NULL: no more */
void pnd_keeper_recycle(struct pnd_keeper *keeper, struct pnd_job *job);

/* For the start-up, before pnd_keeper_start(): the handle that the thread will own. */
struct pnd_catalog *pnd_keeper_catalog(struct pnd_keeper *keeper);

#endif
