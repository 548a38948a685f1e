/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The zip of a dump, as panicctl makes it; see zip.h. */
#include "panicweb/zip.h"

#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "panicweb/data.h"
#include "panicweb/feed.h"
#include "panicweb/reply.h"
#include "panicweb/runner.h"

enum { BLOCK_BYTES = 64 << 10 };

static atomic_uint under_way;

struct zip {
    struct pnd_feed *feed;
    struct MHD_Connection *connection;
    struct pnd_run run;
    bool ended; /* all bytes came: how it went is to come */
};

static ssize_t wait_for(const struct zip *zip, int fd)
{
    return pnd_feed_await(zip->feed, fd, zip->connection) ? MHD_CONTENT_READER_END_WITH_ERROR : 0;
}

static ssize_t read_zip(void *cls, uint64_t pos, char *buf, size_t max)
{
    struct zip *zip = cls;
    enum pnd_run_end end;
    ssize_t n;

    (void)pos;
    if (!zip->ended) {
        n = read(zip->run.out_fd, buf, max);
        if (n > 0)
            return n;
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return wait_for(zip, zip->run.out_fd);
        zip->ended = true;
    }
    end = pnd_run_ended(&zip->run);
    if (end == PND_RUN_GOES_ON)
        return wait_for(zip, zip->run.status_fd);
    return end == PND_RUN_WELL ? MHD_CONTENT_READER_END_OF_STREAM
                               : MHD_CONTENT_READER_END_WITH_ERROR;
}

static void close_zip(void *cls)
{
    struct zip *zip = cls;

    pnd_run_close(&zip->run);
    atomic_fetch_sub(&under_way, 1);
    free(zip);
}

/* @return NULL: errno says why */
static struct zip *begin_zip(const struct pnd_request *request)
{
    struct zip *zip = calloc(1, sizeof(*zip));

    if (!zip)
        return NULL;
    if (pnd_runner_begin(request->web->runner, PND_RUN_PACK, request->id, &zip->run)) {
        free(zip);
        return NULL;
    }
    zip->feed = request->web->feed;
    zip->connection = request->connection;
    return zip;
}

/* Is there such a dump, and has it ended? */
static int look_for(const struct pnd_request *request, struct pnd_why *why)
{
    struct pnd_catalog *catalog = NULL;
    struct pnd_dump dump = {0};
    char id[24];
    int err = pnd_data_lock(request->web->data, &catalog, why);

    snprintf(id, sizeof(id), "%" PRIu64, request->id);
    if (!err)
        err = catalog ? pnd_catalog_find(catalog, id, &dump, why) : PND_E_NOTFOUND;
    pnd_data_unlock(request->web->data);
    if (err == PND_E_NOTFOUND || (!err && dump.id != request->id))
        return pnd_why(why, PND_E_NOTFOUND, 0, "there is no dump %s", id);
    return err;
}

static enum MHD_Result send_zip(struct pnd_request *request, struct MHD_Response *response)
{
    char text[96];

    snprintf(text, sizeof(text), "attachment; filename=\"dump-%" PRIu64 ".zip\"", request->id);
    pnd_reply_dress(response, "no-store");
    MHD_add_response_header(response, "Content-Type", "application/zip");
    MHD_add_response_header(response, "Content-Disposition", text);
    return pnd_reply_send(request, MHD_HTTP_OK, response);
}

enum MHD_Result pnd_zip_send(struct pnd_request *request)
{
    struct MHD_Response *response;
    struct pnd_why why = {0};
    struct zip *zip;
    int err = look_for(request, &why);

    if (err)
        return pnd_reply_why(request, err, &why);
    if (!request->web->runner)
        return pnd_reply_error(request, MHD_HTTP_NOT_IMPLEMENTED,
                               "zips are made by panicctl, which is not installed beside panicweb",
                               "install panicctl, and start panicweb again");
    if (request->head) {
        response = MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
        return response ? send_zip(request, response) : MHD_NO;
    }
    if (atomic_fetch_add(&under_way, 1) >= PND_WEB_ZIPS_MAX) {
        atomic_fetch_sub(&under_way, 1);
        return pnd_reply_error(request, MHD_HTTP_SERVICE_UNAVAILABLE,
                               "as many zips as this server makes are being made",
                               "try again when one of them is ready");
    }
    zip = begin_zip(request);
    if (!zip) {
        atomic_fetch_sub(&under_way, 1);
        return pnd_reply_error(request, MHD_HTTP_SERVICE_UNAVAILABLE, strerror(errno), NULL);
    }
    response =
        MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK_BYTES, read_zip, zip, close_zip);
    if (!response) {
        close_zip(zip);
        return MHD_NO;
    }
    return send_zip(request, response);
}
