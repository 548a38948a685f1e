/* SPDX-License-Identifier: BSD-2-Clause */
#include "panicd/extension.h"

#include <string.h>
#include <sys/random.h>

#include "host/clock.h"
#include "panicd/receive.h"
#include "panicd/transfer.h"
#include "wire/ext.h"

/* The sender is asked to show that it hears us; nothing is kept of it. */
static void send_grant(struct pnd_server *server, const struct pnd_origin *from)
{
    uint8_t reply[PND_EXT_GRANT_BYTES], cookie[PND_EXT_COOKIE_BYTES];

    if (pnd_cookie_make(&server->cookie_key, from, pnd_clock_ms(), cookie))
        return;
    pnd_ext_build_grant(reply, sizeof(reply), PND_KDP_FEATURES, cookie);
    pnd_net_reply(server->net, from, reply, sizeof(reply));
}

static bool is_extended_wrq(const struct pnd_server *server, const uint8_t *data, size_t len)
{
    struct pnd_kdp_packet wrq;

    return server->config.extension && pnd_protocol_kdp.opens(data, len) &&
           !pnd_kdp_parse(data, len, &wrq) && wrq.features & PND_EXT_FEATURE;
}

static struct pnd_slot *find_dump(struct pnd_server *server, const uint8_t id[PND_EXT_ID_BYTES])
{
    for (uint32_t i = 0; i < pnd_table_size(server->table); i++) {
        struct pnd_slot *slot = pnd_table_at(server->table, i);

        if (slot->class != PND_CLASS_FREE && slot->session.protocol == &pnd_protocol_ext &&
            memcmp(slot->session.ext.id, id, PND_EXT_ID_BYTES) == 0)
            return slot;
    }
    return NULL;
}

/* The slot that an OPEN is for: that of its dump, moved to where the sender is now, or one for a
 * dump that begins. NULL: none, and the sender has heard what there is to say. */
static struct pnd_slot *slot_for(struct pnd_server *server, const struct pnd_origin *from,
                                 const struct pnd_ext_open *open)
{
    struct pnd_slot *here = pnd_table_find(server->table, from);
    struct pnd_slot *slot = find_dump(server, open->id);

    if (slot && slot == here)
        return slot;
    if (here) {
        if (!pnd_receive_may_replace(server, here, from))
            return NULL;
        pnd_receive_clear_slot(server, here);
    }
    if (!slot)
        return pnd_receive_take_slot(server, from, &pnd_protocol_ext);
    pnd_table_move(server->table, slot, from);
    pnd_server_save_who(server, slot);
    return slot;
}

static void on_open(struct pnd_server *server, const struct pnd_origin *from, const uint8_t *data,
                    size_t len)
{
    struct pnd_actions actions;
    struct pnd_ext_open open;
    struct pnd_session next;
    struct pnd_slot *slot;
    uint32_t token;

    if (!server->config.extension || pnd_ext_parse_open(data, len, &open) ||
        getrandom(&token, sizeof(token), 0) != (ssize_t)sizeof(token)) {
        server->counters.garbage++;
        return;
    }
    if (!pnd_cookie_right(&server->cookie_key, from, pnd_clock_ms(), open.cookie)) {
        send_grant(server, from);
        return;
    }
    slot = slot_for(server, from, &open);
    if (!slot)
        return;
    slot->packets++;
    slot->origin.sock = from->sock;
    slot->origin.local = from->local;
    pnd_session_copy(&next, &slot->session);
    pnd_ext_rx_open(&next.ext, &server->config.limits, &open, token, PND_EXT_DGRAM_CAP,
                    pnd_clock_us(), &actions);
    pnd_transfer_run(server, slot, &next, &actions, from);
    pnd_transfer_settle(server, slot);
}

bool pnd_extension_aside(struct pnd_server *server, const struct pnd_origin *from,
                         const uint8_t *dgram, size_t len)
{
    if (pnd_ext_op(dgram, len) == PND_EXT_OPEN)
        on_open(server, from, dgram, len);
    else if (is_extended_wrq(server, dgram, len))
        send_grant(server, from);
    else
        return false;
    return true;
}
