/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The members of a tar archive of the "ustar" form, one after the other, which is what a kernel
 * writes as a text dump. Only headers are read; nothing is copied. A walk of 512 bytes at a time is
 * all that is needed, and less to trust in the cage than a library for forty formats.
 * Freestanding. @source POSIX.1-2017, pax, "ustar Interchange Format" */
#ifndef PND_IMAGE_USTAR_H
#define PND_IMAGE_USTAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "panicd/err.h"

enum {
    PND_USTAR_BLOCK = 512,
    PND_USTAR_NAME_CAP = 257, /* prefix, a slash, name, NUL */
};

struct pnd_ustar_member {
    char name[PND_USTAR_NAME_CAP]; /* as it stands there: any bytes, any path */
    char type;                     /* '0' a file */
    uint64_t bytes;                /* of content, right behind the header; at most INT64_MAX */
    uint64_t mtime_s;
};

/* Is @p block, of PND_USTAR_BLOCK bytes, a header? By its magic. */
bool pnd_ustar_is(const void *block, size_t len);

/* @return PND_OK; PND_E_SHORT; PND_E_NOTFOUND a block of zeros: the end; PND_E_TYPE no header;
 *         PND_E_FORMAT the checksum or a number is wrong */
int pnd_ustar_read(const void *block, size_t len, struct pnd_ustar_member *ret);

/* Where the next header is, when this one was at @p at. @return UINT64_MAX: there is no such place
 */
uint64_t pnd_ustar_next(uint64_t at, const struct pnd_ustar_member *member);

#endif
