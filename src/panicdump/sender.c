/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What `send` and `test` share: see sender.h. */
#include "panicdump/sender.h"

#include <string.h>
#include <unistd.h>

int pnd_sender_failed(struct pnd_sender *sender, int err)
{
    struct pnd_failure failure = {
        .err = err,
        .client = &sender->client,
        .server = sender->server,
        .nobody_listens = sender->udp.refused > 0,
        .sys_errno = sender->udp.last_errno,
    };
    char text[PND_FAILURE_CAP];

    pnd_client_abort(&sender->client);
    return pnd_complain(pnd_failure_exit(&failure), "%s", pnd_failure_text(text, &failure));
}

const char *pnd_hostname(char *dst, size_t cap)
{
    static const char safe[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._+-";

    if (gethostname(dst, cap) < 0)
        dst[0] = '\0';
    dst[cap - 1] = '\0';
    for (size_t i = 0; dst[i]; i++)
        if (!strchr(safe, dst[i]))
            dst[i] = '_';
    if (!dst[0])
        memcpy(dst, "host", 5);
    return dst;
}
