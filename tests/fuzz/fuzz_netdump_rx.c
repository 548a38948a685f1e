/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A tape drives a session of netdump under the model owner of tests/sim, which holds all that it
 * acknowledges against what was written. The tape is a row of entries:
 *     delay u16 (units of 10 ms)  what u8  len u8  bytes[len]
 * what, and the bytes it reads (those that are not there are 0):
 *     0 the bytes as they are
 *     1 the packets from u8 to u8 of a send that begins at the number expected next, or u8 - 128
 *       ahead of it; of u8 blocks of 4096; longest payload u16 (mod 9000); offset u8 blocks from
 * the end of the dump, or u8 - 128 of them ahead 2 a herald of number u8, the other bytes are its
 * payload      3 a restart 4 the disk fills up or empties     5 fsync fails or works     6 nothing
 * but the delay 7 FINISHED, u8 - 128 ahead of the number expected             8 policy says no, or
 * yes 9 a packet of type u8, number u8 - 128 ahead, offset u16, the other bytes its payload 10 the
 * journal is damaged at u8 by u8, and a session loaded from that is used */
#include <stdlib.h>
#include <string.h>

#include "sim/netdump_owner.h"
#include "wire/cursor.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { ENTRIES_MAX = 200, BLOCK = 4096 };

struct tape {
    struct netdump_owner owner;
    uint64_t now_ms;
};

static uint8_t take8(struct pnd_rd *rd)
{
    return pnd_rd_left(rd) ? pnd_rd_u8(rd) : 0;
}

static uint16_t take16(struct pnd_rd *rd)
{
    return (uint16_t)(take8(rd) << 8 | take8(rd));
}

/* Runs the clock up to @p until_ms with a tick at every deadline, as an event loop does. */
static void pass(struct tape *tape, uint64_t until_ms)
{
    struct netdump_owner *owner = &tape->owner;

    for (int turns = 0; turns < 8 && netdump_owner_deadline_ms(owner) <= until_ms; turns++)
        netdump_owner_tick(owner, netdump_owner_deadline_ms(owner));
    netdump_owner_tick(owner, until_ms);
    tape->now_ms = until_ms;
}

static void put(struct tape *tape, enum pnd_netdump_type type, uint32_t number, uint64_t offset,
                const uint8_t *bytes, size_t len)
{
    uint8_t *dgram = malloc(PND_NETDUMP_HEADER_BYTES + len);

    if (!dgram)
        abort();
    pnd_netdump_build_header(dgram, PND_NETDUMP_HEADER_BYTES, type, number, offset, (uint32_t)len);
    if (bytes)
        memcpy(dgram + PND_NETDUMP_HEADER_BYTES, bytes, len);
    else
        memset(dgram + PND_NETDUMP_HEADER_BYTES, (int)number, len);
    netdump_owner_datagram(&tape->owner, dgram, PND_NETDUMP_HEADER_BYTES + len, tape->now_ms);
    free(dgram);
}

static uint32_t number_of(const struct tape *tape, uint8_t ahead)
{
    return tape->owner.rx.burst.base + ahead - 128;
}

static void put_send(struct tape *tape, struct pnd_rd *rd)
{
    unsigned from = take8(rd) % 64, to = take8(rd) % 64;
    uint32_t base = number_of(tape, pnd_rd_left(rd) ? take8(rd) : 128);
    size_t send = BLOCK * (1 + (size_t)take8(rd) % 16), unit = 1 + (size_t)take16(rd) % 9000;
    uint64_t offset = tape->owner.rx.end / BLOCK * BLOCK;
    unsigned blocks = pnd_rd_left(rd) ? take8(rd) : 128;

    offset = blocks < 128 && offset < (128 - blocks) * (uint64_t)BLOCK
                 ? 0
                 : offset + blocks * (uint64_t)BLOCK - 128 * (uint64_t)BLOCK;
    for (unsigned i = from; i <= to && i * unit < send; i++)
        put(tape, PND_NETDUMP_VMCORE, base + i, offset + i * unit, NULL,
            send - i * unit < unit ? send - i * unit : unit);
}

static void put_packet(struct tape *tape, struct pnd_rd *rd)
{
    enum pnd_netdump_type type = (enum pnd_netdump_type)take8(rd);
    uint32_t number = number_of(tape, take8(rd));
    uint64_t offset = take16(rd);
    size_t len = pnd_rd_left(rd);

    put(tape, type, number, offset, pnd_rd_bytes(rd, len), len);
}

static void put_herald(struct tape *tape, struct pnd_rd *rd)
{
    uint32_t number = take8(rd);
    size_t len = pnd_rd_left(rd);

    put(tape, PND_NETDUMP_HERALD, number, 0, pnd_rd_bytes(rd, len), len);
}

/* The model file matches the true journal; a damaged one only must not crash. */
static void damage(struct tape *tape, struct pnd_rd *rd)
{
    uint8_t saved[PND_NETDUMP_RX_SAVED_BYTES], packet[PND_NETDUMP_HEADER_BYTES];
    unsigned at = take8(rd) % sizeof(saved);
    struct pnd_actions actions;
    struct pnd_netdump_rx rx;
    struct pnd_span span;

    memcpy(saved, tape->owner.journal, sizeof(saved));
    saved[at] ^= take8(rd);
    if (!tape->owner.journal_used ||
        pnd_netdump_rx_load(&rx, &tape->owner.limits, saved, sizeof(saved),
                            tape->owner.journal_path, tape->now_ms) != PND_OK)
        return;
    for (uint32_t i = 0; i < 130; i++) {
        pnd_netdump_build_header(packet, sizeof(packet), PND_NETDUMP_VMCORE, rx.burst.base + i,
                                 rx.end, 0);
        pnd_netdump_rx_datagram(&rx, packet, sizeof(packet), tape->now_ms, &actions);
    }
    pnd_netdump_build_header(packet, sizeof(packet), PND_NETDUMP_FINISHED, rx.burst.base, 0, 0);
    pnd_netdump_rx_datagram(&rx, packet, sizeof(packet), tape->now_ms, &actions);
    pnd_netdump_rx_missing(&rx, 0, &span);
    pnd_netdump_rx_tick(&rx, pnd_netdump_rx_deadline_ms(&rx), &actions);
}

static void act(struct tape *tape, uint8_t what, struct pnd_rd *rd)
{
    struct netdump_owner *owner = &tape->owner;
    size_t len = pnd_rd_left(rd);

    switch (what) {
    case 0:
        netdump_owner_datagram(owner, pnd_rd_bytes(rd, len), len, tape->now_ms);
        return;
    case 1:
        put_send(tape, rd);
        return;
    case 2:
        put_herald(tape, rd);
        return;
    case 3:
        netdump_owner_restart(owner, tape->now_ms);
        return;
    case 4:
        owner->disk_full = !owner->disk_full;
        return;
    case 5:
        owner->fsync_fails = !owner->fsync_fails;
        return;
    case 7:
        put(tape, PND_NETDUMP_FINISHED, number_of(tape, len ? take8(rd) : 128), 0, NULL, 0);
        return;
    case 8:
        owner->refuses = !owner->refuses;
        return;
    case 9:
        put_packet(tape, rd);
        return;
    case 10:
        damage(tape, rd);
        return;
    default:
        return;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct pnd_rd rd = pnd_rd(data, len);
    struct tape tape = {.now_ms = 0};

    netdump_owner_init(&tape.owner);
    for (int i = 0; i < ENTRIES_MAX && pnd_rd_left(&rd) >= 4; i++) {
        uint64_t delay = pnd_rd_be16(&rd);
        uint8_t what = pnd_rd_u8(&rd) % 11;
        size_t size = pnd_rd_u8(&rd);
        struct pnd_rd bytes;

        if (size > pnd_rd_left(&rd))
            size = pnd_rd_left(&rd);
        bytes = pnd_rd(pnd_rd_bytes(&rd, size), size);
        pass(&tape, tape.now_ms + delay * 10);
        act(&tape, what, &bytes);
        if (tape.owner.broken)
            abort();
        if (tape.owner.replies > tape.owner.datagrams * 2 + 64)
            abort();
    }
    netdump_owner_deinit(&tape.owner);
    return 0;
}
