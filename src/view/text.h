/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Text that came from outside, as lines that can be shown. */
#ifndef PND_VIEW_TEXT_H
#define PND_VIEW_TEXT_H

#include <stddef.h>
#include <stdio.h>

/* @p src as a line that is printed without quotes: what could steer a terminal is escaped as by
 * pnd_text_escape(), newlines and tabs are blanks, quotes and backslashes stay. What does not fit
 * into @p cap bytes (at least 4, with NUL) is cut, and "..." stands for it. Returns @p dst. */
const char *pnd_print_line(char *dst, size_t cap, const char *src);

/* Text of lines: as pnd_print_line() has it, but newlines and tabs stay, and nothing is cut. */
void pnd_print_text(FILE *out, const char *text, size_t len);

#endif
