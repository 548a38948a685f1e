/* SPDX-License-Identifier: BSD-2-Clause
 *
 * From a request to the function that answers it: method, Host, who asks, and the path. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "host/clock.h"
#include "host/log.h"
#include "host/text.h"
#include "panicweb/assets.h"
#include "panicweb/auth.h"
#include "panicweb/download.h"
#include "panicweb/guests.h"
#include "panicweb/http.h"
#include "panicweb/reply.h"
#include "panicweb/zip.h"

enum need { NEED_SEE, NEED_DOWNLOAD, NEED_MEASURE };

static enum MHD_Result page(struct pnd_request *request);

/* @p after NULL: @p before is the path; else an id stands between them. */
static const struct {
    const char *before, *after;
    enum need need;
    pnd_handler handler;
} routes[] = {
    {"/", NULL, NEED_SEE, page},
    {"/panics", NULL, NEED_SEE, page},
    {"/setup", NULL, NEED_SEE, page},
    {"/dumps/", "", NEED_SEE, page},
    {"/dumps/", "/file", NEED_DOWNLOAD, pnd_download_file},
    {"/dumps/", "/zip", NEED_DOWNLOAD, pnd_zip_send},
    {"/api/now", NULL, NEED_SEE, pnd_api_now},
    {"/api/dumps", NULL, NEED_SEE, pnd_api_dumps},
    {"/api/dumps/", "", NEED_SEE, pnd_api_dump},
    {"/api/dumps/", "/log", NEED_SEE, pnd_api_log},
    {"/api/dumps/", "/map", NEED_SEE, pnd_api_map},
    {"/api/groups", NULL, NEED_SEE, pnd_api_groups},
    {"/api/timeline", NULL, NEED_SEE, pnd_api_timeline},
    {"/api/events", NULL, NEED_SEE, pnd_api_events},
    {"/metrics", NULL, NEED_MEASURE, pnd_api_metrics},
};

enum { ROUTE_COUNT = sizeof(routes) / sizeof(*routes), ID_DIGITS_MAX = 19 };

static const char *header_of(const struct pnd_request *request, const char *name)
{
    return MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);
}

/* ---- the page ---- */

static enum MHD_Result send_asset(struct pnd_request *request, const struct pnd_asset *asset)
{
    struct MHD_Response *response;
    bool same = pnd_http_etag_listed(header_of(request, "If-None-Match"), asset->etag, true);
    /* The buffers are not written to. */
    void *body = (void *)(uintptr_t)(request->gzip ? asset->gzip : asset->plain);
    size_t len = request->gzip ? asset->gzip_len : asset->plain_len;

    response = MHD_create_response_from_buffer(same ? 0 : len, body, MHD_RESPMEM_PERSISTENT);
    if (!response)
        return MHD_NO;
    pnd_reply_dress(response, asset->forever ? "public, max-age=31536000, immutable" : "no-cache");
    MHD_add_response_header(response, "ETag", asset->etag);
    MHD_add_response_header(response, "Vary", "Accept-Encoding");
    if (!same) {
        MHD_add_response_header(response, "Content-Type", asset->type);
        if (request->gzip)
            MHD_add_response_header(response, "Content-Encoding", "gzip");
    }
    return pnd_reply_send(request, same ? MHD_HTTP_NOT_MODIFIED : MHD_HTTP_OK, response);
}

static enum MHD_Result page(struct pnd_request *request)
{
    return send_asset(request, pnd_asset_find("/index.html"));
}

/* ---- who asks ---- */

static void address_of(struct MHD_Connection *connection, char ret[INET6_ADDRSTRLEN])
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    const struct sockaddr *sa = info ? info->client_addr : NULL;

    ret[0] = '\0';
    if (sa && sa->sa_family == AF_INET)
        inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)sa)->sin_addr, ret,
                  INET6_ADDRSTRLEN);
    else if (sa && sa->sa_family == AF_INET6)
        inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr, ret,
                  INET6_ADDRSTRLEN);
}

static enum pnd_auth_answer look_at(struct pnd_request *request)
{
    struct pnd_credentials credentials;
    char address[INET6_ADDRSTRLEN];

    if (!request->web->auth) {
        request->right = (struct pnd_right){true, true, true};
        return PND_AUTH_YES;
    }
    pnd_http_credentials(header_of(request, "Authorization"), &credentials);
    address_of(request->connection, address);
    return pnd_auth_check(request->web->auth, &credentials, address, pnd_clock_ms(),
                          &request->right);
}

static enum MHD_Result refuse(struct pnd_request *request, enum pnd_auth_answer answer)
{
    struct MHD_Response *response;
    char address[INET6_ADDRSTRLEN];

    if (answer == PND_AUTH_WAIT)
        return pnd_reply_error(request, MHD_HTTP_TOO_MANY_REQUESTS,
                               "too many wrong passwords came from your address", "wait a minute");
    if (header_of(request, "Authorization")) {
        address_of(request->connection, address);
        pnd_log(PND_WARNING, "web-refused", "peer=%s why=credentials", address);
    }
    response = pnd_reply_json(json_pack("{s:s, s:s}", "error",
                                        "this page wants a name and a password, or a token", "do",
                                        "ask whoever runs panicweb here"),
                              false);
    if (response)
        MHD_add_response_header(response, "WWW-Authenticate",
                                "Basic realm=\"panicd\", charset=\"UTF-8\"");
    return pnd_reply_send(request, MHD_HTTP_UNAUTHORIZED, response);
}

/* ---- the path ---- */

/* @return false: it does not begin with an id, whose decimal digits have no 0 in front */
static bool take_id(const char *path, uint64_t *ret, const char **ret_rest)
{
    size_t digits = strspn(path, "0123456789");
    char text[ID_DIGITS_MAX + 1];

    if (!digits || digits > ID_DIGITS_MAX || path[0] == '0')
        return false;
    memcpy(text, path, digits);
    text[digits] = '\0';
    *ret_rest = path + digits;
    return pnd_text_parse_uint(text, ret) == PND_OK && *ret <= INT64_MAX;
}

static bool matches(unsigned i, const char *path, uint64_t *ret_id)
{
    size_t len = strlen(routes[i].before);
    const char *rest;

    if (!routes[i].after)
        return strcmp(path, routes[i].before) == 0;
    return strncmp(path, routes[i].before, len) == 0 && take_id(path + len, ret_id, &rest) &&
           strcmp(rest, routes[i].after) == 0;
}

static bool may(const struct pnd_right *right, enum need need)
{
    return need == NEED_SEE ? right->see : need == NEED_DOWNLOAD ? right->download : right->measure;
}

static enum MHD_Result forbid(struct pnd_request *request, enum need need)
{
    return pnd_reply_error(request, MHD_HTTP_FORBIDDEN,
                           need == NEED_DOWNLOAD ? "you may see the dumps, and not download them"
                                                 : "this token is for something else",
                           "ask whoever runs panicweb here");
}

static enum MHD_Result dispatch(struct pnd_request *request)
{
    const struct pnd_asset *asset;

    for (unsigned i = 0; i < ROUTE_COUNT; i++) {
        if (!matches(i, request->path, &request->id))
            continue;
        return may(&request->right, routes[i].need) ? routes[i].handler(request)
                                                    : forbid(request, routes[i].need);
    }
    asset = pnd_asset_find(request->path);
    if (!asset)
        return pnd_reply_error(request, MHD_HTTP_NOT_FOUND, "there is nothing here",
                               "the page is at /");
    return request->right.see ? send_asset(request, asset) : forbid(request, NEED_SEE);
}

/* ---- a request ---- */

static bool takes_gzip(const struct pnd_request *request)
{
    const char *accepted = header_of(request, "Accept-Encoding"), *at, *q;

    for (at = accepted; at && (at = strstr(at, "gzip")) != NULL; at += 4) {
        q = at + 4 + strspn(at + 4, " \t");
        if (*q == '\0' || *q == ',')
            return true;
        /* ";q=0" and ";q=0.000": not that one */
        if (*q == ';' && strncmp(q + 1 + strspn(q + 1, " \t"), "q=0", 3) != 0)
            return true;
        if (*q == ';' && strpbrk(q, "123456789") && strpbrk(q, "123456789") < q + strcspn(q, ","))
            return true;
    }
    return false;
}

static enum MHD_Result answer(struct pnd_request *request, const char *method)
{
    const char *host = header_of(request, "Host");
    enum pnd_auth_answer known;

    if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0) {
        struct MHD_Response *response = pnd_reply_json(
            json_pack("{s:s, s:n}", "error", "this page is for reading: GET and HEAD", "do"),
            false);

        if (response)
            MHD_add_response_header(response, "Allow", "GET, HEAD");
        return pnd_reply_send(request, MHD_HTTP_METHOD_NOT_ALLOWED, response);
    }
    if (request->web->local &&
        (!host || !pnd_http_host_known(host, request->web->names, request->web->name_count)))
        return pnd_reply_error(request, MHD_HTTP_MISDIRECTED_REQUEST,
                               "this page is only known as localhost",
                               "open it by that name, or start panicweb with --name NAME");
    known = look_at(request);
    return known == PND_AUTH_YES ? dispatch(request) : refuse(request, known);
}

enum MHD_Result pnd_route(void *cls, struct MHD_Connection *connection, const char *url,
                          const char *method, const char *version, const char *upload_data,
                          size_t *upload_data_size, void **con_cls)
{
    static char begun;
    struct pnd_request request = {.web = cls, .connection = connection, .path = url};

    (void)version;
    (void)upload_data;
    if (!*con_cls) { /* the headers are here; what follows is read, and of no interest */
        *con_cls = &begun;
        return MHD_YES;
    }
    if (*upload_data_size) {
        *upload_data_size = 0;
        return MHD_YES;
    }
    pnd_guests_asked(request.web->guests, connection);
    request.head = strcmp(method, "HEAD") == 0;
    request.gzip = takes_gzip(&request);
    return answer(&request, method);
}
