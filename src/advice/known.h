/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What is known of boot-args and of the bits of debug=, and which macOS has which xnu. */
#ifndef PND_ADVICE_KNOWN_H
#define PND_ADVICE_KNOWN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "panicd/bootargs.h"

enum { PND_NOTE_CAP = 400 };

enum pnd_arg_kind { PND_ARG_TEXT, PND_ARG_NUMBER, PND_ARG_FLAG };

struct pnd_arg {
    const char *name;
    enum pnd_arg_kind kind;
    uint16_t since; /* the first train that reads it; 0: not known */
    bool network;   /* has a meaning only for a dump to the network */
    const char *meaning;
};

/* @return NULL when @p index is past the last */
const struct pnd_arg *pnd_arg(unsigned index);
/* @return NULL when it is not known */
const struct pnd_arg *pnd_arg_find(const char *name, size_t len);

/* What it means to train @p xnu, for a person; @p arg NULL: one that nobody knows. */
void pnd_arg_note(const struct pnd_arg *arg, uint32_t xnu, char ret[PND_NOTE_CAP]);

struct pnd_macos {
    uint16_t xnu;
    const char *name;
};

/* The releases from 10.5 on, oldest first. @return NULL when @p index is past the last */
const struct pnd_macos *pnd_macos(unsigned index);
/* Which release has this train, or came out with it: "10.0" to "15". */
const char *pnd_macos_of(uint32_t xnu);
const char *pnd_macos_after(uint32_t xnu); /* the one behind it */

/* The bits that ask for a core or a log. */
enum {
    PND_DEBUG_DUMPS = PND_DB_KERN_DUMP_ON_PANIC | PND_DB_KERN_DUMP_ON_NMI | PND_DB_PANICLOG_DUMP,
};

/* One bit of debug= as a train reads it. */
struct pnd_bit {
    uint32_t bit;
    const struct pnd_debug_flag *flag; /* NULL: nobody knows it */
    bool works;                        /* in that train */
    char note[PND_NOTE_CAP];           /* what it means, and since or until when */
};

void pnd_bit_describe(uint32_t bit, uint32_t xnu, struct pnd_bit *ret);

#endif
