/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What recovery driven by the server (PROTOCOL.md#kdp-1.12) does to Apple's client, next to the
 * same world without it: the same packets, sent as often, have the same fate in both. Prints TAP.
 * With --measure it prints how long dumps take, and tests nothing. */
#include <getopt.h>
#include <stdlib.h>

#include "sim/world.h"
#include "tap.h"

enum {
    MEASURED_BYTES = 4 << 20,
    MEASURED_SEEDS = 9,
    KERNEL = 5,             /* 3247-7195 */
    TRANSMISSIONS_MAX = 14, /* of Apple's client */
};

/* Order is kept, or almost: nothing is late by as much as an ACK is held back. */
static const struct scenario orderly[] = {
    {.name = "clean", .what = "nothing but pauses", .pause = 200},
    {.name = "loss", .what = "up to 5 % loss each way", .loss = 50, .jitter_us = 1000},
    {.name = "heavy-loss", .what = "up to 20 % loss", .loss = 200, .pause = 50},
    {.name = "pauses",
     .what = "loss, and a client that compresses for long",
     .loss = 50,
     .pause = 500},
    {.name = "jitter",
     .what = "delays of up to 200 ms",
     .loss = 30,
     .jitter_us = 200000,
     .pause = 50},
    {.name = "duplicates",
     .what = "loss, and up to 20 % twice or more",
     .loss = 30,
     .dup = 200,
     .late_us = 50000,
     .pause = 50},
    {.name = "restarts",
     .what = "loss, and a server that dies",
     .loss = 30,
     .restarts = 50,
     .down_us = 3000000,
     .pause = 20},
};

static const struct scenario little = {
    .name = "little", .loss = 100, .reorder = 300, .jitter_us = 300, .late_us = 690, .pause = 50};
static const struct scenario some = {
    .name = "some", .loss = 10, .reorder = 10, .jitter_us = 300, .late_us = 20000, .pause = 50};
static const struct scenario much = {.name = "much",
                                     .loss = 50,
                                     .reorder = 200,
                                     .jitter_us = 20000,
                                     .late_us = 1000000,
                                     .pause = 50};

static struct world world;
static unsigned long seeds = 2000;

struct outcome {
    bool success, complete, skipped;
    uint64_t took_us;
    unsigned strays, transmissions_most, retransmissions;
    uint64_t replies;
    const char *broken;
};

static struct outcome run(const struct scenario *scenario, bool fifo, unsigned long seed,
                          bool recover)
{
    struct scenario in_order = *scenario;
    struct outcome outcome;

    in_order.fifo = fifo;
    in_order.checksum = true;
    in_order.apple_may_be_fooled = true; /* that is what is counted here */
    world_init(&world, &in_order, WORLD_APPLE, seed);
    world.net.fated = true;
    world.net.fate_seed = seed * UINT64_C(0x9e3779b97f4a7c15);
    world.owner.limits.recover = recover;
    outcome.broken = world_run(&world);
    outcome.success = world.client.state == CLIENT_SUCCESS;
    outcome.complete = world_is_complete(&world);
    outcome.skipped = world_has_skipped(&world);
    outcome.took_us = world.ended_us;
    outcome.strays = world.apple.strays_taken;
    outcome.transmissions_most = world.apple.transmissions_most;
    outcome.retransmissions = world.apple.retransmissions;
    outcome.replies = world.owner.replies;
    world_deinit(&world);
    return outcome;
}

struct sum {
    unsigned long skipped[2], skipped_alone[2], failed[2], failed_alone[2], incomplete[2], broken;
    unsigned transmissions_most[2];
    uint64_t took_us[2], retransmissions[2], replies[2];
};

static void add(struct sum *sum, const struct outcome *one, const struct outcome *other, int at)
{
    sum->skipped[at] += one->skipped;
    sum->skipped_alone[at] += one->skipped && !other->skipped;
    sum->failed[at] += !one->success;
    sum->failed_alone[at] += !one->success && other->success;
    sum->incomplete[at] += !one->complete;
    sum->took_us[at] += one->took_us;
    sum->retransmissions[at] += one->retransmissions;
    sum->replies[at] += one->replies;
    if (one->transmissions_most > sum->transmissions_most[at])
        sum->transmissions_most[at] = one->transmissions_most;
    if (one->broken && sum->broken++ < 3)
        printf("# does not hold: %s\n", one->broken);
}

/* [0] without, [1] with recovery. */
static struct sum compare(const struct scenario *scenario, bool fifo)
{
    struct sum sum = {0};

    for (unsigned long seed = 1; seed <= seeds; seed++) {
        struct outcome without = run(scenario, fifo, seed, false);
        struct outcome with = run(scenario, fifo, seed, true);

        add(&sum, &without, &with, 0);
        add(&sum, &with, &without, 1);
        if (fifo && (with.strays || without.strays)) {
            printf("# seed %lu: something else than its ACK was taken for success\n", seed);
            sum.broken++;
        }
    }
    for (int at = 0; at < 2; at++)
        printf("# %s, %s recovery: %lu seeds, %.0f s in all, %lu dumps incomplete, %lu senders "
               "failed (%lu not without/with), %lu blocks skipped (%lu), %" PRIu64
               " retransmissions, at most %u transmissions, %" PRIu64 " replies\n",
               scenario->name, at ? "with" : "without", seeds, (double)sum.took_us[at] / 1e6,
               sum.incomplete[at], sum.failed[at], sum.failed_alone[at], sum.skipped[at],
               sum.skipped_alone[at], sum.retransmissions[at], sum.transmissions_most[at],
               sum.replies[at]);
    return sum;
}

static const struct scenario *current;

static void where_order_is_kept_no_block_is_skipped(void)
{
    struct sum sum = compare(current, true);

    CHECK_EQ(sum.broken, 0);
    CHECK_EQ(sum.skipped[1], 0);
    CHECK_EQ(sum.failed_alone[1], 0);
    CHECK(sum.took_us[1] <= sum.took_us[0] + sum.took_us[0] / 100);
}

static void a_sender_that_is_only_slow_keeps_transmissions_in_hand(void)
{
    static const struct scenario slow = {.name = "slow", .pause = 1000};
    struct sum sum = compare(&slow, true);

    CHECK_EQ(sum.broken, 0);
    CHECK_EQ(sum.failed[1], 0);
    CHECK(sum.transmissions_most[1] <= TRANSMISSIONS_MAX / 2);
}

/* What is late by less than a millisecond overtakes nothing that could be mistaken. */
static void packets_that_overtake_each_other_by_less_than_a_millisecond_skip_no_block(void)
{
    struct sum sum = compare(&little, false);

    CHECK_EQ(sum.broken, 0);
    CHECK_EQ(sum.skipped[1], 0);
    CHECK_EQ(sum.failed_alone[1], 0);
}

/* The client goes on without a block more often than without recovery, and the server knows: what
 * it calls complete is byte for byte what was meant, which world_run() has checked. How often that
 * is, is printed. */
static void where_packets_overtake_each_other_by_more_the_server_is_not_deceived(void)
{
    CHECK_EQ(compare(&some, false).broken, 0);
    CHECK_EQ(compare(&much, false).broken, 0);
}

static void ignore(void *ctx, uint64_t offset, const uint8_t *data, size_t len)
{
    (void)ctx;
    (void)offset;
    (void)data;
    (void)len;
}

/* A dump of 4 MiB at a round trip of 0.3 ms. */
static struct outcome measured_run(unsigned loss, unsigned long seed, bool recover, bool kdumpd)
{
    static const struct scenario quiet = {.name = "measure", .fifo = true, .checksum = true};
    static uint8_t bytes[MEASURED_BYTES];
    static bool sent[MEASURED_BYTES];
    static struct apple_config config;
    struct outcome outcome = {0};

    config = (struct apple_config){.kernel = &apple_kernels[KERNEL], .block_max = 1406};
    world_init(&world, &quiet, WORLD_APPLE, seed);
    for (int way = 0; way < 2; way++)
        world.net.faults[way] =
            (struct net_faults){.loss = loss, .delay_us = 150, .fifo = true, .checksum = true};
    snprintf(world.image.name, sizeof(world.image.name), "core-measured.gz");
    world.image.bytes = bytes;
    world.image.sent = sent;
    world.image.len = world.image.cap = sizeof(bytes);
    world.owner.file_bytes_cap = sizeof(bytes);
    world.owner.limits.recover = recover;
    world.owner.finish_ms = 0;
    world.apples_server = kdumpd;
    world.kdumpd.write = ignore;
    apple_init_given(&world.apple, &config, &world.image, &world.net, &world.rng);
    world_run(&world);
    outcome.success = world.client.state == CLIENT_SUCCESS;
    outcome.took_us = world.ended_us;
    outcome.transmissions_most = world.apple.transmissions_most;
    outcome.retransmissions = world.apple.retransmissions;
    world_deinit(&world);
    return outcome;
}

static int by_time(const void *a, const void *b)
{
    const struct outcome *one = a, *other = b;

    return (one->took_us > other->took_us) - (one->took_us < other->took_us);
}

static void measure(void)
{
    static const unsigned losses[] = {0, 1, 10, 50}; /* per mille, each way */
    static const char *const servers[] = {"kdumpd", "panicd, recover = no", "panicd"};
    struct outcome outcomes[MEASURED_SEEDS], worst;

    printf("4 MiB in blocks of 1406 bytes, round trip 0.3 ms; medians of %d seeds\n",
           MEASURED_SEEDS);
    printf("%-22s %9s %10s %9s %8s %16s %14s\n", "server", "loss", "seconds", "slowest", "MB/s",
           "retransmissions", "most of a block");
    for (size_t i = 0; i < sizeof(losses) / sizeof(losses[0]); i++)
        for (int server = 0; server < 3; server++) {
            for (unsigned long seed = 0; seed < MEASURED_SEEDS; seed++)
                outcomes[seed] = measured_run(losses[i], seed + 1, server == 2, server == 0);
            qsort(outcomes, MEASURED_SEEDS, sizeof(outcomes[0]), by_time);
            worst = outcomes[MEASURED_SEEDS / 2];
            for (int seed = 0; seed < MEASURED_SEEDS; seed++)
                if (outcomes[seed].transmissions_most > worst.transmissions_most)
                    worst.transmissions_most = outcomes[seed].transmissions_most;
            printf("%-22s %7.1f %% %10.3f %9.3f %8.3f %16u %14u\n", servers[server],
                   losses[i] / 10.0, (double)worst.took_us / 1e6,
                   (double)outcomes[MEASURED_SEEDS - 1].took_us / 1e6,
                   (double)MEASURED_BYTES / (double)worst.took_us, worst.retransmissions,
                   worst.transmissions_most);
        }
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"seeds", required_argument, NULL, 'n'}, {"measure", no_argument, NULL, 'm'}, {0}};
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'n') {
            seeds = strtoul(optarg, NULL, 10);
        } else if (option == 'm') {
            measure();
            return 0;
        } else {
            fprintf(stderr, "usage: %s [--seeds N] [--measure]\n", argv[0]);
            return 2;
        }
    }
    for (size_t i = 0; i < sizeof(orderly) / sizeof(orderly[0]); i++) {
        current = &orderly[i];
        tap_run(current->what, where_order_is_kept_no_block_is_skipped);
    }
    RUN(a_sender_that_is_only_slow_keeps_transmissions_in_hand);
    RUN(packets_that_overtake_each_other_by_less_than_a_millisecond_skip_no_block);
    RUN(where_packets_overtake_each_other_by_more_the_server_is_not_deceived);
    return tap_done();
}
