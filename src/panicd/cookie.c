/* SPDX-License-Identifier: BSD-2-Clause */
#include "panicd/cookie.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>
#include <sys/random.h>

#include "wire/cursor.h"

int pnd_cookie_key_make(struct pnd_cookie_key *ret)
{
    return getrandom(ret->bytes, sizeof(ret->bytes), 0) == (ssize_t)sizeof(ret->bytes) ? PND_OK
                                                                                       : PND_E_SYS;
}

static int make(const struct pnd_cookie_key *key, const struct pnd_origin *origin, uint64_t period,
                uint8_t ret[PND_EXT_COOKIE_BYTES])
{
    uint8_t text[32], mac[EVP_MAX_MD_SIZE];
    struct pnd_wr wr = pnd_wr(text, sizeof(text));

    pnd_wr_bytes(&wr, origin->peer.b, sizeof(origin->peer.b));
    pnd_wr_be16(&wr, origin->port);
    pnd_wr_be64(&wr, period);
    if (!HMAC(EVP_sha256(), key->bytes, sizeof(key->bytes), text, pnd_wr_len(&wr), mac, NULL))
        return PND_E_SYS;
    memcpy(ret, mac, PND_EXT_COOKIE_BYTES);
    return PND_OK;
}

int pnd_cookie_make(const struct pnd_cookie_key *key, const struct pnd_origin *origin,
                    uint64_t now_ms, uint8_t ret[PND_EXT_COOKIE_BYTES])
{
    return make(key, origin, now_ms / PND_COOKIE_PERIOD_MS, ret);
}

bool pnd_cookie_right(const struct pnd_cookie_key *key, const struct pnd_origin *origin,
                      uint64_t now_ms, const uint8_t cookie[PND_EXT_COOKIE_BYTES])
{
    uint64_t period = now_ms / PND_COOKIE_PERIOD_MS;
    uint8_t right[PND_EXT_COOKIE_BYTES];

    for (unsigned age = 0; age < 2 && age <= period; age++)
        if (make(key, origin, period - age, right) == PND_OK &&
            CRYPTO_memcmp(right, cookie, sizeof(right)) == 0)
            return true;
    return false;
}
