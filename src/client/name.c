/* SPDX-License-Identifier: BSD-2-Clause
 *
 * File names of dumps: see name.h. */
#include "client/name.h"

#include <string.h>

#include "client/format.h"

/* The trains of xnu in which the rules changed. @source PROTOCOL.md#kdp-5 */
enum {
    XNU_DIGITS_ONLY_UNTIL = 792,
    XNU_LONG_VERSION_SINCE = 1699,
    XNU_GZIP_SINCE = 3247,
    XNU_LONG_NAME_SINCE = 3789,
    VERSION_START_MAX = 115, /* "xnu-" begins before this byte of the version string */
    VERSION_START_MAX_OLD = 90,
    SHORT_NAME_CAP = 50,
};

static const char mark[] = "xnu-";

/* @return where "xnu-" is; NULL: not within the bytes that are searched */
static const char *find_mark(const char *version, uint32_t xnu)
{
    size_t starts = xnu < XNU_LONG_VERSION_SINCE ? VERSION_START_MAX_OLD : VERSION_START_MAX;
    size_t match = 0;

    for (size_t i = 0; version && version[i] != '\0' && i < starts + sizeof(mark) - 2; i++) {
        if (version[i] != mark[match])
            match = 0;
        if (version[i] == mark[match] && mark[++match] == '\0')
            return version + i + 1 - match;
    }
    return NULL;
}

size_t pnd_dump_version(const char *version, uint32_t xnu, char ret[PND_DUMP_VERSION_CAP])
{
    const char *at = find_mark(version, xnu);
    bool old = xnu <= XNU_DIGITS_ONLY_UNTIL;
    size_t len = sizeof(mark) - 1, max = old ? len + 4 : PND_DUMP_VERSION_CAP - 1;

    if (!at)
        return pnd_format(ret, PND_DUMP_VERSION_CAP, "custom");
    while (len < max && ((at[len] >= '0' && at[len] <= '9') || (at[len] == '.' && !old)))
        len++;
    if (at[len - 1] == '.')
        len--;
    memcpy(ret, at, len);
    ret[len] = '\0';
    return len;
}

size_t pnd_dump_name(const struct pnd_dump_name *name, char ret[PND_DUMP_NAME_CAP])
{
    static const char *const prefixes[] = {"core", "paniclog", "systemlog"};
    size_t cap = name->xnu < XNU_LONG_NAME_SINCE ? SHORT_NAME_CAP : PND_DUMP_NAME_CAP;
    bool suffix = name->kind == PND_DUMP_CORE && name->gzip && name->xnu >= XNU_GZIP_SINCE;
    char version[PND_DUMP_VERSION_CAP];
    uint32_t ip = name->ip;

    if (name->fixed && name->fixed[0] != '\0')
        return pnd_format(ret, cap, "%s", name->fixed);
    pnd_dump_version(name->version, name->xnu, version);
    return pnd_format(ret, cap, "%s-%s-%u.%u.%u.%u-%x%s", prefixes[name->kind], version,
                      (unsigned)(ip >> 24), (unsigned)(ip >> 16 & 255), (unsigned)(ip >> 8 & 255),
                      (unsigned)(ip & 255), (unsigned)(name->ticks & UINT32_MAX),
                      suffix ? ".gz" : "");
}
