/* SPDX-License-Identifier: BSD-2-Clause */
#include "messenger/deliver.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include "host/clock.h"
#include "host/guard.h"
#include "host/io.h"
#include "host/log.h"
#include "host/text.h"

enum { ENV_MAX = 64, JITTER_PART = 5 /* of a wait: a fifth more, by chance */ };

int pnd_deliver_init(struct pnd_deliver *ret, const struct pnd_message_config *config,
                     const struct pnd_spool *spool, struct pnd_queue *queue, struct pnd_why *why)
{
    *ret = (struct pnd_deliver){.queue = queue, .spool = spool, .count = config->count};
    for (unsigned i = 0; i < config->count; i++)
        ret->at[i] = (struct pnd_delivery){.channel = &config->at[i], .run = {.out_fd = -1}};
    ret->multi = curl_multi_init();
    return ret->multi ? PND_OK : pnd_why(why, PND_E_SYS, 0, "libcurl has no memory");
}

/* ---- what came of an attempt ---- */

static int64_t with_jitter(int64_t ms)
{
    uint32_t chance = 0;

    (void)!getrandom(&chance, sizeof(chance), 0);
    return ms + (int64_t)(chance % (uint64_t)(ms / JITTER_PART + 1));
}

static void log_result(const struct pnd_delivery *delivery, const struct pnd_post_result *result)
{
    static const char *const events[] = {"told", "message-refused", "not-told"};

    pnd_log(result->outcome == PND_QUEUE_SENT ? PND_INFO : PND_WARNING, events[result->outcome],
            "channel=%s message=%s attempt=%u why=\"%s\"", delivery->channel->name,
            delivery->message.id, delivery->message.attempts + 1, result->said);
}

static int conclude(struct pnd_deliver *deliver, struct pnd_delivery *delivery,
                    const struct pnd_post_result *result, struct pnd_why *why)
{
    int64_t retry_ms = result->after_ms, pause_ms;
    int err;

    log_result(delivery, result);
    delivery->failures = result->outcome == PND_QUEUE_LATER ? delivery->failures + 1 : 0;
    pause_ms = delivery->failures ? with_jitter(pnd_queue_backoff_ms(delivery->failures)) : 0;
    if (result->after_ms > pause_ms)
        pause_ms = result->after_ms;
    if (!retry_ms)
        retry_ms = with_jitter(pnd_queue_backoff_ms(delivery->message.attempts + 1));
    delivery->pause_ms = pnd_clock_ms() + (uint64_t)pause_ms;
    delivery->next_ms = 0;
    err = pnd_queue_done(deliver->queue, delivery->channel->name, &delivery->message,
                         result->outcome, result->said, retry_ms, pnd_clock_wall_ms(), why);
    pnd_queue_message_deinit(&delivery->message);
    delivery->busy = false;
    return err;
}

/* ---- hooks ---- */

static void hear_line(const char *line, size_t len, void *ctx)
{
    struct pnd_delivery *delivery = ctx;
    char safe[4 * PND_RUN_LINE_CAP];

    pnd_text_escape(safe, sizeof(safe), line, len);
    pnd_log(PND_INFO, "hook-says", "channel=%s text=\"%s\"", delivery->channel->name, safe);
    pnd_text_escape(delivery->printed, sizeof(delivery->printed), line, len);
}

/* PANICD_TITLE=..., of each field that is there. */
static void make_environment(const json_t *fields, char *ret[ENV_MAX])
{
    static char path[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    unsigned count = 0;

    ret[count++] = path;
    for (unsigned i = 0; pnd_field_name(i) && count < ENV_MAX - 1; i++) {
        const char *name = pnd_field_name(i);
        char *value =
            json_object_get(fields, name) ? pnd_field_text(fields, name, strlen(name)) : NULL;

        if (value && asprintf(&ret[count], "PANICD_%s=%s", name, value) > 0) {
            for (char *at = ret[count]; *at != '='; at++)
                *at = (char)toupper((unsigned char)*at);
            count++;
        }
        free(value);
    }
    ret[count] = NULL;
}

/* @return a file of the message, from its start; -1 */
static int open_message(const json_t *fields)
{
    char *text = json_dumps(fields, JSON_COMPACT);
    PND_AUTO_CLOSE int fd = text ? memfd_create("message", MFD_CLOEXEC) : -1;
    bool ok = fd >= 0 && pnd_io_write(fd, text, strlen(text)) == PND_OK &&
              pnd_io_write(fd, "\n", 1) == PND_OK && lseek(fd, 0, SEEK_SET) == 0;

    free(text);
    return ok ? pnd_steal_fd(&fd) : -1;
}

static int start_hook(struct pnd_deliver *deliver, struct pnd_delivery *delivery,
                      struct pnd_why *why)
{
    const struct pnd_message_channel *channel = delivery->channel;
    char *argv[] = {
        (char *)(uintptr_t)channel->program,
        (char *)(uintptr_t)json_string_value(json_object_get(delivery->message.fields, "event")),
        NULL};
    PND_AUTO_CLOSE int fd = open_message(delivery->message.fields);
    char *env[ENV_MAX];
    int err;

    if (fd < 0)
        return pnd_why(why, PND_E_SYS, errno, "a file for the message");
    delivery->printed[0] = '\0';
    make_environment(delivery->message.fields, env);
    err = pnd_run_start(argv, env, deliver->spool->dir_fd, fd, channel->time_ms, hear_line,
                        delivery, &delivery->run, why);
    for (unsigned i = 1; env[i]; i++)
        free(env[i]);
    return err;
}

/* A hook that fails has been called; only one that asks for it is called again. */
static int end_hook(struct pnd_deliver *deliver, struct pnd_delivery *delivery, struct pnd_why *why)
{
    struct pnd_post_result result = {.outcome = PND_QUEUE_REFUSED};
    struct pnd_run_end end;
    const char *printed = delivery->printed;

    pnd_run_finish(&delivery->run, &end);
    if (end.late)
        snprintf(result.said, sizeof(result.said), "it took longer than %" PRIu64 " ms%s%s",
                 delivery->channel->time_ms, *printed ? "; the last it said: " : "", printed);
    else if (end.signal)
        snprintf(result.said, sizeof(result.said), "it was killed by signal %d%s%s", end.signal,
                 *printed ? "; the last it said: " : "", printed);
    else
        snprintf(result.said, sizeof(result.said), "it ended with status %d%s%s", end.status,
                 *printed ? "; the last it said: " : "", printed);
    if (!end.late && !end.signal && end.status == 0)
        result.outcome = PND_QUEUE_SENT;
    else if (!end.late && !end.signal && end.status == PND_DELIVER_LATER_STATUS)
        result.outcome = PND_QUEUE_LATER;
    return conclude(deliver, delivery, &result, why);
}

/* ---- all of them ---- */

static int start(struct pnd_deliver *deliver, struct pnd_delivery *delivery, struct pnd_why *why)
{
    int64_t now_ms = pnd_clock_wall_ms();
    struct pnd_post_result result = {.outcome = PND_QUEUE_LATER};
    struct pnd_why cause = {0};
    int err = pnd_queue_next(deliver->queue, delivery->channel->name, now_ms, &delivery->message,
                             &delivery->next_ms, why);

    if (err)
        return err == PND_E_NOTFOUND ? PND_OK : err;
    if (delivery->channel->page[0]) {
        char url[PND_MESSAGE_URL_CAP + 32];
        json_int_t id = json_integer_value(json_object_get(delivery->message.fields, "id"));

        snprintf(url, sizeof(url), "%s%s%" JSON_INTEGER_FORMAT, delivery->channel->page,
                 delivery->channel->page[strlen(delivery->channel->page) - 1] == '/' ? "dumps/"
                                                                                     : "/dumps/",
                 id);
        if (id > 0)
            pnd_fields_set(delivery->message.fields, "url", url);
    }
    delivery->busy = true;
    err = delivery->channel->way == PND_MESSAGE_HOOK
              ? start_hook(deliver, delivery, &cause)
              : pnd_post_start(deliver->multi, delivery->channel, &delivery->message, now_ms / 1000,
                               delivery, &delivery->post, &cause);
    if (!err)
        return PND_OK;
    pnd_text_escape(result.said, sizeof(result.said), cause.text, strlen(cause.text));
    return conclude(deliver, delivery, &result, why);
}

static int end_posts(struct pnd_deliver *deliver, struct pnd_why *why)
{
    const CURLMsg *msg;
    int left, err = PND_OK;

    while (!err && (msg = curl_multi_info_read(deliver->multi, &left))) {
        struct pnd_delivery *delivery = NULL;
        struct pnd_post_result result;

        if (msg->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, (char **)&delivery);
        pnd_post_finish(deliver->multi, &delivery->post, msg->data.result, &result);
        err = conclude(deliver, delivery, &result, why);
    }
    return err;
}

static int posts(const struct pnd_deliver *deliver)
{
    int count = 0;

    for (unsigned i = 0; i < deliver->count; i++)
        count += deliver->at[i].post.curl != NULL;
    return count;
}

int pnd_deliver_turn(struct pnd_deliver *deliver, struct pnd_why *why)
{
    uint64_t now_ms = pnd_clock_ms();
    int err = PND_OK, running;

    curl_multi_perform(deliver->multi, &running);
    err = end_posts(deliver, why);
    for (unsigned i = 0; !err && i < deliver->count; i++) {
        struct pnd_delivery *delivery = &deliver->at[i];

        if (delivery->run.pid && pnd_run_look(&delivery->run))
            err = end_hook(deliver, delivery, why);
        if (!err && !delivery->busy && now_ms >= delivery->pause_ms &&
            pnd_clock_wall_ms() >= delivery->next_ms)
            err = start(deliver, delivery, why);
    }
    curl_multi_perform(deliver->multi, &running);
    deliver->ended = running < posts(deliver);
    return err;
}

int pnd_deliver_wake(struct pnd_deliver *deliver, struct pnd_why *why)
{
    int err = PND_OK;

    for (unsigned i = 0; !err && i < deliver->count; i++) {
        struct pnd_delivery *delivery = &deliver->at[i];
        bool tested = false;

        delivery->next_ms = 0;
        if (delivery->pause_ms > pnd_clock_ms())
            err = pnd_queue_tested(deliver->queue, delivery->channel->name, &tested, why);
        if (tested)
            delivery->pause_ms = 0;
    }
    return err;
}

/* How long until the idle ones have something to do. */
static int64_t idle_ms(const struct pnd_deliver *deliver, int64_t most_ms)
{
    uint64_t now_ms = pnd_clock_ms();
    int64_t wall_ms = pnd_clock_wall_ms();

    if (deliver->ended)
        return 0;
    for (unsigned i = 0; i < deliver->count; i++) {
        const struct pnd_delivery *delivery = &deliver->at[i];
        int64_t wait_ms = delivery->next_ms > wall_ms ? delivery->next_ms - wall_ms : 0;

        if (delivery->run.pid && most_ms > PND_RUN_POLL_MS)
            most_ms = PND_RUN_POLL_MS;
        if (delivery->busy)
            continue;
        if (delivery->pause_ms > now_ms && (int64_t)(delivery->pause_ms - now_ms) > wait_ms)
            wait_ms = (int64_t)(delivery->pause_ms - now_ms);
        if (wait_ms < most_ms)
            most_ms = wait_ms;
    }
    return most_ms;
}

void pnd_deliver_wait(struct pnd_deliver *deliver, int fd, int most_ms)
{
    struct curl_waitfd fds[1 + PND_MESSAGE_CHANNELS_MAX] = {{.fd = fd, .events = CURL_WAIT_POLLIN}};
    struct pnd_delivery *of[1 + PND_MESSAGE_CHANNELS_MAX] = {NULL};
    unsigned count = 1;

    for (unsigned i = 0; i < deliver->count; i++) {
        if (!deliver->at[i].run.pid || deliver->at[i].run.out_fd < 0)
            continue;
        of[count] = &deliver->at[i];
        fds[count++] =
            (struct curl_waitfd){.fd = deliver->at[i].run.out_fd, .events = CURL_WAIT_POLLIN};
    }
    curl_multi_poll(deliver->multi, fds, count, (int)idle_ms(deliver, most_ms), NULL);
    for (unsigned i = 1; i < count; i++)
        if (fds[i].revents)
            pnd_run_hear(&of[i]->run);
}

void pnd_deliver_deinit(struct pnd_deliver *deliver)
{
    uint64_t until_ms = pnd_clock_ms() + PND_RUN_STOP_MS;
    struct pnd_run_end end;

    for (unsigned i = 0; i < deliver->count; i++)
        if (deliver->at[i].run.pid)
            pnd_run_term(&deliver->at[i].run);
    for (unsigned i = 0; i < deliver->count; i++) {
        struct pnd_delivery *delivery = &deliver->at[i];

        if (delivery->run.pid) {
            pnd_run_kill(&delivery->run, until_ms);
            pnd_run_finish(&delivery->run, &end);
        }
        pnd_post_drop(deliver->multi, &delivery->post);
        if (delivery->busy)
            pnd_queue_message_deinit(&delivery->message);
    }
    curl_multi_cleanup(deliver->multi);
}
