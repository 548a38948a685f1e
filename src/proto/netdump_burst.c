/* SPDX-License-Identifier: BSD-2-Clause */
#include "proto/netdump_burst.h"

static uint64_t bit(unsigned index)
{
    return UINT64_C(1) << index;
}

/* @return a map of the first @p count packets */
static uint64_t first(unsigned count)
{
    return count < PND_NETDUMP_SEND_PACKETS ? bit(count) - 1 : UINT64_MAX;
}

void pnd_netdump_burst_begin(struct pnd_netdump_burst *burst, uint32_t base, uint64_t now_ms)
{
    burst->base = base;
    burst->received = burst->acked = 0;
    burst->top = 0;
    burst->top_offset = 0;
    burst->top_len = 0;
    burst->free = burst->disturbed = false;
    burst->rounds = 0;
    burst->new_ms = burst->round_ms = now_ms;
}

/* Nothing comes behind the last packet that has arrived: it is shorter than the others, it fills
 * what the client sends at a time, or there can be no more. */
static bool is_ended(const struct pnd_netdump_burst *burst)
{
    if (burst->received == 0)
        return false;
    if (burst->top_len == 0 || burst->top_len < burst->unit ||
        burst->top == PND_NETDUMP_SEND_PACKETS - 1)
        return true;
    return !burst->large &&
           (uint64_t)(burst->top + 1) * burst->unit >= (uint64_t)PND_NETDUMP_SEND_BYTES;
}

unsigned pnd_netdump_burst_count(const struct pnd_netdump_burst *burst)
{
    return burst->received ? burst->top + 1 : 0;
}

/* The packets of one kind, as far as they can reach: the key and the header never have a pair. */
static unsigned most(const struct pnd_netdump_burst *burst)
{
    unsigned count = 0;

    if (is_ended(burst))
        return burst->top + 1;
    if (burst->type != PND_NETDUMP_VMCORE)
        return 0;
    if (burst->large || burst->unit == 0)
        return PND_NETDUMP_SEND_PACKETS;
    while (count < PND_NETDUMP_SEND_PACKETS &&
           (uint64_t)count * burst->unit < (uint64_t)PND_NETDUMP_SEND_BYTES)
        count++;
    return count;
}

static bool is_whole_so_far(const struct pnd_netdump_burst *burst)
{
    return burst->received && burst->received == first(burst->top + 1);
}

uint64_t pnd_netdump_burst_ready(const struct pnd_netdump_burst *burst)
{
    unsigned count = most(burst);
    uint64_t low = burst->received & first(PND_NETDUMP_ALIAS);
    uint64_t high = burst->received >> PND_NETDUMP_ALIAS, pairs;

    if (burst->free || count <= PND_NETDUMP_ALIAS)
        return burst->received;
    pairs = first(count - PND_NETDUMP_ALIAS);
    return (low & (~pairs | high)) | (high & low) << PND_NETDUMP_ALIAS;
}

bool pnd_netdump_burst_whole(const struct pnd_netdump_burst *burst)
{
    return is_whole_so_far(burst) && (burst->free || is_ended(burst));
}

unsigned pnd_netdump_burst_missing(const struct pnd_netdump_burst *burst)
{
    unsigned count = pnd_netdump_burst_count(burst), missing = 0;

    for (unsigned i = 0; i < count; i++)
        missing += !(burst->received & bit(i));
    return missing;
}

void pnd_netdump_burst_span(const struct pnd_netdump_burst *burst, unsigned index,
                            uint64_t *ret_start, uint64_t *ret_end)
{
    *ret_start = burst->top_offset - (uint64_t)(burst->top - index) * burst->unit;
    *ret_end = *ret_start + (index == burst->top ? burst->top_len : burst->unit);
}

/* One that lies where the others of the send say that packet @p index has to. */
static bool fits(const struct pnd_netdump_burst *burst, unsigned index,
                 const struct pnd_netdump_packet *packet)
{
    bool several = burst->received & (burst->received - 1);
    uint64_t unit = packet->data_len > burst->unit ? packet->data_len : burst->unit;

    if (packet->type != burst->type || (several && unit > burst->unit))
        return false;
    if (index > burst->top)
        return burst->top_len == unit && !is_ended(burst) &&
               packet->offset == burst->top_offset + (index - burst->top) * unit;
    return packet->data_len == unit &&
           packet->offset == burst->top_offset - (burst->top - index) * unit;
}

enum pnd_netdump_place pnd_netdump_burst_place(const struct pnd_netdump_burst *burst,
                                               const struct pnd_netdump_packet *packet)
{
    uint32_t index = packet->seqno - burst->base;
    uint64_t start, end;

    if (index > UINT32_MAX / 2)
        return PND_NETDUMP_PAST;
    if (index >= PND_NETDUMP_REACH)
        return PND_NETDUMP_STRAY;
    if (burst->received == 0)
        return index < PND_NETDUMP_SEND_PACKETS ? PND_NETDUMP_NEW : PND_NETDUMP_NEXT;
    if (index < PND_NETDUMP_SEND_PACKETS && burst->received & bit(index)) {
        pnd_netdump_burst_span(burst, index, &start, &end);
        return packet->type == burst->type && packet->offset == start &&
                       packet->data_len == end - start
                   ? PND_NETDUMP_COPY
                   : PND_NETDUMP_STRAY;
    }
    if (index < PND_NETDUMP_SEND_PACKETS && fits(burst, index, packet))
        return PND_NETDUMP_NEW;
    return index > burst->top ? PND_NETDUMP_NEXT : PND_NETDUMP_STRAY;
}

void pnd_netdump_burst_put(struct pnd_netdump_burst *burst, const struct pnd_netdump_packet *packet,
                           uint64_t now_ms)
{
    unsigned index = packet->seqno - burst->base;

    if (burst->received == 0 || index > burst->top) {
        burst->top = index;
        burst->top_offset = packet->offset;
        burst->top_len = (uint32_t)packet->data_len;
    }
    burst->type = packet->type;
    burst->received |= bit(index);
    if (packet->data_len > burst->unit)
        burst->unit = (uint32_t)packet->data_len;
    if (burst->top_len == burst->unit &&
        (uint64_t)burst->top * burst->unit + burst->top_len > (uint64_t)PND_NETDUMP_SEND_BYTES)
        burst->large = true;
    if (burst->top_len < burst->unit && burst->top > 0)
        burst->unmarked = false;
    burst->rounds = 0;
    burst->new_ms = burst->round_ms = now_ms;
}

static bool holds_back(const struct pnd_netdump_burst *burst)
{
    return burst->received & ~pnd_netdump_burst_ready(burst);
}

void pnd_netdump_burst_copy(struct pnd_netdump_burst *burst, uint64_t now_ms)
{
    unsigned most_rounds = is_whole_so_far(burst) && burst->top < PND_NETDUMP_ROUNDS_SHORT_TO
                               ? PND_NETDUMP_ROUNDS_SHORT
                               : PND_NETDUMP_ROUNDS_MAX;

    if (!holds_back(burst) || now_ms - burst->round_ms < PND_NETDUMP_ROUND_MS)
        return;
    burst->round_ms = now_ms;
    /* What is waited for may be in this round, behind the copy that begins it. */
    if (burst->rounds++ < most_rounds)
        return;
    burst->free = true;
    burst->unmarked = is_whole_so_far(burst) && !is_ended(burst);
}

void pnd_netdump_burst_disturb(struct pnd_netdump_burst *burst, uint64_t now_ms)
{
    burst->disturbed = true;
    burst->new_ms = now_ms;
}

/* A send may end here, though no packet says so: it is made of whole blocks. */
static bool may_end(const struct pnd_netdump_burst *burst)
{
    return burst->unmarked || (burst->top + 1) * burst->unit % PND_NETDUMP_BLOCK_BYTES == 0;
}

uint64_t pnd_netdump_burst_deadline_ms(const struct pnd_netdump_burst *burst)
{
    return is_whole_so_far(burst) && may_end(burst) && holds_back(burst)
               ? burst->new_ms +
                     (burst->disturbed ? PND_NETDUMP_DISTURBED_MS : PND_NETDUMP_QUIET_MS)
               : UINT64_MAX;
}

void pnd_netdump_burst_quiet(struct pnd_netdump_burst *burst)
{
    burst->free = true;
}
