/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The channels' messages, on their way: one at a time for each channel, all channels beside each
 * other. A channel that fails waits longer and longer, and so does the message that it failed with;
 * the next one is tried in its place. */
#ifndef PND_MESSENGER_DELIVER_H
#define PND_MESSENGER_DELIVER_H

#include "host/run.h"
#include "messenger/post.h"

enum {
    PND_DELIVER_LATER_STATUS = 75, /* a hook's exit status that asks for another time */
    PND_DELIVER_SAID_CAP = 128,    /* of the last line that a hook printed */
};

struct pnd_delivery {
    const struct pnd_message_channel *channel;
    bool busy;
    struct pnd_queue_message message; /* busy */
    struct pnd_post post;
    struct pnd_run run; /* pid 0: no hook runs */
    char printed[PND_DELIVER_SAID_CAP];
    unsigned failures; /* in a row */
    uint64_t pause_ms; /* pnd_clock_ms(): nothing is begun before */
    int64_t next_ms;   /* wall clock: when the queue has something */
};

struct pnd_deliver {
    struct pnd_queue *queue;
    const struct pnd_spool *spool;
    CURLM *multi;
    bool ended; /* something that is on its way has ended: the next turn concludes it */
    struct pnd_delivery at[PND_MESSAGE_CHANNELS_MAX];
    unsigned count;
};

/* @param config  outlives it. @return PND_OK; PND_E_SYS */
int pnd_deliver_init(struct pnd_deliver *ret, const struct pnd_message_config *config,
                     const struct pnd_spool *spool, struct pnd_queue *queue, struct pnd_why *why);

/* Ends what is on its way; it stays queued. */
void pnd_deliver_deinit(struct pnd_deliver *deliver);

/* Begins what can be begun, and looks after what is on its way.
 *   @return PND_OK; as the queue: what has just been sent may be sent once more then */
int pnd_deliver_turn(struct pnd_deliver *deliver, struct pnd_why *why);

/* There may be something new in the queue. A test does not wait until a channel that fails is tried
 * again: who has just mended it wants to know. @return PND_OK; as the queue */
int pnd_deliver_wake(struct pnd_deliver *deliver, struct pnd_why *why);

/* Until that may have something to do: while @p fd is silent, at most @p most_ms. */
void pnd_deliver_wait(struct pnd_deliver *deliver, int fd, int most_ms);

#endif
