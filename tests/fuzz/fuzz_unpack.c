/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Any bytes as a dump or a file of a disk corefile, packed as the first byte says - as it is, gzip,
 * LZ4 in Apple's framing or its own, or zstd - and in the form that it says. It ends, hands out
 * nothing that it did not read, and what is not packed and keeps its form comes out as it is. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "inspect/unpack.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum {
    ENOUGH = 16 << 20, /* a bomb shows itself sooner */
    STOPPED = -1234,
};

struct taker {
    uint64_t len, done, length;
    uint32_t sum; /* every byte is looked at, so that a sanitizer sees one that was never set */
    const uint8_t *raw;
};

static int take(void *ctx, const void *data, size_t len, uint64_t done)
{
    struct taker *taker = ctx;
    const uint8_t *at = data;

    if (len == 0 || len > PND_UNPACK_PIECE_MAX || done < taker->done || done > taker->length)
        abort();
    if (taker->raw && memcmp(taker->raw + taker->len, data, len) != 0)
        abort();
    for (size_t i = 0; i < len; i++)
        taker->sum = taker->sum * 31 + at[i];
    taker->done = done;
    taker->len += len;
    return taker->len > ENOUGH ? STOPPED : PND_OK;
}

static int go_to(void *ctx, uint64_t at, uint64_t done)
{
    struct taker *taker = ctx;

    if (at > INT64_MAX || done < taker->done || done > taker->length)
        abort();
    return PND_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static const enum pnd_unpack_packing packings[] = {PND_UNPACK_RAW, PND_UNPACK_GZIP,
                                                       PND_UNPACK_LZ4, PND_UNPACK_ZSTD};
    static int fd = -1;
    struct pnd_unpack_job job = {.offset = 1};
    struct taker taker = {0};
    struct pnd_unpack_sink sink = {.ctx = &taker, .write = take, .seek = go_to};
    struct pnd_why why = {0};
    uint64_t at = 0;
    int err;

    if (len == 0)
        return 0;
    if (fd < 0)
        fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (fd < 0 || ftruncate(fd, 0) != 0 || pwrite(fd, data, len, 0) != (ssize_t)len)
        abort();
    job.packing = data[0] < 128 ? packings[data[0] % 4] : PND_UNPACK_LZ4_FRAME;
    job.form = (enum pnd_unpack_form)(data[0] / 4 % 3);
    job.length = len - 1;
    taker.length = job.length;
    taker.raw = job.packing == PND_UNPACK_RAW && job.form == PND_UNPACK_AS_IS ? data + 1 : NULL;
    err = pnd_unpack(fd, &job, &sink, &at, &why);
    if (at > job.length || (err == PND_OK && at != job.length))
        abort();
    if (err != PND_OK && err != PND_E_SHORT && err != PND_E_FORMAT && err != STOPPED &&
        !(job.form == PND_UNPACK_ELF && (err == PND_E_TYPE || err == PND_E_RANGE)))
        abort();
    if (err == PND_OK && taker.raw && taker.len != job.length)
        abort();
    return 0;
}
