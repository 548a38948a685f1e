/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The check in this process; see check.h. */
#include "inspect/check.h"

#include "inspect/pass.h"

int pnd_check_file(int fd, void (*progress)(uint64_t done, void *ctx), void *ctx,
                   struct pnd_check *ret, struct pnd_facts *facts, struct pnd_why *why)
{
    struct pnd_pass *pass = NULL;
    int err = pnd_pass_create(fd, &pass, why);

    if (facts)
        *facts = (struct pnd_facts){0};
    if (!err)
        err = pnd_pass_advance(pass, UINT64_MAX, true, progress, ctx, why);
    if (!err && facts)
        err = pnd_pass_facts(pass, facts, why);
    if (!err)
        err = pnd_pass_check(pass, ret, why);
    if (err && facts)
        pnd_facts_deinit(facts);
    pnd_pass_destroy(pass);
    return err;
}
