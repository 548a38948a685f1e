/* SPDX-License-Identifier: BSD-2-Clause
 *
 * One dump on its way over UDP or a packet socket: what `send` and `test` share. */
#ifndef PND_PANICDUMP_SENDER_H
#define PND_PANICDUMP_SENDER_H

#include "panicdump/panicdump.h"
#include "sender/udp.h"

struct pnd_sender {
    struct pnd_udp udp;
    struct pnd_link link;
    struct pnd_client client;
    struct pnd_endpoint server;
    bool netdump; /* it goes over that */
};

/* Complains about the failure, after telling the server if it still waits.
 *   @return the exit code */
int pnd_sender_failed(struct pnd_sender *sender, int err);

#endif
