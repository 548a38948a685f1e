/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Any bytes as a dump that arrives in steps: the pass says of it what it says of the same bytes at
 * once, and every byte of the content is found again. The first byte seeds the steps. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "inspect/pass.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum {
    CONTENT_MAX = 8 << 20, /* a bomb takes its time */
    READS = 8,
};

static int file_of(const uint8_t *data, size_t len)
{
    static int fd = -1;

    if (fd < 0)
        fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (fd < 0 || ftruncate(fd, 0) != 0 || pwrite(fd, data, len, 0) != (ssize_t)len)
        abort();
    return fd;
}

static struct pnd_pass *begin(int fd)
{
    struct pnd_pass *pass;

    if (pnd_pass_create(fd, &pass, NULL) != PND_OK)
        abort();
    return pass;
}

static void advance(struct pnd_pass *pass, uint64_t end, bool final)
{
    if (pnd_pass_advance(pass, end, final, NULL, NULL, NULL) != PND_OK)
        abort();
}

static void read_facts(struct pnd_pass *pass)
{
    struct pnd_facts facts;

    if (pnd_pass_facts(pass, &facts, NULL) != PND_OK)
        abort();
    pnd_facts_deinit(&facts);
}

/* The same bytes, whichever pass they are asked of. */
static void compare_reads(struct pnd_pass *one, struct pnd_pass *two, uint32_t seed)
{
    const struct pnd_content *a = pnd_pass_input(one)->content, *b = pnd_pass_input(two)->content;
    uint8_t x[300], y[300];

    if (a->bytes != b->bytes || a->head_len != b->head_len)
        abort();
    for (int i = 0; i < READS && a->bytes; i++) {
        uint64_t at = (seed = seed * 1664525 + 1013904223) % a->bytes;
        long n = pnd_content_some(a, at, x, 1 + seed % sizeof(x));
        long m = pnd_content_some(b, at, y, 1 + seed % sizeof(y));

        if (n != m || (n > 0 && memcmp(x, y, (size_t)n) != 0))
            abort();
    }
}

static void compare_scans(const struct pnd_scan *a, const struct pnd_scan *b)
{
    if (memcmp(a->count, b->count, sizeof(a->count)) != 0 ||
        memcmp(a->at, b->at, sizeof(a->at)) != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    uint32_t seed = len ? data[0] : 0;
    struct pnd_check once = {0}, steps = {0};
    struct pnd_pass *one, *two;
    int fd = file_of(data + (len > 0), len ? len - 1 : 0);

    one = begin(fd);
    advance(one, UINT64_MAX, true);
    if (pnd_pass_input(one)->content->bytes > CONTENT_MAX) {
        pnd_pass_destroy(one);
        return 0;
    }
    two = begin(fd);
    for (uint64_t at = 0; at < len; at += 1 + (seed >> 8) % 200) {
        seed = seed * 1664525 + 1013904223;
        advance(two, at, false);
        if (seed % 16 == 0)
            read_facts(two);
    }
    advance(two, UINT64_MAX, true);
    read_facts(one);
    read_facts(two);
    compare_reads(one, two, seed);
    if (pnd_pass_check(one, &once, NULL) || pnd_pass_check(two, &steps, NULL))
        abort();
    compare_scans(pnd_pass_input(one)->scan, pnd_pass_input(two)->scan);
    if (once.verdict != steps.verdict || strcmp(once.sha256, steps.sha256) != 0 ||
        strcmp(once.format, steps.format) != 0)
        abort();
    /* where zstd and LZ4 fail is not told to the byte */
    if (strcmp(once.reason, steps.reason) != 0 && strncmp(once.format, "zstd", 4) != 0 &&
        strncmp(once.format, "lz4", 3) != 0)
        abort();
    pnd_pass_destroy(one);
    pnd_pass_destroy(two);
    return 0;
}
