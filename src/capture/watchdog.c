/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The watchdog: see watchdog.h. @source kernel.org: watchdog/watchdog-api */
#include "capture/watchdog.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/watchdog.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "capture/complain.h"
#include "host/clock.h"
#include "host/guard.h"

static const char device[] = "/dev/watchdog";

/* What both processes see. */
struct shared {
    uint64_t count; /* of calls of pnd_watchdog_alive() */
    uint32_t stop;
};

static struct shared *shared;

static void open_device(struct pnd_watchdog *w)
{
    int seconds = w->patience_s < 2 * PND_WATCHDOG_HARDWARE_S ? (int)w->patience_s / 2
                                                              : PND_WATCHDOG_HARDWARE_S;

    if (seconds < PND_WATCHDOG_HARDWARE_MIN_S)
        seconds = PND_WATCHDOG_HARDWARE_MIN_S;
    w->fd = open(w->device, O_WRONLY | O_CLOEXEC);
    if (w->fd < 0)
        return;
    if (ioctl(w->fd, WDIOC_SETTIMEOUT, &seconds) < 0 &&
        ioctl(w->fd, WDIOC_GETTIMEOUT, &seconds) < 0)
        seconds = 0; /* the driver keeps its time to itself */
    printf("panicdump: the machine's watchdog resets it when this kernel hangs");
    if (seconds > 0)
        printf(" for %d s", seconds);
    printf("\n");
}

bool pnd_watchdog_turn(struct pnd_watchdog *w, uint64_t count, uint64_t now_ms)
{
    if (w->fd < 0)
        open_device(w);
    if (w->fd >= 0 && write(w->fd, "", 1) < 0) {
        close(w->fd); /* its driver went */
        w->fd = -1;
    }
    if (count != w->count) {
        w->count = count;
        w->count_ms = now_ms;
    }
    return now_ms - w->count_ms >= (uint64_t)w->patience_s * 1000;
}

bool pnd_watchdog_disarm(struct pnd_watchdog *w)
{
    struct watchdog_info info = {.options = 0};
    uint64_t flag = WDIOS_DISABLECARD;
    int off = (int)flag;

    if (w->fd < 0)
        return true;
    /* A driver without the magic close stops when it is closed; one that was told "nowayout" does
     * neither, and fails the ioctl. */
    if (ioctl(w->fd, WDIOC_SETOPTIONS, &off) == 0 ||
        (ioctl(w->fd, WDIOC_GETSUPPORT, &info) == 0 && !(info.options & WDIOF_MAGICCLOSE))) {
        (void)!write(w->fd, "V", 1);
        close(w->fd);
        w->fd = -1;
        return true;
    }
    return false;
}

static void not_when_memory_runs_out(void)
{
    PND_AUTO_CLOSE int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

    if (fd >= 0)
        (void)!write(fd, "-1000", 5);
}

static void pause_ms(unsigned ms)
{
    usleep(ms * 1000);
}

__attribute__((noreturn)) static void stay_awake(struct pnd_watchdog *w)
{
    bool asleep = pnd_watchdog_disarm(w);

    if (asleep)
        _exit(EXIT_SUCCESS);
    for (;;) {
        pnd_watchdog_turn(w, 0, 0);
        pause_ms(PND_WATCHDOG_KICK_MS);
    }
}

__attribute__((noreturn)) static void keep_watch(struct pnd_watchdog *w, enum pnd_after after)
{
    prctl(PR_SET_NAME, "watchdog");
    not_when_memory_runs_out();
    w->count_ms = pnd_clock_ms();
    while (
        !pnd_watchdog_turn(w, __atomic_load_n(&shared->count, __ATOMIC_RELAXED), pnd_clock_ms())) {
        if (__atomic_load_n(&shared->stop, __ATOMIC_RELAXED))
            stay_awake(w);
        pause_ms(w->fd < 0 ? PND_WATCHDOG_LOOK_MS : PND_WATCHDOG_KICK_MS);
    }
    pnd_complain(0, "nothing has moved for %" PRIu32 " s: the capture hangs, and the machine %s",
                 w->patience_s, after == PND_AFTER_POWEROFF ? "is switched off" : "starts again");
    pnd_boot_end_now(after == PND_AFTER_POWEROFF ? after : PND_AFTER_REBOOT);
}

void pnd_watchdog_start(uint32_t patience_s, enum pnd_after after)
{
    static struct pnd_watchdog watchdog = {.device = device, .fd = -1};
    void *page;
    pid_t child;

    if (patience_s == 0)
        return;
    page = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) {
        pnd_complain(0, "no watchdog: %s", strerror(errno));
        return;
    }
    shared = page;
    watchdog.patience_s = patience_s;
    fflush(NULL);
    child = fork();
    if (child == 0)
        keep_watch(&watchdog, after);
    if (child < 0)
        pnd_complain(0, "no watchdog: %s", strerror(errno));
}

void pnd_watchdog_alive(void)
{
    if (shared)
        __atomic_add_fetch(&shared->count, 1, __ATOMIC_RELAXED);
}

void pnd_watchdog_stop(void)
{
    if (shared)
        __atomic_store_n(&shared->stop, 1, __ATOMIC_RELAXED);
}
