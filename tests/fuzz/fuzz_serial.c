/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Any bytes as a serial line: a packet that is taken from it can be framed again, and comes back.
 * And the bytes as a packet. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "wire/serial.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* @p rx is anywhere; a frame is understood nevertheless. */
static void check_frame(struct pnd_serial_rx *rx, const uint8_t *packet, size_t len)
{
    static uint8_t frame[PND_SERIAL_FRAME_CAP];
    int bytes = pnd_serial_build(frame, sizeof(frame), packet, len), got = 0;

    if (bytes < (int)len + 3 + PND_SERIAL_CRC_BYTES || frame[bytes - 1] != 0xfb)
        abort();
    for (int i = 0; i < bytes; i++) {
        got = pnd_serial_take(rx, frame[i]);
        if (got > 0 && i + 1 < bytes)
            abort();
    }
    if (got != (int)len || memcmp(rx->packet, packet, len) != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static struct pnd_serial_rx rx, second;
    static uint8_t packet[PND_SERIAL_PACKET_CAP];

    pnd_serial_rx_init(&rx);
    pnd_serial_rx_init(&second);
    for (size_t i = 0; i < len; i++) {
        int got = pnd_serial_take(&rx, data[i]);

        if (got > PND_SERIAL_PACKET_CAP || (got < 0 && got != PND_E_FORMAT && got != PND_E_RANGE))
            abort();
        if (got <= 0)
            continue;
        memcpy(packet, rx.packet, (size_t)got);
        check_frame(&second, packet, (size_t)got);
    }
    if (len > 0 && len <= PND_SERIAL_PACKET_CAP)
        check_frame(&rx, data, len);
    return 0;
}
