/* SPDX-License-Identifier: BSD-2-Clause
 *
 * panicctl setup: what was asked, and the steps for people and for programs. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "panicctl/bootargs.h"

enum { INDENT = 10 };

/* ---- for people ---- */

static void print_commands(const char *text, const char *indent)
{
    while (*text) {
        size_t len = strcspn(text, "\n");

        printf("%s%.*s\n", len ? indent : "", (int)len, text);
        text += len + (text[len] == '\n');
    }
}

static void print_step(const struct pnd_setup_step *step, unsigned number)
{
    const struct {
        const char *head, *text;
    } rest[] = {{"   check  ", step->check}, {"   undo   ", step->undo}, {"   why    ", step->why}};
    char head[16];

    snprintf(head, sizeof(head), "%2u. ", number);
    pnd_bootargs_wrap(head, 4, step->title);
    if (step->how[0])
        pnd_bootargs_wrap("    ", 4, step->how);
    if (step->act[0]) {
        putchar('\n');
        print_commands(step->act, "      ");
        putchar('\n');
    }
    for (size_t i = 0; i < sizeof(rest) / sizeof(*rest); i++) {
        if (rest[i].text[0])
            pnd_bootargs_wrap(rest[i].head, INDENT, rest[i].text);
    }
    putchar('\n');
}

static void print_text(const struct pnd_setup *setup)
{
    for (unsigned i = 0; i < setup->about_count; i++)
        pnd_bootargs_wrap("", 0, setup->about[i]);
    putchar('\n');
    for (unsigned i = 0; i < setup->count; i++)
        print_step(&setup->steps[i], i + 1);
}

static void print_brief(const struct pnd_setup *setup)
{
    for (unsigned i = 0; i < setup->about_count; i++)
        pnd_bootargs_wrap("", 0, setup->about[i]);
    for (unsigned i = 0; i < setup->count; i++) {
        if (!setup->steps[i].act[0])
            continue;
        printf("\n%u. %s\n", i + 1, setup->steps[i].title);
        print_commands(setup->steps[i].act, "     ");
    }
}

/* ---- the verb ---- */

static void put_json(struct pnd_advice *advice, struct pnd_json *json)
{
    pnd_advice_setup(advice, json);
}

static int run(const struct pnd_ctl *ctl, struct pnd_advice *advice, bool brief)
{
    const char *wrong = pnd_setup_make(&advice->want, &advice->setup);

    if (wrong)
        return pnd_ctl_fail("%s", wrong);
    if (ctl->json)
        return pnd_bootargs_print_json(advice, put_json);
    if (brief)
        print_brief(&advice->setup);
    else
        print_text(&advice->setup);
    return PND_EXIT_OK;
}

enum { OPT_WANT = 256, OPT_BRIEF };

/* @return -1 the options are read; else leave with this exit code */
static int read_options(struct pnd_ctl *ctl, int argc, char **argv, struct pnd_setup_want *want,
                        bool *brief)
{
    static const struct option options[] = {{"for", required_argument, NULL, OPT_WANT},
                                            {"server", required_argument, NULL, OPT_WANT},
                                            {"interface", required_argument, NULL, OPT_WANT},
                                            {"client", required_argument, NULL, OPT_WANT},
                                            {"gateway", required_argument, NULL, OPT_WANT},
                                            {"release", required_argument, NULL, OPT_WANT},
                                            {"arch", required_argument, NULL, OPT_WANT},
                                            {"port", required_argument, NULL, OPT_WANT},
                                            {"on-nmi", no_argument, NULL, OPT_WANT},
                                            {"paniclog-only", no_argument, NULL, OPT_WANT},
                                            {"local", no_argument, NULL, OPT_WANT},
                                            {"stay", no_argument, NULL, OPT_WANT},
                                            {"brief", no_argument, NULL, OPT_BRIEF},
                                            {"json", no_argument, NULL, 'j'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    const char *wrong = NULL;
    int option, index, code = -1;

    while (!wrong && code < 0 && (option = getopt_long(argc, argv, "jh", options, &index)) != -1) {
        if (option == OPT_WANT)
            wrong = pnd_setup_want_set(want, options[index].name, optarg);
        else if (option == OPT_BRIEF)
            *brief = true;
        else
            code = pnd_ctl_common_option(ctl, "setup", option);
    }
    if (wrong)
        return pnd_ctl_misused("setup", "%s", wrong);
    if (code >= 0)
        return code;
    if (optind < argc)
        return pnd_ctl_misused(argv[0], "setup takes options, not \"%s\"", argv[optind]);
    if (!want->system)
        return pnd_ctl_misused(argv[0], "say what the machine that may panic runs: --for macos, "
                                        "freebsd or linux; or how it sends: --for tftp");
    return -1;
}

int pnd_verb_setup(struct pnd_ctl *ctl, int argc, char **argv)
{
    struct pnd_advice *advice = calloc(1, sizeof(*advice));
    bool brief = false;
    int code;

    if (!advice)
        return pnd_ctl_fail("out of memory");
    pnd_setup_want_init(&advice->want);
    code = read_options(ctl, argc, argv, &advice->want, &brief);
    if (code < 0)
        code = run(ctl, advice, brief);
    free(advice);
    return code;
}
