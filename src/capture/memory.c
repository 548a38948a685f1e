/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Memory: see memory.h. */
#include "capture/memory.h"

#include <fcntl.h>
#include <string.h>

#include "panicd/err.h"

#include "host/guard.h"
#include "host/io.h"
#include "host/text.h"

/* The line "KEY NUMBER kB" of a file of /proc. @return false: it has none */
static bool read_kib(const char *path, const char *key, uint64_t *ret_bytes)
{
    PND_AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    char text[4096], *at;
    ssize_t len = fd < 0 ? -1 : pnd_io_read_at(fd, 0, text, sizeof(text) - 1);
    uint64_t kib = 0;

    text[len > 0 ? len : 0] = '\0';
    at = strstr(text, key);
    if (!at)
        return false;
    at += strlen(key);
    at += strspn(at, " \t");
    at[strcspn(at, " \t\n")] = '\0';
    if (pnd_text_parse_uint(at, &kib) != PND_OK)
        return false;
    *ret_bytes = kib * 1024;
    return true;
}

bool pnd_memory_available(uint64_t *ret_bytes)
{
    return read_kib("/proc/meminfo", "\nMemAvailable:", ret_bytes);
}

bool pnd_memory_used_max(uint64_t *ret_bytes)
{
    return read_kib("/proc/self/status", "\nVmHWM:", ret_bytes);
}
