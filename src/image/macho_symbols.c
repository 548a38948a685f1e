/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Mach-O symbol tables; see macho_symbols.h. */
#include "image/macho_symbols.h"

#include "wire/cursor.h"

enum {
    HEADER_LEN = 32, /* 28 in a 32-bit file */
    FAT_HEADER_LEN = 8,
    FAT_LEN_32 = 20,
    FAT_LEN_64 = 32,
    COMMAND_LEN_MIN = 8,
    COMMAND_LOOK = 72 + PND_MACHO_ENTRY_NAME_CAP, /* bytes of a command that are read */
    COMMANDS_MAX = 1 << 16,
    NAME_LEN = 16,
    SECTIONS_AT_32 = 56, /* in the command of a segment */
    SECTIONS_AT_64 = 72,
    SECTION_LEN_32 = 68,
    SECTION_LEN_64 = 80,
    UUID_LEN = 16,
    LC_SEGMENT = 0x01,
    LC_SYMTAB = 0x02,
    LC_SEGMENT_64 = 0x19,
    LC_UUID = 0x1b,
    ENTRY_NAME_AT = 32, /* what is before the name of an entry */
    NLIST_LEN_32 = 12,
    NLIST_LEN_64 = 16,
    NLIST_DEBUG = 0xe0,
    NLIST_TYPE = 0x0e,
    NLIST_SECTION = 0x0e,
    BATCH = 256, /* symbols read at a time */
};

#define MAGIC_32         UINT32_C(0xfeedface)
#define MAGIC_64         UINT32_C(0xfeedfacf)
#define MAGIC_FAT_32     UINT32_C(0xcafebabe)
#define MAGIC_FAT_64     UINT32_C(0xcafebabf)
#define LC_FILESET_ENTRY UINT32_C(0x80000035)

/* All @p len bytes at @p at, which must lie within [0, end). */
static int read_at(const struct pnd_macho_source *source, uint64_t end, uint64_t at, void *buf,
                   size_t len)
{
    if (at > end || end - at < len)
        return PND_E_SHORT;
    return source->read(source->ctx, at, buf, len);
}

/* ---- parts ---- */

static int read_fat(const struct pnd_macho_source *source, bool is64, unsigned index,
                    struct pnd_macho_slice *ret)
{
    size_t len = is64 ? FAT_LEN_64 : FAT_LEN_32, word = is64 ? 8 : 4;
    struct pnd_macho_slice slice;
    uint8_t bytes[FAT_LEN_64] = {0};
    struct pnd_rd rd = pnd_rd(bytes, len);
    int err = read_at(source, source->bytes, FAT_HEADER_LEN + (uint64_t)index * len, bytes, len);

    if (err)
        return err;
    slice.cputype = pnd_rd_be32(&rd);
    pnd_rd_be32(&rd); /* subtype */
    slice.offset = pnd_rd_be(&rd, word);
    slice.bytes = pnd_rd_be(&rd, word);
    if (slice.offset > source->bytes || slice.bytes > source->bytes - slice.offset)
        return PND_E_FORMAT;
    *ret = slice;
    return PND_OK;
}

int pnd_macho_slice(const struct pnd_macho_source *source, unsigned index,
                    struct pnd_macho_slice *ret)
{
    uint8_t head[FAT_HEADER_LEN] = {0};
    struct pnd_rd be = pnd_rd(head, sizeof(head)), le = be;
    int err = read_at(source, source->bytes, 0, head, sizeof(head));
    uint32_t magic, swapped;

    if (err)
        return err;
    magic = pnd_rd_be32(&be);
    swapped = pnd_rd_le32(&le);
    if (magic == MAGIC_FAT_32 || magic == MAGIC_FAT_64) {
        uint32_t count = pnd_rd_be32(&be);

        if (count > PND_MACHO_SLICES_MAX) /* a Java class begins with the same bytes */
            return PND_E_TYPE;
        return index < count ? read_fat(source, magic == MAGIC_FAT_64, index, ret) : PND_E_NOTFOUND;
    }
    if (magic != MAGIC_32 && magic != MAGIC_64 && swapped != MAGIC_32 && swapped != MAGIC_64)
        return PND_E_TYPE;
    if (index > 0)
        return PND_E_NOTFOUND;
    *ret = (struct pnd_macho_slice){.offset = 0, .bytes = source->bytes};
    return PND_OK;
}

/* ---- commands ---- */

static uint64_t field(const struct pnd_macho_image *image, struct pnd_rd *rd, size_t size)
{
    return image->big ? pnd_rd_be(rd, size) : pnd_rd_le(rd, size);
}

static uint32_t word32(const struct pnd_macho_image *image, struct pnd_rd *rd)
{
    return (uint32_t)field(image, rd, 4);
}

struct command {
    uint32_t cmd;
    uint64_t next;
    size_t len; /* of what was read */
    uint8_t bytes[COMMAND_LOOK];
};

static int read_command(const struct pnd_macho_image *image, uint64_t at, struct command *ret)
{
    struct pnd_rd rd = pnd_rd(ret->bytes, COMMAND_LEN_MIN);
    int err = read_at(image->source, image->commands_end, at, ret->bytes, COMMAND_LEN_MIN);
    uint32_t size;

    if (err)
        return err;
    ret->cmd = word32(image, &rd);
    size = word32(image, &rd);
    if (size < COMMAND_LEN_MIN || size > image->commands_end - at)
        return PND_E_FORMAT;
    ret->next = at + size;
    ret->len = size < COMMAND_LOOK ? size : COMMAND_LOOK;
    return read_at(image->source, image->commands_end, at, ret->bytes, ret->len);
}

static struct pnd_rd body_of(const struct command *command)
{
    struct pnd_rd rd = pnd_rd(command->bytes, command->len);

    pnd_rd_bytes(&rd, COMMAND_LEN_MIN);
    return rd;
}

static int read_segment(struct pnd_macho_image *image, struct pnd_rd rd, size_t word)
{
    struct pnd_macho_segment segment = {0};
    const uint8_t *name = pnd_rd_bytes(&rd, NAME_LEN);

    segment.vmaddr = field(image, &rd, word);
    segment.vmsize = field(image, &rd, word);
    if (!name || !pnd_rd_ok(&rd) || segment.vmsize > UINT64_MAX - segment.vmaddr)
        return PND_E_FORMAT;
    for (size_t i = 0; i < NAME_LEN && name[i]; i++)
        segment.name[i] = (char)name[i];
    if (image->segment_count < PND_MACHO_SEGMENTS_MAX)
        image->segments[image->segment_count++] = segment;
    return PND_OK;
}

static int read_symtab(struct pnd_macho_image *image, struct pnd_rd rd)
{
    uint64_t symbols = word32(image, &rd);
    uint32_t count = word32(image, &rd);
    uint64_t strings = word32(image, &rd);
    uint32_t bytes = word32(image, &rd);

    if (!pnd_rd_ok(&rd))
        return PND_E_FORMAT;
    if (count > PND_MACHO_SYMBOLS_MAX)
        return PND_E_RANGE;
    image->symbols_at = image->slice.offset + symbols;
    image->strings_at = image->slice.offset + strings;
    image->symbol_count = count;
    image->strings_bytes = bytes;
    return PND_OK;
}

static int take_command(struct pnd_macho_image *image, const struct command *command)
{
    struct pnd_rd rd = body_of(command);
    const uint8_t *uuid;

    switch (command->cmd) {
    case LC_SEGMENT:
        return read_segment(image, rd, 4);
    case LC_SEGMENT_64:
        return read_segment(image, rd, 8);
    case LC_SYMTAB:
        return read_symtab(image, rd);
    case LC_UUID:
        uuid = pnd_rd_bytes(&rd, UUID_LEN);
        if (!uuid)
            return PND_E_FORMAT;
        memcpy(image->uuid, uuid, UUID_LEN);
        image->has_uuid = true;
        return PND_OK;
    case LC_FILESET_ENTRY:
        image->entry_count++;
        return PND_OK;
    default:
        return PND_OK;
    }
}

static int read_header(struct pnd_macho_image *image, uint64_t at)
{
    uint64_t end = image->slice.offset + image->slice.bytes;
    uint8_t bytes[HEADER_LEN] = {0};
    struct pnd_rd rd = pnd_rd(bytes, sizeof(bytes)), be = rd, le = rd;
    int err = read_at(image->source, end, at, bytes, sizeof(bytes));
    uint32_t magic, swapped, commands;

    if (err)
        return err;
    magic = pnd_rd_be32(&be);
    swapped = pnd_rd_le32(&le);
    image->big = magic == MAGIC_32 || magic == MAGIC_64;
    image->is64 = magic == MAGIC_64 || swapped == MAGIC_64;
    if (!image->big && !image->is64 && swapped != MAGIC_32)
        return PND_E_TYPE;
    word32(image, &rd); /* magic */
    image->cputype = word32(image, &rd);
    word32(image, &rd); /* subtype */
    image->filetype = word32(image, &rd);
    image->ncmds = word32(image, &rd);
    commands = word32(image, &rd);
    image->commands_at = at + (image->is64 ? HEADER_LEN : HEADER_LEN - 4);
    if (image->ncmds > COMMANDS_MAX)
        return PND_E_RANGE;
    if (image->commands_at > end || commands > end - image->commands_at)
        return PND_E_SHORT;
    image->commands_end = image->commands_at + commands;
    return PND_OK;
}

int pnd_macho_image_open(const struct pnd_macho_source *source, const struct pnd_macho_slice *slice,
                         uint64_t header, struct pnd_macho_image *ret)
{
    uint64_t at;
    int err;

    *ret = (struct pnd_macho_image){.source = source, .slice = *slice};
    if (slice->offset > source->bytes || slice->bytes > source->bytes - slice->offset)
        return PND_E_FORMAT;
    if (header > slice->bytes)
        return PND_E_SHORT;
    err = read_header(ret, slice->offset + header);
    at = ret->commands_at;
    for (uint32_t i = 0; !err && i < ret->ncmds; i++) {
        struct command command;

        err = read_command(ret, at, &command);
        if (err)
            return err;
        err = take_command(ret, &command);
        at = command.next;
    }
    return err;
}

void pnd_macho_entries_init(struct pnd_macho_entries *walk, const struct pnd_macho_image *image)
{
    *walk = (struct pnd_macho_entries){.image = image, .at = image->commands_at};
}

static int read_entry(const struct pnd_macho_image *image, const struct command *command,
                      struct pnd_macho_entry *ret)
{
    struct pnd_rd rd = body_of(command);
    size_t len = 0;
    uint32_t name_at;

    field(image, &rd, 8); /* vmaddr: its segments say it, too */
    ret->header = field(image, &rd, 8);
    name_at = word32(image, &rd);
    if (!pnd_rd_ok(&rd) || name_at < ENTRY_NAME_AT || name_at > command->len)
        return PND_E_FORMAT;
    while (name_at + len < command->len && len < sizeof(ret->name) - 1 &&
           command->bytes[name_at + len]) {
        ret->name[len] = (char)command->bytes[name_at + len];
        len++;
    }
    ret->name[len] = '\0';
    return PND_OK;
}

int pnd_macho_entries_next(struct pnd_macho_entries *walk, struct pnd_macho_entry *ret)
{
    struct command command;

    while (walk->index < walk->image->ncmds) {
        int err = read_command(walk->image, walk->at, &command);

        if (err)
            return err;
        walk->at = command.next;
        walk->index++;
        if (command.cmd == LC_FILESET_ENTRY)
            return read_entry(walk->image, &command, ret);
    }
    return PND_E_NOTFOUND;
}

/* ---- segments ---- */

const struct pnd_macho_segment *pnd_macho_find_segment(const struct pnd_macho_image *image,
                                                       const char *name)
{
    size_t len = 0;

    while (name[len])
        len++;
    for (unsigned i = 0; i < image->segment_count; i++)
        if (len <= NAME_LEN && memcmp(image->segments[i].name, name, len + 1) == 0)
            return &image->segments[i];
    return NULL;
}

const struct pnd_macho_segment *pnd_macho_segment_at(const struct pnd_macho_image *image,
                                                     uint64_t address)
{
    for (unsigned i = 0; i < image->segment_count; i++)
        if (address >= image->segments[i].vmaddr &&
            address - image->segments[i].vmaddr < image->segments[i].vmsize)
            return &image->segments[i];
    return NULL;
}

/* ---- sections ---- */

void pnd_macho_sections_init(struct pnd_macho_sections *walk, const struct pnd_macho_image *image)
{
    *walk = (struct pnd_macho_sections){.image = image, .at = image->commands_at};
}

static void copy_name(const uint8_t *name, char *ret)
{
    size_t len = 0;

    for (; name && len < NAME_LEN && name[len]; len++)
        ret[len] = (char)name[len];
    ret[len] = '\0';
}

static int read_section(const struct pnd_macho_image *image, uint64_t at,
                        struct pnd_macho_section *ret)
{
    size_t len = image->is64 ? SECTION_LEN_64 : SECTION_LEN_32, word = image->is64 ? 8 : 4;
    uint8_t bytes[SECTION_LEN_64] = {0};
    struct pnd_rd rd = pnd_rd(bytes, len);
    int err = read_at(image->source, image->commands_end, at, bytes, len);
    uint64_t offset;

    if (err)
        return err;
    copy_name(pnd_rd_bytes(&rd, NAME_LEN), ret->name);
    copy_name(pnd_rd_bytes(&rd, NAME_LEN), ret->segment);
    field(image, &rd, word); /* address */
    ret->bytes = field(image, &rd, word);
    offset = word32(image, &rd);
    if (offset > image->slice.bytes || ret->bytes > image->slice.bytes - offset)
        return PND_E_FORMAT;
    ret->at = image->slice.offset + offset;
    return PND_OK;
}

/* The count of sections is the last but one number of a segment's command. */
static void enter_segment(struct pnd_macho_sections *walk, const struct command *command,
                          uint64_t at)
{
    size_t head = command->cmd == LC_SEGMENT_64 ? SECTIONS_AT_64 : SECTIONS_AT_32;
    size_t len = walk->image->is64 ? SECTION_LEN_64 : SECTION_LEN_32;
    struct pnd_rd rd = pnd_rd(command->bytes, command->len);
    uint64_t bytes = command->next - at;
    uint32_t room = bytes < head ? 0 : (uint32_t)(bytes - head) / (uint32_t)len;

    pnd_rd_bytes(&rd, head - 8);
    walk->left = word32(walk->image, &rd);
    if (walk->left > room)
        walk->left = (uint32_t)room;
    walk->section_at = at + head;
}

int pnd_macho_sections_next(struct pnd_macho_sections *walk, struct pnd_macho_section *ret)
{
    struct command command;

    while (walk->left == 0) {
        int err;

        if (walk->index >= walk->image->ncmds)
            return PND_E_NOTFOUND;
        err = read_command(walk->image, walk->at, &command);
        if (err)
            return err;
        if (command.cmd == LC_SEGMENT || command.cmd == LC_SEGMENT_64)
            enter_segment(walk, &command, walk->at);
        walk->at = command.next;
        walk->index++;
    }
    walk->left--;
    walk->section_at += walk->image->is64 ? SECTION_LEN_64 : SECTION_LEN_32;
    return read_section(
        walk->image, walk->section_at - (walk->image->is64 ? SECTION_LEN_64 : SECTION_LEN_32), ret);
}

/* ---- symbols ---- */

static bool before(const struct pnd_macho_symbol *a, const struct pnd_macho_symbol *b)
{
    return a->address != b->address ? a->address < b->address : a->name < b->name;
}

static void sift(struct pnd_macho_symbol *symbols, size_t root, size_t count)
{
    struct pnd_macho_symbol moved = symbols[root];

    for (size_t child = 2 * root + 1; child < count; child = 2 * root + 1) {
        if (child + 1 < count && before(&symbols[child], &symbols[child + 1]))
            child++;
        if (!before(&moved, &symbols[child]))
            break;
        symbols[root] = symbols[child];
        root = child;
    }
    symbols[root] = moved;
}

/* By heap: no recursion, and no order of them is a bad one. */
static void sort(struct pnd_macho_symbol *symbols, size_t count)
{
    for (size_t i = count / 2; i > 0; i--)
        sift(symbols, i - 1, count);
    for (size_t end = count; end > 1; end--) {
        struct pnd_macho_symbol last = symbols[end - 1];

        symbols[end - 1] = symbols[0];
        symbols[0] = last;
        sift(symbols, 0, end - 1);
    }
}

/* @return it stands in a section, and is no debugging entry */
static bool read_symbol(const struct pnd_macho_image *image, struct pnd_rd *rd,
                        struct pnd_macho_symbol *ret)
{
    uint8_t type;

    ret->name = word32(image, rd);
    type = pnd_rd_u8(rd);
    pnd_rd_u8(rd);       /* section */
    field(image, rd, 2); /* description */
    ret->address = field(image, rd, image->is64 ? 8 : 4);
    return !(type & NLIST_DEBUG) && (type & NLIST_TYPE) == NLIST_SECTION;
}

int pnd_macho_symbols_read(const struct pnd_macho_image *image, struct pnd_macho_symbol *symbols,
                           size_t cap, size_t *ret_count)
{
    size_t len = image->is64 ? NLIST_LEN_64 : NLIST_LEN_32, count = 0;
    uint64_t end = image->slice.offset + image->slice.bytes, at = image->symbols_at;
    uint8_t bytes[BATCH * NLIST_LEN_64];

    for (uint32_t left = image->symbol_count; left > 0;) {
        size_t batch = left < BATCH ? left : BATCH;
        struct pnd_rd rd = pnd_rd(bytes, batch * len);
        int err = read_at(image->source, end, at, bytes, batch * len);

        if (err)
            return err;
        for (size_t i = 0; i < batch; i++) {
            struct pnd_macho_symbol symbol;

            if (!read_symbol(image, &rd, &symbol))
                continue;
            if (count >= cap)
                return PND_E_FULL;
            symbols[count++] = symbol;
        }
        at += batch * len;
        left -= (uint32_t)batch;
    }
    sort(symbols, count);
    *ret_count = count;
    return PND_OK;
}

const struct pnd_macho_symbol *pnd_macho_symbols_find(const struct pnd_macho_image *image,
                                                      const struct pnd_macho_symbol *symbols,
                                                      size_t count, uint64_t address)
{
    const struct pnd_macho_segment *segment = pnd_macho_segment_at(image, address);
    size_t low = 0, high = count;

    while (low < high) { /* symbols[low - 1] is at or before it, symbols[high] behind it */
        size_t middle = low + (high - low) / 2;

        if (symbols[middle].address <= address)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0 || !segment || symbols[low - 1].address < segment->vmaddr)
        return NULL;
    while (low > 1 && symbols[low - 2].address == symbols[low - 1].address)
        low--;
    return &symbols[low - 1];
}

int pnd_macho_symbol_name(const struct pnd_macho_image *image,
                          const struct pnd_macho_symbol *symbol, char *ret, size_t cap)
{
    uint64_t end = image->slice.offset + image->slice.bytes, at;
    size_t len;
    int err;

    if (symbol->name >= image->strings_bytes || cap == 0)
        return PND_E_FORMAT;
    len = image->strings_bytes - symbol->name < cap - 1 ? image->strings_bytes - symbol->name
                                                        : cap - 1;
    at = image->strings_at + symbol->name;
    if (at > end || end - at < len)
        return PND_E_FORMAT;
    err = image->source->read(image->source->ctx, at, ret, len);
    if (err)
        return err;
    ret[len] = '\0';
    return PND_OK;
}
