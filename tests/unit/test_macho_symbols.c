/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Mach-O symbol tables: 32 and 64 bit, both byte orders, fat files and kernel collections, made
 * here byte by byte; cut and damaged anywhere. */
#include "image/macho_symbols.h"
#include "tap.h"
#include "wire/cursor.h"

enum { FILE_CAP = 1 << 16, LC_SEGMENT = 1, LC_SYMTAB = 2, LC_SEGMENT_64 = 0x19, LC_UUID = 0x1b };

#define LC_FILESET_ENTRY UINT32_C(0x80000035)

/* A file as it grows. Offsets within the commands count from base, those of the commands' own
 * headers are where they stand. */
struct maker {
    uint8_t bytes[FILE_CAP];
    size_t len, base, header;
    bool is64, big;
    uint32_t ncmds;
};

static struct maker file;

static void put(struct maker *m, uint64_t value, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        size_t byte = m->big ? size - 1 - i : i;

        m->bytes[m->len++] = byte < sizeof(value) ? (uint8_t)(value >> 8 * byte) : 0;
    }
}

static void put_at(struct maker *m, size_t at, uint64_t value, size_t size)
{
    size_t len = m->len;

    m->len = at;
    put(m, value, size);
    m->len = len;
}

static void put_bytes(struct maker *m, const void *bytes, size_t len)
{
    memcpy(m->bytes + m->len, bytes, len);
    m->len += len;
}

static void put_name(struct maker *m, const char *segname)
{
    char padded[16] = {0};

    memcpy(padded, segname, strnlen(segname, sizeof(padded)));
    put_bytes(m, padded, sizeof(padded));
}

static void begin(struct maker *m, uint32_t cputype, uint32_t filetype)
{
    m->header = m->len;
    m->ncmds = 0;
    put(m, m->is64 ? 0xfeedfacf : 0xfeedface, 4);
    put(m, cputype, 4);
    put(m, 3, 4);
    put(m, filetype, 4);
    put(m, 0, 4 * 3);
    put(m, 0, m->is64 ? 4 : 0);
}

static void end_commands(struct maker *m)
{
    put_at(m, m->header + 16, m->ncmds, 4);
    put_at(m, m->header + 20, m->len - m->header - (m->is64 ? 32 : 28), 4);
}

static void segment(struct maker *m, const char *name, uint64_t vmaddr, uint64_t vmsize)
{
    size_t word = m->is64 ? 8 : 4;

    m->ncmds++;
    put(m, m->is64 ? LC_SEGMENT_64 : LC_SEGMENT, 4);
    put(m, m->is64 ? 72 : 56, 4);
    put_name(m, name);
    put(m, vmaddr, word);
    put(m, vmsize, word);
    put(m, 0, 2 * word); /* nothing of it is in the file */
    put(m, 0, 16);
}

static void uuid(struct maker *m, uint8_t first)
{
    uint8_t bytes[16] = {first, 2, 3, 4};

    m->ncmds++;
    put(m, LC_UUID, 4);
    put(m, 24, 4);
    put_bytes(m, bytes, sizeof(bytes));
}

struct nlist {
    const char *name;
    uint8_t type, section;
    uint64_t value;
};

/* The command now, the table at @p at from the base. */
static void symtab(struct maker *m, size_t at, uint32_t count, uint32_t strings_bytes)
{
    m->ncmds++;
    put(m, LC_SYMTAB, 4);
    put(m, 24, 4);
    put(m, at, 4);
    put(m, count, 4);
    put(m, at + count * (m->is64 ? 16 : 12), 4);
    put(m, strings_bytes, 4);
}

static void table(struct maker *m, size_t at, const struct nlist *list, uint32_t count)
{
    uint32_t name = 1;

    m->len = m->base + at;
    for (uint32_t i = 0; i < count; i++) {
        put(m, name, 4);
        put(m, list[i].type, 1);
        put(m, list[i].section, 1);
        put(m, 0, 2);
        put(m, list[i].value, m->is64 ? 8 : 4);
        name += (uint32_t)strlen(list[i].name) + 1;
    }
    put(m, 0, 1);
    for (uint32_t i = 0; i < count; i++)
        put_bytes(m, list[i].name, strlen(list[i].name) + 1);
}

static uint32_t strings_of(const struct nlist *list, uint32_t count)
{
    uint32_t bytes = 1;

    for (uint32_t i = 0; i < count; i++)
        bytes += (uint32_t)strlen(list[i].name) + 1;
    return bytes;
}

static int read_file(void *ctx, uint64_t offset, void *buf, size_t len)
{
    const struct maker *m = ctx;

    if (offset > m->len || m->len - offset < len)
        return PND_E_SOURCE;
    memcpy(buf, m->bytes + offset, len);
    return PND_OK;
}

static struct pnd_macho_source source;

static const struct pnd_macho_source *made(void)
{
    source = (struct pnd_macho_source){&file, file.len, read_file};
    return &source;
}

/* Out of order, with what is no symbol of a section, and with two names for one address. */
static const struct nlist kernel_symbols[] = {
    {"_panic", 0x0f, 1, 0x2000},    {"_start", 0x0f, 1, 0x1000}, {"_extern", 0x01, 0, 0x1800},
    {"_absolute", 0x03, 0, 0x1900}, {"stab", 0x24, 1, 0x1a00},   {"_static", 0x0e, 1, 0x2400},
    {"_alias", 0x0f, 1, 0x2000},    {"_data", 0x0f, 2, 0x9000},
};

enum { KERNEL_SYMBOLS = sizeof(kernel_symbols) / sizeof(kernel_symbols[0]), TABLE_AT = 1024 };

static void make_kernel(bool is64, bool big)
{
    memset(&file, 0, sizeof(file));
    file.is64 = is64;
    file.big = big;
    begin(&file, is64 ? 0x01000007 : 7, 2);
    segment(&file, "__TEXT", 0x1000, 0x4000);
    segment(&file, "__DATA", 0x9000, 0x1000);
    uuid(&file, 0xaa);
    symtab(&file, TABLE_AT, KERNEL_SYMBOLS, strings_of(kernel_symbols, KERNEL_SYMBOLS));
    end_commands(&file);
    table(&file, TABLE_AT, kernel_symbols, KERNEL_SYMBOLS);
}

static char name[64];

/* The symbol of an address, or "". */
static const char *name_at(const struct pnd_macho_image *image, uint64_t address)
{
    static struct pnd_macho_symbol symbols[64];
    const struct pnd_macho_symbol *found;
    size_t count;

    name[0] = '\0';
    if (pnd_macho_symbols_read(image, symbols, 64, &count) != PND_OK)
        return "unreadable";
    found = pnd_macho_symbols_find(image, symbols, count, address);
    if (found && pnd_macho_symbol_name(image, found, name, sizeof(name)) != PND_OK)
        return "no name";
    return name;
}

static void finds_the_nearest_symbol_before_in_every_kind_of_file(void)
{
    struct pnd_macho_image image;
    struct pnd_macho_slice slice;

    for (int kind = 0; kind < 4; kind++) {
        make_kernel(kind & 1, kind & 2);
        CHECK_EQ(pnd_macho_slice(made(), 0, &slice), PND_OK);
        CHECK_EQ(pnd_macho_slice(made(), 1, &slice), PND_E_NOTFOUND);
        CHECK_EQ(pnd_macho_image_open(&source, &slice, 0, &image), PND_OK);
        CHECK_EQ(image.cputype, kind & 1 ? 0x01000007 : 7);
        CHECK(image.has_uuid && image.uuid[0] == 0xaa && image.uuid[3] == 4);
        CHECK_EQ(pnd_macho_find_segment(&image, "__TEXT")->vmaddr, 0x1000);
        CHECK(!pnd_macho_find_segment(&image, "__TEX"));
        CHECK_STR(name_at(&image, 0x0fff), "");
        CHECK_STR(name_at(&image, 0x1000), "_start");
        CHECK_STR(name_at(&image, 0x1fff), "_start");
        CHECK_STR(name_at(&image, 0x2000), "_panic");
        CHECK_STR(name_at(&image, 0x23ff), "_panic");
        CHECK_STR(name_at(&image, 0x2400), "_static");
        CHECK_STR(name_at(&image, 0x4fff), "_static");
        CHECK_STR(name_at(&image, 0x5000), ""); /* in no segment */
        CHECK_STR(name_at(&image, 0x9800), "_data");
        CHECK_STR(name_at(&image, 0xa000), "");
    }
}

/* What stands before the segment names nothing in it. */
static void a_symbol_of_another_segment_is_none(void)
{
    static const struct nlist list[] = {{"_text", 0x0f, 1, 0x1000}};
    struct pnd_macho_image image;
    struct pnd_macho_slice slice;

    memset(&file, 0, sizeof(file));
    file.is64 = true;
    begin(&file, 0x0100000c, 2);
    segment(&file, "__TEXT", 0x1000, 0x1000);
    segment(&file, "__TEXT_EXEC", 0x2000, 0x1000);
    symtab(&file, TABLE_AT, 1, strings_of(list, 1));
    end_commands(&file);
    table(&file, TABLE_AT, list, 1);
    CHECK_EQ(pnd_macho_slice(made(), 0, &slice), PND_OK);
    CHECK_EQ(pnd_macho_image_open(&source, &slice, 0, &image), PND_OK);
    CHECK_STR(name_at(&image, 0x1800), "_text");
    CHECK_STR(name_at(&image, 0x2800), "");
    CHECK(!image.has_uuid);
}

static void every_part_of_a_fat_file(void)
{
    struct pnd_macho_image image;
    struct pnd_macho_slice slice;
    static struct maker part;

    for (int fat64 = 0; fat64 < 2; fat64++) {
        make_kernel(true, false);
        part = file;
        memset(&file, 0, sizeof(file));
        file.big = true;
        put(&file, fat64 ? 0xcafebabf : 0xcafebabe, 4);
        put(&file, 2, 4);
        for (uint64_t i = 0; i < 2; i++) {
            put(&file, i ? 0x01000007 : 0x0100000c, 4);
            put(&file, 3, 4);
            put(&file, 4096 + i * 8192, fat64 ? 8 : 4);
            put(&file, part.len, fat64 ? 8 : 4);
            put(&file, 12, 4);
            put(&file, 0, fat64 ? 4 : 0);
        }
        memcpy(file.bytes + 4096, part.bytes, part.len);
        memcpy(file.bytes + 4096 + 8192, part.bytes, part.len);
        file.len = 4096 + 8192 + part.len;
        for (unsigned i = 0; i < 2; i++) {
            CHECK_EQ(pnd_macho_slice(made(), i, &slice), PND_OK);
            CHECK_EQ(slice.offset, 4096 + i * 8192);
            CHECK_EQ(slice.cputype, i ? 0x01000007 : 0x0100000c);
            CHECK_EQ(pnd_macho_image_open(&source, &slice, 0, &image), PND_OK);
            CHECK_STR(name_at(&image, 0x2010), "_panic");
        }
        CHECK_EQ(pnd_macho_slice(made(), 2, &slice), PND_E_NOTFOUND);
        file.len--;
        CHECK_EQ(pnd_macho_slice(made(), 1, &slice), PND_E_FORMAT);
    }
}

enum { ENTRY_AT = 4096, ENTRY_TABLE_AT = 8192 };

static void entry(struct maker *m, const char *id, uint64_t header)
{
    size_t len = (32 + strlen(id) + 1 + 7) / 8 * 8, end = m->len + len;

    m->ncmds++;
    put(m, LC_FILESET_ENTRY, 4);
    put(m, len, 4);
    put(m, 0xffffff8000200000, 8);
    put(m, header, 8);
    put(m, 32, 4);
    put(m, 0, 4);
    put_bytes(m, id, strlen(id) + 1);
    m->len = end;
}

static void the_images_of_a_kernel_collection(void)
{
    static const struct nlist list[] = {{"_kext_start", 0x0f, 1, 0x7000}};
    struct pnd_macho_image collection, image;
    struct pnd_macho_entries walk;
    struct pnd_macho_slice slice;
    struct pnd_macho_entry found;

    memset(&file, 0, sizeof(file));
    file.is64 = true;
    begin(&file, 0x01000007, 12);
    segment(&file, "__TEXT", 0x1000, 0x1000);
    entry(&file, "com.apple.kernel", ENTRY_AT);
    entry(&file, "com.apple.driver.AppleHDA", ENTRY_AT);
    end_commands(&file);
    file.len = ENTRY_AT;
    begin(&file, 0x01000007, 11);
    segment(&file, "__TEXT", 0x7000, 0x1000);
    uuid(&file, 0xbb);
    symtab(&file, ENTRY_TABLE_AT, 1, strings_of(list, 1));
    end_commands(&file);
    table(&file, ENTRY_TABLE_AT, list, 1); /* counted from the start of the collection */

    CHECK_EQ(pnd_macho_slice(made(), 0, &slice), PND_OK);
    CHECK_EQ(pnd_macho_image_open(&source, &slice, 0, &collection), PND_OK);
    CHECK_EQ(collection.entry_count, 2);
    pnd_macho_entries_init(&walk, &collection);
    CHECK_EQ(pnd_macho_entries_next(&walk, &found), PND_OK);
    CHECK_STR(found.name, "com.apple.kernel");
    CHECK_EQ(pnd_macho_entries_next(&walk, &found), PND_OK);
    CHECK_STR(found.name, "com.apple.driver.AppleHDA");
    CHECK_EQ(found.header, ENTRY_AT);
    CHECK_EQ(pnd_macho_entries_next(&walk, &found), PND_E_NOTFOUND);
    CHECK_EQ(pnd_macho_image_open(&source, &slice, found.header, &image), PND_OK);
    CHECK_EQ(image.uuid[0], 0xbb);
    CHECK_STR(name_at(&image, 0x7004), "_kext_start");
}

static void thousands_of_symbols_in_any_order_are_sorted(void)
{
    enum { COUNT = 2000, AT = 4096 };
    static struct pnd_macho_symbol symbols[COUNT];
    struct pnd_macho_image image;
    struct pnd_macho_slice slice;
    size_t count;

    memset(&file, 0, sizeof(file));
    file.is64 = true;
    begin(&file, 0x01000007, 2);
    segment(&file, "__TEXT", 0, COUNT * 16);
    symtab(&file, AT, COUNT, 2);
    end_commands(&file);
    file.len = AT;
    for (uint64_t i = 0; i < COUNT; i++) {
        put(&file, 0, 4);
        put(&file, 0x010f, 4);
        put(&file, i * 1217 % COUNT * 16, 8); /* 1217 is prime to 2000 */
    }
    put(&file, 0, 2);
    CHECK_EQ(pnd_macho_slice(made(), 0, &slice), PND_OK);
    CHECK_EQ(pnd_macho_image_open(&source, &slice, 0, &image), PND_OK);
    CHECK_EQ(pnd_macho_symbols_read(&image, symbols, COUNT - 1, &count), PND_E_FULL);
    CHECK_EQ(pnd_macho_symbols_read(&image, symbols, COUNT, &count), PND_OK);
    CHECK_EQ(count, COUNT);
    for (uint64_t i = 0; i < COUNT; i++)
        if (symbols[i].address != i * 16 ||
            pnd_macho_symbols_find(&image, symbols, count, i * 16 + 15) != &symbols[i])
            CHECK(!"symbols in order");
}

/* A segment with sections, whose content stands in the file. */
static void with_sections(bool is64, bool big)
{
    static const char *const names[] = {"__debug_info", "__debug_str_offs"};
    size_t word = is64 ? 8 : 4;

    make_kernel(is64, big);
    file.len = file.header = 2048;
    begin(&file, is64 ? 0x01000007 : 7, 10);
    file.ncmds++;
    put(&file, is64 ? LC_SEGMENT_64 : LC_SEGMENT, 4);
    put(&file, is64 ? 72 + 2 * 80 : 56 + 2 * 68, 4);
    put_name(&file, "__DWARF");
    put(&file, 0, 4 * word);
    put(&file, 0, 8);
    put(&file, 2, 4);
    put(&file, 0, 4);
    for (uint64_t i = 0; i < 2; i++) {
        put_name(&file, names[i]);
        put_name(&file, "__DWARF");
        put(&file, 0, word);
        put(&file, 10 + i, word);
        put(&file, 3000 + i * 16, 4);
        put(&file, 0, is64 ? 7 * 4 : 6 * 4);
    }
    uuid(&file, 0xcc);
    end_commands(&file);
    file.len = 3100;
}

static void sections_of_every_kind_of_file(void)
{
    struct pnd_macho_sections walk;
    struct pnd_macho_section section;
    struct pnd_macho_image image;
    struct pnd_macho_slice slice;

    for (int kind = 0; kind < 4; kind++) {
        with_sections(kind & 1, kind & 2);
        CHECK_EQ(pnd_macho_slice(made(), 0, &slice), PND_OK);
        CHECK_EQ(pnd_macho_image_open(&source, &slice, 2048, &image), PND_OK);
        CHECK_EQ(image.uuid[0], 0xcc);
        pnd_macho_sections_init(&walk, &image);
        CHECK_EQ(pnd_macho_sections_next(&walk, &section), PND_OK);
        CHECK_STR(section.name, "__debug_info");
        CHECK_STR(section.segment, "__DWARF");
        CHECK_EQ(section.at, 3000);
        CHECK_EQ(section.bytes, 10);
        CHECK_EQ(pnd_macho_sections_next(&walk, &section), PND_OK);
        CHECK_STR(section.name, "__debug_str_offs");
        CHECK_EQ(section.bytes, 11);
        CHECK_EQ(pnd_macho_sections_next(&walk, &section), PND_E_NOTFOUND);
        file.len = 3020; /* within the second */
        CHECK_EQ(pnd_macho_slice(made(), 0, &slice), PND_OK);
        CHECK_EQ(pnd_macho_image_open(&source, &slice, 2048, &image), PND_OK);
        pnd_macho_sections_init(&walk, &image);
        CHECK_EQ(pnd_macho_sections_next(&walk, &section), PND_OK);
        CHECK_EQ(pnd_macho_sections_next(&walk, &section), PND_E_FORMAT);
    }
}

/* Whatever it says, it says so without reading beyond what is there. */
static void look_at_it_all(void)
{
    struct pnd_macho_sections sections;
    struct pnd_macho_section section;
    struct pnd_macho_entries walk;
    struct pnd_macho_entry found;
    struct pnd_macho_image image;
    struct pnd_macho_slice slice;

    if (pnd_macho_slice(made(), 0, &slice) != PND_OK ||
        pnd_macho_image_open(&source, &slice, 0, &image) != PND_OK)
        return;
    name_at(&image, 0x2004);
    pnd_macho_entries_init(&walk, &image);
    while (pnd_macho_entries_next(&walk, &found) == PND_OK)
        continue;
    pnd_macho_sections_init(&sections, &image);
    while (pnd_macho_sections_next(&sections, &section) == PND_OK)
        if (section.bytes > file.len || section.at > file.len - section.bytes)
            CHECK(!"a section within the file");
}

static void every_truncation_and_every_flipped_bit(void)
{
    struct pnd_macho_image image;
    struct pnd_macho_slice slice;
    size_t len;

    make_kernel(true, false);
    len = file.len;
    for (file.len = 0; file.len < len; file.len++) {
        look_at_it_all();
        if (pnd_macho_slice(made(), 0, &slice) == PND_OK && file.len < 32 + 72 * 2 + 48)
            CHECK_EQ(pnd_macho_image_open(&source, &slice, 0, &image), PND_E_SHORT);
    }
    for (size_t bit = 0; bit < 8 * len; bit++) {
        file.bytes[bit / 8] = (uint8_t)(file.bytes[bit / 8] ^ 1 << bit % 8);
        look_at_it_all();
        file.bytes[bit / 8] = (uint8_t)(file.bytes[bit / 8] ^ 1 << bit % 8);
    }
    CHECK_EQ(pnd_macho_slice(made(), 0, &slice), PND_OK);
    CHECK_EQ(pnd_macho_image_open(&source, &slice, 0, &image), PND_OK);
    CHECK_STR(name_at(&image, 0x2004), "_panic");
}

static void other_files_are_told(void)
{
    struct pnd_macho_slice slice;

    memset(&file, 0, sizeof(file));
    memcpy(file.bytes, "\177ELF\2\1\1", 7);
    file.len = 64;
    CHECK_EQ(pnd_macho_slice(made(), 0, &slice), PND_E_TYPE);
    memcpy(file.bytes, "\xca\xfe\xba\xbe\0\0\0\x41", 8); /* a Java class, of version 65 */
    CHECK_EQ(pnd_macho_slice(made(), 0, &slice), PND_E_TYPE);
    file.len = 7;
    CHECK_EQ(pnd_macho_slice(made(), 0, &slice), PND_E_SHORT);
}

int main(void)
{
    RUN(finds_the_nearest_symbol_before_in_every_kind_of_file);
    RUN(a_symbol_of_another_segment_is_none);
    RUN(every_part_of_a_fat_file);
    RUN(the_images_of_a_kernel_collection);
    RUN(sections_of_every_kind_of_file);
    RUN(thousands_of_symbols_in_any_order_are_sorted);
    RUN(every_truncation_and_every_flipped_bit);
    RUN(other_files_are_told);
    return tap_done();
}
