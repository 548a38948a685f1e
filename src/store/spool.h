/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The directory of dumps. What a person sees in it:
 *   NAME.part        arriving
 *   NAME             whole, as far as the sender said (EOF came and is durable)
 *   NAME.incomplete  ended before that
 *   NAME.kdh, .key   what came with it (store/beside.h), whatever form NAME has
 *   PATH/NAME        a link to it, if its sender named a directory (store/paths.h)
 *   .panicd/         lock, journal, catalog.db, control (socket)
 * Directories are 0700, files 0600. Names are resolved beneath the directory only
 * (openat2 RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS where the kernel has it, O_NOFOLLOW always).
 * Every call may run on any thread; none allocates. After a failure errno is the cause.
 * A process that writes ignores SIGXFSZ, or a size limit kills it instead of PND_E_RANGE. */
#ifndef PND_STORE_SPOOL_H
#define PND_STORE_SPOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "host/why.h"

enum {
    PND_SPOOL_NAME_CAP = 256,   /* a file name with its NUL, suffixes included */
    PND_SPOOL_TRIES_MAX = 1000, /* suffixes .1 .2 ... tried for a taken name */
};

struct pnd_spool {
    int dir_fd;      /* the dumps */
    int state_fd;    /* .panicd */
    int lock_fd;     /* -1: opened for reading only */
    bool foreign;    /* the directory was no spool until now, and has files in it */
    char path[4096]; /* absolute where /proc is mounted, for messages */
};

/* Creates the directory (not its parents) and .panicd where missing, and takes the lock: one
 * server per directory. The lock is the process's: children do not inherit it, so that one which
 * outlives a killed server keeps nobody out; and it is gone when this process closes any
 * descriptor of .panicd/lock, which nothing but this file opens.
 *   @return PND_OK; PND_E_BUSY another server holds it (why names its pid); PND_E_NOSPACE;
 *           PND_E_SYS */
int pnd_spool_open(struct pnd_spool *ret, const char *path, struct pnd_why *why);

/* For the tools: no lock, nothing is created. @return PND_OK; PND_E_NOTFOUND; PND_E_SYS */
int pnd_spool_open_readonly(struct pnd_spool *ret, const char *path, struct pnd_why *why);
void pnd_spool_close(struct pnd_spool *spool);

/* What root makes in another user's spool is that user's (who owns .panicd), or a server that is
 * not root could not open it. Nothing is done for anybody else.
 *   @return PND_OK; PND_E_SYS (errno) */
int pnd_spool_give(const struct pnd_spool *spool, int fd);

/* Is @p name safe to keep as the sender gave it: 1 to 200 bytes of [A-Za-z0-9._+,:@=-], not
 * starting with '.' or '-', not ending in ".part", ".incomplete", ".kdh" or ".key". */
bool pnd_spool_name_safe(const char *name);

/* "<prefix>-<label>-<stamp>", always safe: label e.g. the peer's address, of which 64 bytes at most
 * are taken; stamp UTC like 20261122T063000Z from @p now_s. @p prefix is safe. */
void pnd_spool_make_name(const char *prefix, const char *label, int64_t now_s,
                         char ret[PND_SPOOL_NAME_CAP]);

/* The file name for a dump: @p wanted if it is safe and none of store/savecore.h's beside a
 * dump, else as pnd_spool_make_name() has it, "unnamed-<label>-<stamp>"; with ".1", ".2" ... before
 * a trailing ".gz" when NAME is taken, in any of its forms.
 *   @return PND_OK; PND_E_EXISTS all of PND_SPOOL_TRIES_MAX are taken; PND_E_SYS */
int pnd_spool_pick(const struct pnd_spool *spool, const char *wanted, const char *label,
                   int64_t now_s, char ret[PND_SPOOL_NAME_CAP], struct pnd_why *why);

/* NAME.part, created (O_EXCL) or, with @p resume, opened if it is there and created if not.
 *   @param ret_fd  read-write, close-on-exec, the caller's
 *   @return PND_OK; PND_E_EXISTS (pick another name); PND_E_NOSPACE; PND_E_SYS */
int pnd_spool_create(const struct pnd_spool *spool, const char *name, bool resume, int *ret_fd,
                     struct pnd_why *why);

/* All of @p len bytes at @p offset. @return PND_OK; PND_E_NOSPACE (ENOSPC, EDQUOT); PND_E_RANGE
 * (EFBIG); PND_E_SYS */
int pnd_spool_write(int fd, const void *data, size_t len, uint64_t offset);

/* fsync, NAME.part -> NAME (never over an existing file: another suffix is chosen), in that
 * order; the directory is synced by pnd_spool_sync(), once for any number of these.
 *   @param name  in: as picked; out: the final name
 *   @return PND_OK; PND_E_EXISTS all of PND_SPOOL_TRIES_MAX are taken; PND_E_NOSPACE; PND_E_SYS
 *           (nothing was renamed) */
int pnd_spool_finish(const struct pnd_spool *spool, int fd, char name[PND_SPOOL_NAME_CAP],
                     struct pnd_why *why);

/* NAME.part -> NAME.incomplete, after fsync if @p fd >= 0. @p name as in pnd_spool_finish();
 * out: with its ".incomplete". Also turns a whole NAME into NAME.incomplete when a check proves
 * it is not whole (@p from_final). A failed fsync keeps nothing from being renamed: PND_OK, and
 * said in @p why, which is empty otherwise.
 *   @return PND_OK; PND_E_EXISTS; PND_E_NOSPACE; PND_E_SYS (nothing was renamed) */
int pnd_spool_abandon(const struct pnd_spool *spool, int fd, bool from_final,
                      char name[PND_SPOOL_NAME_CAP], struct pnd_why *why);
/* The way back: NAME.incomplete -> NAME.part, never over a file, when it is a regular file of at
 * least @p bytes that nobody has written since @p kept_ms (wall clock).
 *   @param ret_name  NAME   @param ret_fd  as of pnd_spool_create()
 *   @return PND_OK; PND_E_NOTFOUND no such file, or one that has changed; PND_E_EXISTS; PND_E_SYS
 *           (nothing was renamed) */
int pnd_spool_take_back(const struct pnd_spool *spool, const char *file, uint64_t bytes,
                        int64_t kept_ms, char ret_name[PND_SPOOL_NAME_CAP], int *ret_fd,
                        struct pnd_why *why);
int pnd_spool_sync(const struct pnd_spool *spool, struct pnd_why *why);

/* A regular file of the directory, read-only, close-on-exec; a link, a path or anything else is
 * none. @return fd; PND_E_NOTFOUND; PND_E_SYS */
int pnd_spool_open_file(const struct pnd_spool *spool, const char *file);

/* Bytes free for this user, and of the whole file system. @return PND_OK; PND_E_SYS */
int pnd_spool_room(const struct pnd_spool *spool, uint64_t *ret_free, uint64_t *ret_total);

#endif
