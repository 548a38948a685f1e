/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Processes of ours: see child.h. */
#include "capture/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "capture/watchdog.h"
#include "host/clock.h"
#include "host/guard.h"
#include "host/io.h"
#include "sender/stop.h"

enum {
    STAT_CAP = 1024,
    UTIME_FIELD = 14,
    KILL_WAIT_MS = 2000, /* what is killed and does not end by then hangs in the kernel */
};

uint64_t pnd_child_ticks(pid_t pid)
{
    char path[64], text[STAT_CAP], *at;
    PND_AUTO_CLOSE int fd = -1;
    uint64_t user;
    ssize_t len;

    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    len = fd < 0 ? -1 : pnd_io_read_at(fd, 0, text, sizeof(text) - 1);
    if (len <= 0)
        return 0;
    text[len] = '\0';
    at = strrchr(text, ')'); /* the end of its name, which is field 2 and may hold blanks */
    for (unsigned field = 2; at && field < UTIME_FIELD; field++)
        at = strchr(at + 1, ' ');
    if (!at)
        return 0;
    user = strtoull(at, &at, 10);
    return user + strtoull(at, NULL, 10); /* in the kernel */
}

void pnd_child_watch(struct pnd_child *child, pid_t pid, uint64_t silent_max_ms)
{
    uint64_t now_ms = pnd_clock_ms();

    *child = (struct pnd_child){
        .pid = pid, .silent_max_ms = silent_max_ms, .moved_ms = now_ms, .heard_ms = now_ms};
}

void pnd_child_heard(struct pnd_child *child)
{
    child->moved_ms = child->heard_ms = pnd_clock_ms();
}

bool pnd_child_hangs_at(struct pnd_child *child, uint64_t ticks, uint64_t now_ms)
{
    if (ticks != child->ticks) {
        child->ticks = ticks;
        child->moved_ms = now_ms;
    }
    return now_ms - child->moved_ms >= PND_CHILD_STILL_MS ||
           now_ms - child->heard_ms >= child->silent_max_ms;
}

bool pnd_child_hangs(struct pnd_child *child)
{
    if (pnd_child_hangs_at(child, pnd_child_ticks(child->pid), pnd_clock_ms()))
        return true;
    pnd_watchdog_alive();
    return false;
}

/* @return it has ended */
static bool ended(const struct pnd_child *child, int *ret_status)
{
    pid_t pid = waitpid(child->pid, ret_status, WNOHANG);

    return pid == child->pid || (pid < 0 && errno != EINTR);
}

void pnd_child_kill(const struct pnd_child *child, int *ret_status)
{
    *ret_status = 0;
    kill(child->pid, SIGKILL);
    for (unsigned ms = 0; ms < KILL_WAIT_MS && !ended(child, ret_status); ms += PND_CHILD_LOOK_MS)
        usleep(PND_CHILD_LOOK_MS * 1000);
}

int pnd_child_wait(struct pnd_child *child, int *ret_status)
{
    *ret_status = 0;
    while (!ended(child, ret_status)) {
        if (pnd_stop_signal() || pnd_child_hangs(child)) {
            pnd_child_kill(child, ret_status);
            return pnd_stop_signal() ? PND_E_ABORTED : PND_E_TIMEOUT;
        }
        usleep(PND_CHILD_LOOK_MS * 1000);
    }
    return PND_OK;
}
