/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Memory: see memory.h. */
#include "capture/memory.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "host/guard.h"
#include "host/io.h"

bool pnd_memory_available(uint64_t *ret_bytes)
{
    static const char key[] = "\nMemAvailable:";
    PND_AUTO_CLOSE int fd = open("/proc/meminfo", O_RDONLY | O_CLOEXEC);
    char text[4096], *at;
    ssize_t len = fd < 0 ? -1 : pnd_io_read_at(fd, 0, text, sizeof(text) - 1);
    uint64_t kib = 0;

    text[len > 0 ? len : 0] = '\0';
    at = strstr(text, key);
    if (!at || sscanf(at + sizeof(key) - 1, "%" SCNu64, &kib) != 1)
        return false;
    *ret_bytes = kib * 1024;
    return true;
}

uint64_t pnd_memory_used_max(void)
{
    struct rusage usage = {.ru_maxrss = 0};

    getrusage(RUSAGE_SELF, &usage);
    return (uint64_t)usage.ru_maxrss * 1024;
}
