/* SPDX-License-Identifier: BSD-2-Clause
 *
 * How fast the codecs pack, and how small: each on zeros, on noise, on made-up memory (a quarter
 * each of zeros, noise, text and pointers) and on the file that is named, a dump. Processor time of
 * one core, the median of some rounds, which alternate between the codecs; into a sink that counts.
 * Blocks of 256 KiB, given from where they lie, as send gives them; a panic's LZ4 has 64 KiB. */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

#include "codec/gzip.h"
#include "codec/lz4.h"
#include "codec/lz4_frame.h"
#include "codec/zstd.h"

enum {
    MIB = 1 << 20,
    MADE_LEN = 128 * MIB,
    FILE_MAX = 1024 * MIB,
    PIECE = 256 << 10,
    PAGE = 4096,
    ROUNDS = 5,
    WAYS = 9,
};

struct way {
    const char *name;
    const struct pnd_codec *codec; /* NULL: copied, as a sink does without one */
    double seconds[ROUNDS];
    uint64_t out;
    bool slow; /* gzip: a quarter of the content is enough */
};

static struct way ways[WAYS];
static uint8_t copied[PIECE];

static void die(const char *what)
{
    perror(what);
    exit(EXIT_FAILURE);
}

static double cpu_s(void)
{
    struct timespec now;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int take(void *ctx, const void *buf, size_t len)
{
    uint64_t *out = ctx;

    (void)buf;
    *out += len;
    return PND_OK;
}

static int copy(void *ctx, const void *buf, size_t len)
{
    (void)ctx;
    memcpy(copied, buf, len);
    return PND_OK;
}

static uint64_t next(uint64_t *x)
{
    *x ^= *x << 13;
    *x ^= *x >> 7;
    *x ^= *x << 17;
    return *x;
}

static void make_content(uint8_t *at, size_t len, int what)
{
    static const char words[] = "kernel_task: assertion failed: (lck->waiters == 0), file \"lck\" ";
    uint64_t x = 88172645463325252u;

    memset(at, 0, len);
    for (size_t page = 0; page + PAGE <= len && what > 0; page += PAGE) {
        uint64_t kind = what == 1 ? 1 : next(&x) >> 62;

        for (size_t i = 0; kind && i < PAGE; i += 8) {
            uint64_t v = next(&x);

            if (kind == 2)
                v = UINT64_C(0xffffff8000000000) | (v & 0xfffff0);
            memcpy(at + page + i, &v, 8);
        }
        for (size_t i = 0; kind == 3 && i < PAGE; i++)
            at[page + i] = (uint8_t)words[(i + page / PAGE) % (sizeof(words) - 1)];
    }
}

static size_t read_file(const char *name, uint8_t *at)
{
    FILE *file = fopen(name, "rb");
    size_t len = file ? fread(at, 1, FILE_MAX, file) : 0;

    if (!file || ferror(file) || len == 0)
        die(name);
    fclose(file);
    return len;
}

static double run(struct way *way, const uint8_t *content, size_t len)
{
    struct pnd_sink sink = {.ctx = &way->out, .write = take};
    double start = cpu_s();
    int err;

    way->out = 0;
    err = way->codec ? way->codec->begin(way->codec->ctx, &sink) : PND_OK;
    for (size_t at = 0; at < len && !err; at += PIECE) {
        size_t part = len - at < PIECE ? len - at : PIECE;

        err = way->codec ? way->codec->write(way->codec->ctx, content + at, part)
                         : copy(NULL, content + at, part);
        way->out += way->codec ? 0 : part;
    }
    if (!err && way->codec)
        err = way->codec->finish(way->codec->ctx);
    if (err) {
        fprintf(stderr, "%s: %s\n", way->name, pnd_err_text(err));
        exit(EXIT_FAILURE);
    }
    return cpu_s() - start;
}

static int by_size(const void *a, const void *b)
{
    const double *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

static void measure(const char *what, const uint8_t *content, size_t len)
{
    printf("\n%s, %zu MiB\n", what, len / MIB);
    for (unsigned round = 0; round < ROUNDS; round++) {
        for (unsigned i = 0; i < WAYS; i++)
            ways[i].seconds[round] = run(&ways[i], content, ways[i].slow ? len / 4 : len);
    }
    for (unsigned i = 0; i < WAYS; i++) {
        struct way *way = &ways[i];
        size_t of = way->slow ? len / 4 : len;

        qsort(way->seconds, ROUNDS, sizeof(double), by_size);
        printf("  %-26s %8.0f MB/s (%.0f to %.0f)  %7.2f : 1\n", way->name,
               (double)of / way->seconds[ROUNDS / 2] / 1e6,
               (double)of / way->seconds[ROUNDS - 1] / 1e6, (double)of / way->seconds[0] / 1e6,
               (double)of / (double)way->out);
    }
}

static void *get(size_t bytes)
{
    void *at = malloc(bytes);

    if (!at)
        die("malloc");
    return at;
}

static void make_ways(void)
{
    static struct pnd_gzip apples, large;
    static struct pnd_lz4 framed;
    static struct pnd_lz4_frame lz4[2];
    static struct pnd_zstd zstd[3];
    static const char *const names[] = {"zstd level -20", "zstd level 1", "zstd level 3"};
    unsigned n = 0;
    int err = pnd_gzip_init(&apples) ||
              pnd_gzip_init_large(&large, get(PND_GZIP_LARGE_MEMORY), PND_GZIP_LARGE_MEMORY) ||
              pnd_lz4_init(&framed);

    for (unsigned i = 0; i < 2 && !err; i++) {
        size_t block = i ? PIECE : PND_LZ4_FRAME_BLOCK_MIN, bytes = PND_LZ4_FRAME_MEMORY(block);

        err = pnd_lz4_frame_init(&lz4[i], block, get(bytes), bytes, NULL);
    }
    for (unsigned i = 0; i < 3 && !err; i++) {
        size_t bytes = pnd_zstd_memory(PIECE, i + 1);

        err = pnd_zstd_init(&zstd[i], PIECE, i + 1, get(bytes), bytes, NULL);
    }
    if (err)
        die("a codec");
    ways[n++] = (struct way){.name = "copied"};
    ways[n++] = (struct way){.name = "gzip, Apple's numbers", .codec = &apples.codec, .slow = true};
    ways[n++] = (struct way){.name = "gzip, zlib's own", .codec = &large.codec, .slow = true};
    ways[n++] = (struct way){.name = "LZ4, Apple's framing", .codec = &framed.codec};
    ways[n++] = (struct way){.name = ".lz4, blocks of 64 KiB", .codec = &lz4[0].codec};
    ways[n++] = (struct way){.name = ".lz4, blocks of 256 KiB", .codec = &lz4[1].codec};
    for (unsigned i = 0; i < 3; i++)
        ways[n++] = (struct way){.name = names[i], .codec = &zstd[i].codec};
}

int main(int argc, char **argv)
{
    static const char *const made[] = {"zeros", "noise", "made-up memory"};
    struct utsname host;
    uint8_t *content;

    if (argc > 2) {
        fprintf(stderr, "usage: bench-codec [DUMP]\n");
        return 2;
    }
    if (uname(&host) == 0)
        printf("%s %s %s\n", host.sysname, host.release, host.machine);
    make_ways();
    content = get(FILE_MAX);
    for (int i = 0; i < 3; i++) {
        make_content(content, MADE_LEN, i);
        measure(made[i], content, MADE_LEN);
    }
    if (argc > 1)
        measure(argv[1], content, read_file(argv[1], content));
    free(content);
    return EXIT_SUCCESS;
}
