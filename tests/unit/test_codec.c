/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The codecs: what they write is unpacked by zlib and by liblz4's safe decoder, and is what went
 * in, however it was cut. */
#include "codec/gzip.h"
#include "codec/lz4.h"

#include <lz4.h>
#include <stdint.h>

#include "tap.h"
#include "wire/cursor.h"

enum {
    DATA_LEN = 10 << 20,
    PACKED_CAP = DATA_LEN + (DATA_LEN >> 4),
    WORDS = 997,
};

/* Where the output goes. */
struct sink {
    struct pnd_sink sink;
    uint8_t *buf;
    size_t len;
    unsigned writes, fail_at; /* the write, counted from 1, that fails; 0: none does */
    bool empty_write, write_behind_error, failed, ended;
};

static uint8_t *data, *packed, *unpacked;
static struct pnd_gzip gzip;
static struct pnd_lz4 lz4;
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
    memcpy(s->buf + s->len, buf, len);
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
    out = (struct sink){.buf = packed, .fail_at = fail_at};
    out.sink = (struct pnd_sink){.ctx = &out, .write = take, .end = take_end};
}

/* Zeros, text, noise, and noise that repeats at a distance: a mebibyte of each, again and again. */
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
            data[i] = (uint8_t)("panic(cpu 0 caller 0x"[i % 21] + (i % WORDS == 0));
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

/* @return the bytes in unpacked; SIZE_MAX: not one whole gzip member and nothing else */
static size_t gunzip(void)
{
    z_stream z = {.next_in = packed,
                  .avail_in = (unsigned)out.len,
                  .next_out = unpacked,
                  .avail_out = DATA_LEN + 1};
    int status;

    if (inflateInit2(&z, 12 + 16) != Z_OK)
        return SIZE_MAX;
    status = inflate(&z, Z_FINISH);
    inflateEnd(&z);
    return status == Z_STREAM_END && z.avail_in == 0 ? z.total_out : SIZE_MAX;
}

/* As a reader of the framing would: bv41, bv4-, and one bv4$ at the very end.
 *   @return the bytes in unpacked; SIZE_MAX: something is wrong */
static size_t unlz4(unsigned *ret_stored)
{
    struct pnd_rd rd = pnd_rd(packed, out.len);
    size_t len = 0;

    *ret_stored = 0;
    for (;;) {
        const uint8_t *magic = pnd_rd_bytes(&rd, 4), *block;
        uint32_t raw, size;

        if (!magic)
            return SIZE_MAX;
        if (memcmp(magic, "bv4$", 4) == 0)
            return pnd_rd_left(&rd) == 0 ? len : SIZE_MAX;
        raw = size = pnd_rd_le32(&rd);
        if (memcmp(magic, "bv41", 4) == 0)
            size = pnd_rd_le32(&rd);
        else if (memcmp(magic, "bv4-", 4) == 0)
            ++*ret_stored;
        else
            return SIZE_MAX;
        block = pnd_rd_bytes(&rd, size);
        if (!block || raw == 0 || raw > PND_LZ4_BLOCK || raw > DATA_LEN - len)
            return SIZE_MAX;
        if (memcmp(magic, "bv4-", 4) == 0)
            memcpy(unpacked + len, block, size);
        else if (size >= raw || LZ4_decompress_safe((const char *)block, (char *)unpacked + len,
                                                    (int)size, (int)raw) != (int)raw)
            return SIZE_MAX;
        len += raw;
    }
}

static void gzip_is_right(const uint8_t *buf, size_t len, size_t piece)
{
    open_sink(0);
    CHECK_EQ(run(&gzip.codec, buf, len, piece), PND_OK);
    CHECK_EQ(gunzip(), len);
    CHECK(memcmp(unpacked, buf, len) == 0);
    CHECK(!out.empty_write && !out.ended);
}

static void lz4_is_right(const uint8_t *buf, size_t len, size_t piece)
{
    unsigned stored;

    open_sink(0);
    CHECK_EQ(run(&lz4.codec, buf, len, piece), PND_OK);
    CHECK_EQ(unlz4(&stored), len);
    CHECK(memcmp(unpacked, buf, len) == 0);
    CHECK(!out.empty_write && !out.ended);
}

static void the_memory_in_the_struct_is_enough(void)
{
    CHECK_EQ(pnd_gzip_init(&gzip), PND_OK);
    CHECK(gzip.used > 0 && gzip.used <= PND_GZIP_MEMORY);
    CHECK_EQ(pnd_lz4_init(&lz4), PND_OK);
    CHECK(LZ4_sizeofState() <= PND_LZ4_STATE);
}

static void nothing_is_a_whole_stream_too(void)
{
    static const uint8_t header[] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 4};

    gzip_is_right(data, 0, 1);
    CHECK(out.len > sizeof(header) && memcmp(packed, header, sizeof(header)) == 0);
    lz4_is_right(data, 0, 1);
    CHECK(out.len == 4 && memcmp(packed, "bv4$", 4) == 0);
}

static void the_gzip_header_is_apples(void)
{
    static const uint8_t header[] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 4};

    gzip_is_right(data, 5000, 5000);
    CHECK(memcmp(packed, header, sizeof(header)) == 0);
}

static void short_inputs_come_back(void)
{
    for (size_t len = 1; len < 300; len++) {
        gzip_is_right(data + (1 << 19), len, 1 + len % 50); /* noise */
        gzip_is_right(data + (1 << 18), len, 1 + len % 50); /* text */
        lz4_is_right(data + (1 << 19), len, 1 + len % 50);
        lz4_is_right(data + (1 << 18), len, 1 + len % 50);
    }
}

static void lengths_around_a_block_come_back(void)
{
    for (size_t len = PND_LZ4_BLOCK - 3; len <= PND_LZ4_BLOCK + 3; len++) {
        lz4_is_right(data, len, 4096);
        lz4_is_right(data + (1 << 19), 2 * len, PND_LZ4_BLOCK);
        gzip_is_right(data, len, 4096);
    }
}

static void ten_megabytes_of_everything_come_back(void)
{
    static const size_t pieces[] = {4096, 1000, 65536, DATA_LEN};

    for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
        gzip_is_right(data, DATA_LEN, pieces[i]);
        CHECK(out.len < DATA_LEN * 3 / 4);
        lz4_is_right(data, DATA_LEN, pieces[i]);
        CHECK(out.len < DATA_LEN * 3 / 4);
    }
}

static void what_does_not_shrink_is_stored(void)
{
    const uint8_t *noise = data + (2 << 18);
    unsigned stored;

    lz4_is_right(noise, 3 * PND_LZ4_BLOCK + 1, 4096);
    unlz4(&stored);
    CHECK_EQ(stored, 4);
    CHECK_EQ(out.len, 3 * PND_LZ4_BLOCK + 1 + 4 * 8 + 4);
    CHECK(memcmp(packed, "bv4-\0\0\1\0", 8) == 0);
    lz4_is_right(data, PND_LZ4_BLOCK, 4096);
    CHECK(memcmp(packed, "bv41\0\0\1\0", 8) == 0);
}

/* A writer of zero bytes must not end the stream, as it did in another kernel. */
static void an_empty_write_does_nothing(void)
{
    const struct pnd_codec *codecs[] = {&gzip.codec, &lz4.codec};

    for (size_t i = 0; i < 2; i++) {
        const struct pnd_codec *codec = codecs[i];
        unsigned stored;

        open_sink(0);
        CHECK_EQ(codec->begin(codec->ctx, &out.sink), PND_OK);
        CHECK_EQ(codec->write(codec->ctx, NULL, 0), PND_OK);
        CHECK_EQ(codec->write(codec->ctx, data, 70000), PND_OK);
        CHECK_EQ(codec->write(codec->ctx, NULL, 0), PND_OK);
        CHECK_EQ(codec->write(codec->ctx, data + 70000, 70000), PND_OK);
        CHECK_EQ(codec->write(codec->ctx, NULL, 0), PND_OK);
        CHECK_EQ(codec->finish(codec->ctx), PND_OK);
        CHECK_EQ(i == 0 ? gunzip() : unlz4(&stored), 140000);
        CHECK(memcmp(unpacked, data, 140000) == 0);
        CHECK(!out.empty_write);
    }
}

static void a_new_beginning_forgets_what_was_under_way(void)
{
    static uint8_t first[200000];
    size_t first_len;
    const struct pnd_codec *codecs[] = {&gzip.codec, &lz4.codec};

    for (size_t i = 0; i < 2; i++) {
        const struct pnd_codec *codec = codecs[i];

        open_sink(0);
        CHECK_EQ(run(codec, data + 300000, 150000, 4096), PND_OK);
        first_len = out.len;
        CHECK(first_len <= sizeof(first));
        memcpy(first, packed, first_len);
        for (size_t before = 0; before < 300000; before += 29989) {
            open_sink(0);
            CHECK_EQ(codec->begin(codec->ctx, &out.sink), PND_OK);
            CHECK_EQ(codec->write(codec->ctx, data, before), PND_OK);
            open_sink(0);
            CHECK_EQ(run(codec, data + 300000, 150000, 4096), PND_OK);
            CHECK_EQ(out.len, first_len); /* bit for bit what a fresh one gives */
            CHECK(memcmp(first, packed, first_len) == 0);
        }
    }
}

static void the_sinks_error_comes_back_from_every_write(void)
{
    const struct pnd_codec *codecs[] = {&gzip.codec, &lz4.codec};

    for (size_t i = 0; i < 2; i++) {
        const struct pnd_codec *codec = codecs[i];
        unsigned writes;

        open_sink(0);
        CHECK_EQ(run(codec, data + (1 << 18), 1 << 20, 5000), PND_OK);
        writes = out.writes;
        CHECK(writes > 10);
        for (unsigned n = 1; n <= writes; n++) {
            open_sink(n);
            CHECK_EQ(run(codec, data + (1 << 18), 1 << 20, 5000), PND_E_LINK);
            CHECK_EQ(out.writes, n);
            /* and nothing more reaches a sink that has failed */
            CHECK_EQ(codec->write(codec->ctx, data, 100000), PND_E_ARG);
            CHECK_EQ(codec->finish(codec->ctx), PND_E_ARG);
            CHECK_EQ(out.writes, n);
            CHECK(!out.write_behind_error);
        }
    }
    gzip_is_right(data, 1 << 20, 4096);
    lz4_is_right(data, 1 << 20, 4096);
}

static void a_stream_that_has_ended_or_not_begun_takes_nothing(void)
{
    const struct pnd_codec *codecs[] = {&gzip.codec, &lz4.codec};

    for (unsigned turn = 0; turn < 2; turn++) {
        for (size_t i = 0; i < 2; i++) {
            CHECK_EQ(codecs[i]->write(codecs[i]->ctx, data, 1), PND_E_ARG);
            CHECK_EQ(codecs[i]->finish(codecs[i]->ctx), PND_E_ARG);
        }
        CHECK_EQ(pnd_gzip_init(&gzip), PND_OK);
        CHECK_EQ(pnd_lz4_init(&lz4), PND_OK);
    }
}

static unsigned allocations;

static void *count_allocation(void *ctx, unsigned items, unsigned size)
{
    (void)ctx, (void)items, (void)size;
    allocations++;
    return NULL;
}

static void no_memory_is_taken_after_init(void)
{
    size_t used;

    CHECK_EQ(pnd_gzip_init(&gzip), PND_OK);
    used = gzip.used;
    CHECK(gzip.z.zalloc(gzip.z.opaque, 1, 1) == NULL); /* what a later call would get */
    gzip.z.zalloc = count_allocation;
    for (unsigned turn = 0; turn < 3; turn++)
        gzip_is_right(data, 1 << 20, 4096);
    CHECK_EQ(allocations, 0);
    CHECK_EQ(gzip.used, used);
    printf("# zlib takes %zu of %d bytes, liblz4 %d of %d\n", used, PND_GZIP_MEMORY,
           LZ4_sizeofState(), PND_LZ4_STATE);
}

static void with_more_memory_it_packs_better(void)
{
    static _Alignas(16) uint8_t memory[PND_GZIP_LARGE_MEMORY];
    size_t apples;

    CHECK_EQ(pnd_gzip_init(&gzip), PND_OK);
    gzip_is_right(data, DATA_LEN, 4096);
    apples = out.len;
    for (size_t len = 0; len < sizeof(memory); len += 50000)
        CHECK_EQ(pnd_gzip_init_large(&gzip, memory, len), PND_E_FULL);
    CHECK_EQ(pnd_gzip_init_large(&gzip, memory, sizeof(memory)), PND_OK);
    CHECK(gzip.used > 256 << 10 && gzip.used <= sizeof(memory));
    gzip_is_right(data, DATA_LEN, 4096);
    CHECK(out.len < apples);
    gzip_is_right(data, DATA_LEN, 1000);
    gzip_is_right(data, 0, 1);
    CHECK(gzip.z.zalloc(gzip.z.opaque, 1, 1) == NULL);
}

int main(void)
{
    data = malloc(DATA_LEN);
    packed = malloc(PACKED_CAP);
    unpacked = malloc(DATA_LEN + 1);
    if (!data || !packed || !unpacked)
        abort();
    fill_data();
    RUN(the_memory_in_the_struct_is_enough);
    RUN(nothing_is_a_whole_stream_too);
    RUN(the_gzip_header_is_apples);
    RUN(short_inputs_come_back);
    RUN(lengths_around_a_block_come_back);
    RUN(ten_megabytes_of_everything_come_back);
    RUN(what_does_not_shrink_is_stored);
    RUN(an_empty_write_does_nothing);
    RUN(a_new_beginning_forgets_what_was_under_way);
    RUN(the_sinks_error_comes_back_from_every_write);
    RUN(a_stream_that_has_ended_or_not_begun_takes_nothing);
    RUN(no_memory_is_taken_after_init);
    RUN(with_more_memory_it_packs_better);
    free(data);
    free(packed);
    free(unpacked);
    return tap_done();
}
