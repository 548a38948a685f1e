/* SPDX-License-Identifier: BSD-2-Clause */
#include "panicd/checker.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "host/clock.h"
#include "host/guard.h"
#include "host/log.h"
#include "inspect/check.h"
#include "panicd/resting.h"
#include "panicd/verdict.h"

enum {
    BATCH = 32,    /* unchecked rows taken from the catalog at a time */
    NEWS_MAX = 64, /* news waiting for the event loop; more are not announced */
    USAGE_MS = PND_CHECKER_USAGE_S * 1000,
    PUT_PAUSE_MS = 2000, /* between attempts to put a row */
};

/* A dump that arrives, as the network thread tells of it; under the lock. */
struct arrival {
    uint64_t id; /* 0: free */
    char file[PND_SPOOL_NAME_CAP], peer[PND_PEER_TEXT_CAP];
    uint64_t bytes, told_ms;
    bool failed; /* its child died: not again before it has ended */
};

/* A child, and what it reads. */
struct reading {
    uint64_t id; /* 0: none */
    int fd;
    struct pnd_check_child *child; /* NULL: it has said all */
    uint64_t allowed;
    char peer[PND_PEER_TEXT_CAP];  /* of one that arrives */
    char file[PND_SPOOL_NAME_CAP]; /* the same */
    struct pnd_facts facts;        /* the last it told */
    bool told;                     /* and it was announced why the machine died */
};

struct pnd_checker {
    const struct pnd_spool *spool;
    const struct pnd_handover *handover;
    struct pnd_catalog *catalog;
    pthread_t thread;
    pthread_mutex_t lock;
    int event_fd, wake_fd;
    bool stopping, woken;
    struct pnd_usage usage;
    struct pnd_checker_news news[NEWS_MAX];
    unsigned first, count;
    struct arrival arrivals[PND_CHECKER_FOLLOWED_MAX];

    /* The thread's own. */
    struct reading followed[PND_CHECKER_FOLLOWED_MAX]; /* of the arrival with the same index */
    struct reading ended;                              /* of batch[batch_at] */
    struct pnd_dump batch[BATCH];
    unsigned batch_count, batch_at;
    bool judged;     /* the row of the ended dump has its verdict, and is to be put */
    bool progressed; /* some row of this batch got its verdict */
    bool more;       /* a child has said something, and maybe not all */
    uint64_t put_ms; /* ended.child is NULL: when its row is put again */
    uint64_t sum_ms; /* when the sums are due */
    struct pnd_resting resting;
};

static void announce(struct pnd_checker *checker, const struct pnd_checker_news *news)
{
    pthread_mutex_lock(&checker->lock);
    if (checker->count < NEWS_MAX)
        checker->news[(checker->first + checker->count++) % NEWS_MAX] = *news;
    pthread_mutex_unlock(&checker->lock);
    eventfd_write(checker->event_fd, 1);
}

/* The group of dump @p id, when there is one. */
static void find_group(struct pnd_checker *checker, uint64_t id, struct pnd_group *ret)
{
    if (pnd_catalog_group_of(checker->catalog, id, ret, NULL))
        *ret = (struct pnd_group){0};
}

static void stop_reading(struct reading *reading)
{
    if (!reading->id)
        return;
    pnd_check_destroy(reading->child);
    close(reading->fd);
    pnd_facts_deinit(&reading->facts);
    *reading = (struct reading){0};
}

/* @return PND_OK; PND_E_NOTFOUND the file is gone; PND_E_SYS */
static int start_reading(struct pnd_checker *checker, uint64_t id, const char *file, bool follow,
                         struct reading *ret, struct pnd_why *why)
{
    struct reading reading = {.id = id, .fd = pnd_spool_open_file(checker->spool, file)};
    int err;

    if (reading.fd == PND_E_NOTFOUND)
        return PND_E_NOTFOUND;
    if (reading.fd < 0)
        return pnd_why(why, PND_E_SYS, errno, "open the dump");
    err = pnd_check_start(reading.fd, follow, &reading.child, why);
    if (err) {
        close(reading.fd);
        return err;
    }
    *ret = reading;
    return PND_OK;
}

/* ---- what becomes of facts and verdicts ---- */

/* What is known of a dump that arrives. A machine is known by its name, or else by its address. */
static void keep_facts(struct pnd_checker *checker, const struct reading *reading)
{
    const char *host = pnd_facts_text(&reading->facts, PND_FACT_HOST);
    struct pnd_why why;

    if (pnd_catalog_put_facts(checker->catalog, reading->id, &reading->facts, false,
                              pnd_clock_wall_ms(), *host ? host : reading->peer, &why))
        pnd_log(PND_ERR, "facts-lost", "id=%" PRIu64 " why=\"%s\"", reading->id, why.text);
}

/* The verdict and the facts into the catalog. One that has no room or no time now is asked again
 * later: that is its trouble, and what was read need not be read again. @return false: later */
static bool put(struct pnd_checker *checker, const struct pnd_dump *dump, bool *ret_gone)
{
    static const struct pnd_facts none;
    struct pnd_why why;
    int err = pnd_catalog_conclude(checker->catalog, dump, &checker->ended.facts, &why);

    if (err && err != PND_E_NOTFOUND)
        pnd_log(PND_ERR, "catalog-behind", "id=%" PRIu64 " why=\"%s\"", dump->id, why.text);
    if (err == PND_E_SYS) /* perhaps it is only these facts that it does not take */
        err = pnd_catalog_conclude(checker->catalog, dump, &none, &why);
    *ret_gone = err == PND_E_NOTFOUND;
    return !err || *ret_gone;
}

/* What the dump of checker->ended has come to is known: its row is all that lacks. */
static void conclude(struct pnd_checker *checker)
{
    struct pnd_dump *dump = &checker->batch[checker->batch_at];
    struct pnd_checker_news news = {.verdict = true, .known = checker->ended.told, .dump = *dump};
    bool gone;

    checker->put_ms = pnd_clock_ms() + PUT_PAUSE_MS;
    if (!put(checker, dump, &gone))
        return;
    checker->progressed = true;
    checker->batch_at++;
    if (!checker->judged) { /* only its facts were wanted; who waits for a verdict is next */
        checker->batch_count = checker->batch_at;
    } else if (!gone) {
        find_group(checker, dump->id, &news.group);
        announce(checker, &news);
        pnd_handover_concluded(checker->handover);
    }
    stop_reading(&checker->ended);
}

/* ---- dumps that have ended ---- */

static bool collect(const struct pnd_dump *dump, void *ctx)
{
    struct pnd_checker *checker = ctx;

    if (!pnd_resting_has(&checker->resting, dump->id, pnd_clock_ms()))
        checker->batch[checker->batch_count++] = *dump;
    return checker->batch_count < BATCH;
}

static void next_batch(struct pnd_checker *checker)
{
    checker->batch_count = checker->batch_at = 0;
    checker->progressed = false;
    pnd_catalog_each(checker->catalog, true, collect, checker, NULL);
    if (checker->batch_count == 0) /* no verdict is waited for: facts of older dumps */
        pnd_catalog_each_unread(checker->catalog, collect, checker, NULL);
}

/* The child that has followed the dump until now, if it read nothing that is not in it: it may
 * have been told since that what it read has changed. */
static bool take_over(struct pnd_checker *checker, const struct pnd_dump *dump)
{
    for (unsigned i = 0; i < PND_CHECKER_FOLLOWED_MAX; i++) {
        struct reading *followed = &checker->followed[i];
        bool unchanged;

        if (followed->id != dump->id)
            continue;
        pthread_mutex_lock(&checker->lock);
        unchanged = checker->arrivals[i].id == dump->id;
        if (unchanged)
            checker->arrivals[i].id = 0;
        pthread_mutex_unlock(&checker->lock);
        if (!unchanged || followed->allowed > dump->bytes ||
            pnd_check_allow(followed->child, dump->bytes, true)) {
            stop_reading(followed);
            return false;
        }
        checker->ended = *followed;
        *followed = (struct reading){0};
        return true;
    }
    return false;
}

/* Begins with the dump that is next in the batch. A dump that this machine cannot check now stays
 * in the queue. */
static void begin(struct pnd_checker *checker)
{
    struct pnd_dump *dump = &checker->batch[checker->batch_at];
    struct pnd_why why = {0};
    int err;

    if (take_over(checker, dump))
        return;
    err = start_reading(checker, dump->id, dump->file, false, &checker->ended, &why);
    if (!err)
        return;
    checker->batch_at++;
    if (err == PND_E_NOTFOUND) /* removed by a person meanwhile, or it arrives again */
        checker->progressed |= pnd_catalog_forget(checker->catalog, dump, NULL) == PND_OK;
    else
        pnd_log(PND_WARNING, "check-failed", "id=%" PRIu64 " why=\"%s\"", dump->id, why.text);
}

static void end(struct pnd_checker *checker, int err, const struct pnd_check *check,
                const struct pnd_why *why)
{
    struct pnd_dump *dump = &checker->batch[checker->batch_at];

    if (err)
        pnd_log(PND_WARNING, "check-failed", "id=%" PRIu64 " why=\"%s\"", dump->id, why->text);
    if (err && err != PND_E_FORMAT) { /* this machine's trouble, not the file's */
        pnd_resting_add(&checker->resting, dump->id, pnd_clock_ms());
        checker->batch_at++;
        stop_reading(&checker->ended);
        return;
    }
    pnd_check_destroy(checker->ended.child);
    checker->ended.child = NULL;
    checker->judged = !dump->checked;
    if (checker->judged)
        pnd_verdict_judge(checker->spool, checker->ended.fd, err, check, why, dump);
    pnd_verdict_add_header(checker->spool, dump->file, &checker->ended.facts);
    if (checker->judged) {
        pnd_handover_judged(checker->handover, checker->spool, &checker->ended.facts, dump);
        if (!err) /* with it the dump is checked, whoever is killed: nothing is left to be done */
            pnd_catalog_label(checker->ended.fd, dump);
    }
    conclude(checker);
}

/* What the child of the ended dump says next. @return there may be more */
static bool hear_ended(struct pnd_checker *checker)
{
    enum pnd_check_news news = PND_CHECK_NOTHING;
    struct pnd_check check = {0};
    struct pnd_facts facts = {0};
    struct pnd_why why = {0};
    int err = pnd_check_next(checker->ended.child, &news, &check, &facts, &why);

    if (err || news == PND_CHECK_DONE) {
        end(checker, err, &check, &why);
        return false;
    }
    if (news == PND_CHECK_NOTHING)
        return false;
    pnd_facts_deinit(&checker->ended.facts);
    checker->ended.facts = facts;
    return true;
}

/* ---- dumps that arrive ---- */

/* Is it known by now why the machine died? That is worth telling at once. */
static void tell_facts(struct pnd_checker *checker, struct reading *reading, bool knew)
{
    struct pnd_checker_news news = {.dump = {.id = reading->id}};

    keep_facts(checker, reading);
    if (knew || !reading->facts.text[PND_FACT_PANIC])
        return;
    find_group(checker, reading->id, &news.group);
    reading->told = true;
    announce(checker, &news);
}

static void give_up_following(struct pnd_checker *checker, struct reading *reading)
{
    struct arrival *arrival = &checker->arrivals[reading - checker->followed];

    pthread_mutex_lock(&checker->lock);
    arrival->failed = arrival->id == reading->id;
    pthread_mutex_unlock(&checker->lock);
    stop_reading(reading);
}

/* What the child of a dump that arrives says next. @return there may be more */
static bool hear_followed(struct pnd_checker *checker, struct reading *reading)
{
    bool knew = reading->facts.text[PND_FACT_PANIC] != NULL;
    enum pnd_check_news news = PND_CHECK_NOTHING;
    struct pnd_check check = {0};
    struct pnd_facts facts = {0};
    struct pnd_why why = {0};
    int err = pnd_check_next(reading->child, &news, &check, &facts, &why);

    if (err || news == PND_CHECK_DONE) { /* it will be read anew when it has ended */
        pnd_log(PND_WARNING, "follow-failed", "id=%" PRIu64 " why=\"%s\"", reading->id,
                err ? why.text : "the child ended too early");
        give_up_following(checker, reading);
        return false;
    }
    if (news == PND_CHECK_NOTHING)
        return false;
    pnd_facts_deinit(&reading->facts);
    reading->facts = facts;
    pnd_verdict_add_header(checker->spool, reading->file, &reading->facts);
    tell_facts(checker, reading, knew);
    return true;
}

/* Follows what the network thread tells of. */
static void follow(struct pnd_checker *checker, unsigned i)
{
    struct reading *reading = &checker->followed[i];
    char part[PND_SPOOL_NAME_CAP + sizeof(".part")];
    struct arrival arrival;
    struct pnd_why why;

    pthread_mutex_lock(&checker->lock);
    if (checker->arrivals[i].id &&
        pnd_clock_ms() - checker->arrivals[i].told_ms > PND_CHECKER_FOLLOW_IDLE_MS)
        checker->arrivals[i].id = 0;
    arrival = checker->arrivals[i];
    pthread_mutex_unlock(&checker->lock);

    if (reading->id && reading->id != arrival.id)
        stop_reading(reading);
    if (!arrival.id || arrival.failed)
        return;
    snprintf(part, sizeof(part), "%s.part", arrival.file);
    if (!reading->id && start_reading(checker, arrival.id, part, true, reading, &why))
        return;
    memcpy(reading->peer, arrival.peer, sizeof(reading->peer));
    memcpy(reading->file, arrival.file, sizeof(reading->file));
    if (arrival.bytes > reading->allowed) {
        reading->allowed = arrival.bytes;
        pnd_check_allow(reading->child, arrival.bytes, false);
    }
}

void pnd_checker_arriving(struct pnd_checker *checker, uint64_t id, const char *file,
                          const struct pnd_addr *peer, uint64_t bytes)
{
    struct arrival *at = NULL;

    if (!checker || bytes < PND_CHECKER_FOLLOW_FIRST)
        return;
    pthread_mutex_lock(&checker->lock);
    for (unsigned i = 0; i < PND_CHECKER_FOLLOWED_MAX; i++) {
        struct arrival *arrival = &checker->arrivals[i];

        if (arrival->id == id || (!at && !arrival->id))
            at = arrival;
        if (arrival->id == id)
            break;
    }
    if (at) {
        at->failed &= at->id == id;
        at->id = id;
        snprintf(at->file, sizeof(at->file), "%s", file);
        pnd_addr_text(peer, at->peer);
        at->bytes = bytes;
        at->told_ms = pnd_clock_ms();
    }
    pthread_mutex_unlock(&checker->lock);
    if (at)
        eventfd_write(checker->wake_fd, 1);
}

void pnd_checker_changed(struct pnd_checker *checker, uint64_t id)
{
    if (!checker)
        return;
    pthread_mutex_lock(&checker->lock);
    for (unsigned i = 0; i < PND_CHECKER_FOLLOWED_MAX; i++) {
        if (checker->arrivals[i].id == id)
            checker->arrivals[i].id = 0;
    }
    pthread_mutex_unlock(&checker->lock);
    eventfd_write(checker->wake_fd, 1);
}

void pnd_checker_taken_up(struct pnd_checker *checker, const struct pnd_dump *dump)
{
    pthread_mutex_lock(&checker->lock);
    pnd_usage_drop(&checker->usage, dump);
    pthread_mutex_unlock(&checker->lock);
    pnd_checker_wake(checker);
}

/* ---- the thread ---- */

static void sum_up(struct pnd_checker *checker)
{
    struct pnd_usage usage, old;

    checker->sum_ms = pnd_clock_ms() + USAGE_MS;
    if (pnd_usage_sum(checker->catalog, &usage))
        return;
    pthread_mutex_lock(&checker->lock);
    old = checker->usage;
    checker->usage = usage;
    pthread_mutex_unlock(&checker->lock);
    pnd_usage_deinit(&old);
}

/* Takes what is next from the queue, unless a dump is being read. The sums are made when they are
 * due, however long that takes: the policy stands on them. */
static void go_on(struct pnd_checker *checker)
{
    bool due = pnd_clock_ms() >= checker->sum_ms, again;

    if (due)
        sum_up(checker);
    if (checker->ended.id && !checker->ended.child && pnd_clock_ms() >= checker->put_ms)
        conclude(checker);
    while (!checker->ended.id) {
        if (checker->batch_at < checker->batch_count) {
            begin(checker);
            continue;
        }
        pthread_mutex_lock(&checker->lock);
        again = checker->woken;
        checker->woken = false;
        pthread_mutex_unlock(&checker->lock);
        again |= checker->progressed;
        if (!again && !due)
            return;
        if (again)
            sum_up(checker);
        due = false;
        next_batch(checker);
    }
}

/* Waits for a child's word, or for somebody's. Each child is heard once, whether its pipe has
 * something or not - one that has stopped within a message is noticed only so - and comes round
 * again at once when it has more to say: one that never stops talking holds up nobody. */
static void wait_for_news(struct pnd_checker *checker)
{
    struct pollfd fds[2 + PND_CHECKER_FOLLOWED_MAX] = {{.fd = checker->wake_fd, .events = POLLIN}};
    uint64_t now_ms = pnd_clock_ms(), until_ms = checker->sum_ms;
    eventfd_t ignored;

    if (checker->ended.id && !checker->ended.child && checker->put_ms < until_ms)
        until_ms = checker->put_ms;
    if (checker->more)
        until_ms = now_ms;
    fds[1].fd = checker->ended.child ? pnd_check_fd(checker->ended.child) : -1;
    fds[1].events = POLLIN;
    for (unsigned i = 0; i < PND_CHECKER_FOLLOWED_MAX; i++) {
        fds[2 + i].fd = checker->followed[i].id ? pnd_check_fd(checker->followed[i].child) : -1;
        fds[2 + i].events = POLLIN;
    }
    poll(fds, sizeof(fds) / sizeof(*fds), until_ms > now_ms ? (int)(until_ms - now_ms) : 0);
    if (fds[0].revents)
        eventfd_read(checker->wake_fd, &ignored);
    checker->more = false;
    for (unsigned i = 0; i < PND_CHECKER_FOLLOWED_MAX; i++)
        checker->more |= checker->followed[i].id && hear_followed(checker, &checker->followed[i]);
    checker->more |= checker->ended.child && hear_ended(checker);
}

static bool stopping(struct pnd_checker *checker)
{
    bool stop;

    pthread_mutex_lock(&checker->lock);
    stop = checker->stopping;
    pthread_mutex_unlock(&checker->lock);
    return stop;
}

static void *run(void *arg)
{
    struct pnd_checker *checker = arg;

    while (!stopping(checker)) {
        go_on(checker);
        for (unsigned i = 0; i < PND_CHECKER_FOLLOWED_MAX; i++)
            follow(checker, i);
        wait_for_news(checker);
    }
    stop_reading(&checker->ended);
    for (unsigned i = 0; i < PND_CHECKER_FOLLOWED_MAX; i++)
        stop_reading(&checker->followed[i]);
    return NULL;
}

static void destroy(struct pnd_checker *checker)
{
    pnd_catalog_close(checker->catalog);
    pthread_mutex_destroy(&checker->lock);
    close(checker->event_fd);
    close(checker->wake_fd);
    pnd_usage_deinit(&checker->usage);
    free(checker);
}

int pnd_checker_start(const struct pnd_spool *spool, const struct pnd_handover *handover,
                      struct pnd_checker **ret, struct pnd_why *why)
{
    struct pnd_checker *checker = calloc(1, sizeof(*checker));
    bool fresh;
    int err;

    if (!checker)
        return pnd_why(why, PND_E_SYS, ENOMEM, "checker");
    checker->spool = spool;
    checker->handover = handover;
    checker->woken = true;
    checker->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    checker->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    pthread_mutex_init(&checker->lock, NULL);
    err = pnd_catalog_open(spool, false, &checker->catalog, &fresh, why);
    if (!err) {
        sum_up(checker);
        err = pthread_create(&checker->thread, NULL, run, checker);
        if (err)
            err = pnd_why(why, PND_E_SYS, err, "start the checker's thread");
    }
    if (err) {
        destroy(checker);
        return err;
    }
    *ret = checker;
    return PND_OK;
}

void pnd_checker_stop(struct pnd_checker *checker)
{
    if (!checker)
        return;
    pthread_mutex_lock(&checker->lock);
    checker->stopping = true;
    pthread_mutex_unlock(&checker->lock);
    eventfd_write(checker->wake_fd, 1);
    pthread_join(checker->thread, NULL);
    destroy(checker);
}

void pnd_checker_wake(struct pnd_checker *checker)
{
    pthread_mutex_lock(&checker->lock);
    checker->woken = true;
    pthread_mutex_unlock(&checker->lock);
    eventfd_write(checker->wake_fd, 1);
}

int pnd_checker_fd(const struct pnd_checker *checker)
{
    return checker->event_fd;
}

bool pnd_checker_next(struct pnd_checker *checker, struct pnd_checker_news *ret)
{
    eventfd_t ignored;
    bool any;

    eventfd_read(checker->event_fd, &ignored);
    pthread_mutex_lock(&checker->lock);
    any = checker->count > 0;
    if (any) {
        *ret = checker->news[checker->first];
        checker->first = (checker->first + 1) % NEWS_MAX;
        checker->count--;
    }
    pthread_mutex_unlock(&checker->lock);
    return any;
}

void pnd_checker_usage(struct pnd_checker *checker, const struct pnd_addr *source,
                       uint64_t *ret_source, uint64_t *ret_total)
{
    pthread_mutex_lock(&checker->lock);
    *ret_source = pnd_usage_of(&checker->usage, source);
    *ret_total = checker->usage.total;
    pthread_mutex_unlock(&checker->lock);
}

unsigned pnd_checker_pending(struct pnd_checker *checker)
{
    unsigned pending;

    pthread_mutex_lock(&checker->lock);
    pending = checker->usage.unchecked;
    pthread_mutex_unlock(&checker->lock);
    return pending;
}

void pnd_checker_kept(struct pnd_checker *checker, struct pnd_usage_kept *ret)
{
    pthread_mutex_lock(&checker->lock);
    *ret = (struct pnd_usage_kept){.bytes = checker->usage.total,
                                   .dumps = checker->usage.dumps,
                                   .incomplete = checker->usage.incomplete,
                                   .sources = checker->usage.count};
    pthread_mutex_unlock(&checker->lock);
}
