/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Any bytes as the key of FreeBSD's encrypted dump, and as the dump: no blob becomes a key with
 * what is no private key, and what is decrypted has the length of what was stored, but for a block
 * that is not whole. The first byte says how it is encrypted and packed. */
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "inspect/ekcd.h"
#include "inspect/unpack.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum {
    ENOUGH = 16 << 20,
    STOPPED = -1234,
};

static int take(void *ctx, const void *data, size_t len, uint64_t done)
{
    uint64_t *taken = ctx;

    (void)data;
    (void)done;
    *taken += len;
    return *taken > ENOUGH ? STOPPED : PND_OK;
}

static void check_blob(const uint8_t *data, size_t len)
{
    struct pnd_ekcd_private with = {.pem = (const char *)data, .len = len};
    struct pnd_decrypt_key key;
    struct pnd_why why = {0};
    int err = pnd_ekcd_unwrap(data, len, &with, &key, &why);

    if (err == PND_OK || why.text[0] == '\0')
        abort();
    if (len < 37 && err != PND_E_SHORT)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static const enum pnd_unpack_packing packings[] = {PND_UNPACK_RAW, PND_UNPACK_GZIP,
                                                       PND_UNPACK_ZSTD};
    struct pnd_decrypt_key key = {0};
    struct pnd_unpack_job job = {.offset = 1, .key = &key};
    uint64_t taken = 0, at = 0;
    struct pnd_unpack_sink sink = {.ctx = &taken, .write = take};
    static int fd = -1;
    bool known;
    int err;

    check_blob(data, len);
    if (len == 0)
        return 0;
    if (fd < 0)
        fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (fd < 0 || ftruncate(fd, 0) != 0 || pwrite(fd, data, len, 0) != (ssize_t)len)
        abort();
    key.cipher = (enum pnd_decrypt_cipher)(data[0] % 2 + 1);
    job.packing = packings[data[0] / 2 % 3];
    job.length = len - 1;
    if (pnd_ekcd_look(fd, job.offset, job.length, &key, &known, NULL) != PND_OK)
        abort();
    err = pnd_unpack(fd, &job, &sink, &at, NULL);
    if (at > job.length ||
        (err != PND_OK && err != PND_E_SHORT && err != PND_E_FORMAT && err != STOPPED))
        abort();
    if (job.packing == PND_UNPACK_RAW && err != STOPPED &&
        taken != (key.cipher == PND_DECRYPT_CHACHA20
                      ? job.length
                      : job.length - job.length % PND_DECRYPT_BLOCK_BYTES))
        abort();
    return 0;
}
