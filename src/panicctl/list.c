/* SPDX-License-Identifier: BSD-2-Clause
 *
 * panicctl list */
#include <getopt.h>
#include <stdio.h>

#include "panicctl/print.h"
#include "panicctl/view.h"

enum { WAIT_TERMINAL_MS = 500 }; /* a person would rather see "being checked" than wait */

static int list_json(const struct pnd_ctl *ctl, const struct pnd_views *views)
{
    json_t *list = json_array();

    for (size_t i = 0; i < views->count; i++)
        json_array_append_new(list, pnd_print_json_view(ctl, &views->at[i]));
    return pnd_print_json(json_pack("{s:o}", "dumps", list));
}

int pnd_verb_list(struct pnd_ctl *ctl, int argc, char **argv)
{
    static const struct option options[] = {
        {"json", no_argument, NULL, 'j'}, {"help", no_argument, NULL, 'h'}, {0}};
    struct pnd_views views;
    struct pnd_why why = {0};
    int option, code, err;

    while ((option = getopt_long(argc, argv, "jh", options, NULL)) != -1) {
        code = pnd_ctl_common_option(ctl, argv[0], option);
        if (code >= 0)
            return code;
    }
    if (optind < argc)
        return pnd_ctl_misused(argv[0], "list takes no argument; for one dump type \"panicctl "
                                        "info ID\"");

    err = pnd_ctl_open(ctl, false, &why);
    if (!err)
        err =
            pnd_views_read(ctl, ctl->terminal ? WAIT_TERMINAL_MS : PND_VIEW_WAIT_MS, &views, &why);
    if (err)
        return pnd_ctl_fail("%s", why.text);
    code = PND_EXIT_OK;
    if (ctl->json)
        code = list_json(ctl, &views);
    else if (views.count == 0)
        printf("No dumps in %s yet.\n", ctl->spool.path);
    else if (pnd_print_table(ctl, &views, 0))
        code = pnd_ctl_fail("could not make the table");
    pnd_views_deinit(&views);
    return code;
}
