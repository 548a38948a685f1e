/* SPDX-License-Identifier: BSD-2-Clause
 *
 * How much effort a block is worth, on a clock, a wire and a processor of paper: packing takes so
 * many microseconds, the wire takes so many bytes in one, and holds some back while it packs. */
#include "codec/adapt.h"

#include "tap.h"

enum {
    BLOCK = 256 << 10,
    EFFORTS = PND_ADAPT_EFFORTS_MAX,
    TOP = EFFORTS - 1,
    BLOCKS = 4000,
};

/* Microseconds, bytes, bytes per microsecond. */
struct wire {
    double now, queued, window, rate, copying;
};

struct block {
    size_t out[EFFORTS];
    double pack[EFFORTS];
};

struct machine {
    double slowness; /* 1: a core that packs 3.2, 1.2 and 0.6 GB/s */
    bool mixed;      /* blocks differ: from almost nothing to hardly packed */
    uint64_t x;
};

static void go_on(struct wire *wire, double us)
{
    wire->now += us;
    wire->queued -= us * wire->rate;
    if (wire->queued < 0)
        wire->queued = 0;
}

/* Takes what fits, and waits for room for the rest: as a socket, or a window. */
static void send(struct wire *wire, size_t len)
{
    go_on(wire, (double)len * wire->copying);
    wire->queued += (double)len;
    if (wire->queued > wire->window)
        go_on(wire, (wire->queued - wire->window) / wire->rate);
}

static struct block make_block(struct machine *machine, bool noise)
{
    static const double rates[EFFORTS] = {1e9, 3200, 1200, 600};
    static const double shares[EFFORTS] = {1, 0.44, 0.32, 0.31};
    struct block block;
    double part;

    machine->x ^= machine->x << 13, machine->x ^= machine->x >> 7, machine->x ^= machine->x << 17;
    part = machine->mixed ? (double)(machine->x >> 44 & 1023) / 512 : 1; /* 0 to 2, mean 1 */
    for (int i = 0; i < EFFORTS; i++) {
        double share = i == 0 ? 1 : shares[i] * part;

        block.out[i] = noise ? BLOCK + (i > 0) * 16 : (size_t)(BLOCK * (share < 1 ? share : 1));
        block.pack[i] = BLOCK / rates[i] * (0.5 + part / 2) * machine->slowness;
    }
    return block;
}

/* One block with what was chosen. @return the effort */
static unsigned step(struct pnd_adapt *adapt, struct wire *wire, const struct block *block)
{
    unsigned effort = pnd_adapt_choose(adapt);
    struct pnd_adapt_block told = {.len = BLOCK, .out = block->out[effort]};
    double start = wire->now;

    go_on(wire, block->pack[effort]);
    told.pack_us = (uint64_t)wire->now - (uint64_t)start;
    start = wire->now;
    send(wire, block->out[effort]);
    told.write_us = (uint64_t)wire->now - (uint64_t)start;
    pnd_adapt_tell(adapt, &told);
    return effort;
}

static struct wire make_wire(double megabytes_per_s, double window)
{
    return (struct wire){.window = window, .rate = megabytes_per_s, .copying = 0.0002};
}

/* @return microseconds that all blocks take; @p fixed  an effort, or EFFORTS: as adapt says */
static double play(struct wire wire, struct machine machine, unsigned fixed)
{
    struct pnd_adapt adapt;

    pnd_adapt_init(&adapt, true, TOP, BLOCK);
    for (unsigned i = 0; i < BLOCKS; i++) {
        struct block block = make_block(&machine, false);

        if (fixed == EFFORTS) {
            step(&adapt, &wire, &block);
            continue;
        }
        go_on(&wire, block.pack[fixed]);
        send(&wire, block.out[fixed]);
    }
    go_on(&wire, wire.queued / wire.rate);
    return wire.now;
}

/* @return how many of @p blocks were given @p effort */
static unsigned count(struct pnd_adapt *adapt, struct wire *wire, struct machine *machine,
                      unsigned blocks, unsigned effort)
{
    unsigned n = 0;

    for (unsigned i = 0; i < blocks; i++) {
        struct block block = make_block(machine, false);

        n += step(adapt, wire, &block) == effort;
    }
    return n;
}

static struct machine make_machine(double slowness, bool mixed)
{
    return (struct machine){.slowness = slowness, .mixed = mixed, .x = 88172645463325252u};
}

static void a_fast_wire_and_a_slow_processor_store(void)
{
    struct machine machine = make_machine(10, false);
    struct wire wire = make_wire(2000, 1 << 20);
    struct pnd_adapt adapt;

    pnd_adapt_init(&adapt, true, TOP, BLOCK);
    count(&adapt, &wire, &machine, 32, 0);
    CHECK(count(&adapt, &wire, &machine, 1000, PND_ADAPT_STORE) > 980);
}

static void a_slow_wire_packs_as_much_as_it_can(void)
{
    struct machine machine = make_machine(1, false);
    struct wire wire = make_wire(10, 1 << 20);
    struct pnd_adapt adapt;

    pnd_adapt_init(&adapt, true, TOP, BLOCK);
    count(&adapt, &wire, &machine, 64, 0);
    CHECK(count(&adapt, &wire, &machine, 1000, PND_ADAPT_STORE) == 0);
    CHECK(adapt.effort >= 2);
}

static void it_follows_a_wire_that_changes(void)
{
    struct machine machine = make_machine(5, false);
    struct wire wire = make_wire(2000, 1 << 20);
    struct pnd_adapt adapt;

    pnd_adapt_init(&adapt, true, TOP, BLOCK);
    for (unsigned turn = 0; turn < 5; turn++) {
        wire.rate = 2000;
        count(&adapt, &wire, &machine, 100, 0);
        CHECK(count(&adapt, &wire, &machine, 900, PND_ADAPT_STORE) > 850);
        wire.rate = 20;
        count(&adapt, &wire, &machine, 80, 0);
        CHECK_EQ(count(&adapt, &wire, &machine, 900, PND_ADAPT_STORE), 0);
    }
}

static void it_follows_a_processor_that_changes(void)
{
    struct machine machine = make_machine(1, false);
    struct wire wire = make_wire(500, 1 << 20);
    struct pnd_adapt adapt;

    pnd_adapt_init(&adapt, true, TOP, BLOCK);
    for (unsigned turn = 0; turn < 5; turn++) {
        machine.slowness = 1; /* which nothing tells but a trial */
        count(&adapt, &wire, &machine, PND_ADAPT_WAIT_MAX + 50, 0);
        CHECK(count(&adapt, &wire, &machine, 900, PND_ADAPT_STORE) < 20);
        machine.slowness = 50;
        count(&adapt, &wire, &machine, 100, 0);
        CHECK(count(&adapt, &wire, &machine, 900, PND_ADAPT_STORE) > 850);
    }
}

static void what_does_not_shrink_is_tried_less_and_less(void)
{
    struct machine machine = make_machine(1, false);
    struct wire wire = make_wire(1000, 1 << 20);
    struct pnd_adapt adapt;
    unsigned tries = 0, since = 0, longest = 0;

    pnd_adapt_init(&adapt, true, TOP, BLOCK);
    for (unsigned i = 0; i < BLOCKS; i++) {
        struct block block = make_block(&machine, true);

        since++;
        if (step(&adapt, &wire, &block) != PND_ADAPT_STORE) {
            tries++;
            since = 0;
        }
        longest = since > longest ? since : longest;
    }
    CHECK(tries > 4 && tries <= BLOCKS / PND_ADAPT_SKIP_MAX + 32);
    CHECK(longest >= PND_ADAPT_SKIP_MAX && longest <= PND_ADAPT_WAIT_MAX + 32);

    /* and when it shrinks again, that is found out */
    count(&adapt, &wire, &machine, PND_ADAPT_WAIT_MAX + 32, 0);
    CHECK(count(&adapt, &wire, &machine, 500, PND_ADAPT_STORE) < 32);
}

static void on_a_slow_wire_everything_is_tried(void)
{
    struct machine machine = make_machine(1, false);
    struct wire wire = make_wire(10, 1 << 20);
    struct pnd_adapt adapt;

    pnd_adapt_init(&adapt, true, TOP, BLOCK);
    for (unsigned i = 0; i < 1000; i++) {
        struct block block = make_block(&machine, true);

        CHECK(step(&adapt, &wire, &block) != PND_ADAPT_STORE || i < 64);
    }
}

static void without_a_clock_every_block_gets_the_same_effort(void)
{
    struct machine machine = make_machine(1, true);
    struct pnd_adapt adapt;

    pnd_adapt_init(&adapt, false, 2, BLOCK);
    for (unsigned i = 0; i < 1000; i++) {
        struct block block = make_block(&machine, i % 100 >= 50);
        unsigned effort = pnd_adapt_choose(&adapt);
        struct pnd_adapt_block told = {
            .len = BLOCK, .out = block.out[effort], .pack_us = i * 999, .write_us = i % 7};

        pnd_adapt_tell(&adapt, &told);
        CHECK_EQ(effort, 2);
    }
}

static void the_last_short_block_tells_nothing(void)
{
    struct machine machine = make_machine(1, false);
    struct wire wire = make_wire(100, 1 << 20);
    struct pnd_adapt adapt, before;

    pnd_adapt_init(&adapt, true, TOP, BLOCK);
    count(&adapt, &wire, &machine, 100, 0);
    pnd_adapt_choose(&adapt);
    before = adapt;
    pnd_adapt_tell(&adapt, &(struct pnd_adapt_block){.len = 5, .out = 3, .pack_us = 1 << 30});
    CHECK_EQ(adapt.effort, before.effort);
    CHECK_EQ(adapt.tried, before.tried);
    CHECK_EQ(adapt.spent_us, before.spent_us);
    CHECK_EQ(adapt.efforts[before.trial].out, before.efforts[before.trial].out);
    CHECK_EQ(adapt.efforts[before.trial].pack_us, before.efforts[before.trial].pack_us);
}

/* Nothing that it is told makes it leave its efforts, or divide by nothing. */
static void it_bears_any_figures(void)
{
    static const size_t blocks[] = {1, 4096, 64 << 10, 16 << 20};
    struct machine machine = make_machine(1, false);

    for (size_t i = 0; i < 4; i++) {
        struct pnd_adapt adapt;

        pnd_adapt_init(&adapt, true, TOP, blocks[i]);
        for (unsigned n = 0; n < 100000; n++) {
            struct pnd_adapt_block told = {.len = blocks[i]};
            unsigned effort = pnd_adapt_choose(&adapt);

            make_block(&machine, false);
            CHECK(effort <= TOP);
            told.out = machine.x & 1 ? blocks[i] + 64 : blocks[i] * (machine.x >> 60) / 64;
            told.pack_us = machine.x >> (machine.x & 63);
            told.write_us = UINT64_MAX >> (machine.x >> 8 & 63);
            pnd_adapt_tell(&adapt, &told);
        }
    }
}

/* The whole field: wires from 1 MB/s to 10 GB/s, processors from fast to a fiftieth of it, windows
 * of 64 KiB to 4 MiB, content that is even or mixed. */
static void it_is_never_much_slower_than_the_best_fixed_choice(void)
{
    static const double windows[] = {64 << 10, 512 << 10, 4 << 20};
    enum { RATES = 18, SLOWNESSES = 7 };
    double worst = 2, worst_store = 2, sum = 0, rate = 1;
    unsigned n = 0;

    for (unsigned r = 0; r < RATES; r++, rate *= 1.7) {
        double slowness = 1;

        for (unsigned s = 0; s < SLOWNESSES; s++, slowness *= 1.9) {
            for (unsigned i = 0; i < 6; i++) {
                struct wire wire = make_wire(rate, windows[i / 2]);
                struct machine machine = make_machine(slowness, i % 2);
                double best = 1e300, got, store = 0;

                wire.copying *= slowness; /* who packs slowly also copies slowly */
                got = play(wire, machine, EFFORTS);
                for (unsigned effort = 0; effort < EFFORTS; effort++) {
                    double us = play(wire, machine, effort);

                    store = effort == 0 ? us : store;
                    best = us < best ? us : best;
                }
                worst = best / got < worst ? best / got : worst;
                worst_store = store / got < worst_store ? store / got : worst_store;
                sum += best / got;
                n++;
            }
        }
    }
    printf("# of the best fixed choice: %.3f at worst, %.3f in the mean; of the plain wire %.3f at "
           "worst\n",
           worst, sum / n, worst_store);
    CHECK(worst > 0.8 && sum / n > 0.95 && worst_store > 0.9);
}

int main(void)
{
    RUN(a_fast_wire_and_a_slow_processor_store);
    RUN(a_slow_wire_packs_as_much_as_it_can);
    RUN(it_follows_a_wire_that_changes);
    RUN(it_follows_a_processor_that_changes);
    RUN(what_does_not_shrink_is_tried_less_and_less);
    RUN(on_a_slow_wire_everything_is_tried);
    RUN(without_a_clock_every_block_gets_the_same_effort);
    RUN(the_last_short_block_tells_nothing);
    RUN(it_bears_any_figures);
    RUN(it_is_never_much_slower_than_the_best_fixed_choice);
    return tap_done();
}
