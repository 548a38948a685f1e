/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Is a dump encrypted, and where is the key that came with it? FreeBSD's key blob is beside the
 * dump: NAME.key of what was received; key.N beside vmcore_encrypted.N, as savecore(8) leaves it;
 * or within, in a copy of a dump device. @source PROTOCOL.md#netdump-7, #netdump-9 */
#ifndef PND_VIEW_ENCRYPTED_H
#define PND_VIEW_ENCRYPTED_H

#include <jansson.h>

#include "inspect/ekcd.h"
#include "host/why.h"

enum { PND_ENCRYPTED_LINE_CAP = 2 * 4096 + 96 }; /* a quoted path, and words */

enum pnd_encrypted_how {
    PND_ENCRYPTED_NOT,    /* as far as anybody can tell */
    PND_ENCRYPTED_BESIDE, /* the blob is in a file of its own */
    PND_ENCRYPTED_DEVICE, /* within, behind the header */
    PND_ENCRYPTED_NAMED,  /* it is called so, and no blob was found */
};

struct pnd_encrypted {
    enum pnd_encrypted_how how;
    size_t len; /* of the blob, as far as it need be read; 0: none */
    uint8_t blob[PND_EKCD_BLOB_CAP];
};

/* Never fails: what cannot be read is not there.
 *   @param path  of the dump. @param fd  it, open; negative: only by what is beside it */
void pnd_encrypted_find(const char *path, int fd, struct pnd_encrypted *ret);

/* The blob from a file that was named. @return PND_OK; PND_E_SOURCE */
int pnd_encrypted_read(const char *path, struct pnd_encrypted *ret, struct pnd_why *why);

/* "AES-256-CBC, for an RSA key of 4096 bits", or what else is known. @return @p dst */
const char *pnd_encrypted_words(const struct pnd_encrypted *encrypted, char *dst, size_t cap);

/* What to type. @param name  of the dump, quoted for a shell. @return @p dst */
const char *pnd_encrypted_command(const struct pnd_encrypted *encrypted, const char *name,
                                  char *dst, size_t cap);

/* Two lines below others of verify and info; nothing, when it is not encrypted. */
void pnd_encrypted_print(const struct pnd_encrypted *encrypted, const char *name);

/* {cipher, rsa_bits, open}, or null. */
json_t *pnd_encrypted_json(const struct pnd_encrypted *encrypted, const char *name);

/* "vmcore_encrypted" becomes "vmcore" in a name of a file. */
void pnd_encrypted_rename(char *name);

#endif
