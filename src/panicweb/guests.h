/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The connections, and how long each has been about to ask: who sends a request byte by byte, or
 * nothing at all, is shown out, however often a byte comes. */
#ifndef PND_PANICWEB_GUESTS_H
#define PND_PANICWEB_GUESTS_H

#include "panicweb/web.h"

int pnd_guests_create(struct pnd_guests **ret, struct pnd_why *why);
void pnd_guests_destroy(struct pnd_guests *guests); /* NULL is fine */

/* MHD_NotifyConnectionCallback and MHD_RequestCompletedCallback, with the guests as cls. */
void pnd_guests_connection(void *cls, struct MHD_Connection *connection, void **socket_context,
                           enum MHD_ConnectionNotificationCode code);
void pnd_guests_completed(void *cls, struct MHD_Connection *connection, void **con_cls,
                          enum MHD_RequestTerminationCode code);

/* A whole request has come. */
void pnd_guests_asked(struct pnd_guests *guests, struct MHD_Connection *connection);

/* Shuts the connections on which none has come for PND_WEB_HEADERS_S. */
void pnd_guests_look(struct pnd_guests *guests, uint64_t now_ms);

#endif
