/* SPDX-License-Identifier: BSD-2-Clause
 *
 * panicdump send: a file, or what comes through a pipe, byte for byte. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "host/clock.h"
#include "host/guard.h"
#include "host/progress.h"
#include "host/text.h"
#include "panicdump/compress.h"
#include "panicdump/panicdump.h"
#include "panicdump/send_id.h"
#include "panicdump/send_netdump.h"
#include "panicdump/sender.h"
#include "wire/kdp.h"
#include "wire/netdump.h"

enum {
    READ_BYTES = 256 * 1024, /* a multiple of the page, so that zero pages are seen as such */
    NAME_CAP = PND_KDP_NAME_CAP,
    LABEL_CAP = 48,
    WINDOW_BYTES = 64 << 20, /* of address space: memory is used as far as the path needs it */
    WINDOW_MAX = 1 << 30,
    IDLE_BYTES = 64 << 10,  /* to be sent: less is next to nothing */
    LARGE_BYTES = 32 << 20, /* of a dump: its window is worth large pages */
};

struct send_options {
    const char *server, *name, *path, *directory;
    uint16_t port; /* 0: that of the protocol */
    enum pnd_compress_how compress;
    bool no_sparse, quiet, plain, resume, netdump;
    uint64_t window_bytes; /* 0: the default */
};

struct send {
    struct send_options options;
    struct pnd_sender sender;
    const struct pnd_codec *codec; /* NULL: none */
    struct pnd_sink sink;          /* the dump; what comes out of the codec goes there as well */
    struct pnd_progress progress;
    struct pnd_send_netdump netdump;
    int fd;
    bool regular;
    uint64_t read_bytes, total;
    void *window; /* NULL: none */
    uint8_t id[PND_CLIENT_ID_BYTES];
    char name[NAME_CAP], label[LABEL_CAP];
    uint8_t buf[READ_BYTES];
};

static struct send send_state; /* too large for the stack */

static const char usage[] =
    "usage: panicdump send --server ADDRESS[:PORT] [OPTION...] FILE|-\n"
    "\n"
    "  --port N         the server's UDP port (1069; of netdump 20023)\n"
    "  --protocol P     apple, or netdump, FreeBSD's, for a server of that\n"
    "  --path DIR       with netdump: the directory that the server is asked for\n"
    "  --name NAME      the dump's name there (the file's)\n"
    "  --compress HOW   on the way: auto (zstd, as time allows), lz4, zstd, gzip,\n"
    "                   none; adds .zst, .lz4 or .gz to the name\n"
    "  --gzip           --compress gzip\n"
    "  --no-sparse      send pages of zeros instead of skipping them\n"
    "  --resume         go on with this file where an earlier run was interrupted\n"
    "  --window SIZE    how much may be on its way at most (64M)\n"
    "  --plain          Apple's protocol only, one packet at a time\n"
    "  -q, --quiet      no progress\n"
    "\n"
    "Exit status: 0 the server holds the dump; 1 it refused, or never answered;\n"
    "2 wrong usage or an unreadable file; 130, 143 interrupted.\n";

static int parse_window(const char *text, uint64_t *ret)
{
    if (pnd_text_parse_size(text, ret) || *ret < PND_CLIENT_WINDOW_MIN || *ret > WINDOW_MAX)
        return pnd_complain(PND_EXIT_CANNOT, "--window is a size from 32K to 1G, like 16M: not %s",
                            text);
    return PND_EXIT_OK;
}

/* What FreeBSD's protocol has no place for. */
static int check_netdump(const struct send_options *o)
{
    if (!o->netdump)
        return o->directory ? pnd_complain(PND_EXIT_CANNOT, "--path is for --protocol netdump")
                            : PND_EXIT_OK;
    if (o->resume || o->plain || o->window_bytes)
        return pnd_complain(PND_EXIT_CANNOT, "netdump knows nothing of --%s: leave it out",
                            o->resume  ? "resume"
                            : o->plain ? "plain"
                                       : "window");
    if (o->compress == PND_COMPRESS_LZ4)
        return pnd_complain(PND_EXIT_CANNOT,
                            "netdump has no word for LZ4: say --compress zstd, or gzip");
    return PND_EXIT_OK;
}

static int check_options(const struct send_options *o)
{
    if (!o->server)
        return pnd_complain(PND_EXIT_CANNOT,
                            "to which server? Say --server ADDRESS of the machine where panicd "
                            "runs");
    if (o->resume && o->plain)
        return pnd_complain(PND_EXIT_CANNOT, "Apple's protocol cannot resume: leave out --plain");
    if (o->resume && strcmp(o->path, "-") == 0)
        return pnd_complain(PND_EXIT_CANNOT, "--resume needs a FILE: a pipe does not begin again");
    return check_netdump(o);
}

static int parse_protocol(const char *text, struct send_options *ret)
{
    ret->netdump = strcmp(text, "netdump") == 0;
    if (!ret->netdump && strcmp(text, "apple") != 0)
        return pnd_complain(PND_EXIT_CANNOT, "--protocol is apple or netdump: not %s", text);
    return PND_EXIT_OK;
}

static int parse_options(int argc, char **argv, struct send_options *ret)
{
    static const struct option longs[] = {
        {"server", required_argument, NULL, 's'},   {"port", required_argument, NULL, 'p'},
        {"name", required_argument, NULL, 'n'},     {"gzip", no_argument, NULL, 'z'},
        {"compress", required_argument, NULL, 'c'}, {"no-sparse", no_argument, NULL, 'S'},
        {"quiet", no_argument, NULL, 'q'},          {"window", required_argument, NULL, 'w'},
        {"plain", no_argument, NULL, 'P'},          {"resume", no_argument, NULL, 'r'},
        {"protocol", required_argument, NULL, 'o'}, {"path", required_argument, NULL, 'd'},
        {"help", no_argument, NULL, 'h'},           {NULL, 0, NULL, 0}};
    struct pnd_why why;
    int c;

    while ((c = getopt_long(argc, argv, "s:p:n:zqh", longs, NULL)) != -1) {
        switch (c) {
        case 's':
            ret->server = optarg;
            break;
        case 'p':
            if (pnd_port_parse(optarg, &ret->port, &why))
                return pnd_complain(PND_EXIT_CANNOT, "--port: %s", why.text);
            break;
        case 'n':
            ret->name = optarg;
            break;
        case 'z':
            ret->compress = PND_COMPRESS_GZIP;
            break;
        case 'c':
            if (pnd_compress_parse(optarg, &ret->compress, &why))
                return pnd_complain(PND_EXIT_CANNOT, "--compress: %s", why.text);
            break;
        case 'S':
            ret->no_sparse = true;
            break;
        case 'q':
            ret->quiet = true;
            break;
        case 'w':
            if (parse_window(optarg, &ret->window_bytes))
                return PND_EXIT_CANNOT;
            break;
        case 'P':
            ret->plain = true;
            break;
        case 'r':
            ret->resume = true;
            break;
        case 'o':
            if (parse_protocol(optarg, ret))
                return PND_EXIT_CANNOT;
            break;
        case 'd':
            ret->directory = optarg;
            break;
        case 'h':
            fputs(usage, stdout);
            return -1;
        default:
            fputs(usage, stderr);
            return PND_EXIT_CANNOT;
        }
    }
    if (optind + 1 != argc) {
        fputs(usage, stderr);
        return pnd_complain(PND_EXIT_CANNOT, optind == argc ? "which FILE? (- is standard input)"
                                                            : "one FILE at a time");
    }
    ret->path = argv[optind];
    if (ret->port == 0)
        ret->port = ret->netdump ? PND_NETDUMP_PORT : PND_KDP_PORT;
    return check_options(ret);
}

/* The basename as it is: what the name may be is the server's to say, which keeps the original. */
static int choose_name(struct send *s)
{
    const struct send_options *o = &s->options;
    const char *slash = strrchr(o->path, '/'), *base = slash ? slash + 1 : o->path;
    const char *suffix = pnd_compress_suffix(o->compress);
    char host[65];
    int len;

    if (o->name)
        len = snprintf(s->name, sizeof(s->name), "%s", o->name);
    else if (strcmp(o->path, "-") == 0)
        len = snprintf(s->name, sizeof(s->name), "stdin-%s-%" PRIx64 "%s",
                       pnd_hostname(host, sizeof(host)), (uint64_t)time(NULL), suffix);
    else
        len = snprintf(s->name, sizeof(s->name), "%s%s", base, suffix);
    if (len <= 0 || (size_t)len >= sizeof(s->name))
        return pnd_complain(PND_EXIT_CANNOT,
                            "the dump's name has to be 1 to %d bytes long: choose another with "
                            "--name",
                            NAME_CAP - 1);
    pnd_text_escape(s->label, sizeof(s->label), s->name, strlen(s->name));
    return PND_EXIT_OK;
}

static int open_source(struct send *s)
{
    struct stat st;

    s->fd = strcmp(s->options.path, "-") == 0 ? STDIN_FILENO
                                              : open(s->options.path, O_RDONLY | O_CLOEXEC);
    if (s->fd < 0 || fstat(s->fd, &st) < 0)
        return pnd_complain(PND_EXIT_CANNOT, "open %s: %s", s->options.path, strerror(errno));
    if (S_ISDIR(st.st_mode))
        return pnd_complain(PND_EXIT_CANNOT, "%s is a directory: send a file, or a pipe from tar",
                            s->options.path);
    s->regular = S_ISREG(st.st_mode) && lseek(s->fd, 0, SEEK_CUR) == 0;
    s->total = s->regular ? (uint64_t)st.st_size : 0;
    if (s->options.resume && !s->regular)
        return pnd_complain(PND_EXIT_CANNOT, "--resume needs a regular file: %s is none",
                            s->options.path);
    if (s->regular)
        s->options.compress = pnd_compress_settle(s->options.compress, s->options.resume, s->fd);
    return PND_EXIT_OK;
}

static int choose_id(struct send *s)
{
    struct stat st;

    if (!s->options.resume && pnd_send_id_random(s->id))
        return PND_EXIT_OK;
    if (!s->options.resume)
        return pnd_complain(PND_EXIT_CANNOT, "random numbers: %s", strerror(errno));
    if (fstat(s->fd, &st) < 0)
        return pnd_complain(PND_EXIT_CANNOT, "look at %s: %s", s->options.path, strerror(errno));
    pnd_send_id_of_file(&st, s->name, s->options.compress, s->id);
    return PND_EXIT_OK;
}

/* What the header says, and which bytes of the file are the dump. */
static int prepare_netdump(struct send *s)
{
    struct pnd_send_netdump *n = &s->netdump;

    n->config.path = s->options.directory;
    if (s->regular && pnd_send_netdump_look(n, s->fd, s->total))
        return pnd_complain(PND_EXIT_CANNOT, "read %s: %s", s->options.path, strerror(errno));
    if (!n->as_it_is)
        return pnd_send_netdump_make(n, s->name, s->options.compress) ? PND_EXIT_CANNOT
                                                                      : PND_EXIT_OK;
    if (s->options.compress)
        return pnd_complain(PND_EXIT_CANNOT,
                            "%s is a dump of FreeBSD's, which goes as its header says: leave out "
                            "--compress",
                            s->options.path);
    s->total = n->bytes;
    if (lseek(s->fd, (off_t)n->start, SEEK_SET) < 0)
        return pnd_complain(PND_EXIT_CANNOT, "seek in %s: %s", s->options.path, strerror(errno));
    return PND_EXIT_OK;
}

/* Without a window the dump goes over Apple's protocol. */
static void take_window(struct send *s)
{
    void *memory;

    if (s->options.plain)
        return;
    if (s->options.netdump)
        s->options.window_bytes = PND_SEND_NETDUMP_WINDOW;
    else if (s->options.window_bytes == 0)
        s->options.window_bytes = WINDOW_BYTES;
    memory = mmap(NULL, s->options.window_bytes, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
        return;
    s->window = memory;
    /* What a small dump needs of it is less than a few large pages, which would be cleared first.
     */
    if (!s->regular || s->total >= LARGE_BYTES)
        (void)madvise(memory, s->options.window_bytes, MADV_HUGEPAGE);
    (void)prctl(PR_SET_TIMERSLACK, 1000UL); /* packets are paced by the microsecond */
}

static void on_progress(void *ctx, const struct pnd_client_stats *stats)
{
    struct send *s = ctx;

    /* what was read, compressed or not, is what the total counts */
    pnd_progress_update(&s->progress, s->codec ? s->read_bytes : stats->bytes);
}

static void on_refused(void *ctx)
{
    const struct send *s = ctx;

    if (!s->options.quiet)
        pnd_complain(0,
                     "nothing is listening on UDP port %u at %s; trying on for 50 seconds, in "
                     "case panicd is being restarted there",
                     s->options.port, s->options.server);
}

/* Holes of a sparse file need not even be read. A file system that cannot tell says there are
 * none. */
static int skip_file_hole(struct send *s)
{
    off_t at = (off_t)s->read_bytes, data;

    if (!s->regular || s->options.no_sparse || s->options.netdump || s->codec ||
        s->read_bytes >= s->total)
        return PND_OK;
    data = lseek(s->fd, at, SEEK_DATA);
    if (data < 0 && errno == ENXIO)
        data = (off_t)s->total;
    lseek(s->fd, data > at ? data : at, SEEK_SET);
    if (data <= at)
        return PND_OK;
    s->read_bytes = (uint64_t)data;
    return pnd_client_skip(&s->sender.client, (uint64_t)(data - at));
}

/* Fills the buffer, however small the pieces of a pipe are.
 *   @return bytes, 0 at the end; -1 unreadable, errno says why (EINTR: a signal asks to stop) */
static ssize_t fill(struct send *s)
{
    size_t have = 0, cap = sizeof(s->buf);

    if (s->netdump.as_it_is && s->total - s->read_bytes < cap)
        cap = (size_t)(s->total - s->read_bytes); /* the last header follows */
    while (have < cap) {
        ssize_t n = read(s->fd, s->buf + have, cap - have);

        if (n < 0 && errno == EINTR && !pnd_stop_signal())
            continue;
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        have += (size_t)n;
    }
    return (ssize_t)have;
}

static int pass_on(struct send *s, size_t len)
{
    if (s->codec)
        return s->codec->write(s->codec->ctx, s->buf, len);
    return s->sink.write(s->sink.ctx, s->buf, len);
}

/* The beginning of the way that the bytes take: pnd_client_open() has to come first. */
static int begin(struct send *s)
{
    pnd_client_sink(&s->sender.client, !s->codec && !s->options.no_sparse && !s->options.netdump,
                    &s->sink);
    return s->codec ? s->codec->begin(s->codec->ctx, &s->sink) : PND_OK;
}

/* @return PND_OK; PND_E_SOURCE, errno says why; as the client */
static int send_all(struct send *s)
{
    int err = begin(s);

    while (!err) {
        ssize_t n;

        err = skip_file_hole(s);
        if (err)
            return err;
        n = fill(s);
        if (pnd_stop_signal())
            return PND_E_ABORTED;
        if (n < 0)
            return PND_E_SOURCE;
        if (n == 0)
            break;
        s->read_bytes += (uint64_t)n;
        err = pass_on(s, (size_t)n);
    }
    if (!err && s->codec)
        err = s->codec->finish(s->codec->ctx);
    return err ? err : s->sink.end(s->sink.ctx);
}

static int poll_client(void *ctx)
{
    struct pnd_client_stats stats;
    int err = pnd_client_poll(ctx);

    if (err)
        return err;
    pnd_client_stats(ctx, &stats);
    return stats.unsent_bytes < IDLE_BYTES ? PND_COMPRESS_IDLE : PND_OK;
}

static void print_result(const struct send *s, uint64_t us)
{
    struct pnd_client_stats stats;
    char rate[PND_TEXT_BYTES_CAP], through[64] = "";

    pnd_client_stats(&s->sender.client, &stats);
    pnd_text_bytes(rate, sizeof(rate),
                   us ? (uint64_t)((double)s->read_bytes * 1e6 / (double)us) : 0);
    if (s->codec)
        snprintf(through, sizeof(through), " (%" PRIu64 " compressed)", stats.bytes);
    printf("sent %s: %" PRIu64 " bytes%s in %.2f s, %s/s, %" PRIu64 " retransmissions\n", s->label,
           s->read_bytes, through, (double)us / 1e6, rate, stats.retransmissions);
    if (stats.resumed_bytes)
        printf("resumed: the server held the first %" PRIu64 " bytes\n", stats.resumed_bytes);
}

static int open_and_send(struct send *s, bool resume)
{
    struct pnd_client_config config = {
        .server = s->sender.server,
        .name = s->name,
        .progress = on_progress,
        .progress_ctx = s,
        .extension = s->options.netdump ? &pnd_client_netdump : &pnd_client_extension,
        .netdump = &s->netdump.config,
        .window = s->window,
        .window_bytes = s->options.window_bytes,
        .resume = resume,
    };
    int err;

    memcpy(config.id, s->id, sizeof(config.id));
    err = pnd_client_open(&s->sender.client, &s->sender.link, &config);
    return err ? err : send_all(s);
}

static int run(struct send *s)
{
    uint64_t start_us = pnd_clock_us();
    int err = open_and_send(s, s->options.resume), saved;

    /* What the server has is not the beginning of this file. */
    if (err == PND_E_FORMAT && s->options.resume && lseek(s->fd, 0, SEEK_SET) == 0) {
        s->read_bytes = 0;
        err = open_and_send(s, false);
    }
    saved = errno;
    pnd_progress_clear(&s->progress);
    if (err == PND_E_SOURCE) {
        pnd_client_abort(&s->sender.client);
        return pnd_complain(PND_EXIT_CANNOT, "read %s at byte %" PRIu64 ": %s", s->options.path,
                            s->read_bytes, strerror(saved));
    }
    if (err == PND_E_ARG && s->options.netdump && s->read_bytes == 0)
        return pnd_complain(PND_EXIT_CANNOT, "%s is empty, and netdump has no empty dumps",
                            s->options.path);
    if (err == PND_E_NAME && s->options.netdump)
        return pnd_complain(PND_EXIT_CANNOT,
                            "--path is a directory beneath the server's, in few words, without "
                            "..: not %s",
                            s->options.directory);
    if (err)
        return pnd_sender_failed(&s->sender, err);
    print_result(s, pnd_clock_us() - start_us);
    return PND_EXIT_OK;
}

/* Servers that answer to FreeBSD's port whatever a packet came from are heard only there. */
static void bind_netdump(struct send *s)
{
    s->sender.netdump = true;
    if (!pnd_udp_bind(&s->sender.udp, PND_NETDUMP_CLIENT_PORT) && !s->options.quiet)
        pnd_complain(0,
                     "UDP port %d is in use on this machine; sending from another, where panicd "
                     "answers, and netdumpd does not",
                     PND_NETDUMP_CLIENT_PORT);
}

int pnd_verb_send(int argc, char **argv)
{
    struct send *s = &send_state;
    const struct pnd_compress_poll poll = {.ctx = &s->sender.client, .poll = poll_client};
    struct pnd_why why;
    int status = parse_options(argc, argv, &s->options);

    if (status)
        return status < 0 ? PND_EXIT_OK : status;
    s->sender.server.port = s->options.port;
    if (pnd_endpoint_parse(s->options.server, &s->sender.server, &why))
        return pnd_complain(PND_EXIT_CANNOT, "%s", why.text);
    status = open_source(s);
    if (!status)
        status = choose_name(s);
    if (!status)
        status = s->options.netdump ? prepare_netdump(s) : choose_id(s);
    if (status)
        return status;
    pnd_stop_init();
    pnd_progress_init(&s->progress, s->label, s->total, s->options.quiet);
    if (pnd_compress_make(s->options.compress, &poll, &s->codec, &why))
        return pnd_complain(PND_EXIT_CANNOT, "%s: send with --compress none", why.text);
    if (pnd_udp_open(&s->sender.udp, 0, &s->sender.link, &why))
        return pnd_complain(PND_EXIT_CANNOT, "%s", why.text);
    if (s->options.netdump)
        bind_netdump(s);
    take_window(s);
    pnd_udp_fit(s->sender.server, &s->sender.link);
    s->sender.udp.on_refused = on_refused;
    s->sender.udp.on_refused_ctx = s;
    status = run(s);
    pnd_udp_close(&s->sender.udp);
    return status;
}
