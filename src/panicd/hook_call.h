/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A call of the hook as it lies on the disk, .panicd/hook-ID, and as a process: for hook.c. */
#ifndef PND_PANICD_HOOK_CALL_H
#define PND_PANICD_HOOK_CALL_H

#include <stdbool.h>
#include <sys/types.h>

#include "host/run.h"
#include "panicd/hook.h"

/* Durable on return. @return PND_OK; PND_E_NOSPACE; PND_E_SYS (nothing was changed) */
int pnd_hook_call_write(const struct pnd_spool *spool, const struct pnd_hook_call *call,
                        struct pnd_why *why);

/* @param ret_file  which file it was
 * @return PND_OK; PND_E_NOTFOUND it is gone; PND_E_FORMAT; PND_E_SYS */
int pnd_hook_call_read(const struct pnd_spool *spool, uint64_t id, struct pnd_hook_call *ret,
                       ino_t *ret_file, struct pnd_why *why);

/* If it is still @p file; 0: whichever it is. @return PND_OK; PND_E_SYS it is still there */
int pnd_hook_call_drop(const struct pnd_spool *spool, uint64_t id, ino_t file, struct pnd_why *why);

/* The lowest id of those that wait and are not @p busy. @return false: none */
bool pnd_hook_call_next(const struct pnd_spool *spool, bool (*busy)(uint64_t id, void *ctx),
                        void *ctx, uint64_t *ret);

/* @return how many there are, at most PND_HOOK_FILES_MAX */
unsigned pnd_hook_call_count(const struct pnd_spool *spool);

/* Starts the program, which is told of in the terms of host/run.h.
 *   @return PND_OK; PND_E_NOTFOUND the dump is not there any more; PND_E_SYS */
int pnd_hook_call_start(const struct pnd_spool *spool, const char *program,
                        const struct pnd_hook_call *call, uint64_t patience_ms,
                        void (*say)(const char *line, size_t len, void *ctx), void *ctx,
                        struct pnd_run *ret, struct pnd_why *why);

#endif
