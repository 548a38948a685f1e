/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A tape drives a session under the model owner of tests/sim, which puts every call through the
 * rules of tests/sim/rule.c. The tape is a row of entries:
 *     delay u16 (units of 10 ms)  what u8  len u8  bytes[len]
 * what: 0 a datagram as it stands, 1 the same with the block that the session expects put into it,
 * 2 with the one before, 3 a restart, 4 the disk fills up or empties, 5 fsync fails or works,
 * 6 nothing but the delay, 7 a datagram 16 times as long (its last byte repeated), 8 the journal
 * is damaged at bytes[0] by bytes[1], and a session loaded from that is used. */
#include <stdlib.h>
#include <string.h>

#include "sim/owner.h"
#include "wire/cursor.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { ENTRIES_MAX = 400 };

/* Runs the clock up to @p until_ms with a tick at every deadline, as an event loop does. */
static void pass(struct owner *owner, uint64_t until_ms)
{
    for (int turns = 0; turns < 8 && owner_deadline_ms(owner) <= until_ms; turns++)
        owner_tick(owner, owner_deadline_ms(owner));
    owner_tick(owner, until_ms);
}

static void send(struct owner *owner, uint8_t what, const uint8_t *bytes, size_t len,
                 uint64_t now_ms)
{
    size_t whole = what == 7 ? len * 16 : len;
    uint8_t *dgram = malloc(whole ? whole : 1);
    uint32_t block = owner->rx.expected - (what == 2);

    if (!dgram)
        abort();
    memset(dgram, len ? bytes[len - 1] : 0, whole);
    if (len)
        memcpy(dgram, bytes, len);
    if ((what == 1 || what == 2) && len >= 6) {
        struct pnd_wr wr = pnd_wr(dgram + 2, 4);

        pnd_wr_be32(&wr, block);
    }
    owner_datagram(owner, dgram, whole, now_ms);
    free(dgram);
}

static void act(struct owner *owner, uint8_t what, const uint8_t *bytes, size_t len,
                uint64_t now_ms)
{
    switch (what) {
    case 3:
        owner_restart(owner, now_ms);
        break;
    case 4:
        owner->disk_full = !owner->disk_full;
        break;
    case 5:
        owner->fsync_fails = !owner->fsync_fails;
        break;
    case 6:
        break;
    case 8:
        if (len >= 2 && owner->journal_used) {
            struct pnd_kdp_rx rx;

            owner->journal[bytes[0] % PND_KDP_RX_SAVED_BYTES] ^= bytes[1];
            /* The model files match the true journal; a damaged one only must not crash. */
            if (pnd_kdp_rx_load(&rx, &owner->limits, owner->journal, sizeof(owner->journal),
                                owner->journal_name, now_ms) == PND_OK) {
                struct pnd_actions actions;

                pnd_kdp_rx_datagram(&rx, bytes, len, now_ms, &actions);
                pnd_kdp_rx_tick(&rx, pnd_kdp_rx_deadline_ms(&rx), &actions);
            }
            owner->journal[bytes[0] % PND_KDP_RX_SAVED_BYTES] ^= bytes[1];
        }
        break;
    default:
        send(owner, what, bytes, len, now_ms);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct pnd_rd rd = pnd_rd(data, len);
    struct owner owner;
    uint64_t now_ms = 0;

    owner_init(&owner);
    owner.limits.dump_bytes_max = OWNER_DUMP_BYTES_CAP;
    for (int i = 0; i < ENTRIES_MAX && pnd_rd_left(&rd) >= 4; i++) {
        uint64_t delay = pnd_rd_be16(&rd);
        uint8_t what = pnd_rd_u8(&rd) % 9;
        size_t size = pnd_rd_u8(&rd);
        const uint8_t *bytes;

        if (size > pnd_rd_left(&rd))
            size = pnd_rd_left(&rd);
        bytes = pnd_rd_bytes(&rd, size);
        now_ms += delay * 10;
        pass(&owner, now_ms);
        act(&owner, what, bytes, size, now_ms);
        if (owner.broken)
            abort();
        if (owner.replies > owner.datagrams + 8 * (owner.accepted + 1))
            abort();
    }
    owner_deinit(&owner);
    return 0;
}
