/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Promises of headers; see core.h. */
#include "inspect/core.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void pnd_check_add_missing(struct pnd_check *check, uint64_t start, uint64_t end)
{
    struct pnd_check_range *at = check->missing;
    unsigned first = 0, last, count = check->missing_count;

    while (first < count && at[first].end < start)
        first++;
    for (last = first; last < count && at[last].start <= end; last++) {
        start = at[last].start < start ? at[last].start : start;
        end = at[last].end > end ? at[last].end : end;
    }
    if (first == last && count == PND_CHECK_MISSING_CAP) {
        /* Full, and nothing to merge with: the last range grows over it. */
        at[count - 1].start = start < at[count - 1].start ? start : at[count - 1].start;
        at[count - 1].end = end > at[count - 1].end ? end : at[count - 1].end;
        return;
    }
    memmove(&at[first + 1], &at[last], (count - last) * sizeof(*at));
    at[first] = (struct pnd_check_range){.start = start, .end = end};
    check->missing_count = count - (last - first) + 1;
}

void pnd_check_corrupt(const struct pnd_reader_input *in, struct pnd_check *check, uint64_t at,
                       const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(check->reason, sizeof(check->reason), fmt, ap);
    va_end(ap);
    check->verdict = PND_VERDICT_CORRUPT;
    check->offset = in->content->fd < 0 ? 0 : at;
    check->missing_count = 0;
}

void pnd_check_ends_in_headers(struct pnd_check *check, const char *what)
{
    check->verdict = PND_VERDICT_INCOMPLETE;
    snprintf(check->reason, sizeof(check->reason),
             "the content ends at byte %" PRIu64 ", before the end of the %s headers",
             check->content_bytes, what);
    pnd_check_add_missing(check, check->content_bytes, UINT64_MAX);
}

void pnd_check_note_unseen(struct pnd_check *check, uint32_t seen, uint32_t announced)
{
    snprintf(check->note, sizeof(check->note),
             "only the first %" PRIu32 " of %" PRIu32 " headers lie where this check looks", seen,
             announced);
}

void pnd_promise_add(struct pnd_check *check, struct pnd_promise *promise, uint64_t start,
                     uint64_t size)
{
    uint64_t end = start + size;

    if (size == 0)
        return;
    promise->end = end > promise->end ? end : promise->end;
    if (end > promise->content_bytes)
        pnd_check_add_missing(check,
                              start > promise->content_bytes ? start : promise->content_bytes, end);
}

void pnd_promise_judge(struct pnd_check *check, const struct pnd_promise *promise, const char *what)
{
    if (promise->end <= promise->content_bytes)
        return;
    check->verdict = PND_VERDICT_INCOMPLETE;
    snprintf(check->reason, sizeof(check->reason),
             "the %s headers promise %" PRIu64 " bytes, and the content ends at byte %" PRIu64,
             what, promise->end, promise->content_bytes);
}
