/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Names and lines of a Linux backtrace: which files have them, and which frame belongs to which.
 * Frames come as "function+0x16/0x20", so no slide is needed; one that is an address alone is
 * moved by the slide. See symbols.h. */
#include "panicctl/symbols.h"

#include <ctype.h>
#include <errno.h>
#include <fts.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "panicctl/symbols_dwarf.h"

static bool is_directory(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* ---- frames ---- */

/* "name+0x16/0x20" taken apart. */
struct place {
    char name[PND_FACT_WORD_MAX + 1];
    uint64_t offset, size;
};

static bool parse_place(const char *text, struct place *ret)
{
    const char *plus = text ? strstr(text, "+0x") : NULL;
    char *end;

    if (!plus || plus == text || (size_t)(plus - text) >= sizeof(ret->name))
        return false;
    memcpy(ret->name, text, (size_t)(plus - text));
    ret->name[plus - text] = '\0';
    ret->offset = strtoull(plus + 3, &end, 16);
    ret->size = strncmp(end, "/0x", 3) == 0 ? strtoull(end + 3, NULL, 16) : 0;
    return true;
}

/* Was this frame interrupted, or did it fault? Then its address is that of the instruction, not
 * of one behind a call. */
static bool is_instruction(const struct pnd_facts *facts, unsigned index)
{
    static const char *const entries[] = {"asm_", "end_repeat_nmi", "nmi+",
                                          "el1",  "ret_from_intr",  "apic_timer_interrupt"};
    const char *before = index > 0 ? facts->frames[index - 1].text : NULL;

    if (index == 0)
        return strcmp(pnd_facts_text(facts, PND_FACT_TRIGGER), "oops") == 0;
    for (size_t i = 0; before && i < sizeof(entries) / sizeof(entries[0]); i++)
        if (strncmp(before, entries[i], strlen(entries[i])) == 0)
            return true;
    return false;
}

static bool is_of(const struct pnd_fact_frame *frame, const char *module)
{
    return module ? frame->module && strcmp(frame->module, module) == 0 : !frame->module;
}

static uint64_t slide_of(const struct pnd_facts *facts)
{
    return strtoull(pnd_facts_text(facts, PND_FACT_SLIDE), NULL, 0);
}

static void name_frame(const struct pnd_facts *facts, unsigned index, struct pnd_dwarf *dwarf,
                       int file, struct pnd_symbols *ret)
{
    const struct pnd_fact_frame *frame = &facts->frames[index];
    uint64_t linked = 0, function, look;
    char text[PND_SYMBOLS_TEXT_MAX];
    struct place place = {0};

    if (parse_place(frame->text, &place)) {
        function = pnd_dwarf_function(dwarf, place.name, strlen(place.name), place.size);
        if (function == 0)
            return;
        linked = function + place.offset;
        look = place.offset == 0 || is_instruction(facts, index) ? linked : linked - 1;
    } else {
        const char *name;

        if (frame->address == 0 || frame->module)
            return;
        linked = frame->address - slide_of(facts);
        look = pnd_symbols_call(facts, index) - slide_of(facts);
        name = pnd_dwarf_name(dwarf, look, &place.offset);
        if (!name || strlen(name) >= sizeof(place.name))
            return;
        snprintf(place.name, sizeof(place.name), "%s", name);
        place.offset += linked - look;
    }
    pnd_dwarf_text(dwarf, look, place.name, place.offset, text, sizeof(text));
    pnd_symbols_set(ret, index, file, linked, text);
}

/* ---- files ---- */

static const char *wanted_id(const struct pnd_facts *facts, const char *module)
{
    if (!module)
        return pnd_facts_text(facts, PND_FACT_BUILD_ID);
    for (unsigned i = 0; i < facts->module_count; i++)
        if (strcmp(facts->modules[i].name, module) == 0 && facts->modules[i].id)
            return facts->modules[i].id;
    return "";
}

/* A build-id that is a UUID may be written as one: "3F311020-C077-...". */
static bool is_same_id(const char *a, const char *b)
{
    for (;; a++, b++) {
        a += strspn(a, "-");
        b += strspn(b, "-");
        if (tolower((unsigned char)*a) != tolower((unsigned char)*b))
            return false;
        if (!*a)
            return true;
    }
}

/* Names all frames of the kernel (@p module NULL) or of a module by one file. */
static int use_file(const struct pnd_facts *facts, const char *path, const char *module, bool force,
                    struct pnd_symbols *ret, struct pnd_why *why)
{
    const char *wanted = wanted_id(facts, module), *id;
    struct pnd_dwarf *dwarf = NULL;
    bool differs;
    int file, err = pnd_dwarf_open(path, module != NULL, &dwarf, why);

    if (err)
        return err;
    id = pnd_dwarf_id(dwarf);
    differs = wanted[0] && !is_same_id(wanted, id);
    if (differs && !force) {
        pnd_why(why, PND_E_NAME, 0,
                "%s has the build-id %s, and the dump is of %s: get the symbols of that very "
                "build, or use --force",
                path, id[0] ? id : "(none)", wanted);
        pnd_dwarf_close(dwarf);
        return PND_E_NAME;
    }
    file = pnd_symbols_add_file(ret, path, module ? module : "kernel", id[0] ? id : NULL, differs);
    for (unsigned i = 0; file >= 0 && i < facts->frame_count; i++)
        if (is_of(&facts->frames[i], module))
            name_frame(facts, i, dwarf, file, ret);
    pnd_dwarf_close(dwarf);
    return PND_OK;
}

/* Is @p file "virtio_net.ko", "virtio-net.ko.debug"? */
static bool is_module_file(const char *file, const char *module)
{
    size_t i = 0;

    for (; module[i]; i++)
        if (file[i] != module[i] && !(module[i] == '_' && file[i] == '-'))
            return false;
    return strcmp(file + i, ".ko") == 0 || strcmp(file + i, ".ko.debug") == 0;
}

/* The name of the module that a file is of, by its name. */
static bool module_of_file(const char *path, char ret[PND_FACT_WORD_MAX + 1])
{
    const char *name = strrchr(path, '/'), *end;

    name = name ? name + 1 : path;
    end = strstr(name, ".ko");
    if (!end || end == name || end - name > PND_FACT_WORD_MAX)
        return false;
    for (const char *p = name; p < end; p++)
        ret[p - name] = *p == '-' ? '_' : *p;
    ret[end - name] = '\0';
    return true;
}

/* ---- a directory ---- */

/* Where a kernel's file is, below a directory; '*' is the release. */
static const char *const by_release[] = {
    "vmlinux-*",      "usr/lib/debug/boot/vmlinux-*", "usr/lib/debug/lib/modules/*/vmlinux",
    "boot/vmlinux-*", "lib/modules/*/vmlinux",        "lib/modules/*/build/vmlinux",
    "vmlinux",
};

static int try_file(const struct pnd_facts *facts, const char *path, bool force,
                    struct pnd_symbols *ret, struct pnd_why *why)
{
    if (access(path, R_OK) != 0 || is_directory(path))
        return PND_E_NOTFOUND;
    return use_file(facts, path, NULL, force, ret, why);
}

/* @return PND_OK one was used; PND_E_NOTFOUND there is none; else why the last did not fit */
static int find_kernel(const struct pnd_facts *facts, const char *directory, bool force,
                       struct pnd_symbols *ret, struct pnd_why *why)
{
    static const char *const id_roots[] = {"", "usr/lib/debug/"};
    const char *release = pnd_facts_text(facts, PND_FACT_KERNEL);
    const char *id = pnd_facts_text(facts, PND_FACT_BUILD_ID);
    int err, last = PND_E_NOTFOUND;
    char path[PATH_MAX];

    for (size_t i = 0; strlen(id) > 2 && !strchr(id, '/') && i < 2; i++) {
        snprintf(path, sizeof(path), "%s/%s.build-id/%.2s/%s.debug", directory, id_roots[i], id,
                 id + 2);
        err = try_file(facts, path, force, ret, why);
        if (!err)
            return err;
        last = err != PND_E_NOTFOUND ? err : last;
    }
    for (size_t i = 0; i < sizeof(by_release) / sizeof(by_release[0]); i++) {
        const char *star = strchr(by_release[i], '*');
        int before = star ? (int)(star - by_release[i]) : (int)strlen(by_release[i]);

        if (star && (!release[0] || strchr(release, '/')))
            continue;
        snprintf(path, sizeof(path), "%s/%.*s%s%s", directory, before, by_release[i],
                 star ? release : "", star ? star + 1 : "");
        err = try_file(facts, path, force, ret, why);
        if (!err)
            return err;
        last = err != PND_E_NOTFOUND ? err : last;
    }
    return last;
}

/* Is there a frame of this module that no file has named yet? */
static const char *wants_module(const struct pnd_facts *facts, const struct pnd_symbols *symbols,
                                const char *file)
{
    for (unsigned i = 0; i < facts->frame_count; i++) {
        const char *module = facts->frames[i].module;

        if (module && symbols->frames[i].file < 0 && is_module_file(file, module))
            return module;
    }
    return NULL;
}

static void find_modules(const struct pnd_facts *facts, const char *directory, bool force,
                         struct pnd_symbols *ret)
{
    char root[PATH_MAX];
    char *roots[] = {root, NULL};
    struct pnd_why ignored = {0};
    unsigned seen = 0;
    FTSENT *entry;
    FTS *walk;

    snprintf(root, sizeof(root), "%s/usr/lib/debug/lib/modules/%s", directory,
             pnd_facts_text(facts, PND_FACT_KERNEL));
    if (!is_directory(root))
        snprintf(root, sizeof(root), "%s/lib/modules/%s", directory,
                 pnd_facts_text(facts, PND_FACT_KERNEL));
    if (!is_directory(root))
        snprintf(root, sizeof(root), "%s", directory);
    walk = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR | FTS_NOSTAT, NULL);
    while (walk && seen++ < PND_SYMBOLS_SEARCH_MAX && (entry = fts_read(walk))) {
        const char *module = entry->fts_info == FTS_D || entry->fts_info == FTS_DP
                                 ? NULL
                                 : wants_module(facts, ret, entry->fts_name);

        if (module)
            (void)use_file(facts, entry->fts_path, module, force, ret, &ignored);
    }
    if (walk)
        fts_close(walk);
}

static int use_directory(const struct pnd_facts *facts, const char *path, bool force,
                         struct pnd_symbols *ret, struct pnd_why *why)
{
    const char *release = pnd_facts_text(facts, PND_FACT_KERNEL);
    int err = find_kernel(facts, path, force, ret, why);

    find_modules(facts, path, force, ret);
    if (ret->file_count > 0)
        return PND_OK;
    if (err == PND_E_NOTFOUND)
        pnd_why(why, err, 0,
                "no vmlinux%s%s below %s: install the package with the kernel's debugging symbols "
                "(linux-image-%s-dbg on Debian, kernel-debuginfo elsewhere)",
                release[0] ? "-" : "", release, path, release[0] ? release : "VERSION");
    return err;
}

int pnd_symbols_elf(const struct pnd_facts *facts, const char *path, bool force,
                    struct pnd_symbols *ret, struct pnd_why *why)
{
    char module[PND_FACT_WORD_MAX + 1];

    if (is_directory(path))
        return use_directory(facts, path, force, ret, why);
    return use_file(facts, path, module_of_file(path, module) ? module : NULL, force, ret, why);
}
