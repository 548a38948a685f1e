/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The journal's form of a session of the extension. */
#include "proto/ext_rx.h"

#include "wire/cursor.h"

enum {
    SAVED_VERSION = 0xe1, /* kdp_rx.c counts its own from 1 */
    SAVED_QUIT = 1,
    SAVED_ENDED = 2,
};

void pnd_ext_rx_save(const struct pnd_ext_rx *rx, uint8_t ret[PND_EXT_RX_SAVED_BYTES])
{
    struct pnd_wr wr = pnd_wr(ret, PND_EXT_RX_SAVED_BYTES);
    /* Whoever finds it has not taken it up. */
    enum pnd_rx_phase phase = rx->phase == PND_RX_RESUMING ? PND_RX_LEFT : rx->phase;

    memset(ret, 0, PND_EXT_RX_SAVED_BYTES);
    pnd_wr_u8(&wr, SAVED_VERSION);
    pnd_wr_u8(&wr, (uint8_t)phase);
    pnd_wr_u8(&wr, (uint8_t)((rx->quit ? SAVED_QUIT : 0) | (rx->ended ? SAVED_ENDED : 0)));
    pnd_wr_u8(&wr, (uint8_t)rx->error);
    pnd_wr_be32(&wr, rx->token);
    pnd_wr_bytes(&wr, rx->id, sizeof(rx->id));
    pnd_wr_be64(&wr, rx->held);
    pnd_wr_be64(&wr, rx->sum);
    pnd_wr_be64(&wr, rx->written);
    pnd_wr_be64(&wr, rx->bytes);
    pnd_wr_be64(&wr, rx->length);
    pnd_wr_be64(&wr, rx->whole_sum);
    pnd_wr_be32(&wr, rx->repeats);
    pnd_wr_be32(&wr, rx->strays);
}

/* What can be is in a saved session: whoever damaged it gets no session that breaks its own rules.
 */
static bool makes_sense(const struct pnd_ext_rx *rx)
{
    if (rx->phase == PND_RX_NEW || rx->phase > PND_RX_LEFT || rx->error > PND_KDP_E_NOUSER)
        return false;
    if (rx->phase == PND_RX_ASKED)
        return !rx->ended && rx->held == 0;
    if (rx->phase == PND_RX_FINISHING || rx->phase == PND_RX_DONE)
        return rx->ended && rx->held == rx->length && rx->sum == rx->whole_sum;
    return true;
}

int pnd_ext_rx_load(struct pnd_ext_rx *rx, const struct pnd_rx_limits *limits, const uint8_t *saved,
                    size_t len, const char *name, uint64_t now_us)
{
    struct pnd_rd rd = pnd_rd(saved, len);
    uint8_t version = pnd_rd_u8(&rd), phase = pnd_rd_u8(&rd), flags = pnd_rd_u8(&rd);
    struct pnd_ext_rx out = {.limits = limits, .phase = phase};
    const uint8_t *id;

    out.error = pnd_rd_u8(&rd);
    out.token = pnd_rd_be32(&rd);
    id = pnd_rd_bytes(&rd, sizeof(out.id));
    out.held = out.end = pnd_rd_be64(&rd);
    out.sum = pnd_rd_be64(&rd);
    out.written = pnd_rd_be64(&rd);
    out.bytes = pnd_rd_be64(&rd);
    out.length = pnd_rd_be64(&rd);
    out.whole_sum = pnd_rd_be64(&rd);
    out.repeats = pnd_rd_be32(&rd);
    out.strays = pnd_rd_be32(&rd);
    if (!id || !pnd_rd_ok(&rd) || len != PND_EXT_RX_SAVED_BYTES)
        return PND_E_SHORT;
    out.quit = flags & SAVED_QUIT;
    out.ended = flags & SAVED_ENDED;
    if (version != SAVED_VERSION || !makes_sense(&out))
        return PND_E_FORMAT;
    memcpy(out.id, id, sizeof(out.id));
    for (size_t i = 0; i < sizeof(out.name) - 1 && name[i]; i++)
        out.name[i] = name[i];
    out.last_us = out.number_us = now_us;
    pnd_ext_rx_copy(rx, &out);
    return PND_OK;
}

uint64_t pnd_ext_rx_cut(struct pnd_ext_rx *rx)
{
    if (rx->written > rx->held)
        rx->written = rx->held;
    return rx->held;
}
