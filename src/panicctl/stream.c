/* SPDX-License-Identifier: BSD-2-Clause
 *
 * From a source to a dump; see stream.h. */
#include "panicctl/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/guard.h"
#include "host/progress.h"
#include "panicctl/importer.h"

enum { BLOCK_LEN = 256 << 10 };

volatile sig_atomic_t pnd_stream_ended;

static void on_signal(int number)
{
    (void)number;
    pnd_stream_ended = 1;
}

void pnd_stream_catch_signals(void)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction action = {.sa_handler = on_signal}; /* without SA_RESTART: read() ends */

    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
        sigaction(numbers[i], &action, NULL);
    action.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &action, NULL);
}

long pnd_stream_read_fd(void *ctx, void *buf, size_t len, struct pnd_why *why)
{
    const int *fd = ctx;
    ssize_t n;

    do {
        n = read(*fd, buf, len);
    } while (n < 0 && errno == EINTR && !pnd_stream_ended);
    return n >= 0 ? (long)n : pnd_why(why, PND_E_SOURCE, errno, "read it");
}

/* ---- room ---- */

static uint64_t free_bytes(void *ctx)
{
    const struct pnd_ctl *ctl = ctx;
    uint64_t room, total;

    return pnd_spool_room(&ctl->spool, &room, &total) == PND_OK ? room : UINT64_MAX;
}

/* What a full disk needs for a row. @return -1: it has to do without */
static int take_reserve(const struct pnd_ctl *ctl)
{
    PND_AUTO_CLOSE int fd = openat(ctl->spool.dir_fd, ".", O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);

    if (fd < 0 || posix_fallocate(fd, 0, PND_STREAM_RESERVE) != 0)
        return -1;
    return pnd_steal_fd(&fd);
}

/* ---- the stream ---- */

struct pump {
    struct pnd_stream *stream;
    struct pnd_stream_file *file;
    struct pnd_progress progress;
    uint64_t came;
};

/* @return PND_OK at the end of the source; anything else: it ended early */
static int pump(struct pump *pump, struct pnd_why *why)
{
    const struct pnd_stream_source *source = &pump->stream->source;
    uint8_t *buf = malloc(BLOCK_LEN);
    int err = buf ? PND_OK : pnd_why(why, PND_E_SYS, ENOMEM, "make a buffer");
    long n = 1;

    while (!err && n > 0) {
        n = pnd_stream_ended ? PND_E_ABORTED : source->read(source->ctx, buf, BLOCK_LEN, why);
        if (pnd_stream_ended)
            err = pnd_why(why, PND_E_ABORTED, 0, "its receiver was told to end");
        else if (n < 0)
            err = (int)n;
        else if (n > 0)
            err = pnd_stream_file_write(pump->file, buf, (size_t)n, why);
        pump->came += n > 0 ? (uint64_t)n : 0;
        pnd_progress_update(&pump->progress, pump->came);
    }
    free(buf);
    return err;
}

static void say_incomplete(struct pnd_dump *dump, const char *reason)
{
    dump->state = PND_DUMP_INCOMPLETE;
    snprintf(dump->reason, sizeof(dump->reason), "%.*s", (int)sizeof(dump->reason) - 1, reason);
}

/* @return PND_OK: the file has something, and its dump's state says what is known of its end */
static int fill(struct pnd_ctl *ctl, struct pnd_stream *stream, struct pnd_importer *importer,
                struct pnd_why *why)
{
    struct pump pumped = {.stream = stream};
    const struct pnd_stream_room room = {.ctx = ctl, .free_bytes = free_bytes};
    struct pnd_why cause = {0}, end_cause = {0};
    uint64_t bytes = 0;
    int err = pnd_stream_file_create(importer->stage.fd, stream->as_it_came,
                                     stream->bytes_max ? stream->bytes_max : PND_STREAM_BYTES_MAX,
                                     stream->floor_bytes, stream->floor_bytes ? &room : NULL,
                                     &pumped.file),
        end;

    if (err)
        return pnd_why(why, err, ENOMEM, "make room for the stream");
    pnd_progress_init(&pumped.progress, "receive", 0, stream->quiet || isatty(STDERR_FILENO) != 1);
    err = pump(&pumped, &cause);
    pnd_progress_clear(&pumped.progress);
    end = pnd_stream_file_finish(pumped.file, &bytes, &end_cause);
    pnd_stream_file_destroy(pumped.file);
    if (err || end)
        say_incomplete(&importer->dump, err ? cause.text : end_cause.text);
    if (bytes > 0)
        return PND_OK;
    return pnd_why(why, PND_E_SHORT, 0, "nothing that could be kept came%s%s",
                   err || end ? ": " : "", err ? cause.text : end_cause.text);
}

int pnd_stream_receive(struct pnd_ctl *ctl, struct pnd_stream *stream, struct pnd_why *why)
{
    struct pnd_importer importer;
    int err = pnd_importer_begin_stream(ctl, &stream->dump, &importer, why), reserve;

    if (err)
        return err;
    reserve = take_reserve(ctl);
    err = fill(ctl, stream, &importer, why);
    pnd_guard_close(&reserve);
    if (!err) {
        err = pnd_importer_commit(ctl, &importer, why);
        if (err)
            importer.stage.temp[0] = '\0'; /* what came stays, for whoever comes next */
    }
    if (!err)
        stream->dump = importer.dump;
    pnd_importer_close(&importer);
    return err;
}
