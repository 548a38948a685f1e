/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A capture that hangs does not keep the machine: a process of its own for a program that hangs,
 * the machine's watchdog for a kernel that hangs. Both end in a reboot: what is not safe by then
 * never will be, and a machine that works is worth more. */
#ifndef PND_CAPTURE_WATCHDOG_H
#define PND_CAPTURE_WATCHDOG_H

#include <stdbool.h>
#include <stdint.h>

#include "capture/boot.h"

enum {
    PND_WATCHDOG_KICK_MS = 1000, /* how often the machine's watchdog is told that all is well */
    PND_WATCHDOG_LOOK_MS = 100,  /* and looked for, as long as its driver has not come */
    /* without that, it resets the machine after half the patience, within these bounds */
    PND_WATCHDOG_HARDWARE_S = 60,
    PND_WATCHDOG_HARDWARE_MIN_S = 10,
};

/* Starts a process that ends this kernel as @p after says (PND_AFTER_WAIT and what else leaves it
 * running: reboots) when pnd_watchdog_alive() is not called for @p patience_s; it also starts
 * /dev/watchdog, now or as soon as a driver brings one. Only as init, once. 0: does nothing, and
 * neither do the others. */
void pnd_watchdog_start(uint32_t patience_s, enum pnd_after after);

/* Cheap: to be called with every piece, and in every wait. */
void pnd_watchdog_alive(void);

/* No more: for a kernel that is to stay. The machine's own is disarmed when its driver can do that;
 * else it is told that all is well as long as this kernel runs. */
void pnd_watchdog_stop(void);

/* ---- the process, for tests ---- */

struct pnd_watchdog {
    const char *device; /* "/dev/watchdog" */
    uint32_t patience_s;
    int fd;         /* of the device; -1: not (yet) there */
    uint64_t count; /* of calls of pnd_watchdog_alive(), as last seen */
    uint64_t count_ms;
};

/* One turn, every PND_WATCHDOG_KICK_MS or _LOOK_MS. @param count of calls so far. @return true: the
 * program hangs */
bool pnd_watchdog_turn(struct pnd_watchdog *watchdog, uint64_t count, uint64_t now_ms);

/* @return true: the machine's watchdog sleeps, or there is none; false: it goes on, and wants to be
 * told */
bool pnd_watchdog_disarm(struct pnd_watchdog *watchdog);

#endif
