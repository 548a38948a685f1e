/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A dump server as a target: see target.h. One is used at a time, so the memory of the way there
 * is the same for all of them. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "capture/complain.h"
#include "capture/memory.h"
#include "capture/netif.h"
#include "capture/packet.h"
#include "capture/target.h"
#include "capture/trains.h"
#include "capture/watchdog.h"
#include "sender/address.h"
#include "sender/failure.h"
#include "sender/udp.h"
#include "wire/frame.h"

enum {
    INTERFACE_WAIT_MS = 10000, /* its driver has just been loaded */
    INTERFACE_AGAIN_MS = 1000, /* when it was not there before */
    LINK_WAIT_MS = 10000,      /* two Ethernet ports agree on their speed in a few seconds */
    QUIET_US = 5000000,        /* until the console hears that the server is silent */
    NUMBER_MAX = 20,           /* of a name that is taken */
};

/* How long a server may take until its first answer: with the MAC that was carried along, in all,
 * and with ARP at the least. */
#define CARRIED_US    UINT64_C(4000000)
#define ANSWER_US     UINT64_C(15000000)
#define ANSWER_MIN_US UINT64_C(5000000)
/* How long a link may be down in the middle, until another target is tried. */
#define LINK_DOWN_US UINT64_C(60000000)

struct server {
    const struct pnd_capture_options *options;
    const struct pnd_capture_server *server;
};

/* The way that is in use. */
struct way {
    const struct pnd_capture_options *options;
    const struct pnd_capture_server *server;
    char interface[IFNAMSIZ];
    uint32_t own_ip;
    struct pnd_packet packet;
    struct pnd_trains trains; /* beside it */
    struct pnd_nic nic;
    struct pnd_stack stack;
    struct pnd_udp udp;
    struct pnd_link inner; /* what the way is made of */
    struct pnd_link link;  /* the same, and it ends when nobody ever answers */
    bool raw;              /* by packet; else by udp */
    bool heard;            /* the server has answered */
    bool quiet;            /* its silence has been said */
    uint64_t answer_by_us; /* on the clock of inner */
    uint64_t heard_us;
    char name[PND_KDP_NAME_CAP]; /* with a number, if it needs one */
    struct pnd_target_dump *dump;
    bool client_used;
    struct pnd_client client;
};

struct window {
    void *memory; /* NULL: not looked for yet */
    size_t bytes;
};

static struct server servers[PND_CAPTURE_SERVERS_MAX];
static struct way the_way;
static bool interface_awaited;
static struct window window;
static uint64_t window_memory[PND_CAPTURE_WINDOW_BYTES / sizeof(uint64_t)];

/* ---- a link that gives up when there was never an answer */

static uint64_t way_now_us(void *ctx)
{
    const struct way *w = ctx;

    return w->inner.now_us(w->inner.ctx);
}

static int way_send(void *ctx, struct pnd_endpoint to, const void *dgram, size_t len)
{
    const struct way *w = ctx;

    return w->inner.send(w->inner.ctx, to, dgram, len);
}

static int way_send_many(void *ctx, struct pnd_endpoint to, const struct pnd_datagram *packets,
                         unsigned count)
{
    struct way *w = ctx;
    struct pnd_trains_moment moment = {.heard_us = w->heard_us};
    struct pnd_client_stats stats;

    if (w->trains.packet) {
        pnd_client_stats(&w->client, &stats);
        moment.now_us = way_now_us(w);
        moment.packets = stats.packets;
        moment.retransmissions = stats.retransmissions;
        if (pnd_trains_send(&w->trains, to, packets, count, &moment))
            return PND_OK;
    }
    return w->inner.send_many(w->inner.ctx, to, packets, count);
}

static void note_silence(struct way *w, uint64_t now_us)
{
    char ip[PND_ADDRESS_CAP];

    if (w->quiet || !w->heard || now_us - w->heard_us < QUIET_US)
        return;
    w->quiet = true;
    pnd_complain(0, "no answer from %s:%u for %d s; it is asked for 50 s",
                 pnd_address_format(ip, w->server->at.ip), w->server->at.port, QUIET_US / 1000000);
}

static int way_receive(void *ctx, void *buf, size_t cap, uint64_t timeout_us,
                       struct pnd_endpoint *ret_from)
{
    struct way *w = ctx;
    uint64_t now_us = way_now_us(w);
    int n;

    pnd_watchdog_alive(); /* who waits for a packet does not hang */
    if (!w->heard) {
        if (now_us >= w->answer_by_us)
            return PND_E_NOROUTE;
        if (timeout_us > w->answer_by_us - now_us)
            timeout_us = w->answer_by_us - now_us;
    }
    n = w->inner.receive(w->inner.ctx, buf, cap, timeout_us, ret_from);
    now_us = way_now_us(w);
    if (n >= 0) {
        w->heard = true;
        w->quiet = false;
        w->heard_us = now_us;
    } else {
        note_silence(w, now_us);
    }
    return n;
}

/* Once, for all attempts. Of more than the smallest, only what is used takes memory. */
static void find_window(void)
{
    uint64_t bytes = 0;

    if (window.memory)
        return;
    window = (struct window){.memory = window_memory, .bytes = sizeof(window_memory)};
    if (!pnd_memory_available(&bytes) || bytes / PND_CAPTURE_WINDOW_PART <= window.bytes)
        return;
    bytes /= PND_CAPTURE_WINDOW_PART;
    if (bytes > PND_CAPTURE_WINDOW_MAX)
        bytes = PND_CAPTURE_WINDOW_MAX;
    void *memory = mmap(NULL, (size_t)bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory != MAP_FAILED)
        window = (struct window){.memory = memory, .bytes = (size_t)bytes};
}

/* The write request and its answer. @return PND_E_TIMEOUT there was none within @p wait_us */
static int ask(struct way *w, const char *name, uint64_t wait_us)
{
    struct pnd_client_config config = {
        .server = w->server->at,
        .name = name,
        .extended_name = w->dump->extended_name,
        .resume = !w->dump->anew,
    };
    struct pnd_client_stats stats;
    int err;

    if (!w->options->plain) {
        find_window();
        config.extension = &pnd_client_extension;
        config.window = window.memory;
        config.window_bytes = window.bytes;
        memcpy(config.id, w->dump->id, sizeof(config.id));
    }

    w->link = (struct pnd_link){.ctx = w,
                                .now_us = way_now_us,
                                .send = way_send,
                                .receive = way_receive,
                                .send_many = w->inner.send_many ? way_send_many : NULL,
                                .dgram_max = w->inner.dgram_max};
    w->heard = w->quiet = false;
    w->answer_by_us = way_now_us(w) + wait_us;
    w->client_used = true;
    err = pnd_client_open(&w->client, &w->link, &config);
    pnd_client_stats(&w->client, &stats);
    w->dump->extended = stats.extended;
    return err == PND_E_NOROUTE && way_now_us(w) >= w->answer_by_us ? PND_E_TIMEOUT : err;
}

/* A server like Apple's refuses a name that it has, also when that is half a dump of an attempt
 * before: it gets a number then, before ".gz". */
static bool name_is_taken(const struct way *w, int err)
{
    uint32_t code = 0;

    if (err == PND_E_REFUSED)
        (void)pnd_client_refusal(&w->client, &code);
    return code == PND_KDP_E_EXISTS;
}

static int ask_names(struct way *w, const char *name, uint64_t wait_us)
{
    size_t len = strlen(name), gz = len > 3 && strcmp(name + len - 3, ".gz") == 0 ? 3 : 0;
    size_t most = sizeof(w->name) - sizeof(".99.gz"), kept = len - gz < most ? len - gz : most;
    int err = ask(w, name, wait_us);

    for (unsigned i = 1; i <= NUMBER_MAX && name_is_taken(w, err); i++) {
        snprintf(w->name, sizeof(w->name), "%.*s.%u%s", (int)kept, name, i, name + len - gz);
        printf("panicdump: the server has a dump of that name: trying %s\n", w->name);
        err = ask(w, w->name, wait_us);
    }
    return err;
}

/* ---- by raw frames */

static bool has_mac(const uint8_t mac[6])
{
    static const uint8_t none[6];

    return memcmp(mac, none, sizeof(none)) != 0;
}

static void say_link_down(void *ctx)
{
    const struct way *w = ctx;

    pnd_complain(0, "the link of %s is down: waiting for it, up to %u s", w->interface,
                 (unsigned)(LINK_DOWN_US / 1000000));
}

static void say_route(const struct way *w, bool carried)
{
    static const char *const who[] = {
        [PND_ROUTE_SERVER] = "the server's own, by ARP",
        [PND_ROUTE_ROUTER] = "the router's, by ARP",
        [PND_ROUTE_GATEWAY] = "as it was when this was armed",
    };
    char own[PND_ADDRESS_CAP], ip[PND_ADDRESS_CAP];
    uint8_t m[6];
    enum pnd_stack_route route = pnd_stack_route(&w->stack, m);

    printf("panicdump: %s asks %s over %s%s, MAC %02x:%02x:%02x:%02x:%02x:%02x, %s\n",
           pnd_address_format(own, w->own_ip), pnd_address_format(ip, w->server->at.ip),
           w->interface, w->packet.vlan ? " with its tag" : "", m[0], m[1], m[2], m[3], m[4], m[5],
           carried || route != PND_ROUTE_GATEWAY ? who[route] : "as it was: nobody answers ARP");
}

static int open_stack(struct way *w, bool carried, const char *name, uint64_t wait_us)
{
    struct pnd_stack_config config = {
        .own_ip = w->own_ip,
        .own_port = w->server->at.port,
        .server_ip = w->server->at.ip,
        .router_ip = w->options->router_ip,
        .gateway_first = carried,
        .link_wait_us = LINK_DOWN_US,
        .waiting = say_link_down,
        .waiting_ctx = w,
    };
    uint64_t start_us = w->nic.now_us(w->nic.ctx), gone_us;
    int err;

    memcpy(config.gateway_mac, w->server->via, sizeof(config.gateway_mac));
    err = pnd_stack_open(&w->stack, &w->nic, &config, &w->inner);
    if (err)
        return err;
    say_route(w, carried);
    gone_us = way_now_us(w) - start_us; /* without the time that the link was down */
    if (!carried)
        wait_us = gone_us + ANSWER_MIN_US < wait_us ? wait_us - gone_us : ANSWER_MIN_US;
    return ask_names(w, name, wait_us);
}

/* The server has answered to frames: what goes out in numbers may go by trains. What has no VLAN,
 * no permission or another kernel goes on as it began. */
static void open_trains(struct way *w)
{
    uint8_t mac[6];

    if (!w->dump->extended)
        return;
    (void)pnd_stack_route(&w->stack, mac);
    (void)pnd_trains_open(&w->trains, &w->packet, w->own_ip, w->server->at.port, w->server->at.ip,
                          mac, NULL);
}

/* First the MAC that was found when this was armed: no need to ask, and nobody who answers for the
 * server now. When it is wrong by now that costs CARRIED_US. */
static int open_raw(struct way *w, const char *name)
{
    int err;

    if (!pnd_packet_await_link(&w->packet, LINK_WAIT_MS))
        pnd_complain(0, "%s has no link after %d s (is its cable plugged in?): trying all the same",
                     w->interface, LINK_WAIT_MS / 1000);
    if (!has_mac(w->server->via))
        return open_stack(w, false, name, ANSWER_US);
    err = open_stack(w, true, name, CARRIED_US);
    if (err != PND_E_TIMEOUT)
        return err;
    pnd_complain(0, "no answer by that MAC within %u s: asking for the right one by ARP",
                 (unsigned)(CARRIED_US / 1000000));
    return open_stack(w, false, name, ANSWER_US - CARRIED_US);
}

/* ---- by this kernel's own UDP */

static int open_udp(struct way *w, const char *name, struct pnd_why *why)
{
    const struct pnd_capture_options *o = w->options;
    char ip[PND_ADDRESS_CAP];
    int err;

    if (o->vlan)
        return pnd_why_add(why, PND_E_LINK, "VLAN %u needs a packet socket, but", o->vlan);
    pnd_complain(0, "%s: using UDP of this kernel", why->text);
    err = pnd_netif_configure(w->interface, w->own_ip, o->prefix, o->router_ip, w->server->at.ip,
                              why);
    if (err)
        return err;
    err = pnd_udp_open(&w->udp, 0, &w->inner, why);
    if (err)
        return err;
    if (o->mtu)
        w->inner.dgram_max = o->mtu - PND_UDP_OVERHEAD;
    why->text[0] = '\0';
    printf("panicdump: asking %s over %s\n", pnd_address_format(ip, w->server->at.ip),
           w->interface);
    return ask_names(w, name, ANSWER_US);
}

/* ---- the target */

static int find_interface(struct way *w, struct pnd_why *why)
{
    uint64_t wait_ms = interface_awaited ? INTERFACE_AGAIN_MS : INTERFACE_WAIT_MS;
    int err =
        pnd_netif_find(w->options->match_name, w->options->match_mac, wait_ms, w->interface, why);

    interface_awaited = true;
    w->own_ip = w->options->own_ip;
    if (!err && !w->own_ip)
        err = pnd_netif_address(w->interface, &w->own_ip, why);
    return err;
}

static int open_packet(struct way *w, struct pnd_why *why)
{
    uint16_t port = w->server->at.port;
    int err = pnd_packet_open(&w->packet, w->interface, &w->nic, why);

    if (err)
        return err;
    err = pnd_packet_set_vlan(&w->packet, w->options->vlan, why);
    if (err)
        return err;
    if (w->options->mtu && w->options->mtu < w->nic.mtu)
        w->nic.mtu = w->options->mtu;
    pnd_packet_watch_link(&w->packet, &w->nic);
    /* By hand, this kernel may own the address, and then it must not answer for the port. */
    (void)pnd_packet_hold_port(&w->packet, w->own_ip, &port, NULL);
    return PND_OK;
}

static const char *failure_text(const struct way *w, int err, char dst[PND_FAILURE_CAP])
{
    struct pnd_failure failure = {
        .err = err,
        .client = w->client_used ? &w->client : NULL,
        .server = w->server->at,
        .sys_errno = w->raw ? 0 : w->udp.last_errno,
        .crash_kernel = true,
    };

    return pnd_failure_text(dst, &failure);
}

static int server_open(void *ctx, struct pnd_target_dump *dump, struct pnd_sink *ret,
                       struct pnd_why *why)
{
    const struct server *server = ctx;
    struct way *w = &the_way;
    char text[PND_FAILURE_CAP];
    int err;

    memset(w, 0, sizeof(*w));
    w->packet.fd = w->packet.port_fd = w->udp.fd = -1;
    w->options = server->options;
    w->server = server->server;
    w->dump = dump;
    err = find_interface(w, why);
    if (err)
        return err;
    err = open_packet(w, why);
    w->raw = !err;
    if (w->raw)
        why->text[0] = '\0';
    err = w->raw ? open_raw(w, dump->name) : err == PND_E_SYS ? open_udp(w, dump->name, why) : err;
    if (err && !why->text[0])
        pnd_why(why, err, 0, "%s", failure_text(w, err, text));
    if (!err && w->raw)
        open_trains(w);
    if (!err)
        pnd_client_sink(&w->client, true, ret);
    return err;
}

static void say_stats(const struct way *w, struct pnd_why *why)
{
    struct pnd_client_stats stats;
    char skipped[48] = "", held[48] = "";

    pnd_client_stats(&w->client, &stats);
    if (stats.skipped_bytes)
        snprintf(skipped, sizeof(skipped), "%" PRIu64 " of them zeros not sent, ",
                 stats.skipped_bytes);
    if (stats.resumed_bytes)
        snprintf(held, sizeof(held), "%" PRIu64 " held from before, ", stats.resumed_bytes);
    pnd_why(why, PND_OK, 0, "%s%s%" PRIu64 " retransmissions, round trip %.2f ms", skipped, held,
            stats.retransmissions, (double)stats.rtt_us / 1000);
}

static int server_close(void *ctx, int err, struct pnd_why *why)
{
    struct way *w = &the_way;
    char text[PND_FAILURE_CAP];

    (void)ctx;
    if (!err)
        say_stats(w, why);
    else if (!why->text[0])
        pnd_why(why, err, 0, "%s", failure_text(w, err, text));
    if (err && w->client_used)
        pnd_client_abort(&w->client);
    pnd_trains_close(&w->trains);
    pnd_packet_close(&w->packet);
    pnd_udp_close(&w->udp);
    return err;
}

void pnd_target_server(const struct pnd_capture_options *options, size_t server,
                       struct pnd_target *ret)
{
    struct server *s = &servers[server];
    char ip[PND_ADDRESS_CAP];

    *s = (struct server){.options = options, .server = &options->servers[server]};
    *ret = (struct pnd_target){.ctx = s, .open = server_open, .close = server_close};
    snprintf(ret->label, sizeof(ret->label), "%s:%u", pnd_address_format(ip, s->server->at.ip),
             s->server->at.port);
}
