/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Apple's protocol, as the server sees it. */
#include "panicd/session.h"

_Static_assert((int)PND_KDP_RX_SAVED_BYTES <= (int)PND_SESSION_SAVED_CAP, "a session can be saved");

enum { US_PER_MS = 1000 };

static bool opens(const uint8_t *dgram, size_t len)
{
    return len >= 2 && dgram[0] == 0 && dgram[1] == PND_KDP_WRQ;
}

static size_t build_refusal(uint8_t *ret, enum pnd_refusal refusal, const char *message)
{
    return (size_t)pnd_kdp_build_error(ret, PND_ACTIONS_REPLY_CAP, pnd_kdp_rx_error(refusal),
                                       message);
}

static void init(struct pnd_session *session, const struct pnd_rx_limits *limits)
{
    pnd_kdp_rx_init(&session->kdp, limits);
}

static void copy(struct pnd_session *ret, const struct pnd_session *session)
{
    ret->kdp = session->kdp;
}

static void datagram(struct pnd_session *session, const uint8_t *dgram, size_t len, uint64_t now_us,
                     struct pnd_actions *ret)
{
    (void)pnd_kdp_rx_datagram(&session->kdp, dgram, len, now_us / US_PER_MS, ret);
}

static void tick(struct pnd_session *session, uint64_t now_us, struct pnd_actions *ret)
{
    pnd_kdp_rx_tick(&session->kdp, now_us / US_PER_MS, ret);
}

static uint64_t deadline_ms(const struct pnd_session *session)
{
    return pnd_kdp_rx_deadline_ms(&session->kdp);
}

static void refuse_write(struct pnd_session *session, uint64_t now_us, bool final,
                         enum pnd_refusal refusal, const char *message, struct pnd_actions *ret)
{
    pnd_kdp_rx_refuse_write(&session->kdp, now_us / US_PER_MS, final, refusal, message, ret);
}

static void finished(struct pnd_session *session, bool durable, uint64_t now_us,
                     struct pnd_actions *ret)
{
    pnd_kdp_rx_finished(&session->kdp, durable, now_us / US_PER_MS, ret);
}

static bool may_go(const struct pnd_session *session, uint64_t now_us)
{
    return pnd_kdp_rx_may_go(&session->kdp, now_us / US_PER_MS);
}

static void save(const struct pnd_session *session, uint8_t *ret)
{
    pnd_kdp_rx_save(&session->kdp, ret);
}

static int load(struct pnd_session *session, const struct pnd_rx_limits *limits,
                const uint8_t *saved, size_t len, const char *name, uint64_t now_us)
{
    return pnd_kdp_rx_load(&session->kdp, limits, saved, len, name, now_us / US_PER_MS);
}

static enum pnd_rx_phase phase(const struct pnd_session *session)
{
    return session->kdp.phase;
}

static const char *dump_name(const struct pnd_session *session)
{
    return session->kdp.name;
}

/* Blocks are taken in order only: nothing is missing before the end. */
static uint64_t end(const struct pnd_session *session)
{
    return session->kdp.end;
}

static uint64_t bytes(const struct pnd_session *session)
{
    return session->kdp.bytes;
}

static uint64_t repeats(const struct pnd_session *session)
{
    return session->kdp.repeats;
}

static uint64_t packets(const struct pnd_session *session)
{
    return session->kdp.expected;
}

static uint64_t last_ms(const struct pnd_session *session)
{
    return session->kdp.last_ms;
}

const struct pnd_protocol pnd_protocol_kdp = {
    .id = PND_PROTOCOL_KDP,
    .service = PND_SERVICE_KDP,
    .name = "kdp",
    .saved_bytes = PND_KDP_RX_SAVED_BYTES,
    .opens = opens,
    .build_refusal = build_refusal,
    .init = init,
    .copy = copy,
    .datagram = datagram,
    .tick = tick,
    .deadline_ms = deadline_ms,
    .refuse_write = refuse_write,
    .finished = finished,
    .may_go = may_go,
    .save = save,
    .load = load,
    .phase = phase,
    .dump_name = dump_name,
    .end = end,
    .solid = end,
    .written = end,
    .bytes = bytes,
    .repeats = repeats,
    .packets = packets,
    .last_ms = last_ms,
};
