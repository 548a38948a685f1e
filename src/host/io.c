/* SPDX-License-Identifier: BSD-2-Clause */
#include "host/io.h"

#include <errno.h>
#include <unistd.h>

#include "panicd/err.h"

ssize_t pnd_io_read_at(int fd, uint64_t offset, void *buf, size_t len)
{
    size_t got = 0;

    while (got < len) {
        ssize_t n = pread(fd, (uint8_t *)buf + got, len - got, (off_t)(offset + got));

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && got == 0)
            return -1;
        if (n <= 0)
            break;
        got += (size_t)n;
    }
    return (ssize_t)got;
}

int pnd_io_write(int fd, const void *data, size_t len)
{
    const uint8_t *at = data;

    while (len > 0) {
        ssize_t n = write(fd, at, len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return PND_E_SYS;
        at += n;
        len -= (size_t)n;
    }
    return PND_OK;
}
