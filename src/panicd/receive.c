/* SPDX-License-Identifier: BSD-2-Clause */
#include "panicd/receive.h"

#include "host/clock.h"
#include "panicd/service.h"
#include "panicd/transfer.h"

struct pnd_slot *pnd_receive_take_slot(struct pnd_server *server, const struct pnd_origin *from,
                                       const struct pnd_protocol *protocol)
{
    struct pnd_slot displaced, *slot = pnd_table_take(server->table, from, &displaced);

    if (displaced.class != PND_CLASS_FREE) {
        pnd_transfer_let_go(server, &displaced, PND_JOB_DISCARD, NULL);
        pnd_journal_clear(server->journal, displaced.index);
    }
    if (slot)
        pnd_session_init(&slot->session, protocol, &server->config.limits);
    else
        pnd_transfer_refuse(server, from, PND_RULE_TRANSFERS);
    return slot;
}

void pnd_receive_clear_slot(struct pnd_server *server, struct pnd_slot *slot)
{
    if (pnd_session_phase(&slot->session) == PND_RX_LIVE)
        pnd_transfer_let_go(server, slot, PND_JOB_ABANDON, "the sender started another dump");
    pnd_transfer_let_go(server, slot, PND_JOB_DISCARD, NULL);
    pnd_journal_clear(server->journal, slot->index);
    pnd_table_free(server->table, slot);
}

bool pnd_receive_may_replace(struct pnd_server *server, const struct pnd_slot *slot,
                             const struct pnd_origin *from)
{
    enum pnd_rule rule;

    if (!slot->session.protocol->may_go(&slot->session, pnd_clock_us()))
        return false;
    rule = pnd_policy_admit(server, from);
    if (rule == PND_RULE_NONE)
        return true;
    pnd_transfer_refuse(server, from, rule);
    return false;
}

/* The slot for a datagram that no turn under way has taken: the peer's, or one for a dump that
 * begins. NULL: none, and the sender has heard what there is to say. */
static struct pnd_slot *slot_for(struct pnd_server *server, const struct pnd_origin *from,
                                 const uint8_t *dgram, size_t len)
{
    const struct pnd_protocol *fresh = pnd_protocol(pnd_service(from->service)->protocol);
    struct pnd_slot *slot = pnd_table_find(server->table, from);
    const struct pnd_protocol *protocol = slot ? slot->session.protocol : NULL;

    if (slot && (!protocol->is_own || protocol->is_own(dgram, len)))
        return slot;
    if (!fresh->opens(dgram, len)) {
        server->counters.garbage += !slot;
        return NULL;
    }
    if (slot) { /* it spoke another protocol before */
        if (!pnd_receive_may_replace(server, slot, from))
            return NULL;
        pnd_receive_clear_slot(server, slot);
    }
    return pnd_receive_take_slot(server, from, fresh);
}

static void on_datagram(struct pnd_server *server, const struct pnd_origin *from,
                        const uint8_t *dgram, size_t len, uint64_t now_us)
{
    const struct pnd_service_is *service = pnd_service(from->service);
    struct pnd_slot *slot;

    pnd_turn_end(server);
    if (service->aside && service->aside(server, from, dgram, len))
        return;
    slot = slot_for(server, from, dgram, len);
    if (!slot)
        return;
    if (slot->session.protocol->turns)
        pnd_turn_take(server, slot, from, dgram, len, now_us);
    else
        pnd_turn_alone(server, slot, from, dgram, len, now_us);
}

/* Is the slot's sender one whose datagrams make turns, and this one of them? */
static bool goes_on(const struct pnd_slot *slot, const uint8_t *dgram, size_t len)
{
    const struct pnd_protocol *protocol = slot->session.protocol;

    return protocol->turns && (!protocol->is_own || protocol->is_own(dgram, len));
}

static void on_datagrams(const struct pnd_origin *from, const uint8_t *data, size_t len,
                         size_t segment, void *ctx)
{
    struct pnd_server *server = ctx;
    struct pnd_slot *slot = pnd_table_find(server->table, from);
    uint64_t now_us = pnd_clock_us();

    do {
        size_t part = segment && segment < len ? segment : len;

        if (slot && goes_on(slot, data, part)) {
            pnd_turn_take(server, slot, from, data, part, now_us);
            if (server->turn.slot != slot) /* it has ended, and perhaps the slot is free */
                slot = pnd_table_find(server->table, from);
        } else {
            on_datagram(server, from, data, part, now_us);
            slot = pnd_table_find(server->table, from);
        }
        data += part;
        len -= part;
    } while (len);
}

static void on_batch_end(void *ctx)
{
    pnd_turn_end(ctx);
}

struct pnd_net_handler pnd_receive_handler(struct pnd_server *server)
{
    return (struct pnd_net_handler){
        .datagrams = on_datagrams, .batch_end = on_batch_end, .ctx = server};
}
