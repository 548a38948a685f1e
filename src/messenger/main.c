/* SPDX-License-Identifier: BSD-2-Clause
 *
 * panicd-messenger: tells people of dumps. panicd starts it, gives it a connection of its control
 * socket, and starts it anew when it has ended; without that connection it ends. Whatever goes
 * wrong with the queue ends it, too: the next one looks what is left to be told. */
#include <curl/curl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "host/clock.h"
#include "host/landlock.h"
#include "host/log.h"
#include "host/text.h"
#include "inspect/sanitizer.h"
#include "message/connection.h"
#include "messenger/deliver.h"
#include "messenger/news.h"

enum {
    EXIT_CANNOT = 2,
    POLL_MS = 1000,  /* how soon a test that a tool has queued is found */
    ROOM_MS = 2000,  /* between looks at the room */
    LOCK_TRIES = 50, /* the last messenger ends its hooks first */
    LOCK_PAUSE_MS = 100,
    ENOUGH_PART = 4, /* there is room again when there is a quarter more than is little */
};

struct messenger {
    struct pnd_message_config config;
    struct pnd_spool spool;
    struct pnd_catalog *catalog;
    struct pnd_queue *queue;
    struct pnd_news news;
    struct pnd_deliver deliver;
    uint64_t room_ms;
    int64_t turn_ms, version;
    int64_t wall_ms; /* the clock when it was last looked at */
};

static int fail(const struct pnd_why *why)
{
    pnd_log(PND_ERR, "messenger-failed", "why=\"%s\"", why->text);
    return EXIT_CANNOT;
}

/* ---- start ---- */

/* Secrets are in this memory: no core file has them, and no other process of this user. */
static int confine(struct messenger *messenger, struct pnd_why *why)
{
    const struct rlimit none = {0};
    bool hooks = false;

    if (setrlimit(RLIMIT_CORE, &none) != 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        (!PND_SANITIZED && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0))
        return pnd_why(why, PND_E_SYS, 0, "lock this process in");
    for (unsigned i = 0; i < messenger->config.count; i++)
        hooks |= messenger->config.at[i].way == PND_MESSAGE_HOOK;
    /* A hook may do what this user may, so whoever starts it may, too. */
    return hooks ? PND_OK : pnd_landlock_enter_sending(messenger->spool.state_fd, why);
}

static int lock(struct messenger *messenger, struct pnd_why *why)
{
    const struct timespec pause = {.tv_nsec = LOCK_PAUSE_MS * 1000000L};
    int fd = pnd_queue_lock(&messenger->spool, why);

    for (unsigned i = 0; fd == PND_E_BUSY && i < LOCK_TRIES; i++) {
        nanosleep(&pause, NULL);
        fd = pnd_queue_lock(&messenger->spool, why);
    }
    return fd < 0 ? fd : PND_OK; /* open until the end */
}

static int take_channels(struct messenger *messenger, struct pnd_why *why)
{
    unsigned dropped = 0;
    int err = pnd_queue_begin(messenger->queue, why);

    if (err)
        return err;
    err = pnd_queue_set_channels(messenger->queue, &messenger->config, &dropped, why);
    if (!err)
        err = pnd_queue_sweep(messenger->queue, messenger->catalog, pnd_clock_wall_ms(), why);
    if (!err)
        err = pnd_queue_commit(messenger->queue, why);
    if (!err && dropped)
        pnd_log(PND_NOTICE, "messages-dropped", "count=%u why=\"their channel is gone\"", dropped);
    return err;
}

static int set_up(struct messenger *messenger, const char *config, const char *directory,
                  int64_t since_ms, struct pnd_why *why)
{
    bool fresh = false;
    int err = pnd_message_config_read(config, &messenger->config, why);

    if (!err)
        err = pnd_spool_open_readonly(&messenger->spool, directory, why);
    if (!err)
        err = lock(messenger, why);
    if (!err)
        err = confine(messenger, why);
    if (!err)
        err = pnd_catalog_open(&messenger->spool, true, &messenger->catalog, NULL, why);
    if (!err)
        err = pnd_queue_open(&messenger->spool, false, &messenger->queue, &fresh, why);
    if (!err)
        err = take_channels(messenger, why);
    if (!err)
        err = pnd_news_init(&messenger->news, PND_MESSENGER_FD, &messenger->spool,
                            messenger->catalog, messenger->queue);
    if (!err)
        err = pnd_news_catch_up(&messenger->news, fresh ? since_ms : 0, why);
    if (!err && messenger->news.told)
        pnd_log(PND_NOTICE, "caught-up", "events=%u", messenger->news.told);
    return err ? err
               : pnd_deliver_init(&messenger->deliver, &messenger->config, &messenger->spool,
                                  messenger->queue, why);
}

/* ---- the loop ---- */

/* @return what is said of the room; NULL no memory */
static json_t *describe_room(const struct messenger *messenger, uint64_t free_bytes, uint64_t total)
{
    char text[PND_TEXT_BYTES_CAP];
    json_t *fields =
        pnd_fields_create(PND_MESSAGE_ROOM, pnd_clock_wall_ms(), messenger->spool.path);

    if (!fields)
        return NULL;
    pnd_fields_set(fields, "free", pnd_text_bytes(text, sizeof(text), free_bytes));
    pnd_fields_set(fields, "total", pnd_text_bytes(text, sizeof(text), total));
    pnd_fields_settle(fields);
    return fields;
}

static int look_at_room(struct messenger *messenger, struct pnd_why *why)
{
    uint64_t free_bytes, total;
    json_t *fields;
    int err = PND_OK;

    messenger->room_ms = pnd_clock_ms() + ROOM_MS;
    if (pnd_spool_room(&messenger->spool, &free_bytes, &total))
        return PND_OK;
    fields = describe_room(messenger, free_bytes, total);
    for (unsigned i = 0; fields && !err && i < messenger->config.count; i++) {
        const struct pnd_message_channel *channel = &messenger->config.at[i];
        bool low = free_bytes < channel->room_bytes,
             enough = free_bytes >= channel->room_bytes + channel->room_bytes / ENOUGH_PART;

        if (!(channel->events & 1U << PND_MESSAGE_ROOM) || (!low && !enough))
            continue;
        err = pnd_queue_begin(messenger->queue, why);
        if (!err)
            err =
                pnd_queue_set_low(messenger->queue, channel, low, fields, pnd_clock_wall_ms(), why);
        if (!err)
            err = pnd_queue_commit(messenger->queue, why);
        messenger->turn_ms = 0;
    }
    json_decref(fields);
    return err;
}

/* What waits until a time waits too long when the clock is set back. @return has it been? */
static bool clock_went_back(struct messenger *messenger)
{
    int64_t before_ms = messenger->wall_ms;

    messenger->wall_ms = pnd_clock_wall_ms();
    return messenger->wall_ms < before_ms;
}

static int turn_queue(struct messenger *messenger, struct pnd_why *why)
{
    unsigned expired = 0;
    int err = pnd_queue_begin(messenger->queue, why);

    if (!err)
        err = pnd_queue_turn(messenger->queue, pnd_clock_wall_ms(), &expired, &messenger->turn_ms,
                             why);
    if (!err)
        err = pnd_queue_commit(messenger->queue, why);
    if (expired)
        pnd_log(PND_WARNING, "messages-expired", "count=%u", expired);
    return err;
}

/* One round. @return PND_OK; an error that ends it */
static int go_round(struct messenger *messenger, bool *ret_over, struct pnd_why *why)
{
    int64_t version;
    int err = pnd_news_hear(&messenger->news, ret_over, why);

    if (err)
        return err;
    version = pnd_queue_version(messenger->queue);
    if (clock_went_back(messenger) || messenger->news.told || version != messenger->version) {
        messenger->turn_ms = 0;
        err = pnd_deliver_wake(&messenger->deliver, why);
    }
    messenger->version = version;
    if (!err && pnd_clock_ms() >= messenger->room_ms)
        err = look_at_room(messenger, why);
    if (!err && pnd_clock_wall_ms() >= messenger->turn_ms) {
        err = turn_queue(messenger, why);
        for (unsigned i = 0; i < messenger->deliver.count; i++)
            messenger->deliver.at[i].next_ms = 0;
    }
    if (!err)
        err = pnd_deliver_turn(&messenger->deliver, why);
    return err;
}

static volatile sig_atomic_t stopped;

static void on_term(int number)
{
    (void)number;
    stopped = 1;
}

static int serve(struct messenger *messenger, struct pnd_why *why)
{
    bool over = false;
    int err = PND_OK;

    while (!err && !over && !stopped) {
        err = go_round(messenger, &over, why);
        if (!err && !over && !stopped)
            pnd_deliver_wait(&messenger->deliver, PND_MESSENGER_FD, POLL_MS);
    }
    return err;
}

int main(int argc, char **argv)
{
    static struct messenger messenger = {.spool = {.dir_fd = -1, .state_fd = -1, .lock_fd = -1}};
    struct sigaction action = {.sa_handler = on_term};
    struct pnd_why why = {0};
    uint64_t since_ms = 0;
    int err;

    if (argc != 4 || pnd_text_parse_uint(argv[3], &since_ms)) {
        fputs("panicd starts panicd-messenger, if panicd.conf(5) has a [message]\n", stderr);
        return EXIT_CANNOT;
    }
    pnd_log_init(PND_INFO);
    umask(077);
    signal(SIGPIPE, SIG_IGN);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    if (curl_global_init(CURL_GLOBAL_DEFAULT))
        return EXIT_CANNOT;
    if (set_up(&messenger, argv[1], argv[2], (int64_t)since_ms, &why))
        return fail(&why);
    pnd_log(PND_NOTICE, "messenger", "channels=%u", messenger.config.count);
    err = serve(&messenger, &why);
    pnd_deliver_deinit(&messenger.deliver);
    pnd_news_deinit(&messenger.news);
    pnd_queue_close(messenger.queue);
    pnd_catalog_close(messenger.catalog);
    pnd_spool_close(&messenger.spool);
    curl_global_cleanup();
    return err ? fail(&why) : EXIT_SUCCESS;
}
