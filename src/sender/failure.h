/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The sentences that say why a dump did not arrive. */
#ifndef PND_SENDER_FAILURE_H
#define PND_SENDER_FAILURE_H

#include <stdbool.h>

#include "panicd/client.h"

struct pnd_failure {
    int err;                         /* as a client function returned it */
    const struct pnd_client *client; /* NULL: it was never opened */
    struct pnd_endpoint server;
    bool nobody_listens; /* ICMP said that the port is closed */
    int sys_errno;       /* of the platform; 0: none */
    bool netdump;        /* it went over that: nobody was told, and a refusal is silence */
    bool crash_kernel;   /* nobody can type a command here: only its command line can be changed */
};

enum { PND_FAILURE_CAP = 1024 };

/* One line: what went wrong, and what to do about it.
 *   @return @p dst */
const char *pnd_failure_text(char dst[PND_FAILURE_CAP], const struct pnd_failure *failure);

#endif
