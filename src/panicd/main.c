/* SPDX-License-Identifier: BSD-2-Clause
 *
 * panicd: receives kernel core dumps. Arguments, start-up, the event loop. */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <time.h>
#include <unistd.h>

#include "host/clock.h"
#include "host/log.h"
#include "host/text.h"
#include "inspect/check.h"
#include "panicd/control.h"
#include "panicd/listen.h"
#include "panicd/receive.h"
#include "panicd/server.h"
#include "panicd/service.h"
#include "store/beside.h"
#include "store/paths.h"

enum {
    EXIT_CANNOT = 2,
    OPTION_NETDUMP_PORT = 256, /* behind all letters */
    OPTION_TFTP_PORT,
    PORT_MAX = 65535,
    JOBS_PER_SLOT = 2, /* a write-back and an end */
    JOBS_SPARE = 64,
    EVENTS = 64,
    LOCK_PATIENCE_MS = 2000,
    LOCK_PAUSE_MS = 10,
    SPIN_US = 50,          /* the next packet of a dump is waited for awake, this long */
    SPIN_SKIPS_MAX = 256,  /* and not, for so many turns, when it did not come */
    MIXED_MS = 100,        /* what so long a time brought tells whether one socket brings it all */
    HURRY_ROUNDS_MAX = 64, /* packets, before everything else gets its turn */
    HURRY_MS = 4,
    HEAR_ROUNDS_MAX = 8, /* before deadlines count whatever may still wait in a socket */
};

static const char usage[] =
    "Usage: panicd [OPTION]... [DIRECTORY]\n"
    "Receives kernel core dumps into DIRECTORY (default: ./PanicDumps).\n"
    "\n"
    "  -a, --address ADDR  listen on this address (may be repeated; default: all)\n"
    "  -p, --port PORT     UDP port of Apple's protocol (default: 1069)\n"
    "      --netdump-port PORT  UDP port of FreeBSD's netdump (default: 20023; 0: none)\n"
    "      --tftp-port PORT  UDP port of TFTP, 69 as a rule (default: 0, none)\n"
    "  -i, --hook PROGRAM  call it for each dump of netdump, as netdumpd -i does\n"
    "  -c, --config FILE   read panicd.conf(5) settings from FILE; SIGHUP reads it again\n"
    "  -v, --verbose       log more\n"
    "  -q, --quiet         log warnings and errors only\n"
    "  -h, --help          show this\n"
    "  -V, --version       show the version\n"
    "\n"
    "What to type on a machine that may panic: \"panicctl setup --help\".\n"
    "Would its dump arrive: \"panicctl doctor\".\n"
    "See what arrives with \"panicctl status\", \"panicctl watch\" and \"panicctl list\".\n";

/* What an epoll event is about, where no object stands for it. */
static char socket_tag, signal_tag;

/* Turns in which the next packet is not waited for awake: still to come, and of the last time. */
struct spinning {
    unsigned skip, skips;
    bool silent; /* the last sleep in the socket brought nothing */
    /* The socket that brought something last, and until when others did so, too. */
    unsigned sock;
    uint64_t mixed_until_ms;
};

struct options {
    const char *config_path, *directory, *hook, *addresses[PND_CONFIG_ADDRESSES_MAX];
    unsigned address_count;
    uint64_t ports[PND_SERVICES]; /* PND_CONFIG_PORT_UNSAID: not given */
    enum pnd_log_level log_level;
};

static int fail(const struct pnd_why *why)
{
    fprintf(stderr, "panicd: %s\n", why->text);
    return EXIT_CANNOT;
}

static int parse_port(const char *text, enum pnd_service service, struct options *ret)
{
    const struct pnd_service_is *is = pnd_service(service);
    uint64_t min = is->needed ? 1 : 0, port;

    if (pnd_text_parse_uint(text, &port) || port < min || port > PORT_MAX) {
        fprintf(stderr, "panicd: %s takes a number from %u to %d\n", is->port_option, (unsigned)min,
                PORT_MAX);
        return PND_E_ARG;
    }
    ret->ports[service] = port;
    return PND_OK;
}

/* @return 0: go on; else the process ends with this code - 1 */
static int parse_options(int argc, char **argv, struct options *ret)
{
    static const struct option longs[] = {
        {"address", required_argument, NULL, 'a'},
        {"port", required_argument, NULL, 'p'},
        {"netdump-port", required_argument, NULL, OPTION_NETDUMP_PORT},
        {"tftp-port", required_argument, NULL, OPTION_TFTP_PORT},
        {"config", required_argument, NULL, 'c'},
        {"hook", required_argument, NULL, 'i'},
        {"verbose", no_argument, NULL, 'v'},
        {"quiet", no_argument, NULL, 'q'},
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'V'},
        {0},
    };
    int c;

    *ret = (struct options){.log_level = PND_INFO};
    for (unsigned i = 0; i < PND_SERVICES; i++)
        ret->ports[i] = PND_CONFIG_PORT_UNSAID;
    while ((c = getopt_long(argc, argv, "a:p:c:i:vqhV", longs, NULL)) != -1) {
        switch (c) {
        case 'a':
            if (ret->address_count == PND_CONFIG_ADDRESSES_MAX) {
                fprintf(stderr, "panicd: more than %d addresses\n", PND_CONFIG_ADDRESSES_MAX);
                return 1 + EXIT_CANNOT;
            }
            ret->addresses[ret->address_count++] = optarg;
            break;
        case 'p':
            if (parse_port(optarg, PND_SERVICE_KDP, ret))
                return 1 + EXIT_CANNOT;
            break;
        case OPTION_NETDUMP_PORT:
            if (parse_port(optarg, PND_SERVICE_NETDUMP, ret))
                return 1 + EXIT_CANNOT;
            break;
        case OPTION_TFTP_PORT:
            if (parse_port(optarg, PND_SERVICE_TFTP, ret))
                return 1 + EXIT_CANNOT;
            break;
        case 'c':
            ret->config_path = optarg;
            break;
        case 'i':
            ret->hook = optarg;
            break;
        case 'v':
            ret->log_level = PND_DEBUG;
            break;
        case 'q':
            ret->log_level = PND_WARNING;
            break;
        case 'h':
            fputs(usage, stdout);
            return 1;
        case 'V':
            puts("panicd " PND_VERSION);
            return 1;
        default:
            fputs("panicd: \"panicd --help\" shows what may stand here\n", stderr);
            return 1 + EXIT_CANNOT;
        }
    }
    if (argc - optind > 1) {
        fprintf(stderr, "panicd: one DIRECTORY, not %d\n", argc - optind);
        return 1 + EXIT_CANNOT;
    }
    ret->directory = argv[optind];
    return 0;
}

static int configure(const struct options *options, struct pnd_config *config,
                     struct pnd_messenger *messenger, struct pnd_why *why)
{
    int err = PND_OK;

    pnd_config_init(config);
    if (options->config_path)
        err = pnd_config_read(options->config_path, config, why);
    if (!err)
        err = pnd_messenger_configure(options->config_path, messenger, why);
    if (err)
        return err;
    if (options->directory)
        snprintf(config->directory, sizeof(config->directory), "%s", options->directory);
    if (!config->directory[0])
        snprintf(config->directory, sizeof(config->directory), "PanicDumps");
    if (options->address_count) {
        config->addresses.count = options->address_count;
        for (unsigned i = 0; i < options->address_count; i++)
            snprintf(config->addresses.at[i], sizeof(config->addresses.at[i]), "%s",
                     options->addresses[i]);
    }
    for (unsigned i = 0; i < PND_SERVICES; i++)
        if (options->ports[i] != PND_CONFIG_PORT_UNSAID)
            config->ports[i] = options->ports[i];
    return pnd_handover_configure(options->hook, config, why);
}

static bool claimed(const char *part_file, void *ctx)
{
    struct pnd_server *server = ctx;
    size_t len = strlen(part_file), suffix = strlen(".part");

    if (len <= suffix)
        return false;
    for (uint32_t i = 0; i < pnd_table_size(server->table); i++) {
        const struct pnd_slot *slot = pnd_table_at(server->table, i);

        if (slot->class != PND_CLASS_FREE && !pnd_session_is_left(&slot->session) &&
            strlen(slot->file) == len - suffix && memcmp(slot->file, part_file, len - suffix) == 0)
            return true;
    }
    return false;
}

static int open_catalog(struct pnd_server *server, struct pnd_why *why)
{
    struct pnd_catalog *catalog;
    uint64_t last_journaled, last_kept;
    unsigned changed = 0;
    bool fresh;
    int err = pnd_keeper_create(&server->spool,
                                pnd_table_size(server->table) * JOBS_PER_SLOT + JOBS_SPARE,
                                &server->keeper, &fresh, why);

    if (err)
        return err;
    catalog = pnd_keeper_catalog(server->keeper);
    err = pnd_server_recover(server, &last_journaled, why);
    if (err)
        return err;
    err = pnd_catalog_last_id(catalog, &last_kept, why);
    if (err)
        return err;
    server->next_id = (last_kept > last_journaled ? last_kept : last_journaled) + 1;
    err = pnd_catalog_reconcile(catalog, &server->spool, claimed, server, server->next_id, &changed,
                                why);
    if (err)
        return err;
    pnd_import_sweep(&server->spool);
    pnd_beside_sweep(&server->spool);
    pnd_paths_sweep(&server->spool);
    if (changed)
        pnd_log(PND_NOTICE, "reconciled", "rows=%u catalog=%s", changed,
                fresh ? "rebuilt" : "kept");
    err = pnd_catalog_last_id(catalog, &last_kept, why);
    if (!err && last_kept >= server->next_id)
        server->next_id = last_kept + 1;
    return err ? err : pnd_import_adopt_orphans(&server->spool, catalog, &server->next_id, why);
}

/* A tool that imports or judges a dump holds the directory for the moment of its row. */
static int open_spool_patiently(struct pnd_server *server, const char *directory,
                                struct pnd_why *why)
{
    const struct timespec pause = {.tv_nsec = LOCK_PAUSE_MS * 1000000L};
    uint64_t end_ms = pnd_clock_ms() + LOCK_PATIENCE_MS;
    int err;

    while ((err = pnd_spool_open(&server->spool, directory, why)) == PND_E_BUSY &&
           pnd_clock_ms() < end_ms)
        nanosleep(&pause, NULL);
    return err;
}

/* Those that this process may use. */
static int count_cpus(void)
{
    cpu_set_t set;

    if (sched_getaffinity(0, sizeof(set), &set) == 0)
        return CPU_COUNT(&set);
    return (int)sysconf(_SC_NPROCESSORS_ONLN); /* more of them than a set has room for */
}

int pnd_server_open(struct pnd_server *server, const char *directory, struct pnd_why *why)
{
    struct pnd_why note = {0};
    int err = open_spool_patiently(server, directory, why);

    if (err)
        return err;
    if (server->spool.foreign)
        pnd_log(PND_NOTICE, "taken-over",
                "directory=\"%s\" note=\"it was there already: of its files, only those named like "
                "dumps are listed\"",
                server->spool.path);
    if (pnd_cookie_key_make(&server->cookie_key))
        return pnd_why(why, PND_E_SYS, errno, "random numbers");
    server->cpus = count_cpus();
    server->started_ms = pnd_clock_wall_ms();
    server->next_generation = 1;
    err = pnd_journal_open(&server->spool, (uint32_t)server->config.slots, &server->journal, &note);
    if (err) {
        *why = note;
        return err;
    }
    if (note.text[0])
        pnd_log(PND_WARNING, "journal", "note=\"%s\"", note.text);
    server->table = pnd_table_create(pnd_journal_slots(server->journal));
    if (!server->table)
        return pnd_why(why, PND_E_SYS, ENOMEM, "room for %u transfers",
                       pnd_journal_slots(server->journal));
    err = open_catalog(server, why);
    if (err)
        return err;
    err = pnd_listen_open(server, why);
    if (err)
        return err;
    err = pnd_keeper_start(server->keeper, why);
    if (err)
        return err;
    err = pnd_handover_open(&server->config, &server->spool, &server->handover, why);
    if (err)
        return err;
    return pnd_checker_start(&server->spool, &server->handover, &server->checker, why);
}

static void reload(struct pnd_server *server, const struct options *options)
{
    static struct pnd_messenger messenger; /* the main thread's; some pages */
    struct pnd_config fresh;
    struct pnd_why why;

    sd_notify(0, "RELOADING=1");
    if (configure(options, &fresh, &messenger, &why)) {
        pnd_log(PND_ERR, "reload-failed", "kept=\"the settings of before\" why=\"%s\"", why.text);
    } else {
        server->config.allow = fresh.allow;
        server->config.transfers_max = fresh.transfers_max;
        server->config.source_bytes_max = fresh.source_bytes_max;
        server->config.total_bytes_max = fresh.total_bytes_max;
        server->config.floor_bytes = fresh.floor_bytes;
        server->config.limits = fresh.limits;
        server->config.extension = fresh.extension;
        server->next_tick_ms = server->next_sweep_ms = 0;
        pnd_messenger_reload(&server->messenger, &messenger);
        pnd_log(PND_NOTICE, "reloaded", "allow=%u", fresh.allow.count);
    }
    sd_notify(0, "READY=1");
}

static void say_ready(struct pnd_server *server)
{
    char address[PND_PEER_TEXT_CAP], free_text[PND_TEXT_BYTES_CAP];
    uint16_t port;

    pnd_spool_room(&server->spool, &server->room_free, &server->room_total);
    for (unsigned i = 0; i < pnd_net_sock_count(server->net); i++) {
        pnd_net_sock_name(server->net, i, address, &port);
        pnd_log(PND_NOTICE, "ready",
                "version=%s protocol=%s address=%s port=%u directory=\"%s\" free=\"%s\" resumed=%u",
                PND_VERSION, pnd_service(pnd_net_sock_service(server->net, i))->name, address, port,
                server->spool.path, pnd_text_bytes(free_text, sizeof(free_text), server->room_free),
                server->resumed);
    }
    sd_notify(0, "READY=1\nSTATUS=Receiving kernel core dumps");
}

/* A dump that arrives holds a descriptor; the soft limit of a login is too few of them. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static int watch_fd(int epoll_fd, int fd, void *tag)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = tag};

    return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event);
}

static int open_signals(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a file size limit is an error of one write */
    if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
        return -1;
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* @return true: the server is to stop */
static bool on_signal(struct pnd_server *server, const struct options *options, int signal_fd)
{
    struct signalfd_siginfo info;

    while (read(signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        if (info.ssi_signo == SIGHUP)
            reload(server, options);
        else
            return true;
    }
    return false;
}

static uint64_t receive(struct pnd_server *server, struct spinning *spinning)
{
    const struct pnd_net_handler handler = pnd_receive_handler(server);
    uint64_t datagrams = 0, came;

    for (unsigned i = 0; i < pnd_net_sock_count(server->net); i++) {
        came = pnd_net_receive(server->net, i, PND_NET_ALL, &handler);
        datagrams += came;
        if (came && spinning->sock != i) {
            spinning->sock = i;
            spinning->mixed_until_ms = pnd_clock_ms() + MIXED_MS;
        }
    }
    return datagrams;
}

/* Does one socket bring all that comes? Then the others can wait until everything gets its turn. */
static bool has_one_socket(const struct pnd_server *server, const struct spinning *spinning)
{
    return pnd_net_sock_count(server->net) == 1 || pnd_clock_ms() >= spinning->mixed_until_ms;
}

static uint64_t receive_one(struct pnd_server *server, const struct spinning *spinning,
                            enum pnd_net_look look)
{
    const struct pnd_net_handler handler = pnd_receive_handler(server);

    return pnd_net_receive(server->net, spinning->sock, look, &handler);
}

/* Is there but one dump that arrives, and its sender waits for each answer? */
static bool one_at_a_time(const struct pnd_server *server)
{
    return server->lockstep && pnd_server_hurried(server) == 1;
}

/* One round of events. @return true: the server is to stop */
static bool turn(struct pnd_server *server, const struct options *options, int signal_fd,
                 struct spinning *spinning, const struct epoll_event *events, int count)
{
    bool datagrams = false, stop = false;

    for (int i = 0; i < count; i++) {
        void *tag = events[i].data.ptr;

        if (tag == &socket_tag)
            datagrams = true;
        else if (tag == &signal_tag)
            stop = on_signal(server, options, signal_fd);
        else if (tag == server->keeper)
            pnd_server_kept(server);
        else if (tag == server->checker)
            pnd_server_checked(server);
        else if (pnd_control_owns(server->control, tag))
            pnd_control_ready(server->control, tag, events[i].events);
    }
    if (datagrams)
        receive(server, spinning);
    return stop;
}

/* While a dump arrives, its next packet is mostly a few microseconds away, and going to sleep and
 * waking up takes longer than that: so it is looked for again and again, for a moment. Where that
 * keeps the sender from the processor, it never comes in that moment, and soon is not looked for
 * any more; with one processor it is not even begun. @return whether something came */
static bool spin(struct pnd_server *server, struct spinning *spinning)
{
    bool one = has_one_socket(server, spinning);
    uint64_t end_us;

    if (server->cpus == 1 || spinning->skip > 0 || !server->lockstep) {
        spinning->skip -= spinning->skip > 0;
        return false;
    }
    end_us = pnd_clock_us() + SPIN_US;
    do {
        if (one ? receive_one(server, spinning, one_at_a_time(server) ? PND_NET_ONE : PND_NET_ALL)
                : receive(server, spinning)) {
            spinning->skips = 0;
            return true;
        }
    } while (pnd_clock_us() < end_us);
    spinning->skips = spinning->skips * 2 + 1;
    if (spinning->skips > SPIN_SKIPS_MAX)
        spinning->skips = SPIN_SKIPS_MAX;
    spinning->skip = spinning->skips;
    return false;
}

/* The short way while dumps arrive: packets alone, before everything else gets its turn. To sleep
 * in one socket is quicker than to ask which of many has something, but it can be late for a
 * deadline by PND_NET_WAIT_MS: so when nothing came, the next sleep is the exact one.
 * @return whether it is to be gone on with, and everything else only looked at */
static bool hurry(struct pnd_server *server, struct spinning *spinning, int timeout_ms)
{
    bool sleeps =
        has_one_socket(server, spinning) && (timeout_ms >= PND_NET_WAIT_MS || !spinning->silent);
    uint64_t end_ms = pnd_clock_ms() + HURRY_MS;

    for (unsigned i = 0; i < HURRY_ROUNDS_MAX && pnd_clock_ms() < end_ms; i++) {
        if (pnd_server_hurried(server) == 0)
            return false;
        if (spin(server, spinning))
            continue;
        if (!sleeps)
            return false;
        spinning->silent =
            receive_one(server, spinning,
                        one_at_a_time(server) ? PND_NET_WAIT_ONE : PND_NET_WAIT) == 0;
        if (spinning->silent)
            break;
    }
    return true;
}

static int loop(struct pnd_server *server, const struct options *options, int epoll_fd,
                int signal_fd)
{
    struct epoll_event events[EVENTS];
    struct spinning spinning = {0};
    int count, timeout_ms;
    uint64_t now_ms;

    do {
        for (unsigned i = 0; i < HEAR_ROUNDS_MAX && pnd_server_tick_due(server); i++)
            if (!receive(server, &spinning))
                break;
        pnd_server_tick(server);
        timeout_ms = pnd_server_timeout_ms(server);
        now_ms = pnd_clock_ms();
        pnd_control_progress(server->control, now_ms);
        pnd_messenger_tick(server, now_ms);
        if (pnd_table_count(server->table, PND_CLASS_BUSY) && timeout_ms > PND_CONTROL_PROGRESS_MS)
            timeout_ms = PND_CONTROL_PROGRESS_MS;
        if (timeout_ms > 0 && pnd_server_hurried(server)) {
            if (hurry(server, &spinning, timeout_ms))
                timeout_ms = 0;
            else if (pnd_server_timeout_ms(server) < timeout_ms)
                timeout_ms = pnd_server_timeout_ms(server);
        }
        count = epoll_wait(epoll_fd, events, EVENTS, timeout_ms);
        if (count < 0 && errno != EINTR)
            return EXIT_CANNOT;
        if (count > 0)
            spinning.silent = false;
    } while (!turn(server, options, signal_fd, &spinning, events, count));
    return EXIT_SUCCESS;
}

static int serve(struct pnd_server *server, const struct options *options, int signal_fd)
{
    struct pnd_why why;
    int epoll_fd = epoll_create1(EPOLL_CLOEXEC), code;

    if (epoll_fd < 0 || watch_fd(epoll_fd, signal_fd, &signal_tag) < 0 ||
        watch_fd(epoll_fd, pnd_keeper_fd(server->keeper), server->keeper) < 0 ||
        watch_fd(epoll_fd, pnd_checker_fd(server->checker), server->checker) < 0) {
        pnd_why(&why, PND_E_SYS, errno, "event loop");
        return fail(&why);
    }
    for (unsigned i = 0; i < pnd_net_sock_count(server->net); i++)
        watch_fd(epoll_fd, pnd_net_sock_fd(server->net, i), &socket_tag);
    if (pnd_control_open(server, epoll_fd, &server->control, &why))
        return fail(&why);
    pnd_messenger_tick(server, pnd_clock_ms()); /* before a dump can end that is to be told */
    say_ready(server);
    code = loop(server, options, epoll_fd, signal_fd);
    sd_notify(0, "STOPPING=1");
    pnd_log(PND_NOTICE, "stopping", "live=%u", pnd_table_count(server->table, PND_CLASS_BUSY));
    close(epoll_fd);
    return code;
}

int main(int argc, char **argv)
{
    static struct pnd_server server = {.spool = {.dir_fd = -1, .state_fd = -1, .lock_fd = -1}};
    struct options options;
    struct pnd_why why = {0};
    int code, signal_fd;

    pnd_check_child_main(argc, argv);
    code = parse_options(argc, argv, &options);
    if (code)
        return code - 1;
    pnd_log_init(options.log_level);
    umask(077);
    raise_descriptor_limit();
    if (configure(&options, &server.config, &server.messenger, &why))
        return fail(&why);
    signal_fd = open_signals(); /* before the threads, which inherit the mask */
    if (signal_fd < 0) {
        pnd_why(&why, PND_E_SYS, errno, "signals");
        return fail(&why);
    }
    if (pnd_server_open(&server, server.config.directory, &why))
        code = fail(&why);
    else
        code = serve(&server, &options, signal_fd);
    pnd_server_close(&server);
    close(signal_fd);
    return code;
}
