/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The queue of messages, by a clock that the test turns. */
#include <jansson.h>

#include "message/queue.h"
#include "message/queue_db.h"
#include "tap.h"
#include "unit/spool_fixture.h"

#define HOUR INT64_C(3600000)

static struct pnd_message_config config;
static struct pnd_queue *queue;
static int64_t now_ms;

static void begin_with(unsigned channels)
{
    unsigned dropped;
    bool fresh;

    setup();
    memset(&config, 0, sizeof(config));
    config.count = channels;
    for (unsigned i = 0; i < channels; i++) {
        config.at[i] = (struct pnd_message_channel){.events = (1U << PND_MESSAGE_KINDS) - 1,
                                                    .way = PND_MESSAGE_WEBHOOK,
                                                    .again_ms = HOUR,
                                                    .expire_ms = 24 * HOUR,
                                                    .url = "http://user:word@host:1/x?secret"};
        snprintf(config.at[i].name, sizeof(config.at[i].name), "c%u", i);
    }
    now_ms = INT64_C(1795329000000);
    CHECK_EQ(pnd_queue_open(&spool, false, &queue, &fresh, &why), PND_OK);
    CHECK(fresh);
    CHECK_EQ(pnd_queue_set_channels(queue, &config, &dropped, &why), PND_OK);
}

static void end(void)
{
    pnd_queue_close(queue);
    queue = NULL;
    teardown();
}

static void reopen(void)
{
    unsigned dropped;
    bool fresh = true;

    pnd_queue_close(queue);
    CHECK_EQ(pnd_queue_open(&spool, false, &queue, &fresh, &why), PND_OK);
    CHECK(!fresh);
    CHECK_EQ(pnd_queue_set_channels(queue, &config, &dropped, &why), PND_OK);
}

/* @return it was new */
static bool tell(enum pnd_message_kind kind, uint64_t dump, const char *machine, const char *group)
{
    struct pnd_queue_event event = {.kind = kind, .dump = dump, .since_ms = now_ms, .group = group};
    bool fresh = false;

    event.fields = pnd_fields_create(kind, now_ms, "/dumps");
    pnd_fields_set(event.fields, "peer", machine);
    pnd_fields_set(event.fields, "title", group);
    if (dump)
        json_object_set_new(event.fields, "id", json_integer((json_int_t)dump));
    pnd_fields_settle(event.fields);
    CHECK_EQ(pnd_queue_tell(queue, &event, now_ms, &fresh, &why), PND_OK);
    json_decref(event.fields);
    return fresh;
}

static int64_t turn(void)
{
    unsigned expired;
    int64_t next_ms = 0;

    CHECK_EQ(pnd_queue_turn(queue, now_ms, &expired, &next_ms, &why), PND_OK);
    return next_ms;
}

/* The next message, which is then done. @return its text in @p ret, "" for none */
static const char *take(const char *channel, enum pnd_queue_outcome outcome,
                        struct pnd_queue_message *ret)
{
    static char text[PND_FIELD_TEXT_MAX];
    int64_t next_ms;

    *ret = (struct pnd_queue_message){0};
    text[0] = '\0';
    if (pnd_queue_next(queue, channel, now_ms, ret, &next_ms, &why) == PND_OK) {
        snprintf(text, sizeof(text), "%s", json_string_value(json_object_get(ret->fields, "text")));
        CHECK_EQ(pnd_queue_done(queue, channel, ret, outcome, "said", 1000, now_ms, &why), PND_OK);
    }
    pnd_queue_message_deinit(ret);
    return text;
}

static const char *next(const char *channel)
{
    struct pnd_queue_message message;

    return take(channel, PND_QUEUE_SENT, &message);
}

static struct pnd_queue_channel state_of(unsigned at)
{
    static struct pnd_queue_channel channels[PND_MESSAGE_CHANNELS_MAX];
    unsigned count = 0;

    CHECK_EQ(pnd_queue_channels(queue, channels, &count, &why), PND_OK);
    CHECK(at < count);
    return channels[at];
}

static void the_first_of_a_sort_goes_out_at_once_and_the_rest_in_one_message(void)
{
    begin_with(1);
    CHECK(tell(PND_MESSAGE_PANIC, 1, "a", "0123"));
    CHECK_STR(next("c0"), "a: 0123");
    for (uint64_t id = 2; id <= 5; id++) {
        now_ms += 1000;
        CHECK(tell(PND_MESSAGE_PANIC, id, id % 2 ? "a" : "b", "0123"));
    }
    CHECK(tell(PND_MESSAGE_PANIC, 9, "a", "4567"));
    CHECK_STR(next("c0"), "a: 4567");
    CHECK_STR(next("c0"), "");
    CHECK_EQ(state_of(0).gathered, 4);
    now_ms += HOUR - 4001;
    turn();
    CHECK_STR(next("c0"), "");
    now_ms += 1;
    turn();
    CHECK_STR(next("c0"), "4 more, of 2 machines; the last: a: 0123");
    CHECK_STR(next("c0"), "");
    end();
}

static void what_goes_on_is_told_once_in_each_window_and_what_is_over_is_forgotten(void)
{
    begin_with(1);
    tell(PND_MESSAGE_PANIC, 1, "a", "0123");
    CHECK_STR(next("c0"), "a: 0123");
    tell(PND_MESSAGE_PANIC, 2, "a", "0123");
    now_ms += HOUR;
    turn();
    CHECK_STR(next("c0"), "a: 0123");
    now_ms += HOUR / 2;
    tell(PND_MESSAGE_PANIC, 3, "a", "0123"); /* still in the window of that message */
    CHECK_STR(next("c0"), "");
    now_ms += HOUR / 2;
    turn();
    CHECK_STR(next("c0"), "a: 0123"); /* one only: it is told as it is */
    now_ms += HOUR;
    turn();
    CHECK_EQ(turn(), INT64_MAX);
    tell(PND_MESSAGE_PANIC, 4, "a", "0123"); /* long ago: it is the first again */
    CHECK_STR(next("c0"), "a: 0123");
    end();
}

static void a_summary_names_dumps_and_machines_and_their_lists_are_bounded(void)
{
    struct pnd_queue_message message;
    int64_t next_ms;
    char machine[16];

    begin_with(1);
    for (uint64_t id = 1; id <= 2 * PND_QUEUE_LIST_MAX + 1; id++) {
        snprintf(machine, sizeof(machine), "m%u", (unsigned)id);
        tell(PND_MESSAGE_PANIC, id, machine, "0123");
    }
    CHECK_STR(next("c0"), "m1: 0123");
    now_ms += HOUR;
    turn();
    CHECK_EQ(pnd_queue_next(queue, "c0", now_ms, &message, &next_ms, &why), PND_OK);
    CHECK_EQ(json_integer_value(json_object_get(message.fields, "count")), 2 * PND_QUEUE_LIST_MAX);
    CHECK_EQ(json_array_size(json_object_get(message.fields, "ids")), PND_QUEUE_LIST_MAX);
    CHECK_EQ(json_array_size(json_object_get(message.fields, "machine_names")), PND_QUEUE_LIST_MAX);
    CHECK_STR(json_string_value(json_object_get(message.fields, "event_id")), message.id);
    pnd_queue_message_deinit(&message);
    end();
}

static void an_event_is_told_once_however_often_it_is_said(void)
{
    begin_with(2);
    CHECK(tell(PND_MESSAGE_PANIC, 1, "a", "0123"));
    CHECK(!tell(PND_MESSAGE_PANIC, 1, "a", "0123"));
    CHECK(tell(PND_MESSAGE_COMPLETE, 1, "a", "0123"));
    reopen();
    CHECK(!tell(PND_MESSAGE_PANIC, 1, "a", "0123"));
    CHECK(tell(PND_MESSAGE_REFUSED, 0, "a", ""));
    CHECK(tell(PND_MESSAGE_REFUSED, 0, "a", ""));
    for (unsigned i = 0; i < 4; i++) {
        CHECK(*next("c0"));
        CHECK(*next("c1"));
    }
    CHECK_STR(next("c0"), "");
    CHECK_STR(next("c1"), "");
    end();
}

static void a_channel_is_told_of_its_events_only_and_with_again_0_of_each(void)
{
    begin_with(2);
    config.at[0].events = 1U << PND_MESSAGE_BEGIN;
    config.at[1].again_ms = 0;
    tell(PND_MESSAGE_BEGIN, 1, "a", "a");
    tell(PND_MESSAGE_PANIC, 1, "a", "0123");
    tell(PND_MESSAGE_PANIC, 2, "a", "0123");
    CHECK_STR(next("c0"), "a dump of a begins to arrive");
    CHECK_STR(next("c0"), "");
    CHECK_STR(next("c1"), "a dump of a begins to arrive");
    CHECK_STR(next("c1"), "a: 0123");
    CHECK_STR(next("c1"), "a: 0123");
    end();
}

static void what_fails_is_tried_again_later_and_others_before_it(void)
{
    struct pnd_queue_message first, second;

    begin_with(1);
    tell(PND_MESSAGE_PANIC, 1, "a", "0123");
    tell(PND_MESSAGE_PANIC, 2, "b", "4567");
    CHECK_STR(take("c0", PND_QUEUE_LATER, &first), "a: 0123");
    CHECK(state_of(0).failing_ms == now_ms && strcmp(state_of(0).error, "said") == 0);
    CHECK_STR(take("c0", PND_QUEUE_REFUSED, &second), "b: 4567");
    CHECK_STR(next("c0"), "");
    now_ms += 1000;
    CHECK_STR(take("c0", PND_QUEUE_SENT, &second), "a: 0123");
    CHECK_STR(first.id, second.id);
    CHECK_EQ(second.attempts, 1);
    CHECK_EQ(state_of(0).sent, 1);
    CHECK_EQ(state_of(0).refused, 1);
    CHECK_EQ(state_of(0).failing_ms, 0);
    CHECK_STR(state_of(0).target, "host:1");
    end();
}

static void the_wait_doubles_up_to_a_bound(void)
{
    CHECK_EQ(pnd_queue_backoff_ms(1), 1000);
    CHECK_EQ(pnd_queue_backoff_ms(2), 2000);
    CHECK_EQ(pnd_queue_backoff_ms(5), 16000);
    CHECK_EQ(pnd_queue_backoff_ms(20), PND_QUEUE_RETRY_MAX_MS);
    CHECK_EQ(pnd_queue_backoff_ms(UINT32_MAX), PND_QUEUE_RETRY_MAX_MS);
}

static void what_nobody_takes_expires_and_is_counted(void)
{
    unsigned expired = 0;
    int64_t next_ms = 0;

    begin_with(1);
    tell(PND_MESSAGE_PANIC, 1, "a", "0123");
    now_ms += 24 * HOUR - 1;
    CHECK_EQ(pnd_queue_turn(queue, now_ms, &expired, &next_ms, &why), PND_OK);
    CHECK_EQ(expired, 0);
    CHECK_EQ(next_ms, now_ms + 1);
    now_ms++;
    CHECK_EQ(pnd_queue_turn(queue, now_ms, &expired, &next_ms, &why), PND_OK);
    CHECK_EQ(expired, 1);
    CHECK_EQ(state_of(0).lost, 1);
    CHECK_STR(next("c0"), "");
    end();
}

static void of_too_many_the_oldest_gives_way(void)
{
    begin_with(1);
    config.at[0].again_ms = 0;
    pnd_queue_begin(queue, &why);
    for (uint64_t id = 1; id <= PND_QUEUE_WAITING_MAX + 3; id++) {
        char machine[16];

        snprintf(machine, sizeof(machine), "m%u", (unsigned)id);
        tell(PND_MESSAGE_PANIC, id, machine, "0123");
    }
    pnd_queue_commit(queue, &why);
    CHECK_EQ(state_of(0).waiting, PND_QUEUE_WAITING_MAX);
    CHECK_EQ(state_of(0).lost, 3);
    CHECK_STR(next("c0"), "m4: 0123");
    end();
}

static void a_clock_that_was_wrong_delays_nothing(void)
{
    struct pnd_queue_message message;

    begin_with(1);
    now_ms += 1000 * HOUR; /* the clock was ahead */
    tell(PND_MESSAGE_PANIC, 1, "a", "0123");
    take("c0", PND_QUEUE_LATER, &message);
    tell(PND_MESSAGE_PANIC, 2, "b", "0123");
    now_ms -= 1000 * HOUR;
    CHECK_STR(next("c0"), "a: 0123");
    turn();
    CHECK_STR(next("c0"), "b: 0123");
    end();
}

static void a_channel_that_is_gone_leaves_nothing(void)
{
    unsigned dropped = 0;

    begin_with(2);
    tell(PND_MESSAGE_PANIC, 1, "a", "0123");
    config.count = 1;
    CHECK_EQ(pnd_queue_set_channels(queue, &config, &dropped, &why), PND_OK);
    CHECK_EQ(dropped, 1);
    config.count = 2;
    CHECK_EQ(pnd_queue_set_channels(queue, &config, &dropped, &why), PND_OK);
    CHECK_STR(next("c1"), "");
    CHECK_STR(next("c0"), "a: 0123");
    end();
}

static void little_room_is_told_once_until_there_was_enough(void)
{
    json_t *fields = pnd_fields_create(PND_MESSAGE_ROOM, 1, "/dumps");

    begin_with(1);
    pnd_fields_settle(fields);
    for (unsigned i = 0; i < 2; i++) {
        CHECK_EQ(pnd_queue_set_low(queue, &config.at[0], true, fields, now_ms, &why), PND_OK);
        reopen();
        CHECK_EQ(pnd_queue_set_low(queue, &config.at[0], true, fields, now_ms, &why), PND_OK);
        CHECK_STR(next("c0"), "only ? of ? are free for dumps");
        CHECK_STR(next("c0"), "");
        CHECK_EQ(pnd_queue_set_low(queue, &config.at[0], false, fields, now_ms, &why), PND_OK);
    }
    json_decref(fields);
    end();
}

/* What a disk without room does, without one. */
static void a_full_disk_takes_nothing_and_the_event_is_told_when_there_is_room(void)
{
    struct pnd_queue_event event = {
        .kind = PND_MESSAGE_PANIC, .dump = 1, .since_ms = 1, .group = "0123"};
    char big[PND_FIELD_TEXT_MAX];
    bool fresh;
    int err;

    begin_with(2);
    event.since_ms = now_ms;
    event.fields = pnd_fields_create(PND_MESSAGE_PANIC, now_ms, "/dumps");
    memset(big, 'x', sizeof(big) - 1);
    big[sizeof(big) - 1] = '\0';
    for (unsigned i = 0; pnd_field_name(i); i++)
        pnd_fields_set(event.fields, pnd_field_name(i), big);
    CHECK_EQ(pnd_queue_run(queue, &why, "PRAGMA max_page_count = 1", ""), PND_OK);
    pnd_queue_begin(queue, &why);
    err = pnd_queue_tell(queue, &event, now_ms, &fresh, &why);
    CHECK_EQ(err, PND_E_NOSPACE);
    pnd_queue_rollback(queue);
    CHECK_EQ(state_of(0).waiting, 0);
    reopen();
    CHECK_EQ(pnd_queue_tell(queue, &event, now_ms, &fresh, &why), PND_OK);
    CHECK(fresh);
    CHECK_EQ(state_of(0).waiting, 1);
    CHECK_EQ(state_of(1).waiting, 1);
    json_decref(event.fields);
    end();
}

static void a_damaged_queue_is_set_aside_and_a_new_one_begun(void)
{
    bool fresh = false;

    begin_with(1);
    pnd_queue_close(queue);
    tmp_write(".panicd/messages.db", "this is no database, and it is long enough", 42);
    CHECK_EQ(pnd_queue_open(&spool, true, &queue, &fresh, &why), PND_E_FORMAT);
    CHECK_EQ(pnd_queue_open(&spool, false, &queue, &fresh, &why), PND_OK);
    CHECK(fresh);
    CHECK_EQ(faccessat(spool.state_fd, "messages.db.bad", F_OK, 0), 0);
    end();
}

static void a_test_is_tried_once_before_all_others_and_answered(void)
{
    struct pnd_queue_message message;
    json_t *fields = pnd_fields_create(PND_MESSAGE_TEST, 1, "/dumps");
    char said[PND_QUEUE_ERROR_CAP];
    bool sent = true;

    begin_with(1);
    pnd_fields_settle(fields);
    tell(PND_MESSAGE_PANIC, 1, "a", "0123");
    CHECK_EQ(pnd_queue_test(queue, "c0", "test-1", fields, now_ms, &why), PND_OK);
    CHECK_EQ(pnd_queue_answer(queue, "test-1", &sent, said, &why), PND_E_NOTFOUND);
    CHECK(strncmp(take("c0", PND_QUEUE_LATER, &message), "a test message", 14) == 0);
    CHECK_EQ(pnd_queue_answer(queue, "test-1", &sent, said, &why), PND_OK);
    CHECK(!sent);
    CHECK_STR(said, "said");
    now_ms += HOUR;
    CHECK_STR(next("c0"), "a: 0123");
    CHECK_STR(next("c0"), "");
    json_decref(fields);
    end();
}

int main(void)
{
    RUN(the_first_of_a_sort_goes_out_at_once_and_the_rest_in_one_message);
    RUN(what_goes_on_is_told_once_in_each_window_and_what_is_over_is_forgotten);
    RUN(a_summary_names_dumps_and_machines_and_their_lists_are_bounded);
    RUN(an_event_is_told_once_however_often_it_is_said);
    RUN(a_channel_is_told_of_its_events_only_and_with_again_0_of_each);
    RUN(what_fails_is_tried_again_later_and_others_before_it);
    RUN(the_wait_doubles_up_to_a_bound);
    RUN(what_nobody_takes_expires_and_is_counted);
    RUN(of_too_many_the_oldest_gives_way);
    RUN(a_clock_that_was_wrong_delays_nothing);
    RUN(a_channel_that_is_gone_leaves_nothing);
    RUN(little_room_is_told_once_until_there_was_enough);
    RUN(a_full_disk_takes_nothing_and_the_event_is_told_when_there_is_room);
    RUN(a_damaged_queue_is_set_aside_and_a_new_one_begun);
    RUN(a_test_is_tried_once_before_all_others_and_answered);
    return tap_done();
}
