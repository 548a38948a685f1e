/* SPDX-License-Identifier: BSD-2-Clause
 *
 * /init of a crash kernel: sends bytes by bench-limit, over the interface and with the modules that
 * a dump would take, says how long that took, and then becomes /sender/init, which sends the dump.
 * On the command line: bench_bytes=, bench_to=ADDRESS:PORT (with GSO), and the next port without;
 * the rest are the words of `panicdump capture`. */
#include <fcntl.h>
#include <inttypes.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "capture/boot.h"
#include "capture/netif.h"
#include "capture/options.h"
#include "host/clock.h"

enum { LINE_CAP = 4096, INTERFACE_WAIT_MS = 10000, TEXT_CAP = 32 };

static const char file[] = "/bytes";

/* What no network and no file system makes smaller. */
static bool make_file(uint64_t bytes)
{
    static uint64_t words[8192];
    uint64_t state = UINT64_C(0x9e3779b97f4a7c15);
    int fd = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool good = fd >= 0;

    for (uint64_t done = 0; good && done < bytes; done += sizeof(words)) {
        for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
            state ^= state >> 12;
            state ^= state << 25;
            state ^= state >> 27;
            words[i] = state;
        }
        good = write(fd, words, sizeof(words)) == (ssize_t)sizeof(words);
    }
    if (fd >= 0)
        close(fd);
    return good;
}

static void blast(bool gso, const char *ip, unsigned port, uint64_t bytes)
{
    const char *how = gso ? "gso" : "plain";
    char text[TEXT_CAP];
    uint64_t start_us;
    int status = -1;
    pid_t pid;

    snprintf(text, sizeof(text), "%u", port);
    fflush(stdout);
    /* The smallest window that it has: more would be dropped by this kernel's own queue. */
    start_us = pnd_clock_us();
    pid = fork();
    if (pid == 0) {
        if (gso)
            execl("/bench-limit", "bench-limit", "send", "--window", "1", ip, text, file,
                  (char *)NULL);
        else
            execl("/bench-limit", "bench-limit", "send", "--window", "1", "--plain", ip, text, file,
                  (char *)NULL);
        _exit(EXIT_FAILURE);
    }
    waitpid(pid, &status, 0);
    printf("bench: %s status %d %" PRIu64 " bytes %" PRIu64 " us\n", how, status, bytes,
           pnd_clock_us() - start_us);
}

/* @return the number behind NAME= on the command line, and its text up to a blank */
static uint64_t word(const char *line, const char *name, char *ret, size_t cap)
{
    const char *at = strstr(line, name);
    size_t len = 0;

    ret[0] = '\0';
    if (!at)
        return 0;
    at += strlen(name);
    while (len < cap - 1 && at[len] && at[len] != ' ' && at[len] != '\n')
        len++;
    memcpy(ret, at, len);
    ret[len] = '\0';
    return strtoull(ret, NULL, 10);
}

/* The interface is left as panicdump would find it. */
static void take_address(const char *interface)
{
    struct sockaddr_in none = {.sin_family = AF_INET};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct ifreq ifr = {0};

    snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", interface);
    memcpy(&ifr.ifr_addr, &none, sizeof(none));
    if (fd < 0 || ioctl(fd, SIOCSIFADDR, &ifr) < 0)
        printf("bench: %s keeps its address\n", interface);
    if (fd >= 0)
        close(fd);
}

static void measure(const char *line, const struct pnd_capture_options *options)
{
    char ip[TEXT_CAP], text[TEXT_CAP], interface[IFNAMSIZ], *colon;
    uint64_t bytes = word(line, "bench_bytes=", text, sizeof(text));
    struct pnd_why why = {.text = ""};

    word(line, "bench_to=", ip, sizeof(ip));
    colon = strchr(ip, ':');
    if (!colon || !make_file(bytes)) {
        printf("bench: no file of %" PRIu64 " bytes, or no bench_to=\n", bytes);
        return;
    }
    *colon++ = '\0';
    if (pnd_netif_find(options->match_name, options->match_mac, INTERFACE_WAIT_MS, interface,
                       &why) ||
        pnd_netif_configure(interface, options->own_ip, options->prefix, 0,
                            options->servers[0].at.ip, &why)) {
        printf("bench: %s\n", why.text);
        return;
    }
    for (unsigned round = 0; round < 2; round++) {
        blast(true, ip, (unsigned)strtoul(colon, NULL, 10) + 2 * round, bytes);
        blast(false, ip, (unsigned)strtoul(colon, NULL, 10) + 2 * round + 1, bytes);
    }
    take_address(interface);
    unlink(file);
}

int main(void)
{
    static struct pnd_capture_options options;
    static char line[LINE_CAP];
    struct pnd_why why = {.text = ""};
    ssize_t len = 0;
    int fd;

    pnd_boot_init();
    pnd_boot_modules();
    fd = open("/proc/cmdline", O_RDONLY | O_CLOEXEC);
    if (fd >= 0)
        len = read(fd, line, sizeof(line) - 1);
    line[len > 0 ? len : 0] = '\0';
    pnd_capture_options_parse(line, &options, &why);
    measure(line, &options);
    execl("/sender/init", "/sender/init", (char *)NULL);
    printf("bench: /sender/init cannot be run\n");
    return 1;
}
