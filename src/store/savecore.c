/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Dumps under netdumpd's names: how they get them, and how what belongs to them goes. The dump is
 * renamed first, because that takes its number; all else is written again by whoever finds it so.
 * @source PROTOCOL.md#netdump-11 */
#include "store/savecore.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/guard.h"
#include "host/io.h"
#include "store/beside.h"
#include "store/spool_name.h"

enum { SENDERS_NAME_MAX = 200 }; /* bytes of a name that a file can have from its sender */

static const char temporary[] = ".savecore-new"; /* becomes what is to be replaced in one step */
static const char incomplete_suffix[] = ".incomplete";
static const char *const stems[] = {"vmcore_encrypted.", "textdump.tar.", "vmcore."};
static const char *const packings[] = {"", ".gz", ".zst"};

/* HOST and N of a name. */
struct place {
    char host[PND_SAVECORE_HOST_CAP];
    unsigned index;
};

/* ---- names ---- */

static void drop_suffix(const char *name, size_t *len, const char *suffix)
{
    size_t suffix_len = strlen(suffix);

    if (*len > suffix_len && memcmp(name + *len - suffix_len, suffix, suffix_len) == 0)
        *len -= suffix_len;
}

/* "HOST.N" in the first @p len bytes. */
static bool parse_place(const char *text, size_t len, struct place *ret)
{
    struct place out = {0};
    size_t at = len, scale = 1;

    while (at > 0 && text[at - 1] >= '0' && text[at - 1] <= '9' &&
           scale <= PND_SAVECORE_INDEX_MAX) {
        out.index += (unsigned)scale * (unsigned)(text[--at] - '0');
        scale *= 10;
    }
    if (at == len || at < 2 || text[at - 1] != '.' || at - 1 >= sizeof(out.host) ||
        out.index > PND_SAVECORE_INDEX_MAX || (text[at] == '0' && len - at > 1))
        return false;
    memcpy(out.host, text, at - 1);
    *ret = out;
    return true;
}

static bool starts_with(const char *name, const char *prefix)
{
    return strncmp(name, prefix, strlen(prefix)) == 0;
}

static const char *stem_of(const char *name)
{
    for (size_t i = 0; i < sizeof(stems) / sizeof(*stems); i++)
        if (starts_with(name, stems[i]))
            return stems[i];
    return NULL;
}

/* Is @p file the name of a dump, and of which? */
static bool parse_core(const char *file, struct place *ret)
{
    const char *stem = stem_of(file);
    size_t len = strlen(file);

    if (!stem)
        return false;
    drop_suffix(file, &len, incomplete_suffix);
    for (size_t i = 1; i < sizeof(packings) / sizeof(*packings); i++) {
        size_t was = len;

        drop_suffix(file, &len, packings[i]);
        if (len < was)
            break;
    }
    return len > strlen(stem) && parse_place(file + strlen(stem), len - strlen(stem), ret);
}

bool pnd_savecore_is_beside(const char *file)
{
    static const char *const kinds[] = {"info.", "key."};
    struct place ignored;

    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
        size_t len = strlen(kinds[i]);

        if (starts_with(file, kinds[i]) && parse_place(file + len, strlen(file + len), &ignored))
            return true;
    }
    return starts_with(file, "bounds.") && file[strlen("bounds.")];
}

/* How much of a name an import keeps. */
static size_t name_len(const char *name)
{
    size_t len = strnlen(name, SENDERS_NAME_MAX), was;

    do {
        was = len;
        drop_suffix(name, &len, incomplete_suffix);
        drop_suffix(name, &len, ".part");
    } while (len < was);
    return len;
}

/* Has the file the name that its sender gave, perhaps with a number, as pnd_spool_pick() has it,
 * and with '_' for what is not safe, as an import has it? */
static bool is_senders(const struct pnd_dump *dump)
{
    size_t whole = name_len(dump->name), stem_len = whole, len = strlen(dump->file), was;

    drop_suffix(dump->file, &len, incomplete_suffix);
    drop_suffix(dump->name, &stem_len, ".gz");
    if (stem_len < whole) {
        was = len;
        drop_suffix(dump->file, &len, ".gz");
        if (len == was)
            return false;
    }
    if (len < stem_len)
        return false;
    for (size_t i = 0; i < stem_len; i++)
        if (dump->file[i] != dump->name[i] && dump->file[i] != '_')
            return false;
    return len == stem_len ||
           (dump->file[stem_len] == '.' &&
            strspn(dump->file + stem_len + 1, "0123456789") >= len - stem_len - 1);
}

bool pnd_savecore_info_name(const char *file, char ret[PND_SPOOL_NAME_CAP])
{
    struct place place;

    if (!parse_core(file, &place))
        return false;
    snprintf(ret, PND_SPOOL_NAME_CAP, "info.%s.%u", place.host, place.index);
    return true;
}

bool pnd_savecore_reserves(const char *file)
{
    return stem_of(file) || starts_with(file, "info.") || starts_with(file, "key.") ||
           starts_with(file, "bounds.");
}

/* A dump that has its name from here, and not from a sender who calls it so. */
static bool is_placed(const struct pnd_dump *dump, struct place *ret)
{
    return parse_core(dump->file, ret) && !is_senders(dump);
}

/* ---- N ---- */

static bool there(const struct pnd_spool *spool, const char *file)
{
    struct stat st;

    return fstatat(spool->dir_fd, file, &st, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT;
}

/* Has a dump this number, in whatever form, but for @p except (NULL: none)? */
static bool has_core(const struct pnd_spool *spool, const struct place *place, const char *except)
{
    char file[PND_SPOOL_NAME_CAP];

    for (size_t i = 0; i < sizeof(stems) / sizeof(*stems); i++) {
        for (size_t k = 0; k < 2 * sizeof(packings) / sizeof(*packings); k++) {
            snprintf(file, sizeof(file), "%s%s.%u%s%s", stems[i], place->host, place->index,
                     packings[k / 2], k % 2 ? incomplete_suffix : "");
            if ((!except || strcmp(file, except) != 0) && there(spool, file))
                return true;
        }
    }
    return false;
}

static bool is_free(const struct pnd_spool *spool, const struct place *place)
{
    char info[PND_SPOOL_NAME_CAP], key[PND_SPOOL_NAME_CAP];

    snprintf(info, sizeof(info), "info.%s.%u", place->host, place->index);
    snprintf(key, sizeof(key), "key.%s.%u", place->host, place->index);
    return !there(spool, info) && !there(spool, key) && !has_core(spool, place, NULL);
}

/* @return false: there is none, or it says nothing */
static bool read_bounds(const struct pnd_spool *spool, const char *host, unsigned *ret)
{
    char file[PND_SPOOL_NAME_CAP], text[16];
    ssize_t len;
    size_t digits;
    unsigned value = 0;

    snprintf(file, sizeof(file), "bounds.%s", host);
    PND_AUTO_CLOSE int fd = pnd_spool_open_file(spool, file);
    len = fd >= 0 ? pnd_io_read_at(fd, 0, text, sizeof(text) - 1) : -1;
    if (len <= 0)
        return false;
    text[len] = '\0';
    digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 6 || (text[digits] && text[digits] != '\n'))
        return false;
    for (size_t i = 0; i < digits; i++)
        value = value * 10 + (unsigned)(text[i] - '0');
    *ret = value;
    return true;
}

/* ---- files ---- */

static int failed(struct pnd_why *why, const char *what, const char *file)
{
    return pnd_why(why, errno == ENOSPC || errno == EDQUOT ? PND_E_NOSPACE : PND_E_SYS, errno,
                   "%s %s", what, file);
}

/* The file has this content or is as it was. */
static int put_file(const struct pnd_spool *spool, const char *file, mode_t mode, const void *data,
                    size_t len, struct pnd_why *why)
{
    unlinkat(spool->dir_fd, temporary, 0);
    PND_AUTO_CLOSE int fd = openat(spool->dir_fd, temporary,
                                   O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
    if (fd < 0)
        return failed(why, "create", file);
    if (pnd_io_write(fd, data, len) || fsync(fd) < 0 ||
        renameat(spool->dir_fd, temporary, spool->dir_fd, file) < 0) {
        int err = failed(why, "write", file);

        unlinkat(spool->dir_fd, temporary, 0);
        return err;
    }
    return PND_OK;
}

static int put_bounds(const struct pnd_spool *spool, const struct place *place, struct pnd_why *why)
{
    char file[PND_SPOOL_NAME_CAP], text[16];
    unsigned next = place->index == PND_SAVECORE_INDEX_MAX ? 0 : place->index + 1, value;

    if (read_bounds(spool, place->host, &value) && value == next)
        return PND_OK;
    snprintf(file, sizeof(file), "bounds.%s", place->host);
    snprintf(text, sizeof(text), "%u\n", next);
    return put_file(spool, file, 0600, text, strlen(text), why);
}

/* What somebody has put there that is no link stays. */
static int put_link(const struct pnd_spool *spool, const char *kind, const char *host,
                    const char *target, struct pnd_why *why)
{
    char file[PND_SPOOL_NAME_CAP];
    struct stat st;

    snprintf(file, sizeof(file), "%s.%s.last", kind, host);
    if (fstatat(spool->dir_fd, file, &st, AT_SYMLINK_NOFOLLOW) == 0 && !S_ISLNK(st.st_mode))
        return PND_OK;
    unlinkat(spool->dir_fd, temporary, 0);
    if (symlinkat(target, spool->dir_fd, temporary) < 0 ||
        renameat(spool->dir_fd, temporary, spool->dir_fd, file) < 0)
        return failed(why, "make the link", file);
    return PND_OK;
}

/* With what lies beside it. @return PND_OK; PND_E_EXISTS something has a name that is needed;
 * PND_E_NOTFOUND; PND_E_NOSPACE; PND_E_SYS */
static int rename_dump(const struct pnd_spool *spool, struct pnd_dump *dump,
                       const char file[PND_SPOOL_NAME_CAP], struct pnd_why *why)
{
    struct pnd_why ignored;
    int err;

    if (!there(spool, dump->file))
        return pnd_why(why, PND_E_NOTFOUND, 0, "%s is gone", dump->file);
    err = pnd_beside_link(spool, dump->file, file);
    if (err == PND_E_EXISTS)
        return err;
    if (err)
        return failed(why, "rename what lies beside to", file);
    if (pnd_spool_rename_noreplace(spool->dir_fd, dump->file, file) < 0)
        return errno == EEXIST ? PND_E_EXISTS : failed(why, "rename to", file);
    (void)pnd_beside_remove(spool, dump->file, &ignored); /* the next start does it */
    memcpy(dump->file, file, PND_SPOOL_NAME_CAP);
    return PND_OK;
}

/* The dump takes a number, with its name. */
static int take_place(const struct pnd_spool *spool, const struct pnd_savecore_beside *beside,
                      struct pnd_dump *dump, struct place *ret, struct pnd_why *why)
{
    const char *stem = pnd_savecore_stem(beside, dump),
               *packing = pnd_savecore_packing(beside, dump);
    char file[PND_SPOOL_NAME_CAP];
    struct place place = {0};
    int err;

    pnd_savecore_host(beside, dump, place.host);
    if (!read_bounds(spool, place.host, &place.index))
        place.index = 0;
    for (unsigned i = 0; i < PND_SAVECORE_TRIES_MAX; i++) {
        if (is_free(spool, &place)) {
            snprintf(file, sizeof(file), "%s.%s.%u%s%s", stem, place.host, place.index, packing,
                     dump->state == PND_DUMP_INCOMPLETE ? incomplete_suffix : "");
            err = rename_dump(spool, dump, file, why);
            if (!err)
                *ret = place;
            if (err != PND_E_EXISTS)
                return err;
        }
        place.index = place.index == PND_SAVECORE_INDEX_MAX ? 0 : place.index + 1;
    }
    return pnd_why(why, PND_E_EXISTS, 0, "%d numbers of vmcore.%s are taken: remove or move some",
                   PND_SAVECORE_TRIES_MAX, place.host);
}

static int put_beside(const struct pnd_spool *spool, const struct pnd_savecore_beside *beside,
                      const struct pnd_dump *dump, const struct place *place,
                      struct pnd_savecore_names *names, struct pnd_why *why)
{
    char text[PND_SAVECORE_INFO_CAP], info[PND_SPOOL_NAME_CAP], file[PND_SPOOL_NAME_CAP];
    size_t len = pnd_savecore_info(beside, dump, place->host, text);
    int err = PND_OK;

    snprintf(info, sizeof(info), "info.%s.%u", place->host, place->index);
    if (beside->key) { /* ahead of the info: who sees that finds the key */
        snprintf(file, sizeof(file), "key.%s.%u", place->host, place->index);
        err = put_file(spool, file, 0400, beside->key, beside->key_len, why);
    }
    if (!err)
        err = put_file(spool, info, 0600, text, len, why);
    if (err)
        return err;
    memcpy(names->info, info, sizeof(info));
    err = put_link(spool, "vmcore", place->host, dump->file, why);
    if (!err)
        err = put_link(spool, "info", place->host, info, why);
    return err;
}

int pnd_savecore_place(const struct pnd_spool *spool, const struct pnd_savecore_beside *beside,
                       struct pnd_dump *dump, struct pnd_savecore_names *ret, struct pnd_why *why)
{
    struct pnd_savecore_names names = {0};
    struct place place = {0};
    int err = PND_OK, beside_err, sync_err;

    if (beside->key && beside->key_len > PND_SAVECORE_KEY_MAX)
        return pnd_why(why, PND_E_RANGE, 0, "its key has %zu bytes", beside->key_len);
    if (!is_placed(dump, &place))
        err = take_place(spool, beside, dump, &place, why);
    if (err)
        return err;
    memcpy(names.host, place.host, sizeof(names.host));
    beside_err = put_beside(spool, beside, dump, &place, &names, why);
    err = put_bounds(spool, &place, beside_err ? NULL : why);
    sync_err = pnd_spool_sync(spool, beside_err || err ? NULL : why);
    *ret = names;
    if (beside_err)
        return beside_err;
    return err ? err : sync_err;
}

/* ---- the end ---- */

static int drop(const struct pnd_spool *spool, const char *file, struct pnd_why *why)
{
    if (unlinkat(spool->dir_fd, file, 0) == 0 || errno == ENOENT)
        return PND_OK;
    return pnd_why(why, PND_E_SYS, errno, "remove %s", file);
}

static int drop_link(const struct pnd_spool *spool, const char *kind, const char *host,
                     const char *target, struct pnd_why *why)
{
    char file[PND_SPOOL_NAME_CAP], to[PND_SPOOL_NAME_CAP];
    ssize_t len;

    snprintf(file, sizeof(file), "%s.%s.last", kind, host);
    len = readlinkat(spool->dir_fd, file, to, sizeof(to));
    if (len < 0 || (size_t)len != strlen(target) || memcmp(to, target, (size_t)len) != 0)
        return PND_OK;
    return drop(spool, file, why);
}

int pnd_savecore_remove(const struct pnd_spool *spool, const char *file, struct pnd_why *why)
{
    char info[PND_SPOOL_NAME_CAP], key[PND_SPOOL_NAME_CAP];
    struct place place;
    int err;

    if (!parse_core(file, &place) || has_core(spool, &place, file)) /* it may be the other one's */
        return PND_OK;
    snprintf(info, sizeof(info), "info.%s.%u", place.host, place.index);
    snprintf(key, sizeof(key), "key.%s.%u", place.host, place.index);
    err = drop_link(spool, "vmcore", place.host, file, why);
    if (!err)
        err = drop_link(spool, "info", place.host, info, why);
    if (!err)
        err = drop(spool, info, why);
    return err ? err : drop(spool, key, why);
}
