/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Blocks packed by threads beside sending: what comes out is the codec's own file, in order, with
 * any number of threads; and every failure comes back to whoever writes. */
#include "panicdump/packer.h"

#include <signal.h>
#include <stdint.h>
#include <unistd.h>
#include <zstd.h>

#include "codec/lz4_frame.h"
#include "codec/zstd.h"
#include "tap.h"

enum {
    KIB = 1 << 10,
    BLOCK = 64 * KIB,
    DATA_LEN = 5 * 1024 * KIB + 12345, /* many rounds of the ring, and a short block */
    OUT_CAP = DATA_LEN + 1024 * KIB,
    CODECS = 1 + PND_PACKER_LANES_MAX,
    ZSTD_TOP = PND_ZSTD_EFFORTS - 1,
};

struct sink {
    struct pnd_sink sink;
    size_t len;
    unsigned writes, fail_at; /* the write, counted from 1, that fails; 0: none does */
    unsigned pause_us;        /* that each takes */
    bool behind_error, failed;
};

struct polls {
    unsigned count, fail_at;
    bool idle;
};

static uint8_t *data, *packed, *expected, *unpacked;
static void *memory[2][CODECS];
static struct pnd_zstd zstd[CODECS];
static struct pnd_lz4_frame lz4[CODECS];
static struct sink out;
static struct polls polls;

static int take(void *ctx, const void *buf, size_t len)
{
    struct sink *s = ctx;

    s->behind_error |= s->failed;
    if (s->pause_us)
        usleep(s->pause_us);
    if (++s->writes == s->fail_at) {
        s->failed = true;
        return PND_E_LINK;
    }
    if (len > OUT_CAP - s->len)
        return PND_E_NOSPACE;
    memcpy(packed + s->len, buf, len);
    s->len += len;
    return PND_OK;
}

static void open_sink(unsigned fail_at)
{
    out = (struct sink){.sink = {.ctx = &out, .write = take}, .fail_at = fail_at};
}

static int poll_sink(void *ctx)
{
    struct polls *p = ctx;

    if (++p->count == p->fail_at)
        return PND_E_ABORTED;
    return p->idle ? PND_PACKER_IDLE : PND_OK;
}

/* Zeros, text, noise: runs of 100 KiB, so that blocks hold all mixtures. */
static void fill_data(void)
{
    uint64_t x = 88172645463325252u;

    for (size_t i = 0; i < DATA_LEN; i++) {
        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        switch (i / (100 * KIB) % 4) {
        case 0:
            data[i] = 0;
            break;
        case 1:
            data[i] = (uint8_t)x;
            break;
        default:
            data[i] = (uint8_t)("panic(cpu 0 caller 0x"[i % 21] + (i % 997 == 0));
        }
    }
}

static void init_codecs(void)
{
    size_t zstd_bytes = pnd_zstd_memory(BLOCK, ZSTD_TOP);
    size_t lz4_bytes = PND_LZ4_FRAME_MEMORY(BLOCK);

    for (unsigned i = 0; i < CODECS; i++) {
        memory[0][i] = malloc(zstd_bytes);
        memory[1][i] = malloc(lz4_bytes);
        if (!memory[0][i] || !memory[1][i] ||
            pnd_zstd_init(&zstd[i], BLOCK, ZSTD_TOP, memory[0][i], zstd_bytes, NULL) ||
            pnd_lz4_frame_init(&lz4[i], BLOCK, memory[1][i], lz4_bytes, NULL))
            abort();
    }
}

static struct pnd_packer *make(bool is_lz4, unsigned threads, unsigned effort, unsigned top)
{
    struct pnd_packer_config config = {
        .stream = is_lz4 ? &lz4[0].codec : &zstd[0].codec,
        .blocks = is_lz4 ? &lz4[0].blocks : &zstd[0].blocks,
        .count = threads ? threads : 1,
        .threads = threads,
        .effort = effort,
        .worth = top < 3 ? top : 3,
        .top = top,
        .poll = poll_sink,
        .poll_ctx = &polls,
    };
    struct pnd_packer *packer = NULL;
    struct pnd_why why;

    for (unsigned i = 0; i < config.count; i++)
        config.lanes[i] = is_lz4 ? &lz4[1 + i].blocks : &zstd[1 + i].blocks;
    if (pnd_packer_create(&packer, &config, &why))
        abort();
    return packer;
}

static int run(const struct pnd_codec *codec, size_t len, size_t piece)
{
    int err = codec->begin(codec->ctx, &out.sink);
    size_t at = 0;

    while (!err && at < len) {
        size_t part = piece < len - at ? piece : len - at;

        err = codec->write(codec->ctx, data + at, part);
        at += part;
    }
    return err ? err : codec->finish(codec->ctx);
}

/* What the codec itself makes of it. @return bytes in expected */
static size_t expect(const struct pnd_codec *codec, size_t len)
{
    open_sink(0);
    CHECK_EQ(run(codec, len, len ? len : 1), PND_OK);
    memcpy(expected, packed, out.len);
    return out.len;
}

static void is_the_codecs_own(bool is_lz4, unsigned threads, size_t len, size_t piece)
{
    const struct pnd_codec *codec = is_lz4 ? &lz4[0].codec : &zstd[0].codec;
    unsigned effort = is_lz4 ? PND_LZ4_FRAME_EFFORTS - 1 : ZSTD_TOP;
    size_t expected_len = expect(codec, len);
    struct pnd_packer *packer = make(is_lz4, threads, effort, 0);

    for (unsigned turn = 0; turn < 2; turn++) {
        open_sink(0);
        CHECK_EQ(run(pnd_packer_codec(packer), len, piece), PND_OK);
        CHECK_EQ(out.len, expected_len);
        CHECK_MEM(packed, expected, expected_len);
    }
    pnd_packer_destroy(packer);
}

static void any_number_of_threads_makes_the_codecs_own_file(void)
{
    static const size_t lens[] = {0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 7 * BLOCK, DATA_LEN};

    for (unsigned threads = 0; threads <= PND_PACKER_LANES_MAX; threads += 1 + threads / 3) {
        for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
            is_the_codecs_own(false, threads, lens[i], 10000 + 9999 * i);
            is_the_codecs_own(true, threads, lens[i], 10000 + 9999 * i);
        }
    }
}

/* Fast and slow sinks, polls that say both: every effort comes, and goes. */
static void whatever_is_chosen_the_file_is_right(void)
{
    for (unsigned i = 0; i < 12; i++) {
        struct pnd_packer *packer = make(false, 1 + i % 3, i % 4, i % 2 ? ZSTD_TOP : 1 + i % 5);
        size_t n;

        polls = (struct polls){.idle = i & 1};
        open_sink(0);
        out.pause_us = i % 3 == 2 ? 500 : 0;
        if (i % 4 > (i % 2 ? ZSTD_TOP : 1 + i % 5)) {
            pnd_packer_destroy(packer);
            continue;
        }
        CHECK_EQ(run(pnd_packer_codec(packer), DATA_LEN, 100000), PND_OK);
        n = ZSTD_decompress(unpacked, DATA_LEN + 1, packed, out.len);
        CHECK_EQ(n, DATA_LEN);
        CHECK_MEM(unpacked, data, DATA_LEN);
        pnd_packer_destroy(packer);
    }
    polls = (struct polls){0};
}

/* A slow sink gets all that the processors can do, one that has nothing to do does not wait. */
static void a_slow_sink_gets_more_effort(void)
{
    size_t light;
    struct pnd_packer *packer = make(false, 2, 1, ZSTD_TOP);

    zstd[0].blocks.top = 1;
    light = expect(&zstd[0].codec, DATA_LEN);
    zstd[0].blocks.top = ZSTD_TOP;
    open_sink(0);
    out.pause_us = 3000;
    CHECK_EQ(run(pnd_packer_codec(packer), DATA_LEN, 100000), PND_OK);
    CHECK(out.len < light - light / 200);
    pnd_packer_destroy(packer);
}

static void the_sinks_error_comes_back_from_every_write(void)
{
    struct pnd_packer *packer = make(false, 2, 2, 0);
    const struct pnd_codec *codec = pnd_packer_codec(packer);
    unsigned writes;

    open_sink(0);
    CHECK_EQ(run(codec, DATA_LEN, 100000), PND_OK);
    writes = out.writes;
    for (unsigned at = 1; at <= writes; at++) {
        open_sink(at);
        CHECK_EQ(run(codec, DATA_LEN, 100000), PND_E_LINK);
        CHECK(!out.behind_error);
        CHECK_EQ(codec->write(codec->ctx, data, 1), PND_E_ARG);
        CHECK_EQ(codec->finish(codec->ctx), PND_E_ARG);
    }
    is_the_codecs_own(false, 2, DATA_LEN, 50000);
    pnd_packer_destroy(packer);
}

/* Ctrl-C: the link says so whenever it is asked. */
static void the_polls_error_comes_back(void)
{
    struct pnd_packer *packer = make(false, 1, ZSTD_TOP, 0);
    const struct pnd_codec *codec = pnd_packer_codec(packer);

    polls = (struct polls){0};
    open_sink(0);
    CHECK_EQ(run(codec, DATA_LEN, DATA_LEN), PND_OK);
    CHECK(polls.count > 0); /* one thread at the highest effort is waited for */
    polls = (struct polls){.fail_at = 2};
    open_sink(0);
    CHECK_EQ(run(codec, DATA_LEN, DATA_LEN), PND_E_ABORTED);
    CHECK_EQ(codec->write(codec->ctx, data, 1), PND_E_ARG);
    polls = (struct polls){0};
    pnd_packer_destroy(packer);
}

static void a_new_beginning_forgets_what_was_under_way(void)
{
    size_t expected_len = expect(&lz4[0].codec, DATA_LEN);
    struct pnd_packer *packer = make(true, 3, PND_LZ4_FRAME_EFFORTS - 1, 0);
    const struct pnd_codec *codec = pnd_packer_codec(packer);

    for (size_t before = 0; before < DATA_LEN; before += 399989) {
        open_sink(0);
        CHECK_EQ(codec->begin(codec->ctx, &out.sink), PND_OK);
        CHECK_EQ(codec->write(codec->ctx, data + 1, before), PND_OK);
        open_sink(0);
        CHECK_EQ(run(codec, DATA_LEN, 100000), PND_OK);
        CHECK_EQ(out.len, expected_len);
        CHECK_MEM(packed, expected, expected_len);
    }
    pnd_packer_destroy(packer);
}

static void what_has_not_begun_or_has_ended_takes_nothing(void)
{
    struct pnd_packer *packer = make(false, 2, 1, 0);
    const struct pnd_codec *codec = pnd_packer_codec(packer);

    CHECK_EQ(codec->write(codec->ctx, data, 1), PND_E_ARG);
    CHECK_EQ(codec->finish(codec->ctx), PND_E_ARG);
    open_sink(0);
    CHECK_EQ(run(codec, 1000, 1000), PND_OK);
    CHECK_EQ(codec->write(codec->ctx, data, 1), PND_E_ARG);
    CHECK_EQ(codec->finish(codec->ctx), PND_E_ARG);
    pnd_packer_destroy(packer);
    pnd_packer_destroy(NULL);
}

static volatile sig_atomic_t signals;
static pid_t signalled;

static void on_signal(int number)
{
    (void)number;
    signals++;
    signalled = gettid();
}

/* It has to interrupt a read, which only the one who reads can notice. */
static void a_signal_finds_the_thread_that_writes(void)
{
    struct sigaction action = {.sa_handler = on_signal}, before;
    struct pnd_packer *packer = make(false, PND_PACKER_LANES_MAX, 1, 0);

    sigaction(SIGUSR1, &action, &before);
    for (int i = 0; i < 20; i++) {
        CHECK_EQ(kill(getpid(), SIGUSR1), 0);
        CHECK_EQ(signals, i + 1);
        CHECK_EQ(signalled, gettid());
    }
    sigaction(SIGUSR1, &before, NULL);
    pnd_packer_destroy(packer);
}

int main(void)
{
    data = malloc(DATA_LEN);
    packed = malloc(OUT_CAP);
    expected = malloc(OUT_CAP);
    unpacked = malloc(DATA_LEN + 1);
    if (!data || !packed || !expected || !unpacked)
        abort();
    fill_data();
    init_codecs();
    RUN(any_number_of_threads_makes_the_codecs_own_file);
    RUN(whatever_is_chosen_the_file_is_right);
    RUN(a_slow_sink_gets_more_effort);
    RUN(the_sinks_error_comes_back_from_every_write);
    RUN(the_polls_error_comes_back);
    RUN(a_new_beginning_forgets_what_was_under_way);
    RUN(what_has_not_begun_or_has_ended_takes_nothing);
    RUN(a_signal_finds_the_thread_that_writes);
    for (unsigned i = 0; i < CODECS; i++) {
        free(memory[0][i]);
        free(memory[1][i]);
    }
    free(data);
    free(packed);
    free(expected);
    free(unpacked);
    return tap_done();
}
