/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The decision: what a panic, an NMI, a call of Debugger() or a boot leads to. Each function looks
 * at one stage of the order and answers if the next step is there; the first answer counts.
 * @source PROTOCOL.md#kdp-2.1, #kdp-2.3, #kdp-2.8, #kdp-2.9 */
#include "panicd/bootargs.h"

enum {
    XNU_CURRENT_ORDER = 4570,
    XNU_NMI_REPAIRED = 4903,
    XNU_LOCAL_CORE = 3247,
    XNU_ENCRYPTION = 8019,
    XNU_RESTRICTED = 8019,

    ENCRYPTION_ENFORCED = 2,
};

/* A situation, and what follows from it at once. */
struct view {
    const struct pnd_situation *now;
    uint32_t xnu, flags; /* flags: those that mean something here and now */
    bool allowed;        /* kernel debugging is */
    bool panic;          /* a panic is active */
    bool transport;      /* and it is registered */
};

static struct view look(const struct pnd_situation *now)
{
    struct view v = {.now = now, .xnu = now->args->xnu};
    bool restricted = now->restricted && v.xnu >= XNU_RESTRICTED;

    v.allowed = now->args->debug != 0 && !restricted;
    v.flags = v.allowed ? pnd_debug_effective(now->args->debug, v.xnu) : 0;
    v.panic = now->trigger == PND_TRIGGER_PANIC;
    v.transport = now->transport && v.allowed && (!now->arm64 || now->args->has_match_name);
    return v;
}

static bool has(const struct view *v, uint32_t flag)
{
    return (v->flags & flag) != 0;
}

static bool answer(struct pnd_decision *ret, enum pnd_step step, const char *why)
{
    ret->step = step;
    ret->why = why;
    return true;
}

static const char *why_not_allowed(const struct view *v)
{
    return v->now->args->debug == 0 ? "debug= is absent or 0, so nothing is registered"
                                    : "kernel debugging is restricted on this machine";
}

static bool sent(const struct view *v)
{
    return v->now->net_core != PND_NOT_DONE || v->now->net_log != PND_NOT_DONE;
}

/* Why there is no local core; NULL when nothing stands in its way. */
static const char *local_obstacle(const struct view *v)
{
    const struct pnd_situation *now = v->now;

    if (v->xnu < XNU_LOCAL_CORE)
        return "this generation of xnu writes no local core";
    if (!v->allowed)
        return why_not_allowed(v);
    if (has(v, PND_DB_DISABLE_LOCAL_CORE))
        return "DB_DISABLE_LOCAL_CORE (0x20000) is set";
    if (!has(v, PND_DB_KERN_DUMP_ON_PANIC | PND_DB_KERN_DUMP_ON_NMI))
        return "neither DB_KERN_DUMP_ON_PANIC (0x400) nor DB_KERN_DUMP_ON_NMI (0x800) is set";
    if (!v->panic && !now->arm64 && !has(v, PND_DB_KERN_DUMP_ON_NMI))
        return "DB_KERN_DUMP_ON_NMI (0x800) is not set, and this is no panic";
    if (now->skip_local)
        return "the panic asked for no local core";
    if (v->xnu >= XNU_ENCRYPTION && (now->args->coredump_encryption & ENCRYPTION_ENFORCED))
        return "coredump_encryption demands an encrypted core, which cannot be made here";
    if (!now->corefile)
        return "the core file could not be opened prior to panic";
    if (now->aborted)
        return "the dump was aborted";
    return NULL;
}

static bool local_core(const struct view *v, struct pnd_decision *ret)
{
    if (v->now->local != PND_NOT_DONE)
        return false;
    ret->no_local = local_obstacle(v);
    return !ret->no_local &&
           answer(ret, PND_STEP_LOCAL_CORE, "a local core is enabled, and its file is open");
}

/* The dump to the network, once it is clear that there is to be one. */
static bool network(const struct view *v, struct pnd_decision *ret)
{
    if (sent(v) || v->now->aborted)
        return false;
    if (!v->panic)
        return answer(ret, PND_STEP_NET_CORE, "DB_KERN_DUMP_ON_NMI (0x800) is set");
    if (has(v, PND_DB_PANICLOG_DUMP) && !v->now->no_panic_log)
        return answer(ret, PND_STEP_NET_LOG, "DB_PANICLOG_DUMP (0x2000) is set");
    if (has(v, PND_DB_KERN_DUMP_ON_PANIC))
        return answer(ret, PND_STEP_NET_CORE, "DB_KERN_DUMP_ON_PANIC (0x400) is set");
    if (has(v, PND_DB_PANICLOG_DUMP))
        return answer(
            ret, PND_STEP_NET_CORE,
            "DB_PANICLOG_DUMP (0x2000) is set, but there is no panic log: a core instead");
    return answer(ret, PND_STEP_NET_CORE,
                  "DB_KERN_DUMP_ON_NMI (0x800) is set, which xnu 4570 takes for panics");
}

/* Does the debugger's loop begin a dump? A dump that has begun keeps its answer, even if a
 * debugger has come since. */
static bool dumps(const struct view *v)
{
    bool by_nmi = has(v, PND_DB_KERN_DUMP_ON_NMI) && (!v->now->debugger || sent(v));
    bool inverted = v->xnu >= XNU_CURRENT_ORDER && v->xnu < XNU_NMI_REPAIRED;

    if (v->panic && has(v, PND_DB_KERN_DUMP_ON_PANIC | PND_DB_PANICLOG_DUMP))
        return true;
    return by_nmi && v->panic == inverted;
}

/* An NMI that nobody asked for. */
static bool ignored(const struct view *v, struct pnd_decision *ret)
{
    return v->now->trigger == PND_TRIGGER_NMI && !has(v, PND_DB_NMI) &&
           answer(ret, PND_STEP_CONTINUE,
                  v->allowed ? "DB_NMI (0x4) is not set, so an NMI does nothing"
                             : why_not_allowed(v));
}

/* Debugger() is a panic where no debugger is allowed, on arm64, and with DB_KERN_DUMP_ON_NMI. An
 * NMI never ends here as one: it stops a machine that was well. */
static bool counts_as_panic(const struct view *v)
{
    if (v->now->trigger == PND_TRIGGER_DEBUGGER)
        return !v->allowed || v->now->arm64 || has(v, PND_DB_KERN_DUMP_ON_NMI);
    return v->panic;
}

static bool without_transport(const struct view *v, struct pnd_decision *ret)
{
    if (v->transport)
        return false;
    if (!counts_as_panic(v))
        return answer(ret, PND_STEP_CONTINUE,
                      "no interface is registered, so there is no debugger to wait for");
    if (!v->allowed)
        return answer(ret, PND_STEP_REBOOT, why_not_allowed(v));
    if (v->now->arm64 && !has(v, PND_DB_NMI))
        return answer(ret, PND_STEP_REBOOT,
                      "no interface is registered, and DB_NMI (0x4) is not set");
    return answer(ret, PND_STEP_SPIN,
                  "no interface is registered, and debug= keeps the machine from rebooting");
}

/* Why the debugger's loop, entered by an NMI or Debugger(), begins no dump. */
static const char *why_no_dump(const struct view *v)
{
    if (!has(v, PND_DB_KERN_DUMP_ON_NMI))
        return v->now->trigger == PND_TRIGGER_NMI
                   ? "DB_NMI (0x4) is set, so an NMI enters the debugger"
                   : "Debugger() was called";
    return v->now->debugger ? "a debugger is connected, which decides about dumps"
                            : "xnu 4570 sends no core on an NMI, and stays in the debugger";
}

/* What is left when nothing reboots the machine. */
static void stay(const struct view *v, struct pnd_decision *ret)
{
    if (v->panic)
        answer(ret, PND_STEP_WAIT, "after a panic the machine waits for a debugger");
    else if (v->now->aborted)
        answer(ret, PND_STEP_WAIT, "the dump was aborted, so the machine waits for a debugger");
    else if (!dumps(v))
        answer(ret, PND_STEP_WAIT, why_no_dump(v));
    else if (has(v, PND_DB_DBG_POST_CORE))
        answer(ret, PND_STEP_WAIT, "DB_DBG_POST_CORE (0x1000) is set");
    else
        answer(ret, PND_STEP_CONTINUE, "after an NMI's core the machine goes on");
}

/* What ends the machine before the debugger's loop, where the network is. */
static bool before_network(const struct view *v, struct pnd_decision *ret)
{
    const struct pnd_situation *now = v->now;

    if (now->reboot_only)
        return answer(ret, PND_STEP_REBOOT, "the panic asked for its log and a reboot");
    if (now->skip_local && has(v, PND_DB_REBOOT_POST_CORE))
        return answer(ret, PND_STEP_REBOOT,
                      "the panic asked for no local core, and DB_REBOOT_POST_CORE (0x4000) is set");
    if (local_core(v, ret))
        return true;
    if (now->local == PND_DONE_OK && has(v, PND_DB_REBOOT_POST_CORE))
        return answer(ret, PND_STEP_REBOOT,
                      "the local core is written, and DB_REBOOT_POST_CORE (0x4000) is set");
    if (has(v, PND_DB_REBOOT_ALWAYS))
        return answer(ret, PND_STEP_REBOOT, "DB_REBOOT_ALWAYS (0x100000) is set");
    return false;
}

static void current_order(const struct view *v, struct pnd_decision *ret)
{
    if (ignored(v, ret) || before_network(v, ret) || without_transport(v, ret))
        return;
    if (dumps(v) && network(v, ret))
        return;
    if (v->now->net_core == PND_DONE_OK && has(v, PND_DB_REBOOT_POST_CORE))
        answer(ret, PND_STEP_REBOOT, "a core was sent, and DB_REBOOT_POST_CORE (0x4000) is set");
    else
        stay(v, ret);
}

/* "_panicd_ip=local": the disk, and nothing else. */
static bool disk_only(const struct view *v)
{
    static const char local[] = "local";
    const char *text = v->now->args->panicd_ip;
    size_t i = 0;

    while (i < sizeof(local) && text[i] == local[i])
        i++;
    return v->xnu >= XNU_LOCAL_CORE && i == sizeof(local);
}

/* Before 4570 there was one routine, within the debugger's loop: the disk first (from 3247 on),
 * then the network; and a reboot after any attempt. */
static void older_order(const struct view *v, struct pnd_decision *ret)
{
    const struct pnd_situation *now = v->now;
    bool taken_over = now->aborted && now->debugger;

    if (ignored(v, ret))
        return;
    if (now->reboot_only) {
        answer(ret, PND_STEP_REBOOT, "the panic asked for its log and a reboot");
        return;
    }
    if (without_transport(v, ret))
        return;
    if (dumps(v) && (local_core(v, ret) || (!disk_only(v) && network(v, ret))))
        return;
    if (dumps(v) && has(v, PND_DB_REBOOT_POST_CORE) && !taken_over)
        answer(ret, PND_STEP_REBOOT,
               "DB_REBOOT_POST_CORE (0x4000) is set: before xnu 4570 after any attempt");
    else
        stay(v, ret);
}

/* One dump, and then what was before: the machine goes on, or waits if it has panicked. */
static void asked(const struct view *v, struct pnd_decision *ret)
{
    static const enum pnd_step steps[] = {
        [PND_ASKED_NOTHING] = PND_STEP_CONTINUE,
        [PND_ASKED_CORE] = PND_STEP_NET_CORE,
        [PND_ASKED_LOG] = PND_STEP_NET_LOG,
        [PND_ASKED_SYSTEM_LOG] = PND_STEP_NET_SYSTEM_LOG,
    };

    if (v->transport && !sent(v) && !v->now->aborted)
        answer(ret, steps[v->now->asked], "it was asked for");
    else if (v->panic)
        stay(v, ret);
    else
        answer(ret, PND_STEP_CONTINUE, "what was asked for is done, or cannot be");
}

static void at_boot(const struct view *v, struct pnd_decision *ret)
{
    if (!v->allowed)
        answer(ret, PND_STEP_CONTINUE, why_not_allowed(v));
    else if (!has(v, PND_DB_HALT))
        answer(ret, PND_STEP_CONTINUE, "DB_HALT (0x1) is not set");
    else if (has(v, PND_DB_REBOOT_ALWAYS)) /* a reboot here would come back here, for ever */
        answer(ret, PND_STEP_CONTINUE, "DB_REBOOT_ALWAYS (0x100000) never waits for a debugger");
    else if (!v->transport)
        answer(ret, PND_STEP_CONTINUE,
               "no interface is registered, so there is no debugger to wait for");
    else
        answer(ret, PND_STEP_WAIT, "DB_HALT (0x1) is set");
}

void pnd_decide(const struct pnd_situation *situation, struct pnd_decision *ret)
{
    struct view v = look(situation);

    ret->no_local = NULL;
    if (situation->asked != PND_ASKED_NOTHING)
        asked(&v, ret);
    else if (situation->trigger == PND_TRIGGER_BOOT)
        at_boot(&v, ret);
    else if (v.xnu >= XNU_CURRENT_ORDER)
        current_order(&v, ret);
    else
        older_order(&v, ret);
}
