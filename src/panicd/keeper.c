/* SPDX-License-Identifier: BSD-2-Clause */
#include "panicd/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "host/clock.h"
#include "host/log.h"
#include "store/beside.h"
#include "store/dump_json.h"

enum {
    ROWS_MAX = 64,           /* jobs that share one directory sync and one transaction */
    LATE_MAX = 256,          /* rows that a full disk keeps out of the catalog for now */
    LATE_RETRY_S = 2,        /* between attempts to bring them in */
    RESERVE_BYTES = 1 << 20, /* given up when the disk is full, so that the catalog can say so */
};

struct queue {
    struct pnd_job *head, *tail;
};

struct pnd_keeper {
    const struct pnd_spool *spool;
    struct pnd_catalog *catalog;
    int event_fd, reserve_fd;
    pthread_t thread;
    bool started, stopping, reserved;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct queue todo, done, unused;
    struct pnd_job *pool;
    unsigned under_way; /* of them; the network thread's, as `unused` is */
    struct pnd_dump rows[ROWS_MAX], late[LATE_MAX];
    size_t late_count;
};

static void push(struct queue *queue, struct pnd_job *job)
{
    job->next = NULL;
    if (queue->tail)
        queue->tail->next = job;
    else
        queue->head = job;
    queue->tail = job;
}

static struct pnd_job *pop(struct queue *queue)
{
    struct pnd_job *job = queue->head;

    if (!job)
        return NULL;
    queue->head = job->next;
    if (!queue->head)
        queue->tail = NULL;
    job->next = NULL;
    return job;
}

/* What lies beside the dump is durable before the dump is. */
static int keep_companions(struct pnd_keeper *keeper, struct pnd_job *job)
{
    int err = PND_OK, got;

    for (unsigned i = 0; i < PND_BESIDE_COUNT && job->companions; i++) {
        got = pnd_beside_keep(keeper->spool, job->dump.file, i, &job->why);
        if (got && (got != PND_E_NOTFOUND || job->beside >> i & 1))
            err = got;
    }
    return err;
}

/* Keeps what came: the job's file as NAME.incomplete, its row as incomplete. */
static void abandon(struct pnd_keeper *keeper, struct pnd_job *job)
{
    struct pnd_dump *dump = &job->dump;

    dump->state = PND_DUMP_INCOMPLETE;
    if (job->fd >= 0)
        pnd_catalog_label(job->fd, dump);
    if (keep_companions(keeper, job))
        pnd_log(PND_ERR, "beside-failed", "id=%" PRIu64 " why=\"%s\"", dump->id, job->why.text);
    job->result = pnd_spool_abandon(keeper->spool, job->fd, false, dump->file, &job->why);
    if (job->result)
        pnd_log(PND_ERR, "abandon-failed", "id=%" PRIu64 " why=\"%s\"", dump->id, job->why.text);
}

/* EOF came, and the disk failed: the dump is kept, and nobody is told that it is whole. */
static void not_durable(struct pnd_keeper *keeper, struct pnd_job *job, bool renamed)
{
    struct pnd_why ignored;
    struct pnd_dump *dump = &job->dump;

    pnd_log(PND_ERR, "finish-failed", "id=%" PRIu64 " why=\"%s\"", dump->id, job->why.text);
    dump->state = PND_DUMP_INCOMPLETE;
    snprintf(dump->reason, sizeof(dump->reason), "could not be made durable: %.200s",
             job->why.text);
    pnd_spool_abandon(keeper->spool, -1, renamed, dump->file, &ignored);
}

/* A log's junk goes only now that the journal says where the dump ends. */
static int cut(struct pnd_job *job)
{
    if (job->dump.bytes == job->to || (job->dump.bytes < job->to && !job->grows))
        return PND_OK;
    if (ftruncate(job->fd, (off_t)job->to) < 0)
        return pnd_why(&job->why, PND_E_SYS, errno, "give the file its length");
    job->dump.bytes = job->to;
    return PND_OK;
}

static void finish(struct pnd_keeper *keeper, struct pnd_job *job)
{
    job->dump.state = PND_DUMP_RECEIVING;
    job->result = cut(job);
    if (!job->result)
        job->result = keep_companions(keeper, job);
    if (!job->result)
        pnd_catalog_label(job->fd, &job->dump);
    if (!job->result)
        job->result = pnd_spool_finish(keeper->spool, job->fd, job->dump.file, &job->why);
    if (job->result)
        not_durable(keeper, job, false);
}

static void discard(struct pnd_keeper *keeper, struct pnd_job *job)
{
    char part[PND_SPOOL_NAME_CAP + 8];
    struct pnd_why ignored;

    snprintf(part, sizeof(part), "%s.part", job->dump.file);
    unlinkat(keeper->spool->dir_fd, part, 0);
    if (job->companions)
        (void)pnd_beside_remove(keeper->spool, job->dump.file, &ignored);
}

/* The row of the dump that is to be taken up, if the dump is still what was left. */
static int find_left(struct pnd_keeper *keeper, uint64_t id, struct pnd_dump *ret,
                     struct pnd_why *why)
{
    char sel[24];
    int err;

    snprintf(sel, sizeof(sel), "%" PRIu64, id);
    err = pnd_catalog_find(keeper->catalog, sel, ret, why);
    if (err)
        return err;
    if (ret->id != id || ret->state != PND_DUMP_INCOMPLETE)
        return pnd_why(why, PND_E_NOTFOUND, 0, "dump %" PRIu64 " is not incomplete any more", id);
    return PND_OK;
}

/* A label is there where the file system has them: then it tells one file from another. */
static int check_label(const struct pnd_job *job, uint64_t id, struct pnd_why *why)
{
    struct pnd_dump label;

    if (pnd_dump_read_label(job->fd, &label) == PND_OK && label.id != id)
        return pnd_why(why, PND_E_FORMAT, 0, "its file is of dump %" PRIu64 " by now", label.id);
    return PND_OK;
}

/* What is behind `to` was forgotten by a restart. Nothing is lost at a failure or a kill: until the
 * session goes on, its dump is one that was left. */
static int make_arriving(struct pnd_keeper *keeper, struct pnd_job *job, const struct pnd_dump *row)
{
    struct stat st;
    int err = pnd_spool_sync(keeper->spool, &job->why);

    if (!err && fstat(job->fd, &st) < 0)
        err = pnd_why(&job->why, PND_E_SYS, errno, "look at %s.part", job->dump.file);
    if (!err && (uint64_t)st.st_size > job->to && ftruncate(job->fd, (off_t)job->to) < 0)
        err = pnd_why(&job->why, PND_E_SYS, errno, "cut %s.part", job->dump.file);
    if (!err)
        err = pnd_catalog_forget(keeper->catalog, row, &job->why);
    return err == PND_E_NOTFOUND ? PND_OK : err; /* somebody else was faster */
}

static void resume(struct pnd_keeper *keeper, struct pnd_job *job)
{
    struct pnd_dump row;
    int err = find_left(keeper, job->dump.id, &row, &job->why);

    if (!err) {
        job->dump = row;
        job->dump.checked = false;
        job->dump.sha256[0] = job->dump.format[0] = '\0';
        job->dump.missing_count = 0;
        err = pnd_spool_take_back(keeper->spool, row.file, job->from, row.received_ms,
                                  job->dump.file, &job->fd, &job->why);
    }
    if (!err) {
        err = check_label(job, row.id, &job->why);
        if (!err)
            err = make_arriving(keeper, job, &row);
        if (err) {
            struct stat st;
            const struct pnd_why why = job->why;

            job->dump.received_ms = pnd_clock_wall_ms();
            if (fstat(job->fd, &st) == 0)
                job->dump.bytes = (uint64_t)st.st_size;
            abandon(keeper, job);
            job->why = why;
            job->kept_again = true;
        }
    }
    job->result = err;
}

static void run_files(struct pnd_keeper *keeper, struct pnd_job *job)
{
    struct stat st;

    if (job->kind == PND_JOB_WRITE_BACK) {
        sync_file_range(job->fd, (off_t)job->from, (off_t)(job->to - job->from),
                        SYNC_FILE_RANGE_WRITE);
        return;
    }
    if (job->kind == PND_JOB_RESUME) {
        resume(keeper, job);
        if (job->result == PND_OK)
            return;
    } else if (job->kind == PND_JOB_DISCARD) {
        discard(keeper, job);
    } else if (job->kind == PND_JOB_IMPORT) {
        job->result = pnd_import_place(keeper->spool, job->staged, &job->dump, &job->why);
    } else {
        job->dump.received_ms = pnd_clock_wall_ms();
        if (job->fd >= 0 && fstat(job->fd, &st) == 0)
            job->dump.bytes = (uint64_t)st.st_size;
        if (job->kind == PND_JOB_FINISH)
            finish(keeper, job);
        else
            abandon(keeper, job);
    }
    if (job->fd >= 0)
        close(job->fd);
    job->fd = -1;
}

static bool has_row(const struct pnd_job *job)
{
    return job->kind == PND_JOB_FINISH || job->kind == PND_JOB_ABANDON ||
           (job->kind == PND_JOB_IMPORT && job->result == PND_OK) || job->kept_again;
}

static bool give_reserve(struct pnd_keeper *keeper)
{
    keeper->reserved = false;
    return ftruncate(keeper->reserve_fd, 0) == 0;
}

static void take_reserve(struct pnd_keeper *keeper)
{
    if (keeper->reserved)
        return;
    keeper->reserved = posix_fallocate(keeper->reserve_fd, 0, RESERVE_BYTES) == 0;
    if (!keeper->reserved)
        give_reserve(keeper);
}

static int put_rows(struct pnd_keeper *keeper, const struct pnd_dump *rows, size_t count)
{
    struct pnd_why why;
    int err = pnd_catalog_put(keeper->catalog, rows, count, &why);

    if (err == PND_E_NOSPACE && give_reserve(keeper))
        err = pnd_catalog_put(keeper->catalog, rows, count, &why);
    if (err)
        pnd_log(PND_ERR, "catalog-behind", "rows=%zu why=\"%s\"", count, why.text);
    return err;
}

static void put_late_rows(struct pnd_keeper *keeper)
{
    if (keeper->late_count && put_rows(keeper, keeper->late, keeper->late_count) == PND_OK)
        keeper->late_count = 0;
    if (!keeper->late_count)
        take_reserve(keeper);
}

/* The files are durable once the directory is; a row that cannot be written is tried again, and
 * at the latest found in the directory at the next start, so it holds nobody's last answer back. */
static void run_rows(struct pnd_keeper *keeper, struct pnd_job *jobs)
{
    struct pnd_why why;
    bool any = false;
    size_t count = 0;
    int err;

    for (struct pnd_job *job = jobs; job; job = job->next)
        any |= has_row(job);
    if (!any)
        return;
    err = pnd_spool_sync(keeper->spool, &why);
    for (struct pnd_job *job = jobs; job; job = job->next) {
        if (!has_row(job))
            continue;
        if (err && job->kind == PND_JOB_FINISH && job->result == PND_OK) {
            job->result = err;
            job->why = why;
            not_durable(keeper, job, true);
        }
        if (err && job->kind == PND_JOB_IMPORT) { /* there, and its source is not given up */
            job->result = err;
            job->why = why;
        }
        keeper->rows[count++] = job->dump;
    }
    if (put_rows(keeper, keeper->rows, count) == PND_OK)
        return;
    for (size_t i = 0; i < count && keeper->late_count < LATE_MAX; i++)
        keeper->late[keeper->late_count++] = keeper->rows[i];
}

/* May the job that is next run with those of @p batch? RESUME looks for a row that the job before
 * it may have to make. */
static bool goes_along(const struct queue *batch, const struct pnd_job *next)
{
    return next &&
           (!batch->head || (next->kind != PND_JOB_RESUME && batch->head->kind != PND_JOB_RESUME));
}

/* Waits for jobs; late rows are tried again meanwhile. */
static void wait_for_jobs(struct pnd_keeper *keeper)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += LATE_RETRY_S;
    while (!keeper->todo.head && !keeper->stopping) {
        if (!keeper->late_count)
            pthread_cond_wait(&keeper->wake, &keeper->lock);
        else if (pthread_cond_timedwait(&keeper->wake, &keeper->lock, &until) == ETIMEDOUT)
            return;
    }
}

static void *keep(void *arg)
{
    struct pnd_keeper *keeper = arg;
    struct queue batch = {0};
    struct pnd_job *job;

    for (;;) {
        pthread_mutex_lock(&keeper->lock);
        wait_for_jobs(keeper);
        if (!keeper->todo.head && keeper->stopping) {
            pthread_mutex_unlock(&keeper->lock);
            return NULL;
        }
        for (unsigned i = 0; i < ROWS_MAX && goes_along(&batch, keeper->todo.head); i++)
            push(&batch, pop(&keeper->todo));
        pthread_mutex_unlock(&keeper->lock);

        put_late_rows(keeper);
        for (job = batch.head; job; job = job->next)
            run_files(keeper, job);
        run_rows(keeper, batch.head);

        pthread_mutex_lock(&keeper->lock);
        while ((job = pop(&batch)))
            push(&keeper->done, job);
        pthread_mutex_unlock(&keeper->lock);
        eventfd_write(keeper->event_fd, 1);
    }
}

void pnd_keeper_run(struct pnd_keeper *keeper, struct pnd_job *job)
{
    job->next = NULL;
    run_files(keeper, job);
    run_rows(keeper, job);
}

int pnd_keeper_create(const struct pnd_spool *spool, uint32_t jobs, struct pnd_keeper **ret,
                      bool *ret_fresh, struct pnd_why *why)
{
    struct pnd_keeper *keeper = calloc(1, sizeof(*keeper));
    pthread_condattr_t attr;
    int err;

    if (!keeper)
        return pnd_why(why, PND_E_SYS, ENOMEM, "keeper");
    keeper->spool = spool;
    pthread_mutex_init(&keeper->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&keeper->wake, &attr);
    pthread_condattr_destroy(&attr);
    keeper->pool = calloc(jobs, sizeof(keeper->pool[0]));
    keeper->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    keeper->reserve_fd =
        openat(spool->state_fd, "reserve", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (keeper->reserve_fd >= 0)
        (void)pnd_spool_give(spool, keeper->reserve_fd);
    if (!keeper->pool || keeper->event_fd < 0 || keeper->reserve_fd < 0) {
        err = PND_E_SYS;
        pnd_why(why, err, errno, "keeper");
    } else {
        take_reserve(keeper);
        err = pnd_catalog_open(spool, false, &keeper->catalog, ret_fresh, why);
    }
    if (err) {
        pnd_keeper_destroy(keeper);
        return err;
    }
    for (uint32_t i = 0; i < jobs; i++)
        push(&keeper->unused, &keeper->pool[i]);
    *ret = keeper;
    return PND_OK;
}

int pnd_keeper_start(struct pnd_keeper *keeper, struct pnd_why *why)
{
    int err = pthread_create(&keeper->thread, NULL, keep, keeper);

    if (err)
        return pnd_why(why, PND_E_SYS, err, "start the keeper's thread");
    keeper->started = true;
    return PND_OK;
}

void pnd_keeper_stop(struct pnd_keeper *keeper)
{
    if (!keeper->started)
        return;
    pthread_mutex_lock(&keeper->lock);
    keeper->stopping = true;
    pthread_cond_signal(&keeper->wake);
    pthread_mutex_unlock(&keeper->lock);
    pthread_join(keeper->thread, NULL);
    keeper->started = false;
}

void pnd_keeper_destroy(struct pnd_keeper *keeper)
{
    if (!keeper)
        return;
    pnd_keeper_stop(keeper);
    pnd_catalog_close(keeper->catalog);
    if (keeper->event_fd >= 0)
        close(keeper->event_fd);
    if (keeper->reserve_fd >= 0)
        close(keeper->reserve_fd);
    pthread_cond_destroy(&keeper->wake);
    pthread_mutex_destroy(&keeper->lock);
    free(keeper->pool);
    free(keeper);
}

struct pnd_job *pnd_keeper_job(struct pnd_keeper *keeper)
{
    struct pnd_job *job = pop(&keeper->unused);

    if (job) {
        *job = (struct pnd_job){.fd = -1, .slot = UINT32_MAX};
        keeper->under_way++;
    }
    return job;
}

bool pnd_keeper_has_job(const struct pnd_keeper *keeper)
{
    return keeper->unused.head;
}

void pnd_keeper_submit(struct pnd_keeper *keeper, struct pnd_job *job)
{
    pthread_mutex_lock(&keeper->lock);
    push(&keeper->todo, job);
    pthread_cond_signal(&keeper->wake);
    pthread_mutex_unlock(&keeper->lock);
}

int pnd_keeper_fd(const struct pnd_keeper *keeper)
{
    return keeper->event_fd;
}

struct pnd_job *pnd_keeper_done(struct pnd_keeper *keeper)
{
    eventfd_t count;
    struct pnd_job *job;

    eventfd_read(keeper->event_fd, &count);
    pthread_mutex_lock(&keeper->lock);
    job = pop(&keeper->done);
    pthread_mutex_unlock(&keeper->lock);
    return job;
}

void pnd_keeper_recycle(struct pnd_keeper *keeper, struct pnd_job *job)
{
    push(&keeper->unused, job);
    keeper->under_way--;
}

unsigned pnd_keeper_under_way(const struct pnd_keeper *keeper)
{
    return keeper->under_way;
}

struct pnd_catalog *pnd_keeper_catalog(struct pnd_keeper *keeper)
{
    return keeper->catalog;
}
