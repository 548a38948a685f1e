/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A machine that asks pnd_decide() and does what it says, for its tests. */
#ifndef PND_TESTS_DECIDE_PLAY_H
#define PND_TESTS_DECIDE_PLAY_H

#include <stdbool.h>

#include "panicd/bootargs.h"

/* What is not as usual. Usual: x86, an interface, a corefile, every dump succeeds. */
enum {
    NO_NIC = 1 << 0,
    NO_DISK = 1 << 1,
    DISK_FAILS = 1 << 2,
    NET_FAILS = 1 << 3,
    ABORT_DISK = 1 << 4, /* a second panic in the local core */
    ABORT_NET = 1 << 5,
    ARM = 1 << 6,
    RESTRICTED = 1 << 7,
    DEBUGGER = 1 << 8, /* one is connected */
    NO_LOG = 1 << 9,
    REBOOT_ONLY = 1 << 10,
    SKIP_LOCAL = 1 << 11,
    TAKEN_OVER = 1 << 12, /* a debugger comes during the dump to the network, and ends it */
    MATCH_NAME = 1 << 13, /* kdp_match_name is in the line, whatever else is */
    ABORTED = 1 << 14,    /* before the first question */
    UNUSUAL_COMBINATIONS = 1 << 15,
    ASK_CORE = 1 << 16, /* one dump is asked for, and nothing else */
    ASK_LOG = 1 << 17,
    ASK_SYSTEM_LOG = 1 << 18,
};

static const char *const words[] = {
    [PND_STEP_LOCAL_CORE] = "disk", [PND_STEP_NET_CORE] = "net",
    [PND_STEP_NET_LOG] = "log",     [PND_STEP_NET_SYSTEM_LOG] = "syslog",
    [PND_STEP_WAIT] = "wait",       [PND_STEP_CONTINUE] = "continue",
    [PND_STEP_REBOOT] = "reboot",   [PND_STEP_SPIN] = "spin",
};

static inline bool is_dump(enum pnd_step step)
{
    return step < PND_STEP_WAIT;
}

static inline struct pnd_situation situation(const struct pnd_bootargs *args,
                                             enum pnd_trigger trigger, unsigned unusual)
{
    return (struct pnd_situation){
        .args = args,
        .trigger = trigger,
        .arm64 = unusual & ARM,
        .restricted = unusual & RESTRICTED,
        .transport = !(unusual & NO_NIC),
        .corefile = !(unusual & NO_DISK),
        .no_panic_log = unusual & NO_LOG,
        .debugger = unusual & DEBUGGER,
        .reboot_only = unusual & REBOOT_ONLY,
        .skip_local = unusual & SKIP_LOCAL,
        .asked = unusual & ASK_CORE         ? PND_ASKED_CORE
                 : unusual & ASK_LOG        ? PND_ASKED_LOG
                 : unusual & ASK_SYSTEM_LOG ? PND_ASKED_SYSTEM_LOG
                                            : PND_ASKED_NOTHING,
        .aborted = unusual & ABORTED,
    };
}

/* Does the step that was answered, and notes its result. */
static inline void take(struct pnd_situation *now, enum pnd_step step, unsigned unusual)
{
    bool disk = step == PND_STEP_LOCAL_CORE;
    bool aborted = unusual & (disk ? ABORT_DISK : ABORT_NET | TAKEN_OVER);
    bool failed = aborted || (unusual & (disk ? DISK_FAILS : NET_FAILS));
    enum pnd_done *done = disk                        ? &now->local
                          : step == PND_STEP_NET_CORE ? &now->net_core
                                                      : &now->net_log;

    *done = failed ? PND_DONE_FAILED : PND_DONE_OK;
    now->aborted |= aborted;
    now->debugger |= !disk && (unusual & TAKEN_OVER);
}

#endif
