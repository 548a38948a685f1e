/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A dump that is whole, cut at every byte of its first and last bytes and at random points between,
 * and with bits turned over: whatever is made of it, the readers end, in time, and do not call a
 * cut dump complete. Without its last SPARE bytes it may be called so.
 *
 *   abuse FILE FORMAT CUTS FLIPS SEED SPARE
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "inspect/check.h"

enum {
    EDGE_BYTES = 600,    /* of the start and the end are cut at every byte */
    SLOW_MS = 20 * 1000, /* for one reading; with a sanitizer it takes its time */
};

struct sample {
    const char *path, *format;
    uint8_t *data;
    size_t len, spare;
};

static unsigned failures, complete;

static uint64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void fail(const struct sample *sample, const char *what, uint64_t at, const char *words)
{
    failures++;
    printf("# %s: %s at %llu: %s\n", sample->path, what, (unsigned long long)at, words);
}

static int file_of(const void *data, size_t len)
{
    int fd = memfd_create("dump", MFD_CLOEXEC);

    if (fd < 0 || (len && pwrite(fd, data, len, 0) != (ssize_t)len)) {
        perror("memfd");
        exit(2);
    }
    return fd;
}

/* @return the verdict; -1 it could not be read */
static int read_it(const struct sample *sample, int fd, const char *what, uint64_t at,
                   struct pnd_check *ret)
{
    struct pnd_facts facts = {0};
    struct pnd_why why = {0};
    uint64_t start = now_ms();
    int err = pnd_check_file(fd, NULL, NULL, ret, &facts, &why);

    if (err)
        fail(sample, what, at, why.text);
    else if (now_ms() - start > SLOW_MS)
        fail(sample, what, at, "took too long");
    pnd_facts_deinit(&facts);
    return err ? -1 : (int)ret->verdict;
}

static void cut_at(const struct sample *sample, size_t len)
{
    int fd = file_of(sample->data, len);
    struct pnd_check check = {0};

    if (read_it(sample, fd, "cut", len, &check) == PND_VERDICT_COMPLETE) {
        complete++;
        /* What has lost its head is another file: data, of which nobody knows the end. */
        if (len + sample->spare < sample->len && strcmp(check.format, sample->format) == 0)
            fail(sample, "cut", len, "called complete");
    }
    close(fd);
}

static void flip_at(const struct sample *sample, uint64_t bit)
{
    uint8_t *copy = malloc(sample->len);
    struct pnd_check check = {0};
    int fd;

    memcpy(copy, sample->data, sample->len);
    copy[bit / 8] ^= (uint8_t)(1u << bit % 8);
    fd = file_of(copy, sample->len);
    read_it(sample, fd, "bit", bit, &check);
    close(fd);
    free(copy);
}

static uint64_t next_random(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

static void load(struct sample *sample)
{
    FILE *file = fopen(sample->path, "rb");
    struct stat st;

    if (!file || fstat(fileno(file), &st) != 0 || st.st_size == 0) {
        perror(sample->path);
        exit(2);
    }
    sample->len = (size_t)st.st_size;
    sample->data = malloc(sample->len);
    if (!sample->data || fread(sample->data, 1, sample->len, file) != sample->len) {
        perror(sample->path);
        exit(2);
    }
    fclose(file);
}

static void check_whole(const struct sample *sample)
{
    int fd = file_of(sample->data, sample->len);
    struct pnd_check check = {0};

    if (read_it(sample, fd, "whole", 0, &check) != PND_VERDICT_COMPLETE)
        fail(sample, "whole", 0, check.reason);
    if (strcmp(check.format, sample->format) != 0)
        fail(sample, "whole", 0, check.format);
    close(fd);
}

int main(int argc, char **argv)
{
    struct sample sample = {0};
    unsigned long cuts, flips, edge;
    uint64_t seed;

    pnd_check_child_main(argc, argv);
    if (argc < 7)
        return 2;
    sample.path = argv[1];
    sample.format = argv[2];
    cuts = strtoul(argv[3], NULL, 10);
    flips = strtoul(argv[4], NULL, 10);
    seed = strtoull(argv[5], NULL, 10) * 2 + 1;
    sample.spare = strtoul(argv[6], NULL, 10);
    load(&sample);
    check_whole(&sample);
    edge = sample.len < EDGE_BYTES ? sample.len : EDGE_BYTES;
    for (size_t i = 0; i < edge; i++) {
        cut_at(&sample, i);
        cut_at(&sample, sample.len - 1 - i);
    }
    for (unsigned long i = 0; i < cuts; i++)
        cut_at(&sample, next_random(&seed) % sample.len);
    for (unsigned long i = 0; i < flips; i++)
        flip_at(&sample, i < 4 * edge ? i : next_random(&seed) % (8 * sample.len));
    printf("# %s: %lu cuts, %u of them complete; %lu flips; %u failures\n", sample.format,
           2 * edge + cuts, complete, flips, failures);
    free(sample.data);
    return failures != 0;
}
