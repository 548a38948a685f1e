/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A dump is not dropped because of the first failure: the servers in their order, then the local
 * place, then all of it again until the time is up. */
#ifndef PND_CAPTURE_DELIVER_H
#define PND_CAPTURE_DELIVER_H

#include "panicd/stage.h"

#include "capture/content.h"
#include "capture/target.h"

enum {
    PND_DELIVER_PAUSE_S = 2, /* before the second round, and twice as long before each next */
    PND_DELIVER_PAUSE_MAX_S = 30,
};

struct pnd_delivery {
    struct pnd_target *targets; /* servers first, then the local place */
    size_t target_count;
    struct pnd_content content;
    const char *name;        /* of the dump, without ".gz" */
    struct pnd_codec *codec; /* NULL: as it is; else ".gz" is added to the name */
    uint32_t retry_s;        /* after the start of the first attempt; no round begins later */
    /* of tests; NULL: the real ones */
    void *ctx;
    uint64_t (*now_ms)(void *ctx);
    void (*sleep_s)(void *ctx, uint32_t s);
    void (*alive)(void *ctx); /* called with every piece that a target took, and in pauses */
};

/* Says on the console what is tried, how far it is and when it will be done, and why it failed.
 *   @return PND_OK a target has it; else the last target's error */
int pnd_deliver(struct pnd_delivery *delivery);

#endif
