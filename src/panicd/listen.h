/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The server's sockets: a port for each service, on each address. */
#ifndef PND_PANICD_LISTEN_H
#define PND_PANICD_LISTEN_H

#include "host/why.h"

struct pnd_server;

/* Those that the service manager made, of whichever service; of a service for which it made none,
 * our own. Where that cannot be had, and it was not asked for, server->unheard says why.
 *   @return PND_OK; the codes of pnd_net_bind() and pnd_net_adopt(); PND_E_ARG a socket of the
 *           service manager's has a name that is no service's, or two services have one port */
int pnd_listen_open(struct pnd_server *server, struct pnd_why *why);

#endif
