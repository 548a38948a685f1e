/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Who is told of what happens, and whether that works: "panicctl message", and a part of status. */
#ifndef PND_PANICCTL_MESSAGE_H
#define PND_PANICCTL_MESSAGE_H

#include "message/queue.h"
#include "panicctl/panicctl.h"

struct pnd_channels {
    struct pnd_queue_channel at[PND_MESSAGE_CHANNELS_MAX];
    unsigned count;
    bool served; /* the messenger runs */
};

/* @return PND_OK, also when nobody is to be told; as the queue */
int pnd_channels_read(const struct pnd_spool *spool, struct pnd_channels *ret, struct pnd_why *why);

json_t *pnd_channels_json(const struct pnd_channels *channels);

/* A line for each: what it is, what waits, and what is wrong. */
void pnd_channels_print(const struct pnd_channels *channels, const char *start);

#endif
