/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What `panicdump arm` is told: see arm_options.h. */
#include "panicdump/arm_options.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "host/text.h"
#include "panicdump/panicdump.h"

static const char help[] =
    "usage: panicdump arm --server ADDRESS[:PORT] [--server ...] [OPTION...]\n"
    "\n"
    "Loads a crash kernel that sends this machine's memory there when it panics, and\n"
    "shows what it found out and did. Until the machine restarts. Root only.\n"
    "\n"
    "  --server ADDRESS[:PORT]  of panicd; several are tried in their order\n"
    "  --port N                 for those that name none (1069)\n"
    "  --interface NAME         send through this one, not as routed\n"
    "  --filter LEVEL           leave pages out as makedumpfile -d does: 1 zero,\n"
    "                           2 and 4 cache, 8 user, 16 free; 31 all of these (0)\n"
    "  --makedumpfile           by that program, which makes the initramfs larger\n"
    "  --on-nmi                 an NMI panics, too\n"
    "  --reboot|--poweroff|--shell   what comes after the dump (--reboot)\n"
    "  --also-local DIR         when no server takes it; or a partition\n"
    "  --persist                and again at each boot, and for each new kernel\n"
    "  --force                  through a port that should not be taken\n"
    "  --kernel FILE            the image, when it is not where it usually is\n"
    "  --append TEXT            to the crash kernel's command line\n"
    "  -n, --dry-run            show everything, load nothing\n"
    "  --initramfs FILE         write the initramfs there, load nothing\n"
    "\n"
    "Without --server, as --persist has kept it, and what else is said on top of it.\n"
    "Exit status: 0 armed (or shown); 1 no way to the server now; 2 could not.\n";

enum { KERNEL = 1, APPEND, FILTER, MAKEDUMPFILE, LOCAL, SAVE, KEEP };

static const struct option longs[] = {{"server", required_argument, NULL, 's'},
                                      {"port", required_argument, NULL, 'p'},
                                      {"interface", required_argument, NULL, 'i'},
                                      {"filter", required_argument, NULL, FILTER},
                                      {"makedumpfile", no_argument, NULL, MAKEDUMPFILE},
                                      {"on-nmi", no_argument, NULL, 'N'},
                                      {"reboot", no_argument, NULL, 'R'},
                                      {"poweroff", no_argument, NULL, 'P'},
                                      {"shell", no_argument, NULL, 'S'},
                                      {"also-local", required_argument, NULL, LOCAL},
                                      {"persist", no_argument, NULL, KEEP},
                                      {"force", no_argument, NULL, 'F'},
                                      {"kernel", required_argument, NULL, KERNEL},
                                      {"append", required_argument, NULL, APPEND},
                                      {"dry-run", no_argument, NULL, 'n'},
                                      {"initramfs", required_argument, NULL, SAVE},
                                      {"help", no_argument, NULL, 'h'},
                                      {NULL, 0, NULL, 0}};

/* ---- what was asked for */

/* One, or several with commas between them; @p text is cut. */
static int take_servers(struct pnd_arm_options *o, char *text)
{
    char *next = NULL;

    for (char *word = strtok_r(text, ", ", &next); word; word = strtok_r(NULL, ", ", &next)) {
        if (o->request.server_count == PND_CAPTURE_SERVERS_MAX)
            return pnd_complain(PND_EXIT_CANNOT, "more than %d servers", PND_CAPTURE_SERVERS_MAX);
        o->servers[o->request.server_count++] = word;
    }
    if (!o->request.server_count)
        return pnd_complain(PND_EXIT_CANNOT, "--server: say an address");
    return PND_EXIT_OK;
}

static int take_filter(struct pnd_arm_options *o, const char *text)
{
    uint64_t level;

    if (pnd_text_parse_uint(text, &level) || level > PND_CAPTURE_FILTER_MAX)
        return pnd_complain(PND_EXIT_CANNOT, "--filter %s: say a level from 0 to %d", text,
                            PND_CAPTURE_FILTER_MAX);
    o->request.filter = (unsigned)level;
    return PND_EXIT_OK;
}

/* @return PND_EXIT_OK; another to end with */
static int take(struct pnd_arm_options *o, int option)
{
    struct pnd_why why;

    switch (option) {
    case 's':
        return take_servers(o, optarg);
    case 'p':
        if (pnd_port_parse(optarg, &o->port, &why))
            return pnd_complain(PND_EXIT_CANNOT, "--port: %s", why.text);
        break;
    case 'i':
        o->request.interface = optarg;
        break;
    case FILTER:
        return take_filter(o, optarg);
    case MAKEDUMPFILE:
        o->request.makedumpfile = true;
        break;
    case 'N':
        o->request.on_nmi = true;
        break;
    case 'R':
        o->request.after = PND_AFTER_REBOOT;
        break;
    case 'P':
        o->request.after = PND_AFTER_POWEROFF;
        break;
    case 'S':
        o->request.after = PND_AFTER_SHELL;
        break;
    case LOCAL:
        o->request.also_local = optarg;
        break;
    case 'F':
        o->request.force = true;
        break;
    case KERNEL:
        o->request.kernel = optarg;
        break;
    case APPEND:
        o->request.append = optarg;
        break;
    case 'n':
        o->dry_run = true;
        break;
    case SAVE:
        o->save = optarg;
        break;
    case KEEP:
        o->persist = true;
        break;
    default:
        fputs(help, stderr);
        return PND_EXIT_CANNOT;
    }
    return PND_EXIT_OK;
}

static int resolve(struct pnd_arm_options *o)
{
    for (size_t i = 0; i < o->request.server_count; i++) {
        struct pnd_why why;

        o->request.servers[i].port = o->port;
        if (pnd_endpoint_parse(o->servers[i], &o->request.servers[i], &why))
            return pnd_complain(PND_EXIT_CANNOT, "--server: %s", why.text);
    }
    return PND_EXIT_OK;
}

/* ---- what was kept */

static int read_kept(struct pnd_arm_options *o)
{
    struct pnd_persist *kept = &o->kept;
    struct pnd_arm_request *q = &o->request;
    struct pnd_why why;
    int err = pnd_persist_read("", kept, &why);

    if (err == PND_E_NOTFOUND)
        return pnd_complain(PND_EXIT_CANNOT, "say --server ADDRESS of the machine where panicd "
                                             "runs; panicdump arm --help tells more");
    if (err)
        return pnd_complain(PND_EXIT_CANNOT, "%s", why.text);
    q->interface = kept->interface[0] ? kept->interface : NULL;
    q->also_local = kept->also_local[0] ? kept->also_local : NULL;
    q->append = kept->append[0] ? kept->append : NULL;
    q->filter = (unsigned)kept->filter;
    q->makedumpfile = kept->makedumpfile;
    q->on_nmi = kept->on_nmi;
    q->force = kept->force;
    q->after = PND_AFTER_REBOOT;
    if (strcmp(kept->after, "poweroff") == 0)
        q->after = PND_AFTER_POWEROFF;
    else if (strcmp(kept->after, "shell") == 0)
        q->after = PND_AFTER_SHELL;
    else if (kept->after[0] && strcmp(kept->after, "reboot") != 0)
        return pnd_complain(PND_EXIT_CANNOT,
                            PND_PERSIST_CONF ": after = %s: say reboot, poweroff "
                                             "or shell",
                            kept->after);
    o->from_kept = true;
    return take_servers(o, kept->server);
}

/* As it was typed; with the port that --port gave. */
static int keep_servers(const struct pnd_arm_options *o, struct pnd_persist *kept)
{
    size_t len = 0;

    for (size_t i = 0; i < o->request.server_count; i++) {
        char port[8] = "";
        int n;

        if (o->port != PND_KDP_PORT && !strchr(o->servers[i], ':'))
            snprintf(port, sizeof(port), ":%u", o->port);
        n = snprintf(kept->server + len, sizeof(kept->server) - len, "%s%s%s", len ? ", " : "",
                     o->servers[i], port);
        if (n < 0 || (size_t)n >= sizeof(kept->server) - len)
            return pnd_complain(PND_EXIT_CANNOT,
                                "--persist: the names of the servers have more "
                                "than %zu bytes",
                                sizeof(kept->server) - 1);
        len += (size_t)n;
    }
    return PND_EXIT_OK;
}

static int keep_text(const char *option, const char *text, char *dst, size_t cap)
{
    if (!text)
        return PND_EXIT_OK;
    if ((size_t)snprintf(dst, cap, "%s", text) >= cap)
        return pnd_complain(PND_EXIT_CANNOT, "--persist: %s has more than %zu bytes", option,
                            cap - 1);
    return PND_EXIT_OK;
}

int pnd_arm_options_persist(const struct pnd_arm_options *options)
{
    static const char *const after[] = {
        [PND_AFTER_REBOOT] = "reboot",
        [PND_AFTER_POWEROFF] = "poweroff",
        [PND_AFTER_SHELL] = "shell",
    };
    const struct pnd_arm_request *q = &options->request;
    static struct pnd_persist kept;
    struct pnd_why why;
    int status;

    kept = PND_PERSIST_NOTHING;
    status = keep_servers(options, &kept);
    if (!status)
        status = keep_text("--interface", q->interface, kept.interface, sizeof(kept.interface));
    if (!status)
        status = keep_text("--also-local", q->also_local, kept.also_local, sizeof(kept.also_local));
    if (!status)
        status = keep_text("--append", q->append, kept.append, sizeof(kept.append));
    if (status)
        return status;
    snprintf(kept.after, sizeof(kept.after), "%s", after[q->after]);
    kept.filter = q->filter;
    kept.makedumpfile = q->makedumpfile;
    kept.on_nmi = q->on_nmi;
    kept.force = q->force;
    if (pnd_persist_write("", &kept, &why) || pnd_persist_enable("", &why))
        return pnd_complain(PND_EXIT_CANNOT, "armed, but not for the next boot: %s", why.text);
    return PND_EXIT_OK;
}

/* ---- all of it */

static int judge(const struct pnd_arm_options *o)
{
    if (o->persist && (o->dry_run || o->save))
        return pnd_complain(PND_EXIT_CANNOT, "--persist arms, --dry-run and --initramfs do not: "
                                             "say one of them");
    if (o->request.makedumpfile && !o->request.filter)
        return pnd_complain(PND_EXIT_CANNOT, "--makedumpfile leaves pages out: say which, such as "
                                             "--filter 31");
    if (o->persist && o->request.kernel)
        return pnd_complain(PND_EXIT_CANNOT,
                            "--persist looks for the image of each kernel that boots, because one "
                            "file cannot be that of all: so that it finds this one, type\n"
                            "ln -s \"$(realpath %s)\" /lib/modules/$(uname -r)/vmlinuz\n"
                            "and leave --kernel away",
                            o->request.kernel);
    if (o->persist && o->request.also_local && o->request.also_local[0] != '/')
        return pnd_complain(PND_EXIT_CANNOT,
                            "--also-local %s: with --persist, say where it is "
                            "from / on",
                            o->request.also_local);
    return PND_EXIT_OK;
}

/* What is typed comes on top of what is there. @return as pnd_arm_options_parse() */
static int take_all(struct pnd_arm_options *o, int argc, char **argv)
{
    int option, status;

    optind = 0; /* from the start, for glibc */
    while ((option = getopt_long(argc, argv, "s:p:i:nh", longs, NULL)) != -1) {
        if (option == 'h') {
            fputs(help, stdout);
            return -1;
        }
        status = take(o, option);
        if (status)
            return status;
    }
    if (optind != argc)
        return pnd_complain(PND_EXIT_CANNOT, "\"%s\" is too much: panicdump arm --help tells more",
                            argv[optind]);
    return PND_EXIT_OK;
}

int pnd_arm_options_parse(int argc, char **argv, struct pnd_arm_options *ret)
{
    struct pnd_arm_options *o = ret;
    int status;

    memset(o, 0, sizeof(*o));
    o->request.root = "";
    o->port = PND_KDP_PORT;
    status = take_all(o, argc, argv);
    if (!status && !o->request.server_count) {
        status = read_kept(o);
        if (!status)
            status = take_all(o, argc, argv);
    }
    if (!status)
        status = judge(o);
    return status ? status : resolve(o);
}
