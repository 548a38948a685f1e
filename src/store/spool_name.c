/* SPDX-License-Identifier: BSD-2-Clause
 *
 * How a dump gets its name, and how it changes it. */
#include "store/spool_name.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "store/beside.h"
#include "store/savecore.h"

static const char part_suffix[] = ".part";
static const char incomplete_suffix[] = ".incomplete";

enum {
    NAME_BYTES_MAX = PND_SPOOL_NAME_CAP - 1,
    SAFE_BYTES_MAX = 200,
    LABEL_BYTES_MAX = 64,
    /* what a final name leaves free, so that it can become NAME.incomplete later */
    SUFFIX_BYTES_MAX = sizeof(incomplete_suffix) - 1,
};

static bool ends_in(const char *text, size_t len, const char *suffix)
{
    size_t suffix_len = strlen(suffix);

    return len >= suffix_len && memcmp(text + len - suffix_len, suffix, suffix_len) == 0;
}

bool pnd_spool_char_safe(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("._+,:@=-", c));
}

bool pnd_spool_name_safe(const char *name)
{
    size_t len = strnlen(name, SAFE_BYTES_MAX + 1);

    if (len == 0 || len > SAFE_BYTES_MAX || name[0] == '.' || name[0] == '-')
        return false;
    for (size_t i = 0; i < len; i++)
        if (!pnd_spool_char_safe(name[i]))
            return false;
    return !ends_in(name, len, part_suffix) && !ends_in(name, len, incomplete_suffix) &&
           !pnd_beside_is(name);
}

/* NAME.N before a trailing ".gz" (N 0: no number), cut so that @p spare bytes stay free. */
static void number_name(const char *name, unsigned number, size_t spare,
                        char ret[PND_SPOOL_NAME_CAP])
{
    size_t len = strnlen(name, NAME_BYTES_MAX);
    const char *gz = len > 3 && ends_in(name, len, ".gz") ? ".gz" : "";
    size_t stem_len = len - strlen(gz), room;
    char tail[32];

    if (number)
        snprintf(tail, sizeof(tail), ".%u%s", number, gz);
    else
        snprintf(tail, sizeof(tail), "%s", gz);
    room = NAME_BYTES_MAX - spare - strlen(tail);
    snprintf(ret, PND_SPOOL_NAME_CAP, "%.*s%s", (int)(stem_len < room ? stem_len : room), name,
             tail);
}

/* @return 1 there, 0 free, -1 errno */
static int exists(const struct pnd_spool *spool, const char *name, const char *suffix)
{
    char file[PND_SPOOL_NAME_CAP + sizeof(incomplete_suffix)];
    struct stat st;

    snprintf(file, sizeof(file), "%s%s", name, suffix);
    if (fstatat(spool->dir_fd, file, &st, AT_SYMLINK_NOFOLLOW) == 0)
        return 1;
    return errno == ENOENT ? 0 : -1;
}

/* A name is free when none of the forms it will take is there, nor what would lie beside it.
 * @return as exists() */
static int taken(const struct pnd_spool *spool, const char *name)
{
    const char *const forms[] = {"", part_suffix, incomplete_suffix};

    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        int there = exists(spool, name, forms[i]);

        if (there != 0)
            return there;
    }
    for (unsigned i = 0; i < PND_BESIDE_COUNT; i++) {
        char beside[PND_SPOOL_NAME_CAP];
        int there = exists(spool, pnd_beside_name(name, i, beside), "");

        if (there != 0)
            return there;
    }
    return 0;
}

void pnd_spool_make_name(const char *prefix, const char *label, int64_t now_s,
                         char ret[PND_SPOOL_NAME_CAP])
{
    time_t when = (time_t)now_s;
    char safe[LABEL_BYTES_MAX + 1], stamp[64] = "";
    struct tm tm;
    size_t len = strnlen(label, LABEL_BYTES_MAX);

    for (size_t i = 0; i < len; i++)
        safe[i] = pnd_spool_char_safe(label[i]) ? label[i] : '_';
    safe[len] = '\0';
    if (gmtime_r(&when, &tm))
        strftime(stamp, sizeof(stamp), "%Y%m%dT%H%M%SZ", &tm);
    snprintf(ret, PND_SPOOL_NAME_CAP, "%s-%s-%s", prefix, safe, stamp);
}

int pnd_spool_pick(const struct pnd_spool *spool, const char *wanted, const char *label,
                   int64_t now_s, char ret[PND_SPOOL_NAME_CAP], struct pnd_why *why)
{
    char base[PND_SPOOL_NAME_CAP], name[PND_SPOOL_NAME_CAP];

    if (pnd_spool_name_safe(wanted) && !pnd_savecore_is_beside(wanted))
        snprintf(base, sizeof(base), "%s", wanted);
    else
        pnd_spool_make_name("unnamed", label, now_s, base);
    for (unsigned i = 0; i <= PND_SPOOL_TRIES_MAX; i++) {
        int there;

        number_name(base, i, SUFFIX_BYTES_MAX, name);
        there = taken(spool, name);
        if (there < 0)
            return pnd_why(why, PND_E_SYS, errno, "look for %s in %s", name, spool->path);
        if (there == 0) {
            memcpy(ret, name, sizeof(name));
            return PND_OK;
        }
    }
    return pnd_why(why, PND_E_EXISTS, 0,
                   "%s and its %d numbered names are taken in %s: remove or move some", base,
                   PND_SPOOL_TRIES_MAX, spool->path);
}

/* Never over a file that is there, on file systems that cannot be asked for it in one step too
 * (NFS). Killed between the two steps, both names stay, of one file. */
int pnd_spool_rename_noreplace(int dir_fd, const char *from, const char *to)
{
    if (renameat2(dir_fd, from, dir_fd, to, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != ENOSYS && errno != EINVAL && errno != EPERM)
        return -1;
    if (linkat(dir_fd, from, dir_fd, to, 0) < 0)
        return -1;
    return unlinkat(dir_fd, from, 0);
}

int pnd_spool_rename(const struct pnd_spool *spool, char name[PND_SPOOL_NAME_CAP], const char *from,
                     const char *to, struct pnd_why *why)
{
    char old[PND_SPOOL_NAME_CAP + sizeof(incomplete_suffix)];
    char stem[PND_SPOOL_NAME_CAP], new[PND_SPOOL_NAME_CAP + sizeof(incomplete_suffix)];
    size_t spare = *to ? strlen(to) : SUFFIX_BYTES_MAX;

    snprintf(old, sizeof(old), "%.*s%s", NAME_BYTES_MAX, name, from);
    for (unsigned i = 0; i <= PND_SPOOL_TRIES_MAX; i++) {
        number_name(name, i, spare, stem);
        snprintf(new, sizeof(new), "%s%s", stem, to);
        assert(strlen(new) < PND_SPOOL_NAME_CAP);
        /* a numbered name was not picked for us: it may be about to become another dump's */
        if (i > 0 && taken(spool, stem) == 1)
            continue;
        if (pnd_spool_rename_noreplace(spool->dir_fd, old, new) == 0) {
            if (i > 0)
                pnd_beside_rename(spool, name, stem);
            memcpy(name, new, strlen(new) + 1);
            return PND_OK;
        }
        if (errno != EEXIST)
            return pnd_why(why, errno == ENOSPC || errno == EDQUOT ? PND_E_NOSPACE : PND_E_SYS,
                           errno, "rename %s to %s in %s", old, new, spool->path);
    }
    return pnd_why(why, PND_E_EXISTS, 0,
                   "%s and its %d numbered names are taken in %s: remove or move some", name,
                   PND_SPOOL_TRIES_MAX, spool->path);
}
