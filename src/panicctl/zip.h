/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A zip file, written from start to end in bounded memory: zip64 where it must be, never a seek,
 * so that it may go into a pipe. Each member's SHA-256 is taken on the way. */
#ifndef PND_PANICCTL_ZIP_H
#define PND_PANICCTL_ZIP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "host/progress.h"
#include "host/why.h"

enum {
    PND_ZIP_MEMBERS_MAX = 10,
    PND_ZIP_NAME_CAP = 256,
};

struct pnd_zip_member {
    char name[PND_ZIP_NAME_CAP];
    uint64_t bytes;  /* not packed */
    char sha256[65]; /* of them */
};

struct pnd_zip; /* some 3 MiB */

/* @param fd     open for writing, empty when it is a regular file; stays the caller's
 * @param holes  it is one: runs of zeros become holes
 * @param time_s modification time of all members
 * @return PND_OK; PND_E_SYS */
int pnd_zip_create(int fd, bool holes, int64_t time_s, struct pnd_zip **ret, struct pnd_why *why);

/* Frees it; a zip that was not ended is none. NULL is fine. */
void pnd_zip_destroy(struct pnd_zip *zip);

/* A member from memory, deflated. The names are the caller's to choose: safe and different.
 * @return PND_OK; PND_E_FULL PND_ZIP_MEMBERS_MAX are there; PND_E_NOSPACE; PND_E_SYS */
int pnd_zip_put(struct pnd_zip *zip, const char *name, const void *data, size_t len,
                struct pnd_why *why);

/* A member from the first @p bytes of a file, which are all there are. @p store: not deflated.
 * @return as pnd_zip_put(); PND_E_SOURCE it cannot be read, or ends before or changes within */
int pnd_zip_put_file(struct pnd_zip *zip, const char *name, int fd, uint64_t bytes, bool store,
                     struct pnd_progress *progress, struct pnd_why *why);

/* The last bytes. @param ret_bytes  of the zip. @return as pnd_zip_put() */
int pnd_zip_end(struct pnd_zip *zip, uint64_t *ret_bytes, struct pnd_why *why);

/* What is in it so far. @return how many */
unsigned pnd_zip_members(const struct pnd_zip *zip, const struct pnd_zip_member **ret);

#endif
