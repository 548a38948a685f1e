/* SPDX-License-Identifier: BSD-2-Clause
 *
 * panicweb: what its parts share, and the limits of the whole. It answers GET and HEAD, reads the
 * directory and the control socket, and writes nothing. Requests are answered by PND_WEB_THREADS
 * threads; one more (feed.h) listens to panicd and keeps the time. */
#ifndef PND_PANICWEB_WEB_H
#define PND_PANICWEB_WEB_H

#include <stdbool.h>
#include <stdint.h>

#include <microhttpd.h>

#include "host/why.h"
#include "store/spool.h"

enum {
    PND_WEB_PORT = 1070,
    PND_WEB_THREADS = 4,
    PND_WEB_CONNECTIONS_MAX = 1024,   /* 200 viewers, each with a stream and requests beside it */
    PND_WEB_PER_ADDRESS_MAX = 640,    /* one address leaves room for others */
    PND_WEB_CONNECTION_BYTES = 32768, /* of a request: its line and headers; and to send it */
    PND_WEB_IDLE_S = 30,              /* without a byte either way: closed */
    PND_WEB_HEADERS_S = 15,           /* for a whole request, however slowly it comes */
    PND_WEB_VIEWERS_MAX = 400,        /* streams of events */
    PND_WEB_DOWNLOADS_MAX = 32,       /* files on their way */
    PND_WEB_ZIPS_MAX = 4,             /* made at the same time, each by a process */
    PND_WEB_NAMINGS_MAX = 1,          /* logs that get their symbols at the same time, likewise */
    PND_WEB_ROWS_MAX = 500,           /* of one answer */
    PND_WEB_GROUPS_MAX = 1000,        /* of one answer */
    PND_WEB_POINTS_MAX = 20000,       /* of one answer */
    PND_WEB_DAYS_MAX = 3660,
};

struct pnd_auth;
struct pnd_cache;
struct pnd_data;
struct pnd_feed;
struct pnd_guests;
struct pnd_heard;
struct pnd_runner;
struct pnd_symbolic;

/* What somebody may. */
struct pnd_right {
    bool see, download, measure; /* measure: /metrics */
};

struct pnd_web {
    struct pnd_spool spool;
    struct pnd_data *data;
    struct pnd_cache *cache;
    struct pnd_feed *feed;
    struct pnd_guests *guests;
    struct pnd_runner *runner;     /* NULL: no zips are made, nothing is named */
    struct pnd_symbolic *symbolic; /* NULL: no symbols are looked for */
    struct pnd_auth *auth;         /* NULL: everybody who gets here may everything */
    bool local;                    /* only this machine gets here: the Host header is looked at */
    unsigned name_count;
    const char *const *names; /* others that the Host header may have */
};

struct pnd_request {
    struct pnd_web *web;
    struct MHD_Connection *connection;
    const char *path; /* decoded, without the query */
    uint64_t id;      /* of a route with one */
    bool head;        /* HEAD: the same answer without its body */
    bool gzip;        /* the client takes it */
    struct pnd_right right;
    const struct pnd_heard *heard; /* of /api/now: what the server has said */
};

/* Answers one request. @return what MHD_queue_response() says */
typedef enum MHD_Result (*pnd_handler)(struct pnd_request *request);

/* The handlers, by route; see routes.c. */
enum MHD_Result pnd_api_now(struct pnd_request *request);
enum MHD_Result pnd_api_dumps(struct pnd_request *request);
enum MHD_Result pnd_api_dump(struct pnd_request *request);
enum MHD_Result pnd_api_log(struct pnd_request *request);
enum MHD_Result pnd_api_map(struct pnd_request *request);
enum MHD_Result pnd_api_groups(struct pnd_request *request);
enum MHD_Result pnd_api_timeline(struct pnd_request *request);
enum MHD_Result pnd_api_events(struct pnd_request *request);
enum MHD_Result pnd_api_metrics(struct pnd_request *request);

/* MHD_AccessHandlerCallback */
enum MHD_Result pnd_route(void *cls, struct MHD_Connection *connection, const char *url,
                          const char *method, const char *version, const char *upload_data,
                          size_t *upload_data_size, void **con_cls);

#endif
