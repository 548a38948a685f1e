/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The simulated world: see world.h. */
#include "sim/world.h"

#include <string.h>

enum {
    STEPS_MAX = 200000,
    DUMP_BYTES_MAX = 24 * 1024,
    STRANGER_PORT = 4242,
};

static void server_says(void *ctx, const uint8_t *dgram, size_t len)
{
    struct world *world = ctx;
    struct pnd_kdp_packet packet;

    if (pnd_kdp_parse(dgram, len, &packet) == PND_OK && packet.op == PND_KDP_ACK &&
        packet.block == 0 && world->owner.rx.phase == PND_RX_ASKED)
        world->granted = packet.features;
    net_send(&world->net, NET_TO_CLIENT, PND_KDP_PORT, dgram, len);
}

static unsigned draw(struct world *world, uint32_t most)
{
    /* One seed in four has none of it, one in four the most. */
    switch (rng_below(&world->rng, 4)) {
    case 0:
        return 0;
    case 1:
        return most;
    default:
        return rng_below(&world->rng, most + 1);
    }
}

static void init_link(struct world *world)
{
    const struct scenario *scenario = world->scenario;

    net_init(&world->net, &world->rng);
    for (int way = 0; way < 2; way++)
        world->net.faults[way] = (struct net_faults){
            .loss = draw(world, scenario->loss),
            .dup = draw(world, scenario->dup),
            .corrupt = draw(world, scenario->corrupt),
            .reorder = draw(world, scenario->reorder),
            .delay_us = rng_between(&world->rng, 50, 2000),
            .jitter_us = draw(world, scenario->jitter_us),
            .late_us = draw(world, scenario->late_us),
            .fifo = scenario->fifo,
            .checksum = scenario->checksum,
        };
}

static void init_apple(struct world *world, size_t len)
{
    struct rng *rng = &world->rng;
    struct apple_config *config = &world->apple_config;

    config->kernel = &apple_kernels[rng_below(rng, apple_kernel_count)];
    config->kind = rng_chance(rng, 400) ? APPLE_CORE : rng_below(rng, APPLE_KINDS);
    config->block_max = 1406;
    /* The size that 1699 asks for never arrives, so 1699 with another one is not served well. */
    if (config->kernel->tail == APPLE_TAIL_WHOLE && rng_chance(rng, 300))
        config->block_max = rng_between(rng, 40, rng_chance(rng, 300) ? 9100 : 1405);
    config->gap_us = 200;
    config->skips_number = rng_chance(rng, 500);
    config->pause = draw(world, world->scenario->pause);
    config->pause_us = rng_chance(rng, 500) ? 50000 : 5000000;
    apple_init(&world->apple, config, &world->image, len, &world->net, rng);
}

static void init_own(struct world *world, size_t len)
{
    struct rng *rng = &world->rng;
    struct pnd_kdp_tx_config config = {.features = rng_below(rng, 4)};

    if (rng_chance(rng, 300))
        config.block_max = rng_between(rng, 1 + (uint32_t)len / 200, 1406);
    if (own_init(&world->own, &config, &world->image, len, rng_chance(rng, 500), &world->net,
                 rng) != PND_OK)
        world->failure = "the sender starts";
}

void world_init(struct world *world, const struct scenario *scenario, enum world_who who,
                uint64_t seed)
{
    struct rng *rng = &world->rng;
    size_t len;

    world->scenario = scenario;
    world->who = who;
    world->rng.state = seed * UINT64_C(0x2545f4914f6cdd1d) + who;
    world->restarts = world->cut_at = world->steps = world->granted = 0;
    world->strayed = false;
    world->failure = NULL;
    world->up_us = world->ended_us = 0;
    world->image.bytes = world->image_bytes;
    world->image.sent = world->image_sent;
    world->image.cap = CLIENT_IMAGE_CAP;
    init_link(world);
    owner_init(&world->owner);
    kdumpd_init(&world->kdumpd, &world->net);
    world->apples_server = false;
    world->owner.send = server_says;
    world->owner.ctx = world;
    world->owner.finish_ms = rng_chance(rng, 300) ? rng_below(rng, 8000) : 0;
    world->restart_chance = draw(world, scenario->restarts);
    world->forged_chance = draw(world, scenario->forged);
    world->stranger_chance = draw(world, scenario->strangers);
    world->full_us = rng_below(rng, 20000);
    world->not_full_us = world->full_us + draw(world, scenario->disk_full_us);
    len = rng_chance(rng, 300) ? rng_below(rng, 1600) : rng_below(rng, DUMP_BYTES_MAX);
    if (who == WORLD_APPLE)
        init_apple(world, len);
    else
        init_own(world, len);
}

void world_deinit(struct world *world)
{
    owner_deinit(&world->owner);
}

/* Something that fits nowhere, from the sender's own address: old and future blocks, other
 * servers' words, garbage. Never the packet that the session waits for: nobody could tell. */
static void forge(struct world *world)
{
    static const uint8_t ops[] = {0, 1, 3, 4, 5, 6, 7, 8};
    struct rng *rng = &world->rng;
    const struct pnd_kdp_rx *rx = &world->owner.rx;
    uint8_t dgram[600];
    size_t len = rng_between(rng, 0, rng_chance(rng, 500) ? 16 : sizeof(dgram));
    uint32_t block =
        rx->expected + (rng_chance(rng, 500) ? 1 + rng_below(rng, 5) : (uint32_t)rng_u64(rng));

    rng_fill(rng, dgram, sizeof(dgram));
    if (block == rx->expected || block == rx->expected - 1 || block == rx->previous_eof)
        block = rx->expected + 2;
    if (block == rx->previous_eof)
        block++;
    pnd_kdp_build_eof(dgram, sizeof(dgram), block);
    dgram[1] = ops[rng_below(rng, sizeof(ops))];
    /* After an ERROR, a WRQ is believed: that is how a sender starts anew. */
    if (rx->phase == PND_RX_LIVE && !rx->quit && rng_chance(rng, 200))
        len = (size_t)pnd_kdp_build_wrq(dgram, sizeof(dgram), "other", 3, 1406);
    owner_datagram(&world->owner, dgram, len, world->net.now_us / 1000);
}

static void at_server(struct world *world, const struct net_dgram *dgram)
{
    struct owner *owner = &world->owner;
    uint64_t now_us = world->net.now_us;

    if (world->apples_server) {
        world->kdumpd.disk_full = now_us >= world->full_us && now_us < world->not_full_us;
        if (rng_chance(&world->rng, world->restart_chance))
            world->kdumpd.active = false; /* its process dies, and nobody takes over */
        kdumpd_datagram(&world->kdumpd, dgram->port, dgram->bytes, dgram->len);
        return;
    }
    if (dgram->port != PND_KDP_PORT || owner->dead)
        return;
    if (world->cut_at && owner->datagrams + 1 == world->cut_at)
        owner->crash = world->cut_point;
    else if (rng_chance(&world->rng, world->restart_chance))
        owner->crash =
            (enum owner_crash)rng_between(&world->rng, CRASH_BEFORE_JOURNAL, CRASH_AFTER);
    owner->disk_full = now_us >= world->full_us && now_us < world->not_full_us;
    owner->damaged = dgram->damaged;
    owner->damaged_header = dgram->damaged_header;
    owner_datagram(owner, dgram->bytes, dgram->len, now_us / 1000);
    owner->damaged = false;
    if (!owner->dead && rng_chance(&world->rng, world->forged_chance))
        forge(world);
}

static void strange(struct world *world)
{
    uint8_t dgram[12];

    world->strayed = true;
    rng_fill(&world->rng, dgram, sizeof(dgram));
    memset(dgram, 0, 5);
    dgram[1] = (uint8_t)rng_below(&world->rng, 8);
    if (world->who == WORLD_APPLE)
        apple_noise(&world->apple, rng_below(&world->rng, 50));
    world->client.receive(&world->client, STRANGER_PORT, dgram,
                          rng_below(&world->rng, sizeof(dgram)));
}

static void at_client(struct world *world, const struct net_dgram *dgram)
{
    world->strayed |= dgram->damaged;
    world->client.receive(&world->client, dgram->port, dgram->bytes, dgram->len);
    if (rng_chance(&world->rng, world->stranger_chance))
        strange(world);
}

static uint64_t next_us(const struct world *world)
{
    uint64_t at_us = net_next_us(&world->net), us = world->client.deadline_us(&world->client);
    uint64_t owner_ms = owner_deadline_ms(&world->owner);

    if (us < at_us)
        at_us = us;
    if (owner_ms != UINT64_MAX && owner_ms * 1000 < at_us)
        at_us = owner_ms * 1000;
    if (world->owner.dead && world->up_us < at_us)
        at_us = world->up_us;
    if (kdumpd_deadline_us(&world->kdumpd) < at_us)
        at_us = kdumpd_deadline_us(&world->kdumpd);
    return at_us;
}

static void note_death(struct world *world)
{
    if (!world->owner.dead || world->up_us)
        return;
    world->restarts++;
    world->up_us = world->net.now_us + 1 + draw(world, world->scenario->down_us);
}

static void turn(struct world *world)
{
    const struct net_dgram *dgram;
    uint64_t now_ms = world->net.now_us / 1000;

    if (world->owner.dead && world->net.now_us >= world->up_us) {
        owner_restart(&world->owner, now_ms);
        world->up_us = 0;
    }
    while ((dgram = net_take(&world->net)) != NULL) {
        if (dgram->way == NET_TO_SERVER)
            at_server(world, dgram);
        else
            at_client(world, dgram);
        note_death(world);
    }
    world->client.step(&world->client);
    kdumpd_tick(&world->kdumpd);
    if (owner_deadline_ms(&world->owner) <= now_ms)
        owner_tick(&world->owner, now_ms);
    note_death(world);
}

/* How many bytes of junk a kernel may leave behind a dump that nobody can tell from text. */
static size_t junk_kept(const struct world *world)
{
    const struct apple_kernel *kernel = world->apple_config.kernel;

    if (world->who == WORLD_OWN)
        return 0;
    if (world->apple_config.kind == APPLE_CORE)
        return kernel->every_junk;
    return kernel->filler == 'Y'
               ? 0
               : strlen(world->image.name) + kernel->log_junk + kernel->every_junk;
}

/* The byte behind a piece, which a kernel's extra byte lands on until the next piece is written. */
static bool is_behind_a_piece(const struct world *world, size_t at)
{
    if (world->who == WORLD_OWN || !world->apple_config.kernel->every_junk)
        return false;
    for (unsigned i = 0; i < world->apple.piece_count; i++)
        if (at == world->apple.pieces[i].at + world->apple.pieces[i].len)
            return true;
    return false;
}

/* @param whole  every byte must be there; otherwise those that are must be right */
static const char *compare(const struct world *world, const struct owner_dump *dump, bool whole)
{
    const struct client_image *image = &world->image;

    if (whole && dump->len < image->len)
        return "a finished dump has every byte that the sender meant";
    /* Junk in which a bit was flipped is no longer seen as junk. */
    if (whole && dump->len > image->len + junk_kept(world) && !dump->tainted[image->len])
        return "a finished dump has no byte that the sender did not mean";
    for (size_t i = 0; i < dump->len && i < image->len; i++) {
        if (dump->tainted[i] || (!whole && dump->bytes[i] == 0))
            continue;
        if (is_behind_a_piece(world, i) && (!whole || !image->sent[i]))
            continue;
        if (dump->bytes[i] != (image->sent[i] ? image->bytes[i] : 0))
            return whole ? "a finished dump is what the sender meant, byte for byte"
                         : "what is kept of an incomplete dump is right";
    }
    return NULL;
}

/* A sender that took a stray packet, or a damaged ACK 0, for the grant sends in another form than
 * was granted, which the server cannot see in every case: junk stays, offsets are misread. */
bool world_is_other_form(const struct world *world)
{
    return world->who == WORLD_APPLE && world->apple.features != world->granted;
}

/* A sender that gave up a block still ends its dump. */
static bool is_whole(const struct world *world)
{
    return world->who == WORLD_OWN || !world->apple.aborted;
}

static const char *check_dumps(const struct world *world)
{
    const struct owner *owner = &world->owner;
    bool log = world->who == WORLD_APPLE && world->apple_config.kind != APPLE_CORE;
    const char *wrong;

    if (world_is_other_form(world))
        return NULL;
    for (unsigned i = 0; i < owner->dump_count; i++) {
        bool whole = owner->dumps[i].state == OWNER_COMPLETE && is_whole(world);

        if (!whole && log) /* the junk of its last block is still in it */
            continue;
        wrong = compare(world, &owner->dumps[i], whole);
        if (wrong)
            return wrong;
    }
    return NULL;
}

bool world_is_complete(const struct world *world)
{
    for (unsigned i = 0; i < world->owner.dump_count; i++)
        if (world->owner.dumps[i].state == OWNER_COMPLETE)
            return true;
    return false;
}

bool world_has_skipped(const struct world *world)
{
    return world->who == WORLD_APPLE && !world->apple.aborted &&
           world->apple.block > world->owner.reached;
}

bool world_kdumpd_is_exact(const struct world *world)
{
    const struct kdumpd *kdumpd = &world->kdumpd;
    const struct client_image *image = &world->image;

    if (!kdumpd->exists || kdumpd->len < image->len)
        return false;
    for (size_t i = 0; i < image->len; i++) /* junk behind the end is its custom */
        if (image->sent[i] && kdumpd->bytes[i] != image->bytes[i])
            return false;
    return true;
}

static const char *check(const struct world *world)
{
    const struct scenario *scenario = world->scenario;
    const struct owner *owner = &world->owner;
    bool completes =
        world->who == WORLD_APPLE ? scenario->apple_completes : scenario->own_completes;
    bool fooled = world->who == WORLD_APPLE && scenario->apple_may_be_fooled;

    if (owner->broken)
        return owner->broken;
    if (owner->slot || owner->live.state != OWNER_NONE)
        return "everything comes to an end";
    if (owner->replies > owner->datagrams + 8 * (owner->accepted + 1))
        return "no more replies than datagrams, and eight per block";
    if (owner->misled)
        return NULL;
    if (check_dumps(world))
        return check_dumps(world);
    if (completes && world->client.state != CLIENT_SUCCESS)
        return "the dump gets through";
    if (world->client.state == CLIENT_SUCCESS && !fooled && !world_is_complete(world))
        return "a dump that the sender believes in is held";
    return NULL;
}

const char *world_run(struct world *world)
{
    uint64_t at_us;

    while (!world->failure) {
        at_us = next_us(world);
        if (at_us == UINT64_MAX)
            break;
        if (at_us > world->net.now_us)
            world->net.now_us = at_us;
        turn(world);
        if (world->client.state != CLIENT_RUNNING && !world->ended_us)
            world->ended_us = world->net.now_us;
        if (++world->steps > STEPS_MAX)
            world->failure = "everything comes to an end soon";
    }
    if (!world->failure && !world->apples_server)
        world->failure = check(world);
    return world->failure;
}
