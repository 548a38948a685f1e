/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The simulator of TFTP: scenarios times seeds, clients of many manners. Prints TAP. A failure
 * names its seed and how to run that again. */
#include <getopt.h>
#include <time.h>

#include "sim/tftp_client.h"
#include "sim/tftp_owner.h"
#include "tap.h"

enum { STEPS_MAX = 200000, RESTARTS_MAX = 50, ROLL_BLOCKS = 65535 };

/* Chances are per mille. */
struct scenario {
    const char *name, *what;
    unsigned loss, dup, reorder, corrupt;
    uint32_t jitter_us, late_us;
    bool fifo, roll; /* roll: it begins a little before block 65535 */
    unsigned restarts;
    uint32_t down_us;
    uint32_t disk_full_us; /* at most */
    bool completes, exact; /* exact: no block is sent twice */
};

static const struct scenario scenarios[] = {
    {.name = "clean",
     .what = "a link without faults carries every block once",
     .fifo = true,
     .completes = true,
     .exact = true},
    {.name = "loss",
     .what = "up to 5 % of the packets are lost each way",
     .fifo = true,
     .loss = 50,
     .jitter_us = 3000,
     .completes = true},
    {.name = "heavy-loss", .what = "up to 30 % are lost each way", .fifo = true, .loss = 300},
    {.name = "duplicates",
     .what = "up to 30 % arrive twice or more, in order",
     .fifo = true,
     .loss = 10,
     .dup = 300,
     .late_us = 50000,
     .jitter_us = 5000,
     .completes = true},
    {.name = "reorder",
     .what = "packets overtake each other by seconds",
     .loss = 30,
     .dup = 100,
     .reorder = 200,
     .jitter_us = 20000,
     .late_us = 8000000},
    {.name = "damage",
     .what = "flipped bits that a UDP checksum finds",
     .fifo = true,
     .corrupt = 50,
     .completes = true},
    {.name = "full-disk",
     .what = "the disk is full for up to 15 s",
     .fifo = true,
     .disk_full_us = 15000000,
     .completes = true},
    {.name = "full-disk-long",
     .what = "the disk is full for up to 100 s",
     .fifo = true,
     .loss = 10,
     .disk_full_us = 100000000},
    {.name = "restarts",
     .what = "the server dies again and again, for up to 3 s",
     .fifo = true,
     .loss = 10,
     .restarts = 50,
     .down_us = 3000000,
     .completes = true},
    {.name = "roll-over",
     .what = "block numbers roll over, and up to 20 % are lost",
     .fifo = true,
     .roll = true,
     .loss = 200},
    {.name = "roll-over-restarts",
     .what = "they roll over while the server dies again and again",
     .fifo = true,
     .roll = true,
     .loss = 20,
     .dup = 100,
     .restarts = 50,
     .down_us = 1000000,
     .completes = true},
    {.name = "everything",
     .what = "all of it at once",
     .roll = true,
     .loss = 100,
     .dup = 100,
     .reorder = 100,
     .corrupt = 20,
     .jitter_us = 20000,
     .late_us = 3000000,
     .restarts = 30,
     .down_us = 3000000,
     .disk_full_us = 20000000},
};
enum { SCENARIOS = sizeof(scenarios) / sizeof(scenarios[0]) };

static struct world {
    const struct scenario *scenario;
    struct rng rng;
    struct net net;
    struct tftp_client client;
    struct tftp_owner owner;
    uint64_t skipped;             /* blocks that were sent before the beginning */
    uint64_t down_until_us;       /* the server is not there until then */
    uint64_t full_at, full_until; /* the disk, in microseconds */
    uint64_t ended_us;
    unsigned restarts;
    uint64_t cut_at; /* at this datagram it dies, 0: by chance */
    enum tftp_owner_crash cut_point;
    uint64_t steps;
    const char *failure;
} world;

static void send_reply(void *ctx, const uint8_t *dgram, size_t len)
{
    struct world *w = ctx;

    net_send(&w->net, NET_TO_CLIENT, PND_TFTP_PORT, dgram, len);
}

static bool verify(void *ctx, uint64_t offset, const uint8_t *data, size_t len)
{
    const struct world *w = ctx;

    for (size_t i = 0; i < len; i++)
        if (data[i] != tftp_client_byte(w->client.config.seed, offset + i))
            return false;
    return true;
}

static struct tftp_client_config make_config(struct rng *rng, bool roll)
{
    static const uint32_t sizes[] = {8, 8, 16, 512, 512, 1024, 1428};
    static const uint16_t windows[] = {1, 1, 2, 3, 8, 16, 64};
    struct tftp_client_config config = {
        .knows_options = roll || rng_chance(rng, 800),
        .to_one = rng_chance(rng, 400),
        .apprentice = rng_chance(rng, 200),
        .timeout_us = rng_chance(rng, 300) ? 5000000 : rng_between(rng, 200000, 2000000),
        .backoff = rng_chance(rng, 500) ? 100 : 150,
        .retries_max = rng_between(rng, 8, 12),
        .gap_us = rng_chance(rng, 500) ? 10 : rng_below(rng, 3000),
        .seed = rng_u64(rng),
    };
    uint32_t blocks = rng_chance(rng, 100) ? 0 : rng_below(rng, 300);

    config.asked.block_bytes = roll ? 8 : sizes[rng_below(rng, 7)];
    config.asked.window = windows[rng_below(rng, 7)];
    config.asked.timeout_s = (uint8_t)rng_between(rng, 1, 9);
    config.asked.said = (uint8_t)rng_below(rng, PND_TFTP_OPTIONS + 1);
    if (roll)
        config.asked.said |= PND_TFTP_BLKSIZE | PND_TFTP_WINDOWSIZE;
    config.bytes = (uint64_t)blocks * config.asked.block_bytes +
                   (rng_chance(rng, 300) ? 0 : rng_below(rng, config.asked.block_bytes));
    config.asked.total_bytes = config.bytes;
    return config;
}

/* A server and a client that have come to a little before block 65535. */
static void skip_to_roll(struct world *w)
{
    const struct pnd_tftp_options *asked = &w->client.config.asked;
    struct tftp_owner *owner = &w->owner;

    w->skipped = ROLL_BLOCKS - rng_below(&w->rng, 150);
    w->client.config.bytes += w->skipped * asked->block_bytes;
    w->client.config.asked.total_bytes = w->client.config.bytes;
    w->client.block_bytes = asked->block_bytes;
    w->client.window = asked->window;
    tftp_client_skip(&w->client, w->skipped);
    w->net.count = 0; /* the request and what else was under way */
    for (unsigned i = 0; i < NET_QUEUE_CAP; i++)
        w->net.unused[i] = &w->net.storage[i];
    pnd_tftp_rx_init(&owner->rx, &owner->limits);
    owner->rx.phase = PND_RX_LIVE;
    owner->rx.granted = *asked;
    if (!(asked->said & PND_TFTP_TIMEOUT))
        owner->rx.granted.timeout_s = 0;
    if (!(asked->said & PND_TFTP_TSIZE))
        owner->rx.granted.total_bytes = 0;
    owner->rx.block_bytes = asked->block_bytes;
    owner->rx.window = owner->rx.left = asked->window;
    owner->rx.blocks = w->skipped;
    owner->rx.last = (uint16_t)w->skipped;
    owner->rx.end = w->skipped * asked->block_bytes;
    memcpy(owner->rx.name, "core", 5);
    owner->slot = true;
    owner->live.state = TFTP_OWNER_RECEIVING;
    owner->live.len = owner->rx.end;
    owner->journal_used = true;
    pnd_tftp_rx_save(&owner->rx, owner->journal);
    memcpy(owner->journal_name, owner->rx.name, sizeof(owner->rx.name));
}

static void world_init(const struct scenario *scenario, uint64_t seed)
{
    struct world *w = &world;
    struct tftp_client_config config;

    memset(w, 0, sizeof(*w));
    w->scenario = scenario;
    w->rng.state = seed;
    w->rng.state = rng_u64(&w->rng);
    net_init(&w->net, &w->rng);
    for (int way = 0; way < 2; way++)
        w->net.faults[way] = (struct net_faults){
            .loss = rng_below(&w->rng, scenario->loss + 1),
            .dup = rng_below(&w->rng, scenario->dup + 1),
            .corrupt = rng_below(&w->rng, scenario->corrupt + 1),
            .reorder = rng_below(&w->rng, scenario->reorder + 1),
            .delay_us = rng_chance(&w->rng, 500) ? 100 : rng_below(&w->rng, 60000),
            .jitter_us = scenario->jitter_us,
            .late_us = scenario->late_us,
            .fifo = scenario->fifo,
            .checksum = true,
        };
    tftp_owner_init(&w->owner);
    w->owner.send = send_reply;
    w->owner.verify = verify;
    w->owner.ctx = w;
    w->owner.finish_ms = rng_below(&w->rng, 300);
    config = make_config(&w->rng, scenario->roll);
    if (scenario->exact || scenario->disk_full_us) /* it waits for longer than anything takes */
        config.timeout_us = 5000000;
    if (scenario->restarts && config.timeout_us < 1000000)
        config.timeout_us = 1000000;
    if (scenario->disk_full_us) {
        w->full_at = rng_below(&w->rng, 2000000);
        w->full_until = w->full_at + rng_below(&w->rng, scenario->disk_full_us);
    }
    tftp_client_init(&w->client, &config, &w->net);
    if (scenario->roll)
        skip_to_roll(w);
}

static uint64_t owner_deadline_us(const struct world *w)
{
    uint64_t ms = tftp_owner_deadline_ms(&w->owner);

    return ms == UINT64_MAX ? UINT64_MAX : ms * 1000;
}

static void consider_dying(struct world *w)
{
    if (w->cut_at) {
        if (w->owner.datagrams + 1 == w->cut_at)
            w->owner.crash = w->cut_point;
    } else if (w->restarts < RESTARTS_MAX && rng_chance(&w->rng, w->scenario->restarts)) {
        w->owner.crash = (enum tftp_owner_crash)rng_between(&w->rng, 1, 3);
    }
}

static void live_or_die(struct world *w)
{
    if (w->owner.dead && !w->down_until_us)
        w->down_until_us = w->net.now_us + 1 +
                           (w->scenario->down_us ? rng_below(&w->rng, w->scenario->down_us) : 0);
    if (w->down_until_us && w->net.now_us >= w->down_until_us) {
        w->down_until_us = 0;
        w->restarts++;
        tftp_owner_restart(&w->owner, w->net.now_us / 1000);
    }
}

static uint64_t next_us(const struct world *w)
{
    uint64_t at[] = {net_next_us(&w->net), tftp_client_deadline_us(&w->client),
                     w->owner.dead ? w->down_until_us : owner_deadline_us(w)};
    uint64_t best = at[0];

    for (int i = 1; i < 3; i++)
        if (at[i] < best)
            best = at[i];
    return best;
}

static void turn(struct world *w)
{
    const struct net_dgram *dgram;

    w->owner.disk_full = w->net.now_us >= w->full_at && w->net.now_us < w->full_until;
    while ((dgram = net_take(&w->net)) != NULL) {
        if (dgram->way == NET_TO_CLIENT) {
            tftp_client_receive(&w->client, dgram->bytes, dgram->len);
            continue;
        }
        consider_dying(w);
        tftp_owner_datagram(&w->owner, dgram->bytes, dgram->len, w->net.now_us / 1000);
    }
    live_or_die(w);
    if (!w->owner.dead && owner_deadline_us(w) <= w->net.now_us)
        tftp_owner_tick(&w->owner, w->net.now_us / 1000);
    live_or_die(w);
    tftp_client_step(&w->client);
    if (w->client.state != TFTP_CLIENT_RUNNING && !w->ended_us)
        w->ended_us = w->net.now_us;
}

static bool has_complete(const struct world *w)
{
    for (unsigned i = 0; i < w->owner.dump_count; i++)
        if (w->owner.dumps[i].state == TFTP_OWNER_COMPLETE)
            return true;
    return false;
}

/* Counts from 1 behind block 65535, and ends before that can be known. */
static bool is_undecidable(const struct world *w)
{
    const struct tftp_client *client = &w->client;
    uint64_t blocks = tftp_client_blocks(client);

    return client->config.to_one && client->window > 1 && blocks > ROLL_BLOCKS &&
           blocks < (uint64_t)ROLL_BLOCKS + client->window &&
           !(client->config.asked.said & PND_TFTP_TSIZE);
}

static const char *check(const struct world *w)
{
    const struct tftp_owner *owner = &w->owner;

    if (owner->broken)
        return owner->broken;
    if (owner->slot || owner->live.state != TFTP_OWNER_NONE)
        return "everything comes to an end";
    for (unsigned i = 0; i < owner->dump_count; i++) {
        if (owner->dumps[i].foreign)
            return "what is stored was sent, and where it belongs";
        if (owner->dumps[i].state == TFTP_OWNER_COMPLETE &&
            owner->dumps[i].len != w->client.config.bytes)
            return "a complete dump is whole";
    }
    if (w->client.state == TFTP_CLIENT_SUCCESS && !has_complete(w))
        return "a dump that the sender believes in is held";
    if (w->scenario->completes && !is_undecidable(w) && w->client.state != TFTP_CLIENT_SUCCESS)
        return "the dump gets through";
    if (w->scenario->exact && w->client.sent != tftp_client_blocks(&w->client) + 1)
        return "no block is sent twice";
    return NULL;
}

static const char *world_run(void)
{
    struct world *w = &world;

    while (!w->failure) {
        uint64_t at_us = next_us(w);

        if (at_us == UINT64_MAX)
            break;
        if (at_us > w->net.now_us)
            w->net.now_us = at_us;
        turn(w);
        if (++w->steps > STEPS_MAX)
            w->failure = "everything comes to an end soon";
    }
    if (!w->failure)
        w->failure = check(w);
    return w->failure;
}

static const char *program;
static unsigned long seeds = 3000, first_seed = 1;
static const char *only;
static bool verbose;
static const struct scenario *current;

static void describe(unsigned long seed)
{
    const struct tftp_client_config *config = &world.client.config;

    printf("#   seed %lu: client %s; %u dumps (%s), %" PRIu64 " bytes in blocks of %" PRIu32
           ", window %u, to %d, %s, timeout %" PRIu32 " us; %" PRIu64 " packets of %" PRIu64
           ", %.3f s virtual, %u restarts\n",
           seed, world.client.state == TFTP_CLIENT_SUCCESS ? "believes in success" : "failed",
           world.owner.dump_count, has_complete(&world) ? "complete" : "none complete",
           config->bytes, world.client.block_bytes, world.client.window, config->to_one,
           config->apprentice ? "apprentice" : "plain", config->timeout_us, world.client.sent,
           tftp_client_blocks(&world.client) - world.skipped + 1, (double)world.ended_us / 1e6,
           world.restarts);
}

static void run_current(void)
{
    unsigned long complete = 0, failed = 0, failures = 0, restarts = 0;
    uint64_t sent = 0, needed = 0;

    for (unsigned long i = 0; i < seeds; i++) {
        const char *failure;

        world_init(current, first_seed + i);
        failure = world_run();
        complete += has_complete(&world);
        failed += world.client.state != TFTP_CLIENT_SUCCESS;
        restarts += world.restarts;
        if (world.client.state == TFTP_CLIENT_SUCCESS) {
            sent += world.client.sent;
            needed += tftp_client_blocks(&world.client) - world.skipped + 1;
        }
        if (failure && failures++ < 5) {
            CHECK(failure == NULL);
            printf("# does not hold: %s\n", failure);
            describe(first_seed + i);
            printf("#   again: %s --scenario %s --first %lu --seeds 1 -v\n", program, current->name,
                   first_seed + i);
        } else if (verbose) {
            describe(first_seed + i);
        }
    }
    if (failures)
        tap_ok = false;
    printf(
        "# %s: %lu seeds; %lu complete, %lu senders failed, %.2f packets for one, %lu restarts\n",
        current->name, seeds, complete, failed, needed ? (double)sent / (double)needed : 0,
        restarts);
}

/* The server dies at packet k of a dump, at each point of its work, for every k. */
static void a_server_that_dies_at_any_packet_loses_nothing(void)
{
    static const struct scenario cut = {.name = "cut", .fifo = true, .completes = true};
    unsigned long cuts = 0;

    for (unsigned long seed = 1; seed <= (seeds < 100 ? 3 : 30); seed++) {
        uint64_t last;

        world_init(&cut, seed);
        CHECK_STR(world_run() ? world.failure : "holds", "holds");
        last = world.owner.datagrams;
        for (uint64_t at = 1; at <= last; at++)
            for (int point = TFTP_CRASH_BEFORE_JOURNAL; point <= TFTP_CRASH_AFTER; point++) {
                world_init(&cut, seed);
                world.cut_at = at;
                world.cut_point = (enum tftp_owner_crash)point;
                if (world_run() || world.restarts > 1) {
                    tap_ok = false;
                    printf("# cut at packet %" PRIu64 ", point %d, seed %lu: %s, %u restarts\n", at,
                           point, seed, world.failure ? world.failure : "holds", world.restarts);
                }
                cuts++;
            }
    }
    printf("# %lu cuts\n", cuts);
}

static int usage(void)
{
    fprintf(stderr, "usage: %s [--seeds N] [--first K] [--scenario NAME] [-v]\n  scenarios: cut",
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
    if (!only || strcmp(only, "cut") == 0) {
        RUN(a_server_that_dies_at_any_packet_loses_nothing);
        found = true;
    }
    return found ? tap_done() : usage();
}
