/* SPDX-License-Identifier: BSD-2-Clause */
#include "panicd/checker.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "host/guard.h"
#include "host/log.h"
#include "inspect/check.h"

enum {
    BATCH = 32,          /* unchecked rows taken from the catalog at a time */
    VERDICTS = 64,       /* verdicts waiting for the event loop; more are not announced */
    CHILD_ASK_MS = 1000, /* the child is looked after so often, also when it says nothing */
    SOURCES_MAX = 65536, /* sources told apart in the sums; the rest counts in the total only */
};

struct source {
    struct pnd_addr addr;
    uint64_t bytes;
};

struct usage {
    uint64_t total;
    unsigned count, cap, unchecked;
    struct source *sources;
};

struct pnd_checker {
    const struct pnd_spool *spool;
    struct pnd_catalog *catalog;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool stopping, woken;
    int event_fd, stop_fd;
    struct usage usage;
    struct pnd_checker_verdict verdicts[VERDICTS];
    unsigned first, count;
    struct pnd_dump batch[BATCH];
    unsigned batch_count;
};

static bool stopping(struct pnd_checker *checker)
{
    bool stop;

    pthread_mutex_lock(&checker->lock);
    stop = checker->stopping;
    pthread_mutex_unlock(&checker->lock);
    return stop;
}

static bool collect_unchecked(const struct pnd_dump *dump, void *ctx)
{
    struct pnd_checker *checker = ctx;

    checker->batch[checker->batch_count++] = *dump;
    return checker->batch_count < BATCH;
}

static int compare_sources(const void *a, const void *b)
{
    return memcmp(((const struct source *)a)->addr.b, ((const struct source *)b)->addr.b, 16);
}

/* One entry for each source. */
static void merge(struct usage *usage)
{
    unsigned out = 0;

    if (usage->count)
        qsort(usage->sources, usage->count, sizeof(usage->sources[0]), compare_sources);
    for (unsigned i = 0; i < usage->count; i++) {
        if (out && compare_sources(&usage->sources[out - 1], &usage->sources[i]) == 0)
            usage->sources[out - 1].bytes += usage->sources[i].bytes;
        else
            usage->sources[out++] = usage->sources[i];
    }
    usage->count = out;
}

static bool add_usage(const struct pnd_dump *dump, void *ctx)
{
    struct usage *usage = ctx;
    struct source source = {.bytes = dump->bytes}, *grown;
    struct pnd_cidr cidr;

    usage->total += dump->bytes;
    usage->unchecked += !dump->checked;
    if (pnd_cidr_parse(dump->peer, &cidr))
        return true;
    source.addr = cidr.addr;
    if (usage->count == usage->cap)
        merge(usage);
    if (usage->count == SOURCES_MAX)
        return true;
    if (usage->count >= usage->cap / 2) { /* merging again soon would gain too little */
        grown = reallocarray(usage->sources, usage->cap ? usage->cap * 2 : 64, sizeof(source));
        if (!grown)
            return true;
        usage->sources = grown;
        usage->cap = usage->cap ? usage->cap * 2 : 64;
    }
    usage->sources[usage->count++] = source;
    return true;
}

static void sum_up(struct pnd_checker *checker)
{
    struct usage usage = {0}, old;

    if (pnd_catalog_each(checker->catalog, false, add_usage, &usage, NULL)) {
        free(usage.sources);
        return;
    }
    merge(&usage);
    pthread_mutex_lock(&checker->lock);
    old = checker->usage;
    checker->usage = usage;
    pthread_mutex_unlock(&checker->lock);
    free(old.sources);
}

/* The catalog is asked here, so that the thread of the packets never has to. */
static void announce(struct pnd_checker *checker, const struct pnd_dump *dump)
{
    struct pnd_checker_verdict verdict = {.dump = *dump};

    if (pnd_catalog_group_of(checker->catalog, dump->id, &verdict.group, NULL))
        verdict.group = (struct pnd_group){0};
    pthread_mutex_lock(&checker->lock);
    if (checker->count < VERDICTS)
        checker->verdicts[(checker->first + checker->count++) % VERDICTS] = verdict;
    pthread_mutex_unlock(&checker->lock);
    eventfd_write(checker->event_fd, 1);
}

/* What is known of a dump by now. */
static void take_facts(struct pnd_checker *checker, const struct pnd_dump *dump,
                       const struct pnd_facts *facts)
{
    (void)checker;
    (void)dump;
    (void)facts;
}

/* @return PND_OK; PND_E_ABORTED the server stops; else the check could not be made */
static int run_child(struct pnd_checker *checker, const struct pnd_dump *dump, int fd,
                     struct pnd_check *ret, struct pnd_why *why)
{
    struct pnd_check_child *child = NULL;
    enum pnd_check_news news = PND_CHECK_NOTHING;
    struct pnd_facts facts;
    struct pollfd fds[2];
    int err = pnd_check_start(fd, false, &child, why);

    if (err)
        return err;
    fds[0] = (struct pollfd){.fd = pnd_check_fd(child), .events = POLLIN};
    fds[1] = (struct pollfd){.fd = checker->stop_fd, .events = POLLIN};
    while (!err && news != PND_CHECK_DONE) {
        if (poll(fds, 2, CHILD_ASK_MS) < 0 && errno != EINTR)
            err = pnd_why(why, PND_E_SYS, errno, "wait for the check process");
        else if (fds[1].revents)
            err = PND_E_ABORTED;
        else
            err = pnd_check_next(child, &news, ret, &facts, why);
        if (!err && news == PND_CHECK_FACTS) {
            take_facts(checker, dump, &facts);
            pnd_facts_deinit(&facts);
        }
    }
    pnd_check_destroy(child);
    return err;
}

static void take_missing(const struct pnd_check *check, struct pnd_dump *dump)
{
    dump->missing_count = 0;
    for (unsigned i = 0; i < check->missing_count && i < PND_DUMP_MISSING_CAP; i++) {
        dump->missing[i].start = check->missing[i].start;
        dump->missing[i].end = check->missing[i].end;
        dump->missing_count++;
    }
}

/* The file's name says that it is not whole after all. */
static void mark(struct pnd_checker *checker, struct pnd_dump *dump, const char *reason)
{
    struct pnd_why why;

    dump->state = PND_DUMP_INCOMPLETE;
    snprintf(dump->reason, sizeof(dump->reason), "%s", reason);
    if (pnd_spool_abandon(checker->spool, -1, true, dump->file, &why) ||
        pnd_spool_sync(checker->spool, &why))
        pnd_log(PND_ERR, "mark-failed", "id=%" PRIu64 " why=\"%s\"", dump->id, why.text);
}

/* The verdict into the row. */
static void judge(struct pnd_checker *checker, const struct pnd_check *check, struct pnd_dump *dump)
{
    snprintf(dump->sha256, sizeof(dump->sha256), "%s", check->sha256);
    snprintf(dump->format, sizeof(dump->format), "%s", check->format);
    dump->bytes = check->bytes;
    take_missing(check, dump);
    if (dump->state == PND_DUMP_INCOMPLETE) {
        /* What the container lacks is known better than what the sender left out. */
        if (dump->missing_count == 0) {
            dump->missing[0].start = check->bytes;
            dump->missing[0].end = UINT64_MAX;
            dump->missing_count = 1;
        }
    } else if (check->verdict == PND_VERDICT_COMPLETE) {
        dump->state = PND_DUMP_COMPLETE;
    } else {
        mark(checker, dump, check->reason);
    }
}

/* A row that a person removed during its check must not come back. */
static bool still_there(struct pnd_checker *checker, uint64_t id)
{
    struct pnd_dump row;
    char text[24];

    snprintf(text, sizeof(text), "%" PRIu64, id);
    return pnd_catalog_find(checker->catalog, text, &row, NULL) != PND_E_NOTFOUND;
}

/* @return false: there is no verdict yet, and the row waits for another attempt */
static bool check(struct pnd_checker *checker, struct pnd_dump *dump)
{
    PND_AUTO_CLOSE int fd = pnd_spool_open_file(checker->spool, dump->file);
    char reason[sizeof(dump->reason)];
    struct pnd_check result = {0};
    struct pnd_why why = {0};
    int err;

    if (fd == PND_E_NOTFOUND) /* removed by a person meanwhile */
        return pnd_catalog_remove(checker->catalog, dump->id, NULL) == PND_OK;
    err = fd < 0 ? pnd_why(&why, PND_E_SYS, errno, "open the dump")
                 : run_child(checker, dump, fd, &result, &why);
    if (err == PND_E_ABORTED)
        return false;
    if (err)
        pnd_log(PND_WARNING, "check-failed", "id=%" PRIu64 " why=\"%s\"", dump->id, why.text);
    if (err && err != PND_E_FORMAT) /* this machine's trouble, not the file's */
        return false;
    dump->checked = true;
    if (err && dump->state != PND_DUMP_INCOMPLETE) {
        /* The file defeats the check: kept, and said so; nothing else suffers. */
        snprintf(reason, sizeof(reason), "could not be checked: %.200s", why.text);
        mark(checker, dump, reason);
    } else if (!err) {
        judge(checker, &result, dump);
        pnd_catalog_label(fd, dump);
    }
    if (!still_there(checker, dump->id))
        return true;
    err = pnd_catalog_put(checker->catalog, dump, 1, &why);
    if (err)
        pnd_log(PND_ERR, "catalog-behind", "id=%" PRIu64 " why=\"%s\"", dump->id, why.text);
    announce(checker, dump);
    return err == PND_OK;
}

static void *run(void *arg)
{
    struct pnd_checker *checker = arg;
    struct timespec until;
    bool more;

    for (;;) {
        checker->batch_count = 0;
        more = false;
        pnd_catalog_each(checker->catalog, true, collect_unchecked, checker, NULL);
        for (unsigned i = 0; i < checker->batch_count && !stopping(checker); i++)
            more |= check(checker, &checker->batch[i]);
        more &= checker->batch_count == BATCH;
        sum_up(checker);

        pthread_mutex_lock(&checker->lock);
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec += PND_CHECKER_USAGE_S;
        while (!checker->woken && !checker->stopping && !more &&
               pthread_cond_timedwait(&checker->wake, &checker->lock, &until) != ETIMEDOUT)
            ;
        checker->woken = false;
        if (checker->stopping) {
            pthread_mutex_unlock(&checker->lock);
            return NULL;
        }
        pthread_mutex_unlock(&checker->lock);
    }
}

int pnd_checker_start(const struct pnd_spool *spool, struct pnd_checker **ret, struct pnd_why *why)
{
    struct pnd_checker *checker = calloc(1, sizeof(*checker));
    pthread_condattr_t attr;
    bool fresh;
    int err;

    if (!checker)
        return pnd_why(why, PND_E_SYS, ENOMEM, "checker");
    checker->spool = spool;
    checker->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    checker->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    pthread_mutex_init(&checker->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&checker->wake, &attr);
    pthread_condattr_destroy(&attr);
    err = pnd_catalog_open(spool, false, &checker->catalog, &fresh, why);
    if (!err) {
        sum_up(checker);
        err = pthread_create(&checker->thread, NULL, run, checker);
        if (err)
            err = pnd_why(why, PND_E_SYS, err, "start the checker's thread");
    }
    if (err) {
        pnd_catalog_close(checker->catalog);
        close(checker->event_fd);
        close(checker->stop_fd);
        free(checker->usage.sources);
        free(checker);
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
    pthread_cond_signal(&checker->wake);
    pthread_mutex_unlock(&checker->lock);
    eventfd_write(checker->stop_fd, 1);
    pthread_join(checker->thread, NULL);
    pnd_catalog_close(checker->catalog);
    pthread_cond_destroy(&checker->wake);
    pthread_mutex_destroy(&checker->lock);
    close(checker->event_fd);
    close(checker->stop_fd);
    free(checker->usage.sources);
    free(checker);
}

void pnd_checker_wake(struct pnd_checker *checker)
{
    pthread_mutex_lock(&checker->lock);
    checker->woken = true;
    pthread_cond_signal(&checker->wake);
    pthread_mutex_unlock(&checker->lock);
}

int pnd_checker_fd(const struct pnd_checker *checker)
{
    return checker->event_fd;
}

bool pnd_checker_next(struct pnd_checker *checker, struct pnd_checker_verdict *ret)
{
    eventfd_t ignored;
    bool any;

    eventfd_read(checker->event_fd, &ignored);
    pthread_mutex_lock(&checker->lock);
    any = checker->count > 0;
    if (any) {
        *ret = checker->verdicts[checker->first];
        checker->first = (checker->first + 1) % VERDICTS;
        checker->count--;
    }
    pthread_mutex_unlock(&checker->lock);
    return any;
}

void pnd_checker_usage(struct pnd_checker *checker, const struct pnd_addr *source,
                       uint64_t *ret_source, uint64_t *ret_total)
{
    struct source key = {.addr = *source}, *found = NULL;

    pthread_mutex_lock(&checker->lock);
    if (checker->usage.count)
        found = bsearch(&key, checker->usage.sources, checker->usage.count, sizeof(key),
                        compare_sources);
    *ret_source = found ? found->bytes : 0;
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
