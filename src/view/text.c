/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Lines that came from outside; see text.h. */
#include "view/text.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "host/text.h"

enum { CHARACTER_MAX = 4, ESCAPED_CAP = 4 * CHARACTER_MAX + 1 };

/* How many bytes at @p text, of which @p len are left, are looked at together. */
static size_t character_len(const char *text, size_t len)
{
    uint8_t first = (uint8_t)text[0];
    size_t want = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc0 ? 2 : 1, n = 1;

    while (n < want && n < len && ((uint8_t)text[n] & 0xc0) == 0x80)
        n++;
    return n;
}

static bool is_plain(char c)
{
    return (uint8_t)c >= ' ' && (uint8_t)c < 0x7f;
}

const char *pnd_print_line(char *dst, size_t cap, const char *src)
{
    size_t left = strlen(src), at = 0, fits = 0; /* fits: where "..." still has room */

    while (left > 0) {
        size_t n = character_len(src, left), len;
        char escaped[ESCAPED_CAP] = {src[0] == '\n' || src[0] == '\t' ? ' ' : src[0]};

        if (!is_plain(escaped[0]))
            pnd_text_escape(escaped, sizeof(escaped), src, n);
        len = strlen(escaped);
        if (at + len >= cap) {
            snprintf(dst + fits, cap - fits, "...");
            return dst;
        }
        memcpy(dst + at, escaped, len);
        at += len;
        fits = at + 3 < cap ? at : fits;
        src += n;
        left -= n;
    }
    dst[at] = '\0';
    return dst;
}

void pnd_print_text(FILE *out, const char *text, size_t len)
{
    while (len > 0) {
        char escaped[ESCAPED_CAP];
        size_t n = 0;

        while (n < len && (is_plain(text[n]) || text[n] == '\n' || text[n] == '\t'))
            n++;
        if (n > 0) {
            fwrite(text, 1, n, out);
        } else {
            n = character_len(text, len);
            fputs(pnd_text_escape(escaped, sizeof(escaped), text, n), out);
        }
        text += n;
        len -= n;
    }
}
