/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A session of TFTP under the model owner, and a peer that says exactly what it is told to. */
#ifndef PND_TESTS_TFTP_BENCH_H
#define PND_TESTS_TFTP_BENCH_H

#include "sim/tftp_owner.h"
#include "tap.h"

struct tftp_bench {
    struct tftp_owner owner;
    uint64_t now_ms;
};

static inline void bench_open(struct tftp_bench *bench)
{
    tftp_owner_init(&bench->owner);
    bench->now_ms = 1000;
}

static inline void bench_close(struct tftp_bench *bench)
{
    CHECK_STR(bench->owner.broken ? bench->owner.broken : "no rule is broken", "no rule is broken");
}

/* @return what the packet drew: "", "ack N", "error C" or "oack" with its options */
static inline const char *bench_reply(const struct tftp_bench *bench)
{
    static char text[160];
    struct pnd_tftp_packet packet;
    const struct pnd_tftp_options *options = &packet.options;
    int at;

    if (bench->owner.reply_len == 0)
        return "";
    if (pnd_tftp_parse(bench->owner.reply, bench->owner.reply_len, &packet) != PND_OK)
        return "garbage";
    if (packet.op == PND_TFTP_ERROR) {
        snprintf(text, sizeof(text), "error %u", packet.code);
    } else if (packet.op == PND_TFTP_ACK) {
        snprintf(text, sizeof(text), "ack %u", packet.block);
    } else if (packet.op == PND_TFTP_OACK) {
        at = snprintf(text, sizeof(text), "oack");
        if (options->said & PND_TFTP_BLKSIZE)
            at += snprintf(text + at, sizeof(text) - (size_t)at, " blksize %" PRIu32,
                           options->block_bytes);
        if (options->said & PND_TFTP_TSIZE)
            at += snprintf(text + at, sizeof(text) - (size_t)at, " tsize %" PRIu64,
                           options->total_bytes);
        if (options->said & PND_TFTP_TIMEOUT)
            at += snprintf(text + at, sizeof(text) - (size_t)at, " timeout %u", options->timeout_s);
        if (options->said & PND_TFTP_WINDOWSIZE)
            snprintf(text + at, sizeof(text) - (size_t)at, " windowsize %u", options->window);
    } else {
        return "not a server's packet";
    }
    return text;
}

static inline const char *bench_send(struct tftp_bench *bench, const void *dgram, size_t len)
{
    uint8_t *copy = malloc(len ? len : 1); /* so that a sanitizer sees the first byte beyond */

    if (!copy)
        abort();
    memcpy(copy, dgram, len);
    tftp_owner_datagram(&bench->owner, copy, len, bench->now_ms);
    free(copy);
    return bench_reply(bench);
}

/* A request for @p mode; @p options as "blksize 1428 windowsize 4", each word with its NUL. */
static inline const char *bench_request(struct tftp_bench *bench, uint8_t op, const char *name,
                                        const char *mode, const char *options)
{
    char dgram[1024] = {0};
    size_t len = 2;

    dgram[1] = (char)op;
    len += (size_t)snprintf(dgram + len, sizeof(dgram) - len, "%s", name) + 1;
    len += (size_t)snprintf(dgram + len, sizeof(dgram) - len, "%s", mode) + 1;
    if (*options) {
        size_t words = (size_t)snprintf(dgram + len, sizeof(dgram) - len, "%s", options) + 1;

        for (size_t i = 0; i < words; i++)
            if (dgram[len + i] == ' ')
                dgram[len + i] = '\0';
        len += words;
    }
    return bench_send(bench, dgram, len);
}

static inline const char *bench_wrq(struct tftp_bench *bench, const char *name, const char *options)
{
    return bench_request(bench, PND_TFTP_WRQ, name, "octet", options);
}

/* DATA of @p len bytes of @p filler. */
static inline const char *bench_data(struct tftp_bench *bench, uint16_t block, char filler,
                                     size_t len)
{
    static uint8_t dgram[66000];

    pnd_tftp_build_data_header(dgram, sizeof(dgram), block);
    memset(dgram + PND_TFTP_HEADER_BYTES, filler, len);
    return bench_send(bench, dgram, PND_TFTP_HEADER_BYTES + len);
}

/* The last DATA and the FINISH that it asks for. */
static inline const char *bench_end(struct tftp_bench *bench, uint16_t block, char filler,
                                    size_t len)
{
    CHECK_STR(bench_data(bench, block, filler, len), "");
    tftp_owner_tick(&bench->owner, bench->now_ms);
    return bench_reply(bench);
}

static inline const char *bench_error(struct tftp_bench *bench, enum pnd_tftp_error code)
{
    uint8_t dgram[PND_TFTP_ERROR_CAP];
    int len = pnd_tftp_build_error(dgram, sizeof(dgram), code, "enough");

    return bench_send(bench, dgram, (size_t)len);
}

/* Lets time pass, with a tick at every deadline on the way. @return the last reply, or "" */
static inline const char *bench_wait(struct tftp_bench *bench, uint64_t ms)
{
    uint64_t until_ms = bench->now_ms + ms;
    static char last[160];

    last[0] = '\0';
    for (int turns = 0; tftp_owner_deadline_ms(&bench->owner) <= until_ms && turns < 100; turns++) {
        if (tftp_owner_deadline_ms(&bench->owner) > bench->now_ms)
            bench->now_ms = tftp_owner_deadline_ms(&bench->owner);
        tftp_owner_tick(&bench->owner, bench->now_ms);
        if (bench->owner.reply_len)
            snprintf(last, sizeof(last), "%s", bench_reply(bench));
    }
    bench->now_ms = until_ms;
    bench->owner.reply_len = 0;
    return last;
}

static inline void bench_restart(struct tftp_bench *bench)
{
    tftp_owner_restart(&bench->owner, bench->now_ms);
}

/* Why the last dump that ended is incomplete. */
static inline const char *bench_why(const struct tftp_bench *bench)
{
    const struct tftp_owner_dump *dump = tftp_owner_last(&bench->owner);

    return dump && dump->why ? dump->why : "it is not";
}

/* The last dump that ended: runs of one letter, as "a512b512c3". */
static inline void bench_check(const struct tftp_bench *bench, enum tftp_owner_state state,
                               const char *runs)
{
    const struct tftp_owner_dump *dump = tftp_owner_last(&bench->owner);
    char text[256] = "";
    size_t at = 0;

    CHECK(dump != NULL);
    if (!dump)
        return;
    CHECK_EQ(dump->state, state);
    for (uint64_t i = 0, run; i < dump->len; i += run) {
        for (run = 1; i + run < dump->len && dump->bytes[i + run] == dump->bytes[i]; run++)
            ;
        at += (size_t)snprintf(text + at, sizeof(text) - at, "%c%" PRIu64, dump->bytes[i], run);
        if (at >= sizeof(text))
            break;
    }
    CHECK_STR(text, runs);
}

#endif
