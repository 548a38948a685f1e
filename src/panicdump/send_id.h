/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The id by which a server knows a dump again that is resumed. */
#ifndef PND_PANICDUMP_SEND_ID_H
#define PND_PANICDUMP_SEND_ID_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "panicd/client.h"

/* Another one each time. @return false, errno says why: the system has no random numbers */
bool pnd_send_id_random(uint8_t ret[PND_CLIENT_ID_BYTES]);

/* The same for the same file on the same machine, sent by the same @p name and in the same @p form,
 * as long as nobody writes to it. No secret. */
void pnd_send_id_of_file(const struct stat *st, const char *name, unsigned form,
                         uint8_t ret[PND_CLIENT_ID_BYTES]);

#endif
