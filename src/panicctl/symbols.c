/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Who reads a file with symbols, and what the two sides share; see symbols.h. */
#include "panicctl/symbols.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/guard.h"
#include "wire/cursor.h"

typedef int find_fn(const struct pnd_facts *facts, const char *path, bool force,
                    struct pnd_symbols *ret, struct pnd_why *why);

/* Mach-O of both sizes and byte orders, and fat files of both sizes. */
static const uint32_t macho_magics[] = {
    0xfeedface, 0xfeedfacf, 0xcefaedfe, 0xcffaedfe, 0xcafebabe, 0xcafebabf,
};

enum { ELF_MAGIC = 0x7f454c46 };

static find_fn *by_magic(uint32_t magic)
{
    if (magic == ELF_MAGIC)
        return pnd_symbols_elf;
    for (size_t i = 0; i < sizeof(macho_magics) / sizeof(macho_magics[0]); i++)
        if (magic == macho_magics[i])
            return pnd_symbols_macho;
    return NULL;
}

/* panicbox is an ELF file whose UUID a Mach-O file may have, too; the first that fits is it. */
static int find_either(const struct pnd_facts *facts, const char *path, bool force,
                       struct pnd_symbols *ret, struct pnd_why *why)
{
    int err = pnd_symbols_macho(facts, path, force, ret, why);

    return err == PND_E_NOTFOUND ? pnd_symbols_elf(facts, path, force, ret, why) : err;
}

static find_fn *by_os(const struct pnd_facts *facts)
{
    const char *os = pnd_facts_text(facts, PND_FACT_OS);

    if (strcmp(os, "macOS") == 0 || strcmp(os, "Darwin") == 0)
        return pnd_symbols_macho;
    return strcmp(os, "panicbox") == 0 ? find_either : pnd_symbols_elf;
}

/* @return NULL, and why in @p ret_err and @p why, when nothing reads @p path */
static find_fn *choose(const struct pnd_facts *facts, const char *path, int *ret_err,
                       struct pnd_why *why)
{
    PND_AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    uint8_t head[4] = {0};
    struct pnd_rd rd = pnd_rd(head, sizeof(head));
    find_fn *find = NULL;
    struct stat st;

    if (fd < 0 || fstat(fd, &st) != 0) {
        *ret_err = pnd_why(why, PND_E_SYS, errno, "open %s", path);
        return NULL;
    }
    if (S_ISDIR(st.st_mode))
        return by_os(facts);
    if (S_ISREG(st.st_mode) && pread(fd, head, sizeof(head), 0) < 0) {
        *ret_err = pnd_why(why, PND_E_SYS, errno, "read %s", path);
        return NULL;
    }
    find = by_magic(pnd_rd_be32(&rd));
    if (!find)
        *ret_err = pnd_why(why, PND_E_TYPE, 0,
                           "%s is neither a Mach-O nor an ELF file: give the kernel with symbols "
                           "that belongs to the dump",
                           path);
    return find;
}

int pnd_symbols_find(const struct pnd_facts *facts, const char *path, bool force,
                     struct pnd_symbols *ret, struct pnd_why *why)
{
    find_fn *find;
    int err = PND_OK;

    *ret = (struct pnd_symbols){0};
    if (facts->frame_count == 0)
        return pnd_why(why, PND_E_ARG, 0, "the dump's log has no backtrace");
    find = choose(facts, path, &err, why);
    if (!find)
        return err;
    ret->frames = calloc(facts->frame_count, sizeof(*ret->frames));
    if (!ret->frames)
        return pnd_why(why, PND_E_SYS, ENOMEM, "names of %u frames", facts->frame_count);
    ret->frame_count = facts->frame_count;
    for (unsigned i = 0; i < ret->frame_count; i++)
        ret->frames[i].file = -1;
    err = find(facts, path, force, ret, why);
    if (err)
        pnd_symbols_deinit(ret);
    return err;
}

void pnd_symbols_deinit(struct pnd_symbols *symbols)
{
    for (unsigned i = 0; i < symbols->frame_count; i++)
        free(symbols->frames[i].text);
    for (unsigned i = 0; i < symbols->file_count; i++) {
        free(symbols->files[i].path);
        free(symbols->files[i].what);
        free(symbols->files[i].id);
    }
    free(symbols->frames);
    free(symbols->files);
    *symbols = (struct pnd_symbols){0};
}

int pnd_symbols_add_file(struct pnd_symbols *symbols, const char *path, const char *what,
                         const char *id, bool differs)
{
    struct pnd_symbol_file file = {.differs = differs};
    struct pnd_symbol_file *files;

    if (symbols->file_count >= PND_SYMBOLS_FILES_MAX)
        return -1;
    files = reallocarray(symbols->files, symbols->file_count + 1, sizeof(*files));
    if (!files)
        return -1;
    symbols->files = files;
    file.path = strdup(path);
    file.what = strdup(what);
    file.id = id ? strdup(id) : NULL;
    if (!file.path || !file.what || (id && !file.id)) {
        free(file.path);
        free(file.what);
        free(file.id);
        return -1;
    }
    files[symbols->file_count] = file;
    return (int)symbols->file_count++;
}

void pnd_symbols_set(struct pnd_symbols *symbols, unsigned index, int file, uint64_t linked,
                     const char *text)
{
    struct pnd_symbol *symbol;

    if (index >= symbols->frame_count)
        return;
    symbol = &symbols->frames[index];
    if (symbol->text)
        symbols->named--;
    free(symbol->text);
    symbol->text = text ? strndup(text, PND_SYMBOLS_TEXT_MAX) : NULL;
    symbol->linked = linked;
    symbol->file = file;
    if (symbol->text)
        symbols->named++;
}

/* Is it where the registers were taken? */
static bool is_instruction(const struct pnd_facts *facts, uint64_t address)
{
    static const char *const counters[] = {"rip", "eip", "pc", "srr0"};

    for (unsigned i = 0; i < facts->cpu_count && facts->cpus[i].panicked; i++)
        for (unsigned r = 0; r < facts->cpus[i].register_count; r++)
            for (size_t c = 0; c < sizeof(counters) / sizeof(counters[0]); c++)
                if (strcmp(facts->cpus[i].registers[r].name, counters[c]) == 0 &&
                    facts->cpus[i].registers[r].value == address)
                    return true;
    return false;
}

uint64_t pnd_symbols_call(const struct pnd_facts *facts, unsigned index)
{
    const char *arch = pnd_facts_text(facts, PND_FACT_ARCH);
    bool words = strncmp(arch, "arm", 3) == 0 || strcmp(arch, "aarch64") == 0 ||
                 strncmp(arch, "ppc", 3) == 0 || strncmp(arch, "powerpc", 7) == 0;
    uint64_t address = facts->frames[index].address, back = words ? 4 : 1;

    return is_instruction(facts, address) || address < back ? address : address - back;
}
