/* SPDX-License-Identifier: BSD-2-Clause
 *
 * panicdump: runs on the machine that may panic. A table of verbs. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "panicdump/panicdump.h"

#ifndef PND_VERSION
#error "the build says -DPND_VERSION=\"...\""
#endif

struct verb {
    const char *name;
    int (*run)(int argc, char **argv);
};

static const struct verb verbs[] = {
#ifdef PND_ONLY_CAPTURE
    {"test", pnd_verb_test},
#else
    {"arm", pnd_verb_arm},       {"disarm", pnd_verb_disarm},
    {"status", pnd_verb_status}, {"test", pnd_verb_test_armed},
#endif
    {"send", pnd_verb_send},
    {"capture", pnd_verb_capture},
};

#ifdef PND_ONLY_CAPTURE
static const char help[] =
    "panicdump-static - the part of panicdump that runs in a crash kernel\n"
    "\n"
    "  panicdump-static test --server ADDRESS       does the way to a server work?\n"
    "  panicdump-static send --server ADDRESS FILE  send a file; - is standard input\n"
    "  panicdump-static capture                     send /proc/vmcore; as /init this\n"
    "                                               is what it does\n"
    "\n"
    "VERB --help tells the options of each. What puts it into a crash kernel is\n"
    "\"panicdump arm\". Exit status: as of panicdump. See panicdump(8).\n";
#else
static const char help[] =
    "panicdump - send kernel core dumps to a machine where panicd runs\n"
    "\n"
    "  panicdump arm --server ADDRESS   a panic sends this machine's memory there\n"
    "  panicdump status                 is it armed? would a dump arrive now?\n"
    "  panicdump test                   send a small dump, as the crash kernel would\n"
    "  panicdump test --crash           the whole of it: panics\n"
    "  panicdump disarm                 take it back\n"
    "\n"
    "  panicdump test --server ADDRESS       does the way to a server work?\n"
    "  panicdump send --server ADDRESS FILE  send a file; - is standard input\n"
    "  panicdump capture                     in a crash kernel: send /proc/vmcore\n"
    "\n"
    "panicdump VERB --help tells the options of each. panicdump-static, which runs\n"
    "in the crash kernel, has test, send and capture only.\n"
    "\n"
    "Exit status: 0 done, and the server holds the dump; 1 it refused, or never\n"
    "answered, or nothing is armed; 2 wrong usage, or it could not; 130, 143\n"
    "interrupted. See panicdump(8).\n";
#endif

/* The kernel starts /init with those words of its command line that it does not know itself: they
 * are not for us. A container's first process has another name. */
static bool is_init(const char *arg0)
{
    const char *slash = arg0 ? strrchr(arg0, '/') : NULL;

    return getpid() == 1 && slash && strcmp(slash, "/init") == 0;
}

int main(int argc, char **argv)
{
    if (is_init(argv[0]))
        return pnd_verb_capture(1, argv);
    if (argc < 2) {
        fputs(help, stderr);
        return PND_EXIT_CANNOT;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0) {
        fputs(help, stdout);
        return PND_EXIT_OK;
    }
    if (strcmp(argv[1], "--version") == 0) {
        puts("panicdump " PND_VERSION);
        return PND_EXIT_OK;
    }
    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
        if (strcmp(argv[1], verbs[i].name) == 0)
            return verbs[i].run(argc - 1, argv + 1);
#ifdef PND_ONLY_CAPTURE
    return pnd_complain(PND_EXIT_CANNOT, "there is no \"%s\" in panicdump-static: try panicdump",
                        argv[1]);
#else
    return pnd_complain(PND_EXIT_CANNOT, "there is no \"%s\": panicdump --help tells what there is",
                        argv[1]);
#endif
}
