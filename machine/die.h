/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Ways to die on request. */
#ifndef BOX_DIE_H
#define BOX_DIE_H

/* @param how  "now" (or "panic", or "1": a panic), "nullptr", "gpf", "stack", "assert", "nested" (a
 *             panic, and a fault within its dump), "skip-local" (a panic whose caller wants no
 * local core), "reboot" (one whose caller wants its log, and then a restart; on the console the
 * word is a restart without a panic). Returns when it is none of them */
void box_die(const char *how);

/* They are separated by blanks, for a help text. */
#define BOX_WAYS_TO_DIE "now nullptr gpf stack assert nested skip-local reboot"

#endif
