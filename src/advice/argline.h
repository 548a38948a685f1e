/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A line of boot-args as a person types or pastes it, and for which machines it is meant. Nothing
 * in src/advice allocates, prints, or asks the machine that it runs on: it is compiled for web
 * browsers as well. */
#ifndef PND_ADVICE_ARGLINE_H
#define PND_ADVICE_ARGLINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "panicd/bootargs.h"

enum {
    PND_ARGLINE_CAP = 2048,                                          /* the line, with its NUL */
    PND_ARGLINE_TYPED_MAX = PND_ARGLINE_CAP - (int)sizeof("debug="), /* what may be typed, bytes */
    PND_ADVICE_PORT_MAX = 65535,
    PND_ADVICE_INTERFACE_MAX = 15, /* bytes of an interface's name */
};

struct pnd_argline {
    char text[PND_ARGLINE_CAP];
    bool value_only; /* only a value of debug= was typed: what else is needed is taken for given */
    bool xnu_given;
    uint32_t xnu;
    bool x86_64, arm64; /* the machines that are asked about */
};

/* An empty line, for the current train and either kind of machine. */
void pnd_argline_init(struct pnd_argline *ret);

/* What was typed: a line, a value alone ("0xd44", "0x400+0x44", "DB_NMI|DB_ARP", "nmi arp"), or a
 * command or an answer of nvram that has the line in it.
 *   @return PND_OK; PND_E_RANGE more than PND_ARGLINE_TYPED_MAX bytes */
int pnd_argline_type(struct pnd_argline *line, const char *typed);

/* What stands behind --xnu and --arch. @return NULL: noted; else what is wrong, for a person */
const char *pnd_argline_xnu(struct pnd_argline *line, const char *text);
const char *pnd_argline_arch(struct pnd_argline *line, const char *text);

/* What a person would have typed: of a value alone, only that. Points into @p line. */
const char *pnd_argline_shown(const struct pnd_argline *line);

struct pnd_argline_word {
    const char *text; /* in the line; not NUL-terminated */
    size_t len, name_len;
    bool has_value; /* there is a "=" behind the name */
};

/* The next word from @p at on, which moves behind it. @return false at the end */
bool pnd_argline_next(const char **at, struct pnd_argline_word *ret);

/* @p line with @p word ("name=value" or "name") in the place of the first word of that name, and
 * without the others; behind the last word, when there is none. With @p word NULL all words called
 * @p name are taken out.
 *   @param ret  PND_ARGLINE_CAP bytes, not of @p line
 *   @return PND_OK; PND_E_RANGE it does not fit */
int pnd_argline_put(const char *line, const char *name, const char *word, char *ret);

/* The sum of what @p len bytes of a value of debug= say: numbers and names of flags, with blanks or
 * one of | + , between. @return false: something of it is neither, or there is nothing */
bool pnd_argline_value(const char *text, size_t len, uint32_t *ret);

#endif
