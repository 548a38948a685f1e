/* SPDX-License-Identifier: BSD-2-Clause
 *
 * /init of the machine that will panic: marks some memory, arms the crash kernel, panics.
 * What to do comes from the kernel command line, which hands unknown key=value pairs to /init as
 * environment: lab_trigger=sysrq|nmi|module|hang|interrupt|oom|script, lab_pattern_mib=N,
 * lab_crash_kernel=no, lab_busy=yes. Files: /vmlinuz, /capture.cpio, /capture.cmdline and,
 * optionally, /modules (one path a line) and /oops.ko, which the triggers "module" and "hang" load
 * and which is not meant to come back; "script" goes on as /bin/sh /script. Every line starts with
 * "lab:". */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <termios.h>
#include <unistd.h>

enum {
    PAGE_BYTES = 4096,
    PATTERN_MIB_MAX = 1024,
    LINE_CAP = 1024,
    FLAG_ON_CRASH = 2, /* KEXEC_FILE_ON_CRASH of <linux/kexec.h> */
    BURST = 16,        /* pings between two looks at what came back */
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

static struct sockaddr_in inet_address(const char *text)
{
    struct sockaddr_in sin = {.sin_family = AF_INET};

    inet_pton(AF_INET, text, &sin.sin_addr);
    return sin;
}

/* As QEMU's user network expects it. */
static void take_up(int fd)
{
    struct sockaddr_in address = inet_address("10.0.2.15");
    struct sockaddr_in mask = inet_address("255.255.255.0");
    struct ifreq ifr = {.ifr_name = "eth0"};

    memcpy(&ifr.ifr_addr, &address, sizeof(address));
    if (ioctl(fd, SIOCSIFADDR, &ifr) < 0)
        die("the address of eth0");
    memcpy(&ifr.ifr_netmask, &mask, sizeof(mask));
    if (ioctl(fd, SIOCSIFNETMASK, &ifr) < 0)
        die("the netmask of eth0");
    ifr.ifr_flags = IFF_UP | IFF_RUNNING;
    if (ioctl(fd, SIOCSIFFLAGS, &ifr) < 0)
        die("take eth0 up");
}

/* Pings the host without end, which answers each. Tells when the first answer has come. */
__attribute__((noreturn)) static void flood(int fd, int tell)
{
    static char packet[1400], answer[2048];
    bool told = false;

    packet[0] = 8;                     /* echo request; */
    memcpy(packet + 2, "\xf7\xff", 2); /* the sum of it and zeros */
    for (;;) {
        for (int i = 0; i < BURST; i++)
            (void)!send(fd, packet, sizeof(packet), 0);
        for (int i = 0; i < BURST; i++)
            if (recv(fd, answer, sizeof(answer), MSG_DONTWAIT) > 0 && !told)
                told = write(tell, "", 1) == 1;
        if (!told)
            usleep(1000);
    }
}

/* From here on, the network card always has something under way. */
static void make_busy(void)
{
    struct sockaddr_in host = inet_address("10.0.2.2");
    int fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP);
    int pipes[2];
    char told;

    if (fd < 0 || pipe(pipes) < 0)
        die("open a socket");
    take_up(fd);
    if (connect(fd, (struct sockaddr *)&host, sizeof(host)) < 0)
        die("connect to the host");
    if (fork() == 0)
        flood(fd, pipes[1]);
    if (read(pipes[0], &told, 1) != 1)
        die("hear from the host");
    printf("lab: the network is busy\n");
    tcdrain(STDOUT_FILENO); /* what is still in the kernel when it dies is never seen */
}

/* Takes memory until there is none; its pages stay zeros, which need not be sent. */
static void eat_memory(void)
{
    const size_t bytes = 1024 * 1024;

    for (;;) {
        volatile uint8_t *memory =
            mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        if (memory == MAP_FAILED)
            die("take memory");
        for (size_t at = 0; at < bytes; at += PAGE_BYTES)
            memory[at] = 0;
    }
}

static void panic_by(const char *trigger)
{
    if (strcmp(trigger, "sysrq") == 0) {
        printf("lab: panic by sysrq\n");
        write_file("/proc/sysrq-trigger", "c");
    } else if (strcmp(trigger, "nmi") == 0) {
        write_file("/proc/sys/kernel/unknown_nmi_panic", "1");
        printf("lab: READY for an NMI\n");
    } else if (strcmp(trigger, "interrupt") == 0) {
        printf("lab: READY for a break on the serial line\n");
    } else if (strcmp(trigger, "module") == 0 || strcmp(trigger, "hang") == 0) {
        printf("lab: panic by a module\n");
        load_module("/oops.ko");
    } else if (strcmp(trigger, "oom") == 0) {
        printf("lab: panic by want of memory\n");
        eat_memory();
    } else if (strcmp(trigger, "script") == 0) {
        execl("/bin/sh", "sh", "/script", (char *)NULL);
        die("/bin/sh /script");
    } else {
        errno = EINVAL;
        die("lab_trigger= must be sysrq, nmi, interrupt, module, hang, oom or script");
    }
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
    if (getenv("lab_busy"))
        make_busy();
    panic_by(trigger ? trigger : "");
    for (;;)
        pause();
}
