/* SPDX-License-Identifier: BSD-2-Clause
 *
 * panicctl doctor: the directory, its room, and what panicd keeps in it. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "host/clock.h"
#include "host/text.h"
#include "panicctl/debug.h"
#include "panicctl/doctor.h"
#include "panicctl/print.h"
#include "view/socket.h"
#include "store/journal.h"

#define GIB (UINT64_C(1) << 30)

enum { USER_CAP = 64 };

static const char *user_name(uid_t uid, char ret[USER_CAP])
{
    const struct passwd *entry = getpwuid(uid);
    char name[PND_PRINT_NAME_CAP];

    if (entry)
        snprintf(ret, USER_CAP, "%.63s", pnd_print_name(name, entry->pw_name));
    else
        snprintf(ret, USER_CAP, "%u", (unsigned)uid);
    return ret;
}

const char *pnd_doctor_operand(const char *path, char ret[PND_DOCTOR_OPERAND_CAP])
{
    char quoted[2 * PND_DEBUG_PATH_CAP];

    pnd_debug_quote(quoted, sizeof(quoted), path);
    if (strlen(quoted) < PND_DOCTOR_OPERAND_CAP)
        memcpy(ret, quoted, strlen(quoted) + 1);
    else
        memcpy(ret, "DIR", sizeof("DIR"));
    return ret;
}

/* ---- the directory ---- */

static void missing(struct pnd_doctor *doctor)
{
    char name[PND_PRINT_NAME_CAP], fix[PND_DOCTOR_TEXT_CAP], state[PATH_MAX],
        word[PND_DOCTOR_OPERAND_CAP];
    struct stat st;

    pnd_print_name(name, doctor->ctl->directory);
    snprintf(state, sizeof(state), "%.4000s/.panicd", doctor->ctl->directory);
    if (stat(doctor->ctl->directory, &st) == 0 && S_ISDIR(st.st_mode)) {
        if (access(doctor->ctl->directory, R_OK | X_OK) != 0 ||
            (access(state, F_OK) == 0 && access(state, R_OK | X_OK) != 0)) {
            pnd_doctor_add(doctor, "directory", PND_DOCTOR_FAIL, "sudo panicctl doctor",
                           "%.300s may not be read by this user", name);
            return;
        }
        snprintf(fix, sizeof(fix), "panicd %s", pnd_doctor_operand(doctor->ctl->directory, word));
        pnd_doctor_add(doctor, "directory", PND_DOCTOR_FAIL, fix,
                       "%.300s is there, but no panicd has ever received into it", name);
        return;
    }
    snprintf(fix, sizeof(fix),
             "panicd %s, which makes it; or name another: panicctl --directory "
             "DIR doctor",
             pnd_doctor_operand(doctor->ctl->directory, word));
    pnd_doctor_add(doctor, "directory", PND_DOCTOR_FAIL, fix, "%.300s is not there", name);
}

/* @return true: it was said what is wrong */
static bool wrong_owner(struct pnd_doctor *doctor, const struct stat *st, const char *name)
{
    char owner[USER_CAP], user[USER_CAP], fix[PND_DOCTOR_TEXT_CAP], word[PND_DOCTOR_OPERAND_CAP];

    if (st->st_uid == doctor->uid || doctor->uid == 0)
        return false;
    user_name(st->st_uid, owner);
    user_name(doctor->uid, user);
    snprintf(fix, sizeof(fix), "chown -R %s %s", user,
             pnd_doctor_operand(doctor->ctl->spool.path, word));
    if (!doctor->server) /* who asks need not be who receives */
        pnd_doctor_add(doctor, "directory", PND_DOCTOR_WARN, "",
                       "%.200s belongs to %s: run panicd as that user, not as %s", name, owner,
                       user);
    else
        pnd_doctor_add(doctor, "directory", PND_DOCTOR_FAIL, fix,
                       "%.200s belongs to %s, but panicd runs as %s", name, owner, user);
    return true;
}

void pnd_doctor_directory(struct pnd_doctor *doctor)
{
    const struct pnd_spool *spool = &doctor->ctl->spool;
    char name[PND_PRINT_NAME_CAP], fix[PND_DOCTOR_TEXT_CAP], word[PND_DOCTOR_OPERAND_CAP];
    struct stat st, state;
    struct statvfs fs;

    if (!doctor->spool_open) {
        missing(doctor);
        return;
    }
    pnd_print_name(name, spool->path);
    if (fstat(spool->dir_fd, &st) < 0 || fstat(spool->state_fd, &state) < 0 ||
        fstatvfs(spool->dir_fd, &fs) < 0) {
        pnd_doctor_add(doctor, "directory", PND_DOCTOR_FAIL, "", "%.200s: %s", name,
                       strerror(errno));
        return;
    }
    snprintf(fix, sizeof(fix), "chmod 700 %s", pnd_doctor_operand(spool->path, word));
    if (fs.f_flag & ST_RDONLY)
        pnd_doctor_add(doctor, "directory", PND_DOCTOR_FAIL, "mount it read-write",
                       "%.200s is on a file system that is mounted read-only", name);
    else if (wrong_owner(doctor, &st, name))
        return;
    else if ((st.st_mode | state.st_mode) & 022)
        pnd_doctor_add(doctor, "directory", PND_DOCTOR_FAIL, fix,
                       "%.200s may be written by others than its owner", name);
    else if ((st.st_mode & 0300) != 0300)
        pnd_doctor_add(doctor, "directory", PND_DOCTOR_FAIL, fix,
                       "%.200s may not be written by its owner", name);
    else if (st.st_mode & 055)
        pnd_doctor_add(doctor, "directory", PND_DOCTOR_WARN, fix,
                       "%.200s may be looked into by others: dumps are memory, with passwords in "
                       "it",
                       name);
    else
        pnd_doctor_add(doctor, "directory", PND_DOCTOR_OK, "", "%.300s", name);
}

/* ---- room ---- */

void pnd_doctor_room(struct pnd_doctor *doctor)
{
    static const char make_room[] =
        "panicctl vacuum --help; or panicctl rm ID; or another directory";
    const json_t *said = json_object_get(json_object_get(doctor->server, "room"), "floor");
    uint64_t floor = said ? (uint64_t)json_integer_value(said) : GIB, left, free_bytes, total;
    char left_text[PND_TEXT_BYTES_CAP], floor_text[PND_TEXT_BYTES_CAP];
    struct statvfs fs;

    if (!doctor->spool_open)
        return;
    if (pnd_spool_room(&doctor->ctl->spool, &free_bytes, &total) ||
        fstatvfs(doctor->ctl->spool.dir_fd, &fs) < 0) {
        pnd_doctor_add(doctor, "room", PND_DOCTOR_FAIL, "", "cannot be told: %s", strerror(errno));
        return;
    }
    left = free_bytes > floor ? free_bytes - floor : 0;
    pnd_text_bytes(left_text, sizeof(left_text), left);
    pnd_text_bytes(floor_text, sizeof(floor_text), floor);
    if (left == 0)
        pnd_doctor_add(doctor, "room", PND_DOCTOR_FAIL, make_room,
                       "%s free, and %s have to stay free: every dump is refused",
                       pnd_text_bytes(left_text, sizeof(left_text), free_bytes), floor_text);
    else if (fs.f_files > 0 && fs.f_favail == 0)
        pnd_doctor_add(doctor, "room", PND_DOCTOR_FAIL, make_room,
                       "the file system has no room for another file (inodes)");
    else if (left < 4 * GIB)
        pnd_doctor_add(doctor, "room", PND_DOCTOR_WARN, make_room,
                       "%s for dumps: one can be as large as the memory of its machine", left_text);
    else
        pnd_doctor_add(doctor, "room", PND_DOCTOR_OK, "", "%s for dumps, %s stay free", left_text,
                       floor_text);
}

/* ---- the catalog ---- */

/* A file that another user has made (a tool run by root, say) and panicd may not write. */
static bool unwritable(const struct pnd_doctor *doctor, char ret[USER_CAP], const char **ret_name)
{
    static const char *const names[] = {"catalog.db", "catalog.db-wal", "catalog.db-shm", "journal",
                                        "lock"};
    struct stat dir, st;

    if (fstat(doctor->ctl->spool.state_fd, &dir) < 0)
        return false;
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        if (fstatat(doctor->ctl->spool.state_fd, names[i], &st, AT_SYMLINK_NOFOLLOW) < 0 ||
            st.st_uid == dir.st_uid || dir.st_uid == 0)
            continue;
        *ret_name = names[i];
        user_name(st.st_uid, ret);
        return true;
    }
    return false;
}

static bool latest(const struct pnd_dump *dump, void *ctx)
{
    struct pnd_dump *ret = ctx;

    if (dump->received_ms > ret->received_ms)
        *ret = *dump;
    return true;
}

void pnd_doctor_catalog(struct pnd_doctor *doctor)
{
    char owner[USER_CAP], word[PND_DOCTOR_OPERAND_CAP], fix[PND_DOCTOR_TEXT_CAP];
    struct pnd_catalog *catalog = NULL;
    struct pnd_dump last = {0};
    struct pnd_why why = {0};
    const char *file = NULL;
    uint64_t id = 0;
    int err;

    if (!doctor->spool_open)
        return;
    err = pnd_catalog_open(&doctor->ctl->spool, true, &catalog, NULL, &why);
    if (!err)
        err = pnd_catalog_last_id(catalog, &id, &why);
    if (!err)
        err = pnd_catalog_each(catalog, false, latest, &last, &why);
    pnd_catalog_close(catalog);
    if (unwritable(doctor, owner, &file)) {
        snprintf(fix, sizeof(fix), "chown --reference=%s/.panicd %s/.panicd/%s",
                 pnd_doctor_operand(doctor->ctl->spool.path, word), word, file);
        pnd_doctor_add(doctor, "catalog", PND_DOCTOR_FAIL, fix,
                       ".panicd/%s belongs to %s, so that panicd cannot write it", file, owner);
    } else if (err == PND_E_NOTFOUND) {
        pnd_doctor_add(doctor, "catalog", doctor->server ? PND_DOCTOR_FAIL : PND_DOCTOR_WARN,
                       "restart panicd, which makes it again from the files", "it is missing");
    } else if (err == PND_E_FORMAT) {
        pnd_doctor_add(doctor, "catalog", PND_DOCTOR_FAIL,
                       "restart panicd, which sets it aside and makes it again from the files",
                       "it is damaged: %s", why.text);
    } else if (err) {
        pnd_doctor_add(doctor, "catalog", PND_DOCTOR_FAIL, geteuid() ? "sudo panicctl doctor" : "",
                       "%s", why.text);
    } else if (last.received_ms > pnd_clock_wall_ms() + 60000) {
        pnd_doctor_add(doctor, "catalog", PND_DOCTOR_WARN, "date; timedatectl",
                       "dump %" PRIu64 " came in the future: the clock was set back", last.id);
    } else {
        pnd_doctor_add(doctor, "catalog", PND_DOCTOR_OK, "", "in order, last number %" PRIu64, id);
    }
}

/* ---- journal and lock ---- */

/* Who has the directory's lock; only a living process can. @return 0: nobody */
static pid_t lock_holder(const struct pnd_spool *spool)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int fd = openat(spool->state_fd, "lock", O_RDWR | O_NOFOLLOW | O_CLOEXEC);

    if (fd < 0)
        return 0;
    if (fcntl(fd, F_GETLK, &lock) < 0 || lock.l_type == F_UNLCK)
        lock.l_pid = 0;
    close(fd);
    return lock.l_pid;
}

void pnd_doctor_journal(struct pnd_doctor *doctor)
{
    const json_t *said = json_object_get(json_object_get(doctor->server, "journal"), "slots");
    char fix[PND_DOCTOR_TEXT_CAP];
    uint32_t slots = 0;
    pid_t holder;
    int err;

    if (!doctor->spool_open)
        return;
    holder = lock_holder(&doctor->ctl->spool);
    err = pnd_journal_look(&doctor->ctl->spool, &slots);
    if (!doctor->server && holder > 0) {
        snprintf(fix, sizeof(fix),
                 "kill %ld; panicd can be killed at any time and goes on when it "
                 "is started again",
                 (long)holder);
        pnd_doctor_add(doctor, "journal", PND_DOCTOR_FAIL, fix,
                       "process %ld holds the directory, but does not answer", (long)holder);
    } else if (err == PND_E_NOTFOUND) {
        pnd_doctor_add(doctor, "journal", doctor->server ? PND_DOCTOR_FAIL : PND_DOCTOR_WARN,
                       "restart panicd, which makes it",
                       "it is missing: a restart would lose what is arriving");
    } else if (err == PND_E_FORMAT) {
        pnd_doctor_add(doctor, "journal", PND_DOCTOR_FAIL,
                       "restart panicd, which sets it aside as journal.bad",
                       "it is damaged, or of another version");
    } else if (err) {
        pnd_doctor_add(doctor, "journal", PND_DOCTOR_WARN, geteuid() ? "sudo panicctl doctor" : "",
                       "it cannot be read: %s", strerror(errno));
    } else if (said && (json_int_t)slots != json_integer_value(said)) {
        pnd_doctor_add(doctor, "journal", PND_DOCTOR_FAIL, "restart panicd",
                       "it has %u slots, but panicd uses %lld: somebody has cut or replaced it",
                       slots, (long long)json_integer_value(said));
    } else {
        pnd_doctor_add(doctor, "journal", PND_DOCTOR_OK, "", "room for %u dumps at a time", slots);
    }
}

/* ---- what was left ---- */

static bool is_part(const char *file)
{
    static const char suffix[] = ".part";
    size_t len = strlen(file);

    return len >= sizeof(suffix) && file[0] != '.' &&
           strcmp(file + len - (sizeof(suffix) - 1), suffix) == 0;
}

static bool is_claimed(const json_t *transfers, const char *file)
{
    const json_t *at;
    size_t i;

    json_array_foreach(transfers, i, at)
    {
        const char *claimed = json_string_value(json_object_get(at, "file"));

        if (claimed && strcmp(claimed, file) == 0)
            return true;
    }
    return false;
}

/* One that ended since the server was asked has another name by now. */
static bool is_there(const struct pnd_spool *spool, const char *file)
{
    struct stat st;

    return fstatat(spool->dir_fd, file, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode);
}

static int count_parts(const struct pnd_doctor *doctor, unsigned *ret_parts, unsigned *ret_left)
{
    const struct pnd_spool *spool = &doctor->ctl->spool;
    int fd = openat(spool->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    const struct dirent *entry;
    json_t *answer = NULL;
    struct pnd_why why;

    if (!dir) {
        if (fd >= 0)
            close(fd);
        return PND_E_SYS;
    }
    if (doctor->server && pnd_socket_get(spool, "transfers", &answer, &why)) {
        closedir(dir);
        return PND_E_SYS;
    }
    while ((entry = readdir(dir))) {
        if (!is_part(entry->d_name) || !is_there(spool, entry->d_name))
            continue;
        ++*ret_parts;
        *ret_left += !is_claimed(json_object_get(answer, "transfers"), entry->d_name) &&
                     json_integer_value(json_object_get(answer, "ending")) == 0;
    }
    closedir(dir);
    json_decref(answer);
    return PND_OK;
}

void pnd_doctor_parts(struct pnd_doctor *doctor)
{
    char start[PND_PRINT_NAME_CAP], name[PND_PRINT_NAME_CAP];
    unsigned parts = 0, left = 0;

    if (!doctor->spool_open)
        return;
    if (count_parts(doctor, &parts, &left)) {
        pnd_doctor_add(doctor, "left over", PND_DOCTOR_WARN, "", "the directory cannot be read");
        return;
    }
    snprintf(start, sizeof(start), "panicd %.300s", pnd_print_name(name, doctor->ctl->directory));
    if (parts && !doctor->server)
        pnd_doctor_add(
            doctor, "left over", PND_DOCTOR_WARN, start,
            "%u dump%s arriving when panicd ended: when it starts, it goes on with them, "
            "or ends them",
            parts, parts == 1 ? " was" : "s were");
    else if (left)
        pnd_doctor_add(doctor, "left over", PND_DOCTOR_WARN,
                       "restart panicd, which keeps them as incomplete",
                       "%u .part file%s that panicd is not receiving", left, left == 1 ? "" : "s");
    else
        pnd_doctor_add(doctor, "left over", PND_DOCTOR_OK, "", "nothing; %u arriving", parts);
}
