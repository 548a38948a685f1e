/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A dump's bytes into another file: as they are, with their holes, or unpacked. */
#ifndef PND_PANICCTL_COPY_H
#define PND_PANICCTL_COPY_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "host/progress.h"
#include "host/why.h"
#include "inspect/unpack.h"

struct pnd_copy {
    int in;      /* the dump; its offset is moved */
    int out;     /* open for writing, empty when it is a regular file */
    bool sparse; /* @p out is a regular file: holes and runs of zeros are left out */
    struct pnd_progress *progress;      /* of bytes read */
    const volatile sig_atomic_t *ended; /* not 0: stop; NULL: nobody asks */
    const struct pnd_decrypt_key *key;  /* of an encrypted dump; NULL: it is none */
    enum pnd_unpack_packing packing; /* with key: of what it hides, or RAW to leave that packed */
};

/* @param ret_bytes  written, holes included. @return PND_OK; PND_E_NOSPACE; PND_E_SYS */
int pnd_copy_plain(const struct pnd_copy *copy, uint64_t *ret_bytes, struct pnd_why *why);

/* How the dump is packed. @return false: in no way, and makedumpfile has not flattened it */
bool pnd_copy_packing(int fd, enum pnd_unpack_packing *ret);

/* The same by its first bytes; 16 are enough. */
bool pnd_copy_packing_of(const uint8_t *head, size_t len, enum pnd_unpack_packing *ret);

/* The content, in another form (inspect/unpack.h), unpacked by a child that can do nothing else.
 *   @return PND_OK; PND_E_SHORT the data ends too early, PND_E_FORMAT it is damaged (in both cases
 *           all that comes before is written); PND_E_TYPE, PND_E_RANGE it cannot take the form;
 *           PND_E_ARG a form that needs a regular file; PND_E_ABORTED;
 *           PND_E_SOURCE; PND_E_NOSPACE; PND_E_SYS */
int pnd_copy_unpacked(const struct pnd_copy *copy, enum pnd_unpack_form form, uint64_t *ret_bytes,
                      struct pnd_why *why);

#endif
