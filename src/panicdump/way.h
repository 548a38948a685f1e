/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Would a dump of what is armed find its way now? */
#ifndef PND_PANICDUMP_WAY_H
#define PND_PANICDUMP_WAY_H

#include <stdbool.h>
#include <stddef.h>

#include "arm/state.h"
#include "capture/options.h"

enum { PND_WAY_TEXT_CAP = 640 };

struct pnd_way {
    bool open;   /* the server answers, and the crash kernel would find it */
    bool frames; /* it was asked by the crash kernel's own frames, which needs root; else, or when
                    it was not asked at all, by this kernel's network */
    char text[PND_WAY_TEXT_CAP]; /* what is so, and what to do about it */
};

/* Compares what the crash kernel carries with what the way to server @p index is now, and asks the
 * server by it (sender/probe.h), which leaves nothing behind there. Takes at most some 2 s for the
 * route, when nobody knows the next hop, and 0.75 s for each of at most three questions. */
void pnd_way_look(const struct pnd_state *state, const struct pnd_capture_options *options,
                  size_t index, struct pnd_way *ret);

#endif
