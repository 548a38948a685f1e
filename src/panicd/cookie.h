/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The proof that a sender receives at the address it sends from, before anything is kept of it.
 * PROTOCOL.md#kdp-12.1. */
#ifndef PND_PANICD_COOKIE_H
#define PND_PANICD_COOKIE_H

#include <stdbool.h>
#include <stdint.h>

#include "panicd/peer.h"
#include "wire/ext.h"

enum {
    PND_COOKIE_KEY_BYTES = 32,
    PND_COOKIE_PERIOD_MS = 120000, /* a cookie is good for this long, and at most twice as long */
};

/* Random, made once: cookies of another process are wrong ones. */
struct pnd_cookie_key {
    uint8_t bytes[PND_COOKIE_KEY_BYTES];
};

/* @return PND_OK; PND_E_SYS (errno): the kernel has no random numbers */
int pnd_cookie_key_make(struct pnd_cookie_key *ret);

/* @return PND_OK; PND_E_SYS: libcrypto cannot */
int pnd_cookie_make(const struct pnd_cookie_key *key, const struct pnd_origin *origin,
                    uint64_t now_ms, uint8_t ret[PND_EXT_COOKIE_BYTES]);
bool pnd_cookie_right(const struct pnd_cookie_key *key, const struct pnd_origin *origin,
                      uint64_t now_ms, const uint8_t cookie[PND_EXT_COOKIE_BYTES]);

#endif
