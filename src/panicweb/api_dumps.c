/* SPDX-License-Identifier: BSD-2-Clause
 *
 * /api/dumps: the list, by pages. */
#include "panicweb/cache.h"
#include "panicweb/query.h"
#include "view/json.h"
#include "view/socket.h"

enum { LIMIT = 100 };

struct listing {
    const struct pnd_spool *spool;
    json_t *list;
    unsigned limit, count;
    uint64_t last_id;
    bool more, serving;
};

static bool add(const struct pnd_dump *dump, const struct pnd_facts_line *line, void *ctx)
{
    struct pnd_view view = {.dump = *dump};
    struct listing *listing = ctx;

    if (listing->count == listing->limit) {
        listing->more = true;
        return false;
    }
    pnd_view_say_unchecked(&view.dump, listing->serving);
    json_array_append_new(listing->list, pnd_view_line_json(listing->spool, &view, line));
    listing->count++;
    listing->last_id = dump->id;
    return true;
}

static int make(struct pnd_request *request, struct pnd_catalog *catalog, json_t **ret,
                struct pnd_why *why)
{
    struct listing listing = {.spool = &request->web->spool};
    uint64_t before = 0, limit = LIMIT, total = 0;
    struct pnd_filter filter;
    int err = pnd_query_filter(request, &filter, why);

    if (!err)
        err = pnd_query_number(request, "before", 1, INT64_MAX, &before, why);
    if (!err)
        err = pnd_query_number(request, "limit", 1, PND_WEB_ROWS_MAX, &limit, why);
    if (err)
        return err;
    listing.limit = (unsigned)limit;
    listing.serving = pnd_socket_there(&request->web->spool);
    listing.list = json_array();
    if (catalog)
        err = pnd_catalog_select(catalog, &filter, before, listing.limit + 1, add, &listing, &total,
                                 why);
    if (err) {
        json_decref(listing.list);
        return err;
    }
    *ret = json_pack("{s:o, s:I, s:o}", "dumps", listing.list, "total", (json_int_t)total, "next",
                     listing.more ? json_integer((json_int_t)listing.last_id) : json_null());
    return PND_OK;
}

enum MHD_Result pnd_api_dumps(struct pnd_request *request)
{
    return pnd_cache_answer(request, make);
}
