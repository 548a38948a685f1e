/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Unwrapping by libcrypto; see ekcd.h. */
#include "inspect/ekcd.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "image/elf.h"
#include "image/gzip_header.h"
#include "image/kdh.h"
#include "image/minidump.h"
#include "image/ustar.h"

enum {
    HEAD_BYTES = 512,
    BITS = 8,
};

/* ---- the private key ---- */

/* What PEM_read_bio_PrivateKey() asks, and whether it did. */
struct asking {
    const struct pnd_ekcd_private *with;
    bool asked, answered;
};

static int ask(char *buf, int cap, int writing, void *ctx)
{
    struct asking *asking = ctx;
    int len;

    (void)writing;
    asking->asked = true;
    if (!asking->with->passphrase || cap <= 0)
        return -1;
    len = asking->with->passphrase(asking->with->ctx, buf, (size_t)cap);
    asking->answered = len >= 0;
    return len;
}

static bool has(const struct pnd_ekcd_private *with, const char *word)
{
    return memmem(with->pem, with->len, word, strlen(word)) != NULL;
}

static int no_key(const struct pnd_ekcd_private *with, const struct asking *asking,
                  struct pnd_why *why)
{
    if (asking->asked)
        return pnd_why(why, PND_E_ARG, 0,
                       asking->answered ? "the private key does not open with this passphrase"
                                        : "the private key has a passphrase, and there is none "
                                          "for it");
    if (has(with, "BEGIN OPENSSH PRIVATE KEY"))
        return pnd_why(why, PND_E_ARG, 0,
                       "that is a key of OpenSSH's own form; a copy of it becomes PEM by "
                       "\"ssh-keygen -p -m PEM -f COPY\"");
    if (has(with, "PUBLIC KEY"))
        return pnd_why(why, PND_E_ARG, 0,
                       "that is a public key; the private one that belongs to it is needed");
    return pnd_why(why, PND_E_ARG, 0, "that is no private key in PEM form%s",
                   has(with, "PRIVATE KEY") ? ", or it is damaged" : "");
}

static int read_private(const struct pnd_ekcd_private *with, EVP_PKEY **ret, struct pnd_why *why)
{
    struct asking asking = {.with = with};
    BIO *bio;

    if (with->len > PND_EKCD_PEM_CAP)
        return pnd_why(why, PND_E_ARG, 0, "that is too large for a private key");
    bio = BIO_new_mem_buf(with->pem, (int)with->len);
    if (!bio)
        return pnd_why(why, PND_E_SYS, ENOMEM, "make room for the private key");
    *ret = PEM_read_bio_PrivateKey(bio, NULL, ask, &asking);
    BIO_free(bio);
    ERR_clear_error();
    if (!*ret)
        return no_key(with, &asking, why);
    if (EVP_PKEY_get_base_id(*ret) != EVP_PKEY_RSA) {
        EVP_PKEY_free(*ret);
        return pnd_why(why, PND_E_ARG, 0, "the private key is not one of RSA");
    }
    return PND_OK;
}

/* ---- the session key ---- */

/* @return PND_OK; PND_E_REFUSED it was not wrapped so, or not for this key; PND_E_SYS */
static int unwrap(EVP_PKEY *private, int padding, const struct pnd_kdh_key *blob,
                  uint8_t ret[PND_DECRYPT_KEY_BYTES])
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(private, NULL);
    uint8_t plain[PND_KDH_KEY_MAX];
    size_t len = sizeof(plain);
    int err = PND_E_REFUSED;

    if (!ctx || EVP_PKEY_decrypt_init(ctx) != 1 ||
        EVP_PKEY_CTX_set_rsa_padding(ctx, padding) != 1) {
        EVP_PKEY_CTX_free(ctx);
        return PND_E_SYS;
    }
    /* Where libcrypto would answer a wrong key with noise, which is for servers that must not tell:
     * older versions do not know the word, and do not do it. */
    if (padding == RSA_PKCS1_PADDING)
        EVP_PKEY_CTX_ctrl_str(ctx, "rsa_pkcs1_implicit_rejection", "0");
    if (EVP_PKEY_decrypt(ctx, plain, &len, blob->wrapped, blob->bytes) == 1 &&
        len == PND_DECRYPT_KEY_BYTES) {
        memcpy(ret, plain, PND_DECRYPT_KEY_BYTES);
        err = PND_OK;
    }
    EVP_PKEY_CTX_free(ctx);
    ERR_clear_error();
    OPENSSL_cleanse(plain, sizeof(plain));
    return err;
}

static int unwrap_with(EVP_PKEY *private, const struct pnd_kdh_key *blob,
                       struct pnd_decrypt_key *ret, struct pnd_why *why)
{
    int bytes = EVP_PKEY_get_size(private), err;

    if (bytes != (int)blob->bytes)
        return pnd_why(why, PND_E_REFUSED, 0,
                       "the private key is not the one to this dump: it has %d bits, and the "
                       "dump's was wrapped for one of %" PRIu32,
                       bytes * BITS, blob->bytes * BITS);
    err = unwrap(private, RSA_PKCS1_OAEP_PADDING, blob, ret->key);
    if (err == PND_E_REFUSED)
        err = unwrap(private, RSA_PKCS1_PADDING, blob, ret->key);
    if (err == PND_E_REFUSED)
        return pnd_why(why, err, 0,
                       "the private key is not the one to this dump, or the dump's key is damaged");
    return err ? pnd_why(why, err, 0, "libcrypto cannot decrypt by RSA here") : PND_OK;
}

/* @return as pnd_kdh_key_read(); PND_E_TYPE */
static int read_blob(const void *buf, size_t len, struct pnd_kdh_key *ret, struct pnd_why *why)
{
    int err = pnd_kdh_key_read(buf, len, ret);

    if (err == PND_E_SHORT)
        return pnd_why(why, err, 0, "the key of the dump is cut off, after %zu bytes", len);
    if (err)
        return pnd_why(why, err, 0,
                       "the key of the dump is none: it says to be longer than %d bytes",
                       PND_KDH_KEY_MAX);
    if (ret->cipher != PND_DECRYPT_AES_256_CBC && ret->cipher != PND_DECRYPT_CHACHA20)
        return pnd_why(why, PND_E_TYPE, 0,
                       "the key of the dump says that cipher %u was used, which is not known here",
                       ret->cipher);
    return PND_OK;
}

_Static_assert((int)PND_DECRYPT_IV_BYTES == (int)PND_KDH_KEY_IV_BYTES, "one is the other");
_Static_assert(1 + PND_KDH_KEY_IV_BYTES + 4 + PND_KDH_KEY_MAX <= PND_EKCD_BLOB_CAP, "it fits");

int pnd_ekcd_unwrap(const void *blob, size_t len, const struct pnd_ekcd_private *with,
                    struct pnd_decrypt_key *ret, struct pnd_why *why)
{
    struct pnd_decrypt_key found = {0};
    struct pnd_kdh_key key;
    EVP_PKEY *private = NULL;
    int err = read_blob(blob, len, &key, why);

    if (!err)
        err = read_private(with, &private, why);
    if (err)
        return err;
    err = unwrap_with(private, &key, &found, why);
    EVP_PKEY_free(private);
    if (!err) {
        found.cipher = (enum pnd_decrypt_cipher)key.cipher;
        memcpy(found.iv, key.iv, sizeof(found.iv));
        *ret = found;
    }
    pnd_decrypt_forget(&found);
    return err;
}

/* ---- what comes out ---- */

int pnd_ekcd_head(int fd, uint64_t offset, uint64_t length, const struct pnd_decrypt_key *key,
                  void *ret, size_t cap, size_t *ret_len, struct pnd_why *why)
{
    uint8_t *bytes = ret;
    struct pnd_decrypt *decrypt;
    size_t len = 0;
    long n = 1;
    int err = pnd_decrypt_create(fd, offset, length, key, &decrypt, why);

    if (err)
        return err;
    while (len < cap && n > 0) {
        n = pnd_decrypt_read(decrypt, offset + len, bytes + len, cap - len);
        len += n > 0 ? (size_t)n : 0;
    }
    pnd_decrypt_destroy(decrypt);
    if (n < 0)
        return pnd_why(why, PND_E_SOURCE, errno, "read the dump at byte %" PRIu64, offset + len);
    *ret_len = len;
    return PND_OK;
}

/* What FreeBSD dumps, and how it packs that. */
static bool begins_as_a_dump(const uint8_t *head, size_t len)
{
    return pnd_minidump_is(head, len) || pnd_elf_is(head, len) || pnd_ustar_is(head, len) ||
           pnd_gzip_is(head, len) || (len >= 4 && memcmp(head, "\x28\xb5\x2f\xfd", 4) == 0);
}

int pnd_ekcd_look(int fd, uint64_t offset, uint64_t length, struct pnd_decrypt_key *key,
                  bool *ret_known, struct pnd_why *why)
{
    struct pnd_decrypt_key tried = *key;
    bool known = false;
    int err = PND_OK;

    tried.nonce = PND_DECRYPT_NONCE_64;
    for (int i = 0; !err && !known && i < PND_DECRYPT_NONCE_COUNT; i++) {
        uint8_t head[HEAD_BYTES];
        size_t len = 0;

        if (i > 0 && key->cipher != PND_DECRYPT_CHACHA20)
            break;
        tried.nonce = (enum pnd_decrypt_nonce)i;
        err = pnd_ekcd_head(fd, offset, length, &tried, head, sizeof(head), &len, why);
        known = !err && begins_as_a_dump(head, len);
    }
    if (!err)
        key->nonce = known ? tried.nonce : PND_DECRYPT_NONCE_64;
    *ret_known = known;
    pnd_decrypt_forget(&tried);
    return err;
}
