/* SPDX-License-Identifier: BSD-2-Clause
 *
 * panicctl receive: one dump on standard input, as the command that a key of SSH is for, or many
 * by TCP (receive_tcp.c). */
#include "panicctl/receive.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/text.h"
#include "inspect/sanitizer.h"
#include "panicctl/cage.h"
#include "panicctl/importer.h"
#include "panicctl/print.h"
#include "panicctl/ssh_command.h"

enum {
    EXIT_REFUSED = 126,
    DROPPED_BYTES_MAX = 1 << 20, /* of a file that is not kept */
};

/* ---- one ---- */

static void report(struct pnd_ctl *ctl, const struct pnd_dump *dump)
{
    char name[PND_PRINT_NAME_CAP], reason[PND_PRINT_NAME_CAP], size[PND_TEXT_BYTES_CAP];
    struct pnd_view view = {.dump = *dump};

    if (ctl->json) {
        pnd_print_json(
            json_pack("{s:o}", "received", pnd_view_json(&ctl->spool, ctl->catalog, &view)));
        return;
    }
    fprintf(stderr, "panicctl: %s: dump %" PRIu64 ", %s%s%s\n", pnd_print_name(name, dump->name),
            dump->id, pnd_text_bytes(size, sizeof(size), dump->bytes),
            dump->reason[0] ? ", incomplete: " : "",
            dump->reason[0] ? pnd_print_name(reason, dump->reason) : "");
}

/* What a sanitizer does at the end takes another process. */
static int end_caged(int code)
{
    if (PND_SANITIZED) {
        fflush(NULL);
        _exit(code);
    }
    return code;
}

static int receive(struct pnd_ctl *ctl, const struct pnd_receive *receive, const char *name,
                   const char *protocol)
{
    int in = STDIN_FILENO;
    struct pnd_stream stream = {.source = {.ctx = &in, .read = pnd_stream_read_fd},
                                .as_it_came = receive->as_it_came,
                                .bytes_max = receive->bytes_max,
                                .floor_bytes = receive->floor_bytes};
    struct pnd_why why = {0};

    if (isatty(STDIN_FILENO))
        return pnd_ctl_fail("standard input is a terminal; a dump comes through a pipe");
    snprintf(stream.dump.name, sizeof(stream.dump.name), "%s", name);
    snprintf(stream.dump.protocol, sizeof(stream.dump.protocol), "%s", protocol);
    pnd_receive_peer(&stream.dump);
    if (pnd_importer_prepare(ctl, &why) || pnd_cage_enter(&ctl->spool, -1, &why) ||
        pnd_stream_receive(ctl, &stream, &why))
        return end_caged(pnd_ctl_fail("%s", why.text));
    report(ctl, &stream.dump);
    return end_caged(stream.dump.state == PND_DUMP_INCOMPLETE ? PND_EXIT_NO : PND_EXIT_OK);
}

/* "ADDRESS PORT ADDRESS PORT", as sshd(8) has it. */
void pnd_receive_peer(struct pnd_dump *dump)
{
    const char *connection = getenv("SSH_CONNECTION");
    const char *space = connection ? strchr(connection, ' ') : NULL;
    size_t len = space ? (size_t)(space - connection) : 0;
    char address[INET6_ADDRSTRLEN], *end;
    struct in6_addr parsed;
    unsigned long port;

    if (len == 0 || len >= sizeof(address))
        return;
    memcpy(address, connection, len);
    address[len] = '\0';
    port = strtoul(space + 1, &end, 10);
    if (end == space + 1 || (*end && *end != ' ') || port > UINT16_MAX ||
        (inet_pton(AF_INET, address, &parsed) != 1 && inet_pton(AF_INET6, address, &parsed) != 1))
        return;
    snprintf(dump->peer, sizeof(dump->peer), "%s", address);
    dump->peer_port = (uint16_t)port;
}

/* ---- for a key of SSH ---- */

static int refuse(const char *asked)
{
    char text[PND_PRINT_NAME_CAP];

    pnd_ctl_fail("this key is for dumps, and runs no commands%s%s; it takes: cat > NAME, "
                 "dd of=NAME, and what kdump asks for besides",
                 asked ? ": " : "", asked ? pnd_print_name(text, asked) : "");
    return EXIT_REFUSED;
}

static int say_room(struct pnd_ctl *ctl, const struct pnd_receive *receive)
{
    struct pnd_why why = {0};
    uint64_t room, total;

    if (pnd_importer_prepare(ctl, &why))
        return pnd_ctl_fail("%s", why.text);
    if (pnd_spool_room(&ctl->spool, &room, &total))
        return pnd_ctl_fail("how much is free is not known");
    room = room > receive->floor_bytes ? room - receive->floor_bytes : 0;
    printf("Avail\n%" PRIu64 "\n", room / 1024);
    return PND_EXIT_OK;
}

/* Its sender wants to be rid of it. */
static int drop_input(void)
{
    char buf[4096];
    size_t all = 0;
    ssize_t n = 0;

    while (all < DROPPED_BYTES_MAX &&
           ((n = read(STDIN_FILENO, buf, sizeof(buf))) > 0 || (n < 0 && errno == EINTR)))
        all += n > 0 ? (size_t)n : 0;
    return all < DROPPED_BYTES_MAX && n == 0
               ? PND_EXIT_OK
               : pnd_ctl_fail("a file that is not kept is longer than %d bytes", DROPPED_BYTES_MAX);
}

static int obey(struct pnd_ctl *ctl, const struct pnd_receive *options, const char *text)
{
    struct pnd_ssh_command command;
    char name[PND_SSH_NAME_CAP];

    if (pnd_ssh_command_parse(text, &command))
        return refuse(text);
    switch (command.asked) {
    case PND_SSH_TEMPORARY: /* nothing is made, and rmdir removes nothing */
        printf("%s/tmp.panicd\n", command.path);
        return PND_EXIT_OK;
    case PND_SSH_ROOM:
        return say_room(ctl, options);
    case PND_SSH_RECEIVE:
        if (pnd_ssh_command_name(command.path, name) == PND_SSH_FILE_NONE)
            return drop_input();
        return receive(ctl, options, options->name ? options->name : name, "ssh");
    default:
        return PND_EXIT_OK;
    }
}

static int serve_ssh(struct pnd_ctl *ctl, const struct pnd_receive *options)
{
    const char *asked = getenv("SSH_ORIGINAL_COMMAND");

    return asked ? obey(ctl, options, asked) : refuse(NULL);
}

/* ---- options ---- */

static int bad_value(const char *name, const char *what)
{
    return pnd_ctl_misused("receive", "--%s: \"%s\" is not a %s", name, optarg, what);
}

/* @return -1 go on; else leave with this exit code */
static int take_option(struct pnd_ctl *ctl, struct pnd_receive *options, int option)
{
    uint64_t number;

    switch (option) {
    case 'n':
        options->name = optarg;
        return -1;
    case 'k':
        options->as_it_came = true;
        return -1;
    case 'b':
        return pnd_text_parse_size(optarg, &options->bytes_max) || !options->bytes_max
                   ? bad_value("dump-bytes", "size such as 64G")
                   : -1;
    case 'f':
        return pnd_text_parse_size(optarg, &options->floor_bytes)
                   ? bad_value("floor", "size such as 1G")
                   : -1;
    case 'l':
        options->listen = optarg;
        return -1;
    case 'g':
        options->config = optarg;
        return -1;
    case 'p':
        options->plain = true;
        return -1;
    case 'C':
        options->certificate = optarg;
        return -1;
    case 'K':
        options->key = optarg;
        return -1;
    case 'A':
        options->clients = optarg;
        return -1;
    case 'c':
        if (pnd_text_parse_uint(optarg, &number) || !number || number > PND_RECEIVE_SENDERS_MAX)
            return bad_value("senders", "number from 1 to 256");
        options->senders = (unsigned)number;
        return -1;
    case 'i':
        return pnd_text_parse_duration(optarg, &options->idle_ms) ||
                       options->idle_ms < PND_RECEIVE_IDLE_MS_MIN ||
                       options->idle_ms > PND_RECEIVE_IDLE_MS_MAX
                   ? bad_value("idle", "time from 100ms to 1h")
                   : -1;
    default:
        return pnd_ctl_common_option(ctl, "receive", option);
    }
}

/* What no option has said. @return enum pnd_exit, after saying why */
static int complete(struct pnd_receive *options, struct pnd_receive_config *config)
{
    struct pnd_why why = {0};

    if (options->config) {
        if (pnd_receive_config_read(options->config, config, &why))
            return pnd_ctl_fail("%s", why.text);
        pnd_receive_config_apply(config, options);
        return PND_EXIT_OK;
    }
    if (!options->bytes_max)
        options->bytes_max = PND_STREAM_BYTES_MAX;
    if (options->floor_bytes == PND_RECEIVE_NOT_SAID)
        options->floor_bytes = PND_RECEIVE_FLOOR;
    if (!options->senders)
        options->senders = PND_RECEIVE_SENDERS;
    if (!options->idle_ms)
        options->idle_ms = PND_RECEIVE_IDLE_MS;
    return PND_EXIT_OK;
}

int pnd_verb_receive(struct pnd_ctl *ctl, int argc, char **argv)
{
    static const struct option options[] = {{"name", required_argument, NULL, 'n'},
                                            {"keep-form", no_argument, NULL, 'k'},
                                            {"dump-bytes", required_argument, NULL, 'b'},
                                            {"floor", required_argument, NULL, 'f'},
                                            {"listen", required_argument, NULL, 'l'},
                                            {"config", required_argument, NULL, 'g'},
                                            {"plain", no_argument, NULL, 'p'},
                                            {"tls-certificate", required_argument, NULL, 'C'},
                                            {"tls-key", required_argument, NULL, 'K'},
                                            {"clients", required_argument, NULL, 'A'},
                                            {"senders", required_argument, NULL, 'c'},
                                            {"idle", required_argument, NULL, 'i'},
                                            {"json", no_argument, NULL, 'j'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    struct pnd_receive taken = {.floor_bytes = PND_RECEIVE_NOT_SAID};
    struct pnd_receive_config config;
    int option, code;

    while ((option = getopt_long(argc, argv, "n:jh", options, NULL)) != -1) {
        code = take_option(ctl, &taken, option);
        if (code >= 0)
            return code;
    }
    if (optind < argc)
        return pnd_ctl_misused(argv[0], "receive takes no FILE; to import one, type: panicctl "
                                        "import FILE");
    if (taken.name && (!taken.name[0] || strlen(taken.name) >= PND_SPOOL_NAME_CAP))
        return pnd_ctl_misused(argv[0], "a name has 1 to %d bytes", PND_SPOOL_NAME_CAP - 1);
    if (complete(&taken, &config))
        return PND_EXIT_COULD_NOT;
    pnd_stream_catch_signals();
    if (taken.listen)
        return pnd_receive_tcp(ctl, &taken);
    if (taken.plain || taken.certificate || taken.key || taken.clients)
        return pnd_ctl_misused(argv[0], "--plain, --tls-certificate, --tls-key and --clients are "
                                        "for --listen");
    if (getenv("SSH_CONNECTION") || getenv("SSH_ORIGINAL_COMMAND"))
        return serve_ssh(ctl, &taken);
    return receive(ctl, &taken, taken.name ? taken.name : "stream", "pipe");
}
