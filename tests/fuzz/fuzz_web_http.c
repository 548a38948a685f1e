/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Any text as each of the header fields that panicweb reads itself. A range lies within the file,
 * what is quoted has no line feed in it, credentials fit, and a host that is known is one of ours.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "panicweb/http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { TEXT_MAX = 4096, ATTACHMENT_CAP = 1100 };

static void check_range(const char *text, uint64_t size)
{
    struct pnd_range range;

    pnd_http_range(text, size, &range);
    if (range.kind == PND_RANGE_BEYOND ? range.start || range.end
                                       : range.start > range.end || range.end > size)
        abort();
    if (range.kind == PND_RANGE_PART && range.start == range.end)
        abort();
}

static void check_credentials(const char *text)
{
    struct pnd_credentials got;

    pnd_http_credentials(text, &got);
    if (strnlen(got.name, sizeof(got.name)) == sizeof(got.name) ||
        strnlen(got.secret, sizeof(got.secret)) == sizeof(got.secret))
        abort();
    if (got.kind == PND_CREDENTIALS_NONE && (got.name[0] || got.secret[0]))
        abort();
}

static void check_host(const char *text)
{
    static const char *const names[] = {"dumps.example"};
    static const char *const ours[] = {"localhost", "127.0.0.1", "[::1]", "dumps.example"};
    bool begins = false;

    for (size_t i = 0; i < sizeof(ours) / sizeof(*ours); i++)
        begins = begins || strncasecmp(text, ours[i], strlen(ours[i])) == 0;
    if (pnd_http_host_known(text, names, 1) && (!begins || strpbrk(text, "/@?# \r\n")))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static char text[TEXT_MAX + 1];
    char attachment[ATTACHMENT_CAP];

    len = len > TEXT_MAX ? TEXT_MAX : len;
    memcpy(text, data, len);
    text[len] = '\0';
    check_range(text, 0);
    check_range(text, 10000);
    check_range(text, UINT64_MAX);
    check_credentials(text);
    check_host(text);
    (void)pnd_http_etag_listed(text, "\"a\"", true);
    if (strpbrk(pnd_http_attachment(text, attachment, sizeof(attachment)), "\r\n"))
        abort();
    return 0;
}
