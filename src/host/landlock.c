/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Landlock by its numbers, because the headers of the oldest supported system know less than the
 * kernels it may run; see landlock.h. */
#include "host/landlock.h"

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "host/guard.h"

enum {
    LL_CREATE_VERSION = 1, /* flag: ask for the ABI instead of making a ruleset */
    LL_RULE_PATH_BENEATH = 1,
    LL_FS_EXECUTE = 1,
    LL_FS_WRITE_FILE = 1 << 1,
    LL_FS_READ_FILE = 1 << 2,
    LL_FS_READ_DIR = 1 << 3,
    LL_FS_REMOVE_FILE = 1 << 5,
    LL_FS_MAKE_REG = 1 << 8,
    LL_FS_ACCESS_ABI1 = 0x1fff, /* execute, write, read, ... make_sym */
    LL_FS_REFER = 1 << 13,      /* ABI 2 */
    LL_FS_TRUNCATE = 1 << 14,   /* ABI 3 */
    LL_NET_TCP = 3,             /* ABI 4: bind, connect */
    LL_FS_IOCTL_DEV = 1 << 15,  /* ABI 5 */
    LL_SCOPED = 3,              /* ABI 6: abstract sockets, signals */
};

struct landlock_rules {
    uint64_t fs, net, scoped; /* what is forbidden, but for what a rule allows */
};

struct __attribute__((packed)) landlock_beneath {
    uint64_t allowed;
    int32_t dir_fd;
};

#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_add_rule       445
#define SYS_landlock_restrict_self  446
#endif

bool pnd_landlock_known(void)
{
    return syscall(SYS_landlock_create_ruleset, NULL, (size_t)0, LL_CREATE_VERSION) >= 1;
}

enum {
    ALLOW_READING = LL_FS_READ_FILE | LL_FS_READ_DIR,
    ALLOW_WRITING =
        ALLOW_READING | LL_FS_WRITE_FILE | LL_FS_REMOVE_FILE | LL_FS_MAKE_REG | LL_FS_TRUNCATE,
    ALLOW_RUNNING = ALLOW_READING | LL_FS_EXECUTE,
};

static int allow_beneath(int rules_fd, int dir_fd, uint64_t allowed, struct pnd_why *why)
{
    const struct landlock_beneath rule = {.allowed = allowed, .dir_fd = dir_fd};

    if (syscall(SYS_landlock_add_rule, rules_fd, LL_RULE_PATH_BENEATH, &rule, 0) != 0)
        return pnd_why(why, PND_E_SYS, errno, "allow a directory in the Landlock ruleset");
    return PND_OK;
}

/* @param allowed  beneath @p dir_fd   @param left  rights of LL_FS_* that nothing is said about
 * @param tcp  may TCP be used? */
static int enter(int dir_fd, uint64_t allowed, uint64_t left, bool tcp, struct pnd_why *why)
{
    long abi = syscall(SYS_landlock_create_ruleset, NULL, (size_t)0, LL_CREATE_VERSION);
    struct landlock_rules rules = {.fs = LL_FS_ACCESS_ABI1};
    size_t len = offsetof(struct landlock_rules, net);

    if (abi < 1)
        return PND_OK; /* not in this kernel: seccomp stands alone */
    rules.fs |= abi >= 2 ? LL_FS_REFER : 0;
    rules.fs |= abi >= 3 ? LL_FS_TRUNCATE : 0;
    rules.fs |= abi >= 5 ? LL_FS_IOCTL_DEV : 0;
    rules.fs &= ~left;
    rules.net = abi >= 4 && !tcp ? LL_NET_TCP : 0;
    rules.scoped = abi >= 6 ? LL_SCOPED : 0;
    len = abi >= 4 ? offsetof(struct landlock_rules, scoped) : len;
    len = abi >= 6 ? sizeof(rules) : len;

    PND_AUTO_CLOSE int fd = (int)syscall(SYS_landlock_create_ruleset, &rules, len, 0);
    if (fd < 0)
        return pnd_why(why, PND_E_SYS, errno, "make a Landlock ruleset");
    if (dir_fd >= 0 && allow_beneath(fd, dir_fd, rules.fs & allowed, why))
        return PND_E_SYS;
    if (syscall(SYS_landlock_restrict_self, fd, 0) != 0)
        return pnd_why(why, PND_E_SYS, errno, "enter the Landlock ruleset");
    return PND_OK;
}

int pnd_landlock_enter(int dir_fd, struct pnd_why *why)
{
    return enter(dir_fd, ALLOW_WRITING, 0, false, why);
}

int pnd_landlock_enter_reading(int dir_fd, struct pnd_why *why)
{
    return enter(dir_fd, ALLOW_READING, 0, false, why);
}

int pnd_landlock_enter_running(int dir_fd, struct pnd_why *why)
{
    return enter(dir_fd, ALLOW_RUNNING, 0, false, why);
}

int pnd_landlock_enter_sending(int dir_fd, struct pnd_why *why)
{
    return enter(dir_fd, ALLOW_WRITING, ALLOW_READING, true, why);
}
