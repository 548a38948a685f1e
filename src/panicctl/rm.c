/* SPDX-License-Identifier: BSD-2-Clause
 *
 * panicctl rm */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>

#include "panicctl/print.h"
#include "panicctl/remove.h"
#include "view/view.h"

static int remove_one(struct pnd_ctl *ctl, const char *sel, uint64_t *ret_id)
{
    struct pnd_why why = {0};
    struct pnd_view view;
    int err = pnd_view_find(&ctl->spool, ctl->catalog, sel, PND_VIEW_WAIT_MS, &view, &why);

    if (err)
        return pnd_ctl_fail("%s", why.text);
    if (view.arriving)
        return pnd_ctl_fail("%s is still arriving, and stays; \"panicctl watch\" shows it", sel);
    if (pnd_remove_dump(ctl, &view.dump, &why))
        return pnd_ctl_fail("%s", why.text);
    if (pnd_spool_sync(&ctl->spool, &why))
        return pnd_ctl_fail("%s", why.text);
    *ret_id = view.dump.id;
    return PND_EXIT_OK;
}

int pnd_verb_rm(struct pnd_ctl *ctl, int argc, char **argv)
{
    static const struct option options[] = {
        {"json", no_argument, NULL, 'j'}, {"help", no_argument, NULL, 'h'}, {0}};
    json_t *removed = json_array();
    struct pnd_why why = {0};
    int option, code, worst = PND_EXIT_OK;
    uint64_t id = 0;

    while ((option = getopt_long(argc, argv, "jh", options, NULL)) != -1) {
        code = pnd_ctl_common_option(ctl, argv[0], option);
        if (code >= 0) {
            json_decref(removed);
            return code;
        }
    }
    if (optind == argc)
        worst = pnd_ctl_misused(argv[0], "rm takes at least one ID");
    else if (pnd_ctl_open(ctl, true, &why))
        worst = pnd_ctl_fail("%s", why.text);
    else
        for (int i = optind; i < argc; i++) {
            if (remove_one(ctl, argv[i], &id)) {
                worst = PND_EXIT_COULD_NOT;
                continue;
            }
            json_array_append_new(removed, json_integer((json_int_t)id));
            if (!ctl->json)
                printf("removed dump %" PRIu64 "\n", id);
        }
    if (ctl->json && ctl->catalog &&
        pnd_print_json(json_pack("{s:O}", "removed", removed)) != PND_EXIT_OK)
        worst = PND_EXIT_COULD_NOT;
    json_decref(removed);
    return worst;
}
