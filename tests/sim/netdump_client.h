/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A model of FreeBSD's netdump client, with its arithmetic: PROTOCOL.md#netdump-3 and #netdump-8.
 * It says its packets by a function, and is asked when it next looks for answers. */
#ifndef PND_TESTS_SIM_NETDUMP_CLIENT_H
#define PND_TESTS_SIM_NETDUMP_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/netdump.h"

enum {
    NETDUMP_CLIENT_POLL_NS = 500000,
    NETDUMP_CLIENT_POLLS = 2000,
    NETDUMP_CLIENT_RETRIES = 10,
};

enum netdump_client_state { NETDUMP_RUNS, NETDUMP_BELIEVES, NETDUMP_GAVE_UP };

struct netdump_client_config {
    size_t unit;       /* the longest payload */
    bool shifts_right; /* no client that is published: 64 bits are shifted */
    bool kdh_first;    /* as older ones */
    const uint8_t *image;
    size_t image_len;    /* a multiple of 4096 */
    size_t send_bytes;   /* at most 65536 */
    unsigned flushes;    /* of 1000 sends, so many are shorter: a multiple of 4096 */
    uint64_t seed;       /* of those */
    uint64_t first_lies; /* the first send goes to this offset instead */
    const uint8_t *key;
    size_t key_len;
    uint8_t kdh[512];
    const char *path;
};

struct netdump_client {
    struct netdump_client_config config;
    void (*say)(void *ctx, const uint8_t *header, const void *payload, size_t len);
    void *ctx;
    enum netdump_client_state state;
    unsigned stage;
    size_t at; /* of the image, what is sent */
    /* The send under way: packets [base, base + count) of bytes[0, len) at offset. */
    enum pnd_netdump_type type;
    const uint8_t *bytes;
    size_t len, window; /* window: where its first packet begins */
    uint64_t offset;
    uint32_t base;
    unsigned count, polls, tries;
    uint64_t want, heard; /* of acknowledgements, as the kernel notes them */
    uint64_t poll_ns;
    unsigned sends, repeated, ignored;
};

void netdump_client_init(struct netdump_client *client, const struct netdump_client_config *config,
                         uint64_t now_ns);

/* Any datagram that came to its port since it last looked. */
void netdump_client_hear(struct netdump_client *client, const void *dgram, size_t len);

/* It looks: call at netdump_client_poll_ns(). */
void netdump_client_poll(struct netdump_client *client, uint64_t now_ns);

/* @return when it looks next, if something was heard or else nothing was; UINT64_MAX: never */
uint64_t netdump_client_poll_ns(const struct netdump_client *client, bool heard, uint64_t now_ns);

#endif
