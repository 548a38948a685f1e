/* SPDX-License-Identifier: BSD-2-Clause
 *
 * panicctl bootargs: which sub-verb, and the line that was typed. */
#include "panicctl/bootargs.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "host/text.h"

enum { WORDS_MAX = 256, XNU_FIRST = 123, XNU_LAST = 65535, COLUMNS = 79 };

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

int pnd_argline_xnu(struct pnd_argline *line, const char *text)
{
    uint64_t number;

    if (pnd_text_parse_uint(text, &number) || number < XNU_FIRST || number > XNU_LAST)
        return pnd_ctl_misused("bootargs",
                               "--xnu takes the first number of a kernel's version, %d to %d: "
                               "\"uname -a\" says xnu-11417.101.15, type --xnu 11417",
                               XNU_FIRST, XNU_LAST);
    line->xnu = (uint32_t)number;
    line->xnu_given = true;
    return -1;
}

int pnd_argline_arch(struct pnd_argline *line, const char *text)
{
    line->x86_64 = strcmp(text, "x86_64") == 0;
    line->arm64 = strcmp(text, "arm64") == 0;
    if (!line->x86_64 && !line->arm64)
        return pnd_ctl_misused("bootargs", "--arch takes x86_64 (Intel) or arm64 (Apple silicon)");
    return -1;
}

static int read_option(struct pnd_ctl *ctl, struct pnd_argline *line, int option)
{
    switch (option) {
    case 'x':
        return pnd_argline_xnu(line, optarg);
    case 'a':
        return pnd_argline_arch(line, optarg);
    default:
        return pnd_ctl_common_option(ctl, "bootargs", option);
    }
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

static bool flag_named(const char *text, size_t len, uint32_t *ret)
{
    const struct pnd_debug_flag *flag;

    for (unsigned i = 0; (flag = pnd_debug_flag(i)); i++) {
        const char *name = flag->name, *bare = flag->name + strlen("DB_");

        if ((strlen(name) == len && strncasecmp(name, text, len) == 0) ||
            (strlen(bare) == len && strncasecmp(bare, text, len) == 0)) {
            *ret = flag->bit;
            return true;
        }
    }
    return false;
}

/* "0x104c44", "0x400+0x44", "DB_NMI|DB_ARP", "nmi arp": a value of debug=. */
static bool is_value(const char *text, uint32_t *ret)
{
    static const char separators[] = " \t|+,";
    uint32_t sum = 0, bit;
    bool found = false;

    for (text += strspn(text, separators); *text; text += strspn(text, separators)) {
        size_t len = strcspn(text, separators);
        char one[64];
        struct pnd_bootarg arg;

        snprintf(one, sizeof(one), "debug=%.*s", (int)len, text);
        if (flag_named(text, len, &bit))
            sum |= bit;
        else if (pnd_bootargs_find(one, "debug", &arg) == PND_OK && arg.is_number)
            sum |= (uint32_t)arg.number;
        else
            return false;
        found = true;
        text += len;
    }
    *ret = sum;
    return found;
}

/* What nvram takes and prints: the line is behind "boot-args", perhaps in quotes. */
static const char *skip_nvram(const char *text)
{
    static const char name[] = "boot-args";
    const size_t len = sizeof(name) - 1;

    for (const char *at = strstr(text, name); at; at = strstr(at + len, name)) {
        bool begins = at == text || strchr(" \t'\"", at[-1]);

        if (begins && (at[len] == '=' || at[len] == '\t'))
            return at + len + 1;
    }
    return text;
}

static void strip_quotes(char *text)
{
    size_t len = strlen(text);

    while (len > 0 && strchr(" \t\r\n", text[len - 1]))
        text[--len] = '\0';
    if (len >= 2 && (text[0] == '"' || text[0] == '\'') && text[len - 1] == text[0]) {
        text[len - 1] = '\0';
        memmove(text, text + 1, len - 1);
    }
}

static void settle(struct pnd_argline *line, const char *typed)
{
    const char *text = skip_nvram(typed);
    uint32_t value;

    text += strspn(text, " \t\r\n");
    snprintf(line->text, sizeof(line->text), "%s", text);
    strip_quotes(line->text);
    if (is_value(line->text, &value)) {
        line->value_only = true;
        snprintf(line->text, sizeof(line->text), "debug=0x%x", value);
    } else if (line->text[0] >= '0' && line->text[0] <= '9' && !strpbrk(line->text, " \t=")) {
        line->value_only = true; /* meant as a number, but none: the traps say why */
        memmove(line->text + strlen("debug="), line->text,
                strnlen(line->text, sizeof(line->text) - sizeof("debug=")) + 1);
        memcpy(line->text, "debug=", strlen("debug="));
        line->text[sizeof(line->text) - 1] = '\0';
    }
}

int pnd_argline_read(struct pnd_ctl *ctl, int argc, char **argv, struct pnd_argline *ret)
{
    static const struct option options[] = {{"xnu", required_argument, NULL, 'x'},
                                            {"arch", required_argument, NULL, 'a'},
                                            {"json", no_argument, NULL, 'j'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    char *sorted[WORDS_MAX + 1], typed[PND_ARGLINE_CAP] = "";
    int option, code, count;
    size_t used = 0;

    *ret = (struct pnd_argline){.xnu = PND_XNU_CURRENT, .x86_64 = true, .arm64 = true};
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
        if (used >= sizeof(typed) - sizeof("debug="))
            return pnd_ctl_misused("bootargs", "the line is too long: at most %d bytes",
                                   PND_ARGLINE_CAP - (int)sizeof("debug="));
    }
    settle(ret, typed);
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
