/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Answers; see reply.h. */
#include "panicweb/reply.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "view/json.h"

enum { GZIP_WINDOW = 15 + 16, GZIP_LEVEL = 1, GZIP_MEMORY = 8 };

static const struct {
    const char *name, *value;
} headers[] = {
    {"Content-Security-Policy",
     "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; "
     "img-src 'self' data:; connect-src 'self'; font-src 'self'; form-action 'none'; "
     "base-uri 'none'; frame-ancestors 'none'"},
    {"X-Content-Type-Options", "nosniff"},
    {"Referrer-Policy", "no-referrer"},
    {"Cross-Origin-Opener-Policy", "same-origin"},
    {"Cross-Origin-Embedder-Policy", "require-corp"},
    {"Cross-Origin-Resource-Policy", "same-origin"},
};

void pnd_reply_dress(struct MHD_Response *response, const char *caching)
{
    for (size_t i = 0; i < sizeof(headers) / sizeof(*headers); i++)
        MHD_add_response_header(response, headers[i].name, headers[i].value);
    MHD_add_response_header(response, "Cache-Control", caching);
}

/* @return the caller's, of @p ret_len bytes; NULL: it did not get smaller, or no memory */
static char *pack(const char *text, size_t len, size_t *ret_len)
{
    z_stream z = {0};
    char *packed;

    if (len < PND_REPLY_GZIP_MIN || len > UINT_MAX)
        return NULL;
    packed = malloc(len);
    if (!packed || deflateInit2(&z, GZIP_LEVEL, Z_DEFLATED, GZIP_WINDOW, GZIP_MEMORY,
                                Z_DEFAULT_STRATEGY) != Z_OK) {
        free(packed);
        return NULL;
    }
    z.next_in = (Bytef *)(uintptr_t)text; /* it is only read */
    z.avail_in = (uInt)len;
    z.next_out = (Bytef *)packed;
    z.avail_out = (uInt)len;
    if (deflate(&z, Z_FINISH) != Z_STREAM_END) {
        deflateEnd(&z);
        free(packed);
        return NULL;
    }
    *ret_len = z.total_out;
    deflateEnd(&z);
    return packed;
}

/* Takes @p text. */
static struct MHD_Response *own(char *text, size_t len, const char *type, bool gzip)
{
    size_t packed_len = 0;
    char *packed = gzip ? pack(text, len, &packed_len) : NULL;
    struct MHD_Response *response = MHD_create_response_from_buffer(
        packed ? packed_len : len, packed ? packed : text, MHD_RESPMEM_MUST_FREE);

    if (!response)
        free(packed ? packed : text);
    if (packed)
        free(text);
    if (!response)
        return NULL;
    if (packed)
        MHD_add_response_header(response, "Content-Encoding", "gzip");
    MHD_add_response_header(response, "Vary", "Accept-Encoding");
    MHD_add_response_header(response, "Content-Type", type);
    pnd_reply_dress(response, "no-store");
    return response;
}

struct MHD_Response *pnd_reply_json(json_t *json, bool gzip)
{
    char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;

    json_decref(json);
    return text ? own(text, strlen(text), "application/json", gzip) : NULL;
}

struct MHD_Response *pnd_reply_text(const char *text, size_t len, const char *type, bool gzip)
{
    char *copy = malloc(len ? len : 1);

    if (!copy)
        return NULL;
    memcpy(copy, text, len);
    return own(copy, len, type, gzip);
}

enum MHD_Result pnd_reply_send(const struct pnd_request *request, unsigned status,
                               struct MHD_Response *response)
{
    enum MHD_Result result;

    if (!response)
        return MHD_NO; /* there is no memory to say so: the connection ends */
    result = MHD_queue_response(request->connection, status, response);
    MHD_destroy_response(response);
    return result;
}

enum MHD_Result pnd_reply_error(const struct pnd_request *request, unsigned status,
                                const char *error, const char *what_to_do)
{
    return pnd_reply_send(
        request, status,
        pnd_reply_json(json_pack("{s:o, s:o}", "error", pnd_print_json_text(error), "do",
                                 what_to_do ? pnd_print_json_text(what_to_do) : json_null()),
                       false));
}

enum MHD_Result pnd_reply_why(const struct pnd_request *request, int err, const struct pnd_why *why)
{
    if (err == PND_E_ARG)
        return pnd_reply_error(request, MHD_HTTP_BAD_REQUEST, why->text, NULL);
    if (err == PND_E_NOTFOUND)
        return pnd_reply_error(request, MHD_HTTP_NOT_FOUND, why->text,
                               "look at the list of dumps: it may have been removed");
    return pnd_reply_error(request, MHD_HTTP_SERVICE_UNAVAILABLE, why->text,
                           "try again; \"panicctl doctor\" looks for the cause");
}
