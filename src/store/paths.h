/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Directories beneath the spool in which senders would like their dumps. The dump stays a file of
 * the spool itself; PATH/FILE is a relative link to it:
 *   FILE                      the dump, under its last name
 *   PATH/FILE                 -> ../FILE, with one "../" for each component of PATH
 *   .panicd/paths/FILE        -> PATH: what there is to take away when FILE goes; made first
 * Nothing on the way is followed but directories. Every call may run on any thread and beside
 * another process's; none allocates. @source PROTOCOL.md#netdump-4 */
#ifndef PND_STORE_PATHS_H
#define PND_STORE_PATHS_H

#include "store/spool.h"

enum {
    PND_PATHS_PATH_CAP = 129, /* of a clean path, with its NUL */
    PND_PATHS_DEPTH_MAX = 8,  /* components */
    PND_PATHS_TRIES_MAX = 16, /* for directories that others remove at the same time */
};

/* A path that a sender gave. Empty components and "." are dropped, what is none of
 * [A-Za-z0-9._+,:@=-], and a '-' at the start of a component, becomes '_'.
 *   @param ret  "" when there is nothing in it
 *   @return PND_OK; PND_E_NAME it is absolute, too long or too deep, a component of it is hidden or
 *           "..", or ends like a file that belongs to a dump, or its first could be a file of
 *           store/savecore.h */
int pnd_paths_clean(const char *path, char ret[PND_PATHS_PATH_CAP], struct pnd_why *why);

/* PATH/FILE for a dump that will not be renamed any more, durable on return; one that it has
 * elsewhere goes.
 *   @param path  clean, not ""
 *   @return PND_OK; PND_E_NOTFOUND the dump is gone; PND_E_NAME @p path is not clean;
 *           PND_E_EXISTS something else has one of the names, a link among the components included;
 *           PND_E_BUSY others do not cease to remove the directory; PND_E_NOSPACE; PND_E_SYS.
 *           After an error there is none of it */
int pnd_paths_place(const struct pnd_spool *spool, const char *file, const char *path,
                    struct pnd_why *why);

/* The link to @p file goes, if there is one, and the directories that are empty then.
 * @return PND_OK, also when there was none; PND_E_SYS */
int pnd_paths_remove(const struct pnd_spool *spool, const char *file, struct pnd_why *why);

/* The links of dumps that are gone go. For the start of a server. */
void pnd_paths_sweep(const struct pnd_spool *spool);

#endif
