/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a receiving session may ever do, as one function: unit tests, simulator and fuzzer put
 * every call of a session through it. It is written from PROTOCOL.md#kdp-1.12, not from the
 * session. */
#ifndef PND_TESTS_SIM_RULE_H
#define PND_TESTS_SIM_RULE_H

#include "proto/kdp_rx.h"

enum rule_call { RULE_DATAGRAM, RULE_TICK, RULE_REFUSE_WRITE, RULE_FINISHED };

/* @param before, after  the session around the call; @param dgram  NULL unless RULE_DATAGRAM
 * @return NULL, or a sentence: the rule that was broken */
const char *rule_broken(enum rule_call call, const struct pnd_kdp_rx *before,
                        const struct pnd_kdp_rx *after, const uint8_t *dgram, size_t len,
                        const struct pnd_actions *actions);

#endif
