/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Loading the crash kernel, and taking it out again: see kernel.h.
 * @source kexec_load(2), kexec_file_load(2), kexec(8) */
#include <errno.h>
#include <fcntl.h>
#include <linux/kexec.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "arm/kernel.h"
#include "host/guard.h"

static long file_load(int kernel, int initramfs, const char *cmdline, unsigned long flags)
{
#ifdef SYS_kexec_file_load
    return syscall(SYS_kexec_file_load, kernel, initramfs, strlen(cmdline) + 1, cmdline, flags);
#else
    errno = ENOSYS;
    return -1;
#endif
}

/* Of the older call no segments are none loaded. The newer one works under lockdown, too. */
static long unload(void)
{
#ifdef SYS_kexec_file_load
    if (syscall(SYS_kexec_file_load, -1, -1, 0UL, NULL,
                (unsigned long)(KEXEC_FILE_UNLOAD | KEXEC_FILE_ON_CRASH)) == 0)
        return 0;
    if (errno != ENOSYS)
        return -1;
#endif
    return syscall(SYS_kexec_load, 0UL, 0UL, NULL, (unsigned long)KEXEC_ON_CRASH);
}

/* The last line that comes through the pipe. */
static void read_last_line(int fd, char *said, size_t cap)
{
    char text[4096];
    size_t len = 0;
    ssize_t n;
    char *line;

    while ((n = read(fd, text + len, sizeof(text) - 1 - len)) > 0) {
        len += (size_t)n;
        if (len > sizeof(text) / 2) { /* the end is what counts */
            memmove(text, text + len - sizeof(text) / 4, sizeof(text) / 4);
            len = sizeof(text) / 4;
        }
    }
    while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == ' '))
        len--;
    text[len] = '\0';
    line = strrchr(text, '\n');
    snprintf(said, cap, "%s", line ? line + 1 : text);
}

static int run_kexec(const char *const argv[], char *said, size_t said_cap)
{
    posix_spawn_file_actions_t actions;
    int ends[2], status = 0, err;
    pid_t pid;

    said[0] = '\0';
    if (pipe2(ends, O_CLOEXEC) < 0)
        return -1;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDERR_FILENO);
    err = posix_spawn(&pid, argv[0], &actions, NULL, (char *const *)(uintptr_t)argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    if (!err) {
        read_last_line(ends[0], said, said_cap);
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
            ;
    }
    close(ends[0]);
    if (err)
        return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

static const struct pnd_kernel_calls real_calls = {file_load, run_kexec, unload};

const char *pnd_kernel_load_text(int errnum)
{
    switch (errnum) {
    case EADDRNOTAVAIL:
        return "no room is left, or large enough, in the memory that crashkernel= reserves";
    case EPERM:
        return "this needs root; for root: the kernel is locked down (see `cat "
               "/sys/kernel/security/lockdown`) and takes only an image that is signed with a key "
               "that it trusts, as that of the distribution is; or kernel.kexec_load_disabled is "
               "1, which lasts until the next start";
    case EACCES:
        return "a security policy of this machine forbids it: see what the audit log says";
    case EBUSY:
        return "somebody else is loading a kernel at this moment: try again";
    case ENOMEM:
        return "the kernel and its initramfs do not fit into what is free, or reserved by "
               "crashkernel=";
    case ENOEXEC:
        return "the kernel does not take an image of this form";
    case ENOSYS:
        return "this kernel has no kexec_file_load (CONFIG_KEXEC_FILE)";
    case EKEYREJECTED:
        return "the image's signature is none that this kernel trusts";
    case ENODATA:
    case EBADMSG:
    case ENOPKG:
        return "the image has no signature that this kernel can verify, and it wants one";
    case ETXTBSY:
        return "the image is open for writing: is the kernel just being updated?";
    case EINVAL:
        return "the kernel refuses its arguments: perhaps too long a command line";
    default:
        return strerror(errnum);
    }
}

/* These may be asked of the other system call, which has the parts put together out here. */
static bool tool_may_help(int errnum)
{
    return errnum == ENOSYS || errnum == ENOEXEC || errnum == EKEYREJECTED || errnum == ENODATA ||
           errnum == EBADMSG || errnum == ENOPKG;
}

static const char *find_tool(void)
{
    static const char *const paths[] = {"/sbin/kexec", "/usr/sbin/kexec", "/usr/bin/kexec",
                                        "/usr/local/sbin/kexec"};

    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
        if (access(paths[i], X_OK) == 0)
            return paths[i];
    return paths[0];
}

/* kexec -c: the older system call, which is why we are here. */
static int load_by_tool(const struct pnd_kernel *kernel, int initramfs, const char *cmdline,
                        const struct pnd_kernel_calls *calls, const char *reason,
                        struct pnd_why *why)
{
    char initrd[64], append[4096], said[256];
    const char *argv[] = {find_tool(), "-c", "-p", initrd, append, kernel->path, NULL};
    int status;

    snprintf(initrd, sizeof(initrd), "--initrd=/proc/%ld/fd/%d", (long)getpid(), initramfs);
    snprintf(append, sizeof(append), "--command-line=%s", cmdline);
    status = calls->kexec(argv, said, sizeof(said));
    if (status == 0)
        return PND_OK;
    if (status < 0)
        return pnd_why(why, PND_E_SYS, 0,
                       "load %s: %s, and there is no kexec to try another way: install the "
                       "package kexec-tools",
                       kernel->path, reason);
    return pnd_why(why, PND_E_SYS, 0, "load %s: %s; and kexec of kexec-tools fails (%d): %s",
                   kernel->path, reason, status, said[0] ? said : "it does not say why");
}

int pnd_kernel_load(const struct pnd_kernel *kernel, int initramfs, const char *cmdline,
                    const struct pnd_kernel_calls *calls, char ret_loader[PND_KERNEL_LOADER_CAP],
                    struct pnd_why *why)
{
    PND_AUTO_CLOSE int fd = open(kernel->path, O_RDONLY | O_CLOEXEC);
    int err;

    if (!calls)
        calls = &real_calls;
    if (fd < 0)
        return pnd_why(why, PND_E_SYS, errno, "open %s", kernel->path);
    if (calls->file_load(fd, initramfs, cmdline, KEXEC_FILE_ON_CRASH) == 0) {
        snprintf(ret_loader, PND_KERNEL_LOADER_CAP, "kexec_file_load");
        return PND_OK;
    }
    err = errno;
    if (!tool_may_help(err))
        return pnd_why(why, PND_E_SYS, 0, "load %s: %s", kernel->path, pnd_kernel_load_text(err));
    err = load_by_tool(kernel, initramfs, cmdline, calls, pnd_kernel_load_text(err), why);
    if (!err)
        snprintf(ret_loader, PND_KERNEL_LOADER_CAP, "kexec-tools");
    return err;
}

int pnd_kernel_unload(const struct pnd_kernel_calls *calls, struct pnd_why *why)
{
    if ((calls ? calls : &real_calls)->unload() == 0)
        return PND_OK;
    return pnd_why(why, PND_E_SYS, 0, "unload the crash kernel: %s", pnd_kernel_load_text(errno));
}
