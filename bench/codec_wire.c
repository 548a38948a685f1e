/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What compression gains on a wire of so many bytes a second: content per second through a pipe
 * whose reader takes no more than that, for each codec and effort, and with the effort that is
 * chosen on the way. The clock is the wall's, so that what is packed while the wire is busy costs
 * nothing, as on a real one; both ends share the processors. Bytes that are held in between: 1 MiB.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "codec/lz4_frame.h"
#include "codec/zstd.h"

enum {
    MIB = 1 << 20,
    BLOCK = 256 << 10,
    READ_LEN = 64 << 10,
    FILE_MAX = 1024 * MIB,
    SECONDS = 2,
    LAPS_MAX = 64,
    WAYS = 6,
};

struct way {
    const char *name;
    const struct pnd_codec *codec; /* NULL: none */
};

static struct way ways[WAYS];

static void die(const char *what)
{
    perror(what);
    exit(EXIT_FAILURE);
}

static uint64_t now_us(void *ctx)
{
    struct timespec now;

    (void)ctx;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* The other end of the wire. @param rate  MB/s; 0: as fast as it can */
static void drain(int fd, uint64_t rate)
{
    static uint8_t buf[READ_LEN];
    uint64_t start_us = now_us(NULL), bytes = 0;
    ssize_t n;

    while ((n = read(fd, buf, sizeof(buf))) > 0) {
        uint64_t us = now_us(NULL) - start_us, due_us;

        bytes += (uint64_t)n;
        due_us = rate ? bytes / rate : 0;
        if (due_us > us + 500)
            usleep((useconds_t)(due_us - us));
        else if (us > due_us + 20000) /* nothing came: what was missed is not made up for */
            start_us += us - due_us;
    }
    _exit(EXIT_SUCCESS);
}

static int put(void *ctx, const void *buf, size_t len)
{
    const int *fd = ctx;
    const uint8_t *at = buf;

    while (len > 0) {
        ssize_t n = write(*fd, at, len);

        if (n <= 0)
            return PND_E_LINK;
        at += n;
        len -= (size_t)n;
    }
    return PND_OK;
}

/* The content again and again for some seconds. @return MB of it per second */
static double run(const struct way *way, uint64_t rate, const uint8_t *content, size_t len)
{
    int ends[2], err = PND_OK;
    struct pnd_sink sink = {.ctx = &ends[1], .write = put};
    uint64_t start_us, bytes = 0, us = 0;
    pid_t child;

    if (pipe(ends) != 0 || fcntl(ends[1], F_SETPIPE_SZ, MIB) < 0)
        die("pipe");
    child = fork();
    if (child < 0)
        die("fork");
    if (child == 0) {
        close(ends[1]);
        drain(ends[0], rate);
    }
    close(ends[0]);
    start_us = now_us(NULL);
    if (way->codec)
        err = way->codec->begin(way->codec->ctx, &sink);
    for (unsigned lap = 0; !err && lap < LAPS_MAX && us < SECONDS * 1000000u; lap++) {
        for (size_t at = 0; !err && at < len && us < SECONDS * 1000000u; at += BLOCK) {
            size_t part = len - at < BLOCK ? len - at : (size_t)BLOCK;

            err = way->codec ? way->codec->write(way->codec->ctx, content + at, part)
                             : put(&ends[1], content + at, part);
            bytes += part;
            us = now_us(NULL) - start_us;
        }
    }
    if (!err && way->codec)
        err = way->codec->finish(way->codec->ctx);
    close(ends[1]);
    if (err || waitpid(child, NULL, 0) != child) {
        fprintf(stderr, "%s: %s\n", way->name, pnd_err_text(err));
        exit(EXIT_FAILURE);
    }
    return (double)bytes / (double)(now_us(NULL) - start_us);
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
    static const struct pnd_adapt_clock clock = {.now_us = now_us};
    static const char *const names[] = {"zstd -20", "zstd 1", "zstd 3", "auto"};
    static struct pnd_lz4_frame lz4;
    static struct pnd_zstd zstd[4];
    size_t bytes = PND_LZ4_FRAME_MEMORY(BLOCK);

    if (pnd_lz4_frame_init(&lz4, BLOCK, get(bytes), bytes, NULL))
        die("LZ4");
    ways[0] = (struct way){.name = "none"};
    ways[1] = (struct way){.name = "lz4", .codec = &lz4.codec};
    for (unsigned i = 0; i < 4; i++) {
        unsigned top = i < 3 ? i + 1 : PND_ADAPT_EFFORTS_MAX - 1;

        bytes = pnd_zstd_memory(BLOCK, top);
        if (pnd_zstd_init(&zstd[i], BLOCK, top, get(bytes), bytes, i < 3 ? NULL : &clock))
            die("zstd");
        ways[2 + i] = (struct way){.name = names[i], .codec = &zstd[i].codec};
    }
}

int main(int argc, char **argv)
{
    static const uint64_t rates[] = {12, 117, 294, 1250, 0}; /* 100 Mbit/s, 1, 2.5, 10 Gbit/s */
    FILE *file = argc == 2 ? fopen(argv[1], "rb") : NULL;
    uint8_t *content;
    size_t len;

    if (!file) {
        fprintf(stderr, "usage: bench-codec-wire DUMP\n");
        return 2;
    }
    content = get(FILE_MAX);
    len = fread(content, 1, FILE_MAX, file);
    fclose(file);
    if (len == 0) {
        fprintf(stderr, "%s is empty, or cannot be read\n", argv[1]);
        free(content);
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    make_ways();
    printf("%-12s", "wire MB/s");
    for (unsigned i = 0; i < WAYS; i++)
        printf("%10s", ways[i].name);
    printf("   MB/s of content\n");
    for (unsigned r = 0; r < sizeof(rates) / sizeof(rates[0]); r++) {
        char name[24];

        snprintf(name, sizeof(name), "%u", (unsigned)rates[r]);
        printf("%-12s", rates[r] ? name : "no limit");
        for (unsigned i = 0; i < WAYS; i++) {
            printf("%10.0f", run(&ways[i], rates[r], content, len));
            fflush(stdout);
        }
        printf("\n");
    }
    free(content);
    return EXIT_SUCCESS;
}
