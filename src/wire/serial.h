/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Packets on a serial line, as Apple's kernels frame those of their debugger: packet <-> bytes. A
 * frame that is damaged, cut or too long is dropped, like everything between frames; whoever waits
 * for it asks again. PROTOCOL.md#kdp-2.10. Freestanding. */
#ifndef PND_WIRE_SERIAL_H
#define PND_WIRE_SERIAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "panicd/err.h"

/* @source PROTOCOL.md#kdp-2.10 */
enum {
    PND_SERIAL_PACKET_CAP = 1518, /* an Ethernet frame and four bytes */
    PND_SERIAL_CRC_BYTES = 4,
    PND_SERIAL_FRAME_CAP = 3 + 2 * (PND_SERIAL_CRC_BYTES + PND_SERIAL_PACKET_CAP), /* all escaped */
};

/* The frame of @p packet.
 *   @param cap  PND_SERIAL_FRAME_CAP is always enough
 *   @return its length; PND_E_ARG @p len is 0 or above PND_SERIAL_PACKET_CAP; PND_E_FULL */
int pnd_serial_build(void *buf, size_t cap, const void *packet, size_t len);

/* What has come of a frame. The packet of pnd_serial_take() is in here until the next byte. */
struct pnd_serial_rx {
    bool inside;  /* a frame has begun */
    bool has_crc; /* ... and what follows is the packet */
    bool escaped; /* the next byte is a complement */
    uint32_t crc;
    size_t len;
    uint8_t packet[PND_SERIAL_PACKET_CAP];
};

void pnd_serial_rx_init(struct pnd_serial_rx *rx);

/* The next byte of the line.
 *   @return the length of the packet that it completes, which is in rx->packet; 0 there is none
 *           yet; PND_E_FORMAT a frame is dropped that was cut or damaged; PND_E_RANGE one that is
 *           longer than PND_SERIAL_PACKET_CAP */
int pnd_serial_take(struct pnd_serial_rx *rx, uint8_t byte);

#endif
