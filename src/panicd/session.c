/* SPDX-License-Identifier: BSD-2-Clause */
#include "panicd/session.h"

static const struct pnd_protocol *const protocols[PND_PROTOCOLS] = {
    [PND_PROTOCOL_KDP] = &pnd_protocol_kdp,
    [PND_PROTOCOL_EXT] = &pnd_protocol_ext,
    [PND_PROTOCOL_NETDUMP] = &pnd_protocol_netdump,
    [PND_PROTOCOL_TFTP] = &pnd_protocol_tftp,
};

const struct pnd_protocol *pnd_protocol(unsigned id)
{
    return id < PND_PROTOCOLS ? protocols[id] : NULL;
}

void pnd_session_init(struct pnd_session *session, const struct pnd_protocol *protocol,
                      const struct pnd_rx_limits *limits)
{
    session->protocol = protocol;
    protocol->init(session, limits);
}

void pnd_session_copy(struct pnd_session *ret, const struct pnd_session *session)
{
    ret->protocol = session->protocol;
    session->protocol->copy(ret, session);
}

enum pnd_rx_phase pnd_session_phase(const struct pnd_session *session)
{
    return session->protocol ? session->protocol->phase(session) : PND_RX_NEW;
}

const char *pnd_session_name(const struct pnd_session *session)
{
    return session->protocol->dump_name(session);
}

uint64_t pnd_session_end(const struct pnd_session *session)
{
    return session->protocol->end(session);
}

uint64_t pnd_session_total(const struct pnd_session *session)
{
    return session->protocol->total ? session->protocol->total(session) : 0;
}

uint64_t pnd_session_solid(const struct pnd_session *session)
{
    return session->protocol->solid(session);
}

uint64_t pnd_session_written(const struct pnd_session *session)
{
    return session->protocol->written(session);
}

uint64_t pnd_session_bytes(const struct pnd_session *session)
{
    return session->protocol->bytes(session);
}

uint64_t pnd_session_repeats(const struct pnd_session *session)
{
    return session->protocol->repeats(session);
}

uint64_t pnd_session_packets(const struct pnd_session *session)
{
    return session->protocol->packets(session);
}

uint64_t pnd_session_last_ms(const struct pnd_session *session)
{
    return session->protocol->last_ms(session);
}

bool pnd_session_is_left(const struct pnd_session *session)
{
    return pnd_session_phase(session) == PND_RX_LEFT;
}

size_t pnd_session_save(const struct pnd_session *session, uint8_t ret[PND_SESSION_SAVED_CAP])
{
    session->protocol->save(session, ret);
    return session->protocol->saved_bytes;
}

int pnd_session_load(struct pnd_session *session, unsigned id, const struct pnd_rx_limits *limits,
                     const uint8_t *saved, size_t len, const char *name, uint64_t now_us)
{
    const struct pnd_protocol *protocol = pnd_protocol(id);

    if (!protocol)
        return PND_E_FORMAT;
    session->protocol = protocol;
    return protocol->load(session, limits, saved, len, name, now_us);
}
