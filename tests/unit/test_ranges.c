/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What has arrived out of its turn, against a model that keeps one flag for each byte. */
#include "proto/ranges.h"
#include "tap.h"

enum { MODEL_BYTES = 600 };

struct model {
    struct pnd_ranges ranges;
    uint8_t there[MODEL_BYTES + 1]; /* the last one stays 0 */
};

static uint64_t seed;

static uint64_t draw(uint64_t below)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed % below;
}

/* A sum that tells every set of bytes from every other of the same size, nearly. */
static uint64_t sum_of(uint64_t start, uint64_t end)
{
    uint64_t sum = 0;

    for (uint64_t at = start; at < end; at++)
        sum += (at + 1) * UINT64_C(0x9e3779b97f4a7c15);
    return sum;
}

static struct pnd_span span(uint64_t start, uint64_t end)
{
    return (struct pnd_span){.start = start, .end = end, .sum = sum_of(start, end)};
}

/* The ranges are exactly the runs of the model, each with its sum. */
static bool agrees(const struct model *model)
{
    unsigned count = 0;

    for (unsigned at = 0; at < MODEL_BYTES; at++) {
        unsigned start = at;

        if (!model->there[at])
            continue;
        while (model->there[at])
            at++;
        if (count >= model->ranges.count || model->ranges.at[count].start != start ||
            model->ranges.at[count].end != at || model->ranges.at[count].sum != sum_of(start, at))
            return false;
        count++;
    }
    return count == model->ranges.count;
}

/* The first run of what is not there, byte by byte. */
static int naive_missing(const struct model *model, uint64_t start, uint64_t end,
                         struct pnd_span *ret)
{
    while (start < end && model->there[start])
        start++;
    if (start >= end)
        return PND_E_NOTFOUND;
    ret->start = start;
    while (start < end && !model->there[start])
        start++;
    ret->end = start;
    return PND_OK;
}

static void what_is_missing_is_added_until_nothing_is(void)
{
    for (seed = 1; seed < 200; seed++) {
        uint64_t kept = seed;
        struct model model = {0};
        struct pnd_span piece, want = {0};

        for (int i = 0; i < 300; i++) {
            uint64_t start = draw(MODEL_BYTES), end = start + draw(20);
            int err;

            if (end > MODEL_BYTES)
                end = MODEL_BYTES;
            err = pnd_ranges_missing(&model.ranges, start, end, &piece);
            CHECK_EQ(err, naive_missing(&model, start, end, &want));
            if (err)
                continue;
            CHECK_EQ(piece.start, want.start);
            CHECK_EQ(piece.end, want.end);
            CHECK_EQ(piece.sum, 0);
            piece.sum = sum_of(piece.start, piece.end);
            CHECK_EQ(pnd_ranges_add(&model.ranges, &piece), PND_OK);
            memset(model.there + piece.start, 1, piece.end - piece.start);
            CHECK(agrees(&model));
        }
        while (pnd_ranges_missing(&model.ranges, 0, MODEL_BYTES, &piece) == PND_OK) {
            piece.sum = sum_of(piece.start, piece.end);
            CHECK_EQ(pnd_ranges_add(&model.ranges, &piece), PND_OK);
        }
        CHECK_EQ(model.ranges.count, 1);
        CHECK_EQ(pnd_ranges_take(&model.ranges, 0, &piece), PND_OK);
        CHECK_EQ(piece.end, MODEL_BYTES);
        CHECK(piece.sum == sum_of(0, MODEL_BYTES));
        seed = kept;
    }
}

static void two_that_touch_are_one_on_the_left_on_the_right_and_on_both_sides(void)
{
    struct pnd_ranges ranges = {0};
    struct pnd_span piece;

    for (int i = 0; i < 3; i++) {
        piece = span(10 + 20 * i, 20 + 20 * i);
        CHECK_EQ(pnd_ranges_add(&ranges, &piece), PND_OK);
    }
    CHECK_EQ(ranges.count, 3);
    piece = span(20, 25);
    CHECK_EQ(pnd_ranges_add(&ranges, &piece), PND_OK);
    piece = span(45, 50);
    CHECK_EQ(pnd_ranges_add(&ranges, &piece), PND_OK);
    CHECK_EQ(ranges.count, 3);
    CHECK_EQ(ranges.at[0].end, 25);
    CHECK_EQ(ranges.at[2].start, 45);
    piece = span(25, 30);
    CHECK_EQ(pnd_ranges_add(&ranges, &piece), PND_OK);
    CHECK_EQ(ranges.count, 2);
    CHECK_EQ(ranges.at[0].start, 10);
    CHECK_EQ(ranges.at[0].end, 40);
    CHECK(ranges.at[0].sum == sum_of(10, 40));
}

static void one_more_than_there_is_room_for_is_refused_and_what_joins_is_not(void)
{
    struct pnd_ranges ranges = {0}, before;
    struct pnd_span piece;

    for (unsigned i = 0; i < PND_RANGES_CAP; i++) {
        piece = span(10 * i, 10 * i + 5);
        CHECK_EQ(pnd_ranges_add(&ranges, &piece), PND_OK);
    }
    CHECK_EQ(ranges.count, PND_RANGES_CAP);
    before = ranges;
    for (unsigned i = 0; i <= PND_RANGES_CAP; i++) {
        piece = span(10 * i + 6, 10 * i + 9);
        CHECK_EQ(pnd_ranges_add(&ranges, &piece), PND_E_FULL);
    }
    CHECK_EQ(ranges.count, before.count);
    for (unsigned i = 0; i < PND_RANGES_CAP; i++) {
        CHECK_EQ(ranges.at[i].start, before.at[i].start);
        CHECK_EQ(ranges.at[i].end, before.at[i].end);
        CHECK(ranges.at[i].sum == before.at[i].sum);
    }
    piece = span(5, 6);
    CHECK_EQ(pnd_ranges_add(&ranges, &piece), PND_OK);
    piece = span(19, 20);
    CHECK_EQ(pnd_ranges_add(&ranges, &piece), PND_OK);
    CHECK_EQ(ranges.count, PND_RANGES_CAP);
    piece = span(15, 19);
    CHECK_EQ(pnd_ranges_add(&ranges, &piece), PND_OK);
    CHECK_EQ(ranges.count, PND_RANGES_CAP - 1);
}

static void only_the_lowest_range_is_taken_and_only_by_its_start(void)
{
    struct pnd_ranges ranges = {0};
    struct pnd_span piece;

    CHECK_EQ(pnd_ranges_take(&ranges, 0, &piece), PND_E_NOTFOUND);
    for (unsigned i = 1; i <= 3; i++) {
        piece = span(10 * i, 10 * i + 5);
        pnd_ranges_add(&ranges, &piece);
    }
    CHECK_EQ(pnd_ranges_take(&ranges, 9, &piece), PND_E_NOTFOUND);
    CHECK_EQ(pnd_ranges_take(&ranges, 11, &piece), PND_E_NOTFOUND);
    CHECK_EQ(pnd_ranges_take(&ranges, 20, &piece), PND_E_NOTFOUND);
    CHECK_EQ(ranges.count, 3);
    for (unsigned i = 1; i <= 3; i++) {
        CHECK_EQ(pnd_ranges_take(&ranges, 10 * i, &piece), PND_OK);
        CHECK_EQ(piece.end, 10 * i + 5);
        CHECK(piece.sum == sum_of(piece.start, piece.end));
        CHECK_EQ(ranges.count, 3 - i);
    }
}

static void ranges_reach_to_the_last_offset_there_is(void)
{
    struct pnd_ranges ranges = {0};
    struct pnd_span piece = {.start = UINT64_MAX - 1, .end = UINT64_MAX, .sum = 3};

    CHECK_EQ(pnd_ranges_add(&ranges, &piece), PND_OK);
    CHECK_EQ(pnd_ranges_missing(&ranges, 0, UINT64_MAX, &piece), PND_OK);
    CHECK(piece.end == UINT64_MAX - 1);
    piece.sum = UINT64_MAX;
    CHECK_EQ(pnd_ranges_add(&ranges, &piece), PND_OK);
    CHECK_EQ(ranges.count, 1);
    CHECK_EQ(ranges.at[0].sum, 2); /* modulo 2^64 */
    CHECK_EQ(pnd_ranges_missing(&ranges, 5, UINT64_MAX, &piece), PND_E_NOTFOUND);
    CHECK_EQ(pnd_ranges_missing(&ranges, 7, 7, &piece), PND_E_NOTFOUND);
}

int main(void)
{
    RUN(what_is_missing_is_added_until_nothing_is);
    RUN(two_that_touch_are_one_on_the_left_on_the_right_and_on_both_sides);
    RUN(one_more_than_there_is_room_for_is_refused_and_what_joins_is_not);
    RUN(only_the_lowest_range_is_taken_and_only_by_its_start);
    RUN(ranges_reach_to_the_last_offset_there_is);
    return tap_done();
}
