/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The private key of a person who opens an encrypted dump: read from a file for as long as it takes
 * to unwrap one session key, and given to nobody. */
#ifndef PND_PANICCTL_PRIVATE_KEY_H
#define PND_PANICCTL_PRIVATE_KEY_H

#include "inspect/ekcd.h"

struct pnd_private_key {
    const char *file;            /* PEM; NULL: there is none */
    const char *passphrase_file; /* its first line; NULL: a person at a terminal is asked */
};

/* @return PND_OK; PND_E_SOURCE a file cannot be read; as pnd_ekcd_unwrap() */
int pnd_private_key_unwrap(const struct pnd_private_key *with, const void *blob, size_t len,
                           struct pnd_decrypt_key *ret, struct pnd_why *why);

#endif
