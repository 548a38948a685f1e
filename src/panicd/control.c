/* SPDX-License-Identifier: BSD-2-Clause */
#include "panicd/control.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "host/clock.h"
#include "host/text.h"
#include "panicd/control_metrics.h"
#include "panicd/server.h"
#include "panicd/service.h"

enum { REQUEST_MAX = PND_IMPORT_REQUEST_CAP + 1 };

static const char import_word[] = "import ";

struct client {
    int fd; /* -1: unused */
    bool watching, closing;
    bool quiet;       /* watches, but no progress, and not every refusal */
    uint64_t waiting; /* for the answer to this token; 0: for none */
    char request[REQUEST_MAX];
    size_t request_len;
    char *out;
    size_t out_len, out_cap;
};

struct pnd_control {
    struct pnd_server *server;
    int epoll_fd, fd;
    unsigned watchers, quiet; /* of the watchers, those that want no progress */
    uint64_t progress_ms, next_token;
    struct client clients[PND_CONTROL_CLIENTS_MAX];
};

static json_t *json_time(int64_t ms)
{
    char text[PND_TEXT_TIME_CAP];

    return ms ? json_string(pnd_text_time_utc(text, sizeof(text), ms)) : json_null();
}

/* Names are bytes; JSON is UTF-8: what is not is shown escaped. */
static json_t *json_name(const char *name)
{
    char text[4 * PND_SPOOL_NAME_CAP];
    json_t *as_is = json_string(name);

    return as_is ? as_is : json_string(pnd_text_escape(text, sizeof(text), name, strlen(name)));
}

static json_t *json_dump_row(const struct pnd_server *server, const struct pnd_dump *dump,
                             const char *suffix)
{
    char file[PND_SPOOL_NAME_CAP + 16], path[sizeof(server->spool.path) + sizeof(file)];

    snprintf(file, sizeof(file), "%s%s", dump->file, dump->file[0] ? suffix : "");
    snprintf(path, sizeof(path), "%s/%s", server->spool.path, file);
    return json_pack(
        "{s:I, s:o, s:o, s:o, s:s, s:s, s:s?, s:I, s:s, s:i, s:s, s:o, s:o, s:s?, s:I, s:I}", "id",
        (json_int_t)dump->id, "name", json_name(dump->name), "file", json_name(file), "path",
        json_name(path), "state", pnd_dump_state_text(dump->state), "reason", dump->reason,
        "format", dump->format[0] ? dump->format : NULL, "bytes", (json_int_t)dump->bytes, "peer",
        dump->peer, "peer_port", (int)dump->peer_port, "protocol", dump->protocol, "started_at",
        json_time(dump->started_ms), "received_at", json_time(dump->received_ms), "sha256",
        dump->sha256[0] ? dump->sha256 : NULL, "packets", (json_int_t)dump->packets, "repeats",
        (json_int_t)dump->repeats);
}

static json_t *json_transfer(struct pnd_server *server, const struct pnd_slot *slot)
{
    uint64_t now_ms = pnd_clock_ms();
    struct pnd_dump dump;
    json_t *json;

    pnd_server_describe(slot, &dump);
    json = json_dump_row(server, &dump, ".part");
    json_object_set_new(
        json, "phase",
        json_string(pnd_session_phase(&slot->session) == PND_RX_FINISHING ? "finishing" : "live"));
    json_object_set_new(json, "end", json_integer((json_int_t)pnd_session_end(&slot->session)));
    json_object_set_new(json, "total", json_integer((json_int_t)pnd_session_total(&slot->session)));
    json_object_set_new(json, "rate", json_integer((json_int_t)slot->rate));
    json_object_set_new(json, "idle_ms",
                        json_integer((json_int_t)(now_ms - pnd_session_last_ms(&slot->session))));
    json_object_set_new(json, "resumed", json_boolean(slot->resumed));
    return json;
}

static json_t *json_listening(struct pnd_server *server)
{
    json_t *list = json_array();
    char address[PND_PEER_TEXT_CAP];
    uint16_t port;

    for (unsigned i = 0; i < pnd_net_sock_count(server->net); i++) {
        pnd_net_sock_name(server->net, i, address, &port);
        json_array_append_new(list,
                              json_pack("{s:s, s:s, s:i}", "protocol",
                                        pnd_service(pnd_net_sock_service(server->net, i))->name,
                                        "address", address, "port", (int)port));
    }
    return list;
}

/* Services that were not asked for, and cannot be had. */
static json_t *json_unheard(const struct pnd_server *server)
{
    json_t *list = json_array();

    for (unsigned i = 0; i < PND_SERVICES; i++)
        if (server->unheard[i][0])
            json_array_append_new(list,
                                  json_pack("{s:s, s:i, s:o}", "protocol", pnd_service(i)->name,
                                            "port", (int)pnd_config_port(&server->config, i), "why",
                                            json_name(server->unheard[i])));
    return list;
}

static json_t *json_status(struct pnd_server *server)
{
    const struct pnd_net_counters *net = pnd_net_counters(server->net);
    const struct pnd_counters *counters = &server->counters;
    unsigned finishing = 0;
    json_t *json;

    pnd_spool_room(&server->spool, &server->room_free, &server->room_total);
    for (uint32_t i = 0; i < pnd_table_size(server->table); i++)
        finishing +=
            pnd_session_phase(&pnd_table_at(server->table, i)->session) == PND_RX_FINISHING;
    json = json_pack("{s:s, s:i, s:o, s:o, s:o, s:o}", "version", PND_VERSION, "pid", (int)getpid(),
                     "directory", json_name(server->spool.path), "started_at",
                     json_time(server->started_ms), "listening", json_listening(server),
                     "not_listening", json_unheard(server));
    json_object_set_new(json, "room",
                        json_pack("{s:I, s:I, s:I}", "free", (json_int_t)server->room_free, "total",
                                  (json_int_t)server->room_total, "floor",
                                  (json_int_t)server->config.floor_bytes));
    json_object_set_new(json, "transfers",
                        json_pack("{s:i, s:i, s:i, s:i, s:I}", "live",
                                  (int)(pnd_table_count(server->table, PND_CLASS_BUSY) - finishing),
                                  "asked", (int)pnd_table_count(server->table, PND_CLASS_ASKED),
                                  "finishing", (int)finishing, "checking",
                                  (int)pnd_checker_pending(server->checker), "max",
                                  (json_int_t)server->config.transfers_max));
    json_object_set_new(
        json, "counters",
        json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "datagrams",
                  (json_int_t)net->datagrams, "dumps_complete", (json_int_t)counters->complete,
                  "dumps_incomplete", (json_int_t)counters->incomplete, "refused",
                  (json_int_t)counters->refused, "bytes", (json_int_t)counters->bytes, "garbage",
                  (json_int_t)counters->garbage, "receive_drops", (json_int_t)net->receive_drops,
                  "replies_lost", (json_int_t)net->replies_lost));
    json_object_set_new(json, "journal",
                        json_pack("{s:i, s:i}", "slots", (int)pnd_table_size(server->table),
                                  "resumed", (int)server->resumed));
    return json;
}

static json_t *json_transfers(struct pnd_server *server)
{
    json_t *list = json_array();

    for (uint32_t i = 0; i < pnd_table_size(server->table); i++) {
        const struct pnd_slot *slot = pnd_table_at(server->table, i);

        if (slot->class == PND_CLASS_BUSY)
            json_array_append_new(list, json_transfer(server, slot));
    }
    return json_pack("{s:o, s:i}", "transfers", list, "ending", (int)server->ending);
}

static void drop(struct pnd_control *control, struct client *client)
{
    if (client->fd < 0)
        return;
    close(client->fd);
    free(client->out);
    control->watchers -= client->watching;
    control->quiet -= client->quiet;
    *client = (struct client){.fd = -1};
}

static void want(struct pnd_control *control, struct client *client)
{
    struct epoll_event event = {.events = EPOLLIN | (client->out_len ? EPOLLOUT : 0),
                                .data.ptr = client};

    epoll_ctl(control->epoll_fd, EPOLL_CTL_MOD, client->fd, &event);
}

static void push_out(struct pnd_control *control, struct client *client)
{
    ssize_t sent = send(client->fd, client->out, client->out_len, MSG_DONTWAIT | MSG_NOSIGNAL);

    if (sent < 0 && errno != EAGAIN && errno != EINTR) {
        drop(control, client);
        return;
    }
    if (sent > 0) {
        memmove(client->out, client->out + sent, client->out_len - (size_t)sent);
        client->out_len -= (size_t)sent;
    }
    if (client->out_len == 0 && client->closing)
        drop(control, client);
    else
        want(control, client);
}

static void put_line(struct pnd_control *control, struct client *client, const char *line,
                     size_t len)
{
    size_t need = client->out_len + len + 1, cap = client->out_cap ? client->out_cap : 4096;
    char *grown;

    while (cap < need)
        cap *= 2;
    grown = need > PND_CONTROL_BUFFER_MAX ? NULL : realloc(client->out, cap);
    if (!grown) {
        drop(control, client);
        return;
    }
    client->out = grown;
    client->out_cap = cap;
    memcpy(client->out + client->out_len, line, len);
    client->out[client->out_len + len] = '\n';
    client->out_len = need;
    push_out(control, client);
}

static void put_json(struct pnd_control *control, struct client *client, json_t *json)
{
    char *line = json_dumps(json, JSON_COMPACT);

    if (line)
        put_line(control, client, line, strlen(line));
    else
        drop(control, client);
    free(line);
    json_decref(json);
}

static json_t *event_of(const char *event, const char *key, json_t *value)
{
    return json_pack("{s:s, s:o}", "event", event, key, value);
}

/* @param all  else to those alone that want to know everything */
static void broadcast_to(struct pnd_control *control, bool all, json_t *json)
{
    char *line = json_dumps(json, JSON_COMPACT);

    for (unsigned i = 0; line && i < PND_CONTROL_CLIENTS_MAX; i++)
        if (control->clients[i].fd >= 0 && control->clients[i].watching &&
            (all || !control->clients[i].quiet))
            put_line(control, &control->clients[i], line, strlen(line));
    free(line);
    json_decref(json);
}

static void broadcast(struct pnd_control *control, json_t *json)
{
    broadcast_to(control, true, json);
}

/* The keeper does it; its answer comes by pnd_control_imported(). */
static void begin_import(struct pnd_control *control, struct client *client)
{
    const char *refused;

    client->waiting = ++control->next_token;
    refused =
        pnd_server_import(control->server, client->request + strlen(import_word), client->waiting);
    if (refused)
        pnd_control_imported(control, client->waiting, NULL, refused);
}

static unsigned count_clients(const struct pnd_control *control)
{
    unsigned count = 0;

    for (unsigned i = 0; i < PND_CONTROL_CLIENTS_MAX; i++)
        count += control->clients[i].fd >= 0;
    return count;
}

static void begin_watch(struct pnd_control *control, struct client *client)
{
    struct pnd_server *server = control->server;

    client->closing = false;
    client->watching = true;
    control->watchers++;
    for (uint32_t i = 0; i < pnd_table_size(server->table) && client->fd >= 0; i++) {
        const struct pnd_slot *slot = pnd_table_at(server->table, i);

        if (slot->class == PND_CLASS_BUSY)
            put_json(control, client,
                     event_of("progress", "transfer", json_transfer(server, slot)));
    }
}

static void answer(struct pnd_control *control, struct client *client)
{
    struct pnd_server *server = control->server;

    if (strncmp(client->request, import_word, strlen(import_word)) == 0) {
        begin_import(control, client);
        return;
    }
    client->closing = true;
    if (strcmp(client->request, "status") == 0) {
        put_json(control, client, json_status(server));
    } else if (strcmp(client->request, "transfers") == 0) {
        put_json(control, client, json_transfers(server));
    } else if (strcmp(client->request, "metrics") == 0) {
        put_json(control, client, pnd_control_metrics(server, count_clients(control)));
    } else if (strcmp(client->request, "watch") == 0) {
        begin_watch(control, client);
    } else {
        put_json(
            control, client,
            json_pack("{s:s}", "error", "the requests are: status transfers metrics watch import"));
    }
}

static void read_request(struct pnd_control *control, struct client *client)
{
    char *end;
    ssize_t got;

    if (client->watching || client->closing || client->waiting) {
        char ignored[256];

        got = recv(client->fd, ignored, sizeof(ignored), MSG_DONTWAIT);
        if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
            drop(control, client);
        return;
    }
    got = recv(client->fd, client->request + client->request_len, REQUEST_MAX - client->request_len,
               MSG_DONTWAIT);
    if (got <= 0) {
        if (got == 0 || (errno != EAGAIN && errno != EINTR))
            drop(control, client);
        return;
    }
    client->request_len += (size_t)got;
    end = memchr(client->request, '\n', client->request_len);
    if (end) {
        *end = '\0';
        answer(control, client);
    } else if (client->request_len == REQUEST_MAX) {
        drop(control, client);
    }
}

/* @return NULL: there are as many as may be, or it cannot be waited for; it is closed */
static struct client *add_client(struct pnd_control *control, int fd)
{
    struct epoll_event event = {.events = EPOLLIN};

    for (unsigned i = 0; i < PND_CONTROL_CLIENTS_MAX; i++) {
        struct client *client = &control->clients[i];

        if (client->fd >= 0)
            continue;
        *client = (struct client){.fd = fd};
        event.data.ptr = client;
        if (epoll_ctl(control->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0)
            return client;
        drop(control, client);
        return NULL;
    }
    close(fd);
    return NULL;
}

static void accept_client(struct pnd_control *control)
{
    int fd = accept4(control->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (fd >= 0)
        add_client(control, fd);
}

void pnd_control_adopt(struct pnd_control *control, int fd)
{
    struct client *client = add_client(control, fd);

    if (!client)
        return;
    client->quiet = true;
    control->quiet++;
    begin_watch(control, client);
}

int pnd_control_open(struct pnd_server *server, int epoll_fd, struct pnd_control **ret,
                     struct pnd_why *why)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    struct pnd_control *control = calloc(1, sizeof(*control));
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = control};

    if (!control)
        return pnd_why(why, PND_E_SYS, ENOMEM, "control socket");
    control->server = server;
    control->epoll_fd = epoll_fd;
    for (unsigned i = 0; i < PND_CONTROL_CLIENTS_MAX; i++)
        control->clients[i].fd = -1;
    /* The directory's own path may be longer than a socket's address can be. */
    snprintf(sa.sun_path, sizeof(sa.sun_path), "/proc/self/fd/%d/control", server->spool.state_fd);
    unlinkat(server->spool.state_fd, "control", 0); /* the lock is ours, so it is a dead one's */
    control->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (control->fd < 0 || bind(control->fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 ||
        chmod(sa.sun_path, 0600) < 0 || listen(control->fd, PND_CONTROL_CLIENTS_MAX) < 0 ||
        epoll_ctl(epoll_fd, EPOLL_CTL_ADD, control->fd, &event) < 0) {
        int err = errno;

        if (control->fd >= 0)
            close(control->fd);
        free(control);
        return pnd_why(why, PND_E_SYS, err, "control socket %s/.panicd/control",
                       server->spool.path);
    }
    *ret = control;
    return PND_OK;
}

void pnd_control_close(struct pnd_control *control)
{
    if (!control)
        return;
    for (unsigned i = 0; i < PND_CONTROL_CLIENTS_MAX; i++)
        drop(control, &control->clients[i]);
    close(control->fd);
    unlinkat(control->server->spool.state_fd, "control", 0);
    free(control);
}

bool pnd_control_owns(const struct pnd_control *control, const void *data)
{
    const char *at = data, *start = (const char *)control;

    return at >= start && at < start + sizeof(*control);
}

void pnd_control_ready(struct pnd_control *control, void *data, uint32_t events)
{
    struct client *client = data;

    if (data == control) {
        accept_client(control);
        return;
    }
    if (client->fd >= 0 && events & EPOLLOUT)
        push_out(control, client);
    if (client->fd >= 0 && events & (EPOLLIN | EPOLLHUP | EPOLLERR))
        read_request(control, client);
}

bool pnd_control_watched(const struct pnd_control *control)
{
    return control && control->watchers;
}

/* The rate is worth knowing without a watcher too: status and transfers show it. */
static void sample_rate(struct pnd_slot *slot, uint64_t now_ms)
{
    uint64_t ms = now_ms - slot->rate_ms;

    if (slot->rate_ms && ms)
        slot->rate = (pnd_session_bytes(&slot->session) - slot->rate_bytes) * 1000 / ms;
    slot->rate_ms = now_ms;
    slot->rate_bytes = pnd_session_bytes(&slot->session);
}

void pnd_control_progress(struct pnd_control *control, uint64_t now_ms)
{
    struct pnd_server *server;

    if (!control || now_ms < control->progress_ms + PND_CONTROL_PROGRESS_MS)
        return;
    control->progress_ms = now_ms;
    server = control->server;
    if (!pnd_table_count(server->table, PND_CLASS_BUSY))
        return;
    for (uint32_t i = 0; i < pnd_table_size(server->table); i++) {
        struct pnd_slot *slot = pnd_table_at(server->table, i);

        if (slot->class != PND_CLASS_BUSY)
            continue;
        sample_rate(slot, now_ms);
        if (control->watchers > control->quiet)
            broadcast_to(control, false,
                         event_of("progress", "transfer", json_transfer(server, slot)));
    }
}

void pnd_control_begin(struct pnd_control *control, const struct pnd_slot *slot)
{
    if (pnd_control_watched(control))
        broadcast(control, event_of("begin", "transfer", json_transfer(control->server, slot)));
}

void pnd_control_dump(struct pnd_control *control, const char *event, const struct pnd_dump *dump)
{
    if (pnd_control_watched(control))
        broadcast(control, event_of(event, "dump", json_dump_row(control->server, dump, "")));
}

void pnd_control_imported(struct pnd_control *control, uint64_t token, const struct pnd_dump *dump,
                          const char *error)
{
    for (unsigned i = 0; control && i < PND_CONTROL_CLIENTS_MAX; i++) {
        struct client *client = &control->clients[i];

        if (client->fd < 0 || client->waiting != token)
            continue;
        client->waiting = 0;
        client->closing = true;
        put_json(control, client,
                 error ? json_pack("{s:o}", "error", json_name(error))
                       : json_dump_row(control->server, dump, ""));
        return;
    }
}

/* Null where there is no group, so that a reader finds the same fields in every event. */
static json_t *json_group(const struct pnd_group *group)
{
    bool any = group->signature.id[0] != '\0';

    return json_pack("{s:s?, s:o, s:o, s:o, s:o, s:o}", "group", any ? group->signature.id : NULL,
                     "title", any ? json_name(group->signature.title) : json_null(), "seen",
                     any ? json_integer((json_int_t)group->count) : json_null(), "machines",
                     any ? json_integer((json_int_t)group->machines) : json_null(), "first_seen",
                     json_time(any ? group->first_ms : 0), "note",
                     group->note[0] ? json_name(group->note) : json_null());
}

void pnd_control_checked(struct pnd_control *control, const struct pnd_checker_news *news)
{
    json_t *json;

    if (!pnd_control_watched(control))
        return;
    json = news->verdict ? json_dump_row(control->server, &news->dump, "")
                         : json_pack("{s:I}", "id", (json_int_t)news->dump.id);
    json_object_update_new(json, json_group(&news->group));
    broadcast(control, news->verdict ? event_of("checked", "dump", json)
                                     : event_of("cause", "arriving", json));
}

void pnd_control_refused(struct pnd_control *control, const char *peer, enum pnd_rule rule,
                         bool logged)
{
    if (control && (logged ? control->watchers : control->watchers - control->quiet))
        broadcast_to(control, logged,
                     json_pack("{s:s, s:s, s:s}", "event", "refused", "peer", peer, "rule",
                               pnd_rule_name(rule)));
}
