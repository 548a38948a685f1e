/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The line that was typed. @source PROTOCOL.md#kdp-3.1 */
#include "advice/argline.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "host/text.h"

enum { XNU_FIRST = 123, XNU_LAST = 65535 };

void pnd_argline_init(struct pnd_argline *ret)
{
    *ret = (struct pnd_argline){.xnu = PND_XNU_CURRENT, .x86_64 = true, .arm64 = true};
}

const char *pnd_argline_xnu(struct pnd_argline *line, const char *text)
{
    uint64_t number;

    if (pnd_text_parse_uint(text, &number) || number < XNU_FIRST || number > XNU_LAST)
        return "--xnu takes the first number of a kernel's version, 123 to 65535: "
               "\"uname -a\" says xnu-11417.101.15, type --xnu 11417";
    line->xnu = (uint32_t)number;
    line->xnu_given = true;
    return NULL;
}

const char *pnd_argline_arch(struct pnd_argline *line, const char *text)
{
    line->x86_64 = strcmp(text, "x86_64") == 0;
    line->arm64 = strcmp(text, "arm64") == 0;
    if (!line->x86_64 && !line->arm64)
        return "--arch takes x86_64 (Intel) or arm64 (Apple silicon)";
    return NULL;
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

bool pnd_argline_value(const char *text, size_t len, uint32_t *ret)
{
    static const char separators[] = " \t|+,";
    uint32_t sum = 0, bit;
    bool found = false;

    for (size_t at = 0; at < len;) {
        size_t word = 0;
        char one[64];
        struct pnd_bootarg arg;

        if (text[at] && strchr(separators, text[at])) {
            at++;
            continue;
        }
        while (at + word < len && !(text[at + word] && strchr(separators, text[at + word])))
            word++;
        snprintf(one, sizeof(one), "debug=%.*s", (int)word, text + at);
        if (flag_named(text + at, word, &bit))
            sum |= bit;
        else if (pnd_bootargs_find(one, "debug", &arg) == PND_OK && arg.is_number)
            sum |= (uint32_t)arg.number;
        else
            return false;
        found = true;
        at += word;
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

int pnd_argline_type(struct pnd_argline *line, const char *typed)
{
    const char *text = skip_nvram(typed);
    uint32_t value;

    if (strlen(typed) > PND_ARGLINE_TYPED_MAX)
        return PND_E_RANGE;
    text += strspn(text, " \t\r\n");
    snprintf(line->text, sizeof(line->text), "%s", text);
    strip_quotes(line->text);
    line->value_only = false;
    if (pnd_argline_value(line->text, strlen(line->text), &value)) {
        line->value_only = true;
        snprintf(line->text, sizeof(line->text), "debug=0x%x", value);
    } else if (line->text[0] >= '0' && line->text[0] <= '9' && !strpbrk(line->text, " \t=")) {
        line->value_only = true; /* meant as a number, but none: the traps say why */
        memmove(line->text + strlen("debug="), line->text,
                strnlen(line->text, sizeof(line->text) - sizeof("debug=")) + 1);
        memcpy(line->text, "debug=", strlen("debug="));
        line->text[sizeof(line->text) - 1] = '\0';
    }
    return PND_OK;
}

const char *pnd_argline_shown(const struct pnd_argline *line)
{
    return line->value_only ? line->text + strlen("debug=") : line->text;
}

bool pnd_argline_next(const char **at, struct pnd_argline_word *ret)
{
    const char *text = *at + strspn(*at, " \t"), *equals;

    ret->text = text;
    ret->len = strcspn(text, " \t");
    equals = memchr(text, '=', ret->len);
    ret->has_value = equals != NULL;
    ret->name_len = equals ? (size_t)(equals - text) : ret->len;
    *at = text + ret->len;
    return ret->len > 0;
}

/* Behind a blank, unless it is the first. */
static int append(char *line, size_t *used, const char *word, size_t len)
{
    size_t blank = *used > 0;

    if (*used + blank + len > PND_ARGLINE_TYPED_MAX)
        return PND_E_RANGE;
    if (blank)
        line[(*used)++] = ' ';
    memcpy(line + *used, word, len);
    *used += len;
    line[*used] = '\0';
    return PND_OK;
}

int pnd_argline_put(const char *line, const char *name, const char *word, char *ret)
{
    struct pnd_argline_word one;
    bool missing = word != NULL;
    size_t used = 0;
    int err = PND_OK;

    ret[0] = '\0';
    for (const char *at = line; !err && pnd_argline_next(&at, &one);) {
        if (strlen(name) != one.name_len || memcmp(name, one.text, one.name_len) != 0)
            err = append(ret, &used, one.text, one.len);
        else if (missing)
            err = append(ret, &used, word, strlen(word));
        else
            continue;
        if (strlen(name) == one.name_len && memcmp(name, one.text, one.name_len) == 0)
            missing = false;
    }
    if (!err && missing)
        err = append(ret, &used, word, strlen(word));
    return err;
}
