/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The socket that browsers connect to. */
#ifndef PND_PANICWEB_LISTEN_H
#define PND_PANICWEB_LISTEN_H

#include <stdbool.h>
#include <stdint.h>

#include "host/why.h"

enum { PND_LISTEN_URL_CAP = 128 };

struct pnd_listen {
    int fd;
    bool local;                    /* only this machine gets there */
    char host[PND_LISTEN_URL_CAP]; /* "127.0.0.1:1070", "[::1]:1070" */
};

/* @param address  of IPv4 or IPv6, or "localhost". @param port  0: any
 *   @return PND_OK; PND_E_ARG it is none; PND_E_BUSY the port is taken; PND_E_SYS */
int pnd_listen_open(const char *address, uint16_t port, struct pnd_listen *ret,
                    struct pnd_why *why);

#endif
