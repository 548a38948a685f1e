/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The two sides of the extension over bad links, from seeds: a dump that the sender takes for held
 * is exact, everything ends, and what a link carries is used.
 *     sim_ext [--seeds N]    so many dumps of each kind (400) */
#include "tap.h"

#include "sim/ext_world.h"

enum { SECOND_NS = 1000000000 };

static unsigned seeds = 400;
static struct ext_world world;

struct tally {
    unsigned complete, fell_back, failed, wrong, endless, restarts;
    uint64_t packets, repeats;
};

static void run_one(const struct ext_plan *plan, struct tally *t)
{
    struct ext_world *w = &world;

    if (!ext_world_run(w, plan, UINT64_C(2000) * SECOND_NS))
        t->endless++;
    else if (w->fell_back)
        t->fell_back++;
    else if (!w->done)
        t->failed++;
    else if (!w->finished || w->file_end != plan->bytes ||
             (w->file && memcmp(w->file, w->image, plan->bytes) != 0))
        t->wrong++;
    else
        t->complete++;
    t->restarts += w->restarts + w->server_restarts;
    t->packets += w->tx.stats.packets;
    t->repeats += w->tx.stats.retransmissions;
    ext_world_deinit(w);
}

/* Sizes, windows, round trips and rates by chance. */
static struct ext_plan any_plan(uint64_t seed)
{
    static const uint64_t rates[] = {0, 1000000, 20000000, 500000000};
    static const size_t windows[] = {32768, 65536, 1 << 20};
    struct rng rng = {.state = seed * 77 + 1};
    struct ext_plan plan = {
        .seed = seed,
        .bytes = rng_below(&rng, 8) ? rng_below(&rng, 600000) : rng_below(&rng, 3),
        .window_bytes = windows[rng_below(&rng, 3)],
        .sparse = rng_chance(&rng, 500),
        .stored = true,
        .rate = rates[rng_below(&rng, 4)],
        /* room for two of the largest: else the PROBE behind one is dropped, again and again */
        .queue = 20000 + rng_below(&rng, 200000),
        .rtt_ns = 20000 + rng_below(&rng, rng_chance(&rng, 300) ? 50000000 : 1000000),
        .dgram_max = 508 + rng_below(&rng, 8500),
        .durable_ns = rng_below(&rng, 30000000),
        .patience_us = 50000000,
    };

    return plan;
}

static struct tally run_kind(const char *kind, void (*spoil)(struct ext_plan *, struct rng *))
{
    struct tally t = {0};

    for (uint64_t seed = 1; seed <= seeds; seed++) {
        struct rng rng = {.state = seed};
        struct ext_plan plan = any_plan(seed);

        spoil(&plan, &rng);
        run_one(&plan, &t);
    }
    printf("# %s: %u complete, %u failed, %u restarts, %llu packets, %llu repeated\n", kind,
           t.complete, t.failed, t.restarts, (unsigned long long)t.packets,
           (unsigned long long)t.repeats);
    CHECK_EQ(t.wrong, 0);
    CHECK_EQ(t.endless, 0);
    return t;
}

static void nothing(struct ext_plan *plan, struct rng *rng)
{
    (void)plan;
    (void)rng;
}

static void a_perfect_link_brings_every_dump(void)
{
    CHECK_EQ(run_kind("perfect", nothing).complete, seeds);
}

static void loss(struct ext_plan *plan, struct rng *rng)
{
    plan->to_server.loss = rng_below(rng, 3000);
    plan->to_client.loss = rng_below(rng, 3000);
}

static void loss_of_up_to_a_third_each_way_loses_no_dump(void)
{
    CHECK_EQ(run_kind("loss", loss).complete, seeds);
}

static void disorder(struct ext_plan *plan, struct rng *rng)
{
    plan->to_server.reorder = plan->to_client.reorder = rng_below(rng, 4000);
    plan->to_server.dup = plan->to_client.dup = rng_below(rng, 2000);
    plan->to_server.late_ns = plan->to_client.late_ns = 1 + rng_below(rng, 20000000);
    plan->to_server.loss = plan->to_client.loss = rng_below(rng, 300);
}

static void reordered_and_repeated_packets_harm_none(void)
{
    CHECK_EQ(run_kind("disorder", disorder).complete, seeds);
}

static void damage(struct ext_plan *plan, struct rng *rng)
{
    plan->to_server.corrupt = plan->to_client.corrupt = rng_below(rng, 1000);
    plan->to_server.checksum = plan->to_client.checksum = true;
}

static void damage_that_a_checksum_finds_is_loss(void)
{
    CHECK_EQ(run_kind("damage, checked", damage).complete, seeds);
}

static void unchecked(struct ext_plan *plan, struct rng *rng)
{
    plan->to_server.corrupt = plan->to_client.corrupt = 1 + rng_below(rng, 20);
    plan->patience_us = 5000000;
}

static void damage_that_none_finds_may_fail_a_dump_but_never_passes_for_it(void)
{
    CHECK(run_kind("damage, unchecked", unchecked).complete > 0);
}

static void server_dies(struct ext_plan *plan, struct rng *rng)
{
    loss(plan, rng);
    plan->server_dies = 1000 + rng_below(rng, 6000);
}

static void a_server_that_is_killed_at_any_packet_goes_on(void)
{
    struct tally t = run_kind("server killed", server_dies);

    /* Whose OPENs were in vain, two rows of them, goes on without the extension. */
    CHECK_EQ(t.complete + t.fell_back, seeds);
    CHECK(t.fell_back <= 1 + seeds / 1000);
    CHECK(t.restarts > 0);
}

static void sender_dies(struct ext_plan *plan, struct rng *rng)
{
    plan->to_server.loss = plan->to_client.loss = rng_below(rng, 500);
    plan->sender_dies = 500 + rng_below(rng, 2000);
}

static void a_sender_that_is_killed_resumes(void)
{
    struct tally t = run_kind("sender killed", sender_dies);

    CHECK_EQ(t.complete, seeds);
    CHECK(t.restarts > 0 || seeds < 20);
}

/* What the one before had on its way is far ahead of what the next one sends. */
static void a_sender_that_is_killed_far_ahead_resumes(void)
{
    unsigned restarts = 0;

    for (uint64_t seed = 1; seed <= 6; seed++) {
        struct ext_plan plan = {
            .seed = seed,
            .bytes = 30000000,
            .window_bytes = 16 << 20,
            .rate = 100000000,
            .queue = 2000000,
            .rtt_ns = 20000000,
            .to_server = {.loss = 100},
            .to_client = {.loss = 100},
            .sender_dies = 200,
            .dgram_max = 1472,
            .patience_us = 50000000,
        };

        CHECK(ext_world_run(&world, &plan, UINT64_C(1000) * SECOND_NS));
        CHECK(world.done);
        restarts += world.restarts;
        ext_world_deinit(&world);
    }
    CHECK(restarts > 0);
}

static void both_die(struct ext_plan *plan, struct rng *rng)
{
    sender_dies(plan, rng);
    plan->server_dies = 1000;
}

static void both_may_be_killed(void)
{
    CHECK_EQ(run_kind("both killed", both_die).complete, seeds);
}

static void narrow(struct ext_plan *plan, struct rng *rng)
{
    plan->mtu_at = 1 + rng_below(rng, 100000);
    plan->mtu = rng_chance(rng, 500) ? 508 : 508 + rng_below(rng, 900);
    plan->to_server.loss = rng_below(rng, 200);
}

static void a_path_that_becomes_narrower_without_a_word_is_found_out(void)
{
    CHECK_EQ(run_kind("black hole", narrow).complete, seeds);
}

/* The second minute is that in which larger packets are tried again. */
static void a_path_that_is_wide_again_is_used_so(void)
{
    static const uint32_t sizes[] = {1472, 4052, 8972};

    for (unsigned i = 0; i < 3; i++) {
        struct ext_plan plan = {
            .seed = 5,
            .bytes = 30000000,
            .window_bytes = 1 << 20,
            .rate = 200000,
            .queue = 50000,
            .rtt_ns = 2000000,
            .dgram_max = sizes[i],
            .mtu_at = 2000000,
            .mtu = 600,
            .wide_at = 5000000,
            .patience_us = 50000000,
        };

        CHECK(!ext_world_run(&world, &plan, UINT64_C(25) * SECOND_NS));
        CHECK_EQ(world.tx.dgram, PND_EXT_DGRAM_MIN);
        ext_world_deinit(&world);
        CHECK(ext_world_run(&world, &plan, UINT64_C(1000) * SECOND_NS));
        CHECK(world.done);
        CHECK(world.tx.dgram + 4 > sizes[i]); /* a PROBE's round makes it a few bytes smaller */
        ext_world_deinit(&world);
    }
}

static void closed(struct ext_plan *plan, struct rng *rng)
{
    plan->closed_at = 1 + rng_below(rng, 200000);
    plan->closed_ns = (uint64_t)(1 + rng_below(rng, 30)) * SECOND_NS;
    plan->room = 20000 + rng_below(rng, 500000);
}

static void a_server_that_takes_nothing_for_a_while_is_waited_for(void)
{
    CHECK_EQ(run_kind("closed", closed).complete, seeds);
}

static void gone(struct ext_plan *plan, struct rng *rng)
{
    plan->mtu_at = 1 + rng_below(rng, 100000);
    plan->mtu = 1; /* nothing arrives from then on */
    /* More than any window holds, else all may be there when what is held says so. */
    plan->bytes += 2000000;
    plan->patience_us = 3000000;
}

static void a_server_that_is_gone_ends_the_wait(void)
{
    CHECK_EQ(run_kind("gone", gone).failed, seeds);
}

static void goodput(const char *what, uint64_t rtt_us, unsigned loss_10000, uint64_t least)
{
    struct ext_plan plan = {
        .seed = 3,
        .bytes = 60000000,
        .window_bytes = 16 << 20,
        .rate = 500000000,
        .queue = 2000000,
        .rtt_ns = rtt_us * 1000,
        .to_server = {.loss = loss_10000},
        .to_client = {.loss = loss_10000},
        .dgram_max = 1472,
        .patience_us = 50000000,
    };
    uint64_t rate;

    CHECK(ext_world_run(&world, &plan, UINT64_C(1000) * SECOND_NS));
    CHECK(world.done);
    rate = ext_world_rate(&world);
    printf("# %s: %llu MB/s of 500\n", what, (unsigned long long)rate / 1000000);
    CHECK(rate >= least * 1000000);
    ext_world_deinit(&world);
}

static void a_wire_of_4_Gbit_is_filled_at_the_round_trips_of_a_house(void)
{
    goodput("20 us", 20, 0, 450);
    goodput("300 us", 300, 0, 450);
    goodput("1 ms", 1000, 0, 440);
}

static void loss_slows_by_little_more_than_what_is_lost(void)
{
    goodput("300 us, 0.1 % lost", 300, 10, 440);
    goodput("300 us, 1 % lost", 300, 100, 430);
    goodput("300 us, 5 % lost", 300, 500, 380);
    goodput("300 us, 10 % lost", 300, 1000, 320);
}

/* 1 Gbit/s with a queue of 4 ms, of which a sender that finds out what the path carries loses much
 * at once. What is repeated is what was lost, and some of what only seemed so. */
static void long_path(const char *what, uint64_t rtt_us, unsigned loss_10000, uint64_t least)
{
    struct ext_plan plan = {
        .seed = 3,
        .bytes = 256 << 20,
        .window_bytes = 64 << 20,
        .rate = 125000000,
        .queue = 500000,
        .rtt_ns = rtt_us * 1000,
        .to_server = {.loss = loss_10000},
        .to_client = {.loss = loss_10000},
        .room = 64 << 20,
        .dgram_max = 1472,
        .patience_us = 50000000,
    };
    uint64_t rate, gone;

    CHECK(ext_world_run(&world, &plan, UINT64_C(1000) * SECOND_NS));
    CHECK(world.done);
    rate = ext_world_rate(&world);
    gone = world.to_server.lost + world.to_server.overflowed;
    printf("# %s: %llu MB/s of 125, %llu lost, %llu repeated\n", what,
           (unsigned long long)rate / 1000000, (unsigned long long)gone,
           (unsigned long long)world.tx.stats.retransmissions);
    CHECK(rate >= least * 1000000);
    CHECK(world.tx.stats.retransmissions <= gone + gone / 2 + 200);
    ext_world_deinit(&world);
}

static void many_holes_on_a_long_path_are_told_and_filled_at_once(void)
{
    long_path("20 ms", 20000, 0, 108);
    long_path("20 ms, 1 % lost", 20000, 100, 105);
    long_path("100 ms", 100000, 0, 88);
    long_path("100 ms, 1 % lost", 100000, 100, 82);
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--seeds") == 0)
        seeds = (unsigned)strtoul(argv[2], NULL, 10);
    RUN(a_perfect_link_brings_every_dump);
    RUN(loss_of_up_to_a_third_each_way_loses_no_dump);
    RUN(reordered_and_repeated_packets_harm_none);
    RUN(damage_that_a_checksum_finds_is_loss);
    RUN(damage_that_none_finds_may_fail_a_dump_but_never_passes_for_it);
    RUN(a_server_that_is_killed_at_any_packet_goes_on);
    RUN(a_sender_that_is_killed_resumes);
    RUN(a_sender_that_is_killed_far_ahead_resumes);
    RUN(both_may_be_killed);
    RUN(a_path_that_becomes_narrower_without_a_word_is_found_out);
    RUN(a_path_that_is_wide_again_is_used_so);
    RUN(a_server_that_takes_nothing_for_a_while_is_waited_for);
    RUN(a_server_that_is_gone_ends_the_wait);
    RUN(a_wire_of_4_Gbit_is_filled_at_the_round_trips_of_a_house);
    RUN(loss_slows_by_little_more_than_what_is_lost);
    RUN(many_holes_on_a_long_path_are_told_and_filled_at_once);
    return tap_done();
}
