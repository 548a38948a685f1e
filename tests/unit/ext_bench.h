/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A session of the extension under the model owner, and a sender that says exactly what it is
 * told to. The dump is made of bytes that follow from their offset. */
#ifndef PND_TESTS_EXT_BENCH_H
#define PND_TESTS_EXT_BENCH_H

#include "sim/ext_owner.h"
#include "tap.h"
#include "wire/sum.h"

enum { BENCH_WINDOW = 256 * 1024 };

struct bench {
    struct ext_owner owner;
    uint64_t now_us;
    uint32_t number; /* of the last transmission */
    uint32_t token;  /* as the last OPENED said */
    uint8_t cookie;
};

static inline void bench_open(struct bench *bench)
{
    memset(bench, 0, sizeof(*bench));
    ext_owner_init(&bench->owner, BENCH_WINDOW);
    bench->now_us = 1000000;
    bench->cookie = 1;
}

static inline void bench_close(struct bench *bench)
{
    if (bench->owner.broken)
        printf("# broken rule: %s\n", bench->owner.broken);
    CHECK(bench->owner.broken == NULL);
    ext_owner_deinit(&bench->owner);
}

/* Never zero, so that it cannot be mistaken for what was not written. */
static inline uint8_t bench_byte(uint64_t offset)
{
    return (uint8_t)(((offset * UINT64_C(0x9e3779b97f4a7c15)) >> 56) | 1);
}

/* @return what the last call drew: "", "opened OFFSET", "ack HELD [START-END ...] [done]",
 *         "stop CODE TEXT" */
static inline const char *bench_reply(const struct bench *bench)
{
    static struct pnd_ext_ack ack;
    static char text[4096];
    struct pnd_ext_opened opened;
    struct pnd_ext_stop stop;
    const uint8_t *at = bench->owner.reply;
    size_t len = bench->owner.reply_len, used;

    if (len == 0)
        return "";
    if (pnd_ext_op(at, len) == PND_EXT_ACK && len > PND_EXT_ACK_CAP)
        len = PND_EXT_ACK_CAP; /* the first part */
    if (pnd_ext_parse_opened(at, len, &opened) == PND_OK) {
        snprintf(text, sizeof(text), "opened %" PRIu64, opened.offset);
    } else if (pnd_ext_parse_ack(at, len, &ack) == PND_OK) {
        used = (size_t)snprintf(text, sizeof(text), "ack %" PRIu64, ack.held);
        for (unsigned i = 0; i < ack.count; i++)
            used += (size_t)snprintf(text + used, sizeof(text) - used, " %" PRIu64 "-%" PRIu64,
                                     ack.range[i].start, ack.range[i].end);
        if (ack.flags & PND_EXT_DONE)
            snprintf(text + used, sizeof(text) - used, " done");
    } else if (pnd_ext_parse_stop(at, len, &stop) == PND_OK) {
        snprintf(text, sizeof(text), "stop %u %.*s", stop.code, (int)stop.text_len, stop.text);
    } else {
        return "not a server's packet";
    }
    return text;
}

/* @return part @p part, from 0, of the last ACK, if the last call drew one; else one of zeros */
static inline const struct pnd_ext_ack *bench_ack_part(const struct bench *bench, unsigned part)
{
    static struct pnd_ext_ack ack;
    size_t at = (size_t)part * PND_EXT_ACK_CAP, len = bench->owner.reply_len;

    memset(&ack, 0, sizeof(ack));
    if (at < len)
        pnd_ext_parse_ack(bench->owner.reply + at,
                          len - at < PND_EXT_ACK_CAP ? len - at : PND_EXT_ACK_CAP, &ack);
    return &ack;
}

static inline const struct pnd_ext_ack *bench_ack(const struct bench *bench)
{
    return bench_ack_part(bench, 0);
}

/* One datagram of the turn under way. */
static inline void bench_put(struct bench *bench, const void *dgram, size_t len)
{
    uint8_t *copy = malloc(len ? len : 1); /* so that a sanitizer sees the first byte beyond */

    if (!copy)
        abort();
    memcpy(copy, dgram, len);
    ext_owner_datagram(&bench->owner, copy, len, bench->now_us);
    free(copy);
}

static inline const char *bench_turn(struct bench *bench)
{
    ext_owner_end_turn(&bench->owner, bench->now_us);
    return bench_reply(bench);
}

static inline const char *bench_open_as(struct bench *bench, const char *id, const char *name,
                                        uint16_t flags)
{
    uint8_t dgram[PND_EXT_OPEN_BYTES + PND_KDP_NAME_CAP];
    struct pnd_ext_open open = {.flags = flags, .dgram_max = 1472};
    struct pnd_ext_opened opened;
    int len;

    memset(open.cookie, bench->cookie, sizeof(open.cookie));
    memcpy(open.id, id, strlen(id));
    open.name = name;
    open.name_len = strlen(name);
    len = pnd_ext_build_open(dgram, sizeof(dgram), &open);
    bench_put(bench, dgram, (size_t)len);
    if (pnd_ext_parse_opened(bench->owner.reply, bench->owner.reply_len, &opened) == PND_OK)
        bench->token = opened.token;
    return bench_reply(bench);
}

static inline const char *bench_hello(struct bench *bench)
{
    return bench_open_as(bench, "id", "core", 0);
}

/* Puts a packet into the turn. DATA has the dump's own bytes. */
static inline void bench_packet(struct bench *bench, enum pnd_ext_op op, uint64_t offset,
                                uint64_t len, uint64_t sum, uint16_t flags)
{
    static uint8_t dgram[PND_EXT_DGRAM_CAP];
    struct pnd_ext_packet packet = {.op = op,
                                    .flags = flags,
                                    .token = bench->token,
                                    .number = ++bench->number,
                                    .offset = offset,
                                    .len = len,
                                    .sum = sum};
    int used = pnd_ext_build(dgram, sizeof(dgram), &packet);
    size_t whole = (size_t)used;

    for (uint64_t i = 0; op == PND_EXT_DATA && i < len; i++)
        dgram[whole++] = bench_byte(offset + i);
    if (op == PND_EXT_PROBE)
        whole = (size_t)len;
    bench_put(bench, dgram, whole);
}

static inline const char *bench_data(struct bench *bench, uint64_t start, uint64_t end)
{
    bench_packet(bench, PND_EXT_DATA, start, end - start, 0, 0);
    return bench_turn(bench);
}

/* The same with the wish for an answer. */
static inline const char *bench_ask(struct bench *bench, uint64_t start, uint64_t end)
{
    bench_packet(bench, PND_EXT_DATA, start, end - start, 0, PND_EXT_ACK_NOW);
    return bench_turn(bench);
}

static inline const char *bench_zero(struct bench *bench, uint64_t start, uint64_t end)
{
    bench_packet(bench, PND_EXT_ZERO, start, end - start, 0, 0);
    return bench_turn(bench);
}

/* The sum of the dump's own bytes. */
static inline uint64_t bench_sum(uint64_t start, uint64_t end)
{
    uint64_t sum = 0;

    for (uint64_t at = start; at < end; at++) {
        uint8_t byte = bench_byte(at);

        sum += pnd_sum(at, &byte, 1);
    }
    return sum;
}

static inline const char *bench_end_as(struct bench *bench, uint64_t length, uint64_t sum)
{
    bench_packet(bench, PND_EXT_END, length, 0, sum, 0);
    return bench_turn(bench);
}

/* END of a dump without zero runs. */
static inline const char *bench_end(struct bench *bench, uint64_t length)
{
    return bench_end_as(bench, length, bench_sum(0, length));
}

static inline const char *bench_stop(struct bench *bench)
{
    uint8_t dgram[PND_EXT_STOP_CAP];
    int len = pnd_ext_build_stop(dgram, sizeof(dgram), bench->token, 0, "interrupted");

    bench_put(bench, dgram, (size_t)len);
    return bench_turn(bench);
}

/* Lets time pass, with a tick at every deadline on the way. @return what the last one drew */
static inline const char *bench_wait(struct bench *bench, uint64_t ms)
{
    uint64_t until_us = bench->now_us + ms * 1000;
    const char *last = "";

    for (int turns = 0; ext_owner_deadline_ms(&bench->owner) <= until_us / 1000 && turns < 100;
         turns++) {
        uint64_t at_us = ext_owner_deadline_ms(&bench->owner) * 1000;

        if (at_us > bench->now_us)
            bench->now_us = at_us;
        ext_owner_tick(&bench->owner, bench->now_us);
        if (bench->owner.reply_len)
            last = bench_reply(bench);
    }
    bench->now_us = until_us;
    bench->owner.reply_len = 0;
    return last;
}

static inline void bench_restart(struct bench *bench)
{
    ext_owner_restart(&bench->owner, bench->now_us);
}

/* Why the last dump that ended is incomplete. */
static inline const char *bench_why(const struct bench *bench)
{
    return bench->owner.dump_count ? bench->owner.dumps[bench->owner.dump_count - 1].why : NULL;
}

/* The last dump that ended has the dump's own bytes but for the zeros of [@p zero, @p zero_end). */
static inline void bench_check_but(const struct bench *bench, enum ext_state state, uint64_t len,
                                   uint64_t zero, uint64_t zero_end)
{
    unsigned count = bench->owner.dump_count;
    bool same = true;

    CHECK(count > 0);
    if (!count)
        return;
    CHECK_EQ(bench->owner.dumps[count - 1].state, state);
    CHECK_EQ(bench->owner.dumps[count - 1].len, len);
    for (uint64_t at = 0; at < len && at < BENCH_WINDOW; at++)
        same = same && bench->owner.dumps[count - 1].bytes[at] ==
                           (at >= zero && at < zero_end ? 0 : bench_byte(at));
    CHECK(same);
}

static inline void bench_check(const struct bench *bench, enum ext_state state, uint64_t len)
{
    bench_check_but(bench, state, len, 0, 0);
}

#endif
