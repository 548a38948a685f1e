/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The server's control socket, DIRECTORY/.panicd/control: one line in, JSON out. */
#ifndef PND_VIEW_SOCKET_H
#define PND_VIEW_SOCKET_H

#include <stdbool.h>

#include <jansson.h>

#include "host/why.h"
#include "store/spool.h"

enum {
    PND_SOCKET_ANSWER_MAX = 64 << 20, /* bytes; 16,384 transfers fit many times */
    PND_SOCKET_WAIT_S = 5,            /* for an answer */
};

/* Connects and sends @p request and a line feed.
 *   @return a descriptor; PND_E_NOTFOUND no server is listening; PND_E_SYS it may not be asked */
int pnd_socket_ask(const struct pnd_spool *spool, const char *request, struct pnd_why *why);

/* Is a server listening? Waits for nothing. */
bool pnd_socket_there(const struct pnd_spool *spool);

/* The whole answer, an object. @param ret  the caller's, json_decref()
 *   @return PND_OK; PND_E_NOTFOUND no server is listening; PND_E_FORMAT; PND_E_SYS */
int pnd_socket_get(const struct pnd_spool *spool, const char *request, json_t **ret,
                   struct pnd_why *why);

/* The same with a wait of its own, for the connection and for each part of the answer. */
int pnd_socket_get_within(const struct pnd_spool *spool, const char *request, unsigned wait_s,
                          json_t **ret, struct pnd_why *why);

#endif
