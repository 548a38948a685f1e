/* SPDX-License-Identifier: BSD-2-Clause
 *
 * makedumpfile's and QEMU's kdump-compressed dumps, and the flattened form of these and of ELF
 * cores. The format has no checksums: whole means that every page descriptor that the bitmap
 * announces is there, and the data that each names. @source PROTOCOL.md#linux-1, #linux-2 */
#include "inspect/reader.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "image/kdump.h"
#include "inspect/flattened.h"
#include "inspect/kdump_pages.h"
#include "inspect/linux_core.h"
#include "inspect/core.h"

enum {
    DESCS_AT_ONCE = 2048,
    INFO_FRAMES_MAX = 1 << 21, /* pages that are searched for VMCOREINFO: 8 GiB */
    PIECE_BITS = PND_KDUMP_PIECE * 8,
};

/* ---- is it whole? ---- */

/* The descriptors from @p first on. @return PND_OK to go on; else the verdict stands, or PND_E_SYS
 */
static int check_descs(const struct pnd_reader_input *in, const struct pnd_kdump_pages *pages,
                       uint64_t first, size_t count, uint8_t *buf, struct pnd_check *check,
                       struct pnd_promise *promise)
{
    const struct pnd_kdump *kdump = &pages->kdump;
    uint64_t at = kdump->descs + first * PND_KDUMP_DESC_BYTES;
    struct pnd_kdump_page page;
    int err = in->content->read(in->content->ctx, at, buf, count * PND_KDUMP_DESC_BYTES);

    if (err == PND_E_SHORT) {
        pnd_check_ends_in_headers(check, "kdump");
        return err;
    }
    if (err)
        return err;
    for (size_t i = 0; i < count; i++) {
        err = pnd_kdump_page(kdump, buf + i * PND_KDUMP_DESC_BYTES, &page);
        if (err || page.offset < kdump->descs + pages->dumped * PND_KDUMP_DESC_BYTES) {
            pnd_check_corrupt(in, check, at + i * PND_KDUMP_DESC_BYTES,
                              "page descriptor %" PRIu64 " of %" PRIu64
                              " names data that cannot be",
                              first + i, pages->dumped);
            return PND_E_FORMAT;
        }
        pnd_promise_add(check, promise, page.offset, page.bytes);
    }
    return PND_OK;
}

static int check_pages(const struct pnd_reader_input *in, const struct pnd_kdump_pages *pages,
                       struct pnd_check *check)
{
    struct pnd_promise promise = {.content_bytes = check->content_bytes};
    uint8_t *buf = malloc((size_t)DESCS_AT_ONCE * PND_KDUMP_DESC_BYTES);
    const struct pnd_kdump *kdump = &pages->kdump;
    uint64_t have, count = pages->dumped;
    int err = buf ? PND_OK : PND_E_SYS;

    pnd_promise_add(check, &promise, kdump->descs, count * PND_KDUMP_DESC_BYTES);
    if (kdump->info_bytes)
        pnd_promise_add(check, &promise, kdump->info, kdump->info_bytes);
    if (kdump->notes_bytes)
        pnd_promise_add(check, &promise, kdump->notes, kdump->notes_bytes);
    have = check->content_bytes > kdump->descs
               ? (check->content_bytes - kdump->descs) / PND_KDUMP_DESC_BYTES
               : 0;
    count = count < have ? count : have;
    for (uint64_t i = 0; !err && i < count; i += DESCS_AT_ONCE) {
        size_t now = count - i < DESCS_AT_ONCE ? (size_t)(count - i) : DESCS_AT_ONCE;

        err = check_descs(in, pages, i, now, buf, check, &promise);
    }
    free(buf);
    if (!err)
        pnd_promise_judge(check, &promise, "kdump");
    return err == PND_E_SYS || err == PND_E_SOURCE ? err : PND_OK;
}

static bool is_kdump(const void *head, size_t len)
{
    return pnd_kdump_is(head, len);
}

static int check_kdump(const struct pnd_reader_input *in, struct pnd_check *check)
{
    struct pnd_kdump_pages pages;
    struct pnd_kdump kdump;
    int err = pnd_kdump_parse(in->content->head, in->content->head_len, &kdump);

    if (err == PND_E_SHORT) {
        pnd_check_ends_in_headers(check, "kdump");
        return PND_OK;
    }
    if (err) {
        pnd_check_corrupt(in, check, 0, "the kdump header contradicts itself");
        return PND_OK;
    }
    err = pnd_kdump_pages_init(&pages, in->content, &kdump);
    if (err == PND_E_SHORT) {
        pnd_check_ends_in_headers(check, "kdump");
        err = PND_OK;
    } else if (!err) {
        err = check_pages(in, &pages, check);
    }
    if (err == PND_E_SOURCE) { /* nothing is known of what was not read */
        pnd_check_corrupt(in, check, 0, "its bitmap and page descriptors cannot be read again");
        err = PND_OK;
    }
    pnd_kdump_pages_deinit(&pages);
    if (!err && check->verdict == PND_VERDICT_COMPLETE && (kdump.status & PND_KDUMP_INCOMPLETE)) {
        check->verdict = PND_VERDICT_INCOMPLETE;
        snprintf(check->reason, sizeof(check->reason),
                 "its writer says that it could not write all pages (no room on its disk?)");
        pnd_check_add_missing(check, check->content_bytes, UINT64_MAX);
    }
    if (!err && (kdump.first > 0 || kdump.end < kdump.pages) && !check->note[0])
        snprintf(check->note, sizeof(check->note),
                 "one file of a split dump: it has only page frames %" PRIu64 " to %" PRIu64,
                 kdump.first, kdump.end);
    return err == PND_E_SYS ? err : PND_OK;
}

/* ---- what it says ---- */

struct core {
    struct pnd_kdump_pages pages;
    uint8_t *notes;
    size_t notes_len;
    char *info;
    size_t info_len;
};

static int read_physical(void *ctx, uint64_t address, void *buf, size_t len)
{
    struct core *core = ctx;

    return pnd_kdump_pages_read(&core->pages, address, buf, len);
}

/* Part of the content, in memory of its own; NULL when it is not there or makes no sense. */
static void *read_part(const struct pnd_content *content, uint64_t offset, uint64_t bytes,
                       uint64_t max, size_t *ret_len)
{
    void *buf;

    bytes = bytes < max ? bytes : max;
    if (bytes == 0 || offset == 0)
        return NULL;
    buf = malloc(bytes);
    if (buf && content->read(content->ctx, offset, buf, bytes) != PND_OK) {
        free(buf);
        return NULL;
    }
    *ret_len = buf ? (size_t)bytes : 0;
    return buf;
}

/* VMCOREINFO fills a page of the kernel's memory from its start. QEMU does not say where. */
static void search_info(struct core *core)
{
    const struct pnd_kdump *kdump = &core->pages.kdump;
    uint64_t frames = kdump->pages < INFO_FRAMES_MAX ? kdump->pages : INFO_FRAMES_MAX;
    char *text = malloc(PND_LINUX_PAGE_MIN), *best = malloc(PND_LINUX_PAGE_MIN);

    for (uint64_t i = 0; text && best && i < frames; i++) {
        size_t len = 0;

        if (pnd_kdump_pages_read(&core->pages, i * kdump->block, text, PND_LINUX_PAGE_MIN) !=
                PND_OK ||
            memcmp(text, "OSRELEASE=", strlen("OSRELEASE=")) != 0)
            continue;
        while (len < PND_LINUX_PAGE_MIN &&
               (text[len] == '\n' || (text[len] >= ' ' && text[len] <= '~')))
            len++;
        if (len <= core->info_len || !memmem(text, len, "\nSYMBOL(", strlen("\nSYMBOL(")))
            continue;
        memcpy(best, text, len);
        core->info_len = len;
    }
    free(text);
    core->info = best;
}

/* One piece of the two bitmaps as runs of pages in the dump, and pages that were left out. */
static void add_piece(const struct pnd_kdump *kdump, const uint8_t *exists, const uint8_t *dumped,
                      uint64_t number, struct pnd_facts *facts)
{
    uint64_t frame = number * PIECE_BITS, start = frame;
    uint64_t count = kdump->pages - frame < PIECE_BITS ? kdump->pages - frame : PIECE_BITS;
    int kind = -1;

    for (uint64_t i = 0; i <= count; i++) {
        int now = -1;

        if (i < count && dumped[i / 8] >> i % 8 & 1)
            now = PND_MEMORY_PRESENT;
        else if (i < count && exists[i / 8] >> i % 8 & 1)
            now = PND_MEMORY_EXCLUDED;
        if (now == kind)
            continue;
        if (kind >= 0)
            pnd_facts_add_range(facts, start * kdump->block, (frame + i) * kdump->block,
                                (enum pnd_memory_kind)kind);
        start = frame + i;
        kind = now;
    }
}

static void add_map(const struct core *core, struct pnd_facts *facts)
{
    const struct pnd_content *content = core->pages.content;
    const struct pnd_kdump *kdump = &core->pages.kdump;
    uint8_t exists[PND_KDUMP_PIECE], dumped[PND_KDUMP_PIECE];

    facts->map_physical = true;
    for (uint64_t i = 0; i < core->pages.pieces; i++) {
        uint64_t at = i * PND_KDUMP_PIECE;

        if (content->read(content->ctx, kdump->exists + at, exists, sizeof(exists)) != PND_OK ||
            content->read(content->ctx, kdump->dumped + at, dumped, sizeof(dumped)) != PND_OK)
            return;
        add_piece(kdump, exists, dumped, i, facts);
    }
}

/* What the header knows, which is there first. */
static void set_header(const struct pnd_kdump *kdump, struct pnd_facts *facts)
{
    pnd_facts_set(facts, PND_FACT_OS, "Linux", strlen("Linux"));
    pnd_facts_set(facts, PND_FACT_KERNEL, kdump->release, strlen(kdump->release));
    pnd_facts_set(facts, PND_FACT_ARCH, kdump->machine, strlen(kdump->machine));
    if (kdump->node[0] && strcmp(kdump->node, "(none)") != 0)
        pnd_facts_set(facts, PND_FACT_HOST, kdump->node, strlen(kdump->node));
    if (kdump->release[0])
        pnd_facts_setf(facts, PND_FACT_KERNEL_VERSION, "Linux version %s %s", kdump->release,
                       kdump->kernel);
}

static int set_facts(const struct pnd_reader_input *in, struct core *core,
                     const struct pnd_kdump *kdump, struct pnd_facts *facts)
{
    const struct pnd_content *content = in->content;
    struct pnd_linux_core image = {.ctx = core, .physical = read_physical};
    struct pnd_linux_notes *notes = &image.notes;
    int err = pnd_kdump_pages_init(&core->pages, content, kdump);

    if (err)
        return err;
    core->notes =
        read_part(content, kdump->notes, kdump->notes_bytes, PND_LINUX_NOTES_MAX, &core->notes_len);
    core->info =
        read_part(content, kdump->info, kdump->info_bytes, PND_VMCORE_INFO_CAP, &core->info_len);
    notes->buf = core->notes;
    notes->len = core->notes_len;
    notes->machine = pnd_linux_machine_by_name(kdump->machine);
    notes->is32 = kdump->is32;
    notes->big = kdump->big;
    if (core->notes)
        pnd_linux_notes_look(notes);
    if (!core->info && !notes->info && content->final)
        search_info(core);
    if (core->info_len > 0) {
        notes->info = (const uint8_t *)core->info;
        notes->info_len = core->info_len;
    }
    if (notes->info)
        err = pnd_linux_core_facts(&image, facts);
    else if (core->notes)
        pnd_linux_notes_cpus(notes, -1, facts);
    add_map(core, facts);
    return err;
}

static int kdump_facts(const struct pnd_reader_input *in, struct pnd_facts *facts)
{
    struct pnd_kdump kdump;
    struct core *core;
    int err;

    if (pnd_kdump_parse(in->content->head, in->content->head_len, &kdump) != PND_OK)
        return PND_OK;
    set_header(&kdump, facts);
    core = calloc(1, sizeof(*core));
    if (!core)
        return PND_E_SYS;
    err = set_facts(in, core, &kdump, facts);
    pnd_kdump_pages_deinit(&core->pages);
    free(core->notes);
    free(core->info);
    free(core);
    return err == PND_E_SYS ? err : PND_OK;
}

const struct pnd_reader pnd_reader_kdump = {
    .format = "kdump",
    .is = is_kdump,
    .check = check_kdump,
    .facts = kdump_facts,
};

/* ---- flattened ---- */

static bool is_flattened(const void *head, size_t len)
{
    return pnd_flat_is(head, len);
}

/* The reader of the file that a flattened one stands for, and what it is given. */
static const struct pnd_reader *find_inner(struct pnd_flattened *flat, struct pnd_reader_input *ret)
{
    static const struct pnd_scan nothing; /* its offsets are those of the stream */

    *ret = (struct pnd_reader_input){.content = &flat->content, .scan = &nothing};
    return pnd_reader_find(flat->content.head, flat->content.head_len);
}

static void judge_records(const struct pnd_reader_input *in, const struct pnd_flattened *flat,
                          struct pnd_check *check)
{
    if (flat->damaged) {
        pnd_check_corrupt(in, check, flat->stop,
                          "no record of the flattened form begins at byte %" PRIu64, flat->stop);
        return;
    }
    if (flat->ended && flat->hole < flat->hole_end && !flat->full)
        pnd_check_corrupt(in, check, 0,
                          "no record of the flattened form holds bytes %" PRIu64 " to %" PRIu64
                          " of the dump",
                          flat->hole, flat->hole_end);
    if (flat->ended)
        return;
    check->verdict = PND_VERDICT_INCOMPLETE;
    snprintf(check->reason, sizeof(check->reason),
             "the flattened form ends at byte %" PRIu64 " without the record that ends it",
             check->content_bytes);
    check->missing_count = 0;
    pnd_check_add_missing(check, check->content_bytes, UINT64_MAX);
}

static int check_flattened(const struct pnd_reader_input *in, struct pnd_check *check)
{
    struct pnd_flattened flat;
    struct pnd_reader_input inner_in;
    struct pnd_check inner = *check;
    int err = pnd_flattened_init(&flat, in->content);

    if (!err)
        judge_records(in, &flat, check);
    if (!err && check->verdict == PND_VERDICT_COMPLETE && !flat.full) {
        const struct pnd_reader *reader = find_inner(&flat, &inner_in);

        inner.content_bytes = flat.whole;
        if (reader->check && reader != &pnd_reader_flattened)
            err = reader->check(&inner_in, &inner);
        if (!err && inner.verdict != PND_VERDICT_COMPLETE) {
            inner.content_bytes = check->content_bytes;
            inner.offset = 0; /* it would be one in the file that this one stands for */
            *check = inner;
        }
        memcpy(check->note, inner.note, sizeof(check->note));
    }
    if (!err && flat.full && !check->note[0])
        snprintf(check->note, sizeof(check->note),
                 "only the first %d records of the flattened form were looked at",
                 PND_FLATTENED_RECORDS_MAX);
    pnd_flattened_deinit(&flat);
    return err == PND_E_SYS ? err : PND_OK;
}

static int flattened_facts(const struct pnd_reader_input *in, struct pnd_facts *facts)
{
    struct pnd_flattened flat;
    struct pnd_reader_input inner_in;
    const struct pnd_reader *reader;
    int err = pnd_flattened_init(&flat, in->content);

    if (!err) {
        reader = find_inner(&flat, &inner_in);
        if (reader->facts && reader != &pnd_reader_flattened)
            err = reader->facts(&inner_in, facts);
    }
    pnd_flattened_deinit(&flat);
    return err == PND_E_SYS ? err : PND_OK;
}

const struct pnd_reader pnd_reader_flattened = {
    .format = "flattened",
    .is = is_flattened,
    .check = check_flattened,
    .facts = flattened_facts,
};
