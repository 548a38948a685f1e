/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The command line of the crash kernel: see cmdline.h. */
#include "arm/cmdline.h"

#include <stdbool.h>
#include <string.h>

/* A word of the running kernel that ends in "=" or "." stands for all that begin so. */
static const char *const dropped[] = {
    /* a boot loader's and an initramfs's, which has no root file system here */
    "BOOT_IMAGE=", "initrd=", "root=", "rootfstype=", "rootflags=", "rootwait", "rootdelay=", "ro",
    "rw", "resume=", "noresume", "resume_offset=", "init=", "rdinit=", "rd.", "luks.",
    "dm=", "dm-mod.", "raid=", "cryptdevice=", "cryptopts=", "ip=", "nfsroot=", "boot=", "live-",
    /* an init's and a desktop's */
    "systemd.", "splash", "rhgb", "plymouth.", "vt.", "single", "emergency", "rescue", "fastboot",
    "forcefsck", "fsck.", "vga=", "video=", "audit=", "audit_",
    "selinux=", "apparmor=", "security=", "lsm=", "ima_",
    "ima=", "evm=", "net.ifnames=", "biosdevname=",
    /* what takes memory, or sets some aside */
    "crashkernel=", "fadump=", "hugepages=", "hugepagesz=", "default_hugepagesz=", "hugetlb_",
    "hugetlb_cma=", "cma=", "cma_pernuma=", "log_buf_len=", "slub_debug",
    "slub_debug=", "slab_debug", "slab_debug=", "page_owner=", "kasan=", "kasan.",
    "kmemleak=", "trace_buf_size=", "ftrace", "ftrace=", "ftrace_", "trace_", "tp_printk",
    "ramoops.", "pstore.", "memmap=", "mem=", "movablecore=", "kernelcore=", "swiotlb=", "zswap.",
    "numa_balancing=", "percpu_alloc=", "stack_depot_disable=", "init_on_alloc=", "init_on_free=",
    "debug_pagealloc=", "page_poison=",
    /* how many processors, and what they are for */
    "maxcpus=", "nr_cpus=", "possible_cpus=", "isolcpus=", "nohz_full=", "rcu_nocbs=",
    "irqaffinity=", "kthread_cpus=", "nosmt", "nosmt=", "cpuidle.", "housekeeping=",
    /* what happens when it panics, which is said below */
    "panic=", "oops=", "panic_on_", "panic_print=", "softlockup_", "hardlockup_",
    "hung_task_panic=", "nmi_watchdog=", "unknown_nmi_panic", "crash_kexec_post_notifiers",
    "reset_devices", "irqpoll", "irqfixup", "kexec_load_", "lockdown=", "elfcorehdr=", "nokaslr",
    "kaslr",
    /* how much is said; and debug, which is a boot-arg of the dump as well */
    "quiet", "loglevel=", "debug", "debug=", "ignore_loglevel",
    "earlyprintk=", "kgdboc=", "kgdbwait",
    /* a dump's own */
    "_panicd_", "_router_ip=", "panicd_", "kdp_", "lab_"};

static const struct pnd_cmdline_word added[] = {
    {"nr_cpus=1", "one processor does it, and each takes memory"},
    {"reset_devices", "drivers reset what the dead kernel left running"},
    {"irqpoll", "an interrupt that nobody takes any more does not stop it"},
    {"panic=-1", "should it panic itself, the machine restarts at once"},
    {"nokaslr", "nothing to hide, and it fits where little is reserved"},
    {"cgroup_disable=memory", "less memory for each page"},
    {"transparent_hugepage=never", "no memory kept in large pieces"},
    {"numa=off", "no memory kept for each node"},
    /* Measured on Linux 6.1, where it makes them all at once: 2200 pages of slab. A kernel without
     * such a function does not mind. */
    {"initcall_blacklist=tracer_init_tracefs", "not the files of tracing: they take 8.6 MiB"},
    {"novmcoredd", "no driver keeps a dump of its own in memory"},
    {"acpi_no_memhotplug", "the memory of the dead kernel stays as it is"},
    {"loglevel=4", "a slow console is for what goes wrong"},
};

const struct pnd_cmdline_word *pnd_cmdline_added(size_t index)
{
    return index < sizeof(added) / sizeof(added[0]) ? &added[index] : NULL;
}

static bool is_dropped(const char *word, size_t len)
{
    for (size_t i = 0; i < sizeof(dropped) / sizeof(dropped[0]); i++) {
        size_t n = strlen(dropped[i]);
        bool begins = strchr("=._-", dropped[i][n - 1]) != NULL;

        if (len >= n && memcmp(word, dropped[i], n) == 0 && (begins || len == n))
            return true;
    }
    return false;
}

/* To the end of the word; quotes keep blanks in it. @source kernel-parameters.rst */
static size_t word_length(const char *at)
{
    bool quoted = false;
    size_t len = 0;

    for (; at[len] && (quoted || (at[len] != ' ' && at[len] != '\t' && at[len] != '\n')); len++)
        if (at[len] == '"')
            quoted = !quoted;
    return len;
}

static int put(char *dst, size_t *len, const char *word, size_t n, struct pnd_why *why)
{
    if (*len + n + 2 > PND_CMDLINE_CAP)
        return pnd_why(why, PND_E_RANGE, 0,
                       "the crash kernel's command line would be longer than %d bytes: the "
                       "running kernel's is too long",
                       PND_CMDLINE_CAP - 1);
    if (*len > 0)
        dst[(*len)++] = ' ';
    memcpy(dst + *len, word, n);
    *len += n;
    dst[*len] = '\0';
    return PND_OK;
}

int pnd_cmdline_crash(const char *running, const char *append, char ret[PND_CMDLINE_CAP],
                      struct pnd_why *why)
{
    char text[PND_CMDLINE_CAP] = "";
    size_t len = 0;
    int err = PND_OK;

    for (const char *at = running; *at && !err;) {
        size_t n = word_length(at);

        if (n == 2 && memcmp(at, "--", 2) == 0) /* what follows is init's */
            break;
        if (n > 0 && !is_dropped(at, n))
            err = put(text, &len, at, n, why);
        at += n + (at[n] != '\0');
    }
    for (size_t i = 0; pnd_cmdline_added(i) && !err; i++)
        err = put(text, &len, added[i].word, strlen(added[i].word), why);
    if (append[0] && !err)
        err = put(text, &len, append, strlen(append), why);
    if (!err)
        memcpy(ret, text, sizeof(text));
    return err;
}
