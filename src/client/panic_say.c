/* SPDX-License-Identifier: BSD-2-Clause
 *
 * How the panic routine speaks: whole lines, printed at once, without a byte that came from outside
 * and that a console would obey. Freestanding. */
#include "client/panic.h"

#include "client/format.h"
#include "wire/divide.h"

static void end_line(struct panic *p)
{
    if (p->mid_line)
        p->platform.print(p->platform.ctx, "\n", 1);
    p->mid_line = false;
}

void pnd_panic_say(struct panic *p, const char *format, ...)
{
    va_list args;
    size_t len;

    end_line(p);
    va_start(args, format);
    len = pnd_vformat(p->line, sizeof(p->line), format, args);
    va_end(args);
    p->platform.print(p->platform.ctx, p->line, len);
}

/* Printed in pieces: escaped, it may be longer than a line. */
void pnd_panic_say_quoted(struct panic *p, const char *text)
{
    size_t len = 0;

    p->line[len++] = '"';
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        bool plain = c >= ' ' && c <= '~' && c != '"' && c != '\\';

        if (len > sizeof(p->line) - 8) {
            p->platform.print(p->platform.ctx, p->line, len);
            len = 0;
        }
        if (plain)
            p->line[len++] = (char)c;
        else
            len += pnd_format(p->line + len, sizeof(p->line) - len, "\\x%02x", (unsigned)c);
    }
    p->line[len++] = '"';
    p->line[len++] = '\n';
    p->platform.print(p->platform.ctx, p->line, len);
}

/* A dump is far shorter than 2^60 bytes, so that ten times its length is a number. */
void pnd_panic_progress(void *panic, uint64_t done, uint64_t total)
{
    struct panic *p = panic;

    while (p->tenths < 10 && done * 10 >= total * (p->tenths + 1)) {
        char text[8];
        size_t len;

        p->tenths++;
        len = pnd_format(text, sizeof(text), "%u..", p->tenths * 10);
        p->platform.print(p->platform.ctx, text, len);
        p->mid_line = true;
    }
}

void pnd_panic_say_rate(struct panic *p, const char *what, uint64_t bytes, uint64_t us)
{
    uint64_t rest, ms = pnd_divide(us, 1000, &rest), s = pnd_divide(ms, 1000, &rest);
    unsigned thousandths = (unsigned)rest;

    pnd_panic_say(p, "%s %llu bytes in %llu.%03u s: %llu KiB/s.\n", what, (unsigned long long)bytes,
                  (unsigned long long)s, thousandths,
                  (unsigned long long)pnd_divide((bytes >> 10) * 1000, ms ? ms : 1, &rest));
}

const char *pnd_ip_text(char ret[PND_IP_TEXT_CAP], uint32_t ip)
{
    pnd_format(ret, PND_IP_TEXT_CAP, "%u.%u.%u.%u", (unsigned)(ip >> 24),
               (unsigned)(ip >> 16 & 255), (unsigned)(ip >> 8 & 255), (unsigned)(ip & 255));
    return ret;
}
