/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A dump's bytes into another file: as they are, with their holes, or inflated. */
#ifndef PND_PANICCTL_COPY_H
#define PND_PANICCTL_COPY_H

#include <stdbool.h>
#include <stdint.h>

#include "host/progress.h"
#include "host/why.h"

struct pnd_copy {
    int in;      /* the dump; its offset is moved */
    int out;     /* open for writing, empty when it is a regular file */
    bool sparse; /* @p out is a regular file: holes and runs of zeros are left out */
    struct pnd_progress *progress; /* of bytes read */
};

/* @param ret_bytes  written, holes included. @return PND_OK; PND_E_NOSPACE; PND_E_SYS */
int pnd_copy_plain(const struct pnd_copy *copy, uint64_t *ret_bytes, struct pnd_why *why);

/* All gzip members one after another; what follows the last is left out.
 *   @return PND_OK; PND_E_SHORT the data ends within a member, PND_E_FORMAT it is damaged (in
 *           both cases all that comes before is written); PND_E_NOSPACE; PND_E_SYS */
int pnd_copy_inflated(const struct pnd_copy *copy, uint64_t *ret_bytes, struct pnd_why *why);

#endif
