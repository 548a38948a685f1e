/* SPDX-License-Identifier: BSD-2-Clause
 *
 * panicdump disarm: what arm did, taken back. */
#include <getopt.h>
#include <stdio.h>
#include <unistd.h>

#include "arm/arm.h"
#include "arm/persist.h"
#include "host/guard.h"
#include "panicdump/panicdump.h"

static const char help[] =
    "usage: panicdump disarm [--persist] [--force]\n"
    "\n"
    "Takes the crash kernel out, and sets back what an NMI does. Root only. What\n"
    "crashkernel= reserves stays reserved.\n"
    "\n"
    "  --persist  and it is not armed at the next boot, either\n"
    "  --force    also a crash kernel that something else has loaded\n"
    "\n"
    "Exit status: 0 disarmed; 1 nothing was armed; 2 could not.\n";

static void say_disarmed(const struct pnd_state *was)
{
    const char *other = pnd_machine_other("");

    puts(was->release[0]
             ? "Disarmed: a panic of this kernel sends nothing any more."
             : "Disarmed: a crash kernel was loaded that panicdump had not armed; it is out.");
    if (was->on_nmi)
        puts("What an NMI does is as it was before.");
    if (other)
        printf("%s is set up here: \"systemctl restart %s\" loads its crash kernel again.\n", other,
               other);
}

/* @param alone  nothing was armed now */
static int next_boot(bool persist, bool alone)
{
    struct pnd_why why;
    int err;

    if (!persist) {
        if (pnd_persist_is_enabled(""))
            puts("At the next boot it is armed again, unless you say --persist as well.");
        return PND_EXIT_OK;
    }
    err = pnd_persist_disable("", &why);
    if (err && err != PND_E_NOTFOUND)
        return pnd_complain(PND_EXIT_CANNOT, "%s", why.text);
    if (err && alone)
        return pnd_complain(PND_EXIT_NO, "nothing is armed, now or at the next boot");
    puts(err ? "The next boot would not have armed it." : "Nor is it armed at the next boot.");
    return PND_EXIT_OK;
}

int pnd_verb_disarm(int argc, char **argv)
{
    static const struct option longs[] = {{"persist", no_argument, NULL, 'p'},
                                          {"force", no_argument, NULL, 'f'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    static struct pnd_state was;
    PND_AUTO_CLOSE int lock = -1;
    bool force = false, persist = false;
    struct pnd_why why;
    int option, err;

    while ((option = getopt_long(argc, argv, "h", longs, NULL)) != -1) {
        if (option != 'f' && option != 'p') {
            fputs(help, option == 'h' ? stdout : stderr);
            return option == 'h' ? PND_EXIT_OK : PND_EXIT_CANNOT;
        }
        force |= option == 'f';
        persist |= option == 'p';
    }
    if (optind != argc) {
        fputs(help, stderr);
        return PND_EXIT_CANNOT;
    }
    err = pnd_state_lock("", PND_STATE_WAIT_MS, &lock, &why);
    if (err)
        return pnd_complain(PND_EXIT_CANNOT, "%s%s", why.text,
                            geteuid() ? ": this needs root, sudo panicdump disarm" : "");
    err = pnd_disarm("", force, NULL, &was, &why);
    if (err && !(err == PND_E_NOTFOUND && persist))
        return pnd_complain(err == PND_E_NOTFOUND ? PND_EXIT_NO : PND_EXIT_CANNOT, "%s", why.text);
    if (!err)
        say_disarmed(&was);
    return next_boot(persist, err != PND_OK);
}
