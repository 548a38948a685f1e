/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The journal's form of a session of TFTP. */
#include "proto/tftp_rx.h"
#include "wire/cursor.h"
#include "wire/divide.h"

enum {
    SAVED_VERSION = 0xc1, /* kdp_rx.c counts its own from 1, the others theirs from elsewhere */
    SAVED_QUIT = 1,
};

void pnd_tftp_rx_save(const struct pnd_tftp_rx *rx, uint8_t ret[PND_TFTP_RX_SAVED_BYTES])
{
    struct pnd_wr wr = pnd_wr(ret, PND_TFTP_RX_SAVED_BYTES);

    memset(ret, 0, PND_TFTP_RX_SAVED_BYTES);
    pnd_wr_u8(&wr, SAVED_VERSION);
    pnd_wr_u8(&wr, (uint8_t)rx->phase);
    pnd_wr_u8(&wr, rx->quit ? SAVED_QUIT : 0);
    pnd_wr_u8(&wr, (uint8_t)rx->error);
    pnd_wr_u8(&wr, rx->granted.said);
    pnd_wr_u8(&wr, rx->granted.timeout_s);
    pnd_wr_u8(&wr, (uint8_t)rx->roll);
    pnd_wr_u8(&wr, 0);
    pnd_wr_be32(&wr, rx->block_bytes);
    pnd_wr_be16(&wr, rx->window);
    pnd_wr_be16(&wr, rx->last);
    pnd_wr_be64(&wr, rx->granted.total_bytes);
    pnd_wr_be64(&wr, rx->blocks);
    pnd_wr_be64(&wr, rx->end);
    pnd_wr_be16(&wr, rx->previous_last);
    pnd_wr_be32(&wr, rx->repeats);
    pnd_wr_be32(&wr, rx->strays);
}

/* The number that the last of so many blocks has. */
static uint16_t number_of(uint64_t blocks, enum pnd_tftp_roll roll)
{
    uint64_t rest;

    if (roll != PND_TFTP_ROLL_ONE || blocks == 0)
        return (uint16_t)blocks;
    pnd_divide(blocks - 1, UINT16_MAX, &rest);
    return (uint16_t)(rest + 1);
}

/* Nothing was said for so long before @p now_ms that the first copy is one to be answered. */
static uint64_t said_ms(const struct pnd_rx_limits *limits, uint64_t now_ms)
{
    uint64_t ago_ms = PND_TFTP_RX_DRAWN_MS;

    if (ago_ms < limits->repeat_ms)
        ago_ms = limits->repeat_ms;
    return now_ms > ago_ms ? now_ms - ago_ms : 0;
}

/* What can be is in a saved session: whoever damaged it gets no session that breaks its own rules.
 */
static bool makes_sense(const struct pnd_tftp_rx *rx)
{
    const struct pnd_tftp_options *granted = &rx->granted;
    bool sized = granted->said & PND_TFTP_BLKSIZE, windowed = granted->said & PND_TFTP_WINDOWSIZE;
    uint64_t rest, whole = pnd_divide(rx->end, rx->block_bytes, &rest);
    bool ended = rx->phase == PND_RX_FINISHING || rx->phase == PND_RX_DONE;

    if (granted->said & ~PND_TFTP_OPTIONS || rx->error > PND_TFTP_E_OPTIONS ||
        rx->roll > PND_TFTP_ROLL_ONE || rx->block_bytes < PND_TFTP_BLOCK_MIN ||
        rx->block_bytes > PND_TFTP_BLOCK_MAX || rx->window == 0 ||
        rx->window > PND_TFTP_RX_WINDOW_MAX)
        return false;
    if ((!sized && rx->block_bytes != PND_TFTP_BLOCK_DEFAULT) || (!windowed && rx->window != 1) ||
        (granted->said & PND_TFTP_TIMEOUT) / PND_TFTP_TIMEOUT != (granted->timeout_s != 0))
        return false;
    if (rx->last != number_of(rx->blocks, rx->roll) ||
        (rx->roll == PND_TFTP_ROLL_UNKNOWN ? rx->blocks > UINT16_MAX : rx->blocks < UINT16_MAX))
        return false;
    if (rx->phase == PND_RX_ASKED)
        return rx->blocks == 0 && rx->end == 0;
    if (rx->phase == PND_RX_LIVE)
        return rx->blocks && rx->blocks == whole && rest == 0;
    return !ended || rx->blocks == whole + 1;
}

int pnd_tftp_rx_load(struct pnd_tftp_rx *rx, const struct pnd_rx_limits *limits,
                     const uint8_t *saved, size_t len, const char *name, uint64_t now_ms)
{
    struct pnd_rd rd = pnd_rd(saved, len);
    uint8_t version = pnd_rd_u8(&rd), phase = pnd_rd_u8(&rd), flags = pnd_rd_u8(&rd);
    struct pnd_tftp_rx out;

    pnd_tftp_rx_init(&out, limits);
    out.phase = phase;
    out.quit = flags & SAVED_QUIT;
    out.error = pnd_rd_u8(&rd);
    out.granted.said = pnd_rd_u8(&rd);
    out.granted.timeout_s = pnd_rd_u8(&rd);
    out.roll = pnd_rd_u8(&rd);
    pnd_rd_u8(&rd);
    out.block_bytes = pnd_rd_be32(&rd);
    out.window = pnd_rd_be16(&rd);
    out.last = pnd_rd_be16(&rd);
    out.granted.total_bytes = pnd_rd_be64(&rd);
    out.blocks = pnd_rd_be64(&rd);
    out.end = pnd_rd_be64(&rd);
    out.previous_last = pnd_rd_be16(&rd);
    out.repeats = pnd_rd_be32(&rd);
    out.strays = pnd_rd_be32(&rd);
    if (!pnd_rd_ok(&rd) || len != PND_TFTP_RX_SAVED_BYTES)
        return PND_E_SHORT;
    if (version != SAVED_VERSION || phase == PND_RX_NEW || phase > PND_RX_FAILED ||
        !makes_sense(&out))
        return PND_E_FORMAT;
    out.granted.block_bytes = out.block_bytes;
    out.granted.window = out.window;
    for (size_t i = 0; i < PND_RX_NAME_CAP - 1 && name[i]; i++)
        out.name[i] = name[i];
    out.left = out.window;
    out.last_ms = now_ms;
    out.answered_ms = said_ms(limits, now_ms);
    *rx = out;
    return PND_OK;
}
