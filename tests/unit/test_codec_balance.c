/* SPDX-License-Identifier: BSD-2-Clause
 *
 * How much effort a block is worth beside sending, on a wire, a sender and processors of paper: a
 * ring of blocks, threads that pack the oldest that nobody packs, and a wire that takes so many
 * bytes a microsecond and holds some back. */
#include "codec/balance.h"

#include "tap.h"

enum {
    BLOCK = 1 << 20,
    EFFORTS = 6,
    TOP = EFFORTS - 1,
    START = 2,
    WORTH = 3,
    LANES_MAX = 8,
    SLOTS_MAX = 2 + 2 * LANES_MAX,
    BLOCKS = 1500,
};

/* Microseconds, bytes per microsecond. */
struct world {
    double rate, buffer; /* of the wire */
    double slowness;     /* 1: a core as in shares[] and rates[] */
    unsigned lanes;
    bool mixed, noise;
    uint64_t x;
};

struct result {
    double us, out;
    unsigned late[EFFORTS]; /* blocks of the second half that were given it */
};

struct block {
    double ready_us;
    size_t out;
    unsigned effort;
};

static const double pack_rates[EFFORTS] = {1e9, 1300, 600, 350, 190, 150};
static const double shares[EFFORTS] = {1, 0.5, 0.33, 0.305, 0.295, 0.29};

static void begin(struct pnd_balance *balance, unsigned start, unsigned top, unsigned depth)
{
    struct pnd_balance_config config = {.start = start, .worth = WORTH, .top = top, .depth = depth};

    if (config.worth > top)
        config.worth = top;
    pnd_balance_init(balance, &config);
}

static double part_of(struct world *world)
{
    world->x ^= world->x << 13, world->x ^= world->x >> 7, world->x ^= world->x << 17;
    return world->mixed ? (double)(world->x >> 44 & 1023) / 512 : 1; /* 0 to 2, mean 1 */
}

static struct block pack(struct world *world, double *lanes, unsigned effort, double now)
{
    struct block block = {.effort = effort, .out = BLOCK + 64, .ready_us = now};
    double part = part_of(world), share = effort ? shares[effort] * part : 1;
    unsigned first = 0;

    if (!world->noise)
        block.out = (size_t)(BLOCK * (share < 1 ? share : 1)) + 16;
    if (effort == 0)
        return block;
    for (unsigned i = 1; i < world->lanes; i++)
        first = lanes[i] < lanes[first] ? i : first;
    if (lanes[first] < now)
        lanes[first] = now;
    lanes[first] += BLOCK / pack_rates[effort] * (0.5 + part / 2) * world->slowness;
    block.ready_us = lanes[first];
    return block;
}

/* What happens between the sender, the ring and the wire. */
struct scene {
    struct block ring[SLOTS_MAX];
    unsigned slots;
    double now, queued, last; /* queued: bytes that the wire has still to take */
};

static void go_on(struct scene *scene, const struct world *world, double us)
{
    scene->now += us;
    scene->queued -= us * world->rate;
    scene->queued = scene->queued > 0 ? scene->queued : 0;
}

/* Waits for a block, and for the wire to take it. */
static struct pnd_balance_block emit(struct scene *scene, const struct world *world,
                                     const struct block *block)
{
    struct pnd_balance_block told = {.len = BLOCK, .effort = block->effort, .out = block->out};
    double empty = scene->now + scene->queued / world->rate, start;
    unsigned packed = 0;

    for (unsigned i = 0; i < scene->slots; i++)
        packed += scene->ring[i].ready_us <= scene->now;
    if (block->ready_us > scene->now) {
        told.idle_us = (uint64_t)(block->ready_us > empty ? block->ready_us - empty : 0);
        go_on(scene, world, block->ready_us - scene->now);
    }
    start = scene->now;
    scene->queued += (double)block->out;
    if (scene->queued > world->buffer)
        go_on(scene, world, (scene->queued - world->buffer) / world->rate);
    told.blocked_us = packed > scene->slots / 2 ? (uint64_t)(scene->now - start) : 0;
    told.all_us = (uint64_t)(scene->now - scene->last) + 1;
    scene->last = scene->now;
    return told;
}

/* @param fixed  an effort, or EFFORTS: as balance says */
static struct result play(struct world world, unsigned fixed)
{
    struct scene scene = {.slots = 2 + 2 * world.lanes};
    struct pnd_balance balance;
    struct result result = {0};
    double lanes[LANES_MAX] = {0};

    begin(&balance, START, TOP, scene.slots);
    for (unsigned n = 0; n < BLOCKS + scene.slots; n++) {
        struct block *block = &scene.ring[n % scene.slots];
        unsigned effort = fixed;

        if (n >= scene.slots) {
            struct pnd_balance_block told = emit(&scene, &world, block);

            pnd_balance_tell(&balance, &told);
            result.out += (double)told.out;
        }
        go_on(&scene, &world, 100 * world.slowness); /* reading and copying */
        block->ready_us = 0;
        if (n >= BLOCKS)
            continue;
        if (fixed == EFFORTS)
            effort = pnd_balance_choose(&balance);
        if (effort > TOP)
            abort();
        result.late[effort] += n >= BLOCKS / 2;
        *block = pack(&world, lanes, effort, scene.now);
    }
    result.us = scene.now + scene.queued / world.rate;
    return result;
}

static struct world make_world(double rate, double slowness, unsigned lanes, bool mixed)
{
    return (struct world){.rate = rate,
                          .buffer = 2 << 20,
                          .slowness = slowness,
                          .lanes = lanes,
                          .mixed = mixed,
                          .x = 88172645463325252u};
}

static void a_slow_wire_gets_the_highest_effort(void)
{
    struct result result = play(make_world(12, 1, 2, true), EFFORTS);

    CHECK(result.late[TOP] > BLOCKS / 2 * 9 / 10);
}

static void a_wire_that_is_much_faster_than_packing_gets_blocks_as_they_are(void)
{
    struct result result = play(make_world(3000, 20, 1, false), EFFORTS);

    CHECK(result.late[0] > BLOCKS / 2 * 9 / 10);
}

/* 1 Gbit/s, two processors: level 3 fills it. */
static void between_them_both_are_at_work(void)
{
    struct world world = make_world(117, 1, 2, false);
    struct result result = play(world, EFFORTS);

    CHECK(result.out / result.us > 0.95 * world.rate);
    CHECK(result.out < 0.32 * BLOCKS * (double)BLOCK);
}

static void one_block_that_is_late_changes_little(void)
{
    struct pnd_balance balance;
    const struct pnd_balance_block late = {
        .effort = 3, .len = BLOCK, .out = 1000, .all_us = 3000, .idle_us = 300};

    begin(&balance, 3, TOP, 6);
    pnd_balance_tell(&balance, &late);
    CHECK(balance.effort < 3 * PND_BALANCE_UNIT);
    CHECK(balance.effort > 3 * PND_BALANCE_UNIT * 15 / 16);
}

static void what_brings_little_is_left_as_soon_as_the_wire_is_idle(void)
{
    struct pnd_balance balance;
    const struct pnd_balance_block late = {
        .effort = TOP, .len = BLOCK, .out = 1000, .all_us = 3000, .idle_us = 10};

    begin(&balance, TOP, TOP, 6);
    pnd_balance_tell(&balance, &late);
    CHECK_EQ(balance.effort, WORTH * PND_BALANCE_UNIT);
}

static void efforts_between_two_are_mixtures(void)
{
    struct pnd_balance balance;
    unsigned given[EFFORTS] = {0};

    begin(&balance, 1, TOP, 6);
    balance.effort += PND_BALANCE_UNIT / 4;
    for (unsigned i = 0; i < 1000; i++)
        given[pnd_balance_choose(&balance)]++;
    CHECK_EQ(given[1], 750);
    CHECK_EQ(given[2], 250);
}

/* Noise costs a slow wire nothing but time of the processors, and is given little of that. */
static void what_does_not_shrink_gets_the_lightest_effort(void)
{
    struct world world = make_world(12, 1, 2, false);
    struct result result;

    world.noise = true;
    result = play(world, EFFORTS);
    CHECK(result.late[0] == 0 && result.late[1] == BLOCKS / 2);
}

/* Nothing that it is told makes it leave its efforts, or divide by nothing. */
static void it_bears_any_figures(void)
{
    struct world world = make_world(1, 1, 1, true);
    struct pnd_balance balance;

    for (unsigned top = 1; top <= TOP; top++) {
        begin(&balance, 1, top, top);
        for (unsigned i = 0; i < 200000; i++) {
            struct pnd_balance_block told = {.len = BLOCK, .effort = i % (top + 1)};

            CHECK(pnd_balance_choose(&balance) <= top);
            part_of(&world);
            told.out = world.x & 1 ? BLOCK + 64 : (size_t)(world.x >> 50);
            told.all_us = world.x >> (world.x >> 8 & 63);
            told.idle_us = world.x & 2 ? UINT64_MAX >> (world.x >> 16 & 63) : 0;
            told.blocked_us = world.x & 4 ? UINT64_MAX >> (world.x >> 24 & 63) : 0;
            pnd_balance_tell(&balance, &told);
        }
    }
}

/* The whole field: wires from 3 MB/s to 5 GB/s, one to eight processors from fast to a twentieth of
 * it, content that is even or mixed. */
static void it_is_never_much_slower_than_the_best_fixed_choice(void)
{
    enum { RATES = 14, SLOWNESSES = 5 };
    double worst = 2, worst_store = 2, sum = 0, rate = 3;
    unsigned n = 0;

    for (unsigned r = 0; r < RATES; r++, rate *= 1.76) {
        double slowness = 1;

        for (unsigned s = 0; s < SLOWNESSES; s++, slowness *= 2.1) {
            for (unsigned i = 0; i < 8; i++) {
                struct world world = make_world(rate, slowness, 1u << i / 2, i % 2);
                double got = play(world, EFFORTS).us, best = 1e300, store = 0;

                for (unsigned effort = 0; effort < EFFORTS; effort++) {
                    double us = play(world, effort).us;

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
    CHECK(worst > 0.75 && sum / n > 0.97 && worst_store > 0.75);
}

int main(void)
{
    RUN(a_slow_wire_gets_the_highest_effort);
    RUN(a_wire_that_is_much_faster_than_packing_gets_blocks_as_they_are);
    RUN(between_them_both_are_at_work);
    RUN(one_block_that_is_late_changes_little);
    RUN(what_brings_little_is_left_as_soon_as_the_wire_is_idle);
    RUN(efforts_between_two_are_mixtures);
    RUN(what_does_not_shrink_gets_the_lightest_effort);
    RUN(it_bears_any_figures);
    RUN(it_is_never_much_slower_than_the_best_fixed_choice);
    return tap_done();
}
