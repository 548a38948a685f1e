/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Every combination of flags, triggers, situations, results and generations: each ends, and keeps
 * the rules that no row may break. */
#include "tap.h"

#include "unit/decide_play.h"

static const uint32_t trains[] = {344, 1228, 1456, 2782, 3247, 3789, 4570, 4903, 8019, 11417};

enum { DUMPS_MAX = 2, FLAG_COMBINATIONS = 1 << 9 };

struct walk {
    struct pnd_bootargs args;
    enum pnd_trigger trigger;
    unsigned unusual;
    uint32_t flags; /* of args.debug: those that mean something */
    unsigned dumps;
    bool net; /* one of them went to the network */
    enum pnd_step end;
    struct pnd_situation now;
};

static bool allowed(const struct walk *w)
{
    return w->args.debug != 0 && !((w->unusual & RESTRICTED) && w->args.xnu >= 8019);
}

/* What may not be said at this point. @return NULL, or what is wrong */
static const char *wrong_answer(const struct walk *w, const struct pnd_decision *next)
{
    bool disk = next->step == PND_STEP_LOCAL_CORE;

    if (!next->why || !*next->why || next->why[strlen(next->why) - 1] == '.')
        return "a step without a reason, or with a full stop";
    if (next->no_local && (disk || w->now.local != PND_NOT_DONE))
        return "a reason against a local core that is written";
    if (!is_dump(next->step))
        return NULL;
    if (w->now.aborted)
        return "a dump after an aborted one";
    if (w->net || (disk && w->now.local != PND_NOT_DONE))
        return "a dump that was done, or the disk after the network";
    return w->dumps == DUMPS_MAX ? "a third dump" : NULL;
}

/* What may not have been done, for a dump. */
static const char *wrong_dumps(const struct walk *w)
{
    bool disk = w->now.local != PND_NOT_DONE;

    if (w->dumps == 0)
        return NULL;
    if (!allowed(w))
        return "a dump where none is allowed";
    if (w->net && (w->flags & PND_DB_REBOOT_ALWAYS))
        return "a network dump with DB_REBOOT_ALWAYS";
    if (w->net && ((w->unusual & NO_NIC) || ((w->unusual & (ARM | MATCH_NAME)) == ARM)))
        return "the network without an interface";
    if (w->trigger == PND_TRIGGER_NMI && !(w->flags & PND_DB_NMI))
        return "a dump by an NMI without DB_NMI";
    if (w->trigger == PND_TRIGGER_BOOT || (w->unusual & REBOOT_ONLY))
        return "a dump that nobody wants";
    if (w->now.net_log != PND_NOT_DONE && !(w->flags & PND_DB_PANICLOG_DUMP))
        return "a panic log without DB_PANICLOG_DUMP";
    if (disk && ((w->flags & PND_DB_DISABLE_LOCAL_CORE) || w->args.xnu < 3247 ||
                 (w->unusual & (NO_DISK | SKIP_LOCAL))))
        return "a local core that must not be";
    if (disk && !(w->flags & (PND_DB_KERN_DUMP_ON_PANIC | PND_DB_KERN_DUMP_ON_NMI)))
        return "a local core without a flag for it";
    return NULL;
}

static const char *wrong_end(const struct walk *w)
{
    bool core = w->now.local == PND_DONE_OK || w->now.net_core == PND_DONE_OK;
    bool panic = w->trigger == PND_TRIGGER_PANIC, boot = w->trigger == PND_TRIGGER_BOOT;

    if (w->end == PND_STEP_WAIT && (w->flags & PND_DB_REBOOT_ALWAYS))
        return "a wait with DB_REBOOT_ALWAYS";
    if (w->end == PND_STEP_WAIT && ((w->unusual & NO_NIC) || !allowed(w)))
        return "a wait without an interface";
    if (w->end == PND_STEP_CONTINUE && panic)
        return "a panic that goes on";
    if (w->end != PND_STEP_REBOOT && panic && !allowed(w))
        return "a panic that does not reboot, without debug=";
    if (w->end == PND_STEP_REBOOT && boot)
        return "a boot that reboots for ever";
    if (w->end != PND_STEP_REBOOT && core && (w->flags & PND_DB_REBOOT_POST_CORE) &&
        w->args.xnu >= 4570)
        return "no reboot after a core, with DB_REBOOT_POST_CORE";
    if (w->end == PND_STEP_REBOOT && w->trigger == PND_TRIGGER_NMI &&
        !(w->flags & (PND_DB_REBOOT_POST_CORE | PND_DB_REBOOT_ALWAYS)) &&
        !(w->unusual & REBOOT_ONLY))
        return "an NMI that reboots without a flag for it";
    return NULL;
}

static bool walk_is_sound(struct walk *w)
{
    struct pnd_decision next;
    const char *wrong;

    w->now = situation(&w->args, w->trigger, w->unusual);
    w->flags = pnd_debug_effective(w->args.debug, w->args.xnu);
    w->dumps = 0;
    w->net = false;
    for (;;) {
        pnd_decide(&w->now, &next);
        w->end = next.step;
        wrong = wrong_answer(w, &next);
        if (wrong || !is_dump(next.step))
            break;
        w->dumps++;
        w->net |= next.step != PND_STEP_LOCAL_CORE;
        take(&w->now, next.step, w->unusual);
    }
    if (!wrong)
        wrong = wrong_dumps(w);
    if (!wrong)
        wrong = wrong_end(w);
    if (wrong)
        printf("# %s: xnu %u, debug=0x%x, trigger %d, unusual 0x%x ends in %s\n", wrong,
               w->args.xnu, w->args.debug, (int)w->trigger, w->unusual, words[w->end]);
    return !wrong;
}

/* The @p n-th combination of the flags that decide. */
static uint32_t debug_of(unsigned n)
{
    static const uint32_t bits[] = {
        PND_DB_NMI,
        PND_DB_KERN_DUMP_ON_PANIC,
        PND_DB_KERN_DUMP_ON_NMI,
        PND_DB_DBG_POST_CORE,
        PND_DB_PANICLOG_DUMP,
        PND_DB_REBOOT_POST_CORE,
        PND_DB_DISABLE_LOCAL_CORE,
        PND_DB_REBOOT_ALWAYS,
        PND_DB_HALT,
    };
    uint32_t debug = 0;

    for (unsigned i = 0; i < sizeof(bits) / sizeof(bits[0]); i++)
        if (n & 1U << i)
            debug |= bits[i];
    return debug;
}

static bool at_most_one(unsigned bits)
{
    return (bits & (bits - 1)) == 0;
}

/* A dump ends in one way; one interface is there or not; arm64 came with 7195. */
static bool is_possible(unsigned unusual, uint32_t xnu)
{
    return at_most_one(unusual & (DISK_FAILS | ABORT_DISK | NO_DISK)) &&
           at_most_one(unusual & (NET_FAILS | ABORT_NET | TAKEN_OVER | NO_NIC)) &&
           at_most_one(unusual & (REBOOT_ONLY | NO_LOG | ABORTED)) &&
           (xnu >= 7195 || !(unusual & (ARM | RESTRICTED))) &&
           ((unusual & ARM) || !(unusual & MATCH_NAME));
}

static bool all_flags_and_triggers_are_sound(uint32_t xnu, unsigned unusual, unsigned long *walks)
{
    struct walk w = {.unusual = unusual};

    pnd_bootargs_read(unusual & MATCH_NAME ? "kdp_match_name=en0" : "", xnu, &w.args);
    for (unsigned n = 0; n < FLAG_COMBINATIONS * 4; n++, ++*walks) {
        w.args.debug = debug_of(n / 4);
        w.trigger = (enum pnd_trigger)(n % 4);
        if (!walk_is_sound(&w))
            return false;
    }
    return true;
}

static void every_combination_ends_and_keeps_the_rules(void)
{
    unsigned long walks = 0;

    for (size_t t = 0; t < sizeof(trains) / sizeof(trains[0]); t++)
        for (unsigned unusual = 0; unusual < UNUSUAL_COMBINATIONS; unusual++)
            if (is_possible(unusual, trains[t]))
                CHECK(all_flags_and_triggers_are_sound(trains[t], unusual, &walks));
    printf("# %lu machines\n", walks);
    CHECK(walks > 1000000);
}

int main(void)
{
    RUN(every_combination_ends_and_keeps_the_rules);
    return tap_done();
}
