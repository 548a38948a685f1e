/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What is to be told, and what has been: SQLite in WAL mode, .panicd/messages.db. An event is taken
 * once, together with its messages, or not at all: it is told by kind, dump and time. From there on
 * each channel has its own messages: the first of a sort goes out at once, the same again within
 * again_ms is gathered in a window, and told in one message when that ends. A message stays until
 * the other side has it, has refused it for good, or it expires. Times are ms since 1970; one that
 * is further away than it can be is taken for due, so that a clock that was wrong delays nothing.
 * Every call may return PND_E_BUSY, PND_E_NOSPACE, PND_E_FORMAT, PND_E_SYS. */
#ifndef PND_MESSAGE_QUEUE_H
#define PND_MESSAGE_QUEUE_H

#include "message/config.h"
#include "store/catalog.h"

enum {
    PND_QUEUE_WAITING_MAX = 1000, /* messages of one channel; the oldest gives way */
    PND_QUEUE_WINDOWS_MAX = 1000, /* of one channel; beyond, each event is a message */
    PND_QUEUE_LIST_MAX = 50,      /* ids, and machines, that one message names */
    PND_QUEUE_RETRY_MS = 1000,    /* after the first failure; twice that after the next ... */
    PND_QUEUE_RETRY_MAX_MS = 10 * 60 * 1000,
    PND_QUEUE_AFTER_MAX_MS = 60 * 60 * 1000, /* the longest Retry-After that is heeded */
    PND_QUEUE_TOLD_DAYS = 60, /* what has been told of a dump that is gone is forgotten then */
    PND_QUEUE_KEY_CAP = 160,
    PND_QUEUE_ID_CAP = 128,
    PND_QUEUE_TARGET_CAP = 160,
    PND_QUEUE_ERROR_CAP = 256,
};

struct pnd_queue;

/* Creates it unless @p existing only. A damaged one is set aside as messages.db.bad, and a new one
 * made. @p ret_fresh: it was made now.
 *   @return PND_OK; PND_E_NOTFOUND existing, and there is none */
int pnd_queue_open(const struct pnd_spool *spool, bool existing, struct pnd_queue **ret,
                   bool *ret_fresh, struct pnd_why *why);
void pnd_queue_close(struct pnd_queue *queue); /* NULL is fine */

/* All that follows until pnd_queue_commit() is one step, durable then. */
int pnd_queue_begin(struct pnd_queue *queue, struct pnd_why *why);
int pnd_queue_commit(struct pnd_queue *queue, struct pnd_why *why);
void pnd_queue_rollback(struct pnd_queue *queue);

/* Only these channels are there now; what waited for others is dropped.
 *   @param config  outlives the queue   @param ret_dropped  messages */
int pnd_queue_set_channels(struct pnd_queue *queue, const struct pnd_message_config *config,
                           unsigned *ret_dropped, struct pnd_why *why);

struct pnd_queue_event {
    enum pnd_message_kind kind;
    uint64_t dump;     /* 0: of none; it is not taken for one that has been told */
    int64_t at_ms;     /* tells two events of one kind and dump apart; 0: there is but one */
    int64_t since_ms;  /* when it happened, for its expiry */
    const char *group; /* what makes it the same again; "": nothing does */
    json_t *fields;    /* settled; the caller's */
};

/* @param ret_new  false: it has been told before, and nothing was done */
int pnd_queue_tell(struct pnd_queue *queue, const struct pnd_queue_event *event, int64_t now_ms,
                   bool *ret_new, struct pnd_why *why);

/* Little room is told once, until there is enough again.
 *   @param low  is there little?   @param fields  settled; not touched but for its event_id */
int pnd_queue_set_low(struct pnd_queue *queue, const struct pnd_message_channel *channel, bool low,
                      json_t *fields, int64_t now_ms, struct pnd_why *why);

int pnd_queue_told(struct pnd_queue *queue, enum pnd_message_kind kind, uint64_t dump,
                   int64_t at_ms, bool *ret, struct pnd_why *why);

/* It needs no message any more: it was there before anybody was to be told. */
int pnd_queue_mark(struct pnd_queue *queue, enum pnd_message_kind kind, uint64_t dump,
                   int64_t at_ms, int64_t now_ms, struct pnd_why *why);

/* What is known of a dump that arrives, until it has ended. @param ret  the caller's, maybe NULL */
int pnd_queue_put_arriving(struct pnd_queue *queue, uint64_t dump, const json_t *fields,
                           struct pnd_why *why);
int pnd_queue_get_arriving(struct pnd_queue *queue, uint64_t dump, json_t **ret,
                           struct pnd_why *why);
int pnd_queue_drop_arriving(struct pnd_queue *queue, uint64_t dump, struct pnd_why *why);

/* Windows that end become messages, messages that expire go.
 *   @param ret_expired  how many   @param ret_next_ms  when to call again; INT64_MAX: nothing waits
 */
int pnd_queue_turn(struct pnd_queue *queue, int64_t now_ms, unsigned *ret_expired,
                   int64_t *ret_next_ms, struct pnd_why *why);

/* What was told of dumps that are gone for long is forgotten. */
int pnd_queue_sweep(struct pnd_queue *queue, struct pnd_catalog *catalog, int64_t now_ms,
                    struct pnd_why *why);

struct pnd_queue_message {
    int64_t number;
    char id[PND_QUEUE_ID_CAP]; /* the same whenever and however often it is sent */
    bool test;
    unsigned attempts; /* that have failed */
    int64_t created_ms;
    json_t *fields; /* the caller's */
};

/* The first of the channel that is due. @return PND_OK; PND_E_NOTFOUND none;
 * @param ret_next_ms  then: when there is one; INT64_MAX: nothing waits */
int pnd_queue_next(struct pnd_queue *queue, const char *channel, int64_t now_ms,
                   struct pnd_queue_message *ret, int64_t *ret_next_ms, struct pnd_why *why);
void pnd_queue_message_deinit(struct pnd_queue_message *message);

enum pnd_queue_outcome {
    PND_QUEUE_SENT,    /* the other side has it */
    PND_QUEUE_REFUSED, /* and does not want it: nothing is tried again */
    PND_QUEUE_LATER,
};

/* What came of an attempt. A test is tried once, and answered.
 *   @param said  what the other side said, for a person   @param retry_ms  LATER: after how long */
int pnd_queue_done(struct pnd_queue *queue, const char *channel,
                   const struct pnd_queue_message *message, enum pnd_queue_outcome outcome,
                   const char *said, int64_t retry_ms, int64_t now_ms, struct pnd_why *why);

/* How long to wait after the @p failures-th failure in a row, without what chance adds. */
int64_t pnd_queue_backoff_ms(unsigned failures);

/* ---- for the tools ---- */

struct pnd_queue_channel {
    char name[PND_CONF_NAME_CAP], way[16], target[PND_QUEUE_TARGET_CAP];
    uint64_t waiting, gathered, sent, refused, lost; /* lost: expired, or had to give way */
    int64_t sent_ms;                                 /* the last; 0: none */
    int64_t failing_ms;                              /* since when; 0: it works */
    char error[PND_QUEUE_ERROR_CAP];                 /* the last failure, fit to be printed */
};

/* @return PND_OK; the first PND_MESSAGE_CHANNELS_MAX of them */
int pnd_queue_channels(struct pnd_queue *queue,
                       struct pnd_queue_channel ret[PND_MESSAGE_CHANNELS_MAX], unsigned *ret_count,
                       struct pnd_why *why);

/* A test message for the channel, which the messenger finds. */
int pnd_queue_test(struct pnd_queue *queue, const char *channel, const char *id, json_t *fields,
                   int64_t now_ms, struct pnd_why *why);
int pnd_queue_tested(struct pnd_queue *queue, const char *channel, bool *ret, struct pnd_why *why);
/* What came of it. @return PND_OK; PND_E_NOTFOUND nothing yet */
int pnd_queue_answer(struct pnd_queue *queue, const char *id, bool *ret_sent,
                     char ret_said[PND_QUEUE_ERROR_CAP], struct pnd_why *why);

/* Changes whenever another process has changed something. */
int64_t pnd_queue_version(struct pnd_queue *queue);

/* The messenger of the directory holds .panicd/messages.lock. @return a descriptor, the caller's;
 * PND_E_BUSY another has it; PND_E_SYS */
int pnd_queue_lock(const struct pnd_spool *spool, struct pnd_why *why);
/* Since when somebody is to be told, in ms since 1970: now, unless it was called before. Any
 * process, before the first dump that is to be told of has ended. */
int64_t pnd_queue_since(const struct pnd_spool *spool);
bool pnd_queue_served(const struct pnd_spool *spool);

#endif
