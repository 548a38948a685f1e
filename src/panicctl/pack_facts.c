/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What is known of a dump that is packed; see pack.h. */
#include <stdio.h>
#include <string.h>

#include "panicctl/pack.h"
#include "store/catalog_facts.h"

static bool any_fact(const struct pnd_facts *facts)
{
    bool any = facts->cpu_count || facts->frame_count || facts->module_count || facts->range_count;

    for (int i = 0; i < PND_FACT_COUNT; i++)
        any |= facts->text[i] != NULL;
    return any;
}

int pnd_pack_find_facts(struct pnd_ctl *ctl, struct pnd_pack *pack, int fd, bool quiet,
                        struct pnd_why *why)
{
    int err = PND_E_NOTFOUND;

    (void)fd;
    (void)quiet;
    if (pack->row)
        err = pnd_catalog_get_facts(ctl->catalog, pack->dump.id, true, &pack->facts, why);
    pack->has_facts = !err && any_fact(&pack->facts);
    return err == PND_E_NOTFOUND ? PND_OK : err;
}
