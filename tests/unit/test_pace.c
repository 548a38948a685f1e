/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The pace of a sender on a link of paper: packets are lengths, losses are known when the next one
 * arrives. It fills a link, keeps its queue short, is not slowed by a path that loses, and shares a
 * bottleneck with its like and with a TCP. */
#include "tap.h"

#include "client/pace.h"

enum {
    PACKET = 1500,
    FLOWS = 4,
    SLOTS = 1 << 16, /* packets on their way, of all flows */
    ACK_PARTS = 8,
};

#define SECOND UINT64_C(1000000)

struct flight {
    uint64_t back_us; /* when its ACK arrives */
    int flow;
    bool lost;
    struct pnd_pace_mark mark;
    uint64_t sent_us;
    bool last; /* the ACK leaves with it */
};

struct flow {
    bool used, tcp;
    uint64_t start_us, bytes; /* that arrived */
    struct pnd_pace pace;
    unsigned since_ack;
    /* a TCP: CUBIC, in packets */
    double cwnd, most, origin_us, ssthresh, friendly;
    unsigned flying;
    uint64_t recover_us;
};

static struct link {
    uint64_t now_us, rate, queue, delay_us; /* rate in bytes a second; delay_us there and back */
    unsigned loss;                          /* of 1000 */
    double busy_us;
    uint64_t random, overflows, rtt_sum_us, rtts;
    struct flow flow[FLOWS];
    struct flight ring[SLOTS];
    unsigned head, count;
} net;

static void link_init(uint64_t rate, uint64_t queue, uint64_t delay_us, unsigned loss)
{
    memset(&net, 0, sizeof(net));
    net.rate = rate;
    net.queue = queue;
    net.delay_us = delay_us;
    net.loss = loss;
    net.random = 1;
}

static unsigned random_below(unsigned bound)
{
    net.random = net.random * UINT64_C(6364136223846793005) + 1442695040888963407;
    return (unsigned)((net.random >> 33) % bound);
}

static void add_flow(int i, bool tcp, uint64_t start_us)
{
    struct flow *f = &net.flow[i];

    *f = (struct flow){.used = true, .tcp = tcp, .start_us = start_us, .cwnd = 10, .ssthresh = 1e9};
    pnd_pace_init(&f->pace, PACKET, net.delay_us, start_us);
}

static void launch(int i, const struct pnd_pace_mark *mark)
{
    struct flight *p = &net.ring[(net.head + net.count++) % SLOTS];
    double waits_us;

    if (net.busy_us < (double)net.now_us)
        net.busy_us = (double)net.now_us;
    waits_us = net.busy_us - (double)net.now_us;
    *p = (struct flight){.flow = i, .sent_us = net.now_us};
    if (mark)
        p->mark = *mark;
    if (waits_us * (double)net.rate / 1e6 + PACKET > (double)net.queue) {
        p->lost = true;
        net.overflows++;
    } else {
        net.busy_us += PACKET * 1e6 / (double)net.rate;
        p->lost = random_below(1000) < net.loss;
    }
    p->back_us = (uint64_t)net.busy_us + net.delay_us;
}

/* CUBIC, as RFC 9438 has it. */
static void tcp_back(struct flow *f, const struct flight *p)
{
    double t, k;

    f->flying--;
    if (p->lost) {
        if (p->sent_us < f->recover_us)
            return;
        f->most = f->cwnd;
        f->cwnd = f->ssthresh = f->cwnd * 0.7 > 2 ? f->cwnd * 0.7 : 2;
        f->friendly = f->cwnd;
        f->origin_us = (double)net.now_us;
        f->recover_us = net.now_us;
    } else if (f->cwnd < f->ssthresh) {
        f->cwnd += 1;
    } else {
        t = ((double)net.now_us - f->origin_us) / 1e6;
        for (k = 0; k * k * k < f->most * 0.3 / 0.4; k += 0.01)
            ;
        k = 0.4 * (t - k) * (t - k) * (t - k) + f->most;
        f->friendly += 0.53 / f->cwnd;
        if (f->friendly > k)
            k = f->friendly;
        f->cwnd += k > f->cwnd ? (k - f->cwnd) / f->cwnd : 0.01 / f->cwnd;
    }
}

static void back(const struct flight *p)
{
    struct flow *f = &net.flow[p->flow];

    if (!p->lost)
        f->bytes += PACKET;
    if (f->tcp) {
        tcp_back(f, p);
        return;
    }
    if (p->lost)
        pnd_pace_lost(&f->pace, PACKET);
    else
        pnd_pace_arrived(&f->pace, PACKET, &p->mark);
    if (!p->last)
        return;
    net.rtt_sum_us += net.now_us - p->sent_us;
    net.rtts++;
    pnd_pace_end(&f->pace, p->lost ? 0 : net.now_us - p->sent_us, net.now_us);
}

static void send_flow(int i)
{
    struct flow *f = &net.flow[i];
    struct pnd_pace_mark mark;
    uint64_t room;

    if (net.now_us < f->start_us)
        return;
    for (; f->tcp && f->flying < (unsigned)f->cwnd && net.count < SLOTS; f->flying++)
        launch(i, NULL);
    if (f->tcp)
        return;
    room = pnd_pace_room(&f->pace, net.now_us);
    while (room && net.count < SLOTS) {
        pnd_pace_sent(&f->pace, PACKET, net.now_us, &mark);
        launch(i, &mark);
        room = room > PACKET ? room - PACKET : 0;
        f->since_ack += PACKET;
        if (f->since_ack >= pnd_pace_cap(&f->pace) / ACK_PARTS || !room) {
            net.ring[(net.head + net.count - 1) % SLOTS].last = true;
            f->since_ack = 0;
        }
    }
}

/* Runs for a while; what arrived counts from then on. */
static void run_us(uint64_t us)
{
    uint64_t end_us = net.now_us + us, next_us, at_us;

    for (int i = 0; i < FLOWS; i++)
        net.flow[i].bytes = 0;
    net.overflows = net.rtt_sum_us = net.rtts = 0;
    while (net.now_us < end_us) {
        while (net.count && net.ring[net.head].back_us <= net.now_us) {
            back(&net.ring[net.head]);
            net.head = (net.head + 1) % SLOTS;
            net.count--;
        }
        next_us = net.count ? net.ring[net.head].back_us : net.now_us + 1000;
        for (int i = 0; i < FLOWS; i++) {
            if (!net.flow[i].used)
                continue;
            send_flow(i);
            at_us = net.flow[i].tcp ? UINT64_MAX : pnd_pace_next_us(&net.flow[i].pace, net.now_us);
            next_us = at_us < next_us ? at_us : next_us;
        }
        if (net.count && net.ring[net.head].back_us < next_us)
            next_us = net.ring[net.head].back_us;
        net.now_us = next_us > net.now_us ? next_us : net.now_us + 1;
    }
}

/* Of the link, in 1/1000. */
static unsigned share(int i, uint64_t us)
{
    return (unsigned)(net.flow[i].bytes * 1000 / (net.rate * us / SECOND));
}

static double jain(int flows)
{
    double sum = 0, squares = 0;

    for (int i = 0; i < flows; i++) {
        sum += (double)net.flow[i].bytes;
        squares += (double)net.flow[i].bytes * (double)net.flow[i].bytes;
    }
    return sum * sum / (flows * squares);
}

static void run_flows(uint64_t rate, uint64_t queue_us, uint64_t delay_us, int ours, int tcps)
{
    link_init(rate, rate * queue_us / SECOND, delay_us, 0);
    for (int i = 0; i < ours + tcps; i++)
        add_flow(i, i >= ours, (uint64_t)i * 300000);
    run_us(10 * SECOND);
    run_us(20 * SECOND);
    printf("# %u MB/s, round trip %u us, a queue of %u us:", (unsigned)(rate / 1000000),
           (unsigned)delay_us, (unsigned)queue_us);
    for (int i = 0; i < ours + tcps; i++)
        printf(" %u", share(i, 20 * SECOND));
    printf(" of 1000, Jain %.3f\n", jain(ours + tcps));
}

static void alone_it_fills_the_link(void)
{
    static const uint64_t delays_us[] = {20, 300, 1000, 20000, 100000};

    for (unsigned i = 0; i < 5; i++) {
        run_flows(12500000, 50000, delays_us[i], 1, 0);
        CHECK(share(0, 20 * SECOND) >= 950);
    }
}

static void its_queue_is_no_longer_than_a_round_trip_or_two_trains(void)
{
    run_flows(12500000, 200000, 20000, 1, 0);
    CHECK(net.rtt_sum_us / net.rtts <= 2 * 20000 + 2000);
    CHECK_EQ(net.overflows, 0);
}

static void a_path_that_loses_takes_what_it_loses_and_little_more(void)
{
    static const unsigned losses[] = {1, 10, 50, 100};

    for (unsigned i = 0; i < 4; i++) {
        link_init(12500000, 625000, 1000, losses[i]);
        add_flow(0, false, 0);
        run_us(2 * SECOND);
        run_us(10 * SECOND);
        printf("# %u of 1000 lost: %u arrive\n", losses[i], share(0, 10 * SECOND));
        CHECK(share(0, 10 * SECOND) >= 940 - 11 * losses[i] / 10);
    }
}

static void two_of_them_share(void)
{
    run_flows(12500000, 20000, 1000, 2, 0);
    CHECK(jain(2) > 0.9);
    run_flows(62500000, 10000, 100, 2, 0);
    CHECK(jain(2) > 0.9);
}

static void two_of_them_and_a_tcp_share(void)
{
    static const uint64_t queues_us[] = {2000, 10000, 20000};

    for (unsigned i = 0; i < 3; i++) {
        run_flows(62500000, queues_us[i], 100, 2, 1);
        CHECK(jain(3) > 0.8);
        run_flows(12500000, queues_us[i], 1000, 2, 1);
        CHECK(jain(3) > 0.8);
    }
}

static void when_the_link_becomes_slower_it_follows(void)
{
    link_init(12500000, 250000, 5000, 0);
    add_flow(0, false, 0);
    run_us(5 * SECOND);
    net.rate = 2500000;
    run_us(2 * SECOND);
    run_us(5 * SECOND);
    CHECK(share(0, 5 * SECOND) >= 900);
    CHECK(net.overflows < 5 * 2500000 / PACKET / 20);
}

static void when_the_link_becomes_faster_it_finds_out(void)
{
    link_init(2500000, 250000, 5000, 0);
    add_flow(0, false, 0);
    run_us(5 * SECOND);
    net.rate = 12500000;
    run_us(5 * SECOND);
    run_us(5 * SECOND);
    CHECK(share(0, 5 * SECOND) >= 900);
}

int main(void)
{
    RUN(alone_it_fills_the_link);
    RUN(its_queue_is_no_longer_than_a_round_trip_or_two_trains);
    RUN(a_path_that_loses_takes_what_it_loses_and_little_more);
    RUN(two_of_them_share);
    RUN(two_of_them_and_a_tcp_share);
    RUN(when_the_link_becomes_slower_it_follows);
    RUN(when_the_link_becomes_faster_it_finds_out);
    return tap_done();
}
