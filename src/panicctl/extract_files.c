/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A dump's files into a directory; see extract.h. Each is written as NAME.incomplete, and has its
 * own name when it is whole: what is interrupted looks like what it is. */
#include "panicctl/extract.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/guard.h"
#include "host/progress.h"
#include "inspect/unpack.h"
#include "panicctl/importer.h"
#include "panicctl/sparse.h"
#include "store/catalog_facts.h"

#define INCOMPLETE ".incomplete"

enum { INCOMPLETE_NAME_CAP = PND_EXTRACT_NAME_CAP + sizeof(INCOMPLETE) };

struct target {
    struct pnd_extract_source *source;
    struct pnd_ctl *ctl; /* NULL, or the files become dumps of its directory */
    const char *dir;
    int dir_fd;
    bool force;
    struct pnd_progress progress;
    uint64_t stored; /* bytes of the source that are done with */
    struct pnd_sparse to;
    struct pnd_why *why;
};

bool pnd_extract_several(const struct pnd_extract_source *source)
{
    unsigned dumps = 0;

    for (unsigned i = 0; i < source->place_count; i++)
        dumps += source->places[i].state == PND_EXTRACT_DUMP;
    return dumps > 1;
}

static void place_dir(const struct pnd_extract_source *source,
                      const struct pnd_extract_place *place, char ret[PND_EXTRACT_NAME_CAP])
{
    if (pnd_extract_several(source))
        snprintf(ret, PND_EXTRACT_NAME_CAP, "partition%" PRIu32, place->partition);
    else
        snprintf(ret, PND_EXTRACT_NAME_CAP, ".");
}

const char *pnd_extract_path(char dst[PND_EXTRACT_PATH_CAP],
                             const struct pnd_extract_source *source, const char *dir,
                             const struct pnd_extract_place *place,
                             const struct pnd_extract_file *file)
{
    char inner[PND_EXTRACT_NAME_CAP] = "";
    size_t len = dir ? strlen(dir) : 0;

    dst[0] = '\0';
    if (!dir || file->result == PND_EXTRACT_LISTED ||
        (file->result == PND_EXTRACT_INCOMPLETE && !file->bytes))
        return dst;
    if (pnd_extract_several(source))
        place_dir(source, place, inner);
    snprintf(dst, PND_EXTRACT_PATH_CAP, "%s%s%s%s%s%s", dir, len && dir[len - 1] == '/' ? "" : "/",
             inner, inner[0] ? "/" : "", file->name,
             file->result == PND_EXTRACT_COMPLETE ? "" : INCOMPLETE);
    return dst;
}

/* ---- before anything is written ---- */

static int refuse_existing(const struct target *target, int dir_fd, const char *name)
{
    const struct pnd_extract_source *source = target->source;
    struct stat st;

    if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT ? PND_OK
                               : pnd_why(target->why, PND_E_SYS, errno, "look for %s", name);
    if (!target->force)
        return pnd_why(target->why, PND_E_EXISTS, 0,
                       "%s is in %s already; --force replaces it, -o names another directory", name,
                       target->dir);
    if (source->ino && st.st_dev == source->dev && st.st_ino == source->ino)
        return pnd_why(target->why, PND_E_EXISTS, 0,
                       "%s in %s is what the dump is read from, and stays; -o names another "
                       "directory",
                       name, target->dir);
    if (!S_ISREG(st.st_mode) && !S_ISLNK(st.st_mode))
        return pnd_why(target->why, PND_E_EXISTS, 0, "%s in %s is no file, and stays", name,
                       target->dir);
    return PND_OK;
}

static void incomplete_name(const struct pnd_extract_file *file, char ret[INCOMPLETE_NAME_CAP])
{
    snprintf(ret, INCOMPLETE_NAME_CAP, "%s" INCOMPLETE, file->name);
}

static int check_place(const struct target *target, const struct pnd_extract_place *place)
{
    char inner[PND_EXTRACT_NAME_CAP], name[INCOMPLETE_NAME_CAP];
    int err = PND_OK;

    place_dir(target->source, place, inner);
    PND_AUTO_CLOSE int fd =
        openat(target->dir_fd, inner, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return PND_OK;
    if (fd < 0)
        return pnd_why(target->why, PND_E_SYS, errno, "open %s in %s", inner, target->dir);
    for (unsigned i = 0; !err && i < place->file_count; i++) {
        incomplete_name(&place->files[i], name);
        err = refuse_existing(target, fd, place->files[i].name);
        if (!err)
            err = refuse_existing(target, fd, name);
    }
    return err;
}

static int open_dir(int at, const char *name, const char *shown, struct pnd_why *why)
{
    int fd;

    /* A core holds what the machine knew: nobody else may look. */
    if (mkdirat(at, name, 0700) != 0 && errno != EEXIST)
        return pnd_why(why, errno == ENOSPC || errno == EDQUOT ? PND_E_NOSPACE : PND_E_SYS, errno,
                       "make the directory %s", shown);
    fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd >= 0 ? fd : pnd_why(why, PND_E_SYS, errno, "open the directory %s", shown);
}

/* ---- a file ---- */

static int take(void *ctx, const void *data, size_t len, uint64_t done)
{
    struct target *target = ctx;
    int err = pnd_sparse_write(&target->to, data, len, target->why);

    pnd_progress_update(&target->progress, target->stored + done);
    return err;
}

/* NAME.incomplete -> NAME. Without force, not over what came there meanwhile. */
static int give_name(const struct target *target, int dir_fd, const char *from, const char *to)
{
    if (target->force ? renameat(dir_fd, from, dir_fd, to) == 0
                      : renameat2(dir_fd, from, dir_fd, to, RENAME_NOREPLACE) == 0)
        return PND_OK;
    if (!target->force && errno == EINVAL && /* a file system that cannot say so */
        linkat(dir_fd, from, dir_fd, to, 0) == 0 && unlinkat(dir_fd, from, 0) == 0)
        return PND_OK;
    return pnd_why(target->why, errno == EEXIST ? PND_E_EXISTS : PND_E_SYS, errno,
                   "rename %s to %s", from, to);
}

_Static_assert((int)PND_UNPACK_GZIP == (int)PND_COREFILE_GZIP &&
                   (int)PND_UNPACK_LZ4 == (int)PND_COREFILE_LZ4 &&
                   (int)PND_UNPACK_RAW == (int)PND_COREFILE_RAW,
               "one is the other");

/* Unpacks into the open file. @return what is no damage of the source */
static int fill_file(struct target *target, const struct pnd_extract_place *place,
                     struct pnd_extract_file *file)
{
    struct pnd_unpack_job job = {.offset = file->offset,
                                 .length = file->length,
                                 .key = file->decrypted ? &place->key : NULL,
                                 .packing = (enum pnd_unpack_packing)file->packing};
    struct pnd_unpack_sink sink = {.ctx = target, .write = take};
    struct pnd_why cause = {0};
    int err = pnd_unpack_caged(target->source->fd, &job, &sink, &file->damaged_at, &cause), end;

    if (err == PND_OK) {
        file->result = PND_EXTRACT_COMPLETE;
    } else if (err == PND_E_SHORT || err == PND_E_FORMAT || err == PND_E_SOURCE) {
        file->result = PND_EXTRACT_INCOMPLETE;
        file->reason = cause;
    } else { /* take() has said why, if it was it */
        return cause.text[0] ? pnd_why(target->why, err, 0, "%s", cause.text) : err;
    }
    end = pnd_sparse_finish(&target->to, &file->bytes, target->why);
    if (!end && fsync(target->to.fd) != 0)
        end = pnd_sparse_failed(&target->to, target->why);
    return end;
}

static int fill_info(struct target *target, const char *info, struct pnd_extract_file *file)
{
    int err = pnd_sparse_write_all(&target->to, (const uint8_t *)info, strlen(info), target->why);

    if (!err)
        err = pnd_sparse_finish(&target->to, &file->bytes, target->why);
    if (!err && fsync(target->to.fd) != 0)
        err = pnd_sparse_failed(&target->to, target->why);
    file->result = PND_EXTRACT_COMPLETE;
    return err;
}

static int extract_file(struct target *target, int dir_fd, const struct pnd_extract_place *place,
                        struct pnd_extract_file *file)
{
    mode_t mode = file->key ? 0400 : 0600; /* as savecore(8) leaves it */
    char name[INCOMPLETE_NAME_CAP];
    int err;

    incomplete_name(file, name);
    if (target->force && unlinkat(dir_fd, name, 0) != 0 && errno != ENOENT)
        return pnd_why(target->why, PND_E_SYS, errno, "replace %s", name);
    PND_AUTO_CLOSE int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (fd < 0)
        return pnd_why(target->why, errno == ENOSPC ? PND_E_NOSPACE : PND_E_SYS, errno, "create %s",
                       name);
    target->to = (struct pnd_sparse){.fd = fd, .holes = true};
    err = file->info ? fill_info(target, place->info, file) : fill_file(target, place, file);
    if (!err && file->result == PND_EXTRACT_COMPLETE)
        err = give_name(target, dir_fd, name, file->name);
    if (err || (file->result == PND_EXTRACT_INCOMPLETE && file->bytes == 0))
        unlinkat(dir_fd, name, 0);
    if (err)
        file->result = PND_EXTRACT_LISTED;
    target->stored += file->length;
    return err ? pnd_why_add(target->why, err, "%s", file->name) : PND_OK;
}

static int extract_place(struct target *target, struct pnd_extract_place *place)
{
    char inner[PND_EXTRACT_NAME_CAP];
    int err = PND_OK;

    place_dir(target->source, place, inner);
    PND_AUTO_CLOSE int fd = open_dir(target->dir_fd, inner, inner, target->why);
    if (fd < 0)
        return fd;
    for (unsigned i = 0; !err && i < place->file_count; i++) {
        if (!place->files[i].reason.text[0])
            err = extract_file(target, fd, place, &place->files[i]);
    }
    if (!err && fsync(fd) != 0)
        err = pnd_why(target->why, PND_E_SYS, errno, "fsync %s", target->dir);
    return err;
}

/* ---- into the list ---- */

static void dump_name(const struct target *target, const struct pnd_extract_place *place,
                      const struct pnd_extract_file *file, char ret[PND_SPOOL_NAME_CAP])
{
    const char *slash = strrchr(target->source->path, '/');
    const char *base = slash ? slash + 1 : target->source->path;
    char inner[PND_EXTRACT_NAME_CAP] = "";

    if (pnd_extract_several(target->source))
        place_dir(target->source, place, inner);
    snprintf(ret, PND_SPOOL_NAME_CAP, "%.180s-%s%s%s", base, inner, inner[0] ? "-" : "",
             file->name);
}

static int import_file(struct target *target, const struct pnd_extract_place *place,
                       struct pnd_extract_file *file)
{
    struct pnd_importer importer;
    char name[PND_SPOOL_NAME_CAP];
    int err;

    dump_name(target, place, file, name);
    err = pnd_importer_begin(target->ctl, name, "extract", &importer, target->why);
    if (err)
        return err;
    target->to = (struct pnd_sparse){.fd = importer.stage.fd, .holes = true};
    err = fill_file(target, place, file);
    if (!err && file->result == PND_EXTRACT_INCOMPLETE) {
        importer.dump.state = PND_DUMP_INCOMPLETE;
        snprintf(importer.dump.reason, sizeof(importer.dump.reason), "%.255s", file->reason.text);
    }
    if (!err && (file->result == PND_EXTRACT_COMPLETE || file->bytes > 0)) {
        err = pnd_importer_commit(target->ctl, &importer, target->why);
        file->id = err ? 0 : importer.dump.id;
    }
    if (err)
        file->result = PND_EXTRACT_LISTED;
    pnd_importer_close(&importer);
    target->stored += file->length;
    return err ? pnd_why_add(target->why, err, "%s", file->name) : PND_OK;
}

static int import_place(struct target *target, struct pnd_extract_place *place)
{
    int err = PND_OK;

    for (unsigned i = 0; !err && i < place->file_count; i++) {
        /* what info says becomes the dump's own facts */
        if (!place->files[i].reason.text[0] && !place->files[i].info)
            err = import_file(target, place, &place->files[i]);
    }
    return err;
}

/* FreeBSD's header is not in the dump: who died, and of an encrypted dump, why. */
static void add_header(struct pnd_ctl *ctl, const struct pnd_extract_source *source,
                       const struct pnd_extract_place *place, const struct pnd_dump *dump)
{
    struct pnd_facts facts = {0};
    int err = pnd_catalog_get_facts(ctl->catalog, dump->id, true, &facts, NULL);

    if (err == PND_OK || err == PND_E_NOTFOUND) {
        pnd_extract_header_facts(source, place, &facts);
        pnd_catalog_put_dump_facts(ctl->catalog, dump, &facts, true, NULL);
    }
    pnd_facts_deinit(&facts);
}

/* What they are worth; a check that cannot be made is no failure of the import. */
static void settle(struct pnd_ctl *ctl, const struct pnd_extract_source *source)
{
    struct pnd_importer importer = {0};

    for (unsigned i = 0; i < source->place_count; i++) {
        const struct pnd_extract_place *place = &source->places[i];

        for (unsigned k = 0; k < place->file_count; k++) {
            importer.dump.id = place->files[k].id;
            if (importer.dump.id && pnd_importer_settle(ctl, &importer, NULL) == PND_OK &&
                place->kind == PND_EXTRACT_FREEBSD && !place->files[k].key)
                add_header(ctl, source, place, &importer.dump);
        }
    }
}

/* ---- all of them ---- */

static int extract_places(struct target *target, bool quiet)
{
    struct pnd_extract_source *source = target->source;
    uint64_t total = 0;
    int err = PND_OK;

    for (unsigned i = 0; i < source->place_count; i++) {
        const struct pnd_extract_place *place = &source->places[i];

        for (unsigned k = 0; k < place->file_count; k++)
            total += place->files[k].length < source->bytes ? place->files[k].length : 0;
    }
    pnd_progress_init(&target->progress, "extract", total, quiet || isatty(STDERR_FILENO) != 1);
    for (unsigned i = 0; !err && i < source->place_count; i++) {
        struct pnd_extract_place *place = &source->places[i];

        if (place->state == PND_EXTRACT_DUMP)
            err = target->ctl ? import_place(target, place) : extract_place(target, place);
    }
    pnd_progress_clear(&target->progress);
    return err;
}

int pnd_extract_files(struct pnd_extract_source *source, const char *dir, bool force, bool quiet,
                      struct pnd_why *why)
{
    struct target target = {.source = source, .dir = dir, .force = force, .why = why};
    int err = PND_OK;

    PND_AUTO_CLOSE int fd = open_dir(AT_FDCWD, dir, dir, why);
    if (fd < 0)
        return fd;
    target.dir_fd = fd;
    for (unsigned i = 0; !err && i < source->place_count; i++) {
        if (source->places[i].state == PND_EXTRACT_DUMP)
            err = check_place(&target, &source->places[i]);
    }
    return err ? err : extract_places(&target, quiet);
}

int pnd_extract_import(struct pnd_ctl *ctl, struct pnd_extract_source *source, struct pnd_why *why)
{
    struct target target = {.source = source, .ctl = ctl, .why = why};
    int err = pnd_importer_prepare(ctl, why);

    if (!err)
        err = extract_places(&target, ctl->json);
    source->imported = true;
    if (!err)
        settle(ctl, source);
    return err;
}
