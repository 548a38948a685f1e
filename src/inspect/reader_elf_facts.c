/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What an ELF core of a kernel says: Linux vmcores (/proc/vmcore, QEMU's dump-guest-memory),
 * panicbox, FreeBSD's full dumps. A dump without VMCOREINFO among its notes has it somewhere in
 * its memory. @source PROTOCOL.md#kdp-6.7; Linux admin-guide/kdump */
#include "inspect/reader.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "image/elf.h"
#include "inspect/linux_core.h"

enum { TEXT_PIECE = 4096, TEXT_MAX = 1 << 20, OSABI_AT = 7, OSABI_FREEBSD = 9 };

struct segment {
    uint64_t physical, virtual, offset, bytes, memory; /* in the file; and in all */
};

struct core {
    const struct pnd_reader_input *in;
    struct segment *segments; /* PT_LOAD; sorted by physical address */
    size_t count, last_physical, last_virtual;
    struct pnd_elf elf;
    uint8_t *notes;
    size_t notes_len;
    char *info; /* VMCOREINFO that was found in memory */
    size_t info_len;
};

/* ---- headers ---- */

static int read_notes(struct core *core, uint64_t offset, uint64_t size)
{
    const struct pnd_content *content = core->in->content;
    int err;

    if (core->notes || size == 0)
        return PND_OK;
    size = size < PND_LINUX_NOTES_MAX ? size : PND_LINUX_NOTES_MAX;
    core->notes = malloc(size);
    if (!core->notes)
        return PND_E_SYS;
    err = content->read(content->ctx, offset, core->notes, size);
    core->notes_len = err ? 0 : size;
    return err == PND_E_SYS ? err : PND_OK; /* else they are not there (yet) */
}

static int by_physical(const void *left, const void *right)
{
    const struct segment *a = left, *b = right;

    if (a->physical != b->physical)
        return a->physical < b->physical ? -1 : 1;
    return (a->memory < b->memory) - (a->memory > b->memory);
}

static int read_headers(struct core *core)
{
    const struct pnd_content *content = core->in->content;
    struct pnd_elf_segment seg;
    int err = PND_OK;

    if (pnd_elf_parse(content->head, content->head_len, &core->elf) != PND_OK)
        return PND_E_SHORT;
    core->segments = calloc((size_t)core->elf.phnum + 1, sizeof(core->segments[0]));
    if (!core->segments)
        return PND_E_SYS;
    for (uint32_t i = 0; !err && i < core->elf.phnum; i++) {
        if (pnd_elf_segment(&core->elf, content->head, content->head_len, i, &seg) != PND_OK)
            break; /* what is behind the head that is kept */
        if (seg.type == PND_ELF_PT_NOTE)
            err = read_notes(core, seg.offset, seg.filesz);
        if (seg.type != PND_ELF_PT_LOAD || seg.memsz == 0 || seg.paddr > UINT64_MAX - seg.memsz)
            continue;
        seg.filesz = seg.filesz < seg.memsz ? seg.filesz : seg.memsz;
        core->segments[core->count++] = (struct segment){.physical = seg.paddr,
                                                         .virtual = seg.vaddr,
                                                         .offset = seg.offset,
                                                         .bytes = seg.filesz,
                                                         .memory = seg.memsz};
    }
    qsort(core->segments, core->count, sizeof(core->segments[0]), by_physical);
    return err;
}

/* ---- memory ---- */

static bool covers(uint64_t start, uint64_t bytes, uint64_t address, size_t len)
{
    return address >= start && address - start < bytes && len <= bytes - (address - start);
}

static int read_segment(const struct core *core, const struct segment *segment, uint64_t at,
                        void *buf, size_t len)
{
    const struct pnd_content *content = core->in->content;

    return content->read(content->ctx, segment->offset + at, buf, len);
}

static int read_physical(void *ctx, uint64_t address, void *buf, size_t len)
{
    struct core *core = ctx;

    for (size_t i = 0; i < core->count; i++) {
        size_t at = (core->last_physical + i) % core->count;
        const struct segment *segment = &core->segments[at];

        if (covers(segment->physical, segment->bytes, address, len)) {
            core->last_physical = at;
            return read_segment(core, segment, address - segment->physical, buf, len);
        }
    }
    return PND_E_NOTFOUND;
}

static int read_virtual(void *ctx, uint64_t address, void *buf, size_t len)
{
    struct core *core = ctx;

    for (size_t i = 0; i < core->count; i++) {
        size_t at = (core->last_virtual + i) % core->count;
        const struct segment *segment = &core->segments[at];

        if (segment->virtual != segment->physical &&
            covers(segment->virtual, segment->bytes, address, len)) {
            core->last_virtual = at;
            return read_segment(core, segment, address - segment->virtual, buf, len);
        }
    }
    return PND_E_NOTFOUND;
}

/* Memory that lies in two segments - the kernel's text does - is in the map once. What a segment
 * names and does not bring was left out on purpose: zeros, or what makedumpfile was told. */
static void add_map(const struct core *core, struct pnd_facts *facts)
{
    uint64_t end = 0;

    facts->map_physical = true;
    for (size_t i = 0; i < core->count; i++) {
        const struct segment *segment = &core->segments[i];
        uint64_t skip = end > segment->physical ? end - segment->physical : 0;

        if (skip >= segment->bytes)
            continue;
        end = segment->physical + segment->bytes;
        pnd_reader_add_memory(core->in, segment->physical + skip, end, segment->offset + skip,
                              segment->bytes - skip, facts);
    }
    for (size_t i = 0; i < core->count; i++) {
        const struct segment *segment = &core->segments[i];

        if (segment->bytes < segment->memory)
            pnd_facts_add_range(facts, segment->physical + segment->bytes,
                                segment->physical + segment->memory, PND_MEMORY_EXCLUDED);
    }
}

/* ---- VMCOREINFO in memory ---- */

static bool is_info_text(char c)
{
    return c == '\n' || (c >= ' ' && c <= '~');
}

/* The longest text that begins like VMCOREINFO and names symbols. */
static int find_info(struct core *core)
{
    const struct pnd_scan *scan = core->in->scan;
    char *text = malloc(PND_VMCORE_INFO_CAP), *best = malloc(PND_VMCORE_INFO_CAP);

    if (!text || !best) {
        free(text);
        free(best);
        return PND_E_SYS;
    }
    for (unsigned i = 0; i < scan->count[PND_SCAN_LINUX_INFO]; i++) {
        long got = pnd_content_some(core->in->content, scan->at[PND_SCAN_LINUX_INFO][i], text,
                                    PND_VMCORE_INFO_CAP);
        size_t len = 0;

        while ((long)len < got && is_info_text(text[len]))
            len++;
        if (len <= core->info_len || !memmem(text, len, "\nPAGESIZE=", strlen("\nPAGESIZE=")) ||
            !memmem(text, len, "\nSYMBOL(", strlen("\nSYMBOL(")))
            continue;
        memcpy(best, text, len);
        core->info_len = len;
    }
    free(text);
    core->info = best;
    return PND_OK;
}

/* ---- FreeBSD ---- */

static bool is_log_text(char c)
{
    return c == '\n' || c == '\t' || c == '\r' || (c >= ' ' && c <= '~');
}

/* Text around @p offset of the content, at most TEXT_MAX to each side. @return its bounds */
static uint64_t text_start(const struct pnd_content *content, uint64_t offset)
{
    char piece[TEXT_PIECE];
    uint64_t at = offset;

    while (at > 0 && offset - at < TEXT_MAX) {
        size_t len = at < sizeof(piece) ? (size_t)at : sizeof(piece);

        if (content->read(content->ctx, at - len, piece, len) != PND_OK)
            break;
        for (size_t i = len; i > 0; i--)
            if (!is_log_text(piece[i - 1]))
                return at - (len - i);
        at -= len;
    }
    return at;
}

static uint64_t text_end(const struct pnd_content *content, uint64_t offset)
{
    char piece[TEXT_PIECE];
    uint64_t at = offset;

    while (at - offset < TEXT_MAX) {
        long got = pnd_content_some(content, at, piece, sizeof(piece));

        for (long i = 0; i < got; i++)
            if (!is_log_text(piece[i]))
                return at + (uint64_t)i;
        if (got <= 0)
            break;
        at += (uint64_t)got;
    }
    return at;
}

/* The message buffer: the longest text with a panic in it. */
static int freebsd_facts(const struct core *core, struct pnd_facts *facts)
{
    const struct pnd_content *content = core->in->content;
    const struct pnd_scan *scan = core->in->scan;
    uint64_t start = 0, end = 0;
    char *text;

    for (unsigned i = 0; i < scan->count[PND_SCAN_BSD_PANIC]; i++) {
        uint64_t at = scan->at[PND_SCAN_BSD_PANIC][i];
        uint64_t from = text_start(content, at), to = text_end(content, at);

        if (to - from > end - start) {
            start = from;
            end = to;
        }
    }
    pnd_facts_set(facts, PND_FACT_OS, "FreeBSD", strlen("FreeBSD"));
    if (end == start)
        return PND_OK;
    text = malloc(end - start);
    if (!text)
        return PND_E_SYS;
    if (content->read(content->ctx, start, text, end - start) == PND_OK)
        pnd_facts_from_freebsd_log(text, end - start, facts);
    free(text);
    return PND_OK;
}

/* ---- all ---- */

static void set_panicbox(const struct pnd_linux_notes *notes, struct pnd_facts *facts)
{
    const uint8_t *b = notes->build;

    if (notes->load)
        pnd_facts_setf(facts, PND_FACT_LOAD, "0x%" PRIx64, notes->load);
    pnd_facts_setf(facts, PND_FACT_BUILD_ID,
                   "%02X%02X%02X%02X-%02X%02X-%02X%02X-%02X%02X-%02X%02X%02X%02X%02X%02X", b[0],
                   b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13],
                   b[14], b[15]);
}

static int other_facts(const struct core *core, const struct pnd_linux_notes *notes,
                       struct pnd_facts *facts)
{
    const struct pnd_scan *scan = core->in->scan;
    const char *arch = pnd_linux_machine_name(notes->machine, notes->is32);
    int err = PND_OK;
    bool darwin = pnd_reader_xnu_log(core->in, facts);

    if (!darwin && scan->count[PND_SCAN_BSD_VERSION] > 0)
        err = freebsd_facts(core, facts);
    if (notes->panicbox)
        set_panicbox(notes, facts);
    if (arch && !facts->text[PND_FACT_ARCH])
        pnd_facts_set(facts, PND_FACT_ARCH, arch, strlen(arch));
    if (facts->cpu_count == 0)
        pnd_linux_notes_cpus(notes, notes->cpu_count == 1 ? 0 : -1, facts);
    return err;
}

static int all_facts(struct core *core, struct pnd_facts *facts)
{
    struct pnd_linux_core image = {.ctx = core, .physical = read_physical, .virtual = read_virtual};
    struct pnd_linux_notes *notes = &image.notes;
    int err = PND_OK;

    notes->buf = core->notes;
    notes->len = core->notes_len;
    notes->machine = core->elf.machine;
    notes->is32 = !core->elf.is64;
    notes->big = core->elf.big;
    if (core->notes_len > 0)
        pnd_linux_notes_look(notes);
    /* FreeBSD's memory may hold that of a Linux guest. */
    if (!notes->info && !notes->panicbox && core->in->content->head[OSABI_AT] != OSABI_FREEBSD) {
        err = find_info(core);
        notes->info = core->info_len > 0 ? (const uint8_t *)core->info : NULL;
        notes->info_len = core->info_len;
    }
    if (!err)
        err = notes->info ? pnd_linux_core_facts(&image, facts) : other_facts(core, notes, facts);
    if (!err)
        add_map(core, facts);
    return err;
}

int pnd_reader_elf_facts(const struct pnd_reader_input *in, struct pnd_facts *facts)
{
    struct core core = {.in = in};
    int err = read_headers(&core);

    if (!err)
        err = all_facts(&core, facts);
    free(core.segments);
    free(core.notes);
    free(core.info);
    return err == PND_E_SYS ? err : PND_OK;
}
