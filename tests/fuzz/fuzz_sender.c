/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A tape is the network around a machine that sends a dump through its own stack: whatever comes,
 * the sender ends, in bounded time, and says that the dump is safe only when the server that is
 * modelled here has acknowledged every byte of it. The tape:
 *     pages u8 (of the dump; a bit of each says whether it is zeros)
 *     entries: what u8  len u8  bytes[len]
 * what: 0 a frame as it stands, 1 a datagram of the server, 2 the server acknowledges the packet it
 * has (features: bytes[0]), 3 one before that, 4 nothing comes, 5 the link is down for that many
 * questions, 6 an answer to ARP for the server, 7 the same for a stranger, 8 an ERROR. */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "panicd/client.h"
#include "wire/cursor.h"
#include "wire/frame.h"
#include "wire/kdp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum {
    OWN = 0x0a002801,
    SERVER = 0x0a002802,
    ROUTER = 0x0a0028fe,
    PAGE = 4096,
    PAGES_MAX = 8,
    FRAME_US = 500, /* from one frame to the next */
    PATIENCE_US = 3000000,
    LINK_US = 2000000,
    ASK_US = 10000,
    END_US = 2000000000, /* no tape of 64 KiB takes that long */
};

static const uint8_t own_mac[PND_MAC_BYTES] = {2, 0, 0, 0, 0, 1},
                     server_mac[PND_MAC_BYTES] = {2, 0, 0, 0, 0, 2};

static struct world {
    struct pnd_rd tape;
    uint64_t now_us;
    unsigned down; /* questions that are still answered so */
    /* the server: the last packet that came to it, and what it has acknowledged */
    uint8_t packet[PND_ETH_CAP];
    size_t packet_len;
    bool held, ended;
    uint32_t last_block, features;
    uint64_t offset, bytes;
    uint8_t file[PAGES_MAX * PAGE];
} world;

static uint64_t now_us(void *ctx)
{
    const struct world *w = ctx;

    if (w->now_us > END_US)
        abort();
    return w->now_us;
}

static bool link_up(void *ctx)
{
    struct world *w = ctx;

    w->now_us += ASK_US;
    if (w->down == 0)
        return true;
    w->down--;
    return false;
}

static int send(void *ctx, const void *frame, size_t len)
{
    struct world *w = ctx;
    struct pnd_udp4 udp;
    struct pnd_eth eth;

    if (pnd_eth_parse(frame, len, &eth) != PND_OK)
        abort();
    if (eth.type != PND_ETH_IPV4)
        return PND_OK;
    if (pnd_udp4_parse(eth.payload, eth.payload_len, &udp) != PND_OK || udp.from_ip != OWN ||
        udp.to_ip != SERVER)
        abort();
    if (udp.payload_len == w->packet_len && memcmp(w->packet, udp.payload, w->packet_len) == 0)
        return PND_OK;
    memcpy(w->packet, udp.payload, udp.payload_len);
    w->packet_len = udp.payload_len;
    w->held = false;
    return PND_OK;
}

static void hold(struct world *w, const struct pnd_kdp_packet *packet)
{
    if (packet->op == PND_KDP_DATA) {
        if (packet->data_len > sizeof(w->file) - w->offset)
            abort();
        memcpy(w->file + w->offset, packet->data, packet->data_len);
        w->offset += packet->data_len;
        w->bytes = w->offset > w->bytes ? w->offset : w->bytes;
    }
    if (packet->op == PND_KDP_SEEK &&
        (pnd_kdp_seek_offset(packet, w->features & PND_KDP_SEEK64, &w->offset) != PND_OK ||
         w->offset > sizeof(w->file)))
        abort();
    w->ended = packet->op == PND_KDP_EOF;
}

/* A datagram that is on its way to the sender: if it acknowledges what the server has, the server
 * holds it. Blocks are numbered one by one. Of several answers to a request, the last one that came
 * before the next packet is the one that was heard. */
static void answer(struct world *w, const void *dgram, size_t len)
{
    struct pnd_kdp_packet packet, ack;

    if (pnd_kdp_parse(w->packet, w->packet_len, &packet) != PND_OK ||
        pnd_kdp_parse_answer(dgram, len, &ack) != PND_OK || ack.op != PND_KDP_ACK ||
        ack.block != packet.block)
        return;
    if (packet.op == PND_KDP_WRQ)
        w->features = ack.features & packet.features;
    else if (!w->held && packet.block != ++w->last_block)
        abort();
    if (!w->held)
        hold(w, &packet);
    w->held = true;
}

static int from_server(struct world *w, const void *dgram, size_t len, uint8_t *buf, size_t cap)
{
    struct pnd_udp4 udp = {.from_ip = SERVER,
                           .to_ip = OWN,
                           .from_port = PND_KDP_PORT,
                           .to_port = PND_KDP_PORT,
                           .payload = dgram,
                           .payload_len = len};

    answer(w, dgram, len);
    return pnd_udp4_build(buf, cap, own_mac, server_mac, &udp);
}

static int acknowledge(struct world *w, uint32_t back, const uint8_t *bytes, size_t len,
                       uint8_t *buf, size_t cap)
{
    uint8_t features = len ? bytes[0] & PND_KDP_FEATURES : 0, dgram[PND_KDP_ACK_BYTES];
    struct pnd_kdp_packet packet;

    if (pnd_kdp_parse(w->packet, w->packet_len, &packet) != PND_OK)
        return PND_E_TIMEOUT;
    pnd_kdp_build_ack(dgram, sizeof(dgram), packet.block - back, features);
    return from_server(w, dgram, sizeof(dgram), buf, cap);
}

static int arp_answer(uint32_t from_ip, uint8_t *buf, size_t cap)
{
    struct pnd_arp arp = {.op = PND_ARP_REPLY, .from_ip = from_ip, .to_ip = OWN};

    memcpy(arp.from_mac, server_mac, PND_MAC_BYTES);
    memcpy(arp.to_mac, own_mac, PND_MAC_BYTES);
    return pnd_arp_build(buf, cap, own_mac, &arp);
}

static int refuse(struct world *w, uint8_t *buf, size_t cap)
{
    uint8_t dgram[PND_KDP_ERROR_CAP];
    int len = pnd_kdp_build_error(dgram, sizeof(dgram), PND_KDP_E_NOSPACE, "no room");

    return from_server(w, dgram, (size_t)len, buf, cap);
}

/* A frame as it stands may be one of the server's, too. */
static int raw(struct world *w, const uint8_t *bytes, size_t len, uint8_t *buf, size_t cap)
{
    struct pnd_udp4 udp;
    struct pnd_eth eth;

    len = len < cap ? len : cap;
    memcpy(buf, bytes, len);
    if (pnd_eth_parse(buf, len, &eth) == PND_OK && eth.type == PND_ETH_IPV4 &&
        pnd_udp4_parse(eth.payload, eth.payload_len, &udp) == PND_OK && udp.from_ip == SERVER &&
        memcmp(eth.to, own_mac, sizeof(own_mac)) == 0)
        answer(w, udp.payload, udp.payload_len);
    return (int)len;
}

static int receive(void *ctx, void *buf, size_t cap, uint64_t timeout_us)
{
    struct world *w = ctx;
    uint8_t what = pnd_rd_u8(&w->tape), len = pnd_rd_u8(&w->tape);
    const uint8_t *bytes = pnd_rd_bytes(&w->tape, len);
    uint64_t wait_us = timeout_us;
    int got = PND_E_TIMEOUT;

    if (pnd_rd_ok(&w->tape)) {
        wait_us = timeout_us < FRAME_US ? timeout_us : FRAME_US;
        switch (what) {
        case 0:
            got = raw(w, bytes, len, buf, cap);
            break;
        case 1:
            got = from_server(w, bytes, len, buf, cap);
            break;
        case 2:
            got = acknowledge(w, 0, bytes, len, buf, cap);
            break;
        case 3:
            got = acknowledge(w, 1, bytes, len, buf, cap);
            break;
        case 5:
            w->down = len ? bytes[0] : 0;
            break;
        case 6:
            got = arp_answer(SERVER, buf, cap);
            break;
        case 7:
            got = arp_answer(SERVER + 1, buf, cap);
            break;
        case 8:
            got = refuse(w, buf, cap);
            break;
        default:
            wait_us = timeout_us;
        }
    }
    w->now_us += wait_us ? wait_us : 1;
    return got;
}

static int send_dump(const uint8_t *dump, size_t bytes, const struct pnd_link *link)
{
    static struct pnd_client client;
    struct pnd_client_config config = {
        .server = {.ip = SERVER}, .name = "core", .patience_us = PATIENCE_US};
    int err = pnd_client_open(&client, link, &config);

    if (!err)
        err = pnd_client_write_sparse(&client, dump, bytes);
    if (!err)
        err = pnd_client_finish(&client);
    if (err == PND_OK &&
        (!world.ended || world.bytes != bytes || memcmp(world.file, dump, bytes) != 0))
        abort();
    return err;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static uint8_t dump[PAGES_MAX * PAGE];
    static struct pnd_stack stack;
    struct pnd_nic nic = {.ctx = &world,
                          .now_us = now_us,
                          .send = send,
                          .receive = receive,
                          .link_up = link_up,
                          .mtu = 1500};
    struct pnd_stack_config config = {.own_ip = OWN,
                                      .own_port = PND_KDP_PORT,
                                      .server_ip = SERVER,
                                      .router_ip = ROUTER,
                                      .link_wait_us = LINK_US};
    struct pnd_link link;
    size_t bytes = PAGE;

    memset(&world, 0, sizeof(world));
    world.tape = pnd_rd(data, len);
    memcpy(nic.mac, own_mac, sizeof(own_mac));
    if (len > 0) {
        uint8_t pages = pnd_rd_u8(&world.tape);

        bytes = (size_t)(1 + pages % PAGES_MAX) * PAGE - pages % 5;
        for (size_t i = 0; i < bytes; i++)
            dump[i] = pages >> (i / PAGE) & 1 ? 0 : (uint8_t)(i * 31 >> 3 | 1);
    }
    if (pnd_stack_open(&stack, &nic, &config, &link) == PND_OK)
        (void)send_dump(dump, bytes, &link);
    return 0;
}
