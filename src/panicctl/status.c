/* SPDX-License-Identifier: BSD-2-Clause
 *
 * panicctl status: is the core dump server active? */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "host/text.h"
#include "panicctl/listener.h"
#include "panicctl/message.h"
#include "panicctl/print.h"
#include "view/socket.h"
#include "view/view.h"

enum { LAST_DUMPS = 5 };

struct status {
    json_t *server; /* NULL: none is listening */
    bool known;     /* the directory is one of panicd, and views is filled in */
    struct pnd_views views;
    uint64_t room_free, room_total;
    struct pnd_listener listeners[PND_LISTENERS_MAX];
    unsigned listener_count;
    struct pnd_channels channels;
};

static int gather(struct pnd_ctl *ctl, struct status *status, struct pnd_why *why)
{
    int err = pnd_spool_open_readonly(&ctl->spool, ctl->directory, why);

    if (err == PND_E_NOTFOUND)
        return PND_OK; /* nobody has ever listened here: that is an answer */
    if (err)
        return err;
    err = pnd_socket_get(&ctl->spool, "status", &status->server, why);
    if (err && err != PND_E_NOTFOUND)
        return err;
    pnd_ctl_close(ctl);
    err = pnd_ctl_open(ctl, false, why);
    if (!err)
        err = pnd_views_read(&ctl->spool, ctl->catalog, 0, &status->views, why);
    status->known = !err;
    if (!err)
        status->listener_count = pnd_listener_read(&ctl->spool, status->listeners);
    if (!err && pnd_channels_read(&ctl->spool, &status->channels, NULL))
        status->channels.count = 0; /* what this user may not read; doctor says so */
    if (!err)
        err = pnd_spool_room(&ctl->spool, &status->room_free, &status->room_total);
    return err;
}

static uint64_t number(const json_t *from, const char *group, const char *key)
{
    json_int_t v = json_integer_value(json_object_get(json_object_get(from, group), key));

    return v > 0 ? (uint64_t)v : 0;
}

static size_t first_shown(const struct pnd_views *views)
{
    size_t ended = 0, first = views->count;

    while (first > 0 && ended < LAST_DUMPS) {
        first--;
        ended += !views->at[first].arriving;
    }
    return ended < LAST_DUMPS ? 0 : first;
}

static json_t *streams_json(const struct status *status)
{
    json_t *list = json_array();

    for (unsigned i = 0; i < status->listener_count; i++) {
        const struct pnd_listener *at = &status->listeners[i];

        json_array_append_new(list, json_pack("{s:o, s:b, s:b, s:i, s:I}", "address",
                                              pnd_print_json_text(at->address), "listening",
                                              at->alive, "tls", at->tls, "senders",
                                              (int)at->senders, "pid", (json_int_t)at->pid));
    }
    return list;
}

static int status_json(const struct pnd_ctl *ctl, struct status *status)
{
    json_t *transfers = json_array(), *dumps = json_array(), *json;
    const struct pnd_views *views = &status->views;

    for (size_t i = 0; i < views->count; i++) {
        if (views->at[i].arriving)
            json_array_append_new(transfers,
                                  pnd_view_json(&ctl->spool, ctl->catalog, &views->at[i]));
        else if (i >= first_shown(views))
            json_array_append_new(dumps, pnd_view_json(&ctl->spool, ctl->catalog, &views->at[i]));
    }
    json = json_pack("{s:b, s:o, s:O?, s:o, s:o, s:o, s:o}", "listening", status->server != NULL,
                     "directory",
                     pnd_print_json_text(status->known ? ctl->spool.path : ctl->directory),
                     "server", status->server, "transfers", transfers, "dumps", dumps, "streams",
                     streams_json(status), "channels", pnd_channels_json(&status->channels));
    if (json)
        json_object_set_new(json, "room",
                            status->known
                                ? json_pack("{s:I, s:I}", "free", (json_int_t)status->room_free,
                                            "total", (json_int_t)status->room_total)
                                : json_null());
    return pnd_print_json(json);
}

static void print_where(const json_t *server)
{
    const json_t *list = json_object_get(server, "listening"), *at;
    char name[PND_PRINT_NAME_CAP];
    size_t i;

    json_array_foreach(list, i, at)
    {
        const char *protocol = json_string_value(json_object_get(at, "protocol"));
        const char *address = json_string_value(json_object_get(at, "address"));

        printf("  where      %s port %lld", pnd_print_name(name, address ? address : "?"),
               (long long)json_integer_value(json_object_get(at, "port")));
        printf(" (%s)\n", pnd_print_name(name, protocol ? protocol : "?"));
    }
    list = json_object_get(server, "not_listening");
    json_array_foreach(list, i, at)
    {
        const char *protocol = json_string_value(json_object_get(at, "protocol"));
        const char *reason = json_string_value(json_object_get(at, "why"));
        char why[PND_PRINT_NAME_CAP];

        printf("  not heard  %s", pnd_print_name(name, protocol ? protocol : "?"));
        printf(": %s\n", pnd_print_name(why, reason ? reason : "?"));
    }
}

static void print_server(const struct pnd_ctl *ctl, const json_t *server)
{
    const char *version = json_string_value(json_object_get(server, "version"));
    char text[PND_PRINT_NAME_CAP], bytes[PND_TEXT_BYTES_CAP], since[PND_PRINT_TIME_CAP];

    printf("panicd %s is ", pnd_print_name(text, version ? version : ""));
    pnd_print_state(ctl, "listening");
    printf(" (process %lld, since %s)\n",
           (long long)json_integer_value(json_object_get(server, "pid")),
           pnd_print_time(since, pnd_view_time(server, "started_at")));
    print_where(server);
    printf("  received   %" PRIu64 " complete, %" PRIu64 " incomplete, %s; %" PRIu64
           " refused, since it started\n",
           number(server, "counters", "dumps_complete"),
           number(server, "counters", "dumps_incomplete"),
           pnd_text_bytes(bytes, sizeof(bytes), number(server, "counters", "bytes")),
           number(server, "counters", "refused"));
}

static void print_streams(const struct status *status)
{
    char address[PND_PRINT_NAME_CAP];

    for (unsigned i = 0; i < status->listener_count; i++) {
        const struct pnd_listener *at = &status->listeners[i];

        printf("  streams    %s (TCP, %s), process %ld%s\n", pnd_print_name(address, at->address),
               at->tls ? "TLS" : "plain", (long)at->pid, at->alive ? "" : ", which was killed");
    }
}

static int print_text(const struct pnd_ctl *ctl, const struct status *status)
{
    char free_text[PND_TEXT_BYTES_CAP], total[PND_TEXT_BYTES_CAP], floor[PND_TEXT_BYTES_CAP];
    uint64_t floor_bytes = number(status->server, "room", "floor");
    size_t arriving = 0;

    if (status->server) {
        print_server(ctl, status->server);
    } else {
        printf("panicd is ");
        pnd_print_state(ctl, "not listening");
        printf(" for this directory. To start it: panicd %s\n", ctl->directory);
    }
    printf("  directory  %s%s\n", status->known ? ctl->spool.path : ctl->directory,
           status->known ? "" : " (no dump was ever received into it)");
    if (!status->known)
        return PND_OK;
    print_streams(status);
    pnd_channels_print(&status->channels, "  tells      ");
    printf("  room       %s free of %s",
           pnd_text_bytes(free_text, sizeof(free_text), status->room_free),
           pnd_text_bytes(total, sizeof(total), status->room_total));
    if (floor_bytes)
        printf("; %s of it stay free", pnd_text_bytes(floor, sizeof(floor), floor_bytes));
    for (size_t i = 0; i < status->views.count; i++)
        arriving += status->views.at[i].arriving;
    printf("\n  arriving   %zu\n", arriving);
    if (status->views.count == 0)
        return PND_OK;
    putchar('\n');
    return pnd_print_table(ctl, &status->views, first_shown(&status->views));
}

int pnd_verb_status(struct pnd_ctl *ctl, int argc, char **argv)
{
    static const struct option options[] = {
        {"json", no_argument, NULL, 'j'}, {"help", no_argument, NULL, 'h'}, {0}};
    struct status status = {0};
    struct pnd_why why = {0};
    int option, code, err;

    while ((option = getopt_long(argc, argv, "jh", options, NULL)) != -1) {
        code = pnd_ctl_common_option(ctl, argv[0], option);
        if (code >= 0)
            return code;
    }
    if (optind < argc)
        return pnd_ctl_misused(argv[0], "status takes no argument");

    err = gather(ctl, &status, &why);
    if (err) {
        code = pnd_ctl_fail("%s", why.text);
    } else {
        code = status.server ? PND_EXIT_OK : PND_EXIT_NO;
        if (ctl->json ? status_json(ctl, &status) : print_text(ctl, &status))
            code = PND_EXIT_COULD_NOT;
    }
    pnd_views_deinit(&status.views);
    json_decref(status.server);
    return code;
}
