/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Shortened names of kernel extensions; see kext_name.h. */
#include "image/kext_name.h"

#include <string.h>

struct short_form {
    char mark;
    const char *text;
};

/* In place of the first character. */
static const struct short_form prefixes[] = {
    {'>', "com.apple.driver."},
    {'|', "com.apple.iokit."},
    {'$', "com.apple.security."},
    {'@', "com.apple."},
};

/* Behind a '!', anywhere after the first character. */
static const struct short_form words[] = {
    {'U', "AppleUSB"},   {'A', "Apple"},     {'F', "Family"}, {'S', "Storage"},
    {'C', "Controller"}, {'B', "Bluetooth"}, {'I', "Intel"},
};

static const char *find(const struct short_form *forms, size_t count, char mark)
{
    for (size_t i = 0; i < count; i++)
        if (forms[i].mark == mark)
            return forms[i].text;
    return NULL;
}

struct writer {
    char *at;
    size_t len, cap;
};

static void put(struct writer *writer, char c)
{
    if (writer->len + 1 < writer->cap)
        writer->at[writer->len++] = c;
}

static void put_text(struct writer *writer, const char *text)
{
    while (*text)
        put(writer, *text++);
}

size_t pnd_kext_name_expand(const char *name, size_t len, char *ret, size_t cap)
{
    struct writer writer = {ret, 0, cap};

    for (size_t i = 0; i < len; i++) {
        const char *text = NULL;

        if (i == 0) {
            text = find(prefixes, sizeof(prefixes) / sizeof(prefixes[0]), name[0]);
        } else if (name[i] == '!' && i + 1 < len) {
            text = find(words, sizeof(words) / sizeof(words[0]), name[i + 1]);
            i += text ? 1 : 0;
        }
        if (text)
            put_text(&writer, text);
        else
            put(&writer, name[i]);
    }
    writer.at[writer.len] = '\0';
    return writer.len;
}
