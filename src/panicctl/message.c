/* SPDX-License-Identifier: BSD-2-Clause
 *
 * panicctl message: the channels of panicd.conf(5), and a message to try them with. */
#include "panicctl/message.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "host/clock.h"
#include "panicctl/print.h"

enum {
    TEST_WAIT_S = 60, /* for all that is tried; a channel's time is less as a rule */
    TEST_PAUSE_MS = 50,
    TEST_ID_CAP = 32,
};

struct test {
    char id[TEST_ID_CAP], said[PND_QUEUE_ERROR_CAP];
    const struct pnd_queue_channel *channel;
    bool answered, sent;
};

int pnd_channels_read(const struct pnd_spool *spool, struct pnd_channels *ret, struct pnd_why *why)
{
    struct pnd_queue *queue;
    int err = pnd_queue_open(spool, true, &queue, NULL, why);

    *ret = (struct pnd_channels){.served = pnd_queue_served(spool)};
    if (err)
        return err == PND_E_NOTFOUND ? PND_OK : err;
    err = pnd_queue_channels(queue, ret->at, &ret->count, why);
    pnd_queue_close(queue);
    return err;
}

json_t *pnd_channels_json(const struct pnd_channels *channels)
{
    json_t *list = json_array();

    for (unsigned i = 0; i < channels->count; i++) {
        const struct pnd_queue_channel *at = &channels->at[i];

        json_array_append_new(
            list,
            json_pack("{s:o, s:o, s:o, s:b, s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:o}", "channel",
                      pnd_print_json_text(at->name), "way", pnd_print_json_text(at->way), "to",
                      pnd_print_json_text(at->target), "served", channels->served, "waiting",
                      (json_int_t)at->waiting, "gathered", (json_int_t)at->gathered, "sent",
                      (json_int_t)at->sent, "refused", (json_int_t)at->refused, "lost",
                      (json_int_t)at->lost, "sent_at", pnd_print_json_time(at->sent_ms),
                      "failing_since", pnd_print_json_time(at->failing_ms), "error",
                      at->error[0] ? pnd_print_json_text(at->error) : json_null()));
    }
    return list;
}

void pnd_channels_print(const struct pnd_channels *channels, const char *start)
{
    char name[PND_PRINT_NAME_CAP], target[PND_PRINT_NAME_CAP], error[PND_PRINT_NAME_CAP],
        since[PND_PRINT_TIME_CAP];

    for (unsigned i = 0; i < channels->count; i++) {
        const struct pnd_queue_channel *at = &channels->at[i];

        printf("%s%s (%s, %s): %" PRIu64 " sent, %" PRIu64 " waiting", start,
               pnd_print_name(name, at->name), at->way, pnd_print_name(target, at->target),
               at->sent, at->waiting);
        if (at->lost)
            printf(", %" PRIu64 " lost", at->lost);
        if (at->failing_ms)
            printf("; failing since %s: %s", pnd_print_time(since, at->failing_ms),
                   pnd_print_name(error, at->error));
        putchar('\n');
    }
}

/* ---- a test ---- */

static int begin_test(struct pnd_queue *queue, const struct pnd_ctl *ctl,
                      const struct pnd_queue_channel *channel, struct test *ret,
                      struct pnd_why *why)
{
    int64_t now_ms = pnd_clock_wall_ms();
    json_t *fields = pnd_fields_create(PND_MESSAGE_TEST, now_ms, ctl->spool.path);
    uint64_t random;
    int err;

    if (!fields || getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random)) {
        json_decref(fields);
        return pnd_why(why, PND_E_SYS, errno, "a test message");
    }
    *ret = (struct test){.channel = channel};
    snprintf(ret->id, sizeof(ret->id), "test-%016" PRIx64, random);
    pnd_fields_settle(fields);
    err = pnd_queue_test(queue, channel->name, ret->id, fields, now_ms, why);
    json_decref(fields);
    return err;
}

static int await(struct pnd_queue *queue, struct test *tests, unsigned count, struct pnd_why *why)
{
    const struct timespec pause = {.tv_nsec = TEST_PAUSE_MS * 1000000L};
    uint64_t until_ms = pnd_clock_ms() + TEST_WAIT_S * 1000;
    unsigned left = count;

    while (left && pnd_clock_ms() < until_ms) {
        left = 0;
        for (unsigned i = 0; i < count; i++) {
            int err = tests[i].answered ? PND_OK
                                        : pnd_queue_answer(queue, tests[i].id, &tests[i].sent,
                                                           tests[i].said, why);

            if (err && err != PND_E_NOTFOUND)
                return err;
            tests[i].answered = !err;
            left += !tests[i].answered;
        }
        if (left)
            nanosleep(&pause, NULL);
    }
    return PND_OK;
}

static int report(const struct pnd_ctl *ctl, const struct test *tests, unsigned count)
{
    char name[PND_PRINT_NAME_CAP], said[PND_PRINT_NAME_CAP];
    json_t *list = json_array();
    int code = PND_EXIT_OK;

    for (unsigned i = 0; i < count; i++) {
        const struct test *test = &tests[i];
        const char *words =
            test->answered ? test->said : "nothing came of it yet; it is tried once";

        if (!test->sent)
            code = PND_EXIT_NO;
        if (!ctl->json)
            printf("%s: %s, %s\n", pnd_print_name(name, test->channel->name),
                   test->sent ? "told" : "not told", pnd_print_name(said, words));
        json_array_append_new(list, json_pack("{s:o, s:b, s:o}", "channel",
                                              pnd_print_json_text(test->channel->name), "told",
                                              test->sent, "said", pnd_print_json_text(words)));
    }
    if (!ctl->json) {
        json_decref(list);
        return code;
    }
    return pnd_print_json(json_pack("{s:o}", "tests", list)) ? PND_EXIT_COULD_NOT : code;
}

/* @param only  a channel's name; NULL: all of them */
static int test_channels(struct pnd_ctl *ctl, const struct pnd_channels *channels, const char *only,
                         struct pnd_why *why)
{
    struct test tests[PND_MESSAGE_CHANNELS_MAX];
    struct pnd_queue *queue;
    unsigned count = 0;
    int err;

    if (!channels->served)
        return pnd_ctl_fail("nobody sends messages for %s: is panicd started, with --config and a "
                            "[message NAME] in that file?",
                            ctl->directory);
    err = pnd_queue_open(&ctl->spool, true, &queue, NULL, why);
    if (err)
        return pnd_ctl_fail("%s", why->text);
    for (unsigned i = 0; !err && i < channels->count; i++)
        if (!only || strcmp(only, channels->at[i].name) == 0)
            err = begin_test(queue, ctl, &channels->at[i], &tests[count++], why);
    if (!err)
        err = await(queue, tests, count, why);
    pnd_queue_close(queue);
    if (err)
        return pnd_ctl_fail("%s", why->text);
    if (!count)
        return pnd_ctl_fail("there is no channel \"%s\"; \"panicctl message\" names them", only);
    return report(ctl, tests, count);
}

static int show(const struct pnd_ctl *ctl, const struct pnd_channels *channels)
{
    int code = PND_EXIT_OK;

    for (unsigned i = 0; i < channels->count; i++)
        if (channels->at[i].failing_ms || !channels->served)
            code = PND_EXIT_NO;
    if (ctl->json)
        return pnd_print_json(json_pack("{s:b, s:o}", "served", channels->served, "channels",
                                        pnd_channels_json(channels)))
                   ? PND_EXIT_COULD_NOT
                   : code;
    if (!channels->count)
        puts("nobody is told of anything; [message NAME] of panicd.conf(5) says who is");
    else if (!channels->served)
        puts("nobody sends messages now: panicd does, when it runs");
    pnd_channels_print(channels, "");
    return code;
}

int pnd_verb_message(struct pnd_ctl *ctl, int argc, char **argv)
{
    static const struct option options[] = {
        {"json", no_argument, NULL, 'j'}, {"help", no_argument, NULL, 'h'}, {0}};
    struct pnd_channels channels;
    struct pnd_why why = {0};
    int option, code;

    while ((option = getopt_long(argc, argv, "jh", options, NULL)) != -1) {
        code = pnd_ctl_common_option(ctl, argv[0], option);
        if (code >= 0)
            return code;
    }
    if (optind < argc && (strcmp(argv[optind], "test") != 0 || optind + 2 < argc))
        return pnd_ctl_misused(argv[0], "message takes nothing, or: test [CHANNEL]");
    if (pnd_spool_open_readonly(&ctl->spool, ctl->directory, &why) ||
        pnd_channels_read(&ctl->spool, &channels, &why))
        return pnd_ctl_fail("%s", why.text);
    if (optind < argc)
        return test_channels(ctl, &channels, optind + 1 < argc ? argv[optind + 1] : NULL, &why);
    return show(ctl, &channels);
}
