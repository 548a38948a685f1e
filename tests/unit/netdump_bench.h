/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A session of netdump under the model owner, and a client that says exactly what it is told to.
 * The dump is made of bytes that follow from their offset. */
#ifndef PND_TESTS_NETDUMP_BENCH_H
#define PND_TESTS_NETDUMP_BENCH_H

#include "sim/netdump_owner.h"
#include "tap.h"

enum {
    BENCH_UNIT = 1448,  /* the longest payload at an MTU of 1500 */
    BENCH_SEND = 65536, /* 46 packets */
    BENCH_COUNT = 46,
};

struct bench {
    struct netdump_owner owner;
    uint64_t now_ms;
};

static inline void bench_open(struct bench *bench)
{
    netdump_owner_init(&bench->owner);
    bench->now_ms = 1000;
}

static inline void bench_close(struct bench *bench)
{
    if (bench->owner.broken)
        printf("# broken rule: %s\n", bench->owner.broken);
    CHECK(bench->owner.broken == NULL);
    netdump_owner_deinit(&bench->owner);
}

static inline uint8_t bench_byte(uint64_t offset)
{
    return (uint8_t)(((offset * UINT64_C(0x9e3779b97f4a7c15)) >> 56) | 1);
}

/* @return the numbers that the last call acknowledged, in order, runs as "2-9"; "" for none */
static inline const char *bench_acks(const struct bench *bench)
{
    static char text[512];
    const uint32_t *acks = bench->owner.acks;
    size_t used = 0;

    text[0] = '\0';
    for (unsigned i = 0, end; i < bench->owner.ack_count; i = end) {
        for (end = i + 1; end < bench->owner.ack_count && acks[end] == acks[end - 1] + 1;)
            end++;
        used +=
            (size_t)snprintf(text + used, sizeof(text) - used, "%s%" PRIu32, i ? " " : "", acks[i]);
        if (end > i + 1)
            used += (size_t)snprintf(text + used, sizeof(text) - used, "-%" PRIu32, acks[end - 1]);
    }
    return text;
}

static inline const char *bench_raw(struct bench *bench, const void *dgram, size_t len)
{
    uint8_t *copy = malloc(len ? len : 1); /* so that a sanitizer sees the first byte beyond */

    if (!copy)
        abort();
    memcpy(copy, dgram, len);
    netdump_owner_datagram(&bench->owner, copy, len, bench->now_ms);
    free(copy);
    return bench_acks(bench);
}

static inline const char *bench_send(struct bench *bench, enum pnd_netdump_type type,
                                     uint32_t number, uint64_t offset, const void *data, size_t len)
{
    static uint8_t dgram[PND_NETDUMP_HEADER_BYTES + 65535];

    pnd_netdump_build_header(dgram, sizeof(dgram), type, number, offset, (uint32_t)len);
    if (len)
        memcpy(dgram + PND_NETDUMP_HEADER_BYTES, data, len);
    return bench_raw(bench, dgram, PND_NETDUMP_HEADER_BYTES + len);
}

static inline const char *bench_data(struct bench *bench, uint32_t number, uint64_t offset,
                                     size_t len)
{
    static uint8_t data[65535];

    for (size_t i = 0; i < len; i++)
        data[i] = bench_byte(offset + i);
    return bench_send(bench, PND_NETDUMP_VMCORE, number, offset, data, len);
}

static inline const char *bench_herald(struct bench *bench)
{
    return bench_send(bench, PND_NETDUMP_HERALD, 1, 0, NULL, 0);
}

static inline const char *bench_finished(struct bench *bench, uint32_t number)
{
    return bench_send(bench, PND_NETDUMP_FINISHED, number, 0, NULL, 0);
}

/* Packet @p index of a send of @p send bytes that begins at @p offset and with number @p base. */
static inline const char *bench_packet(struct bench *bench, uint32_t base, uint64_t offset,
                                       size_t send, size_t unit, unsigned index)
{
    size_t at = index * unit, len = send - at < unit ? send - at : unit;

    return bench_data(bench, base + index, offset + at, len);
}

/* Packet @p index of a send of 46 packets. */
static inline const char *bench_46(struct bench *bench, uint32_t base, uint64_t offset,
                                   unsigned index)
{
    return bench_packet(bench, base, offset, BENCH_SEND, BENCH_UNIT, index);
}

/* All of a send but packets [@p from, @p to). @return the number of the next one */
static inline uint32_t bench_all_but(struct bench *bench, uint32_t base, uint64_t offset,
                                     size_t send, size_t unit, unsigned from, unsigned to)
{
    unsigned count = (unsigned)((send + unit - 1) / unit);

    for (unsigned i = 0; i < count; i++)
        if (i < from || i >= to)
            bench_packet(bench, base, offset, send, unit, i);
    return base + count;
}

static inline uint32_t bench_whole(struct bench *bench, uint32_t base, uint64_t offset, size_t send)
{
    return bench_all_but(bench, base, offset, send, BENCH_UNIT, 0, 0);
}

/* Lets time pass, with a tick at every deadline on the way. @return what the last one said */
static inline const char *bench_wait(struct bench *bench, uint64_t ms)
{
    uint64_t until_ms = bench->now_ms + ms, at_ms;

    bench->owner.ack_count = 0;
    for (int turns = 0; turns < 100; turns++) {
        at_ms = netdump_owner_deadline_ms(&bench->owner);
        if (at_ms > until_ms)
            break;
        if (at_ms > bench->now_ms)
            bench->now_ms = at_ms;
        netdump_owner_tick(&bench->owner, bench->now_ms);
    }
    bench->now_ms = until_ms;
    return bench_acks(bench);
}

/* FINISHED, and the FINISH that it asks for. */
static inline const char *bench_end(struct bench *bench, uint32_t number)
{
    CHECK_STR(bench_finished(bench, number), "");
    return bench_wait(bench, 0);
}

static inline void bench_restart(struct bench *bench)
{
    netdump_owner_restart(&bench->owner, bench->now_ms);
}

/* The dump that arrives, or ended last. */
static inline void bench_check(const struct bench *bench, enum netdump_state state, size_t len)
{
    const struct netdump_owner *owner = &bench->owner;

    CHECK_EQ(owner->state, state);
    CHECK_EQ(owner->len, len);
    for (size_t i = 0; i < owner->len; i++) {
        if (owner->held[i] && owner->bytes[i] != bench_byte(i)) {
            CHECK_EQ(i, -1);
            return;
        }
    }
}

#endif
