/* SPDX-License-Identifier: BSD-2-Clause
 *
 * panicctl bootargs encode: what is wanted, and the line for it. */
#include <getopt.h>
#include <stdio.h>

#include "advice/wish.h"
#include "panicctl/bootargs.h"
#include "panicctl/print.h"

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
    const char *wrong = NULL;

    switch (option) {
    case 0: /* one of the flags, noted already */
        break;
    case OPT_SERVER:
        w->server = optarg;
        break;
    case OPT_INTERFACE:
        w->interface = optarg;
        break;
    case OPT_PORT:
        wrong = pnd_advice_port(optarg, &w->port);
        break;
    case OPT_XNU:
        wrong = pnd_argline_xnu(&w->line, optarg);
        break;
    case OPT_ARCH:
        wrong = pnd_argline_arch(&w->line, optarg);
        break;
    default:
        return pnd_ctl_common_option(ctl, "bootargs", option);
    }
    return wrong ? pnd_ctl_misused("bootargs", "%s", wrong) : -1;
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
    struct pnd_wish w = {0};
    char line[PND_ARGLINE_CAP];
    const char *wrong;
    uint32_t value;
    int code;

    pnd_argline_init(&w.line);
    code = read_wish(ctl, argc, argv, &w);
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
