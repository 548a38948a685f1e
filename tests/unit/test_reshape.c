/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Content that takes another form comes out the same in whatever pieces it came in; cut anywhere
 * or damaged anywhere, it is an answer. */
#include <stdlib.h>

#include "inspect/reshape.h"
#include "tap.h"
#include "wire/cursor.h"

enum {
    SEGMENTS = 3,
    THREADS = 2,
    THREAD_LEN = 184,
    COMMANDS_LEN = SEGMENTS * 72 + THREADS * THREAD_LEN,
    DATA_AT = 4096,
    SEGMENT_LEN = 700,
    CORE_LEN = DATA_AT + SEGMENTS * SEGMENT_LEN,
    OUT_CAP = 1 << 16,
    RECORDS = 3,
    RECORD_LEN = 1500,
    FLAT_LEN = PND_RESHAPE_FLATTENED_HEADER + RECORDS * (16 + RECORD_LEN) + 16,
};

static uint8_t core[CORE_LEN], flat[FLAT_LEN], whole[OUT_CAP];
static size_t whole_len;

struct taker {
    uint8_t bytes[OUT_CAP];
    size_t at, len;
};

static struct taker taken;

static int take(void *ctx, const void *data, size_t len, uint64_t done)
{
    struct taker *taker = ctx;

    (void)done;
    CHECK(len > 0 && len <= PND_UNPACK_PIECE_MAX);
    if (len > OUT_CAP - taker->at)
        return PND_E_FULL;
    memcpy(taker->bytes + taker->at, data, len);
    taker->at += len;
    taker->len = taker->at > taker->len ? taker->at : taker->len;
    return PND_OK;
}

static int go_to(void *ctx, uint64_t at, uint64_t done)
{
    struct taker *taker = ctx;

    (void)done;
    if (at > OUT_CAP)
        return PND_E_FULL;
    taker->at = (size_t)at;
    return PND_OK;
}

/* Not in order of address. */
static void make_core(void)
{
    static const uint64_t addresses[SEGMENTS] = {0x3000, 0x1000, UINT64_C(0xffffff8000200000)};
    struct pnd_wr wr = pnd_wr(core, sizeof(core));

    pnd_wr_le32(&wr, 0xfeedfacf);
    pnd_wr_le32(&wr, 0x01000007);
    pnd_wr_le32(&wr, 3);
    pnd_wr_le32(&wr, 4);
    pnd_wr_le32(&wr, SEGMENTS + THREADS);
    pnd_wr_le32(&wr, COMMANDS_LEN);
    pnd_wr_zeros(&wr, 8);
    for (unsigned i = 0; i < SEGMENTS; i++) {
        pnd_wr_le32(&wr, 0x19);
        pnd_wr_le32(&wr, 72);
        pnd_wr_zeros(&wr, 16);
        pnd_wr_le64(&wr, addresses[i]);
        pnd_wr_le64(&wr, SEGMENT_LEN);
        pnd_wr_le64(&wr, DATA_AT + i * SEGMENT_LEN);
        pnd_wr_le64(&wr, SEGMENT_LEN);
        pnd_wr_le32(&wr, 1);
        pnd_wr_zeros(&wr, 12);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        pnd_wr_le32(&wr, 4);
        pnd_wr_le32(&wr, THREAD_LEN);
        pnd_wr_le32(&wr, 4);
        pnd_wr_le32(&wr, 42);
        for (unsigned k = 0; k < 21; k++)
            pnd_wr_le64(&wr, 1000 * i + k);
    }
    CHECK(pnd_wr_ok(&wr));
    for (size_t i = DATA_AT; i < CORE_LEN; i++)
        core[i] = (uint8_t)(i * 7 / 3);
}

/* The last record is the first of the file, and two overlap. */
static void make_flat(void)
{
    static const uint64_t places[RECORDS] = {2000, 3000, 0};
    struct pnd_wr wr = pnd_wr(flat, sizeof(flat));

    pnd_wr_bytes(&wr, "makedumpfile\0\0\0\0", 16);
    pnd_wr_be64(&wr, 1);
    pnd_wr_be64(&wr, 1);
    pnd_wr_zeros(&wr, PND_RESHAPE_FLATTENED_HEADER - 32);
    for (unsigned i = 0; i < RECORDS; i++) {
        pnd_wr_be64(&wr, places[i]);
        pnd_wr_be64(&wr, RECORD_LEN);
        for (unsigned k = 0; k < RECORD_LEN; k++)
            pnd_wr_u8(&wr, (uint8_t)(i + k));
    }
    pnd_wr_be64(&wr, UINT64_MAX);
    pnd_wr_be64(&wr, UINT64_MAX);
    CHECK(pnd_wr_ok(&wr));
}

/* @param piece  bytes at once. @return as pnd_reshape_write() and _finish() */
static int run(enum pnd_unpack_form form, const uint8_t *data, size_t len, size_t piece)
{
    struct pnd_unpack_sink sink = {.ctx = &taken, .write = take, .seek = go_to};
    struct pnd_reshape *reshape;
    struct pnd_why why = {0};
    int err;

    memset(&taken, 0, sizeof(taken));
    CHECK_EQ(pnd_reshape_create(form, &sink, &why, &reshape), PND_OK);
    err = PND_OK;
    for (size_t at = 0; !err && at < len; at += piece)
        err = pnd_reshape_write(reshape, data + at, len - at < piece ? len - at : piece, at);
    if (!err)
        err = pnd_reshape_finish(reshape, len);
    pnd_reshape_destroy(reshape);
    CHECK((err == PND_OK || err == PND_E_FULL) == (why.text[0] == '\0'));
    return err;
}

static void comes_out_the_same_in_whatever_pieces_it_came(void)
{
    for (int form = PND_UNPACK_ARRANGED; form <= PND_UNPACK_ELF; form++) {
        const uint8_t *data = form == PND_UNPACK_ELF ? core : flat;
        size_t len = form == PND_UNPACK_ELF ? CORE_LEN : FLAT_LEN;

        CHECK_EQ(run((enum pnd_unpack_form)form, data, len, len), PND_OK);
        whole_len = taken.len;
        memcpy(whole, taken.bytes, taken.len);
        CHECK_EQ(whole_len, form == PND_UNPACK_ELF ? (size_t)CORE_LEN + 4096 : 4500U);
        for (size_t piece = 1; piece < 200; piece += 1 + piece / 8) {
            CHECK_EQ(run((enum pnd_unpack_form)form, data, len, piece), PND_OK);
            CHECK_EQ(taken.len, whole_len);
            CHECK_MEM(taken.bytes, whole, whole_len);
        }
    }
}

static void a_core_stands_whole_behind_its_new_head(void)
{
    CHECK_EQ(run(PND_UNPACK_ELF, core, CORE_LEN, 64), PND_OK);
    CHECK_MEM(taken.bytes, "\177ELF\2\1\1\3", 8);
    CHECK_MEM(taken.bytes + taken.len - CORE_LEN, core, CORE_LEN);
}

static void records_are_laid_over_one_another_in_their_order(void)
{
    CHECK_EQ(run(PND_UNPACK_ARRANGED, flat, FLAT_LEN, 1000), PND_OK);
    CHECK_EQ(taken.bytes[0], 2);
    CHECK_EQ(taken.bytes[1500], 0);
    CHECK_EQ(taken.bytes[2999], (uint8_t)999);
    CHECK_EQ(taken.bytes[3000], 1);
    CHECK_EQ(taken.bytes[4499], (uint8_t)1500);
}

static void what_is_not_flattened_goes_through(void)
{
    static const char text[] =
        "makedumpfilx is what it is not, and it is longer than 64 bytes, too";

    for (size_t len = 0; len < sizeof(text); len++) {
        CHECK_EQ(run(PND_UNPACK_ARRANGED, (const uint8_t *)text, len, 3), PND_OK);
        CHECK_EQ(taken.len, len);
        CHECK_MEM(taken.bytes, text, len);
    }
}

static void every_cut_is_short_until_what_is_behind_counts_no_more(void)
{
    for (size_t len = 0; len < CORE_LEN; len++) {
        int err = run(PND_UNPACK_ELF, core, len, 1000);

        if (len < 4)
            CHECK(err == PND_E_TYPE);
        else
            CHECK(err == (len < 32 + COMMANDS_LEN ? PND_E_SHORT : PND_OK));
    }
    for (size_t len = 64; len < FLAT_LEN; len++)
        CHECK_EQ(run(PND_UNPACK_ARRANGED, flat, len, 1000), PND_E_SHORT);
}

static void no_flipped_bit_is_more_than_an_answer(void)
{
    for (size_t bit = 0; bit < (32 + COMMANDS_LEN) * 8; bit++) {
        int err;

        core[bit / 8] ^= (uint8_t)(1U << bit % 8);
        err = run(PND_UNPACK_ELF, core, CORE_LEN, 500);
        CHECK(err == PND_OK || err == PND_E_TYPE || err == PND_E_FORMAT || err == PND_E_SHORT ||
              err == PND_E_RANGE);
        core[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
    for (size_t bit = 0; bit < FLAT_LEN * 8; bit += bit < 4120 * 8 && bit > 32 * 8 ? 97 : 5) {
        int err;

        flat[bit / 8] ^= (uint8_t)(1U << bit % 8);
        err = run(PND_UNPACK_ARRANGED, flat, FLAT_LEN, 500);
        CHECK(err == PND_OK || err == PND_E_FORMAT || err == PND_E_SHORT || err == PND_E_FULL);
        flat[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
}

static void a_head_is_bounded_in_memory_and_segments(void)
{
    struct pnd_wr wr = pnd_wr(core, sizeof(core));

    wr.at = core + 16;
    pnd_wr_le32(&wr, 1 << 20);
    pnd_wr_le32(&wr, 72U << 20);
    CHECK_EQ(run(PND_UNPACK_ELF, core, CORE_LEN, 500), PND_E_RANGE);
    wr.at = core + 16;
    pnd_wr_le32(&wr, SEGMENTS + THREADS);
    pnd_wr_le32(&wr, COMMANDS_LEN);
    CHECK_EQ(run(PND_UNPACK_ELF, core, CORE_LEN, 500), PND_OK);
}

int main(void)
{
    make_core();
    make_flat();
    RUN(comes_out_the_same_in_whatever_pieces_it_came);
    RUN(a_core_stands_whole_behind_its_new_head);
    RUN(records_are_laid_over_one_another_in_their_order);
    RUN(what_is_not_flattened_goes_through);
    RUN(every_cut_is_short_until_what_is_behind_counts_no_more);
    RUN(no_flipped_bit_is_more_than_an_answer);
    RUN(a_head_is_bounded_in_memory_and_segments);
    return tap_done();
}
