/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Cores held to their headers; see core.h. */
#include "inspect/core.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "image/elf.h"
#include "image/macho.h"

enum { PROT_READ_ONLY = 1 };

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

static bool is_elf_core(const void *head, size_t len)
{
    uint16_t type;
    int err = pnd_elf_type(head, len, &type);

    return err == PND_E_SHORT || (err == PND_OK && type == PND_ELF_TYPE_CORE);
}

static bool is_macho_core(const void *head, size_t len)
{
    uint32_t type;
    int err = pnd_macho_filetype(head, len, &type);

    return err == PND_E_SHORT || (err == PND_OK && type == PND_MACHO_TYPE_CORE);
}

const char *pnd_core_format(const void *head, size_t len)
{
    if (pnd_elf_is(head, len) && is_elf_core(head, len))
        return "elf";
    if (pnd_macho_is(head, len) && is_macho_core(head, len))
        return "macho";
    return "data";
}

/* The headers contradict themselves. Inside gzip the stored offset of a content byte is not
 * known, and the start of the file is named instead. */
__attribute__((format(printf, 3, 4))) static void corrupt(struct pnd_check *check, uint64_t at,
                                                          const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(check->reason, sizeof(check->reason), fmt, ap);
    va_end(ap);
    check->verdict = PND_VERDICT_CORRUPT;
    check->offset = strncmp(check->format, "gzip", 4) == 0 ? 0 : at;
    check->missing_count = 0;
}

static void ends_in_headers(struct pnd_check *check, const char *what)
{
    check->verdict = PND_VERDICT_INCOMPLETE;
    snprintf(check->reason, sizeof(check->reason),
             "the content ends at byte %" PRIu64 ", before the end of the %s headers",
             check->content_bytes, what);
    pnd_check_add_missing(check, check->content_bytes, UINT64_MAX);
}

/* What one walk over the headers gathers. */
struct promise {
    uint64_t content_bytes, end;
    uint32_t segments;
};

static void promise_add(struct pnd_check *check, struct promise *promise, uint64_t start,
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

/* INCOMPLETE when something promised did not come. */
static void promise_judge(struct pnd_check *check, const struct promise *promise, const char *what)
{
    if (promise->end <= promise->content_bytes)
        return;
    check->verdict = PND_VERDICT_INCOMPLETE;
    snprintf(check->reason, sizeof(check->reason),
             "the %s headers promise %" PRIu64 " bytes, and the content ends at byte %" PRIu64,
             what, promise->end, promise->content_bytes);
}

static void note_unseen(struct pnd_check *check, uint32_t seen, uint32_t announced)
{
    snprintf(check->note, sizeof(check->note),
             "only the first %" PRIu32 " of %" PRIu32 " headers lie where this check looks", seen,
             announced);
}

static void check_elf(const void *head, size_t len, struct pnd_check *check)
{
    struct promise promise = {.content_bytes = check->content_bytes};
    struct pnd_elf_segment seg;
    struct pnd_elf elf;
    int err = pnd_elf_parse(head, len, &elf);

    if (err == PND_E_SHORT) {
        ends_in_headers(check, "ELF");
        return;
    }
    if (err) {
        corrupt(check, 0, "the ELF header contradicts itself");
        return;
    }
    if (elf.phnum_unknown && check->content_bytes > len)
        note_unseen(check, PND_ELF_XNUM, UINT32_MAX);
    if (elf.table_end > check->content_bytes ||
        (elf.phnum_unknown && check->content_bytes == len)) {
        ends_in_headers(check, "ELF");
        return;
    }

    for (uint32_t i = 0; i < elf.phnum; i++) {
        err = pnd_elf_segment(&elf, head, len, i, &seg);
        if (err == PND_E_SHORT) {
            note_unseen(check, i, elf.phnum);
            break;
        }
        if (err) {
            corrupt(check, elf.phoff + (uint64_t)i * elf.phentsize,
                    "ELF program header %" PRIu32 " names an offset and size that cannot be", i);
            return;
        }
        if (seg.type == PND_ELF_PT_LOAD || seg.type == PND_ELF_PT_NOTE)
            promise_add(check, &promise, seg.offset, seg.filesz);
    }
    promise_judge(check, &promise, "ELF");
}

/* What the load commands of a Mach-O core say besides their promise. */
struct macho_seen {
    bool thread;         /* an LC_THREAD: the sender's last command in old layouts */
    bool writable;       /* a segment that is not read-only: kernels up to 1699 */
    bool zero;           /* commands announced but never written */
    uint32_t zero_index; /* the first of them */
};

static int walk_macho(const struct pnd_macho *macho, const void *head, size_t len,
                      struct pnd_check *check, struct promise *promise, struct macho_seen *seen)
{
    struct pnd_macho_walk walk;
    struct pnd_macho_cmd cmd;
    int err;

    pnd_macho_walk_init(&walk, macho, head, len);
    while ((err = pnd_macho_walk_next(&walk, &cmd)) == PND_OK) {
        if (cmd.kind == PND_MACHO_ZERO) {
            seen->zero = true;
            seen->zero_index = cmd.index;
            continue;
        }
        seen->thread |= cmd.kind == PND_MACHO_THREAD;
        if (cmd.kind == PND_MACHO_SEGMENT)
            seen->writable |= cmd.maxprot != PROT_READ_ONLY;
        promise_add(check, promise, cmd.offset, cmd.size);
    }
    if (err == PND_E_FORMAT)
        corrupt(check, walk.at, "Mach-O load command %" PRIu32 " has a size that cannot be",
                walk.index);
    if (err == PND_E_SHORT)
        note_unseen(check, walk.index, macho->ncmds);
    return err == PND_E_FORMAT ? err : PND_OK;
}

static void check_macho(const void *head, size_t len, struct pnd_check *check)
{
    struct promise promise = {.content_bytes = check->content_bytes};
    struct macho_seen seen = {0};
    struct pnd_macho macho;
    int err = pnd_macho_parse(head, len, &macho);

    if (err == PND_E_SHORT) {
        ends_in_headers(check, "Mach-O");
        return;
    }
    if (err) {
        corrupt(check, 0, "the Mach-O header contradicts itself");
        return;
    }
    if (macho.commands_end > check->content_bytes) {
        ends_in_headers(check, "Mach-O");
        return;
    }
    if (walk_macho(&macho, head, len, check, &promise, &seen))
        return;

    if (seen.zero && !seen.thread) {
        check->verdict = PND_VERDICT_INCOMPLETE;
        snprintf(check->reason, sizeof(check->reason),
                 "the sender stopped after %" PRIu32 " of %" PRIu32
                 " load commands; those behind are zero",
                 seen.zero_index, macho.ncmds);
        pnd_check_add_missing(check, check->content_bytes, UINT64_MAX);
        return;
    }
    promise_judge(check, &promise, "Mach-O");
    if (check->verdict == PND_VERDICT_INCOMPLETE && seen.writable)
        snprintf(check->note, sizeof(check->note),
                 "kernels up to xnu-1699 announce device memory that they never send; this may "
                 "be no more than that");
}

void pnd_core_check(const void *head, size_t len, struct pnd_check *check)
{
    const char *format = pnd_core_format(head, len);

    if (strcmp(format, "elf") == 0)
        check_elf(head, len, check);
    else if (strcmp(format, "macho") == 0)
        check_macho(head, len, check);
}
