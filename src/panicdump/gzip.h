/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Compression on the way, as Apple's kernel does it: one gzip member, deflate level 1, a window
 * of 4 KiB, so that it costs little memory and less time than the network. PROTOCOL.md#kdp-6.4 */
#ifndef PND_PANICDUMP_GZIP_H
#define PND_PANICDUMP_GZIP_H

#include <zlib.h>

#include "panicd/client.h"

#include "host/why.h"

struct pnd_gzip {
    struct pnd_client *client;
    z_stream z;
};

/* @return PND_OK; PND_E_SYS no memory */
int pnd_gzip_init(struct pnd_gzip *gzip, struct pnd_client *client, struct pnd_why *why);
void pnd_gzip_deinit(struct pnd_gzip *gzip);

/* Bytes to compress; what comes out is sent. @return as pnd_client_write() */
int pnd_gzip_write(struct pnd_gzip *gzip, const void *buf, size_t len);

/* The rest, and the trailer. The dump is not ended. @return as pnd_client_write() */
int pnd_gzip_finish(struct pnd_gzip *gzip);

#endif
