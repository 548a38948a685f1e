/* SPDX-License-Identifier: BSD-2-Clause
 *
 * FreeBSD's kernel dump header: 512 bytes, big-endian, in four versions, that stand at both ends
 * of a dump on a disk and travel with one over the network; and the key blob of an encrypted dump.
 * Works on the caller's bytes; freestanding. @source PROTOCOL.md#netdump-6, #netdump-7 */
#ifndef PND_IMAGE_KDH_H
#define PND_IMAGE_KDH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "panicd/err.h"

enum {
    PND_KDH_BYTES = 512,
    PND_KDH_VERSION_MAX = 4,
    PND_KDH_ARCH_CAP = 12, /* all with their NUL */
    PND_KDH_HOST_CAP = 64,
    PND_KDH_TEXT_CAP = 192,
    PND_KDH_KEY_IV_BYTES = 32,
    PND_KDH_KEY_MAX = 2048, /* bytes of the session key as it is wrapped */
};

enum pnd_kdh_kind {
    PND_KDH_KERNEL,  /* a full dump or a minidump */
    PND_KDH_TEXT,    /* a tar of texts */
    PND_KDH_CLEARED, /* was one, and has been saved */
};

enum pnd_kdh_packing { PND_KDH_PLAIN, PND_KDH_GZIP, PND_KDH_ZSTD };

struct pnd_kdh {
    enum pnd_kdh_kind kind;
    bool parity_ok; /* of what was read */
    uint32_t version, architecture_version, key_bytes, block_bytes, parity;
    uint64_t dump_bytes;   /* without headers and key; as stored, when it is compressed */
    uint64_t extent_bytes; /* what was set aside for it on the disk; 0: versions 1 and 2 */
    uint64_t time_s;       /* since 1970 */
    uint8_t packing;       /* enum pnd_kdh_packing, or what is not known here */
    char architecture[PND_KDH_ARCH_CAP], host[PND_KDH_HOST_CAP];
    char os[PND_KDH_TEXT_CAP]; /* the kernel's version, often of two lines */
    char panic[PND_KDH_TEXT_CAP];
};

/* Does a header begin here? By its first 20 bytes. */
bool pnd_kdh_is(const void *head, size_t len);

/* What is longer is not looked at. Texts end with NUL, whatever was there; their bytes may be any.
 *   @return PND_OK, also when the parity is wrong; PND_E_SHORT; PND_E_TYPE another magic;
 *           PND_E_FORMAT a version that is not known here */
int pnd_kdh_read(const void *buf, size_t len, struct pnd_kdh *ret);

/* With the right parity; kdh->parity and parity_ok do not count. Texts are cut to their fields,
 * and a field that the version does not have is left out.
 *   @return PND_OK; PND_E_ARG kind or version */
int pnd_kdh_write(const struct pnd_kdh *kdh, uint8_t ret[PND_KDH_BYTES]);

/* "none", "gzip", "zstd", or "unknown" */
const char *pnd_kdh_packing_name(uint8_t packing);

/* What stands between the header and the data of an encrypted dump. It is of no use without the
 * private key of the person who set the machine up. */
struct pnd_kdh_key {
    uint8_t cipher; /* 1 AES-256-CBC, 2 ChaCha20, or what is not known here */
    uint8_t iv[PND_KDH_KEY_IV_BYTES];
    uint32_t bytes; /* of the wrapped session key, at most PND_KDH_KEY_MAX */
    const uint8_t *wrapped;
};

/* ret->wrapped points into @p buf. Zeros up to a whole block follow, and are not looked at.
 *   @return PND_OK; PND_E_SHORT; PND_E_RANGE the key is said to be longer than one can be */
int pnd_kdh_key_read(const void *buf, size_t len, struct pnd_kdh_key *ret);

/* "AES-256-CBC", "ChaCha20", or "unknown" */
const char *pnd_kdh_cipher_name(uint8_t cipher);

#endif
