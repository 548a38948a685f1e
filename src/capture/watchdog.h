/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A capture that hangs does not keep the machine: a timer of this program for a program that
 * hangs, the machine's own for a kernel that hangs. */
#ifndef PND_CAPTURE_WATCHDOG_H
#define PND_CAPTURE_WATCHDOG_H

#include <stdint.h>

#include "capture/boot.h"

/* Starts /dev/watchdog, if there is one, and a process that ends this kernel as @p after says
 * (PND_AFTER_WAIT: reboots) when pnd_watchdog_alive() is not called for @p patience_s. Only as
 * init. 0: does nothing, and neither does pnd_watchdog_alive(). */
void pnd_watchdog_start(uint32_t patience_s, enum pnd_after after);
void pnd_watchdog_alive(void);

/* No more: the machine's own is disarmed when it can be. */
void pnd_watchdog_stop(void);

#endif
