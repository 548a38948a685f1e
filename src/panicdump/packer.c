/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Blocks packed beside sending; see packer.h. A ring of slots: submitted counts the blocks that
 * were handed in, taken those that a thread has come to, emitted those that were sent. */
#include "panicdump/packer.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "codec/balance.h"

enum {
    SLOTS_MAX = 2 + 2 * PND_PACKER_LANES_MAX,
    GROWTH_SHIFT = 7, /* packing may make a block larger, by no more than this part of it ... */
    GROWTH = 64,      /* ... and so many bytes */
    NICE = 3,         /* who sends comes first; what is late keeps all behind it waiting */
};

struct slot {
    uint8_t *in, *out;
    size_t len, out_len;
    unsigned effort;
    int err;
    bool done; /* it may be sent; under the lock */
};

struct lane {
    struct pnd_packer *packer;
    struct pnd_blocks *blocks;
    pthread_t thread;
};

struct pnd_packer {
    struct pnd_codec codec;
    struct pnd_packer_config config;
    const struct pnd_sink *next; /* NULL: nothing is taken */
    struct pnd_balance balance;
    uint64_t emitted_us; /* when the last block was sent, or it began */
    struct lane lanes[PND_PACKER_LANES_MAX];
    struct slot slots[SLOTS_MAX];
    unsigned slot_count, threads;
    size_t out_cap;

    pthread_mutex_t lock;
    pthread_cond_t work, done;
    uint64_t submitted, taken, emitted;
    unsigned busy; /* threads that pack */
    bool over;
};

/* ---- packing ---- */

struct room {
    uint8_t *at;
    size_t len, cap;
};

static int put_in_room(void *ctx, const void *buf, size_t len)
{
    struct room *room = ctx;

    if (len > room->cap - room->len)
        return PND_E_NOSPACE;
    memcpy(room->at + room->len, buf, len);
    room->len += len;
    return PND_OK;
}

static void pack(const struct pnd_packer *packer, struct slot *slot, struct pnd_blocks *blocks)
{
    struct room room = {.at = slot->out, .cap = packer->out_cap};
    const struct pnd_sink sink = {.ctx = &room, .write = put_in_room};

    slot->err = pnd_blocks_one(blocks, slot->in, slot->len, slot->effort, &sink);
    slot->out_len = room.len;
}

/* The lock is held. @return the next block that is to be packed; NULL: there is none now */
static struct slot *take_slot(struct pnd_packer *packer)
{
    if (packer->taken < packer->emitted) /* those were stored */
        packer->taken = packer->emitted;
    while (packer->taken < packer->submitted) {
        struct slot *slot = &packer->slots[packer->taken++ % packer->slot_count];

        if (!slot->done)
            return slot;
    }
    return NULL;
}

static void *run_lane(void *arg)
{
    const struct lane *lane = arg;
    struct pnd_packer *packer = lane->packer;

    if (packer->config.top) /* of the thread alone; where it may not, it goes without */
        (void)setpriority(PRIO_PROCESS, (id_t)gettid(),
                          getpriority(PRIO_PROCESS, (id_t)gettid()) + NICE);
    pthread_mutex_lock(&packer->lock);
    while (!packer->over) {
        struct slot *slot = take_slot(packer);

        if (!slot) {
            pthread_cond_wait(&packer->work, &packer->lock);
            continue;
        }
        packer->busy++;
        pthread_mutex_unlock(&packer->lock);
        pack(packer, slot, lane->blocks);
        pthread_mutex_lock(&packer->lock);
        slot->done = true;
        packer->busy--;
        pthread_cond_signal(&packer->done);
    }
    pthread_mutex_unlock(&packer->lock);
    return NULL;
}

/* ---- sending ---- */

static int failed(struct pnd_packer *packer, int err)
{
    packer->next = NULL;
    return err;
}

static uint64_t clock_us(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* Are more than half of the blocks that were handed in packed? The lock is held. */
static bool much_is_packed(const struct pnd_packer *packer)
{
    unsigned count = 0;

    for (unsigned i = 0; i < packer->slot_count; i++)
        count += packer->slots[i].done;
    return count > (packer->submitted - packer->emitted) / 2;
}

static void wait_for_a_moment(struct pnd_packer *packer)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += PND_PACKER_POLL_US * 1000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        until.tv_sec++;
    }
    (void)pthread_cond_timedwait(&packer->done, &packer->lock, &until);
}

/* Until the oldest block is packed; what is sent already moves on meanwhile. */
static int await(struct pnd_packer *packer, const struct slot *slot, uint64_t *ret_idle_us)
{
    uint64_t idle_from_us = 0;
    int state = PND_OK;

    while (!slot->done && state >= 0) {
        if (packer->config.poll) {
            pthread_mutex_unlock(&packer->lock);
            state = packer->config.poll(packer->config.poll_ctx);
            pthread_mutex_lock(&packer->lock);
        }
        if (state == PND_PACKER_IDLE && idle_from_us == 0)
            idle_from_us = clock_us(CLOCK_MONOTONIC);
        if (state >= 0 && !slot->done)
            wait_for_a_moment(packer);
    }
    *ret_idle_us = idle_from_us ? clock_us(CLOCK_MONOTONIC) - idle_from_us : 0;
    return state < 0 ? state : PND_OK;
}

/* @param ret_waited_us  for the wire, that is, and not for a processor that has to do with it */
static int pass_on(struct pnd_packer *packer, const struct slot *slot, uint64_t *ret_waited_us)
{
    uint64_t start_us = clock_us(CLOCK_MONOTONIC), own_us = clock_us(CLOCK_THREAD_CPUTIME_ID), us;
    int err;

    if (slot->effort == PND_BALANCE_STORE)
        err =
            pnd_blocks_one(packer->config.blocks, slot->in, slot->len, slot->effort, packer->next);
    else
        err = packer->next->write(packer->next->ctx, slot->out, slot->out_len);
    own_us = clock_us(CLOCK_THREAD_CPUTIME_ID) - own_us;
    us = clock_us(CLOCK_MONOTONIC) - start_us;
    *ret_waited_us = own_us < us / 2 ? us : 0;
    return err;
}

/* The oldest block goes. */
static int emit(struct pnd_packer *packer)
{
    struct slot *slot = &packer->slots[packer->emitted % packer->slot_count];
    struct pnd_balance_block told = {.effort = slot->effort, .len = slot->len};
    uint64_t now_us;
    bool much;
    int err;

    pthread_mutex_lock(&packer->lock);
    much = much_is_packed(packer);
    err = await(packer, slot, &told.idle_us);
    pthread_mutex_unlock(&packer->lock);
    if (!err)
        err = slot->err;
    if (!err)
        err = pass_on(packer, slot, &told.blocked_us);
    if (err)
        return err;
    now_us = clock_us(CLOCK_MONOTONIC);
    told.out = slot->out_len;
    told.all_us = now_us - packer->emitted_us;
    if (!much)
        told.blocked_us = 0;
    pnd_balance_tell(&packer->balance, &told);
    packer->emitted_us = now_us;
    slot->len = 0;
    pthread_mutex_lock(&packer->lock);
    slot->done = false;
    packer->emitted++;
    pthread_mutex_unlock(&packer->lock);
    return PND_OK;
}

/* Hands in the block that is being filled. Then, unless that is so at once, one is sent for each
 * that comes: so those who pack always have some before them, and who sends behind him. */
static int submit(struct pnd_packer *packer)
{
    struct slot *slot = &packer->slots[packer->submitted % packer->slot_count];

    if (slot->len == 0)
        return PND_OK;
    pnd_blocks_see(packer->config.blocks, slot->in, slot->len);
    slot->effort =
        packer->config.top ? pnd_balance_choose(&packer->balance) : packer->config.effort;
    slot->err = PND_OK;
    if (slot->effort != PND_BALANCE_STORE && packer->threads == 0)
        pack(packer, slot, packer->lanes[0].blocks);
    pthread_mutex_lock(&packer->lock);
    slot->done = slot->effort == PND_BALANCE_STORE || packer->threads == 0;
    packer->submitted++;
    pthread_cond_signal(&packer->work);
    pthread_mutex_unlock(&packer->lock);
    return packer->submitted - packer->emitted == packer->slot_count ? emit(packer) : PND_OK;
}

/* What was under way is forgotten, as soon as nobody packs it any more. */
static void clear(struct pnd_packer *packer)
{
    pthread_mutex_lock(&packer->lock);
    packer->taken = packer->submitted;
    while (packer->busy > 0)
        pthread_cond_wait(&packer->done, &packer->lock);
    for (unsigned i = 0; i < packer->slot_count; i++) {
        packer->slots[i].done = false;
        packer->slots[i].len = 0;
    }
    packer->submitted = packer->taken = packer->emitted = 0;
    pthread_mutex_unlock(&packer->lock);
}

/* ---- a codec ---- */

static int packer_begin(void *ctx, const struct pnd_sink *next)
{
    struct pnd_packer *packer = ctx;
    const struct pnd_balance_config balance = {.start = packer->config.effort,
                                               .worth = packer->config.worth,
                                               .top = packer->config.top,
                                               .depth = packer->slot_count};
    int err;

    clear(packer);
    pnd_balance_init(&packer->balance, &balance);
    packer->emitted_us = clock_us(CLOCK_MONOTONIC);
    packer->next = next;
    err = packer->config.stream->begin(packer->config.stream->ctx, next);
    return err ? failed(packer, err) : PND_OK;
}

static int packer_write(void *ctx, const void *buf, size_t len)
{
    struct pnd_packer *packer = ctx;
    const uint8_t *at = buf;

    if (!packer->next)
        return PND_E_ARG;
    while (len > 0) {
        struct slot *slot = &packer->slots[packer->submitted % packer->slot_count];
        size_t room = packer->config.blocks->cap - slot->len, part = room < len ? room : len;
        int err;

        memcpy(slot->in + slot->len, at, part);
        slot->len += part;
        err = part == room ? submit(packer) : PND_OK;
        if (err)
            return failed(packer, err);
        at += part;
        len -= part;
    }
    return PND_OK;
}

static int packer_finish(void *ctx)
{
    struct pnd_packer *packer = ctx;
    int err;

    if (!packer->next)
        return PND_E_ARG;
    err = submit(packer);
    while (!err && packer->emitted < packer->submitted)
        err = emit(packer);
    if (!err)
        err = packer->config.stream->finish(packer->config.stream->ctx);
    return failed(packer, err); /* it is over, whatever came of it */
}

const struct pnd_codec *pnd_packer_codec(struct pnd_packer *packer)
{
    return &packer->codec;
}

/* ---- beginning and end ---- */

/* A signal that asks to stop has to find the thread that reads and sends. */
static void start_threads(struct pnd_packer *packer)
{
    sigset_t all, before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (packer->threads < packer->config.threads) {
        struct lane *lane = &packer->lanes[packer->threads];

        if (pthread_create(&lane->thread, NULL, run_lane, lane))
            break;
        packer->threads++;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void init_lock(struct pnd_packer *packer)
{
    pthread_condattr_t attr;

    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&packer->lock, NULL);
    pthread_cond_init(&packer->work, NULL);
    pthread_cond_init(&packer->done, &attr);
    pthread_condattr_destroy(&attr);
}

static bool take_slots(struct pnd_packer *packer)
{
    size_t cap = packer->config.blocks->cap;

    packer->out_cap = cap + (cap >> GROWTH_SHIFT) + GROWTH;
    packer->slot_count = 2 + 2 * packer->config.count;
    for (unsigned i = 0; i < packer->slot_count; i++) {
        packer->slots[i].in = malloc(cap);
        packer->slots[i].out = malloc(packer->out_cap);
        if (!packer->slots[i].in || !packer->slots[i].out)
            return false;
    }
    return true;
}

int pnd_packer_create(struct pnd_packer **ret, const struct pnd_packer_config *config,
                      struct pnd_why *why)
{
    struct pnd_packer *packer = calloc(1, sizeof(*packer));

    if (!packer)
        return pnd_why(why, PND_E_SYS, ENOMEM, "take %zu bytes to compress", sizeof(*packer));
    packer->config = *config;
    packer->codec = (struct pnd_codec){
        .ctx = packer, .begin = packer_begin, .write = packer_write, .finish = packer_finish};
    init_lock(packer);
    for (unsigned i = 0; i < config->count; i++)
        packer->lanes[i] = (struct lane){.packer = packer, .blocks = config->lanes[i]};
    if (!take_slots(packer)) {
        pnd_why(why, PND_E_SYS, ENOMEM, "take %zu bytes to compress",
                packer->slot_count * (config->blocks->cap + packer->out_cap));
        pnd_packer_destroy(packer);
        return PND_E_SYS;
    }
    start_threads(packer);
    if (packer->threads == 0) /* nobody would tell whether there is time for more */
        packer->config.top = 0;
    *ret = packer;
    return PND_OK;
}

void pnd_packer_destroy(struct pnd_packer *packer)
{
    if (!packer)
        return;
    pthread_mutex_lock(&packer->lock);
    packer->over = true;
    pthread_cond_broadcast(&packer->work);
    pthread_mutex_unlock(&packer->lock);
    for (unsigned i = 0; i < packer->threads; i++)
        pthread_join(packer->lanes[i].thread, NULL);
    for (unsigned i = 0; i < packer->slot_count; i++) {
        free(packer->slots[i].in);
        free(packer->slots[i].out);
    }
    pthread_cond_destroy(&packer->work);
    pthread_cond_destroy(&packer->done);
    pthread_mutex_destroy(&packer->lock);
    free(packer);
}
