/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Landlock and seccomp around the page; see cage.h. */
#include "panicweb/cage.h"

#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

#include "host/landlock.h"
#include "inspect/sanitizer.h"

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

/* With any arguments: what they can name is what is open, and what Landlock lets be opened. */
static const int calls_free[] = {
    /* bytes */
    SCMP_SYS(read), SCMP_SYS(pread64), SCMP_SYS(readv), SCMP_SYS(write), SCMP_SYS(writev),
    SCMP_SYS(lseek), SCMP_SYS(close), SCMP_SYS(sendfile), SCMP_SYS(recvfrom), SCMP_SYS(recvmsg),
    SCMP_SYS(sendto), SCMP_SYS(sendmsg), SCMP_SYS(shutdown), SCMP_SYS(accept4), SCMP_SYS(connect),
    SCMP_SYS(getsockopt), SCMP_SYS(setsockopt), SCMP_SYS(getsockname), SCMP_SYS(getpeername),
    SCMP_SYS(pipe2), SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(select), SCMP_SYS(pselect6),
    SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait), SCMP_SYS(epoll_ctl),
    /* files, to look at */
    SCMP_SYS(fstat), SCMP_SYS(stat), SCMP_SYS(lstat), SCMP_SYS(newfstatat), SCMP_SYS(statx),
    SCMP_SYS(statfs), SCMP_SYS(fstatfs), SCMP_SYS(access), SCMP_SYS(faccessat),
    SCMP_SYS(faccessat2), SCMP_SYS(readlink), SCMP_SYS(readlinkat), SCMP_SYS(getdents64),
    SCMP_SYS(getcwd), SCMP_SYS(fgetxattr), SCMP_SYS(fcntl), SCMP_SYS(flock),
    /* the process itself */
    SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(brk), SCMP_SYS(madvise), SCMP_SYS(futex),
    SCMP_SYS(clock_gettime), SCMP_SYS(clock_nanosleep), SCMP_SYS(nanosleep), SCMP_SYS(gettimeofday),
    SCMP_SYS(time), SCMP_SYS(getrandom), SCMP_SYS(getpid), SCMP_SYS(gettid), SCMP_SYS(tgkill),
    SCMP_SYS(getuid), SCMP_SYS(geteuid), SCMP_SYS(getgid), SCMP_SYS(getegid), SCMP_SYS(uname),
    SCMP_SYS(sysinfo), SCMP_SYS(getrusage), SCMP_SYS(sched_yield), SCMP_SYS(sched_getaffinity),
    SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn),
    SCMP_SYS(rt_sigtimedwait), SCMP_SYS(sigaltstack), SCMP_SYS(restart_syscall), SCMP_SYS(rseq),
    SCMP_SYS(set_robust_list), SCMP_SYS(exit), SCMP_SYS(exit_group),
    SCMP_SYS(wait4), /* for the runner, at the end */
};

static int allow_opening(scmp_filter_ctx ctx)
{
    static const scmp_datum_t writing = O_WRONLY | O_RDWR | O_CREAT | O_TRUNC | O_APPEND;
    int err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(openat), 1,
                               SCMP_A2(SCMP_CMP_MASKED_EQ, writing, 0));

    if (!err)
        err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(open), 1,
                               SCMP_A1(SCMP_CMP_MASKED_EQ, writing, 0));
    /* Its flags are in memory, where no filter looks: Landlock does. */
    if (!err)
        err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(openat2), 0);
    return err;
}

static int allow_some(scmp_filter_ctx ctx)
{
    int err = allow_opening(ctx);

    /* Memory, also of the catalog's files, but none that could be executed. */
    if (!err)
        err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
                               SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
    if (!err)
        err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
                               SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
    if (!err)
        err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
                               SCMP_A1(SCMP_CMP_EQ, FIONBIO, 0));
    if (!err) /* a thread that has just begun says what it is called */
        err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(prctl), 1,
                               SCMP_A0(SCMP_CMP_EQ, PR_SET_NAME, 0));
    if (!err) /* to panicd, and for systemd's notification */
        err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1,
                               SCMP_A0(SCMP_CMP_EQ, AF_UNIX, 0));
    if (!err)
        err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(socketpair), 1,
                               SCMP_A0(SCMP_CMP_EQ, AF_UNIX, 0));
    return err;
}

int pnd_web_cage_files(const struct pnd_spool *spool, struct pnd_why *why)
{
    const struct rlimit none = {0};

    if (PND_SANITIZED)
        return PND_OK;
    tzset(); /* the time zone is a file */
    if (setrlimit(RLIMIT_CORE, &none) != 0)
        return pnd_why(why, PND_E_SYS, errno, "do without core files");
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return pnd_why(why, PND_E_SYS, errno, "give up new privileges");
    return pnd_landlock_enter_reading(spool->dir_fd, why);
}

int pnd_web_cage_calls(struct pnd_why *why)
{
    scmp_filter_ctx ctx;
    int err;

    if (PND_SANITIZED)
        return PND_OK;
    ctx = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    if (!ctx)
        return pnd_why(why, PND_E_SYS, ENOMEM, "make a seccomp filter");
    err = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    if (!err)
        err = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_TSYNC, 1);
    for (size_t i = 0; !err && i < COUNT(calls_free); i++)
        err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, calls_free[i], 0);
    if (!err)
        err = allow_some(ctx);
    if (!err)
        err = seccomp_load(ctx);
    seccomp_release(ctx);
    return err ? pnd_why(why, PND_E_SYS, -err, "enter the seccomp filter") : PND_OK;
}
