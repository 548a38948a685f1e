/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Events from panicd to every viewer; see feed.h. */
#include "panicweb/feed.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <jansson.h>

#include "host/clock.h"
#include "panicweb/guests.h"
#include "panicweb/reply.h"
#include "view/socket.h"

enum {
    READ_BYTES = 65536,
    NAME_CAP = 32,
    AWAITED_MAX = PND_WEB_ZIPS_MAX,
    BLOCK_BYTES = 16384,
    GUESTS_MS = 1000,
    ANSWER_S = 2, /* all streams wait for it */
};

struct event {
    unsigned refs; /* the ring's, and of each viewer who is within it */
    size_t len;
    char text[];
};

struct viewer {
    struct pnd_feed *feed;
    struct MHD_Connection *connection;
    struct viewer *next, **at; /* in the list of the feed */
    uint64_t seq;              /* of the next event for it */
    struct event *event;       /* that is sent to it; NULL: none */
    size_t offset;             /* into it */
    bool suspended;
};

struct awaited {
    int fd; /* -1: unused */
    struct MHD_Connection *connection;
};

struct pnd_feed {
    const struct pnd_spool *spool;
    struct pnd_guests *guests;
    pthread_t thread;
    int wake_fd;

    pthread_mutex_t lock; /* of all below */
    bool stopping;
    struct viewer *viewers;
    unsigned viewer_count;
    bool joined; /* somebody has just come */
    struct event *ring[PND_FEED_EVENTS];
    uint64_t first, next; /* of the events in the ring, [first, next) */
    size_t ring_bytes;
    struct awaited awaited[AWAITED_MAX];

    /* of the thread alone */
    int watch_fd;
    bool serving, said_serving, silent; /* silent: it did not answer when it was last asked */
    char *line;
    size_t line_len;
    bool dirty, urgent;
    uint64_t flush_ms, status_ms, said_ms, comment_ms, retry_ms, alone_since_ms, guests_ms;
};

/* ---- events ---- */

static void unref(struct event *event)
{
    if (event && --event->refs == 0)
        free(event);
}

static void drop_first(struct pnd_feed *feed)
{
    struct event **at = &feed->ring[feed->first++ % PND_FEED_EVENTS];

    feed->ring_bytes -= (*at)->len;
    unref(*at);
    *at = NULL;
}

/* With the lock. No memory: the event is lost, which a viewer learns by the number that lacks. */
static void append(struct pnd_feed *feed, const char *name, const char *data, size_t len)
{
    static const char form[] = "event: %s\ndata: ";
    struct event *event = malloc(sizeof(*event) + len + sizeof(form) + NAME_CAP + 40);
    uint64_t seq = feed->next;
    size_t at;

    if (!event)
        return;
    event->refs = 1;
    at = (size_t)sprintf(event->text, form, name);
    memcpy(event->text + at, data, len);
    at += len;
    at += (size_t)sprintf(event->text + at, "\nid: %" PRIu64 "\n\n", seq);
    event->len = at;
    while (feed->next - feed->first >= PND_FEED_EVENTS ||
           (feed->first < feed->next && feed->ring_bytes + at > PND_FEED_BYTES_MAX))
        drop_first(feed);
    feed->ring[feed->next++ % PND_FEED_EVENTS] = event;
    feed->ring_bytes += at;
    feed->dirty = true;
}

static void append_comment(struct pnd_feed *feed)
{
    static const char text[] = ": still here\n\n";
    struct event *event = malloc(sizeof(*event) + sizeof(text));

    if (!event)
        return;
    event->refs = 1;
    event->len = sizeof(text) - 1;
    memcpy(event->text, text, sizeof(text));
    if (feed->next - feed->first >= PND_FEED_EVENTS)
        drop_first(feed);
    feed->ring[feed->next++ % PND_FEED_EVENTS] = event;
    feed->ring_bytes += event->len;
    feed->dirty = feed->urgent = true;
}

static void append_json(struct pnd_feed *feed, const char *name, json_t *json)
{
    char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;

    json_decref(json);
    if (text) {
        pthread_mutex_lock(&feed->lock);
        append(feed, name, text, strlen(text));
        pthread_mutex_unlock(&feed->lock);
        feed->urgent = true;
    }
    free(text);
}

/* Everybody who waits for something goes on. */
static void wake_viewers(struct pnd_feed *feed)
{
    pthread_mutex_lock(&feed->lock);
    for (struct viewer *viewer = feed->viewers; viewer; viewer = viewer->next) {
        if (!viewer->suspended || (viewer->seq == feed->next && !feed->stopping))
            continue;
        viewer->suspended = false;
        MHD_resume_connection(viewer->connection);
    }
    pthread_mutex_unlock(&feed->lock);
    feed->dirty = feed->urgent = false;
}

/* ---- a viewer ---- */

/* With the lock. @return false: there is none yet, or what was next is gone */
static bool take_next(struct viewer *viewer, bool *ret_lost)
{
    struct pnd_feed *feed = viewer->feed;

    *ret_lost = viewer->seq < feed->first;
    if (*ret_lost || viewer->seq == feed->next)
        return false;
    viewer->event = feed->ring[viewer->seq++ % PND_FEED_EVENTS];
    viewer->event->refs++;
    viewer->offset = 0;
    return true;
}

static ssize_t read_events(void *cls, uint64_t pos, char *buf, size_t max)
{
    struct viewer *viewer = cls;
    struct pnd_feed *feed = viewer->feed;
    ssize_t result;
    size_t len = 0;
    bool lost = false;

    (void)pos;
    pthread_mutex_lock(&feed->lock);
    while (len < max && !feed->stopping && (viewer->event || take_next(viewer, &lost))) {
        size_t left = viewer->event->len - viewer->offset, n = left < max - len ? left : max - len;

        memcpy(buf + len, viewer->event->text + viewer->offset, n);
        len += n;
        viewer->offset += n;
        if (n == left) {
            unref(viewer->event);
            viewer->event = NULL;
        }
    }
    result = (ssize_t)len;
    if (len == 0 && feed->stopping) {
        result = MHD_CONTENT_READER_END_OF_STREAM;
    } else if (len == 0 && lost) {
        result = MHD_CONTENT_READER_END_WITH_ERROR;
    } else if (len == 0) {
        viewer->suspended = true;
        MHD_suspend_connection(viewer->connection);
    }
    pthread_mutex_unlock(&feed->lock);
    return result;
}

static void forget(void *cls)
{
    struct viewer *viewer = cls;
    struct pnd_feed *feed = viewer->feed;

    pthread_mutex_lock(&feed->lock);
    *viewer->at = viewer->next;
    if (viewer->next)
        viewer->next->at = viewer->at;
    feed->viewer_count--;
    unref(viewer->event);
    pthread_mutex_unlock(&feed->lock);
    free(viewer);
}

/* What a stream begins with: an event of its own. */
static struct event *greeting(bool again)
{
    static const char first[] = "retry: 1000\n\n",
                      reset[] = "retry: 1000\nevent: reset\ndata: {}\n\n";
    const char *text = again ? reset : first;
    struct event *event = malloc(sizeof(*event) + sizeof(reset));

    if (!event)
        return NULL;
    event->refs = 1;
    event->len = strlen(text);
    memcpy(event->text, text, event->len + 1);
    return event;
}

/* @return NULL: no memory, or too many look on already */
static struct viewer *join(struct pnd_feed *feed, struct MHD_Connection *connection, bool again)
{
    struct viewer *viewer = calloc(1, sizeof(*viewer));

    if (!viewer)
        return NULL;
    *viewer = (struct viewer){.feed = feed, .connection = connection, .event = greeting(again)};
    pthread_mutex_lock(&feed->lock);
    if (!viewer->event || feed->stopping || feed->viewer_count == PND_WEB_VIEWERS_MAX) {
        pthread_mutex_unlock(&feed->lock);
        free(viewer->event);
        free(viewer);
        return NULL;
    }
    viewer->seq = feed->next;
    viewer->next = feed->viewers;
    viewer->at = &feed->viewers;
    if (viewer->next)
        viewer->next->at = &viewer->next;
    feed->viewers = viewer;
    feed->viewer_count++;
    feed->joined = true;
    pthread_mutex_unlock(&feed->lock);
    (void)!write(feed->wake_fd, &(uint64_t){1}, sizeof(uint64_t));
    return viewer;
}

enum MHD_Result pnd_api_events(struct pnd_request *request)
{
    bool again =
        MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, "Last-Event-ID") != NULL;
    struct MHD_Response *response;
    struct viewer *viewer = NULL;

    if (request->head) {
        response = pnd_reply_text("", 0, "text/event-stream", false);
        return pnd_reply_send(request, MHD_HTTP_OK, response);
    }
    viewer = join(request->web->feed, request->connection, again);
    if (!viewer)
        return pnd_reply_error(request, MHD_HTTP_SERVICE_UNAVAILABLE,
                               "as many people as this server takes are looking on already",
                               "try again when some of them have closed their pages");
    response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK_BYTES, read_events, viewer,
                                                 forget);
    if (!response) {
        forget(viewer);
        return MHD_NO;
    }
    MHD_add_response_header(response, "Content-Type", "text/event-stream");
    MHD_add_response_header(response, "X-Accel-Buffering", "no"); /* a proxy is not to wait */
    pnd_reply_dress(response, "no-store");
    return pnd_reply_send(request, MHD_HTTP_OK, response);
}

unsigned pnd_feed_viewers(struct pnd_feed *feed)
{
    unsigned count;

    pthread_mutex_lock(&feed->lock);
    count = feed->viewer_count;
    pthread_mutex_unlock(&feed->lock);
    return count;
}

int pnd_feed_await(struct pnd_feed *feed, int fd, struct MHD_Connection *connection)
{
    int err = PND_E_FULL;

    pthread_mutex_lock(&feed->lock);
    for (unsigned i = 0; err && !feed->stopping && i < AWAITED_MAX; i++) {
        if (feed->awaited[i].fd >= 0)
            continue;
        feed->awaited[i] = (struct awaited){.fd = fd, .connection = connection};
        MHD_suspend_connection(connection);
        err = PND_OK;
    }
    pthread_mutex_unlock(&feed->lock);
    (void)!write(feed->wake_fd, &(uint64_t){1}, sizeof(uint64_t));
    return err;
}

/* ---- the watcher ---- */

/* Names of events are panicd's, and go into a line of their own. */
static bool is_word(const char *name)
{
    size_t len = name ? strspn(name, "abcdefghijklmnopqrstuvwxyz-_") : 0;

    return len > 0 && len < NAME_CAP && !name[len];
}

static void take_line(struct pnd_feed *feed, const char *line, size_t len)
{
    json_t *json = json_loadb(line, len, 0, NULL);
    const char *name = json_string_value(json_object_get(json, "event"));

    if (is_word(name)) {
        pthread_mutex_lock(&feed->lock);
        append(feed, name, line, len);
        pthread_mutex_unlock(&feed->lock);
        feed->urgent = feed->urgent || strcmp(name, "progress") != 0;
    }
    json_decref(json);
}

static void lose_server(struct pnd_feed *feed)
{
    if (feed->watch_fd >= 0)
        close(feed->watch_fd);
    feed->watch_fd = -1;
    feed->line_len = 0;
    feed->serving = false;
}

static void read_server(struct pnd_feed *feed)
{
    char *end, *start = feed->line;
    ssize_t n = recv(feed->watch_fd, feed->line + feed->line_len,
                     PND_FEED_LINE_MAX - feed->line_len, MSG_DONTWAIT);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        lose_server(feed);
        return;
    }
    feed->line_len += (size_t)n;
    while ((end = memchr(start, '\n', feed->line_len - (size_t)(start - feed->line))) != NULL) {
        take_line(feed, start, (size_t)(end - start));
        start = end + 1;
    }
    feed->line_len -= (size_t)(start - feed->line);
    memmove(feed->line, start, feed->line_len);
    if (feed->line_len == PND_FEED_LINE_MAX)
        lose_server(feed); /* no line of panicd's is so long */
}

static void find_server(struct pnd_feed *feed, uint64_t now_ms)
{
    if (now_ms < feed->retry_ms)
        return;
    feed->retry_ms = now_ms + PND_FEED_RETRY_MS;
    feed->watch_fd = pnd_socket_ask(feed->spool, "watch", NULL);
    feed->serving = feed->watch_fd >= 0;
}

static void say_serving(struct pnd_feed *feed, bool serving)
{
    append_json(feed, "server", json_pack("{s:b}", "serving", (int)serving));
}

/* A page that hears neither this nor that takes its connection for dead, and makes another. */
static void say_status(struct pnd_feed *feed)
{
    json_t *status = NULL;

    if (!feed->serving ||
        pnd_socket_get_within(feed->spool, "status", ANSWER_S, &status, NULL) != PND_OK) {
        say_serving(feed, false);
        feed->silent = feed->serving;
        return;
    }
    if (feed->silent)
        say_serving(feed, true);
    feed->silent = false;
    append_json(feed, "status", status);
}

/* Has somebody come since it was asked last? */
static bool somebody_joined(struct pnd_feed *feed)
{
    bool joined;

    pthread_mutex_lock(&feed->lock);
    joined = feed->joined;
    feed->joined = false;
    pthread_mutex_unlock(&feed->lock);
    return joined;
}

/* @return ms until the next turn, for poll() */
static int turn(struct pnd_feed *feed, uint64_t now_ms)
{
    unsigned viewers = pnd_feed_viewers(feed);

    if (viewers)
        feed->alone_since_ms = now_ms;
    if (feed->watch_fd >= 0 && now_ms > feed->alone_since_ms + PND_FEED_LINGER_MS) {
        lose_server(feed);
        feed->said_serving = false;
    }
    if (viewers && feed->watch_fd < 0)
        find_server(feed, now_ms);
    if (viewers && feed->serving != feed->said_serving) {
        if (feed->serving)
            say_serving(feed, true);
        feed->said_serving = feed->serving;
        feed->status_ms = now_ms; /* and how it is, at once */
    }
    if (somebody_joined(feed) && feed->status_ms > feed->said_ms + PND_FEED_STATUS_SOON_MS)
        feed->status_ms = feed->said_ms + PND_FEED_STATUS_SOON_MS;
    if (viewers && now_ms >= feed->status_ms) {
        feed->said_ms = now_ms;
        feed->status_ms = now_ms + PND_FEED_STATUS_MS;
        say_status(feed);
    }
    if (viewers && now_ms >= feed->comment_ms) {
        feed->comment_ms = now_ms + PND_FEED_COMMENT_MS;
        pthread_mutex_lock(&feed->lock);
        append_comment(feed);
        pthread_mutex_unlock(&feed->lock);
    }
    if (now_ms >= feed->guests_ms) {
        feed->guests_ms = now_ms + GUESTS_MS;
        pnd_guests_look(feed->guests, now_ms);
    }
    if (feed->urgent || (feed->dirty && now_ms >= feed->flush_ms)) {
        wake_viewers(feed);
        feed->flush_ms = now_ms + PND_FEED_GATHER_MS;
    }
    return feed->dirty ? PND_FEED_GATHER_MS : viewers ? PND_FEED_RETRY_MS : GUESTS_MS;
}

/* Behind the first two: what responses wait for. @return how many */
static unsigned list_awaited(struct pnd_feed *feed, struct pollfd *polled)
{
    unsigned count = 0;

    pthread_mutex_lock(&feed->lock);
    for (unsigned i = 0; i < AWAITED_MAX; i++)
        if (feed->awaited[i].fd >= 0)
            polled[count++] = (struct pollfd){.fd = feed->awaited[i].fd, .events = POLLIN};
    pthread_mutex_unlock(&feed->lock);
    return count;
}

static void resume_awaited(struct pnd_feed *feed, int fd)
{
    pthread_mutex_lock(&feed->lock);
    for (unsigned i = 0; i < AWAITED_MAX; i++) {
        struct awaited *awaited = &feed->awaited[i];

        if (awaited->fd < 0 || (awaited->fd != fd && fd >= 0))
            continue;
        MHD_resume_connection(awaited->connection);
        awaited->fd = -1;
    }
    pthread_mutex_unlock(&feed->lock);
}

static bool is_stopping(struct pnd_feed *feed)
{
    bool stopping;

    pthread_mutex_lock(&feed->lock);
    stopping = feed->stopping;
    pthread_mutex_unlock(&feed->lock);
    return stopping;
}

static void *run(void *arg)
{
    struct pollfd polled[2 + AWAITED_MAX];
    struct pnd_feed *feed = arg;

    while (!is_stopping(feed)) {
        int wait_ms = turn(feed, pnd_clock_ms());
        unsigned count = 2 + list_awaited(feed, polled + 2);
        uint64_t woken;

        polled[0] = (struct pollfd){.fd = feed->wake_fd, .events = POLLIN};
        polled[1] = (struct pollfd){.fd = feed->watch_fd, .events = POLLIN};
        if (poll(polled, count, wait_ms) <= 0)
            continue;
        if (polled[0].revents)
            (void)!read(feed->wake_fd, &woken, sizeof(woken));
        if (polled[1].revents && feed->watch_fd >= 0)
            read_server(feed);
        for (unsigned i = 2; i < count; i++)
            if (polled[i].revents)
                resume_awaited(feed, polled[i].fd);
    }
    wake_viewers(feed);
    resume_awaited(feed, -1);
    return NULL;
}

/* ---- the whole ---- */

int pnd_feed_start(const struct pnd_spool *spool, struct pnd_guests *guests, struct pnd_feed **ret,
                   struct pnd_why *why)
{
    struct pnd_feed *feed = calloc(1, sizeof(*feed));
    int err;

    if (!feed)
        return pnd_why(why, PND_E_SYS, ENOMEM, "watch panicd");
    *feed = (struct pnd_feed){.spool = spool, .guests = guests, .watch_fd = -1};
    for (unsigned i = 0; i < AWAITED_MAX; i++)
        feed->awaited[i].fd = -1;
    feed->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    feed->line = malloc(PND_FEED_LINE_MAX);
    if (feed->wake_fd < 0 || !feed->line) {
        err = errno;
        if (feed->wake_fd >= 0)
            close(feed->wake_fd);
        free(feed->line);
        free(feed);
        return pnd_why(why, PND_E_SYS, err, "watch panicd");
    }
    pthread_mutex_init(&feed->lock, NULL);
    err = pthread_create(&feed->thread, NULL, run, feed);
    if (err) {
        close(feed->wake_fd);
        free(feed->line);
        free(feed);
        return pnd_why(why, PND_E_SYS, err, "start a thread");
    }
    *ret = feed;
    return PND_OK;
}

void pnd_feed_stop(struct pnd_feed *feed)
{
    pthread_mutex_lock(&feed->lock);
    feed->stopping = true;
    pthread_mutex_unlock(&feed->lock);
    (void)!write(feed->wake_fd, &(uint64_t){1}, sizeof(uint64_t));
    pthread_join(feed->thread, NULL);
}

void pnd_feed_destroy(struct pnd_feed *feed)
{
    if (!feed)
        return;
    if (feed->watch_fd >= 0)
        close(feed->watch_fd);
    while (feed->first < feed->next)
        drop_first(feed);
    close(feed->wake_fd);
    pthread_mutex_destroy(&feed->lock);
    free(feed->line);
    free(feed);
}
