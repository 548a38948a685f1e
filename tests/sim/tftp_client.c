/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The model client: see tftp_client.h. */
#include "sim/tftp_client.h"

#include <string.h>

enum { NAME_CAP = 32, WAIT_MAX_US = 30000000 };

uint8_t tftp_client_byte(uint64_t seed, uint64_t offset)
{
    uint64_t word = (offset / 7 + seed) * UINT64_C(0x9e3779b97f4a7c15);

    return (uint8_t)(word >> 56 ^ offset);
}

uint64_t tftp_client_blocks(const struct tftp_client *client)
{
    return client->config.bytes / client->block_bytes + 1;
}

uint16_t tftp_client_number(const struct tftp_client *client, uint64_t block)
{
    return (uint16_t)(client->config.to_one ? block % 65535 + 1 : block + 1);
}

static void wait_for_answer(struct tftp_client *client)
{
    client->timeout_at = client->net->now_us + client->wait_us;
}

static void send_request(struct tftp_client *client)
{
    uint8_t dgram[PND_TFTP_REQUEST_CAP];
    int len = pnd_tftp_build_wrq(dgram, sizeof(dgram), "core", &client->config.asked);

    client->sent++;
    net_send(client->net, NET_TO_SERVER, PND_TFTP_PORT, dgram, (size_t)len);
    wait_for_answer(client);
}

static void send_block(struct tftp_client *client)
{
    uint8_t dgram[TFTP_CLIENT_DGRAM_CAP];
    uint64_t at = client->next * client->block_bytes, left = client->config.bytes - at;
    size_t len = left < client->block_bytes ? (size_t)left : client->block_bytes;

    pnd_tftp_build_data_header(dgram, sizeof(dgram), tftp_client_number(client, client->next));
    for (size_t i = 0; i < len; i++)
        dgram[PND_TFTP_HEADER_BYTES + i] = tftp_client_byte(client->config.seed, at + i);
    client->sent++;
    net_send(client->net, NET_TO_SERVER, PND_TFTP_PORT, dgram, PND_TFTP_HEADER_BYTES + len);
    client->next++;
    client->next_us = client->net->now_us + client->config.gap_us;
    wait_for_answer(client);
}

static uint64_t window_end(const struct tftp_client *client)
{
    uint64_t end = client->base + client->window, blocks = tftp_client_blocks(client);

    return end < blocks ? end : blocks;
}

static void go_from_base(struct tftp_client *client)
{
    client->next = client->base;
    client->next_us = client->net->now_us + client->config.gap_us;
}

void tftp_client_init(struct tftp_client *client, const struct tftp_client_config *config,
                      struct net *net)
{
    memset(client, 0, sizeof(*client));
    client->config = *config;
    client->net = net;
    client->block_bytes = PND_TFTP_BLOCK_DEFAULT;
    client->window = 1;
    client->wait_us = config->timeout_us;
    if (!config->knows_options)
        client->config.asked.said = 0;
    send_request(client);
}

void tftp_client_skip(struct tftp_client *client, uint64_t blocks)
{
    client->opened = true;
    client->base = blocks;
    go_from_base(client);
}

static bool sends(const struct tftp_client *client)
{
    return client->opened && client->next < window_end(client);
}

uint64_t tftp_client_deadline_us(const struct tftp_client *client)
{
    if (client->state != TFTP_CLIENT_RUNNING)
        return UINT64_MAX;
    return sends(client) ? client->next_us : client->timeout_at;
}

void tftp_client_step(struct tftp_client *client)
{
    if (client->net->now_us < tftp_client_deadline_us(client))
        return;
    if (sends(client)) {
        send_block(client);
        return;
    }
    if (client->retries++ == client->config.retries_max) {
        client->state = TFTP_CLIENT_FAILED;
        return;
    }
    client->wait_us = client->wait_us * client->config.backoff / 100;
    if (client->wait_us > WAIT_MAX_US)
        client->wait_us = WAIT_MAX_US;
    if (client->opened)
        go_from_base(client);
    else
        send_request(client);
    wait_for_answer(client);
}

static void progress(struct tftp_client *client)
{
    client->retries = 0;
    client->wait_us = client->config.timeout_us;
    go_from_base(client);
    if (client->base == tftp_client_blocks(client))
        client->state = TFTP_CLIENT_SUCCESS;
}

static void take_options(struct tftp_client *client, const struct pnd_tftp_options *options)
{
    if (client->opened)
        return;
    client->opened = true;
    if (options->said & PND_TFTP_BLKSIZE)
        client->block_bytes = options->block_bytes;
    if (options->said & PND_TFTP_WINDOWSIZE)
        client->window = options->window;
    progress(client);
}

static void take_ack(struct tftp_client *client, uint16_t number)
{
    if (!client->opened) { /* the server took none of the options */
        client->opened = number == 0;
        if (client->opened)
            progress(client);
        return;
    }
    for (uint64_t block = client->base; block < client->next; block++)
        if (tftp_client_number(client, block) == number) {
            client->base = block + 1;
            progress(client);
            return;
        }
    /* The ACK of the block before: the first block of a window was lost, or it was heard before. */
    if (number == (client->base ? tftp_client_number(client, client->base - 1) : 0) &&
        (client->window > 1 || client->config.apprentice))
        go_from_base(client);
}

void tftp_client_receive(struct tftp_client *client, const uint8_t *dgram, size_t len)
{
    struct pnd_tftp_packet packet;

    if (client->state != TFTP_CLIENT_RUNNING || pnd_tftp_parse(dgram, len, &packet))
        return;
    if (packet.op == PND_TFTP_ERROR)
        client->state = TFTP_CLIENT_FAILED;
    else if (packet.op == PND_TFTP_OACK && client->config.knows_options)
        take_options(client, &packet.options);
    else if (packet.op == PND_TFTP_ACK)
        take_ack(client, packet.block);
}
