/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Is there a dump server: see probe.h. */
#include "sender/probe.h"

#include <stdbool.h>

#include "wire/kdp.h"

static const uint8_t question[] = "\0\2panicd-probe\0none"; /* and the NUL of the string */

/* Waits until @p end_us for an answer of @p server. */
static int hear(const struct pnd_link *link, uint32_t server_ip, uint64_t end_us)
{
    uint64_t now_us;

    while ((now_us = link->now_us(link->ctx)) < end_us) {
        struct pnd_endpoint from;
        struct pnd_kdp_packet answer;
        uint8_t dgram[PND_KDP_ERROR_CAP];
        int len = link->receive(link->ctx, dgram, sizeof(dgram), end_us - now_us, &from);

        if (len == PND_E_TIMEOUT)
            continue;
        if (len < 0)
            return len;
        if (from.ip == server_ip && pnd_kdp_parse_answer(dgram, (size_t)len, &answer) == PND_OK)
            return PND_OK;
    }
    return PND_E_TIMEOUT;
}

int pnd_probe(const struct pnd_link *link, struct pnd_endpoint server, uint64_t *ret_us)
{
    uint64_t start_us = link->now_us(link->ctx);
    int err = PND_E_TIMEOUT;

    for (int i = 0; i < PND_PROBE_TRIES && err == PND_E_TIMEOUT; i++) {
        uint64_t sent_us = link->now_us(link->ctx);

        err = link->send(link->ctx, server, question, sizeof(question));
        if (!err)
            err = hear(link, server.ip, sent_us + PND_PROBE_STEP_US);
    }
    if (!err)
        *ret_us = link->now_us(link->ctx) - start_us;
    return err;
}
