/* SPDX-License-Identifier: BSD-2-Clause
 *
 * panicctl bootargs: which sub-verb, and the line that was typed. */
#include "panicctl/bootargs.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "panicctl/print.h"

enum { WORDS_MAX = 256, COLUMNS = 79 };

void pnd_bootargs_wrap(const char *head, unsigned indent, const char *text)
{
    size_t column = strlen(head);
    bool fresh = true; /* nothing of the text is in this line yet */

    fputs(head, stdout);
    for (text += strspn(text, " "); *text; text += strspn(text, " ")) {
        size_t len = strcspn(text, " ");

        if (!fresh && column + 1 + len > COLUMNS) {
            printf("\n%*s", (int)indent, "");
            column = indent;
        } else if (!fresh) {
            putchar(' ');
            column++;
        }
        fwrite(text, 1, len, stdout);
        column += len;
        text += len;
        fresh = false;
    }
    putchar('\n');
}

int pnd_bootargs_print_json(struct pnd_advice *advice,
                            void (*put)(struct pnd_advice *advice, struct pnd_json *json))
{
    char *text = malloc(PND_ADVICE_CAP);
    struct pnd_json json;
    int code;

    if (!text)
        return pnd_ctl_fail("out of memory");
    pnd_json_init(&json, text, PND_ADVICE_CAP);
    put(advice, &json);
    code = pnd_print_json(json.full ? NULL : json_loads(text, 0, NULL));
    free(text);
    return code;
}

static int read_option(struct pnd_ctl *ctl, struct pnd_argline *line, int option)
{
    const char *wrong;

    switch (option) {
    case 'x':
        wrong = pnd_argline_xnu(line, optarg);
        break;
    case 'a':
        wrong = pnd_argline_arch(line, optarg);
        break;
    default:
        return pnd_ctl_common_option(ctl, "bootargs", option);
    }
    return wrong ? pnd_ctl_misused("bootargs", "%s", wrong) : -1;
}

/* The options first, as getopt_long() wants them: everything else is a word of the line, "-v"
 * too. @return how many options there are, with what they take */
static int part(int argc, char **argv, char **sorted)
{
    int options = 0, words = 0;
    char *word[WORDS_MAX];

    for (int i = 0; i < argc; i++) {
        bool option = i == 0 || strncmp(argv[i], "--", 2) == 0 || strcmp(argv[i], "-h") == 0 ||
                      strcmp(argv[i], "-j") == 0;
        bool takes = strcmp(argv[i], "--xnu") == 0 || strcmp(argv[i], "--arch") == 0;

        if (!option) {
            word[words++] = argv[i];
            continue;
        }
        sorted[options++] = argv[i];
        if (takes && i + 1 < argc)
            sorted[options++] = argv[++i];
    }
    for (int i = 0; i < words; i++)
        sorted[options + i] = word[i];
    sorted[argc] = NULL;
    return options;
}

int pnd_bootargs_line(struct pnd_ctl *ctl, int argc, char **argv, struct pnd_argline *ret)
{
    static const struct option options[] = {{"xnu", required_argument, NULL, 'x'},
                                            {"arch", required_argument, NULL, 'a'},
                                            {"json", no_argument, NULL, 'j'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    char *sorted[WORDS_MAX + 1], typed[PND_ARGLINE_CAP] = "";
    int option, code, count;
    size_t used = 0;

    pnd_argline_init(ret);
    if (argc > WORDS_MAX)
        return pnd_ctl_misused("bootargs", "too many words, at most %d", WORDS_MAX - 1);
    count = part(argc, argv, sorted);
    while ((option = getopt_long(count, sorted, "jh", options, NULL)) != -1) {
        code = read_option(ctl, ret, option);
        if (code >= 0)
            return code;
    }
    if (count == argc)
        return pnd_ctl_misused("bootargs", "%s what? Type a value or a line of boot-args: %s",
                               argv[0], "panicctl bootargs decode 0xd44");
    for (int i = count; i < argc; i++) {
        used += (size_t)snprintf(typed + used, sizeof(typed) - used, "%s%s", used ? " " : "",
                                 sorted[i]);
        if (used >= sizeof(typed))
            break;
    }
    if (pnd_argline_type(ret, typed))
        return pnd_ctl_misused("bootargs", "the line is too long: at most %d bytes",
                               PND_ARGLINE_TYPED_MAX);
    return -1;
}

int pnd_verb_bootargs(struct pnd_ctl *ctl, int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(struct pnd_ctl *ctl, int argc, char **argv);
    } sub[] = {{"decode", pnd_bootargs_decode},
               {"lint", pnd_bootargs_lint},
               {"encode", pnd_bootargs_encode}};
    static const struct option options[] = {
        {"json", no_argument, NULL, 'j'}, {"help", no_argument, NULL, 'h'}, {0}};
    int option, code;

    while ((option = getopt_long(argc, argv, "+jh", options, NULL)) != -1) {
        code = pnd_ctl_common_option(ctl, argv[0], option);
        if (code >= 0)
            return code;
    }
    if (optind == argc)
        return pnd_ctl_misused(argv[0], "say what to do: decode, lint or encode");
    for (size_t i = 0; i < sizeof(sub) / sizeof(sub[0]); i++) {
        int first = optind;

        if (strcmp(argv[first], sub[i].name) != 0)
            continue;
        optind = 0;
        return sub[i].run(ctl, argc - first, argv + first);
    }
    return pnd_ctl_misused(argv[0], "there is no \"%s\" of boot-args: decode, lint or encode",
                           argv[optind]);
}
