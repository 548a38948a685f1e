/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A sender in the simulator: what it means to send, and how it behaves. Times in microseconds. */
#ifndef PND_TESTS_SIM_CLIENT_H
#define PND_TESTS_SIM_CLIENT_H

#include "sim/net.h"

enum { CLIENT_IMAGE_CAP = 96 * 1024, CLIENT_PIECES_CAP = 64 };

/* What a dump means: bytes, and which of them are sent at all; the others are holes. */
struct client_image {
    char name[80];
    size_t len, cap;
    uint8_t *bytes; /* cap of each, the owner's; sent: NULL when all are */
    bool *sent;
};

enum client_state { CLIENT_RUNNING, CLIENT_SUCCESS, CLIENT_FAILED };

struct client {
    enum client_state state;
    struct net *net;
    uint16_t reply_port; /* where packets after the WRQ go */
    /* To send or repeat what is due; called at the latest at deadline_us. */
    void (*step)(struct client *client);
    uint64_t (*deadline_us)(const struct client *client);
    void (*receive)(struct client *client, uint16_t port, const uint8_t *dgram, size_t len);
};

#endif
