/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The link of pipe.h. */
#include "sim/pipe.h"

#include <stdlib.h>
#include <string.h>

void pipe_init(struct pipe *pipe, struct rng *rng)
{
    *pipe = (struct pipe){.rng = rng};
    pipe->heap = malloc(PIPE_HEAP_CAP * sizeof(*pipe->heap));
    if (!pipe->heap)
        abort();
}

void pipe_deinit(struct pipe *pipe)
{
    for (size_t i = 0; i < pipe->count; i++)
        free(pipe->heap[i].bytes);
    free(pipe->heap);
}

static bool chance(struct pipe *pipe, unsigned of_10000)
{
    return of_10000 && rng_below(pipe->rng, 10000) < of_10000;
}

static bool earlier(const struct pipe_packet *a, const struct pipe_packet *b)
{
    return a->at_ns != b->at_ns ? a->at_ns < b->at_ns : a->order < b->order;
}

static void push(struct pipe *pipe, struct pipe_packet packet)
{
    size_t i = pipe->count++;

    while (i > 0 && earlier(&packet, &pipe->heap[(i - 1) / 2])) {
        pipe->heap[i] = pipe->heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    pipe->heap[i] = packet;
}

static struct pipe_packet pop(struct pipe *pipe)
{
    struct pipe_packet top = pipe->heap[0], last = pipe->heap[--pipe->count];
    size_t i = 0, child;

    while ((child = 2 * i + 1) < pipe->count) {
        if (child + 1 < pipe->count && earlier(&pipe->heap[child + 1], &pipe->heap[child]))
            child++;
        if (!earlier(&pipe->heap[child], &last))
            break;
        pipe->heap[i] = pipe->heap[child];
        i = child;
    }
    if (pipe->count)
        pipe->heap[i] = last;
    return top;
}

static void deliver(struct pipe *pipe, uint64_t at_ns, int flow, const void *header,
                    size_t header_len, const void *payload, size_t payload_len)
{
    struct pipe_packet packet = {
        .at_ns = at_ns, .order = pipe->order++, .flow = flow, .len = header_len + payload_len};

    if (header) {
        packet.bytes = malloc(packet.len);
        if (!packet.bytes)
            abort();
        memcpy(packet.bytes, header, header_len);
        if (payload_len)
            memcpy(packet.bytes + header_len, payload, payload_len);
        if (chance(pipe, pipe->faults.corrupt)) {
            if (pipe->faults.checksum) {
                free(packet.bytes);
                pipe->lost++;
                return;
            }
            /* half of them in the header: that is where they do most */
            packet.bytes[rng_below(pipe->rng, rng_chance(pipe->rng, 500) && packet.len > 40
                                                  ? 40
                                                  : (uint32_t)packet.len)] ^=
                (uint8_t)(1u << rng_below(pipe->rng, 8));
        }
    }
    push(pipe, packet);
}

void pipe_send(struct pipe *pipe, uint64_t now_ns, int flow, const void *header, size_t header_len,
               const void *payload, size_t payload_len)
{
    uint64_t wire = header_len + payload_len + PIPE_OVERHEAD, at_ns, waits;
    const struct pipe_faults *f = &pipe->faults;

    pipe->sent++;
    if (pipe->busy_ns < now_ns)
        pipe->busy_ns = now_ns;
    if (pipe->bytes_per_s) {
        waits = (uint64_t)((double)(pipe->busy_ns - now_ns) * (double)pipe->bytes_per_s / 1e9);
        if (pipe->queue_bytes && waits + wire > pipe->queue_bytes) {
            pipe->overflowed++;
            return;
        }
        if (waits + wire > pipe->peak_bytes)
            pipe->peak_bytes = waits + wire;
        pipe->busy_ns += wire * 1000000000 / pipe->bytes_per_s;
    }
    if (chance(pipe, f->loss) || (f->mtu && header_len + payload_len > f->mtu) ||
        pipe->count + 2 > PIPE_HEAP_CAP) {
        pipe->lost++;
        return;
    }
    at_ns = pipe->busy_ns + pipe->delay_ns;
    if (chance(pipe, f->reorder))
        at_ns += rng_u64(pipe->rng) % (f->late_ns + 1);
    deliver(pipe, at_ns, flow, header, header_len, payload, payload_len);
    if (chance(pipe, f->dup))
        deliver(pipe, at_ns + rng_u64(pipe->rng) % (f->late_ns + 1), flow, header, header_len,
                payload, payload_len);
}

uint64_t pipe_next_ns(const struct pipe *pipe)
{
    return pipe->count ? pipe->heap[0].at_ns : UINT64_MAX;
}

bool pipe_take(struct pipe *pipe, uint64_t now_ns, struct pipe_packet *ret)
{
    if (pipe->count == 0 || pipe->heap[0].at_ns > now_ns)
        return false;
    *ret = pop(pipe);
    return true;
}
