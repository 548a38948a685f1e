/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What goes beside the bytes of a file: see send_netdump.h. */
#include "panicdump/send_netdump.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "sender/address.h"

enum { BLOCK = 4096, VERSION = 4 };

/* @return PND_OK; PND_E_SOURCE; PND_E_SHORT the file ends before */
static int read_at(int fd, void *buf, size_t len, uint64_t at)
{
    size_t have = 0;

    while (have < len) {
        ssize_t n = pread(fd, (char *)buf + have, len - have, (off_t)(at + have));

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? PND_E_SOURCE : PND_E_SHORT;
        have += (size_t)n;
    }
    return PND_OK;
}

/* Does the file of @p size end with the header that it begins with, in a sector of @p sector? */
static int look_for(const struct pnd_send_netdump *n, const struct pnd_kdh *kdh, int fd,
                    uint64_t size, uint64_t sector, bool *ret)
{
    uint64_t around = 2 * sector + kdh->key_bytes;
    uint8_t last[PND_KDH_BYTES];
    int err;

    *ret = false;
    if (size < around || kdh->dump_bytes > size - around)
        return PND_OK;
    err = read_at(fd, last, sizeof(last), size - sector);
    *ret = err == PND_OK && memcmp(last, n->header, sizeof(last)) == 0;
    return err == PND_E_SHORT ? PND_OK : err;
}

int pnd_send_netdump_look(struct pnd_send_netdump *n, int fd, uint64_t size)
{
    static const uint16_t sectors[] = {512, 4096, 1024, 2048};
    struct pnd_kdh kdh;
    int err = read_at(fd, n->header, sizeof(n->header), 0);
    bool found = false;

    if (err)
        return err == PND_E_SHORT ? PND_OK : err;
    if (pnd_kdh_read(n->header, sizeof(n->header), &kdh) != PND_OK || !kdh.parity_ok ||
        kdh.kind == PND_KDH_CLEARED || kdh.key_bytes > sizeof(n->key) || kdh.dump_bytes == 0)
        return PND_OK;
    for (size_t i = 0; i < sizeof(sectors) / sizeof(sectors[0]) && !found; i++) {
        err = look_for(n, &kdh, fd, size, sectors[i], &found);
        if (err)
            return err;
        n->start = sectors[i] + (uint64_t)kdh.key_bytes;
    }
    if (!found) {
        n->start = 0;
        return PND_OK;
    }
    n->as_it_is = true;
    n->bytes = kdh.dump_bytes;
    n->config.header = n->header;
    if (kdh.key_bytes == 0)
        return PND_OK;
    n->config.key = n->key;
    n->config.key_bytes = kdh.key_bytes;
    return read_at(fd, n->key, kdh.key_bytes, n->start - kdh.key_bytes) ? PND_E_SOURCE : PND_OK;
}

/* FreeBSD's name for a machine. */
static const char *architecture(const char *machine)
{
    if (strcmp(machine, "x86_64") == 0)
        return "amd64";
    return machine[0] == 'i' && strcmp(machine + 2, "86") == 0 ? "i386" : machine;
}

int pnd_send_netdump_make(struct pnd_send_netdump *n, const char *name, enum pnd_compress_how how)
{
    struct pnd_kdh kdh = {.kind = PND_KDH_KERNEL,
                          .version = VERSION,
                          .block_bytes = BLOCK,
                          .time_s = (uint64_t)time(NULL)};
    struct utsname un;

    if (how == PND_COMPRESS_LZ4)
        return PND_E_ARG;
    if (how != PND_COMPRESS_NONE)
        kdh.packing = how == PND_COMPRESS_GZIP ? PND_KDH_GZIP : PND_KDH_ZSTD;
    pnd_hostname(kdh.host, sizeof(kdh.host));
    if (uname(&un) == 0) {
        snprintf(kdh.architecture, sizeof(kdh.architecture), "%.11s", architecture(un.machine));
        snprintf(kdh.os, sizeof(kdh.os), "%s %s %.60s", un.sysname, un.release, un.version);
    }
    snprintf(kdh.panic, sizeof(kdh.panic), "%s", name);
    n->config.header = n->header;
    return pnd_kdh_write(&kdh, n->header);
}
