/* SPDX-License-Identifier: BSD-2-Clause
 *
 * How large the packets of the sending session are: PROBEs find what the path carries, and what it
 * no longer carries shows by repetitions that nobody answers. PROTOCOL.md#kdp-12.7 */
#include "client/ext_tx_parts.h"

enum {
    PROBE_TRIES = 3,
    PROBE_WAIT_MIN_US = 50000,
    PROBE_AGAIN_US = 60000000,
    MISSES = 3, /* in a row */
    ROUNDS = 4,
};

/* Largest first; between them stands what the link carries. */
static const uint16_t sizes[] = {8972, 4052, PND_EXT_TX_DGRAM_START, 1172, PND_EXT_DGRAM_MIN};

enum { SIZES = sizeof(sizes) / sizeof(sizes[0]) };

/* @return the largest of the sizes, or what the link carries, that is below @p size; 0: none */
static uint32_t below(const struct pnd_ext_tx *tx, uint32_t size)
{
    if (tx->dgram_max < size)
        return tx->dgram_max;
    for (unsigned i = 0; i < SIZES; i++)
        if (sizes[i] < size && sizes[i] <= tx->dgram_max)
            return sizes[i];
    return 0;
}

/* Each round of them is a byte smaller than the last, for some rounds: so that what arrived before
 * the path became narrower is not taken for an answer. */
static void probe_from(struct pnd_ext_tx *tx, uint32_t size, uint64_t at_us)
{
    tx->probe.round = (tx->probe.round + 1) % ROUNDS;
    tx->probe.size = size > tx->dgram + ROUNDS ? size : 0;
    tx->probe.tries = 0;
    tx->probe.next_us = at_us;
}

void pnd_ext_tx_size_init(struct pnd_ext_tx *tx, uint32_t dgram_max, uint64_t now_us)
{
    size_t most = tx->window.ring_cap / 8;

    tx->dgram_max = dgram_max < PND_EXT_TX_DGRAM_CAP ? dgram_max : PND_EXT_TX_DGRAM_CAP;
    /* larger ones would only make the window coarse */
    if (tx->dgram_max > most && most >= PND_EXT_TX_DGRAM_START)
        tx->dgram_max = (uint32_t)most;
    tx->dgram = tx->dgram_max < PND_EXT_TX_DGRAM_START ? tx->dgram_max : PND_EXT_TX_DGRAM_START;
    tx->probe.round = ROUNDS - 1;
    probe_from(tx, tx->dgram_max, now_us);
}

bool pnd_ext_tx_probe_due(const struct pnd_ext_tx *tx, uint64_t now_us)
{
    return tx->ask_only || (tx->probe.size && now_us >= tx->probe.next_us);
}

uint32_t pnd_ext_tx_probe(struct pnd_ext_tx *tx, uint64_t now_us)
{
    uint64_t wait_us = tx->srtt_us + tx->srtt_us / 2 + 4 * tx->rttvar_us;
    uint32_t size = tx->probe.size;

    if (tx->ask_only) {
        tx->ask_only = false;
        return PND_EXT_DGRAM_MIN;
    }
    tx->probe.next_us = now_us + (wait_us > PROBE_WAIT_MIN_US ? wait_us : PROBE_WAIT_MIN_US);
    if (++tx->probe.tries > PROBE_TRIES) {
        size = below(tx, size);
        if (size <= tx->dgram + ROUNDS) { /* none of them: the same again after a while */
            probe_from(tx, tx->dgram_max, now_us + PROBE_AGAIN_US);
            return PND_EXT_DGRAM_MIN;
        }
        tx->probe.size = size;
        tx->probe.tries = 1;
    }
    return size - tx->probe.round;
}

void pnd_ext_tx_ask_only(struct pnd_ext_tx *tx)
{
    tx->ask_only = true;
}

static void use(struct pnd_ext_tx *tx, uint32_t size)
{
    tx->dgram = size;
    tx->pace.packet = size;
    tx->misses = 0;
}

void pnd_ext_tx_probed(struct pnd_ext_tx *tx, uint32_t probed, uint64_t now_us)
{
    if (!tx->probe.size || tx->probe.tries == 0 || probed != tx->probe.size - tx->probe.round)
        return;
    use(tx, probed);
    probe_from(tx, tx->dgram_max, now_us + PROBE_AGAIN_US);
}

uint32_t pnd_ext_tx_packet_of(const struct pnd_ext_tx *tx, const struct pnd_piece *piece)
{
    uint64_t bytes = piece->zero ? 0 : PND_EXT_HEADER_BYTES + piece->len;

    return bytes < tx->dgram ? (uint32_t)bytes : tx->dgram;
}

void pnd_ext_tx_missed(struct pnd_ext_tx *tx, const struct pnd_piece *piece)
{
    bool heard = (tx->heard_number - piece->number) >> 31 == 0; /* something that left later */
    uint32_t size = pnd_ext_tx_packet_of(tx, piece);

    if (!heard || piece->tries < 2 || size <= PND_EXT_DGRAM_MIN)
        return;
    if (tx->misses == 0 || size < tx->miss_size)
        tx->miss_size = size;
    tx->misses++;
}

void pnd_ext_tx_shrink(struct pnd_ext_tx *tx, uint64_t now_us)
{
    uint32_t most =
        tx->miss_size > PND_EXT_TX_DGRAM_START ? PND_EXT_TX_DGRAM_START + 1 : tx->miss_size;
    uint32_t size = below(tx, most);

    /* An overload ends sooner than that. */
    if (tx->misses < MISSES || size == 0 ||
        now_us - tx->progress_us < MISSES * pnd_ext_tx_patient_us(tx))
        return;
    use(tx, size);
    probe_from(tx, tx->dgram_max, now_us + PROBE_AGAIN_US);
}
