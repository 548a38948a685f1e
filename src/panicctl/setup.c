/* SPDX-License-Identifier: BSD-2-Clause
 *
 * panicctl setup: what was asked, and the steps for people and for programs. */
#include "panicctl/setup.h"

#include <assert.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/text.h"
#include "panicctl/print.h"

enum { PORT_MAX = 65535, INTERFACE_MAX = 15, INDENT = 10 };

struct ask {
    struct pnd_setup_want want;
    const char *system;
    bool brief;
};

struct pnd_setup_step *pnd_setup_add(struct pnd_setup *setup, const char *title)
{
    struct pnd_setup_step *step = &setup->steps[setup->count++];

    assert(setup->count <= PND_SETUP_STEPS_MAX);
    memset(step, 0, sizeof(*step));
    step->title = title;
    return step;
}

void pnd_setup_about(struct pnd_setup *setup, const char *fmt, ...)
{
    unsigned at = setup->about_count++;
    va_list ap;

    assert(at < PND_SETUP_ABOUT_MAX);
    va_start(ap, fmt);
    vsnprintf(setup->about[at], PND_SETUP_TEXT_CAP, fmt, ap);
    va_end(ap);
}

void pnd_setup_add_doctor(struct pnd_setup *setup, const struct pnd_setup_want *want)
{
    struct pnd_setup_step *step = pnd_setup_add(setup, "Here: is the receiver ready?");
    char port[8] = "";

    if (want->port)
        snprintf(port, sizeof(port), ":%u", (unsigned)want->port);
    PND_SETUP_SAY(step->act, "sudo panicctl doctor --as-client %s%s", want->server, port);
    PND_SETUP_SAY(step->check, "no line says FAIL; what to type is below each that does. The last "
                               "line is about a small dump that went the whole way.");
}

/* ---- what was asked ---- */

enum {
    OPT_FIRST = 256,
    OPT_FOR,
    OPT_SERVER,
    OPT_INTERFACE,
    OPT_CLIENT,
    OPT_GATEWAY,
    OPT_RELEASE,
    OPT_ARCH,
    OPT_PORT,
    OPT_NMI,
    OPT_PANICLOG,
    OPT_LOCAL,
    OPT_STAY,
    OPT_BRIEF,
};

static int read_arch(struct pnd_setup_want *want, const char *text)
{
    want->x86_64 = strcmp(text, "x86_64") == 0;
    want->arm64 = strcmp(text, "arm64") == 0;
    if (want->x86_64 || want->arm64)
        return -1;
    return pnd_ctl_misused("setup", "--arch takes x86_64 (Intel) or arm64 (Apple silicon)");
}

static int read_option(struct pnd_ctl *ctl, struct ask *ask, int option)
{
    struct pnd_setup_want *want = &ask->want;

    switch (option) {
    case OPT_FOR:
        ask->system = optarg;
        return -1;
    case OPT_SERVER:
        want->server = optarg;
        return -1;
    case OPT_INTERFACE:
        want->interface = optarg;
        return -1;
    case OPT_CLIENT:
        want->client = optarg;
        return -1;
    case OPT_GATEWAY:
        want->gateway = optarg;
        return -1;
    case OPT_RELEASE:
        want->release = optarg;
        return -1;
    case OPT_ARCH:
        return read_arch(want, optarg);
    case OPT_PORT:
        if (pnd_text_parse_uint(optarg, &want->port) || want->port == 0 || want->port > PORT_MAX)
            return pnd_ctl_misused("setup", "--port takes a UDP port, 1 to %d: --port 1069",
                                   PORT_MAX);
        return -1;
    case OPT_NMI:
        want->on_nmi = true;
        return -1;
    case OPT_PANICLOG:
        want->paniclog_only = true;
        return -1;
    case OPT_LOCAL:
        want->local = true;
        return -1;
    case OPT_STAY:
        want->stay = true;
        return -1;
    case OPT_BRIEF:
        ask->brief = true;
        return -1;
    default:
        return pnd_ctl_common_option(ctl, "setup", option);
    }
}

static bool is_address(const char *text)
{
    uint32_t address;

    return pnd_dotted_quad(text, &address) == PND_OK && address != 0;
}

/* Fit to stand in a command that somebody pastes. */
static bool is_interface(const char *name)
{
    size_t len = strlen(name);

    return len > 0 && len <= INTERFACE_MAX && name[0] != '-' && name[0] != '.' &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == len;
}

/* @return NULL: every operand is one */
static const char *wrong_operand(const struct ask *ask)
{
    const struct pnd_setup_want *want = &ask->want;

    if (want->server && !is_address(want->server))
        return "--server takes this machine's address, four decimal numbers with dots: "
               "--server 10.0.40.2";
    if (want->client && !is_address(want->client))
        return "--client takes the address of the machine that may panic: --client 10.0.40.7";
    if (want->gateway && !is_address(want->gateway))
        return "--gateway takes the router's address: --gateway 10.0.40.1";
    if (want->interface && !is_interface(want->interface))
        return "--interface takes the name of a wired interface of the machine that may panic: "
               "--interface en0";
    if (!want->server && !want->local)
        return "say who receives: --server 10.0.40.2, an address of this machine";
    /* a Linux machine has a route, and one program that finds what it leads to; so has, perhaps,
     * what sends by TFTP */
    if (want->server && !want->interface && strcmp(ask->system, "linux") != 0 &&
        strcmp(ask->system, "tftp") != 0)
        return "say which interface the machine that may panic sends with: --interface en0";
    return NULL;
}

/* ---- for people ---- */

static void print_commands(const char *text, const char *indent)
{
    while (*text) {
        size_t len = strcspn(text, "\n");

        printf("%s%.*s\n", len ? indent : "", (int)len, text);
        text += len + (text[len] == '\n');
    }
}

static void print_step(const struct pnd_setup_step *step, unsigned number)
{
    const struct {
        const char *head, *text;
    } rest[] = {{"   check  ", step->check}, {"   undo   ", step->undo}, {"   why    ", step->why}};
    char head[16];

    snprintf(head, sizeof(head), "%2u. ", number);
    pnd_bootargs_wrap(head, 4, step->title);
    if (step->how[0])
        pnd_bootargs_wrap("    ", 4, step->how);
    if (step->act[0]) {
        putchar('\n');
        print_commands(step->act, "      ");
        putchar('\n');
    }
    for (size_t i = 0; i < sizeof(rest) / sizeof(*rest); i++) {
        if (rest[i].text[0])
            pnd_bootargs_wrap(rest[i].head, INDENT, rest[i].text);
    }
    putchar('\n');
}

static void print_text(const struct pnd_setup *setup)
{
    for (unsigned i = 0; i < setup->about_count; i++)
        pnd_bootargs_wrap("", 0, setup->about[i]);
    putchar('\n');
    for (unsigned i = 0; i < setup->count; i++)
        print_step(&setup->steps[i], i + 1);
}

static void print_brief(const struct pnd_setup *setup)
{
    for (unsigned i = 0; i < setup->about_count; i++)
        pnd_bootargs_wrap("", 0, setup->about[i]);
    for (unsigned i = 0; i < setup->count; i++) {
        if (!setup->steps[i].act[0])
            continue;
        printf("\n%u. %s\n", i + 1, setup->steps[i].title);
        print_commands(setup->steps[i].act, "     ");
    }
}

/* ---- for programs ---- */

static json_t *text_or_null(const char *text)
{
    return text[0] ? pnd_print_json_text(text) : json_null();
}

static int print_json(const struct ask *ask, const struct pnd_setup *setup)
{
    json_t *about = json_array(), *steps = json_array();

    for (unsigned i = 0; i < setup->about_count; i++)
        json_array_append_new(about, pnd_print_json_text(setup->about[i]));
    for (unsigned i = 0; i < setup->count; i++) {
        const struct pnd_setup_step *step = &setup->steps[i];

        json_array_append_new(
            steps, json_pack("{s:s, s:o, s:o, s:o, s:o, s:o}", "title", step->title, "how",
                             text_or_null(step->how), "do", text_or_null(step->act), "check",
                             text_or_null(step->check), "undo", text_or_null(step->undo), "why",
                             text_or_null(step->why)));
    }
    return pnd_print_json(
        json_pack("{s:s, s:o, s:o}", "for", ask->system, "about", about, "steps", steps));
}

/* ---- the verb ---- */

static const struct {
    const char *name;
    const char *(*steps)(const struct pnd_setup_want *want, struct pnd_setup *ret);
} systems[] = {
    {"macos", pnd_setup_macos},
    {"freebsd", pnd_setup_freebsd},
    {"linux", pnd_setup_linux},
    {"tftp", pnd_setup_tftp},
};

static int run(const struct pnd_ctl *ctl, const struct ask *ask, struct pnd_setup *setup)
{
    const char *wrong = wrong_operand(ask);
    size_t i = 0;

    while (i < sizeof(systems) / sizeof(*systems) && strcmp(systems[i].name, ask->system) != 0)
        i++;
    if (i == sizeof(systems) / sizeof(*systems))
        return pnd_ctl_misused("setup", "--for takes macos, freebsd, linux or tftp");
    if (!wrong)
        wrong = systems[i].steps(&ask->want, setup);
    if (wrong)
        return pnd_ctl_fail("%s", wrong);
    if (ctl->json)
        return print_json(ask, setup);
    if (ask->brief)
        print_brief(setup);
    else
        print_text(setup);
    return PND_EXIT_OK;
}

int pnd_verb_setup(struct pnd_ctl *ctl, int argc, char **argv)
{
    static const struct option options[] = {{"for", required_argument, NULL, OPT_FOR},
                                            {"server", required_argument, NULL, OPT_SERVER},
                                            {"interface", required_argument, NULL, OPT_INTERFACE},
                                            {"client", required_argument, NULL, OPT_CLIENT},
                                            {"gateway", required_argument, NULL, OPT_GATEWAY},
                                            {"release", required_argument, NULL, OPT_RELEASE},
                                            {"arch", required_argument, NULL, OPT_ARCH},
                                            {"port", required_argument, NULL, OPT_PORT},
                                            {"on-nmi", no_argument, NULL, OPT_NMI},
                                            {"paniclog-only", no_argument, NULL, OPT_PANICLOG},
                                            {"local", no_argument, NULL, OPT_LOCAL},
                                            {"stay", no_argument, NULL, OPT_STAY},
                                            {"brief", no_argument, NULL, OPT_BRIEF},
                                            {"json", no_argument, NULL, 'j'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    struct ask ask = {.want = {.x86_64 = true, .arm64 = true}};
    struct pnd_setup *setup;
    int option, code;

    while ((option = getopt_long(argc, argv, "jh", options, NULL)) != -1) {
        code = read_option(ctl, &ask, option);
        if (code >= 0)
            return code;
    }
    if (optind < argc)
        return pnd_ctl_misused(argv[0], "setup takes options, not \"%s\"", argv[optind]);
    if (!ask.system)
        return pnd_ctl_misused(argv[0], "say what the machine that may panic runs: --for macos, "
                                        "freebsd or linux; or how it sends: --for tftp");
    setup = calloc(1, sizeof(*setup));
    if (!setup)
        return pnd_ctl_fail("out of memory");
    code = run(ctl, &ask, setup);
    free(setup);
    return code;
}
