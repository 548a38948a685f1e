/* SPDX-License-Identifier: BSD-2-Clause
 *
 * send --protocol netdump: what goes beside the bytes of a file. */
#ifndef PND_PANICDUMP_SEND_NETDUMP_H
#define PND_PANICDUMP_SEND_NETDUMP_H

#include <stdbool.h>
#include <stdint.h>

#include "image/kdh.h"
#include "panicd/client.h"
#include "panicdump/compress.h"

enum {
    PND_SEND_KEY_MAX = 8192,           /* bytes; one of FreeBSD's has 4096 at most */
    PND_SEND_NETDUMP_WINDOW = 1 << 17, /* for the client: what is on its way, and what it keeps */
};

struct pnd_send_netdump {
    struct pnd_client_netdump_config config; /* points to what follows */
    bool as_it_is;                           /* the file is a dump of FreeBSD's, as a disk has it */
    uint64_t start; /* if so: where in the file the dump itself begins; else 0 */
    uint64_t bytes; /* if so: how long it is */
    uint8_t header[PND_KDH_BYTES];
    uint8_t key[PND_SEND_KEY_MAX];
};

/* A regular file that begins and ends with the same kernel dump header becomes what it is.
 *   @param fd  only read with pread()
 *   @return PND_OK, whatever it is; PND_E_SOURCE errno says why
 *   @source PROTOCOL.md#netdump-6, #netdump-10 */
int pnd_send_netdump_look(struct pnd_send_netdump *n, int fd, uint64_t size);

/* For any other file: a header that is made up, of this machine and now.
 *   @return PND_OK; PND_E_ARG there is no word for that compression */
int pnd_send_netdump_make(struct pnd_send_netdump *n, const char *name, enum pnd_compress_how how);

#endif
