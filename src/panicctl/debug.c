/* SPDX-License-Identifier: BSD-2-Clause
 *
 * panicctl debug: the debugger that fits, on the dump as it wants it. */
#include "panicctl/debug.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/guard.h"
#include "panicctl/copy.h"
#include "panicctl/info.h"

enum { TEXT_CAP = 3 * PND_DEBUG_PATH_CAP };

struct debug {
    const char *what, *symbols_path;
    bool print, keep;
    char *const *more; /* for the debugger; NULL: nothing */
    struct pnd_subject subject;
    struct pnd_facts facts;
    struct pnd_check check;
    struct pnd_debug_symbols symbols;
    struct pnd_debug_wish wish;
    struct pnd_debug_choice choice;
    bool unpack;                        /* the debugger cannot read the file as it is */
    char path[PND_DEBUG_PATH_CAP];      /* of the dump */
    char temporary[PND_DEBUG_PATH_CAP]; /* the directory for what was unpacked; "" none */
    char core[PND_DEBUG_PATH_CAP];      /* what the debugger opens */
};

static volatile sig_atomic_t ended_by; /* a signal that asks us to end; 0: none */

static void note_signal(int number)
{
    ended_by = number;
}

/* ---- the command ---- */

/* @param wish  with symbols that are there, or as they would be */
static int arguments(const struct debug *debug, const struct pnd_debug_wish *wish, const char *core,
                     const char *argv[], char *text)
{
    int err = pnd_debug_arguments(wish, &debug->choice, core, debug->more, argv, text, TEXT_CAP);

    return err ? pnd_ctl_fail("too many arguments for %s", debug->choice.debugger) : 0;
}

/* Appends a word, with a blank before it. */
static void append(char *line, size_t cap, const char *word)
{
    char quoted[PND_DEBUG_PATH_CAP];
    size_t len = strlen(line);

    snprintf(line + len, cap - len, "%s%s", len ? " " : "",
             pnd_debug_quote(quoted, sizeof(quoted), word));
}

/* @param ret  the line that unpacks, or ""; then the debugger's */
static int command_lines(const struct debug *debug, char unpack[TEXT_CAP], char start[TEXT_CAP])
{
    const char *argv[PND_DEBUG_ARGS_MAX + 1];
    char text[TEXT_CAP], name[PND_DEBUG_PATH_CAP];
    struct pnd_debug_symbols symbols = debug->symbols;
    struct pnd_debug_wish wish = debug->wish;
    int code;

    wish.symbols = &symbols;
    if (debug->choice.lacks_symbols)
        pnd_debug_expect_symbols(&debug->facts, &symbols);
    code = arguments(debug, &wish, debug->unpack ? "core" : debug->path, argv, text);
    unpack[0] = start[0] = '\0';
    if (code)
        return code;
    if (debug->unpack) {
        pnd_subject_name(&debug->subject, name, sizeof(name));
        snprintf(unpack, TEXT_CAP, "panicctl export");
        append(unpack, TEXT_CAP, name);
        append(unpack, TEXT_CAP, debug->choice.form == PND_UNPACK_ELF ? "--elf" : "--decompress");
        append(unpack, TEXT_CAP, "-o");
        append(unpack, TEXT_CAP, "core");
    }
    if (pnd_debug_python(argv[0], name, sizeof(name)))
        snprintf(start, TEXT_CAP, "PYTHONPATH=%s", name);
    for (unsigned i = 0; argv[i]; i++)
        append(start, TEXT_CAP, argv[i]);
    return PND_EXIT_OK;
}

static int print_json(const struct debug *debug)
{
    char unpack[TEXT_CAP], start[TEXT_CAP];
    json_t *commands = json_array(), *packages = json_array();
    bool has = debug->choice.debugger && !command_lines(debug, unpack, start);

    if (has && unpack[0])
        json_array_append_new(commands, pnd_print_json_text(unpack));
    if (has)
        json_array_append_new(commands, pnd_print_json_text(start));
    for (unsigned i = 0; i < PND_DEBUG_PACKAGES_MAX && debug->choice.packages[i][0]; i++)
        json_array_append_new(packages, json_string(debug->choice.packages[i]));
    return pnd_print_json(
        json_pack("{s:s?, s:b, s:o, s:o, s:o}", "debugger", debug->choice.debugger, "installed",
                  (int)debug->choice.installed, "symbols",
                  debug->symbols.path[0] ? pnd_print_json_text(debug->symbols.path) : json_null(),
                  "commands", commands, "packages", packages));
}

static int print_commands(const struct pnd_ctl *ctl, const struct debug *debug, const char *indent)
{
    char unpack[TEXT_CAP], start[TEXT_CAP];
    int code;

    if (ctl->json)
        return print_json(debug);
    code = command_lines(debug, unpack, start);
    if (!code && unpack[0])
        printf("%s%s\n", indent, unpack);
    if (!code)
        printf("%s%s\n", indent, start);
    return code;
}

/* ---- when it cannot be started ---- */

static void print_symbols_hint(const struct debug *debug)
{
    const char *os = pnd_facts_text(&debug->facts, PND_FACT_OS);
    char id[128], release[256];

    pnd_print_line(id, sizeof(id), pnd_facts_text(&debug->facts, PND_FACT_BUILD_ID));
    pnd_print_line(release, sizeof(release), pnd_facts_text(&debug->facts, PND_FACT_KERNEL));
    printf("The symbols of its kernel were not found: the %s of %s%s%s%s.\n",
           strcmp(os, "Linux") == 0 ? "vmlinux" : "kernel", release[0] ? release : "that kernel",
           id[0] ? " (build " : "", id, id[0] ? ")" : "");
    puts("Name it with --symbols, or put it into a directory of $PANICD_SYMBOLS.");
}

/* @return PND_EXIT_NO */
static int cannot(const struct pnd_ctl *ctl, const struct debug *debug)
{
    const struct pnd_debug_choice *choice = &debug->choice;
    char name[PND_SPOOL_NAME_CAP], shown[PND_PRINT_NAME_CAP];

    pnd_subject_name(&debug->subject, name, sizeof(name));
    pnd_print_name(shown, name);
    if (ctl->json) {
        print_json(debug);
        return PND_EXIT_NO;
    }
    if (!choice->debugger && debug->wish.debugger) {
        pnd_ctl_fail("%s does not open %s, which is %s", debug->wish.debugger, shown,
                     debug->wish.format[0] ? debug->wish.format : "not checked yet");
        return PND_EXIT_NO;
    }
    if (!choice->debugger) {
        pnd_ctl_fail("no debugger opens %s, which is %s; %s", shown,
                     debug->wish.format[0] ? debug->wish.format : "not checked yet",
                     choice->advice);
        return PND_EXIT_NO;
    }
    if (!choice->installed)
        printf("%s is not installed.\n", choice->debugger);
    if (!choice->installed && strcmp(choice->debugger, "kgdb") == 0)
        puts("It is FreeBSD's: take the dump there, with \"panicctl export\".");
    if (choice->lacks_symbols)
        print_symbols_hint(debug);
    if (choice->packages[0][0])
        fputs("As root, type:\n  apt-get install", stdout);
    for (unsigned i = 0; i < PND_DEBUG_PACKAGES_MAX && choice->packages[i][0]; i++)
        printf(" %s", choice->packages[i]);
    puts(choice->packages[0][0] ? "\nThen \"panicctl debug\" types for you:"
                                : "Then \"panicctl debug\" types for you:");
    print_commands(ctl, debug, "  ");
    return PND_EXIT_NO;
}

/* ---- the temporary file ---- */

static int make_temporary(struct debug *debug)
{
    const char *place = getenv("TMPDIR");
    int len;

    /* What is unpacked may be as large as the memory of a machine: not into a tmpfs. */
    len = snprintf(debug->temporary, sizeof(debug->temporary), "%s/panicctl-XXXXXX",
                   place && place[0] ? place : "/var/tmp");
    if (len < 0 || (size_t)len + sizeof("/core") > sizeof(debug->temporary) ||
        !mkdtemp(debug->temporary)) {
        pnd_ctl_fail("make a directory in %s: %s", place && place[0] ? place : "/var/tmp",
                     strerror(errno));
        debug->temporary[0] = '\0';
        return PND_EXIT_COULD_NOT;
    }
    snprintf(debug->core, sizeof(debug->core), "%.*s/core", len, debug->temporary);
    return PND_EXIT_OK;
}

static void remove_temporary(const struct debug *debug)
{
    if (!debug->temporary[0])
        return;
    unlink(debug->core);
    rmdir(debug->temporary);
}

static int unpack(struct debug *debug)
{
    struct pnd_progress progress;
    struct pnd_copy copy = {
        .in = debug->subject.fd, .sparse = true, .progress = &progress, .ended = &ended_by};
    struct pnd_why why = {0};
    struct stat st;
    uint64_t bytes;
    int err, code = make_temporary(debug);

    if (code)
        return code;
    PND_AUTO_CLOSE int fd = open(debug->core, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 || fstat(debug->subject.fd, &st) != 0)
        return pnd_ctl_fail("create %s: %s", debug->core, strerror(errno));
    copy.out = fd;
    pnd_progress_init(&progress, "unpack", (uint64_t)st.st_size, isatty(STDERR_FILENO) != 1);
    err = pnd_copy_unpacked(
        &copy, debug->choice.form == PND_UNPACK_AS_IS ? PND_UNPACK_ARRANGED : debug->choice.form,
        &bytes, &why);
    pnd_progress_clear(&progress);
    if (err == PND_E_SHORT || err == PND_E_FORMAT) {
        pnd_ctl_warn("%s; what comes before it can be looked at", why.text);
        err = PND_OK;
    }
    return err ? pnd_ctl_fail("%s (in %s; $TMPDIR names another place)", why.text, debug->temporary)
               : PND_EXIT_OK;
}

/* ---- the debugger ---- */

static _Noreturn void become(const char *argv[])
{
    char python[PND_DEBUG_PATH_CAP];
    union {
        const char **words;
        char **argv;
    } as = {.words = argv};

    signal(SIGINT, SIG_DFL);
    signal(SIGQUIT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    signal(SIGHUP, SIG_DFL);
    if (pnd_debug_python(argv[0], python, sizeof(python)))
        setenv("PYTHONPATH", python, 1);
    execvp(argv[0], as.argv);
    fprintf(stderr, "panicctl: start %s: %s\n", argv[0], strerror(errno));
    _exit(127);
}

/* Its keyboard signals are its own; one that ends us ends it first. */
static int wait_for(const char *debugger, pid_t pid)
{
    int status;

    while (waitpid(pid, &status, 0) != pid) {
        if (errno != EINTR)
            return pnd_ctl_fail("wait for %s: %s", debugger, strerror(errno));
        if (ended_by)
            kill(pid, SIGTERM);
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return PND_EXIT_OK;
    if (WIFEXITED(status))
        return pnd_ctl_fail("%s ended with status %d", debugger, WEXITSTATUS(status));
    return pnd_ctl_fail("%s was ended by signal %d", debugger, WTERMSIG(status));
}

static int start(const struct debug *debug)
{
    const char *argv[PND_DEBUG_ARGS_MAX + 1];
    char text[TEXT_CAP];
    int code = arguments(debug, &debug->wish, debug->core, argv, text);
    pid_t pid;

    if (code)
        return code;
    fflush(stdout);
    pid = fork();
    if (pid < 0)
        return pnd_ctl_fail("start %s: %s", argv[0], strerror(errno));
    if (pid == 0)
        become(argv);
    signal(SIGINT, SIG_IGN);
    signal(SIGQUIT, SIG_IGN);
    return wait_for(argv[0], pid);
}

static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = note_signal};

    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGHUP, &action, NULL);
    sigaction(SIGINT, &action, NULL);
}

static int unpack_and_start(struct debug *debug)
{
    int code = PND_EXIT_OK;

    catch_signals();
    if (debug->unpack)
        code = unpack(debug);
    if (!code && ended_by)
        code = PND_EXIT_COULD_NOT;
    if (!code)
        code = start(debug);
    if (debug->keep && debug->temporary[0] && code == PND_EXIT_OK)
        printf("Kept: %s\n", debug->core);
    else
        remove_temporary(debug);
    return code;
}

/* ---- the verb ---- */

static bool has_osabi(int fd)
{
    uint8_t head[8];

    return pread(fd, head, sizeof(head), 0) == (ssize_t)sizeof(head) && head[7] != 0;
}

static int choose(struct pnd_ctl *ctl, struct debug *debug, struct pnd_why *why)
{
    char own[sizeof(ctl->spool.path) + sizeof("/.panicd/symbols")];
    enum pnd_unpack_packing packing;
    bool packed = pnd_copy_packing(debug->subject.fd, &packing);
    int err;

    snprintf(own, sizeof(own), "%s/.panicd/symbols", ctl->spool.path);
    err = pnd_debug_find_symbols(&debug->facts, debug->symbols_path,
                                 ctl->spool.dir_fd >= 0 ? own : NULL, &debug->symbols, why);
    if (err)
        return err;
    debug->wish.format = pnd_subject_format(&debug->subject, &debug->check);
    debug->wish.osabi = packing == PND_UNPACK_RAW && has_osabi(debug->subject.fd);
    debug->wish.facts = &debug->facts;
    debug->wish.symbols = &debug->symbols;
    pnd_debug_choose(&debug->wish, &debug->choice);
    debug->unpack = packed || debug->choice.form == PND_UNPACK_ELF;
    /* "-x" is a file here, and "4711" no process: gdb would attach to it. */
    if (!debug->subject.row && !strchr(debug->subject.path, '/'))
        snprintf(debug->path, sizeof(debug->path), "./%s", debug->subject.path);
    else
        pnd_subject_path(ctl, &debug->subject, debug->path, sizeof(debug->path));
    snprintf(debug->core, sizeof(debug->core), "%s", debug->path);
    return PND_OK;
}

static int run(struct pnd_ctl *ctl, struct debug *debug)
{
    struct pnd_why why = {0};
    int err = pnd_subject_find(ctl, debug->what, &debug->subject, &why);

    if (!err && debug->subject.row && debug->subject.view.arriving)
        return pnd_ctl_fail("%s is still arriving; \"panicctl watch --until-idle\" waits for it",
                            debug->what);
    if (!err)
        err = pnd_subject_facts(ctl, &debug->subject, false, &debug->facts, &debug->check, &why);
    if (!err)
        err = choose(ctl, debug, &why);
    if (err)
        return pnd_ctl_fail("%s", why.text);
    if (debug->symbols.differs)
        pnd_ctl_warn("%s is of another build, %s", debug->symbols.path, debug->symbols.id);
    if (!debug->choice.debugger || !debug->choice.installed || debug->choice.lacks_symbols)
        return cannot(ctl, debug);
    if (debug->print || ctl->json)
        return print_commands(ctl, debug, "");
    return unpack_and_start(debug);
}

int pnd_verb_debug(struct pnd_ctl *ctl, int argc, char **argv)
{
    static const struct option options[] = {{"symbols", required_argument, NULL, 's'},
                                            {"debugger", required_argument, NULL, 'd'},
                                            {"print", no_argument, NULL, 'p'},
                                            {"keep", no_argument, NULL, 'k'},
                                            {"json", no_argument, NULL, 'j'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    static struct debug debug; /* too much for a stack frame */
    int option, code;

    debug.subject.fd = -1;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--") == 0) {
            debug.more = argv + i + 1;
            argc = i;
        }
    }
    while ((option = getopt_long(argc, argv, "s:d:pkjh", options, NULL)) != -1) {
        if (option == 's')
            debug.symbols_path = optarg;
        else if (option == 'd')
            debug.wish.debugger = optarg;
        else if (option == 'p')
            debug.print = true;
        else if (option == 'k')
            debug.keep = true;
        else if ((code = pnd_ctl_common_option(ctl, argv[0], option)) >= 0)
            return code;
    }
    if (argc - optind > 1)
        return pnd_ctl_misused(argv[0], "debug takes one ID or FILE; what is for the debugger "
                                        "stands behind \"--\"");
    debug.what = optind < argc ? argv[optind] : "latest";

    code = run(ctl, &debug);
    pnd_facts_deinit(&debug.facts);
    pnd_subject_deinit(&debug.subject);
    return code;
}
