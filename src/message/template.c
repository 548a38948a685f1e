/* SPDX-License-Identifier: BSD-2-Clause */
#include "message/template.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/text.h"
#include "message/fields.h"

/* The next part of the text: as it is, or a field. @return false: it is over */
static bool next(const char **at, const char **ret, size_t *ret_len, bool *ret_field)
{
    const char *text = *at, *end;

    if (!*text)
        return false;
    *ret_field = strncmp(text, "${", 2) == 0;
    *ret = text + (*ret_field ? 2 : 0);
    if (strncmp(text, "$${", 3) == 0) {
        *ret = text + 1;
        *ret_len = 2;
        *at = text + 3;
        return true;
    }
    end = *ret_field ? strchr(*ret, '}') : strchr(text + 1, '$');
    if (!end)
        end = text + strlen(text);
    *ret_len = (size_t)(end - *ret);
    *at = end + (*ret_field && *end);
    return true;
}

int pnd_template_check(const char *text, struct pnd_why *why)
{
    const char *at = text, *part;
    char safe[64];
    size_t len;
    bool field;

    while (next(&at, &part, &len, &field)) {
        if (!field)
            continue;
        pnd_text_escape(safe, sizeof(safe), part, len);
        if (part[len] != '}')
            return pnd_why(why, PND_E_FORMAT, 0, "\"${%s\" has no \"}\"", safe);
        if (!pnd_field_known(part, len))
            return pnd_why(why, PND_E_FORMAT, 0, "there is no field \"%s\"", safe);
    }
    return PND_OK;
}

static void put_json(FILE *to, const char *value)
{
    json_t *string = json_string(value);
    char *text = string ? json_dumps(string, JSON_ENCODE_ANY) : NULL;

    if (text)
        fwrite(text + 1, 1, strlen(text) - 2, to); /* without its quotes */
    free(text);
    json_decref(string);
}

static void put_field(FILE *to, const char *value, enum pnd_template_place place)
{
    if (place == PND_TEMPLATE_JSON)
        put_json(to, value);
    else
        fputs(value, to);
}

char *pnd_template_render(const char *text, const json_t *fields, enum pnd_template_place place)
{
    char *rendered = NULL, *value;
    const char *at = text, *part;
    size_t rendered_len, len;
    bool field, ok = true;
    FILE *to = open_memstream(&rendered, &rendered_len);

    if (!to)
        return NULL;
    while (ok && next(&at, &part, &len, &field)) {
        if (!field) {
            fwrite(part, 1, len, to);
            continue;
        }
        value = pnd_field_text(fields, part, len);
        ok = value;
        if (value)
            put_field(to, value, place);
        free(value);
    }
    if (fclose(to) == 0 && ok)
        return rendered;
    free(rendered);
    return NULL;
}
