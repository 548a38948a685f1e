/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What came with a dump, for the zip; see pack.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "host/guard.h"
#include "host/io.h"
#include "panicctl/pack.h"
#include "store/savecore.h"

_Static_assert((int)PND_SAVECORE_INFO_CAP <= (int)PND_BESIDE_BYTES_MAX, "one buffer takes all");

/* @return PND_OK; PND_E_NOTFOUND; PND_E_SYS */
static int read_info(const struct pnd_spool *spool, const char *file, uint8_t *data, size_t *ret,
                     char member[PND_ZIP_NAME_CAP])
{
    char info[PND_SPOOL_NAME_CAP];
    ssize_t len;

    if (!pnd_savecore_info_name(file, info))
        return PND_E_NOTFOUND;
    PND_AUTO_CLOSE int fd = pnd_spool_open_file(spool, info);
    if (fd < 0)
        return fd;
    len = pnd_io_read_at(fd, 0, data, PND_SAVECORE_INFO_CAP);
    if (len < 0)
        return PND_E_SYS;
    pnd_pack_member_name(info, member);
    *ret = (size_t)len;
    return PND_OK;
}

/* @return as read_info() */
static int read_one(const struct pnd_spool *spool, unsigned which, struct pnd_pack *pack,
                    uint8_t *data)
{
    struct pnd_pack_beside *beside = &pack->beside[which];
    int err;

    if (which == PND_PACK_INFO)
        return read_info(spool, pack->dump.file, data, &beside->len, beside->member);
    if (which == PND_BESIDE_KEY && !pack->with_key)
        return PND_E_NOTFOUND;
    err = pnd_beside_read(spool, pack->dump.file, which, data, PND_BESIDE_BYTES_MAX, &beside->len);
    pnd_beside_name(pack->member, which, beside->member); /* never the dump's, however long */
    return err;
}

int pnd_pack_find_beside(const struct pnd_ctl *ctl, struct pnd_pack *pack, struct pnd_why *why)
{
    for (unsigned i = 0; pack->row && i < PND_PACK_BESIDES; i++) {
        uint8_t *data = malloc(PND_BESIDE_BYTES_MAX);
        int err = data ? read_one(&ctl->spool, i, pack, data) : PND_E_SYS;

        if (err) {
            free(data);
            if (err != PND_E_NOTFOUND)
                return pnd_why(why, err, errno, "read what lies beside the dump");
            continue;
        }
        pack->beside[i].data = data;
    }
    if (pack->with_key && !pack->beside[PND_BESIDE_KEY].data)
        return pnd_why(why, PND_E_NOTFOUND, 0,
                       pack->row ? "no key came with this dump; pack it without --key"
                                 : "--key is for a dump of the list, not for a file");
    return PND_OK;
}

int pnd_pack_put_beside(struct pnd_zip *zip, const struct pnd_pack *pack, struct pnd_why *why)
{
    int err = PND_OK;

    for (unsigned i = 0; i < PND_PACK_BESIDES && !err; i++)
        if (pack->beside[i].data)
            err = pnd_zip_put(zip, pack->beside[i].member, pack->beside[i].data,
                              pack->beside[i].len, why);
    return err;
}

void pnd_pack_forget_beside(struct pnd_pack *pack)
{
    for (unsigned i = 0; i < PND_PACK_BESIDES; i++) {
        free(pack->beside[i].data);
        pack->beside[i].data = NULL;
    }
}
