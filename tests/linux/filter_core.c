/* SPDX-License-Identifier: BSD-2-Clause
 *
 * filter-core LEVEL CORE OUT: the filtered dump that a crash kernel would send, of a core in a
 * file, into a file; and what it took. LEVEL "d31": the same by makedumpfile, flattened. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "capture/content.h"
#include "host/clock.h"
#include "host/io.h"

struct out {
    int fd;
    uint64_t bytes;
};

static int write_out(void *ctx, const void *buf, size_t len)
{
    struct out *out = ctx;

    out->bytes += len;
    return out->fd < 0 ? PND_OK : pnd_io_write(out->fd, buf, len);
}

static int end_out(void *ctx)
{
    (void)ctx;
    return PND_E_ARG; /* a content does not end its sink */
}

static int run(const struct pnd_content *content, const char *path, uint64_t opened_us,
               const struct pnd_why *why)
{
    struct out out = {.fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600)};
    struct pnd_sink sink = {&out, write_out, end_out};
    struct rusage usage;
    uint64_t start_us = pnd_clock_us(), first;
    int err;

    if (out.fd < 0) {
        perror(path);
        return 1;
    }
    err = content->write(content->ctx, &sink);
    first = out.bytes;
    getrusage(RUSAGE_SELF, &usage);
    printf("%s: %" PRIu64 " bytes, said %" PRIu64 "; chosen in %" PRIu64 " us, written in %" PRIu64
           " us; %ld KiB\n",
           pnd_err_text(err), first, content->bytes, opened_us, pnd_clock_us() - start_us,
           usage.ru_maxrss);
    if (err)
        printf("%s\n", why->text);
    if (!err) { /* a second time it is the same */
        close(out.fd);
        out = (struct out){.fd = -1};
        err = content->write(content->ctx, &sink);
        if (out.bytes != first && content->bytes != 0)
            err = PND_E_FORMAT;
    }
    if (out.fd >= 0)
        close(out.fd);
    return err || (content->bytes != 0 && first != content->bytes);
}

int main(int argc, char **argv)
{
    static struct pnd_vmcore_file file;
    struct pnd_content content;
    struct pnd_why why = {.text = ""};
    bool other = argc == 4 && argv[1][0] == 'd';
    uint64_t start_us;
    unsigned level;
    int err;

    if (argc != 4) {
        fprintf(stderr, "usage: filter-core LEVEL CORE OUT\n");
        return 2;
    }
    level = (unsigned)strtoul(argv[1] + other, NULL, 10);
    err = pnd_vmcore_file_open(&file, argv[2], &why);
    start_us = pnd_clock_us();
    if (!err && other)
        err = pnd_content_makedumpfile(&file, "makedumpfile", level, &content, &why);
    else if (!err)
        err = pnd_content_filtered(&file, level, &content, &why);
    if (err) {
        fprintf(stderr, "filter-core: %s: %s\n", pnd_err_text(err), why.text);
        return 1;
    }
    err = run(&content, argv[3], pnd_clock_us() - start_us, &why);
    pnd_vmcore_file_close(&file);
    return err;
}
