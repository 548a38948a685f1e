/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Small files of the running system - of /proc, /sys, /etc - below a root, so that tests can build
 * a machine out of files. */
#ifndef PND_ARM_ROOTED_H
#define PND_ARM_ROOTED_H

#include <stdbool.h>
#include <stddef.h>

enum { PND_ROOTED_CAP = 1024 }; /* of a path, with its root and its NUL */

/* @p root and @p path, which is formatted. A path that does not fit is "", which exists nowhere.
 *   @return @p dst */
__attribute__((format(printf, 3, 4))) const char *pnd_rooted_path(char dst[PND_ROOTED_CAP],
                                                                  const char *root, const char *fmt,
                                                                  ...);

bool pnd_rooted_exists(const char *root, const char *path);

/* The file as text, cut at @p cap - 1 bytes, without the newlines at its end.
 *   @return PND_OK; PND_E_SYS with errno, and @p dst is "" */
int pnd_rooted_read(const char *root, const char *path, char *dst, size_t cap);

/* Writes into a file that is there, as a file of /proc/sys is. @return PND_OK; PND_E_SYS, errno */
int pnd_rooted_write(const char *root, const char *path, const char *text);

#endif
