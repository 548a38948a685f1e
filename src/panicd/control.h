/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The control socket, DIRECTORY/.panicd/control: a client sends one line, "status", "transfers",
 * "metrics" (control_metrics.h), "watch" or "import ..." (store/import.h), and gets JSON; a watcher
 * gets an object per line for as long as it stays. Reading and writing never block the packets; a
 * watcher that does not read is dropped. */
#ifndef PND_PANICD_CONTROL_H
#define PND_PANICD_CONTROL_H

#include <stdbool.h>
#include <stdint.h>

#include "host/why.h"
#include "panicd/checker.h"
#include "panicd/policy.h"
#include "store/catalog.h"

struct pnd_server;
struct pnd_slot;
struct pnd_control;
struct pnd_checker_verdict;

enum {
    PND_CONTROL_CLIENTS_MAX = 32,
    PND_CONTROL_BUFFER_MAX = 4 << 20, /* unread bytes after which a client is dropped */
    PND_CONTROL_PROGRESS_MS = 500,    /* between progress events */
};

/* Binds the socket (0600) and adds itself to @p epoll_fd with data.ptr values that
 * pnd_control_owns(). */
int pnd_control_open(struct pnd_server *server, int epoll_fd, struct pnd_control **ret,
                     struct pnd_why *why);
void pnd_control_close(struct pnd_control *control); /* NULL is fine */
bool pnd_control_owns(const struct pnd_control *control, const void *data);
void pnd_control_ready(struct pnd_control *control, void *data, uint32_t events);

/* @return is there a watcher: then pnd_control_progress() wants to be called in time */
bool pnd_control_watched(const struct pnd_control *control);
void pnd_control_progress(struct pnd_control *control, uint64_t now_ms);

/* A client that watches from now on: it is told of transfers when they begin and of what becomes of
 * them, not of their progress; of refusals no more than are logged. Takes @p fd, a connected
 * socket; what it is told of at once are the transfers that are under way. */
void pnd_control_adopt(struct pnd_control *control, int fd);

/* Events, for watchers; nothing happens when there are none. @p control NULL is fine. */
void pnd_control_begin(struct pnd_control *control, const struct pnd_slot *slot);
void pnd_control_dump(struct pnd_control *control, const char *event, const struct pnd_dump *dump);
/* "checked", with the group: {"group","title","seen","machines","first_seen","note"} besides; of
 * a dump that still arrives "cause", with the id and the group. */
void pnd_control_checked(struct pnd_control *control, const struct pnd_checker_news *news);
/* An answer to the client that asked for an import, if it is still there: the row, or what is
 * wrong. @p token is pnd_server_import()'s */
void pnd_control_imported(struct pnd_control *control, uint64_t token, const struct pnd_dump *dump,
                          const char *error);
/* @param logged  it was not one of too many */
void pnd_control_refused(struct pnd_control *control, const char *peer, enum pnd_rule rule,
                         bool logged);

#endif
