/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The sending session of Apple's protocol: see kdp_tx.h. */
#include "client/kdp_tx.h"

#include <string.h>

static void fail(struct pnd_kdp_tx *tx, int err)
{
    tx->phase = PND_KDP_TX_FAILED;
    tx->err = err;
    tx->send_now = false;
}

/* The packet is whole: it goes out, and nothing more is taken until its answer. */
static void launch(struct pnd_kdp_tx *tx, enum pnd_kdp_op op, size_t packet_len)
{
    tx->op = op;
    tx->packet_len = packet_len;
    tx->phase = PND_KDP_TX_WAIT;
    tx->send_now = true;
    tx->transmissions = 0;
}

static uint64_t or_default(uint64_t value, uint64_t otherwise)
{
    return value ? value : otherwise;
}

int pnd_kdp_tx_init(struct pnd_kdp_tx *tx, const struct pnd_kdp_tx_config *config)
{
    int len;

    if (config->block_max > PND_KDP_BLOCK_LARGE || config->features & ~(uint32_t)PND_KDP_FEATURES)
        return PND_E_ARG;
    memset(tx, 0, sizeof(*tx));
    tx->offered = config->features;
    tx->block_max = (uint32_t)or_default(config->block_max, PND_KDP_BLOCK_LARGE);
    tx->rto_us = or_default(config->rto_initial_us, PND_KDP_TX_RTO_INITIAL_US);
    tx->rto_min_us = or_default(config->rto_min_us, PND_KDP_TX_RTO_MIN_US);
    tx->rto_max_us = or_default(config->rto_max_us, PND_KDP_TX_RTO_MAX_US);
    tx->patience_us = or_default(config->patience_us, PND_KDP_TX_PATIENCE_US);
    if (tx->rto_min_us > tx->rto_max_us || tx->patience_us > UINT64_MAX / 2)
        return PND_E_ARG;
    len =
        pnd_kdp_build_wrq(tx->packet, sizeof(tx->packet), config->name, tx->offered, tx->block_max);
    if (len < 0)
        return len;
    launch(tx, PND_KDP_WRQ, (size_t)len);
    return PND_OK;
}

/* The next packet gets the next number. 2^32 packets are 5.5 TiB; what a wrapped number means
 * is nowhere defined, so a dump ends there. @source PROTOCOL.md#kdp-1.11 */
static bool next_block(struct pnd_kdp_tx *tx)
{
    if (tx->block == UINT32_MAX) {
        fail(tx, PND_E_RANGE);
        return false;
    }
    tx->block++;
    return true;
}

static size_t data_len(const struct pnd_kdp_tx *tx)
{
    return tx->packet_len > PND_KDP_HEADER_BYTES ? tx->packet_len - PND_KDP_HEADER_BYTES : 0;
}

/* Send what has been collected as one DATA block. */
static void launch_data(struct pnd_kdp_tx *tx)
{
    if (!next_block(tx))
        return;
    pnd_kdp_build_data_header(tx->packet, sizeof(tx->packet), tx->block);
    launch(tx, PND_KDP_DATA, tx->packet_len);
}

size_t pnd_kdp_tx_write(struct pnd_kdp_tx *tx, const void *buf, size_t len)
{
    size_t held = data_len(tx), take = tx->block_max - held;

    if (tx->phase != PND_KDP_TX_READY || len == 0)
        return 0;
    if (take > len)
        take = len;
    memcpy(tx->packet + PND_KDP_HEADER_BYTES + held, buf, take);
    tx->packet_len = PND_KDP_HEADER_BYTES + held + take;
    tx->offset += take;
    if (held + take == tx->block_max)
        launch_data(tx);
    return take;
}

bool pnd_kdp_tx_can_seek(const struct pnd_kdp_tx *tx, uint64_t offset)
{
    return offset <= UINT32_MAX || tx->granted & PND_KDP_SEEK64;
}

/* For what is no DATA: is it its turn? It gets the next number. A block that is not full goes out
 * first. */
static bool may_launch(struct pnd_kdp_tx *tx)
{
    if (tx->phase != PND_KDP_TX_READY)
        return false;
    if (data_len(tx) > 0) {
        launch_data(tx);
        return false;
    }
    return next_block(tx);
}

bool pnd_kdp_tx_seek(struct pnd_kdp_tx *tx, uint64_t offset)
{
    int len;

    if (!may_launch(tx))
        return false;
    len = pnd_kdp_build_seek(tx->packet, sizeof(tx->packet), tx->block, offset,
                             tx->granted & PND_KDP_SEEK64);
    if (len < 0) {
        fail(tx, len);
        return false;
    }
    tx->offset = offset;
    launch(tx, PND_KDP_SEEK, (size_t)len);
    return true;
}

bool pnd_kdp_tx_eof(struct pnd_kdp_tx *tx)
{
    if (!may_launch(tx))
        return false;
    launch(tx, PND_KDP_EOF, (size_t)pnd_kdp_build_eof(tx->packet, sizeof(tx->packet), tx->block));
    return true;
}

/* RFC 6298 (2.2), (2.3): the estimators in integers. The clock's grain is far below rto_min. */
static void measure(struct pnd_kdp_tx *tx, uint64_t rtt_us)
{
    uint64_t *srtt = &tx->stats.srtt_us, delta;

    if (!tx->measured) {
        *srtt = rtt_us;
        tx->rttvar_us = rtt_us / 2;
        tx->measured = true;
    } else {
        delta = rtt_us > *srtt ? rtt_us - *srtt : *srtt - rtt_us;
        tx->rttvar_us = (3 * tx->rttvar_us + delta) / 4;
        *srtt = (7 * *srtt + rtt_us) / 8;
    }
    tx->rto_us = *srtt + 4 * tx->rttvar_us;
    if (tx->rto_us < tx->rto_min_us)
        tx->rto_us = tx->rto_min_us;
    if (tx->rto_us > tx->rto_max_us)
        tx->rto_us = tx->rto_max_us;
}

static void acknowledged(struct pnd_kdp_tx *tx, const struct pnd_kdp_packet *ack, uint64_t now_us)
{
    /* Karn: the answer to a packet that was sent twice measures nothing. */
    if (tx->transmissions == 1)
        measure(tx, now_us - tx->first_us);
    tx->phase = PND_KDP_TX_READY;
    tx->send_now = false;
    if (tx->op == PND_KDP_WRQ) {
        tx->granted = ack->features & tx->offered;
        if (!(tx->granted & PND_KDP_LARGE) && tx->block_max > PND_KDP_BLOCK_SMALL)
            tx->block_max = PND_KDP_BLOCK_SMALL;
    } else if (tx->op == PND_KDP_DATA) {
        tx->stats.data_bytes += data_len(tx);
    } else if (tx->op == PND_KDP_SEEK) {
        tx->stats.seeks++;
    } else {
        tx->phase = PND_KDP_TX_DONE;
    }
    tx->packet_len = 0;
}

static void refused(struct pnd_kdp_tx *tx, const struct pnd_kdp_packet *error)
{
    size_t len = error->data_len;

    if (len > sizeof(tx->message) - 1)
        len = sizeof(tx->message) - 1;
    memset(tx->message, 0, sizeof(tx->message));
    if (len)
        memcpy(tx->message, error->data, len);
    tx->error = pnd_kdp_error_code(error);
    fail(tx, PND_E_REFUSED);
}

bool pnd_kdp_tx_datagram(struct pnd_kdp_tx *tx, const void *dgram, size_t len, uint64_t now_us)
{
    struct pnd_kdp_packet packet;

    /* A packet that was never sent has no answer, whatever its number is. */
    if (tx->phase != PND_KDP_TX_WAIT || tx->transmissions == 0)
        goto noise;
    if (pnd_kdp_parse_answer(dgram, len, &packet) != PND_OK)
        goto noise;
    if (packet.op == PND_KDP_ERROR) {
        refused(tx, &packet);
        return true;
    }
    if (packet.op != PND_KDP_ACK || packet.block != tx->block)
        goto noise;
    /* Only the ACK of a WRQ has features: anything else with them is a late one of another dump. */
    if (packet.features && tx->op != PND_KDP_WRQ)
        goto noise;
    acknowledged(tx, &packet, now_us);
    return true;
noise:
    tx->stats.noise++;
    return false;
}

/* When the packet in flight is given up, or sent again. */
static uint64_t give_up_us(const struct pnd_kdp_tx *tx)
{
    return tx->first_us + tx->patience_us;
}

void pnd_kdp_tx_tick(struct pnd_kdp_tx *tx, uint64_t now_us)
{
    if (tx->phase != PND_KDP_TX_WAIT || tx->transmissions == 0)
        return;
    if (now_us >= give_up_us(tx)) {
        fail(tx, PND_E_TIMEOUT);
        return;
    }
    if (tx->send_now || now_us - tx->last_us < tx->rto_us)
        return;
    tx->rto_us *= 2;
    if (tx->rto_us > tx->rto_max_us)
        tx->rto_us = tx->rto_max_us;
    tx->send_now = true;
}

const uint8_t *pnd_kdp_tx_output(struct pnd_kdp_tx *tx, uint64_t now_us, size_t *ret_len)
{
    if (!tx->send_now)
        return NULL;
    tx->send_now = false;
    if (tx->transmissions++ == 0)
        tx->first_us = now_us;
    else
        tx->stats.retransmissions++;
    tx->last_us = now_us;
    tx->stats.packets++;
    *ret_len = tx->packet_len;
    return tx->packet;
}

uint64_t pnd_kdp_tx_deadline_us(const struct pnd_kdp_tx *tx)
{
    uint64_t again_us = tx->last_us + tx->rto_us;

    if (tx->phase != PND_KDP_TX_WAIT)
        return UINT64_MAX;
    if (tx->send_now)
        return 0;
    return again_us < give_up_us(tx) ? again_us : give_up_us(tx);
}
