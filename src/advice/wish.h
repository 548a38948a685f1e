/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The line of boot-args for what is wanted, or why that cannot be had. */
#ifndef PND_ADVICE_WISH_H
#define PND_ADVICE_WISH_H

#include "advice/argline.h"

struct pnd_wish {
    bool network, local; /* where to */
    bool on_panic, on_nmi, reboot, paniclog, stay, keys, no_gzip, keepsyms;
    const char *server, *interface; /* NULL: not given */
    uint64_t port;                  /* 0: not given */
    struct pnd_argline line;        /* for which train, and which machines */
};

/* Two wishes that exclude each other, what the train has not, an operand that is none.
 *   @return NULL: the wish can be met; else why not, for a person */
const char *pnd_wish_wrong(const struct pnd_wish *wish);

/* Of a wish that can be met: the value of debug=, and the whole line in @p cap bytes
 * (PND_ARGLINE_CAP is enough). pnd_lint() finds nothing in it. */
uint32_t pnd_wish_value(const struct pnd_wish *wish);
void pnd_wish_line(const struct pnd_wish *wish, char *ret, size_t cap);

/* What stands behind --port. @return NULL: it is in @p ret; else what is wrong, for a person */
const char *pnd_advice_port(const char *text, uint64_t *ret);

#endif
