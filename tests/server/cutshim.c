/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Preloaded into panicd or panicctl: counts its operations on files and packets, and kills it, as
 * hard as kill -9, before operation PND_CUT_AT. PND_CUT_REPORT names a file that gets the count at
 * a normal end. PND_CUT_GATE names a file that, as long as it is there, keeps write-back from
 * coming to an end: a slow disk. A datagram counts when it has been received, a batch of replies
 * before it leaves.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/xattr.h>
#include <unistd.h>

static atomic_long operations;
static long cut_at;
static const char *report, *gate;

static void *real(const char *name)
{
    return dlsym(RTLD_NEXT, name);
}

__attribute__((constructor)) static void begin(void)
{
    const char *at = getenv("PND_CUT_AT");

    cut_at = at ? strtol(at, NULL, 10) : 0;
    report = getenv("PND_CUT_REPORT");
    gate = getenv("PND_CUT_GATE");
    unsetenv("LD_PRELOAD"); /* its children live */
}

__attribute__((destructor)) static void end(void)
{
    FILE *file = report ? fopen(report, "w") : NULL;

    if (!file)
        return;
    fprintf(file, "%ld\n", (long)operations);
    fclose(file);
}

static void step(void)
{
    if (atomic_fetch_add(&operations, 1) + 1 == cut_at)
        kill(getpid(), SIGKILL);
}

#define WRAP(type, name, params, args)                                                             \
    type name params;                                                                              \
    type name params                                                                               \
    {                                                                                              \
        static type(*next) params; /* NOLINT(bugprone-macro-parentheses): a type */                \
        if (!next)                                                                                 \
            *(void **)&next = real(#name);                                                         \
        step();                                                                                    \
        return next args;                                                                          \
    }

WRAP(ssize_t, pwrite64, (int fd, const void *buf, size_t len, off64_t at), (fd, buf, len, at))
WRAP(ssize_t, copy_file_range,
     (int from, off64_t *in, int to, off64_t *out, size_t len, unsigned flags),
     (from, in, to, out, len, flags))
WRAP(int, unlink, (const char *path), (path))
WRAP(int, fchmod, (int fd, mode_t mode), (fd, mode))
WRAP(int, futimens, (int fd, const struct timespec times[2]), (fd, times))
WRAP(int, ftruncate64, (int fd, off64_t len), (fd, len))
WRAP(int, fsync, (int fd), (fd))
WRAP(int, fdatasync, (int fd), (fd))
WRAP(int, posix_fallocate64, (int fd, off64_t at, off64_t len), (fd, at, len))
WRAP(int, unlinkat, (int fd, const char *path, int flags), (fd, path, flags))
WRAP(int, linkat, (int from_fd, const char *from, int to_fd, const char *to, int flags),
     (from_fd, from, to_fd, to, flags))
WRAP(int, renameat, (int from_fd, const char *from, int to_fd, const char *to),
     (from_fd, from, to_fd, to))
WRAP(int, renameat2, (int from_fd, const char *from, int to_fd, const char *to, unsigned flags),
     (from_fd, from, to_fd, to, flags))
WRAP(int, symlinkat, (const char *to, int fd, const char *path), (to, fd, path))
WRAP(int, mkdirat, (int fd, const char *path, mode_t mode), (fd, path, mode))
WRAP(int, fsetxattr, (int fd, const char *name, const void *value, size_t len, int flags),
     (fd, name, value, len, flags))
WRAP(ssize_t, sendmsg, (int fd, const struct msghdr *msg, int flags), (fd, msg, flags))
WRAP(int, sendmmsg, (int fd, struct mmsghdr *msgs, unsigned count, int flags),
     (fd, msgs, count, flags))

int sync_file_range(int fd, off64_t from, off64_t len, unsigned flags)
{
    static int (*next)(int, off64_t, off64_t, unsigned);

    if (!next)
        *(void **)&next = real("sync_file_range");
    step();
    while (gate && access(gate, F_OK) == 0)
        usleep(1000);
    return next(fd, from, len, flags);
}

int recvmmsg(int fd, struct mmsghdr *msgs, unsigned count, int flags, struct timespec *timeout)
{
    static int (*next)(int, struct mmsghdr *, unsigned, int, struct timespec *);
    int got;

    if (!next)
        *(void **)&next = real("recvmmsg");
    got = next(fd, msgs, count, flags, timeout);
    if (got > 0)
        step();
    return got;
}

/* The same for one alone. */
ssize_t recvmsg(int fd, struct msghdr *msg, int flags)
{
    static ssize_t (*next)(int, struct msghdr *, int);
    ssize_t got;

    if (!next)
        *(void **)&next = real("recvmsg");
    got = next(fd, msg, flags);
    if (got > 0)
        step();
    return got;
}

int openat64(int fd, const char *path, int flags, ...)
{
    static int (*next)(int, const char *, int, ...);
    va_list args;
    mode_t mode;

    if (!next)
        *(void **)&next = real("openat64");
    va_start(args, flags);
    mode = va_arg(args, mode_t);
    va_end(args);
    if (flags & O_CREAT)
        step();
    return next(fd, path, flags, mode);
}

/* openat2 has no wrapper in the C library; it comes here. */
long syscall(long number, ...)
{
    static long (*next)(long, ...);
    va_list args;
    long a[6];

    if (!next)
        *(void **)&next = real("syscall");
    va_start(args, number);
    for (int i = 0; i < 6; i++)
        a[i] = va_arg(args, long);
    va_end(args);
    if (number == SYS_openat2 || number == SYS_renameat2)
        step();
    return next(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}
