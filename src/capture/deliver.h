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
    PND_DELIVER_RENEWED_MAX = 8, /* how often retry_s begins again */
    PND_DELIVER_LINE_MS = 5000,  /* how often a console that is no terminal hears of progress */
    PND_DELIVER_SAY_CAP = 1536,
};

struct pnd_delivery {
    struct pnd_target *targets; /* servers first, then the local place */
    size_t target_count;
    struct pnd_content content;
    const char *name;        /* of the dump */
    bool name_is_whole;      /* nothing is added to it */
    struct pnd_codec *codec; /* NULL: as it is */
    const char *suffix;      /* what is added to the name for it, ".gz"; NULL: nothing */
    /* The same for a server that knows the extension. */
    struct pnd_codec *extended_codec;
    const char *extended_suffix;
    uint8_t id[PND_CLIENT_ID_BYTES]; /* by which a server knows this dump in the next attempt */
    /* After the start of the first attempt, no round begins later; and again after one in which a
     * target took more than any did before, but only PND_DELIVER_RENEWED_MAX times. */
    uint32_t retry_s;
    void *ctx;
    void (*alive)(void *ctx); /* NULL, or called with every piece that a target took, and at least
                                 once a second in pauses */
    /* of tests; NULL: the real ones. say: one line for the console, of something that went wrong
     * or not */
    uint64_t (*now_ms)(void *ctx);
    void (*sleep_s)(void *ctx, uint32_t s);
    void (*say)(void *ctx, bool wrong, const char *line);
};

/* Says on the console what is tried, how far it is and when it will be done, and why it failed.
 *   @return PND_OK a target has it; at once PND_E_ABORTED somebody asked to stop, PND_E_SOURCE the
 *           content failed, which is so whoever takes it; else the last target's error */
int pnd_deliver(struct pnd_delivery *delivery);

#endif
