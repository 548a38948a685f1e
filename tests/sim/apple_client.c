/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The model of Apple's sender: see apple_client.h. */
#include "sim/apple_client.h"

#include <stdio.h>
#include <string.h>

#include "wire/cursor.h"
#include "wire/kdp.h"

enum {
    POLL_US = 3000,
    POLLS_WRQ = 3500,
    POLLS_FIRST = 2500,
    POLLS_LATER = 1000,
    TRANSMISSIONS_MAX = 14,
    STAGE_BYTES = 1406,
    PAGE = 4096,
};

const struct apple_kernel apple_kernels[] = {
    {"517-1228", APPLE_TAIL_NONE, 3, 0, 1, 0, 0, true, false, false},
    {"1486-1504 i386", APPLE_TAIL_NONE, 3, 0, 1, 1, 'X', true, false, false},
    {"1456-1504 x86_64", APPLE_TAIL_MASK, 3, 1, 1, 1, 'X', true, false, false},
    {"1699", APPLE_TAIL_CUT, 0, 3, 0, 1, 'Y', true, false, false},
    {"2050-2782", APPLE_TAIL_WHOLE, 0, 3, 0, 1, 'Y', true, true, false},
    {"3247-7195", APPLE_TAIL_WHOLE, 0, 3, 0, 1, 'Y', false, false, false},
    {"8019-", APPLE_TAIL_WHOLE, 0, 3, 0, 1, 'Y', false, false, true},
};
const unsigned apple_kernel_count = sizeof(apple_kernels) / sizeof(apple_kernels[0]);

static void add_piece(struct apple_client *apple, bool seek, size_t at, size_t len)
{
    if (apple->piece_count < CLIENT_PIECES_CAP && (seek || len))
        apple->pieces[apple->piece_count++] = (struct apple_piece){seek, at, len};
}

static void add_data(struct apple_client *apple, struct client_image *image, size_t at, size_t len)
{
    add_piece(apple, false, at, len);
    if (image->sent)
        memset(image->sent + at, true, len);
    if (image->len < at + len)
        image->len = at + len;
}

/* Header, load commands and regions in the order of PROTOCOL.md#kdp-6.5; regions have holes
 * between them, and each is cut to a page, so that junk lands in holes. */
static void plan_random_core(struct apple_client *apple, struct client_image *image, size_t len)
{
    size_t command = 32, at = PAGE, room = image->cap - 2 * PAGE;
    size_t goal = PAGE + (len < room ? len : room);

    add_piece(apple, true, 0, 0);
    add_data(apple, image, 0, 32);
    while (at < goal && apple->piece_count < CLIENT_PIECES_CAP - 6) {
        size_t pages = rng_between(apple->rng, 1, 3);
        size_t part = rng_chance(apple->rng, 200) ? pages * PAGE - 100 : pages * PAGE;

        if (at + pages * PAGE > image->cap)
            break;
        add_piece(apple, true, command, 0);
        add_data(apple, image, command, 72);
        command += 72;
        add_piece(apple, true, at, 0);
        add_data(apple, image, at, part);
        at += (pages + rng_below(apple->rng, 3)) * PAGE;
    }
    add_piece(apple, true, command, 0);
    add_data(apple, image, command, 180);
}

static void plan(struct apple_client *apple, struct client_image *image, size_t len)
{
    size_t at = 0;

    if (apple->config.kind == APPLE_CORE && apple->config.kernel->random_access) {
        plan_random_core(apple, image, len);
        return;
    }
    if (apple->config.kind == APPLE_SYSTEMLOG && len > 1 && rng_chance(apple->rng, 600)) {
        size_t half = rng_between(apple->rng, 1, (uint32_t)len - 1);

        add_data(apple, image, 0, half);
        add_piece(apple, true, half, 0);
        add_data(apple, image, half, len - half);
        return;
    }
    while (apple->config.kind == APPLE_CORE && len - at > PAGE &&
           apple->piece_count < CLIENT_PIECES_CAP - 1) {
        size_t part = rng_between(apple->rng, 1, PAGE);

        add_data(apple, image, at, part);
        at += part;
    }
    add_data(apple, image, at, len - at);
}

static bool is_log(const struct apple_client *apple)
{
    return apple->config.kind != APPLE_CORE;
}

static size_t build_wrq(struct apple_client *apple)
{
    const struct apple_kernel *kernel = apple->config.kernel;
    int whole = pnd_kdp_build_wrq(apple->packet, sizeof(apple->packet), apple->image->name,
                                  kernel->features, apple->config.block_max);
    size_t len = (size_t)whole;

    if (kernel->tail == APPLE_TAIL_NONE)
        len -= 17;
    else if (kernel->tail == APPLE_TAIL_MASK)
        len -= 4;
    else if (kernel->tail == APPLE_TAIL_CUT)
        len -= 2;
    rng_fill(apple->rng, apple->packet + len, kernel->wrq_junk);
    return len + kernel->wrq_junk;
}

static size_t build_data(struct apple_client *apple)
{
    const struct apple_kernel *kernel = apple->config.kernel;
    const struct apple_piece *piece = &apple->pieces[apple->piece];
    size_t len = piece->len - apple->done, junk = kernel->every_junk;
    uint8_t *data = apple->packet + PND_KDP_HEADER_BYTES;

    if (len > apple->limit)
        len = apple->limit;
    if (kernel->buffered && !is_log(apple)) {
        if (apple->stage_left == 0)
            apple->stage_left = STAGE_BYTES;
        if (len > apple->stage_left)
            len = apple->stage_left;
    }
    if (is_log(apple))
        junk += strlen(apple->image->name) + kernel->log_junk;
    rng_fill(apple->rng, data + len, junk);
    if (is_log(apple) && kernel->filler && len < apple->limit)
        memset(data + len, kernel->filler, apple->limit - len);
    pnd_kdp_build_data_header(apple->packet, sizeof(apple->packet), apple->block);
    memcpy(data, apple->image->bytes + piece->at + apple->done, len);
    apple->data_len = len;
    return PND_KDP_HEADER_BYTES + len + junk;
}

static size_t build_seek(struct apple_client *apple)
{
    const struct apple_kernel *kernel = apple->config.kernel;
    bool seek64 = apple->features & PND_KDP_SEEK64;
    int built = pnd_kdp_build_seek(apple->packet, sizeof(apple->packet), apple->block,
                                   apple->pieces[apple->piece].at, seek64);
    size_t len = (size_t)built, junk = kernel->every_junk;

    if (!seek64 && kernel->long_seek)
        junk += 4;
    if (is_log(apple))
        junk += strlen(apple->image->name) + kernel->log_junk;
    rng_fill(apple->rng, apple->packet + len, junk);
    return len + junk;
}

static void build(struct apple_client *apple)
{
    apple->data_len = 0;
    if (apple->block == 0) {
        apple->packet_len = build_wrq(apple);
    } else if (apple->piece == apple->piece_count) {
        pnd_kdp_build_eof(apple->packet, sizeof(apple->packet), apple->block);
        apple->packet[PND_KDP_HEADER_BYTES] = (uint8_t)rng_u64(apple->rng);
        apple->packet_len = PND_KDP_HEADER_BYTES + apple->config.kernel->every_junk;
    } else if (apple->pieces[apple->piece].seek) {
        apple->packet_len = build_seek(apple);
    } else {
        apple->packet_len = build_data(apple);
    }
}

static void transmit(struct apple_client *apple)
{
    bool wrq = apple->block == 0;

    if (apple->transmissions)
        apple->retransmissions++;
    apple->polls_left = apple->transmissions ? POLLS_LATER : wrq ? POLLS_WRQ : POLLS_FIRST;
    if (++apple->transmissions > apple->transmissions_most)
        apple->transmissions_most = apple->transmissions;
    apple->poll_us = apple->client.net->now_us;
    apple->waiting = true;
    net_send(apple->client.net, NET_TO_SERVER, wrq ? PND_KDP_PORT : apple->client.reply_port,
             apple->packet, apple->packet_len);
}

/* The next packet, perhaps after some compressing. */
static void next_packet(struct apple_client *apple)
{
    apple->waiting = false;
    apple->transmissions = apple->early = 0;
    apple->resume_us = apple->client.net->now_us + rng_below(apple->rng, apple->config.gap_us);
    if (rng_chance(apple->rng, apple->config.pause))
        apple->resume_us += rng_below(apple->rng, apple->config.pause_us);
    build(apple);
}

/* 14 transmissions drew nothing. The core writer stops but still sends its EOF. */
static void give_up(struct apple_client *apple)
{
    bool eof = apple->piece == apple->piece_count;

    if (apple->block == 0 || eof || apple->aborted) {
        apple->client.state = CLIENT_FAILED;
        return;
    }
    apple->aborted = true;
    apple->piece = apple->piece_count;
    apple->block += apple->config.skips_number;
    next_packet(apple);
}

static void retransmit(struct apple_client *apple)
{
    if (apple->transmissions == TRANSMISSIONS_MAX)
        give_up(apple);
    else
        transmit(apple);
}

static void succeed(struct apple_client *apple)
{
    if (apple->block == 0)
        apple->limit =
            apple->features & PND_KDP_LARGE ? apple->config.block_max : PND_KDP_BLOCK_SMALL;
    if (apple->block && apple->piece == apple->piece_count) {
        apple->client.state = apple->aborted ? CLIENT_FAILED : CLIENT_SUCCESS;
        return;
    }
    if (apple->block) {
        const struct apple_piece *piece = &apple->pieces[apple->piece];

        apple->done += apple->data_len;
        if (apple->stage_left)
            apple->stage_left -= apple->data_len;
        if (piece->seek || apple->done == piece->len) {
            apple->piece++;
            apple->done = 0;
        }
    }
    apple->block++;
    next_packet(apple);
}

static void take_frame(struct apple_client *apple, uint16_t port, const uint8_t *dgram, size_t len)
{
    uint8_t header[PND_KDP_HEADER_BYTES] = {0}; /* the length is not looked at */
    struct pnd_rd rd;
    uint16_t opcode;
    uint32_t block;

    memcpy(header, dgram, len < sizeof(header) ? len : sizeof(header));
    rd = pnd_rd(header, sizeof(header));
    opcode = pnd_rd_be16(&rd);
    block = pnd_rd_be32(&rd);
    apple->client.reply_port = port;
    if (apple->block == 0 && (opcode & 0xff) == PND_KDP_ACK) {
        apple->features = opcode >> 8;
        opcode = PND_KDP_ACK;
    }
    if (opcode == PND_KDP_ERROR) {
        retransmit(apple);
    } else if (block == apple->block - 1) {
        if (++apple->early >= 2)
            retransmit(apple);
    } else {
        apple->strays_taken += opcode != PND_KDP_ACK || block != apple->block;
        succeed(apple);
    }
}

/* Any frame ends the poll that runs. */
static void count_poll(struct apple_client *apple)
{
    uint64_t now_us = apple->client.net->now_us, polls = (now_us - apple->poll_us) / POLL_US + 1;

    apple->polls_left -= polls < apple->polls_left ? polls : apple->polls_left;
    apple->poll_us = now_us;
}

static void apple_receive(struct client *client, uint16_t port, const uint8_t *dgram, size_t len)
{
    struct apple_client *apple = (struct apple_client *)client;

    if (client->state != CLIENT_RUNNING)
        return;
    if (!apple->waiting) {
        if (apple->ring_count == APPLE_RING_CAP)
            return;
        apple->ring[apple->ring_count].port = port;
        apple->ring[apple->ring_count].len = len < APPLE_FRAME_CAP ? len : APPLE_FRAME_CAP;
        memcpy(apple->ring[apple->ring_count].bytes, dgram,
               len < APPLE_FRAME_CAP ? len : APPLE_FRAME_CAP);
        apple->ring_count++;
        return;
    }
    count_poll(apple);
    take_frame(apple, port, dgram, len);
}

void apple_noise(struct apple_client *apple, unsigned frames)
{
    while (frames-- && apple->waiting && apple->client.state == CLIENT_RUNNING)
        count_poll(apple);
}

static uint64_t apple_deadline_us(const struct client *client)
{
    const struct apple_client *apple = (const struct apple_client *)client;

    if (client->state != CLIENT_RUNNING)
        return UINT64_MAX;
    return apple->waiting ? apple->poll_us + apple->polls_left * POLL_US : apple->resume_us;
}

static void apple_step(struct client *client)
{
    struct apple_client *apple = (struct apple_client *)client;

    if (client->state != CLIENT_RUNNING || client->net->now_us < apple_deadline_us(client))
        return;
    if (apple->waiting) {
        retransmit(apple);
        return;
    }
    transmit(apple);
    while (apple->ring_count && apple->waiting && client->state == CLIENT_RUNNING) {
        uint8_t bytes[APPLE_FRAME_CAP];
        uint16_t port = apple->ring[0].port;
        size_t len = apple->ring[0].len;

        memcpy(bytes, apple->ring[0].bytes, sizeof(bytes));
        apple->ring_count--;
        memmove(apple->ring, apple->ring + 1, apple->ring_count * sizeof(apple->ring[0]));
        count_poll(apple);
        take_frame(apple, port, bytes, len);
    }
}

static void start(struct apple_client *apple, const struct apple_config *config,
                  const struct client_image *image, struct net *net, struct rng *rng)
{
    memset(apple, 0, sizeof(*apple));
    apple->client = (struct client){.net = net,
                                    .reply_port = PND_KDP_PORT,
                                    .step = apple_step,
                                    .deadline_us = apple_deadline_us,
                                    .receive = apple_receive};
    apple->config = *config;
    apple->image = image;
    apple->rng = rng;
}

void apple_init(struct apple_client *apple, const struct apple_config *config,
                struct client_image *image, size_t len, struct net *net, struct rng *rng)
{
    static const char *const prefix[] = {"core-xnu-", "paniclog-", "systemlog-"};

    start(apple, config, image, net, rng);
    snprintf(image->name, sizeof(image->name), "%s%.*s", prefix[config->kind],
             (int)rng_between(rng, 1, 60),
             "3789.72.11-192.168.136.130-0123456789abcdef0123456789abcdef-xyzw");
    image->len = 0;
    memset(image->sent, 0, image->cap * sizeof(*image->sent));
    rng_fill(rng, image->bytes, image->cap);
    plan(apple, image, len);
    next_packet(apple);
}

void apple_init_given(struct apple_client *apple, const struct apple_config *config,
                      struct client_image *image, struct net *net, struct rng *rng)
{
    start(apple, config, image, net, rng);
    add_data(apple, image, 0, image->len);
    next_packet(apple);
}
