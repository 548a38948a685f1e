/* SPDX-License-Identifier: BSD-2-Clause
 *
 * panicdump disarm: what arm did, taken back. */
#include <getopt.h>
#include <stdio.h>

#include "arm/arm.h"
#include "panicdump/panicdump.h"

static const char help[] =
    "usage: panicdump disarm [--force]\n"
    "\n"
    "Takes the crash kernel out, and sets back what an NMI does. Root only. The memory\n"
    "that crashkernel= reserves stays reserved.\n"
    "\n"
    "  --force   also a crash kernel that something else has loaded\n"
    "\n"
    "Exit status: 0 disarmed; 1 nothing was armed; 2 could not.\n";

int pnd_verb_disarm(int argc, char **argv)
{
    static const struct option longs[] = {
        {"force", no_argument, NULL, 'f'}, {"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
    static struct pnd_state was;
    bool force = false;
    struct pnd_why why;
    int option, err;

    while ((option = getopt_long(argc, argv, "h", longs, NULL)) != -1) {
        if (option != 'f') {
            fputs(help, option == 'h' ? stdout : stderr);
            return option == 'h' ? PND_EXIT_OK : PND_EXIT_CANNOT;
        }
        force = true;
    }
    if (optind != argc) {
        fputs(help, stderr);
        return PND_EXIT_CANNOT;
    }
    err = pnd_disarm("", force, &was, &why);
    if (err)
        return pnd_complain(err == PND_E_NOTFOUND ? PND_EXIT_NO : PND_EXIT_CANNOT, "%s", why.text);
    puts(was.release[0]
             ? "Disarmed: a panic of this kernel sends nothing any more."
             : "Disarmed: a crash kernel was loaded that panicdump had not armed; it is out.");
    if (was.on_nmi)
        puts("What an NMI does is as it was before.");
    return PND_EXIT_OK;
}
