/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Names of a Darwin backtrace from Mach-O files: which file belongs to the kernel and to each kext
 * in the backtrace (by UUID), and which of its addresses a frame is; see symbols.h.
 * @source PROTOCOL.md#kdp-9.5 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "panicctl/symbols.h"
#include "panicctl/symbols_images.h"

enum {
    NAME_CAP = 1024, /* of a symbol; a longer one is cut */
    LINE_CAP = 512,
    KERNEL = 0, /* its index among the targets */
};

struct lookup {
    const struct pnd_facts *facts;
    struct pnd_images images;
    uint64_t load, slide, exec_base;
    bool has_load, has_slide, has_exec;
    char *(*demangle)(const char *mangled); /* NULL: there is no library for it */
};

/* ---- addresses ---- */

static bool read_address(const struct pnd_facts *facts, enum pnd_fact fact, uint64_t *ret)
{
    const char *text = pnd_facts_text(facts, fact);
    struct pnd_str str = {text, strlen(text)};

    return pnd_str_address(&str, ret) && str.len == 0;
}

static void read_bases(struct lookup *lookup)
{
    struct pnd_panic_event event;
    struct pnd_panic_log log;

    lookup->has_load = read_address(lookup->facts, PND_FACT_LOAD, &lookup->load);
    lookup->has_slide = read_address(lookup->facts, PND_FACT_SLIDE, &lookup->slide);
    pnd_panic_log_init(&log, lookup->facts->log, lookup->facts->log_len);
    while (lookup->facts->log && pnd_panic_log_next(&log, &event))
        if (event.kind == PND_PANIC_FIELD && event.field == PND_PANIC_EXEC_BASE) {
            lookup->exec_base = event.number;
            lookup->has_exec = true;
        }
}

static bool begins_segment(const struct pnd_macho_image *image, uint64_t address)
{
    for (unsigned i = 0; i < image->segment_count; i++)
        if (image->segments[i].vmaddr == address)
            return true;
    return false;
}

/* An old kext has one segment without a name. */
static const struct pnd_macho_segment *text_of(const struct pnd_macho_image *image)
{
    const struct pnd_macho_segment *text = pnd_macho_find_segment(image, "__TEXT");

    return text || image->segment_count == 0 ? text : &image->segments[0];
}

/* In a kernel collection the kernel may be linked elsewhere than the slide of the log assumes, and
 * its executed segment may lie apart: so the base addresses count where the log has them. */
static uint64_t kernel_linked(const struct lookup *lookup, const struct pnd_macho_image *image,
                              uint64_t address)
{
    const struct pnd_macho_segment *exec = pnd_macho_find_segment(image, "__TEXT_EXEC");
    const struct pnd_macho_segment *text = text_of(image);

    if (lookup->has_exec && exec && address >= lookup->exec_base &&
        address - lookup->exec_base < exec->vmsize)
        return exec->vmaddr + (address - lookup->exec_base);
    if (lookup->has_load && text &&
        !(lookup->has_slide && begins_segment(image, lookup->load - lookup->slide)))
        return address - lookup->load + text->vmaddr;
    return lookup->has_slide ? address - lookup->slide : address;
}

/* What the log calls the start of a kext is that of what is executed. */
static uint64_t kext_linked(const struct pnd_macho_image *image, uint64_t start, uint64_t address)
{
    const struct pnd_macho_segment *text = NULL;

    if (image->cputype == (PND_MACHO_CPU_ARM | PND_MACHO_CPU_64))
        text = pnd_macho_find_segment(image, "__TEXT_EXEC");
    if (!text)
        text = text_of(image);
    return address - start + (text ? text->vmaddr : 0);
}

/* ---- names ---- */

/* "_panic + 0x1f (debug.c:612)" */
static char *symbol_text(const struct lookup *lookup, const char *name, uint64_t offset,
                         const char *line)
{
    char *plain = NULL, *text = NULL;

    /* In Mach-O every name has an underscore of its own before it. */
    if (lookup->demangle && strncmp(name, "__Z", 3) == 0)
        plain = lookup->demangle(name + 1);
    if (asprintf(&text, "%s + 0x%" PRIx64 "%s%s%s", plain ? plain : name, offset,
                 line[0] ? " (" : "", line, line[0] ? ")" : "") < 0)
        text = NULL;
    free(plain);
    return text;
}

static void name_frame(const struct lookup *lookup, const struct pnd_image *image, unsigned index,
                       uint64_t linked, struct pnd_symbols *ret)
{
    uint64_t back = lookup->facts->frames[index].address - pnd_symbols_call(lookup->facts, index);
    const struct pnd_macho_symbol *symbol;
    char name[NAME_CAP], line[LINE_CAP];
    char *text = NULL;

    symbol = pnd_macho_symbols_find(&image->macho, image->symbols, image->symbol_count, linked);
    if (!image->lines || !pnd_lines_find(image->lines, linked, line, sizeof(line)))
        line[0] = '\0';
    if (symbol && pnd_macho_symbol_name(&image->macho, symbol, name, sizeof(name)) == PND_OK)
        text = symbol_text(lookup, name, linked + back - symbol->address, line);
    pnd_symbols_set(ret, index, image->file, linked + back, text);
    free(text);
}

/* In a kext's range it is the kext's, whether there is a file of it or not. */
static void find_frame(const struct lookup *lookup, unsigned index, struct pnd_symbols *ret)
{
    uint64_t address = pnd_symbols_call(lookup->facts, index), linked;
    const struct pnd_images *images = &lookup->images;
    unsigned target = KERNEL;

    for (unsigned i = KERNEL + 1; i < images->count; i++)
        if (address >= images->at[i].start && address < images->at[i].end)
            target = i;
    if (images->at[target].file < 0 || lookup->facts->frames[index].address == 0)
        return;
    linked = target == KERNEL
                 ? kernel_linked(lookup, &images->at[target].macho, address)
                 : kext_linked(&images->at[target].macho, images->at[target].start, address);
    if (pnd_macho_segment_at(&images->at[target].macho, linked))
        name_frame(lookup, &images->at[target], index, linked, ret);
}

int pnd_symbols_macho(const struct pnd_facts *facts, const char *path, bool force,
                      struct pnd_symbols *ret, struct pnd_why *why)
{
    struct lookup lookup = {.facts = facts, .demangle = pnd_images_demangler()};
    int err = pnd_images_init(&lookup.images, facts, why);

    if (!err)
        err = pnd_images_search(&lookup.images, path, force, why);
    if (!err)
        err = pnd_images_load(&lookup.images, ret, why);
    if (!err) {
        read_bases(&lookup);
        for (unsigned i = 0; i < facts->frame_count; i++)
            find_frame(&lookup, i, ret);
    }
    pnd_images_deinit(&lookup.images);
    return err;
}
