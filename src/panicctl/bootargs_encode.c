/* SPDX-License-Identifier: BSD-2-Clause
 *
 * panicctl bootargs encode: the line for what is wanted, or why that cannot be had.
 * @source PROTOCOL.md#kdp-2.8, #kdp-4.1 */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "host/text.h"
#include "panicctl/bootargs.h"
#include "panicctl/print.h"

enum {
    XNU_REBOOT_POST_CORE = 1456,
    XNU_LOCAL_CORE = 3247,
    XNU_GZIP = 3789,
    XNU_CURRENT_ORDER = 4570,
    XNU_NMI_REPAIRED = 4903,
    PORT_MAX = 65535,
    INTERFACE_MAX = 15,
};

/* Two wishes that exclude each other, or one that nothing can meet. @return NULL: there is none */
static const char *impossible(const struct pnd_wish *w)
{
    bool current = w->line.xnu >= XNU_CURRENT_ORDER;

    if (!w->network && !w->local)
        return "say where the dump is to go: --network, --local, or both";
    if (!w->on_panic && !w->on_nmi)
        return "say when to dump: --on-panic, --on-nmi, or both";
    if (w->reboot && w->stay)
        return "--reboot and --stay exclude each other: restart after the core, or stay for a "
               "debugger";
    if (w->paniclog && !w->network)
        return "--paniclog needs --network: the panic log is sent, a disk gets only cores";
    if (w->paniclog && !w->on_panic)
        return "--paniclog needs --on-panic: an NMI sends a core, never the panic log";
    if (w->network && w->local && w->reboot && current)
        return "--network --local --reboot cannot be had together: the machine restarts as soon as "
               "the local core is written, and sends nothing; leave out --local or --reboot";
    if (w->paniclog && w->reboot && current)
        return "--paniclog and --reboot exclude each other: only a core is followed by a restart, "
               "a panic log by the wait for a debugger";
    if (w->keys && w->reboot && !w->network && w->line.xnu >= XNU_NMI_REPAIRED)
        return "--keys and --local --reboot exclude each other: the keys work while the machine "
               "waits, and it never does";
    if (w->stay && w->on_nmi && !w->network && w->line.arm64)
        return "--local --on-nmi --stay: without an interface Apple silicon goes on after the "
               "core; "
               "add --network, or --arch x86_64 for an Intel Mac";
    return NULL;
}

/* What this train of xnu has not. */
static const char *not_in_train(const struct pnd_wish *w)
{
    uint32_t xnu = w->line.xnu;

    if (w->local && xnu < XNU_LOCAL_CORE)
        return "--local: there is no local core before macOS 10.11 (xnu 3247)";
    if (w->reboot && xnu < XNU_REBOOT_POST_CORE)
        return "--reboot: no flag restarts the machine before macOS 10.6 (xnu 1456)";
    if (w->no_gzip && xnu < XNU_GZIP)
        return "--no-gzip: there is no flag for it before macOS 10.12 (xnu 3789)";
    if (w->network && w->on_nmi && xnu >= XNU_CURRENT_ORDER && xnu < XNU_NMI_REPAIRED)
        return "--network --on-nmi: macOS 10.13 sends no core on an NMI; leave out --on-nmi";
    return NULL;
}

static bool is_interface(const char *name)
{
    size_t len = strlen(name);

    return len > 0 && len <= INTERFACE_MAX &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") == len &&
           strcmp(name, "serial") != 0;
}

static const char *wrong_operand(const struct pnd_wish *w)
{
    uint32_t address;

    if (!w->network && (w->server || w->interface || w->port))
        return "--server, --interface and --port need --network";
    if (!w->network)
        return NULL;
    if (!w->server)
        return "--network needs the server's address: --server 10.0.40.2";
    if (pnd_dotted_quad(w->server, &address) || address == 0)
        return "--server takes an address, four decimal numbers with dots: --server 10.0.40.2";
    if (!w->interface)
        return "--network needs the interface of the Mac that may panic: --interface en0";
    if (!is_interface(w->interface))
        return "--interface takes the name of a wired interface, as \"ifconfig -l\" lists it on "
               "that Mac: --interface en0";
    return NULL;
}

const char *pnd_wish_wrong(const struct pnd_wish *w)
{
    const char *wrong = impossible(w);

    if (!wrong)
        wrong = not_in_train(w);
    return wrong ? wrong : wrong_operand(w);
}

uint32_t pnd_wish_value(const struct pnd_wish *w)
{
    uint32_t value = 0;

    if (w->network)
        value |= PND_DB_ARP;
    if (w->network && !w->local && w->line.xnu >= XNU_LOCAL_CORE)
        value |= PND_DB_DISABLE_LOCAL_CORE;
    if (w->on_panic && (!w->paniclog || w->local))
        value |= PND_DB_KERN_DUMP_ON_PANIC;
    if (w->paniclog)
        value |= PND_DB_PANICLOG_DUMP;
    if (w->on_nmi)
        value |= PND_DB_KERN_DUMP_ON_NMI | PND_DB_NMI;
    if (w->reboot)
        value |= PND_DB_REBOOT_POST_CORE;
    if (w->reboot && !w->network && w->line.xnu >= XNU_NMI_REPAIRED)
        value |= PND_DB_REBOOT_ALWAYS; /* there is nothing to send, and nothing to wait for */
    if (w->stay)
        value |= PND_DB_NMI | (w->on_nmi ? PND_DB_DBG_POST_CORE : 0);
    if (w->keys)
        value |= PND_DB_KDP_GETC_ENA;
    if (w->no_gzip)
        value |= PND_DB_DISABLE_GZIP_CORE;
    return value;
}

void pnd_wish_line(const struct pnd_wish *w, char *ret, size_t cap)
{
    size_t used = (size_t)snprintf(ret, cap, "debug=0x%x", pnd_wish_value(w));

    if (w->network)
        used += (size_t)snprintf(ret + used, cap - used, " _panicd_ip=%s kdp_match_name=%s",
                                 w->server, w->interface);
    if (w->port)
        used += (size_t)snprintf(ret + used, cap - used, " panicd_port=%u", (unsigned)w->port);
    if (w->on_nmi)
        used += (size_t)snprintf(ret + used, cap - used, " wdt=-1");
    if (w->keepsyms)
        snprintf(ret + used, cap - used, " keepsyms=1");
}

static int print_json(const char *line, uint32_t value)
{
    const struct pnd_debug_flag *flag;
    json_t *flags = json_array();

    for (unsigned i = 0; (flag = pnd_debug_flag(i)); i++) {
        if (value & flag->bit)
            json_array_append_new(flags, json_string(flag->name));
    }
    return pnd_print_json(
        json_pack("{s:s, s:I, s:o}", "line", line, "debug", (json_int_t)value, "flags", flags));
}

static void print_text(const char *line, uint32_t value)
{
    const struct pnd_debug_flag *flag;
    char sum[1024] = "", head[32];
    size_t used = 0;

    printf("%s\n\n", line);
    for (unsigned i = 0; (flag = pnd_debug_flag(i)); i++) {
        if (value & flag->bit)
            used += (size_t)snprintf(sum + used, sizeof(sum) - used, "%s%s 0x%x", used ? " + " : "",
                                     flag->name, flag->bit);
    }
    snprintf(head, sizeof(head), "0x%x = ", value);
    pnd_bootargs_wrap(head, 4, sum);
}

enum { OPT_FIRST = 256, OPT_SERVER, OPT_INTERFACE, OPT_PORT, OPT_XNU, OPT_ARCH };

static int read_option(struct pnd_ctl *ctl, struct pnd_wish *w, int option)
{
    switch (option) {
    case 0: /* one of the flags, noted already */
        return -1;
    case OPT_SERVER:
        w->server = optarg;
        return -1;
    case OPT_INTERFACE:
        w->interface = optarg;
        return -1;
    case OPT_PORT:
        if (pnd_text_parse_uint(optarg, &w->port) || w->port == 0 || w->port > PORT_MAX)
            return pnd_ctl_misused("bootargs", "--port takes a UDP port, 1 to %d: --port 1069",
                                   PORT_MAX);
        return -1;
    case OPT_XNU:
        return pnd_argline_xnu(&w->line, optarg);
    case OPT_ARCH:
        return pnd_argline_arch(&w->line, optarg);
    default:
        return pnd_ctl_common_option(ctl, "bootargs", option);
    }
}

static int read_wish(struct pnd_ctl *ctl, int argc, char **argv, struct pnd_wish *w)
{
    enum { NETWORK, LOCAL, ON_PANIC, ON_NMI, REBOOT, PANICLOG, STAY, KEYS, NO_GZIP, KEEPSYMS, N };
    int on[N] = {0}, option, code;
    const struct option options[] = {{"network", no_argument, &on[NETWORK], 1},
                                     {"local", no_argument, &on[LOCAL], 1},
                                     {"on-panic", no_argument, &on[ON_PANIC], 1},
                                     {"on-nmi", no_argument, &on[ON_NMI], 1},
                                     {"reboot", no_argument, &on[REBOOT], 1},
                                     {"paniclog", no_argument, &on[PANICLOG], 1},
                                     {"stay", no_argument, &on[STAY], 1},
                                     {"keys", no_argument, &on[KEYS], 1},
                                     {"no-gzip", no_argument, &on[NO_GZIP], 1},
                                     {"keepsyms", no_argument, &on[KEEPSYMS], 1},
                                     {"server", required_argument, NULL, OPT_SERVER},
                                     {"interface", required_argument, NULL, OPT_INTERFACE},
                                     {"port", required_argument, NULL, OPT_PORT},
                                     {"xnu", required_argument, NULL, OPT_XNU},
                                     {"arch", required_argument, NULL, OPT_ARCH},
                                     {"json", no_argument, NULL, 'j'},
                                     {"help", no_argument, NULL, 'h'},
                                     {0}};

    while ((option = getopt_long(argc, argv, "jh", options, NULL)) != -1) {
        code = read_option(ctl, w, option);
        if (code >= 0)
            return code;
    }
    if (optind < argc)
        return pnd_ctl_misused("bootargs", "encode takes options, not \"%s\"", argv[optind]);
    w->network = on[NETWORK];
    w->local = on[LOCAL];
    w->on_panic = on[ON_PANIC];
    w->on_nmi = on[ON_NMI];
    w->reboot = on[REBOOT];
    w->paniclog = on[PANICLOG];
    w->stay = on[STAY];
    w->keys = on[KEYS];
    w->no_gzip = on[NO_GZIP];
    w->keepsyms = on[KEEPSYMS];
    return -1;
}

int pnd_bootargs_encode(struct pnd_ctl *ctl, int argc, char **argv)
{
    struct pnd_wish w = {.line = {.xnu = PND_XNU_CURRENT, .x86_64 = true, .arm64 = true}};
    char line[PND_ARGLINE_CAP];
    const char *wrong;
    uint32_t value;
    int code = read_wish(ctl, argc, argv, &w);

    if (code >= 0)
        return code;
    wrong = pnd_wish_wrong(&w);
    if (wrong)
        return pnd_ctl_fail("%s", wrong);
    value = pnd_wish_value(&w);
    pnd_wish_line(&w, line, sizeof(line));
    if (ctl->json)
        return print_json(line, value);
    print_text(line, value);
    return PND_EXIT_OK;
}
