/* SPDX-License-Identifier: BSD-2-Clause */
#include "panicctl/remove.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "host/text.h"
#include "store/beside.h"
#include "store/paths.h"
#include "store/savecore.h"

/* The file first: a row without its file goes away by itself, a file without its row comes
 * back. What lies beside it goes when it has gone: a key must not be missed. */
int pnd_remove_dump(struct pnd_ctl *ctl, const struct pnd_dump *dump, struct pnd_why *why)
{
    char safe[256];
    int err;

    if (unlinkat(ctl->spool.dir_fd, dump->file, 0) != 0 && errno != ENOENT) {
        int errnum = errno;

        pnd_text_escape(safe, sizeof(safe), dump->file, strlen(dump->file));
        return pnd_why(why, PND_E_SYS, errnum, "remove %.150s/%s", ctl->spool.path, safe);
    }
    err = pnd_beside_remove(&ctl->spool, dump->file, why);
    if (!err)
        err = pnd_savecore_remove(&ctl->spool, dump->file, why);
    if (!err)
        err = pnd_paths_remove(&ctl->spool, dump->file, why);
    if (err)
        return err;
    err = pnd_catalog_remove(ctl->catalog, dump->id, why);
    return err == PND_E_NOTFOUND ? PND_OK : err;
}
