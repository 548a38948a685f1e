/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The link of net.h. */
#include "sim/net.h"

#include <string.h>

void net_init(struct net *net, struct rng *rng)
{
    net->rng = rng;
    memset(net->faults, 0, sizeof(net->faults));
    net->now_us = net->order = net->sent = net->lost = 0;
    net->last_us[0] = net->last_us[1] = 0;
    net->count = 0;
    net->fated = false;
    memset(net->times, 0, sizeof(net->times));
    for (unsigned i = 0; i < NET_QUEUE_CAP; i++)
        net->unused[i] = &net->storage[i];
}

static bool damage(struct rng *rng, struct net_dgram *dgram)
{
    unsigned flips = rng_between(rng, 1, 3);

    if (dgram->len == 0)
        return false;
    /* Half of the flips hit the first bytes: that is where they do most. */
    for (unsigned i = 0; i < flips; i++) {
        size_t near = dgram->len < 14 ? dgram->len : 14;
        size_t among = rng_chance(rng, 500) ? near : dgram->len;

        size_t at = rng_below(rng, (uint32_t)among);

        dgram->bytes[at] ^= (uint8_t)(1u << rng_below(rng, 8));
        dgram->damaged_header |= at < 6;
    }
    return true;
}

static void deliver(struct net *net, struct rng *rng, enum net_way way, uint16_t port,
                    const void *bytes, size_t len, bool late)
{
    const struct net_faults *faults = &net->faults[way];
    struct net_dgram *dgram;
    uint64_t at_us = net->now_us + faults->delay_us;

    net->sent++;
    if (rng_chance(rng, faults->loss) || net->count == NET_QUEUE_CAP || len > NET_DGRAM_CAP) {
        net->lost++;
        return;
    }
    if (faults->jitter_us)
        at_us += rng_below(rng, faults->jitter_us);
    if (faults->late_us && (late || rng_chance(rng, faults->reorder)))
        at_us += rng_below(rng, faults->late_us);
    if (faults->fifo && at_us < net->last_us[way])
        at_us = net->last_us[way];
    if (at_us > net->last_us[way])
        net->last_us[way] = at_us;
    dgram = net->unused[NET_QUEUE_CAP - 1 - net->count];
    dgram->at_us = at_us;
    dgram->order = net->order++;
    dgram->way = way;
    dgram->port = port;
    dgram->len = len;
    memcpy(dgram->bytes, bytes, len);
    dgram->damaged_header = false;
    dgram->damaged = rng_chance(rng, faults->corrupt) && damage(rng, dgram);
    if (dgram->damaged && faults->checksum) {
        net->lost++;
        return;
    }
    net->queue[net->count++] = dgram;
}

static struct rng fate_of(struct net *net, enum net_way way, const void *dgram, size_t len)
{
    struct rng rng = {.state = net->fate_seed ^ way};
    uint8_t header[6] = {0};
    uint64_t word = 0;

    memcpy(header, dgram, len < sizeof(header) ? len : sizeof(header));
    memcpy(&word, header, sizeof(header));
    rng.state ^= word;
    rng.state = rng_u64(&rng);
    word = rng_u64(&rng);
    rng.state += net->times[way][word % NET_FATES]++;
    rng.state = rng_u64(&rng);
    return rng;
}

void net_send(struct net *net, enum net_way way, uint16_t port, const void *dgram, size_t len)
{
    struct rng fate, *rng = net->rng;

    if (net->fated) {
        fate = fate_of(net, way, dgram, len);
        rng = &fate;
    }
    deliver(net, rng, way, port, dgram, len, false);
    for (int i = 0; i < NET_COPIES_MAX && rng_chance(rng, net->faults[way].dup); i++)
        deliver(net, rng, way, port, dgram, len, true);
}

static unsigned next_index(const struct net *net)
{
    unsigned best = 0;

    for (unsigned i = 1; i < net->count; i++)
        if (net->queue[i]->at_us < net->queue[best]->at_us ||
            (net->queue[i]->at_us == net->queue[best]->at_us &&
             net->queue[i]->order < net->queue[best]->order))
            best = i;
    return best;
}

uint64_t net_next_us(const struct net *net)
{
    return net->count ? net->queue[next_index(net)]->at_us : UINT64_MAX;
}

const struct net_dgram *net_take(struct net *net)
{
    unsigned best = next_index(net);
    struct net_dgram *dgram;

    if (net->count == 0 || net->queue[best]->at_us > net->now_us)
        return NULL;
    dgram = net->queue[best];
    net->queue[best] = net->queue[--net->count];
    net->unused[NET_QUEUE_CAP - 1 - net->count] = dgram;
    return dgram;
}
