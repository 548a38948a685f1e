/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The blocking client: what the protocols have in common. Holes are held back until something
 * follows them. */
#include "client/dump_parts.h"

#include <string.h>

enum {
    PAGE = 4096,
    PROGRESS_US = 100000,
};

_Static_assert(sizeof(struct pnd_dump) <= sizeof(struct pnd_client), "the public struct holds it");
_Static_assert(sizeof(struct pnd_dump_window) + sizeof(struct pnd_ext_ack) + 8 + PND_WINDOW_MIN <=
                   PND_CLIENT_WINDOW_MIN,
               "the smallest window is large enough");
_Static_assert(sizeof(struct pnd_greet) <= PND_WINDOW_MIN, "the beginning fits the window");

static struct pnd_dump *dump_of(struct pnd_client *client)
{
    return (struct pnd_dump *)(void *)client;
}

static const struct pnd_dump *const_dump_of(const struct pnd_client *client)
{
    return (const struct pnd_dump *)(const void *)client;
}

uint64_t pnd_dump_now_us(const struct pnd_dump *d)
{
    return d->link.now_us(d->link.ctx);
}

/* How many bytes were taken, without the hole at the end. */
static uint64_t position(const struct pnd_dump *d)
{
    return d->extension ? d->extension->position(d) : d->tx.kdp.offset;
}

static void fill_stats(const struct pnd_dump *d, struct pnd_client_stats *ret)
{
    const struct pnd_kdp_tx_stats *kdp = &d->tx.kdp.stats;
    const struct pnd_ext_tx_stats *ext = &d->tx.ext.stats;

    *ret = (struct pnd_client_stats){
        .packets = d->packets + (d->extended ? ext->packets : kdp->packets),
        .retransmissions =
            d->retransmissions + (d->extended ? ext->retransmissions : kdp->retransmissions),
        .bytes = position(d) + d->hole,
        .sent_bytes = d->extended ? ext->sent_bytes : kdp->data_bytes,
        .unsent_bytes = d->extended ? d->tx.ext.window.end - d->tx.ext.sent_end : 0,
        .skipped_bytes = d->skipped,
        .noise = d->noise + (d->extended ? ext->noise : kdp->noise),
        .rtt_us = d->extended ? d->tx.ext.srtt_us : kdp->srtt_us,
        .resumed_bytes = d->resume_offset,
        .extended = d->extended,
    };
}

void pnd_dump_report(struct pnd_dump *d, uint64_t now_us)
{
    struct pnd_client_stats stats;

    if (!d->progress || now_us < d->progress_next_us)
        return;
    d->progress_next_us = now_us + d->progress_us;
    fill_stats(d, &stats);
    d->progress(d->progress_ctx, &stats);
}

/* The server may answer from a port of its own; the first answer tells which, and from then on
 * only that one counts. @source PROTOCOL.md#kdp-1.8, #kdp-11 */
bool pnd_dump_is_peer(struct pnd_dump *d, struct pnd_endpoint from)
{
    if (from.ip == d->peer.ip && (!d->peer_known || from.port == d->peer.port))
        return true;
    d->noise++;
    return false;
}

void pnd_dump_heard(struct pnd_dump *d, struct pnd_endpoint from)
{
    d->peer = from;
    d->peer_known = true;
}

static int take_window(struct pnd_dump *d, const struct pnd_client_config *config)
{
    if (!config->extension || !config->window)
        return PND_OK;
    if ((uintptr_t)config->window % 8 || config->window_bytes < PND_CLIENT_WINDOW_MIN)
        return PND_E_ARG;
    d->window = config->window;
    d->memory = d->window + 1;
    d->memory_bytes = config->window_bytes - sizeof(*d->window);
    return PND_OK;
}

int pnd_client_open(struct pnd_client *client, const struct pnd_link *link,
                    const struct pnd_client_config *config)
{
    struct pnd_dump *d = dump_of(client);
    struct pnd_kdp_tx_config plain = {
        .name = config->name,
        .features = PND_KDP_FEATURES,
        .block_max = config->block_max ? config->block_max : PND_KDP_BLOCK_LARGE,
        .rto_initial_us = config->rto_initial_us,
        .rto_min_us = config->rto_min_us,
        .rto_max_us = config->rto_max_us,
        .patience_us = config->patience_us,
    };

    memset(d, 0, sizeof(*d));
    d->link = *link;
    d->peer = config->server;
    if (d->peer.port == 0)
        d->peer.port = PND_KDP_PORT;
    d->progress = config->progress;
    d->progress_ctx = config->progress_ctx;
    d->progress_us = config->progress_us ? config->progress_us : PROGRESS_US;
    if (link->dgram_max && link->dgram_max <= PND_KDP_HEADER_BYTES)
        return d->err = PND_E_ARG;
    if (link->dgram_max && plain.block_max > link->dgram_max - PND_KDP_HEADER_BYTES)
        plain.block_max = (uint32_t)(link->dgram_max - PND_KDP_HEADER_BYTES);
    d->err = take_window(d, config);
    if (d->err)
        return d->err;
    /* every number is checked, also when the extension will not need it */
    d->err = pnd_kdp_tx_init(&d->tx.kdp, &plain);
    if (d->err)
        return d->err;
    return config->extension ? config->extension->open(d, config, &plain) : pnd_dump_kdp_open(d);
}

static int grow(struct pnd_dump *d, uint64_t len)
{
    if (d->err == PND_OK && d->finished)
        return PND_E_ARG;
    if (d->err == PND_OK && len > UINT64_MAX - position(d) - d->hole)
        d->err = PND_E_RANGE;
    return d->err;
}

static int close_hole(struct pnd_dump *d, bool is_end)
{
    if (d->hole == 0)
        return PND_OK;
    return d->extension ? d->extension->hole(d) : pnd_dump_kdp_hole(d, is_end);
}

int pnd_client_write(struct pnd_client *client, const void *buf, size_t len)
{
    struct pnd_dump *d = dump_of(client);
    int err = grow(d, len);

    if (err || len == 0)
        return err;
    if (close_hole(d, false))
        return d->err;
    return d->extension ? d->extension->write(d, buf, len) : pnd_dump_kdp_write(d, buf, len);
}

int pnd_client_skip(struct pnd_client *client, uint64_t len)
{
    struct pnd_dump *d = dump_of(client);
    int err = grow(d, len);

    if (err == PND_OK)
        d->hole += len;
    return err;
}

int pnd_client_poll(struct pnd_client *client)
{
    struct pnd_dump *d = dump_of(client);

    if (d->err || d->finished || !d->extension)
        return d->err;
    return d->extension->poll(d);
}

static bool is_zero(const uint8_t *page)
{
    uint64_t word = 0;

    /* No memcmp, of which a kernel may have one that goes byte by byte. */
    for (size_t i = 0; word == 0 && i < PAGE; i += sizeof(word))
        __builtin_memcpy(&word, page + i, sizeof(word));
    return word == 0;
}

/* @return how many bytes from @p at on are no whole page of zeros: what is before the next page
 * boundary of the dump, and the pages up to the next of zeros */
static size_t data_run(uint64_t offset, const uint8_t *at, size_t len)
{
    size_t run = (size_t)(-offset % PAGE);

    while (run < len && (len - run < PAGE || !is_zero(at + run)))
        run += PAGE;
    return run < len ? run : len;
}

int pnd_client_write_sparse(struct pnd_client *client, const void *buf, size_t len)
{
    struct pnd_dump *d = dump_of(client);
    const uint8_t *at = buf;
    int err = d->err;

    while (len > 0 && err == PND_OK) {
        size_t part = data_run(position(d) + d->hole, at, len);

        if (part) {
            err = pnd_client_write(client, at, part);
        } else {
            part = PAGE;
            err = pnd_client_skip(client, PAGE);
        }
        at += part;
        len -= part;
    }
    return err;
}

int pnd_client_finish(struct pnd_client *client)
{
    struct pnd_dump *d = dump_of(client);
    int err;

    if (d->err || d->finished)
        return d->err;
    if (close_hole(d, true))
        return d->err;
    err = d->extension ? d->extension->finish(d) : pnd_dump_kdp_finish(d);
    d->finished = err == PND_OK;
    return err;
}

static int sink_write(void *ctx, const void *buf, size_t len)
{
    return pnd_client_write(ctx, buf, len);
}

static int sink_write_sparse(void *ctx, const void *buf, size_t len)
{
    return pnd_client_write_sparse(ctx, buf, len);
}

static int sink_end(void *ctx)
{
    return pnd_client_finish(ctx);
}

void pnd_client_sink(struct pnd_client *client, bool sparse, struct pnd_sink *ret)
{
    *ret = (struct pnd_sink){
        .ctx = client, .write = sparse ? sink_write_sparse : sink_write, .end = sink_end};
}

void pnd_client_abort(struct pnd_client *client)
{
    struct pnd_dump *d = dump_of(client);
    uint8_t packet[PND_KDP_ERROR_CAP];
    uint64_t packets = d->packets + (d->extended ? 0 : d->tx.kdp.stats.packets);
    int len;

    /* A server that refused, or never answered, has nothing to be told. */
    if (d->finished || d->err == PND_E_REFUSED || d->err == PND_E_TIMEOUT)
        return;
    if (d->extension)
        len = d->extension->stop(d, packet, sizeof(packet), "aborted by the sender");
    else
        len = pnd_kdp_build_error(packet, sizeof(packet), PND_KDP_E_UNDEFINED,
                                  "aborted by the sender");
    if (packets > 0 && len > 0)
        (void)d->link.send(d->link.ctx, d->peer, packet, (size_t)len);
    d->finished = true;
    if (d->err == PND_OK)
        d->err = PND_E_ABORTED;
}

void pnd_client_stats(const struct pnd_client *client, struct pnd_client_stats *ret)
{
    fill_stats(const_dump_of(client), ret);
}

const char *pnd_client_refusal(const struct pnd_client *client, uint32_t *ret_code)
{
    const struct pnd_dump *d = const_dump_of(client);

    *ret_code = d->extended ? d->tx.ext.error : d->tx.kdp.error;
    return d->extended ? d->tx.ext.message : d->tx.kdp.message;
}
