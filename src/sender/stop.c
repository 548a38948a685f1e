/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Signals that end a dump: see stop.h. */
#include "sender/stop.h"

#include <signal.h>
#include <stddef.h>

static volatile sig_atomic_t stop_signal;

static void on_signal(int number)
{
    stop_signal = number;
}

void pnd_stop_init(void)
{
    /* no SA_RESTART: a read from a pipe ends, too */
    struct sigaction action = {.sa_handler = on_signal};

    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

int pnd_stop_signal(void)
{
    return stop_signal;
}
