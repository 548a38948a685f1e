/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Header fields; see http.h. */
#include "panicweb/http.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* ---- Host ---- */

static bool is_port(const char *text)
{
    size_t digits;

    if (!*text)
        return true;
    if (*text != ':')
        return false;
    digits = strspn(text + 1, "0123456789");
    return digits <= 5 && !text[1 + digits];
}

static bool is_name(const char *host, const char *name)
{
    size_t len = strlen(name);

    return strncasecmp(host, name, len) == 0 && is_port(host + len);
}

bool pnd_http_host_known(const char *host, const char *const *names, unsigned name_count)
{
    static const char *const own[] = {"localhost", "127.0.0.1", "[::1]"};

    for (size_t i = 0; i < sizeof(own) / sizeof(*own); i++)
        if (is_name(host, own[i]))
            return true;
    for (unsigned i = 0; i < name_count; i++)
        if (is_name(host, names[i]))
            return true;
    return false;
}

/* ---- Range ---- */

/* @return false: no digits, or more than fit (then @p ret is the highest) */
static bool take_number(const char **at, uint64_t *ret)
{
    uint64_t value = 0;
    const char *start = *at;

    for (; **at >= '0' && **at <= '9'; ++*at) {
        uint64_t digit = (uint64_t)(**at - '0');

        value = value > (UINT64_MAX - digit) / 10 ? UINT64_MAX : value * 10 + digit;
    }
    *ret = value;
    return *at > start;
}

static void skip_blanks(const char **at)
{
    *at += strspn(*at, " \t");
}

void pnd_http_range(const char *header, uint64_t size, struct pnd_range *ret)
{
    uint64_t first = 0, last = UINT64_MAX;
    bool from, to;

    *ret = (struct pnd_range){.kind = PND_RANGE_WHOLE, .end = size};
    if (!header || strncasecmp(header, "bytes=", 6) != 0)
        return;
    header += 6;
    skip_blanks(&header);
    from = take_number(&header, &first);
    if (*header++ != '-')
        return;
    to = take_number(&header, &last);
    skip_blanks(&header);
    if (*header || (!from && !to) || (from && to && last < first))
        return;
    if (!from) { /* the last so many bytes */
        first = last < size ? size - last : 0;
        last = last ? UINT64_MAX : 0;
        if (!last || !size) {
            *ret = (struct pnd_range){.kind = PND_RANGE_BEYOND};
            return;
        }
    } else if (!to) {
        last = UINT64_MAX;
    }
    if (first >= size)
        *ret = (struct pnd_range){.kind = PND_RANGE_BEYOND};
    else
        *ret = (struct pnd_range){
            .kind = PND_RANGE_PART, .start = first, .end = last < size ? last + 1 : size};
}

bool pnd_http_etag_listed(const char *header, const char *etag, bool weak)
{
    size_t len = strlen(etag);

    if (!header)
        return false;
    skip_blanks(&header);
    if (strcmp(header, "*") == 0)
        return true;
    while (*header) {
        bool is_weak = strncmp(header, "W/", 2) == 0;
        const char *tag = header + (is_weak ? 2 : 0), *end;

        if (*tag != '"' || !(end = strchr(tag + 1, '"')))
            return false;
        if ((weak || !is_weak) && (size_t)(end + 1 - tag) == len && memcmp(tag, etag, len) == 0)
            return true;
        header = end + 1;
        header += strspn(header, " \t,");
    }
    return false;
}

/* ---- Content-Disposition ---- */

static bool is_token(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           (c && strchr("._-", c));
}

const char *pnd_http_attachment(const char *name, char *ret, size_t cap)
{
    size_t at = (size_t)snprintf(ret, cap, "attachment; filename=\"");
    const char *c;

    for (c = name; *c && at + 1 < cap; c++)
        ret[at++] = is_token(*c) ? *c : '_';
    at += (size_t)snprintf(ret + at, cap - at, "\"; filename*=UTF-8''");
    for (c = name; *c && at + 4 < cap; c++)
        at += (size_t)snprintf(ret + at, cap - at, is_token(*c) ? "%c" : "%%%02X",
                               is_token(*c) ? *c : (unsigned char)*c);
    return ret;
}

/* ---- Authorization ---- */

static int base64_value(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c ? strchr(digits, c) : NULL;

    return at ? (int)(at - digits) : -1;
}

/* @return bytes, at most @p cap; -1: too long, or no base64 */
static int decode(const char *text, unsigned char *ret, size_t cap)
{
    size_t len = strlen(text), out = 0;
    uint32_t bits = 0;
    unsigned count = 0;

    while (len > 0 && text[len - 1] == '=')
        len--;
    for (size_t i = 0; i < len; i++) {
        int value = base64_value(text[i]);

        if (value < 0)
            return -1;
        bits = (bits << 6 | (uint32_t)value) & 0xffff;
        count += 6;
        if (count < 8)
            continue;
        count -= 8;
        if (out == cap)
            return -1;
        ret[out++] = (unsigned char)(bits >> count);
    }
    return (int)out;
}

static void read_basic(const char *text, struct pnd_credentials *ret)
{
    unsigned char plain[PND_HTTP_NAME_CAP + PND_HTTP_SECRET_CAP];
    int len = decode(text, plain, sizeof(plain) - 1);
    const unsigned char *colon = len > 0 ? memchr(plain, ':', (size_t)len) : NULL;
    size_t name_len, secret_len;

    if (!colon || memchr(plain, '\0', (size_t)len))
        return;
    name_len = (size_t)(colon - plain);
    secret_len = (size_t)len - name_len - 1;
    if (name_len >= sizeof(ret->name) || secret_len >= sizeof(ret->secret))
        return;
    ret->kind = PND_CREDENTIALS_BASIC;
    memcpy(ret->name, plain, name_len);
    memcpy(ret->secret, colon + 1, secret_len);
}

void pnd_http_credentials(const char *header, struct pnd_credentials *ret)
{
    *ret = (struct pnd_credentials){.kind = PND_CREDENTIALS_NONE};
    if (!header)
        return;
    if (strncasecmp(header, "Basic ", 6) == 0) {
        header += 6;
        skip_blanks(&header);
        read_basic(header, ret);
    } else if (strncasecmp(header, "Bearer ", 7) == 0) {
        header += 7;
        skip_blanks(&header);
        if (strlen(header) >= sizeof(ret->secret))
            return;
        ret->kind = PND_CREDENTIALS_BEARER;
        memcpy(ret->secret, header, strlen(header) + 1);
    }
}
