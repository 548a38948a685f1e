/* SPDX-License-Identifier: BSD-2-Clause
 *
 * /api/dumps/ID: one dump, and what it says. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/guard.h"
#include "panicweb/cache.h"
#include "panicweb/data.h"
#include "panicweb/query.h"
#include "panicweb/reply.h"
#include "panicweb/symbolic.h"
#include "store/catalog_facts.h"
#include "view/known.h"
#include "view/text.h"

enum { ID_CAP = 24 };

static void quote_id(const struct pnd_request *request, char ret[ID_CAP])
{
    snprintf(ret, ID_CAP, "%" PRIu64, request->id);
}

/* @param catalog  NULL: nothing is there but what arrives */
static int find(const struct pnd_request *request, struct pnd_catalog *catalog,
                struct pnd_view *ret, struct pnd_why *why)
{
    char id[ID_CAP];

    quote_id(request, id);
    if (!catalog)
        return pnd_why(why, PND_E_NOTFOUND, 0, "no dump has been received yet");
    return pnd_view_find(&request->web->spool, catalog, id, 0, ret, why);
}

static void find_encrypted(const struct pnd_spool *spool, const struct pnd_dump *dump,
                           struct pnd_encrypted *ret)
{
    char path[sizeof(spool->path) + PND_SPOOL_NAME_CAP + 1];
    PND_AUTO_CLOSE int fd = pnd_spool_open_file(spool, dump->file);

    snprintf(path, sizeof(path), "%s/%s", spool->path, dump->file);
    pnd_encrypted_find(path, fd, ret);
}

static json_t *commands_json(const char *id, bool opens, bool ended)
{
    json_t *json = json_object();
    static const char *const verbs[] = {"debug", "export", "pack"};

    for (size_t i = 0; i < sizeof(verbs) / sizeof(*verbs); i++) {
        bool fits = ended && (i > 0 || opens);

        json_object_set_new(json, verbs[i],
                            fits ? json_sprintf("panicctl %s %s", verbs[i], id) : json_null());
    }
    return json;
}

static int make(struct pnd_request *request, struct pnd_catalog *catalog, json_t **ret,
                struct pnd_why *why)
{
    const struct pnd_spool *spool = &request->web->spool;
    struct pnd_encrypted encrypted;
    struct pnd_facts facts = {0};
    struct pnd_group group;
    struct pnd_view view = {0};
    char id[ID_CAP];
    struct pnd_known known = {.facts = &facts, .encrypted = &encrypted, .name = id};
    json_t *json;
    int err = find(request, catalog, &view, why);

    if (err)
        return err;
    quote_id(request, id);
    /* What nobody has read yet is not known yet. */
    (void)pnd_catalog_get_facts(catalog, view.dump.id, false, &facts, NULL);
    find_encrypted(spool, &view.dump, &encrypted);
    known.format = view.dump.format;
    known.packs = !view.arriving;
    known.group = pnd_catalog_group_of(catalog, view.dump.id, &group, NULL) ? NULL : &group;
    json = pnd_known_row_json(spool, catalog, &view);
    if (json)
        json_object_update_new(json, pnd_known_json(&known));
    if (json)
        json_object_update_new(
            json, json_pack("{s:b, s:b, s:o}", "arriving", (int)view.arriving, "may_download",
                            (int)request->right.download, "commands",
                            commands_json(id, pnd_info_opens(known.format), !view.arriving)));
    pnd_facts_deinit(&facts);
    *ret = json;
    return PND_OK;
}

enum MHD_Result pnd_api_dump(struct pnd_request *request)
{
    return pnd_cache_answer(request, make);
}

/* ---- its log ---- */

static int read_log(struct pnd_request *request, struct pnd_facts *ret, struct pnd_why *why)
{
    struct pnd_catalog *catalog = NULL;
    struct pnd_view view;
    int err = pnd_data_lock(request->web->data, &catalog, why);

    if (!err)
        err = find(request, catalog, &view, why);
    if (!err)
        err = pnd_catalog_get_facts(catalog, request->id, true, ret, why);
    pnd_data_unlock(request->web->data);
    return err;
}

/* The names that panicctl finds, of a dump that has ended. @return false: there are none */
static bool answer_named(const struct pnd_request *request, enum MHD_Result *ret)
{
    struct pnd_catalog *catalog = NULL;
    struct pnd_view view = {0};
    struct pnd_why why = {0};
    int err = pnd_data_lock(request->web->data, &catalog, &why);

    if (!err)
        err = find(request, catalog, &view, &why);
    pnd_data_unlock(request->web->data);
    if (err || view.arriving || view.dump.id != request->id)
        return false; /* the log itself says what is wrong */
    return pnd_symbolic_answer(request, view.dump.id, (int64_t)view.dump.received_ms, ret);
}

enum MHD_Result pnd_api_log(struct pnd_request *request)
{
    struct pnd_facts facts = {0};
    struct pnd_why why = {0};
    struct MHD_Response *response = NULL;
    char *text = NULL;
    size_t len = 0;
    enum MHD_Result result;
    FILE *out;
    int err;

    if (request->web->symbolic && pnd_query_has(request, "symbols") &&
        answer_named(request, &result))
        return result;
    err = read_log(request, &facts, &why);
    if (err)
        return pnd_reply_why(request, err, &why);
    if (!facts.log) {
        pnd_facts_deinit(&facts);
        return pnd_reply_error(request, MHD_HTTP_NOT_FOUND, "no log was found in this dump", NULL);
    }
    out = open_memstream(&text, &len);
    if (out) {
        pnd_print_text(out, facts.log, facts.log_len);
        if (facts.log_len && facts.log[facts.log_len - 1] != '\n')
            fputc('\n', out);
        if (fclose(out) == 0)
            response = pnd_reply_text(text, len, "text/plain; charset=utf-8", request->gzip);
    }
    free(text);
    pnd_facts_deinit(&facts);
    return pnd_reply_send(request, MHD_HTTP_OK, response);
}
