/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The simulator of our sender of netdump: against our receiver, and against a plain server that
 * writes and acknowledges each packet when it comes, from a port of its own, as netdumpd does.
 * Prints TAP. A failure names its seed. */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "client/netdump_tx.h"
#include "sim/netdump_owner.h"
#include "sim/pipe.h"
#include "sim/rng.h"
#include "tap.h"

enum { MS = 1000000, STEPS_MAX = 5000000, IMAGE_MAX = 1 << 21 };
#define SECOND UINT64_C(1000000000)

struct plan {
    uint64_t seed;
    size_t len; /* of the dump */
    uint32_t unit;
    size_t memory_bytes;
    bool plain, kdh_first, has_key;
    struct pipe_faults to_server, to_client;
    uint64_t rtt_ns, rate, finish_ms;
    unsigned restarts; /* of 100,000 datagrams, at so many the server dies */
    uint64_t down_ns;  /* for up to so long */
    uint64_t full_at_ns, full_ns;
};

enum step { HERALD, EARLY_KDH, KEY, DATA, KDH, FINISHED, ENDED };

static struct world {
    const struct plan *plan;
    struct rng rng;
    struct pipe to_server, to_client;
    uint64_t now_ns, up_ns;
    struct pnd_netdump_tx tx;
    struct netdump_owner owner;
    enum step step;
    size_t given;
    uint8_t image[IMAGE_MAX], key[2600], kdh[512], memory[65536];
    /* the plain server */
    uint8_t file[IMAGE_MAX + 4096], here[IMAGE_MAX + 4096];
    size_t kdh_len, key_len;
    bool finished;
    /* what is told of a run */
    uint64_t end_ns, restarts;
    bool complete, exact;
    const char *failure;
} world;

static unsigned long seeds = 200, first_seed = 1;
static bool verbose;

static void server_says(void *ctx, uint32_t number)
{
    struct world *w = ctx;
    uint8_t ack[PND_NETDUMP_ACK_BYTES];

    pnd_netdump_build_ack(ack, sizeof(ack), number);
    pipe_send(&w->to_client, w->now_ns, 0, ack, sizeof(ack), NULL, 0);
}

static void at_plain_server(struct world *w, const struct pipe_packet *dgram)
{
    struct pnd_netdump_packet packet;
    size_t end;

    if (pnd_netdump_parse(dgram->bytes, dgram->len, &packet) != PND_OK)
        return;
    end = (size_t)packet.offset + packet.data_len;
    if (packet.type == PND_NETDUMP_VMCORE && end <= sizeof(w->file)) {
        memcpy(w->file + packet.offset, packet.data, packet.data_len);
        memset(w->here + packet.offset, 1, packet.data_len);
    }
    if (packet.type == PND_NETDUMP_KDH)
        w->kdh_len = end > w->kdh_len ? end : w->kdh_len;
    if (packet.type == PND_NETDUMP_EKCD_KEY)
        w->key_len = end > w->key_len ? end : w->key_len;
    w->finished |= packet.type == PND_NETDUMP_FINISHED;
    server_says(w, packet.seqno);
}

static void at_server(struct world *w, const struct pipe_packet *dgram)
{
    const struct plan *plan = w->plan;
    struct netdump_owner *owner = &w->owner;

    if (plan->plain) {
        at_plain_server(w, dgram);
        return;
    }
    if (owner->dead)
        return;
    if (plan->restarts && rng_below(&w->rng, 100000) < plan->restarts)
        owner->crash = (enum netdump_crash)rng_between(&w->rng, NETDUMP_DIES_BEFORE_JOURNAL,
                                                       NETDUMP_DIES_AFTER);
    owner->disk_full =
        w->now_ns >= plan->full_at_ns && w->now_ns < plan->full_at_ns + plan->full_ns;
    netdump_owner_datagram(owner, dgram->bytes, dgram->len, w->now_ns / MS);
    if (owner->dead) {
        w->restarts++;
        w->up_ns = w->now_ns + 1 + rng_u64(&w->rng) % (plan->down_ns + 1);
    }
}

/* What the session takes next. */
static void feed(struct world *w)
{
    struct pnd_netdump_tx *tx = &w->tx;
    const struct plan *plan = w->plan;
    size_t part;

    switch (w->step) {
    case HERALD:
        w->step = plan->kdh_first ? EARLY_KDH : KEY;
        return;
    case EARLY_KDH:
    case KDH:
        if (pnd_netdump_tx_object(tx, PND_NETDUMP_KDH, w->kdh, sizeof(w->kdh)))
            w->step++;
        return;
    case KEY:
        if (!plan->has_key ||
            pnd_netdump_tx_object(tx, PND_NETDUMP_EKCD_KEY, w->key, sizeof(w->key)))
            w->step++;
        return;
    case DATA:
        part = rng_between(&w->rng, 1, 50000);
        if (part > plan->len - w->given)
            part = plan->len - w->given;
        w->given += pnd_netdump_tx_write(tx, w->image + w->given, part);
        if (w->given == plan->len)
            w->step = plan->kdh_first ? FINISHED : KDH;
        return;
    case FINISHED:
        if (pnd_netdump_tx_object(tx, PND_NETDUMP_FINISHED, NULL, 0))
            w->step++;
        return;
    case ENDED:
        return;
    }
}

/* The owner's loop of netdump_tx.h. */
static void step_client(struct world *w)
{
    struct pnd_netdump_tx *tx = &w->tx;
    struct pnd_datagram packet;

    pnd_netdump_tx_tick(tx, w->now_ns / 1000);
    while (tx->phase == PND_NETDUMP_TX_READY)
        feed(w);
    while (pnd_netdump_tx_output(tx, w->now_ns / 1000, &packet))
        pipe_send(&w->to_server, w->now_ns, 0, packet.header, packet.header_len, packet.payload,
                  packet.payload_len);
    if (tx->phase >= PND_NETDUMP_TX_DONE && !w->end_ns)
        w->end_ns = w->now_ns;
}

static void init(struct world *w, const struct plan *plan)
{
    struct pnd_netdump_tx_config config = {.unit = plan->unit,
                                           .path = plan->seed & 1 ? "lab" : NULL,
                                           .memory = w->memory,
                                           .memory_bytes = plan->memory_bytes};

    memset(w, 0, sizeof(*w));
    w->plan = plan;
    w->rng.state = plan->seed;
    rng_fill(&w->rng, w->image, plan->len);
    rng_fill(&w->rng, w->key, sizeof(w->key));
    memcpy(w->kdh, "FreeBSD Kernel Dump", 20);
    pnd_netdump_set_dump_length(w->kdh, plan->len);
    pipe_init(&w->to_server, &w->rng);
    pipe_init(&w->to_client, &w->rng);
    w->to_server.faults = plan->to_server;
    w->to_client.faults = plan->to_client;
    w->to_server.bytes_per_s = w->to_client.bytes_per_s = plan->rate;
    w->to_server.delay_ns = w->to_client.delay_ns = plan->rtt_ns / 2;
    w->now_ns = MS;
    netdump_owner_init(&w->owner);
    w->owner.send = server_says;
    w->owner.ctx = w;
    w->owner.finish_ms = plan->finish_ms;
    if (pnd_netdump_tx_init(&w->tx, &config) != PND_OK)
        w->failure = "the session begins";
    step_client(w);
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t next_ns(const struct world *w)
{
    uint64_t at_ns = least(pipe_next_ns(&w->to_server), pipe_next_ns(&w->to_client));
    uint64_t owner_ms = netdump_owner_deadline_ms(&w->owner);
    uint64_t tx_us = pnd_netdump_tx_deadline_us(&w->tx);

    if (tx_us != UINT64_MAX)
        at_ns = least(at_ns, tx_us * 1000);
    if (owner_ms != UINT64_MAX)
        at_ns = least(at_ns, owner_ms * MS);
    return w->owner.dead ? least(at_ns, w->up_ns) : at_ns;
}

static bool ours_is_exact(const struct world *w)
{
    const struct netdump_owner *owner = &w->owner;

    return owner->len == w->plan->len && memcmp(owner->bytes, w->image, owner->len) == 0 &&
           owner->kdh_len == 512 && memcmp(owner->kdh, w->kdh, 512) == 0 &&
           owner->key_len == (w->plan->has_key ? sizeof(w->key) : 0) &&
           memcmp(owner->key, w->key, owner->key_len) == 0;
}

static void turn(struct world *w)
{
    struct pipe_packet dgram;

    if (w->owner.dead && w->now_ns >= w->up_ns)
        netdump_owner_restart(&w->owner, w->now_ns / MS);
    while (pipe_take(&w->to_server, w->now_ns, &dgram)) {
        at_server(w, &dgram);
        free(dgram.bytes);
    }
    while (pipe_take(&w->to_client, w->now_ns, &dgram)) {
        pnd_netdump_tx_datagram(&w->tx, dgram.bytes, dgram.len, w->now_ns / 1000);
        free(dgram.bytes);
    }
    step_client(w);
    if (netdump_owner_deadline_ms(&w->owner) <= w->now_ns / MS)
        netdump_owner_tick(&w->owner, w->now_ns / MS);
    if (w->owner.state == NETDUMP_COMPLETE && !w->complete) {
        w->complete = true;
        w->exact = ours_is_exact(w);
    }
}

static const char *check(struct world *w)
{
    bool believes = w->tx.phase == PND_NETDUMP_TX_DONE;
    size_t padded = (w->plan->len + 4095) / 4096 * 4096;

    if (w->plan->plain) {
        w->complete = w->finished;
        w->exact = !memchr(w->here, 0, padded) && memcmp(w->file, w->image, w->plan->len) == 0 &&
                   w->kdh_len == 512 && w->key_len == (w->plan->has_key ? sizeof(w->key) : 0);
        for (size_t i = w->plan->len; i < padded; i++)
            w->exact &= w->file[i] == 0;
    }
    if (w->owner.broken)
        return w->owner.broken;
    if (w->owner.slot || w->owner.state == NETDUMP_RECEIVING)
        return "everything comes to an end";
    if (w->tx.phase < PND_NETDUMP_TX_DONE)
        return "the sender comes to an end";
    if (w->complete && !w->exact)
        return "a complete dump is what the sender meant, byte for byte";
    if (believes && !w->exact)
        return "a dump that the sender believes in is whole";
    return NULL;
}

static void run(struct world *w, const struct plan *plan)
{
    init(w, plan);
    for (unsigned steps = 0; !w->failure; steps++) {
        uint64_t at_ns = next_ns(w);

        if (at_ns == UINT64_MAX)
            break;
        w->now_ns = at_ns > w->now_ns ? at_ns : w->now_ns;
        turn(w);
        if (steps > STEPS_MAX)
            w->failure = "everything comes to an end soon";
    }
    if (!w->failure)
        w->failure = check(w);
    netdump_owner_deinit(&w->owner);
    pipe_deinit(&w->to_server);
    pipe_deinit(&w->to_client);
}

static void draw(struct plan *plan, struct rng *rng)
{
    static const uint32_t units[] = {1448, 1448, 1448, 524, 8948, 8948, 1024, 512, 1228, 4096};
    static const size_t memories[] = {65536, 65536, 49000, 20480, 4096};

    plan->unit = units[rng_below(rng, sizeof(units) / sizeof(units[0]))];
    plan->memory_bytes = memories[rng_below(rng, sizeof(memories) / sizeof(memories[0]))];
    plan->len = rng_between(rng, 1, rng_chance(rng, 300) ? 9000 : 500000);
    plan->kdh_first = rng_chance(rng, 200);
    plan->has_key = rng_chance(rng, 300);
    plan->rtt_ns = rng_between(rng, 20000, 20000000);
    plan->rate = rng_chance(rng, 500) ? 125000000 : 0;
    plan->finish_ms = rng_chance(rng, 300) ? rng_below(rng, 8000) : 0;
    plan->to_server.late_ns = plan->to_client.late_ns = 20 * MS;
    plan->to_server.checksum = plan->to_client.checksum = true;
}

/* @return how many of the dumps the sender believes in */
static unsigned long run_kind(const char *what, bool plain,
                              void (*kind)(struct plan *, struct rng *))
{
    unsigned long believed = 0, complete = 0, restarts = 0;
    uint64_t packets = 0, repeated = 0;

    for (unsigned long i = 0; i < seeds; i++) {
        struct plan plan = {.seed = first_seed + i, .plain = plain};
        struct rng rng = {.state = plan.seed * 177};

        draw(&plan, &rng);
        kind(&plan, &rng);
        run(&world, &plan);
        if (world.failure) {
            tap_ok = false;
            printf("# %s, --first %lu --seeds 1: %s\n", what, first_seed + i, world.failure);
        }
        if (verbose)
            printf("# %s %lu: unit %u, %zu bytes, phase %u, server %u (%s), %.3f s\n", what,
                   first_seed + i, plan.unit, plan.len, (unsigned)world.tx.phase,
                   (unsigned)world.owner.state, world.owner.why ? world.owner.why : "",
                   (double)world.end_ns / 1e9);
        believed += world.tx.phase == PND_NETDUMP_TX_DONE;
        complete += world.complete;
        restarts += world.restarts;
        packets += world.tx.stats.packets;
        repeated += world.tx.stats.retransmissions;
    }
    printf("# %s%s: %lu runs, %lu complete, %lu believed, %.2f %% of packets repeated, %lu "
           "restarts\n",
           what, plain ? ", plain server" : "", seeds, complete, believed,
           100.0 * (double)repeated / (double)packets, restarts);
    return believed;
}

static void all_arrive(const char *what, void (*kind)(struct plan *, struct rng *))
{
    CHECK_EQ(run_kind(what, false, kind), seeds);
    CHECK_EQ(run_kind(what, true, kind), seeds);
}

static void nothing(struct plan *plan, struct rng *rng)
{
    (void)plan;
    (void)rng;
}

static void a_link_without_faults_brings_every_dump(void)
{
    all_arrive("clean", nothing);
    CHECK_EQ(world.tx.stats.retransmissions, 0);
}

static void loss(struct plan *plan, struct rng *rng)
{
    plan->to_server.loss = rng_below(rng, 501);
    plan->to_client.loss = rng_below(rng, 501);
}

static void loss_of_up_to_5_percent_each_way_loses_no_dump(void)
{
    all_arrive("loss", loss);
}

static void everything(struct plan *plan, struct rng *rng)
{
    loss(plan, rng);
    plan->to_server.dup = rng_below(rng, 2000);
    plan->to_client.dup = rng_below(rng, 2000);
    plan->to_server.reorder = rng_below(rng, 3000);
    plan->to_client.reorder = rng_below(rng, 3000);
    plan->to_server.corrupt = rng_below(rng, 300);
    plan->to_client.corrupt = rng_below(rng, 300);
    plan->to_server.late_ns = plan->to_client.late_ns = rng_chance(rng, 300) ? SECOND : 15 * MS;
}

static void loss_copies_disorder_and_damage_lose_no_dump(void)
{
    all_arrive("everything", everything);
}

static void deaths(struct plan *plan, struct rng *rng)
{
    everything(plan, rng);
    plan->restarts = rng_between(rng, 200, 3000);
    plan->down_ns = 8 * SECOND;
}

static void a_server_that_is_killed_again_and_again_goes_on(void)
{
    CHECK_EQ(run_kind("deaths", false, deaths), seeds);
}

static void full(struct plan *plan, struct rng *rng)
{
    loss(plan, rng);
    plan->full_at_ns = rng_below(rng, 30) * MS;
    plan->full_ns = 8 * SECOND;
}

static void a_disk_that_is_full_for_8_s_is_waited_out(void)
{
    CHECK_EQ(run_kind("full", false, full), seeds);
}

static void heavy(struct plan *plan, struct rng *rng)
{
    plan->to_server.loss = rng_between(rng, 500, 7000);
    plan->to_client.loss = rng_between(rng, 500, 7000);
    plan->len = rng_between(rng, 1, 100000);
}

/* What is believed is whole, and what is not ends: check() says so. */
static void half_of_everything_lost_makes_nobody_believe_in_a_hole(void)
{
    CHECK(run_kind("heavy", false, heavy) > 0);
    CHECK(run_kind("heavy", true, heavy) > 0);
}

/* Virtual time of a MiB, by loss, on a gigabit wire with a round trip of 0.2 ms. */
static void what_loss_costs(void)
{
    static const unsigned losses[] = {0, 10, 100, 500};

    for (unsigned i = 0; i < sizeof(losses) / sizeof(losses[0]); i++) {
        double took = 0;

        for (unsigned k = 0; k < 20; k++) {
            struct plan plan = {.seed = first_seed + k,
                                .len = 1 << 20,
                                .unit = 1448,
                                .memory_bytes = 65536,
                                .rate = 125000000,
                                .rtt_ns = 200000};

            plan.to_server.loss = plan.to_client.loss = losses[i];
            run(&world, &plan);
            CHECK(!world.failure && world.tx.phase == PND_NETDUMP_TX_DONE);
            took += (double)(world.end_ns - MS) / 1e9;
        }
        printf("# %5.2f %% lost each way: %.3f s a dump of 1 MiB\n", losses[i] / 100.0, took / 20);
        CHECK(took / 20 < 1.0);
    }
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"seeds", required_argument, NULL, 'n'},
                                            {"first", required_argument, NULL, 'f'},
                                            {"verbose", no_argument, NULL, 'v'},
                                            {0}};
    int option;

    while ((option = getopt_long(argc, argv, "v", options, NULL)) != -1) {
        if (option == 'n')
            seeds = strtoul(optarg, NULL, 10);
        else if (option == 'f')
            first_seed = strtoul(optarg, NULL, 10);
        else if (option == 'v')
            verbose = true;
        else
            return 2;
    }
    RUN(a_link_without_faults_brings_every_dump);
    RUN(loss_of_up_to_5_percent_each_way_loses_no_dump);
    RUN(loss_copies_disorder_and_damage_lose_no_dump);
    RUN(a_server_that_is_killed_again_and_again_goes_on);
    RUN(a_disk_that_is_full_for_8_s_is_waited_out);
    RUN(half_of_everything_lost_makes_nobody_believe_in_a_hole);
    RUN(what_loss_costs);
    return tap_done();
}
