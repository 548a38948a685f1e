/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Text that is somewhere in a buffer: a reader of lines and numbers that takes from its front what
 * it expects, and leaves it as it was when that is not there. Freestanding. */
#ifndef PND_IMAGE_STR_H
#define PND_IMAGE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pnd_str {
    const char *at; /* not NUL-terminated */
    size_t len;
};

/* The next line, without its newline and a carriage return before it. @return false: no more */
bool pnd_str_line(struct pnd_str *text, struct pnd_str *ret);

struct pnd_str pnd_str_trim(struct pnd_str text); /* blanks, tabs and newlines at both ends */

/* @p word is a C string. */
bool pnd_str_is(struct pnd_str text, const char *word);
bool pnd_str_starts(struct pnd_str text, const char *word);
bool pnd_str_find(struct pnd_str text, const char *word, size_t *ret); /* offset of the first */

/* Take from the front. @return false: it is not there */
void pnd_str_skip(struct pnd_str *text, size_t len); /* at most what there is */
void pnd_str_blanks(struct pnd_str *text);           /* blanks and tabs, maybe none */
bool pnd_str_take(struct pnd_str *text, const char *word);
bool pnd_str_until(struct pnd_str *text, const char *word, struct pnd_str *ret); /* and the word */
bool pnd_str_hex(struct pnd_str *text, uint64_t *ret);     /* "0x" may stand before it */
bool pnd_str_address(struct pnd_str *text, uint64_t *ret); /* "0x" stands before it */
bool pnd_str_decimal(struct pnd_str *text, uint64_t *ret);

#endif
