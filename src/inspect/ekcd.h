/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The key of FreeBSD's encrypted dump: the session key that comes with the dump, wrapped with a
 * public RSA key, is unwrapped with the private one. This is for a program of the person who has
 * that key; neither the server nor a caged child ever sees it. @source PROTOCOL.md#netdump-7 */
#ifndef PND_INSPECT_EKCD_H
#define PND_INSPECT_EKCD_H

#include <stdbool.h>
#include <stddef.h>

#include "inspect/decrypt.h"

enum {
    PND_EKCD_BLOB_CAP = 4096, /* what need be read of a key blob: all but its zeros */
    PND_EKCD_PEM_CAP = 64 << 10,
    PND_EKCD_PASSPHRASE_CAP = 1024,
};

/* A private key, as a PEM file has it. */
struct pnd_ekcd_private {
    const char *pem;
    size_t len; /* at most PND_EKCD_PEM_CAP */
    void *ctx;

    /* Called once, if it is encrypted; NULL: there is no passphrase.
     * @return bytes of @p ret, at most @p cap; negative: there is none after all */
    int (*passphrase)(void *ctx, char *ret, size_t cap);
};

/* @param ret  its nonce is pnd_ekcd_look()'s; to be forgotten with pnd_decrypt_forget()
 *   @return PND_OK; PND_E_SHORT the blob is cut off; PND_E_RANGE its wrapped key is longer than one
 *           can be; PND_E_TYPE a cipher that is not known here; PND_E_ARG that is no private RSA
 *           key, or not with this passphrase; PND_E_REFUSED the private key is another one;
 *           PND_E_SYS */
int pnd_ekcd_unwrap(const void *blob, size_t len, const struct pnd_ekcd_private *with,
                    struct pnd_decrypt_key *ret, struct pnd_why *why);

/* Looks at how the dump begins, @p length bytes at @p offset of @p fd, and chooses the nonce with
 * which that is how dumps begin; the first one, if with none it is.
 *   @param ret_known  it begins so. May be false of a dump that lacks its first page
 *   @return PND_OK; PND_E_SOURCE; as pnd_decrypt_create() */
int pnd_ekcd_look(int fd, uint64_t offset, uint64_t length, struct pnd_decrypt_key *key,
                  bool *ret_known, struct pnd_why *why);

/* The first bytes, decrypted. @param ret_len  fewer than @p cap in a short dump
 *   @return as pnd_ekcd_look() */
int pnd_ekcd_head(int fd, uint64_t offset, uint64_t length, const struct pnd_decrypt_key *key,
                  void *ret, size_t cap, size_t *ret_len, struct pnd_why *why);

#endif
