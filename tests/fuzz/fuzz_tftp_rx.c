/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A tape drives a session of TFTP under the model owner of tests/sim, which holds all that is
 * acknowledged against what was written. The tape is a row of entries:
 *     delay u16 (units of 10 ms)  what u8  len u8  bytes[len]
 * what, and the bytes it reads (those that are not there are 0):
 *     0 the bytes as they are    3 a restart    4 the disk fills up or empties
 *     5 fsync fails or works     6 nothing but the delay     8 policy says no, or yes
 *     1 whole blocks: u8 of them, from u8 - 128 ahead of the expected one
 *     2 a last block, u8 - 128 ahead of the expected one, of the other bytes
 *     7 a live dump stands all at once u8 blocks before block 65535; then u8 blocks come, which
 *       roll over to 1 with another u8
 *     9 the journal is damaged at u8 by u8, and a session loaded from that is used */
#include <stdlib.h>
#include <string.h>

#include "sim/tftp_owner.h"
#include "wire/cursor.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { ENTRIES_MAX = 200, BLOCKS_MAX = 4000, KINDS = 10 };

struct tape {
    struct tftp_owner owner;
    uint64_t now_ms;
    unsigned blocks; /* sent so far */
};

static uint8_t take8(struct pnd_rd *rd)
{
    return pnd_rd_left(rd) ? pnd_rd_u8(rd) : 0;
}

/* Runs the clock up to @p until_ms with a tick at every deadline, as an event loop does. */
static void pass(struct tape *tape, uint64_t until_ms)
{
    struct tftp_owner *owner = &tape->owner;

    for (int turns = 0; turns < 8 && tftp_owner_deadline_ms(owner) <= until_ms; turns++)
        tftp_owner_tick(owner, tftp_owner_deadline_ms(owner));
    tftp_owner_tick(owner, until_ms);
    tape->now_ms = until_ms;
}

static void put(struct tape *tape, uint16_t block, const uint8_t *bytes, size_t len)
{
    uint8_t *dgram = malloc(PND_TFTP_HEADER_BYTES + len);

    if (!dgram)
        abort();
    pnd_tftp_build_data_header(dgram, PND_TFTP_HEADER_BYTES, block);
    memset(dgram + PND_TFTP_HEADER_BYTES, 'x', len);
    if (bytes)
        memcpy(dgram + PND_TFTP_HEADER_BYTES, bytes, len);
    tftp_owner_datagram(&tape->owner, dgram, PND_TFTP_HEADER_BYTES + len, tape->now_ms);
    free(dgram);
    tape->blocks++;
}

static void put_blocks(struct tape *tape, unsigned count, int ahead)
{
    size_t block_bytes = tape->owner.slot ? tape->owner.rx.block_bytes : 512;
    uint16_t first = (uint16_t)(tape->owner.rx.last + 1 + ahead);

    for (unsigned i = 0; i < count && tape->blocks < BLOCKS_MAX; i++)
        put(tape, (uint16_t)(first + i), NULL, block_bytes);
}

/* As if it had been so far when the server was started. */
static void skip_to_roll(struct tape *tape, unsigned before)
{
    struct tftp_owner *owner = &tape->owner;

    if (!owner->slot || owner->rx.phase != PND_RX_LIVE || owner->rx.blocks > UINT16_MAX)
        return;
    owner->rx.blocks = UINT16_MAX - before;
    owner->rx.last = (uint16_t)owner->rx.blocks;
    owner->rx.roll = PND_TFTP_ROLL_UNKNOWN;
    owner->rx.end = owner->live.len = owner->rx.blocks * owner->rx.block_bytes;
    owner->limits.dump_bytes_max = UINT64_C(1) << 40;
    pnd_tftp_rx_save(&owner->rx, owner->journal);
    tftp_owner_restart(owner, tape->now_ms);
}

static void put_rolled(struct tape *tape, unsigned count, bool to_one)
{
    for (unsigned i = 0; i < count && tape->owner.slot && tape->blocks < BLOCKS_MAX; i++) {
        uint64_t index = tape->owner.rx.blocks + 1;

        put(tape, (uint16_t)(to_one ? (index - 1) % 65535 + 1 : index), NULL,
            tape->owner.rx.block_bytes);
    }
}

/* The model's file matches the true journal; a damaged one only must not crash. */
static void damage(struct tape *tape, struct pnd_rd *rd)
{
    struct tftp_owner *owner = &tape->owner;
    uint8_t at = take8(rd) % PND_TFTP_RX_SAVED_BYTES, by = take8(rd);
    struct pnd_actions actions;
    struct pnd_tftp_rx rx;

    if (!owner->journal_used)
        return;
    owner->journal[at] ^= by;
    if (pnd_tftp_rx_load(&rx, &owner->limits, owner->journal, sizeof(owner->journal),
                         owner->journal_name, tape->now_ms) == PND_OK) {
        uint8_t dgram[16] = {0, PND_TFTP_DATA, (uint8_t)(rx.last >> 8), (uint8_t)rx.last};

        for (int i = 0; i < 4; i++, dgram[3]++)
            pnd_tftp_rx_datagram(&rx, dgram, sizeof(dgram), tape->now_ms + 1000, &actions);
        pnd_tftp_rx_tick(&rx, pnd_tftp_rx_deadline_ms(&rx), &actions);
    }
    owner->journal[at] ^= by;
}

static void act(struct tape *tape, uint8_t what, const uint8_t *bytes, size_t len)
{
    struct tftp_owner *owner = &tape->owner;
    struct pnd_rd rd = pnd_rd(bytes, len);
    unsigned count;
    int ahead;

    switch (what) {
    case 0:
        tftp_owner_datagram(owner, bytes, len, tape->now_ms);
        break;
    case 1:
        count = take8(&rd);
        put_blocks(tape, count, take8(&rd) - 128);
        break;
    case 2:
        ahead = take8(&rd) - 128;
        put(tape, (uint16_t)(owner->rx.last + 1 + ahead), bytes + (len ? 1 : 0), len ? len - 1 : 0);
        break;
    case 3:
        tftp_owner_restart(owner, tape->now_ms);
        break;
    case 4:
        owner->disk_full = !owner->disk_full;
        break;
    case 5:
        owner->fsync_fails = !owner->fsync_fails;
        break;
    case 7:
        skip_to_roll(tape, take8(&rd));
        count = take8(&rd);
        put_rolled(tape, count, take8(&rd));
        break;
    case 8:
        owner->refuses = !owner->refuses;
        break;
    case 9:
        damage(tape, &rd);
        break;
    default:
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct pnd_rd rd = pnd_rd(data, len);
    static struct tape tape;

    tape.now_ms = 0;
    tape.blocks = 0;
    tftp_owner_init(&tape.owner);
    tape.owner.limits.dump_bytes_max = 8 << 20;
    for (int i = 0; i < ENTRIES_MAX && pnd_rd_left(&rd) >= 4; i++) {
        uint64_t delay = pnd_rd_be16(&rd);
        uint8_t what = pnd_rd_u8(&rd) % KINDS;
        size_t size = pnd_rd_u8(&rd);
        const uint8_t *bytes;

        if (size > pnd_rd_left(&rd))
            size = pnd_rd_left(&rd);
        bytes = pnd_rd_bytes(&rd, size);
        pass(&tape, tape.now_ms + delay * 10);
        act(&tape, what, bytes, size);
        if (tape.owner.broken)
            abort();
    }
    return 0;
}
