/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A module's file as the kernel wants it, whatever a distribution has packed it with: see
 * modules.h. */
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "arm/modules.h"
#include "host/guard.h"

enum { STEP_BYTES = 256 * 1024 };

static void free_reader(struct archive **reader)
{
    if (*reader)
        archive_read_free(*reader);
}

static struct archive *new_reader(void)
{
    struct archive *a = archive_read_new();

    if (a) {
        archive_read_support_filter_gzip(a);
        archive_read_support_filter_xz(a);
        archive_read_support_filter_zstd(a);
        archive_read_support_format_raw(a);
        archive_read_support_format_empty(a);
    }
    return a;
}

/* A file that cannot be opened is the system's fault, one that cannot be unpacked its own. */
static int failed(struct archive *a, const char *path, struct pnd_why *why)
{
    int sys = archive_errno(a);
    const char *text = archive_error_string(a);

    if (sys == ENOENT || sys == EACCES || sys == EISDIR || sys == EIO)
        return pnd_why(why, PND_E_SYS, sys, "%s", path);
    return pnd_why(why, PND_E_FORMAT, 0, "unpack %s: %s", path, text ? text : "damaged");
}

/* Everything of the one entry. @return PND_OK; PND_E_FORMAT; PND_E_RANGE; PND_E_SYS */
static int read_all(struct archive *a, const char *path, char **bytes, size_t *len,
                    struct pnd_why *why)
{
    size_t cap = 0;

    for (;;) {
        la_ssize_t n;

        if (cap - *len < STEP_BYTES) {
            char *more = realloc(*bytes, cap + 4 * (size_t)STEP_BYTES);

            if (!more)
                return pnd_why(why, PND_E_SYS, ENOMEM, "%s", path);
            *bytes = more;
            cap += 4 * (size_t)STEP_BYTES;
        }
        n = archive_read_data(a, *bytes + *len, STEP_BYTES);
        if (n < 0)
            return failed(a, path, why);
        if (n == 0)
            return PND_OK;
        *len += (size_t)n;
        if (*len > PND_MODULE_BYTES_MAX)
            return pnd_why(why, PND_E_RANGE, 0, "%s: unpacked, it has more than %d MiB", path,
                           PND_MODULE_BYTES_MAX >> 20);
    }
}

int pnd_module_read(const char *path, void **ret, size_t *ret_len, struct pnd_why *why)
{
    PND_AUTO(free_reader) struct archive *a = new_reader();
    struct archive_entry *entry;
    char *bytes = NULL;
    size_t len = 0;
    int err;

    if (!a)
        return pnd_why(why, PND_E_SYS, ENOMEM, "%s", path);
    if (archive_read_open_filename(a, path, STEP_BYTES) != ARCHIVE_OK)
        return failed(a, path, why);
    err = archive_read_next_header(a, &entry);
    if (err == ARCHIVE_EOF)
        return pnd_why(why, PND_E_FORMAT, 0, "%s is empty", path);
    if (err != ARCHIVE_OK)
        return failed(a, path, why);
    err = read_all(a, path, &bytes, &len, why);
    if (err) {
        free(bytes);
        return err;
    }
    *ret = bytes;
    *ret_len = len;
    return PND_OK;
}
