/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Answers that are kept; see cache.h. All of it happens under the catalog's lock. */
#include "panicweb/cache.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/clock.h"
#include "panicweb/data.h"
#include "panicweb/reply.h"

struct kept {
    char key[PND_CACHE_KEY_CAP];
    struct MHD_Response *response; /* NULL: unused */
    int64_t version;
    uint64_t made_ms, used_ms;
};

struct pnd_cache {
    struct kept kept[PND_CACHE_COUNT];
};

int pnd_cache_create(struct pnd_cache **ret, struct pnd_why *why)
{
    *ret = calloc(1, sizeof(**ret));
    return *ret ? PND_OK : pnd_why(why, PND_E_SYS, ENOMEM, "keep answers");
}

void pnd_cache_destroy(struct pnd_cache *cache)
{
    for (unsigned i = 0; cache && i < PND_CACHE_COUNT; i++)
        if (cache->kept[i].response)
            MHD_destroy_response(cache->kept[i].response);
    free(cache);
}

struct key {
    char text[PND_CACHE_KEY_CAP];
    size_t len;
};

static void add(struct key *key, const char *text, size_t len)
{
    if (key->len + len + 1 < sizeof(key->text))
        memcpy(key->text + key->len, text, len);
    key->len += len;
}

/* Length and bytes, so that no two questions look the same. */
static enum MHD_Result add_argument(void *cls, enum MHD_ValueKind kind, const char *name,
                                    size_t name_len, const char *value, size_t value_len)
{
    char lengths[48];
    struct key *key = cls;

    (void)kind;
    add(key, lengths,
        (size_t)snprintf(lengths, sizeof(lengths), "%zu,%zu:", name_len, value ? value_len : 0));
    add(key, name, name_len);
    if (value)
        add(key, value, value_len);
    return MHD_YES;
}

/* @return false: too long to be kept */
static bool make_key(const struct pnd_request *request, struct key *ret)
{
    char first[8];

    ret->len = 0;
    add(ret, first,
        (size_t)snprintf(first, sizeof(first), "%d%d ", request->gzip, request->right.download));
    add(ret, request->path, strlen(request->path));
    add(ret, " ", 1);
    MHD_get_connection_values_n(request->connection, MHD_GET_ARGUMENT_KIND, add_argument, ret);
    if (ret->len + 1 >= sizeof(ret->text))
        return false;
    ret->text[ret->len] = '\0';
    return true;
}

static struct kept *find(struct pnd_cache *cache, const struct key *key)
{
    for (unsigned i = 0; i < PND_CACHE_COUNT; i++) {
        struct kept *kept = &cache->kept[i];

        if (kept->response && memcmp(kept->key, key->text, key->len + 1) == 0)
            return kept;
    }
    return NULL;
}

/* An unused place, or that of the answer which nobody has asked for longest. */
static struct kept *place(struct pnd_cache *cache)
{
    struct kept *oldest = &cache->kept[0];

    for (unsigned i = 0; i < PND_CACHE_COUNT && oldest->response; i++)
        if (!cache->kept[i].response || cache->kept[i].used_ms < oldest->used_ms)
            oldest = &cache->kept[i];
    if (oldest->response)
        MHD_destroy_response(oldest->response);
    *oldest = (struct kept){0};
    return oldest;
}

static bool still_good(const struct kept *kept, int64_t version, uint64_t now_ms)
{
    uint64_t age_ms = now_ms - kept->made_ms;

    return age_ms < PND_CACHE_FRESH_MS || (age_ms < PND_CACHE_OLD_MS && kept->version == version);
}

/* @return false: there is none that would do */
static bool answer_kept(struct pnd_request *request, struct kept *kept, int64_t version,
                        uint64_t now_ms, enum MHD_Result *ret)
{
    if (!kept || !still_good(kept, version, now_ms))
        return false;
    kept->used_ms = now_ms;
    *ret = MHD_queue_response(request->connection, MHD_HTTP_OK, kept->response);
    return true;
}

static enum MHD_Result answer(struct pnd_request *request, pnd_maker make,
                              struct pnd_catalog *catalog)
{
    struct pnd_cache *cache = request->web->cache;
    int64_t version = pnd_data_version(request->web->data);
    uint64_t now_ms = pnd_clock_ms();
    struct key key;
    bool keeps = make_key(request, &key);
    struct kept *kept = keeps ? find(cache, &key) : NULL;
    struct MHD_Response *response;
    struct pnd_why why = {0};
    json_t *json = NULL;
    enum MHD_Result result;
    int err;

    if (answer_kept(request, kept, version, now_ms, &result))
        return result;
    err = make(request, catalog, &json, &why);
    if (err)
        return pnd_reply_why(request, err, &why);
    response = pnd_reply_json(json, request->gzip);
    if (!response || !keeps)
        return pnd_reply_send(request, MHD_HTTP_OK, response);
    if (kept)
        MHD_destroy_response(kept->response);
    else
        kept = place(cache);
    memcpy(kept->key, key.text, key.len + 1);
    kept->response = response;
    kept->version = version;
    kept->made_ms = kept->used_ms = now_ms;
    return MHD_queue_response(request->connection, MHD_HTTP_OK, response);
}

enum MHD_Result pnd_cache_answer(struct pnd_request *request, pnd_maker make)
{
    struct pnd_catalog *catalog = NULL;
    struct pnd_why why = {0};
    enum MHD_Result result;
    int err = pnd_data_lock(request->web->data, &catalog, &why);

    result = err ? pnd_reply_why(request, err, &why) : answer(request, make, catalog);
    pnd_data_unlock(request->web->data);
    return result;
}

bool pnd_cache_answer_kept(struct pnd_request *request, enum MHD_Result *ret)
{
    struct pnd_catalog *catalog = NULL;
    struct key key;
    bool answered = false;

    if (!make_key(request, &key))
        return false;
    if (pnd_data_lock(request->web->data, &catalog, NULL) == PND_OK)
        answered = answer_kept(request, find(request->web->cache, &key),
                               pnd_data_version(request->web->data), pnd_clock_ms(), ret);
    pnd_data_unlock(request->web->data);
    return answered;
}
