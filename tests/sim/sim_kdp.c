/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The simulator: scenarios times seeds, for Apple's sender and our own. Prints TAP. A failure
 * names its seed and how to run that again. */
#include <getopt.h>
#include <time.h>

#include "sim/world.h"
#include "tap.h"

static const struct scenario scenarios[] = {
    {.name = "clean",
     .what = "a link without faults",
     .fifo = true,
     .checksum = true,
     .pause = 100,
     .apple_completes = true,
     .own_completes = true},
    {.name = "loss",
     .what = "up to 5 % of the packets are lost each way",
     .fifo = true,
     .checksum = true,
     .loss = 50,
     .jitter_us = 3000,
     .pause = 50,
     .apple_completes = true,
     .own_completes = true},
    {.name = "heavy-loss",
     .what = "up to 20 % are lost each way",
     .fifo = true,
     .checksum = true,
     .loss = 200,
     .jitter_us = 10000,
     .pause = 50,
     .own_completes = true},
    {.name = "outage",
     .what = "so much is lost that senders give up",
     .fifo = true,
     .checksum = true,
     .loss = 800,
     .pause = 50},
    {.name = "duplicates",
     .what = "up to 30 % arrive twice or more, in order",
     .fifo = true,
     .checksum = true,
     .loss = 30,
     .dup = 300,
     .late_us = 50000,
     .jitter_us = 5000,
     .pause = 100,
     .apple_completes = true,
     .own_completes = true},
    {.name = "bursts",
     .what = "copies come seconds late and hold up all behind them",
     .fifo = true,
     .checksum = true,
     .loss = 30,
     .dup = 300,
     .late_us = 8000000,
     .pause = 100,
     .own_completes = true},
    {.name = "reorder",
     .what = "packets overtake each other by seconds",
     .checksum = true,
     .loss = 30,
     .dup = 100,
     .reorder = 200,
     .jitter_us = 20000,
     .late_us = 8000000,
     .pause = 50,
     .own_completes = true,
     .apple_may_be_fooled = true},
    {.name = "damage-summed",
     .what = "flipped bits that a UDP checksum finds",
     .fifo = true,
     .checksum = true,
     .corrupt = 100,
     .jitter_us = 3000,
     .own_completes = true},
    {.name = "damage",
     .what = "flipped bits without a checksum, as Apple's client sends",
     .fifo = true,
     .corrupt = 100,
     .loss = 20,
     .dup = 50,
     .apple_may_be_fooled = true},
    {.name = "full-disk",
     .what = "the disk is full for up to 18 s",
     .fifo = true,
     .checksum = true,
     .loss = 10,
     .disk_full_us = 18000000,
     .apple_completes = true,
     .own_completes = true},
    {.name = "full-disk-long",
     .what = "the disk is full for up to 100 s",
     .fifo = true,
     .checksum = true,
     .loss = 10,
     .disk_full_us = 100000000},
    {.name = "restarts",
     .what = "the server dies again and again, for up to 5 s",
     .fifo = true,
     .checksum = true,
     .loss = 10,
     .restarts = 100,
     .down_us = 5000000,
     .pause = 20,
     .apple_completes = true,
     .own_completes = true},
    {.name = "forged",
     .what = "strays from the sender's own address",
     .fifo = true,
     .checksum = true,
     .loss = 10,
     .forged = 300,
     .pause = 20,
     .apple_completes = true,
     .own_completes = true},
    {.name = "strangers",
     .what = "other hosts send junk to the panicking client",
     .fifo = true,
     .checksum = true,
     .loss = 10,
     .strangers = 100,
     .own_completes = true,
     .apple_may_be_fooled = true},
    {.name = "everything",
     .what = "all of it at once",
     .loss = 100,
     .dup = 100,
     .reorder = 100,
     .corrupt = 20,
     .jitter_us = 20000,
     .late_us = 8000000,
     .restarts = 30,
     .down_us = 5000000,
     .disk_full_us = 20000000,
     .pause = 50,
     .forged = 50,
     .strangers = 20,
     .apple_may_be_fooled = true},
};
enum { SCENARIOS = sizeof(scenarios) / sizeof(scenarios[0]) };

static struct world world;
static const char *program;
static unsigned long seeds = 5000, first_seed = 1;
static const char *only;
static bool verbose, apples_server, no_recovery;

static double seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

struct tally {
    unsigned long runs, complete, failed, fooled, aborted_ends, misled, other_form, restarts,
        failures, kdumpd_wrong, kdumpd_exact_failed;
    uint64_t datagrams;
};

static void count(struct tally *tally)
{
    bool complete = world_is_complete(&world), success = world.client.state == CLIENT_SUCCESS;

    tally->runs++;
    tally->complete += complete;
    tally->failed += !success;
    tally->fooled += success && !complete;
    tally->aborted_ends += world.who == WORLD_APPLE && world.apple.aborted && complete;
    tally->misled += world.owner.misled;
    tally->other_form += world_is_other_form(&world);
    tally->restarts += world.restarts;
    tally->datagrams += world.owner.datagrams;
    tally->kdumpd_wrong += apples_server && success && !world_kdumpd_is_exact(&world);
    tally->kdumpd_exact_failed += apples_server && !success && world_kdumpd_is_exact(&world);
}

static void describe(enum world_who who, unsigned long seed)
{
    printf("#   seed %lu %s: client %s, %u dumps at the server (%s), %.3f s virtual", seed,
           who == WORLD_APPLE ? "apple" : "own",
           world.client.state == CLIENT_SUCCESS ? "believes in success" : "failed",
           world.owner.dump_count, world_is_complete(&world) ? "complete" : "none complete",
           (double)world.ended_us / 1e6);
    if (who == WORLD_APPLE)
        printf(", kernel %s, %s, block_max %u", world.apple_config.kernel->trains, world.image.name,
               world.apple_config.block_max);
    printf("\n");
}

static void run_seeds(const struct scenario *scenario, enum world_who who)
{
    struct tally tally = {0};
    double start = seconds();
    const char *failure;

    for (unsigned long i = 0; i < seeds; i++) {
        world_init(&world, scenario, who, first_seed + i);
        world.apples_server = apples_server;
        world.owner.limits.recover = !no_recovery;
        failure = world_run(&world);
        count(&tally);
        if (failure && tally.failures++ < 5) {
            CHECK(failure == NULL);
            printf("# does not hold: %s\n", failure);
            describe(who, first_seed + i);
            printf("#   again: %s --scenario %s --first %lu --seeds 1 -v\n", program,
                   scenario->name, first_seed + i);
        } else if (verbose) {
            describe(who, first_seed + i);
        }
        world_deinit(&world);
    }
    if (tally.failures)
        tap_ok = false;
    if (apples_server) {
        printf("# %s, %s to kdumpd: %lu seeds; %lu senders failed (%lu of them with a whole file "
               "at the server), %lu believe in a dump that is not whole\n",
               scenario->name, who == WORLD_APPLE ? "Apple's sender" : "our sender", tally.runs,
               tally.failed, tally.kdumpd_exact_failed, tally.kdumpd_wrong);
        return;
    }
    printf("# %s, %s: %lu seeds in %.2f s, %" PRIu64 " datagrams; %lu complete, %lu senders "
           "failed, %lu believe wrongly, %lu complete after a sender gave up, %lu misled by "
           "damage, %lu of another form, %lu restarts\n",
           scenario->name, who == WORLD_APPLE ? "Apple's sender" : "our sender", tally.runs,
           seconds() - start, tally.datagrams, tally.complete, tally.failed, tally.fooled,
           tally.aborted_ends, tally.misled, tally.other_form, tally.restarts);
}

/* The server dies at packet k of a dump, at each point of its work, for every k. */
static void run_cuts(enum world_who who)
{
    static const struct scenario cut = {.name = "cut",
                                        .fifo = true,
                                        .checksum = true,
                                        .apple_completes = true,
                                        .own_completes = true};
    unsigned long cuts = 0;

    for (unsigned long seed = 1; seed <= 40; seed++) {
        unsigned last;

        world_init(&world, &cut, who, seed);
        CHECK_STR(world_run(&world) ? world.failure : "holds", "holds");
        last = world.owner.datagrams;
        world_deinit(&world);
        for (unsigned at = 1; at <= last; at++)
            for (int point = CRASH_BEFORE_JOURNAL; point <= CRASH_AFTER; point++) {
                world_init(&world, &cut, who, seed);
                world.cut_at = at;
                world.cut_point = (enum owner_crash)point;
                if (world_run(&world) || !world_is_complete(&world) || world.restarts != 1) {
                    tap_ok = false;
                    printf("# cut at packet %u, point %d, seed %lu: %s, %u restarts\n", at, point,
                           seed, world.failure ? world.failure : "not complete", world.restarts);
                }
                world_deinit(&world);
                cuts++;
            }
    }
    printf("# %lu cuts\n", cuts);
}

static void a_server_that_dies_at_any_packet_loses_nothing_of_apples_sender(void)
{
    run_cuts(WORLD_APPLE);
}

static void a_server_that_dies_at_any_packet_loses_nothing_of_our_sender(void)
{
    run_cuts(WORLD_OWN);
}

static const struct scenario *current;

static void run_current(void)
{
    run_seeds(current, WORLD_APPLE);
    run_seeds(current, WORLD_OWN);
}

static int usage(void)
{
    fprintf(stderr,
            "usage: %s [--seeds N] [--first K] [--scenario NAME] [--kdumpd] [--no-recovery] [-v]\n"
            "  --kdumpd: what becomes of the senders with a model of Apple's server\n"
            "  scenarios: cut",
            program);
    for (size_t i = 0; i < SCENARIOS; i++)
        fprintf(stderr, " %s", scenarios[i].name);
    fprintf(stderr, "\n");
    return 2;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"seeds", required_argument, NULL, 'n'},
                                            {"first", required_argument, NULL, 'f'},
                                            {"scenario", required_argument, NULL, 's'},
                                            {"kdumpd", no_argument, NULL, 'k'},
                                            {"no-recovery", no_argument, NULL, 'r'},
                                            {"verbose", no_argument, NULL, 'v'},
                                            {0}};
    bool found = false;
    int option;

    program = argv[0];
    while ((option = getopt_long(argc, argv, "v", options, NULL)) != -1) {
        if (option == 'n')
            seeds = strtoul(optarg, NULL, 10);
        else if (option == 'f')
            first_seed = strtoul(optarg, NULL, 10);
        else if (option == 's')
            only = optarg;
        else if (option == 'k')
            apples_server = true;
        else if (option == 'r')
            no_recovery = true;
        else if (option == 'v')
            verbose = true;
        else
            return usage();
    }
    for (size_t i = 0; i < SCENARIOS; i++) {
        if (only && strcmp(only, scenarios[i].name) != 0)
            continue;
        current = &scenarios[i];
        tap_run(current->what, run_current);
        found = true;
    }
    if (!apples_server && (!only || strcmp(only, "cut") == 0)) {
        RUN(a_server_that_dies_at_any_packet_loses_nothing_of_apples_sender);
        RUN(a_server_that_dies_at_any_packet_loses_nothing_of_our_sender);
        found = true;
    }
    return found ? tap_done() : usage();
}
