/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Addresses and ports as people type them, and the name of this machine. */
#ifndef PND_SENDER_ADDRESS_H
#define PND_SENDER_ADDRESS_H

#include <stddef.h>
#include <stdint.h>

#include "panicd/client.h"

#include "host/why.h"

enum { PND_ADDRESS_CAP = 16 }; /* fits every dotted quad */

/* Dotted quad, or a host name where the program was built with a resolver; IPv4 only.
 *   @return PND_OK; PND_E_ARG */
int pnd_address_parse(const char *text, uint32_t *ret, struct pnd_why *why);

/* @return @p dst */
const char *pnd_address_format(char dst[PND_ADDRESS_CAP], uint32_t ip);

/* "1" to "65535". @return PND_OK; PND_E_ARG */
int pnd_port_parse(const char *text, uint16_t *ret, struct pnd_why *why);

/* ADDRESS or ADDRESS:PORT, as above.
 *   @param ret  its port is the one that counts when the text has none
 *   @return PND_OK; PND_E_ARG, and @p ret is as it was */
int pnd_endpoint_parse(const char *text, struct pnd_endpoint *ret, struct pnd_why *why);

/* The machine's name for the name of a dump: [A-Za-z0-9._+-] only. @return @p dst */
const char *pnd_hostname(char *dst, size_t cap);

#endif
