/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A model of Apple's server, for comparison: PROTOCOL.md#kdp-1.13. It acknowledges before it
 * writes, takes any EOF for the end, repeats its last ACK every 2 s, and starts a second process
 * for a repeated WRQ. One sender; times in microseconds. */
#ifndef PND_TESTS_SIM_KDUMPD_H
#define PND_TESTS_SIM_KDUMPD_H

#include "sim/net.h"
#include "sim/owner.h"

struct kdumpd {
    struct net *net;
    /* Where the bytes of DATA go; NULL: into bytes[]. */
    void (*write)(void *ctx, uint64_t offset, const uint8_t *data, size_t len);
    void *ctx;
    bool exists, active, ended; /* exists: the file; ended: by EOF */
    uint16_t port;              /* of the process that serves the dump */
    uint16_t last_port;         /* of the latest process */
    uint32_t features, expected;
    uint64_t position, heard_us, progress_us;
    size_t len;
    uint8_t bytes[OWNER_DUMP_BYTES_CAP];
    uint8_t ack[6];
    bool disk_full;
};

void kdumpd_init(struct kdumpd *kdumpd, struct net *net);
void kdumpd_datagram(struct kdumpd *kdumpd, uint16_t port, const uint8_t *dgram, size_t len);
void kdumpd_tick(struct kdumpd *kdumpd);
uint64_t kdumpd_deadline_us(const struct kdumpd *kdumpd);

#endif
