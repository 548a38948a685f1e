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
    };
    char text[PND_FAILURE_CAP];

    pnd_client_abort(&sender->client);
    return pnd_complain(pnd_failure_exit(&failure), "%s", pnd_failure_text(text, &failure));
}

int pnd_failure_exit(const struct pnd_failure *failure)
{
    if (failure->err == PND_E_ABORTED && pnd_stop_signal())
        return 128 + pnd_stop_signal();
    if (failure->err == PND_E_NAME || failure->err == PND_E_ARG)
        return PND_EXIT_CANNOT;
    return PND_EXIT_NO;
}
