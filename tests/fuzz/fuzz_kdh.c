/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Any bytes as FreeBSD's dump header, and as the key of an encrypted dump: what is read has its
 * ends, and what is written of it is read the same. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "image/kdh.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check_key(const uint8_t *data, size_t len)
{
    struct pnd_kdh_key key;

    if (pnd_kdh_key_read(data, len, &key) != PND_OK)
        return;
    if (key.bytes > PND_KDH_KEY_MAX || key.wrapped < data ||
        key.bytes > (size_t)(data + len - key.wrapped))
        abort();
}

/* The texts of @p a have no byte behind their NUL that counts. */
static bool same(const struct pnd_kdh *a, const struct pnd_kdh *b)
{
    return a->kind == b->kind && a->version == b->version &&
           a->architecture_version == b->architecture_version && a->key_bytes == b->key_bytes &&
           a->block_bytes == b->block_bytes && a->dump_bytes == b->dump_bytes &&
           a->extent_bytes == b->extent_bytes && a->time_s == b->time_s &&
           a->packing == b->packing && strcmp(a->architecture, b->architecture) == 0 &&
           strcmp(a->host, b->host) == 0 && strcmp(a->os, b->os) == 0 &&
           strcmp(a->panic, b->panic) == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    uint8_t again[PND_KDH_BYTES];
    struct pnd_kdh kdh, second;
    int err;

    check_key(data, len);
    err = pnd_kdh_read(data, len, &kdh);
    if (err) {
        if (err == PND_E_SHORT ? len >= PND_KDH_BYTES : len < PND_KDH_BYTES)
            abort();
        return 0;
    }
    if (!pnd_kdh_is(data, len) || memchr(kdh.host, 0, sizeof(kdh.host)) == NULL ||
        memchr(kdh.os, 0, sizeof(kdh.os)) == NULL ||
        memchr(kdh.panic, 0, sizeof(kdh.panic)) == NULL ||
        memchr(kdh.architecture, 0, sizeof(kdh.architecture)) == NULL)
        abort();
    if (pnd_kdh_write(&kdh, again) != PND_OK || pnd_kdh_read(again, sizeof(again), &second) ||
        !second.parity_ok || !same(&kdh, &second))
        abort();
    return 0;
}
