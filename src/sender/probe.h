/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Is there a dump server? Asked in a way that leaves nothing behind there: a write request in a
 * mode that no server of the protocol has, which each answers with an ERROR before it makes a file.
 * @source PROTOCOL.md#kdp-1.2 (clause 6), #kdp-1.14 (clause 6) */
#ifndef PND_SENDER_PROBE_H
#define PND_SENDER_PROBE_H

#include <stdint.h>

#include "panicd/client.h"

enum { PND_PROBE_TRIES = 3, PND_PROBE_STEP_US = 250000 }; /* at most 0.75 s */

/* Whatever it answers, an ERROR or an ACK, from any of its ports, is an answer. It says nothing of
 * what the server would do with a dump: whether this machine is allowed, whether there is room.
 *   @param ret_us  from the question to its answer
 *   @return PND_OK it answers; PND_E_TIMEOUT; PND_E_REFUSED the platform says that nobody listens;
 *           what the link's functions return */
int pnd_probe(const struct pnd_link *link, struct pnd_endpoint server, uint64_t *ret_us);

#endif
