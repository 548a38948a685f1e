/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Which debugger opens which dump, with which arguments; see debug.h. */
#include <glob.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "panicctl/debug.h"
#include "panicctl/print.h"

enum core { CORE_NONE, CORE_MACHO, CORE_ELF, CORE_KDUMP, CORE_FREEBSD };

/* In the order in which they are preferred. */
static const struct option {
    enum core core;
    const char *os; /* NULL: any */
    const char *debugger, *package;
    bool needs_symbols;
    enum pnd_unpack_form form;
} table[] = {
    {CORE_MACHO, NULL, "lldb", "lldb", false, PND_UNPACK_AS_IS},
    {CORE_MACHO, NULL, "gdb", "gdb", false, PND_UNPACK_ELF},
    {CORE_ELF, "Linux", "crash", "crash", true, PND_UNPACK_AS_IS},
    {CORE_ELF, "Linux", "drgn", "python3-drgn", true, PND_UNPACK_AS_IS},
    {CORE_ELF, "Linux", "gdb", "gdb", true, PND_UNPACK_AS_IS},
    {CORE_ELF, "Linux", "lldb", "lldb", true, PND_UNPACK_ELF},
    {CORE_ELF, "FreeBSD", "kgdb", "", true, PND_UNPACK_AS_IS},
    {CORE_ELF, NULL, "gdb", "gdb", false, PND_UNPACK_AS_IS},
    {CORE_ELF, NULL, "lldb", "lldb", false, PND_UNPACK_ELF},
    {CORE_KDUMP, NULL, "crash", "crash", true, PND_UNPACK_ARRANGED},
    {CORE_KDUMP, NULL, "drgn", "python3-drgn", true, PND_UNPACK_ARRANGED},
    {CORE_FREEBSD, NULL, "kgdb", "", true, PND_UNPACK_AS_IS},
};

static const struct {
    const char *part; /* of the format's name */
    enum core core;
    const char *advice;
} formats[] = {
    {"corefile", CORE_NONE, "take the files out of it first: panicctl extract"},
    {"panic-log", CORE_NONE, "it is a log: panicctl log"},
    {"textdump", CORE_NONE, "it holds texts and no memory: panicctl log"},
    {"device", CORE_NONE, "savecore(8) of FreeBSD makes a file of it"},
    {"minidump", CORE_FREEBSD, NULL},
    {"flattened", CORE_KDUMP, NULL},
    {"kdump", CORE_KDUMP, NULL},
    {"macho", CORE_MACHO, NULL},
    {"elf", CORE_ELF, NULL},
};

static enum core core_of(const char *format, const char **ret_advice)
{
    for (size_t i = 0; i < sizeof(formats) / sizeof(*formats); i++) {
        if (strstr(format, formats[i].part)) {
            *ret_advice = formats[i].advice;
            return formats[i].core;
        }
    }
    *ret_advice = "it is no core that is known here";
    return CORE_NONE;
}

static bool is_installed(const char *program)
{
    const char *path = getenv("PATH");
    char file[PND_DEBUG_PATH_CAP];

    while (path && path[0]) {
        size_t len = strcspn(path, ":");
        int n = snprintf(file, sizeof(file), "%.*s/%s", (int)len, path, program);

        if (len > 0 && n > 0 && (size_t)n < sizeof(file) && access(file, X_OK) == 0)
            return true;
        path += len + (path[len] == ':');
    }
    return false;
}

static bool fits(const struct pnd_debug_wish *wish, enum core core, const struct option *option)
{
    const char *os = pnd_facts_text(wish->facts, PND_FACT_OS);

    if (wish->debugger && strcmp(wish->debugger, option->debugger) != 0)
        return false;
    if (option->core != core)
        return false;
    if (option->os)
        return strcmp(os, option->os) == 0;
    /* Of a system that has lines of its own, only those. */
    return core != CORE_ELF || (strcmp(os, "Linux") != 0 && strcmp(os, "FreeBSD") != 0);
}

/* ---- what to install ---- */

static void add_package(struct pnd_debug_choice *choice, const char *name)
{
    for (unsigned i = 0; name[0] && i < PND_DEBUG_PACKAGES_MAX; i++) {
        if (strcmp(choice->packages[i], name) == 0)
            return;
        if (!choice->packages[i][0]) {
            snprintf(choice->packages[i], sizeof(choice->packages[i]), "%s", name);
            return;
        }
    }
}

/* A word of a package's name; the release comes from the dump. */
static bool is_package_word(const char *text)
{
    return text[0] && strlen(text) < 100 &&
           strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789.+-~") == strlen(text);
}

static void add_symbols_package(const struct pnd_debug_wish *wish, struct pnd_debug_choice *choice)
{
    const char *release = pnd_facts_text(wish->facts, PND_FACT_KERNEL);
    char name[160];

    if (strcmp(pnd_facts_text(wish->facts, PND_FACT_OS), "Linux") != 0 || !is_package_word(release))
        return;
    snprintf(name, sizeof(name), "linux-image-%s-dbg", release);
    add_package(choice, name);
}

void pnd_debug_choose(const struct pnd_debug_wish *wish, struct pnd_debug_choice *ret)
{
    struct pnd_debug_choice choice = {0};
    enum core core = core_of(wish->format, &choice.advice);
    bool any_installed = false;

    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
        bool installed, lacks = table[i].needs_symbols && !wish->symbols->path[0];

        if (!fits(wish, core, &table[i]))
            continue;
        installed = is_installed(table[i].debugger);
        /* What somebody asks for by name starts without symbols, too. */
        lacks = lacks && !wish->debugger;
        if (!choice.debugger || (installed && !any_installed)) {
            choice.debugger = table[i].debugger;
            choice.form = table[i].form;
            choice.lacks_symbols = lacks;
            choice.installed = installed;
        }
        any_installed = any_installed || installed;
    }
    for (size_t i = 0; !any_installed && i < sizeof(table) / sizeof(*table); i++) {
        if (choice.debugger && strcmp(table[i].debugger, choice.debugger) == 0)
            add_package(&choice, table[i].package);
    }
    if (choice.lacks_symbols)
        add_symbols_package(wish, &choice);
    if (choice.debugger && strcmp(choice.debugger, "lldb") == 0 && choice.form == PND_UNPACK_ELF &&
        wish->osabi)
        choice.form = PND_UNPACK_AS_IS;
    *ret = choice;
}

/* ---- the arguments ---- */

struct arguments {
    const char **argv;
    unsigned count;
    char *text;
    size_t left;
};

static void push(struct arguments *args, const char *word)
{
    if (args->count < PND_DEBUG_ARGS_MAX)
        args->argv[args->count] = word;
    args->count++;
}

__attribute__((format(printf, 2, 3))) static void push_text(struct arguments *args, const char *fmt,
                                                            ...)
{
    va_list ap;
    int len;

    va_start(ap, fmt);
    len = vsnprintf(args->text, args->left, fmt, ap);
    va_end(ap);
    if (len < 0 || (size_t)len >= args->left) {
        args->count = PND_DEBUG_ARGS_MAX + 1; /* full */
        return;
    }
    push(args, args->text);
    args->text += len + 1;
    args->left -= (size_t)len + 1;
}

/* A number, whatever the text is: lldb runs each line of a command. */
static unsigned long long slide_of(const struct pnd_facts *facts)
{
    const char *text = pnd_facts_text(facts, PND_FACT_SLIDE);
    char *end;
    unsigned long long slide = strtoull(text, &end, 0);

    return *end ? 0 : slide;
}

/* An ELF kernel in a Mach-O core is placed by nobody but us; not one whose name would end the
 * quotes, or the line. */
static void push_lldb(struct arguments *args, const struct pnd_debug_wish *wish, const char *core)
{
    const char *symbols = wish->symbols->path, *slash = strrchr(symbols, '/');
    bool macho = strstr(wish->format, "macho") != NULL;

    push(args, "--core");
    push(args, core);
    if (!symbols[0])
        return;
    if (macho && wish->symbols->elf && !strpbrk(symbols, "'\n\r")) {
        push(args, "-o");
        push_text(args, "target modules add '%s'", symbols);
        push(args, "-o");
        push_text(args, "target modules load --file '%s' --slide 0x%llx",
                  slash ? slash + 1 : symbols, slide_of(wish->facts));
    } else {
        push(args, symbols);
    }
}

int pnd_debug_arguments(const struct pnd_debug_wish *wish, const struct pnd_debug_choice *choice,
                        const char *core, char *const *more, const char *argv[], char *text,
                        size_t cap)
{
    struct arguments args = {.argv = argv, .text = text, .left = cap};
    const char *symbols = wish->symbols->path, *debugger = choice->debugger;

    push(&args, debugger);
    if (strcmp(debugger, "lldb") == 0) {
        push_lldb(&args, wish, core);
    } else if (strcmp(debugger, "drgn") == 0) {
        push(&args, "-c");
        push(&args, core);
        if (symbols[0]) {
            push(&args, "-s");
            push(&args, symbols);
        }
    } else { /* crash, gdb, kgdb: the kernel, then the core */
        if (symbols[0] && (wish->symbols->elf || strcmp(debugger, "gdb") != 0))
            push(&args, symbols);
        else if (strcmp(debugger, "crash") != 0)
            push(&args, "-c");
        push(&args, core);
    }
    for (; more && *more; more++)
        push(&args, *more);
    if (args.count > PND_DEBUG_ARGS_MAX)
        return PND_E_FULL;
    argv[args.count] = NULL;
    return PND_OK;
}

/* /usr/bin/lldb leads to /usr/lib/llvm-14/bin/lldb; its Python is in ../lib. */
bool pnd_debug_python(const char *debugger, char *ret, size_t cap)
{
    char program[PATH_MAX], pattern[PATH_MAX + 64];
    glob_t found = {0};
    bool needed = false;
    char *slash;

    if (strcmp(debugger, "lldb") != 0 || getenv("PYTHONPATH") ||
        !realpath("/usr/bin/lldb", program) || !(slash = strstr(program, "/bin/lldb")))
        return false;
    *slash = '\0';
    snprintf(pattern, sizeof(pattern), "%s/lib/python3.*/dist-packages", program);
    if (glob(pattern, 0, NULL, &found) == 0 && found.gl_pathc > 0 &&
        strlen(found.gl_pathv[0]) < cap) {
        snprintf(ret, cap, "%s", found.gl_pathv[0]);
        needed = true;
    }
    globfree(&found);
    return needed;
}

const char *pnd_debug_quote(char *dst, size_t cap, const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "/._-+=:,@%";
    size_t at = 0;
    char clean[PND_DEBUG_PATH_CAP];

    pnd_print_line(clean, sizeof(clean), word);
    if (word[0] && strspn(clean, plain) == strlen(clean)) {
        snprintf(dst, cap, "%s", clean);
        return dst;
    }
    dst[at++] = '\'';
    for (const char *c = clean; *c && at + 6 < cap; c++) {
        if (*c == '\'') {
            memcpy(dst + at, "'\\''", 4);
            at += 4;
        } else {
            dst[at++] = *c;
        }
    }
    snprintf(dst + at, cap - at, "'");
    return dst;
}
