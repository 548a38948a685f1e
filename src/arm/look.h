/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Single facts of the running system, below a root (rooted.h): a program, a number, a word. */
#ifndef PND_ARM_LOOK_H
#define PND_ARM_LOOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A program of that name in /usr/sbin, /sbin, /usr/bin or /bin. */
bool pnd_look_program(const char *root, const char *name);

/* A file that holds a number, as /proc/sys and /sys have them. @return PND_OK; PND_E_NOTFOUND */
int pnd_look_number(const char *root, const char *path, uint64_t *ret);

/* What follows the last @p key ("crashkernel=") of a line of words.
 *   @return PND_OK; PND_E_NOTFOUND; PND_E_RANGE it does not fit */
int pnd_look_word(const char *line, const char *key, char *dst, size_t cap);

#endif
