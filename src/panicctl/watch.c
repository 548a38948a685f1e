/* SPDX-License-Identifier: BSD-2-Clause
 *
 * panicctl watch: what the server says as it happens. On a terminal the transfers stand below
 * one another and are drawn anew; elsewhere every event is a line. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "host/clock.h"
#include "host/guard.h"
#include "host/progress.h"
#include "host/text.h"
#include "panicctl/groups.h"
#include "panicctl/print.h"
#include "view/socket.h"
#include "view/view.h"

enum {
    LINE_MAX_LEN = 1 << 20, /* bytes of one event */
    SHOWN_MAX = 16,         /* transfers drawn below one another */
    ASK_AGAIN_MS = 1000,    /* --until-idle: silence after which the server is asked */
    NUMBERS_WIDTH = 54,     /* of a line, besides the name and the sender */
    PEER_WIDTH = 17,
    PEER_COLUMNS = 110, /* narrower terminals show no sender: most names hold it */
    NAME_MIN = 12,
    BAR_WIDTH = 10,
    BAR_MARK = 3, /* what moves in the bar */
    IDLE_SHOWN_MS = 2000,
};

struct live {
    struct pnd_view view;
    uint64_t said_ms; /* when its progress was last a line */
    unsigned step;    /* of its bar: one for every progress that brought bytes */
};

struct watch {
    struct pnd_ctl *ctl;
    bool redraw;
    bool until_idle;
    uint64_t count, ended; /* --count, 0: none */
    uint64_t unchecked;    /* of those that ended */
    uint64_t wait_ms;      /* --count is reached: until when the verdicts are waited for */
    int fd;
    char *buf;
    size_t len; /* bytes in buf */
    struct live *live;
    size_t live_count, live_cap;
    unsigned drawn; /* lines on the terminal that are ours to draw over */
};

/* ---- drawing ---- */

static void undraw(struct watch *watch)
{
    if (watch->drawn)
        printf("\033[%uA\r\033[J", watch->drawn);
    watch->drawn = 0;
}

/* The protocol never says how long a dump will be, so the bar shows that bytes come, not how many
 * are left: a mark runs to and fro while they do, and stands still while they do not. */
static const char *format_bar(char dst[BAR_WIDTH + 1], unsigned step, bool full)
{
    unsigned way = BAR_WIDTH - BAR_MARK, at = step % (2 * way);

    memset(dst, full ? '=' : ' ', BAR_WIDTH);
    memset(dst + (at <= way ? at : 2 * way - at), '=', BAR_MARK);
    dst[BAR_WIDTH] = '\0';
    return dst;
}

/* Bytes a second; or why there are none. */
static void format_pace(char *dst, size_t cap, const struct pnd_view *view)
{
    char rate[PND_TEXT_BYTES_CAP];

    if (view->dump.reason[0])
        snprintf(dst, cap, "finishing");
    else if (view->idle_ms >= IDLE_SHOWN_MS)
        snprintf(dst, cap, "%" PRIu64 "s silent", view->idle_ms / 1000);
    else
        snprintf(dst, cap, "%s/s", pnd_text_bytes(rate, sizeof(rate), view->rate));
}

static void draw_one(const struct live *live, unsigned width)
{
    char name[PND_PRINT_NAME_CAP], peer[80], bytes[PND_TEXT_BYTES_CAP], pace[32];
    char time_text[PND_TEXT_TIME_CAP] = "", bar[BAR_WIDTH + 1];
    const struct pnd_dump *dump = &live->view.dump;
    unsigned taken = NUMBERS_WIDTH + (width >= PEER_COLUMNS ? PEER_WIDTH : 0);
    size_t cap = width > taken + NAME_MIN ? width - taken : NAME_MIN;
    int64_t lasts_ms = (int64_t)time(NULL) * 1000 - dump->started_ms;

    cap = cap < sizeof(name) ? cap : sizeof(name);
    printf("%6" PRIu64 "  %-*s", dump->id, (int)cap - 1,
           pnd_text_escape(name, cap, dump->name, strlen(dump->name)));
    if (width >= PEER_COLUMNS)
        printf("  %15.39s", pnd_text_escape(peer, sizeof(peer), dump->peer, strlen(dump->peer)));
    format_pace(pace, sizeof(pace), &live->view);
    if (dump->started_ms && lasts_ms >= 0)
        pnd_text_duration(time_text, sizeof(time_text), (uint64_t)lasts_ms / 1000);
    printf(" %8s  %10s  %9s  [%s]\n", pnd_text_bytes(bytes, sizeof(bytes), dump->bytes), pace,
           time_text, format_bar(bar, live->step, dump->reason[0] != '\0'));
}

static void draw(struct watch *watch)
{
    size_t shown = watch->live_count < SHOWN_MAX ? watch->live_count : SHOWN_MAX;
    unsigned width = pnd_progress_columns(STDOUT_FILENO);

    if (!watch->redraw)
        return;
    for (size_t i = 0; i < shown; i++)
        draw_one(&watch->live[i], width);
    watch->drawn = (unsigned)shown;
    if (shown < watch->live_count) {
        printf("        and %zu more\n", watch->live_count - shown);
        watch->drawn++;
    }
    if (watch->live_count == 0) {
        puts("Nothing is arriving. Ctrl-C ends this.");
        watch->drawn = 1;
    }
}

/* ---- what is live ---- */

static size_t find_live(const struct watch *watch, uint64_t id)
{
    size_t i = 0;

    while (watch->live && i < watch->live_count && watch->live[i].view.dump.id != id)
        i++;
    return i;
}

/* @return the transfer's place, or NULL without memory */
static struct live *put_live(struct watch *watch, const struct pnd_view *view)
{
    size_t at = find_live(watch, view->dump.id);

    if (at == watch->live_cap) {
        size_t cap = watch->live_cap ? watch->live_cap * 2 : 16;
        struct live *grown = reallocarray(watch->live, cap, sizeof(*grown));

        if (!grown)
            return NULL;
        watch->live = grown;
        watch->live_cap = cap;
    }
    if (!watch->live)
        return NULL;
    if (at == watch->live_count) {
        watch->live_count++;
        watch->live[at] = (struct live){0};
    } else if (view->dump.bytes != watch->live[at].view.dump.bytes) {
        watch->live[at].step++;
    }
    watch->live[at].view = *view;
    return &watch->live[at];
}

static void drop_live(struct watch *watch, uint64_t id)
{
    size_t at = find_live(watch, id);

    if (at == watch->live_count)
        return;
    watch->live_count--;
    memmove(&watch->live[at], &watch->live[at + 1],
            (watch->live_count - at) * sizeof(*watch->live));
}

/* ---- events ---- */

static void say_time(const char *event)
{
    time_t now = time(NULL);
    struct tm tm;
    char text[16] = "";

    if (localtime_r(&now, &tm))
        strftime(text, sizeof(text), "%H:%M:%S", &tm);
    printf("%s  %-11s", text, event);
}

static void say_dump(const char *event, const struct pnd_view *view, const json_t *from)
{
    const char *state = json_string_value(json_object_get(from, "state"));
    const char *reason = json_string_value(json_object_get(from, "reason"));
    char text[PND_PRINT_NAME_CAP], bytes[PND_TEXT_BYTES_CAP];

    say_time(event);
    printf(" %" PRIu64 "  %s", view->dump.id, pnd_print_name(text, view->dump.name));
    printf("  from %s  %s", pnd_print_name(text, view->dump.peer),
           pnd_text_bytes(bytes, sizeof(bytes), view->dump.bytes));
    if (strcmp(event, "checked") == 0 && state)
        printf("  %s", pnd_print_name(text, state));
    if (reason && reason[0])
        printf(": %s", pnd_print_name(text, reason));
    putchar('\n');
}

/* What is known of the panic: a person who reads it need not look any further. */
static void say_group(const json_t *dump)
{
    const char *title = json_string_value(json_object_get(dump, "title"));
    const char *note = json_string_value(json_object_get(dump, "note"));
    json_int_t seen = json_integer_value(json_object_get(dump, "seen"));
    json_int_t machines = json_integer_value(json_object_get(dump, "machines"));
    char text[PND_GROUP_TEXT_CAP], since[PND_PRINT_TIME_CAP];

    if (!json_is_string(json_object_get(dump, "group")))
        return;
    printf("          ");
    if (seen > 1) {
        pnd_print_time(since, pnd_view_time(dump, "first_seen"));
        printf("same panic as %" JSON_INTEGER_FORMAT " other%s since %s", seen - 1,
               seen == 2 ? "" : "s", since);
        if (machines > 1)
            printf(", on %" JSON_INTEGER_FORMAT " machines", machines);
    } else {
        printf("a panic not seen before");
    }
    printf(": %s",
           pnd_text_escape(text, sizeof(text), title ? title : "?", title ? strlen(title) : 1));
    if (note)
        printf("; note: %s", pnd_text_escape(text, sizeof(text), note, strlen(note)));
    putchar('\n');
}

/* Why a machine died is known before its dump has ended. */
static void say_cause(const json_t *arriving)
{
    say_time("cause");
    printf(" %" JSON_INTEGER_FORMAT "\n", json_integer_value(json_object_get(arriving, "id")));
    say_group(arriving);
}

static void say_refused(const json_t *event)
{
    const char *peer = json_string_value(json_object_get(event, "peer"));
    const char *rule = json_string_value(json_object_get(event, "rule"));
    char text[PND_PRINT_NAME_CAP];

    say_time("refused");
    printf(" %s", pnd_print_name(text, peer ? peer : "?"));
    printf(": %s\n", pnd_print_name(text, rule ? rule : "?"));
}

static void take_transfer(struct watch *watch, const char *event, const json_t *transfer)
{
    struct pnd_view view;
    struct live *live;
    bool known;

    pnd_view_from_json(transfer, &view);
    known = find_live(watch, view.dump.id) < watch->live_count;
    live = put_live(watch, &view);
    if (watch->ctl->json || !live)
        return;
    if (strcmp(event, "begin") == 0 || !known) {
        say_dump(known ? event : "begin", &view, transfer);
        live->said_ms = pnd_clock_ms();
    } else if (!watch->redraw && pnd_clock_ms() - live->said_ms >= PND_PROGRESS_LINE_MS) {
        say_dump(event, &view, transfer);
        live->said_ms = pnd_clock_ms();
    }
}

/* The verdict says whether the panic is known: whoever waits for one dump wants that, too. */
static void count_dump(struct watch *watch, const char *event)
{
    if (strcmp(event, "complete") == 0 || strcmp(event, "incomplete") == 0) {
        watch->ended++;
        watch->unchecked++;
        if (watch->ended == watch->count)
            watch->wait_ms = pnd_clock_ms() + PND_VIEW_WAIT_MS;
    } else if (strcmp(event, "checked") == 0 && watch->unchecked > 0) {
        watch->unchecked--;
    }
}

static void take_event(struct watch *watch, const json_t *json)
{
    const char *event = json_string_value(json_object_get(json, "event"));
    const json_t *dump = json_object_get(json, "dump");
    const json_t *transfer = json_object_get(json, "transfer");
    struct pnd_view view;

    if (!event)
        return;
    if (transfer) {
        take_transfer(watch, event, transfer);
    } else if (dump) {
        pnd_view_from_json(dump, &view);
        drop_live(watch, view.dump.id);
        count_dump(watch, event);
        if (!watch->ctl->json) {
            say_dump(event, &view, dump);
            say_group(dump);
        }
    } else if (!watch->ctl->json && strcmp(event, "cause") == 0) {
        say_cause(json_object_get(json, "arriving"));
    } else if (!watch->ctl->json && strcmp(event, "refused") == 0) {
        say_refused(json);
    }
}

/* --count is reached, and the verdicts have come or are long in coming. */
static bool is_counted(const struct watch *watch)
{
    return watch->wait_ms && (watch->unchecked == 0 || pnd_clock_ms() >= watch->wait_ms);
}

static bool is_done(const struct watch *watch)
{
    return is_counted(watch) || (watch->until_idle && watch->live_count == 0);
}

/* One line of the stream. @return PND_OK; PND_E_FORMAT */
static int take_line(struct watch *watch, const char *line, size_t len)
{
    json_t *json = json_loadb(line, len, 0, NULL);

    if (!json_is_object(json)) {
        json_decref(json);
        return PND_E_FORMAT;
    }
    if (watch->ctl->json) {
        json_dumpf(json, stdout, JSON_COMPACT | JSON_ENSURE_ASCII);
        putchar('\n');
    }
    take_event(watch, json);
    json_decref(json);
    return PND_OK;
}

static int take_lines(struct watch *watch)
{
    char *start = watch->buf, *end;
    int err = PND_OK;

    undraw(watch);
    while (!err && !is_counted(watch) &&
           (end = memchr(start, '\n', watch->len - (size_t)(start - watch->buf))) != NULL) {
        err = take_line(watch, start, (size_t)(end - start));
        start = end + 1;
    }
    watch->len -= (size_t)(start - watch->buf);
    memmove(watch->buf, start, watch->len);
    draw(watch);
    fflush(stdout);
    return err;
}

/* ---- the loop ---- */

/* The truth about what is live, for --until-idle: an event may have passed before we listened. */
static int ask_again(struct watch *watch, struct pnd_why *why)
{
    json_t *answer = NULL;
    const json_t *list, *transfer;
    struct pnd_view view;
    size_t i;
    int err = pnd_socket_get(&watch->ctl->spool, "transfers", &answer, why);

    if (err)
        return err;
    watch->live_count = 0;
    list = json_object_get(answer, "transfers");
    json_array_foreach(list, i, transfer)
    {
        pnd_view_from_json(transfer, &view);
        put_live(watch, &view);
    }
    json_decref(answer);
    return PND_OK;
}

static int read_some(struct watch *watch, struct pnd_why *why)
{
    ssize_t n;

    if (watch->len == LINE_MAX_LEN)
        return pnd_why(why, PND_E_FORMAT, 0, "panicd sent an event that is too long");
    n = read(watch->fd, watch->buf + watch->len, LINE_MAX_LEN - watch->len);
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return PND_OK;
    if (n < 0)
        return pnd_why(why, PND_E_SYS, errno, "read from panicd");
    if (n == 0)
        return pnd_why(why, PND_E_NOTFOUND, 0, "panicd has stopped");
    watch->len += (size_t)n;
    if (take_lines(watch))
        return pnd_why(why, PND_E_FORMAT, 0, "panicd sent an event that makes no sense");
    return PND_OK;
}

/* For poll(): until when nothing need happen. */
static int pause_ms(const struct watch *watch)
{
    uint64_t now_ms = pnd_clock_ms();

    if (watch->wait_ms)
        return watch->wait_ms > now_ms ? (int)(watch->wait_ms - now_ms) : 0;
    return watch->until_idle ? ASK_AGAIN_MS : -1;
}

static int loop(struct watch *watch, struct pnd_why *why)
{
    struct pollfd poller = {.fd = watch->fd, .events = POLLIN};
    int err = watch->until_idle ? ask_again(watch, why) : PND_OK;

    if (!err) {
        draw(watch);
        fflush(stdout);
    }
    while (!err && !is_done(watch)) {
        int ready = poll(&poller, 1, pause_ms(watch));

        if (ready > 0)
            err = read_some(watch, why);
        else if (ready == 0 && watch->until_idle)
            err = ask_again(watch, why);
        else if (ready < 0 && errno != EINTR)
            err = pnd_why(why, PND_E_SYS, errno, "wait for panicd");
    }
    undraw(watch);
    return err;
}

static int run(struct watch *watch)
{
    const char *term = getenv("TERM");
    struct pnd_why why = {0};
    int err = pnd_spool_open_readonly(&watch->ctl->spool, watch->ctl->directory, &why);

    watch->redraw = watch->ctl->terminal && !watch->ctl->json && term && strcmp(term, "dumb") != 0;
    watch->buf = malloc(LINE_MAX_LEN);
    if (!watch->buf)
        return pnd_ctl_fail("make a buffer: %s", strerror(ENOMEM));
    if (!err) {
        watch->fd = pnd_socket_ask(&watch->ctl->spool, "watch", &why);
        err = watch->fd < 0 ? watch->fd : PND_OK;
    }
    if (!err)
        err = loop(watch, &why);
    free(watch->buf);
    free(watch->live);
    pnd_guard_close(&watch->fd);
    if (err == PND_E_NOTFOUND)
        return pnd_ctl_fail("%s; to start it type: panicd %s", why.text, watch->ctl->directory);
    return err ? pnd_ctl_fail("%s", why.text) : PND_EXIT_OK;
}

int pnd_verb_watch(struct pnd_ctl *ctl, int argc, char **argv)
{
    static const struct option options[] = {{"count", required_argument, NULL, 'n'},
                                            {"until-idle", no_argument, NULL, 'u'},
                                            {"json", no_argument, NULL, 'j'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    struct watch watch = {.ctl = ctl, .fd = -1};
    int option, code;

    while ((option = getopt_long(argc, argv, "n:jh", options, NULL)) != -1) {
        if (option == 'u')
            watch.until_idle = true;
        else if (option != 'n' && (code = pnd_ctl_common_option(ctl, argv[0], option)) >= 0)
            return code;
        if (option == 'n' && (pnd_text_parse_uint(optarg, &watch.count) || watch.count == 0))
            return pnd_ctl_misused(argv[0], "--count wants a number from 1 on, not \"%s\"", optarg);
    }
    if (optind < argc)
        return pnd_ctl_misused(argv[0], "watch takes no argument");
    return run(&watch);
}
