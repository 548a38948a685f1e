/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Source lines of Mach-O files; see symbols_lines.h. */
#include "panicctl/symbols_lines.h"

#include <elf.h>
#include <elfutils/libdw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire/cursor.h"

enum {
    SECTIONS_MAX = 32,
    NAME_CAP = 24, /* ".debug_str_offsets" */
    NAMES_MAX = SECTIONS_MAX * NAME_CAP,
    ALIGN = 8,
};

struct pnd_lines {
    char *bytes; /* the ELF file */
    Elf *elf;
    Dwarf *dwarf;
};

struct part {
    char name[NAME_CAP];
    struct pnd_macho_section from;
    uint64_t at; /* in the ELF file */
};

struct plan {
    struct part parts[SECTIONS_MAX];
    unsigned count;
    uint64_t end; /* of what comes before the names */
};

/* "__debug_info" is ".debug_info"; a name of Mach-O has 16 bytes at most. */
static void plan_part(struct plan *plan, const struct pnd_macho_section *section)
{
    struct part *part = &plan->parts[plan->count];

    if (strncmp(section->name, "__debug_", 8) != 0 || plan->count == SECTIONS_MAX ||
        section->bytes > PND_LINES_BYTES_MAX - plan->end)
        return;
    if (strcmp(section->name, "__debug_str_offs") == 0)
        snprintf(part->name, sizeof(part->name), ".debug_str_offsets");
    else
        snprintf(part->name, sizeof(part->name), ".%s", section->name + 2);
    part->from = *section;
    part->at = plan->end;
    plan->end = (plan->end + section->bytes + ALIGN - 1) / ALIGN * ALIGN;
    plan->count++;
}

static void put_section(struct pnd_wr *wr, size_t name, uint32_t type, uint64_t at, uint64_t bytes)
{
    pnd_wr_le32(wr, (uint32_t)name);
    pnd_wr_le32(wr, type);
    pnd_wr_zeros(wr, 2 * sizeof(uint64_t)); /* flags, address */
    pnd_wr_le64(wr, at);
    pnd_wr_le64(wr, bytes);
    pnd_wr_zeros(wr, 2 * sizeof(uint32_t));
    pnd_wr_le64(wr, 1); /* alignment */
    pnd_wr_le64(wr, 0);
}

static void put_header(struct pnd_wr *wr, const struct plan *plan,
                       const struct pnd_macho_image *from)
{
    bool arm = from->cputype == (PND_MACHO_CPU_ARM | PND_MACHO_CPU_64);

    pnd_wr_bytes(wr, "\177ELF\2\1\1", 7); /* 64 bits, little-endian */
    pnd_wr_zeros(wr, EI_NIDENT - 7);
    pnd_wr_le16(wr, ET_EXEC);
    pnd_wr_le16(wr, arm ? EM_AARCH64 : EM_X86_64);
    pnd_wr_le32(wr, EV_CURRENT);
    pnd_wr_zeros(wr, 2 * sizeof(uint64_t)); /* entry, program headers */
    pnd_wr_le64(wr, plan->end + NAMES_MAX);
    pnd_wr_le32(wr, 0);
    pnd_wr_le16(wr, sizeof(Elf64_Ehdr));
    pnd_wr_zeros(wr, 2 * sizeof(uint16_t));
    pnd_wr_le16(wr, sizeof(Elf64_Shdr));
    pnd_wr_le16(wr, (uint16_t)(plan->count + 2)); /* none, parts, names */
    pnd_wr_le16(wr, (uint16_t)(plan->count + 1));
}

/* Header, sections, their names, the section headers. */
static char *make_elf(const struct pnd_macho_image *image, const struct plan *plan, size_t *ret_len)
{
    size_t table = sizeof(Elf64_Shdr) * (plan->count + 2);
    size_t len = plan->end + NAMES_MAX + table, name = 1;
    char *bytes = calloc(1, len);
    struct pnd_wr wr;

    if (!bytes)
        return NULL;
    wr = pnd_wr(bytes, sizeof(Elf64_Ehdr));
    put_header(&wr, plan, image);
    wr = pnd_wr(bytes + plan->end + NAMES_MAX, table);
    pnd_wr_zeros(&wr, sizeof(Elf64_Shdr));
    for (unsigned i = 0; i < plan->count; i++) {
        const struct part *part = &plan->parts[i];

        if (image->source->read(image->source->ctx, part->from.at, bytes + part->at,
                                part->from.bytes) != PND_OK) {
            free(bytes);
            return NULL;
        }
        put_section(&wr, name, SHT_PROGBITS, part->at, part->from.bytes);
        name += (size_t)snprintf(bytes + plan->end + name, NAME_CAP, "%s", part->name) + 1;
    }
    put_section(&wr, 0, SHT_STRTAB, plan->end, NAMES_MAX);
    *ret_len = len;
    return bytes;
}

struct pnd_lines *pnd_lines_open(const struct pnd_macho_image *image)
{
    struct plan plan = {.end = sizeof(Elf64_Ehdr)};
    struct pnd_macho_sections walk;
    struct pnd_macho_section section;
    struct pnd_lines *lines;
    size_t len = 0;

    pnd_macho_sections_init(&walk, image);
    while (pnd_macho_sections_next(&walk, &section) == PND_OK)
        plan_part(&plan, &section);
    if (plan.count == 0 || image->big)
        return NULL;
    lines = calloc(1, sizeof(*lines));
    if (!lines)
        return NULL;
    lines->bytes = make_elf(image, &plan, &len);
    elf_version(EV_CURRENT);
    lines->elf = lines->bytes ? elf_memory(lines->bytes, len) : NULL;
    lines->dwarf = lines->elf ? dwarf_begin_elf(lines->elf, DWARF_C_READ, NULL) : NULL;
    if (!lines->dwarf) {
        pnd_lines_close(lines);
        return NULL;
    }
    return lines;
}

void pnd_lines_close(struct pnd_lines *lines)
{
    if (!lines)
        return;
    if (lines->dwarf)
        dwarf_end(lines->dwarf);
    if (lines->elf)
        elf_end(lines->elf);
    free(lines->bytes);
    free(lines);
}

/* The table of addresses may be missing; then each unit is asked. */
static bool find_unit(Dwarf *dwarf, uint64_t address, Dwarf_Die *ret)
{
    Dwarf_CU *unit = NULL;

    if (dwarf_addrdie(dwarf, address, ret))
        return true;
    while (dwarf_get_units(dwarf, unit, &unit, NULL, NULL, ret, NULL) == 0)
        if (dwarf_haspc(ret, address) == 1)
            return true;
    return false;
}

bool pnd_lines_find(struct pnd_lines *lines, uint64_t address, char *ret, size_t cap)
{
    const char *path, *base;
    Dwarf_Line *line;
    Dwarf_Die unit;
    int number;

    if (!find_unit(lines->dwarf, address, &unit))
        return false;
    line = dwarf_getsrc_die(&unit, address);
    path = line ? dwarf_linesrc(line, NULL, NULL) : NULL;
    if (!path || dwarf_lineno(line, &number) != 0 || number <= 0)
        return false;
    base = strrchr(path, '/');
    snprintf(ret, cap, "%s:%d", base ? base + 1 : path, number);
    return true;
}
