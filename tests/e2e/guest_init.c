/* SPDX-License-Identifier: BSD-2-Clause
 *
 * /init of the machine that will panic: marks some memory, arms the crash kernel, panics.
 * What to do comes from the kernel command line, which hands unknown key=value pairs to /init as
 * environment: lab_trigger=sysrq|nmi|module, lab_pattern_mib=N, lab_crash_kernel=no. Files:
 * /vmlinuz, /capture.cpio, /capture.cmdline and, optionally, /modules (one path a line) and
 * /oops.ko, which the trigger "module" loads and which is not meant to come back. Every line
 * starts with "lab:". */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    PAGE_BYTES = 4096,
    PATTERN_MIB_MAX = 64,
    LINE_CAP = 1024,
    FLAG_ON_CRASH = 2, /* KEXEC_FILE_ON_CRASH of <linux/kexec.h> */
};

__attribute__((noreturn)) static void die(const char *what)
{
    printf("lab: FAILED: %s: %s\n", what, strerror(errno));
    fflush(stdout);
    sync();
    reboot(RB_POWER_OFF);
    for (;;)
        pause();
}

static void write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);

    if (fd < 0 || write(fd, text, strlen(text)) < 0)
        die(path);
    close(fd);
}

/* The first line of @p path without its newline. */
static void read_line(const char *path, char ret[LINE_CAP])
{
    FILE *f = fopen(path, "re");

    if (!f || !fgets(ret, LINE_CAP, f))
        die(path);
    ret[strcspn(ret, "\n")] = '\0';
    fclose(f);
}

static void mount_filesystems(void)
{
    if (mount("proc", "/proc", "proc", 0, NULL) < 0)
        die("mount /proc");
    if (mount("sys", "/sys", "sysfs", 0, NULL) < 0)
        die("mount /sys");
    if (mount("dev", "/dev", "devtmpfs", 0, NULL) < 0 && errno != EBUSY)
        die("mount /dev");
}

static void load_module(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0 || syscall(SYS_finit_module, fd, "", 0) < 0)
        die(path);
    close(fd);
}

static void load_modules(void)
{
    FILE *list = fopen("/modules", "re");
    char path[LINE_CAP];

    if (!list)
        return;
    while (fgets(path, sizeof(path), list)) {
        path[strcspn(path, "\n")] = '\0';
        load_module(path);
    }
    fclose(list);
}

/* Every page names itself: a magic, its index, then xorshift64* seeded with the index. The lab
 * looks for each of them in the dump, so a dump of anything but this machine cannot pass. */
static void fill_page(uint64_t *words, uint64_t index)
{
    uint64_t x = index + UINT64_C(0x9e3779b97f4a7c15);

    memcpy(words, "panicd lab page:", 16);
    words[2] = index;
    for (size_t i = 3; i < PAGE_BYTES / sizeof(*words); i++) {
        x ^= x >> 12;
        x ^= x << 25;
        x ^= x >> 27;
        words[i] = x * UINT64_C(0x2545f4914f6cdd1d);
    }
}

static void write_pattern(void)
{
    const char *text = getenv("lab_pattern_mib");
    unsigned long mib = text ? strtoul(text, NULL, 10) : 0;

    if (mib > PATTERN_MIB_MAX)
        mib = PATTERN_MIB_MAX;
    size_t pages = mib * (1024 * 1024 / PAGE_BYTES);

    if (!pages)
        return;
    uint8_t *memory = aligned_alloc(PAGE_BYTES, pages * PAGE_BYTES);

    if (!memory)
        die("allocate the pattern");
    for (size_t i = 0; i < pages; i++)
        fill_page((uint64_t *)(void *)(memory + i * PAGE_BYTES), i);
    printf("lab: pattern of %zu pages\n", pages);
}

static void load_crash_kernel(void)
{
    char cmdline[LINE_CAP], text[LINE_CAP];

    read_line("/sys/kernel/kexec_crash_size", text);
    if (strcmp(text, "0") == 0) {
        errno = ENOMEM;
        die("no memory is reserved: crashkernel= is missing, too large, or KASLR is in the way");
    }
    printf("lab: %s bytes are reserved for the crash kernel\n", text);
    read_line("/capture.cmdline", cmdline);
    int kernel = open("/vmlinuz", O_RDONLY | O_CLOEXEC);
    int initrd = open("/capture.cpio", O_RDONLY | O_CLOEXEC);

    if (kernel < 0 || initrd < 0)
        die("open /vmlinuz and /capture.cpio");
    if (syscall(SYS_kexec_file_load, kernel, initrd, strlen(cmdline) + 1, cmdline, FLAG_ON_CRASH))
        die("kexec_file_load");
    close(kernel);
    close(initrd);
    read_line("/sys/kernel/kexec_crash_loaded", text);
    if (strcmp(text, "1") != 0) {
        errno = EIO;
        die("the crash kernel is not loaded");
    }
    /* Freed here, and zeroed under init_on_free=1: what is not needed does not cross the network.
     */
    if (unlink("/vmlinuz") < 0 || unlink("/capture.cpio") < 0)
        die("unlink");
    printf("lab: crash kernel loaded: %s\n", cmdline);
}

int main(void)
{
    const char *trigger = getenv("lab_trigger"), *armed = getenv("lab_crash_kernel");

    setvbuf(stdout, NULL, _IOLBF, 0);
    mount_filesystems();
    load_modules();
    write_pattern();
    if (!armed || strcmp(armed, "no") != 0)
        load_crash_kernel();
    if (trigger && strcmp(trigger, "sysrq") == 0) {
        printf("lab: panic by sysrq\n");
        write_file("/proc/sysrq-trigger", "c");
    } else if (trigger && strcmp(trigger, "nmi") == 0) {
        write_file("/proc/sys/kernel/unknown_nmi_panic", "1");
        printf("lab: READY for an NMI\n");
    } else if (trigger && strcmp(trigger, "module") == 0) {
        printf("lab: panic by a module\n");
        load_module("/oops.ko");
    } else {
        errno = EINVAL;
        die("lab_trigger= must be sysrq, nmi or module");
    }
    for (;;)
        pause();
}
