/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Packets on a serial line; see serial.h. */
#include "wire/serial.h"

#include "wire/crc32.h"
#include "wire/cursor.h"

/* @source PROTOCOL.md#kdp-2.10 */
enum {
    START = 0xfa, /* before the checksum, and again between it and the packet */
    END = 0xfb,
    ESCAPE = 0xfe, /* the complement of a byte follows */
};

static void put(struct pnd_wr *wr, uint8_t byte)
{
    if (byte == START || byte == END || byte == ESCAPE || byte == '\n') {
        pnd_wr_u8(wr, ESCAPE);
        byte = (uint8_t)~byte;
    }
    pnd_wr_u8(wr, byte);
}

int pnd_serial_build(void *buf, size_t cap, const void *packet, size_t len)
{
    struct pnd_wr wr = pnd_wr(buf, cap);
    const uint8_t *bytes = packet;
    uint32_t crc;

    if (len == 0 || len > PND_SERIAL_PACKET_CAP)
        return PND_E_ARG;
    crc = pnd_crc32(0, packet, len);
    pnd_wr_u8(&wr, START);
    for (unsigned i = 0; i < PND_SERIAL_CRC_BYTES; i++)
        put(&wr, (uint8_t)(crc >> 8 * i));
    pnd_wr_u8(&wr, START);
    for (size_t i = 0; i < len; i++)
        put(&wr, bytes[i]);
    pnd_wr_u8(&wr, END);
    return pnd_wr_ok(&wr) ? (int)pnd_wr_len(&wr) : PND_E_FULL;
}

void pnd_serial_rx_init(struct pnd_serial_rx *rx)
{
    memset(rx, 0, sizeof(*rx));
}

static int drop(struct pnd_serial_rx *rx, int why)
{
    rx->inside = false;
    return why;
}

/* Behind four bytes it is the second of a frame, wherever the first was: so a frame that is cut off
 * anywhere takes only itself away, and not the next one. */
static int on_start(struct pnd_serial_rx *rx)
{
    struct pnd_rd rd = pnd_rd(rx->packet, rx->len);
    uint32_t crc = pnd_rd_le32(&rd);
    bool second = rx->inside && !rx->escaped && rx->len == PND_SERIAL_CRC_BYTES;
    bool cut = rx->inside && (rx->has_crc || !second);

    rx->inside = true;
    rx->has_crc = second;
    rx->escaped = false;
    rx->crc = crc;
    rx->len = 0;
    return cut ? PND_E_FORMAT : 0;
}

static int on_end(struct pnd_serial_rx *rx)
{
    if (!rx->inside)
        return 0;
    if (rx->escaped || !rx->has_crc || rx->len == 0 || pnd_crc32(0, rx->packet, rx->len) != rx->crc)
        return drop(rx, PND_E_FORMAT);
    rx->inside = false;
    return (int)rx->len;
}

int pnd_serial_take(struct pnd_serial_rx *rx, uint8_t byte)
{
    if (byte == START)
        return on_start(rx);
    if (byte == END)
        return on_end(rx);
    if (!rx->inside)
        return 0;
    if (byte == ESCAPE) {
        if (rx->escaped)
            return drop(rx, PND_E_FORMAT);
        rx->escaped = true;
        return 0;
    }
    if (!rx->has_crc && rx->len == PND_SERIAL_CRC_BYTES)
        return drop(rx, PND_E_FORMAT);
    if (rx->len == sizeof(rx->packet))
        return drop(rx, PND_E_RANGE);
    rx->packet[rx->len++] = rx->escaped ? (uint8_t)~byte : byte;
    rx->escaped = false;
    return 0;
}
