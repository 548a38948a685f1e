/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A session under the model owner, and a peer that says exactly what it is told to. */
#ifndef PND_TESTS_RX_BENCH_H
#define PND_TESTS_RX_BENCH_H

#include "sim/owner.h"
#include "tap.h"

struct bench {
    struct owner owner;
    uint64_t now_ms;
};

static inline void bench_open(struct bench *bench)
{
    owner_init(&bench->owner);
    bench->owner.limits.recover = false; /* test_kdp_rx_recover.c is about that */
    bench->now_ms = 1000;
}

static inline void bench_close(struct bench *bench)
{
    if (bench->owner.broken)
        printf("# broken rule: %s\n", bench->owner.broken);
    CHECK(bench->owner.broken == NULL);
    owner_deinit(&bench->owner);
}

/* @return what the packet drew: "", "ack N", "ack 0 features F" or "error C" */
static inline const char *bench_reply(const struct bench *bench)
{
    static char text[64];
    struct pnd_kdp_packet packet;

    if (bench->owner.reply_len == 0)
        return "";
    if (pnd_kdp_parse(bench->owner.reply, bench->owner.reply_len, &packet) != PND_OK)
        return "garbage";
    if (packet.op == PND_KDP_ERROR)
        snprintf(text, sizeof(text), "error %" PRIu32, packet.code);
    else if (packet.op == PND_KDP_ACK && packet.block == 0 && packet.features)
        snprintf(text, sizeof(text), "ack 0 features %" PRIu32, packet.features);
    else if (packet.op == PND_KDP_ACK && packet.features == 0)
        snprintf(text, sizeof(text), "ack %" PRIu32, packet.block);
    else
        return "not a server's packet";
    return text;
}

static inline const char *bench_send(struct bench *bench, const void *dgram, size_t len)
{
    uint8_t *copy = malloc(len ? len : 1); /* so that a sanitizer sees the first byte beyond */

    if (!copy)
        abort();
    memcpy(copy, dgram, len);
    owner_datagram(&bench->owner, copy, len, bench->now_ms);
    free(copy);
    return bench_reply(bench);
}

/* The same after so long that it is taken for a repetition, not for a copy made on the way. */
static inline void bench_pause(struct bench *bench)
{
    bench->now_ms += bench->owner.limits.repeat_ms;
}

static inline const char *bench_wrq(struct bench *bench, const char *name, uint32_t features,
                                    uint32_t block_max)
{
    uint8_t dgram[PND_KDP_REQUEST_CAP];
    int len = pnd_kdp_build_wrq(dgram, sizeof(dgram), name, features, block_max);

    return bench_send(bench, dgram, (size_t)len);
}

/* DATA with @p len bytes, followed by @p junk_len times @p filler. */
static inline const char *bench_junked(struct bench *bench, uint32_t block, const void *bytes,
                                       size_t len, char filler, size_t junk_len)
{
    static uint8_t dgram[65536];

    pnd_kdp_build_data_header(dgram, sizeof(dgram), block);
    if (len)
        memcpy(dgram + PND_KDP_HEADER_BYTES, bytes, len);
    memset(dgram + PND_KDP_HEADER_BYTES + len, filler, junk_len);
    return bench_send(bench, dgram, PND_KDP_HEADER_BYTES + len + junk_len);
}

static inline const char *bench_data(struct bench *bench, uint32_t block, const char *text)
{
    return bench_junked(bench, block, text, strlen(text), 0, 0);
}

static inline const char *bench_seek(struct bench *bench, uint32_t block, uint64_t offset,
                                     bool seek64)
{
    uint8_t dgram[14];
    int len = pnd_kdp_build_seek(dgram, sizeof(dgram), block, offset, seek64);

    return bench_send(bench, dgram, (size_t)len);
}

static inline const char *bench_eof(struct bench *bench, uint32_t block)
{
    uint8_t dgram[6];

    pnd_kdp_build_eof(dgram, sizeof(dgram), block);
    return bench_send(bench, dgram, sizeof(dgram));
}

/* The EOF and the FINISH that it asks for. */
static inline const char *bench_end(struct bench *bench, uint32_t block)
{
    CHECK_STR(bench_eof(bench, block), "");
    owner_tick(&bench->owner, bench->now_ms);
    return bench_reply(bench);
}

/* Lets time pass, with a tick at every deadline on the way. @return the last reply, or "" */
static inline const char *bench_wait(struct bench *bench, uint64_t ms)
{
    uint64_t until_ms = bench->now_ms + ms;
    static char last[64];

    last[0] = '\0';
    for (int turns = 0; owner_deadline_ms(&bench->owner) <= until_ms && turns < 100; turns++) {
        if (owner_deadline_ms(&bench->owner) > bench->now_ms)
            bench->now_ms = owner_deadline_ms(&bench->owner);
        owner_tick(&bench->owner, bench->now_ms);
        if (bench->owner.reply_len)
            snprintf(last, sizeof(last), "%s", bench_reply(bench));
    }
    bench->now_ms = until_ms;
    bench->owner.reply_len = 0;
    return last;
}

static inline void bench_restart(struct bench *bench)
{
    owner_restart(&bench->owner, bench->now_ms);
}

/* Why the last dump that ended is incomplete. */
static inline const char *bench_why(const struct bench *bench)
{
    const struct owner_dump *dump = owner_last(&bench->owner);

    return dump ? dump->why : NULL;
}

/* The last dump that ended. */
static inline void bench_check(const struct bench *bench, enum owner_state state, const void *bytes,
                               size_t len)
{
    const struct owner_dump *dump = owner_last(&bench->owner);

    CHECK(dump != NULL);
    if (!dump)
        return;
    CHECK_EQ(dump->state, state);
    CHECK_EQ(dump->len, len);
    if (dump->len == len && len)
        CHECK_MEM(dump->bytes, bytes, len);
}

#endif
