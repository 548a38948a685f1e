/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What an init has to do before and after its work, when it is the only program there is. */
#ifndef PND_CAPTURE_BOOT_H
#define PND_CAPTURE_BOOT_H

enum pnd_after {
    PND_AFTER_REBOOT,
    PND_AFTER_POWEROFF,
    PND_AFTER_HALT,
    PND_AFTER_WAIT,  /* stay as it is, so that somebody can look at the machine */
    PND_AFTER_SHELL, /* /bin/sh on the console, and reboot when it ends; without one, as WAIT */
};

/* Mounts /proc, /sys and /dev, and takes /dev/console (or, without one, the kernel's log) for
 * what the program says. */
void pnd_boot_init(void);

/* What is said on @p fd waits for nobody: neither a Ctrl-S nor a serial line that is not ready, nor
 * one that is dead, stops a dump. What cannot be said is lost. */
void pnd_boot_unstoppable(int fd);

/* Loads the modules that /lib/panicd/modules names: a path and perhaps parameters on each line,
 * in the order they need. What cannot be loaded is said, and the rest is tried. */
void pnd_boot_modules(void);

/* Ends this kernel. One that is to stay stays: the watchdog is stopped. */
__attribute__((noreturn)) void pnd_boot_end(enum pnd_after after);

/* The same for a process beside an init that hangs: nothing of it waits for long.
 * @param after  PND_AFTER_POWEROFF; else it reboots */
__attribute__((noreturn)) void pnd_boot_end_now(enum pnd_after after);

#endif
