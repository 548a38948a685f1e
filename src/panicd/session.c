/* SPDX-License-Identifier: BSD-2-Clause */
#include "panicd/session.h"

#include <string.h>

_Static_assert((int)PND_KDP_RX_SAVED_BYTES < (int)PND_SESSION_SAVED_CAP &&
                   (int)PND_EXT_RX_SAVED_BYTES == (int)PND_SESSION_SAVED_CAP,
               "the length of a record tells the protocol");

static bool is_ext(const struct pnd_session *session)
{
    return session->protocol == PND_PROTOCOL_EXT;
}

void pnd_session_init(struct pnd_session *session, enum pnd_protocol protocol,
                      const struct pnd_rx_limits *limits)
{
    session->protocol = protocol;
    if (is_ext(session)) {
        memset(&session->ext, 0, offsetof(struct pnd_ext_rx, ranges.at));
        session->ext.limits = limits;
    } else {
        pnd_kdp_rx_init(&session->kdp, limits);
    }
}

void pnd_session_copy(struct pnd_session *ret, const struct pnd_session *session)
{
    ret->protocol = session->protocol;
    if (is_ext(session))
        pnd_ext_rx_copy(&ret->ext, &session->ext);
    else
        ret->kdp = session->kdp;
}

enum pnd_rx_phase pnd_session_phase(const struct pnd_session *session)
{
    return is_ext(session) ? session->ext.phase : session->kdp.phase;
}

const char *pnd_session_name(const struct pnd_session *session)
{
    return is_ext(session) ? session->ext.name : session->kdp.name;
}

uint64_t pnd_session_end(const struct pnd_session *session)
{
    if (!is_ext(session))
        return session->kdp.end;
    return session->ext.end > session->ext.held ? session->ext.end : session->ext.held;
}

uint64_t pnd_session_solid(const struct pnd_session *session)
{
    if (!is_ext(session))
        return session->kdp.end;
    /* Zeros are not written: the file may end before what is held does. */
    return session->ext.held < session->ext.written ? session->ext.held : session->ext.written;
}

uint64_t pnd_session_written(const struct pnd_session *session)
{
    return is_ext(session) ? session->ext.written : session->kdp.end;
}

uint64_t pnd_session_packets(const struct pnd_session *session)
{
    return is_ext(session) ? session->ext.packets : session->kdp.expected;
}

uint64_t pnd_session_bytes(const struct pnd_session *session)
{
    return is_ext(session) ? session->ext.bytes : session->kdp.bytes;
}

uint64_t pnd_session_repeats(const struct pnd_session *session)
{
    return is_ext(session) ? session->ext.repeats : session->kdp.repeats;
}

uint64_t pnd_session_last_ms(const struct pnd_session *session)
{
    return is_ext(session) ? session->ext.last_us / 1000 : session->kdp.last_ms;
}

const char *pnd_session_protocol(const struct pnd_session *session)
{
    return is_ext(session) ? "kdp-ext" : "kdp";
}

bool pnd_session_may_go(const struct pnd_session *session, uint64_t now_us)
{
    return is_ext(session) ? pnd_ext_rx_may_go(&session->ext, now_us)
                           : pnd_kdp_rx_may_go(&session->kdp, now_us / 1000);
}

void pnd_session_tick(struct pnd_session *session, uint64_t now_us, struct pnd_actions *ret)
{
    if (is_ext(session))
        pnd_ext_rx_tick(&session->ext, now_us, ret);
    else
        pnd_kdp_rx_tick(&session->kdp, now_us / 1000, ret);
}

uint64_t pnd_session_deadline_ms(const struct pnd_session *session)
{
    return is_ext(session) ? pnd_ext_rx_deadline_ms(&session->ext)
                           : pnd_kdp_rx_deadline_ms(&session->kdp);
}

void pnd_session_refuse_write(struct pnd_session *session, uint64_t now_us, bool final,
                              enum pnd_refusal refusal, const char *message,
                              struct pnd_actions *ret)
{
    if (is_ext(session))
        pnd_ext_rx_refuse_write(&session->ext, now_us, final, refusal, message, ret);
    else
        pnd_kdp_rx_refuse_write(&session->kdp, now_us / 1000, final, refusal, message, ret);
}

void pnd_session_finished(struct pnd_session *session, bool durable, uint64_t now_us,
                          struct pnd_actions *ret)
{
    if (is_ext(session))
        pnd_ext_rx_finished(&session->ext, durable, now_us, ret);
    else
        pnd_kdp_rx_finished(&session->kdp, durable, now_us / 1000, ret);
}

bool pnd_session_is_left(const struct pnd_session *session)
{
    return pnd_session_phase(session) == PND_RX_LEFT;
}

size_t pnd_session_save(const struct pnd_session *session, uint8_t ret[PND_SESSION_SAVED_CAP])
{
    if (is_ext(session)) {
        pnd_ext_rx_save(&session->ext, ret);
        return PND_EXT_RX_SAVED_BYTES;
    }
    pnd_kdp_rx_save(&session->kdp, ret);
    return PND_KDP_RX_SAVED_BYTES;
}

int pnd_session_load(struct pnd_session *session, const struct pnd_rx_limits *limits,
                     const uint8_t *saved, size_t len, const char *name, uint64_t now_us)
{
    if (len == PND_EXT_RX_SAVED_BYTES) {
        session->protocol = PND_PROTOCOL_EXT;
        return pnd_ext_rx_load(&session->ext, limits, saved, len, name, now_us);
    }
    session->protocol = PND_PROTOCOL_KDP;
    return pnd_kdp_rx_load(&session->kdp, limits, saved, len, name, now_us / 1000);
}
