/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Reading and writing to the end, whatever the pieces are and whoever interrupts. */
#ifndef PND_HOST_IO_H
#define PND_HOST_IO_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* @p len bytes at @p offset, as far as the file goes and can be read: what comes before a bad place
 * is not lost, the next call meets it.
 *   @return bytes, fewer only there; -1 with errno when none can be read */
ssize_t pnd_io_read_at(int fd, uint64_t offset, void *buf, size_t len);

/* @return PND_OK; PND_E_SYS with errno: nobody listens any more, or there is no room */
int pnd_io_write(int fd, const void *data, size_t len);

#endif
