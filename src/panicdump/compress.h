/* SPDX-License-Identifier: BSD-2-Clause
 *
 * send --compress: which compressor the bytes take on their way, and what it adds to the name. */
#ifndef PND_PANICDUMP_COMPRESS_H
#define PND_PANICDUMP_COMPRESS_H

#include <stdbool.h>

#include "host/why.h"
#include "panicd/stage.h"

enum pnd_compress_how {
    PND_COMPRESS_NONE,
    PND_COMPRESS_GZIP,
    PND_COMPRESS_LZ4,
    PND_COMPRESS_ZSTD,
    PND_COMPRESS_AUTO, /* zstd, with no more effort than there is time for */
};

/* @return PND_OK; PND_E_ARG it is none of the words, or this program cannot do it */
int pnd_compress_parse(const char *word, enum pnd_compress_how *ret, struct pnd_why *why);

/* What is already packed is better sent as it is: AUTO becomes NONE for a file that begins so. What
 * may be resumed has to give the same bytes again: otherwise AUTO becomes ZSTD for it.
 * @param fd  of a regular file; only read with pread() */
enum pnd_compress_how pnd_compress_settle(enum pnd_compress_how how, bool resume, int fd);

/* ".gz", ".lz4", ".zst"; "" for NONE. */
const char *pnd_compress_suffix(enum pnd_compress_how how);

/* What moves on what was sent while something is being packed; as in packer.h. */
enum { PND_COMPRESS_IDLE = 1 };

struct pnd_compress_poll {
    void *ctx;
    int (*poll)(void *ctx);
};

/* Takes the memory and, but for gzip, starts a thread for each processor, at most
 * PND_PACKER_LANES_MAX: once in a process, until it ends. zstd takes 4 MiB, and up to 10 MiB for
 * each thread; LZ4 1 MiB, and 1.5 MiB.
 *   @param ret  not written for NONE
 *   @return PND_OK; PND_E_SYS no memory; PND_E_FULL its library is not the one that it knows */
int pnd_compress_make(enum pnd_compress_how how, const struct pnd_compress_poll *poll,
                      const struct pnd_codec **ret, struct pnd_why *why);

#endif
