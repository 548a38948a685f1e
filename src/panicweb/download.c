/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A dump as it lies in the directory; see download.h. */
#include "panicweb/download.h"

#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/guard.h"
#include "host/io.h"
#include "panicweb/data.h"
#include "panicweb/http.h"
#include "panicweb/reply.h"

enum {
    BLOCK_BYTES = 256 << 10, /* read at once */
    ETAG_CAP = 96,
    HEADER_CAP = 4 * PND_SPOOL_NAME_CAP + 64,
};

struct source {
    int fd;
    uint64_t start;
};

static atomic_uint under_way;

static ssize_t read_source(void *cls, uint64_t pos, char *buf, size_t max)
{
    const struct source *source = cls;
    ssize_t n = pnd_io_read_at(source->fd, source->start + pos, buf, max);

    return n > 0 ? n : MHD_CONTENT_READER_END_WITH_ERROR; /* it has become shorter */
}

static void close_source(void *cls)
{
    struct source *source = cls;

    close(source->fd);
    free(source);
    atomic_fetch_sub(&under_way, 1);
}

/* Takes @p fd, also on error. @return NULL: no memory */
static struct MHD_Response *stream(int fd, const struct pnd_range *range)
{
    struct source *source = malloc(sizeof(*source));
    struct MHD_Response *response;

    if (!source) {
        close(fd);
        return NULL;
    }
    *source = (struct source){.fd = fd, .start = range->start};
    atomic_fetch_add(&under_way, 1);
    response = MHD_create_response_from_callback(range->end - range->start, BLOCK_BYTES,
                                                 read_source, source, close_source);
    if (!response)
        close_source(source);
    return response;
}

static const char *header_of(const struct pnd_request *request, const char *name)
{
    return MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);
}

/* Of what was received, when that is known; else it changes when the file does. */
static void make_etag(const struct pnd_dump *dump, const struct stat *st, char ret[ETAG_CAP])
{
    if (dump->sha256[0] && (uint64_t)st->st_size == dump->bytes)
        snprintf(ret, ETAG_CAP, "\"%s\"", dump->sha256);
    else
        snprintf(ret, ETAG_CAP, "\"%llx-%llx-%lx\"", (unsigned long long)st->st_size,
                 (unsigned long long)st->st_mtim.tv_sec, (unsigned long)st->st_mtim.tv_nsec);
}

static int find(const struct pnd_request *request, struct pnd_dump *ret, int *ret_fd,
                struct pnd_why *why)
{
    struct pnd_catalog *catalog = NULL;
    char id[24];
    int err = pnd_data_lock(request->web->data, &catalog, why);

    snprintf(id, sizeof(id), "%" PRIu64, request->id);
    if (!err)
        err = catalog ? pnd_catalog_find(catalog, id, ret, why)
                      : pnd_why(why, PND_E_NOTFOUND, 0, "no dump has been received yet");
    pnd_data_unlock(request->web->data);
    if (err)
        return err;
    if (ret->id != request->id) /* something else is called so */
        return pnd_why(why, PND_E_NOTFOUND, 0, "there is no dump %s", id);
    *ret_fd = pnd_spool_open_file(&request->web->spool, ret->file);
    if (*ret_fd == PND_E_NOTFOUND)
        return pnd_why(why, PND_E_NOTFOUND, 0, "the file of dump %s is not there any more", id);
    return *ret_fd < 0 ? pnd_why(why, PND_E_SYS, errno, "open the file of dump %s", id) : PND_OK;
}

static enum MHD_Result send_empty(const struct pnd_request *request, unsigned status,
                                  const char *name, const char *value)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);

    if (!response)
        return MHD_NO;
    pnd_reply_dress(response, "private, no-cache");
    MHD_add_response_header(response, name, value);
    return pnd_reply_send(request, status, response);
}

static enum MHD_Result send_part(const struct pnd_request *request, const struct pnd_dump *dump,
                                 int fd, const struct pnd_range *range, uint64_t size,
                                 const char *etag)
{
    struct MHD_Response *response = stream(fd, range);
    char text[HEADER_CAP];

    if (!response)
        return MHD_NO;
    pnd_reply_dress(response, "private, no-cache");
    MHD_add_response_header(response, "Content-Type", "application/octet-stream");
    MHD_add_response_header(response, "Content-Disposition",
                            pnd_http_attachment(dump->file, text, sizeof(text)));
    MHD_add_response_header(response, "Accept-Ranges", "bytes");
    MHD_add_response_header(response, "ETag", etag);
    if (range->kind == PND_RANGE_PART) {
        snprintf(text, sizeof(text), "bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64, range->start,
                 range->end - 1, size);
        MHD_add_response_header(response, "Content-Range", text);
    }
    return pnd_reply_send(
        request, range->kind == PND_RANGE_PART ? MHD_HTTP_PARTIAL_CONTENT : MHD_HTTP_OK, response);
}

enum MHD_Result pnd_download_file(struct pnd_request *request)
{
    const char *if_range = header_of(request, "If-Range"),
               *if_match = header_of(request, "If-Match");
    struct pnd_why why = {0};
    struct pnd_range range;
    struct pnd_dump dump = {0};
    struct stat st;
    char etag[ETAG_CAP], text[64];
    PND_AUTO_CLOSE int fd = -1;
    int err = find(request, &dump, &fd, &why);

    if (err)
        return pnd_reply_why(request, err, &why);
    if (fstat(fd, &st) != 0)
        return pnd_reply_error(request, MHD_HTTP_SERVICE_UNAVAILABLE, strerror(errno), NULL);
    make_etag(&dump, &st, etag);
    if (if_match && !pnd_http_etag_listed(if_match, etag, false))
        return send_empty(request, MHD_HTTP_PRECONDITION_FAILED, "ETag", etag);
    if (pnd_http_etag_listed(header_of(request, "If-None-Match"), etag, true))
        return send_empty(request, MHD_HTTP_NOT_MODIFIED, "ETag", etag);
    /* A time in If-Range is never exact enough: the whole. */
    pnd_http_range(if_range && strcmp(if_range, etag) != 0 ? NULL : header_of(request, "Range"),
                   (uint64_t)st.st_size, &range);
    if (range.kind == PND_RANGE_BEYOND) {
        snprintf(text, sizeof(text), "bytes */%lld", (long long)st.st_size);
        return send_empty(request, MHD_HTTP_RANGE_NOT_SATISFIABLE, "Content-Range", text);
    }
    if (!request->head && atomic_load(&under_way) >= PND_WEB_DOWNLOADS_MAX)
        return pnd_reply_error(request, MHD_HTTP_SERVICE_UNAVAILABLE,
                               "as many downloads as this server takes are under way",
                               "try again when some of them have ended");
    return send_part(request, &dump, pnd_steal_fd(&fd), &range, (uint64_t)st.st_size, etag);
}
