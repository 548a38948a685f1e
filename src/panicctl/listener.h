/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Who listens for streams of a directory. Each panicctl receive --listen has a file
 * .panicd/stream-PORT, which says how it was started, and which it holds locked: a file that nobody
 * holds is of one that was killed. */
#ifndef PND_PANICCTL_LISTENER_H
#define PND_PANICCTL_LISTENER_H

#include <sys/types.h>

#include "panicctl/receive.h"

enum {
    PND_LISTENERS_MAX = 16, /* that are looked at */
    PND_LISTENER_FILE_CAP = 16,
    PND_LISTENER_BYTES_MAX = 32768, /* of a file */
};

struct pnd_listener {
    char file[PND_LISTENER_FILE_CAP]; /* in .panicd */
    char address[PND_RECEIVE_ADDRESS_CAP];
    pid_t pid;  /* 0: not known */
    bool alive; /* else it was killed */
    bool tls;
    unsigned senders;
    char certificate[PND_RECEIVE_PATH_CAP], key[PND_RECEIVE_PATH_CAP];
    char clients[PND_RECEIVE_PATH_CAP]; /* "" without TLS */
};

/* What a listener holds; the lock is the process's, and no child's. */
struct pnd_listener_hold {
    int dir_fd, fd; /* -1: nothing is held */
    char file[PND_LISTENER_FILE_CAP];
};

/* @return PND_OK; PND_E_BUSY another has the file; PND_E_SYS. Nothing is held after an error. */
int pnd_listener_hold(const struct pnd_spool *spool, uint16_t port,
                      const struct pnd_receive *receive, struct pnd_listener_hold *ret,
                      struct pnd_why *why);

/* Removes the file; nothing when nothing is held. */
void pnd_listener_release(struct pnd_listener_hold *hold);

/* Those of a directory; a file that cannot be read, or makes no sense, is none.
 *   @return how many */
unsigned pnd_listener_read(const struct pnd_spool *spool,
                           struct pnd_listener ret[PND_LISTENERS_MAX]);

#endif
