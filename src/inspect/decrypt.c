/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Decrypting from start to end, by libcrypto; see decrypt.h. */
#include "inspect/decrypt.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "host/io.h"

enum {
    STEP = 64 << 10, /* read at once */
    CRYPTO_IV_BYTES = 16,
};

struct pnd_decrypt {
    EVP_CIPHER_CTX *ctx;
    int fd;
    uint64_t at, end;  /* of the source: what is read next, and where it ends */
    uint64_t next;     /* what is asked for next */
    size_t used, have; /* of @p plain: handed out, and there */
    unsigned odd;      /* bytes that wait for the rest of their block */
    bool blocks;
    uint8_t stored[STEP], plain[STEP + PND_DECRYPT_BLOCK_BYTES];
};

/* As libcrypto wants it. For ChaCha20 those are the last four words of the first state, of which
 * the counter is the first. */
static void crypto_iv(const struct pnd_decrypt_key *key, uint8_t ret[CRYPTO_IV_BYTES])
{
    size_t zeros = 0;

    if (key->cipher == PND_DECRYPT_CHACHA20)
        zeros = key->nonce == PND_DECRYPT_NONCE_64 ? 8 : key->nonce == PND_DECRYPT_NONCE_96 ? 4 : 0;
    memset(ret, 0, zeros);
    memcpy(ret + zeros, key->iv, CRYPTO_IV_BYTES - zeros);
}

int pnd_decrypt_create(int fd, uint64_t offset, uint64_t length, const struct pnd_decrypt_key *key,
                       struct pnd_decrypt **ret, struct pnd_why *why)
{
    const EVP_CIPHER *cipher;
    uint8_t iv[CRYPTO_IV_BYTES];
    struct pnd_decrypt *decrypt;

    if ((key->cipher != PND_DECRYPT_AES_256_CBC && key->cipher != PND_DECRYPT_CHACHA20) ||
        key->nonce >= PND_DECRYPT_NONCE_COUNT)
        return pnd_why(why, PND_E_TYPE, 0, "cipher %u is not known here", (unsigned)key->cipher);
    cipher = key->cipher == PND_DECRYPT_CHACHA20 ? EVP_chacha20() : EVP_aes_256_cbc();
    decrypt = calloc(1, sizeof(*decrypt));
    if (!decrypt)
        return pnd_why(why, PND_E_SYS, ENOMEM, "make room to decrypt");
    decrypt->fd = fd;
    decrypt->at = decrypt->next = offset;
    decrypt->end = offset + length;
    decrypt->blocks = key->cipher == PND_DECRYPT_AES_256_CBC;
    decrypt->ctx = EVP_CIPHER_CTX_new();
    crypto_iv(key, iv);
    if (!decrypt->ctx || EVP_DecryptInit_ex(decrypt->ctx, cipher, NULL, key->key, iv) != 1 ||
        EVP_CIPHER_CTX_set_padding(decrypt->ctx, 0) != 1) {
        pnd_decrypt_destroy(decrypt);
        return pnd_why(why, PND_E_SYS, 0, "libcrypto has no %s here",
                       key->cipher == PND_DECRYPT_CHACHA20 ? "ChaCha20" : "AES-256-CBC");
    }
    *ret = decrypt;
    return PND_OK;
}

void pnd_decrypt_destroy(struct pnd_decrypt *decrypt)
{
    if (!decrypt)
        return;
    EVP_CIPHER_CTX_free(decrypt->ctx); /* which forgets the key */
    free(decrypt);
}

/* The next piece into @p plain. @return bytes read, which may be too few for a block; 0; -1 */
static long refill(struct pnd_decrypt *decrypt)
{
    uint64_t rest = decrypt->end - decrypt->at;
    size_t want = rest < STEP ? (size_t)rest : STEP;
    long n = want ? pnd_io_read_at(decrypt->fd, decrypt->at, decrypt->stored, want) : 0;
    int len = 0;

    if (n <= 0)
        return n;
    if (EVP_DecryptUpdate(decrypt->ctx, decrypt->plain, &len, decrypt->stored, (int)n) != 1) {
        errno = EIO;
        return -1;
    }
    decrypt->at += (uint64_t)n;
    decrypt->odd = decrypt->blocks ? (decrypt->odd + (unsigned)n) % PND_DECRYPT_BLOCK_BYTES : 0;
    decrypt->used = 0;
    decrypt->have = (size_t)len;
    return n;
}

long pnd_decrypt_read(void *ctx, uint64_t offset, void *buf, size_t len)
{
    struct pnd_decrypt *decrypt = ctx;
    size_t part;

    assert(offset == decrypt->next);
    while (decrypt->used == decrypt->have) {
        long n = refill(decrypt);

        if (n <= 0)
            return n;
    }
    part = decrypt->have - decrypt->used;
    part = part < len ? part : len;
    memcpy(buf, decrypt->plain + decrypt->used, part);
    decrypt->used += part;
    decrypt->next += part;
    return (long)part;
}

unsigned pnd_decrypt_odd(const struct pnd_decrypt *decrypt)
{
    return decrypt->odd;
}

void pnd_decrypt_forget(struct pnd_decrypt_key *key)
{
    OPENSSL_cleanse(key, sizeof(*key));
}
