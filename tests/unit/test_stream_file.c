/* SPDX-License-Identifier: BSD-2-Clause */
#include "panicctl/stream.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tap.h"
#include "wire/cursor.h"

enum { BODY = 9000, FLAT_CAP = 4096 + BODY + 5 * 16, FILE_MAX = 1 << 20 };

static uint8_t body[BODY], flat[FLAT_CAP];

struct result {
    int write_err, finish_err;
    uint64_t bytes, blocks;
    uint8_t content[2 * BODY];
    char why[512];
};

static uint64_t free_room;

static uint64_t ask_room(void *ctx)
{
    (void)ctx;
    return free_room;
}

/* @param piece  how much of it is written at once */
static void run(const uint8_t *data, size_t len, size_t piece, bool as_it_came, uint64_t most,
                uint64_t floor, struct result *ret)
{
    const struct pnd_stream_room room = {.free_bytes = ask_room};
    struct pnd_stream_file *file = NULL;
    struct pnd_why why = {0};
    int fd = memfd_create("stream", 0);
    struct stat st;

    memset(ret, 0, sizeof(*ret));
    CHECK(fd >= 0);
    CHECK_EQ(pnd_stream_file_create(fd, as_it_came, most, floor, floor ? &room : NULL, &file),
             PND_OK);
    for (size_t at = 0; at < len && !ret->write_err; at += piece)
        ret->write_err =
            pnd_stream_file_write(file, data + at, len - at < piece ? len - at : piece, &why);
    snprintf(ret->why, sizeof(ret->why), "%s", why.text);
    ret->finish_err = pnd_stream_file_finish(file, &ret->bytes, &why);
    pnd_stream_file_destroy(file);
    CHECK(fstat(fd, &st) == 0);
    CHECK_EQ(st.st_size, ret->bytes);
    ret->blocks = (uint64_t)st.st_blocks;
    CHECK(pread(fd, ret->content, sizeof(ret->content), 0) >= 0);
    close(fd);
}

static void record(struct pnd_wr *wr, uint64_t at, uint64_t len, const uint8_t *data)
{
    pnd_wr_be64(wr, at);
    pnd_wr_be64(wr, len);
    if (data)
        pnd_wr_bytes(wr, data, (size_t)len);
}

static void flat_head(struct pnd_wr *wr, uint64_t type)
{
    pnd_wr_bytes(wr, "makedumpfile\0\0\0", 16);
    pnd_wr_be64(wr, type);
    pnd_wr_be64(wr, 1);
    pnd_wr_zeros(wr, 4096 - 32);
}

/* Backwards, and the middle twice: the last one counts. */
static size_t make_flat(void)
{
    struct pnd_wr wr = pnd_wr(flat, sizeof(flat));

    for (size_t i = 0; i < BODY; i++)
        body[i] = (uint8_t)(i * 7 + i / 256 + 1);
    flat_head(&wr, 1);
    record(&wr, 6000, 3000, body + 6000);
    record(&wr, 0, 3000, body);
    record(&wr, 3000, 3000, body + 3000);
    pnd_wr_be64(&wr, UINT64_MAX);
    pnd_wr_be64(&wr, UINT64_MAX);
    CHECK(pnd_wr_ok(&wr));
    return pnd_wr_len(&wr);
}

static void what_is_flattened_is_put_in_order(void)
{
    size_t len = make_flat();
    struct result result;

    for (size_t piece = 1; piece < 6000; piece = piece * 3 + 1) {
        run(flat, len, piece, false, FILE_MAX, 0, &result);
        CHECK_EQ(result.write_err, PND_OK);
        CHECK_EQ(result.finish_err, PND_OK);
        CHECK_EQ(result.bytes, BODY);
        CHECK(memcmp(result.content, body, BODY) == 0);
    }
}

static void it_stays_as_it_came_when_that_is_wanted(void)
{
    size_t len = make_flat();
    struct result result;

    run(flat, len, 1000, true, FILE_MAX, 0, &result);
    CHECK_EQ(result.finish_err, PND_OK);
    CHECK_EQ(result.bytes, len);
    CHECK(memcmp(result.content, flat, len) == 0);
}

/* ... and each byte that came is where it belongs. */
static void every_truncation_is_known_to_be_one(void)
{
    size_t len = make_flat(), wrong;
    struct result result;

    for (size_t cut = 24; cut < len; cut++) {
        const uint8_t *want = cut < 64 ? flat : body;

        run(flat, cut, 4096, false, FILE_MAX, 0, &result);
        CHECK_EQ(result.write_err, PND_OK);
        CHECK_EQ(result.finish_err, PND_E_SHORT);
        CHECK(cut < 64 ? result.bytes == cut
                       : result.bytes <= BODY && (result.bytes == 0 || result.bytes > 6000));
        wrong = 0;
        for (size_t i = 0; i < result.bytes; i++)
            wrong += result.content[i] != want[i] && (result.content[i] || i >= 6000);
        CHECK_EQ(wrong, 0);
    }
}

/* Less than its signature is no flattened stream, and is kept as it is. */
static void a_beginning_that_says_nothing_is_kept(void)
{
    struct result result;

    make_flat();
    for (size_t cut = 1; cut < 24; cut++) {
        run(flat, cut, 5, false, FILE_MAX, 0, &result);
        CHECK_EQ(result.finish_err, PND_OK);
        CHECK_EQ(result.bytes, cut);
        CHECK(memcmp(result.content, flat, cut) == 0);
    }
    run(flat, 0, 1, false, FILE_MAX, 0, &result);
    CHECK_EQ(result.bytes, 0);
}

static void a_type_that_is_not_known_is_kept_as_it_came(void)
{
    struct pnd_wr wr = pnd_wr(flat, sizeof(flat));
    struct result result;

    flat_head(&wr, 2);
    run(flat, 4096, 1000, false, FILE_MAX, 0, &result);
    CHECK_EQ(result.finish_err, PND_OK);
    CHECK_EQ(result.bytes, 4096);
}

static void one_record(uint64_t at, uint64_t len, uint64_t most, struct result *ret)
{
    struct pnd_wr wr = pnd_wr(flat, sizeof(flat));

    flat_head(&wr, 1);
    record(&wr, 0, 10, body);
    record(&wr, at, len, NULL);
    pnd_wr_bytes(&wr, body, 200);
    run(flat, pnd_wr_len(&wr), 77, false, most, 0, ret);
}

static void no_record_leads_beyond_the_limit(void)
{
    struct result result;

    one_record(UINT64_MAX - 5, 5, FILE_MAX, &result); /* what cannot be */
    CHECK_EQ(result.write_err, PND_E_FORMAT);
    CHECK_EQ(result.bytes, 10);
    one_record(1, UINT64_MAX, FILE_MAX, &result);
    CHECK_EQ(result.write_err, PND_E_FORMAT);
    one_record(INT64_MAX, 0, FILE_MAX, &result);
    CHECK_EQ(result.write_err, PND_E_RANGE);
    one_record(FILE_MAX + 1, 1, FILE_MAX, &result);
    CHECK_EQ(result.write_err, PND_E_RANGE);
    CHECK_EQ(result.bytes, 10);
    CHECK(strstr(result.why, "--dump-bytes") != NULL);
    one_record(FILE_MAX - 150, 200, FILE_MAX, &result);
    CHECK_EQ(result.write_err, PND_E_RANGE);
    CHECK(result.bytes <= FILE_MAX);
    one_record(FILE_MAX - 200, 200, FILE_MAX, &result);
    CHECK_EQ(result.write_err, PND_OK);
    CHECK_EQ(result.bytes, FILE_MAX);
}

static void a_long_stream_ends_at_the_limit(void)
{
    struct result result;

    make_flat();
    run(body, BODY, 100, false, 5000, 0, &result);
    CHECK_EQ(result.write_err, PND_E_RANGE);
    CHECK_EQ(result.bytes, 5000);
    CHECK(memcmp(result.content, body, 5000) == 0);
}

static void the_floor_is_kept_free(void)
{
    struct result result;

    make_flat();
    free_room = 10000;
    run(body, BODY, 100, false, FILE_MAX, 9950, &result);
    CHECK_EQ(result.write_err, PND_E_NOSPACE);
    CHECK_EQ(result.bytes, 0);
    run(body, BODY, 100, false, FILE_MAX, 500, &result);
    CHECK_EQ(result.write_err, PND_OK);
    CHECK_EQ(result.bytes, BODY);
}

static void zeros_take_no_room(void)
{
    static uint8_t zeros[1 << 20];
    struct result result;

    run(zeros, sizeof(zeros), 1 << 18, false, FILE_MAX, 0, &result);
    CHECK_EQ(result.bytes, sizeof(zeros));
    CHECK(result.blocks < 64);
}

int main(void)
{
    RUN(what_is_flattened_is_put_in_order);
    RUN(it_stays_as_it_came_when_that_is_wanted);
    RUN(every_truncation_is_known_to_be_one);
    RUN(a_beginning_that_says_nothing_is_kept);
    RUN(a_type_that_is_not_known_is_kept_as_it_came);
    RUN(no_record_leads_beyond_the_limit);
    RUN(a_long_stream_ends_at_the_limit);
    RUN(the_floor_is_kept_free);
    RUN(zeros_take_no_room);
    return tap_done();
}
