/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A machine for the panic routine to run on: see panic_machine.h. */
#include "panic_machine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire/frame.h"
#include "wire/kdp.h"

enum { MS = 1000, PAGE = 4096 };

#define BASE UINT64_C(0xffffff8000000000)

struct machine machine;

static const uint8_t own_mac[6] = {2, 0, 0, 0, 0, 1}, server_mac[6] = {2, 0, 0, 0, 0, 2},
                     router_mac[6] = {2, 0, 0, 0, 0, 0xfe};

static uint8_t pages[MEMORY_PAGES][PAGE];

/* --- console, keys, clock --- */

static void print(void *ctx, const char *text, size_t len)
{
    struct machine *m = ctx;

    if (len > CONSOLE_CAP - m->console_len)
        len = CONSOLE_CAP - m->console_len;
    memcpy(m->console + m->console_len, text, len);
    m->console_len += len;
    m->console[m->console_len] = '\0';
}

static int key(void *ctx)
{
    struct machine *m = ctx;

    m->keys_asked++;
    m->now_us += MS;
    if (!m->keys || *m->keys == '\0') {
        m->end = RESUMED;
        longjmp(m->out, 1);
    }
    return *m->keys++ == '.' ? -1 : m->keys[-1];
}

static uint64_t now_us(void *ctx)
{
    struct machine *m = ctx;

    m->now_us += m->step_us;
    return m->now_us;
}

static uint64_t ticks(void *ctx)
{
    return ((struct machine *)ctx)->ticks++;
}

static const void *printed(void *ctx, size_t *ret_len)
{
    const struct machine *m = ctx;

    *ret_len = m->console_len - m->mark;
    return m->console + m->mark;
}

/* --- the wire --- */

static void arrive(struct machine *m, const uint8_t *frame, int len)
{
    if (m->frame_count == FRAMES_CAP || len < 0)
        abort();
    m->frames[m->frame_count].len = (size_t)len;
    memcpy(m->frames[m->frame_count++].bytes, frame, (size_t)len);
}

static void arrive_udp(struct machine *m, uint32_t from_ip, uint16_t from_port, uint16_t to_port,
                       const uint8_t *dgram, size_t len)
{
    struct pnd_udp4 udp = {.from_ip = from_ip,
                           .to_ip = OWN,
                           .from_port = from_port,
                           .to_port = to_port,
                           .payload = dgram,
                           .payload_len = len};
    uint8_t frame[PND_ETH_CAP];
    int len_built = pnd_udp4_build(frame, sizeof(frame), own_mac, server_mac, &udp);

    arrive(m, frame, len_built);
}

static void arrive_arp(struct machine *m, uint16_t op, uint32_t from_ip, const uint8_t *from,
                       uint32_t to_ip)
{
    struct pnd_arp arp = {.op = op, .from_ip = from_ip, .to_ip = to_ip};
    uint8_t frame[PND_ETH_CAP];
    int len;

    memcpy(arp.from_mac, from, 6);
    memcpy(arp.to_mac, own_mac, 6);
    len = pnd_arp_build(frame, sizeof(frame), own_mac, &arp);
    arrive(m, frame, len);
}

static void serve(void *ctx, const uint8_t *dgram, size_t len)
{
    struct machine *m = ctx;

    arrive_udp(m, SERVER, m->to_port, m->from_port, dgram, len);
}

static void take_datagram(struct machine *m, const struct pnd_udp4 *udp)
{
    struct pnd_kdp_packet packet;
    uint8_t error[PND_KDP_ERROR_CAP];

    m->datagrams++;
    m->from_port = udp->from_port;
    m->to_port = udp->to_port;
    if (pnd_kdp_parse(udp->payload, udp->payload_len, &packet) != PND_OK)
        abort();
    m->errors += packet.op == PND_KDP_ERROR;
    if (packet.op == PND_KDP_DATA && packet.data_len > m->block_max)
        m->block_max = packet.data_len;
    if (m->debugger_after && m->datagrams > m->debugger_after)
        arrive_udp(m, ROUTER, 50000, 41139, (const uint8_t *)"\1\0\10", 3);
    if (m->silent_after && m->datagrams > m->silent_after)
        return;
    if (m->refusal) {
        serve(m, error,
              (size_t)pnd_kdp_build_error(error, sizeof(error), m->refuses_code, m->refusal));
        return;
    }
    if (m->serves)
        owner_datagram(&m->owner, udp->payload, udp->payload_len, m->now_us / MS);
    owner_tick(&m->owner, m->now_us / MS);
}

static void take_arp(struct machine *m, const struct pnd_arp *arp)
{
    if (arp->op == PND_ARP_REPLY) {
        m->arp_replies++;
        return;
    }
    m->arp_requests++;
    if (arp->to_ip == SERVER && m->answers_arp)
        arrive_arp(m, PND_ARP_REPLY, SERVER, server_mac, OWN);
    if (arp->to_ip == ROUTER && m->router_answers_arp)
        arrive_arp(m, PND_ARP_REPLY, ROUTER, router_mac, OWN);
}

static int nic_send(void *ctx, const void *frame, size_t len)
{
    struct machine *m = ctx;
    struct pnd_eth eth;
    struct pnd_arp arp;
    struct pnd_udp4 udp;

    if (m->on_send)
        m->on_send(m, ++m->sends);
    if (m->send_err)
        return m->send_err;
    if (pnd_eth_parse(frame, len, &eth) != PND_OK || memcmp(eth.from, own_mac, 6) != 0)
        abort();
    if (pnd_arp_parse(eth.payload, eth.payload_len, &arp) == PND_OK && eth.type == PND_ETH_ARP) {
        take_arp(m, &arp);
        return PND_OK;
    }
    if (pnd_udp4_parse(eth.payload, eth.payload_len, &udp) != PND_OK)
        abort();
    memcpy(m->last_mac, eth.to, 6);
    take_datagram(m, &udp);
    return PND_OK;
}

static int nic_receive(void *ctx, void *buf, size_t cap, uint64_t timeout_us)
{
    struct machine *m = ctx;
    size_t len;

    if (m->frame_count == 0) {
        m->now_us += timeout_us;
        return PND_E_TIMEOUT;
    }
    m->now_us += 100;
    len = m->frames[0].len < cap ? m->frames[0].len : cap;
    memcpy(buf, m->frames[0].bytes, len);
    memmove(m->frames, m->frames + 1, --m->frame_count * sizeof(m->frames[0]));
    return (int)len;
}

static bool nic_link_up(void *ctx)
{
    struct machine *m = ctx;
    bool up = m->now_us < m->down_from_us || m->now_us >= m->down_until_us;

    if (!up)
        m->now_us += MS;
    return up;
}

/* --- memory, disk, codecs --- */

/* Two runs: pages 0 to 9, and the others 1 MiB behind them. */
static int next_region(void *ctx, uint64_t from, struct pnd_region *ret)
{
    static const struct pnd_region regions[] = {
        {.address = BASE, .physical = 0x100000, .len = 10 * PAGE},
        {.address = BASE + 0x100000, .physical = 0x200000, .len = (MEMORY_PAGES - 10) * PAGE},
    };

    (void)ctx;
    for (unsigned i = 0; i < 2; i++) {
        if (regions[i].address >= from) {
            *ret = regions[i];
            return PND_OK;
        }
    }
    return PND_E_NOTFOUND;
}

static const void *map(void *ctx, uint64_t address)
{
    struct machine *m = ctx;
    uint64_t offset = address - BASE;
    size_t page = (size_t)(offset < 0x100000 ? offset / PAGE : 10 + (offset - 0x100000) / PAGE);

    if (m && m->on_map)
        m->on_map(m, ++m->maps);
    return page == HOLE_PAGE ? NULL : pages[page];
}

static int disk_write(void *ctx, uint64_t offset, const void *buf, size_t len)
{
    struct machine *m = ctx;

    m->disk_writes++;
    if (m->on_write)
        m->on_write(m, m->disk_writes);
    if (m->disk_fails_from && m->disk_writes >= m->disk_fails_from)
        return PND_E_SYS;
    if (offset % 512 || len % 512 || offset > m->disk.bytes || len > m->disk.bytes - offset)
        abort();
    memcpy(m->disk_bytes + offset, buf, len);
    return PND_OK;
}

static int disk_flush(void *ctx)
{
    (void)ctx;
    return PND_OK;
}

static int codec_begin(struct machine *m, const struct pnd_sink *next, const char *text)
{
    m->next = next;
    m->begun++;
    return next->write(next->ctx, text, strlen(text));
}

static int gzip_begin(void *ctx, const struct pnd_sink *next)
{
    return codec_begin(ctx, next, "GZIP");
}

static int lz4_begin(void *ctx, const struct pnd_sink *next)
{
    return codec_begin(ctx, next, "LZ4");
}

static int codec_write(void *ctx, const void *buf, size_t len)
{
    const struct machine *m = ctx;

    return m->next->write(m->next->ctx, buf, len);
}

static int codec_finish(void *ctx)
{
    return codec_write(ctx, "END", 3);
}

/* --- what the tests call --- */

static void fill_pages(void)
{
    for (unsigned i = 0; i < MEMORY_PAGES; i++) {
        for (unsigned k = 0; k < PAGE; k++)
            pages[i][k] = (uint8_t)(i * 37 + k * k / 7 + 1);
    }
    memset(pages[20], 0, 4 * sizeof(pages[0]));
}

void machine_reset(void)
{
    struct machine *m = &machine;

    owner_deinit(&m->owner);
    memset(m, 0, sizeof(*m));
    fill_pages();
    owner_init(&m->owner);
    m->owner.send = serve;
    m->owner.ctx = m;
    m->serves = m->answers_arp = true;
    m->now_us = 5000000;
    m->ticks = UINT64_C(0x7a5001516);
    m->nic = (struct pnd_nic){.ctx = m,
                              .now_us = now_us,
                              .send = nic_send,
                              .receive = nic_receive,
                              .link_up = nic_link_up,
                              .mtu = 1500};
    memcpy(m->nic.mac, own_mac, 6);
    m->disk = (struct pnd_disk){.ctx = m,
                                .sector_bytes = 512,
                                .bytes = DISK_BYTES,
                                .write = disk_write,
                                .flush = disk_flush};
    m->memory = (struct pnd_memory){.ctx = m, .page_bytes = PAGE, .next = next_region, .map = map};
    m->gzip = (struct pnd_codec){m, gzip_begin, codec_write, codec_finish};
    m->lz4 = (struct pnd_codec){m, lz4_begin, codec_write, codec_finish};
    m->platform = (struct pnd_platform){.ctx = m,
                                        .print = print,
                                        .key = key,
                                        .now_us = now_us,
                                        .ticks = ticks,
                                        .printed = printed,
                                        .nic = &m->nic,
                                        .own_ip = OWN,
                                        .disk = &m->disk,
                                        .memory = &m->memory,
                                        .gzip = &m->gzip,
                                        .lz4 = &m->lz4,
                                        .version = "Box Kernel Version 1; root:xnu-11417.1.2~3",
                                        .image_address = UINT64_MAX};
    m->event = (struct pnd_event){.trigger = PND_TRIGGER_PANIC,
                                  .regs = {.rip = BASE + 0x1234, .rsp = BASE + 0x8000},
                                  .log = "panic(cpu 0 caller 0x1234): on request\n",
                                  .log_len = 39};
}

int machine_again(void)
{
    struct machine *m = &machine;

    m->mark = m->console_len;
    m->maps = m->sends = 0;
    if (setjmp(m->out) == 0)
        m->end = (int)pnd_panic_run(&m->panic, &m->event);
    return machine.end;
}

int machine_panic_xnu(const char *boot_args, uint32_t xnu)
{
    if (pnd_panic_init(&machine.panic, &machine.platform, boot_args, xnu) != PND_OK)
        abort();
    return machine_again();
}

int machine_panic(const char *boot_args)
{
    return machine_panic_xnu(boot_args, 0);
}

void machine_panic_again(void)
{
    struct machine *m = &machine;
    struct pnd_event event = {.trigger = PND_TRIGGER_PANIC, .log = "panic again\n", .log_len = 12};

    m->end = (int)pnd_panic_run(&m->panic, &event);
    longjmp(m->out, 1);
}

bool console_has(const char *text)
{
    return strstr(machine.console + machine.mark, text) != NULL;
}

bool console_has_all(const char *const *texts)
{
    const char *at = machine.console + machine.mark;

    for (; *texts; texts++) {
        at = strstr(at, *texts);
        if (!at) {
            printf("# not there, or not here: %s\n", *texts);
            return false;
        }
        at += strlen(*texts);
    }
    return true;
}

struct bytes {
    uint8_t *at;
    size_t left;
};

static int bytes_write(void *ctx, const void *buf, size_t len)
{
    struct bytes *bytes = ctx;

    if (len > bytes->left)
        return PND_E_FULL;
    memcpy(bytes->at, buf, len);
    bytes->at += len;
    bytes->left -= len;
    return PND_OK;
}

size_t machine_core(uint8_t *ret, size_t cap, const char *prefix)
{
    struct pnd_memory memory = {.page_bytes = PAGE, .next = next_region, .map = map};
    struct pnd_core_config config = {.format = machine.platform.format,
                                     .memory = &memory,
                                     .regs = machine.event.regs,
                                     .image_address = machine.platform.image_address};
    struct bytes bytes = {ret, cap};
    struct pnd_sink sink = {.ctx = &bytes, .write = bytes_write};
    struct pnd_core_summary summary;

    if (bytes_write(&bytes, prefix, strlen(prefix)) != PND_OK ||
        pnd_core_write(&config, &sink, &summary) != PND_OK ||
        bytes_write(&bytes, "END", prefix[0] ? 3 : 0) != PND_OK)
        abort();
    return cap - bytes.left;
}
