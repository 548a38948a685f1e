/* SPDX-License-Identifier: BSD-2-Clause
 *
 * LZ4 and zstd as files: what the codecs write is opened by the libraries' own readers, checksums
 * and all, and is what went in, however it was cut and whatever was decided on the way. */
#include "codec/lz4_frame.h"
#include "codec/zstd.h"

#include <lz4frame.h>
#include <stdint.h>
#include <zstd.h>

#include "codec/xxh32.h"
#include "tap.h"
#include "wire/cursor.h"

enum {
    MIB = 1 << 20,
    DATA_LEN = 10 * MIB,
    PACKED_CAP = DATA_LEN + MIB,
    LZ4_BLOCK = PND_LZ4_FRAME_BLOCK_MIN,
    ZSTD_BLOCK = 256 << 10,
    LZ4_FRAME_ENDS = 7 + 8, /* header; end mark and checksum */
    STORED = 0xa0,          /* the descriptor of a zstd frame that is stored, or of zeros */
    ZSTD_TOP = PND_ADAPT_EFFORTS_MAX - 1, /* that a clock may choose */
};

/* Where the output goes. */
struct sink {
    struct pnd_sink sink;
    size_t len;
    unsigned writes, fail_at; /* the write, counted from 1, that fails; 0: none does */
    bool empty_write, write_behind_error, failed, ended;
};

/* Goes forward by so much each time it is asked. */
struct test_clock {
    struct pnd_adapt_clock clock;
    uint64_t us, x;
};

static uint8_t *data, *packed, *unpacked, *lz4_memory, *zstd_memory;
static size_t zstd_bytes;
static struct pnd_lz4_frame lz4;
static struct pnd_zstd zstd;
static struct sink out;

static int take(void *ctx, const void *buf, size_t len)
{
    struct sink *s = ctx;

    s->empty_write |= len == 0;
    s->write_behind_error |= s->failed;
    if (++s->writes == s->fail_at) {
        s->failed = true;
        return PND_E_LINK;
    }
    if (len > PACKED_CAP - s->len)
        return PND_E_NOSPACE;
    memcpy(packed + s->len, buf, len);
    s->len += len;
    return PND_OK;
}

static int take_end(void *ctx)
{
    struct sink *s = ctx;

    s->ended = true;
    return PND_OK;
}

static void open_sink(unsigned fail_at)
{
    out = (struct sink){.fail_at = fail_at};
    out.sink = (struct pnd_sink){.ctx = &out, .write = take, .end = take_end};
}

static uint64_t any_time(void *ctx)
{
    struct test_clock *clock = ctx;

    clock->x ^= clock->x << 13, clock->x ^= clock->x >> 7, clock->x ^= clock->x << 17;
    return clock->us += clock->x >> 52;
}

static const struct pnd_adapt_clock *clock_of(uint64_t seed)
{
    static struct test_clock clock;

    clock = (struct test_clock){.clock = {.ctx = &clock, .now_us = any_time}, .x = seed};
    return seed ? &clock.clock : NULL;
}

/* Zeros, text, noise, and noise that repeats at a distance: a quarter of a mebibyte of each. */
static void fill_data(void)
{
    uint64_t x = 88172645463325252u;

    for (size_t i = 0; i < DATA_LEN; i++) {
        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        switch (i >> 18 & 3) {
        case 0:
            data[i] = 0;
            break;
        case 1:
            data[i] = (uint8_t)("panic(cpu 0 caller 0x"[i % 21] + (i % 997 == 0));
            break;
        case 2:
            data[i] = (uint8_t)x;
            break;
        default:
            data[i] = i % 70000 < 3000 || i < 70000 ? (uint8_t)x : data[i - 3000];
        }
    }
}

/* The whole of @p len bytes in pieces of a length that changes. */
static int run(const struct pnd_codec *codec, const uint8_t *buf, size_t len, size_t piece)
{
    int err = codec->begin(codec->ctx, &out.sink);
    size_t at = 0;

    while (!err && at < len) {
        size_t part = piece + at % 7;

        part = part < len - at ? part : len - at;
        err = codec->write(codec->ctx, buf + at, part);
        at += part;
    }
    return err ? err : codec->finish(codec->ctx);
}

/* @return the bytes in unpacked; SIZE_MAX: not one whole frame and nothing else */
static size_t unlz4(void)
{
    LZ4F_dctx *dctx = NULL;
    size_t used = 0, len = 0, left = 1;

    if (LZ4F_isError(LZ4F_createDecompressionContext(&dctx, LZ4F_VERSION)))
        abort();
    while (left != 0 && used < out.len) {
        size_t in = out.len - used, made = DATA_LEN + 1 - len;

        left = LZ4F_decompress(dctx, unpacked + len, &made, packed + used, &in, NULL);
        if (LZ4F_isError(left) || (in == 0 && made == 0))
            break;
        used += in;
        len += made;
    }
    LZ4F_freeDecompressionContext(dctx);
    return left == 0 && used == out.len ? len : SIZE_MAX;
}

/* @return the bytes in unpacked; SIZE_MAX: not whole frames and nothing else */
static size_t unzstd(unsigned *ret_frames)
{
    size_t at = 0, n = ZSTD_decompress(unpacked, DATA_LEN + 1, packed, out.len);

    for (*ret_frames = 0; at < out.len && !ZSTD_isError(n); ++*ret_frames) {
        size_t frame = ZSTD_findFrameCompressedSize(packed + at, out.len - at);

        if (ZSTD_isError(frame))
            return SIZE_MAX;
        /* each that was packed with a checksum */
        if (packed[at + 4] != STORED && (packed[at + 4] & 4) == 0)
            return SIZE_MAX;
        at += frame;
    }
    return ZSTD_isError(n) ? SIZE_MAX : n;
}

static void lz4_is_right(const uint8_t *buf, size_t len, size_t piece)
{
    open_sink(0);
    CHECK_EQ(run(&lz4.codec, buf, len, piece), PND_OK);
    CHECK_EQ(unlz4(), len);
    CHECK(memcmp(unpacked, buf, len) == 0);
    CHECK(!out.empty_write && !out.ended);
}

static void zstd_is_right(const uint8_t *buf, size_t len, size_t piece)
{
    unsigned frames;

    open_sink(0);
    CHECK_EQ(run(&zstd.codec, buf, len, piece), PND_OK);
    CHECK_EQ(unzstd(&frames), len);
    CHECK(memcmp(unpacked, buf, len) == 0);
    CHECK_EQ(frames, len ? (len + zstd.blocks.cap - 1) / zstd.blocks.cap : 1);
    CHECK(!out.empty_write && !out.ended);
}

static void start(size_t lz4_block, size_t zstd_block, uint64_t seed)
{
    CHECK_EQ(pnd_lz4_frame_init(&lz4, lz4_block, lz4_memory, PND_LZ4_FRAME_MEMORY(lz4_block),
                                clock_of(seed)),
             PND_OK);
    CHECK_EQ(pnd_zstd_init(&zstd, zstd_block, ZSTD_TOP, zstd_memory,
                           pnd_zstd_memory(zstd_block, ZSTD_TOP), clock_of(seed)),
             PND_OK);
}

/* From the specification's vectors: of nothing, and of a text. */
static void the_checksums_are_those_of_the_specification(void)
{
    static const char text[] = "Nobody inspects the spammish repetition";

    CHECK_EQ(pnd_xxh32("", 0), 0x02cc5d05);
    CHECK_EQ(pnd_xxh32(text, sizeof(text) - 1), 0xe2293b2f);
}

static void a_checksum_does_not_depend_on_the_pieces(void)
{
    for (size_t len = 0; len < 200; len++) {
        for (size_t piece = 1; piece < 40; piece++) {
            struct pnd_xxh32 xxh;

            pnd_xxh32_begin(&xxh);
            for (size_t at = 0; at < len; at += piece)
                pnd_xxh32_add(&xxh, data + MIB / 2 + at, piece < len - at ? piece : len - at);
            CHECK_EQ(pnd_xxh32_end(&xxh), pnd_xxh32(data + MIB / 2, len));
        }
    }
}

static void nothing_is_a_whole_file_too(void)
{
    lz4_is_right(data, 0, 1);
    CHECK_EQ(out.len, LZ4_FRAME_ENDS);
    zstd_is_right(data, 0, 1);
    CHECK(out.len > 4 && out.len < 20);
}

static void the_lz4_header_says_what_it_is(void)
{
    static const size_t blocks[] = {64 << 10, 256 << 10, MIB, 4 * MIB};

    for (size_t i = 0; i < 4; i++) {
        LZ4F_dctx *dctx = NULL;
        LZ4F_frameInfo_t info;
        size_t len;

        start(blocks[i], ZSTD_BLOCK, 0);
        lz4_is_right(data + 100000, 5 * MIB, 100000);
        len = out.len;
        if (LZ4F_isError(LZ4F_createDecompressionContext(&dctx, LZ4F_VERSION)))
            abort();
        CHECK(!LZ4F_isError(LZ4F_getFrameInfo(dctx, &info, packed, &len)));
        CHECK_EQ(info.blockSizeID, LZ4F_max64KB + i);
        CHECK_EQ(info.blockMode, LZ4F_blockIndependent);
        CHECK_EQ(info.contentChecksumFlag, LZ4F_contentChecksumEnabled);
        CHECK_EQ(info.frameType, LZ4F_frame);
        LZ4F_freeDecompressionContext(dctx);
    }
}

static void short_inputs_come_back(void)
{
    start(LZ4_BLOCK, PND_ZSTD_BLOCK_MIN, 0);
    for (size_t len = 1; len < 300; len++) {
        for (size_t from = 0; from < 4 * (MIB / 4); from += MIB / 4) {
            lz4_is_right(data + from, len, 1 + len % 50);
            zstd_is_right(data + from, len, 1 + len % 50);
        }
    }
}

static void lengths_around_a_block_come_back(void)
{
    start(LZ4_BLOCK, PND_ZSTD_BLOCK_MIN, 0);
    for (size_t from = 0; from < 4 * (MIB / 4); from += MIB / 4) {
        for (size_t extra = 0; extra < 7; extra++) {
            lz4_is_right(data + from, LZ4_BLOCK - 3 + extra, 4096);
            lz4_is_right(data + from, 2 * LZ4_BLOCK - 3 + extra, LZ4_BLOCK);
            zstd_is_right(data + from, PND_ZSTD_BLOCK_MIN - 3 + extra, 4096);
            zstd_is_right(data + from, 3 * PND_ZSTD_BLOCK_MIN - 3 + extra, PND_ZSTD_BLOCK_MIN);
        }
    }
}

static void ten_megabytes_of_everything_come_back(void)
{
    static const size_t pieces[] = {4096, 1000, LZ4_BLOCK, ZSTD_BLOCK, DATA_LEN};

    start(LZ4_BLOCK, ZSTD_BLOCK, 0);
    for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
        lz4_is_right(data, DATA_LEN, pieces[i]);
        CHECK(out.len < DATA_LEN * 3 / 4);
        zstd_is_right(data, DATA_LEN, pieces[i]);
        CHECK(out.len < DATA_LEN * 3 / 4);
    }
}

/* A clock that says anything: blocks of every effort follow each other in the same file. */
static void whatever_a_clock_says_the_file_is_right(void)
{
    static const size_t blocks[] = {LZ4_BLOCK, ZSTD_BLOCK};

    for (uint64_t seed = 1; seed <= 8; seed++) {
        start(blocks[seed % 2], seed % 2 ? PND_ZSTD_BLOCK_MIN : ZSTD_BLOCK,
              seed * 88172645463325252u);
        lz4_is_right(data, DATA_LEN, 100000);
        zstd_is_right(data, DATA_LEN, 100000);
    }
}

/* A server may hold the beginning of a file that broke off. */
static void what_is_packed_again_becomes_the_same_file_whatever_a_clock_says(void)
{
    static uint8_t notes[DATA_LEN / LZ4_BLOCK / 4];
    static const size_t rooms[] = {sizeof(notes), sizeof(notes) / 4, 0};

    for (uint64_t seed = 1; seed <= 6; seed++) {
        uint8_t *first = malloc(PACKED_CAP);
        size_t len;

        start(LZ4_BLOCK, ZSTD_BLOCK, seed * 88172645463325252u);
        pnd_blocks_note(&lz4.blocks, notes, rooms[seed % 3]);
        open_sink(seed % 2 ? 100 : 0); /* half of them break off the first time */
        CHECK_EQ(run(&lz4.codec, data, DATA_LEN, 100000), seed % 2 ? PND_E_LINK : PND_OK);
        len = out.len;
        memcpy(first, packed, len);
        open_sink(0);
        CHECK_EQ(run(&lz4.codec, data, DATA_LEN, 70000), PND_OK);
        CHECK(out.len >= len);
        CHECK_MEM(packed, first, len);
        lz4_is_right(data, DATA_LEN, 100000);
        free(first);
    }
}

/* Every effort, long enough that what libzstd keeps for the heaviest could seem too much to it. */
static void efforts_change_in_the_memory_that_there_is(void)
{
    static const unsigned efforts[] = {3, 1, 2, 0, 3};

    start(LZ4_BLOCK, PND_ZSTD_BLOCK_MIN, 0);
    for (size_t i = 0; i < sizeof(efforts) / sizeof(efforts[0]); i++) {
        zstd.blocks.top = efforts[i] ? efforts[i] : 1;
        zstd_is_right(data, DATA_LEN, 50000);
        lz4.blocks.top = efforts[i] < 2 ? 1 : 2;
        lz4_is_right(data, DATA_LEN, 50000);
    }
}

static void noise_is_stored(void)
{
    const uint8_t *noise = data + 2 * (MIB / 4);
    struct pnd_rd rd;
    unsigned frames;

    start(LZ4_BLOCK, PND_ZSTD_BLOCK_MIN, 0);
    lz4_is_right(noise, 3 * LZ4_BLOCK + 1, 4096);
    CHECK_EQ(out.len, 3 * LZ4_BLOCK + 1 + 4 * 4 + LZ4_FRAME_ENDS);
    rd = pnd_rd(packed + 7, 4);
    CHECK_EQ(pnd_rd_le32(&rd), 0x80010000);

    open_sink(0);
    CHECK_EQ(run(&zstd.codec, noise, 16 * PND_ZSTD_BLOCK_MIN, 4096), PND_OK);
    CHECK_EQ(unzstd(&frames), 16 * PND_ZSTD_BLOCK_MIN);
    CHECK_EQ(frames, 16);
    CHECK(out.len <= 16 * (PND_ZSTD_BLOCK_MIN + 9 + 3 + 4));
}

static void zeros_take_next_to_nothing(void)
{
    static const size_t blocks[] = {PND_ZSTD_BLOCK_MIN, 100000, ZSTD_BLOCK, PND_ZSTD_BLOCK_MAX};

    memset(data, 0, DATA_LEN / 2);
    for (size_t i = 0; i < 4; i++) {
        start(LZ4_BLOCK, blocks[i], 0);
        zstd_is_right(data, blocks[i], blocks[i]);
        CHECK(out.len <= 4 * ((blocks[i] + (128 << 10) - 1) / (128 << 10)) + 9);
        zstd_is_right(data, DATA_LEN / 2 + 1000, 30000);
    }
    lz4_is_right(data, DATA_LEN / 2, LZ4_BLOCK);
    CHECK(out.len < DATA_LEN / 2 / 200);
    fill_data();
}

/* What a reader is told of a file that ends early: that it does. */
static void no_beginning_is_a_whole_lz4_file(void)
{
    size_t whole;

    start(LZ4_BLOCK, ZSTD_BLOCK, 0);
    lz4_is_right(data + 200000, 300000, 4096);
    whole = out.len;
    for (out.len = 0; out.len < whole; out.len += out.len < 100 || out.len + 100 > whole ? 1 : 997)
        CHECK(unlz4() == SIZE_MAX);
}

static void every_flipped_byte_is_noticed(void)
{
    unsigned frames;

    start(LZ4_BLOCK, PND_ZSTD_BLOCK_MIN, 0);
    lz4_is_right(data + 200000, 150000, 4096);
    for (size_t at = 0; at < out.len; at += 1 + at / 100) {
        packed[at] ^= 0x10;
        CHECK(unlz4() == SIZE_MAX);
        packed[at] ^= 0x10;
    }
    zstd_is_right(data + 2 * (MIB / 4), 100000, 4096);
    for (size_t at = 0; at < out.len; at += 1 + at / 100) {
        packed[at] ^= 0x10;
        CHECK(unzstd(&frames) == SIZE_MAX || memcmp(unpacked, data + 2 * (MIB / 4), 100000) == 0);
        packed[at] ^= 0x10;
    }
}

static void an_empty_write_does_nothing(void)
{
    const struct pnd_codec *codecs[] = {&lz4.codec, &zstd.codec};

    for (size_t i = 0; i < 2; i++) {
        const struct pnd_codec *codec = codecs[i];
        unsigned frames;

        open_sink(0);
        CHECK_EQ(codec->begin(codec->ctx, &out.sink), PND_OK);
        CHECK_EQ(codec->write(codec->ctx, NULL, 0), PND_OK);
        CHECK_EQ(codec->write(codec->ctx, data + 70000, 70000), PND_OK);
        CHECK_EQ(codec->write(codec->ctx, NULL, 0), PND_OK);
        CHECK_EQ(codec->write(codec->ctx, data + 140000, 70000), PND_OK);
        CHECK_EQ(codec->finish(codec->ctx), PND_OK);
        CHECK_EQ(i == 0 ? unlz4() : unzstd(&frames), 140000);
        CHECK(memcmp(unpacked, data + 70000, 140000) == 0);
        CHECK(!out.empty_write);
    }
}

static void a_new_beginning_forgets_what_was_under_way(void)
{
    static uint8_t first[300000];
    const struct pnd_codec *codecs[] = {&lz4.codec, &zstd.codec};

    for (size_t i = 0; i < 2; i++) {
        const struct pnd_codec *codec = codecs[i];
        size_t first_len;

        open_sink(0);
        CHECK_EQ(run(codec, data + 300000, 250000, 4096), PND_OK);
        first_len = out.len;
        CHECK(first_len <= sizeof(first));
        memcpy(first, packed, first_len);
        for (size_t before = 0; before < 600000; before += 59989) {
            open_sink(0);
            CHECK_EQ(codec->begin(codec->ctx, &out.sink), PND_OK);
            CHECK_EQ(codec->write(codec->ctx, data, before), PND_OK);
            open_sink(0);
            CHECK_EQ(run(codec, data + 300000, 250000, 4096), PND_OK);
            CHECK_EQ(out.len, first_len); /* bit for bit what a fresh one gives */
            CHECK(memcmp(first, packed, first_len) == 0);
        }
    }
}

static void the_sinks_error_comes_back_from_every_write(void)
{
    const struct pnd_codec *codecs[] = {&lz4.codec, &zstd.codec};

    start(LZ4_BLOCK, PND_ZSTD_BLOCK_MIN, 0);
    for (size_t i = 0; i < 2; i++) {
        const struct pnd_codec *codec = codecs[i];
        unsigned writes;

        open_sink(0);
        CHECK_EQ(run(codec, data + MIB / 4, MIB, 5000), PND_OK);
        writes = out.writes;
        CHECK(writes > 10);
        for (unsigned n = 1; n <= writes; n++) {
            open_sink(n);
            CHECK_EQ(run(codec, data + MIB / 4, MIB, 5000), PND_E_LINK);
            CHECK_EQ(out.writes, n);
            /* and nothing more reaches a sink that has failed */
            CHECK_EQ(codec->write(codec->ctx, data, 100000), PND_E_ARG);
            CHECK_EQ(codec->finish(codec->ctx), PND_E_ARG);
            CHECK_EQ(out.writes, n);
            CHECK(!out.write_behind_error);
        }
    }
    lz4_is_right(data, MIB, 4096);
    zstd_is_right(data, MIB, 4096);
}

static void a_file_that_has_ended_or_not_begun_takes_nothing(void)
{
    const struct pnd_codec *codecs[] = {&lz4.codec, &zstd.codec};

    for (unsigned turn = 0; turn < 2; turn++) {
        for (size_t i = 0; i < 2; i++) {
            CHECK_EQ(codecs[i]->write(codecs[i]->ctx, data, 1), PND_E_ARG);
            CHECK_EQ(codecs[i]->finish(codecs[i]->ctx), PND_E_ARG);
        }
        start(LZ4_BLOCK, ZSTD_BLOCK, 0);
    }
}

static void what_cannot_be_is_refused(void)
{
    static const size_t no_lz4[] = {0, 1, 65535, 65537, 128 << 10, 2 * MIB, 8 * MIB};

    for (size_t i = 0; i < sizeof(no_lz4) / sizeof(no_lz4[0]); i++)
        CHECK_EQ(
            pnd_lz4_frame_init(&lz4, no_lz4[i], lz4_memory, PND_LZ4_FRAME_MEMORY(4 * MIB), NULL),
            PND_E_ARG);
    CHECK_EQ(
        pnd_lz4_frame_init(&lz4, LZ4_BLOCK, lz4_memory, PND_LZ4_FRAME_MEMORY(LZ4_BLOCK) - 1, NULL),
        PND_E_FULL);
    CHECK_EQ(pnd_zstd_init(&zstd, PND_ZSTD_BLOCK_MIN - 1, 1, zstd_memory, zstd_bytes, NULL),
             PND_E_ARG);
    CHECK_EQ(pnd_zstd_init(&zstd, PND_ZSTD_BLOCK_MAX + 1, 1, zstd_memory, zstd_bytes, NULL),
             PND_E_ARG);
    CHECK_EQ(pnd_zstd_init(&zstd, ZSTD_BLOCK, 0, zstd_memory, zstd_bytes, NULL), PND_E_ARG);
    CHECK_EQ(pnd_zstd_init(&zstd, ZSTD_BLOCK, PND_ZSTD_EFFORTS, zstd_memory, zstd_bytes, NULL),
             PND_E_ARG);
    for (unsigned top = 1; top <= ZSTD_TOP; top++)
        CHECK_EQ(pnd_zstd_init(&zstd, ZSTD_BLOCK, top, zstd_memory,
                               pnd_zstd_memory(ZSTD_BLOCK, top) - 1, NULL),
                 PND_E_FULL);
}

static void they_take_the_memory_that_their_headers_say(void)
{
    size_t top = pnd_zstd_memory(ZSTD_BLOCK, ZSTD_TOP), two = pnd_zstd_memory(ZSTD_BLOCK, 2);

    printf("# zstd: %zu bytes for blocks of 256 KiB, %zu up to level 1; a panic's 64 KiB: %zu; "
           "LZ4: %zu and %zu for 64 KiB\n",
           top, two, pnd_zstd_memory(64 << 10, 2), sizeof(lz4), PND_LZ4_FRAME_MEMORY(LZ4_BLOCK));
    CHECK(top < 9 * MIB / 5 && two < 13 * MIB / 10);
    CHECK(sizeof(lz4) + PND_LZ4_FRAME_MEMORY(LZ4_BLOCK) < 148 << 10);
}

int main(void)
{
    zstd_bytes = pnd_zstd_memory(PND_ZSTD_BLOCK_MAX, ZSTD_TOP);
    data = malloc(DATA_LEN);
    packed = malloc(PACKED_CAP);
    unpacked = malloc(DATA_LEN + 1);
    lz4_memory = malloc(PND_LZ4_FRAME_MEMORY(PND_LZ4_FRAME_BLOCK_MAX));
    zstd_memory = malloc(zstd_bytes);
    if (!data || !packed || !unpacked || !lz4_memory || !zstd_memory)
        abort();
    fill_data();
    RUN(the_checksums_are_those_of_the_specification);
    RUN(a_checksum_does_not_depend_on_the_pieces);
    RUN(what_cannot_be_is_refused);
    RUN(a_file_that_has_ended_or_not_begun_takes_nothing);
    RUN(nothing_is_a_whole_file_too);
    RUN(the_lz4_header_says_what_it_is);
    RUN(short_inputs_come_back);
    RUN(lengths_around_a_block_come_back);
    RUN(ten_megabytes_of_everything_come_back);
    RUN(whatever_a_clock_says_the_file_is_right);
    RUN(what_is_packed_again_becomes_the_same_file_whatever_a_clock_says);
    RUN(efforts_change_in_the_memory_that_there_is);
    RUN(noise_is_stored);
    RUN(zeros_take_next_to_nothing);
    RUN(no_beginning_is_a_whole_lz4_file);
    RUN(every_flipped_byte_is_noticed);
    RUN(an_empty_write_does_nothing);
    RUN(a_new_beginning_forgets_what_was_under_way);
    RUN(the_sinks_error_comes_back_from_every_write);
    RUN(they_take_the_memory_that_their_headers_say);
    free(data);
    free(packed);
    free(unpacked);
    free(lz4_memory);
    free(zstd_memory);
    return tap_done();
}
