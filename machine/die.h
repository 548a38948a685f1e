/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Ways to die on request. */
#ifndef BOX_DIE_H
#define BOX_DIE_H

/* @param how  "now" (or "panic", or "1": a panic), "nullptr", "gpf", "stack", "assert", "nested" (a
 *             panic, and a fault within its dump). Returns when it is none of them */
void box_die(const char *how);

/* They are separated by blanks, for a help text. */
#define BOX_WAYS_TO_DIE "now nullptr gpf stack assert nested"

#endif
