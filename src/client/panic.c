/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The panic routine: asks for the next step, takes it, and asks again; and what a panic within it
 * leads to. PROTOCOL.md#kdp-2.4, #kdp-2.8. Freestanding. */
#include "client/panic.h"

#include <string.h>

static struct panic *panic_of(struct pnd_panic *panic)
{
    return (struct panic *)(void *)panic;
}

static const struct panic *const_panic_of(const struct pnd_panic *panic)
{
    return (const struct panic *)(const void *)panic;
}

bool pnd_panic_has(const struct panic *p, uint32_t flag)
{
    return (pnd_debug_effective(p->args.debug, p->args.xnu) & flag) != 0;
}

uint64_t pnd_panic_now_us(const struct panic *p)
{
    return p->platform.now_us(p->platform.ctx);
}

/* What the interface was given counts more than what the boot-args say.
 *   @source PROTOCOL.md#kdp-2.2 */
uint32_t pnd_panic_own_ip(const struct panic *p)
{
    return p->platform.own_ip ? p->platform.own_ip : p->args.own;
}

int pnd_panic_init(struct pnd_panic *panic, const struct pnd_platform *platform, const char *line,
                   uint32_t xnu)
{
    struct panic *p = panic_of(panic);

    if (!platform->print || !platform->now_us || !platform->ticks || !platform->memory)
        return PND_E_ARG;
    memset(p, 0, sizeof(*p));
    p->platform = *platform;
    pnd_bootargs_read(line, xnu, &p->args);
    return PND_OK;
}

void pnd_panic_set_nic(struct pnd_panic *panic, const struct pnd_nic *nic, uint32_t own_ip,
                       const uint8_t gateway_mac[6])
{
    struct panic *p = panic_of(panic);

    p->platform.nic = nic;
    p->platform.own_ip = own_ip;
    memset(p->platform.gateway_mac, 0, sizeof(p->platform.gateway_mac));
    if (gateway_mac)
        memcpy(p->platform.gateway_mac, gateway_mac, sizeof(p->platform.gateway_mac));
}

const struct pnd_bootargs *pnd_panic_args(const struct pnd_panic *panic)
{
    return &const_panic_of(panic)->args;
}

static void begin(struct panic *p, const struct pnd_event *event)
{
    p->event = event;
    p->stage = PND_STAGE_NONE;
    p->net_open = p->in_driver = false;
    p->told_local = p->told_transport = p->told_link = p->mid_line = false;
    memset(&p->report, 0, sizeof(p->report));
    p->now = (struct pnd_situation){
        .args = &p->args,
        .trigger = event->trigger,
        .arm64 = p->platform.arm64,
        .restricted = p->platform.restricted,
        .transport = p->platform.nic != NULL,
        .corefile = p->platform.disk != NULL,
        .no_panic_log = !event->log || event->log_len == 0,
        .reboot_only = event->reboot_only,
        .skip_local = event->skip_local,
        .asked = event->asked,
    };
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    p->armed = true;
}

/* Where the result of a stage is noted. */
static enum pnd_done *result_of(struct panic *p, enum pnd_panic_stage stage)
{
    if (stage == PND_STAGE_LOCAL)
        return &p->now.local;
    return stage == PND_STAGE_NET_CORE ? &p->now.net_core : &p->now.net_log;
}

/* What was under way has failed. */
static void give_up_stage(struct panic *p)
{
    enum pnd_panic_stage stage = p->stage;

    p->stage = PND_STAGE_NONE;
    if (stage == PND_STAGE_NONE || stage == PND_STAGE_WAIT)
        return;
    *result_of(p, stage) = PND_DONE_FAILED;
    p->now.aborted = true;
    p->report.err = PND_E_ABORTED;
    pnd_panic_say(p, "System dump aborted.\n");
}

/* A panic within the routine. The order matters: each thing is forgotten before it is touched, so
 * that a fault in that leads on, and not round and round. */
static void begin_nested(struct panic *p, const struct pnd_event *event)
{
    bool net_open = p->net_open;

    p->net_open = false;
    p->event = event;
    p->now.asked = PND_ASKED_NOTHING; /* what follows is what debug= says */
    p->driver_broken = p->driver_broken || p->in_driver;
    p->in_driver = false;
    /* An NMI does not make a machine that has panicked a healthy one. */
    if (p->now.trigger != PND_TRIGGER_PANIC)
        p->now.trigger = event->trigger;
    give_up_stage(p);
    if (net_open && !p->driver_broken)
        pnd_panic_net_abort(p);
}

/* A machine that waits and has not panicked is as good as one that runs. */
static bool waits_well(const struct panic *p)
{
    return p->depth == 1 && p->stage == PND_STAGE_WAIT && p->now.trigger != PND_TRIGGER_PANIC;
}

/* The routine is not running, or only waits. A driver that has faulted stays broken. */
static void enter_anew(struct panic *p, const struct pnd_event *event)
{
    p->armed = false; /* before anything else: what the last run left counts no more */
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    p->within_wait = p->depth > 0;
    p->driver_broken = p->within_wait && (p->driver_broken || p->in_driver);
    if (p->within_wait) {
        p->waiting = p->now;
        p->waiting_event = p->event;
    }
    p->depth = 1;
    begin(p, event);
}

/* @return false: too many panics within the panic */
static bool enter_nested(struct panic *p, const struct pnd_event *event)
{
    uint32_t nested = p->depth;

    p->depth = nested + 1;
    if (nested <= p->args.nested_panic_max) {
        if (p->armed)
            begin_nested(p, event);
        else
            begin(p, event);
        return true;
    }
    /* One word at most: the console itself may be what faults. */
    if (nested - 1 == p->args.nested_panic_max)
        pnd_panic_say(p, "Panic number %u within the panic: the machine stands still.\n",
                      (unsigned)nested);
    return false;
}

/* The wait that a run came upon goes on where it was. */
static void leave(struct panic *p, enum pnd_panic_end end)
{
    p->stage = PND_STAGE_NONE;
    p->depth = 0;
    if (!p->within_wait || end != PND_PANIC_CONTINUE)
        return;
    p->within_wait = false;
    p->now = p->waiting;
    p->event = p->waiting_event;
    p->listen_again = true;
    p->depth = 1;
    p->stage = PND_STAGE_WAIT;
}

/* @source PROTOCOL.md#kdp-2.9 */
static void say_no_place(struct panic *p)
{
    pnd_panic_say(p,
                  "skipping local kernel core because core file could not be opened prior to panic "
                  "(mode : 0x%x, error : 0x%x)\n",
                  0U, (unsigned)-PND_E_NOTFOUND);
    pnd_panic_say(p, "There is no place for a local core: %s.\n",
                  p->platform.disk_why ? p->platform.disk_why : "not found");
}

/* Is a missing corefile, or interface, all that stands before a dump? */
static bool only_lacks(const struct panic *p, bool corefile)
{
    struct pnd_situation if_there = p->now;
    struct pnd_decision otherwise;

    if (corefile ? if_there.corefile : if_there.transport)
        return false;
    if_there.corefile = if_there.corefile || corefile;
    if_there.transport = if_there.transport || !corefile;
    pnd_decide(&if_there, &otherwise);
    return otherwise.step < PND_STEP_WAIT && (otherwise.step == PND_STEP_LOCAL_CORE) == corefile;
}

/* What would have been done, and why it is not. */
static void say_missing(struct panic *p, const struct pnd_decision *decision)
{
    if (decision->no_local && !p->told_local) {
        p->told_local = true;
        if (only_lacks(p, true))
            say_no_place(p);
        else if (decision->no_local != decision->why)
            pnd_panic_say(p, "No local core: %s.\n", decision->no_local);
    }
    if (decision->step >= PND_STEP_WAIT && !p->told_transport && only_lacks(p, false)) {
        p->told_transport = true;
        pnd_panic_say_no_transport(p);
    }
}

static enum pnd_panic_end last_step(struct panic *p, const struct pnd_decision *decision)
{
    enum pnd_panic_end end = PND_PANIC_SPIN;

    switch (decision->step) {
    case PND_STEP_WAIT:
        pnd_panic_say(p, "Staying in the debugger: %s.\n", decision->why);
        p->stage = PND_STAGE_WAIT;
        end = pnd_panic_wait(p);
        break;
    case PND_STEP_CONTINUE:
        pnd_panic_say(p, "Continuing: %s.\n", decision->why);
        end = PND_PANIC_CONTINUE;
        break;
    case PND_STEP_REBOOT:
        pnd_panic_say(p, "Rebooting: %s.\n", decision->why);
        end = PND_PANIC_REBOOT;
        break;
    default:
        pnd_panic_say(p, "Standing still: %s.\n", decision->why);
        end = pnd_panic_spin(p);
    }
    leave(p, end);
    return end;
}

static const char *const step_names[] = {
    [PND_STEP_LOCAL_CORE] = "local core",
    [PND_STEP_NET_CORE] = "network core",
    [PND_STEP_NET_LOG] = "panic log",
    [PND_STEP_NET_SYSTEM_LOG] = "system log",
    [PND_STEP_WAIT] = "wait",
    [PND_STEP_CONTINUE] = "continue",
    [PND_STEP_REBOOT] = "reboot",
    [PND_STEP_SPIN] = "stand still",
};

static enum pnd_panic_stage stage_of(enum pnd_step step)
{
    _Static_assert(PND_STAGE_NET_SYSTEM_LOG - PND_STAGE_LOCAL ==
                       PND_STEP_NET_SYSTEM_LOG - PND_STEP_LOCAL_CORE,
                   "the steps that dump are stages, in the same order");
    return (enum pnd_panic_stage)(PND_STAGE_LOCAL + (step - PND_STEP_LOCAL_CORE));
}

static void take(struct panic *p, enum pnd_panic_stage stage)
{
    p->stage = stage;
    *result_of(p, stage) = stage == PND_STAGE_LOCAL ? pnd_panic_local(p) : pnd_panic_net(p, stage);
}

enum pnd_panic_end pnd_panic_run(struct pnd_panic *panic, const struct pnd_event *event)
{
    struct panic *p = panic_of(panic);

    if (p->depth == 0 || waits_well(p))
        enter_anew(p, event);
    else if (event->trigger == PND_TRIGGER_NMI) /* nothing is wrong with what runs */
        return PND_PANIC_CONTINUE;
    else if (!enter_nested(p, event))
        return PND_PANIC_SPIN;
    for (;;) {
        struct pnd_decision decision;

        pnd_decide(&p->now, &decision);
        if (p->args.verbose_panic_flow)
            pnd_panic_say(p, "Next step: %s, because %s.\n", step_names[decision.step],
                          decision.why);
        say_missing(p, &decision);
        if (decision.step >= PND_STEP_WAIT)
            return last_step(p, &decision);
        take(p, stage_of(decision.step));
        p->stage = PND_STAGE_NONE;
    }
}

void pnd_panic_report(const struct pnd_panic *panic, struct pnd_panic_report *ret)
{
    const struct panic *p = const_panic_of(panic);

    *ret = p->report;
    ret->local = p->now.local;
    ret->net_core = p->now.net_core;
    ret->net_log = p->now.net_log;
    ret->aborted = p->now.aborted;
}
