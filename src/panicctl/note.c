/* SPDX-License-Identifier: BSD-2-Clause
 *
 * panicctl note */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "host/text.h"
#include "panicctl/groups.h"
#include "panicctl/print.h"

enum { TEXT_CAP = PND_GROUP_NOTE_MAX + 2 }; /* one more byte than may be: it is told by that */

/* The words as one line. @return false: there is nothing in them */
static bool join(char *const *words, int count, char ret[TEXT_CAP])
{
    size_t len = 0;

    for (int i = 0; i < count; i++) {
        for (const char *at = words[i]; *at && len + 1 < TEXT_CAP; at++)
            ret[len++] = *at == '\n' || *at == '\t' || *at == '\r' ? ' ' : *at;
        if (i + 1 < count && len + 1 < TEXT_CAP)
            ret[len++] = ' ';
    }
    ret[len] = '\0';
    return strspn(ret, " ") < len;
}

static int answer(const struct pnd_ctl *ctl, const struct pnd_group *group, bool set)
{
    const char *id = group->signature.id;
    char text[PND_GROUP_TEXT_CAP];
    int code = group->note[0] || set ? PND_EXIT_OK : PND_EXIT_NO;

    if (ctl->json) {
        int err = pnd_print_json(json_pack(
            "{s:s, s:o, s:o}", "group", id, "title", pnd_print_json_text(group->signature.title),
            "note", group->note[0] ? pnd_print_json_text(group->note) : json_null()));

        return err ? err : code;
    }
    pnd_text_escape(text, sizeof(text), group->note, strlen(group->note));
    if (set && group->note[0])
        printf("group %s: %s\n", id, text);
    else if (set)
        printf("group %s: the note is gone\n", id);
    else if (group->note[0])
        printf("%s\n", text);
    else
        printf("group %s has no note; to attach one type: panicctl note %s TEXT\n", id, id);
    return code;
}

int pnd_verb_note(struct pnd_ctl *ctl, int argc, char **argv)
{
    static const struct option options[] = {{"remove", no_argument, NULL, 'r'},
                                            {"json", no_argument, NULL, 'j'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    char text[TEXT_CAP] = "";
    struct pnd_group group;
    struct pnd_why why = {0};
    bool drop = false, set;
    int option, code, err;

    while ((option = getopt_long(argc, argv, "jh", options, NULL)) != -1) {
        if (option == 'r')
            drop = true;
        else if ((code = pnd_ctl_common_option(ctl, argv[0], option)) >= 0)
            return code;
    }
    if (optind == argc)
        return pnd_ctl_misused(argv[0], "note takes a GROUP, or a dump of it");
    set = drop || optind + 1 < argc;
    if (drop && optind + 1 < argc)
        return pnd_ctl_misused(argv[0], "note takes a TEXT or --remove, not both");
    if (set && !drop && !join(argv + optind + 1, argc - optind - 1, text))
        return pnd_ctl_misused(argv[0], "the TEXT is empty; to take a note away: --remove");

    err = pnd_ctl_open(ctl, set, &why);
    if (!err)
        err = pnd_catalog_group_find(ctl->catalog, argv[optind], &group, &why);
    if (!err && set)
        err = pnd_catalog_set_note(ctl->catalog, group.signature.id, text, &why);
    if (err)
        return pnd_ctl_fail("%s", why.text);
    if (set)
        snprintf(group.note, sizeof(group.note), "%.*s", PND_GROUP_NOTE_MAX, text);
    return answer(ctl, &group, set);
}
