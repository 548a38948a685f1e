/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The model: see netdump_client.h. */
#include "sim/netdump_client.h"

#include <string.h>

#include "sim/rng.h"

enum stage { HERALD, KEY, EARLY_KDH, DATA, KDH, FINISHED, ENDED };

/* What 1 << index is on amd64, when 1 is an int and the result becomes 64 bits wide. */
static uint64_t bit(const struct netdump_client *client, unsigned index)
{
    uint32_t narrow = UINT32_C(1) << (index & 31);

    if (client->config.shifts_right)
        return UINT64_C(1) << index;
    return narrow & UINT32_C(0x80000000) ? UINT64_C(0xffffffff80000000) : narrow;
}

static void transmit(struct netdump_client *client, unsigned index)
{
    size_t at = client->window + index * client->config.unit, len = client->len - at;
    uint8_t header[PND_NETDUMP_HEADER_BYTES];

    if (len > client->config.unit)
        len = client->config.unit;
    pnd_netdump_build_header(header, sizeof(header), client->type, client->base + index,
                             client->offset + at, (uint32_t)len);
    client->say(client->ctx, header, len ? client->bytes + at : NULL, len);
}

/* As many packets of the send as may be on their way. */
static void begin_window(struct netdump_client *client, uint64_t now_ns)
{
    size_t left = client->len - client->window, unit = client->config.unit;

    client->count = left ? (unsigned)((left + unit - 1) / unit) : 1;
    if (client->count > PND_NETDUMP_SEND_PACKETS)
        client->count = PND_NETDUMP_SEND_PACKETS;
    client->want = client->heard = 0;
    client->polls = client->tries = 0;
    for (unsigned i = 0; i < client->count; i++) {
        client->want |= bit(client, i);
        transmit(client, i);
    }
    client->poll_ns = now_ns + NETDUMP_CLIENT_POLL_NS;
}

static void begin_send(struct netdump_client *client, enum pnd_netdump_type type,
                       const uint8_t *bytes, size_t len, uint64_t offset, uint64_t now_ns)
{
    client->type = type;
    client->bytes = bytes;
    client->len = len;
    client->offset = offset;
    client->window = 0;
    client->sends++;
    begin_window(client, now_ns);
}

static void send_data(struct netdump_client *client, uint64_t now_ns)
{
    const struct netdump_client_config *config = &client->config;
    size_t len = config->image_len - client->at, at = client->at;
    struct rng rng = {.state = config->seed ^ at};

    if (len > config->send_bytes)
        len = config->send_bytes;
    if (len > 4096 && rng_chance(&rng, config->flushes))
        len = 4096 * (size_t)rng_between(&rng, 1, (uint32_t)(len / 4096));
    client->at += len;
    begin_send(client, PND_NETDUMP_VMCORE, config->image + at, len,
               at == 0 ? config->first_lies : at, now_ns);
}

static void next(struct netdump_client *client, uint64_t now_ns)
{
    const struct netdump_client_config *config = &client->config;

    if (client->stage == DATA && client->at < config->image_len) {
        send_data(client, now_ns);
        return;
    }
    client->stage++;
    if (client->stage == KEY && config->key_len == 0)
        client->stage++;
    if (client->stage == EARLY_KDH && !config->kdh_first)
        client->stage++;
    if (client->stage == KDH && config->kdh_first)
        client->stage++;
    switch ((enum stage)client->stage) {
    case KEY:
        begin_send(client, PND_NETDUMP_EKCD_KEY, config->key, config->key_len, 0, now_ns);
        return;
    case EARLY_KDH:
    case KDH:
        begin_send(client, PND_NETDUMP_KDH, config->kdh, sizeof(config->kdh), 0, now_ns);
        return;
    case DATA:
        send_data(client, now_ns);
        return;
    case FINISHED:
        begin_send(client, PND_NETDUMP_FINISHED, NULL, 0, 0, now_ns);
        return;
    case HERALD:
    case ENDED:
        client->state = NETDUMP_BELIEVES;
        return;
    }
}

void netdump_client_init(struct netdump_client *client, const struct netdump_client_config *config,
                         uint64_t now_ns)
{
    const char *path = config->path;

    client->config = *config;
    client->state = NETDUMP_RUNS;
    client->stage = HERALD;
    client->at = 0;
    client->base = 1;
    client->sends = client->repeated = client->ignored = 0;
    begin_send(client, PND_NETDUMP_HERALD, (const uint8_t *)path, path ? strlen(path) + 1 : 0, 0,
               now_ns);
}

void netdump_client_hear(struct netdump_client *client, const void *dgram, size_t len)
{
    uint32_t number;

    if (pnd_netdump_parse_ack(dgram, len, &number) != PND_OK)
        return;
    if (number < client->base || number - client->base >= PND_NETDUMP_SEND_PACKETS) {
        client->ignored++;
        return;
    }
    client->heard |= bit(client, number - client->base);
}

static bool is_acknowledged(const struct netdump_client *client, unsigned index)
{
    return client->heard & bit(client, index);
}

static void repeat(struct netdump_client *client)
{
    client->polls = 0;
    if (client->tries++ > NETDUMP_CLIENT_RETRIES) {
        client->state = NETDUMP_GAVE_UP;
        return;
    }
    for (unsigned i = 0; i < client->count; i++) {
        if (is_acknowledged(client, i))
            continue;
        transmit(client, i);
        client->repeated++;
    }
}

void netdump_client_poll(struct netdump_client *client, uint64_t now_ns)
{
    client->polls += (unsigned)((now_ns - client->poll_ns) / NETDUMP_CLIENT_POLL_NS) + 1;
    client->poll_ns = now_ns + NETDUMP_CLIENT_POLL_NS;
    if (client->heard == client->want) {
        client->base += client->count;
        client->window += client->count * client->config.unit;
        if (client->window < client->len)
            begin_window(client, now_ns);
        else
            next(client, now_ns);
        return;
    }
    if (client->polls >= NETDUMP_CLIENT_POLLS)
        repeat(client);
}

uint64_t netdump_client_poll_ns(const struct netdump_client *client, bool heard, uint64_t now_ns)
{
    uint64_t left = NETDUMP_CLIENT_POLLS - 1 - client->polls, at_ns = client->poll_ns;

    if (client->state != NETDUMP_RUNS)
        return UINT64_MAX;
    if (!heard) /* nothing happens until it repeats itself */
        return at_ns + left * NETDUMP_CLIENT_POLL_NS;
    while (at_ns < now_ns)
        at_ns += NETDUMP_CLIENT_POLL_NS;
    return at_ns;
}
