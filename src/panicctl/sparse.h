/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A file that is written from start to end, and in which runs of zeros become holes. */
#ifndef PND_PANICCTL_SPARSE_H
#define PND_PANICCTL_SPARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "host/why.h"

struct pnd_sparse {
    int fd;
    bool holes;  /* a regular file, empty when the first byte is written */
    uint64_t at; /* bytes so far, holes included */
};

/* @return PND_OK; PND_E_NOSPACE; PND_E_SYS */
int pnd_sparse_write(struct pnd_sparse *to, const uint8_t *data, size_t len, struct pnd_why *why);

/* The same without a look for zeros. */
int pnd_sparse_write_all(struct pnd_sparse *to, const uint8_t *data, size_t len,
                         struct pnd_why *why);

/* A hole at the end is only the size. @param ret_bytes  all of them */
int pnd_sparse_finish(struct pnd_sparse *to, uint64_t *ret_bytes, struct pnd_why *why);

/* What errno says of a write that failed. @return PND_E_NOSPACE; PND_E_SYS */
int pnd_sparse_failed(const struct pnd_sparse *to, struct pnd_why *why);

#endif
