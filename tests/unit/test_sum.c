/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The sum of PROTOCOL.md#kdp-12.4 against its definition, computed word by word, and what is
 * claimed of it there. */
#include "tap.h"
#include "wire/sum.h"

enum { BYTES = 3000 };

static uint8_t noise[BYTES];
static uint64_t seed = 88172645463325252;

static uint64_t draw(uint64_t below)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed % below;
}

/* The first 32 bits behind the point of the cube root of @p n, by Newton: a double has 50. */
static uint32_t cube_root_bits(uint64_t n)
{
    double root = 2;

    for (int i = 0; i < 60; i++)
        root -= (root * root * root - (double)n) / (3 * root * root);
    return (uint32_t)(uint64_t)(root * 4294967296.0);
}

static uint64_t prime(unsigned index)
{
    uint64_t n = 2;

    for (unsigned found = 0;; n++) {
        bool is_prime = true;

        for (uint64_t by = 2; by * by <= n; by++)
            is_prime = is_prime && n % by != 0;
        if (is_prime && found++ == index)
            return n;
    }
}

static uint32_t key(unsigned index)
{
    static uint32_t keys[64];

    if (!keys[index])
        keys[index] = cube_root_bits(prime(index)) | 1;
    return keys[index];
}

static uint64_t factor(uint64_t cell)
{
    uint64_t z = (cell + 1) * UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (z ^ (z >> 31)) | 1;
}

/* Byte by byte: what one adds is its place in its word times the word's key and factor. */
static uint64_t naive(uint64_t offset, const uint8_t *bytes, size_t len)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < len; i++) {
        uint64_t at = offset + i, word = at / 4;

        sum +=
            ((uint64_t)bytes[i] << (at % 4 * 8)) * key((unsigned)(word % 64)) * factor(word / 64);
    }
    return sum;
}

/* A copy at @p shift behind an aligned address, of exactly so many bytes. */
static uint64_t sum_at(unsigned shift, uint64_t offset, const uint8_t *bytes, size_t len)
{
    uint8_t *copy = malloc(shift + len + 1);
    uint64_t sum;

    if (!copy)
        abort();
    memcpy(copy + shift, bytes, len);
    copy = realloc(copy, shift + len ? shift + len : 1);
    if (!copy)
        abort();
    sum = pnd_sum(offset, copy + shift, len);
    free(copy);
    return sum;
}

static void the_sum_is_the_one_of_the_protocol_at_every_offset_and_length(void)
{
    for (unsigned offset = 0; offset < 260; offset++)
        for (unsigned len = 0; len < 300; len += len < 20 ? 1 : 7)
            CHECK(sum_at(offset % 8, offset, noise, len) == naive(offset, noise, len));
    for (unsigned len = 0; len < BYTES; len += 131)
        CHECK(sum_at(len % 16, 256, noise, len) == naive(256, noise, len));
}

static void the_first_words_count_as_published(void)
{
    /* computed by hand: k(0) = 0x428a2f99, r(0) = e220a8397b1dcdaf */
    CHECK(pnd_sum(0, "\1\0\0\0", 4) == UINT64_C(0xe220a8397b1dcdaf) * 0x428a2f99);
    CHECK(pnd_sum(3, "\1", 1) == (UINT64_C(0xe220a8397b1dcdaf) * 0x428a2f99) << 24);
    CHECK(key(0) == 0x428a2f99 && key(63) == 0xc67178f3);
}

static void it_holds_at_the_far_end_of_all_offsets(void)
{
    for (unsigned shift = 0; shift < 600; shift += 13) {
        uint64_t offset = UINT64_MAX - 600 + shift;

        CHECK(pnd_sum(offset, noise, 600 - shift) == naive(offset, noise, 600 - shift));
    }
    CHECK(pnd_sum(UINT64_C(1) << 32, noise, 700) == naive(UINT64_C(1) << 32, noise, 700));
    CHECK(pnd_sum((UINT64_C(1) << 40) + 1, noise, 99) == naive((UINT64_C(1) << 40) + 1, noise, 99));
}

static void pieces_in_any_cut_and_any_order_add_up_to_the_whole(void)
{
    for (int turn = 0; turn < 300; turn++) {
        uint64_t offset = draw(UINT64_C(1) << 40), sum = 0;
        size_t len = draw(BYTES), cuts[12] = {0, len};
        unsigned count = 2;

        while (count < 12)
            cuts[count++] = draw(len + 1);
        for (unsigned i = 0; i < count; i++) /* from the largest cut down */
            for (unsigned j = i + 1; j < count; j++)
                if (cuts[j] > cuts[i]) {
                    size_t swap = cuts[i];

                    cuts[i] = cuts[j];
                    cuts[j] = swap;
                }
        for (unsigned i = 1; i < count; i++)
            sum +=
                sum_at((unsigned)draw(9), offset + cuts[i], noise + cuts[i], cuts[i - 1] - cuts[i]);
        CHECK(sum == pnd_sum(offset, noise, len));
    }
}

static void zeros_count_nothing_wherever_they_stand(void)
{
    static const uint8_t zeros[BYTES];

    CHECK_EQ(pnd_sum(0, zeros, BYTES), 0);
    CHECK_EQ(pnd_sum(12345, zeros, 1111), 0);
    CHECK_EQ(pnd_sum(7, NULL, 0), 0);
}

static void every_error_within_one_word_is_seen(void)
{
    uint8_t bytes[BYTES];
    uint64_t good = pnd_sum(0, noise, BYTES);

    memcpy(bytes, noise, BYTES);
    for (unsigned bit = 0; bit < 8 * BYTES; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1U << bit % 8);
        CHECK(pnd_sum(0, bytes, BYTES) != good);
        bytes[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
    for (unsigned turn = 0; turn < 2000; turn++) {
        size_t at = draw(BYTES / 4) * 4;

        memcpy(bytes + at, noise + draw(BYTES - 4), 4);
        CHECK((pnd_sum(0, bytes, BYTES) == good) == (memcmp(bytes, noise, BYTES) == 0));
        memcpy(bytes, noise, BYTES);
    }
}

static void what_moved_or_changed_places_is_seen(void)
{
    uint8_t bytes[BYTES];
    uint64_t good = pnd_sum(0, noise, BYTES);

    for (size_t by = 1; by < 1500; by += by < 300 ? 1 : 64)
        CHECK(pnd_sum(by, noise, BYTES) != good);
    for (unsigned turn = 0; turn < 2000; turn++) {
        size_t len = 1 + draw(600), from = draw(BYTES - len), to = draw(BYTES - len);

        memcpy(bytes, noise, BYTES);
        memmove(bytes + to, noise + from, len);
        CHECK((pnd_sum(0, bytes, BYTES) == good) == (memcmp(bytes, noise, BYTES) == 0));
    }
}

int main(void)
{
    for (size_t i = 0; i < BYTES; i++)
        noise[i] = (uint8_t)draw(256);
    RUN(the_sum_is_the_one_of_the_protocol_at_every_offset_and_length);
    RUN(the_first_words_count_as_published);
    RUN(it_holds_at_the_far_end_of_all_offsets);
    RUN(pieces_in_any_cut_and_any_order_add_up_to_the_whole);
    RUN(zeros_count_nothing_wherever_they_stand);
    RUN(every_error_within_one_word_is_seen);
    RUN(what_moved_or_changed_places_is_seen);
    return tap_done();
}
