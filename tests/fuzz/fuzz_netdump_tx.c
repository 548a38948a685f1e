/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A tape is the network around our sender of netdump: whatever comes, it ends, in bounded time, and
 * believes only in a dump of which each packet was acknowledged, with its own number, after it was
 * sent. What an acknowledged packet held is put together here. The tape:
 *     unit u8  length u8 u8 (of the dump)  flags u8 (1 a key, 2 the header first, 4 little memory)
 *     entries: what u8  value u8
 * what: 0 acknowledge the packet value before the last one sent, 1 the same with its number wrong
 * by one bit, 2 time passes, 3 a datagram of value bytes of the tape, 4 everything that is under
 * way is acknowledged. At its end, everything is lost. */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "client/netdump_tx.h"
#include "wire/cursor.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { DUMP_MAX = 65536 + 4096, KEY = 600, TURNS_MAX = 100000, HELD_CAP = 4096 };

static struct world {
    struct pnd_rd tape;
    struct pnd_netdump_tx tx;
    uint64_t now_us;
    uint32_t last; /* number of the last packet sent, 0: none */
    bool held[HELD_CAP], was_sent[HELD_CAP];
    struct pnd_netdump_packet packets[HELD_CAP];
    uint8_t dump[DUMP_MAX], file[DUMP_MAX], key[KEY], memory[65536];
    size_t len, given;
    unsigned step;
    bool has_key, header_first;
    uint8_t header[512];
} world;

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void send_all(struct world *w)
{
    struct pnd_datagram packet;
    uint32_t in_flight = 0;

    while (pnd_netdump_tx_output(&w->tx, w->now_us, &packet)) {
        struct pnd_netdump_packet parsed;
        uint8_t dgram[PND_NETDUMP_HEADER_BYTES + PND_NETDUMP_TX_UNIT_MAX];

        must(++in_flight <= PND_NETDUMP_TX_PACKETS && packet.payload_len <= w->tx.unit);
        memcpy(dgram, packet.header, packet.header_len);
        if (packet.payload_len)
            memcpy(dgram + packet.header_len, packet.payload, packet.payload_len);
        must(pnd_netdump_parse(dgram, packet.header_len + packet.payload_len, &parsed) == PND_OK);
        must(parsed.seqno > 0 && parsed.seqno < HELD_CAP && !w->held[parsed.seqno]);
        if (parsed.type == PND_NETDUMP_VMCORE) { /* the file has what every copy says */
            must(parsed.offset + parsed.data_len <= DUMP_MAX);
            memcpy(w->file + parsed.offset, parsed.data, parsed.data_len);
        }
        w->was_sent[parsed.seqno] = true;
        parsed.data = NULL;
        w->packets[parsed.seqno] = parsed;
        w->last = parsed.seqno;
    }
}

static void hear(struct world *w, const uint8_t *dgram, size_t len)
{
    uint32_t number = 0;
    bool is_ack = pnd_netdump_parse_ack(dgram, len, &number) == PND_OK;
    bool news = is_ack && number < HELD_CAP && w->was_sent[number] && !w->held[number];
    bool waits = w->tx.phase == PND_NETDUMP_TX_WAIT;

    must(pnd_netdump_tx_datagram(&w->tx, dgram, len, w->now_us) == (news && waits));
    if (news && waits)
        w->held[number] = true;
}

static void acknowledge(struct world *w, uint32_t number)
{
    uint8_t ack[PND_NETDUMP_ACK_BYTES];

    pnd_netdump_build_ack(ack, sizeof(ack), number);
    hear(w, ack, sizeof(ack));
}

static void feed(struct world *w)
{
    struct pnd_netdump_tx *tx = &w->tx;

    switch (w->step) {
    case 0:
        w->step += !w->has_key || pnd_netdump_tx_object(tx, PND_NETDUMP_EKCD_KEY, w->key, KEY);
        return;
    case 1:
    case 3:
        if (w->header_first != (w->step == 1) ||
            pnd_netdump_tx_object(tx, PND_NETDUMP_KDH, w->header, sizeof(w->header)))
            w->step++;
        return;
    case 2:
        w->given += pnd_netdump_tx_write(tx, w->dump + w->given, w->len - w->given);
        w->step += w->given == w->len;
        return;
    default:
        pnd_netdump_tx_object(tx, PND_NETDUMP_FINISHED, NULL, 0);
    }
}

static void play(struct world *w)
{
    uint8_t what = pnd_rd_u8(&w->tape), value = pnd_rd_u8(&w->tape);
    const uint8_t *bytes;
    uint64_t deadline_us = pnd_netdump_tx_deadline_us(&w->tx);

    if (!pnd_rd_ok(&w->tape))
        what = 2, value = 255;
    switch (what % 5) {
    case 0:
        acknowledge(w, w->last - value);
        break;
    case 1:
        acknowledge(w, w->last ^ (UINT32_C(1) << value % 32));
        break;
    case 2:
        if (value == 255 && deadline_us != UINT64_MAX)
            w->now_us = deadline_us > w->now_us ? deadline_us : w->now_us;
        w->now_us += value * 100;
        break;
    case 3:
        bytes = pnd_rd_bytes(&w->tape, value);
        if (bytes)
            hear(w, bytes, value);
        break;
    default:
        for (uint32_t n = w->last; n > 0 && w->last - n < PND_NETDUMP_TX_PACKETS; n--)
            acknowledge(w, n);
    }
}

/* It says that the server has all of it. */
static void check(const struct world *w)
{
    uint64_t covered = 0;

    must(w->given == w->len && w->packets[w->last].type == PND_NETDUMP_FINISHED);
    for (uint32_t n = 1; n <= w->last; n++) {
        must(w->held[n]);
        if (w->packets[n].type != PND_NETDUMP_VMCORE)
            continue;
        must(w->packets[n].offset == covered);
        covered += w->packets[n].data_len;
    }
    must(covered == (w->len + 4095) / 4096 * 4096);
    must(memcmp(w->file, w->dump, w->len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static const uint32_t units[] = {1448, 524, 8948, 512};
    struct world *w = &world;
    struct pnd_netdump_tx_config config = {.memory = w->memory, .memory_bytes = sizeof(w->memory)};
    uint8_t flags;

    memset(w, 0, sizeof(*w));
    w->tape = pnd_rd(data, len);
    config.unit = units[pnd_rd_u8(&w->tape) % 4];
    w->len = 1 + pnd_rd_be16(&w->tape);
    flags = pnd_rd_u8(&w->tape);
    w->has_key = flags & 1;
    w->header_first = flags & 2;
    if (flags & 4)
        config.memory_bytes = 4096;
    for (size_t i = 0; i < w->len; i++)
        w->dump[i] = (uint8_t)(i * 31 >> 3 | 1);
    must(pnd_netdump_tx_init(&w->tx, &config) == PND_OK);
    for (unsigned turns = 0; w->tx.phase < PND_NETDUMP_TX_DONE; turns++) {
        must(turns < TURNS_MAX);
        pnd_netdump_tx_tick(&w->tx, w->now_us);
        while (w->tx.phase == PND_NETDUMP_TX_READY)
            feed(w);
        send_all(w);
        if (w->tx.phase == PND_NETDUMP_TX_WAIT)
            play(w);
    }
    if (w->tx.phase == PND_NETDUMP_TX_DONE)
        check(w);
    else
        must(w->tx.err == PND_E_TIMEOUT);
    return 0;
}
