/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Compression on the way: see gzip.h. */
#include "panicdump/gzip.h"

#include <limits.h>
#include <string.h>

enum {
    LEVEL = 1,
    WINDOW_BITS = 12,
    GZIP_HEADER = 16, /* added to the window bits: a gzip header and trailer around the data */
    MEM_LEVEL = 3,
    OUT_CAP = 65536,
};

int pnd_gzip_init(struct pnd_gzip *gzip, struct pnd_client *client, struct pnd_why *why)
{
    memset(gzip, 0, sizeof(*gzip));
    gzip->client = client;
    if (deflateInit2(&gzip->z, LEVEL, Z_DEFLATED, WINDOW_BITS + GZIP_HEADER, MEM_LEVEL,
                     Z_DEFAULT_STRATEGY) != Z_OK)
        return pnd_why(why, PND_E_SYS, 0, "no memory for compression");
    return PND_OK;
}

void pnd_gzip_deinit(struct pnd_gzip *gzip)
{
    deflateEnd(&gzip->z);
}

static int deflate_all(struct pnd_gzip *gzip, int flush)
{
    unsigned char out[OUT_CAP];
    int status, err;

    do {
        gzip->z.next_out = out;
        gzip->z.avail_out = sizeof(out);
        status = deflate(&gzip->z, flush);
        err = pnd_client_write(gzip->client, out, sizeof(out) - gzip->z.avail_out);
        if (err)
            return err;
    } while (flush == Z_FINISH ? status != Z_STREAM_END : gzip->z.avail_out == 0);
    return PND_OK;
}

int pnd_gzip_write(struct pnd_gzip *gzip, const void *buf, size_t len)
{
    const unsigned char *at = buf;

    while (len > 0) {
        size_t part = len < INT_MAX ? len : INT_MAX;
        int err;

        gzip->z.next_in = (unsigned char *)(uintptr_t)at;
        gzip->z.avail_in = (unsigned)part;
        err = deflate_all(gzip, Z_NO_FLUSH);
        if (err)
            return err;
        at += part;
        len -= part;
    }
    return PND_OK;
}

int pnd_gzip_finish(struct pnd_gzip *gzip)
{
    gzip->z.next_in = NULL;
    gzip->z.avail_in = 0;
    return deflate_all(gzip, Z_FINISH);
}
