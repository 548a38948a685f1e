/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Single facts of the running system. */
#include "arm/look.h"

#include <string.h>

#include "arm/rooted.h"
#include "host/text.h"
#include "panicd/err.h"

bool pnd_look_program(const char *root, const char *name)
{
    static const char *const places[] = {"/usr/sbin", "/sbin", "/usr/bin", "/bin"};
    char path[PND_ROOTED_CAP];

    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
        if (pnd_rooted_exists("", pnd_rooted_path(path, root, "%s/%s", places[i], name)))
            return true;
    return false;
}

int pnd_look_number(const char *root, const char *path, uint64_t *ret)
{
    char text[32];

    if (pnd_rooted_read(root, path, text, sizeof(text)) != PND_OK ||
        pnd_text_parse_uint(text, ret) != PND_OK)
        return PND_E_NOTFOUND;
    return PND_OK;
}

int pnd_look_word(const char *line, const char *key, char *dst, size_t cap)
{
    size_t key_len = strlen(key), len;
    const char *found = NULL;

    for (const char *at = line; *at;) {
        at += strspn(at, " \t\n");
        if (strncmp(at, key, key_len) == 0)
            found = at + key_len;
        at += strcspn(at, " \t\n");
    }
    if (!found)
        return PND_E_NOTFOUND;
    len = strcspn(found, " \t\n");
    if (len >= cap)
        return PND_E_RANGE;
    memcpy(dst, found, len);
    dst[len] = '\0';
    return PND_OK;
}
