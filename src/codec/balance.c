/* SPDX-License-Identifier: BSD-2-Clause
 *
 * How much effort a block is worth beside sending; see balance.h. */
#include "codec/balance.h"

#include <limits.h>

#include "wire/divide.h"

enum {
    NO_GAIN_SHIFT = 6,  /* a sixty-fourth less is none */
    MORE = 64,          /* of a unit, while as many blocks as are under way wait all the time */
    MORE_RUNS_MAX = 4,  /* how often that doubles, each time after so many blocks */
    DOUBT_SHIFT = 2,    /* so much more slowly where a block with more effort may hold up many with
                           none, and where it brings little */
    SHARE_BITS = 10,    /* of a time */
    TIME_MAX_BITS = 32, /* microseconds: more than an hour is an hour */
};

void pnd_balance_init(struct pnd_balance *balance, const struct pnd_balance_config *config)
{
    *balance = (struct pnd_balance){.top = config->top,
                                    .worth = config->worth,
                                    .depth = config->depth,
                                    .effort = config->start * PND_BALANCE_UNIT};
}

unsigned pnd_balance_choose(struct pnd_balance *balance)
{
    unsigned effort;

    balance->part += balance->effort;
    effort = balance->part / PND_BALANCE_UNIT;
    balance->part %= PND_BALANCE_UNIT;
    return balance->noise && effort > 1 ? 1 : effort;
}

/* @return @p us of @p all_us, in 2^SHARE_BITS */
static unsigned share(uint64_t us, uint64_t all_us)
{
    uint64_t rest;

    if (us >= all_us)
        return all_us ? 1 << SHARE_BITS : 0;
    if (all_us >> TIME_MAX_BITS)
        return 0;
    return (unsigned)pnd_divide(us << SHARE_BITS, all_us, &rest);
}

static void less(struct pnd_balance *balance, unsigned idle)
{
    unsigned worth = balance->worth * PND_BALANCE_UNIT, part;
    uint64_t rest;

    balance->run = 0;
    if (balance->effort > worth) {
        balance->effort = worth;
        return;
    }
    part = (unsigned)pnd_divide(balance->effort * idle, balance->depth + 2, &rest) >> SHARE_BITS;
    balance->effort -= part < balance->effort ? part + 1 : balance->effort;
}

static void more(struct pnd_balance *balance, unsigned blocked)
{
    unsigned worth = balance->worth * PND_BALANCE_UNIT, most = balance->top * PND_BALANCE_UNIT;
    uint64_t rest;
    unsigned runs = (unsigned)pnd_divide(balance->run, balance->depth, &rest);
    unsigned part = (unsigned)MORE << (runs < MORE_RUNS_MAX ? runs : (unsigned)MORE_RUNS_MAX);

    if (balance->effort < PND_BALANCE_UNIT || balance->effort >= worth)
        part >>= DOUBT_SHIFT;
    part = (unsigned)pnd_divide((uint64_t)part * blocked, balance->depth, &rest) >> SHARE_BITS;
    balance->effort += part < most - balance->effort ? part : most - balance->effort;
    balance->run += balance->run < UINT_MAX;
}

void pnd_balance_tell(struct pnd_balance *balance, const struct pnd_balance_block *block)
{
    unsigned idle = share(block->idle_us, block->all_us);
    unsigned blocked = share(block->blocked_us, block->all_us);

    if (block->effort != PND_BALANCE_STORE)
        balance->noise = block->out >= block->len - (block->len >> NO_GAIN_SHIFT);
    if (idle)
        less(balance, idle);
    if (blocked)
        more(balance, blocked);
}
