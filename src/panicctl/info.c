/* SPDX-License-Identifier: BSD-2-Clause
 *
 * panicctl info: what is known is gathered here. */
#include "panicctl/info.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "panicctl/debug.h"
#include "panicctl/groups.h"

/* ---- the group ---- */

static const char *machine_of(const struct pnd_info *info)
{
    const char *host = pnd_facts_text(&info->facts, PND_FACT_HOST);

    return host[0] ? host : info->subject.view.dump.peer;
}

/* Oldest first, so that the last of each machine pushes it to the front. */
static bool gather_machine(const struct pnd_sighting *sighting, void *ctx)
{
    struct pnd_info *info = ctx;
    unsigned at = 0, named = info->machine_count < PND_INFO_MACHINES_MAX ? info->machine_count
                                                                         : PND_INFO_MACHINES_MAX;

    if (!sighting->machine[0] || strcmp(sighting->machine, machine_of(info)) == 0)
        return true;
    while (at < named && strcmp(info->machines[at], sighting->machine) != 0)
        at++;
    if (at == named && named < PND_INFO_MACHINES_MAX)
        info->machine_count++;
    if (at == PND_INFO_MACHINES_MAX)
        at--; /* the oldest goes */
    memmove(info->machines[1], info->machines[0], at * sizeof(info->machines[0]));
    memcpy(info->machines[0], sighting->machine, sizeof(info->machines[0]));
    return true;
}

/* That there is none, or that it cannot be read, leaves the page without it. */
static void find_group(struct pnd_ctl *ctl, struct pnd_info *info)
{
    struct pnd_facts_line line;
    struct pnd_signature signature;
    uint64_t id = info->subject.view.dump.id;

    pnd_signature(&info->facts, &signature);
    if (id && pnd_catalog_facts_line(ctl->catalog, id, &line, NULL) == PND_OK)
        signature = line.signature;       /* as the others of the group have it */
    if (signature.id[0] && !ctl->catalog) /* a file: was there the same in the directory? */
        pnd_ctl_open(ctl, false, NULL);
    if (!signature.id[0] || !ctl->catalog ||
        pnd_catalog_group_find(ctl->catalog, signature.id, &info->group, NULL) != PND_OK) {
        info->group = (struct pnd_group){0};
        return;
    }
    pnd_catalog_sightings(ctl->catalog, signature.id, gather_machine, info, NULL);
}

/* ---- JSON ---- */

static json_t *file_json(const struct pnd_info *info)
{
    static const char *const verdicts[] = {"complete", "incomplete", "corrupt"};
    const struct pnd_check *check = &info->check;

    return json_pack("{s:n, s:o, s:s, s:o, s:s, s:I, s:I, s:s}", "id", "path",
                     pnd_print_json_text(info->subject.path), "verdict", verdicts[check->verdict],
                     "reason", pnd_print_json_text(check->reason), "format", check->format, "bytes",
                     (json_int_t)check->bytes, "content_bytes", (json_int_t)check->content_bytes,
                     "sha256", check->sha256);
}

static int info_json(const struct pnd_ctl *ctl, const struct pnd_info *info)
{
    const struct pnd_subject *subject = &info->subject;
    const struct pnd_known known = {
        .facts = &info->facts,
        .group = info->group.count ? &info->group : NULL,
        .encrypted = &info->encrypted,
        .format = pnd_subject_format(subject, &info->check),
        .name = info->name,
        .packs = subject->row && !subject->view.arriving,
    };
    json_t *json = subject->row ? pnd_known_row_json(&ctl->spool, ctl->catalog, &subject->view)
                                : file_json(info);

    if (json)
        json_object_update_new(json, pnd_known_json(&known));
    return pnd_print_json(json);
}

/* ---- the verb ---- */

static int gather(struct pnd_ctl *ctl, const char *what, struct pnd_info *info, struct pnd_why *why)
{
    char name[PND_DEBUG_PATH_CAP];
    int err = pnd_subject_find(ctl, what, &info->subject, why);

    if (!err)
        err = pnd_subject_facts(ctl, &info->subject, false, &info->facts, &info->check, why);
    if (err)
        return err;
    pnd_subject_name(&info->subject, name, sizeof(name));
    pnd_debug_quote(info->name, sizeof(info->name), name);
    pnd_subject_encrypted(ctl, &info->subject, &info->encrypted);
    find_group(ctl, info);
    return PND_OK;
}

int pnd_verb_info(struct pnd_ctl *ctl, int argc, char **argv)
{
    static const struct option options[] = {{"all", no_argument, NULL, 'a'},
                                            {"json", no_argument, NULL, 'j'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    static struct pnd_info info; /* too much for a stack frame */
    struct pnd_why why = {0};
    bool all = false;
    int option, code;

    while ((option = getopt_long(argc, argv, "ajh", options, NULL)) != -1) {
        if (option == 'a')
            all = true;
        else if ((code = pnd_ctl_common_option(ctl, argv[0], option)) >= 0)
            return code;
    }
    if (argc - optind > 1)
        return pnd_ctl_misused(argv[0], "info takes one ID or FILE");

    code = PND_EXIT_OK;
    if (gather(ctl, optind < argc ? argv[optind] : "latest", &info, &why))
        code = pnd_ctl_fail("%s", why.text);
    else if (ctl->json)
        code = info_json(ctl, &info);
    else
        pnd_info_page(ctl, &info, all);
    pnd_facts_deinit(&info.facts);
    pnd_subject_deinit(&info.subject);
    return code;
}
