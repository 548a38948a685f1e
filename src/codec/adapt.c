/* SPDX-License-Identifier: BSD-2-Clause
 *
 * How much effort a block is worth; see adapt.h. */
#include "codec/adapt.h"

#include <string.h>

#include "wire/divide.h"

enum {
    LIGHTER,
    HEAVIER,
    MEAN_SHIFT = 3,      /* the last block counts an eighth */
    SCALE_SHIFT = 4,     /* means are kept times 16 */
    MARGIN_SHIFT = 4,    /* a sixteenth less is better */
    CHEAP_SHIFT = 3,     /* trying for an eighth of the time that writing takes costs little */
    NO_GAIN_SHIFT = 6,   /* a sixty-fourth less is none */
    TRIAL_MIN = 4,       /* blocks */
    FIRST_WAIT = 2,      /* blocks until the first trial */
    BLOCKS_FOR_ONE = 16, /* until the time that one block has cost is a small part */
    FORGIVING = 8,       /* distances become so much shorter when all has changed */
    TIME_MAX_SHIFT = 32, /* microseconds of a block, at most: an hour; products fit 64 bits */
};

static uint64_t more_of(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static uint64_t less_of(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static void mix(uint64_t *mean, uint64_t value, bool known)
{
    value <<= SCALE_SHIFT;
    *mean = known ? *mean - (*mean >> MEAN_SHIFT) + (value >> MEAN_SHIFT) : value;
}

static uint64_t total_us(const struct pnd_adapt_effort *effort)
{
    return effort->pack_us + effort->write_us;
}

static bool is_less(uint64_t us, uint64_t than_us)
{
    return us < than_us - (than_us >> MARGIN_SHIFT);
}

/* @return @p us times @p out / @p per, of numbers that pnd_adapt_tell() has bounded */
static uint64_t in_proportion(uint64_t us, uint64_t out, uint64_t per)
{
    uint64_t rest;

    out >>= SCALE_SHIFT;
    per >>= SCALE_SHIFT;
    return pnd_divide(us * out, per, &rest);
}

/* Could the next lighter effort be better? If writing took as long per byte as it does now, and
 * packing did not delay it. What is sent while it packs makes writing seem faster than it is: so
 * this may promise too much, never too little. */
static bool lighter_promises(const struct pnd_adapt *adapt)
{
    const struct pnd_adapt_effort *now = &adapt->efforts[adapt->effort];
    const struct pnd_adapt_effort *other = now - 1;
    uint64_t out = other->known ? other->out : now->out;

    if (adapt->effort - 1 == PND_ADAPT_STORE)
        out = (uint64_t)adapt->block_bytes << SCALE_SHIFT;
    return is_less(
        more_of(other->known ? other->pack_us : 0, in_proportion(now->write_us, out, now->out)),
        total_us(now));
}

/* Likewise, if the wire were all that is waited for. Of an effort that is not known, hope is high.
 */
static bool heavier_promises(const struct pnd_adapt *adapt)
{
    const struct pnd_adapt_effort *now = &adapt->efforts[adapt->effort];
    const struct pnd_adapt_effort *other = now + 1;
    uint64_t out = other->known                       ? other->out
                   : adapt->effort == PND_ADAPT_STORE ? now->out / 4
                                                      : now->out / 4 * 3;

    return is_less(more_of(other->known ? other->pack_us : now->pack_us,
                           in_proportion(total_us(now), out, now->out)),
                   total_us(now));
}

static unsigned blocks_of_trial(const struct pnd_adapt *adapt)
{
    unsigned blocks = (unsigned)((uint32_t)PND_ADAPT_TRIAL_BYTES / (uint32_t)adapt->block_bytes);

    return blocks > TRIAL_MIN ? blocks : (unsigned)TRIAL_MIN;
}

static void begin_trial(struct pnd_adapt *adapt, unsigned effort)
{
    adapt->before_us = total_us(&adapt->efforts[adapt->effort]);
    adapt->trial = effort;
    adapt->efforts[effort].known = false;
    adapt->settle_left = blocks_of_trial(adapt);
    adapt->count_left = adapt->settle_left;
    adapt->count = 0;
    adapt->trial_us = 0;
    adapt->spent_us = 0;
    adapt->tried = 0;
}

/* @return blocks until what a trial has cost is a small part of the time */
static unsigned price(const struct pnd_adapt *adapt)
{
    uint64_t rest, fair_us = adapt->before_us * adapt->tried;
    uint64_t extra_us = adapt->spent_us > fair_us ? adapt->spent_us - fair_us : 0;

    if (adapt->before_us == 0)
        return PND_ADAPT_WAIT_MAX;
    return (unsigned)less_of(pnd_divide(extra_us, adapt->before_us, &rest) * BLOCKS_FOR_ONE,
                             PND_ADAPT_WAIT_MAX);
}

/* Whatever becomes of it, nobody goes that way again so soon. */
static void end_trial(struct pnd_adapt *adapt, bool better)
{
    struct pnd_adapt_way *way = &adapt->ways[adapt->trial > adapt->effort ? HEAVIER : LIGHTER];
    struct pnd_adapt_way *back = &adapt->ways[adapt->trial > adapt->effort ? LIGHTER : HEAVIER];
    struct pnd_adapt_way *delayed = better ? back : way;

    delayed->wait = delayed->distance;
    delayed->distance = (unsigned)less_of(delayed->distance * 2, PND_ADAPT_WAIT_MAX);
    if (better) {
        way->wait = FIRST_WAIT;
        way->distance = PND_ADAPT_WAIT_MIN;
        adapt->effort = adapt->trial;
    } else {
        way->wait = (unsigned)more_of(way->wait, price(adapt));
    }
    adapt->trial = adapt->effort;
    adapt->settle_left = blocks_of_trial(adapt); /* a window that ran empty fills at no cost */
    adapt->reference_us = total_us(&adapt->efforts[adapt->effort]);
}

/* What takes longer to pack than all took before needs no figure of the wire. */
static void give_up_early(struct pnd_adapt *adapt, size_t out, uint64_t pack_us)
{
    struct pnd_adapt_effort *effort = &adapt->efforts[adapt->trial];

    effort->known = true;
    effort->out = (uint64_t)out << SCALE_SHIFT;
    effort->pack_us = pack_us << SCALE_SHIFT;
    effort->write_us = 0;
    end_trial(adapt, false);
}

static void go_on_trying(struct pnd_adapt *adapt, uint64_t us)
{
    adapt->trial_us += us << SCALE_SHIFT;
    adapt->count++;
    adapt->count_left--;
    if (adapt->trial_us > adapt->before_us * (adapt->count + adapt->count_left))
        end_trial(adapt, false);
    else if (adapt->count_left == 0)
        end_trial(adapt, is_less(adapt->trial_us, adapt->before_us * adapt->count));
}

/* Blocks take twice or half as long: another wire, or other content. What was to be tried after so
 * many blocks is tried after as much time, and something lighter at once when all goes faster; but
 * not where packing alone was known to take longer than all takes now. */
static void start_over(struct pnd_adapt *adapt, uint64_t us)
{
    bool slower = us > adapt->reference_us;
    uint64_t rest;

    for (unsigned i = 0; i < 2; i++) {
        struct pnd_adapt_way *way = &adapt->ways[i];
        unsigned other = i == LIGHTER ? adapt->effort - 1 : adapt->effort + 1;

        if (other > adapt->top ||
            (adapt->efforts[other].known && adapt->efforts[other].pack_us > us))
            continue;
        adapt->efforts[other].known = false;
        if (slower)
            way->wait = (unsigned)pnd_divide(way->wait * adapt->reference_us, us, &rest);
        else if (i == LIGHTER)
            way->wait = (unsigned)less_of(way->wait, FIRST_WAIT);
        way->distance = (unsigned)more_of(way->distance / FORGIVING, PND_ADAPT_WAIT_MIN);
    }
    adapt->reference_us = us;
}

static void consider(struct pnd_adapt *adapt)
{
    uint64_t us = total_us(&adapt->efforts[adapt->effort]);

    if (us / 2 > adapt->reference_us || us < adapt->reference_us / 2)
        start_over(adapt, us);
    for (unsigned i = 0; i < 2; i++) {
        struct pnd_adapt_way *way = &adapt->ways[i];
        bool possible = i == LIGHTER ? adapt->effort > 0 : adapt->effort < adapt->top;
        unsigned other = i == LIGHTER ? adapt->effort - 1 : adapt->effort + 1;

        if (!possible)
            continue;
        if (way->wait > 0 && --way->wait == 0)
            adapt->efforts[other].known = false; /* what it was then says little now */
        if (way->wait == 0 && (i == LIGHTER ? lighter_promises(adapt) : heavier_promises(adapt))) {
            begin_trial(adapt, other);
            return;
        }
    }
}

/* What is stored because it would not shrink anyway, if there is something to be gained by that. */
static void note_gain(struct pnd_adapt *adapt, const struct pnd_adapt_block *block)
{
    if (block->out < block->len - (block->len >> NO_GAIN_SHIFT) ||
        block->pack_us < block->write_us >> CHEAP_SHIFT) {
        adapt->skip_next = 0;
        return;
    }
    adapt->skip_next = adapt->skip_next ? adapt->skip_next * 2 : 1;
    adapt->skip_next = (unsigned)less_of(adapt->skip_next, PND_ADAPT_SKIP_MAX);
    adapt->skip_left = adapt->skip_next;
}

void pnd_adapt_init(struct pnd_adapt *adapt, bool timed, unsigned top, size_t block_bytes)
{
    memset(adapt, 0, sizeof(*adapt));
    adapt->timed = timed;
    adapt->top = top;
    adapt->block_bytes = block_bytes;
    adapt->effort = adapt->trial = timed ? 1 : top;
    for (unsigned i = 0; i < 2; i++)
        adapt->ways[i] = (struct pnd_adapt_way){.wait = FIRST_WAIT, .distance = PND_ADAPT_WAIT_MIN};
}

unsigned pnd_adapt_choose(struct pnd_adapt *adapt)
{
    adapt->skipped = adapt->skip_left > 0 && adapt->trial != PND_ADAPT_STORE;
    if (!adapt->skipped)
        return adapt->trial;
    adapt->skip_left--;
    return PND_ADAPT_STORE;
}

void pnd_adapt_tell(struct pnd_adapt *adapt, const struct pnd_adapt_block *block)
{
    const uint64_t time_max = UINT64_C(1) << TIME_MAX_SHIFT;
    struct pnd_adapt_effort *effort;
    uint64_t pack_us = less_of(block->pack_us, time_max);
    uint64_t write_us = less_of(block->write_us, time_max);

    if (adapt->skipped || !adapt->timed)
        return;
    effort = &adapt->efforts[adapt->trial];
    if (adapt->trial != PND_ADAPT_STORE)
        note_gain(adapt, block);
    if (block->len != adapt->block_bytes)
        return;
    adapt->spent_us += (pack_us + write_us) << SCALE_SHIFT;
    adapt->tried++;
    if (adapt->settle_left > 0) {
        adapt->settle_left--;
        if (adapt->trial != adapt->effort && pack_us << SCALE_SHIFT > adapt->before_us)
            give_up_early(adapt, block->out, pack_us);
        return;
    }
    mix(&effort->pack_us, pack_us, effort->known);
    mix(&effort->write_us, write_us, effort->known);
    mix(&effort->out, block->out, effort->known);
    effort->known = true;
    if (adapt->trial != adapt->effort)
        go_on_trying(adapt, pack_us + write_us);
    else
        consider(adapt);
}
