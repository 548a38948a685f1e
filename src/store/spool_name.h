/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Names of files in the spool: for the store alone. */
#ifndef PND_STORE_SPOOL_NAME_H
#define PND_STORE_SPOOL_NAME_H

#include "store/spool.h"

/* NAME+from -> NAME+to, never over a file that is there: then ".1", ".2" ... as in
 * pnd_spool_pick(). A NAME that would be too long with @p to is cut.
 *   @param from, to  "", ".part" or ".incomplete"
 *   @param name      in: NAME; out: the new name, with @p to
 *   @return PND_OK; PND_E_EXISTS; PND_E_NOSPACE; PND_E_SYS (nothing was renamed) */
int pnd_spool_rename(const struct pnd_spool *spool, char name[PND_SPOOL_NAME_CAP], const char *from,
                     const char *to, struct pnd_why *why);

/* One of the bytes that pnd_spool_name_safe() lets through? */
bool pnd_spool_char_safe(char c);

/* One name within a directory, never over a file that is there. @return 0; -1 and errno */
int pnd_spool_rename_noreplace(int dir_fd, const char *from, const char *to);

#endif
