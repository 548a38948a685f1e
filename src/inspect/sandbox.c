/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The cage of the checking child; see sandbox.h. */
#include "inspect/sandbox.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <seccomp.h>

#include "host/landlock.h"
#include "inspect/sanitizer.h"

#ifndef SYS_close_range
#define SYS_close_range 436
#endif

static int limit(int what, uint64_t max, struct pnd_why *why)
{
    struct rlimit now, want = {.rlim_cur = max, .rlim_max = max};

    if (getrlimit((__rlimit_resource_t)what, &now) == 0 && now.rlim_max < want.rlim_max) {
        want.rlim_max = now.rlim_max; /* never up: that would need a privilege */
        want.rlim_cur = now.rlim_max;
    }
    if (setrlimit((__rlimit_resource_t)what, &want) != 0)
        return pnd_why(why, PND_E_SYS, errno, "set resource limit %d", what);
    return PND_OK;
}

static int limit_all(const struct pnd_sandbox *sandbox, struct pnd_why *why)
{
    int err = sandbox->cpu_s_max ? limit(RLIMIT_CPU, sandbox->cpu_s_max, why) : PND_OK;

    if (!err && !PND_SANITIZED)
        err = limit(RLIMIT_AS, sandbox->memory_max, why);
    if (!err)
        err = limit(RLIMIT_FSIZE, 0, why);
    if (!err)
        err = limit(RLIMIT_CORE, 0, why);
    if (!err)
        err = limit(RLIMIT_NOFILE, 0, why);
    return err;
}

/* Calls that take any arguments. None that blocks a signal, which rt_sigreturn can do, too: that
 * would be the end of the limit on processor time. */
static const int calls_free[] = {
    SCMP_SYS(lseek), SCMP_SYS(fstat),   SCMP_SYS(munmap),     SCMP_SYS(mremap),
    SCMP_SYS(brk),   SCMP_SYS(exit),    SCMP_SYS(exit_group), SCMP_SYS(clock_gettime),
    SCMP_SYS(futex), SCMP_SYS(madvise),
};

/* What the run-time of the sanitizers calls besides. */
static const int calls_sanitizer[] = {
    SCMP_SYS(sigaltstack),  SCMP_SYS(getpid),    SCMP_SYS(gettid),       SCMP_SYS(sched_yield),
    SCMP_SYS(rt_sigaction), SCMP_SYS(getrlimit), SCMP_SYS(rt_sigreturn), SCMP_SYS(rt_sigprocmask),
};

static int allow_reading(scmp_filter_ctx ctx, bool go)
{
    static const int reads[] = {SCMP_SYS(read), SCMP_SYS(pread64)};
    int err = 0;

    for (size_t i = 0; !err && i < sizeof(reads) / sizeof(*reads); i++)
        err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, reads[i], 1,
                               SCMP_A0(SCMP_CMP_EQ, PND_SANDBOX_DUMP_FD, 0));
    if (!err && go)
        err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(read), 1,
                               SCMP_A0(SCMP_CMP_EQ, PND_SANDBOX_GO_FD, 0));
    if (!err)
        err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(write), 1,
                               SCMP_A0(SCMP_CMP_EQ, PND_SANDBOX_ANSWER_FD, 0));
    /* Memory, but none that could be executed and none that is a file. */
    if (!err)
        err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 2,
                               SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0),
                               SCMP_A3(SCMP_CMP_MASKED_EQ, MAP_ANONYMOUS, MAP_ANONYMOUS));
    if (!err)
        err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
                               SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
    return err;
}

static int deny_calls(bool go, struct pnd_why *why)
{
    scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_KILL_PROCESS);
    int err;

    if (!ctx)
        return pnd_why(why, PND_E_SYS, ENOMEM, "make a seccomp filter");
    err = allow_reading(ctx, go);
    for (size_t i = 0; !err && i < sizeof(calls_free) / sizeof(*calls_free); i++)
        err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, calls_free[i], 0);
    for (size_t i = 0; PND_SANITIZED && !err && i < sizeof(calls_sanitizer) / sizeof(int); i++)
        err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, calls_sanitizer[i], 0);
    if (PND_SANITIZED && !err) /* their reports */
        err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(write), 1,
                               SCMP_A0(SCMP_CMP_EQ, STDERR_FILENO, 0));
    if (!err)
        err = seccomp_load(ctx);
    seccomp_release(ctx);
    if (err)
        return pnd_why(why, PND_E_SYS, -err, "enter the seccomp filter");
    return PND_OK;
}

int pnd_sandbox_enter(const struct pnd_sandbox *sandbox, struct pnd_why *why)
{
    unsigned last = sandbox->go ? PND_SANDBOX_GO_FD : PND_SANDBOX_ANSWER_FD;
    int err;

    if (syscall(SYS_close_range, last + 1, ~0U, 0) != 0 && errno != ENOSYS)
        return pnd_why(why, PND_E_SYS, errno, "close the other descriptors");
    for (int fd = 0; fd < PND_SANDBOX_DUMP_FD; fd++) {
        if (!PND_SANITIZED || fd != STDERR_FILENO)
            close(fd);
    }
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return pnd_why(why, PND_E_SYS, errno, "give up new privileges");
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
        return pnd_why(why, PND_E_SYS, errno, "hide from debuggers");
    err = pnd_landlock_enter(-1, why);
    if (!err)
        err = limit_all(sandbox, why);
    if (!err)
        err = deny_calls(sandbox->go, why);
    return err;
}
