/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The simulator of netdump: FreeBSD's client, with its arithmetic, and our receiver. Prints TAP. A
 * failure names its seed. --plain: what becomes of the dumps with a server that acknowledges each
 * packet when it comes. */
#include <getopt.h>

#include "sim/netdump_world.h"
#include "tap.h"

enum { MS = 1000000, UNIT_1500 = 1448, SEND = 65536 };
#define SECOND UINT64_C(1000000000)

static struct netdump_world world;
static unsigned long seeds = 200, first_seed = 1;
static bool plain, verbose;

struct tally {
    unsigned long runs, complete, believed, wrong, restarts, freed;
};

/* What every kind of run has in common: a client of one sort or another. */
static void draw_client(struct netdump_plan *plan, struct rng *rng)
{
    static const size_t units[] = {UNIT_1500, UNIT_1500, UNIT_1500, 1440, 1348, 1228,
                                   1024,      524,       4096,      8948, 512};

    plan->unit = units[rng_below(rng, sizeof(units) / sizeof(units[0]))];
    plan->image_len = 4096 * (size_t)rng_between(rng, 1, 120);
    plan->flushes = rng_chance(rng, 500) ? rng_below(rng, 500) : 0;
    plan->kdh_first = rng_chance(rng, 200);
    plan->has_key = rng_chance(rng, 300);
    plan->padding = rng_chance(rng, 300) ? rng_below(rng, 4096) : 0;
    plan->shifts_right = rng_chance(rng, 200);
    plan->rtt_ns = rng_between(rng, 20000, 5000000);
    plan->rate = rng_chance(rng, 500) ? 125000000 : 0;
    plan->finish_ms = rng_chance(rng, 300) ? rng_below(rng, 8000) : 0;
    plan->to_server.late_ns = plan->to_client.late_ns = 20 * MS;
}

static struct tally run_kind(const char *what, void (*kind)(struct netdump_plan *, struct rng *))
{
    struct tally tally = {0};

    for (unsigned long i = 0; i < seeds; i++) {
        struct netdump_plan plan = {.seed = first_seed + i};
        struct rng rng = {.state = plan.seed * 77};
        const char *failure;

        draw_client(&plan, &rng);
        kind(&plan, &rng);
        plan.plain = plain;
        failure = netdump_world_run(&world, &plan);
        if (failure) {
            tap_ok = false;
            printf("# %s, --first %lu --seeds 1: %s\n", what, first_seed + i, failure);
        }
        if (verbose)
            printf("# %s %lu: unit %zu, %zu bytes, client %d, server %d (%s), %.3f s\n", what,
                   first_seed + i, plan.unit, plan.image_len, world.client.state, world.owner.state,
                   world.owner.why ? world.owner.why : "", (double)world.end_ns / 1e9);
        tally.runs++;
        tally.complete += world.completed;
        tally.believed += world.client.state == NETDUMP_BELIEVES;
        tally.wrong += world.client.state == NETDUMP_BELIEVES && !netdump_world_is_exact(&world);
        tally.restarts += world.restarts;
        tally.freed += world.sends_wrong;
        netdump_world_deinit(&world);
    }
    printf("# %s: %lu runs, %lu complete, %lu clients believe, %lu of them wrongly, %lu sends "
           "believed with a hole, %lu restarts\n",
           what, tally.runs, tally.complete, tally.believed, tally.wrong, tally.freed,
           tally.restarts);
    return tally;
}

static void all_arrive(const char *what, void (*kind)(struct netdump_plan *, struct rng *))
{
    struct tally tally = run_kind(what, kind);

    if (!plain) {
        CHECK_EQ(tally.complete, tally.runs);
        CHECK_EQ(tally.believed, tally.runs);
        CHECK_EQ(tally.freed, 0);
    }
}

static void nothing(struct netdump_plan *plan, struct rng *rng)
{
    (void)plan;
    (void)rng;
}

static void a_link_without_faults_brings_every_dump(void)
{
    all_arrive("clean", nothing);
}

static void loss(struct netdump_plan *plan, struct rng *rng)
{
    plan->to_server.loss = rng_below(rng, 501);
    plan->to_client.loss = rng_below(rng, 501);
}

static void loss_of_up_to_5_percent_each_way_loses_no_dump(void)
{
    all_arrive("loss", loss);
}

static void duplicates(struct netdump_plan *plan, struct rng *rng)
{
    loss(plan, rng);
    plan->to_server.loss /= 5;
    plan->to_client.loss /= 5;
    plan->to_server.dup = rng_below(rng, 3000);
    plan->to_client.dup = rng_below(rng, 3000);
    plan->to_server.late_ns = plan->to_client.late_ns = rng_chance(rng, 300) ? 5 * SECOND : 50 * MS;
}

static void repeated_packets_harm_none(void)
{
    all_arrive("duplicates", duplicates);
}

static void reorder(struct netdump_plan *plan, struct rng *rng)
{
    plan->to_server.loss = plan->to_client.loss = rng_below(rng, 100);
    plan->to_server.reorder = rng_below(rng, 3000);
    plan->to_client.reorder = rng_below(rng, 3000);
    plan->to_server.late_ns = plan->to_client.late_ns = rng_chance(rng, 300) ? SECOND / 2 : 15 * MS;
}

static void packets_that_overtake_each_other_harm_none(void)
{
    all_arrive("reorder", reorder);
}

static void dies(struct netdump_plan *plan, struct rng *rng)
{
    plan->to_server.loss = plan->to_client.loss = rng_below(rng, 100);
    plan->restarts = rng_below(rng, 300);
    plan->down_ns = 3 * SECOND;
}

static void a_server_that_is_killed_again_and_again_goes_on(void)
{
    all_arrive("killed", dies);
}

static void full(struct netdump_plan *plan, struct rng *rng)
{
    plan->to_server.loss = plan->to_client.loss = rng_below(rng, 50);
    plan->full_at_ns = rng_below(rng, 20 * MS);
    plan->full_ns = (uint64_t)rng_below(rng, 8000) * MS;
}

static void a_disk_that_is_full_for_8_s_is_waited_out(void)
{
    all_arrive("full disk", full);
}

static void forged(struct netdump_plan *plan, struct rng *rng)
{
    plan->to_server.loss = plan->to_client.loss = rng_below(rng, 100);
    plan->forged = rng_below(rng, 300);
}

static void heralds_and_whatever_else_from_anybody_end_no_dump(void)
{
    all_arrive("forged", forged);
}

static void everything(struct netdump_plan *plan, struct rng *rng)
{
    plan->to_server.loss = rng_below(rng, 1500);
    plan->to_client.loss = rng_below(rng, 1500);
    plan->to_server.dup = plan->to_client.dup = rng_below(rng, 1000);
    plan->to_server.reorder = plan->to_client.reorder = rng_below(rng, 1000);
    plan->to_server.late_ns = plan->to_client.late_ns = rng_u64(rng) % (4 * SECOND);
    plan->restarts = rng_below(rng, 200);
    plan->down_ns = 5 * SECOND;
    plan->full_at_ns = rng_below(rng, 2000) * (uint64_t)MS;
    plan->full_ns = rng_below(rng, 15000) * (uint64_t)MS;
    plan->forged = rng_below(rng, 100);
    if (rng_chance(rng, 200))
        plan->send_bytes = 4096 * (size_t)rng_between(rng, 1, 16);
}

static void whatever_happens_nobody_believes_in_a_dump_that_has_a_hole(void)
{
    struct tally tally = run_kind("everything", everything);

    CHECK(plain || tally.complete > tally.runs / 4 || tally.runs < 20);
    CHECK(plain || tally.wrong == 0);
}

/* As the hole of PROTOCOL.md#netdump-8, but whatever the receiver does about it. */
static void lies(struct netdump_plan *plan, struct rng *rng)
{
    loss(plan, rng);
    plan->to_server.reorder = rng_below(rng, 300);
    plan->lies = 300;
    plan->image_len += 30 * 4096;
}

static void a_hole_that_a_client_does_not_know_of_is_told(void)
{
    struct tally tally = run_kind("lies", lies);

    CHECK(tally.freed > tally.runs / 2);
    CHECK(tally.complete < tally.runs);
    CHECK_EQ(tally.wrong, 0);
}

/* The first send goes where the last of a dump before ended: PROTOCOL.md#netdump-5. */
static void a_dump_that_begins_at_a_stale_offset_is_not_complete(void)
{
    struct netdump_plan plan = {.seed = 1,
                                .unit = UNIT_1500,
                                .image_len = 20 * SEND,
                                .first_lies = 30 * SEND,
                                .rtt_ns = 200000};

    CHECK_STR(netdump_world_run(&world, &plan) ? world.failure : "holds", "holds");
    CHECK_EQ(world.owner.state, NETDUMP_INCOMPLETE);
    CHECK_STR(world.owner.why, "nothing came for the start of the dump");
    CHECK_EQ(world.client.state, NETDUMP_GAVE_UP);
    netdump_world_deinit(&world);
}

static void a_server_that_dies_at_any_packet_loses_nothing(void)
{
    unsigned long cuts = 0;

    for (int kind = 0; kind < 3; kind++) {
        struct netdump_plan plan = {.seed = 5 + (uint64_t)kind,
                                    .image_len = 3 * SEND - 8192,
                                    .unit = kind == 1 ? 8948 : UNIT_1500,
                                    .rtt_ns = 300000,
                                    .has_key = kind != 2,
                                    .kdh_first = kind == 2,
                                    .padding = 100,
                                    .down_ns = SECOND};
        unsigned last;

        CHECK_STR(netdump_world_run(&world, &plan) ? world.failure : "holds", "holds");
        last = world.owner.datagrams;
        netdump_world_deinit(&world);
        for (plan.cut_at = 1; plan.cut_at <= last; plan.cut_at++)
            for (int point = NETDUMP_DIES_BEFORE_JOURNAL; point <= NETDUMP_DIES_AFTER; point++) {
                plan.cut_point = (enum netdump_crash)point;
                if (netdump_world_run(&world, &plan) || !netdump_world_is_exact(&world) ||
                    world.client.state != NETDUMP_BELIEVES || world.sends_wrong) {
                    tap_ok = false;
                    printf("# kind %d, cut at %u, point %d: %s\n", kind, plan.cut_at, point,
                           world.failure ? world.failure : "not complete");
                }
                cuts += world.restarts;
                netdump_world_deinit(&world);
            }
    }
    printf("# %lu cuts\n", cuts);
}

struct figures {
    uint64_t sends, sends_wrong, dumps, dumps_wrong, repeated, packets;
    double seconds;
};

static struct figures measure(unsigned loss_10000, size_t unit, bool with_plain, bool right,
                              unsigned long runs)
{
    struct figures f = {0};

    for (unsigned long i = 0; i < runs; i++) {
        struct netdump_plan plan = {.seed = first_seed + i,
                                    .unit = unit,
                                    .image_len = 16 * SEND,
                                    .to_server = {.loss = loss_10000},
                                    .to_client = {.loss = loss_10000},
                                    .rtt_ns = 200000,
                                    .rate = 125000000,
                                    .plain = with_plain,
                                    .shifts_right = right};
        const char *failure = netdump_world_run(&world, &plan);

        if (failure) {
            tap_ok = false;
            printf("# loss %u, seed %lu: %s\n", loss_10000, first_seed + i, failure);
        }
        f.sends += world.sends_believed;
        f.sends_wrong += world.sends_wrong;
        f.dumps += world.client.state == NETDUMP_BELIEVES;
        f.dumps_wrong += world.client.state == NETDUMP_BELIEVES && !netdump_world_is_exact(&world);
        f.repeated += world.client.repeated;
        f.packets += world.client.base;
        f.seconds += (double)world.end_ns / 1e9;
        netdump_world_deinit(&world);
    }
    return f;
}

static void say(const char *who, unsigned loss_10000, const struct figures *f)
{
    printf("# %5.2f %% lost each way, %s: %5.2f %% of %llu sends and %6.2f %% of %llu dumps of 1 "
           "MiB believed whole have a hole; %.2f %% of packets repeated, %.3f s a dump\n",
           loss_10000 / 100.0, who, 100.0 * (double)f->sends_wrong / (double)f->sends,
           (unsigned long long)f->sends, 100.0 * (double)f->dumps_wrong / (double)f->dumps,
           (unsigned long long)f->dumps, 100.0 * (double)f->repeated / (double)f->packets,
           f->seconds / (double)f->dumps);
}

static void the_hole_is_there_with_a_plain_server_and_shut_with_ours(void)
{
    static const unsigned losses[] = {10, 100, 500};
    unsigned long runs = seeds < 200 ? seeds : 200;

    for (unsigned i = 0; i < 3; i++) {
        struct figures with = measure(losses[i], UNIT_1500, false, false, runs);
        struct figures without = measure(losses[i], UNIT_1500, true, false, runs);

        say("plain server", losses[i], &without);
        say("this one    ", losses[i], &with);
        CHECK(without.sends_wrong > 0 || runs < 50);
        CHECK_EQ(with.sends_wrong, 0);
        CHECK_EQ(with.dumps_wrong, 0);
        CHECK_EQ(with.dumps, runs);
    }
}

static void a_client_that_loses_nothing_does_not_wait_for_held_back_acks(void)
{
    static const size_t units[] = {UNIT_1500, 1440, 1228, 1024, 524, 4096, 8948};

    for (unsigned i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        struct figures with = measure(0, units[i], false, false, 1);
        struct figures without = measure(0, units[i], true, true, 1);

        printf("# %zu bytes a packet: %.6f s; plain server, and a client that shifts right, %.6f "
               "s\n",
               units[i], with.seconds, without.seconds);
        CHECK(with.seconds <= without.seconds + 0.0015); /* the file is closed by a tick */
        CHECK_EQ(with.repeated, 0);
    }
}

static int usage(const char *program)
{
    fprintf(stderr, "usage: %s [--seeds N] [--first K] [--plain] [-v]\n", program);
    return 2;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"seeds", required_argument, NULL, 'n'},
                                            {"first", required_argument, NULL, 'f'},
                                            {"plain", no_argument, NULL, 'p'},
                                            {"verbose", no_argument, NULL, 'v'},
                                            {0}};
    int option;

    while ((option = getopt_long(argc, argv, "v", options, NULL)) != -1) {
        if (option == 'n')
            seeds = strtoul(optarg, NULL, 10);
        else if (option == 'f')
            first_seed = strtoul(optarg, NULL, 10);
        else if (option == 'p')
            plain = true;
        else if (option == 'v')
            verbose = true;
        else
            return usage(argv[0]);
    }
    RUN(a_link_without_faults_brings_every_dump);
    RUN(loss_of_up_to_5_percent_each_way_loses_no_dump);
    RUN(repeated_packets_harm_none);
    RUN(packets_that_overtake_each_other_harm_none);
    if (!plain) {
        RUN(a_server_that_is_killed_again_and_again_goes_on);
        RUN(a_disk_that_is_full_for_8_s_is_waited_out);
        RUN(heralds_and_whatever_else_from_anybody_end_no_dump);
        RUN(whatever_happens_nobody_believes_in_a_dump_that_has_a_hole);
        RUN(a_hole_that_a_client_does_not_know_of_is_told);
        RUN(a_dump_that_begins_at_a_stale_offset_is_not_complete);
        RUN(a_server_that_dies_at_any_packet_loses_nothing);
    }
    RUN(the_hole_is_there_with_a_plain_server_and_shut_with_ours);
    RUN(a_client_that_loses_nothing_does_not_wait_for_held_back_acks);
    return tap_done();
}
