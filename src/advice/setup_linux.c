/* SPDX-License-Identifier: BSD-2-Clause
 *
 * For Linux: panicdump arm, and how to see that it works.
 * @source panicdump(8); for ways to an NMI, ipmitool(1) and virsh(1) */
#include <stdio.h>
#include <string.h>

#include "advice/setup.h"

static const char *wrong_want(const struct pnd_setup_want *want)
{
    if (want->release)
        return "--release is for macos and freebsd: the steps are the same for every Linux";
    if (!want->server)
        return "say who receives: --server 10.0.40.2, an address of this machine";
    if (want->client || want->gateway)
        return "--client and --gateway are for freebsd: panicdump arm finds out by itself from "
               "which address and over which router a Linux machine sends";
    if (want->paniclog_only || want->local || want->stay)
        return "--paniclog-only, --local and --stay are for macos; panicdump arm has --filter, "
               "--also-local and --shell";
    return NULL;
}

static void step_install(struct pnd_setup *ret)
{
    struct pnd_setup_step *step =
        pnd_setup_add(ret, "On the Linux machine, as root: is panicdump installed?");

    PND_SETUP_SAY(step->act, "panicdump --version\npanicdump-static --version");
    PND_SETUP_SAY(step->check, "both print a version. Else, here, in the sources of panicd: "
                               "\"./run panicdump\" packs it for machines of the distribution that "
                               "is here, and says what to type there. On any other: \"./run "
                               "install\", in the sources.");
    PND_SETUP_SAY(step->undo, "tar -tf panicdump.tar.gz | (cd / && xargs rm)");
    PND_SETUP_SAY(step->why, "panicdump prepares the crash kernel; panicdump-static is the one "
                             "program that runs in it.");
}

static void step_way(struct pnd_setup *ret, const struct pnd_setup_want *want, const char *port)
{
    struct pnd_setup_step *step = pnd_setup_add(ret, "There: does the way to the server work?");

    PND_SETUP_SAY(step->act, "panicdump test --server %s%s", want->server, port);
    PND_SETUP_SAY(step->check, "it says ok. Else it says what to do.");
    PND_SETUP_SAY(step->undo, "here: panicctl rm, with the dump's number of \"panicctl list\".");
}

static void step_arm(struct pnd_setup *ret, const struct pnd_setup_want *want, const char *port)
{
    struct pnd_setup_step *step = pnd_setup_add(ret, "There: arm it, now and at every boot");

    PND_SETUP_SAY(step->how, "Before anything is changed, it looks at the machine. When memory for "
                             "a crash kernel is missing, it says how much, and the commands for "
                             "this machine's boot loader; type those, and then this again.");
    PND_SETUP_SAY(step->act, "panicdump arm --server %s%s%s%s%s --persist", want->server, port,
                  want->interface ? " --interface " : "", want->interface ? want->interface : "",
                  want->on_nmi ? " --on-nmi" : "");
    PND_SETUP_SAY(step->check, "the first line is \"Armed: ...\", and the last field says \"armed "
                               "again\" for the next boot.");
    PND_SETUP_SAY(step->undo, "panicdump disarm --persist. What was reserved by crashkernel= stays "
                              "so until the word is taken back where it was added.");
    PND_SETUP_SAY(step->why,
                  "a kernel that panicked starts a second one, which sends the memory of the first "
                  "and restarts the machine. \"panicdump arm --help\" lists what else can be said: "
                  "which pages, more servers, a disk for when no server answers.%s",
                  want->on_nmi ? " --on-nmi lets a machine that hangs be made to dump." : "");
}

static void step_look(struct pnd_setup *ret)
{
    struct pnd_setup_step *step = pnd_setup_add(ret, "There: would a dump arrive now?");

    PND_SETUP_SAY(step->act, "panicdump status\npanicdump test");
    PND_SETUP_SAY(step->check, "status says of the server \"open: it answers\"; test says ok. Both "
                               "exit with 0 then, for whatever watches your machines.");
    PND_SETUP_SAY(step->undo, "here: panicctl rm, with the dump's number of \"panicctl list\".");
    PND_SETUP_SAY(step->why, "test sends a small dump with the crash kernel's own packets: its "
                             "port, its address, its next hop.");
}

static void step_try(struct pnd_setup *ret)
{
    struct pnd_setup_step *step =
        pnd_setup_add(ret, "There: try all of it; this panics the machine");

    PND_SETUP_SAY(step->how, "It asks twice. Save everything first.");
    PND_SETUP_SAY(step->act, "panicdump test --crash");
    PND_SETUP_SAY(step->check, "here, \"panicctl watch --count 1\" shows the dump arrive, and "
                               "\"panicctl info latest\" says \"sysrq triggered crash\". The "
                               "machine restarts; \"panicdump status\" says there that it is armed "
                               "again.");
    PND_SETUP_SAY(step->why, "whether the crash kernel starts on this machine is known only when "
                             "it has.");
}

static void step_nmi(struct pnd_setup *ret)
{
    struct pnd_setup_step *step = pnd_setup_add(ret, "When it hangs, or to try that: an NMI");

    PND_SETUP_SAY(step->how,
                  "Press its NMI button; or, of a machine with IPMI, \"ipmitool chassis power "
                  "diag\"; or, of a virtual one, \"virsh inject-nmi NAME\" on its host.");
    PND_SETUP_SAY(step->check, "here, \"panicctl watch --count 1\" shows the dump arrive.");
}

const char *pnd_setup_linux(const struct pnd_setup_want *want, struct pnd_setup *ret)
{
    const char *wrong = wrong_want(want);
    char port[32] = "";

    if (wrong)
        return wrong;
    if (want->port)
        snprintf(port, sizeof(port), " --port %u", (unsigned)want->port);
    pnd_setup_about(ret, "A Linux machine whose crash kernel sends its memory to %s%s%s.",
                    want->server, want->interface ? " by " : "",
                    want->interface ? want->interface : "");
    pnd_setup_about(ret, "One that has kdump-tools or kdump.service already can keep that, and let "
                         "only its dump go here: /usr/share/panicd/README.kdump.");
    pnd_setup_add_doctor(ret, want);
    step_install(ret);
    step_way(ret, want, port);
    step_arm(ret, want, port);
    step_look(ret);
    step_try(ret);
    if (want->on_nmi)
        step_nmi(ret);
    return NULL;
}
