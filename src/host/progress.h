/* SPDX-License-Identifier: BSD-2-Clause
 *
 * One long work on standard error: a bar on a terminal, a line now and then elsewhere. */
#ifndef PND_HOST_PROGRESS_H
#define PND_HOST_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

enum {
    PND_PROGRESS_REDRAW_MS = 100, /* a terminal is drawn on at most this often */
    PND_PROGRESS_LINE_MS = 10000, /* and a line is written at most this often elsewhere */
    PND_PROGRESS_LINE_CAP = 512,
};

struct pnd_progress {
    const char *label;
    uint64_t total; /* bytes; 0: not known */
    bool quiet, terminal, drawn;
    uint64_t start_ms, next_ms;
};

/* Terminal means: standard error is one, and TERM is neither unset nor "dumb".
 *   @param label  kept, so it must live as long; printable (host/text.h) */
void pnd_progress_init(struct pnd_progress *progress, const char *label, uint64_t total,
                       bool quiet);

/* @p done bytes by now. Cheap when it is not yet time to draw. */
void pnd_progress_update(struct pnd_progress *progress, uint64_t done);

/* Removes the bar from the terminal, so that what is said next stands alone. */
void pnd_progress_clear(struct pnd_progress *progress);

/* How wide the terminal at @p fd is; 80 when it does not say. */
unsigned pnd_progress_columns(int fd);

/* The line alone, at most @p columns wide: "label  [#####     ] 53 % 1.2 GiB 3.4 MiB/s 0:42 left".
 *   @return @p dst */
const char *pnd_progress_format(char *dst, unsigned columns, const struct pnd_progress *progress,
                                uint64_t done, uint64_t elapsed_ms);

#endif
