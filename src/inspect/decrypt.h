/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The bytes of FreeBSD's encrypted dump, decrypted as they are read: once, from start to end, in
 * 128 KiB. Neither cipher says whether the key was the right one: who has unwrapped it knows
 * (ekcd.h). @source PROTOCOL.md#netdump-7 */
#ifndef PND_INSPECT_DECRYPT_H
#define PND_INSPECT_DECRYPT_H

#include <stddef.h>
#include <stdint.h>

#include "host/why.h"

enum {
    PND_DECRYPT_KEY_BYTES = 32,
    PND_DECRYPT_IV_BYTES = 32,
    PND_DECRYPT_BLOCK_BYTES = 16, /* of AES; a dump is a whole number of them */
};

/* As the key blob numbers them. */
enum pnd_decrypt_cipher { PND_DECRYPT_AES_256_CBC = 1, PND_DECRYPT_CHACHA20 = 2 };

/* What of the initialisation vector becomes ChaCha20's nonce. */
enum pnd_decrypt_nonce {
    PND_DECRYPT_NONCE_64,      /* its first 8 bytes, behind a counter of 64 bits that begins at 0 */
    PND_DECRYPT_NONCE_96,      /* its first 12, behind one of 32 bits, as in RFC 8439 */
    PND_DECRYPT_NONCE_COUNTED, /* its first 16, the counter's first value among them */
    PND_DECRYPT_NONCE_COUNT,
};

struct pnd_decrypt_key {
    enum pnd_decrypt_cipher cipher;
    enum pnd_decrypt_nonce nonce; /* of ChaCha20 */
    uint8_t key[PND_DECRYPT_KEY_BYTES], iv[PND_DECRYPT_IV_BYTES];
};

struct pnd_decrypt;

/* For @p length bytes at @p offset of @p fd, which is only read, with pread(), and stays the
 * caller's. After this no call asks more of the system than that and memory.
 *   @param ret  free with pnd_decrypt_destroy()
 *   @return PND_OK; PND_E_TYPE a cipher or nonce that is not known here; PND_E_SYS */
int pnd_decrypt_create(int fd, uint64_t offset, uint64_t length, const struct pnd_decrypt_key *key,
                       struct pnd_decrypt **ret, struct pnd_why *why);
void pnd_decrypt_destroy(struct pnd_decrypt *decrypt);

/* For struct pnd_unpack_source. @param ctx  a struct pnd_decrypt. @param offset  of the source,
 * where the read before has ended
 *   @return bytes; 0 behind the end, or behind the last whole block of AES; -1 with errno */
long pnd_decrypt_read(void *ctx, uint64_t offset, void *buf, size_t len);

/* Bytes at the end that are less than a block of AES, and so cannot be decrypted; once
 * pnd_decrypt_read() has returned 0. */
unsigned pnd_decrypt_odd(const struct pnd_decrypt *decrypt);

/* Nobody finds the key in memory that is given back. */
void pnd_decrypt_forget(struct pnd_decrypt_key *key);

#endif
