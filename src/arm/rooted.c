/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Small files below a root: see rooted.h. */
#include "arm/rooted.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "host/guard.h"
#include "host/io.h"
#include "panicd/err.h"

const char *pnd_rooted_path(char dst[PND_ROOTED_CAP], const char *root, const char *fmt, ...)
{
    size_t len = strlen(root);
    va_list args;
    int n;

    if (len >= PND_ROOTED_CAP) {
        dst[0] = '\0';
        return dst;
    }
    memcpy(dst, root, len);
    va_start(args, fmt);
    n = vsnprintf(dst + len, PND_ROOTED_CAP - len, fmt, args);
    va_end(args);
    if (n < 0 || (size_t)n >= PND_ROOTED_CAP - len)
        dst[0] = '\0';
    return dst;
}

bool pnd_rooted_exists(const char *root, const char *path)
{
    char full[PND_ROOTED_CAP];

    return access(pnd_rooted_path(full, root, "%s", path), F_OK) == 0;
}

int pnd_rooted_read(const char *root, const char *path, char *dst, size_t cap)
{
    char full[PND_ROOTED_CAP];
    PND_AUTO_CLOSE int fd =
        open(pnd_rooted_path(full, root, "%s", path), O_RDONLY | O_CLOEXEC | O_NOCTTY);
    ssize_t n;

    dst[0] = '\0';
    if (fd < 0)
        return PND_E_SYS;
    n = pnd_io_read_at(fd, 0, dst, cap - 1);
    if (n < 0)
        return PND_E_SYS;
    while (n > 0 && dst[n - 1] == '\n')
        n--;
    dst[n] = '\0';
    return PND_OK;
}

int pnd_rooted_write(const char *root, const char *path, const char *text)
{
    char full[PND_ROOTED_CAP];
    PND_AUTO_CLOSE int fd =
        open(pnd_rooted_path(full, root, "%s", path), O_WRONLY | O_TRUNC | O_CLOEXEC);

    return fd < 0 ? PND_E_SYS : pnd_io_write(fd, text, strlen(text));
}
