/* SPDX-License-Identifier: BSD-2-Clause
 *
 * How a session of the extension begins: a WRQ that offers it draws a cookie and is forgotten; an
 * OPEN with that cookie takes a slot, or moves the one of its dump. PROTOCOL.md#kdp-12.1. */
#ifndef PND_PANICD_EXTENSION_H
#define PND_PANICD_EXTENSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pnd_server;
struct pnd_origin;

/* As in panicd/service.h. */
bool pnd_extension_aside(struct pnd_server *server, const struct pnd_origin *from,
                         const uint8_t *dgram, size_t len);

#endif
