/* SPDX-License-Identifier: BSD-2-Clause
 *
 * /metrics: what the server counts and the catalog knows, for Prometheus. A scrape succeeds
 * whatever does not answer: what is missing then is the news. */
#include <stdlib.h>

#include "panicweb/data.h"
#include "panicweb/metrics.h"
#include "panicweb/reply.h"
#include "view/socket.h"

enum { ANSWER_S = 2 }; /* who scrapes waits for ten, and others for this thread */

/* @return the caller's; NULL: the catalog cannot be read now, or there is none yet */
static struct pnd_metrics_groups *read_groups(struct pnd_data *data)
{
    struct pnd_metrics_groups *groups = malloc(sizeof(*groups));
    struct pnd_catalog *catalog = NULL;
    struct pnd_why why;
    int err;

    if (!groups)
        return NULL;
    err = pnd_data_lock(data, &catalog, &why);
    if (!err && catalog)
        err = pnd_metrics_read_groups(catalog, groups, &why);
    pnd_data_unlock(data);
    if (!err && catalog)
        return groups;
    free(groups);
    return NULL;
}

enum MHD_Result pnd_api_metrics(struct pnd_request *request)
{
    struct pnd_web *web = request->web;
    struct pnd_metrics_groups *groups = read_groups(web->data);
    struct MHD_Response *response = NULL;
    json_t *server = NULL;
    struct pnd_why why;
    char *text = NULL;
    size_t len = 0;

    if (pnd_socket_get_within(&web->spool, "metrics", ANSWER_S, &server, &why))
        server = NULL;
    if (pnd_metrics_write(server, groups, &text, &len) == PND_OK)
        response = pnd_reply_text(text, len, PND_METRICS_TYPE, request->gzip);
    free(text);
    free(groups);
    json_decref(server);
    return pnd_reply_send(request, MHD_HTTP_OK, response);
}
