/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What the server says, and what the catalog knows, as events for the queue. The server's words say
 * when to look; what is told of a dump that has ended is told by its row, so that after a restart
 * of anybody the catalog alone tells what was missed. */
#ifndef PND_MESSENGER_NEWS_H
#define PND_MESSENGER_NEWS_H

#include "message/queue.h"
#include "store/catalog.h"

enum { PND_NEWS_LINE_MAX = 1 << 20 }; /* of the server's; a longer one is an error */

struct pnd_news {
    int fd; /* the connection that the server gave us; not blocking */
    const struct pnd_spool *spool;
    struct pnd_catalog *catalog;
    struct pnd_queue *queue;
    char *line;    /* PND_NEWS_LINE_MAX bytes */
    size_t len;    /* that have come, with no end of a line yet */
    unsigned told; /* events that became known by the last call */
};

/* @return PND_OK; PND_E_SYS no memory */
int pnd_news_init(struct pnd_news *ret, int fd, const struct pnd_spool *spool,
                  struct pnd_catalog *catalog, struct pnd_queue *queue);
void pnd_news_deinit(struct pnd_news *news);

/* All that the server has said, as one step of the queue.
 *   @param ret_over  it says nothing more: it has ended, or dropped us
 *   @return PND_OK; as the queue, or the catalog: then nothing of it was taken */
int pnd_news_hear(struct pnd_news *news, bool *ret_over, struct pnd_why *why);

/* What the catalog knows, and nobody has been told: one step. What was received before @p since_ms
 * was there before anybody was to be told, and is only marked. */
int pnd_news_catch_up(struct pnd_news *news, int64_t since_ms, struct pnd_why *why);

#endif
