/* SPDX-License-Identifier: BSD-2-Clause
 *
 * ELF and DWARF of a kernel; see symbols_dwarf.h. */
#include "panicctl/symbols_dwarf.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <dwarf.h>
#include <elfutils/libdwfl.h>

enum { PATH_PARTS = 3 }; /* of a source file's path: "drivers/tty/sysrq.c" */

struct pnd_dwarf {
    Dwfl *dwfl;
    Dwfl_Module *module;
    int symbols; /* of the table */
    char id[PND_DWARF_ID_CAP];
};

/* Only the file that was named is read: nothing is looked for elsewhere, and nothing fetched. */
static int no_other_file(Dwfl_Module *module, void **user, const char *name, Dwarf_Addr base,
                         const char *file, const char *link, GElf_Word crc, char **ret)
{
    (void)module, (void)user, (void)name, (void)base, (void)file, (void)link, (void)crc, (void)ret;
    return -1;
}

static const Dwfl_Callbacks callbacks = {
    .find_debuginfo = no_other_file,
    .section_address = dwfl_offline_section_address,
};

static void set_id(struct pnd_dwarf *dwarf)
{
    const unsigned char *bits = NULL;
    GElf_Addr address;
    int len = dwfl_module_build_id(dwarf->module, &bits, &address);

    for (int i = 0; i < len && (size_t)i * 2 + 2 < sizeof(dwarf->id); i++)
        snprintf(dwarf->id + (size_t)i * 2, 3, "%02x", bits[i]);
}

static int open_module(struct pnd_dwarf *dwarf, const char *path, bool module, struct pnd_why *why)
{
    GElf_Addr bias;
    GElf_Ehdr ehdr;
    Elf *elf;

    dwarf->module = dwfl_report_offline(dwarf->dwfl, path, path, -1);
    if (!dwarf->module)
        return pnd_why(why, PND_E_FORMAT, 0, "%s: %s", path, dwfl_errmsg(-1));
    dwfl_report_end(dwarf->dwfl, NULL, NULL);
    elf = dwfl_module_getelf(dwarf->module, &bias);
    if (!elf || !gelf_getehdr(elf, &ehdr))
        return pnd_why(why, PND_E_FORMAT, 0, "%s: %s", path, dwfl_errmsg(-1));
    if (ehdr.e_type == ET_CORE || (ehdr.e_type == ET_REL) != module)
        return pnd_why(why, PND_E_TYPE, 0,
                       "%s is not a kernel with symbols: give the file \"vmlinux\" that belongs to "
                       "the dump, or the directory that it is in",
                       path);
    set_id(dwarf);
    dwarf->symbols = dwfl_module_getsymtab(dwarf->module);
    if (dwarf->symbols <= 1)
        return pnd_why(why, PND_E_TYPE, 0,
                       "%s has no symbols: install the package with the kernel's debugging symbols "
                       "(linux-image-...-dbg, kernel-debuginfo)",
                       path);
    return PND_OK;
}

int pnd_dwarf_open(const char *path, bool module, struct pnd_dwarf **ret, struct pnd_why *why)
{
    struct pnd_dwarf *dwarf = calloc(1, sizeof(*dwarf));
    int err = PND_E_SYS;

    if (dwarf)
        dwarf->dwfl = dwfl_begin(&callbacks);
    if (!dwarf || !dwarf->dwfl)
        pnd_why(why, err, 0, "open %s: no memory", path);
    else
        err = open_module(dwarf, path, module, why);
    if (err) {
        pnd_dwarf_close(dwarf);
        return err;
    }
    *ret = dwarf;
    return PND_OK;
}

void pnd_dwarf_close(struct pnd_dwarf *dwarf)
{
    if (!dwarf)
        return;
    if (dwarf->dwfl)
        dwfl_end(dwarf->dwfl);
    free(dwarf);
}

const char *pnd_dwarf_id(const struct pnd_dwarf *dwarf)
{
    return dwarf->id;
}

uint64_t pnd_dwarf_function(struct pnd_dwarf *dwarf, const char *name, size_t name_len,
                            uint64_t size)
{
    uint64_t found = 0;

    for (int i = 0; i < dwarf->symbols; i++) {
        GElf_Sym symbol;
        GElf_Addr address;
        const char *its =
            dwfl_module_getsym_info(dwarf->module, i, &symbol, &address, NULL, NULL, NULL);

        if (!its || strncmp(its, name, name_len) != 0 || its[name_len] != '\0' ||
            symbol.st_shndx == SHN_UNDEF || address == 0)
            continue;
        if (symbol.st_size == size)
            return address;
        found = found ? found : address;
    }
    return found;
}

const char *pnd_dwarf_name(struct pnd_dwarf *dwarf, uint64_t address, uint64_t *ret_offset)
{
    GElf_Sym symbol;
    GElf_Off offset = 0;
    const char *name =
        dwfl_module_addrinfo(dwarf->module, address, &offset, &symbol, NULL, NULL, NULL);

    *ret_offset = offset;
    return name;
}

/* ---- lines ---- */

/* The last parts of a path: what stands before them is the machine where it was compiled. */
static const char *short_path(const char *path)
{
    const char *at = path + strlen(path);

    for (int parts = 0; at > path; at--)
        if (at[-1] == '/' && ++parts == PATH_PARTS)
            break;
    return at;
}

static void put_place(FILE *out, const char *file, int line)
{
    if (file && line > 0)
        fprintf(out, " (%s:%d)", short_path(file), line);
    else if (file) /* code that the compiler made of no line in particular */
        fprintf(out, " (%s:?)", short_path(file));
}

static int number_of(Dwarf_Die *die, unsigned attribute)
{
    Dwarf_Attribute attr;
    Dwarf_Word word = 0;

    if (!dwarf_attr(die, attribute, &attr) || dwarf_formudata(&attr, &word) != 0 ||
        word > INT32_MAX)
        return 0;
    return (int)word;
}

/* The file and line from where the inlined @p die was called. */
static void call_site(Dwarf_Die *unit, Dwarf_Die *die, const char **file, int *line)
{
    Dwarf_Files *files = NULL;
    size_t count = 0, number = (size_t)number_of(die, DW_AT_call_file);

    *file = NULL;
    if (dwarf_getsrcfiles(unit, &files, &count) == 0 && number < count)
        *file = dwarf_filesrc(files, number, NULL, NULL);
    *line = number_of(die, DW_AT_call_line);
}

/* The unit that was compiled to what is at @p address. Not every compiler writes the table of
 * addresses by which it is found at once. */
static Dwarf_Die *find_unit(struct pnd_dwarf *dwarf, uint64_t address, Dwarf_Addr *bias)
{
    Dwarf_Die *unit = dwfl_module_addrdie(dwarf->module, address, bias);

    if (unit)
        return unit;
    while ((unit = dwfl_module_nextcu(dwarf->module, unit, bias)))
        if (dwarf_haspc(unit, address - *bias) > 0)
            break;
    return unit;
}

/* What was inlined at @p address of @p unit, innermost first; moves @p file and @p line out to the
 * function that is not. */
static void put_inlined(Dwarf_Die *unit, Dwarf_Addr address, FILE *out, const char **file,
                        int *line)
{
    Dwarf_Die *scopes = NULL, *chain = NULL, inner;
    int count = dwarf_getscopes(unit, address, &scopes), at = 0;

    while (at < count && dwarf_tag(&scopes[at]) != DW_TAG_inlined_subroutine &&
           dwarf_tag(&scopes[at]) != DW_TAG_subprogram)
        at++;
    if (at < count) { /* around an inlined function: where it is, not where it was written */
        inner = scopes[at];
        count = dwarf_getscopes_die(&inner, &chain);
    }
    for (int i = 0; at < count && chain && i < count; i++) {
        const char *name;

        if (dwarf_tag(&chain[i]) == DW_TAG_subprogram)
            break;
        if (dwarf_tag(&chain[i]) != DW_TAG_inlined_subroutine)
            continue;
        name = dwarf_diename(&chain[i]);
        fputs(name ? name : "(inlined)", out);
        put_place(out, *file, *line);
        fputc('\n', out);
        call_site(unit, &chain[i], file, line);
    }
    free(scopes);
    free(chain);
}

void pnd_dwarf_text(struct pnd_dwarf *dwarf, uint64_t address, const char *name, uint64_t offset,
                    char *ret, size_t cap)
{
    FILE *out = fmemopen(ret, cap - 1, "w");
    Dwarf_Addr bias = 0;
    Dwarf_Die *unit = find_unit(dwarf, address, &bias);
    Dwarf_Line *found = unit ? dwarf_getsrc_die(unit, address - bias) : NULL;
    const char *file = found ? dwarf_linesrc(found, NULL, NULL) : NULL;
    int line = 0;

    memset(ret, 0, cap);
    if (!out)
        return;
    if (found)
        dwarf_lineno(found, &line);
    if (file)
        put_inlined(unit, address - bias, out, &file, &line);
    fprintf(out, "%s + 0x%" PRIx64, name, offset);
    put_place(out, file, line);
    fclose(out);
}
