/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What the checking child says to its parent: one message of a fixed size, small enough that a
 * pipe takes it whole. The parent trusts none of it. */
#ifndef PND_INSPECT_ANSWER_H
#define PND_INSPECT_ANSWER_H

#include <stddef.h>
#include <stdint.h>

#include "inspect/check.h"

enum { PND_ANSWER_LEN = 1289 };

/* @param err  PND_OK: @p check is the answer; else @p why is */
void pnd_answer_encode(int err, const struct pnd_check *check, const struct pnd_why *why,
                       uint8_t ret[PND_ANSWER_LEN]);

/* @return PND_OK, @p ret is set; PND_E_SYS the child could not check, and @p why says why;
 *         PND_E_FORMAT this is no answer: wrong size or magic, text that is not printable or not
 *         ended, a verdict, range or hash that cannot be */
int pnd_answer_decode(const void *msg, size_t len, struct pnd_check *ret, struct pnd_why *why);

#endif
