/* SPDX-License-Identifier: BSD-2-Clause
 *
 * TFTP, as the server sees it. A block that waits for no answer of its own, in a window, is a turn
 * by itself all the same: an ACK that is held back takes the place of the one before. */
#include "panicd/session.h"

_Static_assert((int)PND_TFTP_RX_SAVED_BYTES <= (int)PND_SESSION_SAVED_CAP,
               "a session can be saved");

enum {
    US_PER_MS = 1000,
    BACKLOG_BYTES =
        64 << 20, /* clients give up after 10 to 60 s: at 6 MiB/s it is written by then */
};

/* A request to read, too: it gets no dump, but an answer that says so. */
static bool opens(const uint8_t *dgram, size_t len)
{
    return len >= 2 && dgram[0] == 0 && (dgram[1] == PND_TFTP_WRQ || dgram[1] == PND_TFTP_RRQ);
}

static size_t build_refusal(uint8_t *ret, enum pnd_refusal refusal, const char *message)
{
    return (size_t)pnd_tftp_build_error(ret, PND_ACTIONS_REPLY_CAP, pnd_tftp_rx_error(refusal),
                                        message);
}

static void init(struct pnd_session *session, const struct pnd_rx_limits *limits)
{
    pnd_tftp_rx_init(&session->tftp, limits);
}

static void copy(struct pnd_session *ret, const struct pnd_session *session)
{
    ret->tftp = session->tftp;
}

static void datagram(struct pnd_session *session, const uint8_t *dgram, size_t len, uint64_t now_us,
                     struct pnd_actions *ret)
{
    (void)pnd_tftp_rx_datagram(&session->tftp, dgram, len, now_us / US_PER_MS, ret);
}

static void tick(struct pnd_session *session, uint64_t now_us, struct pnd_actions *ret)
{
    pnd_tftp_rx_tick(&session->tftp, now_us / US_PER_MS, ret);
}

static uint64_t deadline_ms(const struct pnd_session *session)
{
    return pnd_tftp_rx_deadline_ms(&session->tftp);
}

static void refuse_write(struct pnd_session *session, uint64_t now_us, bool final,
                         enum pnd_refusal refusal, const char *message, struct pnd_actions *ret)
{
    pnd_tftp_rx_refuse_write(&session->tftp, now_us / US_PER_MS, final, refusal, message, ret);
}

static void finished(struct pnd_session *session, bool durable, uint64_t now_us,
                     struct pnd_actions *ret)
{
    pnd_tftp_rx_finished(&session->tftp, durable, now_us / US_PER_MS, ret);
}

static bool may_go(const struct pnd_session *session, uint64_t now_us)
{
    return pnd_tftp_rx_may_go(&session->tftp, now_us / US_PER_MS);
}

static void save(const struct pnd_session *session, uint8_t *ret)
{
    pnd_tftp_rx_save(&session->tftp, ret);
}

static int load(struct pnd_session *session, const struct pnd_rx_limits *limits,
                const uint8_t *saved, size_t len, const char *name, uint64_t now_us)
{
    return pnd_tftp_rx_load(&session->tftp, limits, saved, len, name, now_us / US_PER_MS);
}

static enum pnd_rx_phase phase(const struct pnd_session *session)
{
    return session->tftp.phase;
}

static const char *dump_name(const struct pnd_session *session)
{
    return session->tftp.name;
}

/* Blocks are taken in order only, also within a window: nothing is missing before the end. */
static uint64_t end(const struct pnd_session *session)
{
    return session->tftp.end;
}

static uint64_t total(const struct pnd_session *session)
{
    return session->tftp.granted.total_bytes;
}

static uint64_t repeats(const struct pnd_session *session)
{
    return session->tftp.repeats;
}

static uint64_t packets(const struct pnd_session *session)
{
    return session->tftp.blocks;
}

static uint64_t last_ms(const struct pnd_session *session)
{
    return session->tftp.last_ms;
}

const struct pnd_protocol pnd_protocol_tftp = {
    .id = PND_PROTOCOL_TFTP,
    .service = PND_SERVICE_TFTP,
    .name = "tftp",
    .saved_bytes = PND_TFTP_RX_SAVED_BYTES,
    .backlog_bytes = BACKLOG_BYTES,
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
    .total = total,
    .solid = end,
    .written = end,
    .bytes = end,
    .repeats = repeats,
    .packets = packets,
    .last_ms = last_ms,
};
