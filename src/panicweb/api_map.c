/* SPDX-License-Identifier: BSD-2-Clause
 *
 * /api/dumps/ID/map: the picture of its memory, or of a window of it. */
#include <inttypes.h>
#include <stdio.h>

#include "facts/map.h"
#include "panicweb/cache.h"
#include "panicweb/query.h"
#include "store/catalog_facts.h"

enum { COLUMNS = 64, ROWS = 48 };

static int read_window(const struct pnd_request *request, struct pnd_map_window *ret,
                       uint64_t *columns, uint64_t *rows, struct pnd_why *why)
{
    int err = pnd_query_number(request, "start", 0, UINT64_MAX, &ret->start, why);

    if (!err)
        err = pnd_query_number(request, "end", 0, UINT64_MAX, &ret->end, why);
    if (!err)
        err = pnd_query_number(request, "columns", 1, PND_MAP_COLUMNS_MAX, columns, why);
    if (!err)
        err = pnd_query_number(request, "rows", PND_MAP_ROWS_MIN, PND_MAP_ROWS_MAX, rows, why);
    if (!err && ret->end <= ret->start)
        err = pnd_why(why, PND_E_ARG, 0, "end is behind start");
    if (!err && (*columns & (*columns - 1)))
        err = pnd_why(why, PND_E_ARG, 0, "columns is a power of two");
    return err;
}

static int make(struct pnd_request *request, struct pnd_catalog *catalog, json_t **ret,
                struct pnd_why *why)
{
    struct pnd_map_window window = {0, UINT64_MAX};
    uint64_t columns = COLUMNS, rows = ROWS;
    struct pnd_facts facts = {0};
    struct pnd_map map;
    int err = read_window(request, &window, &columns, &rows, why);

    if (!err && !catalog)
        err = pnd_why(why, PND_E_NOTFOUND, 0, "no dump has been received yet");
    if (!err)
        err = pnd_catalog_get_facts(catalog, request->id, false, &facts, why);
    if (err)
        return err;
    err = pnd_map_make(&facts, window, (unsigned)columns, (unsigned)rows, &map);
    if (err == PND_E_NOTFOUND)
        pnd_why(why, err, 0, "nothing is known of the memory of dump %" PRIu64 "%s", request->id,
                facts.range_count ? " there" : "");
    else if (err)
        pnd_why(why, err, 0, "make a picture of the memory of dump %" PRIu64, request->id);
    if (!err) {
        *ret = pnd_map_to_json(&map, facts.map_physical);
        pnd_map_deinit(&map);
    }
    pnd_facts_deinit(&facts);
    return err;
}

enum MHD_Result pnd_api_map(struct pnd_request *request)
{
    return pnd_cache_answer(request, make);
}
