/* SPDX-License-Identifier: BSD-2-Clause
 *
 * An NMI that panics: see nmi.h. */
#include "arm/nmi.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "arm/rooted.h"

static const struct {
    const char *name, *path;
} settings[PND_NMI_SETTINGS] = {
    {"kernel.unknown_nmi_panic", "/proc/sys/kernel/unknown_nmi_panic"},
    {"kernel.panic_on_unrecovered_nmi", "/proc/sys/kernel/panic_on_unrecovered_nmi"},
    {"kernel.panic_on_io_nmi", "/proc/sys/kernel/panic_on_io_nmi"},
};

const char *pnd_nmi_name(int index)
{
    return settings[index].name;
}

void pnd_nmi_read(const char *root, struct pnd_nmi *ret)
{
    for (int i = 0; i < PND_NMI_SETTINGS; i++) {
        char text[16];

        ret->value[i] = pnd_rooted_read(root, settings[i].path, text, sizeof(text))
                            ? PND_NMI_ABSENT
                            : (int)strtol(text, NULL, 10);
    }
}

int pnd_nmi_restore(const char *root, const struct pnd_nmi *as, struct pnd_why *why)
{
    for (int i = 0; i < PND_NMI_SETTINGS; i++) {
        char text[16];

        if (as->value[i] == PND_NMI_ABSENT || !pnd_rooted_exists(root, settings[i].path))
            continue;
        snprintf(text, sizeof(text), "%d", as->value[i]);
        if (pnd_rooted_write(root, settings[i].path, text))
            return pnd_why(why, PND_E_SYS, errno, "set %s", settings[i].name);
    }
    return PND_OK;
}

/* @return how many of them this kernel has */
static int count(const struct pnd_nmi *now)
{
    int there = 0;

    for (int i = 0; i < PND_NMI_SETTINGS; i++)
        there += now->value[i] != PND_NMI_ABSENT;
    return there;
}

int pnd_nmi_check(const char *root, struct pnd_why *why)
{
    struct pnd_nmi now;

    pnd_nmi_read(root, &now);
    if (!count(&now))
        return pnd_why(why, PND_E_NOTFOUND, 0,
                       "this kernel has no setting that lets an NMI panic: arm without --on-nmi");
    return PND_OK;
}

bool pnd_nmi_panics(const char *root)
{
    struct pnd_nmi now;

    pnd_nmi_read(root, &now);
    for (int i = 0; i < PND_NMI_SETTINGS; i++)
        if (now.value[i] == 0)
            return false;
    return count(&now) > 0;
}

int pnd_nmi_panic(const char *root, struct pnd_why *why)
{
    struct pnd_nmi now;
    int err = pnd_nmi_check(root, why);

    if (err)
        return err;
    pnd_nmi_read(root, &now);
    for (int i = 0; i < PND_NMI_SETTINGS; i++)
        if (now.value[i] != PND_NMI_ABSENT)
            now.value[i] = 1;
    return pnd_nmi_restore(root, &now, why);
}
