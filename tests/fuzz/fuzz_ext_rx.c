/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A tape drives a session of the extension under the model owner of tests/sim, which holds all it
 * does against what was in the packets. The tape is a row of entries:
 *     delay u16 (units of 10 ms)  what u8  len u8  bytes[len]
 * what, and the bytes it reads (those that are not there are 0):
 *     0 DATA: offset u16, len u16 (mod 4096), flags u8      1 ZERO: offset u16, len u16, shift u8
 *     2 END of what is held: add u8 to length, add u8 to sum
 *     3 OPEN: id u8, flags u8, cookie u8         4 STOP             5 PROBE: size u16
 *     6 the turn ends     7 a restart            8 the disk fills up or empties
 *     9 fsync fails or works    10 FINISH waits, or is done         11 policy says no, or yes
 *     12 room: u16        13 the bytes as they are, from the first on
 *     14 the bytes behind a header with the session's token
 *     15 the journal is damaged at u8 by u8, and a session loaded from that is used
 *     16 RESUME waits, or is done               17 what was left is gone, or there again
 *     18 the sender of id u8 comes back: it is silent until its dump is left; the server is killed
 *        if u8 & 1; it sends OPEN, its DATA from u16 on, len u16
 * Offsets have units of 1 byte. The bytes of DATA follow from their offset; every other 1024 of
 * them are zeros. */
#include <stdlib.h>
#include <string.h>

#include "sim/ext_owner.h"
#include "wire/cursor.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { ENTRIES_MAX = 300, WINDOW = 8192 };

struct tape {
    struct ext_owner owner;
    uint64_t now_us;
    uint32_t number;
    unsigned calls;
};

/* Numbers of an entry; 0 behind its end. */
static uint16_t take16(struct pnd_rd *rd)
{
    return pnd_rd_left(rd) >= 2 ? pnd_rd_be16(rd) : 0;
}

static uint8_t take8(struct pnd_rd *rd)
{
    return pnd_rd_left(rd) ? pnd_rd_u8(rd) : 0;
}

static void put(struct tape *tape, const void *dgram, size_t len)
{
    uint8_t *exact = malloc(len ? len : 1);

    if (!exact)
        abort();
    if (len)
        memcpy(exact, dgram, len);
    tape->calls++;
    ext_owner_datagram(&tape->owner, exact, len, tape->now_us);
    free(exact);
}

static void put_packet(struct tape *tape, struct pnd_ext_packet *packet)
{
    static uint8_t dgram[PND_EXT_HEADER_BYTES + UINT16_MAX];
    size_t used;

    packet->token = tape->owner.rx.token;
    packet->number = ++tape->number;
    used = (size_t)pnd_ext_build(dgram, sizeof(dgram), packet);
    for (uint64_t i = 0; packet->op == PND_EXT_DATA && i < packet->len; i++) {
        uint64_t at = packet->offset + i;

        dgram[used++] = at / 1024 % 2 ? 0 : (uint8_t)(at * 167 + 1);
    }
    if (packet->op == PND_EXT_PROBE && packet->len > used) {
        memset(dgram + used, 0, (size_t)packet->len - used);
        used = (size_t)packet->len;
    }
    put(tape, dgram, used);
}

static void put_open(struct tape *tape, struct pnd_rd *rd)
{
    uint8_t dgram[PND_EXT_OPEN_BYTES + 2];
    struct pnd_ext_open open = {.name = "c", .name_len = 1};
    int len;

    open.id[0] = take8(rd);
    open.flags = take8(rd);
    open.cookie[0] = take8(rd);
    len = pnd_ext_build_open(dgram, sizeof(dgram), &open);
    put(tape, dgram, (size_t)len);
}

/* A datagram of the extension by its entry. */
static void speak(struct tape *tape, uint8_t what, struct pnd_rd *rd)
{
    struct pnd_ext_packet packet = {.op = PND_EXT_DATA};
    uint8_t stop[PND_EXT_STOP_CAP];
    int len;

    switch (what) {
    case 0:
        packet.offset = take16(rd);
        packet.len = take16(rd) % 4096;
        packet.flags = take8(rd);
        put_packet(tape, &packet);
        return;
    case 1:
        packet.op = PND_EXT_ZERO;
        packet.offset = take16(rd);
        packet.len = take16(rd);
        packet.len <<= take8(rd) % 48;
        put_packet(tape, &packet);
        return;
    case 2:
        ext_owner_end_turn(&tape->owner, tape->now_us);
        packet.op = PND_EXT_END;
        packet.offset = tape->owner.rx.held + take8(rd);
        packet.sum = ext_owner_sum(&tape->owner, packet.offset) + take8(rd);
        put_packet(tape, &packet);
        return;
    case 3:
        put_open(tape, rd);
        return;
    case 4:
        len = pnd_ext_build_stop(stop, sizeof(stop), tape->owner.rx.token, 0, "");
        put(tape, stop, (size_t)len);
        return;
    default:
        packet.op = PND_EXT_PROBE;
        packet.len = take16(rd);
        put_packet(tape, &packet);
    }
}

/* What a session is saved as is what it is loaded from: a second process finds the same. */
static void save_again(const struct tape *tape)
{
    uint8_t saved[PND_EXT_RX_SAVED_BYTES];
    static struct pnd_ext_rx rx;

    if (!tape->owner.journal_used)
        return;
    if (pnd_ext_rx_load(&rx, &tape->owner.limits, tape->owner.journal, sizeof(tape->owner.journal),
                        tape->owner.journal_name, tape->now_us))
        abort();
    pnd_ext_rx_save(&rx, saved);
    if (memcmp(saved, tape->owner.journal, sizeof(saved)) != 0 ||
        strcmp(rx.name, tape->owner.journal_name) != 0)
        abort();
}

/* The bytes behind a header that has the right token, in the place where it stands. */
static void put_raw(struct tape *tape, const uint8_t *bytes, size_t len, bool with_token)
{
    uint8_t dgram[256];

    memcpy(dgram, bytes, len);
    if (with_token && len >= 8) {
        struct pnd_wr wr = pnd_wr(dgram + 4, 4);

        pnd_wr_be32(&wr, tape->owner.rx.token);
    }
    put(tape, dgram, len);
}

/* What a damaged journal makes must not crash, loop or take held back. */
static void damage(struct tape *tape, struct pnd_rd *rd)
{
    uint8_t saved[PND_EXT_RX_SAVED_BYTES], dgram[PND_EXT_HEADER_BYTES + 9];
    struct pnd_ext_packet packet = {.op = PND_EXT_DATA, .number = 1};
    static struct pnd_ext_rx rx;
    struct pnd_ext_rx_news news;
    struct pnd_actions actions;
    uint64_t held;

    memcpy(saved, tape->owner.journal, sizeof(saved));
    saved[take8(rd) % sizeof(saved)] ^= take8(rd);
    if (!tape->owner.journal_used ||
        pnd_ext_rx_load(&rx, &tape->owner.limits, saved, sizeof(saved), "n", tape->now_us))
        return;
    held = rx.held;
    packet.token = rx.token;
    packet.offset = take16(rd);
    memset(dgram, 7, sizeof(dgram));
    pnd_ext_build(dgram, sizeof(dgram), &packet);
    pnd_ext_rx_take(&rx, dgram, sizeof(dgram), tape->now_us, &news);
    pnd_ext_rx_answer(&rx, 1, tape->now_us, &actions);
    if (rx.held < held || news.count > PND_EXT_RX_PIECES_CAP)
        abort();
    pnd_ext_rx_tick(&rx, tape->now_us + (UINT64_C(1) << 40), &actions);
}

static void pass(struct tape *tape, uint64_t until_us);

static void come_back(struct tape *tape, struct pnd_rd *rd)
{
    struct ext_owner *owner = &tape->owner;
    struct pnd_rd open = pnd_rd(pnd_rd_bytes(rd, 1), pnd_rd_ok(rd) ? 1 : 0);
    struct pnd_ext_packet packet = {.op = PND_EXT_DATA, .flags = PND_EXT_ACK_NOW};
    uint8_t how = take8(rd);

    ext_owner_end_turn(owner, tape->now_us);
    pass(tape, tape->now_us + owner->limits.idle_ms * 1000 + 1000000);
    save_again(tape);
    if (how & 1)
        ext_owner_restart(owner, tape->now_us);
    save_again(tape);
    put_open(tape, &open);
    tape->number = 0;
    packet.offset = take16(rd);
    packet.len = take16(rd) % 4096;
    put_packet(tape, &packet);
}

static void act(struct tape *tape, uint8_t what, const uint8_t *bytes, size_t len)
{
    struct pnd_rd rd = pnd_rd(bytes, len);
    struct ext_owner *owner = &tape->owner;

    switch (what) {
    case 6:
        ext_owner_end_turn(owner, tape->now_us);
        break;
    case 7:
        ext_owner_restart(owner, tape->now_us);
        break;
    case 8:
        owner->disk_full = !owner->disk_full;
        break;
    case 9:
        owner->fsync_fails = !owner->fsync_fails;
        break;
    case 10:
        owner->holds_finish = !owner->holds_finish;
        if (!owner->holds_finish)
            ext_owner_finish(owner, tape->now_us);
        break;
    case 11:
        owner->refuses = !owner->refuses;
        break;
    case 12:
        owner->room = take16(&rd);
        break;
    case 13:
    case 14:
        put_raw(tape, bytes, len, what == 14);
        break;
    case 15:
        damage(tape, &rd);
        break;
    case 16:
        owner->holds_resume = !owner->holds_resume;
        if (!owner->holds_resume)
            ext_owner_resume(owner, tape->now_us);
        break;
    case 17:
        owner->left_is_gone = !owner->left_is_gone;
        break;
    case 18:
        come_back(tape, &rd);
        break;
    default:
        speak(tape, what, &rd);
    }
    tape->calls++;
}

/* Runs the clock up to @p until_us with a tick at every deadline, as an event loop does. */
static void pass(struct tape *tape, uint64_t until_us)
{
    for (int turns = 0; turns < 8 && ext_owner_deadline_ms(&tape->owner) <= until_us / 1000;
         turns++) {
        tape->calls++;
        ext_owner_tick(&tape->owner, ext_owner_deadline_ms(&tape->owner) * 1000);
    }
    tape->now_us = until_us;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct pnd_rd rd = pnd_rd(data, len);
    struct tape tape = {.now_us = 1};

    ext_owner_init(&tape.owner, WINDOW);
    tape.owner.limits.dump_bytes_max = UINT64_C(1) << 40;
    for (int i = 0; i < ENTRIES_MAX && pnd_rd_left(&rd) >= 4; i++) {
        uint64_t delay = pnd_rd_be16(&rd);
        uint8_t what = pnd_rd_u8(&rd) % 19;
        size_t size = pnd_rd_u8(&rd);

        if (size > pnd_rd_left(&rd))
            size = pnd_rd_left(&rd);
        if (delay) {
            ext_owner_end_turn(&tape.owner, tape.now_us);
            pass(&tape, tape.now_us + delay * 10000);
        }
        act(&tape, what, pnd_rd_bytes(&rd, size), size);
        save_again(&tape);
        if (tape.owner.broken || tape.owner.replies > 2 * tape.calls)
            abort();
    }
    ext_owner_end_turn(&tape.owner, tape.now_us);
    if (tape.owner.broken)
        abort();
    ext_owner_deinit(&tape.owner);
    return 0;
}
