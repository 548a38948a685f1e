/* SPDX-License-Identifier: BSD-2-Clause
 *
 * How much of a wire a dump over the extension uses, under the virtual clock, where no processor
 * and no disk is in the way: for round trips, losses, rates and sizes a row each.
 *     sim_rate [--mib N] [--window MIB] [--queue US] [--room MIB] [--rtt US] [--loss N] [--rate N]
 * --queue is how long the queue before the wire is (4000); --loss of 10,000 packets, each way;
 * --rate in MB/s. What is not given is that of the programs, or each of the table's. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/ext_world.h"

enum { SECOND_NS = 1000000000, MIB = 1 << 20, LIST_CAP = 8 };

struct list {
    unsigned count;
    uint64_t at[LIST_CAP];
};

struct options {
    struct list mib, rtt_us, loss, rate_mb;
    uint64_t window_mib, room_mib, queue_us;
};

static struct ext_world world;

/* What the wire carries of a dump: without the headers, and without what it loses. */
static double ideal(const struct ext_plan *plan)
{
    double payload = plan->dgram_max - PND_EXT_HEADER_BYTES;

    return (double)plan->rate * payload / (plan->dgram_max + PIPE_OVERHEAD) *
           (1 - plan->to_server.loss / 1e4);
}

static bool row(const struct options *o, uint64_t mib, uint64_t rtt_us, uint64_t loss,
                uint64_t rate_mb)
{
    struct ext_plan plan = {
        .seed = 3,
        .bytes = mib * MIB,
        .window_bytes = o->window_mib * MIB,
        .rate = rate_mb * 1000000,
        .queue = rate_mb * o->queue_us,
        .rtt_ns = rtt_us * 1000,
        .to_server = {.loss = (unsigned)loss},
        .to_client = {.loss = (unsigned)loss},
        .room = o->room_mib * MIB,
        .dgram_max = 1472,
        .patience_us = 50000000,
    };
    bool ended = ext_world_run(&world, &plan, UINT64_C(3000) * SECOND_NS) && world.done;
    double rate = (double)ext_world_rate(&world);

    if (ended)
        printf("%6llu %8.1f %6.2f %6llu %8.1f %6.2f %9llu %9llu %8llu\n", (unsigned long long)mib,
               (double)rtt_us / 1000, (double)loss / 100, (unsigned long long)rate_mb, rate / 1e6,
               rate / ideal(&plan), (unsigned long long)world.to_server.overflowed,
               (unsigned long long)world.tx.stats.retransmissions, (unsigned long long)world.acks);
    else
        printf("%6llu %8.1f %6.2f %6llu did not end: %llu held\n", (unsigned long long)mib,
               (double)rtt_us / 1000, (double)loss / 100, (unsigned long long)rate_mb,
               (unsigned long long)world.rx.held);
    fflush(stdout);
    ext_world_deinit(&world);
    return ended;
}

static bool table(const struct options *o)
{
    bool ended = true;

    printf("%6s %8s %6s %6s %8s %6s %9s %9s %8s\n", "MiB", "rtt ms", "loss %", "wire", "MB/s",
           "of it", "overflow", "repeated", "acks");
    for (unsigned m = 0; m < o->mib.count; m++)
        for (unsigned w = 0; w < o->rate_mb.count; w++)
            for (unsigned t = 0; t < o->rtt_us.count; t++)
                for (unsigned l = 0; l < o->loss.count; l++)
                    ended &= row(o, o->mib.at[m], o->rtt_us.at[t], o->loss.at[l], o->rate_mb.at[w]);
    return ended;
}

static int read_options(int argc, char **argv, struct options *o)
{
    struct {
        const char *name;
        struct list *list;
        uint64_t *one;
    } names[] = {
        {"--mib", &o->mib, NULL},           {"--rtt", &o->rtt_us, NULL},
        {"--loss", &o->loss, NULL},         {"--rate", &o->rate_mb, NULL},
        {"--window", NULL, &o->window_mib}, {"--room", NULL, &o->room_mib},
        {"--queue", NULL, &o->queue_us},
    };

    for (int i = 1; i < argc; i += 2) {
        unsigned k = 0;

        while (k < sizeof(names) / sizeof(names[0]) && strcmp(argv[i], names[k].name) != 0)
            k++;
        if (k == sizeof(names) / sizeof(names[0]) || i + 1 == argc) {
            fprintf(stderr, "sim_rate: %s: see the top of sim_rate.c\n", argv[i]);
            return -1;
        }
        if (names[k].list)
            *names[k].list = (struct list){1, {strtoull(argv[i + 1], NULL, 10)}};
        else
            *names[k].one = strtoull(argv[i + 1], NULL, 10);
    }
    return 0;
}

int main(int argc, char **argv)
{
    struct options o = {
        .mib = {2, {256, 4096}},
        .rtt_us = {3, {1000, 20000, 100000}},
        .loss = {3, {0, 10, 100}},
        .rate_mb = {2, {125, 500}},
        .window_mib = 64,
        .room_mib = 64,
        .queue_us = 4000,
    };

    if (read_options(argc, argv, &o))
        return 2;
    return table(&o) ? 0 : 1;
}
