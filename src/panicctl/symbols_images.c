/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Finding the Mach-O files of a backtrace; see symbols_images.h. Files may be anything: one that
 * cannot be read as what it seems is passed over in a directory, and an error when it was named. */
#include "panicctl/symbols_images.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/guard.h"

enum {
    KERNEL = 0,
    FILETYPE_DSYM = 10,
    FILETYPE_KEXT = 11,
};

/* ---- UUIDs ---- */

/* 32 hexadecimal digits, dashes anywhere between them. */
static bool parse_uuid(const char *text, uint8_t ret[PND_UUID_BYTES])
{
    char hex[2 * PND_UUID_BYTES + 1];
    size_t len = 0;

    for (; *text; text++) {
        if (*text == '-')
            continue;
        if (len + 1 >= sizeof(hex))
            return false;
        hex[len++] = *text;
    }
    hex[len] = '\0';
    for (size_t i = 0; i < PND_UUID_BYTES; i++) {
        struct pnd_str digits = {hex + 2 * i, 2};
        uint64_t byte;

        if (2 * i + 2 > len || !pnd_str_hex(&digits, &byte) || digits.len > 0)
            return false;
        ret[i] = (uint8_t)byte;
    }
    return true;
}

static const char *print_uuid(char ret[PND_UUID_CAP], const uint8_t uuid[PND_UUID_BYTES])
{
    size_t len = 0;

    for (size_t i = 0; i < PND_UUID_BYTES; i++)
        len += (size_t)snprintf(ret + len, PND_UUID_CAP - len, "%s%02X",
                                i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", uuid[i]);
    return ret;
}

/* ---- what is looked for ---- */

static uint32_t cputype_of(const char *arch)
{
    if (strcmp(arch, "x86_64") == 0)
        return PND_MACHO_CPU_X86 | PND_MACHO_CPU_64;
    if (strcmp(arch, "arm64") == 0)
        return PND_MACHO_CPU_ARM | PND_MACHO_CPU_64;
    return strcmp(arch, "i386") == 0 ? PND_MACHO_CPU_X86 : 0;
}

static bool has_frame(const struct pnd_facts *facts, const struct pnd_fact_module *module)
{
    for (unsigned i = 0; i < facts->frame_count; i++) {
        uint64_t address = pnd_symbols_call(facts, i);

        if (address >= module->start && address < module->end)
            return true;
    }
    return false;
}

static bool add_image(struct pnd_images *images, const char *what, const char *id, uint64_t start,
                      uint64_t end)
{
    struct pnd_image *image = &images->at[images->count];

    *image = (struct pnd_image){.start = start, .end = end, .fd = -1, .file = -1};
    image->what = strdup(what);
    image->has_uuid = id && parse_uuid(id, image->uuid);
    images->count += image->what != NULL;
    return image->what != NULL;
}

int pnd_images_init(struct pnd_images *images, const struct pnd_facts *facts, struct pnd_why *why)
{
    bool ok;

    *images = (struct pnd_images){0};
    images->at = calloc(PND_SYMBOLS_FILES_MAX, sizeof(*images->at));
    if (!images->at)
        return pnd_why(why, PND_E_SYS, ENOMEM, "find symbols");
    images->cputype = cputype_of(pnd_facts_text(facts, PND_FACT_ARCH));
    ok = add_image(images, "kernel", facts->text[PND_FACT_BUILD_ID], 0, 0);
    for (unsigned i = 0; ok && i < facts->module_count && images->count < PND_SYMBOLS_FILES_MAX;
         i++)
        if (facts->modules[i].name && has_frame(facts, &facts->modules[i]))
            ok = add_image(images, facts->modules[i].name, facts->modules[i].id,
                           facts->modules[i].start, facts->modules[i].end);
    return ok ? PND_OK : pnd_why(why, PND_E_SYS, ENOMEM, "find symbols");
}

static void unload(struct pnd_image *image)
{
    free(image->path);
    free(image->part);
    free(image->symbols);
    pnd_lines_close(image->lines);
    if (image->fd >= 0)
        close(image->fd);
}

void pnd_images_deinit(struct pnd_images *images)
{
    for (unsigned i = 0; i < images->count; i++) {
        unload(&images->at[i]);
        free(images->at[i].what);
    }
    free(images->at);
    *images = (struct pnd_images){0};
}

/* ---- searching ---- */

static int read_fd(void *ctx, uint64_t offset, void *buf, size_t len)
{
    const int *fd = ctx;
    uint8_t *to = buf;

    while (len > 0) {
        ssize_t got = pread(*fd, to, len, (off_t)offset);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return got < 0 ? PND_E_SYS : PND_E_SHORT;
        to += got;
        offset += (uint64_t)got;
        len -= (size_t)got;
    }
    return PND_OK;
}

static int open_source(int *fd, const char *path, struct pnd_macho_source *ret)
{
    struct stat st;

    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (*fd < 0 || fstat(*fd, &st) != 0)
        return PND_E_SYS;
    if (!S_ISREG(st.st_mode))
        return PND_E_TYPE;
    *ret = (struct pnd_macho_source){fd, (uint64_t)st.st_size, read_fd};
    return PND_OK;
}

/* Of the two names of a kext, the file has the last word of the other: "AppleHDA" is
 * "com.apple.driver.AppleHDA". An entry of a collection has the whole name. */
static bool is_named(const struct pnd_image *image, const char *path, const char *part)
{
    const char *base = strrchr(path, '/'), *word = strrchr(image->what, '.');

    if (part)
        return strcmp(part, image->what) == 0 ||
               (strcmp(part, "com.apple.kernel") == 0 && strcmp(image->what, "kernel") == 0);
    return word && strcmp(word + 1, base ? base + 1 : path) == 0;
}

/* By its UUID; or, less, because nothing says that it is another: it is the kernel or has the
 * kext's name, and is for the same machine. */
static bool may_be(const struct pnd_images *images, const struct pnd_image *image,
                   const struct pnd_macho_image *macho, const char *path, const char *part,
                   bool *ret_fits)
{
    bool same =
        image->has_uuid && macho->has_uuid && memcmp(image->uuid, macho->uuid, PND_UUID_BYTES) == 0;

    *ret_fits = same;
    if (same)
        return true;
    if (images->cputype && macho->cputype != images->cputype)
        return false;
    if (macho->entry_count > 0)
        return false; /* the collection is none of its entries */
    if (image == &images->at[KERNEL] && !part)
        return macho->filetype != FILETYPE_KEXT;
    return is_named(image, path, part);
}

static uint64_t weigh(const struct pnd_macho_image *macho)
{
    return 2 * (uint64_t)macho->symbol_count + (macho->filetype == FILETYPE_DSYM);
}

static bool take(struct pnd_image *image, const struct pnd_macho_image *macho, const char *path,
                 const char *part, uint64_t header, bool fits)
{
    char *path_copy = strdup(path), *part_copy = part ? strdup(part) : NULL;

    if (!path_copy || (part && !part_copy)) {
        free(path_copy);
        free(part_copy);
        return false;
    }
    free(image->path);
    free(image->part);
    image->path = path_copy;
    image->part = part_copy;
    image->slice = macho->slice;
    image->header = header;
    image->weight = weigh(macho);
    image->fits = fits;
    image->found_has_uuid = macho->has_uuid;
    memcpy(image->found_uuid, macho->uuid, PND_UUID_BYTES);
    return true;
}

static void consider(struct pnd_images *images, const struct pnd_macho_image *macho,
                     const char *path, const char *part, uint64_t header)
{
    for (unsigned i = 0; i < images->count; i++) {
        struct pnd_image *image = &images->at[i];
        bool fits, better;

        if (!may_be(images, image, macho, path, part, &fits))
            continue;
        better = !image->path || (fits && !image->fits) ||
                 (fits == image->fits && weigh(macho) > image->weight);
        if (better)
            take(image, macho, path, part, header, fits);
    }
}

static void consider_entries(struct pnd_images *images, const struct pnd_macho_image *collection,
                             const char *path)
{
    struct pnd_macho_entries walk;
    struct pnd_macho_image *macho = malloc(sizeof(*macho));
    struct pnd_macho_entry entry;

    pnd_macho_entries_init(&walk, collection);
    while (macho && pnd_macho_entries_next(&walk, &entry) == PND_OK)
        if (pnd_macho_image_open(collection->source, &collection->slice, entry.header, macho) ==
            PND_OK)
            consider(images, macho, path, entry.name, entry.header);
    free(macho);
}

/* All that is in the file. @return PND_OK; errors of pnd_macho_slice() and _image_open() */
static int look_into(struct pnd_images *images, const char *path)
{
    PND_AUTO_CLOSE int fd = -1;
    struct pnd_macho_source source;
    struct pnd_macho_image macho;
    struct pnd_macho_slice slice;
    int err = open_source(&fd, path, &source);

    for (unsigned i = 0; !err && i < PND_MACHO_SLICES_MAX; i++) {
        err = pnd_macho_slice(&source, i, &slice);
        if (!err)
            err = pnd_macho_image_open(&source, &slice, 0, &macho);
        if (err)
            break;
        consider(images, &macho, path, NULL, 0);
        if (macho.entry_count > 0)
            consider_entries(images, &macho, path);
    }
    return err == PND_E_NOTFOUND ? PND_OK : err;
}

static int look_below(struct pnd_images *images, const char *path, struct pnd_why *why)
{
    char *start = strdup(path), *paths[] = {start, NULL};
    FTS *fts = start ? fts_open(paths, FTS_PHYSICAL | FTS_COMFOLLOW | FTS_NOCHDIR, NULL) : NULL;
    FTSENT *entry;

    if (!fts) {
        int error = errno;

        free(start);
        return pnd_why(why, PND_E_SYS, error, "search %s", path);
    }
    while (images->searched++ < PND_SYMBOLS_SEARCH_MAX && (entry = fts_read(fts)))
        if (entry->fts_info == FTS_F)
            (void)look_into(images, entry->fts_path); /* most files are something else */
    fts_close(fts);
    free(start);
    return images->searched <= PND_SYMBOLS_SEARCH_MAX
               ? PND_OK
               : pnd_why(why, PND_E_RANGE, 0,
                         "%s has more than %u files: name the folder that has the symbols", path,
                         PND_SYMBOLS_SEARCH_MAX);
}

/* What only may be it goes, unless it was named and there is nothing to compare, or by force.
 * @return was something refused? */
static bool drop_strangers(struct pnd_images *images, bool named, bool force)
{
    bool refused = false;

    for (unsigned i = 0; i < images->count; i++) {
        struct pnd_image *image = &images->at[i];
        bool differs = image->has_uuid && image->found_has_uuid;

        if (!image->path || image->fits || (named && (force || !differs)))
            continue;
        refused |= named;
        free(image->path);
        image->path = NULL;
    }
    return refused;
}

static int refuse(const struct pnd_images *images, const char *path, bool refused,
                  struct pnd_why *why)
{
    const struct pnd_image *kernel = &images->at[KERNEL];
    char wanted[PND_UUID_CAP] = "", found[PND_UUID_CAP];

    if (kernel->has_uuid)
        print_uuid(wanted, kernel->uuid);
    if (refused && kernel->has_uuid && kernel->found_has_uuid)
        return pnd_why(why, PND_E_NAME, 0,
                       "%s has the UUID %s, and the kernel of the dump %s: its names would be "
                       "wrong. Find the file of that build, or add --force",
                       path, print_uuid(found, kernel->found_uuid), wanted);
    if (!kernel->has_uuid)
        return pnd_why(why, PND_E_NOTFOUND, 0,
                       "the log does not name the kernel's UUID: name the kernel's file itself "
                       "instead of %s",
                       path);
    return pnd_why(why, PND_E_NOTFOUND, 0,
                   "nothing in %s has the UUID %s of the dump's kernel, or of a kext in the "
                   "backtrace: install the Kernel Debug Kit of that build and name its folder",
                   path, wanted);
}

int pnd_images_search(struct pnd_images *images, const char *path, bool force, struct pnd_why *why)
{
    struct stat st;
    bool named, refused;
    int err;

    if (stat(path, &st) != 0)
        return pnd_why(why, PND_E_SYS, errno, "open %s", path);
    named = !S_ISDIR(st.st_mode);
    err = named ? look_into(images, path) : look_below(images, path, why);
    if (err && named)
        return pnd_why(why, err, err == PND_E_SYS ? errno : 0, "%s is no whole Mach-O file: %s",
                       path, pnd_err_text(err));
    if (err)
        return err;
    refused = drop_strangers(images, named, force);
    for (unsigned i = 0; i < images->count; i++)
        if (images->at[i].path)
            return PND_OK;
    return refuse(images, path, refused, why);
}

/* ---- reading what was found ---- */

static int load(struct pnd_image *image, struct pnd_why *why)
{
    int err = open_source(&image->fd, image->path, &image->source);

    if (!err)
        err = pnd_macho_image_open(&image->source, &image->slice, image->header, &image->macho);
    if (err)
        return pnd_why(why, err, 0, "read %s: %s", image->path, pnd_err_text(err));
    image->symbols =
        calloc(image->macho.symbol_count ? image->macho.symbol_count : 1, sizeof(*image->symbols));
    if (!image->symbols)
        return pnd_why(why, PND_E_SYS, ENOMEM, "symbols of %s", image->path);
    err = pnd_macho_symbols_read(&image->macho, image->symbols, image->macho.symbol_count,
                                 &image->symbol_count);
    if (err)
        return pnd_why(why, err, 0, "symbols of %s: %s", image->path, pnd_err_text(err));
    image->lines = pnd_lines_open(&image->macho);
    return PND_OK;
}

int pnd_images_load(struct pnd_images *images, struct pnd_symbols *ret, struct pnd_why *why)
{
    for (unsigned i = 0; i < images->count; i++) {
        struct pnd_image *image = &images->at[i];
        char uuid[PND_UUID_CAP], *name = NULL;
        int err;

        if (!image->path)
            continue;
        err = load(image, why);
        if (err)
            return err;
        if (image->part && asprintf(&name, "%s:%s", image->path, image->part) < 0)
            name = NULL;
        image->file =
            pnd_symbols_add_file(ret, name ? name : image->path, image->what,
                                 image->found_has_uuid ? print_uuid(uuid, image->found_uuid) : NULL,
                                 !image->fits && image->has_uuid);
        free(name);
    }
    return PND_OK;
}

/* ---- C++ ---- */

typedef char *cxa_demangle_fn(const char *mangled, char *buf, size_t *len, int *status);

static cxa_demangle_fn *cxa_demangle;

static char *demangle(const char *mangled)
{
    return cxa_demangle(mangled, NULL, NULL, NULL);
}

/* Whatever is written in C++ has brought it to this machine; without it names stay as they are. */
char *(*pnd_images_demangler(void))(const char *mangled)
{
    void *library = cxa_demangle ? NULL : dlopen("libstdc++.so.6", RTLD_LAZY | RTLD_LOCAL);
    void *found = library ? dlsym(library, "__cxa_demangle") : NULL;

    if (found)
        memcpy(&cxa_demangle, &found, sizeof(cxa_demangle));
    return cxa_demangle ? demangle : NULL;
}
