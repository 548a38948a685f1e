/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What is known of a dump that is packed; see pack.h. */
#include <string.h>

#include "panicctl/pack.h"

static bool any_fact(const struct pnd_facts *facts)
{
    bool any = facts->cpu_count || facts->frame_count || facts->module_count || facts->range_count;

    for (int i = 0; i < PND_FACT_COUNT; i++)
        any |= facts->text[i] != NULL;
    return any;
}

int pnd_pack_find_facts(struct pnd_ctl *ctl, const struct pnd_subject *subject,
                        struct pnd_pack *pack, struct pnd_why *why)
{
    struct pnd_check check = {0};
    int err = pnd_subject_facts(ctl, subject, true, &pack->facts, &check, why);

    if (!pack->dump.format[0])
        memcpy(pack->dump.format, check.format, sizeof(pack->dump.format));
    if (!pack->dump.sha256[0])
        memcpy(pack->dump.sha256, check.sha256, sizeof(pack->dump.sha256));
    pack->has_facts = !err && any_fact(&pack->facts);
    return err;
}
