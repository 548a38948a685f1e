/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The world: see netdump_world.h. */
#include "sim/netdump_world.h"

#include <stdlib.h>
#include <string.h>

#include "wire/cursor.h"

enum { NS_PER_MS = 1000000, STEPS_MAX = 20000000 };

static void client_says(void *ctx, const uint8_t *header, const void *payload, size_t len)
{
    struct netdump_world *w = ctx;

    if (w->client.type == PND_NETDUMP_VMCORE && rng_chance(&w->rng, w->plan->lies))
        netdump_client_hear(&w->client, header + 4, PND_NETDUMP_ACK_BYTES); /* its number */
    pipe_send(&w->to_server, w->now_ns, 0, header, PND_NETDUMP_HEADER_BYTES, payload, len);
}

static void server_says(void *ctx, uint32_t number)
{
    struct netdump_world *w = ctx;
    uint8_t ack[PND_NETDUMP_ACK_BYTES];

    pnd_netdump_build_ack(ack, sizeof(ack), number);
    pipe_send(&w->to_client, w->now_ns, 0, ack, sizeof(ack), NULL, 0);
}

static void init_client(struct netdump_world *w)
{
    const struct netdump_plan *plan = w->plan;
    struct netdump_client_config config = {
        .unit = plan->unit,
        .shifts_right = plan->shifts_right,
        .kdh_first = plan->kdh_first,
        .image = w->image,
        .image_len = plan->image_len,
        .send_bytes = plan->send_bytes ? plan->send_bytes : PND_NETDUMP_SEND_BYTES,
        .flushes = plan->flushes,
        .seed = plan->seed,
        .first_lies = plan->first_lies,
        .key = w->key,
        .key_len = plan->has_key ? sizeof(w->key) : 0,
        .path = plan->seed & 1 ? "lab" : NULL,
        .kdh = "FreeBSD Kernel Dump",
    };
    struct pnd_wr wr = pnd_wr(config.kdh + 40, 8);

    pnd_wr_be64(&wr, plan->image_len - plan->padding);
    w->client.say = client_says;
    w->client.ctx = w;
    netdump_client_init(&w->client, &config, w->now_ns);
}

static void init(struct netdump_world *w, const struct netdump_plan *plan)
{
    memset(w, 0, sizeof(*w));
    w->plan = plan;
    w->rng.state = plan->seed;
    w->image = malloc(plan->image_len);
    w->here = calloc(1, plan->image_len);
    if (!w->image || !w->here)
        abort();
    rng_fill(&w->rng, w->image, plan->image_len & ~(size_t)7);
    rng_fill(&w->rng, w->key, sizeof(w->key));
    pipe_init(&w->to_server, &w->rng);
    pipe_init(&w->to_client, &w->rng);
    w->to_server.faults = plan->to_server;
    w->to_client.faults = plan->to_client;
    w->to_server.bytes_per_s = w->to_client.bytes_per_s = plan->rate;
    w->to_server.delay_ns = w->to_client.delay_ns = plan->rtt_ns / 2;
    w->now_ns = NS_PER_MS;
    netdump_owner_init(&w->owner);
    w->owner.send = server_says;
    w->owner.ctx = w;
    w->owner.finish_ms = plan->finish_ms;
    init_client(w);
}

void netdump_world_deinit(struct netdump_world *w)
{
    netdump_owner_deinit(&w->owner);
    pipe_deinit(&w->to_server);
    pipe_deinit(&w->to_client);
    free(w->image);
    free(w->here);
}

static void at_plain_server(struct netdump_world *w, const struct pipe_packet *dgram)
{
    struct pnd_netdump_packet packet;

    if (pnd_netdump_parse(dgram->bytes, dgram->len, &packet) != PND_OK)
        return;
    if (packet.type == PND_NETDUMP_VMCORE)
        memset(w->here + packet.offset, 1, packet.data_len);
    server_says(w, packet.seqno);
}

/* What anybody could send who knows the client's address, but neither sees nor guesses the number
 * that is to come. */
static void forge(struct netdump_world *w)
{
    uint32_t number = w->client.base + 200 + rng_below(&w->rng, UINT32_MAX - 5000);
    enum pnd_netdump_type type = (enum pnd_netdump_type)rng_between(&w->rng, 0, 6);
    uint8_t dgram[PND_NETDUMP_HEADER_BYTES + 64];
    size_t len = rng_below(&w->rng, 65);

    if (type == PND_NETDUMP_HERALD)
        number = rng_chance(&w->rng, 500) ? 1 : number;
    rng_fill(&w->rng, dgram, sizeof(dgram));
    pnd_netdump_build_header(dgram, sizeof(dgram), type, number,
                             rng_chance(&w->rng, 500) ? 0 : rng_u64(&w->rng), (uint32_t)len);
    netdump_owner_datagram(&w->owner, dgram,
                           rng_chance(&w->rng, 800) ? PND_NETDUMP_HEADER_BYTES + len : len,
                           w->now_ns / NS_PER_MS);
}

static void at_server(struct netdump_world *w, const struct pipe_packet *dgram)
{
    struct netdump_owner *owner = &w->owner;
    const struct netdump_plan *plan = w->plan;

    w->datagrams++;
    if (plan->plain) {
        at_plain_server(w, dgram);
        return;
    }
    if (owner->dead)
        return;
    if (plan->cut_at && owner->datagrams + 1 == plan->cut_at)
        owner->crash = plan->cut_point;
    else if (plan->restarts && rng_below(&w->rng, 100000) < plan->restarts)
        owner->crash = (enum netdump_crash)rng_between(&w->rng, NETDUMP_DIES_BEFORE_JOURNAL,
                                                       NETDUMP_DIES_AFTER);
    owner->disk_full =
        w->now_ns >= plan->full_at_ns && w->now_ns < plan->full_at_ns + plan->full_ns;
    netdump_owner_datagram(owner, dgram->bytes, dgram->len, w->now_ns / NS_PER_MS);
    /* Before the herald there is nothing to be harmed but a place for one dump. */
    if (!owner->dead && owner->rx.phase != PND_RX_NEW && owner->rx.phase != PND_RX_ASKED &&
        rng_chance(&w->rng, plan->forged))
        forge(w);
}

static bool server_has(const struct netdump_world *w, unsigned index)
{
    const struct netdump_client *client = &w->client;
    size_t start = client->window + index * client->config.unit;
    size_t end = start + client->config.unit;

    if (end > client->len)
        end = client->len;
    return w->plan->plain ? !memchr(w->here + client->offset + start, 0, end - start)
                          : netdump_owner_holds(&w->owner, client->base + index);
}

/* The client looks, and perhaps takes its send for acknowledged. */
static void look(struct netdump_world *w)
{
    struct netdump_client *client = &w->client;
    unsigned missing = 0;

    if (client->heard == client->want && client->type == PND_NETDUMP_VMCORE) {
        for (unsigned i = 0; i < client->count; i++)
            missing += !server_has(w, i);
        w->sends_believed++;
        w->sends_wrong += missing > 0;
        w->packets_missing += missing;
    }
    w->heard = false;
    netdump_client_poll(client, w->now_ns);
    if (client->state != NETDUMP_RUNS && !w->end_ns)
        w->end_ns = w->now_ns;
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t next_ns(const struct netdump_world *w)
{
    uint64_t at_ns = least(pipe_next_ns(&w->to_server), pipe_next_ns(&w->to_client));
    uint64_t owner_ms = netdump_owner_deadline_ms(&w->owner);

    at_ns = least(at_ns, netdump_client_poll_ns(&w->client, w->heard, w->now_ns));
    if (owner_ms != UINT64_MAX)
        at_ns = least(at_ns, owner_ms * NS_PER_MS);
    return w->owner.dead ? least(at_ns, w->up_ns) : at_ns;
}

static bool is_exact(const struct netdump_world *w)
{
    const struct netdump_owner *owner = &w->owner;
    size_t len = w->plan->image_len - w->plan->padding;

    return owner->len == len && memcmp(owner->bytes, w->image, len) == 0 && owner->kdh_len == 512 &&
           memcmp(owner->kdh, w->client.config.kdh, 512) == 0 &&
           owner->key_len == w->client.config.key_len &&
           memcmp(owner->key, w->key, owner->key_len) == 0;
}

static void turn(struct netdump_world *w)
{
    uint64_t now_ms = w->now_ns / NS_PER_MS;
    struct pipe_packet dgram;

    if (w->owner.dead && w->now_ns >= w->up_ns)
        netdump_owner_restart(&w->owner, now_ms);
    while (pipe_take(&w->to_server, w->now_ns, &dgram)) {
        bool alive = !w->owner.dead;

        at_server(w, &dgram);
        if (alive && w->owner.dead) {
            w->restarts++;
            w->up_ns = w->now_ns + 1 + rng_u64(&w->rng) % (w->plan->down_ns + 1);
        }
        free(dgram.bytes);
    }
    while (pipe_take(&w->to_client, w->now_ns, &dgram)) {
        netdump_client_hear(&w->client, dgram.bytes, dgram.len);
        w->heard = true;
        free(dgram.bytes);
    }
    if (netdump_client_poll_ns(&w->client, w->heard, w->now_ns) <= w->now_ns)
        look(w);
    if (netdump_owner_deadline_ms(&w->owner) <= now_ms)
        netdump_owner_tick(&w->owner, now_ms);
    if (w->owner.state == NETDUMP_COMPLETE && !w->completed) {
        w->completed = true;
        w->exact = is_exact(w);
    }
}

bool netdump_world_is_exact(const struct netdump_world *w)
{
    return w->plan->plain ? !memchr(w->here, 0, w->plan->image_len) : w->exact;
}

static const char *check(const struct netdump_world *w)
{
    const struct netdump_owner *owner = &w->owner;

    if (owner->broken)
        return owner->broken;
    if (owner->slot || owner->state == NETDUMP_RECEIVING)
        return "everything comes to an end";
    if (w->completed && !w->exact)
        return "a complete dump is what the sender meant, byte for byte";
    if (w->client.state == NETDUMP_BELIEVES && !w->completed)
        return "a dump that the client believes in is complete";
    return NULL;
}

const char *netdump_world_run(struct netdump_world *w, const struct netdump_plan *plan)
{
    uint64_t at_ns;

    init(w, plan);
    for (unsigned steps = 0; !w->failure; steps++) {
        at_ns = next_ns(w);
        if (at_ns == UINT64_MAX)
            break;
        if (at_ns > w->now_ns)
            w->now_ns = at_ns;
        turn(w);
        if (steps > STEPS_MAX)
            w->failure = "everything comes to an end soon";
    }
    if (!w->failure && !plan->plain)
        w->failure = check(w);
    return w->failure;
}
