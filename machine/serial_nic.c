/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The second serial line as an interface, polled: Ethernet frames in the framing of
 * wire/serial.h. A line has no addresses, so it has the ones that Apple's kernel gives it.
 * @source PROTOCOL.md#kdp-2.10; PC16550D Universal Asynchronous Receiver/Transmitter with FIFOs, 8
 */
#include <string.h>

#include "clock.h"
#include "io.h"
#include "memory.h"
#include "nic.h"
#include "wire/serial.h"

enum {
    PORT = 0x2f8,
    DATA = 0, /* with DIVISOR_LATCH: the divisor, here and in the next */
    INTERRUPT_ENABLE = 1,
    FIFO_CONTROL = 2, /* written; read: which interrupt, and whether there are FIFOs */
    FIFO_EMPTY_BOTH = 0x07,
    FIFO_WORKS = 0xc0,
    LINE_CONTROL = 3,
    DIVISOR_LATCH = 0x80,
    EIGHT_BITS = 0x03,
    MODEM_CONTROL = 4,
    DTR_RTS = 0x03,
    LINE_STATUS = 5,
    DATA_READY = 0x01,
    ROOM_TO_SEND = 0x20, /* the FIFO is empty */
    SCRATCH = 7,         /* keeps what it is given */
    FIFO_BYTES = 16,
    FRAME_MAX = 1514,
};

static BOX_WORK struct serial {
    struct pnd_serial_rx rx;
    unsigned burst; /* bytes that it takes at once */
    uint8_t out[PND_SERIAL_FRAME_CAP];
} serial;

static uint8_t get(unsigned reg)
{
    return box_in8((uint16_t)(PORT + reg));
}

static void set(unsigned reg, uint8_t v)
{
    box_out8((uint16_t)(PORT + reg), v);
}

static uint64_t nic_now_us(void *ctx)
{
    (void)ctx;
    return box_now_us();
}

static bool wait_for_room(void)
{
    uint64_t start_us = box_now_us();

    while (!(get(LINE_STATUS) & ROOM_TO_SEND)) {
        if (box_now_us() - start_us >= BOX_NIC_SEND_US)
            return false;
        box_pause();
    }
    return true;
}

/* Interrupted anywhere, a frame is cut off, and the next one tells the other end. */
static int nic_send(void *ctx, const void *frame, size_t len)
{
    struct serial *line = ctx;
    int bytes =
        len > FRAME_MAX ? PND_E_ARG : pnd_serial_build(line->out, sizeof(line->out), frame, len);

    if (bytes < 0)
        return bytes;
    for (unsigned i = 0; i < (unsigned)bytes; i++) {
        if (i % line->burst == 0 && !wait_for_room())
            return PND_OK; /* lost on the way out, as frames are */
        set(DATA, line->out[i]);
    }
    return PND_OK;
}

static int nic_receive(void *ctx, void *buf, size_t cap, uint64_t timeout_us)
{
    struct serial *line = ctx;
    uint64_t start_us = box_now_us();

    for (;;) {
        int len = 0;

        if (get(LINE_STATUS) & DATA_READY)
            len = pnd_serial_take(&line->rx, get(DATA));
        else
            box_pause();
        if (len > 0) {
            if ((size_t)len > cap)
                len = (int)cap;
            memcpy(buf, line->rx.packet, (size_t)len);
            return len;
        }
        if (box_now_us() - start_us >= timeout_us)
            return PND_E_TIMEOUT;
    }
}

/* Where no line is, all bits of all registers are read as ones. */
static bool is_there(void)
{
    for (unsigned v = 0x55; v <= 0xaa; v += 0x55) {
        set(SCRATCH, (uint8_t)v);
        if (get(SCRATCH) != v)
            return false;
    }
    return true;
}

bool box_serial_nic_open(struct pnd_nic *ret, const char **ret_why)
{
    struct pnd_nic out = {
        .ctx = &serial,
        .now_us = nic_now_us,
        .send = nic_send,
        .receive = nic_receive,
        .mac = {'s', 'e', 'r', 'i', 'a', 'l'},
        .mtu = BOX_NIC_MTU,
    };

    if (!is_there()) {
        *ret_why = "there is no second serial line; give QEMU two, the first is the console: "
                   "-serial stdio -serial unix:PATH,server=on";
        return false;
    }
    set(INTERRUPT_ENABLE, 0);
    set(LINE_CONTROL, DIVISOR_LATCH);
    set(DATA, 1); /* 115200 baud */
    set(INTERRUPT_ENABLE, 0);
    set(LINE_CONTROL, EIGHT_BITS);
    set(FIFO_CONTROL, FIFO_EMPTY_BOTH);
    set(MODEM_CONTROL, DTR_RTS);
    serial.burst = (get(FIFO_CONTROL) & FIFO_WORKS) == FIFO_WORKS ? FIFO_BYTES : 1;
    pnd_serial_rx_init(&serial.rx);
    *ret = out;
    return true;
}
