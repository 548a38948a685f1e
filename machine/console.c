/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The first serial line, a 16550, polled. */
#include "console.h"

#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

#include "client/format.h"
#include "io.h"
#include "memory.h"
#include "panic.h"

enum {
    PORT = 0x3f8,
    LINE_STATUS = 5,
    DATA_READY = 0x01,
    ROOM_TO_SEND = 0x20,
    KEPT = 16384,
    LINE_CAP = 512,
    SEND_POLLS = 1000000, /* a line that takes nothing is not waited for */
};

/* Twice the room that is promised, so that the older half can go now and then. */
static BOX_WORK struct {
    char text[2 * KEPT];
    size_t len;
    bool verbose;
    char line[LINE_CAP];
} console;

static struct {
    char text[KEPT];
    size_t at; /* where the next byte goes */
    bool wrapped;
} system_log;

void box_console_init(void)
{
    static const uint8_t setup[][2] = {
        {1, 0x00},            /* no interrupts */
        {3, 0x80},            /* the divisor */
        {0, 0x01}, {1, 0x00}, /* 115200 baud */
        {3, 0x03}, {2, 0x07}, /* 8 bits, no parity; empty FIFOs */
        {4, 0x03},            /* DTR, RTS */
    };

    for (size_t i = 0; i < sizeof(setup) / sizeof(setup[0]); i++)
        box_out8(PORT + setup[i][0], setup[i][1]);
}

static void keep_in_ring(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        system_log.text[system_log.at++] = text[i];
        if (system_log.at == sizeof(system_log.text)) {
            system_log.at = 0;
            system_log.wrapped = true;
        }
    }
}

const void *box_system_log(unsigned part, size_t *ret_len)
{
    if (part == 0 && system_log.wrapped) {
        *ret_len = sizeof(system_log.text) - system_log.at;
        return system_log.text + system_log.at;
    }
    *ret_len = system_log.at;
    return part == (system_log.wrapped ? 1U : 0U) ? system_log.text : NULL;
}

static void keep(const char *text, size_t len)
{
    if (len > KEPT) {
        text += len - KEPT;
        len = KEPT;
    }
    if (len > sizeof(console.text) - console.len) {
        memmove(console.text, console.text + console.len - KEPT, KEPT);
        console.len = KEPT;
    }
    memcpy(console.text + console.len, text, len);
    console.len += len;
}

void box_print(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        for (int polls = SEND_POLLS; polls > 0; polls--)
            if (box_in8(PORT + LINE_STATUS) & ROOM_TO_SEND)
                break;
        box_out8(PORT, (uint8_t)text[i]);
    }
    if (!box_panic_active())
        keep_in_ring(text, len);
    keep(text, len);
}

static void print_line(const char *format, va_list args) __attribute__((format(printf, 1, 0)));

static void print_line(const char *format, va_list args)
{
    box_print(console.line, pnd_vformat(console.line, sizeof(console.line), format, args));
}

void box_printf(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    print_line(format, args);
    va_end(args);
}

void box_kprintf(const char *format, ...)
{
    va_list args;

    if (!console.verbose)
        return;
    va_start(args, format);
    print_line(format, args);
    va_end(args);
}

void box_console_verbose(int on)
{
    console.verbose = on != 0;
}

int box_key(void)
{
    return box_in8(PORT + LINE_STATUS) & DATA_READY ? box_in8(PORT) : -1;
}

void box_console_mark(void)
{
    console.len = 0;
}

const void *box_console_printed(size_t *ret_len)
{
    size_t len = console.len < KEPT ? console.len : KEPT;

    *ret_len = len;
    return console.text + console.len - len;
}
