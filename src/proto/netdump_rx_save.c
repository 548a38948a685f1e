/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The journal's form of a session of netdump. What was acknowledged of the send under way is a map
 * of its packets; of the sends before, ranges. */
#include "proto/netdump_rx.h"
#include "wire/cursor.h"

enum {
    SAVED_VERSION = 0xd1, /* kdp_rx.c counts its own from 1, ext_rx.c from 0xe1 */
    SAVED_LARGE = 1,
    SAVED_UNMARKED = 2,
    SAVED_KEY = 4,
    SAVED_HEADER = 8,
    SAVED_BLURRED = 16,
    SAVED_PATH_REFUSED = 32,
    SAVED_FLAGS = 63,
};

static uint8_t flags_of(const struct pnd_netdump_rx *rx)
{
    bool blurred = rx->blurred || rx->ranges.count > PND_NETDUMP_RX_RANGES_SAVED;

    return (uint8_t)((rx->burst.large ? SAVED_LARGE : 0) |
                     (rx->burst.unmarked ? SAVED_UNMARKED : 0) | (rx->has_key ? SAVED_KEY : 0) |
                     (rx->has_header ? SAVED_HEADER : 0) | (blurred ? SAVED_BLURRED : 0) |
                     (rx->path_refused ? SAVED_PATH_REFUSED : 0));
}

/* The first ones, and the last, which tells where the dump ends. */
static void save_ranges(const struct pnd_ranges *ranges, struct pnd_wr *wr)
{
    unsigned count =
        ranges->count < PND_NETDUMP_RX_RANGES_SAVED ? ranges->count : PND_NETDUMP_RX_RANGES_SAVED;

    pnd_wr_u8(wr, (uint8_t)count);
    for (unsigned i = 0; i < count; i++) {
        const struct pnd_span *span = &ranges->at[i + 1 < count ? i : ranges->count - 1];

        pnd_wr_be64(wr, span->start);
        pnd_wr_be64(wr, span->end);
    }
}

void pnd_netdump_rx_save(const struct pnd_netdump_rx *rx, uint8_t ret[PND_NETDUMP_RX_SAVED_BYTES])
{
    struct pnd_wr wr = pnd_wr(ret, PND_NETDUMP_RX_SAVED_BYTES);
    const struct pnd_netdump_burst *burst = &rx->burst;

    memset(ret, 0, PND_NETDUMP_RX_SAVED_BYTES);
    pnd_wr_u8(&wr, SAVED_VERSION);
    pnd_wr_u8(&wr, (uint8_t)rx->phase);
    pnd_wr_u8(&wr, flags_of(rx));
    pnd_wr_u8(&wr, (uint8_t)burst->type);
    pnd_wr_be32(&wr, burst->base);
    pnd_wr_be64(&wr, burst->received);
    pnd_wr_be64(&wr, burst->top_offset);
    pnd_wr_be(&wr, burst->top_len, 2);
    pnd_wr_be(&wr, burst->unit, 2);
    pnd_wr_be64(&wr, rx->bytes);
    pnd_wr_be64(&wr, rx->length);
    pnd_wr_be32(&wr, rx->finish);
    pnd_wr_be32(&wr, rx->lost);
    pnd_wr_be32(&wr, rx->repeats);
    pnd_wr_be32(&wr, rx->strays);
    save_ranges(&rx->ranges, &wr);
}

static bool load_ranges(struct pnd_rd *rd, struct pnd_netdump_rx *out)
{
    unsigned count = pnd_rd_u8(rd);
    uint64_t behind = 0;

    if (count > PND_NETDUMP_RX_RANGES_SAVED)
        return false;
    for (unsigned i = 0; i < count; i++) {
        struct pnd_span span = {.start = pnd_rd_be64(rd)};

        span.end = pnd_rd_be64(rd);
        if (span.start >= span.end || (i && span.start <= behind))
            return false;
        behind = span.end;
        out->ranges.at[out->ranges.count++] = span;
    }
    out->end = behind;
    return true;
}

/* Every packet of the map lies somewhere, and where it says. */
static bool load_burst(struct pnd_netdump_burst *burst)
{
    uint64_t above = burst->received;
    unsigned lowest = 0;

    burst->top = 0;
    while (above >>= 1)
        burst->top++;
    if (burst->received == 0)
        return burst->top_offset == 0 && burst->top_len == 0;
    while (!(burst->received >> lowest & 1))
        lowest++;
    return burst->type >= PND_NETDUMP_VMCORE && burst->type <= PND_NETDUMP_EKCD_KEY &&
           burst->top_len <= burst->unit &&
           burst->top_offset >= (uint64_t)(burst->top - lowest) * burst->unit &&
           burst->top_offset <= UINT64_MAX - burst->top_len;
}

/* One past the highest byte that has arrived of the send; a packet of no bytes brought none. */
static uint64_t end_of(const struct pnd_netdump_burst *burst)
{
    unsigned count = pnd_netdump_burst_count(burst);
    uint64_t start, end, highest = 0;

    for (unsigned i = 0; i < count; i++) {
        if (!(burst->received >> i & 1))
            continue;
        pnd_netdump_burst_span(burst, i, &start, &end);
        if (end > start)
            highest = end;
    }
    return highest;
}

int pnd_netdump_rx_load(struct pnd_netdump_rx *rx, const struct pnd_rx_limits *limits,
                        const uint8_t *saved, size_t len, const char *path, uint64_t now_ms)
{
    struct pnd_rd rd = pnd_rd(saved, len);
    uint8_t version = pnd_rd_u8(&rd), phase = pnd_rd_u8(&rd), flags = pnd_rd_u8(&rd);
    struct pnd_netdump_rx out;
    struct pnd_netdump_burst *burst = &out.burst;

    pnd_netdump_rx_init(&out, limits);
    out.phase = phase;
    burst->type = pnd_rd_u8(&rd);
    burst->base = pnd_rd_be32(&rd);
    burst->received = pnd_rd_be64(&rd);
    burst->top_offset = pnd_rd_be64(&rd);
    burst->top_len = pnd_rd_be16(&rd);
    burst->unit = pnd_rd_be16(&rd);
    out.bytes = pnd_rd_be64(&rd);
    out.length = pnd_rd_be64(&rd);
    out.finish = pnd_rd_be32(&rd);
    out.lost = pnd_rd_be32(&rd);
    out.repeats = pnd_rd_be32(&rd);
    out.strays = pnd_rd_be32(&rd);
    if (len != PND_NETDUMP_RX_SAVED_BYTES)
        return PND_E_SHORT;
    if (version != SAVED_VERSION || phase == PND_RX_NEW || phase > PND_RX_FAILED ||
        flags & ~SAVED_FLAGS || !load_ranges(&rd, &out) || !load_burst(burst))
        return PND_E_FORMAT;
    burst->large = flags & SAVED_LARGE;
    burst->unmarked = flags & SAVED_UNMARKED;
    out.has_key = flags & SAVED_KEY;
    out.has_header = flags & SAVED_HEADER;
    out.blurred = flags & SAVED_BLURRED;
    out.path_refused = flags & SAVED_PATH_REFUSED;
    if (burst->type == PND_NETDUMP_VMCORE && end_of(burst) > out.end)
        out.end = end_of(burst);
    for (size_t i = 0; i < PND_NETDUMP_RX_PATH_CAP - 1 && path[i]; i++)
        out.path[i] = path[i];
    out.last_ms = now_ms;
    pnd_netdump_burst_disturb(burst, now_ms);
    pnd_netdump_rx_copy(rx, &out);
    return PND_OK;
}
