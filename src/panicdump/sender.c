/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What `send` and `test` share: see sender.h. */
#include "panicdump/sender.h"

int pnd_sender_failed(struct pnd_sender *sender, int err)
{
    struct pnd_failure failure = {
        .err = err,
        .client = &sender->client,
        .server = sender->server,
        .nobody_listens = sender->udp.refused > 0,
        .sys_errno = sender->udp.last_errno,
        .netdump = sender->netdump,
    };
    char text[PND_FAILURE_CAP];

    pnd_client_abort(&sender->client);
    return pnd_complain(pnd_failure_exit(&failure), "%s", pnd_failure_text(text, &failure));
}
