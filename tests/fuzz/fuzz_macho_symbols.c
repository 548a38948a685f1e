/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Any bytes as a Mach-O file with symbols: those found are sorted, and each is found again by its
 * own address. */
#include <stdlib.h>
#include <string.h>

#include "image/macho_symbols.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { SYMBOLS = 4096 };

struct bytes {
    const uint8_t *data;
    size_t len;
};

static int read_bytes(void *ctx, uint64_t offset, void *buf, size_t len)
{
    const struct bytes *bytes = ctx;

    if (offset > bytes->len || bytes->len - offset < len)
        return PND_E_SOURCE;
    memcpy(buf, bytes->data + offset, len);
    return PND_OK;
}

static void look_up(const struct pnd_macho_image *image)
{
    static struct pnd_macho_symbol symbols[SYMBOLS];
    char name[128];
    size_t count;

    if (pnd_macho_symbols_read(image, symbols, SYMBOLS, &count) != PND_OK)
        return;
    for (size_t i = 0; i < count; i++) {
        uint64_t address = symbols[i].address;
        const struct pnd_macho_symbol *found;

        if (i > 0 && symbols[i - 1].address > address)
            abort();
        found = pnd_macho_symbols_find(image, symbols, count, address);
        if (found ? found->address != address : pnd_macho_segment_at(image, address) != NULL)
            abort();
        if (found && pnd_macho_symbol_name(image, found, name, sizeof(name)) == PND_OK &&
            strlen(name) >= sizeof(name))
            abort();
    }
}

static void look_at_sections(const struct pnd_macho_image *image)
{
    struct pnd_macho_sections walk;
    struct pnd_macho_section section;

    pnd_macho_sections_init(&walk, image);
    while (pnd_macho_sections_next(&walk, &section) == PND_OK)
        if (section.bytes > image->source->bytes ||
            section.at > image->source->bytes - section.bytes)
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct bytes bytes = {data, len};
    struct pnd_macho_source source = {&bytes, len, read_bytes};
    static struct pnd_macho_image image, inner;
    struct pnd_macho_slice slice;

    for (unsigned i = 0; pnd_macho_slice(&source, i, &slice) == PND_OK; i++) {
        struct pnd_macho_entries walk;
        struct pnd_macho_entry entry;

        if (pnd_macho_image_open(&source, &slice, 0, &image) != PND_OK)
            continue;
        look_up(&image);
        look_at_sections(&image);
        pnd_macho_entries_init(&walk, &image);
        for (int n = 0; n < 64 && pnd_macho_entries_next(&walk, &entry) == PND_OK; n++) {
            if (strlen(entry.name) >= sizeof(entry.name))
                abort();
            if (pnd_macho_image_open(&source, &slice, entry.header, &inner) == PND_OK)
                look_up(&inner);
        }
    }
    return 0;
}
