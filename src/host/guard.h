/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Things that close themselves at the end of their scope. A function that hands one out takes it
 * with pnd_steal_fd(). errno survives every guard. */
#ifndef PND_HOST_GUARD_H
#define PND_HOST_GUARD_H

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#define PND_AUTO(closer) __attribute__((cleanup(closer)))

#define PND_AUTO_CLOSE  PND_AUTO(pnd_guard_close)  /* int fd = ...; negative: nothing to close */
#define PND_AUTO_FCLOSE PND_AUTO(pnd_guard_fclose) /* FILE *file = ...; NULL: nothing to close */

static inline void pnd_guard_close(int *fd)
{
    int saved = errno;

    if (*fd >= 0)
        close(*fd);
    errno = saved;
}

static inline void pnd_guard_fclose(FILE **file)
{
    int saved = errno;

    if (*file)
        fclose(*file);
    errno = saved;
}

/* @return @p *fd, which the guard no longer closes */
static inline int pnd_steal_fd(int *fd)
{
    int taken = *fd;

    *fd = -1;
    return taken;
}

#endif
