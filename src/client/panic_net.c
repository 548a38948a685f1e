/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The dump to the network: the way to the server, the transfer, and what to say about both. The
 * order of its texts is that of Apple's kernel. PROTOCOL.md#kdp-2.4. Freestanding. */
#include "client/panic.h"

#include <string.h>

#include "client/name.h"
#include "wire/kdp.h"
#include "wire/netdump.h"

enum {
    XNU_GZIP_SINCE = 3247, /* @source PROTOCOL.md#kdp-6.4 */
    DEBUGGER_PORT = 41139, /* @source PROTOCOL.md#kdp-2.7 */
    SYSTEM_LOG_PARTS = 2,
};

static uint64_t nic_now_us(void *ctx)
{
    const struct pnd_nic *nic = ((const struct panic *)ctx)->platform.nic;

    return nic->now_us(nic->ctx);
}

static int nic_send(void *ctx, const void *frame, size_t len)
{
    struct panic *p = ctx;
    int err;

    p->in_driver = true;
    err = p->platform.nic->send(p->platform.nic->ctx, frame, len);
    p->in_driver = false;
    return err;
}

static int nic_receive(void *ctx, void *buf, size_t cap, uint64_t timeout_us)
{
    struct panic *p = ctx;
    int n;

    p->in_driver = true;
    n = p->platform.nic->receive(p->platform.nic->ctx, buf, cap, timeout_us);
    p->in_driver = false;
    return n;
}

static bool nic_link_up(void *ctx)
{
    struct panic *p = ctx;
    bool up;

    p->in_driver = true;
    up = p->platform.nic->link_up(p->platform.nic->ctx);
    p->in_driver = false;
    return up;
}

void pnd_panic_watch_nic(struct panic *p)
{
    p->nic = *p->platform.nic;
    p->nic.ctx = p;
    p->nic.now_us = nic_now_us;
    p->nic.send = nic_send;
    p->nic.receive = nic_receive;
    p->nic.send_many = NULL; /* what a fault has to be told from is one function's work at a time */
    if (p->nic.link_up)
        p->nic.link_up = nic_link_up;
}

static void waiting_for_link(void *ctx)
{
    struct panic *p = ctx;

    if (!p->told_link)
        pnd_panic_say(p, "Waiting for link to become available.\n");
    p->told_link = true;
}

static uint16_t port_of(const struct panic *p)
{
    if (p->args.port)
        return p->args.port;
    return p->platform.netdump ? PND_NETDUMP_PORT : PND_KDP_PORT;
}

static bool wants_gzip(const struct panic *p)
{
    return p->args.xnu >= XNU_GZIP_SINCE && !pnd_panic_has(p, PND_DB_DISABLE_GZIP_CORE);
}

void pnd_panic_say_no_transport(struct panic *p)
{
    pnd_panic_say(p, "Error: No transport device registered for kernel crashdump\n");
    if (p->args.has_match_name || p->args.has_match_mac)
        pnd_panic_say(p, "No interface that can dump has what kdp_match_name or kdp_match_mac "
                         "asks for.\n");
    else
        pnd_panic_say(p, "Name an interface that can dump: kdp_match_name=en0\n");
}

static enum pnd_dump_kind kind_of(enum pnd_panic_stage stage)
{
    if (stage == PND_STAGE_NET_CORE)
        return PND_DUMP_CORE;
    return stage == PND_STAGE_NET_LOG ? PND_DUMP_PANICLOG : PND_DUMP_SYSTEMLOG;
}

static void make_name(struct panic *p, enum pnd_panic_stage stage)
{
    struct pnd_dump_name name = {
        .xnu = p->args.xnu,
        .kind = kind_of(stage),
        .fixed = p->args.has_corename ? p->args.corename : NULL,
        .version = p->platform.version,
        .ip = pnd_panic_own_ip(p),
        .ticks = p->platform.ticks(p->platform.ctx),
        .gzip = wants_gzip(p),
    };

    _Static_assert(sizeof(p->report.name) >= PND_DUMP_NAME_CAP, "the report holds every name");
    pnd_dump_name(&name, p->report.name);
}

/* Is there what is to be sent? */
static int check_content(struct panic *p, enum pnd_panic_stage stage)
{
    if (stage == PND_STAGE_NET_CORE && wants_gzip(p) && !p->platform.gzip) {
        pnd_panic_say(p, "Zlib stage is not initialized. Cannot write a coredump to the network\n");
        pnd_panic_say(p, "DB_DISABLE_GZIP_CORE (0x40000) in debug= sends it as it is.\n");
        return PND_E_ARG;
    }
    if ((stage == PND_STAGE_NET_LOG && !p->event->log) ||
        (stage == PND_STAGE_NET_SYSTEM_LOG && !p->platform.system_log)) {
        pnd_panic_say(p, "Error: there is no such log.\n");
        return PND_E_ARG;
    }
    return PND_OK;
}

/* What must be there before anything is sent. */
static int check(struct panic *p, enum pnd_panic_stage stage)
{
    char ip[PND_IP_TEXT_CAP];

    if (!p->args.has_panicd_ip || p->args.panicd_ip[0] == '\0') {
        pnd_panic_say(p, "A dump server was not specified in the boot-args, terminating kernel "
                         "core dump.\n");
        pnd_panic_say(p, "Add the address of the machine that runs panicd: "
                         "_panicd_ip=a.b.c.d\n");
        return PND_E_ARG;
    }
    make_name(p, stage);
    if (p->args.server == 0) {
        pnd_panic_say(p, "Error: _panicd_ip takes an IPv4 address like 10.0.40.2, and not ");
        pnd_panic_say_quoted(p, p->args.panicd_ip);
        return PND_E_ARG;
    }
    pnd_panic_say(p, "Attempting connection to panic server configured at IP %s, port %d\n",
                  pnd_ip_text(ip, p->args.server), port_of(p));
    if (pnd_panic_own_ip(p) == 0) {
        pnd_panic_say(p, "Error: this machine has no IPv4 address: add kdp_ip_addr=a.b.c.d\n");
        return PND_E_ARG;
    }
    return check_content(p, stage);
}

static int open_stack(struct panic *p, struct pnd_link *ret)
{
    struct pnd_stack_config config = {
        .own_ip = pnd_panic_own_ip(p),
        .own_port = p->platform.netdump ? PND_NETDUMP_CLIENT_PORT : port_of(p),
        .server_ip = p->args.server,
        .router_ip = p->args.router,
        .no_arp = !pnd_panic_has(p, PND_DB_ARP),
        .debugger_port = p->platform.follow_debugger_packets ? DEBUGGER_PORT : 0,
        .waiting = waiting_for_link,
        .waiting_ctx = p,
    };

    memcpy(config.gateway_mac, p->platform.gateway_mac, sizeof(config.gateway_mac));
    pnd_panic_watch_nic(p);
    return pnd_stack_open(&p->net.stack, &p->nic, &config, ret);
}

static void say_route(struct panic *p)
{
    uint8_t mac[6];
    enum pnd_stack_route route = pnd_stack_route(&p->net.stack, mac);
    char ip[PND_IP_TEXT_CAP];

    if (route == PND_ROUTE_SERVER)
        pnd_panic_say(p, "Resolved %s's (or proxy's) link level address\n",
                      pnd_ip_text(ip, p->args.server));
    else if (route == PND_ROUTE_ROUTER)
        pnd_panic_say(p, "Routing through specified router IP %s\n",
                      pnd_ip_text(ip, p->args.router));
    pnd_panic_say(p, "Transmitting packets to link level address: %02x:%02x:%02x:%02x:%02x:%02x\n",
                  mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
}

/* No random numbers in a panic: no two dumps of one machine begin at the same time, and no two
 * machines have one MAC. */
static void make_id(const struct panic *p, uint8_t ret[PND_CLIENT_ID_BYTES])
{
    uint64_t ticks = p->platform.ticks(p->platform.ctx);
    uint16_t us = (uint16_t)pnd_panic_now_us(p);

    memcpy(ret, p->nic.mac, sizeof(p->nic.mac));
    memcpy(ret + 6, &us, sizeof(us));
    memcpy(ret + 8, &ticks, sizeof(ticks));
}

static int open_client(struct panic *p, const struct pnd_link *link)
{
    struct pnd_client_stats stats;
    int err;
    struct pnd_client_config config = {
        .server = {.ip = p->args.server, .port = port_of(p)},
        .name = p->report.name,
        .block_max = p->args.block_bytes,
        .patience_us = p->platform.patience_us,
        .extension = p->platform.extension,
        .window = p->platform.window,
        .window_bytes = p->platform.window_bytes,
        .netdump = p->platform.netdump,
    };

    if (config.extension)
        make_id(p, config.id);
    /* Before train 7195 the boot-arg may ask for more than the link takes. */
    if (config.block_max > PND_KDP_BLOCK_LARGE)
        config.block_max = PND_KDP_BLOCK_LARGE;
    pnd_panic_say(p, "Sending write request for %s\n", p->report.name);
    err = pnd_client_open(&p->net.client, link, &config);
    pnd_client_stats(&p->net.client, &stats);
    if (err == PND_OK && stats.extended)
        pnd_panic_say(p, "The server takes many packets at a time.\n");
    return err;
}

static int send_log(struct panic *p)
{
    pnd_panic_say(p, "Transmitting panic log, please wait:\n");
    return pnd_client_write(&p->net.client, p->event->log, p->event->log_len);
}

/* Our lengths are exact, so no SEEK has to repair them. @source PROTOCOL.md#kdp-1.10 */
static int send_system_log(struct panic *p)
{
    const void *text;
    size_t len;
    int err = PND_OK;

    pnd_panic_say(p, "Transmitting system log, please wait:\n");
    for (unsigned part = 0; part < SYSTEM_LOG_PARTS && err == PND_OK; part++) {
        text = p->platform.system_log(p->platform.ctx, part, &len);
        if (!text)
            break;
        err = pnd_client_write(&p->net.client, text, len);
    }
    return err;
}

/* An uncompressed core is sent without its zeros. */
static int send_core(struct panic *p)
{
    const struct pnd_codec *codec = wants_gzip(p) ? p->platform.gzip : NULL;
    struct pnd_sink sink;

    pnd_panic_say(p, "Transmitting kernel state, please wait:\n");
    pnd_client_sink(&p->net.client, codec == NULL, &sink);
    return pnd_panic_core(p, codec, &sink);
}

static int send_it(struct panic *p, enum pnd_panic_stage stage)
{
    int err;

    if (stage == PND_STAGE_NET_CORE)
        err = send_core(p);
    else
        err = stage == PND_STAGE_NET_LOG ? send_log(p) : send_system_log(p);
    return err ? err : pnd_client_finish(&p->net.client);
}

static int transfer(struct panic *p, enum pnd_panic_stage stage)
{
    struct pnd_link link;
    int err = open_stack(p, &link);

    if (err)
        return err;
    say_route(p);
    if (stage == PND_STAGE_NET_CORE)
        pnd_panic_say(p, "Kernel map size is %llu\n",
                      (unsigned long long)pnd_panic_memory_bytes(p));
    p->net_open = true;
    err = open_client(p, &link);
    p->answered = err == PND_OK;
    if (p->answered)
        err = send_it(p, stage);
    if (err)
        pnd_panic_net_abort(p);
    p->net_open = false;
    return err;
}

/* Over a link that is down nobody can be told, and waiting for it would take an hour. */
void pnd_panic_net_abort(struct panic *p)
{
    pnd_client_stats(&p->net.client, &p->report.net);
    if (!p->nic.link_up || p->nic.link_up(p->nic.ctx))
        pnd_client_abort(&p->net.client);
}

static void say_statistics(struct panic *p, enum pnd_panic_stage stage)
{
    const struct pnd_client_stats *net = &p->report.net;

    if (stage == PND_STAGE_NET_CORE)
        pnd_panic_say_core(p);
    pnd_panic_say_rate(p, "The server holds all of the dump:", net->bytes,
                       pnd_panic_now_us(p) - p->start_us);
    pnd_panic_say(p, "Packets: %llu, of which %llu were repeated; round trip %llu us.\n",
                  (unsigned long long)net->packets, (unsigned long long)net->retransmissions,
                  (unsigned long long)net->rtt_us);
}

static void say_no_route(struct panic *p)
{
    char ip[PND_IP_TEXT_CAP];

    if (!pnd_panic_has(p, PND_DB_ARP))
        pnd_panic_say(p, "Error: without DB_ARP (0x40) in debug= only the gateway can be used, and "
                         "none is known: add 0x40.\n");
    else
        pnd_panic_say(p,
                      "Error: nobody answers for %s, and no gateway is known. Check _panicd_ip, or "
                      "name a router: _router_ip=a.b.c.d\n",
                      pnd_ip_text(ip, p->args.server));
}

/* Why it failed, and what to do about it. */
static void say_failure(struct panic *p, int err)
{
    uint64_t packets = p->report.net.packets;
    const char *refusal;
    uint32_t code;
    char ip[PND_IP_TEXT_CAP];

    pnd_ip_text(ip, p->args.server);
    switch (err) {
    case PND_E_NOROUTE:
        say_no_route(p);
        break;
    case PND_E_TIMEOUT:
        if (p->report.net.sent_bytes == 0 && p->answered)
            pnd_panic_say(p,
                          "Error: %s answered, and then no more. Does a firewall there block the "
                          "port that it answers from?\n",
                          ip);
        else if (p->report.net.sent_bytes == 0)
            pnd_panic_say(p,
                          "Error: no answer from %s. Is panicd running there, and may UDP port %u "
                          "come in?\n",
                          ip, (unsigned)port_of(p));
        else
            pnd_panic_say(p, "Error: %s does not answer any more, after %llu bytes.\n", ip,
                          (unsigned long long)p->report.net.sent_bytes);
        break;
    case PND_E_REFUSED:
        refusal = pnd_client_refusal(&p->net.client, &code);
        pnd_panic_say(p, "Error: %s refuses the dump, with code %u and the words ", ip,
                      (unsigned)code);
        pnd_panic_say_quoted(p, refusal);
        break;
    case PND_E_LINK:
        pnd_panic_say(p, "Error: the interface has no link, or has failed.\n");
        break;
    default:
        pnd_panic_say(p, "Error: the dump ended after %llu packets: %s.\n",
                      (unsigned long long)packets, pnd_err_text(err));
    }
}

enum pnd_done pnd_panic_net(struct panic *p, enum pnd_panic_stage stage)
{
    int err;

    memset(&p->report.net, 0, sizeof(p->report.net));
    p->start_us = pnd_panic_now_us(p);
    pnd_panic_say(p, "Entering system dump routine\n");
    err = check(p, stage);
    if (err) {
        p->report.err = err;
        return PND_DONE_FAILED;
    }
    memset(&p->net.client, 0, sizeof(p->net.client)); /* asked below, opened or not */
    p->answered = false;
    err = transfer(p, stage);
    pnd_client_stats(&p->net.client, &p->report.net);
    if (err == PND_OK) {
        say_statistics(p, stage);
        return PND_DONE_OK;
    }
    p->report.err = err;
    if (err == PND_E_ABORTED && p->platform.follow_debugger_packets) {
        pnd_panic_say(p, "Received a debugger packet,transferring control to debugger\n");
        p->now.aborted = p->now.debugger = true;
        return PND_DONE_FAILED;
    }
    say_failure(p, err);
    return PND_DONE_FAILED;
}
