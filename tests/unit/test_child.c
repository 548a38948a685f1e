/* SPDX-License-Identifier: BSD-2-Clause
 *
 * When a process that is silent counts as hung. */
#include "capture/child.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tap.h"

enum { MINUTE = 60000 };

static struct pnd_child made(void)
{
    return (struct pnd_child){.silent_max_ms = 10 * MINUTE};
}

static void one_that_works_may_be_silent_until_its_bound(void)
{
    struct pnd_child child = made();
    uint64_t now = 0;

    for (uint64_t ticks = 1; now < 10 * MINUTE - 50000; ticks++, now += 50000)
        CHECK(!pnd_child_hangs_at(&child, ticks, now));
    CHECK(pnd_child_hangs_at(&child, 1000, 10 * MINUTE));
}

static void one_that_gets_no_processor_hangs_after_a_minute(void)
{
    struct pnd_child child = made();

    CHECK(!pnd_child_hangs_at(&child, 7, 1000));
    CHECK(!pnd_child_hangs_at(&child, 7, 1000 + PND_CHILD_STILL_MS - 1));
    CHECK(pnd_child_hangs_at(&child, 7, 1000 + PND_CHILD_STILL_MS));
    CHECK(!pnd_child_hangs_at(&child, 8, 1000 + PND_CHILD_STILL_MS));
    child.moved_ms = child.heard_ms = 5 * MINUTE; /* it said something */
    CHECK(!pnd_child_hangs_at(&child, 8, 5 * MINUTE + PND_CHILD_STILL_MS - 1));
}

static pid_t start(void (*work)(void))
{
    pid_t pid = fork();

    if (pid == 0) {
        work();
        _exit(3);
    }
    return pid;
}

static void sleep_long(void)
{
    sleep(100);
}

static void spin(void)
{
    for (volatile uint64_t i = 0;; i++)
        ;
}

static void nothing(void)
{
}

static void a_processor_that_is_used_is_seen(void)
{
    pid_t idle = start(sleep_long), busy = start(spin);

    for (unsigned i = 0; i < 200 && pnd_child_ticks(busy) < 3; i++)
        usleep(20000);
    CHECK(pnd_child_ticks(busy) >= 3);
    CHECK(pnd_child_ticks(idle) <= 1);
    kill(idle, SIGKILL);
    kill(busy, SIGKILL);
    CHECK_EQ(waitpid(idle, NULL, 0), idle);
    CHECK_EQ(waitpid(busy, NULL, 0), busy);
    CHECK_EQ(pnd_child_ticks(busy), 0);
}

static void its_end_is_told_or_brought_about(void)
{
    struct pnd_child child;
    int status = 0;

    pnd_child_watch(&child, start(nothing), MINUTE);
    CHECK_EQ(pnd_child_wait(&child, &status), PND_OK);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 3);
    pnd_child_watch(&child, start(spin), 300);
    CHECK_EQ(pnd_child_wait(&child, &status), PND_E_TIMEOUT);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    CHECK_EQ(waitpid(child.pid, NULL, WNOHANG), -1);
}

int main(void)
{
    RUN(one_that_works_may_be_silent_until_its_bound);
    RUN(one_that_gets_no_processor_hangs_after_a_minute);
    RUN(a_processor_that_is_used_is_seen);
    RUN(its_end_is_told_or_brought_about);
    return tap_done();
}
