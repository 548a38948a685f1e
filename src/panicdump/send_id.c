/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The ids of send_id.h. */
#include "panicdump/send_id.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

bool pnd_send_id_random(uint8_t ret[PND_CLIENT_ID_BYTES])
{
    return getrandom(ret, PND_CLIENT_ID_BYTES, 0) == PND_CLIENT_ID_BYTES;
}

/* FNV-1a, by Fowler, Noll and Vo, public domain. */
static uint64_t hash(uint64_t start, const char *text)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325) ^ start;

    for (; *text; text++)
        h = (h ^ (uint8_t)*text) * UINT64_C(0x100000001b3);
    return h;
}

void pnd_send_id_of_file(const struct stat *st, const char *name, unsigned form,
                         uint8_t ret[PND_CLIENT_ID_BYTES])
{
    char machine[64] = "", text[512];
    int fd = open("/etc/machine-id", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, machine, sizeof(machine) - 1);
    uint64_t halves[2];

    if (fd >= 0)
        close(fd);
    machine[n > 0 ? n : 0] = '\0';
    machine[strcspn(machine, "\n")] = '\0';
    snprintf(text, sizeof(text), "%s %ju %ju %jd %jd.%09ld %u %s", machine, (uintmax_t)st->st_dev,
             (uintmax_t)st->st_ino, (intmax_t)st->st_size, (intmax_t)st->st_mtim.tv_sec,
             st->st_mtim.tv_nsec, form, name);
    halves[0] = hash(0, text);
    halves[1] = hash(halves[0] | 1, text);
    memcpy(ret, halves, PND_CLIENT_ID_BYTES);
}
