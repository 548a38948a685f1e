/* SPDX-License-Identifier: BSD-2-Clause
 *
 * FreeBSD's netdump, as the server sees it. It has no word for "no": whoever is refused hears
 * nothing. @source PROTOCOL.md#netdump-1 to #netdump-8 */
#include "panicd/session.h"
#include "store/beside.h"
#include "wire/netdump.h"

_Static_assert((int)PND_NETDUMP_RX_SAVED_BYTES <= (int)PND_SESSION_SAVED_CAP,
               "a session can be saved");
_Static_assert((int)PND_NETDUMP_RX_PATH_CAP <= (int)PND_RX_NAME_CAP, "its path can, too");
_Static_assert((int)PND_NETDUMP_RX_KEY_CAP <= (int)PND_BESIDE_BYTES_MAX, "a key fits its file");

enum {
    US_PER_MS = 1000,
    /* Within the 12 s after which a client gives up, a disk has to write no more than 6 MiB/s. */
    BACKLOG_BYTES = 64 << 20,
};

static bool opens(const uint8_t *dgram, size_t len)
{
    struct pnd_netdump_packet packet;

    return pnd_netdump_parse(dgram, len, &packet) == PND_OK && packet.type == PND_NETDUMP_HERALD;
}

static void init(struct pnd_session *session, const struct pnd_rx_limits *limits)
{
    pnd_netdump_rx_init(&session->netdump, limits);
}

static void copy(struct pnd_session *ret, const struct pnd_session *session)
{
    pnd_netdump_rx_copy(&ret->netdump, &session->netdump);
}

static void datagram(struct pnd_session *session, const uint8_t *dgram, size_t len, uint64_t now_us,
                     struct pnd_actions *ret)
{
    (void)pnd_netdump_rx_datagram(&session->netdump, dgram, len, now_us / US_PER_MS, ret);
}

static void tick(struct pnd_session *session, uint64_t now_us, struct pnd_actions *ret)
{
    pnd_netdump_rx_tick(&session->netdump, now_us / US_PER_MS, ret);
}

static uint64_t deadline_ms(const struct pnd_session *session)
{
    return pnd_netdump_rx_deadline_ms(&session->netdump);
}

static void refuse_write(struct pnd_session *session, uint64_t now_us, bool final,
                         enum pnd_refusal refusal, const char *message, struct pnd_actions *ret)
{
    (void)refusal;
    pnd_netdump_rx_refuse_write(&session->netdump, now_us / US_PER_MS, final, message, ret);
}

static void finished(struct pnd_session *session, bool durable, uint64_t now_us,
                     struct pnd_actions *ret)
{
    pnd_netdump_rx_finished(&session->netdump, durable, now_us / US_PER_MS, ret);
}

static bool may_go(const struct pnd_session *session, uint64_t now_us)
{
    return pnd_netdump_rx_may_go(&session->netdump, now_us / US_PER_MS);
}

static void save(const struct pnd_session *session, uint8_t *ret)
{
    pnd_netdump_rx_save(&session->netdump, ret);
}

static int load(struct pnd_session *session, const struct pnd_rx_limits *limits,
                const uint8_t *saved, size_t len, const char *name, uint64_t now_us)
{
    return pnd_netdump_rx_load(&session->netdump, limits, saved, len, name, now_us / US_PER_MS);
}

static unsigned beside(const struct pnd_session *session)
{
    return (session->netdump.has_header ? 1U << PND_BESIDE_HEADER : 0) |
           (session->netdump.has_key ? 1U << PND_BESIDE_KEY : 0);
}

static uint64_t end(const struct pnd_session *session)
{
    return session->netdump.end;
}

static uint64_t solid(const struct pnd_session *session)
{
    return pnd_netdump_rx_solid(&session->netdump);
}

/* The holes; and behind them what the header announces, or nobody knows what. */
static int missing(const struct pnd_session *session, uint64_t from, struct pnd_span *ret)
{
    const struct pnd_netdump_rx *rx = &session->netdump;
    bool blurred = rx->blurred;
    uint64_t last = blurred ? pnd_netdump_rx_solid(rx) : rx->end;
    struct pnd_span tail = {.start = from > last ? from : last,
                            .end = blurred || !rx->length ? UINT64_MAX : rx->length};

    if (pnd_netdump_rx_missing(rx, from, ret) == PND_OK)
        return PND_OK;
    if (tail.start >= tail.end)
        return PND_E_NOTFOUND;
    *ret = tail;
    return PND_OK;
}

static enum pnd_rx_phase phase(const struct pnd_session *session)
{
    return session->netdump.phase;
}

static const char *dump_name(const struct pnd_session *session)
{
    return session->netdump.path;
}

static uint64_t bytes(const struct pnd_session *session)
{
    return session->netdump.bytes;
}

static uint64_t repeats(const struct pnd_session *session)
{
    return session->netdump.repeats;
}

static uint64_t packets(const struct pnd_session *session)
{
    return session->netdump.packets;
}

static uint64_t last_ms(const struct pnd_session *session)
{
    return session->netdump.last_ms;
}

const struct pnd_protocol pnd_protocol_netdump = {
    .id = PND_PROTOCOL_NETDUMP,
    .service = PND_SERVICE_NETDUMP,
    .name = "netdump",
    .saved_bytes = PND_NETDUMP_RX_SAVED_BYTES,
    .turns = true,
    .prefix = "vmcore",
    .backlog_bytes = BACKLOG_BYTES,
    .opens = opens,
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
    .beside = beside,
    .missing = missing,
    .phase = phase,
    .dump_name = dump_name,
    .end = end,
    .solid = solid,
    .written = end,
    .bytes = bytes,
    .repeats = repeats,
    .packets = packets,
    .last_ms = last_ms,
};
