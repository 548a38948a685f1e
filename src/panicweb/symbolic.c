/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Logs with names; see symbolic.h. */
#include "panicweb/symbolic.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "host/clock.h"
#include "host/log.h"
#include "panicweb/reply.h"

enum {
    FIRST_BYTES = 64 << 10,
    LOOK_MS = 200, /* is it all to end? */
};

static const char type[] = "text/plain; charset=utf-8";

enum state { UNUSED, WAITING, RUNNING, NAMED, UNNAMED };

struct named {
    enum state state;
    uint64_t id;
    int64_t received_ms;                 /* an id that came anew is another dump */
    struct MHD_Response *plain, *packed; /* of NAMED */
    uint64_t made_ms, used_ms;
};

struct pnd_symbolic {
    const struct pnd_runner *runner;
    pthread_t thread;
    atomic_bool stopping;

    /* under the lock */
    pthread_mutex_t lock;
    pthread_cond_t asked;
    struct named named[PND_SYMBOLIC_COUNT];
    unsigned waiting_count;
    struct MHD_Connection *waiting[PND_WEB_CONNECTIONS_MAX];
};

/* ---- what is kept: with the lock ---- */

static bool pends(const struct named *named)
{
    return named->state == WAITING || named->state == RUNNING;
}

static void drop(struct named *named)
{
    if (named->plain)
        MHD_destroy_response(named->plain);
    if (named->packed)
        MHD_destroy_response(named->packed);
    *named = (struct named){0};
}

static bool still_good(const struct named *named, uint64_t now_ms)
{
    uint64_t age_ms = now_ms - named->made_ms;

    return pends(named) ||
           age_ms < (named->state == NAMED ? PND_SYMBOLIC_NAMED_MS : PND_SYMBOLIC_UNNAMED_MS);
}

static struct named *find(struct pnd_symbolic *symbolic, uint64_t id, int64_t received_ms,
                          uint64_t now_ms)
{
    for (unsigned i = 0; i < PND_SYMBOLIC_COUNT; i++) {
        struct named *named = &symbolic->named[i];

        if (named->state == UNUSED || named->id != id || named->received_ms != received_ms)
            continue;
        if (still_good(named, now_ms))
            return named;
        drop(named);
    }
    return NULL;
}

/* One that is unused, or has not been asked for longest. @return NULL: all of them wait */
static struct named *place(struct pnd_symbolic *symbolic)
{
    struct named *oldest = NULL;

    for (unsigned i = 0; i < PND_SYMBOLIC_COUNT; i++) {
        struct named *named = &symbolic->named[i];

        if (named->state == UNUSED)
            return named;
        if (!pends(named) && (!oldest || named->used_ms < oldest->used_ms))
            oldest = named;
    }
    if (oldest)
        drop(oldest);
    return oldest;
}

/* The one that was asked for first. */
static struct named *next(struct pnd_symbolic *symbolic)
{
    struct named *first = NULL;

    for (unsigned i = 0; i < PND_SYMBOLIC_COUNT; i++) {
        struct named *named = &symbolic->named[i];

        if (named->state == WAITING && (!first || named->made_ms < first->made_ms))
            first = named;
    }
    return first;
}

static void resume_all(struct pnd_symbolic *symbolic)
{
    for (unsigned i = 0; i < symbolic->waiting_count; i++)
        MHD_resume_connection(symbolic->waiting[i]);
    symbolic->waiting_count = 0;
}

/* ---- a run ---- */

/* @return can it be read, or has it ended? false: the time is over, or all of it */
static bool await(const struct pnd_symbolic *symbolic, int fd, uint64_t end_ms)
{
    while (!atomic_load(&symbolic->stopping) && pnd_clock_ms() < end_ms) {
        struct pollfd polled = {.fd = fd, .events = POLLIN};

        if (poll(&polled, 1, LOOK_MS) > 0)
            return true;
    }
    return false;
}

struct text {
    char *bytes; /* the caller's, also on error */
    size_t len, cap;
};

/* @return false: no memory, or more than one log may have */
static bool make_room(struct text *text)
{
    size_t cap = text->cap ? 2 * text->cap : FIRST_BYTES;
    char *bytes;

    if (text->len < text->cap)
        return true;
    if (text->len >= PND_SYMBOLIC_BYTES_MAX)
        return false;
    if (cap > PND_SYMBOLIC_BYTES_MAX)
        cap = PND_SYMBOLIC_BYTES_MAX;
    bytes = realloc(text->bytes, cap);
    if (!bytes)
        return false;
    text->bytes = bytes;
    text->cap = cap;
    return true;
}

/* All that it writes. @return NULL: and it went well; else what was wrong */
static const char *gather(const struct pnd_symbolic *symbolic, const struct pnd_run *run,
                          uint64_t end_ms, struct text *ret)
{
    for (;;) {
        ssize_t n;

        if (!make_room(ret))
            return "too-long";
        n = read(run->out_fd, ret->bytes + ret->len, ret->cap - ret->len);
        if (n == 0)
            break;
        if (n > 0)
            ret->len += (size_t)n;
        else if (errno != EAGAIN && errno != EINTR)
            return "unreadable";
        if (!await(symbolic, run->out_fd, end_ms))
            return "time";
    }
    if (!await(symbolic, run->status_fd, end_ms))
        return "time";
    return pnd_run_ended(run) == PND_RUN_WELL ? NULL : "no-symbols";
}

/* @param ret  with id; gets state and responses */
static void make(const struct pnd_symbolic *symbolic, struct named *ret)
{
    uint64_t start_ms = pnd_clock_ms();
    struct text text = {0};
    struct pnd_run run;
    const char *wrong = "cannot-start";

    if (pnd_runner_begin(symbolic->runner, PND_RUN_LOG, ret->id, &run) == PND_OK) {
        wrong = gather(symbolic, &run, start_ms + PND_SYMBOLIC_RUN_MS, &text);
        pnd_run_close(&run);
    }
    if (!wrong) {
        ret->plain = pnd_reply_text(text.bytes, text.len, type, false);
        ret->packed = pnd_reply_text(text.bytes, text.len, type, true);
    }
    free(text.bytes);
    ret->state = ret->plain && ret->packed ? NAMED : UNNAMED;
    ret->made_ms = ret->used_ms = pnd_clock_ms();
    pnd_log(PND_INFO, "web-symbols", "id=%" PRIu64 " found=%s ms=%" PRIu64, ret->id,
            wrong                 ? wrong
            : ret->state == NAMED ? "yes"
                                  : "no-memory",
            ret->made_ms - start_ms);
}

static void *work(void *arg)
{
    struct pnd_symbolic *symbolic = arg;

    pthread_mutex_lock(&symbolic->lock);
    while (!atomic_load(&symbolic->stopping)) {
        struct named *named = next(symbolic), made;

        if (!named) {
            pthread_cond_wait(&symbolic->asked, &symbolic->lock);
            continue;
        }
        named->state = RUNNING; /* stays where it is */
        made = *named;
        pthread_mutex_unlock(&symbolic->lock);
        make(symbolic, &made);
        pthread_mutex_lock(&symbolic->lock);
        *named = made;
        resume_all(symbolic);
    }
    resume_all(symbolic);
    pthread_mutex_unlock(&symbolic->lock);
    return NULL;
}

/* ---- the whole ---- */

int pnd_symbolic_start(const struct pnd_runner *runner, struct pnd_symbolic **ret,
                       struct pnd_why *why)
{
    struct pnd_symbolic *symbolic = calloc(1, sizeof(*symbolic));
    int err;

    if (!symbolic)
        return pnd_why(why, PND_E_SYS, ENOMEM, "look for symbols");
    symbolic->runner = runner;
    pthread_mutex_init(&symbolic->lock, NULL);
    pthread_cond_init(&symbolic->asked, NULL);
    err = pthread_create(&symbolic->thread, NULL, work, symbolic);
    if (err) {
        pthread_cond_destroy(&symbolic->asked);
        pthread_mutex_destroy(&symbolic->lock);
        free(symbolic);
        return pnd_why(why, PND_E_SYS, err, "start a thread");
    }
    *ret = symbolic;
    return PND_OK;
}

void pnd_symbolic_stop(struct pnd_symbolic *symbolic)
{
    if (!symbolic)
        return;
    pthread_mutex_lock(&symbolic->lock);
    atomic_store(&symbolic->stopping, true);
    pthread_cond_signal(&symbolic->asked);
    pthread_mutex_unlock(&symbolic->lock);
    pthread_join(symbolic->thread, NULL);
}

void pnd_symbolic_destroy(struct pnd_symbolic *symbolic)
{
    if (!symbolic)
        return;
    for (unsigned i = 0; i < PND_SYMBOLIC_COUNT; i++)
        drop(&symbolic->named[i]);
    pthread_cond_destroy(&symbolic->asked);
    pthread_mutex_destroy(&symbolic->lock);
    free(symbolic);
}

/* With the lock. @return false: nothing was answered */
static bool answer(struct pnd_symbolic *symbolic, const struct pnd_request *request, uint64_t id,
                   int64_t received_ms, enum MHD_Result *ret)
{
    uint64_t now_ms = pnd_clock_ms();
    struct named *named = find(symbolic, id, received_ms, now_ms);

    if (!named) {
        named = place(symbolic);
        if (!named) {
            *ret = pnd_reply_error(request, MHD_HTTP_SERVICE_UNAVAILABLE,
                                   "the symbols of as many logs as this server takes are being "
                                   "looked for",
                                   "try again in a moment");
            return true;
        }
        *named = (struct named){
            .state = WAITING, .id = id, .received_ms = received_ms, .made_ms = now_ms};
        pthread_cond_signal(&symbolic->asked);
    }
    if (pends(named) && symbolic->waiting_count < PND_WEB_CONNECTIONS_MAX) {
        symbolic->waiting[symbolic->waiting_count++] = request->connection;
        MHD_suspend_connection(request->connection);
        *ret = MHD_YES;
        return true;
    }
    named->used_ms = now_ms;
    if (named->state != NAMED)
        return false;
    *ret = MHD_queue_response(request->connection, MHD_HTTP_OK,
                              request->gzip ? named->packed : named->plain);
    return true;
}

bool pnd_symbolic_answer(const struct pnd_request *request, uint64_t id, int64_t received_ms,
                         enum MHD_Result *ret)
{
    struct pnd_symbolic *symbolic = request->web->symbolic;
    bool answered = false;

    pthread_mutex_lock(&symbolic->lock);
    if (!atomic_load(&symbolic->stopping))
        answered = answer(symbolic, request, id, received_ms, ret);
    pthread_mutex_unlock(&symbolic->lock);
    return answered;
}
