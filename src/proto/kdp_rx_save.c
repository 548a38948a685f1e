/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The journal's form of a receiving session. */
#include "proto/kdp_rx.h"
#include "wire/cursor.h"

enum {
    SAVED_VERSION = 1,
    SAVED_REACKED = 1,
    SAVED_QUIT = 2,
    SAVED_AHEAD = 4,
    SAVED_REORDERS = 8,
};

void pnd_kdp_rx_save(const struct pnd_kdp_rx *rx, uint8_t ret[PND_KDP_RX_SAVED_BYTES])
{
    struct pnd_wr wr = pnd_wr(ret, PND_KDP_RX_SAVED_BYTES);

    memset(ret, 0, PND_KDP_RX_SAVED_BYTES);
    pnd_wr_u8(&wr, SAVED_VERSION);
    pnd_wr_u8(&wr, (uint8_t)rx->phase);
    pnd_wr_u8(&wr, (uint8_t)((rx->reacked ? SAVED_REACKED : 0) | (rx->quit ? SAVED_QUIT : 0) |
                             (rx->rhythm.ahead ? SAVED_AHEAD : 0) |
                             (rx->rhythm.reorders ? SAVED_REORDERS : 0)));
    pnd_wr_u8(&wr, (uint8_t)rx->error);
    pnd_wr_be32(&wr, rx->features);
    pnd_wr_be32(&wr, rx->block_max);
    pnd_wr_be32(&wr, rx->expected);
    pnd_wr_be64(&wr, rx->position);
    pnd_wr_be64(&wr, rx->end);
    pnd_wr_be64(&wr, rx->bytes);
    pnd_wr_be32(&wr, rx->previous_eof);
    pnd_wr_be32(&wr, rx->repeats);
    pnd_wr_be32(&wr, rx->strays);
    pnd_wr_be64(&wr, rx->tail_start);
    pnd_wr_be32(&wr, rx->tail_raw);
    pnd_wr_be32(&wr, rx->tail_filler);
    pnd_wr_u8(&wr, rx->rhythm.said);
    pnd_wr_u8(&wr, rx->rhythm.asks);
}

int pnd_kdp_rx_load(struct pnd_kdp_rx *rx, const struct pnd_rx_limits *limits, const uint8_t *saved,
                    size_t len, const char *name, uint64_t now_ms)
{
    struct pnd_rd rd = pnd_rd(saved, len);
    uint8_t version = pnd_rd_u8(&rd), phase = pnd_rd_u8(&rd), flags = pnd_rd_u8(&rd);
    struct pnd_kdp_rx out;

    pnd_kdp_rx_init(&out, limits);
    out.phase = phase;
    out.error = pnd_rd_u8(&rd);
    out.features = pnd_rd_be32(&rd);
    out.block_max = pnd_rd_be32(&rd);
    out.expected = pnd_rd_be32(&rd);
    out.position = pnd_rd_be64(&rd);
    out.end = pnd_rd_be64(&rd);
    out.bytes = pnd_rd_be64(&rd);
    out.previous_eof = pnd_rd_be32(&rd);
    out.repeats = pnd_rd_be32(&rd);
    out.strays = pnd_rd_be32(&rd);
    out.tail_start = pnd_rd_be64(&rd);
    out.tail_raw = pnd_rd_be32(&rd);
    out.tail_filler = pnd_rd_be32(&rd);
    out.rhythm.said = pnd_rd_u8(&rd);
    out.rhythm.asks = pnd_rd_u8(&rd);
    if (!pnd_rd_ok(&rd) || len != PND_KDP_RX_SAVED_BYTES)
        return PND_E_SHORT;
    if (version != SAVED_VERSION || phase == PND_RX_NEW || phase > PND_RX_FAILED ||
        out.block_max == 0 || out.block_max > PND_KDP_BLOCK_CAP ||
        out.features & ~(uint32_t)PND_KDP_FEATURES || out.error > PND_KDP_E_NOUSER)
        return PND_E_FORMAT;
    for (size_t i = 0; i < PND_RX_NAME_CAP - 1 && name[i]; i++)
        out.name[i] = name[i];
    out.reacked = flags & SAVED_REACKED;
    out.quit = flags & SAVED_QUIT;
    out.rhythm.ahead = flags & SAVED_AHEAD;
    out.rhythm.reorders = flags & SAVED_REORDERS;
    out.rhythm.resumed = true;
    out.last_ms = out.answered_ms = out.rhythm.asked_ms = now_ms;
    *rx = out;
    return PND_OK;
}
