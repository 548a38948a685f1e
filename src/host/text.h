/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Text for people: safe to print, short to read; and the sizes and durations that people type.
 * Nothing here allocates. Every writer ends its text with NUL and returns @p dst, so that it can
 * stand among the arguments of a printf; @p cap, NUL included, is at least 4. */
#ifndef PND_HOST_TEXT_H
#define PND_HOST_TEXT_H

#include <stddef.h>
#include <stdint.h>

enum {
    PND_TEXT_BYTES_CAP = 16, /* fits every pnd_text_bytes() */
    PND_TEXT_TIME_CAP = 32,  /* fits every pnd_text_time_utc() and pnd_text_duration() */
};

/* The first character of UTF-8 in @p left bytes, at least 1, of @p text.
 *   @return its bytes, its code in @p ret; 0 it is none (overlong, surrogate, cut) */
size_t pnd_text_utf8_next(const void *text, size_t left, uint32_t *ret);

/* @p src, of any bytes, as something that can be printed between quotes on a terminal and in a
 * log: quote and backslash get a backslash; control bytes (C1 controls, line and paragraph
 * separators and the marks that change the direction of text too) and bytes that are not UTF-8
 * become \xHH; everything else stays. What does not fit is cut between characters and "..."
 * stands for it. */
const char *pnd_text_escape(char *dst, size_t cap, const void *src, size_t len);

/* @p src with '?' for every byte that pnd_text_escape() would write as \xHH, but for newline and
 * tab, which stay: several lines that can be printed as they are. No NUL is written.
 *   @param dst  at least @p len bytes; may be @p src. @return bytes in @p dst, at most @p len */
size_t pnd_text_clean(char *dst, const void *src, size_t len);

/* "0 B", "1023 B", "1.4 GiB": rounded down so that nothing looks fuller
 * or more done than it is. */
const char *pnd_text_bytes(char *dst, size_t cap, uint64_t bytes);

/* "0:42", "1:02:03", "99:59:59"; from 100 hours on "4d04h". 9 columns for 273 years. */
const char *pnd_text_duration(char *dst, size_t cap, uint64_t s);

/* RFC 3339, "2026-11-22T06:30:00.123Z". @p ms since 1970; "" outside the years 0 to 9999. */
const char *pnd_text_time_utc(char *dst, size_t cap, int64_t ms);

/* "10G", "512M", "64KiB", "1073741824": K M G T P and KiB ... are powers of 1024, B is 1, case
 * does not matter, one blank may stand before the unit.
 *   @return PND_OK; PND_E_FORMAT not a size; PND_E_RANGE above 2^64-1 */
int pnd_text_parse_size(const char *text, uint64_t *ret);

/* "20s", "2min", "500ms", "1h", "1d", "0"; other numbers need their unit. In ms.
 *   @return PND_OK; PND_E_FORMAT not a duration; PND_E_RANGE above 2^64-1 */
int pnd_text_parse_duration(const char *text, uint64_t *ret_ms);

/* Decimal digits only. @return PND_OK; PND_E_FORMAT; PND_E_RANGE above 2^64-1 */
int pnd_text_parse_uint(const char *text, uint64_t *ret);

#endif
