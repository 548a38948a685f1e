/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The extension of Apple's protocol, as the server sees it. How a session begins is in
 * panicd/extension.h. */
#include <string.h>

#include "panicd/session.h"

_Static_assert((int)PND_EXT_RX_SAVED_BYTES <= (int)PND_SESSION_SAVED_CAP, "a session can be saved");
_Static_assert((int)PND_EXT_RX_PIECES_CAP + 1 <= (int)PND_ACTIONS_CAP, "its news are actions");

static bool is_own(const uint8_t *dgram, size_t len)
{
    return pnd_ext_op(dgram, len) > PND_EXT_OPEN;
}

static void init(struct pnd_session *session, const struct pnd_rx_limits *limits)
{
    memset(&session->ext, 0, offsetof(struct pnd_ext_rx, ranges.at));
    session->ext.limits = limits;
}

static void copy(struct pnd_session *ret, const struct pnd_session *session)
{
    pnd_ext_rx_copy(&ret->ext, &session->ext);
}

static void datagram(struct pnd_session *session, const uint8_t *dgram, size_t len, uint64_t now_us,
                     struct pnd_actions *ret)
{
    struct pnd_ext_rx_news news;

    ret->count = 0;
    if (pnd_ext_rx_take(&session->ext, dgram, len, now_us, &news))
        return;
    if (news.begins)
        ret->at[ret->count++] = (struct pnd_action){.kind = PND_ACT_OPEN};
    for (unsigned i = 0; i < news.count; i++)
        ret->at[ret->count++] = (struct pnd_action){.kind = PND_ACT_WRITE,
                                                    .offset = news.at[i].offset,
                                                    .data = news.at[i].data,
                                                    .len = news.at[i].len};
}

static void answer(struct pnd_session *session, uint64_t room, bool due, uint64_t now_us,
                   struct pnd_actions *ret)
{
    session->ext.answer |= due;
    pnd_ext_rx_answer(&session->ext, room, now_us, ret);
}

static void tick(struct pnd_session *session, uint64_t now_us, struct pnd_actions *ret)
{
    pnd_ext_rx_tick(&session->ext, now_us, ret);
}

static uint64_t deadline_ms(const struct pnd_session *session)
{
    return pnd_ext_rx_deadline_ms(&session->ext);
}

static void refuse_write(struct pnd_session *session, uint64_t now_us, bool final,
                         enum pnd_refusal refusal, const char *message, struct pnd_actions *ret)
{
    pnd_ext_rx_refuse_write(&session->ext, now_us, final, refusal, message, ret);
}

static void finished(struct pnd_session *session, bool durable, uint64_t now_us,
                     struct pnd_actions *ret)
{
    pnd_ext_rx_finished(&session->ext, durable, now_us, ret);
}

static bool may_go(const struct pnd_session *session, uint64_t now_us)
{
    return pnd_ext_rx_may_go(&session->ext, now_us);
}

static void resumed(struct pnd_session *session, bool ok, uint64_t now_us, struct pnd_actions *ret)
{
    pnd_ext_rx_resumed(&session->ext, ok, PND_EXT_DGRAM_CAP, now_us, ret);
}

/* What lies behind what is held goes, unless the session knows what it is. */
static void left_span(const struct pnd_session *session, uint64_t *ret_from, uint64_t *ret_to)
{
    *ret_from = session->ext.written;
    *ret_to = session->ext.ranges.count ? UINT64_MAX : session->ext.held;
}

static const char *why_left(const struct pnd_session *session)
{
    return pnd_ext_rx_why_left(&session->ext);
}

/* What arrived out of its turn is known to nobody any more, and where zeros come next, nothing
 * would be written over it. PROTOCOL.md#kdp-12.3. */
static uint64_t cut(struct pnd_session *session)
{
    return pnd_ext_rx_cut(&session->ext);
}

static void save(const struct pnd_session *session, uint8_t *ret)
{
    pnd_ext_rx_save(&session->ext, ret);
}

static int load(struct pnd_session *session, const struct pnd_rx_limits *limits,
                const uint8_t *saved, size_t len, const char *name, uint64_t now_us)
{
    return pnd_ext_rx_load(&session->ext, limits, saved, len, name, now_us);
}

static enum pnd_rx_phase phase(const struct pnd_session *session)
{
    return session->ext.phase;
}

static const char *dump_name(const struct pnd_session *session)
{
    return session->ext.name;
}

static uint64_t end(const struct pnd_session *session)
{
    return session->ext.end > session->ext.held ? session->ext.end : session->ext.held;
}

/* Zeros are not written: the file may end before what is held does. */
static uint64_t solid(const struct pnd_session *session)
{
    return session->ext.held < session->ext.written ? session->ext.held : session->ext.written;
}

static uint64_t written(const struct pnd_session *session)
{
    return session->ext.written;
}

static uint64_t bytes(const struct pnd_session *session)
{
    return session->ext.bytes;
}

static uint64_t repeats(const struct pnd_session *session)
{
    return session->ext.repeats;
}

static uint64_t packets(const struct pnd_session *session)
{
    return session->ext.packets;
}

static uint64_t last_ms(const struct pnd_session *session)
{
    return session->ext.last_us / 1000;
}

const struct pnd_protocol pnd_protocol_ext = {
    .id = PND_PROTOCOL_EXT,
    .service = PND_SERVICE_KDP,
    .name = "kdp-ext",
    .saved_bytes = PND_EXT_RX_SAVED_BYTES,
    .turns = true,
    .grows = true,
    .is_own = is_own,
    .init = init,
    .copy = copy,
    .datagram = datagram,
    .answer = answer,
    .tick = tick,
    .deadline_ms = deadline_ms,
    .refuse_write = refuse_write,
    .finished = finished,
    .may_go = may_go,
    .left = {.resumed = resumed, .span = left_span, .why = why_left},
    .cut = cut,
    .save = save,
    .load = load,
    .phase = phase,
    .dump_name = dump_name,
    .end = end,
    .solid = solid,
    .written = written,
    .bytes = bytes,
    .repeats = repeats,
    .packets = packets,
    .last_ms = last_ms,
};
