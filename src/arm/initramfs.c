/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The initramfs of a crash kernel: see initramfs.h. */
#include "arm/initramfs.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capture/options.h"
#include "host/guard.h"
#include "host/text.h"
#include "image/elf.h"
#include "wire/cursor.h"

enum {
    DIRECTORIES_MAX = 64,
    NAME_CAP = 512,
    LIST_CAP = 64 * 1024, /* bytes of /lib/panicd/modules */
    PT_INTERP = 3,        /* @source System V ABI, "Program Header" */
};

struct writer {
    struct archive *archive;
    struct archive_entry *entry;
    int64_t number; /* of the last inode */
    uint64_t bytes; /* of files so far */
    char directories[DIRECTORIES_MAX][NAME_CAP];
    size_t directory_count;
    struct pnd_why *why;
};

static int failed(struct writer *w, const char *name)
{
    const char *text = archive_error_string(w->archive);

    return pnd_why(w->why, PND_E_SYS, 0, "write %s of the initramfs: %s", name,
                   text ? text : "no memory");
}

/* One entry; the time is 1970, the owner root. */
static int put(struct writer *w, const char *name, unsigned type, unsigned mode, const void *data,
               size_t len)
{
    struct archive_entry *e = archive_entry_clear(w->entry);

    archive_entry_set_pathname(e, name);
    archive_entry_set_filetype(e, type);
    archive_entry_set_perm(e, mode);
    archive_entry_set_nlink(e, type == AE_IFDIR ? 2 : 1);
    archive_entry_set_ino64(e, ++w->number);
    archive_entry_set_mtime(e, 0, 0);
    archive_entry_set_size(e, (int64_t)len);
    w->bytes += len;
    if (w->bytes > PND_INITRAMFS_BYTES_MAX)
        return pnd_why(w->why, PND_E_RANGE, 0,
                       "the initramfs: with %s it would have more than %d MiB", name,
                       PND_INITRAMFS_BYTES_MAX >> 20);
    if (archive_write_header(w->archive, e) != ARCHIVE_OK ||
        (len > 0 && archive_write_data(w->archive, data, len) != (la_ssize_t)len))
        return failed(w, name);
    return PND_OK;
}

/* The directory @p name, once. */
static int put_directory(struct writer *w, const char *name)
{
    for (size_t i = 0; i < w->directory_count; i++)
        if (strcmp(w->directories[i], name) == 0)
            return PND_OK;
    if (w->directory_count == DIRECTORIES_MAX || strlen(name) >= NAME_CAP)
        return pnd_why(w->why, PND_E_RANGE, 0,
                       "the initramfs: %s: more than %d directories, or too long a name", name,
                       DIRECTORIES_MAX);
    snprintf(w->directories[w->directory_count++], NAME_CAP, "%s", name);
    return put(w, name, AE_IFDIR, 0755, NULL, 0);
}

/* A file, and the directories that it is in. */
static int put_file(struct writer *w, const char *name, unsigned mode, const void *data, size_t len)
{
    char directory[NAME_CAP];
    int err = PND_OK;

    for (const char *slash = strchr(name, '/'); slash && !err; slash = strchr(slash + 1, '/')) {
        snprintf(directory, sizeof(directory), "%.*s", (int)(slash - name), name);
        err = put_directory(w, directory);
    }
    return err ? err : put(w, name, AE_IFREG, mode, data, len);
}

static void put_zeros(uint8_t *at, size_t len)
{
    memset(at, 0, len);
}

int pnd_initramfs_trim(void *program, size_t len, size_t *ret_len, struct pnd_why *why)
{
    struct pnd_elf elf;
    uint64_t end;
    uint8_t *bytes = program;

    if (pnd_elf_parse(program, len, &elf) || elf.phnum == 0)
        return pnd_why(why, PND_E_FORMAT, 0, "not an ELF program");
    end = elf.table_end;
    for (uint32_t i = 0; i < elf.phnum; i++) {
        struct pnd_elf_segment s;

        if (pnd_elf_segment(&elf, program, len, i, &s) || s.offset + s.filesz > len)
            return pnd_why(why, PND_E_FORMAT, 0, "cut: segment %u is not all there", i);
        if (s.type == PT_INTERP)
            return pnd_why(why, PND_E_FORMAT, 0,
                           "not a static program: a crash kernel has no libraries");
        if (s.offset + s.filesz > end)
            end = s.offset + s.filesz;
    }
    put_zeros(bytes + (elf.is64 ? 40 : 32), elf.is64 ? 8 : 4); /* e_shoff */
    put_zeros(bytes + (elf.is64 ? 60 : 48), 4);                /* e_shnum, e_shstrndx */
    *ret_len = (size_t)end;
    return PND_OK;
}

static int put_program(struct writer *w, const char *name, const char *path)
{
    void *bytes;
    size_t len;
    int err = pnd_module_read(path, &bytes, &len, w->why);

    if (err)
        return err;
    err = pnd_initramfs_trim(bytes, len, &len, w->why);
    err = err ? pnd_why_add(w->why, err, "%s", path) : put_file(w, name, 0755, bytes, len);
    free(bytes);
    return err;
}

/* The table of sections is the last of an object file; behind it may be a signature.
 * @source System V ABI, "Object Files": e_shoff, e_shentsize, e_shnum */
static bool is_whole_object(const uint8_t *bytes, size_t len)
{
    bool is64 = len > 5 && bytes[4] == 2, big = len > 5 && bytes[5] == 2;
    size_t header = is64 ? 64 : 52, count_at = is64 ? 58 : 46;
    uint64_t end, entry, count;
    struct pnd_rd rd;

    if (len < header || !pnd_elf_is(bytes, len))
        return false;
    rd = pnd_rd(bytes + (is64 ? 40 : 32), is64 ? 8 : 4);
    if (is64)
        end = big ? pnd_rd_be64(&rd) : pnd_rd_le64(&rd);
    else
        end = big ? pnd_rd_be32(&rd) : pnd_rd_le32(&rd);
    rd = pnd_rd(bytes + count_at, 4);
    entry = big ? pnd_rd_be16(&rd) : pnd_rd_le16(&rd);
    count = big ? pnd_rd_be16(&rd) : pnd_rd_le16(&rd);
    return end <= len && entry * count <= len - end;
}

static int put_module(struct writer *w, const char *name, const char *path)
{
    void *bytes;
    size_t len;
    int err = pnd_module_read(path, &bytes, &len, w->why);

    if (err)
        return err;
    if (is_whole_object(bytes, len))
        err = put_file(w, name, 0644, bytes, len);
    else
        err = pnd_why(w->why, PND_E_FORMAT, 0,
                      "%s is no module, or one that is cut: install that kernel anew", path);
    free(bytes);
    return err;
}

static int put_unpacked(struct writer *w, const char *name, unsigned mode, const char *path)
{
    void *bytes;
    size_t len;
    int err = pnd_module_read(path, &bytes, &len, w->why);

    if (err)
        return err;
    err = put_file(w, name, mode, bytes, len);
    free(bytes);
    return err;
}

/* /lib/panicd/modules: a path, and its parameters. @source capture/boot.h */
static int put_list(struct writer *w, const struct pnd_modules *modules)
{
    static char list[LIST_CAP];
    size_t len = 0;

    for (size_t i = 0; i < modules->count; i++) {
        const struct pnd_module *m = &modules->list[i];
        int n = snprintf(list + len, sizeof(list) - len, "/lib/modules/%s.ko%s%s\n", m->name,
                         m->options[0] ? " " : "", m->options);

        if (n < 0 || (size_t)n >= sizeof(list) - len)
            return pnd_why(w->why, PND_E_RANGE, 0, "the parameters of the modules are too long");
        len += (size_t)n;
    }
    return put_file(w, "lib/panicd/modules", 0644, list, len);
}

static int put_modules(struct writer *w, const struct pnd_modules *modules)
{
    char name[NAME_CAP];
    int err = put_list(w, modules);

    for (size_t i = 0; i < modules->count && !err; i++) {
        snprintf(name, sizeof(name), "lib/modules/%s.ko", modules->list[i].name);
        err = put_module(w, name, modules->list[i].path);
    }
    for (size_t i = 0; i < modules->firmware_count && !err; i++) {
        snprintf(name, sizeof(name), "lib/firmware/%s", modules->firmware[i].name);
        err = put_unpacked(w, name, 0644, modules->firmware[i].path);
    }
    return err;
}

static int put_options(struct writer *w, const char *options)
{
    char text[PND_CAPTURE_OPTIONS_CAP + 1];

    snprintf(text, sizeof(text), "%s\n", options);
    return put_file(w, &PND_CAPTURE_OPTIONS_PATH[1], 0644, text, strlen(text));
}

static int put_everything(struct writer *w, const struct pnd_initramfs *initramfs)
{
    static const char *const mounted[] = {"dev", "proc", "sys"};
    int err = PND_OK;

    for (size_t i = 0; i < sizeof(mounted) / sizeof(mounted[0]) && !err; i++)
        err = put_directory(w, mounted[i]);
    if (!err)
        err = put_program(w, "init", initramfs->init);
    if (!err)
        err = put_options(w, initramfs->options);
    if (!err && initramfs->modules)
        err = put_modules(w, initramfs->modules);
    for (size_t i = 0; i < initramfs->file_count && !err; i++) {
        const struct pnd_initramfs_file *file = &initramfs->files[i];

        err = file->linked ? put_unpacked(w, file->name, 0755, file->path)
                           : put_program(w, file->name, file->path);
    }
    return err;
}

int pnd_initramfs_write(const struct pnd_initramfs *initramfs, int fd, uint64_t *ret_bytes,
                        struct pnd_why *why)
{
    struct writer *w = calloc(1, sizeof(*w));
    int err = PND_OK;

    if (!w)
        return pnd_why(why, PND_E_SYS, ENOMEM, "the initramfs");
    w->why = why;
    w->archive = archive_write_new();
    w->entry = archive_entry_new();
    if (!w->archive || !w->entry)
        err = pnd_why(why, PND_E_SYS, ENOMEM, "the initramfs");
    if (!err && (archive_write_set_format_cpio_newc(w->archive) != ARCHIVE_OK ||
                 archive_write_set_bytes_in_last_block(w->archive, 1) != ARCHIVE_OK ||
                 archive_write_open_fd(w->archive, fd) != ARCHIVE_OK))
        err = failed(w, "the beginning");
    if (!err)
        err = put_everything(w, initramfs);
    if (!err && archive_write_close(w->archive) != ARCHIVE_OK)
        err = failed(w, "the end");
    if (!err)
        *ret_bytes = (uint64_t)archive_filter_bytes(w->archive, -1);
    if (w->entry)
        archive_entry_free(w->entry);
    if (w->archive)
        archive_write_free(w->archive);
    free(w);
    return err;
}
