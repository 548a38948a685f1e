/* SPDX-License-Identifier: BSD-2-Clause
 *
 * panicctl list */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "panicctl/print.h"
#include "view/view.h"
#include "store/catalog_facts.h"

enum { WAIT_TERMINAL_MS = 500 }; /* a person would rather see "being checked" than wait */

/* Only those of the group that @p sel names. */
static int keep_group(struct pnd_ctl *ctl, const char *sel, struct pnd_views *views,
                      struct pnd_why *why)
{
    struct pnd_group group;
    size_t kept = 0;
    int err = pnd_catalog_group_find(ctl->catalog, sel, &group, why);

    for (size_t i = 0; !err && i < views->count; i++) {
        struct pnd_facts_line line;

        if (views->at[i].dump.id &&
            pnd_catalog_facts_line(ctl->catalog, views->at[i].dump.id, &line, NULL) == PND_OK &&
            strcmp(line.signature.id, group.signature.id) == 0)
            views->at[kept++] = views->at[i];
    }
    views->count = err ? views->count : kept;
    return err;
}

static int list_json(const struct pnd_ctl *ctl, const struct pnd_views *views)
{
    json_t *list = json_array();

    for (size_t i = 0; i < views->count; i++)
        json_array_append_new(list, pnd_view_json(&ctl->spool, ctl->catalog, &views->at[i]));
    return pnd_print_json(json_pack("{s:o}", "dumps", list));
}

int pnd_verb_list(struct pnd_ctl *ctl, int argc, char **argv)
{
    static const struct option options[] = {{"group", required_argument, NULL, 'g'},
                                            {"json", no_argument, NULL, 'j'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    const char *group = NULL;
    struct pnd_views views = {0};
    struct pnd_why why = {0};
    int option, code, err;

    while ((option = getopt_long(argc, argv, "jh", options, NULL)) != -1) {
        if (option == 'g')
            group = optarg;
        else if ((code = pnd_ctl_common_option(ctl, argv[0], option)) >= 0)
            return code;
    }
    if (optind < argc)
        return pnd_ctl_misused(argv[0], "list takes no argument; for one dump type \"panicctl "
                                        "info ID\"");

    err = pnd_ctl_open(ctl, false, &why);
    if (!err)
        err = pnd_views_read(&ctl->spool, ctl->catalog,
                             ctl->terminal ? WAIT_TERMINAL_MS : PND_VIEW_WAIT_MS, &views, &why);
    if (!err && group)
        err = keep_group(ctl, group, &views, &why);
    if (err) {
        pnd_views_deinit(&views);
        return pnd_ctl_fail("%s", why.text);
    }
    code = PND_EXIT_OK;
    if (ctl->json)
        code = list_json(ctl, &views);
    else if (views.count == 0 && group)
        puts("All dumps of that group have been removed.");
    else if (views.count == 0)
        printf("No dumps in %s yet.\n", ctl->spool.path);
    else if (pnd_print_table(ctl, &views, 0))
        code = pnd_ctl_fail("could not make the table");
    pnd_views_deinit(&views);
    return code;
}
