/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The sending session of FreeBSD's netdump: see netdump_tx.h. */
#include "client/netdump_tx.h"

#include <string.h>

enum { BLOCKS_MAX = PND_NETDUMP_SEND_BYTES / PND_NETDUMP_BLOCK_BYTES };

static void fail(struct pnd_netdump_tx *tx, int err)
{
    tx->phase = PND_NETDUMP_TX_FAILED;
    tx->err = err;
    tx->due = 0;
}

static uint32_t bit(uint32_t index)
{
    return UINT32_C(1) << index;
}

/* @return a map of the first @p count packets */
static uint32_t first(uint32_t count)
{
    return count < PND_NETDUMP_TX_PACKETS ? bit(count) - 1 : UINT32_MAX;
}

/* Packets that are transmitted together, and nothing more is taken until all of them have arrived.
 * What a number that wrapped means is nowhere defined, so a dump ends there. */
static void launch(struct pnd_netdump_tx *tx, enum pnd_netdump_type type, const void *bytes,
                   size_t len, uint64_t offset)
{
    tx->type = type;
    tx->bytes = bytes;
    tx->len = len;
    tx->offset = offset;
    tx->sent = tx->again = tx->acked = 0;
    tx->phase = PND_NETDUMP_TX_WAIT;
    if (len > PND_NETDUMP_TX_PACKETS * (size_t)tx->unit) {
        fail(tx, PND_E_ARG);
        return;
    }
    tx->count = len ? ((uint32_t)len + tx->unit - 1) / tx->unit : 1;
    tx->due = first(tx->count);
    if (tx->base > UINT32_MAX - tx->count)
        fail(tx, PND_E_RANGE);
}

/* The longest payload at most @p most long of which no number of blocks of a send is a multiple:
 * then the last packet of a send is shorter than the others, by which a server sees its end.
 * @source PROTOCOL.md#netdump-8, #netdump-10 */
static uint32_t choose_unit(uint32_t most)
{
    uint32_t unit = most, odd;

    for (;; unit -= 4) {
        unit -= unit % 4;
        odd = unit;
        while (odd % 2 == 0)
            odd /= 2;
        if (odd > BLOCKS_MAX)
            return unit;
    }
}

static uint64_t or_default(uint64_t value, uint64_t otherwise)
{
    return value ? value : otherwise;
}

static int take_config(struct pnd_netdump_tx *tx, const struct pnd_netdump_tx_config *config)
{
    uint32_t unit = config->unit ? config->unit : PND_NETDUMP_TX_UNIT;

    if (unit < PND_NETDUMP_TX_UNIT_MIN || unit > PND_NETDUMP_TX_UNIT_MAX)
        return PND_E_ARG;
    tx->unit = choose_unit(unit);
    tx->memory = config->memory;
    tx->cap = PND_NETDUMP_TX_PACKETS * (size_t)tx->unit;
    if (tx->cap > PND_NETDUMP_SEND_BYTES)
        tx->cap = PND_NETDUMP_SEND_BYTES;
    if (tx->cap > config->memory_bytes)
        tx->cap = config->memory_bytes;
    tx->cap -= tx->cap % PND_NETDUMP_BLOCK_BYTES;
    tx->rto_us = or_default(config->rto_initial_us, PND_NETDUMP_TX_RTO_INITIAL_US);
    tx->rto_min_us = or_default(config->rto_min_us, PND_NETDUMP_TX_RTO_MIN_US);
    tx->rto_max_us = or_default(config->rto_max_us, PND_NETDUMP_TX_RTO_MAX_US);
    tx->patience_us = or_default(config->patience_us, PND_NETDUMP_TX_PATIENCE_US);
    if (tx->cap == 0 || tx->rto_min_us > tx->rto_max_us || tx->patience_us > UINT64_MAX / 2)
        return PND_E_ARG;
    return PND_OK;
}

int pnd_netdump_tx_init(struct pnd_netdump_tx *tx, const struct pnd_netdump_tx_config *config)
{
    struct pnd_netdump_packet herald = {.data = (const uint8_t *)config->path};
    const char *path;
    size_t len;
    int err;

    memset(tx, 0, sizeof(*tx));
    err = take_config(tx, config);
    if (err)
        return err;
    if (config->path && config->path[0]) {
        while (herald.data_len <= tx->unit && config->path[herald.data_len])
            herald.data_len++;
        herald.data_len++; /* the NUL */
        if (herald.data_len > tx->unit || pnd_netdump_path(&herald, &path, &len) != PND_OK)
            return PND_E_NAME;
    }
    tx->base = 1;
    launch(tx, PND_NETDUMP_HERALD, herald.data, herald.data_len, 0);
    return PND_OK;
}

/* What was taken of the dump, and zeros up to a whole block. */
static void launch_held(struct pnd_netdump_tx *tx)
{
    size_t padding = -tx->held % PND_NETDUMP_BLOCK_BYTES;

    memset(tx->memory + tx->held, 0, padding);
    launch(tx, PND_NETDUMP_VMCORE, tx->memory, tx->held + padding, tx->taken - tx->held);
}

size_t pnd_netdump_tx_write(struct pnd_netdump_tx *tx, const void *buf, size_t len)
{
    size_t take = tx->cap - tx->held;

    if (tx->phase != PND_NETDUMP_TX_READY || len == 0)
        return 0;
    if (take > len)
        take = len;
    memcpy(tx->memory + tx->held, buf, take);
    tx->held += take;
    tx->taken += take;
    if (tx->held == tx->cap)
        launch_held(tx);
    return take;
}

bool pnd_netdump_tx_object(struct pnd_netdump_tx *tx, enum pnd_netdump_type type, const void *bytes,
                           size_t len)
{
    if (tx->phase != PND_NETDUMP_TX_READY)
        return false;
    if (tx->held > 0) {
        launch_held(tx);
        return false;
    }
    launch(tx, type, bytes, len, 0);
    return true;
}

/* RFC 6298 (2.2), (2.3), of sends: from their first packet to the last ACK. They are not all of one
 * length, so that rto_min_us is what one may take longer than the others. */
static void measure(struct pnd_netdump_tx *tx, uint64_t rtt_us)
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
    tx->rto_us = *srtt + (4 * tx->rttvar_us > tx->rto_min_us ? 4 * tx->rttvar_us : tx->rto_min_us);
    if (tx->rto_us > tx->rto_max_us)
        tx->rto_us = tx->rto_max_us;
}

/* All of the send has arrived. */
static void arrived(struct pnd_netdump_tx *tx)
{
    /* Karn: the answer to a packet that was sent twice measures nothing. */
    if (tx->again != first(tx->count))
        measure(tx, tx->once_us - tx->first_us);
    tx->base += tx->count;
    tx->phase = tx->type == PND_NETDUMP_FINISHED ? PND_NETDUMP_TX_DONE : PND_NETDUMP_TX_READY;
    if (tx->type == PND_NETDUMP_VMCORE) {
        tx->stats.data_bytes = tx->taken;
        tx->held = 0;
    }
}

bool pnd_netdump_tx_datagram(struct pnd_netdump_tx *tx, const void *dgram, size_t len,
                             uint64_t now_us)
{
    uint32_t number, index;

    if (tx->phase != PND_NETDUMP_TX_WAIT || pnd_netdump_parse_ack(dgram, len, &number) != PND_OK)
        goto noise;
    index = number - tx->base;
    /* A packet that was never sent has no answer, whatever its number is. */
    if (index >= tx->count || !(tx->sent & ~tx->acked & bit(index)))
        goto noise;
    tx->acked |= bit(index);
    tx->due &= ~bit(index);
    tx->heard_us = now_us;
    if (!(tx->again & bit(index)))
        tx->once_us = now_us;
    if (tx->acked == first(tx->count))
        arrived(tx);
    return true;
noise:
    tx->stats.noise++;
    return false;
}

void pnd_netdump_tx_tick(struct pnd_netdump_tx *tx, uint64_t now_us)
{
    if (tx->phase != PND_NETDUMP_TX_WAIT || tx->sent == 0)
        return;
    if (now_us - tx->heard_us >= tx->patience_us) {
        fail(tx, PND_E_TIMEOUT);
        return;
    }
    if (tx->due || now_us - tx->last_us < tx->rto_us)
        return;
    tx->rto_us *= 2;
    if (tx->rto_us > tx->rto_max_us)
        tx->rto_us = tx->rto_max_us;
    tx->due = first(tx->count) & ~tx->acked;
}

bool pnd_netdump_tx_output(struct pnd_netdump_tx *tx, uint64_t now_us, struct pnd_datagram *ret)
{
    uint32_t index = 0;
    size_t at, len;

    if (tx->due == 0)
        return false;
    while (!(tx->due & bit(index)))
        index++;
    at = (size_t)index * tx->unit;
    len = tx->len - at < tx->unit ? tx->len - at : tx->unit;
    if (tx->sent == 0)
        tx->first_us = tx->heard_us = now_us;
    if (tx->sent & bit(index)) {
        tx->again |= bit(index);
        tx->stats.retransmissions++;
    }
    tx->due &= ~bit(index);
    tx->sent |= bit(index);
    tx->last_us = now_us;
    tx->stats.packets++;
    ret->payload = len ? tx->bytes + at : NULL;
    ret->payload_len = (uint32_t)len;
    ret->header_len = PND_NETDUMP_HEADER_BYTES;
    pnd_netdump_build_header(ret->header, sizeof(ret->header), tx->type, tx->base + index,
                             tx->offset + at, (uint32_t)len);
    return true;
}

uint64_t pnd_netdump_tx_deadline_us(const struct pnd_netdump_tx *tx)
{
    uint64_t again_us = tx->last_us + tx->rto_us, give_up_us = tx->heard_us + tx->patience_us;

    if (tx->phase != PND_NETDUMP_TX_WAIT)
        return UINT64_MAX;
    if (tx->due)
        return 0;
    return again_us < give_up_us ? again_us : give_up_us;
}
