/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Arguments of a request; see query.h. */
#include "panicweb/query.h"

#include <inttypes.h>
#include <string.h>

#include <jansson.h>

#include "host/text.h"
#include "store/dump_json.h"

enum { HEX_DIGITS_MAX = 16 };

int pnd_query_parse_number(const char *text, uint64_t *ret)
{
    uint64_t value = 0;
    size_t digits;

    if (strncmp(text, "0x", 2) != 0)
        return pnd_text_parse_uint(text, ret);
    text += 2;
    digits = strspn(text, "0123456789abcdefABCDEF");
    if (!digits || text[digits])
        return PND_E_FORMAT;
    if (digits > HEX_DIGITS_MAX)
        return PND_E_RANGE;
    for (; *text; text++)
        value = value << 4 | (uint64_t)(*text <= '9' ? *text - '0' : (*text | 0x20) - 'a' + 10);
    *ret = value;
    return PND_OK;
}

int pnd_query_number(const struct pnd_request *request, const char *name, uint64_t min,
                     uint64_t max, uint64_t *ret, struct pnd_why *why)
{
    const char *text =
        MHD_lookup_connection_value(request->connection, MHD_GET_ARGUMENT_KIND, name);
    uint64_t value;

    if (!text)
        return PND_OK;
    if (pnd_query_parse_number(text, &value) || value < min || value > max)
        return pnd_why(why, PND_E_ARG, 0, "%s is a number from %" PRIu64 " to %" PRIu64, name, min,
                       max);
    *ret = value;
    return PND_OK;
}

/* UTF-8 without NUL, as JSON has it. */
static bool is_text(const char *value, size_t len)
{
    json_t *json = memchr(value, '\0', len) ? NULL : json_stringn(value, len);

    json_decref(json);
    return json != NULL;
}

int pnd_query_text(const struct pnd_request *request, const char *name, size_t cap, char *ret,
                   struct pnd_why *why)
{
    const char *value = NULL;
    size_t len = 0;

    ret[0] = '\0';
    if (MHD_lookup_connection_value_n(request->connection, MHD_GET_ARGUMENT_KIND, name,
                                      strlen(name), &value, &len) != MHD_YES ||
        !value)
        return PND_OK;
    if (len >= cap || !is_text(value, len))
        return pnd_why(why, PND_E_ARG, 0, "%s is a text in UTF-8 of up to %zu bytes", name,
                       cap - 1);
    memcpy(ret, value, len);
    ret[len] = '\0';
    return PND_OK;
}

bool pnd_query_has(const struct pnd_request *request, const char *name)
{
    return MHD_lookup_connection_value_n(request->connection, MHD_GET_ARGUMENT_KIND, name,
                                         strlen(name), NULL, NULL) == MHD_YES;
}

int pnd_query_filter(const struct pnd_request *request, struct pnd_filter *ret, struct pnd_why *why)
{
    struct pnd_filter filter = {0};
    enum pnd_dump_state state;
    int err = pnd_query_text(request, "machine", sizeof(filter.machine), filter.machine, why);

    if (!err)
        err = pnd_query_text(request, "os", sizeof(filter.os), filter.os, why);
    if (!err)
        err = pnd_query_text(request, "kernel", sizeof(filter.kernel), filter.kernel, why);
    if (!err)
        err = pnd_query_text(request, "text", sizeof(filter.text), filter.text, why);
    if (!err)
        err = pnd_query_text(request, "group", sizeof(filter.group), filter.group, why);
    if (!err)
        err = pnd_query_text(request, "state", sizeof(filter.state), filter.state, why);
    if (!err && filter.state[0] && !pnd_dump_state_parse(filter.state, &state))
        err = pnd_why(why, PND_E_ARG, 0, "state is receiving, complete or incomplete");
    if (!err)
        *ret = filter;
    return err;
}
