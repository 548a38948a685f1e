/* SPDX-License-Identifier: BSD-2-Clause
 *
 * seccomp and Landlock around a dump; see cage.h. */
#include "panicctl/cage.h"

#include <assert.h>
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
#include <unistd.h>

#include "host/landlock.h"

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

/* With any arguments: what they can name is what is open, and what Landlock lets be opened. */
static const int calls_free[] = {
    /* bytes */
    SCMP_SYS(read),
    SCMP_SYS(pread64),
    SCMP_SYS(readv),
    SCMP_SYS(write),
    SCMP_SYS(pwrite64),
    SCMP_SYS(writev),
    SCMP_SYS(lseek),
    SCMP_SYS(close),
    SCMP_SYS(recvfrom),
    SCMP_SYS(recvmsg),
    SCMP_SYS(sendto),
    SCMP_SYS(sendmsg),
    SCMP_SYS(shutdown),
    SCMP_SYS(poll),
    SCMP_SYS(ppoll),
    /* files: the dump's, the catalog's */
    SCMP_SYS(open),
    SCMP_SYS(openat),
    SCMP_SYS(openat2),
    SCMP_SYS(fstat),
    SCMP_SYS(stat),
    SCMP_SYS(lstat),
    SCMP_SYS(newfstatat),
    SCMP_SYS(statx),
    SCMP_SYS(statfs),
    SCMP_SYS(fstatfs),
    SCMP_SYS(access),
    SCMP_SYS(faccessat),
    SCMP_SYS(faccessat2),
    SCMP_SYS(readlink),
    SCMP_SYS(readlinkat),
    SCMP_SYS(getdents64),
    SCMP_SYS(getcwd),
    SCMP_SYS(mkdir),
    SCMP_SYS(mkdirat),
    SCMP_SYS(linkat),
    SCMP_SYS(unlink),
    SCMP_SYS(unlinkat),
    SCMP_SYS(rename),
    SCMP_SYS(renameat),
    SCMP_SYS(renameat2),
    SCMP_SYS(ftruncate),
    SCMP_SYS(fallocate),
    SCMP_SYS(fsync),
    SCMP_SYS(fdatasync),
    SCMP_SYS(flock),
    SCMP_SYS(fchmod),
    SCMP_SYS(fchown),
    SCMP_SYS(fsetxattr),
    SCMP_SYS(fgetxattr),
    SCMP_SYS(fremovexattr),
    /* the process itself */
    SCMP_SYS(munmap),
    SCMP_SYS(mremap),
    SCMP_SYS(brk),
    SCMP_SYS(madvise),
    SCMP_SYS(futex),
    SCMP_SYS(clock_gettime),
    SCMP_SYS(clock_nanosleep),
    SCMP_SYS(nanosleep),
    SCMP_SYS(gettimeofday),
    SCMP_SYS(time),
    SCMP_SYS(getrandom),
    SCMP_SYS(getpid),
    SCMP_SYS(gettid),
    SCMP_SYS(getuid),
    SCMP_SYS(geteuid),
    SCMP_SYS(getgid),
    SCMP_SYS(getegid),
    SCMP_SYS(uname),
    SCMP_SYS(sched_yield),
    SCMP_SYS(rt_sigaction),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(sigaltstack),
    SCMP_SYS(restart_syscall),
    SCMP_SYS(alarm),
    SCMP_SYS(setitimer),
    SCMP_SYS(getrlimit),
    SCMP_SYS(exit),
    SCMP_SYS(exit_group),
    /* the connection */
    SCMP_SYS(getsockopt),
    SCMP_SYS(setsockopt),
    SCMP_SYS(getsockname),
    SCMP_SYS(getpeername),
};

/* What nobody does by mistake. A copy of the connection's descriptor could be connected. */
static const int calls_deadly[] = {
    SCMP_SYS(execve),
    SCMP_SYS(execveat),
    SCMP_SYS(fork),
    SCMP_SYS(vfork),
    SCMP_SYS(clone),
    SCMP_SYS(clone3),
    SCMP_SYS(ptrace),
    SCMP_SYS(process_vm_readv),
    SCMP_SYS(process_vm_writev),
    SCMP_SYS(kill),
    SCMP_SYS(tkill),
    SCMP_SYS(rt_sigqueueinfo),
    SCMP_SYS(pidfd_open),
    SCMP_SYS(pidfd_getfd),
    SCMP_SYS(pidfd_send_signal),
    SCMP_SYS(dup),
    SCMP_SYS(dup2),
    SCMP_SYS(dup3),
    SCMP_SYS(socketpair),
    SCMP_SYS(bind),
    SCMP_SYS(listen),
    SCMP_SYS(accept),
    SCMP_SYS(accept4),
    SCMP_SYS(setuid),
    SCMP_SYS(setgid),
    SCMP_SYS(setreuid),
    SCMP_SYS(setregid),
    SCMP_SYS(setresuid),
    SCMP_SYS(setresgid),
    SCMP_SYS(setgroups),
    SCMP_SYS(capset),
    SCMP_SYS(mount),
    SCMP_SYS(umount2),
    SCMP_SYS(chroot),
    SCMP_SYS(pivot_root),
    SCMP_SYS(unshare),
    SCMP_SYS(setns),
    SCMP_SYS(bpf),
    SCMP_SYS(io_uring_setup),
    SCMP_SYS(userfaultfd),
    SCMP_SYS(keyctl),
    SCMP_SYS(init_module),
    SCMP_SYS(finit_module),
    SCMP_SYS(kexec_load),
    SCMP_SYS(reboot),
};

/* Those of fcntl(2) that make no other descriptor, and send no signals. */
static const int fcntls[] = {F_GETFD, F_SETFD,  F_GETFL,     F_SETFL,     F_GETLK,
                             F_SETLK, F_SETLKW, F_OFD_GETLK, F_OFD_SETLK, F_OFD_SETLKW};
static const unsigned long ioctls[] = {TCGETS, TIOCGWINSZ}; /* is it a terminal, how wide */

static int allow_some(scmp_filter_ctx ctx)
{
    int err = 0;

    for (size_t i = 0; !err && i < COUNT(fcntls); i++)
        err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(fcntl), 1,
                               SCMP_A1(SCMP_CMP_EQ, (scmp_datum_t)fcntls[i], 0));
    for (size_t i = 0; !err && i < COUNT(ioctls); i++)
        err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
                               SCMP_A1(SCMP_CMP_EQ, ioctls[i], 0));
    /* Memory, also of the catalog's files, but none that could be executed. */
    if (!err)
        err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
                               SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
    if (!err)
        err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
                               SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
    return err;
}

/* The server's socket, and no connection of TCP: not even the sender's, which could be taken apart
 * and connected anew. */
static int allow_server(scmp_filter_ctx ctx, int sender_fd)
{
    int err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1,
                               SCMP_A0(SCMP_CMP_EQ, AF_UNIX, 0));

    if (!err)
        err = seccomp_rule_add(ctx, SCMP_ACT_KILL_PROCESS, SCMP_SYS(socket), 1,
                               SCMP_A0(SCMP_CMP_NE, AF_UNIX, 0));
    /* The kernel takes the lower half of an argument for the descriptor, so all of it is compared
     * where a call is allowed, and the lower half where it kills. */
    if (!err)
        err = seccomp_rule_add(
            ctx, SCMP_ACT_ALLOW, SCMP_SYS(connect), 1,
            SCMP_A0(SCMP_CMP_MASKED_EQ, ~(scmp_datum_t)(PND_CAGE_SENDER_FD - 1), 0));
    if (!err && sender_fd >= 0)
        err = seccomp_rule_add(ctx, SCMP_ACT_KILL_PROCESS, SCMP_SYS(connect), 1,
                               SCMP_A0(SCMP_CMP_MASKED_EQ, UINT32_MAX, (scmp_datum_t)sender_fd));
    return err;
}

static int limit_calls(int sender_fd, struct pnd_why *why)
{
    scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    int err;

    if (!ctx)
        return pnd_why(why, PND_E_SYS, ENOMEM, "make a seccomp filter");
    err = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    for (size_t i = 0; !err && i < COUNT(calls_free); i++)
        err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, calls_free[i], 0);
    for (size_t i = 0; !err && i < COUNT(calls_deadly); i++)
        err = seccomp_rule_add(ctx, SCMP_ACT_KILL_PROCESS, calls_deadly[i], 0);
    if (!err)
        err = allow_some(ctx);
    if (!err)
        err = allow_server(ctx, sender_fd);
    if (!err)
        err = seccomp_load(ctx);
    seccomp_release(ctx);
    if (err)
        return pnd_why(why, PND_E_SYS, -err, "enter the seccomp filter");
    return PND_OK;
}

int pnd_cage_enter(const struct pnd_spool *spool, int sender_fd, struct pnd_why *why)
{
    const struct rlimit none = {0};
    int err;

    assert(sender_fd < 0 || sender_fd >= PND_CAGE_SENDER_FD);
    tzset(); /* the time zone is a file */
    if (setrlimit(RLIMIT_CORE, &none) != 0)
        return pnd_why(why, PND_E_SYS, errno, "do without core files");
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return pnd_why(why, PND_E_SYS, errno, "give up new privileges");
    err = pnd_landlock_enter(spool->dir_fd, why);
    if (!err)
        err = limit_calls(sender_fd, why);
    return err ? pnd_why_add(why, err, "lock this process in") : PND_OK;
}
