/* SPDX-License-Identifier: BSD-2-Clause
 *
 * panicctl: the table of verbs, the global options, the choice of the directory. */
#include "panicctl/panicctl.h"

#include <errno.h>
#include <getopt.h>
#include <locale.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "inspect/check.h"
#include "inspect/unpack.h"
#include "panicctl/help.h"
#include "panicctl/print.h"

#ifndef PND_VERSION
#define PND_VERSION "unknown"
#endif

#define DIRECTORY_LOCAL   "PanicDumps"
#define DIRECTORY_SERVICE "/var/lib/panicd"

static const struct pnd_verb verbs[] = {
    {"status", "", "is a server listening, where, and what is arriving", PND_HELP_STATUS,
     pnd_verb_status},
    {"list", "[--group GROUP]", "the dumps, one a line", PND_HELP_LIST, pnd_verb_list},
    {"info", "[ID|FILE] [--all]", "what happened: all that is known of a dump (default: latest)",
     PND_HELP_INFO, pnd_verb_info},
    {"log", "[ID|FILE] [--symbols PATH] [--raw]", "the panic log, or the kernel's", PND_HELP_LOG,
     pnd_verb_log},
    {"map", "[ID|FILE] [--png FILE]", "a picture of its memory", PND_HELP_MAP, pnd_verb_map},
    {"debug", "[ID|FILE] [--symbols PATH] [--print] [-- ARG...]",
     "open it in the debugger that fits", PND_HELP_DEBUG, pnd_verb_debug},
    {"watch", "[--count N | --until-idle]", "see dumps arrive", PND_HELP_WATCH, pnd_verb_watch},
    {"verify", "ID|FILE", "is a dump whole, and as it was received", PND_HELP_VERIFY,
     pnd_verb_verify},
    {"export", "ID|FILE [-o FILE|-] [-d|--elf] [--force]", "copy a dump out", PND_HELP_EXPORT,
     pnd_verb_export},
    {"pack", "ID|FILE [-o X.zip] [--log-only] [--note TEXT] [-f]",
     "a zip of dump, log and facts, for a report", PND_HELP_PACK, pnd_verb_pack},
    {"extract", "DEVICE|IMAGE [-o DIR|--list] [--force]",
     "take a dump out of a disk that a machine wrote it to", PND_HELP_EXTRACT, pnd_verb_extract},
    {"import", "FILE...|- [--name NAME] [--move] [--keep-form]",
     "take a dump from elsewhere into the list", PND_HELP_IMPORT, pnd_verb_import},
    {"receive", "[-n NAME] [--listen IP:PORT | --config FILE]",
     "take dumps by SSH, a pipe or TCP, and do nothing else", PND_HELP_RECEIVE, pnd_verb_receive},
    {"groups", "[GROUP]", "the same panic, over machines and time", PND_HELP_GROUPS,
     pnd_verb_groups},
    {"note", "GROUP|ID [TEXT | --remove]", "what is known about a panic", PND_HELP_NOTE,
     pnd_verb_note},
    {"rm", "ID...", "remove dumps", PND_HELP_RM, pnd_verb_rm},
    {"vacuum", "[--keep N] [--older-than 90d] [--bytes 50G] [-n]",
     "remove old dumps, and keep the first and last of each panic", PND_HELP_VACUUM,
     pnd_verb_vacuum},
    {"bootargs", "decode LINE | lint LINE | encode OPTION...",
     "what boot-args do, what is wrong with them, which to use", PND_HELP_BOOTARGS,
     pnd_verb_bootargs},
    {"setup", "--for SYSTEM --server IP [--interface NAME] ...",
     "what to type on the machine that may panic", PND_HELP_SETUP, pnd_verb_setup},
    {"message", "[test [CHANNEL]]", "who is told of what happens; try it", PND_HELP_MESSAGE,
     pnd_verb_message},
    {"doctor", "[--as-client IP[:PORT]] [--port N]",
     "could a dump reach this directory; if not, what to do", PND_HELP_DOCTOR, pnd_verb_doctor},
};

enum {
    VERB_COUNT = sizeof(verbs) / sizeof(*verbs),
    COMPLAINT_CAP = 8192, /* two paths, and words */
};

static const struct pnd_verb *find_verb(const char *name)
{
    for (size_t i = 0; i < VERB_COUNT; i++) {
        if (strcmp(verbs[i].name, name) == 0)
            return &verbs[i];
    }
    return NULL;
}

static void usage_line(FILE *to, const struct pnd_verb *verb)
{
    fprintf(to, "usage: panicctl %s%s%s [--json]\n", verb->name, verb->args[0] ? " " : "",
            verb->args);
}

void pnd_ctl_help(const char *name)
{
    const struct pnd_verb *verb = find_verb(name);

    if (!verb)
        return;
    usage_line(stdout, verb);
    printf("\n%s", verb->help);
}

static void help_all(FILE *to)
{
    fputs("usage: panicctl [--directory DIR] [--json] VERB ...    \"help VERB\": its options\n",
          to);
    for (size_t i = 0; i < VERB_COUNT; i++)
        fprintf(to, "  %-10s%s\n", verbs[i].name, verbs[i].summary);
    fputs("ID: number, file or sender's name, \"latest\". Exit: 0 yes; 1 no; 2 could not.\n"
          "DIR: as given, else $PANICD_DIRECTORY, ./" DIRECTORY_LOCAL
          " if there, " DIRECTORY_SERVICE ".\n",
          to);
}

/* One line. Names in it may be of any bytes: what would steer a terminal is escaped. */
__attribute__((format(printf, 2, 0))) static void complain(const char *kind, const char *fmt,
                                                           va_list ap)
{
    static char text[COMPLAINT_CAP], line[4 * COMPLAINT_CAP];

    fflush(stdout);
    vsnprintf(text, sizeof(text), fmt, ap);
    fprintf(stderr, "panicctl: %s%s\n", kind, pnd_print_line(line, sizeof(line), text));
}

int pnd_ctl_fail(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    complain("", fmt, ap);
    va_end(ap);
    return PND_EXIT_COULD_NOT;
}

void pnd_ctl_warn(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    complain("warning: ", fmt, ap);
    va_end(ap);
}

int pnd_ctl_misused(const char *name, const char *fmt, ...)
{
    const struct pnd_verb *verb = find_verb(name);
    va_list ap;

    va_start(ap, fmt);
    complain("", fmt, ap);
    va_end(ap);
    if (verb)
        usage_line(stderr, verb);
    return PND_EXIT_COULD_NOT;
}

int pnd_ctl_common_option(struct pnd_ctl *ctl, const char *verb, int option)
{
    switch (option) {
    case 'j':
        ctl->json = true;
        return -1;
    case 'h':
        pnd_ctl_help(verb);
        return PND_EXIT_OK;
    default: /* getopt_long() has said what is wrong */
        fprintf(stderr, "Type \"panicctl %s --help\" for its options.\n", verb);
        return PND_EXIT_COULD_NOT;
    }
}

static bool arriving(const char *part_file, void *ctx)
{
    (void)part_file;
    (void)ctx;
    return true; /* the journal of the next server may know it: not ours to judge */
}

/* The catalog is an index: without one, the files are looked at again. */
static int open_catalog(struct pnd_ctl *ctl, bool write, struct pnd_why *why)
{
    unsigned changed;
    bool fresh = false;
    int err = pnd_catalog_open(&ctl->spool, !write, &ctl->catalog, &fresh, why);

    if (err == PND_E_NOTFOUND)
        err = pnd_catalog_open(&ctl->spool, false, &ctl->catalog, &fresh, why);
    if (!err && fresh)
        err = pnd_catalog_reconcile(ctl->catalog, &ctl->spool, arriving, NULL, 1, &changed, why);
    return err;
}

int pnd_ctl_open(struct pnd_ctl *ctl, bool write, struct pnd_why *why)
{
    struct pnd_why cause = {0};
    int err = pnd_spool_open_readonly(&ctl->spool, ctl->directory, &cause);

    if (err == PND_E_NOTFOUND)
        return pnd_why(why, err, 0,
                       "%s; name another directory with --directory, or receive into this one "
                       "with: panicd %s",
                       cause.text, ctl->directory);
    if (err)
        return pnd_why(why, err, 0, "%s", cause.text);
    err = open_catalog(ctl, write, why);
    if (err)
        pnd_ctl_close(ctl);
    return err;
}

void pnd_ctl_close(struct pnd_ctl *ctl)
{
    pnd_catalog_close(ctl->catalog);
    ctl->catalog = NULL;
    if (ctl->spool.dir_fd >= 0)
        pnd_spool_close(&ctl->spool);
    ctl->spool.dir_fd = -1;
}

static const char *choose_directory(void)
{
    const char *named = getenv("PANICD_DIRECTORY");
    struct stat st;

    if (named && named[0])
        return named;
    if (stat(DIRECTORY_LOCAL, &st) == 0 && S_ISDIR(st.st_mode))
        return DIRECTORY_LOCAL;
    return DIRECTORY_SERVICE;
}

static void look_at_terminal(struct pnd_ctl *ctl)
{
    const char *plain = getenv("NO_COLOR"), *term = getenv("TERM");

    ctl->terminal = isatty(STDOUT_FILENO) == 1;
    ctl->colour = ctl->terminal && !(plain && plain[0]) && term && strcmp(term, "dumb") != 0;
}

static int help_verb(int argc, char **argv)
{
    if (argc < 2) {
        help_all(stdout);
        return PND_EXIT_OK;
    }
    if (!find_verb(argv[1]))
        return pnd_ctl_fail("there is no verb \"%s\"; type \"panicctl help\"", argv[1]);
    pnd_ctl_help(argv[1]);
    return PND_EXIT_OK;
}

/* @return -1 go on with the verb at optind; else leave with this exit code */
static int global_options(struct pnd_ctl *ctl, int argc, char **argv)
{
    static const struct option options[] = {
        {"directory", required_argument, NULL, 'D'},
        {"json", no_argument, NULL, 'j'},
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'V'},
        {0},
    };
    int option;

    while ((option = getopt_long(argc, argv, "+D:jhV", options, NULL)) != -1) {
        switch (option) {
        case 'D':
            ctl->directory = optarg;
            break;
        case 'j':
            ctl->json = true;
            break;
        case 'h':
            help_all(stdout);
            return PND_EXIT_OK;
        case 'V':
            puts("panicctl " PND_VERSION);
            return PND_EXIT_OK;
        default:
            fputs("Type \"panicctl help\" for what there is.\n", stderr);
            return PND_EXIT_COULD_NOT;
        }
    }
    if (optind < argc)
        return -1;
    help_all(stderr);
    return PND_EXIT_COULD_NOT;
}

static int run_verb(struct pnd_ctl *ctl, int argc, char **argv)
{
    const struct pnd_verb *verb;

    if (strcmp(argv[0], "help") == 0)
        return help_verb(argc, argv);
    verb = find_verb(argv[0]);
    if (!verb)
        return pnd_ctl_fail("there is no verb \"%s\"; type \"panicctl help\"", argv[0]);
    optind = 0; /* the verb's options are read from its own start */
    return verb->run(ctl, argc, argv);
}

int main(int argc, char **argv)
{
    struct pnd_ctl ctl = {.spool = {.dir_fd = -1, .state_fd = -1, .lock_fd = -1}};
    int code;

    pnd_check_child_main(argc, argv);
    pnd_unpack_child_main(argc, argv);
    setlocale(LC_ALL, "");
    look_at_terminal(&ctl);
    code = global_options(&ctl, argc, argv);
    if (!ctl.directory)
        ctl.directory = choose_directory();
    if (code < 0)
        code = run_verb(&ctl, argc - optind, argv + optind);
    pnd_ctl_close(&ctl);
    if (fflush(stdout) != 0 || ferror(stdout))
        return errno == EPIPE ? PND_EXIT_COULD_NOT
                              : pnd_ctl_fail("write to standard output: %s", strerror(errno));
    return code;
}
