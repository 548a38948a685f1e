/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What the codecs have packed comes out as it went in, in this process and from the child; and
 * whatever is wrong with it is an answer. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "codec/gzip.h"
#include "codec/lz4.h"
#include "codec/lz4_frame.h"
#include "codec/zstd.h"
#include "inspect/unpack.h"
#include "tap.h"

enum {
    CONTENT_LEN = 300000,
    PACKED_CAP = 400000,
    OFFSET = 4096, /* where the packed bytes lie in the source */
    OWN_ERROR = -1234,
};

static uint8_t content[CONTENT_LEN], packed[PACKED_CAP], unpacked[CONTENT_LEN];
static struct pnd_gzip gzip;
static struct pnd_lz4 lz4;
static struct pnd_lz4_frame lz4_frame;
static struct pnd_zstd zstd;
static void *lz4_memory, *zstd_memory; /* of those, until the end */

struct taker {
    size_t len, stop_at; /* stop_at 0: never */
    uint64_t done;
};

static int take(void *ctx, const void *data, size_t len, uint64_t done)
{
    struct taker *taker = ctx;

    CHECK(len > 0 && len <= PND_UNPACK_PIECE_MAX && done >= taker->done);
    taker->done = done;
    if (taker->stop_at && taker->len + len > taker->stop_at)
        return OWN_ERROR;
    CHECK(len <= sizeof(unpacked) - taker->len);
    if (len > sizeof(unpacked) - taker->len)
        return PND_E_FULL;
    memcpy(unpacked + taker->len, data, len);
    taker->len += len;
    return PND_OK;
}

static int keep(void *ctx, const void *buf, size_t len)
{
    size_t *at = ctx;

    if (len > sizeof(packed) - *at)
        return PND_E_FULL;
    memcpy(packed + *at, buf, len);
    *at += len;
    return PND_OK;
}

/* Pages of noise, of zeros, and of what came before. */
static void make_content(void)
{
    uint32_t x = 1;

    for (size_t i = 0; i < sizeof(content); i++) {
        x = x * 1664525 + 1013904223;
        content[i] = i / 4096 % 3 == 0   ? (uint8_t)(x >> 24)
                     : i / 4096 % 3 == 1 ? 0
                                         : content[i - 8192];
    }
}

static size_t pack(const struct pnd_codec *codec, size_t len)
{
    size_t at = 0;
    struct pnd_sink next = {.ctx = &at, .write = keep};

    CHECK_EQ(codec->begin(codec->ctx, &next), PND_OK);
    CHECK_EQ(codec->write(codec->ctx, content, len), PND_OK);
    CHECK_EQ(codec->finish(codec->ctx), PND_OK);
    return at;
}

static int source_of(size_t len)
{
    int fd = memfd_create("source", MFD_CLOEXEC);

    CHECK(fd >= 0 && pwrite(fd, packed, len, OFFSET) == (ssize_t)len);
    return fd;
}

static struct pnd_unpack_job job_of(enum pnd_unpack_packing packing, size_t len)
{
    return (struct pnd_unpack_job){.offset = OFFSET, .length = len, .packing = packing};
}

/* Both ways, which must agree. @return the result, and its place and length */
static int unpack(enum pnd_unpack_packing packing, size_t len, uint64_t *ret_at, size_t *ret_len)
{
    struct pnd_unpack_job job = job_of(packing, len);
    struct taker here = {0}, there = {0};
    struct pnd_unpack_sink sink = {.ctx = &here, .write = take},
                           caged = {.ctx = &there, .write = take};
    struct pnd_why why = {0}, caged_why = {0};
    int fd = source_of(len), err = pnd_unpack(fd, &job, &sink, ret_at, &why);
    uint64_t at;

    CHECK_EQ(pnd_unpack_caged(fd, &job, &caged, &at, &caged_why), err);
    CHECK_STR(caged_why.text, why.text);
    CHECK_EQ(at, *ret_at);
    CHECK_EQ(there.len, here.len);
    CHECK_MEM(unpacked, content, here.len);
    *ret_len = here.len;
    close(fd);
    return err;
}

static void unpacks_what_the_codecs_have_packed(void)
{
    static const size_t sizes[] = {0, 1, 4095, 65536, 65537, CONTENT_LEN};
    uint64_t at;
    size_t len, out;

    for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        len = pack(&gzip.codec, sizes[i]);
        CHECK_EQ(unpack(PND_UNPACK_GZIP, len, &at, &out), PND_OK);
        CHECK(at == len && out == sizes[i]);
        len = pack(&lz4.codec, sizes[i]);
        CHECK_EQ(unpack(PND_UNPACK_LZ4, len, &at, &out), PND_OK);
        CHECK(at == len && out == sizes[i]);
        len = pack(&lz4_frame.codec, sizes[i]);
        CHECK_EQ(unpack(PND_UNPACK_LZ4_FRAME, len, &at, &out), PND_OK);
        CHECK(at == len && out == sizes[i]);
        len = pack(&zstd.codec, sizes[i]);
        CHECK_EQ(unpack(PND_UNPACK_ZSTD, len, &at, &out), PND_OK);
        CHECK(at == len && out == sizes[i]);
        memcpy(packed, content, sizes[i]);
        CHECK_EQ(unpack(PND_UNPACK_RAW, sizes[i], &at, &out), PND_OK);
        CHECK(at == sizes[i] && out == sizes[i]);
    }
}

static void finds_every_cut_and_keeps_what_comes_before(void)
{
    const struct {
        const struct pnd_codec *codec;
        enum pnd_unpack_packing packing;
    } kinds[] = {{&gzip.codec, PND_UNPACK_GZIP},
                 {&lz4.codec, PND_UNPACK_LZ4},
                 {&lz4_frame.codec, PND_UNPACK_LZ4_FRAME}};

    for (size_t k = 0; k < 3; k++) {
        size_t len = pack(kinds[k].codec, CONTENT_LEN);

        for (size_t cut = 0; cut < len; cut += cut < 40 || cut + 40 > len ? 1 : 4999) {
            struct pnd_unpack_job job = job_of(kinds[k].packing, cut);
            struct taker taker = {0};
            struct pnd_unpack_sink sink = {.ctx = &taker, .write = take};
            int fd = source_of(len);
            uint64_t at;

            CHECK_EQ(pnd_unpack(fd, &job, &sink, &at, NULL), PND_E_SHORT);
            CHECK(at <= cut && taker.len <= CONTENT_LEN);
            CHECK_MEM(unpacked, content, taker.len);
            close(fd);
        }
    }
}

static void says_that_the_source_ends_within_a_file(void)
{
    struct pnd_unpack_job job = job_of(PND_UNPACK_RAW, 1000);
    struct taker taker = {0};
    struct pnd_unpack_sink sink = {.ctx = &taker, .write = take};
    struct pnd_why why = {0};
    uint64_t at;
    int fd;

    memcpy(packed, content, 600);
    fd = source_of(600);
    CHECK_EQ(pnd_unpack_caged(fd, &job, &sink, &at, &why), PND_E_SHORT);
    CHECK_STR(why.text, "the source ends within it, after 600 of 1000 bytes");
    CHECK(at == 600 && taker.len == 600);
    close(fd);
}

static void tells_the_place_of_the_damage(void)
{
    size_t len = pack(&lz4.codec, CONTENT_LEN), out;
    uint64_t at;

    packed[len] = 'x';
    CHECK_EQ(unpack(PND_UNPACK_LZ4, len + 1, &at, &out), PND_E_FORMAT);
    CHECK(at == len && out == CONTENT_LEN);
    memset(packed + len, 0, 100);
    CHECK_EQ(unpack(PND_UNPACK_LZ4, len + 100, &at, &out), PND_OK);
    packed[1] ^= 1;
    CHECK_EQ(unpack(PND_UNPACK_LZ4, len, &at, &out), PND_E_FORMAT);
    CHECK(at == 0 && out == 0);
    len = pack(&gzip.codec, CONTENT_LEN);
    packed[len - 5] ^= 1;
    CHECK_EQ(unpack(PND_UNPACK_GZIP, len, &at, &out), PND_E_FORMAT);
    CHECK(at <= len && at > len - 9 && out == CONTENT_LEN);
    len = pack(&lz4_frame.codec, CONTENT_LEN);
    packed[len] = 'x';
    CHECK_EQ(unpack(PND_UNPACK_LZ4_FRAME, len + 1, &at, &out), PND_E_FORMAT);
    CHECK(at == len && out == CONTENT_LEN);
    packed[len - 1] ^= 1;
    CHECK_EQ(unpack(PND_UNPACK_LZ4_FRAME, len, &at, &out), PND_E_FORMAT);
    CHECK(at <= len && at >= len - 8 && out == CONTENT_LEN);
    packed[4] ^= 1;
    CHECK_EQ(unpack(PND_UNPACK_LZ4_FRAME, len, &at, &out), PND_E_FORMAT);
    CHECK(at <= 7 && out == 0);
}

static void ends_when_its_taker_has_had_enough_and_leaves_no_child(void)
{
    size_t len = pack(&lz4.codec, CONTENT_LEN);
    struct pnd_unpack_job job = job_of(PND_UNPACK_LZ4, len);
    struct taker taker = {.stop_at = 100000};
    struct pnd_unpack_sink sink = {.ctx = &taker, .write = take};
    struct pnd_why why = {0};
    int fd = source_of(len);
    uint64_t at;

    CHECK_EQ(pnd_unpack_caged(fd, &job, &sink, &at, &why), OWN_ERROR);
    CHECK_STR(why.text, "");
    CHECK_EQ(taker.len, 65536);
    taker = (struct taker){.stop_at = 100000};
    CHECK_EQ(pnd_unpack(fd, &job, &sink, &at, &why), OWN_ERROR);
    CHECK_EQ(waitpid(-1, NULL, WNOHANG), -1);
    CHECK_EQ(errno, ECHILD);
    close(fd);
}

/* The only child of this process, from the kernel's list. @return 0: this kernel has none */
static int only_child(void)
{
    FILE *list = fopen("/proc/thread-self/children", "re");
    char line[32] = "";

    if (list && !fgets(line, sizeof(line), list))
        line[0] = '\0';
    if (list)
        fclose(list);
    return (int)strtol(line, NULL, 10);
}

/* What was under way when the child died still comes. */
static int kill_child(void *ctx, const void *data, size_t len, uint64_t done)
{
    int child = only_child();

    (void)ctx;
    (void)data;
    (void)len;
    (void)done;
    if (child > 0)
        kill(child, SIGKILL);
    return PND_OK;
}

static void survives_a_child_that_dies(void)
{
    struct pnd_unpack_job job = job_of(PND_UNPACK_RAW, UINT64_C(1) << 40);
    struct pnd_unpack_sink sink = {.write = kill_child};
    struct pnd_why why = {0};
    int fd = memfd_create("source", MFD_CLOEXEC);
    uint64_t at;

    if (access("/proc/thread-self/children", R_OK) != 0)
        SKIP("this kernel does not list children");
    /* a hole of 1 TiB: it cannot have ended by itself */
    CHECK_EQ(ftruncate(fd, (off_t)OFFSET + ((off_t)1 << 40)), 0);
    CHECK_EQ(pnd_unpack_caged(fd, &job, &sink, &at, &why), PND_E_FORMAT);
    CHECK(strstr(why.text, "the unpacking process was killed by signal 9") != NULL);
    CHECK_EQ(waitpid(-1, NULL, WNOHANG), -1);
    CHECK_EQ(errno, ECHILD);
    close(fd);
}

static void says_why_a_source_cannot_be_read(void)
{
    struct pnd_unpack_job job = job_of(PND_UNPACK_GZIP, 1000);
    struct taker taker = {0};
    struct pnd_unpack_sink sink = {.ctx = &taker, .write = take};
    struct pnd_why why = {0};
    int pipes[2];
    uint64_t at;

    CHECK_EQ(pipe2(pipes, O_CLOEXEC), 0);
    CHECK_EQ(pnd_unpack_caged(pipes[0], &job, &sink, &at, &why), PND_E_SOURCE);
    CHECK_STR(why.text, "read the source at byte 4096: Illegal seek");
    close(pipes[0]);
    close(pipes[1]);
}

static int go_to(void *ctx, uint64_t at, uint64_t done)
{
    struct taker *taker = ctx;

    CHECK(at <= sizeof(unpacked) && done >= taker->done);
    taker->len = (size_t)at;
    return PND_OK;
}

/* A flattened stream of two records, packed; in the child, too, which says where each goes. */
static void puts_records_in_their_order_from_the_child_too(void)
{
    static uint8_t flat[4096 + 3 * 16 + 8];
    static const uint8_t places[2] = {4, 0};
    size_t at = 4096;
    struct pnd_unpack_job job = {
        .offset = OFFSET, .packing = PND_UNPACK_GZIP, .form = PND_UNPACK_ARRANGED};
    struct taker taker = {0};
    struct pnd_unpack_sink sink = {.ctx = &taker, .write = take, .seek = go_to};
    struct pnd_why why = {0};
    uint64_t ended;
    int fd;

    memcpy(flat, "makedumpfile", 12);
    flat[23] = flat[31] = 1;
    for (unsigned i = 0; i < 2; i++) {
        flat[at + 7] = places[i];
        flat[at + 15] = 4;
        memcpy(flat + at + 16, i ? "abcd" : "efgh", 4);
        at += 20;
    }
    memset(flat + at, 0xff, 16);
    memcpy(content, flat, sizeof(flat));
    job.length = pack(&gzip.codec, sizeof(flat));
    make_content();
    fd = source_of((size_t)job.length);
    CHECK_EQ(pnd_unpack_caged(fd, &job, &sink, &ended, &why), PND_OK);
    CHECK_MEM(unpacked, "abcdefgh", 8);
    sink.seek = NULL; /* a taker that cannot */
    taker.done = 0;
    CHECK_EQ(pnd_unpack_caged(fd, &job, &sink, &ended, &why), PND_E_FORMAT);
    job.form = PND_UNPACK_ELF;
    CHECK_EQ(pnd_unpack_caged(fd, &job, &sink, &ended, &why), PND_E_TYPE);
    CHECK_STR(why.text, "it is no Mach-O core, so no ELF core can be made");
    close(fd);
}

static int make_frames(void)
{
    size_t lz4_bytes = PND_LZ4_FRAME_MEMORY(PND_LZ4_FRAME_BLOCK_MIN);
    size_t zstd_bytes = pnd_zstd_memory(PND_ZSTD_BLOCK_MIN, 1);

    lz4_memory = malloc(lz4_bytes);
    zstd_memory = malloc(zstd_bytes);
    if (!lz4_memory || !zstd_memory)
        return PND_E_SYS;
    return pnd_lz4_frame_init(&lz4_frame, PND_LZ4_FRAME_BLOCK_MIN, lz4_memory, lz4_bytes, NULL) ||
           pnd_zstd_init(&zstd, PND_ZSTD_BLOCK_MIN, 1, zstd_memory, zstd_bytes, NULL);
}

int main(int argc, char **argv)
{
    pnd_unpack_child_main(argc, argv);
    make_content();
    if (pnd_gzip_init(&gzip) || pnd_lz4_init(&lz4) || make_frames())
        return EXIT_FAILURE;
    RUN(unpacks_what_the_codecs_have_packed);
    RUN(finds_every_cut_and_keeps_what_comes_before);
    RUN(says_that_the_source_ends_within_a_file);
    RUN(tells_the_place_of_the_damage);
    RUN(ends_when_its_taker_has_had_enough_and_leaves_no_child);
    RUN(survives_a_child_that_dies);
    RUN(puts_records_in_their_order_from_the_child_too);
    RUN(says_why_a_source_cannot_be_read);
    return tap_done();
}
