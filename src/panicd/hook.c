/* SPDX-License-Identifier: BSD-2-Clause */
#include "panicd/hook.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "host/clock.h"
#include "host/guard.h"
#include "host/log.h"
#include "host/text.h"
#include "panicd/hook_call.h"

/* A call that is being made. */
struct run {
    uint64_t id; /* 0: none */
    ino_t file;  /* that the call was read from: a later one for the dump is another call */
    pid_t pid;   /* leads a group of the same number until it is reaped */
    int out_fd;  /* what it prints; -1: nobody prints any more */
    uint64_t started_ms, term_ms, kill_ms;
    bool exited, termed, killed;
    unsigned lines, lines_dropped;
    size_t len; /* of line, not logged yet */
    char line[PND_HOOK_LINE_CAP];
};

struct pnd_hook {
    const struct pnd_spool *spool;
    const char *program;
    uint64_t patience_ms;
    int wake_fd;
    pthread_t thread;
    pthread_mutex_t lock;
    bool stopping;
    uint64_t held; /* queued, and not to be made yet; 0: none */

    /* The thread's own. */
    struct run runs[PND_HOOK_RUNNING_MAX];
    bool stuck; /* a call that was made cannot be removed: the next would be the same one */
};

/* ---- what it prints ---- */

static void log_line(struct run *run)
{
    char safe[4 * PND_HOOK_LINE_CAP];

    if (run->len > 0 && run->lines < PND_HOOK_LINES_MAX) {
        run->lines++;
        pnd_log(PND_INFO, "hook-says", "id=%" PRIu64 " text=\"%s\"", run->id,
                pnd_text_escape(safe, sizeof(safe), run->line, run->len));
    } else if (run->len > 0) {
        run->lines_dropped++;
    }
    run->len = 0;
}

static void take_output(struct run *run, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '\n') {
            log_line(run);
            continue;
        }
        run->line[run->len++] = text[i];
        if (run->len == sizeof(run->line))
            log_line(run);
    }
}

/* One piece of it, so that one that prints without end holds up nobody. */
static void hear(struct run *run)
{
    char text[4096];
    ssize_t got = read(run->out_fd, text, sizeof(text));

    if (got > 0) {
        take_output(run, text, (size_t)got);
    } else if (got == 0 || (errno != EINTR && errno != EAGAIN)) {
        log_line(run);
        pnd_guard_close(&run->out_fd);
        run->out_fd = -1;
    }
}

/* ---- one call, from its start to its end ---- */

/* The call has been made. */
static void drop(struct pnd_hook *hook, uint64_t id, ino_t file)
{
    struct pnd_why why;
    int err;

    pthread_mutex_lock(&hook->lock);
    err = pnd_hook_call_drop(hook->spool, id, file, &why);
    pthread_mutex_unlock(&hook->lock);
    if (!err)
        return;
    hook->stuck = true;
    pnd_log(PND_ERR, "hook-stuck", "id=%" PRIu64 " why=\"%s\"", id, why.text);
}

static void begin(struct pnd_hook *hook, struct run *run, uint64_t id)
{
    struct pnd_hook_call call;
    struct pnd_why why = {0};
    ino_t file = 0;
    int err = pnd_hook_call_read(hook->spool, id, &call, &file, &why);

    if (!err)
        err = pnd_hook_call_spawn(hook->spool, hook->program, &call, &run->pid, &run->out_fd, &why);
    if (err == PND_E_NOTFOUND)
        pnd_log(PND_NOTICE, "hook-skipped", "id=%" PRIu64 " why=\"%s\"", id, why.text);
    else if (err)
        pnd_log(PND_ERR, "hook-failed", "id=%" PRIu64 " why=\"%s\"", id, why.text);
    if (err) {
        drop(hook, id, file);
        return;
    }
    run->id = id;
    run->file = file;
    run->started_ms = pnd_clock_ms();
    run->term_ms = run->started_ms + hook->patience_ms;
    run->kill_ms = UINT64_MAX;
    pnd_log(PND_INFO, "hook", "id=%" PRIu64 " pid=%ld reason=%s", id, (long)run->pid, call.reason);
}

/* It has printed its last, and is reaped here and nowhere else: until then its group's number is
 * nobody else's. */
static void end(struct pnd_hook *hook, struct run *run, bool keep)
{
    uint64_t took_ms = pnd_clock_ms() - run->started_ms;
    int status = 0;
    bool good;

    if (run->out_fd >= 0)
        close(run->out_fd);
    log_line(run);
    while (waitpid(run->pid, &status, 0) < 0 && errno == EINTR) {
    }
    good = WIFEXITED(status) && WEXITSTATUS(status) == 0 && !run->termed;
    if (run->lines_dropped)
        pnd_log(PND_WARNING, "hook-says-more", "id=%" PRIu64 " lines=%u", run->id,
                run->lines_dropped);
    if (WIFSIGNALED(status))
        pnd_log(PND_WARNING, "hook-ended", "id=%" PRIu64 " signal=%d late=%d took_ms=%" PRIu64,
                run->id, WTERMSIG(status), run->termed, took_ms);
    else
        pnd_log(good ? PND_INFO : PND_WARNING, "hook-ended",
                "id=%" PRIu64 " status=%d late=%d took_ms=%" PRIu64, run->id, WEXITSTATUS(status),
                run->termed, took_ms);
    if (!keep)
        drop(hook, run->id, run->file);
    *run = (struct run){.out_fd = -1};
}

/* @return whether its own process has ended; it is not reaped */
static bool has_exited(const struct run *run)
{
    siginfo_t info = {0};

    return waitid(P_PID, (id_t)run->pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid;
}

static void look_after(struct pnd_hook *hook, struct run *run)
{
    uint64_t now_ms = pnd_clock_ms();

    run->exited = run->exited || has_exited(run);
    if (run->exited && (run->out_fd < 0 || run->killed)) {
        end(hook, run, false);
        return;
    }
    if (!run->termed && now_ms >= run->term_ms) {
        run->termed = true;
        run->kill_ms = now_ms + PND_HOOK_GRACE_MS;
        kill(-run->pid, SIGTERM);
    }
    if (!run->killed && now_ms >= run->kill_ms) {
        run->killed = true;
        kill(-run->pid, SIGKILL);
    }
}

/* ---- the thread ---- */

static bool stopping(struct pnd_hook *hook)
{
    bool stop;

    pthread_mutex_lock(&hook->lock);
    stop = hook->stopping;
    pthread_mutex_unlock(&hook->lock);
    return stop;
}

static bool is_running(uint64_t id, void *ctx)
{
    struct pnd_hook *hook = ctx;
    bool held;

    for (unsigned i = 0; i < PND_HOOK_RUNNING_MAX; i++)
        if (hook->runs[i].id == id)
            return true;
    pthread_mutex_lock(&hook->lock);
    held = hook->held == id;
    pthread_mutex_unlock(&hook->lock);
    return held;
}

/* @return how many run */
static unsigned begin_what_waits(struct pnd_hook *hook)
{
    unsigned running = 0;

    for (unsigned i = 0; i < PND_HOOK_RUNNING_MAX; i++) {
        uint64_t id;

        while (!hook->runs[i].id && !hook->stuck &&
               pnd_hook_call_next(hook->spool, is_running, hook, &id))
            begin(hook, &hook->runs[i], id);
        running += hook->runs[i].id != 0;
    }
    return running;
}

static void wait_for_news(struct pnd_hook *hook, bool any)
{
    struct pollfd fds[1 + PND_HOOK_RUNNING_MAX] = {{.fd = hook->wake_fd, .events = POLLIN}};
    eventfd_t ignored;

    for (unsigned i = 0; i < PND_HOOK_RUNNING_MAX; i++) {
        fds[1 + i].fd = hook->runs[i].id ? hook->runs[i].out_fd : -1;
        fds[1 + i].events = POLLIN;
    }
    poll(fds, sizeof(fds) / sizeof(*fds), any ? PND_HOOK_POLL_MS : -1);
    if (fds[0].revents)
        eventfd_read(hook->wake_fd, &ignored);
    for (unsigned i = 0; i < PND_HOOK_RUNNING_MAX; i++)
        if (fds[1 + i].revents)
            hear(&hook->runs[i]);
}

/* The server ends: what runs is ended, and stays queued. */
static void end_all(struct pnd_hook *hook)
{
    const struct timespec pause = {.tv_nsec = 10 * 1000000L};
    uint64_t until_ms = pnd_clock_ms() + PND_HOOK_STOP_MS;

    for (unsigned i = 0; i < PND_HOOK_RUNNING_MAX; i++)
        if (hook->runs[i].id)
            kill(-hook->runs[i].pid, SIGTERM);
    for (unsigned i = 0; i < PND_HOOK_RUNNING_MAX; i++) {
        struct run *run = &hook->runs[i];

        while (run->id && !has_exited(run) && pnd_clock_ms() < until_ms)
            nanosleep(&pause, NULL);
        if (!run->id)
            continue;
        kill(-run->pid, SIGKILL);
        end(hook, run, true);
    }
}

static void *look_after_all(void *arg)
{
    struct pnd_hook *hook = arg;

    while (!stopping(hook)) {
        wait_for_news(hook, begin_what_waits(hook) > 0);
        for (unsigned i = 0; i < PND_HOOK_RUNNING_MAX; i++)
            if (hook->runs[i].id)
                look_after(hook, &hook->runs[i]);
    }
    end_all(hook);
    return NULL;
}

static void destroy(struct pnd_hook *hook)
{
    if (hook->wake_fd >= 0)
        close(hook->wake_fd);
    pthread_mutex_destroy(&hook->lock);
    free(hook);
}

int pnd_hook_start(const struct pnd_spool *spool, const char *program, uint64_t patience_ms,
                   struct pnd_hook **ret, struct pnd_why *why)
{
    struct pnd_hook *hook = calloc(1, sizeof(*hook));
    int err;

    if (!hook)
        return pnd_why(why, PND_E_SYS, ENOMEM, "hook");
    hook->spool = spool;
    hook->program = program;
    hook->patience_ms = patience_ms;
    for (unsigned i = 0; i < PND_HOOK_RUNNING_MAX; i++)
        hook->runs[i].out_fd = -1;
    pthread_mutex_init(&hook->lock, NULL);
    hook->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    err = hook->wake_fd < 0 ? errno : pthread_create(&hook->thread, NULL, look_after_all, hook);
    if (err) {
        destroy(hook);
        return pnd_why(why, PND_E_SYS, err, "start the hook's thread");
    }
    *ret = hook;
    return PND_OK;
}

void pnd_hook_stop(struct pnd_hook *hook)
{
    if (!hook)
        return;
    pthread_mutex_lock(&hook->lock);
    hook->stopping = true;
    pthread_mutex_unlock(&hook->lock);
    eventfd_write(hook->wake_fd, 1);
    pthread_join(hook->thread, NULL);
    destroy(hook);
}

int pnd_hook_queue(struct pnd_hook *hook, const struct pnd_hook_call *call, struct pnd_why *why)
{
    int err;

    pthread_mutex_lock(&hook->lock);
    hook->held = call->id;
    err = pnd_hook_call_write(hook->spool, call, why);
    pthread_mutex_unlock(&hook->lock);
    return err;
}

void pnd_hook_go(struct pnd_hook *hook)
{
    if (!hook)
        return;
    pthread_mutex_lock(&hook->lock);
    hook->held = 0;
    pthread_mutex_unlock(&hook->lock);
    eventfd_write(hook->wake_fd, 1);
}
