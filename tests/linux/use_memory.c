/* SPDX-License-Identifier: BSD-2-Clause
 *
 * /init of a machine whose memory is to be of every kind that a filter tells apart: processes,
 * small and huge pages, files of tmpfs and ramfs, what was used and is free again. Then it becomes
 * /lab_init, which panics. Sizes are small; lab_use=N multiplies them. */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    PAGE = 4096,
    MIB = 1 << 20,
    HUGE_PAGE = 2 * MIB,
};

static uint64_t state = UINT64_C(0x9e3779b97f4a7c15);

static void fill(void *memory, size_t bytes)
{
    uint64_t *words = memory;

    for (size_t i = 0; i < bytes / sizeof(*words); i++) {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        words[i] = state;
    }
}

static void say(const char *what, const void *failed)
{
    printf("lab: use %s: %s\n", what, failed == MAP_FAILED ? strerror(errno) : "yes");
}

/* Not a word of it is touched after this: every fourth page stays zero. */
static void use(const char *what, size_t bytes, int flags, int advice)
{
    uint8_t *memory =
        mmap(NULL, bytes + HUGE_PAGE, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | flags, -1, 0);

    say(what, memory);
    if (memory == MAP_FAILED)
        return;
    memory += (HUGE_PAGE - (uintptr_t)memory % HUGE_PAGE) % HUGE_PAGE;
    if (advice)
        madvise(memory, bytes, advice);
    for (size_t at = 0; at < bytes; at += PAGE) {
        if (at / PAGE % 4 == 3)
            memset(memory + at, 0, PAGE);
        else
            fill(memory + at, PAGE);
    }
}

static void write_file(const char *path, size_t bytes)
{
    static uint8_t page[PAGE];
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    void *map;

    for (size_t at = 0; fd >= 0 && at < bytes; at += PAGE) {
        fill(page, at / PAGE % 8 == 7 ? 0 : PAGE);
        if (write(fd, page, PAGE) != PAGE)
            break;
    }
    map = fd < 0 ? MAP_FAILED : mmap(NULL, bytes / 2, PROT_READ, MAP_SHARED, fd, 0);
    for (size_t at = 0; map != MAP_FAILED && at < bytes / 2; at += PAGE)
        state += ((volatile uint8_t *)map)[at];
    say(path, map);
}

static void set(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);

    if (fd < 0 || write(fd, text, strlen(text)) < 0)
        printf("lab: use %s: %s\n", path, strerror(errno));
    if (fd >= 0)
        close(fd);
}

/* A process that holds memory until the end. */
static void hold(size_t n)
{
    if (fork() != 0)
        return;
    use("anonymous pages", n * 6 * MIB, MAP_PRIVATE, MADV_NOHUGEPAGE);
    use("shared pages", n * 2 * MIB, MAP_SHARED, 0);
    use("transparent huge pages", n * 8 * MIB, MAP_PRIVATE, MADV_HUGEPAGE);
    use("huge pages", 2 * (size_t)HUGE_PAGE - HUGE_PAGE, MAP_PRIVATE | MAP_HUGETLB, 0);
    use("locked pages", n * MIB, MAP_PRIVATE | MAP_LOCKED, 0);
    set("/ready", "x");
    for (;;)
        pause();
}

/* What it had is free again, and not zero. */
static void use_and_free(size_t n)
{
    pid_t child = fork();

    if (child == 0) {
        use("pages to be freed", n * 16 * MIB, MAP_PRIVATE, MADV_NOHUGEPAGE);
        _exit(0);
    }
    waitpid(child, NULL, 0);
}

int main(void)
{
    const char *text = getenv("lab_use");
    size_t n = text ? strtoul(text, NULL, 10) : 1;
    int fd;

    setvbuf(stdout, NULL, _IOLBF, 0);
    mkdir("/tmpfs", 0700);
    mkdir("/ramfs", 0700);
    if (mount("proc", "/proc", "proc", 0, NULL) < 0 || mount("sys", "/sys", "sysfs", 0, NULL) < 0 ||
        mount("t", "/tmpfs", "tmpfs", 0, NULL) < 0 || mount("r", "/ramfs", "ramfs", 0, NULL) < 0)
        printf("lab: use: mount: %s\n", strerror(errno));
    set("/proc/sys/vm/nr_hugepages", "3");
    set("/sys/kernel/mm/transparent_hugepage/enabled", "madvise");
    fd = open("/ready", O_CREAT | O_CLOEXEC, 0600);
    close(fd);
    use_and_free(n);
    write_file("/tmpfs/file", n * 6 * MIB);
    write_file("/ramfs/file", n * 4 * MIB);
    hold(n);
    for (struct stat st = {0}; stat("/ready", &st) == 0 && st.st_size == 0;)
        usleep(10000);
    umount("/proc");
    umount("/sys");
    execl("/lab_init", "/lab_init", (char *)NULL);
    printf("lab: FAILED: /lab_init: %s\n", strerror(errno));
    return 1;
}
