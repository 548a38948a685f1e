/* SPDX-License-Identifier: BSD-2-Clause
 *
 * /api/now: the server, what arrives, what is wrong, and the latest dumps. */
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "host/clock.h"
#include "host/text.h"
#include "panicweb/cache.h"
#include "store/catalog_query.h"
#include "view/json.h"
#include "view/socket.h"

enum {
    LATEST = 5,
    ANSWER_S = 2,
    SENTENCE_CAP = 1024,
};

struct latest {
    const struct pnd_spool *spool;
    json_t *list;
    bool serving;
};

static bool add_latest(const struct pnd_dump *dump, const struct pnd_facts_line *line, void *ctx)
{
    struct pnd_view view = {.dump = *dump};
    struct latest *latest = ctx;

    pnd_view_say_unchecked(&view.dump, latest->serving);
    json_array_append_new(latest->list, pnd_view_line_json(latest->spool, &view, line));
    return true;
}

/* ---- what is wrong ---- */

static void add_problem(json_t *list, const char *text, const char *what_to_do)
{
    json_array_append_new(list, json_pack("{s:o, s:o}", "text", pnd_print_json_text(text), "do",
                                          pnd_print_json_text(what_to_do)));
}

static void add_room_problem(json_t *list, const json_t *server)
{
    const json_t *room = json_object_get(server, "room");
    json_int_t free_bytes = json_integer_value(json_object_get(room, "free")),
               floor_bytes = json_integer_value(json_object_get(room, "floor"));
    char text[SENTENCE_CAP], has[PND_TEXT_BYTES_CAP], stays[PND_TEXT_BYTES_CAP];

    if (floor_bytes <= 0 || free_bytes > 2 * floor_bytes)
        return;
    snprintf(text, sizeof(text),
             free_bytes > floor_bytes
                 ? "Room is getting short: %s are free, and %s of them stay free."
                 : "There is no room for another dump: %s are free, and %s have to stay so.",
             pnd_text_bytes(has, sizeof(has), (uint64_t)free_bytes),
             pnd_text_bytes(stays, sizeof(stays), (uint64_t)floor_bytes));
    add_problem(list, text, "panicctl vacuum --older-than 90d");
}

static void add_server_problems(json_t *list, const struct pnd_spool *spool, const json_t *server,
                                int err, const struct pnd_why *why)
{
    const json_t *unheard = json_object_get(server, "not_listening"), *at;
    char text[SENTENCE_CAP], command[sizeof(spool->path) + 16];
    size_t i;

    if (!server && err == PND_E_NOTFOUND) {
        snprintf(command, sizeof(command), "panicd %s", spool->path);
        add_problem(list,
                    "No panicd is running for this directory: a dump that is sent now is "
                    "not received.",
                    command);
        return;
    }
    if (!server) {
        add_problem(list, why->text, "panicctl doctor");
        return;
    }
    json_array_foreach(unheard, i, at)
    {
        const char *protocol = json_string_value(json_object_get(at, "protocol"));
        const char *reason = json_string_value(json_object_get(at, "why"));

        snprintf(text, sizeof(text), "%.32s is not heard: %.512s", protocol ? protocol : "?",
                 reason ? reason : "?");
        add_problem(list, text, "panicctl doctor");
    }
    add_room_problem(list, server);
}

/* ---- what arrives ---- */

static json_t *transfers_json(struct pnd_catalog *catalog, json_t *answer)
{
    json_t *list = json_object_get(answer, "transfers"), *transfer;
    struct pnd_facts_line line;
    size_t i;

    if (!json_is_array(list))
        return json_array();
    json_array_foreach(list, i, transfer)
    {
        json_int_t id = json_integer_value(json_object_get(transfer, "id"));

        if (!catalog || id <= 0 ||
            pnd_catalog_facts_line(catalog, (uint64_t)id, &line, NULL) != PND_OK)
            memset(&line, 0, sizeof(line));
        json_object_update_new(
            transfer, json_pack("{s:o, s:s?}", "title",
                                line.signature.title[0] ? pnd_print_json_text(line.signature.title)
                                                        : json_null(),
                                "group", line.signature.id[0] ? line.signature.id : NULL));
    }
    return json_incref(list);
}

static json_t *room_json(const struct pnd_spool *spool)
{
    uint64_t free_bytes, total;

    if (pnd_spool_room(spool, &free_bytes, &total))
        return json_null();
    return json_pack("{s:I, s:I}", "free", (json_int_t)free_bytes, "total", (json_int_t)total);
}

/* ---- what the server says ---- */

struct pnd_heard {
    json_t *server, *transfers; /* NULL: it did not answer */
    int err;                    /* of the first */
    struct pnd_why why;
};

static void ask_server(const struct pnd_spool *spool, struct pnd_heard *ret)
{
    ret->err = pnd_socket_get_within(spool, "status", ANSWER_S, &ret->server, &ret->why);
    if (!ret->err)
        (void)pnd_socket_get_within(spool, "transfers", ANSWER_S, &ret->transfers, NULL);
}

/* Before the catalog is locked. While it hangs, one at a time waits for it, and the other threads
 * have time for other requests. */
static void hear(struct pnd_request *request, struct pnd_heard *ret)
{
    static pthread_mutex_t asking = PTHREAD_MUTEX_INITIALIZER;
    static atomic_bool hangs;
    bool alone = atomic_load(&hangs);

    if (alone && pthread_mutex_trylock(&asking) != 0) {
        ret->err = pnd_why(&ret->why, PND_E_SYS, 0, "panicd does not answer");
        return;
    }
    ask_server(&request->web->spool, ret);
    atomic_store(&hangs, ret->err && ret->err != PND_E_NOTFOUND);
    if (alone)
        pthread_mutex_unlock(&asking);
}

static int make(struct pnd_request *request, struct pnd_catalog *catalog, json_t **ret,
                struct pnd_why *why)
{
    const struct pnd_spool *spool = &request->web->spool;
    struct latest latest = {.spool = spool, .list = json_array()};
    static const struct pnd_filter any;
    const struct pnd_heard *heard = request->heard;
    json_t *server = json_incref(heard->server), *problems = json_array();
    uint64_t count = 0;
    int err;

    add_server_problems(problems, spool, server, heard->err, &heard->why);
    latest.serving = server != NULL;
    err = catalog ? pnd_catalog_select(catalog, &any, 0, LATEST, add_latest, &latest, &count, why)
                  : PND_OK;
    if (err) {
        json_decref(latest.list);
        json_decref(server);
        json_decref(problems);
    } else {
        *ret = json_pack(
            "{s:o, s:o, s:o, s:I, s:o, s:o, s:o, s:b}", "server", server ? server : json_null(),
            "transfers", transfers_json(catalog, heard->transfers), "problems", problems, "dumps",
            (json_int_t)count, "latest", latest.list, "room", room_json(spool), "now",
            pnd_print_json_time(pnd_clock_wall_ms()), "may_download", (int)request->right.download);
    }
    return err;
}

enum MHD_Result pnd_api_now(struct pnd_request *request)
{
    struct pnd_heard heard = {0};
    enum MHD_Result result;

    if (pnd_cache_answer_kept(request, &result))
        return result;
    hear(request, &heard);
    request->heard = &heard;
    result = pnd_cache_answer(request, make);
    request->heard = NULL;
    json_decref(heard.server);
    json_decref(heard.transfers);
    return result;
}
