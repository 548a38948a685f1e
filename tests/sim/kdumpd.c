/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The model of kdumpd.h. */
#include "sim/kdumpd.h"

#include <string.h>

enum {
    FIRST_PORT = 50000,
    REPEAT_US = 2000000,
    GIVE_UP_US = 50000000,
};

void kdumpd_init(struct kdumpd *kdumpd, struct net *net)
{
    memset(kdumpd->bytes, 0, kdumpd->len < sizeof(kdumpd->bytes) ? kdumpd->len : 0);
    memset(kdumpd, 0, offsetof(struct kdumpd, bytes));
    kdumpd->net = net;
    kdumpd->last_port = FIRST_PORT;
    kdumpd->disk_full = false;
}

static void say(struct kdumpd *kdumpd, uint16_t port, const uint8_t *dgram, size_t len)
{
    net_send(kdumpd->net, NET_TO_CLIENT, port, dgram, len);
}

static void acknowledge(struct kdumpd *kdumpd, uint8_t features)
{
    pnd_kdp_build_ack(kdumpd->ack, sizeof(kdumpd->ack), kdumpd->expected++, features);
    kdumpd->progress_us = kdumpd->net->now_us;
    say(kdumpd, kdumpd->port, kdumpd->ack, sizeof(kdumpd->ack));
}

/* Each WRQ is a process with a port of its own; the second finds the file there. */
static void open_dump(struct kdumpd *kdumpd, const struct pnd_kdp_packet *wrq)
{
    static const uint8_t exists[] = "\0\5\0\0\0\0Unknown error: -8";

    kdumpd->last_port++;
    if (kdumpd->exists) {
        say(kdumpd, kdumpd->last_port, exists, sizeof(exists) - 1);
        return;
    }
    kdumpd->exists = kdumpd->active = true;
    kdumpd->port = kdumpd->last_port;
    kdumpd->features = wrq->features & PND_KDP_FEATURES;
    kdumpd->expected = 0;
    acknowledge(kdumpd, (uint8_t)kdumpd->features);
}

static void store(struct kdumpd *kdumpd, const struct pnd_kdp_packet *data)
{
    size_t max = kdumpd->features & PND_KDP_LARGE ? PND_KDP_BLOCK_LARGE : PND_KDP_BLOCK_SMALL;
    size_t len = data->data_len < max ? data->data_len : max;

    if (kdumpd->write) {
        kdumpd->write(kdumpd->ctx, kdumpd->position, data->data, len);
    } else if (kdumpd->position <= sizeof(kdumpd->bytes) - len && !kdumpd->disk_full) {
        memcpy(kdumpd->bytes + kdumpd->position, data->data, len);
        if (kdumpd->len < kdumpd->position + len)
            kdumpd->len = kdumpd->position + len;
    }
    kdumpd->position += len;
}

void kdumpd_datagram(struct kdumpd *kdumpd, uint16_t port, const uint8_t *dgram, size_t len)
{
    struct pnd_kdp_packet packet;

    if (pnd_kdp_parse(dgram, len, &packet) != PND_OK)
        return;
    if (port == PND_KDP_PORT) {
        if (packet.op == PND_KDP_WRQ)
            open_dump(kdumpd, &packet);
        return;
    }
    if (!kdumpd->active || port != kdumpd->port)
        return;
    kdumpd->heard_us = kdumpd->net->now_us;
    if (packet.op == PND_KDP_ERROR) {
        kdumpd->active = false;
    } else if (packet.op == PND_KDP_EOF) {
        acknowledge(kdumpd, 0);
        kdumpd->active = false;
        kdumpd->ended = true;
    } else if (packet.op != PND_KDP_DATA && packet.op != PND_KDP_SEEK) {
        return;
    } else if (packet.block == kdumpd->expected) {
        acknowledge(kdumpd, 0);
        if (packet.op == PND_KDP_DATA)
            store(kdumpd, &packet);
        else
            pnd_kdp_seek_offset(&packet, kdumpd->features & PND_KDP_SEEK64, &kdumpd->position);
    } else if (packet.block == kdumpd->expected - 1) {
        say(kdumpd, kdumpd->port, kdumpd->ack, sizeof(kdumpd->ack));
    }
}

void kdumpd_tick(struct kdumpd *kdumpd)
{
    if (!kdumpd->active)
        return;
    if (kdumpd->net->now_us >= kdumpd->progress_us + GIVE_UP_US) {
        kdumpd->active = false;
    } else if (kdumpd->net->now_us >= kdumpd_deadline_us(kdumpd)) {
        kdumpd->heard_us = kdumpd->net->now_us;
        say(kdumpd, kdumpd->port, kdumpd->ack, sizeof(kdumpd->ack));
    }
}

uint64_t kdumpd_deadline_us(const struct kdumpd *kdumpd)
{
    uint64_t since =
        kdumpd->heard_us > kdumpd->progress_us ? kdumpd->heard_us : kdumpd->progress_us;
    uint64_t repeat_us = since + REPEAT_US, end_us = kdumpd->progress_us + GIVE_UP_US;

    if (!kdumpd->active)
        return UINT64_MAX;
    return repeat_us < end_us ? repeat_us : end_us;
}
