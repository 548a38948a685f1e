/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A file that is written before it has its name: whoever looks finds it whole or not at all. It
 * has no name at all until then where the file system can do that, so that nothing is left behind
 * by a kill; elsewhere a hidden one. */
#ifndef PND_PANICCTL_STAGE_H
#define PND_PANICCTL_STAGE_H

#include <stdbool.h>

#include "host/why.h"

enum { PND_STAGE_NAME_CAP = 64 };

struct pnd_stage {
    int dir_fd;                    /* the caller's */
    int fd;                        /* read and write; of 0600, with flock() on it */
    char temp[PND_STAGE_NAME_CAP]; /* hidden name in the directory; "": none */
};

/* @param prefix  of the hidden name: begins with a full stop. After an error only fd is -1.
 *   @return PND_OK; PND_E_NOSPACE; PND_E_SYS */
int pnd_stage_open(struct pnd_stage *ret, int dir_fd, const char *prefix, struct pnd_why *why);

/* Takes the open file @p fd for a staged one: a hidden name in @p dir_fd of what has one elsewhere
 * on the file system. fd becomes the stage's. @return PND_OK; PND_E_SYS (EXDEV: elsewhere) */
int pnd_stage_link(struct pnd_stage *ret, int dir_fd, int fd, const char *prefix,
                   struct pnd_why *why);

/* Gives it its hidden name, if it has none. @return PND_OK; PND_E_NOSPACE; PND_E_SYS */
int pnd_stage_hide(struct pnd_stage *stage, const char *prefix, struct pnd_why *why);

/* fsync, its own name, fsync of the directory. @p replace: also over a file that is there.
 *   @return PND_OK (temp is empty); PND_E_EXISTS; PND_E_NOSPACE; PND_E_SYS */
int pnd_stage_name(struct pnd_stage *stage, const char *name, bool replace, struct pnd_why *why);

/* Closes it, and removes what has only a hidden name. */
void pnd_stage_close(struct pnd_stage *stage);

#endif
