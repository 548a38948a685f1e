/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Which pages of the content are all zero or all 'X', as runs in bounded memory. */
#ifndef PND_INSPECT_RUNS_H
#define PND_INSPECT_RUNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "inspect/reader.h"

struct pnd_runs {
    struct pnd_pass_run *runs;
    size_t count, cap;
    uint64_t bytes_min;       /* shorter ones are left out */
    struct pnd_pass_run open; /* the one that may still grow; empty: none */
    uint64_t at;              /* bytes that have gone by */
    size_t page_len;          /* of the page that is not all here yet */
    bool page_same;           /* that part of it is all the same */
    uint8_t page_byte;
};

void pnd_runs_init(struct pnd_runs *runs);
void pnd_runs_deinit(struct pnd_runs *runs);

/* Takes as much of @p data as is alike: whole pages that are all of one byte, or anything else.
 *   @param len  at least 1. @param ret_same  it is all 0 or all 'X', in whole pages
 *   @return bytes taken, at least 1 */
size_t pnd_runs_take(struct pnd_runs *runs, const uint8_t *data, size_t len, bool *ret_same);

/* @param ret  valid until the next call with @p runs. @return their number */
size_t pnd_runs_list(struct pnd_runs *runs, const struct pnd_pass_run **ret);

#endif
