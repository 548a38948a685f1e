/* SPDX-License-Identifier: BSD-2-Clause */
#include "panicd/hook.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "host/clock.h"
#include "host/log.h"
#include "host/text.h"
#include "panicd/hook_call.h"

/* A call that is being made. */
struct call {
    uint64_t id; /* 0: none */
    ino_t file;  /* that the call was read from: a later one for the dump is another call */
    struct pnd_run run;
};

struct pnd_hook {
    const struct pnd_spool *spool;
    const char *program;
    uint64_t patience_ms;
    int wake_fd;
    pthread_t thread;
    pthread_mutex_t lock;
    bool stopping;
    uint64_t held;    /* queued, and not to be made yet; 0: none */
    unsigned waiting; /* queued or running */

    /* The thread's own. */
    struct call calls[PND_HOOK_RUNNING_MAX];
    bool stuck; /* a call that was made cannot be removed: the next would be the same one */
};

/* ---- one call, from its start to its end ---- */

static void log_line(const char *line, size_t len, void *ctx)
{
    const struct call *call = ctx;
    char safe[4 * PND_RUN_LINE_CAP];

    pnd_log(PND_INFO, "hook-says", "id=%" PRIu64 " text=\"%s\"", call->id,
            pnd_text_escape(safe, sizeof(safe), line, len));
}

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

static void begin(struct pnd_hook *hook, struct call *call, uint64_t id)
{
    struct pnd_hook_call what;
    struct pnd_why why = {0};
    ino_t file = 0;
    int err = pnd_hook_call_read(hook->spool, id, &what, &file, &why);

    call->id = id;
    call->file = file;
    if (!err)
        err = pnd_hook_call_start(hook->spool, hook->program, &what, hook->patience_ms, log_line,
                                  call, &call->run, &why);
    if (err == PND_E_NOTFOUND)
        pnd_log(PND_NOTICE, "hook-skipped", "id=%" PRIu64 " why=\"%s\"", id, why.text);
    else if (err)
        pnd_log(PND_ERR, "hook-failed", "id=%" PRIu64 " why=\"%s\"", id, why.text);
    if (err) {
        call->id = 0;
        drop(hook, id, file);
        return;
    }
    pnd_log(PND_INFO, "hook", "id=%" PRIu64 " pid=%ld reason=%s", id, (long)call->run.pid,
            what.reason);
}

static void end(struct pnd_hook *hook, struct call *call, bool keep)
{
    struct pnd_run_end how;
    bool good;

    pnd_run_finish(&call->run, &how);
    good = !how.signal && how.status == 0 && !how.late;
    if (how.lines_dropped)
        pnd_log(PND_WARNING, "hook-says-more", "id=%" PRIu64 " lines=%u", call->id,
                how.lines_dropped);
    if (how.signal)
        pnd_log(PND_WARNING, "hook-ended", "id=%" PRIu64 " signal=%d late=%d took_ms=%" PRIu64,
                call->id, how.signal, how.late, how.took_ms);
    else
        pnd_log(good ? PND_INFO : PND_WARNING, "hook-ended",
                "id=%" PRIu64 " status=%d late=%d took_ms=%" PRIu64, call->id, how.status, how.late,
                how.took_ms);
    if (!keep)
        drop(hook, call->id, call->file);
    call->id = 0;
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
        if (hook->calls[i].id == id)
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

        while (!hook->calls[i].id && !hook->stuck &&
               pnd_hook_call_next(hook->spool, is_running, hook, &id))
            begin(hook, &hook->calls[i], id);
        running += hook->calls[i].id != 0;
    }
    return running;
}

static void wait_for_news(struct pnd_hook *hook, bool any)
{
    struct pollfd fds[1 + PND_HOOK_RUNNING_MAX] = {{.fd = hook->wake_fd, .events = POLLIN}};
    eventfd_t ignored;

    for (unsigned i = 0; i < PND_HOOK_RUNNING_MAX; i++) {
        fds[1 + i].fd = hook->calls[i].id ? hook->calls[i].run.out_fd : -1;
        fds[1 + i].events = POLLIN;
    }
    poll(fds, sizeof(fds) / sizeof(*fds), any ? PND_RUN_POLL_MS : -1);
    if (fds[0].revents)
        eventfd_read(hook->wake_fd, &ignored);
    for (unsigned i = 0; i < PND_HOOK_RUNNING_MAX; i++)
        if (fds[1 + i].revents)
            pnd_run_hear(&hook->calls[i].run);
}

/* The server ends: what runs is ended, and stays queued. */
static void end_all(struct pnd_hook *hook)
{
    uint64_t until_ms = pnd_clock_ms() + PND_RUN_STOP_MS;

    for (unsigned i = 0; i < PND_HOOK_RUNNING_MAX; i++)
        if (hook->calls[i].id)
            pnd_run_term(&hook->calls[i].run);
    for (unsigned i = 0; i < PND_HOOK_RUNNING_MAX; i++) {
        if (!hook->calls[i].id)
            continue;
        pnd_run_kill(&hook->calls[i].run, until_ms);
        end(hook, &hook->calls[i], true);
    }
}

static void count_waiting(struct pnd_hook *hook)
{
    unsigned waiting = pnd_hook_call_count(hook->spool);

    pthread_mutex_lock(&hook->lock);
    hook->waiting = waiting;
    pthread_mutex_unlock(&hook->lock);
}

static void *look_after_all(void *arg)
{
    struct pnd_hook *hook = arg;

    while (!stopping(hook)) {
        count_waiting(hook);
        wait_for_news(hook, begin_what_waits(hook) > 0);
        for (unsigned i = 0; i < PND_HOOK_RUNNING_MAX; i++)
            if (hook->calls[i].id && pnd_run_look(&hook->calls[i].run))
                end(hook, &hook->calls[i], false);
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
        hook->calls[i].run.out_fd = -1;
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

unsigned pnd_hook_waiting(struct pnd_hook *hook)
{
    unsigned waiting;

    if (!hook)
        return 0;
    pthread_mutex_lock(&hook->lock);
    waiting = hook->waiting;
    pthread_mutex_unlock(&hook->lock);
    return waiting;
}
