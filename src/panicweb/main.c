/* SPDX-License-Identifier: BSD-2-Clause
 *
 * panicweb: the page. Arguments, start-up, and the end. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "host/guard.h"
#include "host/io.h"
#include "host/log.h"
#include "host/text.h"
#include "panicweb/assets.h"
#include "panicweb/auth.h"
#include "panicweb/cache.h"
#include "panicweb/cage.h"
#include "panicweb/data.h"
#include "panicweb/feed.h"
#include "panicweb/guests.h"
#include "panicweb/listen.h"
#include "panicweb/runner.h"
#include "panicweb/symbolic.h"

#ifndef PND_VERSION
#define PND_VERSION "unknown"
#endif

#define DIRECTORY_LOCAL   "PanicDumps"
#define DIRECTORY_SERVICE "/var/lib/panicd"

enum {
    EXIT_CANNOT = 2,
    PORT_MAX = 65535,
    NAMES_MAX = 16,
    PEM_BYTES_MAX = 1 << 20,
    NICE = 5, /* receiving goes first */
    FILES_SPARE = 256,
    OPTION_PASSWORDS = 256, /* behind all letters */
    OPTION_TOKENS,
    OPTION_CERTIFICATE,
    OPTION_KEY,
    OPTION_NAME,
    OPTION_SYMBOLS,
};

static const char usage[] =
    "Usage: panicweb [OPTION]... [DIRECTORY]\n"
    "Shows the dumps of DIRECTORY (default: ./PanicDumps if there, /var/lib/panicd) to browsers.\n"
    "\n"
    "  -a, --address ADDR        listen on this address (default: 127.0.0.1)\n"
    "  -p, --port PORT           TCP port (default: 1070; 0: any)\n"
    "      --password-file FILE  who may look: lines of NAME:HASH or NAME:HASH:view\n"
    "      --token-file FILE     the same by tokens: TOKEN, TOKEN:view, TOKEN:metrics\n"
    "      --certificate FILE    HTTPS, with this certificate (PEM, chain included)\n"
    "      --key FILE            and its private key (PEM)\n"
    "      --name NAME           another name of this page, in front of which a proxy stands\n"
    "      --symbols DIRECTORY   kernels with symbols: their names in the logs\n"
    "  -v, --verbose             log more\n"
    "  -q, --quiet               log warnings and errors only\n"
    "  -h, --help                show this\n"
    "  -V, --version             show the version\n"
    "\n"
    "On an address that others reach it wants a password file or a token file.\n";

struct options {
    const char *directory, *address, *passwords, *tokens, *certificate, *key, *symbols;
    const char *names[NAMES_MAX];
    unsigned name_count;
    uint16_t port;
    enum pnd_log_level log_level;
};

static int fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static int fail(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    fputs("panicweb: ", stderr);
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
    va_end(ap);
    return EXIT_CANNOT;
}

/* ---- the options ---- */

/* @return 0: go on; else the process ends with this code - 1 */
static int take_option(int option, struct options *ret)
{
    uint64_t port;

    switch (option) {
    case 'a':
        ret->address = optarg;
        return 0;
    case 'p':
        if (pnd_text_parse_uint(optarg, &port) || port > PORT_MAX)
            return 1 + fail("--port takes a number from 0 to %d", PORT_MAX);
        ret->port = (uint16_t)port;
        return 0;
    case OPTION_PASSWORDS:
        ret->passwords = optarg;
        return 0;
    case OPTION_TOKENS:
        ret->tokens = optarg;
        return 0;
    case OPTION_CERTIFICATE:
        ret->certificate = optarg;
        return 0;
    case OPTION_KEY:
        ret->key = optarg;
        return 0;
    case OPTION_NAME:
        if (ret->name_count == NAMES_MAX)
            return 1 + fail("--name may stand there %d times", NAMES_MAX);
        ret->names[ret->name_count++] = optarg;
        return 0;
    case OPTION_SYMBOLS:
        ret->symbols = optarg;
        return 0;
    case 'v':
        ret->log_level = PND_DEBUG;
        return 0;
    case 'q':
        ret->log_level = PND_WARNING;
        return 0;
    case 'h':
        fputs(usage, stdout);
        return 1;
    case 'V':
        puts("panicweb " PND_VERSION);
        return 1;
    default:
        fputs("Type \"panicweb --help\" for the options.\n", stderr);
        return 1 + EXIT_CANNOT;
    }
}

static int parse_options(int argc, char **argv, struct options *ret)
{
    static const struct option longs[] = {
        {"address", required_argument, NULL, 'a'},
        {"port", required_argument, NULL, 'p'},
        {"password-file", required_argument, NULL, OPTION_PASSWORDS},
        {"token-file", required_argument, NULL, OPTION_TOKENS},
        {"certificate", required_argument, NULL, OPTION_CERTIFICATE},
        {"key", required_argument, NULL, OPTION_KEY},
        {"name", required_argument, NULL, OPTION_NAME},
        {"symbols", required_argument, NULL, OPTION_SYMBOLS},
        {"verbose", no_argument, NULL, 'v'},
        {"quiet", no_argument, NULL, 'q'},
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'V'},
        {0},
    };
    struct stat st;
    int option;

    *ret = (struct options){.address = "127.0.0.1", .port = PND_WEB_PORT, .log_level = PND_INFO};
    while ((option = getopt_long(argc, argv, "a:p:vqhV", longs, NULL)) != -1) {
        int code = take_option(option, ret);

        if (code)
            return code;
    }
    if (argc - optind > 1)
        return 1 + fail("one DIRECTORY; type \"panicweb --help\"");
    if (!ret->certificate != !ret->key)
        return 1 + fail("--certificate and --key go together");
    /* In a directory what a dump names by its id is found. A file alone would be believed to be the
     * kernel of every dump that names none. */
    if (ret->symbols && stat(ret->symbols, &st) != 0)
        return 1 + fail("look at %s: %s", ret->symbols, strerror(errno));
    if (ret->symbols && (!S_ISDIR(st.st_mode) || access(ret->symbols, R_OK | X_OK) != 0))
        return 1 +
               fail("--symbols takes a directory that can be read: put %s into one", ret->symbols);
    if (optind < argc)
        ret->directory = argv[optind];
    else
        ret->directory = stat(DIRECTORY_LOCAL, &st) == 0 && S_ISDIR(st.st_mode) ? DIRECTORY_LOCAL
                                                                                : DIRECTORY_SERVICE;
    return 0;
}

/* ---- what is read before the cage closes ---- */

/* @return the caller's; NULL: said why */
static char *read_pem(const char *path)
{
    PND_AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    char *text = fd < 0 ? NULL : calloc(1, PEM_BYTES_MAX + 1);
    ssize_t n = text ? pnd_io_read_at(fd, 0, text, PEM_BYTES_MAX) : -1;

    if (n > 0)
        return text;
    fail("read %s: %s", path, n < 0 ? strerror(errno) : "it is empty");
    free(text);
    return NULL;
}

/* On an address that others reach, everybody would see everything. */
static int decide_who(const struct options *options, struct pnd_web *web)
{
    struct pnd_why why = {0};

    if (options->passwords || options->tokens)
        return pnd_auth_open(options->passwords, options->tokens, &web->auth, &why)
                   ? fail("%s", why.text)
                   : 0;
    if (web->local)
        return 0;
    return fail("others reach %s: say who may look, with --password-file FILE. To make one, type:\n"
                "  echo \"NAME:$(mkpasswd -m yescrypt)\" > FILE\n"
                "or listen on 127.0.0.1 alone",
                options->address);
}

static void raise_limits(void)
{
    struct rlimit files = {0};
    rlim_t want = PND_WEB_CONNECTIONS_MAX + PND_WEB_DOWNLOADS_MAX + FILES_SPARE;

    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < want) {
        files.rlim_cur = files.rlim_max < want ? files.rlim_max : want;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    (void)!nice(NICE);
}

/* ---- the server ---- */

__attribute__((format(printf, 2, 0))) static void log_library(void *cls, const char *fmt,
                                                              va_list ap)
{
    char text[512], safe[1024];

    (void)cls;
    vsnprintf(text, sizeof(text), fmt, ap);
    text[strcspn(text, "\n")] = '\0';
    pnd_log(PND_DEBUG, "web-library", "said=\"%s\"",
            pnd_text_escape(safe, sizeof(safe), text, strlen(text)));
}

static struct MHD_Daemon *serve(struct pnd_web *web, int fd, const char *certificate,
                                const char *key)
{
    unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG |
                     (certificate ? MHD_USE_TLS : 0);
    struct MHD_OptionItem tls[] = {
        {MHD_OPTION_HTTPS_MEM_CERT, 0, (void *)(uintptr_t)certificate},
        {MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)(uintptr_t)key},
        {MHD_OPTION_END, 0, NULL},
    };

    if (!certificate)
        tls[0].option = MHD_OPTION_END;
    return MHD_start_daemon(
        flags, 0, NULL, NULL, pnd_route, web, MHD_OPTION_EXTERNAL_LOGGER, log_library, NULL,
        MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_THREAD_POOL_SIZE, (unsigned)PND_WEB_THREADS,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)PND_WEB_CONNECTIONS_MAX,
        MHD_OPTION_PER_IP_CONNECTION_LIMIT, (unsigned)PND_WEB_PER_ADDRESS_MAX,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)PND_WEB_CONNECTION_BYTES,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)PND_WEB_IDLE_S, MHD_OPTION_NOTIFY_CONNECTION,
        pnd_guests_connection, web->guests, MHD_OPTION_NOTIFY_COMPLETED, pnd_guests_completed,
        web->guests, MHD_OPTION_ARRAY, tls, MHD_OPTION_END);
}

static void wait_for_the_end(void)
{
    sigset_t set;
    int sig;

    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigwait(&set, &sig);
}

static void block_signals(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL); /* of all threads that are to come */
    signal(SIGPIPE, SIG_IGN);
}

static int make_parts(const struct options *options, struct pnd_web *web, struct pnd_why *why)
{
    int err = pnd_guests_create(&web->guests, why);

    if (!err)
        err = pnd_data_create(&web->spool, &web->data, why);
    if (!err)
        err = pnd_cache_create(&web->cache, why);
    if (!err && options->symbols && web->runner)
        err = pnd_symbolic_start(web->runner, &web->symbolic, why);
    if (!err)
        err = pnd_feed_start(&web->spool, web->guests, &web->feed, why);
    if (err)
        pnd_symbolic_stop(web->symbolic);
    return err;
}

/* No response waits for anything any more. */
static void stop_parts(struct pnd_web *web)
{
    pnd_symbolic_stop(web->symbolic);
    pnd_feed_stop(web->feed);
}

static void drop_parts(struct pnd_web *web)
{
    pnd_symbolic_destroy(web->symbolic);
    pnd_runner_stop(web->runner);
    pnd_feed_destroy(web->feed);
    pnd_cache_destroy(web->cache);
    pnd_data_destroy(web->data);
    pnd_guests_destroy(web->guests);
    pnd_auth_close(web->auth);
    pnd_spool_close(&web->spool);
}

static int run(const struct options *options, struct pnd_web *web, const struct pnd_listen *listen,
               const char *certificate, const char *key)
{
    struct MHD_Daemon *daemon;
    struct pnd_why why = {0};

    if (pnd_runner_start(&web->spool, options->symbols, &web->runner, &why))
        pnd_log(PND_WARNING, "web-no-zips", "why=\"%s\"", why.text);
    if (pnd_web_cage_files(&web->spool, &why) || make_parts(options, web, &why))
        return fail("%s", why.text);
    daemon = serve(web, listen->fd, certificate, key);
    if (!daemon) {
        stop_parts(web);
        return fail("could not start to serve%s",
                    certificate ? ": do certificate and key go together?" : "");
    }
    if (pnd_web_cage_calls(&why)) {
        stop_parts(web);
        MHD_stop_daemon(daemon);
        return fail("%s", why.text);
    }
    if (!web->local && !certificate)
        pnd_log(PND_WARNING, "web-plain",
                "passwords=\"go over the network as they are; --certificate and --key protect "
                "them\"");
    pnd_log(PND_INFO, "web-ready", "address=%s directory=\"%s\" assets=%zu", listen->host,
            options->directory, pnd_asset_count);
    printf("panicweb: http%s://%s/\n", certificate ? "s" : "", listen->host);
    fflush(stdout);
    sd_notify(0, "READY=1");
    wait_for_the_end();
    sd_notify(0, "STOPPING=1");
    stop_parts(web);
    MHD_stop_daemon(daemon);
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    struct pnd_web web = {.spool = {.dir_fd = -1, .state_fd = -1, .lock_fd = -1}};
    char *certificate = NULL, *key = NULL;
    struct pnd_listen listen = {.fd = -1};
    struct pnd_why why = {0};
    struct options options;
    int code = parse_options(argc, argv, &options);

    if (code)
        return code - 1;
    pnd_log_init(options.log_level);
    block_signals();
    raise_limits();
    if (pnd_spool_open_readonly(&web.spool, options.directory, &why))
        return fail("%s; panicd makes it: start that first, with: panicd %s", why.text,
                    options.directory);
    if (pnd_listen_open(options.address, options.port, &listen, &why))
        return fail("%s", why.text);
    web.local = listen.local;
    web.names = options.names;
    web.name_count = options.name_count;
    code = decide_who(&options, &web);
    if (!code && options.certificate && options.key) {
        certificate = read_pem(options.certificate);
        key = read_pem(options.key);
        code = certificate && key ? 0 : EXIT_CANNOT;
    }
    if (!code)
        code = run(&options, &web, &listen, certificate, key);
    drop_parts(&web);
    free(certificate);
    free(key);
    return code;
}
