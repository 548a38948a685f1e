/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The same panic, over machines and time: what is left of a panic string and its top frames when
 * addresses, numbers and names of the moment are taken out. */
#ifndef PND_FACTS_SIGNATURE_H
#define PND_FACTS_SIGNATURE_H

#include "facts/facts.h"

enum {
    PND_SIGNATURE_CAP = 13,    /* 12 hexadecimal digits and NUL */
    PND_SIGNATURE_TITLE = 200, /* bytes with NUL */
    PND_SIGNATURE_FRAMES = 5,  /* top frames that count, those of the panic itself left out */
};

struct pnd_signature {
    char id[PND_SIGNATURE_CAP];      /* "" when there is nothing to group by */
    char title[PND_SIGNATURE_TITLE]; /* one line for a list: the panic string, and where */
};

/* Depends on nothing but the panic string, the OS and the frames: the same on every machine and in
 * every later version of panicd with the same PND_SIGNATURE_VERSION. */
enum { PND_SIGNATURE_VERSION = 1 };

void pnd_signature(const struct pnd_facts *facts, struct pnd_signature *ret);

#endif
