/* SPDX-License-Identifier: BSD-2-Clause
 *
 * For FreeBSD: netdump.
 * @source the manuals netdump(4), dumpon(8), rc.conf(5), ddb(4) of FreeBSD 12 to 14 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "advice/setup.h"

enum { RELEASE_FIRST = 12, RELEASE_LAST = 14, RELEASE_DDB = 13 };

/* "14", "13.2", "14.1-RELEASE". @return 0: none that has netdump */
static long release_of(const char *text)
{
    char *end;
    long number;

    if (!text)
        return RELEASE_LAST;
    number = strtol(text, &end, 10);
    if (end == text || (*end && *end != '.' && *end != '-'))
        return 0;
    return number >= RELEASE_FIRST && number <= RELEASE_LAST ? number : 0;
}

static const char *wrong_want(const struct pnd_setup_want *want)
{
    if (!release_of(want->release))
        return "--release takes a FreeBSD from 12 to 14: netdump is not in an older one; for a "
               "newer "
               "one take 14";
    if (!want->server)
        return "say who receives: --server 10.0.40.2, an address of this machine";
    if (!want->client)
        return "say which address the FreeBSD machine sends from: --client 10.0.40.7";
    if (want->port)
        return "--port: netdump has no other port than 20023";
    if (want->paniclog_only || want->local || want->stay || want->on_nmi)
        return "--paniclog-only, --local, --stay and --on-nmi are for macos: netdump sends one "
               "dump "
               "on a panic, over the network";
    return NULL;
}

static void step_kernel(struct pnd_setup *ret)
{
    struct pnd_setup_step *step = pnd_setup_add(ret, "Can the kernel do it?");

    PND_SETUP_SAY(step->act, "sysctl net.netdump");
    PND_SETUP_SAY(step->check,
                  "it lists settings. Nothing, or \"unknown oid\": the kernel has no "
                  "\"options NETDUMP\" (from FreeBSD 13 on also \"options DEBUGNET\"); "
                  "GENERIC on amd64 has them.");
    PND_SETUP_SAY(step->why, "the interface's driver, too, has to be able to send by polling; the "
                             "next step says so if it cannot.");
}

static void step_dumpon(struct pnd_setup *ret, const char *flags, const char *interface)
{
    struct pnd_setup_step *step = pnd_setup_add(ret, "Send dumps here, from now on (as root)");

    PND_SETUP_SAY(step->act, "dumpon %s %s", flags, interface);
    PND_SETUP_SAY(step->check, "no message, and \"dumpon -l\" prints %s.", interface);
    PND_SETUP_SAY(step->undo, "dumpon off");
    PND_SETUP_SAY(step->why, "-s is the receiver, -c the address to send from, -g the router "
                             "between them. All are numbers: a kernel that panics asks no name "
                             "server.");
}

static void step_rc(struct pnd_setup *ret, const char *flags, const char *interface)
{
    struct pnd_setup_step *step = pnd_setup_add(ret, "And after every boot (as root)");

    PND_SETUP_SAY(step->act,
                  "sysrc dumpdev=\"%s\"\nsysrc dumpon_flags=\"%s\"\n"
                  "sysrc savecore_enable=\"NO\"",
                  interface, flags);
    PND_SETUP_SAY(step->check,
                  "after a restart \"dumpon -l\" prints %s. If it does not, the interface came up "
                  "after dumpon ran: put the line of the step before into /etc/rc.local.",
                  interface);
    PND_SETUP_SAY(step->undo, "sysrc dumpdev=\"AUTO\"; sysrc -x dumpon_flags savecore_enable");
    PND_SETUP_SAY(step->why, "savecore looks for a dump on a local device, where there is none any "
                             "more.");
}

static void step_try(struct pnd_setup *ret, const struct pnd_setup_want *want)
{
    struct pnd_setup_step *step = pnd_setup_add(ret, "Try it: this panics the machine (as root)");
    bool ddb = release_of(want->release) >= RELEASE_DDB;

    PND_SETUP_SAY(step->act, "sync\nsysctl debug.kdb.panic=1");
    PND_SETUP_SAY(step->check, "\"panicctl watch --count 1\" here shows it arrive.");
    if (ddb)
        PND_SETUP_SAY(step->why,
                      "at the debugger's prompt (sysctl debug.kdb.enter=1, or a panic with "
                      "debug.debugger_on_panic=1) it is: netdump -s %s %s%s%s-c %s -i %s; then: "
                      "reset.",
                      want->server, want->gateway ? "-g " : "", want->gateway ? want->gateway : "",
                      want->gateway ? " " : "", want->client, want->interface);
    else
        PND_SETUP_SAY(step->why, "at the debugger's prompt (sysctl debug.kdb.enter=1) it is: dump; "
                                 "then: reset.");
}

const char *pnd_setup_freebsd(const struct pnd_setup_want *want, struct pnd_setup *ret)
{
    const char *wrong = wrong_want(want);
    char flags[128];

    if (wrong)
        return wrong;
    snprintf(flags, sizeof(flags), "-s %s %s%s%s-c %s", want->server, want->gateway ? "-g " : "",
             want->gateway ? want->gateway : "", want->gateway ? " " : "", want->client);
    pnd_setup_about(ret,
                    "A FreeBSD %ld machine, %s, that sends to %s by %s, from UDP port 20024 to "
                    "port %d.",
                    release_of(want->release), want->client, want->server, want->interface,
                    PND_SETUP_NETDUMP_PORT);
    step_kernel(ret);
    step_dumpon(ret, flags, want->interface);
    step_rc(ret, flags, want->interface);
    step_try(ret, want);
    return NULL;
}
